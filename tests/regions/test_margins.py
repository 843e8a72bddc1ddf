"""Margins and classes are right to the last bit that is claimed of them."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from featgeom import AffineHead, Cells
from featgeom.regions.margins import float_below


def exact_logits(head, z):
    return [
        sum((Fraction(w) * Fraction(float(x)) for w, x in zip(row, z, strict=True)), Fraction(b))
        for row, b in zip(head.weight.tolist(), head.bias.tolist(), strict=True)
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_margins_enclose_the_exact_ones(head, dtype, scale, rng):
    z = (rng.standard_normal((40, 4)) * scale).astype(dtype)
    found = Cells(head).margins(z)
    for i, row in enumerate(z):
        logits = exact_logits(head, row)
        own = logits.index(max(logits))
        assert found.classes[i] == own
        least = min(logits[own] - v for k, v in enumerate(logits) if k != own)
        assert Fraction(found.smallest[i]) <= least
        assert float(least) - found.smallest[i] <= 1e-12 * (1 + abs(float(max(map(abs, logits)))))
        for k, value in enumerate(logits):
            assert abs(Fraction(found.margins[i, k]) - (logits[own] - value)) <= Fraction(found.error[i, k])


def test_classes_and_margins_are_proved(head, rng):
    for z in (
        rng.standard_normal((60, 4)),
        rng.standard_normal((60, 4)).astype(np.float32),
        np.zeros((1, 4)),
    ):
        found = Cells(head).margins(z)
        verdicts = found.certificate.check()
        assert set(verdicts.tally) == {"PROVED"}, verdicts.reasons
        np.testing.assert_allclose(found.certificate.margin, found.smallest, atol=1e-12)


def test_false_classes_margins_and_safety_are_not_proved(rng):
    head = AffineHead(rng.standard_normal((5, 4)), rng.standard_normal(5))
    claim = Cells(head).margins(rng.standard_normal((60, 4))).certificate
    for wrong in (
        replace(claim, own=(claim.own + 1) % 5),
        replace(claim, margin=claim.margin * (1 + 1e-9)),
        replace(claim, margin=-claim.margin),
        replace(claim, own=claim.own + 5),
    ):
        assert set(wrong.check().tally) == {"REFUTED"}
    near = Cells(AffineHead([[1.0, 1.0], [1.0, 0.0]])).margins([[1.0, 1e-9]]).certificate
    assert replace(near, float32=np.array([True])).check().tally == {"UNDECIDED": 1}


def test_classes_that_float64_cannot_tell_apart_are_told_apart(rng):
    head = AffineHead([[1.0, 1e-30], [1.0, -1e-30], [0.0, 0.0]], [5.0, 5.0, 0.0])
    found = Cells(head).margins([[1.0, -1.0], [1.0, 1.0], [1.0, 0.0]])
    assert found.classes.tolist() == [1, 0, 0]
    assert found.smallest.tolist() == [float_below(2 * Fraction(1e-30))] * 2 + [0.0]
    assert found.rival.tolist() == [0, 1, 1]


def test_overflow_is_decided_exactly():
    found = Cells(AffineHead([[1e200, 0.0], [1e200, 1.0]])).margins([[1e200, 1.0], [1e200, -1.0]])
    assert found.classes.tolist() == [1, 0]
    assert found.smallest.tolist() == [1.0, 1.0]
    assert not found.float32_safe.any()


def test_what_is_safe_in_float32_has_the_same_class_in_any_order(rng):
    head = AffineHead(rng.standard_normal((6, 50)), rng.standard_normal(6))
    z = rng.standard_normal((400, 50))
    z[:, 0] += np.linspace(0, 1e-3, 400)
    midpoints = z[:-1] / 2 + z[1:] / 2
    rows = np.vstack([z, midpoints])
    found = Cells(head).margins(rows)
    assert found.float32_safe.any()
    w, b, x = (a.astype(np.float32) for a in (head.weight, head.bias, rows))
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(50)
        total = np.broadcast_to(b, (len(x), 6)).copy()
        for i in order:
            total = total + x[:, i : i + 1] * w[:, i]
        assert (total.argmax(axis=1) == found.classes)[found.float32_safe].all()


def test_a_margin_below_float32_resolution_is_not_safe():
    head = AffineHead([[1.0, 1.0], [1.0, 0.0]])
    found = Cells(head).margins([[1.0, 1e-9], [1.0, 1e-3]])
    assert found.float32_safe.tolist() == [False, True]


def test_no_features_give_no_margins(head):
    assert Cells(head).margins(np.zeros((0, 4))).margins.shape == (0, head.classes)


def test_blocks_change_nothing(monkeypatch, rng):
    head = AffineHead(rng.standard_normal((3, 4)))
    z = rng.standard_normal((50, 4)).astype(np.float32)
    whole = Cells(head, "orthant").radius(z)
    monkeypatch.setattr("featgeom.regions.margins.BLOCK_ENTRIES", 28)
    parts = Cells(head, "orthant").radius(z)
    np.testing.assert_allclose(parts.radius, whole.radius, rtol=1e-12)
    np.testing.assert_array_equal(parts.rival, whole.rival)
    assert parts.certificate.check().tally == {"PROVED": 50}
