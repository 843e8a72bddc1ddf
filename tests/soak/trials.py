"""What a trial is, how a command is tried in this process, and the table of all."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from dataclasses import dataclass

from featgeom_cli.main import run


@dataclass(frozen=True)
class Trial:
    """One attempt: its kind, what came of it in a word, and the fault it shows, if any."""

    kind: str
    outcome: str
    fault: str = ""


def called(words: list[str]) -> tuple[int, str, str]:
    """Status, standard output and standard error of a command."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            status = run(words)
        except BaseException as error:
            return -1, out.getvalue(), f"internal error: {type(error).__name__} came out: {error}"
    return status, out.getvalue(), err.getvalue()


def unsound(status: int, err: str) -> str:
    """What is wrong with the way a command ended, whatever it answered; nothing if it is sound."""
    if status not in (0, 1, 2):
        return f"status {status}: {err.strip()[-200:]}"
    for word in ("internal error", "Traceback", "Exception ignored"):
        if word in err:
            return err.strip()[-300:]
    if status == 2 and len(err.strip().splitlines()) != 1:
        return f"not one line: {err.strip()[-200:]}"
    return ""


def table(done: dict[str, list[Trial]]) -> str:
    """Kinds, trials and outcomes as a table in Markdown."""
    lines = ["| part | kind | trials | what came of them | faults |", "|---|---|---|---|---|"]
    for part, trials in done.items():
        for kind in sorted({trial.kind for trial in trials}):
            mine = [trial for trial in trials if trial.kind == kind]
            outcomes = Counter(trial.outcome for trial in mine if not trial.fault)
            said = ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.most_common())
            lines.append(f"| {part} | {kind} | {len(mine):,} | {said} | {sum(bool(t.fault) for t in mine)} |")
        faults = sum(bool(trial.fault) for trial in trials)
        lines.append(f"| **{part}** | all | **{len(trials):,}** | | **{faults}** |")
    return "\n".join(lines)
