"""One function: smooth, Lipschitz, Polyak-Lojasiewicz or merely convex."""

from __future__ import annotations

from typing import Any

from PEPit import functions as F
from PEPit.primitive_steps import proximal_step

from optlab.problems import assumptions as A

from .registry import SymbolicError, kind, stated


def smooth_class(s: Any, L: float, mu: float, convex: bool) -> Any:
    if s.has(A.QuadraticForm):
        return s.pep.declare_function(F.SmoothStronglyConvexQuadraticFunction, mu=mu, L=L)
    if mu > 0:
        return s.pep.declare_function(F.SmoothStronglyConvexFunction, mu=mu, L=L)
    return s.pep.declare_function(F.SmoothConvexFunction if convex else F.SmoothFunction, L=L)


def _is_function(s: Any) -> bool:
    other = {"project", "lmo"} & set(s.needs) or ("prox" in s.needs and "grad" in s.needs)
    return not other and any(s.meets(a) for a in (A.Convex, A.Smooth, A.PL))


# condition, kind, and the assumptions that it reads: any other one makes the value an upper bound


@kind(_is_function, A.Convex, A.Smooth, A.PL, A.Lipschitz, A.LowerBounded, A.QuadraticForm)
def function(s: Any) -> None:
    """One function: smooth, Lipschitz or merely convex; ``grad``, ``value`` and its own ``prox``."""
    if s.has(A.Smooth):
        if s.has(A.PL):
            f = s.pep.declare_function(F.SmoothQuadraticLojasiewiczFunctionCheap, L=s.L, mu=s.mu)
        else:
            f = smooth_class(s, s.L, s.mu if s.has(A.StronglyConvex) else 0.0, s.meets(A.Convex))
        if s.has(A.Lipschitz):
            s.interpolable = False  # G is not read
    elif s.has(A.Lipschitz) and s.meets(A.Convex) and not s.has(A.StronglyConvex):
        f = s.pep.declare_function(F.ConvexLipschitzFunction, M=s.G)
    elif s.has(A.StronglyConvex) and not s.has(A.Lipschitz):
        f = s.pep.declare_function(F.StronglyConvexFunction, mu=s.mu)
    elif s.meets(A.Convex) and not s.has(A.Lipschitz):
        f = s.pep.declare_function(F.ConvexFunction)
    else:
        raise SymbolicError(f"no function class of PEPit carries exactly the assumptions {stated(s)}")
    s.f = f
    s.grad, s.value = f.gradient, f
    s.prox = lambda v, step: proximal_step(v, f, float(step))[0]
    s.x_star = f.stationary_point()
    s.f_star = f(s.x_star)
    if not (s.meets(A.Convex) or s.has(A.PL)):
        # Nonconvex: x_star is a minimizer when every value stays above f_star by its gradient (Drori, Shamir 2020)
        s.finish = lambda: [s.pep.add_constraint(value >= s.f_star + (1 / (2 * s.L)) * g**2)
                            for x, g, value in list(f.list_of_points) if x is not s.x_star]
