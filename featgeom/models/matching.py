"""Architectures by the names and shapes of their tensors: what a file of bare weights may belong to."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import torch

from featgeom.errors import BadArgument
from featgeom.models.architectures import ARCHITECTURES
from featgeom.models.fitting import COUNTERS, unwrapped
from featgeom.models.reparametrised import put_together
from featgeom.reading.names import Named

SKETCH = 12  # of the smallest hashes of an architecture's tensors: enough to tell how much two have in common
HEADS = re.compile(r"(^|\.)(fc\d?|classifier|heads?|head_dist|last_linear|linear|output|logits)(\.|$)")
TABLE = "architectures.txt.gz"
SHOWN = 5


@dataclass(frozen=True)
class Match:
    """An architecture that a file's names and shapes resemble: the share that they have in common."""

    arch: str
    share: float


@dataclass(frozen=True)
class Facts:
    """What bare weights tell of themselves. ``matches`` are architectures, the best first."""

    parameters: int
    tensors: int
    head: str | None
    classes: int | None
    channels: int | None
    matches: tuple[Match, ...]

    def describe(self) -> str:
        """For people, in one line."""
        line = f"{self.parameters:,} parameters in {self.tensors:,} tensors"
        if self.head is not None:
            line += f", likely head '{self.head}' with {self.classes:,} classes"
        return line + (f", {self.channels} input channels" if self.channels else "")

    def advice(self) -> str:
        """The architectures to try, with the option to type."""
        known = [
            f"--arch {match.arch} ({match.share:.0%} of names and shapes)" for match in self.matches[:SHOWN]
        ]
        return "; ".join(known) or f"--arch FILE.py:NAME, or one of {', '.join(sorted(ARCHITECTURES))}"


class UnknownArchitecture(BadArgument):
    """Bare weights whose architecture is not named and does not follow from them."""

    def __init__(self, message: str, facts: Facts) -> None:
        super().__init__(message)
        self.facts = facts


def fingerprint(shapes: Mapping[str, tuple[int, ...]]) -> frozenset[int]:
    """One number for each tensor below the head, by name and shape.

    >>> one = fingerprint({"a.weight": (3, 2), "fc.weight": (10, 3)})
    >>> one == fingerprint({"module.a.weight": (3, 2), "fc.weight": (7, 3)})
    True
    """
    found = set()
    for name, shape in shapes.items():
        short = unwrapped(name)
        if short.rpartition(".")[2] not in COUNTERS and not HEADS.search(short):
            text = f"{short} {tuple(shape)}"
            found.add(int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big"))
    return frozenset(found)


def sketch(hashes: Iterable[int]) -> tuple[int, ...]:
    """The smallest numbers of a fingerprint."""
    return tuple(sorted(hashes)[:SKETCH])


@cache
def known_architectures() -> dict[str, tuple[int, tuple[int, ...]]]:
    """{architecture: (tensors, sketch)} of the built-in ones and of the table that comes with the package."""
    found: dict[str, tuple[int, tuple[int, ...]]] = {}
    for name, architecture in ARCHITECTURES.items():
        if not architecture.required:
            with torch.device("meta"):
                state = architecture.build().state_dict()
            hashes = fingerprint({key: tuple(value.shape) for key, value in state.items()})
            found[name] = len(hashes), sketch(hashes)
    table = files("featgeom.models") / TABLE
    lines = gzip.decompress(table.read_bytes()).decode().splitlines() if table.is_file() else []
    for line in lines:
        name, count, words = line.split()
        found[name] = int(count), tuple(int(words[i : i + 8], 16) for i in range(0, len(words), 8))
    return found


def likeness(hashes: frozenset[int], count: int, sketched: tuple[int, ...]) -> float:
    """How much a file and an architecture have in common, from the smallest numbers of both.

    >>> likeness(frozenset(range(30)), 30, sketch(range(30)))
    1.0
    """
    union = sorted(set(sketch(hashes)) | set(sketched))[:SKETCH]
    if not union or not hashes:
        return 0.0
    both = sum(number in hashes and number in sketched for number in union) / len(union)
    return both * min(len(hashes), count) / max(len(hashes), count) if both == 1 else both


def facts_of(named: Named) -> Facts:
    """What is to be told of bare weights, with those that are stored in parts put together if that fits."""
    whole = put_together(named, {})
    forms = [named] if whole.tensors.keys() == named.tensors.keys() else [whole, named]
    return max(map(_facts, forms), key=lambda facts: max((m.share for m in facts.matches), default=0.0))


def _facts(named: Named) -> Facts:
    shapes = {name: stored.shape for name, stored in named.tensors.items()}
    prefixes = _prefixes(shapes)
    merits: dict[str, float] = {}
    for prefix in prefixes:
        part = {name[len(prefix) :]: shape for name, shape in shapes.items() if name.startswith(prefix)}
        hashes = fingerprint(part)
        for arch, (count, sketched) in known_architectures().items():
            merits[arch] = max(merits.get(arch, 0.0), likeness(hashes, count, sketched))
    matches = sorted((Match(a, m) for a, m in merits.items() if m > 0.3), key=lambda match: -match.share)
    heads = [name for name, shape in shapes.items() if len(shape) == 2 and name.endswith("weight")]
    named_heads = [name for name in heads if HEADS.search(name)]
    likely = named_heads or heads
    head = likely[-1] if likely else None
    first = next((shape for shape in shapes.values() if len(shape) == 4), None)
    kept = {n: s for n, s in shapes.items() if n.rpartition(".")[2] not in COUNTERS and "running_" not in n}
    total = sum(_count(shape) for shape in kept.values())
    return Facts(
        total, len(shapes), None if head is None else head.rpartition(".")[0],
        None if head is None else shapes[head][0], None if first is None else first[1], tuple(matches[:20]),
    )  # fmt: skip


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for length in shape:
        count *= length
    return count


def _prefixes(names: Iterable[str]) -> list[str]:
    """Beginnings that many names share: the places where a state dict may lie."""
    found: dict[str, int] = {"": 0}
    total = 0
    for name in names:
        total += 1
        parts = name.split(".")
        for place in range(1, min(len(parts), 4)):
            begin = ".".join(parts[:place]) + "."
            found[begin] = found.get(begin, 0) + 1
    return [begin for begin, count in found.items() if not begin or 3 * count >= total]
