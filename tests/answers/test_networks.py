"""`featgeom networks`: every figure is what the run says, and pairs are compared on the same images alone."""

import csv
import io
import json

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from torch import nn

import featgeom as fg
from featgeom.answers.network_figures import spread
from featgeom.answers.networks_page import networks_page
from featgeom.errors import BadArgument
from featgeom.runs.making import make_run
from featgeom_cli.main import run as featgeom


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Digits by the built-in network, with hulls stored; by one that knows nothing; and other images."""
    folder = tmp_path_factory.mktemp("networks")
    train, test = (fg.load_images("digits", split=split) for split in ("train", "test"))
    sets = {"train": train.take(slice(100)), "test": test.take(slice(80))}
    clf = fg.load_classifier("digits")
    good = fg.analyze(clf, sets, folder / "good", studies=["hulls"])
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.ReLU(), nn.Linear(6, 10))
    poor = make_run(folder / "poor", fg.load_classifier(net, pixels=clf.pixels, classes=clf.classes), sets)
    other = make_run(folder / "other", clf, sets | {"test": test.take(slice(80, 160))})
    return good, poor, other


@pytest.fixture(scope="module")
def found(runs):
    return fg.networks(runs)


def test_a_row_says_what_the_run_says(runs, found):
    for row, run in enumerate(runs):
        test = run.features("test")
        assert found.networks.column("accuracy")[row] == test.accuracy
        low, high = (found.networks.column(f"accuracy, {end}")[row] for end in ("from", "to"))
        interval = binomtest(int((test.predictions == test.labels).sum()), 80).proportion_ci()
        assert (low, high) == pytest.approx((interval.low, interval.high))
        z = run.features("train").features.astype(float)
        assert found.networks.column("spread")[row] == pytest.approx(spread(z))
        radius = fg.Cells(test.head).radius(test.features).radius
        margin = np.median(radius) / spread(z)
        assert found.networks.column("margin / spread")[row] == pytest.approx(margin)
    hulls = runs[0].result("hulls").values
    diameter = hulls["hulls"][0]["diameter"]
    apart = [p["distance"] for p in hulls["pairs"]["correct"] if p["status"] == "SEPARATED"]
    assert found.networks.column("least separation / diameter") == [min(apart) / diameter, None, None]
    assert found.networks.column("hulls apart")[0] == f"{len(apart)} of {len(hulls['pairs']['correct'])}"
    assert "angle to SVM" not in [column.name for column in found.networks.columns]  # no run knows


def test_guarantees_are_counted_exactly(runs, found):
    for row, run in enumerate(runs):
        part, kept, some = run.features("train"), 0, 0
        for c in range(10):
            mine = part.features[part.labels == c]
            some += 1
            kept += fg.Cells(part.head).guarantee(mine, c).status is fg.Status.GUARANTEED
        assert found.networks.column("guaranteed, all")[row] == f"{kept} of {some}"


def test_pairs_are_of_the_same_images_and_tested_pair_by_pair(runs, found):
    (row,) = found.pairs.rows
    said = dict(zip((column.name for column in found.pairs.columns), row, strict=True))
    good, poor = (run.features("test") for run in runs[:2])
    right = [part.predictions == part.labels for part in (good, poor)]
    alone = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    assert (said["A better alone"], said["B better alone"]) == alone
    assert said["accuracy A − B"] == pytest.approx(good.accuracy - poor.accuracy)
    assert said["p (accuracy)"] == pytest.approx(binomtest(alone[0], sum(alone)).pvalue)
    assert said["agree"] == (good.predictions == poor.predictions).mean()
    assert said["p (accuracy)"] < 1e-6


def test_names_tell_networks_apart(runs):
    names = fg.networks([runs[0], runs[2], runs[0]]).networks.column("network")
    assert len(set(names)) == 3


def test_features_of_unknown_images_are_no_pair(tmp_path, caplog):
    z = np.eye(3).repeat(4, axis=0)
    np.savez(
        tmp_path / "f.npz", features=z, labels=np.arange(3).repeat(4), weight=np.eye(3), bias=np.zeros(3)
    )
    run = make_run(tmp_path / "run", str(tmp_path / "f.npz"))
    caplog.set_level("INFO", "featgeom")
    assert fg.networks([run, run], planes=2).pairs.rows == ()
    assert "none are compared image by image or on planes" in caplog.text
    with pytest.raises(BadArgument, match="two runs or more"):
        fg.networks([run])


@pytest.fixture
def page(found, chromium, tmp_path):
    """The page on a narrow screen, which must have nothing to complain of."""
    path = tmp_path / "page.html"
    path.write_text(networks_page(found))
    opened = chromium.new_page(viewport={"width": 360, "height": 800})
    said = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.goto(path.as_uri())
    yield opened
    opened.close()
    assert said == []


def test_the_page_sorts_by_every_column_with_the_keyboard(found, page):
    names = [column.name for column in found.networks.columns]

    def column(name):
        cells = page.locator("table").first.locator(f"tbody tr td:nth-child({names.index(name) + 1})")
        return [cell.get_attribute("data-key") for cell in cells.all()]

    for name in ("accuracy", "least separation / diameter"):
        known = sorted((v for v in found.networks.column(name) if v is not None), reverse=True)
        for order in (known, known[::-1]):
            page.locator("th button").nth(names.index(name)).focus()
            page.keyboard.press("Enter")
            shown = column(name)
            assert [float(v) for v in shown if v] == order
            assert shown[len(known) :] == [""] * (3 - len(known))
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_charts_show_every_network_in_a_colour_of_its_own(found, page):
    assert page.locator("#scatter circle").count() == len(found.networks.rows)
    strokes = page.evaluate(
        "[...document.querySelectorAll('#parallel .row')].map((row) => getComputedStyle(row).stroke)"
    )
    assert len(set(strokes)) == len(found.networks.rows)
    page.locator("#x").select_option(label="NC1")
    page.locator("#y").select_option(label="spread")
    assert page.locator("#scatter").get_attribute("aria-label") == "spread against NC1, 3 networks"
    axes = page.locator("#parallel .axis").count()
    page.locator("summary").click()
    page.locator("#columns input:not(:checked)").first.check()
    assert page.locator("#parallel .axis").count() == axes + 1
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_networks_that_do_not_differ_have_no_empty_chart(runs, chromium, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(networks_page(fg.networks([runs[0], runs[0]])))
    opened = chromium.new_page(viewport={"width": 360, "height": 800})
    opened.goto(path.as_uri())
    assert not opened.locator("#parallel").is_visible()
    assert opened.locator("#nothing").inner_text().startswith("No column of numbers differs")
    opened.locator("summary").click()
    opened.locator("#columns input").first.check()
    assert opened.locator("#parallel .axis").count() == 1
    assert not opened.locator("#nothing").is_visible()
    opened.close()


def test_the_command(runs, found, tmp_path, capsys):
    folders = [str(run.folder) for run in runs]
    assert featgeom(["networks", *folders, "-o", str(tmp_path / "out"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [row["accuracy"] for row in said["result"]["networks"]] == found.networks.column("accuracy")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"networks.html", "networks.csv", "networks.tex", "pairs.csv", "pairs.tex"}
    read = list(csv.DictReader(io.StringIO((tmp_path / "out" / "networks.csv").read_text())))
    assert [float(row["NC4"]) for row in read] == found.networks.column("NC4")
    assert r"\toprule" in (tmp_path / "out" / "networks.tex").read_text()
    assert featgeom(["networks", *folders[:2], "-o", str(tmp_path / "out")]) == 0
    assert "accuracy A − B" in capsys.readouterr().out
    assert featgeom(["networks", folders[0]]) == 2
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    assert featgeom(["networks", *folders, "-o", str(tmp_path / "mine")]) == 2
