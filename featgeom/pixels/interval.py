"""Bounds on everything a network computes over a set of images, found by running it once on both ends.

The lower and the upper end of each entry lie one behind the other in the batch, so that what is monotone
runs as it is; layers with weights are told apart by a torch function mode. No tracing, and no guessing: an
operation that is not listed here is named and refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from featgeom.errors import Unsupported
from featgeom.models.classifier import exact_float32
from featgeom.pixels.ends import (
    AVERAGE,
    CONSTANTS,
    COPYING,
    DROPOUT,
    IN_ORDER,
    QUESTIONS,
    REARRANGE,
    SQUARED,
    WEIGHTED,
    WIDER,
    Bent,
    Ends,
    Known,
    Narrow,
    by_rows,
    halves,
    lengths,
    movement,
    outward,
    rounded_by,
    tensors,
    unsupported,
)  # fmt: skip
from featgeom.pixels.energy import weight_norm
from featgeom.pixels.fields import Field, field_after
from featgeom.pixels.operators import REGISTRY, find_bend
from featgeom.pixels.rules import known_call, plain_name
from featgeom.pixels.spelling import Spelling
from featgeom.pixels.stretches import FEW, most_copies, stretched, summands, terms_of_norm

LOST = 1e-150  # more than products of lengths lose to underflow


class IntervalPass(TorchFunctionMode):
    """Runs a network on the ends of a set of images; ``bent`` collects what went into ReLU and max pooling.

    The set is the box between ``low`` and ``high`` (n, c, h, w), cut with the Euclidean balls of ``radius``
    (n,), or inf, around ``centre``, which lie in it. ``narrow(bent, next)`` may return what goes into the
    next operation that bends after ``bent`` with narrower ends and less movement. Ends are moved outward by
    more than float64 can have rounded.
    The values at the centre are computed too, and a bound on their own rounding goes with them.
    Beside the ends of each entry a bound on the movement of all together is kept (from spectral norms of the
    layers): in a Euclidean ball not every entry can move as far as each can.
    """

    def __init__(
        self,
        low: Tensor,
        high: Tensor,
        centre: Tensor,
        radius: Tensor,
        narrow: Narrow | None = None,
    ) -> None:
        super().__init__()
        self.start = torch.cat([low, high])
        self.narrow = narrow
        self.bent: list[Bent] = []
        self.made = -1  # the number of the operation that bends whose result the network returned, if one's
        self.known: Any = WeakTensorKeyDictionary()
        far = torch.maximum(high - centre, centre - low).flatten(1).norm(dim=1)
        energy = torch.minimum(radius, far * WIDER)
        self.reach = energy
        self.known[self.start] = Known(
            torch.cat([centre, centre]),
            energy,
            torch.ones_like(self.start),
            torch.zeros_like(energy),
            field=Field.of_image(self.start.shape),
        )

    def run(self, network: nn.Module) -> Ends:
        """The ends of the network's values. Raises Unsupported, naming what cannot be bounded."""
        with torch.no_grad(), exact_float32(), self, Spelling(self.known):
            values = network(self.start)
        if values not in self.known:
            raise Unsupported("no bounds: what the network returns does not depend on the image")
        lost = self.known[values].lost
        if lost:
            raise unsupported(lost)
        self.made = self.known[values].made
        lower, upper = values.chunk(2)
        return lower, upper

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One operation of the network."""
        kwargs = dict(kwargs or {})
        if "input" in kwargs:
            args = (kwargs.pop("input"), *args)
        held = [t for t in tensors((args, kwargs)) if t in self.known]
        name = func.__name__
        if not held or name in CONSTANTS:
            return func(*args, **kwargs)
        if name in QUESTIONS:
            answer = func(*args, **kwargs)
            return answer if not isinstance(answer, Tensor) else self._lose(answer, name)
        lost = next((self.known[t].lost for t in held if self.known[t].lost), "")
        plain = plain_name(name)
        inplace = bool(kwargs.pop("inplace", False)) or plain != name
        if lost or not known_call(plain, args, kwargs, self.known):
            if inplace or "out" in kwargs or (name.endswith("_") and not name.endswith("__")):
                raise unsupported(lost or name)
            if plain in REGISTRY:
                self.bent.append(Bent(None, torch.empty(0), torch.empty(0), torch.empty(0)))
            return self._lose(func(*args, **kwargs), lost or name)
        if not inplace:
            return self._apply(func, plain, args, kwargs)
        if self.known[args[0]].scale is not None:
            raise unsupported(f"{name} in place on the image")
        result = self._apply(getattr(torch, plain, func), plain, args, kwargs)
        known, place = self.known[result], args[0].untyped_storage().data_ptr()
        for other in list(self.known):  # views change too, and what is known of them no longer holds
            if other is not args[0] and other.untyped_storage().data_ptr() == place:
                self.known[other] = Known(lost=name)
        args[0].copy_(result)
        self.known[args[0]] = known
        return args[0]

    def _apply(self, func: Any, name: str, args: Any, kwargs: Any) -> Tensor:
        result = self._ended(func, name, args, kwargs)
        known = self.known[result]
        if not known.lost:
            field = self._seen(name, args, kwargs, result)
            self.known[result] = replace(known, field=field)
            if name in REGISTRY:
                self.bent[-1] = replace(self.bent[-1], after=field)
        return result

    def _seen(self, name: str, args: Any, kwargs: Any, result: Tensor) -> Field | None:
        if name in REGISTRY:
            bend = find_bend(name, args[1:], kwargs)
            name = name if bend is None or bend.windowed else "bend"
        before = [self.known[t].field for t in tensors(args) if t in self.known]
        return field_after(name, args, kwargs, before, result)

    def _ended(self, func: Any, name: str, args: Any, kwargs: Any) -> Tensor:
        """The result's ends, with what is known of it."""
        x = args[0]
        if name in WEIGHTED:
            return self._weighted(func, *args, **kwargs)
        if name in REGISTRY:
            return self._bent(name, *args, **kwargs)
        if name in REARRANGE | DROPOUT:
            known = self.known[x]
            point = func(known.point, *args[1:], **kwargs)
            scale = None if known.scale is None else func(known.scale, *args[1:], **kwargs)
            if name == "pad" and scale is not None:
                scale = scale - func(torch.zeros_like(x), *args[1:], **kwargs)
            energy, off = known.energy, known.off
            copies = most_copies(func, args, kwargs) if name in COPYING else 1
            if copies > 1:  # they move as one, not each by itself
                energy, off, scale = energy * copies**0.5 * WIDER, off * copies**0.5 * WIDER, None
            result = self._keep(func(*args, **kwargs), name, point, energy, off, scale)
            if name in IN_ORDER:
                self.known[result] = replace(self.known[result], made=known.made)
            return result
        if name in AVERAGE or name == "cat" or len([t for t in args[:2] if self._is_held(t)]) == 2:
            return self._combined(func, name, args, kwargs)
        return self._by_constants(func, name, args, kwargs)

    def _bent(self, name: str, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """The ends are narrowed before what bends is applied to them."""
        bend, known = find_bend(name, args, kwargs), self.known[x]
        assert bend is not None
        here = Bent(bend, *halves(x), known.energy, known.field)
        if self.narrow and not known.bent:
            here = self.narrow(self.bent, here)
        point, ends = halves(known.point)[0], (here.lower, here.upper)
        energy, off = torch.minimum(here.energy, movement(point, *ends) + known.off), known.off
        tight = None if here.tight is None else here.tight + off
        # copies, since x may yet be changed in place; the movement is asked for from a computed centre
        self.bent.append(
            replace(here, lower=ends[0].clone(), upper=ends[1].clone(), energy=energy + off, tight=tight)
        )
        result = torch.cat(bend.ends(*ends))
        stretch = bend.stretch(torch.minimum(ends[0], point), torch.maximum(ends[1], point)) * WIDER
        off = off * stretch + lengths(bend.rounding(point))
        self._keep(result, name, bend.value(known.point), energy * stretch, off)
        self.known[result] = replace(self.known[result], bent=True, made=len(self.bent) - 1)
        return result

    def _weighted(
        self, func: Any, x: Tensor, weight: Tensor, bias: Tensor | None = None, *rest: Any, **kw: Any
    ) -> Tensor:
        """|W| takes the radii, and the movement of all entries the lengths of the rows of W."""
        lower, upper = halves(x)
        centre, radius = (lower + upper) / 2, (upper - lower) / 2
        terms, known = weight[0].numel(), self.known[x]
        largest = torch.maximum(centre.abs() + radius, halves(known.point)[0].abs())
        size = func(largest, weight.abs(), None if bias is None else bias.abs(), *rest, **kw)
        middle, error = func(centre, weight, bias, *rest, **kw), rounded_by(size, terms + FEW)
        spread = func(radius, weight.abs(), None, *rest, **kw) + error
        low, high = middle - spread, middle + spread
        squares, each = torch.ones_like(lower), known.energy
        row = func(squares, weight.square() + SQUARED, None, *rest, **kw).clamp_min(0).sqrt() * WIDER
        reach = row * by_rows(known.off, row) + error  # of the centre's own rounding
        if known.scale is not None:
            squares, each = halves(known.scale)[0].square() + SQUARED, self.reach
            row = func(squares, weight.square() + SQUARED, None, *rest, **kw).clamp_min(0).sqrt() * WIDER
        reach = reach + row * by_rows(each, row)
        point = func(known.point, weight, bias, *rest, **kw)
        value = halves(point)[0]
        low, high = torch.maximum(low, value - reach), torch.minimum(high, value + reach)
        norm = weight_norm(func.__name__, x.shape, weight, *rest, **kw) * WIDER
        off = known.off * norm + lengths(error)
        return self._keep(torch.cat([low, high]), func.__name__, point, known.energy * norm, off)

    def _combined(self, func: Any, name: str, args: Any, kwargs: Any) -> Tensor:
        """Sums and averages of what is held, end by end."""
        result = func(*args, **kwargs)
        held = [self.known[t] for t in tensors(args)]
        points = iter([known.point for known in held])
        energy, off = (
            stretched(func, name, args, kwargs, self.known, [getattr(known, what) for known in held], result)
            for what in ("energy", "off")
        )
        if name == "cat":
            point = func([next(points) for _ in held], *args[1:], **kwargs)
            return self._keep(result, name, point, energy, off)
        at = [halves(known.point)[0].abs() for known in held]
        size = [t.abs() if isinstance(t, Tensor) else t for t in args]
        point = func(*[next(points) if self._is_held(t) else t for t in args], **kwargs)
        if name in {"add", "sub"}:
            off = off + lengths(rounded_by(at[0] + at[1], FEW))
            if name == "sub":
                lower, upper = halves(args[1])
                result = args[0] - torch.cat([upper, lower])
            result = outward(result, rounded_by(size[0] + size[1], FEW))
            return self._keep(result, name, point, energy, off)
        roundings = summands(name, args, kwargs, result) + FEW
        off = off + lengths(rounded_by(func(at[0], *args[1:], **kwargs), roundings))
        result = outward(result, rounded_by(func(*size, **kwargs), roundings))
        return self._keep(result, name, point, energy, off)

    def _by_constants(self, func: Any, name: str, args: Any, kwargs: Any) -> Tensor:
        """Each entry by itself, rising or falling."""
        at = next(i for i, t in enumerate(args) if self._is_held(t))
        x = args[at]

        def run(t: Tensor) -> Tensor:
            return func(*args[:at], t, *args[at + 1 :], **kwargs)  # type: ignore[no-any-return]

        def roundings(t: Tensor) -> Tensor:
            """More than are in run(t), and in its difference from run(0)."""
            return rounded_by(t.abs() + 2 * nought.abs() + added, FEW)

        nought, known = run(torch.zeros_like(x)), self.known[x]
        added = terms_of_norm(func, args, kwargs) if name == "batch_norm" else 0.0
        one, other = halves(run(x))
        result = torch.cat([torch.minimum(one, other), torch.maximum(one, other)])
        if result.shape != x.shape:
            return self._lose(result, name)
        wider = roundings(result) * result.new_tensor([[-1.0], [1.0]]).repeat_interleave(len(one), 0).view(
            -1, *(1,) * (x.ndim - 1)
        )
        ones, point = run(torch.ones_like(x)), run(known.point)
        factor = halves((ones - nought).abs() + roundings(ones))[0]
        factor = factor.reshape(len(factor), -1).amax(1) * WIDER
        off = known.off * factor + lengths(halves(roundings(point))[0])
        scale = None
        if known.scale is not None:
            scale = run(known.scale)
            scale = (scale - nought).abs() + roundings(scale)
        return self._keep(result + wider, name, point, known.energy * factor, off, scale)

    def _is_held(self, value: Any) -> bool:
        return isinstance(value, Tensor) and value in self.known

    def _keep(
        self,
        result: Tensor,
        name: str,
        point: Tensor,
        energy: Tensor,
        off: Tensor,
        scale: Tensor | None = None,
    ) -> Tensor:
        if len(result) != len(self.start) or point.shape != result.shape:
            return self._lose(result, name)
        energy = torch.minimum(energy, movement(halves(point)[0], *halves(result)) + off) + LOST
        self.known[result] = Known(point, energy, scale, off + LOST)
        return result

    def _lose(self, result: Any, name: str) -> Any:
        found = list(tensors(result))
        if not found:
            raise unsupported(name)
        for tensor in found:
            self.known[tensor] = Known(lost=name)
        return result
