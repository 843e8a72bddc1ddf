"""The whole network beside its last layer drawn anew and trained again on the same features."""

from __future__ import annotations

from typing import Any

import numpy as np

from featgeom.arrays import Floats, Ints
from featgeom.certificates.claim import Claim
from featgeom.head import AffineHead
from featgeom.margins.comparison import HeadComparison, compare_head, cross_entropy
from featgeom.margins.machine import LinearSVM
from featgeom.proofs import machines as proof
from featgeom.proofs.proof import Found, proved
from featgeom.runs.record import Column, Finding, Record, Table
from featgeom.runs.run import Run
from featgeom.studies.svm import MOST_UNKNOWNS, chosen_pairs, machines_of
from featgeom.training.head import train_head

LIMITS = {"augmented": "the augmented machine", "none": "the machine without bias"}
WORDS = {
    "gd": "gradient descent",
    "normalised_gd": "normalised gradient descent",
    "accelerated_gd": "accelerated gradient descent",
}
NETWORK = "whole network"


def study(
    run: Run,
    device: str = "cpu",
    progress: bool = False,
    *,
    steps: int,
    methods: tuple[str, ...],
    bias: bool,
) -> Record:
    """Draw the last layer anew, train it alone, and compare it with the network's and with the machines.

    The features are those of the reference samples that the network predicts correctly: it separates these,
    so the machines exist and theory holds (Soudry et al., arXiv 1710.10345): with a trainable bias the new
    layer tends to the augmented machine, without one to the machine without, with the error of plain descent
    fading like 1/log t; accelerated descent gets there. At most, it is as far from the machine as from the
    one found and that one from the best, by its proof. Descent is over all samples, in float64, from weights
    drawn by the run's seed.
    """
    features = run.features(run.reference_split)
    head = features.head
    samples = f"{run.reference_split}/features predicted as labelled"
    right = run.subjects.predicted(run.reference_split) == features.labels
    x, y = run.subjects.points(samples), features.labels[right]
    limit = "augmented" if bias else "none"
    machines = machines_of(x, y, ("standard", limit))
    if not machines:
        return Record((Finding(f"No machine to compare with: {why_none(x, y)}."),))
    start = drawn_anew(head, run.seed)
    trainings = {
        method: train_head(x, y, steps, method=method, bias=bias, start=start, progress=progress)
        for method in methods
    }
    heads = {NETWORK: head} | {f"new, {WORDS[m]}": trained.last for m, trained in trainings.items()}
    compared = {name: both(one, machines, x, y, run.seed) for name, one in heads.items()}
    losses = {name: float(cross_entropy(one, x, y).mean()) for name, one in heads.items()}
    claims: dict[str, Claim] = {
        f"machine-{kind}": svm.certificate.named(samples=samples) for kind, svm in machines.items()
    }
    said = Found.of(run, claims)
    within = proof.direction_within(said[f"machine-{limit}"])
    most = {name: min(180.0, found[limit].overall_angle + within) for name, found in compared.items()}
    course = [
        (WORDS[method], step, float(loss), *angles(one, machines, x, y))
        for method, trained in trainings.items()
        for step, one, loss in zip(trained.steps, trained.heads, trained.losses, strict=True)
    ]
    tables = (
        heads_table(compared, losses, limit, steps, most),
        pairs_table(compared, run.classes, head, x, y),
        course_table(course, limit),
    )
    arrays: dict[str, np.ndarray] = {}
    for method, trained in trainings.items():
        arrays[f"{method}_weight"] = np.stack([one.weight for one in trained.heads])
        arrays[f"{method}_bias"] = np.stack([one.bias for one in trained.heads])
        arrays[f"{method}_steps"] = np.array(trained.steps)
    return Record(
        findings=(
            *findings(compared, losses, limit, steps, len(x), len(right)),
            *proved(said, proof.limits),
        ),
        values={
            "samples": len(x),
            "steps": steps,
            "limit": limit,
            "heads": {
                name: {
                    "loss": losses[name],
                    **{f"angle_{kind}": c.overall_angle for kind, c in found.items()},
                    "at_most": most[name],
                    "pair_angles": found["standard"].angle.tolist(),
                    "positions": found["standard"].head.position.tolist(),
                }
                for name, found in compared.items()
            },
        },
        tables=tables,
        arrays=arrays,
        claims=claims,
        settings={"split": run.reference_split, "samples": "correctly predicted", "bias": bias},
    )


def why_none(x: Floats, y: Ints) -> str:
    """Why there is no machine of all classes."""
    if len(np.unique(y)) < 2:
        return "fewer than two classes have correctly predicted samples"
    if (len(np.unique(y)) - 1) * (x.shape[1] + 1) > MOST_UNKNOWNS:
        return f"one of all classes would have more than {MOST_UNKNOWNS:,} unknowns"
    return "rounding leaves it undecided whether it separates"


def drawn_anew(head: AffineHead, seed: int) -> AffineHead:
    """A head of the same shape, uniform within ±1/√d, as the layers of torch begin.

    >>> drawn_anew(AffineHead(np.zeros((3, 4))), 0).weight.shape
    (3, 4)
    """
    rng = np.random.default_rng(seed)
    most = 1 / np.sqrt(head.dimension)
    return AffineHead(rng.uniform(-most, most, head.weight.shape), rng.uniform(-most, most, head.classes))


def both(
    head: AffineHead, machines: dict[str, LinearSVM], x: Floats, y: Ints, seed: int
) -> dict[str, HeadComparison]:
    """One head beside each machine."""
    return {kind: compare_head(head, svm, x, y, seed=seed) for kind, svm in machines.items()}


def angles(head: AffineHead, machines: dict[str, LinearSVM], x: Floats, y: Ints) -> list[float]:
    """Degrees from each machine, and the share of the standard machine's margin."""
    found = [compare_head(head, svm, x, y, points=1) for svm in machines.values()]
    return [*(one.overall_angle for one in found), found[0].overall_margin_ratio]


def findings(
    compared: dict[str, dict[str, HeadComparison]],
    losses: dict[str, float],
    limit: str,
    steps: int,
    kept: int,
    total: int,
) -> tuple[Finding, ...]:
    """What is nearer to which machine."""
    sentences = [
        f"The new layer is trained for {steps:,} steps on the {kept:,} of {total:,} samples that the network "
        f"predicts correctly; everything below it stays."
    ]
    for name, found in compared.items():
        standard, other = found.values()
        sentence = (
            f"{name[0].upper()}{name[1:]}: loss {losses[name]:.3g}, {standard.overall_angle:.3g}° from the "
            f"standard machine, {other.overall_angle:.3g}° from {LIMITS[limit]}"
        )
        if len(standard.pairs) == 1:
            sentence += f", boundary at {standard.head.position[0]:.3g} of the gap (0.5 is halfway)"
        sentences.append(sentence + ".")
    return tuple(Finding(text) for text in sentences)


def heads_table(
    compared: dict[str, dict[str, HeadComparison]],
    losses: dict[str, float],
    limit: str,
    steps: int,
    most: dict[str, float],
) -> Table:
    """Each head beside both machines, and how far it is at ``most`` from the best one of its limit."""
    rows = []
    for name, found in compared.items():
        standard, other = found.values()
        trained = None if name == NETWORK else steps
        angles = standard.overall_angle, other.overall_angle, most[name]
        measures = standard.overall_margin_ratio, standard.domain_agreement
        rows.append((name, trained, losses[name], *angles, *measures))
    return Table(
        "heads",
        "Last layers on the same features",
        (
            Column("last layer"),
            Column("steps"),
            Column("loss"),
            Column("angle to standard", "degrees"),
            Column(f"to {LIMITS[limit]}", "degrees"),
            Column("at most", "degrees", end="upper"),
            Column("margin", "of standard's"),
            Column("agreement on the box"),
        ),
        tuple(rows),
        "Loss is the mean cross-entropy on the samples kept. At most: with the angle within "
        "which the direction of that machine is proved. Agreement with the standard machine is "
        "estimated on points drawn uniformly from the features' box.",
    )


def pairs_table(
    compared: dict[str, dict[str, HeadComparison]],
    classes: tuple[str, ...],
    head: AffineHead,
    x: Floats,
    y: Ints,
) -> Table:
    """Where the boundary of each two classes lies, head by head."""
    chosen, left_out = chosen_pairs(head, x, y)
    pairs = [tuple(pair) for pair in next(iter(compared.values()))["standard"].pairs.tolist()]
    rows = []
    for pair in chosen:
        i = pairs.index(pair)
        of_pair = [(f["standard"].angle[i], f["standard"].head.position[i]) for f in compared.values()]
        rows.append((classes[pair[0]], classes[pair[1]], *(float(v) for both in of_pair for v in both)))
    columns = [Column("class"), Column("other class")]
    for name in compared:
        columns += [Column(f"{name}: angle", "degrees"), Column(f"{name}: place in gap")]
    more = f" The {len(chosen)} pairs of least margin are shown." if left_out else ""
    return Table(
        "pairs",
        "Boundaries of two classes",
        tuple(columns),
        tuple(rows),
        "Angles between the boundary's normal and that of the standard machine of all classes. Place in gap: "
        "0 at the first class, 0.5 halfway, 1 at the second; ∞ where the normal leaves no gap." + more,
    )


def course_table(course: list[tuple[Any, ...]], limit: str) -> Table:
    """The new layer along its training."""
    return Table(
        "course",
        "The new layer along its training",
        (
            Column("method"),
            Column("steps"),
            Column("loss"),
            Column("angle to standard", "degrees"),
            Column(f"to {LIMITS[limit]}", "degrees"),
            Column("margin", "of standard's"),
        ),
        tuple(course),
    )
