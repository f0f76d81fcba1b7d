"""Composite objectives f + h: h met through its prox, as a set, or through a linear minimization oracle."""

from __future__ import annotations

from typing import Any

from PEPit import functions as F

from optlab.problems import assumptions as A

from .parts import inexact_prox, smooth_part, sum_oracles
from .registry import kind


@kind(lambda s: s.meets(A.SmoothPart), A.Convex, A.SmoothPart, A.StronglyConvexPart, A.Compact, A.LowerBounded, A.QuadraticPart,
      A.ApproximateDualProx, A.ApproximateProx)
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
    if s.meets(A.ApproximateDualProx):
        s.inexact_prox = inexact_prox(s, h)


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
