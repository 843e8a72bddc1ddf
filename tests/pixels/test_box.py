"""The kernel of all pixel searches, against a trusted quadratic solver."""

from __future__ import annotations

import cvxpy
import numpy as np
import pytest
import torch

from featgeom.pixels.box import nearest_in_box


def problem(k: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(k, 20))
    return rng.uniform(-0.2, 1.2, 20), rows, rows @ rng.uniform(0, 1, 20)


@pytest.mark.parametrize("k", [1, 3, 6])
@pytest.mark.parametrize("damping", [1e-9, 0.5])
def test_it_is_the_optimum_of_the_stated_problem(k: int, damping: float) -> None:
    problems = [problem(k, seed) for seed in range(4)]
    centre, rows, values = (torch.tensor(np.stack(part)) for part in zip(*problems, strict=True))
    found = nearest_in_box(centre, rows, values, 0.0, 1.0, torch.full((4,), damping).double(), rtol=1e-10)
    assert found.min() >= 0
    assert found.max() <= 1
    for y, (c, a, v) in zip(found.numpy(), problems, strict=True):
        x = cvxpy.Variable(20)
        slack = cvxpy.sum_squares(a @ x - v) / (2 * damping) if damping > 1e-6 else 0
        conditions = [x >= 0, x <= 1] + ([] if damping > 1e-6 else [a @ x == v])
        cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(x - c) / 2 + slack), conditions).solve("CLARABEL")
        np.testing.assert_allclose(y, x.value, atol=1e-5)


def test_a_point_that_already_meets_the_values_stays() -> None:
    rows = torch.randn(2, 3, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    centre = torch.full((2, 9), 0.5, dtype=torch.float64)
    values = (rows @ centre[..., None])[..., 0]
    torch.testing.assert_close(nearest_in_box(centre, rows, values, 0, 1, torch.zeros(2).double()), centre)


def test_unreachable_values_and_zero_rows_stay_in_the_box() -> None:
    rows = torch.tensor([[[1.0, 1.0], [0.0, 0.0]]], dtype=torch.float64)
    centre = torch.full((1, 2), 0.5, dtype=torch.float64)
    far = nearest_in_box(
        centre, rows, torch.tensor([[9.0, 0.0]]).double(), 0.0, 1.0, torch.tensor([1e-6]).double()
    )
    torch.testing.assert_close(far, torch.ones(1, 2, dtype=torch.float64))
