"""Collapse of imbalanced classes: by its definition with every sample in the matrix, and by its theory."""

import numpy as np
import pytest

import featgeom as fg
from featgeom.errors import BadArgument
from featgeom.imbalance import SELI, imbalanced_collapse

COUNTS = [[5, 5, 5], [7, 3, 1], [20, 20, 2, 2, 2], [1, 1], [100, 1, 10, 3]]


def encoded(counts):
    """The labels of every sample, encoded by the simplex: C rows, a column a sample."""
    simplex = np.eye(len(counts)) - 1 / len(counts)
    return simplex[:, np.repeat(np.arange(len(counts)), counts)]


def of_every_sample(counts):
    """Head (C, r) and class means (C, r) of the interpolation, from the matrix of all samples."""
    left, values, right = np.linalg.svd(encoded(counts), full_matrices=False)
    keep = values > 1e-9
    head, features = left[:, keep] * np.sqrt(values[keep]), right[keep].T * np.sqrt(values[keep])
    label = np.repeat(np.arange(len(counts)), counts)
    return head, np.stack([features[label == c].mean(axis=0) for c in range(len(counts))])


@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_it_vanishes_at_the_interpolation_of_every_sample_wherever_it_lies(counts, rng):
    head, means = of_every_sample(counts)
    d = head.shape[1] + 2
    turned = np.linalg.qr(rng.normal(size=(d, d)))[0][:, : head.shape[1]]
    moved = imbalanced_collapse(
        3 * means @ turned.T + rng.normal(size=d), 0.1 * head @ turned.T + rng.normal(size=d), counts
    )
    assert max(moved.head, moved.means, moved.logits) < 1e-6
    assert moved.ratio == max(counts) / min(counts)


@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_the_three_distances_by_plain_loops(counts, rng):
    c = len(counts)
    means, weight = rng.normal(size=(2, c, 6))
    head, ideal = of_every_sample(counts)
    found = imbalanced_collapse(means, weight, counts)

    def distance(products, wanted):
        length = np.sqrt(sum(x**2 for row in products for x in row))
        ideal_length = np.sqrt(sum(x**2 for row in wanted for x in row))
        apart = [products[i][j] / length - wanted[i][j] / ideal_length for i in range(c) for j in range(c)]
        return np.sqrt(sum(x**2 for x in apart))

    def products(a, b):
        a, b = a - a.mean(axis=0), b - b.mean(axis=0)
        return [[sum(x * y for x, y in zip(a[i], b[j], strict=True)) for j in range(c)] for i in range(c)]

    assert found.head == pytest.approx(distance(products(weight, weight), products(head, head)))
    assert found.means == pytest.approx(distance(products(means, means), products(ideal, ideal)))
    assert found.logits == pytest.approx(distance(products(weight, means), products(head, ideal)))


def test_the_interpolation_is_the_optimum_of_features_that_are_free():
    """Least norm of head and features with all margins 1 or more, as a convex program of their products."""
    import cvxpy as cp

    counts = np.array([6, 2, 1])
    label = np.repeat(np.arange(3), counts)
    logits = cp.Variable((3, len(label)))
    margins = [logits[y, i] - logits[j, i] >= 1 for i, y in enumerate(label) for j in range(3) if j != y]
    cp.Problem(cp.Minimize(cp.normNuc(logits)), margins).solve(solver="CLARABEL")
    left, values, right = np.linalg.svd(logits.value, full_matrices=False)
    head, features = left * np.sqrt(values), right.T * np.sqrt(values)
    means = np.stack([features[label == c].mean(axis=0) for c in range(3)])
    found = imbalanced_collapse(means, head, counts)
    assert max(found.head, found.means, found.logits) < 1e-3
    assert imbalanced_collapse(means, head, [1, 1, 1]).head > 0.1


def test_equal_counts_have_the_simplex():
    simplex = np.eye(4) - 1 / 4
    found = imbalanced_collapse(5 * simplex, 2 * simplex, [9, 9, 9, 9])
    assert max(found.head, found.means, found.logits) < 1e-12
    assert np.isnan(found.minority)
    for part in (SELI.of(np.full(4, 9)).head, SELI.of(np.full(4, 9)).means):
        np.testing.assert_allclose(part / np.linalg.norm(part), simplex / np.linalg.norm(simplex))


def test_minority_classes_that_share_a_direction():
    simplex = np.eye(5) - 1 / 5
    counts = [50, 40, 3, 2, 1]
    assert imbalanced_collapse(simplex, simplex, counts).minority == pytest.approx(-1 / 4)
    merged = simplex.copy()
    merged[2:] = simplex[2:].mean(axis=0)
    assert imbalanced_collapse(simplex, merged, counts).minority == pytest.approx(1)
    assert np.isnan(imbalanced_collapse(simplex, simplex, [9, 9, 9, 9, 1]).minority)


def test_orthogonal_means_are_orthogonal_whatever_their_lengths(rng):
    means = np.diag([1.0, 2, 3])
    assert imbalanced_collapse(means, means, [5, 2, 1]).orthogonality == 0
    means = rng.normal(size=(3, 7))
    pairs = [(0, 1), (0, 2), (1, 2)]
    cosines = [means[i] @ means[j] / np.linalg.norm(means[i]) / np.linalg.norm(means[j]) for i, j in pairs]
    found = imbalanced_collapse(means, means, [5, 2, 1])
    assert found.orthogonality == pytest.approx(np.mean(np.abs(cosines)))


def test_what_has_no_direction_is_undefined_and_what_does_not_fit_is_refused():
    nothing = imbalanced_collapse(np.ones((3, 2)), np.ones((3, 2)), [3, 1, 1])
    assert np.isnan([nothing.head, nothing.means, nothing.logits, nothing.minority]).all()
    assert fg.imbalanced_collapse is imbalanced_collapse
    for classes, counts in ((3, [1, 1]), (2, [1, 1, 1]), (3, [1, 1, 0])):
        with pytest.raises(BadArgument):
            imbalanced_collapse(np.ones((classes, 2)), np.ones((3, 2)), counts)
