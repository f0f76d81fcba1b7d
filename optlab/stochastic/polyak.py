"""SGD with the stochastic Polyak step."""

from __future__ import annotations

from array_api_compat import array_namespace

from optlab.problems import sums
from optlab.problems.assumptions import ConvexTerms, Interpolation, LipschitzTerms, SmoothTerms

from ..fold import average, pairs
from ..functions import sqrt
from ..guarantee import Control, Guarantee, cite, now
from ..measures import Measure, sq_distance, suboptimality
from ..methods import method
from .sgd import far


@method(needs=("component_grad", "component_value"), family="stochastic", restartable=True, symbolic=False)
def polyak_sps(problem, x, *, scale=1.0, rng):
    """SPS*, x+ = x - scale (f_i(x) - f_i(x*))_+ / ||grad f_i(x)||^2 grad f_i(x), scale 1 (Loizou et al. 2021)."""
    while True:
        yield x
        i = rng.index(problem.n)
        g = problem.component_grad(x, i)
        gap = problem.component_value(x, i) - problem.component_value(problem.x_star, i)
        sq = problem.sq(g)
        x = x - problem.column(scale * array_namespace(x).clip(gap, 0, None) / (sq + (sq == 0))) * g


next_distance = Measure(
    "||y - x*||^2", lambda problem, pair: sq_distance(problem, pair.y), r"\|x_{k+1} - x^\star\|^2",
    lambda problem, pair: sq_distance.magnitude(problem, pair.y),
)
overshoot = Control("steps two and a half times the Polyak step", recipe=lambda: dict(scale=2.5))
unscaled = dict(recipe=lambda: dict(scale=1.0), valid=lambda scale: scale == 1, control=overshoot)


def small_absolute(rng):
    return far(sums.absolute(rng))


polyak_sps.proves(
    Guarantee(suboptimality, lambda k, Gmax, R: Gmax * R / sqrt(k), cite(165, 25, "SPS section", claim="rate"),
              at=average, mode="expectation", assumes=(ConvexTerms, LipschitzTerms), on=small_absolute, **unscaled),
    Guarantee(next_distance, lambda before: before, cite(165, 25, "SPS section", claim="distance never increases"),
              at=pairs, assumes=(ConvexTerms, LipschitzTerms), on=small_absolute, **unscaled,
              using=dict(before=now(lambda problem, pair: sq_distance(problem, pair.x)))),
    Guarantee(suboptimality, lambda k, Lmax, R: 2 * Lmax * R**2 / k, cite(165, 26, "SPS section"), at=average,
              mode="expectation", assumes=(ConvexTerms, SmoothTerms, Interpolation),
              on=lambda rng: [far(sums.interpolating(rng)), far(sums.interpolating_ridge(rng))],
              recipe=lambda: dict(scale=1.0), valid=lambda scale: scale == 1,
              control=Control("steps eight times the Polyak step", recipe=lambda: dict(scale=8.0))),
)
