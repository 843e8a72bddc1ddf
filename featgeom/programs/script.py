"""A whole network in a TorchScript archive, as a torch module whose code is interpreted, never loaded."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from featgeom.errors import BadCheckpoint
from featgeom.programs.script_code import Code, read_code
from featgeom.programs.script_machine import Machine, Refused
from featgeom.reading.archives import Archive, archive_in
from featgeom.reading.inert import Inert
from featgeom.reading.pickles import read_pickle
from featgeom.reading.stored import Stored, whole_numbers
from featgeom.reading.torch_files import is_torchscript, read_torch_zip

LAYERS = 100_000
REBUILD = "torch._utils._rebuild_tensor_v2"


class Program:
    """What all layers of one network share: its code, its constants, and the machine of the present pass."""

    def __init__(self, code: Code, constants: tuple[Any, ...]) -> None:
        self.code = code
        self.constants = constants
        self.machine: Machine | None = None


class ScriptLayer(nn.Module):
    """An object of a TorchScript archive, of class ``kind``. It is always in evaluation mode."""

    channels: int | None = None  # of the images, for the outermost
    program: Program
    kind: str
    held: dict[str, Any]

    def __init__(self, program: Program, kind: str) -> None:
        super().__init__()
        self.__dict__["program"] = program
        self.kind = kind
        self.held = {}

    def attribute(self, name: str) -> Any:
        """What the object holds under that name. Raises KeyError where it holds nothing."""
        if name == "training":
            return False
        for group in (self._parameters, self._buffers, self._modules, self.held):
            if name in group:
                return group[name]
        raise KeyError(name)

    def forward(self, *args: Any) -> Any:
        """One pass, by the code of the archive."""
        program = self.program
        machine = program.machine
        outermost = machine is None
        if machine is None:
            device = args[0].device if args and isinstance(args[0], Tensor) else torch.device("cpu")
            moved = tuple(c.to(device) if isinstance(c, Tensor) else c for c in program.constants)
            machine = program.machine = Machine(program.code, moved)
        try:
            return machine.method(self, "forward", args, {})
        except Refused as error:
            raise ValueError(f"its program says: {error}") from None
        except (KeyError, IndexError, AttributeError, TypeError, ZeroDivisionError, RecursionError) as error:
            words = (str(error).strip().splitlines() or [""])[0][:120]
            raise ValueError(f"its program fails ({type(error).__name__}: {words})") from None
        finally:
            if outermost:
                program.machine = None


def is_script(path: Path) -> bool:
    """Whether a file is a TorchScript archive, by what is in it."""
    archive = archive_in(path)
    folder = None if archive is None else archive.folder_of("data.pkl")
    return archive is not None and folder is not None and is_torchscript(archive, folder)


def read_script(path: Path) -> tuple[nn.Module, tuple[int, int, int] | None]:
    """The network in a TorchScript archive, and the image size with which it was traced, where that is kept.

    Raises BadCheckpoint for an archive that is damaged or holds no network.
    """
    archive = Archive(path)
    folder = archive.folder_of("data.pkl")
    if folder is None or not is_torchscript(archive, folder):
        raise BadCheckpoint(f"{path}: no TorchScript archive")
    try:
        root = read_torch_zip(archive, folder)
        constants: Any = ()
        if f"{folder}constants.pkl" in archive.sizes:
            constants = read_torch_zip(archive, folder, "constants.pkl", "constants")
        program = Program(read_code(archive, folder), tuple(map(_plain, constants)))
        if not _is_object(root):
            raise BadCheckpoint("holds no network")
        module = _Builder(program).layer(root, 0)
        shape = _traced_shape(archive, folder)
    except BadCheckpoint as error:
        raise BadCheckpoint(f"{path}: {error}") from None
    if not isinstance(module, ScriptLayer) or "forward" not in program.code.classes[module.kind].methods:
        raise BadCheckpoint(
            f"{path}: its TorchScript has no forward pass, only weights; name the architecture"
        )
    first = next((b for b in module.buffers() if b.ndim == 4), None)
    module.channels = None if first is None else first.shape[1]
    return module.eval().requires_grad_(False), shape


def _traced_shape(archive: Archive, folder: str) -> tuple[int, int, int] | None:
    if f"{folder}traced_inputs.pkl" not in archive.sizes:
        return None
    try:
        stream = io.BytesIO(archive.read(f"{folder}traced_inputs.pkl"))
        traced = read_pickle(stream, {REBUILD: _shape_alone}, lambda reference: None)
    except BadCheckpoint:
        return None
    found: list[Any] = [traced]
    for value in found:
        if isinstance(value, Inert):
            found += [value.args, value.state]
        elif isinstance(value, torch.Size):
            return (value[1], value[2], value[3]) if len(value) == 4 else None
        elif isinstance(value, dict | list | tuple) and len(found) < 1000:
            found += value.values() if isinstance(value, dict) else value
    return None


def _shape_alone(storage: Any, offset: Any, shape: Any, *_: Any) -> list[Any]:
    return [torch.Size(whole_numbers(shape))]


def _is_object(value: Any) -> bool:
    return isinstance(value, Inert) and value.name.startswith("__torch__.") and isinstance(value.state, dict)


def _plain(value: Any) -> Any:
    """A constant as the machine takes it."""
    if isinstance(value, Stored):
        return value.tensor()
    if isinstance(value, Inert) and value.name.startswith("torch.jit._pickle."):  # lists of one kind
        return _plain(value.args[0]) if value.args else []
    if isinstance(value, list | tuple):
        return type(value)(_plain(part) for part in value)
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return value


class _Builder:
    """Layers of the objects of an archive; what several share is one layer."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.made: dict[int, nn.Module] = {}
        self.tensors: dict[int, nn.Parameter | Tensor] = {}

    def layer(self, value: Inert, depth: int) -> nn.Module:
        if id(value) in self.made:
            return self.made[id(value)]
        if value.name not in self.program.code.classes:
            raise BadCheckpoint(f"damaged (the code of {value.name} is missing)")
        if depth > 100 or len(self.made) > LAYERS:
            raise BadCheckpoint("its layers are nested deeper than a network's")
        made = ScriptLayer(self.program, value.name)
        self.made[id(value)] = made
        for name, part in value.state.items():
            self._put(made, str(name), part, depth)
        return made

    def _put(self, layer: ScriptLayer, name: str, part: Any, depth: int) -> None:
        if _is_object(part):
            inner = self.layer(part, depth + 1)
            if name in ("kind", "held", "program", "training") or hasattr(nn.Module, name):
                layer.held[name] = inner
            else:
                layer.add_module(name, inner)
        elif isinstance(part, Stored) and "." not in name and not hasattr(nn.Module, name):
            layer.register_buffer(name, self._tensor(part))
        else:
            layer.held[name] = _plain(part)

    def _tensor(self, stored: Stored) -> Tensor:
        if id(stored) not in self.tensors:
            self.tensors[id(stored)] = stored.tensor().clone()
        return self.tensors[id(stored)]
