"""Distances in every norm: closed forms against the formulations, proofs, and points that show them."""

from dataclasses import replace

import numpy as np
import pytest

import featgeom as fg
from featgeom import AffineHead, Box, Cells, Status
from featgeom.certificates.norms import NearestInNorm, TieInNorm
from featgeom.errors import BadArgument
from featgeom.formulations import boundary, flip
from featgeom.formulations.comparison import compare
from featgeom.norms import Norm, as_norm

D = 5
SPREAD = np.random.default_rng(3).normal(size=(D, D))
NORMS = {"1": 1, "inf": np.inf, "mahalanobis": fg.mahalanobis(SPREAD @ SPREAD.T + 0.2 * np.eye(D))}
DOMAINS = {"space": "space", "orthant": "orthant", "box": Box(np.full(D, -1.0), np.full(D, 1.5))}


def samples(domain, rng, n):
    z = rng.normal(size=(n, D))
    return z if domain == "space" else np.abs(z) if domain == "orthant" else np.clip(z, -1, 1.5)


CLOSED = [(norm, domain) for norm in ("1", "inf") for domain in ("space", "box")] + [("mahalanobis", "space")]
SOLVED = [("1", "orthant"), ("inf", "orthant"), ("mahalanobis", "orthant"), ("mahalanobis", "box")]


@pytest.mark.parametrize(
    ("norm", "domain", "wanted"), [(*one, 500) for one in CLOSED] + [(*one, 100) for one in SOLVED]
)
def test_closed_forms_against_the_formulation(norm, domain, wanted):
    """One program a head, solved again for each sample; where it is infeasible our distance is infinite."""
    rng, compared = np.random.default_rng([len(norm), len(domain)]), 0
    while compared < wanted:
        head = AffineHead(rng.normal(size=(2, D)), rng.normal(size=2))
        z = samples(domain, rng, 100)
        z = z[head.classify(z) == 0][:50]
        if not len(z):
            continue
        found = Cells(head, DOMAINS[domain]).radius(z, NORMS[norm])
        problem = boundary(head, z[0], 1, DOMAINS[domain], NORMS[norm])
        for i in range(len(z)):
            problem.param_dict["z"].value = z[i]
            value = problem.solve("CLARABEL")
            assert problem.status in ("optimal", "infeasible")
            np.testing.assert_allclose(found.radius[i], value, rtol=1e-6, atol=1e-7)
        compared += len(z)


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("classes", [2, 3, 9])
def test_flips_are_between_bounds_that_are_proved(norm, domain, classes):
    rng = np.random.default_rng(classes)
    head, z = AffineHead(rng.normal(size=(classes, D)), rng.normal(size=classes)), samples(domain, rng, 40)
    flips = fg.flip_points(head, z, None, DOMAINS[domain], NORMS[norm])
    assert flips.certificate.check().tally == {"PROVED": 40}
    found = flips.status == Status.SOLVED
    assert (found | (flips.status == Status.INFEASIBLE)).all()
    measure = as_norm(NORMS[norm], D)
    np.testing.assert_allclose(
        measure.length(flips.point[found] - z[found]), flips.distance[found], rtol=1e-9
    )
    rows, (own, rival) = np.flatnonzero(found), flips.classes[found].T
    logits = head.logits(flips.point[found])
    assert (logits[np.arange(len(rows)), rival] >= logits[np.arange(len(rows)), own] - 1e-12).all()
    assert (flips.lower_bound <= flips.distance).all()
    for i in range(0, 40, 8):
        assert compare(flips.certificate, i).agrees
    radii = Cells(head, DOMAINS[domain]).radius(z, NORMS[norm])
    np.testing.assert_array_equal(radii.radius, flips.lower_bound)


@pytest.mark.parametrize("norm", NORMS)
def test_a_longer_distance_is_not_proved(norm):
    rng = np.random.default_rng(8)
    head, z = AffineHead(rng.normal(size=(4, D)), rng.normal(size=4)), samples("orthant", rng, 40)
    claim = fg.flip_points(head, z, None, "orthant", NORMS[norm]).certificate
    finite = np.isfinite(claim.lower)
    longer = replace(claim, lower=claim.lower * (1 + 1e-9), upper=claim.upper * (1 + 1e-9))
    assert (longer.check().status[finite] != Status.PROVED).all()
    shorter = replace(claim, lower=claim.lower * (1 - 1e-9), upper=claim.upper * (1 - 1e-9))
    assert (shorter.check().status[finite] == Status.REFUTED).all()


def test_a_unit_factor_is_the_euclidean_norm(rng):
    head, z = AffineHead(rng.normal(size=(4, D)), rng.normal(size=4)), samples("orthant", rng, 30)
    plain, stretched = (Cells(head, "orthant").radius(z, norm).radius for norm in (2, Norm(2, np.eye(D))))
    np.testing.assert_allclose(stretched, plain, rtol=1e-9)


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("norm", NORMS)
def test_flips_to_named_classes_against_the_formulation(norm, domain):
    """Every class in turn: with a third class in the way, without, and where the two tie nowhere."""
    rng = np.random.default_rng([len(norm), len(domain)])
    head, z = AffineHead(rng.normal(size=(5, D)), rng.normal(size=5)), samples(domain, rng, 6)
    flips = fg.flip_points(head, z, "every", DOMAINS[domain], NORMS[norm])
    nearest = fg.flip_points(head, z, None, DOMAINS[domain], NORMS[norm])
    assert isinstance(flips.certificate, TieInNorm)
    assert flips.certificate.check().tally == {"PROVED": 24}
    assert set(flips.certificate_empty.check().status) <= {Status.PROVED}
    assert set(flips.status.ravel()) <= {Status.SOLVED, Status.INFEASIBLE}
    assert (flips.status == Status.SOLVED).sum() >= 12
    for i, j in np.ndindex(flips.status.shape):
        value = flip(head, z[i], int(flips.classes[i, j, 1]), DOMAINS[domain], NORMS[norm]).solve("CLARABEL")
        assert np.isinf(value) == (flips.status[i, j] is Status.INFEASIBLE)
        np.testing.assert_allclose(flips.distance[i, j], value, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(flips.lower_bound[i, j], value, rtol=1e-6, atol=1e-7)
        assert compare(flips.certificate, 4 * i + j).agrees
    assert (flips.distance.min(axis=1) >= nearest.lower_bound).all()
    np.testing.assert_allclose(flips.distance.min(axis=1), nearest.distance, rtol=1e-9)
    found = flips.status == Status.SOLVED
    logits = head.logits(flips.point[found])
    rivals = np.take_along_axis(logits, flips.classes[found], axis=1)
    assert (np.abs(rivals - logits.max(axis=1, keepdims=True)) <= flips.error[found][:, None]).all()


@pytest.mark.parametrize("norm", NORMS)
def test_a_longer_way_to_a_named_class_is_not_proved(norm):
    rng = np.random.default_rng(4)
    head, z = AffineHead(rng.normal(size=(4, D)), rng.normal(size=4)), samples("orthant", rng, 8)
    claim = fg.flip_points(head, z, "every", "orthant", NORMS[norm]).certificate
    known = np.isfinite(claim.upper)
    assert known.sum() > 12
    longer = replace(claim, lower=claim.lower * (1 + 1e-8), upper=claim.upper * (1 + 1e-8))
    assert (longer.check().status[known] == Status.UNDECIDED).all()
    shorter = replace(claim, lower=claim.lower * (1 - 1e-8), upper=claim.upper * (1 - 1e-8))
    assert (shorter.check().status[known] == Status.REFUTED).all()


@pytest.mark.parametrize("norm", NORMS)
def test_cells_that_meet_in_a_corner_stay_undecided_with_a_proved_lower_bound(norm):
    head = AffineHead([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    measure = NORMS[norm] if norm != "mahalanobis" else fg.mahalanobis(np.diag([4.0, 1.0]))
    flips = fg.flip_points(head, [[3.0, 1.0]], 2, "space", measure)
    assert flips.status.tolist() == [Status.UNDECIDED]
    assert 0 < flips.lower_bound[0] <= as_norm(measure, 2).length(np.array([[3.0, 1.0]]))[0]
    assert flips.certificate.check().tally == {"PROVED": 1}
    assert len(fg.flip_points(head, np.zeros((0, 2)), "every", "space", measure).distance) == 0


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("unit", [1e-150, 1e-8, 1e8, 1e150])
def test_flips_to_named_classes_do_not_depend_on_the_unit(norm, unit):
    rng = np.random.default_rng(6)
    rows, bias, z = rng.normal(size=(4, D)), rng.normal(size=4), rng.normal(size=(4, D))
    one = fg.flip_points(AffineHead(rows, bias), z, "every", "space", NORMS[norm])
    other = fg.flip_points(AffineHead(rows, bias * unit), z * unit, "every", "space", NORMS[norm])
    np.testing.assert_array_equal(one.status, other.status)
    assert (one.status == Status.SOLVED).all()
    np.testing.assert_allclose(other.distance / unit, one.distance, rtol=1e-8)
    assert other.certificate.check().tally == {"PROVED": 12}


@pytest.mark.parametrize("norm", NORMS)
def test_a_sample_at_which_all_classes_tie_is_its_own_flip(norm):
    rng = np.random.default_rng(2)
    head, z = AffineHead(rng.normal(size=(4, D))), np.zeros((1, D))
    for target in (None, "every"):
        flips = fg.flip_points(head, z, target, "orthant", NORMS[norm])
        assert (flips.lower_bound == 0).all()
        assert (flips.distance < 1e-12).all()
        assert set(flips.certificate.check().status) == {Status.PROVED}


@pytest.mark.parametrize("norm", NORMS)
def test_degenerate_heads(norm):
    z = np.abs(np.random.default_rng(2).normal(size=(6, D)))
    rows = np.array([[1.0, 0, 0, 0, 0], [1.0, 0, 0, 0, 0], [0, 1.0, 0, 0, 0]])
    tied = fg.flip_points(AffineHead(rows), z + 9 * np.eye(D)[0], None, "space", NORMS[norm])
    assert (tied.lower_bound == 0).all()
    assert (tied.distance < 1e-12).all()
    apart = fg.flip_points(AffineHead(rows[:2], [1.0, 0.0]), z, None, "space", NORMS[norm])
    assert set(apart.status) == {Status.INFEASIBLE}
    assert tied.certificate.check().tally == apart.certificate.check().tally == {"PROVED": 6}
    assert len(fg.flip_points(AffineHead(rows), z[:0], None, "space", NORMS[norm]).distance) == 0


@pytest.mark.parametrize("norm", [1, np.inf])
def test_real_features(resnet20, norm):
    head, z = AffineHead(resnet20["fc_weight"], resnet20["fc_bias"]), resnet20["features_test"][:40]
    flips = fg.flip_points(head, z, None, "orthant", norm)
    assert (flips.status == Status.SOLVED).all()
    assert isinstance(flips.certificate, NearestInNorm)
    assert flips.certificate.check().tally == {"PROVED": 40}
    for i in range(5):
        assert compare(flips.certificate, i).agrees


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda h: Cells(h).radius([[1.0, 0.0]], 3), BadArgument, "1, 2, inf"),
        (lambda h: Cells(h).radius([[1.0, 0.0]], "l1"), BadArgument, "1, 2, inf"),
        (lambda h: Cells(h).radius([[1.0, 0.0]], fg.mahalanobis(np.eye(3))), BadArgument, "dimension 2"),
        (lambda h: Cells(h, "orthant").radius([[-1.0, 0.0]], 1), BadArgument, "inside the domain"),
        (lambda h: Cells(h, fg.ConvexHull(np.eye(2))).radius([[1.0, 0.0]], 1), BadArgument, "Box"),
        (lambda h: fg.flip_points(h, [[-1.0, 0.0]], 0, "orthant", 1), BadArgument, "inside the domain"),
        (lambda h: fg.flip_points(h, [[1.0, 0.0]], 0, norm=1), BadArgument, "already has class 0"),
        (lambda h: fg.mahalanobis([[1.0, 1.0], [1.0, 1.0]]), BadArgument, "multiple of the identity"),
        (lambda h: fg.mahalanobis([[1.0, 2.0]]), BadArgument, "symmetric"),
    ],
)
def test_refusals(call, kind, message):
    with pytest.raises(kind, match=message):
        call(AffineHead(np.eye(2)))
