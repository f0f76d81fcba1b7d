"""Acceleration without tuning: UniXGrad knows the diameter, U-DoG nothing but a first small movement."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from optlab.problems import sums
from optlab.problems.assumptions import Compact, Convex, SmoothPart
from optlab.problems.base import Misdeclared
from optlab.problems.hard import NesterovChain
from optlab.problems.noise import Noisy
from optlab.problems.pool import pool
from optlab.problems.quadratic import Quadratic
from optlab.problems.sets import Ball, Constrained

from ..functions import log, sqrt
from ..guarantee import Case, Control, Guarantee, cite
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


@method(needs=("stochastic_grad",), family="stochastic", symbolic=False)
def u_dog(problem, x, *, r_eps, rng):
    """U-DoG: UniXGrad with the distance moved so far, r, in place of D (Kreisler, Ivgi, Hinder, Carmon 2024).

    a = (sum of r) / r, weights w = sum of r, steps a r / sqrt(Q + M), M = max a^2 ||m||^2, Q = sum of a^2 ||g - m||^2.
    """
    xp, x0, y, average = array_namespace(x), x, x, x
    sums, total, weight = 0 * problem.sq(x), 0 * x, 0 * problem.sq(x)
    r, Q, M = r_eps + 0 * sums, 0 * sums, 0 * sums
    while True:
        yield Weighted(average, x)
        r = xp.maximum(r, xp.maximum(problem.norm(x - x0), problem.norm(y - x0)))
        sums = sums + r
        weight, a = weight + sums, sums / r
        m = problem.stochastic_grad((total + problem.column(sums) * y) / problem.column(weight), rng)
        M = xp.maximum(M, a**2 * problem.sq(m))
        x = y - problem.column(sums / xp.sqrt(Q + M)) * m
        total = total + problem.column(sums) * x
        average = total / problem.column(weight)
        g = problem.stochastic_grad(average, rng)
        Q = Q + a**2 * problem.sq(g - m)
        y = y - problem.column(sums / xp.sqrt(Q + M)) * g


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


def stuck(problem, x, *, r_eps, rng):
    """Sabotage of ``u_dog``: every run starts again from where it is, so that r remains r_eps."""
    average = x
    while True:
        yield Weighted(average, x)
        _, (_, x) = (step for _, step in zip(range(2), u_dog(problem, x, r_eps=1e-4, rng=rng), strict=False))
        average = x


# --- instances -----------------------------------------------------------------------------------------------------------
def on_compact_sets(rng):
    """The pool, and a quadratic so flat that D counts for more than L D^2."""
    flat = Constrained(Quadratic(1e-4 * np.diag([1.0, 0.1]), 1e-4 * np.array([0.3, 0.02])), Ball(2), name="a flat quadratic")
    return [Case(flat, np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, -1.0]])), *pool(Convex, SmoothPart, Compact)]


def chains(rng):
    """For T steps a chain of 2T + 1: no method of first order comes below 3 L d0^2 / (32 (T + 1)^2)."""
    return [Case(Noisy(NesterovChain(2 * t + 1), 0.0), np.zeros((1, 2 * t + 1)), steps=t, replicates=1)
            for t in (30, 45, 70, 100, 150, 225, 340)]


def noisy_quadratic(rng, replicates=256):
    p = Noisy(Quadratic(np.diag(np.linspace(0.02, 1.0, 10)), np.zeros(10), name="quadratic"), 0.5)
    return [Case(p, np.full(10, 0.3), replicates=replicates)]


def nonsmooth(rng, replicates=256):
    p = sums.absolute(rng)
    return [Case(p, p.x_star + 10.0, replicates=replicates)]


narrow = Control("a diameter declared a million times too small", problem=lambda p: Misdeclared(p, D=p.D / 1e6))
frozen = Control("r never grows", method=as_method(stuck))
tuned = dict(recipe=lambda r_eps: dict(r_eps=r_eps), vary=dict(r_eps=(1e-4, 1.0)), assumes=(Convex,))
likely = dict(mode="high probability", failure=0.05, control=frozen, **tuned)


def smooth_and_noisy(k, L, R, sigma):
    return log(k + 1) * (L * R**2 / k**2 + sigma * R / sqrt(k))


def lipschitz(k, R, Gmax):
    return log(k + 1) * Gmax * R / sqrt(k)


unixgrad.proves(
    Guarantee(suboptimality, lambda k, L, D: (5 * D + 34 * L * D**2) / k**2,
              cite(101, 3, "Kavis et al. 2019, Thm 2", refutes="20 sqrt(7) D^2 L / T^2 has no term in D, and fails where L D is "
                   "small: 460 times on L = 1e-6, D = 2, since the 1 in eta = 2D / sqrt(1 + ..) keeps steps below 2D"),
              assumes=(Convex, SmoothPart, Compact), on=on_compact_sets, control=narrow,
              note="2.5 D sqrt(S_T) - sum a_t^2 sqrt(S_(t-1)) / (16 L^2 D), with S = 1 + sum a^2, a = t ||g - m||"),
)
u_dog.proves(
    Guarantee(suboptimality, smooth_and_noisy, cite(101, 1, "Thm 1", claim="noise"), mode="order", on=noisy_quadratic,
              steps=2000, first=100, control=frozen, **tuned),
    Guarantee(suboptimality, smooth_and_noisy, cite(101, 1, "Thm 1", claim="high probability"), steps=400,
              on=lambda rng: noisy_quadratic(rng, 512), note="constant 1 and one logarithm", **likely),
    Guarantee(suboptimality, lambda k, L, R: L * R**2 / k**2, cite(101, 1, "Thm 1", claim="noiseless"), mode="scaling",
              over="horizon", on=chains, control=(Control("DoG, without extrapolation", method=as_method(dog)), frozen),
              recipe=lambda r_eps, horizon: dict(r_eps=r_eps), vary=dict(r_eps=(1e-2,)), assumes=(Convex,)),
    Guarantee(suboptimality, lipschitz, cite(101, 2, "Thm 1", claim="rate"), mode="order", on=nonsmooth, steps=2000, first=100,
              control=frozen, **tuned),
    Guarantee(suboptimality, lipschitz, cite(101, 2, "Thm 1", claim="high probability"), steps=2000,
              on=lambda rng: nonsmooth(rng, 512), note="constant 1 and one logarithm", **likely),
)
