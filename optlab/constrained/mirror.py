"""Mirror descent and dual averaging, in the geometry of the problem's mirror map (the entropy on the simplex)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optlab.problems import max_linear
from optlab.problems.assumptions import Convex, LipschitzMirror

from ..fold import average
from ..functions import sqrt
from ..guarantee import Case, Control, Guarantee, cite
from ..measures import suboptimality
from ..methods import method


class Averaged(NamedTuple):
    """The point, the sum of the subgradients, and the point where the mirror map is least."""

    x: Any
    total: Any
    center: Any


@method(needs=("grad", "mirror"), family="constrained", restartable=True, symbolic=False)
def mirror_descent(problem, x, *, step):
    """Mirror descent, x+ = argmin_s <step g, s> + D(s, x), g a subgradient at x (Nemirovski-Yudin 1983)."""
    while True:
        yield x
        x = problem.mirror(x, problem.column(step) * problem.grad(x))


@method(needs=("grad", "mirror"), family="constrained", restartable=True, symbolic=False)
def dual_averaging(problem, x, total=0.0, center=None, *, step):
    """Dual averaging, x+ = argmin_s <step (g_0 + .. + g_k), s> + D(s, x_0) (Nesterov 2009)."""
    center = x if center is None else center
    total = total + 0 * x
    while True:
        yield Averaged(x, total, center)
        total = total + problem.grad(x)
        x = problem.mirror(center, problem.column(step) * total)


def on_simplices(rng):
    """From the uniform point, where the entropy is least, and from points inside."""
    starts = np.concatenate([np.full((1, 6), 1 / 6), rng.dirichlet(np.full(6, 4.0), size=3)])
    return [Case(p, starts) for p in (max_linear.one_good_arm(), max_linear.max_affine_on_simplex())]


timid = Control("steps a hundred times too short", recipe=lambda step: dict(step=step / 100))

mirror_descent.proves(
    Guarantee(suboptimality, lambda k, R_entropy, G_dual, rho: R_entropy * G_dual * sqrt(2 / (rho * k)),
              cite(70, 18, "Thm 4.2"), assumes=(Convex, LipschitzMirror), at=average, on=on_simplices, control=timid,
              recipe=lambda R_entropy, G_dual, rho, horizon: dict(step=R_entropy / G_dual * sqrt(2 * rho / horizon))),
)
dual_averaging.proves(
    Guarantee(suboptimality, lambda k, R_entropy, G_dual, rho: 2 * R_entropy * G_dual * sqrt(2 / (rho * k)),
              cite(70, 19, "Thm 4.3"), assumes=(Convex, LipschitzMirror), at=average, on=on_simplices, control=timid,
              recipe=lambda R_entropy, G_dual, rho, horizon: dict(step=R_entropy / G_dual * sqrt(rho / (2 * horizon)))),
)
