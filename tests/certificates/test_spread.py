"""The spread of weighted points about their mean, against its definition in plain fractions."""

from fractions import Fraction

import pytest

from featgeom.certificates.extent import mean_square_spread


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1.0, 1e30, 1e300])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_it_is_the_mean_of_the_squares(count, scale, rng):
    weights, points = rng.random(count) * scale, rng.normal(size=(count, 3)) / scale
    shares = [Fraction(w) for w in weights]
    rows = [[Fraction(x) for x in row] for row in points]
    total = sum(shares)
    middle = [sum(w * row[j] for w, row in zip(shares, rows, strict=True)) / total for j in range(3)]
    squares = [sum((x - m) ** 2 for x, m in zip(row, middle, strict=True)) for row in rows]
    spread = sum(w * square for w, square in zip(shares, squares, strict=True)) / total
    assert mean_square_spread(weights, points) == spread
