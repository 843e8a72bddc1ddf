"""True claims are proved, lies are not, and every clause of every check stops one."""

import ast
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from lies import LIES
from truths import TRUTHS

import featgeom.certificates
from featgeom.certificates.claim import KINDS
from featgeom.status import Status

ROOM = Path(featgeom.certificates.__file__).parent


@pytest.mark.parametrize("name", TRUTHS)
def test_the_truth_is_proved(name):
    claim = TRUTHS[name]()
    assert claim.kind == name.partition(",")[0]
    assert claim.check().tally == {"PROVED": len(claim)}
    assert all(claim.statement(k) for k in range(len(claim)))


def test_there_is_a_truth_and_a_lie_of_every_kind():
    assert {name.partition(",")[0] for name in TRUTHS} == set(KINDS)
    assert {one.truth.partition(",")[0] for one in LIES} == set(KINDS)


@pytest.mark.parametrize("number", range(len(LIES)), ids=lambda k: f"{k}-{LIES[k].truth}-{LIES[k].clause}")
def test_a_lie_is_not_proved_and_its_clause_says_why(number):
    one = LIES[number]
    found = replace(TRUTHS[one.truth](), **one.change).check()
    assert found.status[one.at] is not Status.PROVED
    assert re.search(one.clause, found.reasons[one.at]), found.reasons[one.at]


def reasons(tree):
    """The texts that say why, whole or with gaps for what is filled in."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in (
            "refuted",
            "undecided",
            "proved_if",
        ):
            yield node.args[-1]
        elif isinstance(node, ast.FunctionDef) and node.name in ("misfit", "_lower_fails", "_upper_fails"):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return):
                    yield from (
                        (inner.value.body, inner.value.orelse)
                        if isinstance(inner.value, ast.IfExp)
                        else [inner.value]
                    )


def patterns():
    """Every reason that a check may give, as a pattern."""
    for path in sorted(ROOM.glob("*.py")):
        for node in reasons(ast.parse(path.read_text("utf-8"))):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            texts = [p.value if isinstance(p, ast.Constant) else None for p in parts]
            if any(texts):
                yield "".join(".*" if t is None else re.escape(t) for t in texts)


def test_every_reason_that_a_check_gives_stops_a_lie():
    given = [replace(TRUTHS[one.truth](), **one.change).check().reasons[one.at] for one in LIES]
    unused = {p for p in patterns() if not any(re.fullmatch(p, reason) for reason in given)}
    # what only very much data, or a mistake in a check, would bring about
    assert unused <= {"too\\ many\\ pairs\\ to\\ compare\\ again", "the\\ check\\ ended\\ with\\ .*:\\ .*"}


def test_the_page_about_trust_counts_the_lies():
    page = (Path(__file__).parents[2] / "docs" / "trust.md").read_text("utf-8")
    told = re.findall(r"^\| `([a-z-]+)` \| (\d+) \|$", page, re.M)
    counts = Counter(one.truth.partition(",")[0] for one in LIES)
    assert told == [(kind, str(counts[kind])) for kind in sorted(counts)]
