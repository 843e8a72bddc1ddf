"""`featgeom view`: three-dimensional pictures of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from featgeom_cli.common import Console, UserPath, featgeom_command, run_argument, trust_option

EXAMPLE = """
featgeom view RUN                                a window
featgeom view RUN --html view.html               a page to pass on
featgeom view RUN --html view.html --projection decision,slice,pca
featgeom view RUN --serve                        a live page: classes, views, pictures to explain
featgeom view RUN --png cats.png --classes cat,dog,deer,horse --projection slice
"""
PROJECTIONS = ("decision", "slice", "pca", "lda")


@featgeom_command(EXAMPLE)
@run_argument
@click.option("--png", type=UserPath(dir_okay=False), help="Write a picture (also .jpg, .webp, .tif).")
@click.option("--html", type=UserPath(dir_okay=False), help="Write one self-contained page.")
@click.option("--spin", type=UserPath(dir_okay=False), help="Write one turn as .gif, .webp or .mp4.")
@click.option(
    "--serve", is_flag=True, help="Serve a live page on localhost until Ctrl-C; it explains pictures."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, show_default="any free one", help="Port of --serve."
)
@click.option("--classes", help="Names or numbers, separated by commas.  [default: the four most confused]")
@click.option(
    "--projection",
    default="decision",
    show_default=True,
    help="decision and slice are exact, pca and lda are shadows; or a .npy file of directions (1 to 3, d). "
    "A page can hold several, separated by commas.",
)
@click.option("--split", help="Whose samples to draw.  [default: the part that is asked about]")
@click.option("--size", help="Pixels of a picture, as WIDTHxHEIGHT.  [default: 1600x1200, spins 800x600]")
@click.option("--camera", type=click.Choice(["iso", "x", "y", "z"]), default="iso", show_default=True)
@trust_option
@click.option("--dark", is_flag=True, help="A dark ground for window, --png and --spin.")
def view(
    console: Console, run: Path, classes: str | None, projection: str, split: str | None,
    serve: bool, port: int, arch: str | None, **picture: Any,
) -> None:  # fmt: skip
    """See a run in three dimensions: class hulls, samples, cells, boundaries, flip points.

    Without a file to write, a window opens. Every picture says in words what is exact and what is a shadow.
    """
    from contextlib import ExitStack

    from featgeom.runs.run import Run

    opened = Run(run, arch=arch)
    pixels, camera, dark = as_size(picture["size"]), picture["camera"], picture["dark"]
    wanted = [word.strip() for word in projection.split(",")]
    if len(wanted) > 1 and (picture["png"] or picture["spin"] or serve or not picture["html"]):
        raise click.UsageError("--projection: several views go into one page, so with --html alone")
    with ExitStack() as stack:
        renderers: dict[str, Any] = {}
        if picture["png"] or picture["spin"]:
            from featgeom.figures.scene_pyvista import OffScreen

            made = [kind for kind in ("png", "spin") if picture[kind]]
            renderers = {kind: stack.enter_context(OffScreen()) for kind in made}  # which load VTK meanwhile
        if serve:
            return served(console, opened, port, projection, classes, split)
        from featgeom.figures.scene_of import scene_of_run

        scene, *others = [scene_of_run(opened, as_view(word), names(classes), split) for word in wanted]
        written: dict[str, str] = {}
        if picture["html"]:
            from featgeom.report.view import write_view

            written["html"] = str(write_view(scene, opened, picture["html"], others))
        if not renderers and not written:
            from featgeom.figures.scene_pyvista import show_scene

            show_scene(scene, camera, dark)
        if picture["png"]:
            from featgeom.figures.scene_pyvista import save_picture

            shape = pixels or (1600, 1200)
            written["png"] = str(save_picture(renderers["png"], scene, picture["png"], shape, camera, dark))
        if picture["spin"]:
            from featgeom.figures.scene_pyvista import save_spin

            console.note(f"drawing a turn into {picture['spin']}; about a quarter of a second a picture")
            shape = pixels or (800, 600)
            written["spin"] = str(save_spin(renderers["spin"], scene, picture["spin"], shape, dark))
    document: dict[str, Any] = {"view": scene.view, "notes": scene.notes, "files": written}
    document["views"] = [one.view for one in (scene, *others)]
    document["classes"] = [scene.names[c] for c in scene.chosen]
    console.result("\n".join([*scene.notes, *written.values()]), document, run)
    return None


def served(
    console: Console, run: Any, port: int, projection: str, classes: str | None, split: str | None
) -> None:
    """Serve the live page until Ctrl-C, which is how it is meant to end."""
    from featgeom.answers.dropping import explainer
    from featgeom.errors import BadArgument
    from featgeom.report.serve import ViewServer

    asked = {"view": projection, "classes": classes, "split": split}
    first = {key: value for key, value in asked.items() if value is not None}
    try:
        server = ViewServer(run, port, first, explainer(run))
    except (OSError, OverflowError) as error:
        raise BadArgument(f"--port {port}: {error}") from None
    with server:
        server.page({})  # what is wrong is said now, not in the browser
        console.result(f"{server.address}  (Ctrl-C ends)", {"address": server.address}, run.folder)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            console.note("ended")


def names(classes: str | None) -> list[str] | None:
    """Class names from an option's value."""
    return None if classes is None else [name.strip() for name in classes.split(",")]


def as_view(projection: str) -> Any:
    """The name of a view, or directions from a file."""
    if not projection.endswith(".npy"):
        return projection
    import numpy as np

    from featgeom.data.npz import array_bytes, damaged
    from featgeom.limits import require_memory

    path = Path(projection).expanduser()
    with damaged(path), open(path, "rb") as file:
        require_memory(array_bytes(file, path.stat().st_size, projection), projection)
        file.seek(0)
        return np.lib.format.read_array(file, allow_pickle=False)


def as_size(size: str | None) -> tuple[int, int] | None:
    """Width and height in pixels."""
    if size is None:
        return None
    width, _, height = size.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and min(int(width), int(height)) >= 64):
        raise click.UsageError(f"--size: expected WIDTHxHEIGHT in pixels, such as 1600x1200, got '{size}'")
    return int(width), int(height)


command = view
