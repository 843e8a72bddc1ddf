"""The nearest points of two sides' atoms by inner products, however the atoms came and what was forgotten."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from featgeom.hulls import between
from featgeom.hulls.between import Between


def atoms_of(seed, m, d):
    """So many atoms about two middles (the second side's negated), and their sides."""
    rng = np.random.default_rng(seed)
    side = rng.integers(0, 2, m)
    side[:2] = 0, 1
    return rng.normal(size=(m, d)) + np.where(side, -1.5, 1.5)[:, None] * (1 - 2 * side[:, None]) / d, side


def is_nearest(known, atoms, side):
    """Whether the weights are those of a least-norm sum of a point of each side: what optimality means."""
    weights = np.zeros(len(known.rows))
    weights[known.active] = known.weights
    assert (weights >= 0).all()
    assert weights[known.side == 0].sum() == pytest.approx(1, abs=1e-12)
    assert weights[known.side == 1].sum() == pytest.approx(1, abs=1e-12)
    point = weights @ atoms[known.rows]
    heights, size = atoms @ point, np.abs(atoms).max() * atoms.shape[1] ** 0.5
    for k in range(2):
        level = weights[known.side == k] @ heights[known.rows[known.side == k]]
        assert heights[side == k].min() >= level - 1e-11 * size * size
    return point


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("m", "d"), [(12, 3), (60, 40), (400, 90), (700, 600)])
def test_in_whatever_portions_atoms_come_the_answer_is_the_same(seed, m, d):
    atoms, side = atoms_of(seed, m, d)
    whole = Between(d, 1.0)
    whole.add(np.arange(2), side[:2], atoms[:2], np.ones(2))
    whole.add(np.arange(2, m), side[2:], atoms[2:])
    point = whole.solve()
    np.testing.assert_allclose(point, is_nearest(whole, atoms, side), atol=1e-12)

    rng, known = np.random.default_rng(seed), Between(d, 1.0)
    known.add(np.arange(2), side[:2], atoms[:2], np.ones(2))
    ends = np.unique(np.concatenate([rng.integers(2, m, 6), [2, m]]))
    for start, stop in pairwise(ends):
        known.add(np.arange(start, stop), side[start:stop], atoms[start:stop])
        known.solve()
        if rng.random() < 0.3:
            known.factor_anew()
        if rng.random() < 0.3:
            before = known.weights @ atoms[known.rows[known.active]]
            known.forget()
            assert len(known.rows) == len(known.active)
            np.testing.assert_allclose(known.solve(), before, atol=1e-12)
    left_out = np.setdiff1d(np.arange(m), known.rows)
    known.add(left_out, side[left_out], atoms[left_out])
    np.testing.assert_allclose(known.solve(), point, atol=1e-9)
    is_nearest(known, atoms, side)


def test_room_grows_and_keeps_what_is_known():
    atoms, side = atoms_of(3, 3 * between.FIRST, 50)
    known = Between(50, 1.0)
    for start in range(0, len(atoms), 50):
        some = np.arange(start, min(start + 50, len(atoms)))
        known.add(some, side[some], atoms[some], None if start else np.eye(1, 50)[0] + np.eye(1, 50, 1)[0])
        known.solve()
        gram = known._gram[: len(known.rows), : len(known.rows)]
        np.testing.assert_allclose(gram, atoms[known.rows] @ atoms[known.rows].T, atol=1e-12)
    is_nearest(known, atoms, side)


def test_copies_and_points_within_a_side_add_nothing():
    atoms, side = atoms_of(5, 20, 4)
    lone = Between(4, 1.0)
    lone.add(np.arange(20), side, atoms, (np.arange(20) < 2) * 1.0)
    point = lone.solve()
    twice = Between(4, 1.0)
    twice.add(np.arange(40), np.tile(side, 2), np.tile(atoms, (2, 1)), (np.arange(40) < 2) * 1.0)
    np.testing.assert_allclose(twice.solve(), point, atol=1e-12)
    assert len(twice.active) <= 6


def test_atoms_that_are_all_zero_are_their_own_answer_until_others_come():
    for lift in (0.0, 1.0):
        known = Between(3, lift)
        known.add(np.arange(4), np.array([0, 1, 0, 1]), np.zeros((4, 3)), np.array([1.0, 1.0, 0, 0]))
        assert not known.solve().any()
    atoms, side = (
        np.vstack([np.zeros((2, 3)), atoms_of(2, 30, 3)[0]]),
        np.append([0, 1], atoms_of(2, 30, 3)[1]),
    )
    known = Between(3, 1.0)
    known.add(np.arange(2), side[:2], atoms[:2], np.ones(2))
    known.solve()
    known.add(np.arange(2, 32), side[2:], atoms[2:])
    known.solve()
    is_nearest(known, atoms, side)
