"""A whole network in an ONNX file, as a torch module with derivatives; checked against onnxruntime."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from featgeom.errors import BadCheckpoint, FeatgeomError, Unsupported
from featgeom.programs.graph import Graph, Node, Ref, names_in
from featgeom.programs.onnx_operators import OPERATORS
from featgeom.remarks import caution, remark

Shape = tuple[int, int, int]
NEXT = b"\x12\x1a\x22\x28\x32\x3a\x42\x72"  # what may follow the version in the file of a model
AGREES = 1e-4  # of the outputs' size: how far onnxruntime's may be from ours


def is_onnx(path: Path) -> bool:
    """Whether a file is a model of ONNX, by how it begins."""
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        start = file.read(3)
    return len(start) == 3 and start[0] == 8 and 1 <= start[1] <= 30 and start[2] in NEXT


def read_onnx(path: Path) -> tuple[Graph, Shape | None]:
    """The network in an ONNX file, and the image size it takes, where there is one alone.

    Its graph is interpreted by functions of torch; where onnxruntime is installed, both are run on noise and
    must agree. Raises BadCheckpoint for a damaged file or outputs that differ, Unsupported for a graph with
    operators that are not known here, and where the package onnx is missing.
    """
    if importlib.util.find_spec("onnx") is None:
        raise Unsupported(
            f"{path}: ONNX files need two packages more: python -m pip install 'featgeom[onnx]'"
        )
    try:
        module, shape = _read(path)
        _compare(path, module, shape)
        return module, shape
    except (BadCheckpoint, Unsupported) as error:
        raise type(error)(f"{path}: {error}") from None
    except FeatgeomError:
        raise
    except Exception as error:
        words = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
        raise BadCheckpoint(f"{path}: not an ONNX model that can be read, or damaged ({words})") from None


def _read(path: Path) -> tuple[Graph, Shape | None]:
    import onnx
    from onnx import inliner

    model = onnx.load_model_from_string(path.read_bytes())
    if model.functions:
        model = inliner.inline_local_functions(model)
    version = max(
        (int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=1
    )
    held = {tensor.name: _tensor(tensor, path.parent) for tensor in model.graph.initializer}
    inputs = [entry for entry in model.graph.input if entry.name not in held]
    if len(inputs) != 1:
        raise BadCheckpoint(f"the model takes {len(inputs)} inputs, not one batch of images")
    nodes = []
    for node in model.graph.node:
        if node.op_type == "Constant" and node.domain in ("", "ai.onnx"):
            held[node.output[0]] = _constant(node, path.parent)
        else:
            nodes.append(_node(node, version, path.parent))
    outputs = [Ref(entry.name) for entry in model.graph.output]
    image = inputs[0].name
    sizes = [
        d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None
        for d in inputs[0].type.tensor_type.shape.dim
    ]
    if len(sizes) != 4 or sizes[1] is None:
        raise BadCheckpoint(f"takes inputs of shape {tuple(sizes)}, not images (n, c, h, w)")
    needed = set(names_in([[node.args, node.words] for node in nodes])) | set(names_in(outputs))
    kept = {name: tensor for name, tensor in held.items() if name in needed}
    made = Graph(image, nodes, outputs, kept, {})
    made.batch, made.channels = sizes[0], sizes[1]
    shape = None if sizes[2] is None or sizes[3] is None else (sizes[1], sizes[2], sizes[3])
    return made.eval().requires_grad_(False), shape


def _tensor(tensor: Any, folder: Path) -> Tensor:
    """An initializer; one kept in another file is read from beside the model and from nowhere else."""
    from onnx import TensorProto, numpy_helper

    if tensor.data_location == TensorProto.EXTERNAL:
        entries = {entry.key: entry.value for entry in tensor.external_data}
        name = entries.get("location", "")
        file = folder / name
        if Path(name).name != name or not file.is_file():
            raise BadCheckpoint(f"its weights are in '{name[:80]}', which is not there")
        start, length = int(entries.get("offset", 0)), int(entries.get("length", file.stat().st_size))
        if start < 0 or length < 0 or start + length > file.stat().st_size:
            raise BadCheckpoint(f"damaged (a tensor reaches beyond the end of '{name}')")
        with open(file, "rb") as opened:
            opened.seek(start)
            content = opened.read(length)
        inner = TensorProto()
        inner.CopyFrom(tensor)
        inner.ClearField("external_data")
        inner.data_location = TensorProto.DEFAULT
        inner.raw_data = content
        tensor = inner
    array = np.array(numpy_helper.to_array(tensor))
    if array.dtype.kind not in "fiub":
        raise Unsupported(f"its tensor '{tensor.name}' holds {array.dtype}, which is not read here")
    return torch.from_numpy(array)


def _constant(node: Any, folder: Path) -> Tensor:
    values = _attributes(node, 0, folder)
    if "value" in values:
        return values["value"]
    for name, dtype in (
        ("value_float", torch.float32),
        ("value_floats", torch.float32),
        ("value_int", torch.int64),
        ("value_ints", torch.int64),
    ):
        if name in values:
            return torch.tensor(values[name], dtype=dtype)
    raise Unsupported("its graph has a Constant of a kind that is not read here")


def _attributes(node: Any, version: int, folder: Path) -> dict[str, Any]:
    from onnx import AttributeProto, helper

    values: dict[str, Any] = {"version": version, "outputs": len(node.output)}
    for attribute in node.attribute:
        if attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS):
            raise Unsupported(f"its graph has a '{node.op_type}' with a graph within, which is not run here")
        tensor = attribute.type == AttributeProto.TENSOR
        values[attribute.name] = (
            _tensor(attribute.t, folder) if tensor else helper.get_attribute_value(attribute)
        )
    return values


def _node(node: Any, version: int, folder: Path) -> Node:
    known = OPERATORS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
    if known is None:
        quantised = "Quantize" in node.op_type or "QLinear" in node.op_type
        why = (
            "a statically quantised network, which is not run here" if quantised else "which is not run here"
        )
        raise Unsupported(f"its graph uses the operator '{node.op_type}', {why}")
    args = [Ref(name) if name else None for name in node.input]
    results: list[Any] = [name or None for name in node.output]
    if node.op_type == "Split":
        results = [results]
    elif len(results) > 1 and any(results[1:]) and node.op_type not in ("Dropout", "BatchNormalization"):
        raise Unsupported(f"its graph uses further results of '{node.op_type}', which are not made here")
    else:
        results = results[:1]
    return Node(_bound(known, _attributes(node, version, folder)), args, {}, results, node.op_type)


def _bound(compute: Callable[..., Any], attributes: dict[str, Any]) -> Callable[..., Any]:
    return lambda *args: compute(attributes, *args)


def _compare(path: Path, module: Graph, shape: Shape | None) -> None:
    """Run both on noise. Raises BadCheckpoint where they differ."""
    if importlib.util.find_spec("onnxruntime") is None:
        caution(f"{path}: run by functions of torch and not compared: onnxruntime is not installed")
        return
    import onnxruntime

    size = shape or (int(module.channels or 1), 224, 224)
    images = np.random.default_rng(0).random((module.batch or 2, *size)).astype(np.float32)
    with torch.no_grad():
        made = module(torch.from_numpy(images))  # ours first: it has limits
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    if entry.type != "tensor(float)":
        raise Unsupported(f"takes {entry.type}, not images of float32")
    theirs = session.run(None, {entry.name: images})
    ours = made if isinstance(made, tuple) else (made,)
    for a, b in zip(ours, theirs, strict=True):
        if not isinstance(b, np.ndarray) or b.dtype.kind != "f":
            continue
        difference = float(np.abs(a.numpy() - b).max()) if tuple(a.shape) == b.shape else float("inf")
        if difference > AGREES * max(float(np.abs(b).max()), 1e-30):
            raise BadCheckpoint(
                f"its graph gives other values here than in onnxruntime (by {difference:.3g})"
            )
    remark(f"{path}: run by functions of torch, which agree with onnxruntime on noise")
