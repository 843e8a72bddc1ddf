"""Images about which a study asks the network something, here or in the workers of a cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from numpy.typing import NDArray

from featgeom.arrays import Ints
from featgeom.models.classifier import Classifier
from featgeom.progress import bar, in_one
from featgeom.runs.run import Run
from featgeom.runs.sharing import images_are_shared, shared

AT_ONCE = 32  # samples between two steps of the progress bar
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Asked:
    """Samples about whose ``images`` something is asked of the network, few at a time.

    The workers of a `cluster` share them.
    """

    run: Run
    device: str
    classifier: Classifier
    rows: Ints
    images: NDArray[Any]
    progress: bool

    def answers(self, ask: Callable[[Classifier, NDArray[Any]], Answer], what: str) -> Answer:
        """What ``ask``, a function of a module, makes of all images."""
        return in_one(self.parts(ask, what, len(self.rows), AT_ONCE))

    def parts(
        self, ask: Callable[[Classifier, NDArray[Any]], Answer], what: str, count: int, size: int
    ) -> list[Answer]:
        """What it makes of the first ``count`` images, ``size`` at a time."""
        parts = [slice(start, min(start + size, count)) for start in range(0, count, size)]
        if not images_are_shared(self.run):
            shown = bar(parts, desc=what, disable=not self.progress)
            return [ask(self.classifier, self.images[part]) for part in shown]
        rows = [self.rows[part] for part in parts]
        return list(shared(self.run, partial(_answer, ask, self.device), rows, what, self.progress))


def _answer(ask: Callable[[Classifier, NDArray[Any]], Answer], device: str, run: Run, rows: Ints) -> Answer:
    """What a worker answers about some samples."""
    return ask(run.classifier(device), run.images(run.question_split).pixels(rows))
