"""Gradient descent and the theorems of its four classes: convex, strongly convex, PL, nonconvex."""

from __future__ import annotations

from optlab.problems.assumptions import PL, Convex, LowerBounded, Smooth, StronglyConvex
from optlab.problems.base import Misdeclared
from optlab.problems.pool import pool

from ..fold import best, pairs
from ..guarantee import Control, Guarantee, cite, now
from ..measures import Measure, point, sq_distance, sq_gradient, suboptimality
from ..methods import method

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


beyond = Control("step beyond 2/L", recipe=lambda L: dict(step=2.2 / L))
up_to = dict(recipe=lambda L, share: dict(step=share / L), vary=dict(share=(1.0, 0.5, 0.1)), control=beyond,
             valid=lambda step, L: 0 < step <= 1 / L)

gradient_descent.proves(
    Guarantee(suboptimality, lambda k, step, L, R: L * R**2 / (4 * k * step * L + 2), cite(29, 1, "Drori-Teboulle 2014"),
              assumes=(Convex, Smooth), tightness="tight", **up_to),
    Guarantee(suboptimality, lambda k, step, R: R**2 / (2 * step * k), cite(165, 3, "Thm 3.4"),
              assumes=(Convex, Smooth), **up_to),
    Guarantee(sq_distance, lambda k, mu, step, R: (1 - step * mu) ** k * R**2, cite(165, 4, "Thm 3.6"),
              assumes=(StronglyConvex, Smooth), **up_to),
    Guarantee(suboptimality, lambda k, mu, step, D0: (1 - step * mu) ** k * D0, cite(165, 5, "Thm 3.9"),
              assumes=(PL, Smooth), **up_to),
    Guarantee(sq_gradient, lambda k, L, D0: 2 * L * D0 / k, cite(165, 6, "descent lemma"),
              assumes=(LowerBounded, Smooth), at=best, recipe=lambda L: dict(step=1 / L), control=beyond),
    Guarantee(decrease, lambda step, L, g2: -step * (1 - step * L / 2) * g2, cite(165, 1, "Sec 2", claim="descent lemma"),
              assumes=(Smooth,), at=pairs, using=dict(g2=now(lambda p, pair: p.sq(p.grad(point(pair.x))))),
              tightness="tight", **up_to),
    Guarantee(gradient_share, lambda gap: gap, cite(165, 1, "Sec 2", claim="gradient bound"),
              assumes=(LowerBounded, Smooth), using=dict(gap=now(suboptimality)),
              recipe=lambda L: dict(step=1 / L), control=Control("a function four times less smooth than declared",
              on=lambda rng: [Misdeclared(p, L=p.L / 4) for p in pool(LowerBounded, Smooth)])),
)
