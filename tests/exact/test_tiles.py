"""What pieces tell together: only where they are all there, and as near as is said, in fractions."""

from fractions import Fraction

import numpy as np
import pytest

from featgeom.exact.pieces import Piece
from featgeom.exact.polytopes import Lines, Part, Unclear
from featgeom.exact.single import Single
from featgeom.exact.tiles import areas_of, classes_along, shares, told

NOTHING = Lines(np.zeros((0, 2)), np.zeros((0, 2)))


def piece(ends, own, off=(0.0, 0.0), whole=True):
    """A piece of a segment."""
    return Piece(Part(np.array(ends)[:, None], np.array(off)[:, None], NOTHING, ((), ())), own, whole)


ALONG = [
    piece([0.0, 0.25], 1, (0.0, 0.1)),
    piece([0.5, 0.25], 1, (0.2, 0.1)),
    piece([0.75, 0.5], 2, (0.3, 0.2)),
    piece([0.75, 1.0], 1, (0.3, 0.0)),
]


def test_classes_are_those_of_the_pieces_in_their_order():
    rng = np.random.default_rng(1)
    for _ in range(6):
        cells, enter, off = classes_along([ALONG[i] for i in rng.permutation(4)])
        assert cells.tolist() == [1, 2, 1]
        assert enter.tolist() == [0.0, 0.5, 0.75]
        assert off.tolist() == [0.0, 0.2, 0.3]


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        ALONG[1:],
        ALONG[:-1],
        [*ALONG[:2], ALONG[3]],
        [*ALONG, ALONG[1]],
        [*ALONG[:3], piece([0.75, 0.75], 0), ALONG[3]],
        [piece([2.0**-60, 0.25], 1), *ALONG[1:]],
        [*ALONG[:3], piece([0.75, 1 + 2.0**-52], 1)],
        [ALONG[0], piece([0.25, 0.5 + 2.0**-53], 1), *ALONG[2:]],
        [piece([0.0, 1.0], 0), piece([0.0, 1.0], 0)],
        [piece([0.0, np.nan], 0), piece([np.nan, 1.0], 0)],
    ],
)
def test_pieces_that_do_not_follow_each_other_tell_no_order(pieces):
    with pytest.raises(Unclear, match="order"):
        classes_along(pieces)


def test_areas_are_added_up_by_class_and_regions_are_counted_once():
    rng = np.random.default_rng(2)
    for _ in range(6):
        own, whole = rng.integers(0, 3, 40), rng.integers(0, 2, 40).astype(bool)
        ends = rng.random((40, 2)) * 10.0 ** rng.integers(-9, 1, (40, 1))
        off = ends * 1e-14 * rng.integers(0, 2, (40, 1))
        pieces = [piece(*some) for some in zip(ends, own.tolist(), off, whole.tolist(), strict=True)]
        regions, area, error = areas_of(iter(pieces), 4)
        assert regions == whole.sum()
        for c in range(4):
            true = Fraction(0)
            for (a, b), (x, y) in zip(ends[own == c].tolist(), off[own == c].tolist(), strict=True):
                sign = 1 if b > a else -1
                true += sign * (Fraction(b) + sign * Fraction(y) - Fraction(a) + sign * Fraction(x))
            assert abs(true - Fraction(float(area[c]))) <= Fraction(float(error[c]))
            assert (area[c] > 0) == (own == c).any()
    _, area, _ = areas_of([piece([0.5, 0.5], 1)], 2)
    assert area.tolist() == [0.0, np.finfo(float).tiny]  # so that a class is one however small its piece


@pytest.mark.parametrize("doubt", [0.0, 1e-16, 1e-9, 0.2])
def test_shares_are_as_near_as_is_said(doubt):
    rng, count = np.random.default_rng(3), 0
    for _ in range(40):
        true = [
            Fraction(v) for v in (rng.random(3) * 10.0 ** rng.integers(-9, 9) * [1, 1, rng.random() < 0.5])
        ]
        whole = sum(true)
        off = [v * Fraction(doubt) * rng.choice([-1, 1]) for v in (*true, whole)]
        found = np.array([float(v + o) for v, o in zip((*true, whole), off, strict=True)])
        spare = np.array([float(abs(o)) * (1 + 2.0**-50) for o in off]) + 2.0**-52 * found
        share, error = shares(found[:3], spare[:3], float(found[3]), float(spare[3]))
        for v, s, e in zip(true, share.tolist(), error.tolist(), strict=True):
            assert 0 <= s <= 1
            assert abs(v / whole - Fraction(s)) <= Fraction(e)
        count += 1
    assert count == 40


def test_a_share_of_all_is_all():
    share, error = shares(np.array([1.0, 0.0]), np.zeros(2), 1.0, 0.0)
    assert share.tolist() == [1.0, 0.0]
    assert ((error > 0) & (error < 1e-14)).all()
    share, error = shares(np.array([1.0, 0.0]), np.zeros(2), 1.0, 0.9375)
    assert error[0] >= 1 / 0.0625 - 1
    assert error[1] >= 0
    share, _ = shares(np.array([1.5]), np.array([0.5]), 1.0, 0.0)
    assert share.tolist() == [1.0]


@pytest.mark.parametrize(
    ("area", "error", "whole", "doubt"),
    [
        ([0.5, 0.25], [0.0, 0.0], 1.0, 0.0),
        ([0.5, 0.25], [0.125, 0.0625], 1.0, 0.0),
        ([0.5, 0.75], [0.125, 0.0], 1.0, 0.0625),
        ([0.5, 0.5], [0.0, 0.0], 1.0, 1.0),
        ([0.0, 0.0], [0.0, 0.0], 0.0, 0.0),
        ([0.5, 0.5], [0.0, 0.0], 1.0, 2.0),
        ([-0.5, -0.5], [0.0, 0.0], -1.0, 0.0),
        ([np.nan, 0.5], [0.0, 0.0], 1.0, 0.0),
        ([0.5, 0.5], [np.nan, 0.0], 1.0, 0.0),
        ([0.5, 0.5], [0.0, 0.0], 1.0, np.nan),
        ([0.5, 0.5], [0.0, 0.0], np.nan, 0.0),
    ],
)
def test_areas_that_do_not_make_up_the_whole_are_no_shares(area, error, whole, doubt):
    with pytest.raises(Unclear, match="make up"):
        shares(np.array(area), np.array(error), whole, doubt)
    shares(np.array([0.5, 0.25]), np.array([0.125, 0.0625]), 1.0, 0.0625)


def test_what_is_unclear_is_asked_again_with_more_digits():
    asked = []

    def ask(how):
        asked.append(type(how).__name__)
        if len(asked) < 2:
            raise Unclear("not yet")
        return np.float64(1e300) * np.float64(1e300)

    assert told(ask) == np.inf
    assert asked == ["Single", "Doubled"]
    assert isinstance(told(lambda how: how), Single)
