"""What goes into a paper: figures as PDF and PNG, tables as CSV and LaTeX."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featgeom.catalog import STUDIES
from featgeom.files import write_whole
from featgeom.runs.record import Table, is_number, plain

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

    written = []
    for study, record in run.results.items():
        parts: dict[Path, bytes] = {}
        for drawing in STUDIES[study].drawings(record, run.classes):
            parts[run.folder / "figures" / f"{drawing.name}.pdf"] = pdf(drawing.figure)
            parts[run.folder / "figures" / f"{drawing.name}.png"] = png(drawing.figure)
        for table in record.tables:
            place = run.folder / "tables" / f"{study}-{table.name}"
            parts[place.with_suffix(".csv")] = csv_table(table).encode()
            parts[place.with_suffix(".tex")] = latex_table(table, f"tab:{study}-{table.name}").encode()
        for path, content in parts.items():
            write_whole(path, content)
        written += list(parts)
    return written


def csv_table(table: Table) -> str:
    """The table with every digit, units in the headings, nothing left out.

    >>> from featgeom.runs.record import Column
    >>> csv_table(Table("t", "T", (Column("who"), Column("speed", "m/s")), (("A, B", 0.1),)))
    'who,speed [m/s]\\n"A, B",0.1\\n'
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([c.heading for c in table.columns])
    writer.writerows([["" if value is None else plain(value) for value in row] for row in table.rows])
    return buffer.getvalue()


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
    return "".join(SPECIAL.get(letter, letter) for letter in text)
