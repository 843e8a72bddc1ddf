"""Re-checking claims: every statement is proved, refuted or undecided, with the reason."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from featgeom.certificates.claim import Claim
from featgeom.errors import BadData
from featgeom.runs.claims import StoredClaim, load_claims
from featgeom.runs.subjects import Subjects
from featgeom.status import Status

SHOWN = 5  # how many statements that are not proved are told in full, for each claim


@dataclass(frozen=True)
class Check:
    """What became of one claim: how many of its statements are of which status, and those first that failed.

    ``first`` is its first statement in words.

    ``failures`` are (index, status, statement, reason); a record that is damaged or altered is one refuted
    statement with index −1.
    """

    study: str
    name: str
    kind: str
    about: str
    tally: dict[str, int]
    failures: tuple[tuple[int, Status, str, str], ...]
    seconds: float
    first: str = ""

    @property
    def status(self) -> Status:
        """REFUTED if any statement is, or the claim is missing; else UNDECIDED if any is, else PROVED."""
        if self.tally.get("MISSING"):
            return Status.REFUTED
        for status in (Status.REFUTED, Status.UNDECIDED):
            if self.tally.get(status.name):
                return status
        return Status.PROVED


def check_claim(claim: Claim, name: str = "", study: str = "") -> Check:
    """Check one claim exactly.

    >>> import numpy as np
    >>> from featgeom.certificates.guarantees import BrokenHull
    >>> claim = BrokenHull(np.array([[2.0]]), np.array([[1.0], [0.0]]), np.zeros(2), 0,
    ...                    np.array([0]), np.array([1]))
    >>> check_claim(claim).status
    REFUTED
    """
    start = time.perf_counter()
    try:
        verdicts = claim.check()
        found = list(zip(verdicts.status, verdicts.reasons, strict=True))
        failed = [(i, s, r) for i, (s, r) in enumerate(found) if s is not Status.PROVED][:SHOWN]
        failures = tuple((i, status, _said(claim, i), reason) for i, status, reason in failed)
        tally = verdicts.tally
    except Exception as error:  # evidence so wrong that it cannot even be read proves nothing
        failures = ((-1, Status.UNDECIDED, "", f"the check ended with {type(error).__name__}: {error}"),)
        tally = {Status.UNDECIDED.name: max(1, len(claim))}
    seconds = time.perf_counter() - start
    first = _said(claim, 0) if len(claim) else ""
    return Check(study, name, claim.kind, _about(claim), tally, failures, seconds, first)


def _said(claim: Claim, i: int) -> str:
    """A statement in words, as far as the claim still has the figures."""
    try:
        return claim.statement(i)
    except (IndexError, TypeError, ValueError):
        return "a statement whose figures are missing"


def check_stored(stored: StoredClaim, study: str = "") -> Check:
    """Check one claim as it was read from disk."""
    if stored.claim is not None:
        return check_claim(stored.claim, stored.name, study)
    failure = (-1, Status.REFUTED, "", stored.problem)
    about = ", ".join(dict.fromkeys(stored.about.values()))
    return Check(study, stored.name, stored.kind, about, {Status.REFUTED.name: 1}, (failure,), 0.0)


def _about(claim: Claim) -> str:
    """What a claim is about, in words; a head goes without saying."""
    return ", ".join(dict.fromkeys(text for name, text in claim.words.items() if name != "head"))


def verify_claims(path: Path, subjects: Subjects) -> list[Check]:
    """Check every claim of a document; one that cannot be read is refuted."""
    try:
        stored = load_claims(path, subjects)
    except BadData as error:
        stored = [StoredClaim("", "", None, str(error))]
    return [check_stored(one, path.stem) for one in stored]


def total(checks: Iterable[Check]) -> dict[str, int]:
    """How many statements of each status there are in all.

    >>> total([])
    {'PROVED': 0, 'REFUTED': 0, 'UNDECIDED': 0, 'MISSING': 0}
    """
    counts: Counter[str] = Counter()
    for check in checks:
        counts.update(check.tally)
    return {name: counts[name] for name in ("PROVED", "REFUTED", "UNDECIDED", "MISSING")}
