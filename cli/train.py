"""`featgeom train`: reference networks by recipe, with a series of checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from featgeom_cli.common import Console, device_option, featgeom_command, out_option, seed_option

EXAMPLE = """
featgeom train --list
featgeom train digits -o digits-run
featgeom train digits -o two-digits --classes 3,8 --steps 5000 --optimiser adam --rate 0.001
featgeom train simulated_moons -o wide --network features=8,activation=tanh
featgeom train digits -o new-head --head-of digits-run/step-00002000.safetensors --optimiser gd --batch 0
"""


@featgeom_command(EXAMPLE)
@click.argument("recipe", required=False)
@out_option
@click.option("--list", "listed", is_flag=True, help="Name every recipe and leave.")
@click.option("--full", is_flag=True, help="The first paper's own size, which can take days.")
@click.option("--images", help="Another source of images, such as cifar10:DIR.")
@click.option("--classes", help="A subset of the classes, as NAME,NAME,...")
@click.option("--network", help="Options of the network, as KEY=VALUE,...: features, activation, width, ...")
@click.option("--head-of", help="Keep the rest of this checkpoint; train its last layer alone, from anew.")
@click.option("--loss", help="Another loss.")
@click.option("--optimiser", help="Another optimiser.")
@click.option("--rate", type=float, help="Another learning rate.")
@click.option("--batch", type=int, help="Samples a step sees; 0 for all.")
@click.option("--steps", type=int, help="Another number of steps.")
@click.option("--per-decade", type=int, help="Checkpoints for every factor 10 in steps.")
@device_option
@seed_option
def train(
    console: Console,
    recipe: str | None,
    out: Path | None,
    listed: bool,
    full: bool,
    network: str | None,
    device: str,
    seed: int,
    **changes: Any,
) -> None:
    """Train the network of RECIPE and write a series of checkpoints, equally spaced in log t.

    Interrupted, it carries on where it stopped and ends with the same bytes as an undisturbed training.
    """
    from featgeom.training.recipes import RECIPES, find_recipe

    if listed:
        width = max(map(len, RECIPES))
        lines = [f"{name:<{width}}  {known.summary}" for name, known in RECIPES.items()]
        console.result("\n".join(lines), {name: known.to_json() for name, known in RECIPES.items()})
        return
    if recipe is None:
        raise click.UsageError("missing argument 'RECIPE'; --list names them")
    from featgeom.training.loop import train as run_training

    overrides = {key: value for key, value in changes.items() if value is not None}
    if "classes" in overrides:
        overrides["classes"] = tuple(overrides["classes"].split(","))
    if network:
        overrides["options"] = find_recipe(recipe, full).options | key_values(network)
    if "head_of" in overrides:
        overrides["head_of"] = str(Path(overrides["head_of"]).expanduser().resolve())
    folder = out or Path("runs") / f"train-{recipe}"
    run = run_training(
        recipe, folder, seed=seed, progress=console.progress, full=full, device=device, **overrides
    )
    rows = [
        f"{r['step']:>9,.0f}  {r['loss']:>10.3g}  {r['train_accuracy']:>8.4f}  {r['test_accuracy']:>8.4f}"
        for r in run.history
    ]
    document = {
        "folder": str(run.folder),
        "recipe": run.recipe.to_json(),
        "seed": run.seed,
        "checkpoints": [str(checkpoint.path) for checkpoint in run.checkpoints],
        "history": list(run.history),
    }
    head = f"{'step':>9}  {'loss':>10}  {'train':>8}  {'test':>8}"
    console.result("\n".join([head, *rows, f"Last checkpoint: {run.last}"]), document)


def key_values(text: str) -> dict[str, int | str]:
    """KEY=VALUE,... with whole numbers as such."""
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(key and value for key, _, value in pairs):
        raise click.UsageError(f"--network: expected KEY=VALUE,..., got '{text}'")
    return {key: int(value) if value.isdecimal() else value for key, _, value in pairs}


command = train
