"""Projected subgradient methods, deterministic and stochastic, and the resisting oracles below which none comes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from optlab.problems import max_linear
from optlab.problems.assumptions import BoundedMoment, Compact, Convex, Lipschitz, StronglyConvexPart
from optlab.problems.max_linear import Resisting

from ..fold import average, best, weighted
from ..functions import sqrt
from ..guarantee import Case, Control, Guarantee, cite
from ..measures import sq_distance, suboptimality
from ..methods import method
from ..steps import at, inverse_sqrt, open_loop


class State(NamedTuple):
    """The point and the steps taken so far."""

    x: Any
    k: int


@method(needs=("grad", "project"), family="constrained", restartable=True)
def projected_subgradient(problem, x, k=0, *, step):
    """Projected subgradient method, x+ = P(x - step_k g), g a subgradient at x (Shor 1962; Polyak 1967)."""
    while True:
        yield State(x, k)
        x = problem.project(x - problem.column(at(step, k)) * problem.grad(x))
        k = k + 1


@method(needs=("stochastic_grad", "project"), family="constrained", restartable=True)
def stochastic_subgradient(problem, x, k=0, *, step, rng):
    """Projected stochastic subgradient method, x+ = P(x - step_k g), E g a subgradient at x."""
    while True:
        yield State(x, k)
        x = problem.project(x - problem.column(at(step, k)) * problem.stochastic_grad(x, rng))
        k = k + 1


# --- families -------------------------------------------------------------------------------------------------
def lipschitz(rng):
    """Nonsmooth problems; the first one shows steps that are too short."""
    return [max_linear.absolute_value(), max_linear.uniform_norm_on_box(), max_linear.mean_absolute(),
            max_linear.max_affine_on_simplex()]


def on_compact_sets(rng):
    return [p for p in lipschitz(rng) if p.meets(Compact)]


def tight(rng):
    """From the origin every step uncovers one coordinate: the average is as bad as the theorem allows."""
    return [*(Case(Resisting(n, 1.0, 2.0), steps=n) for n in (10, 100)), *lipschitz(rng)]


def strongly_convex(rng):
    return [max_linear.hinge_on_ball(), max_linear.max_affine_strongly_convex(),
            Resisting.hardest_strongly_convex(50, 2.0, 0.5)]


def noisy(rng):
    return [max_linear.mean_absolute(), max_linear.mean_absolute_on_l1_ball()]


def noisy_on_compact_sets(rng):
    return [p for p in noisy(rng) if p.meets(Compact)]


def noisy_strongly_convex(rng):
    p = max_linear.hinge_on_ball()
    return [p, Case(p, p.x_star), Case(p, p.project(np.full(4, 2.0)), label=f"{p}, from its boundary")]


def resisting(rng):
    return [Case(Resisting.hardest(n, 1.0, 1.0), np.zeros(n), steps=n) for n in (4, 30, 200)]


def resisting_strongly_convex(rng):
    return [Case(Resisting.hardest_strongly_convex(n, 1.0, 0.5), np.zeros(n), steps=n) for n in (4, 30, 200)]


# --- theorems: G bounds every subgradient; of stochastic ones B bounds the second moment ----------------------
timid = Control("steps a hundred times too short",
                recipe=lambda step: dict(step=(lambda k: step(k) / 100) if callable(step) else step / 100))
timid_on_a_cone = replace(timid, on=lambda rng: [max_linear.absolute_value()])
linear = weighted(lambda s: s + 1, "average weighted by s + 1")
helpful = Control("an oracle that averages over the largest coordinates", problem=lambda p: p.made_helpful())
bold = Control("steps ten times too long, from the solution", recipe=lambda step: dict(step=10 * step),
               start=lambda p: p.x_star)
STRONGLY = (Convex, Lipschitz, StronglyConvexPart)
EXPECTED = dict(mode="expectation", steps=200, assumes=(Convex, BoundedMoment))

projected_subgradient.proves(
    Guarantee(suboptimality, lambda k, R, G: R * G / sqrt(k), cite(70, 5, "Thm 3.2"), assumes=(Convex, Lipschitz),
              at=average, recipe=lambda R, G, horizon: dict(step=R / (G * sqrt(horizon))), control=timid, on=tight,
              tightness="tight"),
    Guarantee(suboptimality, lambda k, step, R, G: R**2 / (2 * step * k) + step * G**2 / 2,
              cite(165, 17, "Sec 9.1", claim="any step"), assumes=(Convex, Lipschitz), at=average,
              recipe=lambda R, G, share: dict(step=share * R / G), vary=dict(share=(1.0, 0.1)), control=timid,
              on=lipschitz, valid=lambda step: step > 0),
    Guarantee(suboptimality, lambda k, R, G: R * G / sqrt(k), cite(165, 17, "Sec 9.1", claim="best step"),
              assumes=(Convex, Lipschitz), at=average, recipe=lambda R, G, horizon: dict(step=R / (G * sqrt(horizon))),
              control=timid, on=tight, tightness="tight"),
    Guarantee(suboptimality, lambda k, R, G: R * G / sqrt(k), cite(0, 0, "Nesterov 2004, Thm 3.2.2"),
              assumes=(Convex, Lipschitz), at=best, recipe=lambda R, G, horizon: dict(step=R / (G * sqrt(horizon))),
              control=timid, on=tight, tightness="tight"),
    Guarantee(suboptimality, lambda k, D, G: 1.5 * D * G / sqrt(k), cite(165, 18, "Sec 9.2", claim="3/2"),
              assumes=(Convex, Lipschitz, Compact), at=average, recipe=lambda D, G: dict(step=inverse_sqrt(D / G)),
              control=timid, on=on_compact_sets),
    Guarantee(suboptimality, lambda k, D, G: 3 * D * G / sqrt(k), cite(165, 18, "Sec 9.2", claim="3, as stated"),
              assumes=(Convex, Lipschitz, Compact), at=average, recipe=lambda D, G: dict(step=inverse_sqrt(D / G)),
              control=timid, on=on_compact_sets),
    Guarantee(suboptimality, lambda k, mu, G: 2 * G**2 / (mu * (k + 1)), cite(70, 9, "Thm 3.9"),
              assumes=STRONGLY, at=linear, recipe=lambda mu: dict(step=open_loop(1 / mu)), control=timid,
              on=strongly_convex),
    Guarantee(suboptimality, lambda k, mu, G: 2 * G**2 / (mu * (k + 1)), cite(165, 19, "Sec 9.3"),
              assumes=STRONGLY, at=linear, recipe=lambda mu: dict(step=open_loop(1 / mu)), control=timid,
              on=strongly_convex),
    Guarantee(sq_distance, lambda k, step, mu, R, G: (1 - 2 * step * mu) ** k * R**2 + step * G**2 / (2 * mu),
              cite(165, 20, "Sec 9.3"), assumes=STRONGLY, control=bold, on=strongly_convex,
              recipe=lambda mu, share: dict(step=share / mu), vary=dict(share=(0.25, 0.01)),
              valid=lambda step, mu: 0 < 2 * step * mu < 1),
    Guarantee(suboptimality, lambda k, R, G: R * G / (2 * (1 + sqrt(k))), cite(70, 12, "Thm 3.13", claim="convex"),
              assumes=(Convex, Lipschitz), at=best, relation=">=", control=helpful, on=resisting, tightness="tight",
              recipe=lambda R, G, share, horizon: dict(step=share * R / (G * sqrt(horizon))),
              vary=dict(share=(0.01, 0.1, 0.5, 1.0, 2.0, 10.0)), symbolic=False),
    Guarantee(suboptimality, lambda k, G, mu: G**2 / (8 * mu * k), cite(70, 12, "Thm 3.13", claim="strongly convex"),
              assumes=STRONGLY, at=best, relation=">=", control=helpful, tightness="tight",
              on=resisting_strongly_convex, recipe=lambda mu, share, horizon: dict(step=open_loop(share / mu)),
              vary=dict(share=(0.01, 0.1, 0.5, 1.0, 2.0, 10.0)), symbolic=False),
)
stochastic_subgradient.proves(
    Guarantee(suboptimality, lambda k, step, R, B: R**2 / (2 * step * k) + step * B**2 / 2,
              cite(165, 17, "Sec 9.1", claim="any step"), at=average, control=timid_on_a_cone, on=noisy, symbolic=True,
              recipe=lambda R, B, share: dict(step=share * R / B), vary=dict(share=(1.0, 0.1)),
              valid=lambda step: step > 0, **EXPECTED),
    Guarantee(suboptimality, lambda k, R, B: R * B / sqrt(k), cite(165, 17, "Sec 9.1", claim="best step"), at=average,
              recipe=lambda R, B, horizon: dict(step=R / (B * sqrt(horizon))), control=timid_on_a_cone, on=noisy, symbolic=True,
              **EXPECTED),
    Guarantee(suboptimality, lambda k, D, B: 1.5 * D * B / sqrt(k), cite(165, 18, "Sec 9.2", claim="3/2"),
              at=average, recipe=lambda D, B: dict(step=inverse_sqrt(D / B)), control=timid_on_a_cone, on=noisy_on_compact_sets,
              symbolic=True, mode="expectation", steps=200, assumes=(Convex, BoundedMoment, Compact)),
    Guarantee(suboptimality, lambda k, D, B: 3 * D * B / sqrt(k), cite(165, 18, "Sec 9.2", claim="3, as stated"),
              at=average, recipe=lambda D, B: dict(step=inverse_sqrt(D / B)), control=timid_on_a_cone, on=noisy_on_compact_sets,
              mode="expectation", steps=200, assumes=(Convex, BoundedMoment, Compact)),
    Guarantee(suboptimality, lambda k, mu, B: 2 * B**2 / (mu * (k + 1)), cite(165, 19, "Sec 9.3"), at=linear, symbolic=True,
              recipe=lambda mu: dict(step=open_loop(1 / mu)), control=timid, on=noisy_strongly_convex,
              mode="expectation", steps=200, assumes=(Convex, BoundedMoment, StronglyConvexPart)),
    Guarantee(suboptimality, lambda k, mu, B: 2 * B**2 / (mu * (k + 1)), cite(70, 27, "Thm 6.2"), at=linear,
              recipe=lambda mu: dict(step=open_loop(1 / mu)), control=timid, on=noisy_strongly_convex,
              mode="expectation", steps=200, assumes=(Convex, BoundedMoment, StronglyConvexPart)),
    Guarantee(sq_distance, lambda k, step, mu, R, B: (1 - 2 * step * mu) ** k * R**2 + step * B**2 / (2 * mu),
              cite(165, 20, "Sec 9.3"), recipe=lambda mu, share: dict(step=share / mu), vary=dict(share=(0.25, 0.01)),
              control=bold, symbolic=True, on=noisy_strongly_convex, valid=lambda step, mu: 0 < 2 * step * mu < 1,
              drift=lambda V, step, mu, B: (1 - 2 * step * mu) * V + step**2 * B**2,
              mode="expectation", steps=200, assumes=(Convex, BoundedMoment, StronglyConvexPart)),
)
