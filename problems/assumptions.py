"""Assumptions: what a theorem asks of a problem and what a problem promises, with the constants in the field's letters.

A guarantee names assumption *classes* (``assumes=(Convex, Smooth)``); a problem declares *instances*
(``Smooth(L=3.2)``); ``worst_case`` takes instances and turns them into a function class of the SDP.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar


@dataclass(frozen=True)
class Assumption:
    """Base of all assumptions; the dataclass fields are its constants."""

    implied_by: ClassVar[tuple[type[Assumption], ...]] = ()

    @property
    def constants(self) -> dict[str, float]:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def follows_from(cls, other: Assumption) -> bool:
        """Whether ``other`` promises this assumption (same class, a subclass, or a listed implication)."""
        return isinstance(other, (cls, *cls.implied_by))


# --- functions ---------------------------------------------------------------------------------------------
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
class PL(Assumption):
    """Polyak-Lojasiewicz: 2 mu (f(x) - f*) <= ||grad f(x)||^2."""

    mu: float
    implied_by: ClassVar = (StronglyConvex,)


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


# --- online ------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class LinearLosses(Assumption):
    """Round k costs <g_k, x> on a cube of this ``side``, |g_k,i| <= Gmax; ``loss_grad(x, k)`` is g_k."""

    side: float
    Gmax: float


@dataclass(frozen=True)
class PeriodThree(Assumption):
    """The losses have slopes C, -1, -1 in turn on [-1, 1], C > 2."""

    C: float


# --- sums and noise ----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class ConvexTerms(Assumption):
    """f = mean of n convex terms."""


@dataclass(frozen=True)
class SmoothTerms(Assumption):
    """f = mean of n terms, each Lmax-smooth."""

    Lmax: float


@dataclass(frozen=True)
class StronglyConvexTerms(ConvexTerms):
    """f = mean of n terms, each mu_terms-strongly convex."""

    mu_terms: float


@dataclass(frozen=True)
class LipschitzTerms(Assumption):
    """f = mean of n terms; every (sub)gradient of every term (``component_grad``) has norm at most Gmax."""

    Gmax: float


@dataclass(frozen=True)
class Interpolation(Assumption):
    """f = mean of n terms, and x_star minimizes every one of them."""


@dataclass(frozen=True)
class BoundedVariance(Assumption):
    """``stochastic_grad`` is unbiased and E||stochastic_grad - grad||^2 <= sigma^2 at every point."""

    sigma: float


@dataclass(frozen=True)
class BoundedMoment(Assumption):
    """``stochastic_grad`` is an unbiased (sub)gradient with E||stochastic_grad||^2 <= B^2 at every (feasible) point."""

    B: float


# --- two levels --------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class StronglyConvexLower(Assumption):
    """The lower level g(x, .) is lower_mu-strongly convex and lower_L-smooth, for every x."""

    lower_mu: float
    lower_L: float


@dataclass(frozen=True)
class LowerGrowth(Assumption):
    """Quadratic growth of the lower level: g(x, y) - min g(x, .) >= growth/2 dist(y, argmin g(x, .))^2."""

    growth: float


# --- laws: sampling from exp(-f) -----------------------------------------------------------------------------
@dataclass(frozen=True)
class GaussianLaw(Assumption):
    """exp(-f) is a Gaussian law, with ``mean`` and ``covariance`` known."""


@dataclass(frozen=True)
class OnTheLine(Assumption):
    """The variable (of every agent) is one number."""


@dataclass(frozen=True)
class EqualCurvature(Assumption):
    """All agents have the same Hessian, weight and number of neighbours."""


# --- operators ---------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Monotone(Assumption):
    """<V(x) - V(y), x - y> >= 0."""


@dataclass(frozen=True)
class StronglyMonotone(Monotone):
    """<V(x) - V(y), x - y> >= mu ||x - y||^2."""

    mu: float


@dataclass(frozen=True)
class LipschitzOperator(Assumption):
    """||V(x) - V(y)|| <= L ||x - y||."""

    L: float


@dataclass(frozen=True)
class UnitRotation(Assumption):
    """The operator is the quarter turn of min_x max_y x y."""


@dataclass(frozen=True)
class Cocoercive(Monotone):
    """<V(x) - V(y), x - y> >= beta ||V(x) - V(y)||^2."""

    beta: float


@dataclass(frozen=True)
class Nonexpansive(Assumption):
    """||T(x) - T(y)|| <= ||x - y||."""


@dataclass(frozen=True)
class AveragedOperator(Nonexpansive):
    """T = (1 - theta) I + theta N with N nonexpansive."""

    theta: float


@dataclass(frozen=True)
class AttainedDisplacement(Assumption):
    """v = x_star - T(x_star) is the infimal displacement vector of T (the shortest x - T(x)), attained at x_star."""


@dataclass(frozen=True)
class FixedPoint(AttainedDisplacement):
    """T(x_star) = x_star, so v = 0."""


@dataclass(frozen=True)
class Coherent(Assumption):
    """Minty: <V(x), x - x_star> >= 0 for every feasible x."""

    implied_by: ClassVar = (Monotone,)


@dataclass(frozen=True)
class ZeroOfOperator(Assumption):
    """The feasible set is the whole space (``project`` is the identity) and V(x_star) = 0."""


@dataclass(frozen=True)
class ConvexPair(Assumption):
    """min f + g with both closed and convex, met through ``prox_f`` and ``prox_g``; ``slope`` is a subgradient of f at
    x_star, and -slope one of g."""


# --- many agents: the objective is the mean of the agents' objectives, points are (agents, dim) --------------
@dataclass(frozen=True)
class SmoothMean(Assumption):
    """The mean objective is L-smooth."""

    L: float


@dataclass(frozen=True)
class StronglyConvexMean(Assumption):
    """The mean objective is mu-strongly convex."""

    mu: float


@dataclass(frozen=True)
class PLMean(Assumption):
    """The mean objective is mu-Polyak-Lojasiewicz."""

    mu: float
    implied_by: ClassVar = (StronglyConvexMean,)


@dataclass(frozen=True)
class SmoothAgents(Assumption):
    """Every agent's objective is Lmax-smooth."""

    Lmax: float


@dataclass(frozen=True)
class QuadraticAgents(Assumption):
    """Every agent's objective is a quadratic."""


@dataclass(frozen=True)
class CocoerciveAgents(Assumption):
    """Every agent's operator is mumin-strongly monotone and 1/ell-cocoercive."""

    mumin: float
    ell: float


@dataclass(frozen=True)
class ContractiveMessages(Assumption):
    """Messages go through ``compressor``, ||C(v) - v||^2 <= (1 - alpha) ||v||^2."""

    alpha: float


@dataclass(frozen=True)
class SingleAgent(Assumption):
    """There is one agent."""


@dataclass(frozen=True)
class GossipMatrix(Assumption):
    """``mix`` is symmetric, doubly stochastic, and contracts disagreement by rho < 1."""

    rho: float


@dataclass(frozen=True, eq=False)
class MixingMatrix(GossipMatrix):
    """``mix`` multiplies by this symmetric doubly stochastic matrix (agents, agents); rho follows from it."""

    rho: float = field(init=False)
    W: Any

    def __post_init__(self) -> None:
        from .graphs import as_gossip

        gossip = as_gossip(self.W)
        object.__setattr__(self, "W", gossip.matrices[0])
        object.__setattr__(self, "rho", gossip.rho)


@dataclass(frozen=True)
class Heterogeneity(Assumption):
    """The agents' gradients at x_star, which sum to zero, have mean square zeta_star^2."""

    zeta_star: float
