"""Generalized linear models: mean_i loss(a_i'x, y_i) + l2/2 ||x||^2, as one smooth function and as a finite sum."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from .assumptions import (
    PL,
    Convex,
    ConvexTerms,
    LipschitzHessian,
    LipschitzThirdDerivative,
    LowerBounded,
    NoiseAtSolution,
    QuadraticForm,
    Smooth,
    SmoothTerms,
    StronglyConvex,
    StronglyConvexTerms,
    Terms,
)
from .base import Array, Problem, as_matrix, as_positive, as_vector
from .data import Dataset, load_data
from .errors import ProblemError
from .passes import TermPasses, least_squares_pass
from .quadratic import like, to_numpy
from .search import Searchable


class GLM(Problem):
    """Base: X (n, d), y (n,), l2 >= 0. Sub-classes give the loss of a margin t = a'x and its derivatives.

    Constants: ``L`` (of f), ``mu`` (= l2, or exact for least squares), ``Lmax`` = max_i L_i, ``L_i`` (n,),
    ``sigma_star`` = sqrt(mean_i ||grad f_i(x*)||^2), ``coordinate_L`` (d,), ``L2`` (Hessian-Lipschitz).
    """

    curvature: float = 1.0  # sup of the loss's second derivative
    third: float = 0.0  # sup of |third derivative|
    fourth: float = 0.0  # sup of |fourth derivative|

    def __init__(self, X: Array, y: Array, l2: float = 0.0, *, name: str = ""):
        self.X = as_matrix(X, "X")
        self.n, d = self.X.shape
        self.y = as_vector(y, "y", self.n)
        self.l2 = as_positive(l2, "l2", zero=True)
        self.point_shape = (d,)
        self.name = name
        rows = np.linalg.norm(to_numpy(self.X), axis=1)
        self._eigenvalues = gram_eigenvalues(to_numpy(self.X)) / self.n
        self.L_i = self.curvature * rows**2 + self.l2
        self.coordinate_L = self.curvature * (to_numpy(self.X) ** 2).mean(axis=0) + self.l2
        self.declare(
            Smooth(float(self.curvature * self._eigenvalues[-1] + self.l2)),
            Terms(self.n),
            SmoothTerms(float(self.L_i.max())),
            StronglyConvexTerms(self.l2) if self.l2 > 0 else ConvexTerms(),
            LowerBounded(),
            LipschitzHessian(self.third and self.third * self._moment(rows)),
            LipschitzThirdDerivative(self.fourth and self.fourth * self._moment(rows**2)),
        )

    def _moment(self, weights: np.ndarray) -> float:
        """Top eigenvalue of mean w_i a_i a_i': with w = ||a||, ||a||^2 it bounds sup_u mean |a'u|^3, |a'u|^4 from above."""
        return float(gram_eigenvalues(to_numpy(self.X) * np.sqrt(weights)[:, None])[-1] / self.n)

    @classmethod
    def from_data(cls, data: str | Any, l2: float | None = None, **options: Any) -> GLM:
        """From a file or a bundled name (see ``load_data``); columns standardized, labels as the loss wants them."""
        if l2 is not None:
            options["l2"] = l2
        dataset = data if isinstance(data, Dataset) else load_data(data)
        scaled = dataset.standardized()
        return cls(scaled.X, cls._targets(scaled), name=f"{cls.__name__}({dataset.name})", **options)

    @staticmethod
    def _targets(dataset: Dataset) -> np.ndarray:
        y = dataset.y
        return (y - y.mean()) / (y.std() or 1.0)

    # --- the loss of a margin -------------------------------------------------------------------------------
    def loss(self, t: Array, y: Array) -> Array:
        raise AttributeError("a GLM sub-class defines loss")

    def slope(self, t: Array, y: Array) -> Array:
        raise AttributeError("a GLM sub-class defines slope")

    def bend(self, t: Array, y: Array) -> Array:
        raise AttributeError("a GLM sub-class defines bend")

    # --- oracles --------------------------------------------------------------------------------------------
    def value(self, x: Array) -> Array:
        losses = self.loss(x @ self.X.T, self.y)
        return array_namespace(x).mean(losses, axis=-1) + self.l2 / 2 * self.sq(x)

    def grad(self, x: Array) -> Array:
        return self.slope(x @ self.X.T, self.y) @ self.X / self.n + self.l2 * x

    def hess(self, x: Array) -> Array:
        weights, ridge = self.bend(x @ self.X.T, self.y), self.l2 * like(np.eye(self.point_shape[0]), self.X)
        if self.meets(ConvexTerms):  # B'B costs half of A'B
            xp = array_namespace(weights)
            root = xp.sqrt(weights)[..., None] * self.X
            return xp.matrix_transpose(root) @ root / self.n + ridge
        return (self.X.T * weights[..., None, :]) @ self.X / self.n + ridge

    def hvp(self, x: Array, v: Array) -> Array:
        return (self.bend(x @ self.X.T, self.y) * (v @ self.X.T)) @ self.X / self.n + self.l2 * v

    def grad_coordinate(self, x: Array, i: Array) -> Array:
        """Partial derivative i, an integer array over the replicates."""
        residual = self.slope(x @ self.X.T, self.y)
        return array_namespace(x).sum(residual * self.X.T[i], axis=-1) / self.n + self.l2 * self.inner(x, self.unit(i))

    def component_value(self, x: Array, i: Array) -> Array:
        """f_i(x), i an integer array broadcastable to the replicates."""
        a = self.X[i]
        return self.loss(self.inner(a, x), self.y[i]) + self.l2 / 2 * self.sq(x)

    def component_grad(self, x: Array, i: Array) -> Array:
        """grad f_i(x), i an integer array broadcastable to the replicates."""
        a = self.X[i]
        return self.slope(self.inner(a, x), self.y[i])[..., None] * a + self.l2 * x

    def minibatch_grad(self, x: Array, batch: Array) -> Array:
        """Mean of grad f_i(x) over i in ``batch``, an integer array (replicates.., b)."""
        xp = array_namespace(x)
        a = self.X[batch]
        t = xp.sum(a * x[..., None, :], axis=-1)
        return xp.mean(self.slope(t, self.y[batch])[..., None] * a, axis=-2) + self.l2 * x

    def stochastic_grad(self, x: Array, rng: Any, batch: int = 1) -> Array:
        """Gradient of one term drawn uniformly, or the mean over ``batch`` terms drawn without replacement."""
        if batch == 1:
            return self.component_grad(x, rng.index(self.n))
        return self.minibatch_grad(x, rng.subset(self.n, batch))

    # --- the solution ---------------------------------------------------------------------------------------
    def _polish(self, mu: float) -> None:
        """Newton with backtracking to machine precision; certified by ||grad||/mu."""
        x = np.zeros(self.point_shape)
        X, y = to_numpy(self.X), to_numpy(self.y)
        host = self if X is self.X else type(self)(X, y, self.l2)
        for _ in range(100):
            g = host.grad(x)
            direction = np.linalg.solve(host.hess(x), g)
            decrement = float(g @ direction)
            t = 1.0
            while decrement > 1e-18 and host.value(x - t * direction) > host.value(x) - 0.25 * t * decrement and t > 1e-8:
                t /= 2
            x = x - t * direction
            if np.linalg.norm(g) <= 1e-15 * max(1.0, np.linalg.norm(x)) * self.L:
                break
        self.x_star = like(x, self.X)
        self.f_star = float(host.value(x))
        self.x_star_error = float(np.linalg.norm(host.grad(x))) / mu
        self.declare(NoiseAtSolution(self._sigma_star()))

    @cached_property
    def gradient_scale(self) -> float:
        """The norm of the sum of the terms' absolute values: rows whose gradients cancel at x* = 0 do not vanish."""
        x = to_numpy(self.x_star)
        slopes = np.abs(to_numpy(self.slope(self.X @ self.x_star, self.y)))
        return float(np.linalg.norm(slopes @ np.abs(to_numpy(self.X)) / self.n + self.l2 * np.abs(x)))

    def _sigma_star(self) -> float:
        """sqrt(mean_i ||grad f_i(x*)||^2): gradient noise at the solution."""
        x = to_numpy(self.x_star)
        residual = to_numpy(self.slope(self.X @ self.x_star, self.y))
        grads = residual[:, None] * to_numpy(self.X) + self.l2 * x
        return float(np.sqrt(np.mean(np.sum(grads**2, axis=1))))


class LeastSquares(Searchable, TermPasses, GLM):
    """f(x) = ||Xx - y||^2/(2n) + l2/2 ||x||^2, the mean of (a_i'x - y_i)^2/2 + l2/2 ||x||^2."""

    kernel_loss = 0

    def __init__(self, X: Array, y: Array, l2: float = 0.0, *, name: str = ""):
        super().__init__(X, y, l2, name=name)
        self.declare(QuadraticForm())
        host_X, host_y = to_numpy(self.X), to_numpy(self.y)
        eig = self._eigenvalues + self.l2
        positive = eig > 1e-12 * eig[-1]
        self.declare(*((StronglyConvex(float(eig[0])),) if positive.all() else (Convex(), PL(float(eig[positive][0])))))
        # least-norm solution of the (regularized) normal equations through one SVD: accurate to eps * cond(X), not cond^2
        U, s, Vt = np.linalg.svd(host_X, full_matrices=False)
        keep = s > 1e-6 * np.sqrt(1e-12) * s[0]
        filtered = s[keep] / (s[keep] ** 2 + self.n * self.l2)
        x = Vt[keep].T @ (filtered * (U.T @ host_y)[keep])
        self.x_star = like(x, self.X)
        self.f_star = float(self.value(self.x_star))
        self.x_star_error = 8 * np.finfo(float).eps * float(np.linalg.norm(x)) * float(s[0] / s[keep][-1])
        self.declare(NoiseAtSolution(self._sigma_star()))

    def loss(self, t: Array, y: Array) -> Array:
        return (t - y) ** 2 / 2

    def slope(self, t: Array, y: Array) -> Array:
        return t - y

    def bend(self, t: Array, y: Array) -> Array:
        return 0 * t + 1

    def component_prox(self, v: Array, i: Array, step: float) -> Array:
        """argmin_x f_i(x) + ||x - v||^2 / (2 step): the residual of the solution first, then the point."""
        a, shrink = self.X[i], 1 + step * self.l2
        residual = (self.inner(a, v) - shrink * self.y[i]) / (shrink + step * self.inner(a, a))
        return (v - step * self.column(residual) * a) / shrink

    def component_inverse_grad(self, g: Array, i: Array) -> Array:
        """The point at which grad f_i is g, for l2 > 0."""
        a = self.X[i]
        shifted = g + self.column(self.y[i]) * a
        return (shifted - self.column(self.inner(a, shifted) / (self.l2 + self.inner(a, a))) * a) / self.l2

    def coordinate_pass(self, x: Array, order: Array, step: Any) -> Array:
        """Coordinate descent over order[..., t], ``step`` a number or one a coordinate: the point after it."""
        return least_squares_pass(self.columns, self.y, self.l2, 0.0, x, order, step)

    @cached_property
    def Delta(self) -> float:
        """Function noise: inf f - mean_i inf f_i."""
        sq_rows = (to_numpy(self.X) ** 2).sum(axis=1)
        least = self.l2 * to_numpy(self.y) ** 2 / (2 * np.maximum(sq_rows + self.l2, np.finfo(float).tiny))
        return self.f_star - float(least.mean())


class LogisticRegression(Searchable, TermPasses, GLM):
    """f(x) = mean_i log(1 + exp(-y_i a_i'x)) + l2/2 ||x||^2 with y_i in {-1, 1} and l2 > 0."""

    kernel_loss = 1
    curvature = 0.25
    third = 1 / (6 * np.sqrt(3))
    fourth = 1 / 8

    def __init__(self, X: Array, y: Array, l2: float = 1e-2, *, name: str = ""):
        as_positive(l2, "l2 (without it the minimum need not exist)")
        super().__init__(X, y, l2, name=name)
        if not np.isin(to_numpy(self.y), (-1, 1)).all():
            raise ProblemError("y must hold labels -1 and 1 (Dataset.signs maps any two labels to them)")
        self.declare(StronglyConvex(self.l2))
        self._polish(self.l2)

    @staticmethod
    def _targets(dataset: Dataset) -> np.ndarray:
        return dataset.signs

    def loss(self, t: Array, y: Array) -> Array:
        m = y * t
        xp = array_namespace(t)
        return xp.log1p(xp.exp(-xp.abs(m))) + xp.where(m < 0, -m, 0 * m)

    def slope(self, t: Array, y: Array) -> Array:
        return -y * _sigmoid(-y * t)

    def bend(self, t: Array, y: Array) -> Array:
        s = _sigmoid(t)
        return s * (1 - s)


class HuberRegression(GLM):
    """f(x) = mean_i huber_delta(a_i'x - y_i) + l2/2 ||x||^2: smooth, convex, not quadratic (its Hessian jumps)."""

    def __init__(self, X: Array, y: Array, l2: float = 1e-2, *, delta: float = 1.0, name: str = ""):
        self.delta = as_positive(delta, "delta")
        as_positive(l2, "l2 (without it the minimum need not be unique)")
        super().__init__(X, y, l2, name=name)
        self.assumptions = tuple(a for a in self.assumptions
                                 if not isinstance(a, (LipschitzHessian, LipschitzThirdDerivative)))
        self.declare(StronglyConvex(self.l2))
        self._polish(self.l2)

    def loss(self, t: Array, y: Array) -> Array:
        xp = array_namespace(t)
        r = xp.abs(t - y)
        return xp.where(r <= self.delta, r**2 / 2, self.delta * (r - self.delta / 2))

    def slope(self, t: Array, y: Array) -> Array:
        return array_namespace(t).clip(t - y, -self.delta, self.delta)

    def bend(self, t: Array, y: Array) -> Array:
        xp = array_namespace(t)
        return xp.where(xp.abs(t - y) <= self.delta, 0 * t + 1, 0 * t)


def gram_eigenvalues(B: np.ndarray) -> np.ndarray:
    """Eigenvalues of B'B in ascending order, from the smaller of B'B and BB' (the others are zero)."""
    n, d = B.shape
    small = np.linalg.eigvalsh(B.T @ B if d <= n else B @ B.T)
    return np.concatenate([np.zeros(d - len(small)), small])


def _sigmoid(t: Array) -> Array:
    """1/(1 + exp(-t)) without overflow."""
    xp = array_namespace(t)
    e = xp.exp(-xp.abs(t))
    return xp.where(t >= 0, 1.0, e) / (1 + e)
