"""Matrix and vector of the map from what is read to the logits: by differentiation in float64, tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from featgeom.models.tail import NotAffine, Part, Tail, replay
from featgeom.models.tap import Point
from featgeom.models.tape import Call, flat_arguments

PROBE_LIMIT = 1 << 15  # the widest value whose matrix is found column by column
EXACT = 1e-9  # of the size of the result: what float64 may do to an affine map


@dataclass(frozen=True)
class Reading:
    """A call that reads features: where, and what lay there (n, ...), in float64.

    ``weight`` (k, d) and ``bias`` (k,) are its own, from features (n, d) to the channels of its result along
    the axis of ``point``; None where the kind of call is not known, which then counts to the tail.
    """

    part: Part
    point: Point
    value: Tensor
    weight: Tensor | None = None
    bias: Tensor | None = None


@dataclass(frozen=True)
class AffineMap:
    """logits = weight · φ + bias; φ is what the ``points`` hold, joined: ``features`` (n, d) on the batch."""

    points: tuple[Point, ...]
    weight: Tensor
    bias: Tensor
    features: Tensor


def affine_map(readings: Sequence[Reading], calls: list[Call], wanted: int) -> AffineMap:
    """The map from readings through ``calls`` to the logits, whose serial number is ``wanted``.

    Raises NotAffine, naming the calls, where it is none: its derivative is compared with its values on the
    batch and on random values several times as large.
    """
    try:
        return _affine_map([_known(reading) for reading in readings], calls, wanted)
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        words = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise NotAffine(
            f"what follows {readings[-1].point.describe()} cannot be run again ({words[:120]})"
        ) from None


def _affine_map(readings: list[Reading], calls: list[Call], wanted: int) -> AffineMap:
    values = [_given(reading)[1] for reading in readings]
    outline = _tail(readings, calls, wanted)
    readings = [_placed(r, outline, values, i) for i, r in enumerate(readings)]
    tail = _tail(readings, calls, wanted)
    values = [_given(reading)[1] for reading in readings]
    zero = [_constant(reading, value) for reading, value in zip(readings, values, strict=True)]
    bias = tail(zero)
    slopes = [_Slope(tail, values, i, reading.point) for i, reading in enumerate(readings)]
    _require_affine(tail, values, zero, bias, slopes, readings)
    joined: dict[tuple[int, str, int], tuple[Point, Tensor, Tensor]] = {}
    for reading, slope in zip(readings, slopes, strict=True):
        point = reading.point
        weight = slope.matrix() if reading.weight is None else slope.times(reading.weight)
        key = (reading.part.source, point.reduction, point.axis if point.reduction != "flatten" else 0)
        if key in joined:  # several layers that read the same features
            joined[key] = (joined[key][0], joined[key][1] + weight, joined[key][2])
        else:
            joined[key] = (point, weight, point.reduce(reading.value))
    points, weights, features = zip(*joined.values(), strict=True)
    return AffineMap(points, torch.cat(weights, 1), bias[0], torch.cat(features, 1))


def _tail(readings: list[Reading], calls: list[Call], wanted: int) -> Tail:
    """The tail of the readings as they are: those of unknown kind are its first calls."""
    unknown = [reading.part.call for reading in readings if reading.weight is None]
    return Tail([_given(reading)[0] for reading in readings], [*unknown, *calls], wanted)


def _given(reading: Reading) -> tuple[int, Tensor]:
    """What stands in for a reading when the tail is run again: its result, or what it reads."""
    if reading.weight is None:
        return reading.part.source, reading.value
    serial = reading.part.call.outputs[0]
    return serial, replay([reading.part.call], {reading.part.source: reading.value}, serial)


def _constant(reading: Reading, value: Tensor) -> Tensor:
    """What stands in for a reading of features that are zero."""
    if reading.bias is None:
        return torch.zeros_like(value)
    if value[0].numel() == len(reading.bias):  # one position alone, wherever its channels stand
        return reading.bias.reshape(1, *value.shape[1:]).expand(value.shape).contiguous()
    axis = reading.point.axis % value.ndim
    shape = [len(reading.bias) if d == axis else 1 for d in range(value.ndim)]
    return reading.bias.reshape(shape).expand(value.shape).contiguous()


def _known(reading: Reading) -> Reading:
    """The reading with its own matrix and bias, where its kind is one of the usual."""
    call, value = reading.part.call, reading.value
    constants = [c for c in flat_arguments(call.args, call.kwargs) if isinstance(c, Tensor)]
    if reading.part.operand != 0 or call.name not in {"linear", "matmul", "__matmul__", "mm", "conv2d"}:
        return reading
    matrix, bias, axis, covers = constants[0], constants[1] if len(constants) > 1 else None, -1, False
    if call.name == "conv2d":
        size, axis = value.shape[2:], 1
        out = replay([call], {reading.part.source: value}, call.outputs[0]).shape[2:]
        padding = call.kwargs.get("padding", call.args[4] if len(call.args) > 4 else 0)
        unpadded = padding in (0, (0, 0), [0, 0], "valid")
        covers = tuple(out) == (1, 1) and matrix.shape[2:] == size
        one_by_one = tuple(matrix.shape[2:]) == (1, 1) and out == size
        if matrix.shape[1] != value.shape[1] or value.ndim != 4 or not (unpadded and (covers or one_by_one)):
            return reading
        matrix = matrix.flatten(1)
    elif call.name != "linear":
        matrix = matrix.T if matrix.ndim == 2 else matrix
    if matrix.ndim != 2 or (bias is not None and bias.ndim != 1):
        return reading
    zero = torch.zeros(len(matrix), dtype=torch.float64, device=matrix.device)
    point = replace(reading.point, axis=axis % value.ndim)
    return replace(reading, point=point, weight=matrix.double(), bias=zero if bias is None else bias.double())


def _placed(reading: Reading, outline: Tail, values: list[Tensor], which: int) -> Reading:
    """How the tail takes the positions of a reading: one alone, their mean, or each for itself."""
    value, point = values[which], reading.point
    axis = point.axis % value.ndim
    if reading.weight is None or value[0].numel() == value.shape[axis]:
        return replace(reading, point=replace(point, axis=1))
    with torch.enable_grad():
        leaf = value.clone().requires_grad_()
        logits = outline([leaf if i == which else v for i, v in enumerate(values)])
        generator = torch.Generator().manual_seed(0)
        random = torch.randn(logits.shape, generator=generator, dtype=torch.float64).to(logits.device)
        (slope,) = torch.autograd.grad((logits * random).sum(), leaf)
    slope = slope.movedim(axis, 1).flatten(2)
    size = float(slope.abs().max())
    if float((slope - slope.mean(2, keepdim=True)).abs().max()) <= EXACT * size:
        return replace(reading, point=replace(point, reduction="mean"))
    used = (slope.abs().amax((0, 1)) > 0).nonzero().flatten().tolist()
    if len(used) == 1:
        return replace(reading, point=replace(point, reduction=f"position {used[0]}"))
    return replace(reading, point=replace(point, axis=1), weight=None, bias=None)


class _Slope:
    """The derivative of the logits by one reading, whose positions are reduced as its point says."""

    def __init__(self, tail: Tail, values: list[Tensor], which: int, point: Point) -> None:
        self.tail, self.values, self.which, self.point = tail, values, which, point
        self.like = values[which]
        self.n, self.k = point.reduce(self.like).shape
        self.diagonal = self._diagonal()

    def along(self, reduced: Tensor) -> Tensor:
        """The derivative (n, C) in a direction (n, k)."""
        return self.tail.along(self.values, self.which, self.point.spread(reduced, self.like))

    def _diagonal(self) -> Tensor | None:
        """(k,) where each logit depends on its own channel alone."""
        ones = torch.ones(self.n, self.k, dtype=torch.float64, device=self.like.device)
        diagonal = self.along(ones)
        if diagonal.shape != ones.shape:
            return None
        generator = torch.Generator().manual_seed(1)
        random = torch.randn(ones.shape, generator=generator, dtype=torch.float64).to(ones.device)
        alike = torch.allclose(self.along(random), diagonal * random, rtol=1e-12, atol=0)
        return diagonal[0] if alike else None

    def matrix(self) -> Tensor:
        """(C, k)."""
        if self.diagonal is not None:
            return torch.diag(self.diagonal)
        if self.k > PROBE_LIMIT:
            raise NotAffine(
                f"the {self.k:,} numbers that {self.point.describe()} takes are too many to analyse"
            )
        columns = []
        for first in range(0, self.k, self.n):
            rows = torch.arange(min(self.n, self.k - first))
            unit = torch.zeros(self.n, self.k, dtype=torch.float64, device=self.like.device)
            unit[rows, first + rows] = 1
            columns.append(self.along(unit)[rows])
        return torch.cat(columns).T

    def times(self, weight: Tensor) -> Tensor:
        """Its matrix times ``weight`` (k, d)."""
        return self.matrix() @ weight if self.diagonal is None else self.diagonal[:, None] * weight


def _require_affine(
    tail: Tail,
    values: list[Tensor],
    zero: list[Tensor],
    bias: Tensor,
    slopes: list[Any],
    readings: list[Reading],
) -> None:
    """Raise NotAffine unless values of the tail are those of its derivative, near and far."""
    generator = torch.Generator().manual_seed(2)
    for scale in (0, 1, 8):
        moved = []
        for value in values:
            noise = torch.randn(value.shape, generator=generator, dtype=torch.float64).to(value.device)
            moved.append(value + scale * noise * value.abs().max().clamp_min(1e-3))
        found, expected = tail(moved), bias.clone()
        size = bias.abs()
        for slope, here, origin in zip(slopes, moved, zero, strict=True):
            step = slope.point.reduce(here) - slope.point.reduce(origin)
            expected = expected + slope.along(step)
            size = size + slope.along(step).abs()
        wrong = (found - expected).abs() > EXACT * size.max().clamp_min(1e-300)
        if bool(wrong.any()) or not bool(found.isfinite().all()):
            last = readings[-1].point.describe()
            raise NotAffine(f"behind {last} comes {tail.names() or 'what depends on other images'}")
