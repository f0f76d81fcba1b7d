"""Linear programs seen through the logarithmic barrier of their polytope."""

from __future__ import annotations

from functools import cache

import numpy as np

from .assumptions import Convex, LogBarrier
from .base import Array, Problem, as_matrix, as_vector
from .errors import ProblemError


class BarrierProgram(Problem):
    """min c'x over the bounded polytope {Ax <= b} with interior, F(x) = -sum log(b - Ax), a barrier of parameter
    nu = rows of A.

    ``value`` is c'x in the polytope and infinite outside. ``x0`` is the analytic centre (Newton's method, to rounding) and
    ``weight0`` the largest t at which its Newton decrement for t c'x + F is 1/4.
    """

    def __init__(self, A: Array, b: Array, c: Array, *, name: str = ""):
        self.A = as_matrix(A, "A")
        m, d = self.A.shape
        self.b, self.c = as_vector(b, "b", m), as_vector(c, "c", d)
        self.point_shape, self.name = (d,), name or f"linear program ({m} rows, {d} variables)"
        self._solve()
        self.center = self._analytic_center()
        self.declare(Convex(), LogBarrier(float(m)))
        self.weight0 = 0.25 / float(np.sqrt(self.c @ np.linalg.solve(self.barrier_hess(self.center), self.c)))

    def _solve(self) -> None:
        from scipy.optimize import linprog

        free = [(None, None)] * len(self.c)
        out = linprog(self.c, self.A, self.b, bounds=free, method="highs-ds")
        if out.status != 0:
            raise ProblemError(f"A, b and c must give a linear program with a solution, and the solver says: {out.message}")
        self.x_star, self.f_star = out.x, float(self.c @ out.x)

    def _analytic_center(self) -> np.ndarray:
        from scipy.optimize import linprog

        d = self.A.shape[1]
        widths = np.linalg.norm(self.A, axis=1)
        out = linprog(np.append(np.zeros(d), -1.0), np.hstack([self.A, widths[:, None]]), self.b,
                      bounds=[(None, None)] * d + [(0, None)], method="highs-ds")
        if out.status != 0 or not out.x[-1] > 0:
            raise ProblemError("{Ax <= b} must be bounded and have interior points")
        x = out.x[:-1]
        for _ in range(200):
            g = self.barrier_grad(x)
            move = np.linalg.solve(self.barrier_hess(x), g)
            decrement = float(np.sqrt(max(0.0, g @ move)))
            x = x - move / (1 + decrement)
            if decrement < 1e-14:
                break
        return x

    def value(self, x: Array) -> Array:
        inside = (self._slack(x) >= 0).all(axis=-1)
        return np.where(inside, x @ self.c, np.inf)

    def _slack(self, x: Array) -> Array:
        return self.b - x @ self.A.T

    def barrier(self, x: Array) -> Array:
        return -np.sum(np.log(self._slack(x)), axis=-1)

    def barrier_grad(self, x: Array) -> Array:
        return (1 / self._slack(x)) @ self.A

    def barrier_hess(self, x: Array) -> Array:
        return (self.A.T * (1 / self._slack(x) ** 2)[..., None, :]) @ self.A

    def decrement(self, x: Array, weight: float) -> Array:
        """Newton decrement of weight c'x + F: sqrt(g' H^-1 g)."""
        g = weight * self.c + self.barrier_grad(x)
        return np.sqrt(self.inner(g, np.linalg.solve(self.barrier_hess(x), g[..., None])[..., 0]))

    @property
    def value_scale(self) -> float:
        return float(np.abs(self.c) @ np.abs(self.x_star))

    @property
    def x0(self) -> Array:
        return self.center


@cache
def random_program(rows: int = 20, d: int = 4) -> BarrierProgram:
    """Random half-spaces about the origin, inside a cube."""
    rng = np.random.default_rng(41)
    A = np.vstack([rng.standard_normal((rows - 2 * d, d)), np.eye(d), -np.eye(d)])
    return BarrierProgram(A, np.append(rng.uniform(0.5, 1.5, rows - 2 * d), np.full(2 * d, 2.0)), rng.standard_normal(d))


@cache
def corner_program(d: int = 3) -> BarrierProgram:
    """The simplex {x >= 0, sum x <= 1}, nu = d + 1: all but one constraint meet at the solution 0."""
    return BarrierProgram(np.vstack([-np.eye(d), np.ones((1, d))]), np.append(np.zeros(d), 1.0), np.arange(1.0, d + 1),
                          name=f"a corner of dimension {d}")
