"""A run of the built-in digits network, and pictures of digits in files."""

import numpy as np
import pytest
from PIL import Image

import featgeom as fg
from featgeom.runs.making import make_run


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory):
    """A run with features alone; tests write nothing into it but guards."""
    folder = tmp_path_factory.mktemp("answers") / "run"
    make_run(folder, "digits", "digits")
    return fg.open_run(folder)


@pytest.fixture
def pictures(tmp_path):
    """A folder of ten pictures: the first test images of digits, in 8 bits."""
    images = fg.load_images("digits", split="test").images[:10, 0]
    (tmp_path / "pictures").mkdir()
    for row, pixels in enumerate(images):
        Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(tmp_path / "pictures" / f"{row}.png")
    return tmp_path / "pictures"


@pytest.fixture
def run_of(tmp_path):
    """Make a run of features that a test writes down; weight is the identity and bias zero unless given."""

    def made(name="run", **arrays):
        d = next(np.shape(z)[1] for key, z in arrays.items() if key.startswith("features"))
        np.savez(tmp_path / f"{name}.npz", **{"weight": np.eye(d), "bias": np.zeros(d)} | arrays)
        return make_run(tmp_path / name, str(tmp_path / f"{name}.npz"))

    return made
