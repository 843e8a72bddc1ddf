"""`featgeom inspect`: what a checkpoint holds."""

from __future__ import annotations

from typing import Any

import click

from featgeom_cli.common import Console, featgeom_command, network_options
from featgeom_cli.extract import pixel_spec

EXAMPLE = """
featgeom inspect digits
featgeom inspect net.pth --arch cifar_resnet20 --images cifar10:DIR
"""


@featgeom_command(EXAMPLE)
@click.argument("checkpoint")
@click.option(
    "--images", help="A source of real images for the self-check; without it, seeded noise is used."
)
@network_options
def inspect(
    console: Console, checkpoint: str, images: str | None, arch: str | None, **pixel_options: Any
) -> None:
    """Tell what CHECKPOINT holds: architecture, pixel space, head, self-check W·φ(x) + b = logits."""
    from featgeom.data.sources import load_splits
    from featgeom.models.sources import load_classifier
    from featgeom.results import shortened

    probe = None if images is None else next(reversed(load_splits(images).values()))
    spec = pixel_spec(**pixel_options)
    classifier = load_classifier(checkpoint, arch=arch, pixels=spec, probe=probe)
    described = classifier.to_json() | {"residual": classifier.residual}
    rows = {
        "network": f"{classifier.name} ({classifier.arch})",
        "images": classifier.pixels.describe(),
        "features": f"{classifier.head.dimension:,}, read at {classifier.tap.describe()}",
        "classes": f"{classifier.head.classes:,}: {shortened(classifier.classes)}",
        "self-check": f"|W·φ(x) + b − logits| ≤ {classifier.residual:.2g} on {images or 'seeded noise'}",
        "weights": f"sha256 {classifier.weights_hash}",
    }
    console.result("\n".join(f"{key:<11}{value}" for key, value in rows.items()), described)


command = inspect
