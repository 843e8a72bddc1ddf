"""The second checker stands at the root; truths, lies and forgeries are those of other tests."""

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS.parent), str(TESTS / "certificates"), str(TESTS / "proofs")]
