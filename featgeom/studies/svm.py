"""The head beside support vector machines on the same features, by pair of classes and as a whole."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from featgeom.arrays import Floats, Ints
from featgeom.certificates.claim import Claim
from featgeom.head import AffineHead
from featgeom.margins.comparison import Boundaries, HeadComparison, compare_head, cross_entropy
from featgeom.margins.machine import LinearSVM, max_margin
from featgeom.runs.record import Column, Finding, Record, Table
from featgeom.runs.run import Run
from featgeom.status import Status

KINDS = ("standard", "augmented")
MOST_PAIRS = 45
MOST_UNKNOWNS = 4_000  # (K − 1)(d + 1) of a machine of all classes, which then takes minutes
Compared = tuple[LinearSVM, HeadComparison]


def study(run: Run, device: str = "cpu", progress: bool = False) -> Record:
    """Hard-margin machines on the reference features that the head predicts correctly.

    The head separates these, so the machines exist. Each is computed with a free bias ("standard") and with
    one regularised with the weights ("augmented"), to which gradient descent with a trainable bias tends.
    """
    features = run.features(run.reference_split)
    head = features.head
    right = np.asarray(features.predictions == features.labels)
    x, y = np.asarray(features.features)[right], features.labels[right]
    whole = whole_machines(head, x, y, run.seed)
    pairs, left_out = chosen_pairs(head, x, y)
    of_pairs = pair_machines(head, x, y, pairs, run.seed, progress)
    accuracy = float(right.mean())
    loss = float(cross_entropy(head, features.features, features.labels).mean())
    findings = [
        Finding(
            f"The head separates the {len(x):,} of {len(right):,} {run.reference_split} samples that it "
            f"predicts correctly (accuracy {accuracy:.4f}, loss {loss:.3g}); machines are fitted to these."
        )
    ]
    findings += whole_findings(whole) + pair_findings(of_pairs, run.classes)
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
    claims: dict[str, Claim] = {f"machine-{kind}": svm.certificate for kind, (svm, _) in whole.items()}
    claims |= {
        f"pair-{a}-{b}-{kind}": svm.certificate
        for (a, b), found in of_pairs.items()
        for kind, (svm, _) in found.items()
    }
    tables = ([whole_table(whole)] if whole else []) + [pair_table(of_pairs, run.classes)]
    if head.dimension == 2:
        tables.append(plane_table(of_pairs, run.classes))
    return Record(
        findings=tuple(findings),
        values={
            "samples": len(x),
            "accuracy": {split: run.features(split).accuracy for split in run.splits},
            "loss": loss,
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
    present = np.unique(y).tolist()
    pairs = list(itertools.combinations(present, 2))
    if len(pairs) <= MOST_PAIRS:
        return pairs, 0
    logits = head.logits(x)
    least = np.full((head.classes, head.classes), np.inf)
    np.minimum.at(least, y, logits[np.arange(len(y)), y][:, None] - logits)
    least = np.minimum(least, least.T)
    pairs.sort(key=lambda pair: float(least[pair]))
    return sorted(pairs[:MOST_PAIRS]), len(pairs) - MOST_PAIRS


def pair_machines(
    head: AffineHead, x: Floats, y: Ints, pairs: list[tuple[int, int]], seed: int, progress: bool
) -> dict[tuple[int, int], dict[str, Compared]]:
    """Both kinds of machine for every pair of classes."""
    from tqdm import tqdm

    result = {}
    for pair in tqdm(pairs, desc="machines of pairs", disable=not progress):
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
                f"The {kind} machine of all classes has margin {svm.margin:.6g} feature distance, with "
                f"relative gap {svm.gap:.1e} of its objective and {len(svm.support):,} support vectors.",
                "proved",
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
    closest = min(of_pairs, key=lambda p: of_pairs[p]["standard"][0].margin)
    return [
        Finding(
            f"Between pairs of classes the head's normal is {angles[nearest]:.2f}° "
            f"({names(nearest, classes)}) to {angles[farthest]:.2f}° ({names(farthest, classes)}) from "
            f"that of the augmented machine."
        ),
        Finding(
            f"The closest classes are {names(closest, classes)}: the hulls of their correctly predicted "
            f"features are {2 * of_pairs[closest]['standard'][0].margin:.6g} feature distance apart.",
            "proved",
        ),
    ]


def names(pair: tuple[int, int], classes: tuple[str, ...]) -> str:
    """A pair of classes in words."""
    return f"{classes[pair[0]]} and {classes[pair[1]]}"


def whole_table(whole: dict[str, Compared]) -> Table:
    """Head against the machines of all classes."""
    rows = tuple(
        (
            kind,
            svm.margin,
            svm.gap,
            len(svm.support),
            compared.overall_angle,
            compared.overall_margin_ratio,
            compared.domain_agreement,
            compared.support_overlap,
            compared.support_chance,
        )
        for kind, (svm, compared) in whole.items()
    )
    return Table(
        "machines",
        "The head against one machine of all classes",
        (
            Column("bias"),
            Column("margin", "feature distance"),
            Column("certified gap"),
            Column("support vectors"),
            Column("angle", "degrees"),
            Column("head's margin", "of machine's"),
            Column("agreement on the box"),
            Column("support of highest loss"),
            Column("by chance"),
        ),
        rows,
        "Agreement is on points drawn uniformly from the box of the features (estimated). The last columns: "
        "the share of support vectors among as many samples of highest loss.",
    )


def pair_table(of_pairs: dict[tuple[int, int], dict[str, Compared]], classes: tuple[str, ...]) -> Table:
    """Head against the machines of two classes."""
    rows = []
    for pair, found in of_pairs.items():
        (svm, standard), (_, augmented) = found["standard"], found["augmented"]
        rows.append(
            (
                classes[pair[0]],
                classes[pair[1]],
                2 * svm.margin,
                float(standard.angle[0]),
                float(augmented.angle[0]),
                float(standard.margin_ratio[0]),
                float(standard.head.position[0]),
                len(svm.support),
                standard.support_overlap,
                standard.domain_agreement,
            )
        )
    return Table(
        "pairs",
        "The head against machines of two classes",
        (
            Column("class"),
            Column("other class"),
            Column("hulls apart", "feature distance"),
            Column("angle to standard", "degrees"),
            Column("to augmented", "degrees"),
            Column("head's margin", "of standard's"),
            Column("place in gap"),
            Column("support vectors"),
            Column("of highest loss"),
            Column("agreement on the box"),
        ),
        tuple(rows),
        "Place in gap: where the head's boundary lies between the two classes along its normal, 0 at the "
        "first class, 0.5 halfway; ∞ where they have no gap along it.",
    )


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
