"""Architectures by name: the built-in ones, those of other packages, functions in a user's own file."""

from __future__ import annotations

import ast
import copy
import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from featgeom.errors import BadArgument, nearest_name
from featgeom.models.cifar_resnet import of_depth
from featgeom.models.own_code import files_of, imported, with_neighbours
from featgeom.models.pixel_spec import PixelSpec
from featgeom.models.reference import REFERENCE
from featgeom.models.trust import remember
from featgeom.models.zoos import split_source, zoo_factory


@dataclass(frozen=True)
class Architecture:
    """A way to build a network, the images it takes, and what code it is.

    ``fingerprint`` is the SHA-256 of the user's file, a package with its version, or "built-in". ``files``
    tells, once the network is built, the SHA-256 of the user's own files that this file imports, by their
    places beside it; None of networks that no file of the user's makes.
    """

    name: str
    factory: Callable[..., nn.Module]
    pixels: PixelSpec
    fingerprint: str = "built-in"
    files: Callable[[], dict[str, str] | None] = lambda: None

    @property
    def classes_option(self) -> str | None:
        """The factory's argument that sets the number of classes, where it has one."""
        names = self._parameters()
        return next((name for name in ("num_classes", "classes", "n_classes") if name in names), None)

    @property
    def required(self) -> list[str]:
        """The factory's arguments that have no default."""
        empty, plain = (
            inspect.Parameter.empty,
            (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY),
        )
        return [n for n, p in self._parameters().items() if p.default is empty and p.kind in plain]

    def _parameters(self) -> Mapping[str, inspect.Parameter]:
        try:
            return inspect.signature(self.factory).parameters
        except (TypeError, ValueError):  # of a function that does not say
            return {}

    def build(self, **options: object) -> nn.Module:
        """The network, with fresh weights.

        Raises BadArgument, with the factory's own words, where it fails or returns something else.
        """
        self._check_arguments(options)
        try:
            network = self.factory(**options)
        except (Exception, SystemExit) as error:
            words = str(error).strip().splitlines() or ["no message"]
            raise BadArgument(f"{self.name} raised {type(error).__name__}: {words[0]}") from error
        if not isinstance(network, nn.Module):
            raise BadArgument(f"{self.name} returned a {type(network).__name__}, not a torch.nn.Module")
        return network

    def _check_arguments(self, options: Mapping[str, object]) -> None:
        """Raise BadArgument for arguments that are missing or unknown."""
        known = self._parameters()
        missing = [name for name in self.required if name not in options]
        if missing:
            given = ",".join(f"{name}=..." for name in missing)
            raise BadArgument(f"{self.name} needs {', '.join(missing)}: give --arch-args {given}")
        takes_any = not known or any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values())
        unknown = [name for name in options if name not in known and not takes_any]
        if unknown:
            raise BadArgument(
                f"{self.name} takes no argument '{unknown[0]}'{nearest_name(unknown[0], list(known))}"
            )


def parse_arguments(text: str | None) -> dict[str, Any]:
    """The arguments of an architecture as they are typed: plain values by name; bare words are text.

    >>> parse_arguments("depth=20, width=0.5, kind=basic, sizes=[1, 2]")
    {'depth': 20, 'width': 0.5, 'kind': 'basic', 'sizes': [1, 2]}
    >>> parse_arguments("bias=false")
    {'bias': False}
    """
    try:
        call = ast.parse(f"f({text or ''})", mode="eval").body
        if not isinstance(call, ast.Call) or call.args or any(word.arg is None for word in call.keywords):
            raise ValueError
        return {str(word.arg): _value(word.value) for word in call.keywords}
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        raise BadArgument(
            f"--arch-args '{text}': write NAME=VALUE,NAME=VALUE, as in depth=20,width=4"
        ) from None


def _value(node: ast.expr) -> Any:
    """A plain value; a bare word is text, but for true, false and none however they are written."""
    if isinstance(node, ast.Name):
        return {"true": True, "false": False, "none": None}.get(node.id.lower(), node.id)
    return ast.literal_eval(node)


ARCHITECTURES: dict[str, Architecture] = {}


def register(name: str, factory: Callable[..., nn.Module], pixels: PixelSpec | None = None) -> None:
    """Make an architecture known by name.

    ``factory`` is called with keyword options; the argument ``num_classes``, where it has one, is taken from
    the checkpoint. ``pixels`` holds where neither the checkpoint nor the user says otherwise.

    >>> register("one_layer", lambda num_classes=10: nn.Sequential(nn.Flatten(), nn.Linear(64, num_classes)))
    >>> find_architecture("one_layer").build(num_classes=3)[1].out_features
    3
    >>> del ARCHITECTURES["one_layer"]
    """
    ARCHITECTURES[name] = Architecture(name, factory, pixels or PixelSpec())


CIFAR = PixelSpec((3, 32, 32), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
for _depth in (20, 32, 44, 56, 110):
    register(f"cifar_resnet{_depth}", of_depth(_depth), CIFAR)
for _name, _factory in REFERENCE.items():
    register(_name, _factory)


def find_architecture(name: str) -> Architecture:
    """The architecture of a built-in name, of ``FILE.py:NAME``, ``timm:NAME`` or ``torchvision:NAME``.

    NAME is a function or a class that makes the network, or the network itself. The file is the user's
    own and is run. Raises BadArgument for a missing file or function, Unsupported
    for a package that is not installed.

    >>> find_architecture("cifar_resnet20").pixels.shape
    (3, 32, 32)
    >>> find_architecture("cifar_resnt20")
    Traceback (most recent call last):
    featgeom.errors.BadArgument: unknown architecture 'cifar_resnt20'; did you mean 'cifar_resnet20'?
    """
    file, separator, function = name.rpartition(":")
    if separator and file.endswith(".py"):
        return _from_file(Path(file).expanduser(), function)
    if name.endswith(".py"):
        raise BadArgument(f"architecture '{name}': say which function, class or network of it: {name}:NAME")
    if split_source(name) is not None:
        return Architecture(name, *zoo_factory(name))
    if name not in ARCHITECTURES:
        raise BadArgument(f"unknown architecture '{name}'{nearest_name(name, list(ARCHITECTURES))}")
    return ARCHITECTURES[name]


def _from_file(file: Path, function: str) -> Architecture:
    if not file.is_file():
        raise BadArgument(f"architecture file {file}: no such file")
    fingerprint = hashlib.sha256(file.read_bytes()).hexdigest()
    remember(file, fingerprint)
    module = imported(file, fingerprint)
    files = partial(files_of, file, module)
    found = getattr(module, function, None)
    if isinstance(found, nn.Module):  # a network that the file makes itself
        made = found
        return Architecture(
            f"{file.name}:{function}", lambda: copy.deepcopy(made), PixelSpec(), fingerprint, files
        )
    if not callable(found):
        here = [n for n, v in vars(module).items() if callable(v) and v.__module__ == module.__name__]
        raise BadArgument(
            f"{file} has no function, class or network '{function}'{nearest_name(function, here)}"
        )
    factory = with_neighbours(file, module, found)
    return Architecture(f"{file.name}:{function}", factory, PixelSpec(), fingerprint, files)
