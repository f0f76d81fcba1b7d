"""Convex sets, and smooth problems on them."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
from array_api_compat import array_namespace

from .assumptions import Compact, Convex, QuadraticForm, Smooth, StronglyConvexKernel
from .base import Array, Problem, as_positive
from .composite import Composite
from .errors import ProblemError
from .glm import LogisticRegression
from .pool import entry, spectrum
from .prox import (
    kl_prox_simplex,
    lmo_ball,
    lmo_box,
    lmo_l1_ball,
    lmo_simplex,
    project_ball,
    project_box,
    project_l1_ball,
    project_simplex,
)
from .quadratic import Quadratic, like, to_numpy


class Polyhedron(NamedTuple):
    """{offset + E w : w >= 0 (free if ``free``), A w <= b (= b if ``equality``)}."""

    offset: np.ndarray
    E: np.ndarray
    A: np.ndarray
    b: np.ndarray
    equality: bool = False
    free: bool = False


class Set:
    """A closed convex set of R^d; as a regularizer it is its indicator, whose prox is the projection.

    ``diameter`` and ``reach`` = max ||x|| are infinite where unbounded; ``diameter_l1`` is in the l1 norm.
    """

    d: int
    diameter: float = np.inf
    diameter_l1: float = np.inf
    reach: float = np.inf
    polyhedron: Polyhedron | None = None

    def project(self, v: Array) -> Array:
        return v

    def prox_jacobian(self, v: np.ndarray, step: float = 1.0) -> np.ndarray:
        return np.eye(self.d)

    @property
    def center(self) -> np.ndarray:
        return np.zeros(self.d)

    def value(self, x: Array) -> Array:
        """0 in the set (up to rounding), infinite outside."""
        xp = array_namespace(x)
        off = xp.linalg.vector_norm(x - self.project(x), axis=-1)
        return xp.where(off <= 1e-9 * (1 + xp.linalg.vector_norm(x, axis=-1)), 0.0, np.inf)

    def prox(self, v: Array, step: float) -> Array:
        return self.project(v)

    def image_norm(self, M: np.ndarray) -> float:
        """max ||M'u|| over u in the set."""
        raise ProblemError(f"{self} has no bounded image, and a bounded set is wanted")

    def __str__(self) -> str:
        return f"{type(self).__name__}({self.d})"


class Space(Set):
    """R^d itself."""

    def __init__(self, d: int):
        self.d = d
        self.polyhedron = Polyhedron(np.zeros(d), np.eye(d), np.zeros((0, d)), np.zeros(0), free=True)


class Simplex(Set):
    """{x >= 0, sum x = radius}; ``mirror`` is the entropy's step, 1/radius-strongly convex in the l1 norm."""

    def __init__(self, d: int, radius: float = 1.0):
        self.d, self.radius = d, as_positive(radius, "radius")
        self.diameter = np.sqrt(2) * self.radius if d > 1 else 0.0
        self.diameter_l1 = 2 * self.radius if d > 1 else 0.0
        self.reach = self.radius
        self.polyhedron = Polyhedron(np.zeros(d), np.eye(d), np.ones((1, d)), np.array([self.radius]), equality=True)

    @property
    def center(self) -> np.ndarray:
        return np.full(self.d, self.radius / self.d)

    def project(self, v: Array) -> Array:
        return project_simplex(v, self.radius)

    def lmo(self, g: Array) -> Array:
        return lmo_simplex(g, self.radius)

    def mirror(self, x: Array, g: Array) -> Array:
        """argmin_s <g, s> + sum_i s_i log(s_i / x_i)."""
        return self.radius * kl_prox_simplex(x, g)

    @property
    def mu_h(self) -> float:
        """The entropy's modulus in the Euclidean norm: sum d^2/x >= ||d||_1^2/radius >= 2 ||d||^2/radius for sum d = 0."""
        return 2 / self.radius

    def divergence(self, x: Array, y: Array) -> Array:
        """sum_i x_i log(x_i / y_i), the entropy's."""
        xp = array_namespace(x, y)
        on = x > 0
        return xp.sum(xp.where(on, x * xp.log(xp.where(on, x / y, 1.0)), 0.0), axis=-1)

    def prox_jacobian(self, v: np.ndarray, step: float = 1.0) -> np.ndarray:
        s = (project_simplex(v, self.radius) > 0) * 1.0
        return np.diag(s) - np.outer(s, s) / s.sum()

    def image_norm(self, M: np.ndarray) -> float:
        return self.radius * float(np.linalg.norm(M, axis=1).max())


class Box(Set):
    """{lo <= x <= hi}, lo and hi vectors (d,), possibly infinite."""

    def __init__(self, lo: Array, hi: Array):
        self.lo, self.hi = np.asarray(lo, dtype=float), np.asarray(hi, dtype=float)
        if self.lo.ndim != 1 or self.lo.shape != self.hi.shape or not (self.lo <= self.hi).all():
            raise ProblemError(f"lo and hi must be vectors of one length with lo <= hi, got {lo!r} and {hi!r}")
        self.d = self.lo.size
        width = self.hi - self.lo
        self.diameter, self.diameter_l1 = float(np.linalg.norm(width)), float(width.sum())
        self.reach = float(np.linalg.norm(np.maximum(np.abs(self.lo), np.abs(self.hi))))
        if np.isfinite(self.diameter):
            self.lmo = self._lmo
            self.polyhedron = Polyhedron(self.lo, np.eye(self.d), np.eye(self.d), width)

    @property
    def center(self) -> np.ndarray:
        return (self.lo + self.hi) / 2 if np.isfinite(self.diameter) else np.clip(np.zeros(self.d), self.lo, self.hi)

    def project(self, v: Array) -> Array:
        return project_box(v, like(self.lo, v), like(self.hi, v))

    def _lmo(self, g: Array) -> Array:
        return lmo_box(g, like(self.lo, g), like(self.hi, g))

    def prox_jacobian(self, v: np.ndarray, step: float = 1.0) -> np.ndarray:
        return np.diag(((v > self.lo) & (v < self.hi)) * 1.0)

    def image_norm(self, M: np.ndarray) -> float:
        """Exact up to 12 rows, by going through the vertices; above, the triangle inequality."""
        if self.d > 12:
            return float(np.maximum(np.abs(self.lo), np.abs(self.hi)) @ np.linalg.norm(M, axis=1))
        vertices = np.array(list(product(*zip(self.lo, self.hi, strict=True))))
        return float(np.linalg.norm(vertices @ M, axis=1).max())


class Ball(Set):
    """{||x|| <= radius}."""

    def __init__(self, d: int, radius: float = 1.0):
        self.d, self.radius = d, as_positive(radius, "radius")
        self.diameter, self.reach = 2 * self.radius, self.radius
        self.diameter_l1 = 2 * self.radius * np.sqrt(d)

    def project(self, v: Array) -> Array:
        return project_ball(v, self.radius)

    def lmo(self, g: Array) -> Array:
        return lmo_ball(g, self.radius)

    def prox_jacobian(self, v: np.ndarray, step: float = 1.0) -> np.ndarray:
        norm = np.linalg.norm(v)
        if norm <= self.radius:
            return np.eye(self.d)
        return self.radius / norm * (np.eye(self.d) - np.outer(v, v) / norm**2)

    def image_norm(self, M: np.ndarray) -> float:
        return self.radius * float(np.linalg.norm(M, 2))


class L1Ball(Set):
    """{||x||_1 <= radius}."""

    def __init__(self, d: int, radius: float = 1.0):
        self.d, self.radius = d, as_positive(radius, "radius")
        self.diameter = self.diameter_l1 = 2 * self.radius
        self.reach = self.radius
        E = np.hstack([np.eye(d), -np.eye(d)])
        self.polyhedron = Polyhedron(np.zeros(d), E, np.ones((1, 2 * d)), np.array([self.radius]))

    def project(self, v: Array) -> Array:
        return project_l1_ball(v, self.radius)

    def lmo(self, g: Array) -> Array:
        return lmo_l1_ball(g, self.radius)

    def prox_jacobian(self, v: np.ndarray, step: float = 1.0) -> np.ndarray:
        if np.abs(v).sum() <= self.radius:
            return np.eye(self.d)
        s = np.sign(project_l1_ball(v, self.radius))
        return np.diag(s * s) - np.outer(s, s) / (s * s).sum()

    def image_norm(self, M: np.ndarray) -> float:
        return self.radius * float(np.linalg.norm(M, axis=1).max())


class OnSet(Problem):
    """Mix-in: a problem on ``domain``, whose projection, linear minimization and mirror step are the problem's."""

    def _place(self, domain: Set) -> None:
        if (domain.d,) != self.point_shape:
            raise ProblemError(f"the set must lie in the problem's space of shape {self.point_shape}, got {domain}")
        self.domain = domain
        for oracle in ("lmo", "mirror", "divergence"):
            if hasattr(domain, oracle):
                setattr(self, oracle, getattr(domain, oracle))
        if np.isfinite(domain.diameter):
            self.declare(Compact(float(domain.diameter)))
            self.D_l1 = float(domain.diameter_l1)
        if hasattr(domain, "mirror"):
            self.start_quantities = {"R_entropy": entropy_radius}
            self.declare(StronglyConvexKernel(domain.mu_h))

    def project(self, v: Array) -> Array:
        return self.domain.project(v)

    @property
    def x0(self) -> Array:
        """The centre of the set (of the simplex: the uniform point), or off it when it is the solution."""
        start = self.domain.center
        if self.x_star is not None and np.allclose(to_numpy(self.x_star), start, atol=1e-6 * (1 + np.abs(start).max())):
            start = to_numpy(self.domain.project(start + np.arange(1.0, self.domain.d + 1) / self.domain.d))
        return start if self.x_star is None else like(start, self.x_star)


def entropy_radius(problem: Problem, x: Array) -> Array:
    """sqrt(max_s D(s, x)) of the entropy over the unit simplex, sqrt(log d) from the uniform point."""
    xp = array_namespace(x)
    return xp.sqrt(-xp.log(xp.min(x, axis=-1)))


class Constrained(OnSet, Composite):
    """min f over a set: ``grad`` of f, ``project`` and ``lmo`` of the set; ``prox`` is the projection.

    ``L_l1`` (for quadratics) is the smoothness constant in the l1 norm, max |A_ij|, and ``D_l1`` the diameter in it.
    """

    def __init__(self, smooth: Problem, domain: Set, *, name: str = ""):
        self.point_shape = smooth.point_shape
        self._place(domain)
        super().__init__(smooth, domain, name=name or f"{smooth} on {domain}")
        if smooth.meets(QuadraticForm):
            self.L_l1 = float(np.abs(to_numpy(smooth.hess(self.x_star))).max())

    @property
    def _first(self) -> np.ndarray:
        return self.domain.center

    def fw_gap(self, x: Array) -> Array:
        """max_s <grad f(x), x - s> over the set: never below f(x) - f*, zero at the solution."""
        g = self.grad(x)
        return self.inner(g, x - self.lmo(g))


class Ramp(Problem):
    """f(x) = slope x_1 + L/2 x_2^2: no minimum by itself, but one on a set."""

    def __init__(self, slope: float, L: float = 1.0):
        self.slope, self.point_shape = as_positive(slope, "slope"), (2,)
        self.declare(Smooth(as_positive(L, "L")), Convex(), QuadraticForm())

    def value(self, x: Array) -> Array:
        return self.slope * x[..., 0] + self.L / 2 * x[..., 1] ** 2

    def grad(self, x: Array) -> Array:
        xp = array_namespace(x)
        return xp.stack([0 * x[..., 0] + self.slope, self.L * x[..., 1]], axis=-1)

    def hess(self, x: Array) -> Array:
        return np.diag([0.0, self.L]) + 0 * x[..., None]


def ramp(steps: int, L: float = 1.0, R: float = 1.0) -> Constrained:
    """From (R, 0), projected gradient descent with step 1/L is after ``steps`` steps at L R^2 / (4 steps) exactly."""
    return Constrained(Ramp(L * R / (2 * steps), L), Box([0.0, -np.inf], [np.inf, np.inf]), name=f"ramp ({steps})")


@entry
def simplex_quadratic() -> Problem:
    A = spectrum(list(np.geomspace(0.1, 3.0, 8)), 3)
    return Constrained(Quadratic((A + A.T) / 2, 0.1 * np.random.default_rng(3).standard_normal(8)), Simplex(8))


@entry
def box_quadratic() -> Problem:
    A = spectrum(list(np.geomspace(0.05, 2.0, 6)), 4)
    b = np.random.default_rng(4).standard_normal(6)
    return Constrained(Quadratic((A + A.T) / 2, b), Box(-np.ones(6), np.ones(6)))


@entry
def l1_ball_logistic() -> Problem:
    return Constrained(LogisticRegression.from_data("breast_cancer", l2=1e-2), L1Ball(30, 2.0))


@entry
def ball_quadratic() -> Problem:
    A = spectrum([0, 0.2, 0.5, 1.0, 2.0], 5)
    A = (A + A.T) / 2
    return Constrained(Quadratic(A, A @ np.array([3.0, -1.0, 2.0, 0.0, 1.0])), Ball(5))
