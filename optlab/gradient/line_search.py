"""Exact searches: along the gradient, and over the span of all gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

from optlab.problems.assumptions import Convex, QuadraticUpperBound, Smooth, StronglyConvex
from optlab.problems.inexact import Zigzag
from optlab.problems.pool import pool

from ..guarantee import Case, Control, Guarantee, cite
from ..measures import suboptimality
from ..methods import as_method, method
from .optimized import last_theta


class Searched(NamedTuple):
    """The point and the gradients of the points before it, newest first."""

    x: Any
    gradients: tuple[Any, ...]


@method(needs=("grad", "minimize_on"), family="gradient", restartable=True, cost="minimize_on")
def span_search(problem, x, gradients=(), *, memory=None):
    """x+ = argmin f over x + span of the last ``memory`` gradients, by default all (Drori-Taylor 2020, greedy first-order).

    On quadratics all gradients give conjugate gradients; memory 1 is steepest descent with exact line search.
    """
    while True:
        yield Searched(x, gradients)
        gradients = (problem.grad(x), *gradients)[:memory]
        x = problem.minimize_on(x, *gradients)


def half_way(problem, x, *, memory=None):
    """Sabotage: half of the way to the minimizer."""
    while True:
        yield Searched(x, ())
        x = 0.5 * (x + problem.minimize_on(x, problem.grad(x)))


def too_far(problem, x, gradients=(), *, memory=None):
    """Sabotage: 2.2 times the way to the minimizer."""
    while True:
        yield Searched(x, gradients)
        gradients = (problem.grad(x), *gradients)[:memory]
        x = x + 2.2 * (problem.minimize_on(x, *gradients) - x)


def searchable(rng):
    """The pool's smooth convex problems on which exact searches are known."""
    return [Case(p, steps=20) for p in pool(Convex, Smooth, needs=("minimize_on",))]


def zigzags(rng):
    """Where steepest descent is slowest; then the pool."""
    return [*(Case(Zigzag(mu, L)) for mu, L in ((0.1, 1.0), (0.5, 3.0))),
            *(Case(p, steps=20) for p in pool(StronglyConvex, Smooth, needs=("minimize_on",)))]


astray = Control("2.2 times the way", method=as_method(too_far))

span_search.proves(
    Guarantee(suboptimality, lambda k, L, R: L * R**2 / (2 * last_theta(k) ** 2), cite(0, 0, "Drori-Taylor 2020, Cor 6"),
              assumes=(Convex, Smooth), on=searchable, tightness="tight", recipe=lambda: dict(memory=None), control=astray,
              note="no first-order method is better over this class (Drori 2017, Thm 3)"),
    Guarantee(suboptimality, lambda k, L, R: L * R**2 / (2 * (k + 1)), cite(0, 0, "Goujaud-Taylor-Dieuleveut 2022, Thm 2.4"),
              assumes=(Convex, QuadraticUpperBound), on=lambda rng: pool(Convex, QuadraticUpperBound, needs=("minimize_on",)),
              tightness="tight", recipe=lambda: dict(memory=None), steps=40, control=astray,
              note="where f is not smooth, the next gradient is the subgradient that is orthogonal to the span"),
    Guarantee(suboptimality, lambda k, L, mu, D0: ((L - mu) / (L + mu)) ** (2 * k) * D0,
              cite(0, 0, "de Klerk-Glineur-Taylor 2017, Thm 1.2"), assumes=(StronglyConvex, Smooth), on=zigzags,
              tightness="tight", recipe=lambda: dict(memory=1), control=Control("half of the way", method=as_method(half_way))),
)
