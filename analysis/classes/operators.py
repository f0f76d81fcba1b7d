"""Monotone and comonotone operators, variational inequalities, nonexpansive maps."""

from __future__ import annotations

from itertools import combinations, permutations
from typing import Any

from PEPit import Expression, Function, Point, PSDMatrix
from PEPit import functions as F
from PEPit import operators as O
from PEPit.primitive_steps import proximal_step

from optlab.problems import assumptions as A

from .registry import SymbolicError, kind, stated


@kind(lambda s: s.meets(A.AttainedDisplacement) and s.meets(A.Nonexpansive) and not s.has(A.FixedPoint),
      A.Nonexpansive, A.AttainedDisplacement)
def drifting_map(s: Any) -> None:
    """A nonexpansive (or averaged) map ``T``, whose infimal displacement ``v`` is attained at ``x_star``.

    Every residual is x - T(x) = v + r with <r, v> >= 0, necessary and sufficient (Park, Ryu 2023, Thm 10). The supremum is
    met as ||v|| grows for ever; there r is orthogonal to v and only the numbers <r, v> are left. They are leaf Expressions
    here (finite v are among them), and ``v`` is a name, whose factor in a point is read off.
    """
    share = s.theta if s.has(A.AveragedOperator) else 1.0
    s.x_star, drift = Point(), Point()
    s.v = share * drift
    seen: list[tuple[Any, float, Any, Any]] = [(s.x_star, 0.0, 0 * s.x_star, Expression(is_leaf=False, decomposition_dict={}))]

    def T(x: Any) -> Any:
        r, along = Point(), Expression()
        factor = x.decomposition_dict.get(drift, 0.0)
        seen.append((x - factor * drift, factor, r, along))
        s.pep.add_constraint(along >= 0)
        return x - share * (r + drift)

    def finish() -> None:
        for (p, c, r, a), (q, d, t, b) in combinations(seen, 2):
            s.pep.add_constraint((r - t) ** 2 - 2 * (p - q) * (r - t) - 2 * (c - d) * (a - b) <= 0)

    s.T, s.finish = T, finish


@kind(lambda s: s.meets(A.Nonexpansive), A.Nonexpansive, A.AttainedDisplacement)
def fixed_point_map(s: Any) -> None:
    """A nonexpansive (averaged, contractive) map ``T`` with a fixed point."""
    if s.has(A.Contractive):
        N = s.pep.declare_function(O.LipschitzOperator, L=s.rate)
    else:
        N = s.pep.declare_function(O.NonexpansiveOperator)
    share = s.theta if s.has(A.AveragedOperator) else 1.0
    s.T = N.gradient if share == 1 else lambda x: (1 - share) * x + share * N.gradient(x)
    s.x_star, _, _ = N.fixed_point()
    s.v = 0 * s.x_star


class _Triples(Function):
    """The matrices of Rubbens, Hendrickx, Taylor (2025) at triples of different points; PEPit writes those of equal ones too,
    which say no more than the inequalities between two points."""

    matrix: Any

    def add_class_constraints(self) -> None:
        super().add_class_constraints()
        for (x, t, _), (y, u, _), (z, w, _) in permutations(self.list_of_points, 3):
            for opt in (0, 1):
                self.list_of_class_psd.append(PSDMatrix(self.matrix(x, t, y, u, z, w, opt)))


class LipschitzTriples(_Triples, O.LipschitzStronglyMonotoneOperatorCheap):
    matrix = O.LipschitzStronglyMonotoneOperatorExpensive.get_psd_constraint_i_j_k


class CocoerciveTriples(_Triples, O.CocoerciveStronglyMonotoneOperatorCheap):
    matrix = O.CocoerciveStronglyMonotoneOperatorExpensive.get_psd_constraint_i_j_k


def _monotone_class(s: Any) -> Any:
    """The class; two assumptions at once have no interpolation conditions, only necessary ones of pairs (or triples)."""
    mu = s.mu if s.has(A.StronglyMonotone) else 0.0
    if s.has(A.Cocoercive) and mu:
        cocoercive = CocoerciveTriples if s.refined else O.CocoerciveStronglyMonotoneOperatorCheap
        return s.pep.declare_function(cocoercive, mu=mu, beta=s.beta)
    if s.has(A.Cocoercive):
        return s.pep.declare_function(O.CocoerciveOperator, beta=s.beta)
    if s.has(A.LipschitzOperator) and s.meets(A.Monotone):
        lipschitz = LipschitzTriples if s.refined else O.LipschitzStronglyMonotoneOperatorCheap
        return s.pep.declare_function(lipschitz, mu=mu, L=s.L)
    if s.has(A.LipschitzOperator):
        return s.pep.declare_function(O.LipschitzOperator, L=s.L)
    if s.has(A.NegativelyComonotone):
        return s.pep.declare_function(O.NegativelyComonotoneOperator, rho=s.rho)
    if mu:
        return s.pep.declare_function(O.StronglyMonotoneOperator, mu=mu)
    if s.meets(A.Monotone):
        return s.pep.declare_function(O.MonotoneOperator)
    raise SymbolicError(f"no operator class of PEPit carries the assumptions {stated(s)}")


@kind(lambda s: any(s.meets(a) for a in (A.Monotone, A.Coherent, A.LipschitzOperator, A.NegativelyComonotone)),
      A.Monotone, A.LipschitzOperator, A.Coherent, A.NegativelyComonotone, A.ZeroOfOperator, A.Compact)
def operator(s: Any) -> None:
    """An operator, by ``operator`` and ``resolvent``; where the method projects, on a closed convex set.

    ``x_star`` is a zero, or solves the variational inequality on the set, which is the whole space under ZeroOfOperator.
    """
    V = _monotone_class(s)
    if s.has(A.Cocoercive) and s.has(A.LipschitzOperator):
        s.interpolable = False  # L is not read
    s.operator = V.gradient
    s.resolvent = lambda v, step: proximal_step(v, V, float(step))[0]
    if s.has(A.ZeroOfOperator) or "project" not in s.needs:
        s.project = lambda v: v
        s.x_star = V.stationary_point()
    else:
        C = s.pep.declare_function(F.ConvexIndicatorFunction, **(dict(D=s.D) if s.has(A.Compact) else {}))
        s.project = lambda v: proximal_step(v, C, 1.0)[0]
        s.x_star = (V + C).stationary_point()
        s.start = lambda: s.project(s.pep.set_initial_point())

    def finish() -> None:
        met = list(V.list_of_points)
        if s.has(A.Coherent):  # Minty: monotone towards x_star only
            for x, g, _ in met:
                s.pep.add_constraint(g * (x - s.x_star) >= 0)
        if s.has(A.NegativelyComonotone) and s.has(A.LipschitzOperator):
            for (x, g, _), (y, h, _) in combinations(met, 2):
                s.pep.add_constraint((g - h) * (x - y) >= -s.rho * (g - h) ** 2)

    s.finish = finish
    if s.has(A.Coherent) or (s.has(A.NegativelyComonotone) and s.has(A.LipschitzOperator)):
        s.interpolable = False


@kind(lambda s: s.has(A.MonotonePair) or s.has(A.MonotoneTriple), A.MonotonePair, A.MonotoneTriple, A.StronglyMonotoneF,
      A.LipschitzG, A.CocoerciveG, A.StronglyConvexQ)
def operator_sum(s: Any) -> None:
    """F + G (+ q'), by the resolvents ``prox_f`` and ``prox_g`` (and ``grad``).

    R is measured at the governing point x* + step slope, slope in the operator that the method meets first.
    """
    declare = s.pep.declare_function
    f = declare(O.StronglyMonotoneOperator, mu=s.mu) if s.has(A.StronglyMonotoneF) else declare(O.MonotoneOperator)
    if s.has(A.LipschitzG):
        g = declare(O.LipschitzStronglyMonotoneOperatorCheap, mu=0.0, L=s.L)
    else:
        g = declare(O.CocoerciveOperator, beta=s.beta) if s.has(A.CocoerciveG) else declare(O.MonotoneOperator)
    if s.has(A.LipschitzG) and s.has(A.CocoerciveG):
        s.interpolable = False  # beta is not read
    total, first = f + g, f
    if s.has(A.MonotoneTriple):
        q = declare(F.SmoothStronglyConvexFunction, mu=s.mu_q, L=s.Lq) if s.has(A.StronglyConvexQ) \
            else declare(F.SmoothConvexFunction, L=s.Lq)
        s.grad, total, first = q.gradient, total + q, g
    s.prox_f = lambda v, step: proximal_step(v, f, float(step))[0]
    s.prox_g = lambda v, step: proximal_step(v, g, float(step))[0]
    s.x_star = total.stationary_point()
    s.slope = next(slope for x, slope, _ in first.list_of_points if x is s.x_star)
    s.sq_radius = lambda x0, params: s.sq(x0 - s.x_star - params["step"] * s.slope)
