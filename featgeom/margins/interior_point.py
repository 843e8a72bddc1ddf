"""A primal-dual interior-point method for the K-class machine on a moderate number of samples.

The problem is

    min  ½ Σ_j r_j ‖u_j‖² + C Σ_i ξ_i   such that   (w_y − w_k)·x_i + ξ_i ≥ 1  for k ≠ y_i,   ξ ≥ 0,

with W = Vᵀ U, where the rows of V are an orthonormal basis of the vectors that sum to 0 (the best W sums to 0
over the classes), u_j the column of U that multiplies coordinate j, and r_j its regularisation: 1, or 0 for
a free bias. C = ∞ leaves the ξ out. The Newton systems have the size of U, whatever the number of samples.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from featgeom.arrays import Float64, Ints

STEP = 0.995  # of the way to the boundary
CLOSE, PATIENCE = 1e-6, 3  # near the solution, steps without progress mean that rounding has the last word
CANCELLED = 1e-13  # sum of the multipliers' rows, relative to their own sum, that is held to be zero


@dataclass
class Iterate:
    """Primal (u, slacks s, ξ) and dual (α, γ) variables; rows are samples, columns classes.

    The entries of a sample's own class stand still at α = 0, s = 1.
    """

    u: Float64
    s: Float64
    alpha: Float64
    xi: Float64
    gamma: Float64


def simplex_basis(classes: int) -> Float64:
    """An orthonormal basis (K − 1, K) of the vectors of length K that sum to 0.

    >>> np.round(simplex_basis(2), 3)
    array([[-0.707,  0.707]])
    """
    lower = np.tril(np.ones((classes - 1, classes)))
    lower[np.arange(classes - 1), np.arange(1, classes)] = -np.arange(1, classes)
    return -lower / np.linalg.norm(lower, axis=1, keepdims=True)


class Problem:
    """Samples x (n, d) with labels y (n,) in K classes, regularisation (d,), and C."""

    def __init__(self, x: Float64, y: Ints, classes: int, regularisation: Float64, c: float) -> None:
        self.x, self.y, self.c = x, y, c
        self.basis = simplex_basis(classes)
        self.rows = np.arange(len(x))
        self.members = [np.flatnonzero(y == k) for k in range(classes)]
        self.regularisation = regularisation
        self.rivals = np.ones((len(x), classes), bool)
        self.rivals[self.rows, y] = False

    def margins(self, u: Float64) -> Float64:
        """A u: (w_y − w_k)·x for every rival k, 0 for the own class."""
        logits = self.x @ u.T @ self.basis
        return logits[self.rows, self.y][:, None] - logits

    def adjoint(self, weights: Float64) -> Float64:
        """Aᵀ weights, in the shape of U."""
        signed = -weights
        signed[self.rows, self.y] += weights.sum(axis=1)
        return self.basis @ (signed.T @ self.x)

    def normal_matrix(self, density: Float64, slack: Float64 | None) -> Float64:
        """R + Aᵀ (D − D 1 1ᵀ D / slack) A for the diagonal D = ``density``."""
        classes, k, d = len(self.members), len(self.basis), self.x.shape[1]
        if classes == 2:  # a sample has one constraint, of (w_y − w_k) = ±√2 u
            shares = density.sum(axis=1)
            if slack is not None:
                shares = shares - shares**2 / slack
            single: Float64 = 2 * (self.x.T @ (shares[:, None] * self.x))
            return single + np.diag(self.regularisation)
        # A constraint of class c against k touches four blocks of d × d only.
        full = np.zeros((classes, d, classes, d))
        each = np.arange(classes)
        for own, rows in enumerate(self.members):
            x = self.x[rows]
            weighted = density[rows][:, :, None] * x[:, None, :]
            product = (
                (x.T @ weighted.reshape(len(rows), classes * d)).reshape(d, classes, d).transpose(1, 0, 2)
            )
            full[each, :, each, :] += product
            full[own, :, own, :] += product.sum(axis=0)
            full[own] -= product.transpose(1, 0, 2)
            full[:, :, own, :] -= product
        half = np.tensordot(self.basis, full, (1, 0))
        result = np.tensordot(half, self.basis, (2, 1)).transpose(0, 1, 3, 2)
        if slack is not None:
            result = result - self._slack_part(density, slack)
        result[range(k), :, range(k), :] += np.diag(self.regularisation)
        return result.reshape(k * d, k * d)

    def _slack_part(self, density: Float64, slack: Float64) -> Float64:
        """Aᵀ (D 1 1ᵀ D / slack) A: every sample's constraints, pulled together by their common ξ."""
        spread = -density
        spread[self.rows, self.y] += density.sum(axis=1)
        pulled = (spread / np.sqrt(slack)[:, None]) @ self.basis.T
        n, k, d = len(self.x), len(self.basis), self.x.shape[1]
        result = np.empty((k, d, k, d))
        for a in range(k):
            weighted = (pulled[:, a, None] * pulled[:, a:])[:, :, None] * self.x[:, None, :]
            product = (self.x.T @ weighted.reshape(n, -1)).reshape(d, k - a, d)
            result[a, :, a:, :] = product
            result[a:, :, a, :] = product.transpose(1, 2, 0)
        return result


@dataclass(frozen=True)
class Direction:
    """A Newton step: what to add to each part of an iterate."""

    u: Float64
    s: Float64
    alpha: Float64
    xi: Float64
    gamma: Float64


@dataclass(frozen=True)
class Residuals:
    """How far an iterate is from the optimality conditions, and its mean complementarity."""

    primal: Float64
    dual: Float64
    box: Float64
    complementarity: float


class InteriorPoint:
    """The method on one problem: measure, factor, predict, correct, step."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        n, classes = problem.rivals.shape
        self.rivals = problem.rivals
        self.soft = np.isfinite(problem.c)
        share = min(1.0, problem.c / classes) if self.soft else 1.0
        self.at = Iterate(
            u=np.zeros((classes - 1, problem.x.shape[1])),
            s=np.ones((n, classes)),
            alpha=np.where(self.rivals, share, 0.0),
            xi=np.full(n, 1.0 if self.soft else 0.0),
            gamma=np.full(n, problem.c / classes if self.soft else 0.0),
        )
        self.count = int(self.rivals.sum()) + (n if self.soft else 0)

    def residuals(self) -> Residuals:
        """The equations' residuals at the present iterate."""
        at, problem = self.at, self.problem
        primal = np.where(self.rivals, problem.margins(at.u) + at.xi[:, None] - at.s - 1, 0.0)
        dual = problem.regularisation * at.u - problem.adjoint(at.alpha)
        box = problem.c - at.alpha.sum(axis=1) - at.gamma if self.soft else np.zeros(len(at.xi))
        products = float((at.alpha * at.s).sum() + at.gamma @ at.xi)
        return Residuals(primal, dual, box, products / self.count)

    def value(self) -> float:
        """The primal objective at the present iterate."""
        penalty = self.problem.c * float(self.at.xi.sum()) if self.soft else 0.0
        return 0.5 * float((self.problem.regularisation * self.at.u**2).sum()) + penalty

    def error(self, r: Residuals) -> float:
        """The largest of relative duality gap and residuals: 0 at the solution."""
        size = max(float(np.abs(self.at.u).max()), float(np.abs(self.problem.adjoint(self.at.alpha)).max()))
        return max(
            r.complementarity * self.count / max(self.value(), 1e-300),
            float(np.abs(r.primal).max()),
            float(np.abs(r.dual).max()) / max(size, 1e-300),
        )

    def factor(self) -> None:
        """Factor the Newton matrix of the present iterate; raises LinAlgError where rounding prevents it."""
        at = self.at
        self.density = np.where(self.rivals, at.alpha / at.s, 0.0)
        self.slack = at.gamma / at.xi + self.density.sum(axis=1) if self.soft else None
        matrix = self.problem.normal_matrix(self.density, self.slack)
        self.cholesky = cho_factor(matrix, overwrite_a=True, check_finite=False)

    def direction(self, r: Residuals, products: Float64, slack_products: Float64) -> Direction:
        """The Newton step that would bring α·s and γ·ξ down by the products given."""
        at = self.at
        e = np.where(self.rivals, (-products - at.alpha * r.primal) / at.s, 0.0)
        pull = np.zeros(len(at.xi))
        inner = e
        if self.slack is not None:
            pull = -slack_products / at.xi - r.box + e.sum(axis=1)
            inner = e - self.density * (pull / self.slack)[:, None]
        right = self.problem.adjoint(inner) - r.dual
        u = cho_solve(self.cholesky, right.ravel(), check_finite=False).reshape(at.u.shape)
        moved = np.where(self.rivals, self.problem.margins(u), 0.0)
        xi = gamma = np.zeros(len(at.xi))
        if self.slack is not None:
            xi = (pull - (self.density * moved).sum(axis=1)) / self.slack
            gamma = (-slack_products - at.gamma * xi) / at.xi
        s = np.where(self.rivals, moved + r.primal + xi[:, None], 0.0)
        alpha = np.where(self.rivals, (-products - at.alpha * s) / at.s, 0.0)
        return Direction(u, s, alpha, xi, gamma)

    def longest(self, step: Direction) -> float:
        """The longest step, at most 1, that keeps every bounded variable at 0 or above."""
        at = self.at
        pairs = [(at.s[self.rivals], step.s[self.rivals]), (at.alpha[self.rivals], step.alpha[self.rivals])]
        if self.soft:
            pairs += [(at.xi, step.xi), (at.gamma, step.gamma)]
        worst = max(float((-change / value).max()) for value, change in pairs)
        return min(1.0, 1 / worst) if worst > 0 else 1.0

    def advance(self, r: Residuals) -> None:
        """One predictor and corrector (Mehrotra 1992)."""
        at = self.at
        self.factor()
        guess = self.direction(r, at.alpha * at.s, at.gamma * at.xi)
        t = self.longest(guess)
        ahead = float(((at.alpha + t * guess.alpha) * (at.s + t * guess.s) * self.rivals).sum())
        ahead += float((at.gamma + t * guess.gamma) @ (at.xi + t * guess.xi))
        aim = (ahead / self.count / r.complementarity) ** 3 * r.complementarity
        step = self.direction(
            r,
            np.where(self.rivals, at.alpha * at.s + guess.alpha * guess.s - aim, 0.0),
            at.gamma * at.xi + guess.gamma * guess.xi - (aim if self.soft else 0.0),
        )
        t = STEP * self.longest(step)
        for name in ("u", "s", "alpha", "xi", "gamma"):
            setattr(at, name, getattr(at, name) + t * getattr(step, name))


@dataclass(frozen=True)
class Found:
    """Where the method ended: not ``separable`` if the multipliers, scaled to sum 1, all but cancel."""

    at: Iterate
    iterations: int
    separable: bool = True


def solve(problem: Problem, enough: float = 0.0, limit: int = 100) -> Found:
    """The machine on all samples of ``problem``, to a relative error of ``enough`` if rounding lets it.

    It stops where the iterates get no better, or where the multipliers show that no machine separates the
    samples. The caller judges the result by bounds of its own; nothing is claimed here.
    """
    method = InteriorPoint(problem)
    best, least, found_at = replace(method.at), np.inf, 0
    for iteration in range(limit):
        r = method.residuals()
        worst = method.error(r)
        if worst < least:
            best, least, found_at = replace(method.at), worst, iteration
        if worst <= enough or (least < CLOSE and iteration >= found_at + PATIENCE):
            break
        if _cancel(method):
            return Found(method.at, iteration, separable=False)
        try:
            method.advance(r)
        except np.linalg.LinAlgError:
            break
    return Found(best, iteration)


def _cancel(method: InteriorPoint) -> bool:
    """Whether the multipliers, scaled to sum 1, all but cancel: near proof that no machine separates."""
    if method.soft:
        return False
    total = float(method.at.alpha.sum())
    return bool(np.abs(method.problem.adjoint(method.at.alpha)).max() < CANCELLED * total)
