"""Morphs between samples, straight in pixels and straight in features: the study of a run."""

from __future__ import annotations

import numpy as np

from featgeom.arrays import Ints
from featgeom.boundaries.crossings import crossings
from featgeom.certificates.claim import Claim
from featgeom.models.classifier import Classifier
from featgeom.pixels.derivatives import pixel_function
from featgeom.pixels.morphs import LOOKS, morph
from featgeom.pixels.pictures import gif, strip_png
from featgeom.pixels.segments import ClassPath, class_paths
from featgeom.proofs import pixels as proof
from featgeom.proofs.proof import Found
from featgeom.proofs.proof import proved as said_by
from featgeom.runs.record import Column, Finding, Record, Table
from featgeom.runs.run import Run
from featgeom.runs.subjects import rows_of
from featgeom.status import Status
from featgeom.studies.proved_pieces import proved_segments


def study(
    run: Run,
    device: str = "cpu",
    progress: bool = False,
    *,
    alike: int,
    morphs: int,
    steps: int,
    proved: int,
) -> Record:
    """Segments between samples predicted alike, in either space, and a few morphs as pictures.

    In feature space such a segment stays in its cell, as cells are convex; the record counts how many
    segments of pixel space do not; of the first ``proved`` that is proved, where the network is written out
    and float64 tells its ties. The pictures are figures/morph.png (rows: pixels, features, for each
    pair) and figures/morph-N.gif.
    """
    classifier = run.classifier(device)
    images = run.images(run.question_split).images
    features = run.features(run.question_split)
    points = np.asarray(features.features, np.float64)
    order = np.random.default_rng(run.seed).permutation(len(points))
    predicted = features.head.classify(points[order])
    like = _pairs_alike(order, predicted)[:alike]
    exact = crossings(features.head, points[like[:, 0]], points[like[:, 1]])
    walked = _pixel_paths(classifier, images[like[:, 0]], images[like[:, 1]], progress)
    counted = np.array([len(path.changes) for path in walked], np.int64)
    how = (
        "computed at every point where the network bends"
        if walked and all(path.exact for path in walked)
        else f"looked at {LOOKS} points each: at least so many"
    )

    pairs = order[: 2 * min(morphs, len(order) // 2)].reshape(-1, 2)
    ways = morph(classifier, images[pairs[:, 0]], images[pairs[:, 1]], steps)
    solved = int((ways.status == Status.SOLVED).sum())
    stay = int((exact.changes == 0).sum())
    claims: dict[str, Claim] = {"morphs": ways.certificate.named(start="record/start", end="record/end")}
    if len(like):
        own = f"{run.question_split}/features"
        claims["alike"] = exact.certificate.named(
            start=rows_of(own, like[:, 0]), end=rows_of(own, like[:, 1])
        )
    pieces = proved_segments(run, classifier, like[:proved], progress)
    claims |= pieces.claims
    said = Found.of(run, claims).beside({"alike": like, **pieces.arrays(len(like))})
    return Record(
        (
            *said_by(said, proof.alike),
            *said_by(said, proof.alike_in_pixels),
            *pieces.findings,
            Finding(
                f"Of the straight segments of pixel space between the same samples {(counted > 0).sum()} "
                f"change class ({how})."
            ),
            Finding(f"Of {ways.status.size} frames straight in features {solved} were found as images."),
        ),
        {
            "alike": len(like),
            "feature_segments_that_stay": stay,
            "pixel_segments_that_change": int((counted > 0).sum()),
            "pixel_segments_exact": sum(path.exact for path in walked),
            "frames": ways.status.size,
            "frames_found": solved,
            "bounds": list(classifier.pixels.bounds),
        },
        (_table(run, pairs, ways.pixel_paths, ways.feature_paths),),
        {
            "alike": like,
            "pixel_changes": counted,
            "pairs": pairs,
            "start": ways.certificate.start,
            "end": ways.certificate.end,
            "pixel_frames": ways.pixel_frames,
            "feature_frames": ways.feature_frames,
            "pixel_classes": _classes_of_frames(classifier, ways.pixel_features),
            "feature_classes": ways.feature_classes,
            "residual": ways.residual,
            **pieces.arrays(len(like)),
        },
        claims,
        {"alike": len(like), "looks": LOOKS, "steps": steps, "seed": run.seed, "proved": len(like[:proved])},
        _pictures(ways.pixel_frames, ways.feature_frames, classifier.pixels.bounds),
    )


def _pairs_alike(order: Ints, predicted: Ints) -> Ints:
    """Disjoint pairs (k, 2) of samples of one predicted class, the classes in turn."""
    groups = [order[predicted == c] for c in np.unique(predicted)]
    pairs = [group[: len(group) // 2 * 2].reshape(-1, 2) for group in groups]
    longest = max((len(group) for group in pairs), default=0)
    rows = [group[i] for i in range(longest) for group in pairs if i < len(group)]
    return np.array(rows, dtype=np.int64).reshape(-1, 2)


def _pixel_paths(classifier: Classifier, a: np.ndarray, b: np.ndarray, progress: bool) -> list[ClassPath]:
    """The classes on each straight segment of pixel space."""
    if not len(a):
        return []
    f = pixel_function(classifier, a, "logits")
    return class_paths(classifier, f, f.vectors(a, "images"), f.vectors(b, "images"), LOOKS, progress)


def _classes_of_frames(classifier: Classifier, features: np.ndarray) -> Ints:
    """The head's classes of features (n, s, d): (n, s)."""
    n, s, d = features.shape
    return classifier.head.classify(features.reshape(-1, d)).reshape(n, s)


def _pictures(straight: np.ndarray, inverted: np.ndarray, bounds: tuple[float, float]) -> dict[str, bytes]:
    """The strip of all morphs and one animation each; only grey and colour images make pictures."""
    if straight.shape[2] not in (1, 3):
        return {}
    rows = [frames for pair in zip(straight, inverted, strict=True) for frames in pair]
    animated = {f"figures/morph-{i}.gif": gif(frames, bounds) for i, frames in enumerate(inverted)}
    return {"figures/morph.png": strip_png(rows, bounds), **animated}


def _how(paths: list[ClassPath]) -> str:
    """What is known of changes of class in pixel space."""
    if paths and all(path.exact for path in paths):
        return "So it is in pixel space, computed at every point where the network bends."
    return (
        "In pixel space changes are located to 1e-6 in t; one that comes and goes between two of the "
        f"{LOOKS} points looked at is not seen."
    )


def _table(run: Run, pairs: Ints, pixel: list[ClassPath], feature: list[ClassPath]) -> Table:
    def sequence(path: ClassPath) -> str:
        names = [run.classes[c] for c in path.classes]
        steps = [f"{name} (t = {t:.6f})" for name, t in zip(names[1:], path.changes, strict=True)]
        return " → ".join([names[0], *steps])

    return Table(
        "paths",
        f"Classes along the segments between {run.question_split} samples",
        (Column("from"), Column("to"), Column("straight in pixels"), Column("straight in features")),
        tuple(
            (int(i), int(j), sequence(one), sequence(other))
            for (i, j), one, other in zip(pairs, pixel, feature, strict=True)
        ),
        f"In feature space the sequence is exact. {_how(pixel)}",
    )
