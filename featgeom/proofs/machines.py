"""What studies of machines prove: how large the margin of the best one is, or its objective."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from featgeom.certificates.machines import Inseparable, Machine
from featgeom.decimals import bounded, exactly, no_less
from featgeom.exact.rounding import over, under
from featgeom.proofs.proof import Columns, Found, Proof
from featgeom.runs.record import Column

KINDS = ("standard", "augmented")
UNIT = "feature distance"
MORE = 1 + 1e-9  # by which a bound is widened, far more than the roundings in it
MAPS_C = 1.0  # of the first paper's machines, which the maps show


def pair_name(a: int, b: int, kind: str) -> str:
    """What the claim about a machine of two classes is called."""
    return f"pair-{a}-{b}-{kind}"


def svm_claims(found: Found) -> None:
    """One machine of all classes for each kind of bias, and one for each pair."""
    for kind in KINDS:
        machine(found, f"machine-{kind}", f"{found.reference}/features predicted as labelled", kind)
        for a, b in stated(found):
            of = f"{found.reference}/features of classes {a}, {b} predicted as labelled"
            machine(found, pair_name(a, b, kind), of, kind)


def machine(found: Found, name: str, samples: str, kind: str, c: float = np.inf) -> None:
    """Declare a machine of these samples, with this kind of bias and this C, or that there is none."""
    found.may(name, Machine, Inseparable, samples=samples)
    if name in found.claims:
        classes = len(np.unique(found.subjects.labels(samples)))
        found.meant(name, c=c, freedom=kind, classes=classes)
        if classes < 2:  # the machine of one class is 0, and a hull of nothing is infinitely far
            found.faults.setdefault(name, f"is about samples of {classes} class, not of two or more")


def margin(claim: Machine) -> tuple[float, float]:
    """Bounds on 1/‖W‖ of the hard-margin machine, from those on ½‖W‖²."""
    # The root is of the bound alone: twice it may be no float64.
    low = under(np.sqrt(0.5) / np.sqrt(claim.upper)) if claim.upper > 0 else np.inf
    return low, over(np.sqrt(0.5) / np.sqrt(claim.lower)) if claim.lower > 0 else np.inf


def gap(claim: Machine) -> float:
    """The relative difference of the bounds, at most."""
    wide = claim.upper - claim.lower
    return over(wide / claim.upper) if np.isfinite(claim.upper) and claim.upper > 0 else float(wide > 0)


def direction_within(claim: Machine) -> float:
    """Degrees by which the direction of a hard machine's weights can differ from the best machine's, at most.

    Let U and L be the bounds on the objective F = ½‖W‖² (+ ½‖b‖²), and W' the weights scaled so that every
    margin is at least 1. F is strongly convex in what it regularises and W' is feasible, so ‖W' − W*‖² ≤
    2 (U − L), and the sine of the angle is at most √(2 (U − L)) / ‖W'‖. By weak duality F(W') ≥ L, which
    bounds ‖W'‖ from below by √(2L) times the share that W has of what is regularised; no scale is left in
    the result. The best machine's rows sum to zero, so without their mean, which decides nothing, the
    weights are no farther from it.
    """
    if not np.isinf(claim.c) or claim.lower <= 0 or not np.isfinite(claim.upper):
        return 180.0
    sine = MORE * np.sqrt((claim.upper - claim.lower) / claim.lower)
    if claim.freedom == "augmented":
        sine = sine / share if (share := share_of_weights(claim)) > 0 else 1.0
    return float(MORE * np.degrees(np.arcsin(sine))) if sine < 1 else 180.0


def share_of_weights(claim: Machine) -> float:
    """‖W‖ / ‖(W, b)‖ of a machine, whatever its scale.

    Underflow makes only shares below 1e-150 wrong, and any below 1e-8 bounds no angle: where two bounds
    differ at all, they do so by a relative 1e-16.
    """
    both = np.append(claim.weight, claim.bias)
    both = both / np.abs(both).max()
    return float(np.linalg.norm(both[: claim.weight.size]) / np.linalg.norm(both))


def of_all(found: Found) -> Iterator[str]:
    """The machines of all classes."""
    for kind in KINDS:
        claim = found.get(f"machine-{kind}")
        if isinstance(claim, Machine):
            objective = "½‖W‖²" + (" + ½‖b‖²" if kind == "augmented" else "")
            text = f"The least {objective} of the {kind} machine of all classes is "
            text += f"{bounded(claim.lower, claim.upper)}, to a relative {no_less(gap(claim), 2)}"
            if kind == "standard":
                text += f": no machine of all classes has a greater 1/‖W‖ than {no_less(margin(claim)[1])}"
            yield f"{text}."


def stated(found: Found) -> list[tuple[int, int]]:
    """The pairs of classes that claims are about, by their names, in order."""
    known = [re.fullmatch(r"pair-(\d+)-(\d+)-\w+", name) for name in found.named("pair-")]
    pairs = {(int(match[1]), int(match[2])) for match in known if match}
    return sorted((a, b) for a, b in pairs if a < b < len(found.classes))


def pairs(found: Found) -> list[tuple[int, int]]:
    """The pairs of classes that both kinds of machine tell apart, in order."""

    def told(pair: tuple[int, int]) -> bool:
        return all(isinstance(found.get(pair_name(*pair, kind)), Machine) for kind in KINDS)

    return [pair for pair in stated(found) if told(pair)]


def closest(found: Found) -> Iterator[str]:
    """Which two classes are the closest of those shown."""
    apart = {pair: margin(found[pair_name(*pair, "standard")]) for pair in pairs(found)}
    if not apart:
        return
    least = min(apart, key=lambda pair: apart[pair][0])
    sure = all(apart[least][1] <= low for pair, (low, _) in apart.items() if pair != least)
    a, b = (found.classes[c] for c in least)
    low, high = (2 * m for m in apart[least])
    yield (
        f"{'The closest' if sure else 'Among the closest'} of the {len(apart):,} pairs of classes shown are "
        f"{a} and {b}: the hulls of their correctly predicted features are {bounded(low, high)} feature "
        "distance apart."
    )


def machine_columns(found: Found) -> Columns:
    """The machines of all classes."""
    known = {kind: found.get(f"machine-{kind}") for kind in KINDS}
    known = {kind: claim for kind, claim in known.items() if claim is not None}
    if not known:
        return {}
    return {
        Column("bias", proved=True): list(known),
        Column("least objective, at least", "", True, "lower"): [claim.lower for claim in known.values()],
        Column("at most", "", True, "upper"): [claim.upper for claim in known.values()],
        Column("certified gap", "", True, "upper"): [gap(claim) for claim in known.values()],
    }


def pair_columns(found: Found) -> Columns:
    """How far the hulls of two classes are apart."""
    known = pairs(found)
    return {
        Column("class", proved=True): [found.classes[a] for a, _ in known],
        Column("other class", proved=True): [found.classes[b] for _, b in known],
        Column("hulls apart", UNIT, True, "lower"): [
            2 * margin(found[pair_name(*p, "standard")])[0] for p in known
        ],
    }


def values(found: Found) -> dict[str, Any]:
    """How many samples the machines are of."""
    return {"samples": found.count(f"{found.reference}/features predicted as labelled")}


def tables(found: Found) -> dict[str, Callable[[Found], Columns]]:
    """The machines of all classes, and of pairs."""
    return {"machines": machine_columns, "pairs": pair_columns}


SVM = Proof(svm_claims, (of_all, closest), tables, values)


def retrain_claims(found: Found) -> None:
    """The machines that last layers are compared with."""
    for kind in ("standard", "augmented", "none"):
        machine(found, f"machine-{kind}", f"{found.reference}/features predicted as labelled", kind)


def limits(found: Found) -> Iterator[str]:
    """How well the machines are known that last layers are compared with."""
    for kind in ("standard", "augmented", "none"):
        claim = found.get(f"machine-{kind}")
        if isinstance(claim, Machine):
            name = "machine without bias" if kind == "none" else f"{kind} machine"
            within = no_less(direction_within(claim), 2)
            yield f"The weights of the {name} are within {within}° of the direction of the best one's."


RETRAIN = Proof(retrain_claims, (limits,))


def map_claims(found: Found) -> None:
    """The soft machine over all samples."""
    machine(found, "machine", f"{found.reference}/features", "standard", MAPS_C)


def soft(found: Found) -> Iterator[str]:
    """How good the machine of the maps is."""
    claim = found.get("machine")
    if isinstance(claim, Machine):
        n = found.count(f"{found.reference}/features")
        yield (
            f"The least objective of the machine with C = {exactly(claim.c)} over all {n:,} samples is "
            f"{bounded(claim.lower, claim.upper)}, to a relative {no_less(gap(claim), 2)}."
        )


MAPS = Proof(map_claims, (soft,))
