"""Pixel space: what images a classifier takes, and how its network wants them normalised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featgeom.errors import BadArgument, BadData
from featgeom.preprocess import Way, preprocess_from_json

SLACK = 1e-5  # how far, in units of the bounds' width, a float may lie outside of them


@dataclass(frozen=True)
class PixelSpec:
    """The images of a classifier, as the user has them: before any normalisation.

    ``shape`` is (channels, height, width), or None where the network takes any. Every value lies within
    ``bounds``; the classifier itself computes (x − mean) / std, by channel, where these are given, and then
    turns the order of the channels round where they are ``reversed_channels`` (a network that takes BGR).
    ``preprocess`` is how its source makes such images of pictures of any size, where that is known.

    >>> PixelSpec(shape=(3, 32, 32), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)).describe()
    '3x32x32 in [0, 1], mean (0.5, 0.5, 0.5), std (0.25, 0.25, 0.25)'
    """

    shape: tuple[int, int, int] | None = None
    bounds: tuple[float, float] = (0.0, 1.0)
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    reversed_channels: bool = False
    preprocess: Way | None = None

    def __post_init__(self) -> None:
        for name, kind in (("shape", int), ("bounds", float), ("mean", float), ("std", float)):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, tuple(kind(number) for number in value))
        if self.shape is not None and (len(self.shape) != 3 or min(self.shape) < 1):
            raise BadArgument(f"pixels: shape must be (channels, height, width), got {self.shape}")
        if len(self.bounds) != 2 or not self.bounds[0] < self.bounds[1]:
            raise BadArgument(f"pixels: bounds must be (low, high), got {self.bounds}")
        if (self.mean is None) != (self.std is None):
            raise BadArgument("pixels: mean and std go together; one of them is missing")
        if self.mean is not None and self.std is not None:
            lengths = {len(self.mean), len(self.std)} | ({self.shape[0]} if self.shape else set())
            if len(lengths) > 1:
                raise BadArgument(
                    f"pixels: {len(self.mean)} means and {len(self.std)} stds"
                    + (f" for {self.shape[0]} channels" if self.shape else "")
                )
            if not np.isfinite([*self.mean, *self.std]).all() or min(self.std) <= 0:
                raise BadArgument("pixels: mean must be finite and std positive")
            if self.bounds == (0.0, 1.0) and max(self.mean) > 1:
                mean, std = (",".join(f"{v / 255:.4g}" for v in values) for values in (self.mean, self.std))
                raise BadArgument(
                    f"pixels: a mean of {max(self.mean):g} is on the scale of bytes, pixel space is [0, 1]: "
                    f"divide by 255 (--mean {mean} --std {std})"
                )

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise BadData unless ``shape``, (n, c, h, w), is that of images of this space."""
        if len(shape) != 4:
            raise BadData(f"images: expected shape (n, c, h, w), got {shape}")
        if self.shape is not None and tuple(shape[1:]) != self.shape:
            raise BadData(
                f"images are {describe_shape(shape[1:])}, "
                f"but this classifier takes {describe_shape(self.shape)} (channels x height x width)"
            )
        if self.mean is not None and shape[1] != len(self.mean):
            raise BadData(f"images have {shape[1]} channels, but this classifier takes {len(self.mean)}")

    def check_values(self, images: NDArray[Any]) -> None:
        """Raise BadData for NaN and for floats outside the bounds; uint8 means value/255."""
        if images.dtype == np.uint8:
            if self.bounds != (0.0, 1.0):
                raise BadData(f"images: uint8 means [0, 1], but this classifier's bounds are {self.bounds}")
            return
        if images.dtype.kind != "f":
            raise BadData(f"images: expected uint8 or floats, got {images.dtype}")
        if not images.size:
            return
        low, high = float(images.min()), float(images.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise BadData("images: contain NaN or infinity")
        slack = SLACK * (self.bounds[1] - self.bounds[0])
        if low < self.bounds[0] - slack or high > self.bounds[1] + slack:
            raise BadData(
                f"images: values from {low:.4g} to {high:.4g}, outside of this classifier's bounds "
                f"[{self.bounds[0]:g}, {self.bounds[1]:g}] (uint8 for values 0 to 255; no mean subtracted)"
            )

    def describe(self) -> str:
        """The whole in one line."""
        line = "any shape" if self.shape is None else describe_shape(self.shape)
        line += f" in [{self.bounds[0]:g}, {self.bounds[1]:g}]"
        if self.mean is not None and self.std is not None:
            line += f", mean ({_short(self.mean)}), std ({_short(self.std)})"
        return f"{line}, channels in reverse order" if self.reversed_channels else line

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers; `from_json` reads them back."""
        record: dict[str, Any] = {
            "shape": None if self.shape is None else list(self.shape),
            "bounds": list(self.bounds),
            "mean": None if self.mean is None else list(self.mean),
            "std": None if self.std is None else list(self.std),
        }
        if self.reversed_channels:
            record["reversed_channels"] = True
        if self.preprocess is not None:
            record["preprocess"] = self.preprocess.to_json()
        return record

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> PixelSpec:
        """What `to_json` wrote.

        >>> PixelSpec.from_json(PixelSpec((1, 8, 8)).to_json()) == PixelSpec((1, 8, 8))
        True
        """
        known = ("shape", "bounds", "mean", "std", "reversed_channels")
        preprocess = preprocess_from_json(record.get("preprocess"))
        return cls(**{key: record[key] for key in known if key in record}, preprocess=preprocess)


def _short(numbers: tuple[float, ...]) -> str:
    return ", ".join(f"{number:.6g}" for number in numbers)


def describe_shape(shape: tuple[int, ...]) -> str:
    """3x32x32."""
    return "x".join(str(length) for length in shape)
