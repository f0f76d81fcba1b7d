"""Differences of convex functions with a known global minimum."""

from __future__ import annotations

import numpy as np
from array_api_compat import array_namespace
from scipy.optimize import brentq

from .assumptions import DifferenceOfConvex, LowerBounded, Smooth
from .base import Array, Problem, as_positive, as_vector
from .errors import ProblemError
from .pool import entry


class LogCoshDifference(Problem):
    """f = f1 - f2, f1 = sum_j a_j y_j^2/2, f2 = sum_j b_j log cosh(y_j) + c y_j^2/2 in the coordinates y = x Q' (Q orthogonal).

    Curvatures: [min a, max a] of f1, [c, c + max b] of f2 (c at infinity, the other at 0). A coordinate with b_j > a_j - c has
    two wells, at the roots of (a_j - c) y = b_j tanh y; x_star is the minimizer in the positive ones.
    """

    def __init__(self, a: Array, b: Array, c: float, *, Q: Array | None = None, name: str = ""):
        self.a = as_vector(a, "a")
        d = len(self.a)
        self.b, self.c, self.point_shape, self.name = as_vector(b, "b", d), as_positive(c, "c"), (d,), name
        if not (self.b > 0).all() or not (self.a > self.c).all():
            raise ProblemError("b must be positive and every a_j above c, otherwise f is unbounded below")
        self.Q = np.eye(d) if Q is None else np.asarray(Q, dtype=float)
        if self.Q.shape != (d, d) or np.abs(self.Q @ self.Q.T - np.eye(d)).max() > 1e-12:
            raise ProblemError(f"Q must be an orthogonal matrix of order {d}")
        wells = [brentq(lambda t, j=j: (self.a[j] - c) - self.b[j] * np.tanh(t) / t, 1e-8, 2 * self.b[j] / (self.a[j] - c),
                        xtol=1e-16, rtol=1e-15) if self.b[j] > self.a[j] - c else 0.0 for j in range(d)]
        self.x_star = np.array(wells) @ self.Q
        self.f_star = float(self.value(self.x_star))
        low, high = float(self.a.min()), float(self.a.max())
        bend = self.b + self.c
        self.declare(DifferenceOfConvex(low, high, self.c, float(bend.max())), LowerBounded(),
                     Smooth(max(float(np.abs(self.a - bend).max()), high - self.c)))

    def value(self, x: Array) -> Array:
        xp = array_namespace(x)
        y = x @ self.Q.T
        log_cosh = xp.abs(y) + xp.log1p(xp.exp(-2 * xp.abs(y))) - np.log(2)
        return xp.sum((self.a - self.c) * y**2 / 2 - self.b * log_cosh, axis=-1)

    def grad1(self, x: Array) -> Array:
        return self.a * (x @ self.Q.T) @ self.Q

    def grad2(self, x: Array) -> Array:
        y = x @ self.Q.T
        return (self.b * array_namespace(x).tanh(y) + self.c * y) @ self.Q

    def grad1_inverse(self, g: Array) -> Array:
        """argmin_x f1(x) - <g, x>."""
        return (g @ self.Q.T) / self.a @ self.Q

    def grad(self, x: Array) -> Array:
        return self.grad1(x) - self.grad2(x)

    def hess(self, x: Array) -> Array:
        bend = self.a - self.c - self.b / array_namespace(x).cosh(x @ self.Q.T) ** 2
        return (self.Q.T * bend[..., None, :]) @ self.Q

    @property
    def x0(self) -> Array:
        """Near the saddle, where f is flat."""
        return np.full(self.point_shape, 0.01) @ self.Q


@entry
def log_cosh_difference() -> Problem:
    Q = np.linalg.qr(np.random.default_rng(41).standard_normal((4, 4)))[0]
    return LogCoshDifference([1.0, 2.0, 1.5, 3.0], [2.0, 4.0, 0.5, 2.0], 0.4, Q=Q)


@entry
def one_well_difference() -> Problem:
    """Two wells on the line that are hardly apart: slow."""
    return LogCoshDifference([1.0], [0.85], 0.2)
