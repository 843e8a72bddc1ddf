"""What the study of boundaries proves: nearest boundaries, segments between means, slices."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from featgeom.arrays import Float64, Ints
from featgeom.certificates.crossings import SegmentCells
from featgeom.certificates.farkas import EmptyTie
from featgeom.certificates.norms import NearestInNorm
from featgeom.certificates.sections import EmptySection, HullSection
from featgeom.certificates.slices import SliceCells
from featgeom.certificates.ties import NearestTie
from featgeom.decimals import bounded, no_less
from featgeom.exact.rounding import over
from featgeom.features.features import FeatureSet
from featgeom.norms import Norm, mahalanobis
from featgeom.proofs.flat import drawn, through
from featgeom.proofs.proof import Found, Must, Proof, Unproved, none, rising
from featgeom.runs.subjects import of_class, rows_of

NEAR = 1e-9  # relative to the greatest entry of a factor: more than sums in another order leave
PAIRS_OF_ALL = 64  # up to so many classes every pair is asked for a tie and a segment of means


def claims(found: Found) -> None:
    """The nearest boundary of every question, segments between means, slices and traces on them."""
    domain = found.subjects.domain
    asked = {"points": f"{found.question}/features", "domain": domain}
    norm = found.settings.get("norm", "2")
    if norm == "2":
        found.must("nearest", NearestTie, **asked)
        found.meant("nearest", owner=rising)
    else:
        stretched = norm == "mahalanobis"
        found.must("nearest", NearestInNorm, **asked)
        found.meant(
            "nearest", order="2" if stretched else norm, factor=stretching(found) if stretched else none
        )
    found.may("no-tie", EmptyTie, domain=domain)
    if len(ends := segments(found)):
        base = f"{found.reference}/means"
        between = {"start": rows_of(base, ends[:, 0]), "end": rows_of(base, ends[:, 1])}
        found.must("means", SegmentCells, **between)
    for number, names in enumerate(found.settings.get("slices", ())):
        found.must(f"slice-{number}", SliceCells)
        corners = np.array([corner(found, name) for name in names])
        through(found, f"slice-{number}", corners)
        for c in {class_of(found, name) for name in names} if found.settings.get("traces") else ():
            if found.count(of := of_class(found.reference, c, True)):
                found.must(f"trace-{number}-{c}", HullSection, EmptySection, points=of)
                through(found, f"trace-{number}-{c}", corners)


def stretching(found: Found) -> Must:
    """What the factor of the Mahalanobis norm must be, but for rounding."""
    own = np.asarray(chosen_norm("mahalanobis", found.subjects.parts[found.reference]).factor)
    same = partial(np.allclose, own, rtol=0, atol=NEAR * np.abs(own).max())
    words = f"be that of the covariance within the classes of {found.reference}"
    return Must(words, lambda factor: factor.shape == own.shape and bool(same(factor)))


def chosen_norm(norm: str, reference: FeatureSet) -> Norm:
    """The norm of that name; Mahalanobis: of the covariance within the classes of the reference features.

    A thousandth of the mean variance is added in every direction, so that the covariance has full rank.
    """
    if norm != "mahalanobis":
        return Norm(float(norm))
    z, labels = np.array(reference.features, np.float64), np.asarray(reference.labels)
    for c in np.unique(labels):
        z[labels == c] -= z[labels == c].mean(axis=0)
    within = z.T @ z / len(z)
    return mahalanobis(within + (1e-3 * np.trace(within) / len(within) or 1.0) * np.eye(len(within)))


def corner(found: Found, name: str) -> Float64:
    """A corner of a slice, (d,): the mean of the class of its name, or the sample of a number such as #17."""
    if name in found.classes:
        return found.subjects.means(found.reference)[found.classes.index(name)]
    return np.asarray(found.subjects.parts[found.question].features[numbered(found, name)], np.float64)


def class_of(found: Found, name: str) -> int:
    """The class of a corner of a slice: that of its name, or that of a sample such as #17."""
    if name in found.classes:
        return found.classes.index(name)
    return int(found.subjects.predicted(found.question)[numbered(found, name)])


def numbered(found: Found, name: str) -> int:
    """The number of the sample that #17 names. Raises Unproved where there is no such sample."""
    number = int(name[1:]) if name[1:].isdecimal() else -1
    if name[:1] != "#" or not 0 <= number < len(found.subjects.parts[found.question].labels):
        raise Unproved(f"there is no class or sample '{name}'")
    return number


def segments(found: Found) -> Ints:
    """The classes between whose means there are segments, (m, 2)."""
    if len(found.classes) > PAIRS_OF_ALL:
        return np.zeros((0, 2), dtype=np.int64)
    present = np.flatnonzero(np.isfinite(found.subjects.means(found.reference)[:, 0]))
    return np.array(list(combinations(present.tolist(), 2)), dtype=np.int64).reshape(-1, 2)


def nearest(found: Found) -> Iterator[str]:
    """How far the nearest boundary is, and how well that is known."""
    claim, n = found["nearest"], found.count(f"{found.question}/features")
    known = np.isfinite(claim.upper)
    if not known.any():
        return
    lower, upper = claim.lower[known], claim.upper[known]
    width = over(((upper - lower) / np.maximum(upper, 1e-300)).max())
    where = "the orthant z ≥ 0" if found.subjects.domain == "orthant" else "all of feature space"
    if isinstance(claim, NearestInNorm):
        where += f" and in {claim.norm}"
    median = bounded(float(np.median(lower)), float(np.median(upper)))
    yield (
        f"The nearest boundary of {int(known.sum()):,} of {n:,} {found.question} samples is known, within "
        f"{where}, to a relative {no_less(max(width, 1e-16), 1)}: median distance {median}, least "
        f"{bounded(float(lower.min()), float(upper.min()))}."
    )


def between_means(found: Found) -> Iterator[str]:
    """Through which cells the straight lines between class means run."""
    ends = segments(found)
    if not len(ends):
        return
    claim = found["means"]
    paths = [claim.cells[claim.first[i] : claim.first[i + 1]].tolist() for i in range(len(claim))]
    detours = [path for path in paths if len(path) > 2]
    text = f"Of {len(ends)} straight segments between class means, {len(detours)} run through a third class"
    if detours:
        text += f", such as {' → '.join(found.classes[k] for k in max(detours, key=len))}"
    error = no_less(claim.error.max(), 1)
    yield f"{text}; each change of class is known to within {error} of the segment's length."


def slices(found: Found) -> Iterator[str]:
    """What the slices show."""
    for number, names in enumerate(found.settings.get("slices", ())):
        claim = found[f"slice-{number}"]
        yield (
            f"On the slice through {', '.join(names)}, {len(claim.classes)} cells tile the window; on each "
            f"no other logit is greater by more than {no_less(claim.error, 1)}."
        )


def arrays(found: Found) -> dict[str, np.ndarray]:
    """The nearest boundaries of all questions; distances are inf where none is known."""
    claim, n = found["nearest"], found.count(f"{found.question}/features")
    distance = np.full(n, np.inf)
    distance[claim.owner if isinstance(claim, NearestTie) else slice(None)] = claim.upper
    return {"distance": distance, "label": np.asarray(found.subjects.parts[found.question].labels)}


def values(found: Found) -> dict[str, Any]:
    """The domain, and what is drawn of each slice."""
    names = found.settings.get("slices", ())
    slices = [{"names": one} | drawn(found[f"slice-{number}"]) for number, one in enumerate(names)]
    return {"domain": found.subjects.domain, "slices": slices}


PROOF = Proof(claims, (nearest, between_means, slices), values=values, arrays=arrays)
