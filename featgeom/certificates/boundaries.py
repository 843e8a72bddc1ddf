"""Claims about where classes tie: flip points, empty ties, and the cells along a segment."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from featgeom.certificates.claim import Claim, Verdicts, refuted
from featgeom.exact.fields import is_array_of, is_index_of
from featgeom.exact.heads import ExactHead
from featgeom.exact.rationals import at_most_root, fraction
from featgeom.status import Status

Array = NDArray[Any]
Row = tuple[Status, str]


def _entries(multipliers: csr_array, i: int) -> tuple[Array, Array]:
    start, end = multipliers.indptr[i], multipliers.indptr[i + 1]
    return multipliers.indices[start:end], multipliers.data[start:end]


def _well_formed(claim: Any, count: int) -> str:
    """Why the arrays of a claim about ties do not fit together; empty where they do."""
    if not isinstance(claim.weight, np.ndarray) or claim.weight.ndim != 2:
        return "the head is not a matrix"
    classes, d = claim.weight.shape
    if not (is_array_of(claim.weight, (classes, d)) and is_array_of(claim.bias, (classes,))):
        return "weight and bias of the head do not fit together"
    if not isinstance(claim.tied, np.ndarray) or claim.tied.ndim != 2 or claim.tied.shape[0] != count:
        return "the tied classes have the wrong shape"
    if claim.tied.size == 0 or not is_index_of(claim.tied, claim.tied.shape, classes):
        return "the tied classes are not classes"
    for bound in (claim.lower, claim.upper):
        if not isinstance(bound, np.ndarray) or bound.shape != (d,) or np.isnan(bound).any():
            return "the bounds of the domain have the wrong shape"
    m = claim.multipliers
    if not isinstance(m, csr_array) or m.shape != (count, classes) or not np.isfinite(m.data).all():
        return "the multipliers have the wrong shape"
    try:
        m.check_format(full_check=True)
    except (ValueError, TypeError):
        return "the multipliers are not a matrix"
    return ""


@dataclass(frozen=True, eq=False)
class TieClaim(Claim):
    """Statement i: point i lies in the domain, the classes ``tied[i]`` tie there and no other beats them, to
    within ``error[i]`` logits; it is at most ``distance[i]`` from ``features[owner[i]]``; and no point of the
    domain that is nearer than ``lower_bound[i]`` has that property exactly.

    The last part is weak duality: ``multipliers`` (N, C) belong to l_r − l_k with r = tied[i, 0].
    """

    weight: Array
    bias: Array
    features: Array
    owner: Array
    tied: Array
    lower: Array
    upper: Array
    point: Array
    error: Array
    distance: Array
    lower_bound: Array
    multipliers: csr_array

    kind: ClassVar[str] = "tie"
    subjects: ClassVar[tuple[str, ...]] = ("weight", "bias", "features")

    def __len__(self) -> int:
        return len(self.point)

    def statement(self, i: int) -> str:
        """The statement in words."""
        names = ", ".join(str(int(k)) for k in self.tied[i])
        return (
            f"sample {int(self.owner[i])}: the closest tie of classes {names} that no other class beats is "
            f"between {self.lower_bound[i]:.9g} and {self.distance[i]:.9g} away (tie to {self.error[i]:.2g})"
        )

    def check(self) -> Verdicts:
        """Decide every statement exactly."""
        count = len(self)
        reason = _well_formed(self, count) or self._misfit(count)
        if reason:
            return refuted(count, reason)
        head = ExactHead(self.weight, self.bias)
        return Verdicts.collect([self._check(head, i) for i in range(count)])

    def _misfit(self, count: int) -> str:
        d = self.weight.shape[1]
        if not is_array_of(self.features, (None, d)) or not is_array_of(self.point, (count, d)):
            return "features or points have the wrong shape"
        if not all(
            is_array_of(x, (count,)) for x in (self.owner, self.error, self.distance, self.lower_bound)
        ):
            return "the evidence has the wrong length"
        if not is_index_of(self.owner, (count,), len(self.features)):
            return "a sample does not exist"
        return ""

    def _check(self, head: ExactHead, i: int) -> Row:
        found = self._check_point(head, i)
        if found[0] is not Status.PROVED:
            return found
        z, tied = self.features[self.owner[i]], [int(k) for k in self.tied[i]]
        entries = _entries(self.multipliers, i)
        return _check_lower_bound(head, z, tied, self.lower, self.upper, *entries, self.lower_bound[i])

    def _check_point(self, head: ExactHead, i: int) -> Row:
        z, p, tied = self.features[self.owner[i]], self.point[i], [int(k) for k in self.tied[i]]
        if ((p < self.lower) | (p > self.upper)).any():
            return Status.REFUTED, "the point lies outside the domain"
        error = fraction(self.error[i])
        logits = head.logits(p)
        ref = logits[tied[0]]
        if any(abs(logits[k] - ref) > error for k in tied):
            return Status.REFUTED, "the classes do not tie to the stated error"
        if any(value - ref > error for value in logits):
            return Status.REFUTED, "another class beats the tie"
        move = [fraction(a) - fraction(b) for a, b in zip(p, z, strict=True)]
        if self.distance[i] < 0 or sum(x * x for x in move) > fraction(self.distance[i]) ** 2:
            return Status.REFUTED, "the point is farther away than stated"
        return Status.PROVED, ""


def _check_lower_bound(
    head: ExactHead,
    z: Array,
    tied: list[int],
    lower: Array,
    upper: Array,
    classes: Array,
    multipliers: Array,
    bound: float,
) -> Row:
    """Whether weak duality with these multipliers proves that every tie is at least ``bound`` away."""
    if bound <= 0:
        return Status.PROVED, ""
    if any(m < 0 and int(k) not in tied for k, m in zip(classes, multipliers, strict=True)):
        return Status.REFUTED, "a multiplier has the wrong sign"
    normal, offset = head.normal(tied[0], classes, multipliers)
    value = -offset
    for a, x, low, high in zip(normal, z, lower, upper, strict=True):
        at = fraction(x)
        move = a
        if np.isfinite(low):
            move = max(move, fraction(low) - at)
        if np.isfinite(high):
            move = min(move, fraction(high) - at)
        value += move * (move / 2 - a) - a * at
    if not at_most_root(fraction(bound), max(2 * value, Fraction(0))):
        return Status.REFUTED, "the multipliers do not prove the lower bound"
    return Status.PROVED, ""


@dataclass(frozen=True, eq=False)
class NearestTieClaim(TieClaim):
    """Statement i: as `TieClaim` for the point, and the lower bound holds for the ties of class
    ``tied[i, 0]`` with *every* other class.

    A rival is excluded by the distance of its hyperplane, or by the multipliers of a row of
    ``rival_multipliers`` (M, C) that belongs to statement ``rival_of`` (M,) and class ``rival`` (M,). The
    field ``multipliers`` is not used here and is empty.
    """

    rival_of: Array
    rival: Array
    rival_multipliers: csr_array

    kind: ClassVar[str] = "nearest tie"

    def statement(self, i: int) -> str:
        """The statement in words."""
        return (
            f"sample {int(self.owner[i])}: the closest tie of class {int(self.tied[i, 0])} with any class is "
            f"between {self.lower_bound[i]:.9g} and {self.distance[i]:.9g} away, with class "
            f"{int(self.tied[i, 1])} (tie to {self.error[i]:.2g})"
        )

    def check(self) -> Verdicts:
        """Decide every statement exactly."""
        count = len(self)
        reason = _well_formed(self, count) or self._misfit(count) or self._misfit_rivals()
        if reason:
            return refuted(count, reason)
        head = ExactHead(self.weight, self.bias)
        rows: list[dict[int, int]] = [{} for _ in range(count)]
        for row, (i, k) in enumerate(zip(self.rival_of, self.rival, strict=True)):
            rows[int(i)][int(k)] = row
        return Verdicts.collect([self._check_all(head, i, rows[i]) for i in range(count)])

    def _misfit_rivals(self) -> str:
        m = self.rival_multipliers
        if self.tied.shape[1] != 2:
            return "a nearest tie is of two classes"
        if not (is_array_of(self.rival_of, (None,)) and is_array_of(self.rival, (len(self.rival_of),))):
            return "the rivals have the wrong length"
        if not isinstance(m, csr_array) or m.shape != (len(self.rival), len(self.weight)):
            return "the multipliers of rivals have the wrong shape"
        if len(self.rival) and not (self.rival_of.min() >= 0 and self.rival_of.max() < len(self)):
            return "a rival belongs to no statement"
        try:
            m.check_format(full_check=True)
        except (ValueError, TypeError):
            return "the multipliers of rivals are not a matrix"
        return "" if np.isfinite(m.data).all() else "the multipliers of rivals are not numbers"

    def _check_all(self, head: ExactHead, i: int, rows: dict[int, int]) -> Row:
        own = int(self.tied[i, 0])
        found = self._check_point(head, i)
        if found[0] is not Status.PROVED:
            return found
        z, bound = self.features[self.owner[i]], fraction(self.lower_bound[i])
        logits = head.logits(z)
        for k in range(len(logits)):
            if k == own or bound <= 0:
                continue
            margin, length2 = logits[own] - logits[k], head.gap2(own, k)
            if margin * margin >= bound * bound * length2 and (length2 or margin):
                continue
            if k not in rows:
                return Status.REFUTED, f"class {k} is not excluded"
            entries = _entries(self.rival_multipliers, rows[k])
            args = (self.lower, self.upper, *entries, self.lower_bound[i])
            found = _check_lower_bound(head, z, [own, k], *args)
            if found[0] is not Status.PROVED:
                return found
        return Status.PROVED, ""


@dataclass(frozen=True, eq=False)
class EmptyTieClaim(Claim):
    """Statement i: at no point of the domain do the classes ``tied[i]`` tie with no other class above them.

    By Farkas' lemma: with r = tied[i, 0], multipliers λ_k of l_r − l_k, non-negative at classes that need not
    tie, for which Σ λ_k (l_r − l_k)(z) < 0 on the whole domain. Where the domain has no bound the sum must
    not depend on that coordinate, which rounded multipliers miss by a rounding: the check moves them, exactly
    and as little as possible, to where it does not.
    """

    weight: Array
    bias: Array
    tied: Array
    lower: Array
    upper: Array
    multipliers: csr_array

    kind: ClassVar[str] = "empty tie"
    subjects: ClassVar[tuple[str, ...]] = ("weight", "bias")

    def __len__(self) -> int:
        return len(self.tied)

    def statement(self, i: int) -> str:
        """The statement in words."""
        return f"classes {', '.join(str(int(k)) for k in self.tied[i])} tie nowhere above all others"

    def check(self) -> Verdicts:
        """Decide every statement exactly."""
        count = len(self)
        reason = _well_formed(self, count)
        if reason:
            return refuted(count, reason)
        head = ExactHead(self.weight, self.bias)
        return Verdicts.collect([self._check(head, i) for i in range(count)])

    def _check(self, head: ExactHead, i: int) -> Row:
        tied = [int(k) for k in self.tied[i]]
        classes, values = _entries(self.multipliers, i)
        multipliers = [fraction(m) for m in values]
        loose: set[int] = set()
        for _ in range(4):
            if any(m < 0 and int(k) not in tied for k, m in zip(classes, multipliers, strict=True)):
                return Status.REFUTED, "a multiplier has the wrong sign"
            rows = [[int(v) for v in head.weight[tied[0]] - head.weight[k]] for k in classes]
            scale = Fraction(2) ** head.exponent
            normal = [
                scale * sum((m * row[j] for m, row in zip(multipliers, rows, strict=True)), Fraction(0))
                for j in range(len(self.lower))
            ]
            fresh = {
                j
                for j, a in enumerate(normal)
                if (a > 0 and np.isinf(self.upper[j])) or (a < 0 and np.isinf(self.lower[j]))
            }
            if not fresh:
                highest = sum(
                    (
                        a * fraction(self.upper[j] if a > 0 else self.lower[j])
                        for j, a in enumerate(normal)
                        if a
                    ),
                    Fraction(0),
                )
                for m, k in zip(multipliers, classes, strict=True):
                    highest += m * (head.bias[tied[0]] - head.bias[k])
                if highest < 0:
                    return Status.PROVED, ""
                return Status.REFUTED, "the multipliers do not exclude a tie"
            loose |= fresh
            multipliers = _move_onto_kernel(multipliers, [[row[j] for row in rows] for j in sorted(loose)])
        return Status.UNDECIDED, "no exact multipliers were found near the stored ones"


def _move_onto_kernel(vector: list[Fraction], equations: list[list[int]]) -> list[Fraction]:
    """The exact closest vector at which every equation (integer coefficients) is zero."""
    from flint import fmpq, fmpq_mat, fmpz_mat

    matrix = fmpz_mat(equations)
    reduced, _, rank = matrix.rref()
    if rank == 0:
        return vector
    independent = fmpq_mat(fmpz_mat([[reduced[i, j] for j in range(len(vector))] for i in range(rank)]))
    column = fmpq_mat(len(vector), 1, [fmpq(v.numerator, v.denominator) for v in vector])
    gram = independent * independent.transpose()
    moved = column - independent.transpose() * gram.solve(independent * column)
    return [Fraction(int(moved[i, 0].p), int(moved[i, 0].q)) for i in range(len(vector))]
