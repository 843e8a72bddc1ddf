"""Does training the whole network converge to the machine of its own features? One change at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from featgeom.figures.style import svg
from featgeom.figures.trajectory import draw
from featgeom.papers.experiments import OPTIMISERS, merged
from featgeom.runs.record import Column, Finding, Record, Table
from featgeom.studies.trajectory import trajectory
from featgeom.training.loop import train

# One length for all steps, so that the loss never holds them up.
BASE: dict[str, Any] = {
    "optimiser": "normalised_gd", "rate": 0.01, "batch": 0, "steps": 10_000, "per_decade": 2,
    "options": {"hidden": 50, "features": 8},
}  # fmt: skip
NEAR = {"angle": 1.0, "margin": 0.99}  # degrees at most, share at least: there
FALLING = 0.5  # of what it was after a tenth of the steps: on its way


@dataclass(frozen=True)
class Setting:
    """What is changed of the base, and in words."""

    words: str
    changes: dict[str, Any] = field(default_factory=dict)
    recipe: str = "simulated_blobs"


def _with(loss: str) -> dict[str, Any]:
    return OPTIMISERS["adam"] | {"loss": loss}


def _network(**options: Any) -> dict[str, Any]:
    return {"options": options}


SETTINGS: dict[str, Setting] = {
    "base": Setting("normalised descent, cross-entropy, ReLU, 8 features, bias, all samples"),
    "gd": Setting("plain gradient descent", OPTIMISERS["gd"]),
    "momentum": Setting("momentum", OPTIMISERS["momentum"]),
    "rmsprop": Setting("RMSProp", OPTIMISERS["rmsprop"]),
    "adam": Setting("Adam", OPTIMISERS["adam"]),
    "log": Setting("log loss, Adam", _with("log")),
    "hinge": Setting("hinge loss, Adam", _with("hinge")),
    "squared": Setting("squared loss, Adam", _with("squared")),
    "leaky_relu": Setting("leaky ReLU", _network(activation="leaky_relu")),
    "tanh": Setting("tanh", _network(activation="tanh")),
    "narrow": Setting("2 features", _network(features=2)),
    "wide": Setting("64 features", _network(features=64)),
    "no_bias": Setting("no bias in any layer", _network(bias=False)),
    "decay": Setting("momentum, weight decay 0.001", OPTIMISERS["momentum"] | {"weight_decay": 0.001}),
    "batch": Setting("batches of 32", {"batch": 32}),
    "moons": Setting("two moons", {}, "simulated_moons"),
}


def study(folder: Path, data: str | None = None, seed: int = 0, progress: bool = False) -> Record:
    """Train the network of every setting and follow its head beside the machine of the current features.

    The table says direction and margin after a tenth of the steps and at the end, against the augmented
    machine (for a network without bias, the machine without). "Yes": within 1° and 99 % of its margin. "On
    its way": the angle more than halved over the last nine tenths of the steps. Trainings are in
    FOLDER/training.
    """
    courses: dict[str, Record] = {}
    for name, setting in SETTINGS.items():
        changes = merged(BASE, setting.changes)
        run = train(setting.recipe, folder / "training" / f"whole-{name}", seed, progress, **changes)
        courses[name] = trajectory([one.path for one in run.checkpoints], run.recipe.images, seed=seed)
    rows = tuple((SETTINGS[name].words, *_figures(course)) for name, course in courses.items())
    answers = [row[-1] for row in rows]
    table = Table(
        "whole",
        "Does training the whole network converge to the machine of its own features?",
        (
            Column("setting"),
            Column("loss"),
            Column("angle after a tenth", "degrees"),
            Column("at the end", "degrees"),
            Column("margin after a tenth", "of the machine's"),
            Column("margin at the end", "of the machine's"),
            Column("place in gap"),
            Column("converges"),
        ),
        rows,
        f"Each setting changes the first one as it says. {BASE['steps']:,} steps on 1,000 simulated "
        "points; the machine is the augmented one of the features at that step, without bias where the "
        f"network has none. Margin: with bias. Yes: within {NEAR['angle']:g}° and {NEAR['margin']:.0%} of "
        "its margin; on its way: the angle more than halved in the last nine tenths of the steps.",
    )
    return Record(
        (
            Finding(
                f"Of {len(rows)} settings {answers.count('yes')} are at the machine of their own features "
                f"after {BASE['steps']:,} steps, {answers.count('on its way')} are on their way, "
                f"{answers.count('no')} are not."
            ),
        ),
        {name: course.values for name, course in courses.items()},
        (table,),
        settings={"seed": seed, "base": BASE},
        files={
            f"whole-{name}.svg": svg(drawing.figure).encode()
            for name, course in courses.items()
            for drawing in draw(course)
        },
    )


def _figures(course: Record) -> tuple[Any, ...]:
    """Loss, angles, margins, place and answer of one setting."""
    values = course.values
    steps, last = values["steps"], len(values["steps"]) - 1
    tenth = min(range(last + 1), key=lambda i: abs(steps[i] - steps[-1] / 10))
    angles, margins = values["to augmented"], values["margin with bias"]
    return (
        values["loss"][last],
        angles[tenth],
        angles[last],
        margins[tenth],
        margins[last],
        values["place in gap"][last],
        answer(angles[tenth], angles[last], margins[last]),
    )


def answer(before: float | None, angle: float | None, margin: float | None) -> str:
    """Whether a head is at its machine, by its angles then and now and its share of the margin.

    >>> answer(5.0, 0.4, 0.999), answer(5.0, 2.0, 0.98), answer(5.0, 4.0, 0.9), answer(None, None, None)
    ('yes', 'on its way', 'no', 'no')
    """
    if angle is None or margin is None:
        return "no"
    if angle <= NEAR["angle"] and margin >= NEAR["margin"]:
        return "yes"
    return "on its way" if before is not None and angle < FALLING * before else "no"
