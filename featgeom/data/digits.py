"""The real handwritten digits that come with scikit-learn."""

from __future__ import annotations

import numpy as np

from featgeom.data.images import ImageSet

TEST_IMAGES = 500


def read_digits(split: str) -> ImageSet:
    """8x8 grey digits (Alpaydin and Kaynak 1998), 1,297 for training and 500 for testing.

    The 17 grey levels become k/16, which float32 holds exactly. The split is stratified and always the same.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    data = load_digits()
    rows = np.arange(len(data.target))
    parts = train_test_split(rows, test_size=TEST_IMAGES, stratify=data.target, random_state=0)
    chosen = np.sort(parts[1 if split == "test" else 0])
    images = (data.images[chosen, None] / 16).astype(np.float32)
    return ImageSet(images, data.target[chosen], tuple("0123456789"), "digits", split)
