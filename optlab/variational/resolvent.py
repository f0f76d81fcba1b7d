"""Proximal point algorithms for operators: resolvents J(x) = (I + step V)^-1(x), plain and anchored."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optlab.problems.assumptions import Monotone, NegativelyComonotone, StronglyMonotone, ZeroOfOperator
from optlab.problems.games import AffineVI, BilinearGame, bilinear_game, monotone_affine, quadratic_game, rotation_game
from optlab.problems.inclusions import ComonotoneField, planes, spiral_out

from ..fold import pairs
from ..functions import maximum
from ..guarantee import Case, Control, Guarantee, cite
from ..measures import EPS, Measure, sq_distance
from ..methods import as_method, method
from .single_call import sq_move


class Resolved(NamedTuple):
    """x = J(y), so that y - x is step times an element of V(x)."""

    x: Any
    y: Any


@method(needs=("resolvent",), family="variational", restartable=True)
def resolvent_iteration(problem, x, *, step):
    """The proximal point algorithm, x+ = J(x) = (I + step V)^-1(x) (Martinet 1970; Rockafellar 1976)."""
    while True:
        yield x
        x = problem.resolvent(x, step)


@method(needs=("resolvent",), family="variational")
def accelerated_resolvent_iteration(problem, x, *, step, curvature=0.0):
    """Accelerated proximal point (Kim 2021), for V strongly monotone OS-PPM (Park, Ryu 2022), curvature = step mu.

    In Halpern's form, which Park and Ryu show to be the same: x_{k+1} = J(y_k), y_{k+1} = w x_0 + (1 - w) T(y_k), with
    the contraction T = (1 + 1/g) J - I/g, g = 1 + 2 curvature, and 1/w = 1 + g^2 + ... + g^(2k + 2).
    """
    x0, y, g, total = x, x, 1 + 2 * curvature, 1.0
    yield Resolved(x, y)
    while True:
        x = problem.resolvent(y, step)
        yield Resolved(x, y)
        total = 1 + g**2 * total
        y = (1 / total) * x0 + (1 - 1 / total) * ((1 + 1 / g) * x - (1 / g) * y)


sq_resolved = Measure(
    "||y - J(y)||^2",
    lambda problem, it: problem.sq(it.y - it.x),
    r"\|y_{k-1} - J y_{k-1}\|^2",
    lambda problem, it: 64 * EPS * (problem.norm(it.x) + problem.norm(it.y)) ** 2,
)


def averaged(k, share, R):
    """Lieder's bound (2018, Thm 4.9) on the k-th move of an operator averaged by ``share`` in [1/2, 1)."""
    w = maximum((2 * share - 1) ** 2, (k - 1) / k)
    return share / (1 - share) * w ** (k - 1) * (1 - w) * R**2


def _cayley(N, rate=1.0):
    """The operator whose reflected resolvent (step 1) is Halpern's hard instance, for N (even) steps from 0."""
    T = rate * np.roll(np.eye(N), 1, axis=0)
    T[0] *= -1
    x_star = np.linalg.solve(np.eye(N) - T, np.eye(N)[0])
    M = (1 + 1 / rate) * np.linalg.inv(np.eye(N) + T / rate) - np.eye(N)
    return AffineVI(M, -M @ x_star, name=f"Cayley transform of a shift of dimension {N}")


def _games(rng):
    """Games, and the rotations at which N steps are slowest: 1/(1 + speed^2) = 1 - 1/N."""
    slowest = [Case(BilinearGame(np.eye(1) / np.sqrt(N - 1)), np.array([1.0, 0.0])) for N in (5, 50)]
    return [*slowest, Case(rotation_game()), Case(bilinear_game()), Case(monotone_affine()), Case(quadratic_game())]


def _shifts(rng):
    return [Case(_cayley(N), np.zeros(N), steps=N) for N in (2, 10, 40)] + [Case(rotation_game()), Case(monotone_affine())]


def _shortened(rng):
    return [Case(_cayley(N, rate), np.zeros(N), steps=N) for N, rate in ((2, 0.5), (6, 0.9), (30, 0.99))] + [
        Case(quadratic_game())]


def _comonotone(rng):
    """Planes whose averaged resolvent (step 1) is slowest after N steps: its angle has 4 share (1 - share) sin^2 = 1/N."""
    cases = [Case(spiral_out())]
    for N, share in ((5, 0.6), (30, 0.7)):
        J = 1 - share + share * np.exp(2j * np.arcsin(np.sqrt(1 / (4 * share * (1 - share) * N))))
        cases.append(Case(ComonotoneField(planes(1 / J - 1), name=f"slowest for {N} steps"), np.array([1.0, 0.0])))
    return cases


def _reflected(problem, x, *, step):
    while True:
        yield x
        x = 2 * problem.resolvent(x, step) - x


def _unanchored(problem, y, *, step, curvature=0.0):
    x, g = y, 1 + 2 * curvature
    while True:
        yield Resolved(x, y)
        x = problem.resolvent(y, step)
        y = (1 + 1 / g) * x - (1 / g) * y


reflected = Control("reflections, x+ = 2 J(x) - x", method=as_method(_reflected))
unanchored = Control("the anchor dropped", method=as_method(_unanchored))

resolvent_iteration.proves(
    Guarantee(sq_move, lambda k, R: ((k - 1) / k) ** (k - 1) / k * R**2, cite(0, 0, "Gu-Yang 2020, Sec 4"), at=pairs,
              tightness="tight", assumes=(Monotone, ZeroOfOperator), recipe=lambda pace: dict(step=pace),
              vary=dict(pace=(1.0, 0.3)), valid=lambda step: step > 0, on=_games, control=reflected),
    Guarantee(sq_move, lambda k, step, rho, R: averaged(k, step / (2 * (step - rho)), R),
              cite(0, 0, "Gorbunov-Taylor-Horvath-Gidel 2023; Lieder 2018, Thm 4.9"), at=pairs, tightness="tight",
              assumes=(NegativelyComonotone, ZeroOfOperator), recipe=lambda rho, t: dict(step=t * rho),
              vary=dict(t=(6.0, 3.5)), valid=lambda step, rho: step > 2 * rho, on=_comonotone,
              control=Control("step 1.5 rho", recipe=lambda rho: dict(step=1.5 * rho)),
              note="The resolvent is averaged by step / (2 (step - rho)), so Lieder's exact constant applies; the published "
                   "step R^2 / ((step - 2 rho) k) is up to e times larger."),
    Guarantee(sq_distance, lambda k, step, mu, R: R**2 / (1 + step * mu) ** (2 * k), cite(0, 0, "Rockafellar 1976"),
              assumes=(StronglyMonotone, ZeroOfOperator), recipe=lambda pace: dict(step=pace), vary=dict(pace=(1.0, 0.3)),
              valid=lambda step: step > 0, tightness="tight",
              on=lambda rng: [Case(AffineVI(np.diag([0.2, 1.0])), np.array([1.0, 0.0])), Case(quadratic_game())],
              control=Control("a tenth of the step", recipe=lambda step: dict(step=step / 10))),
)
accelerated_resolvent_iteration.proves(
    Guarantee(sq_resolved, lambda k, R: R**2 / k**2, cite(0, 0, "Kim 2021, Thm 4.1"), assumes=(Monotone, ZeroOfOperator),
              recipe=lambda: dict(step=1.0), on=_shifts, tightness="tight", control=unanchored),
    Guarantee(sq_resolved, lambda k, step, mu, R: (2 * step * mu / ((1 + 2 * step * mu) ** k - 1)) ** 2 * R**2,
              cite(0, 0, "Park-Ryu 2022, Thm 3.2"), assumes=(StronglyMonotone, ZeroOfOperator), tightness="tight",
              recipe=lambda mu, pace: dict(step=pace, curvature=pace * mu), vary=dict(pace=(1.0, 0.3)),
              valid=lambda step, curvature, mu: curvature == step * mu, on=_shortened, control=unanchored),
)
