"""The report as a reader meets it: one file, in a real browser, on paper."""

import pytest

from featgeom.report.page import write_report


@pytest.fixture(scope="module")
def report(digits):
    return write_report(digits)


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


def test_it_is_small(report):
    assert report.stat().st_size < 2_000_000
