"""What is said about lines, corners and areas holds of all as near as the errors say, in fractions."""

from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest

from featgeom.exact.polytopes import Entries, Lines, Part, Unclear, _meeting, _root, divided, domain, led

SIZES = [1e-3, 1.0, 1e6]


def exact(values):
    """Numbers as fractions, in the same shape."""
    return np.vectorize(lambda v: Fraction(float(v)), otypes=[object])(np.asarray(values))


def moved(rng, values, error, count):
    """Numbers that differ from these by all that the errors allow, and once by nothing."""
    yield exact(values)
    for _ in range(count):
        yield exact(values) + exact(error) * rng.choice([-1, 1], np.shape(values))


def lines(rng, n, k, size, doubt):
    """Functions of k parameters, whose numbers have all their digits."""
    rows = rng.normal(size=(n, 1 + k)) * size ** rng.uniform(-1, 1, (n, 1))
    return Lines(rows, np.abs(rows) * doubt * rng.random((n, 1 + k)))


@pytest.mark.parametrize("doubt", [0.0, 1e-15, 0.1])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("k", [1, 2])
def test_values_are_as_near_as_is_said(k, size, doubt):
    rng = np.random.default_rng(1)
    for _ in range(6):
        some = lines(rng, 3, k, size, doubt)
        t = rng.normal(size=(3, k))
        off = np.abs(t) * doubt * rng.random((3, k)) * rng.integers(0, 2)
        values, error = some.at(t, off)
        for rows in moved(rng, some.rows, some.error, 3):
            for at in moved(rng, t, off, 3):
                true = rows[:, :1] + rows[:, 1:] @ at.T
                assert (abs(true - exact(values)) <= exact(error)).all()


@pytest.mark.parametrize("doubt", [0.0, 1e-15, 0.1])
def test_differences_are_as_near_as_is_said(doubt):
    rng = np.random.default_rng(2)
    for _ in range(20):
        one, other = lines(rng, 4, 2, 1e3, doubt), lines(rng, 4, 2, 1e3, doubt)
        found = one.minus(other)
        for a in moved(rng, one.rows, one.error, 3):
            for b in moved(rng, other.rows, other.error, 3):
                assert (abs(a - b - exact(found.rows)) <= exact(found.error)).all()


def test_only_what_is_known_to_be_0_is_nought():
    some = Lines(np.array([[0.0, 0.0], [0.0, 1.0], [0.0, 0.0], [np.nan, 0.0]]), np.zeros((4, 2)))
    some.error[2, 1] = 5e-324
    assert some.nought.tolist() == [True, False, False, False]


@pytest.mark.parametrize("doubt", [0.0, 1e-15, 1e-3, 0.5])
@pytest.mark.parametrize("size", SIZES)
def test_roots_are_as_near_as_is_said(size, doubt):
    rng, count = np.random.default_rng(3), 0
    for _ in range(20):
        line = lines(rng, 1, 1, size, doubt)
        if rng.random() < 0.2:  # so that the root is none in float64, or has few digits
            line = Lines(line.rows * [1e-20, 1e300], line.error * [1e-20, 1e300])
        at, off = _root(line)
        for ((height, slope),) in moved(rng, line.rows, line.error, 8):
            assert abs(-height / slope - Fraction(float(at[0]))) <= Fraction(float(off[0]))
            count += 1
    assert count == 180


@pytest.mark.parametrize("doubt", [0.0, 1e-15, 1e-3, 0.2])
@pytest.mark.parametrize("size", SIZES)
def test_meetings_are_as_near_as_is_said(size, doubt):
    rng, count = np.random.default_rng(4), 0
    for _ in range(20):
        one, other = lines(rng, 1, 2, size, doubt), lines(rng, 1, 2, size, doubt)
        if rng.random() < 0.5:  # nearly parallel
            apart = 3 * (doubt + 10 ** rng.uniform(-16, -12))
            other.rows[0, 1:] = one.rows[0, 1:] * (1 + apart * rng.normal(size=2))
        elif rng.random() < 0.3:  # so that they meet at what has few digits in float64
            tiny = np.array([1e-170, 1e150, 1e150])
            one, other = (Lines(line.rows * tiny, line.error * tiny) for line in (one, other))
        try:
            at, off = _meeting(one, other)
        except Unclear:
            continue
        count += 1
        for (first,), (second,) in zip(
            moved(rng, one.rows, one.error, 8), moved(rng, other.rows, other.error, 8), strict=True
        ):
            (c1, a1, b1), (c2, a2, b2) = first, second
            det = a1 * b2 - a2 * b1
            true = (b1 * c2 - b2 * c1) / det, (a2 * c1 - a1 * c2) / det
            assert (abs(np.array(true) - exact(at)) <= exact(off)).all()
    assert count > 8


def test_lines_that_are_parallel_but_for_the_last_digit_meet_nowhere_for_sure():
    """What is left of two products that are nearly the same is what they round."""
    rng = np.random.default_rng(9)
    for _ in range(200):
        a, b, c, other = rng.uniform(0.5, 2, 4)
        lines_ = [
            Lines(np.array([row]), np.zeros((1, 3))) for row in ((1.0, a, b), (-c, other, other * b / a))
        ]
        with pytest.raises(Unclear, match="parallel"), np.errstate(invalid="ignore"):
            _meeting(*lines_)


@pytest.mark.parametrize("slope", [0.0, 1e-9, -1e-9, np.nan])
def test_level_lines_have_no_root_and_parallel_ones_do_not_meet(slope):
    level = Lines(np.array([[1.0, slope]]), np.array([[0.0, 1e-9]]))
    with pytest.raises(Unclear, match="level"):
        _root(level)
    one = Lines(np.array([[1.0, 1.0, 1.0]]), np.full((1, 3), 1e-9))
    other = Lines(np.array([[0.5, 1.0, 1.0 + slope]]), np.full((1, 3), 1e-9))
    with pytest.raises(Unclear, match="parallel"), np.errstate(invalid="ignore"):
        _meeting(one, other)


def test_two_lines_that_are_one_do_not_meet():
    for rows in ([1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [1.0, 1e-200, 0.0]):
        one, other = (
            Lines(np.array([rows]), np.zeros((1, 3))),
            Lines(np.array([[1.0, 2, 3]]), np.zeros((1, 3))),
        )
        for both in ((one, other), (one, one)) if rows[1] == 0 else ((one, one),):
            with pytest.raises(Unclear, match="parallel"), np.errstate(invalid="ignore"):
                _meeting(*both)


def ring(rng, n):
    """Corners on an ellipse far from 0, turning left."""
    turn = np.sort(rng.uniform(0, 2 * np.pi, n))
    return np.stack([3 + np.cos(turn), 2 * np.sin(turn) - 1], axis=1)


def doubled_area(corners):
    """Twice the area, exactly."""
    return sum(p[0] * q[1] - p[1] * q[0] for p, q in pairwise([*corners, corners[0]]))


@pytest.mark.parametrize("doubt", [0.0, 1e-16, 1e-3, 0.3, 3.0])
def test_areas_and_lengths_are_as_near_as_is_said(doubt):
    rng = np.random.default_rng(5)
    nothing = Lines(np.zeros((0, 3)), np.zeros((0, 3)))
    for n in (3, 5):
        for _ in range(6):
            at = ring(rng, n) * 10.0 ** (rng.integers(-3, 3, 2) - 200 * rng.integers(0, 2))
            off = doubt * rng.random((n, 2)) * np.abs(at - at[0]).max(axis=0)
            area, error = Part(at, off, nothing, ((),) * n).area()
            for true in moved(rng, at, off, 4):
                assert abs(doubled_area(true) / 2 - Fraction(area)) <= Fraction(error)
            grown = exact(at) + exact(off) * np.sign(at - at.mean(axis=0)).astype(int)
            assert abs(doubled_area(grown) / 2 - Fraction(area)) <= Fraction(error)
            length, error = Part(at[:2, :1], off[:2, :1], nothing, ((),) * 2).area()
            for true in moved(rng, at[:2, :1], off[:2, :1], 4):
                assert abs(abs(true[1, 0] - true[0, 0]) - Fraction(length)) <= Fraction(error)


@pytest.mark.parametrize("n", [3, 5])
def test_one_corner_that_is_not_known_makes_the_area_as_little_known(n):
    """Each number of each corner alone is off, by more than all others are."""
    at = ring(np.random.default_rng(6), n)
    for corner, axis, sign in product(range(n), range(2), (-1, 1)):
        off = np.zeros((n, 2))
        off[corner, axis] = 0.25
        area, error = Part(at, off, Lines(np.zeros((0, 3)), np.zeros((0, 3))), ((),) * n).area()
        true = exact(at)
        true[corner, axis] += sign * Fraction(1, 4)
        assert abs(doubled_area(true) / 2 - Fraction(area)) <= Fraction(error)


@pytest.mark.parametrize("base", [[0.0, 0.0], [3.0, -1.0], [1e6, 1 / 3]])
@pytest.mark.parametrize("scale", [2.0**-4, 1.0, 2.0**9])
def test_edges_of_a_domain_are_as_near_as_is_said(scale, base):
    rng = np.random.default_rng(7)
    for _ in range(3):
        corners = ring(rng, 5) if base[0] < 1e6 else ring(rng, 5) + base
        try:
            part = domain(corners, np.array(base), scale, [()] * 5)
        except Unclear:
            continue
        true = (exact(corners) - exact(np.array(base))) / Fraction(scale)
        assert (abs(true - exact(part.at)) <= exact(part.off)).all()
        for i in range(5):
            (x, y), (u, v) = true[i], true[(i + 1) % 5]
            slopes = np.array([y - v, u - x])
            row = np.array([-(slopes @ true[i]), *slopes])
            assert (abs(row - exact(part.edges.rows[i])) <= exact(part.edges.error[i])).all()


def test_a_part_without_any_length_or_area_has_none():
    for k in (1, 2):
        area, error = Part(np.zeros((2, k)), np.zeros((2, k)), END.edges, ((),) * 2).area()
        assert abs(area) <= error


def test_the_edge_of_two_corners_whose_products_are_none_is_as_near_as_is_said():
    corners = np.array([[0.0, 1e-200], [1e-200, 0.0], [1.0, 3e-200]])
    edges = domain(corners, np.zeros(2), 1.0, [()] * 3).edges
    for i, true in ((0, Fraction(1e-200) ** 2), (1, Fraction(1e-200) * Fraction(3e-200))):
        assert true - abs(Fraction(float(edges.rows[i, 0]))) <= Fraction(float(edges.error[i, 0]))


def test_a_ring_that_rounding_may_have_bent_is_none():
    """A corner 2⁻⁵³ beside the line of its neighbours, of corners that are rounded when they are moved."""
    corners = np.array([1 / 3, 1 / 7]) + np.array([[0, 0], [1, -1], [2, 0], [1, 2]])
    corners[1] = (corners[0] + corners[2]) / 2 - [0, 2.0**-54]
    with pytest.raises(Unclear, match="turn left"):
        domain(corners, np.zeros(2), 1.0, [()] * 4)
    with pytest.raises(Unclear, match="turn left"):
        domain(np.array([[0.0, 0.0], [1.0, 0.0], [np.nan, 1.0]]), np.zeros(2), 1.0, [()] * 3)


SQUARE = domain(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]), np.zeros(2), 1.0, [()] * 4)
END = domain(np.array([[0.0], [1.0]]), np.zeros(1), 1.0, [(), ()])


def named(*names):
    """Entries that are all there is of a value, by name."""
    return Entries(3, np.array(names), lambda mask: np.array(names))


@pytest.mark.parametrize("row", [[0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [-1.0, 1.0, 1.0]])
def test_a_line_through_a_corner_that_none_told_is_unclear(row):
    line = Lines(np.array([row]), np.zeros((1, 3)))
    with pytest.raises(Unclear, match="corner"):
        SQUARE.signs(line, named(5), [(0, None)])
    told = Part(SQUARE.at, SQUARE.off, SQUARE.edges, ((3, 5, -1),) * 4)
    values = np.sign(row[0] + SQUARE.at @ np.array(row[1:]))
    assert told.signs(line, named(5), [(0, None)])[0].tolist() == values.tolist()


def test_a_value_as_large_as_its_error_has_no_sign():
    value, apart = 1.0, np.inf
    while value != apart:  # what is rounded is a small part of it
        line = Lines(np.array([[value, 0.0]]), np.array([[1.0, 0.0]]))
        value, apart = float(line.at(END.at, END.off)[1].max()), value
    with pytest.raises(Unclear, match="corner"):
        END.signs(line, named(5), [(0, None)])
    more = Lines(line.rows * (1 + 2.0**-50), line.error)
    assert END.signs(more, named(5), [(0, None)]).tolist() == [[1, 1]]


def test_an_entry_that_is_told_to_be_0_everywhere_is_on_no_side():
    told = Part(SQUARE.at, SQUARE.off, SQUARE.edges, ((3, 5, -1),) * 4)
    rows, error = np.array([[0.0, 0.0, 1e-20], [0.0, 0.0, 1e-20]]), np.full((2, 3), 1e-19)
    rows[1, 0], both = 2.0, named(5, 6)
    with pytest.raises(Unclear, match="0 on a whole part"):
        list(divided(told, Lines(rows, error), np.zeros(2, np.int64), both))
    with pytest.raises(Unclear, match="equal on a whole part"):
        list(led(told, Lines(rows[:1].repeat(2, axis=0), error), named(-1, 5)))


@pytest.mark.parametrize("side", [1, -1])
def test_an_entry_that_is_told_to_be_0_on_an_edge_is_on_one_side(side):
    told = Part(SQUARE.at, SQUARE.off, SQUARE.edges, ((3, 5, -1), (), (), ()))
    line = Lines(np.array([[0.0, 0.0, side]]), np.zeros((1, 3)))
    ((part, signs),) = divided(told, line, np.zeros(1, np.int64), named(5))
    assert part is told
    assert signs.tolist() == [side]


def test_of_entries_that_are_0_everywhere_the_first_leads():
    nothing = Lines(np.zeros((3, 3)), np.zeros((3, 3)))
    assert list(led(SQUARE, nothing, named(4, 5, 6))) == [(SQUARE, 0)]
    nothing.rows[0, 0] = -1.0
    assert list(led(SQUARE, nothing, named(4, 5, 6))) == [(SQUARE, 1)]


def test_a_part_is_cut_by_lines_through_one_corner_and_through_two():
    """The diagonal of a square, told at both of its ends, and a line through one end alone."""
    ends = ((3, 5, -1), (3, 6, -1), (3, 5, -1), (3, 6, -1))
    for names in (ends, (*ends[:3], ())):
        square = Part(SQUARE.at, SQUARE.off, SQUARE.edges, names)
        diagonal = Lines(np.array([[0.0, 1.0, -1.0]]), np.zeros((1, 3)))
        signs = np.array([0, 1, 0, -1])
        above, under = square.cut(diagonal, signs, (3, 7, -1))
        assert [part.area()[0] for part in (above, under)] == [0.5, 0.5]
        assert above.at.tolist() == [[0, 0], [1, 0], [1, 1]]
        assert above.names == (names[0], names[1], (3, 7, -1))
        assert under.at.tolist() == [[0, 0], [1, 1], [0, 1]]
        assert under.names == ((3, 7, -1), names[2], names[3])
    steep = Lines(np.array([[0.0, 1.0, -0.5]]), np.zeros((1, 3)))
    right, left = SQUARE.cut(steep, np.array([0, 1, 1, -1]), (3, 7, -1))
    assert [part.area()[0] for part in (right, left)] == [0.75, 0.25]
    assert right.names == ((), (), (), (3, 7, -1))
    assert left.names == ((3, 7, -1), (), ())
    for signs in ([1, -1, 1, -1], [0, 1, -1, -1], [0, 0, 1, -1], [0, 0, 0, 1]):
        signs = np.array(signs)
        if (signs * np.roll(signs, -1) < 0).sum() + (signs == 0).sum() != 2:
            with pytest.raises(Unclear, match="does not enter"):
                SQUARE.cut(steep, signs, ())


@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_leaders_are_where_they_lead_and_nowhere_else(scale):
    rng = np.random.default_rng(8)
    for _ in range(6):
        some, parts = lines(rng, 5, 2, 2.0, 0.0), []
        some.rows[2] = some.rows[0]  # the same entry twice: the first counts
        entries = named(0, 1, 0, 3, 4)
        for part, own in led(SQUARE, some, entries):
            middle = exact(part.at).mean(axis=0)
            values = [row[0] + row[1:] @ middle for row in exact(some.rows)]
            assert own == values.index(max(values))
            parts.append(part.area()[0])
        assert abs(sum(parts) - 1) < 1e-12


def test_nothing_that_is_no_number_leads():
    for value in (1.7e308, -1.7e308):
        with pytest.raises(Unclear, match="beyond"), np.errstate(over="ignore"):
            list(led(END, Lines(np.array([[value, 0.0]]), np.array([[1e308, 0.0]])), named(0)))
    for beyond in (np.inf, np.nan):
        some = Lines(np.array([[0.0, 1.0], [beyond, 0.0]]), np.zeros((2, 2)))
        with pytest.raises(Unclear, match="beyond"), np.errstate(invalid="ignore"):
            list(led(END, some, named(0, 1)))
        some = Lines(np.array([[0.0, 1.0], [0.5, 0.0]]), np.array([[0.0, 0.0], [beyond, 0.0]]))
        with pytest.raises(Unclear, match="beyond"), np.errstate(invalid="ignore"):
            list(led(END, some, named(0, 1)))
