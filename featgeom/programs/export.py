"""A whole network in an archive of torch.export (.pt2): its graph is read and interpreted, never loaded."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from featgeom.errors import BadCheckpoint, Unsupported
from featgeom.programs.graph import Graph, Node, Ref
from featgeom.programs.operators import apply
from featgeom.reading.archives import Archive, archive_in
from featgeom.reading.meanings import as_stored
from featgeom.reading.names import name_tensors
from featgeom.reading.stored import Storage, Stored, strided
from featgeom.reading.torch_files import read_torch_zip

Shape = tuple[int, int, int]
GRAPHS = ("models/model.json", "serialized_exported_program.json")
LARGEST = 256 << 20  # bytes of JSON
TYPES = {  # as the format numbers them
    1: torch.uint8, 2: torch.int8, 3: torch.int16, 4: torch.int32, 5: torch.int64, 6: torch.float16,
    7: torch.float32, 8: torch.float64, 10: torch.complex64, 11: torch.complex128, 12: torch.bool,
    13: torch.bfloat16,
}  # fmt: skip
LAYOUTS = {7: torch.strided}
MEMORY = {
    1: torch.contiguous_format,
    2: torch.channels_last,
    3: torch.channels_last_3d,
    4: torch.preserve_format,
}
ARITHMETIC = "add sub mul floordiv truediv mod neg eq ne lt le gt ge getitem pow and_ or_ not_"
PYTHON = {name: getattr(operator, name) for name in ARITHMETIC.split()}


SYMBOLIC: dict[str, Callable[..., Any]] = {
    "torch.sym_float": float,
    "torch.sym_int": int,
    "torch.sym_not": operator.not_,
}


def is_exported(path: Path) -> bool:
    """Whether a file is a program of torch.export, by what is in it.

    >>> is_exported(Path("no/such/file"))
    False
    """
    archive = archive_in(path)
    return archive is not None and _graph_folder(archive) is not None


def _graph_folder(archive: Archive) -> tuple[str, str] | None:
    for name in GRAPHS:
        folder = archive.folder_of(name)
        if folder is not None:
            return folder, name
    return None


def read_exported(path: Path) -> tuple[Graph, Shape | None]:
    """The network in a .pt2 file, and the image size it was exported for, where there is one alone.

    Nothing of the file is run or evaluated as an expression.

    Raises BadCheckpoint for a file that is damaged or takes more than one input, Unsupported for a program
    with operators that are not run here.
    """
    try:
        archive = Archive(path)
        found = _graph_folder(archive)
        if found is None:
            raise BadCheckpoint("not a program of torch.export")
        folder, name = found
        if archive.sizes[folder + name] > LARGEST:
            raise BadCheckpoint(f"its graph has more than {LARGEST:,} bytes")
        program = json.loads(archive.read(folder + name))
        weights = _weights(archive, folder)
        return _network(program["graph_module"], weights)
    except (BadCheckpoint, Unsupported) as error:
        raise type(error)(f"{path}: {error}") from None
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as error:
        words = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
        raise BadCheckpoint(
            f"{path}: not a program of torch.export that can be read, or damaged ({words})"
        ) from None


def _weights(archive: Archive, folder: str) -> dict[str, Stored]:
    """Parameters, buffers and constants by name, from either form of archive."""
    found: dict[str, Stored] = {}
    for kind in ("weights", "constants"):
        home = f"{folder}data/{kind}/"
        config = f"{home}model_{kind}_config.json"
        if config in archive.sizes:
            for name, entry in json.loads(archive.read(config))["config"].items():
                stored = _weight(archive, home + str(entry["path_name"]), entry)
                if stored is not None:
                    found[str(name)] = stored
    for old in ("serialized_state_dict.pt", "serialized_constants.pt", "serialized_state_dict.json"):
        if archive.sizes.get(folder + old):
            found |= _inner_weights(archive, folder + old)
    return found


def _weight(archive: Archive, name: str, entry: Mapping[str, Any]) -> Stored | None:
    meta = entry.get("tensor_meta")
    if meta is None or name not in archive.sizes:
        return None  # an opaque object, which nothing here has use for
    if entry.get("use_pickle"):
        inner = list(_inner_weights(archive, name).values())
        return inner[0] if len(inner) == 1 else None
    sizes = [part["as_int"] for part in meta["sizes"]]
    steps = [part["as_int"] for part in meta["strides"]]
    dtype = TYPES.get(meta["dtype"])
    if dtype is None:
        raise BadCheckpoint(f"'{name}' is of a type that is not read here")
    storage = Storage(archive.sizes[name], lambda: bytearray(archive.read(name)))
    return strided(storage, dtype, meta["storage_offset"]["as_int"], sizes, steps)


def _inner_weights(archive: Archive, name: str) -> dict[str, Stored]:
    """The tensors in a file of torch.save within the archive."""
    inner = archive.within(name)
    folder = inner.folder_of("data.pkl")
    if folder is None:
        raise BadCheckpoint(f"'{name}' is no file of torch.save")
    tree = read_torch_zip(inner, folder)
    single = as_stored(tree)
    return {"": single} if single is not None else name_tensors(tree).tensors


def _network(module: Mapping[str, Any], weights: Mapping[str, Stored]) -> tuple[Graph, Shape | None]:
    graph, signature = module["graph"], module["signature"]
    held: dict[str, Tensor] = {}
    names: dict[str, str] = {}
    images: list[str] = []
    for spec in signature["input_specs"]:
        ((kind, entry),) = spec.items()
        if kind == "user_input":
            arg = entry["arg"]
            if "as_tensor" in arg:
                images.append(arg["as_tensor"]["name"])
            elif "as_none" not in arg:
                raise BadCheckpoint("the exported program takes an input that is no tensor")
            continue
        target = next(
            (entry[key] for key in ("parameter_name", "buffer_name", "tensor_constant_name") if key in entry),
            None,
        )
        if target is None:
            raise Unsupported(f"its program takes a {kind}, which is not read here")
        if target not in weights:
            raise BadCheckpoint(f"damaged (its tensor '{target}' is missing)")
        name = entry["arg"]["name"]
        held[name], names[name] = weights[target].tensor(), str(target)
    if len(images) != 1:
        raise BadCheckpoint(f"the exported program takes {len(images)} inputs, not one batch of images")
    nodes = [_node(node) for node in graph["nodes"]]
    outputs = [
        _argument(spec["user_output"]["arg"]) for spec in signature["output_specs"] if "user_output" in spec
    ]
    sizes = [_size(part) for part in graph["tensor_values"][images[0]]["sizes"]]
    if len(sizes) != 4:
        raise BadCheckpoint(f"takes inputs of {len(sizes)} dimensions, not images (n, c, h, w)")
    batch, channels, height, width = sizes
    if channels is None:
        raise BadCheckpoint("takes images of any number of channels")
    made = Graph(images[0], nodes, outputs, held, names)
    made.batch, made.channels = batch, channels
    shape = None if height is None or width is None else (channels, height, width)
    return made.eval().requires_grad_(False), shape


def _size(part: Mapping[str, Any]) -> int | None:
    return int(part["as_int"]) if "as_int" in part else None


def _node(node: Mapping[str, Any]) -> Node:
    target = str(node["target"])
    args = [_argument(part["arg"]) for part in node["inputs"] if part.get("kind", 1) != 2]
    words = {str(part["name"]): _argument(part["arg"]) for part in node["inputs"] if part.get("kind", 1) == 2}
    if not any("kind" in part for part in node["inputs"]):  # the older form names every argument
        args, words = [], {str(part["name"]): _argument(part["arg"]) for part in node["inputs"]}
    results = [_result(part) for part in node["outputs"]]
    words = {key: value for key, value in words.items() if key not in ("device", "pin_memory", "layout")}
    return Node(_operator(target), args, words, results, target)


def _result(part: Mapping[str, Any]) -> Any:
    ((kind, value),) = part.items()
    if kind in ("as_tensor", "as_sym_int", "as_sym_bool", "as_sym_float"):
        return value["name"] if "name" in value else value.get("as_name")
    if kind == "as_tensors":
        return [one["name"] for one in value]
    if kind == "as_none":
        return None
    raise Unsupported(f"its program has results of the kind {kind}")


def _operator(target: str) -> Callable[..., Any]:
    """What a node computes: an operator of the list, or arithmetic of whole numbers."""
    room, _, name = target.rpartition(".")
    if room in ("_operator", "math"):
        if room == "_operator" and name in PYTHON:
            return PYTHON[name]
        raise Unsupported(f"its program uses '{target}', which is not among the operators run here")
    if target in SYMBOLIC:
        return SYMBOLIC[target]
    parts = target.split(".")
    if parts[:2] == ["torch", "ops"] and parts[2] == "aten" and len(parts) == 5:
        return lambda *args, **words: apply(parts[3], parts[4], args, words)
    if "_assert" in target or "sym_constrain" in target:
        return lambda *args, **words: None
    raise Unsupported(f"its program uses '{target}', which is not among the operators run here")


def _argument(arg: Mapping[str, Any]) -> Any:
    """An argument of a node: a plain value, or a reference to what another node made."""
    ((kind, value),) = arg.items()
    if kind in ("as_tensor", "as_custom_obj"):
        return Ref(value["name"])
    if kind in ("as_tensors", "as_nested_tensors"):
        return [Ref(one["name"]) for one in value]
    if kind == "as_optional_tensors":
        return [_argument(one) for one in value]
    if kind in ("as_sym_int", "as_sym_bool", "as_sym_float"):
        return _symbol(value)
    if kind in ("as_sym_ints", "as_sym_bools", "as_sym_floats"):
        return [_symbol(one) for one in value]
    if kind == "as_none":
        return None
    if kind == "as_scalar_type":
        return TYPES[value]
    if kind == "as_memory_format":
        return MEMORY[value]
    if kind == "as_layout":
        return LAYOUTS.get(value)
    if kind == "as_device":
        return None
    if kind in (
        "as_int",
        "as_ints",
        "as_float",
        "as_floats",
        "as_bool",
        "as_bools",
        "as_string",
        "as_strings",
    ):
        return float(value) if isinstance(value, str) and kind == "as_float" else value
    raise Unsupported(f"its program has arguments of the kind {kind}, which is not read here")


def _symbol(value: Mapping[str, Any]) -> Any:
    ((kind, inner),) = value.items()
    return Ref(inner) if kind == "as_name" else inner
