"""A few mutants, always the same ones: each is noticed, or `harmless.py` says why it need not be."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

from cases import cases
from harmless import RULES, narrowed
from run import all_mutants

RUN = Path(__file__).with_name("run.py")


def test_a_sample_is_noticed():
    command = [
        sys.executable,
        str(RUN),
        "--only",
        "certificates",
        "--sample",
        "12",
        "--quick",
        "--processes",
        "1",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    told = re.match(r"12 mutants: (\d+) noticed, (\d+) harmless, 0 not explained", done.stdout)
    assert told is not None, done.stdout
    assert int(told[1]) + int(told[2]) == 12


def test_every_case_is_a_plain_call():
    """Who runs them knows no fixtures."""
    for one in cases():
        if one.name.startswith("test_"):
            function, values = one.run.__defaults__
            inspect.signature(function).bind(**values)


def test_every_rule_explains_a_mutant():
    """A rule whose code has changed says nothing, and goes; so does each of its alternatives."""
    every = [(f"{one.file} {one.function}", f"{one.before} → {one.after}") for one in all_mutants()]
    for rule in RULES:
        wheres, changes = [rule.where, *narrowed(rule.where)], [rule.change, *narrowed(rule.change)]
        for where, change in [(where, rule.change) for where in wheres] + [(rule.where, c) for c in changes]:
            assert any(re.fullmatch(where, at) and re.fullmatch(change, what) for at, what in every), (
                where,
                change,
            )


def test_alternatives_of_a_rule_are_looked_at_one_by_one():
    assert list(narrowed("a")) == []
    assert list(narrowed("(a|b(c|d))e[(|]f")) == ["(?:a)e[(|]f", "(?:b(c|d))e[(|]f"]
    assert list(narrowed(r"\(a|b\)(c|d)?(?!e|f)")) == [r"\(a|b\)(?:c)?(?!e|f)", r"\(a|b\)(?:d)?(?!e|f)"]


TWICE = """
import sys
sys.path.insert(0, sys.argv[1])
from run import imported_from
for _ in range(2):
    with imported_from({}, set()) as cases:
        print(repr([case.name for case in cases]))
"""


def test_every_case_has_a_name_of_its_own_that_lasts():
    """By its name a case that was timed is found where all modules are imported anew: elsewhere, not here."""
    command = [sys.executable, "-c", TWICE, str(RUN.parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    one, other = map(ast.literal_eval, done.stdout.splitlines())
    assert one == other
    assert len(set(one)) == len(one) > 1000
