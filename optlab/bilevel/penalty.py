"""Penalty methods for bilevel problems whose lower level is singular (Shen and Chen 2023)."""

from __future__ import annotations

from typing import Any, NamedTuple

from optlab.problems.assumptions import LowerGrowth
from optlab.problems.base import Misdeclared
from optlab.problems.pool import pool

from ..fold import Fold
from ..functions import sqrt
from ..guarantee import Control, Guarantee, cite, now, start
from ..measures import EPS, Measure, point
from ..methods import as_method, method


@method(needs=("upper_grad", "lower_grad", "solve_lower"), family="bilevel", restartable=True, symbolic=False)
def pbgd(problem, z, *, step, penalty):
    """V-PBGD on z = (x, y): gradient steps on f + penalty (g - v), grad v(x) = grad_x g(x, y*) at a lower solution y*."""
    while True:
        yield z
        value_grad = problem.lower_grad(problem.solve_lower(z))  # its y-part is zero
        z = z - step * (problem.upper_grad(z) + penalty * (problem.lower_grad(z) - value_grad))


class Value(NamedTuple):
    value: Any
    z: Any


@method(needs=("penalized_solution",), family="bilevel", symbolic=False)
def penalty_minimum(problem, z, *, penalty):
    """min f + penalty p and its minimizer: what the penalty method solves in place of the bilevel problem."""
    z = problem.penalized_solution(penalty) + 0 * z
    return Value(problem.upper_value(z) + penalty * problem.gap(z), z)


shortfall = Measure("f* - min(f + penalty p)", lambda problem, it: problem.f_star - it.value,
                    r"f^\star - \min(f + \gamma p)", lambda problem, it: abs(problem.f_star) + abs(it.value))
least_value = Measure("min(f + penalty p)", lambda problem, it: it.value, r"\min(f + \gamma p)",
                      lambda problem, it: abs(problem.f_star) + abs(it.value))
lower_distance = Measure("dist(y, S(x))", lambda problem, z: problem.lower_distance(point(z)),
                         r"\mathrm{dist}(y_k, S(x_k))", lambda problem, z: problem.norm(point(z)))
lower_gap = Measure("g - min g", lambda problem, z: problem.gap(point(z)), r"p(x_k, y_k)",
                    lambda problem, z: problem.sq(point(z)))
upper = now(lambda p, z: p.upper_value(point(z)))
gap = now(lambda p, z: p.gap(point(z)))


class Weighed(NamedTuple):
    z: Any
    penalty: float


def _weighed(iterates, quantities):
    for it in iterates:
        yield Weighed(point(it), quantities["penalty"])


def _penalized_gradient(problem, it):
    return problem.upper_grad(it.z) + it.penalty * (it.z @ problem.residual_map.T) @ problem.residual_map


sq_penalized_gradient = Measure(
    "||grad(f + penalty p)||^2", lambda problem, it: problem.sq(_penalized_gradient(problem, it)),
    r"\|\nabla F_\gamma(z_k)\|^2", lambda problem, it: (EPS * 64 * problem.penalized_L(it.penalty) * problem.norm(it.z)) ** 2)


def without_value(problem, z, *, penalty):
    """The mutant that penalizes g itself, not g - v."""
    z = problem.penalized_solution(penalty) + 0 * z
    return Value(problem.upper_value(z) + penalty * problem.sq(problem.split(z)[1] @ problem.C.T
                                                               - problem.split(z)[0] @ problem.B.T) / 2, z)


def pbgd_without_value(problem, z, *, step, penalty):
    """The mutant that forgets the gradient of the value function."""
    while True:
        yield z
        z = z - step * (problem.upper_grad(z) + penalty * problem.lower_grad(z))


strengths = dict(assumes=(LowerGrowth,), vary=dict(gamma=(1.0, 10.0, 100.0, 1000.0)))
weaker = Control("a hundredth of the penalty", recipe=lambda penalty: dict(penalty=penalty / 100))
penalty_minimum.proves(
    Guarantee(shortfall, lambda G, gamma, growth: G**2 / (2 * gamma * growth), cite(47, 1, "penalty exactness", claim="upper"),
              recipe=lambda gamma: dict(penalty=gamma), control=weaker, **strengths),
    Guarantee(least_value, lambda f_star: f_star, cite(47, 1, "penalty exactness", claim="lower"),
              recipe=lambda gamma: dict(penalty=gamma),
              control=Control("g penalized, not g - min g", method=as_method(without_value)), **strengths),
)

descent = dict(recipe=lambda penalized_L, gamma: dict(step=1 / penalized_L(gamma), penalty=gamma), **strengths)
grown = Control("a lower level that grows a hundred times less than declared", on=lambda rng: [
    Misdeclared(p, growth=100 * p.growth) for p in pool(LowerGrowth)])
pbgd.proves(
    Guarantee(lower_distance, lambda G, penalty, growth, f, p, least:
              2 * G / (penalty * growth) + sqrt(2 * (f + penalty * p - least(penalty)) / (penalty * growth)),
              cite(47, 2, "penalty exactness", claim="distance"), using=dict(f=upper, p=gap), control=grown,
              note="every point is an eps-minimizer, with eps = f + penalty p - min", **descent),
    Guarantee(lower_gap, lambda G, penalty, f, p, least, away: (G * away + f + penalty * p - least(penalty)) / penalty,
              cite(47, 2, "penalty exactness", claim="gap"),
              using=dict(f=upper, p=gap, away=now(lambda q, z: q.lower_distance(point(z)))), tightness="upper",
              control=Control("an upper level a thousand times steeper than declared", on=lambda rng: [
                  Misdeclared(p, G=p.G / 1000) for p in pool(LowerGrowth)]), **descent),
    Guarantee(sq_penalized_gradient, lambda k, step, penalty, f0, p0, least:
              2 * (f0 + penalty * p0 - least(penalty)) / (step * k), cite(47, 3, "descent lemma"),
              at=Fold("best", _weighed, minimum=True),
              using=dict(f0=start(lambda q, it: q.upper_value(it.z)), p0=start(lambda q, it: q.gap(it.z))),
              control=Control("the gradient of the value function forgotten", method=as_method(pbgd_without_value),
                              steps=4000), **descent),
)
