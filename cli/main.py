"""The command `featgeom`: finds the sub-command, and turns every error into one line and a status."""

from __future__ import annotations

import errno
import importlib
import logging
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from featgeom.catalog import STUDIES as CATALOGUE
from featgeom.errors import FeatgeomError, nearest_name
from featgeom.text import visible
from featgeom_cli.streams import given_streams, let_go, survive_any_encoding

BEFORE, AFTER = (
    ("plan", "analyze", "inspect", "train", "extract"),
    (
        "trajectory",
        "reproduce",
        "view",
        "report",
        "verify",
        "check",
        "explain",
        "guard",
        "suspects",
        "networks",
        "export",
    ),
)
STUDIES = {name: study for name, study in CATALOGUE.items() if study.study}
COMMANDS = (*BEFORE, *STUDIES, *AFTER)

EXAMPLES = """\
\b
Examples:
  featgeom analyze                              the built-in digits network
  featgeom analyze net.pth cifar10:DIR --arch cifar_resnet20 -o RUN
  featgeom regions RUN
  featgeom view RUN --html view.html
  featgeom verify RUN
  featgeom report RUN
"""


class Commands(click.Group):
    """Sub-commands for the studies of the catalogue, and in modules of their own name, made when needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> Any:
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        if cmd_name in STUDIES:
            return importlib.import_module("featgeom_cli.studies").study_command(STUDIES[cmd_name])
        return importlib.import_module(f"featgeom_cli.{cmd_name}").command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Like click's, with the nearest known name where the name is unknown."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"unknown command '{args[0]}'{nearest_name(args[0], list(COMMANDS))}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, epilog=EXAMPLES)
@click.version_option(package_name="featgeom", message="featgeom %(version)s")
def featgeom() -> None:
    """The exact shape of a trained image classifier's last hidden layer.

    Exit status: 0 done, 1 the answer is no (a refuted certificate, say), 2 wrong use or bad input.
    """


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    survive_any_encoding()
    logging.getLogger("matplotlib").addHandler(logging.NullHandler())  # it warns of a home that is missing
    if not given_streams():
        sys.exit(complain("standard output is closed; redirect it to a file or to /dev/null"))
    sys.exit(run(arguments))


def run(arguments: list[str]) -> int:
    """Run one command; the status to leave with."""
    try:
        status = featgeom.main(arguments, prog_name="featgeom", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 2
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "featgeom"
        return complain(f"{error.format_message().rstrip('.')} (see {path} --help)")
    except click.ClickException as error:
        return complain(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        complain("interrupted; what was finished is kept, and the same command carries on from there")
        return 130
    except (BrokenPipeError, SystemExit):  # which click makes of the former
        let_go()
        return complain("whoever read the output left before its end")
    except MemoryError:
        return complain("there is not enough memory for this")
    except OSError as error:
        if "--debug" in arguments:
            raise
        return complain(said_of(error))
    except FeatgeomError as error:
        if "--debug" in arguments:
            raise
        return complain(str(error))
    except Exception as error:
        if "--debug" in arguments:
            raise
        return complain(
            f"internal error, {type(error).__name__}: {error} (--debug shows where; please report it)"
        )
    return status if isinstance(status, int) else 0


def said_of(error: OSError) -> str:
    """What the operating system refused, and of which file, in a line."""
    files = [str(name) for name in (error.filename, error.filename2) if name is not None]
    remedies = {
        errno.ENOSPC: "make room and give the same command again; what was finished is kept",
        errno.EDQUOT: "make room and give the same command again; what was finished is kept",
        errno.EMFILE: "raise the limit of open files (ulimit -n 1024)",
        errno.EFBIG: "raise the limit of the size of files (ulimit -f unlimited)",
    }
    if not files:  # libraries that are loaded want a place for temporary files
        remedies[errno.ENOENT] = (
            "make room there, raise the limit of the size of files (ulimit -f), or set TMPDIR"
        )
    words = [*files[:1], error.strerror or str(error) or type(error).__name__]
    return "; ".join([": ".join(words), *filter(None, [remedies.get(error.errno or 0)])])


def complain(message: str) -> int:
    """One line on standard error, where that can be written to; the status of wrong use."""
    try:
        click.echo("featgeom: " + visible(" ".join(message.split())), err=True)
    except OSError:
        let_go()
    return 2
