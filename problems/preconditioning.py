"""Preconditioning: a problem with the matrix that bounds its Hessians, and symmetric polynomials of that matrix."""

from __future__ import annotations

import numpy as np

from .assumptions import SmoothInMatrix, StronglyConvexInMatrix
from .base import Array, Problem, Wrapped, as_matrix, as_positive
from .errors import ProblemError
from .glm import GLM
from .quadratic import Quadratic, like, to_numpy


def elementary_symmetric(values: Array, degree: int) -> np.ndarray:
    """sigma_0 .. sigma_degree of ``values``: all terms of one sign for positive values, so that nothing cancels."""
    sigma = np.zeros(degree + 1)
    sigma[0] = 1.0
    for v in values:
        sigma[1:] = sigma[1:] + v * sigma[:-1]
    return sigma


class KnownMatrix(Problem):
    """R^n with a symmetric positive definite matrix ``B``: where preconditioners, which need no objective, are judged.

    ``eigenvalues`` in descending order, l_1 >= .. >= l_n.
    """

    def __init__(self, B: Array, *, name: str = ""):
        self.B = as_matrix(B, "B")
        host = to_numpy(self.B)
        if host.shape[0] != host.shape[1] or np.abs(host - host.T).max() > 1e-12 * np.abs(host).max():
            raise ProblemError("B must be symmetric, got a matrix with B != B'")
        self.eigenvalues = np.linalg.eigvalsh(host)[::-1]
        if self.eigenvalues[-1] <= 1e-14 * self.eigenvalues[0]:
            raise ProblemError(f"B must be positive definite, got smallest eigenvalue {self.eigenvalues[-1]:.3g}")
        self.point_shape = (host.shape[0],)
        self.name = name or f"matrix of order {self.dim}"

    def without(self, i: int, degree: int) -> float:
        """sigma_degree of the eigenvalues but the i-th (0 is the largest): that eigenvalue of P_degree."""
        return float(elementary_symmetric(np.delete(self.eigenvalues, i), degree)[degree])

    def extremes(self, degree: int) -> tuple[float, float]:
        """(alpha, beta): alpha B^-1 <= P_degree <= beta B^-1, both attained."""
        return (float(self.eigenvalues[-1] * self.without(-1, degree)),
                float(self.eigenvalues[0] * self.without(0, degree)))


class Preconditioned(Wrapped):
    """A convex problem with mu_B B <= Hessian <= L_B B for a known matrix B, and the preconditioner P = P_degree(B).

    P = sigma_t I - sigma_(t-1) B + .. +- B^t, t = degree, sigma_i the elementary symmetric polynomials of B's eigenvalues.
    ``precondition(v)`` is P v by Horner's rule, one product with B a degree; ``alpha``, ``beta`` are the exact constants of
    alpha B^-1 <= P <= beta B^-1. Start quantities ``RB2``, ``RP2``: the squared distance to x_star in the norms of B and
    of P^-1. Source: Doikov and Rodomanov 2023.
    """

    def __init__(self, problem: Problem, B: Array, L_B: float, mu_B: float = 0.0, *, degree: int = 0):
        super().__init__(problem)
        matrix = KnownMatrix(B)
        if matrix.point_shape != problem.point_shape:
            raise ProblemError(f"B must be square of order {problem.dim}, that of the points of {problem}, got "
                               f"shape {tuple(matrix.B.shape)}")
        if isinstance(degree, bool) or not isinstance(degree, (int, np.integer)) or not 0 <= degree < problem.dim:
            raise ProblemError(f"degree must be an integer from 0 to {problem.dim - 1}, got {degree!r}")
        self.B, self.degree = matrix.B, int(degree)
        self.sigma = tuple(float(s) for s in elementary_symmetric(matrix.eigenvalues, self.degree))
        self.alpha, self.beta = matrix.extremes(self.degree)
        self.largest = float(matrix.eigenvalues[0])
        _, vectors = np.linalg.eigh(to_numpy(self.B))
        of_P = np.array([matrix.without(i, self.degree) for i in range(self.dim)])[::-1]
        self._P_inverse = like((vectors / of_P) @ vectors.T, self.B)
        self.declare(SmoothInMatrix(as_positive(L_B, "L_B")))
        if as_positive(mu_B, "mu_B", zero=True) > 0:
            self.declare(StronglyConvexInMatrix(float(mu_B)))
        self.name = f"{problem}, preconditioned by degree {self.degree}"

    @classmethod
    def of_quadratic(cls, B: Array, mu: float, L: float, *, degree: int, seed: int = 0) -> Preconditioned:
        """x'Hx/2 - b'x with H = B^1/2 D B^1/2, the eigenvalues of D from ``mu`` to ``L`` in random directions."""
        rng = np.random.default_rng(seed)
        eigenvalues, vectors = np.linalg.eigh(as_matrix(B, "B"))
        root = (vectors * np.sqrt(eigenvalues)) @ vectors.T
        Q, _ = np.linalg.qr(rng.standard_normal(root.shape))
        H = root @ (Q * np.linspace(mu, L, len(Q))) @ Q.T @ root
        b = H @ rng.standard_normal(len(Q))
        return cls(Quadratic((H + H.T) / 2, b, name=f"quadratic within [{mu:g}, {L:g}] of B"), B, L, mu, degree=degree)

    @classmethod
    def of_model(cls, model: GLM, *, degree: int) -> Preconditioned:
        """A generalized linear model with l2 > 0, and B = X'X/n + (l2/curvature) I: Hessians are at most curvature B."""
        if not model.l2 > 0:
            raise ProblemError(f"model must have l2 > 0, got {model.l2}")
        B = model.X.T @ model.X / model.n + model.l2 / model.curvature * like(np.eye(model.dim), model.X)
        top = float(np.linalg.eigvalsh(to_numpy(B))[-1])
        return cls(model, (B + B.T) / 2, model.curvature, model.l2 / top, degree=degree)

    def metric(self, v: Array) -> Array:
        """B v."""
        return v @ self.B

    def precondition(self, v: Array) -> Array:
        w = v
        for s in self.sigma[1:]:
            w = s * v - self.metric(w)
        return w

    start_quantities = {
        "RB2": lambda p, x0: p.inner(x0 - p.x_star, (x0 - p.x_star) @ p.B),
        "RP2": lambda p, x0: p.inner(x0 - p.x_star, (x0 - p.x_star) @ p._P_inverse),
    }


class InItsNorm(Wrapped):
    """A preconditioned problem in the norm of P^-1, where its gradient is P grad f."""

    def grad(self, x: Array) -> Array:
        return self.inner_problem.precondition(self.inner_problem.grad(x))
