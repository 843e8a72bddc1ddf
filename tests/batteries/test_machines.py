"""Maximum-margin machines against exact rationals: margins, and whether there are any."""

from fractions import Fraction

import numpy as np
import pytest
from rational import distance2, exact, highest

import featgeom as fg
from featgeom.errors import BadArgument
from featgeom.margins.machine import BIASES
from featgeom.status import Status

KINDS = {
    "integer grid": lambda r, n, d: r.integers(-2, 3, (n, d)).astype(float),
    "any": lambda r, n, d: r.normal(size=(n, d)),
    "duplicates": lambda r, n, d: np.repeat(r.integers(-2, 3, (-(-n // 2), d)), 2, axis=0)[:n].astype(float),
    "zero rows": lambda r, n, d: np.vstack([np.zeros((2, d)), r.integers(-2, 3, (n, d))])[:n],
}


def case(kind, seed, classes=2):
    rng = np.random.default_rng([seed, *map(ord, kind)])
    n, d = int(rng.integers(classes, 7)), int(rng.integers(1, 4))
    return KINDS[kind](rng, n, d), rng.permutation(np.arange(n) % classes)


def least_objective(x, y, bias):
    """½‖w‖² (+ ½b²) at its least for two classes: ½ over the squared margin; None if nothing separates.

    With a free bias the margin is half the distance of the hulls; with none, or one that counts as a weight,
    it is the distance from 0 of the hull of the samples, negated where the class is 0.
    """
    if bias == "standard":
        differences = [
            [Fraction(float(a)) - Fraction(float(b)) for a, b in zip(p, q)]
            for p in x[y == 1]
            for q in x[y == 0]
        ]
        scale = 2
    else:
        ones = np.ones((len(x), 1)) if bias == "augmented" else np.zeros((len(x), 0))
        differences = (2 * y - 1)[:, None] * np.hstack([x, ones])
        scale = Fraction(1, 2)
    floats = [[float(a) for a in row] for row in differences]
    if any(
        Fraction(f) != a
        for row, raw in zip(differences, floats)
        for a, f in zip(row, raw)
        if isinstance(a, Fraction)
    ):
        return "rounded"
    square = distance2(floats, [0.0] * len(floats[0]))
    return scale / square if square else None


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("kind", KINDS)
def test_two_classes(kind, bias, trials, count):
    for seed in trials(10):
        x, y = case(kind, seed)
        svm = fg.max_margin(x, y, bias=bias)
        assert svm.certificate.check().tally == {"PROVED": 1} or svm.status is Status.UNDECIDED
        least = least_objective(x, y, bias)
        if least == "rounded":
            continue
        if svm.status is Status.NOT_SEPARABLE:
            assert least is None, seed
        else:
            assert svm.status in (Status.SOLVED, Status.PRECISION_LIMIT), seed
            assert Fraction(svm.lower_bound) <= least <= Fraction(svm.objective), seed
        count(1, "machines of two classes")


def separable(x, y, classes, bias):
    """Whether some machine gives every sample a positive margin: no constraints that add up to zero."""
    rows = []
    for point, own in zip(x, y):
        p = exact(point) + ([Fraction(1)] if bias != "none" else [])
        for k in range(classes):
            if k != own:
                row = [Fraction(0)] * (classes * len(p))
                row[own * len(p) : (own + 1) * len(p)] = p
                row[k * len(p) : (k + 1) * len(p)] = [-a for a in p]
                rows.append(row)
    columns = [[row[j] for row in rows] for j in range(len(rows[0]))] + [[Fraction(1)] * len(rows)]
    return (
        highest(columns, [Fraction(0)] * (len(columns) - 1) + [Fraction(1)], [Fraction(0)] * len(rows))
        is None
    )


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("kind", KINDS)
def test_three_classes(kind, bias, trials, count):
    for seed in trials(5):
        x, y = case(kind, seed, classes=3)
        if len(np.unique(y)) < 3:
            continue
        hard, soft = fg.max_margin(x, y, bias=bias), fg.max_margin(x, y, C=0.5, bias=bias)
        for svm in (hard, soft):
            assert svm.certificate.check().tally == {"PROVED": 1} or svm.status is not Status.SOLVED
        assert soft.status in (Status.SOLVED, Status.PRECISION_LIMIT)
        if hard.status is not Status.UNDECIDED:
            assert (hard.status is not Status.NOT_SEPARABLE) == separable(x, y, 3, bias), seed
        count(2, "machines of three classes")


def test_one_class_or_one_point_is_refused():
    for y in ([0, 0], [1, 1]):
        with pytest.raises(BadArgument, match="two classes"):
            fg.max_margin([[0.0], [1.0]], y)
    with pytest.raises(BadArgument, match="two classes"):
        fg.max_margin([[0.0]], [0])
    with pytest.raises(BadArgument, match="two classes"):
        fg.AffineHead([[1.0, 2.0]])
