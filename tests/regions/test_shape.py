"""Emptiness, largest balls and rays of cells, each proved, each against what is known."""

import tracemalloc

import numpy as np
import pytest
from scipy.optimize import linprog

from featgeom import AffineHead, Box, Cells
from featgeom.errors import BadArgument, Unsupported
from featgeom.regions.domains import Hull, as_domain
from featgeom.regions.recession import recession
from featgeom.statistics import proportion_interval
from featgeom.status import Status

DOMAINS = {
    "space": as_domain("space", 4),
    "orthant": as_domain("orthant", 4),
    "box": Box([-1.0, 0.0, -2.0, 0.0], [1.0, 2.0, 2.0, 0.5]),
    "mixed": Box([-np.inf, 0.0, -2.0, -np.inf], [1.0, np.inf, 2.0, np.inf]),
    "hull": Hull(np.random.default_rng(5).standard_normal((9, 4))),
    "point": Hull(np.array([[0.5, 0.25, 0.0, 1.0]])),
}


@pytest.fixture(params=DOMAINS.values(), ids=DOMAINS.keys())
def domain(request):
    return request.param


def feasible(head, domain, c):
    """What a linear program says of the cell, by itself."""
    gain = np.delete(head.weight[c] - head.weight, c, axis=0)
    offset = np.delete(head.bias[c] - head.bias, c)
    if isinstance(domain, Hull):
        x = domain.points
        found = linprog(
            np.zeros(len(x)),
            A_ub=-(gain @ x.T + offset[:, None]),
            b_ub=np.zeros(len(gain)),
            A_eq=np.ones((1, len(x))),
            b_eq=[1.0],
            bounds=(0, None),
        )
    else:
        bounds = list(zip(domain.lo, domain.hi, strict=True))
        found = linprog(np.zeros(4), A_ub=-gain, b_ub=offset, bounds=bounds)
    return found.status == 0


def test_emptiness_is_decided_and_right(head, domain):
    for c in range(head.classes):
        found = Cells(head, domain).is_empty(c)
        assert found.empty is (not feasible(head, domain, c)), c
        assert found.certificate.check().tally == {"PROVED": 1}
        if found.point is not None and not isinstance(domain, Hull):
            assert domain.contains(found.point[None, :]).all()


def test_unboundedness_is_decided(head, domain):
    for c in range(head.classes):
        found = Cells(head, domain).is_unbounded(c)
        assert found.status in (Status.UNBOUNDED, Status.SOLVED, Status.INFEASIBLE)
        assert found.certificate.check().tally == {"PROVED": 1}
        if domain.bounded:
            assert found.status is not Status.UNBOUNDED


@pytest.mark.parametrize("seed", range(3))
def test_inner_cells_of_the_plane_are_bounded(seed):
    rng = np.random.default_rng(seed)
    sites = rng.standard_normal((12, 2))
    head = AffineHead(2 * sites, -(sites**2).sum(axis=1))  # the Voronoi diagram of the sites
    from scipy.spatial import ConvexHull as Qhull

    corners = set(Qhull(sites).vertices.tolist())
    cells = Cells(head)
    for c in range(12):
        status = cells.is_unbounded(c).status
        assert status is (Status.UNBOUNDED if c in corners else Status.SOLVED)
        found = cells.chebyshev(c)
        assert found.status is (Status.UNBOUNDED if c in corners else Status.SOLVED)
        if c not in corners:
            assert 0 < found.radius <= found.upper < np.inf
            assert found.upper == pytest.approx(found.radius, rel=1e-5)


def test_largest_balls(head, domain):
    cells = Cells(head, domain)
    for c in range(head.classes):
        found = cells.chebyshev(c)
        assert found.certificate.check().tally == {"PROVED": 1}
        assert found.radius <= found.upper
        if isinstance(domain, Box) and domain.bounded and found.status is Status.SOLVED:
            assert found.upper - found.radius <= 1e-6 * (1 + found.upper)
            assert (found.centre - found.radius >= domain.lo - 1e-12).all()
            assert (found.centre + found.radius <= domain.hi + 1e-12).all()


def test_a_ball_that_is_known():
    head = AffineHead([[1.0, 0.0], [0.0, 0.0]])
    found = Cells(head, Box([-4.0, 0.0], [2.0, 8.0])).chebyshev(0)
    assert found.radius == pytest.approx(1.0, rel=1e-8)
    assert found.upper == pytest.approx(1.0, rel=1e-8)
    wide = Cells(head, "orthant").chebyshev(0)
    assert (wide.status, wide.radius) == (Status.UNBOUNDED, np.inf)


def test_shares_add_up_and_cover_the_truth():
    head = AffineHead([[1.0, 0.0], [0.0, 0.0]])
    box = Box([-1.0, 0.0], [3.0, 1.0])
    found = Cells(head, box).shares(20000, seed=3)
    assert found.counts.sum() == 20000
    assert found.low[0] < 0.75 < found.high[0]
    again = Cells(head, box).shares(20000, seed=3)
    assert (again.counts == found.counts).all()
    hits = 0
    for seed in range(200):
        some = Cells(head, box).shares(50, seed=seed)
        hits += some.low[0] <= 0.75 <= some.high[0]
    assert hits >= 0.93 * 200


def test_interval_ends():
    found = proportion_interval(np.array([0, 7]), 7, 0.9)
    assert (found.lower[0], found.upper[1]) == (0.0, 1.0)


@pytest.mark.parametrize("n", [0, -1, 2.5, True])
def test_shares_of_no_samples(n):
    with pytest.raises(BadArgument, match="n:"):
        Cells(AffineHead([[1.0], [0.0]]), Box([0.0], [1.0])).shares(n)


def test_shares_of_what_has_no_volume():
    head = AffineHead([[1.0], [0.0]])
    with pytest.raises(BadArgument, match="no volume"):
        Cells(head, "orthant").shares(10)
    with pytest.raises(BadArgument, match="flat"):
        Cells(head, Hull(np.ones((2, 1)))).shares(10)
    with pytest.raises(BadArgument, match="flat"):
        Cells(AffineHead(np.eye(2)), Hull(np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]))).shares(10)
    with pytest.raises(Unsupported, match="7 dimensions"):
        Cells(AffineHead(np.eye(7)), Hull(np.eye(7))).shares(10)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_shares_of_a_hull_agree_with_its_volume(d):
    # the hull of 0 and the unit vectors, cut by z_0 = 1/2: the far corner is a copy scaled by 1/2
    simplex = np.vstack([np.zeros(d), np.eye(d)])
    head = AffineHead(np.vstack([np.eye(d)[0], np.zeros(d)]), [-0.5, 0.0])
    found = Cells(head, Hull(simplex)).shares(20_000, seed=1)
    assert found.low[0] <= 0.5**d <= found.high[0]


def test_the_largest_ball_in_a_hull_says_that_only_its_centre_is_inside():
    found = Cells(AffineHead([[1.0], [0.0]]), Hull(np.array([[5.0]]))).chebyshev(0)
    assert found.radius == pytest.approx(5)
    assert "with its centre in the hull" in found.certificate.statement(0)


@pytest.mark.parametrize("half", [False, True])
def test_many_dimensions_take_a_few_matrices(half):
    """No matrix for each dimension: 2,048 of them took 64 GB."""
    d, rng = 250, np.random.default_rng(0)
    head = AffineHead(rng.standard_normal((4, d)), rng.standard_normal(4))
    box = Box(np.full(d, -1.0), np.where(np.arange(d) < d // 2, np.inf, 1.0) if half else np.full(d, 1.0))
    tracemalloc.start()
    try:
        recession(head, box, 0)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 24 * d * d * 8
