"""Functions met in the geometry of a kernel h: relatively smooth, or merely convex beside a strongly convex kernel."""

from __future__ import annotations

from typing import Any

from PEPit import Expression, Point
from PEPit import functions as F
from PEPit.primitive_steps import bregman_gradient_step, bregman_proximal_step

from optlab.problems import assumptions as A

from .parts import feasible_point, smooth_part
from .registry import kind


def _differentiable(s: Any, cls: Any = F.ConvexFunction, **constants: float) -> Any:
    return s.pep.declare_function(cls, reuse_gradient=True, **constants)


def _oracles(s: Any, f: Any, h: Any) -> None:
    """f over a closed convex set, and the steps of h there."""
    inside = s.pep.declare_function(F.ConvexIndicatorFunction)
    s.f, s.h, s.grad, s.value = f, h, f.gradient, f
    s.divergence = lambda x, y: h(x) - h(y) - h.gradient(y) * (x - y)
    s.mirror = lambda x, g: bregman_gradient_step(g, h.gradient(x), h + inside, 1.0)[0]
    s.bregman_prox = lambda x, step: bregman_proximal_step(h.gradient(x), h, f, float(step))[0]
    s.total = f + inside
    s.start = lambda: feasible_point(s, inside)


@kind(lambda s: s.has(A.RelativelySmooth), A.Convex, A.RelativelySmooth, A.LowerBounded)
def relatively_smooth(s: Any) -> None:
    """L_h h - f and L_h h + f (or f itself) are two convex functions, of which f and h are made."""
    d = _differentiable(s)
    if s.meets(A.Convex):
        f = _differentiable(s)
        _oracles(s, f, (d + f) / s.L_h)
        s.x_star = s.total.stationary_point()
        s.f_star = f(s.x_star)
    else:
        e = _differentiable(s)
        h = (d + e) / (2 * s.L_h)
        f = (e - d) / 2
        _oracles(s, f, h)
        s.x_star, s.f_star = Point(), Expression()
        s.finish = lambda: [s.pep.add_constraint(f(x) >= s.f_star) for x, _, _ in list(h.list_of_points)]
        s.interpolable = False  # nothing says that f stays above f_star between the points


@kind(lambda s: s.meets(A.BregmanKernel), A.Convex, A.SmoothPart, A.StronglyConvexPart, A.QuadraticPart, A.LowerBounded,
      A.BregmanKernel)
def beside_a_kernel(s: Any) -> None:
    """f convex (smooth where stated) and a kernel that it knows nothing of."""
    h = _differentiable(s, F.StronglyConvexFunction, mu=s.mu_h) if s.has(A.StronglyConvexKernel) else _differentiable(s)
    f = smooth_part(s) if s.has(A.SmoothPart) else s.pep.declare_function(F.ConvexFunction)
    _oracles(s, f, h)
    s.x_star = s.total.stationary_point()
    s.f_star = f(s.x_star)
