"""Features on disk: one memory-mappable safetensors file, and a manifest that says what it was made from.

While it is being filled the file has another name, and a journal lists the blocks of rows that are complete
with their hashes. Blocks and batches lie at fixed rows, so a store that was interrupted, at whatever
moment, ends as the same bytes as one that was not.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from featgeom.errors import BadData
from featgeom.features.features import FeatureSet
from featgeom.features.manifest import (
    FORMAT,
    JOURNAL,
    MANIFEST,
    SHARD,
    DamagedStore,
    Journal,
    read_form,
    read_manifest,
)
from featgeom.features.shard import Layout
from featgeom.files import digest_of, named, write_json
from featgeom.head import AffineHead
from featgeom.locks import owned
from featgeom.models.own_files import as_recorded
from featgeom.models.self_check import SelfCheck, check_head
from featgeom.remarks import caution

PARTIAL = f"{SHARD}.partial"
BLOCK_ROWS = 4096
BY_ROW = ("features", "logits", "labels", "predictions")


def block_rows(batch_size: int) -> int:
    """Rows a block: whole batches, at least `BLOCK_ROWS`."""
    return batch_size * -(-BLOCK_ROWS // batch_size)


@contextmanager
def kept_from_others(folder: Path) -> Iterator[None]:
    """A folder for a store, made where there is none, into which nobody else writes meanwhile.

    Raises BadData where another process fills it, or it holds something that is no store.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = {file.name for file in folder.iterdir() if not file.name.startswith(".")}
    if names and not names & {MANIFEST, JOURNAL, SHARD}:
        raise BadData(f"{folder}: is not empty and holds no features; choose another folder")
    with owned(folder):
        yield


class StoreWriter:
    """Fills a store from the first row that it does not have yet, in a folder `kept_from_others`.

    ``made_from`` is what the features depend on; ``circumstances`` (versions, device, batch size) is what
    only their last digits depend on. A store made from something else is never touched, unless
    ``overwrite``; one that was interrupted under other circumstances, or is damaged, is begun again.
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
        self.disagreements: list[int] = []  # of each block
        self.complete = False
        if overwrite:
            self._clear()
        self._take_over()

    def _clear(self) -> None:
        for name in (MANIFEST, JOURNAL, SHARD, PARTIAL):
            (self.folder / name).unlink(missing_ok=True)

    def _take_over(self) -> None:
        """Find out what there is: a whole store, blocks of an interrupted run, or nothing of use."""
        try:
            if (self.folder / MANIFEST).exists():
                _refuse_other(self.folder, read_manifest(self.folder), self.identity)
                open_features(self.folder)
                self.complete = True
            elif (self.folder / JOURNAL).exists():
                self._resume()
        except DamagedStore as error:
            caution(f"{error}; computed again")
            self._clear()

    def _resume(self) -> None:
        """Take over the blocks of an interrupted run that are still what their hashes say."""
        journal = read_form(self.folder / JOURNAL, Journal)
        _refuse_other(self.folder, journal, self.identity)
        partial = self.folder / PARTIAL
        if journal["circumstances"] != self.circumstances or not partial.exists():
            return
        if partial.stat().st_size != self.layout.nbytes:
            return
        for i, digest in enumerate(journal["blocks"]):
            if _hash_block(self.layout, partial, i * self.block, self.block) != digest:
                break
            self.hashes.append(digest)
        self.residual = float(journal["residual"])
        self.disagreements = journal["disagreements"][: len(self.hashes)]

    @property
    def rows_done(self) -> int:
        """How many rows are on disk and need not be computed."""
        return self.n if self.complete else min(self.n, len(self.hashes) * self.block)

    def fill(self, batches: Iterator[tuple[NDArray[Any], NDArray[Any], SelfCheck]]) -> None:
        """Write (features, logits, self-check) of consecutive batches, from row `rows_done` to the end."""
        partial = self.folder / PARTIAL
        if not self.hashes:
            write_json(self.folder / JOURNAL, self._journal())
            with named(partial), open(partial, "wb") as file:
                file.write(self.layout.header)
                file.truncate(self.layout.nbytes)
        row, disagreements = self.rows_done, 0
        with named(partial), open(partial, "r+b") as file:
            self.layout.write_rows(file, "weight", 0, self.head.weight)
            self.layout.write_rows(file, "bias", 0, self.head.bias)
            for features, logits, check in batches:
                end = row + len(features)
                self.layout.write_rows(file, "features", row, features)
                self.layout.write_rows(file, "logits", row, logits)
                predictions, labels = logits.argmax(axis=1), self.labels[row:end]
                self.layout.write_rows(file, "labels", row, np.where(labels < 0, predictions, labels))
                self.layout.write_rows(file, "predictions", row, predictions)
                self.residual = max(self.residual, check.residual)
                disagreements += check.disagreements
                row = end
                if row % self.block == 0 or row == self.n:
                    self.disagreements.append(disagreements)
                    disagreements = 0
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
            "disagreements": self.disagreements,
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


def save_features(features: FeatureSet, folder: str | Path, overwrite: bool = False) -> FeatureSet:
    """Store features that came from elsewhere; what is stored already and equal is opened as it is.

    float32 and float64 keep their precision. Raises BadData where the folder holds other features, which
    ``overwrite`` replaces.
    """
    made_from = {
        "arrays": features.hash,
        "images": {"name": features.name, "split": features.split},
        "classes": list(features.classes),
    }
    n, block = len(features), BLOCK_ROWS
    dtype = features.features.dtype
    folder = Path(folder)
    with kept_from_others(folder):
        writer = StoreWriter(folder, made_from, {}, features.head, features.labels, block, overwrite, dtype)
        if not writer.complete:
            rows = range(writer.rows_done, n, block)
            writer.fill(
                (z, logits, check_head(z, logits, features.head))
                for z, logits in (
                    (features.features[i : i + block], features.logits[i : i + block]) for i in rows
                )
            )
    return open_features(folder)


def open_features(folder: str | Path, verify: bool = True) -> FeatureSet:
    """Open a store as memory maps.

    All that is in it is checked, the SHA-256 of its file too unless ``verify`` is false, which takes one
    reading of it. Raises BadData for a store that is missing, unfinished or damaged.

    >>> open_features("no/such/folder")
    Traceback (most recent call last):
    featgeom.errors.BadData: no/such/folder: no features there (no manifest.json)
    """
    folder = Path(folder).expanduser()
    manifest = read_manifest(folder)
    path = folder / SHARD
    try:
        layout = Layout.read(path)
    except BadData as error:
        raise DamagedStore(str(error)) from None
    shard, made_from, n = manifest["shards"][0], manifest["made_from"], manifest["n"]
    classes = tuple(made_from["classes"])
    if shard["bytes"] != layout.nbytes or not _fits(layout, n, len(classes)):
        raise DamagedStore(f"{path}: is not the file that {MANIFEST} describes")
    if verify and digest_of(path) != shard["sha256"]:
        raise DamagedStore(f"{path}: damaged, its SHA-256 is not that of {MANIFEST}")
    maps = {key: layout.open(path, key) for key in (*BY_ROW, "weight", "bias")}
    labels = maps["labels"]
    if verify and n and not (labels.min() >= 0 and labels.max() < len(classes)):
        raise DamagedStore(f"{path}: holds labels that are none of the {len(classes)} classes")
    head = AffineHead(maps.pop("weight"), maps.pop("bias"))
    images = made_from["images"]
    return FeatureSet(
        **maps, head=head, classes=classes, name=images["name"], split=images["split"],
        residual=manifest["residual"], disagreements=sum(manifest["disagreements"]), made_from=made_from,
        store=folder,
    )  # fmt: skip


def _fits(layout: Layout, n: int, classes: int) -> bool:
    """Whether a file holds the arrays of a store of n samples, and nothing else."""
    shapes = {name: array.shape for name, array in layout.arrays.items()}
    d = shapes["weight"][-1] if shapes.get("weight") else 0
    return shapes == {
        "features": (n, d),
        "logits": (n, classes),
        "labels": (n,),
        "predictions": (n,),
        "weight": (classes, d),
        "bias": (classes,),
    }


def _refuse_other(folder: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raise BadData unless the store in ``folder`` was made from the same things."""
    there, here = ({k: record.get(k) for k in wanted} for record in (found, wanted))
    now, then = wanted["made_from"], found["made_from"]
    if "classifier" in now and "classifier" in then:
        here["made_from"] = {**now, "classifier": as_recorded(now["classifier"], then["classifier"])}
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
