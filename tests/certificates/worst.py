"""Arithmetic that errs as much as it may: what a screen's proof allows to rounding, taken at its word.

Bounds on rounding are of the form: an operation is off by at most u of its result, a product of matrices by
γ_d |A| |B|, in whatever order it sums. Rounding to nearest is far kinder than that. Here u is made 2^-30, and
every operation on an array is off by as much, upwards or downwards by chance; a screen must prove no lie even
so. Whatever is decided exactly is asked with plain arrays.
"""

import sys
from contextlib import contextmanager

import numpy as np

UNIT = 2.0**-30
TINY = 2.0**-400  # what an underflow loses, beside numbers of about 1
LOST = TINY / 2
LESS = 1 - 2.0**-18  # so that float64's own roundings stay within what is allowed
CHANGED = {"U": UNIT, "UNIT": UNIT, "TINY": TINY}
ROUNDED = {np.add, np.subtract, np.multiply, np.divide, np.sqrt, np.square}


class Worst(np.ndarray):
    """An array of float64 on which every operation errs; ``chance`` says which way."""

    chance = np.random.default_rng(0)

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
        plain = [x.view(np.ndarray) if isinstance(x, Worst) else x for x in inputs]
        found = getattr(ufunc, method)(*plain, **options)
        if getattr(found, "dtype", None) != np.float64:
            return found
        if ufunc is np.matmul:
            terms = np.abs(plain[0]) @ np.abs(plain[1])
            count = np.shape(plain[0])[-1]
            found = found + self.way(found) * (factor(count) * terms + count * LOST)
        elif ufunc is np.add and method == "reduce":
            axis = options.get("axis", 0)
            count = plain[0].size if axis is None else plain[0].shape[axis]
            found = found + self.way(found) * factor(count - 1) * np.abs(plain[0]).sum(axis=axis)
        elif ufunc is np.nextafter:
            found = plain[0] + np.sign(plain[1]) * (2 * UNIT * np.abs(plain[0]) + TINY)
        elif ufunc in ROUNDED and method == "__call__":
            found = found * (1 + self.way(found) * UNIT * LESS)
            if ufunc in (np.multiply, np.divide):
                found = found + self.way(found) * LOST * (found != 0)
        found = np.asarray(found)
        if out:
            out[0].view(np.ndarray)[...] = found
            return out[0]
        return found.view(Worst)

    def __array_function__(self, function, types, inputs, options):
        plain = [plainly(x) for x in inputs]
        found = function(*plain, **options)
        if function is np.einsum:
            terms = np.einsum(plain[0], *map(np.abs, plain[1:]))
            count = plain[1].shape[-1]
            found = found + self.way(found) * (factor(count) * terms + count * LOST)
            found = np.maximum(found, 0.0) if inputs[1] is inputs[2] else found
        return found.view(Worst) if getattr(found, "dtype", None) == np.float64 and np.ndim(found) else found

    @classmethod
    def way(cls, like):
        """Up or down, by chance: all entries of a result alike, or one by one."""
        return cls.chance.choice([-1.0, 1.0], () if cls.chance.random() < 0.5 else np.shape(like))


def plainly(value):
    """The same in plain arrays."""
    if isinstance(value, list | tuple):
        return type(value)(map(plainly, value))
    return value.view(np.ndarray) if isinstance(value, Worst) else value


def factor(count):
    """γ of so many roundings, hardly less."""
    return LESS * count * UNIT / (1 - count * UNIT)


def worst(array):
    """The array, on which every operation errs from now on."""
    return np.array(array, np.float64).view(Worst)


@contextmanager
def coarse(seed):
    """A unit of 2^-30 wherever the kernel and the checks have that of float64."""
    from featgeom.exact import rounding

    kept, real, product_error = [], rounding.unit_roundoff, rounding.product_error

    def with_underflow(left, right, dtype, lengths=None):
        return product_error(left, right, dtype, lengths) + left.shape[1] * TINY

    for name, module in list(sys.modules.items()):
        if name.startswith(("featgeom.exact.", "featgeom.certificates.")):
            for word, value in {**CHANGED, "product_error": with_underflow}.items():
                if hasattr(module, word):
                    kept.append((module, word, getattr(module, word)))
                    setattr(module, word, value)
    rounding.unit_roundoff = lambda dtype: UNIT if np.dtype(dtype) == np.float64 else real(dtype)
    Worst.chance = np.random.default_rng(seed)
    try:
        yield
    finally:
        rounding.unit_roundoff = real
        for module, word, value in kept:
            setattr(module, word, value)


def screened(claim, *names):
    """What the screen of a claim proves where the arithmetic on these fields is at its worst."""
    other = object.__new__(type(claim))
    for key, value in vars(claim).items():
        object.__setattr__(other, key, worst(value) if key in names else value)
    return np.asarray(other.screened())
