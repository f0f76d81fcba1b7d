"""Variance reduction on finite sums: SAGA, SVRG and loopless SVRG."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from optlab.problems import sums
from optlab.problems.assumptions import ConvexTerms, SmoothTerms, StronglyConvex, StronglyConvexTerms

from ..functions import maximum, minimum
from ..guarantee import Control, Guarantee, cite, start
from ..measures import Measure, sq_distance, suboptimality
from ..methods import method
from .sgd import far


class Table(NamedTuple):
    """The point, the last gradient seen of every term (n, dim), and their mean."""

    x: Any
    table: Any
    mean: Any


class Anchored(NamedTuple):
    """The point, the anchor, and the full gradient at the anchor."""

    x: Any
    w: Any
    full: Any


def every_grad(problem, x):
    """grad f_i(x) of all terms, (..., n, dim)."""
    return problem.component_grad(x[..., None, :], np.arange(problem.n))


@method(needs=("component_grad",), family="stochastic", restartable=True, symbolic=False)
def saga(problem, x, table=None, mean=None, *, step, stride=1, rng):
    """SAGA, x+ = x - step (grad f_i(x) - table_i + mean table), then table_i = grad f_i(x) (Defazio et al. 2014).

    ``stride`` > 1 yields after that many steps, taken in one pass of compiled code (GLMs).
    """
    xp = array_namespace(x)
    if table is None:
        table = every_grad(problem, x)
        mean = xp.mean(table, axis=-2)
    while True:
        yield Table(x, table, mean)
        if stride > 1:
            x, table, mean = problem.saga_pass(x, table, mean, rng.indices(problem.n, stride), step)
            continue
        i = rng.index(problem.n)
        row = (i[..., None] == np.arange(problem.n))[..., None]
        change = problem.component_grad(x, i) - xp.sum(row * table, axis=-2)
        x = x - step * (change + mean)
        table = table + row * change[..., None, :]
        mean = mean + (1 / problem.n) * change


@method(needs=("component_grad", "grad"), family="stochastic", restartable=True)
def svrg(problem, x, *, step, inner, rng):
    """SVRG: y+ = y - step (grad f_i(y) - grad f_i(x) + grad f(x)) from y = x; x+ = mean of the ``inner`` first y
    (Johnson-Zhang 2013; Bubeck 2015, Thm 6.5)."""
    while True:
        yield x
        full, y, total = problem.grad(x), x, 0.0 * x
        for _ in range(int(inner)):
            total = total + y
            i = rng.index(problem.n)
            y = y - step * (problem.component_grad(y, i) - problem.component_grad(x, i) + full)
        x = 1 / int(inner) * total


@method(needs=("component_grad", "grad"), family="stochastic", restartable=True, symbolic=False)
def loopless_svrg(problem, x, w=None, full=None, *, step, p, rng):
    """L-SVRG: x+ = x - step (grad f_i(x) - grad f_i(w) + grad f(w)); w+ = x by a p-coin (Kovalev et al. 2020)."""
    xp = array_namespace(x)
    if w is None:
        w, full = x, problem.grad(x)
    while True:
        yield Anchored(x, w, full)
        i, renew = rng.index(problem.n), problem.column(rng.coin(p))
        g = problem.component_grad(x, i) - problem.component_grad(w, i) + full
        if renew.any():
            w, full = xp.where(renew, x, w), xp.where(renew, problem.grad(x), full)
        x = x - step * g


def _lyapunov(problem, state):
    # 4 step^2 / p = n / (9 Lmax^2) at the recipe's step = 1/(6 Lmax) and p = 1/n
    terms = every_grad(problem, state.w) - every_grad(problem, problem.x_star)
    spread = array_namespace(state.w).mean(problem.sq(terms), axis=-1)
    return sq_distance(problem, state) + problem.n / (9 * problem.Lmax**2) * spread


lyapunov = Measure(
    "||x - x*||^2 + 4 step^2/p mean_i ||grad f_i(w) - grad f_i(x*)||^2", _lyapunov, r"\Phi_k",
    lambda problem, state: sq_distance.magnitude(problem, state) + sq_distance.magnitude(problem, state.w),
)


def small_strongly_convex(rng):
    return [far(p, replicates=2048) for p in (sums.ridge(rng, n=6, d=3), sums.logistic(rng))]

saga.proves(
    Guarantee(sq_distance, lambda k, n, mu_terms, Lmax, R, D0: (1 - minimum(1 / (4 * n), mu_terms / (3 * Lmax))) ** k
              * (R**2 + 2 * n / (3 * Lmax) * D0), cite(45, 3, "Defazio et al. 2014"), mode="expectation",
              assumes=(StronglyConvexTerms, SmoothTerms), on=small_strongly_convex, steps=40,
              recipe=lambda Lmax: dict(step=1 / (3 * Lmax)), valid=lambda step, Lmax: step == 1 / (3 * Lmax),
              control=(Control("step nine times too large", recipe=lambda step: dict(step=9 * step)),
                       Control("steps a hundred times shorter", recipe=lambda step: dict(step=step / 100), steps=400))),
)

svrg.proves(
    Guarantee(suboptimality, lambda k, D0: 0.9**k * D0, cite(70, 29, "Thm 6.5"), mode="expectation",
              assumes=(ConvexTerms, SmoothTerms, StronglyConvex), steps=6,
              on=lambda rng: [far(p, replicates=512) for p in (sums.bounded_condition(rng, 1.0), sums.ridge(rng, 4.0))],
              recipe=lambda Lmax, mu: dict(step=1 / (10 * Lmax), inner=np.ceil(20 * Lmax / mu)),
              control=(Control("one inner step", recipe=lambda: dict(inner=1)),
                       Control("steps forty times too large", recipe=lambda step: dict(step=40 * step)))),
)

loopless_svrg.proves(
    Guarantee(lyapunov, lambda k, step, mu, p, Phi0: maximum(1 - step * mu, 1 - p / 2) ** k * Phi0,
              cite(0, 0, "Kovalev-Horvath-Richtarik 2020, Thm 5"), mode="expectation",
              assumes=(ConvexTerms, SmoothTerms, StronglyConvex), on=small_strongly_convex, steps=60,
              using=dict(Phi0=start(lyapunov)), recipe=lambda Lmax, n: dict(step=1 / (6 * Lmax), p=1 / n),
              drift=lambda V, step, mu, p: maximum(1 - step * mu, 1 - p / 2) * V,
              control=(Control("step eighteen times too large", recipe=lambda step: dict(step=18 * step)),
                       Control("the anchor is never renewed", recipe=lambda: dict(p=1e-9), steps=400))),
)
