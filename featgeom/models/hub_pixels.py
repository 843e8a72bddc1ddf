"""What values an image processor of transformers makes of a picture, found by asking it."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featgeom.errors import Unsupported
from featgeom.models.pixel_spec import PixelSpec
from featgeom.preprocess import HubProcessor
from featgeom.remarks import caution

SHADES = ((0, 0, 0), (255, 0, 0), (0, 0, 255), (255, 255, 255), (51, 102, 204))
STEPS = ("do_resize", "do_center_crop", "do_pad")


def hub_pixels(transformers: ModuleType, name: str) -> PixelSpec:
    """The pixel space of a published network, by its image processor, and how that treats pictures.

    Its values are what it makes of pictures of one colour: by channel (x − mean) / std, and in which order.
    Raises Unsupported where they are something else, OSError where the network has no processor.
    """
    written, _ = transformers.ImageProcessingMixin.get_image_processor_dict(name)
    source = f"hf:{name}"
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(name, trust_remote_code=False)
        config = json.loads(processor.to_json_string())
        preprocess = HubProcessor({**config, "image_processor_type": type(processor).__name__}, source)
        seen = _shades_seen(preprocess.processor)
    except Exception as error:
        words = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
        caution(
            f"{source}: its image processor does not load ({words}), so that mean and std are read from its "
            "file and pictures need @SIZE; python -m pip install transformers torchvision may help"
        )
        return _as_said(written)
    black, red, blue, white, mixed = seen
    flipped = bool(abs(red - black)[0] < abs(blue - black)[0])
    scale, shade = white - black, np.array(SHADES[-1])[:: -1 if flipped else 1] / 255
    if not np.allclose(black + scale * shade, mixed, rtol=0, atol=1e-5 * float(np.abs(scale).max())):
        raise Unsupported(f"{source}: its image processor does more to a picture than scale its channels")
    mean, std = (np.asarray(values)[:: -1 if flipped else 1] for values in (-black / scale, 1 / scale))
    found = PixelSpec(
        mean=_as_written(mean, written.get("image_mean")),
        std=_as_written(std, written.get("image_std")),
        reversed_channels=flipped,
        preprocess=preprocess,
    )
    if not _same_values(found, preprocess):
        raise Unsupported(
            f"{source}: what its image processor makes of a picture is not its geometry and then its values; "
            "prepare the pictures with it and give them as arrays"
        )
    return found


def _same_values(pixels: PixelSpec, preprocess: HubProcessor) -> bool:
    """Whether a picture of noise enters the network as the processor would give it, within half a byte."""
    from PIL.Image import fromarray

    noise = fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)).resize((300, 240))
    own = np.asarray(preprocess.processor(noise, return_tensors="np")["pixel_values"][0], np.float64)
    ours = np.asarray(preprocess.apply(noise), np.float64).transpose(2, 0, 1) / 255
    mean, std = (np.asarray(values)[:, None, None] for values in (pixels.mean, pixels.std))
    ours = ((ours - mean) / std)[:: -1 if pixels.reversed_channels else 1]
    return ours.shape == own.shape and bool((np.abs(ours - own) * std.max() <= 0.5 / 255 + 1e-6).all())


def _shades_seen(processor: Any) -> list[NDArray[np.float64]]:
    """What becomes of pictures of one colour: (3,) of each."""
    from PIL.Image import new

    skipped = {name: False for name in STEPS if hasattr(processor, name)}
    seen = []
    for shade in SHADES:
        values = processor(new("RGB", (64, 64), shade), return_tensors="np", **skipped)["pixel_values"]
        picture = np.asarray(values, np.float64)[0]
        if picture.ndim != 3 or len(picture) != 3:
            raise ValueError(f"it gives arrays of shape {picture.shape}, not (3, height, width)")
        seen.append(picture.reshape(3, -1)[:, 0])
    return seen


def _as_written(found: NDArray[np.float64], written: Any) -> tuple[float, ...]:
    """The numbers in the file, where asking gave the same but for rounding."""
    same = np.shape(written) == found.shape and np.allclose(found, written, rtol=0, atol=1e-5)
    return tuple(float(number) for number in (written if same else found))


def _as_said(written: dict[str, Any]) -> PixelSpec:
    """What a file says of mean and standard deviation, where there is no processor to ask."""
    mean, std = written.get("image_mean"), written.get("image_std")
    if not written.get("do_normalize", True) or mean is None or std is None:
        return PixelSpec()
    return PixelSpec(mean=tuple(mean), std=tuple(std))
