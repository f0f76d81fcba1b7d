"""Small finite sums with every constant known, and a smooth loss that is not convex."""

from __future__ import annotations

from itertools import combinations
from math import comb, exp, sqrt
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from .assumptions import ConvexTerms, Interpolation, NoiseAtSolution
from .base import Array, Problem
from .glm import GLM, LeastSquares, LogisticRegression
from .nonsmooth import L1Regression
from .pool import entry
from .quadratic import like, to_numpy

N, D = 12, 5  # terms and variables of the small sums


class WelschRegression(GLM):
    """f(x) = mean_i 1 - exp(-(a_i'x - y_i)^2 / 2): smooth, bounded, not convex; f_i >= 0 = inf f_i.

    ``x_star``: the lowest point reached from exact fits of d of the terms (all of them, or 500 at random). ``L`` is
    reached where all residuals vanish.
    """

    third = sqrt(3 - sqrt(6)) * sqrt(6) * exp(-(3 - sqrt(6)) / 2)  # |(r^3 - 3r) exp(-r^2/2)| at r^2 = 3 - sqrt 6

    def __init__(self, X: Array, y: Array, *, name: str = ""):
        super().__init__(X, y, 0.0, name=name)
        self.assumptions = tuple(a for a in self.assumptions if not isinstance(a, ConvexTerms))
        host = self if isinstance(self.X, np.ndarray) else WelschRegression(to_numpy(self.X), to_numpy(self.y))
        x = host._lowest() if host is self else host.x_star
        self.x_star, self.f_star = like(x, self.X), float(host.value(x))
        self.x_star_error = 4 * float(np.linalg.norm(np.linalg.solve(host.hess(x), host.grad(x))))
        self.declare(NoiseAtSolution(self._sigma_star()))

    def _lowest(self) -> np.ndarray:
        from scipy.optimize import minimize

        d = self.point_shape[0]
        rng = np.random.default_rng(0)
        few = comb(self.n, d) <= 500
        fits = list(combinations(range(self.n), d)) if few else [rng.choice(self.n, d, False) for _ in range(500)]
        starts = np.array([np.linalg.lstsq(self.X[list(i)], self.y[list(i)], rcond=None)[0] for i in fits])
        best = starts[np.argsort(self.value(starts))[:10]]
        found = [minimize(self.value, x, jac=self.grad, hess=self.hess, method="trust-exact").x for x in best]
        x = min(found, key=self.value)
        for _ in range(5):
            x = x - np.linalg.solve(self.hess(x), self.grad(x))
        return x

    @property
    def Delta(self) -> float:
        """Function noise: inf f - mean_i inf f_i."""
        return self.f_star

    def loss(self, t: Array, y: Array) -> Array:
        return -array_namespace(t).expm1(-((t - y) ** 2) / 2)

    def slope(self, t: Array, y: Array) -> Array:
        return (t - y) * array_namespace(t).exp(-((t - y) ** 2) / 2)

    def bend(self, t: Array, y: Array) -> Array:
        return (1 - (t - y) ** 2) * array_namespace(t).exp(-((t - y) ** 2) / 2)


# --- families ----------------------------------------------------------------------------------------------
def ridge(rng: Any, l2: float = 0.1, heavy: float = 1.0, n: int = N, d: int = D) -> LeastSquares:
    """Regularized least squares that no point interpolates; ``heavy`` scales the first row (Lmax >> L)."""
    X = rng.standard_normal((n, d))
    X[0] *= heavy
    return LeastSquares(X, X @ rng.standard_normal(d) + rng.standard_normal(n), l2,
                        name="small ridge" + (" with one huge row" if heavy > 1 else ""))


def logistic(rng: Any, l2: float = 0.1) -> LogisticRegression:
    X = rng.standard_normal((N, D))
    y = np.where(X @ rng.standard_normal(D) + rng.standard_normal(N) > 0, 1.0, -1.0)
    return LogisticRegression(X, y, l2, name="small logistic regression")


def interpolating(rng: Any) -> LeastSquares:
    """Consistent least squares: x_star minimizes every term."""
    X = rng.standard_normal((N, D))
    problem = LeastSquares(X, X @ rng.standard_normal(D), name="small consistent least squares")
    problem.declare(Interpolation())
    return problem


def interpolating_ridge(rng: Any, l2: float = 0.5) -> LeastSquares:
    """Terms (a_i'x)^2/2 + l2/2 ||x||^2: strongly convex, all minimal at the origin."""
    X = rng.standard_normal((N, D))
    problem = LeastSquares(X, np.zeros(N), l2, name="small strongly convex terms, one minimizer")
    problem.declare(Interpolation())
    return problem


def bounded_condition(rng: Any, l2: float = 0.25) -> LeastSquares:
    """Unit rows, so that Lmax / mu <= (1 + l2) / l2, which is 5."""
    X = rng.standard_normal((N, D))
    X = X / np.linalg.norm(X, axis=1, keepdims=True)
    return LeastSquares(X, 3 * rng.standard_normal(N), l2, name="small ridge with unit rows")


def welsch(rng: Any, noise: float = 0.3) -> WelschRegression:
    X = rng.standard_normal((N, 2))
    y = X @ rng.standard_normal(2) + noise * rng.standard_normal(N)
    return WelschRegression(X, y, name="small Welsch regression")


def absolute(rng: Any) -> L1Regression:
    X = rng.standard_normal((N, D))
    return L1Regression(X, X @ rng.standard_normal(D) + rng.standard_normal(N), name="small absolute regression")


@entry
def small_ridge() -> Problem:
    return ridge(np.random.default_rng(3))


@entry
def small_welsch_regression() -> Problem:
    return welsch(np.random.default_rng(4))
