"""Cutting planes: a region that holds the solution, cut through its centre at every subgradient."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from optlab.problems.assumptions import Convex, InsidePolytope
from optlab.problems.base import Wrapped
from optlab.problems.polytopes import centroid, cut, max_affine_on_box

from ..fold import best
from ..functions import exp
from ..guarantee import Case, Control, Guarantee, cite
from ..measures import Measure, point, suboptimality
from ..methods import as_method, method


class Region(NamedTuple):
    """The centre, and the vertices of the polytope that it is the centre of."""

    x: Any
    vertices: Any


class Ellipsoid(NamedTuple):
    """{z: (z - x)' shape^-1 (z - x) <= 1}."""

    x: Any
    shape: Any


@method(needs=("grad", "vertices"), family="constrained", restartable=True, symbolic=False, batched=False)
def center_of_gravity(problem, x, vertices=None):
    """Center of gravity: keep {z: <g, z - x> <= 0}, move to its centroid (Levin 1965; Newman 1965). Exact, few dimensions."""
    vertices = problem.vertices if vertices is None else vertices
    while True:
        yield Region(x, vertices)
        x, vertices = centroid(cut(vertices, problem.grad(x), x))


def separator(problem, x):
    """A subgradient at a feasible x, else the normal of a plane between x and the set."""
    xp = array_namespace(x)
    away = x - problem.project(x)
    return xp.where(problem.column(problem.sq(away) > 0), away, problem.grad(x))


@method(needs=("grad", "project"), family="constrained", restartable=True, symbolic=False)
def ellipsoid_method(problem, x, shape=None, *, outer):
    """Ellipsoid method from the ball of radius ``outer``: the smallest ellipsoid around half of the last one
    (Yudin-Nemirovski 1976; Shor 1977)."""
    n = problem.dim
    shape = outer**2 * np.eye(n) + 0 * x[..., None] if shape is None else shape
    while True:
        yield Ellipsoid(x, shape)
        w = separator(problem, x)
        v = (shape @ w[..., None])[..., 0]
        v = v / problem.column(problem.inner(w, v) ** 0.5)
        x = x - v / (n + 1)
        shape = n**2 / (n**2 - 1) * (shape - 2 / (n + 1) * v[..., :, None] * v[..., None, :])


def _feasible_suboptimality(problem, iterate):
    x = point(iterate)
    off = problem.sq(x - problem.project(x))
    return array_namespace(x).where(off > 0, np.inf, suboptimality(problem, x))


feasible_suboptimality = Measure("f(x) - f*, x feasible", _feasible_suboptimality,
                                 r"\min_{s<k,\,x_s\in X} f(x_s) - f^\star", suboptimality.magnitude, symbolic=False)


class Reversed(Wrapped):
    """Control: a problem whose subgradients point the other way."""

    def grad(self, x):
        return -self.inner_problem.grad(x)


def _too_small(problem, x, shape=None, *, outer):
    """Control: every ellipsoid is made five times shorter than it should be."""
    shape = outer**2 * np.eye(problem.dim) + 0 * x[..., None] if shape is None else shape
    while True:
        yield Ellipsoid(x, shape)
        moved = ellipsoid_method(problem, x, shape, outer=outer)
        next(moved)
        x, shape = next(moved)
        shape = shape / 25


center_of_gravity.proves(
    Guarantee(suboptimality, lambda k, top, dim: 2 * top * (1 - exp(-1)) ** (k / dim), cite(70, 1, "Thm 2.1"),
              assumes=(Convex, InsidePolytope), at=best,
              on=lambda rng: [Case(max_affine_on_box(n, pieces, seed), steps=steps)
                              for n, pieces, seed, steps in ((2, 6, 1, 40), (1, 4, 2, 30), (3, 8, 3, 40))],
              control=Control("the wrong half is kept", problem=Reversed)),
)
ellipsoid_method.proves(
    Guarantee(feasible_suboptimality,
              lambda k, top, outer, within, dim: 2 * top * outer / within * exp(-k / (2 * dim**2)),
              cite(70, 2, "Thm 2.4"), assumes=(Convex, InsidePolytope), at=best, recipe=lambda outer: dict(outer=outer),
              on=lambda rng: [Case(max_affine_on_box(n, pieces, seed), np.zeros(n), steps=steps)
                              for n, pieces, seed, steps in ((2, 6, 1, 150), (5, 12, 4, 600), (8, 16, 5, 1500))],
              control=Control("ellipsoids too small for the half they should hold", method=as_method(_too_small)),
              note="stated for k >= 2n^2 log(R/r), where the bound comes below 2B; before that the first, feasible, point is "
                   "within it"),
)
