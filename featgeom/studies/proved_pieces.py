"""The pieces of segments and windows between a run's images on which its network is affine, as claims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from featgeom.arrays import Float64, Ints
from featgeom.boundaries.planes import Plane
from featgeom.certificates.claim import Claim
from featgeom.certificates.pixel_pieces import PixelSegment
from featgeom.errors import Unsupported
from featgeom.models.classifier import Classifier
from featgeom.pixels.derivatives import pixel_function
from featgeom.pixels.proved_pieces import prove_pixel_crossings, prove_pixel_regions
from featgeom.pixels.segments import classes_along
from featgeom.pixels.written import moved
from featgeom.runs.record import Finding
from featgeom.runs.run import Run
from featgeom.runs.subjects import rows_of
from featgeom.status import Status

WINDOW = 1 / 64  # of the first two images' distance: the width of a window whose regions are counted
LOOKS = 256  # on the segment between them, for a change of class in whose middle the window lies


@dataclass(frozen=True, eq=False)
class Segments:
    """On how many pieces of each (n,) a network is affine, 0 where that is not proved, and the claim.

    ``ends`` are what it is about; ``refused`` says why there is none.
    """

    count: Ints
    ends: dict[str, Float64]
    claim: PixelSegment | None = None
    refused: str | None = None

    @property
    def claims(self) -> dict[str, Claim]:
        """The claim, if there is one, by its name."""
        return {} if self.claim is None else {"pixel-alike": self.claim}

    def arrays(self, pairs: int) -> dict[str, np.ndarray]:
        """What the record of so many pairs holds of them, if any was asked for."""
        counted = np.pad(self.count, (0, pairs - len(self.count)))
        told = {f"proved_{name}": end for name, end in self.ends.items()}
        return {**told, "pixel_pieces": counted} if len(self.count) else {}

    @property
    def findings(self) -> list[Finding]:
        """Why nothing is proved, where it was asked for."""
        return [Finding(f"No segment of pixel space is proved: {self.refused}.")] if self.refused else []


def proved_segments(run: Run, classifier: Classifier, pairs: Ints, progress: bool) -> Segments:
    """Of the segments of pixel space between pairs (n, 2) of samples, those that can be told."""
    nothing = Segments(np.zeros(len(pairs), np.int64), {})
    if not len(pairs):
        return nothing
    images, split = run.images(run.question_split), run.question_split
    try:
        found = prove_pixel_crossings(classifier, *map(images.pixels, pairs.T), progress=progress)
    except Unsupported as error:
        return replace(nothing, refused=str(error).removeprefix("no proof: "))
    held = np.flatnonzero(found.status == Status.SOLVED)
    if not len(held):
        return replace(nothing, refused="no arithmetic here tells the ties of any")
    claim, about = found.certificate, dict[str, str]()
    ends = {name: getattr(claim, name) for name in ("start", "end")}
    for name, rows in zip(ends, pairs[held].T, strict=True):
        off = moved(getattr(claim, f"{name}_features"), stored := _features(run, rows))
        claim = replace(
            claim, **{f"{name}_features": stored, f"{name}_off": getattr(claim, f"{name}_off") + off}
        )
        about |= {name: f"record/proved_{name}", f"{name}_features": rows_of(f"{split}/features", rows)}
    count = np.where(found.status == Status.SOLVED, found.pieces, 0)
    return Segments(count, ends, claim.named(**about))


@dataclass(frozen=True, eq=False)
class Window:
    """What a record holds of the window of one plane: its claim and the images, or why there is none."""

    claims: dict[str, Claim]
    arrays: dict[str, np.ndarray]
    refused: str = ""


def proved_window(run: Run, classifier: Classifier, rows: Ints, number: int) -> Window:
    """The regions of a small window around a change of class between the first two of three samples."""
    a, b, c = images = run.images(run.question_split).pixels(rows)
    f = pixel_function(classifier, images, "logits")
    x = f.vectors(images, "images")
    (path,) = classes_along(f, x[:1], x[1:2], LOOKS)
    plane = Plane.through(*x.double().cpu().numpy())
    length = float(plane.drop(x[1:2].double().cpu().numpy())[0, 0])
    at, half = length * (path.changes[0] if len(path.changes) else 0.5), length * WINDOW / 2
    try:
        found = prove_pixel_regions(classifier, a, b, c, window=(at - half, -half, at + half, half))
    except Unsupported as error:
        return Window({}, {}, str(error).removeprefix("no proof: "))
    claim = found.certificate
    if claim is None:
        return Window({}, {}, found.why)
    stored, name = _features(run, rows), f"proved_{number}"
    claim = replace(claim, features=stored, off=claim.off + moved(claim.features, stored))
    about = {"images": f"record/{name}", "features": rows_of(f"{run.question_split}/features", rows)}
    return Window({f"window-{number}": claim.named(**about)}, {name: np.asarray(claim.images)})


def refusals(windows: Sequence[Window]) -> list[Finding]:
    """Why windows are not proved, each reason once."""
    count = {why: sum(window.refused == why for window in windows) for why in {w.refused for w in windows}}
    return [
        Finding(f"The regions of {n} of {len(windows)} windows of pixel space are not proved: {why}.")
        for why, n in sorted(count.items())
        if why
    ]


def _features(run: Run, rows: Ints) -> np.ndarray:
    """Features as the run has them."""
    return np.asarray(run.features(run.question_split).features[rows])
