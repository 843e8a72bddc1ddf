"""Files that want to run code or to take memory: none does, and each gives one line or its weights."""

from __future__ import annotations

import io
import os
import pickle
import resource
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import featgeom as fg
from featgeom.errors import BadCheckpoint
from featgeom.reading.folders import read_contents
from featgeom.reading.inert import Global, Inert
from featgeom.reading.pickles import STEPS, read_pickle

WEIGHTS = {"weight": torch.arange(6.0).view(2, 3), "bias": torch.ones(2)}
CANARY: list[str] = []
STEPS_ALLOWED = 500_000  # of a pickle, here: the true number takes seconds


def sing(*words: object) -> str:
    CANARY.append(str(words))
    return "sung"


class Reduces:
    def __reduce__(self) -> tuple[object, ...]:
        return sing, ("reduce",)


class Builds:
    """Its state is set by calling a function of the file's choice, with six places where calls may hide."""

    def __reduce__(self) -> tuple[object, ...]:
        return sing, ("made",), {"state": 1}, iter([1, 2]), iter([("key", 3)]), sing


class StateSetter:
    def __setstate__(self, state: object) -> None:
        CANARY.append("setstate")

    def __getstate__(self) -> dict[str, int]:
        return {"a": 1}


class Sequence(list):  # type: ignore[type-arg]
    def extend(self, values: object) -> None:
        CANARY.append("extend")

    append = extend  # type: ignore[assignment]


class Keyed(dict):  # type: ignore[type-arg]
    def __setitem__(self, key: object, value: object) -> None:
        CANARY.append("setitem")


class HashedKey:
    def __hash__(self) -> int:
        CANARY.append("hash")
        return 1


class NewArgs:
    def __new__(cls, word: str = "new") -> NewArgs:
        CANARY.append(word)
        return object.__new__(cls)

    def __getnewargs_ex__(self) -> tuple[tuple[str, ...], dict[str, str]]:
        return (), {"word": "newargs"}


DISGUISES = {
    "reduce": Reduces, "builds": Builds, "setstate": StateSetter, "list": lambda: Sequence([1, 2, 3]),
    "dict": lambda: Keyed(a=1), "key": lambda: {HashedKey(): 1}, "new": NewArgs,
}  # fmt: skip


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("place", ["beside", "as weights", "whole"])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_no_code_of_a_pickle_runs(disguise: str, place: str, protocol: int, tmp_path: Path) -> None:
    bird = DISGUISES[disguise]()
    content = {
        "beside": {"state_dict": WEIGHTS, "hook": bird},
        "as weights": {"state_dict": {**WEIGHTS, "hook": bird}},
        "whole": bird,
    }[place]
    torch.save(content, tmp_path / "zip", pickle_protocol=protocol)
    torch.save(content, tmp_path / "legacy", pickle_protocol=protocol, _use_new_zipfile_serialization=False)
    (tmp_path / "plain").write_bytes(pickle.dumps(content, protocol=protocol))
    CANARY.clear()
    for name in ("zip", "legacy", "plain"):
        tensors = read_contents(tmp_path / name).named.tensors
        assert len(tensors) == (0 if place == "whole" else 2)
        for key, stored in tensors.items():
            assert torch.equal(stored.tensor(), WEIGHTS[key.rpartition(".")[2]])
    assert CANARY == []


@pytest.mark.parametrize(
    "code",
    [
        b"cos\nsystem\n(S'touch canary'\ntR.",
        b"(cos\nsystem\nS'touch canary'\no.",
        b"(S'touch canary'\nios\nsystem\n.",
        b"\x80\x02cbuiltins\neval\nU\x0eopen('canary')q\x00\x85R.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0ctouch canary\x85R.",
        b"\x80\x02ctorch.hub\nload\n(tR}U\x0c__setstate__cos\nsystem\nsb.",
        b"\x80\x02c__main__\n__builtins__.eval\n(U\x01xtR.",
    ],
)
def test_no_code_of_a_pickle_written_by_hand_runs(
    code: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("evil.pth").write_bytes(code)
    with pytest.raises(BadCheckpoint) as caught:
        fg.load_classifier("evil.pth", "digits_cnn")
    assert "\n" not in str(caught.value)
    assert os.listdir() == ["evil.pth"]


def test_the_machine_knows_every_instruction_or_refuses_it() -> None:
    import pickletools

    unknown = {opcode.name for opcode in pickletools.opcodes} - set(STEPS)
    assert unknown == {"EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER"}


def test_plain_values_come_out_as_they_were() -> None:
    shared = [1, 2]
    content = {
        "texts": ["a", "ü", b"b"], "numbers": [0, -1, 2**70, 1.5, True, None],
        "tuples": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)), "sets": [{1, 2}, frozenset("ab")],
        "same": [shared, shared],
    }  # fmt: skip
    for protocol in range(4, 6):
        read = read_pickle(io.BytesIO(pickle.dumps(content, protocol=protocol)))
        assert read == content
        assert read["same"][0] is read["same"][1]


def test_what_is_unknown_is_named_with_all_it_holds() -> None:
    made = read_pickle(io.BytesIO(pickle.dumps(Builds(), protocol=4)))
    assert isinstance(made, Inert)
    assert (made.args, made.items, made.entries) == (("made",), [1, 2], {"key": 3})
    assert isinstance(read_pickle(io.BytesIO(pickle.dumps(sing))), Global)


def outcome(path: Path) -> int | str:
    """How many tensors were read, or that one line said why none."""
    try:
        return len([stored.tensor() for stored in read_contents(path).named.tensors.values()])
    except BadCheckpoint as error:
        return "one line" if "\n" not in str(error) else str(error)


def cyclic() -> bytes:
    content: dict[str, object] = {"state_dict": WEIGHTS}
    content["self"] = [content, {"again": content}]
    return pickle.dumps(content)


def deep(levels: int) -> bytes:
    return b"\x80\x02" + b"]" * levels + b"a" * (levels - 1) + b"."


def deep_key(levels: int) -> bytes:
    return b"\x80\x02}" + b")" + b"\x85" * levels + b"K\x01s."


def wide(value: bytes, count: int) -> bytes:
    return b"\x80\x04](" + value * count + b"e."


def test_cycles_are_walked_once(tmp_path: Path) -> None:
    (tmp_path / "c.pkl").write_bytes(cyclic())
    assert list(read_contents(tmp_path / "c.pkl").named.tensors) == ["state_dict.weight", "state_dict.bias"]


@pytest.mark.parametrize(
    "content",
    [
        deep(200_000),
        deep_key(200_000),
        wide(b"\x8f", STEPS_ALLOWED),
        b"\x80\x02r\xff\xff\xff\x7f.",  # a memo of two thousand million places
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fx.",  # bytes of eight exbibytes
        b"\x80\x04\x96\xff\xff\xff\xff\xff\xff\xff\x7fx.",
        b"\x80\x02\x8b\xff\xff\xff\x7f.",  # a number of two gibibytes
        b"\x80\x02(((((((((.",
        b"\x80\x02.",
        b"\x80\x02h\x07.",
        b"\x80\x02}(K\x01u.",
        b"\x80\x02\x97.",
        b"\x80\x05\x98.",
        b"\x80\x02K\x01K\x02b.",
        b"\x80\x02NNR.",
        b"\x80\x02X\x04\x00\x00\x00ab",
    ],
)
def test_pickles_that_are_no_checkpoints(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("featgeom.reading.pickles.PICKLE_STEPS", STEPS_ALLOWED)
    (tmp_path / "evil.pth").write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert outcome(tmp_path / "evil.pth") in (0, "one line")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_500_000  # KiB


def rewritten(path: Path, change: dict[bytes, bytes]) -> Path:
    """A zip of torch.save with other bytes in its pickle."""
    new = path.with_name("changed.pt")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(new, "w") as archive:
        for name in old.namelist():
            content = old.read(name)
            for before, after in change.items():
                if name.endswith("data.pkl"):
                    assert before in content
                    content = content.replace(before, after)
            archive.writestr(name, content)
    return new


def test_strides_that_promise_terabytes(tmp_path: Path) -> None:
    torch.save({"weight": torch.ones(1).expand(3, 77)}, tmp_path / "s.pt")
    assert read_contents(tmp_path / "s.pt").named.tensors["weight"].tensor().shape == (3, 77)
    long = b"\x8a\x06\x00\x00\x00\x00\x00\x04"  # 2^42
    with pytest.raises(BadCheckpoint, match="promises"):
        read_contents(rewritten(tmp_path / "s.pt", {b"K\x03KM\x86": long + b"KM\x86"}))
    with pytest.raises(BadCheckpoint, match="reaches byte"):
        read_contents(rewritten(tmp_path / "s.pt", {b"K\x00K\x00\x86": b"K\x01K\x00\x86"}))
    with pytest.raises(BadCheckpoint, match="shape, stride or offset"):
        read_contents(rewritten(tmp_path / "s.pt", {b"K\x00K\x00\x86": b"J\xff\xff\xff\xffK\x00\x86"}))


def test_archives_that_would_unpack_to_gigabytes(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", pickle.dumps({}))
        archive.writestr("a/data/0", bytes(100 << 20))
    with pytest.raises(BadCheckpoint, match="would unpack"):
        read_contents(tmp_path / "bomb.pt")
    content = bytearray((tmp_path / "bomb.pt").read_bytes())
    place = content.rfind(b"PK\x01\x02")  # the directory's entry says less than there is
    content[place + 24 : place + 28] = struct.pack("<I", 1000)
    (tmp_path / "lies.pt").write_bytes(content)
    assert outcome(tmp_path / "lies.pt") == 0  # the part is never unpacked: nothing refers to it


def test_weights_that_were_packed_are_read(tmp_path: Path) -> None:
    torch.save(WEIGHTS, tmp_path / "w.pt")
    with (
        zipfile.ZipFile(tmp_path / "w.pt") as old,
        zipfile.ZipFile(tmp_path / "z.pt", "w", zipfile.ZIP_LZMA) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    tensors = read_contents(tmp_path / "z.pt").named.tensors
    assert torch.equal(tensors["weight"].tensor(), WEIGHTS["weight"])


def test_shapes_of_arrays_that_are_not_there(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", weight=np.ones((2, 3)))
    with zipfile.ZipFile(tmp_path / "w.npz") as old, zipfile.ZipFile(tmp_path / "x.npz", "w") as new:
        header = old.read("weight.npy").replace(b"(2, 3), }         ", b"(2, 3000000000), }")
        new.writestr("weight.npy", header)
    with pytest.raises(BadCheckpoint, match="reaches byte"):
        read_contents(tmp_path / "x.npz")


def test_a_recipe_cannot_name_code(tmp_path: Path) -> None:
    (tmp_path / "helpers.py").write_text("open('canary', 'w')\n")
    recipe = f'{{"arch": "{tmp_path}/helpers.py:f", "options": {{}}, "pixels": {{"shape": [1, 8, 8]}}}}'
    save_file(WEIGHTS, tmp_path / "evil.safetensors", metadata={"featgeom": recipe})
    with pytest.raises(BadCheckpoint, match="no built-in one; a file cannot say what code is to run"):
        fg.load_classifier(tmp_path / "evil.safetensors")
    assert not (tmp_path / "canary").exists()


def test_a_recipe_cannot_ask_for_terabytes(tmp_path: Path) -> None:
    options = '{"hidden": 1000000000000}'
    recipe = f'{{"arch": "mlp", "options": {options}, "pixels": {{"shape": [1, 1, 2]}}}}'
    save_file(WEIGHTS, tmp_path / "evil.safetensors", metadata={"featgeom": recipe})
    with pytest.raises(BadCheckpoint, match="promises"):
        fg.load_classifier(tmp_path / "evil.safetensors")


def test_tar_archives_of_others(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        member = tarfile.TarInfo("../outside")
        member.size = 3
        archive.addfile(member, io.BytesIO(b"abc"))
    with pytest.raises(BadCheckpoint, match=r"torch\.save did not write"):
        read_contents(tmp_path / "t.tar")
    assert os.listdir(tmp_path) == ["t.tar"]


def test_everything_cut_short_is_one_line(tmp_path: Path) -> None:
    torch.save(WEIGHTS, tmp_path / "zip")
    torch.save(WEIGHTS, tmp_path / "legacy", _use_new_zipfile_serialization=False)
    save_file(WEIGHTS, tmp_path / "safe")
    (tmp_path / "plain").write_bytes(pickle.dumps(WEIGHTS))
    random = np.random.default_rng(0)
    silent = 0
    for name in ("zip", "legacy", "safe", "plain"):
        whole = (tmp_path / name).read_bytes()
        for length in random.integers(1, len(whole), 40):
            (tmp_path / "cut").write_bytes(whole[:length])
            with pytest.raises(BadCheckpoint) as caught:
                read_contents(tmp_path / "cut")
            assert "\n" not in str(caught.value)
        for place in random.integers(0, len(whole), 60):
            (tmp_path / "flipped").write_bytes(
                whole[:place] + bytes([whole[place] ^ (1 << int(random.integers(8)))]) + whole[place + 1 :]
            )
            found = outcome(tmp_path / "flipped")
            assert found == "one line" or isinstance(found, int)
            silent += found == 2
    assert silent > 0  # a changed bit of a number cannot be seen without a checksum


def test_memory_of_a_reader_stays_small(tmp_path: Path) -> None:
    """The whole reader, in a process that may have one gigabyte more than torch itself takes."""
    (tmp_path / "deep.pth").write_bytes(deep(600_000))
    code = (
        "import resource, sys, torch\nfrom pathlib import Path\n"
        "from featgeom.reading.folders import read_contents\n"
        "import featgeom.models.sources\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30),) * 2)\n"
        "print(len(read_contents(Path(sys.argv[1])).named.tensors))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "deep.pth")], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "0", done.stderr
