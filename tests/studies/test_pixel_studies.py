"""The studies that need the network: what they store holds when the network is run again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import featgeom as fg
from featgeom.analysis import OpenedRun
from featgeom.catalog import STUDIES
from featgeom.errors import BadArgument, BadData
from featgeom.figures.style import svg
from featgeom.papers.observations import NEEDED, OBSERVATIONS
from featgeom.proofs.pixels import FLIPS, MORPH
from featgeom.proofs.proof import Found, Unproved
from featgeom.runs.run import Run
from featgeom.runs.subjects import rows_of
from featgeom.spaces.comparison import haar
from featgeom.spaces.strangers import fitted
from featgeom.status import Status
from featgeom.studies import planes
from featgeom_cli.main import run as featgeom_run

SHAPE = (1, 8, 8)


def small_run(folder: Path, activation: str, seed: int = 0) -> Run:
    """A small network on seeded images of three classes, extracted by the command line."""
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", 60), ("test", 12)):
        labels = rng.integers(3, size=n)
        bright = np.zeros((n, *SHAPE))
        bright[np.arange(n), 0, 2 * labels] = 0.5
        arrays |= {f"x_{split}": (bright + rng.uniform(0.1, 0.4, (n, *SHAPE))).astype(np.float32)}
        arrays |= {f"y_{split}": labels}
    np.savez(folder / "images.npz", **arrays)
    (folder / "net.py").write_text(
        "from torch import nn\n"
        "def net():\n"
        f"    return nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.{activation}(), nn.Linear(5, 3))\n"
    )
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 5), getattr(nn, activation)(), nn.Linear(5, 3))
    torch.save(net.state_dict(), folder / "net.pth")
    words = ["extract", str(folder / "net.pth"), f"npz:{folder / 'images.npz'}", "--quiet"]
    words += ["--arch", f"{folder / 'net.py'}:net", "--shape", "1,8,8", "-o", str(folder / "run")]
    assert featgeom_run(words) == 0
    return fg.open_run(folder / "run")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A smooth one: every feature has a derivative everywhere."""
    return small_run(tmp_path_factory.mktemp("pixels"), "Tanh")


def test_flips_hold_when_the_network_reads_them_again(run: Run) -> None:
    record = OpenedRun(run.folder).study("flips")
    stored = run.result("flips").arrays
    found = np.isfinite(stored["pixel_distance"])
    assert record.values["found"] == found.sum() > 0
    classes = run.classifier().logits(stored["images"]).argmax(1)
    np.testing.assert_array_equal(classes[found], stored["pixel_classes"][found, 1])
    exact = stored["feature_distance"]
    assert (stored["travelled"][found] >= exact[found] - 1e-3).all()  # no flip is closer than the closest
    assert len(stored["rows"]) == 12


def test_pixel_distances_come_as_intervals_where_they_can(tmp_path: Path) -> None:
    bent = small_run(tmp_path, "ReLU", seed=1)
    record = OpenedRun(bent.folder).study("flips")
    lower, upper = (record.arrays[name] for name in ("pixel_lower_bound", "pixel_distance"))
    assert (lower <= upper).all()
    assert (lower > 0).all()
    values = record.values["lower"]
    assert values["positive"] == 12
    assert values["median_lower"] == np.median(lower) <= values["median_upper"] == np.median(upper)
    assert any("lies between" in finding.text for finding in record.findings)
    assert "pixel space, lower bound" in record.table("distances").column("distance")
    assert any(
        "lower bound" in drawing.caption
        for drawing in STUDIES["flips"].drawings(bent.result("flips"), bent.classes)
    )
    (tmp_path / "other").mkdir()
    other = OpenedRun(small_run(tmp_path / "other", "ELU").folder).study("flips")
    assert other.values["lower"] is None
    assert "pixel_lower_bound" not in other.arrays
    assert any("from above alone: the network's logits depend on the operation 'elu'" in f.text
               for f in other.findings)  # fmt: skip


def test_balls_are_proved_beside_the_flips(tmp_path: Path) -> None:
    run = small_run(tmp_path, "ReLU", seed=3)
    opened = OpenedRun(run.folder)
    record = opened.study("flips", samples=6, proved=4)
    stored, claim = run.result("flips").arrays, record.claims["pixel-balls"]
    assert (stored["pixel_proved"][:4] > 0).all()
    assert not stored["pixel_proved"][4:].any()
    assert (stored["pixel_proved"] <= stored["pixel_distance"]).all()
    assert (claim.own == run.subjects.predicted("test")[stored["rows"][:4]]).all()
    (said,) = [finding for finding in record.findings if "has another class" in finding.text]
    assert (said.standing, said.by) == ("proved", ("pixel-balls",))
    checked = opened.verify()
    assert checked.holds, checked.to_text()
    (tmp_path / "elu").mkdir()
    elu = OpenedRun(small_run(tmp_path / "elu", "ELU").folder).study("flips", samples=4, proved=2)
    assert any("No ball in pixel space is proved" in finding.text for finding in elu.findings)
    assert "pixel-balls" not in elu.claims


def test_balls_about_other_samples_classes_or_networks_do_not_count(tmp_path: Path) -> None:
    run = small_run(tmp_path, "ReLU", seed=3)
    opened = OpenedRun(run.folder)
    record = opened.study("flips", samples=4, proved=3)
    claim: Any = record.claims["pixel-balls"]
    hits = record.arrays["rows"][:3]
    about = {"images": rows_of("record/start", [0, 1, 2]), "features": rows_of("test/features", hits)}
    worse = {
        "images": claim.named(**about | {"images": rows_of("record/images", [0, 1, 2])}),
        "features": claim.named(**about | {"features": rows_of("test/features", hits[::-1])}),
        "own": replace(claim, own=(claim.own + 1) % 3),
        "norm": replace(claim, norm="inf"),
        "off": replace(claim, off=claim.off + 1e3),
    }
    for name, changed in ({"": claim} | worse).items():
        found = Found.of(run, record.claims | {"pixel-balls": changed}).beside(record.arrays)
        FLIPS.claims(found)
        assert bool(found.faults) == bool(name), name


def test_pieces_of_segments_and_windows_are_proved(tmp_path: Path) -> None:
    run = small_run(tmp_path, "ReLU", seed=3)
    opened = OpenedRun(run.folder)
    record = opened.study("morph", alike=6, morphs=1, steps=2, proved=4)
    claim: Any = record.claims["pixel-alike"]
    assert record.arrays["pixel_pieces"].tolist() == [*claim.pieces.tolist(), 0, 0]
    assert (np.diff(claim.first) - 1 == record.arrays["pixel_changes"][:4]).all()
    (said,) = [finding for finding in record.findings if "it is proved that" in finding.text]
    assert (said.standing, said.by) == ("proved", ("pixel-alike",))
    planes = opened.study("planes", planes=2, proved=2)
    assert {"window-0", "window-1"} <= set(planes.claims)
    (said,) = [finding for finding in planes.findings if "is proved to fall into" in finding.text]
    assert (said.standing, said.by) == ("proved", ("window-0", "window-1"))
    checked = opened.verify()
    assert checked.holds, checked.to_text()
    (tmp_path / "elu").mkdir()
    elu = OpenedRun(small_run(tmp_path / "elu", "ELU").folder)
    refused = (
        elu.study("morph", alike=2, morphs=1, steps=2, proved=1),
        elu.study("planes", planes=1, proved=1),
    )
    for other, what in zip(refused, ("No segment of pixel space is proved", "1 of 1 windows"), strict=True):
        assert any(what in finding.text for finding in other.findings)
    assert elu.verify().holds


def test_pieces_of_other_samples_or_networks_do_not_count(tmp_path: Path) -> None:
    run = small_run(tmp_path, "ReLU", seed=3)
    opened = OpenedRun(run.folder)
    record = opened.study("morph", alike=4, morphs=1, steps=2, proved=2)
    claim: Any = record.claims["pixel-alike"]
    alike = record.arrays["alike"][:2]
    about = {name: f"record/proved_{name}" for name in ("start", "end")}
    own = {f"{n}_features": rows_of("test/features", alike[:, k]) for k, n in enumerate(about)}
    worse = {
        "start": claim.named(**about | own | {"start": "record/proved_end"}),
        "start_features": claim.named(**about | own | {"start_features": own["end_features"]}),
        "end_off": replace(claim, end_off=claim.end_off + 1e3),
    }
    for name, changed in ({"": claim} | worse).items():
        found = Found.of(run, record.claims | {"pixel-alike": changed}).beside(record.arrays)
        MORPH.claims(found)
        assert bool(found.faults) == bool(name), name
    more = record.arrays | {"pixel_pieces": np.append(record.arrays["pixel_pieces"], 3)}
    with pytest.raises(Unproved, match="more pairs than there are"):
        MORPH.claims(Found.of(run, record.claims).beside(more))


def test_a_network_that_never_flips_has_a_record(tmp_path: Path) -> None:
    record = OpenedRun((small_run(tmp_path, "ReLU", seed=0)).folder).study("flips")
    assert record.values["found"] == 0
    assert (record.arrays["pixel_lower_bound"] == np.inf).all()
    assert "For 12 samples no image inside the bounds has another class." in record.to_text()


def test_inversions_hold_when_the_network_reads_them_again(run: Run) -> None:
    record = OpenedRun(run.folder).study("invert")
    stored = run.result("invert").arrays
    again = run.classifier().features(stored["images"])
    residual = np.linalg.norm(again - stored["targets"], axis=1) / np.linalg.norm(stored["targets"], axis=1)
    np.testing.assert_allclose(residual, stored["residual"], atol=1e-6)
    kinds = record.values["kinds"]
    assert [kind["targets"] for kind in kinds.values()] == [STUDIES["invert"].chosen({})["samples"]] * 5
    assert sum(kind["solved"] for kind in kinds.values()) == (stored["residual"] <= 1e-6).sum() > 0
    features, head = run.features("train"), run.features("train").head
    right = features.predictions == features.labels
    inside = 0
    for z, c in zip(stored["targets"], stored["target_class"], strict=True):
        chosen = features.features[right & (features.labels == c)]
        inside += len(chosen) > 0 and fg.ConvexHull(chosen).contains(z[None]).status[0] == fg.Status.INSIDE
    assert sum(kind["targets_in_hull"] for kind in kinds.values()) == inside
    np.testing.assert_array_equal(head.classify(stored["targets"]), stored["target_class"])


def test_directions_of_flips_are_those_of_the_matrix(run: Run) -> None:
    record = OpenedRun(run.folder).study("flips")
    stored = run.result("flips").arrays
    moves = (stored["images"].astype(float) - stored["start"]).reshape(len(stored["rows"]), -1)
    values = np.linalg.svd(moves[np.isfinite(stored["pixel_distance"])], compute_uv=False)
    np.testing.assert_allclose(stored["pixel_singular_values"], values, atol=1e-6 * values[0])
    assert record.values["directions"]["pixel"]["rank"] == (values > 1e-9 * values[0]).sum()
    np.testing.assert_allclose(np.linalg.norm(moves, axis=1), stored["pixel_distance"], rtol=1e-6)


def test_planes_hold_when_the_network_reads_them_again(run: Run) -> None:
    record = OpenedRun(run.folder).study("planes", planes=1)
    (plane,) = record.values["planes"]
    stored = run.result("planes").arrays
    images = run.images("test").pixels(plane["rows"])
    through = fg.Plane.through(*images.reshape(3, -1).astype(float))
    np.testing.assert_allclose(through.drop(images.reshape(3, -1).astype(float)), plane["points"], atol=1e-9)
    inside = np.argwhere(stored["labels_0"] >= 0)[::97]
    at = np.stack([stored["u_0"][inside[:, 1]], stored["v_0"][inside[:, 0]]], 1)
    points = through.lift(at).clip(0, 1).reshape(-1, *SHAPE).astype(np.float32)
    labels = stored["labels_0"][tuple(inside.T)]
    assert (run.classifier().logits(points).argmax(1) == labels).mean() > 0.98
    predicted = run.features("test").predictions[plane["rows"]]
    assert len(set(predicted)) == min(3, len(set(run.features("test").predictions)))


def test_triples_without_planes_are_counted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    some = planes._triples
    monkeypatch.setattr(planes, "_triples", lambda *asked: [np.zeros(3, np.int64), *some(*asked)])
    record = planes.study(run, planes=1, proved=0)
    assert len(record.values["planes"]) == 1
    assert "1 more triples fix no plane" in record.findings[1].text


def test_networks_are_compared_side_by_side(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "colour.npz", images=rng.random((9, 3, 6, 10), np.float32), labels=np.arange(9) % 2)
    options = {
        "train_samples": 30,
        "test_samples": 6,
        "flip_samples": 3,
        "others": (f"npz:{tmp_path / 'colour.npz'}",),
        "beside": (Run(run.folder),),
    }
    record = OpenedRun(run.folder).study("compare", **options)
    (name,) = record.values["beside"]
    assert record.values["beside"][name]["feature"] == record.values["feature"]
    lengths = record.table("extrapolation")
    assert {"network", "npz", "uniform noise", "midpoints in pixels", "pixel flips"} <= {
        column.name for column in lengths.columns
    }
    assert len(lengths.rows) == 2 * 5
    assert record.values["feature"]["relative_boundary"] > 0
    assert record.settings["beside"] == [name]


def test_images_of_another_data_set_are_fitted_without_resizing() -> None:
    wide = np.arange(12, dtype=np.float32).reshape(1, 1, 2, 6)
    np.testing.assert_array_equal(fitted(wide, (1, 2, 4), "wide")[0, 0], wide[0, 0, :, 1:5])
    np.testing.assert_array_equal(fitted(wide, (3, 4, 6), "wide")[0, 2, 1:3], wide[0, 0])
    assert fitted(np.ones((2, 3, 5, 5), np.float32), (1, 5, 5), "colour").shape == (2, 1, 5, 5)
    with pytest.raises(BadData, match="images of 2 channels do not fit"):
        fitted(np.ones((1, 2, 4, 4), np.float32), (3, 4, 4), "two")


def test_every_claim_of_the_pixel_studies_is_proved_from_disk(run: Run) -> None:
    for name in ("invert", "flips", "morph", "planes", "compare"):
        if not (run.folder / "claims" / f"{name}.json").exists():
            OpenedRun(run.folder).study(name)
    tally = fg.open_run(run.folder).verify().tally
    assert tally["PROVED"] > 100
    assert tally["REFUTED"] == tally["UNDECIDED"] == 0


def test_observations_compose_all_studies(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["observations", str(run.folder), "--beside", str(run.folder), "--json", "--quiet"]
    assert featgeom_run(words) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    rows = [row for table in result["tables"] for row in table["rows"]]
    assert [row[0] for row in rows if row[0]] == [o.paper for *_, part in OBSERVATIONS for o in part]
    assert all(len(row) == 4 and row[2] == row[3] for row in rows)
    measured = {row[1]: row[2] for row in rows}
    alike = run.result("morph").values["alike"]
    assert measured["segments between samples predicted alike"] == alike > 0
    assert measured["feature space: change class (p)"] == 0
    kinds = run.result("invert").values["kinds"].values()
    asked = measured["targets in the hull of their class (p)"]
    assert asked == sum(kind["targets_in_hull"] for kind in kinds)
    stored = run.result("flips").arrays
    assert measured["pixel space: median lower bound"] == np.median(stored["pixel_lower_bound"])
    assert 0 < measured["pixel space: lower bound / distance found"] <= 1
    assert set(run.results) >= set(NEEDED)  # what was missing was made, and stored


def test_what_images_reach_of_guaranteed_regions_is_between_two_shares(run: Run) -> None:
    (reached,) = (o for *_, part in OBSERVATIONS for o in part if "images reach" in o.paper)
    record = run.study("invert", samples=2)
    for counts, shares in (((8, 3, 2), (0.375, 0.75)), ((5, 0, 0), (0, 1)), ((0, 0, 0), (None, None))):
        values = {"guaranteed": dict(zip(("targets", "solved", "out_of_reach"), counts))}
        figures = reached.measured({"invert": replace(record, values=values)})
        assert tuple(figures.values()) == (*counts, *shares)
    assert reached.measured({"invert": replace(record, values={})}) == {}  # as it was stored before
    inside = record.values["guaranteed"]
    assert inside["solved"] + inside["out_of_reach"] <= inside["targets"] <= 10


def test_every_pixel_study_has_pictures(run: Run) -> None:
    for name in ("invert", "flips", "morph", "planes", "compare"):
        if name not in run.results:
            OpenedRun(run.folder).study(name)
        found = STUDIES[name].drawings(run.result(name), run.classes)
        assert found
        for drawing in found:
            assert drawing.caption.endswith(".")
            assert svg(drawing.figure).startswith("<svg")


def test_comparison_asks_the_same_of_every_space(run: Run) -> None:
    record = OpenedRun(run.folder).study("compare")
    assert record.settings["train_samples"] == 60
    classifier, train, test = run.classifier(), run.images("train"), run.images("test")
    found = fg.compare_spaces(classifier, train, test, seed=run.seed)
    feature = found.measures["feature"]
    hull = fg.ConvexHull(run.features("train").features)
    np.testing.assert_allclose(
        feature.distance, hull.project(run.features("test").features).distance, atol=1e-5
    )
    assert record.values["feature"]["inside"] == feature.inside
    assert {part.dimension for part in found.measures.values()} == {64, 4, 5}
    for part in found.measures.values():
        assert (part.distance <= part.neighbour + 1e-9).all()  # the hull holds every sample
        assert part.diameter / 2 - 1e-9 <= part.radius <= part.diameter
        assert part.apart + part.meeting <= part.pairs == 3
        assert (part.distance[part.status == fg.Status.INSIDE] < 1e-6 * part.diameter).all()


def test_morphs_are_stored_with_pictures_and_proof(run: Run) -> None:
    record = OpenedRun(run.folder).study("morph")
    values, stored = record.values, run.result("morph").arrays
    assert values["feature_segments_that_stay"] == values["alike"] == len(stored["alike"]) > 0
    predicted = run.features("test").predictions
    assert (predicted[stored["alike"][:, 0]] == predicted[stored["alike"][:, 1]]).all()
    assert values["frames_found"] == (stored["residual"] <= 1e-6).sum() > 0
    for name, kind in (("morph.png", "PNG"), ("morph-0.gif", "GIF")):
        with Image.open(run.folder / "figures" / name) as picture:
            assert picture.format == kind
    with Image.open(run.folder / "figures" / "morph.png") as picture:
        assert picture.size == (7 * 96, 2 * len(stored["pairs"]) * 96)
    assert {verdict for claim in record.claims.values() for verdict in claim.check().status} == {
        fg.Status.PROVED
    }


def test_the_same_seed_draws_the_same_samples(run: Run) -> None:
    parts = run.classifier(), run.images("train"), run.images("test")
    one, two = (fg.compare_spaces(*parts, train_samples=20, test_samples=4, seed=7) for _ in range(2))
    np.testing.assert_array_equal(one.train_rows, two.train_rows)
    for name, part in one.measures.items():
        np.testing.assert_array_equal(part.distance, two.measures[name].distance)
    with pytest.raises(BadArgument, match="must be at least 1"):
        fg.compare_spaces(*parts, test_samples=0)


def test_all_haar_coefficients_would_be_a_rotation() -> None:
    images = np.random.default_rng(0).random((2, 3, 6, 7))
    coarse = haar(images, 1)
    assert coarse.shape == (2, 3, 3, 3)
    np.testing.assert_allclose(coarse[0, 0, 0, 0], images[0, 0, :2, :2].sum() / 2)
    flat = np.broadcast_to(images[:, :, :1, :1], (2, 3, 8, 8))
    np.testing.assert_allclose(np.linalg.norm(haar(flat, 3)), np.linalg.norm(flat))
    assert haar(images, 9).shape[2:] == (1, 1)


@pytest.mark.parametrize("command", ["flips", "invert", "morph"])
def test_commands_speak_json(run: Run, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert featgeom_run([command, str(run.folder), "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["result"]["study"] == command


def test_a_run_of_features_alone_has_no_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arrays = {"features": np.eye(3), "labels": [0, 1, 2], "weight": np.eye(3), "bias": np.zeros(3)}
    np.savez(tmp_path / "f.npz", **arrays)
    assert featgeom_run(["extract", str(tmp_path / "f.npz"), "-o", str(tmp_path / "run"), "--quiet"]) == 0
    assert featgeom_run(["compare", str(tmp_path / "run")]) == 2
    assert "made from features alone" in capsys.readouterr().err


def test_all_that_studies_of_pixels_call_proved_is_made_again_by_verify(tmp_path: Path) -> None:
    made = OpenedRun(small_run(tmp_path, "Tanh").folder)
    few = {
        "flips": {"samples": 6},
        "invert": {"samples": 2},
        "morph": {"alike": 6, "morphs": 1},
        "planes": {"planes": 2},
        "compare": {"train_samples": 40, "test_samples": 8, "flip_samples": 2},
        "retrain": {"steps": 10},
    }
    for name, options in few.items():
        made.study(name, **options)
    found = made.verify()
    assert found.holds, found.to_text()
    said = [check for check in found.said if check.kind == "sentence"]
    proved = [f for record in made.results.values() for f in record.findings if f.standing == "proved"]
    assert len(said) == len(proved) > 5
    path = made.folder / "results" / "compare.json"
    path.write_text(path.read_text().replace("are proved disjoint", "are surely disjoint"))
    fallen = [check for check in made.verify().said if check.status is not Status.PROVED]
    assert [check.study for check in fallen] == ["compare", "compare"]
