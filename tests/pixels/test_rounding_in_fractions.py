"""What slack is there for: each computed bound beside its value in fractions, on numbers that round badly."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from featgeom.pixels.balls import Balls
from featgeom.pixels.ends import lengths, movement
from featgeom.pixels.energy import matrix_norm
from featgeom.pixels.interval import IntervalPass
from featgeom.pixels.loose import Loose
from featgeom.pixels.pairs import Precise, cut, over, plus, times, two_product, two_sum

RELATIVE = Fraction(1, 2**96)


def exact(t: Tensor) -> list[Fraction]:
    return [Fraction(v) for v in t.flatten().tolist()]


def random(*shape: int, seed: int = 0, spread: int = 20) -> Tensor:
    """Numbers of either sign and of many sizes."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.normal(size=shape) * 2.0 ** rng.integers(-spread, spread, shape))


def at_least(found: Tensor, square: Fraction) -> bool:
    return Fraction(float(found)) ** 2 >= square


def test_lengths_are_no_less_than_they_are() -> None:
    for seed in range(60):
        row = random(1, 50, seed=seed, spread=3)
        assert at_least(lengths(row)[0], sum(v * v for v in exact(row)))
        other = random(1, 50, seed=seed + 100, spread=3)
        far = movement(row, other, other)[0]
        assert at_least(far, sum((a - b) ** 2 for a, b in zip(exact(row), exact(other), strict=True)))
    tiny = torch.full((1, 3), 1e-200, dtype=torch.float64)
    assert at_least(lengths(tiny)[0], sum(v * v for v in exact(tiny)))


def test_norms_are_no_less_than_they_are() -> None:
    """Of matrices of rank 1, whose norm is known: the length of one factor times that of the other."""
    for seed in range(30):
        a, b = (
            torch.from_numpy(np.random.default_rng(seed + s).integers(-999, 999, n) * 1.0)
            for s, n in ((0, 5), (50, 7))
        )
        square = sum(v * v for v in exact(a)) * sum(v * v for v in exact(b))
        assert at_least(matrix_norm(torch.outer(a, b)), square)
    assert matrix_norm(torch.tensor([[1e-200]], dtype=torch.float64)) >= 1e-200


class Chain(nn.Module):
    """Sums, products, averages and layers, without anything that bends."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(2, 3, 2).double(), nn.Linear(3, 2).double()
        self.scale, self.shift = random(3, 1, 1, seed=seed), random(3, 1, 1, seed=seed + 1)
        with torch.no_grad():
            for i, t in enumerate(self.parameters()):
                t.copy_(random(*t.shape, seed=seed + 2 + i))

    def forward(self, x: Tensor) -> Tensor:
        t = self.first(x / 3 - 0.3)
        t = t * self.scale + self.shift
        t = functional.avg_pool2d(t + t / 7, 3)
        return self.last(t.flatten(1))

    def as_fractions(self, x: Tensor) -> list[Fraction]:
        """The same without rounding, of one image (1, 2, 4, 4)."""
        image = [[[Fraction(v) / 3 - Fraction(0.3) for v in row] for row in c] for c in x[0].tolist()]
        w, b = self.first.weight.tolist(), self.first.bias.tolist()
        means = []
        for k in range(3):
            total = Fraction(0)
            for i in range(3):
                for j in range(3):
                    value = Fraction(b[k])
                    for c in range(2):
                        for p in range(2):
                            for q in range(2):
                                value += Fraction(w[k][c][p][q]) * image[c][i + p][j + q]
                    value = value * Fraction(float(self.scale[k])) + Fraction(float(self.shift[k]))
                    total += value + value / 7
            means.append(total / 9)
        rows = zip(self.last.weight.tolist(), self.last.bias.tolist(), strict=True)
        return [
            sum((Fraction(v) * m for v, m in zip(row, means, strict=True)), Fraction(c)) for row, c in rows
        ]


@pytest.mark.parametrize("seed", range(6))
def test_ends_hold_the_value_without_rounding(seed: int) -> None:
    """Of one image alone: all that is between the ends is rounding."""
    net, x = Chain(seed).eval(), torch.from_numpy(np.random.default_rng(seed).random((1, 2, 4, 4)))
    run = IntervalPass(x, x, x, torch.zeros(1).double())
    lower, upper = run.run(net)
    true = net.as_fractions(x)
    for least, value, most in zip(exact(lower), true, exact(upper), strict=True):
        assert least < value < most
    high, low, off = Precise().run(net, x)
    found = [a + b for a, b in zip(exact(high), exact(low), strict=True)]
    assert sum((a - b) ** 2 for a, b in zip(found, true, strict=True)) <= Fraction(float(off)) ** 2
    assert float(off) < 1e-10 * float(lengths(high))  # as averages alone are rounded to float64


@pytest.mark.parametrize("norm", [2, np.inf])
def test_the_least_of_a_linear_function_is_no_more_than_it_is(norm: float) -> None:
    """Of a network of one layer, in a ball with corners inside the box and beyond it."""
    for seed in range(40):
        net = nn.Sequential(nn.Flatten(), nn.Linear(6, 2)).double()
        with torch.no_grad():
            net[1].weight.copy_(random(2, 6, seed=seed, spread=4))
        x = torch.from_numpy(np.random.default_rng(seed).random((1, 1, 2, 3)))
        radius = torch.tensor([0.01]).double()
        balls = Balls(x, radius, (0.0, 1.0), norm)
        _, bent = balls.intervals(net)
        ((value, change),) = balls.below(
            net, torch.tensor([0]), list(map(Loose.of, bent)), [lambda v: v[:, 0] - v[:, 1]]
        )
        slope = [a - b for a, b in zip(*map(exact, net[1].weight), strict=True)]
        one, other = exact(net[1].bias)
        whole = sum((s * v for s, v in zip(slope, exact(x), strict=True)), one - other)
        short = whole - Fraction(float(value + change))
        if norm == np.inf:
            r = Fraction(float(radius))
            moves = [min(r, v) if s > 0 else min(r, 1 - v) for s, v in zip(slope, exact(x), strict=True)]
            assert short >= sum(abs(s) * m for s, m in zip(slope, moves, strict=True))
        elif float(x.min()) > 0.01 and float(x.max()) < 0.99:
            assert short > 0
            assert short**2 >= sum(s * s for s in slope) * Fraction(float(radius)) ** 2


def test_sums_products_and_quotients_of_pairs() -> None:
    for seed in range(20):
        a, b, c, d = (random(8, seed=seed + 40 * i) for i in range(4))
        one, other = two_sum(a, b * 2.0**-60), two_sum(c, d * 2.0**-60)
        for call, true in ((plus, Fraction.__add__), (times, Fraction.__mul__), (over, Fraction.__truediv__)):
            found = call(one, other)
            for i in range(8):
                p, q = (Fraction(float(pair[0][i])) + Fraction(float(pair[1][i])) for pair in (one, other))
                size = abs(p) + abs(q) if call is plus else abs(true(p, q))
                sum_ = Fraction(float(found[0][i])) + Fraction(float(found[1][i]))
                assert abs(sum_ - true(p, q)) <= RELATIVE * size
        for split, true in ((two_sum, Fraction.__add__), (two_product, Fraction.__mul__)):
            high, low = split(a, c)
            for i in range(8):
                assert Fraction(float(high[i])) + Fraction(float(low[i])) == true(
                    Fraction(float(a[i])), Fraction(float(c[i]))
                )


def test_parts_of_a_number_add_up_to_it() -> None:
    t = random(50, spread=30)
    parts, rest = cut(t, 11)
    for i, value in enumerate(exact(t)):
        assert abs(value - sum(Fraction(float(part[i])) for part in parts)) <= Fraction(rest)
    whole, rest = cut(torch.tensor([1.0, 0.5]).double(), 20)
    assert rest == 0
    assert len(whole) == 5
