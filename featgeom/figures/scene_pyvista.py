"""A scene drawn by pyvista: in a window, as a picture, or spinning."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featgeom.errors import BadArgument, Unsupported

if TYPE_CHECKING:
    from featgeom.figures.drawn import Drawn, Surface

CAMERAS = ("iso", "x", "y", "z")
PICTURE = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
VIDEO = (".gif", ".webp", ".mp4")
DARK, LIGHT = ("#12161c", "#e6e9ee"), ("#ffffff", "#1c2230")  # ground and ink
SPIN_SECONDS = 6.0
MOST_IN_LEGEND = 20


def show_scene(scene: Drawn, camera: str = "iso", dark: bool = False) -> None:
    """Open a window on a scene, until it is closed: drag to turn, q to quit.

    Raises Unsupported where there is no display.
    """
    import os

    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        raise Unsupported("no display to open a window on; --png, --html or --serve need none")
    plotter(scene, (1280, 860), camera, dark, off_screen=False).show()


def save_picture(
    renderer: OffScreen,
    scene: Drawn,
    path: Path,
    size: tuple[int, int] = (1600, 1200),
    camera: str = "iso",
    dark: bool = False,
) -> Path:
    """Draw a scene without any display into a picture file of ``size`` pixels: PNG, JPEG, WebP or TIFF.

    Raises BadArgument for another ending, Unsupported where nothing can draw off-screen.
    """
    check_ending(path, PICTURE)
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(renderer.pictures(scene, size, camera, dark)[0]).save(path)
    return path


def save_spin(
    renderer: OffScreen,
    scene: Drawn,
    path: Path,
    size: tuple[int, int] = (800, 600),
    dark: bool = False,
    frames: int = 48,
) -> Path:
    """Draw a scene turning once about its third axis into a GIF, WebP or MP4 of ``frames`` pictures.

    Raises BadArgument for another ending, Unsupported where nothing can draw off-screen or, for MP4, where
    imageio-ffmpeg is not installed.
    """
    check_ending(path, VIDEO)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".mp4":
        return save_mp4(
            renderer.pictures(scene, (size[0] // 2 * 2, size[1] // 2 * 2), "iso", dark, frames), path
        )
    from PIL import Image

    turn = (Image.fromarray(p) for p in renderer.pictures(scene, size, "iso", dark, frames))
    if path.suffix.lower() == ".gif":  # its 256 colours must include the small ones, those of the legend
        turn = (p.quantize(255, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE) for p in turn)
    first, *others = turn
    first.save(
        path, save_all=True, append_images=others, duration=round(1000 * SPIN_SECONDS / frames), loop=0
    )
    return path


def save_mp4(frames: NDArray[np.uint8], path: Path) -> Path:
    """Pictures (n, h, w, 3) as a film."""
    try:
        import imageio_ffmpeg
    except ImportError:
        raise Unsupported(
            f"{path}: MP4 needs imageio-ffmpeg (featgeom[video]); .gif and .webp do not"
        ) from None
    size = (frames.shape[2], frames.shape[1])
    writer = imageio_ffmpeg.write_frames(
        str(path), size, fps=len(frames) / SPIN_SECONDS, macro_block_size=2, quality=7
    )
    writer.send(None)
    for picture in frames:
        writer.send(np.ascontiguousarray(picture))
    writer.close()
    return path


def check_ending(path: Path, endings: tuple[str, ...]) -> None:
    """Raise BadArgument unless the file name has one of the endings."""
    if path.suffix.lower() not in endings:
        raise BadArgument(f"{path}: the name must end in {', '.join(endings[:-1])} or {endings[-1]}")


class OffScreen:
    """A process of its own that draws scenes without any display.

    Where no renderer works, VTK ends its process rather than raise, and this one must live to say so. Made
    before the scene is, it loads VTK meanwhile.
    """

    def __init__(self) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def pictures(
        self, scene: Drawn, size: tuple[int, int], camera: str = "iso", dark: bool = False, frames: int = 1
    ) -> NDArray[np.uint8]:
        """Pictures (frames, h, w, 3) of a scene on a whole turn about its third axis; to be called once."""
        if camera not in CAMERAS:
            raise BadArgument(f"camera '{camera}': one of {', '.join(CAMERAS)}")
        answer, complaint = self.child.communicate(pickle.dumps((scene, size, camera, dark, frames)))
        if self.child.returncode or len(answer) != frames * size[0] * size[1] * 3:
            said = complaint.decode(errors="replace").strip().splitlines() or ["without a word"]
            raise Unsupported(
                f"nothing here can draw off-screen (the renderer ended with status {self.child.returncode}: "
                f"{said[-1].strip()}); --html needs no renderer"
            )
        return np.frombuffer(answer, np.uint8).reshape(frames, size[1], size[0], 3)

    def __enter__(self) -> OffScreen:
        return self

    def __exit__(self, *error: object) -> None:
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        for stream in (self.child.stdin, self.child.stdout, self.child.stderr):
            if stream is not None and not stream.closed:
                stream.close()


def plotter(
    scene: Drawn, size: tuple[int, int], camera: str, dark: bool, off_screen: bool, still: bool = False
) -> Any:
    """A pyvista plotter that holds the whole scene, with legend, labels, notes and camera."""
    import pyvista as pv

    ground, ink = DARK if dark else LIGHT
    made: Any = pv.Plotter(window_size=list(size), off_screen=off_screen)
    made.set_background(ground)
    unit = size[1] / 1200
    made.enable_depth_peeling(8)
    made.enable_anti_aliasing("ssaa" if still else "fxaa")
    draw_samples(made, scene, ink, unit)
    for surface in scene.surfaces:
        if surface.shown:
            draw_surface(made, surface)
    low, high = scene.window
    box = pv.Box(bounds=(low[0], high[0], low[1], high[1], low[2], high[2]))
    made.add_mesh(box.extract_all_edges(), color=ink, opacity=0.25, line_width=max(1.0, unit))
    words = [text for text, _, _ in scene.labels]
    places = [np.asarray(place, np.float64) for _, _, place in scene.labels]
    for i, axis in enumerate(scene.axes):
        if axis != "none":
            words.append(axis)
            places.append(np.where(np.arange(3) == i, high, low))
    made.add_point_labels(
        np.array(places), words, font_size=round(22 * unit), text_color=ink, shape_color=ground,
        shape_opacity=0.5, show_points=False, always_visible=True, margin=round(3 * unit), font_file=font(),
    )  # fmt: skip
    draw_legend(made, scene, ink, size)
    camera = "z" if scene.axes[2] == "none" else camera
    middle = scene.window.mean(axis=0)
    away = {"iso": (0.62, -0.68, 0.42), "x": (1, 0, 0), "y": (0, -1, 0), "z": (0, 0, 1)}[camera]
    up = (0, 1, 0) if camera == "z" else (0, 0, 1)
    made.camera.up = up
    made.camera.focal_point = middle
    made.camera.position = middle + np.array(away) * 1.85 * np.linalg.norm(high - low)
    made.camera.clipping_range = (0.01, 10 * float(np.linalg.norm(high - low)))
    made.camera.view_angle = 32.0
    made.camera.SetWindowCenter(0, -0.06)  # a little higher, clear of the notes
    return made


def draw_samples(made: Any, scene: Drawn, ink: str, unit: float) -> None:
    """Samples as round points in the colour of their label, the misclassified in a frame."""
    samples = scene.samples
    if not samples.shown or not len(samples):
        return
    many = 4.0 if len(samples) > 20_000 else 7.0 if len(samples) > 2_000 else 10.0
    options = {"style": "points", "render_points_as_spheres": True, "lighting": False}
    if samples.wrong.any():
        frame = options | {"render_points_as_spheres": False}  # flat, so that it lies behind its sphere
        made.add_mesh(
            pointset(samples.positions[samples.wrong]), color=ink, point_size=1.9 * many * unit, **frame
        )
    for c in np.unique(samples.label):
        for wrong, larger in ((False, 1.0), (True, 1.4)):
            mine = (samples.label == c) & (samples.wrong == wrong)
            if mine.any():
                made.add_mesh(
                    pointset(samples.positions[mine]), color=scene.colours[c],
                    point_size=larger * many * unit, **options,
                )  # fmt: skip


def pointset(places: NDArray[np.float32]) -> Any:
    """Places as a pyvista mesh of points."""
    import pyvista as pv

    return pv.PolyData(np.ascontiguousarray(places))


def draw_surface(made: Any, surface: Surface) -> None:
    """A translucent surface with its edges."""
    import pyvista as pv

    if len(surface.triangles):
        faces = np.hstack([np.full((len(surface.triangles), 1), 3), surface.triangles]).ravel()
        mesh = pv.PolyData(surface.vertices, faces)
        made.add_mesh(mesh, color=surface.colour, opacity=surface.opacity, lighting=True, ambient=0.5)
    lines = np.hstack([np.full((len(surface.edges), 1), 2), surface.edges]).ravel()
    made.add_mesh(
        pv.PolyData(surface.vertices, lines=lines), color=surface.colour, opacity=0.5, line_width=1.0
    )


def draw_legend(made: Any, scene: Drawn, ink: str, size: tuple[int, int]) -> None:
    """Title, class colours and notes, as text that stays in the picture."""
    import textwrap

    unit = size[1] / 1200

    def write(text: str, x: float, y: float, points: float, colour: str) -> None:
        made.add_text(
            text, position=(x * unit, y * unit), font_size=points * unit, color=colour, font_file=font()
        )

    write(scene.title, 20, 1150, 13, ink)
    rows = [("●", scene.colours[c], scene.names[c]) for c in scene.chosen[:MOST_IN_LEGEND]]
    if len(scene.chosen) > MOST_IN_LEGEND:
        rows.append(("", ink, f"and {len(scene.chosen) - MOST_IN_LEGEND} more"))
    if scene.samples.shown and scene.samples.wrong.any():
        rows.append(("■", ink, "frame: misclassified"))
    for k, (mark, colour, text) in enumerate(rows):
        if mark:
            write(mark, 20, 1105 - 34 * k, 11, colour)
        write(text, 48, 1105 - 34 * k, 10, ink)
    width = max(30, round(size[0] / (9.5 * unit)))
    write("\n".join(textwrap.fill(note, width) for note in scene.notes), 20, 16, 8, ink)


def font() -> str:
    """A font that has every letter, and comes with matplotlib."""
    from matplotlib import get_data_path

    return str(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")


def _draw_as_told() -> None:
    """What the process of its own does: a job on standard input, raw pictures on standard output."""
    import pyvista.plotting  # noqa: F401 - loaded while the scene is being made

    scene, size, camera, dark, frames = pickle.load(sys.stdin.buffer)
    made = plotter(scene, size, camera, dark, off_screen=True, still=frames == 1)
    for frame in range(frames):
        if frame:
            made.camera.azimuth += 360 / frames
            made.render()
        picture = made.screenshot(return_img=True, transparent_background=False)  # the first one draws
        sys.stdout.buffer.write(np.ascontiguousarray(picture[:, :, :3]).tobytes())
    made.close()


if __name__ == "__main__":
    _draw_as_told()
