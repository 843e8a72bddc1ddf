"""Each step of a bound holds, in fractions, at the worst of all values between the ends."""

from fractions import Fraction
from itertools import product
from unittest import mock

import numpy as np
import pytest
from exact_networks import Table, values_of
from scipy.sparse import csr_array

from featgeom.exact import relaxing
from featgeom.exact.images import Ball
from featgeom.exact.layers import Affine, Kink, Largest, Sum, read_layers
from featgeom.exact.relaxing import Relaxation, _Total, leads
from featgeom.exact.rounding import gamma

HALF = 2.0**-53  # of the last digit of 1
SCALES = [1e-9, 1.0, 1e9]


def asked(layer, low, high):
    """A network of one layer, over a ball, with these ends of what goes in."""
    found = Relaxation([layer], Ball(np.zeros(len(low)), 0.0, -1.0, 1.0, np.inf))
    found.ends = [(np.asarray(low, float), np.asarray(high, float))]
    found._reach = {}
    return found


def total(rows):
    """A sum that is begun."""
    return _Total(*np.zeros((3, rows)))


def slack(terms, some):
    """What is taken off the sums for what they round."""
    u = Fraction(2 * gamma(terms, np.float64))
    return [u * Fraction(s) + 2 * Fraction(o) for s, o in zip(some.size.tolist(), some.lost.tolist())]


def exact(array):
    """Rows of fractions."""
    return [[Fraction(v) for v in row] for row in np.atleast_2d(np.asarray(array, float)).tolist()]


def box(rng, n, scale):
    """Ends of both signs, some of them 0 or one number, some of which one is far nearer to 0."""
    low, high = np.sort(rng.normal(size=(2, n)), axis=0) * scale * 10.0 ** rng.integers(-3, 4, n)
    low[rng.random(n) < 0.1], high[rng.random(n) < 0.1] = 0.0, 0.0
    low[rng.random(n) < 0.2] *= 1e-6
    low, high = np.minimum(low, high), np.maximum(low, high)
    same = rng.random(n) < 0.1
    return low, np.where(same, low, high)


def coefficients(rng, rows, n):
    """Of many sizes, some 0 and not stored."""
    return csr_array(
        rng.normal(size=(rows, n)) * 10.0 ** rng.integers(-4, 4, (rows, n)) * (rng.random((rows, n)) < 0.7)
    )


@pytest.mark.parametrize("tilt", [1.0, 3.0, None])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("scale", SCALES)
def test_what_the_lines_of_kinks_leave_out_is_counted(scale, share, tilt):
    """Those that are chosen, and any others."""
    rng = np.random.default_rng(1)
    for n in (12, 12, 12, *[1] * 40):  # of one alone nothing makes up for what it rounds
        low, high = box(rng, n, scale)
        g, some = coefficients(rng, 5, n), total(5)
        relaxed = asked(Kink(0, share, n), low, high)
        others = mock.Mock(return_value=rng.normal(size=g.nnz))
        with mock.patch.object(relaxing, "_slopes", relaxing._slopes if tilt else others):
            c = relaxed._kinked(relaxed.layers[0], g, tilt or 1.0, some)
        ends, spare = list(zip(*exact([low, high]), strict=True)), slack(relaxed._terms, some)
        for row, a, back in zip(range(5), exact(g.toarray()), exact(c.toarray()), strict=True):
            worst = Fraction(0)
            for each, line, (lo, hi) in zip(a, back, ends, strict=True):
                at = [lo, hi, *([Fraction(0)] if lo < 0 < hi else [])]
                worst += min(each * max(x, Fraction(share) * x) - line * x for x in at)
            assert Fraction(some.value[row]) - spare[row] <= worst
            size = sum(abs(v) + abs(w) for v, w in zip(a, back, strict=True)) * max(map(abs, (*low, *high)))
            assert spare[row] <= Fraction(1e-9) * size


def windows(rng, n, count):
    """Windows of which some overlap, some have an entry twice, some have one alone."""
    index = np.where(rng.random((3, count)) < rng.integers(0, 2, count), -1, rng.integers(0, n, (3, count)))
    index[rng.integers(0, 3, count), np.arange(count)] = rng.integers(0, n, count)
    return index


@pytest.mark.parametrize("chosen", [True, False])
@pytest.mark.parametrize("scale", SCALES)
def test_what_shares_of_windows_leave_out_is_counted(scale, chosen):
    """Those that are chosen, and any others."""
    rng, n = np.random.default_rng(2), 5
    for _ in range(12):
        low, high = box(rng, n, scale)
        index = windows(rng, n, 6)
        g, some = coefficients(rng, 4, 6), total(4)
        relaxed = asked(Largest(0, index), low, high)
        others = mock.Mock(return_value=rng.normal(size=index.shape))
        with mock.patch.object(relaxing, "_shares", relaxing._shares if chosen else others):
            c = relaxed._largest(relaxed.layers[0], g, some)
        spare = slack(relaxed._terms, some)
        for row, a, back in zip(range(4), exact(g.toarray()), exact(c.toarray()), strict=True):
            for corner in product(*zip(*exact([low, high]), strict=True)):
                largest = [max(corner[i] for i in window if i >= 0) for window in index.T.tolist()]
                true = sum(v * x for v, x in zip(a, largest, strict=True))
                line = sum(v * x for v, x in zip(back, corner, strict=True))
                assert Fraction(some.value[row]) - spare[row] <= true - line


def test_a_window_of_many_entries_is_counted():
    rng, n = np.random.default_rng(8), 60
    for _ in range(4):
        low, high = box(rng, n, 1.0)
        relaxed, some = asked(Largest(0, np.arange(n)[:, None]), low, high), total(2)
        g = csr_array(np.array([[1 / 3], [-1 / 3]]))
        c = exact(relaxed._largest(relaxed.layers[0], g, some).toarray())
        assert (some.lost >= 0).all()
        for _ in range(20):
            (corner,) = exact(np.where(rng.random(n) < 0.5, low, high))
            for row, sign in enumerate((1, -1)):
                true = sign * Fraction(1 / 3) * max(corner) - sum(v * x for v, x in zip(c[row], corner))
                assert Fraction(some.value[row]) - slack(relaxed._terms, some)[row] <= true


@pytest.mark.parametrize("wobble", [0.0, 1e-3])
@pytest.mark.parametrize("scale", SCALES)
def test_coefficients_through_a_layer_are_as_near_as_is_said(scale, wobble):
    rng, n, m = np.random.default_rng(3), 7, 5
    for case in range(8):
        low, high = box(rng, n, scale)
        matrix = coefficients(rng, m, n)
        shift = rng.normal(size=n) * scale * (case % 2) * (rng.random(n) < 0.7)
        layer = Affine(0, matrix, shift, rng.normal(size=m) * scale * (case % 3), wobble)
        g, some, relaxed = coefficients(rng, 4, m), total(4), asked(layer, low, high)
        back = relaxed._through(0, layer, g, some)
        _holds(relaxed, layer, g, back, some)


def _holds(relaxed, layer, g, back, some):
    """Bounds hold for the values between the ends, and the true weights, for which they are worst."""
    low, high = exact(relaxed.ends[0])
    size = [max(abs(lo), abs(hi)) for lo, hi in zip(low, high, strict=True)]
    matrix, (shift,), (bias,) = exact(layer.matrix.toarray()), exact(layer.shift), exact(layer.bias)
    spare = slack(relaxed._terms, some)
    for row, a, line in zip(range(g.shape[0]), exact(g.toarray()), exact(back.toarray()), strict=True):
        columns = list(zip(*matrix, strict=True))
        true = [sum(x * w for x, w in zip(a, column, strict=True)) for column in columns]
        moved = sum(t * s for t, s in zip(true, shift, strict=True))
        off = abs(Fraction(some.value[row]) - moved - sum(x * b for x, b in zip(a, bias, strict=True)))
        off += sum(abs(t - v) * s for t, v, s in zip(true, line, size, strict=True))
        for column, s, move in zip(columns, size, shift, strict=True):
            off += Fraction(layer.wobble) * sum(abs(x * w) for x, w in zip(a, column)) * (s + abs(move))
        assert off <= spare[row]


def test_a_coefficient_of_many_terms_is_as_near_as_is_said():
    """In one column 1 and 2000 numbers that round one way, in another a single one."""
    for small in (HALF * (1 + 2.0**-10), HALF * (1 - 2.0**-10)):
        matrix = csr_array(np.array([[1.0, 1.0], *([small, 0.0] for _ in range(2000))]))
        layer, some = Affine(0, matrix, np.zeros(2), np.zeros(2001)), total(1)
        relaxed, g = asked(layer, [-1.0, 0.0], [1.0, 0.0]), csr_array(np.ones((1, 2001)))
        back = relaxed._through(0, layer, g, some)
        relaxed._terms = 1
        _holds(relaxed, layer, g, back, some)


def test_a_coefficient_of_many_windows_is_as_near_as_is_said():
    """One entry is all there is of 2001 windows, another of a single one."""
    for small in (HALF * (1 + 2.0**-10), HALF * (1 - 2.0**-10)):
        relaxed, some = asked(Largest(0, np.array([[0] * 2001 + [1]])), [-1.0, 0.0], [1.0, 0.0]), total(1)
        g = csr_array(np.array([[1.0] + [small] * 2000 + [1.0]]))
        c = relaxed._largest(relaxed.layers[0], g, some)
        relaxed._terms = 1
        off = abs(Fraction(float(c.toarray()[0, 0])) - 1 - 2000 * Fraction(small))
        assert abs(Fraction(some.value[0])) + off <= slack(relaxed._terms, some)[0]


@pytest.mark.parametrize("scale", SCALES)
def test_coefficients_that_are_added_are_as_near_as_is_said(scale):
    rng, n = np.random.default_rng(4), 9
    for _ in range(6):
        low, high = box(rng, n, scale)
        relaxed, some = asked(Kink(0, 0.0, n), low, high), total(3)
        one, other = coefficients(rng, 3, n), coefficients(rng, 3, n)
        held = {0: one}
        relaxed._add(held, 0, other, some)
        size = [max(abs(lo), abs(hi)) for lo, hi in zip(*exact([low, high]), strict=True)]
        sums = zip(exact(one.toarray()), exact(other.toarray()), exact(held[0].toarray()), strict=True)
        for rows, off in zip(sums, some.lost.tolist(), strict=True):
            worst = sum(abs(a + b - c) * s for a, b, c, s in zip(*rows, size, strict=True))
            assert worst <= 2 * Fraction(off)
        fresh = {}
        relaxed._add(fresh, 0, one, some)
        assert fresh[0] is one


@pytest.mark.parametrize("wobble", [0.0, 1e-3])
@pytest.mark.parametrize("scale", SCALES)
def test_ends_hold_at_their_worst(scale, wobble):
    rng, n = np.random.default_rng(5), 6
    for case in range(8):
        low, high = box(rng, n, scale)
        if case % 4 == 3:
            low = high = box(rng, n, scale)[0]  # one point: nothing but what is rounded
        shift = rng.normal(size=n) * scale * (case % 2)
        layer = Affine(0, coefficients(rng, 5, n), shift, rng.normal(size=5) * scale * (case % 3), wobble)
        found = asked(layer, low, high)._forward(0, layer)
        inner = list(zip(*exact([low, high]), exact(shift)[0], strict=True))
        for row, bias, least, most in zip(exact(layer.matrix.toarray()), layer.bias, *found, strict=True):
            least_, most_ = Fraction(float(bias)), Fraction(float(bias))
            for w, (lo, hi, move) in zip(row, inner, strict=True):
                all_ = [w * (1 + s * Fraction(wobble)) * (x + move) for s in (-1, 1) for x in (lo, hi)]
                least_, most_ = least_ + min(all_), most_ + max(all_)
            assert Fraction(float(least)) <= least_
            assert most_ <= Fraction(float(most))
        for share in (0.0, 0.3, 1.0):
            kink = Kink(0, share, n)
            for (lo, hi, _), least, most in zip(
                inner, *asked(kink, low, high)._forward(0, kink), strict=True
            ):
                assert Fraction(float(least)) <= max(lo, Fraction(share) * lo)
                assert max(hi, Fraction(share) * hi) <= Fraction(float(most)) <= max(hi, Fraction(0))
        both = asked(Sum(0, 0, n), low, high)._forward(0, Sum(0, 0, n))
        for (lo, hi, _), least, most in zip(inner, *both, strict=True):
            assert Fraction(float(least)) < 2 * lo <= 2 * hi < Fraction(float(most))
        largest = Largest(0, windows(rng, n, 6))
        for column, least, most in zip(largest.index.T, *asked(largest, low, high)._forward(0, largest)):
            assert least == max(low[i] for i in column if i >= 0)
            assert most == max(high[i] for i in column if i >= 0)


def test_ends_of_products_that_underflow_hold():
    layer = Affine(0, csr_array([[1e-200, -1e-200], [1e-300, 0.0]]), np.zeros(2), np.zeros(2))
    low, high = (
        exact(end)[0] for end in asked(layer, [1e-200, -1e-120], [1e-200, 1e-200])._forward(0, layer)
    )
    tiny, more = Fraction(1e-200), Fraction(1e-120)
    assert low[0] <= 0 < tiny * (tiny + more) <= high[0]
    assert low[1] < Fraction(1e-300) * tiny < high[1]


def test_ends_of_a_long_row_hold():
    """1 and 2000 numbers that round one way, beside a short row."""
    for small in (HALF * (1 + 2.0**-10), HALF * (1 - 2.0**-10)):
        for x in (1.0, -1.0):
            layer = Affine(
                0,
                csr_array(np.array([[1.0] + [small] * 2000, [1.0] + [0.0] * 2000])),
                np.zeros(2001),
                np.zeros(2),
            )
            low, high = asked(layer, [x] * 2001, [x] * 2001)._forward(0, layer)
            true = Fraction(x) * (1 + 2000 * Fraction(small))
            assert Fraction(float(low[0])) <= true <= Fraction(float(high[0]))


def test_a_bound_of_many_pixels_holds():
    for small in (HALF * (1 + 2.0**-10), HALF * (1 - 2.0**-10)):
        table = Table(2001)
        table.affine(0, np.ones((1, 2001)))
        ball = Ball(np.array([1.0] + [small] * 2000), 0.0, 0.0, 1.0, 2)
        bounds = Relaxation(read_layers(*table.arrays, 2001), ball)
        true = 1 + 2000 * Fraction(small)
        for sign in (1, -1):
            assert Fraction(float(bounds.below(1, csr_array([[float(sign)]]))[0])) <= sign * true


def test_bounds_of_a_long_chain_hold():
    rng, table, value = np.random.default_rng(6), Table(1), 0
    for _ in range(40):
        value = table.affine(value, rng.normal(size=(1, 1)) + 1, rng.normal(size=1))
    bounds = Relaxation(read_layers(*table.arrays, 1), Ball(np.array([1 / 3]), 0.0, 0.0, 1.0, 2))
    true = values_of(table.arrays, [1 / 3])[-1][0]
    assert bounds._terms > 8 * 40
    for sign in (1, -1):
        assert Fraction(float(bounds.below(value, csr_array([[float(sign)]]))[0])) <= sign * true


def test_what_is_0_is_not_above_0():
    table = Table(1)
    table.affine(0, [[1.0]])
    bounds = Relaxation(read_layers(*table.arrays, 1), Ball(np.array([0.0]), 0.0, 0.0, 1.0, 2))
    for value, c in ((0, [[1.0]]), (1, [[1.0]]), (1, [[-1.0]]), (1, [[0.0]])):
        assert -1e-290 < bounds.below(value, csr_array(c))[0] < 0


def test_values_of_a_size_beyond_float64_bound_nothing():
    """Whatever is multiplied with it: in a window, in a kink, and beside what is known."""
    for layer in (Kink(0, 0.5, 2), Kink(0, 0.0, 2), Largest(0, np.array([[-1, 0], [1, 1], [0, 0]]))):
        for low, high in ((-np.inf, 1.0), (-1.0, np.inf), (-np.inf, np.inf), (-np.inf, -1.0)):
            relaxed = asked(layer, [low, 0.25], [high, 0.5])
            relaxed.ends.append((np.full(2, -np.inf), np.full(2, np.inf)))
            with np.errstate(all="ignore"):
                assert (relaxed.below(1, csr_array([[1.0, 0.5], [-1.0, 0.25]])) == -np.inf).all()


@pytest.mark.parametrize("scale", SCALES)
def test_a_distance_is_no_less_than_any(scale):
    rng = np.random.default_rng(7)
    for n in (1, 2, 9, 40):
        for _ in range(4):
            low, high = box(rng, n, scale)
            point = rng.normal(size=n) * scale
            found = Fraction(asked(Kink(0, 0.0, n), low, high).apart(0, point))
            far = [max(abs(lo - p), abs(hi - p)) for lo, hi, p in zip(*exact([low, high]), exact(point)[0])]
            assert sum(v * v for v in far) <= found**2 <= sum(v * v for v in far) * (1 + Fraction(1e-12))


def test_leads_are_those_of_one_class_over_others():
    assert leads(1, np.array([0, 2]), 4).toarray().tolist() == [[-1, 1, 0, 0], [0, 1, -1, 0]]
    assert leads(1, np.array([], dtype=int), 4).shape == (0, 4)


def test_entries_that_are_asked_are_those_that_may_bend():
    kink = asked(Kink(0, 0.0, 5), [-1, 0, -1, -2, 1], [1, 1, 0, -1, 2])
    assert kink.open(kink.layers[0]).tolist() == [0]
    largest = Largest(0, np.array([[0, 2, 4], [1, 3, -1]]))
    window = asked(largest, [0, -1, 3, -2, 1], [1, 0, 4, 5, 2])
    assert window.open(largest).tolist() == [2, 3]


def test_values_that_are_affine_in_the_image_are_known():
    table = Table(2)
    one = table.affine(0, np.eye(2))
    bent = table.kink(table.sum(one, 0))
    table.sum(bent, one)
    bounds = Relaxation(read_layers(*table.arrays, 2), Ball(np.full(2, 0.5), 0.25, 0.0, 1.0, 2))
    assert bounds._affine == {0, 1, 2}
