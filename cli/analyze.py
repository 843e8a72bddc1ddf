"""`featgeom analyze`: extraction, all standard studies, report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from featgeom.catalog import FEATURES, find_studies
from featgeom_cli.common import (
    Console,
    device_option,
    featgeom_command,
    network_options,
    out_option,
    seed_option,
)
from featgeom_cli.extract import class_map_option, classes_option, made_run, split_option

EXAMPLE = """
featgeom analyze                                  the built-in digits network
featgeom analyze net.pth cifar10:DIR --arch cifar_resnet20 -o RUN
featgeom analyze net.safetensors folder:DIR --arch models.py:my_net -o RUN
featgeom analyze timm:resnet50 folder:DIR@224 -o RUN
featgeom analyze features.npz -o RUN              arrays from anywhere
featgeom analyze digits --studies all             every study of feature space
"""


@featgeom_command(EXAMPLE)
@click.argument("checkpoint", default="digits")
@click.argument("images", required=False)
@out_option
@network_options
@split_option
@classes_option
@class_map_option
@click.option(
    "--studies",
    default="overview",
    show_default=True,
    help=f"Names separated by commas; all is {', '.join(study.name for study in FEATURES)}.",
)
@device_option
@seed_option
def analyze(console: Console, out: Path | None, studies: str, device: str, **options: Any) -> None:
    """Tell the shape of a network's last hidden layer: features, studies, a report.

    CHECKPOINT is a file (.pt .pth .th .safetensors .ts .pt2), the name of a built-in network, timm:NAME,
    torchvision:NAME or hf:NAME, or an .npz file with features, labels and head. IMAGES is a source such as
    digits, cifar10:DIR, mnist:DIR, folder:DIR, npz:FILE, torchvision:NAME:DIR or hf:NAME; pictures of
    different sizes are brought to one by @SIZE, as in folder:DIR@224. The run folder then holds features,
    results and report.html; a command that was interrupted carries on where it stopped.
    """
    from featgeom.analysis import make_studies, open_run

    find_studies(studies)  # what is wrong is said before anything is computed
    run = made_run(console, out, device=device, **options)
    records = []
    for record, new in make_studies(run, studies, device=device, progress=console.progress):
        records.append(record)
        console.note(f"{record.title}: {f'{record.seconds:.1f} s' if new else 'kept as stored'}")
    report = open_run(run.folder).report()
    text = "\n\n".join(record.to_text() for record in records)
    result = {record.study: record.to_json() for record in records}
    console.result(f"{text}\n\nReport: {report}", result, run.folder, report)


command = analyze
