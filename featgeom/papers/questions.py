"""Questions of the first paper that several trainings answer, each with a table and a record of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from featgeom.files import read_json, write_json, write_whole
from featgeom.papers import alone, attack, forgetting, whole_networks
from featgeom.runs.record import Record


@dataclass(frozen=True)
class Question:
    """What is asked, and what answers it: a function of folder, folder of real data, seed and progress."""

    name: str
    summary: str
    study: Callable[[Path, str | None, int, bool], Record]


QUESTIONS = {
    question.name: question
    for question in (
        Question(
            "whole", "does training the whole network converge to its own machine?", whole_networks.study
        ),
        Question("alone", "the whole network against its last layer alone, over ten seeds", alone.study),
        Question(
            "forgetting", "what a second task leaves of the first, and what protects it", forgetting.study
        ),
        Question("attack", "do pixel flips move features along the machine's normals?", attack.study),
    )
}


def ask(question: Question, folder: Path, data: str | None, seed: int = 0, progress: bool = False) -> Record:
    """The answer, written into FOLDER/questions/NAME.json as well, with its pictures beside it."""
    record = question.study(folder, data, seed, progress)
    record = replace(record, study=question.name, title=question.summary)
    write_json(folder / "questions" / f"{question.name}.json", record.to_json())
    for name, content in record.files.items():
        write_whole(folder / "questions" / name, content)
    return record


def answered(folder: Path) -> dict[str, Record]:
    """The answers that a folder holds, in the order in which questions are listed."""
    paths = {name: folder / "questions" / f"{name}.json" for name in QUESTIONS}
    return {name: Record.from_json(read_json(path), {}) for name, path in paths.items() if path.exists()}
