"""One look for every picture: colours by class, sizes, fonts."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from featgeom.errors import Unsupported
from featgeom.figures.letters import legible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Ten hues of Petroff (2021, arXiv 2107.02270), chosen to stay apart under colour-vision deficiency.
PALETTE = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
    "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip

NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
ONE_COLUMN = 3.5  # inches
TWO_COLUMNS = 7.2

RC: Any = {
    "font.family": "sans-serif",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.linewidth": 0.6,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "svg.hashsalt": "featgeom",
    "figure.constrained_layout.use": True,
    "text.parse_math": False,  # a class may be called $5_$
}


@dataclass(frozen=True)
class Drawing:
    """A picture of a record: a file name without ending, one sentence on how to read it, the figure."""

    name: str
    caption: str
    figure: Figure


def class_colours(count: int) -> list[str]:
    """A colour for each class, the same in every picture of a run.

    Up to ten classes the hues stay apart for colour-blind readers; beyond that colours only tell neighbours
    apart, and pictures label classes by name as well.

    >>> class_colours(2)
    ['#3f90da', '#ffa90e']
    """
    if count <= len(PALETTE):
        return list(PALETTE[:count])
    import colorsys

    golden = 0.618033988749895
    return [
        "#{:02x}{:02x}{:02x}".format(
            *(
                int(255 * v)
                for v in colorsys.hsv_to_rgb((k * golden) % 1, 0.55 + 0.3 * (k % 2), 0.6 + 0.3 * (k % 3) / 2)
            )
        )
        for k in range(count)
    ]


def new_figure(width: float, height: float, **subplots: Any) -> tuple[Figure, Any]:
    """A figure in the common style, made without any window system."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise Unsupported(f"pictures need matplotlib: {error}") from None
    with mpl.rc_context(RC):
        figure = Figure(figsize=(width, height))
        axes = figure.subplots(**subplots)
    return figure, axes


@contextmanager
def names_as_text() -> Iterator[None]:
    """While pictures are drawn, no name in them is read as a formula."""
    import matplotlib as mpl

    with mpl.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # which pages draw all the same
        warnings.filterwarnings("ignore", "constrained_layout not applied", UserWarning)  # long names
        yield


def log_scale(axes: Any, which: str) -> None:
    """A logarithmic axis, "x" or "y", whose numbers are plain text."""
    from matplotlib.ticker import LogFormatter

    getattr(axes, f"set_{which}scale")("log")
    axis = getattr(axes, f"{which}axis")
    axis.set_major_formatter(LogFormatter())
    axis.set_minor_formatter(LogFormatter(minor_thresholds=(1, 0.4)))


def legend_below(figure: Figure, handles: list[Any], columns: int) -> None:
    """One legend for the whole figure, below its axes."""
    words = [handle.get_label() for handle in handles]
    figure.legend(
        handles,
        words,
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=7,
        columnspacing=1.2,
    )


def pdf(figure: Figure) -> bytes:
    """The figure as a PDF file with letters that can be selected; equal figures give equal files."""
    import io

    import matplotlib as mpl

    buffer = io.BytesIO()
    with mpl.rc_context(RC), legible(figure), names_as_text():
        figure.savefig(
            buffer, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None}
        )
    return buffer.getvalue()


def png(figure: Figure) -> bytes:
    """The figure as a PNG file of 300 dots per inch; equal figures give equal files."""
    import io

    import matplotlib as mpl

    buffer = io.BytesIO()
    with mpl.rc_context(RC), legible(figure), names_as_text():
        figure.savefig(buffer, format="png", dpi=300, metadata={"Software": None})
    return buffer.getvalue()


def svg(figure: Figure) -> str:
    """The figure as an SVG element to stand inside a page; equal figures give equal text."""
    import io

    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context(RC), legible(figure), names_as_text():
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return NOT_IN_XML.sub("\ufffd", text[text.index("<svg") :])
