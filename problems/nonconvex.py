"""Nonconvex problems with exact constants: Polyak-Lojasiewicz, robust regression, weakly convex nonsmooth."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from scipy.optimize import brentq

from .assumptions import (
    PL,
    ConvexTerms,
    ErrorBound,
    Lipschitz,
    LipschitzHessian,
    LipschitzThirdDerivative,
    LowerBounded,
    RestrictedSecant,
    Smooth,
    WeaklyConvex,
)
from .base import Array, Problem, as_matrix, as_vector
from .errors import ProblemError
from .glm import GLM
from .nonsmooth import largest_combination
from .pool import entry
from .quadratic import like, to_numpy


@cache
def sine_pl_constant() -> float:
    """mu = min_x g'(x)^2 / (2 g(x)) of g(x) = x^2 + 3 sin^2 x, at the root of 2 g'' g = g'^2 below the lowest ratio.

    Beyond |x| = 5 the ratio is above 0.8 (there |g'| >= 2|x| - 3 and g <= x^2 + 3), so a grid on (0, 5] brackets it.
    """

    def ratio(x: Array) -> Array:
        return (2 * x + 3 * np.sin(2 * x)) ** 2 / (2 * (x**2 + 3 * np.sin(x) ** 2))

    def stationary(x: float) -> float:
        slope = 2 * x + 3 * np.sin(2 * x)
        return 2 * (2 + 6 * np.cos(2 * x)) * (x**2 + 3 * np.sin(x) ** 2) - slope**2

    grid = np.linspace(1e-2, 5, 5000)
    i = int(np.argmin(ratio(grid)))
    return float(ratio(brentq(stationary, grid[i - 1], grid[i + 1], xtol=1e-15)))


@cache
def sine_secant_constant() -> float:
    """min_x g'(x)/x = 2 + 6 min_t sin(t)/t of the same g, at the first root of tan t = t."""
    t = brentq(lambda t: np.sin(t) - t * np.cos(t), 4.4, 4.6, xtol=1e-15)
    return 2 + 6 * float(np.sin(t)) / t


class SinePL(Problem):
    """f(x) = sum_j w_j (x_j^2 + 3 sin^2 x_j), w > 0: not convex, yet Polyak-Lojasiewicz with x* = 0, f* = 0.

    L = 8 max w, WeaklyConvex(4 max w), L2 = 12 max w, and mu = 0.1755.. * min w, computed, not the 1/32 that is often
    quoted. It also meets the restricted secant inequality with 0.6966.. * min w, the error bound with 8 max w.
    Source: Karimi, Nutini, Schmidt 2016, Sec 2.2.
    """

    def __init__(self, weights: Array, *, name: str = ""):
        self.weights = as_vector(weights, "weights")
        low, high = float(to_numpy(self.weights).min()), float(to_numpy(self.weights).max())
        if low <= 0:
            raise ProblemError(f"weights must be positive, got {low}")
        self.point_shape = tuple(self.weights.shape)
        self.x_star, self.f_star, self.name = 0 * self.weights, 0.0, name
        self.declare(PL(low * sine_pl_constant()), Smooth(8 * high), WeaklyConvex(4 * high), LowerBounded(),
                     LipschitzHessian(12 * high), LipschitzThirdDerivative(24 * high),
                     RestrictedSecant(low * sine_secant_constant()), ErrorBound(8 * high))

    def value(self, x: Array) -> Array:
        xp = array_namespace(x)
        return xp.sum(self.weights * (x**2 + 3 * xp.sin(x) ** 2), axis=-1)

    def grad(self, x: Array) -> Array:
        return self.weights * (2 * x + 3 * array_namespace(x).sin(2 * x))

    def hvp(self, x: Array, v: Array) -> Array:
        return self.weights * (2 + 6 * array_namespace(x).cos(2 * x)) * v

    def hess(self, x: Array) -> Array:
        diagonal = self.weights * (2 + 6 * array_namespace(x).cos(2 * x))
        return diagonal[..., None] * array_namespace(x).eye(self.point_shape[0])

    @property
    def x0(self) -> Array:
        return 0 * self.weights + 3.0


class LogRegression(GLM):
    """f(x) = mean_i log(1 + (a_i'x - y_i)^2/2), y in the range of X: f >= 0 = f*, nonconvex, ||grad log|| saturates.

    L = lambda_max(X'X)/n, attained at the solution. When the rows are independent every residual can be any number, so
    f is exactly L/8-weakly convex (each loss bends down at most 1/8, at residual sqrt 6).
    """

    third = (4 + 3 * np.sqrt(2)) / 8  # at residual 2 - sqrt 2
    fourth = 3.0  # at residual 0

    def __init__(self, X: Array, y: Array, l2: float = 0.0, *, name: str = ""):
        if l2 != 0:
            raise ProblemError(f"l2 must be 0 (with a penalty the minimum is unknown), got {l2}")
        super().__init__(X, y, name=name)
        host_X, host_y = to_numpy(self.X), to_numpy(self.y)
        solution = np.linalg.lstsq(host_X, host_y)[0]
        if np.linalg.norm(host_X @ solution - host_y) > 1e-10 * max(1.0, float(np.linalg.norm(host_y))):
            raise ProblemError("y must lie in the range of X (interpolation), otherwise the minimum is unknown")
        self.x_star, self.f_star = like(solution, self.X), 0.0
        self.x_star_error = float(np.finfo(float).eps * np.linalg.norm(solution) * np.linalg.cond(host_X))
        self.assumptions = tuple(a for a in self.assumptions if not isinstance(a, ConvexTerms))
        if np.linalg.matrix_rank(host_X) == self.n:
            self.declare(WeaklyConvex(self.L / 8))

    def loss(self, t: Array, y: Array) -> Array:
        return array_namespace(t).log1p((t - y) ** 2 / 2)

    def slope(self, t: Array, y: Array) -> Array:
        return 2 * (t - y) / (2 + (t - y) ** 2)

    def bend(self, t: Array, y: Array) -> Array:
        s = (t - y) ** 2
        return (4 - 2 * s) / (2 + s) ** 2


class PhaseRetrieval(Problem):
    """f(x) = mean_i |(a_i'x)^2 - b_i| with b_i = (a_i'x_star)^2 > 0: weakly convex, nonsmooth, f* = 0.

    x_star and -x_star are both solutions.
    rho = 2 lambda_max(A'A)/n, attained around 0, where every term bends down. No global Lipschitz constant.
    Source: Duchi and Ruan 2019.
    """

    def __init__(self, A: Array, x_star: Array, *, name: str = ""):
        self.A = as_matrix(A, "A")
        self.n, d = self.A.shape
        self.x_star, self.f_star, self.name, self.point_shape = as_vector(x_star, "x_star", d), 0.0, name, (d,)
        self.b = (self.A @ self.x_star) ** 2
        if not bool((self.b > 0).all()):
            raise ProblemError("x_star must not be orthogonal to a row of A: that measurement would say nothing")
        self.declare(WeaklyConvex(2 * float(np.linalg.norm(to_numpy(self.A), 2)) ** 2 / self.n), LowerBounded())

    def value(self, x: Array) -> Array:
        xp = array_namespace(x)
        return xp.mean(xp.abs((x @ self.A.T) ** 2 - self.b), axis=-1)

    def grad(self, x: Array) -> Array:
        """The subgradient with sign(0) = 0."""
        t = x @ self.A.T
        return (array_namespace(x).sign(t**2 - self.b) * 2 * t) @ self.A / self.n

    def component_grad(self, x: Array, i: Array) -> Array:
        """Subgradient of term i, an integer array broadcastable to the replicates."""
        a = self.A[i]
        t = self.inner(a, x)
        return self.column(array_namespace(x).sign(t**2 - self.b[i]) * 2 * t) * a

    def stochastic_grad(self, x: Array, rng: Any) -> Array:
        return self.component_grad(x, rng.index(self.n))

    @property
    def x0(self) -> Array:
        return 0 * self.x_star + 1.0


class LogAbsolute(Problem):
    """f(x) = mean_i log(1 + |a_i'x - y_i|), y in the range of X: weakly convex, nonsmooth, globally Lipschitz, f* = 0.

    rho = lambda_max(X'X)/n (approached at x_star), G = max over signs s of ||X's||/n (the subdifferential at x_star).
    """

    def __init__(self, X: Array, x_star: Array, *, name: str = ""):
        self.X = as_matrix(X, "X")
        self.n, d = self.X.shape
        self.x_star, self.f_star, self.name, self.point_shape = as_vector(x_star, "x_star", d), 0.0, name, (d,)
        self.y = self.X @ self.x_star
        host = to_numpy(self.X)
        self.declare(WeaklyConvex(float(np.linalg.norm(host, 2)) ** 2 / self.n),
                     Lipschitz(largest_combination(host, -1.0) / self.n), LowerBounded())

    def value(self, x: Array) -> Array:
        xp = array_namespace(x)
        return xp.mean(xp.log1p(xp.abs(x @ self.X.T - self.y)), axis=-1)

    def grad(self, x: Array) -> Array:
        """The subgradient with sign(0) = 0."""
        xp = array_namespace(x)
        r = x @ self.X.T - self.y
        return (xp.sign(r) / (1 + xp.abs(r))) @ self.X / self.n


@entry
def sine_pl() -> Problem:
    return SinePL([1.0, 0.5, 0.25])


@entry
def log_regression() -> Problem:
    rng = np.random.default_rng(11)
    X = rng.standard_normal((30, 4))
    return LogRegression(X, 3 * X @ rng.standard_normal(4))


@entry
def wide_log_regression() -> Problem:
    rng = np.random.default_rng(12)
    X = rng.standard_normal((5, 8))
    return LogRegression(X, 3 * X @ rng.standard_normal(8))


@entry
def phase_retrieval() -> Problem:
    rng = np.random.default_rng(13)
    return PhaseRetrieval(rng.standard_normal((20, 3)), np.array([1.0, -0.5, 0.25]))


@entry
def log_absolute() -> Problem:
    rng = np.random.default_rng(14)
    return LogAbsolute(rng.standard_normal((10, 3)), np.array([1.0, -2.0, 0.5]))
