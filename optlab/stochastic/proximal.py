"""Proximal SGD, and the stochastic proximal point method."""

from __future__ import annotations

import numpy as np

from optlab.problems import sums
from optlab.problems.assumptions import (
    Convex,
    ConvexTerms,
    Interpolation,
    LipschitzTerms,
    SmoothPart,
    StronglyConvexPart,
    StronglyConvexTerms,
)
from optlab.problems.composite import ElasticNetRegression, Lasso

from ..fold import average
from ..guarantee import Control, Guarantee, cite
from ..measures import sq_distance, suboptimality
from ..methods import method
from .sgd import far, noiseless


@method(needs=("stochastic_grad", "prox"), family="stochastic", restartable=True)
def prox_sgd(problem, x, *, step, rng):
    """Proximal SGD, x+ = prox_{step h}(x - step grad f_i(x)) (Duchi-Singer 2009; Garrigos-Gower 2023)."""
    while True:
        yield x
        x = problem.prox(x - step * problem.stochastic_grad(x, rng), step)


@method(needs=("component_prox",), family="stochastic", restartable=True)
def stochastic_proximal_point(problem, x, *, step, rng):
    """Stochastic proximal point, x+ = prox_{step f_i}(x), i uniform (Bertsekas 2011; Asi-Duchi 2019)."""
    while True:
        yield x
        x = problem.component_prox(x, rng.index(problem.n), step)


def small_composites(rng):
    X = rng.standard_normal((sums.N, sums.D))
    y = X @ np.array([2.0, -1.0, 0.0, 0.0, 0.0]) + rng.standard_normal(sums.N)
    problems = Lasso(X, y, 0.2, name="small lasso"), ElasticNetRegression(X, y, 0.1, 0.2, name="small elastic net")
    return [far(p) for p in problems]


too_long = Control("step beyond 2/L", recipe=lambda L: dict(step=3 / L), steps=40)

prox_sgd.proves(
    Guarantee(suboptimality, lambda k, step, R, D0, Lmax, sigma_star:
              ((R**2 + 2 * step * D0) / (2 * step * k) + 2 * step * sigma_star**2) / (1 - 4 * step * Lmax),
              cite(165, 23, "Sec 11.1"), at=average, mode="expectation", assumes=(Convex, SmoothPart),
              on=small_composites, recipe=lambda Lmax, share: dict(step=share / (4 * Lmax)),
              vary=dict(share=(0.5, 0.1)),
              valid=lambda step, Lmax: 0 < step < 1 / (4 * Lmax), control=(too_long, noiseless(small_composites))),
    Guarantee(sq_distance, lambda k, step, mu, R, sigma_star:
              (1 - step * mu) ** k * R**2 + 2 * step * sigma_star**2 / mu,
              cite(165, 24, "Sec 11.2"), mode="expectation", assumes=(Convex, SmoothPart, StronglyConvexPart),
              on=small_composites, recipe=lambda Lmax, share: dict(step=share / (2 * Lmax)),
              vary=dict(share=(1.0, 0.25)),
              valid=lambda step, Lmax: 0 < step <= 1 / (2 * Lmax),
              drift=lambda V, step, mu, sigma_star: (1 - step * mu) * V + 2 * (step * sigma_star) ** 2,
              control=(too_long, noiseless(small_composites))),
)

stochastic_proximal_point.proves(
    Guarantee(suboptimality, lambda k, step, R, Gmax: R**2 / (2 * step * k) + step * Gmax**2 / 2,
              cite(165, 27, "SPP section"), at=average, mode="expectation", assumes=(ConvexTerms, LipschitzTerms), symbolic=True,
              tightness="tight",
              on=lambda rng: far(sums.absolute(rng)),
              recipe=lambda R, Gmax, share, horizon: dict(step=share * R / (Gmax * horizon**0.5)),
              vary=dict(share=(0.3, 1.0)), valid=lambda step: step > 0,
              control=Control("steps four hundred times shorter", recipe=lambda step: dict(step=step / 400))),
    Guarantee(sq_distance, lambda k, step, mu_terms, R: (1 + step * mu_terms) ** (-2 * k) * R**2,
              cite(165, 28, "SPP section"), mode="expectation", assumes=(StronglyConvexTerms, Interpolation), symbolic=True,
              tightness="tight",
              on=lambda rng: [far(sums.interpolating_ridge(rng, l2)) for l2 in (0.5, 2.0)],
              recipe=lambda step: dict(step=step), vary=dict(step=(0.1, 1.0)), valid=lambda step: step > 0, steps=40,
              drift=lambda V, step, mu_terms: V / (1 + step * mu_terms) ** 2,
              control=Control("steps a hundred times shorter", recipe=lambda step: dict(step=step / 100))),
)
