"""Studies whose work two processes share store the bytes that one stores, a killed worker or none."""

import os
import signal

import numpy as np
import pytest

from featgeom import cluster, open_run
from featgeom.runs.letters import Letters
from featgeom.runs.making import arrays_run
from featgeom.studies import overview
from featgeom.workers import _clients

pytest.importorskip("distributed")

CLASSES, DIMENSION = 7, 6
OPTIONS = {"boundaries": {"slices": (), "traces": True, "norm": "2"}}
STUDIES = ("overview", "regions", "svm", "boundaries")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    rng = np.random.default_rng(0)
    middles = 2 * rng.normal(size=(CLASSES, DIMENSION))
    arrays = {"weight": middles, "bias": -0.5 * (middles**2).sum(axis=1)}
    for split, count in (("train", 1500), ("test", 300)):
        labels = rng.integers(0, CLASSES, count)
        features = (middles[labels] + rng.normal(size=(count, DIMENSION))).astype(np.float32)
        arrays |= {f"features_{split}": features, f"labels_{split}": labels}
    path = tmp_path_factory.mktemp("arrays") / "f.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="module")
def alone(file, tmp_path_factory):
    return studied(arrays_run(tmp_path_factory.mktemp("alone") / "run", file).folder)


@pytest.fixture(scope="module")
def two():
    with cluster(workers=2):
        yield _clients[-1]


@pytest.fixture(autouse=True)
def few_at_a_time(monkeypatch):
    monkeypatch.setattr("featgeom.regions.survey.BLOCK_ENTRIES", 7 * 256)
    for name in ("CLASSES", "SURVEYED"):
        monkeypatch.setattr(overview, name, 2)


def studied(folder):
    for study in STUDIES:
        open_run(folder).study(study, **OPTIONS.get(study, {}))
    return open_run(folder)


def files(run):
    made = [place for folder in ("results", "claims") for place in sorted((run.folder / folder).iterdir())]
    return {str(place.relative_to(run.folder)): place.read_bytes() for place in made}


def kills_at(number, monkeypatch, client):
    """Kills a worker when so many answers have come; the list of those that were."""
    killed, count, read = [], [0], Letters.read

    def kill_one(self, letter):
        count[0] += 1
        if count[0] == number:
            killed.append(min(client.run(os.getpid).values()))
            os.kill(killed[0], signal.SIGKILL)
        return read(self, letter)

    monkeypatch.setattr(Letters, "read", kill_one)
    return killed


@pytest.mark.parametrize("killed_after", [0, 3, 20])
def test_two_processes_store_what_one_does(file, alone, two, tmp_path, monkeypatch, killed_after):
    made = arrays_run(tmp_path / "run", file)
    killed = kills_at(killed_after, monkeypatch, two)
    shared = studied(made.folder)
    assert bool(killed) == bool(killed_after)
    two.wait_for_workers(2)
    mine, theirs = files(shared), files(alone)
    assert mine.keys() == theirs.keys()
    for place, content in mine.items():
        if place.split("/")[1].startswith("boundaries"):  # distances of flips are those of one process ...
            continue
        assert content == theirs[place], place
    assert shared.result("boundaries").values["slices"] == alone.result("boundaries").values["slices"]
    for name, array in shared.arrays("boundaries").items():  # ... within their certificates
        np.testing.assert_allclose(array, alone.arrays("boundaries")[name], rtol=1e-12, err_msg=name)
    assert shared.verify().holds
