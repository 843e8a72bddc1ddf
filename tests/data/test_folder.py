"""Folders of pictures as people keep them: what is read, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import featgeom as fg
from featgeom.data.folder import folder_splits
from featgeom.data.images import keep_classes
from featgeom.errors import BadArgument, BadData
from featgeom.remarks import heard


def write(root: Path, *names: str) -> None:
    """Grey pictures of 2x2, each of its own brightness; a name that ends in / is an empty folder."""
    for level, name in enumerate(names):
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() in (".png", ".bmp"):
            Image.fromarray(np.full((2, 2), level, np.uint8)).save(path)
        else:
            path.write_text("words")


def load(root: Path, split: str | None = None) -> tuple[fg.ImageSet, str]:
    lines: list[str] = []
    with heard(lines.append):
        images = fg.load_images(f"folder:{root}", split)
    return images, "\n".join(lines)


def levels(images: fg.ImageSet) -> list[int]:
    return [int(level) for level in images.images[:, 0, 0, 0]]


def test_pictures_in_subfolders_of_a_class_are_read(tmp_path: Path) -> None:
    write(tmp_path, "0/b.png", "0/s2/a.png", "0/s1/x/a.PNG", "1/a.png")
    images, said = load(tmp_path)
    assert (levels(images), images.labels.tolist()) == ([0, 2, 1, 3], [0, 0, 0, 1])
    assert "2 pictures lie in subfolders of their class" in said


def test_what_systems_leave_behind_is_passed_over(tmp_path: Path) -> None:
    write(
        tmp_path, "cat/a.png", "dog/a.png", "__MACOSX/cat/._a.txt", "cat/._a.png", "cat/Thumbs.db",
        ".ipynb_checkpoints/cat/a.png", "cat/.ipynb_checkpoints/a-checkpoint.png",
        "checkpoints/last.ckpt", "README.txt", "loose.png",
    )  # fmt: skip
    images, said = load(tmp_path)
    assert (images.classes, levels(images)) == (("cat", "dog"), [0, 1])
    assert "loose.png" in said
    assert "passed over 7 files" in said


def test_an_empty_folder_is_a_class_without_pictures(tmp_path: Path) -> None:
    write(tmp_path, "ant/a.png", "bee/", "cow/a.png")
    images, said = load(tmp_path)
    assert (images.classes, images.labels.tolist()) == (("ant", "bee", "cow"), [0, 2])
    assert "no pictures of bee" in said


def test_a_test_part_that_lacks_a_class_keeps_the_numbers(tmp_path: Path) -> None:
    write(tmp_path, "Train/ant/a.png", "Train/bee/a.png", "Train/cow/a.png", "VAL/ant/a.png", "VAL/cow/b.png")
    lines: list[str] = []
    with heard(lines.append):
        parts = fg.load_splits(f"folder:{tmp_path}")
    assert [part.classes for part in parts.values()] == [("ant", "bee", "cow")] * 2
    assert parts["test"].labels.tolist() == [0, 2]
    assert any("VAL: no pictures of bee" in line for line in lines)


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (["train/a/1.png", "val/a/1.png"], ["train", "test"]),
        (["data/train/a/1.png", "data/test/a/1.png"], ["train", "test"]),
        (["train/a/1.png", "test/a/1.png", "extra/a/1.png"], ["train", "test"]),
        (["training/a/1.png"], ["train"]),
        (["train/1.png", "bus/1.png"], ["all"]),  # vehicles
        (["train/s/1.png", "bus/s/1.png", "car/s/1.png"], ["all"]),
        (["cat/1.png", "dog/1.png"], ["all"]),
    ],
)
def test_parts_and_classes_are_told_apart(names: list[str], splits: list[str], tmp_path: Path) -> None:
    write(tmp_path, *names)
    assert list(fg.load_splits(f"folder:{tmp_path}")) == splits


def test_a_folder_around_the_folders_is_opened(tmp_path: Path) -> None:
    write(tmp_path, "pets-v2/images/cat/1.png", "pets-v2/images/dog/1.png")
    images, said = load(tmp_path)
    assert images.classes == ("cat", "dog")
    assert "the folders in pets-v2/images are taken" in said


@pytest.mark.parametrize("below", ["", "images/", "unknown/"])
def test_pictures_without_classes_have_no_labels(below: str, tmp_path: Path) -> None:
    write(tmp_path, f"{below}b.png", f"{below}a.png")
    images, said = load(tmp_path)
    assert (images.labelled, levels(images), images.classes) == (False, [1, 0], ())
    assert "labels of these pictures are unknown" in said
    with pytest.raises(BadArgument, match=r"labels of .* are unknown"):
        keep_classes(images, ("a", "b"))


def test_one_part_may_have_no_labels(tmp_path: Path) -> None:
    write(tmp_path, "train/cat/a.png", "train/dog/a.png", "test/images/a.png")
    parts = fg.load_splits(f"folder:{tmp_path}")
    assert [part.labelled for part in parts.values()] == [True, False]
    assert parts["train"].classes == parts["test"].classes == ("cat", "dog")


def test_links_are_followed_once(tmp_path: Path) -> None:
    write(tmp_path / "real", "a.png")
    (tmp_path / "set" / "cat").mkdir(parents=True)
    (tmp_path / "set" / "cat" / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "round").symlink_to(tmp_path / "real")
    assert len(load(tmp_path / "set")[0]) == 1


def test_a_link_to_a_folder_around_it_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path, "cat/a.png", "dog/b.png")
    (tmp_path / "dog" / "up").symlink_to(tmp_path)
    images, said = load(tmp_path)
    assert list(images.files) == ["cat/a.png", "dog/b.png"]
    assert "1 file (up), links to a folder that they lie in" in said


def test_pictures_of_a_kind_that_is_not_read_are_called_pictures(tmp_path: Path) -> None:
    write(tmp_path, "cat/a.png", "dog/b.png", "dog/c.HEIC", "dog/notes.txt")
    _, said = load(tmp_path)
    assert "1 file (c.HEIC), pictures of a kind that is not read" in said
    assert "1 file (notes.txt), no pictures by their names" in said


@pytest.mark.parametrize(
    "names", [("Training_Set", "test_set"), ("train images", "val images"), ("trainset", "dev")]
)
def test_parts_by_longer_names(names: tuple[str, str], tmp_path: Path) -> None:
    write(tmp_path, *(f"{name}/{kind}/a.png" for name in names for kind in ("cat", "dog")))
    assert folder_splits(tmp_path) == ["train", "test"]


def test_of_two_folders_for_one_part_neither_is_lost_unsaid(tmp_path: Path) -> None:
    names = ("train", "train_set", "test")
    write(tmp_path, *(f"{name}/{kind}/a.png" for name in names for kind in ("cat", "dog")))
    images, said = load(tmp_path, "train")
    assert len(images) == 2
    assert "passed over the folders train_set beside its parts" in said


def test_a_folder_whose_name_ends_in_a_size(tmp_path: Path) -> None:
    write(tmp_path / "pets@2", "cat/a.png", "dog/b@3.png")
    assert load(tmp_path / "pets@2")[0].shape == (1, 2, 2)
    assert fg.load_images(f"folder:{tmp_path}/pets@2@1").shape == (1, 1, 1)


def test_nothing_at_all(tmp_path: Path) -> None:
    write(tmp_path, "cat/", "dog/notes.txt")
    with pytest.raises(BadData, match="empty, no picture in it"):
        load(tmp_path)
