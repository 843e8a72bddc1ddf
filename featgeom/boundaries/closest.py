"""Closest points at which given classes tie and none beats them: many questions, in threads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Float64, Ints, read_only
from featgeom.boundaries.active_set import Answer, Question, closest, dot
from featgeom.kernels import kernel
from featgeom.parallel import in_threads

TOGETHER = 64  # questions that one thread answers in a row


@kernel(nogil=True)
def _closest_some(head: Any, asked: Any, written: Any, start: int, stop: int) -> None:
    """Answer the questions start..stop: of ``asked`` (z, owner, tied, lo, hi), into ``written``."""
    weight, bias, norms = head
    z, owner, tied, lo, hi = asked
    points, multipliers, active, fixed, outcome, iterations, off = written
    for i in range(start, stop):
        z0 = z[owner[i]]
        is_tied = np.zeros(len(bias), np.bool_)
        for k in tied[i]:
            is_tied[k] = True
        length = np.sqrt(dot(z0, z0))
        question = Question(weight, bias, norms, z0, length, tied[i], is_tied, lo, hi)
        answer = Answer(points[i], multipliers[i], active[i], fixed[i])
        outcome[i], iterations[i], off[i] = closest(question, answer)


@dataclass(frozen=True, eq=False)
class Closest:
    """What the kernel found for N questions.

    ``points`` (N, d); ``multipliers`` (N, C) of l_r − l_k with r the first tied class, a Farkas ray where no
    tie exists; ``active`` (N, C), the classes that tie at the point, and ``fixed`` (N, d), which coordinates
    are at their lower (−1) or upper (1) bound: these two determine it exactly, ``off`` (N,) away at most;
    ``outcome`` (N,): ENDED, EMPTY or LIMIT; ``iterations`` in all.
    """

    points: Float64
    multipliers: Float64
    active: NDArray[np.bool_]
    fixed: NDArray[np.int8]
    off: Float64
    outcome: NDArray[np.int64]
    iterations: int


def closest_ties(
    weight: Float64, bias: Float64, z: Float64, owner: Ints, tied: Ints, lo: Float64, hi: Float64
) -> Closest:
    """Solve every question: query ``z[owner[i]]``, classes ``tied[i]``.

    >>> eye = np.eye(2)
    >>> closest_ties(eye, np.zeros(2), np.array([[2.0, 1.0]]), np.array([0]),
    ...              np.array([[0, 1]]), np.full(2, -np.inf), np.full(2, np.inf)).points
    array([[1.5, 1.5]])
    """
    norms = np.sqrt(np.einsum("ij,ij->i", weight, weight))
    owner, tied = np.asarray(owner, np.int64), np.asarray(tied, np.int64)
    facts = tuple(read_only(array) for array in (weight, bias, norms))
    asked = tuple(read_only(array) for array in (z, owner, tied, lo, hi))
    n, (classes, d) = len(owner), weight.shape
    found = Closest(
        np.empty((n, d)), np.empty((n, classes)), np.empty((n, classes), np.bool_), np.empty((n, d), np.int8),
        np.empty(n), np.empty(n, np.int64), 0,
    )  # fmt: skip
    iterations = np.empty(n, np.int64)

    written = (
        found.points, found.multipliers, found.active, found.fixed, found.outcome, iterations, found.off
    )  # fmt: skip

    def run(start: int, stop: int) -> None:
        _closest_some(facts, asked, written, start, stop)

    in_threads(run, n, TOGETHER)
    return replace(found, iterations=int(iterations.sum()))
