"""Online losses, sums and noise, two levels, laws to sample from."""

from __future__ import annotations

from dataclasses import dataclass

from .base import Assumption


# --- online ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class LinearLosses(Assumption):
    """Round k costs <g_k, x> on a cube of this ``side``, |g_k,i| <= Gmax; ``loss_grad(x, k)`` is g_k."""

    side: float
    Gmax: float


@dataclass(frozen=True)
class LipschitzLosses(Assumption):
    """Round k costs ``loss_value(x, k)``, convex, its subgradients ``loss_grad(x, k)`` of norm at most G."""

    G: float


@dataclass(frozen=True)
class StronglyConvexLosses(Assumption):
    """Every round's loss is mu-strongly convex."""

    mu: float


@dataclass(frozen=True)
class AlternatingLosses(Assumption):
    """On [-1, 1], from 0: slopes 1/2, -1, 1, -1, 1, .. in turn."""


@dataclass(frozen=True)
class PeriodThree(Assumption):
    """The losses have slopes C, -1, -1 in turn on [-1, 1], C > 2."""

    C: float


# --- sums and noise ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Terms(Assumption):
    """f = mean of n terms."""

    n: int


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
class SmoothTermsPart(Assumption):
    """Objective f + h: f = mean of n terms, each Lmax-smooth; h is convex and met through its prox."""

    Lmax: float


@dataclass(frozen=True)
class StronglyConvexTermsPart(Assumption):
    """Objective f + h: f = mean of n terms, each mu_terms-strongly convex."""

    mu_terms: float


@dataclass(frozen=True)
class NoiseAtSolution(Assumption):
    """f = mean of n terms, whose gradients at x_star have mean square sigma_star^2."""

    sigma_star: float


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


# --- two levels --------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class StronglyConvexLower(Assumption):
    """The lower level g(x, .) is lower_mu-strongly convex and lower_L-smooth, for every x."""

    lower_mu: float
    lower_L: float


@dataclass(frozen=True)
class LowerGrowth(Assumption):
    """Quadratic growth of the lower level: g(x, y) - min g(x, .) >= growth/2 dist(y, argmin g(x, .))^2."""

    growth: float


# --- laws: sampling from exp(-f) ---------------------------------------------------------------------------------
@dataclass(frozen=True)
class GaussianLaw(Assumption):
    """exp(-f) is a Gaussian law, with ``mean`` and ``covariance`` known."""


@dataclass(frozen=True)
class OnTheLine(Assumption):
    """The variable (of every agent) is one number."""


@dataclass(frozen=True)
class EqualCurvature(Assumption):
    """All agents have the same Hessian, weight and number of neighbours."""
