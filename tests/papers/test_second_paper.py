"""The page of the second paper's table, and what it sets beside an earlier state."""

import json
import re
from pathlib import Path

import pytest

from featgeom.papers.earlier import EARLIER, Earlier, second_paper
from featgeom.papers.observations import OBSERVATIONS, _before
from featgeom.runs.record import Column, Table

PAGE = (Path(__file__).parents[2] / "docs" / "second-paper.md").read_text("utf-8")
STORED = json.loads(EARLIER.read_text("utf-8"))["second"]


def page_tables():
    """The page's tables of observations by title: headings, then {(the paper, we measure): cells}."""
    found = {}
    for title, lines in re.findall(r"^### (.+)\n\n((?:\|.+\n)+)", PAGE, re.M):
        rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines.splitlines()]
        if rows[0][:2] != ["the paper", "we measure"]:
            continue
        paper, cells = "", {}
        for row in rows[2:]:
            paper = row[0] or paper
            cells[paper, row[1], *(row[2:3] if "before" in rows[0] else ())] = row[2:]
        found[title] = rows[0][2:], cells
    return found


def test_the_page_has_a_table_for_each_part_and_every_question_of_it():
    tables = page_tables()
    for _, title, part in OBSERVATIONS:
        _, cells = next(found for name, found in tables.items() if name.lower() == title)
        assert list(dict.fromkeys(paper for paper, *_ in cells)) == [o.paper for o in part]


def test_what_the_page_says_of_before_is_stored_and_what_it_says_of_now_is_in_its_tables():
    tables = page_tables()
    now, stored = {}, {part["network"]: part["figures"] for part in STORED}
    _, changed = tables.pop("Before and now")
    for networks, cells in tables.values():
        for key, figures in cells.items():
            now |= {(*key, network): figure for network, figure in zip(networks, figures, strict=True)}
    for (paper, quantity, network), (_, before, after) in changed.items():
        assert stored[network][paper][quantity] == before != after == now[paper, quantity, network]
    told = {
        (paper, quantity, network)
        for network, figures in stored.items()
        for paper, part in figures.items()
        for quantity, before in part.items()
        if now[paper, quantity, network] != before
    }
    assert set(changed) == told


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
    assert "A: of 2026-01-01; the same in all digits printed: 1" in found.note
    assert "B: of 2026-01-02; the same in all digits printed: 1" in found.note


@pytest.mark.parametrize("part", STORED, ids=lambda part: part["network"])
def test_a_network_is_known_by_its_weights(part):
    known = second_paper(part["weights_sha256"])
    assert known is not None
    assert known.figures == part["figures"]
    assert second_paper(None) is second_paper(part["weights_sha256"][::-1]) is None
