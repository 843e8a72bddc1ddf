"""What every command has: common options, and where its words go."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click


@dataclass(frozen=True)
class Console:
    """Where a command's words go: the result to standard output, everything else to standard error."""

    as_json: bool
    quiet: bool

    @property
    def progress(self) -> bool:
        """Whether to show progress bars: to a person at a terminal who did not ask for quiet."""
        return not self.quiet and sys.stderr.isatty()

    def note(self, text: str) -> None:
        """A remark for a person who watches."""
        if not self.quiet:
            click.echo(text, err=True)

    def result(self, text: str, result: Any, run: Any = None, report: Any = None) -> None:
        """The command's answer: the text, or with --json one document {run, report, result}.

        ``run`` and ``report`` are paths, where the command has them.
        """
        if self.as_json:
            from featgeom.runs.record import plain

            paths = {"run": run, "report": report}
            document = {name: None if path is None else str(path) for name, path in paths.items()}
            document["result"] = result
            click.echo(json.dumps(plain(document), indent=1, ensure_ascii=False, allow_nan=False))
        else:
            click.echo(text)


def featgeom_command(example: str) -> Callable[[Callable[..., Any]], click.Command]:
    """A click command named after its module, with the common options; the function gets a Console first."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        @wraps(function)
        def call(as_json: bool, quiet: bool, debug: bool, **options: Any) -> Any:
            return function(Console(as_json, quiet), **options)

        lines = "\n".join("  " + line for line in example.strip().splitlines())
        made = click.command(function.__name__, epilog=f"\b\nExample:\n{lines}")(call)
        made.params += [
            click.Option(["--json", "as_json"], is_flag=True, help="One JSON document on standard output."),
            click.Option(["--quiet"], is_flag=True, help="No remarks and no progress bars."),
            click.Option(["--debug"], is_flag=True, help="Show the traceback of an error."),
        ]
        return made

    return decorate


device_option = click.option(
    "--device", default="cpu", show_default=True, help="Where the heavy passes run: cpu, cuda, cuda:1, ..."
)
seed_option = click.option("--seed", default=0, show_default=True, help="Seed of everything random.")
run_argument = click.argument("run", type=click.Path(path_type=Path))
out_option = click.option(
    "-o", "--out", type=click.Path(path_type=Path, file_okay=False), help="The folder to write."
)


def numbers(text: str | None, kind: Callable[[str], Any], what: str) -> tuple[Any, ...] | None:
    """A comma-separated option value, such as 0.5,0.5,0.5."""
    if text is None:
        return None
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError:
        raise click.UsageError(f"{what}: expected numbers separated by commas, got '{text}'") from None


def network_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say how to read a checkpoint."""
    options = [
        click.option(
            "--arch",
            help="Architecture of weights: a built-in name, FILE.py:FUNCTION, timm:NAME, torchvision:NAME.",
        ),
        click.option("--shape", help="Image shape the network takes, as C,H,W."),
        click.option(
            "--mean", help="Mean per channel that the network expects subtracted, in pixel space [0,1]."
        ),
        click.option("--std", help="Standard deviation per channel that it expects divided by."),
    ]
    for option in reversed(options):
        function = option(function)
    return function
