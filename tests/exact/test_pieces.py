"""Pieces of segments and polygons are those of the network in fractions, each one once."""

from fractions import Fraction

import numpy as np
import pytest
from exact_networks import Table, values_of
from scipy.sparse import csr_array

from featgeom.exact.layers import KINDS, Affine, read_layers
from featgeom.exact.pieces import Value, Walk
from featgeom.exact.polytopes import Entries, Lines, Unclear, domain, led
from featgeom.exact.sameness import names

ENDS = np.array([[0.0], [1.0]])
RING = np.array([[0.125, 0.0625], [1.0, 0.125], [0.75, 0.875], [-0.25, 0.5]])
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


@pytest.mark.parametrize("corners", [ENDS, ENDS * 0.5 + 0.25, WHOLE, RING, RING[:3] * 0.25 + 0.375])
@pytest.mark.parametrize("make", MADE)
def test_a_part_has_one_pattern_and_no_other_part_has_it(make, corners):
    rng, count = np.random.default_rng(3), 0
    for _ in range(6):
        arrays, images = make(rng).arrays, chosen(make, rng, corners.shape[1] + 1)
        walk = Walk(read_layers(*arrays, images.shape[1]), images, corners)
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


def test_errors_of_an_affine_layer_hold_in_fractions():
    rng = np.random.default_rng(7)
    table = Table(5)
    table.normalise(0, 5, rng.normal(size=5), rng.uniform(0.1, 2, 5), 1e-5)
    table.affine(0, rng.normal(size=(4, 5)) * 10.0 ** rng.integers(-8, 8, (4, 5)), rng.normal(size=4))
    layers = read_layers(*table.arrays, 5)
    rows, error = rng.normal(size=(5, 3, 2)), np.abs(rng.normal(size=(5, 3, 2))) * 1e-12
    walk = Walk(layers, rng.random((2, 5)), ENDS)
    value = walk._affine(1, {0: Value(rows, error, np.arange(5)[:, None], 0)})
    made, off = value.rows, value.error
    weight = [[Fraction(v) for v in row] for row in layers[1].matrix.toarray().tolist()]
    for sign in (1, -1, 0):
        true = [
            [[Fraction(v) + sign * Fraction(e) for v, e in zip(*r)] for r in zip(a, b)]
            for a, b in zip(rows.tolist(), error.tolist())
        ]
        for i, row in enumerate(weight):
            for j in range(3):
                for k in range(2):
                    value = sum(w * true[m][j][k] for m, w in enumerate(row))
                    value += Fraction(float(layers[1].bias[i])) if k == 0 else 0
                    assert abs(value - Fraction(float(made[i, j, k]))) <= Fraction(float(off[i, j, k]))


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
