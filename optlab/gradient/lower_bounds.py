"""Below what no first-order method can go: Nesterov's chains as guarantees that any such method may carry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from optlab.problems.assumptions import Convex, Smooth, StronglyConvex
from optlab.problems.hard import NesterovChain

from ..fold import best
from ..functions import sqrt
from ..guarantee import Case, Control, Guarantee, cite
from ..measures import suboptimality
from ..methods import as_method


def convex_chains(rng):
    """For t oracle calls a chain of 2t + 1 (t - 1 steps have been taken at the last of them)."""
    return [Case(p, p.x0, steps=t) for t in (2, 10, 60) for p in [NesterovChain(2 * t + 1)]]


def strongly_convex_chains(rng):
    """Chains so long that their end is out of reach."""
    chains = ((NesterovChain(40, kappa=16.0), 3), (NesterovChain(150, kappa=100.0), 30))
    return [Case(p, p.x0, steps=k) for p, k in chains]


def newton(problem, x):
    """Sabotage: a step that reads the whole matrix."""
    while True:
        yield x
        x = x - np.linalg.solve(problem.hess(x), problem.grad(x)[..., None])[..., 0]


def polyak_rate(L, mu):
    """(sqrt kappa - 1)/(sqrt kappa + 1)."""
    return (sqrt(L / mu) - 1) / (sqrt(L / mu) + 1)


def lower_bounds(recipe: Callable[..., Mapping[str, Any]], **vary: Iterable[Any]) -> tuple[Guarantee, Guarantee]:
    """Bubeck's Theorems 3.14 and 3.15 for a method whose iterates stay in x0 + span of the gradients seen.

    ``recipe`` names ``horizon``: a chain resists for the number of steps that it was made for.
    """
    outside = Control("Newton's step, which leaves the span", method=as_method(newton))
    common = dict(relation=">=", recipe=recipe, vary=vary, control=outside, symbolic=False)
    return (
        Guarantee(suboptimality, lambda k, L, R: 3 * L * R**2 / (32 * (k + 1) ** 2), cite(70, 13, "Thm 3.14"),
                  assumes=(Convex, Smooth), at=best, on=convex_chains, **common),
        Guarantee(suboptimality, lambda k, L, mu, R: mu / 2 * polyak_rate(L, mu) ** (2 * k) * R**2,
                  cite(70, 14, "Thm 3.15"), assumes=(StronglyConvex, Smooth), on=strongly_convex_chains, **common),
    )
