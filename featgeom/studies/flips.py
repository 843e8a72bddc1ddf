"""How far samples are from a change of class, in pixels and in features: the study of a run."""

from __future__ import annotations

import numpy as np
from scipy.stats import spearmanr

from featgeom.boundaries.flips import flip_points
from featgeom.pixels.flips import pixel_flips
from featgeom.status import Status
from featgeom.studies.record import Column, Finding, Record, Table
from featgeom.studies.run import Run

SAMPLES = 64
QUANTILES = (0.0, 0.1, 0.5, 0.9, 1.0)


def study(run: Run, device: str = "cpu", progress: bool = False) -> Record:
    """The closest class changes found in pixel space, beside the exact ones in feature space.

    Asked of a seeded draw of the question split. A pixel distance is an upper bound, verified by running the
    network on both sides; a feature distance is exact over all of R^d, whether or not images reach it.
    """
    features = run.features(run.question_split)
    rows = np.sort(np.random.default_rng(run.seed).permutation(len(features))[:SAMPLES])
    classifier = run.classifier(device)
    images = run.images(run.question_split).images[rows]
    pixels = pixel_flips(classifier, images)
    exact = flip_points(features.head, np.asarray(features.features[rows], np.float64))
    found = pixels.status == Status.SOLVED
    landed = np.asarray(classifier.features(pixels.images), np.float64)
    travelled = np.where(found, np.linalg.norm(landed - features.features[rows], axis=1), np.nan)
    both = found & np.isfinite(exact.distance)
    same = float((pixels.classes[both, 1] == exact.classes[both, 1]).mean()) if both.any() else None
    rank = float(spearmanr(pixels.distance[both], exact.distance[both])[0]) if both.sum() > 2 else None

    finding = (
        f"A change of class was found and verified in pixel space for {found.sum()} of {len(rows)} samples"
    )
    if found.any():
        finding += f", at a median distance of {np.median(pixels.distance[found]):.4g} (pixel values in "
        finding += f"[{classifier.pixels.bounds[0]:g}, {classifier.pixels.bounds[1]:g}])"
    findings = [Finding(finding + ".")]
    if rank is not None and same is not None:
        findings.append(
            Finding(
                f"The nearest class is the same in both spaces for {100 * same:.1f} %; the rank correlation "
                f"of the two distances is {rank:.3f}."
            )
        )
    named = {
        "pixel space, found": pixels.distance[found],
        "feature space, exact": exact.distance[np.isfinite(exact.distance)],
        "feature space, travelled by the pixel flip": travelled[found],
    }
    heads = ("least", "10 %", "median", "90 %", "greatest")
    table = Table(
        "distances",
        f"Distance of {len(rows)} {run.question_split} samples to the nearest change of class",
        (Column("distance"), Column("samples"), *(Column(head) for head in heads)),
        tuple(
            (name, len(d), *(np.quantile(d, QUANTILES).tolist() if len(d) else [None] * len(QUANTILES)))
            for name, d in named.items()
        ),
        "A pixel distance is the best that a local search found: the true one is at most that.",
    )
    return Record(
        "flips",
        "Changes of class in pixel space",
        tuple(findings),
        {"samples": len(rows), "found": int(found.sum()), "same_class": same, "rank_correlation": rank},
        (table,),
        {
            "rows": rows,
            "pixel_distance": pixels.distance,
            "pixel_classes": pixels.classes,
            "feature_distance": exact.distance,
            "feature_classes": exact.classes,
            "travelled": travelled,
            "images": pixels.images,
        },
        {},
        {"samples": len(rows), "seed": run.seed},
    )
