"""A proof is what a study says on the strength of its claims, as functions of these and of nothing else.

A study makes what it says by its proof, and `verify` makes it again from the claims that it has checked: so a
sentence cannot be without the claims whose numbers it tells, nor can these be left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from featgeom.arrays import Ints
from featgeom.certificates.claim import Claim
from featgeom.errors import FeatgeomError
from featgeom.runs.claims import about_of
from featgeom.runs.record import Column, Finding
from featgeom.runs.subjects import Subjects

if TYPE_CHECKING:
    from featgeom.runs.run import Run

Columns = Mapping[Column, Sequence[Any]]
Answer = TypeVar("Answer")


class Unproved(FeatgeomError):
    """A claim is needed that is not there."""


class Found:
    """The claims of one study, by name, and what they are about.

    ``classes`` are the names of the classes, ``reference`` and ``question`` the parts of the data that hulls
    are made of and that is asked about, ``settings`` what the record says it was made with. ``used`` are the
    claims that were looked up, ``faults`` what is wrong with those that were declared.
    """

    def __init__(
        self,
        claims: Mapping[str, Claim],
        about: Mapping[str, Mapping[str, str]],
        subjects: Subjects,
        classes: Sequence[str],
        settings: Mapping[str, Any],
    ) -> None:
        self.claims, self.about, self.subjects = dict(claims), about, subjects
        self.classes, self.settings = tuple(classes), settings
        self.reference, self.question = next(iter(subjects.parts)), list(subjects.parts)[-1]
        self.used: dict[str, None] = {}
        self.declared: dict[str, tuple[type[Claim], ...]] = {}
        self.missing: list[str] = []
        self.faults: dict[str, str] = {}

    @classmethod
    def of(cls, run: Run, claims: Mapping[str, Claim], settings: Mapping[str, Any] | None = None) -> Self:
        """Claims that a study has just made."""
        about = {name: about_of(claim) for name, claim in claims.items()}
        return cls(claims, about, run.subjects, run.classes, settings or {})

    def beside(self, arrays: Mapping[str, Any]) -> Self:
        """The same with the arrays of the record that the claims belong to."""
        known = self.subjects.beside(arrays)
        return type(self)(self.claims, self.about, known, self.classes, self.settings)

    def __getitem__(self, name: str) -> Any:
        """The claim of that name, which is then noted as used. Raises Unproved where there is none."""
        if name not in self.claims:
            raise Unproved(f"the claim '{name}' is missing")
        self.used[name] = None
        return self.claims[name]

    def get(self, name: str) -> Any:
        """The claim of that name, or None."""
        return self[name] if name in self.claims else None

    def named(self, prefix: str) -> list[str]:
        """The names that begin so, in the order of the claims."""
        return [name for name in self.claims if name.startswith(prefix)]

    def must(self, name: str, *kinds: type[Claim], **about: str) -> None:
        """Declare a claim that the study must have: its name, its kind, and what it is about."""
        if name not in self.claims:
            self.missing.append(name)
        self.may(name, *kinds, **about)

    def may(self, name: str, *kinds: type[Claim], **about: str) -> None:
        """Declare a claim that the study may have."""
        self.declared[name] = kinds
        if name in self.claims:
            if not isinstance(self.claims[name], kinds):
                self.faults[name] = f"is no {' or '.join(kind.kind for kind in kinds)}"
            wanted = about | ({"head": "head"} if "head" in self.about[name] else {})
            if dict(self.about[name]) != wanted:
                said = ", ".join(f"{key} {words}" for key, words in about.items())
                self.faults[name] = f"is about {self.about[name]}, not {said}"

    def meant(self, name: str, **where: Any) -> None:
        """Say which of all claims of its kind a declared one is, by its fields.

        Each is what the field must be, or what it must hold; a kind without the field is not asked.
        """
        if odd := set(where) - {field.name for kind in self.declared[name] for field in fields(kind)}:
            raise TypeError(f"'{name}' has no field {', '.join(sorted(odd))}")
        if name in self.claims and (fault := _another(self.claims[name], where)):
            self.faults.setdefault(name, fault)

    def record(self, name: str) -> np.ndarray:
        """An array of the record that tells what was asked. Raises Unproved where there is none."""
        if name not in self.subjects.arrays:
            raise Unproved(f"the record has no array '{name}'")
        return np.asarray(self.subjects.arrays[name])

    def asked(self, name: str, *shape: int, of: str = "") -> Ints:
        """Numbers (n,) of samples of a part, the question if none is named, that the record says were asked.

        With a ``shape`` (k,), choices (n, k) of as many samples. Raises Unproved where there is no such
        sample, where a number stands twice (in one choice), and where a choice is made twice, in any order.
        """
        rows, n = self.record(name), len(self.subjects.parts[of or self.question].labels)
        if rows.dtype.kind != "i" or rows.shape[1:] != shape or ((rows < 0) | (rows >= n)).any():
            raise Unproved(f"its array '{name}' does not tell samples, numbered from 0 to {n - 1}")
        chosen = np.sort(rows.reshape(len(rows), -1), axis=1)
        if (np.diff(chosen, axis=1) == 0).any() or len(np.unique(chosen, axis=0)) < len(rows):
            raise Unproved(f"its array '{name}' does not tell samples, each once")
        return rows

    @property
    def extra(self) -> list[str]:
        """The claims that nothing declares."""
        return [name for name in self.claims if name not in self.declared]

    def count(self, words: str) -> int:
        """How many samples the words name."""
        rows = self.subjects.rows(words)
        return len(self.subjects.points(words)) if rows is None else len(rows)

    def using(self, make: Callable[[Found], Answer]) -> tuple[Answer, tuple[str, ...]]:
        """What a function makes of the claims, and which of these it looked up."""
        self.used = {}
        answer = make(self)
        return answer, tuple(self.used)


def _another(claim: Claim, where: Mapping[str, Any]) -> str:
    """Why a claim is not the one meant, by its fields, or nothing."""
    for field, wanted in where.items():
        value = getattr(claim, field, wanted)
        if isinstance(wanted, Must):
            if value is not wanted and not wanted.holds(value):
                return f"its {field} must {wanted.words}"
        elif not np.array_equal(np.asarray(value), np.asarray(wanted)):
            short = np.ndim(value) == 0 or np.size(value) == np.size(wanted) == 1
            return f"its {field} is {value}, not {wanted}" if short else f"its {field} is not that meant"
    return ""


@dataclass(frozen=True)
class Must:
    """What a field of a claim must hold, and the words for it after "must"."""

    words: str
    holds: Callable[[Any], bool]


some = Must("not be empty", lambda values: len(values) > 0)  # a claim without statements proves nothing
none = Must("be empty", lambda values: len(values) == 0)
rising = Must(  # so that there is one statement at most about each sample
    "name each sample once, in rising order", lambda numbers: bool((np.diff(numbers) > 0).all())
)


def nothing(found: Found) -> dict[str, Any]:
    """No figures."""
    return {}


@dataclass(frozen=True)
class Proof:
    """What a study proves.

    ``claims`` declares the claims it must and may have. Each of ``sentences`` yields sentences; ``tables``
    tells how to make the proved columns of each table, by its name, none where there is no such table;
    ``values`` and ``arrays`` give figures of the record.
    """

    claims: Callable[[Found], None]
    sentences: tuple[Callable[[Found], Iterable[str]], ...] = ()
    tables: Callable[[Found], Mapping[str, Callable[[Found], Columns]]] = nothing
    values: Callable[[Found], Mapping[str, Any]] = nothing
    arrays: Callable[[Found], Mapping[str, np.ndarray]] = nothing


def proved(found: Found, sentence: Callable[[Found], Iterable[str]]) -> list[Finding]:
    """The findings of one of a proof's sentences."""
    texts, by = found.using(lambda claims: list(sentence(claims)))
    return [Finding.proved(text, by) for text in texts]
