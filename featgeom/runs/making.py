"""Runs made: the features of a network on images, or arrays from anywhere, into a run folder."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
from torch import nn

from featgeom.data.given import as_image_set
from featgeom.data.images import ImageSet, keep_classes
from featgeom.data.sources import absolute_source, load_splits
from featgeom.data.words import written_names
from featgeom.errors import BadArgument, BadData, nearest_name
from featgeom.features.class_map import Given
from featgeom.features.doubt import doubt
from featgeom.features.extraction import extract, fit_images
from featgeom.features.features import feature_splits, load_features
from featgeom.features.manifest import MANIFEST, SHARD
from featgeom.features.matching import LEFT_OUT, Matching, match_classes
from featgeom.features.store import open_features, save_features
from featgeom.files import NAME, digest_of, json_bytes, parsed, read_json
from featgeom.locks import owned
from featgeom.models.classifier import Classifier
from featgeom.models.opening import Opening
from featgeom.models.own_files import as_recorded, changed
from featgeom.models.pixel_spec import PixelSpec
from featgeom.models.sources import load_classifier
from featgeom.options import checked_seed
from featgeom.preprocess import Way
from featgeom.remarks import caution, heard
from featgeom.runs.commit import HIDDEN, PATIENCE, carry_out, commit, index_or_none, register
from featgeom.runs.documents import FORMAT, RunSaid
from featgeom.runs.extracting import shared_extraction
from featgeom.runs.index import Recorded, damages
from featgeom.runs.record import plain
from featgeom.runs.run import RUN, Held, Run, describe_machine

Network = str | Path | nn.Module | Classifier
Images = Any  # a source, what `as_image_set` takes, or such by the name of their split


class Reading(TypedDict, total=False):
    """How checkpoint and images are to be read, where that is not as usual.

    ``arch`` and ``pixels`` are as in `load_classifier`; ``split`` "train", "test" or "both" says which part
    of the images. With ``classes``, the images of these classes alone, numbered in the order given where the
    network has as many. ``class_map`` says which class is which (see `match_classes`).
    """

    arch: str | Opening | None
    pixels: PixelSpec | None
    split: str
    classes: tuple[str, ...]
    class_map: Given | None


USUAL = Reading(arch=None, pixels=None, split="both", classes=(), class_map=None)


def complete(reading: Reading) -> Reading:
    """All of how to read, as usual where nothing is said. Raises BadArgument for words that mean nothing."""
    for word in reading.keys() - USUAL.keys():
        raise BadArgument(f"unknown argument '{word}'{nearest_name(word, list(USUAL))}")
    return USUAL | reading


def make_run(
    folder: Path,
    network: Network,
    images: Images | None = None,
    *,
    seed: int = 0,
    device: str = "cpu",
    progress: bool = False,
    **reading: Unpack[Reading],
) -> Run:
    """The run that ``network`` and ``images`` describe, with its features; what was begun is resumed.

    ``network`` is a source or an object (see `load_classifier`), or an .npz file of arrays (see
    `load_features`), which has no use for images. ``images`` is a source (see `load_images`), what
    `as_image_set` takes, or such by the name of their split. ``reading``: see `Reading`.

    Raises what `load_classifier`, `load_splits` and `extract` raise, BadArgument for what does not go
    together, and BadData where the folder holds another run.
    """
    how = complete(reading)
    classes = how["classes"]
    checked_seed(seed)
    _check_device(device)
    folder = Path(folder).expanduser()
    if isinstance(network, str | Path) and str(network).endswith(".npz"):
        if images is not None:
            raise BadArgument("features from an .npz file bring their labels; images have no use with them")
        _refuse_unused(how)
        return arrays_run(folder, network, seed=seed)
    if images is None:
        raise BadArgument(
            "IMAGES are missing: a source such as cifar10:DIR, mnist:DIR, folder:DIR or npz:FILE"
        )
    refuse_other_folders(folder)
    whole: dict[str, ImageSet] = {}

    def load(space: PixelSpec) -> ImageSet:
        whole.update(_splits(images, how["split"], space.preprocess))
        return next(iter(whole.values()))

    said: list[str] = []
    with heard(said.append):
        if isinstance(network, Classifier):
            classifier = network
            load(classifier.pixels)
        else:
            classifier = load_classifier(
                network, arch=how["arch"], pixels=how["pixels"], device=device, probe=load
            )
        classifier, matching = _matched(classifier, whole, classes, how["class_map"])
        sets = {name: matching.apply(fit_images(classifier, part)) for name, part in whole.items()}
    command = _command(network, images, how, seed)
    model = _described_model(classifier)
    data = _described_images(sets, classes, matching, classifier.pixels.preprocess)
    run = write_run(folder, model, data, seed, command, said)
    for name, image_set in sets.items():
        store, again = run.folder / "features" / name, features_are_damaged(run, name)
        found = extract(
            classifier, image_set, device=device, store=store, progress=progress, overwrite=again,
            compute=shared_extraction(run, name, device),
        )  # fmt: skip
        record_features(run, name)
        if found.labelled and (why := doubt(found.labels, found.predictions, found.head.classes)):
            caution(f"{image_set.name} {name}: {why}")
    return Run(run.folder, Held(classifier, sets))


def arrays_run(folder: Path, file: str | Path, *, seed: int = 0) -> Run:
    """A run made of features, labels and head alone, from an .npz file (see `load_features`)."""
    path = Path(file).expanduser()
    refuse_other_folders(folder)
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
    run = write_run(folder, model, data, seed, [str(file), *_options(USUAL, seed)])
    for split, part in found.items():
        save_features(part, run.folder / "features" / split, features_are_damaged(run, split))
        record_features(run, split)
    return run


def _matched(
    classifier: Classifier, sets: Mapping[str, ImageSet], kept: tuple[str, ...], given: Given | None
) -> tuple[Classifier, Matching]:
    """The classifier with the names of its classes, and which class is which, for the classes ``kept`` alone.

    They are the network's own, in the order named, where it has as many.
    """
    labelled = [part for part in sets.values() if part.labelled]
    if kept and not labelled:
        raise BadArgument("classes: the labels of these images are unknown")
    part = labelled[0] if labelled else next(iter(sets.values()))
    subset = keep_classes(part, kept)
    if kept and classifier.head.classes == len(kept):
        small = match_classes(classifier, subset, given)
        place = dict(zip(small.words, small.places.tolist(), strict=True))
        matching = replace(
            small, words=part.classes, places=np.array([place.get(word, LEFT_OUT) for word in part.classes])
        )
    else:
        matching = match_classes(classifier, part, given)
        if kept:
            chosen = np.isin(part.classes, kept)
            matching = replace(matching, places=np.where(chosen, matching.places, LEFT_OUT))
    return classifier.named(matching.classes), matching


def _splits(images: Images, split: str, preprocess: Way | None) -> Mapping[str, ImageSet]:
    if isinstance(images, str):
        return load_splits(images, split, preprocess)
    if isinstance(images, Mapping):
        sets = {name: as_image_set(part, name) for name, part in images.items()}
    else:
        found = as_image_set(images)
        sets = {found.split: found}
    for name in sets:
        if not re.fullmatch(NAME, str(name)):
            raise BadArgument(
                f"split '{name}': becomes the name of a folder; letters, digits, '.', '_' and '-'"
            )
    if not sets:
        raise BadArgument("images: no split is given")
    return sets


def _command(network: Network, images: Images, how: Reading, seed: int) -> list[str]:
    """The words that follow `featgeom analyze` to make this run again; none where objects were given."""
    said = isinstance(network, str | Path) and isinstance(images, str)
    if not said or not isinstance(how["class_map"], str | Path | None):
        return []
    return [str(network), str(images), *_options(how, seed)]


def _options(how: Reading, seed: int) -> list[str]:
    """The options of the command line that differ from its defaults."""
    arch, split, class_map = how["arch"], how["split"], how["class_map"]
    words = (arch if isinstance(arch, Opening) else Opening(arch)).words()
    for name in ("shape", "mean", "std"):
        value = getattr(how["pixels"], name, None)
        words += [f"--{name}", ",".join(str(number) for number in value)] if value else []
    words += ["--split", split] if split != "both" else []
    words += ["--classes", written_names(how["classes"])] if how["classes"] else []
    words += [] if class_map is None else ["--class-map", str(class_map)]
    return words + (["--seed", str(seed)] if seed else [])


def _described_model(classifier: Classifier) -> dict[str, Any]:
    """What run.json says of the network, and how to load it again from another folder."""
    return classifier.to_json() | {"residual": classifier.residual, "source": classifier.source}


def _described_images(
    sets: Mapping[str, ImageSet], classes: tuple[str, ...], matching: Matching, preprocess: Way | None
) -> dict[str, Any]:
    """What run.json says of the data, and how to bring what is read again to the network's classes."""
    first = next(iter(sets.values()))
    source = None if first.source is None else absolute_source(first.source)
    splits = {split: {"samples": len(part), "sha256": part.hash} for split, part in sets.items()}
    described: dict[str, Any] = {
        "source": source,
        "name": first.name,
        "splits": splits,
        "channels": first.shape[0],
    }
    described |= {"matched": matching.how, "mapping": matching.to_json()}
    if preprocess is not None and source is not None:
        described["preprocess"] = preprocess.to_json()
    return described | ({"classes": list(classes)} if classes else {})


def write_run(
    folder: Path,
    model: dict[str, Any],
    data: dict[str, Any],
    seed: int,
    command: list[str],
    said: Sequence[str] = (),
) -> Run:
    """Write run.json, or open the run that is there when it asks exactly the same.

    ``command`` holds the words that follow `featgeom analyze` to make this run again, if there are any, and
    ``said`` the remarks made on the way, which are kept. A damaged run.json is written again.
    Raises BadData where the folder holds another run, or something else.
    """
    stamp = {"versions": describe_machine(), "created": datetime.now(UTC).isoformat(timespec="seconds")}
    asked = plain({"format": FORMAT, "model": model, "data": data, "seed": seed})
    document = json_bytes(asked | stamp | {"command": command, "said": list(said)})
    parsed(document, RunSaid, folder / RUN)
    refuse_other_folders(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with owned(folder, PATIENCE):
        carry_out(folder)
        if is_run(folder):
            try:
                run = Run(folder)
            except BadData as error:
                caution(f"{error}; written again")
            else:
                if files := changed(run.asked["model"].get("arch_files"), model.get("arch_files")):
                    raise BadData(
                        f"{folder}: holds another run ({files[0]}, which its architecture imports, differs); "
                        "choose another folder with -o"
                    )
                asked["model"] = as_recorded(asked["model"], run.asked["model"])
                for key, value in asked.items():
                    if run.asked[key] != value:
                        raise BadData(
                            f"{folder}: holds another run (its {key} differs); choose another folder with -o"
                        )
                return run
        commit(folder, "run", {RUN: document})
    return Run(folder)


def refuse_other_folders(folder: Path) -> None:
    """Raise BadData where a folder holds something that is no run, or cannot be written to."""
    try:
        if folder.exists() and {file.name for file in folder.iterdir()} - HIDDEN and not is_run(folder):
            raise BadData(f"{folder}: is not empty and is no run folder; choose another folder with -o")
        there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    except OSError as error:
        raise BadData(f"{folder}: cannot be written to ({error.strerror})") from None
    if not os.access(there, os.W_OK | os.X_OK):
        raise BadData(f"{folder}: cannot be written to (no permission)")


def _refuse_unused(how: Reading) -> None:
    """Raise BadArgument for options that arrays have no use for."""
    for name, value in how.items():
        if value != USUAL[name]:  # type: ignore[literal-required]
            raise BadArgument(f"features from an .npz file have no use for --{name}; leave it out")


def _check_device(device: str) -> None:
    """Raise BadArgument for a device that this machine does not have."""
    import torch

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise BadArgument(f"device '{device}': {str(error).splitlines()[0]}") from None


def is_run(folder: Path) -> bool:
    """Whether a folder is a run, be it damaged: one of its two documents still says so."""
    if index_or_none(folder) is not None:
        return True
    try:
        return {"format", "model", "data"} <= set(read_json(folder / RUN))
    except BadData:
        return False


def features_are_damaged(run: Run, split: str) -> bool:
    """Whether the store of a split is not what was recorded of it, and has to be filled again."""
    index, part = index_or_none(run.folder), f"features/{split}"
    for line in damages(run.folder, index, part) if index and part in index.parts else ():
        caution(f"{line}: done")
        return True
    return False


def record_features(run: Run, split: str) -> None:
    """Take a finished store of features into the index of its run."""
    place = f"features/{split}"
    open_features(run.folder / place)
    files = {}
    for name in (MANIFEST, SHARD):
        path = run.folder / place / name
        files[f"{place}/{name}"] = Recorded(path.stat().st_size, digest_of(path))
    known = index_or_none(run.folder)
    if known is None or place not in known.parts or known.parts[place].files != files:
        register(run.folder, place, files)
