"""What `featgeom check` says of a run: samples of its statements, solved again by a generic solver."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from featgeom.certificates.claim import Claim
from featgeom.decimals import between
from featgeom.errors import BadArgument
from featgeom.formulations.comparison import Comparison, compare
from featgeom.formulations.questions import QUESTIONS
from featgeom.runs.record import Column, Table
from featgeom.runs.run import Run
from featgeom.status import Status


@dataclass(frozen=True)
class Asked:
    """One statement of a run, and what the generic solver says of it."""

    study: str
    claim: str
    index: int
    kind: str
    statement: str
    found: Comparison

    def to_json(self) -> dict[str, Any]:
        """The same for programs."""
        found, names = self.found, ("lower", "upper", "value", "outside", "tolerance", "seconds")
        return {
            "study": self.study, "claim": self.claim, "index": self.index, "kind": self.kind,
            "statement": self.statement, "status": found.status.name, "agrees": found.agrees,
            **{name: getattr(found, name) for name in names},
        }  # fmt: skip


@dataclass(frozen=True, repr=False)
class Crosscheck:
    """The statements that were solved again, and how many there are of each kind.

    ``statements`` counts those in the run by kind; kinds that no convex program answers are in ``left_out``,
    and ``unreadable`` names the claims that are damaged, of which nothing could be asked.
    """

    asked: tuple[Asked, ...]
    statements: dict[str, int]
    left_out: dict[str, int]
    solver: str
    unreadable: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return (
            f"<Crosscheck by {self.solver}: {len(self.asked):,} statements, {len(self.differing):,} differ>"
        )

    def _repr_html_(self) -> str:
        return self.to_table().to_html()

    @cached_property
    def differing(self) -> tuple[Asked, ...]:
        """Those whose value lies outside our interval by more than the generic solver's tolerance."""
        return tuple(one for one in self.asked if not one.found.agrees)

    @cached_property
    def silent(self) -> int:
        """To how many the solver has no answer."""
        return sum(one.found.status is Status.UNDECIDED for one in self.asked)

    @cached_property
    def unanswered(self) -> tuple[str, ...]:
        """The kinds of statements of which none was answered: nothing is known of these."""
        answered = {one.kind for one in self.asked if one.found.status is not Status.UNDECIDED}
        return tuple(kind for kind, count in self.statements.items() if count and kind not in answered)

    @property
    def agrees(self) -> bool:
        """Whether something was answered, all that was answered agrees, and no claim was unreadable."""
        return len(self.asked) > self.silent and not self.differing and not self.unreadable

    def to_table(self) -> Table:
        """A row for each kind of statement."""
        return Table(
            "crosscheck",
            f"Statements solved again as convex programs by {self.solver}",
            (
                Column("kind"), Column("statements"), Column("asked"), Column("agree"), Column("differ"),
                Column("no answer"), Column("our interval"), Column("outside it"), Column("allowed"),
                Column("time", "s"),
            ),
            tuple(self._row(kind) for kind in self.statements),
            "The widest of our intervals, and how far outside it the generic solver's value lies at most"
            ", beside what its tolerance allows. About the stored features and head, in feature space.",
        )  # fmt: skip

    def _row(self, kind: str) -> tuple[Any, ...]:
        found = [one.found for one in self.asked if one.kind == kind]
        silent = sum(one.status is Status.UNDECIDED for one in found)
        differ = sum(not one.agrees for one in found)
        widths = [one.upper - one.lower for one in found if np.isfinite(one.upper) and np.isfinite(one.lower)]
        said = [one for one in found if one.status is Status.SOLVED]
        worst = max(said, key=lambda one: one.outside / one.tolerance, default=None)
        return (
            kind, self.statements[kind], len(found), len(found) - silent - differ, differ, silent,
            max(widths, default=np.nan), *((worst.outside, worst.tolerance) if worst else (np.nan, np.nan)),
            sum(one.seconds for one in found),
        )  # fmt: skip

    def to_text(self) -> str:
        """The table, what differs, and what was not asked."""
        lines = [self.to_table().to_text(), ""]
        for one in self.differing:
            f = one.found
            bounds = between(f.lower, f.upper, 12)
            lines.append(
                f"DIFFERS {one.study}/{one.claim}[{one.index}]: {self.solver} finds {f.value:.12g}, we say "
                f"{bounds}: {one.statement}"
            )
        if self.left_out:
            rest = ", ".join(f"{count:,} {kind}" for kind, count in self.left_out.items())
            lines.append(f"no convex program answers: {rest}")
        lines += [f"UNREADABLE {name}: `featgeom verify RUN` says why" for name in self.unreadable]
        agree = len(self.asked) - self.silent - len(self.differing)
        lines.append(
            f"{agree:,} agree, {len(self.differing):,} differ, {self.silent:,} without an answer of "
            f"{self.solver}"
        )
        if len(self.asked) == self.silent:
            lines.append("Nothing was answered, so nothing is checked.")
        elif self.unanswered:
            lines.append(
                f"Of whole kinds nothing was answered, so nothing is checked: {', '.join(self.unanswered)}"
            )
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The same for programs, every statement that was asked."""
        return {
            "solver": self.solver,
            "statements": self.statements,
            "left_out": self.left_out,
            "agrees": self.agrees,
            "differing": len(self.differing),
            "silent": self.silent,
            "unanswered": list(self.unanswered),
            "unreadable": list(self.unreadable),
            "asked": [one.to_json() for one in self.asked],
        }


def crosscheck(
    run: Run, samples: int = 50, seed: int = 0, solver: str = "CLARABEL", progress: bool = False
) -> Crosscheck:
    """Solve up to ``samples`` statements of each kind that a run's claims make again, as convex programs.

    Raises BadArgument for a solver that cvxpy does not have, or ``samples`` below 1.
    """
    import cvxpy as cp

    from featgeom.progress import bar

    known = cp.installed_solvers()
    if solver.upper() not in known:
        raise BadArgument(f"solver '{solver}': cvxpy has {', '.join(known)}")
    if samples < 1:
        raise BadArgument(f"samples: expected 1 or more, got {samples}")
    pools: dict[str, list[tuple[str, str, Claim]]] = {}
    unreadable = []
    for study in run.studies:
        for stored in run.claims(study):
            if stored.claim is None:
                unreadable.append(f"{study}/{stored.name}")
            else:
                pools.setdefault(stored.kind, []).append((study, stored.name, stored.claim))
    kinds = {kind.kind for kind in QUESTIONS}
    counts = {kind: sum(len(claim) for _, _, claim in pool) for kind, pool in sorted(pools.items())}
    rng = np.random.default_rng(seed)
    drawn = [one for kind in sorted(pools) if kind in kinds for one in _drawn(pools[kind], samples, rng)]
    asked = []
    for study, name, claim, i in bar(drawn, desc="check", disable=not progress):
        found = compare(claim, i, solver.upper())
        if found is not None:
            asked.append(Asked(study, name, i, claim.kind, claim.statement(i), found))
    return Crosscheck(
        tuple(asked),
        {kind: count for kind, count in counts.items() if kind in kinds},
        {kind: count for kind, count in counts.items() if kind not in kinds},
        solver.upper(),
        tuple(unreadable),
    )


def _drawn(
    pool: list[tuple[str, str, Claim]], samples: int, rng: np.random.Generator
) -> Iterator[tuple[str, str, Claim, int]]:
    """Statements of one kind, drawn evenly from all claims, in their order."""
    ends = np.cumsum([len(claim) for _, _, claim in pool])
    for number in np.sort(rng.choice(ends[-1], min(samples, int(ends[-1])), replace=False)):
        at = int(np.searchsorted(ends, number, side="right"))
        study, name, claim = pool[at]
        yield study, name, claim, int(number - ends[at] + len(claim))
