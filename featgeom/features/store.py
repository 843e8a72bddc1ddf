"""Features on disk: one memory-mappable safetensors file, and a manifest that says what it was made from.

While it is being filled the file has another name, and a journal lists the blocks of rows that are complete
with their hashes. Blocks and batches lie at fixed rows, so a store that was interrupted, at whatever
moment, ends as the same bytes as one that was not.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from featgeom.errors import BadData
from featgeom.features.features import FeatureSet
from featgeom.features.shard import Layout
from featgeom.files import read_json, write_json
from featgeom.head import AffineHead

MANIFEST, JOURNAL = "manifest.json", "progress.json"
SHARD, PARTIAL = "features.safetensors", "features.safetensors.partial"
FORMAT = 1
BLOCK_ROWS = 4096
BY_ROW = ("features", "logits", "labels", "predictions")


def block_rows(batch_size: int) -> int:
    """Rows a block: whole batches, at least `BLOCK_ROWS`."""
    return batch_size * -(-BLOCK_ROWS // batch_size)


class StoreWriter:
    """Fills a store from the first row that it does not have yet.

    ``made_from`` is what the features depend on; ``circumstances`` (versions, device, batch size) is what
    only their last digits depend on. A store made from something else is never touched, unless
    ``overwrite``; one that was interrupted under other circumstances is begun again.
    """

    def __init__(
        self,
        folder: Path,
        made_from: dict[str, Any],
        circumstances: dict[str, Any],
        head: AffineHead,
        labels: NDArray[np.int64],
        block: int,
        overwrite: bool = False,
        dtype: DTypeLike = np.float32,
    ) -> None:
        n, (classes, d) = len(labels), head.weight.shape
        given = np.dtype(dtype).newbyteorder("<")
        f4, f8, i8 = np.dtype("<f4"), np.dtype("<f8"), np.dtype("<i8")
        shapes: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {
            "features": (given, (n, d)),
            "logits": (f4, (n, classes)),
            "labels": (i8, (n,)),
            "predictions": (i8, (n,)),
            "weight": (f8, (classes, d)),
            "bias": (f8, (classes,)),
        }
        self.folder, self.head, self.labels, self.block, self.n = folder, head, labels, block, n
        self.layout = Layout.plan(shapes)
        self.identity = {"format": FORMAT, "made_from": made_from}
        self.circumstances = circumstances
        self.hashes: list[str] = []
        self.residual = 0.0
        self.complete = False
        folder.mkdir(parents=True, exist_ok=True)
        if overwrite:
            for name in (MANIFEST, JOURNAL, SHARD, PARTIAL):
                (folder / name).unlink(missing_ok=True)
        if (folder / MANIFEST).exists():
            _refuse_other(folder, read_manifest(folder), self.identity)
            self.complete = True
        elif (folder / JOURNAL).exists():
            self._resume()

    def _resume(self) -> None:
        """Take over the blocks of an interrupted run that are still what their hashes say."""
        journal = read_json(self.folder / JOURNAL)
        _refuse_other(self.folder, journal, self.identity)
        partial = self.folder / PARTIAL
        if journal.get("circumstances") != self.circumstances or not partial.exists():
            return
        if partial.stat().st_size != self.layout.nbytes:
            return
        for i, digest in enumerate(journal["blocks"]):
            if _hash_block(self.layout, partial, i * self.block, self.block) != digest:
                break
            self.hashes.append(digest)
        self.residual = float(journal["residual"])

    @property
    def rows_done(self) -> int:
        """How many rows are on disk and need not be computed."""
        return self.n if self.complete else min(self.n, len(self.hashes) * self.block)

    def fill(self, batches: Iterator[tuple[NDArray[Any], NDArray[Any], float]]) -> None:
        """Write (features, logits, residual) of consecutive batches, from row `rows_done` on, to the end."""
        partial = self.folder / PARTIAL
        if not self.hashes:
            write_json(self.folder / JOURNAL, self._journal())
            with open(partial, "wb") as file:
                file.write(self.layout.header)
                file.truncate(self.layout.nbytes)
        row = self.rows_done
        with open(partial, "r+b") as file:
            self.layout.write_rows(file, "weight", 0, self.head.weight)
            self.layout.write_rows(file, "bias", 0, self.head.bias)
            for features, logits, residual in batches:
                end = row + len(features)
                self.layout.write_rows(file, "features", row, features)
                self.layout.write_rows(file, "logits", row, logits)
                self.layout.write_rows(file, "labels", row, self.labels[row:end])
                self.layout.write_rows(file, "predictions", row, logits.argmax(axis=1))
                self.residual = max(self.residual, residual)
                row = end
                if row % self.block == 0 or row == self.n:
                    self._close_block(file)
        self._finish()

    def _close_block(self, file: Any) -> None:
        """Make a block's bytes durable before the journal says that they are there."""
        file.flush()
        os.fsync(file.fileno())
        first = len(self.hashes) * self.block
        self.hashes.append(_hash_block(self.layout, self.folder / PARTIAL, first, self.block))
        write_json(self.folder / JOURNAL, self._journal())

    def _journal(self) -> dict[str, Any]:
        return {
            **self.identity,
            "circumstances": self.circumstances,
            "block_rows": self.block,
            "residual": self.residual,
            "blocks": self.hashes,
        }

    def _finish(self) -> None:
        partial = self.folder / PARTIAL
        with open(partial, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.replace(partial, self.folder / SHARD)
        shard = {"file": SHARD, "rows": [0, self.n], "bytes": self.layout.nbytes, "sha256": digest}
        write_json(self.folder / MANIFEST, {**self._journal(), "n": self.n, "shards": [shard]})
        (self.folder / JOURNAL).unlink(missing_ok=True)
        self.complete = True


def save_features(features: FeatureSet, folder: str | Path) -> FeatureSet:
    """Store features that came from elsewhere; what is stored already and equal is opened as it is.

    float32 and float64 keep their precision. Raises BadData where the folder holds other features.
    """
    made_from = {
        "arrays": features.hash,
        "images": {"name": features.name, "split": features.split},
        "classes": list(features.classes),
    }
    n, block = len(features), BLOCK_ROWS
    dtype = features.features.dtype
    writer = StoreWriter(Path(folder), made_from, {}, features.head, features.labels, block, dtype=dtype)
    if not writer.complete:
        rows = range(writer.rows_done, n, block)
        writer.fill(
            (features.features[i : i + block], features.logits[i : i + block], features.residual)
            for i in rows
        )
    return open_features(folder)


def open_features(folder: str | Path, verify: bool = False) -> FeatureSet:
    """Open a store as memory maps: nothing but its manifest is read.

    The size of the file is checked, and with ``verify`` its SHA-256. Raises BadData for a store that is
    missing, unfinished or damaged.

    >>> open_features("no/such/folder")
    Traceback (most recent call last):
    featgeom.errors.BadData: no/such/folder: no features there (no manifest.json)
    """
    folder = Path(folder).expanduser()
    manifest = read_manifest(folder)
    path = folder / SHARD
    layout = Layout.read(path)
    try:
        shard = manifest["shards"][0]
        made_from, n = manifest["made_from"], int(manifest["n"])
        classes, images = tuple(made_from["classes"]), made_from["images"]
        name, split = str(images["name"]), str(images["split"])
        wrong = shard["bytes"] != layout.nbytes or any(layout.arrays[key].shape[0] != n for key in BY_ROW)
        digest, residual = str(shard["sha256"]), float(manifest["residual"])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise BadData(f"{folder / MANIFEST}: damaged ({type(error).__name__}: {error})") from None
    if wrong:
        raise BadData(f"{path}: is not the file that {MANIFEST} describes")
    if verify:
        with open(path, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise BadData(f"{path}: damaged, its SHA-256 is not that of {MANIFEST}")
    maps = {key: layout.open(path, key) for key in (*BY_ROW, "weight", "bias")}
    head = AffineHead(maps.pop("weight"), maps.pop("bias"))
    return FeatureSet(
        **maps, head=head, classes=classes, name=name, split=split, residual=residual,
        made_from=made_from, store=folder,
    )  # fmt: skip


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a finished store was made from, and what it holds."""
    if not (folder / MANIFEST).is_file():
        unfinished = (folder / JOURNAL).is_file()
        why = "unfinished; run the extraction again to complete them" if unfinished else f"no {MANIFEST}"
        raise BadData(f"{folder}: no features there ({why})")
    return read_json(folder / MANIFEST)


def _refuse_other(folder: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raise BadData unless the store in ``folder`` was made from the same things."""
    there, here = ({k: record.get(k) for k in wanted} for record in (found, wanted))
    different = _differences(there, here)
    if different:
        raise BadData(
            f"{folder}: holds features made from something else ({'; '.join(different[:3])}); "
            "choose another folder, or overwrite it"
        )


def _differences(there: Any, here: Any, where: str = "") -> list[str]:
    if isinstance(there, dict) and isinstance(here, dict):
        keys = [*here, *(key for key in there if key not in here)]
        return [
            line for key in keys for line in _differences(there.get(key), here.get(key), f"{where} {key}")
        ]
    if there == here:
        return []
    short = [str(value)[:24] for value in (there, here)]
    return [f"{where.removeprefix(' made_from').strip()}: {short[0]} there, {short[1]} here"]


def _hash_block(layout: Layout, path: Path, first: int, rows: int) -> str:
    digest = hashlib.sha256()
    for name in BY_ROW:
        digest.update(np.ascontiguousarray(layout.open(path, name)[first : first + rows]).data)
    return digest.hexdigest()
