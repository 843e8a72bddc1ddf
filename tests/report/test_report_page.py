"""The report as a reader meets it: one file, in a real browser, on paper."""

from collections import Counter

import pytest

from featgeom.catalog import STUDIES
from featgeom.report.page import statements, write_report
from featgeom.runs.record import STANDINGS
from featgeom.runs.verification import verify_run


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
    page.wait_for_function("featgeomView.camera.distance < 1")


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


def test_it_prints(open_page, report):
    printed = open_page(report.as_uri()).pdf()
    assert printed.startswith(b"%PDF")
    assert 3 <= printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page/") <= 30


def test_it_is_small(report):
    assert report.stat().st_size < 2_000_000
