"""The interactive page of a scene: one HTML file that needs neither network nor anything beside it."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featgeom.files import write_whole
from featgeom.report.policy import content_policy
from featgeom.report.shell import filled, resource
from featgeom.runs.again import images_of
from featgeom.runs.record import plain

if TYPE_CHECKING:
    from featgeom.figures.drawn import Drawn, Samples
    from featgeom.runs.run import Run

LOGIT_BYTES = 1_500_000  # logits of all samples go into the page up to this size
IMAGE_BYTES = 1_500_000  # and their images; beyond it, the misclassified and those nearest to a boundary
RAW_PIXELS = 400_000  # up to this many pixels a sheet of images is stored without loss
TYPES = {"f": ("f4", np.float32), "i": ("i4", np.int32)}


def write_view(scene: Drawn, run: Run, path: Path, others: Sequence[Drawn] = ()) -> Path:
    """Write the page of a scene to ``path``, with images of the samples as far as they fit.

    ``others`` are further views of the run, among which a reader of the page can choose.
    """
    document = scene_document(scene, run)
    document["others"] = [scene_document(other, run) for other in others]
    for other in document["others"]:
        if other["samples"]["rows"] == document["samples"]["rows"]:
            other["sheet"] = "same"
    write_whole(path, view_page(scene, document).encode())
    return path


def view_page(scene: Drawn, document: dict[str, Any], policy: str | None = None) -> str:
    """The whole page, with its policy, or that of a page that is served."""
    return filled(
        resource("view.html"),
        scene=scene,
        style=resource("view.css"),
        script=view_script(),
        data=script_json(document),
        policy=policy or content_policy(scripts_of()),
    )


def view_element(scene: Drawn, document: dict[str, Any]) -> str:
    """The picture alone, to stand inside another page that has the style of `view_style`."""
    return view_markup(scene, script_json(document))


def view_markup(scene: Any, data: str) -> str:
    """The same, given what the script is told, as JSON; of the scene its notes are read."""
    return filled(resource("view_element.html"), scene=scene, script=view_script(), data=data)


def view_style() -> str:
    """The style sheet of the picture."""
    return resource("view.css")


def view_script() -> str:
    """The script of the picture, and what starts it."""
    parts = [resource(f"view_{part}.js") for part in ("draw", "segment", "drop", "page")]
    body = parts[0] + "".join(part.replace('"use strict";\n', "", 1) for part in parts[1:])
    scene = 'JSON.parse(document.getElementById("view-scene").textContent)'
    start = f'window.featgeomView = new View(document.getElementById("view"), {scene});'
    return f"(() => {{\n{body}\n{start}\n}})();"


def scripts_of() -> list[str]:
    """The scripts that a page with the picture has, byte for byte."""
    return [view_script()]


def scene_document(scene: Drawn, run: Run, live: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the page needs of a scene, as plain values; with ``live`` it asks its server for the rest."""
    samples = scene.samples
    document: dict[str, Any] = {
        "title": scene.title,
        "view": scene.view,
        "notes": scene.notes,
        "axes": scene.axes,
        "chosen": scene.chosen,
        "names": scene.names,
        "colours": scene.colours,
        "window": scene.window,
        "labels": [
            {"text": text, "class": c, "place": np.asarray(place, np.float64)}
            for text, c, place in scene.labels
        ],
        "surfaces": [
            {
                "name": s.name, "kind": s.kind, "classes": s.classes, "colour": s.colour,
                "opacity": s.opacity, "shown": s.shown, "vertices": packed(s.vertices),
                "triangles": packed(s.triangles), "edges": packed(s.edges),
            }
            for s in scene.surfaces
        ],
        "samples": {
            "split": samples.split, "shown": samples.shown, "rows": packed(samples.rows),
            "places": packed(samples.positions), "flips": packed(samples.flips),
            "label": packed(samples.label), "predicted": packed(samples.predicted),
            "rival": packed(samples.rival), "distance": packed(samples.distance),
            "facts": [] if live else stored_facts(run, samples),
        },
        "images": run.asked["data"]["source"] is not None,
        "sheet": None,
        "live": live,
    }  # fmt: skip
    if live is None:
        document["samples"] |= logits_of(run, samples)
        sheet, tiles = image_sheet(run, samples)
        document["sheet"] = sheet
        document["samples"]["tile"] = packed(tiles)
    return plain(document)


def packed(values: NDArray[Any]) -> dict[str, str]:
    """An array as little-endian float32 or int32 in base64.

    >>> packed(np.array([1.0]))
    {'type': 'f4', 'data': 'AACAPw=='}
    """
    name, kind = TYPES[values.dtype.kind]
    data = np.ascontiguousarray(values, np.dtype(kind).newbyteorder("<"))
    return {"type": name, "data": base64.b64encode(data.tobytes()).decode()}


def script_json(document: dict[str, Any]) -> str:
    """JSON that can stand inside a script element.

    >>> script_json({"a": "</script>"})
    '{"a":"\\\\u003c/script>"}'
    """
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def stored_facts(run: Run, samples: Samples) -> list[dict[str, Any]]:
    """What the study of hulls has stored of these samples, where it has been run."""
    if "hulls" not in run.studies:
        return []
    arrays = run.result("hulls").arrays
    reference = run.reference_split
    known = {
        f"{samples.split}_own_correct": f"distance to the hull of its class's correct {reference} features",
        f"{samples.split}_all": f"distance to the hull of all {reference} features",
    }
    return [
        {"name": name, "values": packed(arrays[key][samples.rows])}
        for key, name in known.items()
        if key in arrays and not np.isnan(arrays[key]).all()  # where hulls and questions are of one part
    ]


def logits_of(run: Run, samples: Samples) -> dict[str, Any]:
    """The logits of the samples, for crossings in the browser; nothing where they are too many."""
    if 4 * len(samples) * len(run.classes) > LOGIT_BYTES:
        return {}
    features = run.features(samples.split)
    return {"logits": packed(features.head.logits(features.features[samples.rows]))}


def image_sheet(run: Run, samples: Samples) -> tuple[dict[str, Any] | None, NDArray[np.int32]]:
    """One picture that holds the images of the samples side by side, and the place of each (−1: left out).

    Where not all fit, the misclassified come first, then those nearest to a boundary.
    """
    tiles = np.full(len(samples), -1, np.int32)
    images = images_of(run, samples.split)
    if images is None or not len(samples):
        return None, tiles
    order = np.lexsort((samples.distance, ~samples.wrong))
    _, height, width = images.shape
    count = min(len(order), max(1, 4 * IMAGE_BYTES // (height * width)))  # at best a byte for four pixels
    while True:
        chosen = order[:count]
        data, kind, columns = sheet_of(images.pixels(samples.rows[chosen]))
        if len(data) <= IMAGE_BYTES or count == 1:
            break
        count = max(1, int(count * 0.9 * IMAGE_BYTES / len(data)))
    tiles[chosen] = np.arange(count)
    address = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return {"data": address, "size": [width, height], "columns": columns}, tiles


def sheet_of(pixels: NDArray[np.float32]) -> tuple[bytes, str, int]:
    """Images (n, c, h, w) in [0, 1] as one encoded picture, its type, and how many stand in a row."""
    n, _, height, width = pixels.shape
    columns = int(np.ceil(np.sqrt(n * height / width)))
    rows = -(-n // columns)
    sheet = np.zeros((rows * columns, height, width, 3), np.uint8)
    sheet[:n] = bytes_of(pixels)
    sheet = sheet.reshape(rows, columns, height, width, 3).transpose(0, 2, 1, 3, 4)
    flat = np.ascontiguousarray(sheet.reshape(rows * height, columns * width, 3))
    lossless = flat.shape[0] * flat.shape[1] <= RAW_PIXELS
    return encoded(flat, "png" if lossless else "jpeg"), "png" if lossless else "jpeg", columns


def bytes_of(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Images (n, c, h, w) in [0, 1] as red, green and blue (n, h, w, 3); one channel is grey.

    >>> bytes_of(np.ones((1, 1, 1, 1))).tolist()
    [[[[255, 255, 255]]]]
    """
    shown = pixels[:, :3] if pixels.shape[1] >= 3 else pixels[:, :1].repeat(3, axis=1)
    return np.clip(np.rint(255 * shown), 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)


def encoded(pixels: NDArray[np.uint8], kind: str) -> bytes:
    """A picture (h, w, 3) as a PNG or JPEG file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=kind, quality=82, optimize=kind == "png")
    return buffer.getvalue()
