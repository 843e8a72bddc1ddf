"""Cells against exact rationals: classes, margins, radii, guarantees, emptiness and adjacency."""

from fractions import Fraction

import numpy as np
import pytest
from rational import Head, best_lead, dot, exact, tie_distance2

import featgeom as fg
from featgeom.status import Status

HEADS = {
    "whole numbers": lambda r, c, d: (r.integers(-2, 3, (c, d)), r.integers(-2, 3, c)),
    "equal rows": lambda r, c, d: (r.integers(-1, 2, (2, d))[r.integers(0, 2, c)], r.integers(-1, 2, c)),
    "no bias": lambda r, c, d: (r.integers(-2, 3, (c, d)), np.zeros(c)),
    "any": lambda r, c, d: (r.normal(size=(c, d)), r.normal(size=c)),
    "nearly equal": lambda r, c, d: (1 + 1e-13 * r.normal(size=(c, d)), 1e-13 * r.normal(size=c)),
}
DOMAINS = ("space", "orthant", "box")


def case(kind, domain, seed):
    """A head, a domain, its bounds in fractions, and samples."""
    rng = np.random.default_rng([seed, *map(ord, kind + domain)])
    classes, d = int(rng.integers(2, 5)), int(rng.integers(1, 3))
    weight, bias = HEADS[kind](rng, classes, d)
    head = fg.AffineHead(np.asarray(weight, float), np.asarray(bias, float))
    low = rng.integers(-2, 1, d).astype(float)
    high = low + rng.integers(0, 4, d)
    bounds = {
        "space": [(None, None)] * d,
        "orthant": [(Fraction(0), None)] * d,
        "box": list(zip(exact(low), exact(high), strict=True)),
    }[domain]
    z = rng.integers(-3, 4, (3, d)) / 2 + (kind == "any") * rng.normal(size=(3, d))
    z = np.clip(z, *{"space": (-9, 9), "orthant": (0, 9), "box": (low, high)}[domain])
    return head, fg.Box(low, high) if domain == "box" else domain, bounds, z


def proved(result):
    claim = result.certificate
    return claim.check().tally == ({"PROVED": len(claim)} if len(claim) else {})


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("kind", HEADS)
def test_classes_margins_and_radii(kind, domain, trials, count):
    for seed in trials(8):
        head, where, bounds, z = case(kind, domain, seed)
        judge, cells = Head(head.weight, head.bias), fg.Cells(head, where)
        margins, radii = cells.margins(z), cells.radius(z)
        assert proved(margins)
        assert proved(radii)
        for i, row in enumerate(z):
            values = judge.logits(exact(row))
            own = judge.classify(exact(row))
            assert margins.classes[i] == radii.classes[i] == own
            leads = [values[own] - v for v in values]
            least = min(v for k, v in enumerate(leads) if k != own)
            assert Fraction(margins.smallest[i]) <= least
            for k, lead in enumerate(leads):
                assert abs(Fraction(margins.margins[i, k]) - lead) <= Fraction(margins.error[i, k])
            flips = [tie_distance2(judge, bounds, exact(row), own, k) for k in range(len(leads)) if k != own]
            nearest = min((f for f in flips if f is not None), default=None)
            if radii.radius[i] == np.inf:
                assert nearest is None
            elif nearest is not None:
                assert Fraction(radii.radius[i]) ** 2 <= nearest
                assert float(nearest) ** 0.5 <= radii.radius[i] * (1 + 1e-6) + 1e-6 or kind == "nearly equal"
        count(2 * len(z), "classes, margins and radii")


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("kind", HEADS)
def test_emptiness_and_adjacency(kind, domain, trials, count):
    for seed in trials(4):
        head, where, bounds, _ = case(kind, domain, seed)
        judge, cells = Head(head.weight, head.bias), fg.Cells(head, where)
        for c in range(head.classes):
            empty = cells.is_empty(c)
            lead = best_lead(judge, bounds, c, None)
            if empty.empty is not None:
                assert empty.empty == (lead < 0), (seed, c)
                assert proved(empty)
            assert empty.empty is not None or kind == "nearly equal", (seed, c)
            count(1, "cells that may be empty")
        graph = cells.adjacency()
        for name in ("ties", "no_ties"):
            claim = graph.graph[name]
            assert claim.check().tally == ({"PROVED": len(claim)} if len(claim) else {})
        for c in range(head.classes):
            for k in range(c):
                lead = best_lead(judge, bounds, c, k)
                meet = lead is not None and lead > 0
                assert graph.has_edge(k, c) <= meet, (seed, c, k)
                assert ((k, c) in graph.graph["non_edges"]) <= (not meet), (seed, c, k)
                count(1, "pairs of cells")


@pytest.mark.parametrize("kind", HEADS)
def test_guarantees(kind, trials, count):
    for seed in trials(10):
        head, _, _, z = case(kind, "space", seed)
        judge = Head(head.weight, head.bias)
        for c in range(head.classes):
            found = fg.Cells(head).guarantee(z, c)
            leads = [
                v[c] - x for row in z for v in [judge.logits(exact(row))] for k, x in enumerate(v) if k != c
            ]
            assert found.status is (Status.GUARANTEED if min(leads) > 0 else Status.BROKEN), (seed, c)
            assert Fraction(found.worst_margin) <= min(leads)
            assert proved(found)
            count(1, "guarantees")


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("kind", HEADS)
def test_balls_and_ends(kind, domain, trials, count):
    """What is claimed is proved, the ball's centre has its class, and a ray goes on for ever."""
    for seed in trials(4):
        head, where, _, _ = case(kind, domain, seed)
        judge, cells = Head(head.weight, head.bias), fg.Cells(head, where)
        for c in range(head.classes):
            ball, end = cells.chebyshev(c), cells.is_unbounded(c)
            for one in (ball, end):
                assert one.certificate is None or proved(one), (seed, c)
            if ball.centre is not None:
                values = judge.logits(exact(ball.centre))
                assert values[c] == max(values)
                assert ball.radius <= ball.upper
            if end.ray is not None:
                gains = [dot(judge.lead(c, k)[0], exact(end.ray)) for k in range(head.classes)]
                assert min(gains) >= 0
            count(2, "largest balls and ends of cells")
