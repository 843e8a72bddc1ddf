"""Networks side by side: one row a network, and which differences of pairs are more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from featgeom.analysis import open_run
from featgeom.answers.network_figures import Figures, Seen
from featgeom.errors import BadArgument
from featgeom.remarks import remark
from featgeom.runs.record import Column, Table
from featgeom.statistics import median_interval

if TYPE_CHECKING:
    from featgeom.runs.run import Run

NOTE = (
    "Accuracy with its exact 95 % interval (Clopper and Pearson). Spread: the root mean square distance "
    "of training features from their mean; margins by the spread compare networks whose features differ "
    "in scale. Guaranteed: classes of which the hull of the rightly predicted training features gets "
    "that class whole; all: with the others. NC1 to NC4 and CDNV (variance within classes by the distance "
    "of their means) are of training features. Of directions of the centred means alone: GNC2, how unevenly "
    "they point apart (0 at the simplex), one-vs-rest, the least distance of one from the hull of the others "
    "(1 at the simplex), and GNC3, how far rows of the head point from them. NC5 is the mean |cos| between "
    "means of classes and that of foreign features. Imbalance: the largest count of a class by the least. "
    "SELI: how far head, means and their logits are from what training with such counts leads to (0 there, 2 "
    "at most; the simplex where counts are equal). Minority cosine: between rows of the head of classes with "
    "fewer samples than the mean (1 where they have merged). Orthogonality: the mean |cos| between means of "
    "classes, not centred. Flip: the median of the samples flipped, with the 95 % "
    "interval of it by order statistics. Inverted: chosen features for which an image was found; how far it "
    "moved is of these alone. Figures of studies (hulls, svm, flips, invert, compare) are there "
    "for the runs that hold them."
)
PAIR_NOTE = (
    "Of networks that were asked about the same images. Agree: they give the same class. Better alone: "
    "one is right where the other is not; p (accuracy): exact McNemar test, that accuracies differ by "
    "chance. A wider: the share of images whose margin by the spread is larger in A; p (margin): exact "
    "sign test, that this is chance. On planes: the share of the triangle of three images on which both "
    "give the same class, the median of planes through images drawn, with its 95 % interval by order "
    "statistics. No test is corrected for the number of pairs; 0 "
    "stands for less than 1e-323."
)


@dataclass(frozen=True)
class Networks:
    """``networks``: a row a network; ``pairs``: a row for every two that were asked about the same images."""

    networks: Table
    pairs: Table

    def __repr__(self) -> str:
        return f"<Networks: {len(self.networks.rows)} networks, {len(self.pairs.rows)} pairs>"

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables that have rows."""
        return tuple(table for table in (self.networks, self.pairs) if table.rows)

    def to_text(self) -> str:
        """Both tables, on its side where a row is a network: a line a figure."""
        columns, rows = self.networks.columns, self.networks.rows
        turned = Table(
            "networks",
            self.networks.title,
            (Column("figure"), *(Column(str(row[0])) for row in rows)),
            tuple((c.heading, *(row[i] for row in rows)) for i, c in enumerate(columns) if i),
        )
        texts = [turned.to_text()]
        if self.pairs.rows:
            texts.append(self.pairs.to_text())
        return "\n\n".join(texts)

    def to_json(self) -> dict[str, Any]:
        """Rows by the names of their columns."""
        return {table.name: table.to_dicts() for table in (self.networks, self.pairs)}


def networks(
    runs: Sequence[Run | Path | str],
    foreign: str | Sequence[str] | None = None,
    device: str = "cpu",
    planes: int = 0,
) -> Networks:
    """Set the networks of runs (or of their folders) beside each other; stored studies add their figures.

    ``foreign`` are images of none of the classes, a folder or a source such as mnist:DIR, for NC5: one for
    all runs, or one for each. ``planes``: on how many planes through three images (a seeded draw) the
    decisions of networks that were asked about the same images are compared.

    Raises BadArgument for fewer than two runs, foreign images for another number of them, or less than no
    planes.

    >>> import tempfile
    >>> from featgeom.runs.making import make_run
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = make_run(f"{folder}/run", "digits", "digits")
    ...     found = networks([run, run])
    >>> found, found.networks.column("accuracy"), found.pairs.column("agree")
    (<Networks: 2 networks, 1 pairs>, [0.986, 0.986], [1.0])
    """
    opened = [open_run(run) if isinstance(run, str | Path) else run for run in runs]
    if len(opened) < 2:
        raise BadArgument(f"networks: name two runs or more, got {len(opened)}")
    if planes < 0:
        raise BadArgument(f"planes: none or more, got {planes}")
    strange = [foreign] * len(opened) if isinstance(foreign, str | None) else list(foreign)
    if len(strange) != len(opened):
        raise BadArgument(f"foreign: one for all or one for each of {len(opened)} runs, got {len(strange)}")
    seen = [Seen(run, other, device, planes) for run, other in zip(opened, strange, strict=True)]
    names = _names(opened)
    rows = [{Column("network"): name} | one.figures() for name, one in zip(names, seen, strict=True)]
    columns = {column: [row[column] for row in rows] for column in rows[0]}
    columns = {column: values for column, values in columns.items() if any(v is not None for v in values)}
    pairs = [
        {Column("A"): names[i], Column("B"): names[j]} | paired(seen[i], seen[j])
        for i, j in combinations(range(len(seen)), 2)
        if seen[i].same_images(seen[j])
    ]
    if not pairs:
        remark(
            "no two of these networks were asked about the same images, so none are compared image by image"
            + (" or on planes" if planes else "")
        )
    beside = {column: [pair[column] for pair in pairs] for column in pairs[0]} if pairs else {}
    return Networks(
        Table.of("networks", "Networks side by side", columns, NOTE),
        Table.of("pairs", "Pairs of networks on the same images", beside, PAIR_NOTE),
    )


def _names(runs: Sequence[Run]) -> list[str]:
    """The names of the networks, with those of their runs where two are called the same."""
    names = [run.asked["model"]["name"] for run in runs]
    folders = [run.folder.resolve().name for run in runs]
    named = [n if names.count(n) == 1 else f"{n} ({f})" for n, f in zip(names, folders, strict=True)]
    return [n if named.count(n) == 1 else f"{n} [{i}]" for i, n in enumerate(named, start=1)]


def paired(a: Seen, b: Seen) -> Figures:
    """What two networks do on the same images, and whether their differences are more than chance."""
    from scipy.stats import binomtest

    alone = int((a.right & ~b.right).sum()), int((b.right & ~a.right).sum())
    wider, narrower = int((a.margin > b.margin).sum()), int((a.margin < b.margin).sum())
    labelled = a.question.labelled
    comparable = a.spread > 0 and b.spread > 0
    n = len(a.right)

    def chance(k: int, of: int) -> float:
        return float(binomtest(k, of, 0.5).pvalue) if of else 1.0

    return {
        Column("images"): n,
        Column("agree"): float((a.predicted == b.predicted).mean()),
        Column("accuracy A − B"): (alone[0] - alone[1]) / n if labelled else None,
        Column("A better alone"): alone[0] if labelled else None,
        Column("B better alone"): alone[1] if labelled else None,
        Column("p (accuracy)"): chance(alone[0], sum(alone)) if labelled else None,
        Column("A wider"): wider / n if comparable else None,
        Column("p (margin)"): chance(wider, wider + narrower) if comparable else None,
        **_on_planes(a, b),
    }


def _on_planes(a: Seen, b: Seen) -> Figures:
    """On which share of the same planes both decide alike, with the interval of the median plane."""
    if not a.planes:
        return {}
    names = ("agree on planes", "on planes, from", "on planes, to")
    shares = (a.on_planes == b.on_planes).mean(axis=1)
    ends = median_interval(shares)
    values = [float(np.median(shares)), float(ends.lower), float(ends.upper)]
    return {Column(n): value if np.isfinite(value) else None for n, value in zip(names, values, strict=True)}
