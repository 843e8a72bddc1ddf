"""A whole analysis: a run is made, studied, verified and reported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from featgeom.catalog import find_studies
from featgeom.proofs.verification import Verification, verify_run
from featgeom.report.page import facts, write_report
from featgeom.report.shown import check_report
from featgeom.runs.record import Record, Table
from featgeom.runs.run import Run

if TYPE_CHECKING:
    from featgeom.figures.scene import Scene
    from featgeom.formulations.crosscheck import Crosscheck
    from featgeom.runs.making import Images, Network, Reading


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

    def verify(self, progress: bool = False) -> Verification:
        """Check everything that is called proved again, exactly, and whether the report shows it.

        From the stored features and head: every claim; from the claims: every sentence, table and figure.
        """
        found = verify_run(self, progress)
        return replace(found, said=(*found.said, *check_report(self)))

    def check(
        self, samples: int = 50, seed: int = 0, solver: str = "CLARABEL", progress: bool = False
    ) -> Crosscheck:
        """Solve samples of every kind of statement again, as convex programs in a generic solver."""
        from featgeom.formulations.crosscheck import crosscheck

        return crosscheck(self, samples, seed, solver, progress)

    def report(self) -> Path:
        """Write RUN/report.html from the stored results, and return its path."""
        return write_report(self)

    def scene(self, view: Any = "decision", classes: Any = None, split: str | None = None) -> Scene:
        """What a three-dimensional picture shows; see `featgeom.scene_of_run`."""
        from featgeom.figures.scene_of import scene_of_run

        return scene_of_run(self, view, classes, split)


def open_run(folder: Path | str, arch: str | None = None) -> OpenedRun:
    """Open a run folder that `featgeom analyze` or `featgeom extract` made.

    ``arch``, FILE.py:FUNCTION, says that the code in this file is trusted, where the run's network is built
    by it and somebody else made the run.

    Raises BadData where the folder is no run, or is damaged.

    >>> open_run("no/such/folder")
    Traceback (most recent call last):
    featgeom.errors.BadData: no/such/folder: no run there (no run.json); `featgeom analyze` makes one
    """
    return OpenedRun(folder, arch=arch)


def analyze(
    network: Network,
    images: Images | None = None,
    out: Path | str = "run",
    studies: str | Iterable[str] = "overview",
    *,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: bool = False,
    **reading: Unpack[Reading],
) -> OpenedRun:
    """Put a network's features into the folder ``out``, make studies of them, and write the report.

    ``network`` is a checkpoint, a classifier, a torch module, or an .npz file of arrays, which needs no
    ``images``; these are a source, an `ImageSet`, a torch Dataset or DataLoader, a tuple (images,
    labels), or such by the name of their split. ``studies`` are names, or "all" for every study of feature
    space; ``options`` are a study's own, by its name. ``reading``, how network and images are to be read, is
    ``arch`` and ``pixels`` (see `load_classifier`), ``split`` ("train", "test" or "both"), ``classes`` (the
    names of those to keep) and ``class_map`` (which class is which, see `match_classes`). A run that was
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
    made = make_run(Path(out), network, images, seed=seed, device=device, progress=progress, **reading)
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
