"""Proximal methods whose proxes are computed approximately, to a relative accuracy (Barre, Taylor, Bach 2020, 2021).

``problem.inexact_prox(v, step, allowed)`` answers x and a subgradient s there, x = v - step s + e, ||e||^2 <= allowed(x, s).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optlab.problems.approximate import Displaced
from optlab.problems.assumptions import (
    ApproximateDualProx,
    ApproximateProx,
    Convex,
    ConvexPair,
    SmoothPart,
    StronglyConvexPart,
)
from optlab.problems.composite import diabetes_elastic_net, sparse_lasso
from optlab.problems.hard import HuberNorm, slow_quadratic
from optlab.problems.operators import diabetes_split_lasso

from ..fold import pairs
from ..functions import maximum, sqrt
from ..gradient.descent import decrease
from ..guarantee import Case, Control, Guarantee, cite, now
from ..measures import point, suboptimality
from ..methods import method
from ..splitting.proximal_splitting import DR, Scalar, far, sq_governing


class Accelerated(NamedTuple):
    """The point, the point of the estimate sequence, and the weight A that it has gathered."""

    x: Any
    z: Any
    A: float


@method(needs=("inexact_prox",), family="proximal", restartable=True)
def inexact_proximal_point(problem, x, *, step, error):
    """x+ = x - step s + e, s a subgradient at x+, ||e|| <= error ||x+ - x|| (Rockafellar 1976; Barre, Taylor, Bach 2020)."""
    while True:
        yield x
        x, _ = problem.inexact_prox(x, step, lambda y, s: error**2 * problem.sq(y - x))


@method(needs=("grad", "inexact_prox"), family="proximal", restartable=True)
def accelerated_inexact_forward_backward(problem, x, z=None, A=0.0, *, step, error):
    """x+ from a prox at y - step grad f(y), y between x and z; z+ = z - (A+ - A)(v + grad f(y)) (Barre, Taylor, Bach 2021)."""
    z, short = x if z is None else z, (1 - error**2) * step
    while True:
        yield Accelerated(x, z, A)
        grown = A + (short + sqrt(short**2 + 4 * short * A)) / 2
        y = x + (1 - A / grown) * (z - x)
        g = problem.grad(y)
        x, v = problem.inexact_prox(y - step * g, step, lambda u, v: (error * step) ** 2 * problem.sq(v + g))
        z = z - (grown - A) * (v + g)
        A = grown


@method(needs=("inexact_prox", "prox_g"), family="proximal")
def partially_inexact_douglas_rachford(problem, z, *, step, error):
    """z+ = z + y - x: x = z - step (grad f(x) - e), y = prox_g(x - step grad f(x)) (Eckstein, Yao 2018)."""
    while True:
        x, s = problem.inexact_prox(
            z, step, lambda x, s: error**2 * problem.sq(problem.prox_g(x - step * s, step) - z + step * s))
        y = problem.prox_g(x - step * s, step)
        yield DR(x, z, y, step)
        z = z + y - x


def alone(rng):
    """Functions that are their own prox; errors that go away from the solution, and towards it."""
    long = HuberNorm(0.1, R=9.0)
    return [Case(Displaced(p, inward=inward), steps=20) for p, inward in ((long, False), (long, True), (slow_quadratic(), False))]


def composites(rng):
    return [Case(Displaced(diabetes_elastic_net()), steps=40), Case(Displaced(sparse_lasso()), steps=40),
            Case(Displaced(sparse_lasso(), inward=True), steps=40)]


def splittings(rng):
    """Where the exact method meets its rate, and a lasso."""
    return [Case(Displaced(Scalar(c, pinned, 0.5, 8.0), "prox_f", inward=inward), np.array([3.0]), steps=20)
            for c, pinned, inward in ((0.5, False, False), (8.0, True, True))] + [
        Case(Displaced(diabetes_split_lasso(), "prox_f"), steps=20)]


def broken(family, inward, excess):
    return lambda rng: [Case(Displaced(c.problem.inner_problem, c.problem.of, inward=inward, excess=excess), c.x0, steps=c.steps)
                        for c in family(rng)]


within = dict(valid=lambda error: 0 <= error < 1)

inexact_proximal_point.proves(
    Guarantee(decrease, lambda step, error, moved: -(1 - error) / step * moved, cite(0, 0, "Rockafellar 1976, by convexity"),
              assumes=(Convex, ApproximateProx), at=pairs, tightness="tight", on=alone,
              using=dict(moved=now(lambda problem, pair: problem.sq(point(pair.y) - point(pair.x)))),
              recipe=lambda h, sigma: dict(step=h, error=sigma), vary=dict(h=(1.0, 10.0), sigma=(0.5, 0.9)),
              control=Control("errors five times too long, towards the solution", on=broken(alone, True, 5.0)), **within),
    Guarantee(suboptimality, lambda k, step, error, R: (1 + error) / (4 * step * k ** sqrt(1 - error**2)) * R**2,
              cite(0, 0, "Barre-Taylor-Bach 2020, Sec 3.5.1"), assumes=(Convex, ApproximateProx), on=alone, tightness="tight",
              recipe=lambda h, sigma: dict(step=h, error=sigma), vary=dict(h=(1.0, 10.0), sigma=(0.5, 0.9)),
              control=Control("errors fifty times too long", on=broken(alone, False, 50.0)),
              note="fitted to semidefinite programs by its authors; no proof is printed", proved=False, **within),
)
accelerated_inexact_forward_backward.proves(
    Guarantee(suboptimality, lambda k, step, error, R: 2 * R**2 / ((1 - error**2) * step * k**2),
              cite(0, 0, "Barre-Taylor-Bach 2021, Cor 3.5"), assumes=(Convex, SmoothPart, ApproximateDualProx), on=composites,
              recipe=lambda L, share, sigma: dict(step=share / L, error=sigma),
              vary=dict(share=(1.0,), sigma=(0.5, 0.9)),
              control=Control("errors fifty times too long", on=broken(composites, False, 50.0)), **within),
)
partially_inexact_douglas_rachford.proves(
    Guarantee(sq_governing, lambda k, step, error, mu, L, Z: maximum(
                  (1 - error + step * mu * error) / (1 - error + step * mu),
                  (error + (1 - error) * step * L) / (1 + (1 - error) * step * L)) ** (2 * k) * Z,
              cite(0, 0, "Barre-Taylor-Bach 2020, Thm 5.1"), using=far, on=splittings, tightness="tight",
              assumes=(ConvexPair, SmoothPart, StronglyConvexPart, ApproximateProx),
              recipe=lambda t, sigma, mu, L: dict(step=t / (mu * L) ** 0.5, error=sigma),
              vary=dict(t=(1.0, 0.3), sigma=(0.5, 0.2)),
              control=Control("errors five times too long", on=broken(splittings, False, 5.0)), **within),
)
