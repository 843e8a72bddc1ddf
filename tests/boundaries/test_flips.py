"""Laws of flip points and ties, for every domain, and agreement with a solver that users trust."""

import cvxpy as cp
import numpy as np
import pytest

from featgeom import AffineHead, Box, Status, flip_points, tie_points
from featgeom.boundaries.domain import domain_bounds
from featgeom.errors import BadArgument
from featgeom.formulations import tie


def random_head(rng, classes, dimension):
    return AffineHead(rng.normal(size=(classes, dimension)), rng.normal(size=classes))


def box(dimension):
    return Box(np.full(dimension, -1.0), np.full(dimension, 1.5))


def domain_of(name, dimension):
    return box(dimension) if name == "box" else name


TIGHT = {"tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "tol_feas": 1e-11}


def third_classes(ties, k):
    """How many classes that need not tie hold each found point in place."""
    return np.diff(ties.certificate.multipliers.indptr) - (k - 1)


@pytest.mark.parametrize(
    ("name", "classes", "dimension", "k", "wanted"),
    [("space", 9, 5, 2, 50), ("orthant", 9, 6, 2, 250), ("orthant", 8, 12, 3, 250), ("box", 9, 5, 2, 50)],
)
def test_agrees_with_cvxpy(name, classes, dimension, k, wanted):
    """On cases where a third class, and in a bounded domain a bound too, holds the point in place."""
    rng = np.random.default_rng([classes, dimension, len(name)])
    compared = 0
    while compared < wanted:
        head, tied = random_head(rng, classes, dimension), rng.permutation(classes)[:k]
        queries = 0.4 * rng.normal(size=(60, dimension)) + 0.2
        queries = np.abs(queries) if name == "orthant" else queries
        ours = tie_points(head, queries, tied, domain_of(name, dimension))
        program = tie(head, queries[0], tied, domain_of(name, dimension))
        parameter, point = program.param_dict["z"], program.var_dict["p"]
        problem = cp.Problem(cp.Minimize(cp.sum_squares(point - parameter)), program.constraints)
        hard = np.zeros(60, bool)
        found = ours.status == Status.SOLVED
        assert (found | (ours.status == Status.INFEASIBLE)).all()
        hard[found] = third_classes(ours, k) > 0
        if name != "space":
            lo, hi = domain_bounds(domain_of(name, dimension), dimension)
            hard &= ((ours.point == lo) | (ours.point == hi)).any(axis=1)
        chosen = [*np.flatnonzero(hard)[:25], *np.flatnonzero(~hard)[:3]]
        for i in chosen:
            parameter.value = queries[i]
            if ours.status[i] is Status.INFEASIBLE:
                problem.solve(solver=cp.CLARABEL)
                assert problem.status.startswith("infeasible")
                continue
            problem.solve(solver=cp.CLARABEL, **TIGHT)
            assert problem.status == "optimal"
            assert np.linalg.norm(point.value - ours.point[i]) <= 1e-8 * max(1, ours.distance[i])
            assert abs(np.sqrt(problem.value) - ours.distance[i]) <= 1e-8 * max(1, ours.distance[i])
            compared += bool(hard[i])


@pytest.mark.parametrize("name", ["space", "orthant", "box"])
@pytest.mark.parametrize("target", [None, "every"])
@pytest.mark.parametrize(("classes", "dimension"), [(2, 1), (3, 2), (8, 2), (7, 20), (30, 10)])
def test_flips_tie_and_are_proved(name, target, classes, dimension):
    rng = np.random.default_rng(classes * dimension)
    head = random_head(rng, classes, dimension)
    queries = np.abs(rng.normal(size=(12, dimension)))
    flips = flip_points(head, queries, target, domain_of(name, dimension))
    found = flips.status == Status.SOLVED
    assert (found | (flips.status == Status.INFEASIBLE)).all()
    logits = head.logits(flips.point[found])
    tied = np.take_along_axis(logits, flips.classes[found], 1)
    assert np.abs(tied[:, 0] - tied[:, 1]).max(initial=0) < 1e-12
    assert (logits.max(axis=1) - tied[:, 0]).max(initial=0) < 1e-12
    assert (flips.lower_bound[found] <= flips.distance[found]).all()
    assert (flips.classes[..., 0].reshape(len(queries), -1) == head.classify(queries)[:, None]).all()
    assert set(flips.certificate.check().tally) <= {"PROVED"}
    assert set(flips.certificate_empty.check().tally) <= {"PROVED"}
    assert np.isinf(flips.distance[~found]).all()
    assert np.isinf(flips.lower_bound[~found]).all()


@pytest.mark.parametrize("name", ["space", "orthant", "box"])
def test_nearest_is_the_least_over_all_classes(name):
    rng = np.random.default_rng(3)
    head = random_head(rng, 9, 5)
    queries = rng.normal(size=(40, 5))  # many of them outside the orthant and the box
    every = flip_points(head, queries, "every", domain_of(name, 5))
    nearest = flip_points(head, queries, None, domain_of(name, 5))
    np.testing.assert_allclose(nearest.distance, every.distance.min(axis=1), rtol=1e-12)
    # nobody finds a change of class nearer than the lower bound
    steps = rng.normal(size=(40, 500, 5))
    steps *= (0.999 * nearest.lower_bound / np.linalg.norm(steps, axis=2).T).T[..., None]
    lo, hi = domain_bounds(domain_of(name, 5), 5)
    for i, query in enumerate(queries):
        near = query + steps[i]
        near = near[((near >= lo) & (near <= hi)).all(axis=1)]
        if ((query >= lo) & (query <= hi)).all():
            assert (head.classify(near) == head.classify(query[None])[0]).all()


def test_moves_with_rotation_translation_and_scale():
    rng = np.random.default_rng(5)
    head, queries = random_head(rng, 8, 4), rng.normal(size=(20, 4))
    turn, shift, scale = np.linalg.qr(rng.normal(size=(4, 4)))[0], rng.normal(size=4), 1e6
    weight = head.weight @ turn / scale
    moved = AffineHead(weight, head.bias - weight @ (scale * shift))
    before = flip_points(head, queries, "every")
    after = flip_points(moved, scale * (queries @ turn + shift), "every")
    np.testing.assert_allclose(after.distance, scale * before.distance, rtol=1e-9)
    np.testing.assert_allclose(after.point, scale * (before.point @ turn + shift), rtol=1e-9, atol=1e-3)


def test_degenerate_heads():
    weight = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    head = AffineHead(weight, [0.0, -1.0, 0.0, 0.0])
    flips = flip_points(head, [[3.0, 1.0]], "every")
    # 1 is parallel to 0 and below it everywhere; 3 equals 0 everywhere
    assert list(flips.status[0]) == [Status.INFEASIBLE, Status.SOLVED, Status.SOLVED]
    assert flips.distance[0, 2] == 0
    assert flips.distance[0, 1] == pytest.approx(np.sqrt(2))
    assert flips.certificate_empty.check().tally == {"PROVED": 1}
    nearest = flip_points(head, [[3.0, 1.0]])
    assert nearest.distance[0] == 0
    assert nearest.classes.tolist() == [[0, 3]]
    assert nearest.certificate.check().tally == {"PROVED": 1}


def test_no_flip_at_all_is_proved():
    head = AffineHead([[1.0, 2.0], [1.0, 2.0]], [0.0, 1.0])
    flips = flip_points(head, [[0.0, 0.0]])
    assert flips.status[0] is Status.INFEASIBLE
    assert np.isinf([flips.distance[0], flips.lower_bound[0]]).all()
    assert len(flips.certificate) == 0
    assert flips.certificate_empty.check().tally == {"PROVED": 1}


def test_a_sample_on_the_boundary_is_its_own_flip_point():
    flips = flip_points(AffineHead(np.eye(2)), [[1.0, 1.0]])
    assert flips.distance[0] == 0
    assert (flips.point == 1).all()


def test_tie_of_all_classes_outside_the_orthant():
    head = AffineHead(np.eye(3), [0.0, 0.0, 5.0])
    assert tie_points(head, [[1.0, 1.0, 1.0]], [0, 1, 2], "orthant").distance[0] == pytest.approx(
        np.linalg.norm([4.0, 4.0, 1.0])
    )
    capped = Box(np.zeros(3), np.ones(3))
    ties = tie_points(head, [[1.0, 1.0, 1.0]], [0, 1, 2], capped)
    assert ties.status[0] is Status.INFEASIBLE
    assert ties.certificate_empty.check().tally == {"PROVED": 1}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda h: flip_points(h, [[1.0, 0.0]], 0), "already has class 0"),
        (lambda h: flip_points(h, [[1.0, 0.0]], 7), "out of range"),
        (lambda h: flip_points(h, [[1.0, 0.0]], "all"), "every"),
        (lambda h: flip_points(h, [[1.0, 0.0]], domain="orthnat"), "did you mean 'orthant'"),
        (lambda h: flip_points(h, [[1.0, np.nan]]), "NaN"),
        (lambda h: tie_points(h, [[1.0, 0.0]], [1, 1]), "named twice"),
        (lambda h: tie_points(h, [[1.0, 0.0]], [1]), "two or more"),
        (lambda h: flip_points(h, [[1.0, 0.0]], domain=Box([1, 1], [0, 0])), "every lo"),
        (lambda h: flip_points(h, [[1.0, 0.0]], domain=7), "domain"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(BadArgument, match=message):
        call(AffineHead(np.eye(2)))


def test_empty_batch():
    flips = flip_points(AffineHead(np.eye(2)), np.zeros((0, 2)))
    assert flips.point.shape == (0, 2)


def test_real_features(resnet20, resnet20_head):
    z = resnet20["features_test"][:200]
    flips = flip_points(resnet20_head, z, "every", "orthant")
    assert (flips.status == Status.SOLVED).all()
    assert ((flips.distance - flips.lower_bound) <= 1e-8 * flips.distance).all()
    nearest = flip_points(resnet20_head, z, None, "orthant")
    np.testing.assert_allclose(nearest.distance, flips.distance.min(axis=1), rtol=1e-12)
    assert nearest.certificate.check().tally == {"PROVED": 200}


def test_whole_numbers_where_bounds_and_boundaries_coincide():
    """Small integers make classes, bounds and ties meet in common points; LP says what is feasible."""
    from scipy.optimize import linprog

    rng = np.random.default_rng(1)
    seen = set()
    for _ in range(60):
        classes, d = int(rng.integers(3, 8)), int(rng.integers(1, 6))
        head = AffineHead(np.round(rng.normal(size=(classes, d))), np.round(rng.normal(size=classes)))
        tied = rng.permutation(classes)[:2]
        ties = tie_points(head, np.round(np.abs(rng.normal(size=(1, d))), 1), tied, "orthant")
        rest = [k for k in range(classes) if k not in tied]
        w, b = head.weight, head.bias
        answer = linprog(
            np.zeros(d),
            A_eq=w[tied[:1]] - w[tied[1:]],
            b_eq=b[tied[1:]] - b[tied[0]],
            A_ub=w[rest] - w[tied[0]],
            b_ub=b[tied[0]] - b[rest],
        )
        assert ties.status[0] is (Status.SOLVED if answer.status == 0 else Status.INFEASIBLE)
        seen.add(ties.status[0])
    assert len(seen) == 2


def test_a_class_with_equal_rows_is_no_rival_of_itself():
    """Where rows coincide and biases differ the two never tie, and the own class is none to flip to."""
    cases = (
        (AffineHead([[1.0], [1.0]], [0.0, -1.0]), "space"),
        (AffineHead([[1.0], [1.0], [0.0]], [1.0, 0.0, 0.0]), "orthant"),
    )
    for head, domain in cases:
        found = flip_points(head, [[5.0], [2.0]], None, domain)
        assert (found.status == Status.INFEASIBLE).all()
        assert np.isinf(found.distance).all()
        assert (found.classes[:, 0] != found.classes[:, 1]).all()
        assert found.certificate_empty.check().tally == {"PROVED": len(found.certificate_empty)}


def test_heads_of_small_whole_numbers_are_proved_whole():
    """No sample flips to its own class, all that is claimed is proved, and no bound is NaN."""
    rng = np.random.default_rng(3)
    seen = 0
    for _ in range(80):
        classes, d = int(rng.integers(2, 6)), int(rng.integers(1, 4))
        head = AffineHead(rng.integers(-3, 4, (classes, d)), rng.integers(-2, 3, classes).astype(float))
        low = rng.integers(-3, 1, d).astype(float)
        box = Box(low, low + rng.integers(1, 4, d))
        z = rng.integers(-3, 4, (4, d)).astype(float)
        for domain in ("space", "orthant", box):
            found = flip_points(head, z, None, domain)
            assert (found.classes[:, 0] != found.classes[:, 1]).all()
            assert not np.isnan(found.lower_bound).any()
            assert (found.lower_bound <= found.distance).all()
            claim = found.certificate
            assert claim.check().tally == ({"PROVED": len(claim)} if len(claim) else {})
            seen += len(claim)
    assert seen > 700


def test_a_ray_stretched_until_it_overflows_leaves_a_number():
    head = AffineHead([[-2, -1, -3], [0, -3, -1], [2, -3, 3], [-3, -3, 0]], [0.0, 0, 0, 2])
    found = flip_points(head, [[3, 3, -1], [-1, -2, -1]], None, Box([-3, -2, -2], [0, -1, -1]))
    assert (found.status == Status.SOLVED).all()
    assert (found.lower_bound > 0).all()
    assert found.certificate.check().tally == {"PROVED": 2}
