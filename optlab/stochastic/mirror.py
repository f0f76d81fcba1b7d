"""Stochastic mirror descent on the simplex, with the entropy as mirror map."""

from __future__ import annotations

import numpy as np

from optlab.problems import entropic
from optlab.problems.assumptions import Convex, DualMoment, DualVariance, SmoothOnSimplex

from ..fold import Fold, average
from ..functions import log, sqrt
from ..guarantee import Case, Control, Guarantee, cite
from ..measures import point, suboptimality
from ..methods import method


@method(needs=("stochastic_grad", "mirror"), family="stochastic", restartable=True, symbolic=False)
def stochastic_mirror_descent(problem, x, *, step, rng):
    """Stochastic mirror descent, x+ = argmin_s <step g, s> + D(s, x), E g a subgradient at x (Bubeck 2015, Sec 6.1)."""
    while True:
        yield x
        x = problem.mirror(x, step * problem.stochastic_grad(x, rng))


def _points_reached(iterates, quantities):
    """x_0, then at index k the mean of x_1 .. x_k."""
    mean = None
    for k, it in enumerate(iterates):
        mean = point(it) if k < 2 else mean + (1 / k) * (point(it) - mean)
        yield mean


points_reached = Fold("average of the points reached", _points_reached)


def from_uniform(*problems):
    """From the uniform point, where the entropy is least: R^2 = log d."""
    return [Case(p, np.full(p.dim, 1 / p.dim)) for p in problems]


timid = Control("steps a hundred times too short", recipe=lambda step: dict(step=step / 100))

stochastic_mirror_descent.proves(
    Guarantee(suboptimality, lambda k, dim, B_dual: B_dual * sqrt(2 * log(dim) / k), cite(70, 26, "Thm 6.1"),
              mode="expectation", at=average, assumes=(Convex, DualMoment), control=timid, horizons=(10, 200),
              recipe=lambda dim, B_dual, horizon: dict(step=sqrt(2 * log(dim) / horizon) / B_dual),
              on=lambda rng: from_uniform(entropic.one_good_arm_sampled(), entropic.mean_absolute_on_simplex())),
    Guarantee(suboptimality, lambda k, dim, sigma_dual, L_l1: sigma_dual * sqrt(2 * log(dim) / k) + L_l1 * log(dim) / k,
              cite(70, 28, "Thm 6.3"), mode="expectation", at=points_reached, control=timid, horizons=(10, 200),
              assumes=(Convex, SmoothOnSimplex, DualVariance),
              recipe=lambda dim, sigma_dual, L_l1, horizon: dict(
                  step=1 / (L_l1 + sigma_dual / sqrt(2 * log(dim) / horizon))),
              on=lambda rng: from_uniform(*(entropic.SignNoise(p, 0.5) for p in (
                  entropic.near_vertex_quadratic(), entropic.random_quadratic_on_simplex())))),
)
