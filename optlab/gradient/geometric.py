"""Geometric descent: two balls that hold the solution, and the smallest ball around what they share."""

from __future__ import annotations

from typing import Any, NamedTuple

from array_api_compat import array_namespace

from optlab.problems.assumptions import Smooth, StronglyConvex
from optlab.problems.hard import NesterovChain
from optlab.problems.pool import pool

from ..guarantee import Case, Control, Guarantee, cite, now, start
from ..measures import sq_distance
from ..methods import method


class Ball(NamedTuple):
    """The centre and the squared radius of a ball that holds x*, and the last point at which the gradient was asked."""

    center: Any
    sq_radius: Any
    x: Any


def around_both(problem, a, sq_a, b, sq_b):
    """Centre and squared radius of the smallest ball around B(a, sqrt sq_a) cap B(b, sqrt sq_b)."""
    xp = array_namespace(a)
    apart = problem.sq(b - a)
    crossing = apart > abs(sq_a - sq_b)  # else the smaller ball has its widest section inside the other
    share = (apart + sq_a - sq_b) / xp.where(crossing, 2 * apart, 1.0)  # of the way from a to b, to where the spheres meet
    share = xp.where(crossing, share, xp.where(sq_a <= sq_b, 0.0, 1.0))
    sq_radius = xp.where(crossing, sq_a - share**2 * apart, xp.minimum(sq_a, sq_b))
    return a + problem.column(share) * (b - a), xp.maximum(sq_radius, 0 * sq_radius)


def line_minimum(problem, a, b, mu, L):
    """argmin of f on the line through a and b, by bisecting its slope, which grows at a rate in [mu, L] ||b - a||^2."""
    xp = array_namespace(a)
    slope = problem.inner(problem.grad(a), b - a)
    length = problem.sq(b - a)
    low, high = (xp.where(length > 0, -slope / xp.where(length > 0, c * length, 1.0), 0.0) for c in (mu, L))
    low, high = xp.minimum(low, high), xp.maximum(low, high)
    for _ in range(50):
        middle = (low + high) / 2
        rising = problem.inner(problem.grad(a + problem.column(middle) * (b - a)), b - a) > 0
        low, high = xp.where(rising, low, middle), xp.where(rising, middle, high)
    return a + problem.column((low + high) / 2) * (b - a)


@method(needs=("grad",), family="gradient", symbolic=False)
def geometric_descent(problem, x, *, mu, L):
    """Geometric descent (Bubeck-Lee-Singh 2015): search the line through the centre and x - g/L, cut, enclose."""
    g = problem.grad(x)
    center, sq_radius = x - g / mu, (1 - mu / L) * problem.sq(g) / mu**2
    while True:
        yield Ball(center, sq_radius, x)
        x = line_minimum(problem, center, x - g / L, mu, L)
        g = problem.grad(x)
        s = problem.sq(g) / mu**2
        center, sq_radius = around_both(problem, center, sq_radius - s * mu / L, x - g / mu, s * (1 - mu / L))


def well_conditioned(rng):
    """Condition numbers up to a few hundred: 40 steps stay far above rounding."""
    chain = NesterovChain(60, kappa=100.0)
    return [Case(p, p.starts(4) + rng.standard_normal((4, *p.point_shape)), steps=40)
            for p in (chain, *pool(StronglyConvex, Smooth)) if 1 < p.L / p.mu < 500]


fitting = dict(assumes=(StronglyConvex, Smooth), recipe=lambda mu, L: dict(mu=mu, L=L), on=well_conditioned,
               control=Control("mu taken ten times too large", recipe=lambda mu: dict(mu=10 * mu)))
radius0 = start(lambda problem, it: it.sq_radius)

geometric_descent.proves(
    Guarantee(sq_distance, lambda k, mu, L, sq_R0: (1 - (mu / L) ** 0.5) ** k * sq_R0,
              cite(70, 15, "Thm 3.17", claim="rate"), using=dict(sq_R0=radius0), **fitting),
    Guarantee(sq_distance, lambda sq_radius: sq_radius, cite(70, 15, "Thm 3.17", claim="the ball holds the solution"),
              using=dict(sq_radius=now(lambda problem, it: it.sq_radius)), **fitting),
)
