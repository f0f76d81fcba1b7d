"""Mirror prox: mirror descent with the gradient of the point that a first, tentative, mirror step reaches."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optlab.problems import entropic
from optlab.problems.assumptions import Convex, SmoothOnSimplex

from ..functions import log
from ..guarantee import Case, Control, Guarantee, cite
from ..measures import suboptimality
from ..methods import method
from ..variational.single_call import leading_average


class Tentative(NamedTuple):
    """The point, and the one that the tentative step reaches from it."""

    x: Any
    half: Any


@method(needs=("grad", "mirror"), family="constrained", symbolic=False)
def mirror_prox(problem, x, *, step):
    """Mirror prox: half = mirror(x, step grad f(x)), x+ = mirror(x, step grad f(half)) (Nemirovski 2004)."""
    while True:
        half = problem.mirror(x, step * problem.grad(x))
        yield Tentative(x, half)
        x = problem.mirror(x, step * problem.grad(half))


def on_simplices(rng):
    """From the uniform point, where the entropy is least."""
    return [Case(p, np.full(p.dim, 1 / p.dim))
            for p in (entropic.near_vertex_quadratic(), entropic.random_quadratic_on_simplex())]


mirror_prox.proves(
    Guarantee(suboptimality, lambda k, L_l1, dim: L_l1 * log(dim) / k, cite(70, 20, "Thm 4.4"), at=leading_average,
              assumes=(Convex, SmoothOnSimplex), recipe=lambda L_l1: dict(step=1 / L_l1), on=on_simplices,
              control=Control("steps a hundred times too short", recipe=lambda step: dict(step=step / 100)),
              note="entropy on the simplex: rho = 1, R^2 = log(dim)"),
)
