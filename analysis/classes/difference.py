"""Differences of convex functions."""

from __future__ import annotations

from typing import Any

from PEPit import functions as F
from PEPit.primitive_steps import shifted_optimization_step

from optlab.problems import assumptions as A

from .registry import kind


@kind(lambda s: s.has(A.DifferenceOfConvex), A.DifferenceOfConvex, A.LowerBounded)
def difference(s: Any) -> None:
    """f1 - f2; x_star is its minimizer where every value stays above f_star by what a gradient step would gain."""
    f1 = s.pep.declare_function(F.SmoothStronglyConvexFunction, mu=s.mu_1, L=s.L_1)
    f2 = s.pep.declare_function(F.SmoothStronglyConvexFunction, mu=s.mu_2, L=s.L_2)
    s.value = f1 - f2
    s.x_star = s.value.stationary_point()
    s.f_star = s.value(s.x_star)
    s.grad1, s.grad2 = f1.gradient, f2.gradient
    s.grad = lambda x: f1.gradient(x) - f2.gradient(x)
    s.grad1_inverse = lambda g: shifted_optimization_step(g, f1)[0]
    s.finish = lambda: [s.pep.add_constraint(f1(x) - f2(x) >= s.f_star + 1 / (2 * (s.L_1 - s.mu_2)) * s.sq(s.grad(x)))
                        for x, _, _ in list(f2.list_of_points) if x is not s.x_star]
    s.interpolable = False  # these conditions on f_star are necessary
