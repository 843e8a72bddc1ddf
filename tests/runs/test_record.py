import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featgeom.errors import BadArgument
from featgeom.runs.record import FIRST, LONG, Column, Finding, Record, Table, plain, restored

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text("abc", max_size=5),
    lambda children: st.lists(children) | st.dictionaries(st.text("xyz", min_size=1), children),
    max_leaves=10,
)


@settings(derandomize=True)
@given(values)
def test_json_gives_back_what_it_was_given(value):
    assert restored(json.loads(json.dumps(plain(value), allow_nan=False))) == value


def test_nan_and_numpy_numbers_survive_json():
    stored = json.loads(
        json.dumps(plain({"a": np.float64("nan"), "b": np.arange(2), "c": -np.inf}), allow_nan=False)
    )
    back = restored(stored)
    assert math.isnan(back["a"])
    assert back["b"] == [0, 1]
    assert back["c"] == -math.inf


def test_a_value_that_json_cannot_hold_is_refused():
    with pytest.raises(BadArgument, match="set"):
        plain({"a": {1, 2}})


def test_a_finding_stands_on_a_known_ground():
    with pytest.raises(BadArgument, match="guessed"):
        Finding("x", "guessed")


@pytest.mark.parametrize(("standing", "by"), [("proved", ()), ("computed", ("ball",))])
def test_only_what_is_proved_names_claims(standing, by):
    with pytest.raises(BadArgument, match="names the claims"):
        Finding("x", standing, by)


def make_record():
    table = Table(
        "t", "A table", (Column("name"), Column("size", "m")), (("a", 1.0), ("b", math.inf)), "A note."
    )
    findings = (Finding.proved("It is.", ("ball",)),)
    arrays = {"v": np.arange(3)}
    return Record(findings, {"x": math.inf}, (table,), arrays, study="s", title="A study")


def test_a_record_survives_storage():
    record = make_record()
    back = Record.from_json(json.loads(json.dumps(record.to_json(), allow_nan=False)), record.arrays)
    assert back.to_json() == record.to_json()
    assert back.values == record.values
    assert back.tables == record.tables
    assert back.table("t").column("size") == [1.0, math.inf]


def test_text_names_standing_unit_and_note():
    text = make_record().to_text()
    for words in ("It is. [proved]", "[m]", "∞", "A note."):
        assert words in text


@pytest.mark.parametrize(("rows", "shown"), [(LONG, LONG), (LONG + 1, FIRST), (1000, FIRST)])
def test_a_terminal_gets_the_first_rows_of_a_long_table_and_is_told_so(rows, shown):
    table = Table("t", "All", (Column("number"),), tuple((i,) for i in range(rows)))
    lines = Record((), tables=(table,), title="T").to_text().splitlines()
    assert sum(line.strip().replace(",", "").isdecimal() for line in lines) == shown
    more = [line for line in lines if line.startswith("... ")]
    left = f"... {rows - shown:,} rows more: in the report and with --json"
    assert more == ([left] if rows > shown else [])
    assert len(table.to_text().splitlines()) == rows + 1
