"""Families of problems with contexts: f(y; x), one replicate a context x, and the linear models that predict solutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from .assumptions import LowerBounded, QuadraticForm, Smooth, StronglyConvex
from .base import Array, Problem, as_matrix
from .errors import ProblemError


class ParametricQuadratic(Problem):
    """f(y; x) = y'Hy/2 - y'Bx, H (d, d) positive definite, B (d, m), contexts x (contexts, m).

    Points are (d,) and the contexts are the replicates: ``x_star`` (contexts, d), ``f_star`` (contexts,). A column of
    ones among the contexts carries the constant term. ``L`` and ``mu`` are H's extreme eigenvalues.
    """

    def __init__(self, H: Array, B: Array, contexts: Array, *, name: str = ""):
        self.H, self.B, self.contexts = as_matrix(H, "H"), as_matrix(B, "B"), as_matrix(contexts, "contexts")
        d, m = self.B.shape
        if self.H.shape != (d, d) or np.abs(self.H - self.H.T).max() > 1e-12 * np.abs(self.H).max():
            raise ProblemError(f"H must be a symmetric matrix of the {d} rows of B, got shape {self.H.shape}")
        if self.contexts.shape[1] != m:
            raise ProblemError(f"contexts must have the {m} columns of B, got shape {self.contexts.shape}")
        eigenvalues = np.linalg.eigvalsh(self.H)
        if eigenvalues[0] <= 0:
            raise ProblemError(f"H must be positive definite, got smallest eigenvalue {eigenvalues[0]:.3g}")
        self.point_shape, self.name = (d,), name
        self.weights_star = np.linalg.solve(self.H, self.B)
        self.b = self.contexts @ self.B.T
        self.x_star = self.contexts @ self.weights_star.T
        self.f_star: Any = -np.sum(self.b * self.x_star, axis=-1) / 2
        self.declare(Smooth(float(eigenvalues[-1])), StronglyConvex(float(eigenvalues[0])), QuadraticForm(), LowerBounded())

    @property
    def x0(self) -> Array:
        """A prediction for every context: the model that knows the solution up to its last feature."""
        return self.contexts[:, :-1] @ self.weights_star[:, :-1].T

    def starts(self, n: int, seed: int = 0) -> Array:
        return self.x0

    @property
    def value_scale(self) -> Any:
        return self.L * self.sq(self.x_star)

    def value(self, y: Array) -> Array:
        return self.inner(y, y @ self.H) / 2 - self.inner(y, self.b)

    def grad(self, y: Array) -> Array:
        return y @ self.H - self.b

    def hess(self, y: Array) -> Array:
        return self.H + 0 * y[..., None]

    @classmethod
    def random(cls, d: int, m: int, contexts: int, *, mu: float, reach: float = 1.0, seed: int = 0) -> ParametricQuadratic:
        """Eigenvalues log-spaced in [mu, 1]; normal contexts times ``reach``, with a column of ones in front."""
        rng = np.random.default_rng(seed)
        Q, _ = np.linalg.qr(rng.standard_normal((d, d)))
        H = (Q * np.geomspace(mu, 1.0, d)) @ Q.T
        rows = np.hstack([np.ones((contexts, 1)), reach * rng.standard_normal((contexts, m - 1))])
        return cls((H + H.T) / 2, rng.standard_normal((d, m)), rows, name=f"{contexts} contexts of reach {reach:g} in R^{d}")


class Amortized(Problem):
    """minimize over W the mean over contexts of f(Wx; x): the linear model yhat(x) = Wx trained on the objective itself.

    Points are weights (d, m); ``x_star`` = H^-1 B is also the weights of the regression on the solutions. ``L`` and
    ``mu`` are products of the extreme eigenvalues of H and of the contexts' second moment.
    """

    def __init__(self, family: ParametricQuadratic):
        self.family = family
        self.moment = family.contexts.T @ family.contexts / len(family.contexts)
        spread = np.linalg.eigvalsh(self.moment)
        if spread[0] <= 1e-12 * spread[-1]:
            raise ProblemError("contexts must span their space, otherwise many models predict alike")
        self.point_shape, self.name = family.B.shape, f"linear model of {family}"
        self.x_star, self.f_star = family.weights_star, float(np.mean(family.f_star))
        self.declare(Smooth(float(family.L * spread[-1])), StronglyConvex(float(family.mu * spread[0])), QuadraticForm(),
                     LowerBounded())

    def predict(self, W: Array) -> Array:
        """yhat(x) for every context, (..., contexts, d)."""
        return self.family.contexts @ np.swapaxes(W, -1, -2)

    def pull(self, g: Array) -> Array:
        """The mean over contexts of (d yhat/d W)' g(x)."""
        return np.swapaxes(g, -1, -2) @ self.family.contexts / len(self.family.contexts)

    def output_grad(self, y: Array) -> Array:
        """The gradient of f(.; x) at the predictions."""
        return self.family.grad(y)

    def value(self, W: Array) -> Array:
        return self.family.value(self.predict(W)).mean(axis=-1)

    def grad(self, W: Array) -> Array:
        return self.pull(self.output_grad(self.predict(W)))
