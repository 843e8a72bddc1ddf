"""The survey of many features says what margins, one by one in general, say; and its claims are proved."""

import numpy as np
import pytest

from featgeom import AffineHead, Cells
from featgeom.regions.gaps import pair_norms
from featgeom.regions.running import as_run
from featgeom.regions.survey import _in_general, survey
from featgeom.threads import set_threads, threads


def worlds(kind, rng):
    """A head, and points of which some tie or come near to it."""
    classes, d = (2, 3) if kind == "two classes" else (7, 5)
    weight, bias = rng.normal(size=(classes, d)), rng.normal(size=classes)
    points = rng.normal(size=(600, d))
    if kind == "equal rows":
        weight[2], bias[2] = weight[1], bias[1]
    if kind == "ties":
        weight, bias = np.round(weight), np.round(bias)
        points = np.round(points)
    if kind == "great":
        points *= 1e200
        weight *= 1e150
    if kind == "small":
        points, weight, bias = points * 1e-170, weight * 1e-170, 0 * bias
    return AffineHead(weight, bias), points


@pytest.mark.parametrize("kind", ["plain", "ties", "equal rows", "two classes", "great", "small"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_says_what_the_general_way_says(kind, dtype, rng):
    head, points = worlds(kind, rng)
    points = np.clip(points, -1e37, 1e37).astype(dtype) if dtype == np.float32 else points
    found, other = survey(head, points), _in_general(head, points, pair_norms(head))
    assert (found.classes == other.classes).all()
    assert (found.safe == other.safe).all()
    np.testing.assert_allclose(found.ball, other.ball, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.moved, other.moved, rtol=1e-6)
    differ = found.rival != other.rival
    assert (found.ball[differ] == 0).all() or kind in ("equal rows", "two classes", "great")


@pytest.mark.parametrize("kind", ["plain", "ties", "equal rows", "two classes", "great", "small"])
def test_what_is_claimed_of_it_is_proved(kind, rng):
    head, points = worlds(kind, rng)
    radii, run = Cells(head).radius(points), as_run(head, points, np.zeros(len(points), int))
    for claim in (radii.certificate, run.certificate):
        assert claim.check().tally == {"PROVED": len(points)}


@pytest.mark.parametrize(("classes", "d"), [(12, 40), (100, 512)])
def test_the_number_of_threads_changes_no_bit(classes, d, rng):
    head, points = (
        AffineHead(rng.normal(size=(classes, d)), rng.normal(size=classes)),
        rng.normal(size=(800, d)),
    )
    before, found = threads(), []
    try:
        for count in (1, 2):
            set_threads(count)
            found.append(survey(head, points))
    finally:
        set_threads(before)
    for one, other in zip(vars(found[0]).values(), vars(found[1]).values(), strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("bias", [[1.0, 0.0], [0.0, 1.0]])
@pytest.mark.parametrize("scale", [1.0, 1e200])
@pytest.mark.parametrize("domain", ["space", "orthant"])
def test_a_class_is_no_rival_of_itself_where_no_boundary_is(bias, scale, domain):
    head = AffineHead(np.full((2, 3), scale), np.array(bias) * scale)
    points = np.full((4, 3), 1e120)
    points[:2] = 0.5
    found = Cells(head, domain=domain).radius(points)
    assert (found.rival == 1 - found.classes).all()
    assert (found.ball_rival == found.rival).all()


def test_others_see_every_block_in_order(tmp_path, rng):
    head, seen = AffineHead(rng.normal(size=(3, 4096))), []
    np.save(tmp_path / "points.npy", rng.normal(size=(1100, 4096)).astype(np.float32))
    points = np.load(tmp_path / "points.npy", mmap_mode="r")
    found = survey(head, points, seen.append)
    assert len(seen) > 1
    assert np.array_equal(np.concatenate(seen), points)
    assert np.array_equal(found.top, np.abs(points).max(axis=1))
