"""Every kind of picture file gives the pixels that it shows, or one line that names it."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

import featgeom as fg
from featgeom.errors import BadData
from featgeom.remarks import heard

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (8, 8, 3)).astype(np.uint8)
GREYS = RNG.integers(0, 256, (8, 8)).astype(np.uint8)


def load(folder: Path) -> tuple[fg.ImageSet, str]:
    """The images of a folder, and what was said about them."""
    lines: list[str] = []
    with heard(lines.append):
        images = fg.load_images(f"folder:{folder}")
    return images, "\n".join(lines)


def put(folder: Path, image: Image.Image, name: str = "x.png", **options: object) -> Path:
    (folder / "a").mkdir(exist_ok=True)
    image.save(folder / "a" / name, **options)
    return folder / "a" / name


def palette() -> Image.Image:
    return Image.fromarray(COLOURS).quantize(256)


def alpha(mode: str) -> Image.Image:
    base = Image.fromarray(COLOURS if mode == "RGBA" else GREYS)
    base.putalpha(Image.fromarray(GREYS))
    assert base.mode == mode
    return base


KINDS: dict[str, tuple[Image.Image, str, np.ndarray, str]] = {
    "grey": (Image.fromarray(GREYS), "x.png", GREYS[None], ""),
    "colour": (Image.fromarray(COLOURS), "x.bmp", COLOURS.transpose(2, 0, 1), ""),
    "black and white": (Image.fromarray(GREYS > 99), "x.png", ((GREYS > 99) * np.uint8(255))[None], ""),
    "16 bits": (
        Image.fromarray(GREYS.astype(np.uint16) * 257), "x.png", GREYS[None], "1 of 1 pictures of 16 bits",
    ),
    "16 bits, tiff": (Image.fromarray(GREYS.astype(np.uint16) * 256 + 77), "x.tif", GREYS[None], "16 bits"),
    "16 bits, ppm": (Image.fromarray(GREYS.astype(np.uint16) * 257), "x.pgm", GREYS[None], "16 bits"),
    "palette": (palette(), "x.png", np.asarray(palette().convert("RGB")).transpose(2, 0, 1), ""),
    "palette, gif": (palette(), "x.GIF", np.asarray(palette().convert("RGB")).transpose(2, 0, 1), ""),
    "alpha": (alpha("RGBA"), "x.png", COLOURS.transpose(2, 0, 1), "1 of 1 pictures with transparency"),
    "grey alpha": (alpha("LA"), "x.PNG", GREYS[None], "transparency"),
    "cmyk": (
        Image.fromarray(COLOURS).convert("CMYK"), "x.tiff", COLOURS.transpose(2, 0, 1), "in CMYK, converted",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_pixels_that_are_shown(kind: str, tmp_path: Path) -> None:
    image, name, expected, words = KINDS[kind]
    put(tmp_path, image, name)
    images, said = load(tmp_path)
    np.testing.assert_array_equal(images.images[0], expected)
    assert words in said
    assert bool(said) == bool(words)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "webp"])
def test_the_orientation_of_exif_is_applied_and_said(turn: int, ending: str, tmp_path: Path) -> None:
    """A picture with one bright corner, stored under every orientation, is shown alike."""
    shown = np.zeros((32, 48), np.uint8)
    shown[:16, :16] = 255
    back = {
        1: shown, 2: shown[:, ::-1], 3: shown[::-1, ::-1], 4: shown[::-1], 5: shown.T, 6: shown.T[::-1],
        7: shown.T[::-1, ::-1], 8: shown.T[:, ::-1],
    }  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = turn
    options = {"quality": 100, "lossless": True} if ending in ("webp", "jpg") else {}
    stored = Image.fromarray(np.ascontiguousarray(back[turn])).convert("RGB" if ending == "webp" else "L")
    put(tmp_path, stored, f"x.{ending}", exif=exif, **options)
    images, said = load(tmp_path)
    assert images.shape[1:] == (32, 48)
    assert np.abs(images.images[0, 0].astype(int) - shown).max() < 9
    assert ("EXIF orientation" in said) == (turn > 1)


def test_grey_among_colours_is_said(tmp_path: Path) -> None:
    put(tmp_path, Image.fromarray(GREYS), "0.png")
    put(tmp_path, Image.fromarray(COLOURS), "1.png")
    images, said = load(tmp_path)
    np.testing.assert_array_equal(images.images[0], np.stack([GREYS] * 3))
    assert "1 of 2 pictures are grey" in said


def test_the_first_of_several_frames(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((8, 8), level, np.uint8)) for level in (10, 200)]
    for name in ("x.gif", "x.tif", "x.webp", "x.png"):
        put(tmp_path, frames[0], name, save_all=True, append_images=frames[1:])
    images, said = load(tmp_path)
    assert np.abs(images.images.astype(int) - 10).max() < 4
    assert "4 of 4 pictures animated or of several pages" in said


def test_names_say_nothing_of_the_format(tmp_path: Path) -> None:
    path = put(tmp_path, Image.fromarray(COLOURS), "y.png")
    path.rename(path.with_name("photo@2.JPG"))
    np.testing.assert_array_equal(load(tmp_path)[0].images[0], COLOURS.transpose(2, 0, 1))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(path: Path) -> None:
    """16,000 x 16,000 black pixels in a file of 31 kB."""
    side = 16_000
    packer = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    body = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)


def postscript(path: Path) -> None:
    Image.fromarray(COLOURS).save(path, "EPS")


def cut_short(path: Path) -> None:
    content = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (8, 8, 3)).astype(np.uint8)).save(content, "JPEG")
    path.write_bytes(content.getvalue()[:-20])


def long_comment(path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "x" * 3_000_000, zip=True)
    Image.fromarray(COLOURS).save(path, "PNG", pnginfo=info)


def unknown_range(path: Path) -> None:
    Image.fromarray(np.linspace(-5, 9, 64, dtype=np.float32).reshape(8, 8)).save(path, "TIFF")


def nothing(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (bomb, "more pixels than the limit of 89,478,485"),
        (postscript, "not an image"),
        (cut_short, "truncated"),
        (long_comment, "a comment unpacks to more than 1 MB"),
        (unknown_range, "pixels of mode F have no known range"),
        (nothing, "not an image"),
    ],
)
@pytest.mark.parametrize("size", ["", "@4"])
def test_what_cannot_be_shown_names_itself(
    write: Callable[[Path], None], words: str, size: str, tmp_path: Path
) -> None:
    put(tmp_path, Image.fromarray(COLOURS), "a.png")
    write(tmp_path / "a" / "scan.png")
    with pytest.raises(BadData, match=r"scan\.png: ") as caught:
        fg.load_images(f"folder:{tmp_path}{size}")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_library_says_nothing_of_a_damaged_tiff(tmp_path, capfd):
    """libtiff has a line of its own for the standard error; the one that names the file is enough."""
    path = put(
        tmp_path,
        Image.fromarray(RNG.integers(0, 256, (32, 32, 3)).astype(np.uint8)),
        "x.tif",
        compression="tiff_lzw",
    )
    held = path.read_bytes()
    path.write_bytes(held[:40] + bytes(7 * i % 256 for i in range(1460)) + held[1500:])
    with pytest.raises(BadData, match=r"x\.tif: not an image, or damaged"):
        load(tmp_path)
    assert capfd.readouterr().err == ""
