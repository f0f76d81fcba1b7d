"""Monotone operators and nonexpansive maps."""

from __future__ import annotations

from typing import Any

from PEPit import Point
from PEPit import operators as O
from PEPit.primitive_steps import proximal_step

from optlab.problems import assumptions as A

from .registry import SymbolicError, kind, stated


@kind(lambda s: s.meets(A.Nonexpansive), A.Nonexpansive, A.AttainedDisplacement)
def fixed_point_map(s: Any) -> None:
    """A nonexpansive (or averaged) map ``T`` with a fixed point, or with its infimal displacement ``v`` attained."""
    N = s.pep.declare_function(O.NonexpansiveOperator)
    share = s.theta if s.has(A.AveragedOperator) else 1.0
    s.T = N.gradient if share == 1 else lambda x: (1 - share) * x + share * N.gradient(x)
    if s.has(A.AttainedDisplacement):
        s.x_star = Point()
        N.v = s.x_star - N.gradient(s.x_star)
        s.v = share * N.v
    else:
        s.x_star, _, _ = N.fixed_point()
        s.v = 0 * s.x_star


@kind(lambda s: any(s.meets(a) for a in (A.Monotone, A.Coherent, A.LipschitzOperator)) and not s.has(A.Compact),
      A.Monotone, A.LipschitzOperator, A.Coherent, A.ZeroOfOperator)
def operator(s: Any) -> None:
    """A monotone operator on the whole space, with ``operator`` and a zero ``x_star``."""
    mu = s.mu if s.has(A.StronglyMonotone) else 0.0
    if s.has(A.Coherent):  # Minty: monotone towards x_star only
        V = s.pep.declare_function(O.LipschitzOperator, L=s.L)
        s.finish = lambda: [s.pep.add_constraint(g * (x - s.x_star) >= 0) for x, g, _ in list(V.list_of_points)]
        s.interpolable = False
    elif s.has(A.Cocoercive):
        V = s.pep.declare_function(O.CocoerciveStronglyMonotoneOperatorCheap, mu=mu, beta=s.beta) if mu \
            else s.pep.declare_function(O.CocoerciveOperator, beta=s.beta)
    elif s.has(A.LipschitzOperator):
        V = s.pep.declare_function(O.LipschitzStronglyMonotoneOperatorCheap, mu=mu, L=s.L) if s.meets(A.Monotone) \
            else s.pep.declare_function(O.LipschitzOperator, L=s.L)
    elif mu:
        V = s.pep.declare_function(O.StronglyMonotoneOperator, mu=mu)
    elif s.meets(A.Monotone):
        V = s.pep.declare_function(O.MonotoneOperator)
    else:
        raise SymbolicError(f"no operator class of PEPit carries the assumptions {stated(s)}")
    if s.has(A.Cocoercive) and s.has(A.LipschitzOperator):
        s.interpolable = False  # L is not read
    s.operator = V.gradient
    s.resolvent = lambda v, step: proximal_step(v, V, float(step))[0]
    s.project = lambda v: v
    s.x_star = V.stationary_point()
