"""The head of a network, found by running it: the last affine layer whose result is the logits."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from featgeom.errors import NoAffineHead, Unsupported
from featgeom.head import AffineHead
from featgeom.models.tap import Call, Ending, Reduction, Tap, network_output, record_calls, reduce_map

TOLERANCE = 1e-4  # of the largest logit: what float32 arithmetic may do to W·φ(x) + b on the way
PROBE_LIMIT = 1 << 15  # the widest layer of unknown kind whose matrix is found by trying unit vectors


@dataclass(frozen=True)
class FoundHead:
    """The head, where it sits, and the self-check: max |W·φ(x) + b − logits| on the batch that was run."""

    tap: Tap
    head: AffineHead
    residual: float


@dataclass(frozen=True)
class Candidate:
    """An affine map of a layer's input that might be the head."""

    tap: Tap
    weight: Tensor
    bias: Tensor
    residual: float
    scale: float

    @property
    def accepted(self) -> bool:
        """Whether it gives the network's output."""
        return self.residual <= TOLERANCE * max(1.0, self.scale)


def find_head(module: nn.Module, x: Tensor) -> FoundHead:
    """Find (W, b) and φ with W·φ(x) + b = logits, from one pass with hooks over a batch.

    ``x`` (n, c, h, w) is what ``module`` itself takes, already normalised. Layers are looked at from the
    last call to the first: Linear; a convolution whose kernel covers its input, or which is 1x1 and followed
    by global average pooling; then any other layer whose output equals the network's, if it is affine.

    Raises NoAffineHead, which lists the candidates with their residuals, if none gives the logits.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval()
    >>> found = find_head(net, torch.rand(5, 1, 2, 2))
    >>> found.tap.layer, found.head.dimension, found.residual < 1e-6
    ('3', 3, True)
    """
    with torch.no_grad():
        calls, returned = record_calls(module, x)
        output = network_output(returned)
        if output.ndim != 2 or output.shape[1] < 2:
            raise Unsupported(
                f"the network returns {tuple(output.shape)} for {len(x)} images: not one logit for each of "
                "two classes or more"
            )
        tried: list[Candidate] = []
        for finder in (_known_layer, _any_layer):
            for call in reversed(calls):
                for candidate in finder(call, output):
                    if candidate.accepted:
                        head = AffineHead(candidate.weight.double(), candidate.bias.double())
                        return FoundHead(candidate.tap, head, candidate.residual)
                    tried.append(candidate)
    raise NoAffineHead(_explain(tried))


def _known_layer(call: Call, output: Tensor) -> list[Candidate]:
    """What a Linear or a convolution says of itself."""
    layer, (n, classes) = call.module, output.shape
    if isinstance(layer, nn.Linear) and layer.out_features == classes:
        flat = call.value.flatten(1)
        if flat.shape == (n, layer.in_features):
            return [_judge(call, "Linear", layer.weight, layer.bias, flat, "flatten", output)]
    if isinstance(layer, nn.Conv2d) and layer.out_channels == classes and layer.groups == 1:
        size = call.value.shape[2:]
        unpadded = layer.padding in ((0, 0), "valid")
        if unpadded and call.output.shape[2:] == (1, 1) and layer.kernel_size == tuple(size):
            weight, kind = layer.weight.flatten(1), f"{size[0]}x{size[1]} convolution"
            return [_judge(call, kind, weight, layer.bias, call.value.flatten(1), "flatten", output)]
        if unpadded and layer.kernel_size == (1, 1) and layer.stride == (1, 1):
            pooled = reduce_map(call.value, "mean")
            weight = layer.weight.flatten(1)
            return [_judge(call, "1x1 convolution", weight, layer.bias, pooled, "mean", output)]
    return []


def _any_layer(call: Call, output: Tensor) -> list[Candidate]:
    """A layer of unknown kind whose output is the network's: its matrix, if it is an affine map at all."""
    known = isinstance(call.module, (nn.Linear, nn.Conv2d))
    if not call.layer or known or call.output.flatten(1).shape != output.shape:
        return []
    if not torch.equal(call.output.flatten(1), output) or call.value.flatten(1).shape[1] > PROBE_LIMIT:
        return []
    flat = call.value.flatten(1)
    if flat.shape[0] != output.shape[0] or not flat.is_floating_point():
        return []
    layer = copy.deepcopy(call.module).double()
    shape = call.value.shape[1:]

    def apply(rows: Tensor) -> Tensor:
        return network_output(layer(rows.reshape(-1, *shape)))

    try:
        zero = torch.zeros(1, flat.shape[1], dtype=torch.float64, device=flat.device)
        bias = apply(zero)[0]
        units = torch.eye(flat.shape[1], dtype=torch.float64, device=flat.device)
        weight = torch.cat([apply(block) - bias for block in units.split(1024)]).T
    except RuntimeError:  # it does not run in float64, or not on such input
        return []
    return [_judge(call, type(call.module).__name__, weight, bias, flat, "flatten", output)]


def _judge(
    call: Call,
    kind: str,
    weight: Tensor,
    bias: Tensor | None,
    features: Tensor,
    reduction: Reduction,
    output: Tensor,
) -> Candidate:
    """The candidate with the ending under which it comes nearest to the network's output."""
    b = torch.zeros(len(weight), device=weight.device) if bias is None else bias
    logits = features.double() @ weight.double().T + b.double()
    scale = float(logits.abs().max())
    residuals: dict[Ending, float] = {
        "logits": float((logits - output).abs().max()),
        "log_softmax": float((logits.log_softmax(1) - output).abs().max()),
        "softmax": _softmax_residual(logits, output.double()),
    }
    agreeing = [ending for ending in residuals if residuals[ending] <= TOLERANCE * max(1.0, scale)]
    ending: Ending = agreeing[0] if agreeing else "logits"
    tap = Tap(call.layer, call.call, kind, reduction, ending)
    return Candidate(tap, weight, b, residuals[ending], scale)


def _softmax_residual(logits: Tensor, output: Tensor) -> float:
    """How far the logarithm of ``output`` is from that of the softmax, which hides nothing near 0 and 1."""
    if output.min() < 0 or (output.sum(1) - 1).abs().max() > TOLERANCE:
        return float("inf")
    seen = output > 1e-30  # below, float32 loses digits
    return float((logits.log_softmax(1)[seen] - output[seen].log()).abs().max())


def _explain(tried: list[Candidate]) -> str:
    line = "the logits are not an affine function of any layer's input"
    if not tried:
        return f"{line}: no Linear layer or convolution has one output for each class"
    reports = [
        f"{c.tap.kind} '{c.tap.layer}' misses them by {c.residual:.3g} (largest logit {c.scale:.3g})"
        for c in tried[:5]
    ]
    return f"{line}; tried: " + ", ".join(reports)
