"""A problem whose points are PEPit Points: the same oracles, answered by function and operator classes.

``SymbolicProblem(pep, assumptions, needs)`` declares the class that the assumptions describe. A method's body runs on it
unchanged; what cannot be read on Points (norms, comparisons, values of coordinates) raises ``SymbolicError`` in words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from optlab.problems import assumptions as A
from optlab.problems.errors import OptlabError
from PEPit import PEP, Point
from PEPit import functions as F
from PEPit import operators as O
from PEPit.primitive_steps import linear_optimization_step, proximal_step


class SymbolicError(OptlabError):
    """A method, measure or class that cannot be read on symbolic points; the message says why."""


def _refuse(what: str) -> Callable[..., Any]:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise SymbolicError(f"{what} cannot be read on symbolic points (only affine combinations and oracle calls can)")

    return refuse


class SymbolicProblem:
    """The symbolic reading of a problem class. ``exact`` is left to the certificate (interpolation conditions)."""

    point_shape = ()
    start_quantities: dict[str, Any] = {}

    def __init__(self, pep: PEP, assumptions: Sequence[A.Assumption], needs: Sequence[str] = ()):
        self.pep, self.assumptions = pep, tuple(assumptions)
        for a in self.assumptions:
            for name, value in a.constants.items():
                setattr(self, name, value)
        self.needs = tuple(needs)
        kind = _kind(self)
        kind(self)

    def has(self, assumption: type[A.Assumption]) -> bool:
        """Whether the assumption is stated, as itself (not merely implied)."""
        return any(type(a) is assumption for a in self.assumptions)

    def meets(self, assumption: type[A.Assumption]) -> bool:
        return any(assumption.follows_from(a) for a in self.assumptions)

    # geometry: inner products are Expressions; norms are not expressions at all
    def inner(self, x: Any, y: Any) -> Any:
        return np.sum(x * y) if isinstance(x, np.ndarray) or isinstance(y, np.ndarray) else x * y

    def sq(self, x: Any) -> Any:
        return self.inner(x, x)

    norm = staticmethod(_refuse("a norm (use its square)"))

    @staticmethod
    def column(s: Any) -> Any:
        return s

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        stated = ", ".join(type(a).__name__ for a in self.assumptions) or "nothing"
        raise SymbolicError(f"{name!r} is not known on symbolic points under the assumptions {stated}")


# --- the kinds of problem, each declares its class on the PEP and hands out its oracles --------------------
def _kind(s: SymbolicProblem) -> Callable[[SymbolicProblem], None]:
    for condition, kind in KINDS:
        if condition(s):
            return kind
    stated = ", ".join(type(a).__name__ for a in s.assumptions) or "nothing"
    raise SymbolicError(f"no function or operator class is known for the assumptions {stated}")


def _smooth_class(s: SymbolicProblem, L: float, mu: float, convex: bool) -> Any:
    if s.has(A.QuadraticForm):
        return s.pep.declare_function(F.SmoothStronglyConvexQuadraticFunction, mu=mu, L=L)
    if mu > 0:
        return s.pep.declare_function(F.SmoothStronglyConvexFunction, mu=mu, L=L)
    return s.pep.declare_function(F.SmoothConvexFunction if convex else F.SmoothFunction, L=L)


def _function(s: SymbolicProblem) -> None:
    """One function: smooth, Lipschitz or merely convex; ``grad``, ``value`` and its own ``prox``."""
    if s.has(A.Smooth):
        if s.has(A.PL):
            f = s.pep.declare_function(F.SmoothQuadraticLojasiewiczFunctionCheap, L=s.L, mu=s.mu)
        else:
            f = _smooth_class(s, s.L, s.mu if s.has(A.StronglyConvex) else 0.0, s.meets(A.Convex))
    elif s.has(A.Lipschitz) and s.meets(A.Convex) and not s.has(A.StronglyConvex):
        f = s.pep.declare_function(F.ConvexLipschitzFunction, M=s.G)
    elif s.has(A.StronglyConvex) and not s.has(A.Lipschitz):
        f = s.pep.declare_function(F.StronglyConvexFunction, mu=s.mu)
    elif s.meets(A.Convex) and not s.has(A.Lipschitz):
        f = s.pep.declare_function(F.ConvexFunction)
    else:
        raise SymbolicError("no function class of PEPit carries exactly these assumptions")
    s.f = f
    s.grad, s.value = f.gradient, f
    s.prox = lambda v, step: proximal_step(v, f, float(step))[0]
    if s.meets(A.Convex) or s.has(A.PL) or s.has(A.StronglyConvex):
        s.x_star = f.stationary_point()
        s.f_star = f(s.x_star)
    else:  # nonconvex: f_star is a lower bound on every value met
        s.f_star = _lower_bound(s, f)


def _lower_bound(s: SymbolicProblem, f: Any) -> Any:
    """f_star as the value at a stationary point below all the others (the class has one: a global minimizer)."""
    s.x_star = f.stationary_point()
    star = f(s.x_star)
    s.finish = lambda: [s.pep.add_constraint(value >= star + (1 / (2 * s.L)) * g**2)
                        for x, g, value in list(f.list_of_points) if x is not s.x_star]
    return star


def _composite(s: SymbolicProblem) -> None:
    """f + h: ``grad`` of the smooth part, ``prox`` (or project, lmo) of the convex part, ``value`` of the sum."""
    L = s.L
    mu = s.mu if s.has(A.StronglyConvexPart) else 0.0
    f = _smooth_class(s, L, mu, True) if s.meets(A.SmoothPart) else s.pep.declare_function(F.ConvexLipschitzFunction, M=s.G)
    if s.has(A.Compact):
        h = s.pep.declare_function(F.ConvexIndicatorFunction, D=s.D)
    elif "project" in s.needs or "lmo" in s.needs:
        h = s.pep.declare_function(F.ConvexIndicatorFunction)
    else:
        h = s.pep.declare_function(F.ConvexFunction)
    _sum_oracles(s, f, h)


def _projected(s: SymbolicProblem) -> None:
    """A Lipschitz convex function over a convex set; where strongly convex too, G bounds the subgradients that are met."""
    if s.has(A.StronglyConvexPart):
        f = s.pep.declare_function(F.StronglyConvexFunction, mu=s.mu)
        s.finish = lambda: [s.pep.add_constraint(g**2 <= s.G**2) for x, g, _ in list(f.list_of_points) if x is not s.x_star]
    else:
        f = s.pep.declare_function(F.ConvexLipschitzFunction, M=s.G)
    h = s.pep.declare_function(F.ConvexIndicatorFunction, **(dict(D=s.D) if s.has(A.Compact) else {}))
    _sum_oracles(s, f, h)


def _sum_oracles(s: SymbolicProblem, f: Any, h: Any) -> None:
    total = f + h
    s.f, s.h = f, h
    s.grad = f.gradient
    s.prox = lambda v, step: proximal_step(v, h, float(step))[0]
    s.project = lambda v: proximal_step(v, h, 1.0)[0]
    s.lmo = lambda d: linear_optimization_step(d, h)[0]
    indicator = isinstance(h, F.ConvexIndicatorFunction)
    s.value = (lambda x: f(x)) if indicator else (lambda x: total(x))
    s.x_star = total.stationary_point()
    s.f_star = s.value(s.x_star)
    if indicator:  # the start must be feasible: nothing else says so
        s.begin = lambda x: s.pep.add_constraint(h(x) == 0)


def _operator(s: SymbolicProblem) -> None:
    """A monotone operator with ``operator`` and a zero ``x_star``."""
    mu = s.mu if s.has(A.StronglyMonotone) else 0.0
    if s.has(A.Coherent):  # Minty: monotone towards x_star only
        V = s.pep.declare_function(O.LipschitzOperator, L=s.L)
        s.finish = lambda: [s.pep.add_constraint(g * (x - s.x_star) >= 0) for x, g, _ in list(V.list_of_points)]
    elif s.has(A.Cocoercive) and not mu:
        V = s.pep.declare_function(O.CocoerciveOperator, beta=s.beta)
    elif s.has(A.LipschitzOperator):
        V = s.pep.declare_function(O.LipschitzStronglyMonotoneOperatorCheap, mu=mu, L=s.L)
    elif mu:
        V = s.pep.declare_function(O.StronglyMonotoneOperator, mu=mu)
    else:
        V = s.pep.declare_function(O.MonotoneOperator)
    s.operator = V.gradient
    s.resolvent = lambda v, step: proximal_step(v, V, float(step))[0]
    s.project = lambda v: v
    s.x_star = V.stationary_point()


def _map(s: SymbolicProblem) -> None:
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


def _is_function(s: SymbolicProblem) -> bool:
    other = {"project", "lmo"} & set(s.needs) or ("prox" in s.needs and "grad" in s.needs)
    return not other and any(s.meets(a) for a in (A.Convex, A.Smooth, A.PL))


KINDS: list[tuple[Callable[[SymbolicProblem], bool], Callable[[SymbolicProblem], None]]] = [
    (lambda s: s.meets(A.Nonexpansive), _map),
    (lambda s: s.meets(A.Monotone) or "operator" in s.needs, _operator),
    (_is_function, _function),
    (lambda s: s.meets(A.SmoothPart), _composite),
    (lambda s: s.has(A.Lipschitz) and s.meets(A.Convex), _projected),
]


def initial_point(s: SymbolicProblem) -> Point:
    """A free start, feasible where there is a set."""
    x0 = s.pep.set_initial_point()
    begin = s.__dict__.get("begin")
    if begin is not None:
        begin(x0)
    return x0
