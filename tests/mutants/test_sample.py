"""A few mutants, always the same ones: each is noticed, or `harmless.py` says why it need not be."""

import re
import subprocess
import sys
from pathlib import Path

from harmless import RULES
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


def test_every_rule_explains_a_mutant():
    """A rule whose code has changed says nothing, and goes."""
    every = all_mutants()
    for rule in RULES:
        at = [one for one in every if re.fullmatch(rule.where, f"{one.file} {one.function}")]
        assert any(re.fullmatch(rule.change, f"{one.before} → {one.after}") for one in at), rule
