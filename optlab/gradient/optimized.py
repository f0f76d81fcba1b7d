"""Methods whose worst case is the best possible one: OGM, OGM-G, the information-theoretic exact method, triple momentum."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from optlab.problems.assumptions import Convex, QuadraticForm, Smooth, StronglyConvex
from optlab.problems.hard import AlongEigenvector
from optlab.problems.pool import pool
from optlab.problems.quadratic import Quadratic

from ..fold import field, pairs
from ..functions import sqrt
from ..guarantee import Case, Control, Guarantee, cite, now
from ..measures import EPS, Measure, sq_distance, sq_gradient, suboptimality
from ..methods import method
from ..steps import tabulated


class Optimized(NamedTuple):
    """The point with the last coefficient, after which one may stop; then y, x and theta, from which the method goes on."""

    last: Any
    y: Any
    x: Any
    theta: float


class Exact(NamedTuple):
    """The certified z, the gradient step x, and the share p = 1/(1 + A) that stands for the weight A."""

    z: Any
    x: Any
    p: float


class Triple(NamedTuple):
    """The certified x, the point at which the last gradient was seen, xi and the xi before it."""

    x: Any
    seen: Any
    xi: Any
    previous: Any


theta = tabulated("theta", 1.0, lambda t: (1 + sqrt(1 + 4 * t**2)) / 2)


def last_theta(k):
    """(1 + sqrt(1 + 8 theta_{k-1}^2))/2, the last coefficient of k steps."""
    return (1 + sqrt(1 + 8 * theta(k - 1) ** 2)) / 2


@method(needs=("grad",), family="gradient", restartable=True)
def optimized_gradient(problem, last, y=None, x=None, theta=1.0, *, step):
    """OGM: y+ = x - step grad f(x), x+ = y+ + (theta - 1)/theta+ (y+ - y) + theta/theta+ (y+ - x) (Kim, Fessler 2016).

    The last coefficient has an 8 in the place of the 4: ``last`` is the x+ that has it, at every step.
    """
    y, x = last if y is None else y, last if x is None else x
    while True:
        yield Optimized(last, y, x, theta)
        stepped = x - step * problem.grad(x)
        move = (theta - 1) * (stepped - y) + theta * (stepped - x)
        ending, theta = (1 + sqrt(1 + 8 * theta**2)) / 2, (1 + sqrt(1 + 4 * theta**2)) / 2
        last, y, x = stepped + 1 / ending * move, stepped, stepped + 1 / theta * move


@method(needs=("grad",), family="gradient")
def optimized_gradient_for_gradient(problem, x, *, step, horizon):
    """OGM-G, whose coefficients are those of OGM in reverse: the smallest gradient after ``horizon`` steps.

    y+ = x - step grad f(x), x+ = y+ + (2 theta+ - 1)/(2 theta - 1) ((theta - 1)/theta (y+ - y) + y+ - x), theta falling to 1
    (Kim, Fessler 2021).
    """
    y = x
    yield x
    for t, following in pairwise([last_theta(horizon), *theta(np.arange(horizon - 1, -1, -1)).tolist()]):
        stepped = x - step * problem.grad(x)
        share = (2 * following - 1) / (2 * t - 1)
        x, y = stepped + share * ((t - 1) / t * (stepped - y) + stepped - x), stepped
        yield x


def unweighted(p, q):
    """The recursion of ITEM in p = 1/(1 + A), which does not overflow: beta, delta, and the p that follows.

    A+ = ((1 + q) A + 2 (1 + sqrt((1 + A)(1 + q A))))/(1 - q)^2, beta+ = A/((1 - q) A+), and
    delta+ = ((1 - q)^2 A+ - (1 + q) A)/(2 (1 + q + q A)).
    """
    root = sqrt(p + q * (1 - p))
    grown = (1 + q) * (1 - p) + 2 * (p + root)  # (1 - q)^2 p A+
    return (1 - q) * (1 - p) / grown, (p + root) / ((1 + q) * p + q * (1 - p)), (1 - q) ** 2 * p / ((1 - q) ** 2 * p + grown)


@cache
def shares(q):
    """1/(1 + A_0) = 1, 1/(1 + A_1), ... for the inverse condition number q."""
    return tabulated("p", 1.0, lambda p: unweighted(p, q)[-1])


def exact_rate(k, q, R):
    """R^2/(1 + q A_k)."""
    p = shares(q)(k)
    return p * R**2 / (p + q * (1 - p))


@method(needs=("grad",), family="gradient", restartable=True)
def information_theoretic_exact_method(problem, z, x=None, p=1.0, *, step, q):
    """ITEM: y = (1 - beta) z + beta x, x+ = y - step grad f(y), z+ = (1 - q delta) z + q delta y - delta step grad f(y), where
    q = mu/L and beta, delta follow from a weight A = (1 - p)/p that grows from 0 (Taylor, Drori 2022).
    """
    x = z if x is None else x
    while True:
        yield Exact(z, x, p)
        beta, delta, p = unweighted(p, q)
        y = (1 - beta) * z + beta * x
        g = problem.grad(y)
        x, z = y - step * g, (1 - q * delta) * z + q * delta * y - delta * step * g


@method(needs=("grad",), family="gradient", restartable=True)
def triple_momentum(problem, x, seen=None, xi=None, previous=None, *, step, momentum, ahead, out):
    """Three momenta: y = xi + ahead (xi - xi-), xi+ = xi + momentum (xi - xi-) - step grad f(y), x = xi+ + out (xi+ - xi).

    Triple momentum (Van Scoy, Freeman, Lynch 2018) and the robust momentum method (Cyrus, Hu, Van Scoy, Lessard 2018) differ
    by these four numbers; ahead = out = 0 is the heavy ball, ahead = momentum Nesterov's method.
    """
    seen, xi, previous = (x if point is None else point for point in (seen, xi, previous))
    while True:
        yield Triple(x, seen, xi, previous)
        seen = xi + ahead * (xi - previous)
        xi, previous = xi + momentum * (xi - previous) - step * problem.grad(seen), xi
        x = xi + out * (xi - previous)


def robust_rate(L, mu, lam):
    """lam (1 - 1/kappa) + (1 - lam)(1 - 1/sqrt kappa): lam = 0 is the fastest, lam = 1 bears the most noise."""
    return lam * (1 - mu / L) + (1 - lam) * (1 - sqrt(mu / L))


def momenta(L, mu, rho):
    """The four numbers of the robust momentum method with rate rho."""
    kappa = L / mu
    share = rho**3 / (kappa - 1) if kappa > 1 else 0.0
    return dict(step=kappa * (1 - rho) ** 2 * (1 + rho) / L, momentum=kappa * share,
                ahead=share / ((1 - rho) ** 2 * (1 + rho)), out=rho**2 / (1 - rho**2))


def round_bowl(rng):
    """L/2 ||x - x*||^2, on which OGM and OGM-G meet their bounds, and the pool."""
    return [Case(Quadratic(2.0 * np.eye(2), np.array([1.0, -1.0]), name="L/2 ||x - x*||^2")),
            *(Case(p) for p in pool(Convex, Smooth))]


def slowest(rng):
    """A start along the eigenvector of mu, and the pool."""
    return [Case(p, p.x0) for p in pool(QuadraticForm) if isinstance(p, AlongEigenvector)] \
        + [Case(p) for p in pool(StronglyConvex, Smooth)]


longer = Control("step 1.5/L", recipe=lambda L: dict(step=1.5 / L))
optimized_gradient.proves(
    Guarantee(suboptimality, lambda k, L, R: L * R**2 / (2 * last_theta(k) ** 2), cite(0, 0, "Kim-Fessler 2016, Thm 2"),
              assumes=(Convex, Smooth), tightness="tight", recipe=lambda L: dict(step=1 / L), on=round_bowl, control=longer,
              note="no first-order method has a better bound (Drori 2017)"),
    Guarantee(suboptimality, lambda k, L, R: L * R**2 / (4 * theta(k - 1) ** 2), cite(0, 0, "Kim-Fessler 2017"),
              assumes=(Convex, Smooth), at=field("y"), recipe=lambda L: dict(step=1 / L), control=longer),
)
optimized_gradient_for_gradient.proves(
    Guarantee(sq_gradient, lambda k, L, D0: 2 * L * D0 / last_theta(k) ** 2, cite(0, 0, "Kim-Fessler 2021, Thm 6.1"),
              assumes=(Convex, Smooth), tightness="tight", recipe=lambda L, horizon: dict(step=1 / L, horizon=horizon),
              on=round_bowl, control=longer),
)
information_theoretic_exact_method.proves(
    Guarantee(sq_distance, exact_rate, cite(0, 0, "Taylor-Drori 2022, Thm 3"),
              assumes=(StronglyConvex, Smooth), tightness="tight", recipe=lambda L, mu: dict(step=1 / L, q=mu / L), on=slowest,
              control=longer, note="no first-order method has a better bound (Drori, Taylor 2022)"),
)


# --- what the robust momentum method decreases: l ||x - x*||^2 + slack -----------------------------------------------
def _slack(problem, y):
    """(L - mu)(f - f* - mu/2 ||y - x*||^2) - ||grad f - mu (y - x*)||^2/2, nonnegative on the class."""
    e, L, mu = y - problem.x_star, problem.L, problem.mu
    return (L - mu) * (problem.value(y) - problem.f_star - mu / 2 * problem.sq(e)) - problem.sq(problem.grad(y) - mu * e) / 2


def _slack_magnitude(problem, y):
    value = abs(problem.value(y)) + abs(problem.f_star) + problem.value_scale
    reach = problem.norm(y) + problem.norm(problem.x_star) + problem.x_star_error / EPS
    return problem.L * (value + problem.L * reach * problem.norm(y - problem.x_star))


def robust_weight(L, mu, rho):
    """l = mu^2 (kappa - kappa rho^2 - 1)/(2 rho (1 - rho))."""
    return mu**2 * (L / mu * (1 - rho**2) - 1) / (2 * rho * (1 - rho))



before = Measure("||x - x*||^2 before", lambda p, pair: sq_distance(p, pair.x), r"\|x_k - x^\star\|^2",
                 lambda p, pair: sq_distance.magnitude(p, pair.x))
after = Measure("||x+ - x*||^2", lambda p, pair: sq_distance(p, pair.y), r"\|x_{k+1} - x^\star\|^2",
                lambda p, pair: sq_distance.magnitude(p, pair.y))
slack_before = Measure("slack", lambda p, pair: _slack(p, pair.x.seen), "q_k", lambda p, pair: _slack_magnitude(p, pair.x.seen))
slack_after = Measure("slack+", lambda p, pair: _slack(p, pair.y.seen), "q_{k+1}",
                      lambda p, pair: _slack_magnitude(p, pair.y.seen))


triple_momentum.proves(
    Guarantee(suboptimality, lambda k, L, mu, R: L**2 / (2 * mu) * (1 - sqrt(mu / L)) ** (2 * k) * R**2,
              cite(0, 0, "Van Scoy-Freeman-Lynch 2018, Thm 1"), assumes=(StronglyConvex, Smooth), tightness="tight",
              recipe=lambda L, mu: momenta(L, mu, robust_rate(L, mu, 0.0)),
              control=Control("momentum 1", recipe=lambda: dict(momentum=1.0))),
    Guarantee(after, lambda L, mu, rho, z, q, q_next: rho**2 * z + (rho**2 * q - q_next) / robust_weight(L, mu, rho),
              cite(0, 0, "Cyrus-Hu-Van Scoy-Lessard 2018, Thm 1"), assumes=(StronglyConvex, Smooth), at=pairs, first=2, steps=50,
              using=dict(z=now(before), q=now(slack_before), q_next=now(slack_after)),
              recipe=lambda L, mu, lam: momenta(L, mu, robust_rate(L, mu, lam)) | dict(rho=robust_rate(L, mu, lam)),
              vary=dict(lam=(0.2, 0.0, 0.8)), control=Control("momentum 1", recipe=lambda: dict(momentum=1.0)),
              on=lambda rng: [p for p in pool(StronglyConvex, Smooth) if p.mu < p.L],
              note="l ||x - x*||^2 + slack falls by rho^2 a step"),
)
