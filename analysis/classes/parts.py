"""What several kinds declare alike: the smooth function, and the oracles of a sum f + h. Registers nothing.

Kinds are matched in the order in which their modules are imported, so they take shared parts from here, not from each other.
"""

from __future__ import annotations

from typing import Any

from PEPit import Point
from PEPit import functions as F
from PEPit.primitive_steps import inexact_proximal_step, linear_optimization_step, proximal_step

from optlab.problems import assumptions as A


def smooth_class(s: Any, L: float, mu: float, convex: bool) -> Any:
    if s.has(A.QuadraticForm):
        return s.pep.declare_function(F.SmoothStronglyConvexQuadraticFunction, mu=mu, L=L)
    if mu > 0:
        return s.pep.declare_function(F.SmoothStronglyConvexFunction, mu=mu, L=L)
    return s.pep.declare_function(F.SmoothConvexFunction if convex else F.SmoothFunction, L=L)


def smooth_part(s: Any) -> Any:
    """The class of f: smooth and convex, perhaps strongly convex, perhaps quadratic."""
    mu = s.mu if s.has(A.StronglyConvexPart) else 0.0
    if s.has(A.QuadraticPart):
        return s.pep.declare_function(F.SmoothStronglyConvexQuadraticFunction, mu=mu, L=s.L)
    return smooth_class(s, s.L, mu, True)


def feasible_point(s: Any, h: Any) -> Point:
    """A free point of the set whose indicator is h."""
    x = s.pep.set_initial_point()
    s.pep.add_constraint(h(x) == 0)
    return x


def sum_oracles(s: Any, f: Any, h: Any) -> None:
    total = f + h
    s.f, s.h = f, h
    s.grad = f.gradient
    s.prox = lambda v, step: proximal_step(v, h, float(step))[0]
    s.project = lambda v: proximal_step(v, h, 1.0)[0]
    s.lmo = lambda d: linear_optimization_step(d, h)[0]
    indicator = isinstance(h, F.ConvexIndicatorFunction)
    s.value = (lambda x: f(x)) if indicator else (lambda x: total(x))
    s.x_star = total.stationary_point()
    s.f_star = s.value(s.x_star)
    if indicator:  # the start must be feasible: nothing else says so
        s.start = lambda: feasible_point(s, h)


def inexact_prox(s: Any, h: Any) -> Any:
    """The approximate prox of h, where one is assumed: PEPit's criterion II (a subgradient at x), else I (at some w)."""
    criterion = "PD_gapII" if s.has(A.ApproximateProx) else "PD_gapI"

    def oracle(v: Any, step: float, allowed: Any) -> Any:
        x, _, _, _, slope, _, gap = inexact_proximal_step(v, h, float(step), opt=criterion)
        h.add_constraint(2 * gap <= allowed(x, slope))
        return x, slope

    return oracle
