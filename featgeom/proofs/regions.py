"""What the study of regions proves: which cells meet, how large they are, who lies in a guaranteed hull."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Ints
from featgeom.certificates.cells import CellsMeet
from featgeom.certificates.classes import ClassMargin
from featgeom.certificates.farkas import CellsApart, EmptyCell
from featgeom.certificates.guarantees import GuaranteedHull
from featgeom.certificates.hulls import HullMembership
from featgeom.certificates.shapes import CellRay, InscribedBall
from featgeom.exact.heads import nearest_rows
from featgeom.proofs.overview import kept_or_broken
from featgeom.proofs.proof import Columns, Found, Must, Proof
from featgeom.runs.record import Column
from featgeom.runs.subjects import of_class
from featgeom.status import Status

UNIT = "feature distance"
PAIRS_OF_ALL = 100  # up to so many classes every pair of cells is asked whether they meet
NEAREST = 10  # of more, each class is asked about with so many others, whose rows of the head are nearest
BALLS_UP_TO = 1_000_000  # classes² times dimensions: beyond, one linear program a class takes too long


def claims(found: Found) -> None:
    """Every pair of cells, the size of each, the class of every question, and guaranteed hulls."""
    domain, box = found.subjects.domain, f"box of {found.reference}/features"
    found.must("ties", CellsMeet, domain=domain)
    found.must("no-ties", CellsApart, domain=domain)
    among = Must("be among the pairs that are asked about", partial(all_asked, found))
    found.meant("ties", pairs=among)
    found.meant("no-ties", pairs=among)
    found.must(f"classes-{found.question}", ClassMargin, points=f"{found.question}/features")
    found.meant(f"classes-{found.question}", own=found.subjects.predicted(found.question))
    for c in range(len(found.classes)):
        found.may(f"empty-{c}", EmptyCell, InscribedBall, domain=domain)
        found.meant(f"empty-{c}", own=[c])
        found.may(f"ball-{c}", InscribedBall, EmptyCell, CellRay, domain=box)
        found.meant(f"ball-{c}", own=[c], wide=[True])
        if found.count(reference(found, c)):
            kept_or_broken(found, f"guarantee-{c}", c, reference(found, c))
            if kept(found, c) is Status.GUARANTEED and found.count(question(found, c)):
                asked = {"points": reference(found, c), "queries": question(found, c)}
                found.must(f"inside-{c}", HullMembership, **asked)


def reference(found: Found, c: int) -> str:
    """The correctly predicted samples of a class."""
    return of_class(found.reference, c, True)


def question(found: Found, c: int) -> str:
    """The samples asked about that are predicted so."""
    return f"{found.question}/features predicted {c}"


def kept(found: Found, c: int) -> Status:
    """Whether a class's hull lies in its cell."""
    claim = found.get(f"guarantee-{c}")
    if claim is None:
        return Status.UNDECIDED
    return Status.GUARANTEED if isinstance(claim, GuaranteedHull) else Status.BROKEN


def few(found: Found) -> bool:
    """Whether there are so few classes that every pair of cells is asked whether they meet."""
    return len(found.classes) <= PAIRS_OF_ALL


def asked_pairs(found: Found) -> Ints:
    """The pairs of classes that are asked whether their cells meet, each once and in order, (p, 2).

    Every pair where classes are few, else each class with those whose rows of the head are nearest to its
    own, exactly: so no pair of nearer rows can be left out.
    """
    count = len(found.classes)
    if few(found):
        return np.stack(np.triu_indices(count, 1), axis=1).astype(np.int64)

    def make() -> Ints:
        near = nearest_rows(found.subjects.head.weight, min(NEAREST, count - 1))
        pairs = np.stack([np.repeat(np.arange(count), near.shape[1]), near.ravel()], axis=1)
        return np.unique(np.sort(pairs, axis=1), axis=0)

    return found.subjects.once(("pairs of cells", NEAREST), make)


def all_asked(found: Found, pairs: Ints) -> bool:
    """Whether all of some pairs of classes, in any order, are asked about."""
    count = len(found.classes)
    said, asked = (np.sort(some, axis=1) @ np.array([count, 1]) for some in (pairs, asked_pairs(found)))
    return bool(np.isin(said, asked).all())


def pairs_of(claim: CellsMeet | CellsApart) -> Ints:
    """The pairs of classes of a claim, each once and in order, (p, 2)."""
    return np.unique(np.sort(claim.pairs, axis=1), axis=0).reshape(-1, 2)


def adjacency(found: Found) -> Iterator[str]:
    """How the cells meet."""
    count, domain = len(found.classes), found.subjects.domain
    together, apart = (len(pairs_of(found[name])) for name in ("ties", "no-ties"))
    total, asked = count * (count - 1) // 2, len(asked_pairs(found))
    where = "in the orthant z ≥ 0" if domain == "orthant" else "in feature space"
    rest = f", {asked - together - apart:,} are undecided" if asked > together + apart else ""
    chosen = f"{asked:,} are asked about, of each class those with the {NEAREST} others whose rows of the "
    chosen = "" if few(found) else f"{chosen}head are nearest to its own: "
    yield (
        f"Of {total:,} pairs of cells {chosen}{together:,} meet {where}, {apart:,} are proved not to "
        f"meet{rest}; ties with a third class do not count."
    )


def inside(found: Found) -> NDArray[np.bool_]:
    """Which questions are proved to lie in the guaranteed hull of their class, (n,)."""
    mask = np.zeros(found.count(f"{found.question}/features"), dtype=bool)
    for c in range(len(found.classes)):
        claim = found.get(f"inside-{c}")
        rows = found.subjects.rows(question(found, c))
        if claim is not None and rows is not None:
            mask[rows[claim.rows[claim.inside]]] = True
    return mask


def summary(found: Found) -> dict[str, Any]:
    """How many questions lie in the guaranteed hulls."""
    mask, hulls = inside(found), [kept(found, c) for c in range(len(found.classes))]
    open_ = [
        found.count(question(found, c)) - len(found[f"inside-{c}"])
        for c, status in enumerate(hulls)
        if status is Status.GUARANTEED and found.count(question(found, c))
    ]
    return {
        "inside": int(mask.sum()),
        "of": len(mask),
        "undecided": sum(open_),
        "guaranteed": [status.name for status in hulls],
    }


def guaranteed(found: Found) -> Iterator[str]:
    """How many features have a class that a hull guarantees."""
    known = summary(found)
    hulls, n = known["guaranteed"].count("GUARANTEED"), known["of"]
    rest = f", {known['undecided']} are undecided" if known["undecided"] else ""
    yield (
        f"{hulls} of {len(found.classes)} hulls of correctly predicted {found.reference} features are "
        f"guaranteed regions; {known['inside']:,} of {n:,} {found.question} features "
        f"({100 * known['inside'] / n:.2f} %) lie inside the one of their class{rest}. Outside, the head "
        "still decides; no hull vouches for it."
    )


def float32(found: Found) -> Iterator[str]:
    """How many features keep their class in float32."""
    safe = found[f"classes-{found.question}"].float32
    yield (
        f"{int(safe.sum()):,} of {len(safe):,} {found.question} features are proved to keep the class that "
        "the head gives them in exact arithmetic, however it is evaluated in float32 (any order of "
        "summation)."
    )


def cell_columns(found: Found) -> Columns:
    """Neighbours and size of each cell."""
    count = len(found.classes)
    degree = np.bincount(pairs_of(found["ties"]).ravel(), minlength=count)
    balls = [ball(found, c) for c in range(count)]
    return {
        Column("class", proved=True): list(found.classes),
        Column("neighbours" if few(found) else "neighbours, of those asked about", proved=True): (
            degree.tolist()
        ),
        Column("largest ball, at least", UNIT, True, "lower"): [low for low, _ in balls],
        Column("at most", UNIT, True, "upper"): [high for _, high in balls],
    }


def sought(found: Found) -> bool:
    """Whether the largest balls in the cells are sought."""
    return bool(len(found.classes) * found.subjects.head.weight.size <= BALLS_UP_TO)


def ball(found: Found, c: int) -> tuple[float | None, float | None]:
    """The bounds on the largest ball in a cell; None where it was not sought."""
    if not sought(found):
        return None, None
    claim = found.get(f"ball-{c}")
    if isinstance(claim, InscribedBall):
        return float(claim.radius[0]), float(claim.upper[0])
    return (np.inf if isinstance(claim, CellRay) else 0.0), np.inf


def inside_columns(found: Found) -> Columns:
    """Who lies in the guaranteed hull of each class."""
    mask, known = inside(found), range(len(found.classes))
    predicted = found.subjects.predicted(found.question)
    labels = np.asarray(found.subjects.parts[found.question].labels)
    return {
        Column("class", proved=True): list(found.classes),
        Column("hull", proved=True): [kept(found, c).name for c in known],
        Column("predicted so", proved=True): [int((predicted == c).sum()) for c in known],
        Column("inside", proved=True): [int(mask[predicted == c].sum()) for c in known],
        Column("of these, labelled so", proved=True): [
            int((labels[mask & (predicted == c)] == c).sum()) for c in known
        ],
    }


def values(found: Found) -> dict[str, Any]:
    """The figures, for programs."""
    return {
        "domain": found.subjects.domain,
        "classes": len(found.classes),
        **({} if few(found) else {"asked": len(asked_pairs(found))}),
        "edges": len(pairs_of(found["ties"])),
        "non_edges": [tuple(pair) for pair in pairs_of(found["no-ties"]).tolist()],
        "inside": summary(found),
        "float32_not_proved": int((~found[f"classes-{found.question}"].float32).sum()),
    }


def arrays(found: Found) -> dict[str, np.ndarray]:
    """Pairs of cells that meet, and what is known of every question."""
    return {
        "edges": pairs_of(found["ties"]),
        f"{found.question}_inside": inside(found),
        f"{found.question}_float32_safe": found[f"classes-{found.question}"].float32,
    }


def tables(found: Found) -> dict[str, Callable[[Found], Columns]]:
    """Both tables."""
    return {"cells": cell_columns, "inside": inside_columns}


PROOF = Proof(claims, (adjacency, guaranteed, float32), tables, values, arrays)
