"""The overview of classes that have no samples, or none that is right."""

import numpy as np

from featgeom import analyze


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
