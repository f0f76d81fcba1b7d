"""Extragradient and its three single-call relatives on variational inequalities; V the operator, step g, set C."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optlab.problems.assumptions import (
    BoundedVariance,
    Coherent,
    LipschitzOperator,
    Monotone,
    NegativelyComonotone,
    StronglyMonotone,
    ZeroOfOperator,
)
from optlab.problems.games import (
    NoisyOperator,
    QuadraticGame,
    bilinear_game,
    coherent_field,
    monotone_affine,
    quadratic_game,
    random_matrix_game,
    rock_paper_scissors,
    rotation_game,
)
from optlab.problems.inclusions import ComonotoneField, planes, spiral_out

from ..fold import Fold, Pair, average, best
from ..guarantee import Case, Control, Guarantee, cite
from ..measures import EPS, Measure, point, sq_distance, sq_operator
from ..methods import as_method, method


class Leading(NamedTuple):
    """x_t, the leading point x_{t+1/2} at which V is asked next, and the answer V_{t-1/2} that led to it."""

    x: Any
    half: Any
    past: Any


@method(needs=("operator", "project"), family="variational")
def extragradient(problem, x, *, step, shrink=1.0):
    """Extragradient (Korpelevich 1976): half = P(x - g V(x)), x+ = P(x - shrink g V(half)); ``past`` is V(x).

    With shrink < 1 it is EG+ (Diakonikolas, Daskalakis, Jordan 2021).
    """
    while True:
        v = problem.operator(x)
        half = problem.project(x - step * v)
        yield Leading(x, half, v)
        x = problem.project(x - shrink * step * problem.operator(half))


@method(needs=("operator", "project"), family="variational")
def past_extragradient(problem, x, *, step):
    """Past extragradient (Popov 1980): half = P(x - g V_{t-1/2}), x+ = P(x - g V(half)); starts with x_{1/2} = x_1."""
    past = problem.operator(x)
    while True:
        half = problem.project(x - step * past)
        yield Leading(x, half, past)
        past = problem.operator(half)
        x = problem.project(x - step * past)


@method(needs=("operator", "project"), family="variational")
def reflected_gradient(problem, x, *, step):
    """Reflected gradient (Malitsky 2015): half = 2 x_t - x_{t-1}, x+ = P(x - g V(half)); starts with x_0 = x_1."""
    previous, past = x, 0 * x
    while True:
        half = 2 * x - previous
        yield Leading(x, half, past)
        past = problem.operator(half)
        previous, x = x, problem.project(x - step * past)


@method(needs=("operator", "project"), family="variational")
def optimistic_gradient(problem, x, *, step):
    """Optimistic gradient: half = P(x - g V_{t-1/2}), x+ = half + g V_{t-1/2} - g V(half), from x_{1/2} = x_1."""
    past = problem.operator(x)
    while True:
        half = problem.project(x - step * past)
        yield Leading(x, half, past)
        ahead = problem.operator(half)
        x, past = half + step * past - step * ahead, ahead


@method(needs=("stochastic_operator", "project"), family="variational")
def stochastic_past_extragradient(problem, x, *, step, rng):
    """Past extragradient with a noisy oracle and steps step(t), t = 0, 1, ... (Hsieh et al. 2019)."""
    past, t = problem.stochastic_operator(x, rng), 0
    while True:
        half = problem.project(x - step(t) * past)
        yield Leading(x, half, past)
        past = problem.stochastic_operator(half, rng)
        x = problem.project(x - step(t) * past)
        t += 1


restricted_gap = Measure(
    "sup <V(p), x - p>",
    lambda problem, it: problem.gap(point(it)),
    r"\sup_{p \in C}\langle V(p), \bar x_k - p\rangle",
    lambda problem, it: problem.L * (problem.norm(point(it)) + problem.norm(problem.x_star)) ** 2,
    symbolic=False,
)
sq_force = Measure(
    "||V_past||^2",
    lambda problem, it: problem.sq(it.past),
    r"\|V(x_{k-1/2})\|^2",
    lambda problem, it: 64 * EPS * (problem.L * problem.norm(it.x)) ** 2,
)
sq_move = Measure(
    "||y - x||^2",
    lambda problem, pair: problem.sq(point(pair.y) - point(pair.x)),
    r"\|x_{k} - x_{k-1}\|^2",
    lambda problem, pair: 64 * EPS * (problem.norm(point(pair.y)) + problem.norm(point(pair.x))) ** 2,
)


def _leading_moves(iterates, quantities):
    earlier = half = None
    for it in iterates:
        yield Pair(it.x, it.x) if half is None else Pair(half, earlier)
        earlier, half = it.x if half is None else half, it.half


leading_moves = Fold("moves of the leading point", _leading_moves)  # at k: from the (k-1)-th (x_0 at first) to the k-th
sq_leading = Measure(
    "||V(half)||^2",
    lambda problem, it: problem.sq(problem.operator(it.half)),
    r"\|V(x_{k+1/2})\|^2",
    lambda problem, it: 64 * EPS * (problem.L * problem.norm(it.x)) ** 2,
)
leading_average = Fold("average of the leading points", lambda iterates, q: average((it.half for it in iterates), q))


def _gradient(problem, x, *, step):
    """The mutant without a past: V_{t-1/2} replaced by 0."""
    while True:
        yield Leading(x, x, problem.operator(x))
        x = problem.project(x - step * problem.operator(x))


def _games(rng):
    return [Case(rotation_game(), np.array([[1.0, 1.0], [5.0, -2.0]])), Case(bilinear_game()),
            Case(rock_paper_scissors()), Case(monotone_affine()), Case(random_matrix_game()), Case(quadratic_game())]


def _spaces(rng):
    return [Case(rotation_game(), np.array([1.0, 1.0])), Case(monotone_affine()), Case(bilinear_game()),
            Case(quadratic_game())]


def _fast(rng):
    return [Case(QuadraticGame(np.eye(1), 0.0 * np.eye(1), np.eye(1), [1.0], [0.5])), Case(quadratic_game())]


def _outward(rng):
    return [Case(spiral_out()), *(Case(ComonotoneField(planes(z)), np.array([1.0, 0.0])) for z in (-0.3 + 0.9j, -0.1 + 0.9j))]


def _noisy(rng):
    game = QuadraticGame(np.eye(2), np.array([[1.0, 0.5], [-0.5, 1.0]]), np.eye(2), [1.0, 0.0], [0.5, -1.0])
    return [Case(NoisyOperator(game, 1.0), replicates=256)]


no_past = Control("V_{t-1/2} replaced by 0", method=as_method(_gradient))
ergodic = dict(at=leading_average, assumes=(Monotone, LipschitzOperator), on=_games)
half_L = dict(recipe=lambda L, share: dict(step=share / (2 * L)), vary=dict(share=(1.0, 0.4)),
              valid=lambda step, L: 0 < step <= 1 / (2 * L))
doubled = Control("step 1.2/L", recipe=lambda L: dict(step=1.2 / L))

extragradient.proves(
    Guarantee(restricted_gap, lambda k, step, spread: spread / (2 * step * k),
              cite(158, 1, "Nemirovski 2004", claim="extragradient, two calls"),
              recipe=lambda L, share: dict(step=share / L), vary=dict(share=(1.0, 0.4)),
              valid=lambda step, L: 0 < step <= 1 / L, control=(no_past, doubled), **ergodic),
    Guarantee(sq_operator, lambda k, step, L, R: R**2 / (step**2 * (1 - step**2 * L**2) * (k + 1)),
              cite(158, 2, "Gorbunov-Loizou-Gidel 2022, Thm 3.2", claim="extragradient, last iterate"), first=0,
              assumes=(Monotone, LipschitzOperator, ZeroOfOperator), recipe=lambda L, share: dict(step=share / L),
              vary=dict(share=(0.5**0.5, 0.3)), valid=lambda step, L: 0 < step * L <= 0.5**0.5, on=_spaces,
              control=(no_past, doubled)),
    Guarantee(sq_distance, lambda k, step, mu, R: (1 - step * mu) ** k * R**2,
              cite(158, 3, "Tseng 1995", claim="extragradient without noise, linear"),
              assumes=(StronglyMonotone, LipschitzOperator), recipe=lambda L, share: dict(step=share / L),
              vary=dict(share=(0.4, 0.2)), valid=lambda step, L: 0 < step * L <= 2**0.5 - 1, on=_fast,
              control=Control("step 2.5/L", recipe=lambda L: dict(step=2.5 / L))),
    Guarantee(sq_leading, lambda k, step, shrink, rho, R: R**2 / (shrink * step * ((1 - shrink) * step - 2 * rho) * k),
              cite(0, 0, "Diakonikolas-Daskalakis-Jordan 2021; Pethick et al. 2022"), at=best,
              assumes=(NegativelyComonotone, LipschitzOperator, ZeroOfOperator), at_constants=dict(rho=0.2),
              recipe=lambda L, rho, part: dict(step=1 / L, shrink=part * (1 - 2 * rho * L)), vary=dict(part=(0.5, 0.2)),
              valid=lambda step, shrink, L, rho: 0 < step <= 1 / L and 0 < shrink < 1 - 2 * rho / step, on=_outward,
              control=Control("full steps of 1.5/L", recipe=lambda L: dict(shrink=1.0, step=1.5 / L)),
              note="Only <V(x), x - x*> >= -rho ||V(x)||^2 is used (weak Minty); rho < 1/(2L)."),
)
past_extragradient.proves(
    Guarantee(restricted_gap, lambda k, step, spread: spread / (2 * step * k),
              cite(158, 1, "Thm 1", claim="past extragradient"), control=(no_past, doubled), **half_L, **ergodic),
    Guarantee(sq_force, lambda k, R, step: 7 * R**2 / (6 * step**2 * k), cite(158, 2), at=best,
              assumes=(Coherent, LipschitzOperator, ZeroOfOperator), recipe=lambda L: dict(step=1 / (4 * L)),
              valid=lambda step, L: 0 < step <= 1 / (4 * L),
              on=lambda rng: [Case(rotation_game(), np.ones(2)), Case(coherent_field()), Case(bilinear_game())],
              control=(no_past, doubled)),
)
reflected_gradient.proves(
    Guarantee(restricted_gap, lambda k, step, spread, V0: (spread + step**2 * V0**2) / (2 * step * k),
              cite(158, 1, "Thm 1", claim="reflected gradient"), recipe=lambda L, share: dict(step=share / L),
              vary=dict(share=(0.4, 0.2)), valid=lambda step, L: 0 < step <= 0.4 / L,
              control=(no_past, doubled), **ergodic),
)
optimistic_gradient.proves(
    Guarantee(restricted_gap, lambda k, step, spread: spread / (2 * step * k),
              cite(158, 1, "Thm 1", claim="optimistic gradient"), control=(no_past, doubled), **half_L, **ergodic),
)
stochastic_past_extragradient.proves(
    Guarantee(sq_distance, lambda k: 1 / k, cite(158, 3, "Thm 4"), mode="order",
              assumes=(StronglyMonotone, LipschitzOperator, BoundedVariance),
              recipe=lambda mu, L: dict(step=lambda t: 2 / (mu * (t + 8 * L / mu))), steps=2000,
              on=_noisy,
              control=Control("a constant step", recipe=lambda L: dict(step=lambda t: 0.1 / L))),
)
