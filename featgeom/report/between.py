"""Images along a segment of feature space, found one after the other while a page waits."""

from __future__ import annotations

import base64
import math
import threading
import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from featgeom.errors import FeatgeomError, Unsupported
from featgeom.report.view import bytes_of, encoded
from featgeom.runs.again import fetched

if TYPE_CHECKING:
    from featgeom.runs.run import Run

FRAMES = 7  # images along a segment, its two ends included
STEPS, RESTARTS = 60, 1  # of each search: a person waits
SMALL = 10_000  # numbers in an image below which one thread is faster than several that wait for each other
WAITING = 8  # searches that may wait
KEPT = 32  # searches whose answers are remembered
PATIENCE = 10.0  # seconds after which a search that nobody asks about any more is given up

Question = tuple[str, int, int]
NEW: dict[str, Any] = {"state": "working", "frames": [], "of": FRAMES, "said": "waiting for its turn"}
FULL: dict[str, Any] = {
    "state": "refused",
    "frames": [],
    "of": FRAMES,
    "said": f"{WAITING} searches wait already; try again",
}


@dataclass
class Search:
    """One segment that was asked for, and what is told of it."""

    told: dict[str, Any] = field(default_factory=lambda: dict(NEW))
    asked: float = field(default_factory=time.monotonic)

    @property
    def open(self) -> bool:
        """Whether it is not answered yet."""
        return bool(self.told["state"] == "working")

    @property
    def abandoned(self) -> bool:
        """Whether nobody has asked about it for a while."""
        return time.monotonic() - self.asked > PATIENCE


class Searches:
    """Inverts points of segments between two samples of a run, one segment at a time, in the order asked.

    A page asks again and again what is known; a search that it asks about no more is given up. The network
    is loaded when it is first needed, from the checkpoint that the run was made with. What the page is told
    of a frame is read from the network again: its class and its residual ‖φ(x) − z‖ / ‖z‖.
    """

    def __init__(self, run: Run, device: str = "cpu") -> None:
        self.run, self.device = run, device
        self.classifier = lru_cache(maxsize=1)(lambda: run.classifier(self.device))
        self.known: dict[Question, Search] = {}
        self.changing = threading.Lock()
        self.worker: threading.Thread | None = None

    def state(self, split: str, start: int, end: int) -> dict[str, Any]:
        """What is known by now of the images from one sample to another; the first question starts the work.

        ``state`` is "working", "done" or "refused" (``said`` tells why); ``frames`` are those found so far,
        of ``of``.
        """
        question = (split, start, end)
        with self.changing:
            if question not in self.known:
                if sum(search.open for search in self.known.values()) > WAITING:
                    return dict(FULL)
                self._forget()
                self.known[question] = Search()
            search = self.known[question]
            search.asked = time.monotonic()
            if search.open and self.worker is None:
                self.worker = threading.Thread(target=self._work, daemon=True)
                self.worker.start()
            return dict(search.told)

    def close(self) -> None:
        """Give up what is being searched for, and wait until that has ended."""
        with self.changing:
            for search in self.known.values():
                search.asked = -math.inf
            worker = self.worker
        if worker is not None:
            worker.join()

    def _forget(self) -> None:
        """Drop the oldest answers, beyond those that are kept."""
        answered = [question for question, search in self.known.items() if not search.open]
        for question in answered[: max(0, len(self.known) - KEPT)]:
            del self.known[question]

    def _next(self) -> tuple[Question, Search] | None:
        """The search whose turn it is; those that were abandoned are dropped."""
        with self.changing:
            for question, search in list(self.known.items()):
                if search.open and search.abandoned:
                    del self.known[question]
                elif search.open:
                    return question, search
            self.worker = None
            return None

    def _work(self) -> None:
        while found := self._next():
            question, search = found
            try:
                self._follow(question, search)
            except FeatgeomError as error:
                self._tell(search, state="refused", said=str(error))
            except Exception as error:  # the page must not wait for a thread that is gone
                self._tell(search, state="refused", said=f"{type(error).__name__}: {error}")

    def _follow(self, question: Question, search: Search) -> None:
        import torch

        from featgeom.pixels.inversion import invert

        split, start, end = question
        self._tell(search, said="loading the network")
        if self.run.held is None and any(fetched(self.run.asked)):
            raise Unsupported("the network or the images of this run are fetched, and a page asks no network")
        classifier = self.classifier()
        low, high = classifier.pixels.bounds
        image = self.run.images(split).images[[start]]
        if image.size < SMALL:
            torch.set_num_threads(1)  # holds for the thread that this runs in
        features = self.run.features(split).features
        first, last = (np.asarray(features[[row]], np.float64) for row in (start, end))
        self._tell(search, said="looking for images")
        for t in np.linspace(0, 1, FRAMES):
            if search.abandoned:
                return
            found = invert(classifier, first + t * (last - first), image, steps=STEPS, restarts=RESTARTS)
            image = found.images
            frame = {
                "t": float(t),
                "class": int(found.classes[0]),
                "residual": float(found.residual[0]),
                "status": found.status[0].name,
                "found": found.status[0].name == "SOLVED",
                "image": address(((image - low) / (high - low)).astype(np.float32)),
            }
            self._tell(search, frames=[*search.told["frames"], frame])
        self._tell(search, state="done", said="each image was read again by the network")

    def _tell(self, search: Search, **news: Any) -> None:
        with self.changing:
            search.told = {**search.told, **news}


def address(image: Any) -> str:
    """An image (1, c, h, w) in [0, 1] as the address of a PNG file.

    >>> address(np.zeros((1, 1, 2, 2)))[:22]
    'data:image/png;base64,'
    """
    return f"data:image/png;base64,{base64.b64encode(encoded(bytes_of(image)[0], 'png')).decode()}"
