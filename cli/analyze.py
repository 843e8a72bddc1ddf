"""`featgeom analyze`: extraction, all standard studies, report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from featgeom_cli.common import (
    Console,
    device_option,
    featgeom_command,
    network_options,
    out_option,
    seed_option,
)
from featgeom_cli.extract import classes_option, made_run, split_option

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
@click.option(
    "--studies",
    default="overview",
    show_default=True,
    help="Names separated by commas, or all: overview, hulls, regions, boundaries, svm, collapse.",
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
    from featgeom.analysis import FEATURE_STUDIES
    from featgeom.analysis import analyze as run_studies
    from featgeom.report.page import write_report

    names = FEATURE_STUDIES if studies == "all" else tuple(studies.split(","))
    run = made_run(console, out, device=device, **options)
    records = []
    for record in run_studies(run, names, device=device, progress=console.progress):
        records.append(record)
        console.note(f"{record.title}: {record.seconds:.1f} s")
    report = write_report(run)
    document = {"run": str(run.folder), "report": str(report), "results": [r.to_json() for r in records]}
    text = "\n\n".join(record.to_text() for record in records)
    console.result(document, f"{text}\n\nReport: {report}")


command = analyze
