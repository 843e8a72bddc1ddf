"""`featgeom export`: every figure of every sample, the same in each format."""

import csv
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

import featgeom as fg
from featgeom.answers.exporting import export
from featgeom.answers.samples import sample_columns, view_of
from featgeom.data.images import concatenate, keep_classes
from featgeom.errors import BadArgument, BadData
from featgeom.runs.making import make_run
from featgeom_cli.export import FORMATS
from featgeom_cli.main import run as featgeom


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Digits with the studies of overview and hulls; small, as hulls are of 60 samples."""
    clf = fg.load_classifier("digits")
    sets = {split: fg.load_images("digits", split=split).take(slice(60)) for split in ("train", "test")}
    return fg.analyze(clf, sets, tmp_path_factory.mktemp("export") / "run", studies=["overview", "hulls"])


@pytest.fixture(scope="module")
def columns(run):
    return sample_columns(run)


def test_columns_say_what_the_run_says(run, columns):
    assert {len(column) for column in columns.values()} == {120}
    test = run.features("test")
    assert columns["sample"][60] == "test:0"
    assert columns["label"][60:].tolist() == [run.classes[c] for c in test.labels]
    assert columns["prediction"][60:].tolist() == [run.classes[c] for c in test.predictions]
    np.testing.assert_array_equal(columns["correct"][60:], test.predictions == test.labels)
    stored = run.results["overview"].arrays["test_distance"]
    np.testing.assert_allclose(columns["radius"][60:], stored, rtol=1e-12)
    np.testing.assert_array_equal(columns["hulls_all"][60:], run.results["hulls"].arrays["test_all"])
    assert np.isnan(columns["hulls_all"][:60]).all()


def test_a_rival_is_the_class_beyond_the_nearest_boundary(run, columns):
    head, z = run.features("test").head, np.asarray(run.features("test").features, float)
    own = run.features("test").predictions
    for i in range(20):
        apart = head.weight[own[i]] - head.weight
        with np.errstate(invalid="ignore"):
            far = (apart @ z[i] + head.bias[own[i]] - head.bias) / np.linalg.norm(apart, axis=1)
        assert columns["rival"][60 + i] == run.classes[np.nanargmin(far)]


def test_decision_coordinates_tell_their_classes_apart(run, columns):
    view = view_of(run)
    shown = np.stack([columns[f"decision_{axis}"] for axis in (1, 2, 3)], axis=1)
    z = np.concatenate([run.features(split).features for split in run.splits]).astype(float)
    whole = run.features("test").head.logits(z)[:, view.classes].argmax(axis=1)
    np.testing.assert_array_equal(view.head.classify(shown), whole)


def test_a_table_holds_every_figure(run, columns, tmp_path):
    (path,) = export(run, "csv", tmp_path / "samples.csv")
    read = list(csv.DictReader(io.StringIO(path.read_text())))
    assert list(read[0]) == list(columns)
    np.testing.assert_array_equal([float(row["radius"]) for row in read], columns["radius"])
    parquet = pytest.importorskip("pyarrow.parquet")
    (path,) = export(run, "parquet", tmp_path / "samples.parquet")
    assert parquet.read_table(path)["rival"].to_pylist() == columns["rival"].tolist()
    (path,) = export(run, "npz", tmp_path / "samples.npz")
    with np.load(path, allow_pickle=False) as found:
        np.testing.assert_array_equal(found["logit_margin"], columns["logit_margin"])
        assert found["features"].shape == (120, 32)


def test_the_projector_finds_tensors_figures_and_pictures_of_the_same_samples(run, columns, tmp_path):
    export(run, "projector", tmp_path / "p")
    names = {path.name for path in (tmp_path / "p").iterdir()}
    said = (tmp_path / "p" / "projector_config.pbtxt").read_text()
    assert names == {"features.tsv", "decision.tsv", "metadata.tsv", "sprite.png", "projector_config.pbtxt"}
    assert all(f'"{name}"' in said for name in names - {"projector_config.pbtxt"})
    features = np.loadtxt(tmp_path / "p" / "features.tsv")
    np.testing.assert_array_equal(features[60:].astype(np.float32), run.features("test").features)
    lines = (tmp_path / "p" / "metadata.tsv").read_text().splitlines()
    assert lines[0].split("\t") == list(columns)
    assert len(lines) == 121
    sprite = np.asarray(Image.open(tmp_path / "p" / "sprite.png"))
    tile = sprite[5 * 8 : 6 * 8, 5 * 8 : 6 * 8, 0]  # 11 in a row, so the sixtieth is in row 5, column 5
    np.testing.assert_array_equal(tile, np.rint(255 * run.images("test").images[0, 0]))


def test_fiftyone_finds_an_image_for_every_label(run, columns, tmp_path):
    export(run, "fiftyone", tmp_path / "f")
    said = json.loads((tmp_path / "f" / "labels.json").read_text())
    assert said["classes"] == list(run.classes)
    assert {path.stem for path in (tmp_path / "f" / "data").iterdir()} == set(said["labels"])
    one = said["labels"]["test-000003"]
    assert one["label"] == columns["label"][63]
    assert one["attributes"]["radius"] == columns["radius"][63]
    pixels = np.asarray(Image.open(tmp_path / "f" / "data" / "test-000003.png"))[:, :, 0]
    np.testing.assert_array_equal(pixels, np.rint(255 * run.images("test").images[3, 0]))


TAKEN = {"id", "label", "tags", "confidence", "logits"}  # what a label of FiftyOne has already


def as_fiftyone_reads(folder):
    """Path, label and attributes of every sample, by the rules of its importer.

    A file below data/ is known by its path without the ending. Of an entry of labels a dict has label,
    confidence and attributes, which become arguments of one call; a label that is no number of a class is
    made a word.
    """
    said = json.loads((folder / "labels.json").read_text())
    files = {str(p.relative_to(folder / "data").with_suffix("")): p for p in (folder / "data").rglob("*.*")}
    found = {}
    for name, target in said["labels"].items():
        assert set(target) <= {"label", "confidence", "attributes"}
        attributes = target.get("attributes", {})
        assert all(key.isidentifier() and not key.startswith("_") and key not in TAKEN for key in attributes)
        label = target["label"]
        label = said["classes"][label] if isinstance(label, int) else str(label)
        found[name] = (files[name], label, attributes)
    return found


def test_fiftyone_reads_every_sample_and_invents_no_label(run, columns, tmp_path):
    export(run, "fiftyone", tmp_path / "f")
    found = list(as_fiftyone_reads(tmp_path / "f").values())
    assert [label for _, label, _ in found] == columns["label"].tolist()
    assert [said["sample"] for *_, said in found] == columns["sample"].tolist()
    images = fg.ImageSet(run.images("test").images, None, run.classes, "some", "all")
    unknown = make_run(tmp_path / "unknown", "digits", images)
    export(unknown, "fiftyone", tmp_path / "u")
    labels = {label for _, label, _ in as_fiftyone_reads(tmp_path / "u").values()}
    assert labels == {""}


def test_the_projector_reads_as_many_rows_of_figures_as_points(run, columns, tmp_path):
    """By the rules of TensorBoard: numbers by tabs, a head for several columns, sprites row by row."""
    export(run, "projector", tmp_path / "p")
    said = (tmp_path / "p" / "projector_config.pbtxt").read_text()
    blocks = re.findall(r"embeddings \{(.*?)^\}", said, re.S | re.M)
    names = []
    for block in blocks:
        fields = dict(re.findall(r'(\w+): "([^"]*)"', block))
        width, height = map(int, re.findall(r"single_image_dim: (\d+)", block))
        names.append(fields["tensor_name"])
        points = [
            line.split("\t") for line in (tmp_path / "p" / fields["tensor_path"]).read_text().splitlines()
        ]
        assert len({len(point) for point in points}) == 1
        assert np.isfinite(np.array(points, float)).all()
        head, *rows = (tmp_path / "p" / fields["metadata_path"]).read_text().splitlines()
        assert len(head.split("\t")) > 1
        assert len(rows) == len(points) == len(columns["sample"])
        assert all(row.count("\t") == head.count("\t") for row in rows)
        with Image.open(tmp_path / "p" / fields["image_path"]) as picture:
            sprite = picture.size
        across = int(np.ceil(np.sqrt(len(points))))
        assert sprite == (across * width, across * height)
        assert max(sprite) <= 8192
    assert names == ["features", "decision"]


@pytest.mark.parametrize("to", FORMATS)
def test_images_are_read_once(run, to, tmp_path, monkeypatch):
    asked, read = [], type(run).images
    monkeypatch.setattr(type(run), "images", lambda self, split: (asked.append(split), read(self, split))[1])
    export(run, to, tmp_path / "out")
    assert asked == ["train", "test"]


def test_features_alone_are_exported_but_not_as_pictures(tmp_path):
    z = np.eye(3).repeat(2, axis=0)
    np.savez(tmp_path / "f.npz", features=z, labels=[0, 0, 1, 1, 2, 2], weight=np.eye(3), bias=np.zeros(3))
    run = make_run(tmp_path / "run", str(tmp_path / "f.npz"))
    assert export(run, "csv")[0] == run.folder / "export" / "samples.csv"
    assert "sprite.png" not in {path.name for path in export(run, "projector")}
    with pytest.raises(BadData, match="no source of its images"):
        export(run, "fiftyone")
    with pytest.raises(BadArgument, match="one of csv"):
        export(run, "xlsx")


def test_a_folder_of_something_else_stays(run, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(BadData, match="not empty"):
        export(run, "projector", tmp_path / "mine")
    monkeypatch.setattr("featgeom.answers.exporting.sample_columns", lambda *_: pytest.fail("not before"))
    with pytest.raises(BadData, match="not empty"):
        export(run, "fiftyone", tmp_path / "mine")


def test_the_command(run, tmp_path, capsys):
    from featgeom.answers.exporting import FORMATS as KNOWN

    assert tuple(KNOWN) == FORMATS
    out = str(tmp_path / "s.csv")
    assert featgeom(["export", str(run.folder), "-o", out, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["result"] == {"samples": 120, "files": [out]}


def test_studies_of_the_question_part_and_of_some_of_its_samples_are_columns(tmp_path):
    clf = fg.load_classifier("digits")
    sets = {split: fg.load_images("digits", split=split).take(slice(30)) for split in ("train", "test")}
    options = {"flips": {"samples": 2}, "compare": {"test_samples": 12}}
    run = fg.analyze(clf, sets, tmp_path / "run", ["boundaries", *options], options=options)
    columns = sample_columns(run)
    arrays = {study: run.arrays(study) for study in run.studies}
    for name in ("distance", "lower_bound", "confidence", "log_odds"):
        assert np.isnan(columns[f"boundaries_{name}"][:30]).all()
        np.testing.assert_array_equal(columns[f"boundaries_{name}"][30:], arrays["boundaries"][name])
    for study, rows, names in (
        ("flips", "rows", ("feature_distance", "pixel_distance", "pixel_lower_bound", "travelled")),
        ("compare", "test_rows", ("pixel_distance", "wavelet_distance", "feature_distance")),
    ):
        asked = 30 + arrays[study][rows]
        assert 0 < len(asked) < 30
        for name in names:
            column = columns[f"{study}_{name}"]
            np.testing.assert_array_equal(column[asked], arrays[study][name])
            assert np.isnan(np.delete(column, asked)).all()


def test_every_number_of_the_projector_and_the_arrays_is_that_of_the_run(run, columns, tmp_path):
    z = np.concatenate([run.features(split).features for split in run.splits])
    logits = np.sort(run.features("test").head.logits(z.astype(float)), axis=1)
    np.testing.assert_allclose(columns["logit_margin"], logits[:, -1] - logits[:, -2])
    (path,) = export(run, "npz", tmp_path / "samples.npz")
    with np.load(path, allow_pickle=False) as found:
        np.testing.assert_array_equal(found["features"], z)
        np.testing.assert_array_equal(found["weight"], run.features("test").head.weight)
        np.testing.assert_array_equal(found["bias"], run.features("test").head.bias)
        assert found["classes"].tolist() == list(run.classes)
        for name, column in columns.items():
            np.testing.assert_array_equal(found[name], column)
    export(run, "projector", tmp_path / "p")
    decision = np.loadtxt(tmp_path / "p" / "decision.tsv")
    shown = np.stack([columns[f"decision_{axis}"] for axis in (1, 2, 3)], axis=1)
    np.testing.assert_allclose(decision, shown, rtol=1e-8)


def folder_of_digits(place, order):
    """Digits as pictures, a folder a class: their names and labels in the order in which a folder is read."""
    digits = fg.load_images("digits", split="test").take(slice(40))
    for i in order:
        file = place / digits.classes[digits.labels[i]] / f"{'zyx'[i % 3]}-{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((digits.pixels([i])[0, 0] * 255).astype(np.uint8)).save(file)
    return digits


def test_a_sample_has_the_name_of_its_file(tmp_path):
    digits = folder_of_digits(tmp_path / "pictures", range(40))
    run = make_run(tmp_path / "run", "digits", f"folder:{tmp_path / 'pictures'}", split="all")
    found = sample_columns(run)
    assert len(set(found["image"].tolist())) == 40
    for i, (name, label) in enumerate(zip(found["image"], found["label"], strict=True)):
        number = int(name.split("-")[1].removesuffix(".png"))
        assert name.split("/")[0] == label == digits.classes[digits.labels[number]]
        np.testing.assert_allclose(run.images("all").pixels([i])[0], digits.pixels([number])[0], atol=1 / 255)
    names = [row["image"] for row in csv.DictReader(io.StringIO(export_text(run, tmp_path)))]
    assert names == found["image"].tolist()
    suspected = fg.suspects(run, most=5)
    rows = suspected.table.column("row")
    assert suspected.table.column("image") == found["image"][rows].tolist()
    (tmp_path / "pictures" / "0" / "more.png").write_bytes(
        next((tmp_path / "pictures" / "0").iterdir()).read_bytes()
    )
    assert "image" not in sample_columns(
        fg.open_run(run.folder)
    )  # no longer the same images: no name is said


def export_text(run, folder):
    (file,) = export(run, "csv", folder / "samples.csv")
    return file.read_text()


def test_names_of_files_go_with_their_images(tmp_path):
    folder_of_digits(tmp_path, range(40))
    images = fg.load_images(f"folder:{tmp_path}")
    assert images.take([3, 1]).files.tolist() == images.files[[3, 1]].tolist()
    kept = keep_classes(images, ("7", "1"))
    assert [images.classes.index(name.split("/")[0]) for name in kept.files] == [
        int(kept.classes[label]) for label in kept.labels
    ]
    assert concatenate([images, kept], "all").files.tolist() == [*images.files, *kept.files]
    assert concatenate([images, fg.load_images("digits")], "all").files is None
