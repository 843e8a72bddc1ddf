"""The head: the last affine layer, l(z) = Wz + b."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from featgeom.arrays import Float64, Ints, as_float64, as_vector
from featgeom.errors import BadArgument


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
            raise BadArgument(f"head weight: a classifier needs two classes or more, got {len(w)}")
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

    def logits(self, features: ArrayLike) -> Float64:
        """Logits (n, C) of features (n, d), computed in float64."""
        z = as_float64(features, "features", self.dimension, allow_empty=True)
        return z @ self.weight.T + self.bias

    def classify(self, features: ArrayLike) -> Ints:
        """The class of largest logit, (n,); the lowest index where several tie in float64."""
        return self.logits(features).argmax(axis=1)
