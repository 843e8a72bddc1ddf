"""Noise in every kind of file: read, or refused in a line."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..faults.noise import changed, changed_inside, onnx_reader, outcome, random_edits, readers
from .trials import Trial

SLOW = ("run:", "program", "recipe")  # of which a tenth as many are tried


def trials(place: Path, seed: int, count: int) -> Iterator[Trial]:
    """Every kind in turn."""
    rng = np.random.default_rng(seed)
    known = readers(place) | {"program (onnx)": onnx_reader(place)}
    warnings.simplefilter("ignore")
    number = 0
    for lap in range(count):
        for kind, reader in known.items():
            if lap % 10 and any(word in kind for word in SLOW):
                continue
            number += 1
            if number > count:
                return
            edits = random_edits(rng)
            content = (changed_inside if rng.integers(2) else changed)(reader.good, edits)
            try:
                found = outcome(reader, place / "tried", content)
                yield Trial(kind, found, found if "lines" in found else "")
            except Exception as error:
                last = traceback.extract_tb(error.__traceback__)[-1]
                said = f"{type(error).__name__}: {error} ({last.filename}:{last.lineno}) after {edits}"
                yield Trial(kind, "unsound", said[:600])
