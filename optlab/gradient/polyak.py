"""Polyak's step, and its twin for function values: steps from the curvature ||grad f||^2 / 2(f - f*)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import inf
from typing import Any

from optlab.problems.assumptions import EffectiveCurvature, Smooth, StronglyConvex
from optlab.problems.inexact import Zigzag
from optlab.problems.pool import pool

from ..fold import pairs
from ..functions import maximum
from ..guarantee import Case, Control, Guarantee, cite, now
from ..measures import Measure, sq_distance, suboptimality
from ..methods import method


def curvature(problem, x, g):
    """||g||^2 / 2(f(x) - f*), which lies between mu and L; infinite where f - f* is rounding, so that no step follows."""
    return problem.ratio(problem.sq(g), 2 * problem.above_minimum(x), inf)


@method(needs=("grad", "value"), family="gradient", restartable=True)
def polyak_gradient(problem, x, *, rule):
    """x+ = x - rule(c) grad f(x), c = ||grad f(x)||^2 / 2(f(x) - f*) (Polyak 1969; Barre, Taylor, d'Aspremont 2020).

    ``rule`` 1/c is Polyak's step (twice the one for nonsmooth functions), (2 - c/L)/L its twin for function values.
    """
    while True:
        yield x
        g = problem.grad(x)
        x = x - problem.column(rule(curvature(problem, x, g))) * g


def inverse(c: Any) -> Any:
    """Polyak's step 1/c."""
    return 1 / c


@cache
def twin(L: float) -> Callable[[Any], Any]:
    """(2 - c/L)/L, which is positive as c <= L."""
    return lambda c: maximum((2 - c / L) / L, 0.0)


@cache
def longer(rule: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda c: 2.5 * rule(c)


# --- theorems: c lies between mu and L; gamma is the step that the rule made of it -----------------------------------
def closer(L, mu, gamma):
    """How much nearer one of Polyak's steps comes, at least, when it is gamma (squared distances)."""
    return (gamma * L - 1) * (1 - gamma * mu) / (gamma * (L + mu) - 1)


def lower(L, mu, gamma):
    """The same for the twin and function values."""
    return (gamma * L - 1) * (L * gamma * (3 - gamma * (L + mu)) - 1)


def zigzags(power):
    """Where the steps stay the same and the bounds are met."""
    def family(rng):
        problems = [Zigzag(mu, L, power) for mu, L in ((0.1, 1.0), (0.5, 3.0))]
        for p in problems:
            p.declare(p.effective)  # true of one rule's iterates: no property of the function
        return [Case(p, steps=20) for p in problems]

    return family


def curved(rng):
    """The same, and the pool: as long as f - f* is far above rounding."""
    return [*zigzags(0.5)(rng), *zigzags(1.0)(rng), *(Case(p, steps=10) for p in pool(StronglyConvex, Smooth))]


def rounding(problem, x):
    """What the rounding of f - f* does to f(x+), with mu/2 ||x+ - x*||^2 below it: 2 kappa times as much, and so does tau."""
    return 4 * problem.L / problem.mu * (abs(problem.value(x)) + problem.value_scale)


next_distance = Measure("||y - x*||^2", lambda p, pair: sq_distance(p, pair.y), r"\|x_{k+1} - x^\star\|^2",
                        lambda p, pair: sq_distance.magnitude(p, pair.y) + 2 / p.mu * rounding(p, pair.x))
next_value = Measure("f(y) - f*", lambda p, pair: suboptimality(p, pair.y), r"f(x_{k+1}) - f^\star",
                     lambda p, pair: suboptimality.magnitude(p, pair.y) + rounding(p, pair.x))
shown = now(lambda p, pair: curvature(p, pair.x, p.grad(pair.x)))
overlong = Control("two and a half times the step", recipe=lambda rule: dict(rule=longer(rule)))
one_step = dict(assumes=(StronglyConvex, Smooth), at=pairs, on=curved, tightness="tight", control=overlong, symbolic=False)
every_step = dict(assumes=(StronglyConvex, Smooth, EffectiveCurvature), tightness="tight", control=overlong)

polyak_gradient.proves(
    Guarantee(next_distance, lambda L, mu, c, before: closer(L, mu, 1 / c) * before,
              cite(0, 0, "Barre-Taylor-d'Aspremont 2020, Prop 1, one step"), recipe=lambda: dict(rule=inverse), **one_step,
              using=dict(c=shown, before=now(lambda p, pair: sq_distance(p, pair.x)))),
    Guarantee(sq_distance, lambda k, L, mu, curvature, R: closer(L, mu, 1 / curvature) ** k * R**2,
              cite(0, 0, "Barre-Taylor-d'Aspremont 2020, Prop 1"), recipe=lambda: dict(rule=inverse), on=zigzags(0.5),
              at_constants=dict(curvature=0.55), **every_step),
    Guarantee(next_value, lambda L, mu, c, before: lower(L, mu, twin(L)(c)) * before,
              cite(0, 0, "Barre-Taylor-d'Aspremont 2020, Prop 2, one step"), recipe=lambda L: dict(rule=twin(L)), **one_step,
              using=dict(c=shown, before=now(lambda p, pair: suboptimality(p, pair.x)))),
    Guarantee(suboptimality, lambda k, L, mu, curvature, D0: lower(L, mu, (2 - curvature / L) / L) ** k * D0,
              cite(0, 0, "Barre-Taylor-d'Aspremont 2020, Prop 2"), recipe=lambda L: dict(rule=twin(L)), on=zigzags(1.0),
              at_constants=dict(curvature=0.2 / 1.1), **every_step),
)
