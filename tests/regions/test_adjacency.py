"""The adjacency graph: every pair is settled, and what is settled is true."""

from itertools import combinations

import numpy as np
import pytest

from featgeom import AffineHead, Box, Cells, ConvexHull
from featgeom.regions.adjacency import adjacency, point_of_tie
from featgeom.regions.contest import contest
from featgeom.regions.domains import Hull, as_domain
from featgeom.status import Status


def domains(d, seed=0):
    rng = np.random.default_rng(seed)
    half = np.where(np.arange(d) % 2, -np.inf, 0.0)
    return {
        "space": as_domain("space", d),
        "orthant": as_domain("orthant", d),
        "box": Box(-np.ones(d), np.ones(d)),
        "mixed": Box(half, np.where(np.arange(d) % 3, np.inf, 2.0)),
        "hull": Hull(rng.standard_normal((12, d))),
        "point": Hull(rng.standard_normal((1, d))),
    }


def test_points_of_edges_tie_above_all_others(rng):
    head = AffineHead(rng.standard_normal((7, 3)), rng.standard_normal(7))
    for domain in domains(3).values():
        graph = adjacency(head, domain)
        ties = graph.graph["ties"]
        for c, j, evidence in graph.edges(data="evidence"):
            point = point_of_tie(ties, evidence)
            logits = head.logits(point[None, :])[0]
            assert logits[c] == pytest.approx(logits[j], rel=1e-9, abs=1e-9)
            assert logits[[c, j]].min() > np.delete(logits, [c, j]).max()
            if isinstance(domain, Box):
                assert domain.contains(point[None, :]).all()


def test_a_convex_hull_is_a_domain(rng):
    head = AffineHead(rng.standard_normal((5, 3)), rng.standard_normal(5))
    points = rng.standard_normal((40, 3)).astype(np.float32)
    cells = Cells(head, ConvexHull(points))
    graph = cells.adjacency()
    assert graph.graph["domain"] == "hull"
    assert graph.graph["undecided"] == []
    seen = set(head.classify(points).tolist())
    assert {c for c in range(5) if not cells.is_empty(c).empty} >= seen


def all_proved(graph):
    for name in ("ties", "no_ties"):
        assert set(graph.graph[name].check().tally) <= {"PROVED"}


@pytest.mark.parametrize("domain", domains(4).values(), ids=domains(4).keys())
def test_every_pair_of_every_head_is_settled(head, domain):
    graph = adjacency(head, domain)
    assert graph.graph["undecided"] == []
    settled = set(graph.edges) | set(graph.graph["non_edges"])
    assert settled == set(combinations(range(head.classes), 2))
    assert not set(graph.edges) & set(graph.graph["non_edges"])
    all_proved(graph)


@pytest.mark.parametrize("domain", domains(2).values(), ids=domains(2).keys())
@pytest.mark.parametrize("seed", range(4))
def test_more_classes_than_dimensions(domain, seed):
    rng = np.random.default_rng(seed)
    head = AffineHead(rng.standard_normal((9, 2)), rng.standard_normal(9))
    graph = adjacency(head, domain)
    assert graph.graph["undecided"] == []
    all_proved(graph)
    for c, j in combinations(range(9), 2):
        lead = contest(head, domain, c, j).lead
        assert graph.has_edge(c, j) == (lead > 0), (c, j, lead)


def test_neighbours_on_a_grid_are_neighbours_in_the_graph(rng):
    head = AffineHead(rng.standard_normal((7, 2)), rng.standard_normal(7) / 4)
    graph = adjacency(head, Box([-3.0, -3.0], [3.0, 3.0]))
    x, y = np.meshgrid(np.linspace(-3, 3, 300), np.linspace(-3, 3, 300))
    image = head.classify(np.stack([x.ravel(), y.ravel()], axis=1)).reshape(x.shape)
    steps = np.stack([image[:, :-1].ravel(), image[:, 1:].ravel()])
    pairs, counts = np.unique(np.sort(steps, axis=0), axis=1, return_counts=True)
    often = {tuple(p) for p, n in zip(pairs.T.tolist(), counts, strict=True) if p[0] != p[1] and n > 3}
    assert often <= {tuple(sorted(e)) for e in graph.edges}


def test_equal_classes_meet_each_other_and_no_third():
    head = AffineHead([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    graph = adjacency(head, as_domain("orthant", 2))
    assert list(graph.edges) == [(0, 1)]
    assert set(graph.graph["non_edges"]) == {(0, 2), (1, 2)}


def test_an_emptied_class_meets_nobody():
    head = AffineHead([[1.0, 2.0], [2.0, 1.0], [0.5, 0.5]], [0.0, 0.0, -1.0])
    graph = adjacency(head, as_domain("orthant", 2))
    assert list(graph.edges) == [(0, 1)]


def test_two_classes():
    meet = adjacency(AffineHead([[1.0, 0.0], [0.0, 1.0]]), as_domain("orthant", 2))
    apart = adjacency(AffineHead([[1.0, 0.0], [0.0, 0.0]], [1.0, 0.0]), as_domain("orthant", 2))
    assert list(meet.edges) == [(0, 1)]
    assert set(apart.graph["non_edges"]) == {(0, 1)}
    all_proved(apart)


def test_given_points_settle_pairs_without_programs(rng):
    head = AffineHead(rng.standard_normal((10, 3)), rng.standard_normal(10))
    box = Box(-np.ones(3), np.ones(3))
    z = rng.uniform(-1, 1, (4000, 3))
    plain, helped = adjacency(head, box), adjacency(head, box, witnesses=z)
    assert set(plain.edges) == set(helped.edges)
    assert helped.graph["programs"] <= plain.graph["programs"]


@pytest.mark.parametrize("wrong", ["optimist", "pessimist", "liar"])
def test_a_wrong_solver_gets_nothing_proved(monkeypatch, wrong, rng):
    head = AffineHead(rng.standard_normal((8, 2)), rng.standard_normal(8))
    box = Box(-np.ones(2), np.ones(2))
    truth = adjacency(head, box)

    def broken(head, domain, c, j=None):
        found = contest(head, domain, c, j)
        shift = {"optimist": 1.0, "pessimist": -1.0, "liar": -2 * found.lead}[wrong]
        multipliers = np.roll(found.multipliers, 1) if wrong == "liar" else found.multipliers + 0.1
        return type(found)(found.lead + shift, np.zeros(2), multipliers)

    monkeypatch.setattr("featgeom.regions.adjacency.contest", broken)
    graph = adjacency(head, box)
    assert set(graph.edges) <= set(truth.edges)
    assert set(graph.graph["non_edges"]) <= set(truth.graph["non_edges"])
    assert graph.graph["undecided"]
    all_proved(graph)


def test_real_cells_all_meet_in_the_orthant(resnet20):
    head = AffineHead(resnet20["fc_weight"], resnet20["fc_bias"])
    graph = Cells(head, "orthant").adjacency()
    assert graph.number_of_edges() == 45
    all_proved(graph)


def test_status_of_pairs():
    head = AffineHead([[1.0, 0.0], [0.0, 1.0], [0.4, 0.4]])
    facets = Cells(head, "orthant").facets(0)
    assert facets.rivals.tolist() == [1]
    assert facets.status.tolist() == [Status.SOLVED, Status.INFEASIBLE]
