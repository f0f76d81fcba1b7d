"""One convex function, met through approximate proximal steps."""

from __future__ import annotations

from typing import Any

from PEPit import functions as F

from optlab.problems import assumptions as A

from .parts import inexact_prox
from .registry import kind


@kind(lambda s: s.meets(A.ApproximateDualProx) and not s.meets(A.SmoothPart) and not s.has(A.ConvexPair),
      A.Convex, A.ApproximateDualProx, A.ApproximateProx)
def approximate(s: Any) -> None:
    """A closed convex function (strongly convex where stated) with its approximate prox."""
    strong = s.has(A.StronglyConvex)
    f = s.pep.declare_function(F.StronglyConvexFunction, mu=s.mu) if strong else s.pep.declare_function(F.ConvexFunction)
    s.f = s.value = f
    s.grad = f.gradient
    s.x_star = f.stationary_point()
    s.f_star = f(s.x_star)
    s.inexact_prox = inexact_prox(s, f)
