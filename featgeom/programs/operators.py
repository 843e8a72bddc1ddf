"""The operators that a stored program may use: pure arithmetic on tensors. Nothing else is ever called."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from featgeom.errors import Unsupported

NAMES = """
_adaptive_avg_pool2d _adaptive_avg_pool3d _assert_tensor_metadata _conj _convolution _log_softmax
_native_batch_norm_legit_no_training _prelu_kernel _reshape_alias _safe_softmax
_scaled_dot_product_attention_math _scaled_dot_product_flash_attention_for_cpu _shape_as_tensor _softmax
_to_copy _unsafe_view _upsample_bicubic2d_aa _upsample_bilinear2d_aa _upsample_nearest_exact2d abs absolute
acos acosh adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d
adaptive_max_pool2d add addbmm addcdiv addcmul addmm addmv addr affine_grid_generator alias all
alpha_dropout amax amin aminmax angle any arange argmax argmin argsort as_strided asin asinh atan atan2
atanh avg_pool1d avg_pool2d avg_pool3d baddbmm batch_norm bitwise_and bitwise_not bitwise_or bitwise_xor
block_diag bmm broadcast_tensors broadcast_to bucketize cat cdist ceil celu channel_shuffle chunk clamp
clamp_max clamp_min clip clone column_stack complex concat concatenate constant_pad_nd contiguous conv1d
conv2d conv3d conv_transpose1d conv_transpose2d convolution copy copysign cos cosh cosine_similarity cross
cumprod cumsum deg2rad detach diag diag_embed diagonal diff div divide dot dropout dsplit dstack einsum elu
embedding empty empty_like eq equal erf erfc erfinv exp exp2 expand expand_as expm1 eye feature_dropout fill
flatten flip fliplr flipud floor floor_divide fmax fmin fmod frac full full_like gather ge gelu glu greater
greater_equal grid_sampler grid_sampler_2d group_norm gru gt hann_window hardshrink hardsigmoid hardswish
hardtanh heaviside hsplit hstack huber_loss hypot im2col imag index index_add index_copy index_fill
index_put index_select inner instance_norm isclose isfinite isinf isnan item kron kthvalue layer_norm le
leaky_relu lerp less less_equal lift_fresh lift_fresh_copy linalg_norm linalg_vector_norm linear linspace
log log10 log1p log2 log_sigmoid log_softmax logaddexp logical_and logical_not logical_or logical_xor logit
logsumexp lstm lt mT masked_fill masked_scatter masked_select matmul matrix_exp max max_pool1d max_pool2d
max_pool2d_with_indices max_pool3d maximum mean median meshgrid min minimum mish mm mode movedim mul
multiply mv nan_to_num narrow native_batch_norm native_dropout native_group_norm native_layer_norm ne neg
negative new_empty new_full new_ones new_zeros nonzero norm not_equal numel numpy_T one_hot ones ones_like
outer pad pairwise_distance permute pixel_shuffle pixel_unshuffle polar pow prelu prod quantile ravel real
reciprocal reflection_pad1d reflection_pad2d relu relu6 remainder repeat repeat_interleave replication_pad1d
replication_pad2d reshape reshape_as roll rot90 round rrelu rsqrt rsub scalar_tensor
scaled_dot_product_attention scatter scatter_add searchsorted select select_scatter selu sgn sigmoid sign
silu sin sinc sinh slice slice_scatter softmax softplus softshrink sort special_erf special_expit split
split_with_sizes sqrt square squeeze stack std std_mean sub subtract sum swapaxes sym_numel sym_size
sym_stride t take take_along_dim tan tanh tensor_split tensordot threshold tile to topk trace transpose tril
tril_indices triu triu_indices true_divide trunc type_as unbind unflatten unfold unsafe_chunk unsafe_split
unsqueeze unsqueeze_copy upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_nearest1d
upsample_nearest2d var var_mean view view_as view_as_complex view_as_real vsplit vstack where xlogy zero
zeros zeros_like
"""
ALLOWED = frozenset(NAMES.split())
MAKING = """
arange empty eye full linspace new_empty new_full new_ones new_zeros ones zeros tril_indices triu_indices
"""
MAKERS = frozenset(MAKING.split())
GROWERS = frozenset(
    (
        "as_strided",
        "broadcast_to",
        "constant_pad_nd",
        "expand",
        "one_hot",
        "pad",
        "repeat",
        "repeat_interleave",
        "tile",
    )
)
JOINERS = frozenset(("cat", "concat", "concatenate", "stack", "hstack", "vstack", "dstack", "column_stack"))
REDUCERS = frozenset(
    (
        "linear",
        "matmul",
        "mm",
        "addmm",
        "bmm",
        "baddbmm",
        "conv2d",
        "_convolution",
        "convolution",
        "batch_norm",
    )
)
UPSAMPLERS = ("upsample_", "_upsample_")
LARGEST = 1 << 28  # numbers in a tensor that a program makes by itself


def apply(name: str, overload: str | None, args: Sequence[Any], words: Mapping[str, Any]) -> Any:
    """The result of ``aten::name``, an operator of the list; in the given overload, or the one that fits.

    Raises Unsupported for an operator that is not on the list, and where a program makes a tensor of more
    than 2²⁸ numbers by itself.

    >>> apply("relu", None, [torch.tensor([-1.0, 2.0])], {})
    tensor([0., 2.])
    >>> apply("from_file", None, ["secret"], {})
    Traceback (most recent call last):
    featgeom.errors.Unsupported: its program uses 'from_file', which is not among the operators run here
    """
    pure = name.removesuffix("_") if not name.endswith("__") else name
    if pure not in ALLOWED:
        raise Unsupported(f"its program uses '{name}', which is not among the operators run here")
    if pure in MAKERS or pure in GROWERS or pure.startswith(UPSAMPLERS):
        _check_size(pure, [*args, *words.values()])
    tensors = [value for value in args if isinstance(value, Tensor)]
    if len(tensors) > 1 and pure not in REDUCERS:
        _check_broadcast(pure, tensors)
    elif pure in JOINERS and args and isinstance(args[0], list | tuple):
        _refuse_beyond(pure, sum(part.numel() for part in args[0] if isinstance(part, Tensor)))
    if name in ("convolution", "_convolution") and not words and not args[6] and args[1].ndim == 4:
        return torch.conv2d(args[0], args[1], args[2], args[3], args[4], args[5], args[8])
    packet = getattr(torch.ops.aten, name)
    return (packet if overload is None else getattr(packet, overload))(*args, **words)


def _check_broadcast(name: str, tensors: Sequence[Tensor]) -> None:
    """What tensors of different shapes come to when each is repeated to the shape of all."""
    lengths = [1] * max(t.ndim for t in tensors)
    for tensor in tensors:
        for axis, length in enumerate(reversed(tensor.shape)):
            lengths[axis] = max(lengths[axis], length)
    if math.prod(lengths) > LARGEST:
        try:
            shape = torch.broadcast_shapes(*(t.shape for t in tensors))
        except RuntimeError:
            return  # not an operator that repeats
        _refuse_beyond(name, math.prod(shape))


def _refuse_beyond(name: str, count: int) -> None:
    if count > 8 * LARGEST:
        raise Unsupported(f"its program makes a tensor of {count:,} numbers by '{name}': refused")


def _check_size(name: str, values: Sequence[Any]) -> None:
    own = max((value.numel() for value in values if isinstance(value, Tensor)), default=1)
    sizes = [value for value in values if isinstance(value, list | tuple) and _whole(value)]
    numbers = [abs(value) for value in values if isinstance(value, int) and not isinstance(value, bool)]
    asked = max(
        [math.prod(max(abs(v), 1) for v in size) for size in sizes] + (numbers if not sizes else []),
        default=1,
    )
    grown = asked * own if name in ("repeat", "tile", "repeat_interleave", "one_hot") else asked
    if name in ("pad", "constant_pad_nd"):
        grown = own * math.prod(1 + abs(v) for size in sizes for v in size)
        grown = 0 if all(abs(v) < 4096 for size in sizes for v in size) else grown
    if name.startswith(UPSAMPLERS):
        scales = [
            value for value in values if isinstance(value, list | tuple) and value and not _whole(value)
        ]
        grown = max([grown, *(int(own * math.prod(map(abs, scale))) for scale in scales)])
    if grown > LARGEST:
        raise Unsupported(f"its program makes a tensor of {grown:,} numbers by '{name}': refused")


def _whole(value: Sequence[Any]) -> bool:
    return all(isinstance(part, int) for part in value)
