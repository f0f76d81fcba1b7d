"""Acceleration without tuning: UniXGrad knows the diameter, U-DoG nothing but a first small movement."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from optlab.problems import sums
from optlab.problems.assumptions import Compact, Convex, SmoothPart
from optlab.problems.base import Misdeclared
from optlab.problems.hard import HuberNorm, NesterovChain
from optlab.problems.noise import Noisy
from optlab.problems.pool import pool
from optlab.problems.quadratic import Quadratic
from optlab.problems.sets import Ball, Constrained

from ..functions import log, sqrt
from ..guarantee import Case, Control, Guarantee, cite, now, total
from ..measures import suboptimality
from ..methods import as_method, method


class Weighted(NamedTuple):
    """The weighted average of the points x_1 .. x_k, and the last of them."""

    average: Any
    x: Any


@method(needs=("grad", "project"), family="stochastic", symbolic=False)
def unixgrad(problem, x):
    """UniXGrad: x+ = P(y - t eta m), y+ = P(y - t eta g), eta = 2D / sqrt(1 + sum of t^2 ||g - m||^2) so far,

    m at (t y + sum_s s x_s) / sum_s s, g at the same with x+ for y (Kavis, Levy, Bach, Cevher 2019).
    """
    y, average, total, Q, t = x, x, 0 * x, 0 * problem.sq(x), 1
    while True:
        yield Weighted(average, x)
        length = problem.column(t * 2 * problem.D / array_namespace(x).sqrt(1 + Q))
        weight = t * (t + 1) / 2
        m = problem.grad((total + t * y) / weight)
        x = problem.project(y - length * m)
        total = total + t * x
        average = total / weight
        g = problem.grad(average)
        y = problem.project(y - length * g)
        Q = Q + t**2 * problem.sq(g - m)
        t = t + 1


class Paced(NamedTuple):
    """The weighted average of x_1 .. x_k, the last of them, its weight and all weights, the distance r moved so far, Q + M."""

    average: Any
    x: Any
    last: Any
    weight: Any
    r: Any
    G: Any


@method(needs=("stochastic_grad",), family="stochastic", symbolic=False)
def u_dog(problem, x, *, r_eps, length=1.0, rng):
    """U-DoG: UniXGrad with the distance moved so far, r, in place of D (Kreisler, Ivgi, Hinder, Carmon 2024).

    a = (sum of r) / r, weights w = sum of r, steps a r / sqrt(Q + M), M = max a^2 ||m||^2, Q = sum of a^2 ||g - m||^2. Steps
    are ``length`` times that, which is 1 in theory.
    """
    xp, x0, y, average = array_namespace(x), x, x, x
    sums, total, weight = 0 * problem.sq(x), 0 * x, 0 * problem.sq(x)
    r, Q, M = r_eps + 0 * sums, 0 * sums, 0 * sums
    while True:
        r = xp.maximum(r, xp.maximum(problem.norm(x - x0), problem.norm(y - x0)))
        yield Paced(average, x, sums, weight, r, Q + M)
        sums = sums + r
        weight, a = weight + sums, sums / r
        m = problem.stochastic_grad((total + problem.column(sums) * y) / problem.column(weight), rng)
        M = xp.maximum(M, a**2 * problem.sq(m))
        x = y - problem.column(length * sums / xp.sqrt(Q + M)) * m
        total = total + problem.column(sums) * x
        average = total / problem.column(weight)
        g = problem.stochastic_grad(average, rng)
        Q = Q + a**2 * problem.sq(g - m)
        y = y - problem.column(length * sums / xp.sqrt(Q + M)) * g


def dog(problem, x, *, r_eps, rng):
    """Sabotage of ``u_dog``: DoG, no extrapolation (Ivgi, Hinder, Carmon 2023), averaged with weights r."""
    xp, x0, average = array_namespace(x), x, x
    r, squares, total, weight = r_eps + 0 * problem.sq(x), 0 * problem.sq(x), 0 * x, 0 * problem.sq(x)
    while True:
        yield Weighted(average, x)
        r = xp.maximum(r, problem.norm(x - x0))
        total, weight = total + problem.column(r) * x, weight + r
        average = total / problem.column(weight)
        g = problem.stochastic_grad(x, rng)
        squares = squares + problem.sq(g)
        x = x - problem.column(r / xp.sqrt(squares)) * g


# --- instances -----------------------------------------------------------------------------------------------------------
def on_compact_sets(rng):
    """The pool, and a quadratic so flat that D counts for more than L D^2."""
    flat = Constrained(Quadratic(1e-4 * np.diag([1.0, 0.1]), 1e-4 * np.array([0.3, 0.02])), Ball(2), name="a flat quadratic")
    return [Case(flat, np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, -1.0]])), *pool(Convex, SmoothPart, Compact)]


def chains(rng):
    """For T steps a chain of 2T + 1: no method of first order comes below 3 L d0^2 / (32 (T + 1)^2)."""
    return [Case(Noisy(NesterovChain(2 * t + 1), 0.0), np.zeros((1, 2 * t + 1)), steps=t, replicates=1)
            for t in (30, 45, 70, 100, 150, 225, 340)]


def noisy_quadratic(rng, replicates):
    p = Noisy(Quadratic(np.diag(np.linspace(0.02, 1.0, 10)), np.zeros(10), name="quadratic"), 0.5)
    return [Case(p, np.full(10, 0.3), replicates=replicates)]


def without_noise(rng):
    """Far from the start and near it, smooth and not: a chain, a flat quadratic, a norm."""
    flat = Quadratic(1e-4 * np.diag([1.0, 0.1]), np.zeros(2), name="a flat quadratic")
    problems = ((NesterovChain(101), np.zeros(101)), (flat, np.full(2, 30.0)), (HuberNorm(1e-9, 1e9, 5.0, 3), np.full(3, 3.0)))
    return [Case(Noisy(p, 0.0), x0[None], replicates=1) for p, x0 in problems]


def nonsmooth(rng, replicates):
    p = sums.absolute(rng)
    return [Case(p, p.x_star + 10.0, replicates=replicates)]


narrow = Control("a diameter declared a million times too small", problem=lambda p: Misdeclared(p, D=p.D / 1e6))
frozen = Control("steps a million times shorter: r never grows", recipe=lambda: dict(length=1e-6))
tuned = dict(recipe=lambda r_eps: dict(r_eps=r_eps), vary=dict(r_eps=(1e-4, 1.0)), assumes=(Convex,))
in_time = dict(mode="order", steps=2000, first=100, control=frozen, **tuned | dict(vary=dict(r_eps=(1e-2,))),
               note="1024 runs: means to 2%, so that a slope over a factor 4 of k is known to a fifth of the tolerance")
likely = dict(mode="high probability", failure=0.05, control=frozen, **tuned)


def smooth_and_noisy(k, L, R, sigma):
    return log(k + 1) * (L * R**2 / k**2 + sigma * R / sqrt(k))


def lipschitz(k, R, Gmax):
    return log(k + 1) * Gmax * R / sqrt(k)


# --- the theorem along the run ---------------------------------------------------------------------------------------------
def regret(R, moved, squares, weights):
    """(2 R + 5 r) r sqrt(Q + M) / sum of w, from sum of w <g, x - x*> <= 2 r (R + r) sqrt(Q + M) [telescoping ||y - x*||^2]

    + 2 r^2 sqrt(Q) [sum of w^2 ||g - m||^2 / sqrt(Q + M)] + r^2 sqrt(Q + M) [the steps for x are longer than those for y].
    """
    return (2 * R + 5 * moved) * moved * sqrt(squares) / weights


def deviation(V, rho):
    """What a martingale of sub-Gaussian increments, V the sum of their variances, exceeds at some time with chance 1/20 at most:

    sqrt((V + rho) log(400 (V + rho) / rho)), for any rho chosen beforehand (Robbins 1970).
    """
    return sqrt((V + rho) * log(400 * (V + rho) / rho))


def with_noise(R, moved, squares, weights, past, present, sigma, dim, r_eps):
    """Increments w <noise, x - x*> of variance w^2 ||x - x*||^2 sigma^2 / d."""
    V, rho = (past + present) * sigma**2 / dim, (r_eps * R * sigma) ** 2 / dim
    return regret(R, moved, squares, weights) + deviation(V, rho) / weights


def with_terms(R, moved, squares, weights, past, present, Gmax, r_eps):
    """Increments between +-w ||x - x*|| Gmax about their mean: sub-Gaussian with that variance (Hoeffding)."""
    V, rho = (past + present) * Gmax**2, (r_eps * R * Gmax) ** 2
    return regret(R, moved, squares, weights) + deviation(V, rho) / weights


def lever(problem, it):
    return it.last**2 * problem.sq(it.x - problem.x_star)


of_the_run = dict(moved=now(lambda problem, it: it.r), squares=now(lambda problem, it: it.G),
                  weights=now(lambda problem, it: it.weight))
levers = dict(past=total(lever), present=now(lever))


unixgrad.proves(
    Guarantee(suboptimality, lambda k, L, D: (5 * D + 34 * L * D**2) / k**2,
              cite(101, 3, "Kavis et al. 2019, Thm 2", refutes="20 sqrt(7) D^2 L / T^2 has no term in D, and fails where L D is "
                   "small: 460 times on L = 1e-6, D = 2, since the 1 in eta = 2D / sqrt(1 + ..) keeps steps below 2D"),
              assumes=(Convex, SmoothPart, Compact), on=on_compact_sets, control=narrow,
              note="2.5 D sqrt(S_T) - sum a_t^2 sqrt(S_(t-1)) / (16 L^2 D), with S = 1 + sum a^2, a = t ||g - m||"),
)
u_dog.proves(
    Guarantee(suboptimality, smooth_and_noisy, cite(101, 1, "Thm 1", claim="noise"),
              on=lambda rng: noisy_quadratic(rng, 1024), **in_time),
    Guarantee(suboptimality, smooth_and_noisy, cite(101, 1, "Thm 1", claim="high probability"), steps=400,
              on=lambda rng: noisy_quadratic(rng, 512), note="constant 1 and one logarithm", **likely),
    Guarantee(suboptimality, with_noise, cite(101, 1, "derived", claim="constants, along the run"), steps=400,
              on=lambda rng: noisy_quadratic(rng, 512), using=of_the_run | levers, **likely),
    Guarantee(suboptimality, regret, cite(101, 1, "derived", claim="constants, without noise"), steps=400, control=frozen,
              on=without_noise, using=of_the_run, **tuned),
    Guarantee(suboptimality, lambda k, L, R: L * R**2 / k**2, cite(101, 1, "Thm 1", claim="noiseless"), mode="scaling",
              over="horizon", on=chains, control=(Control("DoG, without extrapolation", method=as_method(dog)), frozen),
              recipe=lambda r_eps, horizon: dict(r_eps=r_eps), vary=dict(r_eps=(1e-2,)), assumes=(Convex,)),
    Guarantee(suboptimality, lipschitz, cite(101, 2, "Thm 1", claim="rate"), on=lambda rng: nonsmooth(rng, 1024), **in_time),
    Guarantee(suboptimality, lipschitz, cite(101, 2, "Thm 1", claim="high probability"), steps=2000,
              on=lambda rng: nonsmooth(rng, 512), note="constant 1 and one logarithm", **likely),
    Guarantee(suboptimality, with_terms, cite(101, 2, "derived", claim="constants, along the run"), steps=2000,
              on=lambda rng: nonsmooth(rng, 512), using=of_the_run | levers, **likely),
)
