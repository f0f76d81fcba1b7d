"""f + g, each met through its prox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PEPit import functions as F
from PEPit.primitive_steps import proximal_step

from optlab.problems import assumptions as A

from .parts import inexact_prox, smooth_part
from .registry import kind


@kind(lambda s: s.has(A.ConvexPair), A.ConvexPair, A.SmoothPart, A.StronglyConvexPart, A.QuadraticPart,
      A.ApproximateDualProx, A.ApproximateProx)
def pair(s: Any) -> None:
    """f + g, each met through its prox; R is measured at the governing point z* = x* + step slope, which the start is near.

    A method with a penalty ``rho`` (ADMM) is governed by x* - slope / rho: its step is -1 / rho.
    """
    if s.has(A.SmoothPart):
        f = smooth_part(s)
    elif s.has(A.StronglyConvexPart):
        f = s.pep.declare_function(F.StronglyConvexFunction, mu=s.mu)
    else:
        f = s.pep.declare_function(F.ConvexFunction)
    g = s.pep.declare_function(F.ConvexFunction)
    s.f, s.g, s.value = f, g, f + g
    s.x_star = s.value.stationary_point()
    s.f_star = s.value(s.x_star)
    s.slope = next(slope for x, slope, _ in f.list_of_points if x is s.x_star)
    s.prox_f = lambda v, step: proximal_step(v, f, float(step))[0]
    s.prox_g = lambda v, step: proximal_step(v, g, float(step))[0]

    if s.meets(A.ApproximateDualProx):
        s.inexact_prox = inexact_prox(s, f)

    def sq_radius(x0: Any, params: Mapping[str, Any]) -> Any:
        step = params["step"] if "step" in params else -1 / params["rho"]
        return s.sq(x0 - s.x_star - step * s.slope)

    s.sq_radius = sq_radius
