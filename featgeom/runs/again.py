"""The network and the images of a run, loaded again from where run.json says they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featgeom.errors import BadArgument, BadData
from featgeom.files import digest_of
from featgeom.runs.index import remedy

if TYPE_CHECKING:
    from featgeom.data.images import ImageSet
    from featgeom.models.classifier import Classifier
    from featgeom.runs.run import Run

REMOTE = ("hf:", "timm:", "torchvision:")  # of networks; of images the first alone is fetched


def network_again(asked: dict[str, Any], folder: Path, arch: str | None, device: str) -> Classifier:
    """The network that a run was made with.

    Code of a file is run only if the user named that file, now as ``arch`` or when the run was made, and if
    it has not changed since. Raises BadData and BadArgument.
    """
    from featgeom.models.pixel_spec import PixelSpec
    from featgeom.models.sources import load_classifier

    model, source = asked["model"], asked["model"]["source"]
    if source is None:
        raise BadData(
            f"{folder}: says of no file that holds the network (made from features alone, or from a "
            "network in memory); questions that need it have no answer"
        )
    chosen = arch or source["arch"]
    if chosen and ".py:" in chosen:
        _require_trust(chosen, model, folder, arch is not None)
    elif arch and arch != source["arch"]:
        raise BadArgument(
            f"--arch {arch}: {folder} was made with {source['arch'] or 'no architecture named'}"
        )
    try:
        pixels = PixelSpec.from_json(model["pixels"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadData(f"{folder / 'run.json'}: damaged (pixels: {error})") from None
    classifier = load_classifier(
        source["path"],
        arch=chosen,
        classes=model["classes"],
        pixels=pixels,
        device=device,
        key=source.get("key"),
        arch_args=source.get("arch_args"),
        logits=(model.get("head") or {}).get("output"),
    )
    if classifier.weights_hash != model["weights_sha256"]:
        raise BadData(f"{source['path']}: has changed since {folder} was made")
    return classifier


def _require_trust(arch: str, model: dict[str, Any], folder: Path, named_now: bool) -> None:
    from featgeom.models.own_files import changed_since
    from featgeom.models.trust import was_named

    file = Path(arch.rpartition(":")[0]).expanduser()
    try:
        found = digest_of(file)
    except OSError as error:
        raise BadData(f"{file}: the architecture of {folder} cannot be read ({error.strerror})") from None
    mend = "make the run again, or restore the file"
    if found != model["arch_sha256"]:
        raise BadData(f"{file}: has changed since {folder} was made; {mend}")
    said = model.get("arch_files")  # None in runs of versions that did not record them
    if said is not None and (other := changed_since(file, said)):
        place = file.parent / other[0]
        raise BadData(f"{place}: {file} imports it, and it has changed since {folder} was made; {mend}")
    if not named_now and not was_named(file, found):
        raise BadArgument(
            f"{folder}: builds its network by code in {file}, which you have not named; read it and, if you "
            f"trust it, give --arch {arch} (in Python, arch= of open_run)"
        )


def images_again(asked: dict[str, Any], folder: Path, split: str, checked: bool = True) -> ImageSet:
    """The images of one part. Raises BadData where they have changed since, if that is to be ``checked``."""
    from featgeom.data.sources import load_images
    from featgeom.features.matching import matching_from
    from featgeom.models.channels import fit_channels
    from featgeom.preprocess import preprocess_from_json

    data = asked["data"]
    if data["source"] is None:
        raise BadData(
            f"{folder}: says of no source of its images (made from features alone, or from images in memory)"
        )
    try:
        images = load_images(data["source"], split, preprocess_from_json(data.get("preprocess")))
        if "mapping" in data:
            images = matching_from(data, tuple(asked["model"]["classes"])).apply(
                replace(images, images=fit_channels(images.images, data["channels"]))
            )
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise BadData(f"{folder / 'run.json'}: damaged (images: {error!r}); {remedy('run')}") from None
    if checked and images.hash != data["splits"][split]["sha256"]:
        raise BadData(f"{data['source']}: has changed since {folder} was made")
    return images


def fetched(asked: dict[str, Any]) -> tuple[bool, bool]:
    """Whether network and images may have to be asked of the internet, which a page never does."""
    source = asked["model"]["source"]
    network = source is not None and str(source["path"]).startswith(REMOTE)
    return network, str(asked["data"]["source"] or "").startswith(REMOTE[0])


def images_by_part(run: Run) -> dict[str, ImageSet | None]:
    """`images_of` every part: they are read, so a command asks for them once."""
    return {split: images_of(run, split) for split in run.splits}


def images_of(run: Run, split: str) -> ImageSet | None:
    """The images of a split, or None where the run has none, or they are gone or would have to be fetched."""
    if run.held is None and fetched(run.asked)[1]:
        return None
    try:
        return run.images(split)
    except BadData:
        return None
