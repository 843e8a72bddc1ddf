"""Write the table of studies of README.md from the catalogue: `make format` runs it."""

import re
from pathlib import Path

from featgeom.catalog import STUDIES

README = Path(__file__).parents[1] / "README.md"
PLACE = re.compile(r"(?<=<!-- studies -->\n).*(?=\n<!-- /studies -->)", re.DOTALL)


def filled(text: str) -> str:
    """The README with the table as the catalogue has it."""
    rows = [
        f"| `featgeom {study.name} {'RUN' if study.study else 'CKPT... IMAGES'}` | {study.answers} |"
        for study in STUDIES.values()
    ]
    table = "\n".join(["| command | tells |", "|---|---|", *rows])
    return PLACE.sub(lambda _: table, text)


if __name__ == "__main__":
    README.write_text(filled(README.read_text("utf-8")), "utf-8")
