"""Gradient descent whose steps follow a schedule: silver steps, and steps that fall for functions of any roughness."""

from __future__ import annotations

from math import log2
from typing import Any, NamedTuple

import numpy as np

from optlab.problems.assumptions import Convex, QuadraticUpperBound, Smooth, StronglyConvex
from optlab.problems.growth import rough
from optlab.problems.hard import HuberNorm
from optlab.problems.pool import pool

from ..functions import sqrt
from ..guarantee import Case, Control, Guarantee, cite
from ..measures import sq_distance, suboptimality
from ..methods import method
from ..steps import SILVER, at, silver, silver_rate, silver_strongly_convex, steadily, steadiness


class Scheduled(NamedTuple):
    """The point and the steps taken so far."""

    x: Any
    k: int


@method(needs=("grad",), family="gradient", restartable=True)
def scheduled_descent(problem, x, k=0, *, step):
    """Gradient descent with a step that changes, x+ = x - step_k grad f(x)."""
    while True:
        yield Scheduled(x, k)
        x, k = x - at(step, k) * problem.grad(x), k + 1


def silver_bound(k, L, R):
    """L R^2/(1 + sqrt(4 rho^(2j) - 3)) after k = 2^j - 1 steps, rho^j = (k + 1)^(log2 rho); no claim after other numbers."""
    bound = L * R**2 / (1 + sqrt(4 * (k + 1) ** (2 * log2(SILVER)) - 3))
    return bound if type(k).__module__.startswith("sympy") else np.where(np.log2(k + 1.0) % 1 == 0, bound, np.inf)[()]


def silver_contraction(k, L, mu, R):
    """The product over the blocks of k steps, times R^2."""
    return np.vectorize(lambda n: silver_rate(L, mu, int(n)))(k) * R**2


def for_all_steps(rng):
    """Huber losses whose gradient two silver schedules never lose; then the pool."""
    worst = [Case(HuberNorm(1 / (2 * SILVER**j - 1), name=f"worst for {2**j - 1} silver steps"), steps=2**j - 1) for j in (3, 6)]
    return [*worst, *(Case(p, steps=2**j - 1) for p in pool(Convex, Smooth) for j in (3, 6))]


def under_a_quadratic(rng):
    """Huber losses whose gradient the schedule never loses; then the pool."""
    worst = [Case(HuberNorm(1 / float(steadiness(k)), name=f"worst for {k} falling steps"), steps=k) for k in (5, 50)]
    return [*worst, *(Case(p) for p in rough())]


scheduled_descent.proves(
    Guarantee(suboptimality, silver_bound, cite(0, 0, "Altschuler-Parrilo 2023b, Thm 1.1"), assumes=(Convex, Smooth),
              recipe=lambda L, horizon: dict(step=silver(L)), on=for_all_steps, horizons=(7, 63),
              control=Control("the steps twice as long", recipe=lambda L: dict(step=silver(L / 2)),
                              on=lambda rng: pool(Convex, Smooth)),
              note="after 1, 3 and 7 steps the exact worst case is L R^2/(4 rho^j - 2)"),
    Guarantee(sq_distance, silver_contraction, cite(0, 0, "Altschuler-Parrilo 2023a, Thm 4.1"), tightness="tight",
              assumes=(StronglyConvex, Smooth), recipe=lambda L, mu, horizon: dict(step=silver_strongly_convex(L, mu, horizon)),
              horizons=(8, 13), control=Control("the steps twice as long",
              recipe=lambda L, mu, horizon: dict(step=silver_strongly_convex(L / 2, mu / 2, horizon)))),
    Guarantee(suboptimality, lambda k, L, R: L * R**2 / (2 * steadiness(k)),
              cite(0, 0, "Goujaud-Taylor-Dieuleveut 2022, Conj A.3"), assumes=(Convex, QuadraticUpperBound), first=0,
              tightness="tight", recipe=lambda L: dict(step=steadily(L)), on=under_a_quadratic,
              control=Control("steps six times as long", recipe=lambda L: dict(step=steadily(L / 6)),
                              on=lambda rng: rough()),
              note="attained, and the exact worst case of every k that was solved; not proved for all k", proved=False),
)
