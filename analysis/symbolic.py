"""A problem whose points are PEPit Points: the same oracles, answered by function and operator classes.

``SymbolicProblem(pep, assumptions, needs)`` declares the class that the assumptions describe. A method's body runs on it
unchanged; what cannot be read on Points (norms, comparisons, values of coordinates) raises ``SymbolicError`` in words.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from PEPit import PEP, Constraint, Expression, Point
from PEPit import functions as F
from PEPit import operators as O
from PEPit.primitive_steps import linear_optimization_step, proximal_step

from optlab.problems import assumptions as A
from optlab.problems.errors import OptlabError

MOST_CALLS = 1000  # oracle calls between two iterates; a body that asks more does not end


class SymbolicError(OptlabError):
    """A method, measure or class that cannot be read on symbolic points; the message says why."""


def _refuse(what: str) -> Callable[..., Any]:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise SymbolicError(f"it takes {what}, where only affine combinations, inner products and oracle calls can be read")

    return refuse


class SymbolicProblem:
    """The symbolic reading of a problem class.

    ``interpolable`` is False where the conditions written here are necessary but not sufficient (PEPit's own classes are
    left to the certificate) and where an assumption is not read: the class is then larger, the value an upper bound.
    """

    point_shape = ()
    start_quantities: dict[str, Any] = {}
    interpolable = True

    def __init__(self, pep: PEP, assumptions: Sequence[A.Assumption], needs: Sequence[str] = ()):
        self.pep, self.assumptions = pep, tuple(assumptions)
        for a in self.assumptions:
            for name, value in a.constants.items():
                setattr(self, name, value)
        self.needs = tuple(needs)
        self.calls = 0
        kind, read = _kind(self)
        kind(self)
        if not all(isinstance(a, read) for a in self.assumptions):
            self.interpolable = False
        for name in {"grad", "prox", "prox_f", "prox_g", "project", "lmo", "operator", "resolvent", "T"} & set(vars(self)):
            setattr(self, name, self._oracle(name))

    def _oracle(self, name: str) -> Callable[..., Any]:
        """A function: asked twice at one point it answers the same; and counted, so that no body asks for ever."""
        answer, known = getattr(self, name), {}

        def oracle(x: Any, *args: Any) -> Any:
            self.calls += 1
            if self.calls > MOST_CALLS:
                raise SymbolicError(f"it asks {name} more than {MOST_CALLS} times without yielding an iterate")
            points = x if isinstance(x, np.ndarray) else [x]
            at = (*(frozenset(p.decomposition_dict.items()) for p in points), *args)
            if at not in known:
                known[at] = answer(x, *args)
            return known[at]

        return oracle

    def has(self, assumption: type[A.Assumption]) -> bool:
        """Whether the assumption is stated, as itself (not merely implied)."""
        return any(type(a) is assumption for a in self.assumptions)

    def meets(self, assumption: type[A.Assumption]) -> bool:
        return any(assumption.follows_from(a) for a in self.assumptions)

    def start(self) -> Any:
        """A free start."""
        return self.pep.set_initial_point()

    def sq_radius(self, x0: Any, params: Mapping[str, Any]) -> Any:
        """R^2, the squared distance of the start from the solution."""
        return self.sq(x0 - self.x_star)

    def finish(self) -> None:
        """Conditions on all points met, stated once the method has run."""

    # geometry: inner products are Expressions; norms are not expressions at all
    def inner(self, x: Any, y: Any) -> Any:
        return np.sum(x * y) if isinstance(x, np.ndarray) or isinstance(y, np.ndarray) else x * y

    def sq(self, x: Any) -> Any:
        return self.inner(x, x)

    norm = staticmethod(_refuse("a norm (not its square)"))

    @staticmethod
    def column(s: Any) -> Any:
        return s

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise SymbolicError(f"{name!r} is not known on symbolic points under the assumptions {_stated(self)}")


def _stated(s: SymbolicProblem) -> str:
    return ", ".join(type(a).__name__ for a in s.assumptions) or "nothing"


@contextlib.contextmanager
def symbolic_guard() -> Iterator[None]:
    """While the body runs, what PEPit would answer silently and wrongly raises ``TypeError``.

    PEPit's comparisons build Constraint objects, which Python takes for true: `if f(x) <= f(y)` always takes the first
    branch and `min(f(x), f(y))` answers at random. Points compare by identity, and a copied Point is unknown to the
    program. The guard acts on the whole process (as PEPit's own registers do) and is undone on leaving, exceptions
    included; guards may be nested.
    """

    def truth(symbol: object) -> bool:
        raise TypeError("this branches on values, and symbolic values have no truth value")

    def equal(symbol: object, other: object) -> bool:
        raise TypeError("this branches on values: symbolic points cannot be compared")

    def copied(symbol: object, memo: object = None) -> object:
        raise TypeError("symbolic points cannot be copied")

    def strict(symbol: object, other: object) -> bool:
        return truth(symbol)

    changes: dict[type, dict[str, Any]] = {Constraint: dict(__bool__=truth),
                                           Expression: dict(__bool__=truth, __lt__=strict, __gt__=strict),
                                           Point: dict(__bool__=truth, __eq__=equal, __ne__=equal)}
    for cls in (Expression, Point):
        changes[cls] |= dict(__copy__=copied, __deepcopy__=copied)
    before = [(cls, name, vars(cls).get(name)) for cls, names in changes.items() for name in names]
    for cls, names in changes.items():
        for name, replacement in names.items():
            setattr(cls, name, replacement)
    try:
        yield
    finally:
        for cls, name, previous in before:
            if previous is None:
                delattr(cls, name)
            else:
                setattr(cls, name, previous)


# --- the kinds of problem: each declares its class on the PEP and sets the oracles it has (hence Any) ---------
Kind = Callable[[Any], None]


def _kind(s: Any) -> tuple[Kind, tuple[type[A.Assumption], ...]]:
    for condition, kind, read in KINDS:
        if condition(s):
            return kind, read
    raise SymbolicError(f"no function or operator class is known for the assumptions {_stated(s)}")


def _smooth_class(s: Any, L: float, mu: float, convex: bool) -> Any:
    if s.has(A.QuadraticForm):
        return s.pep.declare_function(F.SmoothStronglyConvexQuadraticFunction, mu=mu, L=L)
    if mu > 0:
        return s.pep.declare_function(F.SmoothStronglyConvexFunction, mu=mu, L=L)
    return s.pep.declare_function(F.SmoothConvexFunction if convex else F.SmoothFunction, L=L)


def _function(s: Any) -> None:
    """One function: smooth, Lipschitz or merely convex; ``grad``, ``value`` and its own ``prox``."""
    if s.has(A.Smooth):
        if s.has(A.PL):
            f = s.pep.declare_function(F.SmoothQuadraticLojasiewiczFunctionCheap, L=s.L, mu=s.mu)
        else:
            f = _smooth_class(s, s.L, s.mu if s.has(A.StronglyConvex) else 0.0, s.meets(A.Convex))
        if s.has(A.Lipschitz):
            s.interpolable = False  # G is not read
    elif s.has(A.Lipschitz) and s.meets(A.Convex) and not s.has(A.StronglyConvex):
        f = s.pep.declare_function(F.ConvexLipschitzFunction, M=s.G)
    elif s.has(A.StronglyConvex) and not s.has(A.Lipschitz):
        f = s.pep.declare_function(F.StronglyConvexFunction, mu=s.mu)
    elif s.meets(A.Convex) and not s.has(A.Lipschitz):
        f = s.pep.declare_function(F.ConvexFunction)
    else:
        raise SymbolicError(f"no function class of PEPit carries exactly the assumptions {_stated(s)}")
    s.f = f
    s.grad, s.value = f.gradient, f
    s.prox = lambda v, step: proximal_step(v, f, float(step))[0]
    s.x_star = f.stationary_point()
    s.f_star = f(s.x_star)
    if not (s.meets(A.Convex) or s.has(A.PL)):
        # Nonconvex: x_star is a minimizer when every value stays above f_star by its gradient (Drori, Shamir 2020)
        s.finish = lambda: [s.pep.add_constraint(value >= s.f_star + (1 / (2 * s.L)) * g**2)
                            for x, g, value in list(f.list_of_points) if x is not s.x_star]


def _composite(s: Any) -> None:
    """f + h: ``grad`` of the smooth part, ``prox`` (or project, lmo) of the convex part, ``value`` of the sum."""
    f = _smooth_class(s, s.L, s.mu if s.has(A.StronglyConvexPart) else 0.0, True)
    if s.has(A.Compact):
        h = s.pep.declare_function(F.ConvexIndicatorFunction, D=s.D)
    elif "project" in s.needs or "lmo" in s.needs:
        h = s.pep.declare_function(F.ConvexIndicatorFunction)
    else:
        h = s.pep.declare_function(F.ConvexFunction)
    _sum_oracles(s, f, h)


def _projected(s: Any) -> None:
    """A Lipschitz convex function over a convex set; where strongly convex too, G bounds the subgradients that are met."""
    if s.has(A.StronglyConvexPart):
        f = s.pep.declare_function(F.StronglyConvexFunction, mu=s.mu)
        s.finish = lambda: [s.pep.add_constraint(g**2 <= s.G**2) for x, g, _ in list(f.list_of_points) if x is not s.x_star]
        s.interpolable = False
    else:
        f = s.pep.declare_function(F.ConvexLipschitzFunction, M=s.G)
    h = s.pep.declare_function(F.ConvexIndicatorFunction, **(dict(D=s.D) if s.has(A.Compact) else {}))
    _sum_oracles(s, f, h)


def _sum_oracles(s: Any, f: Any, h: Any) -> None:
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
        def feasible() -> Point:
            x0 = s.pep.set_initial_point()
            s.pep.add_constraint(h(x0) == 0)
            return x0

        s.start = feasible


def _pair(s: Any) -> None:
    """f + g, each met through its prox; R is measured at the governing point z* = x* + step slope, which the start is near.

    A method with a penalty ``rho`` (ADMM) is governed by x* - slope / rho: its step is -1 / rho.
    """
    if s.has(A.SmoothPart):
        f = _smooth_class(s, s.L, s.mu if s.has(A.StronglyConvexPart) else 0.0, True)
    elif s.has(A.StronglyConvexPart):
        f = s.pep.declare_function(F.StronglyConvexFunction, mu=s.mu)
    else:
        f = s.pep.declare_function(F.ConvexFunction)
    g = s.pep.declare_function(F.ConvexFunction)
    s.f, s.g, s.value = f, g, f + g
    s.x_star = s.value.stationary_point()
    s.f_star = s.value(s.x_star)
    s.slope = next(slope for x, slope, _ in f.list_of_points if x is s.x_star)
    s.prox_f = lambda v, step: proximal_step(v, f, float(step))[0]
    s.prox_g = lambda v, step: proximal_step(v, g, float(step))[0]

    def sq_radius(x0: Any, params: Mapping[str, Any]) -> Any:
        step = params["step"] if "step" in params else -1 / params["rho"]
        return s.sq(x0 - s.x_star - step * s.slope)

    s.sq_radius = sq_radius


def _operator(s: Any) -> None:
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
        raise SymbolicError(f"no operator class of PEPit carries the assumptions {_stated(s)}")
    if s.has(A.Cocoercive) and s.has(A.LipschitzOperator):
        s.interpolable = False  # L is not read
    s.operator = V.gradient
    s.resolvent = lambda v, step: proximal_step(v, V, float(step))[0]
    s.project = lambda v: v
    s.x_star = V.stationary_point()


def _map(s: Any) -> None:
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


def _agents(s: Any) -> None:
    """One function an agent; points are object arrays (agents,), what a server holds (1,), gossip multiplies by W.

    All agents start from one point, at distance R of the server's ``x_star``.
    """
    W = np.array(s.W, dtype=object)
    s.n = n = len(W)
    mu = s.mu_terms if s.has(A.StronglyConvexTerms) else 0.0
    parts = [_smooth_class(s, s.Lmax, mu, s.meets(A.ConvexTerms)) for _ in range(n)]
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


def _is_function(s: Any) -> bool:
    other = {"project", "lmo"} & set(s.needs) or ("prox" in s.needs and "grad" in s.needs)
    return not other and any(s.meets(a) for a in (A.Convex, A.Smooth, A.PL))


# condition, kind, and the assumptions that it reads: any other one makes the value an upper bound
KINDS: list[tuple[Callable[[Any], bool], Kind, tuple[type[A.Assumption], ...]]] = [
    (lambda s: s.has(A.MixingMatrix) and s.has(A.SmoothAgents), _agents,
     (A.MixingMatrix, A.SmoothAgents, A.ConvexTerms, A.Heterogeneity)),
    (lambda s: s.has(A.ConvexPair), _pair, (A.ConvexPair, A.SmoothPart, A.StronglyConvexPart)),
    (lambda s: s.meets(A.Nonexpansive), _map, (A.Nonexpansive, A.AttainedDisplacement)),
    (lambda s: any(s.meets(a) for a in (A.Monotone, A.Coherent, A.LipschitzOperator)) and not s.has(A.Compact), _operator,
     (A.Monotone, A.LipschitzOperator, A.Coherent, A.ZeroOfOperator)),
    (_is_function, _function, (A.Convex, A.Smooth, A.PL, A.Lipschitz, A.LowerBounded, A.QuadraticForm)),
    (lambda s: s.meets(A.SmoothPart), _composite,
     (A.Convex, A.SmoothPart, A.StronglyConvexPart, A.Compact, A.LowerBounded, A.QuadraticForm)),
    (lambda s: s.has(A.Lipschitz) and s.meets(A.Convex), _projected, (A.Convex, A.Lipschitz, A.StronglyConvexPart, A.Compact)),
]
