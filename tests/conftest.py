"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real checkpoints and images, or a skip."""
    folder = os.environ.get("FEATGEOM_DATA")
    if not folder:
        pytest.skip("FEATGEOM_DATA is not set: no real checkpoints and images")
    if not Path(folder).is_dir():
        pytest.fail(f"FEATGEOM_DATA names {folder}, which is not a folder")
    return Path(folder)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where FEATGEOM_NOTHING_SKIPPED is set, as in CI, a skipped test is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("FEATGEOM_NOTHING_SKIPPED") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
