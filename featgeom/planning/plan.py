"""The plan of an analysis: what it takes, study by study, and what would not fit."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featgeom.errors import BadArgument
from featgeom.limits import max_memory
from featgeom.planning.costs import Cost, Size, predict, speed_here, stored_costs
from featgeom.runs.record import Column, Table
from featgeom.threads import cores

TRIED = 64  # images that a network is tried on
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True)
class Plan:
    """Predicted seconds of one core and memory of every study of a run of some ``size``.

    ``speed`` is what the prediction is made for, in billions of float64 products a second and core;
    ``extraction`` the seconds of all cores that the features will take, where the network was tried.
    """

    size: Size
    speed: float
    costs: tuple[Cost, ...]
    memory: int
    cores: int
    extraction: float | None = None

    def to_table(self) -> Table:
        """A row for each study."""
        rows = tuple(
            (
                cost.study,
                round(cost.seconds, 1),
                round(cost.shared, 1),
                in_bytes(cost.memory),
                cost.memory <= self.memory,
            )
            for cost in self.costs
        )
        total, shared = sum(c.seconds for c in self.costs), sum(c.shared for c in self.costs)
        most = max((cost.memory for cost in self.costs), default=0.0)
        return Table(
            "plan",
            "What the studies will take",
            (
                Column("study"), Column("one core", "s"), Column("of it shared by workers", "s"),
                Column("memory"), Column("fits into this machine"),
            ),
            (*rows, ("all", round(total, 1), round(shared, 1), in_bytes(most), most <= self.memory)),
            "Predicted by prices of work fitted to measured runs, good to a factor of two near their sizes. "
            "On k cores the time is between that of one core and a k-th of it; k workers of a cluster take a "
            "k-th of what they share, as they do of the extraction.",
        )  # fmt: skip

    def to_text(self) -> str:
        """The plan for a terminal."""
        s = self.size
        asked = f"{s.samples:,} + {s.questions:,} samples, {s.dimension:,} dimensions, {s.classes:,} classes"
        lines = [asked]
        if self.extraction is not None:
            lines.append(
                f"extraction: {self.extraction:,.0f} s by the speed of the network on {TRIED} images"
            )
        return "\n".join([*lines, "", self.to_table().to_text()])

    def to_json(self) -> dict[str, Any]:
        """The same for programs, memory in bytes."""
        return {
            "size": vars(self.size),
            "speed": self.speed,
            "extraction": self.extraction,
            "studies": [vars(cost) | {"fits": cost.memory <= self.memory} for cost in self.costs],
            "runs": stored_costs().runs,
            "memory": self.memory,
            "cores": self.cores,
        }


def in_bytes(size: float) -> str:
    """A number of bytes in the unit that suits it.

    >>> in_bytes(3 * 2**20), in_bytes(1.5 * 2**30)
    ('3.0 MiB', '1.5 GiB')
    """
    for unit in UNITS[:-1]:
        if size < 1024:
            return f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} {UNITS[-1]}"


def plan(size: Size, each: float | None = None, speed: float | None = None) -> Plan:
    """Predict what every study of a run takes, and its extraction by the seconds that ``each`` image takes.

    ``speed`` is measured where it is not given.

    >>> found = plan(Size(50_000, 10_000, 64, 10), speed=10.0)
    >>> found.costs[0].study, found.costs[0].seconds > 0
    ('overview', True)
    """
    here = speed_here() if speed is None else speed
    extraction = None if each is None else each * (size.samples + size.questions)
    return Plan(size, here, tuple(predict(size, here)), max_memory(), cores(), extraction)


def size_of_run(folder: Path) -> Size:
    """The size of a run that is there."""
    from featgeom.runs.run import Run

    run = Run(folder)
    parts, model = run.asked["data"]["splits"], run.asked["model"]
    counts = [int(parts[split]["samples"]) for split in run.splits]
    questions = counts[-1] if len(counts) > 1 else 0
    return Size(counts[0], questions, int(model["dimension"]), len(model["classes"]))


def size_of_network(checkpoint: str, source: str, arch: Any = None) -> tuple[Size, float]:
    """The size of the run that a network makes of a source of images, and its seconds for each image.

    The network is tried on the first images of the source. Raises what reading the two raises.
    """
    from featgeom.data.sources import load_splits
    from featgeom.models.sources import load_classifier

    parts = list(load_splits(source).values())
    clf = load_classifier(checkpoint, arch=arch, probe=parts[0])
    some = parts[0].images[:TRIED]
    if len(some) == 0:
        raise BadArgument(f"{source}: has no images")
    clf.features(some)
    start = time.perf_counter()
    clf.features(some)
    each = (time.perf_counter() - start) / len(some)
    questions = len(parts[-1]) if len(parts) > 1 else 0
    return Size(len(parts[0]), questions, clf.head.dimension, clf.head.classes), each
