"""One picture, whatever its file holds, as 8-bit grey or colour."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from featgeom.errors import BadData
from featgeom.quiet import without_output

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")  # no others are opened, whatever a file says
GREY = ("1", "L", "LA", "I;16", "I;16B", "I;16L")
COLOUR = ("P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
ORIENTATION = 0x0112  # the tag of EXIF
METADATA = {"exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp"}  # where a PNG may have it
TURNED, FIRST, OPAQUE, DEEP, INK = (
    "turned as their EXIF orientation says, which torchvision's ImageFolder ignores",
    "animated or of several pages: the first picture is taken",
    "with transparency, which is dropped, as torchvision does",
    "of 16 bits, of which the upper 8 are kept",
    "in CMYK, converted without a colour profile",
)


@dataclass(frozen=True)
class Picture:
    """A picture that is not decoded yet: what to call it, and how to open it."""

    name: str
    open: Callable[[], Image]


@dataclass(frozen=True)
class Header:
    """What can be told without decoding: the size as it is shown, and whether it is grey."""

    size: tuple[int, int]
    grey: bool


def open_picture(file: Any) -> Image:
    """Open a file (a path or a stream) as one of the formats named, without decoding it."""
    from PIL import Image

    image = Image.open(file, formats=FORMATS)
    image.filename = ""  # by its name Pillow maps a plain TIFF, and mixes up the rows of one that is turned
    return image


def read_header(picture: Picture, said: Counter[str]) -> Header:
    """Size and kind of a picture; in ``said`` is counted what decoding it will change.

    Raises BadData, naming the picture, for one that is damaged, too large, or cannot be shown in 8 bits.
    """

    def look(image: Image) -> Header:
        mode, turn = _kind(image, picture.name), _orientation(image)
        said.update(
            sentence
            for sentence, applies in (
                (TURNED, turn > 1),
                (FIRST, getattr(image, "n_frames", 1) > 1 and image.format != "MPO"),
                (OPAQUE, mode in ("LA", "PA", "RGBA") or "transparency" in image.info),
                (DEEP, mode.startswith("I")),
                (INK, mode == "CMYK"),
            )
            if applies
        )
        width, height = image.size  # of TIFF as it is shown, whatever its orientation
        sides = (height, width) if turn > 4 and image.format != "TIFF" else (width, height)
        return Header(sides, mode in GREY or mode == "I")

    return _opened(picture, look)


def read_pixels(picture: Picture, mode: str, then: Callable[[Image], Image]) -> Any:
    """The pixels of a picture, upright, in mode L or RGB, after ``then``: uint8 (h, w[, 3])."""

    def read(image: Image) -> Any:
        from PIL import ImageOps

        _kind(image, picture.name)
        turned = ImageOps.exif_transpose(image) if _orientation(image) > 1 else image
        return np.asarray(then(_eight_bits(turned).convert(mode)))

    return _opened(picture, read)


def shown_pixels(image: Image, name: str) -> Any:
    """The pixels of an open picture as it is, grey (h, w) or colours (h, w, 3), uint8.

    Raises BadData for pixels without a known range.
    """
    mode = _kind(image, name)
    return np.asarray(_eight_bits(image).convert("L" if mode in GREY or mode == "I" else "RGB"))


def _kind(image: Image, name: str) -> str:
    """The mode of a picture, if it is one that has a meaning in 8 bits."""
    sixteen = image.mode == "I" and image.format in ("PNG", "PPM")  # 16 bits, as older Pillows open them
    if image.mode not in GREY and image.mode not in COLOUR and not sixteen:
        raise BadData(f"{name}: pixels of mode {image.mode} have no known range; save it in 8 or 16 bits")
    return str(image.mode)


def _eight_bits(image: Image) -> Image:
    """16-bit grey by its upper byte, as Pillow reads 16-bit colour; a palette as the colours it means."""
    from PIL import Image

    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image).astype(np.int32) >> 8).astype(np.uint8))
    return image.convert("RGBA") if image.mode in ("P", "PA") and "transparency" in image.info else image


def _orientation(image: Image) -> int:
    if image.format == "PNG" and not METADATA & set(image.info):
        return 1  # Pillow would decode the whole picture to look behind its pixels
    try:
        turn = image.getexif().get(ORIENTATION, 1)
    except Exception:  # a damaged tag says nothing
        return 1
    return turn if isinstance(turn, int) and 1 <= turn <= 8 else 1


def _silent(image: Image) -> AbstractContextManager[None]:
    """libtiff writes what it thinks of a damaged picture on the standard error; our line tells it."""
    return without_output(2) if image.format == "TIFF" else nullcontext()


def _opened(picture: Picture, read: Callable[[Image], Any]) -> Any:
    """What ``read`` makes of a picture, with one clear line where that fails."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with picture.open() as image, _silent(image):
                return read(image)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise BadData(
            f"{picture.name}: has more pixels than the limit of {Image.MAX_IMAGE_PIXELS:,}; make it smaller "
            "or take it out"
        ) from None
    except UnidentifiedImageError:
        raise BadData(f"{picture.name}: not an image ({', '.join(FORMATS)}), or damaged") from None
    except BadData:
        raise
    except Exception as error:  # Pillow's plug-ins let out what they stumble over
        words = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if "MAX_TEXT_CHUNK" in words:
            raise BadData(
                f"{picture.name}: its colour profile or a comment unpacks to more than 1 MB; save it without"
            ) from None
        raise BadData(f"{picture.name}: not an image, or damaged ({words})") from None
