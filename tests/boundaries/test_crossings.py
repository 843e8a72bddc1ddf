"""Laws of crossings: the sequence of cells along a segment is that of exact arithmetic."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from featgeom import AffineHead, Status, crossings
from featgeom.errors import BadArgument
from featgeom.exact.heads import ExactHead


def exact_class(head, a, b, t):
    """The exact winner at parameter t, or None where two tie."""
    exact = ExactHead(head.weight, head.bias)
    logits = [-x - t * (y - x) for x, y in zip(exact.leads(a, 0), exact.leads(b, 0))]
    best = max(logits)
    winners = [k for k, value in enumerate(logits) if value == best]
    return winners[0] if len(winners) == 1 else None


@pytest.mark.parametrize(("classes", "dimension"), [(2, 1), (3, 2), (10, 4), (100, 3), (300, 20)])
def test_agrees_with_exact_argmax(classes, dimension):
    rng = np.random.default_rng(classes)
    head = AffineHead(rng.normal(size=(classes, dimension)), rng.normal(size=classes))
    a, b = 3 * rng.normal(size=(2, 40, dimension))
    found = crossings(head, a, b)
    assert found.certificate.check().tally == {"PROVED": 40}
    for i in range(40):
        cells, t = found.path(i)
        assert (np.diff(t) > 0).all()
        assert (cells[1:] != cells[:-1]).all()
        assert len(set(cells)) == len(cells)  # a convex cell is entered once
        ends = np.concatenate([[0.0], t, [1.0]])
        for k, low, high in zip(cells, ends, ends[1:]):
            middle = (Fraction(float(low)) + Fraction(float(high))) / 2
            assert exact_class(head, a[i], b[i], middle) == k
        logits = head.logits(a[i] + t[:, None] * (b[i] - a[i]))
        top = np.sort(logits, axis=1)[:, -2:]
        assert np.abs(top[:, 1] - top[:, 0]).max(initial=0) < 1e-11


def test_nothing_is_missed_by_dense_sampling():
    rng = np.random.default_rng(1)
    head = AffineHead(rng.normal(size=(30, 5)), rng.normal(size=30))
    a, b = 4 * rng.normal(size=(2, 50, 5))
    found = crossings(head, a, b)
    t = np.linspace(0, 1, 2001)
    for i in range(50):
        sampled = head.classify(a[i] + t[:, None] * (b[i] - a[i]))
        cells, at = found.path(i)
        clear = np.abs(t[:, None] - np.concatenate([at, [-1]])).min(axis=1) > 1e-9
        assert (cells[np.searchsorted(at, t)] == sampled)[clear].all()


def test_reversed_segment_is_the_reversed_path():
    rng = np.random.default_rng(2)
    head = AffineHead(rng.normal(size=(12, 3)), rng.normal(size=12))
    a, b = 3 * rng.normal(size=(2, 20, 3))
    there, back = crossings(head, a, b), crossings(head, b, a)
    for i in range(20):
        assert there.path(i)[0].tolist() == back.path(i)[0].tolist()[::-1]
        np.testing.assert_allclose(there.path(i)[1], 1 - back.path(i)[1][::-1], atol=1e-12)


def test_coinciding_crossings_skip_the_touching_class():
    # at t = 1/2 all three logits are 0; class 1 only touches the envelope there
    head = AffineHead([[-1.0], [0.0], [1.0]])
    cells, t = crossings(head, [[-1.0]], [[1.0]]).path(0)
    assert (cells.tolist(), t.tolist()) == ([0, 2], [0.5])


def test_equal_lines_are_named_by_the_lowest_index():
    head = AffineHead([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [1.0, 5.0]], [0.0, 0.0, 0.0, 0.0])
    cells, t = crossings(head, [[-1.0, 0.0]], [[1.0, 0.0]]).path(0)
    assert (cells.tolist(), t.tolist()) == ([0, 1], [0.5])


@pytest.mark.parametrize(
    ("a", "b", "cells"),
    [
        ([0.0, 0.0], [1.0, 0.0], [0]),  # starts on the boundary and goes into class 0
        ([0.0, 0.0], [0.0, 1.0], [1]),
        ([1.0, 0.0], [0.0, 0.0], [0]),  # ends on the boundary
        ([1.0, 1.0], [2.0, 2.0], [0]),  # runs inside the boundary
        ([2.0, 2.0], [2.0, 2.0], [0]),  # has no length
        ([1.0, 0.0], [0.0, 1.0], [0, 1]),
    ],
)
def test_segments_that_touch_a_boundary(a, b, cells):
    found = crossings(AffineHead(np.eye(2)), [a], [b])
    assert found.path(0)[0].tolist() == cells
    assert found.certificate.check().tally == {"PROVED": 1}


def test_a_piece_shorter_than_rounding_is_found():
    # class 1 leads the crossing of 0 and 2 by 2^-60 logits, far below the rounding of logits near 1
    head = AffineHead([[-1.0, 0.0, 1.0], [0.0, 2.0**-60, 1.0], [1.0, 0.0, 1.0]])
    cells, _ = crossings(head, [[-1.0, 1.0, 1.0]], [[1.0, 1.0, 1.0]]).path(0)
    assert cells.tolist() == [0, 1, 2]


def test_tampering_is_refuted():
    rng = np.random.default_rng(4)
    head = AffineHead(rng.normal(size=(8, 3)), rng.normal(size=8))
    a, b = 3 * rng.normal(size=(2, 6, 3))
    claim = crossings(head, a, b).certificate
    assert (np.diff(claim.first) > 1).all()
    first = np.zeros(len(claim.cells), bool)
    first[claim.first[:-1]] = True
    for change in (
        {"cells": (claim.cells + 1) % 8},
        {"cells": claim.cells + 8},
        {"enter": np.where(first, 0, claim.enter + 1e-6)},
        {"enter": claim.enter * 0.5},
        {"error": -np.ones(6)},
        {"first": claim.first[:-1]},
        {"bias": claim.bias + np.arange(8.0)},
    ):
        assert (replace(claim, **change).check().status == Status.REFUTED).all()


def test_refusals_and_empty():
    head = AffineHead(np.eye(2))
    with pytest.raises(BadArgument, match="shape of z_a"):
        crossings(head, [[1.0, 2.0]], [[1.0, 2.0], [3.0, 4.0]])
    assert len(crossings(head, np.zeros((0, 2)), np.zeros((0, 2))).cells) == 0


def test_real_features(resnet20, resnet20_head):
    z = resnet20["features_test"]
    found = crossings(resnet20_head, z[:2000], z[2000:4000])
    assert (found.cells[found.first[:-1]] == resnet20_head.classify(z[:2000])).all()
    assert (found.cells[found.first[1:] - 1] == resnet20_head.classify(z[2000:4000])).all()
    assert found.changes.max() >= 2
