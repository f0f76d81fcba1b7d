"""Oracles beside ``grad`` on any class of functions: exact searches, gradients with an error, steps of a given effect.

The class itself is the one that the remaining kinds declare; here is only what is added to it.
"""

from __future__ import annotations

from typing import Any

from PEPit import Point
from PEPit import functions as F
from PEPit.primitive_steps import epsilon_subgradient_step, exact_linesearch_step, inexact_gradient_step

from optlab.problems import assumptions as A

from .registry import KINDS, kind

BESIDE = {"minimize_on", "inexact_grad", "epsilon_grad"}
READS = (A.RelativeGradientError, A.AbsoluteGradientError, A.ExactGradient, A.EpsilonSubgradients, A.EffectiveCurvature)


@kind(lambda s: bool(BESIDE & set(s.needs)) or s.has(A.EffectiveCurvature), A.Assumption)
def with_oracles_beside(s: Any) -> None:
    """Any function, and the oracles that the method needs beside its gradient and value."""
    function = next(k for k in KINDS if k.declare is not with_oracles_beside and k.when(s))
    function.declare(s)
    if not all(isinstance(a, (*function.reads, *READS)) for a in s.assumptions):
        s.interpolable = False
    if "minimize_on" in s.needs:
        exact_searches(s)
    if s.has(A.RelativeGradientError):
        s.inexact_grad = lambda x: inexact_gradient_step(x, s.f, 0, s.epsilon, "relative")[1]
    elif s.has(A.AbsoluteGradientError):
        s.inexact_grad = lambda x: inexact_gradient_step(x, s.f, 0, s.delta, "absolute")[1]
    elif s.has(A.ExactGradient):
        s.inexact_grad = s.grad
    if s.has(A.EpsilonSubgradients):
        s.epsilon_grad = lambda x, epsilon: epsilon_subgradient(s, x, epsilon)
    if s.has(A.EffectiveCurvature):
        def ratio(a: Any, b: Any, otherwise: Any) -> float:
            s.pep.add_constraint(a == s.curvature * b)
            return s.curvature

        s.ratio = ratio


def exact_searches(s: Any) -> None:
    """``minimize_on``: the gradient at the answer is orthogonal to the directions and to all moves within their span.

    That the answer lies in the span is not said, hence an upper bound (Drori, Taylor 2020). Of a nonsmooth function the
    subgradient at the answer is the one which shows that it is a minimizer.
    """
    s.interpolable = False
    gradient, shown = s.grad, {}
    moves: list[tuple[Point, set[int]]] = []

    def key(x: Point) -> frozenset[Any]:
        return frozenset(x.decomposition_dict.items())

    def minimize_on(x: Point, *directions: Point) -> Point:
        span = {id(d) for d in directions}
        known = [move for move, within in moves if within <= span]
        answer, slope, _ = exact_linesearch_step(x, s.f, [*directions, *known])
        moves.append((answer - x, span))
        shown[key(answer)] = slope
        return answer

    s.minimize_on = minimize_on
    s.grad = lambda x: shown[key(x)] if key(x) in shown else gradient(x)


def epsilon_subgradient(s: Any, x: Point, epsilon: float) -> Point:
    """An epsilon-subgradient at x, of norm at most M."""
    _, g, _, error = epsilon_subgradient_step(x, s.f, 0)
    s.pep.add_constraint(error <= epsilon)
    s.pep.add_constraint(g**2 <= s.M**2)
    return g


@kind(lambda s: s.meets(A.RestrictedSecant) and s.meets(A.ErrorBound), A.RestrictedSecant, A.ErrorBound)
def secant(s: Any) -> None:
    """``grad`` under the restricted secant inequality and the error bound, both towards x_star; it has no ``value``."""
    f = s.pep.declare_function(F.RsiEbFunction, mu=s.rsi, L=s.eb)
    s.f, s.grad = f, f.gradient
    s.x_star = f.stationary_point()


@kind(lambda s: s.has(A.BlockSmooth), A.BlockSmooth, A.Convex)
def blocks(s: Any) -> None:
    """A convex function, smooth block by block: ``grad`` and ``value``."""
    f = s.pep.declare_function(F.BlockSmoothConvexFunctionCheap, L=list(s.block_L), partition=s.partition(len(s.block_L)))
    s.f, s.grad, s.value = f, f.gradient, f
    s.x_star = f.stationary_point()
    s.f_star = f(s.x_star)
