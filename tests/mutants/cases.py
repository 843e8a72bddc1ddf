"""What a mutant has to stand: every truth, lie, attack, near tie and law of the kernel, as plain calls.

Each case is run once with nothing changed, to learn which functions it enters and how long it takes. A mutant
is then shown only those that enter its function, the quickest first.
"""

from __future__ import annotations

import doctest
import importlib
import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
MODULES = (
    "test_attacks",
    "test_rings",
    "test_near_ties",
    "test_worst",
    "test_statements",
    "test_fields",
    "test_numbers",
    "test_apart",
    "test_layers",
    "test_polytopes",
    "test_tiles",
    "test_running",
    "test_pieces",
    "test_relaxing",
    "test_relaxing_steps",
    "test_images",
    "test_pixel_claims",
)
TOLD = ("truths", "lies", "exact_networks")  # what these modules share
AT_MOST = 2  # values of each parameter of a slow law: seeds and scales
ROOMS = ("featgeom.exact.", "featgeom.certificates.")


@dataclass(frozen=True)
class Case:
    """A call that fails where something is wrong."""

    name: str
    run: Callable[[], object]


def cases() -> Iterator[Case]:
    """All of them, of the modules as they are imported now."""
    for folder in ("certificates", "exact"):
        if str(TESTS / folder) not in sys.path:
            sys.path.insert(0, str(TESTS / folder))
    truths, lies = importlib.import_module("truths"), importlib.import_module("lies")
    for name in truths.TRUTHS:
        yield Case(f"truth {name}", lambda name=name: _is_proved(name, truths.TRUTHS[name]()))  # type: ignore[misc]
    for number, one in enumerate(lies.LIES):
        claim = lambda one=one: replace(truths.TRUTHS[one.truth](), **one.change)  # type: ignore[misc] # noqa: E731
        yield Case(f"lie {number} {one.truth}", lambda c=claim, o=one: _is_stopped(c(), o))  # type: ignore[misc]
    for module in map(importlib.import_module, MODULES):
        for name, function in vars(module).items():
            if name.startswith("test_"):
                for values in _parameters(function):
                    called = f"{name}[{', '.join(map(_word, values.values()))}]"
                    yield Case(called, lambda f=function, v=values: f(**v))  # type: ignore[misc]
    for name in sorted(sys.modules):
        if name.startswith(ROOMS):
            yield Case(f"examples of {name}", lambda m=sys.modules[name]: _examples(m))  # type: ignore[misc]


def _is_proved(name: str, claim: Any) -> None:
    assert claim.kind == name.partition(",")[0]
    assert claim.evidence.keys().isdisjoint(part for parts in claim.subjects.values() for part in parts)
    assert set(claim.check().tally) == {"PROVED"}
    assert all(claim.statement(k) for k in range(len(claim)))


def _is_stopped(claim: Any, lie: Any) -> None:
    verdicts = claim.check()
    assert len(verdicts.status) == max(1, len(claim))
    assert verdicts.status[lie.at].name != "PROVED"
    assert lie.clause in verdicts.reasons[lie.at]


def _word(value: Any) -> str:
    """A value in a name that is the same wherever its module is imported anew."""
    return str(getattr(value, "__name__", repr(value)))


def _parameters(function: Any) -> list[dict[str, Any]]:
    """The values that `pytest.mark.parametrize` gives, a few of each of the slow ones."""
    ways: list[list[dict[str, Any]]] = []
    for mark in getattr(function, "pytestmark", []):
        names = mark.args[0].replace(" ", "").split(",") if isinstance(mark.args[0], str) else mark.args[0]
        values = [v if len(names) > 1 else (v,) for v in mark.args[1]]
        values = values[:AT_MOST] if names == ["seed"] else values
        ways.append([dict(zip(names, value, strict=True)) for value in values])
    return [{k: v for part in parts for k, v in part.items()} for parts in itertools.product(*ways)]


def _examples(module: Any) -> None:
    import numpy as np

    for test in doctest.DocTestFinder(exclude_empty=True).find(module, extraglobs={"np": np}):
        results = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False).run(
            test, out=lambda _: None
        )
        assert results.failed == 0, test.name
