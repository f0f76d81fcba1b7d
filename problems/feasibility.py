"""Two convex sets with a common point, met through their projections."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .assumptions import BestApproximation, Subspaces
from .base import Array, Problem, as_matrix, as_vector
from .errors import ProblemError
from .operators import TwoSets
from .pool import entry
from .prox import project_ball, project_box, project_halfspace

Projection = Callable[[Array], Array]


class TwoSubspaces(TwoSets):
    """x_star + the ranges of A and B, which meet in 0 only; ``cosine`` is that of their smallest angle, ||P_A P_B||."""

    def __init__(self, A: Array, B: Array, x_star: Array | None = None, *, name: str = ""):
        bases = [np.linalg.qr(as_matrix(M, label))[0] for label, M in (("A", A), ("B", B))]
        d = len(bases[0])
        cosine = float(np.linalg.norm(bases[0].T @ bases[1], 2))
        if cosine > 1 - 1e-12:
            raise ProblemError("the ranges of A and B must meet in 0 only")
        center = as_vector(np.zeros(d) if x_star is None else x_star, "x_star", d)
        a, b = ((lambda x, Q=Q: center + (x - center) @ Q @ Q.T) for Q in bases)
        super().__init__(a, b, center, center, name=name)
        self.declare(Subspaces(cosine))


class Nearest(TwoSets):
    """The point of two sets nearest to x0 = x_star + normal_a + normal_b; only this start has ``x_star`` for its answer."""

    def __init__(self, project_a: Projection, project_b: Projection, x_star: Array, normal_a: Array, normal_b: Array, *,
                 name: str = ""):
        x_star = as_vector(x_star, "x_star")
        super().__init__(project_a, project_b, x_star, x_star, name=name)
        self.normal_a, self.normal_b = as_vector(normal_a, "normal_a", len(x_star)), as_vector(normal_b, "normal_b", len(x_star))
        for label, project, normal in (("normal_a", project_a, self.normal_a), ("normal_b", project_b, self.normal_b)):
            if np.abs(project(x_star + normal) - x_star).max() > 1e-12 * (1 + np.abs(x_star).max() + np.abs(normal).max()):
                raise ProblemError(f"{label} must be normal to its set at x_star")
        self.declare(BestApproximation())

    @property
    def x0(self) -> Array:
        return self.x_star + self.normal_a + self.normal_b


def lines(angle: float) -> TwoSubspaces:
    """Two lines through the origin at this angle."""
    return TwoSubspaces([[1.0], [0.0]], [[np.cos(angle)], [np.sin(angle)]], name=f"lines at an angle of {angle:.3g}")


@entry
def plane_and_space() -> Problem:
    rng = np.random.default_rng(8)
    return TwoSubspaces(rng.standard_normal((6, 2)), rng.standard_normal((6, 3)), rng.standard_normal(6))


@entry
def ball_and_box() -> Problem:
    """The unit ball, and a box that it meets in a thin lens about ``x_star``."""
    corner = np.full(3, 0.55)
    inside = np.full(3, 0.56)
    return TwoSets(lambda x: project_ball(x, 1.0), lambda x: project_box(x, corner, corner + 1.0), inside, inside,
                   name="a ball and a box")


@entry
def ball_and_tangent() -> Problem:
    """The unit ball and a halfspace that touch in one point: no linear rate."""
    touch = np.array([0.6, 0.8, 0.0])
    return TwoSets(lambda x: project_ball(x, 1.0), lambda x: project_halfspace(x, -touch, -1.0), touch, touch,
                   name="a ball and a halfspace that touch")


@entry
def project_on_wedge() -> Problem:
    """Two halfspaces at a small angle, from above the edge."""
    a, b = np.array([0.0, 1.0, 0.0]), np.array([0.0, -np.cos(0.2), np.sin(0.2)])
    return Nearest(lambda x: project_halfspace(x, a, 1.0), lambda x: project_halfspace(x, b, -np.cos(0.2)),
                   np.array([3.0, 1.0, 0.0]), 2.0 * a, 1.5 * b, name="a wedge")


@entry
def project_on_corner() -> Problem:
    """Two halfspaces at an obtuse angle: projected in turn, x0 goes to another point of both."""
    a, b = np.array([0.0, 1.0]), np.array([1.0, 1.0])
    return Nearest(lambda x: project_halfspace(x, a, 0.0), lambda x: project_halfspace(x, b, 0.0), np.zeros(2), a, b,
                   name="a corner")


@entry
def project_on_lens() -> Problem:
    """Two balls that overlap in a lens, from above its edge."""
    right, left, edge = np.array([0.8, 0.0]), np.array([-0.8, 0.0]), np.array([0.0, 0.6])
    return Nearest(lambda x: project_ball(x, 1.0, right), lambda x: project_ball(x, 1.0, left), edge,
                   0.3 * (edge - right), 1.0 * (edge - left), name="a lens")


@entry
def project_on_cap() -> Problem:
    """A ball cut by a halfspace that leaves a thin cap."""
    a, rim = np.array([0.0, -1.0]), np.array([np.sqrt(1 - 0.95**2), 0.95])
    return Nearest(lambda x: project_ball(x, 1.0), lambda x: project_halfspace(x, a, -0.95), rim, 0.5 * rim, 2.0 * a,
                   name="a cap")
