"""What every claim has: declared fields, statements in words, and one exact decision for each."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from featgeom.exact.fields import Refused, admit, specs
from featgeom.status import Status, StatusArray, status_array, tally

Verdict = tuple[Status, str]

PROVED: Verdict = (Status.PROVED, "")


def refuted(reason: str) -> Verdict:
    """The evidence does not hold, and cannot."""
    return Status.REFUTED, reason


def undecided(reason: str) -> Verdict:
    """The evidence proves nothing, but the statement may be true."""
    return Status.UNDECIDED, reason


def proved_if(fine: bool, reason: str) -> Verdict:
    """Proved, or refuted for that reason."""
    return PROVED if fine else refuted(reason)


@dataclass(frozen=True)
class Verdicts:
    """What the check of a batch of statements found: PROVED, REFUTED or UNDECIDED, each with its reason.

    ``reasons`` is empty where a statement is proved.
    """

    status: StatusArray
    reasons: tuple[str, ...]

    @property
    def tally(self) -> dict[str, int]:
        """How many statements of each status there are."""
        return tally(self.status)


KINDS: dict[str, type[Claim]] = {}


@dataclass(frozen=True, eq=False)
class Claim(ABC):
    """A batch of statements of one kind, with the numbers that prove each.

    A kind is a frozen dataclass whose fields are declared as `featgeom.exact.fields` says, so that `check`
    sees nothing of another type, shape or range. ``subjects`` says by which fields the statements are about
    something (points, a head, a domain): a run stores these by name, all else as evidence. ``words`` are
    those names. ``unsaid`` is evidence that only proves: nothing that is said tells of it.

    `decide` settles one statement in exact arithmetic; `screened` may prove many at once in float64 with a
    bound on its rounding. No code of a solver takes part.
    """

    kind: ClassVar[str]
    counted: ClassVar[str] = ""  # the dimension that counts the statements; "" where there is one
    subjects: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    unsaid: ClassVar[tuple[str, ...]] = ()

    words: Mapping[str, str] = field(default_factory=dict, kw_only=True)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "statement" in cls.__dict__:
            cls.kind = re.sub("(?<!^)([A-Z])", r"-\1", cls.__name__).lower()
            if (KINDS.setdefault(cls.kind, cls)).__module__ != cls.__module__:
                raise TypeError(f"two kinds of claim are called '{cls.kind}'")
            KINDS[cls.kind] = cls

    def __len__(self) -> int:
        """How many statements there are."""
        if not self.counted:
            return 1
        for name, spec in specs(self):
            shape = np.shape(getattr(self, name))
            if self.counted in spec.shape and len(shape) == len(spec.shape):
                return int(shape[spec.shape.index(self.counted)])
        return 0

    @property
    def evidence(self) -> dict[str, Any]:
        """The fields that are not subjects, by name."""
        subjects = {field for names in self.subjects.values() for field in names}
        return {name: getattr(self, name) for name, _ in specs(self) if name not in subjects}

    def named(self, **words: str) -> Self:
        """The same claim with its subjects called by the run's own words."""
        return replace(self, words=words)

    def called(self, subject: str, otherwise: str) -> str:
        """What to call a subject in print."""
        return self.words.get(subject, otherwise)

    @abstractmethod
    def statement(self, i: int) -> str:
        """Statement ``i`` in words, with its figures."""

    def misfit(self) -> str:
        """Why fields that passed the door do not belong together, or nothing."""
        return ""

    def screened(self) -> NDArray[np.bool_]:
        """The statements that float64 proves with its bound on rounding, (len,)."""
        return np.zeros(len(self), dtype=bool)

    @abstractmethod
    def decide(self, i: int) -> Verdict:
        """Decide statement ``i`` exactly."""

    def _decided(self, i: int) -> Verdict:
        """`decide`, where what ends by an error proves nothing, and stops no other statement."""
        try:
            return self.decide(i)
        except Exception as error:
            return undecided(f"the check ended with {type(error).__name__}: {error}")

    def check(self) -> Verdicts:
        """Decide every statement. It never raises on false evidence: what does not fit is a refutation."""
        count = max(1, len(self))
        try:
            values, faulty = admit(self, self.counted)
            claim = replace(self, **values)
            reason = claim.misfit()
        except Refused as error:
            reason = str(error)
        if reason:
            return Verdicts(status_array(count, Status.REFUTED), (reason,) * count)
        proved = claim.screened() & ~faulty
        status, reasons = status_array(len(claim), Status.PROVED), [""] * len(claim)
        for i in np.flatnonzero(~proved).tolist():
            fault = refuted("a value is not a number, or out of range")
            status[i], reasons[i] = fault if faulty[i] else claim._decided(i)
        return Verdicts(status, tuple(reasons))
