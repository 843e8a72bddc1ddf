"""A run that is proved, and a copy of it to be altered, in the ways of the module `forging` beside it."""

import shutil
import sys
from pathlib import Path

import pytest

from featgeom import open_run

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    from forging import small_run

    return small_run(tmp_path_factory.mktemp("proofs"))


@pytest.fixture
def run(made, tmp_path):
    return open_run(shutil.copytree(made.folder, tmp_path / "run"))
