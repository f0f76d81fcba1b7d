"""Gradient methods that are shown ``inexact_grad``: the gradient with a relative or an absolute error; epsilon-subgradients."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from optlab.problems.assumptions import (
    AbsoluteGradientError,
    Convex,
    EpsilonSubgradients,
    ExactGradient,
    LowerBounded,
    RelativeGradientError,
    Smooth,
    StronglyConvex,
)
from optlab.problems.inexact import InexactGradient, PolyhedralDistance, across, outward, spread, stretched
from optlab.problems.pool import pool
from optlab.problems.quadratic import Quadratic

from ..constrained.subgradient import State
from ..fold import best, pairs
from ..guarantee import Case, Control, Guarantee, cite, now
from ..measures import Measure, point, sq_gradient, suboptimality
from ..methods import as_method, method
from ..steps import at
from .accelerated import smooth_convex
from .descent import beyond, decrease


class Extrapolated(NamedTuple):
    """The point, the one at which the next gradient is taken, and the steps so far."""

    x: Any
    y: Any
    k: int


@method(needs=("inexact_grad",), family="gradient", restartable=True)
def inexact_gradient_descent(problem, x, *, step):
    """x+ = x - step d, d near grad f(x) (de Klerk, Glineur, Taylor 2020)."""
    while True:
        yield x
        x = x - step * problem.inexact_grad(x)


@method(needs=("inexact_grad", "minimize_on"), family="gradient", restartable=True, cost="minimize_on")
def inexact_line_search(problem, x):
    """x+ = argmin f over the line x + t d, d near grad f(x) (de Klerk, Glineur, Taylor 2017)."""
    while True:
        yield x
        x = problem.minimize_on(x, problem.inexact_grad(x))


@method(needs=("inexact_grad",), family="gradient", restartable=True)
def inexact_accelerated_gradient(problem, x, y=None, k=0, *, step):
    """x+ = y - step d, d near grad f(y); y+ = x+ + k/(k + 3) (x+ - x) (Nesterov 1983; inexact: Goujaud et al. 2024)."""
    y = x if y is None else y
    while True:
        yield Extrapolated(x, y, k)
        previous, x = x, y - step * problem.inexact_grad(y)
        y, k = x + k / (k + 3) * (x - previous), k + 1


@method(needs=("epsilon_grad",), family="gradient", restartable=True)
def epsilon_subgradient_method(problem, x, k=0, *, step, epsilon):
    """x+ = x - step g, g an epsilon-subgradient of f at x (Millan, Machado 2019); both may depend on k."""
    while True:
        yield State(x, k)
        x, k = x - problem.column(at(step, k)) * problem.epsilon_grad(x, at(epsilon, k)), k + 1


# --- families -----------------------------------------------------------------------------------------------------
def widened(rng):
    """A diagonal quadratic whose spectrum the error widens, from where steepest descent is slowest; then ``misled``."""
    eps = 0.2
    start = np.array([10 / sqrt(1 - eps), 1 / sqrt(1 + eps)])
    return [Case(InexactGradient(Quadratic(np.diag([0.1, 1.0]), name="diagonal quadratic"), spread, epsilon=eps), start),
            *misled(rng)]


def misled(rng):
    """The pool's smooth strongly convex problems, their gradients wrong by a tenth: away from x*, and across."""
    return [Case(InexactGradient(p, adversary, epsilon=0.1)) for adversary in (outward, across)
            for p in pool(StronglyConvex, Smooth, needs=("minimize_on",)) if not hasattr(p, "inexact_grad")]


def overdone(rng):
    """Gradients along the largest eigenvector, a tenth too long; then ``misled``."""
    steep = Quadratic(np.diag([0.1, 1.0]), name="diagonal quadratic")
    return [Case(InexactGradient(steep, stretched, epsilon=0.1), np.array([0.0, 1.0])), *misled(rng)]


def shifted(rng):
    """Errors of size 0.1 on the pool's smooth problems."""
    return [Case(InexactGradient(p, outward, delta=0.1)) for p in pool(LowerBounded, Smooth) if not hasattr(p, "inexact_grad")]


def without_error(rng):
    return [Case(InexactGradient(p, epsilon=0.0)) for p in pool(Convex, Smooth) if not hasattr(p, "inexact_grad")]


def exact(rng):
    """No error, on the Huber losses whose gradient is never lost; then the pool."""
    return [*(Case(InexactGradient(case.problem, epsilon=0.0), steps=case.steps) for case in smooth_convex(rng) if case.steps),
            *without_error(rng)]


def polyhedra(rng):
    line = PolyhedralDistance([[1.0]], [0.0], name="|x|")
    return [Case(line, np.array([1.0])), *(Case(p) for p in pool(Convex, EpsilonSubgradients))]


# --- theorems -----------------------------------------------------------------------------------------------------
def inexact_rate(k, L, mu, epsilon, D0):
    """((L' - mu')/(L' + mu'))^(2k) D0 with L' = (1 + epsilon) L, mu' = (1 - epsilon) mu."""
    return (((1 + epsilon) * L - (1 - epsilon) * mu) / ((1 + epsilon) * L + (1 - epsilon) * mu)) ** (2 * k) * D0


def halved(k):
    """Errors 1/5, 1/10, 1/20, .."""
    return 0.2 * 0.5**k


def mean_error(epsilon, k):
    """The mean of epsilon_0, .., epsilon_{k-1}."""
    if not callable(epsilon):
        return epsilon
    k = np.asarray(k).astype(int)
    return np.cumsum([epsilon(s) for s in range(int(k.max()))])[k - 1] / k


def half_way(problem, x):
    """Sabotage: half of the way to the minimizer."""
    while True:
        yield x
        x = 0.5 * (x + problem.minimize_on(x, problem.inexact_grad(x)))


progress = Measure(
    "f(x+) - f(y)",
    lambda problem, pair: problem.value(point(pair.y)) - problem.value(pair.x.y),
    r"f(x_{k+1}) - f(y_k)",
    lambda problem, pair: 2 * abs(problem.value(pair.x.y)) + problem.value_scale,
)
at_full_step = dict(recipe=lambda L: dict(step=1 / L), control=beyond)
relative = dict(assumes=(StronglyConvex, Smooth, RelativeGradientError), tightness="tight", on=widened)

inexact_gradient_descent.proves(
    Guarantee(suboptimality, inexact_rate, cite(0, 0, "de Klerk-Glineur-Taylor 2020, Thm 5.3"),
              recipe=lambda L, mu, epsilon: dict(step=2 / ((1 + epsilon) * L + (1 - epsilon) * mu)), control=beyond,
              at_constants=dict(epsilon=0.1), **relative),
    Guarantee(decrease, lambda L, epsilon, g2: -(1 - epsilon**2) / (2 * L) * g2, cite(0, 0, "derived: descent lemma"),
              at=pairs, assumes=(Smooth, RelativeGradientError), on=overdone, tightness="tight",
              using=dict(g2=now(lambda p, pair: p.sq(p.grad(point(pair.x))))), at_constants=dict(epsilon=0.1), **at_full_step),
    Guarantee(sq_gradient, lambda k, L, delta, D0: 2 * L * D0 / k + delta**2, cite(0, 0, "derived: descent lemma, summed"),
              at=best, assumes=(LowerBounded, Smooth, AbsoluteGradientError), on=shifted, at_constants=dict(delta=0.1),
              **at_full_step),
)
inexact_line_search.proves(
    Guarantee(suboptimality, inexact_rate, cite(0, 0, "de Klerk-Glineur-Taylor 2017, Thm 5.1"),
              control=Control("half of the way", method=as_method(half_way)), at_constants=dict(epsilon=0.1), **relative),
)
inexact_accelerated_gradient.proves(
    Guarantee(suboptimality, lambda k, L, R: 2 * L * R**2 / ((k + 2) * (k + 3)),
              cite(0, 0, "Taylor-Hendrickx-Glineur 2017, Table 1"), assumes=(Convex, Smooth, ExactGradient), on=exact,
              tightness="tight", note="attained, and the exact worst case of every k that was solved; not proved for all k",
              proved=False,
              recipe=lambda L: dict(step=1 / L), control=replace(beyond, on=without_error)),
    Guarantee(progress, lambda L, epsilon, g2: -(1 - epsilon**2) / (2 * L) * g2, cite(0, 0, "derived: descent lemma"),
              at=pairs, assumes=(Smooth, RelativeGradientError), on=overdone, tightness="tight",
              using=dict(g2=now(lambda p, pair: p.sq(p.grad(pair.x.y)))), at_constants=dict(epsilon=0.1), **at_full_step),
)
epsilon_subgradient_method.proves(
    Guarantee(suboptimality, lambda k, step, epsilon, M, R: R**2 / (2 * step * k) + mean_error(epsilon, k) + step * M**2 / 2,
              cite(0, 0, "Millan-Machado 2019, Lemma 2"), assumes=(Convex, EpsilonSubgradients), at=best, on=polyhedra,
              recipe=lambda M, R, share, epsilon: dict(step=share * R / M, epsilon=epsilon),
              vary=dict(share=(1.0, 0.2), epsilon=(0.1, halved)), valid=lambda step: step > 0, at_constants=dict(M=1.0),
              tightness="tight", control=Control("steps a hundred times too short", recipe=lambda step: dict(step=step / 100))),
)
