"""Comonotone operators, and pairs of monotone operators F + G (+ h') of which a zero is sought."""

from __future__ import annotations

import numpy as np

from .assumptions import (
    CocoerciveG,
    LipschitzG,
    LipschitzOperator,
    MonotonePair,
    MonotoneTriple,
    NegativelyComonotone,
    StronglyConvexQ,
    StronglyMonotoneF,
    ZeroOfOperator,
)
from .base import Array, Problem, as_matrix, as_vector
from .errors import ProblemError
from .games import cocoercivity
from .operators import Splitting
from .pool import entry


def _solve(M: Array, v: Array) -> Array:
    """M^-1 v on the last axis, v (..., dim)."""
    return np.linalg.solve(M, v[..., None])[..., 0]


class ComonotoneField(Problem):
    """V(x) = M (x - x_star), M invertible and not monotone. Exact: L = ||M||, rho = -(smallest eigenvalue of sym(M^-1)).

    ``resolvent(v, step)`` is single-valued for step > rho, and averaged for step > 2 rho.
    """

    def __init__(self, M: Array, x_star: Array | None = None, *, name: str = ""):
        self.M = as_matrix(M, "M")
        d = self.M.shape[0]
        if self.M.shape != (d, d) or np.linalg.matrix_rank(self.M) < d:
            raise ProblemError(f"M must be square and invertible, got shape {self.M.shape}")
        inverse = np.linalg.inv(self.M)
        rho = -float(np.linalg.eigvalsh((inverse + inverse.T) / 2)[0])
        if rho <= 0:
            raise ProblemError("M must not be monotone: its inverse needs a symmetric part with a negative eigenvalue")
        self.point_shape, self.name = (d,), name
        self.x_star = as_vector(np.zeros(d) if x_star is None else x_star, "x_star", d)
        self.declare(NegativelyComonotone(rho), LipschitzOperator(float(np.linalg.norm(self.M, 2))), ZeroOfOperator())

    def operator(self, x: Array) -> Array:
        return (x - self.x_star) @ self.M.T

    def resolvent(self, v: Array, step: float) -> Array:
        return self.x_star + _solve(np.eye(self.dim) + step * self.M, v - self.x_star)

    def project(self, x: Array) -> Array:
        return x


class AffineSum(Splitting):
    """0 in F(x) + G(x), F(x) = Fx, G(x) = Gx + b, affine and monotone. Exact: mu of F, L and beta (``cocoercivity``) of G."""

    def __init__(self, F: Array, G: Array, b: Array, *, name: str = ""):
        self._solve_sum(F, G, b, 0 * as_matrix(F, "F"), name)
        self.slope = self.F @ self.x_star
        self.declare(MonotonePair(), LipschitzG(float(np.linalg.norm(self.G, 2))))

    def _solve_sum(self, F: Array, G: Array, b: Array, Q: Array, name: str) -> None:
        self.F, self.G, self.Q = as_matrix(F, "F"), as_matrix(G, "G"), as_matrix(Q, "Q")
        d = len(self.F)
        self.b, self.point_shape, self.name = as_vector(b, "b", d), (d,), name
        for label, M in (("F", self.F), ("G", self.G), ("Q", self.Q)):
            if M.shape != (d, d) or np.linalg.eigvalsh(M + M.T)[0] < -1e-12 * np.linalg.norm(M, 2):
                raise ProblemError(f"{label} must be ({d}, {d}) with a positive semidefinite symmetric part, got shape {M.shape}")
        total = self.F + self.G + self.Q
        if np.linalg.matrix_rank(total) < d:
            raise ProblemError("the sum of the matrices must be invertible")
        self.x_star = np.linalg.solve(total, -self.b)
        if (mu := float(np.linalg.eigvalsh((self.F + self.F.T) / 2)[0])) > 1e-12 * np.linalg.norm(self.F, 2):
            self.declare(StronglyMonotoneF(mu))
        if beta := cocoercivity(self.G):
            self.declare(CocoerciveG(beta))

    def prox_f(self, v: Array, step: float) -> Array:
        return _solve(np.eye(self.dim) + step * self.F, v)

    def prox_g(self, v: Array, step: float) -> Array:
        return _solve(np.eye(self.dim) + step * self.G, v - step * self.b)


class AffineTriple(AffineSum):
    """0 in F(x) + G(x) + q'(x), q'(x) = Qx, Q symmetric: besides, exact Lq and mu_q of Q."""

    def __init__(self, F: Array, G: Array, b: Array, Q: Array, *, name: str = ""):
        self._solve_sum(F, G, b, Q, name)
        if np.abs(self.Q - self.Q.T).max() > 1e-12 * np.abs(self.Q).max():
            raise ProblemError("Q must be symmetric")
        self.slope = self.G @ self.x_star + self.b
        spectrum = np.linalg.eigvalsh(self.Q)
        self.declare(MonotoneTriple(float(spectrum[-1])))
        if spectrum[0] > 1e-12 * spectrum[-1]:
            self.declare(StronglyConvexQ(float(spectrum[0])))

    def grad(self, x: Array) -> Array:
        return x @ self.Q.T


def planes(*entries: complex) -> Array:
    """The matrix (2n, 2n) that multiplies n complex numbers (pairs of coordinates) by these."""
    M = np.zeros((2 * len(entries), 2 * len(entries)))
    for i, z in enumerate(entries):
        M[2 * i:2 * i + 2, 2 * i:2 * i + 2] = [[np.real(z), -np.imag(z)], [np.imag(z), np.real(z)]]
    return M


@entry
def spiral_out() -> Problem:
    """Planes that turn and grow beside ones that turn and shrink: gradient steps of any size diverge."""
    return ComonotoneField(planes(-0.05 + 1j, 0.4j, 0.3 + 0.2j), np.arange(6.0) / 4)


@entry
def strong_and_rotation() -> Problem:
    """A strongly monotone operator, not symmetric, and a nearly skew one."""
    rng = np.random.default_rng(5)
    B, C = rng.standard_normal((2, 6, 6))
    return AffineSum(0.3 * np.eye(6) + (B - B.T) / 3, (C - C.T) / 4 + np.diag([0.0, 0, 0, 0.1, 0.2, 0.5]), rng.standard_normal(6))


@entry
def strong_and_cocoercive() -> Problem:
    """A strongly monotone operator and a cocoercive one, both with skew parts."""
    rng = np.random.default_rng(6)
    B, C = rng.standard_normal((2, 5, 5))
    return AffineSum(0.2 * np.eye(5) + (B - B.T) / 3, np.diag([0.3, 0.5, 0.8, 1.0, 2.0]) + (C - C.T) / 5, rng.standard_normal(5))


@entry
def three_operators() -> Problem:
    """A skew operator, a cocoercive one, and the gradient of a strongly convex quadratic."""
    rng = np.random.default_rng(7)
    B, C, E = rng.standard_normal((3, 5, 5))
    return AffineTriple((B - B.T) / 2, np.diag([0.2, 0.4, 0.6, 0.8, 1.0]) + (C - C.T) / 6, rng.standard_normal(5),
                        E @ E.T / 5 + 0.1 * np.eye(5))
