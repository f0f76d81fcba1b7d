"""The heavy ball: exact on quadratics, safe with short steps, optimal under a quadratic upper bound."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from optlab.problems.assumptions import Convex, QuadraticForm, QuadraticUpperBound, Smooth, StronglyConvex
from optlab.problems.growth import LargestSquare, rough
from optlab.problems.hard import AlongEigenvector
from optlab.problems.pool import pool

from ..functions import sqrt
from ..guarantee import Case, Control, Guarantee, cite, start
from ..measures import EPS, Measure, sq_distance, suboptimality
from ..methods import method
from ..steps import at
from .lower_bounds import lower_bounds, polyak_rate


class HeavyBall(NamedTuple):
    """The point, the one before it, and the steps taken so far."""

    x: Any
    previous: Any
    k: int


@method(needs=("grad",), family="gradient", restartable=True)
def heavy_ball(problem, x, previous=None, k=0, *, step, momentum):
    """Heavy ball, x+ = x - step_k grad f(x) + momentum_k (x - previous) (Polyak 1964)."""
    previous = x if previous is None else previous
    while True:
        yield HeavyBall(x, previous, k)
        x, previous = x - at(step, k) * problem.grad(x) + at(momentum, k) * (x - previous), x
        k = k + 1


def polyak_step(L, mu):
    """4/(sqrt L + sqrt mu)^2."""
    return 4 / (sqrt(L) + sqrt(mu)) ** 2


def polynomial_times_rate(k, L, mu, R):
    """((1 + k + k rho) rho^k R)^2: at the largest eigenvalue the two roots are both -rho."""
    rho = polyak_rate(L, mu)
    return ((1 + k + k * rho) * rho**k * R) ** 2


def _energy(problem, it):
    # on an eigenvector (eigenvalue h) with e, p the errors now and before: e^2 - (1 + b - step h) e p + b p^2, whose
    # roots are those of the recursion; it is positive exactly when they are complex, of modulus sqrt b
    b, step = polyak_rate(problem.L, problem.mu) ** 2, polyak_step(problem.L, problem.mu)
    e, p = it.x - problem.x_star, it.previous - problem.x_star
    return problem.sq(e) - problem.inner(e, (1 + b) * p - step * problem.grad(it.previous)) + b * problem.sq(p)


def _energy_magnitude(problem, it):
    reach = problem.norm(it.x - problem.x_star) + problem.norm(it.previous - problem.x_star)
    return reach * (reach + problem.norm(problem.x_star) + problem.x_star_error / EPS)


energy = Measure("energy of (x, previous)", _energy, r"E_k", _energy_magnitude)


def quadratics(rng):
    """The bound's own worst start (the largest eigenvalue), the slowest direction, and quadratics of the pool."""
    A = np.diag([0.01, 0.03, 0.2, 1.0])
    b = np.array([0.0, 1.0, -1.0, 1.0])
    return [Case(AlongEigenvector(A, b, which=i, name=f"quadratic along eigenvector {i}")) for i in (-1, 0)] \
        + [Case(p) for p in pool(QuadraticForm, StronglyConvex)]


def each_eigenvector(rng):
    """Every eigenvector of a quadratic as a start, in one batch."""
    problems = (AlongEigenvector(np.diag([1.0, 2.0, 5.0, 16.0]), np.ones(4), name="diagonal quadratic"),
                *pool(QuadraticForm, StronglyConvex)[:1])
    return [Case(p, p.x_star + np.linalg.eigh(p.A)[1].T, steps=20) for p in problems]


@cache
def vanishing(L):
    """1/(L (k + 2))."""
    return lambda k: 1 / (L * (k + 2))


def towards_one(k):
    """k/(k + 2)."""
    return k / (k + 2)


def bounded_by_a_quadratic(rng):
    """For k steps k + 1 coordinates, of which each step lowers one; then the pool."""
    return [*(Case(LargestSquare(np.eye(k + 1)), steps=k) for k in (5, 30)),
            *(Case(p) for p in rough())]


polyak = dict(
    assumes=(QuadraticForm, StronglyConvex),
    recipe=lambda L, mu: dict(step=polyak_step(L, mu), momentum=polyak_rate(L, mu) ** 2),
    control=Control("step multiplied by 1.5", recipe=lambda step: dict(step=1.5 * step)),
)
heavy_ball.proves(
    Guarantee(energy, lambda k, L, mu, E0: polyak_rate(L, mu) ** (2 * k) * E0,
              cite(29, 3, "Polyak 1964", claim="every eigenvalue has this modulus"), relation="==",
              using=dict(E0=start(_energy)), on=each_eigenvector, **polyak),
    Guarantee(sq_distance, polynomial_times_rate, cite(29, 3, "Polyak 1964", claim="rate of the iterates"),
              tightness="tight", on=quadratics, symbolic=False, **polyak,
              note="on an eigenvector x_k - x* = rho^k (U_k - rho U_{k-1})(x_0 - x*), U_k Chebyshev, |U_k| <= k + 1"),
    Guarantee(suboptimality, lambda k, step, mu, D0: (1 - step * mu) ** k * D0,
              cite(0, 0, "Ghadimi-Feyzmahdavian-Johansson 2015, Thm 4"), assumes=(StronglyConvex, Smooth),
              recipe=lambda L, mu, share: dict(step=share / L, momentum=sqrt((1 - share) * (1 - share * mu / L))),
              vary=dict(share=(0.5, 1.0, 0.1)), control=Control("momentum 1", recipe=lambda: dict(momentum=1.0))),
    Guarantee(suboptimality, lambda k, L, R: L * R**2 / (2 * (k + 1)),
              cite(0, 0, "Goujaud-Taylor-Dieuleveut 2022, Thm 2.4"), assumes=(Convex, QuadraticUpperBound), first=0,
              tightness="tight", on=bounded_by_a_quadratic,
              recipe=lambda L: dict(step=vanishing(L), momentum=towards_one),
              control=Control("steps ten times longer", recipe=lambda L: dict(step=vanishing(L / 10))),
              note="no first-order method has a better bound (Thm 2.3)"),
    *lower_bounds(lambda L, mu: dict(step=polyak_step(L, mu), momentum=polyak_rate(L, mu) ** 2)),
)
