"""Which rows of a head are nearest to which, as rational arithmetic has it."""

import mmap
from fractions import Fraction

import numpy as np
import pytest

from featgeom import arrays
from featgeom.exact import heads, screens
from featgeom.exact.screens import lowest

ROWS = {
    "any": lambda rng: rng.standard_normal((30, 5)),
    "whole numbers, with many ties": lambda rng: rng.integers(0, 3, (30, 3)).astype(np.float64),
    "equal": lambda rng: np.ones((30, 4)),
    "zero": lambda rng: np.zeros((30, 2)),
    "far from the origin": lambda rng: 1e9 + rng.integers(0, 4, (30, 3)) * 2.0**-20,
    "huge": lambda rng: rng.standard_normal((30, 3)) * 1e200,
    "tiny": lambda rng: rng.standard_normal((30, 3)) * 1e-200,
    "of all sizes": lambda rng: rng.standard_normal((30, 3)) * 10.0 ** rng.integers(-150, 150, (30, 1)),
}


@pytest.mark.parametrize("make", ROWS.values(), ids=ROWS.keys())
@pytest.mark.parametrize("count", [1, 4, 29])
def test_nearest_rows_are_those_of_exact_arithmetic(rng, make, count):
    weight = make(rng)
    exact = [[Fraction(value) for value in row] for row in weight.tolist()]
    found = heads.nearest_rows(weight, count)
    for a, row in enumerate(exact):
        gaps = [(sum((p - q) ** 2 for p, q in zip(row, other)), k) for k, other in enumerate(exact) if k != a]
        assert found[a].tolist() == sorted(k for _, k in sorted(gaps)[:count])


def test_rows_clearly_apart_need_no_exact_arithmetic(rng, monkeypatch):
    monkeypatch.setattr(heads.ExactHead, "gap2", None)
    weight = rng.standard_normal((200, 64))
    apart = np.linalg.norm(weight[:, None] - weight, axis=2) + np.diag(np.full(200, np.inf))
    near = np.sort(np.argsort(apart, axis=1)[:, :7], axis=1)
    assert (heads.nearest_rows(weight, 7) == near).all()


def test_blocks_of_a_file_give_its_pages_back(rng, tmp_path, monkeypatch):
    """A check looks at a million samples once: what it has seen need not stay."""
    given = []

    class Told(mmap.mmap):
        def madvise(self, option, *where):
            given.append(option)
            super().madvise(option, *where)

    monkeypatch.setattr(mmap, "mmap", Told)
    points, weight = rng.standard_normal((100, 3)), rng.standard_normal((4, 3))
    np.save(tmp_path / "points.npy", points)
    mapped = np.load(tmp_path / "points.npy", mmap_mode="r")
    monkeypatch.setattr(heads, "BLOCK_ENTRIES", 40)
    blocks = list(heads.row_blocks(100, 4, mapped[:]))
    assert [(b.start, b.stop) for b in blocks] == [(i, i + 10) for i in range(0, 100, 10)]
    assert given == [mmap.MADV_DONTNEED] * 10
    for some in (heads.exact_classes, lambda *head: heads.least_margins(*head, 1)):
        del given[:]
        assert list(some(mapped, weight, np.zeros(4))) == list(some(points, weight, np.zeros(4)))
        assert given == [mmap.MADV_DONTNEED] * 10


def test_many_directions_share_a_look_at_all_points_on_disk(tmp_path, monkeypatch):
    """Each look reads the file, and of one that is mapped nothing is left behind."""
    np.save(tmp_path / "points.npy", np.random.default_rng(0).integers(-9, 10, (5000, 4)).astype(np.float32))
    points = np.load(tmp_path / "points.npy", mmap_mode="r")
    given_back, looks = [], []
    monkeypatch.setattr(arrays, "release", given_back.append)
    monkeypatch.setattr(screens, "blocks", lambda *some: looks.append(some) or arrays.blocks(*some))
    directions = np.random.default_rng(1).integers(-9, 10, (3000, 4)).astype(float)
    found = lowest(points, directions)
    assert len(looks) == 2
    assert len(given_back) > 10
    assert all(mapped is not None for mapped in given_back)
    assert [float(low) for low in found] == (points @ directions.T.astype(np.float32)).min(axis=0).tolist()
