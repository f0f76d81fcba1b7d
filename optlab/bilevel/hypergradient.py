"""Bilevel methods: implicit differentiation, fully first-order penalties, linear hypernetworks."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from optlab.problems.assumptions import Smooth, StronglyConvexLower
from optlab.problems.bilevel import NoisyBilevel, QuadraticBilevel, random_bilevel

from ..fold import best, pairs
from ..gradient.descent import decrease
from ..guarantee import Case, Control, Guarantee, cite, now, start
from ..measures import Measure, sq_gradient
from ..methods import as_method, method
from ..steps import at


class Implicit(NamedTuple):
    x: Any
    y: Any  # approximate lower solution at x
    v: Any  # approximate (hess_y g)^{-1} grad_y f
    h: Any  # approximate hypergradient
    before: Any  # y before its inner steps at x


@method(needs=("lower_grad", "lower_hvp", "lower_cross", "upper_grad"), family="bilevel", symbolic=False)
def approximate_implicit_differentiation(problem, x, *, step, inner_step, inner_steps, terms):
    """AID: x+ = x - step (f_x - g_xy v) with y from warm-started gradient steps, and the truncated Neumann series

    v = a sum_{j < terms} (I - a g_yy)^j f_y, a = inner_step (Pedregosa 2016; Ghadimi, Wang 2018).
    """
    y = problem.lower_start(x)
    while True:
        before = y
        for _ in range(inner_steps):
            y = y - inner_step * problem.lower_grad(x, y)
        f_x, f_y = problem.upper_grad(x, y)
        v = inner_step * f_y
        for _ in range(terms - 1):
            v = v + inner_step * (f_y - problem.lower_hvp(x, y, v))
        h = f_x - problem.lower_cross(x, y, v)
        yield Implicit(x, y, v, h, before)
        x = x - step * h


class Penalized(NamedTuple):
    x: Any
    y: Any  # follows argmin f + lam g
    z: Any  # follows argmin g
    k: int


@method(needs=("lower_grad", "lower_grad_x", "upper_grad"), family="bilevel", restartable=True, symbolic=False)
def f2sa(problem, x, y=None, z=None, k=0, *, upper_step, lower_step, ratio=1.0):
    """F2SA: coupled gradient steps on f + lam (g(x, y) - g(x, z)), lam = lower_step/2/upper_step (Kwon 2023)."""
    y, z = (problem.lower_start(x), problem.lower_start(x)) if y is None else (y, z)
    while True:
        yield Penalized(x, y, z, k)
        alpha, gamma = at(upper_step, k), at(lower_step, k)
        lam = gamma / (2 * alpha)
        z = z - gamma * problem.lower_grad(x, z)
        y = y - alpha * (problem.upper_grad(x, y)[1] + lam * problem.lower_grad(x, y))
        x = x - ratio * alpha * (problem.upper_grad(x, y)[0]
                                 + lam * (problem.lower_grad_x(x, y) - problem.lower_grad_x(x, z)))
        k = k + 1


@method(needs=("lower_grad", "lower_grad_x", "upper_grad"), family="bilevel", symbolic=False)
def stochastic_f2sa(problem, x, *, upper_step, lower_step, ratio=1.0, upper_noise=0.0, lower_noise=0.0, rng):
    """``f2sa`` with Gaussian noise on the gradients of f (``upper_noise``) and g (``lower_noise``)."""
    noisy = NoisyBilevel(problem, rng, upper_noise, lower_noise)
    yield from f2sa(noisy, x, upper_step=upper_step, lower_step=lower_step, ratio=ratio)


@method(needs=("lower_grad", "lower_grad_x", "upper_grad"), family="bilevel", symbolic=False)
def stochastic_f3sa(problem, x, *, upper_step, lower_step, momentum, ratio=1.0, upper_noise=0.0, lower_noise=0.0, rng):
    """F3SA: F2SA's steps along momentum estimates d+ = G + (1 - momentum)(d - G_old), both G from one sample."""
    y, z = problem.lower_start(x), problem.lower_start(x)
    d, old, k = None, None, 0
    while True:
        yield Penalized(x, y, z, k)
        samples = [NoisyBilevel(problem, rng, upper_noise, lower_noise, frozen=True) for _ in "yz"]
        G = gradients(*samples, x, y, z)
        if d is None:
            d = G
        else:
            keep = 1 - at(momentum, k)
            d = [g + keep * (e - h) for g, e, h in zip(G, d, gradients(*samples, *old), strict=True)]
        old = (x, y, z)
        f_x, f_y, g_xy, g_yy, g_xz, g_zz = d
        alpha, gamma = at(upper_step, k), at(lower_step, k)
        lam = gamma / (2 * alpha)
        x, y, z = x - ratio * alpha * (f_x + lam * (g_xy - g_xz)), y - alpha * (f_y + lam * g_yy), z - gamma * g_zz
        k = k + 1


def gradients(at_y, at_z, x, y, z):
    """All that F2SA asks for: of f and g at (x, y), of g at (x, z)."""
    return [*at_y.upper_grad(x, y), at_y.lower_grad_x(x, y), at_y.lower_grad(x, y),
            at_z.lower_grad_x(x, z), at_z.lower_grad(x, z)]


class Penalty(NamedTuple):
    h: Any
    x: Any
    penalty: float


@method(needs=("lower_grad_x", "upper_grad", "solve_lower", "solve_penalized"), family="bilevel", symbolic=False)
def penalty_hypergradient(problem, x, *, penalty):
    """grad_x of min_y f(x, y) + penalty (g(x, y) - min_z g(x, z)): what F2SA follows in place of the hypergradient."""
    y, z = problem.solve_penalized(x, penalty), problem.solve_lower(x)
    h = problem.upper_grad(x, y)[0] + penalty * (problem.lower_grad_x(x, y) - problem.lower_grad_x(x, z))
    return Penalty(h, x, penalty)


@method(needs=("lower_grad",), family="bilevel", symbolic=False)
def linear_hypernetwork(problem, x, *, step, spread):
    """Fits w(x + e) = y*(x) + Theta e by gradient steps on E g(x + e, w(x + e)), e of covariance spread^2 I."""
    axes = np.eye(problem.dim)
    eps = spread * problem.dim**0.5 * np.concatenate([axes, -axes])  # their mean is the expectation of a quadratic
    x, w = x[..., None, :], problem.solve_lower(x)[..., None, :]
    theta = 0 * w.swapaxes(-1, -2) * x
    while True:
        yield theta
        g = problem.lower_grad(x + eps, w + eps @ theta.swapaxes(-1, -2))
        theta = theta - step * (g.swapaxes(-1, -2) @ eps) / len(eps)


# --- measures ------------------------------------------------------------------------------------------------------
def _exact_v(problem, it):
    return np.linalg.solve(problem.H, problem.upper_grad(it.x, it.y)[1][..., None])[..., 0]


def _matrix_norm(problem, theta):
    return np.sqrt(np.sum((theta - problem.response) ** 2, axis=(-2, -1)))


neumann_error = Measure(
    "||v - H^{-1} grad_y f||", lambda problem, it: problem.norm(it.v - _exact_v(problem, it)),
    r"\|v_K - H^{-1}\nabla_y f\|", lambda problem, it: problem.norm(_exact_v(problem, it)))
hypergradient_error = Measure(
    "||h - grad F(x)||", lambda problem, it: problem.norm(it.h - problem.grad(it.x)), r"\|h_k - \nabla F(x_k)\|",
    lambda problem, it: problem.norm(it.h) + problem.cross * problem.norm(_exact_v(problem, it)))
bias = Measure(
    "||grad L_lam(x) - grad F(x)||", lambda problem, it: problem.norm(it.h - problem.grad(it.x)),
    r"\|\nabla L_\lambda(x) - \nabla F(x)\|",
    lambda problem, it: problem.norm(it.h) + (1 + it.penalty) * problem.cross * problem.norm(problem.solve_lower(it.x)))
theta_error = Measure("||Theta - dy*/dx||", _matrix_norm, r"\|\Theta_k - \mathrm{d}y^\star/\mathrm{d}x\|",
                      lambda problem, theta: np.sqrt(np.sum(problem.response**2)) + 0 * theta[..., 0, 0])

upper_gap = now(lambda p, it: p.norm(p.upper_grad(it.x, it.y)[1]))
implicit = dict(assumes=(Smooth, StronglyConvexLower), vary=dict(terms=(1, 4, 16)))
careful = Control("lower-level steps 2.5/L", recipe=lambda lower_L: dict(inner_step=2.5 / lower_L))


def stiff(rng):
    """One lower-level variable (the Neumann bound is met: H = mu I), and a few."""
    return [Case(QuadraticBilevel(0.5 * np.eye(1), np.ones((1, 2)), c=np.ones(1), rho=0.1, name="one lower variable")),
            Case(random_bilevel(1)), Case(random_bilevel(2, mu=0.05))]


approximate_implicit_differentiation.proves(
    Guarantee(neumann_error, lambda inner_step, lower_mu, terms, f_y:
              (1 - inner_step * lower_mu) ** terms * f_y / lower_mu,
              cite(164, 1, "Neumann approximation"), using=dict(f_y=upper_gap), tightness="tight", on=stiff, steps=20,
              recipe=lambda L, lower_L, share: dict(step=1 / L, inner_step=share / lower_L, inner_steps=5),
              first=0, control=careful, **{**implicit, "vary": dict(terms=(1, 4, 16), share=(0.5, 0.25))}),
    Guarantee(hypergradient_error, lambda inner_step, inner_steps, lower_mu, terms, cross, f_y, gap:
              cross / lower_mu * ((1 - inner_step * lower_mu) ** terms * f_y + (1 - inner_step * lower_mu) ** inner_steps * gap),
              cite(0, 0, "Grazzi et al. 2020"), on=stiff, steps=10, first=0, tightness="tight",
              using=dict(f_y=upper_gap, gap=now(lambda p, it: p.norm(it.before - p.solve_lower(it.x)))),
              recipe=lambda L, lower_L: dict(step=1 / L, inner_step=0.5 / lower_L, inner_steps=5), control=careful,
              **implicit),
    Guarantee(decrease, lambda step, g2, e2: step / 2 * (e2 - g2), cite(0, 0, "descent with an inexact gradient"),
              at=pairs,
              using=dict(g2=now(lambda p, pair: p.sq(p.grad(pair.x.x))),
                         e2=now(lambda p, pair: p.sq(pair.x.h - p.grad(pair.x.x)))), steps=50,
              recipe=lambda L, lower_L: dict(step=1 / L, inner_step=1 / lower_L, inner_steps=5),
              control=Control("step 3/L", recipe=lambda L: dict(step=3 / L)), **implicit),
)


def unbalanced_hypergradient(problem, x, *, penalty):
    """The mutant that forgets the gradient of the value function, -penalty grad_x g(x, y*(x))."""
    y = problem.solve_penalized(x, penalty)
    return Penalty(problem.upper_grad(x, y)[0] + penalty * problem.lower_grad_x(x, y), x, penalty)


def _exact_bias(problem, it):
    """||B'(I + lam H)^{-1}(y* - c)||, B = dy*/dx."""
    residual = problem.upper_grad(it.x, problem.solve_lower(it.x))[1]
    system = np.eye(problem.lower_dim) + it.penalty * problem.H
    return problem.norm(np.linalg.solve(system, residual[..., None])[..., 0] @ problem.response)


penalties = dict(assumes=(StronglyConvexLower,), on=stiff, recipe=lambda lam: dict(penalty=lam),
                 vary=dict(lam=(1.0, 10.0, 100.0, 1000.0)))
penalty_hypergradient.proves(
    Guarantee(bias, lambda exact: exact, cite(72, 1, "quadratic model", claim="identity"), relation="==",
              using=dict(exact=now(_exact_bias)), control=Control("the lower level's value function forgotten",
              method=as_method(unbalanced_hypergradient)), **penalties),
    Guarantee(bias, lambda lam, lower_mu, B, gap: B * gap / (1 + lam * lower_mu),
              cite(72, 1, "quadratic model", claim="bound"), tightness="tight",
              using=dict(B=now(lambda p, it: np.linalg.norm(p.response, 2)),
                         gap=now(lambda p, it: p.norm(p.upper_grad(it.x, p.solve_lower(it.x))[1]))),
              control=Control("half the penalty", recipe=lambda penalty: dict(penalty=penalty / 2)), **penalties),
)


# --- schedules of F2SA: upper steps ~ k^-a, lower steps ~ k^-c, lam ~ k^(a-c) -----------------------------------------
@cache
def power(size: float, exponent: float, shift: float = 20.0):
    """size (1 + k/shift)^-exponent."""
    return lambda k: size * (1 + k / shift) ** -exponent


def schedules(a, c):
    """Recipe of the theorem's exponents; lower steps 1/L, so that upper_step (1 + lam lower_L) <= 1."""
    def recipe(lower_L):
        return dict(upper_step=power(0.1 / lower_L, a), lower_step=power(1 / lower_L, c), ratio=0.5)
    return recipe


def cases(steps, replicates=None):
    return lambda rng: [Case(random_bilevel(3), steps=steps, replicates=replicates)]


fixed = Control("a fixed penalty", recipe=lambda lower_L: dict(upper_step=0.1 / lower_L, lower_step=0.2 / lower_L))
f2sa.proves(
    Guarantee(sq_gradient, lambda k: k ** (-2 / 3), cite(72, 2, "Thm 4.1", claim="exact"), mode="order", at=best,
              assumes=(StronglyConvexLower,), on=cases(20000), first=1000, recipe=schedules(1 / 3, 0.0), control=fixed),
)
stochastic_f2sa.proves(
    Guarantee(sq_gradient, lambda k: k ** (-2 / 5), cite(72, 2, "Thm 4.1", claim="noise in f"), mode="order", at=best,
              assumes=(StronglyConvexLower,), on=cases(2000, 64), first=50,
              control=fixed, recipe=lambda lower_L: {**schedules(3 / 5, 2 / 5)(lower_L), "upper_noise": 0.3}),
    Guarantee(sq_gradient, lambda k: k ** (-2 / 7), cite(72, 2, "Thm 4.1", claim="noise in f and g"), mode="order",
              at=best, assumes=(StronglyConvexLower,), on=cases(2000, 64), first=50, control=fixed,
              recipe=lambda lower_L: {**schedules(5 / 7, 4 / 7)(lower_L), "upper_noise": 0.3, "lower_noise": 0.3}),
)


def with_momentum(claim, rate, a, c, **noise):
    """The abstract's rate with momentum k^-2c, at the exponents that balance its terms."""
    return Guarantee(sq_gradient, lambda k: k**-rate, cite(72, 2, "abstract", claim=f"momentum, {claim}"), mode="order",
                     at=best, assumes=(StronglyConvexLower,), on=cases(2000, 64), first=50, control=fixed,
                     recipe=lambda lower_L: {**schedules(a, c)(lower_L), "momentum": power(1.0, 2 * c), **noise})


stochastic_f3sa.proves(
    with_momentum("exact", 2 / 3, 1 / 3, 0.0),
    with_momentum("noise in f", 1 / 2, 1 / 2, 1 / 4, upper_noise=0.3),
    with_momentum("noise in f and g", 2 / 5, 3 / 5, 2 / 5, upper_noise=0.3, lower_noise=0.3),
)
linear_hypernetwork.proves(
    Guarantee(theta_error, lambda k, step, spread, lower_mu, T0: (1 - step * spread**2 * lower_mu) ** k * T0,
              cite(164, 4, "best-response chapter"), assumes=(StronglyConvexLower,), on=stiff, steps=25,
              tightness="tight", using=dict(T0=start(_matrix_norm)),
              recipe=lambda lower_L, s: dict(spread=s, step=0.5 / (lower_L * s**2)),
              vary=dict(s=(0.1, 1.0, 3.0)),
              note="linear convergence to dy*/dx for every spread: the minimizer is the response's derivative",
              control=Control("perturbations twice as large as the step allows for",
                              recipe=lambda spread: dict(spread=2 * spread))),
)
