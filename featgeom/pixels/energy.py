"""By how much an affine layer can stretch Euclidean lengths: upper bounds on spectral norms."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.weak import WeakTensorKeyDictionary

from featgeom.exact.rounding import TINY, gamma

POWERS = 5  # of two: the Gram matrix is raised to the 32nd power
LARGE = 1024  # rows and columns of a matrix whose Gram matrix is not formed
KNOWN: Any = WeakTensorKeyDictionary()


def matrix_norm(matrices: Tensor) -> Tensor:
    """No less than the spectral norm of each of these matrices (..., a, b), real or complex.

    By the Schatten norm ‖M‖ ≤ (tr (M* M)^p)^(1/2p) with p = 2^6, which is at most 11 % too large for 1,000
    columns and needs no iteration to converge; each square is scaled, and rounding is added.

    >>> matrix_norm(torch.diag(torch.tensor([3.0, 1.0], dtype=torch.float64))).item()
    3.0000000...
    """
    m = matrices.to(torch.complex128 if matrices.is_complex() else torch.float64)
    if not m.numel():
        return _norm(m)
    top = m.abs().amax().clamp_min(TINY)  # so that squares do not underflow
    return top * (_norm(m / top) + 1e-150)


def _norm(m: Tensor) -> Tensor:
    """Of matrices whose largest entry is 1."""
    size = torch.linalg.matrix_norm(m)
    if min(m.shape[-2:]) > LARGE:
        return size * (1 + 1e-9)
    gram = m.mH @ m if m.shape[-1] <= m.shape[-2] else m @ m.mH
    slack = gamma(8 * sum(m.shape[-2:]) + 64, "float64")
    logarithm, power = torch.zeros_like(size), 1
    for _ in range(POWERS):
        scale = torch.linalg.matrix_norm(gram).clamp_min(1e-300)
        logarithm = logarithm + scale.log() / power
        gram = gram / scale[..., None, None]
        power, gram = 2 * power, gram @ gram
    logarithm = logarithm + torch.linalg.matrix_norm(gram).clamp_min(1e-300).log() / power
    # a square of a matrix of Frobenius norm 1 has one of at least 1/n, and is off by at most slack
    rounding = 1 + 1e-9 + 8 * slack * gram.shape[-1]
    return torch.minimum((logarithm / 2).exp() * rounding, size * (1 + 1e-9))


def convolution_norm(
    weight: Tensor, shape: tuple[int, int], stride: Any, padding: Any, dilation: Any, groups: int
) -> Tensor:
    """No less than the spectral norm of `conv2d` with that weight on images of that shape.

    A convolution padded by zeros is a part of one on a torus that is larger by the kernel, which the Fourier
    transform makes a small matrix for each frequency; of a stride the phases are taken for channels.
    """
    strides = stride if isinstance(stride, (tuple, list)) else (stride, stride)
    if len(strides) == 1:
        strides = (strides[0], strides[0])
    spread = dilation if isinstance(dilation, (tuple, list)) else (dilation, dilation)
    w = weight.double()
    out, ins, high, wide = w.shape
    full = w.new_zeros(out, ins, (high - 1) * spread[0] + 1, (wide - 1) * spread[-1] + 1)
    full[:, :, :: spread[0], :: spread[-1]] = w
    full = functional.pad(full, (0, -full.shape[3] % strides[1], 0, -full.shape[2] % strides[0]))
    phases = torch.cat(
        [full[:, :, i :: strides[0], j :: strides[1]] for i in range(strides[0]) for j in range(strides[1])],
        1,
    )
    pads = (0, 0) if isinstance(padding, str) else padding
    pads = pads if isinstance(pads, (tuple, list)) else (pads, pads)
    torus = [
        -(-(n + 2 * p) // s) + k if not isinstance(padding, str) else n + 2 * k
        for n, p, s, k in zip(shape, (pads[0], pads[-1]), strides, phases.shape[2:], strict=True)
    ]
    norms = []
    for part in phases.chunk(groups):
        frequencies = torch.fft.rfft2(part, torus).permute(2, 3, 0, 1)
        norms.append(matrix_norm(frequencies).max())
    return torch.stack(norms).max() * (1 + 1e-9)


def weight_norm(
    name: str, shape: torch.Size, weight: Tensor, *args: Any, sizes: bool = False, **kwargs: Any
) -> Tensor:
    """No less than the spectral norm of this call of conv2d or linear, on inputs of that shape.

    With ``sizes`` that of the same call with absolute values of the weights.
    """
    key = (name, tuple(shape[1:]), str(args), str(kwargs), sizes)
    with torch.no_grad():
        before, known = KNOWN.get(weight, (None, {}))
        if before is None or not torch.equal(before, weight):  # weights may be changed in place
            known = {}
            KNOWN[weight] = weight.detach().clone(), known
        if key not in known:
            w = weight.abs() if sizes else weight
            known[key] = matrix_norm(w) if name == "linear" else _convolution(shape, w, *args, **kwargs)
    norm: Tensor = known[key]
    return norm


def _convolution(
    shape: torch.Size,
    weight: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    return convolution_norm(weight, (shape[-2], shape[-1]), stride, padding, dilation, groups)
