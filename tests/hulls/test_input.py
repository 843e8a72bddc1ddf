"""What people hand in: right results, or one clear line."""

import mmap
from pathlib import Path

import numpy as np
import pytest
import torch

import featgeom as fg
from featgeom import arrays
from featgeom.arrays import blocks

POINTS = np.array([[0, 0], [4, 0], [0, 4], [1, 1]])
QUERIES = np.array([[4, 4], [1, 2], [-3, 0]])
DISTANCES = [np.sqrt(8), 0, 3]

FORMS = {
    "float16": lambda a: a.astype(np.float16),
    "float32": lambda a: a.astype(np.float32),
    "int8": lambda a: a.astype(np.int8),
    "int64": lambda a: a,
    "bool sum": lambda a: a + 0,
    "list": lambda a: a.tolist(),
    "fortran": np.asfortranarray,
    "reversed": lambda a: a[::-1][::-1],
    "strided": lambda a: np.repeat(np.repeat(a.astype(float), 2, axis=0), 2, axis=1)[::2, ::2],
    "torch": lambda a: torch.tensor(a, dtype=torch.float32),
    "torch bfloat16": lambda a: torch.tensor(a, dtype=torch.bfloat16),
    "torch with gradient": lambda a: torch.tensor(a, dtype=torch.float64, requires_grad=True),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_arrays(form):
    result = fg.ConvexHull(FORMS[form](POINTS)).project(FORMS[form](QUERIES))
    np.testing.assert_allclose(result.distance, DISTANCES, atol=1e-12)
    assert result.distance.dtype == np.float64


def test_read_only_points_stay_as_they_are():
    points = POINTS.astype(np.float32)
    points.setflags(write=False)
    hull = fg.ConvexHull(points)
    assert hull.points is points or np.shares_memory(hull.points, points)
    np.testing.assert_allclose(hull.project(QUERIES).distance, DISTANCES, atol=1e-12)
    assert hull.extreme_points().mask.tolist() == [True, True, True, False]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("memory", [1 << 20, 1 << 31])
def test_memory_maps(tmp_path, memory, dtype):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(30_000, 24)).astype(dtype)
    np.save(tmp_path / "points.npy", points)
    mapped = np.load(tmp_path / "points.npy", mmap_mode="r")
    queries = 2 * rng.normal(size=(40, 24))
    there = fg.ConvexHull(mapped, memory=memory).project(queries)
    np.testing.assert_allclose(there.distance, fg.ConvexHull(points).project(queries).distance, rtol=1e-6)
    assert there.certificate.check().tally == {"PROVED": 40}


def test_what_is_looked_at_on_disk_is_asked_for_and_nothing_around_it(tmp_path, monkeypatch):
    """Blocks of points lie scattered: else the system reads megabytes around each."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(9_000, 300)).astype(np.float32)
    np.save(tmp_path / "points.npy", points)
    told = []

    class Told(mmap.mmap):
        def madvise(self, option, *where):
            told.append((option, *where))
            super().madvise(option, *where)

    monkeypatch.setattr(mmap, "mmap", Told)
    monkeypatch.setattr(arrays, "SMALL", 0)
    mapped = np.load(tmp_path / "points.npy", mmap_mode="r")
    queries = 2 * rng.normal(size=(20, 300))
    hull = fg.ConvexHull(mapped, memory=1 << 21)
    told.clear()
    found = hull.project(queries)
    np.testing.assert_allclose(found.distance, fg.ConvexHull(points).project(queries).distance, rtol=1e-6)
    assert found.certificate.check().tally == {"PROVED": 20}
    kinds = [option for option, *_ in told if option != mmap.MADV_DONTNEED]
    assert kinds[0] == mmap.MADV_RANDOM
    assert kinds[-1] == mmap.MADV_NORMAL
    stretches = [where for option, *where in told if option == mmap.MADV_WILLNEED]
    assert len(stretches) > 100
    assert all(where % mmap.PAGESIZE == 0 for where, _ in stretches)
    assert max(where + size for where, size in stretches) <= (tmp_path / "points.npy").stat().st_size
    for look in (hull.diameter, lambda: hull.support(queries), lambda: hull.extreme_points(only=[3, 7])):
        told.clear()
        look()
        assert mmap.MADV_WILLNEED in [option for option, *_ in told]


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([[np.nan, 1.0]], "NaN"),
        ([[np.inf, 1.0]], "infinity"),
        ([1.0, 2.0], r"shape \(n, d\)"),
        (np.zeros((0, 3)), "no points"),
        (np.zeros((3, 0)), "dimension is 0"),
        ([["a", "b"]], "numbers"),
        ([[1e200], [-1e200]], "rescale"),
        ([[1e-200], [-1e-200]], "rescale"),
    ],
)
def test_points_that_are_refused(points, message):
    with pytest.raises(fg.FeatgeomError, match=message):
        fg.ConvexHull(points)


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        ([[np.nan, 1.0]], "NaN"),
        ([1.0, 2.0], "shape"),
        ([[1.0, 2.0, 3.0]], "dimension 2"),
        ([[1e200, 0.0]], "rescale"),
    ],
)
@pytest.mark.parametrize("question", ["project", "contains"])
def test_queries_that_are_refused(queries, message, question):
    with pytest.raises(fg.FeatgeomError, match=message):
        getattr(fg.ConvexHull(POINTS), question)(queries)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"rtol": -1}, "rtol"), ({"atol": -1}, "atol"), ({"max_passes": 0}, "max_passes")],
)
def test_settings_that_are_refused(options, message):
    with pytest.raises(fg.FeatgeomError, match=message):
        fg.ConvexHull(POINTS).project(QUERIES, **options)


def test_devices_and_memory_that_are_refused():
    with pytest.raises(fg.FeatgeomError, match="device"):
        fg.ConvexHull(POINTS, device="abacus")
    with pytest.raises(fg.FeatgeomError, match="memory"):
        fg.ConvexHull(POINTS, memory=10)


def test_distances_too_short_to_square_are_not_called_zero():
    result = fg.ConvexHull([[0.0, 0.0]]).project([[1e-200, 0.0], [0.0, 0.0]])
    assert result.distance[0] >= 1e-200
    assert result.distance[1] == 0
    assert fg.ConvexHull([[0.0, 0.0]]).contains([[1e-200, 0.0]]).status[0] is not fg.Status.INSIDE


def test_no_queries_give_no_answers():
    hull = fg.ConvexHull(POINTS)
    assert hull.project(np.zeros((0, 2))).distance.shape == (0,)
    assert hull.contains(np.zeros((0, 2))).status.shape == (0,)
    assert hull.support(np.zeros((0, 2))).value.shape == (0,)


def test_reduced_precision_elsewhere_does_not_reach_the_bounds():
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        rng = np.random.default_rng(0)
        hull = fg.ConvexHull(rng.normal(size=(3000, 40)).astype(np.float32))
        result = hull.project(2 * rng.normal(size=(20, 40)))
        assert result.certificate.check().tally == {"PROVED": 20}
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("device", ["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
def test_every_device_of_this_machine_gives_the_same_certified_answers(device):
    rng = np.random.default_rng(0)
    points, queries = rng.normal(size=(20_000, 32)).astype(np.float32), 2 * rng.normal(size=(50, 32))
    here, there = (fg.ConvexHull(points, device=place).project(queries) for place in ("cpu", device))
    np.testing.assert_allclose(here.distance, there.distance, rtol=1e-6)
    assert there.certificate.check().tally == {"PROVED": 50}


def test_a_map_that_was_written_to_keeps_what_was_written(tmp_path):
    """Its pages hold the changes and nothing else does, so they must not be given back."""
    points = np.random.default_rng(4).normal(size=(20_000, 24)).astype(np.float32)
    np.save(tmp_path / "points.npy", points)
    changed = np.load(tmp_path / "points.npy", mmap_mode="c")
    changed += 5
    far = np.zeros((3, 24))
    held = fg.ConvexHull(points + np.float32(5), memory=1 << 20).project(far)
    mapped = fg.ConvexHull(changed, memory=1 << 20).project(far)
    np.testing.assert_array_equal(changed, points + np.float32(5))
    np.testing.assert_allclose(mapped.distance, held.distance, rtol=1e-9)


def test_blocks_of_a_map_leave_no_pages_behind(tmp_path):
    if not Path("/proc/self/status").exists():
        pytest.skip("this system does not tell a process's pages in /proc")
    rows = np.random.default_rng(5).random((1 << 12, 1 << 11), np.float32)  # 32 MiB
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")

    def pages():
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssFile")) / 1024

    before = pages()
    total = sum(float(block.sum(dtype=np.float64)) for block in blocks(mapped, 1 << 20))
    assert total == pytest.approx(rows.sum(dtype=np.float64))
    assert pages() - before < 16
