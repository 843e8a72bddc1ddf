"""A whole analysis: a run is made, studied, verified and reported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featgeom.catalog import find_studies
from featgeom.report.page import facts, write_report
from featgeom.runs.record import Record, Table
from featgeom.runs.run import Run
from featgeom.runs.verification import Verification, verify_run

if TYPE_CHECKING:
    from featgeom.figures.scene import Scene
    from featgeom.models.pixel_spec import PixelSpec
    from featgeom.runs.making import Images, Network


class OpenedRun(Run):
    """A run as its user holds it: everything stored, and what can be made of it."""

    def _repr_html_(self) -> str:
        shown = "".join(
            f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>" for name, text in facts(self)
        )
        made = ", ".join(self.results) or "none yet"
        return f"<p><b>{escape(str(self.folder))}</b>: studies {escape(made)}</p><table>{shown}</table>"

    def study(self, name: str, *, device: str = "cpu", progress: bool = False, **options: Any) -> Record:
        """Make one study, with ``options`` of its own, and store it in the run.

        Raises BadArgument for an unknown study, an unknown option or a value out of its range.
        """
        (chosen,) = find_studies((name,))
        record = chosen.make(self, device=device, progress=progress, **options)
        self.save(record)
        return record

    def table(self, study: str, name: str) -> Table:
        """One table of a stored study: ``run.table("hulls", "pairs-all")``."""
        return self.result(study).table(name)

    def verify(self) -> Verification:
        """Check every claim of every study again, exactly, from the stored features and head."""
        return verify_run(self)

    def report(self) -> Path:
        """Write RUN/report.html from the stored results, and return its path."""
        return write_report(self)

    def scene(self, view: Any = "decision", classes: Any = None, split: str | None = None) -> Scene:
        """What a three-dimensional picture shows; see `featgeom.scene_of_run`."""
        from featgeom.figures.scene_of import scene_of_run

        return scene_of_run(self, view, classes, split)


def open_run(folder: Path | str) -> OpenedRun:
    """Open a run folder that `featgeom analyze` or `featgeom extract` made.

    Raises BadData where the folder is no run, or is damaged.

    >>> open_run("no/such/folder")
    Traceback (most recent call last):
    featgeom.errors.BadData: no/such/folder: no run there (no run.json); `featgeom analyze` makes one
    """
    return OpenedRun(folder)


def analyze(
    network: Network,
    images: Images | None = None,
    out: Path | str = "run",
    studies: str | Iterable[str] = "overview",
    *,
    arch: str | None = None,
    pixels: PixelSpec | None = None,
    split: str = "both",
    classes: tuple[str, ...] = (),
    seed: int = 0,
    device: str = "cpu",
    progress: bool = False,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> OpenedRun:
    """Put a network's features into the folder ``out``, make studies of them, and write the report.

    ``network`` is a checkpoint, a classifier, a torch module, or an .npz file of arrays, which needs no
    ``images``; these are a source, an `ImageSet`, or sets by the name of their split. ``studies`` are names,
    or "all" for every study of feature space; ``options`` are a study's own, by its name. A run that was
    interrupted goes on where it stopped: stored features and studies made with the same options are kept.

    Raises BadArgument for an unknown study or option before anything is computed, and what `load_classifier`,
    `load_images` and `extract` raise.

    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     arrays = dict(features=np.eye(2), labels=[0, 1], weight=np.eye(2), bias=[0.0, 0.0])
    ...     np.savez(f"{folder}/f.npz", **arrays)
    ...     run = analyze(f"{folder}/f.npz", out=f"{folder}/run")
    ...     print(list(run.results), run.verify().refuted)
    ['overview'] 0
    """
    from featgeom.runs.making import make_run

    given = options or {}
    for study in find_studies(studies):  # what is wrong is said before anything is computed
        study.chosen(given.get(study.name, {}))
    made = make_run(
        Path(out), network, images, arch=arch, pixels=pixels, split=split, classes=classes, seed=seed,
        device=device, progress=progress,
    )  # fmt: skip
    for _ in make_studies(made, studies, device=device, progress=progress, options=given):
        pass
    run = OpenedRun(made.folder, made.held)
    run.report()
    return run


def make_studies(
    run: Run,
    studies: str | Iterable[str],
    *,
    device: str = "cpu",
    progress: bool = False,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Iterator[tuple[Record, bool]]:
    """Studies of a run one after the other, each stored before it is yielded, and whether it is new.

    A stored study that was made with the same options by this version is not made again.
    """
    chosen = [(study, study.chosen((options or {}).get(study.name, {}))) for study in find_studies(studies)]
    for study, values in chosen:
        kept = run.kept(study.name, values)
        if kept is None:
            record = study.make(run, device=device, progress=progress, **values)
            run.save(record)
            yield record, True
        else:
            yield kept, False
