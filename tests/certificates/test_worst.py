"""No screen proves a lie where every operation is off by as much as the proof of the screen allows."""

from contextlib import contextmanager
from fractions import Fraction

import numpy as np
import pytest
from scipy.sparse import csr_array
from truths import TRUTHS
from worst import LESS, UNIT, Worst, coarse, plainly, screened, worst

from featgeom.certificates import extent, guarantees, hulls, ties
from featgeom.certificates.cells import CellsMeet
from featgeom.certificates.claim import PROVED
from featgeom.certificates.farkas import EmptyCell
from featgeom.certificates.guarantees import GuaranteedHull
from featgeom.certificates.machines import Machine
from featgeom.certificates.separations import HullSeparation
from featgeom.exact.apart import apart_below
from featgeom.exact.domains import ExactDomain
from featgeom.exact.heads import gaps_above, least_margin_bounds, screened_margins
from featgeom.exact.rounding import product_error

SEEDS = pytest.mark.parametrize("seed", range(3))
HAIR = 2.0**-42  # by which the lies are false; a unit is 2^-30
COPIES, TIMES = 256, 6  # so many alike, asked so often
EVERYWHERE = -np.full(2, np.inf), np.full(2, np.inf), np.zeros((0, 2))


def test_the_arithmetic_is_as_bad_as_it_says():
    with coarse(0):
        one = worst(np.ones(64))
        sums = np.concatenate([one + one - 2 for _ in range(9)])
        assert {round(float(x) / UNIT) for x in sums} == {-2, 2}
        assert abs(float(one.sum() - 64)) > 62 * UNIT
        products = one[None] @ one[:, None] - 64
        assert abs(float(products[0, 0])) > 63 * 64 * UNIT


@contextmanager
def instead(module, name, value):
    """Another thing under that name."""
    kept = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, kept)


def lied(claim, seed, *names):
    """Whether the first statement is true, and how often the screen proves one where arithmetic is worst."""
    with coarse(seed):
        found = sum(int(screened(claim, *names).sum()) for _ in range(TIMES))
    return claim.decide(0) is PROVED, found


def power(rng, low, high):
    """A power of two, of either sign."""
    return float(rng.choice([-1.0, 1.0]) * 2.0 ** rng.integers(low, high))


def line(rng, at, value):
    """A logit of one feature, as weight and bias, with this value at a place: exactly."""
    weight = power(rng, -4, 5)
    return weight, value - weight * at


LIES = {
    "order": (-HAIR, -8.0),
    "third": (1.0, 1.0),
    "third by a hair": (1.0, 1.0 + HAIR),
    "none": (1.0, -8.0),
}


@SEEDS
@pytest.mark.parametrize("kind", LIES)
def test_meeting_cells(seed, kind):
    """Two classes whose order does not change, by a hair, or beside which a third is as high."""
    rng, (lead, third), proved = np.random.default_rng(seed), LIES[kind], 0
    for trial in range(24):
        step, scale = (0.0, 0.5, 1.0)[trial % 3], (1.0, 1.0, 2.0**-198)[rng.integers(3)]
        other = 0.0 if step else 1.0  # where the two are in the other order, as all agree
        there = power(rng, -6, 3) * rng.integers(2)
        at = there + power(rng, -3, 3)
        before, after = np.array([1.0 + lead, 1.0, third]), np.array([0.0, 0.25, -0.25])
        ends = np.array([there, at if step == 1 else 2 * at - there])[:: 1 if step else -1]
        if not step:
            ends[0] = at
        weight = (after - before) / (there - at)
        bias, waste = before - weight * at, (0.0, 64.0)[trial % 2]  # a feature twice, once added, once taken
        both = np.stack([weight + waste, np.full(3, -waste)], axis=1)
        claim = CellsMeet(
            both * scale, bias * scale**2, *EVERYWHERE, np.tile(ends * scale, (2, COPIES)).T,
            np.tile([0, 1], (COPIES, 1)), np.arange(2 * COPIES).reshape(-1, 2),
            np.tile([step, other] if not step else [step, 0.0], (COPIES, 1)),
        )  # fmt: skip
        truth, found = lied(claim, seed, "weight", "bias", "bases", "steps")
        assert truth == (kind == "none")
        assert truth or not found
        proved += found
    assert (proved > 0) == (kind == "none")


@SEEDS
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("lead", [-HAIR, 2.0**-9])
def test_meeting_cells_where_both_logits_fade(seed, turned, lead):
    """Along the segment both logits fall from 1 to nearly nothing: rounding is that of the larger end."""
    step, there = 0.125, np.array([0.0, 2.0**-6, -8.0])  # the values at the end where they are least
    here = np.array([1.0 + (lead + step * there[1]) / (1 - step), 1.0, -8.0])
    steps, ends = np.array([step, 1.0]), np.array([1.0, 0.0])
    if turned:
        steps, ends = 1 - steps, ends[::-1]
    claim = CellsMeet(
        (here - there)[:, None], there, *(part[..., :1] for part in EVERYWHERE),
        np.tile(ends, COPIES)[:, None],
        np.tile([0, 1], (COPIES, 1)), np.arange(2 * COPIES).reshape(-1, 2), np.tile(steps, (COPIES, 1)),
    )  # fmt: skip
    truth, found = lied(claim, seed, "weight", "bias", "bases", "steps")
    assert truth == (lead > 0)
    assert (found > 0) == truth


def test_bases_of_a_box():
    """A logit is off by its product and by the rounding of the sum with its bias."""
    none = np.zeros((0, 2), int), np.zeros((0, 2), int), np.zeros((0, 2))
    lo, hi = -np.full(1, np.inf), np.full(1, np.inf)
    claim = CellsMeet(
        np.zeros((2, 1)), np.array([3.0, 1.0]), lo, hi, np.zeros((0, 1)), np.ones((1, 1)), *none
    )
    assert (claim._screen(np.arange(1))[1] >= 2.0**-53 * np.array([[3.0, 1.0]])).all()


def test_bases_of_a_hull():
    """Logits at weighted points are off by no more than is said, in the model and in fact."""
    clear, counts = 2.0**-53, (1, 8)
    weights = np.zeros((2, 8))
    for row, count in enumerate(counts):
        weights[row, :count] = 1.0
    head = np.ones((1, 1)), np.zeros(1), -np.full(1, np.inf), np.full(1, np.inf)
    none = np.zeros((0, 2), int), np.zeros((0, 2), int), np.zeros((0, 2))
    logits, error = CellsMeet(*head, np.ones((8, 1)), csr_array(weights), *none)._screen(np.arange(2))
    one = product_error(np.ones((1, 1)), np.ones((1, 1)), np.float64)[0, 0] + clear
    for row, count in enumerate(counts):
        assert error[row, 0] >= one + (2 * count + 1) * clear
    assert logits.ravel().tolist() == [1.0, 1.0]
    vertices, shares = np.array([[0.0], *[[1e153]] * 40]), np.array([3.0, *[5 * 5e-324] * 40])
    logits, error = CellsMeet(*head, vertices, csr_array(shares[None]), *none)._screen(np.arange(1))
    exact = sum(Fraction(w) * Fraction(float(x)) for w, x in zip(shares, vertices[:, 0], strict=True))
    exact /= sum(map(Fraction, shares))
    assert 0 < abs(Fraction(logits[0, 0]) - exact) <= Fraction(error[0, 0])


@SEEDS
@pytest.mark.parametrize("hull", [False, True])
@pytest.mark.parametrize("above", [0.0, HAIR, -1.0])
def test_contradictions(seed, hull, above):
    """A sum of margins that is nowhere negative, by a hair, in a box or in a hull."""
    rng = np.random.default_rng(seed)
    for trial in range(24):
        scale, many = (1.0, 2.0**-199)[trial % 2], 2 + trial % 2
        ends = np.sort([power(rng, -5, 4), power(rng, -5, 4)])
        if ends[0] == ends[1]:
            continue
        heads = [line(rng, ends[0], power(rng, -2, 3)) for _ in range(many)]
        weight, bias = (scale * np.array([one[k] for one in heads]) for k in (0, 1))
        shares = np.array([0.0, 1.0, 1.0][:many]) * 2.0 ** rng.integers(-2, 3) * scale
        slope = shares.sum() * weight[0] - shares @ weight
        top = ends[1] if slope > 0 else ends[0]
        rest = shares @ (weight * top + bias)
        bias[0] = (above * scale * scale + rest) / shares.sum() - weight[0] * top
        low, high = ends[:1], ends[1:]
        vertices = np.array([low, high]) if hull else np.zeros((0, 1))
        on = weight[:, None], bias, low, high, vertices
        evidence = csr_array(np.tile(shares, (COPIES, 1))), csr_array((COPIES, many))
        claim = EmptyCell(*on, np.zeros(COPIES, int), *evidence)
        truth, found = lied(claim, seed, "weight", "bias", "lo", "hi", "vertices")
        assert truth == (above < 0)
        assert truth or not found
        assert found or not truth or scale < 1


@SEEDS
def test_margins_and_gaps(seed):
    """What is said of margins, of the least of them and of the lengths of differences holds."""
    rng = np.random.default_rng(seed)
    z, weight = rng.integers(-4, 5, (600, 1)).astype(float), rng.integers(-4, 5, (4, 1)).astype(float)
    for size in (1.0, 64.0):
        bias = rng.integers(-4, 5, 4) * size
        values, own = z @ weight.T + bias, np.zeros(len(z), int)
        true = values[:, :1] - values
        for _ in range(TIMES):
            with coarse(int(rng.integers(1 << 30))):
                margins, error = screened_margins(worst(z), worst(weight), worst(bias), own)
            assert (np.abs(np.asarray(margins) - true) <= np.asarray(error)).all()
        for row, lead in zip(z[:80], true, strict=False):
            with coarse(int(rng.integers(1 << 30))):
                low, high = least_margin_bounds(worst(row[None]), worst(weight), worst(bias), 0)
            assert (np.asarray(low) <= lead).all()
            assert (lead <= np.asarray(high)).all()
    rows = rng.integers(-9, 10, (4000, 1)).astype(float)
    with coarse(seed):
        assert (np.asarray(gaps_above(worst(rows), 0)) >= np.abs(rows[:, 0] - rows[0, 0])).all()


class Rows(csr_array):
    """A sparse matrix whose products err as much as they may."""

    def __matmul__(self, other):
        plain = csr_array(self)
        exact, terms = plain @ plainly(other), abs(plain) @ np.abs(plainly(other))
        counts = np.diff(self.indptr).reshape(-1, *[1] * (terms.ndim - 1))
        return (exact + Worst.way(exact) * counts * UNIT * LESS * terms).view(Worst)


@SEEDS
@pytest.mark.parametrize("many", [(1, 3), (1, 3, 8)])
def test_distances_of_weighted_points(seed, many):
    counts = np.tile(many, 100)
    weights = csr_array(np.arange(8) < counts[:, None], dtype=float)
    weights.data /= np.repeat(2.0 ** np.ceil(np.log2(counts)), counts)
    rng = np.random.default_rng(seed)
    for far in (2.0**-20, 1.0, 1024.0):
        queries = 1 + rng.choice([-1.0, 1.0], (len(counts), 1)) * far
        for _ in range(4 * TIMES):
            with coarse(int(rng.integers(1 << 30))), instead(hulls, "csr_array", Rows):
                found = hulls.distances_above(weights, worst(np.ones((8, 1))), worst(queries))
            assert (np.asarray(found) >= far).all()
    assert hulls.distances_above(csr_array([[1.0]]), np.ones((1, 1)), -np.ones((1, 1)))[0] >= 2


def test_distances_of_weighted_points_in_steps_are_the_same():
    rng = np.random.default_rng(0)
    points, queries = rng.normal(size=(30, 4)), rng.normal(size=(17, 4))
    weights = csr_array(rng.random((17, 30)) * (rng.random((17, 30)) < 0.3))
    weights.data /= np.repeat(np.maximum(weights.sum(axis=1), 0.1), np.diff(weights.indptr))
    at_once = hulls.distances_above(weights, points, queries)
    with instead(hulls, "GATHERED", 4 * 12 * 5):
        in_steps = hulls.distances_above(weights, points, queries)
    np.testing.assert_allclose(in_steps, at_once, rtol=1e-12)
    exact = np.linalg.norm(weights @ points / weights.sum(axis=1)[:, None] - queries, axis=1)
    assert (in_steps >= exact * (1 - 1e-15)).all()


@SEEDS
def test_balls_around_points_by_a_hair(seed):
    rng, about = np.random.default_rng(seed), extent._about

    def erring(points, centre, rows=None):
        some = points if rows is None else points[rows]
        for first, _ in about(points, centre, rows):
            yield first, worst(some[first:]) - worst(centre)

    for trial in range(300):
        x = float(rng.integers(1, 2**20)) / 2**18
        points, less = np.array([[x], [-x]]), 1 - 2.0**-45
        with coarse(trial + 300 * seed), instead(extent, "_about", erring):
            assert not extent.all_within(points, np.zeros(1), x * less)
            assert not extent.all_pairs_within(points, np.zeros(1), 2 * x * less)


@SEEDS
def test_a_hull_that_leaves_its_cell_by_a_hair_if_scaled(seed):
    """With bounds on margins that are as tight as can be, what remains is the arithmetic of the scaling."""
    points = np.array([[1.0], [3.0 + 2 * HAIR]])
    claim = GuaranteedHull(points, np.array([[1.0], [0.0]]), np.zeros(2), 0, 0.0, points.mean(axis=0), 2.0)

    def tight(points, weight, bias, own, lengths):
        least = worst([np.inf, float(points.min())])
        return least, least

    assert claim.decide(0) is not PROVED
    for trial in range(400):
        with coarse(trial + 400 * seed), instead(guarantees, "least_margin_bounds", tight):
            assert claim._open()[1]


def test_a_point_that_is_rounded_moves_its_margins():
    """A class that leads by no more than rounding the point may have brought about is looked at exactly."""
    claim = TRUTHS["tie"]()
    d, lengths = claim.features.shape[1], np.linalg.norm(claim.weight, axis=1)
    point = np.array([3] * d, dtype=object)
    moved = 2.0**-53 * 3 * d**0.5 * (lengths + lengths[0])
    with instead(ties, "screened_margins", lambda *asked: (0.9995 * moved[None], 0 * moved[None])):
        assert claim._near(point, 1, 0, 0).tolist() == list(range(len(lengths)))


def machine(x, weight, bias, c, upper):
    rows, y = np.array(x)[:, None], np.array([1, 0])
    return Machine(rows, y, np.array([[weight]]), np.array([bias]), np.zeros(0, int), np.zeros((0, 1), int),
                   c, "standard", 0.0, upper).decide(0)  # fmt: skip


def test_machines_that_do_not_quite_reach():
    """By a slack of one unit in the last place that is dear, and by a bias that takes from the margin."""
    short = 1 - 2.0**-53
    assert machine([1.0, -1.0], short, 0.0, 2.0**53, 2.6) is PROVED
    assert machine([1.0, -1.0], short, 0.0, 2.0**53, 0.6) is not PROVED
    assert machine([2.0, -2.0], 1.0, -1.5, np.inf, 2.0) is PROVED
    assert machine([2.0, -2.0], 1.0, -1.5, np.inf, 1.0) is not PROVED


@SEEDS
def test_the_highest_in_a_box(seed):
    rng = np.random.default_rng(seed)
    lo = rng.integers(-9, 1, 12).astype(float)
    box = ExactDomain(lo, lo + rng.integers(0, 9, 12), np.zeros((0, 12)))
    slope = rng.integers(-9, 10, (COPIES, 12)).astype(float)
    top = np.where(slope > 0, slope * box.hi, slope * box.lo).sum(axis=1)
    for _ in range(20 * TIMES):
        with coarse(int(rng.integers(1 << 30))):
            found = box.highest_above(worst(slope), np.zeros(slope.shape))
        assert (np.asarray(found) >= top).all()


APART = {
    "true": (1 - 2.0**-20, 1 + 2.0**-20),
    "lower": (1 + HAIR, np.inf),
    "upper": (0.0, 1 - HAIR),
    "both": (1 + HAIR, 1 - HAIR),
}


@SEEDS
@pytest.mark.parametrize("kind", APART)
def test_hulls_that_are_one_apart(seed, kind):
    """Two hulls on a line, their near ends one apart, said to be farther or nearer by a hair."""
    rng, (lower, upper), proved = np.random.default_rng(seed), APART[kind], 0
    for _ in range(40):
        normal, at = power(rng, -3, 4), power(rng, -3, 3)
        a, b = (at + np.sign(normal) * np.array(ends)[:, None] for ends in ((1.0, 3.0), (0.0, -2.0)))
        near = csr_array([[1.0, 0.0]])
        claim = HullSeparation(a, b, lower, upper, near, near, np.array([normal]))
        truth, found = lied(claim, seed, "points_a", "points_b", "normal")
        assert truth == (kind == "true")
        assert truth or not found
        proved += found
    assert (proved == 40 * TIMES) == (kind == "true")


@SEEDS
def test_gaps_between_middles(seed):
    """Points on a line, one apart in fact, whichever way middles, products and lengths are rounded."""
    rng, most = np.random.default_rng(seed), 0.0
    with coarse(seed):
        for _ in range(400):
            at = np.array([[power(rng, -3, 3)]])
            found = plainly(apart_below([worst(at), worst(at + 1)]))
            assert found[0, 1] <= 1
            most = max(most, found[0, 1])
    assert most > 1 - 2.0**-22


NONE, FIRST, LAST = (csr_array([row]) for row in ([0.0, 0.0], [1.0, 0.0], [0.0, 1.0]))


@pytest.mark.parametrize(
    ("a", "b", "weights", "lower", "upper"),
    [
        (
            [1.0, 1.0],
            [0.0, -8.0],
            (FIRST, LAST),
            2.0,
            np.inf,
        ),  # one end farther from the middle than the other
        ([1.0, 5.0], [3.0, 3.0], (FIRST, NONE), 1.0, np.inf),  # the normal points the wrong way
        ([0.0, 1.0], [-1.0, -1.0], (LAST, FIRST), 0.0, 1.5),  # weights of points that are farther apart
        ([2.0, 2.0], [1.0, 1.0], (FIRST, FIRST), 1.0, 0.5),  # only one of the bounds is false
        ([2.0, 2.0], [1.0, 1.0], (FIRST, FIRST), 1.5, 1.0),
        ([2.0, 2.0], [1.0, 1.0], (FIRST, FIRST), 1.5, np.inf),
        ([2.0, 2.0], [1.0, 1.0], (FIRST, FIRST), 0.0, 0.5),
    ],
)
def test_no_screen_takes_one_end_for_another(a, b, weights, lower, upper):
    columns = (np.array(points)[:, None] for points in (a, b))
    claim = HullSeparation(*columns, lower, upper, *weights, np.ones(1))
    assert not claim.screened()[0]
    assert claim.decide(0) is not PROVED
