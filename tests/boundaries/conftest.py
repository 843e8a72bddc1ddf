import os
from pathlib import Path

import numpy as np
import pytest

from featgeom import AffineHead


@pytest.fixture(scope="session")
def resnet20():
    folder = os.environ.get("FEATGEOM_DATA")
    if not folder:
        pytest.skip("FEATGEOM_DATA is not set")
    return np.load(Path(folder) / "features" / "resnet20.npz")


@pytest.fixture(scope="session")
def resnet20_head(resnet20):
    return AffineHead(resnet20["fc_weight"], resnet20["fc_bias"])


def random_head(rng, classes, dimension, scale=1.0):
    return AffineHead(rng.normal(size=(classes, dimension)) * scale, rng.normal(size=classes) * scale)
