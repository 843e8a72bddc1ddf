"""How far samples are from a change of class, in pixels and in features: the study of a run."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import spearmanr

from featgeom.arrays import Float64
from featgeom.boundaries.directions import DirectionSpectrum, direction_spectrum
from featgeom.boundaries.flips import flip_points
from featgeom.boundaries.ties import FlipPoints
from featgeom.certificates.claim import Claim
from featgeom.certificates.pixels import MovedImage
from featgeom.errors import Unsupported
from featgeom.exact.rounding import rounded_up
from featgeom.pixels.flips import PixelFlips, pixel_flips
from featgeom.pixels.lower_bounds import pixel_lower_bounds
from featgeom.proofs import pixels as proof
from featgeom.proofs.proof import Found, proved
from featgeom.runs.record import Column, Finding, Record, Table, shown
from featgeom.runs.run import Run
from featgeom.runs.subjects import rows_of
from featgeom.status import Status
from featgeom.studies.asking import Asked
from featgeom.studies.proved_balls import proved_balls

SHOWN = 8  # samples whose images are drawn, spread evenly over the distances found
QUANTILES = (0.0, 0.1, 0.5, 0.9, 1.0)


def study(run: Run, device: str = "cpu", progress: bool = False, *, samples: int, proved: int) -> Record:
    """The closest class changes found in pixel space, beside the exact ones in feature space.

    Asked of a seeded draw of the question split. A pixel distance is an upper bound, verified by running the
    network on both sides; where the network's operations allow it, a lower bound stands beside it. A feature
    distance is exact over all of R^d, whether or not images reach it. The matrix of the directions flip −
    sample is studied in both spaces (arXiv 1903.08789).
    """
    features = run.features(run.question_split)
    rows = np.sort(np.random.default_rng(run.seed).permutation(len(features))[:samples])
    points = np.asarray(features.features[rows], np.float64)
    classifier = run.classifier(device)
    images = run.images(run.question_split).pixels(rows)
    asked = Asked(run, device, classifier, rows, images, progress)
    pixels = asked.answers(pixel_flips, "pixel flips")
    lower, refused = _lower_bounds(asked)
    balls = proved_balls(asked, min(proved, len(rows)))
    exact = flip_points(features.head, points)
    found, distance = pixels.status == Status.SOLVED, rounded_up(pixels.distance, images[0].size)
    landed = np.asarray(classifier.features(pixels.images), np.float64)
    travelled = np.where(found, np.linalg.norm(landed - points, axis=1), np.nan)
    both = found & np.isfinite(exact.distance)
    directions = np.where(found[:, None], pixels.directions, np.nan)
    spectra = {
        "pixel": direction_spectrum(np.zeros_like(directions), directions)[None],
        "feature": direction_spectrum(points, exact.point)[None],
    }
    values = {
        "samples": len(rows),
        "found": int(found.sum()),
        "same_class": float((pixels.classes[both, 1] == exact.classes[both, 1]).mean())
        if both.any()
        else None,
        "rank_correlation": float(spearmanr(pixels.distance[both], exact.distance[both])[0])
        if both.sum() > 2
        else None,
        "detour": float(np.median(travelled[both] / exact.distance[both])) if both.any() else None,
        "median_pixel": _median(distance),
        "median_feature": _median(exact.distance),
        "lower": None if lower is None else _interval(lower, distance),
        "lower_refused": refused,
        "proof_refused": balls.refused,
        "directions": {name: _spectrum_values(spectrum) for name, spectrum in spectra.items()},
        "bounds": list(classifier.pixels.bounds),
        "drawn": _spread(distance),
    }
    low, high = classifier.pixels.bounds
    flat, start = (x[found].reshape(int(found.sum()), images[0].size) for x in (pixels.images, images))
    about = rows_of(f"{run.question_split}/features", rows)
    claims: dict[str, Claim] = {"feature-flips": exact.certificate.named(points=about, domain="space")}
    if found.any():
        moved = MovedImage(start, flat, low, high, distance[found])
        claims["images"] = moved.named(
            **{name: rows_of(f"record/{name}", np.flatnonzero(found)) for name in ("start", "images")}
        )
    if balls.claim is not None:
        claims["pixel-balls"] = balls.claim
    if len(exact.certificate_empty):
        claims["no-flip"] = exact.certificate_empty.named(domain="space")
    arrays = {
        "rows": rows,
        "pixel_distance": distance,
        **({} if lower is None else {"pixel_lower_bound": lower}),
        **({"pixel_proved": balls.radius} if proved else {}),
        "pixel_classes": pixels.classes,
        "feature_distance": exact.distance,
        "feature_classes": exact.classes,
        "travelled": travelled,
        "start": images,
        "images": pixels.images,
        "pixel_singular_values": spectra["pixel"].singular_values,
        "feature_singular_values": spectra["feature"].singular_values,
        "pixel_pivots": rows[spectra["pixel"].pivots],
        "feature_pivots": rows[spectra["feature"].pivots],
    }
    return Record(
        tuple(_findings(values, Found.of(run, claims).beside(arrays))),
        values,
        (
            _distance_table(run.question_split, pixels, lower, balls.radius, exact, travelled),
            _direction_table(spectra, images[0].size, points.shape[1]),
        ),
        arrays,
        claims,
        {"samples": len(rows), "seed": run.seed, "proved": min(proved, len(rows))},
    )


def _lower_bounds(asked: Asked) -> tuple[Float64 | None, str | None]:
    """Lower bounds on the pixel distances, or why there are none."""
    try:
        found = asked.answers(pixel_lower_bounds, "lower bounds")
    except Unsupported as error:
        return None, str(error).removeprefix("no bounds: ")
    return found.lower_bound, None


def _interval(lower: Float64, upper: Float64) -> dict[str, Any]:
    """The median distance lies between the medians of its bounds, those that are 0 or inf included."""
    both = (lower > 0) & np.isfinite(upper)
    return {
        "positive": int((lower > 0).sum()),
        "never": int(np.isinf(lower).sum()),
        "median_lower": float(np.median(lower)),
        "median_upper": float(np.median(upper)),
        "median_ratio": float(np.median(lower[both] / upper[both])) if both.any() else None,
    }


def _median(distance: Float64) -> float | None:
    finite = distance[np.isfinite(distance)]
    return float(np.median(finite)) if len(finite) else None


def _spread(distance: Float64) -> list[int]:
    """Some of the samples with a flip, from the nearest to the farthest."""
    order = np.argsort(distance, kind="stable")[: int(np.isfinite(distance).sum())]
    return (
        [int(i) for i in order[np.unique(np.linspace(0, len(order) - 1, SHOWN).astype(int))]]
        if len(order)
        else []
    )


def _condition(spectrum: DirectionSpectrum) -> float | None:
    """Largest over smallest singular value above rounding: the condition number on the span."""
    values = spectrum.singular_values[: spectrum.rank]
    return float(values[0] / values[-1]) if len(values) else None


def _ninety(spectrum: DirectionSpectrum) -> int | None:
    return int(np.searchsorted(spectrum.explained, 0.9)) + 1 if spectrum.count else None


def _spectrum_values(spectrum: DirectionSpectrum) -> dict[str, Any]:
    return {
        "count": spectrum.count,
        "rank": spectrum.rank,
        "condition": _condition(spectrum),
        "ninety": _ninety(spectrum),
    }


def _findings(values: dict[str, Any], said: Found) -> list[Finding]:
    low, high = values["bounds"]
    text = f"A change of class was found and verified in pixel space for {values['found']} of "
    text += f"{values['samples']} samples"
    if values["found"]:
        text += (
            f", at a median distance of {values['median_pixel']:.4g} (pixel values in [{low:g}, {high:g}])"
        )
    findings = [Finding(text + ".")]
    findings += proved(said, proof.flipped_images)
    findings.append(Finding(_lower_text(values)))
    findings += proved(said, proof.proved_balls)
    if values["proof_refused"]:
        findings.append(Finding(f"No ball in pixel space is proved: {values['proof_refused']}."))
    if values["rank_correlation"] is not None:
        findings.append(
            Finding(
                f"The nearest class is the same in both spaces for {100 * values['same_class']:.1f} %; the "
                f"rank correlation of the two distances is {values['rank_correlation']:.3f}. On the way to "
                f"its pixel flip the feature moves {values['detour']:.2f} times the distance to its own "
                f"nearest boundary (median)."
            )
        )
    findings += proved(said, proof.feature_flips)
    return findings


def _lower_text(values: dict[str, Any]) -> str:
    lower = values["lower"]
    if lower is None:
        return f"Distances in pixel space are bounded from above alone: {values['lower_refused']}."
    if not lower["positive"]:
        return (
            "No sample has a positive lower bound on its distance in pixel space: through so many layers "
            "the bounds on what the network computes say nothing."
        )
    parts = []
    if lower["never"]:
        parts.append(f"For {lower['never']} samples no image inside the bounds has another class.")
    if np.isfinite(lower["median_lower"]):
        parts.append(
            f"The median distance to the nearest change of class in pixel space lies between "
            f"{shown(lower['median_lower'])} and {shown(lower['median_upper'])}; {lower['positive']} of "
            f"{values['samples']} samples have a positive lower bound."
        )
    if lower["median_ratio"] is not None:
        parts.append(f"It is {lower['median_ratio']:.3g} of the distance found (median).")
    return " ".join(parts)


def _distance_table(
    split: str,
    pixels: PixelFlips,
    lower: Float64 | None,
    radius: Float64,
    exact: FlipPoints,
    travelled: Float64,
) -> Table:
    named = {
        **({} if lower is None else {"pixel space, lower bound": lower}),
        **({"pixel space, proved": radius[radius > 0]} if radius.any() else {}),
        "pixel space, found": pixels.distance,
        "feature space, exact": exact.distance,
        "feature space, travelled by the pixel flip": travelled,
        "travelled / exact": travelled / exact.distance,
    }
    kept = {name: d[np.isfinite(d)] for name, d in named.items()}
    heads = ("least", "10 %", "median", "90 %", "greatest")
    return Table(
        "distances",
        f"Distance of {len(travelled)} {split} samples to the nearest change of class",
        (Column("distance"), Column("samples"), *(Column(head) for head in heads)),
        tuple(
            (name, len(d), *(np.quantile(d, QUANTILES).tolist() if len(d) else [None] * len(QUANTILES)))
            for name, d in kept.items()
        ),
        "A pixel distance is the best that a local search found: the true one is at most that, and at least "
        "the lower bound, which holds for the network in real arithmetic and is computed in float64.",
    )


def _direction_table(spectra: dict[str, DirectionSpectrum], m: int, d: int) -> Table:
    return Table(
        "directions",
        "The matrix of directions flip − sample",
        (
            Column("space"), Column("dimension"), Column("directions"), Column("rank"),
            Column("condition on the span"), Column("components for 90 %"),
            Column("last pivot / first"),
        ),
        tuple(
            (
                name, {"pixel": m, "feature": d}[name], s.count, s.rank, _condition(s), _ninety(s),
                float(s.pivot_lengths[max(s.rank, 1) - 1] / s.pivot_lengths[0]) if s.count else None,
            )
            for name, s in spectra.items()
        ),
        "Not centred. Condition: largest over smallest singular value above rounding. Components: how many "
        "carry 90 % of the squared length. Pivots: QR with pivoting, which orders the samples by what their "
        "direction adds to those before; the order is in the record.",
    )  # fmt: skip
