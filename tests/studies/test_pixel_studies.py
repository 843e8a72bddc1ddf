"""The studies that need the network: what they store holds when the network is run again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import featgeom as fg
from featgeom.errors import BadArgument
from featgeom.studies import compare, flips, invert
from featgeom.studies.analysis import analyze
from featgeom.studies.run import Run
from featgeom.studies.spaces import haar
from featgeom_cli.main import run as featgeom_run

SHAPE = (1, 8, 8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A small smooth network on seeded images of three classes, extracted by the command line."""
    folder = tmp_path_factory.mktemp("pixels")
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", 60), ("test", 12)):
        labels = rng.integers(3, size=n)
        bright = np.zeros((n, *SHAPE))
        bright[np.arange(n), 0, 2 * labels] = 0.5
        arrays |= {f"x_{split}": (bright + rng.uniform(0.1, 0.4, (n, *SHAPE))).astype(np.float32)}
        arrays |= {f"y_{split}": labels}
    np.savez(folder / "images.npz", **arrays)
    (folder / "net.py").write_text(
        "from torch import nn\n"
        "def net():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.Tanh(), nn.Linear(5, 3))\n"
    )
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.Tanh(), nn.Linear(5, 3))
    torch.save(net.state_dict(), folder / "net.pth")
    words = ["extract", str(folder / "net.pth"), f"npz:{folder / 'images.npz'}", "--quiet"]
    words += ["--arch", f"{folder / 'net.py'}:net", "--shape", "1,8,8", "-o", str(folder / "run")]
    assert featgeom_run(words) == 0
    return fg.open_run(folder / "run")


def test_flips_hold_when_the_network_reads_them_again(run: Run) -> None:
    (record,) = analyze(run, ("flips",))
    stored = run.result("flips").arrays
    found = np.isfinite(stored["pixel_distance"])
    assert record.values["found"] == found.sum() > 0
    classes = run.classifier().logits(stored["images"]).argmax(1)
    np.testing.assert_array_equal(classes[found], stored["pixel_classes"][found, 1])
    exact = stored["feature_distance"]
    assert (stored["travelled"][found] >= exact[found] - 1e-3).all()  # no flip is closer than the closest
    assert len(stored["rows"]) == min(flips.SAMPLES, 12)


def test_inversions_hold_when_the_network_reads_them_again(run: Run) -> None:
    (record,) = analyze(run, ("invert",))
    stored = run.result("invert").arrays
    again = run.classifier().features(stored["images"])
    residual = np.linalg.norm(again - stored["targets"], axis=1) / np.linalg.norm(stored["targets"], axis=1)
    np.testing.assert_allclose(residual, stored["residual"], atol=1e-6)
    assert record.table("inversions").column("asked") == [min(invert.PAIRS, 12)] * 3
    assert sum(record.table("inversions").column("solved")) == (stored["residual"] <= 1e-6).sum() > 0


def test_comparison_asks_the_same_of_every_space(run: Run) -> None:
    (record,) = analyze(run, ("compare",))
    assert record.settings["train_samples"] == min(compare.TRAIN, 60)
    classifier, train, test = run.classifier(), run.images("train"), run.images("test")
    found = fg.compare_spaces(classifier, train, test, seed=run.seed)
    feature = found.measures["feature"]
    hull = fg.ConvexHull(run.features("train").features)
    np.testing.assert_allclose(
        feature.distance, hull.project(run.features("test").features).distance, atol=1e-5
    )
    assert record.values["feature"]["inside"] == feature.inside
    assert {part.dimension for part in found.measures.values()} == {64, 4, 5}
    for part in found.measures.values():
        assert (part.distance <= part.neighbour + 1e-9).all()  # the hull holds every sample
        assert part.diameter / 2 - 1e-9 <= part.radius <= part.diameter
        assert part.apart + part.meeting <= part.pairs == 3
        assert (part.distance[part.status == fg.Status.INSIDE] < 1e-6 * part.diameter).all()


def test_morphs_are_stored_with_pictures_and_proof(run: Run) -> None:
    (record,) = analyze(run, ("morph",))
    values, stored = record.values, run.result("morph").arrays
    assert values["feature_segments_that_stay"] == values["alike"] == len(stored["alike"]) > 0
    predicted = run.features("test").predictions
    assert (predicted[stored["alike"][:, 0]] == predicted[stored["alike"][:, 1]]).all()
    assert values["frames_found"] == (stored["residual"] <= 1e-6).sum() > 0
    for name, kind in (("morph.png", "PNG"), ("morph-0.gif", "GIF")):
        with Image.open(run.folder / "figures" / name) as picture:
            assert picture.format == kind
    with Image.open(run.folder / "figures" / "morph.png") as picture:
        assert picture.size == (7 * 96, 2 * len(stored["pairs"]) * 96)
    assert {verdict for claim in record.claims.values() for verdict in claim.check().status} == {
        fg.Status.PROVED
    }


def test_the_same_seed_draws_the_same_samples(run: Run) -> None:
    parts = run.classifier(), run.images("train"), run.images("test")
    one, two = (fg.compare_spaces(*parts, train_samples=20, test_samples=4, seed=7) for _ in range(2))
    np.testing.assert_array_equal(one.train_rows, two.train_rows)
    for name, part in one.measures.items():
        np.testing.assert_array_equal(part.distance, two.measures[name].distance)
    with pytest.raises(BadArgument, match="must be at least 1"):
        fg.compare_spaces(*parts, test_samples=0)


def test_all_haar_coefficients_would_be_a_rotation() -> None:
    images = np.random.default_rng(0).random((2, 3, 6, 7))
    coarse = haar(images, 1)
    assert coarse.shape == (2, 3, 3, 3)
    np.testing.assert_allclose(coarse[0, 0, 0, 0], images[0, 0, :2, :2].sum() / 2)
    flat = np.broadcast_to(images[:, :, :1, :1], (2, 3, 8, 8))
    np.testing.assert_allclose(np.linalg.norm(haar(flat, 3)), np.linalg.norm(flat))
    assert haar(images, 9).shape[2:] == (1, 1)


@pytest.mark.parametrize("command", ["flips", "invert", "morph"])
def test_commands_speak_json(run: Run, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert featgeom_run([command, str(run.folder), "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["result"]["study"] == command


def test_a_run_of_features_alone_has_no_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arrays = {"features": np.eye(3), "labels": [0, 1, 2], "weight": np.eye(3), "bias": np.zeros(3)}
    np.savez(tmp_path / "f.npz", **arrays)
    assert featgeom_run(["extract", str(tmp_path / "f.npz"), "-o", str(tmp_path / "run"), "--quiet"]) == 0
    assert featgeom_run(["compare", str(tmp_path / "run")]) == 2
    assert "made from features alone" in capsys.readouterr().err
