"""The ways in which people store one small network: each gives its weights, or a listed reason."""

from __future__ import annotations

import argparse
import collections
import datetime
import decimal
import enum
import fractions
import functools
import io
import json
import os
import pathlib
import pickle
import struct
import tarfile
import uuid
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import prune

import featgeom as fg
from featgeom.errors import BadCheckpoint, FeatgeomError
from featgeom.models.architectures import find_architecture
from featgeom.models.checkpoints import read_checkpoint
from featgeom.models.matching import facts_of
from featgeom.models.opening import Opening, open_source
from featgeom.models.weights import load_weights
from featgeom.remarks import heard

ARGS = {"channels": 1, "classes": 3, "features": 2, "width": 2}
State = dict[str, Tensor]


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    made = find_architecture("small_resnet").build(**ARGS)
    for buffer in made.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    return made


class Colour(enum.Enum):
    RED = 1


@dataclass
class Config:
    depth: int = 3
    where: object = None


class Meter:
    def __init__(self) -> None:
        self.history, self.best = [1.0, 2.0], None

    def reset(self) -> None:
        """A bound method can be pickled, too."""


def beside(value: Any) -> Callable[[State, nn.Module], Any]:
    return lambda state, _: {"state_dict": state, "thing": value}


def nested(*keys: str) -> Callable[[State, nn.Module], Any]:
    def nest(state: State, _: nn.Module) -> Any:
        content: Any = state
        for key in reversed(keys):
            content = {key: content, "epoch": 3}
        return content

    return nest


def prefixed(prefix: str) -> Callable[[State, nn.Module], Any]:
    return lambda state, _: {prefix + name: tensor for name, tensor in state.items()}


def inside(part: str, after: int = 1) -> Callable[[State, nn.Module], Any]:
    def change(name: str) -> str:
        parts = name.split(".")
        return ".".join([*parts[:after], part, *parts[after:]]) if len(parts) > after + 1 else name

    return lambda state, _: {change(name): tensor for name, tensor in state.items()}


def with_extra(**extra: Any) -> Callable[[State, nn.Module], Any]:
    return lambda state, _: {**state, **{name.replace("__", "."): value for name, value in extra.items()}}


def under(prefix: str, **extra: Any) -> Callable[[State, nn.Module], Any]:
    return lambda state, net: {**prefixed(prefix)(state, net), **with_extra(**extra)({}, net)}


def changed(change: Callable[[Tensor], Tensor]) -> Callable[[State, nn.Module], Any]:
    return lambda state, _: {k: change(v) if v.is_floating_point() else v for k, v in state.items()}


def optimizers(state: State, net: nn.Module) -> Any:
    optimizer = torch.optim.Adam(net.parameters())
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    return {
        "state_dict": state,
        "optimizer": optimizer,
        "scheduler": schedule,
        "states": optimizer.state_dict(),
    }


KEY_NAMES = """
state_dict model_state_dict model net network weights params module model_state net_state_dict
params_ema ema state_dict_ema model_ema teacher student best_state_dict generator backbone
classifier 0 parameters checkpoint my_own_key model.state_dict weights_only best_model_wts
model_weights cnn encoder target
"""
KEYS = KEY_NAMES.split()
NESTINGS = {f"under {key}": nested(key) for key in KEYS} | {
    "plain": lambda s, _: s,
    "under two keys": nested("checkpoint", "model"),
    "under four keys": nested("a", "b", "c", "d"),
    "in a list": lambda s, _: [s],
    "in a tuple with epoch": lambda s, _: (3, s, "adam"),
    "in a list of dictionaries": lambda s, _: [{"x": 1}, {"net": s}],
    "as OrderedDict": lambda s, _: collections.OrderedDict(s),
    "as pairs": lambda s, _: list(s.items()),
    "layer by layer": lambda s, _: layered(s),
    "with a number for a key": lambda s, _: {0: s, 1: 3},
    "beside an equal copy": lambda s, _: {"model": s, "ema": {k: v.clone() for k, v in s.items()}},
    "as AveragedModel": lambda s, net: torch.optim.swa_utils.AveragedModel(net).state_dict(),
}


def layered(state: State) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name, tensor in state.items():
        layer, _, last = name.rpartition(".")
        content.setdefault(layer, {})[last] = tensor
    return content


PREFIXES = {
    f"prefix {prefix}": prefixed(prefix)
    for prefix in (
        "module.",
        "_orig_mod.",
        "model.",
        "net.",
        "module.module.",
        "_orig_mod.module.",
        "backbone.",
        "encoder.model.",
        "_fsdp_wrapped_module.",
        "student.backbone.",
        "0.",
        "model.net.",
    )
} | {
    "compiled layers": inside("_orig_mod"),
    "sharded layers": inside("_fsdp_wrapped_module"),
    "checkpointed layers": inside("_checkpoint_wrapped_module", 2),
    "module. in the middle": inside("module"),
    "module. on some": lambda s, _: {"module." * (i % 2) + n: t for i, (n, t) in enumerate(s.items())},
}
EXTRAS = {
    "thop's counts": with_extra(total_ops=torch.zeros(1), **{"0__total_params": torch.zeros(1)}),
    "an epoch as a tensor": with_extra(epoch=torch.tensor(3)),
    "a weighted criterion": with_extra(criterion__weight=torch.ones(3)),
    "lightning": under("model.", criterion__weight=torch.ones(3), train_acc__tp=torch.ones(3)),
    "an averaged copy beside": lambda s, n: {**s, **prefixed("ema.")(s, n)},
    "another network beside": under("classifier.", discriminator__0__weight=torch.ones(2, 2)),
    "no counts of batches": lambda s, _: {k: v for k, v in s.items() if "num_batches" not in k},
    "a normaliser": under(
        "1.", **{"0__mean": torch.full((1, 1, 1), 0.5), "0__std": torch.full((1, 1, 1), 0.25)}
    ),
}
THINGS = {
    "a path": pathlib.PurePosixPath("a/b"),
    "an enum": Colour.RED,
    "a namespace": argparse.Namespace(lr=0.1),
    "a dataclass": Config(where=Config()),
    "an object": Meter(),
    "a method": Meter().reset,
    "a class": Meter,
    "a function": layered,
    "a partial": functools.partial(layered, {}),
    "a date": datetime.datetime(2024, 1, 1),
    "a timedelta": datetime.timedelta(1),
    "a uuid": uuid.UUID(int=1),
    "a decimal": decimal.Decimal("0.1"),
    "a fraction": fractions.Fraction(1, 3),
    "a deque": collections.deque([1]),
    "a counter": collections.Counter("a"),
    "a defaultdict": collections.defaultdict(list, a=[1]),
    "a set": {1, 2},
    "a range": range(3),
    "bytes": b"abc",
    "a complex number": 1j,
    "a numpy scalar": np.float64(0.9),
    "a numpy integer": np.int64(3),
    "a numpy array": np.arange(3),
    "an array of objects": np.array([None, "a"], dtype=object),
    "a numpy generator": np.random.default_rng(0),
    "a dtype": torch.float16,
    "a device": torch.device("cpu"),
    "a size": torch.Size([1, 2]),
    "a generator's state": torch.get_rng_state(),
    "a lossy slice": slice(1, 2),
    "a module": nn.Linear(2, 2),
    "an exception": ValueError("a"),
    "a long history": list(range(5000)),
}
BESIDE = {f"beside {name}": beside(value) for name, value in THINGS.items()} | {
    "beside optimizers": optimizers
}
KINDS = {
    "parameters": lambda s, net: dict(net.named_parameters()) | dict(net.named_buffers()),
    "channels last": changed(lambda t: t.contiguous(memory_format=torch.channels_last) if t.ndim == 4 else t),
    "a view of more": changed(lambda t: torch.cat([t.flatten(), t.flatten()])[: t.numel()].view(t.shape)),
    "a transposed view": changed(lambda t: t.T.contiguous().T if t.ndim == 2 else t),
    "sparse": changed(lambda t: t.to_sparse() if t.ndim == 2 else t),
    "arrays of numpy": lambda s, _: {k: v.numpy() for k, v in s.items()},
    "arrays in a nest": lambda s, _: {"params": {k: v.numpy() for k, v in s.items()}, "step": np.int32(4)},
    "a whole network": lambda _, net: net,
    "a whole network, parallel": lambda _, net: nn.DataParallel(net),
    "a whole network under a key": lambda _, net: {"net": net, "acc": 0.9},
}
CONTENTS = {**NESTINGS, **PREFIXES, **EXTRAS, **BESIDE, **KINDS}


def opened(path: Path, key: str | None = None) -> nn.Module:
    return open_source(path, Opening("small_resnet", key, ARGS)).module


def assert_same(module: nn.Module, network: nn.Module) -> None:
    wanted = network.state_dict()
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, wanted[name]) or "num_batches" in name, name


@pytest.mark.parametrize("name", CONTENTS)
def test_the_weights_are_found(name: str, network: nn.Module, tmp_path: Path) -> None:
    torch.save(CONTENTS[name](network.state_dict(), network), tmp_path / "w.pt")
    assert_same(opened(tmp_path / "w.pt"), network)


FILES = (
    "w.ckpt",
    "w.bin",
    "w.tar",
    "w.pth.tar",
    "w.pkl",
    "w.model",
    "w.weights",
    "W.PTH",
    "w",
    "w.2024.01",
    "w.onnx",
    "w.safetensors",
    "w.pt2",
    "w.ts",
    "w.h5",
    "w@2.pth",
    "weights (1).pt",
    "wägung.pt",
    "w.npz",
)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("legacy", [False, True])
def test_whatever_the_file_is_called(file: str, legacy: bool, network: nn.Module, tmp_path: Path) -> None:
    torch.save(network.state_dict(), tmp_path / file, _use_new_zipfile_serialization=not legacy)
    assert_same(opened(tmp_path / file), network)


WRITTEN = [
    (w, p) for w in ("zip", "legacy", "pickle") for p in range(6) if p or w == "pickle"
]  # torch: 1 to 5


@pytest.mark.parametrize(("writer", "protocol"), WRITTEN)
def test_every_protocol(writer: str, protocol: int, network: nn.Module, tmp_path: Path) -> None:
    content = {"state_dict": network.state_dict(), "config": Config()}
    if writer == "pickle":
        (tmp_path / "w").write_bytes(pickle.dumps(content, protocol=protocol))
    else:
        new = writer == "zip"
        torch.save(content, tmp_path / "w", pickle_protocol=protocol, _use_new_zipfile_serialization=new)
    assert_same(opened(tmp_path / "w"), network)


def as_tar(state: State, path: Path) -> None:
    """As torch.save wrote before its version 0.2; tensors are numbered, storages by the same numbers."""
    storages, tensors, names = io.BytesIO(), io.BytesIO(), {}
    for stream in (storages, tensors):
        pickle.dump(len(state), stream, protocol=2)
    for number, (name, tensor) in enumerate(state.items()):
        kind = "LongStorage" if tensor.dtype == torch.int64 else "FloatStorage"
        storages.write(
            b"\x80\x02K" + bytes([number]) + b"X\x03\x00\x00\x00cpuctorch\n" + kind.encode() + b"\n\x87."
        )
        storages.write(struct.pack("<q", tensor.numel()) + tensor.numpy().tobytes())
        tensors.write(b"\x80\x02K" + bytes([number]) + b"K" + bytes([number]) + b"ctorch\nFloatTensor\n\x87.")
        shape, stride = tensor.shape, tensor.stride()
        tensors.write(struct.pack(f"<ii{len(shape)}q{len(shape)}qq", len(shape), 0, *shape, *stride, 0))
        names[name] = number
    pickle.dump([], storages, protocol=2)
    content = b"\x80\x02}("
    for name, number in names.items():
        content += b"X" + struct.pack("<I", len(name)) + name.encode() + b"P" + str(number).encode() + b"\n"
    parts = {"sys_info": pickle.dumps({}), "storages": storages.getvalue(), "tensors": tensors.getvalue()}
    with tarfile.open(path, "w") as archive:
        for part, data in {**parts, "pickle": content + b"u."}.items():
            member = tarfile.TarInfo(part)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def as_shards(state: State, folder: Path) -> None:
    folder.mkdir()
    halves = list(state)[::2], list(state)[1::2]
    places = {}
    for number, names in enumerate(halves):
        file = f"model-0000{number}-of-00002.safetensors"
        save_file({name: state[name].clone() for name in names}, folder / file)
        places |= dict.fromkeys(names, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


def as_bin_shards(state: State, folder: Path) -> None:
    folder.mkdir()
    torch.save(state, folder / "pytorch_model-00001-of-00001.bin")
    places = dict.fromkeys(state, "pytorch_model-00001-of-00001.bin")
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": places}))


def as_accelerate(state: State, folder: Path) -> None:
    folder.mkdir()
    save_file({name: tensor.clone() for name, tensor in state.items()}, folder / "model.safetensors")
    torch.save({"state": {0: torch.ones(3)}}, folder / "optimizer.bin")
    (folder / "random_states_0.pkl").write_bytes(pickle.dumps({"numpy": np.random.get_state()}))  # noqa: NPY002


def as_deepspeed(state: State, folder: Path) -> None:
    (folder / "global_step7").mkdir(parents=True)
    (folder / "latest").write_text("global_step7")
    torch.save({"module": state, "ds_config": {}}, folder / "global_step7" / "mp_rank_00_model_states.pt")


def as_distributed(state: State, folder: Path) -> None:
    import torch.distributed.checkpoint as dcp

    dcp.save({"model": state, "epoch": 3}, checkpoint_id=str(folder), no_dist=True)


def as_one_file(state: State, folder: Path) -> None:
    folder.mkdir()
    torch.save(state, folder / "best.ckpt")
    (folder / "log.txt").write_text("0.9")


def as_rezipped(state: State, path: Path) -> None:
    torch.save(state, path.with_name("first"))
    with (
        zipfile.ZipFile(path.with_name("first")) as old,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))


def as_numpy_one(state: State, path: Path) -> None:
    torch.save({"state_dict": state, "best": np.float64(0.9)}, path.with_name("first"))
    with zipfile.ZipFile(path.with_name("first")) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))


def as_big_endian(state: State, path: Path) -> None:
    torch.save(state, path.with_name("first"))
    with zipfile.ZipFile(path.with_name("first")) as old, zipfile.ZipFile(path, "w") as new:
        sizes = {t.untyped_storage().nbytes(): t.dtype.itemsize for t in state.values()}
        for name in old.namelist():
            data = old.read(name)
            if "/data/" in name:
                size = sizes[len(data)]
                data = np.frombuffer(data, f"u{size}").byteswap().tobytes()
            new.writestr(name, b"big" if name.endswith("byteorder") else data)


WRITERS: dict[str, Callable[[State, Path], None]] = {
    "tar of torch 0.1": as_tar,
    "safetensors": lambda s, p: save_file({k: v.clone() for k, v in s.items()}, p),
    "npz": lambda s, p: np.savez(p.open("wb"), **{k: v.numpy() for k, v in s.items()}),
    "packed npz": lambda s, p: np.savez_compressed(p.open("wb"), **{k: v.numpy() for k, v in s.items()}),
    "safetensors in shards": as_shards,
    "bin in shards": as_bin_shards,
    "accelerate": as_accelerate,
    "deepspeed": as_deepspeed,
    "torch.distributed.checkpoint": as_distributed,
    "a folder of one file": as_one_file,
    "packed again": as_rezipped,
    "numpy 1 scalars": as_numpy_one,
    "another byte order": as_big_endian,
}


@pytest.mark.filterwarnings("ignore:unclosed file", "ignore:TypedStorage", "ignore:torch.distributed")
@pytest.mark.parametrize("writer", WRITERS)
def test_every_way_of_writing(writer: str, network: nn.Module, tmp_path: Path) -> None:
    WRITERS[writer](network.state_dict(), tmp_path / "w")
    assert_same(opened(tmp_path / "w"), network)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn])
def test_other_floating_types(dtype: torch.dtype, network: nn.Module, tmp_path: Path) -> None:
    state = {k: v.to(dtype) if v.is_floating_point() else v for k, v in network.state_dict().items()}
    torch.save(state, tmp_path / "w.pt")
    for name, tensor in opened(tmp_path / "w.pt").state_dict().items():
        assert torch.equal(tensor.double(), state[name].double())
        assert tensor.dtype == (torch.float64 if dtype == torch.float64 else torch.float32) or name.endswith(
            "tracked"
        )


def quantised(state: State, _: nn.Module) -> Any:
    return {
        k: torch.quantize_per_tensor(v, 0.1, 0, torch.qint8) if v.ndim > 1 else v for k, v in state.items()
    }


def lazy(state: State, _: nn.Module) -> Any:
    return {**state, "0.weight": nn.LazyLinear(3).weight}


REFUSED: dict[str, tuple[Callable[[State, nn.Module], Any], str]] = {
    "int8 without scales": (changed(lambda t: (t * 10).to(torch.int8)), "without the scales"),
    "uint8": (changed(lambda t: (t * 10).to(torch.uint8)), "without the scales"),
    "complex": (changed(lambda t: t + 1j), "imaginary part would be lost"),
    "quantised": (quantised, "statically quantised"),
    "meta": (changed(lambda t: t.to("meta")), "'meta', which has no values"),
    "lazy": (lazy, "lazy layer that has never run"),
    "NaN": (changed(lambda t: t * float("nan")), "NaN"),
    "a layer more": (with_extra(**{"9__weight": torch.ones(1)}), "unexpected: '9.weight'"),
    "a layer less": (lambda s, _: dict(list(s.items())[2:]), "missing"),
    "other shapes": (changed(lambda t: torch.cat([t, t])), "of another shape|wrong number"),
    "nothing": (lambda s, _: {"epoch": 3, "config": Config()}, "no weights found; it holds .*Config"),
    "an optimizer alone": (
        lambda s, n: torch.optim.SGD(n.parameters(), 0.1).state_dict(),
        "no weights found",
    ),
    "another network": (lambda s, _: nn.Linear(2, 2).state_dict(), "do not fit small_resnet"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_used_says_why(name: str, legacy: bool, network: nn.Module, tmp_path: Path) -> None:
    make, words = REFUSED[name]
    torch.save(make(network.state_dict(), network), tmp_path / "w", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(BadCheckpoint, match=words) as caught:
        opened(tmp_path / "w")
    assert "\n" not in str(caught.value)
    assert str(caught.value).count(str(tmp_path)) == 1


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"\x1f\x8b\x08", "packed by gzip"),
        (b"BZh9", "bzip2"),
        (b"\xfd7zXZ\x00", "xz"),
        (b"\x89HDF\r\n", "Keras"),
        (b"GGUF\x03", "GGUF"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (b"<!DOCTYPE html>", "the download has failed"),
        (b"hello", "not a PyTorch checkpoint"),
        (b"7z\xbc\xaf", "7z"),
        (b"Rar!", "RAR"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
    ],
)
def test_files_of_others_are_named(start: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(start + bytes(50))
    with pytest.raises(FeatgeomError, match=words):
        opened(tmp_path / "w.pth")


def in_parts(how: str) -> nn.Module:
    """The network with its layers reparametrised as torch does it."""
    made = find_architecture("small_resnet").build(**ARGS)
    torch.manual_seed(3)
    for layer in [layer for layer in made.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]:
        if how == "weight norm, older":
            torch.nn.utils.weight_norm(layer)
            nn.init.uniform_(layer.weight_g, 0.5, 2.0)
        elif how == "weight norm of the whole":
            torch.nn.utils.weight_norm(layer, dim=None)
        elif how == "weight norm":
            torch.nn.utils.parametrizations.weight_norm(layer)
            nn.init.uniform_(layer.parametrizations.weight.original0, 0.5, 2.0)
        elif how == "pruning":
            prune.l1_unstructured(layer, "weight", amount=0.4)
        else:
            torch.nn.utils.parametrizations.spectral_norm(layer)
    return made.eval()


@pytest.mark.parametrize("nest", [lambda s: s, lambda s: {"epoch": 1, "model": s}])
@pytest.mark.parametrize("how", ["weight norm", "weight norm, older", "weight norm of the whole", "pruning"])
@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated")
def test_weights_stored_in_parts_are_put_together(
    how: str, nest: Callable[[State], Any], tmp_path: Path
) -> None:
    network = in_parts(how)
    torch.save(nest(network.state_dict()), tmp_path / "w")
    lines: list[str] = []
    with heard(lines.append, alone=True):
        made = opened(tmp_path / "w").eval()
    images = torch.rand(5, 1, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(made(images), network(images))
    assert any("put together" in line for line in lines)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated")
def test_a_network_that_is_itself_in_parts_takes_them_as_they_are(tmp_path: Path) -> None:
    network = in_parts("weight norm")
    torch.save(network.state_dict(), tmp_path / "w")
    again = in_parts("weight norm")
    lines: list[str] = []
    with heard(lines.append, alone=True):
        load_weights(again, read_checkpoint(tmp_path / "w"), "network")
    assert_same(again, network)
    assert lines == []


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated")
def test_an_architecture_is_known_by_weights_in_parts(tmp_path: Path) -> None:
    made = find_architecture("cifar_resnet20").build()
    for layer in [layer for layer in made.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]:
        torch.nn.utils.weight_norm(layer)
    torch.save(made.state_dict(), tmp_path / "w.pt")
    facts = facts_of(read_checkpoint(tmp_path / "w.pt").named)
    assert (facts.matches[0].arch, facts.matches[0].share, facts.channels) == ("cifar_resnet20", 1, 3)
    said: list[str] = []
    with heard(said.append):
        guessed = fg.load_classifier(tmp_path / "w.pt")
    assert sum("put together" in line for line in said) == 1  # not once for each network tried, too
    named = fg.load_classifier(tmp_path / "w.pt", "cifar_resnet20")
    assert guessed.weights_hash == named.weights_hash


class Mixed(nn.Module):
    """A network that has parameters named like parts, and one layer, which a file holds in parts."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3, bias=False)
        self.gain_g, self.gain_v = nn.Parameter(torch.full((4, 1), 2.0)), nn.Parameter(torch.ones(4, 3))


def without_biases(normed: bool) -> nn.Module:
    layers = nn.Linear(4, 3, bias=False), nn.Linear(3, 2, bias=False)
    return nn.Sequential(*(torch.nn.utils.weight_norm(layer) if normed else layer for layer in layers))


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated")
@pytest.mark.parametrize("normed", [False, True])
@pytest.mark.parametrize("prefix", ["", "module.net."])
def test_weights_may_all_be_in_parts(normed: bool, prefix: str, tmp_path: Path) -> None:
    made, again = without_biases(True), without_biases(normed)
    torch.save({prefix + name: tensor for name, tensor in made.state_dict().items()}, tmp_path / "w")
    load_weights(again, read_checkpoint(tmp_path / "w"), "network", prefix.strip(".") or None)
    x = torch.rand(5, 4)
    with torch.no_grad():
        torch.testing.assert_close(again(x), made(x))


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated")
def test_parts_that_a_network_has_itself_stay_beside_others_that_are_put_together(tmp_path: Path) -> None:
    made, again = Mixed(), Mixed()
    expected = made.fc.weight.detach().clone()
    torch.nn.utils.weight_norm(made.fc)
    torch.save(made.state_dict(), tmp_path / "w")
    load_weights(again, read_checkpoint(tmp_path / "w"), "network")
    torch.testing.assert_close(again.fc.weight.detach(), expected)
    torch.testing.assert_close(again.gain_v, made.gain_v)


def test_a_whole_that_the_file_has_is_not_made_of_parts(tmp_path: Path) -> None:
    made = nn.Linear(4, 3, bias=False)
    parts = {"weight_orig": torch.ones(3, 4), "weight_mask": torch.zeros(3, 4)}
    torch.save({**made.state_dict(), **parts}, tmp_path / "w")
    with pytest.raises(BadCheckpoint, match="weight_orig"):  # and not the whole, nor the parts in its place
        load_weights(nn.Linear(4, 3, bias=False), read_checkpoint(tmp_path / "w"), "network")


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated")
@pytest.mark.parametrize("how", [torch.nn.utils.weight_norm, torch.nn.utils.parametrizations.weight_norm])
def test_vectors_in_parts_are_normed_entry_by_entry(how: Callable[..., nn.Module], tmp_path: Path) -> None:
    made, again = nn.LayerNorm(4), nn.LayerNorm(4)
    nn.init.uniform_(made.weight, -2, 2)
    expected = made.weight.detach().clone()
    torch.save(how(made).state_dict(), tmp_path / "w")
    load_weights(again, read_checkpoint(tmp_path / "w"), "network")
    torch.testing.assert_close(again.weight.detach(), expected)


def test_spectral_normalisation_is_not_guessed(tmp_path: Path) -> None:
    torch.save(in_parts("spectral norm").state_dict(), tmp_path / "w")
    with pytest.raises(BadCheckpoint, match="missing"):
        opened(tmp_path / "w")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "w.pth")
    with pytest.raises(BadCheckpoint, match="neither a file nor a folder"):
        opened(tmp_path / "w.pth")


def test_what_is_said_is_said_once(network: nn.Module, tmp_path: Path) -> None:
    other = find_architecture("small_resnet").build(**ARGS)
    torch.save({"a": network.state_dict(), "b": other.state_dict()}, tmp_path / "w.pt")
    lines: list[str] = []
    with heard(lines.append, alone=True):
        open_source(
            tmp_path / "w.pt",
            Opening("small_resnet", None, {k: v for k, v in ARGS.items() if k != "classes"}),
        )
    assert len([line for line in lines if "'b' would fit as well" in line]) == 1


def test_the_choice_between_two_is_said_and_can_be_made(network: nn.Module, tmp_path: Path) -> None:
    other = find_architecture("small_resnet").build(**ARGS)
    torch.save({"ema": other.state_dict(), "model": network.state_dict(), "epoch": 1}, tmp_path / "w.pt")
    lines: list[str] = []
    with heard(lines.append, alone=True):
        assert_same(opened(tmp_path / "w.pt"), network)
    assert "'model'" in lines[0]
    assert "--key ema" in lines[0]
    assert_same(opened(tmp_path / "w.pt", "ema"), other)
    with pytest.raises(BadCheckpoint, match="did you mean 'ema'"):
        opened(tmp_path / "w.pt", "emma")


def test_a_normaliser_becomes_the_pixel_spec(network: nn.Module, tmp_path: Path) -> None:
    torch.save(EXTRAS["a normaliser"](network.state_dict(), network), tmp_path / "w.pt")
    spec = open_source(tmp_path / "w.pt", Opening("small_resnet", None, ARGS)).pixels
    assert (spec.mean, spec.std) == ((0.5,), (0.25,))
    robust = {
        "model": {
            **prefixed("module.model.")(network.state_dict(), network),
            **prefixed("module.attacker.model.")(network.state_dict(), network),
            "module.normalizer.new_mean": torch.full((1, 1, 1), 127.5),
            "module.normalizer.new_std": torch.full((1, 1, 1), 51.0),
        },
        "optimizer": {},
        "epoch": 3,
    }
    torch.save(robust, tmp_path / "r.pt")
    found = open_source(tmp_path / "r.pt", Opening("small_resnet", None, ARGS))
    assert (found.pixels.mean, found.pixels.std) == ((0.5,), (0.2,))
    assert_same(found.module, network)


def test_there_are_as_many_forms_as_were_counted() -> None:
    assert len(CONTENTS) + 2 * len(FILES) + 18 + len(WRITERS) + 4 + len(REFUSED) >= 175
