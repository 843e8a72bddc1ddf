"""The first paper's experiments, each made into a run."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from featgeom.analysis import make_studies
from featgeom.catalog import STUDIES
from featgeom.errors import BadArgument, BadData
from featgeom.files import write_whole
from featgeom.papers.experiments import EXPERIMENTS, Experiment
from featgeom.runs.making import arrays_run, make_run
from featgeom.runs.run import Run
from featgeom.studies.trajectory import trajectory
from featgeom.training.head import train_head
from featgeom.training.loop import train

SOURCES = {"mnist": "mnist:{}/mnist", "cifar10": "cifar10:{}/cifar10/cifar-10-batches-bin"}
# Six points of the plane: the standard machine and the augmented one differ by more than ten degrees.
TRAP = (
    ((1.0, 1.0), (2.0, 3.0), (1.5, 4.0), (3.0, 1.2), (4.0, 2.5), (5.0, 1.0)),
    (0, 0, 0, 1, 1, 1),
)


def reproduce(
    experiment: Experiment,
    folder: Path,
    data: str | None,
    *,
    full: bool = False,
    seed: int = 0,
    device: str = "cpu",
    progress: bool = False,
) -> Run:
    """Make one experiment into the run FOLDER/NAME; its training is in FOLDER/training/NAME.

    Interrupted, it carries on where it stopped. Raises BadData where what it needs is not in ``data``.
    """
    place = folder / experiment.name
    if experiment.file:
        run = arrays_run(place, str(needed(experiment, data)), seed=seed)
    elif not experiment.recipe:
        run = arrays_run(place, str(trap_file(folder)), seed=seed)
    else:
        run = _trained(experiment, folder, data, full, seed, device, progress)
    options = {"retrain": {"steps": experiment.retraining}}
    for _ in make_studies(run, experiment.studies, device=device, progress=progress, options=options):
        pass
    return run


def _trained(
    experiment: Experiment,
    folder: Path,
    data: str | None,
    full: bool,
    seed: int,
    device: str,
    progress: bool,
) -> Run:
    """Train, extract, and follow the head along the checkpoints."""
    changes = experiment.fields(full)
    if experiment.needs:
        needed(experiment, data)
        changes = changes | {"images": SOURCES[experiment.needs].format(data)}
    quiet: dict[str, Any] = {"seed": seed, "device": device, "progress": progress}
    training = train(experiment.recipe, folder / "training" / experiment.name, full=full, **quiet, **changes)
    images, classes = training.recipe.images, training.recipe.classes
    run = make_run(folder / experiment.name, training.last, images, classes=classes, **quiet)
    series = [checkpoint.path for checkpoint in training.checkpoints]
    followed = trajectory(series, images, split=experiment.followed, classes=classes, **quiet)
    run.save(STUDIES["trajectory"].named(followed))
    return run


def needed(experiment: Experiment, data: str | None) -> Path:
    """The file or folder that an experiment needs."""
    path = Path(data or "").expanduser() / experiment.needs
    if data is None or not path.exists():
        where = f"there is no {path}" if data else "--data and FEATGEOM_DATA name no folder"
        raise BadData(f"experiment {experiment.name} needs real data: {where}")
    return path


def available(experiment: Experiment, data: str | None) -> bool:
    """Whether what an experiment needs is there."""
    return not experiment.needs or (
        data is not None and (Path(data).expanduser() / experiment.needs).exists()
    )


def trap_file(folder: Path) -> Path:
    """The six points as features, with a head that separates them."""
    head = train_head(*TRAP, steps=1_000).last
    content = io.BytesIO()
    points, labels = (np.array(part) for part in TRAP)
    np.savez(content, features=points, labels=labels, weight=head.weight, bias=head.bias)
    path = folder / "training" / "trap.npz"
    write_whole(path, content.getvalue())
    return path


def open_experiments(folder: Path) -> dict[str, Run]:
    """The runs of experiments that a folder holds, in the order in which experiments are listed.

    One whose studies are not all made, as it was interrupted or is under way, is left out.
    """
    there = {name: Run(folder / name) for name in EXPERIMENTS if (folder / name / "run.json").exists()}
    if not there:
        raise BadArgument(f"{folder}: no experiment is there; `featgeom reproduce -o {folder}` makes them")
    return {name: run for name, run in there.items() if set(EXPERIMENTS[name].studies) <= set(run.results)}
