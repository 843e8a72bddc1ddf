"""A good file of every kind that is read, how it is read, and noise to change it with."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import featgeom as fg
from featgeom.errors import FeatgeomError
from featgeom.files import json_bytes
from featgeom.runs.index import recorded

from .conftest import write_arrays
from .hostile import png, saved_program

Edit = tuple[int, float, bytes]  # what to do, where (as a share of the length), with which bytes
KINDS_OF_EDIT = 6
PLACES = (
    "run.json", "index.json", "results/overview.json", "results/overview.npz", "claims/overview.json",
    "claims/overview.npz", "features/all/manifest.json", "features/all/features.safetensors",
)  # fmt: skip


@dataclass(frozen=True)
class Reader:
    """Good content, and what reads content in a folder; it may raise nothing but a FeatgeomError."""

    good: bytes
    read: Callable[[Path, bytes], object]


def changed(content: bytes, edits: Sequence[Edit]) -> bytes:
    """The content after all edits."""
    for what, where, data in edits:
        place = min(int(where * len(content)), max(0, len(content) - 1))
        content = (
            content[:place] + data + content[place + len(data) :],
            content[:place] + data + content[place:],
            content[:place] + content[place + 8 * len(data) :],
            content[:place],
            content[:place] + b"\xff" * len(data) + content[place + len(data) :],
            content[:place] + content[place // 2 : place // 2 + 64] + content[place:],
        )[what % KINDS_OF_EDIT]
    return content


def changed_inside(content: bytes, edits: Sequence[Edit]) -> bytes:
    """The archive with one part changed, and sound checksums; other content changed as it is."""
    if not (content.startswith(b"PK") and edits):
        return changed(content, edits)
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w") as new:
        names = old.namelist()
        chosen = names[int(edits[0][1] * 0.999 * len(names))]
        for name in names:
            part = old.read(name)
            new.writestr(name, changed(part, edits[1:]) if name == chosen else part)
    return made.getvalue()


def random_edits(rng: np.random.Generator) -> list[Edit]:
    """A few edits."""
    return [
        (int(rng.integers(KINDS_OF_EDIT)), float(rng.random()), rng.bytes(int(rng.integers(1, 9))))
        for _ in range(int(rng.integers(1, 5)))
    ]


def outcome(reader: Reader, place: Path, content: bytes) -> str:
    """What came of reading; any other exception than ours comes out."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    try:
        reader.read(place, content)
    except FeatgeomError as error:
        return "refused in a line" if "\n" not in str(error) else f"refused in lines: {error}"
    return "read"


def put(place: Path, name: str, content: bytes) -> Path:
    """A file of that name."""
    (place / name).parent.mkdir(parents=True, exist_ok=True)
    (place / name).write_bytes(content)
    return place / name


def read_weights(place: Path, content: bytes) -> list[Any]:
    from featgeom.reading.folders import read_contents

    return [stored.tensor() for stored in read_contents(put(place, "x", content)).named.tensors.values()]


def read_program(place: Path, content: bytes) -> object:
    return fg.load_classifier(put(place, "x", content), pixels=fg.PixelSpec((1, 2, 2)))


def read_arrays(place: Path, content: bytes) -> object:
    return fg.load_features(put(place, "x.npz", content))


def read_images(place: Path, content: bytes) -> object:
    return fg.load_images(f"npz:{put(place, 'x.npz', content)}")


def read_picture(place: Path, content: bytes) -> object:
    put(place, "images/0/a.png", png(4, 4, bytes(20)))
    put(place, "images/1/b.png", content)
    return fg.load_images(f"folder:{place / 'images'}@4")


def read_idx(place: Path, content: bytes) -> object:
    from featgeom.data.idx import read_idx

    return read_idx(put(place, "x", content), 3)


def of_run(whole: Path, name: str) -> Callable[[Path, bytes], object]:
    """Reads a run in which a file is another, and the index says that it is the right one."""

    def read(place: Path, content: bytes) -> object:
        run = Path(shutil.copytree(whole, place / "run"))
        (run / name).write_bytes(content)
        if name != "index.json":
            index = json.loads((run / "index.json").read_bytes())
            entry = recorded(content)
            for part in index["parts"].values():
                if name in part["files"]:
                    part["files"][name] = {"bytes": entry.bytes, "sha256": entry.sha256}
            (run / "index.json").write_bytes(json_bytes(index))
        opened = fg.open_run(run)
        said = opened.verify().to_text()
        assert "internal error" not in said
        return opened.report()

    return read


def readers(place: Path) -> dict[str, Reader]:
    """Every kind of file that is read."""
    import torch
    from PIL import Image
    from safetensors.torch import save_file

    weights = {"fc.weight": torch.arange(6.0).view(2, 3), "fc.bias": torch.ones(2)}
    rng = np.random.default_rng(0)
    file = place / "x"
    found: dict[str, Reader] = {}

    def add(name: str, read: Callable[[Path, bytes], object]) -> None:
        found[name] = Reader(file.read_bytes(), read)

    for new in (True, False):
        torch.save({"state_dict": weights, "epoch": 3}, file, _use_new_zipfile_serialization=new)
        add("torch file" if new else "old torch file", read_weights)
    file.write_bytes(pickle.dumps({"a": np.ones((2, 3)), "b": [1, 2.5, "x", None]}, protocol=4))
    add("pickle", read_weights)
    save_file(weights, file, metadata={"featgeom": '{"arch": "mlp", "pixels": {"shape": [1, 1, 3]}}'})
    add("safetensors", read_weights)
    add("safetensors with a recipe", read_program)
    for form in ("script", "export"):
        saved_program(place, form).rename(file)
        add(f"program ({form})", read_program)
    file.write_bytes(write_arrays(place / "f.npz").read_bytes())
    add("arrays", read_arrays)
    np.savez(place / "w.npz", weight=np.ones((2, 3), np.float32), bias=np.zeros(2))
    file.write_bytes((place / "w.npz").read_bytes())
    add("arrays as weights", read_weights)
    np.savez(place / "i.npz", images=rng.integers(0, 255, (4, 8, 8), np.uint8), labels=np.arange(4) % 2)
    file.write_bytes((place / "i.npz").read_bytes())
    add("images", read_images)
    file.write_bytes(struct.pack(">IIII", 0x803, 3, 4, 4) + bytes(48))
    add("idx", read_idx)
    for form in ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM"):
        Image.fromarray(rng.integers(0, 255, (9, 9, 3), np.uint8)).save(file, format=form)
        add(f"picture ({form})", read_picture)
    run = fg.analyze(write_arrays(place / "f.npz"), out=place / "run", studies="overview").folder
    for name in PLACES:
        file.write_bytes((run / name).read_bytes())
        add(f"run: {name}", of_run(run, name))
    return found


def onnx_reader(place: Path) -> Reader:
    """The same for ONNX, where that is installed."""
    import onnx
    from onnx import helper, numpy_helper

    from .hostile import written

    weight = numpy_helper.from_array(np.eye(4, dtype=np.float32), "w")
    return Reader(Path(written(onnx, helper, weight, place)).read_bytes(), read_onnx)


def read_onnx(place: Path, content: bytes) -> object:
    return fg.load_classifier(put(place, "x.onnx", content), pixels=fg.PixelSpec((1, 2, 2)))
