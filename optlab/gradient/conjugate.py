"""Conjugate gradients on quadratics."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optlab.problems.assumptions import QuadraticForm, StronglyConvex
from optlab.problems.pool import pool

from ..guarantee import Control, Guarantee, cite
from ..measures import suboptimality
from ..methods import as_method, method
from .lower_bounds import lower_bounds, polyak_rate


class Conjugate(NamedTuple):
    """The point, the residual -grad f(x), the direction of search."""

    x: Any
    r: Any
    p: Any


@method(needs=("grad", "hvp"), family="gradient", restartable=True, symbolic=False, cost="hvp")
def conjugate_gradient(problem, x, r=None, p=None):
    """Conjugate gradients: exact minimization along p, p+ = r+ + ||r+||^2/||r||^2 p (Hestenes-Stiefel 1952)."""
    r = -problem.grad(x) if r is None else r
    p = r if p is None else p
    while True:
        yield Conjugate(x, r, p)
        Ap = problem.hvp(x, p)
        before = problem.sq(r)
        alpha = problem.column(problem.ratio(before, problem.inner(p, Ap), 0.0))
        x = x + alpha * p
        r = r - alpha * Ap
        p = r + problem.column(problem.ratio(problem.sq(r), before, 0.0)) * p


def steepest_descent(problem, x):
    """Sabotage: every direction is the residual."""
    while True:
        yield x
        g = problem.grad(x)
        x = x - problem.column(problem.ratio(problem.sq(g), problem.inner(g, problem.hvp(x, g)), 0.0)) * g


def exact_from(k, dim):
    """0 from k = dim on; before, no claim."""
    return np.where(k >= dim, 0.0, np.inf)


def off_the_origin(rng):
    """Quadratics whose solution is not 0: there rounding is relative to the solution, here the recursion of the residual makes it
    relative to the start, which a floor at x* = 0 does not see."""
    return [p for p in pool(QuadraticForm, StronglyConvex, needs=("hvp",)) if np.any(p.x_star)]


quadratic = dict(assumes=(QuadraticForm, StronglyConvex), on=off_the_origin,
                 control=Control("the residual as direction", method=as_method(steepest_descent)))
conjugate_gradient.proves(
    Guarantee(suboptimality, lambda k, L, mu, D0: 4 * polyak_rate(L, mu) ** (2 * k) * D0,
              cite(70, 4, "Sec 2.4", claim="rate"), **quadratic,
              note="||x - x*||_A^2 = 2 (f(x) - f*): the stated bound squared"),
    Guarantee(suboptimality, exact_from, cite(70, 4, "Sec 2.4", claim="exact after n steps"), relation="==",
              **quadratic),
    *lower_bounds(),
)
