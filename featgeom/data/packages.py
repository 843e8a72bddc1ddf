"""Datasets of other packages by name: torchvision:NAME:DIR and hf:NAME."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import io
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from PIL import Image

from featgeom.data.decoding import decode
from featgeom.data.images import ImageSet
from featgeom.data.pictures import Picture, open_picture
from featgeom.errors import BadArgument, BadData, Unsupported, nearest_name
from featgeom.preprocess import Way

TEST_NAMES = ("test", "validation", "val")


def read_torchvision(operand: Path, split: str, preprocess: Way | None = None) -> ImageSet:
    """A dataset of torchvision, NAME:DIR, from files already in DIR; nothing is downloaded.

    Datasets whose class takes ``train=`` or ``split=`` and that give (picture, class index) pairs.
    """
    name, colon, folder = str(operand).partition(":")
    if not colon or not folder:
        raise BadArgument(f"images 'torchvision:{operand}': write torchvision:NAME:DIR")
    datasets = _package("torchvision", "datasets")
    if name not in datasets.__all__:
        raise BadArgument(f"torchvision has no dataset '{name}'{nearest_name(name, list(datasets.__all__))}")
    kind = getattr(datasets, name)
    takes = inspect.signature(kind).parameters
    if "train" in takes:
        options: dict[str, Any] = {"train": split == "train"}
    elif "split" in takes:
        options = {"split": split}
    else:
        raise Unsupported(f"torchvision.datasets.{name} has no training and test part")
    try:
        dataset = kind(Path(folder).expanduser(), **options)
        labels = [int(dataset[row][1]) for row in range(len(dataset))]
    except Exception as error:
        raise BadData(f"torchvision:{operand}: cannot be read ({_words(error)})") from error
    classes = tuple(map(str, getattr(dataset, "classes", range(max(labels) + 1))))
    pictures = [Picture(f"{name} {split} {row}", partial(_item, dataset, row)) for row in range(len(dataset))]
    return ImageSet(decode(pictures, preprocess), labels, classes, f"torchvision:{name}", split)


def _item(dataset: Any, row: int) -> Image.Image:
    picture = dataset[row][0]
    if not isinstance(picture, Image.Image):
        raise BadData(f"torchvision: item {row} is a {type(picture).__name__}, not a picture")
    return picture


def hub_splits(operand: Path) -> list[str]:
    """Which of train and test a dataset of the hub has; ["all"] where it has one part of another name."""
    parts = _hub(operand)
    found = [split for split in ("train", "test") if _hub_part(parts, split)]
    return found or ["all"]


def read_hub(operand: Path, split: str, preprocess: Way | None = None) -> ImageSet:
    """A dataset that the package `datasets` loads by name, or from a folder.

    It must have one column of pictures and one of class labels.
    """
    parts = _hub(operand)
    part = parts[_hub_part(parts, split) or next(iter(parts))]
    columns = {type(feature).__name__: name for name, feature in reversed(part.features.items())}
    if "Image" not in columns or "ClassLabel" not in columns:
        found = ", ".join(f"{name} ({type(feature).__name__})" for name, feature in part.features.items())
        raise BadData(f"hf:{operand}: needs a column of images and one of class labels; it has {found}")
    picture, label = columns["Image"], columns["ClassLabel"]
    labels = part[label][:]
    classes = tuple(part.features[label].names)
    part = part.cast_column(picture, type(part.features[picture])(decode=False))
    pictures = [
        Picture(f"{operand} {split} {row}", partial(_cell, part, row, picture)) for row in range(len(part))
    ]
    return ImageSet(decode(pictures, preprocess), labels, classes, f"hf:{operand.name}", split)


def _cell(part: Any, row: int, column: str) -> Image.Image:
    stored = part[row][column]
    return open_picture(stored["path"] if stored["bytes"] is None else io.BytesIO(stored["bytes"]))


def _hub(operand: Path) -> Any:
    datasets = _package("datasets")
    datasets.config.HF_DATASETS_TRUST_REMOTE_CODE = False  # versions that run a data set's code ask otherwise
    try:
        return datasets.load_dataset(str(operand))
    except Exception as error:
        raise BadData(f"hf:{operand}: cannot be loaded ({_words(error)})") from error


def _hub_part(parts: Any, split: str) -> str | None:
    names = TEST_NAMES if split == "test" else (split,)
    return next((name for name in names if name in parts), None)


def _package(name: str, module: str = "") -> ModuleType:
    if importlib.util.find_spec(name) is None:
        raise Unsupported(f"this source needs the package {name}: python -m pip install {name}")
    try:
        return importlib.import_module(f"{name}.{module}" if module else name)
    except Exception as error:  # torchvision beside a torch of another build, above all
        raise Unsupported(
            f"the package {name} does not load ({_words(error)}); where torch came from an index of its own, "
            f"install {name} from the same one"
        ) from error


def _words(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
