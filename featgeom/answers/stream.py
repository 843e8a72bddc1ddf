"""A stream of images through the guard, into a file; stopped, it carries on where it was."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from featgeom.answers.asked import AskedImage
from featgeom.answers.guard import Guard
from featgeom.answers.makers import NONE, Makers
from featgeom.answers.rows import Row, json_line, writer_for
from featgeom.errors import BadData
from featgeom.files import write_whole
from featgeom.remarks import remark
from featgeom.runs.record import restored

if TYPE_CHECKING:
    from featgeom.models.classifier import Classifier

BATCH = 256
COLUMNS = (
    "image", "prediction", "alarm", "p_value", "score", "score_lower", "margin", "distance", "error",
)  # fmt: skip
NUMBERS = {"p_value", "score", "score_lower", "margin", "distance"}
KINDS = dict.fromkeys(COLUMNS, str) | dict.fromkeys(NUMBERS, float) | {"alarm": bool}


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
        pixels: list[Any] = []
        loaded: list[AskedImage] = []
        errors: list[str] = []
        for image in images:
            try:
                pixels.append(image.load())
                loaded.append(image)
                errors.append("")
            except BadData as error:
                errors.append(str(error))
        judged = iter(self._judged(np.stack(pixels), self.makers.calibrate(loaded)) if pixels else [])
        rows = [dict.fromkeys(COLUMNS[1:-1]) if error else next(judged) for error in errors]
        return [
            {"image": image.name, **row, "error": error}
            for image, row, error in zip(images, rows, errors, strict=True)
        ]

    def _judged(self, pixels: Any, own: list[bool]) -> Iterator[Row]:
        found = self.guard.judge(self.classifier.features(pixels), own)
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
        self, images: Sequence[AskedImage], kept: Sequence[Row] = (), progress: bool = False
    ) -> Iterator[list[Row]]:
        """Rows of all images but those already ``kept``, a batch at a time."""
        from featgeom.progress import bar as shown_bar

        with shown_bar(
            total=len(images),
            initial=len(kept),
            desc="guard",
            unit=" images",
            delay=2,
            disable=not progress,
            leave=False,
        ) as bar:
            for start in range(len(kept), len(images), BATCH):
                rows = self.rows(images[start : start + BATCH])
                bar.update(len(rows))
                yield rows


def number(value: float) -> float | None:
    """A number of a row; None for NaN."""
    return None if np.isnan(value) else float(value)


def write_scores(watch: Watch, images: Sequence[AskedImage], out: Path, progress: bool = False) -> list[Row]:
    """Write what the guard says of images to a file, .csv, .jsonl or .parquet by its ending; all rows.

    Rows that are done wait in a file beside it (OUT.part), from which the same question carries on: the same
    guard, and the same images, each with the same content and preparation. The file itself appears whole.
    Raises BadArgument for another ending, Unsupported for Parquet without pyarrow.
    """
    write = writer_for(out, KINDS)
    part = out.with_name(f"{out.name}.part")
    head = {"guard": watch.made_of}
    kept = _kept(part, head, images)
    if kept:
        remark(f"{part}: {len(kept):,} of {len(images):,} images are done already")
    part.parent.mkdir(parents=True, exist_ok=True)
    write_whole(part, b"".join([json_line(head), *_marked(map(_mark, images), kept)]))
    coming = watch.stream(images, kept, progress)
    with open(part, "ab") as file:
        while len(kept) < len(images):
            marks = [*map(_mark, images[len(kept) : len(kept) + BATCH])]  # before they are read
            rows = next(coming)
            file.write(b"".join(_marked(marks, rows)))
            file.flush()
            os.fsync(file.fileno())
            kept += rows
    write_whole(out, write(kept))
    part.unlink()
    return kept


def _mark(image: AskedImage) -> str:
    """A digest of which image it is: its name, what its pixels are made of, and how they are prepared."""
    said = f"{image.name}\n{image.identity()}"
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


def _marked(marks: Iterable[str], rows: Sequence[Row]) -> Iterator[bytes]:
    return (json_line({"of": mark, "row": row}) for row, mark in zip(rows, marks))


def _kept(part: Path, head: Row, images: Sequence[AskedImage]) -> list[Row]:
    """The rows of a file that was begun with the same guard for the same images; none of any other."""
    try:
        content = part.read_bytes()
    except OSError:
        return []
    try:
        # what stands behind the last line feed is unfinished
        first, *lines = map(json.loads, content.split(b"\n")[:-1])
        rows = [line["row"] for line in lines]
        same = first == head and len(lines) <= len(images)
        same = same and all(line["of"] == _mark(image) for line, image in zip(lines, images))
        same = same and all(list(row) == list(COLUMNS) for row in rows)
    except (ValueError, KeyError, TypeError):
        same = False
    if not same:
        remark(f"{part}: was begun with another guard or other images; begun again")
        return []
    return [{name: restored(row[name]) if name in NUMBERS else row[name] for name in row} for row in rows]
