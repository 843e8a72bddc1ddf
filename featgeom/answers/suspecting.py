"""Samples whose label the geometry contradicts, the most suspicious first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from featgeom.answers.directions import unit_length
from featgeom.answers.proved import holds
from featgeom.answers.ranked_distances import apart_from_others, away
from featgeom.arrays import Float64, Floats, Ints
from featgeom.errors import BadArgument
from featgeom.head import AffineHead
from featgeom.hulls.hull import ConvexHull
from featgeom.regions.cells import Cells
from featgeom.regions.gaps import pair_norms
from featgeom.regions.margins import point_blocks
from featgeom.runs.again import images_of
from featgeom.runs.record import Column, Table
from featgeom.runs.subjects import of_class
from featgeom.status import Status

if TYPE_CHECKING:
    from featgeom.data.images import ImageSet
    from featgeom.runs.run import Run

NEIGHBOURS = 15
RTOL = 1e-2  # of the angular distances from hulls
NEAR = 1e-3  # cosine distance below which two features are near-duplicates
NOTE = (
    "Score: how rare the sample is among all of its part in three ways together, from 0 to 1: how far the "
    "feature lies from the cell of its label (label margin: the distance to its boundary, negative outside), "
    "how much nearer the hull of the rival class is than that of its label's other features (hull "
    "ratio: own / (own + rival), both angular), and the share of its 15 nearest training features (by "
    "angle) that have another label. It is 1 less the geometric mean of the three shares of samples that are "
    "as high. A suspicion, not a proof."
)


@dataclass(frozen=True)
class Suspects:
    """Samples of a run in the order of suspicion; one row a sample in ``table``.

    ``images`` are those of each part; None where the run does not find them.
    """

    table: Table
    images: Mapping[str, ImageSet | None]

    def __repr__(self) -> str:
        return f"<Suspects: {len(self.table.rows)} samples>"


@dataclass(frozen=True)
class _Labels:
    """Features with labels that may be wrong, and what the head says of them."""

    split: str
    points: Floats
    unit: Floats
    labels: Ints
    predicted: Ints
    rival: Ints
    margin: Float64
    itself: bool  # whether these are the training features themselves


def suspects(run: Run, most: int = 100, device: str = "cpu") -> Suspects:
    """The ``most`` samples of each labelled part of a run whose labels are the most suspicious.

    Beside the score stand reasons, in words: the sample is proved to lie in the guaranteed region of another
    class; it breaks the guarantee of its class's hull (the head gives it another class); a near-duplicate
    (cosine distance below 0.001) among its nearest training features has another label, or the nearest of
    all is one and lies in another part. The last column, ``image``, is the file of each sample, below the
    folder, where images are files.

    Raises BadArgument where no part has labels, or for ``most`` below one.

    >>> import tempfile
    >>> from featgeom.runs.making import make_run
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = suspects(make_run(f"{folder}/run", "digits", "digits"), most=5)
    >>> found, found.table.column("split")[::5]
    (<Suspects: 10 samples>, ['train', 'test'])
    """
    if most < 1:
        raise BadArgument(f"most: at least 1, got {most}")
    if run.reference_split in run.unlabelled:
        raise BadArgument(f"{run.folder}: the labels of its {run.reference_split} part are unknown")
    training = _seen(run, run.reference_split)
    parts = [_seen(run, split) for split in run.splits if split not in run.unlabelled]
    rows: list[tuple[Any, ...]] = []
    for part in parts:
        rows += _ranked(run, training, part, most, device)
    columns: tuple[Column, ...] = (
        Column("sample"), Column("split"), Column("row"), Column("label"), Column("suggested"),
        Column("score"),
        Column("label margin", "feature distance"), Column("hull ratio"), Column("other neighbours"),
        Column("nearest other"), Column("reasons"),
    )  # fmt: skip
    images = {part.split: images_of(run, part.split) for part in parts}
    files = [_file(images[row[1]], row[2]) for row in rows]
    if any(files):
        columns, rows = (*columns, Column("image")), [(*r, f) for r, f in zip(rows, files, strict=True)]
    title = "Samples whose label the geometry contradicts"
    return Suspects(Table("suspects", title, columns, tuple(rows), NOTE), images)


def _file(images: ImageSet | None, row: int) -> str:
    return "" if images is None or images.files is None else str(images.files[row])


def _seen(run: Run, split: str) -> _Labels:
    part = run.features(split)
    labels, predicted = np.asarray(part.labels), run.subjects.predicted(split)
    rival, margin = label_margins(part.features, labels, part.head)
    points = np.asarray(part.features)
    return _Labels(
        split, points, unit_length(points), labels, predicted, rival, margin, split == run.reference_split
    )


def label_margins(points: Any, labels: Ints, head: AffineHead) -> tuple[Ints, Float64]:
    """The class nearest to take each label's place, (n,), and the distance to the boundary with it, (n,).

    The distance is in feature space to the hyperplane where both logits are equal, negative where the other
    class has the larger logit; 0 where the other class has the same row and bias: both tie everywhere.

    >>> from featgeom import AffineHead
    >>> label_margins(np.array([[3.0, 1.0], [1.0, 2.0]]), np.array([0, 0]), AffineHead(np.eye(2)))[1].round(3)
    array([ 1.414, -0.707])
    """
    z = np.asarray(points)
    found = [_label_margins(z[block], labels[block], head) for block in point_blocks(head, len(z))]
    return np.concatenate([rival for rival, _ in found]), np.concatenate([margin for _, margin in found])


def _label_margins(z: Floats, labels: Ints, head: AffineHead) -> tuple[Ints, Float64]:
    logits, rows = head.logits(z.astype(np.float64)), np.arange(len(z))
    apart, ahead = pair_norms(head)[labels], head.bias[labels][:, None] - head.bias
    with np.errstate(divide="ignore", invalid="ignore"):
        far = (logits[rows, labels][:, None] - logits) / apart
        never = np.where(ahead == 0, 0.0, np.copysign(np.inf, ahead))  # equal rows tie everywhere or nowhere
    far = np.where(apart == 0, never, far)
    far[rows, labels] = np.inf
    rival = far.argmin(axis=1)
    return rival, far[rows, rival]


def _ranked(run: Run, training: _Labels, part: _Labels, most: int, device: str) -> list[tuple[Any, ...]]:
    """The rows of the most suspicious samples of one part."""
    ratio = hull_ratios(training, part, device)
    index, cosine = _neighbours(training, part)
    other = (training.labels[index] != part.labels[:, None]).sum(axis=1) / max(index.shape[1], 1)
    score = rarity(-part.margin, ratio, other)
    order = np.argsort(-score, kind="stable")[:most]
    names = run.classes
    elsewhere = _guaranteed_elsewhere(run, part, order, device)
    rows = []
    for i in order:
        reasons = list(_reasons(names, training, part, i, i in elsewhere, index[i], cosine[i]))
        nearest = f"{training.split}:{index[i, 0]}" if len(index[i]) else ""
        suggested = names[_suggested(training.labels[index[i]], int(part.labels[i]), int(part.rival[i]))]
        rows.append(
            (f"{part.split}:{i}", part.split, int(i), names[part.labels[i]], suggested,
             float(score[i]), float(part.margin[i]), float(ratio[i]), float(other[i]), nearest,
             "; ".join(reasons))
        )  # fmt: skip
    return rows


def _suggested(neighbours: Ints, label: int, rival: int) -> int:
    """The class of most neighbours, but for the label; of several the rival, and the rival where none is."""
    votes = np.bincount(neighbours, minlength=max(label, rival) + 1)
    votes[label] = 0
    return rival if votes[rival] == votes.max() else int(votes.argmax())


def _reasons(
    names: Sequence[str],
    training: _Labels,
    part: _Labels,
    i: int,
    elsewhere: bool,
    index: Ints,
    apart: Float64,
) -> Iterator[str]:
    """What stands beside the score of one sample, with its nearest training features and cosine distances."""
    if elsewhere:
        yield f"in the guaranteed region of {names[part.predicted[i]]}"
    if part.itself and part.predicted[i] != part.labels[i]:
        yield f"breaks the guarantee of {names[part.labels[i]]}"
    twins = index[apart < NEAR]
    for j in twins[training.labels[twins] != part.labels[i]][:1]:
        yield f"near-duplicate of {training.split}:{j}, labelled {names[training.labels[j]]}"
    if len(twins) and not part.itself:
        yield f"near-duplicate of {training.split}:{twins[0]} in another part"


def rarity(*views: Float64) -> Float64:
    """How rare each of n samples is in several views (n,) together, from 0 to 1; no less for more.

    In each view a sample's share is that of the samples that are higher, equals counted half; together they
    are 1 less their geometric mean, in the order of Fisher's sum of logarithms of p-values (Statistical
    methods for research workers, 1932), to which the extreme counts for more than to a mean of ranks.

    >>> rarity(np.array([5.0, 1.0, 5.0])).round(3)
    array([0.667, 0.167, 0.667])
    """
    from scipy.stats import rankdata

    n = len(views[0])
    higher = [(n + 0.5 - rankdata(view)) / n for view in views]
    return np.asarray(1 - np.exp(np.mean(np.log(higher), axis=0)))


def hull_ratios(training: _Labels, part: _Labels, device: str) -> Float64:
    """own / (own + rival) of the angular distances from both classes' hulls, (n,), each without itself."""
    own, other = np.full(len(part.labels), np.inf), np.full(len(part.labels), np.inf)
    for c in np.unique(training.labels):
        hull = ConvexHull(training.unit[training.labels == c], device=device)
        mine, rivals = np.flatnonzero(part.labels == c), np.flatnonzero(part.rival == c)
        if part.itself:
            own[mine] = apart_from_others(hull, RTOL)
        elif len(mine):
            own[mine] = away(hull, part.unit[mine], RTOL)
        if len(rivals):
            other[rivals] = away(hull, part.unit[rivals], RTOL)
    with np.errstate(invalid="ignore"):
        ratio = own / (own + other)
    ratio[np.isinf(own)] = 1.0  # nothing else has this label
    return np.nan_to_num(ratio, nan=0.5)


def _neighbours(training: _Labels, part: _Labels) -> tuple[Ints, Float64]:
    """The nearest training features by angle, without itself: rows (n, k) and cosine distances (n, k)."""
    from sklearn.neighbors import NearestNeighbors

    k = min(NEIGHBOURS, len(training.labels) - part.itself)
    found = NearestNeighbors(n_neighbors=k + part.itself, algorithm="brute").fit(training.unit)
    chord, index = found.kneighbors(part.unit)
    if part.itself:
        index = index.copy()
        own = index == np.arange(len(index))[:, None]
        own[~own.any(axis=1), -1] = True  # among many copies of itself
        keep = ~own
        return index[keep].reshape(len(index), k), chord[keep].reshape(len(index), k) ** 2 / 2
    return index, chord**2 / 2


def _guaranteed_elsewhere(run: Run, part: _Labels, order: Ints, device: str) -> set[int]:
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
