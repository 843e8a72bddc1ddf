"""The head beside support vector machines on the same features, by pair of classes and as a whole."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from featgeom.arrays import Floats, Ints, blocks
from featgeom.head import AffineHead
from featgeom.margins.comparison import Boundaries, HeadComparison, compare_head, cross_entropy
from featgeom.margins.machine import LinearSVM, max_margin
from featgeom.progress import doing
from featgeom.proofs import machines as proof
from featgeom.proofs.headings import headed
from featgeom.proofs.machines import KINDS
from featgeom.proofs.proof import Found, proved
from featgeom.runs.record import Column, Finding, Record, Table
from featgeom.runs.run import Run
from featgeom.status import Status

ENTRIES = 1 << 22  # of features or logits that are held at a time
MOST_PAIRS = 45
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
    x, y = run.subjects.points(samples), features.labels[right]
    with doing("machines of all classes", disable=not progress):
        whole = whole_machines(head, x, y, run.seed)
    pairs, left_out = chosen_pairs(head, x, y)
    of_pairs = pair_machines(head, x, y, pairs, run.seed, progress)
    accuracy = float(right.mean())
    losses = cross_entropy(head, features.features, features.labels)
    at_origin = int((~np.any(features.features, axis=1)).sum())
    claims = {f"machine-{kind}": svm.certificate.named(samples=samples) for kind, (svm, _) in whole.items()}
    claims |= {
        f"pair-{a}-{b}-{kind}": svm.certificate.named(
            samples=f"{run.reference_split}/features of classes {a}, {b} predicted as labelled"
        )
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
                f"No machine of all {len(run.classes):,} classes in {x.shape[1]:,} dimensions is made: it "
                f"would have more than {MOST_UNKNOWNS:,} unknowns. Pairs of classes only."
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
            "samples": len(x),
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


def whole_machines(head: AffineHead, x: Floats, y: Ints, seed: int) -> dict[str, Compared]:
    """One machine of all classes for each kind of bias; empty where they would be too large."""
    machines = machines_of(x, y, KINDS)
    return {kind: (svm, compare_head(head, svm, x, y, seed=seed)) for kind, svm in machines.items()}


def machines_of(x: Floats, y: Ints, kinds: tuple[str, ...], C: float = np.inf) -> dict[str, LinearSVM]:
    """Machines of all classes by kind of bias; none where they would be too large, or one does not exist."""
    count = len(np.unique(y))
    if count < 2 or (count - 1) * (x.shape[1] + 1) > MOST_UNKNOWNS:
        return {}
    machines = {kind: max_margin(x, y, C=C, bias=kind) for kind in kinds}
    solved = all(svm.status in (Status.SOLVED, Status.PRECISION_LIMIT) for svm in machines.values())
    return machines if solved else {}


def chosen_pairs(head: AffineHead, x: Floats, y: Ints) -> tuple[list[tuple[int, int]], int]:
    """At most MOST_PAIRS pairs of classes, those of least head margin, and how many are left out."""
    present = np.unique(y)
    count = len(present) * (len(present) - 1) // 2
    if count <= MOST_PAIRS:
        return list(itertools.combinations(present.tolist(), 2)), 0
    least, start = np.full((head.classes, head.classes), np.inf), 0
    for block in blocks(x, max(1, x[:1].nbytes) * max(1, ENTRIES // max(head.weight.shape))):
        mine, logits = y[start : start + len(block)], head.logits(block)
        start += len(block)
        np.minimum.at(least, mine, logits[np.arange(len(mine)), mine][:, None] - logits)
    least = np.minimum(least, least.T)
    first, second = (present[place] for place in np.triu_indices(len(present), 1))
    order = np.argsort(least[first, second], kind="stable")[:MOST_PAIRS]
    return sorted(zip(first[order].tolist(), second[order].tolist(), strict=True)), count - MOST_PAIRS


def pair_machines(
    head: AffineHead, x: Floats, y: Ints, pairs: list[tuple[int, int]], seed: int, progress: bool
) -> dict[tuple[int, int], dict[str, Compared]]:
    """Both kinds of machine for every pair of classes."""
    from featgeom.progress import bar

    result = {}
    for pair in bar(pairs, desc="machines of pairs", disable=not progress):
        rows = np.isin(y, pair)
        some, labels = x[rows], y[rows]
        machines = {kind: max_margin(some, labels, bias=kind) for kind in KINDS}
        if all(np.isfinite(svm.objective) for svm in machines.values()):
            result[pair] = {
                k: (svm, compare_head(head, svm, some, labels, seed=seed)) for k, svm in machines.items()
            }
    return result


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
