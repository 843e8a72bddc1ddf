"""`fg.analyze` and what it returns: a notebook needs nothing else."""

import numpy as np
import pytest
from torch import nn

import featgeom as fg
from featgeom.errors import BadArgument, BadData
from featgeom.models.pixel_spec import PixelSpec


@pytest.fixture
def arrays(tmp_path, rng):
    labels = np.repeat([0, 1, 2], 30)
    features = (np.eye(3)[labels] * 3 + rng.standard_normal((90, 3))).astype(np.float32)
    np.savez(tmp_path / "f.npz", features=features, labels=labels, weight=np.eye(3), bias=np.zeros(3))
    return tmp_path / "f.npz"


def test_studies_tables_and_frames(arrays, tmp_path):
    run = fg.analyze(arrays, out=tmp_path / "run", studies="overview,collapse")
    assert set(run.results) == {"overview", "collapse"}
    record = run.study("hulls")
    assert fg.open_run(run.folder).result("hulls").to_json() == record.to_json()
    table = run.table("hulls", "hulls")
    frame = table.to_frame()
    assert list(frame.columns)[:2] == ["class", "samples"]
    assert frame.shape == (len(table.rows), len(table.columns))
    assert frame["diameter, at most [feature distance]"].tolist() == table.column("diameter")
    assert run.verify().refuted == 0
    assert run.report().is_file()


def test_what_is_stored_is_not_made_again(arrays, tmp_path):
    options = {"retrain": {"steps": 10}}
    first = fg.analyze(arrays, out=tmp_path / "run", studies=["collapse", "retrain"], options=options)
    before = {name: record.seconds for name, record in first.results.items()}
    again = fg.analyze(arrays, out=tmp_path / "run", studies=["collapse", "retrain"], options=options)
    assert {name: record.seconds for name, record in again.results.items()} == before
    other = fg.analyze(arrays, out=tmp_path / "run", studies="retrain", options={"retrain": {"steps": 11}})
    assert other.result("retrain").values["steps"] == 11


def test_everything_wrong_is_said_before_anything_is_written(arrays, tmp_path):
    for wrong in (
        {"studies": "hull"},
        {"studies": "retrain", "options": {"retrain": {"steps": 0}}},
        {"studies": "overview", "options": {"overview": {"samples": 3}}},
        {"images": "digits"},
    ):
        with pytest.raises(BadArgument):
            fg.analyze(arrays, out=tmp_path / "run", **wrong)
    assert not (tmp_path / "run").exists()
    run = fg.analyze(arrays, out=tmp_path / "run")
    with pytest.raises(BadArgument, match="did you mean 'accuracy'"):
        run.table("overview", "acuracy")
    with pytest.raises(BadData, match="featgeom hulls"):
        run.table("hulls", "hulls")


def test_a_network_and_images_in_memory_are_held_for_questions_of_pixels(tmp_path, rng):
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 5), nn.ReLU(), nn.Linear(5, 3))
    clf = fg.load_classifier(net, pixels=PixelSpec((1, 4, 4)))
    images = rng.random((30, 1, 4, 4)).astype(np.float32)
    labels = clf.logits(images).argmax(axis=1)
    run = fg.analyze(clf, fg.ImageSet(images, labels, ("a", "b", "c"), "noise", "test"), tmp_path / "run")
    assert run.splits == ("test",)
    assert run.study("flips", samples=2).values
    assert "Made in Python" in run.report().read_text("utf-8")
    reopened = fg.open_run(run.folder)
    with pytest.raises(BadData, match="network in memory"):
        reopened.study("flips", samples=2)


def test_a_classifier_from_a_file_is_loaded_again_by_itself(tmp_path):
    images = fg.load_images("digits", split="test")
    run = fg.analyze(fg.load_classifier("digits"), images, tmp_path / "run")
    reopened = fg.open_run(run.folder)
    assert reopened.classifier().weights_hash == run.asked["model"]["weights_sha256"]
    assert reopened.images("test").hash == images.hash
