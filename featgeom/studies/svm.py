"""The head beside support vector machines on the same features, by pair of classes and as a whole."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featgeom.arrays import Float64, Floats, Ints, blocks
from featgeom.head import AffineHead
from featgeom.margins.comparison import Boundaries, HeadComparison, compare_heads, losses_of
from featgeom.margins.machine import LinearSVM, max_margin
from featgeom.progress import doing
from featgeom.proofs import machines as proof
from featgeom.proofs.headings import headed
from featgeom.proofs.machines import KINDS
from featgeom.proofs.proof import Found, proved
from featgeom.runs.record import Column, Finding, Record, Table
from featgeom.runs.run import Run
from featgeom.runs.sharing import shared
from featgeom.status import Status

ENTRIES = 1 << 22  # of features or logits that are held at a time
MOST_PAIRS = 45
AT_A_TIME = 5  # pairs of classes, whose machines are compared with the head on the same draws
MOST_UNKNOWNS = 4_000  # (K − 1)(d + 1) of a machine of all classes, which then takes minutes
Compared = tuple[LinearSVM, HeadComparison]


def study(run: Run, device: str = "cpu", progress: bool = False) -> Record:
    """Hard-margin machines on the reference features that the head predicts correctly.

    The head separates these, so the machines exist. Each is computed with a free bias ("standard") and with
    one regularised with the weights ("augmented"), to which gradient descent with a trainable bias tends.
    """
    parts = {split: run.features(split) for split in run.splits}
    features = parts[run.reference_split]
    head = features.head
    samples = f"{run.reference_split}/features predicted as labelled"
    right = run.subjects.predicted(run.reference_split) == features.labels
    y = np.asarray(features.labels)[right]
    with doing("machines of all classes", disable=not progress):
        whole = whole_machines(run, samples, y)
    with doing("margins and losses of the head", disable=not progress):
        seen = look(head, features.features, features.labels, right)
    losses, at_origin = seen.losses, seen.at_origin
    pairs, left_out = nearest(seen.least, np.unique(y))
    of_pairs = pair_machines(run, pairs, progress)
    accuracy = float(right.mean())
    claims = {f"machine-{kind}": svm.certificate for kind, (svm, _) in whole.items()}
    claims |= {
        f"pair-{a}-{b}-{kind}": svm.certificate
        for (a, b), found in of_pairs.items()
        for kind, (svm, _) in found.items()
    }
    said = Found.of(run, claims)
    findings = first_findings(accuracy, losses, right, at_origin, run.reference_split)
    findings += [*proved(said, proof.of_all), *whole_findings(whole), *pair_findings(of_pairs, run.classes)]
    findings += proved(said, proof.closest)
    if not whole:
        findings.append(
            Finding(
                f"No machine of all {len(run.classes):,} classes in {head.dimension:,} dimensions is made: "
                f"it would have more than {MOST_UNKNOWNS:,} unknowns. Pairs of classes only."
            )
        )
    if undecided := len(pairs) - len(of_pairs):
        findings.append(
            Finding(f"For {undecided:,} pairs of classes rounding leaves the machine undecided; not shown.")
        )
    if left_out:
        findings.append(
            Finding(
                f"Of the {len(pairs) + left_out:,} pairs of classes the {len(pairs):,} of least head margin "
                f"are shown; {left_out:,} are left out."
            )
        )
    tables = ([whole_table(whole, said)] if whole else []) + [pair_table(of_pairs, said)]
    if head.dimension == 2:
        tables.append(plane_table(of_pairs, run.classes))
    return Record(
        findings=tuple(findings),
        values={
            "samples": len(y),
            "accuracy": {split: part.accuracy if part.labelled else None for split, part in parts.items()},
            "loss": float(losses.mean()),
            "largest_loss": float(losses.max()),
            "at_origin": at_origin,
            "machines": {kind: values_of(*found) for kind, found in whole.items()},
            "pairs": [
                {"classes": [int(a), int(b)], **{k: values_of(*found) for k, found in kinds.items()}}
                for (a, b), kinds in of_pairs.items()
            ],
        },
        tables=tuple(tables),
        arrays={f"support-{kind}": np.flatnonzero(right)[svm.support] for kind, (svm, _) in whole.items()},
        claims=claims,
        settings={
            "split": run.reference_split,
            "samples": "correctly predicted",
            "C": "inf",
            "most_pairs": MOST_PAIRS,
            "most_unknowns": MOST_UNKNOWNS,
        },
    )


def first_findings(
    accuracy: float, losses: Floats, right: np.ndarray, at_origin: int, split: str
) -> list[Finding]:
    """What the machines are fitted to, and which samples the network cannot tell apart."""
    separated = Finding(
        f"The head separates the {int(right.sum()):,} of {len(right):,} {split} samples that it predicts "
        f"correctly (accuracy {accuracy:.4f}, loss {losses.mean():.3g}); machines are fitted to these."
    )
    text = f"Of {at_origin:,} samples all features are 0: the network does not tell these apart."
    return [separated, *([Finding(text)] if at_origin else [])]


def whole_machines(run: Run, samples: str, y: Ints) -> dict[str, Compared]:
    """One machine of all classes for each kind of bias; empty where they would be too large."""
    if not small_enough(y, run.subjects.head.dimension):
        return {}
    asked = [[((kind,), samples, run.subjects.rows(samples))] for kind in KINDS]
    machines = {
        kind: one for (made,) in shared(run, compared, asked, "machines of all") for kind, one in made.items()
    }
    solved = len(machines) == len(KINDS) and all(is_solved(svm) for svm, _ in machines.values())
    return machines if solved else {}


Asked = tuple[tuple[str, ...], str, Any]  # kinds of bias, the words for some samples, and their rows


def compared(run: Run, asked: Sequence[Asked]) -> list[dict[str, Compared]]:
    """Machines on some samples of the reference, each compared with the head, by kind of bias.

    Only those are compared whose objective is finite.
    """
    features, machines = run.features(run.reference_split), list[tuple[int, str, LinearSVM]]()
    parts = []
    for place, (kinds, samples, rows) in enumerate(asked):
        run.subjects.know({samples: rows})
        x, y = run.subjects.points(samples), np.asarray(features.labels)[rows]
        parts.append((x, y))
        for kind in kinds:
            svm = max_margin(x, y, bias=kind)
            svm = replace(svm, certificate=svm.certificate.named(samples=samples))
            if np.isfinite(svm.objective):
                machines.append((place, kind, svm))
    beside = compare_heads(features.head, [(svm, *parts[at]) for at, _, svm in machines], run.seed)
    found: list[dict[str, Compared]] = [{} for _ in asked]
    for (place, kind, svm), comparison in zip(machines, beside, strict=True):
        found[place][kind] = svm, comparison
    return found


def small_enough(y: Ints, dimension: int) -> bool:
    """Whether there is a machine of all classes, and it is not too large."""
    count = len(np.unique(y))
    return count >= 2 and (count - 1) * (dimension + 1) <= MOST_UNKNOWNS


def is_solved(svm: LinearSVM) -> bool:
    """Whether a machine exists and was found."""
    return svm.status in (Status.SOLVED, Status.PRECISION_LIMIT)


def machines_of(x: Floats, y: Ints, kinds: tuple[str, ...], C: float = np.inf) -> dict[str, LinearSVM]:
    """Machines of all classes by kind of bias; none where they would be too large, or one does not exist."""
    if not small_enough(y, x.shape[1]):
        return {}
    machines = {kind: max_margin(x, y, C=C, bias=kind) for kind in kinds}
    return machines if all(map(is_solved, machines.values())) else {}


@dataclass(frozen=True, eq=False)
class Seen:
    """What one look at samples tells of a head.

    ``losses`` (n,) are cross-entropies, ``at_origin`` says of how many samples all features are 0, and
    ``least`` (C, C) holds the least l_a − l_b over the samples of class a that are asked about.
    """

    losses: Float64
    at_origin: int
    least: Float64


def look(head: AffineHead, x: Floats, labels: Ints, asked: NDArray[np.bool_]) -> Seen:
    """Look at samples (n, d) once, in blocks; ``asked`` (n,) are those that margins are taken of."""
    losses, at_origin, start = np.empty(len(x)), 0, 0
    least = np.full((head.classes, head.classes), np.inf)
    for block in blocks(x, max(1, x[:1].nbytes) * max(1, ENTRIES // max(head.weight.shape))):
        here = slice(start, start + len(block))
        start, logits, own = here.stop, head.logits(block), np.asarray(labels[here])
        losses[here] = losses_of(logits, own)
        at_origin += int((~np.any(block, axis=1)).sum())
        lower_to(least, logits[asked[here]], own[asked[here]])
    return Seen(losses, at_origin, least)


def lower_to(least: Float64, logits: Float64, own: Ints) -> None:
    """Lower ``least`` (C, C) to l_a − l_b, for the samples of each class a that have these logits."""
    order = np.argsort(own, kind="stable")
    classes, first = np.unique(own[order], return_index=True)
    if len(classes):
        leads = (logits[np.arange(len(own)), own][:, None] - logits)[order]
        least[classes] = np.minimum(least[classes], np.minimum.reduceat(leads, first, axis=0))


def chosen_pairs(head: AffineHead, x: Floats, y: Ints) -> tuple[list[tuple[int, int]], int]:
    """At most MOST_PAIRS pairs of classes, those of least head margin, and how many are left out."""
    return nearest(look(head, x, y, np.ones(len(y), dtype=bool)).least, np.unique(y))


def nearest(least: Float64, present: Ints) -> tuple[list[tuple[int, int]], int]:
    """The same of the classes that are ``present``, by their least leads (C, C)."""
    count = len(present) * (len(present) - 1) // 2
    if count <= MOST_PAIRS:
        return list(itertools.combinations(present.tolist(), 2)), 0
    least = np.minimum(least, least.T)
    first, second = (present[place] for place in np.triu_indices(len(present), 1))
    order = np.argsort(least[first, second], kind="stable")[:MOST_PAIRS]
    return sorted(zip(first[order].tolist(), second[order].tolist(), strict=True)), count - MOST_PAIRS


def pair_machines(
    run: Run, pairs: list[tuple[int, int]], progress: bool
) -> dict[tuple[int, int], dict[str, Compared]]:
    """Both kinds of machine for every pair of classes, where both are found."""
    asked: list[Asked] = []
    for a, b in pairs:
        words = f"{run.reference_split}/features of classes {a}, {b} predicted as labelled"
        asked.append((KINDS, words, run.subjects.rows(words)))
    some = [asked[start : start + AT_A_TIME] for start in range(0, len(asked), AT_A_TIME)]
    made = [one for part in shared(run, compared, some, "machines of pairs", progress) for one in part]
    return {pair: found for pair, found in zip(pairs, made, strict=True) if len(found) == len(KINDS)}


def values_of(svm: LinearSVM, compared: HeadComparison) -> dict[str, Any]:
    """The figures of one machine, for programs; with its lines, where feature space is a plane."""
    plane: dict[str, Any] = {}
    if svm.weight.shape[1] == 2:
        plane = {"line": in_plane(compared.head), "machine_line": in_plane(compared.svm)}
    return plane | {
        "pair_angle": compared.angle.tolist(),
        "status": svm.status.name,
        "margin": svm.margin,
        "gap": svm.gap,
        "support_vectors": len(svm.support),
        "angle": compared.overall_angle,
        "margin_ratio": compared.overall_margin_ratio,
        "position": compared.head.position.tolist(),
        "offset": compared.head.offset.tolist(),
        "machine_offset": compared.svm.offset.tolist(),
        "sample_agreement": compared.sample_agreement,
        "domain_agreement": compared.domain_agreement,
        "domain_interval": list(compared.domain_interval),
        "support_overlap": compared.support_overlap,
        "support_chance": compared.support_chance,
    }


def in_plane(boundaries: Boundaries) -> list[tuple[float, float]]:
    """Boundaries in a plane: the normal's direction from −90° up to 90°, the offset from the origin along it.

    >>> at = np.zeros(2)
    >>> in_plane(Boundaries(np.array([[1.0, 1.0], [-1.0, 0.0]]), np.array([2.0, 3.0]), at, at))
    [(45.0, 2.0), (0.0, -3.0)]
    """
    turn = np.degrees(np.arctan2(boundaries.normal[:, 1], boundaries.normal[:, 0]))
    folded = (turn + 90) % 180 - 90
    same_way = np.abs(folded - turn) < 90
    return [(float(t), float(o if same else -o)) for t, o, same in zip(folded, boundaries.offset, same_way)]


def whole_findings(whole: dict[str, Compared]) -> list[Finding]:
    """What the machines of all classes say."""
    findings = []
    for kind, (svm, compared) in whole.items():
        findings.append(
            Finding(
                f"The {kind} machine of all classes has margin {svm.margin:.6g} feature distance and "
                f"{len(svm.support):,} support vectors that hold more than a negligible multiplier."
            )
        )
        findings.append(
            Finding(
                f"The head is {compared.overall_angle:.2f}° from it and reaches "
                f"{100 * compared.overall_margin_ratio:.1f} % of its margin."
            )
        )
    return findings


def pair_findings(
    of_pairs: dict[tuple[int, int], dict[str, Compared]], classes: tuple[str, ...]
) -> list[Finding]:
    """The extremes over the pairs."""
    if not of_pairs:
        return []
    angles = {pair: float(found["augmented"][1].angle[0]) for pair, found in of_pairs.items()}
    nearest, farthest = min(angles, key=lambda p: angles[p]), max(angles, key=lambda p: angles[p])
    return [
        Finding(
            f"Between pairs of classes the head's normal is {angles[nearest]:.2f}° "
            f"({names(nearest, classes)}) to {angles[farthest]:.2f}° ({names(farthest, classes)}) from "
            f"that of the augmented machine."
        ),
    ]


def names(pair: tuple[int, int], classes: tuple[str, ...]) -> str:
    """A pair of classes in words."""
    return f"{classes[pair[0]]} and {classes[pair[1]]}"


def whole_table(whole: dict[str, Compared], found: Found) -> Table:
    """Head against the machines of all classes."""
    both = list(whole.values())
    computed: dict[Column, Sequence[Any]] = {
        Column("margin", "feature distance"): [svm.margin for svm, _ in both],
        Column("support vectors"): [len(svm.support) for svm, _ in both],
        Column("angle", "degrees"): [compared.overall_angle for _, compared in both],
        Column("head's margin", "of machine's"): [compared.overall_margin_ratio for _, compared in both],
        Column("agreement on the box"): [compared.domain_agreement for _, compared in both],
        Column("support of highest loss"): [compared.support_overlap for _, compared in both],
        Column("by chance"): [compared.support_chance for _, compared in both],
    }
    return headed("svm", "machines", found, {**proof.machine_columns(found), **computed})


def pair_table(of_pairs: dict[tuple[int, int], dict[str, Compared]], found: Found) -> Table:
    """Head against the machines of two classes."""
    both = [of_pairs[pair] for pair in proof.pairs(found)]
    standard, augmented = ([kinds[kind][1] for kinds in both] for kind in KINDS)
    computed: dict[Column, Sequence[Any]] = {
        Column("angle to standard", "degrees"): [float(one.angle[0]) for one in standard],
        Column("to augmented", "degrees"): [float(one.angle[0]) for one in augmented],
        Column("head's margin", "of standard's"): [float(one.margin_ratio[0]) for one in standard],
        Column("place in gap"): [float(one.head.position[0]) for one in standard],
        Column("support vectors"): [len(kinds["standard"][0].support) for kinds in both],
        Column("of highest loss"): [one.support_overlap for one in standard],
        Column("agreement on the box"): [one.domain_agreement for one in standard],
    }
    return headed("svm", "pairs", found, {**proof.pair_columns(found), **computed})


def plane_table(of_pairs: dict[tuple[int, int], dict[str, Compared]], classes: tuple[str, ...]) -> Table:
    """Where the boundaries of two classes run, in a feature space of two dimensions."""
    rows = []
    for pair, found in of_pairs.items():
        machines = [compared.svm for _, compared in found.values()]
        lines = [in_plane(boundary)[0] for boundary in (found["standard"][1].head, *machines)]
        directions, offsets = zip(*lines)
        rows.append((classes[pair[0]], classes[pair[1]], *directions, *offsets))
    return Table(
        "plane",
        "Boundaries in the plane of features",
        (
            Column("class"),
            Column("other class"),
            Column("head's normal", "degrees"),
            Column("standard's normal", "degrees"),
            Column("augmented's normal", "degrees"),
            Column("head's offset", "feature distance"),
            Column("standard's offset", "feature distance"),
            Column("augmented's offset", "feature distance"),
        ),
        tuple(rows),
        "Normals as angles to the first feature, from −90° up to 90°; offsets are signed distances of the "
        "boundaries from the origin along them.",
    )
