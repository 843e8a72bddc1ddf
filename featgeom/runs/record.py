"""What a study says: findings, tables, arrays and claims, in one form for every way to show them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

import numpy as np

from featgeom.certificates.claim import Claim
from featgeom.decimals import no_less, no_more
from featgeom.errors import BadArgument, Unsupported, nearest_name
from featgeom.text import visible

LONG, FIRST = 60, 20  # rows of a table that are too many for a terminal, and how many it then shows
STANDINGS = {
    "proved": "certified; `featgeom verify` re-checks the evidence exactly",
    "computed": "a plain calculation on every sample, in float64 unless said otherwise",
    "estimated": "depends on a random sample; comes with an interval",
}

ENDS = {"": "", "lower": "at least", "upper": "at most"}


@dataclass(frozen=True)
class Finding:
    """One sentence a study states, and on what ground: proved, computed or estimated.

    What is proved names the claims ``by`` which it is; see `featgeom.proofs`.
    """

    text: str
    standing: str = "computed"
    by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.standing not in STANDINGS:
            raise BadArgument(f"standing '{self.standing}': one of {', '.join(STANDINGS)}")
        if (self.standing == "proved") != bool(self.by):
            raise BadArgument("what is proved names the claims by which it is, and nothing else does")

    @classmethod
    def proved(cls, text: str, by: tuple[str, ...]) -> Finding:
        """A sentence whose numbers come out of the claims of these names."""
        return cls(text, "proved", by)


@dataclass(frozen=True)
class Column:
    """A column of a table: its name, its unit where it has one, and whether its values are proved.

    Where the values are one ``end`` of what is known, "lower" or "upper", the heading says so, and they are
    rounded outwards in print.
    """

    name: str
    unit: str = ""
    proved: bool = False
    end: str = ""

    @property
    def label(self) -> str:
        """The name, and which end of what is known the values are.

        >>> Column("diameter", end="upper").label, Column("at most", end="upper").label
        ('diameter, at most', 'at most')
        """
        end = ENDS[self.end]
        return self.name if self.name.endswith(end) else f"{self.name}, {end}"

    @property
    def heading(self) -> str:
        """Label and unit in one."""
        return f"{self.label} [{self.unit}]" if self.unit else self.label


@dataclass(frozen=True, repr=False)
class Table:
    """A table of a record: rows of plain values under columns with units, and a note on how to read it.

    >>> table = Table("speeds", "Speeds", (Column("who"), Column("speed", "m/s")), (("A", 1.5),))
    >>> print(table.to_text())
    who  speed
         [m/s]
    A      1.5
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""

    @classmethod
    def of(cls, name: str, title: str, columns: Mapping[Column, Sequence[Any]], note: str = "") -> Table:
        """A table given column by column, all of one length."""
        return cls(name, title, tuple(columns), tuple(zip(*columns.values(), strict=True)), note)

    def column(self, name: str) -> list[Any]:
        """The values under one heading."""
        index = [c.name for c in self.columns].index(name)
        return [row[index] for row in self.rows]

    def __repr__(self) -> str:
        return f"<Table {self.name}: {self.title}; {len(self.rows):,} rows, {len(self.columns)} columns>"

    def to_dicts(self) -> list[dict[str, Any]]:
        """The rows, each by the names of the columns.

        >>> Table.of("t", "Two", {Column("a"): [1, 2], Column("b", "s"): [3, 4]}).to_dicts()
        [{'a': 1, 'b': 3}, {'a': 2, 'b': 4}]
        """
        names = [column.name for column in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]

    def to_frame(self) -> Any:
        """The table as a `pandas.DataFrame`, every digit kept, units in the headings.

        Raises Unsupported where pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise Unsupported("to_frame needs pandas: python -m pip install pandas") from None
        frame = pandas.DataFrame(list(self.rows), columns=[c.heading for c in self.columns])
        frame.attrs = {"title": self.title, "note": self.note}
        return frame

    def to_html(self) -> str:
        """The table as HTML, its values as a reader sees them."""
        right = [all(is_number(row[j]) for row in self.rows) for j in range(len(self.columns))]
        side = ["right" if r else "left" for r in right]
        head = "".join(f"<th>{escape(c.heading)}</th>" for c in self.columns)
        body = "".join(
            "<tr>"
            + "".join(f'<td style="text-align:{s}">{escape(v)}</td>' for s, v in zip(side, row))
            + "</tr>"
            for row in self.cells()
        )
        note = f"<p>{escape(self.note)}</p>" if self.note else ""
        return f"<p><b>{escape(self.title)}</b></p><table><tr>{head}</tr>{body}</table>{note}"

    _repr_html_ = to_html

    def cells(self) -> list[list[str]]:
        """Every value as a reader sees it."""
        ends = [column.end for column in self.columns]
        return [[shown(value, end) for value, end in zip(row, ends, strict=True)] for row in self.rows]

    def to_text(self, elsewhere: str = "") -> str:
        """Aligned monospace text: words to the left, numbers to the right, units in a line of their own.

        Where all rows are to be found ``elsewhere``, the first `FIRST` of more than `LONG` will do; how many
        are left out is said.
        """
        if elsewhere and len(self.rows) > LONG:
            text = replace(self, rows=self.rows[:FIRST]).to_text()
            return f"{text}\n... {len(self.rows) - FIRST:,} rows more: {elsewhere}"
        units = [f"[{c.unit}]" if c.unit else "" for c in self.columns]
        grid = [[visible(c.label) for c in self.columns], *([units] if any(units) else []), *self.cells()]
        widths = [max(len(row[j]) for row in grid) for j in range(len(self.columns))]
        right = [all(is_number(row[j]) for row in self.rows) for j in range(len(self.columns))]
        lines = [
            "  ".join(text.rjust(w) if r else text.ljust(w) for text, w, r in zip(row, widths, right))
            for row in grid
        ]
        return "\n".join(line.rstrip() for line in lines)


@dataclass(frozen=True, repr=False)
class Record:
    """The whole result of one study.

    ``values`` holds named figures for programs, ``tables`` what people read, ``arrays`` what is known of
    every sample, ``claims`` what is proved, ``files`` what else goes into the run folder, by its path there.
    ``study`` and ``title`` are those of the catalogue, ``made`` says with which options and version.
    """

    findings: tuple[Finding, ...]
    values: dict[str, Any] = field(default_factory=dict)
    tables: tuple[Table, ...] = ()
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    made: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    study: str = ""
    title: str = ""

    def __repr__(self) -> str:
        standings = Counter(finding.standing for finding in self.findings)
        said = ", ".join(f"{count} {standing}" for standing, count in standings.items()) or "none"
        tables = ", ".join(table.name for table in self.tables) or "none"
        return f"<Record {self.study}: findings {said}; tables {tables}; {self.seconds:.2g} s>"

    def _repr_html_(self) -> str:
        said = "".join(f"<li>{escape(f.text)} <i>{f.standing}</i></li>" for f in self.findings)
        return f"<h3>{escape(self.title)}</h3><ul>{said}</ul>" + "".join(t.to_html() for t in self.tables)

    def table(self, name: str) -> Table:
        """One table by name. Raises BadArgument where there is none of that name."""
        found = {table.name: table for table in self.tables}
        if name not in found:
            raise BadArgument(f"{self.study}: no table '{name}'{nearest_name(name, list(found))}")
        return found[name]

    def to_json(self) -> dict[str, Any]:
        """Everything but arrays and claims, as a JSON document."""
        return plain(
            {
                "study": self.study,
                "title": self.title,
                "findings": [{"text": f.text, "standing": f.standing, "by": f.by} for f in self.findings],
                "values": self.values,
                "tables": [
                    {
                        "name": t.name,
                        "title": t.title,
                        "columns": [vars(column) for column in t.columns],
                        "rows": t.rows,
                        "note": t.note,
                    }
                    for t in self.tables
                ],
                "settings": self.settings,
                "made": self.made,
                "seconds": self.seconds,
            }
        )

    @classmethod
    def from_json(cls, document: dict[str, Any], arrays: dict[str, np.ndarray]) -> Record:
        """A stored record, with its arrays; claims are read by `verify` only."""
        tables = tuple(
            Table(
                t["name"],
                t["title"],
                tuple(Column(**c) for c in t["columns"]),
                tuple(tuple(restored(value) for value in row) for row in t["rows"]),
                t["note"],
            )
            for t in document["tables"]
        )
        return cls(
            tuple(Finding(f["text"], f["standing"], tuple(f["by"])) for f in document["findings"]),
            restored(document["values"]),
            tables,
            arrays,
            settings=document["settings"],
            made=document.get("made", {}),
            seconds=document["seconds"],
            study=document["study"],
            title=document["title"],
        )

    def to_text(self) -> str:
        """The record as a terminal shows it."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield self.title
        yield "=" * len(self.title)
        for finding in self.findings:
            yield f"* {visible(finding.text)} [{finding.standing}]"
        for table in self.tables:
            yield ""
            yield visible(table.title)
            yield "-" * len(table.title)
            yield table.to_text("in the report and with --json")
            if table.note:
                yield visible(table.note)


def is_number(value: Any) -> bool:
    """Whether a value is shown as a number (None, for what does not exist, goes with numbers)."""
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def shown(value: Any, end: str = "") -> str:
    """One value as a reader sees it: four significant digits, a dash for what does not exist.

    The ``end`` of an interval, "lower" or "upper", is rounded outwards.

    >>> [shown(v) for v in (None, True, 12345, 0.123456, 1e-9, float("inf"))]
    ['–', 'yes', '12,345', '0.1235', '1e-09', '∞']
    >>> shown(0.123456, "lower"), shown(0.123412, "upper")
    ('0.1234', '0.1235')
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if math.isnan(value):
            return "–"
        if math.isinf(value):
            return "∞" if value > 0 else "−∞"
        return {"lower": no_more, "upper": no_less}[end](value) if end else f"{value:.4g}"
    return visible(str(value))


NOT_FINITE = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}


def plain(value: Any) -> Any:
    """A value made of what JSON knows; what is not finite becomes "Infinity", "-Infinity" or "NaN"."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise BadArgument(f"a record cannot hold a value of type {type(value).__name__}")


def restored(value: Any) -> Any:
    """The inverse of `plain` for numbers that are not finite."""
    if isinstance(value, dict):
        return {k: restored(v) for k, v in value.items()}
    if isinstance(value, list):
        return [restored(v) for v in value]
    return NOT_FINITE.get(value, value) if isinstance(value, str) else value
