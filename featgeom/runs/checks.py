"""Re-checking claims: every statement is proved, refuted or undecided, with the reason."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from featgeom.certificates.claim import Claim
from featgeom.errors import BadData
from featgeom.runs.claims import StoredClaim, load_claims
from featgeom.status import Status

SHOWN = 5  # how many statements that are not proved are told in full, for each claim


@dataclass(frozen=True)
class Check:
    """What became of one claim: how many of its statements are of which status, and the first that failed.

    ``failures`` are (index, status, statement, reason); a record that is damaged or altered is one refuted
    statement with index −1.
    """

    study: str
    name: str
    kind: str
    tally: dict[str, int]
    failures: tuple[tuple[int, Status, str, str], ...]
    seconds: float

    @property
    def status(self) -> Status:
        """REFUTED if any statement is, else UNDECIDED if any is, else PROVED."""
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
        tally = {Status.UNDECIDED.name: 1}
    return Check(study, name, claim.kind, tally, failures, time.perf_counter() - start)


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
    return Check(study, stored.name, stored.kind, {Status.REFUTED.name: 1}, (failure,), 0.0)


def verify_folder(folder: Path | str, sources: Mapping[str, NDArray[Any]]) -> list[Check]:
    """Check every claim of every document in a folder; one that cannot be read is refuted."""
    checks = []
    for path in sorted(Path(folder).glob("*.json")):
        try:
            stored = load_claims(path, sources)
        except BadData as error:
            stored = [StoredClaim("", "", None, str(error))]
        checks += [check_stored(one, path.stem) for one in stored]
    return checks


def total(checks: Iterable[Check]) -> dict[str, int]:
    """How many statements of each status there are in all.

    >>> total([])
    {'PROVED': 0, 'REFUTED': 0, 'UNDECIDED': 0}
    """
    counts: Counter[str] = Counter()
    for check in checks:
        counts.update(check.tally)
    return {s.name: counts[s.name] for s in (Status.PROVED, Status.REFUTED, Status.UNDECIDED)}
