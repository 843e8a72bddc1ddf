"""Arrays on a shelf are the same arrays; a full disk is said, and memory holds them."""

import io
import os

import numpy as np
import pytest

import featgeom.limits as limits
from featgeom.arrays import file_map
from featgeom.data.npz import arrays_of, packed, read_arrays
from featgeom.errors import BadData
from featgeom.limits import set_memory
from featgeom.remarks import heard
from featgeom.shelf import SEGMENT, SMALL, Shelf

ARRAYS = {
    "small": np.arange(5.0),
    "large": np.arange(300_000.0).reshape(300, 1000),
    "turned": np.asfortranarray(np.arange(90_000).reshape(300, 300)),
    "whole": np.arange(400_000, dtype=np.int8),
    "none": np.zeros((0, 7)),
}


@pytest.fixture
def little(monkeypatch):
    monkeypatch.setattr(limits, "_budget", [])
    set_memory("1M")


def test_what_is_put_there_is_the_same_and_cannot_be_changed(tmp_path, rng, monkeypatch):
    monkeypatch.setattr("featgeom.shelf.SEGMENT", 1 << 20)
    shelf = Shelf(tmp_path)
    arrays = [rng.integers(0, 100, (int(n), 3)).astype(kind) for n in rng.integers(1, 200_000, 20)
              for kind in (np.int8, np.float32)]  # fmt: skip
    kept = [shelf.put(array) for array in arrays]
    for array, again in zip(arrays, kept, strict=True):
        np.testing.assert_array_equal(array, again)
        assert again.dtype == array.dtype
        assert (file_map(again) is not None) == (array.nbytes >= SMALL)
        assert shelf.put(again) is again or array.nbytes < SMALL
    assert not kept[1].flags.writeable or kept[1].nbytes < SMALL
    assert not list(tmp_path.iterdir())
    assert SEGMENT > 1 << 20


def test_a_full_disk_is_said_and_memory_holds_it(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    said = []
    with heard(said.append):
        again = Shelf(tmp_path).put(ARRAYS["large"])
    assert file_map(again) is None
    np.testing.assert_array_equal(again, ARRAYS["large"])
    assert len(said) == 1
    assert "No space left" in said[0]


def test_arrays_of_a_file_that_memory_should_not_hold_are_read_to_disk(tmp_path, little):
    path = tmp_path / "a.npz"
    content = packed(ARRAYS, tmp_path)
    assert bytes(content) == bytes(packed(ARRAYS))
    path.write_bytes(content)
    found = read_arrays(path, folder=tmp_path)
    assert file_map(found["large"]) is not None
    assert file_map(found["small"]) is None
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]


def test_a_damaged_file_is_refused_all_the_same(tmp_path, little):
    content = bytearray(packed(ARRAYS))
    content[len(content) // 2] ^= 255
    for folder in (None, tmp_path):
        with pytest.raises(BadData, match=r"cut\.npz: not a"):
            arrays_of(io.BytesIO(content), "cut.npz", folder=folder)
