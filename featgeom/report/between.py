"""Images along a segment of feature space, found one after the other while a page waits."""

from __future__ import annotations

import base64
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from featgeom.errors import FeatgeomError
from featgeom.report.view import bytes_of, encoded

if TYPE_CHECKING:
    from featgeom.runs.run import Run

FRAMES = 7  # images along a segment, its two ends included
STEPS, RESTARTS = 60, 1  # of each search: a person waits
SMALL = 10_000  # numbers in an image below which one thread is faster than several that wait for each other


class Between:
    """Inverts points of segments between two samples of a run, in a thread of its own, one segment at a time.

    The network is loaded when it is first needed, from the checkpoint that the run was made with. What the
    page is told of a frame is read from the network again: its class and its residual ‖φ(x) − z‖ / ‖z‖.
    """

    def __init__(self, run: Run, device: str = "cpu") -> None:
        self.run, self.device = run, device
        self.classifier = lru_cache(maxsize=1)(lambda: run.classifier(self.device))
        self.asked: tuple[str, int, int] | None = None
        self.told: dict[str, Any] = {}
        self.changing = threading.Lock()
        self.working = threading.Lock()  # one network at work at a time

    def state(self, split: str, start: int, end: int) -> dict[str, Any]:
        """What is known by now of the images from one sample to another; the first question starts the work.

        ``state`` is "working", "done" or "refused" (``said`` tells why); ``frames`` are those found so far,
        of ``of``.
        """
        question = (split, start, end)
        with self.changing:
            if self.asked != question:
                self.asked = question
                self.told = {"state": "working", "frames": [], "of": FRAMES, "said": "loading the network"}
                threading.Thread(target=self._answer, args=(question, self.told), daemon=True).start()
            return dict(self.told)

    def _answer(self, question: tuple[str, int, int], told: dict[str, Any]) -> None:
        """Fill in what is told; give up where another segment was asked for meanwhile."""
        try:
            with self.working:
                if self.asked == question:
                    self._follow(question, told)
        except FeatgeomError as error:
            self._tell(told, state="refused", said=str(error))
        except Exception as error:  # the page must not wait for a thread that is gone
            self._tell(told, state="refused", said=f"{type(error).__name__}: {error}")

    def _follow(self, question: tuple[str, int, int], told: dict[str, Any]) -> None:
        import torch

        from featgeom.pixels.inversion import invert

        split, start, end = question
        classifier = self.classifier()
        low, high = classifier.pixels.bounds
        image = self.run.images(split).images[[start]]
        if image.size < SMALL:
            torch.set_num_threads(1)  # holds for the thread that this runs in
        features = self.run.features(split).features
        first, last = (np.asarray(features[[row]], np.float64) for row in (start, end))
        self._tell(told, said="looking for images")
        for t in np.linspace(0, 1, FRAMES):
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
            if self.asked != question:
                return
            self._tell(told, frames=[*told["frames"], frame])
        self._tell(told, state="done", said="each image was read again by the network")

    def _tell(self, told: dict[str, Any], **news: Any) -> None:
        with self.changing:
            told.update(news)


def address(image: Any) -> str:
    """An image (1, c, h, w) in [0, 1] as the address of a PNG file.

    >>> address(np.zeros((1, 1, 2, 2)))[:22]
    'data:image/png;base64,'
    """
    return f"data:image/png;base64,{base64.b64encode(encoded(bytes_of(image)[0], 'png')).decode()}"
