"""The last layer trained anew, as a study of a run and from the command line."""

import json
from dataclasses import replace

import numpy as np
import pytest

import featgeom as fg
from featgeom import Status
from featgeom.catalog import STUDIES
from featgeom.errors import BadArgument
from featgeom.figures.retrain import draw
from featgeom.papers.reproduction import TRAP
from featgeom.proofs.machines import direction_within
from featgeom.runs.making import arrays_run, make_run
from featgeom.studies import retrain
from featgeom_cli.main import run as featgeom_run


@pytest.fixture
def toy(tmp_path):
    x, y = (np.array(part) for part in TRAP)
    head = fg.train_head(x, y, steps=100).last
    np.savez(tmp_path / "toy.npz", features=x, labels=y, weight=head.weight, bias=head.bias)
    return arrays_run(tmp_path / "run", str(tmp_path / "toy.npz"))


def test_with_a_bias_the_new_layer_tends_to_the_augmented_machine_and_not_to_the_standard_one(toy):
    record = STUDIES["retrain"].make(toy, steps=2_000)
    heads = record.values["heads"]
    new = heads["new, accelerated gradient descent"]
    assert new["angle_augmented"] <= new["at_most"] < 0.01
    assert new["angle_standard"] > 10
    assert heads["new, gradient descent"]["angle_augmented"] > new["angle_augmented"]
    x, y = (np.array(part) for part in TRAP)
    last = fg.AffineHead(record.arrays["accelerated_gd_weight"][-1], record.arrays["accelerated_gd_bias"][-1])
    again = fg.compare_head(last, fg.max_margin(x, y, bias="augmented"), x, y)
    assert again.overall_angle == new["angle_augmented"]
    assert {claim.check().status[0] for claim in record.claims.values()} == {Status.PROVED}
    (drawing,) = draw(record, toy.classes)
    assert [axes.get_title() for axes in drawing.figure.axes] == [
        retrain.WORDS[m] for m in ("gd", "accelerated_gd")
    ]


def test_without_a_bias_it_tends_to_the_machine_without_one(toy):
    record = STUDIES["retrain"].make(toy, steps=20_000, methods=("normalised_gd",), bias=False)
    assert record.values["heads"]["new, normalised gradient descent"]["angle_none"] < 0.05
    before = retrain.drawn_anew(toy.features("all").head, toy.seed).bias
    assert (record.arrays["normalised_gd_bias"] == before).all()


def test_the_direction_of_a_machine_is_known_as_well_as_is_said(toy):
    x, y = (np.array(part) for part in TRAP)
    for kind in ("standard", "augmented", "none"):
        best = fg.max_margin(x, y, bias=kind, rtol=1e-12).certificate
        assert direction_within(best) < 1e-3
        for share in (0.2, 0.02, 0.002):  # another machine, with the bounds that it gives itself
            rng = np.random.default_rng(int(1 / share))
            tried = [
                replace(
                    best,
                    weight=best.weight + share * n[:, :2],
                    bias=best.bias + (kind != "none") * share * n[:, 2],
                )
                for n in rng.normal(size=(50, 1, 3)) * np.linalg.norm(best.weight)
            ]
            for other in tried:
                margins = (x @ other.weight[0] + other.bias[0]) * np.where(y == 1, 1, -1)
                size = np.square(other.weight).sum() + (kind == "augmented") * np.square(other.bias).sum()
                if margins.min() <= 0:
                    continue
                worse = replace(other, upper=size / 2 / margins.min() ** 2 * (1 + 1e-9))
                assert worse.check().status[0] is Status.PROVED
                cosine = (
                    (other.weight * best.weight).sum()
                    / np.linalg.norm(other.weight)
                    / np.linalg.norm(best.weight)
                )
                assert np.degrees(np.arccos(cosine)) <= direction_within(worse) + direction_within(best)
                for scale in (2.0**-537, 2.0**900):  # squares of these are no float64
                    scaled = replace(worse, weight=scale * worse.weight, bias=scale * worse.bias)
                    assert scaled.check().status[0] is Status.PROVED
                    assert direction_within(scaled) == direction_within(worse)
    record = STUDIES["retrain"].make(toy, steps=10)
    assert "within" in " ".join(finding.text for finding in record.findings if finding.standing == "proved")


@pytest.mark.parametrize("kind", ["standard", "augmented", "none"])
@pytest.mark.parametrize("tilt", [0.1, 1e-3, 1e-7])
def test_no_smaller_angle_could_be_said_of_a_machine(kind, tilt):
    x, y = np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([1, 0])
    best = fg.max_margin(x, y, bias=kind, rtol=1e-12).certificate
    tilted = replace(best, lower=0.5, weight=np.array([[1.0, tilt]]), upper=0.5 + tilt**2 / 2 + 1e-16)
    assert tilted.check().status[0] is Status.PROVED
    assert np.degrees(np.arctan(tilt)) <= direction_within(tilted) < 1.02 * np.degrees(np.arctan(tilt))


def test_the_network_is_measured_as_the_library_does(tmp_path):
    run = make_run(tmp_path / "run", "digits", "digits", classes=("3", "8", "1"))
    assert run.classes != ("3", "8", "1")  # labels keep the network's own numbering
    record = STUDIES["retrain"].make(run, steps=20)
    features = run.features("train")
    right = features.predictions == features.labels
    x, y = np.asarray(features.features)[right], features.labels[right]
    compared = fg.compare_head(features.head, fg.max_margin(x, y), x, y)
    whole = record.values["heads"]["whole network"]
    assert whole["angle_standard"] == compared.overall_angle
    assert whole["positions"] == compared.head.position.tolist()
    assert len(record.table("pairs").rows) == 3
    images = run.images("train")  # come in the network's numbering, too
    assert images.classes == run.classes
    assert (images.labels == features.labels).all()


def test_where_no_machine_exists_it_says_why(toy, monkeypatch):
    monkeypatch.setattr("featgeom.studies.svm.MOST_UNKNOWNS", 2)
    monkeypatch.setattr(retrain, "MOST_UNKNOWNS", 2)
    record = STUDIES["retrain"].make(toy)
    assert "more than 2 unknowns" in record.findings[0].text
    assert draw(record, toy.classes) == []


def test_the_command_takes_its_options(toy, capsys):
    words = ["retrain", str(toy.folder), "--steps", "50", "--method", "gd", "--json"]
    assert featgeom_run(words) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    assert list(result["values"]["heads"]) == ["whole network", "new, gradient descent"]
    assert result["values"]["steps"] == 50
    assert featgeom_run(["retrain", str(toy.folder), "--method", "normalized_gd"]) == 2
    assert "did you mean 'normalised_gd'" in capsys.readouterr().err


def test_training_the_head_alone_leaves_all_else_and_resumes_like_any_training(tmp_path):
    whole = fg.train("simulated_blobs", tmp_path / "whole", steps=30, options={"hidden": 40, "features": 3})
    changes = {"steps": 40, "options": {"hidden": 40, "features": 3}, "head_of": str(whole.last)}
    run = fg.train("simulated_blobs", tmp_path / "head", optimiser="gd", rate=0.1, **changes)
    images = fg.load_images("synthetic:blobs", split="train")
    first, last, before = (
        fg.load_classifier(path) for path in (run.checkpoints[0].path, run.last, whole.last)
    )
    np.testing.assert_array_equal(first.features(images), before.features(images))
    np.testing.assert_array_equal(last.features(images), before.features(images))
    assert not np.allclose(first.head.weight, before.head.weight)
    assert run.history[-1]["loss"] < run.history[0]["loss"]
    assert np.mean(last.logits(images).argmax(1) == images.labels) == run.history[-1]["train_accuracy"]
    np.testing.assert_allclose(last.head.weight.sum(axis=0), first.head.weight.sum(axis=0), atol=1e-6)


def test_a_new_head_keeps_the_zeros_that_hold_a_network_apart(tmp_path):
    options = {"first": 20, "second": 10}
    whole = fg.train("simulated_asymmetric", tmp_path / "whole", steps=3, options=options)
    run = fg.train(
        "simulated_asymmetric", tmp_path / "new", steps=3, options=options, head_of=str(whole.last)
    )
    weight = fg.load_classifier(run.last).head.weight
    assert not weight[0, 20:].any()
    assert not weight[1, :20].any()


def test_an_unknown_device_is_one_clear_error(tmp_path):
    with pytest.raises(BadArgument, match="device 'gpu9'"):
        fg.train("digits", tmp_path, steps=1, device="gpu9")
