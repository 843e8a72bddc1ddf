"""The nearest flips of many samples, of which the workers of a cluster answer some each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from featgeom.arrays import Ints
from featgeom.boundaries.flips import flip_points
from featgeom.boundaries.ties import FlipPoints
from featgeom.certificates.claim import Claim
from featgeom.norms import Norm
from featgeom.runs.run import Run
from featgeom.runs.sharing import joined, shared
from featgeom.runs.subjects import rows_of
from featgeom.workers import in_use

SAMPLES = 1024  # that a worker answers at a time
FIELDS = ("point", "distance", "lower_bound", "error", "classes", "status")


def nearest_flips(run: Run, domain: str, norm: Norm, progress: bool) -> FlipPoints:
    """The nearest flip of each sample of the question split, as `flip_points` finds it.

    Where a `cluster` is in use its workers share the samples; other norms than the Euclidean are not shared.
    """
    question = run.features(run.question_split)
    if not in_use() or not norm.plain:
        return flip_points(question.head, np.asarray(question.features), None, domain, norm)
    rows = np.arange(len(question))
    parts = [rows[start : start + SAMPLES] for start in range(0, len(rows), SAMPLES)]
    return _in_one(
        list(shared(run, partial(_of_some, domain), parts, "nearest boundaries", progress)),
        np.asarray(question.features, np.float64),
    )


def _of_some(domain: str, run: Run, rows: Ints) -> FlipPoints:
    """The flips of some samples, with claims that name these."""
    question = run.features(run.question_split)
    found = flip_points(question.head, np.asarray(question.features[rows]), None, domain)
    about = rows_of(f"{run.question_split}/features", rows)
    return replace(
        found,
        certificate=found.certificate.named(points=about, domain=domain),
        certificate_empty=found.certificate_empty.named(domain=domain),
    )


def _in_one(parts: Sequence[FlipPoints], samples: np.ndarray) -> FlipPoints:
    """The answers of all parts, with one claim about all samples."""
    found, claims = [part.certificate for part in parts], list[dict[str, Any]]()
    first = statements = 0
    for part, claim in zip(parts, found, strict=True):
        evidence = claim.evidence
        claims.append(
            evidence | {"owner": evidence["owner"] + first, "rival_of": evidence["rival_of"] + statements}
        )
        first, statements = first + len(part.distance), statements + len(claim)
    nowhere = joined([part.certificate_empty.evidence for part in parts])
    once = np.sort(np.unique(nowhere["tied"], axis=0, return_index=True)[1])
    values: dict[str, Any] = {name: np.concatenate([getattr(p, name) for p in parts]) for name in FIELDS}
    return replace(
        parts[0],
        **values,
        certificate=_unnamed(found[0], features=samples, **joined(claims)),
        certificate_empty=_unnamed(
            parts[0].certificate_empty, **{name: rows[once] for name, rows in nowhere.items()}
        ),
    )


def _unnamed(claim: Claim, **fields: Any) -> Any:
    """The claim with other fields, which is about what these say."""
    return replace(claim, **fields, words={})
