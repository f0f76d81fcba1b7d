"""Proximal gradient descent and FISTA on f + h."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate
from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from optlab.problems.assumptions import Convex, SmoothPart, StronglyConvexPart
from optlab.problems.pool import pool
from optlab.problems.sets import ramp

from ..functions import maximum
from ..guarantee import Case, Control, Guarantee, cite
from ..measures import sq_distance, suboptimality
from ..methods import method


class Accelerated(NamedTuple):
    """The point, the extrapolated point at which the gradient is taken, and Nesterov's counter."""

    x: Any
    y: Any
    t: float


@method(needs=("grad", "prox"), family="proximal", restartable=True)
def proximal_gradient(problem, x, *, step):
    """Proximal gradient descent (ISTA), x+ = prox_{step h}(x - step grad f(x))."""
    while True:
        yield x
        x = problem.prox(x - step * problem.grad(x), step)


def fast(t):
    """Nesterov's counter: the root of t+^2 - t+ = t^2."""
    return (1 + sqrt(1 + 4 * t**2)) / 2


def by_halves(t):
    """The counter (k + 2)/2, that is momentum k/(k + 3): t+^2 - t+ < t^2."""
    return t + 0.5


def counted(k, grow):
    """The counter after k steps from 1; k a number or an array."""
    k = np.asarray(k, dtype=int)
    return np.array(list(accumulate(range(k.max()), lambda t, _: grow(t), initial=1.0)))[k]


@method(needs=("grad", "prox"), family="proximal", restartable=True)
def fista(problem, x, y=None, t=1.0, *, step, grow=fast):
    """FISTA: x+ = prox_{step h}(y - step grad f(y)), y+ = x+ + (t - 1)/t+ (x+ - x), t+ = grow(t) (Beck-Teboulle 2009)."""
    y = x if y is None else y
    while True:
        yield Accelerated(x, y, t)
        previous, x = x, problem.prox(y - step * problem.grad(y), step)
        grown = grow(t)
        y = x + ((t - 1) / grown) * (x - previous)
        t = grown


def ramps(rng):
    """The instances on which proximal gradient descent meets its bound, and one of the pool."""
    return [*(Case(ramp(k), [1.0, 0.0], steps=k) for k in (1, 25)), *pool(Convex, SmoothPart, needs=("prox",))]


def fast_ramps(rng):
    """Where k steps of momentum k/(k + 3), which reach as far as (k^2 + 5k + 2)/8 plain ones, meet their bound."""
    return [*(Case(ramp((k**2 + 5 * k + 2) / 8), [1.0, 0.0], steps=k) for k in (1, 5, 25)),
            *pool(Convex, SmoothPart, needs=("prox",))]


beyond = Control("step beyond 2/L", recipe=lambda L: dict(step=2.5 / L))
up_to = dict(recipe=lambda L, share: dict(step=share / L), vary=dict(share=(1.0, 0.5, 0.1)), control=beyond,
             valid=lambda step, L: 0 < step <= 1 / L)
full = dict(recipe=lambda L: dict(step=1 / L), control=beyond)

proximal_gradient.proves(
    Guarantee(suboptimality, lambda k, step, R: R**2 / (2 * step * k), cite(165, 21, "Sec 10.1", claim="any step"),
              assumes=(Convex, SmoothPart), **up_to),
    Guarantee(suboptimality, lambda k, L, R: L * R**2 / (4 * k), cite(165, 21, "Sec 10.1", claim="tight at 1/L"),
              assumes=(Convex, SmoothPart), tightness="tight", on=ramps, **full),
    Guarantee(sq_distance, lambda k, mu, step, R: (1 - step * mu) ** k * R**2, cite(165, 22, "Sec 10.2"),
              assumes=(Convex, SmoothPart, StronglyConvexPart), **up_to),
    Guarantee(sq_distance, lambda k, mu, L, step, R: maximum((1 - step * mu) ** 2, (1 - step * L) ** 2) ** k * R**2,
              cite(0, 0, "Taylor-Hendrickx-Glineur 2018, Thm 3.1"), assumes=(Convex, SmoothPart, StronglyConvexPart),
              tightness="tight", **up_to | dict(vary=dict(share=(1.0, 0.5, 1.5)), valid=lambda step, L: 0 < step < 2 / L)),
    Guarantee(suboptimality, lambda k, L, R: L * R**2 / (2 * k), cite(70, 22, "Sec 5.1", claim="ISTA"),
              assumes=(Convex, SmoothPart), **full),
    Guarantee(suboptimality, lambda k, L, R: L * R**2 / (4 * k), cite(70, 22, "Sec 5.1", claim="tight"),
              assumes=(Convex, SmoothPart), tightness="tight", on=ramps, **full),
)
fista.proves(
    Guarantee(suboptimality, lambda k, step, R: 2 * R**2 / (step * (k + 1) ** 2), cite(70, 21, "Thm 5.1"),
              assumes=(Convex, SmoothPart), note="index t = k + 1: y_t is reached with t - 1 gradients", **up_to),
    Guarantee(suboptimality, lambda k, step, grow, R: R**2 / (2 * step * counted(k - 1, grow) ** 2),
              cite(0, 0, "Beck-Teboulle 2009, Lemma 4.1"), assumes=(Convex, SmoothPart), note="for any t+^2 - t+ <= t^2",
              **up_to | dict(recipe=lambda L, share, grow: dict(step=share / L, grow=grow),
                             vary=dict(share=(1.0, 0.1), grow=(fast, by_halves)))),
    Guarantee(suboptimality, lambda k, L, R: 2 * L * R**2 / (k**2 + 5 * k + 2),
              cite(0, 0, "Taylor-Hendrickx-Glineur 2017, Table 1"), assumes=(Convex, SmoothPart), tightness="tight",
              on=fast_ramps, recipe=lambda L: dict(step=1 / L, grow=by_halves),
              control=replace(beyond, on=lambda rng: pool(Convex, SmoothPart, needs=("prox",))),
              note="found by semidefinite programs, for every k that was tried; no proof is printed", proved=False),
)
