"""Samples whose label the geometry contradicts, the most suspicious first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from featgeom.answers.duplicates import NEAR, PAIRS, Duplicates, duplicates
from featgeom.answers.label_views import (
    Labels,
    as_far_out,
    hull_distances,
    hull_ratio,
    neighbours,
    rarity,
    seen,
)
from featgeom.answers.proved import holds
from featgeom.arrays import Ints
from featgeom.errors import BadArgument
from featgeom.hulls.hull import ConvexHull
from featgeom.regions.cells import Cells
from featgeom.runs.again import images_by_part
from featgeom.runs.record import Column, Table
from featgeom.runs.subjects import of_class
from featgeom.status import Status

if TYPE_CHECKING:
    from featgeom.data.images import ImageSet
    from featgeom.runs.run import Run

TWIN = 1e-3  # cosine distance below which a near-duplicate is a reason
EXTREME = 0.01  # the share of its class, itself included, that lies as far out as an extreme sample
NOTE = (
    "Score: how rare the sample is among all of its part in three ways together, from 0 to 1: how far the "
    "feature lies from the cell of its label (label margin: the distance to its boundary, negative outside), "
    "how much nearer the hull of the rival class is than that of its label's other features (hull "
    "ratio: own / (own + rival), both angular), and the share of its 15 nearest training features (by "
    "angle) that have another label. It is 1 less the geometric mean of the three shares of samples that are "
    "as high. As far out: of the samples of its part that have its label, the share, itself included, that "
    "lies as far from the hull of the other training features of that label. A suspicion, not a proof."
)


@dataclass(frozen=True)
class Suspects:
    """Samples of a run in the order of suspicion; one row a sample in ``table``.

    ``duplicates`` are pairs of all samples of the run, listed here or not, that are the same or nearly so;
    ``images`` are those of each part, None where the run does not find them.
    """

    table: Table
    duplicates: Duplicates
    images: Mapping[str, ImageSet | None]

    def __repr__(self) -> str:
        return f"<Suspects: {len(self.table.rows)} samples, {len(self.duplicates.table.rows)} pairs>"


def suspects(
    run: Run,
    most: int = 100,
    device: str = "cpu",
    near: float = NEAR,
    pairs: int = PAIRS,
    progress: bool = False,
) -> Suspects:
    """The ``most`` samples of each labelled part of a run whose labels are the most suspicious.

    Beside the score stand reasons, in words: the sample is proved to lie in the guaranteed region of another
    class; it breaks the guarantee of its class's hull (the head gives it another class); it is extreme, as
    not more than 1 % of its class (itself included) lie as far out; another image has the same pixels; a
    near-duplicate (cosine distance below 0.001) among its nearest training features has another label, or the
    nearest of all is one and lies in another part. The last column, ``image``, is the file of each sample,
    below the folder, where images are files. Beside them stand the duplicates of all parts, the ``pairs``
    nearest of those nearer than ``near`` (see `duplicates`).

    Raises BadArgument where no part has labels, for ``most`` or ``pairs`` below one, or ``near`` outside
    [0, 2].

    >>> import tempfile
    >>> from featgeom.runs.making import make_run
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = suspects(make_run(f"{folder}/run", "digits", "digits"), most=5)
    >>> found, found.table.column("split")[::5]
    (<Suspects: 10 samples, 1000 pairs>, ['train', 'test'])
    """
    if most < 1:
        raise BadArgument(f"most: at least 1, got {most}")
    if run.reference_split in run.unlabelled:
        raise BadArgument(f"{run.folder}: the labels of its {run.reference_split} part are unknown")
    images = images_by_part(run)
    twice = duplicates(run, near, pairs, progress, images)
    same = {name: some for some in twice.alike for name in some}
    training = seen(run, run.reference_split)
    parts = [seen(run, split) for split in run.splits if split not in run.unlabelled]
    rows: list[tuple[Any, ...]] = []
    for part in parts:
        rows += _ranked(run, training, part, most, same, device, progress)
    columns: tuple[Column, ...] = (
        Column("sample"), Column("split"), Column("row"), Column("label"), Column("suggested"),
        Column("score"),
        Column("label margin", "feature distance"), Column("hull ratio"), Column("other neighbours"),
        Column("as far out"), Column("nearest other"), Column("reasons"),
    )  # fmt: skip
    files = [_file(images[row[1]], row[2]) for row in rows]
    if any(files):
        columns, rows = (*columns, Column("image")), [(*r, f) for r, f in zip(rows, files, strict=True)]
    title = "Samples whose label the geometry contradicts"
    return Suspects(Table("suspects", title, columns, tuple(rows), NOTE), twice, images)


def _file(images: ImageSet | None, row: int) -> str:
    return "" if images is None or images.files is None else str(images.files[row])


def _ranked(
    run: Run,
    training: Labels,
    part: Labels,
    most: int,
    same: Mapping[str, Sequence[str]],
    device: str,
    progress: bool,
) -> list[tuple[Any, ...]]:
    """The rows of the most suspicious samples of one part; samples with the ``same`` pixels by name."""
    own, rival = hull_distances(training, part, device, progress)
    ratio, out = hull_ratio(own, rival), as_far_out(own, part.labels)
    index, cosine = neighbours(training, part, progress)
    other = (training.labels[index] != part.labels[:, None]).sum(axis=1) / max(index.shape[1], 1)
    score = rarity(-part.margin, ratio, other)
    order = np.argsort(-score, kind="stable")[:most]
    names = run.classes
    elsewhere = _guaranteed_elsewhere(run, part, order, device)
    rows = []
    for i in order:
        reasons = [
            *_of_its_class(names, part, i, i in elsewhere, float(out[i])),
            *_of_pixels(run, part, i, same.get(f"{part.split}:{i}", ())),
            *_of_twins(names, training, part, i, index[i][cosine[i] < TWIN]),
        ]
        nearest = f"{training.split}:{index[i, 0]}" if len(index[i]) else ""
        suggested = names[_suggested(training.labels[index[i]], int(part.labels[i]), int(part.rival[i]))]
        rows.append(
            (f"{part.split}:{i}", part.split, int(i), names[part.labels[i]], suggested,
             float(score[i]), float(part.margin[i]), float(ratio[i]), float(other[i]), float(out[i]), nearest,
             "; ".join(reasons))
        )  # fmt: skip
    return rows


def _suggested(neighbours: Ints, label: int, rival: int) -> int:
    """The class of most neighbours, but for the label; of several the rival, and the rival where none is."""
    votes = np.bincount(neighbours, minlength=max(label, rival) + 1)
    votes[label] = 0
    return rival if votes[rival] == votes.max() else int(votes.argmax())


def _of_its_class(names: Sequence[str], part: Labels, i: int, elsewhere: bool, out: float) -> Iterator[str]:
    """What the hulls say of one sample, beside its score; ``out`` is the share of its class as far out."""
    if elsewhere:
        yield f"in the guaranteed region of {names[part.predicted[i]]}"
    if part.itself and part.predicted[i] != part.labels[i]:
        yield f"breaks the guarantee of {names[part.labels[i]]}"
    if out <= EXTREME:
        count = int((part.labels == part.labels[i]).sum())
        rank = round(out * count)
        yield (
            f"extreme in {names[part.labels[i]]}: "
            f"{'none' if rank == 1 else f'only {rank - 1:,}'} of the other {count - 1:,} samples of "
            f"{part.split} {'lies' if rank <= 2 else 'lie'} as far out"
        )


def _of_pixels(run: Run, part: Labels, i: int, same: Sequence[str]) -> Iterator[str]:
    """That another image has the same pixels as one sample: one of another label first, or another part."""
    known: list[tuple[int, str]] = []
    for name in same:
        split, _, row = name.rpartition(":")
        if (split, int(row)) == (part.split, i):
            continue
        features = run.features(split)
        label = int(features.labels[int(row)]) if features.labelled else int(part.labels[i])
        if label != part.labels[i]:
            known.append((0, f"same pixels as {name}, labelled {run.classes[label]}"))
        elif split != part.split:
            known.append((1, f"same pixels as {name} in another part"))
        else:
            known.append((2, f"same pixels as {name}"))
    yield from [words for _, words in sorted(known)[:1]]


def _of_twins(names: Sequence[str], training: Labels, part: Labels, i: int, twins: Ints) -> Iterator[str]:
    """What the nearest training features that are near-duplicates say of one sample."""
    for j in twins[training.labels[twins] != part.labels[i]][:1]:
        yield f"near-duplicate of {training.split}:{j}, labelled {names[training.labels[j]]}"
    if len(twins) and not part.itself:
        yield f"near-duplicate of {training.split}:{twins[0]} in another part"


def _guaranteed_elsewhere(run: Run, part: Labels, order: Ints, device: str) -> set[int]:
    """Of the samples in ``order`` those proved to lie in the guaranteed region of another class."""
    found: set[int] = set()
    for c in np.unique(part.predicted[order]):
        mine = order[(part.predicted[order] == c) & (part.labels[order] != c)]
        points = run.subjects.points(of_class(run.reference_split, int(c), True))
        if not len(mine) or not len(points):
            continue
        kept = Cells(run.subjects.head).guarantee(points, int(c))
        member = ConvexHull(points, device=device).contains(part.points[mine])
        if kept.status is Status.GUARANTEED and holds(kept.certificate, member.certificate):
            found.update(mine[np.asarray(member.status == Status.INSIDE, dtype=bool)].tolist())
    return found
