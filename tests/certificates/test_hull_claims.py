"""Claims of the hull floor: honest ones are proved, tampered ones never are."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

import featgeom as fg
from featgeom.certificates.hulls import HullDistance
from featgeom.certificates.weights import shares_of_zero
from featgeom.status import Status

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(60, 4)).astype(np.float32)
QUERIES = np.vstack([3 * RNG.normal(size=(5, 4)), RNG.dirichlet(np.ones(60), 3) @ POINTS])
HULL = fg.ConvexHull(POINTS)
OTHER = fg.ConvexHull(RNG.normal(size=(40, 4)) + 9)
NEAR = fg.ConvexHull(RNG.normal(size=(40, 4)))


def proved(claim):
    return (claim.check().status == Status.PROVED).tolist()


def doubled(weights):
    return csr_array((2 * weights.data, weights.indices, weights.indptr), shape=weights.shape)


def negated(weights):
    data = weights.data.copy()
    data[0] = -data[0] - 1
    return csr_array((data, weights.indices, weights.indptr), shape=weights.shape)


def out_of_range(weights):
    indices = weights.indices.copy()
    indices[0] = 10**6
    result = weights.copy()
    result.indices = indices
    return result


def test_distances():
    claim = HULL.project(QUERIES).certificate
    assert all(proved(claim))
    assert all(proved(replace(claim, weights=doubled(claim.weights))))  # weights count at their sum
    assert all(proved(replace(claim, lower=np.full(8, -1.0), upper=np.full(8, np.inf))))
    for tampered in (
        replace(claim, lower=claim.upper * (1 + 1e-9) + 1e-9),
        replace(claim, upper=np.where(claim.lower > 0, claim.lower * (1 - 1e-9), -1.0)),
        replace(claim, lower=claim.lower + 0.1, normal=-claim.normal),
        replace(claim, normal=np.zeros_like(claim.normal), lower=claim.lower + 0.1),
        replace(claim, lower=np.full(8, np.inf)),
        replace(claim, upper=np.full(8, np.nan)),
        replace(claim, lower=np.full(8, np.nan)),
        replace(claim, normal=claim.normal[:, :3]),
        replace(claim, queries=claim.queries + 5),
        replace(claim, weights=out_of_range(claim.weights)),
        replace(claim, weights=None),
        replace(claim, points=POINTS[:0]),
        replace(claim, points=np.full_like(POINTS, np.nan)),
    ):
        assert not any(proved(tampered))
    assert not proved(replace(claim, weights=negated(claim.weights)))[0]


def test_a_point_moved_towards_the_query_refutes():
    claim = HULL.project(QUERIES[:5]).certificate
    moved = POINTS.copy()
    moved[7] = QUERIES[0]
    assert not proved(replace(claim, points=moved))[0]


def test_memberships():
    claim = HULL.contains(QUERIES).certificate
    assert all(proved(claim))
    swapped = replace(claim, inside=~claim.inside)
    assert not any(proved(swapped))
    assert not any(proved(replace(claim, support=csr_array((8, 60)), inside=np.ones(8, bool))))
    assert not any(proved(replace(claim, normal=-claim.normal))[:5])
    nothing = replace(claim, decided=np.zeros(8, bool))
    assert nothing.check().tally == {"UNDECIDED": 8}


def test_distances_of_points_from_all_the_others():
    found = HULL.extreme_points()
    own = np.arange(60)
    claim = HullDistance(
        POINTS,
        POINTS.astype(np.float64),
        found.lower_bound,
        found.distance,
        found.weights,
        found.certificate.normal,
        own,
    )
    assert all(proved(claim))
    vertex = found.mask
    assert vertex.any()
    higher = replace(claim, lower=claim.upper * (1 + 1e-5))
    assert not np.array(proved(higher))[vertex].any()
    for left_out in (np.full(60, -1), (own + 1) % 60):  # the point itself is then in the hull
        assert not np.array(proved(replace(claim, left_out=left_out)))[vertex].any()
    alone = HullDistance(
        POINTS[:1], claim.queries[:1], np.array([1.0]), np.array([np.inf]), csr_array((1, 1)),
        claim.normal[:1], np.array([0]),
    )  # fmt: skip
    assert proved(alone) == [False]


def test_extreme_points_cannot_lean_on_themselves():
    claim = HULL.extreme_points().certificate
    assert all(proved(claim))
    themselves = csr_array(np.eye(60))
    assert not any(proved(replace(claim, support=themselves, inside=np.ones(60, bool))))
    assert not any(proved(replace(claim, left_out=np.full(60, -1), inside=np.zeros(60, bool))))


def test_separations():
    claim = fg.separate(HULL, OTHER).certificate
    assert proved(claim) == [True]
    for tampered in (
        replace(claim, lower=claim.upper * 1.000001),
        replace(claim, upper=claim.lower * 0.999999),
        replace(claim, normal=-claim.normal),
        replace(claim, points_b=claim.points_b - 1),
        replace(claim, weights_a=negated(claim.weights_a)),
        replace(claim, weights_b=csr_array((1, 40))),
        replace(claim, points_a=claim.points_a[:, :2]),
    ):
        assert proved(tampered) == [False]


def test_overlaps():
    claim = fg.separate(HULL, NEAR).certificate
    assert proved(claim) == [True]
    for tampered in (
        replace(claim, rows_a=claim.rows_a[::-1].copy()),
        replace(claim, rows_a=claim.rows_a[:-1]),
        replace(claim, rows_a=claim.rows_a[:2], rows_b=claim.rows_b[:2]),
        replace(claim, rows_a=claim.rows_a + 1000),
        replace(claim, rows_a=claim.rows_a.astype(float)),
        replace(claim, points_b=OTHER.points),
        replace(claim, rows_a=claim.rows_a[:0], rows_b=claim.rows_b[:0]),
    ):
        assert proved(tampered) == [False]


def test_extents():
    ball, width = HULL.enclosing_ball().certificate, HULL.diameter().certificate
    reach = HULL.support(np.eye(4)).certificate
    for claim in (ball, width, reach):
        assert all(proved(claim))
    for tampered in (
        replace(ball, upper=ball.lower * 0.999),
        replace(ball, lower=ball.upper * 1.001),
        replace(ball, centre=ball.centre + 0.01),
        replace(ball, weights=negated(ball.weights)),
        replace(width, lower=width.upper * 1.001),
        replace(width, upper=width.lower * 0.999),
        replace(width, rows=np.array([0, 0])),
        replace(width, rows=np.array([0, 60])),
        replace(reach, lower=reach.upper + 1e-9),
        replace(reach, upper=reach.lower - 1e-9),
    ):
        assert not any(proved(tampered))


@pytest.mark.parametrize("claim", [HULL.project(QUERIES).certificate, fg.separate(HULL, OTHER).certificate])
def test_statements_name_their_figures(claim):
    assert "between" in claim.statement(0)


def test_dependent_points_do_not_determine_weights():
    assert shares_of_zero(np.zeros((2, 1)), np.zeros((2, 1))) is None
