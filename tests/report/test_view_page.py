"""The page as a reader meets it, in a real browser, with no network."""

import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from featgeom.analysis import OpenedRun
from featgeom.boundaries.crossings import crossings
from featgeom.figures.scene_of import scene_of_run
from featgeom.report.view import write_view
from featgeom_cli.main import run as command


@pytest.fixture(scope="session")
def page_file(digits, tmp_path_factory):
    scene = scene_of_run(digits, "decision")
    return write_view(scene, digits, tmp_path_factory.mktemp("page") / "view.html")


@pytest.fixture
def page(open_page, page_file):
    return open_page(page_file.as_uri())


def pixels(page, selector=".fgv-stage canvas"):
    picture = page.locator(selector).screenshot()
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"), int)


def settled(page):
    """Wait until what was asked for last has been drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def place(page, sample):
    """Where a sample is on the screen."""
    box = page.locator(".fgv-stage canvas").bounding_box()
    x, y, _ = page.evaluate(f"featgeomView.onScreen(featgeomView.scene.samples.places, {3 * sample})")
    return box["x"] + x, box["y"] + y


def visible_sample(page):
    """A sample that a click on its place chooses, so none lies before it."""
    return page.evaluate(
        """() => { const v = featgeomView, s = v.scene.samples;
        for (let i = 0; i < s.label.length; i++) {
          const at = v.onScreen(s.places, 3 * i); if (v.nearest(at[0], at[1]) === i) return i; } }"""
    )


def test_everything_is_drawn_and_can_be_read(page, digits):
    picture = pixels(page)
    ground = picture[2, 2]
    assert (np.abs(picture - ground).max(axis=2) > 12).mean() > 0.1
    scene = json.loads(page.locator("#view-scene").text_content())
    legend = page.locator(".fgv-legend").inner_text()
    words = page.locator(".fgv-overlay").text_content()
    for c in scene["chosen"]:
        assert scene["names"][c] in legend
        assert scene["names"][c] in words
    assert "decision axis 1" in words
    assert "% of the variance" in page.locator(".fgv-notes").inner_text()
    assert page.locator(".fgv-legend").is_visible()


def test_the_same_page_looks_the_same_twice(page, open_page, page_file):
    difference = np.abs(pixels(page) - pixels(open_page(page_file.as_uri()))).max(axis=2)
    assert (difference > 24).mean() < 0.002


def test_a_drag_turns_the_picture(page):
    before = pixels(page)
    box = page.locator(".fgv-stage canvas").bounding_box()
    x, y = box["x"] + 60, box["y"] + 60
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 150, y + 40, steps=5)
    page.mouse.up()
    settled(page)
    assert (np.abs(pixels(page) - before).max(axis=2) > 24).mean() > 0.05


def test_a_switch_hides_a_hull_and_brings_it_back(page):
    before = pixels(page)
    box = page.locator(".fgv-legend input[data-kind=hull]").first
    box.uncheck()
    settled(page)
    without = pixels(page)
    changed = (np.abs(without - before).max(axis=2) > 16).mean()
    assert 0.005 < changed < 0.5
    box.check()
    settled(page)
    assert (np.abs(pixels(page) - before).max(axis=2) > 16).mean() < 0.002


def test_a_click_shows_the_sample_with_its_image(page, digits):
    i = visible_sample(page)
    page.mouse.click(*place(page, i))
    row = page.evaluate(f"featgeomView.scene.samples.rows[{i}]")
    card = page.locator(".fgv-card").inner_text()
    test = digits.features("test")
    assert f"Sample {row} of test" in card
    facts = [line.strip() for line in card.splitlines() if line.strip()]
    assert facts[facts.index("label") + 1] == digits.classes[test.labels[row]]
    assert facts[facts.index("predicted") + 1] == digits.classes[test.predictions[row]]
    distance = float(facts[facts.index("nearest boundary") + 1].split()[0])
    stored = digits.result("overview").arrays["test_distance"][row]
    assert distance == pytest.approx(stored, rel=1e-3)
    shown = pixels(page, ".fgv-image")
    image = digits.images("test").pixels([row])[0, 0]
    size = shown.shape[0] // 8
    seen = shown[size // 2 :: size, size // 2 :: size, 0][:8, :8] / 255
    assert np.abs(seen - image).max() < 0.08


def test_a_drag_between_samples_gives_the_exact_crossings(page, digits):
    first = visible_sample(page)
    page.mouse.click(*place(page, first))
    other = page.evaluate(
        f"""() => {{ const v = featgeomView, s = v.scene.samples, a = s.label[{first}];
        for (let i = 0; i < s.label.length; i++) {{ const at = v.onScreen(s.places, 3 * i);
          if (s.label[i] !== a && v.nearest(at[0], at[1], 14) === i) return i; }} }}"""
    )
    page.mouse.move(*place(page, first))
    page.mouse.down()
    page.mouse.move(*place(page, other), steps=6)
    page.mouse.up()
    settled(page)
    pieces = page.evaluate("featgeomView.segment.pieces")
    rows = [page.evaluate(f"featgeomView.scene.samples.rows[{i}]") for i in (first, other)]
    test = digits.features("test")
    z = np.asarray(test.features[rows], float)
    cells, t = crossings(test.head, z[:1], z[1:]).path(0)
    assert [p["class"] for p in pieces] == list(cells)
    np.testing.assert_allclose([p["enters"] for p in pieces[1:]], t, atol=1e-4)
    assert "Segment from sample" in page.locator(".fgv-crossings").inner_text()


def test_the_keyboard_does_everything(page):
    page.locator(".fgv-stage canvas").focus()
    turn = page.evaluate("featgeomView.camera.turn")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("featgeomView.camera.turn") != turn
    page.keyboard.press("n")
    first = page.evaluate("featgeomView.selected")
    page.keyboard.press("s")
    page.keyboard.press("n")
    page.keyboard.press("s")
    assert page.evaluate("[featgeomView.segment.from, featgeomView.segment.to]") == [first, first + 1]
    page.keyboard.press("h")
    assert not page.locator(".fgv-legend input[data-kind=hull]").first.is_checked()
    page.keyboard.press("?")
    assert page.locator(".fgv-help").is_visible()
    page.keyboard.press("Escape")
    assert page.evaluate("featgeomView.selected") == -1
    assert not page.locator(".fgv-help").is_visible()
    page.keyboard.press("z")
    assert page.evaluate("featgeomView.camera.turn") == [0, 0, 0, 1]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_it_fits_narrow_and_wide_light_and_dark(open_page, page_file, width, scheme):
    page = open_page(page_file.as_uri(), width=width, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert (np.median(pixels(page)) < 80) == (scheme == "dark")
    assert page.locator(".fgv-stage canvas").bounding_box()["height"] > 300


def test_where_there_is_no_webgl_the_page_says_so(chromium, page_file):
    page = chromium.new_page()
    page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    page.goto(page_file.as_uri())
    assert "no WebGL" in page.locator(".fgv-none").inner_text()
    page.close()


def test_a_sample_shows_what_the_study_of_hulls_has_stored(digits, open_page, tmp_path):
    run = OpenedRun(shutil.copytree(digits.folder, tmp_path / "run"), digits.held)
    stored = run.study("hulls").arrays
    scene = scene_of_run(run, "decision")
    page = open_page(write_view(scene, run, tmp_path / "a.html").as_uri())
    i = int(np.flatnonzero(~scene.samples.wrong)[0])
    page.evaluate(f"featgeomView.select({i})")
    facts = [line.strip() for line in page.locator(".fgv-card").inner_text().splitlines() if line.strip()]
    at = next(k for k, text in enumerate(facts) if text.startswith("distance to the hull of its class"))
    assert float(facts[at + 1]) == pytest.approx(stored["test_own_correct"][scene.samples.rows[i]], rel=1e-3)


def test_a_page_can_hold_several_views(digits, open_page, tmp_path):
    path = tmp_path / "views.html"
    words = ["view", str(digits.folder), "--html", str(path), "--projection", "decision,slice,pca"]
    assert command(words) == 0
    page = open_page(path.as_uri())
    first = pixels(page)
    select = page.locator(".fgv-panel select")
    assert select.locator("option").all_inner_texts() == ["decision", "slice", "pca"]
    select.select_option("1")
    settled(page)
    assert "Exact 3-D slice" in page.locator(".fgv-notes").inner_text()
    assert (np.abs(pixels(page) - first).max(axis=2) > 24).mean() > 0.05
    page.locator(".fgv-stage canvas").focus()
    for _ in range(2):  # past the last one, and so back to the first
        page.keyboard.press("v")
    assert page.evaluate("document.activeElement === featgeomView.canvas")  # the keys go on working
    page.evaluate("document.activeElement.blur()")  # without the frame of what has the focus
    settled(page)
    assert "Decision-exact view" in page.locator(".fgv-notes").inner_text()
    assert (np.abs(pixels(page) - first).max(axis=2) > 24).mean() < 0.002
    page.evaluate("featgeomView.select(0)")
    assert page.locator(".fgv-card .fgv-image").is_visible()


def test_several_views_are_for_pages_alone(digits, tmp_path, capsys):
    words = ["view", str(digits.folder), "--png", str(tmp_path / "a.png"), "--projection", "pca,lda"]
    assert command(words) == 2
    assert "--html alone" in capsys.readouterr().err
    assert not (tmp_path / "a.png").exists()


def test_the_file_is_small(page_file):
    assert page_file.stat().st_size < 1_000_000
