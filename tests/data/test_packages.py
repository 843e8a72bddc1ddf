"""Datasets of other packages, and pictures of many sizes, are images like any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import featgeom as fg
from featgeom.data import decoding
from featgeom.data.sources import absolute_source
from featgeom.errors import BadArgument, BadData, Unsupported

pytestmark = pytest.mark.usefixtures("torchvision_operators")


def write_pictures(root: Path, sizes: list[tuple[int, int]], mode: str = "RGB") -> None:
    generator = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for index, (width, height) in enumerate(sizes):
            shape = (height, width, 3) if mode == "RGB" else (height, width)
            Image.fromarray(generator.integers(0, 256, shape).astype(np.uint8)).save(
                root / name / f"{index}.png"
            )


def write_idx(folder: Path) -> np.ndarray:
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (6, 28, 28)).astype(np.uint8)
    for part in ("train", "t10k"):
        head = b"\x00\x00\x08\x03" + b"".join(n.to_bytes(4, "big") for n in pixels.shape)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(head + pixels.tobytes())
        labels = np.arange(6, dtype=np.uint8)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(
            b"\x00\x00\x08\x01" + (6).to_bytes(4, "big") + labels.tobytes()
        )
    return pixels


def test_dataset_of_torchvision(tmp_path: Path) -> None:
    pixels = write_idx(tmp_path / "MNIST" / "raw")
    images = fg.load_images(f"torchvision:MNIST:{tmp_path}", "test")
    np.testing.assert_array_equal(images.images[:, 0], pixels)
    assert images.labels.tolist() == list(range(6))
    assert (len(images.classes), images.name, images.split) == (10, "torchvision:MNIST", "test")
    resized = fg.load_images(f"torchvision:MNIST:{tmp_path}@14", "train")
    assert resized.shape == (1, 14, 14)


def test_dataset_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    root = tmp_path / "pets"
    write_pictures(root / "train", [(8, 6), (9, 9)])
    write_pictures(root / "test", [(7, 5)])
    parts = fg.load_splits(f"hf:{root}@4")
    assert {name: (len(part), part.shape, part.classes) for name, part in parts.items()} == {
        "train": (4, (3, 4, 4), ("cat", "dog")),
        "test": (2, (3, 4, 4), ("cat", "dog")),
    }
    by_folder = fg.load_images(f"folder:{root}@4", "train")
    np.testing.assert_array_equal(parts["train"].images, by_folder.images)
    np.testing.assert_array_equal(parts["train"].labels, by_folder.labels)


def test_resize_keeps_the_centre(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture whose middle square is bright and whose sides are dark is bright alone after the crop."""
    wide = np.zeros((32, 96), np.uint8)
    wide[:, 32:64] = 200
    (tmp_path / "a").mkdir()
    Image.fromarray(wide).save(tmp_path / "a" / "0.png")
    Image.fromarray(wide.T.copy()).save(tmp_path / "a" / "1.png")
    images = fg.load_images(f"folder:{tmp_path}@16")
    assert images.shape == (1, 16, 16)
    assert images.images.min() > 190
    monkeypatch.setattr(decoding, "IN_MEMORY", 0)  # the same from a temporary file
    mapped = fg.load_images(f"folder:{tmp_path}@16")
    assert isinstance(mapped.images, np.memmap)
    np.testing.assert_array_equal(mapped.images, images.images)


def test_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pictures(tmp_path / "f", [(5, 5), (6, 5)])
    for source, error, words in (
        (f"folder:{tmp_path}/f", BadData, "write @SIZE after the source"),
        (f"torchvision:MNIST:{tmp_path}", BadData, "cannot be read"),
        (f"torchvision:MNISTT:{tmp_path}", BadArgument, "did you mean 'MNIST'"),
        ("torchvision:MNIST", BadArgument, "write torchvision:NAME:DIR"),
        (f"hf:{tmp_path}/none", BadData, "cannot be loaded"),
    ):
        with pytest.raises(error, match=words) as caught:
            fg.load_images(source)
        assert "\n" not in str(caught.value)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Unsupported, match="python -m pip install torchvision"):
        fg.load_images(f"torchvision:MNIST:{tmp_path}")


def test_a_source_is_found_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pictures(tmp_path / "f", [(5, 5)])
    monkeypatch.chdir(tmp_path)
    for source in ("folder:f", "folder:f@4", "torchvision:MNIST:f"):
        kind, _, rest = source.rpartition(":")
        assert absolute_source(source) == f"{kind}:{tmp_path.resolve()}/{rest}"
