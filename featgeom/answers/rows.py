"""Rows of named values as CSV, JSON lines or Parquet."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from featgeom.errors import BadArgument, Unsupported
from featgeom.report.paper import csv_lines
from featgeom.runs.record import plain

Row = dict[str, Any]
Kinds = Mapping[str, type]  # of columns, by name: str, bool, int or float


def writer_for(out: Path, kinds: Kinds) -> Callable[[Sequence[Row]], bytes]:
    """What makes the bytes of a file of that name from rows with columns of these ``kinds``."""
    writers: dict[str, Callable[[Sequence[Row]], bytes]] = {
        ".csv": partial(as_csv, columns=list(kinds)),
        ".jsonl": as_json_lines,
        ".parquet": partial(as_parquet, kinds=kinds),
    }
    if out.suffix.lower() not in writers:
        raise BadArgument(f"{out}: write to a file that ends in {', '.join(writers)}")
    if out.suffix.lower() == ".parquet":
        _pyarrow()
    return writers[out.suffix.lower()]


def json_line(row: Row) -> bytes:
    """A row as a line of JSON; numbers that are not finite become words, as everywhere (`plain`)."""
    return (json.dumps(plain(row), ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def as_csv(rows: Sequence[Row], columns: Sequence[str]) -> bytes:
    """Rows as CSV in which no text is computed by a spreadsheet or splits a row (`csv_lines`).

    >>> as_csv([{"image": "=a\\r.png", "alarm": True, "p_value": 0.5}], ["image", "alarm", "p_value"])
    b"image,alarm,p_value\\n'=a\\\\r.png,True,0.5\\n"
    """
    return csv_lines(columns, ([row[name] for name in columns] for row in rows)).encode()


def as_json_lines(rows: Sequence[Row]) -> bytes:
    """Rows as one JSON object a line."""
    return b"".join(json_line(row) for row in rows)


def as_parquet(rows: Sequence[Row], kinds: Kinds) -> bytes:
    """Rows as a Parquet file whose columns have these ``kinds``, whatever stands in them.

    Halves of pairs, as in file names that are not UTF-8, are written out (\\udcff). Raises Unsupported where
    pyarrow is not installed.
    """
    arrow = _pyarrow()
    from pyarrow import parquet

    named = {str: arrow.string(), bool: arrow.bool_(), int: arrow.int64(), float: arrow.float64()}
    columns = {
        name: arrow.array([_encodable(row[name]) for row in rows], named[kind])
        for name, kind in kinds.items()
    }
    buffer = io.BytesIO()
    parquet.write_table(arrow.table(columns), buffer)
    return buffer.getvalue()


def _encodable(value: Any) -> Any:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError:
        raise Unsupported("Parquet needs pyarrow: python -m pip install pyarrow; or write .csv") from None
    return pyarrow
