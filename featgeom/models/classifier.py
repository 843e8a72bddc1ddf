"""The classifier: a trained network as a map from pixel space through feature space to logits."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from featgeom.arrays import as_numpy
from featgeom.errors import BadArgument, BadData, FeatgeomError
from featgeom.head import AffineHead
from featgeom.models.channels import channels_of
from featgeom.models.find_head import FoundHead
from featgeom.models.pixel_spec import PixelSpec, describe_shape
from featgeom.models.portions import fastest_portion, in_portions
from featgeom.models.tap import Backbone, Network, Tap, TappedNetwork
from featgeom.parallel import ahead

BATCH = 256
Float32 = NDArray[np.float32]


class Classifier:
    """A trained network, its pixel space and its head: logits(x) = W·φ(x) + b.

    Made by `featgeom.load_classifier`. Images are in pixel space (n, c, h, w): floats within
    ``pixels.bounds``, or uint8, which means value/255; normalisation is inside. ``backbone`` (φ) and
    ``network`` are torch modules on the same space, differentiable, in eval mode. ``check`` is the self-check
    W·φ(x) + b = logits on the batch that was run when the head was found, ``residual`` its largest
    difference, and ``notes`` are what a person should be told of the choices made. ``source`` is what loads
    it again, for one that came from a file or by name.
    """

    def __init__(
        self,
        module: nn.Module,
        pixels: PixelSpec,
        found: FoundHead,
        classes: tuple[str, ...],
        name: str,
        arch: str,
        arch_fingerprint: str,
        arch_files: Mapping[str, str] | None = None,
    ) -> None:
        self.tapped = TappedNetwork(module, pixels, found.tap).requires_grad_(False).eval()
        self.backbone: nn.Module = Backbone(self.tapped).eval()
        self.network: nn.Module = Network(self.tapped).eval()
        self.pixels = pixels
        self.head: AffineHead = found.head
        self.check = found.check
        self.residual = found.residual
        self.notes = found.notes
        self.classes = classes
        self.name = name
        self.arch = arch
        self.arch_fingerprint = arch_fingerprint
        self.arch_files = arch_files
        self.weights_hash = hash_weights(module)
        self.source: dict[str, Any] | None = None
        self._found = found

    @property
    def tap(self) -> Tap:
        """Where in the network features and logits are read."""
        return self._found.tap

    @property
    def channels(self) -> int | None:
        """How many channels its images have, where that can be told."""
        return channels_of(self.tapped, self.pixels)

    @property
    def device(self) -> torch.device:
        """Where the network's parameters are."""
        return _example(self.tapped).device

    @property
    def dtype(self) -> torch.dtype:
        """The type in which the network computes."""
        return _example(self.tapped).dtype

    def features(self, images: ArrayLike) -> Float32:
        """φ of images (n, c, h, w) in pixel space: float32 (n, d).

        Raises BadData for another shape or values outside the bounds.
        """
        return self._run(images)[0]

    def logits(self, images: ArrayLike) -> Float32:
        """Logits, as the network itself computes them, of images (n, c, h, w): float32 (n, C)."""
        return self._run(images)[1]

    def _run(self, images: ArrayLike) -> tuple[Float32, Float32]:
        array = as_numpy(getattr(images, "images", images), "images")
        parts = list(self.run_batches(array, BATCH))
        if not parts:
            shape = (0, self.head.dimension), (0, self.head.classes)
            return np.empty(shape[0], np.float32), np.empty(shape[1], np.float32)
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    def run_batches(
        self, images: NDArray[Any], batch_size: int, start: int = 0, stop: int | None = None
    ) -> Iterator[tuple[Float32, Float32]]:
        """(features, logits) of each batch of ``batch_size`` images from row ``start`` to ``stop``, in order.

        While the network looks at one batch, a thread reads and decodes the next. On a processor the network
        sees as many images at once as are fastest (`fastest_portion`).
        """
        self.pixels.check_shape(images.shape)
        end = len(images) if stop is None else min(stop, len(images))

        def read(first: int) -> Tensor:
            batch = images[first : min(first + batch_size, end)]
            self.pixels.check_values(batch)
            return as_tensor(batch)

        starts, portion = range(start, end, batch_size), 0
        for batch in ahead(read, starts):
            with torch.inference_mode(), exact_float32():
                x = to_pixels(batch.to(self.device), self.dtype)
                if not portion:
                    here = self.device.type == "cpu"
                    portion = fastest_portion(self._forward, x, len(starts)) if here else batch_size
                whole = len(x) < batch_size  # of another shape than was tried
                features, logits = in_portions(self._forward, x, len(x) if whole else portion)
            yield features.float().cpu().numpy(), logits.float().cpu().numpy()

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        try:
            return self.tapped(x)
        except FeatgeomError:
            raise
        except Exception as error:  # whatever the network's own code raises
            raise cannot_take(tuple(x.shape[1:]), error, self.name) from error

    def named(self, classes: tuple[str, ...]) -> Classifier:
        """The same classifier with these names of its classes."""
        named = copy.copy(self)
        named.classes = classes
        return named

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> Classifier:
        """A copy on another device or in another floating-point type; this one is left as it is."""
        moved = copy.copy(self)
        moved.tapped = copy.deepcopy(self.tapped)
        try:
            moved.tapped.to(device=device, dtype=dtype)
        except (RuntimeError, AssertionError) as error:
            raise BadArgument(f"device '{device}': {str(error).splitlines()[0]}") from None
        moved.backbone = Backbone(moved.tapped).eval()
        moved.network = Network(moved.tapped).eval()
        return moved

    def to_json(self) -> dict[str, Any]:
        """What it is, without where it came from: equal records mean equal features."""
        files = {} if self.arch_files is None else {"arch_files": dict(self.arch_files)}
        return {
            "name": self.name,
            "arch": self.arch,
            "arch_sha256": self.arch_fingerprint,
            "weights_sha256": self.weights_hash,
            "pixels": self.pixels.to_json(),
            "head": self.tap.to_json(),
            "dimension": self.head.dimension,
            "classes": list(self.classes),
            **files,
        }

    def __repr__(self) -> str:
        features = f"{self.pixels.describe()} → {self.head.dimension} features → {self.head.classes} classes"
        head = f"head {self.tap.describe()}, residual {self.residual:.2g}"
        return f"<Classifier {self.name}: {self.arch}, {features}; {head}>"


def as_tensor(images: NDArray[Any]) -> Tensor:
    """A tensor on the array's memory, or on a copy where that is read-only or has gaps."""
    return torch.from_numpy(np.require(images, requirements=["C", "W"]))


def to_pixels(batch: Tensor, dtype: torch.dtype) -> Tensor:
    """Images as the network's own type; uint8 becomes value/255."""
    return batch.to(dtype).div_(255) if batch.dtype == torch.uint8 else batch.to(dtype)


def exact_float32() -> Any:
    """A context in which convolutions on a GPU keep all of float32 and repeat to the bit."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)


def cannot_take(shape: tuple[int, ...], error: Exception, name: str) -> BadData:
    """The error line for images that a network fails on."""
    words = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return BadData(f"{name} cannot take images of {describe_shape(shape)}: {words}")


def hash_weights(module: nn.Module) -> str:
    """SHA-256 over all parameters and buffers in the order of their names.

    >>> a, b = nn.Linear(1, 1), nn.Linear(1, 1)
    >>> hash_weights(a) == hash_weights(b)
    False
    >>> _ = b.load_state_dict(a.state_dict())
    >>> hash_weights(a) == hash_weights(b)
    True
    """
    digest = hashlib.sha256()
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _example(module: nn.Module) -> Tensor:
    """Some floating-point tensor of a module: it tells device and type."""
    tensors = [*module.parameters(), *module.buffers()]
    return next((t for t in tensors if t.is_floating_point()), torch.empty(0))
