"""Balls around a run's images in which no image has another class, as one claim of the run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from featgeom.arrays import Float64
from featgeom.certificates.pixel_balls import PixelBall
from featgeom.errors import Unsupported
from featgeom.pixels.proving import beside, joined, prove_pixel_balls
from featgeom.runs.subjects import rows_of
from featgeom.studies.asking import Asked


@dataclass(frozen=True, eq=False)
class Balls:
    """A ``radius`` (n,) for each image, 0 where none is proved, and the claim, or why there is none."""

    radius: Float64
    claim: PixelBall | None = None
    refused: str | None = None


def proved_balls(asked: Asked, count: int) -> Balls:
    """Of the first images, so many; of a class that the head gives the stored features, too."""
    radius, split = np.zeros(len(asked.rows)), asked.run.question_split
    try:
        found = asked.parts(prove_pixel_balls, "proved balls", count, 1)
    except Unsupported as error:
        return Balls(radius, refused=str(error).removeprefix("no proof: "))
    own = asked.run.subjects.predicted(split)[asked.rows]
    held = [i for i, ball in enumerate(found) if ball.radius[0] > 0 and ball.classes[0] == own[i]]
    if not held:
        return Balls(radius)
    balls = joined([found[i] for i in held])
    radius[held] = balls.radius
    rows = asked.rows[held]
    claim = beside(balls.certificate, np.asarray(asked.run.features(split).features[rows]))
    about = {"images": rows_of("record/start", held), "features": rows_of(f"{split}/features", rows)}
    return Balls(radius, claim.named(**about))
