"""`featgeom extract`: features of images, to disk."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from featgeom_cli.common import (
    Console,
    device_option,
    featgeom_command,
    network_options,
    numbers,
    out_option,
    seed_option,
)

if TYPE_CHECKING:
    from featgeom.models.pixel_spec import PixelSpec
    from featgeom.runs.run import Run

EXAMPLE = "featgeom extract net.pth cifar10:DIR --arch cifar_resnet20 -o RUN"

split_option = click.option(
    "--split",
    type=click.Choice(["train", "test", "both"]),
    default="both",
    show_default=True,
    help="Which part of the images; with both, hulls come from train and questions from test.",
)


classes_option = click.option(
    "--classes", help='A subset of the images\' classes, as NAME,NAME,... or "NAME, WITH COMMA",NAME,...'
)
class_map_option = click.option(
    "--class-map",
    help="Which class is which: a file of NAME,CLASS lines, of the network's class names, or JSON.",
)


@featgeom_command(EXAMPLE)
@click.argument("checkpoint")
@click.argument("images", required=False)
@out_option
@network_options
@split_option
@classes_option
@class_map_option
@device_option
@seed_option
def extract(console: Console, out: Path | None, device: str, **options: Any) -> None:
    """Compute the features of IMAGES by the network in CHECKPOINT and store them in a run folder.

    Interrupted, it carries on where it stopped, with the same bytes as an undisturbed run.
    """
    run = made_run(console, out, device=device, **options)
    splits = {split: len(run.features(split)) for split in run.splits}
    model = run.asked["model"]
    lines = [f"{split}: {n:,} × {model['dimension']:,} features" for split, n in splits.items()]
    text = "\n".join([*lines, f"Run: {run.folder}"])
    console.result(text, {"model": model, "samples": splits}, run.folder)


def made_run(
    console: Console,
    out: Path | None,
    *,
    checkpoint: str,
    images: str | None,
    device: str,
    seed: int,
    **words: Any,
) -> Run:
    """The run that the options of `extract` and `analyze` describe, with its features."""
    from featgeom.data.words import read_names
    from featgeom.runs.making import make_run

    pixels = pixel_spec(words.pop("shape"), words.pop("mean"), words.pop("std"))
    kept = read_names(words.pop("classes"))
    run = make_run(
        out or Path("runs") / _run_name(checkpoint),
        checkpoint,
        "digits" if images is None and checkpoint == "digits" else images,
        seed=seed,
        device=device,
        progress=console.progress,
        pixels=pixels,
        classes=kept,
        **words,
    )
    console.note(f"{run.asked['model']['name']} on {run.asked['data']['name']}: features are in {run.folder}")
    return run


def _run_name(checkpoint: str) -> str:
    """The name of a checkpoint without folder and ending; timm:NAME gives timm-NAME."""
    path = Path(checkpoint)
    published = ":" in checkpoint and not path.exists()
    return re.sub(r"[^\w.-]+", "-", checkpoint) if published else path.stem


def pixel_spec(shape: str | None, mean: str | None, std: str | None) -> PixelSpec | None:
    """The pixel space given by options; None where none of them is given."""
    if shape is None and mean is None and std is None:
        return None
    from featgeom.models.pixel_spec import PixelSpec

    return PixelSpec(
        shape=numbers(shape, int, "--shape"),
        mean=numbers(mean, float, "--mean"),
        std=numbers(std, float, "--std"),
    )


command = extract
