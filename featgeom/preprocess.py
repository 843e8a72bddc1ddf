"""How pictures of any size become images of one: resize and crop, as a published network's source does it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from featgeom.errors import BadArgument, Unsupported, nearest_name

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

INTERPOLATIONS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}
RESAMPLINGS = {number: name for name, number in INTERPOLATIONS.items()}
VALUE_STEPS = ("do_rescale", "do_normalize", "include_top", "do_flip_channel_order")  # not of the geometry
FITS = ("shorter side", "longer side", "both sides")
MARGIN = 0.875  # share of the resized shorter side that @SIZE keeps, as is usual in evaluation


@dataclass(frozen=True)
class Preprocess:
    """A resize and a central crop of a picture of 8 bits a channel.

    ``resize`` is (height, width): with ``fit`` 'both sides' the picture becomes exactly that, with 'shorter
    side' it keeps its proportions and just covers it, with 'longer side' it just fits in; None leaves it as
    it is. Then the central ``crop`` (height, width) is kept, with ``fill`` beyond the edges. Resizing is
    Pillow's, which takes every pixel into account as it shrinks (antialias). ``source`` says whose way it is.

    >>> Preprocess((256, 256), (224, 224), "bilinear").describe()
    'shorter side resized to 256 (bilinear, antialias), central 224x224'
    """

    resize: tuple[int, int] | None
    crop: tuple[int, int] | None
    interpolation: str = "bicubic"
    fit: str = "shorter side"
    fill: tuple[int, ...] = (0, 0, 0)
    source: str = ""

    def __post_init__(self) -> None:
        for name in ("resize", "crop", "fill"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else tuple(int(v) for v in value))
        if self.interpolation not in INTERPOLATIONS:
            near = nearest_name(self.interpolation, list(INTERPOLATIONS))
            raise BadArgument(f"unknown interpolation '{self.interpolation}'{near}")
        if self.fit not in FITS:
            raise BadArgument(f"unknown fit '{self.fit}'{nearest_name(self.fit, list(FITS))}")
        for name in ("resize", "crop"):
            value = getattr(self, name)
            if value is not None and (len(value) != 2 or min(value) < 1):
                raise BadArgument(f"{name}: expected (height, width), got {value}")

    def size_of(self, height: int, width: int) -> tuple[int, int]:
        """The (height, width) that a picture of this size comes out with."""
        return self.crop or self.resized(height, width)

    def apply(self, image: Image) -> Image:
        """A picture, resized and cropped. Bytes stay bytes.

        >>> from PIL import Image
        >>> Preprocess((8, 8), (6, 6)).apply(Image.new("RGB", (30, 40))).size
        (6, 6)
        """
        from PIL.Image import Resampling

        height, width = self.resized(image.height, image.width)
        if (height, width) != (image.height, image.width):
            image = image.resize((width, height), Resampling(INTERPOLATIONS[self.interpolation]))
        return image if self.crop is None else self._cropped(image)

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """The (height, width) after resizing, before the crop."""
        if self.resize is None:
            return height, width
        h, w = self.resize
        if self.fit == "both sides":
            return h, w
        if self.fit == "shorter side" and h == w:  # the longer side is cut to whole pixels, not rounded
            longer = int(h * max(height, width) / min(height, width))
            return (h, longer) if height <= width else (longer, h)
        ratios = height / h, width / w
        ratio = min(ratios) if self.fit == "shorter side" else max(ratios)
        return round(height / ratio), round(width / ratio)

    def _cropped(self, image: Image) -> Image:
        from PIL import ImageOps

        assert self.crop is not None  # the caller asked
        height, width = self.crop
        missing = max(0, width - image.width), max(0, height - image.height)
        if any(missing):
            left, top = missing[0] // 2, missing[1] // 2
            border = (left, top, (missing[0] + 1) // 2, (missing[1] + 1) // 2)
            fill = self.fill if image.mode == "RGB" else self.fill[0]
            image = ImageOps.expand(image, border, fill)
        left, top = round((image.width - width) / 2), round((image.height - height) / 2)
        return image.crop((left, top, left + width, top + height))

    def describe(self) -> str:
        """In words."""
        parts = []
        if self.resize is not None:
            h, w = self.resize
            target = str(h) if h == w and self.fit != "both sides" else f"{h}x{w}"
            whole = "" if self.fit == "both sides" else f"{self.fit} "
            antialias = "" if self.interpolation == "nearest" else ", antialias"
            parts.append(f"{whole}resized to {target} ({self.interpolation}{antialias})")
        if self.crop is not None:
            parts.append(f"central {self.crop[0]}x{self.crop[1]}")
        line = ", ".join(parts) or "as they are"
        return f"{line}, as {self.source} says" if self.source else line

    def to_json(self) -> dict[str, Any]:
        """Plain lists and words; `preprocess_from_json` reads them back."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}


def square(size: int) -> Preprocess:
    """What @SIZE means: bicubic until the shorter side is SIZE/0.875, and the central square of SIZE.

    >>> square(224).describe()
    'shorter side resized to 256 (bicubic, antialias), central 224x224, as @224 says'
    """
    whole = round(size / MARGIN)
    return Preprocess((whole, whole), (size, size), source=f"@{size}")


def parse_preprocess(text: str) -> Preprocess:
    """What stands after the @ of a source: SIZE, or resize=256,crop=224,interpolation=bilinear.

    >>> parse_preprocess("resize=96x64,interpolation=box").describe()
    'resized to 96x64 (box, antialias), as @resize=96x64,interpolation=box says'
    """
    if text.isdigit() and int(text):
        return square(int(text))
    found = Preprocess(None, None, source=f"@{text}")
    for word in text.split(","):
        name, _, value = word.partition("=")
        if name in {"resize", "crop"} and re.fullmatch(r"[1-9]\d*(x[1-9]\d*)?", value):
            height, _, width = value.partition("x")
            pair = (int(height), int(width or height))
            found = replace(found, **{name: pair})  # type: ignore[arg-type]
            if name == "resize":
                found = replace(found, fit="both sides" if width else "shorter side")
        elif name == "interpolation":
            found = replace(found, interpolation=value)
        else:
            raise BadArgument(
                f"'@{text}': write @SIZE, or words such as @resize=256,crop=224,interpolation=bilinear"
            )
    return found


@dataclass(frozen=True)
class HubProcessor:
    """The resize and crop of an image processor of transformers, run by itself.

    ``config`` is what its preprocessor_config.json says, with its class. It stands where a `Preprocess` may.
    """

    config: dict[str, Any]
    source: str = ""

    def apply(self, image: Image) -> Image:
        """A picture, resized and cropped. Bytes stay bytes."""
        import numpy as np
        from PIL.Image import fromarray

        pixels = self._pixels(image)[:: -1 if self._reverses else 1]
        return fromarray(np.rint(pixels).clip(0, 255).astype(np.uint8).transpose(1, 2, 0))

    def _pixels(self, image: Image) -> NDArray[Any]:
        """The picture (3, h, w) without the steps that change values, channels as the processor has them."""
        import numpy as np

        values = {name: False for name in VALUE_STEPS if hasattr(self.processor, name)}
        found = self.processor(image.convert("RGB"), return_tensors="np", **values)["pixel_values"][0]
        pixels = np.asarray(found)
        if pixels.ndim != 3 or pixels.shape[0] != 3:
            raise Unsupported(f"the image processor of {self.source} gives {pixels.shape}, not one picture")
        return pixels

    @cached_property
    def _reverses(self) -> bool:
        """Whether it puts blue first although no step that can be left out does."""
        from PIL.Image import new

        red, _, blue = self._pixels(new("RGB", (64, 64), (255, 0, 0))).reshape(3, -1).max(1)
        return bool(blue > red)

    @cached_property
    def processor(self) -> Any:
        """The processor itself. Raises Unsupported where transformers does not have it."""
        try:
            import transformers

            return getattr(transformers, self.config["image_processor_type"]).from_dict(self.config)
        except Exception as error:
            kind = self.config.get("image_processor_type")
            raise Unsupported(
                f"{self.source} needs the image processor {kind} of transformers, which does not load "
                f"({(str(error).strip().splitlines() or [type(error).__name__])[0][:120]}); "
                "python -m pip install transformers torchvision, or say @SIZE"
            ) from None

    def size_of(self, height: int, width: int) -> tuple[int, int]:
        """The (height, width) that a picture of this size comes out with."""
        from PIL.Image import new

        made = self.apply(new("RGB", (width, height)))
        return made.height, made.width

    def describe(self) -> str:
        """In words."""
        steps = []
        if self.config.get("do_resize"):
            how = RESAMPLINGS.get(self.config.get("resample", -1), "as usual")
            steps.append(f"resized to {_sides(self.config.get('size'))} ({how})")
        if self.config.get("do_center_crop"):
            steps.append(f"central {_sides(self.config.get('crop_size'))}")
        line = ", ".join(steps) or "as they are"
        return f"{line}, as {self.config.get('image_processor_type')} of {self.source} does"

    def to_json(self) -> dict[str, Any]:
        """Plain values; `preprocess_from_json` reads them back."""
        return {"config": self.config, "source": self.source}


Way = Preprocess | HubProcessor


def _sides(size: Any) -> str:
    if isinstance(size, dict):
        return " ".join(f"{key} {value}" for key, value in size.items())
    return str(size)


def preprocess_from_json(record: dict[str, Any] | None) -> Way | None:
    """What `to_json` of either kind wrote.

    >>> preprocess_from_json(square(8).to_json()) == square(8), preprocess_from_json(None)
    (True, None)
    """
    if record is None:
        return None
    return HubProcessor(**record) if "config" in record else Preprocess(**record)
