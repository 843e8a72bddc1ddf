"""Statements are about the numbers that are printed: at the same scale, with the same constant."""

import numpy as np
import pytest

import featgeom as fg
from featgeom.certificates.pixels import ReachedFeatures


@pytest.mark.parametrize(("c", "least"), [(0.1, 0.18), (0.25, 0.375), (np.inf, 0.5)])
def test_the_machine_of_two_classes_is_claimed_with_its_own_constant_and_objective(c, least):
    found = fg.max_margin(np.array([[-1.0], [1.0]]), np.array([0, 1]), C=c)  # ½w² + 2C (1 − w)₊
    claim = found.certificate
    assert claim.check().tally == {"PROVED": 1}
    assert claim.c == c
    assert claim.lower <= least <= claim.upper
    assert found.objective == claim.upper == pytest.approx(least)
    assert ("hard-margin" if c == np.inf else f"C = {c:g}") in claim.statement(0)


def test_a_target_of_nothing_has_no_length_to_be_relative_to():
    targets, reached = np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[0.5, 0.0], [3.0, 4.5]])
    claim = ReachedFeatures(targets, reached, np.array([0.5, 0.1]))
    assert claim.check().tally == {"PROVED": 2}
    assert claim.statement(0).endswith("which is zero, are within 0.5 of it")
    assert claim.statement(1).endswith("are within 0.1 of its length")
