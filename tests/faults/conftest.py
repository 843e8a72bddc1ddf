"""A small run to break."""

import shutil

import numpy as np
import pytest

import featgeom as fg


def write_arrays(path, seed=11):
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1, 2], 40)
    features = (np.eye(3)[labels] * 3 + rng.standard_normal((120, 3))).astype(np.float32)
    np.savez(path, features=features, labels=labels, weight=np.eye(3, dtype=np.float32), bias=np.zeros(3))
    return path


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """A run of two studies with its report, as it was made; not to be changed."""
    place = tmp_path_factory.mktemp("whole")
    run = fg.analyze(write_arrays(place / "f.npz"), out=place / "run", studies="overview,collapse")
    return run.folder


@pytest.fixture(scope="session")
def other(tmp_path_factory):
    """Another run of the same kind."""
    place = tmp_path_factory.mktemp("other")
    return fg.analyze(write_arrays(place / "f.npz", seed=12), out=place / "run").folder


@pytest.fixture
def copied(whole, tmp_path):
    """A copy of the run, to break."""
    return shutil.copytree(whole, tmp_path / "run")
