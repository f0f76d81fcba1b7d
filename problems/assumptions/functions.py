"""Functions: convexity, smoothness, growth, kernels, errors of oracles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .base import Assumption


@dataclass(frozen=True)
class Convex(Assumption):
    """The objective is convex."""


@dataclass(frozen=True)
class StronglyConvex(Convex):
    """f - mu/2 ||x||^2 is convex, mu > 0."""

    mu: float


@dataclass(frozen=True)
class Smooth(Assumption):
    """The gradient of the objective is L-Lipschitz."""

    L: float


@dataclass(frozen=True)
class SmoothPart(Assumption):
    """Objective f + h: the gradient of f (what ``grad`` returns) is L-Lipschitz; h is met through its prox, set or LMO."""

    L: float


@dataclass(frozen=True)
class StronglyConvexPart(Assumption):
    """Objective f + h: f itself (the part that ``grad`` speaks of) is mu-strongly convex, h is convex."""

    mu: float


@dataclass(frozen=True)
class ApproximateProx(Assumption):
    """``inexact_prox(v, step, allowed)`` answers x and a subgradient s at x with ||x - v + step s||^2 <= allowed(x, s).

    Of f where the problem is a ``ConvexPair``, of h where it is f + h with a SmoothPart, of the objective otherwise.
    """


@dataclass(frozen=True)
class ApproximateDualProx(Assumption):
    """The same with s a subgradient at some w, and step times 2 (h(x) - h(w) - <s, x - w>) added to the left side: twice the
    gap between the prox problem and its dual."""

    implied_by: ClassVar = (ApproximateProx,)


@dataclass(frozen=True)
class QuadraticPart(Assumption):
    """Objective f + h: f itself (the part that ``grad`` or ``prox_f`` speaks of) is a quadratic."""


@dataclass(frozen=True)
class PL(Assumption):
    """Polyak-Lojasiewicz: 2 mu (f(x) - f*) <= ||grad f(x)||^2."""

    mu: float
    implied_by: ClassVar = (StronglyConvex,)


@dataclass(frozen=True)
class QuadraticUpperBound(Assumption):
    """f(x) - f* <= L/2 ||x - x_star||^2 for every x, however rough f is; ``grad`` is a subgradient."""

    L: float
    implied_by: ClassVar = (Smooth,)


@dataclass(frozen=True)
class LinearComposition(Convex):
    """f(x) = g(Mx), g mu_g-strongly convex and L_g-smooth, ||M|| <= L_M; ``grad`` is M'grad g(Mx)."""

    mu_g: float
    L_g: float
    L_M: float


@dataclass(frozen=True)
class SymmetricComposition(LinearComposition):
    """The same with M symmetric, mu_M I <= M <= L_M I."""

    mu_M: float


@dataclass(frozen=True)
class SkewComposition(LinearComposition):
    """The same with M' = -M."""


@dataclass(frozen=True)
class WeaklyConvex(Assumption):
    """f + rho/2 ||x||^2 is convex."""

    rho: float


@dataclass(frozen=True)
class LowerBounded(Assumption):
    """f >= f_star, with f_star known."""


@dataclass(frozen=True)
class Lipschitz(Assumption):
    """Every (sub)gradient returned by ``grad`` (on the feasible set, where there is one) has norm at most G."""

    G: float


@dataclass(frozen=True)
class QuadraticForm(Assumption):
    """The objective is a quadratic, mu I <= Hessian <= L I."""


@dataclass(frozen=True)
class Chain(Assumption):
    """From x0 = 0 every first-order call shows one new coordinate, of ``length``: Nesterov's hard instance."""

    length: int


@dataclass(frozen=True)
class GeometricChain(Assumption):
    """The same for strongly convex functions: the solution decays geometrically along the chain of ``length``."""

    length: int


@dataclass(frozen=True)
class LipschitzHessian(Assumption):
    """The Hessian is L2-Lipschitz in operator norm."""

    L2: float


@dataclass(frozen=True)
class LipschitzThirdDerivative(Assumption):
    """The third derivative is L3-Lipschitz in operator norm."""

    L3: float


@dataclass(frozen=True)
class Compact(Assumption):
    """The feasible set is convex and bounded, D = its Euclidean diameter."""

    D: float


@dataclass(frozen=True)
class InsidePolytope(Assumption):
    """|f| <= top on the feasible polytope, which lies in the ball of radius outer about 0 and holds that of radius within."""

    top: float
    outer: float
    within: float


@dataclass(frozen=True)
class LipschitzMirror(Assumption):
    """``mirror`` is the step of a map rho-strongly convex in a norm, in whose dual subgradients are at most G_dual."""

    rho: float
    G_dual: float


@dataclass(frozen=True)
class BregmanKernel(Assumption):
    """``divergence(x, y)`` is D(x, y) = h(x) - h(y) - <grad h(y), x - y> of a convex differentiable kernel h, and steps are
    ``mirror(x, g)`` = argmin_s <g, s> + D(s, x) over the feasible set, or ``bregman_prox(x, step)`` = argmin f + D(., x)/step."""


@dataclass(frozen=True)
class StronglyConvexKernel(BregmanKernel):
    """The kernel is mu_h-strongly convex in the Euclidean norm, on the feasible set."""

    mu_h: float


@dataclass(frozen=True)
class RelativelySmooth(BregmanKernel):
    """L_h h - f and L_h h + f are convex, for the f that ``grad`` speaks of."""

    L_h: float


@dataclass(frozen=True)
class DifferenceOfConvex(Assumption):
    """f = f1 - f2 with f1 and f2 smooth and strongly convex (curvature in [mu_1, L_1] and [mu_2, L_2]), met through ``grad1``,
    ``grad2`` and ``grad1_inverse(g)`` = argmin_x f1(x) - <g, x>."""

    mu_1: float
    L_1: float
    mu_2: float
    L_2: float


@dataclass(frozen=True)
class DualMoment(Assumption):
    """On the simplex, E max_i |stochastic_grad_i|^2 <= B_dual^2 (the norm dual to the entropy's)."""

    B_dual: float


@dataclass(frozen=True)
class DualVariance(Assumption):
    """On the simplex, ``stochastic_grad`` is unbiased and E max_i |(stochastic_grad - grad)_i|^2 <= sigma_dual^2."""

    sigma_dual: float


@dataclass(frozen=True)
class SmoothOnSimplex(Assumption):
    """On the simplex, |grad f(x) - grad f(y)|_inf <= L_l1 |x - y|_1 (for the part f that ``grad`` speaks of)."""

    L_l1: float


@dataclass(frozen=True)
class BoundedPayoffs(Assumption):
    """min_x max_y x'Ay over two simplices of sizes m, n: |A_ij| <= payoff."""

    payoff: float


@dataclass(frozen=True)
class LogBarrier(Assumption):
    """A linear objective on a bounded polytope, met through its logarithmic barrier with parameter nu (rows)."""

    nu: float


@dataclass(frozen=True)
class CutForm(Assumption):
    """x'Bx counts the weight of edges cut by x in {-1, 1}^n: B is a graph Laplacian (weights >= 0) over 4."""


@dataclass(frozen=True)
class PSDForm(Assumption):
    """x'Bx with B positive semidefinite."""

    implied_by: ClassVar = (CutForm,)


@dataclass(frozen=True)
class SmoothInMatrix(Convex):
    """f is convex and its Hessian at most L_B B, for a known positive definite matrix ``B``."""

    L_B: float


@dataclass(frozen=True)
class StronglyConvexInMatrix(Assumption):
    """The Hessian is at least mu_B B, mu_B > 0, for that matrix ``B``."""

    mu_B: float


@dataclass(frozen=True)
class RestrictedSecant(Assumption):
    """<grad f(x), x - x_star> >= rsi ||x - x_star||^2 for every x, rsi > 0."""

    rsi: float


@dataclass(frozen=True)
class ErrorBound(Assumption):
    """||grad f(x)|| <= eb ||x - x_star|| for every x."""

    eb: float


@dataclass(frozen=True)
class EffectiveCurvature(Assumption):
    """||grad f(x)||^2 = 2 curvature (f(x) - f*) at every point from which the method steps (a start is chosen for that)."""

    curvature: float


@dataclass(frozen=True)
class BlockSmooth(Assumption):
    """Along block i of the variables the gradient is block_L[i]-Lipschitz; the blocks
    are consecutive and of (nearly) equal length, as in ``Problem.block``."""

    block_L: tuple[float, ...]


@dataclass(frozen=True)
class RelativeGradientError(Assumption):
    """||inexact_grad(x) - grad f(x)|| <= epsilon ||grad f(x)||, epsilon < 1."""

    epsilon: float


@dataclass(frozen=True)
class ExactGradient(Assumption):
    """``inexact_grad`` is the gradient."""


@dataclass(frozen=True)
class AbsoluteGradientError(Assumption):
    """||inexact_grad(x) - grad f(x)|| <= delta."""

    delta: float


@dataclass(frozen=True)
class EpsilonSubgradients(Assumption):
    """g = ``epsilon_grad(x, epsilon)``, epsilon >= 0, has f(z) >= f(x) + <g, z - x> - epsilon for every z, and ||g|| <= M."""

    M: float
