"""Variance reduction on finite sums: SAGA, Point-SAGA, SVRG and loopless SVRG."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from optlab.problems import sums
from optlab.problems.assumptions import (
    ConvexTerms,
    SmoothTerms,
    SmoothTermsPart,
    StronglyConvex,
    StronglyConvexTerms,
    StronglyConvexTermsPart,
)
from optlab.problems.composite import ElasticNetRegression
from optlab.problems.errors import ProblemError

from ..functions import maximum, minimum, sqrt
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


@method(needs=("component_grad",), family="stochastic", restartable=True, derived=("mean",))
def saga(problem, x, table=None, mean=None, *, step, proximal=False, stride=1, rng):
    """SAGA, x+ = x - step (grad f_i(x) - table_i + mean table), then table_i = grad f_i(x) (Defazio et al. 2014).

    ``proximal`` ends the step with the prox of the objective's other part. ``stride`` > 1 yields after that many steps,
    taken in one pass of compiled code (GLMs).
    """
    if proximal and stride > 1:
        raise ProblemError("saga's compiled passes know no prox: take stride=1 with proximal=True")
    table = problem.table_of(problem.component_grad, x) if table is None else table
    mean = problem.table_mean(table) if mean is None else mean
    while True:
        yield Table(x, table, mean)
        if stride > 1:
            x, table, mean = problem.saga_pass(x, table, mean, rng.indices(problem.n, stride), step)
            continue
        i = rng.index(problem.n)
        g = problem.component_grad(x, i)
        change = g - problem.table_row(table, i)
        x = x - step * (change + mean)
        x = problem.prox(x, step) if proximal else x
        table, mean = problem.table_with(table, i, g), mean + (1 / problem.n) * change


@method(needs=("component_grad", "component_prox"), family="stochastic", restartable=True, derived=("mean",))
def point_saga(problem, x, table=None, mean=None, *, step, rng):
    """Point-SAGA, z = x + step (table_i - mean table), x+ = prox_{step f_i}(z), then table_i = (z - x+)/step (Defazio 2016)."""
    table = problem.table_of(problem.component_grad, x) if table is None else table
    mean = problem.table_mean(table) if mean is None else mean
    while True:
        yield Table(x, table, mean)
        i = rng.index(problem.n)
        row = problem.table_row(table, i)
        z = x + step * (row - mean)
        x = problem.component_prox(z, i, step)
        g = (1 / step) * (z - x)
        table, mean = problem.table_with(table, i, g), mean + (1 / problem.n) * (g - row)


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


@method(needs=("component_grad", "grad"), family="stochastic", restartable=True, derived=("full",))
def loopless_svrg(problem, x, w=None, full=None, *, step, p, rng):
    """L-SVRG: x+ = x - step (grad f_i(x) - grad f_i(w) + grad f(w)); w+ = x by a p-coin (Kovalev et al. 2020)."""
    w = x if w is None else w
    full = problem.grad(w) if full is None else full
    while True:
        yield Anchored(x, w, full)
        i, renew = rng.index(problem.n), rng.coin(p)
        g = problem.component_grad(x, i) - problem.component_grad(w, i) + full
        if renew.any():
            w, full = problem.select(renew, x, w), problem.select(renew, problem.grad(x), full)
        x = x - step * g


def _lyapunov(problem, state):
    # 4 step^2 / p = n / (9 Lmax^2) at the recipe's step = 1/(6 Lmax) and p = 1/n
    spread = sum(problem.sq(problem.component_grad(state.w, i) - problem.component_grad(problem.x_star, i))
                 for i in range(problem.n))
    return 1 / (9 * problem.Lmax**2) * spread + sq_distance(problem, state)


lyapunov = Measure(
    "||x - x*||^2 + 4 step^2/p mean_i ||grad f_i(w) - grad f_i(x*)||^2", _lyapunov, r"\Phi_k",
    lambda problem, state: sq_distance.magnitude(problem, state) + sq_distance.magnitude(problem, state.w),
)


def _bregman(problem, state):
    """mean_i f_i(phi_i) - f_i(x*) - <grad f_i(x*), phi_i - x*>, phi_i where row i of the table was taken, and weighed
    ||x - x*||^2, at the recipe's step."""
    x, n = problem.x_star, problem.n
    step = saga_step(problem.mu_terms, problem.Lmax, n)
    total = n / (2 * step * (1 - problem.mu_terms * step) * n) * sq_distance(problem, state)
    for i in range(n):
        phi = problem.component_inverse_grad(problem.table_row(state.table, i), i)
        total = total + (problem.component_value(phi, i) - problem.component_value(x, i)
                         - problem.inner(problem.component_grad(x, i), phi - x))
    return 1 / n * total


def _bregman_magnitude(problem, state):
    sizes = problem.sq(state.table) + problem.Lmax * problem.sq(problem.table_of(problem.component_grad, problem.x_star))
    return (sq_distance.magnitude(problem, state) * problem.Lmax
            + array_namespace(sizes).sum(sizes, axis=-1) / problem.mu_terms + problem.Lmax * problem.sq(problem.x_star))


def _spread(problem, state):
    """||x - x*||^2 + mean_i ||table_i - grad f_i(x*)||^2 / (L mu)."""
    total = problem.n * problem.Lmax * problem.mu_terms * sq_distance(problem, state)
    for i in range(problem.n):
        total = total + problem.sq(problem.table_row(state.table, i) - problem.component_grad(problem.x_star, i))
    return 1 / (problem.n * problem.Lmax * problem.mu_terms) * total


saga_lyapunov = Measure("mean_i D_i(phi_i, x*) + c ||x - x*||^2", _bregman, r"V_k", _bregman_magnitude)
point_lyapunov = Measure(
    "||x - x*||^2 + mean_i ||g_i - grad f_i(x*)||^2 / (L mu)", _spread, r"V_k",
    lambda problem, state: sq_distance.magnitude(problem, state) * (1 + problem.Lmax / problem.mu_terms),
)


def saga_step(mu_terms, Lmax, n):
    return 1 / (2 * (mu_terms * n + Lmax))


def point_saga_step(mu_terms, Lmax, n):
    return sqrt((n - 1) ** 2 + 4 * n * Lmax / mu_terms) / (2 * Lmax * n) - (1 - 1 / n) / (2 * Lmax)


def small_strongly_convex(rng):
    return [far(p, replicates=2048) for p in (sums.ridge(rng, n=6, d=3), sums.logistic(rng))]


def small_elastic_nets(rng):
    X = rng.standard_normal((6, 3))
    y = X @ np.array([2.0, -1.0, 0.0]) + rng.standard_normal(6)
    return [far(ElasticNetRegression(X, y, 0.1, l2, name=f"small elastic net, l2 = {l2}"), replicates=2048) for l2 in (0.1, 2.0)]


def small_ridges(rng):
    return [far(sums.ridge(rng, l2, n=6, d=3), replicates=2048) for l2 in (0.1, 2.0)]


saga.proves(
    Guarantee(sq_distance, lambda k, n, mu_terms, Lmax, R, D0: (1 - minimum(1 / (4 * n), mu_terms / (3 * Lmax))) ** k
              * (R**2 + 2 * n / (3 * Lmax) * D0), cite(45, 3, "Defazio et al. 2014"), mode="expectation", symbolic=True,
              assumes=(StronglyConvexTerms, SmoothTerms), on=small_strongly_convex, steps=40,
              recipe=lambda Lmax: dict(step=1 / (3 * Lmax)), valid=lambda step, Lmax: step == 1 / (3 * Lmax),
              control=(Control("step nine times too large", recipe=lambda step: dict(step=9 * step)),
                       Control("steps a hundred times shorter", recipe=lambda step: dict(step=step / 100), steps=400))),
    Guarantee(saga_lyapunov, lambda k, step, mu_terms, V0: (1 - step * mu_terms) ** k * V0,
              cite(0, 0, "Defazio, Bach, Lacoste-Julien 2014, Thm 1"), mode="expectation", tightness="tight",
              assumes=(SmoothTermsPart, StronglyConvexTermsPart), on=small_elastic_nets, steps=60, symbolic=True,
              using=dict(V0=start(saga_lyapunov)), from_any_state=True,
              recipe=lambda mu_terms, Lmax, n: dict(step=saga_step(mu_terms, Lmax, n), proximal=True),
              drift=lambda V, step, mu_terms: (1 - step * mu_terms) * V,
              control=(Control("steps twelve times too large", recipe=lambda step: dict(step=12 * step)),
                       Control("steps a hundred times shorter", recipe=lambda step: dict(step=step / 100), steps=400))),
)

point_saga.proves(
    Guarantee(point_lyapunov, lambda k, step, mu_terms, V0: V0 / (1 + step * mu_terms) ** k, cite(0, 0, "Defazio 2016, Thm 5"),
              mode="expectation", assumes=(SmoothTerms, StronglyConvexTerms), on=small_ridges, steps=60, symbolic=True,
              using=dict(V0=start(point_lyapunov)), from_any_state=True,
              recipe=lambda mu_terms, Lmax, n: dict(step=point_saga_step(mu_terms, Lmax, n)),
              drift=lambda V, step, mu_terms: V / (1 + step * mu_terms),
              control=(Control("steps a hundred times too large", recipe=lambda step: dict(step=100 * step)),
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
              symbolic=True, from_any_state=True,
              drift=lambda V, step, mu, p: maximum(1 - step * mu, 1 - p / 2) * V,
              control=(Control("step eighteen times too large", recipe=lambda step: dict(step=18 * step)),
                       Control("the anchor is never renewed", recipe=lambda: dict(p=1e-9), steps=400))),
)
