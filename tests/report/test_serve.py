"""The live page."""

import json
import threading
import time
from contextlib import ExitStack
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest

from featgeom.hulls.hull import ConvexHull
from featgeom.report.between import FRAMES, address
from featgeom.report.serve import LOCAL, ViewServer
from featgeom.runs.making import arrays_run
from featgeom.runs.run import Run

from ..browser import until


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
    until(page, "document.querySelector('.fgv').dataset.drawn > 0")
    assert "Exact 3-D slice" in page.locator(".fgv-notes").inner_text()
    with page.expect_navigation():  # what the form says is what is shown, so it can be sent again
        page.locator(".fgv-live button").click()
    until(page, "document.querySelector('.fgv').dataset.drawn > 0")
    assert page.locator(".fgv-live input[name=classes]").input_value() == "0,1,2,3"
    page.evaluate("featgeomView.select(0)")
    page.wait_for_selector("text=distance to the hull", timeout=120_000)  # kernels are compiled once
    until(page, "document.querySelector('.fgv-image').naturalWidth === 8")
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
        ("inversion?split=test&from=0", 400),
        ("inversion?split=test&from=0&to=99999", 400),
        ("image?split=none&row=1", 400),
        ("../../etc/passwd", 404),
    ],
)
def test_a_wrong_address_is_refused(server, path, status):
    with pytest.raises(HTTPError) as refused:
        get(server, path)
    assert refused.value.code == status
    refused.value.close()


def waited(server, path, seconds=120):
    """What an inversion has found when it has come to its end."""
    for _ in range(10 * seconds):
        answer = json.loads(get(server, path))
        if answer["state"] != "working":
            return answer
        assert len(answer["frames"]) < answer["of"]
        time.sleep(0.1)
    raise AssertionError(f"still working after {seconds} s: {answer['said']}")


def test_images_along_a_segment_have_the_features_they_are_said_to_have(server, digits):
    answer = waited(server, "inversion?split=test&from=3&to=8")
    assert answer["state"] == "done"
    assert len(answer["frames"]) == answer["of"]
    test = digits.features("test")
    z = np.asarray(test.features[[3, 8]], float)
    first = answer["frames"][0]
    assert first["found"]
    assert first["residual"] < 1e-5
    assert first["image"] == address(digits.images("test").pixels([3]))
    for frame in answer["frames"]:
        if frame["found"]:
            on_segment = z[:1] + frame["t"] * (z[1:] - z[:1])
            assert frame["class"] == test.head.classify(on_segment)[0]
            assert frame["residual"] <= 1e-6
        else:
            assert frame["residual"] > 1e-6


def test_the_segment_asked_for_last_is_followed(server):
    get(server, "inversion?split=test&from=1&to=2")
    later = waited(server, "inversion?split=test&from=5&to=5")
    assert later["state"] == "done"
    assert all(frame["found"] for frame in later["frames"])  # a segment of no length is the sample itself


def test_keys_alone_lead_to_the_images_along_a_segment(server, open_page):
    page = open_page(server.address, allowed=(server.address, "data:"))
    page.locator(".fgv-stage canvas").focus()
    for key in "nsns":
        page.keyboard.press(key)
    page.wait_for_selector("text=certified")
    assert page.locator(".fgv-crossings button").inner_text() == "Images along it"
    page.keyboard.press("i")
    page.wait_for_selector(".fgv-crossings progress")
    page.wait_for_selector("text=read again by the network", timeout=120_000)
    frames = page.locator(".fgv-between figure")
    assert frames.count() == FRAMES
    until(page, "[...document.querySelectorAll('.fgv-between img')].every((i) => i.naturalWidth === 8)")
    assert "t 0.00" in frames.first.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1200
    page.keyboard.press("Escape")
    assert frames.count() == 0


@pytest.fixture
def served():
    """Serve a run while a test lasts."""
    with ExitStack() as stack:

        def start(run):
            made = stack.enter_context(ViewServer(run))
            threading.Thread(target=made.serve_forever, daemon=True).start()
            return made

        yield start


def test_without_a_checkpoint_the_page_says_so(served, open_page, tmp_path):
    rng = np.random.default_rng(0)
    weight, features = rng.normal(size=(4, 6)), rng.normal(size=(80, 6))
    labels = (features @ weight.T).argmax(1)
    np.savez(tmp_path / "a.npz", features=features, labels=labels, weight=weight, bias=np.zeros(4))
    server = served(arrays_run(tmp_path / "run", f"{tmp_path / 'a.npz'}"))
    answer = waited(server, "inversion?split=all&from=0&to=1")
    assert answer["state"] == "refused"
    assert "features alone" in answer["said"]
    page = open_page(server.address, allowed=(server.address, "data:"))
    page.evaluate("featgeomView.join(0, 1)")
    page.wait_for_selector("text=made from features alone")
    assert page.locator(".fgv-crossings button").count() == 0


def test_a_checkpoint_that_is_gone_is_named(served, open_page, digits):
    moved = Run(digits.folder)
    moved.asked["model"]["source"] = {"path": "gone.pth", "arch": None}
    server = served(moved)
    page = open_page(server.address, allowed=(server.address, "data:"))
    page.evaluate("featgeomView.join(0, 1)")
    page.locator("button", has_text="Images along it").click()
    page.wait_for_selector("text=There are no images along it")
    assert "gone.pth" in page.locator(".fgv-crossings").inner_text()
