"""Schedule-free gradient descent: Polyak averaging and primal averaging as the two ends of one method."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optlab.problems.assumptions import BoundedMoment, Convex, Lipschitz, Smooth
from optlab.problems.hard import FirstCoordinate, HuberNorm
from optlab.problems.nonsmooth import Hinge, L1Regression, diabetes_l1, hinge, l1_regression, slow_valley
from optlab.problems.pool import pool

from ..functions import sqrt
from ..guarantee import Case, Control, Guarantee, cite
from ..measures import suboptimality
from ..methods import method


class Averaged(NamedTuple):
    """The average x (certified), the base sequence z, the steps taken."""

    x: Any
    z: Any
    k: int


def uniform(k):
    """x_k as the plain average of z_0 .. z_k: the weight of the newest of k + 2 points."""
    return 1.0 / (k + 2)


@method(needs=("grad",), family="gradient", restartable=True)
def schedule_free(problem, x, z=None, k=0, *, gamma, beta=0.9, c=uniform):
    """y = (1-beta) z + beta x, z+ = z - gamma grad f(y), x+ = (1-c_k) x + c_k z+ (Defazio et al. 2024)."""
    z = x if z is None else z
    while True:
        yield Averaged(x, z, k)
        y = (1 - beta) * z + beta * x
        z = z - problem.column(gamma) * problem.grad(y)
        x = (1 - c(k)) * x + c(k) * z
        k = k + 1


@method(needs=("stochastic_grad",), family="gradient", restartable=True)
def stochastic_schedule_free(problem, x, z=None, k=0, *, gamma, beta=0.9, c=uniform, rng):
    """``schedule_free`` with stochastic gradients (Defazio et al. 2024)."""
    z = x if z is None else z
    while True:
        yield Averaged(x, z, k)
        y = (1 - beta) * z + beta * x
        z = z - problem.column(gamma) * problem.stochastic_grad(y, rng)
        x = (1 - c(k)) * x + c(k) * z
        k = k + 1


BETAS = (0.0, 0.5, 0.9, 1.0)


# --- families -------------------------------------------------------------------------------------------------
def nonsmooth(rng):
    """The resisting oracle that meets the bound (n points are seen on n coordinates), regression, classification."""
    worst = [Case(FirstCoordinate(k + 1), steps=k) for k in (10, 100)]
    return [worst[0], Case(l1_regression()), Case(hinge()), worst[1]]


def any_step(rng):
    """The same; gamma = 0.1 R/G is the best step for 100 points."""
    return [Case(FirstCoordinate(100), steps=99), Case(l1_regression()), Case(hinge()), Case(diabetes_l1())]


def sampled(rng):
    """Regression and classification, one term at a time and in batches of four."""
    X, A = rng.standard_normal((8, 2)), rng.standard_normal((8, 2))
    y, labels = rng.standard_normal(8), np.resize([1.0, -1.0], 8)
    problems = (L1Regression(X, y, name="l1 regression"), L1Regression(X, y, 4, name="l1 regression, batches of 4"),
                Hinge(A, labels, name="hinge"))
    return [Case(p, p.x_star + 1.0, replicates=1024) for p in problems]


def smooth(rng):
    """The Huber norm whose linear part is as long as T = k + 1 steps, and smooth problems of the pool."""
    worst = [Case(HuberNorm(1 / (k + 1), name=f"worst for {k} steps"), steps=k) for k in (20, 1)]
    return [*worst, *(Case(p) for p in pool(Convex, Smooth))]


def valleys(rng):
    """Where the last iterate of the base sequence is worse than an average may be."""
    return [Case(slow_valley(n), [1e-9, 1.0], steps=n - 1) for n in (16, 64)]


def lighter(k):
    """Sabotage: each new point weighs less than its share."""
    return 1.0 / (k + 3)


# --- guarantees -----------------------------------------------------------------------------------------------
beyond = Control("beta = 2", recipe=lambda: dict(beta=2.0))
unaveraged = Control("c = 1, the last point in place of the average", recipe=lambda: dict(c=lambda k: 1.0), on=valleys)
betas = dict(beta=BETAS)
shares = dict(beta=BETAS, share=(1.0, 0.3, 0.1))
known_horizon = dict(recipe=lambda R, G, horizon: dict(gamma=R / (G * sqrt(horizon + 1))), vary=betas,
                     valid=lambda beta: 0 <= beta <= 1)
any_gamma = dict(recipe=lambda R, G, share: dict(gamma=share * R / G), vary=shares, first=0,
                 valid=lambda beta, gamma: 0 <= beta <= 1 and np.all(gamma > 0))
points = "the theorem's T counts the points z: T = k + 1"

schedule_free.proves(
    Guarantee(suboptimality, lambda k, R, G: R * G / sqrt(k + 1), cite(93, 1, "Thm 1", claim="deterministic"),
              assumes=(Convex, Lipschitz), on=nonsmooth, tightness="tight", control=(beyond, unaveraged), note=points,
              **known_horizon),
    Guarantee(suboptimality, lambda k, R, gamma, G: R**2 / (2 * gamma * (k + 1)) + gamma * G**2 / 2,
              cite(93, 2, "online to batch", claim="deterministic"), assumes=(Convex, Lipschitz), on=any_step,
              tightness="tight", control=beyond, note=points, **any_gamma),
    Guarantee(suboptimality, lambda k, L, R: L * R**2 / (2 * (k + 1)), cite(93, 3, "not in the paper"),
              assumes=(Convex, Smooth), on=smooth, tightness="tight", first=0, vary=betas,
              recipe=lambda L: dict(gamma=1 / L), note=points,
              valid=lambda beta, gamma, L: 0 <= beta <= 1 and gamma == 1 / L,
              control=(beyond, Control("c = 1/(k + 3)", recipe=lambda: dict(c=lighter)))),
)

stochastic_schedule_free.proves(
    Guarantee(suboptimality, lambda k, R, B: R * B / sqrt(k + 1), cite(93, 1, "Thm 1", claim="stochastic"),
              assumes=(Convex, BoundedMoment), mode="expectation", symbolic=True, on=sampled, control=beyond, horizons=(10, 60),
              recipe=lambda R, B, horizon: dict(gamma=R / (B * sqrt(horizon + 1))), vary=betas,
              valid=lambda beta: 0 <= beta <= 1, note=points),
    Guarantee(suboptimality, lambda k, R, gamma, B: R**2 / (2 * gamma * (k + 1)) + gamma * B**2 / 2,
              cite(93, 2, "online to batch", claim="stochastic"), assumes=(Convex, BoundedMoment), mode="expectation",
              symbolic=True, on=sampled, control=beyond, steps=60, recipe=lambda R, B, share: dict(gamma=share * R / B),
              vary=dict(beta=BETAS, share=(2.0, 0.1)),
              valid=lambda beta, gamma: 0 <= beta <= 1 and np.all(gamma > 0), note=points),
)
