"""Every image classifier of timm, torchvision and transformers with random weights: is its head found?

One child process a network. A network takes part where it can be built and one image passes within 15 seconds
and 3 GB of memory. It passes where the head is found, W·φ(x) + b gives its own logits within 1e-5 of their
scale, and a picture in our preprocessing gives the logits that it gives in the source's, if it has one.

    python benchmarks/sweep.py benchmarks/sweep.jsonl --first-of-family --minutes 30
    python benchmarks/sweep.py benchmarks/sweep.jsonl --shard 2/4
    python benchmarks/sweep.py benchmarks/sweep.jsonl --table docs/sweep.md

The first keeps what is in the file and goes on; the last writes the table of what was run. The file
here holds what was run so far.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import re
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

SECONDS, BYTES = 15, 3 << 30
WHOLE = 240  # seconds of a processor for all that is done with one network
TOLERANCE = 1e-5
FAINT = 1e-20  # logits below this are those of a network that fades with random weights
NO_PIXELS = {
    "imagegpt": "reads tokens in place of pixels",
    "siglip2": "reads a list of patches and their places in place of pixels",
}


def packages() -> tuple[Any, Any, Any]:
    """timm, torchvision and transformers; and what torchvision wants to find beside a plain torch."""
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    KEPT.append(library)
    import timm
    import torchvision
    import transformers

    return timm, torchvision, transformers


KEPT: list[Any] = []  # a library of torch lives as long as its object


def networks() -> list[str]:
    """All names: timm:NAME, torchvision:NAME, transformers:TYPE, TYPE:CLASS for further ones of a type."""
    timm, torchvision, _ = packages()
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES as kinds

    ours = [f"timm:{name}" for name in timm.list_models()]
    ours += [f"torchvision:{name}" for name in torchvision.models.list_models(module=torchvision.models)]
    return ours + [
        f"transformers:{kind}" + (f":{one}" if number else "")
        for kind, named in kinds.items()
        for number, one in enumerate(named if isinstance(named, tuple) else (named,))
        if kind != "timm_wrapper"
    ]


def family(name: str) -> str:
    """What the smallest is taken of: letters before the first number or size."""
    zoo, _, rest = name.partition(":")
    if zoo == "transformers":
        return name
    import timm

    if zoo == "timm":
        file = timm.models.model_entrypoint(rest).__module__.rpartition(".")[2]
        return f"timm:{file}:{re.split(r'[_.]|(?<=[a-z])[0-9]', rest)[0]}"
    return f"{zoo}:{re.split(r'_|(?<=[a-z])[0-9]', rest)[0]}"


def build(name: str) -> tuple[Any, Any, Any]:
    """The network with random weights, its pixel space, and the source's own transform of a picture."""
    timm, torchvision, transformers = packages()
    from featgeom.models import zoos
    from featgeom.models.pixel_spec import PixelSpec

    zoo, _, rest = name.partition(":")
    if zoo == "timm":
        module = timm.create_model(rest, pretrained=False).eval()
        spec = zoos._timm_pixels(timm, module.pretrained_cfg)
        return module, spec, timm.data.create_transform(**timm.data.resolve_data_config(model=module))
    if zoo == "torchvision":
        weights = torchvision.models.get_model_weights(rest).DEFAULT
        build_one, _ = zoos._torchvision_factory(torchvision, rest)
        sized = {"image_size": weights.meta["min_size"][0]} if rest.startswith("vit_") else {}
        return build_one(**sized).eval(), zoos._torchvision_pixels(weights), weights.transforms()
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES as kinds

    kind, _, chosen = rest.partition(":")
    config = CONFIG_MAPPING[kind]()
    config.num_labels = 10
    named = kinds[kind]
    first = named[0] if isinstance(named, tuple) else named
    module = getattr(transformers, chosen or first)(config).eval()
    size = getattr(config, "image_size", None) or 224
    size = size if isinstance(size, (list, tuple)) else (size, size)
    shape = (getattr(config, "num_channels", 3), *size)
    if processor := _processor(transformers, kind):
        spec = _processor_pixels(transformers, config, processor)
        if (3, *spec.preprocess.size_of(400, 500)) == shape:
            return module, spec, lambda picture: processor(picture, return_tensors="pt")["pixel_values"][0]
    return module, PixelSpec(shape), None


def _processor(transformers: Any, kind: str) -> Any:
    """The image processor that networks of one type come with, as it is by default."""
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES as named

    names = named.get(kind) or {}
    name = names.get("torchvision") or names.get("pil")
    return getattr(transformers, name)() if name else None


def _processor_pixels(transformers: Any, config: Any, processor: Any) -> Any:
    """The pixel space of a folder with this processor, as a user's own."""
    from featgeom.models.hub_pixels import hub_pixels

    with tempfile.TemporaryDirectory() as folder:
        processor.save_pretrained(folder)
        config.save_pretrained(folder)
        return hub_pixels(transformers, folder)


def examine(name: str) -> dict[str, Any]:
    """One network: what became of it."""
    import numpy as np
    import torch
    from PIL import Image

    import featgeom as fg
    from featgeom.models.tape import tensors_returned

    if why := NO_PIXELS.get(name.partition(":")[2]):
        return {"state": "left out", "why": why}
    torch.set_num_threads(1)
    torch.manual_seed(0)
    try:
        module, spec, own = build(name)
    except (ValueError, TypeError) as error:
        return {"state": "left out", "why": f"cannot be built with its own defaults: {str(error)[:100]}"}
    if getattr(module, "num_classes", 1) == 0:
        return {"state": "left out", "why": "has no classes"}
    for parameter in module.parameters():  # heads that start as zero would say nothing
        if parameter.ndim > 1 and not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (9, 7, 3), np.uint8)).resize((500, 400))
    if own is None:
        pixels = rng.random((1, *spec.shape), np.float32)
        x = torch.from_numpy(pixels)
    else:
        way = spec.preprocess
        pixels = np.asarray(way.apply(picture)).transpose(2, 0, 1)[None]
        x = own(picture)[None]
    start = time.process_time()  # of one thread, on a busy machine, too
    with torch.no_grad():
        logits = list(tensors_returned(module(x)).values())
    seconds = time.process_time() - start
    largest = max(float(one.abs().max()) for one in logits)
    if largest < FAINT or rounding(module, x) > TOLERANCE * largest:
        settle(module, x)
        with torch.no_grad():
            logits = list(tensors_returned(module(x)).values())
    if seconds > SECONDS:
        return {"state": "left out", "why": f"one image takes {seconds:.0f} s"}
    noise = rng.integers(0, 256, (2, *pixels.shape[1:])).astype(np.uint8)
    clf = fg.load_classifier(module, pixels=spec, probe=noise if own else noise.astype(np.float32) / 255)
    ours = clf.logits(pixels)
    whole = next((t for t in logits if t.flatten(1).shape == ours.shape), logits[0]).flatten(1).numpy()
    scale = float(np.abs(whole).max())
    found = {
        "parameters": sum(p.numel() for p in module.parameters()),
        "dimension": clf.head.dimension, "classes": clf.head.classes, "head": clf.tap.describe(),
        "residual": float(np.abs(clf.head.logits(clf.features(pixels)) - ours).max()) / scale,
        "own": float(np.abs(whole - ours).max()) / scale, "seconds": round(seconds, 2),
    }  # fmt: skip
    bad = [key for key in ("residual", "own") if not found[key] <= TOLERANCE]
    why = ", ".join(f"{key} {found[key]:.2g}" for key in bad)
    if "own" in bad:
        why += f", where rounding the input moves the network's logits by {rounding(module, x) / scale:.2g}"
    return {"state": "fails" if bad else "passes", "why": why, **found}


def rounding(module: Any, x: Any) -> float:
    """How far the network's own logits move, at most, when each input moves by half a unit of float32."""
    import torch

    from featgeom.models.tape import tensors_returned

    with torch.no_grad():
        moved = x * (1 + 6e-8 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1)).sign())
        pairs = zip(
            tensors_returned(module(x)).values(), tensors_returned(module(moved)).values(), strict=True
        )
        return max(float((a - b).abs().max()) for a, b in pairs)


def settle(module: Any, x: Any) -> None:
    """Let batch normalisation see a batch: with random weights alone some fade, or blow rounding up."""
    import torch

    for layer in module.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            layer.reset_running_stats()
            layer.momentum = None  # the mean over what it sees
    module.train()
    with torch.no_grad():
        module(x + 0.1 * torch.randn(4, *x.shape[1:]))
    module.eval()


def child(name: str, pipe: Any) -> None:
    """`examine` with whatever goes wrong as its result."""
    warnings.simplefilter("ignore")
    sys.stderr = io.StringIO()
    try:
        pipe.send(examine(name))
    except ImportError as error:
        pipe.send({"state": "left out", "why": f"needs a package that is not here: {str(error)[:100]}"})
    except Exception as error:
        from featgeom.errors import FeatgeomError

        words = (str(error).strip().splitlines() or ["no message"])[0][:300]
        ours = isinstance(error, FeatgeomError)
        pipe.send({"state": "fails" if ours else "error", "why": f"{type(error).__name__}: {words}"})


def run(name: str) -> dict[str, Any]:
    """One network in a process of its own, within the limits."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=child, args=(name, there))
    process.start()
    result = None
    while result is None:
        if here.poll(0.2):
            result = here.recv()
        elif not process.is_alive():
            result = (
                here.recv() if here.poll() else {"state": "error", "why": f"ended with {process.exitcode}"}
            )
        elif _seconds(process.pid) > WHOLE:
            result = {"state": "left out", "why": f"more than {WHOLE} s in all"}
        elif _memory(process.pid) > BYTES:
            result = {"state": "left out", "why": "more than 3 GB of memory"}
    process.kill()
    process.join()
    return {"network": name, **result}


def _memory(pid: int | None) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def _seconds(pid: int | None) -> float:
    """What the process has used of a processor so far: time on the wall is the others' on a busy machine."""
    try:
        used = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(used[11]) + int(used[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError):
        return 0.0


def chosen(arguments: argparse.Namespace, done: set[str]) -> list[str]:
    """The names to run, in order: with --first-of-family one of each first."""
    names = networks()
    seen: Counter[str] = Counter()
    if arguments.first_of_family:
        rank = {}
        for name in sorted(names, key=lambda n: (_size(n), len(n), n)):
            kind = family(name)
            rank[name] = seen[kind]
            seen[kind] += 1
        names = sorted(names, key=lambda n: (rank[n], _size(n), n))
    part, of = map(int, arguments.shard.split("/"))
    return [name for i, name in enumerate(names) if i % of == part - 1 and name not in done]


SMALL = (
    "atto",
    "femto",
    "pico",
    "nano",
    "tiny",
    "xxs",
    "xs",
    "small",
    "mini",
    "_s",
    "_t",
    "base",
    "_b",
    "medium",
)


def _size(name: str) -> int:
    """A guess at how large a network is, by its name."""
    large = 100 * any(word in name for word in ("large", "huge", "giant", "xl", "_l", "gigantic", "enormous"))
    return large + next((i for i, word in enumerate(SMALL) if word in name), len(SMALL) // 2)


INTRODUCTION = f"""# Published classifiers, tried

Made by `make sweep`: image classifiers of timm, torchvision and transformers, built with random weights. A
network takes part where one image passes within {SECONDS} s and 3 GB of memory on one core. It passes
where its head is found, W·φ(x) + b gives its own logits within 1e-5 of their scale, and a picture resized
and cropped by featgeom gives the logits that it gives after the source's own transform, within the same (of
transformers that is the image processor of the type, where its size is the network's own). Networks without
classes, without pixels, that cannot be built as they come or that need a package that is not there are left
out. The squeezenets are refused on purpose: a ReLU stands behind their last layer, so that no affine head
gives their logits.
"""


def left_out(rows: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """Why networks take no part, and how many for each reason."""
    short = (
        re.sub(r":.*|one image.*", "", row["why"], flags=re.S) for row in rows if row["state"] == "left out"
    )
    return Counter(why or "take longer" for why in short).most_common()


def table(rows: list[dict[str, Any]], names: list[str]) -> str:
    """docs/sweep.md."""
    total = Counter(name.partition(":")[0] for name in names)
    families = {family(row["network"]) for row in rows}
    lines = [
        INTRODUCTION,
        "| source | networks there are | run | left out | pass | share of those that take part |",
        "|---|---|---|---|---|---|",
    ]
    for zoo, count in total.items():
        mine = [row for row in rows if row["network"].startswith(f"{zoo}:")]
        states = Counter(row["state"] for row in mine)
        part = len(mine) - states["left out"]
        share = f"{states['passes'] / part:.1%}" if part else "none"
        lines.append(
            f"| {zoo} | {count:,} | {len(mine):,} | {states['left out']:,} | {states['passes']:,} | {share} |"
        )
    said = f"Run are {len(rows):,} of {sum(total.values()):,} networks, of {len(families):,} of"
    said += f" {len(set(map(family, names))):,} families, by successive states of this version."
    part = [row for row in rows if row["state"] != "left out"]
    passing = sum(row["state"] == "passes" for row in part)
    lines += [
        "",
        said,
        f"Left out: {', '.join(f'{why} ({count:,})' for why, count in left_out(rows))}.",
        f"Of those that take part {passing:,} of {len(part):,} pass.",
        "",
    ]
    whys: dict[str, list[str]] = {}
    for row in part:
        if row["state"] != "passes":
            whys.setdefault(re.sub(r"\d+(\.\d+)?(e-?\d+)?", "#", row["why"]), []).append(row["network"])
    if whys:
        lines += ["## Those that do not pass, and why", "", "| networks | why |", "|---|---|"]
        examples = {
            alike[0]: next(r["why"] for r in rows if r["network"] == alike[0]) for alike in whys.values()
        }
        lines += [f"| {', '.join(alike)} | {examples[alike[0]]} |" for alike in whys.values()]
        lines.append("")
    lines += ["Run: " + ", ".join(f"`{name}`" for name in sorted(row["network"] for row in rows)) + ".", ""]
    return "\n".join(lines)


def main() -> None:
    """Run what is left, or write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--shard", default="1/1")
    parser.add_argument("--first-of-family", action="store_true")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--only", default="", help="a regular expression that names must match")
    parser.add_argument("--again", action="store_true", help="run those once more that did not pass")
    parser.add_argument("--table", type=Path)
    arguments = parser.parse_args()
    text = arguments.file.read_text("utf-8") if arguments.file.exists() else ""
    rows = {row["network"]: row for row in map(json.loads, text.splitlines())}
    if arguments.table:
        arguments.table.write_text(table(list(rows.values()), networks()), "utf-8")
        return
    import featgeom.models.sources  # noqa: F401  so that no child imports it again

    packages()
    kept = {
        name for name, row in rows.items() if not arguments.again or row["state"] in ("passes", "left out")
    }
    end = time.monotonic() + 60 * arguments.minutes
    arguments.file.parent.mkdir(parents=True, exist_ok=True)
    for name in chosen(arguments, kept):
        if time.monotonic() > end:
            break
        if not re.search(arguments.only, name):
            continue
        row = run(name)
        with arguments.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(f"{row['state']:<9}{name}  {row['why']}", flush=True)


if __name__ == "__main__":
    main()
