"""f + g + q: a prox of f, a prox of g and the gradient of q."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PEPit import functions as F
from PEPit.primitive_steps import proximal_step

from optlab.problems import assumptions as A

from .parts import smooth_part
from .registry import kind


@kind(lambda s: s.has(A.ConvexTriple), A.ConvexTriple, A.SmoothPart, A.StronglyConvexPart)
def triple(s: Any) -> None:
    """R is measured at the governing point z* = x* + step slope, slope a subgradient of g, whose prox comes first."""
    f = smooth_part(s) if s.has(A.SmoothPart) else s.pep.declare_function(F.ConvexFunction)
    g = s.pep.declare_function(F.ConvexFunction)
    q = s.pep.declare_function(F.SmoothConvexFunction, L=s.Lq)
    s.value = f + g + q
    s.x_star = s.value.stationary_point()
    s.f_star = s.value(s.x_star)
    s.slope = next(slope for x, slope, _ in g.list_of_points if x is s.x_star)
    s.prox_f = lambda v, step: proximal_step(v, f, float(step))[0]
    s.prox_g = lambda v, step: proximal_step(v, g, float(step))[0]
    s.grad = q.gradient

    def sq_radius(x0: Any, params: Mapping[str, Any]) -> Any:
        return s.sq(x0 - s.x_star - params["step"] * s.slope)

    s.sq_radius = sq_radius
