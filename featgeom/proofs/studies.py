"""The proof of each study; a study that is not here proves nothing."""

from __future__ import annotations

from featgeom.proofs import boundaries, hulls, machines, overview, pixels, regions
from featgeom.proofs.proof import Proof

PROOFS: dict[str, Proof] = {
    "overview": overview.PROOF,
    "hulls": hulls.PROOF,
    "regions": regions.PROOF,
    "boundaries": boundaries.PROOF,
    "svm": machines.SVM,
    "retrain": machines.RETRAIN,
    "maps": machines.MAPS,
    "invert": pixels.INVERT,
    "flips": pixels.FLIPS,
    "morph": pixels.MORPH,
    "planes": pixels.PLANES,
    "compare": pixels.COMPARE,
}
NONE = Proof(lambda found: None)
