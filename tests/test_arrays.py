"""Rows of arrays on disk are those of arrays in memory."""

import mmap
from typing import ClassVar

import numpy as np
import pytest

from featgeom import arrays
from featgeom.arrays import read_rows


@pytest.mark.parametrize("rows", [[], [3], [700, 2, 2, 999], list(range(1000))])
@pytest.mark.parametrize("offset", [0, 4096, 12345])
@pytest.mark.parametrize("part", [slice(None), slice(100, None), slice(None, None, 2)])
def test_rows_of_a_file_are_those_of_memory(tmp_path, rng, monkeypatch, rows, offset, part):
    monkeypatch.setattr(arrays, "BLOCK_BYTES", 5000)  # four at a time
    monkeypatch.setattr(arrays, "AROUND", 0)
    monkeypatch.setattr(arrays, "SMALL", 0)
    held = rng.normal(size=(2000, 300)).astype(np.float32)
    (tmp_path / "file").write_bytes(bytes(offset) + held.tobytes())
    mapped = np.memmap(tmp_path / "file", np.float32, "r", offset, held.shape)
    chosen = np.array(rows, dtype=np.int64)
    found = read_rows(mapped[part], chosen)
    assert np.array_equal(found, held[part][chosen])
    assert found.base is None  # or what is given would hang on the file


class Told(mmap.mmap):
    """Keeps what it is advised."""

    asked: ClassVar[list[tuple[int, ...]]] = []

    def madvise(self, option, *where):
        self.asked.append((option, *where))
        super().madvise(option, *where)


@pytest.fixture
def told(monkeypatch):
    monkeypatch.setattr(mmap, "mmap", Told)
    monkeypatch.setattr(Told, "asked", [])
    monkeypatch.setattr(arrays, "SMALL", 0)
    return Told.asked


def test_all_rows_are_asked_for_at_once(tmp_path, told):
    np.save(tmp_path / "file.npy", np.zeros((64, 2048), np.float32))
    mapped = np.load(tmp_path / "file.npy", mmap_mode="r")
    read_rows(mapped, np.array([1, 40]))
    options = [option for option, *_ in told]
    assert options.count(mmap.MADV_WILLNEED) == 2
    assert options[0] == mmap.MADV_RANDOM  # so that nothing around them is read
    assert mmap.MADV_NORMAL in options[1:]


def test_what_the_system_holds_around_rows_is_given_back_before_it_is_the_file(tmp_path, monkeypatch, told):
    """A row that is touched brings the pages around it along, where another has read them before."""
    np.save(tmp_path / "file.npy", np.arange(1 << 16, dtype=np.float32).reshape(4096, 16))
    monkeypatch.setattr(arrays, "BLOCK_BYTES", 4 * arrays.AROUND)
    mapped = np.load(tmp_path / "file.npy", mmap_mode="r")
    rows = np.random.default_rng(0).permutation(4096)[:30]
    assert np.array_equal(read_rows(mapped, rows)[:, 0], 16 * rows)
    touched = 0
    for option, *_ in told:
        touched = (
            touched + 1 if option == mmap.MADV_WILLNEED else 0 if option == mmap.MADV_DONTNEED else touched
        )
        assert touched <= 4
    assert touched == 0
