"""min f + g + q with a prox of f, a prox of g and the gradient of q: what three-operator splitting solves."""

from __future__ import annotations

import numpy as np

from .assumptions import ConvexTriple
from .base import Array, as_matrix, as_positive, as_vector
from .errors import ProblemError
from .operators import Splitting
from .pool import entry
from .prox import project_halfspace, project_simplex


class Portfolio(Splitting):
    """The least variance x'Cx/2 of weights on the simplex (f) whose mean return m'x is at least ``target`` (g).

    ``slope`` is the subgradient of g = [m'x >= target] at x_star: minus the multiplier times m. The solution is found by its
    support, the multipliers by a linear system.
    """

    def __init__(self, C: Array, m: Array, target: float, *, name: str = ""):
        from scipy.optimize import minimize

        self.C = as_matrix(C, "C")
        self.m, self.target, self.name = as_vector(m, "m", len(self.C)), float(target), name
        n = len(self.m)
        top = float(np.linalg.eigvalsh(self.C)[-1])
        if np.linalg.norm(self.C - self.C.T) > 1e-12 * top or np.linalg.eigvalsh(self.C)[0] <= 0:
            raise ProblemError("C must be symmetric positive definite")
        if not self.target < self.m.max():
            raise ProblemError(f"target must be below the largest mean return {self.m.max():.4g}, got {target}")
        self.point_shape = (n,)
        rough = minimize(lambda x: (x @ self.C @ x / 2, self.C @ x), np.full(n, 1 / n), jac=True, bounds=[(0, 1)] * n, tol=1e-14,
                         method="SLSQP", constraints=[dict(type="eq", fun=lambda x: x.sum() - 1),
                                                      dict(type="ineq", fun=lambda x: self.m @ x - self.target)]).x
        on = rough > 1e-6
        binds = self.m @ rough - self.target < 1e-7
        rows = np.array([np.ones(n), self.m])[:1 + binds, on]
        k = len(rows)
        system = np.block([[self.C[np.ix_(on, on)], -rows.T], [rows, np.zeros((k, k))]])
        solved = np.linalg.solve(system, np.append(np.zeros(on.sum()), [1.0, self.target][:k]))
        self.x_star = np.zeros(n)
        self.x_star[on] = solved[:on.sum()]
        self.slope = -(solved[-1] if binds else 0.0) * self.m
        self.f_star = float(self.x_star @ self.C @ self.x_star) / 2
        residual = self.x_star - project_simplex(self.x_star - self.slope - self.grad(self.x_star))
        if np.linalg.norm(residual) > 1e-10 or (binds and solved[-1] < 0):
            raise ProblemError("the support of the solution was not found: C, m and target are near a change of support")
        self.declare(ConvexTriple(as_positive(top, "the largest eigenvalue of C")))

    def grad(self, x: Array) -> Array:
        return x @ self.C

    def prox_f(self, v: Array, step: float) -> Array:
        return project_simplex(v)

    def prox_g(self, v: Array, step: float) -> Array:
        return project_halfspace(v, -self.m, -self.target)


@entry
def portfolio() -> Portfolio:
    """Ten assets whose returns follow three factors; the riskier ones pay more."""
    rng = np.random.default_rng(21)
    factors = rng.standard_normal((10, 3))
    C = factors @ factors.T / 3 + np.diag(rng.uniform(0.05, 0.3, 10))
    m = 0.3 * np.sqrt(np.diag(C)) + 0.1 * rng.standard_normal(10)
    return Portfolio((C + C.T) / 2, m, float(np.sort(m)[-3]))
