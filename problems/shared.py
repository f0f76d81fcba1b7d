"""Agents that share one loss (data drawn alike), on a graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from .agents import Agents
from .assumptions import GossipMatrix
from .base import Array, Problem, as_matrix, as_positive, as_vector
from .graphs import as_gossip


class Cosines(Problem):
    """L(w) = sum_i cos(<a_i, w> + b_i), rows a_i (m, d); its fourth derivative is at most M4 = sum ||a_i||^4."""

    def __init__(self, a: Array, b: Array):
        self.a = as_matrix(a, "a")
        self.b = as_vector(b, "b", self.a.shape[0])
        self.point_shape = (self.a.shape[1],)
        self.M4 = float(np.sum(np.sum(self.a**2, axis=1) ** 2))

    def value(self, w: Array) -> Array:
        return np.cos(w @ self.a.T + self.b).sum(axis=-1)

    def grad(self, w: Array) -> Array:
        return -np.sin(w @ self.a.T + self.b) @ self.a

    def smoothed_grad(self, w: Array, covariance: Array) -> Array:
        """The gradient of E L(w + e), e ~ N(0, covariance)."""
        return -(np.sin(w @ self.a.T + self.b) * np.exp(-self._along(covariance) / 2)) @ self.a

    def trace_grad(self, w: Array, covariance: Array) -> Array:
        """The gradient of tr(Hess L(w) covariance)."""
        return (np.sin(w @ self.a.T + self.b) * self._along(covariance)) @ self.a

    def _along(self, covariance: Array) -> Array:
        """<a_i, covariance a_i>, with an agents' axis of one."""
        return np.sum((self.a @ covariance) * self.a, axis=-1)[..., None, :]


class Cubic(Problem):
    """L(w) = <c, w> + w'Aw/2 + T(w, w, w)/6 with T (d, d, d) symmetric."""

    def __init__(self, c: Array, A: Array, T: Array):
        self.c, self.A, self.T = c, A, T
        self.point_shape, self.M4 = c.shape, 0.0

    def value(self, w: Array) -> Array:
        return w @ self.c + self.inner(w, w @ self.A) / 2 + np.einsum("ijk,...i,...j,...k->...", self.T, w, w, w) / 6

    def grad(self, w: Array) -> Array:
        return self.c + w @ self.A + np.einsum("ijk,...j,...k->...i", self.T, w, w) / 2

    def trace_grad(self, w: Array, covariance: Array) -> Array:
        return np.einsum("ijk,...jk->...i", self.T, covariance)[..., None, :] + 0 * w

    def smoothed_grad(self, w: Array, covariance: Array) -> Array:
        return self.grad(w) + self.trace_grad(w, covariance) / 2


class Saddle(Problem):
    """L(x, y) = x^2/2 + q(y) with a strict saddle of curvature -lam at the origin.

    q = lam (y^2 - 1)^2/4, with minima at y = 1 and -1; or -lam y^2/2 alone (``unbounded``).
    """

    def __init__(self, lam: float = 1.0, *, unbounded: bool = False):
        self.lam, self.unbounded, self.point_shape = as_positive(lam, "lam"), unbounded, (2,)

    def value(self, w: Array) -> Array:
        x, y = w[..., 0], w[..., 1]
        return x**2 / 2 - self.lam * (y**2 / 2 if self.unbounded else -((y**2 - 1) ** 2) / 4)

    def grad(self, w: Array) -> Array:
        x, y = w[..., :1], w[..., 1:]
        return np.concatenate([x, -self.lam * y if self.unbounded else self.lam * (y**2 - 1) * y], axis=-1)


class Power(Problem):
    """L(x) = |x|^p/p on the line, p > 1: the gradient is convex for x > 0 when p > 2 and concave when p < 2."""

    def __init__(self, p: float):
        self.p, self.point_shape = as_positive(p, "p"), (1,)

    def value(self, x: Array) -> Array:
        return np.abs(x[..., 0]) ** self.p / self.p

    def grad(self, x: Array) -> Array:
        return np.sign(x) * np.abs(x) ** (self.p - 1)


class SharedLoss(Agents):
    """``n`` agents hold one loss, up to linear terms <linear_i, w> that sum to zero; gradients carry noise ``sigma``."""

    def __init__(self, loss: Problem, graph: Any, *, sigma: float = 0.0, linear: Array | None = None, name: str = ""):
        self.loss, self.gossip = loss, as_gossip(graph)
        self._agents(self.gossip.n, loss.point_shape[0])
        self.sigma = as_positive(sigma, "sigma", zero=True)
        self.linear = np.zeros(self.point_shape) if linear is None else as_matrix(linear, "linear")
        self.name = name or f"{self.n} agents with one {type(loss).__name__}"
        self.M4, self.lam = getattr(loss, "M4", None), getattr(loss, "lam", None)
        self.declare(GossipMatrix(self.gossip.rho))

    start_quantities = {}

    def grad(self, w: Array) -> Array:
        return self.loss.grad(w) + self.linear

    def operator(self, w: Array) -> Array:
        return self.grad(w)

    def stochastic_grad(self, w: Array, rng: Any) -> Array:
        return self.stochastic_operator(w, rng)

    def mix(self, w: Array, k: int = 0) -> Array:
        """One gossip round."""
        return self.gossip(w, k)

    def diversity(self, w: Array) -> Array:
        """Xi = mean_j (w_j - mean w)(w_j - mean w)'."""
        away = w - self.mean(w)
        return np.swapaxes(away, -1, -2) @ away / self.n
