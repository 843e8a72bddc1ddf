"""Images that are of none of a network's classes, as its features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from featgeom.answers.asked import Asking
from featgeom.answers.same_pixels import own_pictures, shown_digests
from featgeom.arrays import Floats
from featgeom.data.sources import absolute_source
from featgeom.errors import BadArgument
from featgeom.remarks import caution

if TYPE_CHECKING:
    from featgeom.runs.run import Run

BATCH = 256


def foreign_features(run: Run, word: str, device: str = "cpu") -> Floats:
    """The features (n, d) that the network of a run has of foreign images, of which a batch is held.

    ``word`` names pictures, a folder or a source, as `Asking` takes them. Labels are not asked for. A picture
    that is one of the run's own images, in 8 bits a value, is left out, which is said.

    Raises BadArgument for a word that names no image, or none but images of the run itself, and BadData for
    one that cannot be read.
    """
    classifier = run.classifier(device)
    asking = Asking(run, classifier)
    asked = asking.images([word])
    if not asked:
        raise BadArgument(f"foreign: '{word}' names no image; give a folder, or a source such as mnist:DIR")
    if asked[0].sample is not None or absolute_source(word) == run.asked["data"]["source"]:
        raise BadArgument(f"foreign: '{word}' are images of {run.folder} itself, of classes that it knows")
    own, parts, left_out = own_pictures(run, classifier.channels), [], []
    for start in range(0, len(asked), BATCH):
        batch = asked[start : start + BATCH]
        pixels = np.stack([image.load() for image in batch])
        known = np.array([digest in own for digest in shown_digests(pixels)])
        left_out += [image.name for image, mine in zip(batch, known, strict=True) if mine]
        if not known.all():
            parts.append(classifier.features(pixels[~known]))
    asking.remarks()
    if not parts:
        raise BadArgument(
            f"foreign: all {len(asked):,} images of '{word}' are images of {run.folder} itself, of classes "
            "that it knows"
        )
    if left_out:
        caution(
            f"foreign: {len(left_out):,} of the {len(asked):,} images of '{word}' are images of {run.folder} "
            f"itself, pixel for pixel, and left out: {left_out[0]}{', ...' if len(left_out) > 1 else ''}"
        )
    return np.concatenate(parts)
