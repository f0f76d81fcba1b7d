"""Operators, maps, sums of operators, sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .base import Assumption


@dataclass(frozen=True)
class Monotone(Assumption):
    """<V(x) - V(y), x - y> >= 0."""


@dataclass(frozen=True)
class StronglyMonotone(Monotone):
    """<V(x) - V(y), x - y> >= mu ||x - y||^2."""

    mu: float


@dataclass(frozen=True)
class NegativelyComonotone(Assumption):
    """<V(x) - V(y), x - y> >= -rho ||V(x) - V(y)||^2, rho >= 0: the inverse of V is rho-weakly monotone."""

    rho: float


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
class Contractive(Nonexpansive):
    """||T(x) - T(y)|| <= rate ||x - y||, rate < 1."""

    rate: float


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


@dataclass(frozen=True)
class ConvexFeasibility(Assumption):
    """Two closed convex sets, met through ``project_a`` and ``project_b``, with ``x_star`` in both."""


@dataclass(frozen=True)
class BestApproximation(ConvexFeasibility):
    """``x_star`` is the point of both sets nearest to ``x0``, x0 - x_star = normal_a + normal_b, normals to the sets there."""


@dataclass(frozen=True)
class Subspaces(Assumption):
    """The two sets are affine subspaces that meet in ``x_star`` only, at an angle of this ``cosine``."""

    cosine: float


@dataclass(frozen=True)
class ConvexTriple(Assumption):
    """min f + g + q, all convex: f and g are met through ``prox_f`` and ``prox_g``, q through its Lq-Lipschitz gradient
    ``grad``; ``slope`` is a subgradient of g at x_star, and -slope - grad(x_star) one of f. SmoothPart and StronglyConvexPart
    speak of f."""

    Lq: float


@dataclass(frozen=True)
class MonotonePair(Assumption):
    """0 in F(x) + G(x), both maximally monotone, met through their resolvents ``prox_f`` and ``prox_g``; ``slope`` lies in
    F(x_star)."""

    implied_by: ClassVar = (ConvexPair,)


@dataclass(frozen=True)
class MonotoneTriple(Assumption):
    """0 in F(x) + G(x) + q'(x), q convex and Lq-smooth, met through ``grad``; ``slope`` lies in G(x_star)."""

    Lq: float
    implied_by: ClassVar = (ConvexTriple,)


@dataclass(frozen=True)
class StronglyMonotoneF(Assumption):
    """Of operators F and G: F is mu-strongly monotone."""

    mu: float


@dataclass(frozen=True)
class LipschitzG(Assumption):
    """Of operators F and G: G is L-Lipschitz."""

    L: float


@dataclass(frozen=True)
class CocoerciveG(Assumption):
    """Of operators F and G: G is beta-cocoercive."""

    beta: float


@dataclass(frozen=True)
class StronglyConvexQ(Assumption):
    """The q of a sum F + G + q' is mu_q-strongly convex."""

    mu_q: float
