"""Runs made: the features of a network on images, or arrays from anywhere, into a run folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from featgeom.data.images import ImageSet, keep_classes
from featgeom.data.sources import absolute_source, load_splits
from featgeom.errors import BadArgument
from featgeom.features.extraction import extract, match_classes
from featgeom.features.features import feature_splits, load_features
from featgeom.features.store import save_features
from featgeom.models.classifier import Classifier
from featgeom.models.pixel_spec import PixelSpec
from featgeom.models.sources import load_classifier
from featgeom.runs.run import Held, Run, write_run

Network = str | Path | nn.Module | Classifier
Images = str | ImageSet | Mapping[str, ImageSet]


def make_run(
    folder: Path,
    network: Network,
    images: Images | None = None,
    *,
    arch: str | None = None,
    pixels: PixelSpec | None = None,
    split: str = "both",
    classes: tuple[str, ...] = (),
    seed: int = 0,
    device: str = "cpu",
    progress: bool = False,
) -> Run:
    """The run that ``network`` and ``images`` describe, with its features; what was begun is resumed.

    ``network`` is a source or an object (see `load_classifier`), or an .npz file of arrays (see
    `load_features`), which has no use for images. ``images`` is a source (see `load_images`), an `ImageSet`,
    or sets by the name of their split. With ``classes``, the images of these classes alone, numbered in the
    order given.

    Raises what `load_classifier`, `load_splits` and `extract` raise, BadArgument for what does not go
    together, and BadData where the folder holds another run.
    """
    if isinstance(network, str | Path) and str(network).endswith(".npz"):
        if images is not None:
            raise BadArgument("features from an .npz file bring their labels; images have no use with them")
        return arrays_run(folder, network, seed=seed)
    if images is None:
        raise BadArgument(
            "IMAGES are missing: a source such as cifar10:DIR, mnist:DIR, folder:DIR or npz:FILE"
        )
    sets = {name: keep_classes(part, classes) for name, part in _splits(images, split).items()}
    probe = next(iter(sets.values()))
    classifier = (
        network
        if isinstance(network, Classifier)
        else load_classifier(network, arch=arch, pixels=pixels, device=device, probe=probe.images)
    )
    command = _command(network, images, arch, pixels, split, classes, seed)
    model, data = _described_model(classifier, probe), _described_images(sets, classes)
    run = write_run(folder, model, data, seed, command)
    for name, image_set in sets.items():
        extract(classifier, image_set, device=device, store=run.folder / "features" / name, progress=progress)
    return Run(run.folder, Held(classifier, sets))


def arrays_run(folder: Path, file: str | Path, *, seed: int = 0) -> Run:
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
    run = write_run(folder, model, data, seed, [str(file), *_options(seed=seed)])
    for split, part in found.items():
        save_features(part, run.folder / "features" / split)
    return run


def _splits(images: Images, split: str) -> Mapping[str, ImageSet]:
    if isinstance(images, str):
        return load_splits(images, split=split)
    return {images.split: images} if isinstance(images, ImageSet) else images


def _command(
    network: Network,
    images: Images,
    arch: str | None,
    pixels: PixelSpec | None,
    split: str,
    classes: tuple[str, ...],
    seed: int,
) -> list[str]:
    """The words that follow `featgeom analyze` to make this run again; none where objects were given."""
    if not (isinstance(network, str | Path) and isinstance(images, str)):
        return []
    return [str(network), images, *_options(arch, pixels, split, classes, seed)]


def _options(
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


def _described_model(classifier: Classifier, images: ImageSet) -> dict[str, Any]:
    """What run.json says of the network, and how to load it again from another folder."""
    _, names = match_classes(classifier, images)  # the numbering that the stored labels have
    return classifier.to_json() | {
        "residual": classifier.residual,
        "source": classifier.source,
        "classes": list(names),
    }


def _described_images(sets: Mapping[str, ImageSet], classes: tuple[str, ...]) -> dict[str, Any]:
    """What run.json says of the data."""
    first = next(iter(sets.values()))
    source = None if first.source is None else absolute_source(first.source)
    splits = {split: {"samples": len(part), "sha256": part.hash} for split, part in sets.items()}
    described = {"source": source, "name": first.name, "splits": splits}
    return described | ({"classes": list(classes)} if classes else {})
