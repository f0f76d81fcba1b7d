"""Smooth minimization on a convex set: by projections and by linear minimization."""

from __future__ import annotations

from optlab.problems.assumptions import Compact, Convex, SmoothPart, StronglyConvexPart
from optlab.problems.pool import pool

from ..fold import best
from ..functions import exp
from ..guarantee import Control, Guarantee, cite
from ..measures import measure, point, sq_distance, suboptimality
from ..methods import method
from ..steps import at, open_loop
from .subgradient import State


@measure("Frank-Wolfe gap", r"\max_s \langle\nabla f(x_k), x_k - s\rangle",
         magnitude=lambda problem, it: problem.norm(problem.grad(point(it))) * problem.D)
def frank_wolfe_gap(problem, iterate):
    """<grad f(x), x - lmo(grad f(x))>, a certificate: never below f(x) - f*."""
    x = point(iterate)
    g = problem.grad(x)
    return problem.inner(g, x - problem.lmo(g))


@method(needs=("grad", "project"), family="constrained", restartable=True)
def projected_gradient(problem, x, *, step):
    """Projected gradient descent, x+ = P(x - step grad f(x))."""
    while True:
        yield x
        x = problem.project(x - step * problem.grad(x))


@method(needs=("grad", "lmo"), family="constrained", restartable=True, cost="lmo")
def frank_wolfe(problem, x, k=0, *, step):
    """Frank-Wolfe (conditional gradient), x+ = x + step_k (lmo(grad f(x)) - x) (Frank-Wolfe 1956; Jaggi 2013)."""
    while True:
        yield State(x, k)
        x = x + at(step, k) * (problem.lmo(problem.grad(x)) - x)
        k = k + 1


def quadratics(rng):
    """Problems whose smoothness is known in the l1 norm too."""
    return [p for p in pool(Convex, SmoothPart, Compact, needs=("lmo",)) if hasattr(p, "L_l1")]


full = dict(recipe=lambda L: dict(step=1 / L),
            control=Control("steps a hundred times too short", recipe=lambda L: dict(step=0.01 / L)))
classical = dict(recipe=lambda: dict(step=open_loop()),
                 control=Control("always step to the vertex", recipe=lambda: dict(step=1.0)))

projected_gradient.proves(
    Guarantee(suboptimality, lambda k, L, R, D0: (3 * L * R**2 + D0) / (k + 1), cite(70, 7, "Thm 3.7"),
              assumes=(Convex, SmoothPart), note="index t = k + 1: x_1 is the start", **full),
    Guarantee(sq_distance, lambda k, mu, L, R: exp(-k * mu / L) * R**2, cite(70, 10, "Thm 3.10"),
              assumes=(Convex, SmoothPart, StronglyConvexPart), **full),
)
frank_wolfe.proves(
    Guarantee(suboptimality, lambda k, L, D: 2 * L * D**2 / (k + 2), cite(70, 8, "Thm 3.8", claim="Euclidean norm"),
              assumes=(Convex, SmoothPart, Compact), note="index t = k + 1: x_1 is the start", **classical),
    Guarantee(suboptimality, lambda k, L_l1, D_l1: 2 * L_l1 * D_l1**2 / (k + 2),
              cite(70, 8, "Thm 3.8", claim="l1 norm"), assumes=(Convex, SmoothPart, Compact), on=quadratics,
              symbolic=False, **classical),
    Guarantee(frank_wolfe_gap, lambda k, L, D: 27 * L * D**2 / (4 * (k + 1)),
              cite(70, 8, "Jaggi 2013, Thm 2", claim="duality gap"), assumes=(Convex, SmoothPart, Compact), at=best,
              first=3, **classical),
)
