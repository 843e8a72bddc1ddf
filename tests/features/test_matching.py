"""Pictures are given the network's classes, however these are named, or one line says what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import featgeom as fg
from featgeom.errors import BadArgument, BadData
from featgeom.features.doubt import doubt
from featgeom.features.matching import match_classes
from featgeom.imagenet import imagenet
from featgeom.remarks import heard

CHOSEN = (0, 1, 217, 482, 491, 497, 565, 569, 571, 574, 701)  # of ImageNet: a dozen that people use
SYNSETS = imagenet()


def network(count: int, levels: dict[int, int], names: tuple[str, ...] | None = None) -> fg.Classifier:
    """A classifier of brightness: it says class k of images whose grey is ``levels[k]``."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2), nn.ReLU(), nn.Linear(2, count))
    with torch.no_grad():
        net[1].weight[:] = torch.tensor([[1 / 16], [0.0]])
        net[1].bias[:] = torch.tensor([0.0, 1.0])
        net[3].weight[:] = torch.tensor([0.0, -1e4])
        net[3].bias[:] = 0
        for k, level in levels.items():
            net[3].weight[k] = torch.tensor([200 * level / 255, -100 * (level / 255) ** 2])
    return fg.load_classifier(net, pixels=fg.PixelSpec((1, 4, 4)), classes=names)


def folders(root: Path, levels: dict[str, int], each: int = 3) -> str:
    for name, level in levels.items():
        (root / name).mkdir(parents=True)
        for i in range(each):
            Image.fromarray(np.full((4, 4), level, np.uint8)).save(root / name / f"{i}.png")
    return f"folder:{root}"


def extracted(clf: fg.Classifier, source: str, **options: Any) -> tuple[fg.FeatureSet, str]:
    lines: list[str] = []
    with heard(lines.append):
        found = fg.extract(clf, fg.load_images(source), **options)
    return found, "\n".join(lines)


NAMINGS = {
    "WordNet ids": lambda k: SYNSETS[k].wordnet,
    "WordNet ids in capitals": lambda k: SYNSETS[k].wordnet.upper(),
    "short names": lambda k: SYNSETS[k].name,
    "capitals": lambda k: SYNSETS[k].name.upper(),
    "underscores": lambda k: SYNSETS[k].name.replace(" ", "_"),
    "all names": lambda k: SYNSETS[k].names,
    "the last of all names": lambda k: SYNSETS[k].names.split(", ")[-1],
    "numbers": str,
    "numbers with noughts": lambda k: f"{k:04}",
    "class_k": lambda k: f"class_{k}",
}
NETWORKS = {
    "no names": None,
    "short names": tuple(s.name for s in SYNSETS),
    "all names": tuple(s.names for s in SYNSETS),
    "ids": tuple(s.wordnet for s in SYNSETS),
    "LABEL_k": tuple(f"LABEL_{k}" for k in range(1000)),
}


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize("names", NETWORKS)
def test_some_classes_of_imagenet_by_every_name(naming: str, names: str, tmp_path: Path) -> None:
    levels = {k: 10 + 20 * i for i, k in enumerate(CHOSEN)}
    clf = network(1000, levels, NETWORKS[names])
    source = folders(tmp_path / "pictures", {NAMINGS[naming](k): level for k, level in levels.items()})
    found, said = extracted(clf, source)
    assert found.accuracy == 1
    assert sorted(set(found.labels.tolist())) == list(CHOSEN)
    assert len(set(found.classes)) == 1000
    same = {NAMINGS[naming](k) for k in CHOSEN} <= set(found.classes)
    assert "classes of the network ←" in said or same


@pytest.mark.parametrize("names", [None, tuple("abcdefghijkl")])
@pytest.mark.parametrize("as_text", [True, False])
@pytest.mark.parametrize("form", ["{}", "c{}"])
def test_numbered_folders_are_counted_as_the_network_counts(
    names: tuple[str, ...] | None, as_text: bool, form: str, tmp_path: Path
) -> None:
    words = sorted(map(str, range(12))) if as_text else list(map(str, range(12)))
    clf = network(12, {k: 10 + 20 * k for k in range(12)}, names)
    source = folders(tmp_path / "f", {form.format(word): 10 + 20 * k for k, word in enumerate(words)})
    if names and form != "{}":
        with pytest.raises(BadData, match="--class-map"):
            extracted(clf, source)
        return
    found, said = extracted(clf, source)
    assert found.accuracy == 1
    assert "100% of 36 images agree" in said
    assert "it would be 17%" in said or "it would be 8%" in said


def test_numbers_counted_from_one(tmp_path: Path) -> None:
    clf = network(5, {k: 10 + 20 * k for k in range(5)})
    found, said = extracted(clf, folders(tmp_path / "f", {"2": 30, "4": 70}))
    assert found.labels.tolist() == [1, 1, 1, 3, 3, 3]
    assert "counted from 1: 100%" in said


@pytest.mark.parametrize("names", [("dog", "cat"), ("DOG", "Cats, cat"), ("Dog ", "CAT")])
def test_other_order_and_spelling(names: tuple[str, ...], tmp_path: Path) -> None:
    clf = network(2, {0: 230, 1: 20}, names)
    found, _ = extracted(clf, folders(tmp_path / "f", {"Cat": 20, "Dog": 230}))
    assert (found.accuracy, found.classes) == (1, names)


def test_more_folders_than_classes(tmp_path: Path) -> None:
    clf = network(2, {0: 230, 1: 20}, ("dog", "cat"))
    found, said = extracted(clf, folders(tmp_path / "f", {"cat": 20, "dog": 230, "background": 90}))
    assert (found.accuracy, len(found)) == (1, 6)
    assert "3 images of background are left out" in said


@pytest.mark.parametrize(
    ("names", "words", "piece"),
    [
        (("dog", "cat"), ("chat", "chien"), "none of the 2"),
        (("dog", "cat", "emu"), ("chat", "chien", "dog"), "2 of the 3 classes"),
        (None, ("cat", "dog", "emu"), "2 without names"),
        (("crane", "crane"), ("crane",), "may be any of the classes"),
    ],
)
def test_what_cannot_be_told_is_refused(
    names: tuple[str, ...] | None, words: tuple[str, ...], piece: str, tmp_path: Path
) -> None:
    clf = network(2 if names is None else len(names), {0: 10}, names)
    with pytest.raises(BadData, match="--class-map FILE says which is which") as caught:
        extracted(clf, folders(tmp_path / "f", dict.fromkeys(words, 10)))
    assert piece in str(caught.value)
    assert "\n" not in str(caught.value)


MAPS = {
    "map.txt": "chien,0\nchat,1\n",
    "map.csv": "chien,dog\nchat,cat\n",
    "map.tsv": "chien\tdog\nchat\tCAT\n",
    "index.json": json.dumps({"chien": 0, "chat": 1}),
    "names.json": json.dumps({"chien": "dog", "chat": "cat"}),
    "list.json": json.dumps(["dog, chien", "cat, chat"]),
    "class_index.json": json.dumps({"0": ["n1", "chien"], "1": ["n2", "chat"]}),
    "classes.txt": "chien\nchat\n",
}


@pytest.mark.parametrize("file", MAPS)
def test_a_map_of_classes_in_every_form(file: str, tmp_path: Path) -> None:
    clf = network(2, {0: 230, 1: 20}, ("dog", "cat"))
    (tmp_path / file).write_text(MAPS[file])
    source = folders(tmp_path / "f", {"chat": 20, "chien": 230})
    assert extracted(clf, source, class_map=tmp_path / file)[0].accuracy == 1


def test_a_map_leaves_out_what_it_does_not_name(tmp_path: Path) -> None:
    clf = network(2, {0: 230, 1: 20}, ("dog", "cat"))
    source = folders(tmp_path / "f", {"chat": 20, "chien": 230, "minou": 20})
    found, said = extracted(clf, source, class_map={"chien": 0, "chat": 1})
    assert (len(found), found.accuracy) == (6, 1)
    assert "3 images of minou are left out" in said
    merged, _ = extracted(clf, source, class_map={"chien": 0, "chat": 1, "minou": "cat"})
    assert (len(merged), merged.accuracy) == (9, 1)


@pytest.mark.parametrize(
    ("given", "piece"),
    [
        ({"chien": 2}, "the network has no class '2'"),
        ({"chien": "emu"}, "the network has no class 'emu'"),
        ({"chein": 0}, "did you mean 'chien'"),
        (["dog", "cat", "emu"], "names 3 classes, the network has 2"),
        ({"0": "a", "2": "b"}, "the images have no class '0'"),
        ({}, "expected names"),
        ("no/such/file.txt", "cannot be read"),
    ],
)
def test_a_map_that_does_not_fit(given: Any, piece: str, tmp_path: Path) -> None:
    clf = network(2, {0: 230, 1: 20}, ("dog", "cat"))
    source = folders(tmp_path / "f", {"chat": 20, "chien": 230})
    with pytest.raises(BadArgument, match=r"class.map") as caught:
        extracted(clf, source, class_map=given)
    assert piece in str(caught.value)


def test_a_source_with_numbers_of_its_own_keeps_them() -> None:
    pixels = np.zeros((3, 1, 4, 4), np.uint8)
    words = ("plane", "car", "bird")
    clf = network(3, {0: 0}, ("airplane", "automobile", "bird"))
    images = fg.ImageSet(pixels, [0, 1, 2], words, "published", "all")
    assert match_classes(clf, images).places.tolist() == [0, 1, 2]
    other = network(3, {0: 0}, ("bird", "automobile", "airplane"))
    with pytest.raises(BadData, match="--class-map"):
        match_classes(other, images)


@pytest.mark.parametrize("from_channels", [1, 3])
def test_grey_and_colours_are_brought_together(from_channels: int, tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(4 - from_channels, 4, 1), nn.Flatten(), nn.Linear(64, 2))
    clf = fg.load_classifier(net, pixels=fg.PixelSpec((4 - from_channels, 4, 4)))
    grey = np.random.default_rng(0).integers(0, 256, (6, 1, 4, 4)).astype(np.uint8)
    pixels = np.repeat(grey, from_channels, axis=1)
    lines: list[str] = []
    with heard(lines.append):
        found = fg.extract(clf, fg.ImageSet(pixels, [0, 1] * 3, ("0", "1"), "x", "all"))
    np.testing.assert_array_equal(found.features, clf.features(np.repeat(grey, 4 - from_channels, axis=1)))
    assert any("so th" in line for line in lines)


def test_doubt_is_not_raised_by_chance() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(100), 3)
    assert doubt(labels, labels, 100) is None
    noise = rng.integers(0, 100, len(labels))
    assert "as chance would" in str(doubt(labels, noise, 100))
    shuffled = rng.permutation(100)[labels]
    assert "numbered otherwise" in str(doubt(labels, shuffled, 100))
    poor = np.where(rng.random(len(labels)) < 0.3, labels, noise)
    assert doubt(labels, poor, 100) is None


def test_a_run_keeps_the_mapping_and_finds_its_images_again(tmp_path: Path) -> None:
    clf = network(2, {0: 230, 1: 20}, ("dog", "cat"))
    source = folders(tmp_path / "f", {"Cat": 20, "Dog": 230, "x": 90})
    fg.analyze(clf, source, out=tmp_path / "run")
    run = fg.open_run(tmp_path / "run")
    assert run.asked["data"]["mapping"] == [["Cat", 1], ["Dog", 0], ["x", None]]
    again = run.images("all")
    np.testing.assert_array_equal(again.labels, run.features("all").labels)
    assert run.features("all").accuracy == 1


def test_a_wrong_numbering_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clf = network(3, {0: 230, 1: 20, 2: 100})
    fg.analyze(clf, folders(tmp_path / "f", {"a": 20, "b": 100, "c": 230}, each=8), out=tmp_path / "run")
    words = "the mapping of the classes is probably wrong"
    assert words in caplog.text
    run = fg.open_run(tmp_path / "run")
    assert any(words in finding.text for finding in run.results["overview"].findings)
    assert "in the order of their names as text" in run.asked["said"][-1]
    assert run.asked["said"][-1].splitlines()[0] in run.report().read_text("utf-8")


def test_features_without_labels(tmp_path: Path) -> None:
    clf = network(3, {0: 230, 1: 20, 2: 100}, ("a", "b", "c"))
    root = tmp_path / "f"
    root.mkdir()
    for i, level in enumerate(np.linspace(0, 255, 40)):
        Image.fromarray(np.full((4, 4), level, np.uint8)).save(root / f"{i:02}.png")
    run = fg.analyze(clf, f"folder:{root}", out=tmp_path / "run", studies="overview,hulls,regions")
    features = run.features("all")
    np.testing.assert_array_equal(features.labels, features.predictions)
    assert run.unlabelled == ("all",)
    for record in run.results.values():
        assert "labels of the images (all) are unknown" in record.findings[0].text
    text = run.results["overview"].to_text()
    assert "Accuracy is" not in text
    assert run.verify().refuted == 0
    assert not run.images("all").labelled
