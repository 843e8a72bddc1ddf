"""Hulls against exact rationals: distances, membership, vertices, separation and extent."""

from fractions import Fraction

import numpy as np
import pytest
from rational import distance2, dot, exact

import featgeom as fg
from featgeom.errors import BadArgument
from featgeom.status import Status

KINDS = {
    "integer grid": lambda r, n, d: r.integers(-2, 3, (n, d)).astype(float),
    "duplicates": lambda r, n, d: np.repeat(r.integers(-3, 4, (-(-n // 2), d)), 2, axis=0)[:n].astype(float),
    "zero rows": lambda r, n, d: np.vstack([np.zeros((1, d)), r.integers(-3, 4, (n, d)), np.zeros((1, d))])[
        :n
    ],
    "one point": lambda r, n, d: r.normal(size=(1, d)),
    "flat": lambda r, n, d: np.hstack([r.integers(-3, 4, (n, d - 1)), np.full((n, 1), 0.5)]),
    "any": lambda r, n, d: r.normal(size=(n, d)),
    "far away": lambda r, n, d: r.normal(size=(n, d)) + 1e6,
    "mixed scale": lambda r, n, d: r.integers(-3, 4, (n, d)) * 10.0 ** r.integers(-8, 8, d),
}


def case(kind, seed):
    rng = np.random.default_rng([seed, *map(ord, kind)])
    n, d = int(rng.integers(2, 7)), int(rng.integers(2, 4))
    points = KINDS[kind](rng, n, d)
    shares = rng.multinomial(4, np.ones(len(points)) / len(points), 2) / 4
    step = np.ptp(points, axis=0) * rng.choice([1.0, 1e-9, 2.0**-52], (2, 1)) * rng.integers(-1, 2, (2, d))
    queries = np.vstack(
        [shares @ points + step, points[:1], 2 * rng.normal(size=(1, d)) * (1 + np.abs(points).max())]
    )
    return points, queries


def holds(lower, upper, square):
    """Whether an interval holds the root of a square."""
    return Fraction(lower) ** 2 <= square and (upper == np.inf or square <= Fraction(upper) ** 2)


@pytest.mark.parametrize("kind", KINDS)
def test_distances_and_membership(kind, trials, count):
    for seed in trials(6):
        points, queries = case(kind, seed)
        hull = fg.ConvexHull(points)
        found, inside = hull.project(queries, rtol=1e-9), hull.contains(queries)
        assert found.certificate.check().tally == {"PROVED": len(queries)}
        claim = inside.certificate
        assert claim.check().tally == ({"PROVED": len(claim)} if len(claim) else {})
        for i, query in enumerate(queries):
            square = distance2(points, query)
            assert holds(found.lower_bound[i], found.distance[i], square), (seed, i)
            assert inside.status[i] is (Status.OUTSIDE if square else Status.INSIDE), (seed, i)
        count(len(queries), "distances and memberships")


@pytest.mark.parametrize("kind", KINDS)
def test_vertices(kind, trials, count):
    for seed in trials(3):
        points, _ = case(kind, seed)
        found = fg.ConvexHull(points).extreme_points()
        assert found.certificate.check().tally == {"PROVED": len(points)}
        for i in range(len(points)):
            others = np.delete(points, i, axis=0)
            vertex = len(others) == 0 or distance2(others, points[i]) > 0
            assert found.status[i] is (Status.OUTSIDE if vertex else Status.INSIDE), (seed, i)
        count(len(points), "vertices")


@pytest.mark.parametrize("kind", KINDS)
def test_two_hulls(kind, trials, count):
    for seed in trials(3):
        points, queries = case(kind, seed)
        other = points[queries[:, 0].argsort()[:2] % len(points)] + np.round(np.ptp(points, axis=0)) * (
            seed % 3
        )
        differences = (points[:, None] - other).reshape(-1, points.shape[1])
        exactly = all(
            Fraction(float(a)) - Fraction(float(b)) == Fraction(float(c))
            for p, row in zip(points, differences.reshape(len(points), *other.shape))
            for q, r in zip(other, row)
            for a, b, c in zip(p, q, r)
        )
        found = fg.separate(fg.ConvexHull(points), fg.ConvexHull(other))
        assert found.certificate.check().tally == {"PROVED": 1}
        if exactly and len(differences) <= 12:
            square = distance2(differences, np.zeros(points.shape[1]))
            assert holds(found.lower_bound, found.distance, square), seed
            if found.status is not Status.UNDECIDED:
                assert (found.status is Status.SEPARATED) == (square > 0), seed
            count(1, "distances of two hulls")


@pytest.mark.parametrize("kind", KINDS)
def test_extent(kind, trials, count):
    for seed in trials(12):
        points, queries = case(kind, seed)
        hull = fg.ConvexHull(points)
        across, ball = hull.diameter(), hull.enclosing_ball()
        apart = [
            dot(v, v) for p in points for q in points if (v := [a - b for a, b in zip(exact(p), exact(q))])
        ]
        assert holds(across.lower_bound, across.value, max(apart)), seed
        directions = queries[np.abs(queries).max(axis=1) > 1e-100]
        reach = hull.support(directions)
        for i, direction in enumerate(directions):
            top = max(dot(exact(p), exact(direction)) for p in points)
            assert Fraction(reach.lower_bound[i]) <= top <= Fraction(reach.upper_bound[i]), seed
        for one in (across, ball, reach):
            assert one.certificate.check().tally == {"PROVED": len(one.certificate)}
        assert 4 * Fraction(ball.radius) ** 2 >= max(apart)
        count(2 + len(directions), "lengths of hulls")


@pytest.mark.parametrize("copies", [50, 100, 400])
def test_more_than_256_dimensions(copies, trials, count):
    """A coordinate repeated k times makes every squared distance k times as large, exactly."""
    for seed in trials(4):
        points, queries = case("integer grid" if seed % 2 else "any", seed)
        d = points.shape[1] * copies
        turn = np.random.default_rng(seed).permutation(d)
        wide, asked = (np.repeat(x, copies, axis=1)[:, turn] for x in (points, queries))
        hull = fg.ConvexHull(wide)
        found, inside = hull.project(asked, rtol=1e-9), hull.contains(asked)
        assert found.certificate.check().tally == {"PROVED": len(queries)}
        for i, query in enumerate(queries):
            square = copies * distance2(points, query)
            assert holds(found.lower_bound[i], found.distance[i], square), (seed, i)
            if inside.status[i] is not Status.UNDECIDED:
                assert (inside.status[i] is Status.OUTSIDE) == (square > 0), (seed, i)
        count(len(queries), "distances in more than 100 dimensions")


@pytest.mark.parametrize("n", [3_000, 20_000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_points(n, dtype, trials, count):
    """Points between others change no distance; here they are exact, as all are whole numbers over 16."""
    for seed in trials(2):
        rng = np.random.default_rng(seed)
        corners = 16 * rng.integers(-4, 5, (6, 3)).astype(float)
        shares = rng.multinomial(16, np.ones(6) / 6, n - 6) / 16
        points = rng.permutation(np.vstack([corners, shares @ corners])).astype(dtype)
        queries = np.vstack(
            [rng.integers(-90, 91, (5, 3)), rng.multinomial(8, np.ones(6) / 6, 3) / 8 @ corners]
        )
        hull = fg.ConvexHull(points)
        found, inside = hull.project(queries, rtol=1e-9), hull.contains(queries)
        assert found.certificate.check().tally == {"PROVED": len(queries)}
        for i, query in enumerate(queries):
            square = distance2(corners, query)
            assert holds(found.lower_bound[i], found.distance[i], square), (seed, i)
            assert inside.status[i] is (Status.OUTSIDE if square else Status.INSIDE), (seed, i)
        count(len(queries), "distances beside many points")


@pytest.mark.parametrize("power", [-498, -450, -200, 200, 450, 498])
def test_scales(power, trials, count):
    """Powers of two up to 2^±498, which is 1e±150: scaled answers, or a refusal in words."""
    for seed in trials(3):
        points, queries = case("any", seed)
        scaled, asked = np.ldexp(points, power), np.ldexp(queries, power)
        if abs(power) > 450:
            with pytest.raises(BadArgument, match="rescale"):
                fg.ConvexHull(scaled)
            count(1, "refusals of scale")
            continue
        hull = fg.ConvexHull(scaled)
        found, inside = hull.project(asked, rtol=1e-9), hull.contains(asked)
        assert found.certificate.check().tally == {"PROVED": len(queries)}
        for i, query in enumerate(queries):
            square = distance2(points, query) * Fraction(4) ** power
            assert holds(found.lower_bound[i], found.distance[i], square), (seed, i)
            if inside.status[i] is not Status.UNDECIDED:
                assert (inside.status[i] is Status.OUTSIDE) == (square > 0), (seed, i)
        count(len(queries), "distances of other scale")


@pytest.mark.parametrize("kind", KINDS)
def test_float32_and_float64_of_the_same_numbers(kind, trials, count):
    for seed in trials(4):
        points, queries = (x.astype(np.float32) for x in case(kind, seed))
        one, two = fg.ConvexHull(points), fg.ConvexHull(points.astype(np.float64))
        assert (one.contains(queries).status == two.contains(queries.astype(np.float64)).status).all()
        narrow, wide = one.project(queries), two.project(queries.astype(np.float64))
        for i, query in enumerate(queries):
            square = distance2(points, query)
            for found in (narrow, wide):
                assert holds(found.lower_bound[i], found.distance[i], square), (seed, i)
        count(len(queries), "answers in float32 and float64")


def test_a_point_a_hair_off_a_hull_of_three_dimensions(trials, count):
    """1e-9 off a facet, an edge or a corner, exact arithmetic decides: none is left UNDECIDED."""
    for seed in trials(15):
        rng = np.random.default_rng(seed)
        points = rng.normal(size=(int(rng.integers(5, 60)), 3))
        few = points[rng.choice(len(points), 3, replace=False)]
        queries = rng.dirichlet(np.ones(3), 6) @ few + 1e-9 * rng.normal(size=(6, 3))
        queries[:2] = few[:2] * (1 + 1e-9)
        found = fg.ConvexHull(points).contains(queries)
        assert Status.UNDECIDED not in set(found.status), seed
        assert found.certificate.check().tally == {"PROVED": 6}
        count(6, "points a hair off a hull")
