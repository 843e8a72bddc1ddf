"""Attacks that once passed a check: evidence of a type that wraps, sums that are no numbers, radii of 0."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from featgeom.certificates.classes import ClassBall
from featgeom.certificates.extent import HullSupport
from featgeom.certificates.farkas import CellsApart, EmptyCell
from featgeom.certificates.machines import Machine
from featgeom.certificates.sections import EmptySection, HullSection
from featgeom.status import Status

LINE = np.array([[1.0], [2.0]])
FLAT = np.array([[1.0, 1, 0], [4, 1, 0], [1, 4, 0]])
ABOVE = FLAT + np.array([[0, 0, 2.0], [0, 0, 3], [0, 0, 4]])
FREE = {"lo": np.array([-np.inf]), "hi": np.array([np.inf]), "vertices": np.zeros((0, 1))}
STEEP = {"weight": np.array([[1e10], [1e9]]), "bias": np.array([0.0, 1e-300])}  # class 0 wins where z ≥ 1
OVERFLOWING = {"multipliers": csr_array([[0.0, 1e300]]), "solved": csr_array((1, 2))}


def machine(weight, multipliers, c, upper):
    """A claim about samples that no machine separates, with a weight that wraps when it is negated."""
    rng = np.random.default_rng(0)
    x, y = np.abs(rng.normal(size=(40, 4))) + 0.1, np.arange(40, dtype=np.int64) % 2
    rows = np.arange(len(multipliers), dtype=np.int64)
    return Machine(x, y, weight, np.zeros(1), rows, multipliers, c, "standard", 0.0, upper)


ATTACKS = {
    "unsigned support": HullSupport(LINE, np.array([[1]], np.uint8), np.array([-255.0]), np.array([-255.0])),
    "unsigned section": HullSection(
        FLAT, np.zeros(3), np.eye(3)[:2], np.array([[1, 0, 0]], np.uint8), np.array([-255.0]),
        np.array([[1.0, 1.0]]), csr_array([[1.0, 0, 0]]), np.zeros(1),
    ),
    "unsigned empty section": EmptySection(
        ABOVE, np.zeros(3), np.eye(3)[:2], np.array([0, 0, 1], np.uint8), -300.0, 20.0
    ),
    "unsigned machine, soft": machine(np.ones((1, 4), np.uint8), np.ones((2, 1), np.int64), 1e6, 4.0),
    "unsigned machine, hard": machine(np.ones((1, 4), np.uint8), np.zeros((0, 1), np.int64), np.inf, 1.0),
    "a slope that is no number": EmptyCell(**STEEP, **FREE, **OVERFLOWING, own=np.array([0])),
    "a tie of which the slope is no number": CellsApart(
        **STEEP, **FREE, **OVERFLOWING, pairs=np.array([[0, 1]])
    ),
    "a ball in a complex box": ClassBall(
        np.array([[3.0, 1.0]]), np.array([[1.0, 0.5], [0.0, 0.0]]), np.zeros(2), np.array([0]),
        np.array([0.0, 1.0 - 3.0j]), np.full(2, np.inf), np.array([1e100]), csr_array([[0.0, 6.0]]),
    ),
    "a ball of radius 0 about a wrong class": ClassBall(
        np.array([[3.0, 1.0]]), np.array([[1.0, 0.5], [0.0, 0.0]]), np.zeros(2), np.array([1]),
        np.full(2, -np.inf), np.full(2, np.inf), np.zeros(1), csr_array([[1.0, 0.0]]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_it_is_not_proved(name):
    assert Status.PROVED not in set(ATTACKS[name].check().status)


def test_slopes_that_are_no_numbers_with_ordinary_weights():
    weight = 2 + np.random.default_rng(0).random((5, 8))
    bias = np.array([0.0, 1, 1, 1, 1]) * 1e-308
    row = np.array([[0.0, *[4.4e307] * 4]])
    free, none = np.full(8, np.inf), np.zeros((0, 8))
    claim = EmptyCell(weight, bias, -free, free, none, np.array([0]), csr_array(row), csr_array((1, 5)))
    assert claim.check().status[0] is not Status.PROVED
