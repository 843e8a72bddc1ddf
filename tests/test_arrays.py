"""Rows of arrays on disk are those of arrays in memory."""

import mmap

import numpy as np
import pytest

from featgeom import arrays
from featgeom.arrays import read_rows


@pytest.mark.parametrize("rows", [[], [3], [700, 2, 2, 999], list(range(1000))])
@pytest.mark.parametrize("offset", [0, 4096, 12345])
@pytest.mark.parametrize("part", [slice(None), slice(100, None), slice(None, None, 2)])
def test_rows_of_a_file_are_those_of_memory(tmp_path, rng, monkeypatch, rows, offset, part):
    monkeypatch.setattr(arrays, "BLOCK_BYTES", 5000)  # four at a time
    monkeypatch.setattr(arrays, "SMALL", 0)
    held = rng.normal(size=(2000, 300)).astype(np.float32)
    (tmp_path / "file").write_bytes(bytes(offset) + held.tobytes())
    mapped = np.memmap(tmp_path / "file", np.float32, "r", offset, held.shape)
    chosen = np.array(rows, dtype=np.int64)
    found = read_rows(mapped[part], chosen)
    assert np.array_equal(found, held[part][chosen])
    assert found.base is None  # or what is given would hang on the file


def test_all_rows_are_asked_for_at_once(tmp_path, monkeypatch):
    held, asked = np.zeros((64, 2048), np.float32), []

    class Told(mmap.mmap):
        def madvise(self, option, *where):
            asked.append((option, *where))
            super().madvise(option, *where)

    np.save(tmp_path / "file.npy", held)
    monkeypatch.setattr(mmap, "mmap", Told)
    monkeypatch.setattr(arrays, "SMALL", 0)
    mapped = np.load(tmp_path / "file.npy", mmap_mode="r")
    read_rows(mapped, np.array([1, 40]))
    options = [option for option, *_ in asked]
    assert options.count(mmap.MADV_WILLNEED) == 2
    assert options[0] == mmap.MADV_RANDOM  # so that nothing around them is read
    assert mmap.MADV_NORMAL in options[1:]
