"""An explanation in words: every sentence with whether its claims were proved by their own check."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from featgeom.answers.explaining import Explanation
from featgeom.decimals import bounded, no_less

if TYPE_CHECKING:
    from featgeom.runs.run import Run

Said = tuple[str, bool]


def sentences(found: Explanation, run: Run) -> Iterator[Said]:
    """What an explanation says, each sentence with whether it is certified."""
    facts = found.facts
    right = "" if facts["label"] is None else f"; its label is {facts['label']}"
    yield f"The network says {facts['prediction']}{right}.", False
    if facts["boundary_status"] == "INFEASIBLE":
        yield "No point of feature space has another class.", found.certified["boundary"]
    elif facts["rival"] is None:
        yield "Whether any point of feature space has another class is not decided.", False
    else:
        far = f"{bounded(facts['boundary_lower'], facts['boundary'])} away in feature space"
        yield f"The nearest boundary is {far}; beyond it lies {facts['rival']}.", found.certified["boundary"]
    yield from _hull(found, run)
    if len(facts["path"]) > 1:
        changes = ", ".join(f"{c} from {t:.0%}" for c, t in zip(facts["path"][1:], facts["path_changes"]))
        way = f"On the straight way to the mean of {facts['rival']} it is {facts['path'][0]}, then {changes}."
        yield way, found.certified["path"]
    if facts.get("flip_class") is not None:
        far = f"{facts['flip']:.4g} away in pixel space"
        yield f"The closest image found that the network calls {facts['flip_class']} is {far}.", False
    elif "flip" in facts:
        yield "No image of another class was found near it.", False


def _hull(found: Explanation, run: Run) -> Iterator[Said]:
    """Where it lies beside the hull of its class, and how many training and test features lie as far out."""
    facts, own = found.facts, found.facts["prediction"]
    if facts["hull"] is None:
        yield f"There is no other {run.reference_split} feature of {own} that is predicted so.", False
        return
    many = f"{facts['training']:,}{' other' if facts['one_of_them'] else ''}"
    known = run.reference_split not in run.unlabelled
    of = f"rightly predicted {run.reference_split} features of {own}"
    of = of if known else f"{run.reference_split} features predicted {own}"
    hull = f"the hull of the {many} {of}"
    where = {
        "INSIDE": f"inside {hull}",
        "OUTSIDE": f"{bounded(facts['hull_lower'], facts['hull'])} outside {hull}",
        "UNDECIDED": f"no more than {no_less(facts['hull'])} from {hull}; whether inside is not decided",
    }[facts["inside"]]
    if facts["one_of_them"]:
        where += ", with which it spans the guaranteed region of its class" if facts["region"] else ""
    elif facts["region"]:
        where += ", the guaranteed region of its class: the head gives every point of it that class"
    yield f"It lies {where}.", found.certified["hull"] and found.certified["inside"]
    text = (
        f"As far out lies a share of {facts['p_training']:.3g} of these, each beside the hull of the others"
    )
    if facts["p_calibration"] is not None:
        text += f", and {facts['p_calibration']:.3g} of the {facts['calibration']:,} {run.question_split}"
        text += " features predicted so (conformal p-values)"
    yield f"{text}.", False


def to_text(found: Explanation, run: Run) -> str:
    """An explanation as a terminal shows it."""
    lines = [found.name]
    for text, certified in sentences(found, run):
        lines.append(f"* {text} [{'certified' if certified else 'computed'}]")
    for heading, images, how in (
        ("Mixture", found.mixture, "{:.1%}"),
        ("Nearest", found.neighbours, "{:.4g}"),
    ):
        if images:
            named = (f"{how.format(i.value)} {run.reference_split}:{i.row} ({i.label})" for i in images)
            lines.append(f"  {heading}: {', '.join(named)}")
    return "\n".join(lines)
