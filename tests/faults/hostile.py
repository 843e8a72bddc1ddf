"""Files that want to run code, write elsewhere or take memory: each kind makes one, with its command.

A kind is a function of a folder to write into, the path of a canary that any code of the file would make, and
a generator; it gives the words after `featgeom`.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

Words = list[str]
Kind = Callable[[Path, Path, np.random.Generator], Words]
KINDS: dict[str, Kind] = {}
GIB = 1 << 30


def kind(make: Kind) -> Kind:
    KINDS[make.__name__.replace("_", " ")] = make
    return make


class Touches:
    """Makes the canary when it is unpickled, by one of many ways."""

    def __init__(self, canary: Path, rng: np.random.Generator) -> None:
        code = f"open({str(canary)!r}, 'w')"
        ways = [
            (os.system, (f"touch '{canary}'",)),
            (eval, (code,)),
            (exec, (code,)),
            (open, (str(canary), "w")),
            (os.mkdir, (str(canary),)),
            (Path.touch, (canary,)),
            (os.popen, (f"touch '{canary}'",)),
        ]
        self.way = ways[int(rng.integers(len(ways)))]

    def __reduce__(self) -> tuple[object, ...]:
        return self.way


def content(canary: Path, rng: np.random.Generator) -> object:
    """Weights with something among them, above them or beside them."""
    import torch

    weights: dict[str, object] = {"weight": torch.ones(2, 3), "bias": torch.ones(2)}
    bird = Touches(canary, rng)
    places = [
        bird,
        {"state_dict": weights, "hook": bird},
        {**weights, "x": bird},
        [weights, (bird,)],
        {bird: 1},
    ]
    return places[int(rng.integers(len(places)))]


@kind
def pickle_of_code(folder: Path, canary: Path, rng: np.random.Generator) -> Words:
    (folder / "a.pkl").write_bytes(pickle.dumps(content(canary, rng), protocol=int(rng.integers(6))))
    return ["inspect", str(folder / "a.pkl")]


@kind
def torch_file_of_code(folder: Path, canary: Path, rng: np.random.Generator) -> Words:
    import torch

    new = bool(rng.integers(2))
    torch.save(content(canary, rng), folder / "a.pt", _use_new_zipfile_serialization=new)
    return ["inspect", str(folder / "a.pt"), *(["--arch", "digits_cnn"] if rng.integers(2) else [])]


@kind
def arrays_with_objects(folder: Path, canary: Path, rng: np.random.Generator) -> Words:
    bird = np.array([Touches(canary, rng)], dtype=object)
    key = str(rng.choice(["features", "labels", "weight", "classes"]))
    known = {
        "features": np.eye(4),
        "labels": np.arange(4) % 2,
        "weight": np.ones((2, 4)),
        "bias": np.zeros(2),
    }
    np.savez(folder / "a.npz", allow_pickle=True, **{**known, key: bird})
    return [str(rng.choice(["extract", "analyze"])), str(folder / "a.npz"), "-o", "out"]


@kind
def recipe_that_names_code(folder: Path, canary: Path, rng: np.random.Generator) -> Words:
    import torch
    from safetensors.torch import save_file

    (folder / "helpers.py").write_text(f"open({str(canary)!r}, 'w')\n")
    arch = str(
        rng.choice([f"{folder}/helpers.py:f", "helpers:f", "os:system", "timm:../helpers.py", "hf:x/y"])
    )
    recipe = json.dumps({"arch": arch, "options": {}, "pixels": {"shape": [1, 8, 8]}})
    save_file({"weight": torch.ones(2, 3)}, folder / "a.safetensors", metadata={"featgeom": recipe})
    return ["inspect", str(folder / "a.safetensors")]


@kind
def recipe_of_terabytes(folder: Path, canary: Path, rng: np.random.Generator) -> Words:
    import torch
    from safetensors.torch import save_file

    much = int(10 ** rng.integers(9, 15))
    changes = [
        ({"hidden": much}, [1, 1, 2]),
        ({}, [1, 1, much]),
        ({"depth": much}, [1, 1, 2]),
        ({}, [much, 8, 8]),
    ]
    options, shape = changes[int(rng.integers(len(changes)))]
    recipe = json.dumps({"arch": "mlp", "options": options, "pixels": {"shape": shape}})
    save_file({"weight": torch.ones(2, 3)}, folder / "a.safetensors", metadata={"featgeom": recipe})
    return ["inspect", str(folder / "a.safetensors")]


def saved_program(folder: Path, form: str) -> Path:
    """A small network as a program."""
    import torch
    from torch import nn

    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if form == "script":
            torch.jit.script(network).save(folder / "good")
        else:
            torch.export.save(torch.export.export(network, (torch.ones(2, 1, 2, 2),)), folder / "good.pt2")
            (folder / "good.pt2").rename(folder / "good")
    return folder / "good"


def rewritten(path: Path, change: Callable[[str, bytes], bytes], more: dict[str, bytes] | None = None) -> str:
    """The archive with other parts, in place of it."""
    new = path.with_name("evil")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(new, "w") as archive:
        for name in old.namelist():
            archive.writestr(name, change(name, old.read(name)))
        for name, part in (more or {}).items():
            archive.writestr(old.namelist()[0].split("/")[0] + "/" + name, part)
    path.unlink()
    return str(new)


@kind
def script_of_code(folder: Path, canary: Path, rng: np.random.Generator) -> Words:
    lines = [
        f"ops.aten.save(input, '{canary}')", f"__import__('os').system('touch {canary}')",
        f"open('{canary}', 'w')", f"torch.from_file('{canary}', True, 4)",
        "torch.zeros([1000000, 1000000])", "torch.pow(torch.pow(10, 60), 60)", "input.__class__",
        "torch.list(range(1000000000000))", "[y for y in [input]]",
        "(lambda: input)()",
    ]  # fmt: skip
    line = lines[int(rng.integers(len(lines)))]

    def change(name: str, part: bytes) -> bytes:
        if not name.endswith(".py"):
            return part
        text = part.decode().splitlines()
        places = [i for i, words in enumerate(text) if words.endswith("-> Tensor:")]
        for place in reversed(places):
            text.insert(place + 1, f"    evil = {line}")
        state = f"  def __setstate__(self, state: Tensor) -> NoneType:\n    ops.aten.save(state, '{canary}')"
        return "\n".join([*text, state]).encode()

    return ["inspect", rewritten(saved_program(folder, "script"), change), "--shape", "1,2,2"]


@kind
def program_of_code(folder: Path, canary: Path, rng: np.random.Generator) -> Words:
    bird = pickle.dumps(Touches(canary, rng))
    opaque = {"path_name": "opaque_0", "is_param": False, "use_pickle": True, "tensor_meta": None}

    def change(name: str, part: bytes) -> bytes:
        if name.endswith("constants_config.json"):
            return json.dumps({"config": {"evil": opaque}}).encode()
        if name.endswith("model.json"):
            target = str(
                rng.choice(["os.system", "torch.ops.aten.from_file.default", "builtins.exec", "math.fsum"])
            )
            return part.replace(b'"torch.ops.aten.relu.default"', json.dumps(target).encode())
        return bird if name.endswith("sample_inputs/model.pt") else part

    return ["inspect", rewritten(saved_program(folder, "export"), change, {"data/constants/opaque_0": bird})]


@kind
def onnx_that_reaches_elsewhere(folder: Path, canary: Path, rng: np.random.Generator) -> Words:
    import onnx
    from onnx import TensorProto, helper

    (folder / "secret").write_bytes(bytes(64))
    tensor = TensorProto(
        name="w", data_type=TensorProto.FLOAT, dims=[4, 4], data_location=TensorProto.EXTERNAL
    )
    place = str(
        rng.choice(["../inside/secret", str(folder / "secret"), "/etc/passwd", "/dev/zero", "secret"])
    )
    tensor.external_data.add(key="location", value=place)
    tensor.external_data.add(key="length", value=str(int(rng.choice([64, 1 << 40]))))
    return ["inspect", written(onnx, helper, tensor, folder)]


@kind
def onnx_of_terabytes(folder: Path, canary: Path, rng: np.random.Generator) -> Words:
    import onnx
    from onnx import TensorProto, helper

    much = int(10 ** rng.integers(6, 12))
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[much, 4], raw_data=bytes(64))
    return ["inspect", written(onnx, helper, tensor, folder)]


def written(onnx: object, helper: object, tensor: object, folder: Path) -> str:
    x, y = (helper.make_tensor_value_info(name, 1, ["n", 4]) for name in "xy")
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    model = helper.make_model(helper.make_graph([node], "g", [x], [y], [tensor]))
    (folder / "a.onnx").write_bytes(model.SerializeToString())
    return str(folder / "a.onnx")


def npy(shape: tuple[int, ...], dtype: str = "<f4") -> bytes:
    """The header of an .npy file, whatever follows."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"shape": shape, "fortran_order": False, "descr": dtype})
    return head.getvalue()


@kind
def arrays_that_swell(folder: Path, canary: Path, rng: np.random.Generator) -> Words:
    rows = int(rng.integers(70, 90)) * (1 << 20)
    with (
        zipfile.ZipFile(folder / "a.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("features.npy", "w", force_zip64=True) as member,
    ):
        member.write(npy((rows, 4)))
        for _ in range(rows // (1 << 20)):
            member.write(bytes(16 << 20))
    return ["extract", str(folder / "a.npz"), "-o", "out"]


@kind
def arrays_of_false_shape(folder: Path, canary: Path, rng: np.random.Generator) -> Words:
    shape = [(10**12, 4), (-1, 4), (1 << 62, 1 << 62), (10**9,) * 9, (0, 10**18)][int(rng.integers(5))]
    key = str(rng.choice(["features", "labels", "weight"]))
    with zipfile.ZipFile(folder / "a.npz", "w") as archive:
        for name in ("features", "labels", "weight", "bias"):
            archive.writestr(f"{name}.npy", npy(shape if name == key else (2, 2)) + bytes(16))
    return ["extract", str(folder / "a.npz"), "-o", "out"]


@kind
def images_that_swell(folder: Path, canary: Path, rng: np.random.Generator) -> Words:
    count = int(rng.integers(2_000_000, 3_000_000))
    for part in ("train", "t10k"):
        with gzip.open(folder / f"{part}-images-idx3-ubyte.gz", "wb", compresslevel=1) as file:
            file.write(struct.pack(">IIII", 0x803, count, 28, 28))
            for _ in range(64 if part == "t10k" else 8):
                file.write(bytes(32 << 20))
        with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz", "wb") as file:
            file.write(struct.pack(">II", 0x801, count) + bytes(64))
    return ["extract", "digits", f"mnist:{folder}@8", "-o", "out"]


def png(width: int, height: int, body: bytes) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(body)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@kind
def picture_that_swells(folder: Path, canary: Path, rng: np.random.Generator) -> Words:
    side = int(rng.integers(14_000, 2_000_000))
    for name in "01":
        (folder / name).mkdir()
        (folder / name / "a.png").write_bytes(png(8, 8, b"\0" * 72))
    (folder / "1/b.png").write_bytes(png(side, side, bytes(1 << 20)))
    return ["extract", "digits", f"folder:{folder}@8", "-o", "out"]


@kind
def picture_that_is_a_program(folder: Path, canary: Path, rng: np.random.Generator) -> Words:
    eps = f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n({canary}) (w) file closefile\nshowpage\n"
    svg = f'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/><!-- {canary} --></svg>'
    for name in "01":
        (folder / name).mkdir()
        (folder / name / "a.png").write_bytes(png(8, 8, b"\0" * 72))
    (folder / "1" / str(rng.choice(["b.png", "b.jpg", "b.tif"]))).write_text(str(rng.choice([eps, svg])))
    return ["extract", "digits", f"folder:{folder}@8", "-o", "out"]


@kind
def archive_that_swells(folder: Path, canary: Path, rng: np.random.Generator) -> Words:
    with zipfile.ZipFile(folder / "a.pt", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("a/version", "3")
        name = str(rng.choice(["a/data.pkl", "a/data/0", "a/code/x.py"]))
        archive.writestr("a/data.pkl" if name != "a/data.pkl" else "a/other", pickle.dumps({}))
        with archive.open(name, "w", force_zip64=True) as member:
            for _ in range(int(rng.integers(40, 80))):
                member.write(bytes(32 << 20))
    return ["inspect", str(folder / "a.pt")]


@kind
def pickle_without_end(folder: Path, canary: Path, rng: np.random.Generator) -> Words:
    many = int(rng.integers(100_000, 400_000))
    makes = [
        b"\x80\x02" + b"]" * many + b"a" * (many - 1) + b".",
        b"\x80\x02}" + b")" + b"\x85" * many + b"K\x01s.",
        b"\x80\x02r\xff\xff\xff\x7f.",
        b"\x80\x04\x8e" + struct.pack("<Q", int(rng.integers(1 << 40, 1 << 62))) + b"x.",
        b"\x80\x02\x8b\xff\xff\xff\x7f.",
        b"\x80\x02]q\x00" + b"(h\x00" * many + b".",
        b"\x80\x02X\x01\x00\x00\x00aq\x00" + b"h\x00h\x00\x86q\x00" * 60 + b".",
    ]
    (folder / "a.pth").write_bytes(makes[int(rng.integers(len(makes)))])
    return ["inspect", str(folder / "a.pth")]


@kind
def tensors_that_promise(folder: Path, canary: Path, rng: np.random.Generator) -> Words:
    import torch

    strange = [
        torch.ones(1).expand(1 << 20, 1 << 20),
        torch.sparse_coo_tensor([[0], [0]], [1.0], (1 << 30, 1 << 30)),
        torch.empty(1 << 40, device="meta"),
        torch.as_strided(torch.ones(8), (1 << 20, 1 << 20), (0, 0)),
        torch.ones(2, 2, dtype=torch.complex64),
        torch.ones(8).to(torch.float8_e5m2),
    ]
    key = str(rng.choice(["weight", "fc.weight", "bias"]))
    torch.save({key: strange[int(rng.integers(len(strange)))], "x.weight": torch.ones(2, 3)}, folder / "a.pt")
    return ["inspect", str(folder / "a.pt")]


@kind
def safetensors_of_false_size(folder: Path, canary: Path, rng: np.random.Generator) -> Words:
    if rng.integers(2):
        head = b"{" * int(rng.integers(2, 100_000))
        size = int(rng.choice([len(head), 1 << 40, 1 << 63]))
    else:
        shape = [int(rng.integers(1 << 40)), 4]
        head = json.dumps({"w": {"dtype": "F32", "shape": shape, "data_offsets": [0, 16]}}).encode()
        size = len(head)
    (folder / "a.safetensors").write_bytes(struct.pack("<Q", size) + head + bytes(16))
    return ["inspect", str(folder / "a.safetensors")]


@kind
def tar_that_leads_out(folder: Path, canary: Path, rng: np.random.Generator) -> Words:
    with tarfile.open(folder / "a.pth.tar", "w") as archive:
        for name in ("../canary", str(canary), "pickle", "tensors", "storages"):
            member = tarfile.TarInfo(name)
            data = pickle.dumps(Touches(canary, rng), protocol=2)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return ["inspect", str(folder / "a.pth.tar")]


@kind
def folder_with_code(folder: Path, canary: Path, rng: np.random.Generator) -> Words:
    import torch
    from safetensors.torch import save_file

    code = f"open({str(canary)!r}, 'w')\n"
    for name in ("modeling_evil.py", "configuration_evil.py", "__init__.py", "hubconf.py", "conftest.py"):
        (folder / name).write_text(code)
    config = {"architectures": ["Evil"], "model_type": "evil", "trust_remote_code": True,
              "auto_map": {"AutoConfig": "configuration_evil.C", "AutoModel": "modeling_evil.M"}}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    save_file({"weight": torch.ones(2, 3)}, folder / "model.safetensors")
    index = {"weight_map": {"weight": str(rng.choice(["model.safetensors", "../canary", "/etc/passwd"]))}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return ["inspect", str(folder)]
