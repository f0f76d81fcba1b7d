"""Stochastic gradient descent on finite sums: convex, strongly convex, PL, nonconvex, in batches, with momentum."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from optlab.problems import sums
from optlab.problems.assumptions import (
    PL,
    ConvexTerms,
    Interpolation,
    LowerBounded,
    NoiseAtSolution,
    Smooth,
    SmoothTerms,
    StronglyConvex,
    StronglyConvexTerms,
)
from optlab.problems.base import Misdeclared

from ..fold import average, best, weighted
from ..functions import ceil, exp, harmonic, log, maximum, sqrt
from ..guarantee import Case, Control, Guarantee, cite, now
from ..measures import EPS, Measure, point, sq_distance, sq_gradient, suboptimality
from ..methods import as_method, method
from ..steps import at, inverse_sqrt, inverse_square, switching


class State(NamedTuple):
    """The point and the steps taken so far."""

    x: Any
    k: int


class Momentum(NamedTuple):
    """The point, the momentum (a weighted sum of past gradients) and the steps taken so far."""

    x: Any
    m: Any
    k: int


@method(needs=("stochastic_grad",), family="stochastic", restartable=True)
def sgd(problem, x, k=0, *, step, batch=1, stride=1, rng):
    """SGD, x+ = x - step_k grad f_B(x), B uniform without replacement (Robbins-Monro 1951; Garrigos-Gower 2023).

    ``stride`` > 1 yields after that many steps on single terms, taken in one pass of compiled code (GLMs).
    """
    while True:
        yield State(x, k)
        if stride > 1:
            x = problem.sgd_pass(x, rng.indices(problem.n, stride), [at(step, k + t) for t in range(stride)])
        else:
            x = x - at(step, k) * problem.stochastic_grad(x, rng, batch)
        k = k + stride


@method(needs=("stochastic_grad",), family="stochastic", restartable=True)
def sgd_momentum(problem, x, m=None, k=0, *, eta, rng):
    """SGD with momentum: m = k/(k+2) m + grad f_i(x), x+ = x - 2 eta/(k+3) m (Sebbouh-Gower-Defazio 2021)."""
    m = 0.0 * x if m is None else m
    while True:
        yield Momentum(x, m, k)
        m = k / (k + 2) * m + problem.stochastic_grad(x, rng)
        x = x - 2 * eta / (k + 3) * m
        k = k + 1


def with_replacement(problem, x, k=0, *, step, batch=1, rng):
    """Sabotage of ``sgd``: the batch is drawn with replacement."""
    while True:
        yield State(x, k)
        x = x - step * sum(problem.component_grad(x, rng.index(problem.n)) for _ in range(batch)) / batch
        k = k + 1


# --- what the theorems speak of ------------------------------------------------------------------------------
def _mean_sq_terms(problem, iterate):
    x = point(iterate)[..., None, :]
    return array_namespace(x).mean(problem.sq(problem.component_grad(x, np.arange(problem.n))), axis=-1)


mean_sq_terms = Measure(
    "mean_i ||grad f_i(x)||^2", _mean_sq_terms, r"\mathbb{E}\|\nabla f_i(x_k)\|^2",
    lambda problem, it: 64 * EPS * (problem.Lmax * problem.norm(point(it))) ** 2,
)


def batch_L(L, Lmax, n, batch):
    """Expected smoothness of a batch without replacement."""
    return n * (batch - 1) / (batch * (n - 1)) * L + (n - batch) / (batch * (n - 1)) * Lmax


def batch_noise(sigma_star, n, batch):
    """Mean squared gradient at x_star of a batch without replacement."""
    return (n - batch) / (batch * (n - 1)) * sigma_star**2


def switching_bound(k, R, sigma_star, Lmax, mu):
    """8 sigma^2/(mu^2 k) + 16 ceil(Lmax/mu)^2 R^2/(e^2 k^2), from k = 4 ceil(Lmax/mu) on (before: no claim)."""
    bound = 8 * sigma_star**2 / (mu**2 * k) + 16 * ceil(Lmax / mu) ** 2 * R**2 / (exp(2) * k**2)
    return np.where(k >= 4 * np.ceil(Lmax / mu), bound, np.inf) if isinstance(k, np.ndarray) else bound


def noisy_contraction(k, step, Lmax, mu_terms, R, sigma_star):
    """k times s -> (step (Lmax - mu)/2 sqrt(s) + sqrt((1 - step (Lmax + mu)/2)^2 s + step^2 sigma^2))^2, from s = R^2."""
    sq, half = R**2 + 0 * k, step * (Lmax - mu_terms) / 2
    for t in range(int(np.max(k))):
        after = (half * sqrt(sq) + sqrt((1 - step * (Lmax + mu_terms) / 2) ** 2 * sq + (step * sigma_star) ** 2)) ** 2
        sq = np.where(t < k, after, sq)
    return sq


# --- families and sabotages -----------------------------------------------------------------------------------
def far(problem, distance=3.0, **options):
    """The problem started at a stated distance from its solution, in a fixed direction."""
    return Case(problem, problem.x_star + distance * np.ones(problem.point_shape) / np.sqrt(problem.dim), **options)


def small_sums(rng):
    """Small finite sums, strongly convex; on the first, Lmax is 12 times L."""
    return [far(sums.ridge(rng, heavy=10.0)), far(sums.ridge(rng)), far(sums.logistic(rng))]


def one_minimizer(rng):
    return [far(sums.interpolating_ridge(rng, l2)) for l2 in (0.5, 2.0)]


def small_least_squares(rng):
    """Least squares without regularization: convex, PL, with known function noise."""
    return [far(sums.ridge(rng, 0.0)), far(sums.interpolating(rng))]


def small_nonconvex(rng):
    return [far(sums.welsch(rng), 0.5), far(sums.welsch(rng, 0.1), 1.0), far(sums.ridge(rng, 0.0), 1.0)]


def unit_rows(rng):
    """Lmax / mu is below 5, so that the schedule switches at 20."""
    return [Case(sums.bounded_condition(rng), replicates=2048)]


def from_solution(family, **options):
    return lambda rng: [Case(c.problem, c.problem.x_star, replicates=512, **options) for c in family(rng)]


def declared(family, **wrong):
    """The family with its constants misdeclared: each a function of the true one."""
    return lambda rng: [Case(Misdeclared(c.problem, **{n: of(getattr(c.problem, n)) for n, of in wrong.items()}), c.x0)
                        for c in family(rng)]


def noiseless(family, noise="sigma_star"):
    """Start at x*, and the theorem told that there is no noise: any movement violates it."""
    return Control("noise declared zero, from x0 = x*", on=declared(from_solution(family), **{noise: lambda true: 0.0}))


def beyond_Lmax(share):
    return Control("L in place of Lmax", recipe=lambda L: dict(step=share / L), steps=120)


too_smooth = "Lmax declared four times too small"
replaced = Control("drawn with replacement, from x0 = x*", method=as_method(with_replacement),
                   on=from_solution(small_sums, steps=20))

sgd.proves(
    Guarantee(mean_sq_terms, lambda Lmax, gap, sigma_star: 4 * Lmax * gap + 2 * sigma_star**2,
              cite(165, 2, "Sec 4.3", claim="convex"), assumes=(ConvexTerms, SmoothTerms), on=small_sums, first=0,
              using=dict(gap=now(suboptimality)), recipe=lambda Lmax: dict(step=1 / (4 * Lmax)),
              control=Control(too_smooth, on=declared(lambda rng: [far(c.problem, 30.0) for c in small_sums(rng)],
                                                      Lmax=lambda true: true / 4))),
    Guarantee(mean_sq_terms, lambda Lmax, gap, Delta: 2 * Lmax * (gap + Delta),
              cite(165, 2, "Sec 4.3", claim="nonconvex"), assumes=(LowerBounded, SmoothTerms), on=small_nonconvex,
              first=0, using=dict(gap=now(suboptimality)), recipe=lambda Lmax: dict(step=1 / (4 * Lmax)),
              control=Control(too_smooth, on=declared(small_nonconvex, Lmax=lambda true: true / 4))),
    Guarantee(suboptimality, lambda k, h, R, Lmax, sigma_star: (R**2 / 2 + (sigma_star * h) ** 2 * harmonic(k))
              / (h * harmonic(k, 0.5) - 2 * h**2 * Lmax * harmonic(k)), cite(165, 7, "Sec 5.1"), mode="expectation",
              at=weighted(lambda s, step, Lmax: step(s) * (1 - 2 * step(s) * Lmax), "average by h_t (1 - 2 h_t Lmax)"),
              assumes=(ConvexTerms, SmoothTerms, NoiseAtSolution), on=small_sums, symbolic=True, vary=dict(share=(0.4, 0.1)),
              recipe=lambda Lmax, share: dict(h=share / Lmax, step=inverse_sqrt(share / Lmax)),
              control=(Control("h a hundred times too large", steps=40,
                               recipe=lambda Lmax: dict(step=inverse_sqrt(40 / Lmax))), noiseless(small_sums))),
    Guarantee(suboptimality, lambda k, step, R, sigma_star: R**2 / (step * k) + 2 * step * sigma_star**2,
              cite(165, 8, "Sec 5.1"), at=average, mode="expectation", assumes=(ConvexTerms, SmoothTerms, NoiseAtSolution),
              on=small_sums, recipe=lambda Lmax, share: dict(step=share / (4 * Lmax)), vary=dict(share=(1.0, 0.25)),
              symbolic=True, valid=lambda step, Lmax: 0 < step <= 1 / (4 * Lmax),
              control=(beyond_Lmax(1 / 4), noiseless(small_sums))),
    Guarantee(suboptimality, lambda k, h, R, sigma_star: (R**2 / h + h * sigma_star**2 * log(k + 1)) / sqrt(k),
              cite(165, 9, "Sec 5.1"), at=average, mode="order", assumes=(ConvexTerms, SmoothTerms), steps=1000,
              on=lambda rng: far(sums.logistic(rng, 0.5), 1.0, replicates=128),
              recipe=lambda Lmax: dict(h=1 / (4 * Lmax), step=inverse_sqrt(1 / (4 * Lmax))),
              control=Control("steps with a finite sum", recipe=lambda h: dict(step=inverse_square(h)))),
    Guarantee(sq_distance, lambda k, step, mu, R, sigma_star:
              (1 - step * mu) ** k * R**2 + 2 * step * sigma_star**2 / mu, cite(165, 10, "Sec 5.2"), mode="expectation",
              assumes=(ConvexTerms, SmoothTerms, StronglyConvex, NoiseAtSolution), on=small_sums, symbolic=True,
              recipe=lambda Lmax, share: dict(step=share / (2 * Lmax)), vary=dict(share=(1.0, 0.25)),
              valid=lambda step, Lmax: 0 < step <= 1 / (2 * Lmax),
              drift=lambda V, step, mu, sigma_star: (1 - step * mu) * V + 2 * (step * sigma_star) ** 2,
              control=(beyond_Lmax(1 / 2), noiseless(small_sums))),
    Guarantee(sq_distance, switching_bound, cite(165, 11, "Sec 5.2 (Gower et al. 2019)"), mode="expectation", first=20,
              assumes=(ConvexTerms, SmoothTerms, StronglyConvex), on=unit_rows, steps=500,
              recipe=lambda Lmax, mu: dict(step=switching(Lmax, mu)),
              control=(Control("the step never switches", recipe=lambda Lmax: dict(step=1 / (2 * Lmax))),
                       noiseless(unit_rows))),
    Guarantee(suboptimality, lambda k, step, mu, D0, L, Lmax, Delta:
              (1 - step * mu) ** k * D0 + step * L * Lmax * Delta / mu, cite(165, 12, "Sec 5.3"), mode="expectation",
              assumes=(PL, Smooth, SmoothTerms), on=small_least_squares,
              recipe=lambda L, Lmax, mu, share: dict(step=share * mu / (L * Lmax)), vary=dict(share=(1.0, 0.25)),
              valid=lambda step, L, Lmax, mu: 0 < step <= mu / (L * Lmax),
              drift=lambda V, step, mu, L, Lmax, Delta: (1 - step * mu) * V + step**2 * L * Lmax * Delta,
              control=(beyond_Lmax(2), noiseless(small_least_squares, "Delta"))),
    Guarantee(sq_gradient, lambda k, step, L, Lmax, D0, Delta: (1 + step**2 * L * Lmax) ** k * D0 / (step * k)
              + step * L * Lmax * Delta, cite(165, 13, "Sec 5"), at=best, mode="expectation",
              assumes=(LowerBounded, Smooth, SmoothTerms), on=small_nonconvex,
              recipe=lambda L, Lmax, horizon: dict(step=sqrt(2 / (L * Lmax * horizon))), valid=lambda step: step > 0,
              control=Control("steps a thousand times shorter", recipe=lambda step: dict(step=step / 1000))),
    Guarantee(suboptimality, lambda k, step, R, sigma_star, n, batch:
              R**2 / (step * k) + 2 * step * batch_noise(sigma_star, n, batch), cite(165, 14, "Sec 6.2"), at=average,
              mode="expectation", assumes=(ConvexTerms, SmoothTerms), on=small_sums, steps=100,
              vary=dict(batch=(3, 12)),
              recipe=lambda L, Lmax, n, batch: dict(step=1 / (4 * batch_L(L, Lmax, n, batch))),
              valid=lambda step, L, Lmax, n, batch: 0 < step <= 1 / (4 * batch_L(L, Lmax, n, batch)), control=replaced),
    Guarantee(sq_distance, lambda k, step, mu, R, sigma_star, n, batch:
              (1 - step * mu) ** k * R**2 + 2 * step * batch_noise(sigma_star, n, batch) / mu,
              cite(165, 15, "Sec 6.3"), mode="expectation", assumes=(ConvexTerms, SmoothTerms, StronglyConvex),
              on=small_sums, steps=100,
              recipe=lambda L, Lmax, n, batch: dict(step=1 / (2 * batch_L(L, Lmax, n, batch))),
              vary=dict(batch=(3, 12)),
              valid=lambda step, L, Lmax, n, batch: 0 < step <= 1 / (2 * batch_L(L, Lmax, n, batch)),
              drift=lambda V, step, mu, sigma_star, n, batch:
              (1 - step * mu) * V + 2 * step**2 * batch_noise(sigma_star, n, batch), control=replaced),
    Guarantee(sq_distance, noisy_contraction, cite(0, 0, "Taylor, Hendrickx, Glineur 2017 (PESTO); by Minkowski, concave in s"),
              mode="expectation", assumes=(SmoothTerms, StronglyConvexTerms, NoiseAtSolution), on=small_sums, tightness="tight",
              recipe=lambda Lmax, share: dict(step=share / Lmax), vary=dict(share=(0.7, 0.1)), valid=lambda step: step > 0,
              drift=lambda V, step, Lmax, mu_terms, sigma_star:
              noisy_contraction(np.ones(()), step, Lmax, mu_terms, sqrt(V), sigma_star), steps=100, symbolic=True,
              control=(Control("steps forty times too large", recipe=lambda step: dict(step=40 * step)), noiseless(small_sums))),
    Guarantee(sq_distance, lambda k, step, Lmax, mu_terms, R: maximum(1 - step * mu_terms, step * Lmax - 1) ** (2 * k) * R**2,
              cite(0, 0, "Taylor, Hendrickx, Glineur 2017 (PESTO), no noise at the solution"), mode="expectation",
              assumes=(SmoothTerms, StronglyConvexTerms, Interpolation), on=one_minimizer, tightness="tight", symbolic=True,
              recipe=lambda Lmax, share: dict(step=share / Lmax), vary=dict(share=(1.0, 1.9)), steps=60,
              valid=lambda step, Lmax: 0 < step < 2 / Lmax,
              drift=lambda V, step, Lmax, mu_terms: maximum(1 - step * mu_terms, step * Lmax - 1) ** 2 * V,
              control=(Control("steps twenty times too large", recipe=lambda step: dict(step=20 * step)),
                       Control("steps a hundred times shorter", recipe=lambda step: dict(step=step / 100)))),
)

sgd_momentum.proves(
    Guarantee(suboptimality, lambda k, eta, R, sigma_star: R**2 / (eta * (k + 1)) + 2 * eta * sigma_star**2,
              cite(165, 16, "Sec 7.2"), mode="expectation", assumes=(ConvexTerms, SmoothTerms),
              on=lambda rng: [far(sums.ridge(rng)), far(sums.logistic(rng))],
              recipe=lambda Lmax, share: dict(eta=share / (4 * Lmax)), vary=dict(share=(1.0, 0.25)),
              valid=lambda eta, Lmax: 0 < eta <= 1 / (4 * Lmax),
              control=(Control("eta eighty times too large", recipe=lambda Lmax: dict(eta=20 / Lmax), steps=60),
                       noiseless(small_sums))),
)
