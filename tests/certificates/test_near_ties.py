"""Every screen beside plain fractions, where bounds are true or false by a unit in the last place."""

from dataclasses import replace
from fractions import Fraction
from math import isqrt

import numpy as np
import pytest
from scipy.sparse import csr_array
from truths import TRUTHS

from featgeom.certificates.cells import CellsMeet
from featgeom.certificates.classes import ClassBall, ClassMargin
from featgeom.certificates.extent import EnclosingBall, HullDiameter
from featgeom.certificates.farkas import CellsApart, EmptyCell
from featgeom.certificates.guarantees import BrokenHull
from featgeom.certificates.hulls import HullDistance, HullMembership, HullVertices
from featgeom.certificates.machines import Machine
from featgeom.certificates.sections import EmptySection
from featgeom.certificates.ties import NearestTie
from featgeom.status import Status

SEEDS = pytest.mark.parametrize("seed", range(6))
UNITS = range(-40, 41)  # of the last place, about the true value


def exact(array):
    return [Fraction(float(x)) for x in np.ravel(array)]


def dot(left, right):
    return sum((x * y for x, y in zip(exact(left), exact(right), strict=True)), Fraction(0))


def apart2(left, right):
    return sum(((x - y) ** 2 for x, y in zip(exact(left), exact(right), strict=True)), Fraction(0))


def root(squared):
    """The root of a fraction, to float64."""
    shift = 1 << 1200
    return float(Fraction(isqrt(squared.numerator * shift * shift // squared.denominator), shift))


def about(value):
    """Floats on both sides of a number."""
    middle = float(value)
    return np.array([middle + k * np.spacing(middle) for k in UNITS])


def proved(claim):
    return (claim.check().status == Status.PROVED).tolist()


def cloud(seed, n=12, d=40):
    """Points far from the origin, so that products cancel."""
    rng = np.random.default_rng(seed)
    return rng, rng.standard_normal((n, d)) + 100 * rng.standard_normal(d), rng.standard_normal(d)


@SEEDS
def test_distances_from_below(seed):
    _rng, points, normal = cloud(seed)
    query = points.mean(axis=0) - 30 * normal
    gap = min(dot(p, normal) for p in points) - dot(query, normal)
    length2 = dot(normal, normal)
    lower = about(root(gap * gap / length2))
    q = len(lower)
    queries, upper = np.tile(query, (q, 1)), np.full(q, np.inf)
    weights, normals = csr_array((q, len(points))), np.tile(normal, (q, 1))
    claim = HullDistance(points, queries, lower, upper, weights, normals)
    truth = [Fraction(float(x)) ** 2 * length2 <= gap * gap for x in lower]
    assert {True, False} == set(truth)
    assert proved(claim) == truth


@SEEDS
def test_distances_from_above(seed):
    rng, points, _ = cloud(seed)
    weights = rng.random(len(points))
    query = weights @ points / weights.sum() + 1e-3 * rng.standard_normal(points.shape[1])
    for scale in (1 / weights.sum(), 1.0, 2.0**-900):
        shares = exact(weights * scale)
        mean = [sum(w * x for w, x in zip(shares, exact(c))) / sum(shares) for c in points.T]
        far2 = sum((x - y) ** 2 for x, y in zip(mean, exact(query)))
        upper = about(root(far2))
        rows = csr_array(np.tile(weights * scale, (len(upper), 1)))
        normal = np.zeros((len(upper), points.shape[1]))
        claim = HullDistance(points, np.tile(query, (len(upper), 1)), 0 * upper, upper, rows, normal)
        truth = [far2 <= Fraction(float(x)) ** 2 for x in upper]
        assert {True, False} == set(truth)
        assert proved(claim) == truth


@SEEDS
@pytest.mark.parametrize("step", [1e-30, 1e-17, 1e-14])
def test_planes_between(seed, step):
    """The lowest point along the normal, beside a query as high but for the last coordinate."""
    _rng, points, normal = cloud(seed, d=30)
    normal[-1] = 1.0
    points[:, -1] = 0.0
    lowest = min(points, key=lambda p: dot(p, normal))
    queries = np.tile(lowest, (5, 1))
    queries[:, -1] = step * np.arange(-2, 3)
    rows = np.arange(5)
    inside, support = np.zeros(5, bool), csr_array((5, len(points)))
    claim = HullMembership(points, rows, inside, support, np.tile(normal, (5, 1)), queries)
    assert proved(claim) == [True, True, False, False, False]
    for place in (-step, 0.0, step):
        own = np.append(lowest[:-1], place)
        every = np.vstack([points, own])
        alone = HullVertices(
            every, np.array([len(points)]), inside[:1], csr_array((1, len(every))), normal[None]
        )
        assert proved(alone) == [place < 0]


def logits(weight, bias, z):
    return [dot(w, z) + Fraction(float(b)) for w, b in zip(weight, bias)]


@SEEDS
def test_margins(seed):
    rng, points, _ = cloud(seed, n=1)
    weight, bias = rng.standard_normal((4, points.shape[1])), rng.standard_normal(4)
    values = logits(weight, bias, points[0])
    own = int(np.argmax([float(v) for v in values]))
    least = min(values[own] - v for k, v in enumerate(values) if k != own)
    margin = about(least)
    n = len(margin)
    claim = ClassMargin(np.tile(points, (n, 1)), weight, bias, np.full(n, own), margin, np.zeros(n, bool))
    truth = [Fraction(float(x)) <= least for x in margin]
    assert {True, False} == set(truth)
    assert proved(claim) == truth


@SEEDS
def test_classes_by_less_than_rounding(seed):
    """Two classes whose logits differ by the bias alone, by far less than their rounding."""
    rng, points, _ = cloud(seed, n=1)
    weight = np.repeat(rng.standard_normal((1, points.shape[1])), 2, axis=0)
    bias = np.array([0.0, 1e-20])
    z, zero = np.repeat(points, 2, axis=0), np.zeros(2)
    assert proved(ClassMargin(z, weight, bias, np.array([0, 1]), zero, np.zeros(2, bool))) == [False, True]
    space = np.full(points.shape[1], np.inf)
    balls = ClassBall(
        z, weight, bias, np.array([0, 1]), -space, space, np.array([0.0, np.inf]), csr_array((2, 2))
    )
    assert proved(balls) == [False, True]


@SEEDS
def test_balls(seed):
    rng, points, _ = cloud(seed, n=1)
    d = points.shape[1]
    weight, bias = rng.standard_normal((3, d)), rng.standard_normal(3)
    values = logits(weight, bias, points[0])
    own = int(np.argmax([float(v) for v in values]))
    reach = {
        k: (values[own] - v) ** 2 / apart2(weight[own], weight[k]) for k, v in enumerate(values) if k != own
    }
    radius = about(root(min(reach.values())))
    n = len(radius)
    claim = ClassBall(np.tile(points, (n, 1)), weight, bias, np.full(n, own), np.full(d, -np.inf),
                      np.full(d, np.inf), radius, csr_array((n, 3)))  # fmt: skip
    truth = [all(Fraction(float(x)) ** 2 <= far2 for far2 in reach.values()) for x in radius]
    assert {True, False} == set(truth)
    assert proved(claim) == truth
    rival = min(reach, key=lambda k: reach[k])
    ties = NearestTie(
        weight, bias, np.full(d, -np.inf), np.full(d, np.inf), points, np.zeros(n, int),
        np.tile([own, rival], (n, 1)), csr_array((n, 3)), csr_array((n, d)), radius, np.full(n, np.inf),
        np.zeros(0, int), np.zeros(0, int), csr_array((0, 3)),
    )  # fmt: skip
    assert proved(ties) == truth


@SEEDS
@pytest.mark.parametrize("hull", [False, True])
@pytest.mark.parametrize("third", [-1e-25, 0.0, 1e-25])
@pytest.mark.parametrize("lead", [-1e-25, 0.0, 1e-25])
def test_meeting_cells(seed, hull, third, lead):
    """Two classes that tie, or do not, and a third beside them, by far less than rounding."""
    rng, points, _ = cloud(seed, n=2)
    d = points.shape[1]
    weight = np.repeat(rng.standard_normal((1, d)), 4, axis=0)
    weight[3] *= -1
    points[1] = points[0]
    bias, vertices = np.array([lead, 0.0, third, -1e9]), points if hull else points[:0]
    bases = csr_array([[1.0, 2.0]]) if hull else points[:1]
    pairs, ends, steps = np.array([[0, 1]]), np.array([[0, 0]]), np.array([[0.0, 0.5]])
    infinite = np.full(d, np.inf)
    claim = CellsMeet(weight, bias, -infinite, infinite, vertices, bases, pairs, ends, steps)
    assert proved(claim) == [lead == 0 and third < 0]


@SEEDS
@pytest.mark.parametrize("hull", [False, True])
def test_contradictions(seed, hull):
    """A sum of margins that is negative, zero or positive everywhere, by far less than rounding."""
    rng, points, _ = cloud(seed, n=5)
    d = points.shape[1]
    weight = np.repeat(rng.standard_normal((1, d)), 3, axis=0)
    weight[2] -= 1.0
    for shift in (-1e-25, 0.0, 1e-25):
        bias = np.array([shift, 0.0, -1e9])
        on = weight, bias, points.min(axis=0), points.max(axis=0), points if hull else points[:0]
        evidence = csr_array([[0.0, 1.0, 0.0]]), csr_array((1, 3))
        assert proved(EmptyCell(*on, np.array([0]), *evidence)) == [shift < 0]
        assert proved(CellsApart(*on, np.array([[0, 2]]), *evidence)) == [shift <= 0]


@SEEDS
def test_highest_in_a_box(seed):
    """The largest value of a difference of logits over a box, and a bias that makes it cross zero."""
    rng = np.random.default_rng(seed)
    d = 40
    lo = 100 * rng.standard_normal(d)
    hi = lo + rng.random(d)
    weight = rng.standard_normal((2, d))
    slope = [x - y for x, y in zip(exact(weight[0]), exact(weight[1]))]
    top = sum((a * Fraction(float(h if a > 0 else low)) for a, low, h in zip(slope, lo, hi)), Fraction(0))
    multipliers, solved = csr_array([[0.0, 1.0]]), csr_array((1, 2))
    for offset in about(-top):
        bias = np.array([offset, 0.0])
        claim = EmptyCell(weight, bias, lo, hi, np.zeros((0, d)), np.array([0]), multipliers, solved)
        assert proved(claim) == [top + Fraction(float(offset)) < 0]


@SEEDS
def test_balls_around_points(seed):
    _rng, points, _ = cloud(seed, n=20)
    centre = points.mean(axis=0)
    far2 = max(apart2(p, centre) for p in points)
    for upper in about(root(far2)):
        truth = far2 <= Fraction(float(upper)) ** 2
        claim = EnclosingBall(points, centre, 0.0, float(upper), csr_array((1, len(points))))
        assert proved(claim) == [truth]
    three, basis = points[:, :3], np.eye(3)[:2]
    far2 = max(apart2(p, np.zeros(3)) for p in three)
    for reach in about(root(far2)):
        high = float(max(three[:, 2]))
        claim = EmptySection(three - [0, 0, 0], np.zeros(3), basis, np.array([0, 0, 1.0]), high, float(reach))
        assert proved(claim) == [far2 <= Fraction(float(reach)) ** 2 and high < 0]


@SEEDS
@pytest.mark.parametrize("scale", [1.0, 1e-160, 1e-310, 1e150])
def test_diameters(seed, scale):
    rng = np.random.default_rng(seed)
    points = scale * (rng.standard_normal((15, 6)) + 3)
    pairs = [(apart2(p, q), i, j) for i, p in enumerate(points) for j, q in enumerate(points[:i])]
    far2, i, j = max(pairs)
    for value in about(root(far2)):
        value = float(value)
        truth = far2 <= Fraction(value) ** 2
        claim = HullDiameter(points, np.array([i, j]), points.mean(axis=0), 0.0, value)
        assert proved(claim) == [truth]
        claim = HullDiameter(points, np.array([i, j]), points.mean(axis=0), value, value * 4)
        assert proved(claim) == [Fraction(value) ** 2 <= far2]


@SEEDS
@pytest.mark.parametrize("classes", [2, 3])
def test_machines(seed, classes):
    rng, x, _ = cloud(seed, n=9, d=20)
    y = np.arange(9) % classes
    x += 5 * rng.standard_normal((classes, 20))[y]
    rows = 1 if classes == 2 else classes
    weight, bias = rng.standard_normal((rows, 20)), rng.standard_normal(rows)
    full = np.vstack([np.zeros(20), weight]) if rows == 1 else weight
    offset = np.append(0.0, bias) if rows == 1 else bias
    values = [logits(full, offset, z) for z in x]
    slack = sum(max([0, *(1 - v[c] + v[k] for k in range(classes) if k != c)]) for v, c in zip(values, y))
    objective = dot(weight, weight) / 2 + slack / 2
    for upper in about(objective):
        claim = Machine(x, y, weight, bias, np.zeros(0, int), np.zeros((0, rows), int), 0.5, "standard", 0.0,
                        float(upper))  # fmt: skip
        assert proved(claim) == [objective <= Fraction(float(upper))]


def test_a_hull_that_is_looked_at_in_blocks():
    from featgeom.exact import heads

    claim = TRUTHS["empty-cell, in a hull"]()
    before, heads.BLOCK_ENTRIES = heads.BLOCK_ENTRIES, 1
    try:
        assert proved(claim) == [True]
        for far in range(3):
            vertices = np.array([[1.0, 0.0], [2.0, 5.0], [4.0, 4.0]])
            vertices[far] = [-2, 0]
            assert proved(replace(claim, vertices=vertices)) == [False]
    finally:
        heads.BLOCK_ENTRIES = before


def not_broken(z, weight, bias):
    """A breaker whose own class has the larger logit, by less than rounding, which says the other."""
    (own, rival), logits = (dot(z, w) + Fraction(float(b)) for w, b in zip(weight, bias)), weight @ z + bias
    assert own > rival
    claim = BrokenHull(z[None], weight, bias, own=0, breakers=np.array([0]), rivals=np.array([1]))
    assert claim.check().tally == {"REFUTED": 1}
    return logits[0] < logits[1]


def test_a_sum_that_rounds_down_breaks_no_hull():
    """All of three roundings of a logit, in one direction, beside a rival in between."""
    rng, told = np.random.default_rng(0), 0
    for _ in range(3000):
        z = w = rng.uniform(1, 2, size=2)
        lost = dot(z, w) - Fraction(float(np.einsum("i,i->", z, w)))
        if lost <= Fraction(1.1 * 2.0**-53) * dot(z, w):
            continue
        between = float(lost) * (1 - 2.0**-40)
        told += not_broken(z, np.array([w, 0 * w]), np.array([-np.einsum("i,i->", z, w), between]))
    assert told > 5


def test_a_bias_that_rounds_down_breaks_no_hull():
    """Both logits are half a unit of the last place from the bias, to which one sum rounds, the other not."""
    rng = np.random.default_rng(1)

    def inverse(low, high):
        """x and y with x y = 1 + δ, δ between these parts of 2⁻⁵³."""
        while True:
            x = rng.uniform(1, 2)
            off = Fraction(x) * Fraction(1 / x) - 1
            if low < off * 2**53 < high:
                return x, 1 / x

    for _ in range(20):
        (z1, own), (z2, rival) = inverse(0.7, 0.99), inverse(-0.65, -0.51)
        weight = np.array([[own * 2.0**-53, 0.0], [0.0, -rival * 2.0**-53]])
        assert not_broken(np.array([z1, z2]), weight, np.array([1.0, 1 + 2.0**-52]))
