"""A whole analysis: features into a run folder, then every standard study."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from featgeom.data.images import ImageSet, keep_classes
from featgeom.data.sources import absolute_source, load_splits
from featgeom.errors import BadArgument, nearest_name
from featgeom.features.extraction import extract, match_classes
from featgeom.features.features import feature_splits, load_features
from featgeom.features.store import save_features
from featgeom.models.classifier import Classifier
from featgeom.models.pixel_spec import PixelSpec
from featgeom.models.sources import load_classifier
from featgeom.runs.record import Record
from featgeom.runs.run import Run, write_run

FEATURE_STUDIES = ("overview", "hulls", "regions", "boundaries", "svm", "collapse")  # in this order
PIXEL_STUDIES = ("invert", "flips", "morph", "planes", "compare")
LAST_LAYER_STUDIES = ("retrain", "maps")
STUDIES = (*FEATURE_STUDIES, *PIXEL_STUDIES, *LAST_LAYER_STUDIES, "observations")


def extract_run(
    folder: Path,
    checkpoint: str,
    images: str,
    *,
    arch: str | None = None,
    pixels: PixelSpec | None = None,
    split: str = "both",
    classes: tuple[str, ...] = (),
    seed: int = 0,
    device: str = "cpu",
    progress: bool = False,
) -> Run:
    """Put the features of a checkpoint on an image source into a run folder, resuming what was begun.

    With ``classes``, the images of these classes alone, numbered in the order given.

    Raises what `load_classifier`, `load_splits` and `extract` raise, and BadData where the folder holds
    another run.
    """
    sets = {name: keep_classes(part, classes) for name, part in load_splits(images, split=split).items()}
    probe = next(iter(sets.values()))
    classifier = load_classifier(checkpoint, arch=arch, pixels=pixels, device=device, probe=probe.images)
    model = described_model(classifier, probe, checkpoint, arch)
    command = [checkpoint, images, *options(arch, pixels, split, classes, seed)]
    run = write_run(folder, model, described_images(images, sets, classes), seed, command)
    for name, image_set in sets.items():
        extract(classifier, image_set, device=device, store=run.folder / "features" / name, progress=progress)
    return run


def arrays_run(folder: Path, file: str, *, seed: int = 0) -> Run:
    """A run made of features, labels and head alone, from an .npz file (see `load_features`)."""
    path = Path(file).expanduser()
    found = {split or "all": load_features(path, split) for split in feature_splits(path)}
    first = next(iter(found.values()))
    model: dict[str, Any] = {
        "name": path.stem,
        "arch": None,
        "source": None,
        "residual": max(f.residual for f in found.values()),
    }
    model |= {"dimension": first.dimension, "classes": list(first.classes)}
    splits = {split: {"samples": len(part), "sha256": part.hash} for split, part in found.items()}
    data = {"source": None, "name": first.name, "splits": splits}
    run = write_run(folder, model, data, seed, [file, *options(seed=seed)])
    for split, part in found.items():
        save_features(part, run.folder / "features" / split)
    return run


def options(
    arch: str | None = None,
    pixels: PixelSpec | None = None,
    split: str = "both",
    classes: tuple[str, ...] = (),
    seed: int = 0,
) -> list[str]:
    """The options of the command line that differ from its defaults."""
    words = ["--arch", arch] if arch else []
    for name in ("shape", "mean", "std"):
        value = getattr(pixels, name, None)
        words += [f"--{name}", ",".join(str(number) for number in value)] if value else []
    words += ["--split", split] if split != "both" else []
    words += ["--classes", ",".join(classes)] if classes else []
    return words + (["--seed", str(seed)] if seed else [])


def described_model(
    classifier: Classifier, images: ImageSet, checkpoint: str, arch: str | None
) -> dict[str, Any]:
    """What run.json says of the network, and how to load it again from another folder."""
    path = Path(checkpoint).expanduser()
    source = {"path": str(path.resolve()) if path.exists() else checkpoint, "arch": arch}
    if arch and ".py:" in arch:
        file, function = arch.rsplit(":", 1)
        source["arch"] = f"{Path(file).expanduser().resolve()}:{function}"
    _, names = match_classes(classifier, images)  # the numbering that the stored labels have
    return classifier.to_json() | {
        "residual": classifier.residual,
        "source": source,
        "classes": list(names),
    }


def described_images(source: str, sets: dict[str, ImageSet], classes: tuple[str, ...]) -> dict[str, Any]:
    """What run.json says of the data."""
    name = next(iter(sets.values())).name
    splits = {split: {"samples": len(part), "sha256": part.hash} for split, part in sets.items()}
    described = {"source": absolute_source(source), "name": name, "splits": splits}
    return described | ({"classes": list(classes)} if classes else {})


def analyze(
    run: Run,
    studies: tuple[str, ...] = ("overview",),
    device: str = "cpu",
    progress: bool = False,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Iterator[Record]:
    """Run studies one after the other, with ``options`` of theirs; each is stored before it is yielded.

    ``options`` are a study's own, by its name.

    Raises BadArgument for a name that is none of `STUDIES`, before any of them runs.
    """
    for name in studies:
        if name not in STUDIES:
            raise BadArgument(f"unknown study '{name}'{nearest_name(name, list(STUDIES))}")
    for name in studies:
        started = time.perf_counter()
        room = "papers" if name == "observations" else "studies"
        record = importlib.import_module(f"featgeom.{room}.{name}").study(
            run, device=device, progress=progress, **(options or {}).get(name, {})
        )
        record = replace(record, seconds=time.perf_counter() - started)
        run.save(record)
        yield record
