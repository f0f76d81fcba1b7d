"""Path following: one Newton step for every increase of the objective's weight against the barrier."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optlab.problems.assumptions import LogBarrier
from optlab.problems.barrier import corner_program, random_program

from ..functions import exp, sqrt
from ..guarantee import Case, Control, Guarantee, cite
from ..measures import Measure, suboptimality
from ..methods import method


class OnPath(NamedTuple):
    """The point, and the weight of the objective against the barrier."""

    x: Any
    weight: float


@method(needs=("barrier_grad", "barrier_hess"), family="constrained", restartable=True, symbolic=False)
def path_following(problem, x, weight=None, *, growth):
    """Path following: t+ = growth t, x+ = x - F''(x)^-1 (t+ c + F'(x)) (Renegar 1988; Nesterov-Nemirovski 1994)."""
    weight = problem.weight0 if weight is None else weight
    while True:
        yield OnPath(x, weight)
        weight = growth * weight
        g = weight * problem.c + problem.barrier_grad(x)
        x = x - np.linalg.solve(problem.barrier_hess(x), g[..., None])[..., 0]


newton_decrement = Measure("Newton decrement", lambda problem, it: problem.decrement(it.x, it.weight),
                           r"\lambda_{F_{t_k}}(x_k)", symbolic=False)


def programs(rng):
    """From the analytic centre, whose decrement at the first weight is 1/4."""
    return [Case(p, p.x0, steps=steps) for p, steps in ((corner_program(), 800), (random_program(), 800))]


short = dict(assumes=(LogBarrier,), on=programs, recipe=lambda nu: dict(growth=1 + 1 / (13 * sqrt(nu))))

path_following.proves(
    Guarantee(suboptimality, lambda k, nu, weight0: 2 * nu / weight0 * exp(-k / (1 + 13 * sqrt(nu))),
              cite(70, 25, "Sec 5.3.4", claim="rate"), first=0,
              control=Control("the weight grows ten times slower", recipe=lambda nu: dict(growth=1 + 1 / (130 * sqrt(nu)))),
              **short),
    Guarantee(newton_decrement, lambda: 0.25, cite(70, 25, "Sec 5.3.4", claim="the decrement stays below 1/4"), first=1,
              control=Control("the weight grows ten times faster", recipe=lambda nu: dict(growth=1 + 10 / (13 * sqrt(nu)))),
              **short),
)
