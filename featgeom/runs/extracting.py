"""Extraction that the workers of a cluster share, block by block of the store."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain

from featgeom.features.extraction import Compute, Part, run_batches
from featgeom.features.store import block_rows
from featgeom.runs.run import Run
from featgeom.runs.sharing import images_are_shared, shared


def shared_extraction(run: Run, split: str, device: str) -> Compute | None:
    """What computes features and logits of a part of the images by the workers of a `cluster`, if any.

    Batches are those of one process, and so are the bytes.
    """
    if not images_are_shared(run):
        return None
    count = run.asked["data"]["splits"][split]["samples"]

    def compute(start: int, batch_size: int, progress: bool) -> Iterator[Part]:
        work = partial(_block, split, device, batch_size)
        starts = range(start, count, block_rows(batch_size))
        what = f"features, {split}, in blocks"
        return chain.from_iterable(shared(run, work, starts, what, progress, files=()))

    return compute


def _block(split: str, device: str, batch_size: int, run: Run, start: int) -> list[Part]:
    """Features, logits and self-check of the batches of one block, as a worker computes them."""
    clf, images = run.classifier(device), run.images(split)
    return list(run_batches(clf, images, start, batch_size, False, start + block_rows(batch_size)))
