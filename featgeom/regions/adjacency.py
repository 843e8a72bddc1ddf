"""Which cells meet in the domain: a graph of classes in which every edge and every missing edge is proved."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, vstack

from featgeom.arrays import Float64, as_points
from featgeom.certificates.cells import CellsMeet
from featgeom.certificates.farkas import CellsApart
from featgeom.head import AffineHead
from featgeom.regions.contest import contest, to_be_solved
from featgeom.regions.domains import Box, Domain, Hull, ground
from featgeom.regions.witnesses import BasePoints, ascend, base_points, bracket, on_segments
from featgeom.status import Stats, Status, tally

Pairs = NDArray[np.int64]

WORTH_ASCENDING = 100  # fewer open pairs than this go to the linear program at once


@dataclass(frozen=True, eq=False)
class Meetings:
    """For pairs of classes, whether they tie somewhere in the domain, strictly above all others.

    ``pairs`` (p, 2); ``status`` (p,): SOLVED where a tie is proved, INFEASIBLE where it is proved that there
    is none, UNDECIDED elsewhere. ``ties`` and ``no_ties`` are the certificates, ``tie_rows`` and
    ``no_tie_rows`` (p,) the statement of each pair in them, −1 where it has none there. ``programs``: how
    many linear programs were solved.
    """

    pairs: Pairs
    status: NDArray[np.object_]
    ties: CellsMeet
    no_ties: CellsApart
    tie_rows: Pairs
    no_tie_rows: Pairs
    programs: int
    stats: Stats


@np.errstate(over="ignore", invalid="ignore")
def meetings(
    head: AffineHead,
    domain: Domain,
    pairs: list[tuple[int, int]] | Pairs,
    witnesses: ArrayLike | None = None,
    programs: int | None = None,
) -> Meetings:
    """Settle pairs of classes, cheapest evidence first, and keep only what its exact check proves.

    Segments between points deep in two cells settle almost all pairs; what is left is improved step by step,
    and the rest is solved as linear programs, pairs of nearest rows first, ``programs`` of them at most; what
    is then left is UNDECIDED. ``witnesses`` (m, d), points of the domain such as features, are tried as well.

    >>> head = AffineHead([[1.0, 0.0], [0.0, 1.0], [0.4, 0.4]])
    >>> meetings(head, Box.orthant(2), [(0, 1), (0, 2), (1, 2)]).status
    array([SOLVED, INFEASIBLE, INFEASIBLE], dtype=object)
    """
    start = time.perf_counter()
    table = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    search = _Search(head, domain, table)
    given = None if witnesses is None else as_points(witnesses, "witnesses", head.dimension)
    for found in base_points(head, domain, given):
        search.try_segments(found)
        if len(search.open) == 0:
            break
    search.try_constant_order()
    if len(search.open) > WORTH_ASCENDING and isinstance(domain, Box):
        search.try_ascent()
    search.try_programs(programs)
    return search.finish(start)


class _Search:
    """The evidence gathered so far for each pair."""

    def __init__(self, head: AffineHead, domain: Domain, pairs: Pairs) -> None:
        self.head, self.domain, self.pairs = head, domain, pairs
        self.open = np.arange(len(pairs))
        self.bases: list[Any] = []  # arrays of points, or of weights over a hull's points
        self.base_count = 0
        self.tied: list[tuple[NDArray[np.int64], Pairs, Float64]] = []  # rows, ends, steps
        self.apart: dict[int, dict[int, float]] = {}  # row: multipliers by class
        self.programs = 0
        self.steps = 0

    def _add(self, bases: Float64 | csr_array) -> int:
        first = self.base_count
        self.bases.append(bases)
        self.base_count += bases.shape[0]
        return first

    def _settle(self, rows: NDArray[np.int64], ends: Pairs, steps: Float64) -> None:
        self.tied.append((rows, ends, steps))
        self.open = np.setdiff1d(self.open, rows, assume_unique=True)

    def try_segments(self, found: BasePoints) -> None:
        """Segments between base points of the two classes."""
        if len(self.open) == 0:
            return
        pairs = self.pairs[self.open]
        good, steps = on_segments(found.logits, pairs)
        self._settle(self.open[good], pairs[good] + self._add(found.bases), steps[good])

    def try_constant_order(self) -> None:
        """Pairs of which one beats the other in the whole domain, or beats it together with a third."""
        step = max(1, (1 << 21) // self.head.dimension)
        for start in range(0, len(self.open), step):
            rows = self.open[start : start + step]
            first, second = self.pairs[rows].T
            for sign, loser, winner in ((1.0, first, second), (-1.0, second, first)):
                beaten: list[int] = rows[highest_lead(self.head, self.domain, loser, winner) < 0].tolist()
                for i in beaten:
                    self.apart[i] = {int(self.pairs[i, 1]): sign}
        self._drop_apart()
        self._use_dominated()

    def _use_dominated(self) -> None:
        """A class that another one beats everywhere meets no third class."""
        beaten = {}
        for i, weights in self.apart.items():
            c, j = (int(k) for k in self.pairs[i])
            loser, winner = (c, j) if weights.get(j, 0.0) > 0 else (j, c)
            beaten[loser] = winner
        for i in self.open.tolist():
            c, j = (int(k) for k in self.pairs[i])
            if beaten.get(c, j) != j:
                self.apart[i] = {beaten[c]: 1.0}
            elif beaten.get(j, c) != c:
                # l_j − l_k = (l_c − l_k) − (l_c − l_j)
                self.apart[i] = {beaten[j]: 1.0, j: -1.0}
        self._drop_apart()

    def _drop_apart(self) -> None:
        self.open = np.array([i for i in self.open if int(i) not in self.apart], dtype=np.int64)

    def try_ascent(self) -> None:
        """Points between the two cells, moved until both beat all others."""
        assert isinstance(self.domain, Box)
        rows, low, high = ascend(self.head, self.domain, self.pairs[self.open])
        first = self._add(np.vstack([low, high]))
        ends = first + np.stack([np.arange(len(rows)), len(rows) + np.arange(len(rows))], axis=1)
        self._settle(self.open[rows], ends, np.tile([0.0, 1.0], (len(rows), 1)))

    def try_programs(self, most: int | None) -> None:
        """One linear program a pair; its solution or its dual solution is the evidence."""
        if most is not None and most < len(self.open):
            across = self.head.weight[self.pairs[self.open, 0]] - self.head.weight[self.pairs[self.open, 1]]
            near = np.argsort(np.einsum("ij,ij->i", across, across), kind="stable")
            asked = self.open[near[:most]]
        else:
            asked = self.open
        for i in asked.tolist():
            c, j = (int(k) for k in self.pairs[i])
            found = contest(self.head, self.domain, c, j)
            self.programs += 1
            if found.lead > 0 and found.point is not None:
                first = self._add(bracket(self.head, self.domain, found.point, c, j))
                self._settle(np.array([i]), np.array([[first, first + 1]]), np.array([[0.0, 1.0]]))
            if found.lead < 1e-7 and found.multipliers.any():
                used = np.flatnonzero(found.multipliers)
                self.apart[i] = dict(zip(used.tolist(), found.multipliers[used].tolist(), strict=True))

    def finish(self, start: float) -> Meetings:
        """Check all evidence, and call decided only what it proves."""
        head, n = self.head, len(self.pairs)
        on = ground(head, self.domain)
        rows = np.concatenate([part[0] for part in self.tied]) if self.tied else np.zeros(0, np.int64)
        ends = np.vstack([part[1] for part in self.tied]) if self.tied else np.zeros((0, 2), np.int64)
        steps = np.vstack([part[2] for part in self.tied]) if self.tied else np.zeros((0, 2))
        bases = vstack(self.bases, format="csr") if isinstance(self.domain, Hull) else np.vstack(self.bases)
        ties = CellsMeet(**on, bases=bases, pairs=self.pairs[rows], ends=ends, steps=steps)
        apart_rows = np.array(sorted(self.apart), dtype=np.int64)
        multipliers = [self.apart[i] for i in apart_rows.tolist()]
        marks: list[dict[int, float]] = []
        for i, row in zip(apart_rows.tolist(), multipliers, strict=True):
            solved = to_be_solved(head, self.domain, int(self.pairs[i, 0]), _spread(row, head.classes))
            marks.append(dict.fromkeys(np.flatnonzero(solved).tolist(), 1.0))
        no_ties = CellsApart(
            **on,
            pairs=self.pairs[apart_rows],
            multipliers=_table(multipliers, head.classes),
            solved=_table(marks, head.classes),
        )
        status = np.empty(n, dtype=object)
        status[:] = Status.UNDECIDED
        keep = ties.check().status == Status.PROVED
        ties, tie_rows = _kept_ties(ties, rows, keep, n)
        status[tie_rows >= 0] = Status.SOLVED
        sound = np.flatnonzero(no_ties.check().status == Status.PROVED)
        no_ties = replace(
            no_ties,
            pairs=no_ties.pairs[sound],
            multipliers=no_ties.multipliers[sound],
            solved=no_ties.solved[sound],
        )
        no_tie_rows = _positions(apart_rows[sound], n)
        status[no_tie_rows >= 0] = Status.INFEASIBLE
        stats = Stats(iterations=self.programs, seconds=time.perf_counter() - start)
        return Meetings(self.pairs, status, ties, no_ties, tie_rows, no_tie_rows, self.programs, stats)


def _spread(row: dict[int, float], width: int) -> Float64:
    """A row of a table, whole."""
    result = np.zeros(width)
    result[list(row)] = list(row.values())
    return result


def _table(rows: list[dict[int, float]], width: int) -> csr_array:
    """A table with those entries."""
    ends = np.cumsum([0, *map(len, rows)])
    columns = np.array([k for row in rows for k in sorted(row)], dtype=np.int64)
    values = np.array([row[k] for row in rows for k in sorted(row)])
    return csr_array((values, columns, ends), shape=(len(rows), width))


def _positions(rows: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    result = np.full(n, -1, dtype=np.int64)
    result[rows] = np.arange(len(rows))
    return result


def _kept_ties(
    ties: CellsMeet, rows: NDArray[np.int64], keep: NDArray[np.bool_], n: int
) -> tuple[CellsMeet, NDArray[np.int64]]:
    """The proved ties, with only the bases they need."""
    used, ends = np.unique(ties.ends[keep], return_inverse=True)
    kept = replace(
        ties,
        bases=ties.bases[used],
        pairs=ties.pairs[keep],
        ends=ends.reshape(-1, 2).astype(np.int64),
        steps=ties.steps[keep],
    )
    return kept, _positions(rows[keep], n)


def highest_lead(head: AffineHead, domain: Domain, own: Pairs, rivals: Pairs) -> Float64:
    """The supremum over the domain of l_own − l_rival, to rounding, for rows of classes (m,)."""
    slope = head.weight[own] - head.weight[rivals]
    offset = head.bias[own] - head.bias[rivals]
    if isinstance(domain, Hull):
        logits = head.logits(domain.points)
        pairs = zip(own, rivals, strict=True)
        return np.array([(logits[:, c] - logits[:, k]).max() for c, k in pairs])
    with np.errstate(invalid="ignore"):
        reach = np.where(slope > 0, slope * domain.hi, np.where(slope < 0, slope * domain.lo, 0.0))
    return reach.sum(axis=1) + offset


def point_of_tie(ties: CellsMeet, i: int) -> Float64:
    """The point (d,) of statement ``i`` where the two classes tie, to the precision of float64."""
    ends = ties.bases[ties.ends[i]]
    if len(ties.vertices):
        ends = (ends @ ties.vertices) / ends.sum(axis=1)[:, None]
    first, second = ties.pairs[i]
    lead = ends @ (ties.weight[first] - ties.weight[second]) + ties.bias[first] - ties.bias[second]
    place = lead[0] / (lead[0] - lead[1]) if lead[0] != lead[1] else ties.steps[i].mean()
    point: Float64 = (1 - place) * ends[0] + place * ends[1]
    return point


def adjacency(head: AffineHead, domain: Domain, witnesses: ArrayLike | None = None) -> nx.Graph:
    """The graph of classes with an edge where two cells meet apart from all others.

    Every edge has ``evidence``, its statement in ``graph["ties"]``, of which `point_of_tie` gives the tie;
    every proved non-edge is a key of ``graph["non_edges"]``, with its statement in ``graph["no_ties"]``;
    ``graph["undecided"]`` lists the pairs that are neither. ``graph["programs"]`` says how many linear
    programs were needed.

    >>> graph = adjacency(AffineHead([[1.0, 0.0], [0.0, 1.0], [0.4, 0.4]]), Box.orthant(2))
    >>> list(graph.edges), sorted(graph.graph["non_edges"])
    ([(0, 1)], [(0, 2), (1, 2)])
    """
    pairs = np.array(list(combinations(range(head.classes), 2)), dtype=np.int64)
    found = meetings(head, domain, pairs, witnesses)
    graph = nx.Graph(
        domain=domain.name,
        ties=found.ties,
        no_ties=found.no_ties,
        programs=found.programs,
        seconds=found.stats.seconds,
        tally=tally(found.status),
    )
    graph.add_nodes_from(range(head.classes))
    met = np.flatnonzero(found.tie_rows >= 0)
    graph.add_edges_from(
        (c, j, {"evidence": row})
        for (c, j), row in zip(pairs[met].tolist(), found.tie_rows[met].tolist(), strict=True)
    )
    apart = np.flatnonzero(found.no_tie_rows >= 0)
    graph.graph["non_edges"] = {
        (c, j): row
        for (c, j), row in zip(pairs[apart].tolist(), found.no_tie_rows[apart].tolist(), strict=True)
    }
    graph.graph["undecided"] = [tuple(p) for p in pairs[found.status == Status.UNDECIDED].tolist()]
    return graph
