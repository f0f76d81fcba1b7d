"""Proximal points of one function: plain and accelerated."""

from __future__ import annotations

from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from optlab.problems.assumptions import Convex, Smooth
from optlab.problems.hard import HuberNorm
from optlab.problems.pool import pool

from ..guarantee import Case, Control, Guarantee, cite, start
from ..measures import suboptimality
from ..methods import method
from ..steps import at
from ..stochastic.model_based import deterministic, envelope


class Accelerated(NamedTuple):
    """The point, the centre that attracts it, the curvature A of what is left, and the steps so far."""

    x: Any
    v: Any
    A: float
    k: int


@method(needs=("prox",), family="proximal", restartable=True)
def proximal_point(problem, x, *, step):
    """x+ = prox_{step f}(x) (Rockafellar 1976)."""
    while True:
        yield x
        x = problem.prox(x, step)


@method(needs=("prox",), family="proximal", restartable=True)
def accelerated_proximal_point(problem, x, v=None, A=None, k=0, *, step, A0):
    """x+ = prox_{step f}(y), y = (1 - a) x + a v, v+ = v + (x+ - y)/a, A+ = (1 - a) A, a^2 = (1 - a) A step (Guler 1992)."""
    v, A = x if v is None else v, A0 if A is None else A
    while True:
        yield Accelerated(x, v, A, k)
        h = at(step, k)
        a = (sqrt((A * h) ** 2 + 4 * A * h) - A * h) / 2
        y = (1 - a) * x + a * v
        x = problem.prox(y, h)
        v, A, k = v + 1 / a * (x - y), (1 - a) * A, k + 1


def with_own_prox(rng):
    """|x| with its tip rounded off, on which N steps of 1 meet the bound; then quadratics and a norm of the pool."""
    tip = 1e-6
    kinks = [Case(HuberNorm(tip, 1 / (2 * N * tip), name=f"a kink for {N} steps"), steps=N) for N in (1, 10)]
    return [*kinks, *(Case(p, steps=50) for p in pool(Convex, Smooth, needs=("prox",)))]


def linear(k):
    """Growing steps k + 1."""
    return k + 1.0


def roots(step, k):
    """sqrt(step_0) + ... + sqrt(step_{k-1})."""
    sums = np.concatenate([[0.0], np.cumsum([sqrt(at(step, s)) for s in range(int(np.max(k)))])])
    return sums[np.asarray(k).astype(int)]


def guler(k, step, A0, E0):
    """4 E0 / (A0 (sum of the roots of the steps)^2)."""
    return 4 * E0 / (A0 * roots(step, k) ** 2)


timid = Control("steps ten times too short", recipe=lambda step: dict(step=step / 10))
energy = start(lambda problem, it: suboptimality(problem, it) + it.A / 2 * problem.sq(it.v - problem.x_star))

proximal_point.proves(
    Guarantee(suboptimality, lambda k, step, R: R**2 / (4 * step * k), cite(0, 0, "Taylor-Hendrickx-Glineur 2017, Thm 4.1"),
              assumes=(Convex,), on=with_own_prox, tightness="tight", recipe=lambda step: dict(step=step),
              vary=dict(step=(1.0, 0.2)), valid=lambda step: step > 0, control=timid),
    Guarantee(envelope, lambda k, rho, D0: 4 * rho * D0 / k, cite(149, 4, "derived", claim="prox-point"), **deterministic),
)
accelerated_proximal_point.proves(
    Guarantee(suboptimality, guler, cite(0, 0, "Guler 1992, Thm 2.3"), assumes=(Convex,), on=with_own_prox,
              using=dict(E0=energy), recipe=lambda step, A0: dict(step=step, A0=A0),
              vary=dict(A0=(1.0, 5.0), step=(1.0, linear)), valid=lambda A0: A0 > 0,
              control=Control("steps a hundred times too short",
                              recipe=lambda step: dict(step=lambda k: at(step, k) / 100))),
)
