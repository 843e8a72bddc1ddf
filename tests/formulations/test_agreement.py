"""Every formulation agrees with our solvers, within their intervals and the generic solver's tolerance."""

from collections import Counter
from dataclasses import replace
from itertools import combinations

import cvxpy as cp
import numpy as np
import pytest

import featgeom as fg
from featgeom import AffineHead, Box, Cells, Status
from featgeom.certificates.claim import Claim
from featgeom.formulations.comparison import compare
from featgeom.formulations.questions import QUESTIONS

CLOUDS = {
    "random": lambda r: r.normal(size=(30, 4)),
    "flat": lambda r: np.hstack([r.normal(size=(12, 2)), np.full((12, 2), 1.5)]),
    "duplicates": lambda r: np.repeat(r.normal(size=(4, 3)), 5, axis=0),
    "single": lambda r: r.normal(size=(1, 4)),
    "collinear": lambda r: r.normal(size=(9, 1)) * r.normal(size=(1, 4)),
    "grid": lambda r: np.array(np.meshgrid(*[range(3)] * 3)).reshape(3, -1).T.astype(float),
    "wide": lambda r: r.normal(size=(5, 20)),
}
HEADS = {
    "random": lambda r: AffineHead(r.normal(size=(6, 4)), r.normal(size=6)),
    "equal rows": lambda r: AffineHead([[1.0, 0, 0, 0], [1.0, 0, 0, 0], [0, 1.0, 1.0, -1.0]], [0, 0, 0.5]),
    "parallel": lambda r: AffineHead([[1.0, 0, 0, 0], [1.0, 0, 0, 0], [0, 1.0, 1.0, -1.0]], [0, -1, 0.5]),
    "two classes": lambda r: AffineHead([[1.0, -2.0, 0.5, 0.0], [0.5, 1.0, 0.0, 0.0]], [0.25, 0.0]),
    "one class emptied": lambda r: AffineHead([[1.0, 2, 0, 0], [-1.0, 1, 1, 1], [0.0, 1, 0, 0]], [0, 0, -9]),
    "whole numbers": lambda r: AffineHead(np.round(2 * r.normal(size=(5, 4))), np.round(r.normal(size=5))),
}
DOMAINS = {"space": "space", "orthant": "orthant", "box": Box(np.full(4, -1.0), np.full(4, 1.5))}


def counted(claims, most=8):
    """How many statements of the claims a generic solver confirms, by kind; all that it answers agree."""
    found = Counter()
    for claim in claims:
        for i in range(min(most, len(claim))):
            compared = compare(claim, i)
            if compared is not None:
                assert compared.agrees, (claim.kind, claim.statement(i), compared)
                found[claim.kind] += compared.status is Status.SOLVED
    return found


def of_hulls(points, r):
    queries = np.vstack(
        [points[:2], points.mean(axis=0), points[:2] + r.normal(size=(min(2, len(points)), points.shape[1]))]
    )
    hull, other = fg.ConvexHull(points), fg.ConvexHull(points[: len(points) // 2 + 1] + 1.0)
    yield from (hull.project(queries).certificate, hull.contains(queries).certificate)
    yield from (
        hull.extreme_points().certificate,
        hull.support(r.normal(size=(3, points.shape[1]))).certificate,
    )
    yield from (hull.enclosing_ball().certificate, fg.separate(hull, other).certificate)


def of_cells(head, domain, r):
    cells, z = Cells(head, domain), np.abs(r.normal(size=(4, head.dimension)))
    yield cells.radius(z).certificate
    graph = cells.adjacency()
    yield from (graph.graph["ties"], graph.graph["no_ties"])
    yield from (cells.is_empty(c).certificate for c in range(head.classes))
    yield from (cells.chebyshev(c).certificate for c in range(head.classes))
    for target in (None, "every"):
        flips = fg.flip_points(head, z, target, domain)
        yield from (flips.certificate, flips.certificate_empty)
    for norm in (1, np.inf):
        yield fg.flip_points(head, np.minimum(z, 1.5), "every", domain, norm).certificate
    if head.classes > 2:
        ties = fg.tie_points(head, z, [0, 1, 2], domain)
        yield from (ties.certificate, ties.certificate_empty)
    yield from (
        cells.guarantee(z[[i]] + 0.01 * r.normal(size=(6, 4)), int(c)).certificate
        for i, c in enumerate(head.classify(z))
    )


@pytest.mark.parametrize("shape", CLOUDS)
def test_hulls(shape):
    r = np.random.default_rng(len(shape))
    found = counted(of_hulls(CLOUDS[shape](r), r))
    assert found["hull-distance"] + found["hull-membership"] >= 6


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("name", HEADS)
def test_cells(name, domain):
    r = np.random.default_rng(len(name))
    found = counted((c for c in of_cells(HEADS[name](r), DOMAINS[domain], r) if isinstance(c, Claim)), 4)
    assert found["class-ball"] == 4
    assert found.total() > 10


@pytest.mark.parametrize("bias", ["standard", "augmented", "none"])
@pytest.mark.parametrize(("classes", "c"), [(2, np.inf), (2, 1.0), (4, np.inf), (4, 0.1)])
def test_machines(classes, c, bias):
    r = np.random.default_rng(classes)
    y = np.arange(30) % classes
    for gap in (6.0, 0.0):  # classes apart, and classes in each other
        svm = fg.max_margin(gap * np.eye(4)[y] + r.normal(size=(30, 4)), y, C=c, bias=bias)
        assert counted([svm.certificate]).total() == 1
        assert svm.status is (Status.NOT_SEPARABLE if np.isinf(c) and not gap else Status.SOLVED)


def test_real_features(resnet20, resnet20_head):
    r, labels = np.random.default_rng(0), resnet20["y_test"]
    points = resnet20["features_test"][labels == 3][:300].astype(np.float64)
    other = resnet20["features_test"][labels == 5][:200].astype(np.float64)
    queries = np.vstack([other[:3], points[:2]])
    hull = fg.ConvexHull(points)
    cells, z = Cells(resnet20_head, "orthant"), resnet20["features_test"][:4]
    own = int(resnet20_head.classify(z[:1])[0])
    claims = [
        hull.project(queries).certificate,
        hull.contains(queries).certificate,
        hull.enclosing_ball().certificate,
        hull.support(r.normal(size=(3, 64))).certificate,
        fg.separate(hull, fg.ConvexHull(other)).certificate,
        cells.radius(z).certificate,
        Cells(resnet20_head, Box.around(points)).chebyshev(3).certificate,
        cells.guarantee(z[:1], own).certificate,
        fg.flip_points(resnet20_head, z, None, "orthant").certificate,
        fg.tie_points(resnet20_head, z, [0, 1, 2], "orthant").certificate,
    ]
    found = counted(claims, 4)
    assert found.total() >= 25
    assert set(found) >= {"hull-distance", "class-ball", "nearest-tie", "tie", "inscribed-ball"}


def test_every_kind_is_asked():
    """Nothing that the table can answer is left out of these tests."""
    r = np.random.default_rng(1)
    seen = Counter()
    for name in ("random", "parallel", "one class emptied"):
        seen += counted([c for c in of_cells(HEADS[name](r), "orthant", r) if isinstance(c, Claim)], 1)
    seen += counted(of_hulls(CLOUDS["random"](r), r), 1)
    in_norm = fg.flip_points(HEADS["random"](r), np.abs(r.normal(size=(1, 4))), None, "orthant", 1)
    far = fg.separate(fg.ConvexHull(np.eye(3)), fg.ConvexHull(np.eye(3) + 5))
    x, y = r.normal(size=(20, 2)), np.arange(20) % 2
    seen += counted(
        [far.certificate, fg.max_margin(x, y).certificate, fg.max_margin(x, y, C=1.0).certificate], 1
    )
    seen += counted([in_norm.certificate], 1)
    assert {kind.kind for kind in QUESTIONS} == {kind for kind, count in seen.items() if count}


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("name", HEADS)
def test_cells_that_are_empty_facets_and_flips_to_a_class(name, domain):
    """The formulations that no claim asks as they stand, against our answers, yes and no."""
    r = np.random.default_rng(len(name))
    head, where, asked = HEADS[name](r), DOMAINS[domain], fg.formulations
    cells, z = Cells(head, where), np.abs(r.normal(size=(3, head.dimension)))
    for c in range(head.classes):
        problem = asked.emptiness(head, c, where)
        problem.solve("CLARABEL")
        assert (problem.status == "infeasible") == (cells.is_empty(c).status is Status.INFEASIBLE)
    graph = cells.adjacency()
    for c, k in combinations(range(head.classes), 2):
        value = asked.facet(head, c, k, where).solve("CLARABEL")
        assert (value > 1e-6) == graph.has_edge(c, k), (c, k, value)
    own = head.classify(z)
    for row, c in enumerate(own):
        for k in set(range(head.classes)) - {int(c)}:
            ours = fg.flip_points(head, z[[row]], [k], where)
            value = asked.flip(head, z[row], k, where).solve("CLARABEL")
            assert np.isinf(value) == np.isinf(ours.distance[0])
            if np.isfinite(value):
                assert value == pytest.approx(ours.distance[0], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("shape", CLOUDS)
def test_members(shape):
    r = np.random.default_rng(len(shape))
    points = CLOUDS[shape](r)
    queries = np.vstack([points[:3], points.mean(axis=0), points[:3] + r.normal(size=(1, points.shape[1]))])
    hull, told = fg.ConvexHull(points), Counter()
    distance = hull.project(queries).distance
    for q, status, far in zip(queries, hull.contains(queries).status, distance, strict=True):
        if status is not Status.INSIDE and far < 1e-6:
            continue  # out by rounding alone, as a mean of points in a plane is: no such solver tells
        problem = fg.formulations.membership(points, q)
        problem.solve("CLARABEL")
        assert (problem.status == "optimal") == (status is Status.INSIDE)
        told[status] += 1
    assert told[Status.INSIDE] >= 1
    assert told[Status.OUTSIDE] >= 1


def false_claims():
    """For each kind that a program answers true claims made false: off by a thousandth, or a plain no."""
    r, square = np.random.default_rng(3), np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    hull, far = fg.ConvexHull(square), fg.ConvexHull(square + 5.0)
    head, box = HEADS["random"](r), DOMAINS["box"]
    cells, z = Cells(head, "orthant"), np.abs(r.normal(size=(4, 4)))
    boxed, x, y = Cells(head, box), np.vstack([square, square + 5.0]), np.repeat([0, 1], 4)

    def off(claim, *names, by=1.001):
        return replace(claim, **{name: getattr(claim, name) * by for name in names})

    members, corners = (
        hull.contains([[0.5, 0.5], [3.0, 0.0]]).certificate,
        fg.ConvexHull(np.vstack([square, [[0.2, 0]]])),
    )
    vertices = corners.extreme_points().certificate
    both = ("lower", "upper")
    yield off(hull.project([[3.0, 3.0]]).certificate, *both)
    yield off(hull.project([[3.0, 3.0]]).certificate, *both, by=0.999)
    yield replace(members, inside=~members.inside)
    yield replace(members, queries=members.queries[::-1].copy())
    yield replace(vertices, inside=~vertices.inside)
    yield off(fg.separate(hull, far).certificate, *both)
    meeting = fg.separate(hull, fg.ConvexHull(square + 0.5)).certificate
    yield replace(meeting, points_b=square + 2.5)
    yield off(hull.support([[1.0, 2.0]]).certificate, *both)
    yield off(hull.enclosing_ball().certificate, *both)
    yield off(cells.radius(z).certificate, "radius")
    yield off(fg.flip_points(head, z, None, "orthant", 1).certificate, *both)
    second = np.argsort(head.logits(z), axis=1)[:, -2]
    yield off(fg.flip_points(head, z, second, "orthant", np.inf).certificate, *both)
    yield off(fg.flip_points(head, z, None, "orthant").certificate, *both)
    yield off(fg.tie_points(head, z, [0, 1, 2]).certificate, *both)
    graph = cells.adjacency()
    ties, none = graph.graph["ties"], graph.graph["no_ties"]
    yield replace(ties, pairs=none.pairs[:1].repeat(len(ties.pairs), axis=0))
    yield replace(none, pairs=ties.pairs[:1].repeat(len(none.pairs), axis=0))
    empty = next(c for c in map(boxed.is_empty, range(head.classes)) if c.status is Status.INFEASIBLE)
    full = next(c for c in range(head.classes) if boxed.is_empty(c).status is Status.SOLVED)
    yield replace(empty.certificate, own=np.full_like(empty.certificate.own, full))
    inscribed = boxed.chebyshev(full).certificate
    yield off(inscribed, "radius", "upper")
    yield replace(inscribed, radius=inscribed.radius + 1e6, upper=np.full_like(inscribed.upper, np.inf))
    never = fg.tie_points(HEADS["parallel"](r), z, [0, 1]).certificate_empty
    yield replace(never, tied=np.full_like(never.tied, [0, 2]))
    around = z[0] + 0.01 * r.normal(size=(6, 4))
    yield off(cells.guarantee(around, int(head.classify(z[:1])[0])).certificate, "inflation")
    yield off(fg.max_margin(x, y).certificate, *both)
    yield replace(fg.max_margin(r.normal(size=(8, 2)), y).certificate, x=x)


def test_a_false_claim_is_told():
    """What the comparison is for: of every kind, what is off by a thousandth or a no does not agree."""
    told = Counter()
    for claim in false_claims():
        found = [compare(claim, i) for i in range(len(claim))]
        assert found, claim
        for one in found:
            assert not one.agrees, (claim.kind, one)
            told[claim.kind] += 1
    assert set(told) == {kind.kind for kind in QUESTIONS}


def test_a_false_claim_is_told_however_small_it_says_something_is():
    """What is far from zero, said to be within a hair of it: no tolerance is small beside such a bound."""
    r, square = np.random.default_rng(0), np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    hull, head, z = fg.ConvexHull(square), AffineHead(r.normal(size=(3, 4))), np.abs(r.normal(size=(2, 4)))
    for claim in (
        hull.project([[3.0, 3.0]]).certificate,
        fg.separate(hull, fg.ConvexHull(square + 5)).certificate,
        hull.enclosing_ball().certificate,
        hull.support([[1.0, 2.0]]).certificate,
        fg.flip_points(head, z, None, "orthant", 1).certificate,
        fg.flip_points(head, z, np.argsort(head.logits(z), axis=1)[:, -2], "orthant", 1).certificate,
        fg.flip_points(head, z, None, "orthant").certificate,
        fg.tie_points(head, z, [0, 1, 2]).certificate,
        fg.max_margin(np.vstack([square, square + 5]), np.repeat([0, 1], 4)).certificate,
    ):
        for tiny in (1e-5, 1e-9, 0.0):
            near = replace(claim, lower=0 * claim.lower, upper=0 * claim.upper + tiny)
            for i in range(len(near)):
                assert compare(claim, i).agrees
                assert not compare(near, i).agrees, (claim.kind, tiny, compare(near, i))


@pytest.mark.parametrize(
    "problem",
    [
        lambda f, head: f.projection(np.eye(4), np.zeros(4), 1),
        lambda f, head: f.membership(np.eye(4), np.zeros(4)),
        lambda f, head: f.support(np.eye(4), np.ones(4)),
        lambda f, head: f.common_region([np.eye(4), -np.eye(4)], np.zeros(4)),
        lambda f, head: f.flip(head, np.zeros(4), 0, "orthant", np.inf),
        lambda f, head: f.tie(head, np.zeros(4), [0, 1, 2], Box(np.zeros(4), np.ones(4))),
        lambda f, head: f.boundary(head, np.zeros(4), 1, norm=fg.mahalanobis(np.eye(4) + 0.5)),
        lambda f, head: f.cell_in_hull(head, np.zeros(4), 2, 9 * np.vstack([np.eye(4), -np.eye(4)])),
        lambda f, head: f.machine(np.vstack([np.eye(4), -np.eye(4)]), [0] * 4 + [1] * 4, C=2.0),
    ],
)  # fmt: skip
def test_parameters_may_change(problem):
    """Solved again for another value of its parameter, a program answers as one that was built for it."""
    head = AffineHead(np.random.default_rng(4).normal(size=(4, 4)), np.arange(4.0))
    made = problem(fg.formulations, head)
    assert made.is_dpp()
    assert all(not v.name().startswith("var") for v in made.variables())
    made.solve("CLARABEL")
    (parameter,) = made.parameters()
    r = np.random.default_rng(2)
    for _ in range(2):
        parameter.value = 0.3 * np.abs(r.normal(size=parameter.shape))
        again = made.solve("CLARABEL")
        fresh = cp.Problem(made.objective, made.constraints).solve("CLARABEL")
        np.testing.assert_allclose(again, fresh, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("seed", range(4))
def test_regions_of_the_plane(seed):
    """Cell ∩ hull, and the common region of two hulls, against polygons."""
    from shapely import LineString, MultiPoint, Point, convex_hull

    r = np.random.default_rng(seed)
    a, b, q = r.normal(size=(12, 2)), r.normal(size=(12, 2)) + 0.8, r.normal(size=2) * 3
    one, two = (convex_hull(MultiPoint(x)) for x in (a, b))
    found = fg.formulations.common_region([a, b], q).solve("CLARABEL")
    assert found == pytest.approx(one.intersection(two).distance(Point(q)), abs=1e-6)
    head = AffineHead(r.normal(size=(3, 2)), 0.3 * r.normal(size=3))
    plane = fg.Plane(np.zeros(2), np.eye(2))
    parts = fg.slice_cells(head, plane, (-9, -9, 9, 9)).polygons
    for c in range(3):
        region = parts[c].intersection(one) if c in parts else LineString()
        problem = fg.formulations.cell_in_hull(head, q, c, a)
        value = problem.solve("CLARABEL")
        if region.area > 1e-6:
            assert value == pytest.approx(region.distance(Point(q)), abs=1e-6)
        elif region.is_empty:
            assert problem.status == "infeasible"
