"""Convex functions known by an upper bound or by their construction: below a quadratic, or composed with a matrix."""

from __future__ import annotations

import numpy as np
from array_api_compat import array_namespace

from .assumptions import (
    Convex,
    LinearComposition,
    LowerBounded,
    QuadraticUpperBound,
    SkewComposition,
    Smooth,
    StronglyConvex,
    SymmetricComposition,
)
from .base import Array, Problem, as_matrix, as_positive, as_vector
from .errors import ProblemError
from .pool import entry, pool, spectrum
from .quadratic import to_numpy


class LargestSquare(Problem):
    """f(x) = max_i (a_i'(x - centre))^2 / 2, rows a_i of A (n, d): convex, not smooth, and L = max ||a_i||^2 exactly.

    The subgradient is that of the first largest term. With A = I and centre 0, from (1, .., 1) a step of a first-order
    method lowers one coordinate only: f stays at L R^2/(2 (k + 1)) for k = n - 1 steps (Goujaud, Taylor, Dieuleveut 2022,
    Thm 2.3).
    """

    def __init__(self, A: Array, centre: Array | None = None, *, name: str = ""):
        self.A = as_matrix(A, "A")
        d = self.A.shape[1]
        self.x_star, self.f_star = as_vector(np.zeros(d) if centre is None else centre, "centre", d), 0.0
        lengths = np.sum(to_numpy(self.A) ** 2, axis=1)
        if not lengths.any():
            raise ProblemError("A must not be zero")
        self.point_shape, self.name = (d,), name or f"LargestSquare{self.A.shape}"
        self.declare(Convex(), QuadraticUpperBound(float(lengths.max())), LowerBounded())

    def _residuals(self, x: Array) -> Array:
        return (x - self.x_star) @ self.A.T

    def value(self, x: Array) -> Array:
        r = self._residuals(x)
        return array_namespace(r).max(r**2, axis=-1) / 2

    def grad(self, x: Array) -> Array:
        r = self._residuals(x)
        xp = array_namespace(r)
        first = xp.argmax(xp.abs(r), axis=-1)
        return xp.take_along_axis(r, first[..., None], axis=-1) * self.A[first]


class Composed(Problem):
    """f(x) = g(M(x - centre)), g(y) = sum_i mu_g y_i^2/2 + (L_g - mu_g) huber(y_i), huber(t) = t^2/2 up to |t| = width.

    M (n, d) is any matrix; a square one that is symmetric with eigenvalues >= 0, or skew, says so. f is L_g ||M||^2-smooth,
    and strongly convex where M has full column rank.
    """

    def __init__(self, M: Array, mu_g: float, L_g: float, centre: Array | None = None, *, width: float = 1.0,
                 name: str = ""):
        self.M, self.width = as_matrix(M, "M"), as_positive(width, "width")
        host, d = to_numpy(self.M), self.M.shape[1]
        mu_g, L_g = as_positive(mu_g, "mu_g"), as_positive(L_g, "L_g")
        if mu_g > L_g:
            raise ProblemError(f"mu_g must be at most L_g = {L_g:g}, got {mu_g:g}")
        self.x_star, self.f_star = as_vector(np.zeros(d) if centre is None else centre, "centre", d), 0.0
        self.point_shape, self.name = (d,), name or f"Composed{self.M.shape}"
        singular = np.linalg.svd(host, compute_uv=False)
        largest, square = float(singular[0]), host.shape[0] == d
        if largest == 0:
            raise ProblemError("M must not be zero")
        if square and np.array_equal(host, host.T) and np.linalg.eigvalsh(host)[0] >= -1e-14 * largest:
            kind = SymmetricComposition(mu_g, L_g, largest, max(0.0, float(np.linalg.eigvalsh(host)[0])))
        elif square and np.array_equal(host, -host.T):
            kind = SkewComposition(mu_g, L_g, largest)
        else:
            kind = LinearComposition(mu_g, L_g, largest)
        self.declare(kind, Smooth(L_g * largest**2), LowerBounded())
        if len(singular) == d and singular[-1] > 1e-12 * largest:
            self.declare(StronglyConvex(mu_g * float(singular[-1]) ** 2))

    def _slope(self, y: Array) -> Array:
        """grad g."""
        return self.mu_g * y + (self.L_g - self.mu_g) * array_namespace(y).clip(y, -self.width, self.width)

    def value(self, x: Array) -> Array:
        y = (x - self.x_star) @ self.M.T
        xp = array_namespace(y)
        inside = xp.clip(xp.abs(y), 0.0, self.width)
        terms = self.mu_g / 2 * y**2 + (self.L_g - self.mu_g) * inside * (xp.abs(y) - inside / 2)
        return xp.sum(terms, axis=-1)

    def grad(self, x: Array) -> Array:
        return self._slope((x - self.x_star) @ self.M.T) @ self.M


def rough() -> list[Problem]:
    """The pool's convex problems below a quadratic, those that are not smooth first."""
    return sorted(pool(Convex, QuadraticUpperBound), key=lambda p: p.meets(Smooth))


@entry
def largest_square() -> Problem:
    rng = np.random.default_rng(31)
    return LargestSquare(rng.standard_normal((7, 4)), rng.standard_normal(4))


@entry
def coordinate_squares() -> Problem:
    return LargestSquare(np.eye(12))


@entry
def composed() -> Problem:
    rng = np.random.default_rng(32)
    return Composed(rng.standard_normal((6, 4)), 0.1, 1.0, 3 * rng.standard_normal(4), width=0.2)


@entry
def composed_symmetric() -> Problem:
    M = spectrum([0.1, 0.3, 0.6, 1.0], seed=33)
    return Composed((M + M.T) / 2, 0.3, 3.0, np.array([4.0, -1.0, 2.0, 0.0]), width=0.01)


@entry
def composed_skew() -> Problem:
    M = np.random.default_rng(34).standard_normal((4, 4))
    return Composed(M - M.T, 0.1, 1.0, np.array([1.0, 0.0, -2.0, 1.0]), width=0.2)
