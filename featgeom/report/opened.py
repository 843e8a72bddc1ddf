"""A run as its user holds it: everything stored, and what can be made of it."""

from __future__ import annotations

from pathlib import Path

from featgeom.report.page import write_report
from featgeom.runs.run import Run
from featgeom.runs.verification import Verification, verify_run


class OpenedRun(Run):
    """A `Run` that can also check its certificates and write its report."""

    def verify(self) -> Verification:
        """Check every claim of every study again, exactly, from the stored features and head."""
        return verify_run(self)

    def report(self) -> Path:
        """Write RUN/report.html from the stored results, and return its path."""
        return write_report(self)


def open_run(folder: Path | str) -> OpenedRun:
    """Open a run folder that `featgeom analyze` or `featgeom extract` made.

    Raises BadData where the folder is no run, or is damaged.

    >>> open_run("no/such/folder")
    Traceback (most recent call last):
    featgeom.errors.BadData: no/such/folder: no run there (no run.json); `featgeom analyze` makes one
    """
    return OpenedRun(folder)
