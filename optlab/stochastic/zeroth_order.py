"""Zeroth-order methods: Frank-Wolfe without gradients or projections, and ball smoothing of nonsmooth functions."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from optlab.problems.assumptions import Compact, Convex, Lipschitz, Smooth, SmoothPart
from optlab.problems.hard import HuberNorm
from optlab.problems.quadratic import Quadratic
from optlab.problems.sets import Constrained, Simplex
from optlab.problems.zeroth import AbsoluteTerms, BallSmoothing, IndefiniteOnSet, NoisyValues, OddSquares

from ..constrained.projected import frank_wolfe_gap
from ..fold import average, pairs
from ..functions import sqrt
from ..guarantee import Case, Control, Guarantee, cite, now
from ..measures import Measure, suboptimality
from ..methods import as_method, method
from ..steps import at
from .folds import over_the_past, uniformly_drawn


class Averaged(NamedTuple):
    """The point, the averaged gradient estimate that led to it, and the steps taken so far."""

    x: Any
    d: Any
    k: int


# --- estimates of a gradient from values that share one sample ---------------------------------------------------
def differences(problem, x, c, directions, rng):
    """(F(x + c z; xi) - F(x; xi)) / c for every direction z (.., m, d), with one sample xi."""
    xi, here = problem.sample(rng, 1), x[..., None, :]
    return (problem.sample_value(here + c * directions, xi) - problem.sample_value(here, xi)) / c


@cache
def gaussian(m=1):
    """RDSA (m = 1: two values), I-RDSA (m + 1 values): the mean over m normal directions."""

    def estimate(problem, x, c, rng):
        z = rng.normal((m, problem.dim))
        return array_namespace(x).mean(problem.column(differences(problem, x, c, z, rng)) * z, axis=-2)

    return estimate


def coordinates(problem, x, c, rng):
    """KWSA: a difference along every coordinate, d + 1 values."""
    return differences(problem, x, c, np.eye(problem.dim), rng)


def two_samples(problem, x, c, rng):
    """Sabotage of RDSA: the two values have samples of their own."""
    z, here = rng.normal((1, problem.dim)), x[..., None, :]
    rise = problem.sample_value(here + c * z, problem.sample(rng, 1)) - problem.sample_value(here, problem.sample(rng, 1))
    return (problem.column(rise / c) * z)[..., 0, :]


@method(needs=("sample_value", "lmo"), family="stochastic", restartable=True, symbolic=False)
def zeroth_order_frank_wolfe(problem, x, d=0.0, k=0, *, step, rho, c, estimate, rng):
    """d+ = (1 - rho_k) d + rho_k g, x+ = x + step_k (lmo(d+) - x), g from values at distance c_k (Sahu-Zaheer-Kar 2019)."""
    d = d + 0.0 * x
    while True:
        yield Averaged(x, d, k)
        d = (1 - at(rho, k)) * d + at(rho, k) * estimate(problem, x, at(c, k), rng)
        x = x + at(step, k) * (problem.lmo(d) - x)
        k = k + 1


def away(problem, x, d=0.0, k=0, *, step, rho, c, estimate, rng):
    """Sabotage: steps to the vertex that is worst for d."""
    d = d + 0.0 * x
    while True:
        yield Averaged(x, d, k)
        d = (1 - at(rho, k)) * d + at(rho, k) * estimate(problem, x, at(c, k), rng)
        x = x + at(step, k) * (problem.lmo(-d) - x)
        k = k + 1


def later_open_loop(k):
    """2 / (k + 8)."""
    return 2 / (k + 8)


@cache
def schedules(dim, m=1):
    """rho_t (clipped to 1) and c_t of I-RDSA with m directions (RDSA: 1)."""
    return dict(rho=lambda k: min(1.0, 4 / ((1 + dim / m if m > 1 else dim) ** (1 / 3) * (k + 8) ** (2 / 3))),
                c=lambda k: 2 * m**0.5 / (dim**1.5 * (k + 8) ** (1 / 3)))


@cache
def kwsa_schedules(dim):
    return dict(rho=lambda k: 4 / (k + 8) ** (2 / 3), c=lambda k: 2 / (dim**0.5 * (k + 8) ** (1 / 3)))


def rdsa(dim):
    return dict(step=later_open_loop, estimate=gaussian(), **schedules(dim))


def kwsa(dim):
    return dict(step=later_open_loop, estimate=coordinates, **kwsa_schedules(dim))


# --- instances: quadratics on the simplex, their solution halfway between two vertices ------------------------------
@cache
def halfway(d, sigma=0.1):
    middle = np.concatenate([[0.5, 0.5], np.zeros(d - 2)])
    return NoisyValues(Constrained(Quadratic(np.eye(d), middle), Simplex(d)), sigma)


@cache
def saddle(d, scale=1.0, sigma=0.1):
    """scale (x_2^2 + ... + x_d^2 - x_1^2) / 2 on the simplex."""
    return NoisyValues(IndefiniteOnSet(scale * np.diag([-1.0] + [1.0] * (d - 1)), np.zeros(d), Simplex(d)), sigma)


def from_vertex(problem, replicates, **options):
    return Case(problem, np.tile(np.eye(problem.dim)[-1], (replicates, 1)), replicates=replicates, **options)


def growing(problem_of, dims, steps, replicates=32):
    return lambda rng: [from_vertex(problem_of(d), replicates, steps=steps) for d in dims]


def longer(problem, *steps):
    return lambda rng: [from_vertex(problem, 32, steps=t) for t in steps]


two_dimensions = growing(halfway, (4, 16), 1000)
unaveraged = Control("no averaging, rho = 1", recipe=lambda: dict(rho=1.0))
apart = Control("two samples for the two values", recipe=lambda: dict(estimate=two_samples))
mean_gap = over_the_past(frank_wolfe_gap)
nonconvex = dict(at=uniformly_drawn, mode="scaling", assumes=(SmoothPart, Compact),
                 recipe=lambda dim, horizon: rdsa(dim) | dict(step=horizon**-0.75))
one_step = Measure("h(y)", lambda problem, pair: suboptimality(problem, pair.y), r"h_{t+1}",
                   lambda problem, pair: suboptimality.magnitude(problem, pair.y))


def estimate_error(problem, pair):
    return problem.norm(problem.grad(pair.x.x) - pair.y.d)


def inexact_step(k, step, h, error, L, D):
    """(1 - g) h + g D ||grad f(x) - d|| + L g^2 D^2 / 2, g the step that was taken from x."""
    g = at(step, k - 1)
    return (1 - g) * h + g * D * error + L * g**2 * D**2 / 2


zeroth_order_frank_wolfe.proves(
    Guarantee(one_step, inexact_step, cite(103, 4, "standard"), at=pairs, assumes=(Convex, SmoothPart, Compact), steps=100,
              on=lambda rng: [Case(halfway(d), np.eye(d)[-1], replicates=32) for d in (4, 16)],
              vary=dict(gamma=(later_open_loop, 0.3, 1.0)),
              recipe=lambda dim, gamma: rdsa(dim) | dict(step=gamma, estimate=gaussian(30)),
              using=dict(h=now(lambda problem, pair: suboptimality(problem, pair.x)), error=now(estimate_error)),
              control=Control("to the worst vertex", method=as_method(away))),
    Guarantee(suboptimality, lambda k, dim: dim ** (1 / 3) / (k + 9) ** (1 / 3), cite(103, 1, "Thm 3", claim="in T"),
              mode="order", assumes=(Convex, SmoothPart, Compact), on=two_dimensions, recipe=rdsa,
              control=(unaveraged, apart)),
    Guarantee(suboptimality, lambda k, dim: dim ** (1 / 3) / (k + 9) ** (1 / 3), cite(103, 1, "Thm 3", claim="in d"),
              mode="scaling", over="dim", assumes=(Convex, SmoothPart, Compact), recipe=rdsa, control=apart,
              on=growing(halfway, (4, 6, 9, 13, 19, 28, 40), 400)),
    Guarantee(suboptimality, lambda k: 1 / (k + 9) ** (1 / 3), cite(103, 2, "Thm 3", claim="in T"), mode="order",
              assumes=(Convex, SmoothPart, Compact), recipe=kwsa, control=unaveraged,
              on=lambda rng: [from_vertex(halfway(4, sigma), 32, steps=1000) for sigma in (1.0, 0.1)]),
    Guarantee(suboptimality, lambda k: 1 / (k + 9) ** (1 / 3), cite(103, 2, "Thm 3", claim="in d"), mode="scaling",
              over="dim", assumes=(Convex, SmoothPart, Compact), on=growing(halfway, (4, 5, 7, 10, 14, 20), 300, 96),
              recipe=kwsa, control=Control("one direction in place of d", recipe=lambda: dict(estimate=gaussian()))),
    Guarantee(mean_gap, lambda k, dim: dim ** (1 / 3) / k**0.25, cite(103, 3, "Thm 4", claim="in T"), over="horizon",
              on=longer(saddle(6), 50, 100, 200, 400, 800), **nonconvex,
              control=Control("steps of T^(-3/2)", recipe=lambda horizon: dict(step=horizon**-1.5))),
    Guarantee(mean_gap, lambda k, dim: dim ** (1 / 3) / k**0.25, cite(103, 3, "Thm 4", claim="in d"), over="dim",
              on=growing(saddle, (4, 6, 9, 13, 19, 28), 200), **nonconvex,
              control=Control("L that grows with d", on=growing(lambda d: saddle(d, d / 4), (4, 6, 9, 13, 19, 28), 200))),
)


# --- the bias of forward differences ---------------------------------------------------------------------------------
class Estimate(NamedTuple):
    """An estimate of the gradient (or its mean), and the point."""

    g: Any
    x: Any


@method(needs=("value",), family="stochastic", symbolic=False)
def mean_forward_difference(problem, x, *, c, nodes=40):
    """E (f(x + c z) - f(x)) / c z, z normal, by Gauss-Hermite quadrature with nodes^d points (Nesterov-Spokoiny 2017)."""
    t, w = np.polynomial.hermite_e.hermegauss(nodes)
    z = np.stack(np.meshgrid(*problem.dim * [t], indexing="ij"), axis=-1).reshape(-1, problem.dim)
    chance = np.prod(np.meshgrid(*problem.dim * [w / w.sum()], indexing="ij"), axis=0).ravel()
    here = x[..., None, :]
    rise = (problem.value(here + c * z) - problem.value(here)) / c
    return Estimate((chance * rise) @ z, x)


bias = Measure("||E g - grad f(x)||", lambda problem, it: problem.norm(it.g - problem.grad(it.x)),
               r"\|\mathbb{E}\,g - \nabla f(x)\|", symbolic=False)


def smooth_functions(rng):
    from optlab.problems.nonconvex import SinePL

    return [*(Case(OddSquares(d), np.concatenate([np.zeros((1, d)), 0.3 * rng.standard_normal((20, d))])) for d in (1, 2)),
            Case(SinePL([1.0, 0.5]), rng.standard_normal((50, 2)))]


mean_forward_difference.proves(
    Guarantee(bias, lambda c, L, dim: c * L / 2 * (dim + 3) ** 1.5, cite(103, 5, "Nesterov-Spokoiny 2017, Lemma 3"),
              assumes=(Smooth,), on=smooth_functions, recipe=lambda c: dict(c=c), vary=dict(c=(1.0, 0.1)),
              control=Control("differences over a distance ten times larger", recipe=lambda c: dict(c=10 * c)),
              note="the mean over z by quadrature, to about 1e-3 of the bias"),
)


# --- ball smoothing --------------------------------------------------------------------------------------------------
class Smoothed(NamedTuple):
    """f_g, its gradient and its Hessian at x; f_g(x) = E f(x + g u), u uniform in the unit ball."""

    value: Any
    grad: Any
    hess: Any
    x: Any


@method(needs=("smoothed_value",), family="stochastic", symbolic=False)
def ball_smoothing(problem, x, *, g):
    """f_g in closed form (Gasnikov et al. 2022)."""
    return Smoothed(problem.smoothed_value(x, g), problem.smoothed_grad(x, g), problem.smoothed_hess(x, g), x)


def off_centre(problem, x, *, g):
    """Sabotage: the ball is not centred at x but touches it, towards the solution."""
    towards = problem.x_star - x
    y = x + g * towards / problem.column(problem.norm(towards))
    return Smoothed(problem.smoothed_value(y, g), problem.smoothed_grad(y, g), problem.smoothed_hess(y, g), x)


@method(needs=("sample_value",), family="stochastic", symbolic=False)
def two_point(problem, x, *, g, rng):
    """(d / 2g) (F(x + g e; xi) - F(x - g e; xi)) e, e uniform on the sphere (Shamir 2017)."""
    return Estimate(BallSmoothing(problem, g).stochastic_grad(x, rng), x)


@method(needs=("sample_value",), family="stochastic", restartable=True, symbolic=False)
def zeroth_order_sgd(problem, x, *, step, g, rng):
    """SGD on two-point estimates: x+ = x - step (d / 2g) (F(x + g e; xi) - F(x - g e; xi)) e (Gasnikov et al. 2022)."""
    smoothed = BallSmoothing(problem, g)
    while True:
        yield x
        x = x - problem.column(step) * smoothed.stochastic_grad(x, rng)


class Accelerated(NamedTuple):
    """The aggregate point, the prox centre and the steps taken so far."""

    average: Any
    x: Any
    k: int


@method(needs=("sample_value",), family="stochastic", symbolic=False)
def zeroth_order_accelerated(problem, x, *, step, g, batch, rng):
    """AC-SA (Lan 2012) on batches of two-point estimates: b = (k + 2)/2, x+ = x - b step G((x + (b - 1) average) / b),

    average+ = (x+ + (b - 1) average) / b (Gasnikov et al. 2022).
    """
    smoothed, average, k = BallSmoothing(problem, g), x, 0
    while True:
        yield Accelerated(average, x, k)
        b = (k + 2) / 2
        x = x - b * step * smoothed.stochastic_grad((x + (b - 1) * average) / b, rng, batch)
        average = (x + (b - 1) * average) / b
        k = k + 1


def one_point(problem, x, g, rng):
    """(d / g) F(x + g e; xi) e: unbiased too, of a variance that grows as 1/g^2."""
    z = rng.normal((1, *problem.point_shape))
    e = z / problem.column(problem.norm(z))
    xi = problem.sample(rng, 1)
    return (problem.column(problem.dim / g * problem.sample_value(x[..., None, :] + g * e, xi)) * e)[..., 0, :]


@method(symbolic=False)
def one_point_estimate(problem, x, *, g, rng):
    """Sabotage of ``two_point``."""
    return Estimate(one_point(problem, x, g, rng), x)


def one_point_sgd(problem, x, *, step, g, rng):
    """Sabotage of ``zeroth_order_sgd``."""
    while True:
        yield x
        x = x - problem.column(step) * one_point(problem, x, g, rng)


smoothed_value = Measure("f_g(x)", lambda problem, it: it.value, r"f_\gamma(x)",
                         lambda problem, it: abs(it.value), symbolic=False)
smoothing_bias = Measure("f_g(x) - f(x)", lambda problem, it: it.value - problem.value(it.x), r"f_\gamma(x) - f(x)",
                         lambda problem, it: abs(it.value) + problem.value_scale, symbolic=False)
curvature = Measure("||hess f_g(x)||", lambda problem, it: np.linalg.eigvalsh(it.hess)[..., -1],
                    r"\|\nabla^2 f_\gamma(x)\|", symbolic=False)
sq_estimate = Measure("||G||^2", lambda problem, it: problem.sq(it.g), r"\|G\|^2", symbolic=False)


@cache
def ridge_function(d):
    """|x_1| in d dimensions: no function is more curved once it is smoothed."""
    return AbsoluteTerms(np.eye(d)[:1], np.zeros(1), name=f"|x_1| in dimension {d}")


@cache
def absolute_terms(d, n=12):
    rng = np.random.default_rng(d)
    return AbsoluteTerms(rng.standard_normal((n, d)), rng.standard_normal(n), name=f"{n} absolute values in dimension {d}")


@cache
def l1_norm(d):
    """||x||_1 / sqrt(d), 1-Lipschitz, met through exact values."""
    return NoisyValues(AbsoluteTerms(np.sqrt(d) * np.eye(d), np.zeros(d), name=f"l1 norm in dimension {d}"), 0.0)


def around(problem, rng, reach=1.0, count=200):
    """Points near the kinks, and the solution itself."""
    return Case(problem, problem.x_star + np.concatenate([np.zeros((1, problem.dim)),
                                                          reach * rng.standard_normal((count, problem.dim))]))


def smoothed_functions(rng):
    return [around(p, rng) for p in (ridge_function(1), ridge_function(3), absolute_terms(3), absolute_terms(10))]


def sampled_values(rng):
    return [Case(ridge_function(3), np.full(3, 5.0)), Case(absolute_terms(4), np.full(4, 1.0)),
            Case(l1_norm(10), np.full(10, 1.0), replicates=40_000)]


def black_boxes(rng):
    return [Case(p, p.x_star + np.ones(p.dim) / p.dim**0.5) for p in (l1_norm(10), absolute_terms(3))]


wider = Control("a ball twice as wide", recipe=lambda g: dict(g=2 * g))
any_g = dict(recipe=lambda g: dict(g=g), vary=dict(g=(1.0, 0.1)), on=smoothed_functions, assumes=(Convex, Lipschitz))

ball_smoothing.proves(
    Guarantee(smoothed_value, lambda f: f, cite(22, 1, "derived", claim="f <= f_g"), relation=">=",
              using=dict(f=now(lambda problem, it: problem.value(it.x))),
              control=Control("a ball not centred at x", method=as_method(off_centre)), **any_g),
    Guarantee(smoothing_bias, lambda g, G: g * G, cite(22, 1, "derived", claim="f_g <= f + gM"),
              control=Control("a ball ten times as wide", recipe=lambda g: dict(g=10 * g)), **any_g),
    Guarantee(smoothing_bias, lambda g, G, dim: g * G * dim / (dim + 1), cite(22, 1, "derived", claim="sharper"),
              tightness="tight", control=wider, **any_g),
    Guarantee(curvature, lambda g, G, dim: sqrt(dim) * G / g, cite(22, 2, "Thm 2.1"), tightness="tight",
              control=Control("a ball half as wide", recipe=lambda g: dict(g=g / 2)), **any_g),
)
two_point.proves(
    Guarantee(sq_estimate, lambda M, dim: dim**2 / (dim - 1) * M**2, cite(22, 3, "spherical Poincare inequality"),
              mode="expectation", on=sampled_values, recipe=lambda g: dict(g=g), vary=dict(g=(0.5, 0.01)),
              control=Control("one-point feedback", method=one_point_estimate)),
)
zeroth_order_sgd.proves(
    Guarantee(suboptimality, lambda k, R, M, dim, g: R * M * dim / sqrt((dim - 1) * k) + g * M,
              cite(22, 4, "subgradient bound, with items 1 and 3"), at=average, mode="expectation",
              assumes=(Convex,), on=black_boxes, vary=dict(g=(0.1, 0.01)),
              recipe=lambda R, M, dim, g, horizon: dict(step=R * sqrt(dim - 1) / (dim * M * sqrt(horizon)), g=g),
              control=(Control("one-point feedback", method=as_method(one_point_sgd)),
                       Control("steps four hundred times shorter", recipe=lambda step: dict(step=step / 400)))),
)


# --- accelerated, in batches: for accuracy eps, 4 d^(1/4) M R / eps steps ---------------------------------------------
def to_accuracy(problem, eps, replicates=64):
    return Case(problem, np.ones(problem.dim) / problem.dim**0.5, steps=int(np.ceil(4 * problem.dim**0.25 / eps)),
                replicates=replicates, params=dict(eps=eps, accuracy=1 / eps))


def batched(eps, M, R, dim, horizon):
    """g = eps / (2M), L = sqrt(d) M / g, step 1/(4L), batches for d M^2 R^2 / eps^2 values in all."""
    g = eps / (2 * M)
    return dict(g=g, step=g / (4 * dim**0.5 * M), batch=max(1, int(np.ceil(dim * (M * R / eps) ** 2 / horizon))))


def in_accuracy(rng):
    return [to_accuracy(l1_norm(5), eps) for eps in (0.4, 0.28, 0.2, 0.14, 0.1, 0.07, 0.05)]


def small_and_large(rng):
    """Accuracies and dimensions; on the last, single estimates are not enough."""
    return [to_accuracy(l1_norm(d), eps, 1024) for d, eps in ((3, 0.1), (5, 0.2), (13, 0.1), (40, 0.2))]


def in_dimension(rng):
    """||x|| from e_1 to accuracy 1/5: the noise of the estimates counts in every direction. Few runs, since all end alike."""
    norms = {d: NoisyValues(HuberNorm(1e-6, 1e6, 1.0, d, name=f"norm in dimension {d}"), 0.0) for d in (4, 32, 256)}
    return [Case(p, p.x0, steps=int(np.ceil(4 * d**0.25 / 0.2)), replicates=8, params=dict(eps=0.2)) for d, p in norms.items()]


def ac_sa(k, R, M, dim, g, step, batch):
    """2 R^2/(step (k+1)^2) + step V (k+2)(2k+3)/(9(k+1)) + g M, V = d^2/(d-1) M^2 / batch, with 4 step L = 1."""
    V = dim**2 / (dim - 1) * M**2 / batch
    return 2 * R**2 / (step * (k + 1) ** 2) + step * V * (k + 2) * (2 * k + 3) / (9 * (k + 1)) + g * M


mean_suboptimality = Measure("mean of f(x) - f*", lambda problem, it: np.mean(suboptimality(problem, it)),
                             r"\mathbb{E} f(x_k) - f^\star", symbolic=False)
unbatched = Control("one estimate a step", recipe=lambda: dict(batch=1))
law = dict(mode="scaling", assumes=(Convex,), recipe=batched, over="accuracy", on=in_accuracy, control=unbatched)
exact = dict(mode="expectation", assumes=(Convex,), recipe=batched, on=small_and_large, control=unbatched)
every_d = dict(assumes=(Convex,), recipe=batched, on=in_dimension, control=unbatched)
zeroth_order_accelerated.proves(
    Guarantee(suboptimality, ac_sa, cite(22, 5, "derived (Lan 2012), with items 1 to 3", claim="constants"), **exact),
    Guarantee(suboptimality, lambda k, M, R, dim: 10 * dim ** (1 / 4) * M * R / k,
              cite(22, 5, "main theorem", claim="iterations"), **exact),
    Guarantee(suboptimality, lambda k, M, R, dim: dim ** (1 / 4) * M * R / k,
              cite(22, 5, "main theorem", claim="rate in eps"), **law),
    Guarantee(mean_suboptimality, lambda k, M, R, dim: 10 * dim ** (1 / 4) * M * R / k,
              cite(22, 5, "main theorem", claim="in d"), **every_d),
    Guarantee(suboptimality, lambda k, M, R, dim, batch: 2.5 * M * R * sqrt(dim / (k * (batch - 1))),
              cite(22, 6, "main theorem", claim="values"), **exact),
    Guarantee(mean_suboptimality, lambda k, M, R, dim, batch: 2.5 * M * R * sqrt(dim / (k * (batch - 1))),
              cite(22, 6, "main theorem", claim="in d"), **every_d),
    Guarantee(suboptimality, lambda k, M, R, dim, batch: M * R * sqrt(dim / (2 * k * batch)),
              cite(22, 6, "main theorem", claim="rate in eps"), **law),
)
