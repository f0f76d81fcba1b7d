"""Two convex sets, met through their projections."""

from __future__ import annotations

from typing import Any

from PEPit import functions as F
from PEPit.primitive_steps import proximal_step

from optlab.problems import assumptions as A

from .registry import kind


@kind(lambda s: s.meets(A.ConvexFeasibility), A.ConvexFeasibility)
def two_sets(s: Any) -> None:
    """``x_star`` lies in both; under BestApproximation the start is x_star + normal_a + normal_b."""
    a, b = (s.pep.declare_function(F.ConvexIndicatorFunction) for _ in range(2))
    s.project_a = lambda x: proximal_step(x, a, 1.0)[0]
    s.project_b = lambda x: proximal_step(x, b, 1.0)[0]
    if s.has(A.BestApproximation):
        s.x_star = s.pep.set_initial_point()
        s.normal_a, s.normal_b = a.gradient(s.x_star), b.gradient(s.x_star)
        s.start = lambda: s.x_star + s.normal_a + s.normal_b
    else:
        s.x_star = (a + b).stationary_point()
