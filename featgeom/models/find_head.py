"""The head of a network, found by running it: the affine map from its last readings' inputs to its logits."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from featgeom.errors import BadArgument, NoAffineHead, Unsupported, nearest_name
from featgeom.head import AffineHead
from featgeom.models.affine import Reading, affine_map
from featgeom.models.self_check import SelfCheck, check_head
from featgeom.models.tail import NotAffine, Part, ancestors, find_parts
from featgeom.models.tap import Ending, Point, Tap, columns, filled, only_batch, watching
from featgeom.models.tape import (
    ENDING,
    IMAGE,
    READING,
    Ref,
    Tape,
    flat_arguments,
    returned_at,
    tensors_returned,
)
from featgeom.remarks import caution

UNSTEADY = 1e-3  # of the logits' spread: how far another batch may move an image's logits
ROUNDING = 64  # units in the last place, which another order of summation may change
ONE_LOGIT = "one logit l, read as the two logits (0, l): the second class is chosen where l > 0"
ENDINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "logits": lambda logits: logits,
    "softmax": lambda logits: logits.softmax(1),
    "log_softmax": lambda logits: logits.log_softmax(1),
    "sigmoid": torch.sigmoid,
    "log_sigmoid": torch.nn.functional.logsigmoid,
}


@dataclass(frozen=True)
class FoundHead:
    """The head, where it sits, how well it gives the logits, and what to tell a person of the choice."""

    tap: Tap
    head: AffineHead
    check: SelfCheck
    notes: tuple[str, ...] = ()

    @property
    def residual(self) -> float:
        """max |W·φ(x) + b − logits| on the batch that was run."""
        return self.check.residual


@dataclass(frozen=True)
class Output:
    """One tensor (n, C) of what a network returned, which may be its logits."""

    place: str
    value: Tensor
    serial: int

    def describe(self) -> str:
        """For people: output '1' of 10 columns."""
        return f"output '{self.place}' ({columns(self.value).shape[1]:,} columns)"


@dataclass(frozen=True)
class Hints:
    """What helps to tell the logits from other outputs: the number of classes, the labels of the batch.

    ``logits`` says outright where they stand.
    """

    classes: int | None = None
    labels: Any = None
    logits: str | None = None


def find_head(module: nn.Module, x: Tensor, hints: Hints | None = None) -> FoundHead:
    """Find (W, b) and φ with W·φ(x) + b = logits, from two passes over a batch.

    ``x`` (n, c, h, w) is what ``module`` itself takes, already normalised. From the logits back, whatever is
    affine is folded into the head (scales, sums of several layers, slices), up to the nearest calls that
    multiply by a matrix: what these read is φ, joined where they are several. Of several tensors that a
    network returns, the one that the ``hints`` speak for is taken.

    Raises NoAffineHead, which says what stands in the way, and Unsupported where nothing is like logits.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval()
    >>> found = find_head(net, torch.rand(5, 1, 2, 2))
    >>> found.tap.layer, found.head.dimension, found.residual < 1e-6
    ('3', 3, True)
    """
    with torch.no_grad():
        tape = Tape(module)
        outputs = _outputs(tape, tape.run(x.clone()), len(x))
        failures = []
        for output in _ranked(tape, outputs, hints or Hints()):
            try:
                found = _head_of(module, x, tape, output)
            except NotAffine as reason:
                failures.append(f"{output.describe()}: {reason}" if output.place else str(reason))
                continue
            others = [other.describe() for other in outputs if other is not output]
            if not others:
                return found
            said = f"the network returns several tensors: {output.describe()} is taken as the logits, not "
            return replace(found, notes=(said + " or ".join(others), *found.notes))
    raise NoAffineHead(
        f"the logits are not an affine function of any hidden layer: {'; '.join(failures)}. What can be "
        "analysed instead are the logits themselves, as features with the identity for a head"
    )


def _outputs(tape: Tape, returned: Any, n: int) -> list[Output]:
    """What may be logits among the tensors returned."""
    tensors = tensors_returned(returned)
    found = []
    for place, value in tensors.items():
        serial = tape.serial(value)
        flat = value.ndim <= 2 or value[0].numel() == value.shape[1]
        if value.ndim and len(value) == n and flat and value.numel() and serial is not None:
            found.append(Output(place, value, serial))
    if not found:
        shapes = [str(tuple(value.shape)) for value in tensors.values()] or ["no tensor"]
        raise Unsupported(
            f"the network returns {', '.join(shapes[:3])} for {n} images: not one logit for each class"
        )
    return found


def _ranked(tape: Tape, outputs: list[Output], hints: Hints) -> list[Output]:
    """The likeliest first. What others are made of are features, not logits."""
    classes, labels = hints.classes, hints.labels
    if hints.logits is not None:
        places = {output.place: output for output in outputs}
        if hints.logits not in places:
            raise BadArgument(f"logits: no output '{hints.logits}'{nearest_name(hints.logits, list(places))}")
        return [places[hints.logits]]
    named = [output for output in outputs if output.place.rpartition(".")[2] == "logits"]
    if named:
        return named[:1]
    made_of = {output.place: ancestors(tape, output.serial) for output in outputs}
    last = [o for o in outputs if not any(o.serial in made_of[other.place] for other in outputs)]

    def merit(output: Output) -> tuple[bool, float]:
        values = columns(output.value)
        count = max(2, values.shape[1])
        if labels is None or int(labels.max()) >= count:
            return count == classes, 0.0
        chosen = values.argmax(1) if values.shape[1] > 1 else values[:, 0] > 0
        right = chosen.cpu().numpy().astype(np.int64) == np.asarray(labels)
        return count == classes, float(right.mean())

    return sorted(last or outputs, key=merit, reverse=True)


def _head_of(module: nn.Module, x: Tensor, tape: Tape, output: Output) -> FoundHead:
    """The head of one output. Raises NotAffine."""
    ending, wanted, before = _ending(tape, output.serial)
    parts, calls = find_parts(tape, wanted)
    points = [_point(part, module) for part in parts]
    with watching(module, [*points, *([before] if before else [])]) as seen:
        returned = returned_at(module(x.clone()), output.place)
    logits = columns(seen(before) if before else returned).double()
    if (ENDINGS[ending](logits) - columns(returned)).abs().max() > 1e-3:
        raise NotAffine(f"it is not the {ending} of what goes into it")
    _require_function(module, x, tape, output, returned)
    readings = [Reading(part, point, seen(point).double()) for part, point in zip(parts, points, strict=True)]
    found = affine_map(readings, calls, wanted)
    weight, bias, one = found.weight, found.bias, len(found.bias) == 1
    if one:
        weight, bias = (torch.cat([torch.zeros_like(t), t]) for t in (weight, bias))
        logits = torch.cat([torch.zeros_like(logits), logits], 1)
    tap = Tap(found.points, output.place, ending, before, one)
    head = AffineHead(weight.cpu().numpy(), bias.cpu().numpy())
    unit = torch.finfo(returned.dtype).eps
    check = check_head(found.features.cpu().numpy(), logits.cpu().numpy(), head, unit)
    if not check.passes:
        raise NotAffine(
            f"W·φ(x) + b of {tap.describe()} misses them by {check.residual:.3g} "
            f"(they differ by up to {check.spread:.3g})"
        )
    return FoundHead(tap, head, check, (ONE_LOGIT,) if one else ())


def _require_function(module: nn.Module, x: Tensor, tape: Tape, output: Output, again: Tensor) -> None:
    """Raise Unsupported where an image's logits differ from pass to pass, or with the images beside it."""
    first, second = columns(output.value).double(), columns(again).double()
    spread = max(float((first.amax(1) - first.amin(1)).max()), float((first.amax(0) - first.amin(0)).max()))
    allowed = max(UNSTEADY * spread, ROUNDING * torch.finfo(again.dtype).eps * float(first.abs().max()))
    moved = float((first - second).abs().max())
    if moved > allowed:
        raise Unsupported(
            f"the network is no function of the image: its logits differ by {moved:.3g} from pass to pass"
            f"{_named(tape.chance, 'draws random numbers')}; they themselves differ by up to {spread:.3g}"
        )
    alone = _in_other_batches(module, x, output.place)
    if alone is None:
        return
    moved = float((first[: len(alone)] - alone).abs().max())
    if moved <= allowed:
        return
    if _is_rounding(module, x, output.place, allowed):
        caution(
            f"rounding moves an image's logits by {moved:.3g} with the images beside it in the batch, and "
            f"they themselves differ by up to {spread:.3g}: in float64 they do not depend on these"
        )
        return
    raise Unsupported(
        f"an image's logits depend on the images beside it in the batch: they differ by {moved:.3g}"
        f"{_named(tape.mixing, 'takes mean and variance of the batch')}; they themselves differ by up to "
        f"{spread:.3g}"
    )


def _in_other_batches(module: nn.Module, x: Tensor, place: str) -> Tensor | None:
    """The logits of the images, or of the first of them, beside fewer or other ones; None for one image."""
    half = len(x) // 2
    if not half:
        return None
    batches = (x[:half], x[half:]) if only_batch(module) is None else (filled(x[:half], len(x)),)
    parts = [columns(returned_at(module(part.clone()), place)) for part in batches]
    return torch.cat(parts).double()[: len(x) if len(batches) == 2 else half]


def _is_rounding(module: nn.Module, x: Tensor, place: str, allowed: float) -> bool:
    """Whether logits stay where they are in other batches, to far less than allowed, in float64."""
    try:
        exact, images = copy.deepcopy(module).double(), x.double()
        together = columns(returned_at(exact(images.clone()), place))
        alone = _in_other_batches(exact, images, place)
    except Exception:  # it has no float64
        return False
    return alone is not None and float((together[: len(alone)] - alone).abs().max()) <= 1e-3 * allowed


def _named(calls: list[str], what: str) -> str:
    return f" ({calls[0]} {what})" if calls else ""


def _ending(tape: Tape, serial: int) -> tuple[Ending, int, Point | None]:
    """How the network ends: what it makes of the logits, which number they are, and where they go in."""
    at = serial
    while at != IMAGE:
        call = tape.calls[tape.made_by[at]]
        if call.name in ENDING and len(call.inputs) == 1:
            operand = flat_arguments(call.args, call.kwargs).index(Ref(call.inputs[0]))
            point = Point(call.layer, call.count, ENDING[call.name], operand=operand)
            return cast(Ending, ENDING[call.name]), call.inputs[0], point
        if call.name in READING or len(call.inputs) != 1:
            break
        at = call.inputs[0]
    return "logits", serial, None


def _point(part: Part, module: nn.Module) -> Point:
    """Where a reading lies, and what to call it."""
    call, kind = part.call, part.call.name.strip("_")
    if isinstance(module.get_submodule(call.layer), nn.Linear):
        kind = "Linear"
    elif call.name == "conv2d":
        weight = next(v for v in flat_arguments(call.args, call.kwargs) if isinstance(v, Tensor))
        kind = f"{weight.shape[2]}x{weight.shape[3]} convolution"
    return Point(call.layer, call.count, kind, operand=part.operand)
