"""Many small arrays in one file: written fast, read as numpy would, each once."""

import io

import numpy as np
import pytest

from featgeom.data.npz import arrays_of, packed
from featgeom.errors import BadData
from featgeom.runs.evidence import Arrays

ODD = {
    "empty": np.zeros((0, 3)),
    "number": np.array(2.5),
    "words": np.array(["a", "bcd"]),
    "no letters": np.array(["", ""]),
    "columns": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "other end": np.arange(5, dtype=">i4"),
    "truths": np.array([True, False]),
}


def test_what_is_packed_comes_back():
    found = arrays_of(io.BytesIO(packed(ODD)), "odd.npz")
    again = np.load(io.BytesIO(packed(ODD)))
    assert list(found) == list(again.files) == list(ODD)
    for name, array in ODD.items():
        for other in (found[name], again[name]):
            assert other.dtype == array.dtype
            assert np.array_equal(other, array)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_saves_is_read(save):
    file = io.BytesIO()
    save(file, **ODD)
    found = arrays_of(io.BytesIO(file.getvalue()), "odd.npz")
    assert all(np.array_equal(found[name], array) for name, array in ODD.items())


def test_a_file_is_the_same_whenever_it_is_written():
    assert bytes(packed(ODD)) == bytes(packed(dict(ODD)))


def test_an_array_that_ends_early_is_refused():
    whole = bytearray(packed({"a": np.arange(1000.0)}))
    whole[60:80] = bytes(20)
    with pytest.raises(BadData):
        arrays_of(io.BytesIO(whole), "cut.npz")


def test_equal_arrays_are_stored_once_and_others_apart():
    kept = Arrays()
    names = [kept.keep(a)[0] for a in (np.zeros(3), np.zeros(3), np.zeros(3, np.float32), np.zeros((3, 1)))]
    assert names == ["a0", "a0", "a1", "a2"]
    assert list(kept) == ["a0", "a1", "a2"]
