"""Heads and features that the tests of regions share."""

import os
from pathlib import Path

import numpy as np
import pytest

from featgeom.head import AffineHead


@pytest.fixture(scope="session")
def resnet20():
    folder = os.environ.get("FEATGEOM_DATA")
    if not folder:
        pytest.skip("FEATGEOM_DATA is not set: no real features")
    path = Path(folder) / "features" / "resnet20.npz"
    if not path.exists():
        pytest.skip(f"{path} is missing: no real features")
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


HEADS = {
    "generic": AffineHead(np.random.default_rng(1).standard_normal((5, 4)), np.arange(5) / 10),
    "two classes": AffineHead([[1.0, -2.0, 0.5, 0.0], [0.5, 1.0, 0.0, 0.0]], [0.25, 0.0]),
    "equal rows": AffineHead([[1.0, 0, 0, 0], [1.0, 0, 0, 0], [0, 1.0, 1.0, -1.0]], [0.0, 0.0, 0.5]),
    "equal weights": AffineHead([[1.0, 0, 0, 0], [1.0, 0, 0, 0], [0, 1.0, 1.0, -1.0]], [0.0, -1.0, 0.5]),
    "zero rows": AffineHead(np.zeros((3, 4)), [0.0, 1.0, 0.5]),
    "all zero": AffineHead(np.zeros((3, 4))),
    "one class emptied": AffineHead([[1.0, 2, 0, 0], [-1.0, 1, 1, 1], [0.0, 1, 0, 0]], [0.0, 0.0, -9.0]),
    "float32": AffineHead(np.random.default_rng(2).standard_normal((4, 4)).astype(np.float32)),
}


@pytest.fixture(params=HEADS.values(), ids=HEADS.keys())
def head(request):
    return request.param
