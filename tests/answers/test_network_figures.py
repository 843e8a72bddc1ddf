"""Every figure of `featgeom networks` as it is defined, by another way than ours; and what has none."""

import itertools
from dataclasses import fields

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binom, binomtest

import featgeom as fg
from featgeom.answers.foreign import foreign_features
from featgeom.answers.network_figures import Seen
from featgeom.collapse import foreign_alignment, generalised_collapse, variance_by_distance
from featgeom.errors import BadArgument, BadData
from featgeom.runs.making import make_run
from featgeom.statistics import median_interval
from featgeom_cli.main import run as featgeom


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Digits with every study that the table takes figures of, on few samples."""
    train, test = (fg.load_images("digits", split=split) for split in ("train", "test"))
    sets = {"train": train.take(slice(60)), "test": test.take(slice(30))}
    options = {"flips": {"samples": 2}, "compare": {"test_samples": 4}}
    studies = ["hulls", "svm", *options]
    folder = tmp_path_factory.mktemp("figures") / "run"
    return fg.analyze(fg.load_classifier("digits"), sets, folder, studies=studies, options=options)


def row(found, n=0):
    table = found.networks
    return dict(zip((column.heading for column in table.columns), table.rows[n], strict=True))


def test_every_figure_is_as_defined(run, tmp_path):
    np.savez(tmp_path / "noise.npz", images=np.random.default_rng(0).random((20, 8, 8)), labels=[0] * 20)
    said = row(fg.networks([run, run], foreign=f"npz:{tmp_path / 'noise.npz'}"))
    train, test = run.features("train"), run.features("test")
    z, labels = np.asarray(train.features, float), np.asarray(train.labels)
    width = np.sqrt(((z - z.mean(axis=0)) ** 2).sum(axis=1).mean())
    margins = fg.Cells(test.head).radius(test.features).radius / width
    assert said["spread"] == pytest.approx(width)
    assert said["margin / spread"] == pytest.approx(np.median(margins))
    assert said["margin / spread, 10 %"] == pytest.approx(np.quantile(margins, 0.1))
    right = z[train.predictions == labels], labels[train.predictions == labels]
    for name, (points, own) in {"guaranteed": right, "guaranteed, all": (z, labels)}.items():
        kept = [fg.Cells(train.head).guarantee(points[own == c], c).status for c in np.unique(own)]
        assert said[name] == f"{kept.count(fg.Status.GUARANTEED)} of {len(kept)}"
    collapse = fg.neural_collapse(z, labels, train.head)
    figures = [collapse.nc1, collapse.nc2.norms, collapse.nc2.angles, collapse.nc3, collapse.nc4]
    assert [said[n] for n in ("NC1", "NC2, norms", "NC2, angles", "NC3", "NC4")] == pytest.approx(figures)
    even = generalised_collapse(collapse.means, train.head.weight)
    assert [said[n] for n in ("GNC2", "one-vs-rest", "GNC3")] == list(vars(even).values())
    assert len({*figures, *vars(even).values(), said["CDNV"], said["NC5"]}) == 10
    counted = fg.imbalanced_collapse(collapse.means, train.head.weight, np.bincount(labels))
    names = ("imbalance", "SELI, head", "SELI, means", "SELI, logits", "minority cosine", "orthogonality")
    for name, field in zip(names, fields(counted), strict=True):
        assert said[name] == pytest.approx(getattr(counted, field.name))
    assert said["CDNV"] == pytest.approx(variance_by_distance(z, labels))
    noise = fg.extract(run.classifier(), fg.load_images(f"npz:{tmp_path / 'noise.npz'}"))
    assert said["NC5"] == pytest.approx(foreign_alignment(z, labels, noise.features))


def test_figures_of_studies_are_what_the_studies_say(run):
    said, values = row(fg.networks([run, run])), {name: run.result(name).values for name in run.studies}
    whole = values["hulls"]["hulls"][0]["diameter"]
    assert values["hulls"]["hulls"][0]["label"] < 0  # of all classes together
    own = run.arrays("hulls")["test_own_correct"]
    assert said["hull distance / diameter"] == pytest.approx(np.nanmedian(own) / whole)
    assert said["angle to SVM [degrees]"] == values["svm"]["machines"]["standard"]["angle"]
    assert said["flip [pixel distance]"] == values["flips"]["median_pixel"]
    assert said["flip [feature distance]"] == values["flips"]["median_feature"]
    ratio = values["flips"]["median_feature"] / values["flips"]["median_pixel"]
    assert said["flip, feature by pixel"] == pytest.approx(ratio)
    assert "flip, from [pixel distance]" not in said  # two samples tell of no interval
    for space, name in (("pixel", "pixels"), ("feature", "features")):
        assert said[f"flip / diameter, {name}"] == values["compare"][space]["relative_boundary"]
        assert said[f"outside / diameter, {name}"] == values["compare"][space]["relative_distance"]


def test_the_interval_of_a_median_is_that_of_the_samples_flipped(run, monkeypatch):
    arrays = run.arrays
    known = {"pixel_distance": np.array([*range(1, 17), np.inf]), "feature_distance": np.arange(40.0)}
    monkeypatch.setattr(run, "arrays", lambda name: known if name == "flips" else arrays(name))
    said = row(fg.networks([run, run]))
    assert [said[f"flip, {end} [pixel distance]"] for end in ("from", "to")] == [4, 13]
    assert [said[f"flip, {end} [feature distance]"] for end in ("from", "to")] == [13, 26]


@pytest.mark.parametrize("n", [6, 7, 16, 25, 100])
def test_the_interval_of_a_median_is_the_least_that_holds_it_as_often_as_promised(n):
    found = median_interval(np.arange(1, n + 1))
    low, high = int(found.lower), int(found.upper)
    held = [binom.cdf(high - 1 - k, n, 0.5) - binom.cdf(low - 1 + k, n, 0.5) for k in (0, 1)]
    assert held[0] >= 0.95 > held[1]
    assert np.isinf(median_interval(np.arange(5)).upper)


def test_inversion_moves_by_the_median_of_its_kinds(run, monkeypatch):
    moved = {"a": (3.0, 2), "b": (None, 0), "c": (4.0, 1)}
    kinds = {k: {"median_moved": far, "solved": n, "targets": 4} for k, (far, n) in moved.items()}
    values = Seen._values
    monkeypatch.setattr(
        Seen, "_values", lambda self, study: {"kinds": kinds} if study == "invert" else values(self, study)
    )
    said = row(fg.networks([run, run]))
    assert said["inversion moves [pixel distance]"] == 3.5
    assert said["inverted"] == "3 of 12"


def runs_of_features(tmp_path, parts):
    """Runs of features that claim the same images, as two networks asked about one data set do."""
    made = []
    for i, arrays in enumerate(parts):
        np.savez(tmp_path / f"{i}.npz", weight=np.eye(2), bias=np.zeros(2), **arrays)
        made.append(make_run(tmp_path / f"run{i}", str(tmp_path / f"{i}.npz")))
        made[-1].asked["model"]["weights_sha256"] = str(i)
        made[-1].asked["data"]["splits"]["all"]["sha256"] = "the same"
    return made


def test_pairs_count_wider_margins_of_the_same_images(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=40)
    parts = [
        {"features": 2 * np.eye(2)[labels] + rng.random((40, 2)) * noise, "labels": labels}
        for noise in (1.0, 3.0)
    ]
    a, b = runs_of_features(tmp_path, parts)
    (pair,) = fg.networks([a, b]).pairs.rows
    said = dict(zip((c.name for c in fg.networks([a, b]).pairs.columns), pair, strict=True))
    margins = []
    for part in parts:
        z = part["features"]
        width = np.sqrt(((z - z.mean(axis=0)) ** 2).sum(axis=1).mean())
        margins.append(np.abs(z[:, 0] - z[:, 1]) / np.sqrt(2) / width)
    wider = int((margins[0] > margins[1]).sum())
    assert said["A wider"] == wider / 40
    assert said["p (margin)"] == pytest.approx(binomtest(wider, 40).pvalue)
    assert 0 < said["p (margin)"] < 0.5


def test_features_that_are_all_the_same_have_no_margin_by_the_spread(tmp_path):
    z = np.tile([2.0, 1.0], (6, 1))
    runs = runs_of_features(tmp_path, [{"features": z, "labels": [0, 0, 0, 0, 0, 1]}] * 2)
    found = fg.networks(runs)
    said = row(found)
    assert said["spread"] == 0
    assert "margin / spread" not in said  # no network has it
    assert found.pairs.column("A wider") == [None]


def test_without_labels_there_is_no_collapse_and_no_accuracy(tmp_path, caplog):
    caplog.set_level("INFO", "featgeom")
    train = fg.load_images("digits", split="train")
    clf = fg.load_classifier("digits")
    sets = {
        split: fg.ImageSet(train.images[:40], None, clf.classes, "digits", split)
        for split in ("train", "test")
    }
    run = make_run(tmp_path / "run", clf, sets)
    said = row(fg.networks([run, run], foreign="no such place"))
    assert "without labels it has no NC5" in caplog.text
    assert not {"NC1", "CDNV", "NC5", "accuracy", "guaranteed, all"} & set(said)
    assert said["guaranteed"].endswith(" of 10")


def test_a_checkpoint_of_a_training_says_its_step(run, tmp_path):
    made = fg.train("digits", tmp_path / "mine", steps=3, per_decade=1)
    train = fg.load_images("digits", split="train").take(slice(40))
    runs = [
        make_run(tmp_path / c.path.stem, str(c.path), {"train": train, "test": train})
        for c in made.checkpoints
    ]
    found = fg.networks([*runs, run])
    assert found.networks.column("step") == [0, 1, 3, None]
    assert found.networks.column("training") == ["mine"] * 3 + [None]


def test_variance_by_distance_is_that_of_every_pair(rng):
    z, labels = rng.normal(size=(60, 4)), rng.permutation(np.repeat([0, 2, 5], [10, 20, 30]))
    ratios = []
    for i, j in itertools.combinations((0, 2, 5), 2):
        a, b = z[labels == i], z[labels == j]
        apart = np.linalg.norm(a.mean(axis=0) - b.mean(axis=0)) ** 2
        ratios.append((a.var(axis=0).sum() + b.var(axis=0).sum()) / (2 * apart))
    assert variance_by_distance(z, labels) == pytest.approx(np.mean(ratios))
    assert variance_by_distance(z, np.zeros(60)) == np.inf
    assert variance_by_distance(np.tile([1.0, 2.0], (4, 1)), [0, 0, 1, 1]) == np.inf


def test_foreign_features_are_aligned_with_every_mean_or_none(rng):
    z = 3 * np.eye(4)[[0, 0, 1, 2]] + 0.0
    assert foreign_alignment(z, [0, 0, 1, 2], 5 * np.eye(4)[[3]]) == 0
    assert foreign_alignment(z, [0, 0, 1, 2], -5 * np.eye(4)[[1]]) == pytest.approx(1 / 3)
    assert foreign_alignment(z - z, [0, 0, 1, 2], np.eye(4)) == np.inf


@pytest.fixture
def folder_of(tmp_path):
    """Save grey images (n, 8, 8) in [0, 1] as pictures of a folder without classes."""

    def saved(images):
        (tmp_path / "pictures").mkdir()
        for i, pixels in enumerate(np.rint(np.asarray(images) * 255).astype(np.uint8)):
            Image.fromarray(pixels).save(tmp_path / "pictures" / f"{i}.png")
        return tmp_path / "pictures"

    return saved


def test_foreign_pictures_need_no_labels_and_are_never_all_held(run, folder_of, monkeypatch):
    images = np.random.default_rng(0).random((7, 8, 8))
    folder, sizes = folder_of(images), []
    monkeypatch.setattr("featgeom.answers.foreign.BATCH", 3)
    features = fg.Classifier.features
    monkeypatch.setattr(
        fg.Classifier, "features", lambda self, x, *rest: (sizes.append(len(x)), features(self, x, *rest))[1]
    )
    found = foreign_features(run, str(folder))
    assert sizes == [3, 3, 1]
    pixels = np.rint(images * 255).astype(np.uint8)[:, None]
    np.testing.assert_allclose(found, features(run.classifier(), pixels), rtol=1e-5, atol=1e-6)
    assert 0 < row(fg.networks([run, run], foreign=str(folder)))["NC5"] <= 1


@pytest.mark.parametrize("word", ["", "-", "test", "train:3", "digits"])
def test_no_images_or_those_of_the_run_are_not_foreign(run, word, monkeypatch):
    monkeypatch.setitem(run.asked["data"], "source", "digits")
    with pytest.raises(BadArgument, match=r"names no image|images of .* itself"):
        foreign_features(run, word)


def test_pictures_of_the_run_are_not_foreign_wherever_they_lie(tmp_path, caplog):
    """A folder of the run's own test images is refused; among others they are left out, which is said."""
    rng = np.random.default_rng(0)
    for i in range(24):
        place = tmp_path / "data" / ("test" if i % 2 else "train") / "ab"[i // 12] / f"{i}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(256, size=(8, 8), dtype=np.uint8)).save(place)
    run = make_run(tmp_path / "run", "digits", f"folder:{tmp_path / 'data'}", class_map={"a": "0", "b": "1"})
    own = tmp_path / "data" / "test" / "a"
    with pytest.raises(BadArgument, match=r"all 6 images of .* are images of .* itself"):
        foreign_features(run, str(own))
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(own / "black.png")
    found = foreign_features(run, str(own))
    assert len(found) == 1
    assert "6 of the 7 images" in caplog.text
    black = run.classifier().features(np.zeros((1, 1, 8, 8), np.uint8))
    np.testing.assert_array_equal(found, black)


def test_a_foreign_picture_that_cannot_be_read_is_named(run, folder_of, tmp_path, capsys):
    folder = folder_of(np.zeros((3, 8, 8)))
    (folder / "1.png").write_bytes(b"no picture")
    words = ["networks", str(run.folder), str(run.folder), "-o", str(tmp_path / "out")]
    with pytest.raises(BadData, match=r"1\.png.*not an image"):
        fg.networks([run, run], foreign=str(folder))
    assert featgeom([*words, "--foreign", ""]) == 2
    assert "names no image" in capsys.readouterr().err


def test_what_was_done_to_foreign_pictures_is_said(run, folder_of, caplog):
    caplog.set_level("INFO", "featgeom")
    folder = folder_of(np.zeros((2, 8, 8)))
    Image.open(folder / "1.png").convert("RGBA").save(folder / "1.png")
    foreign_features(run, str(folder))
    assert "1 picture " in caplog.text


@pytest.mark.parametrize("what", ["nothing", "labels", "classes", "images", "network"])
def test_the_same_images_have_the_same_labels_and_classes(tmp_path, what):
    z, labels = np.eye(2).repeat(4, axis=0), np.repeat([0, 1], 4)
    other = labels[::-1] if what == "labels" else labels
    names = np.array(["0", "1" if what != "classes" else "2"])
    first = {"features": z, "labels": labels, "classes": np.array(["0", "1"])}
    a, b = runs_of_features(tmp_path, [first, {"features": z, "labels": other, "classes": names}])
    if what == "images":
        b.asked["data"]["splits"]["all"]["sha256"] = "another"
    if what == "network":
        b.asked["model"]["weights_sha256"] = None
    assert len(fg.networks([a, b]).pairs.rows) == (what == "nothing")
