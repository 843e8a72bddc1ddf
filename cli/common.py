"""What every command has: common options, and where its words go."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from featgeom.files import named
from featgeom.options import SEEDS
from featgeom.text import STEERING, visible


@dataclass(frozen=True)
class Console:
    """Where a command's words go: the result to standard output, everything else to standard error."""

    as_json: bool
    quiet: bool

    @property
    def progress(self) -> bool:
        """Whether to say how far things are: to all who did not ask for quiet."""
        return not self.quiet

    def note(self, text: str) -> None:
        """A remark for a person who watches."""
        if not self.quiet:
            click.echo(visible(text, lines=True), err=True)

    def result(self, text: str, result: Any, run: Any = None, report: Any = None) -> None:
        """The command's answer: the text, or with --json one document {run, report, result}.

        ``run`` and ``report`` are paths, where the command has them.
        """
        if self.as_json:
            from featgeom.runs.record import plain

            paths = {"run": run, "report": report}
            document = {name: None if path is None else str(path) for name, path in paths.items()}
            document["result"] = result
            plain_text = (sys.stdout.encoding or "ascii").lower().replace("-", "") != "utf8"
            text = json.dumps(plain(document), indent=1, ensure_ascii=plain_text, allow_nan=False)
            say(STEERING.sub(lambda found: _in_json(found.group()), text))
        else:
            say(visible(text, lines=True))


def _in_json(letter: str) -> str:
    """A steering character inside a JSON document; what it was laid out with stays."""
    return letter if letter == "\n" else f"\\u{ord(letter):04x}"


def featgeom_command(example: str) -> Callable[[Callable[..., Any]], click.Command]:
    """A click command named after its module, with the common options; the function gets a Console first."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        @wraps(function)
        def call(
            as_json: bool, quiet: bool, debug: bool, max_memory: str | None, memory: str | None,
            threads: int | None, workers: int | None, scheduler: str | None, **options: Any,
        ) -> Any:  # fmt: skip
            from featgeom.limits import set_max_memory, set_memory
            from featgeom.remarks import heard
            from featgeom.threads import set_threads
            from featgeom.workers import cluster

            if max_memory is not None:
                set_max_memory(max_memory)
            if memory is not None:
                set_memory(memory)
            set_threads(threads)
            from featgeom.progress import doing  # which brings numpy, and this its threads

            console = Console(as_json, quiet)
            going_on = doing(function.__name__, disable=quiet)
            with heard(console.note, alone=True), going_on, cluster(workers, scheduler):
                return function(console, **options)

        lines = "\n".join("  " + line for line in example.strip().splitlines())
        made = click.command(function.__name__, epilog=f"\b\nExample:\n{lines}")(call)
        made.params += [
            click.Option(["--json", "as_json"], is_flag=True, help="One JSON document on standard output."),
            click.Option(["--quiet"], is_flag=True, help="No remarks and no progress bars."),
            click.Option(
                ["--max-memory"],
                metavar="SIZE",
                help="The most that a file may ask for, such as 8G.  [default: this machine's memory]",
            ),
            click.Option(
                ["--memory"],
                metavar="SIZE",
                help="About how much to hold at a time, such as 2G.  [default: a quarter of the machine's]",
            ),
            click.Option(
                ["--threads"],
                metavar="N",
                type=click.IntRange(min=1),
                help="How many cores to use.  [default: those that the load of the machine leaves]",
            ),
            click.Option(
                ["--workers"],
                metavar="N",
                type=click.IntRange(min=1),
                help="Share the work among so many processes of this machine.",
            ),
            click.Option(
                ["--scheduler"],
                metavar="ADDRESS",
                help="Share it among the workers of a dask scheduler, as tcp://host:8786.",
            ),
            click.Option(["--debug"], is_flag=True, help="Show the traceback of an error."),
        ]
        return made

    return decorate


device_option = click.option(
    "--device", default="cpu", show_default=True, help="Where the heavy passes run: cpu, cuda, cuda:1, ..."
)
seed_option = click.option(
    "--seed",
    type=click.IntRange(0, SEEDS),
    default=0,
    show_default=True,
    help="Seed of everything random.",
)
trust_option = click.option(
    "--arch",
    metavar="FILE.py:FUNCTION",
    help="The code that builds the network of RUN, to be trusted where somebody else made the run.",
)


class UserPath(click.Path):
    """A path that a user types, in which ~ is the home folder wherever it stands after an option."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path, with the home folder written out."""
        return super().convert(os.path.expanduser(value), param, ctx)


run_argument = click.argument("run", type=UserPath())
out_option = click.option("-o", "--out", type=UserPath(file_okay=False), help="The folder to write.")


def say(text: str) -> None:
    """Write to standard output. Raises OSError that names it."""
    with named("standard output"):
        click.echo(text)


def numbers(text: str | None, kind: Callable[[str], Any], what: str) -> tuple[Any, ...] | None:
    """A comma-separated option value, such as 0.5,0.5,0.5."""
    if text is None:
        return None
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError:
        raise click.UsageError(f"{what}: expected numbers separated by commas, got '{text}'") from None


def network_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say how to read a checkpoint; those that say how to open it come as one, ``arch``."""

    @wraps(function)
    def call(
        *args: Any, arch: str | None, key: str | None, arch_args: str | None, trust_pickle: bool, **rest: Any
    ) -> Any:
        opening: Any = arch
        if key or arch_args or trust_pickle:
            from featgeom.models.architectures import parse_arguments
            from featgeom.models.opening import Opening

            opening = Opening(arch, key, parse_arguments(arch_args), trust_pickle)
        return function(*args, arch=opening, **rest)

    options = [
        click.option(
            "--arch",
            help="Architecture of weights: a built-in name, FILE.py:NAME, timm:NAME, torchvision:NAME.",
        ),
        click.option("--arch-args", help="Arguments of the architecture, as depth=20,width=4."),
        click.option("--key", help="Where in the file the weights are, if several fit: ema, student, ..."),
        click.option(
            "--trust-pickle",
            is_flag=True,
            help="Run the code that a pickled network names. Weights never need this.",
        ),
        click.option("--shape", help="Image shape the network takes, as C,H,W."),
        click.option(
            "--mean", help="Mean per channel that the network expects subtracted, in pixel space [0,1]."
        ),
        click.option("--std", help="Standard deviation per channel that it expects divided by."),
    ]
    decorated: Callable[..., Any] = call
    for option in reversed(options):
        decorated = option(decorated)
    return decorated
