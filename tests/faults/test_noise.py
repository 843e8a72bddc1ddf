"""Whatever is done to a file that is read: it is read, or refused in one line."""

import os
import struct
import warnings
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import featgeom as fg
from featgeom.errors import FeatgeomError
from featgeom.reading.folders import read_contents

from .noise import KINDS_OF_EDIT, changed, changed_inside, outcome, readers

EXAMPLES = int(os.environ.get("FEATGEOM_NOISE", "12"))  # a reader; the soak tries many more
UNFIT = ("safetensors with a recipe",)  # whose weights are those of another network
SLOW = ("run:", "program", "recipe")

EDITS = st.lists(
    st.tuples(st.integers(0, KINDS_OF_EDIT - 1), st.floats(0, 1), st.binary(min_size=1, max_size=8)),
    min_size=1,
    max_size=4,
)


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    return readers(tmp_path_factory.mktemp("good"))


def test_what_is_whole_is_read(known, tmp_path):
    for name, reader in known.items():
        expected = "refused in a line" if name in UNFIT else "read"
        assert outcome(reader, tmp_path / "x", reader.good) == expected, name


def test_noise_is_read_or_refused_in_a_line(known, tmp_path):
    for name, reader in known.items():
        slow = any(word in name for word in SLOW)
        tried(reader, tmp_path / "x", max(1, EXAMPLES // 4) if slow else EXAMPLES)


def tried(reader, place, count):
    @settings(max_examples=count, deadline=None, database=None, derandomize=True)
    @given(EDITS, st.booleans())
    def law(edits, inside):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of what it then refuses
            content = (changed_inside if inside else changed)(reader.good, edits)
            assert outcome(reader, place, content) in ("read", "refused in a line")

    law()


def test_a_header_of_an_array_that_ends_within_a_bracket_is_refused_in_a_line(tmp_path):
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (4L, (".ljust(118) + b"\n"
    for read, name in ((fg.load_features, "features"), (read_contents, "weight")):
        with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
            archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
        with pytest.raises(FeatgeomError):
            read(tmp_path / "x.npz")
