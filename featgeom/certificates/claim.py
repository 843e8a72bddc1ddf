"""What every claim has: a kind, subjects, evidence, and an exact check."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from featgeom.status import Status, StatusArray, status_array, tally


@dataclass(frozen=True)
class Verdicts:
    """What the check of a batch of statements found: PROVED, REFUTED or UNDECIDED, each with its reason.

    ``reasons`` is empty where a statement is proved.
    """

    status: StatusArray
    reasons: tuple[str, ...]

    @classmethod
    def collect(cls, rows: list[tuple[Status, str]]) -> Verdicts:
        """From one (status, reason) a statement."""
        status = status_array(len(rows))
        status[:] = [row[0] for row in rows]
        return cls(status, tuple(row[1] for row in rows))

    @property
    def tally(self) -> dict[str, int]:
        """How many statements of each status there are."""
        return tally(self.status)


KINDS: dict[str, type[Claim]] = {}


@dataclass(frozen=True, eq=False)
class Claim(ABC):
    """A batch of statements of one kind, with the numbers that prove each.

    A subclass is a frozen dataclass whose fields are arrays (numpy, or scipy.sparse.csr_array) or plain
    numbers and strings. ``subjects`` names those fields that hold what the statements are about (points,
    queries, head): a run stores these by reference to its features, everything else as evidence.

    ``check`` must decide each statement from these fields alone, in exact arithmetic, with no code of a
    solver. It never raises on false evidence: a wrong index or shape is a refutation.
    """

    kind: ClassVar[str]
    subjects: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "kind" in cls.__dict__:
            taken = KINDS.setdefault(cls.kind, cls)
            if (taken.__module__, taken.__qualname__) != (cls.__module__, cls.__qualname__):
                raise TypeError(f"two kinds of claim are called '{cls.kind}'")
            KINDS[cls.kind] = cls

    @abstractmethod
    def __len__(self) -> int:
        """How many statements there are."""

    @abstractmethod
    def statement(self, i: int) -> str:
        """Statement ``i`` in words, with its figures."""

    @abstractmethod
    def check(self) -> Verdicts:
        """Decide every statement exactly."""

    def evidence(self) -> dict[str, Any]:
        """The fields that are not subjects, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in self.subjects}


def refuted(n: int, reason: str) -> Verdicts:
    """All ``n`` statements refuted for one reason, such as arrays that do not fit together."""
    return Verdicts(status_array(n, Status.REFUTED), (reason,) * n)
