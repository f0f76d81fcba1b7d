"""Online: one convex loss a round, over a convex set of bounded diameter."""

from __future__ import annotations

import math
from typing import Any

from PEPit import functions as F
from PEPit.primitive_steps import linear_optimization_step, proximal_step

from optlab.problems import assumptions as A

from .parts import feasible_point
from .registry import kind


@kind(lambda s: s.has(A.LipschitzLosses), A.LipschitzLosses, A.Compact)
def rounds(s: Any) -> None:
    """A new loss is declared for every round that is played; ``x_star`` is the fixed point that the regret compares with."""
    h = s.pep.declare_function(F.ConvexIndicatorFunction, **(dict(D=s.D) if s.has(A.Compact) else {}))
    losses: list[Any] = []
    met: dict[Any, tuple[Any, Any]] = {}

    def loss(k: int) -> Any:
        while len(losses) <= k:
            losses.append(s.pep.declare_function(F.ConvexLipschitzFunction, M=s.G))
        return losses[k]

    def asked(x: Any, k: int) -> tuple[Any, Any]:
        """Subgradient and value of round k's loss at a point that was played: one answer to both questions."""
        at = (k, frozenset(x.decomposition_dict.items()))
        if at not in met:
            met[at] = loss(k).oracle(x)
        return met[at]

    def leader(x: Any, k: int, step: float = math.inf) -> Any:
        total = sum((loss(i) for i in range(k + 1)), h)
        return total.stationary_point() if math.isinf(step) else proximal_step(x, total, step)[0]

    s.start = lambda: feasible_point(s, h)
    s.x_star = feasible_point(s, h)
    s.loss_value = lambda x, k: asked(x, k)[1]
    s.loss_grad = lambda x, k: asked(x, k)[0]
    s.leader = leader
    s.best_in_hindsight = lambda k: sum((loss(i)(s.x_star) for i in range(1, k + 1)), loss(0)(s.x_star))
    s.project = lambda v: proximal_step(v, h, 1.0)[0]
    s.lmo = lambda d: linear_optimization_step(d, h)[0]
