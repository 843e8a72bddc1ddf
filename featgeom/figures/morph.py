"""Pictures of morphs: frames straight in pixels and straight in features, and how often classes change."""

from __future__ import annotations

import numpy as np

from featgeom.figures.images import image_grid
from featgeom.figures.style import ONE_COLUMN, Drawing, new_figure
from featgeom.runs.record import Record

TOLERANCE = 1e-6  # of the relative residual of a frame that was found


def draw(record: Record, classes: tuple[str, ...]) -> list[Drawing]:
    """All pictures of a record of morphs."""
    pictures = [frames(record, classes)] if len(record.arrays["pairs"]) else []
    if len(record.arrays["pixel_changes"]):
        pictures.append(changes(record))
    return pictures


def frames(record: Record, classes: tuple[str, ...]) -> Drawing:
    """Two rows for each pair of samples, each frame under its class."""
    a = record.arrays
    rows, titles, labels = [], [], []
    for k, (one, other) in enumerate(a["pairs"]):
        for space in ("pixel", "feature"):
            rows.append(list(a[f"{space}_frames"][k]))
            missed = a["residual"][k] > TOLERANCE if space == "feature" else np.zeros(len(rows[-1]), bool)
            titles.append(
                [classes[c] + (" *" if m else "") for c, m in zip(a[f"{space}_classes"][k], missed)]
            )
            labels.append(f"#{one} → #{other}\n{space}s")
    figure, grid = image_grid(rows, titles, tuple(record.values["bounds"]))
    for axes, label in zip(grid[:, 0], labels):
        axes.set_ylabel(label, fontsize=6)
    caption = (
        "Morphs between pairs of samples: straight in pixel space (upper row of each pair) and straight in "
        "feature space (lower row: images found by inversion, each from the one before), with the class that "
        "the network gives every frame (*: no image with exactly these features was found). The last frame "
        "of a lower row has the features of the second sample, and is another image."
    )
    return Drawing("morph-frames", caption, figure)


def changes(record: Record) -> Drawing:
    """How many segments between samples predicted alike change class how often, in either space."""
    counts = record.arrays["pixel_changes"]
    most = int(counts.max(initial=1))
    figure, axes = new_figure(ONE_COLUMN, 2.3)
    at = np.arange(most + 1)
    axes.bar(at, np.bincount(counts, minlength=most + 1), color="#3f90da", width=0.7)
    axes.set_xticks(at)
    axes.set_xlabel("changes of class along the segment in pixel space")
    axes.set_ylabel("segments")
    stay = record.values["feature_segments_that_stay"]
    caption = (
        f"Straight segments of pixel space between {len(counts)} pairs of samples predicted alike. In "
        f"feature space {stay} of the same {record.values['alike']} segments never change class (proved)."
    )
    return Drawing("morph-changes", caption, figure)
