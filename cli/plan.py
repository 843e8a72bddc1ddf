"""`featgeom plan`: what an analysis will take, before it is begun."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from featgeom_cli.common import Console, featgeom_command

EXAMPLE = """
featgeom plan --samples 1280000 --questions 50000 --dimension 2048 --classes 1000
featgeom plan RUN
featgeom plan net.pth cifar10:DIR --arch cifar_resnet20
"""


@featgeom_command(EXAMPLE)
@click.argument("what", required=False)
@click.argument("images", required=False)
@click.option(
    "--samples", type=click.IntRange(1), help="Samples that hulls are made of: the training images."
)
@click.option("--questions", type=click.IntRange(0), help="Samples that are asked about: the test images.")
@click.option("--dimension", type=click.IntRange(1), help="Dimensions of feature space.")
@click.option("--classes", type=click.IntRange(2), help="How many classes there are.")
@click.option("--arch", help="Architecture of weights, as for analyze.")
def plan(
    console: Console, what: str | None, images: str | None, arch: str | None, **numbers: int | None
) -> None:
    """Predict the time and the memory of every study.

    WHAT is a run, or a checkpoint, which is tried on the first of IMAGES, a source as for analyze. Without it
    all four numbers are needed; with it those given replace what it says. The prices are fitted to measured
    runs and scaled by the speed of this machine.
    """
    from featgeom.errors import BadArgument
    from featgeom.planning import plan as planning
    from featgeom.planning.costs import Size

    if arch is not None and images is None:
        raise BadArgument("plan: --arch says how to read a checkpoint, which goes with IMAGES")
    each, known = None, dict[str, Any]()
    if what is not None and images is not None:
        size, each = planning.size_of_network(what, images, arch)
        known = dict(vars(size))
    elif what is not None:
        known = dict(vars(planning.size_of_run(Path(what))))
    known |= {name: value for name, value in numbers.items() if value is not None}
    if missing := [f"--{name}" for name in Size.__dataclass_fields__ if name not in known]:
        raise BadArgument(f"plan: name a run, or give {', '.join(missing)} as well")
    found = planning.plan(Size(**known), each)
    console.result(found.to_text(), found.to_json())


command = plan
