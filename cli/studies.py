"""The commands of single studies, each made from its entry in the catalogue."""

from __future__ import annotations

from inspect import cleandoc
from pathlib import Path
from typing import Any

import click

from featgeom.catalog import Study
from featgeom.options import Count, OneOf, Option, Several, Switch
from featgeom_cli.common import Console, device_option, featgeom_command, run_argument, trust_option


def study_command(study: Study) -> click.Command:
    """`featgeom NAME RUN`: make one study, store it, renew the report, show the result."""

    def call(console: Console, run: Path, device: str, arch: str | None = None, **options: Any) -> None:
        from featgeom.analysis import open_run

        opened = open_run(run, arch)
        record = opened.study(study.name, device=device, progress=console.progress, **options)
        report = opened.report()
        text = f"{record.to_text()}\n\nReport: {report}"
        console.result(text, record.to_json(), opened.folder, report)

    call.__name__ = study.name
    call.__doc__ = f"{cleandoc(study.help)}\n\nThe result is stored in RUN, and RUN/report.html is renewed."
    if study.needs == "images":
        call = trust_option(call)
    for option in reversed(study.options):
        call = as_click(option)(call)
    lines = "\n".join(f"featgeom {study.name} {example}" for example in study.examples)
    return featgeom_command(lines)(run_argument(device_option(call)))


def as_click(option: Option) -> Any:
    """The option of the command line for an option of a study; ranges are checked by the study."""
    match option:
        case Count():
            words, kind = option.flag, dict[str, Any](type=int, show_default=True)
        case Switch():
            words, kind = f"{option.flag}/--{option.off or f'no-{option.name}'}", {"show_default": True}
        case OneOf():
            words, kind = option.flag, {"show_default": True, "metavar": "|".join(option.choices)}
        case Several():
            words, kind = option.flag, {"multiple": True, "metavar": option.metavar}
        case _:
            raise TypeError(f"no option of the command line for {type(option).__name__}")
    again = ""
    if isinstance(option, Several):
        again = f" May be given again.  [default: {', '.join(option.default) or 'none'}]"
    return click.option(words, option.name, default=option.default, help=option.help + again, **kind)
