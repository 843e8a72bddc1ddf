"""`featgeom explain`: one image, what the network says of it, and how far that carries."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from featgeom_cli.common import (
    Console,
    UserPath,
    device_option,
    featgeom_command,
    run_argument,
    trust_option,
)

EXAMPLE = """
featgeom explain RUN picture.png --flip
featgeom explain RUN test:123 test:200-204 -o explained.html
"""


@featgeom_command(EXAMPLE)
@run_argument
@click.argument("images", nargs=-1, required=True)
@click.option("--flip", is_flag=True, help="Also look for the closest image at which the class changes.")
@click.option("-o", "--out", type=UserPath(dir_okay=False), help="The page.  [default: RUN/explain.html]")
@trust_option
@device_option
def explain(
    console: Console, run: Path, images: tuple[str, ...], flip: bool, out: Path | None, arch: str | None,
    device: str,
) -> None:  # fmt: skip
    """Explain IMAGES: class, nearest boundary, place beside the training images of the class.

    IMAGES are files, folders, sources such as cifar10:DIR, samples of the run (test:123) or -, for names on
    standard input; 100 at most. Says whether the image lies in the guaranteed region of its class, how far
    outside ordinary images do, and which few training images mix to the nearest point of it. Writes one page
    with the pictures. What is marked certified was checked in exact arithmetic by its own claim.
    """
    from featgeom.analysis import open_run
    from featgeom.answers.explain_page import explain_page
    from featgeom.answers.explained_words import to_text
    from featgeom.answers.explaining import explain as explained_images
    from featgeom.files import write_whole

    opened = open_run(run, arch=arch)
    lines = sys.stdin if "-" in images else ()
    found = explained_images(opened, list(images), flip, device, lines)
    page = out or run / "explain.html"
    write_whole(page, explain_page(opened, found).encode())
    text = "\n\n".join(to_text(one, opened) for one in found)
    console.result(f"{text}\n\n{page}", [one.to_json() for one in found], run, page)


command = explain
