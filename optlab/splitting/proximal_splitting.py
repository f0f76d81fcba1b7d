"""Douglas-Rachford splitting and ADMM: min f + g with a prox of each."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optlab.problems.assumptions import (
    CocoerciveG,
    ConvexPair,
    LipschitzG,
    MonotonePair,
    SmoothPart,
    StronglyConvexPart,
    StronglyMonotoneF,
)
from optlab.problems.inclusions import AffineSum, planes, strong_and_cocoercive
from optlab.problems.operators import (
    Splitting,
    TwoSets,
    consensus_quadratics,
    diabetes_split_lasso,
    feasible_program_douglas_rachford,
)

from ..fold import best, pairs
from ..functions import maximum
from ..guarantee import Case, Control, Guarantee, cite, start
from ..measures import EPS, Measure, sq_distance
from ..methods import as_method, method
from . import factors


class DR(NamedTuple):
    """x = prox_f(z) for the governing point z (which starts at the given point), and y = prox_g(2x - z).

    z tends to x* + step slope, so the step belongs to the state that theorems speak of.
    """

    x: Any
    z: Any
    y: Any
    step: float


class ADMM(NamedTuple):
    """z, the copy that g speaks of, and the scaled multiplier u of x = z."""

    z: Any
    u: Any


@method(needs=("prox_f", "prox_g"), family="splitting")
def douglas_rachford(problem, z, *, step, relaxation=1.0):
    """Douglas-Rachford, z+ = z + relaxation (y - x): x = prox_f(z), y = prox_g(2x - z) (Lions, Mercier 1979)."""
    while True:
        x = problem.prox_f(z, step)
        y = problem.prox_g(2 * x - z, step)
        yield DR(x, z, y, step)
        z = z + relaxation * (y - x)


def _split(problem, v, rho):
    z = problem.prox_g(v, 1 / rho)
    return ADMM(z, v - z)


@method(needs=("prox_f", "prox_g"), family="splitting", restartable=True)
def admm(problem, z, u=None, *, rho):
    """ADMM for f(x) + g(z), x = z: x from z - u, z from x + u, u += x - z, penalty rho (Boyd et al. 2011, Sec. 3).

    A start without u is split into z = prox_g and the rest u, so that rho u is a subgradient of g at z from the start.
    """
    if u is None:
        z, u = _split(problem, z, rho)
    while True:
        yield ADMM(z, u)
        x = problem.prox_f(z - u, 1 / rho)
        z = problem.prox_g(x + u, 1 / rho)
        u = u + x - z


disagreement = Measure(
    "||x - y||^2",
    lambda problem, it: problem.sq(it.x - it.y),
    r"\|x_k - y_k\|^2",
    lambda problem, it: 64 * EPS * (problem.norm(it.x) + problem.norm(it.y) + problem.norm(it.z)) ** 2,
)


def _governing_magnitude(problem, it):
    # as of sq_distance, for the point x* + step slope
    error = EPS * (problem.norm(it.z) + problem.norm(problem.x_star) + it.step * problem.slope_norm) + problem.x_star_error / 64
    distance = problem.norm(it.z - problem.x_star - it.step * problem.slope)
    return error * (2 * distance + 64 * error) / EPS


sq_governing = Measure(
    "||z - z*||^2",
    lambda problem, it: problem.sq(it.z - problem.x_star - it.step * problem.slope),
    r"\|z_k - z^\star\|^2",
    _governing_magnitude,
)
sq_shadow_distance = Measure(
    sq_distance.name, sq_distance.of, sq_distance.symbol,
    lambda problem, it: sq_distance.magnitude(problem, it) + EPS * problem.sq(it.z),
)
move = Measure(
    "||z+ - z||^2 + ||u+ - u||^2",
    lambda problem, pair: problem.sq(pair.y.z - pair.x.z) + problem.sq(pair.y.u - pair.x.u),
    r"\|z_{k+1} - z_k\|^2 + \|u_{k+1} - u_k\|^2",
    lambda problem, pair: 64 * EPS * (problem.sq(pair.y.z) + problem.sq(pair.y.u)),
)


def governing(R, step, along, slope_norm):
    """||z_0 - z*||^2 for z* = x* + step slope, along = <z_0 - x*, slope>."""
    return R**2 - 2 * step * along + step**2 * slope_norm**2


def contraction(step, mu, L, relaxation):
    """The factor of Douglas-Rachford's step (Giselsson, Boyd 2017): reflections contract by max(...)."""
    return 1 - relaxation / 2 * (1 - maximum((step * L - 1) / (step * L + 1), (1 - step * mu) / (1 + step * mu)))


far = dict(Z=start(sq_governing))
along = dict(along=start(lambda problem, it: problem.inner(it.z - problem.x_star, problem.slope)))


class Scalar(Splitting):
    """mu/2 (x - 1)^2 + g on the line, g = 0 or the indicator of {0}: where Douglas-Rachford's linear rate is met."""

    def __init__(self, curvature: float, pinned: bool, mu: float, L: float):
        self.curvature, self.pinned, self.point_shape = curvature, pinned, (1,)
        self.name = f"curvature {curvature:.3g} on the line, {'pinned' if pinned else 'free'}"
        self.x_star = np.array([0.0 if pinned else 1.0])
        self.slope = curvature * (self.x_star - 1)
        self.declare(SmoothPart(L), StronglyConvexPart(mu), ConvexPair())

    def prox_f(self, v, step):
        return (v + step * self.curvature) / (1 + step * self.curvature)

    def prox_g(self, v, step):
        return 0 * v if self.pinned else v


def _splittings(rng):
    """Real splittings, and pairs of lines at a right angle (where relaxation beyond 2 diverges) and at a small one."""
    a, b = np.diag([1.0, 0.0, 1.0, 0.0]), np.zeros((4, 4))
    b[1, 1] = 1.0
    direction = np.array([np.cos(0.15), np.sin(0.15)])
    b[2:, 2:] = np.outer(direction, direction)
    lines = TwoSets(lambda x: x @ a, lambda x: x @ b, np.zeros(4), np.zeros(4), name="lines that cross")
    return [Case(lines, np.array([0.0, 0.0, 1.0, -2.0])), Case(lines, np.array([1.0, 2.0, 3.0, 4.0])),
            Case(diabetes_split_lasso()), Case(consensus_quadratics()),
            Case(feasible_program_douglas_rachford().splitting)]


def _strongly(rng):
    return [Case(Scalar(0.5, False, 0.5, 8.0), np.array([3.0])), Case(Scalar(8.0, True, 0.5, 8.0), np.array([3.0])),
            Case(diabetes_split_lasso()), Case(consensus_quadratics())]


def _rotating(slowest, constant):
    """Multiplications by complex numbers, slowest at relaxations 1 and 1.5; a pair of larger operators."""
    def cases(rng):
        worst = (map(planes, slowest(0.5, constant, relaxation)) for relaxation in (1.0, 1.5))
        return [*(Case(AffineSum(F, G, np.array([1.0, 2.0]), name="two rotations")) for F, G in worst),
                Case(strong_and_cocoercive())]

    return cases


def _long_dual(problem, z, *, rho):
    z, u = _split(problem, z, rho)
    while True:
        yield ADMM(z, u)
        x = problem.prox_f(z - u, 1 / rho)
        z = problem.prox_g(x + u, 1 / rho)
        u = u + 2.2 * (x - z)


scaled = dict(recipe=lambda t, share, mu, L: dict(step=t / (mu * L) ** 0.5, relaxation=share),
              vary=dict(t=(1.0, 0.2, 3.0), share=(1.0, 2.0)), valid=lambda relaxation: 0 < relaxation <= 2,
              control=Control("a tenth of the step", recipe=lambda step: dict(step=step / 10)))

douglas_rachford.proves(
    Guarantee(disagreement,
              lambda k, step, relaxation, R, along, slope_norm:
              governing(R, step, along, slope_norm) / (relaxation * (2 - relaxation) * k),
              cite(34, 2, claim="Douglas-Rachford"), at=best, assumes=(ConvexPair,), using=along, on=_splittings,
              recipe=lambda t, share: dict(step=t, relaxation=share), vary=dict(t=(1.0, 0.3), share=(1.0, 1.5)),
              valid=lambda relaxation: 0 < relaxation < 2, symbolic=False,
              control=Control("relaxation 2.5", recipe=lambda: dict(relaxation=2.5)),
              note="x - y is half the residual of the composed reflections, whose relaxation is relaxation / 2."),
    # worst cases are read at the first and the last t: at 1, where the two factors meet, programs end uncertified
    Guarantee(sq_governing, lambda k, step, relaxation, mu, L, Z: contraction(step, mu, L, relaxation) ** (2 * k) * Z,
              cite(0, 0, "Giselsson-Boyd 2017, Thm 2"), using=far, assumes=(ConvexPair, SmoothPart, StronglyConvexPart),
              on=_strongly, tightness="tight", **scaled | dict(vary=dict(t=(0.2, 1.0, 3.0, 0.5), share=(1.0,)))),
    Guarantee(sq_shadow_distance,
              lambda k, step, relaxation, mu, L, R, along, slope_norm: contraction(step, mu, L, relaxation) ** (2 * k)
              * governing(R, step, along, slope_norm) / (1 + step * mu) ** 2,
              cite(78, 2, "Giselsson-Boyd 2017", claim="Douglas-Rachford"), using=along,
              assumes=(ConvexPair, SmoothPart, StronglyConvexPart), on=_strongly, tightness="tight", symbolic=False, **scaled),
)
relaxed = dict(recipe=lambda pace, share: dict(step=pace, relaxation=share), vary=dict(pace=(1.0, 0.4), share=(1.0, 1.5)),
               valid=lambda step, relaxation: step > 0 and 0 < relaxation < 2, tightness="tight", using=far,
               control=Control("relaxation 2.5", recipe=lambda: dict(relaxation=2.5)))

douglas_rachford.proves(
    Guarantee(sq_governing,
              lambda k, step, relaxation, mu, L, Z: factors.strong_and_lipschitz(step * mu, step * L, relaxation) ** k * Z,
              cite(0, 0, "Ryu-Taylor-Bergeling-Giselsson 2020, Thm 4.3"), assumes=(MonotonePair, StronglyMonotoneF, LipschitzG),
              on=_rotating(factors.slowest_lipschitz, 2.0), **relaxed),
    Guarantee(sq_governing,
              lambda k, step, relaxation, mu, beta, Z:
              factors.strong_and_cocoercive(step * mu, beta / step, relaxation) ** k * Z,
              cite(0, 0, "Ryu-Taylor-Bergeling-Giselsson 2020, Thm 4.1"), assumes=(MonotonePair, StronglyMonotoneF, CocoerciveG),
              on=_rotating(factors.slowest_cocoercive, 0.5), **relaxed),
)
admm.proves(
    Guarantee(move, lambda k, rho, R, along, slope_norm: governing(R, -1 / rho, along, slope_norm) / k,
              cite(7, 1, "He-Yuan 2015", claim="any splitting x = z"), at=pairs, assumes=(ConvexPair,), on=_splittings,
              using=dict(along=start(lambda p, pair: p.inner(pair.x.z + pair.x.u - p.x_star, p.slope))),
              recipe=lambda penalty: dict(rho=penalty), vary=dict(penalty=(1.0, 0.3, 4.0)), valid=lambda rho: rho > 0,
              symbolic=False, control=Control("multiplier step of 2.2", method=as_method(_long_dual)),
              note="Needs rho u_0 to be a subgradient of g at z_0; from u_0 = 0 at any z_0 it is missed by 30 %."),
)
