"""What takes a device gives on each device of this machine what a processor gives, and proofs that hold.

Where there is no GPU the processor is the only one; `benchmarks/gpu.sh` refuses to run there.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import featgeom as fg

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
TINY = {
    "invert": {"samples": 1},
    "flips": {"samples": 2},
    "morph": {"alike": 2, "morphs": 1, "steps": 2},
    "planes": {"planes": 1},
    "compare": {"train_samples": 60, "test_samples": 10, "flip_samples": 2},
}


@pytest.fixture(scope="module", params=DEVICES)
def device(request):
    return request.param


@pytest.fixture(scope="module")
def images():
    return fg.load_images("digits", split="test")


@pytest.fixture(scope="module")
def network(images):
    return fg.load_classifier("digits", probe=images)


def test_features_are_those_of_the_processor_to_float32(network, images, device, tmp_path):
    here = fg.extract(network, images)
    there = fg.extract(network, images, device=device, store=tmp_path / "one")
    size = np.abs(here.features).max()
    np.testing.assert_allclose(there.features, here.features, atol=1e-5 * size)
    again = fg.extract(network, images, device=device, store=tmp_path / "two")
    np.testing.assert_array_equal(there.features, again.features)
    np.testing.assert_array_equal(there.logits, again.logits)


def test_every_question_to_a_hull_is_proved(device, rng):
    points, queries = rng.normal(size=(3000, 24)).astype(np.float32), 2 * rng.normal(size=(20, 24))
    hull, other = fg.ConvexHull(points, device=device), fg.ConvexHull(points + 9, device=device)
    for found in (
        hull.project(queries),
        hull.contains(queries / 100),
        hull.extreme_points(only=np.arange(20)),
        hull.support(queries),
        hull.diameter(),
        hull.enclosing_ball(),
        fg.separate(hull, other),
    ):
        assert set(found.certificate.check().tally) == {"PROVED"}, type(found)
    np.testing.assert_allclose(
        hull.project(queries).distance, fg.ConvexHull(points).project(queries).distance, rtol=1e-6
    )


def test_pixel_space_is_asked_there(network, images, device):
    there, some = network.to(device), images.pixels(slice(3))
    here, flips = fg.pixel_flips(network, some), fg.pixel_flips(there, some)
    found = np.isfinite(flips.distance)
    assert found.any()
    np.testing.assert_allclose(flips.distance[found], here.distance[found], rtol=0.05)
    bounds = fg.pixel_lower_bounds(there, some, seconds=0.05)
    assert (bounds.lower_bound <= flips.distance).all()
    assert (bounds.lower_bound > 0).any()
    target = there.features(images.pixels(slice(3, 6)))
    assert (fg.invert(there, target, some).residual < 1e-4).any()
    if device != "cpu":
        assert fg.invert(there, target[:1], some[:1], mode="natural").images.shape == some[:1].shape
    walk = fg.morph(there, some[0], some[1], 3)
    assert walk is not None
    window = (-1.0, -1.0, 1.0, 1.0)
    exact = fg.slice_pixels(there, *some, window, exact=True)
    assert sum(p.area for p in exact.polygons.values()) == pytest.approx(exact.domain.area, rel=1e-6)


def test_a_whole_run_holds(device, tmp_path):
    studies = (
        ("hulls", "regions", *TINY) if device != "cpu" else ("hulls", "flips")
    )  # others have their tests
    run = fg.analyze("digits", "digits", tmp_path / "run", studies, options=TINY, device=device)
    found = run.verify()
    assert found.holds, found.to_text()


def test_the_script_for_gpus_refuses_in_a_line_where_there_is_none():
    script = Path(__file__).parents[1] / "benchmarks" / "gpu.sh"
    without = os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHON": sys.executable}
    found = subprocess.run([script], env=without, capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert not found.stdout
    (line,) = found.stderr.splitlines()
    assert "sees no GPU" in line
