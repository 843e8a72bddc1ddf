"""Batteries: counted trials against exact rationals. FEATGEOM_BATTERIES multiplies how many there are."""

import os
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

TIMES = int(os.environ.get("FEATGEOM_BATTERIES", "1"))
COUNTS: Counter[str] = Counter()


@pytest.fixture
def trials():
    """Numbers of trials from a short one."""
    return lambda short: range(short * TIMES)


@pytest.fixture
def count(request):
    """Add to the answers that a battery has compared."""

    def add(how_many: int, of: str) -> None:
        COUNTS[of] += how_many

    return add


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter):
    """How many answers of each kind were compared with the truth."""
    if COUNTS:
        terminalreporter.section("answers compared with exact rationals")
        for name, number in sorted(COUNTS.items()):
            terminalreporter.line(f"{number:9,}  {name}")
