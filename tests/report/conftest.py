"""A real run with images, and a real browser."""

import pytest

from featgeom.analysis import OpenedRun
from featgeom.runs.making import make_run

from ..browser import until


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    run = make_run(tmp_path_factory.mktemp("runs") / "digits", "digits", "digits")
    OpenedRun(run.folder).study("overview")
    return run


@pytest.fixture
def open_page(chromium):
    """Open an address; the page must not complain, nor ask for anything but what is allowed."""
    pages, complaints = [], []

    def open_one(address, width=1200, height=800, scheme="light", allowed=("file:", "data:", "blob:")):
        page = chromium.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        pages.append(page)
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.on("request", lambda r: None if r.url.startswith(allowed) else complaints.append(r.url))
        page.goto(address)
        until(page, "document.querySelector('.fgv').dataset.drawn > 0")
        return page

    yield open_one
    for page in pages:
        page.close()
    real = [c for c in complaints if "GPU stall" not in c and "favicon" not in c]
    assert not real, real
