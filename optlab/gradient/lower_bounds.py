"""Below what no first-order method can go: Nesterov's chains as guarantees that any such method may carry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from optlab.problems.assumptions import Chain, Convex, GeometricChain, Smooth, StronglyConvex
from optlab.problems.base import Misdeclared
from optlab.problems.hard import NesterovChain

from ..fold import best
from ..functions import sqrt
from ..guarantee import Case, Control, Guarantee, cite, start
from ..measures import point, suboptimality
from ..methods import as_method


def convex_chains(rng):
    """For t oracle calls a chain of 2t + 1."""
    return [Case(NesterovChain(2 * t + 1), np.zeros(2 * t + 1), steps=t) for t in (2, 10, 60)]


def geometric_chains(rng):
    """Chains so long that their end is out of reach."""
    return [Case(NesterovChain(n, kappa=kappa), np.zeros(n), steps=k) for n, kappa, k in ((40, 16.0, 3), (150, 100.0, 30))]


def hides(k, origin, made_for):
    """1 where the theorem speaks (a run from 0, a chain made for k calls), 0 where it claims nothing; 1 on symbols."""
    return origin * made_for if isinstance(k, np.ndarray) else 1


def newton(problem, x):
    """Sabotage: a step that reads the whole matrix."""
    while True:
        yield x
        x = x - np.linalg.solve(problem.hess(x), problem.grad(x)[..., None])[..., 0]


def polyak_rate(L, mu):
    """(sqrt kappa - 1)/(sqrt kappa + 1)."""
    return (sqrt(L / mu) - 1) / (sqrt(L / mu) + 1)


def no_parameters():
    return {}


def lower_bounds(recipe: Callable[..., Mapping[str, Any]] = no_parameters,
                 **vary: Iterable[Any]) -> tuple[Guarantee, Guarantee]:
    """Bubeck's Theorems 3.14 and 3.15 for a method whose iterates stay in x0 + span of the gradients seen."""
    outside = Control("Newton's step, which leaves the span", method=as_method(newton))
    walked = Control("a chain of three, declared to be long", on=lambda rng: [
        Case(Misdeclared(NesterovChain(3), length=201), np.zeros(3), steps=100)])
    common = dict(relation=">=", recipe=recipe, vary=vary, symbolic=False,
                  using=dict(origin=start(lambda problem, it: 1.0 * (problem.sq(point(it)) == 0))))
    return (
        Guarantee(suboptimality, lambda k, L, R, length, origin:
                  hides(k, origin, 2 * k + 1 == length) * 3 * L * R**2 / (32 * (k + 1) ** 2),
                  cite(70, 13, "Thm 3.14"), assumes=(Chain, Convex, Smooth), at=best, on=convex_chains,
                  control=(outside, walked), note="a chain of 2t + 1 is hard for t calls", **common),
        Guarantee(suboptimality, lambda k, L, mu, R, length, origin:
                  hides(k, origin, 4 * k <= length) * mu / 2 * polyak_rate(L, mu) ** (2 * k) * R**2,
                  cite(70, 14, "Thm 3.15"), assumes=(GeometricChain, StronglyConvex, Smooth), on=geometric_chains,
                  control=outside, note="the theorem's t counts points: t = k + 1; checked up to a quarter of the chain",
                  **common),
    )
