"""Many agents: the objective is the mean of the agents' objectives, points are (agents, dim)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from .base import Assumption


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
        from ..graphs import as_gossip

        gossip = as_gossip(self.W)
        object.__setattr__(self, "W", gossip.matrices[0])
        object.__setattr__(self, "rho", gossip.rho)


@dataclass(frozen=True)
class Heterogeneity(Assumption):
    """The agents' gradients at x_star, which sum to zero, have mean square zeta_star^2."""

    zeta_star: float
