"""The samples of a run that its guard was made of, where they are themselves asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from featgeom.answers.asked import AskedImage
from featgeom.answers.guard import Guard
from featgeom.answers.score_names import BESIDE
from featgeom.arrays import Ints
from featgeom.remarks import remark

if TYPE_CHECKING:
    from featgeom.runs.run import Run

Samples = frozenset[tuple[str, int]]


def rows_aside(n: int, share: float, seed: int) -> Ints:
    """Which of n samples are kept aside to calibrate, in rising order.

    >>> rows_aside(6, 0.5, 0)
    array([2, 3, 5])
    """
    return np.sort(np.random.default_rng(seed).permutation(n)[: round(share * n)])


@dataclass(frozen=True)
class Makers:
    """Samples (split, row): those that span the hulls, those that compare scores, those that calibrate."""

    hulls: Samples = frozenset()
    compared: Samples = frozenset()
    calibrators: Samples = frozenset()

    @classmethod
    def of(cls, run: Run, guard: Guard) -> Makers:
        """Those of a guard that `fit_guard` fitted to this run."""
        said = guard.said_["calibration"]
        part, train = said["part"], run.features(run.reference_split)
        aside = rows_aside(said["of"], said["share"], said["seed"])
        right = np.ones(len(train), dtype=bool)
        if train.labelled:
            right = guard.classify(train.features) == train.labels
        if part == run.reference_split:
            right[aside] = False
        some = bool(BESIDE.get(guard.score))
        return cls(
            _named(run.reference_split, np.flatnonzero(right)),
            _named(part, aside[::2] if some else aside[:0]),
            _named(part, aside[1::2] if some else aside),
        )

    def calibrate(self, images: Sequence[AskedImage]) -> list[bool]:
        """Which images are calibrators themselves."""
        return [image.sample in self.calibrators for image in images]

    def remark(self, images: Sequence[AskedImage]) -> None:
        """Say how many of some images made the guard that judges them, and what that does to their rows."""
        asked = {image.sample for image in images}
        spanning, setting = len(asked & self.hulls), len(asked & (self.compared | self.calibrators))
        if spanning:
            remark(
                f"{spanning:,} of the images asked span the hulls of the guard, so they lie in them; what "
                "their rows say is not what new images will show"
            )
        if setting:
            remark(
                f"{setting:,} of the images asked set the threshold of the guard; each is left out of its "
                "own p-value, and their alarms are no test of the rate that is promised"
            )


NONE = Makers()


def _named(split: str, rows: Ints) -> Samples:
    return frozenset((split, int(row)) for row in rows)
