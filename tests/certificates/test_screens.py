"""What float64 proves with room needs no exact arithmetic, and what it does not prove is decided exactly."""

import numpy as np
import pytest

from featgeom import AffineHead, Cells, ConvexHull, separate
from featgeom.certificates.guarantees import BrokenHull
from featgeom.certificates.separations import HullSeparation
from featgeom.status import Status


@pytest.fixture
def exact(monkeypatch):
    """How often a claim was decided exactly."""
    count = []
    for kind in (HullSeparation, BrokenHull):
        real = kind.decide

        def counted(self, i, real=real):
            count.append(i)
            return real(self, i)

        monkeypatch.setattr(kind, "decide", counted)
    return count


def test_separations_are_proved_by_a_screen(rng, exact):
    for shift in (0.0, 50.0):
        points = (np.abs(rng.standard_normal((2, 40, 64))) + shift).astype(np.float32)
        points[1] += 2.0
        claim = separate(*map(ConvexHull, points)).certificate
        assert claim.check().status[0] is Status.PROVED
    assert exact == []


@pytest.mark.parametrize(("field", "factor"), [("lower", 1 + 1e-7), ("upper", 1 - 1e-7)])
def test_a_bound_that_is_false_by_little_passes_no_screen(rng, field, factor):
    from dataclasses import replace

    points = rng.standard_normal((2, 10, 30))
    points[1] += 3.0
    claim = separate(*map(ConvexHull, points)).certificate
    assert claim.upper - claim.lower < 1e-8 * claim.upper
    false = replace(claim, **{field: getattr(claim, field) * factor})
    assert not false.screened()[0]
    assert false.check().status[0] is Status.REFUTED


def test_samples_that_break_a_hull_are_proved_by_a_screen(rng, exact):
    head = AffineHead(rng.standard_normal((5, 20)).astype(np.float32))
    points = rng.standard_normal((60, 20)).astype(np.float32)
    claim = Cells(head).guarantee(points, 2).certificate
    assert len(claim.breakers) > 20
    assert (claim.check().status == Status.PROVED).all()
    assert exact == []


def test_ties_and_losers_are_left_to_exact_arithmetic(exact):
    points = np.array([[1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    claim = BrokenHull(points, np.eye(2), np.zeros(2), 0, np.arange(3), np.array([1, 1, 1]))
    assert claim.check().status.tolist() == [Status.PROVED, Status.PROVED, Status.REFUTED]
    assert exact == [0, 2]


@pytest.mark.parametrize("domain", ["orthant", "space", "hull"])
def test_ties_are_screened_alike_however_many_at_a_time(rng, monkeypatch, domain):
    from featgeom.certificates import cells

    head = AffineHead(rng.standard_normal((9, 4)), rng.standard_normal(9))
    points = np.abs(rng.standard_normal((30, 4)))
    claim = Cells(head, ConvexHull(points) if domain == "hull" else domain).adjacency().graph["ties"]
    whole = claim.screened()
    assert whole.any()
    for entries in (1, 20, 50):
        monkeypatch.setattr(cells, "ENTRIES_AT_ONCE", entries)
        assert (claim.screened() == whole).all()
