"""`featgeom svm`: the head beside support vector machines on the same features."""

from __future__ import annotations

from pathlib import Path

from featgeom_cli.common import Console, device_option, featgeom_command, run_argument
from featgeom_cli.study import show_study

EXAMPLE = "featgeom svm RUN"


@featgeom_command(EXAMPLE)
@run_argument
@device_option
def svm(console: Console, run: Path, device: str) -> None:
    """Fit hard-margin machines to the features that the head predicts correctly, and compare.

    Angles, margins, offsets, support vectors and agreement, by pair of classes and as a whole, against the
    standard machine and the augmented one, to which gradient descent with a trainable bias tends."""
    show_study(console, run, "svm", device)


command = svm
