"""`featgeom inspect`: what a checkpoint holds."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from featgeom_cli.common import Console, featgeom_command, network_options
from featgeom_cli.extract import class_map_option, pixel_spec

if TYPE_CHECKING:
    from featgeom.models.matching import Facts

EXAMPLE = """
featgeom inspect digits
featgeom inspect net.pth --arch cifar_resnet20 --images cifar10:DIR
"""


@featgeom_command(EXAMPLE)
@click.argument("checkpoint")
@click.option(
    "--images", help="A source of real images for the self-check; without it, seeded noise is used."
)
@class_map_option
@network_options
def inspect(
    console: Console,
    checkpoint: str,
    images: str | None,
    class_map: str | None,
    arch: str | None,
    **pixel_options: Any,
) -> None:
    """Tell what CHECKPOINT holds: architecture, pixel space, head, self-check W·φ(x) + b = logits.

    With --images also which class of the network each class of the images is.
    """
    from featgeom.data.sources import load_splits
    from featgeom.features.matching import match_classes
    from featgeom.models.matching import UnknownArchitecture
    from featgeom.models.sources import load_classifier
    from featgeom.results import shortened

    loaded: list[Any] = []

    def load(space: Any) -> Any:
        loaded.append(next(reversed(load_splits(images or "", preprocess=space.preprocess).values())))
        return loaded[-1]

    probe = None if images is None else load
    spec = pixel_spec(**pixel_options)
    try:
        classifier = load_classifier(checkpoint, arch=arch, pixels=spec, probe=probe)
    except UnknownArchitecture as unknown:
        _bare(console, checkpoint, unknown.facts)
        return
    for image_set in loaded[-1:]:
        match_classes(classifier, image_set, class_map)
    check = classifier.check
    described = classifier.to_json() | {
        "residual": check.residual,
        "spread": check.spread,
        "disagreements": check.disagreements,
        "notes": list(classifier.notes),
    }
    way = classifier.pixels.preprocess
    rows = {
        "network": f"{classifier.name} ({classifier.arch})",
        "images": classifier.pixels.describe(),
        "pictures": "are taken as they are" if way is None else f"are {way.describe()}",
        "features": f"{classifier.head.dimension:,}, read at {classifier.tap.describe()}",
        "classes": f"{classifier.head.classes:,}: {shortened(classifier.classes)}",
        "self-check": f"{check.describe()}, on {images or 'seeded noise'}",
        "weights": f"sha256 {classifier.weights_hash}",
    }
    console.result("\n".join(f"{key:<11}{value}" for key, value in rows.items()), described)


def _bare(console: Console, checkpoint: str, facts: Facts) -> None:
    """What weights without an architecture tell of themselves."""
    lines = [f"weights    {facts.describe()}", "network    not named: try"]
    lines += [f"  featgeom inspect {checkpoint} {line}" for line in facts.advice().split("; ")]
    console.result("\n".join(lines), asdict(facts))


command = inspect
