"""How many images a network is given at once on a processor: the fastest of a few numbers."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

PORTIONS = (64, 32, 128)  # the first is what most networks like best
WORTH = 64  # batches, for which it pays to spend the time of five on trying all
FEW = 8  # batches, for less than which nothing pays

Forward = Callable[[Tensor], tuple[Tensor, Tensor]]


def in_portions(forward: Forward, batch: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """(features, logits) of a batch that the network sees ``size`` images at a time."""
    parts = [forward(part) for part in batch.split(size)]
    features, logits = zip(*parts, strict=True)
    return (features[0], logits[0]) if len(parts) == 1 else (torch.cat(features), torch.cat(logits))


def fastest_portion(forward: Forward, batch: Tensor, batches: int) -> int:
    """The number of images at once with which a batch, the first of so many ``batches``, takes least time.

    Where there are many each number is tried once; where there are few the usual one is taken. Only one that
    gives the same features and logits to the bit as the whole batch is taken, so that what is stored does
    not depend on how fast a machine happened to be.
    """
    usual = PORTIONS[0]
    if batches < FEW or len(batch) <= usual:
        return len(batch)
    whole = forward(batch)  # the first time of all is spent on preparations
    if batches < WORTH:
        return usual if _seconds(forward, batch, usual, whole) < float("inf") else len(batch)
    best, least = len(batch), _seconds(forward, batch, len(batch), whole)
    for size in PORTIONS:
        if size < len(batch) and (took := _seconds(forward, batch, size, whole)) < least:
            best, least = size, took
    return best


def _seconds(forward: Forward, batch: Tensor, size: int, whole: tuple[Tensor, Tensor]) -> float:
    """How long a batch takes; for ever, where the answers are not those of the ``whole``."""
    start = time.perf_counter()
    found = in_portions(forward, batch, size)
    took = time.perf_counter() - start
    return took if all(torch.equal(a, b) for a, b in zip(found, whole, strict=True)) else float("inf")
