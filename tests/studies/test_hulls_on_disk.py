"""Hulls of features that memory should not hold: the points stay on disk, and the answers are the same."""

import tracemalloc

import numpy as np
import pytest

import featgeom.limits as limits
from featgeom import open_run
from featgeom.arrays import file_map
from featgeom.limits import set_memory
from featgeom.remarks import heard
from featgeom.runs.making import arrays_run
from featgeom.runs.run import Run
from featgeom.runs.spool import Spool
from featgeom.studies import hulls

CLASSES, DIMENSION = 6, 160


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch):
    monkeypatch.setattr(limits, "_budget", [])
    yield
    hulls.convex.cache_clear()


def made_run(folder, n, seed=0):
    rng = np.random.default_rng(seed)
    middles = 2 * rng.normal(size=(CLASSES, DIMENSION))
    arrays = {"weight": middles, "bias": -0.5 * (middles**2).sum(axis=1)}
    for split, count in (("train", n), ("test", 30)):
        labels = rng.integers(0, CLASSES, count)
        features = (middles[labels] + 2 * rng.normal(size=(count, DIMENSION))).astype(np.float32)
        arrays |= {f"features_{split}": features, f"labels_{split}": labels}
    np.savez(folder / "f.npz", **arrays)
    return arrays_run(folder / "run", folder / "f.npz").folder


def test_what_is_kept_on_disk_is_what_is_named(tmp_path):
    run = Run(made_run(tmp_path, 4000))
    words = ["train/features of class 2", "train/features of class 2 predicted 2", "train/features"]
    set_memory("1G")
    held = [run.subjects.kept(of) for of in words]
    assert [file_map(points) is None for points in held] == [True, True, False]
    set_memory("1M")
    for of, points in zip(words, held, strict=True):
        again = run.subjects.kept(of)
        assert file_map(again) is not None
        assert run.subjects.kept(of) is again or of == "train/features"
        np.testing.assert_array_equal(again, points)
        np.testing.assert_array_equal(run.subjects.points(of), points)
        assert not again.flags.writeable


def test_where_the_disk_is_full_memory_holds_them_and_that_is_said(tmp_path, monkeypatch):
    run, of = Run(made_run(tmp_path, 4000)), "train/features of class 2"
    set_memory("1M")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Spool, "rows", full)
    said = []
    with heard(said.append):
        points = run.subjects.kept(of)
    assert file_map(points) is None
    np.testing.assert_array_equal(points, run.subjects.points(of))
    assert len(said) == 1
    assert "No space left" in said[0]


def test_the_study_says_and_proves_the_same(tmp_path):
    folder = made_run(tmp_path, 2500)
    said = {}
    for size in ("1G", "1M"):
        set_memory(size)
        run = open_run(folder)
        said[size] = run.study("hulls")
        assert run.verify().holds
        hulls.convex.cache_clear()
    large, small = said["1G"], said["1M"]
    assert [f.text for f in large.findings] == [f.text for f in small.findings]
    for mine, other in zip(large.values["hulls"], small.values["hulls"], strict=True):
        assert [mine[k] for k in ("label", "points", "extreme", "inside")] == [
            other[k] for k in ("label", "points", "extreme", "inside")
        ]
        for key in ("diameter", "radius", "median_distance"):
            assert mine[key] == pytest.approx(other[key], rel=2e-6)
    for name in ("test_all", "pair_distance_all", "pair_distance_correct"):
        np.testing.assert_allclose(large.arrays[name], small.arrays[name], rtol=2e-6)


def test_points_are_held_by_no_claim_and_no_pair(tmp_path, monkeypatch):
    """All that is held beside what proves the claims is less than the points themselves."""
    folder = made_run(tmp_path, 16_000)
    set_memory("1M")
    monkeypatch.setattr(hulls.Hull, "counted", property(lambda hull: False))  # normals of vertices take more
    run = Run(folder)
    size = run.features("train").features.nbytes
    (tmp_path / "small").mkdir()
    hulls.study(Run(made_run(tmp_path / "small", 9000)))  # compiles and imports
    hulls.convex.cache_clear()
    tracemalloc.start()
    try:
        record = hulls.study(run)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(record.claims) > 2 * CLASSES
    assert most < size / 2
