"""Theorems of gradient descent where f need not be convex: least gradients, Polyak-Lojasiewicz, restricted secants."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optlab.problems.assumptions import PL, ErrorBound, LowerBounded, RestrictedSecant, Smooth
from optlab.problems.nonconvex import SinePL
from optlab.problems.pool import pool

from ..fold import Fold, best
from ..functions import minimum, sqrt
from ..guarantee import Case, Control, Guarantee, cite, now
from ..measures import sq_distance, sq_gradient, suboptimality


class Since(NamedTuple):
    """The point, the one before it, and the start."""

    x: Any
    previous: Any
    first: Any


def _since(iterates, quantities):
    first = previous = None
    for x in iterates:
        first, previous = (x, x) if first is None else (first, previous)
        yield Since(x, previous, first)
        previous = x


best_since = Fold("best", _since, minimum=True)


def effect(step, L):
    """4 step - L step^2, and above 1/L 4 step - L^2 step^3: what one more step adds below the fraction."""
    return minimum(4 * step - L * step**2, 4 * step - L**2 * step**3)


def lojasiewicz(k, step, L, mu, D0):
    """Three factors of f - f* a step, for steps up to 1/L, up to sqrt(3)/L, and up to 2/L."""
    h, m = step * L, mu / L
    if h <= 1:
        rate = ((m * (1 - h) + sqrt(4 - 2 * (1 + m) * (2 - h) * m * h)) / (2 + m)) ** 2
    elif h <= 3**0.5:
        rate = 1 - (2 - h) * (2 + h) * m * h / (2 + m * h)
    else:
        rate = (h - 1) ** 2 / ((h - 1) ** 2 + m * h * (2 - h))
    return rate**k * D0


def secants(rng):
    """Where the restricted secant inequality is met at the start; then the pool."""
    steepest = SinePL([1.0, 1.0])
    x = 4.493409457909064 / 2  # where sin(2x)/2x is least
    return [Case(steepest, np.array([x, 0.0])), *(Case(p) for p in pool(RestrictedSecant, ErrorBound))]


beyond = Control("step beyond 2/L", recipe=lambda L: dict(step=2.2 / L))
up_to_root_three = dict(recipe=lambda L, share: dict(step=share / L), vary=dict(share=(1.0, 0.5, 1.5)), control=beyond,
                        valid=lambda step, L: 0 < step * L <= 3**0.5, at=best)

beyond_convexity = (
    Guarantee(sq_gradient, lambda k, step, L, D0: 4 * D0 / ((k - 1) * effect(step, L) + 2 / L), tightness="tight",
              source=cite(0, 0, "Abbaszadehpeivasti-de Klerk-Zamani 2022, Thm 2"), assumes=(LowerBounded, Smooth),
              **up_to_root_three),
    Guarantee(sq_gradient, lambda k, step, L, drop: 4 * drop / ((k - 1) * effect(step, L)), first=2, tightness="tight",
              source=cite(0, 0, "Abbaszadehpeivasti-de Klerk-Zamani 2022, Thm 2, by the drop"), assumes=(LowerBounded, Smooth),
              using=dict(drop=now(lambda p, it: p.value(it.first) - p.value(it.previous))), hold=("drop",),
              **up_to_root_three | dict(at=best_since), note="the drop of f until the last gradient, in place of f(x0) - f*"),
    Guarantee(suboptimality, lojasiewicz, assumes=(PL, Smooth),
              source=cite(0, 0, "Abbaszadehpeivasti-de Klerk-Zamani 2023, Thm 3"), control=beyond,
              recipe=lambda L, share: dict(step=share / L), vary=dict(share=(1.0, 0.5, 1.5, 1.9)),
              valid=lambda step, L: 0 < step * L < 2),
    Guarantee(sq_distance, lambda k, step, rsi, eb, R: (1 - 2 * step * rsi + step**2 * eb**2) ** k * R**2,
              cite(0, 0, "Guille-Escuret-Goujaud-Ibrahim-Mitliagkas 2022, Prop 1"), assumes=(RestrictedSecant, ErrorBound),
              recipe=lambda rsi, eb, share: dict(step=share * rsi / eb**2), vary=dict(share=(1.0, 0.3)),
              valid=lambda step, rsi, eb: 0 < step <= 2 * rsi / eb**2, tightness="tight", on=secants,
              at_constants=dict(rsi=0.1, eb=1.0),
              control=Control("a tenth of the step", recipe=lambda step: dict(step=step / 10))),
)
