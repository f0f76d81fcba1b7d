"""SGD over permutations of the terms: what random reshuffling gains, and what no order can (Cha, Lee, Yun 2023)."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from optlab.problems import sums
from optlab.problems.assumptions import SmoothTerms, StronglyConvex, StronglyConvexTerms
from optlab.problems.shuffled import AnyOrder, OneSided, SignedQuadratics

from ..functions import log
from ..guarantee import Case, Control, Guarantee, cite
from ..measures import Measure, point, sq_distance
from ..methods import method
from .sgd import far


# --- orders ----------------------------------------------------------------------------------------------------------
def fresh(problem, rng):
    """Random reshuffling: a permutation an epoch."""
    return rng.permutation(problem.n)


def replaced(problem, rng):
    """Sabotage: n terms drawn with replacement."""
    return np.stack([rng.index(problem.n) for _ in range(problem.n)], axis=-1)


def fresh_on_grid(problem, rng):
    """One permutation for all steps of a grid: points are (replicates, grid, dim)."""
    return fresh(problem, rng)[..., None, :]


@method(needs=("component_grad",), family="stochastic", restartable=True, symbolic=False)
def random_reshuffling(problem, x, *, step, order=fresh, rng):
    """An epoch is x+ = x - step grad f_i(x) for every i in a fresh random order; yields after every epoch."""
    while True:
        yield x
        permutation = order(problem, rng)
        for t in range(problem.n):
            x = x - step * problem.component_grad(x, permutation[..., t])


class Epoch(NamedTuple):
    """The point and the epochs taken so far."""

    x: Any
    k: int


@method(needs=("component_grad",), family="stochastic", restartable=True, symbolic=False)
def incremental(problem, x, k=0, *, step, orders):
    """Epoch k takes the terms in the order ``orders[k mod len(orders)]``; yields after every epoch."""
    while True:
        yield Epoch(x, k)
        for t in range(problem.n):
            x = x - step * problem.component_grad(x, orders[k % len(orders)][..., t])
        k = k + 1


class Herded(NamedTuple):
    """The point, the order of the next epoch and the mean gradient of the last."""

    x: Any
    order: Any
    stale: Any


@method(needs=("component_grad",), family="stochastic", restartable=True, symbolic=False)
def grab(problem, x, order=None, stale=None, *, step):
    """GraB (Lu, Guo, De Sa 2022): signs balance the centred gradients; terms with + come first, those with - last, reversed."""
    xp, n = array_namespace(x), problem.n
    order = xp.zeros(problem.inner(x, x).shape, dtype=int)[..., None] + xp.arange(n) if order is None else order
    stale = 0 * x if stale is None else stale
    while True:
        yield Herded(x, order, stale)
        total, balance, places = 0 * x, 0 * x, []
        for t in range(n):
            g = problem.component_grad(x, order[..., t])
            plus = problem.inner(balance, g - stale) <= 0
            balance = balance + problem.column(xp.where(plus, 1.0, -1.0)) * (g - stale)
            places.append(xp.where(plus, t, 2 * n - t))
            total, x = total + g, x - step * g
        stale = total / n
        order = xp.take_along_axis(order, xp.argsort(xp.stack(places, axis=-1), axis=-1), axis=-1)


# --- what the theorems speak of: the best of a stated grid of steps ----------------------------------------------------
GRID = 24


def step_grid(L, mu, n, horizon):
    """24 steps in geometric progression from 2/(mu n K) to 40/(mu n K) (at most 1/L), K epochs: the best lies well inside."""
    return dict(step=np.minimum(np.geomspace(2, 40, GRID) / (mu * n * horizon), 1 / L)[:, None])


def best_step(problem, iterate):
    """The mean over replicates of f(x) - f*, points (replicates, grid, dim), at the best step of the grid."""
    return np.min(np.mean(problem.value(point(iterate)), axis=0)) - problem.f_star


best_error = Measure("min over steps of E f(x) - f*", best_step, r"\min_\eta \mathbb{E} f(x_K) - f^\star", symbolic=False)


def on_grid(problem, steps, runs=256):
    """All steps of the grid at once, ``runs`` replicates of each."""
    return Case(problem, np.broadcast_to(problem.x0, (runs, GRID, *problem.point_shape)), steps=steps, replicates=runs)


@cache
def balanced_walks(n):
    """|S_t| and its maximum so far, t < n, for every order of n/2 steps up and n/2 down."""
    ups = np.array(list(combinations(range(n), n // 2)))
    signs = -np.ones((len(ups), n - 1))
    for walk, up in zip(signs, ups, strict=True):
        walk[up[up < n - 1]] = 1
    heights = abs(np.concatenate([np.zeros((len(ups), 1)), np.cumsum(signs, axis=1)], axis=1))
    return heights, np.maximum.accumulate(heights, axis=1)


def least_drift(u, n, k):
    """A lower bound on E x_K / (step nu) on the one-sided instance, u = step L (GRID, 1), after k epochs.

    E x+ = (1 - 3u/4) E x + (u/4) E|x| at every step. Within an epoch an order and its negative are as likely, and lead to
    points 2 step nu |sum of c_i s_i| apart, with (1 - u)^(t-1) <= c_0 <= .. <= c_(t-1) = 1: so E|x_t| is at least step nu times
    the mean of |S_t| - (1 - (1 - u)^(t-1)) max_(i <= t) |S_i|, where that is positive.
    """
    heights, highest = balanced_walks(n)
    t, q = np.arange(n), 1 - 3 * u / 4
    lost = 1 - (1 - u) ** np.maximum(t - 1, 0)
    apart = np.maximum(0, heights - lost[:, None, :] * highest).mean(axis=1)
    return u[:, 0] / 4 * np.sum(q ** (n - 1 - t) * apart, axis=1) * ((1 - q ** (n * k)) / (1 - q**n))[:, 0]


def reshuffling_floor(k, L, mu, nu, n):
    """The least over the grid of (1 - step mu)^(2nk) nu^2/(2 mu) + L (step nu drift)^2/4: what no step of it gets below."""
    k = int(np.max(k))
    step = step_grid(L, mu, n, k)["step"]
    x = step[:, 0] * nu * least_drift(step * L, n, k)
    return np.min((1 - step[:, 0] * mu) ** (2 * n * k) * nu**2 / (2 * mu) + L / 4 * x**2)


@cache
def all_orders(n):
    """Orders (2, orders, 1, n) of n/2 terms of one kind and n/2 of another: kept, and reversed in every second epoch."""
    first = np.array(list(combinations(range(n), n // 2)))
    kinds = np.ones((len(first), n), dtype=int)
    np.put_along_axis(kinds, first, 0, axis=1)
    orders = np.argsort(kinds, axis=-1, kind="stable").argsort(axis=-1)
    flipped = np.concatenate([orders, orders[:, ::-1]])
    return np.stack([np.concatenate([orders, orders]), flipped])[:, :, None, :]


def least_over_orders(problem, iterate):
    """f(x) - f* at the best order and step, points (orders, grid, dim)."""
    return np.min(problem.value(point(iterate))) - problem.f_star


inverse_least = Measure("1 / min over orders and steps of f(x) - f*", lambda problem, it: 1 / least_over_orders(problem, it),
                        r"1 / (\min_{\sigma, \eta} f(x_K) - f^\star)", symbolic=False)
least_error = Measure("min over steps of f(x) - f*", least_over_orders, r"\min_\eta f(x_K) - f^\star", symbolic=False)


def every_order(problem, steps):
    orders = all_orders(problem.n)
    return Case(problem, np.broadcast_to(problem.x0, (orders.shape[1], GRID, 3)), steps=steps, params=dict(orders=orders))


def steps_only(problem, steps):
    return Case(problem, np.broadcast_to(problem.x0, (1, GRID, 3)), steps=steps)


# --- theorems ------------------------------------------------------------------------------------------------------------
def reshuffled_square(k, step, a, nu, n, R):
    """q^(2nk) R^2 + step^2 nu^2 V (1 - q^(2nk)) / (1 - q^(2n)), V = (n sum w^2 - (sum w)^2)/(n - 1), w_i = q^(n-i)."""
    q = 1 - step * a
    ones, squares = (1 - q**n) / (1 - q), (1 - q ** (2 * n)) / (1 - q**2)
    V = (n * squares - ones**2) / (n - 1)
    return q ** (2 * n * k) * R**2 + step**2 * nu**2 * V * (1 - q ** (2 * n * k)) / (1 - q ** (2 * n))


def strongly_convex_sums(rng):
    p, q = sums.ridge(rng, 1.0, n=6), OneSided(8)
    return [far(p), Case(p, p.x_star), Case(q, replicates=2048)]


with_replacement = Control("terms drawn with replacement", recipe=lambda: dict(order=replaced))
reshuffled = dict(recipe=lambda L, mu, n, horizon: step_grid(L, mu, n, horizon) | dict(order=fresh_on_grid), relation=">=",
                  assumes=(SmoothTerms, StronglyConvex),
                  control=Control("as curved on both sides: there the error falls as 1/K^3",
                                  on=lambda rng: [on_grid(OneSided(4, mu=0.2).made_symmetric(), 3200, 32)]))


def no_step_does_better(k, L, mu, nu, n):
    """L nu^2/(12 mu^2 n K^2): below ``reshuffling_floor`` from K = 20 L/mu on (computed for n up to 12)."""
    return L * nu**2 / (12 * mu**2 * n * k**2)


random_reshuffling.proves(
    Guarantee(sq_distance, reshuffled_square, cite(95, 3, "derived"), mode="expectation", relation="==",
              on=lambda rng: [Case(SignedQuadratics(n, 1.0, 0.5), np.ones(1), steps=20) for n in (4, 6)],
              recipe=lambda a, share: dict(step=share / a), vary=dict(share=(0.1, 0.7)),
              valid=lambda step, a: 0 < step * a < 1, control=with_replacement),
    Guarantee(best_error, reshuffling_floor, cite(95, 1, "derived", claim="constants"), **reshuffled,
              on=lambda rng: [on_grid(OneSided(n, mu=0.2), k) for n, k in ((4, 400), (8, 200), (12, 200))]),
    Guarantee(best_error, no_step_does_better, cite(95, 1, "Thm 3.1", claim="in K"), **reshuffled,
              on=lambda rng: [on_grid(OneSided(4, mu=0.2), k) for k in (100, 200, 400)]),
    Guarantee(best_error, no_step_does_better, cite(95, 1, "Thm 3.1", claim="in n"), **reshuffled,
              on=lambda rng: [on_grid(OneSided(n, mu=0.2), 100) for n in (4, 12, 24)]),
    Guarantee(best_error, no_step_does_better, cite(95, 1, "Thm 3.1", claim="for every condition number"), **reshuffled,
              on=lambda rng: [on_grid(OneSided(8, mu=1 / kappa), 20 * kappa, 128) for kappa in (4, 16, 64)]),
    Guarantee(sq_distance, lambda k, step, mu_terms, Lmax, n, R, sigma_star:
              (1 - step * mu_terms) ** (n * k) * R**2 + step**2 * Lmax * n * sigma_star**2 / (2 * mu_terms),
              cite(95, 4, "Mishchenko-Khaled-Richtarik 2020, Thm 1"), mode="expectation", on=strongly_convex_sums, steps=50,
              assumes=(SmoothTerms, StronglyConvexTerms), recipe=lambda Lmax, share: dict(step=share / Lmax),
              vary=dict(share=(1.0, 0.1, 0.01)), valid=lambda step, Lmax: 0 < step <= 1 / Lmax, control=with_replacement),
)
lower = dict(mode="scaling", assumes=(SmoothTerms, StronglyConvex))
ordered = dict(recipe=lambda Lmax, mu, n, horizon: step_grid(Lmax, mu, n, horizon), **lower)
uniform = Control("curved alike in every term", problem=lambda p: p.made_uniform())
shrinking = Control("pulls that shrink as 1/n", problem=lambda p: AnyOrder(p.n, p.Lmax, p.mu, 4 * p.nu / p.n))


def order_limit(k, Lmax, mu, nu, n):
    return mu**2 * n**2 * k**2 / (Lmax * nu**2)


incremental.proves(
    Guarantee(inverse_least, order_limit, cite(95, 2, "Sec 4", claim="in K"), over="horizon",
              on=lambda rng: [every_order(AnyOrder(6), k) for k in (100, 125, 160, 200, 250, 320, 400)],
              control=uniform, **ordered),
    Guarantee(inverse_least, order_limit, cite(95, 2, "Sec 4", claim="in n"), over="n",
              on=lambda rng: [every_order(AnyOrder(n), 200) for n in (2, 4, 6, 8, 10)], control=shrinking, **ordered),
)
long_steps = Control("steps that do not shrink", recipe=lambda Lmax: dict(step=np.geomspace(0.1, 1, GRID)[:, None] / Lmax))
herded = dict(control=long_steps, **ordered)
grab.proves(
    Guarantee(least_error, lambda k, Lmax, mu, nu, n: Lmax * nu**2 * log(n * k) ** 2 / (mu**2 * n**2 * k**2),
              cite(95, 2, "Sec 4", claim="met by GraB, in K"), over="horizon",
              on=lambda rng: [steps_only(AnyOrder(8, mu=0.3), k) for k in (64, 80, 100, 125, 160, 200, 250, 320)], **herded),
    Guarantee(least_error, lambda k, Lmax, mu, nu, n: Lmax * nu**2 * log(n * k) ** 2 / (mu**2 * n**2 * k**2),
              cite(95, 2, "Sec 4", claim="met by GraB, in n"), over="n",
              on=lambda rng: [steps_only(AnyOrder(n, mu=0.3), 60) for n in (4, 6, 8, 10, 12, 14, 16, 20, 24, 28)], **herded),
)
