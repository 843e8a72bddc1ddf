"""Pieces of segments and polygons are those of the network in fractions, each one once."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from exact_networks import Table, values_of
from scipy.sparse import csr_array

from featgeom.exact.doubled import Doubled, product, sliced
from featgeom.exact.layers import KINDS, Affine, Largest, read_layers
from featgeom.exact.pieces import Walk, _taking_part, _weights
from featgeom.exact.polytopes import Entries, Lines, Unclear, domain, led
from featgeom.exact.running import features_apart
from featgeom.exact.sameness import names
from featgeom.exact.single import Known, Single
from featgeom.exact.tiles import areas_of, classes_along, shares

ENDS = np.array([[0.0], [1.0]])
RING = np.array([[0.125, 0.0625], [1.0, 0.125], [0.75, 0.875], [-0.25, 0.5]])
LINE = np.array([[0.0], [1.0]])  # two images of one value
WHOLE = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])  # all mixtures of three images


def dense(rng):
    """Three affine layers with kinks between, of which one is leaky."""
    table = Table(4)
    a = table.kink(table.affine(0, rng.normal(size=(6, 4)), rng.normal(size=6)))
    b = table.kink(table.affine(a, rng.normal(size=(5, 6)), rng.normal(size=5)), 0.25)
    table.affine(b, rng.normal(size=(3, 5)), rng.normal(size=3))
    return table


def windows(rng):
    """A convolution, a kink, windows that overlap, a shortcut, channels scaled, the classes."""
    table = Table(9)
    scaled = table.scale(0, 1, rng.normal(size=1), rng.uniform(0.5, 2, 1), rng.normal(size=1), None)
    first = table.kink(table.conv(scaled, rng.normal(size=(2, 1, 2, 2)), rng.normal(size=2), 3, 3))
    largest = table.windows("max", first, [[0, 1, 2, 4, 5], [1, 2, 3, 5, 6], [2, 3, -1, 6, 7]])
    whole = table.sum(largest, table.affine(first, rng.normal(size=(5, 8)), rng.normal(size=5)))
    table.affine(table.kink(whole), rng.normal(size=(3, 5)), rng.normal(size=3))
    return table


def twice(rng):
    """The same windows of a picture whose background is one value, and whose rest comes twice."""
    table = Table(9)
    first = table.conv(0, rng.normal(size=(2, 1, 2, 2)), rng.normal(size=2), 3, 3)
    largest = table.windows("max", table.kink(first), [[0, 2, 4], [1, 3, 5], [2, 0, 6]])
    table.affine(largest, rng.normal(size=(3, 3)), rng.normal(size=3))
    return table


MADE = [dense, windows, twice]


def chosen(make, rng, count):
    """Images of a network, in the last case with what comes twice."""
    images = np.round(rng.normal(size=(count, {dense: 4}.get(make, 9))) * 512) / 256
    if make is twice:
        images[0, :2] = images[0, 2]
        images[:, 3:6] = images[:, 6:] = images[:, :3]
    return images


def pattern(arrays, image):
    """On which side each unit is and which entry leads each window, in fractions, and the class."""
    table, _, index = arrays
    values, found = values_of(arrays, image), []
    for kind, one, _, *rest in table.tolist():
        x = values[one]
        if KINDS[kind] == "kink":
            found += [v > 0 for v in x]
        elif KINDS[kind] == "max":
            place, terms, size = rest[:3]
            at = index[place : place + terms * size].reshape(terms, size).T.tolist()
            found += [{v: x[v] for v in window if v >= 0} for window in at]
            found[-size:] = [tuple(v for v in w if w[v] == max(w.values())) for w in found[-size:]]
    return tuple(found), int(np.argmax(values[-1]))


def mixed(images, t):
    """The image at parameters t, in fractions."""
    columns = [[Fraction(v) for v in column] for column in images.T.tolist()]
    weights = [1 - sum(t), *t]
    return [sum(w * v for w, v in zip(weights, column, strict=True)) for column in columns]


def inner(walk, part):
    """Points that lie in a part for sure, one near each corner, in fractions."""
    corners = [[Fraction(float(v)) for v in corner] for corner in part.at]
    middle = [sum(c) / len(corners) for c in zip(*corners, strict=True)]
    near = Fraction(1, 1 << 8)
    shrunk = [[c + near * (m - c) for c, m in zip(corner, middle, strict=True)] for corner in corners]
    scale, base = Fraction(walk.scale), [Fraction(float(v)) for v in walk.base]
    return [[b + scale * c for b, c in zip(base, corner, strict=True)] for corner in shrunk]


def patterns(arrays, images, corners):
    """Those of all pieces, each of which has one that no other has."""
    walk, seen = Walk(read_layers(*arrays, images.shape[1]), images, corners), []
    for piece in walk.pieces():
        here = {pattern(arrays, mixed(images, t)) for t in inner(walk, piece.part)}
        assert len(here) == 1
        seen += here
    assert len(set(seen)) == len(seen)
    return seen


@pytest.mark.parametrize("arithmetic", [Single, Doubled])
@pytest.mark.parametrize("corners", [ENDS, ENDS * 0.5 + 0.25, WHOLE, RING, RING[:3] * 0.25 + 0.375])
@pytest.mark.parametrize("make", MADE)
def test_a_part_has_one_pattern_and_no_other_part_has_it(make, corners, arithmetic):
    rng, count = np.random.default_rng(3), 0
    for _ in range(6):
        arrays, images = make(rng).arrays, chosen(make, rng, corners.shape[1] + 1)
        walk = Walk(read_layers(*arrays, images.shape[1]), images, corners, arithmetic())
        pieces, seen = list(walk.pieces()), []
        for piece in pieces:
            here = {pattern(arrays, mixed(images, t)) for t in inner(walk, piece.part)}
            assert len(here) == 1
            (bends, own) = next(iter(here))
            assert own == piece.own
            seen.append((bends, own))
        assert len(set(seen)) == len(seen)
        assert sum(piece.whole for piece in pieces) == len({bends for bends, _ in seen})
        area, doubt = walk.part.area()
        each = [piece.part.area() for piece in pieces]
        assert abs(sum(a for a, _ in each) - area) <= doubt + sum(d for _, d in each)
        assert all(a > -d for a, d in each)
        count += len(pieces)
    assert count > 8


def test_entries_that_are_equal_without_an_image_share_its_line():
    rng, count = np.random.default_rng(11), 0
    for _ in range(6):
        table, images = Table(9), np.round(rng.normal(size=(3, 9)) * 512) / 256
        first = table.conv(0, rng.normal(size=(2, 1, 2, 2)), rng.normal(size=2), 3, 3)
        largest = table.windows("max", first, [[0, 1, 4], [2, 3, 7]])
        table.affine(table.kink(largest), rng.normal(size=(3, 3)), rng.normal(size=3))
        arrays = table.arrays
        images[:2, 3:6] = images[:2, 6:] = images[:2, :3]  # so that windows tie where the third has no weight
        ring = np.array([[0.25, -0.25], [0.75, -0.25], [0.75, 0.25], [0.25, 0.25]])
        count += len(patterns(arrays, images, ring))
    assert count > 20


def touching(rng):
    """A network with two units that are the same without the third image, and three images."""
    table, images = Table(4), np.round(rng.normal(size=(3, 4)) * 512) / 256
    images[:2, 1], images[:2, 3] = images[:2, 0], images[:2, 2]
    weight = rng.uniform(0.5, 2, 2)
    place = -float(weight[0] * images[:2, 0].mean())  # both are 0 half the way from one to the other
    rows = [[weight[0], 0, 0, 0], [0, weight[0], 0, 0], [0, 0, weight[1], 0], [0, 0, 0, weight[1]]]
    bent = table.kink(table.affine(0, rows, [place, place, 9.0, 9.0]))
    largest = table.windows("max", bent, [[2, 0], [3, 1]])
    table.affine(largest, rng.normal(size=(3, 2)), rng.normal(size=3))
    return table.arrays, images


def test_units_that_meet_where_an_image_has_no_weight_meet_on_its_line():
    """A part that touches that line in one corner alone has two edges of other names there."""
    rng, count = np.random.default_rng(12), 0
    ring = np.array([[0.25, 0.0], [0.75, 0.0], [0.75, 0.25], [0.25, 0.25]])
    for corners in (ring, ring - [0.0, 0.125], WHOLE):
        for _ in range(6):
            arrays, images = touching(rng)
            count += len(patterns(arrays, images, corners))
    assert count > 70


def test_functions_are_alike_without_an_image_only_where_the_network_is_affine_before_them():
    arrays, images = touching(np.random.default_rng(13))
    walk = Walk(read_layers(*arrays, 4), images, WHOLE)
    own = walk._called(-1)[1].tolist()
    assert walk._alike((1, own[0], -1), (1, own[1], -1)) == (3,)
    assert walk._alike((1, own[0], own[2]), (1, own[1], own[3])) == (3,)
    for one, other in (
        ((1, own[0], -1), (1, own[2], -1)),  # other functions
        ((1, own[0], -1), (1, own[1], own[3])),
        ((1, own[0], own[2]), (1, own[1], own[0])),  # one entry is the same, the other is not
        ((2, own[0], -1), (2, own[1], -1)),  # behind a kink
        ((1, own[0], -1), (0, own[1], -1)),
        ((3,), (1, own[1], -1)),
        ((), ()),
    ):
        assert walk._alike(one, other) == ()


def test_a_corner_of_two_edges_that_may_be_one_line_is_on_no_other():
    """Functions that differ by nothing, as far as can be told, put their corner nowhere."""
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    for error, wanted in ((0.0, [(3,)]), (2.0, None)):
        square = domain(corners, np.zeros(2), 1.0, [(1, 4, -1), (1, 5, -1), (), ()])
        doubtful = replace(square, edges=Lines(square.edges.rows, square.edges.error + error))
        entries = Entries(1, np.arange(2), lambda mask: np.arange(2), alike=lambda one, other: (3,))
        if wanted is None:
            with pytest.raises(Unclear, match="parallel"):
                list(doubtful._without(1, entries))
        else:
            assert list(doubtful._without(1, entries)) == wanted


def test_a_line_is_named_after_an_image_where_it_has_no_weight_there_alone():
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    square = domain(corners, np.zeros(2), 1.0, [()] * 4)
    through, *beside = (Lines(np.array([[-at, 0.0, 1.0]]), np.zeros((1, 3))) for at in (0.5, 0, 1, -2, 2))
    for sign in (1, -1):  # where it may be 0 at the edge, as far as can be told
        value, doubt = 1.0, np.inf
        while value != doubt:
            weight = Lines(sign * np.array([[value, 0.0, -10.0]]), np.array([[1.0, 0.0, 0.0]]))
            value, doubt = float(weight.at(square.at[:1], square.off[:1])[1][0, 0]), value
        beside.append(weight)
    for weight, name in ((through, (3,)), *((weight, (7, 0, 1)) for weight in beside)):
        entries = Entries(7, np.array([0, 1]), lambda mask: np.array([0, 0]), ((3, weight),))
        assert entries.line(0, 1, square) == name
    other = Entries(7, np.array([0, 1]), lambda mask: np.array([0, 1]), ((3, through),))
    assert other.line(0, 1, square) == (7, 0, 1)


def told_of(table, images, corners=ENDS, arithmetic=Single):
    """The patterns of all pieces, each of which has one, and of which no two are one."""
    walk = Walk(read_layers(*table.arrays, images.shape[1]), images, corners, arithmetic())
    seen = []
    for piece in walk.pieces():
        here = {pattern(table.arrays, mixed(images, t)) for t in inner(walk, piece.part)}
        assert {own for _, own in here} == {piece.own}
        assert len(here) == 1
        seen += here
    assert len(set(seen)) == len(seen)
    return seen


def test_entries_are_the_same_by_the_value_that_they_are_of():
    """Twins to which something else is added are none."""
    table = Table(1)
    twins, others = table.affine(0, [[1], [1]]), table.affine(0, [[1], [2]], [-0.5, -0.625])
    bent = table.kink(table.sum(twins, others))
    table.affine(bent, [[1, 2], [3, 1]], [0.25, 0])
    assert len(told_of(table, LINE)) == 4
    table = Table(1)
    twins, others = table.affine(0, [[1], [1]]), table.affine(0, [[-1], [2]], [-0.5, -0.625])
    table.affine(table.windows("max", table.sum(twins, others), [[0], [1]]), [[1], [-1]])
    assert len(told_of(table, LINE)) == 3


def test_a_unit_that_is_0_on_a_whole_piece_bends_there_no_more():
    table = Table(1)
    once = table.kink(table.affine(0, [[1], [-1]], [-0.5, 0.25]))
    twice = table.windows("max", table.kink(once), [[0], [1]])
    table.affine(table.kink(twice), [[1], [-1]], [0.0625, 0.125])
    assert len(told_of(table, LINE)) == 5


@pytest.mark.parametrize("arithmetic", [Single, Doubled])
@pytest.mark.parametrize("order", [[[0], [1]], [[1], [0]]])
def test_a_window_whose_entries_are_nearly_the_same_is_not_told(order, arithmetic):
    table = Table(2)
    table.affine(table.windows("max", table.affine(0, [[1, 0], [1, 2.0**-60]]), order), [[1.0], [0.5]])
    images = np.array([[1.0, 1.0], [2.0, 1.0]])
    with pytest.raises(Unclear):
        list(Walk(read_layers(*table.arrays, 2), images, ENDS, arithmetic()).pieces())


def test_what_cancels_is_told_with_twice_the_digits_alone():
    table = Table(1)
    far = table.affine(0, [[1.0]], [1e10])
    bent = table.kink(table.affine(far, [[1.0], [1.0]], [-1e10 - 0.5, -1e10 - 0.5 - 2.0**-18]))
    table.affine(bent, [[1.0, -1.0]])
    with pytest.raises(Unclear):
        told_of(table, LINE)
    assert len(told_of(table, LINE, arithmetic=Doubled)) == 3


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_weights_of_images_are_as_near_as_is_said(size):
    rng = np.random.default_rng(13)
    for _ in range(20):
        base, scale = rng.normal(size=2) * size ** rng.uniform(-1, 1, 2), 2.0 ** rng.integers(-9, 9)
        u, v = (Fraction(float(x)) for x in base)
        (_, first), (_, second), (_, third) = found = _weights(base, scale)
        assert [mask for mask, _ in found] == [6, 5, 3]
        for weight, height, *slopes in ((first, 1 - u - v, -1, -1), (second, u, 1, 0), (third, v, 0, 1)):
            rows, error = weight.rows[0].tolist(), weight.error[0].tolist()
            assert [row / Fraction(scale) for row in map(Fraction, rows[1:])] == slopes
            assert abs(height - Fraction(rows[0])) <= Fraction(error[0]) < 1e-9
            assert error[1:] == [0, 0]


def test_images_that_take_part_in_an_edge_are_those_with_a_weight():
    assert _taking_part(ENDS) == [(1,), (2,)]
    assert _taking_part(ENDS * 0.5) == [(1,), ()]
    assert _taking_part(WHOLE) == [(3,), (6,), (5,)]
    assert _taking_part(WHOLE * [1, 0.5]) == [(3,), (), (5,)]
    apart = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, -1.0], [-0.5, -0.5]])
    assert _taking_part(apart) == [(3,), (), (), (), ()]


def test_corners_are_known_as_well_as_is_said():
    rng = np.random.default_rng(5)
    arrays, images = dense(rng).arrays, rng.random((3, 4))
    walk = Walk(read_layers(*arrays, 4), images, RING)
    bounds = {tuple(corner) for corner in walk.part.at.tolist()}
    for piece in walk.pieces():
        for corner, off in zip(piece.part.at, piece.part.off, strict=True):
            assert (off < 1e-9).all()
            if tuple(corner.tolist()) in bounds:
                continue
            t = [
                Fraction(float(b)) + Fraction(walk.scale) * Fraction(float(v))
                for b, v in zip(walk.base, corner)
            ]
            wide = [Fraction(walk.scale * float(o) * 1.5) for o in off]
            around = [[t[0] + i * wide[0], t[1] + j * wide[1]] for i in (-1, 1) for j in (-1, 1)]
            assert len({pattern(arrays, mixed(images, at)) for at in around}) > 1  # something bends there


def test_nearly_the_same_is_not_told_apart():
    table = Table(2)
    table.kink(table.affine(0, [[1, 0], [1, 2.0**-60]], [-0.5, -0.5]))
    images = np.array([[0.0, 1.0], [1.0, 1.0]])
    with pytest.raises(Unclear, match="corner"):
        list(Walk(read_layers(*table.arrays, 2), images, ENDS).pieces())


def test_units_that_are_the_same_bend_once():
    table = Table(3)
    bent = table.kink(table.affine(0, np.eye(3), [-0.5, -0.5, -0.25]))
    table.affine(bent, [[1, 2, 3], [4, 5, 7]], [1.1, 0])
    images = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    walk = Walk(read_layers(*table.arrays, 3), images, ENDS)
    assert sum(piece.whole for piece in walk.pieces()) == 3


def fractions(known, i, j, k):
    """What a number is, and how far it may be off."""
    rest = 0.0 if known.rest is None else float(known.rest[i, j, k])
    return Fraction(float(known.rows[i, j, k])) + Fraction(rest), Fraction(float(known.error[i, j, k]))


def spread(rng, *shape):
    """Numbers of many sizes, some of them 0."""
    return rng.normal(size=shape) * 10.0 ** rng.integers(-6, 6, shape) * (rng.random(shape) > 0.2)


def random_layer(rng, kind):
    table = Table(6)
    if kind == "affine":
        table.affine(0, spread(rng, 5, 6), spread(rng, 5))
    elif kind == "scale":
        table.scale(0, 3, spread(rng, 3), rng.uniform(0.3, 3, 3), rng.normal(size=3), spread(rng, 3))
    else:
        table.conv(0, spread(rng, 2, 1, 1, 2).astype(np.float32), None, 1, 6)
    return read_layers(*table.arrays, 6)[0], table.arrays


@pytest.mark.parametrize("kind", ["affine", "scale", "conv"])
@pytest.mark.parametrize("arithmetic", [Single, Doubled])
def test_errors_of_an_affine_layer_hold_in_fractions(arithmetic, kind):
    rng, how = np.random.default_rng(7), arithmetic()
    for _ in range(8):
        layer, arrays = random_layer(rng, kind)
        rows, error = spread(rng, 6, 2, 2), np.abs(spread(rng, 6, 2, 2)) * 1e-12 * rng.integers(0, 2)
        rest = rows * rng.uniform(-1, 1, rows.shape) * 2.0**-54 if how.__class__ is Doubled else None
        given = Known(rows, error, rest)
        made = how.affine(layer, given)
        for j in range(2):
            for sign in (0, 1, -1):
                x = [
                    [v + sign * e for v, e in (fractions(given, m, j, k) for m in range(6))] for k in range(2)
                ]
                true = [values_of(arrays, x[0])[1]]
                moved = values_of(arrays, [a + b for a, b in zip(*x, strict=True)])[1]
                true.append([b - a for a, b in zip(true[0], moved, strict=True)])
                for i in range(layer.size):
                    for k in range(2):
                        value, off = fractions(made, i, j, k)
                        assert abs(value - true[k][i]) <= off


@pytest.mark.parametrize("arithmetic", [Single, Doubled])
def test_errors_of_pixels_sums_and_kinks_hold_in_fractions(arithmetic):
    rng, how = np.random.default_rng(8), arithmetic()
    for _ in range(20):
        images, base, scale = spread(rng, 3, 4), spread(rng, 2), 2.0 ** rng.integers(-9, 3)
        known = how.pixels(images, base, float(scale))
        for i in range(4):
            first, *others = (Fraction(float(v)) for v in images[:, i])
            steps = [v - first for v in others]
            true = [first + sum(Fraction(float(t)) * step for t, step in zip(base, steps, strict=True))]
            true += [Fraction(float(scale)) * step for step in steps]
            for k in range(3):
                value, off = fractions(known, i, 0, k)
                assert abs(value - true[k]) <= off
        other, share = how.pixels(spread(rng, 3, 4), base, 1.0), float(rng.random())
        total = how.total(known, other)
        above = rng.integers(0, 2, (4, 1))
        bent = how.sloped(known, above, share)
        for i in range(4):
            for k in range(3):
                (a, x), (b, y) = fractions(known, i, 0, k), fractions(other, i, 0, k)
                value, off = fractions(total, i, 0, k)
                assert abs(value - a - b) + x + y <= off
                value, off = fractions(bent, i, 0, k)
                slope = 1 if above[i, 0] else Fraction(share)
                assert abs(value - slope * a) + slope * x <= off


@pytest.mark.parametrize("arithmetic", [Single, Doubled])
@pytest.mark.parametrize("size", [1e-150, 1e-200, 1e-290, 1e-300, 1e-320])
@pytest.mark.parametrize("scale", [2.0**-500, 2.0**-40, 1.0])
def test_what_underflows_is_paid_for(size, scale, arithmetic):
    """Numbers so small that their products are none in float64, or have few digits."""
    rng, how = np.random.default_rng(12), arithmetic()
    for case in range(8):
        images = rng.normal(size=(3, 4)) * size * (rng.random((3, 4)) > 0.3)
        base = rng.normal(size=2) * size * [case % 2, case // 2 % 2]
        images[:, 3] = 0.0
        known = how.pixels(images, base, scale)
        assert not known.error[3].any()
        assert arithmetic is Single or size * scale < 1e-280 or not known.error[:, 0, 1:].any()
        layer = Affine(0, csr_array(rng.normal(size=(3, 4))), np.zeros(4), np.zeros(3))
        made = how.affine(layer, known)
        x = [[Fraction(float(v)) for v in column] for column in images.T]
        steps = [[v - first for v in others] for first, *others in x]
        moved = [sum(Fraction(float(t)) * v for t, v in zip(base, some, strict=True)) for some in steps]
        true = [
            [first + more, *(Fraction(scale) * v for v in some)]
            for (first, *_), more, some in zip(x, moved, steps, strict=True)
        ]
        weights = [[Fraction(float(v)) for v in row] for row in layer.matrix.toarray()]
        for k in range(3):
            for i in range(4):
                value, off = fractions(known, i, 0, k)
                assert abs(value - true[i][k]) <= off
            for i in range(3):
                value, off = fractions(made, i, 0, k)
                assert abs(value - sum(w * t[k] for w, t in zip(weights[i], true, strict=True))) <= off


def test_corners_that_underflow_are_paid_for():
    corners = np.array([[0.0, 0.0], [2.0**60, 0.0], [5e-324, 2.0**60]])
    part = domain(corners, np.zeros(2), 2.0**60, [()] * 3)
    for at, off, corner in zip(part.at.ravel(), part.off.ravel(), corners.ravel(), strict=True):
        assert abs(Fraction(float(at)) - Fraction(float(corner)) / 2**60) <= Fraction(float(off))


@pytest.mark.parametrize("terms", [1, 3, 400])
@pytest.mark.parametrize(("size", "weight"), [(1e-306, 1e-20), (1e-160, 1e-180), (1.0, 1e-20), (1e100, 1)])
def test_errors_are_spread_by_a_layer(size, weight, terms):
    """Each row takes many errors, or one that vanishes beside large ones, with a weight that does."""
    rng, how = np.random.default_rng(14), Single()
    matrix, error = rng.random((4, terms)), rng.random(terms) * size
    matrix[0, 1:], matrix[1, :-1], matrix[2] = 0, 0, 0
    matrix[0, 0] *= weight
    error[-1] *= 1e160 if terms > 1 else 1
    found = how.spread(Affine(0, csr_array(matrix), np.zeros(terms), np.zeros(4)), error[:, None, None])
    for row, off in zip(matrix, found.ravel(), strict=True):
        assert sum(Fraction(w) * Fraction(e) for w, e in zip(row, error, strict=True)) <= Fraction(float(off))


@pytest.mark.parametrize("arithmetic", [Single, Doubled])
@pytest.mark.parametrize("sign", [1, -1])
def test_sums_that_round_all_one_way_are_as_near_as_is_said(sign, arithmetic):
    """1 and 2000 numbers of half a last digit, and a bit, in a row beside a short one."""
    small, how = 2.0**-53 * (1 + sign * 2.0**-10), arithmetic()
    matrix = csr_array(np.array([[1.0] + [small] * 2000, [1.0] + [0.0] * 2000]))
    layer, x = Affine(0, matrix, np.zeros(2001), np.zeros(2)), np.ones((2001, 1, 1))
    true = 1 + 2000 * Fraction(small)
    made = how.affine(layer, Known(x, np.zeros_like(x), np.zeros_like(x)))
    value, off = fractions(made, 0, 0, 0)
    assert abs(value - true) <= off
    assert true <= Fraction(float(how.spread(layer, x)[0, 0, 0]))


@pytest.mark.parametrize("arithmetic", [Single, Doubled])
def test_what_a_layer_makes_of_nothing_is_nothing(arithmetic):
    """Even where some of its weights are stored zeros."""
    matrix = csr_array((np.array([0.0, 2.0, 3.0]), np.array([0, 1, 1]), np.array([0, 2, 3])), shape=(2, 2))
    x = np.array([1.0, 0.0])[:, None, None]
    nothing = Known(x, np.zeros_like(x), np.zeros_like(x))
    made = arithmetic().affine(Affine(0, matrix, np.zeros(2), np.zeros(2)), nothing)
    assert made.rows.ravel().tolist() == [0.0, 0.0]
    assert made.error[1, 0, 0] == 0.0
    made = arithmetic().affine(Affine(0, matrix, np.zeros(2), np.array([0.5, 1 / 3])), nothing)
    assert made.rows.ravel().tolist() == [0.5, 1 / 3]
    assert arithmetic is Single or made.error[1, 0, 0] == 0.0


def test_factors_that_are_known_to_a_wobble_spread_it():
    rng, how = np.random.default_rng(15), Single()
    for _ in range(8):
        matrix, x, shift, bias = (rng.normal(size=shape) for shape in ((3, 4), (4, 1, 1), 4, 3))
        layer = Affine(0, csr_array(matrix), shift, bias, 1e-3, 1)
        made = how.affine(layer, Known(x, np.zeros_like(x)))
        for sign in (-1, 1):
            for i in range(3):
                terms = zip(matrix[i], x.ravel(), shift, strict=True)
                true = [Fraction(w) * (Fraction(v) + Fraction(move)) for w, v, move in terms]
                moved = sum(true) + sign * Fraction(1e-3) * sum(map(abs, true)) + Fraction(bias[i])
                value, off = fractions(made, i, 0, 0)
                assert abs(value - moved) <= off


@pytest.mark.parametrize("arithmetic", [Single, Doubled])
@pytest.mark.parametrize("beyond", [np.inf, -np.inf, np.nan])
def test_an_entry_that_overflows_takes_no_digits_of_the_others(beyond, arithmetic):
    layer = Affine(0, csr_array([[0, 1 / 3, 1 / 7], [0, 0, 0]]), np.zeros(3), np.array([0, 0.5]))
    x = np.array([beyond, 1e20 / 3, -1e20 / 7])[:, None, None]
    with np.errstate(over="ignore", invalid="ignore"):
        made = arithmetic().affine(layer, Known(x, np.zeros_like(x), np.zeros_like(x)))
    true = sum(Fraction(w) * Fraction(float(v)) for w, v in zip((1 / 3, 1 / 7), x[1:].ravel(), strict=True))
    off = float(made.error[0, 0, 0])
    assert not off < np.inf or abs(fractions(made, 0, 0, 0)[0] - true) <= Fraction(off)
    assert made.rows[1, 0, 0] == 0.5
    assert made.error[1, 0, 0] < 1e-14  # a row that takes none of them is told as well as before


def test_twice_the_digits_are_left_of_a_long_product():
    rng = np.random.default_rng(9)
    weight = rng.normal(size=(4, 700)).astype(np.float32).astype(float)
    x = rng.normal(size=(700, 2))
    made, rest, error = product(sliced(csr_array(weight), np.zeros(weight.size)), x, np.zeros_like(x))
    assert (error < 1e-22).all()
    for i in range(4):
        for j in range(2):
            terms = zip(weight[i].tolist(), x[:, j].tolist(), strict=True)
            true = sum(Fraction(a) * Fraction(b) for a, b in terms)
            found = Fraction(float(made[i, j])) + Fraction(float(rest[i, j]))
            assert abs(found - true) <= Fraction(float(error[i, j]))


@pytest.mark.parametrize("arithmetic", [Single, Doubled])
@pytest.mark.parametrize("window", [False, True])
def test_what_overflows_on_some_pieces_makes_none_of_them_vanish(window, arithmetic):
    table = Table(1)
    bent = table.kink(table.affine(0, [[1.0], [-1.0]], [-0.5, 0.25]))
    value = table.affine(bent, [[1e308, 1.0], [1e308, 1e308]], [0.0, 0.0])
    if window:
        table.affine(table.windows("max", value, [[0], [1]]), [[1e-300], [-1e-300]], [0.0, 1.0])
    walk = Walk(read_layers(*table.arrays, 1), np.array([[0.0], [1e3]]), ENDS, arithmetic())
    with pytest.raises(Unclear, match="beyond what float64 holds"), np.errstate(all="ignore"):
        list(walk.pieces())


def test_pieces_that_are_not_all_tell_nothing():
    rng = np.random.default_rng(6)
    arrays, images = dense(rng).arrays, rng.normal(size=(3, 4)) * 2
    layers = read_layers(*arrays, 4)
    pieces = list(Walk(layers, images[:2], ENDS).pieces())
    classes_along(pieces)
    assert len(pieces) > 3
    for i in range(len(pieces)):
        with pytest.raises(Unclear, match="order"):
            classes_along(pieces[:i] + pieces[i + 1 :])
    walk = Walk(layers, images, RING)
    regions, whole = list(walk.pieces()), walk.part.area()
    share, off = shares(*areas_of(regions, 3)[1:], *whole)
    assert abs(share.sum() - 1) <= off.sum() < 1e-9
    for i in range(len(regions)):
        with pytest.raises(Unclear, match="make up"):
            shares(*areas_of(regions[:i] + regions[i + 1 :], 3)[1:], *whole)


def test_deep_networks_are_told_with_twice_the_digits_alone():
    rng, table = np.random.default_rng(1), Table(8)
    value = 0
    for _ in range(30):
        turn = np.linalg.qr(rng.normal(size=(8, 8)))[0]
        value = table.kink(table.affine(value, turn, rng.normal(size=8) * 0.3), 0.9)
    table.affine(value, rng.normal(size=(3, 8)))
    layers, images = read_layers(*table.arrays, 8), rng.normal(size=(2, 8)) * 3
    with pytest.raises(Unclear):
        list(Walk(layers, images, ENDS).pieces())
    walk, seen = Walk(layers, images, ENDS, Doubled()), []
    for piece in walk.pieces():
        here = {pattern(table.arrays, mixed(images, t)) for t in inner(walk, piece.part)}
        assert {own for _, own in here} == {piece.own}
        assert len(here) == 1
        seen += here
    assert len(set(seen)) == len(seen) > 10


@pytest.mark.parametrize("make", MADE)
def test_features_are_as_near_as_is_said(make):
    rng = np.random.default_rng(4)
    for _ in range(6):
        arrays, image = make(rng).arrays, chosen(make, rng, 1)[0]
        layers = read_layers(*arrays, len(image))  # the last of these stands for the head
        true = values_of(arrays, image)[-2]
        for moved in (0.0, 1e-9, 1.0):
            point = np.array([float(v) for v in true]) + moved * rng.normal(size=len(true))
            apart = sum((v - Fraction(float(p))) ** 2 for v, p in zip(true, point, strict=True))
            found = Fraction(features_apart(layers, image, point))
            assert found**2 >= apart
            assert found <= Fraction(float(apart) ** 0.5 * (1 + 1e-9) + 1e-13)


def test_features_where_entries_of_a_window_nearly_tie():
    table = Table(3)
    largest = table.windows("max", table.affine(0, np.eye(3) / 3 + 2.0**-80), [[0], [1], [2]])
    table.affine(largest, [[1.0]])
    image = np.array([1.0, 1.0 + 2.0**-52, 1.0])
    layers = read_layers(*table.arrays, 3)
    true = values_of(table.arrays, image)[-2][0]
    assert Fraction(features_apart(layers, image, np.array([float(true)]))) >= abs(
        true - Fraction(float(true))
    )


@pytest.mark.parametrize("larger", [2.0**-54, 2.0**-60, 0.0, -(2.0**-54)])
@pytest.mark.parametrize("at", [[[0], [1]], [[1], [0]], [[-1], [0]], [[1], [-1]]])
def test_features_where_two_entries_of_a_window_are_one_in_float64(at, larger):
    table = Table(3)
    table.affine(table.windows("max", table.affine(0, [[1, 0, 0], [0, 1, 1]]), at), [[1.0]])
    image = np.array([1.0, 1.0, larger])
    layers = read_layers(*table.arrays, 3)
    true = values_of(table.arrays, image)[-2][0]
    found = features_apart(layers, image, np.array([1.0]))
    assert abs(true - 1) <= Fraction(found) < 2**-52


def test_what_has_one_name_is_the_same():
    rng = np.random.default_rng(2)
    arrays, images = twice(rng).arrays, chosen(twice, rng, 2)
    layers = read_layers(*arrays, 9)
    for taken in ([0], [1], [0, 1]):
        called = names(layers, images[taken])
        for t in (Fraction(0), Fraction(1, 3), Fraction(-2)):
            weights = [t] if len(taken) == 2 else []
            values = values_of(arrays, mixed(images[taken], weights))
            for own, x in zip(called, values, strict=True):
                for name in set(own.tolist()):
                    same = {x[i] for i in np.flatnonzero(own == name)}
                    assert len(same) == 1
                    assert name != 0 or same == {0}
    assert len(set(names(layers, images)[1].tolist())) < 8


def test_names_are_those_of_what_is_moved_and_chosen():
    """Entries have one name where they are one function of all mixtures by what they are, and else not."""
    images = np.array([[1.0, 1.0, 0.0, -0.0, 1.0, 2.0], [2.0, 2.0, 0.0, 0.0, 2.0, 2.0]])
    layers = [
        Affine(0, csr_array(np.eye(6)), np.array([0.0, 0.5, 0.0, 0.5, 0.0, -0.0]), np.zeros(6)),
        Largest(
            1,
            np.array(
                [
                    [0, -1, 0],
                    [0, 1, 0],
                    [-1, 0, -1],
                    [0, 5, 0],
                    [5, 1, 0],
                    [4, 1, -1],
                    [1, -1, -1],
                    [2] * 3,
                    [2, -1, -1],
                ]
            ).T,
        ),
        Affine(
            1, csr_array(np.diag([1, 2, 3, 0, 0, 0])), np.zeros(6), np.array([0, 0, 0, 0, 3, 3]), 1e-15, 1
        ),
    ]
    found = names(layers, images)
    assert found[0].tolist() == [1, 1, 0, 0, 1, 2]
    assert found[1].tolist() == [1, 2, 0, 3, 1, 4]
    assert found[2].tolist() == [1, 2, 3, 4, 5, 6, 7, 0, 0]
    assert found[3].tolist() == [1, 2, 0, 0, 3, 3]


def test_channels_of_a_norm_are_not_the_same_for_one_rounded_factor():
    matrix = csr_array(np.eye(4))
    images, nothing = np.ones((2, 4)), np.zeros(4)
    exact = Affine(0, matrix, nothing, nothing)
    assert set(names([exact], images)[1].tolist()) == {1}
    assert names([Affine(0, matrix, nothing, nothing, 1e-15, 2)], images)[1].tolist() == [1, 1, 2, 2]


def test_a_line_through_a_corner_that_is_told_cuts_there():
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.75], [0.0, 0.75]])
    square = domain(corners, np.zeros(2), 1.0, [(3, 0, -1), (), (), (3, 1, -1)])
    lines = Lines(np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), np.zeros((2, 3)))
    entries = Entries(3, np.array([0, 1]), lambda mask: np.array([0, 1]))
    parts = list(led(square, lines, entries))
    assert [own for _, own in parts] == [0, 1]
    assert [part.area()[0] for part, _ in parts] == [0.46875, 0.28125]
    elsewhere = Entries(2, np.array([0, 1]), lambda mask: np.array([0, 1]))
    with pytest.raises(Unclear):
        list(led(square, lines, elsewhere))


@pytest.mark.parametrize(
    "corners",
    [
        [[0, 0], [0, 1], [1, 0]],
        [[0, 0], [1, 0], [0.1, 0.1], [0, 1]],
        [[0, 0], [1, 1], [2, 2]],
        [[0, 0], [1, 0]],
    ],
)
def test_rings_that_are_not_convex_are_none(corners):
    with pytest.raises(Unclear, match="turn left"):
        domain(np.array(corners, dtype=float), np.zeros(2), 1.0, [()] * len(corners))
