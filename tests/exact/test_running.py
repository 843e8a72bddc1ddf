"""What bends at one image is as near as is said, for all that is as near as is said before, in fractions."""

from fractions import Fraction

import numpy as np
import pytest

from featgeom.exact.doubled import Doubled, two_sum
from featgeom.exact.layers import Kink, Largest
from featgeom.exact.running import _kinked, _largest
from featgeom.exact.single import Known


def known(rng, size, near, doubt):
    """Numbers of twice the digits, many of which are near each other, or 0."""
    rows, rest = two_sum(near + rng.normal(size=size) * 2.0 ** rng.integers(-60, 0, size), np.zeros(size))
    rows, rest = two_sum(rows, rows * rng.uniform(-1, 1, size) * 2.0**-53)
    error = np.abs(rows) * doubt * rng.random(size) + doubt * rng.integers(0, 2, size)
    return Known(*(part[:, None, None] for part in (rows, error, rest)))


def halves(rng, size):
    """Numbers that nearly tie: what is added to 1 and taken off the next is nearly half a digit."""
    digit = rng.integers(0, 2, size)
    rest = (1 - 2 * digit) * 2.0**-53 * (1 - rng.random(size) * 2.0 ** rng.integers(-50, 0, size))
    return Known(*(part[:, None, None] for part in (1 + digit * 2.0**-52, np.zeros(size), rest)))


def ends(x):
    """The least and the greatest that each may be, and what it looks to be."""
    for row, rest, error in zip(x.rows.ravel(), x.rest.ravel(), x.error.ravel(), strict=True):
        middle, off = Fraction(row) + Fraction(rest), Fraction(error)
        yield middle - off, middle, middle + off


@pytest.mark.parametrize("share", [0.0, 0.3, 1 - 2.0**-53, 1.0])
@pytest.mark.parametrize("doubt", [0.0, 2.0**-80, 1e-3, 10.0])
def test_kinks_are_as_near_as_is_said(share, doubt):
    rng, layer = np.random.default_rng(1), Kink(0, share, 30)
    for near in (0.0, 1.0):
        x = known(rng, 30, near, doubt)
        for (low, found, high), *possible in zip(ends(_kinked(Doubled(), layer, x)), ends(x), strict=True):
            for true in (
                *possible[0],
                Fraction(0) if possible[0][0] <= 0 <= possible[0][2] else possible[0][1],
            ):
                assert low <= max(true, Fraction(share) * true) <= high
            assert low <= found <= high


@pytest.mark.parametrize("doubt", [0.0, 2.0**-100, 1e-3, 10.0])
@pytest.mark.parametrize("near", [0.0, 1.0, -1.0, None])
def test_largest_entries_are_as_near_as_is_said(near, doubt):
    rng = np.random.default_rng(2)
    for _ in range(12):
        x = halves(rng, 9) if near is None else known(rng, 9, near, doubt)
        index = rng.integers(-1, 9, (4, 40))
        index[rng.integers(0, 4, 40), np.arange(40)] = rng.integers(0, 9, 40)
        possible = list(ends(x))
        for column, (low, _, high) in zip(index.T, ends(_largest(Largest(0, index), x)), strict=True):
            window = [possible[i] for i in column if i >= 0]
            assert low <= max(least for least, _, _ in window)
            assert max(most for _, _, most in window) <= high


def test_nothing_is_known_of_a_window_with_an_entry_of_which_nothing_is():
    for beyond in (np.inf, -np.inf, np.nan):
        rows = np.array([1.0, beyond])[:, None, None]
        x = Known(rows, np.zeros_like(rows), np.zeros_like(rows))
        with np.errstate(invalid="ignore"):
            found = _largest(Largest(0, np.array([[0, 1], [1, 0]])), x)
        assert not (np.isfinite(found.rows) & np.isfinite(found.error)).any()
