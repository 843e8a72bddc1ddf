"""What `featgeom verify` says of a run: its features, its claims, and whether the records say as much."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial, reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from featgeom.arrays import file_map, release
from featgeom.certificates.claim import Claim
from featgeom.data.npz import read_arrays
from featgeom.errors import BadData
from featgeom.exact.heads import row_blocks
from featgeom.features.store import open_features
from featgeom.files import read_document, read_json
from featgeom.models.self_check import SelfCheck, check_head
from featgeom.progress import bar
from featgeom.proofs.checking import check_declared, check_record, fallen, missing
from featgeom.proofs.proof import Found
from featgeom.proofs.studies import NONE, PROOFS
from featgeom.runs.checks import SHOWN, Check, check_stored, total
from featgeom.runs.claims import StoredClaim, StoredClaims, read_claims
from featgeom.runs.documents import ResultSaid
from featgeom.runs.record import Column, Record, Table
from featgeom.runs.sharing import features_files, shared
from featgeom.runs.subjects import Subjects
from featgeom.runs.told import give_back, told
from featgeom.status import Status
from featgeom.workers import in_use

if TYPE_CHECKING:
    from featgeom.runs.run import Run

TOGETHER = 64  # claims that a worker looks at in one task
AT_ONCE = 1 << 13  # samples whose features and logits are looked at before their pages are given back
NAMES = ("PROVED", "REFUTED", "UNDECIDED", "MISSING")


@dataclass(frozen=True, repr=False)
class Verification:
    """The ``checks`` of a run's features and claims, and of what is ``said``: sentences, tables, figures.

    ``studies`` are those that were looked at.
    """

    checks: tuple[Check, ...]
    said: tuple[Check, ...] = ()
    studies: tuple[str, ...] = ()

    def __repr__(self) -> str:
        counts = ", ".join(f"{count:,} {name}" for name, count in self.tally.items())
        fallen = f"{self._fallen} of {len(self.said)} things said do not follow"
        return f"<Verification of {len(self.checks):,} claims: {counts}; {fallen}>"

    def _repr_html_(self) -> str:
        return self.to_table().to_html()

    @property
    def holds(self) -> bool:
        """Whether every claim is there and proved, and everything said is what they say."""
        return all(check.status is Status.PROVED for check in (*self.checks, *self.said))

    @property
    def refuted(self) -> int:
        """How many statements are refuted."""
        return self.tally["REFUTED"]

    @property
    def tally(self) -> dict[str, int]:
        """How many statements of claims there are of each status, and how many claims are missing."""
        return total(self.checks)

    @property
    def _silent(self) -> str:
        """Which studies call nothing proved."""
        silent = [name for name in self.studies if name not in {c.study for c in (*self.checks, *self.said)}]
        return f" (nothing is called proved in {', '.join(silent)})" if silent else ""

    @property
    def _fallen(self) -> int:
        return sum(check.status is not Status.PROVED for check in self.said)

    def to_table(self) -> Table:
        """A row for each claim."""
        return Table(
            "verification",
            "Certificates, checked again exactly",
            (
                Column("study"), Column("claim"), Column("kind"), Column("about"),
                *(Column(name.lower()) for name in NAMES), Column("time", "s"),
            ),
            tuple(
                (c.study, c.name, c.kind, c.about, *(c.tally.get(name, 0) for name in NAMES), c.seconds)
                for c in self.checks
            ),
            "Numbers of statements. They are about the stored features and head, in feature space.",
        )  # fmt: skip

    def to_text(self, statements: bool = False) -> str:
        """The table, what is not proved, with reasons, and the sum; with ``statements``, what claims say."""
        lines = [self.to_table().to_text("with --json; what is not proved is named below"), ""]
        if statements:
            lines += [f"{c.study}/{c.name}: {c.first}{_more(c)}" for c in self.checks if c.first]
        for check in (*self.checks, *self.said):
            for index, status, statement, reason in check.failures:
                where = f"{check.study}/{check.name}" + (f"[{index}]" if index >= 0 else "")
                word = "MISSING" if check.tally.get("MISSING") else status.name
                lines.append(f"{word} {where}: {statement + ': ' if statement else ''}{reason}")
        lines.append(f"studies: {', '.join(self.studies) or 'none'}{self._silent}")
        lines.append(", ".join(f"{count:,} {name.lower()}" for name, count in self.tally.items()))
        kinds = ("sentence", "table", "values", "arrays", "report")
        counts = {kind: sum(check.kind == kind for check in self.said) for kind in kinds}
        said = ", ".join(f"{count} of {kind}" for kind, count in counts.items() if count)
        if said:
            rest = "all say what the claims prove" if not self._fallen else f"{self._fallen} do not"
            lines.append(f"what the records say ({said}): {rest}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "holds": self.holds,
            "studies": list(self.studies),
            "tally": self.tally,
            "checks": [_described(check) for check in self.checks],
            "said": [_described(check) for check in self.said],
        }


def _more(check: Check) -> str:
    count = sum(check.tally.values())
    return f" (the first of {count:,})" if count > 1 else ""


def _described(check: Check) -> dict[str, Any]:
    return {
        "study": check.study,
        "claim": check.name,
        "kind": check.kind,
        "about": check.about,
        "first": check.first,
        "tally": check.tally,
        "seconds": check.seconds,
        "failures": [
            {"index": i, "status": s.name, "statement": text, "reason": reason}
            for i, s, text, reason in check.failures
        ],
    }


def verify_run(run: Run, progress: bool = False) -> Verification:
    """Check the files of a run, its features, every claim against these, and every record against its claims.

    What is damaged is named, and the rest is checked as it is. The workers of a `cluster` share the claims.
    """
    checks = [fallen("files", "", "", line) for line in run.damages()]
    checks += [check_features(run, split) for split in run.splits]
    try:
        subjects = run.stored_subjects(checked=False)
    except BadData as error:
        return Verification((*checks, fallen("features", "head", "features", str(error))))
    said: list[Check] = []
    for study in run.studies:
        claims, words = verify_study(run, study, subjects, progress)
        checks += claims
        said += words
    if not said and not any(sum(check.tally.values()) for check in checks):
        why = "nothing of this run is called proved: there is nothing to verify"
        checks.append(missing("run", "claims", why))
    return Verification(tuple(checks), tuple(said), tuple(run.studies))


def verify_study(
    run: Run, study: str, subjects: Subjects, progress: bool = False
) -> tuple[list[Check], list[Check]]:
    """The claims of a study, and what its record says."""
    try:
        record = stored_record(run.folder, study)
    except BadData as error:
        return [fallen(study, "results", "record", str(error))], []
    known, path = subjects.beside(record.arrays), run.folder / "claims" / f"{study}.json"
    proof, checks, stored = PROOFS.get(study, NONE), list[Check](), None
    if path.exists():
        try:
            stored = read_claims(path, known)
        except BadData as error:
            checks.append(fallen(study, "claims", "claims", str(error)))
    statuses, claims = dict[str, Status](), dict[str, Claim]()
    about: dict[str, Mapping[str, str]] = {}
    for one, check in _looked_at(run, study, stored, known, progress) if stored else ():
        if one.name in statuses:
            check = fallen(study, one.name, one.kind, "there are two claims of this name")
        statuses[one.name], about[one.name] = check.status, one.about
        checks.append(check)
        if one.claim is not None:
            claims[one.name] = one.claim
    found = Found(claims, about, known, run.classes, record.settings)
    checks += check_declared(study, proof, found, set(about))
    if found.missing and not path.exists():
        checks.append(missing(study, "claims", f"claims/{study}.json is gone"))
    return checks, list(check_record(study, proof, found, record, statuses))


def _looked_at(
    run: Run, study: str, stored: StoredClaims, known: Subjects, progress: bool
) -> Iterator[tuple[StoredClaim, Check]]:
    """Every claim of a study with its check, by the workers of a cluster where one is in use."""
    if in_use():
        parts = [slice(start, start + TOGETHER) for start in range(0, len(stored), TOGETHER)]
        work, files = partial(_look_at_part, study), [*features_files(run), *_files_of(study)]
        answers = shared(run, work, parts, f"verify {study}", progress, known, files)
        for part, answer in zip(parts, answers, strict=True):
            if len(answer) != len(stored[part]):
                raise BadData(f"{study}: a worker looked at {len(answer)} of {len(stored[part])} claims")
            yield from answer
    else:
        yield from map(partial(_look_at, study), bar(stored, desc=f"verify {study}", disable=not progress))


def _look_at(study: str, one: StoredClaim) -> tuple[StoredClaim, Check]:
    """A claim, of which from here on only what it says is kept, with its check."""
    check = check_stored(one, study)
    if one.claim is None:
        return one, check
    give_back(one.claim)
    return replace(one, claim=told(one.claim)), check


def _look_at_part(study: str, run: Run, part: slice) -> list[tuple[StoredClaim, Check]]:
    """Some claims of a study, as a worker looks at them."""
    return [_look_at(study, one) for one in _stored(run, study)[part]]


def _files_of(study: str) -> list[str]:
    """The files of a study in the run's folder that a worker reads."""
    return [f"{place}/{study}.{end}" for place in ("results", "claims") for end in ("json", "npz")]


@lru_cache(maxsize=1)
def _stored(run: Run, study: str) -> StoredClaims:
    """The claims of a study, read once by a worker."""
    known = run.subjects.beside(stored_record(run.folder, study).arrays)
    return read_claims(run.folder / "claims" / f"{study}.json", known)


def stored_record(folder: Path, study: str) -> Record:
    """The record of a study as it is stored now. Raises BadData where it cannot be read."""
    path = folder / "results" / f"{study}.json"
    read_document(path, ResultSaid)
    packed = path.with_suffix(".npz")
    return Record.from_json(read_json(path), read_arrays(packed) if packed.exists() else {})


def check_features(run: Run, split: str) -> Check:
    """Whether the features of a part are those that were stored, and what is stored beside them follows."""
    start = time.perf_counter()
    reasons = list(_features_faults(run, split))[:SHOWN]
    failures = tuple((-1, Status.REFUTED, "", reason) for reason in reasons)
    tally = {Status.REFUTED.name: 1} if reasons else {}
    return Check("features", split, "features", "", tally, failures, time.perf_counter() - start)


def _features_faults(run: Run, split: str) -> Iterator[str]:
    try:
        part = open_features(run.folder / "features" / split, verify=True)
    except BadData as error:
        yield str(error)
        return
    checks, alike, width = list[SelfCheck](), True, max(part.head.weight.shape)
    for start in range(0, len(part), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        features, logits = part.features[some], np.asarray(part.logits[some])
        alike &= np.array_equal(part.predictions[some], logits.argmax(axis=1))
        checks += [check_head(features[b], logits[b], part.head) for b in row_blocks(len(logits), width)]
        release(file_map(part.features))
        release(file_map(part.logits))
    if not alike:
        yield "the predictions are not those of the logits"
    if part.classes != run.classes or len(part) != run.asked["data"]["splits"][split]["samples"]:
        yield "they are not of the classes and samples that run.json names"
    if checks and not (check := reduce(or_, checks)).passes:
        yield f"the logits are not those of the head ({check.describe()})"
