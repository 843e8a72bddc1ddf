"""The second paper's table beside its figures of an earlier state."""

import json

import pytest

from featgeom.papers.earlier import EARLIER, Earlier, second_paper
from featgeom.papers.observations import _before
from featgeom.runs.record import Column, Table

STORED = json.loads(EARLIER.read_text("utf-8"))["second"]


def test_a_figure_is_before_and_now_where_it_is_printed_otherwise():
    columns = (Column("the paper"), Column("we measure"), Column("A"), Column("B"), Column("C"))
    table = Table(
        "t",
        "T",
        columns,
        (("it says", "share", 0.12341, 0.5, 0.5), ("", "count", 1200, None, 3), ("more", "count", 2, 2, 2)),
    )
    a = Earlier("2026-01-01", {"it says": {"share": "0.1234", "count": "1,100"}, "gone": {"count": "7"}})
    b = Earlier("2026-01-02", {"it says": {"share": "0.4", "count": "5"}, "more": {"count": "2"}})
    found = _before((table,), {"A": a, "B": b})
    assert found.rows == (
        ("it says", "share", "B", "0.4", "0.5"),
        ("it says", "count", "A", "1,100", "1,200"),
        ("it says", "count", "B", "5", "–"),
    )
    assert "A: before is 2026-01-01; the same in all digits printed: 1" in found.note
    assert "B: before is 2026-01-02; the same in all digits printed: 1" in found.note


@pytest.mark.parametrize("part", STORED, ids=lambda part: part["network"])
def test_a_network_is_known_by_its_weights(part):
    known = second_paper(part["weights_sha256"])
    assert known is not None
    assert known.figures == part["figures"]
    assert second_paper(None) is second_paper(part["weights_sha256"][::-1]) is None
