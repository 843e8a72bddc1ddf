"""From the name of a source of images to an ImageSet."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from featgeom.data.cifar import read_cifar10, read_cifar100
from featgeom.data.digits import read_digits
from featgeom.data.folder import folder_splits, read_folder
from featgeom.data.idx import read_fashion_mnist, read_mnist
from featgeom.data.images import ImageSet, concatenate
from featgeom.data.npz import npz_splits, read_npz
from featgeom.data.packages import hub_splits, read_hub, read_torchvision
from featgeom.data.synthetic import read_synthetic
from featgeom.errors import BadArgument, BadData, nearest_name
from featgeom.preprocess import Way, parse_preprocess
from featgeom.remarks import remark

BOTH = ["train", "test"]


@dataclass(frozen=True)
class Source:
    """A kind of source: what stands after its colon ("" for nothing), its splits, and how one is read.

    One that ``resizes`` takes @SIZE after its operand, and a `Preprocess` as third argument in ``read``.
    """

    operand: str
    read: Callable[..., ImageSet]
    splits: Callable[[Path], list[str]] = lambda _: BOTH
    resizes: bool = False


@dataclass(frozen=True)
class Asked:
    """A source that was asked for: its kind, what stands after the colon, and how pictures are resized."""

    kind: Source
    operand: Path
    preprocess: Way | None

    @property
    def splits(self) -> list[str]:
        """The splits it has."""
        return self.kind.splits(self.operand)

    def read(self, split: str, own: Way | None = None) -> ImageSet:
        """One of them; pictures in the network's ``own`` way, unless the source says another."""
        way = (self.preprocess or own) if self.kind.resizes else None
        return self.kind.read(self.operand, split, *([way] if way else []))


SOURCES = {
    "digits": Source("", lambda _, split: read_digits(split)),
    "cifar10": Source("DIR", read_cifar10),
    "cifar100": Source("DIR", read_cifar100),
    "mnist": Source("DIR", read_mnist),
    "fashion-mnist": Source("DIR", read_fashion_mnist),
    "folder": Source("DIR", read_folder, folder_splits, resizes=True),
    "npz": Source("FILE", read_npz, npz_splits),
    "synthetic": Source("NAME", lambda path, split: read_synthetic(path.name, split)),
    "torchvision": Source("NAME:DIR", read_torchvision, resizes=True),
    "hf": Source("NAME", read_hub, hub_splits, resizes=True),
}


def load_images(source: str, split: str | None = None, preprocess: Way | None = None) -> ImageSet:
    """Load labelled images of one source.

    ``source`` is digits, cifar10:DIR, cifar100:DIR, mnist:DIR, fashion-mnist:DIR, folder:DIR (one folder a
    class), npz:FILE, torchvision:NAME:DIR, hf:NAME or synthetic:NAME (simulated points of the plane).
    Pictures of folder, torchvision and hf are resized and cropped as ``preprocess`` says (that of a published
    network is ``clf.pixels.preprocess``), or as stands after an @: folder:DIR@224, which is bicubic until the
    shorter side is 224/0.875 and then the central square, or
    folder:DIR@resize=256,crop=224,interpolation=bilinear.
    ``split`` is "train", "test", or "both" for all in one; without it, the test images
    where the source has them, else all.

    Raises BadArgument for an unknown source or split, BadData for what is missing or damaged.

    >>> load_images("digits", split="test")
    <ImageSet digits test: 500 of 1x8x8, 10 classes>
    >>> load_images("digit")
    Traceback (most recent call last):
    featgeom.errors.BadArgument: unknown source of images 'digit'; did you mean 'digits'?
    """
    available = parse_source(source).splits
    if split is None:
        split = "test" if "test" in available else "both"
    parts = load_splits(source, split, preprocess)
    return next(iter(parts.values())) if len(parts) == 1 else concatenate(list(parts.values()), "all")


def load_splits(source: str, split: str = "both", preprocess: Way | None = None) -> dict[str, ImageSet]:
    """Load the splits of a source apart: {"train": ..., "test": ...}, or {"all": ...} where it has none.

    "both" takes whatever the source has. ``preprocess`` is as for `load_images`.

    >>> {name: len(images) for name, images in load_splits("digits").items()}
    {'train': 1297, 'test': 500}
    """
    asked = parse_source(source)
    available = asked.splits
    if split not in ("both", "all", *available):
        raise BadArgument(f"{source}: no split '{split}'; it has {', '.join(available)}")
    way = asked.preprocess or preprocess
    if way is not None and asked.kind.resizes:
        remark(f"{source}: pictures are {way.describe()}")
    chosen = available if split in ("both", "all") else [split]
    parts = {name: replace(asked.read(name, preprocess), source=source) for name in chosen}
    if len({part.classes for part in parts.values() if part.labelled}) > 1:
        raise BadData(f"{source}: its splits have different classes")
    return parts


def parse_source(source: str) -> Asked:
    """What a source names."""
    name, _, operand = source.partition(":")
    if name not in SOURCES:
        raise BadArgument(f"unknown source of images '{name}'{nearest_name(name, list(SOURCES))}")
    kind = SOURCES[name]
    if bool(operand) != bool(kind.operand):
        right = f"{name}:{kind.operand}" if kind.operand else name
        raise BadArgument(f"images '{source}': write {right}")
    place, way = _with_way(operand) if kind.resizes else (operand, "")
    return Asked(kind, Path(place).expanduser(), parse_preprocess(way) if way else None)


def _with_way(operand: str) -> tuple[str, str]:
    """What stands before and after the @ of an operand; a path that exists with that ending has none."""
    place, _, way = operand.rpartition("@")
    exists = any(Path(path).expanduser().exists() for path in (operand, operand.partition(":")[2]) if path)
    if exists or not re.fullmatch(r"[1-9]\d*|[a-z]+=.*", way):
        return operand, ""
    return place, way


def absolute_source(source: str) -> str:
    """The same source from any working directory: what is a path becomes absolute, names stay.

    >>> absolute_source("digits"), absolute_source("synthetic:moons"), absolute_source("folder:no-such")
    ('digits', 'synthetic:moons', 'folder:no-such')
    """
    kind, colon, rest = source.rpartition(":")
    place, way = _with_way(rest)
    path = Path(place).expanduser()
    at = f"@{way}" if way else ""
    return f"{kind}:{path.resolve()}{at}" if colon and path.exists() else source
