"""Many agents, one function each."""

from __future__ import annotations

from typing import Any

import numpy as np
from PEPit import Expression

from optlab.problems import assumptions as A

from .parts import smooth_class
from .registry import kind


@kind(lambda s: s.has(A.MixingMatrix) and s.has(A.SmoothAgents), A.MixingMatrix, A.SmoothAgents, A.ConvexTerms, A.Heterogeneity)
def agents(s: Any) -> None:
    """One function an agent; points are object arrays (agents,), what a server holds (1,), gossip multiplies by W.

    All agents start from one point, at distance R of the server's ``x_star``.
    """
    W = np.array(s.W, dtype=object)
    s.n = n = len(W)
    mu = s.mu_terms if s.has(A.StronglyConvexTerms) else 0.0
    parts = [smooth_class(s, s.Lmax, mu, s.meets(A.ConvexTerms)) for _ in range(n)]
    star = sum(parts[1:], parts[0]).stationary_point()
    own = [f.gradient(star) for f in parts]

    def each(x: Any) -> list[tuple[Any, Any]]:
        return list(zip(parts, x if len(x) > 1 else [x[0]] * n, strict=True))

    def mean(x: Any) -> Any:
        return np.array([1 / len(x) * sum(x[1:], x[0])], dtype=object)

    s.grad = lambda x: np.array([f.gradient(p) for f, p in each(x)], dtype=object)
    s.value = lambda x: 1 / n * sum((f(p) for f, p in each(x)), Expression(is_leaf=False, decomposition_dict={}))
    s.mix = lambda x, k=0: W @ x
    s.mean = lambda x, when=None, sent=False: mean(x)
    s.x_star = np.array([star], dtype=object)
    s.f_star = s.value(s.x_star)
    s.start = lambda: np.array([s.pep.set_initial_point()] * n, dtype=object)
    s.sq_radius = lambda x0, params: s.sq(mean(x0) - s.x_star)
    if s.has(A.Heterogeneity):
        s.pep.add_constraint(1 / n * sum((g**2 for g in own[1:]), own[0] ** 2) <= s.zeta_star**2)
    if not s.meets(A.ConvexTerms):
        s.interpolable = False  # x_star is stationary, not shown to be a minimizer
