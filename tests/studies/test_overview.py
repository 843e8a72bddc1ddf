"""The overview of classes that have no samples, or none that is right, and how often it reads features."""

import inspect

import numpy as np

from featgeom import analyze, arrays, open_run
from featgeom.runs.making import arrays_run


def test_classes_without_samples_and_without_right_ones(tmp_path, rng):
    weight = np.eye(4)
    features = weight[rng.integers(0, 2, 40)] + 0.1 * rng.random((40, 4))
    labels = np.where(np.arange(40) % 10 == 0, 2, features.argmax(axis=1))  # none of class 2 is right
    np.savez(tmp_path / "f.npz", features=features, labels=labels, weight=weight, bias=np.zeros(4))
    run = analyze(tmp_path / "f.npz", out=tmp_path / "run")
    found = {(g["label"], g["samples"]): g for g in run.result("overview").values["guarantees"]}
    assert [found[2, "all"]["status"], found[2, "all"]["count"]] == ["BROKEN", 4]
    assert [found[2, "correct"]["status"], found[2, "correct"]["count"]] == ["UNDECIDED", 0]
    assert [found[3, samples]["count"] for samples in ("all", "correct")] == [0, 0]
    assert {found[c, "correct"]["status"] for c in (0, 1)} == {"GUARANTEED"}
    assert run.verify().holds


def test_features_on_disk_are_read_three_times_and_by_class(tmp_path, rng, monkeypatch):
    features, labels = rng.random((400, 3)), rng.integers(0, 4, 400)
    weight = rng.normal(size=(4, 3))
    np.savez(tmp_path / "f.npz", features=features, labels=labels, weight=weight, bias=np.zeros(4))
    run = arrays_run(tmp_path / "run", tmp_path / "f.npz")
    seen, whole = [], arrays.file_map

    def counted(array):
        mapped = whole(array)
        if mapped is not None and inspect.stack()[1].function == "blocks" and array.ndim == 2:
            seen.append(array.shape)
        return mapped

    monkeypatch.setattr(arrays, "file_map", counted)
    run = open_run(run.folder)
    record = run.study("overview")
    # the exact classes; the survey, by which domain and class means are seen; neural collapse
    assert seen.count(features.shape) == 3
    assert record.values["domain"]["low"].tolist() == features.min(axis=0).tolist()
