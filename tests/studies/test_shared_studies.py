"""Studies whose work two processes share store the bytes that one stores, a killed worker or none."""

import json
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


@pytest.fixture(scope="module", autouse=True)
def few_at_a_time():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("featgeom.regions.survey.BLOCK_ENTRIES", 7 * 256)
        for name in ("CLASSES", "SURVEYED"):
            patch.setattr(overview, name, 2)
        yield


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


def studied(folder):
    for study in STUDIES:
        open_run(folder).study(study, **OPTIONS.get(study, {}))
    return open_run(folder)


def stored(run, study):
    """The bytes of a study's claims and arrays, and what its record says, without how long it took."""
    made = [
        run.folder / "claims" / f"{study}.json",
        *(run.folder / f / f"{study}.npz" for f in ("claims", "results")),
    ]
    record = json.loads((run.folder / "results" / f"{study}.json").read_text())
    return [place.read_bytes() for place in made], {k: v for k, v in record.items() if k != "seconds"}


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
    for study in ("overview", "regions", "svm"):
        for mine, theirs in zip(stored(shared, study), stored(alone, study), strict=True):
            assert mine == theirs, study
    # The nearest flips of boundaries are those of one process within their certificates alone.
    assert shared.result("boundaries").values["slices"] == alone.result("boundaries").values["slices"]
    for name, array in shared.arrays("boundaries").items():
        np.testing.assert_allclose(array, alone.arrays("boundaries")[name], rtol=1e-12, err_msg=name)
    assert shared.verify().holds
