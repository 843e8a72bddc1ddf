"""Bounds over balls of images hold of every image that is tried, in fractions."""

from fractions import Fraction

import numpy as np
import pytest
from exact_networks import Table, values_of
from scipy.sparse import csr_array

from featgeom.exact.images import Ball
from featgeom.exact.layers import Affine, Misread, read_layers
from featgeom.exact.relaxing import Relaxation


def dense(rng, size):
    """Three affine layers with kinks between."""
    table = Table(6)
    a = table.kink(table.affine(0, rng.normal(size=(8, 6)), rng.normal(size=8)))
    b = table.kink(table.affine(a, rng.normal(size=(7, 8)) * size, rng.normal(size=7)), 0.25)
    table.affine(b, rng.normal(size=(3, 7)))
    return table


def images(rng, size):
    """Convolutions, windows that overlap and stick out, a shortcut, channels scaled."""
    table = Table(2 * 4 * 4)
    scaled = table.scale(0, 2, rng.normal(size=2), rng.uniform(0.3, 3, 2), rng.normal(size=2), None)
    first = table.conv(scaled, rng.normal(size=(4, 1, 3, 3)), rng.normal(size=4), 4, 4, 1, 1, 1, 2)
    bent = table.kink(first)
    second = table.conv(bent, rng.normal(size=(4, 4, 3, 3)) * size, None, 4, 4, 1, 2, 2)
    whole = table.sum(second, bent)
    at = np.array([[0, 1, 16, 40, 63, 5], [1, 2, -1, 41, 62, -1], [4, 5, 17, 45, -1, 6]])
    largest = table.windows("max", whole, at)
    table.windows("gather", largest, [[0, 1, 5], [2, -1, 5], [3, 4, -1]])
    return table


def cancelling(rng, size):
    """Terms of 2^49 that cancel."""
    table = Table(3)
    big = 2.0**49
    a = table.affine(0, [[1, 0, 0], [0, 1, 0], [0, 0, 1]], [big, -big / 3, 0.1])
    b = table.kink(a, 0.1)
    table.affine(b, [[1, 3, 1e-3], [-1, 0, 1], [size, -size, 1]], [-big, big, 0])
    return table


MADE = [dense, images, cancelling]


def tried(rng, ball, count):
    """Images of a ball, many of them at its rim and at the bounds."""
    for k in range(count):
        move = rng.normal(size=len(ball.centre))
        if ball.norm == np.inf:
            move = ball.radius * (np.sign(move) if k % 2 else np.clip(move, -1, 1))
        else:
            move *= (1 if k % 2 else rng.random()) * ball.radius / np.linalg.norm(move) * (1 - 1e-12)
        yield np.clip(ball.centre + move, ball.low, ball.high)


@pytest.mark.parametrize("norm", [2, np.inf])
@pytest.mark.parametrize("make", MADE)
def test_ends_and_linear_functions_hold(make, norm):
    rng = np.random.default_rng(3)
    for case in range(6):
        table = make(rng, [0.1, 1.0][case % 2])
        arrays, n = table.arrays, len(table.rows)
        centre = np.round(rng.random(table.sizes[0]), 2)
        centre[rng.random(len(centre)) < 0.3] = case % 2
        ball = Ball(centre, [0.0, 1e-6, 0.05, 0.3, 1.0, 4.0][case], 0.0, 1.0, norm)
        bounds = Relaxation(read_layers(*arrays, table.sizes[0]), ball)
        c = rng.normal(size=(4, table.sizes[n]))
        c[0] *= 1e9
        least = bounds.below(n, csr_array(c))
        assert np.isfinite(least).all()
        for image in tried(rng, ball, 12):
            values = values_of(arrays, image)
            for (low, high), value in zip(bounds.ends, values, strict=True):
                assert all(a <= v <= b for a, b, v in zip(low.tolist(), high.tolist(), value, strict=True))
            for row, bound in zip(c.tolist(), least.tolist(), strict=True):
                assert bound <= sum(Fraction(a) * v for a, v in zip(row, values[n], strict=True))


@pytest.mark.parametrize("make", MADE)
def test_at_one_image_little_is_lost(make):
    rng = np.random.default_rng(4)
    table = make(rng, 1.0)
    centre = rng.random(table.sizes[0])
    bounds = Relaxation(read_layers(*table.arrays, table.sizes[0]), Ball(centre, 0.0, 0.0, 1.0, 2))
    values = np.array([float(v) for v in values_of(table.arrays, centre)[-1]])
    size = 2.0**52 if make is cancelling else 1e3
    assert np.abs(bounds.ends[-1] - values).max() < 1e-12 * size


@pytest.mark.parametrize("make", [dense, images])
def test_parts_hold_where_they_are_meant(make):
    rng = np.random.default_rng(5)
    met = set()
    for _ in range(6):
        table = make(rng, 1.0)
        n, arrays = len(table.rows), table.arrays
        ball = Ball(rng.random(table.sizes[0]), 0.4, 0.0, 1.0, np.inf)
        whole = Relaxation(read_layers(*arrays, table.sizes[0]), ball)
        c = csr_array(rng.normal(size=(1, table.sizes[n])))
        left = whole.left_out(n, c)
        value, entry = min((float(some.min()), value, int(some.argmin())) for value, some in left.items())[1:]
        parts = {above: whole.part(value, entry, above) for above in (True, False)}
        bounds = {above: float(part.below(n, c)[0]) for above, part in parts.items()}
        assert max(bounds.values()) > whole.below(n, c)[0]
        for image in tried(rng, ball, 40):
            values = values_of(arrays, image)
            above = values[value][entry] >= 0
            met.add(above)
            exact = sum(Fraction(a) * v for a, v in zip(c.toarray()[0].tolist(), values[n], strict=True))
            assert bounds[above] <= exact
            for (low, high), some in zip(parts[above].ends, values, strict=True):
                assert all(a <= v <= b for a, b, v in zip(low.tolist(), high.tolist(), some, strict=True))
    assert met == {True, False}


def test_divisors_are_known_as_well_as_is_said():
    """The root of a variance is no fraction, but its square is one."""
    rng = np.random.default_rng(6)
    table = Table(40)
    variance = np.concatenate([rng.uniform(0, 2, 30), rng.uniform(0, 1e-12, 10)])
    table.normalise(0, 40, np.zeros(40), variance, [1e-5])
    table.scale(0, 40, divisor=rng.uniform(0.1, 9, 40), weight=rng.normal(size=40))
    (normal, scaled) = read_layers(*table.arrays, 40)
    for layer in (normal, scaled):
        assert isinstance(layer, Affine)
    epsilon = Fraction(1e-5)
    for factor, v in zip(normal.matrix.diagonal().tolist(), variance.tolist(), strict=True):
        low, high = (Fraction(factor) * (1 + side * Fraction(normal.wobble)) for side in (-1, 1))
        assert low**2 <= 1 / (Fraction(v) + epsilon) <= high**2
    table_numbers = table.arrays[1]
    divisor, weight = table_numbers[-80:-40], table_numbers[-40:]
    for factor, w, d in zip(
        scaled.matrix.diagonal().tolist(), weight.tolist(), divisor.tolist(), strict=True
    ):
        assert abs(Fraction(factor) - Fraction(w) / Fraction(d)) <= Fraction(scaled.wobble) * abs(
            Fraction(factor)
        )


@pytest.mark.parametrize(
    "change",
    [
        {"kind": 7}, {"kind": -1}, {"value": 1}, {"value": -1}, {"weight": 10**6}, {"weight": -1},
        {"filters": 0}, {"filters": 10**12}, {"channels": 5}, {"height": 2}, {"stride": 0}, {"padding": 1},
        {"groups": 0}, {"groups": 2},
    ],
)  # fmt: skip
def test_a_table_that_tells_no_network_is_refused(change):
    table = Table(6)
    table.affine(0, np.ones((3, 6)))
    arrays = table.arrays
    names = ["kind", "value", "other", "weight", "bias", "filters", "channels", "height", "width", "kh", "kw"]
    names += ["stride", "sw", "padding", "pw", "dh", "dw", "groups"]
    for name, value in change.items():
        arrays[0][0, names.index(name)] = value
    with pytest.raises(Misread):
        read_layers(*arrays, 6)


def test_no_table_makes_more_than_it_may():
    table = Table(4)
    table.affine(0, np.ones((4, 4)))
    rows = np.tile(table.arrays[0], (3, 1))
    rows[:, 1] = [0, 1, 2]
    assert len(read_layers(rows, *table.arrays[1:], 4)) == 3
    with pytest.raises(Misread, match="no layers"):
        read_layers(rows[:0], *table.arrays[1:], 4)
    kinks = Table(2)
    kinks.kink(0, 1.5)
    with pytest.raises(Misread, match="share"):
        read_layers(*kinks.arrays, 2)
    for at in ([[-1]], [[2]], [[-2]]):
        largest = Table(2)
        largest.windows("max", 0, at)
        with pytest.raises(Misread):
            read_layers(*largest.arrays, 2)
    for divisor in ([0.0, 1.0], [1e300, 1.0]):
        scaled = Table(2)
        scaled.scale(0, 2, divisor=divisor, weight=[1e-10, 1.0])
        with pytest.raises(Misread):
            read_layers(*scaled.arrays, 2)


@pytest.mark.parametrize("big", [1e160, 1e300])
def test_what_overflows_bounds_nothing(big):
    table = Table(2)
    first = table.kink(table.affine(0, [[big, 0], [0, -big]], [0, 1]))
    table.affine(first, [[big, -big], [-big, 0]])
    bounds = Relaxation(read_layers(*table.arrays, 2), Ball(np.array([0.5, 0.5]), 0.25, 0.0, 1.0, np.inf))
    values = values_of(table.arrays, [0.5, 0.5])
    for (low, high), value in zip(bounds.ends, values, strict=True):
        assert all(a <= v <= b for a, b, v in zip(low.tolist(), high.tolist(), value, strict=True))
    for sign in (1, -1):
        assert float(bounds.below(3, csr_array([[float(sign), 0.0]]))[0]) <= sign * values[3][0]


def test_coefficients_that_underflow_are_paid_for():
    """A weight of 10^-200 twice is none in float64, and 10^300 times that is something."""
    table = Table(1)
    up = table.affine(0, [[1e150]])
    down = table.affine(table.affine(table.affine(up, [[1e150]]), [[1e-200]]), [[1e-200]])
    bounds = Relaxation(read_layers(*table.arrays, 1), Ball(np.array([1.0]), 0.0, 0.0, 1.0, 2))
    exact = values_of(table.arrays, [1.0])[down][0]
    assert exact > 0
    assert -bounds.below(down, csr_array([[-1.0]]))[0] >= exact
    assert bounds.ends[down][1][0] >= exact


@pytest.mark.parametrize("radius", [1e-300, 1e-163, 0.9e-161, 1.2e-161, 1e-155, 1e-100, 1.0, 1e150])
@pytest.mark.parametrize("width", [1, 3])
def test_a_radius_whose_square_underflows_is_paid_for(width, radius):
    ball = Ball(np.zeros(width), radius, -1e200, 1e200, 2)
    with np.errstate(over="ignore", invalid="ignore"):
        bound, size = ball.least(csr_array(np.ones((1, width))))
    spare = Fraction(1, 2**40) * Fraction(float(size[0])) + Fraction(1, 10**300)
    low = Fraction(float(bound[0])) - spare
    assert low < 0
    assert low**2 >= width * Fraction(radius) ** 2


def test_a_distance_that_underflows_is_none_of_zero():
    table = Table(1)
    table.affine(0, [[1e-200]])
    bounds = Relaxation(read_layers(*table.arrays, 1), Ball(np.array([1.0]), 0.0, 0.0, 1.0, 2))
    assert bounds.apart(1, np.array([0.0])) >= 1e-200


def test_no_table_takes_more_memory_than_it_may():
    table = Table(1 << 14)
    table.conv(0, np.ones((64, 1, 8, 8)), None, 128, 128)
    rows = np.tile(table.arrays[0], (2, 1))
    with pytest.raises(Misread, match=r"too much|more entries"):
        read_layers(rows, *table.arrays[1:], 1 << 14)
