"""The largest ball that can be proved in a given time."""

from __future__ import annotations

import math
from time import thread_time

from featgeom.pixels.branching import Prover

FACTOR = 2.0  # between radii that are tried, at first
NEAR = 1.1  # between those of whole balls that held and did not: then balls are split
CLOSE = 2e-3  # relatively: when a radius is as good as one that does not hold
SHARE = 0.4  # of the time that is left, for one ball that is split


def largest_radius(prover: Prover, best: float, greatest: float, units: int, until: float) -> float:
    """The greatest radius that was proved until then, no less than ``best``, which holds.

    Where none is known to hold, one so small that few entries bend is the first. Then whole balls, of growing
    radii and then between what held and what did not; then, with the time that is left, balls that are split.
    """
    failed = greatest * FACTOR
    best = best or prover.near(until)
    for split, factor, enough in ((False, FACTOR, NEAR), (True, NEAR, 1 / (1 - CLOSE))):
        failed = greatest * FACTOR if split else failed
        while 0 < best < greatest and thread_time() < until:
            top = min(failed, prover.nearest)
            if top <= best * enough:
                break
            growing = min(best * factor, greatest)
            radius = growing if top > growing else min(math.sqrt(best * top), greatest)
            now = thread_time()
            if prover.holds(radius, units, now + SHARE * (until - now) if split else until, split):
                best = radius
            else:
                failed = radius
    return best
