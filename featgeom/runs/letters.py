"""What a worker made, as bytes: claims go as evidence and words, and what they are about is found again.

That is in the features of the run, of which nothing is sent.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cached_property
from typing import Any

from featgeom.certificates.claim import Claim
from featgeom.runs.claims import BARE, StoredClaim, about_of, is_bare
from featgeom.runs.subjects import Subjects
from featgeom.runs.told import blank, is_blank, is_told

SUBJECTS = object()  # stands for what claims are about, in what is sent


def written(made: Any) -> bytes:
    """The letter that `Letters` reads."""
    file = io.BytesIO()
    _Writer(file, pickle.HIGHEST_PROTOCOL).dump(made)
    return file.getvalue()


class _Writer(pickle.Pickler):
    """Writes claims that name what they are about by these words and their evidence."""

    def persistent_id(self, value: Any) -> str | None:
        """The mark of what is not sent."""
        return "subjects" if value is SUBJECTS else None

    def reducer_override(self, value: Any) -> Any:
        """How a claim is put together again."""
        if is_blank(value):
            return blank, (value.shape,)
        if isinstance(value, Claim) and is_told(value):
            return _told_again, (
                type(value),
                {field.name: getattr(value, field.name) for field in fields(value)},
            )
        if isinstance(value, StoredClaim) and value.claim is not None and not is_told(value.claim):
            claim = _parts(value.claim, value.about)
            return _stored_again, (value.name, value.kind, dict(value.about), claim)
        if isinstance(value, Claim) and value.words:
            return _again, _parts(value, about_of(value))
        return NotImplemented


def _parts(claim: Claim, about: Mapping[str, str]) -> tuple[Any, ...]:
    """What `_again` makes a claim of."""
    return type(claim), claim.evidence, dict(about), dict(claim.words), is_bare(claim), SUBJECTS


def _again(
    kind: type[Claim],
    evidence: dict[str, Any],
    about: dict[str, str],
    words: Mapping[str, str],
    without: bool,
    known: Subjects,
) -> Claim:
    """A claim of its evidence and of what it is ``about``; ``without`` its points, where it had none."""
    return kind(**evidence, **known.fields(kind, about, without=BARE if without else ""), words=words)


def _told_again(kind: type[Claim], values: dict[str, Any]) -> Claim:
    """What a claim says."""
    return kind(**values)


def _stored_again(name: str, kind: str, about: dict[str, str], claim: tuple[Any, ...]) -> StoredClaim:
    return StoredClaim(name, kind, _again(*claim), "", about)


class Letters:
    """Reads letters, with what claims are about, which is asked for when the first comes."""

    def __init__(self, known: Callable[[], Subjects]) -> None:
        self._known = known

    @cached_property
    def known(self) -> Subjects:
        """What claims are about."""
        return self._known()

    def read(self, letter: bytes) -> Any:
        """What was written."""
        reader = pickle.Unpickler(io.BytesIO(letter))
        reader.persistent_load = lambda _: self.known  # type: ignore[method-assign]
        return reader.load()
