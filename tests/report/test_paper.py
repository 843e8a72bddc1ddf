"""What goes into a paper."""

import csv

import numpy as np
import pytest
from PIL import Image

from featgeom.report.paper import write_paper
from featgeom_cli.main import run as command


@pytest.fixture(scope="module")
def files(digits):
    return {path.name: path for path in write_paper(digits)}


def test_every_figure_is_a_pdf_and_a_png_and_every_table_is_there_twice(files, digits):
    record = digits.result("overview")
    assert {f"overview-{t.name}.{end}" for t in record.tables for end in ("csv", "tex")} <= set(files)
    assert all(path.read_bytes().startswith(b"%PDF") for path in files.values() if path.suffix == ".pdf")
    pdfs = {path.stem for path in files.values() if path.suffix == ".pdf"}
    pngs = {path.stem: path for path in files.values() if path.suffix == ".png"}
    assert len(pdfs) >= 3
    assert set(pngs) == pdfs
    for path in pngs.values():
        with Image.open(path) as picture:
            picture.load()
            assert min(picture.size) > 500
            assert len(picture.convert("RGB").getcolors(1 << 20)) > 10


def test_csv_keeps_every_row_and_digit(files, digits):
    table = digits.result("overview").table("distance-test")
    with files["overview-distance-test.csv"].open(newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) == len(table.rows) + 1
    stored = [float(row[-1]) for row in rows[1:] if row[-1]]
    np.testing.assert_array_equal(stored, [v for v in table.column("greatest") if v is not None])


def test_latex_is_plain_letters_and_balanced(files):
    for path in files.values():
        if path.suffix == ".tex":
            text = path.read_text()
            assert text.isascii(), [c for c in text if not c.isascii()]
            assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
            widths = {row.count(" & ") for row in text.splitlines() if row.endswith(r" \\")}
            assert len(widths) == 1


def test_the_same_run_gives_the_same_bytes(files, digits):
    before = {name: path.read_bytes() for name, path in files.items()}
    assert {path.name: path.read_bytes() for path in write_paper(digits)} == before


def test_the_command_writes_them(digits, capsys):
    assert command(["report", str(digits.folder), "--paper"]) == 0
    assert capsys.readouterr().out.strip().endswith("report.html")
