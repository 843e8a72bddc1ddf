"""Checkpoints, each made a run on the same images, to be set side by side."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from featgeom.analysis import OpenedRun, make_studies, open_run
from featgeom.catalog import find_studies
from featgeom.errors import BadArgument
from featgeom.remarks import remark

if TYPE_CHECKING:
    from featgeom.runs.making import Images, Reading

RUNS = "runs"  # the folder beside the page that they are in


def network_runs(
    checkpoints: Sequence[str | Path],
    images: Images,
    folder: Path,
    studies: Sequence[str] = (),
    *,
    device: str = "cpu",
    progress: bool = False,
    **reading: Unpack[Reading],
) -> list[OpenedRun]:
    """A run of each checkpoint on ``images`` in FOLDER/NAME, with these studies; what is there is kept.

    ``images`` and ``reading`` are as in `analyze`, and are the same for all.

    Raises BadArgument for fewer than two checkpoints, or one named twice, before anything is computed; and
    what `analyze` raises.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     network_runs(["digits", "digits"], "digits", Path(place))
    Traceback (most recent call last):
    featgeom.errors.BadArgument: networks: the checkpoint 'digits' is named twice
    """
    from featgeom.runs.making import make_run

    if len(checkpoints) < 2:
        raise BadArgument(f"networks: name two checkpoints or more, got {len(checkpoints)}")
    for twice, count in Counter(map(str, checkpoints)).items():
        if count > 1:
            raise BadArgument(f"networks: the checkpoint '{twice}' is named twice")
    if studies:
        find_studies(studies)
    made = []
    for name, checkpoint in zip(run_names(checkpoints), checkpoints, strict=True):
        run = make_run(folder / name, checkpoint, images, device=device, progress=progress, **reading)
        remark(f"{checkpoint}: features are in {run.folder}")
        for record, new in make_studies(run, studies, device=device, progress=progress) if studies else ():
            remark(f"{name}: {record.title}, {f'{record.seconds:.1f} s' if new else 'kept as stored'}")
        made.append(open_run(run.folder))
        if studies:
            made[-1].report()
    return made


def run_names(checkpoints: Sequence[str | Path]) -> list[str]:
    """A name for the run of each checkpoint: its own, after its folder's where two are called the same.

    >>> run_names(["a/last.pt", "b/last.pt", "net.pt", "timm:resnet18"])
    ['a-last', 'b-last', 'net', 'timm-resnet18']
    >>> run_names(["x/a/last.pt", "y/a/last.pt"])
    ['a-last-1', 'a-last-2']
    """
    paths = [_path(checkpoint) for checkpoint in checkpoints]
    names = [path.stem for path in paths]
    names = [
        name if names.count(name) == 1 else f"{path.absolute().parent.name}-{name}"
        for name, path in zip(names, paths, strict=True)
    ]
    numbers = Counter[str]()
    found = []
    for name in names:
        numbers[name] += 1
        found.append(name if names.count(name) == 1 else f"{name}-{numbers[name]}")
    return found


def _path(checkpoint: Any) -> Path:
    """The path of a checkpoint; of a published network one whose stem is all of its name."""
    path = Path(checkpoint)
    if ":" in str(checkpoint) and not path.exists():
        return Path(re.sub(r"[^\w-]+", "-", str(checkpoint)))
    return path
