"""Anchored methods for monotone games: the last iterate's ||V|| falls like 1/T. One call a round, or two (FEG)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optlab.problems.assumptions import Compact, LipschitzOperator, Monotone, NegativelyComonotone, ZeroOfOperator
from optlab.problems.games import (
    BilinearGame,
    PunishingLosses,
    bilinear_game,
    monotone_affine,
    quadratic_game,
    random_matrix_game,
    rock_paper_scissors,
    rotation_game,
)
from optlab.problems.inclusions import ComonotoneField, planes, spiral_out

from ..fold import Fold, field
from ..functions import log, sqrt
from ..guarantee import Case, Control, Guarantee, cite
from ..measures import Measure, sq_operator
from ..methods import method
from ..splitting.fixed_point import frozen, vanishing
from .single_call import Leading, optimistic_gradient, restricted_gap


class Round(NamedTuple):
    """The point played, its regret so far against the best fixed point of the cube, and the method's state."""

    half: Any
    paid: Any
    gradients: Any


@method(needs=("operator", "project"), family="variational")
def anchored_optimistic(problem, x, *, step, anchoring=vanishing):
    """Anchored optimistic gradient (Cai, Zheng 2023): half = P(x - g V_{t-1/2} + w (x_1 - x)), x+ so with V(half)."""
    anchor, past, k = x, problem.operator(x), 0
    while True:
        pull = anchoring(k) * (anchor - x)
        half = problem.project(x - step * past + pull)
        yield Leading(x, half, past)
        past = problem.operator(half)
        x = problem.project(x - step * past + pull)
        k += 1


@method(needs=("operator",), family="variational")
def fast_extragradient(problem, x, *, step, rho=0.0):
    """FEG (Lee, Kim 2021), a = (x0 - x)/(k + 1), b = k/(k + 1), for a rho-negatively comonotone V:
    half = x + a - b (g - 2 rho) V(x), x+ = x + a - g V(half) + 2 b rho V(x)."""
    x0, k = x, 0
    while True:
        yield x
        pull, b, v = (1 / (k + 1)) * (x0 - x), k / (k + 1), problem.operator(x)
        half = x + pull - b * (step - 2 * rho) * v
        x = x + pull - step * problem.operator(half) + 2 * b * rho * v
        k += 1


@method(needs=("operator", "project"), family="variational", symbolic=False)
def safe_anchored_optimistic(problem, x, *, step, threshold, D):
    """Anchored optimistic gradient for one player, which falls back to adaptive optimistic descent, steps D/sqrt(path),
    once its path sum ||g_t - g_{t-1}||^2 passes the threshold (Cai, Zheng 2023). Yields a round after its loss."""
    anchor, past, t = x, 0 * x, 1
    path, paid, total, half = 0 * problem.norm(x), 0 * problem.norm(x), 0 * x, x
    while True:
        yield Round(half, paid, total)
        fallen = problem.column(path > threshold)
        g = np.where(fallen, D / np.sqrt(1 + problem.column(path)), step)
        pull = np.where(fallen, 0.0, 1 / (t + 1)) * (anchor - x)
        half = problem.project(x - g * past + pull)
        loss = problem.operator(half)
        path = path + problem.sq(loss - past)
        paid, total = paid + problem.inner(loss, half), total + loss
        x, past, t = problem.project(x - g * loss + pull), loss, t + 1


def _running_regret(iterates, quantities):
    """Each player's sum over s < k of what a best response to the others would have gained at the point played."""
    total = None
    for it in iterates:
        gained = quantities.problem.regrets(it.half)
        total = 0 * gained if total is None else total
        yield total
        total = total + gained


regret_fold = Fold("sum over the rounds", _running_regret)
dynamic_regret = Measure(
    "individual dynamic regret", lambda problem, total: np.max(total, axis=-1),
    r"\max_i \sum_{s<k} \max_{u}\langle V_i(x_s), x_{s,i} - u\rangle", symbolic=False,
)
external_regret = Measure(
    "regret", lambda problem, it: it.paid + np.sum(np.abs(it.gradients), axis=-1),
    r"\sum_{s<k}\langle g_s, x_s\rangle - \min_u\sum_{s<k}\langle g_s, u\rangle", symbolic=False,
)


def _spaces(rng):
    return [Case(rotation_game(), np.array([[1.0, 1.0], [-3.0, 2.0]])), Case(monotone_affine()), Case(bilinear_game()),
            Case(quadratic_game())]


def _simplices(rng):
    return [Case(rock_paper_scissors(), steps=2000), Case(random_matrix_game(), steps=2000)]


def _comonotone(rng):
    return [Case(spiral_out()), Case(ComonotoneField(planes(-0.3 + 0.9j)), np.array([1.0, 0.0])),
            Case(ComonotoneField(planes(-0.1 + 0.9j)), np.array([1.0, 0.0]))]


def _slow_mode(rng):
    """Without an anchor a rotation of speed 1/(step sqrt(k)) still has ||V||^2 = 1/(e step^2 k) at k = 200."""
    return [Case(BilinearGame(np.diag([0.245, 1.0]), radius=1.0), np.array([1.0, 0.0, 0.0, 0.0]))]


space = dict(assumes=(Monotone, LipschitzOperator, ZeroOfOperator), on=_spaces)
simplices = dict(assumes=(Monotone, LipschitzOperator, Compact), mode="order", on=_simplices,
                 recipe=lambda L: dict(step=1 / (6**0.5 * L)))

anchored_optimistic.proves(
    Guarantee(sq_operator, lambda k, step, R: 16 * R**2 / (step**2 * (k + 2) ** 2), cite(99, 1), first=0,
              recipe=lambda L, share: dict(step=share / (2 * 3**0.5 * L)), vary=dict(share=(1.0, 0.5)),
              valid=lambda step, L: 0 < step * L <= 1 / (2 * 3**0.5),
              control=(Control("step 1.2/L", recipe=lambda L: dict(step=1.2 / L)),
                       Control("the anchor dropped", method=optimistic_gradient, on=_slow_mode)), **space),
    Guarantee(restricted_gap, lambda k, D, L: D * L / k, cite(99, 2, "Thm 1", claim="gap of the last point played"),
              at=field("half"), control=frozen, **simplices),
    Guarantee(dynamic_regret, lambda k: log(k + 1), cite(99, 2, "Thm 2", claim="individual dynamic regret"),
              at=regret_fold, control=frozen, **simplices),
)
safe_anchored_optimistic.proves(
    Guarantee(external_regret, lambda k: sqrt(k), cite(99, 2, "Thm 3", claim="adversarial regret"), mode="order",
              assumes=(Compact,), recipe=lambda D: dict(step=0.4, threshold=10.0, D=D),
              on=lambda rng: [Case(PunishingLosses(4), np.array([[0.3] * 4, [0.9, -0.2, 0.1, 0.6]]), steps=4000)],
              control=Control("no fallback", recipe=lambda: dict(threshold=np.inf))),
)
fast_extragradient.proves(
    Guarantee(sq_operator, lambda k, L, R: 4 * L**2 * R**2 / k**2, cite(99, 3, "Lee-Kim 2021"), tightness="tight",
              recipe=lambda L: dict(step=1 / L),
              control=Control("step 1.5/L", recipe=lambda L: dict(step=1.5 / L)), **space),
    Guarantee(sq_operator, lambda k, L, rho, R: 4 * R**2 / ((1 / L - 2 * rho) * k) ** 2,
              cite(0, 0, "Lee-Kim 2021 (negatively comonotone)"), tightness="tight",
              assumes=(NegativelyComonotone, LipschitzOperator, ZeroOfOperator), at_constants=dict(rho=0.2),
              recipe=lambda L, rho: dict(step=1 / L, rho=rho), valid=lambda step, L, rho: step == 1 / L and rho < 1 / (2 * L),
              on=_comonotone, control=Control("run as if V were monotone", recipe=lambda: dict(rho=0.0))),
)
