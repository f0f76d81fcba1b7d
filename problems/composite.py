"""Composite problems f + h: f smooth, met through its gradient; h simple, met through its prox."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from array_api_compat import array_namespace

from .assumptions import (
    Convex,
    QuadraticForm,
    QuadraticPart,
    Smooth,
    SmoothPart,
    SmoothTerms,
    SmoothTermsPart,
    StronglyConvex,
    StronglyConvexPart,
    StronglyConvexTerms,
    StronglyConvexTermsPart,
)
from .base import Array, Problem, as_positive
from .data import Dataset, load_data
from .errors import ProblemError
from .glm import LeastSquares, LogisticRegression
from .passes import TermPasses, least_squares_pass
from .pool import entry
from .prox import prox_elastic_net, prox_l2_norm, soft_threshold
from .quadratic import like, to_numpy

EPS = float(np.finfo(float).eps)
Oracle = Callable[..., np.ndarray]


class Regularizer(Protocol):
    """h: its value, its prox, and an element of the generalized Jacobian of the prox at a point (d,), for Newton."""

    def value(self, x: Array) -> Array: ...

    def prox(self, v: Array, step: float) -> Array: ...

    def prox_jacobian(self, v: np.ndarray, step: float) -> np.ndarray: ...


class L1:
    """h(x) = lam ||x||_1."""

    def __init__(self, lam: float):
        self.lam = as_positive(lam, "lam")

    def value(self, x: Array) -> Array:
        xp = array_namespace(x)
        return self.lam * xp.sum(xp.abs(x), axis=-1)

    def prox(self, v: Array, step: float) -> Array:
        return soft_threshold(v, step * self.lam)

    def prox_jacobian(self, v: np.ndarray, step: float) -> np.ndarray:
        return np.diag((np.abs(v) > step * self.lam) * 1.0)

    def __str__(self) -> str:
        return f"L1({self.lam:g})"


class ElasticNet:
    """h(x) = l1 ||x||_1 + l2/2 ||x||^2."""

    def __init__(self, l1: float, l2: float):
        self.l1, self.l2 = as_positive(l1, "l1"), as_positive(l2, "l2")

    def value(self, x: Array) -> Array:
        xp = array_namespace(x)
        return self.l1 * xp.sum(xp.abs(x), axis=-1) + self.l2 / 2 * xp.sum(x * x, axis=-1)

    def prox(self, v: Array, step: float) -> Array:
        return prox_elastic_net(v, step, self.l1, self.l2)

    def prox_jacobian(self, v: np.ndarray, step: float) -> np.ndarray:
        return np.diag((np.abs(v) > step * self.l1) / (1 + step * self.l2))

    def __str__(self) -> str:
        return f"ElasticNet({self.l1:g}, {self.l2:g})"


class GroupL2:
    """h(x) = lam sum of the norms of consecutive groups of ``size`` coordinates."""

    def __init__(self, lam: float, size: int):
        self.lam, self.size = as_positive(lam, "lam"), int(size)
        if self.size < 1:
            raise ProblemError(f"size must be a positive number of coordinates, got {size}")

    def _groups(self, x: Array) -> Array:
        if x.shape[-1] % self.size:
            raise ProblemError(f"size must divide the dimension {x.shape[-1]}, got {self.size}")
        return array_namespace(x).reshape(x, (*x.shape[:-1], -1, self.size))

    def value(self, x: Array) -> Array:
        xp = array_namespace(x)
        return self.lam * xp.sum(xp.linalg.vector_norm(self._groups(x), axis=-1), axis=-1)

    def prox(self, v: Array, step: float) -> Array:
        return array_namespace(v).reshape(prox_l2_norm(self._groups(v), step * self.lam), v.shape)

    def prox_jacobian(self, v: np.ndarray, step: float) -> np.ndarray:
        J = np.zeros((v.size, v.size))
        for start in range(0, v.size, self.size):
            g = v[start:start + self.size]
            norm, t = np.linalg.norm(g), step * self.lam
            if norm > t:
                block = (1 - t / norm) * np.eye(self.size) + t / norm**3 * np.outer(g, g)
                J[start:start + self.size, start:start + self.size] = block
        return J

    def __str__(self) -> str:
        return f"GroupL2({self.lam:g}, {self.size})"


class Composite(Problem):
    """F = f + h: ``value`` is the sum, ``grad`` speaks of f and ``prox`` of h.

    ``smooth`` promises Smooth (its L becomes that of SmoothPart) and, where F is to be convex, Convex. Convexity is
    of the sum, strong convexity of f alone; no theorem about gradients of F applies. The stochastic and coordinate
    oracles of ``smooth`` are passed on, and ``sigma_star`` is the standard deviation of grad f_i at ``x_star``.
    """

    PASSED_ON = frozenset(["component_grad", "component_value", "minibatch_grad", "stochastic_grad", "grad_coordinate",
                           "component_inverse_grad", "coordinate_L", "hess", "hvp", "n", "X", "y", "L_i", "Lmax"])

    def __init__(self, smooth: Problem, regularizer: Regularizer, *, name: str = ""):
        smooth.require(Smooth, who="Composite")
        self.smooth, self.regularizer = smooth, regularizer
        self.point_shape = smooth.point_shape
        self.name = name or f"{smooth} + {regularizer}"
        self.declare(SmoothPart(smooth.L))
        if smooth.meets(Convex):
            self.declare(Convex())
        if smooth.meets(StronglyConvex):
            self.declare(StronglyConvexPart(smooth.mu))
        if smooth.meets(QuadraticForm):
            self.declare(QuadraticPart())
        if smooth.meets(SmoothTerms):
            self.declare(SmoothTermsPart(smooth.Lmax))
        if smooth.meets(StronglyConvexTerms):
            self.declare(StronglyConvexTermsPart(smooth.mu_terms))
        self._solve()

    def __getattr__(self, name: str) -> Any:
        if name in Composite.PASSED_ON:
            return getattr(self.smooth, name)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def value(self, x: Array) -> Array:
        return self.smooth.value(x) + self.regularizer.value(x)

    def grad(self, x: Array) -> Array:
        return self.smooth.grad(x)

    def prox(self, v: Array, step: float) -> Array:
        """argmin_x h(x) + ||x - v||^2 / (2 step)."""
        return self.regularizer.prox(v, step)

    @cached_property
    def sigma_star(self) -> float:
        """sqrt(mean_i ||grad f_i(x*) - grad f(x*)||^2)."""
        terms = to_numpy(self.smooth.component_grad(self.x_star[None], np.arange(self.smooth.n)))
        return float(np.sqrt(np.mean(np.sum((terms - terms.mean(axis=0)) ** 2, axis=1))))

    def _solve(self) -> None:
        f, h, t = self.smooth, self.regularizer, 1 / self.smooth.L
        ref = getattr(f, "x_star", None)

        def device(x: np.ndarray) -> Array:
            return x if ref is None else like(x, ref)

        x, residual, inverse = fixed_point(
            lambda x: to_numpy(f.grad(device(x))), lambda x: to_numpy(f.hess(device(x))),
            lambda v: to_numpy(h.prox(device(v), t)), lambda v: h.prox_jacobian(v, t), t, np.asarray(self._first))
        self.x_star = device(x)
        self.f_star = float(self.value(self.x_star))
        # x - prox(x - grad f(x)/L) bounds the distance by 2 L/mu times it; without mu, to first order, by ||J^-1||.
        self.x_star_error = residual * (2 * self.L / self.mu if self.meets(StronglyConvexPart) else inverse)

    @property
    def _first(self) -> np.ndarray:
        return np.zeros(self.point_shape)


def fixed_point(grad: Oracle, hess: Oracle, prox: Oracle, jacobian: Oracle,
                step: float, x: np.ndarray, rounds: int = 400) -> tuple[np.ndarray, float, float]:
    """x = prox(x - step grad(x)) to machine precision: the point, its residual, and the norm of the inverse Jacobian.

    Accelerated proximal-gradient steps find the face on which the solution lies; semismooth Newton steps, taken
    whenever they halve the residual, find the point on it (in one step where f is quadratic and the prox piecewise
    affine).
    """
    eye = np.eye(x.size)

    def residual(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        v = x - step * grad(x)
        return v, x - prox(v)

    for _ in range(rounds):
        v, r = residual(x)
        size = np.linalg.norm(r)
        if size <= 2 * EPS * max(1.0, np.linalg.norm(x)):
            break
        J = eye - jacobian(v) @ (eye - step * hess(x))
        newton = x - np.linalg.lstsq(J, r, rcond=1e-13)[0]
        if np.linalg.norm(residual(newton)[1]) <= size / 2:
            x = newton
        elif size <= 64 * EPS * max(1.0, np.linalg.norm(x)):
            break
        else:
            x = _accelerated(grad, prox, step, x)
    x = x - residual(x)[1]  # one prox-gradient step: exactly sparse, exactly feasible
    v, r = residual(x)
    J = eye - jacobian(v) @ (eye - step * hess(x))
    size = max(float(np.linalg.norm(r)), EPS * float(np.linalg.norm(x)))
    return x, size, float(np.linalg.norm(np.linalg.pinv(J, rcond=1e-12), 2))


def _accelerated(grad: Oracle, prox: Oracle, step: float, x: np.ndarray, steps: int = 100) -> np.ndarray:
    y = x
    for k in range(steps):
        following = prox(y - step * grad(y))
        y = following + k / (k + 3) * (following - x)
        x = following
    return x


class Lasso(Composite):
    """||Xx - y||^2/(2n) + lam ||x||_1; ``lam`` as scikit-learn's ``alpha``."""

    def __init__(self, X: Array, y: Array, lam: float, *, name: str = ""):
        super().__init__(LeastSquares(X, y), L1(lam), name=name or "lasso")

    @classmethod
    def from_data(cls, data: str | Dataset, *penalty: float) -> Lasso:
        """From a file or a bundled name, columns and target standardized; then ``lam`` (or ``l1, l2``). Without them a
        tenth of the l1 weight at which the solution becomes zero (and of the elastic net half of that as l2)."""
        dataset = data if isinstance(data, Dataset) else load_data(data)
        scaled = dataset.standardized()
        if not penalty:
            largest = float(np.abs(scaled.X.T @ LeastSquares._targets(scaled)).max()) / len(scaled.y)
            penalty = (largest / 10,) if cls is Lasso else (largest / 10, largest / 20)
        return cls(scaled.X, LeastSquares._targets(scaled), *penalty, name=f"{cls.__name__}({dataset.name})")

    cost_of = TermPasses.cost_of

    def coordinate_pass(self, x: Array, order: Array, step: Any) -> Array:
        """Proximal coordinate descent over order[..., t], ``step`` a number or one a coordinate: the point after it."""
        f = self.smooth
        return least_squares_pass(f.columns, f.y, f.l2, self.regularizer.lam, x, order, step)

    def duality_gap(self, x: Array) -> Array:
        """F(x) minus a value of the dual problem: never below F(x) - F*, zero at the solution.

        The dual is -n/2 ||u||^2 - u'y - h*(-X'u); the residual over n is scaled to the best feasible u.
        """
        xp, f, n = array_namespace(x), self.smooth, self.smooth.n
        u = (x @ f.X.T - f.y) / n
        slope = xp.abs(u @ f.X)
        u_sq, u_y = n * xp.sum(u * u, axis=-1), xp.sum(u * f.y, axis=-1)
        largest = xp.max(slope, axis=-1)
        tiny = xp.asarray(np.finfo(float).tiny)
        limit = xp.minimum(self.regularizer.lam / xp.maximum(largest, tiny), xp.asarray(1e300))
        scale = xp.clip(-u_y / xp.maximum(u_sq, tiny), -limit, limit)
        return self.value(x) + scale**2 * u_sq / 2 + scale * u_y


class ElasticNetRegression(Lasso):
    """||Xx - y||^2/(2n) + l2/2 ||x||^2 + l1 ||x||_1; the square belongs to f, which is therefore strongly convex."""

    def __init__(self, X: Array, y: Array, l1: float, l2: float, *, name: str = ""):
        Composite.__init__(self, LeastSquares(X, y, as_positive(l2, "l2")), L1(l1), name=name or "elastic net")

    def duality_gap(self, x: Array) -> Array:
        """F(x) minus the dual's value at u = (Xx - y)/n, where h*(w) = ||(|w| - l1)_+||^2 / (2 l2)."""
        xp, f, n = array_namespace(x), self.smooth, self.smooth.n
        u = (x @ f.X.T - f.y) / n
        over = xp.clip(xp.abs(u @ f.X) - self.regularizer.lam, 0, None)
        dual = -n / 2 * xp.sum(u * u, axis=-1) - xp.sum(u * f.y, axis=-1) - xp.sum(over**2, axis=-1) / (2 * f.l2)
        return self.value(x) - dual


@entry
def diabetes_lasso() -> Problem:
    return Lasso.from_data("diabetes", 0.1)


@entry
def sparse_lasso() -> Problem:
    rng = np.random.default_rng(11)
    X, truth = rng.standard_normal((20, 40)), np.zeros(40)
    truth[:4] = 1, -2, 3, -1
    return Lasso(X, X @ truth + 0.1 * rng.standard_normal(20), 0.2)


@entry
def diabetes_elastic_net() -> Problem:
    return ElasticNetRegression.from_data("diabetes", 0.05, 0.5)


@entry
def group_logistic() -> Problem:
    return Composite(LogisticRegression.from_data("breast_cancer", l2=0.1), GroupL2(0.12, 10))
