"""Whether a record says what its claims prove: sentences, columns, figures are made again and compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from featgeom.errors import FeatgeomError
from featgeom.proofs.headings import HEADINGS
from featgeom.proofs.proof import Found, Proof, Unproved, proved
from featgeom.runs.checks import Check
from featgeom.runs.record import Finding, Record, Table, plain, restored
from featgeom.status import Status

Statuses = Mapping[str, Status]
WORDS = 60  # of a sentence, by which it is told


def check_declared(study: str, proof: Proof, found: Found, stored: set[str]) -> Iterator[Check]:
    """The claims that a study must have and has not, may not have and has, or that are about other things.

    ``stored`` are the names in the study's file, readable or not.
    """
    try:
        proof.claims(found)
    except Exception as error:  # the record is so wrong that it does not say what it is about
        yield fallen(
            study, "claims", "record", f"does not say what its claims must be about ({_said(error)})"
        )
        return
    for name in found.missing:
        if name not in stored:
            yield missing(study, name, "the study must have this claim, and has it not")
    for name in found.extra:
        yield fallen(study, name, "claim", "no claim of this name belongs to the study")
    for name, fault in found.faults.items():
        yield fallen(study, name, "claim", fault)


def check_record(
    study: str, proof: Proof, found: Found, record: Record, statuses: Statuses
) -> Iterator[Check]:
    """Everything in a record that is called proved, against what the claims say."""
    yield from _sentences(study, proof, found, record, statuses)
    yield from _tables(study, proof, found, record, statuses)
    yield from _figures(study, "values", proof.values, found, record.values, statuses)
    yield from _figures(study, "arrays", proof.arrays, found, record.arrays, statuses)


def fallen(study: str, name: str, kind: str, reason: str) -> Check:
    """One thing that is not so."""
    return Check(study, name, kind, "", {Status.REFUTED.name: 1}, ((-1, Status.REFUTED, "", reason),), 0.0)


def missing(study: str, name: str, reason: str) -> Check:
    """One thing that is not there."""
    return Check(study, name, "missing", "", {"MISSING": 1}, ((-1, Status.REFUTED, "", reason),), 0.0)


def _standing(
    study: str, name: str, kind: str, by: tuple[str, ...], statuses: Statuses, start: float
) -> Check:
    """A thing that is what the claims say, as sure as these are."""
    for status in (Status.REFUTED, Status.UNDECIDED):
        weak = [claim for claim in by if statuses.get(claim, Status.REFUTED) is status]
        if weak:
            reason = f"rests on {', '.join(weak[:3])}{', ...' if len(weak) > 3 else ''}, {status.name}"
            return Check(study, name, kind, "", {status.name: 1}, ((-1, status, "", reason),), 0.0)
    return Check(study, name, kind, "", {"PROVED": 1}, (), time.perf_counter() - start)


def _sentences(study: str, proof: Proof, found: Found, record: Record, statuses: Statuses) -> Iterator[Check]:
    start = time.perf_counter()
    expected: list[Finding] = []
    for sentence in proof.sentences:
        try:
            expected += proved(found, sentence)
        except Exception as error:
            yield fallen(study, f"sentence '{sentence.__name__}'", "sentence", f"cannot be: {_said(error)}")
    stored = [finding.text for finding in record.findings if finding.standing == "proved"]
    for finding in expected:
        name = _short(finding.text)
        if finding.text in stored:
            stored.remove(finding.text)
            yield _standing(study, name, "sentence", finding.by, statuses, start)
        else:
            yield fallen(study, name, "sentence", "the claims say so, and the record does not")
    for text in stored:
        yield fallen(study, _short(text), "sentence", "the record calls it proved, and no claim says so")


def _tables(study: str, proof: Proof, found: Found, record: Record, statuses: Statuses) -> Iterator[Check]:
    tables, known = {table.name: table for table in record.tables}, proof.tables(found)
    for name, make in known.items():
        start = time.perf_counter()
        try:
            columns, by = found.using(make)
        except Exception as error:
            yield fallen(study, name, "table", f"cannot be: {_said(error)}")
            continue
        if columns:
            words = HEADINGS[study](found)[name]
            fault = _other_table(columns, words, tables[name]) if name in tables else "is missing"
            if fault:
                yield fallen(study, name, "table", fault)
            else:
                yield _standing(study, name, "table", by, statuses, start)
    for table in record.tables:
        if table.name not in known and any(column.proved for column in table.columns):
            yield fallen(study, table.name, "table", "the record calls it proved, and no claim says so")


def _other_table(columns: Mapping[Any, Any], words: tuple[str, str], table: Table) -> str:
    """What differs between a stored table and the one that claims make, or nothing."""
    for word, said, meant in zip(("title", "note"), (table.title, table.note), words, strict=True):
        if said != meant:
            return f"its {word} is '{_short(said)}', not '{_short(meant)}'"
    return _other_columns(columns, table)


def _other_columns(columns: Mapping[Any, Any], table: Table) -> str:
    """What differs between a stored table and the columns that claims say, or nothing."""
    marked = {column for column in table.columns if column.proved}
    if marked != set(columns):
        odd = ", ".join(sorted(column.name for column in marked ^ set(columns)))
        return f"other columns are proved than the claims say ({odd})"
    for column, values in columns.items():
        shown, said = restored(plain(list(values))), [row[table.columns.index(column)] for row in table.rows]
        if len(shown) != len(said):
            return f"has {len(said)} rows, and the claims say {len(shown)}"
        for i, (a, b) in enumerate(zip(said, shown, strict=True)):
            if not _alike(a, b):
                return f"row {i + 1}, {column.name}: says {a}, and the claims say {b}"
    return ""


def _figures(
    study: str,
    kind: str,
    make: Callable[[Found], Mapping[str, Any]],
    found: Found,
    stored: Mapping[str, Any],
    statuses: Statuses,
) -> Iterator[Check]:
    start = time.perf_counter()
    try:
        wanted, by = found.using(make)
    except Exception as error:
        yield fallen(study, kind, kind, f"cannot be: {_said(error)}")
        return
    faults = list(_differences(wanted, stored, "")) if wanted else []
    for fault in faults:
        yield fallen(study, kind, kind, fault)
    if wanted and not faults:
        yield _standing(study, kind, kind, by, statuses, start)


def _differences(wanted: Any, stored: Any, where: str) -> Iterator[str]:
    """Where stored figures are not those wanted; what is stored beside them is no matter."""
    if isinstance(wanted, np.ndarray):
        array = np.asarray(stored)
        same = array.shape == wanted.shape and np.array_equal(
            array, wanted, equal_nan=wanted.dtype.kind == "f"
        )
        if not same:
            yield f"{where} is not what the claims say"
    elif isinstance(wanted, Mapping):
        for key, value in wanted.items():
            if not isinstance(stored, Mapping) or key not in stored:
                yield f"{where}/{key} is missing".lstrip("/")
            else:
                yield from _differences(value, stored[key], f"{where}/{key}".lstrip("/"))
    elif isinstance(wanted, list | tuple):
        if not isinstance(stored, list | tuple) or len(stored) != len(wanted):
            yield f"{where} is not of the length that the claims say"
        else:
            for i, (a, b) in enumerate(zip(wanted, stored, strict=True)):
                yield from _differences(a, b, f"{where}/{i}")
    elif not _alike(stored, restored(plain(wanted))):
        yield f"{where} says {stored}, and the claims say {wanted}"


def _alike(a: Any, b: Any) -> bool:
    both_nan = isinstance(a, float) and isinstance(b, float) and a != a and b != b
    return both_nan or (type(a) is type(b) and bool(a == b))


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, Unproved | FeatgeomError) else f"{type(error).__name__}: {error}"


def _short(text: str) -> str:
    return text if len(text) <= WORDS else f"{text[: WORDS - 3]}..."
