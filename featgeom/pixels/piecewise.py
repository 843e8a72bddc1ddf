"""A piecewise linear network run on pieces of a line or a plane of pixel space, cut wherever it bends.

Every tensor of the run is affine on each piece and is held as its values at a few points of it. Where a layer
bends inside a piece, the piece is cut there before the network goes on; what was computed before the cut, as
a shortcut of a residual network is, is taken over to the new pieces when it meets what came after.

Sources: Sotoudeh and Thakur, arXiv 1908.06223 (exact restrictions to lines and planes); Humayun et al., arXiv
2302.12828.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Protocol, Self, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from featgeom.errors import Unsupported
from featgeom.models.classifier import exact_float32
from featgeom.pixels.bends import Bend, Kinked
from featgeom.pixels.ends import CONSTANTS, QUESTIONS, tensors
from featgeom.pixels.operators import REGISTRY, find_bend
from featgeom.pixels.pooling import Pool
from featgeom.pixels.rules import known_call, plain_name

TOGETHER = (
    1 << 22
)  # entries of the network's widest layer that are held at a time: more only waits for memory
ZERO = 1e-12  # of the largest entry of a layer: what counts as 0
MOST = 2_000_000  # pieces


class Pieces(Protocol):
    """Pieces that tile a part of a line or a plane. Cutting them raises Full where there is no ``room``."""

    room: float

    def __len__(self) -> int:
        """How many there are."""

    @property
    def version(self) -> int:
        """How often they were cut."""

    @property
    def share(self) -> float:
        """Their part of the whole, by length or area."""

    def points(self) -> Tensor:
        """The coordinates (rows, d) at which tensors are held."""

    def lifted(self, x: Tensor, version: int) -> Tensor:
        """A tensor (rows, ...) that was held for an earlier version, for the present one."""

    def bent(self, bend: Bend, x: Tensor) -> Tensor:
        """Cut where a function of x bends, and that function of x."""

    def led(self, bend: Pool, x: Tensor) -> Tensor:
        """Cut where another entry of a window becomes the largest; x as it is then."""

    def parts(self, count: int) -> list[Self]:
        """The same pieces in batches of about so many."""


Some = TypeVar("Some", bound=Pieces)


class Full(Exception):
    """There are more pieces than can be held at a time."""


class Largest(Pool):
    """The largest of all entries (n, k), as pooling with one window."""

    def __init__(self) -> None:
        super().__init__(1)
        self.value = lambda z: z.amax(1, keepdim=True)

    def windows(self, z: Tensor) -> Tensor:
        """All entries."""
        return z.unsqueeze(2)

    def leaders(self, z: Tensor) -> Tensor:
        """The first of the largest (n, 1)."""
        return z.argmax(1, keepdim=True)


def largest(x: Tensor) -> float:
    """The largest absolute value."""
    low, high = x.aminmax() if x.numel() else (torch.zeros(()), torch.zeros(()))
    return max(-float(low), float(high))


def entries_of(x: Tensor, rows: Tensor, entries: Tensor) -> Tensor:
    """Of some rows of x (n, ...) these entries (rows, some), which are −inf where an index is −1."""
    flat = x.flatten(1)
    return flat[rows[:, None], entries].masked_fill(entries < 0, -torch.inf)


class PiecewisePass(TorchFunctionMode):
    """One run of a network on pieces, which it cuts."""

    def __init__(self, pieces: Pieces) -> None:
        super().__init__()
        self.pieces = pieces
        self.versions: Any = WeakTensorKeyDictionary()
        self.lost: Any = WeakTensorKeyDictionary()

    def run(self, network: nn.Module) -> Tensor:
        """The network's values (rows, k) at the points of the pieces as they are then.

        Raises Unsupported where the network is not piecewise linear, and Full.
        """
        start = self._keep(self.pieces.points())
        with torch.no_grad(), exact_float32(), self:
            try:
                values = network(start)
            except (
                RuntimeError
            ) as error:  # what the network keeps apart from its images does not grow with them
                words = str(error).strip().splitlines()[0]
                raise Unsupported(f"the network takes no batches of another size halfway: {words}") from None
        if values in self.lost:
            raise _not_linear(self.lost[values])
        if values not in self.versions:
            raise Unsupported("what the network returns does not depend on the image")
        return self._now(values)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One operation of the network."""
        kwargs = dict(kwargs or {})
        if "input" in kwargs:
            args = (kwargs.pop("input"), *args)
        held = [t for t in tensors((args, kwargs)) if t in self.versions or t in self.lost]
        name = func.__name__
        if not held:
            return func(*args, **kwargs)
        if name in QUESTIONS:
            answer = func(*args, **kwargs)
            return self._lose(answer, name) if isinstance(answer, Tensor) else answer
        if name in CONSTANTS:
            made = func(*args, **kwargs)
            same = held[0] in self.versions and len(made) == len(held[0])
            return self._keep(made, self.versions[held[0]]) if same else made
        lost = next((self.lost[t] for t in held if t in self.lost), "")
        plain = plain_name(name)
        inplace = bool(kwargs.pop("inplace", False)) or plain != name
        if lost or not self._supported(plain, args, kwargs):
            if inplace or "out" in kwargs or (name.endswith("_") and not name.endswith("__")):
                raise _not_linear(lost or name)
            return self._lose(func(*args, **kwargs), lost or name)
        if not inplace:
            return self._apply(func, plain, args, kwargs)
        return self._replaced(args[0], self._apply(getattr(torch, plain, func), plain, args, kwargs), name)

    def _supported(self, name: str, args: Any, kwargs: Any) -> bool:
        """Whether the call is affine in each row, or bends in straight lines."""
        if not known_call(name, args, kwargs, self.versions):
            return False
        if name in REGISTRY:
            bend = find_bend(name, args[1:], kwargs)
            return isinstance(bend, (Kinked, Pool))
        by_row = [t for t in args if isinstance(t, Tensor) and t not in self.versions and t.ndim]
        like = next(t for t in tensors((args, kwargs)) if t in self.versions)
        plain = name in {"add", "sub", "mul", "div", "__rsub__"}
        return not plain or all(t.ndim < like.ndim or len(t) == 1 for t in by_row)

    def _apply(self, func: Any, name: str, args: Any, kwargs: Any) -> Tensor:
        if name in REGISTRY:
            bend = find_bend(name, args[1:], kwargs)
            assert bend is not None
            return self._keep(self.pieces.bent(bend, self._now(args[0])))
        versions = {self.versions[t] for t in tensors((args, kwargs)) if t in self.versions}
        if len(versions) > 1:
            args, versions = self._all_now(args), {self.pieces.version}
        rows = next(len(t) for t in tensors((args, kwargs)) if t in self.versions)
        result: Tensor = func(*args, **kwargs)
        alike = len(result) == rows
        return self._keep(result, *versions) if alike else self._lose(result, name)  # type: ignore[no-any-return]

    def _now(self, x: Tensor) -> Tensor:
        return self._keep(self.pieces.lifted(x, self.versions[x]))

    def _all_now(self, args: Any) -> Any:
        """Arguments, with all tensors of the run as they are on the present pieces."""
        if isinstance(args, Tensor):
            return self._now(args) if args in self.versions else args
        return type(args)(self._all_now(part) for part in args) if isinstance(args, (tuple, list)) else args

    def _replaced(self, x: Tensor, result: Tensor, name: str) -> Tensor:
        """A tensor changed in place: it may have more rows now. Views of it no longer hold."""
        place = x.untyped_storage().data_ptr()
        for other in list(self.versions):
            if other is not x and other.untyped_storage().data_ptr() == place:
                self._lose(other, name)
        version = self.versions[result]
        x.set_(result.contiguous())  # type: ignore[call-overload]
        return self._keep(x, version)

    def _keep(self, x: Tensor, version: int | None = None) -> Tensor:
        self.versions[x] = self.pieces.version if version is None else version
        return x

    def _lose(self, result: Any, name: str) -> Any:
        found = list(tensors(result))
        if not found:  # a number or a truth told the network of its image, or a part of a tensor was set
            raise _not_linear(name)
        for tensor in found:
            self.versions.pop(tensor, None)
            self.lost[tensor] = name
        return result


def _not_linear(name: str) -> Unsupported:
    return Unsupported(
        f"the operation '{name}' is not piecewise linear (known: affine layers, batch normalisation, ReLU, "
        "LeakyReLU, average and max pooling, additions)"
    )


def runs(
    network: nn.Module,
    pieces: Some,
    room: float,
    most: int = MOST,
    done: Callable[[float], object] | None = None,
) -> Iterator[tuple[Some, Tensor]]:
    """Pieces on each of which the network is affine, batch by batch, with its values at their points.

    At most about ``room`` are held at a time. ``done`` is told the share of the whole that each batch makes
    up. Raises Unsupported where there are more than ``most``.
    """
    todo, finished, density = [pieces], 0, 0.0
    while todo:
        batch = todo.pop()
        _require(finished + sum(map(len, todo)) + len(batch), most)
        crowd = math.ceil(batch.share * density / room)  # times what can be held, going by the last batch
        if crowd > 1 and len(batch) > 1:
            todo += batch.parts(math.ceil(len(batch) / crowd))[::-1]
            continue
        try:
            values = PiecewisePass(batch).run(network)
        except Full:
            todo += batch.parts(max(1, int(room) // 3))[::-1]
            continue
        finished += len(batch)
        _require(finished, most)
        density = len(batch) / batch.share
        batch.room = math.inf  # for what is asked of the values, which are few
        yield batch, values
        if done is not None:
            done(batch.share)


def bending_units(network: nn.Module, image: NDArray[Any], device: torch.device | None = None) -> int:
    """How many entries of one image (1, c, h, w) go into what bends: a measure of how often a segment can."""
    sizes = [0]

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if plain_name(func.__name__) in REGISTRY:
                sizes.append(next(t.numel() for t in tensors((args, kwargs or {}))))
            return func(*args, **(kwargs or {}))

    with torch.no_grad(), exact_float32(), Watch():
        network(torch.from_numpy(image).to(device))
    return sum(sizes)


def _require(count: int, most: int) -> None:
    """Raise Unsupported where there are more pieces than that."""
    if count > most:
        raise Unsupported(
            f"the network falls into more than {most:,} pieces: look at a smaller part, or allow for more"
        )


def together(network: nn.Module, x: Tensor) -> int:
    """How many rows may be held at a time, by the widest tensor that a network makes of one (x)."""
    sizes = [x.numel()]

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            if isinstance(result, Tensor):
                sizes.append(result.numel())
            return result

    with torch.no_grad(), exact_float32(), Watch():
        network(x)
    return max(2, TOGETHER // max(sizes))
