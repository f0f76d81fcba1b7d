"""Stochastic gradient descent on finite sums: convex, strongly convex, PL, nonconvex, in batches, with momentum."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from optlab.problems import sums
from optlab.problems.assumptions import (
    PL,
    ConvexTerms,
    LowerBounded,
    Smooth,
    SmoothTerms,
    StronglyConvex,
)
from optlab.problems.base import Misdeclared

from ..fold import average, best, weighted
from ..functions import ceil, exp, harmonic, log, sqrt
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
def sgd(problem, x, k=0, *, step, batch=1, rng):
    """SGD, x+ = x - step_k grad f_B(x), B uniform without replacement (Robbins-Monro 1951; Garrigos-Gower 2023)."""
    while True:
        yield State(x, k)
        x = x - at(step, k) * problem.stochastic_grad(x, rng, batch)
        k = k + 1


@method(needs=("stochastic_grad",), family="stochastic", restartable=True)
def sgd_momentum(problem, x, m=0.0, k=0, *, eta, rng):
    """SGD with momentum: m = k/(k+2) m + grad f_i(x), x+ = x - 2 eta/(k+3) m (Sebbouh-Gower-Defazio 2021)."""
    m = m + 0.0 * x
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


# --- families and sabotages -----------------------------------------------------------------------------------
def far(problem, distance=3.0):
    """A start at a stated distance from the solution, in a fixed direction."""
    return problem.x_star + distance * np.ones(problem.point_shape) / np.sqrt(problem.dim)


def small_sums(rng):
    """Small finite sums, strongly convex; on the first, Lmax is 12 times L."""
    return [Case(p, far(p)) for p in (sums.ridge(rng, heavy=10.0), sums.ridge(rng), sums.logistic(rng))]


def small_least_squares(rng):
    """Least squares without regularization: convex, PL, with known function noise."""
    return [Case(p, far(p)) for p in (sums.ridge(rng, 0.0), sums.interpolating(rng))]


def small_nonconvex(rng):
    return [Case(p, far(p, r)) for p, r in ((sums.welsch(rng), 0.5), (sums.welsch(rng, 0.1), 1.0), (sums.ridge(rng, 0.0), 1.0))]


def from_solution(family, **noiseless):
    """The family started at x_star, its noise declared to be zero."""
    return lambda rng: [Case(Misdeclared(c.problem, **noiseless), c.problem.x_star, replicates=512) for c in family(rng)]


def for_batches(rng):
    return [Case(c.problem, c.x0, steps=100, replicates=1024) for c in small_sums(rng)]


replaced = Control("drawn with replacement, from x0 = x*", method=as_method(with_replacement), on=lambda rng: [
    Case(c.problem, c.problem.x_star, steps=20, replicates=512) for c in small_sums(rng)])
forgotten_noise = Control("noise declared zero, from x0 = x*", on=from_solution(small_sums, sigma_star=0.0))


def beyond_Lmax(share):
    return Control("L in place of Lmax", recipe=lambda L: dict(step=share / L))


def linear(k, contraction, start, noise):
    """contraction^k start + noise."""
    return contraction**k * start + noise


sgd.proves(
    Guarantee(mean_sq_terms, lambda Lmax, gap, sigma_star: 4 * Lmax * gap + 2 * sigma_star**2,
              cite(165, 2, "Sec 4.3", claim="convex"), assumes=(ConvexTerms, SmoothTerms), on=small_sums, first=0,
              using=dict(gap=now(suboptimality)), recipe=lambda Lmax: dict(step=1 / (4 * Lmax)),
              control=Control("Lmax declared four times too small", on=lambda rng: [
                  Case(Misdeclared(c.problem, Lmax=c.problem.Lmax / 4), far(c.problem, 30.0)) for c in small_sums(rng)])),
    Guarantee(mean_sq_terms, lambda Lmax, gap, Delta: 2 * Lmax * (gap + Delta),
              cite(165, 2, "Sec 4.3", claim="nonconvex"), assumes=(LowerBounded, SmoothTerms), on=small_nonconvex, first=0,
              using=dict(gap=now(suboptimality)), recipe=lambda Lmax: dict(step=1 / (4 * Lmax)),
              control=Control("Lmax declared four times too small", on=lambda rng: [
                  Case(Misdeclared(c.problem, Lmax=c.problem.Lmax / 4), c.x0) for c in small_nonconvex(rng)])),
    Guarantee(suboptimality, lambda k, h, R, Lmax, sigma_star: (R**2 / 2 + (sigma_star * h) ** 2 * harmonic(k))
              / (h * harmonic(k, 0.5) - 2 * h**2 * Lmax * harmonic(k)), cite(165, 7, "Sec 5.1"),
              at=weighted(lambda s, step, Lmax: step(s) * (1 - 2 * step(s) * Lmax), "average by h_t (1 - 2 h_t Lmax)"),
              mode="expectation", assumes=(ConvexTerms, SmoothTerms), on=small_sums,
              recipe=lambda Lmax, share: dict(h=share / Lmax, step=inverse_sqrt(share / Lmax)), vary=dict(share=(0.4, 0.1)),
              control=(Control("step beyond 2/Lmax", recipe=lambda Lmax: dict(step=inverse_sqrt(40 / Lmax))), forgotten_noise)),
    Guarantee(suboptimality, lambda k, step, R, sigma_star: R**2 / (step * k) + 2 * step * sigma_star**2,
              cite(165, 8, "Sec 5.1"), at=average, mode="expectation", assumes=(ConvexTerms, SmoothTerms), on=small_sums,
              recipe=lambda Lmax, share: dict(step=share / (4 * Lmax)), vary=dict(share=(1.0, 0.25)),
              valid=lambda step, batch, Lmax: batch == 1 and 0 < step <= 1 / (4 * Lmax),
              control=(beyond_Lmax(1 / 4), forgotten_noise)),
    Guarantee(suboptimality, lambda k, h, R, sigma_star: (R**2 / h + h * sigma_star**2 * log(k + 1)) / sqrt(k),
              cite(165, 9, "Sec 5.1"), at=average, mode="order", assumes=(ConvexTerms, SmoothTerms), steps=3000,
              on=lambda rng: [Case(p, far(p, 1.0), replicates=256) for p in (sums.ridge(rng), sums.logistic(rng))],
              recipe=lambda Lmax: dict(h=1 / (4 * Lmax), step=inverse_sqrt(1 / (4 * Lmax))),
              control=Control("steps with a finite sum", recipe=lambda h: dict(step=inverse_square(h)))),
    Guarantee(sq_distance, lambda k, step, mu, R, sigma_star: linear(k, 1 - step * mu, R**2, 2 * step * sigma_star**2 / mu),
              cite(165, 10, "Sec 5.2"), mode="expectation", assumes=(ConvexTerms, SmoothTerms, StronglyConvex),
              on=small_sums, recipe=lambda Lmax, share: dict(step=share / (2 * Lmax)), vary=dict(share=(1.0, 0.25)),
              valid=lambda step, batch, Lmax: batch == 1 and 0 < step <= 1 / (2 * Lmax),
              drift=lambda V, step, mu, sigma_star: (1 - step * mu) * V + 2 * (step * sigma_star) ** 2,
              control=(beyond_Lmax(1 / 2), forgotten_noise)),
    Guarantee(sq_distance, switching_bound, cite(165, 11, "Sec 5.2 (Gower et al. 2019)"), mode="expectation", first=20,
              assumes=(ConvexTerms, SmoothTerms, StronglyConvex), steps=500,
              on=lambda rng: Case(sums.bounded_condition(rng), replicates=2048),
              recipe=lambda Lmax, mu: dict(step=switching(Lmax, mu)),
              control=(Control("the step never switches", recipe=lambda Lmax: dict(step=1 / (2 * Lmax))),
                       Control("noise declared zero, from x0 = x*",
                               on=from_solution(lambda rng: [Case(sums.bounded_condition(rng))], sigma_star=0.0)))),
    Guarantee(suboptimality, lambda k, step, mu, D0, L, Lmax, Delta:
              linear(k, 1 - step * mu, D0, step * L * Lmax * Delta / mu), cite(165, 12, "Sec 5.3"), mode="expectation",
              assumes=(PL, Smooth, SmoothTerms), on=small_least_squares,
              recipe=lambda L, Lmax, mu, share: dict(step=share * mu / (L * Lmax)), vary=dict(share=(1.0, 0.25)),
              valid=lambda step, batch, L, Lmax, mu: batch == 1 and 0 < step <= mu / (L * Lmax),
              drift=lambda V, step, mu, L, Lmax, Delta: (1 - step * mu) * V + step**2 * L * Lmax * Delta,
              control=(beyond_Lmax(2), Control("function noise declared zero, from x0 = x*",
                                               on=from_solution(small_least_squares, Delta=0.0)))),
    Guarantee(sq_gradient, lambda k, step, L, Lmax, D0, Delta: (1 + step**2 * L * Lmax) ** k * D0 / (step * k)
              + step * L * Lmax * Delta, cite(165, 13, "Sec 5"), at=best, mode="expectation",
              assumes=(LowerBounded, Smooth, SmoothTerms), on=small_nonconvex,
              recipe=lambda L, Lmax, horizon: dict(step=sqrt(2 / (L * Lmax * horizon))),
              valid=lambda step, batch: batch == 1 and step > 0,
              control=Control("steps a thousand times shorter", recipe=lambda step: dict(step=step / 1000))),
    Guarantee(suboptimality, lambda k, step, R, sigma_star, n, batch:
              R**2 / (step * k) + 2 * step * batch_noise(sigma_star, n, batch), cite(165, 14, "Sec 6.2"), at=average,
              mode="expectation", assumes=(ConvexTerms, SmoothTerms), on=for_batches,
              recipe=lambda L, Lmax, n, batch: dict(step=1 / (4 * batch_L(L, Lmax, n, batch))), vary=dict(batch=(3, 12)),
              valid=lambda step, L, Lmax, n, batch: 0 < step <= 1 / (4 * batch_L(L, Lmax, n, batch)),
              control=replaced),
    Guarantee(sq_distance, lambda k, step, mu, R, sigma_star, n, batch:
              linear(k, 1 - step * mu, R**2, 2 * step * batch_noise(sigma_star, n, batch) / mu), cite(165, 15, "Sec 6.3"),
              mode="expectation", assumes=(ConvexTerms, SmoothTerms, StronglyConvex), on=for_batches,
              recipe=lambda L, Lmax, n, batch: dict(step=1 / (2 * batch_L(L, Lmax, n, batch))), vary=dict(batch=(3, 12)),
              valid=lambda step, L, Lmax, n, batch: 0 < step <= 1 / (2 * batch_L(L, Lmax, n, batch)),
              drift=lambda V, step, mu, sigma_star, n, batch:
              (1 - step * mu) * V + 2 * step**2 * batch_noise(sigma_star, n, batch),
              control=replaced),
)

sgd_momentum.proves(
    Guarantee(suboptimality, lambda k, eta, R, sigma_star: R**2 / (eta * (k + 1)) + 2 * eta * sigma_star**2,
              cite(165, 16, "Sec 7.2"), mode="expectation", assumes=(ConvexTerms, SmoothTerms), on=lambda rng: small_sums(rng)[1:],
              recipe=lambda Lmax, share: dict(eta=share / (4 * Lmax)), vary=dict(share=(1.0, 0.25)),
              valid=lambda eta, Lmax: 0 < eta <= 1 / (4 * Lmax),
              control=(Control("eta eighty times too large", recipe=lambda Lmax: dict(eta=20 / Lmax)), forgotten_noise)),
)
