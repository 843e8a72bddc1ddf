"""Which few samples keep the hulls of two classes together: without them the hulls are apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from featgeom.answers.proved import holds
from featgeom.arrays import Floats, Ints
from featgeom.certificates.separations import HullOverlap, HullSeparation
from featgeom.head import AffineHead
from featgeom.hulls.hull import ConvexHull
from featgeom.hulls.separation import separate
from featgeom.runs.record import Column, Table
from featgeom.runs.subjects import of_class
from featgeom.status import Status

if TYPE_CHECKING:
    from featgeom.runs.run import Run

Mask = NDArray[np.bool_]
RTOL = 1e-2  # of distances: whether hulls are apart is proved or not, how far is not asked
NOTE = (
    "A row for every two classes whose hulls of all training features are proved to meet: samples without "
    "which the hulls are proved to be apart, none of them to spare, or nothing where no list is proved; and "
    "how many any list has at least, as so many common points of both hulls are proved, no two of which have "
    "a sample in common. Where both numbers are equal, no shorter list exists. What is removed says where "
    "classes overlap, not that a label is wrong. Proved when it was made; no claim of it is stored."
)


@dataclass(frozen=True)
class Meeting:
    """A common point of the hulls of two sets, mixed of rows ``first`` of one and ``second`` of the other.

    ``certificate`` proves it, of the sets without the rows of the meetings before.
    """

    first: Ints
    second: Ints
    certificate: HullOverlap


@dataclass(frozen=True)
class Removal:
    """Whether the hulls of two sets of points meet, and rows without which they do not.

    ``status`` is OVERLAPPING, SEPARATED or UNDECIDED, of the hulls of all points. Of hulls that meet,
    ``first`` (k,) and ``second`` (l,) are rows of both sets; ``certificate`` proves that the hulls of the
    others are apart, and is None where no list is proved, which is then empty. ``meetings`` have no row in
    common, so every list has ``at_least`` as many.
    """

    status: Status
    first: Ints
    second: Ints
    certificate: HullSeparation | None
    meetings: tuple[Meeting, ...] = ()

    @property
    def at_least(self) -> int:
        """How many rows every list has at the least."""
        return len(self.meetings)

    def __len__(self) -> int:
        return len(self.first) + len(self.second)


def removal(a: Floats, b: Floats, head: AffineHead, pair: tuple[int, int], device: str = "cpu") -> Removal:
    """A list of rows whose removal separates the hulls of a (n, d) and b (m, d), of the classes of a pair.

    Begins with those on the wrong side of the boundary of both classes and takes back, the deepest last, each
    without which the others are enough.

    >>> a, b = np.array([[0.0, 1.0], [0.0, 3.0], [5.0, 1.0]]), np.array([[2.0, 0.0], [2.0, 4.0], [4.0, 2.0]])
    >>> found = removal(a, b, AffineHead([[-1.0, 0.0], [1.0, 0.0]], [2.0, 0.0]), (0, 1))
    >>> found.first, found.second, found.at_least
    (array([2]), array([], dtype=int64), 1)
    """
    hulls = _Pair(a, b, device)
    out = hulls.none()
    status, claim = hulls.without(out)
    if status is not Status.OVERLAPPING:
        return Removal(status, *_rows(out), claim if isinstance(claim, HullSeparation) else None)
    weight, bias = head.weight[pair[0]] - head.weight[pair[1]], head.bias[pair[0]] - head.bias[pair[1]]
    sides = [sign * (z.astype(np.float64) @ weight + bias) for sign, z in ((1, a), (-1, b))]
    out = [side <= 0 for side in sides]
    least_deep_first = sorted(
        (-float(side[row]), which, int(row))
        for which, side in enumerate(sides)
        for row in np.flatnonzero(side <= 0)
    )
    status, claim = hulls.without(out)
    if status is not Status.SEPARATED:
        return Removal(Status.OVERLAPPING, *_rows(hulls.none()), None, tuple(hulls.meetings()))
    for _, which, row in least_deep_first:
        out[which][row] = False
        status, apart = hulls.without(out)
        if status is Status.SEPARATED:
            claim = apart
        else:
            out[which][row] = True
    assert isinstance(claim, HullSeparation)
    return Removal(Status.OVERLAPPING, *_rows(out), claim, tuple(hulls.meetings()))


def _rows(out: list[Mask]) -> tuple[Ints, Ints]:
    first, second = (np.flatnonzero(gone) for gone in out)
    return first, second


class _Pair:
    """Two sets of points, and what is proved of the hulls of those that are not ``out``."""

    def __init__(self, a: Floats, b: Floats, device: str) -> None:
        self.parts, self.device = (a, b), device

    def none(self) -> list[Mask]:
        """Nothing is out."""
        return [np.zeros(len(z), dtype=bool) for z in self.parts]

    def without(self, out: list[Mask]) -> tuple[Status, HullOverlap | HullSeparation | None]:
        """OVERLAPPING or SEPARATED with a claim that proves it, or UNDECIDED; so where one is empty."""
        rest = [np.ascontiguousarray(z[~gone]) for z, gone in zip(self.parts, out, strict=True)]
        if not all(map(len, rest)):
            return Status.UNDECIDED, None
        first, second = (ConvexHull(z, device=self.device) for z in rest)
        found = separate(first, second, rtol=RTOL)
        claim = found.certificate
        if not isinstance(claim, HullOverlap | HullSeparation) or not holds(claim):
            return Status.UNDECIDED, None
        return found.status, claim

    def meetings(self) -> Iterator[Meeting]:
        """Proved common points of both hulls, one after the other, no two of which have a row in common."""
        out = self.none()
        while True:
            status, claim = self.without(out)
            if status is not Status.OVERLAPPING or not isinstance(claim, HullOverlap):
                return
            first, second = (
                np.flatnonzero(~gone)[rows]
                for gone, rows in zip(out, (claim.rows_a, claim.rows_b), strict=True)
            )
            yield Meeting(first, second, claim)
            out[0][first], out[1][second] = True, True


def removals(run: Run, device: str = "cpu") -> Table:
    """What `removal` finds for every two classes of a run whose hulls of all training features meet.

    The shortest list first; those without one last. The note says how many pairs are undecided.

    >>> import tempfile
    >>> from featgeom.runs.making import make_run
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     removals(make_run(f"{folder}/run", "digits", "digits")).rows  # all are apart
    ()
    """
    split, subjects = run.reference_split, run.subjects
    rows: list[tuple[str, str, int | None, int, str]] = []
    known: Counter[Status] = Counter()
    for pair in combinations(range(len(run.classes)), 2):
        names = [of_class(split, c) for c in pair]
        a, b = (subjects.points(name) for name in names)
        if not len(a) or not len(b):
            continue
        found = removal(a, b, subjects.head, pair, device)
        known[found.status] += 1
        if found.status is not Status.OVERLAPPING:
            continue
        samples = [
            f"{split}:{row}"
            for name, chosen in zip(names, (found.first, found.second), strict=True)
            for row in np.asarray(subjects.rows(name))[chosen]
        ]
        removed = len(found) if found.certificate is not None else None
        rows.append((run.classes[pair[0]], run.classes[pair[1]], removed, found.at_least, " ".join(samples)))
    columns = (Column("A"), Column("B"), Column("removed"), Column("at least"), Column("samples"))
    rows.sort(key=lambda row: (row[2] is None, row[2] or 0))
    return Table(
        "removals", "Samples that keep hulls together", columns, tuple(rows), f"{_counted(known)} {NOTE}"
    )


def _counted(known: Counter[Status]) -> str:
    """How many pairs of hulls are proved to meet, or to be apart, and how many neither.

    >>> _counted(Counter({Status.SEPARATED: 44, Status.UNDECIDED: 1}))
    'Of 45 pairs of hulls 0 are proved to meet, 44 to be apart, and 1 is undecided.'
    """
    meet, apart, neither = (known[s] for s in (Status.OVERLAPPING, Status.SEPARATED, Status.UNDECIDED))
    return (
        f"Of {known.total():,} pairs of hulls {meet:,} are proved to meet, {apart:,} to be apart, and "
        f"{neither:,} {'is' if neither == 1 else 'are'} undecided."
    )
