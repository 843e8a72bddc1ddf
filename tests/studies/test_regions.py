"""The study of regions: what it stores is proved, and its figures are those of the floors below."""

import json

import numpy as np
import pytest

from featgeom import Cells, open_run
from featgeom.runs.making import arrays_run
from featgeom_cli.main import run as featgeom_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("regions")
    rng = np.random.default_rng(11)
    labels = rng.integers(4, size=400)
    features = np.maximum(0, 3 * np.eye(4)[labels] + rng.standard_normal((400, 4))).astype(np.float32)
    arrays = {"weight": np.eye(4, dtype=np.float32), "bias": np.zeros(4, dtype=np.float32)}
    for split, part in (("train", slice(300)), ("test", slice(300, None))):
        arrays |= {f"features_{split}": features[part], f"labels_{split}": labels[part]}
    np.savez(folder / "features.npz", **arrays)
    made = arrays_run(folder / "run", str(folder / "features.npz"))
    assert featgeom_run(["regions", str(made.folder), "--quiet"]) == 0
    return open_run(made.folder)


def test_all_that_is_claimed_is_proved(run):
    found = run.verify()
    assert found.tally["PROVED"] > 100
    assert (found.tally["REFUTED"], found.tally["UNDECIDED"]) == (0, 0)


def test_the_record_says_what_the_cells_say(run):
    record = run.result("regions")
    assert record.values["domain"] == "orthant"
    graph = Cells(run.features("train").head, "orthant").adjacency()
    assert {tuple(e) for e in record.arrays["edges"].tolist()} == set(graph.edges)
    inside = record.arrays["test_inside"]
    assert record.values["inside"]["inside"] == inside.sum() > 0
    test = run.features("test")
    assert (test.predictions[inside] == test.head.classify(test.features[inside])).all()
    assert record.table("cells").column("share of the box")[0] == pytest.approx(25, abs=8)
    borders = record.arrays["borders"]
    assert borders.sum() == 2 * len(test)


def test_the_report_shows_it(run):
    page = run.report().read_text()
    assert "Regions of the feature domain" in page
    assert (run.folder / "figures" / "regions-neighbours.svg").exists()
    assert (run.folder / "figures" / "regions-shares.svg").exists()


def test_json(run, capsys):
    assert featgeom_run(["regions", str(run.folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["result"]["study"] == "regions"


def test_many_classes_have_a_picture_too(run):
    from dataclasses import replace

    from featgeom.figures.regions import draw

    record = replace(run.result("regions"), values={**run.result("regions").values, "classes": 40})
    (drawing,) = draw(record, tuple(map(str, range(40))))
    assert drawing.name == "regions-neighbours"
