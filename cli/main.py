"""The command `featgeom`: finds the sub-command, and turns every error into one line and a status."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from featgeom.catalog import STUDIES as CATALOGUE
from featgeom.errors import FeatgeomError, nearest_name

BEFORE, AFTER = (
    ("analyze", "inspect", "train", "extract"),
    ("trajectory", "reproduce", "view", "report", "verify"),
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
    except BrokenPipeError:
        sys.stderr.close()
        return 141
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


def complain(message: str) -> int:
    """One line on standard error; the status of wrong use."""
    click.echo("featgeom: " + " ".join(message.split()), err=True)
    return 2
