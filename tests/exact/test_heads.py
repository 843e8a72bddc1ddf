"""Which rows of a head are nearest to which, as rational arithmetic has it."""

from fractions import Fraction

import numpy as np
import pytest

from featgeom.exact import heads

ROWS = {
    "any": lambda rng: rng.standard_normal((30, 5)),
    "whole numbers, with many ties": lambda rng: rng.integers(0, 3, (30, 3)).astype(np.float64),
    "equal": lambda rng: np.ones((30, 4)),
    "zero": lambda rng: np.zeros((30, 2)),
    "far from the origin": lambda rng: 1e9 + rng.integers(0, 4, (30, 3)) * 2.0**-20,
    "huge": lambda rng: rng.standard_normal((30, 3)) * 1e200,
    "tiny": lambda rng: rng.standard_normal((30, 3)) * 1e-200,
    "of all sizes": lambda rng: rng.standard_normal((30, 3)) * 10.0 ** rng.integers(-150, 150, (30, 1)),
}


@pytest.mark.parametrize("make", ROWS.values(), ids=ROWS.keys())
@pytest.mark.parametrize("count", [1, 4, 29])
def test_nearest_rows_are_those_of_exact_arithmetic(rng, make, count):
    weight = make(rng)
    exact = [[Fraction(value) for value in row] for row in weight.tolist()]
    found = heads.nearest_rows(weight, count)
    for a, row in enumerate(exact):
        gaps = [(sum((p - q) ** 2 for p, q in zip(row, other)), k) for k, other in enumerate(exact) if k != a]
        assert found[a].tolist() == sorted(k for _, k in sorted(gaps)[:count])


def test_rows_clearly_apart_need_no_exact_arithmetic(rng, monkeypatch):
    monkeypatch.setattr(heads.ExactHead, "gap2", None)
    weight = rng.standard_normal((200, 64))
    apart = np.linalg.norm(weight[:, None] - weight, axis=2) + np.diag(np.full(200, np.inf))
    near = np.sort(np.argsort(apart, axis=1)[:, :7], axis=1)
    assert (heads.nearest_rows(weight, 7) == near).all()
