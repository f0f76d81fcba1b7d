"""The variance of a minibatch drawn without replacement, exactly."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optlab.problems import sums
from optlab.problems.assumptions import SmoothTerms

from ..guarantee import Case, Control, Guarantee, cite, start
from ..measures import EPS, Measure
from ..methods import method


class Estimate(NamedTuple):
    """A gradient from a minibatch, and the point at which it was taken."""

    g: Any
    x: Any


@method(needs=("minibatch_grad",), family="stochastic", symbolic=False)
def minibatch_gradient(problem, x, *, batch, rng):
    """The mean gradient of ``batch`` terms drawn without replacement."""
    return Estimate(problem.minibatch_grad(x, rng.subset(problem.n, batch)), x)


def with_replacement(problem, x, *, batch, rng):
    """Sabotage: terms drawn one by one, each from all of them."""
    draws = [problem.component_grad(x, rng.index(problem.n)) for _ in range(batch)]
    return Estimate(sum(draws) / batch, x)


def spread(problem, it):
    """mean_i ||grad f_i - grad f||^2."""
    deviations = problem.table_of(problem.component_grad, it.x) - problem.grad(it.x)[..., None, :]
    return np.mean(np.sum(deviations**2, axis=-1), axis=-1)


error = Measure("||g_b - grad f(x)||^2", lambda p, it: p.sq(it.g - p.grad(it.x)), r"\|g_B - \nabla f(x)\|^2",
                lambda p, it: EPS * p.sq(it.g), symbolic=False)


def small_sums(rng):
    """At points where the terms disagree: two sums of twelve terms and one of six, off their solutions."""
    problems = [sums.ridge(rng), sums.logistic(rng), sums.ridge(rng, n=6, d=3)]
    return [Case(p, p.x_star + 0.5 * rng.standard_normal(p.dim)) for p in problems]


minibatch_gradient.proves(
    Guarantee(error, lambda n, batch, spread: (n - batch) / (batch * (n - 1)) * spread, cite(29, 2, "derived"),
              mode="expectation", relation="==", assumes=(SmoothTerms,), on=small_sums, using=dict(spread=start(spread)),
              recipe=lambda batch: dict(batch=batch), vary=dict(batch=(1, 2, 3, 5)), symbolic=False,
              control=Control("with replacement", method=with_replacement)),
)
