"""What the documents of a run say, field by field: anything else is refused when they are read."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

import msgspec

from featgeom.files import Digest, Name
from featgeom.runs.record import Column

FORMAT = 2  # of run.json

Count = Annotated[int, msgspec.Meta(ge=0)]
Natural = Annotated[int, msgspec.Meta(ge=1)]
Cell = None | bool | int | float | str


class SplitSaid(msgspec.Struct):
    """One part of the data."""

    samples: Natural
    sha256: Digest


class DataSaid(msgspec.Struct):
    """The images or arrays that a run is about."""

    source: str | None
    name: str
    splits: Annotated[dict[Name, SplitSaid], msgspec.Meta(min_length=1)]
    classes: list[str] = []


class SourceSaid(msgspec.Struct):
    """What loads the network again."""

    path: str
    arch: str | None
    key: str | None = None
    arch_args: dict[str, Any] | None = None


class ModelSaid(msgspec.Struct):
    """The network, or of arrays their head alone."""

    name: str
    arch: str | None
    source: SourceSaid | None
    residual: float
    dimension: Natural
    classes: Annotated[list[str], msgspec.Meta(min_length=1)]
    arch_sha256: str | None = None
    arch_files: dict[str, Digest] | None = None
    weights_sha256: Digest | None = None
    notes: list[str] = []
    pixels: dict[str, Any] | None = None
    head: dict[str, Any] | None = None


class VersionsSaid(msgspec.Struct):
    """What made the run; of other packages the versions are told as well."""

    featgeom: str


class RunSaid(msgspec.Struct):
    """run.json: what was asked."""

    format: Literal[2]
    model: ModelSaid
    data: DataSaid
    seed: Count
    versions: VersionsSaid
    created: str
    command: list[str]
    said: list[str] = []


def repeated(names: list[str]) -> str:
    """A name that stands twice, or nothing."""
    return next((name for name, count in Counter(names).items() if count > 1), "")


class FindingSaid(msgspec.Struct):
    """A sentence and its ground."""

    text: str
    standing: Literal["proved", "computed", "estimated"]
    by: list[str]


class ColumnSaid(msgspec.Struct, forbid_unknown_fields=True):
    """A column of a table."""

    name: str
    unit: str
    proved: bool
    end: Literal["", "lower", "upper"] = ""


class TableSaid(msgspec.Struct):
    """A table; its name becomes that of a file."""

    name: Name
    title: str
    columns: Annotated[list[ColumnSaid], msgspec.Meta(min_length=1)]
    rows: list[list[Cell]]
    note: str

    def __post_init__(self) -> None:
        for names in (
            [c.name for c in self.columns],
            [Column(c.name, end=c.end).label for c in self.columns],
        ):
            if twice := repeated([" ".join(name.split()) for name in names]):
                raise ValueError(f"table {self.name}: two columns are called '{twice}'")
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(
                f"table {self.name}: rows of another length than its {len(self.columns)} columns"
            )


class ResultSaid(msgspec.Struct):
    """results/STUDY.json: what a study says."""

    study: Name
    title: str
    findings: list[FindingSaid]
    values: dict[str, Any]
    tables: list[TableSaid]
    settings: dict[str, Any]
    made: dict[str, Any]
    seconds: float

    def __post_init__(self) -> None:
        if twice := repeated([table.name for table in self.tables]):
            raise ValueError(f"there are two tables of the name {twice}")


class ClaimSaid(msgspec.Struct):
    """A claim, as far as it is counted."""

    name: str
    kind: str
    count: Count


class ClaimsSaid(msgspec.Struct):
    """claims/STUDY.json: what a study proves."""

    format: int
    claims: list[ClaimSaid]
