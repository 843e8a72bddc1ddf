"""Head and machine along a training."""

import json
import subprocess
import sys

import numpy as np
import pytest

import featgeom as fg
from featgeom.errors import BadArgument
from featgeom.figures.trajectory import draw
from featgeom.studies.trajectory import steps_of, trajectory


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    changes = {"steps": 300, "per_decade": 1, "options": {"hidden": 40, "features": 4}}
    return fg.train("simulated_three_blobs", tmp_path_factory.mktemp("series"), **changes)


def test_every_row_is_what_the_library_says(series):
    record = trajectory([c.path for c in reversed(series.checkpoints)], "synthetic:three_blobs")
    table = record.table("trajectory")
    assert table.column("steps") == [c.step for c in series.checkpoints]
    np.testing.assert_allclose(table.column("loss"), [h["loss"] for h in series.history], rtol=1e-4)
    assert table.column("accuracy") == [h["train_accuracy"] for h in series.history]
    clf = fg.load_classifier(series.last)
    images = fg.load_images("synthetic:three_blobs", split="train")
    x, y = clf.features(images.images), images.labels
    right = clf.head.classify(x) == y
    compared = fg.compare_head(clf.head, fg.max_margin(x[right], y[right]), x[right], y[right])
    assert table.rows[-1][4] == compared.overall_angle
    assert table.rows[-1][6] == compared.overall_margin_ratio
    assert len(draw(record)) == 1


def test_checkpoints_must_say_their_steps(series):
    with pytest.raises(BadArgument, match="no number in its name"):
        steps_of("net.pth")
    with pytest.raises(BadArgument, match="same step"):
        trajectory([series.last, series.last], "synthetic:three_blobs")
    with pytest.raises(BadArgument, match="has 3 classes, the images 2"):
        trajectory([series.last], "synthetic:blobs")


def test_the_command_writes_table_and_plot(series, tmp_path):
    words = [str(series.checkpoints[0].path), str(series.last), "synthetic:three_blobs", "-o", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "featgeom_cli", "trajectory", *words, "--json"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"]["values"]["steps"] == [0, 300]
    assert json.loads((tmp_path / "trajectory.json").read_text())["study"] == "trajectory"
    assert (tmp_path / "trajectory.svg").read_text().startswith("<")
