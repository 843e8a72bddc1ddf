"""Arrays from anywhere become features with a head, or one clear line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import featgeom as fg
from featgeom.errors import BadData

RNG = np.random.default_rng(0)
POINTS, WEIGHT, BIAS = RNG.standard_normal((6, 3)), RNG.standard_normal((4, 3)), RNG.standard_normal(4)
GOOD = {"features": POINTS, "labels": np.array([0, 1, 2, 3, 0, 1]), "weight": WEIGHT, "bias": BIAS}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_keep_their_precision(tmp_path: Path, dtype: type) -> None:
    arrays = {key: value if key == "labels" else value.astype(dtype) for key, value in GOOD.items()}
    np.savez(tmp_path / "f.npz", **arrays)
    found = fg.load_features(tmp_path / "f.npz")
    assert found.features.dtype == dtype
    np.testing.assert_array_equal(found.features, arrays["features"])
    np.testing.assert_array_equal(found.predictions, found.head.logits(found.features).argmax(1))
    assert (found.name, found.split, found.classes) == ("npz:f.npz", "all", ("0", "1", "2", "3"))


BAD = {
    "no 'bias' in it": {"bias": None},
    "features have dimension 2, the head 3": {"features": POINTS[:, :2]},
    "label 4 is out of range for 4 classes": {"labels": np.array([0, 1, 2, 3, 4, 1])},
    "expected 6 labels, got 5": {"labels": np.zeros(5, int)},
    "NaN": {"features": np.where(POINTS[0, 0] == POINTS, np.nan, POINTS)},
    "the logits are not": {"logits": np.ones((6, 4))},
    "3 class names": {"classes": np.array(["a", "b", "c"])},
    "features of up to 1e+200, beyond what float32 holds": {"features": 1e200 * np.sign(POINTS)},
    "logits of up to": {"weight": 1e30 * GOOD["weight"], "features": 1e30 * POINTS},
    "refused": {"features": np.array([object()])},
}


@pytest.mark.parametrize("piece", BAD)
def test_what_does_not_fit_is_refused(tmp_path: Path, piece: str) -> None:
    arrays = {key: value for key, value in {**GOOD, **BAD[piece]}.items() if value is not None}
    np.savez(tmp_path / "f.npz", **arrays)
    with pytest.raises(BadData) as caught:
        fg.load_features(tmp_path / "f.npz")
    assert piece in str(caught.value)
    assert "f.npz" in str(caught.value)


def test_real_features_agree_with_extraction(real_data: Path) -> None:
    given = fg.load_features(real_data / "features/resnet20.npz", split="test")
    images = fg.load_images(f"cifar10:{real_data}/cifar10", split="test").take(slice(500))
    clf = fg.load_classifier(real_data / "checkpoints/resnet20-12fca82f.th", "cifar_resnet20", probe=images)
    found = fg.extract(clf, images)
    np.testing.assert_allclose(found.features, given.features[:500], atol=1e-4)
    np.testing.assert_array_equal(found.head.weight, given.head.weight)
    assert abs(given.accuracy - 0.9173) < 5e-4
