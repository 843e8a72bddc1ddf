"""Hulls of features that memory should not hold: the points stay on disk, and the answers are the same."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

import featgeom.limits as limits
from featgeom import open_run
from featgeom.arrays import file_map
from featgeom.limits import set_memory
from featgeom.proofs import verification
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


def verified(folder, monkeypatch):
    """The verification of a run, and how much of what it made was held when all its claims were checked."""
    held, real = [], verification.check_record

    def measured(*given):
        held.append(tracemalloc.get_traced_memory()[0])
        return real(*given)

    monkeypatch.setattr(verification, "check_record", measured)
    open_run(folder).verify()  # compiles and imports
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        found = open_run(folder).verify()
    finally:
        tracemalloc.stop()
    return found, held[-1] - before


def test_verification_holds_no_points_of_claims_that_are_checked(tmp_path, monkeypatch):
    """Nor what proves them, whether memory has room for all of it or not; and it says the same."""
    folder = made_run(tmp_path, 4000)
    run = open_run(folder)
    run.study("hulls")
    said = {}
    for size in ("1G", "1M"):
        set_memory(size)
        found, held = verified(folder, monkeypatch)
        assert found.holds
        said[size] = [(c.study, c.name, c.first, c.tally, c.failures) for c in (*found.checks, *found.said)]
        in_memory = 2 if size == "1G" else 0  # all samples by class, and the correct
        evidence = sum(array.nbytes for array in stored_arrays(folder)) if in_memory else 0
        assert held < (in_memory + 0.5) * run.features("train").features.nbytes + evidence
    assert said["1G"] == said["1M"]


def stored_arrays(folder):
    with np.load(folder / "claims" / "hulls.npz") as packed:
        return [packed[name] for name in packed.files]


def test_what_proves_vertices_takes_few_bytes_and_lies_on_disk_where_memory_is_short(tmp_path):
    folder = made_run(tmp_path, 4000)
    set_memory("1M")
    record = hulls.study(Run(folder))
    claim = record.claims["extreme-everything"]  # of which those of the classes are vertices, too
    assert claim.normal.dtype in (np.int8, np.int16)
    assert file_map(claim.normal) is not None
    assert len(claim) == 4000
    assert claim.check().tally["PROVED"] == 4000
    turned = replace(claim, normal=-claim.normal)
    assert turned.check().tally.get("PROVED", 0) == 0
