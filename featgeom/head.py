"""The head: the last affine layer, l(z) = Wz + b."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike

from featgeom.arrays import Float64, Ints, as_float64, as_numpy, as_vector, is_expression
from featgeom.errors import BadArgument

if TYPE_CHECKING:
    from cvxpy import Expression


@dataclass(frozen=True, eq=False, repr=False)
class AffineHead:
    """The last affine layer of a classifier: weight (C, d), bias (C,), both held in float64.

    float64 holds a float32 or float16 head exactly, so what is proved of this object is true of the numbers
    in the checkpoint.

    >>> head = AffineHead(weight=[[1.0, 0.0], [0.0, 1.0]], bias=[0.0, 0.5])
    >>> head.logits([[2.0, 1.0]])
    array([[2. , 1.5]])
    >>> head.classify([[2.0, 1.0], [0.0, 0.0]])
    array([0, 1])
    """

    weight: Float64
    bias: Float64

    def __init__(self, weight: ArrayLike, bias: ArrayLike | None = None) -> None:
        w = as_float64(weight, "head weight").copy()
        if len(w) < 2:
            raise BadArgument(
                "head weight: a classifier needs two classes or more, got 1; for one logit l with a sigmoid "
                "give two rows, the first zero: its logits are then (0, l)"
            )
        b = np.zeros(len(w)) if bias is None else as_vector(bias, "head bias", len(w)).copy()
        w.setflags(write=False)
        b.setflags(write=False)
        object.__setattr__(self, "weight", w)
        object.__setattr__(self, "bias", b)

    @property
    def classes(self) -> int:
        """The number of classes, C."""
        return self.weight.shape[0]

    @property
    def dimension(self) -> int:
        """The dimension of feature space, d."""
        return self.weight.shape[1]

    def __repr__(self) -> str:
        return f"<AffineHead: {self.dimension:,} features → {self.classes:,} classes>"

    @overload
    def logits(self, features: ArrayLike) -> Float64: ...
    @overload
    def logits(self, features: Expression) -> Expression: ...
    def logits(self, features: Any) -> Any:
        """Logits (n, C) of features (n, d), computed in float64, beyond which they are infinite or NaN.

        Those of a cvxpy expression (d,) are one (C,), for convex programs.
        """
        if is_expression(features):
            if features.shape != (self.dimension,):
                raise BadArgument(
                    f"features: expected an expression of shape ({self.dimension},), got {features.shape}"
                )
            return self.weight @ features + self.bias
        z = as_float64(features, "features", self.dimension, allow_empty=True)
        with np.errstate(over="ignore", invalid="ignore"):
            return z @ self.weight.T + self.bias

    def classify(self, features: ArrayLike) -> Ints:
        """The class of largest logit, (n,); the lowest index where several tie in float64."""
        return self.logits(features).argmax(axis=1)


def two_rows(weight: ArrayLike, bias: ArrayLike) -> tuple[ArrayLike, ArrayLike]:
    """Weight (1, d) or (d,) and bias of one logit l as the head of the two logits (0, l); others as they are.

    >>> two_rows([[1.0, 2.0]], [3.0])
    (array([[0., 0.],
           [1., 2.]]), array([0., 3.]))
    """
    w = as_numpy(weight, "head weight")
    if w.ndim != 1 and w.shape[:1] != (1,):
        return weight, bias
    b = as_numpy(bias, "head bias").reshape(-1)
    return np.vstack([np.zeros_like(w, shape=(1, w.shape[-1])), w.reshape(1, -1)]), np.append(
        np.zeros_like(b), b
    )


def two_columns(logits: ArrayLike) -> ArrayLike:
    """Logits (n, 1) or (n,) of one logit l as the two logits (0, l); others as they are."""
    given = as_numpy(logits, "logits")
    if given.ndim != 1 and given.shape[1:] != (1,):
        return logits
    column = given.reshape(-1, 1)
    return np.hstack([np.zeros_like(column), column])
