"""A point in two convex sets A and B by their projections: alternating, averaged, Dykstra's."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optlab.problems.assumptions import BestApproximation, ConvexFeasibility, Subspaces
from optlab.problems.base import Wrapped
from optlab.problems.feasibility import (
    ball_and_box,
    ball_and_tangent,
    lines,
    plane_and_space,
    project_on_cap,
    project_on_corner,
    project_on_lens,
    project_on_wedge,
)

from ..fold import best
from ..guarantee import Case, Control, Guarantee, cite, start
from ..measures import EPS, Measure, point, sq_distance
from ..methods import method


class Corrected(NamedTuple):
    """The point of B, and what the last projections onto A and B took away."""

    x: Any
    p: Any
    q: Any


@method(needs=("project_a", "project_b"), family="splitting", restartable=True)
def alternating_projections(problem, x):
    """Alternating projections, x+ = P_B(P_A(x)) (von Neumann 1949; Bregman 1965)."""
    while True:
        yield x
        x = problem.project_b(problem.project_a(x))


@method(needs=("project_a", "project_b"), family="splitting", restartable=True)
def averaged_projections(problem, x):
    """Averaged projections, x+ = (P_A(x) + P_B(x)) / 2 (Auslender 1969)."""
    while True:
        yield x
        x = 0.5 * (problem.project_a(x) + problem.project_b(x))


@method(needs=("project_a", "project_b"), family="splitting", restartable=True)
def dykstra(problem, x, p=None, q=None):
    """Dykstra: y = P_A(x + p), p+ = x + p - y, x+ = P_B(y + q), q+ = y + q - x+ (Boyle, Dykstra 1986)."""
    p, q = (0 * x, 0 * x) if p is None else (p, q)
    while True:
        yield Corrected(x, p, q)
        y = problem.project_a(x + p)
        p = x + p - y
        x = problem.project_b(y + q)
        q = y + q - x


def _gap_magnitude(problem, it):
    return 64 * EPS * (problem.norm(point(it)) + problem.norm(problem.x_star)) ** 2


sq_to_a = Measure("||x - P_A(x)||^2", lambda problem, it: problem.sq(point(it) - problem.project_a(point(it))),
                  r"\|x_k - P_A x_k\|^2", _gap_magnitude)
sq_between = Measure("||P_A(x) - P_B(x)||^2",
                     lambda problem, it: problem.sq(problem.project_a(point(it)) - problem.project_b(point(it))),
                     r"\|P_A x_k - P_B x_k\|^2", _gap_magnitude)


def _sets(*angles):
    """Lines at these angles from starts on A and off it; a disc on a tangent; a lens; subspaces."""
    def cases(rng):
        starts = np.array([[1.0, 0.0], [-2.0, 1.5]])
        return [*(Case(lines(t), starts) for t in angles), Case(ball_and_tangent(), np.array([2.0, -1.0, 3.0])),
                Case(ball_and_box(), np.array([[3.0, 0.0, -1.0], [1.0, 2.0, 3.0]])), Case(plane_and_space())]

    return cases


class Timid(Wrapped):
    """The same sets, whose projections go a tenth of the way."""

    def project_a(self, x):
        return x + 0.1 * (self.inner_problem.project_a(x) - x)

    def project_b(self, x):
        return x + 0.1 * (self.inner_problem.project_b(x) - x)


def _apart(rng):
    return [Case(lines(0.3), np.array([[1.0, 0.0], [1.0, -2.0]])), Case(plane_and_space())]


def _approximations(rng):
    return [Case(p, p.x0) for p in (project_on_wedge(), project_on_corner(), project_on_lens(), project_on_cap())]


timid = Control("projections that go a tenth of the way", problem=Timid)

alternating_projections.proves(
    Guarantee(sq_to_a, lambda k, R: R**2 / (2 * k), cite(0, 0, "Bregman 1965"), assumes=(ConvexFeasibility,),
              on=_sets(0.1, 0.3, 1.0), control=timid,
              note="The squares of the 2k + 1 moves sum up to at most R^2, and from the second on they do not grow. Over the "
                   "class the worst case agrees with (1 - 1/(2k))^(2k-1) / (2k), which two lines meet."),
    Guarantee(sq_distance, lambda k, cosine, R: cosine ** (4 * k - 2) * R**2, cite(0, 0, "Aronszajn 1950; Deutsch 1992"),
              assumes=(ConvexFeasibility, Subspaces), on=_apart, tightness="tight", symbolic=False, control=timid),
)
averaged_projections.proves(
    Guarantee(sq_between, lambda k, R: 2 * R**2 / (k + 1), cite(0, 0, "Pierra 1984"), assumes=(ConvexFeasibility,), first=0,
              on=_sets(0.2, 0.6, 1.5), control=timid,
              note="Alternating projections between A x B and the diagonal, started on the diagonal."),
    Guarantee(sq_distance, lambda k, cosine, R: ((1 + cosine) / 2) ** (2 * k) * R**2, cite(0, 0, "Reich-Zalas 2017"), first=0,
              assumes=(ConvexFeasibility, Subspaces), tightness="tight", symbolic=False, control=timid,
              on=lambda rng: [Case(lines(0.3), np.array([np.cos(0.15), np.sin(0.15)])), Case(plane_and_space())]),
)
dykstra.proves(
    Guarantee(sq_to_a, lambda k, R: R**2 / (2 * k - 1), cite(0, 0, "Boyle-Dykstra 1986"), at=best, assumes=(ConvexFeasibility,),
              on=_sets(0.1, 0.3, 1.0), control=timid),
    Guarantee(sq_distance, lambda k, Q: Q / k, cite(0, 0, "Chambolle-Tan-Vaiter 2017"), assumes=(BestApproximation,),
              on=_approximations, using=dict(Q=start(lambda problem, it: problem.sq(problem.normal_b))),
              control=Control("without corrections", method=alternating_projections),
              note="Dykstra's is a proximal gradient step of length 1 on the dual, so that the dual gap, which bounds half the "
                   "squared distance, is at most Q / (2k)."),
)
