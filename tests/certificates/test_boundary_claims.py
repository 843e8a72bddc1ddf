"""Claims about ties: true ones are proved, tampered ones never."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from featgeom import AffineHead, flip_points
from featgeom.status import Status

rng = np.random.default_rng(0)
HEAD = AffineHead(rng.normal(size=(6, 3)), rng.normal(size=6))
Z = np.abs(rng.normal(size=(5, 3)))
CLAIMS = {
    "tie": flip_points(HEAD, Z, "every", "orthant").certificate,
    "nearest": flip_points(HEAD, Z, None, "orthant").certificate,
    "empty": flip_points(HEAD, Z, "every", "orthant").certificate_empty,
}


@pytest.mark.parametrize("name", CLAIMS)
def test_true_claims_are_proved(name):
    claim = CLAIMS[name]
    assert len(claim) > 0
    assert claim.check().tally == {"PROVED": len(claim)}
    assert all(claim.statement(i) for i in range(len(claim)))
    assert set(claim.subjects) & set(claim.evidence()) == set()


def tampered(claim, **changes):
    return replace(claim, **changes).check()


@pytest.mark.parametrize("name", ["tie", "nearest"])
@pytest.mark.parametrize(
    "change",
    [
        lambda c: {"lower_bound": c.distance * (1 + 1e-9)},
        lambda c: {"distance": c.distance * (1 - 1e-9)},
        lambda c: {"error": np.zeros_like(c.error) - 1},
        lambda c: {"point": c.point + 1e-6},
        lambda c: {"point": -c.point - 1},
        lambda c: {"point": c.point[:, :2]},
        lambda c: {"owner": c.owner + 100},
        lambda c: {"owner": c.owner.astype(float)},
        lambda c: {"tied": c.tied + 50},
        lambda c: {"weight": c.weight * 1.01},
        lambda c: {"weight": c.weight[:, :2]},
        lambda c: {"bias": c.bias * np.nan},
        lambda c: {"features": c.features + 0.1},
        lambda c: {"lower": c.lower + 100},
    ],
)
def test_tampered_ties_are_refuted(name, change):
    claim = CLAIMS[name]
    assert (tampered(claim, **change(claim)).status == Status.REFUTED).all()


def test_wrong_multipliers_are_refuted():
    claim = CLAIMS["tie"]
    assert (tampered(claim, multipliers=claim.multipliers * 0.5).status == Status.REFUTED).all()
    assert (tampered(claim, multipliers=claim.multipliers[:, :3]).status == Status.REFUTED).all()


def test_a_nearest_tie_must_exclude_every_rival():
    claim = CLAIMS["nearest"]
    third = HEAD.weight.shape[0]
    none = csr_array((0, third))
    bare = replace(claim, rival_of=np.zeros(0, int), rival=np.zeros(0, int), rival_multipliers=none)
    hyperplane = claim.lower_bound * (1 + 1e-6)
    assert "PROVED" not in replace(bare, lower_bound=hyperplane, distance=hyperplane * 2).check().tally


def test_a_false_absence_is_never_proved():
    ties, empty = CLAIMS["tie"], CLAIMS["empty"]
    for rows in (ties.multipliers, abs(ties.multipliers), -1 * ties.multipliers):
        false = replace(empty, tied=ties.tied, multipliers=csr_array(rows))
        assert "PROVED" not in false.check().tally
    assert "PROVED" not in replace(empty, multipliers=-1 * empty.multipliers).check().tally
