"""A table of layers is read as it says, to the last number, and what tells no layer is refused."""

from fractions import Fraction

import numpy as np
import pytest
from exact_networks import Table, values_of

from featgeom.exact.layers import KINDS, WIDTH, Largest, Misread, read_layers, read_network

NAMES = ["kind", "value", "other", "weight", "bias", "filters", "channels", "height", "width", "kh", "kw"]
NAMES += ["sh", "sw", "ph", "pw", "dh", "dw", "groups"]
CONV = {"kind": 0, "value": 0, "other": -1, "weight": 0, "bias": 12, "filters": 2, "channels": 1, "height": 4}
CONV |= {"width": 5, "kh": 2, "kw": 3, "sh": 1, "sw": 2, "ph": 1, "pw": 2, "dh": 1, "dw": 1, "groups": 1}
NUMBERS = np.arange(1.0, 15.0)  # of which the filters take 12, and their biases 2


def row(values):
    """A table of one layer."""
    return np.array([[values[name] for name in NAMES]])


def linear(layer, x):
    """What an affine layer makes, in fractions."""
    matrix = layer.matrix.toarray().tolist()
    moved = [v + Fraction(s) for v, s in zip(x, layer.shift.tolist(), strict=True)]
    return [
        sum(Fraction(w) * v for w, v in zip(some, moved, strict=True)) + Fraction(bias)
        for some, bias in zip(matrix, layer.bias.tolist(), strict=True)
    ]


def test_convolutions_of_all_kinds_are_those_of_plain_loops():
    rng, met = np.random.default_rng(1), 0
    while met < 60:
        groups, kh, kw = rng.integers(1, 4, 3)
        dh, dw, sh, sw, height, width = rng.integers(1, [4, 4, 4, 4, 6, 6])
        channels, filters = int(rng.integers(1, 3)), int(groups * rng.integers(1, 3))
        ph, pw = rng.integers(0, dh * (kh - 1) + 1), rng.integers(0, dw * (kw - 1) + 1)
        if height + 2 * ph < dh * (kh - 1) + 1 or width + 2 * pw < dw * (kw - 1) + 1:
            continue
        size, taken = filters * channels * kh * kw, groups * channels * height * width
        bias = size if rng.random() < 0.5 else -1
        table = row(dict(zip(NAMES, [0, 0, -1, 0, bias, filters, channels, height, width, kh, kw, sh, sw,
                                     ph, pw, dh, dw, groups])))  # fmt: skip
        numbers, x = rng.normal(size=size + filters), [Fraction(v) for v in rng.normal(size=taken)]
        (layer,) = read_layers(table, numbers, np.arange(0), taken)
        assert linear(layer, x) == values_of((table, numbers, np.arange(0)), x)[1]
        met += 1


@pytest.mark.parametrize(
    ("change", "numbers"),
    [
        ({"kind": len(KINDS)}, 14), ({"kind": -1}, 14), ({"value": 1}, 14), ({"value": -1}, 14),
        ({"weight": -1}, 14),
        ({"weight": -2}, 14), ({"weight": 3}, 14), ({"bias": 13}, 14), ({"bias": -2}, 14), ({}, 13),
        ({"filters": 0}, 14), ({"channels": 0}, 14), ({"height": 0, "width": 0}, 14), ({"kh": 0}, 14),
        ({"kw": 0}, 14), ({"sh": 0}, 14), ({"sw": 0}, 14), ({"dh": 0, "ph": 0}, 14), ({"dw": 0, "pw": 0}, 14),
        ({"groups": 0}, 14), ({"groups": 2, "height": 2, "filters": 3}, 99),
        ({"groups": 2, "height": 2, "filters": 1}, 99),
        ({"height": 3}, 14),
        ({"height": 5}, 14),
        ({"ph": -1}, 14), ({"pw": -1}, 14), ({"ph": 2}, 14), ({"pw": 3}, 14), ({"kh": 7}, 99),
        ({"kw": 10}, 99),
        ({"kh": 6, "filters": 1, "ph": 0}, 99), ({"kw": 6, "filters": 1, "pw": 0}, 99),
        ({"filters": -2, "channels": -1, "groups": -1}, 14), ({"filters": 1 << 40}, 14), ({"sh": -1}, 14),
    ],
)  # fmt: skip
def test_a_convolution_that_is_none_is_refused(change, numbers):
    long = np.arange(1.0, numbers + 1)
    with pytest.raises(Misread):
        read_layers(row(CONV | change), long, np.arange(0), 20)
    (whole,) = read_layers(row(CONV), NUMBERS, np.arange(0), 20)  # numbers are taken to the last
    assert whole.bias.tolist() == [13.0] * 20 + [14.0] * 20


@pytest.mark.parametrize(
    "change", [{"ph": 0, "pw": 0}, {"kh": 1, "kw": 1, "ph": 0, "pw": 0}, {"sh": 9, "sw": 9}]
)
def test_a_convolution_without_padding_or_of_one_place_is_one(change):
    table = row(CONV | change)
    (layer,) = read_layers(table, NUMBERS, np.arange(0), 20)
    x = [Fraction(v) for v in range(20)]
    assert linear(layer, x) == values_of((table, NUMBERS, np.arange(0)), x)[1]


def test_what_is_multiplied_by_zero_is_stored():
    """So that what is beyond float64 there is seen."""
    (layer,) = read_layers(row(CONV), 0 * NUMBERS, np.arange(0), 20)
    assert layer.matrix.nnz > 60


@pytest.mark.parametrize("kind", ["gather", "max"])
@pytest.mark.parametrize(
    ("place", "terms", "size", "index", "fine"),
    [
        (0, 2, 3, [0, 3, 1, 2, -1, 0], True),
        (1, 2, 2, [9, 0, 3, 1, -1], True),
        (0, 1, 2, [3, 0], True),
        (0, 2, 3, [0, 3, 1, 2, -1], False),
        (1, 2, 3, [0, 3, 1, 2, -1, 0], False),
        (-1, 2, 3, [0, 3, 1, 2, -1, 0, 1], False),
        (-6, 2, 3, [0, 3, 1, 2, -1, 0, 1], False),
        (-7, 2, 3, [0, 3, 1, 2, -1, 0, 1], False),
        (0, 0, 3, [0, 3, 1], False),
        (0, 3, 0, [0, 3, 1], False),
        (0, -1, -3, [0, 3, 1], False),
        (0, 1, 2, [4, 0], False),
        (0, 1, 2, [0, 4], False),
        (0, 1, 2, [0, -2], False),
        (0, 2, 2, [0, 1, -2, 3], False),
        (0, 1, 1 << 62, [0, 3, 1], False),
    ],
)
def test_entries_of_windows_are_those_that_are_told(kind, place, terms, size, index, fine):
    table = np.full((1, WIDTH), -1)
    table[0, :6] = KINDS.index(kind), 0, -1, place, terms, size
    if not fine:
        with pytest.raises(Misread):
            read_layers(table, np.zeros(0), np.array(index), 4)
        return
    (layer,) = read_layers(table, np.zeros(0), np.array(index), 4)
    x = [Fraction(v) for v in (2, -3, 5, 7)]
    true = values_of((table, np.zeros(0), np.array(index)), x)[1]
    if kind == "gather":
        assert linear(layer, x) == true
    else:
        assert isinstance(layer, Largest)
        found = np.where(layer.real, np.array([2.0, -3, 5, 7])[layer.index], -np.inf).max(axis=0)
        assert found.tolist() == true


def test_a_window_has_an_entry():
    for index, fine in (([[0, 0], [-1, -1]], True), ([[0, -1], [1, -1]], False), ([[-1], [-1]], False)):
        table = Table(2)
        table.windows("max", 0, index)
        if fine:
            assert read_layers(*table.arrays, 2)[0].real.tolist() == [[True, True], [False, False]]
        else:
            with pytest.raises(Misread, match="empty"):
                read_layers(*table.arrays, 2)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0, -1e-9, 1 + 1e-9, np.nan])
def test_a_share_is_from_0_to_1(share):
    table = Table(2)
    table.kink(0, share)
    if 0 <= share <= 1:
        assert read_layers(*table.arrays, 2)[0].share == share
        return
    with pytest.raises(Misread, match="share"):
        read_layers(*table.arrays, 2)


def test_scales_and_their_rests_are_those_of_fractions():
    rng, x = np.random.default_rng(2), [Fraction(v) for v in range(-3, 9)]
    for parts in range(16):
        mean, divisor, weight, bias = (rng.normal(size=3) if parts >> k & 1 else None for k in range(4))
        if weight is not None:
            weight[1] = 0.0
        table = Table(12)
        table.scale(0, 3, mean, divisor, weight, bias)
        (layer,) = read_layers(*table.arrays, 12)
        assert layer.each == 4
        twice = layer.matrix.diagonal(), layer.rest()
        true = values_of(table.arrays, x)[1]
        for i, (v, factor, rest) in enumerate(zip(x, *twice, strict=True)):
            exact = (Fraction(factor) + Fraction(rest)) * (v + Fraction(layer.shift[i])) + Fraction(
                layer.bias[i]
            )
            size = abs(Fraction(factor)) * abs(v + Fraction(layer.shift[i]))
            assert abs(exact - true[i]) <= size * Fraction(1, 2**100)
            assert abs(Fraction(rest)) <= Fraction(layer.wobble) * abs(Fraction(factor))


def test_roots_of_variances_and_their_rests_are_near_to_the_last_digit():
    rng, table = np.random.default_rng(3), Table(20)
    variance = rng.random(20) * 10.0 ** rng.integers(-9, 9, 20)
    variance[0] = 0.0
    table.normalise(0, 20, np.zeros(20), variance, [1e-5])
    (layer,) = read_layers(*table.arrays, 20)
    for factor, rest, v in zip(layer.matrix.diagonal(), layer.rest(), variance, strict=True):
        square = (Fraction(factor) + Fraction(rest)) ** 2 * (Fraction(v) + Fraction(1e-5))
        assert abs(square - 1) <= Fraction(1, 2**98)
        assert 0 < abs(Fraction(rest)) <= Fraction(layer.wobble) * Fraction(factor)


@pytest.mark.parametrize(
    ("variance", "epsilon"),
    [
        ([1, -0.5], 1.0),
        ([-0.5, 1], 1.0),
        ([1, 0], 0.0),
        ([0, 1], 0.0),
        ([1, 0.5], -0.5),
        ([1e308, 1], 1.7e308),
    ],
)
def test_variances_that_have_no_root_are_refused(variance, epsilon):
    table = Table(4)
    table.normalise(0, 2, np.zeros(2), variance, [epsilon])
    with pytest.raises(Misread), np.errstate(over="ignore"):
        read_layers(*table.arrays, 4)


@pytest.mark.parametrize(
    ("divisor", "weight", "fine"),
    [
        ([2, 4], [1, 0], True),
        ([-2, 4], [0, 1], True),
        ([1e150, 1], [1e-49, 1], True),
        ([0, 1], [1, 1], False),
        ([1, 0], [1, 0], False),
        ([1e150, 1], [1e-51, 1], False),
        ([1, 1e150], [1, 1e-51], False),
        ([1e-200, 1], [1e200, 1], False),
        ([1, 1e-200], [1, 1e200], False),
        ([1e-200, 1e-200], [1e200, 1e200], False),
    ],
)
def test_scales_that_float64_does_not_hold_are_refused(divisor, weight, fine):
    table = Table(4)
    table.scale(0, 2, None, np.array(divisor, float), np.array(weight, float))
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        if fine:
            assert read_layers(*table.arrays, 4)[0].each == 2
            return
        with pytest.raises(Misread):
            read_layers(*table.arrays, 4)


@pytest.mark.parametrize(("channels", "fine"), [(1, True), (4, True), (3, False), (0, False), (-2, False)])
def test_channels_are_of_one_size(channels, fine):
    table = Table(4)
    table.scale(0, max(1, channels))
    arrays = table.arrays
    arrays[0][0, 7] = channels
    if fine:
        assert read_layers(*arrays, 4)[0].each == 4 // channels
        return
    with pytest.raises(Misread, match="channels"):
        read_layers(*arrays, 4)


def test_sums_are_of_two_values_of_one_size():
    table = Table(3)
    wide, narrow = table.affine(0, np.ones((3, 3))), table.affine(0, np.ones((2, 3)))
    table.sum(wide, 0)
    read_layers(*table.arrays, 3)
    arrays = table.arrays
    arrays[0][2, 0] = -1
    with pytest.raises(Misread, match="kind -1"):
        read_layers(*arrays, 3)
    for one, other in ((wide, narrow), (narrow, wide), (wide, 4), (wide, -1), (4, wide)):
        arrays = table.arrays
        arrays[0][2, 1:3] = one, other
        with pytest.raises(Misread):
            read_layers(*arrays, 3)


def test_a_head_takes_as_many_features_as_there_are():
    table = Table(2)
    table.affine(0, np.ones((3, 2)))
    table.affine(1, np.ones((2, 3)))
    found = read_network(*table.arrays, 2, np.array([[1.0, 2], [3, 4]], np.float32), np.ones(2))
    assert [layer.source for layer in found] == [0, 1, 2]
    assert found[-1].matrix.toarray().tolist() == [[1, 2], [3, 4]]
    assert found[-1].bias.tolist() == [1, 1]
    for d in (1, 3):
        with pytest.raises(Misread, match=f"2 features, and the head takes {d}"):
            read_network(*table.arrays, 2, np.ones((2, d)), np.ones(2))
    table.affine(2, np.ones((4, 2)))
    assert len(read_network(*table.arrays, 2, np.ones((2, 4)), np.ones(2))) == 4
    with pytest.raises(Misread, match="4 features, and the head takes 2"):
        read_network(*table.arrays, 2, np.ones((2, 2)), np.ones(2))
    with pytest.raises(Misread, match="no layers"):
        read_network(table.arrays[0][:0], *table.arrays[1:], 2, np.ones((2, 2)), np.ones(2))


def test_no_more_is_held_than_there_is_room_for():
    """Entries of matrices and of windows are counted together."""
    table, wide = Table(2), Table(4)
    table.affine(0, np.ones((2, 2)))
    table.kink(1)
    table.windows("max", 2, [[0, 1], [1, 0]])
    table.affine(3, np.ones((2, 2)))
    wide.affine(0, np.ones((4, 4)))
    assert len(read_layers(*table.arrays, 2, room=12)) == 4
    table.kink(4)
    with pytest.raises(Misread, match="more entries"):
        read_layers(*table.arrays, 2, room=12)
    with pytest.raises(Misread, match="too much"):
        read_layers(*wide.arrays, 4, room=12)
    assert len(read_layers(*table.arrays, 2)) == 5
