"""The study of boundaries, from the command line to its pictures."""

import json
import shutil
from types import SimpleNamespace

import networkx as nx
import numpy as np
import pytest

import featgeom as fg
from featgeom.catalog import STUDIES
from featgeom.figures.boundaries import draw
from featgeom.figures.style import svg
from featgeom.studies import slices
from featgeom.studies.boundaries import boundary_pairs
from featgeom_cli.main import run


@pytest.fixture(scope="module")
def digits_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "digits"
    assert run(["extract", "digits", "-o", str(folder), "--quiet"]) == 0
    assert run(["boundaries", str(folder), "--quiet", "--slice", "2,3,8", "--slice", "#1,4,#9"]) == 0
    return fg.open_run(folder)


def test_distances_are_those_of_flip_points(digits_run):
    record = digits_run.result("boundaries")
    question = digits_run.features("test")
    z = np.asarray(question.features, np.float64)
    assert record.values["domain"] == "orthant"
    assert z.min() >= 0
    every = fg.flip_points(question.head, z[:40], "every", "orthant")
    np.testing.assert_allclose(record.arrays["distance"][:40], every.distance.min(axis=1), rtol=1e-9)
    np.testing.assert_array_equal(record.arrays["prediction"], question.predictions)
    assert (record.arrays["lower_bound"] <= record.arrays["distance"]).all()


def test_tables_add_up(digits_run):
    record = digits_run.result("boundaries")
    n = len(digits_run.features("test").labels)
    pairs = record.table("pairs")
    assert sum(pairs.column("samples of the first")) + sum(pairs.column("of the second")) == n
    calibration = record.table("calibration")
    share = np.dot(calibration.column("samples"), calibration.column("accuracy")) / n
    assert share == pytest.approx(digits_run.features("test").accuracy)
    distances = record.table("ambiguous").column("distance")
    assert distances == sorted(record.arrays["distance"])[: len(distances)]
    assert record.table("directions").column("samples")[0] == n


def test_a_pair_of_classes_counts_the_samples_on_both_sides_of_its_boundary(rng):
    classes, distance = rng.integers(0, 6, (80, 2)), rng.random(80)
    classes = classes[classes[:, 0] != classes[:, 1]]
    distance = distance[: len(classes)]
    distance[::9] = np.inf
    flips = SimpleNamespace(classes=classes, distance=distance)
    seen = {}
    for (own, rival), far in zip(classes.tolist(), distance.tolist(), strict=True):
        if np.isfinite(far):
            a, b = min(own, rival), max(own, rival)
            seen.setdefault((a, b), ([], []))[own == b].append(far)
    found = boundary_pairs(flips, 6)
    assert {pair.classes: pair.counts for pair in found} == {k: tuple(map(len, v)) for k, v in seen.items()}
    assert [pair.count for pair in found] == sorted((pair.count for pair in found), reverse=True)
    for pair in found:
        both = [*seen[pair.classes][0], *seen[pair.classes][1]]
        assert (pair.least, pair.mean) == (min(both), pytest.approx(np.mean(both)))
    assert boundary_pairs(SimpleNamespace(classes=classes, distance=np.full(len(classes), np.inf)), 6) == []


def test_the_graph_can_be_read_elsewhere(digits_run):
    graph = nx.read_graphml(digits_run.folder / "results" / "boundaries.graphml")
    assert set(graph) <= set(digits_run.classes)
    n = len(digits_run.features("test").labels)
    assert sum(edge["samples"] for *_, edge in graph.edges(data=True)) == n


def test_slices_hold_what_they_are_drawn_through(digits_run):
    record = digits_run.result("boundaries")
    assert [s["names"] for s in record.values["slices"]] == [["2", "3", "8"], ["#1", "4", "#9"]]
    for stored in record.values["slices"]:
        u0, v0, u1, v1 = stored["window"]
        assert all(u0 < u < u1 and v0 < v < v1 for u, v in stored["points"])
        areas = 0.0
        for ring in stored["polygons"].values():
            x, y = np.array(ring).T
            areas += (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2
        assert areas == pytest.approx((u1 - u0) * (v1 - v0))
        for trace in stored["traces"].values():
            assert trace["gap"] >= 0


def test_every_picture_is_in_the_report(digits_run):
    record = digits_run.result("boundaries")
    report = (digits_run.folder / "report.html").read_text()
    drawings = draw(record, digits_run.classes)
    assert {"boundaries-slice-0", "boundaries-slice-1", "boundaries-ambiguous"} <= {d.name for d in drawings}
    for drawing in drawings:
        assert (digits_run.folder / "figures" / f"{drawing.name}.svg").exists()
        assert drawing.caption.split(" {")[0][:40] in report
        for name in ("2", "3", "8"):
            assert drawing.name != "boundaries-slice-0" or f">{name}<" in svg(drawing.figure)


def test_claims_of_the_study_are_proved(digits_run):
    record = STUDIES["boundaries"].make(digits_run, slices=(("2", "3", "8"),))
    assert {"nearest", "means", "slice-0"} <= set(record.claims)
    for name, claim in record.claims.items():
        assert set(claim.check().tally) == {"PROVED"}, name


def test_triples_are_chosen_where_none_are_named(digits_run):
    record = STUDIES["boundaries"].make(digits_run, traces=False)
    assert len(record.values["slices"]) == 2
    assert all(not s["traces"] for s in record.values["slices"])
    first = record.table("pairs").rows[0]
    assert {first[0], first[1]} <= set(record.values["slices"][0]["names"])


@pytest.mark.parametrize(
    ("slice_", "message"),
    [
        ("1,2", "three classes or samples"),
        ("1,2,twelve", "unknown class 'twelve'"),
        ("1,2,#99999", "no sample #99999"),
        ("1,1,2", "lie on a line"),
    ],
)
def test_wrong_slices(digits_run, slice_, message, capsys):
    assert run(["boundaries", str(digits_run.folder), "--slice", slice_]) == 2
    assert message in capsys.readouterr().err


def test_json(digits_run, capsys):
    assert run(["boundaries", str(digits_run.folder), "--json", "--no-traces", "--slice", "2,3,8"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["result"]["study"] == "boundaries"


def test_two_classes_from_a_file(tmp_path):
    """A head with two classes has no triple to slice through; everything else is told."""
    rng = np.random.default_rng(0)
    z, w = rng.normal(size=(60, 3)), rng.normal(size=(2, 3))
    np.savez(tmp_path / "two.npz", features=z, labels=(z @ w.T).argmax(1), weight=w, bias=np.zeros(2))
    folder = tmp_path / "run"
    assert run(["analyze", str(tmp_path / "two.npz"), "-o", str(folder), "--quiet"]) == 0
    assert run(["boundaries", str(folder), "--quiet"]) == 0
    record = fg.open_run(folder).result("boundaries")
    assert record.values["slices"] == []
    assert record.values["directions"]["rank"] == 1
    assert record.values["domain"] == "space"


def test_real_features(real_data, tmp_path):
    folder = tmp_path / "run"
    assert run(["analyze", str(real_data / "features" / "resnet20.npz"), "-o", str(folder), "--quiet"]) == 0
    assert run(["boundaries", str(folder), "--quiet", "--slice", "3,5,7"]) == 0
    record = fg.open_run(folder).result("boundaries")
    assert record.values["rank_correlation"] > 0.99
    # the nearest hyperplane, whatever the domain, is nearly always that of the nearest boundary
    head = fg.open_run(folder).features("test").head
    logits = head.logits(np.load(real_data / "features" / "resnet20.npz")["features_test"])
    own, rows = logits.argmax(axis=1), np.arange(len(logits))
    gap = np.linalg.norm(head.weight[own][:, None] - head.weight, axis=2)
    gap[rows, own] = 1.0
    plane = (logits[rows, own][:, None] - logits) / gap
    plane[rows, own] = np.inf
    assert (plane.min(axis=1) <= record.arrays["distance"] * (1 + 1e-9)).all()
    assert (plane.argmin(axis=1) == record.arrays["rival"]).mean() > 0.99
    gaps = [trace["gap"] for trace in record.values["slices"][0]["traces"].values()]
    assert len(gaps) == 3
    assert max(gaps) < 0.1


def test_traces_take_no_more_work_in_more_dimensions(digits_run, tmp_path, monkeypatch):
    """Of hulls of a thousand points in 2,048 dimensions they would hold up the study for half an hour."""
    assert slices.trace_pivots(5000, 64) == slices.trace_pivots(5000, 200) == slices.TRACE_PIVOTS
    assert slices.trace_pivots(50, 2048) * 2048**2 <= slices.TRACE_WORK
    assert slices.trace_pivots(1280, 2048) == 1
    monkeypatch.setattr(slices, "TRACE_WORK", 64**2)
    copy = fg.open_run(shutil.copytree(digits_run.folder, tmp_path / "copy"))
    record = copy.study("boundaries")
    traces = [trace for one in record.values["slices"] for trace in one["traces"].values()]
    assert len(traces) == 6
    assert all(trace["gap"] == np.inf and not trace["inner"] for trace in traces)
    said = [finding.text for finding in record.findings]
    assert "Of 6 traces of class hulls on the slices 6 were not found within the work allowed." in said
    copy.report()
    assert copy.verify().holds


@pytest.mark.parametrize("norm", ["1", "inf", "mahalanobis"])
def test_distances_in_another_norm(norm, tmp_path, capsys):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 30)
    features = np.abs(3 * np.eye(3)[labels] + rng.normal(size=(90, 3))).astype(np.float32)
    np.savez(tmp_path / "f.npz", features=features, labels=labels, weight=np.eye(3), bias=np.zeros(3))
    made = fg.analyze(tmp_path / "f.npz", out=tmp_path / "run")
    assert run(["boundaries", str(made.folder), "--norm", norm, "--quiet"]) == 0
    record = made.result("boundaries")
    measure = norm
    if norm == "mahalanobis":
        means = np.stack([features[labels == c].astype(float).mean(axis=0) for c in range(3)])
        within = np.cov((features - means[labels]).T, bias=True)
        measure = fg.mahalanobis(within + 1e-3 * np.trace(within) / 3 * np.eye(3))
    found = fg.flip_points(fg.AffineHead(np.eye(3)), features, None, "orthant", measure)
    np.testing.assert_allclose(record.arrays["distance"], found.distance, rtol=1e-6)
    name = {"1": "L1", "inf": "Linf"}.get(norm, "Mahalanobis")
    assert f"in the {name} norm" in record.findings[0].text
    assert record.table("ambiguous").columns[4].unit == f"{name} distance"
    assert made.verify().refuted == 0
    assert not made.check(5).differing
    drawn = {one.name: one.figure for one in draw(record, made.classes)}
    assert f"{name} distance" in drawn["boundaries-confidence"].axes[0].get_xlabel()
    assert run(["boundaries", str(made.folder), "--norm", "3", "--quiet"]) == 2
    assert "expected one of 1, 2, inf, mahalanobis" in capsys.readouterr().err
