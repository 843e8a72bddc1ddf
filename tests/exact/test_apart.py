"""Lower bounds on the distances of many hulls, against the widths of the gaps in fractions."""

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest

from featgeom.exact.apart import apart_below, middles


def width(a, b, along):
    """How wide the gap between two sets of points is along a direction."""

    def reach(points):
        return [
            sum(x * y for x, y in zip(map(Fraction, point), along, strict=True)) for point in points.tolist()
        ]

    return min(reach(a)) - max(reach(b))


@pytest.mark.parametrize("scale", [1.0, 1e-100, 1e100])
@pytest.mark.parametrize("offset", [0.0, 1e4, 1e15])
def test_no_bound_is_above_the_gap_between_the_middles(scale, offset):
    rng, positive = np.random.default_rng([3, int(np.log10(scale) + 300), int(offset > 0)]), 0
    for trial in range(12):
        d = int(rng.integers(1, 4))
        groups = [
            scale * (offset + 9 * rng.standard_normal(d) + rng.standard_normal((rng.integers(1, 4), d)))
            for _ in range(4)
        ]
        if trial % 3 == 0:
            groups[1] = groups[0].copy()
        found = apart_below(groups)
        assert np.isinf(np.diag(found)).all()
        centres = [[Fraction(x) for x in row] for row in middles(groups).tolist()]
        for i, j in combinations(range(4), 2):
            assert found[i, j] == found[j, i] >= 0
            along = [x - y for x, y in zip(centres[i], centres[j], strict=True)]
            gap = max(width(groups[i], groups[j], along), 0)
            assert Fraction(float(found[i, j])) ** 2 * sum(x * x for x in along) <= gap * gap
            positive += found[i, j] > 0
    assert positive > 10 or offset == 1e15


def test_on_a_line_nothing_is_lost_but_roundings():
    """Where the gap is exactly one a bound that forgets to take off an error is above it."""
    groups = [np.array([[0.125], [0.5]]), np.array([[1.5], [7.75]]), np.array([[-3.25]])]
    found = apart_below(groups)
    assert found[0, 1] < 1 <= found[0, 1] * (1 + 1e-13)
    assert (apart_below(groups, 8.0) <= found).all()
    assert apart_below(groups, 8.0)[0, 1] < found[0, 1]


def test_what_overflows_says_nothing():
    assert (apart_below([np.array([[1e308]]), np.array([[-1e308]])])[0, 1]) == 0
