"""Images that are of none of a network's classes, as its features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from featgeom.answers.asked import Asking
from featgeom.arrays import Floats
from featgeom.data.sources import absolute_source
from featgeom.errors import BadArgument

if TYPE_CHECKING:
    from featgeom.runs.run import Run

BATCH = 256


def foreign_features(run: Run, word: str, device: str = "cpu") -> Floats:
    """The features (n, d) that the network of a run has of foreign images, of which a batch is held.

    ``word`` names pictures, a folder or a source, as `Asking` takes them. Labels are not asked for.

    Raises BadArgument for a word that names no image, or images of the run itself, and BadData for one that
    cannot be read.
    """
    classifier = run.classifier(device)
    asking = Asking(run, classifier)
    asked = asking.images([word])
    if not asked:
        raise BadArgument(f"foreign: '{word}' names no image; give a folder, or a source such as mnist:DIR")
    if asked[0].sample is not None or absolute_source(word) == run.asked["data"]["source"]:
        raise BadArgument(f"foreign: '{word}' are images of {run.folder} itself, of classes that it knows")
    parts = [
        classifier.features(np.stack([image.load() for image in asked[start : start + BATCH]]))
        for start in range(0, len(asked), BATCH)
    ]
    asking.remarks()
    return np.concatenate(parts)
