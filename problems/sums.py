"""Small finite sums with every constant known, and two losses that are not smooth and convex at once."""

from __future__ import annotations

from itertools import combinations, product
from math import comb, exp, sqrt
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from .assumptions import (
    Convex,
    ConvexTerms,
    Interpolation,
    Lipschitz,
    LipschitzTerms,
    LowerBounded,
)
from .base import Array, Problem, as_matrix, as_vector
from .errors import ProblemError
from .glm import GLM, LeastSquares, LogisticRegression
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


class AbsoluteRegression(Problem):
    """f(x) = mean_i |a_i'x - y_i|: convex, each term ||a_i||-Lipschitz, the prox of each term in closed form.

    ``x_star`` from the linear program, at a vertex (where d of the residuals vanish). ``G`` is the largest norm of a
    subgradient: exact up to 16 terms, the mean row norm beyond.
    """

    def __init__(self, X: Array, y: Array, *, name: str = ""):
        self.X = as_matrix(X, "X")
        self.n, d = self.X.shape
        self.y = as_vector(y, "y", self.n)
        self.point_shape, self.name = (d,), name
        host_X, host_y = to_numpy(self.X), to_numpy(self.y)
        rows = np.linalg.norm(host_X, axis=1)
        if not rows.all():
            raise ProblemError(f"every row of X must be nonzero, got zeros in row {int(np.argmin(rows))}")
        G = rows.mean()
        if self.n <= 16:
            signs = np.array(list(product((1.0, -1.0), repeat=self.n - 1)))
            G = np.linalg.norm(host_X[0] + signs @ host_X[1:], axis=1).max() / self.n
        x = _least_absolute(host_X, host_y)
        self.x_star = like(x, self.X)
        self.f_star = float(np.abs(host_X @ x - host_y).mean())
        self.declare(Convex(), ConvexTerms(), Lipschitz(float(G)), LipschitzTerms(float(rows.max())), LowerBounded())

    def value(self, x: Array) -> Array:
        xp = array_namespace(x)
        return xp.mean(xp.abs(x @ self.X.T - self.y), axis=-1)

    def grad(self, x: Array) -> Array:
        """A subgradient: the sign of a residual that vanishes counts as 0."""
        return array_namespace(x).sign(x @ self.X.T - self.y) @ self.X / self.n

    def component_value(self, x: Array, i: Array) -> Array:
        return array_namespace(x).abs(self.inner(self.X[i], x) - self.y[i])

    def component_grad(self, x: Array, i: Array) -> Array:
        a = self.X[i]
        return self.column(array_namespace(x).sign(self.inner(a, x) - self.y[i])) * a

    def stochastic_grad(self, x: Array, rng: Any) -> Array:
        return self.component_grad(x, rng.index(self.n))

    def component_prox(self, v: Array, i: Array, step: float) -> Array:
        """argmin_x f_i(x) + ||x - v||^2 / (2 step): a step along a_i, onto the hyperplane if that is nearer."""
        a = self.X[i]
        reach = (self.inner(a, v) - self.y[i]) / self.inner(a, a)
        return v - self.column(array_namespace(v).clip(reach, -step, step)) * a


def _least_absolute(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """argmin ||Xx - y||_1: the linear program's solution, then the vertex itself from its vanishing residuals."""
    from scipy.optimize import linprog

    n, d = X.shape
    solved = linprog(np.r_[np.zeros(d), np.ones(n)], np.block([[X, -np.eye(n)], [-X, -np.eye(n)]]), np.r_[y, -y],
                     bounds=[(None, None)] * d + [(0, None)] * n, method="highs-ds")
    x = solved.x[:d]
    active = np.abs(X @ x - y) <= 1e-9 * max(1.0, np.abs(y).max())
    vertex = np.linalg.lstsq(X[active], y[active], rcond=None)[0] if np.linalg.matrix_rank(X[active]) == d else x
    return vertex if np.abs(X @ vertex - y).sum() <= np.abs(X @ x - y).sum() + 1e-9 else x


# --- families ----------------------------------------------------------------------------------------------
def ridge(rng: Any, l2: float = 0.1, heavy: float = 1.0) -> LeastSquares:
    """Regularized least squares that no point interpolates; ``heavy`` scales the first row (Lmax >> L)."""
    X = rng.standard_normal((N, D))
    X[0] *= heavy
    return LeastSquares(X, X @ rng.standard_normal(D) + rng.standard_normal(N), l2,
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
    problem = LeastSquares(rng.standard_normal((N, D)), np.zeros(N), l2, name="small strongly convex terms, one minimizer")
    problem.declare(Interpolation())
    return problem


def bounded_condition(rng: Any, l2: float = 0.25) -> LeastSquares:
    """Unit rows, so that Lmax / mu <= (1 + l2) / l2, which is 5."""
    X = rng.standard_normal((N, D))
    X = X / np.linalg.norm(X, axis=1, keepdims=True)
    return LeastSquares(X, 3 * rng.standard_normal(N), l2, name="small ridge with unit rows")


def welsch(rng: Any, noise: float = 0.3) -> WelschRegression:
    X = rng.standard_normal((N, 2))
    return WelschRegression(X, X @ rng.standard_normal(2) + noise * rng.standard_normal(N), name="small Welsch regression")


def absolute(rng: Any) -> AbsoluteRegression:
    X = rng.standard_normal((N, D))
    return AbsoluteRegression(X, X @ rng.standard_normal(D) + rng.standard_normal(N), name="small absolute regression")


@entry
def small_ridge() -> Problem:
    return ridge(np.random.default_rng(3))


@entry
def small_welsch_regression() -> Problem:
    return welsch(np.random.default_rng(4))


@entry
def small_absolute_regression() -> Problem:
    return absolute(np.random.default_rng(5))
