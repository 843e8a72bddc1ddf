"""Names of classes in one text, as they are typed: separated by commas, with quotes where one has a comma."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from featgeom.errors import BadArgument


def read_names(text: str | None) -> tuple[str, ...]:
    """The names in a text such as cat,dog or "tench, Tinca tinca",goldfish; none where there is no text.

    >>> read_names('"tench, Tinca tinca", goldfish')
    ('tench, Tinca tinca', 'goldfish')
    """
    if not text:
        return ()
    try:
        (row,) = csv.reader([text], skipinitialspace=True, strict=True)
    except (csv.Error, ValueError):
        raise BadArgument(
            f"expected NAME,NAME,... with quotes around a name with a comma, got '{text}'"
        ) from None
    return tuple(name.strip() for name in row)


def written_names(names: Sequence[str]) -> str:
    """The text that `read_names` reads again.

    >>> written_names(("a", "b, c"))
    'a,"b, c"'
    """
    content = io.StringIO()
    csv.writer(content, lineterminator="").writerow(names)
    return content.getvalue()
