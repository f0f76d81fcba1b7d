"""Sums: f = mean of n terms, met one at a time by their index."""

from __future__ import annotations

import itertools
from typing import Any

from PEPit import Expression, Point
from PEPit import functions as F
from PEPit.primitive_steps import proximal_step

from optlab.problems import assumptions as A

from .parts import smooth_class
from .registry import SymbolicError, kind, stated


def _term(s: Any) -> Any:
    mu = s.mu_terms if s.has(A.StronglyConvexTerms) or s.has(A.StronglyConvexTermsPart) else 0.0
    if s.has(A.SmoothTerms) or s.has(A.SmoothTermsPart):
        return smooth_class(s, s.Lmax, mu, mu > 0 or s.meets(A.ConvexTerms))
    if s.has(A.LipschitzTerms):
        if mu:
            raise SymbolicError(f"no function class of PEPit carries exactly the assumptions {stated(s)}")
        return s.pep.declare_function(F.ConvexLipschitzFunction, M=s.Gmax)
    return s.pep.declare_function(F.StronglyConvexFunction, mu=mu) if mu else s.pep.declare_function(F.ConvexFunction)


def _strongly_convex_mean(s: Any, parts: list[Any]) -> None:
    """f(x) >= f(y) + <grad f(y), x - y> + mu/2 ||x - y||^2 at all pairs of points at which every term was asked."""
    met = [{frozenset(x.decomposition_dict.items()): (x, g, v) for x, g, v in part.list_of_points} for part in parts]
    common = []
    for at, (x, _, _) in met[0].items():
        if all(at in others for others in met):
            _, gradients, values = zip(*(one[at] for one in met), strict=True)
            common.append((x, *(1 / len(parts) * sum(part[1:], part[0]) for part in (gradients, values))))
    for (x, _, fx), (y, g, fy) in itertools.permutations(common, 2):
        s.pep.add_constraint(fx >= fy + g * (x - y) + s.mu / 2 * (x - y) ** 2)


@kind(lambda s: not s.has(A.MixingMatrix) and not s.has(A.Smooth) and not s.has(A.PL)
      and any(s.meets(a) for a in (A.ConvexTerms, A.SmoothTerms, A.SmoothTermsPart)),
      A.Terms, A.StronglyConvex, A.ConvexTerms, A.SmoothTerms, A.LipschitzTerms, A.Interpolation, A.NoiseAtSolution,
      A.SmoothTermsPart, A.StronglyConvexTermsPart)
def terms(s: Any) -> None:
    """f = mean of n terms (``Terms(n)``, or two), with ``component_grad(x, i)``, ``component_prox`` and ``stochastic_grad``;
    plus a convex h with a ``prox`` where the assumptions speak of a part."""
    s.n = n = s.n if s.has(A.Terms) else 2
    s.scope = "" if s.has(A.Terms) else " over sums of two terms"
    parts = [_term(s) for _ in range(n)]
    if s.has(A.SmoothTerms) or s.has(A.SmoothTermsPart):
        s.L = s.Lmax  # of the mean, over the whole class
    f = 1 / n * sum(parts[1:], parts[0])
    s.value = f
    if s.has(A.SmoothTermsPart):
        h = s.pep.declare_function(F.ConvexFunction)
        s.prox = lambda v, step: proximal_step(v, h, float(step))[0]
        s.value = f + h
    if s.has(A.Interpolation):
        s.x_star = Point()
        for part in parts:
            part.add_point((s.x_star, Point(is_leaf=False, decomposition_dict={}), Expression()))
    else:
        s.x_star = s.value.stationary_point()
    s.f_star = s.value(s.x_star)
    if s.has(A.NoiseAtSolution):
        s.pep.add_constraint(1 / n * sum((part.gradient(s.x_star)**2 for part in parts[1:]), parts[0].gradient(s.x_star)**2)
                             <= s.sigma_star**2)
    if not (s.meets(A.ConvexTerms) or s.has(A.StronglyConvexTermsPart)):
        s.interpolable = False  # x_star is stationary, not shown to be a minimizer

    if s.has(A.StronglyConvex):
        s.interpolable = False  # of the mean: stated where all terms were met, not shown to be sufficient
        s.finish = lambda: _strongly_convex_mean(s, parts)

    def asked_at(g: Any, i: int) -> Any:
        """The point at which term i has gradient g: one that was asked, or (strong convexity: there is one) a new one."""
        if not (s.has(A.StronglyConvexTerms) or s.has(A.StronglyConvexTermsPart)):
            raise SymbolicError("gradients that are not strongly monotone have no inverse")
        for x, known, _ in parts[i].list_of_points:
            if known.decomposition_dict == g.decomposition_dict:
                return x
        x = Point()
        parts[i].add_point((x, g, Expression()))
        return x

    def stochastic_grad(x: Any, rng: Any, batch: int = 1) -> Any:
        drawn = [rng.index(n)] if batch == 1 else rng.subset(n, batch).tolist()
        grads = [s.component_grad(x, i) for i in drawn]
        return 1 / batch * sum(grads[1:], grads[0])

    s.grad = f.gradient
    s.component_grad = lambda x, i: parts[int(i)].gradient(x)
    s.component_value = lambda x, i: parts[int(i)](x)
    s.component_prox = lambda v, i, step: proximal_step(v, parts[int(i)], float(step))[0]
    s.component_inverse_grad = asked_at
    s.stochastic_grad = stochastic_grad
