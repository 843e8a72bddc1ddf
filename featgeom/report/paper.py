"""What goes into a paper: figures as PDF and PNG, tables as CSV and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featgeom.catalog import STUDIES
from featgeom.report.page import ordered
from featgeom.runs.commit import commit
from featgeom.runs.record import Table, is_number, plain
from featgeom.text import no_formula, visible

if TYPE_CHECKING:
    from featgeom.runs.run import Run

SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
    "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "≥": r"$\geq$", "≤": r"$\leq$",
    "∞": r"$\infty$", "−": "$-$", "–": "--", "‖": r"$\Vert$", "·": r"$\cdot$", "°": r"$^\circ$",
    "φ": r"$\phi$", "λ": r"$\lambda$", "²": "$^2$",
    "×": r"$\times$", "…": r"\ldots{}", "→": r"$\to$", "±": r"$\pm$", "∈": r"$\in$", "√": r"$\surd$",
}  # fmt: skip


def write_paper(run: Run) -> list[Path]:
    """Write RUN/figures/NAME.pdf and .png, RUN/tables/STUDY-NAME.csv and .tex, for every stored record."""
    from featgeom.figures.style import pdf, png

    parts: dict[str, bytes] = {}
    for record in ordered(run.results):
        study = record.study
        for drawing in STUDIES[study].drawings(record, run.classes):
            parts[f"figures/{drawing.name}.pdf"] = pdf(drawing.figure)
            parts[f"figures/{drawing.name}.png"] = png(drawing.figure)
        for table in record.tables:
            place = f"tables/{study}-{table.name}"
            parts[f"{place}.csv"] = csv_table(table).encode()
            parts[f"{place}.tex"] = latex_table(table, f"tab:{study}-{table.name}").encode()
    commit(run.folder, "paper", parts)
    return [run.folder / place for place in parts]


def csv_table(table: Table) -> str:
    """The table with every digit, units in the headings, nothing left out.

    >>> from featgeom.runs.record import Column
    >>> csv_table(Table("t", "T", (Column("who"), Column("speed", "m/s")), (("A, B", 0.1),)))
    'who,speed [m/s]\\n"A, B",0.1\\n'
    """
    return csv_lines([c.heading for c in table.columns], table.rows)


def csv_lines(headings: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Rows under their headings as CSV, a line each, whatever stands in them.

    >>> print(csv_lines(["a", "b"], [["=1\\r\\n2", 0.5], ["c,d", None]]), end="")
    a,b
    '=1\\r\\n2,0.5
    "c,d",
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerows([csv_cell(value) for value in row] for row in (headings, *rows))
    return buffer.getvalue()


def csv_cell(value: Any) -> Any:
    """A value for a table: every digit of a number, a name as text that no spreadsheet computes.

    >>> csv_cell(-0.5), csv_cell("-0.5"), csv_cell(None), csv_cell(float("-inf"))
    (-0.5, "'-0.5", '', '-Infinity')
    """
    if isinstance(value, str):
        return no_formula(visible(value))
    return "" if value is None else plain(value)


def latex_table(table: Table, label: str) -> str:
    """The table for LaTeX with the package booktabs, values as a reader sees them, title as caption.

    >>> from featgeom.runs.record import Column
    >>> print(latex_table(Table("t", "T", (Column("who"), Column("share", "%")), (("a_b", 1.5),)), "tab:t"))
    \\begin{table}
      \\centering
      \\caption{T}
      \\label{tab:t}
      \\begin{tabular}{lr}
        \\toprule
        who & share [\\%] \\\\
        \\midrule
        a\\_b & 1.5 \\\\
        \\bottomrule
      \\end{tabular}
    \\end{table}
    <BLANKLINE>
    """
    numeric = [all(is_number(row[j]) for row in table.rows) for j in range(len(table.columns))]
    heads = [escaped(c.heading) for c in table.columns]
    body = [r"    " + line(map(escaped, row)) for row in table.cells()]
    caption = escaped(" ".join([table.title + ("." if table.note else ""), table.note]).strip())
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{caption}}}",
        rf"  \label{{{label}}}",
        rf"  \begin{{tabular}}{{{''.join('r' if right else 'l' for right in numeric)}}}",
        r"    \toprule",
        r"    " + line(heads),
        r"    \midrule",
        *body,
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def line(cells: Any) -> str:
    """One row of a LaTeX table."""
    return " & ".join(cells) + r" \\"


def escaped(text: str) -> str:
    """Text in which LaTeX reads nothing but letters.

    >>> escaped("50 % of z ≥ 0")
    '50 \\\\% of z $\\\\geq$ 0'
    """
    return "".join(SPECIAL.get(letter, letter) for letter in visible(text))
