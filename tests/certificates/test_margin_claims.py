"""A tampered claim about a machine is never proved."""

from dataclasses import replace

import numpy as np
import pytest

import featgeom as fg
from featgeom import Status


def verdict(claim):
    return claim.check().status[0]


@pytest.fixture(
    params=[(2, np.inf, "standard"), (3, np.inf, "augmented"), (3, 0.5, "standard"), (2, 0.5, "none")]
)
def claim(request):
    classes, c, bias = request.param
    rng = np.random.default_rng(classes)
    y = np.arange(40) % classes
    x = 5 * np.eye(4)[y] + 0.5 * rng.normal(size=(40, 4))
    claim = fg.max_margin(x, y, C=c, bias=bias).certificate
    assert verdict(claim) == Status.PROVED
    return claim


def changed(array, where, value):
    copy = array.copy()
    copy[where] = value
    return copy


TAMPERINGS = {
    "a better upper bound": lambda c: {"upper": c.lower * (1 - 1e-6), "lower": c.lower * (1 - 1e-5)},
    "a better lower bound": lambda c: {"lower": c.upper * (1 + 1e-6), "upper": c.upper * (1 + 1e-5)},
    "bounds the wrong way round": lambda c: {"lower": c.upper * 1.1},
    "a smaller weight": lambda c: {"weight": c.weight * 0.9, "upper": c.upper * 0.9},
    "NaN in the weight": lambda c: {"weight": changed(c.weight, (0, 0), np.nan)},
    "a bound that is no number": lambda c: {"upper": np.nan},
    "another sample's multipliers": lambda c: {"rows": np.roll(c.rows, 1)},
    "a sample that is not there": lambda c: {"rows": changed(c.rows, 0, len(c.x))},
    "a sample twice": lambda c: {"rows": changed(c.rows, 0, c.rows[1])},
    "negative multipliers": lambda c: {"multipliers": -c.multipliers},
    "multipliers that are not whole": lambda c: {"multipliers": c.multipliers * 1.0},
    "no multipliers": lambda c: {"rows": c.rows[:0], "multipliers": c.multipliers[:0]},
    "another label": lambda c: {"y": changed(c.y, c.rows[0], (c.y[c.rows[0]] + 1) % len(c.weight))},
    "a label of no class": lambda c: {"y": changed(c.y, 0, len(c.weight))},
    "a bias of another length": lambda c: {"bias": c.bias[:1]},
    "another kind of bias": lambda c: {"freedom": "free"},
    "a C that is no number": lambda c: {"c": np.nan},
}


@pytest.mark.parametrize("tampering", TAMPERINGS.values(), ids=TAMPERINGS.keys())
def test_a_tampered_machine_is_refuted(claim, tampering):
    assert verdict(replace(claim, **tampering(claim))) == Status.REFUTED


def test_a_violated_sample_is_found(claim):
    # The sample moves to the far side of the machine; nothing else is touched.
    moved = changed(claim.x, 0, claim.x[claim.y != claim.y[0]].mean(axis=0) * 2)
    assert verdict(replace(claim, x=moved)) == Status.REFUTED


def test_unbalanced_multipliers_prove_nothing_of_a_free_bias():
    x = np.array([[0.0, 0.0], [0.0, 1.0], [4.0, 0.0]])
    claim = fg.max_margin(x, [0, 0, 1]).certificate
    whole = changed(claim.multipliers, (0, 1), claim.multipliers[0, 1] + 1)
    assert "balance" in replace(claim, multipliers=whole).check().reasons[0]


def test_a_tampered_contradiction_is_not_proved():
    x, y = np.array([[0.0], [1.0], [2.0], [5.0]]), np.array([0, 1, 0, 1])
    claim = fg.max_margin(x, y).certificate
    assert verdict(claim) == Status.PROVED
    for changes in (
        {"y": np.array([0, 0, 1, 1])},
        {"sample": np.roll(claim.sample, 1)},
        {"sample": claim.sample[:-1], "rival": claim.rival[:-1]},
        {"sample": claim.sample[:0], "rival": claim.rival[:0]},
        {"sample": claim.sample + 10},
        {"rival": 1 - claim.rival},
        {"x": x[:, :0]},
    ):
        assert verdict(replace(claim, **changes)) != Status.PROVED
