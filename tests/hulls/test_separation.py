"""Two hulls: the distance is symmetric, certified, and the machine it amounts to separates."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import featgeom as fg
from featgeom.hulls import separation
from featgeom.status import Status

LAWS = settings(derandomize=True, deadline=None, max_examples=30)


def pair(seed, d=3, gap=6.0):
    rng = np.random.default_rng(seed)
    shift = np.zeros(d)
    shift[0] = gap
    return rng.normal(size=(rng.integers(1, 40), d)), rng.normal(size=(rng.integers(1, 40), d)) + shift


@LAWS
@given(seed=st.integers(0, 10**6), d=st.integers(1, 12), gap=st.floats(0, 9))
def test_every_answer_is_proved(seed, d, gap):
    a, b = pair(seed, d, gap)
    result = fg.separate(fg.ConvexHull(a), fg.ConvexHull(b))
    assert result.certificate.check().tally == {"PROVED": 1}
    if result.status is Status.SEPARATED:
        assert result.distance - result.lower_bound <= 1e-9 * result.distance + 1e-12
        assert (a @ result.normal).min() >= result.offset + result.lower_bound / 2 - 1e-9
        assert (b @ result.normal).max() <= result.offset - result.lower_bound / 2 + 1e-9
        assert np.linalg.norm(result.normal) == pytest.approx(1, abs=1e-14)
        assert np.linalg.norm(np.subtract(*result.witnesses)) == pytest.approx(result.distance)
    else:
        assert result.status is Status.OVERLAPPING
        assert result.distance <= 1e-10


@LAWS
@given(seed=st.integers(0, 10**6))
def test_symmetry(seed):
    a, b = map(fg.ConvexHull, pair(seed))
    there, back = fg.separate(a, b), fg.separate(b, a)
    assert there.status is back.status
    assert there.distance == pytest.approx(back.distance, rel=1e-8, abs=1e-10)
    if there.status is Status.SEPARATED:
        np.testing.assert_allclose(there.normal, -back.normal, atol=1e-6)


@LAWS
@given(seed=st.integers(0, 10**6))
def test_a_single_point_is_a_projection(seed):
    a, _ = pair(seed)
    query = np.random.default_rng(seed + 1).normal(size=(1, 3)) * 4
    hull = fg.ConvexHull(a)
    projected = hull.project(query, rtol=1e-9).distance[0]
    assert fg.separate(hull, fg.ConvexHull(query)).distance == pytest.approx(projected, rel=1e-8, abs=1e-10)


@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1e3, 1e12])
def test_scale(scale):
    a, b = pair(7)
    one = fg.separate(fg.ConvexHull(a), fg.ConvexHull(b)).distance
    assert fg.separate(fg.ConvexHull(scale * a), fg.ConvexHull(scale * b)).distance == pytest.approx(
        scale * one
    )


def test_touching_hulls_share_their_point():
    left, right = fg.ConvexHull([[0, 0], [1, 0], [0, 1]]), fg.ConvexHull([[1, 0], [2, 0], [2, 1]])
    result = fg.separate(left, right)
    assert result.status is Status.OVERLAPPING
    assert result.certificate.check().tally == {"PROVED": 1}


def test_all_pairs():
    hulls = [fg.ConvexHull(np.random.default_rng(i).normal(size=(9, 2)) + 4 * i) for i in range(4)]
    results = fg.separate_all(hulls)
    assert list(results) == [(i, j) for i in range(4) for j in range(i + 1, 4)]
    for (i, j), result in results.items():
        assert result.distance == pytest.approx(fg.separate(hulls[i], hulls[j]).distance)


def test_different_dimensions_are_refused():
    with pytest.raises(fg.FeatgeomError, match="dimension 1 and 2"):
        fg.separate(fg.ConvexHull([[0.0]]), fg.ConvexHull([[0.0, 1.0]]))


def test_an_iteration_limit_keeps_valid_bounds():
    a, b = pair(11, d=20, gap=9)
    exact = fg.separate(fg.ConvexHull(a), fg.ConvexHull(b))
    short = fg.separate(fg.ConvexHull(a), fg.ConvexHull(b), max_passes=2)
    assert short.lower_bound <= exact.distance
    assert exact.lower_bound <= short.distance
    assert short.certificate.check().tally == {"PROVED": 1}


@pytest.mark.parametrize("seed", range(40))
def test_inner_products_lead_to_the_same_answers(seed, monkeypatch):
    """Where hulls touch or overlap they have too few digits, and all coordinates are looked at again."""
    rng = np.random.default_rng(seed)
    d, gap = int(rng.integers(1, 40)), float(rng.choice([0, 1e-7, 1e-3, 3, 9]))
    a, b = map(fg.ConvexHull, pair(seed, d, gap))
    plain = fg.separate(a, b)
    monkeypatch.setattr(separation, "WIDE", 1)
    found = fg.separate(a, b)
    assert found.status is plain.status
    assert found.certificate.check().tally == {"PROVED": 1}
    assert found.distance == pytest.approx(plain.distance, rel=1e-9, abs=1e-12)
    if plain.status is Status.SEPARATED and plain.distance > 1e-3:
        assert found.distance - found.lower_bound <= 1e-9 * found.distance + 1e-12
        np.testing.assert_allclose(found.normal, plain.normal, atol=1e-7)
    short = fg.separate(a, b, max_passes=2)
    assert short.lower_bound <= plain.distance
    assert plain.lower_bound <= short.distance


def test_hulls_of_many_supports_take_few_looks(monkeypatch):
    """Two hulls of which half of all points hold the distance; one by one it takes a look for each."""
    rng = np.random.default_rng(0)
    a, b = (fg.ConvexHull((rng.normal(size=(200, 300)) + off).astype(np.float32)) for off in (0, 0.3))
    monkeypatch.setattr(separation, "minimum_norm", None)  # which takes all coordinates for every step
    found = fg.separate(a, b)
    assert found.weights[0].nnz + found.weights[1].nnz > 100
    assert found.stats.passes < 20
    assert found.distance - found.lower_bound <= 1e-9 * found.distance
    assert found.certificate.check().tally == {"PROVED": 1}


def test_weights_of_both_sides_are_matched():
    rng = np.random.default_rng(1)
    for m, n in ((1, 1), (1, 9), (30, 4), (200, 300)):
        left, right = rng.random(m) ** 8, rng.random(n) ** 8
        i, j, shares = separation.matched(left / left.sum(), right / right.sum())
        assert len(shares) < m + n
        np.testing.assert_allclose(np.bincount(i, shares, m), left / left.sum(), atol=1e-15)
        np.testing.assert_allclose(np.bincount(j, shares, n), right / right.sum(), atol=1e-15)


def test_cat_and_dog_of_resnet20():
    folder = os.environ.get("FEATGEOM_DATA")
    file = Path(folder or "") / "features" / "resnet20.npz"
    if not folder or not file.exists():
        pytest.skip("FEATGEOM_DATA does not name a folder with features/resnet20.npz")
    data = np.load(file)
    right = data["logits_train"].argmax(axis=1) == data["y_train"]
    cat, dog = (fg.ConvexHull(data["features_train"][(data["y_train"] == c) & right]) for c in (3, 5))
    result = fg.separate(cat, dog)
    assert result.status is Status.SEPARATED
    assert result.distance == pytest.approx(0.2395196, abs=5e-8)
    assert result.distance - result.lower_bound <= 1e-9 * result.distance
    assert result.weights[0].nnz + result.weights[1].nnz == 45
