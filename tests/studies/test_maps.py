"""Maps of what network and machine decide, held against the library point by point."""

import numpy as np
import pytest

import featgeom as fg
from featgeom import Status
from featgeom.catalog import STUDIES
from featgeom.errors import BadData
from featgeom.figures import collapse as collapse_figures
from featgeom.figures import svm as svm_figures
from featgeom.figures.maps import draw
from featgeom.runs.making import make_run
from featgeom.runs.run import Run
from featgeom.studies import maps


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("maps")
    options = {"hidden": 40, "features": 2}
    training = fg.train(
        "simulated_three_blobs", folder / "training", steps=200, per_decade=1, options=options
    )
    return make_run(folder / "run", str(training.last), "synthetic:three_blobs")


@pytest.fixture(scope="module")
def record(run):
    return STUDIES["maps"].make(run)


def test_every_point_of_a_map_has_the_class_that_network_and_machine_give_it(run, record):
    classifier, features = run.classifier(), run.features("train")
    machine = fg.max_margin(features.features, features.labels, C=1.0)
    for name, found in record.values["planes"].items():
        points = maps.grid_of(tuple(found["window"]))[::97]
        network, other = (record.arrays[f"{name}_{who}"].ravel()[::97] for who in ("network", "machine"))
        if name == "pixel":
            images = points.astype(np.float32).reshape(-1, 1, 1, 2)
            np.testing.assert_array_equal(network, classifier.logits(images).argmax(1))
            points = classifier.features(images)
        else:
            np.testing.assert_array_equal(network, features.head.classify(points))
        np.testing.assert_array_equal(other, machine.classify(points))
    assert set(record.values["planes"]) == {"feature", "pixel"}


def test_the_share_is_that_of_the_map_within_its_interval(record):
    plane = record.values["planes"]["pixel"]
    low, high = plane["interval"]
    assert low <= plane["share"] <= high
    on_grid = (record.arrays["pixel_network"] == record.arrays["pixel_machine"]).mean()
    assert abs(on_grid - plane["share"]) < 0.01  # two ways to sample one area


def test_support_vectors_and_losses_are_those_of_the_library(run, record):
    features = run.features("train")
    machine = fg.max_margin(features.features, features.labels, C=1.0)
    np.testing.assert_array_equal(record.arrays["support"], machine.support)
    loss = record.arrays["loss"]
    assert loss[record.arrays["hardest"]].min() >= np.delete(loss, record.arrays["hardest"]).max()
    overlap = np.isin(machine.support, record.arrays["hardest"]).mean()
    assert record.values["support_overlap"] == overlap


def test_its_claim_is_proved_and_it_is_stored(run, record):
    run.save(record)
    assert Run(run.folder).result("maps").to_text() == record.to_text()
    assert record.claims["machine"].check().status.tolist() == [Status.PROVED]


def test_there_is_a_picture_of_each_plane(run, record):
    drawings = draw(record, run.classes)
    assert [drawing.name for drawing in drawings] == ["maps-feature", "maps-pixel"]
    for drawing in drawings:
        assert len(drawing.figure.axes) == 3


def test_where_neither_space_is_a_plane_it_says_so(tmp_path):
    made = make_run(tmp_path / "run", "digits", "digits", split="test")
    with pytest.raises(BadData, match="no plane to draw"):
        STUDIES["maps"].make(made)


def test_machines_and_collapse_have_pictures(run):
    (pairs,) = svm_figures.draw(STUDIES["svm"].make(run), run.classes)
    assert len(pairs.figure.axes) == 2
    assert [text.get_text() for text in pairs.figure.axes[0].get_yticklabels()] != []
    measured = STUDIES["collapse"].make(run)
    assert [d.name for d in collapse_figures.draw(measured, run.classes)] == [
        "collapse-measures",
        "collapse-cosines",
    ]
