"""What is said of pairs of classes costs as much as there are pairs, not as there might be."""

import numpy as np

from featgeom import AffineHead, max_margin
from featgeom.features.features import FeatureSet
from featgeom.proofs.machines import pairs, svm_claims
from featgeom.proofs.proof import Found
from featgeom.runs.subjects import Subjects


def test_machines_of_the_pairs_that_are_there_are_declared_and_no_others(rng):
    count = 60
    features, labels = 5 * np.eye(count) + 0.1 * rng.random((count, count)), np.arange(count)
    part = FeatureSet.of(features, labels, AffineHead(np.eye(count)))
    known, claims = Subjects({"all": part}), {}
    for kind in ("standard", "augmented"):
        for a, b in ((3, 7), (0, 59)) if kind == "standard" else ((3, 7),):
            found = max_margin(features[[a, b]], [0, 1], bias=kind)
            samples = f"all/features of classes {a}, {b} predicted as labelled"
            claims[f"pair-{a}-{b}-{kind}"] = found.certificate.named(samples=samples)
    claims["pair-03-8-standard"] = claims["pair-59-99-standard"] = claims["pair-3-7-standard"]
    about = {name: dict(claim.words) for name, claim in claims.items()}
    found = Found(claims, about, known, part.classes, {})
    svm_claims(found)
    assert {name for name in found.declared if name in claims} == {
        "pair-3-7-standard", "pair-3-7-augmented", "pair-0-59-standard"
    }  # fmt: skip
    assert sorted(found.extra) == ["pair-03-8-standard", "pair-59-99-standard"]
    assert len(found.declared) <= 10
    assert pairs(found) == [(3, 7)]
    assert not found.faults
