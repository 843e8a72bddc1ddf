"""What `featgeom verify` says of a run: every claim of every study, checked again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from featgeom.runs.checks import Check, total, verify_folder
from featgeom.runs.record import Column, Table

if TYPE_CHECKING:
    from featgeom.runs.run import Run


@dataclass(frozen=True, repr=False)
class Verification:
    """The checks of a run's claims, one a claim."""

    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        counts = ", ".join(f"{count:,} {name}" for name, count in self.tally.items())
        return f"<Verification of {len(self.checks):,} claims: {counts}>"

    def _repr_html_(self) -> str:
        return self.to_table().to_html()

    @property
    def refuted(self) -> int:
        """How many statements are refuted."""
        return self.tally["REFUTED"]

    @property
    def tally(self) -> dict[str, int]:
        """How many statements of each status there are."""
        return total(self.checks)

    def to_table(self) -> Table:
        """A row for each claim."""
        names = ("PROVED", "REFUTED", "UNDECIDED")
        return Table(
            "verification",
            "Certificates, checked again exactly",
            (
                Column("study"), Column("claim"), Column("kind"),
                *(Column(name.lower()) for name in names), Column("time", "s"),
            ),
            tuple(
                (c.study, c.name, c.kind, *(c.tally.get(name, 0) for name in names), c.seconds)
                for c in self.checks
            ),
            "Numbers of statements. They are about the stored features and head, in feature space.",
        )  # fmt: skip

    def to_text(self) -> str:
        """The table, and what is not proved, with reasons."""
        counts = self.tally
        lines = [self.to_table().to_text(), ""]
        for check in self.checks:
            for index, status, statement, reason in check.failures:
                where = f"{check.study}/{check.name}" + (f"[{index}]" if index >= 0 else "")
                lines.append(f"{status.name} {where}: {statement + ': ' if statement else ''}{reason}")
        lines.append(", ".join(f"{count:,} {name.lower()}" for name, count in counts.items()))
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "tally": self.tally,
            "checks": [
                {
                    "study": c.study,
                    "claim": c.name,
                    "kind": c.kind,
                    "tally": c.tally,
                    "seconds": c.seconds,
                    "failures": [
                        {"index": i, "status": s.name, "statement": text, "reason": reason}
                        for i, s, text, reason in c.failures
                    ],
                }
                for c in self.checks
            ],
        }


def verify_run(run: Run) -> Verification:
    """Check every claim that a run holds, against its stored features and head."""
    return Verification(tuple(verify_folder(run.folder / "claims", run.sources)))
