"""The live page."""

import json
import threading
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest

from featgeom.hulls.hull import ConvexHull
from featgeom.report.serve import LOCAL, ViewServer


@pytest.fixture(scope="module")
def server(digits):
    with ViewServer(digits, first={"split": "test"}) as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def get(server, path):
    with urlopen(server.address + path) as answer:
        return answer.read()


def test_it_listens_to_this_machine_alone(server):
    assert server.address.startswith(f"http://{LOCAL}:")
    with (
        pytest.raises(HTTPError) as refused,
        urlopen(Request(server.address, headers={"Host": "evil.example"})),
    ):
        pass
    assert refused.value.code == 403
    refused.value.close()


def test_a_view_and_classes_can_be_chosen_and_samples_are_answered_for(server, open_page, digits):
    page = open_page(server.address, allowed=(server.address, "data:"))
    page.locator(".fgv-live select[name=view]").select_option("slice")
    page.locator(".fgv-live input[name=classes]").fill("0,1,2,3")
    with page.expect_navigation():
        page.locator(".fgv-live button").click()
    page.wait_for_function("document.querySelector('.fgv').dataset.drawn > 0")
    assert "Exact 3-D slice" in page.locator(".fgv-notes").inner_text()
    with page.expect_navigation():  # what the form says is what is shown, so it can be sent again
        page.locator(".fgv-live button").click()
    page.wait_for_function("document.querySelector('.fgv').dataset.drawn > 0")
    assert page.locator(".fgv-live input[name=classes]").input_value() == "0,1,2,3"
    page.evaluate("featgeomView.select(0)")
    page.wait_for_selector("text=distance to the hull", timeout=120_000)  # kernels are compiled once
    page.wait_for_function("document.querySelector('.fgv-image').naturalWidth === 8")
    page.evaluate("featgeomView.join(0, 1)")
    page.wait_for_selector("text=certified")


def test_hull_distances_are_those_of_the_library(server, digits):
    train, test = digits.features("train"), digits.features("test")
    c = int(test.labels[5])
    mine = (train.labels == c) & (train.predictions == c)
    expected = ConvexHull(train.features[mine]).project(np.asarray(test.features[[5]], float)).distance[0]
    answer = json.loads(get(server, "sample?split=test&row=5"))
    assert answer["facts"][0]["value"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("?classes=0,nobody", 400),
        ("?view=up", 400),
        ("sample?split=test&row=99999", 400),
        ("sample?split=test&row=-1", 400),
        ("sample?split=test", 400),
        ("image?split=none&row=1", 400),
        ("../../etc/passwd", 404),
    ],
)
def test_a_wrong_address_is_refused(server, path, status):
    with pytest.raises(HTTPError) as refused:
        get(server, path)
    assert refused.value.code == status
    refused.value.close()
