"""Composite objectives f + h: h met through its prox, as a set, or through a linear minimization oracle."""

from __future__ import annotations

from typing import Any

from PEPit import Point
from PEPit import functions as F
from PEPit.primitive_steps import linear_optimization_step, proximal_step

from optlab.problems import assumptions as A

from .functions import smooth_class
from .registry import kind


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
        def feasible() -> Point:
            x0 = s.pep.set_initial_point()
            s.pep.add_constraint(h(x0) == 0)
            return x0

        s.start = feasible


def smooth_part(s: Any) -> Any:
    """The class of f: smooth and convex, perhaps strongly convex, perhaps quadratic."""
    mu = s.mu if s.has(A.StronglyConvexPart) else 0.0
    if s.has(A.QuadraticPart):
        return s.pep.declare_function(F.SmoothStronglyConvexQuadraticFunction, mu=mu, L=s.L)
    return smooth_class(s, s.L, mu, True)


@kind(lambda s: s.meets(A.SmoothPart), A.Convex, A.SmoothPart, A.StronglyConvexPart, A.Compact, A.LowerBounded, A.QuadraticPart)
def composite(s: Any) -> None:
    """f + h: ``grad`` of the smooth part, ``prox`` (or project, lmo) of the convex part, ``value`` of the sum."""
    f = smooth_part(s)
    if s.has(A.Compact):
        h = s.pep.declare_function(F.ConvexIndicatorFunction, D=s.D)
    elif "project" in s.needs or "lmo" in s.needs:
        h = s.pep.declare_function(F.ConvexIndicatorFunction)
    else:
        h = s.pep.declare_function(F.ConvexFunction)
    sum_oracles(s, f, h)


@kind(lambda s: s.has(A.Lipschitz) and s.meets(A.Convex), A.Convex, A.Lipschitz, A.StronglyConvexPart, A.Compact)
def projected(s: Any) -> None:
    """A Lipschitz convex function over a convex set; where strongly convex too, G bounds the subgradients that are met."""
    if s.has(A.StronglyConvexPart):
        f = s.pep.declare_function(F.StronglyConvexFunction, mu=s.mu)
        s.finish = lambda: [s.pep.add_constraint(g**2 <= s.G**2) for x, g, _ in list(f.list_of_points) if x is not s.x_star]
        s.interpolable = False
    else:
        f = s.pep.declare_function(F.ConvexLipschitzFunction, M=s.G)
    h = s.pep.declare_function(F.ConvexIndicatorFunction, **(dict(D=s.D) if s.has(A.Compact) else {}))
    sum_oracles(s, f, h)
