"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded generator, the same for every test."""
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real checkpoints and images, or a skip."""
    folder = os.environ.get("FEATGEOM_DATA")
    if not folder:
        pytest.skip("FEATGEOM_DATA is not set: no real checkpoints and images")
    if not Path(folder).is_dir():
        pytest.fail(f"FEATGEOM_DATA names {folder}, which is not a folder")
    return Path(folder)


@pytest.fixture(scope="session")
def torchvision_operators() -> Any:
    """What torchvision wants to find beside a build of torch without its compiled part."""
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where FEATGEOM_NOTHING_SKIPPED is set, as in CI, a skipped test is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("FEATGEOM_NOTHING_SKIPPED") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
