"""The page of explained images: one file, no script, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featgeom.answers.explained_words import sentences
from featgeom.answers.explaining import Explanation, TrainingImage
from featgeom.data.images import ImageSet
from featgeom.figures.images import amplified
from featgeom.report.between import address
from featgeom.report.policy import content_policy
from featgeom.report.shell import filled, resource
from featgeom.runs.again import images_of

if TYPE_CHECKING:
    from featgeom.runs.run import Run

MIXTURE = "The mixture of training images that is the nearest point of the hull of its class"


def explain_page(run: Run, explained: Sequence[Explanation]) -> str:
    """The page of images that `explain` explained."""
    known = images_of(run, run.reference_split)
    model, data = run.asked["model"], run.asked["data"]
    return filled(
        resource("explain.html", "featgeom.answers"),
        title=f"{model['name']} on {data['name']}",
        style=resource("report.css"),
        policy=content_policy([]),
        explained=[shown(run, one, known) for one in explained],
    )


def shown(run: Run, one: Explanation, known: ImageSet | None) -> dict[str, Any]:
    """What a page shows of one explanation, with pictures as addresses; ``known`` are the training images."""
    rest = one.facts["mixture_rest"]
    note = f"{rest:,} more have smaller weights." if rest else ""
    rows: list[tuple[str, list[dict[str, Any]], str]] = [
        (MIXTURE, [_training(run, image, known, "{:.1%} {}") for image in one.mixture], note),
        (
            "The nearest training images",
            [_training(run, i, known, "{:.4g} away, {}") for i in one.neighbours],
            "",
        ),
    ]
    if one.flip is not None and one.image is not None:
        before, after = (shown_pixels(run, pixels) for pixels in (one.image, one.flip))
        change, factor = amplified(after, before, (0.0, 1.0))
        three = [
            (before, f"{one.facts['prediction']}"),
            (after, f"{one.facts['flip_class']}"),
            (change, f"difference, {factor:.3g} times as large"),
        ]
        pictures = [{"image": address(pixels[None]), "alt": text, "caption": text} for pixels, text in three]
        rows.append(("The closest image found at which the class changes", pictures, ""))
    return {
        "name": one.name,
        "prediction": one.facts["prediction"],
        "image": None if one.image is None else address(shown_pixels(run, one.image)[None]),
        "said": list(sentences(one, run)),
        "strip": strip(one),
        "way": [_training(run, i, known, "{:.4g} from the middle, {}") for i in one.way],
        "rival": one.facts["rival"],
        "rows": [row for row in rows if row[1]],
    }


def strip(one: Explanation) -> list[dict[str, Any]]:
    """The classes on the straight way to the rival's mean: where each begins and how long, in percent."""
    ends = [0.0, *one.facts["path_changes"], 1.0]
    return [
        {"class": name, "from": 100 * low, "wide": 100 * (high - low)}
        for name, low, high in zip(one.facts["path"], ends, ends[1:])
    ]


def _training(run: Run, image: TrainingImage, known: ImageSet | None, how: str) -> dict[str, Any]:
    name = f"{run.reference_split}:{image.row}"
    picture = None if known is None else address(shown_pixels(run, known.images[image.row])[None])
    caption = f"{how.format(image.value, image.label)} ({name})"
    return {"image": picture, "alt": f"{name}, {image.label}", "caption": caption}


def shown_pixels(run: Run, pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Pixels on the scale from 0 to 1, whatever the bounds of the run's pixel space."""
    if pixels.dtype == np.uint8:
        return (pixels / np.float32(255)).astype(np.float32)
    low, high = run.asked["model"].get("pixels", {}).get("bounds") or (0.0, 1.0)
    return ((pixels - low) / (high - low)).astype(np.float32)
