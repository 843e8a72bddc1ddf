"""Any claim, with the arrays it is about named as those of a run, so that it can be stored."""

import numpy as np

from featgeom import AffineHead
from featgeom.features.features import FeatureSet
from featgeom.runs.subjects import Subjects


def named(claim):
    """The claim under words, and the subjects by which these words are found."""
    arrays, words, samples = {}, {}, None
    weight, bias = getattr(claim, "weight", None), getattr(claim, "bias", None)
    if "head" not in claim.subjects:
        weight = None
    for subject, names in claim.subjects.items():
        if subject == "domain":
            words[subject] = domain(claim, arrays)
        elif subject == "samples":
            words[subject], samples = "all/features", (claim.x, claim.y)
        elif subject != "head":
            words[subject], arrays[subject] = f"record/{subject}", getattr(claim, names[0])
    return claim.named(**words), Subjects({"all": part(weight, bias, samples)}, arrays)


def part(weight, bias, samples):
    """Features with the head of a claim, or its samples."""
    if samples is not None:
        x, y = samples
        return FeatureSet.of(x, y, AffineHead(np.zeros((max(2, y.max() + 1), x.shape[1]))))
    if weight is None:
        weight = np.eye(2)
    head = AffineHead(weight, np.zeros(len(weight)) if bias is None else bias)
    return FeatureSet.of(np.zeros((1, head.dimension)), [0], head)


def domain(claim, arrays):
    """The words for a box or a hull."""
    if len(getattr(claim, "vertices", ())):
        arrays["vertices"] = claim.vertices
        return "hull of record/vertices"
    if np.isinf(claim.hi).all():
        return "space" if np.isinf(claim.lo).all() else "orthant"
    arrays["sides"] = np.stack([claim.lo, claim.hi])
    return "box of record/sides"
