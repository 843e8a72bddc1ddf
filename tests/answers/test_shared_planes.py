"""Decisions of networks on the same planes of pixel space."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import featgeom as fg
from featgeom.answers.shared_planes import SIDE, decisions_on_planes, mixtures, triangles
from featgeom.errors import BadArgument
from featgeom.runs.making import make_run
from featgeom.statistics import median_interval
from featgeom_cli.main import run as featgeom


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Digits by the built-in network, by one that knows nothing, and the first on other images."""
    folder = tmp_path_factory.mktemp("planes")
    train, test = (fg.load_images("digits", split=split) for split in ("train", "test"))
    sets = {"train": train.take(slice(60)), "test": test.take(slice(30))}
    clf = fg.load_classifier("digits")
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.ReLU(), nn.Linear(6, 10))
    poor = fg.load_classifier(net, pixels=clf.pixels, classes=clf.classes)
    other = sets | {"test": test.take(slice(30, 60))}
    return [
        make_run(folder / name, network, images)
        for name, network, images in (("good", clf, sets), ("poor", poor, sets), ("other", clf, other))
    ]


def test_the_lattice_covers_the_triangle_evenly():
    weights = mixtures()
    assert len(weights) == (SIDE + 1) * (SIDE + 2) // 2 == len(np.unique(weights.round(9), axis=0))
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(weights.mean(axis=0), 1 / 3)
    assert weights.min() == 0


def test_planes_are_through_three_different_images_and_the_same_for_all():
    rows = triangles(50, 5)
    assert all(len(set(three)) == 3 for three in rows.tolist())
    np.testing.assert_array_equal(rows[:20], triangles(20, 5))
    assert not np.array_equal(rows, triangles(50, 5, seed=1))


def test_decisions_are_those_of_the_network_on_the_mixtures(runs):
    for run in runs:
        found, images, clf = decisions_on_planes(run, 3), run.images("test").pixels(), run.classifier()
        for classes, rows in zip(found, triangles(3, 30), strict=True):
            mixed = np.einsum("pk,kchw->pchw", mixtures(), images[rows]).clip(0, 1)
            logits = clf.logits(mixed.astype(np.float32))
            sure = np.diff(np.sort(logits, axis=1)[:, -2:])[:, 0] > 1e-4
            assert sure.mean() > 0.95
            np.testing.assert_array_equal(classes[sure], logits.argmax(axis=1)[sure])
            corners = [np.flatnonzero(weights == 1)[0] for weights in mixtures().T]
            np.testing.assert_array_equal(classes[corners], run.features("test").predictions[rows])


def test_pairs_say_on_which_share_of_the_planes_both_decide_alike(runs):
    said = fg.networks([*runs, runs[0]], planes=8).pairs
    rows = [dict(zip((c.name for c in said.columns), row, strict=True)) for row in said.rows]
    assert len(rows) == 3  # the other images have no pair
    good, poor = (decisions_on_planes(run, 8) for run in runs[:2])
    shares = (good == poor).mean(axis=1)
    ends = median_interval(shares)
    for row in (rows[0], rows[2]):
        assert row["agree on planes"] == np.median(shares)
        assert (row["on planes, from"], row["on planes, to"]) == (ends.lower, ends.upper)
    assert [rows[1][name] for name in ("agree on planes", "on planes, from", "on planes, to")] == [1, 1, 1]
    few = fg.networks(runs, planes=5).pairs
    assert few.column("on planes, from") == few.column("on planes, to") == [None]  # too few for an interval
    assert few.column("agree on planes")[0] < 1
    assert "agree on planes" not in [c.name for c in fg.networks(runs).pairs.columns]


def test_networks_are_paired_on_images_without_labels(runs, tmp_path):
    images = fg.load_images("digits", split="test").pixels(slice(30))
    blind = [make_run(tmp_path / str(i), run.classifier(), images) for i, run in enumerate(runs[:2])]
    (pair,) = fg.networks(blind, planes=8).to_json()["pairs"]
    labelled = fg.networks(runs[:2], planes=8).to_json()["pairs"][0]
    for name in ("images", "agree", "agree on planes", "on planes, from", "on planes, to"):
        assert pair[name] == labelled[name]
    assert pair["agree"] < 1
    assert pair["accuracy A − B"] is None
    assert pair["p (accuracy)"] is None
    assert fg.networks([blind[0], runs[0]]).pairs.rows == ()


def test_planes_by_the_command_line_and_wrong_numbers(runs, tmp_path, capsys):
    words = [str(make_run(tmp_path / "run", "digits", "digits").folder)] * 2
    asked = ["networks", *words, "-o", str(tmp_path / "out"), "--planes"]
    assert featgeom([*asked, "6", "--json"]) == 0
    (pair,) = json.loads(capsys.readouterr().out)["result"]["pairs"]
    assert [pair[name] for name in ("agree on planes", "on planes, from", "on planes, to")] == [1, 1, 1]
    assert featgeom([*asked, "-1"]) == 2
    images_gone = [str(run.folder) for run in runs[:2]]
    assert featgeom(["networks", *images_gone, "-o", str(tmp_path / "out"), "--planes", "6"]) == 2
    assert "says of no source of its images" in capsys.readouterr().err
    with pytest.raises(BadArgument, match="planes: none or more"):
        fg.networks(runs, planes=-1)


def test_foreign_images_are_one_for_all_or_one_for_each(runs, tmp_path):
    for seed in (0, 1):
        noise = np.random.default_rng(seed).random((20, 8, 8)) ** (1 + 4 * seed)
        np.savez(tmp_path / f"{seed}.npz", images=noise, labels=[0] * 20)
    a, b = (f"npz:{tmp_path / name}.npz" for name in "01")
    alone = [fg.networks(runs[:2], foreign=word).networks.column("NC5") for word in (a, b)]
    assert fg.networks(runs[:2], foreign=[a, b]).networks.column("NC5") == [alone[0][0], alone[1][1]]
    assert alone[0][1] != alone[1][1]
    with pytest.raises(BadArgument, match="one for each of 2 runs, got 3"):
        fg.networks(runs[:2], foreign=[a, b, a])
