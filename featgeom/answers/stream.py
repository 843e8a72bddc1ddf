"""A stream of images through the guard, into a file; stopped, it carries on where it was."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featgeom.answers.asked import AskedImage
from featgeom.answers.guard import Guard
from featgeom.answers.makers import NONE, Makers
from featgeom.answers.rows import Row, json_line, writer_for
from featgeom.arrays import Floats
from featgeom.errors import BadData
from featgeom.files import write_whole
from featgeom.locks import owned_file
from featgeom.remarks import remark
from featgeom.runs.record import restored

if TYPE_CHECKING:
    from featgeom.models.classifier import Classifier

BATCH = 256  # images that the network takes at a time
GROUP = 4096  # images that the guard judges at a time
COLUMNS = (
    "image", "prediction", "alarm", "p_value", "score", "score_lower", "margin", "distance", "error",
)  # fmt: skip
NUMBERS = {"p_value", "score", "score_lower", "margin", "distance"}
KINDS = dict.fromkeys(COLUMNS, str) | dict.fromkeys(NUMBERS, float) | {"alarm": bool}


@dataclass(frozen=True)
class Read:
    """Some images: why each could not be read, empty where it could; the features (m, d) of the others."""

    images: Sequence[AskedImage]
    errors: list[str]
    features: Floats | None


@dataclass(frozen=True)
class Watch:
    """A network with its guard: images in, one row an image out.

    ``made_of`` says which network and which guard these are; a file that was begun with others is not
    continued. ``makers`` are the samples of a run that the guard was made of.
    """

    classifier: Classifier
    guard: Guard
    made_of: str = ""
    makers: Makers = NONE

    def rows(self, images: Sequence[AskedImage]) -> list[Row]:
        """What the guard says of some images, in order; for one that cannot be read, why, as ``error``."""
        return self.told([self.read(images)])

    def read(self, images: Sequence[AskedImage]) -> Read:
        """Some images, as the network sees them."""
        pixels: list[Any] = []
        errors: list[str] = []
        for image in images:
            try:
                pixels.append(image.load())
                errors.append("")
            except BadData as error:
                errors.append(str(error))
        return Read(images, errors, self.classifier.features(stacked(pixels)) if pixels else None)

    def told(self, parts: Sequence[Read]) -> list[Row]:
        """What the guard says of images that were read, in order."""
        images = [image for part in parts for image in part.images]
        errors = [error for part in parts for error in part.errors]
        known = [part.features for part in parts if part.features is not None]
        loaded = [image for image, error in zip(images, errors, strict=True) if not error]
        judged = iter(self._judged(np.concatenate(known), self.makers.calibrate(loaded)) if known else [])
        rows = [dict.fromkeys(COLUMNS[1:-1]) if error else next(judged) for error in errors]
        return [
            {"image": image.name, **row, "error": error}
            for image, row, error in zip(images, rows, errors, strict=True)
        ]

    def _judged(self, features: Floats, own: list[bool]) -> Iterator[Row]:
        found = self.guard.judge(features, own)
        for i, c in enumerate(found.classes):
            yield {
                "prediction": self.classifier.classes[c],
                "alarm": bool(found.alarm[i]),
                "p_value": float(found.p_value[i]),
                "score": number(found.score[i]),
                "score_lower": number(found.lower[i]),
                "margin": number(found.radius[i]),
                "distance": number(found.distance[i]),
            }

    def stream(
        self,
        images: Sequence[AskedImage],
        begin: int = 0,
        waiting: list[Read] | None = None,
        coming: Callable[[Sequence[AskedImage]], object] = len,
        progress: bool = False,
    ) -> Iterator[list[Row]]:
        """Rows of all images from ``begin`` on, a group at a time; ``coming`` hears of each batch beforehand.

        The network takes a batch at a time, the guard all of a group: its passes over the training features
        cost little more for thousands than for hundreds. ``waiting`` are the batches of a group that is not
        whole yet: those before ``begin``, and at any time those that have no rows.
        """
        from featgeom.progress import bar as shown_bar

        waiting = [] if waiting is None else waiting
        with shown_bar(
            total=len(images),
            initial=begin,
            desc="guard",
            unit=" images",
            delay=2,
            disable=not progress,
            leave=False,
        ) as bar:
            for start in range(begin, len(images), BATCH):
                part = images[start : start + BATCH]
                coming(part)
                waiting.append(self.read(part))
                bar.update(len(part))
                if start + len(part) == len(images) or sum(len(read.images) for read in waiting) >= GROUP:
                    rows = self.told(waiting)
                    waiting.clear()
                    yield rows


def stacked(pixels: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Images (c, h, w) as one array; where only some are bytes, these as shares of 255.

    >>> stacked([np.full((1, 1, 1), 255, np.uint8), np.full((1, 1, 1), 0.5)]).ravel()
    array([1. , 0.5])
    """
    if len({image.dtype.kind for image in pixels}) > 1:
        pixels = [image / 255 if image.dtype == np.uint8 else image for image in pixels]
    return np.stack(pixels)


def number(value: float) -> float | None:
    """A number of a row; None for NaN."""
    return None if np.isnan(value) else float(value)


def write_scores(watch: Watch, images: Sequence[AskedImage], out: Path, progress: bool = False) -> list[Row]:
    """Write what the guard says of images to a file, .csv, .jsonl or .parquet by its ending; all rows.

    Rows that are done wait in a file beside it (OUT.part), from which the same question carries on: the same
    guard, and the same images, each with the same content and preparation. The file itself appears whole.
    Raises BadArgument for another ending, Unsupported for Parquet without pyarrow, BadData where another
    process is writing the same file.
    """
    write = writer_for(out, KINDS)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f"{out.name}.part")
    with owned_file(out):
        rows = _all_rows(watch, images, part, progress)
        write_whole(out, write(rows))
        part.unlink()
    return rows


def _all_rows(watch: Watch, images: Sequence[AskedImage], part: Path, progress: bool) -> list[Row]:
    """The rows of all images, those that ``part`` holds already and the others, which are written there."""
    head = {"guard": watch.made_of}
    kept, waiting = _kept(part, head, images)
    done = len(kept) + sum(len(read.images) for read in waiting)
    if done:
        remark(f"{part}: {done:,} of {len(images):,} images are done already")
    marks = [_mark(image) for image in images[:done]]
    write_whole(part, b"".join([json_line(head), *_marked(marks, kept)]))
    del marks[: len(kept)]

    def coming(some: Sequence[AskedImage]) -> None:
        marks.extend(map(_mark, some))  # as they are before they are read

    with open(part, "ab") as file:
        try:
            for rows in watch.stream(images, done, waiting, coming, progress):
                file.write(b"".join(_marked(marks, rows)))
                file.flush()
                os.fsync(file.fileno())
                del marks[: len(rows)]
                kept += rows
        except BaseException:
            file.write(b"".join(_unjudged(marks, waiting)))
            raise
    return kept


def _mark(image: AskedImage) -> str:
    """A digest of which image it is: its name, what its pixels are made of, and how they are prepared."""
    said = f"{image.name}\n{image.identity()}"
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


def _marked(marks: Iterable[str], rows: Sequence[Row]) -> Iterator[bytes]:
    return (json_line({"of": mark, "row": row}) for row, mark in zip(rows, marks))


def _unjudged(marks: Sequence[str], waiting: Sequence[Read]) -> Iterator[bytes]:
    """A line for each image that was read and not judged."""
    known = iter(marks)
    for read in waiting:
        features = iter([] if read.features is None else read.features.tolist())
        for error in read.errors:
            yield json_line(
                {"of": next(known), "error": error, "features": None if error else next(features)}
            )


def _kept(part: Path, head: Row, images: Sequence[AskedImage]) -> tuple[list[Row], list[Read]]:
    """What a file holds that was begun with the same guard for the same images: rows, and batches unjudged.

    Of rows whole groups, so that the same images are judged together as without a stop.
    """
    try:
        content = part.read_bytes()
    except OSError:
        return [], []
    try:
        # what stands behind the last line feed is unfinished
        first, *lines = map(json.loads, content.split(b"\n")[:-1])
        same = first == head and len(lines) <= len(images)
        same = same and all(line["of"] == _mark(image) for line, image in zip(lines, images))
        rows = [line["row"] for line in lines if "row" in line]
        same = same and all(list(row) == list(COLUMNS) for row in rows)
        whole = len(rows) if len(rows) == len(images) else len(rows) // GROUP * GROUP
        batches = range(whole, len(lines) if whole == len(rows) else whole, BATCH)
        reads = [_read_again(images[i : i + BATCH], lines[i : i + BATCH]) for i in batches]
    except (ValueError, KeyError, TypeError):
        same = False
    if not same:
        remark(f"{part}: was begun with another guard or other images; begun again")
        return [], []
    kept = [{name: restored(row[name]) if name in NUMBERS else row[name] for name in row} for row in rows]
    return kept[:whole], [read for read in reads if len(read.images) == BATCH]


def _read_again(images: Sequence[AskedImage], lines: Sequence[Row]) -> Read:
    """A batch of images as `_unjudged` wrote it."""
    errors = [str(line["error"]) for line in lines]
    known = [line["features"] for line in lines if not line["error"]]
    return Read(images[: len(lines)], errors, np.asarray(known, np.float32) if known else None)
