"""Nonsmooth convex regression and classification, solved by linear programming, with exact Lipschitz constants."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace
from scipy.optimize import linprog

from .assumptions import BoundedMoment, Convex, ConvexTerms, Lipschitz, LipschitzTerms, LowerBounded
from .base import Array, Problem, as_matrix, as_vector
from .errors import ProblemError
from .hard import as_count
from .pool import entry
from .quadratic import like, to_numpy

ENUMERATED = 18  # rows up to which all sign patterns are tried


def largest_combination(X: np.ndarray, low: float) -> float:
    """max ||X's|| over s in {low, 1}^n: for low = -1 the norm of X from l2 to l1.

    Exact up to 18 rows (every pattern) and for one or two columns (sign(X v) takes at most 2n patterns as v turns);
    otherwise the upper bound min(||X||_2 sqrt n, sum_i ||x_i||), since the maximum is NP-hard.
    """
    n, d = X.shape
    if n <= ENUMERATED:
        bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return float(np.linalg.norm(np.where(bits, 1.0, low) @ X, axis=1).max())
    if d <= 2:
        plane = np.column_stack([X, np.zeros((n, 2 - d))])
        edges = np.sort(np.mod(np.arctan2(plane[:, 1], plane[:, 0]) + np.pi / 2, np.pi))
        edges = np.concatenate([edges, edges + np.pi, edges[:1] + 2 * np.pi])
        middle = (edges[1:] + edges[:-1]) / 2
        patterns = np.stack([np.cos(middle), np.sin(middle)], axis=1) @ plane.T > 0
        return float(np.linalg.norm(np.where(patterns, 1.0, low) @ X, axis=1).max())
    return float(min(np.linalg.norm(X, 2) * np.sqrt(n), np.linalg.norm(X, axis=1).sum()))


class _PiecewiseLinear(Problem):
    """mean_i phi(a_i'x - y_i), phi convex with slopes between ``low`` and 1 and its kink at 0.

    ``G`` bounds every subgradient (and is the Lipschitz constant); ``stochastic_grad`` averages ``batch`` terms drawn
    without replacement, and E||stochastic_grad||^2 <= B^2. The solution is a vertex: a linear program finds its zero
    residuals, a linear system its digits.
    """

    low: float

    def __init__(self, X: Array, y: Array, batch: int = 1, *, name: str = ""):
        self.X = as_matrix(X, "X")
        self.n, d = self.X.shape
        self.y = as_vector(y, "y", self.n)
        self.batch = as_count(batch, "batch")
        if self.batch > self.n:
            raise ProblemError(f"batch must be at most the number of rows, {self.n}, got {batch}")
        self.point_shape, self.name = (d,), name
        host_X, host_y = to_numpy(self.X), to_numpy(self.y)
        rows = np.linalg.norm(host_X, axis=1)
        G = largest_combination(host_X, self.low) / self.n
        # E||mean of a batch||^2 = (1 - share) ||mean of all||^2 + share mean ||term||^2
        share = (self.n - self.batch) / (self.batch * (self.n - 1)) if self.n > 1 else 0.0
        B = float(np.sqrt((1 - share) * G**2 + share * np.mean(rows**2)))
        self.declare(Convex(), ConvexTerms(), LowerBounded(), Lipschitz(G), LipschitzTerms(float(rows.max())),
                     BoundedMoment(B))
        solution, self.x_star_error = self._solve(host_X, host_y)
        self.x_star = like(solution, self.X)
        self.f_star = float(self.value(self.x_star))

    def _solve(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
        """min sum phi(r) as a linear program in (x, u, v), r = u - v, cost u - low v; then by its zero residuals."""
        n, d = X.shape
        cost = np.concatenate([np.zeros(d), np.ones(n), np.full(n, -self.low)])
        rows = np.hstack([X, -np.eye(n), np.eye(n)])
        found = linprog(cost, A_eq=rows, b_eq=y, bounds=[(None, None)] * d + [(0, None)] * (2 * n), method="highs")
        if not found.success:
            raise ProblemError(f"X and y must give a problem with a solution; the linear program says: {found.message}")
        x = found.x[:d]
        zero = np.abs(X @ x - y) <= 1e-8 * (1 + np.abs(y))
        x = x + np.linalg.lstsq(X[zero], y[zero] - X[zero] @ x)[0]
        scale = float(np.linalg.norm(x)) * (float(np.linalg.cond(X[zero])) if zero.any() else 1.0)
        return x, 8 * float(np.finfo(float).eps) * scale

    @property
    def value_scale(self) -> float:
        """The residuals cancel near the solution."""
        return float(np.mean(np.abs(to_numpy(self.y))))

    def phi(self, r: Array) -> Array:
        xp = array_namespace(r)
        return xp.maximum(r, self.low * r)

    def slope(self, r: Array) -> Array:
        """One subgradient of phi: the middle one at the kink."""
        sign = array_namespace(r).sign(r)
        return (1 + self.low) / 2 + (1 - self.low) / 2 * sign

    def value(self, x: Array) -> Array:
        return array_namespace(x).mean(self.phi(x @ self.X.T - self.y), axis=-1)

    def grad(self, x: Array) -> Array:
        return self.slope(x @ self.X.T - self.y) @ self.X / self.n

    def component_value(self, x: Array, i: Array) -> Array:
        return self.phi(self.inner(self.X[i], x) - self.y[i])

    def component_grad(self, x: Array, i: Array) -> Array:
        """Subgradient of term i, an integer array broadcastable to the replicates."""
        a = self.X[i]
        return self.column(self.slope(self.inner(a, x) - self.y[i])) * a

    def component_prox(self, v: Array, i: Array, step: float) -> Array:
        """argmin_x f_i(x) + ||x - v||^2 / (2 step): a step along a_i, up to the kink if that is nearer."""
        a = self.X[i]
        reach = (self.inner(a, v) - self.y[i]) / self.inner(a, a)
        return v - self.column(array_namespace(v).clip(reach, self.low * step, step)) * a

    def minibatch_grad(self, x: Array, batch: Array) -> Array:
        """Mean over i in ``batch``, an integer array (replicates.., b)."""
        xp = array_namespace(x)
        a = self.X[batch]
        r = xp.sum(a * x[..., None, :], axis=-1) - self.y[batch]
        return xp.mean(self.slope(r)[..., None] * a, axis=-2)

    def stochastic_grad(self, x: Array, rng: Any, batch: int | None = None) -> Array:
        """Subgradient of one term drawn uniformly, or the mean over ``batch`` terms drawn without replacement."""
        batch = batch or self.batch
        if batch == 1:
            return self.component_grad(x, rng.index(self.n))
        return self.minibatch_grad(x, rng.subset(self.n, batch))


class L1Regression(_PiecewiseLinear):
    """f(x) = ||Xx - y||_1 / n, with G = max over signs of ||X's|| / n."""

    low = -1.0


class Hinge(_PiecewiseLinear):
    """f(x) = mean_i max(0, 1 - y_i a_i'x), y_i in {-1, 1}; G = max over subsets of ||sum of their y_i a_i|| / n."""

    low = 0.0

    def __init__(self, A: Array, y: Array, batch: int = 1, *, name: str = ""):
        A = as_matrix(A, "A")
        y = as_vector(y, "y", A.shape[0])
        if not np.isin(to_numpy(y), (-1, 1)).all():
            raise ProblemError("y must hold labels -1 and 1 (Dataset.signs maps any two labels to them)")
        super().__init__(-y[:, None] * A, 0 * y - 1, batch, name=name)  # 1 - y a'x = (-y a)'x - (-1)


def slow_valley(steps: int) -> L1Regression:
    """(|a u| + |b v|)/2 with a^2 + b^2 = 4 (G = 1), b/2 = 1/(2 sqrt(steps)): u overshoots at every step, v lags behind.

    The last iterate of ``steps`` subgradient steps is 5/4 times as bad here as an average is anywhere.
    """
    b = 1 / np.sqrt(steps)
    return L1Regression(np.diag([np.sqrt(4 - b**2), b]), np.array([0.0, 0.0]), name=f"slow valley for {steps} steps")


@entry
def l1_regression() -> Problem:
    rng = np.random.default_rng(21)
    X = rng.standard_normal((15, 3))
    return L1Regression(X, X @ np.array([1.0, -1.0, 2.0]) + rng.standard_t(2, 15))


@entry
def hinge() -> Problem:
    rng = np.random.default_rng(22)
    A = rng.standard_normal((16, 3))
    y = np.where(A @ np.array([1.0, 1.0, -1.0]) + 1.5 * rng.standard_normal(16) > 0, 1.0, -1.0)
    return Hinge(A, y)


@entry
def diabetes_l1() -> Problem:
    from .data import load_data

    data = load_data("diabetes").standardized()
    return L1Regression(data.X[:, [2, 8]], (data.y - data.y.mean()) / data.y.std())
