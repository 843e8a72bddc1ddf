"""The images that a question is about: files, folders, sources, and samples of the run itself."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featgeom.data.folder import ENDINGS, sorted_pictures
from featgeom.data.images import ImageSet
from featgeom.data.pictures import Picture, open_picture, read_header, read_pixels
from featgeom.data.sources import SOURCES, load_splits, parse_source
from featgeom.errors import BadArgument, BadData
from featgeom.models.channels import fit_channels
from featgeom.models.pixel_spec import PixelSpec
from featgeom.preprocess import Preprocess, Way, preprocess_from_json
from featgeom.remarks import remark

if TYPE_CHECKING:
    from featgeom.models.classifier import Classifier
    from featgeom.runs.run import Run

SAMPLE = re.compile(r"(?P<split>[\w.+-]+):(?P<first>\d+)(-(?P<last>\d+))?")


@dataclass(frozen=True)
class AskedImage:
    """One image: its name, how to get its pixels (c, h, w), and the (split, row) of a ``sample`` of a run.

    ``identity`` says in a line what those pixels are made of: two images with the same one are the same.
    """

    name: str
    load: Callable[[], NDArray[Any]]
    sample: tuple[str, int] | None = None
    identity: Callable[[], str] = str


@dataclass
class Asking:
    """How words become images that the network of a run takes.

    A word is a file or a folder of pictures, a source such as cifar10:DIR, a part of the run (``test``) or
    samples of it (``test:123``, ``test:0-99``), or ``-``, for words in the lines of ``lines``. Pictures of
    another size than the run's images are resized and cropped as those were, or as folder:DIR@SIZE says.
    """

    run: Run
    classifier: Classifier | None
    lines: Iterable[str] = ()
    said: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        data = self.run.asked["data"]
        source = data["source"]
        own = parse_source(source).preprocess if source else None
        self.way = own or preprocess_from_json(data.get("preprocess")) or self._pixels().preprocess
        made_from = self.run.features(self.run.question_split).made_from or {}
        self.base = self.run.base
        self.shape = tuple(made_from.get("images", {}).get("shape", ()))

    def _pixels(self) -> PixelSpec:
        return PixelSpec() if self.classifier is None else self.classifier.pixels

    def images(self, words: Sequence[str]) -> list[AskedImage]:
        """All images of some words, in order. Raises BadArgument and BadData for words that name none."""
        return [image for word in words for image in self._of(word)]

    def arrays(self, images: ImageSet) -> list[AskedImage]:
        """The images of a set that a program holds, named by number."""
        of = images.images.__getitem__
        names = [f"image {i}" for i in range(len(images))]
        return [AskedImage(name, partial(self._fitted, partial(of, i), name)) for i, name in enumerate(names)]

    def picture(self, content: bytes, name: str) -> AskedImage:
        """The bytes of a picture, of any format that a file may have.

        Where nothing says how the run's images came to their size, one of another size is resized until it
        covers that, and its middle is taken, which is said.
        """
        picture = Picture(name, lambda: open_picture(io.BytesIO(content)))
        load = partial(self._decoded, picture, self.way or self._covering(picture))
        return AskedImage(name, partial(self._fitted, load, name))

    def _covering(self, picture: Picture) -> Preprocess | None:
        """What fits a picture to the size of the run's images; None where it has that, or none is known."""
        wanted = tuple(self._pixels().shape or self.shape)[1:]
        width, height = read_header(picture, Counter()).size
        if not wanted or (height, width) == wanted:
            return None
        self.said[
            f"was resized from {width}x{height} to cover {wanted[1]}x{wanted[0]}, and the middle taken; "
            "whether the network's own images were made so is not known"
        ] += 1
        return Preprocess(wanted, wanted)

    def remarks(self) -> None:
        """Say what was changed in pictures that were decoded, once for all of them."""
        for sentence, count in self.said.items():
            remark(f"{count:,} picture{'s' if count != 1 else ''} {sentence}")
        self.said.clear()

    def _of(self, word: str) -> Iterator[AskedImage]:
        if not word:
            raise BadArgument("'': names no image; write . for the folder that you are in")
        path = Path(word).expanduser()
        kind, colon, _ = word.partition(":")
        sample = SAMPLE.fullmatch(word)
        part = word if word in self.run.splits else sample and sample["split"]
        if word == "-":
            for line in self.lines:
                if line.strip():
                    yield from self._of(line.rstrip("\r\n"))
        elif part in self.run.splits and path.exists():
            raise BadArgument(f"'{word}': is a part of the run and a file; write ./{word} for the file")
        elif part in self.run.splits:
            yield from self._of_run(str(part), sample)
        elif path.is_dir():
            yield from self._of_folder(path, self.way)
        elif path.exists() or (not colon and path.suffix.lower() in ENDINGS):
            yield self._of_file(path, self.way)
        elif kind == "folder" and colon:
            asked = parse_source(word)
            yield from self._of_folder(asked.operand, asked.preprocess or self.way)
        elif kind in SOURCES:
            for images in load_splits(word, preprocess=self.way).values():
                yield from self._of_set(images, kind)
        else:
            raise BadArgument(
                f"'{word}': no such file; give a picture, a folder, a source such as cifar10:DIR, or samples "
                f"of the run such as {self.run.question_split}:0"
            )

    def _of_run(self, split: str, sample: re.Match[str] | None) -> Iterator[AskedImage]:
        count = len(self.run.features(split))
        first, last = 0, count - 1
        if sample:
            first = int(sample["first"])
            last = first if sample["last"] is None else int(sample["last"])
        if not first <= last < count:
            raise BadArgument(
                f"{split}:{first}{f'-{last}' if last != first else ''}: {split} has samples 0 to {count - 1}"
            )
        images = cache(lambda: self.run.images(split))
        for row in range(first, last + 1):
            name = f"{split}:{row}"
            load = partial(self._fitted, lambda row=row: images().images[row], name)  # type: ignore[misc]
            yield AskedImage(name, load, (split, row), partial("{}:{}".format, self.base, name))

    def _of_set(self, images: ImageSet, kind: str) -> Iterator[AskedImage]:
        for row in range(len(images)):
            name = f"{kind}:{images.split}:{row}"
            load = partial(self._fitted, lambda row=row: images.images[row], name)  # type: ignore[misc]
            yield AskedImage(name, load, identity=lambda row=row: f"{images.hash}:{row}")  # type: ignore[misc]

    def _of_folder(self, folder: Path, way: Way | None) -> Iterator[AskedImage]:
        if not folder.is_dir():
            raise BadData(f"{folder}: no such folder")
        files = sorted_pictures(folder)
        if not files:
            raise BadData(f"{folder}: no picture in it")
        for file in files:
            yield self._of_file(file, way)

    def _of_file(self, file: Path, way: Way | None) -> AskedImage:
        load = partial(self._fitted, partial(self._read, file, way), str(file))
        return AskedImage(str(file), load, identity=partial(_identity, file, way))

    def _read(self, file: Path, way: Way | None) -> NDArray[Any]:
        if not file.exists():
            raise BadData(f"{file}: no such file")
        return self._decoded(Picture(str(file), partial(open_picture, file)), way)

    def _decoded(self, picture: Picture, way: Way | None) -> NDArray[Any]:
        header = read_header(picture, self.said)
        pixels = read_pixels(
            picture, "L" if header.grey else "RGB", way.apply if way else lambda image: image
        )
        return np.asarray(pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1))

    def _fitted(self, load: Callable[[], NDArray[Any]], name: str) -> NDArray[Any]:
        """Pixels in as many channels as the network takes, and of the size that the run's images have."""
        pixels = load()
        if self.classifier is not None:
            pixels = fit_channels(pixels[None], self.classifier.channels)[0]
        wanted = self._pixels().shape or self.shape
        if wanted and tuple(pixels.shape) != tuple(wanted):
            (c, h, w), (wc, wh, ww) = pixels.shape, wanted
            raise BadData(
                f"{name}: is {w}x{h} with {c} channel{'s' if c != 1 else ''}, the images of this run are "
                f"{ww}x{wh} with {wc}; write folder:DIR@{min(wh, ww)} to resize and crop"
            )
        return pixels


def _identity(file: Path, way: Way | None) -> str:
    """What a file holds now, and the way in which its picture is prepared."""
    try:
        with open(file, "rb") as opened:
            content = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        content = ""
    return json.dumps([os.path.abspath(file), content, way and way.to_json()])
