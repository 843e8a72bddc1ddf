"""A picture dropped on the live page is explained there; nothing but a picture from the page is taken."""

import io
import json
import threading
from http.client import HTTPConnection
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
from PIL import Image

import featgeom as fg
from featgeom.answers.dropping import explainer
from featgeom.report import posted
from featgeom.report.serve import LOCAL, ViewServer
from featgeom.runs.making import arrays_run


@pytest.fixture(scope="module")
def server(digits):
    with ViewServer(digits, first={"split": "test"}, explain=explainer(digits)) as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def picture():
    """A test image of digits, in 8 bits, as the bytes of a file."""
    pixels = np.rint(fg.load_images("digits", split="test").images[3, 0] * 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def asked(server, content, **headers):
    """What the server answers to a picture, and with which status."""
    ours = {"Origin": server.address.rstrip("/"), "Content-Type": "application/octet-stream"}
    sent = {key.replace("_", "-"): value for key, value in (ours | headers).items() if value is not None}
    try:
        with urlopen(Request(server.address + "explain", content, sent, method="POST")) as answer:
            return answer.status, json.loads(answer.read())
    except HTTPError as refused:
        with refused:
            return refused.code, json.loads(refused.read())


def test_a_picture_is_explained_as_its_file_is(server, digits, picture, tmp_path):
    status, said = asked(server, picture)
    assert status == 200
    (tmp_path / "picture.png").write_bytes(picture)
    (found,) = fg.explain(digits, str(tmp_path / "picture.png"))
    assert said["prediction"] == found.facts["prediction"]
    assert said["rival"] == found.facts["rival"]
    assert said["said"][0] == [f"The network says {found.facts['prediction']}.", False]
    assert sum(proved for _, proved in said["said"]) >= 2
    (mixture,) = (row for row in said["rows"] if row[0].startswith("The mixture"))
    for one, shown in zip(found.mixture, mixture[1], strict=True):
        assert f"(train:{one.row})" in shown["caption"]
    assert len(said["way"]) == len(found.way) == len(found.facts["path"])


def test_a_picture_of_another_size_is_made_to_cover_that_of_the_images_and_it_is_said(server, picture):
    large = io.BytesIO()
    Image.open(io.BytesIO(picture)).resize((60, 40), Image.Resampling.BICUBIC).save(large, "PNG")
    status, said = asked(server, large.getvalue())
    assert status == 200
    sentence = "1 picture was resized from 60x40 to cover 8x8, and the middle taken"
    assert sum(line.startswith(sentence) for line, _ in said["said"]) == 1
    square = io.BytesIO()
    covering = Image.open(large).resize((12, 8), Image.Resampling.BICUBIC).crop((2, 0, 10, 8))
    covering.save(square, "PNG")
    fitted = asked(server, square.getvalue())[1]
    assert said["said"][:3] == fitted["said"][:3]
    assert not any("resized" in line for line, _ in fitted["said"])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": None}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "multipart/form-data; boundary=x"}, 415),
    ],
)
def test_what_is_not_from_the_page_is_refused(server, picture, headers, status):
    assert asked(server, picture, **headers)[0] == status


def test_what_is_no_picture_is_refused_in_a_line(server, picture, monkeypatch):
    for content, words in (
        (b"", "not an image"),
        (b"import os; os.abort()", "not an image"),
        (b"\x80\x04cos\nsystem\n.", "not an image"),  # a pickle
        (picture[:60], "the picture: not an image, or damaged"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
    ):
        status, said = asked(server, content)
        assert status == 400
        assert words in said["error"]
        assert "\n" not in said["error"]
    monkeypatch.setattr(posted, "LARGEST", len(picture) - 1)
    assert asked(server, picture)[0] == 413
    assert asked(server, iter([picture[:30], picture[30:]]))[0] == 413  # whose size is not said
    monkeypatch.undo()
    assert asked(server, picture)[0] == 200  # and goes on


def test_what_does_not_come_to_an_end_is_refused(server, picture, monkeypatch):
    monkeypatch.setattr(posted, "PATIENCE", 0.2)
    slow = HTTPConnection(LOCAL, server.port)
    slow.putrequest("POST", "/explain")
    headers = {
        "Origin": server.address.rstrip("/"),
        "Content-Type": posted.KIND,
        "Content-Length": len(picture),
    }
    for name, value in headers.items():
        slow.putheader(name, str(value))
    slow.endheaders(picture[:20])
    assert slow.getresponse().status == 408
    slow.close()


def test_the_page_cannot_only_be_read(server):
    with pytest.raises(HTTPError) as refused, urlopen(server.address + "explain"):
        pass
    assert refused.value.code == 405
    refused.value.close()


@pytest.fixture
def page(server, open_page):
    return open_page(server.address, allowed=(server.address, "data:"))


@pytest.mark.parametrize("way", ["chosen", "dropped"])
def test_a_picture_is_shown_with_what_is_said_of_it(page, picture, way):
    if way == "chosen":  # as the keyboard reaches it
        page.locator(".fgv-drop input").set_input_files(
            {"name": "my <digit>.png", "mimeType": "image/png", "buffer": picture}
        )
    else:
        page.evaluate(
            """(bytes) => {
              const data = new DataTransfer();
              data.items.add(new File([new Uint8Array(bytes)], "my <digit>.png", { type: "image/png" }));
              for (const kind of ["dragover", "drop"])
                document.querySelector(".fgv-stage").dispatchEvent(
                  new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
            }""",
            list(picture),
        )
    box = page.locator(".fgv-drop")
    box.get_by_text("The network says").wait_for(timeout=120_000)
    assert box.locator("h3").inner_text() == "my <digit>.png"
    assert "certified" in box.inner_text()
    assert "The straight way to the mean of" in box.inner_text()
    pictures = box.locator("img")
    assert pictures.count() > 6
    assert page.evaluate("[...document.querySelectorAll('.fgv-drop img')].every((i) => i.naturalWidth === 8)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1200
    page.get_by_role("button", name="Close").click()
    assert box.locator("img").count() == 0
    assert page.evaluate("document.activeElement.type") == "file"


def test_why_a_file_is_not_explained_is_said(server, chromium):
    page = chromium.new_page(viewport={"width": 360, "height": 800})  # browsers complain of status 400
    page.goto(server.address)
    page.locator(".fgv-drop input").set_input_files(
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"}
    )
    refused = page.locator(".fgv-drop [role=alert]")
    refused.wait_for()
    assert "notes.txt: the picture: not an image" in refused.inner_text()
    page.locator(".fgv-drop input").set_input_files(
        {"name": "big.png", "mimeType": "image/png", "buffer": bytes(posted.LARGEST + 1)}
    )
    page.wait_for_selector("text=big.png: is larger than 20 MB")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.close()


def test_a_run_of_features_alone_takes_no_picture(tmp_path):
    np.savez(tmp_path / "a.npz", features=np.eye(3), labels=[0, 1, 2], weight=np.eye(3), bias=np.zeros(3))
    assert explainer(arrays_run(tmp_path / "run", f"{tmp_path / 'a.npz'}")) is None
