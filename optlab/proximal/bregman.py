"""Proximal and interior gradient methods in the geometry of a kernel h (see also ``mirror_descent``)."""

from __future__ import annotations

from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from optlab.problems.assumptions import BregmanKernel, Convex, SmoothPart, StronglyConvexKernel
from optlab.problems.bregman import Euclidean, convex_quartic, steep_quartic
from optlab.problems.entropic import near_vertex_quadratic, random_quadratic_on_simplex
from optlab.problems.sets import ramp, simplex_quadratic

from ..functions import sqrt
from ..guarantee import Case, Control, Guarantee, cite, start
from ..measures import point, suboptimality
from ..methods import method


class Interior(NamedTuple):
    """The point, the point of the mirror steps, and the weight c, which falls as 1/k^2."""

    x: Any
    z: Any
    c: float


@method(needs=("bregman_prox",), family="proximal", restartable=True)
def bregman_proximal_point(problem, x, *, step):
    """Bregman proximal point, x+ = argmin_s f(s) + D(s, x) / step (Censor, Zenios 1992)."""
    while True:
        yield x
        x = problem.bregman_prox(x, step)


@method(needs=("grad", "mirror"), family="proximal", restartable=True)
def improved_interior_gradient(problem, x, z=None, c=None, *, step, weight=1.0):
    """z+ = argmin <a/c+ grad f(y), s> + D(s, z), y = (1 - a) x + a z, x+ = (1 - a) x + a z+ (Auslander, Teboulle 2006)."""
    z, c = x if z is None else z, weight if c is None else c
    while True:
        yield Interior(x, z, c)
        a = (sqrt((c * step) ** 2 + 4 * c * step) - c * step) / 2
        y = (1 - a) * x + a * z
        c = (1 - a) * c
        z = problem.mirror(z, (a / c) * problem.grad(y))
        x = (1 - a) * x + a * z


def fallen(k, step, weight):
    """c_k / c_0, the product of the 1 - a; k a number or an array."""
    def fall(c, _):
        return c * (1 - (sqrt((c * step) ** 2 + 4 * c * step) - c * step) / 2)

    k = np.asarray(k, dtype=int)
    return np.array(list(accumulate(range(k.max()), fall, initial=float(weight))))[k] / weight


from_kernel = dict(D=start(lambda problem, it: problem.divergence(problem.x_star, point(it))))
energy = dict(E=start(lambda problem, it: it.c * problem.divergence(problem.x_star, it.x) + suboptimality(problem, it)))


def quartics(rng):
    return [Case(steep_quartic(), steps=60), Case(convex_quartic(), steps=60)]


def on_simplices(rng):
    return [Case(near_vertex_quadratic()), Case(simplex_quadratic()), Case(random_quadratic_on_simplex())]


def steep_ramp(rng):
    """Slope N from a distance 1/N: mirror steps go to the end at once, x_k as the weight; and the simplices."""
    return [Case(Euclidean(ramp(0.5e-3)), np.array([1e-3, 0.0]), steps=30), *on_simplices(rng)[:2]]


# over the class the supremum is not attained: slopes N at distances 1/N, on which semidefinite programs end uncertified
interior = dict(assumes=(Convex, SmoothPart, StronglyConvexKernel), using=energy, on=on_simplices, symbolic=False,
                recipe=lambda mu_h, L, share, c0: dict(step=share * mu_h / L, weight=c0),
                vary=dict(share=(1.0, 0.1), c0=(1.0, 10.0)), valid=lambda step, mu_h, L: 0 < step <= mu_h / L,
                control=Control("steps a hundred times too short", recipe=lambda step: dict(step=step / 100)))

bregman_proximal_point.proves(
    Guarantee(suboptimality, lambda k, step, D: D / (step * k), cite(0, 0, "Censor-Zenios 1992; Chen-Teboulle 1993, Thm 3.4"),
              assumes=(Convex, BregmanKernel), using=from_kernel, on=quartics, tightness="tight",
              recipe=lambda h: dict(step=h), vary=dict(h=(0.1, 1.0, 10.0)), valid=lambda step: step > 0,
              control=Control("steps a hundred times too short", recipe=lambda step: dict(step=step / 100))),
)
improved_interior_gradient.proves(
    Guarantee(suboptimality, lambda k, step, weight, E: 4 * E / (2 + k * sqrt(weight * step)) ** 2,
              cite(0, 0, "Auslander-Teboulle 2006, Thm 5.2"), note="the product of the 1 - a, as bounded there", **interior),
    Guarantee(suboptimality, lambda k, step, weight, E: fallen(k, step, weight) * E,
              cite(0, 0, "Auslander-Teboulle 2006, proof of Thm 5.2"), tightness="tight",
              note="the exact supremum over the class, which no instance attains", **interior | dict(on=steep_ramp)),
)
