"""Boundaries against exact rationals: the nearest ties, the cells along segments and on planes."""

from fractions import Fraction

import numpy as np
import pytest
import shapely
from rational import Head, cells_along, exact, tie_distance2
from test_cells import DOMAINS, HEADS, case

import featgeom as fg
from featgeom.status import Status


def proved(claim):
    return claim.check().tally == ({"PROVED": len(claim)} if len(claim) else {})


def holds(lower, upper, square):
    """Whether an interval holds the root of a square; None is a tie that there is not."""
    if square is None:
        return upper == np.inf
    return (
        lower < np.inf
        and Fraction(lower) ** 2 <= square
        and (upper == np.inf or square <= Fraction(upper) ** 2)
    )


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("kind", HEADS)
def test_nearest_ties(kind, domain, trials, count):
    """Every interval holds the distance; no class is taken for its own rival; absences are absences."""
    for seed in trials(5):
        head, where, bounds, z = case(kind, domain, seed)
        if seed % 2:
            z = z - 1.5  # samples need not lie in the domain
        judge = Head(head.weight, head.bias)
        nearest, every = fg.flip_points(head, z, None, where), fg.flip_points(head, z, "every", where)
        for found in (nearest, every):
            assert proved(found.certificate)
            assert proved(found.certificate_empty)
        for i, row in enumerate(z):
            own = judge.classify(exact(row))
            squares = []
            for at, k in enumerate(k for k in range(head.classes) if k != own):
                square = tie_distance2(judge, bounds, exact(row), own, k)
                squares.append(square)
                assert every.classes[i, at].tolist() == [own, k]
                assert holds(every.lower_bound[i, at], every.distance[i, at], square), (seed, i, k)
                assert every.status[i, at] is not Status.INFEASIBLE or square is None
            least = min((s for s in squares if s is not None), default=None)
            assert nearest.classes[i, 0] == own != nearest.classes[i, 1]
            assert holds(nearest.lower_bound[i], nearest.distance[i], least), (seed, i)
        count(len(z) * head.classes, "nearest ties")


@pytest.mark.parametrize("kind", HEADS)
def test_segments(kind, trials, count):
    for seed in trials(20):
        head, _, _, z = case(kind, "space", seed)
        judge = Head(head.weight, head.bias)
        found = fg.crossings(head, z, np.roll(z, 1, axis=0))
        assert proved(found.certificate)
        for i, (start, end) in enumerate(zip(z, np.roll(z, 1, axis=0))):
            cells, at = found.path(i)
            wanted, enter = cells_along(judge, exact(start), exact(end))
            assert cells.tolist() == wanted, (seed, i)
            assert all(
                abs(Fraction(t) - s) <= Fraction(found.error[i]) for t, s in zip(at, enter, strict=True)
            )
        count(len(z), "segments")


@pytest.mark.parametrize("kind", HEADS)
def test_slices(kind, trials, count):
    """What is SOLVED is proved, tiles the window, and names at random places a class that wins there."""
    for seed in trials(10):
        rng = np.random.default_rng(seed)
        head = case(kind, "space", seed)[0]
        head = fg.AffineHead(np.hstack([head.weight, rng.integers(-2, 3, (head.classes, 1))]), head.bias)
        judge, d = Head(head.weight, head.bias), head.dimension
        plane = fg.Plane(rng.integers(-1, 2, d).astype(float), np.eye(max(2, d))[:2, :d])
        window = (-2.0, -1.5, 1.0, 3.0)
        part = fg.slice_cells(head, plane, window)
        assert part.status is Status.SOLVED
        assert proved(part.certificate)
        assert sum(p.area for p in part.polygons.values()) == pytest.approx(13.5, rel=1e-12)
        for u, v in rng.uniform([-2, -1.5], [1, 3], (6, 2)):
            point = [Fraction(o) + Fraction(u) * Fraction(a) + Fraction(v) * Fraction(b)
                     for o, a, b in zip(plane.origin, *plane.basis, strict=True)]  # fmt: skip
            values = judge.logits(point)
            (c,) = [k for k, p in part.polygons.items() if shapely.contains_xy(p, u, v)]
            assert max(values) - values[c] <= Fraction(part.error)
        count(6, "places on slices")


@pytest.mark.parametrize("kind", HEADS)
def test_float32_and_float64_of_the_same_samples(kind, trials, count):
    for seed in trials(6):
        head, where, _, z = case(kind, "orthant", seed)
        one, two = (
            fg.flip_points(head, z.astype(np.float32).astype(t), None, where) for t in (np.float32, float)
        )
        np.testing.assert_array_equal(one.distance, two.distance)
        np.testing.assert_array_equal(one.lower_bound, two.lower_bound)
        count(len(z), "ties in float32 and float64")


@pytest.mark.parametrize("power", [-498, -300, 300, 498])
def test_scales(power, trials, count):
    """Heads and samples times powers of two up to 1e±150: every interval still holds the distance."""
    for seed in trials(4):
        head, _, bounds, z = case("any", "space", seed)
        judge = Head(head.weight, head.bias)
        # the same cells, twice: the head is scaled, and the samples with the biases
        heads = [
            (fg.AffineHead(np.ldexp(head.weight, power), np.ldexp(head.bias, power)), 0),
            (fg.AffineHead(head.weight, np.ldexp(head.bias, power)), power),
        ]
        for scaled, by in heads:
            found = fg.flip_points(scaled, np.ldexp(z, by))
            assert proved(found.certificate)
            for i, row in enumerate(z):
                own = judge.classify(exact(row))
                squares = [tie_distance2(judge, bounds, exact(row), own, k)
                           for k in range(head.classes) if k != own]  # fmt: skip
                least = min(s for s in squares if s is not None) * Fraction(4) ** by
                assert holds(found.lower_bound[i], found.distance[i], least), (seed, i, by)
        count(2 * len(z), "ties of other scale")
