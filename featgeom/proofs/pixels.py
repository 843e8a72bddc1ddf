"""What the studies of pixels prove, of features as the network gave them and of images as they are stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from featgeom.arrays import Float64, Ints
from featgeom.certificates.classes import ClassMargin
from featgeom.certificates.crossings import SegmentCells
from featgeom.certificates.farkas import EmptyTie
from featgeom.certificates.hulls import HullMembership
from featgeom.certificates.pixel_balls import PixelBall
from featgeom.certificates.pixel_pieces import PixelPolygon, PixelSegment
from featgeom.certificates.pixels import MovedImage, ReachedFeatures
from featgeom.certificates.separations import HullOverlap, HullSeparation
from featgeom.certificates.slices import SliceCells
from featgeom.certificates.ties import NearestTie
from featgeom.decimals import exactly, no_less, no_more
from featgeom.proofs.flat import drawn, through
from featgeom.proofs.proof import Found, Must, Proof, Unproved, rising
from featgeom.runs.subjects import of_class, rows_of

NOBODY = np.zeros(0, dtype=np.int64)
ALIKE = 1e-3  # of the features' length: how far a network that is told may be from the run's


def flip_claims(found: Found) -> None:
    """The nearest flips in feature space, and the images found."""
    asked = rows_of(f"{found.question}/features", found.asked("rows"))
    found.must("feature-flips", NearestTie, points=asked, domain="space")
    found.meant("feature-flips", owner=rising)
    found.may("no-flip", EmptyTie, domain="space")
    balls_claims(found)
    if len(hits := flipped(found)):
        about = {name: rows_of(f"record/{name}", hits) for name in ("start", "images")}
        found.must("images", MovedImage, **about)


def balls_claims(found: Found) -> None:
    """Balls around images in which the class is that of the image."""
    if not len(held := balls_held(found)):
        return
    features, rows = f"{found.question}/features", found.asked("rows")[held]
    about = {"images": rows_of("record/start", held), "features": rows_of(features, rows)}
    found.must("pixel-balls", PixelBall, **about)
    own = found.subjects.predicted(found.question)[rows]
    found.meant("pixel-balls", own=own, norm="2", off=near(found, about["features"]))


def near(found: Found, features: str) -> Must:
    """That a network which is told makes the run's features, nearly."""
    length = lengths(found, features)
    return Must(
        f"be at most {ALIKE:g} of the length of the features", lambda off: bool((off <= ALIKE * length).all())
    )


def lengths(found: Found, features: str) -> Float64:
    """The lengths of the run's features that are called so."""
    return np.linalg.norm(np.asarray(found.subjects.points(features), np.float64), axis=1)


def balls_held(found: Found) -> Ints:
    """Around which of the samples asked a ball is stored; none where none was asked for."""
    return np.flatnonzero(found.record("pixel_proved")) if "pixel_proved" in found.subjects.arrays else NOBODY


def flipped(found: Found) -> Ints:
    """Of which of the samples asked a flip in pixel space is stored."""
    return np.flatnonzero(np.isfinite(found.record("pixel_distance")))


def flipped_images(found: Found) -> Iterator[str]:
    """What holds of the images that were found."""
    claim = found.get("images")
    if claim is not None:
        yield (
            f"The {len(claim):,} images found lie inside [{exactly(claim.low)}, {exactly(claim.high)}] and "
            "are no farther from their samples than stated. Their class is what the network says."
        )


def proved_balls(found: Found) -> Iterator[str]:
    """Within which distances no image has another class."""
    claim = found.get("pixel-balls")
    if claim is None:
        return
    box = f"[{exactly(claim.low)}, {exactly(claim.high)}]"
    least, most = no_more(float(claim.radius.min()), 4), no_more(float(claim.radius.max()), 4)
    alike = no_less(float((claim.off / lengths(found, found.about["pixel-balls"]["features"])).max()), 2)
    yield (
        f"Of {len(claim):,} samples it is proved that no image inside {box} within a radius in pixel space "
        f"has another class: the least radius is {least}, the greatest {most}. This is so of the network "
        f"that the claim tells, a function of real numbers; it makes of these samples the run's "
        f"features, to {alike} of their length."
    )


def feature_flips(found: Found) -> Iterator[str]:
    """Of how many samples the nearest change of class is known."""
    claim, n = found["feature-flips"], len(found.asked("rows"))
    yield (
        f"The nearest change of class in feature space is known for {len(claim):,} of {n:,} samples, between "
        "proved bounds."
    )


def flip_values(found: Found) -> dict[str, Any]:
    """The bounds of pixel space."""
    known = [claim for name in ("images", "pixel-balls") if (claim := found.get(name)) is not None]
    bounds = {(claim.low, claim.high) for claim in known}
    if len(bounds) > 1:
        raise Unproved("its claims are about different bounds of pixel space")
    return {"bounds": list(bounds.pop())} if bounds else {}


def flip_arrays(found: Found) -> dict[str, np.ndarray]:
    """How far each sample is from a change of class, at most; inf where none is known."""
    claim, images, n = found["feature-flips"], found.get("images"), len(found.asked("rows"))
    pixel, feature = np.full((2, n), np.inf)
    feature[claim.owner] = claim.upper
    if images is not None:
        pixel[flipped(found)] = images.distance
    known = {"pixel_distance": pixel, "feature_distance": feature}
    balls = found.get("pixel-balls")
    if balls is None:
        return known
    proved = np.zeros(n)
    proved[balls_held(found)] = balls.radius
    return known | {"pixel_proved": proved}


FLIPS = Proof(
    flip_claims, (flipped_images, proved_balls, feature_flips), values=flip_values, arrays=flip_arrays
)


def inversion_claims(found: Found) -> None:
    """The images found, their features as the network gave them, and whether these lie in hulls."""
    count, n = len(found.record("targets")), len(found.asked("rows"))
    starts = rows_of("record/start", np.tile(np.arange(n), count // n))
    found.must("images", MovedImage, start=starts, images="record/images")
    found.must("features", ReachedFeatures, targets="record/targets", found="record/found")
    found.must("classes", ClassMargin, points="record/found")
    classes = found.record("target_class")
    for c in np.unique(classes).tolist():
        of, mine = of_class(found.reference, c, True), np.flatnonzero(classes == c)
        for name in ("targets", "found") if found.count(of) else ():
            asked = rows_of(f"record/{name}", mine)
            found.must(f"{name}-in-hull-{c}", HullMembership, points=of, queries=asked)


def inverted(found: Found) -> Iterator[str]:
    """What holds of all images."""
    images = found["images"]
    found["features"], found["classes"]
    yield (
        f"All {len(images):,} images lie inside [{exactly(images.low)}, {exactly(images.high)}]; how far "
        "each moved, how near its features (as the network gave them) come to the target, and which class "
        "these get, is certified."
    )


def inversion_values(found: Found) -> dict[str, Any]:
    """The bounds of pixel space."""
    return {"bounds": [found["images"].low, found["images"].high]}


def inversion_arrays(found: Found) -> dict[str, np.ndarray]:
    """How far each image moved and how near its features come, at most, and which class these get."""
    images, features, classes = (found[name] for name in ("images", "features", "classes"))
    return {"moved": images.distance, "residual": features.residual, "class": classes.own}


INVERT = Proof(inversion_claims, (inverted,), values=inversion_values, arrays=inversion_arrays)


def morph_claims(found: Found) -> None:
    """The cells along the segments between samples."""
    found.must("morphs", SegmentCells, start="record/start", end="record/end")
    if len(alike := pairs_alike(found)):
        own = f"{found.question}/features"
        about = {"start": rows_of(own, alike[:, 0]), "end": rows_of(own, alike[:, 1])}
        found.must("alike", SegmentCells, **about)
        if len(held := pieces_held(found)):
            if held[-1] >= len(alike):
                raise Unproved("its array 'pixel_pieces' tells of more pairs than there are")
            names = ("start", "end")
            rows = {f"{name}_features": rows_of(own, alike[held, k]) for k, name in enumerate(names)}
            ends = {name: f"record/proved_{name}" for name in names}
            found.must("pixel-alike", PixelSegment, **ends, **rows)
            found.meant("pixel-alike", **{f"{n}_off": near(found, rows[f"{n}_features"]) for n in names})


def pieces_held(found: Found) -> Ints:
    """Of which pairs predicted alike the pieces of pixel space are stored; none where none was asked for."""
    return np.flatnonzero(found.record("pixel_pieces")) if "pixel_pieces" in found.subjects.arrays else NOBODY


def pairs_alike(found: Found) -> Ints:
    """The pairs (m, 2) of samples asked. Raises Unproved where these are not predicted alike, each once."""
    pairs = found.asked("alike", 2)
    own = found.subjects.predicted(found.question)[pairs]
    if len(np.unique(pairs)) < pairs.size or (own[:, 0] != own[:, 1]).any():
        raise Unproved("its array 'alike' does not tell pairs of samples that are predicted alike")
    return pairs


def alike(found: Found) -> Iterator[str]:
    """How many segments between samples predicted alike stay in their cell."""
    known = morph_values(found)
    if known["alike"]:
        yield (
            f"Of {known['alike']} segments of feature space between two {found.question} samples predicted "
            f"alike {known['feature_segments_that_stay']} never change class."
        )


def alike_in_pixels(found: Found) -> Iterator[str]:
    """How many segments of pixel space change class, and on how many pieces the network is affine."""
    claim = found.get("pixel-alike")
    if claim is None:
        return
    change = int((np.diff(claim.first) > 1).sum())
    least, most = int(claim.pieces.min()), int(claim.pieces.max())
    off = max(
        float(
            (getattr(claim, f"{n}_off") / lengths(found, found.about["pixel-alike"][f"{n}_features"])).max()
        )
        for n in ("start", "end")
    )
    yield (
        f"Of {len(claim)} of these segments in pixel space it is proved that {change} change class, and that "
        f"they fall into between {least:,} and {most:,} pieces on which the network is affine. This is so of "
        f"the network that the claim tells, a function of real numbers; it makes of these samples the run's "
        f"features, to {no_less(off, 2)} of their length."
    )


def morph_values(found: Found) -> dict[str, Any]:
    """How many segments between samples predicted alike stay in their cell."""
    claim = found.get("alike")
    stay = 0 if claim is None else int((np.diff(claim.first) == 1).sum())
    return {"alike": 0 if claim is None else len(claim), "feature_segments_that_stay": stay}


def morph_arrays(found: Found) -> dict[str, np.ndarray]:
    """On how many pieces of each segment the network is affine, 0 where that is not known."""
    claim = found.get("pixel-alike")
    if claim is None:
        return {}
    pieces = np.zeros(len(found.asked("alike", 2)), np.int64)
    pieces[pieces_held(found)] = claim.pieces
    return {"pixel_pieces": pieces}


MORPH = Proof(morph_claims, (alike, alike_in_pixels), values=morph_values, arrays=morph_arrays)


def plane_claims(found: Found) -> None:
    """The partition of each plane, which is the one through three samples."""
    features = found.subjects.parts[found.question].features
    for i, rows in enumerate(found.asked("rows", 3)):
        found.must(f"slice-{i}", SliceCells)
        through(found, f"slice-{i}", features[rows])
        if f"proved_{i}" in found.subjects.arrays:
            own = rows_of(f"{found.question}/features", rows)
            found.must(f"window-{i}", PixelPolygon, images=f"record/proved_{i}", features=own)
            found.meant(f"window-{i}", off=near(found, own))


def plane_values(found: Found) -> dict[str, Any]:
    """Who spans each plane, and what is drawn of it in feature space."""
    said = []
    for i, rows in enumerate(found.asked("rows", 3)):
        shown = drawn(found[f"slice-{i}"], closed=True)
        said.append({"rows": rows.tolist(), "window": shown["window"], "cells": shown["polygons"]})
    return {"planes": said}


def planes(found: Found) -> Iterator[str]:
    """How many cells each plane shows."""
    known = [found[f"slice-{i}"] for i in range(len(found.asked("rows", 3)))]
    if known:
        counts = ", ".join(str(len(claim.classes)) for claim in known)
        error = max(claim.error for claim in known)
        yield (
            "On the planes of feature space through the features of the same samples every class is one "
            f"convex piece: {counts} cells, on each of which no other logit is greater by more than "
            f"{no_less(error, 1)}."
        )


def windows(found: Found) -> Iterator[str]:
    """On how many regions of a window the network is affine."""
    known = [found[name] for name in found.named("window-")]
    if known:
        counts = ", ".join(f"{claim.regions:,}" for claim in known)
        shown = ", ".join(str(len(claim.classes)) for claim in known)
        off = max(
            float((found[name].off / lengths(found, found.about[name]["features"])).max())
            for name in found.named("window-")
        )
        yield (
            f"A small window of {len(known)} of these planes is proved to fall into {counts} regions on "
            f"which the network is affine, with {shown} classes. This is so of the network that the claims "
            f"tell, a function of real numbers; it makes of the three samples the run's features, to "
            f"{no_less(off, 2)} of their length."
        )


PLANES = Proof(plane_claims, (planes, windows), values=plane_values)


def compare_claims(found: Found) -> None:
    """Who lies in the hull of the samples drawn, and which hulls of two classes meet."""
    rows = found.asked("train_rows", of=found.reference)
    base, labels = (
        f"{found.reference}/features",
        np.asarray(found.subjects.parts[found.reference].labels)[rows],
    )
    asked = rows_of(f"{found.question}/features", found.asked("test_rows"))
    found.must("inside", HullMembership, points=rows_of(base, rows), queries=asked)
    present = np.unique(labels).tolist()
    for i, a in enumerate(present):
        for b in present[i + 1 :]:
            about = {f"points_{side}": rows_of(base, rows[labels == c]) for side, c in (("a", a), ("b", b))}
            found.must(f"pair-{a}-{b}", HullSeparation, HullOverlap, **about)


def drawn_inside(found: Found) -> Iterator[str]:
    """How many of the samples asked lie in the hull in feature space."""
    claim, n, of = (
        found["inside"],
        len(found.asked("test_rows")),
        len(found.asked("train_rows", of=found.reference)),
    )
    rest = n - len(claim)
    yield (
        f"In feature space {int(claim.inside.sum()):,} of {n:,} {found.question} samples are proved to lie "
        f"in the hull of {of:,} {found.reference} samples{f', {rest} are undecided' if rest else ''}."
    )


def drawn_apart(found: Found) -> Iterator[str]:
    """How many hulls of two classes are apart."""
    known = [found[name] for name in found.named("pair-")]
    if known:
        apart = sum(isinstance(claim, HullSeparation) and claim.lower > 0 for claim in known)
        together = sum(isinstance(claim, HullOverlap) for claim in known)
        yield (
            f"Of {len(known):,} pairs of class hulls in feature space {apart:,} are proved disjoint and "
            f"{together:,} proved to share a point."
        )


COMPARE = Proof(compare_claims, (drawn_inside, drawn_apart))
