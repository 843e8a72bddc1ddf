"""From the name of a checkpoint to a Classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from torch import nn

from featgeom.arrays import as_numpy
from featgeom.errors import BadArgument, BadData
from featgeom.models.channels import channels_of, fit_channels
from featgeom.models.classifier import Classifier
from featgeom.models.find_head import FoundHead, Hints
from featgeom.models.opening import BUILTIN as BUILTIN
from featgeom.models.opening import Opening, built_in, open_source
from featgeom.models.pixel_spec import PixelSpec
from featgeom.models.probing import PROBES, probe_network
from featgeom.remarks import remark


def load_classifier(
    source: str | Path | nn.Module,
    arch: str | Opening | None = None,
    *,
    classes: Sequence[str] | None = None,
    pixels: PixelSpec | None = None,
    device: str = "cpu",
    probe: Any = None,
    key: str | None = None,
    arch_args: Mapping[str, Any] | None = None,
    trust_pickle: bool = False,
    logits: str | None = None,
) -> Classifier:
    """Load a trained network, find its head by running it, and check W·φ(x) + b = logits.

    ``source`` is a checkpoint file, of whatever name and nesting; a whole network written by torch.export
    (.pt2); the name of a built-in one; ``timm:NAME``, ``torchvision:NAME`` or ``hf:NAME`` (a published
    network, which that package fetches); or a torch module with its weights in it. ``arch`` is a built-in
    architecture, ``FILE.py:NAME``, ``timm:NAME`` or ``torchvision:NAME``, called with ``arch_args``;
    checkpoints that featgeom wrote do not need it. ``key`` says where in a file the weights are to be
    taken from, where several would fit ("ema"); ``trust_pickle`` lets a pickled network's own code run.
    ``pixels`` says what images it takes where its architecture does not. What was chosen and may
    surprise is said (see `featgeom.remarks`).
    ``probe`` are images (n, c, h, w) of pixel space on which the check is made, an `ImageSet` for example,
    whose labels then also tell which of several outputs are the logits, or a function that makes them once
    the pixel space is known; without them it is made on seeded noise within the bounds. ``logits`` says where
    in what the network returns its logits stand ("1", "aux.logits"), where that is not to be found out.

    Raises BadCheckpoint, BadArgument, BadData (images that do not fit), NoAffineHead, or Unsupported for a
    network whose logits depend on chance or on the other images of a batch.

    >>> import numpy as np
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 3))
    >>> clf = load_classifier(net, pixels=PixelSpec((1, 8, 8)))
    >>> clf.head.classes, clf.head.dimension, clf.residual < 1e-5
    (3, 5, True)
    >>> clf.features(np.zeros((2, 1, 8, 8), np.uint8)).shape
    (2, 5)
    """
    how = arch if isinstance(arch, Opening) else Opening(arch, key, arch_args, trust_pickle)
    network = open_source(source, how)
    module = network.module.eval()
    spec = pixels or network.pixels
    if spec.preprocess is None:
        spec = replace(spec, preprocess=network.pixels.preprocess)
    probe = probe(spec) if callable(probe) else probe
    images = None if probe is None else as_numpy(getattr(probe, "images", probe), "probe")[:PROBES]
    labels = probe.labels if getattr(probe, "labelled", False) else None
    asked = None if labels is None else len(probe.classes)
    expected = len(classes or network.classes or ()) or asked
    hints = Hints(expected, None if labels is None else labels[:PROBES], logits)
    spec, found = _probed(module, spec, images, network.name, hints)
    given = tuple(classes) if classes is not None else network.classes
    named = _class_names(given, found.head.classes)
    classifier = Classifier(
        module, spec, found, named, network.name, network.arch, network.fingerprint, network.files
    )
    for note in found.notes:
        remark(f"{network.name}: {note}")
    if not isinstance(source, nn.Module):
        classifier.source = _absolute(source, how.arch) | _given(key=how.key, arch_args=how.arch_args)
    return classifier if device == "cpu" else classifier.to(device)


def _probed(
    module: nn.Module, pixels: PixelSpec, images: NDArray[Any] | None, name: str, hints: Hints
) -> tuple[PixelSpec, FoundHead]:
    """Pixel space and head by images that may have another number of channels than the network takes."""
    try:
        return probe_network(module, pixels, images, name, hints)
    except BadData as refused:
        fitted = images if images is None else fit_channels(images, channels_of(module, pixels))
        if fitted is images:
            raise
        try:
            return probe_network(module, pixels, fitted, name, hints)
        except BadData:
            raise refused from None


def _given(**options: Any) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value}


def _absolute(source: str | Path, arch: str | None) -> dict[str, Any]:
    """What loads a network again from another folder."""
    path = Path(source).expanduser()
    if arch and ".py:" in arch:
        file, function = arch.rsplit(":", 1)
        arch = f"{Path(file).expanduser().resolve()}:{function}"
    there = path.exists() and not built_in(source)
    return {"path": str(path.resolve()) if there else str(source), "arch": arch}


def _class_names(given: Sequence[str] | None, count: int) -> tuple[str, ...]:
    if given is None:
        return tuple(str(index) for index in range(count))
    if len(given) != count:
        raise BadArgument(f"classes: {len(given)} names for a head of {count} classes")
    return tuple(str(name) for name in given)
