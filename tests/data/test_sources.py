"""Every format gives the images that were written into it; every bad file names itself in one line."""

from __future__ import annotations

import gzip
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import featgeom as fg
from featgeom.errors import BadArgument, BadData, FeatgeomError

RNG = np.random.default_rng(0)


def write_cifar10(folder: Path) -> dict[str, NDArray[np.uint8]]:
    """Whole batches (zeros, as holes in the file) that begin with three real records."""
    folder.mkdir(parents=True)
    written = {}
    for name in [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]:
        records = RNG.integers(0, 256, (3, 3073)).astype(np.uint8)
        records[:, 0] %= 10
        with open(folder / name, "wb") as file:
            file.write(records.tobytes())
            file.truncate(10_000 * 3073)
        written[name] = records
    return written


@pytest.mark.parametrize("below", ["", "cifar-10-batches-bin"])
def test_cifar10(tmp_path: Path, below: str) -> None:
    folder = tmp_path / "data"
    written = write_cifar10(folder / below)
    images = fg.load_images(f"cifar10:{folder}", split="test")
    assert len(images) == 10_000
    records = written["test_batch.bin"]
    np.testing.assert_array_equal(images.images[:3], records[:, 1:].reshape(3, 3, 32, 32))
    np.testing.assert_array_equal(images.labels[:3], records[:, 0])
    assert images.classes[0] == "airplane"
    assert images.name == "cifar10"
    train = fg.load_images(f"cifar10:{folder}", split="train")
    np.testing.assert_array_equal(train.labels[20_000:20_003], written["data_batch_3.bin"][:, 0])


def test_cifar100(tmp_path: Path) -> None:
    records = np.zeros((2, 3074), np.uint8)
    records[:, :2] = [[3, 77], [1, 5]]
    for name, count in (("train.bin", 50_000), ("test.bin", 10_000)):
        with open(tmp_path / name, "wb") as file:
            file.write(records.tobytes())
            file.truncate(count * 3074)
    images = fg.load_images(f"cifar100:{tmp_path}", split="test")
    assert images.labels[:3].tolist() == [77, 5, 0]
    assert len(images.classes) == 100


def write_mnist(folder: Path, compress: bool = False, n: int = 5) -> dict[str, NDArray[np.uint8]]:
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for prefix in ("train", "t10k"):
        images = RNG.integers(0, 256, (n, 28, 28)).astype(np.uint8)
        labels = np.arange(n, dtype=np.uint8) % 10
        for kind, array in (("images", images), ("labels", labels)):
            header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
            content = header + array.tobytes()
            name = f"{prefix}-{kind}-idx{array.ndim}-ubyte" + (".gz" if compress else "")
            (folder / name).write_bytes(gzip.compress(content) if compress else content)
        written[prefix] = images
    return written


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("kind", ["mnist", "fashion-mnist"])
def test_mnist(tmp_path: Path, compress: bool, kind: str) -> None:
    written = write_mnist(tmp_path / "raw", compress)
    splits = fg.load_splits(f"{kind}:{tmp_path}")
    np.testing.assert_array_equal(splits["train"].images[:, 0], written["train"])
    np.testing.assert_array_equal(splits["test"].images[:, 0], written["t10k"])
    assert splits["test"].labels.tolist() == [0, 1, 2, 3, 4]
    both = fg.load_images(f"{kind}:{tmp_path}", split="both")
    assert (len(both), both.split) == (10, "all")


def write_folder(root: Path, mode: str = "L", size: tuple[int, int] = (5, 4)) -> None:
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for i in range(2):
            shape = size[::-1] if mode == "L" else (*size[::-1], 3)
            Image.fromarray(RNG.integers(0, 256, shape).astype(np.uint8)).save(root / name / f"{i}.png")
    (root / "cat" / "notes.txt").write_text("not an image")


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3)])
def test_folder(tmp_path: Path, mode: str, channels: int) -> None:
    write_folder(tmp_path / "pets", mode)
    images = fg.load_images(f"folder:{tmp_path}/pets")
    assert images.images.shape == (4, channels, 4, 5)
    assert images.classes == ("cat", "dog")
    assert images.labels.tolist() == [0, 0, 1, 1]
    assert (images.name, images.split) == ("folder:pets", "all")
    first = np.asarray(Image.open(tmp_path / "pets/cat/0.png")).reshape(4, 5, channels)
    np.testing.assert_array_equal(images.images[0].transpose(1, 2, 0), first)


def test_folder_with_splits(tmp_path: Path) -> None:
    write_folder(tmp_path / "train")
    write_folder(tmp_path / "val", "RGB")
    assert [s.split for s in fg.load_splits(f"folder:{tmp_path}", "test").values()] == ["test"]
    assert fg.load_images(f"folder:{tmp_path}", "train").shape == (1, 4, 5)


def test_npz_layouts_agree(tmp_path: Path) -> None:
    colour = RNG.integers(0, 256, (4, 3, 6, 5)).astype(np.uint8)
    grey = colour[:, 0]
    layouts = {
        "first": colour,
        "last": colour.transpose(0, 2, 3, 1),
        "floats": colour / 255,
    }
    for name, images in layouts.items():
        np.savez(tmp_path / f"{name}.npz", images=images, labels=[0, 1, 2, 1], classes=["a", "b", "c"])
        found = fg.load_images(f"npz:{tmp_path}/{name}.npz")
        np.testing.assert_allclose(found.pixels(), colour / np.float32(255), rtol=1e-6)
        assert found.classes == ("a", "b", "c")
    np.savez(
        tmp_path / "grey.npz", x_train=grey, y_train=[[0], [1], [0], [3]], x_test=grey[:2], y_test=[0, 1]
    )
    splits = fg.load_splits(f"npz:{tmp_path}/grey.npz")
    assert splits["train"].shape == (1, 6, 5)
    assert splits["test"].classes == splits["train"].classes == ("0", "1", "2", "3")


def test_digits_are_exact_and_stratified() -> None:
    train, test = fg.load_splits("digits").values()
    assert (len(train), len(test)) == (1297, 500)
    assert set(np.unique(train.images * 16)) == set(range(17))
    shares = [np.bincount(part.labels) / len(part) for part in (train, test)]
    np.testing.assert_allclose(*shares, atol=0.002)
    assert fg.load_images("digits").hash == test.hash != train.hash


class Runs:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("this must never be printed",)


def cut(path: Path, by: int = 7) -> Path:
    path.write_bytes(path.read_bytes()[:-by])
    return path


def bad_cifar10(folder: Path) -> str:
    write_cifar10(folder / "c")
    with open(folder / "c/test_batch.bin", "r+b") as file:
        file.truncate(9_000 * 3073)
    return f"cifar10:{folder}/c|test_batch.bin: truncated"


def bad_cifar10_label(folder: Path) -> str:
    write_cifar10(folder / "c")
    with open(folder / "c/test_batch.bin", "r+b") as file:
        file.write(b"\x0b")
    return f"cifar10:{folder}/c|label 11 is out of range for 10 classes"


def bad_idx(folder: Path) -> str:
    write_mnist(folder)
    cut(folder / "t10k-images-idx3-ubyte")
    return f"mnist:{folder}|t10k-images-idx3-ubyte: truncated"


def bad_gzip(folder: Path) -> str:
    write_mnist(folder, compress=True)
    cut(folder / "t10k-labels-idx1-ubyte.gz")
    return f"mnist:{folder}|t10k-labels-idx1-ubyte.gz: truncated"


def bad_idx_text(folder: Path) -> str:
    write_mnist(folder)
    (folder / "t10k-images-idx3-ubyte").write_text("hello, this is text")
    return f"mnist:{folder}|not an idx file"


def bad_idx_counts(folder: Path) -> str:
    write_mnist(folder, n=5)
    header = bytes([0, 0, 8, 1]) + struct.pack(">I", 4)
    (folder / "t10k-labels-idx1-ubyte").write_bytes(header + bytes(4))
    return f"mnist:{folder}|5 images but"


def bad_idx_label(folder: Path) -> str:
    write_mnist(folder, n=1)
    (folder / "t10k-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1]) + struct.pack(">I", 1) + b"\x0a")
    return f"mnist:{folder}|label 10 is out of range"


def empty_folder(folder: Path) -> str:
    return f"folder:{folder}|empty, no picture in it"


def two_sizes(folder: Path) -> str:
    write_folder(folder / "a")
    Image.new("L", (9, 9)).save(folder / "a/dog/big.png")
    return f"folder:{folder}/a|0.png is 5x4, "


def damaged_image(folder: Path) -> str:
    write_folder(folder / "a")
    cut(folder / "a/dog/1.png", 60)
    return f"folder:{folder}/a|1.png: "


def text_image(folder: Path) -> str:
    write_folder(folder / "a")
    (folder / "a/dog/1.png").write_text("no image")
    return f"folder:{folder}/a|1.png: not an image"


def npz(**arrays: object) -> Callable[[Path], str]:
    piece = str(arrays.pop("piece"))

    def write(folder: Path) -> str:
        np.savez(folder / "x.npz", **arrays)  # type: ignore[arg-type]
        return f"npz:{folder}/x.npz|{piece}"

    return write


def bad_npz(folder: Path) -> str:
    np.savez(folder / "x.npz", images=np.zeros((2, 4, 4), np.uint8), labels=[0, 1])
    cut(folder / "x.npz", 30)
    return f"npz:{folder}/x.npz|x.npz: not an .npz file, or damaged"


def pickled_npz(folder: Path) -> str:
    objects = np.array([Runs()], dtype=object)
    np.savez(folder / "x.npz", images=objects, labels=[0])
    return f"npz:{folder}/x.npz|refused"


def pickle_as_npz(folder: Path) -> str:
    (folder / "x.npz").write_bytes(pickle.dumps(Runs()))
    return f"npz:{folder}/x.npz|not an .npz file"


GREY = np.zeros((2, 4, 4), np.uint8)
NAN = np.full((2, 4, 4), np.nan)
BAD = [
    bad_cifar10, bad_cifar10_label, bad_idx, bad_gzip, bad_idx_text, bad_idx_counts, bad_idx_label,
    empty_folder, two_sizes, damaged_image, text_image, bad_npz, pickled_npz, pickle_as_npz,
    npz(images=GREY, piece="needs x_train, y_train"),
    npz(images=GREY, labels=[0, -1], piece="label -1 is negative"),
    npz(images=GREY, labels=[0, 2], classes=["a", "b"], piece="label 2 is out of range for 2 classes"),
    npz(images=GREY, labels=[0, 1, 1], piece="expected 2 labels, got 3"),
    npz(images=GREY, labels=3, piece="labels must be whole numbers"),
    npz(images=GREY, labels=[0.0, 1.5], piece="labels must be whole numbers"),
    npz(images=GREY[:0], labels=np.zeros(0, int), piece="expected images of shape"),
    npz(images=GREY.astype(int), labels=[0, 1], piece="expected uint8 or floats in [0, 1], got int64"),
    npz(images=GREY + 2.0, labels=[0, 1], piece="these reach from 2 to 2"),
    npz(images=NAN, labels=[0, 1], piece="contains NaN"),
    npz(images=np.zeros((2, 5, 4, 4), np.uint8), labels=[0, 1], piece="with 1 or 3 channels"),
    npz(images=np.zeros((2, 3, 8, 3), np.uint8), labels=[0, 1], piece="can be read as"),
]  # fmt: skip


@pytest.mark.parametrize("write", BAD)
def test_bad_files_name_themselves(
    tmp_path: Path, write: Callable[[Path], str], capsys: pytest.CaptureFixture[str]
) -> None:
    source, piece = write(tmp_path).split("|")
    with pytest.raises(BadData) as caught:
        fg.load_images(source)
    assert piece in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("source", "split", "error", "piece"),
    [
        ("cifar11:x", None, BadArgument, "did you mean 'cifar10'"),
        ("cifar10", None, BadArgument, "write cifar10:DIR"),
        ("digits:x", None, BadArgument, "write digits"),
        ("digits", "tests", BadArgument, "no split 'tests'; it has train, test"),
        ("cifar10:no/such", None, BadData, "no/such: no test_batch.bin"),
        ("mnist:no/such", None, BadData, "no/such: no t10k-images-idx3-ubyte"),
        ("folder:no/such", None, BadData, "no/such: no such folder"),
        ("npz:no/such.npz", None, BadData, "no/such.npz: no such file"),
    ],
)
def test_wrong_names(source: str, split: str | None, error: type[FeatgeomError], piece: str) -> None:
    with pytest.raises(error) as caught:
        fg.load_images(source, split)
    assert piece in str(caught.value)


def test_real_files(real_data: Path) -> None:
    cifar = fg.load_splits(f"cifar10:{real_data}/cifar10")
    assert [np.bincount(part.labels).tolist() for part in cifar.values()] == [[5000] * 10, [1000] * 10]
    mnist = fg.load_splits(f"mnist:{real_data}/mnist")
    assert [part.images.shape for part in mnist.values()] == [(60_000, 1, 28, 28), (10_000, 1, 28, 28)]
