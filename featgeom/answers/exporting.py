"""The samples of a run for other tools: tables, arrays, the embedding projector, FiftyOne."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from featgeom.answers.rows import Row, as_csv, as_parquet
from featgeom.answers.samples import Columns, sample_columns
from featgeom.data.images import ImageSet
from featgeom.errors import BadArgument
from featgeom.files import json_bytes, refuse_foreign, write_whole
from featgeom.report.view import bytes_of, encoded
from featgeom.runs.again import images_by_part
from featgeom.runs.record import plain
from featgeom.text import visible

if TYPE_CHECKING:
    from featgeom.runs.run import Run

Images = Mapping[str, ImageSet | None]
SPRITE_SIDE = 8192  # pixels; the projector refuses larger pictures


def export(run: Run, to: str, out: Path | None = None) -> list[Path]:
    """Write what a run knows of each of its samples (see `sample_columns`); the files written.

    ``to`` is "csv", "parquet", "npz" (columns, and features, weight, bias beside them), "projector" (a folder
    that TensorBoard's embedding projector opens, with features and with the coordinates in which the classes
    that are confused most are told apart exactly) or "fiftyone" (a folder of images and labels that FiftyOne
    reads as FiftyOneImageClassificationDataset). ``out``: RUN/export/samples.ENDING or RUN/export/NAME by
    default.

    Raises BadArgument for another format, or images that a format needs and the run has not; Unsupported for
    Parquet without pyarrow.
    """
    if to not in FORMATS:
        raise BadArgument(f"export: one of {', '.join(FORMATS)}, got '{to}'")
    folder = out or run.folder / "export" / to
    if to in LAST:
        refuse_foreign(folder, LAST[to], f"export for {to}")
    images = images_by_part(run)
    files = FORMATS[to](run, sample_columns(run, images), images)
    if to not in LAST:
        place = out or run.folder / "export" / f"samples.{to}"
        write_whole(place, files[""])
        return [place]
    for name, content in files.items():  # the file that names the others comes last
        write_whole(folder / name, content)
    return [folder / name for name in files]


def rows_of(columns: Columns) -> list[Row]:
    """Columns as one row a sample."""
    values = {name: column.tolist() for name, column in columns.items()}
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def kinds_of(columns: Columns) -> dict[str, type]:
    """What the values of each column are, by the type of its array.

    >>> kinds_of({"row": np.arange(2), "label": np.array(["a", "b"])})
    {'row': <class 'int'>, 'label': <class 'str'>}
    """
    kinds = {"U": str, "b": bool, "i": int, "u": int, "f": float}
    return {name: kinds[column.dtype.kind] for name, column in columns.items()}


def _csv(run: Run, columns: Columns, images: Images) -> dict[str, bytes]:
    return {"": as_csv(rows_of(columns), list(columns))}


def _parquet(run: Run, columns: Columns, images: Images) -> dict[str, bytes]:
    return {"": as_parquet(rows_of(columns), kinds_of(columns))}


def _npz(run: Run, columns: Columns, images: Images) -> dict[str, bytes]:
    packed = io.BytesIO()
    head = run.features(run.splits[0]).head
    beside: Columns = {"features": _features(run), "weight": head.weight, "bias": head.bias}
    np.savez(packed, **columns, **beside, classes=np.array(run.classes))  # type: ignore[arg-type]
    return {"": packed.getvalue()}


def _features(run: Run) -> Any:
    return np.concatenate([run.features(split).features for split in run.splits])


def _projector(run: Run, columns: Columns, images: Images) -> dict[str, bytes]:
    view = np.stack(
        [c for name, c in columns.items() if name.startswith("decision_")] or [columns["radius"]], 1
    )
    tensors = {"features": _features(run), "decision": view}
    table = [list(columns), *zip(*(column.tolist() for column in columns.values()), strict=True)]
    lines = "\n".join("\t".join(visible(str(cell)).replace("\t", " ") for cell in row) for row in table)
    files = {f"{name}.tsv": _tsv(values) for name, values in tensors.items()}
    files["metadata.tsv"] = (lines + "\n").encode("utf-8", "backslashreplace")
    known = [part for part in images.values() if part is not None]
    sprite = ""
    if len(known) == len(images) and (found := _sprite(known)):
        files["sprite.png"], height, width = found
        sprite = (
            f'  sprite {{\n    image_path: "sprite.png"\n    single_image_dim: {width}\n'
            f"    single_image_dim: {height}\n  }}\n"
        )
    blocks = [
        f'embeddings {{\n  tensor_name: "{name}"\n  tensor_path: "{name}.tsv"\n'
        f'  metadata_path: "metadata.tsv"\n{sprite}}}\n'
        for name in tensors
    ]
    return files | {"projector_config.pbtxt": "".join(blocks).encode()}


def _tsv(values: Any) -> bytes:
    buffer = io.StringIO()
    np.savetxt(buffer, values, fmt="%.9g", delimiter="\t")
    return buffer.getvalue().encode()


def _sprite(parts: list[ImageSet]) -> tuple[bytes, int, int] | None:
    """All images in one square picture, row by row, and the size of one; None where they are too many."""
    pixels = np.concatenate([bytes_of(part.pixels()) for part in parts])
    n, height, width, _ = pixels.shape
    across = int(np.ceil(np.sqrt(n)))
    if across * max(height, width) > SPRITE_SIDE:
        return None
    sheet = np.zeros((across * across, height, width, 3), np.uint8)
    sheet[:n] = pixels
    tiles = sheet.reshape(across, across, height, width, 3).transpose(0, 2, 1, 3, 4)
    return (
        encoded(np.ascontiguousarray(tiles.reshape(across * height, across * width, 3)), "png"),
        height,
        width,
    )


def _fiftyone(run: Run, columns: Columns, images: Images) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    labels: dict[str, Any] = {}
    rows = iter(rows_of(columns))
    for split in run.splits:
        known = images[split] or run.images(split)  # which says why there are none
        for i in range(len(known)):
            name, row = f"{split}-{i:06d}", next(rows)
            files[f"data/{name}.png"] = encoded(bytes_of(known.pixels([i]))[0], "png")
            label = row.pop("label")  # "" where unknown: FiftyOne makes the word None of nothing
            labels[name] = {"label": label, "attributes": plain(row)}
    document = {"classes": list(run.classes), "labels": labels}
    return files | {"labels.json": json_bytes(document)}


LAST = {"projector": "projector_config.pbtxt", "fiftyone": "labels.json"}  # of a folder, names the others
FORMATS: dict[str, Callable[[Run, Columns, Images], dict[str, bytes]]] = {
    "csv": _csv,
    "parquet": _parquet,
    "npz": _npz,
    "projector": _projector,
    "fiftyone": _fiftyone,
}
