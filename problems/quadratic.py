"""Quadratics x'Ax/2 - b'x, with every constant from the eigenvalues."""

from __future__ import annotations

import numpy as np

from .assumptions import (
    PL,
    Convex,
    LipschitzHessian,
    LipschitzThirdDerivative,
    LowerBounded,
    QuadraticForm,
    Smooth,
    StronglyConvex,
)
from .base import Array, Problem, as_matrix, as_vector
from .errors import ProblemError
from .search import Searchable


class Quadratic(Searchable, Problem):
    """f(x) = x'Ax/2 - b'x with A symmetric positive semidefinite (d, d), b (d,) in the range of A.

    ``L`` is the largest eigenvalue; ``mu`` the smallest (strongly convex) or, for singular A, the smallest nonzero
    one (the PL constant; then f is convex and ``x_star`` is the solution of least norm).
    """

    def __init__(self, A: Array, b: Array | None = None, *, name: str = ""):
        A = as_matrix(A, "A")
        d = A.shape[0]
        if A.shape[1] != d:
            raise ProblemError(f"A must be square, got shape {tuple(A.shape)}")
        b = as_vector(np.zeros(d) if b is None else b, "b", d)
        host_A, host_b = to_numpy(A), to_numpy(b)
        if np.abs(host_A - host_A.T).max() > 1e-12 * max(1.0, np.abs(host_A).max()):
            raise ProblemError("A must be symmetric, got a matrix with A != A'")
        eig, U = np.linalg.eigh(host_A)
        tiny = 1e-12 * max(1.0, eig[-1])
        if eig[0] < -tiny:
            raise ProblemError(f"A must be positive semidefinite, got smallest eigenvalue {eig[0]:.3g}")
        if eig[-1] <= tiny:
            raise ProblemError("A must not be zero")
        positive = eig > tiny
        coefficients = U.T @ host_b
        if np.abs(coefficients[~positive]).max(initial=0.0) > 1e-10 * max(1.0, np.linalg.norm(host_b)):
            raise ProblemError("b must lie in the range of A, otherwise x'Ax/2 - b'x is unbounded below")
        solution = U[:, positive] @ (coefficients[positive] / eig[positive])
        self.A, self.b, self.eigenvalues, self.name = A, b, eig, name
        self.point_shape = (d,)
        self.x_star = like(solution, A)
        self.f_star = float(-host_b @ solution / 2)
        self.declare(Smooth(float(eig[-1])), QuadraticForm(), LowerBounded(), LipschitzHessian(0.0),
                     LipschitzThirdDerivative(0.0))
        smallest = float(eig[positive][0])
        if positive.all():
            self.declare(StronglyConvex(smallest))
        else:
            self.declare(Convex(), PL(smallest))

    def value(self, x: Array) -> Array:
        return self.inner(x, x @ self.A) / 2 - self.inner(x, self.b)

    def grad(self, x: Array) -> Array:
        return x @ self.A - self.b

    def hess(self, x: Array) -> Array:
        return self.A + 0 * x[..., None]

    def hvp(self, x: Array, v: Array) -> Array:
        return v @ self.A

    def grad_coordinate(self, x: Array, i: Array) -> Array:
        """Partial derivative i (an integer array over the replicates), shape = replicates."""
        return self.inner(self.A[i], x) - self.b[i]

    @property
    def coordinate_L(self) -> Array:
        """Coordinate-wise smoothness constants, (d,)."""
        return self.A.diagonal()

    def prox(self, v: Array, step: float) -> Array:
        """argmin_x f(x) + ||x - v||^2 / (2 step)."""
        eye = like(np.eye(self.point_shape[0]), self.A)
        inverse = like(np.linalg.inv(to_numpy(eye + step * self.A)), self.A)
        return (v + step * self.b) @ inverse


def to_numpy(a: Array) -> np.ndarray:
    """The array on the host (constants are computed there once)."""
    return a.get() if hasattr(a, "get") else np.asarray(a)


def like(a: np.ndarray, other: Array) -> Array:
    """``a`` in the namespace (and on the device) of ``other``."""
    if isinstance(other, np.ndarray):
        return a
    from array_api_compat import array_namespace

    return array_namespace(other).asarray(a)
