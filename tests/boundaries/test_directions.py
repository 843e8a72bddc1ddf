"""Laws of flip directions and of the ambiguity ranking."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from featgeom import AffineHead, ambiguity, direction_spectrum, flip_points
from featgeom.errors import BadArgument


def test_flips_without_bounds_span_the_head_differences():
    rng = np.random.default_rng(0)
    head = AffineHead(rng.normal(size=(5, 9)), rng.normal(size=5))
    z = rng.normal(size=(200, 9))
    spectra = direction_spectrum(z, flip_points(head, z).point, head.classify(z))
    assert spectra[None].rank == 4  # differences of five rows
    assert spectra[None].condition == np.inf
    assert sum(s.count for k, s in spectra.items() if k is not None) == spectra[None].count == 200


@pytest.mark.parametrize("shape", [(3, 8), (8, 8), (50, 6), (1, 4)])
def test_spectrum_is_that_of_the_matrix(shape):
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=shape)
    found = direction_spectrum(np.zeros(shape), matrix)[None]
    np.testing.assert_allclose(found.singular_values, np.linalg.svd(matrix, compute_uv=False))
    rebuilt = (matrix @ found.components.T) @ found.components
    np.testing.assert_allclose(rebuilt, matrix, atol=1e-12)
    assert found.explained[-1] == pytest.approx(1)
    if shape[0] >= shape[1]:
        assert found.condition == pytest.approx(np.linalg.cond(matrix))
    # each pivot is the direction farthest from the span of those before it
    for j in range(1, len(found.pivots)):
        basis = np.linalg.qr(matrix[found.pivots[:j]].T)[0]
        rest = np.linalg.norm(matrix - matrix @ basis @ basis.T, axis=1)
        assert rest.max() == pytest.approx(found.pivot_lengths[j])
        assert rest[found.pivots[j]] == pytest.approx(rest.max())


def test_rows_without_a_flip_are_left_out():
    z = np.zeros((4, 2))
    flips = np.array([[np.nan, np.nan], [0, 0], [1, 0], [0, 1.0]])
    spectra = direction_spectrum(z, flips, [0, 0, 1, 1])
    assert (spectra[None].count, spectra[0].count, spectra[1].count) == (2, 0, 2)
    assert set(spectra[None].pivots) == {2, 3}
    with pytest.raises(BadArgument, match="shape of z"):
        direction_spectrum(z, flips[:2])


def test_ambiguity_agrees_with_scipy_and_sklearn():
    rng = np.random.default_rng(2)
    logits, distance = rng.normal(size=(300, 6)), rng.exponential(size=300)
    labels = np.where(rng.uniform(size=300) < 0.7, logits.argmax(axis=1), rng.integers(0, 6, 300))
    found = ambiguity(distance, logits, labels, groups=7)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    top = softmax.max(axis=1)
    np.testing.assert_allclose(found.confidence, top)
    np.testing.assert_allclose(found.log_odds, np.log(top / (1 - top)), atol=1e-9)
    assert found.rank_correlation == pytest.approx(spearmanr(distance, softmax.max(axis=1)).statistic)
    wrong = labels != logits.argmax(axis=1)
    assert found.error_auroc_distance == pytest.approx(roc_auc_score(wrong, -distance))
    assert found.error_auroc_confidence == pytest.approx(roc_auc_score(wrong, -softmax.max(axis=1)))
    for group in (found.by_distance, found.by_confidence):
        assert group.count.sum() == 300
        assert group.accuracy @ group.count == pytest.approx((~wrong).sum())
        assert (np.diff(group.edges) >= 0).all()
    assert (np.diff(distance[found.order]) >= 0).all()


def test_ambiguity_at_the_edges():
    found = ambiguity([np.inf, 1.0], [[900.0, 0.0], [0.0, 800.0]])
    assert found.confidence.tolist() == [1, 1]
    assert found.rank_correlation == pytest.approx(1)  # although both probabilities round to one
    assert found.by_distance is None
    assert np.isnan(ambiguity([1.0, 2.0], np.eye(2), [0, 1]).error_auroc_distance)
    with pytest.raises(BadArgument, match="NaN"):
        ambiguity([np.nan], [[0.0, 1.0]])


def test_two_classes_rank_alike():
    """With two classes flip distance and softmax are both functions of one margin."""
    rng = np.random.default_rng(3)
    head = AffineHead(rng.normal(size=(2, 4)), rng.normal(size=2))
    z = rng.normal(size=(100, 4))
    assert ambiguity(flip_points(head, z).distance, head.logits(z)).rank_correlation == pytest.approx(1)
