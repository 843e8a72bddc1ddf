"""The published ResNet-20's CIFAR-10 features and head."""

import numpy as np
import pytest

from featgeom import AffineHead


@pytest.fixture(scope="session")
def resnet20(real_data):
    return np.load(real_data / "features" / "resnet20.npz")


@pytest.fixture(scope="session")
def resnet20_head(resnet20):
    return AffineHead(resnet20["fc_weight"], resnet20["fc_bias"])
