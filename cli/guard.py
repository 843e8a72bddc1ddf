"""`featgeom guard`: an alarm for images unlike the training images, at a rate that is promised."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from featgeom.answers.score_names import SCORES
from featgeom_cli.common import (
    Console,
    UserPath,
    device_option,
    featgeom_command,
    run_argument,
    trust_option,
)

EXAMPLE = """
featgeom guard RUN --false-alarm 0.01            fit and calibrate: RUN/guard.npz
featgeom guard RUN new_images/ -o scores.csv     a row an image
find new_images -name "*.jpg" | featgeom guard RUN - -o scores.parquet
"""


@featgeom_command(EXAMPLE)
@run_argument
@click.argument("images", nargs=-1)
@click.option(
    "--false-alarm",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="The probability that an ordinary image raises an alarm, at most.  [default: 0.05, or the stored "
    "guard's]",
)
@click.option(
    "--score",
    type=click.Choice(SCORES),
    help="What is foreign: far from the class's training features, near a boundary, of low logits, the rarer "
    "of hull and energy, or hull, energy, Mahalanobis distance and length together.  [default: hull, or the "
    "stored guard's]",
)
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    help="The share of the test part that calibrates, drawn with the run's seed.  [default: 0.5, 0.1 where "
    "it has one part, or the stored guard's]",
)
@click.option(
    "-o", "--out", type=UserPath(dir_okay=False), help="The file to write: .csv, .jsonl or .parquet."
)
@trust_option
@device_option
def guard(
    console: Console, run: Path, images: tuple[str, ...], false_alarm: float | None, score: str | None,
    share: float | None, out: Path | None, arch: str | None, device: str,
) -> int:  # fmt: skip
    """Fit a guard to RUN and calibrate it, or score IMAGES with it: prediction, score, p-value, alarm.

    IMAGES are files, folders, sources such as cifar10:DIR, samples of the run (test, test:123) or -, for
    names on standard input. An ordinary image, one drawn like those of the test part that calibrate, raises
    an alarm with a probability of at most --false-alarm, whichever score is taken; that is on average over
    draws of the calibration images, so with those drawn now the share may be a little more or less. A run
    keeps its guard: what is not asked for stays as it was asked for last. Without -o the rows go to standard
    output as CSV. Stopped, the same command carries on. The exit status is 1 where an image is not readable.
    """
    from featgeom.analysis import open_run
    from featgeom.answers.calibrating import FILE, described, guard_of
    from featgeom.answers.rows import as_csv, writer_for
    from featgeom.answers.stream import COLUMNS, KINDS, Watch, write_scores

    if out and not images:
        raise click.UsageError(f"-o takes the scores of IMAGES; the guard itself is always {FILE} in RUN")
    if out:
        writer_for(out, KINDS)  # which refuses other endings before anything is done
    opened = open_run(run, arch=arch)
    found = guard_of(opened, false_alarm, score, share, device)
    if not images:
        console.result(f"{described(found)}\nWritten: {run / FILE}", found.said_, run)
        return 0
    from featgeom.answers.asked import Asking
    from featgeom.answers.makers import Makers
    from featgeom.files import digest_of
    from featgeom.text import counted

    console.note(described(found))
    classifier = opened.classifier(device)
    asking = Asking(opened, classifier, sys.stdin)
    asked = asking.images(images)
    makers = Makers.of(opened, found)
    makers.remark(asked)
    watch = Watch(classifier, found, digest_of(run / FILE), makers)
    if out:
        rows = write_scores(watch, asked, out, console.progress)
    else:
        rows = [row for batch in watch.stream(asked, progress=console.progress) for row in batch]
    asking.remarks()
    alarms, errors = sum(bool(row["alarm"]) for row in rows), [row["error"] for row in rows if row["error"]]
    for first in errors[:1]:
        console.note(first)
    unread = len(errors)
    text = f"{counted(len(rows), 'image')}, {counted(alarms, 'alarm')}"
    text += f", {unread:,} could not be read" if unread else ""
    result = {"images": len(rows), "alarms": alarms, "unread": unread}
    if out:
        console.result(f"{text}: {out}", result | {"scores": str(out)}, run)
    else:
        console.note(text)
        console.result(as_csv(rows, COLUMNS).decode().rstrip("\n"), result | {"rows": rows}, run)
    return 1 if unread else 0


command = guard
