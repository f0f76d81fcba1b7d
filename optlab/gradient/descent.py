"""Gradient descent and the theorems of its classes: convex, strongly convex, PL, nonconvex, quadratic, rough, composed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optlab.problems.assumptions import (
    PL,
    Convex,
    LinearComposition,
    LowerBounded,
    QuadraticForm,
    QuadraticUpperBound,
    Smooth,
    StronglyConvex,
    SymmetricComposition,
)
from optlab.problems.base import Misdeclared
from optlab.problems.growth import rough
from optlab.problems.hard import AlongEigenvector, HuberNorm
from optlab.problems.pool import pool
from optlab.problems.quadratic import Quadratic

from ..fold import average, best, pairs
from ..functions import exp, maximum, minimum
from ..guarantee import Case, Control, Guarantee, cite, now
from ..measures import Measure, point, sq_distance, sq_gradient, suboptimality
from ..methods import method
from ..potentials import never_grows, weighed
from .compositions import composition_rate, compositions, symmetric_compositions, symmetric_rate, wide_compositions
from .lower_bounds import lower_bounds
from .nonconvex import beyond, beyond_convexity

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


def worst_share(k, step, L, mu):
    """1/(step L (2k + 1)) moved into [mu/L, 1]: the eigenvalue, over L, along which f is largest after k steps."""
    return minimum(maximum(1 / (step * L * (2 * k + 1)), mu / L), 1.0)


def on_quadratics(k, step, L, mu, R):
    """L/2 max{a (1 - a step L)^(2k), (1 - step L)^(2k)} R^2, a the worst share."""
    a = worst_share(k, step, L, mu)
    return L / 2 * maximum(a * (1 - a * step * L) ** (2 * k), (1 - step * L) ** (2 * k)) * R**2


def worst_eigenvalues(rng):
    """A start along the worst eigenvalue for k steps of 1/L; then the pool."""
    spectra = [(k, np.diag([0.01, worst_share(k, 1.0, 1.0, 0.01), 1.0])) for k in (5, 20)]
    return [Case(AlongEigenvector(A, which=1, name=f"worst quadratic for {k} steps"), steps=k) for k, A in spectra] \
        + [Case(p) for p in pool(QuadraticForm, StronglyConvex)]


def either_end(rng):
    """Starts along the eigenvectors of mu and of L: steps below 2/(L + mu) are slow along the one, others along the other."""
    p = Quadratic(np.diag([0.1, 0.3, 1.0]), name="quadratic about the origin")
    return [Case(p, np.eye(3)[[0, 2]]), *(Case(p) for p in pool(StronglyConvex, Smooth))]


def under_a_quadratic(rng):
    return [Case(HuberNorm.for_gradient_descent(20), steps=20), *(Case(p) for p in rough())]


up_to = dict(recipe=lambda L, share: dict(step=share / L), vary=dict(share=(1.0, 0.5, 0.1)), control=beyond,
             valid=lambda step, L: 0 < step <= 1 / L)

below_two = dict(recipe=lambda L, share: dict(step=share / L), vary=dict(share=(1.0, 1.9, 0.5)), control=beyond,
                 valid=lambda step, L: 0 < step < 2 / L)
composed = dict(
    recipe=lambda L_g, L_M, share: dict(step=share / (L_g * L_M**2)), vary=dict(share=(1.0, 1.8, 0.5)),
    valid=lambda step, L_g, L_M: 0 < step < 2 / (L_g * L_M**2), tightness="tight",
    control=Control("step beyond 2/(L_g L_M^2)", recipe=lambda L_g, L_M: dict(step=2.2 / (L_g * L_M**2)), on=wide_compositions),
    at_constants=dict(mu_g=0.1, L_g=1.0, L_M=1.0, mu_M=0.9),
    note="attained, and the exact worst case of every k and step that was solved; not proved for all", proved=False,
)

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
    Guarantee(source=cite(0, 0, "Bansal-Gupta 2019, Thm 3.3"), assumes=(Convex, Smooth),
              at=weighed(lambda k, L: (k, 0, L / 2), "V = k (f - f*) + L/2 ||x - x*||^2"),
              recipe=lambda L: dict(step=1 / L), control=beyond, **never_grows),
    Guarantee(source=cite(0, 0, "Taylor-Bach 2019, Thm 3"), at=weighed(
                  lambda k, L: ((2 * k + 1) * L, k * (k + 2), L**2),
                  "V = (2k + 1) L (f - f*) + k (k + 2) ||grad f||^2 + L^2 ||x - x*||^2"),
              assumes=(Convex, Smooth), recipe=lambda L: dict(step=1 / L), control=beyond, **never_grows),
    Guarantee(sq_gradient, lambda k, L, mu, step, G0: maximum(1 - step * mu, step * L - 1) ** (2 * k) * G0**2,
              cite(0, 0, "derived: the step is a contraction"), assumes=(StronglyConvex, Smooth), tightness="tight",
              on=either_end, **below_two),
    Guarantee(suboptimality, on_quadratics, cite(0, 0, "Bousselmi-Hendrickx-Glineur 2023, (4.17)"), tightness="tight",
              assumes=(QuadraticForm, StronglyConvex, Smooth), on=worst_eigenvalues, **below_two,
              note="max over eigenvalues h of h/2 (1 - step h)^(2k): the only maximum inside is at 1/(step (2k + 1))"),
    Guarantee(suboptimality, lambda k, step, R: R**2 / (2 * step * k), cite(0, 0, "derived: f - f* + ||g||^2/2L <= <g, x - x*>"),
              assumes=(Convex, QuadraticUpperBound), at=average, on=under_a_quadratic, **up_to),
    Guarantee(suboptimality, lambda k, step, L, R: L * R**2 / 2 * maximum(1 / (2 * k * step * L + 1), step * L),
              cite(0, 0, "Goujaud-Taylor-Dieuleveut 2022, Thm 2.2"), assumes=(Convex, QuadraticUpperBound), tightness="tight",
              on=under_a_quadratic, **up_to | dict(vary=dict(share=(0.5, 0.05, 0.2))),
              note="the theorem says that f is attained; above it the exact worst case of no k and step was seen", proved=False),
    Guarantee(suboptimality, composition_rate, cite(0, 0, "Bousselmi-Hendrickx-Glineur 2023, Conj 4.2"),
              assumes=(LinearComposition,), on=compositions, **composed),
    Guarantee(suboptimality, symmetric_rate, cite(0, 0, "Bousselmi-Hendrickx-Glineur 2023, Conj 4.2, symmetric"),
              assumes=(SymmetricComposition,), on=symmetric_compositions, **composed),
    *beyond_convexity,
    *lower_bounds(lambda L, share: dict(step=share / L), share=(1.9, 1.5, 1.0, 0.5, 0.1)),
)
