"""Radii are distances to the boundary, and are proved by their certificates."""

import numpy as np
import pytest

from featgeom import AffineHead, Box, Cells
from featgeom.formulations.comparison import compare
from featgeom.status import Status

DOMAINS = {
    "space": "space",
    "orthant": "orthant",
    "box": Box([-1.0, 0.0, -2.0, 0.0], [1.0, 2.0, 2.0, 0.5]),
    "half bounded": Box([-np.inf, 0.0, -2.0, -np.inf], [1.0, np.inf, 2.0, np.inf]),
}


@pytest.fixture(params=DOMAINS.values(), ids=DOMAINS.keys())
def domain(request):
    return request.param


def inside(domain, rng, n):
    points = rng.standard_normal((n, 4))
    if domain == "orthant":
        return np.maximum(points, 0)
    return points if domain == "space" else np.clip(points, domain.lo, domain.hi)


def test_radius_agrees_with_a_generic_solver(head, domain, rng):
    z = inside(domain, rng, 5)
    cells = Cells(head, domain)
    found = cells.radius(z)
    for i in range(5):
        compared = compare(found.certificate, i)
        assert compared.agrees, compared


def test_a_feature_outside_the_domain(head, rng):
    """Its radius is the distance to the nearest point of the domain that has another class."""
    box, z = Box(np.full(4, -1.0), np.full(4, 1.5)), 3 * rng.standard_normal((30, 4))
    found = Cells(head, box).radius(z)
    assert found.certificate.check().tally == {"PROVED": 30}
    for i in range(30):
        compared = compare(found.certificate, i)
        assert compared.agrees, compared


def test_every_radius_is_proved(head, domain, rng):
    found = Cells(head, domain).radius(inside(domain, rng, 60))
    verdicts = found.certificate.check()
    assert set(verdicts.status) == {Status.PROVED}, verdicts.reasons
    assert (found.radius >= found.ball).all()


def test_points_within_the_radius_have_the_class(head, domain, rng):
    z = inside(domain, rng, 30)
    cells = Cells(head, domain)
    found = cells.radius(z)
    for _ in range(20):
        step = rng.standard_normal(z.shape)
        step *= (np.minimum(found.radius, 1e6) * 0.999 / np.linalg.norm(step, axis=1))[:, None]
        moved = z + step
        keep = cells.domain.contains(moved)
        assert (cells.margins(moved).classes == found.classes)[keep].all()


def test_a_longer_radius_is_not_proved(domain, rng):
    head = AffineHead(rng.standard_normal((5, 4)), rng.standard_normal(5))
    claim = Cells(head, domain).radius(inside(domain, rng, 60)).certificate
    longer = type(claim)(**{**vars(claim), "radius": claim.radius * (1 + 1e-9)})
    finite = np.isfinite(claim.radius)
    status = longer.check().status
    assert (status[finite] != Status.PROVED).all()
    if domain == "space":
        assert (status == Status.REFUTED).all()


def test_scale_and_shift(rng):
    head = AffineHead(rng.standard_normal((5, 4)), rng.standard_normal(5))
    z = rng.standard_normal((20, 4))
    plain = Cells(head).radius(z).radius
    for scale in (1e-12, 1e12):
        larger = AffineHead(head.weight, head.bias * scale)
        np.testing.assert_allclose(Cells(larger).radius(z * scale).radius, plain * scale, rtol=1e-9)
    shift = rng.standard_normal(4)
    moved = AffineHead(head.weight, head.bias - head.weight @ shift)
    np.testing.assert_allclose(Cells(moved).radius(z + shift).radius, plain, rtol=1e-9)


def test_equal_rows_tie_everywhere_or_never():
    z = [[1.0, 2.0]]
    tied = Cells(AffineHead([[1.0, 0.0], [1.0, 0.0]])).radius(z)
    assert tied.radius.tolist() == [0.0]
    apart = Cells(AffineHead([[1.0, 0.0], [1.0, 0.0]], [1.0, 0.0])).radius(z)
    assert apart.radius.tolist() == [np.inf]
    assert apart.certificate.check().tally == {"PROVED": 1}


def test_a_memory_map_stays_one(tmp_path, rng):
    head = AffineHead(rng.standard_normal((5, 4)), rng.standard_normal(5))
    np.save(tmp_path / "z.npy", rng.standard_normal((500, 4)).astype(np.float32))
    z = np.load(tmp_path / "z.npy", mmap_mode="r")
    found = Cells(head, "orthant").radius(z)
    assert np.shares_memory(found.certificate.points, z)
    assert found.certificate.check().tally == {"PROVED": 500}


def test_real_features(resnet20):
    head = AffineHead(resnet20["fc_weight"], resnet20["fc_bias"])
    z = resnet20["features_test"][:2000]
    for domain in ("space", "orthant"):
        found = Cells(head, domain).radius(z)
        assert found.certificate.check().tally == {"PROVED": 2000}
        assert (found.classes == resnet20["logits_test"][:2000].argmax(axis=1)).all()
