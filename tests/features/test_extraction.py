"""A store holds what the classifier computes, to the byte, whatever happened while it was filled."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

import featgeom as fg
from featgeom.errors import BadArgument, BadData, NoAffineHead
from featgeom.features import store as store_module

from ..extracting import extracted, extracting

N, D, C = 700, 5, 10


def make_classifier(seed: int = 0) -> fg.Classifier:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, D), nn.ReLU(), nn.Linear(D, C))
    return fg.load_classifier(net, pixels=fg.PixelSpec((1, 8, 8)))


def make_images(n: int = N, seed: int = 0) -> fg.ImageSet:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, 1, 8, 8)).astype(np.uint8)
    return fg.ImageSet(images, rng.integers(0, C, n), tuple("0123456789"), "noise", "all")


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name != ".lock"}


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "BLOCK_ROWS", 64)


def test_store_holds_what_the_classifier_computes(tmp_path: Path) -> None:
    clf, images = make_classifier(), make_images()
    plain, stored = fg.extract(clf, images), fg.extract(clf, images, store=tmp_path / "s")
    np.testing.assert_array_equal(plain.features, clf.features(images.images))
    for name in ("features", "logits", "labels", "predictions"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(stored, name))
        assert isinstance(getattr(stored, name), np.memmap)
    np.testing.assert_array_equal(stored.predictions, clf.logits(images.images).argmax(1))
    np.testing.assert_array_equal(stored.head.weight, clf.head.weight)
    np.testing.assert_allclose(stored.head.logits(stored.features), stored.logits, atol=1e-5)
    assert stored.residual == plain.residual < 1e-5
    assert (stored.dimension, len(stored), stored.classes) == (D, N, images.classes)
    assert stored.take([3, 1]).labels.tolist() == images.labels[[3, 1]].tolist()


def test_store_is_plain_safetensors_with_a_true_manifest(tmp_path: Path) -> None:
    clf, images = make_classifier(), make_images()
    stored = fg.extract(clf, images, store=tmp_path)
    assert sorted(contents(tmp_path)) == ["features.safetensors", "manifest.json"]
    arrays = load_file(tmp_path / "features.safetensors")
    for name in ("features", "logits", "labels", "predictions"):
        np.testing.assert_array_equal(arrays[name], getattr(stored, name))
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    shard = manifest["shards"][0]
    assert shard["sha256"] == hashlib.sha256((tmp_path / shard["file"]).read_bytes()).hexdigest()
    assert manifest["made_from"]["classifier"]["weights_sha256"] == clf.weights_hash
    assert manifest["made_from"]["images"]["sha256"] == images.hash
    assert manifest["circumstances"]["torch"] == torch.__version__


class Stop(BaseException):
    """Raised in the middle of an extraction."""


def stopping(batches: Iterator[object], after: int) -> Iterator[object]:
    for index, batch in enumerate(batches):
        if index == after:
            raise Stop
        yield batch


@pytest.mark.parametrize("after", [0, 1, 2, 7, 10])
def test_stopped_anywhere_it_ends_in_the_same_bytes(
    tmp_path: Path, small_blocks: None, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    clf, images = make_classifier(), make_images()
    fg.extract(clf, images, store=tmp_path / "whole", batch_size=32)
    run, calls = fg.Classifier.run_batches, []
    with monkeypatch.context() as patch:
        patch.setattr(fg.Classifier, "run_batches", lambda *a: stopping(run(*a), after))
        with pytest.raises(Stop):
            fg.extract(clf, images, store=tmp_path / "stopped", batch_size=32)
    with pytest.raises(BadData, match="unfinished"):
        fg.open_features(tmp_path / "stopped")
    monkeypatch.setattr(fg.Classifier, "run_batches", lambda *a: calls.append(a[3]) or run(*a))
    fg.extract(clf, images, store=tmp_path / "stopped", batch_size=32)
    assert calls == [after // 2 * 64]
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")
    fg.extract(clf, images, store=tmp_path / "stopped", batch_size=32)
    assert len(calls) == 1  # a finished store is opened, not computed


def test_damage_to_an_unfinished_store_is_computed_again(
    tmp_path: Path, small_blocks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    clf, images = make_classifier(), make_images()
    fg.extract(clf, images, store=tmp_path / "whole", batch_size=32)
    run = fg.Classifier.run_batches
    with monkeypatch.context() as patch:
        patch.setattr(fg.Classifier, "run_batches", lambda *a: stopping(run(*a), 9))
        with pytest.raises(Stop):
            fg.extract(clf, images, store=tmp_path / "s", batch_size=32)
    with open(tmp_path / "s/features.safetensors.partial", "r+b") as file:
        file.seek(-N * (4 * C) - N * 4 * D + 130 * 4 * D, os.SEEK_END)  # in the third block
        file.write(b"\xff" * 8)
    fg.extract(clf, images, store=tmp_path / "s", batch_size=32)
    assert contents(tmp_path / "s") == contents(tmp_path / "whole")


def test_kill_9_then_again_gives_the_same_bytes(tmp_path: Path) -> None:
    victim = subprocess.Popen(extracting(tmp_path / "killed", 6400, 0.02))
    journal = tmp_path / "killed/progress.json"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if journal.exists() and len(json.loads(journal.read_text())["blocks"]) >= 3:
            break
        assert victim.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    victim.send_signal(signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed/manifest.json").exists()
    done = len(json.loads(journal.read_text())["blocks"])
    assert 3 <= done < 100
    for name in ("killed", "whole"):
        extracted(tmp_path / name, 6400)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_store_of_something_else_is_never_reused(tmp_path: Path) -> None:
    clf, images = make_classifier(), make_images()
    fg.extract(clf, images, store=tmp_path)
    before = contents(tmp_path)
    others = {
        "weights_sha256": (make_classifier(seed=1), images),
        "images sha256": (clf, make_images(seed=1)),
        "images n": (clf, images.take(slice(100))),
        "dtype": (clf.to(dtype=torch.float64), images),
    }
    for piece, (classifier, other) in others.items():
        with pytest.raises(BadData, match="made from something else") as caught:
            fg.extract(classifier, other, store=tmp_path)
        assert piece in str(caught.value)
        assert contents(tmp_path) == before
    again = fg.extract(make_classifier(seed=1), images, store=tmp_path, overwrite=True)
    np.testing.assert_array_equal(again.features, make_classifier(seed=1).features(images.images))


def test_damaged_stores_are_refused(tmp_path: Path) -> None:
    fg.extract(make_classifier(), make_images(), store=tmp_path)
    shard, manifest = tmp_path / "features.safetensors", tmp_path / "manifest.json"
    good = shard.read_bytes()
    shard.write_bytes(good[:-1])
    with pytest.raises(BadData, match="truncated"):
        fg.open_features(tmp_path)
    shard.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(BadData, match="SHA-256"):
        fg.open_features(tmp_path, verify=True)
    shard.write_bytes(good)
    fg.open_features(tmp_path, verify=True)
    manifest.write_text("{}")
    with pytest.raises(BadData, match="damaged"):
        fg.open_features(tmp_path)
    manifest.write_text("{")
    with pytest.raises(BadData, match="damaged"):
        fg.open_features(tmp_path)


def test_labels_follow_the_names_of_classes(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    clf = fg.load_classifier(net, classes=("ant", "bee", "cat"), pixels=fg.PixelSpec((1, 8, 8)))
    pixels = np.zeros((4, 1, 8, 8), np.uint8)

    def labels_of(labels: list[int], *classes: str) -> list[int]:
        return fg.extract(clf, fg.ImageSet(pixels, labels, classes, "x", "all")).labels.tolist()

    assert labels_of([0, 1, 1, 0], "cat", "ant") == [2, 0, 0, 2]
    assert labels_of([0, 1, 2, 0], "0", "1", "2") == [0, 1, 2, 0]
    assert labels_of([0, 1, 1, 0], "0", "1") == [0, 1, 1, 0]
    with pytest.raises(BadData, match="labels of x reach 3, out of range for the 3 classes"):
        labels_of([0, 1, 2, 3], "0", "1", "2", "3")
    with pytest.raises(BadData, match=r"2 classes of x \(dog, emu\) are none of the 3 .*--class-map"):
        labels_of([0, 1, 0, 0], "dog", "emu")


class Sometimes(nn.Module):
    """Affine in its features only while the first pixel is dark."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(64, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = self.linear(x.flatten(1))
        return torch.where(x[:, 0, :1, 0] > 0.5, logits + 1, logits)


def test_head_is_checked_on_every_batch() -> None:
    pixels = np.zeros((300, 1, 8, 8), np.uint8)
    clf = fg.load_classifier(Sometimes(), probe=pixels)
    pixels[299, 0, 0, 0] = 255
    images = fg.ImageSet(pixels, np.zeros(300, int), ("0", "1", "2"), "x", "all")
    with pytest.raises(NoAffineHead, match="on images 256 to 300 of x"):
        fg.extract(clf, images)


def test_wrong_arguments(tmp_path: Path) -> None:
    clf, images = make_classifier(), make_images()
    with pytest.raises(BadArgument, match="batch_size"):
        fg.extract(clf, images, batch_size=0)
    four = fg.ImageSet(np.zeros((2, 4, 8, 8), np.uint8), [0, 1], ("0", "1"), "c", "all")
    with pytest.raises(BadData, match="images are 4x8x8, but this classifier takes 1x8x8"):
        fg.extract(clf, four, store=tmp_path / "s")
    assert not (tmp_path / "s").exists()
