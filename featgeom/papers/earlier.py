"""What the pages of the two papers printed in an earlier state of this work: the "before" beside "now"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from featgeom.files import read_json

EARLIER = Path(__file__).with_name("earlier.json")  # as the pages had them, to the letter


@dataclass(frozen=True)
class Earlier:
    """Figures of one day: by experiment (first paper) or what the paper says (second), then by quantity."""

    date: str
    figures: Mapping[str, Mapping[str, str]]

    def figure(self, of: str, quantity: str) -> str | None:
        """One of them as it was printed, None where it was not measured.

        >>> first_paper().figure("cifar10_two", "test accuracy")
        '0.8660'
        """
        return self.figures.get(of, {}).get(quantity)


def first_paper() -> Earlier:
    """Of the first paper's experiments at their small sizes, trained as they were then."""
    part = _stored()["first"]
    return Earlier(part["date"], part["figures"])


def second_paper(weights_sha256: str | None) -> Earlier | None:
    """Of the network with these weights; None where it was not on the page.

    >>> second_paper("0" * 64) is None
    True
    """
    for part in _stored()["second"]:
        if part["weights_sha256"] == weights_sha256:
            return Earlier(part["date"], part["figures"])
    return None


@cache
def _stored() -> dict[str, Any]:
    return read_json(EARLIER)
