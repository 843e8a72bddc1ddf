"""True claims of every kind, by hand: small, exact, and made without a solver."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
from scipy.sparse import csr_array

from featgeom.certificates.cells import CellsMeet
from featgeom.certificates.claim import Claim
from featgeom.certificates.classes import ClassBall, ClassMargin
from featgeom.certificates.crossings import SegmentCells
from featgeom.certificates.extent import EnclosingBall, HullDiameter, HullSupport
from featgeom.certificates.farkas import CellsApart, EmptyCell, EmptyTie
from featgeom.certificates.guarantees import BrokenHull, GuaranteedHull
from featgeom.certificates.hulls import HullDistance, HullMembership, HullVertices
from featgeom.certificates.machines import Inseparable, Machine
from featgeom.certificates.norms import NearestInNorm, TieInNorm
from featgeom.certificates.pixel_balls import PixelBall
from featgeom.certificates.pixel_pieces import PixelPolygon, PixelSegment
from featgeom.certificates.pixels import MovedImage, ReachedFeatures
from featgeom.certificates.sections import EmptySection, HullSection
from featgeom.certificates.separations import HullOverlap, HullSeparation
from featgeom.certificates.shapes import BoundedCell, CellRay, InscribedBall
from featgeom.certificates.slices import SliceCells
from featgeom.certificates.sparse import FewestFeatures
from featgeom.certificates.ties import NearestTie, Tie
from featgeom.exact.layers import WIDTH

INF = np.inf
SQUARE = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0], [1.0, 1.0]])  # the last is its centre
EYE, NONE = np.eye(2), np.zeros((0, 2))


def a(*values: object, dtype: type = float) -> np.ndarray:
    """An array of float64."""
    return np.array(values, dtype=dtype)


def i(*values: object) -> np.ndarray:
    """An array of int64."""
    return np.array(values, dtype=np.int64)


def s(*rows: object) -> csr_array:
    """A sparse matrix of float64."""
    return csr_array(np.array(rows, dtype=float))


def below(square: float) -> float:
    """The largest float not above a root that is no float."""
    root = float(np.sqrt(square))
    return root if Fraction(root) ** 2 <= square else float(np.nextafter(root, 0))


def above(square: float) -> float:
    """The least float above it."""
    return float(np.nextafter(below(square), np.inf))


def ball(norm: str, images: list, own: list, radius: list, cuts: list | None = None) -> Claim:
    """Images of two values, which are the features once they are moved by 0 and bent, and the logits."""
    table = np.full((2, WIDTH), -1)
    table[0] = [0, 0, -1, 0, -1, 2, 2, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1]
    table[1, :4] = [4, 1, -1, 4]
    cuts = cuts or [[(-1, -1)] for _ in images]
    first, cut = np.cumsum([0, *map(len, cuts)]), [one for some in cuts for one in some]
    network = table, a(1, 0, 0, 1, 0), i()
    x = a(*images)
    return PixelBall(
        EYE,
        a(0, 0),
        *network,
        x,
        x,
        0.0,
        1.0,
        norm,
        i(*own),
        a(*radius),
        a(*[1e-12] * len(x)),
        first,
        i(*cut),
    )


def bent() -> dict:
    """Two values, moved by 1/2 and 1/4, bent, and the logits: as a table of layers."""
    table = np.full((2, WIDTH), -1)
    table[0] = [0, 0, -1, 0, 4, 2, 2, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1]
    table[1, :4] = [4, 1, -1, 6]
    numbers = a(1, 0, 0, 1, -0.5, -0.25, 0)
    return {"weight": EYE, "bias": a(0, 0.125), "table": table, "numbers": numbers, "index": i()}


def segments() -> Claim:
    """One that bends where x is 1/2 and changes its class where it is 7/8; one that does neither."""
    return PixelSegment(
        **bent(),
        start=a([0, 0.5], [0, 1]),
        end=a([1, 0.5], [0.25, 1]),
        start_features=a([0, 0.25], [0, 0.75]),
        end_features=a([0.5, 0.25], [0, 0.75]),
        pieces=i(2, 1),
        first=i(0, 2, 3),
        cells=i(1, 0, 1),
        enter=a(0, 0.875, 0),
        error=a(1e-12, 0),
        start_off=a(1e-12, 1e-12),
        end_off=a(1e-12, 1e-12),
    )


def triangle() -> Claim:
    """The triangle of (0, 0), (1, 0) and (0, 1), which both bends cut."""
    return PixelPolygon(
        **bent(),
        images=a([0, 0], [1, 0], [0, 1]),
        features=a([0, 0], [0.5, 0], [0, 0.75]),
        corners=a([0, 0], [1, 0], [0, 1]),
        regions=4,
        classes=i(0, 1),
        share=a(0.1328125, 0.8671875),
        error=1e-12,
        off=a(1e-12, 1e-12, 1e-12),
    )


SPACE = {"lo": a(-INF, -INF), "hi": a(INF, INF)}
ORTHANT = {"lo": a(0, 0), "hi": a(INF, INF)}
BOX = {"lo": a(0, 0), "hi": a(4, 4)}
HALF = {"lo": a(0, -INF), "hi": a(INF, INF)}
# three classes: x, y, and 1 below the sum where both are large
HEAD = {"weight": np.array([[1.0, 0.0], [0.0, 1.0], [0.75, 0.75]]), "bias": a(0, 0, -1)}
TWO = {"weight": EYE, "bias": a(0, 0)}

NORM = {"factor": NONE, "push_of": i(), "rival": i(), "push": csr_array((0, 2))}
BOUND = {"weight": a([1, 0.5], [0, 0]), "bias": a(0, 0)} | ORTHANT

TRUTHS: dict[str, Callable[[], Claim]] = {
    "hull-distance": lambda: HullDistance(
        SQUARE, a([3, 1], [1, 4]), a(1, 2), a(1, 2), s([0, 1, 0, 1, 0], [0, 0, 1, 1, 0]), a([-1, 0], [0, -2])
    ),
    "hull-distance, nothing": lambda: HullDistance(SQUARE, a([9, 9]), a(0), a(INF), s([0] * 5), a([0, 0])),
    "hull-distance, to the last place": lambda: HullDistance(
        SQUARE, a([3, 1]), a(1), a(INF), s([0] * 5), a([-1, 0])
    ),
    "hull-membership": lambda: HullMembership(
        SQUARE,
        i(0, 2),
        a(True, False, dtype=bool),
        s([1, 1, 1, 0, 0], [0] * 5),
        a([0, 0], [-1, 0]),
        a([0.5, 0.5], [7, 7], [3, 1]),
    ),
    "hull-membership, outside by a hair": lambda: HullMembership(
        SQUARE, i(0), a(False, dtype=bool), s([0] * 5), a([-1, 0]), a([2 + 2.0**-51, 1])
    ),
    "hull-membership, on an edge": lambda: HullMembership(
        SQUARE, i(0), a(True, dtype=bool), s([1, 1, 1, 0, 0]), a([0, 0]), a([1, 0])
    ),
    "hull-vertices": lambda: HullVertices(
        SQUARE,
        i(0, 3, 4),
        a(False, False, True, dtype=bool),
        s([0] * 5, [0] * 5, [1, 0, 0, 1, 0]),
        a([1, 1], [-1, -1], [0, 0]),
    ),
    "hull-separation": lambda: HullSeparation(
        SQUARE, SQUARE + a(5, 0), 3.0, 3.0, s([0, 1, 0, 0, 0]), s([1, 0, 0, 0, 0]), a(-2, 0)
    ),
    "hull-separation, of no lower bound": lambda: HullSeparation(
        SQUARE, SQUARE + a(5, 0), 0.0, 3.0, s([0, 1, 0, 0, 0]), s([1, 0, 0, 0, 0]), a(0, 0)
    ),
    "hull-separation, of no upper bound": lambda: HullSeparation(
        SQUARE, SQUARE + a(5, 0), 3.0, INF, csr_array((1, 5)), csr_array((1, 5)), a(-2, 0)
    ),
    "hull-overlap": lambda: HullOverlap(SQUARE, SQUARE + a(1, 0), i(0, 1), i(0, 0)),
    "hull-support": lambda: HullSupport(SQUARE, a([1, 0], [1, 1]), a(2, 4), a(2, 4)),
    "enclosing-ball": lambda: EnclosingBall(SQUARE * 3, a(3, 3), below(18), above(18), s([1, 0, 0, 1, 0])),
    "enclosing-ball, of no lower bound": lambda: EnclosingBall(
        SQUARE * 3, a(3, 3), 0.0, above(18), csr_array((1, 5))
    ),
    "enclosing-ball, to the last place": lambda: EnclosingBall(
        a([0, 0], [6, 8]), a(3, 4), 5.0, 5.0, s([1, 1])
    ),
    "hull-diameter": lambda: HullDiameter(SQUARE * [3, 4], i(0, 3), a(3, 4), 10.0, 10.0),
    "hull-diameter, by pairs": lambda: HullDiameter(SQUARE * [3, 4], i(0, 3), a(0, 0), 10.0, 10.0),
    "hull-section": lambda: HullSection(
        a([0, 0, -1], [4, 0, 1], [0, 4, 1]),
        a(0, 0, 0),
        np.eye(3)[:2],
        a([1, 1, -2], [-1, 0, 0]),
        a(2, 0),
        a([2, 0], [1, 1]),
        s([1, 1, 0], [2, 1, 1]),
        a(0, 0),
    ),
    "hull-section, elsewhere": lambda: HullSection(
        a([1, 2, 2], [5, 2, 4], [1, 6, 4]),
        a(1, 2, 3),
        np.eye(3)[:2],
        a([1, 1, -2], [-1, 0, 0]),
        a(2, 0),
        a([2, 0], [1, 1]),
        s([1, 1, 0], [2, 1, 1]),
        a(0, 0),
    ),
    "empty-section": lambda: EmptySection(
        a([0, 0, 1], [3, 0, 2], [0, 3, 2]), a(0, 0, 0), np.eye(3)[:2], a(0, 0, -1), -1.0, 4.0
    ),
    "class-margin": lambda: ClassMargin(
        a([3, 1], [0, 2]), **HEAD, own=i(0, 1), margin=a(1, 1.5), float32=a(True, False, dtype=bool)
    ),
    "class-margin, of a hair": lambda: ClassMargin(
        a([1 + 2.0**-30, 1]), **TWO, own=i(0), margin=a(2.0**-30), float32=a(False, dtype=bool)
    ),
    "class-ball": lambda: ClassBall(
        a([3, 0], [0, 0]), **TWO, own=i(0, 0), radius=a(below(4.5), 0), steps=s([0, 0], [0, 0]), **SPACE
    ),
    "class-ball, in a box": lambda: ClassBall(
        a([3, 1]),
        weight=a([1, 0.5], [0, 0]),
        bias=a(0, 0),
        own=i(0),
        radius=a(below(10)),
        steps=s([0, 6]),
        **ORTHANT,
    ),
    "class-ball, in a box elsewhere": lambda: ClassBall(
        a([4, 3]),
        weight=a([1, 0.5], [0, 0]),
        bias=a(-2, 0),
        own=i(0),
        radius=a(below(10)),
        steps=s([0, 6]),
        lo=a(1, 2),
        hi=a(INF, INF),
    ),
    "class-ball, for ever": lambda: ClassBall(
        a([3, 0]),
        weight=EYE,
        bias=a(1, 0),
        own=i(0),
        radius=a(INF),
        steps=s([0, INF]),
        lo=a(0, 0),
        hi=a(9, 0.5),
    ),
    "class-ball, below a bound": lambda: ClassBall(
        a([-3, -1]),
        weight=a([-1, -0.5], [0, 0]),
        bias=a(0, 0),
        own=i(0),
        radius=a(below(10)),
        steps=s([0, 6]),
        lo=a(-INF, -INF),
        hi=a(0, 0),
    ),
    "class-ball, of equal rows": lambda: ClassBall(
        a([3, 0]),
        weight=a([1, 0], [1, 0]),
        bias=a(1, 0),
        own=i(0),
        radius=a(INF),
        steps=s([0, 0]),
        **SPACE,
    ),
    "class-ball, in half of space": lambda: ClassBall(
        a([3, 0]),
        weight=a([1, 0], [0, 0]),
        bias=a(1, 0),
        own=i(0),
        radius=a(INF),
        steps=s([0, INF]),
        **HALF,
    ),
    "class-ball, in the other half": lambda: ClassBall(
        a([-3, 0]),
        weight=a([-1, 0], [0, 0]),
        bias=a(1, 0),
        own=i(0),
        radius=a(INF),
        steps=s([0, INF]),
        lo=a(-INF, -INF),
        hi=a(0, INF),
    ),
    "class-ball, on a line": lambda: ClassBall(
        a([3, 0]),
        weight=EYE,
        bias=a(1, 0),
        own=i(0),
        radius=a(INF),
        steps=s([0, INF]),
        lo=a(0, 0),
        hi=a(9, 0),
    ),
    "guaranteed-hull": lambda: GuaranteedHull(
        a([3, 1], [4, 1], [4, 2]), **TWO, own=0, margin=2.0, centre=a(4, 1), inflation=3.0
    ),
    "guaranteed-hull, inflated for ever": lambda: GuaranteedHull(
        a([3, 1], [4, 1]), **TWO, own=0, margin=2.0, centre=a(3, 1), inflation=INF
    ),
    "guaranteed-hull, from the boundary": lambda: GuaranteedHull(
        a([3, 1], [4, 1]), **TWO, own=0, margin=2.0, centre=a(1, 1), inflation=INF
    ),
    "broken-hull": lambda: BrokenHull(
        a([3, 1], [1, 1], [0, 2], [4, 4]), **HEAD, own=0, breakers=i(1, 2, 3), rivals=i(1, 1, 2)
    ),
    "cells-meet": lambda: CellsMeet(
        **HEAD,
        **BOX,
        vertices=NONE,
        bases=a([2, 1], [1, 2], [4, 2.5], [3, 2.5]),
        pairs=i([0, 1], [0, 2]),
        ends=i([0, 1], [2, 3]),
        steps=a([0.4, 0.6], [0, 1]),
    ),
    "cells-meet, from the sides": lambda: CellsMeet(
        **HEAD,
        **BOX,
        vertices=NONE,
        bases=a([0.5, 0], [0, 0.5]),
        pairs=i([0, 1]),
        ends=i([0, 1]),
        steps=a([0, 1]),
    ),
    "cells-meet, in a hull": lambda: CellsMeet(
        **HEAD,
        **SPACE,
        vertices=a([2, 1], [1, 2], [0, 0]),
        bases=s([1, 0, 0], [0, 2, 0]),
        pairs=i([0, 1]),
        ends=i([0, 1]),
        steps=a([0.4, 0.6]),
    ),
    "empty-cell": lambda: EmptyCell(
        weight=a([1, 0], [0, 1], [0, 0]),
        bias=a(0, 0, -1),
        **ORTHANT,
        vertices=NONE,
        multipliers=s([1, 0, 0]),
        solved=s([0, 0, 0]),
        own=i(2),
    ),
    "empty-cell, in a hull": lambda: EmptyCell(
        weight=a([1, 0], [0, 1], [0, 0]),
        bias=a(0, 0, -1),
        **SPACE,
        vertices=a([1, 0], [2, 5]),
        multipliers=s([1, 0, 0]),
        solved=s([0, 0, 0]),
        own=i(2),
    ),
    "empty-cell, solved": lambda: EmptyCell(
        weight=a([1, 0], [-1, 0], [0, 0]),
        bias=a(0, 0, -1),
        **HALF,
        vertices=NONE,
        multipliers=s([1, 0.9999999999, 0]),
        solved=s([0, 1, 0]),
        own=i(2),
    ),
    "cells-apart": lambda: CellsApart(
        weight=a([1, 0], [0, 1], [0.75, 0.75]),
        bias=a(0, 0, 0),
        **ORTHANT,
        vertices=NONE,
        multipliers=s([0, -0.5, 1]),
        solved=s([0, 0, 0]),
        pairs=i([0, 1]),
    ),
    "empty-tie": lambda: EmptyTie(
        weight=a([1, 0], [1, 0], [0, 1]),
        bias=a(0, -1, 0),
        **SPACE,
        vertices=NONE,
        multipliers=s([0, -1, 0]),
        solved=s([0, 0, 0]),
        tied=i([0, 1]),
    ),
    "inscribed-ball": lambda: InscribedBall(
        **TWO,
        **BOX,
        vertices=NONE,
        bases=a([2.8285, 1.1715]),
        own=i(0),
        radius=a(1.1715),
        upper=a(1.1716),
        multipliers=s([0, 1]),
        solved=s([0, 0]),
    ),
    "inscribed-ball, by the sides": lambda: InscribedBall(
        **TWO,
        **BOX,
        vertices=NONE,
        bases=a([3, 1]),
        own=i(0),
        radius=a(1),
        upper=a(2),
        multipliers=s([0, 0]),
        solved=s([0, 0]),
    ),
    "inscribed-ball, in a hull": lambda: InscribedBall(
        **TWO,
        **SPACE,
        vertices=a([5, 1], [7, 1]),
        bases=s([1, 1]),
        own=i(0),
        radius=a(3.5),
        upper=a(above(18)),
        multipliers=s([0, 1]),
        solved=s([0, 0]),
    ),
    "inscribed-ball, by the lesser side": lambda: InscribedBall(
        **TWO,
        lo=a(0, 0),
        hi=a(9, 4),
        vertices=NONE,
        bases=a([5, 2]),
        own=i(0),
        radius=a(1),
        upper=a(2),
        multipliers=s([0, 0]),
        solved=s([0, 0]),
    ),
    "inscribed-ball, to the last place": lambda: InscribedBall(
        weight=a([1, 0], [0, 0]),
        bias=a(0, 0),
        **SPACE,
        vertices=a([5, 1], [7, 1]),
        bases=s([0, 1]),
        own=i(0),
        radius=a(7),
        upper=a(7),
        multipliers=s([0, 1]),
        solved=s([0, 0]),
    ),
    "cell-ray": lambda: CellRay(
        **TWO,
        **ORTHANT,
        bases=a([1, 0], [0, 0]),
        own=i(0, 0),
        rays=a([1, 0.5], [1, 1]),
        wide=a(True, False, dtype=bool),
    ),
    "cell-ray, along a side": lambda: CellRay(
        **TWO, **ORTHANT, bases=a([1, 0]), own=i(0), rays=a([1, 0]), wide=a(False, dtype=bool)
    ),
    "cell-ray, along the upper side": lambda: CellRay(
        **TWO,
        lo=a(0, 0),
        hi=a(INF, 2),
        bases=a([3, 2]),
        own=i(0),
        rays=a([1, 0]),
        wide=a(False, dtype=bool),
    ),
    "bounded-cell, below": lambda: BoundedCell(
        a([-1, 0], [0, -1], [0, 0]), lo=a(-INF, -INF), hi=a(0, 0), own=2, multipliers=s([1, 1, 0])
    ),
    "bounded-cell, in a box": lambda: BoundedCell(
        a([1, 0], [0, 1], [0, 0]), **BOX, own=2, multipliers=s([0, 0, 0], [0, 0, 0], [0, 0, 0])
    ),
    "bounded-cell": lambda: BoundedCell(
        a([1, 0], [0, 1], [0, 0]), **ORTHANT, own=2, multipliers=s([1, 1, 0])
    ),
    "bounded-cell, a row each": lambda: BoundedCell(
        a([1, 0], [0, 1], [0, 0]), **ORTHANT, own=2, multipliers=s([1, 0, 0], [0, 1, 0])
    ),
    "tie": lambda: Tie(
        **HEAD,
        **SPACE,
        features=a([3, 0], [6, 1]),
        owner=i(0, 1),
        tied=i([0, 1], [0, 1]),
        active=s([0, 0, 0], [0, 0, 1]),
        fixed=s([0, 0], [0, 0]),
        lower=a(below(4.5), below(17)),
        upper=a(above(4.5), above(17)),
        multipliers=s([0, -1.5, 0], [0, -5.5, 6]),
    ),
    "tie, at a bound": lambda: Tie(
        weight=a([1, 0.5], [0, 0]),
        bias=a(0, 0),
        **ORTHANT,
        features=a([3, 1]),
        owner=i(0),
        tied=i([0, 1]),
        active=s([0, 0]),
        fixed=s([-1, -1]),
        lower=a(below(10)),
        upper=a(above(10)),
        multipliers=s([0, -6]),
    ),
    "tie, at an upper bound": lambda: Tie(
        weight=a([-1, -0.5], [0, 0]),
        bias=a(0, 0),
        lo=a(-INF, -INF),
        hi=a(0, 0),
        features=a([-3, -1]),
        owner=i(0),
        tied=i([0, 1]),
        active=s([0, 0]),
        fixed=s([1, 1]),
        lower=a(below(10)),
        upper=a(above(10)),
        multipliers=s([0, -6]),
    ),
    "tie, of a third": lambda: Tie(
        **HEAD,
        **SPACE,
        features=a([3.5, 0.5]),
        owner=i(0),
        tied=i([0, 1]),
        active=s([0, 0, 0]),
        fixed=s([0, 0]),
        lower=a(below(4.5)),
        upper=a(above(4.5)),
        multipliers=s([0, -1.5, 0]),
    ),
    "tie, to the last place": lambda: Tie(
        weight=a([1, 0], [0, 0]),
        bias=a(0, 0),
        **SPACE,
        features=a([3, 0]),
        owner=i(0),
        tied=i([0, 1]),
        active=s([0, 0]),
        fixed=s([0, 0]),
        lower=a(3),
        upper=a(3),
        multipliers=s([0, -3]),
    ),
    "tie, of no lower bound": lambda: Tie(
        **HEAD,
        **SPACE,
        features=a([3, 0]),
        owner=i(0),
        tied=i([0, 1]),
        active=s([0, 0, 0]),
        fixed=s([0, 0]),
        lower=a(0),
        upper=a(above(4.5)),
        multipliers=s([0, 0, -5]),
    ),
    "tie, outside the box": lambda: Tie(
        **TWO,
        **BOX,
        features=a([-3, -3]),
        owner=i(0),
        tied=i([0, 1]),
        active=s([0, 0]),
        fixed=s([-1, -1]),
        lower=a(below(18)),
        upper=a(above(18)),
        multipliers=csr_array((1, 2)),
    ),
    "nearest-tie": lambda: NearestTie(
        **HEAD,
        **SPACE,
        features=a([3, 0]),
        owner=i(0),
        tied=i([0, 1]),
        active=s([0, 0, 0]),
        fixed=s([0, 0]),
        lower=a(below(4.5)),
        upper=a(above(4.5)),
        rival_of=i(),
        rival=i(),
        rival_multipliers=csr_array((0, 3)),
    ),
    "nearest-tie, of equal rows": lambda: NearestTie(
        weight=a([1, 0], [0, 1], [1, 0], [1, 0]),
        bias=a(0, 0, -1, 0),
        **SPACE,
        features=a([3, 0]),
        owner=i(0),
        tied=i([0, 1]),
        active=s([0, 0, 0, 0]),
        fixed=s([0, 0]),
        lower=a(0),
        upper=a(INF),
        rival_of=i(),
        rival=i(),
        rival_multipliers=csr_array((0, 4)),
    ),
    "nearest-tie, of a row that never ties": lambda: NearestTie(
        weight=a([1, 0], [0, 1], [1, 0]),
        bias=a(0, 0, -1),
        **SPACE,
        features=a([3, 0]),
        owner=i(0),
        tied=i([0, 1]),
        active=s([0, 0, 0]),
        fixed=s([0, 0]),
        lower=a(below(4.5)),
        upper=a(above(4.5)),
        rival_of=i(),
        rival=i(),
        rival_multipliers=csr_array((0, 3)),
    ),
    "nearest-tie, by multipliers": lambda: NearestTie(
        weight=a([1, 0.5], [0, 0]),
        bias=a(0, 0),
        **ORTHANT,
        features=a([3, 1]),
        owner=i(0),
        tied=i([0, 1]),
        active=s([0, 0]),
        fixed=s([-1, -1]),
        lower=a(below(10)),
        upper=a(above(10)),
        rival_of=i(0),
        rival=i(1),
        rival_multipliers=s([0, -6]),
    ),
    "nearest-in-norm": lambda: NearestInNorm(
        **TWO,
        **SPACE,
        **NORM,
        order="1",
        features=a([3, 0], [0, 5]),
        tied=i([0, 1], [1, 0]),
        lower=a(3, 5),
        upper=a(3, 5),
        move=a([-3, 0], [0, -5]),
    ),
    "nearest-in-norm, to the sides": lambda: NearestInNorm(
        **TWO,
        lo=a(-INF, -INF),
        hi=a(3, 3),
        **NORM,
        order="1",
        features=a([3, 0]),
        tied=i([0, 1]),
        lower=a(3),
        upper=a(3),
        move=a([0, 3]),
    ),
    "nearest-in-norm, at once": lambda: NearestInNorm(
        **TWO,
        **SPACE,
        **NORM,
        order="inf",
        features=a([3, 0]),
        tied=i([0, 1]),
        lower=a(1.5),
        upper=a(1.5),
        move=a([-1.5, 1.5]),
    ),
    "nearest-in-norm, in a box": lambda: NearestInNorm(
        **BOUND,
        order="1",
        factor=NONE,
        features=a([3, 1]),
        tied=i([0, 1]),
        lower=a(4),
        upper=a(4),
        move=a([-3, -1]),
        push_of=i(0),
        rival=i(1),
        push=s([0.5, 0]),
    ),
    "nearest-in-norm, for ever": lambda: NearestInNorm(
        weight=EYE,
        bias=a(1, 0),
        lo=a(0, 0),
        hi=a(9, 0.5),
        order="1",
        factor=NONE,
        features=a([3, 0]),
        tied=i([0, 1]),
        lower=a(INF),
        upper=a(INF),
        move=a([0, 0]),
        push_of=i(0),
        rival=i(1),
        push=s([1, -1]),
    ),
    "nearest-in-norm, stretched": lambda: NearestInNorm(
        **TWO,
        **SPACE,
        **NORM | {"factor": a([2, 0], [0, 1])},
        order="2",
        features=a([3, 0]),
        tied=i([0, 1]),
        lower=a(below(1.8)),
        upper=a(1.5),
        move=a([-1.5, 0]),
    ),
    "tie-in-norm": lambda: TieInNorm(
        **HEAD,
        **SPACE,
        order="1",
        factor=NONE,
        features=a([0, 5], [3, 0]),
        owner=i(1),
        tied=i([0, 1]),
        lower=a(3),
        upper=a(3),
        ahead=a([-1.5, 1.25]),
        behind=a([-1.5, 1.5]),
        multipliers=s([0, -1, 0]),
        push=s([0, 0]),
    ),
    "tie-in-norm, three at once": lambda: TieInNorm(
        weight=HEAD["weight"],
        bias=a(0, 0, -0.5),
        **SPACE,
        order="inf",
        factor=NONE,
        features=a([3, 0]),
        owner=i(0),
        tied=i([0, 1]),
        lower=a(2),
        upper=a(2),
        ahead=a([-2, 1]),
        behind=a([-2, 1]),
        multipliers=s([0, -3, 4]),
        push=s([0, 0]),
    ),
    "tie-in-norm, in a box": lambda: TieInNorm(
        **BOUND,
        order="1",
        factor=NONE,
        features=a([3, 1]),
        owner=i(0),
        tied=i([0, 1]),
        lower=a(4),
        upper=a(4),
        ahead=a([-3, -1]),
        behind=a([-3, -1]),
        multipliers=s([0, -1]),
        push=s([0.5, 0]),
    ),
    "tie-in-norm, stretched": lambda: TieInNorm(
        **TWO,
        **SPACE,
        order="2",
        factor=a([2, 0], [0, 1]),
        features=a([3, 0]),
        owner=i(0),
        tied=i([0, 1]),
        lower=a(below(1.8)),
        upper=a(1.5),
        ahead=a([-1.5, 0]),
        behind=a([-1.5, 0]),
        multipliers=s([0, -1]),
        push=s([0, 0]),
    ),
    "tie-in-norm, within alone": lambda: TieInNorm(
        **TWO,
        **SPACE,
        order="inf",
        factor=NONE,
        features=a([3, 0]),
        owner=i(0),
        tied=i([0, 1]),
        lower=a(0),
        upper=a(1.5),
        ahead=a([-1.5, 1.5]),
        behind=a([-1.5, 1.5]),
        multipliers=csr_array((1, 2)),
        push=csr_array((1, 2)),
    ),
    "tie-in-norm, nowhere": lambda: TieInNorm(
        weight=EYE,
        bias=a(1, 0),
        lo=a(0, 0),
        hi=a(9, 0.5),
        order="1",
        factor=NONE,
        features=a([3, 0]),
        owner=i(0),
        tied=i([0, 1]),
        lower=a(INF),
        upper=a(INF),
        ahead=a([0, 0]),
        behind=a([0, 0]),
        multipliers=s([0, -1]),
        push=s([1, -1]),
    ),
    "fewest-features": lambda: FewestFeatures(
        weight=a([1, 0.5], [0, 0]),
        bias=a(-1, 0),
        **ORTHANT,
        features=a([3, 1], [0.5, 4]),
        tied=i([0, 1], [0, 1]),
        lower=i(1, 1),
        upper=i(1, 1),
        move=a([-2.5, 0], [0, -3]),
    ),
    "fewest-features, both": lambda: FewestFeatures(
        **BOUND, features=a([3, 1]), tied=i([0, 1]), lower=i(2), upper=i(2), move=a([-3, -1])
    ),
    "fewest-features, to the sides": lambda: FewestFeatures(
        weight=a([-1, -0.5], [0, 0]),
        bias=a(0, 0),
        lo=a(-INF, -INF),
        hi=a(0, 0),
        features=a([-3, -1]),
        tied=i([0, 1]),
        lower=i(2),
        upper=i(2),
        move=a([3, 1]),
    ),
    "fewest-features, at the sample": lambda: FewestFeatures(
        **BOUND, features=a([0, 0]), tied=i([0, 1]), lower=i(0), upper=i(0), move=a([0, 0])
    ),
    "fewest-features, none is enough": lambda: FewestFeatures(
        weight=a([1, 0], [0, 0]),
        bias=a(1, 0),
        **ORTHANT,
        features=a([3, 1]),
        tied=i([0, 1]),
        lower=i(2),
        upper=i(3),
        move=a([0, 0]),
    ),
    "fewest-features, in all of space": lambda: FewestFeatures(
        **TWO, **SPACE, features=a([3, 0]), tied=i([0, 1]), lower=i(1), upper=i(1), move=a([-3, 0])
    ),
    "segment-cells": lambda: SegmentCells(
        **HEAD,
        start=a([8, 0], [1, 0]),
        end=a([0, 8], [2, 0]),
        first=i(0, 3, 4),
        cells=i(0, 2, 1, 0),
        enter=a(0, 0.375, 0.625, 0),
        error=a(0, 0),
    ),
    "slice-cells": lambda: SliceCells(
        **TWO,
        origin=a(0, 0),
        basis=EYE,
        window=a(-1, -1, 1, 1),
        classes=i(0, 1),
        first=i(0, 3, 6),
        points=a([-1, -1], [1, -1], [1, 1], [-1, -1], [1, 1], [-1, 1]),
        error=0.0,
    ),
    "slice-cells, of halves": lambda: SliceCells(
        weight=2 * EYE,
        bias=a(0, 0),
        origin=a(0.25, 0),
        basis=EYE / 2,
        window=a(-0.5, -0.5, 0.5, 0.5),
        classes=i(0, 1),
        first=i(0, 5, 8),
        points=a([-1, -1], [1, -1], [1, 1], [0, 1], [-1, 0], [-1, 0], [0, 1], [-1, 1]) / 2,
        error=0.0,
    ),
    "machine": lambda: Machine(
        a([0], [2]), i(0, 1), a([1]), a(-1), i(0, 1), i([1], [1]), INF, "standard", 0.5, 0.5
    ),
    "machine, of no lower bound": lambda: Machine(
        a([0], [2]), i(0, 1), a([1]), a(-1), i(0, 1), i([0], [0]), INF, "standard", 0.0, 0.5
    ),
    "machine, of three": lambda: Machine(
        a([1, 0], [0, 1], [-1, -1]),
        i(0, 1, 2),
        a([0.5, 0], [0, 0.5], [-0.5, -0.5]),
        a(0, 0, 0),
        i(0, 1, 2),
        i([0, 1, 1], [1, 0, 1], [1, 1, 0]),
        1.0,
        "standard",
        0.5,
        1.5,
    ),
    "machine, augmented": lambda: Machine(
        a([-1], [1]), i(0, 1), a([1]), a(0), i(0, 1), i([1], [1]), INF, "augmented", 0.5, 0.5
    ),
    "machine, without bias": lambda: Machine(
        a([1], [-2]), i(1, 0), a([1]), a(0), i(0), i([1]), INF, "none", 0.5, 0.5
    ),
    "inseparable": lambda: Inseparable(a([0], [1], [2]), i(0, 1, 0), i(0, 1, 2), i(1, 0, 1), 2, "standard"),
    "inseparable, with one to spare": lambda: Inseparable(
        a([0, 0], [1, 0], [2, 0], [5, 7]), i(0, 1, 0, 1), i(0, 1, 2, 3), i(1, 0, 1, 0), 2, "standard"
    ),
    "moved-image": lambda: MovedImage(a([0, 0], [1, 1]), a([0.75, 1], [1, 0.5]), 0.0, 1.0, a(1.25, 0.5)),
    "moved-image, at both bounds": lambda: MovedImage(a([0, 0]), a([0, 1]), 0.0, 1.0, a(1)),
    "pixel-ball": lambda: ball("inf", [[1, 0.25], [0.5, 1]], [0, 1], [0.374, 0.249]),
    "pixel-ball, Euclidean": lambda: ball("2", [[1, 0.25]], [0], [0.53]),
    "pixel-ball, cut": lambda: ball(
        "inf", [[1, 0.25], [1, 0.25]], [0, 0], [0.374, 0.1], [[(1, 1), (-1, -1), (-1, -1)], [(-1, -1)]]
    ),
    "pixel-segment": segments,
    "pixel-polygon": triangle,
    "reached-features": lambda: ReachedFeatures(a([3, 4], [0, 0]), a([3, 4.5], [0, 0.25]), a(0.1, 0.25)),
}
