"""`featgeom reproduce`: the first paper's experiments, each a run, and what they give beside what it says."""

from __future__ import annotations

import os
from pathlib import Path

import click

from featgeom_cli.common import Console, device_option, featgeom_command, out_option, seed_option

EXAMPLE = """
featgeom reproduce --list
featgeom reproduce blobs moons loss -o paper
featgeom reproduce --data DIR -o paper            every experiment
featgeom reproduce cifar10_two --data DIR --full --device cuda -o paper-full
"""


@featgeom_command(EXAMPLE)
@click.argument("experiments", nargs=-1)
@out_option
@click.option("--list", "listed", is_flag=True, help="Name every experiment and leave.")
@click.option("--full", is_flag=True, help="The paper's own sizes, which can take days without a GPU.")
@click.option("--data", help="Folder of real data: mnist/, cifar10/, features/ [default: $FEATGEOM_DATA].")
@device_option
@seed_option
def reproduce(
    console: Console,
    experiments: tuple[str, ...],
    out: Path | None,
    listed: bool,
    full: bool,
    data: str | None,
    device: str,
    seed: int,
) -> None:
    """Make the first paper's EXPERIMENTS, by name or part (data, loss, optimiser, images, questions ...).

    Each becomes a run, OUT/NAME, with its own report; a question (whole, alone, forgetting, attack), which
    takes several trainings, becomes a table, OUT/questions/NAME.json. OUT/first-paper.md sets what the paper
    says, what its artefacts give, and what came out before and now beside each other, row by row, with the
    processor time of each; OUT/pictures shows both spaces by network, by machine, and one over the other.
    Sizes are small unless --full is given. Interrupted, it carries on where it stopped.
    """
    from featgeom.papers.experiments import EXPERIMENTS, find_experiments
    from featgeom.papers.questions import QUESTIONS, answered, ask

    if listed:
        every = [(e.name, e.part, e.summary) for e in EXPERIMENTS.values()]
        every += [(question.name, "questions", question.summary) for question in QUESTIONS.values()]
        width = max(len(name) for name, _, _ in every)
        lines = [f"{name:<{width}}  {part:<10}  {said}" for name, part, said in every]
        console.result(
            "\n".join(lines), {name: {"part": part, "summary": said} for name, part, said in every}
        )
        return
    from featgeom.files import write_whole
    from featgeom.papers.first import compared, markdown, summary, took
    from featgeom.papers.pictures import write_sheets
    from featgeom.papers.reproduction import available, open_experiments
    from featgeom.papers.reproduction import reproduce as make
    from featgeom.papers.spending import spending, spent
    from featgeom.report.page import write_report

    data = data or os.environ.get("FEATGEOM_DATA") or None
    folder = out or Path("runs") / ("first-paper-full" if full else "first-paper")
    left_out = []
    asked = [name for name in QUESTIONS if not experiments or {name, "questions"} & set(experiments)]
    named = tuple(name for name in experiments if name != "questions" and name not in QUESTIONS)
    for experiment in find_experiments(named) if named or not experiments else []:
        if experiment.name not in experiments and not available(experiment, data):
            left_out.append(experiment.name)
            console.note(f"{experiment.name}: left out, {experiment.needs} is not there (--data)")
            continue
        with spending(folder, experiment.name):
            run = make(
                experiment, folder, data, full=full, seed=seed, device=device, progress=console.progress
            )
        console.note(f"{experiment.name}: {write_report(run)}")
    for name in asked:
        with spending(folder, name):
            record = ask(QUESTIONS[name], folder, data, seed, console.progress)
        for finding in record.findings:
            console.note(f"{name}: {finding.text}")
    answers = answered(folder)
    there = open_experiments(folder) if any(folder.glob("*/run.json")) else {}
    runs = {name: run.results for name, run in there.items()}
    tables = [compared(runs), summary(runs, spent(folder))] if runs else []
    for path in write_sheets(folder, there):
        console.note(f"maps: {path}")
    tables += [table for record in answers.values() for table in record.tables]
    tables += [took(answers, spent(folder))] if answers else []
    page = "\n\n".join(f"## {table.title}\n\n{markdown(table)}\n\n{table.note}".strip() for table in tables)
    write_whole(folder / "first-paper.md", (page + "\n").encode())
    document = {"folder": str(folder), "left_out": left_out, "full": full}
    document |= {table.name: [dict(zip((c.name for c in table.columns), row)) for row in table.rows]
                 for table in tables}  # fmt: skip
    text = "\n\n".join(f"{table.title}\n{table.to_text()}" for table in tables)
    console.result(f"{text}\n\nIn {folder}", document)


command = reproduce
