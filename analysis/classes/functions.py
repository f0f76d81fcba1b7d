"""One function: smooth, Lipschitz, Polyak-Lojasiewicz or merely convex."""

from __future__ import annotations

from typing import Any

from PEPit import functions as F
from PEPit.primitive_steps import proximal_step

from optlab.problems import assumptions as A

from .parts import smooth_class
from .registry import SymbolicError, kind, stated


def lojasiewicz(s: Any) -> Any:
    """The smooth Polyak-Lojasiewicz class by necessary conditions: as stated; or refined (Rubbens, Hendrickx, Taylor 2025) by
    their Prop 3.2 for one parameter in [0, 2 mu/(2 L + mu)]; or for all of these at once (Prop 3.4), by matrices."""
    if s.refined is True:
        return s.pep.declare_function(F.SmoothQuadraticLojasiewiczFunctionExpensive, L=s.L, mu=s.mu)
    return s.pep.declare_function(F.SmoothQuadraticLojasiewiczFunctionCheap, L=s.L, mu=s.mu, alpha=s.refined or None)


def _is_function(s: Any) -> bool:
    other = {"project", "lmo", "inexact_prox"} & set(s.needs) or ("prox" in s.needs and "grad" in s.needs)
    return not other and any(s.meets(a) for a in (A.Convex, A.Smooth, A.PL))


# condition, kind, and the assumptions that it reads: any other one makes the value an upper bound


@kind(_is_function, A.Convex, A.Smooth, A.PL, A.Lipschitz, A.LowerBounded, A.QuadraticForm, A.QuadraticUpperBound)
def function(s: Any) -> None:
    """One function: smooth, Lipschitz or merely convex; ``grad``, ``value`` and its own ``prox``."""
    if s.has(A.Smooth):
        if s.has(A.PL):
            f = lojasiewicz(s)
        else:
            f = smooth_class(s, s.L, s.mu if s.has(A.StronglyConvex) else 0.0, s.meets(A.Convex))
        if s.has(A.Lipschitz):
            s.interpolable = False  # G is not read
    elif s.has(A.QuadraticUpperBound) and s.meets(A.Convex) and not s.has(A.StronglyConvex) and not s.has(A.Lipschitz):
        f = s.pep.declare_function(F.ConvexQGFunction, L=s.L)
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
