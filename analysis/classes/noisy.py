"""Stochastic oracles of few outcomes: the mean of two functions, one of which answers."""

from __future__ import annotations

from typing import Any

from PEPit import functions as F

from optlab.problems import assumptions as A

from .parts import sum_oracles
from .registry import kind

OUTCOMES = 2


@kind(lambda s: s.has(A.BoundedMoment) and s.meets(A.Convex) and not s.has(A.Smooth),
      A.Convex, A.BoundedMoment, A.StronglyConvexPart, A.Compact)
def bounded_moment(s: Any) -> None:
    """A convex f, the mean of two functions whose subgradients have mean square at most B^2 at all points met."""
    s.scope = " over oracles of two outcomes"
    s.interpolable = False  # the moment is bounded at the points met: that some functions have it everywhere is not shown
    mu = s.mu if s.has(A.StronglyConvexPart) else 0.0
    parts = [s.pep.declare_function(F.StronglyConvexFunction, mu=mu) if mu else s.pep.declare_function(F.ConvexFunction)
             for _ in range(OUTCOMES)]
    h = s.pep.declare_function(F.ConvexIndicatorFunction, **(dict(D=s.D) if s.has(A.Compact) else {}))
    sum_oracles(s, 1 / OUTCOMES * sum(parts[1:], parts[0]), h)
    asked: dict[Any, list[Any]] = {}

    def stochastic_grad(x: Any, rng: Any) -> Any:
        at = frozenset(x.decomposition_dict.items())
        if at not in asked:
            asked[at] = [part.gradient(x) for part in parts]
        return asked[at][rng.index(OUTCOMES)]

    def bounded() -> None:
        for triplets in zip(*(part.list_of_points for part in parts), strict=True):  # the parts are always asked together
            if triplets[0][0] is not s.x_star:
                squares = [g**2 for _, g, _ in triplets]
                s.pep.add_constraint(1 / OUTCOMES * sum(squares[1:], squares[0]) <= s.B**2)

    s.stochastic_grad = stochastic_grad
    s.finish = bounded
