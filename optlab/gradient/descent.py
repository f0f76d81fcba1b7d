"""Gradient descent and the theorems of its four classes: convex, strongly convex, PL, nonconvex."""

from __future__ import annotations

from dataclasses import replace

from optlab.problems.assumptions import PL, Convex, LowerBounded, QuadraticForm, Smooth, StronglyConvex
from optlab.problems.base import Misdeclared
from optlab.problems.hard import AlongEigenvector, HuberNorm
from optlab.problems.pool import pool

from ..fold import best, pairs
from ..functions import exp
from ..guarantee import Case, Control, Guarantee, cite, now
from ..measures import Measure, point, sq_distance, sq_gradient, suboptimality
from ..methods import method
from .lower_bounds import lower_bounds

decrease = Measure(
    "f(y) - f(x)",
    lambda problem, pair: problem.value(point(pair.y)) - problem.value(point(pair.x)),
    r"f(x_{k+1}) - f(x_k)",
    lambda problem, pair: 2 * abs(problem.value(point(pair.x))) + problem.value_scale,
)
gradient_share = Measure(
    "||grad f(x)||^2 / (2L)",
    lambda problem, it: problem.sq(problem.grad(point(it))) / (2 * problem.L),
    r"\tfrac{1}{2L}\|\nabla f(x_k)\|^2",
    lambda problem, it: sq_gradient.magnitude(problem, it) / problem.L,
)


@method(needs=("grad",), family="gradient", restartable=True)
def gradient_descent(problem, x, *, step):
    """Gradient descent, x+ = x - step grad f(x)."""
    while True:
        yield x
        x = x - step * problem.grad(x)


def smooth_convex(rng):
    """For N steps of share/L the function on which they meet the bound; then the pool's smooth convex problems."""
    worst = [Case(HuberNorm.for_gradient_descent(n, share), steps=n) for n, share in ((100, 1.0), (20, 0.5))]
    return [*worst, *(Case(p) for p in pool(Convex, Smooth))]


def slowest(rng):
    """A start along the eigenvector of mu, where every step contracts by 1 - step mu; then the pool."""
    return [Case(p, p.x0) for p in pool(QuadraticForm) if isinstance(p, AlongEigenvector)] \
        + [Case(p) for p in pool(StronglyConvex, Smooth)]


beyond = Control("step beyond 2/L", recipe=lambda L: dict(step=2.2 / L))
up_to = dict(recipe=lambda L, share: dict(step=share / L), vary=dict(share=(1.0, 0.5, 0.1)), control=beyond,
             valid=lambda step, L: 0 < step <= 1 / L)

gradient_descent.proves(
    Guarantee(suboptimality, lambda k, step, L, R: L * R**2 / (4 * k * step * L + 2),
              cite(29, 1, "Drori-Teboulle 2014"), assumes=(Convex, Smooth), tightness="tight",
              on=smooth_convex, **up_to | dict(control=replace(beyond, on=lambda rng: pool(Convex, Smooth)))),
    Guarantee(suboptimality, lambda k, step, R: R**2 / (2 * step * k), cite(165, 3, "Thm 3.4"),
              assumes=(Convex, Smooth), **up_to),
    Guarantee(sq_distance, lambda k, mu, step, R: (1 - step * mu) ** k * R**2, cite(165, 4, "Thm 3.6"),
              assumes=(StronglyConvex, Smooth), **up_to),
    Guarantee(sq_distance, lambda k, mu, step, R: (1 - step * mu) ** (2 * k) * R**2,
              cite(0, 0, "Taylor-Hendrickx-Glineur 2018, Thm 2.1"), assumes=(StronglyConvex, Smooth), tightness="tight",
              on=slowest, **up_to),
    Guarantee(suboptimality, lambda k, mu, step, D0: (1 - step * mu) ** k * D0, cite(165, 5, "Thm 3.9"),
              assumes=(PL, Smooth), **up_to),
    Guarantee(sq_gradient, lambda k, L, D0: 2 * L * D0 / k, cite(165, 6, "descent lemma"),
              assumes=(LowerBounded, Smooth), at=best, recipe=lambda L: dict(step=1 / L), control=beyond),
    Guarantee(decrease, lambda step, L, g2: -step * (1 - step * L / 2) * g2,
              cite(165, 1, "Sec 2", claim="descent lemma"), assumes=(Smooth,), at=pairs, tightness="tight",
              using=dict(g2=now(lambda p, pair: p.sq(p.grad(point(pair.x))))), **up_to),
    Guarantee(gradient_share, lambda gap: gap, cite(165, 1, "Sec 2", claim="gradient bound"),
              assumes=(LowerBounded, Smooth), using=dict(gap=now(suboptimality)),
              recipe=lambda L: dict(step=1 / L), control=Control("a function four times less smooth than declared",
              on=lambda rng: [Misdeclared(p, L=p.L / 4) for p in pool(LowerBounded, Smooth)])),
    Guarantee(suboptimality, lambda k, L, R: 2 * L * R**2 / k, cite(70, 6, "Thm 3.3"), assumes=(Convex, Smooth),
              recipe=lambda L: dict(step=1 / L), control=beyond, note="index t = k + 1: x_1 is the start"),
    Guarantee(suboptimality, lambda k, L, mu, R: L / 2 * exp(-4 * k / (L / mu + 1)) * R**2, cite(70, 11, "Thm 3.12"),
              assumes=(StronglyConvex, Smooth), recipe=lambda L, mu: dict(step=2 / (mu + L)), on=slowest, control=beyond),
    *lower_bounds(lambda L, share: dict(step=share / L), share=(1.9, 1.5, 1.0, 0.5, 0.1)),
)
