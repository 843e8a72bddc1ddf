"""What one space says of a set of samples: in the hull or not, how far, how wide, which classes meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from featgeom.arrays import Float64, Floats, Ints
from featgeom.certificates.claim import Claim
from featgeom.hulls.hull import ConvexHull
from featgeom.hulls.separation import separate_all
from featgeom.results import Result
from featgeom.status import Status, StatusArray

MOST_POINTS = 5000  # of a hull, beyond which its vertices are not counted


@dataclass(frozen=True, eq=False, repr=False)
class SpaceMeasures(Result):
    """What one space says of the samples; all lengths are in the units of that space.

    * ``status`` (q,): INSIDE, OUTSIDE or UNDECIDED for each test sample and the hull of all train samples,
      proved; ``distance`` (q,) how far it is from that hull, ``neighbour`` (q,) from the
      nearest train sample; ``strangers``: the distances of other images, by what they are;
    * ``own`` (q,): the distance to the hull of the train samples of its own class; ``matched`` (q,) to the
      hull of as many train samples of any class (NaN where the class has none): the control for counts;
    * ``diameter`` and ``radius`` (of the enclosing ball) are those of the hull of all; ``extreme`` is the
      share of train samples that are its vertices (NaN for more than 5,000 samples: not counted);
    * of the ``pairs`` of class hulls ``apart`` are proved disjoint and ``meeting`` proved to share a point;
      ``gap`` is the least distance of the disjoint;
    * ``boundary`` (k,): distance of the first k test samples to the nearest change of class; exact in feature
      space, the best found in pixel space (inf where none was), nothing elsewhere.

    ``certificates`` prove ``status`` ("inside") and what is said of each pair ("pair-A-B").
    """

    shows = ("dimension", "distance", "diameter")

    space: str
    dimension: int
    status: StatusArray
    distance: Float64
    neighbour: Float64
    strangers: dict[str, Float64]
    own: Float64
    matched: Float64
    diameter: float
    radius: float
    extreme: float
    pairs: int
    apart: int
    meeting: int
    gap: float
    boundary: Float64
    certificates: dict[str, Claim]

    @property
    def inside(self) -> float:
        """The share of test samples proved to lie in the hull."""
        return float((self.status == Status.INSIDE).mean())

    def relative(self, lengths: Float64) -> float:
        """The median of some lengths as a part of the hull's diameter; NaN of none."""
        finite = lengths[np.isfinite(lengths)]
        return float(np.median(finite) / self.diameter) if len(finite) and self.diameter else float("nan")


def measure(
    name: str,
    train: Floats,
    test: Floats,
    strangers: Mapping[str, Floats],
    labels: tuple[Ints, Ints],
    boundary: Float64,
    device: str,
    seed: int,
) -> SpaceMeasures:
    """Ask everything of train (n, d) and test (q, d) in one space; ``labels`` are those of both."""
    from scipy.spatial.distance import cdist

    hull = ConvexHull(train, device=device)
    member = hull.contains(test)
    own, matched = _own_and_matched(train, test, labels, device, seed)
    present = np.unique(labels[0])
    found = separate_all([ConvexHull(train[labels[0] == c], device=device) for c in present])
    pairs = list(found.values())
    apart = [pair for pair in pairs if pair.status == Status.SEPARATED]
    small = len(train) <= MOST_POINTS
    return SpaceMeasures(
        name,
        train.shape[1],
        member.status,
        member.distance,
        cdist(test, train).min(axis=1),
        {kind: hull.project(points).distance for kind, points in strangers.items()},
        own,
        matched,
        hull.diameter().value,
        hull.enclosing_ball().radius,
        float(hull.extreme_points().mask.mean()) if small else float("nan"),
        len(pairs),
        len(apart),
        sum(pair.status == Status.OVERLAPPING for pair in pairs),
        min((pair.lower_bound for pair in apart), default=0.0),
        boundary,
        {"inside": member.certificate}
        | {f"pair-{present[a]}-{present[b]}": pair.certificate for (a, b), pair in found.items()},
    )


def _own_and_matched(
    train: Floats, test: Floats, labels: tuple[Ints, Ints], device: str, seed: int
) -> tuple[Float64, Float64]:
    """Distances to the own class's hull, and to that of a seeded draw of as many samples of any class."""
    own, matched = np.full(len(test), np.nan), np.full(len(test), np.nan)
    generator = np.random.default_rng(seed)
    for c in np.unique(labels[1]):
        rows, asked = np.flatnonzero(labels[0] == c), labels[1] == c
        draw = generator.permutation(len(train))[: len(rows)]
        if len(rows):
            own[asked] = ConvexHull(train[rows], device=device).project(test[asked]).distance
            matched[asked] = ConvexHull(train[draw], device=device).project(test[asked]).distance
    return own, matched
