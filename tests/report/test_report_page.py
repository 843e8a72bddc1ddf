"""The report as a reader meets it: one file, in a real browser, on paper."""

from collections import Counter

import numpy as np
import pytest

from featgeom.analysis import OpenedRun
from featgeom.catalog import STUDIES
from featgeom.proofs.verification import verify_run
from featgeom.report.page import statements, write_report
from featgeom.runs.making import make_run
from featgeom.runs.record import STANDINGS

from ..browser import until


@pytest.fixture(scope="module")
def report(digits):
    return write_report(digits)


def test_the_contents_lead_to_every_section_in_a_readers_order(open_page, report, digits):
    page = open_page(report.as_uri())
    links = page.eval_on_selector_all("nav a", "links => links.map((a) => a.getAttribute('href'))")
    sections = page.eval_on_selector_all("main > section", "all => all.map((s) => '#' + s.id)")
    assert sections == ["#reading", *links]
    assert links[-2:] == ["#in-3d", "#again"]
    studies = [link[1:] for link in links[:-2]]
    assert set(studies) == set(digits.results)
    assert studies == sorted(studies, key=list(STUDIES).index)
    assert STUDIES["overview"].question in page.locator("#overview").inner_text()


def test_it_says_how_much_is_proved_and_how_much_is_estimated(open_page, report, digits):
    said = open_page(report.as_uri()).locator("#reading")
    found = Counter(f.standing for record in digits.results.values() for f in record.findings)
    rows = said.locator(".standings div").all_inner_texts()
    for word, row in zip(STANDINGS, rows, strict=True):
        assert row.split()[:2] == [word, str(found[word])]
    assert f"{statements(digits):,} statements" in said.inner_text()
    assert statements(digits) == sum(verify_run(digits).tally.values())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_it_fits_and_shows_the_picture(open_page, report, width, scheme):
    page = open_page(report.as_uri(), width=width, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("#in-3d canvas").bounding_box()["height"] > 250
    assert page.locator("#in-3d .fgv-legend").is_visible()


def test_the_wheel_scrolls_the_report_until_the_picture_is_chosen(open_page, report):
    page = open_page(report.as_uri())
    page.locator("#in-3d canvas").scroll_into_view_if_needed()
    page.locator("#in-3d canvas").hover()
    page.mouse.wheel(0, -200)
    assert page.evaluate("featgeomView.camera.distance") == 1
    page.locator("#in-3d canvas").focus()
    page.mouse.wheel(0, -200)
    until(page, "featgeomView.camera.distance < 1")


def test_on_paper_every_table_is_open_and_the_picture_keeps_its_shape(open_page, report):
    page = open_page(report.as_uri())
    shape = page.evaluate("featgeomView.canvas.clientWidth / featgeomView.canvas.clientHeight")
    page.emulate_media(media="print")
    tables = page.locator("details table")
    assert tables.count() > 3
    assert all(tables.nth(k).is_visible() for k in range(tables.count()))
    box = page.locator("#in-3d canvas").bounding_box()
    assert box["width"] / box["height"] == pytest.approx(shape, rel=0.02)
    assert not page.locator(".fgv-tools").is_visible()


def test_a_drawing_is_nothing_but_a_drawing_to_a_browser(open_page, report):
    """What `drawing_fault` lets through is read by a browser as it is by it, and stays inside its frame."""
    page = open_page(report.as_uri())
    drawn = page.evaluate("""() => [...document.querySelectorAll('.canvas')].map((frame) => ({
        roots: [...frame.childNodes].filter((n) => n.nodeType !== 3).map((n) => n.nodeName),
        beside: [...frame.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data.trim()).join(''),
        inside: [...new Set([...frame.querySelectorAll('*')].map((n) => n.namespaceURI))],
        overflow: getComputedStyle(frame.firstElementChild).overflow,
    }))""")
    assert len(drawn) == report.read_text("utf-8").count("<svg") > 2
    svg = "http://www.w3.org/2000/svg"
    wanted = {"roots": ["svg"], "beside": "", "inside": [svg], "overflow": "hidden"}
    assert all(one == wanted for one in drawn), drawn


def test_it_prints(open_page, report):
    printed = open_page(report.as_uri()).pdf()
    assert printed.startswith(b"%PDF")
    assert 3 <= printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page/") <= 30


def test_it_is_small(report):
    assert report.stat().st_size < 2_000_000


def test_long_tables_are_closed_and_can_be_sorted_and_searched(open_page, tmp_path):
    rng = np.random.default_rng(4)
    labels = np.repeat(np.arange(12), 4)
    arrays = {"weight": np.eye(12, dtype=np.float32), "bias": np.zeros(12), "labels": labels}
    arrays["features"] = (3 * np.eye(12)[labels] + rng.random((48, 12))).astype(np.float32)
    np.savez(tmp_path / "features.npz", **arrays)
    run = OpenedRun(make_run(tmp_path / "run", str(tmp_path / "features.npz"), None).folder)
    known = {table.title: table for table in run.study("overview").tables}
    page = open_page(run.report().as_uri())
    assert run.verify().holds
    long = []
    for block in page.locator("#overview > details").all():
        title = next(text for text in known if block.locator("summary").inner_text().startswith(text))
        assert block.locator("tbody tr").count() == len(known[title].rows)
        if len(known[title].rows) > 20:
            assert block.get_attribute("open") is None
            long.append((block, known[title]))
        assert block.locator("input[type=search]").count() == (len(known[title].rows) > 20)
    block, table = long[0]
    block.locator("summary").click()
    column = [column.name for column in table.columns].index("worst margin")
    wanted = sorted(table.column("worst margin"))
    for order in (wanted, wanted[::-1]):
        block.locator("th").nth(column).click()
        cells = block.locator(f"tbody tr td:nth-child({column + 1})")
        assert [float(text) for text in cells.all_inner_texts()] == pytest.approx(order, rel=1e-3)
    block.locator("input[type=search]").fill("11 correct")
    shown = sum(row.is_visible() for row in block.locator("tbody tr").all())
    wanted = sum(all(word in " ".join(row) for word in ("11", "correct")) for row in table.cells())
    assert 0 < shown == wanted < len(table.rows)
