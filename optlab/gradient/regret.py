"""The adaptive rules as online players: regret on streams of linear losses, and the streams that show what they cannot do."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from optlab.problems.assumptions import LinearLosses, PeriodThree
from optlab.problems.online import LinearStream, PunishingStream, ReddiStream, Unfolding

from ..fold import Fold, pairs
from ..functions import sqrt
from ..guarantee import Case, Control, Guarantee, cite, now
from ..measures import Measure
from ..methods import Method
from ..steps import inverse_sqrt
from .adaptive import adagrad, adam, adam_move, adamax, adamax_move, amsgrad, largest_move, longer, nadam, nadam_move


def online(rule: Method) -> Method:
    """The rule as a player: its k-th gradient is that of round k, and it stays on the cube. A round is yielded after it."""

    def player(problem, x, **params):
        yield from rule(Unfolding(problem), x, project=problem.project, **params)

    player.__name__ = player.__qualname__ = f"online_{rule.name}"
    player.__doc__ = f"Against a stream of losses: {rule.__doc__}"
    parameters = inspect.signature(rule.body).parameters.values()
    kept = [p for p in parameters if p.name in ("problem", "x", *rule.parameters) and p.name != "project"]
    player.__signature__ = inspect.Signature(kept)
    return Method(player, needs=("loss_grad", "project"), family="online", symbolic=False)


online_adagrad = online(adagrad)
online_adam = online(adam)
online_adamax = online(adamax)
online_amsgrad = online(amsgrad)
online_nadam = online(nadam)


# --- regret ------------------------------------------------------------------------------------------------------
class Played(NamedTuple):
    """Rounds 0 .. k: what was paid (a coordinate), the sum of the losses, their number, and the player's state."""

    paid: Any
    losses: Any
    rounds: int
    state: Any


def _played(iterates, quantities):
    paid, losses = 0.0, 0.0
    for k, it in enumerate(iterates):
        paid, losses = paid + it.g * it.x, losses + it.g
        yield Played(paid, losses, k + 1, it)


def _regret(problem, played):
    return array_namespace(played.paid).sum(played.paid, axis=-1) - problem.hindsight(played.losses)


def _rounding(problem, played):
    return played.rounds * problem.dim * problem.Gmax * problem.side


played = Fold("rounds played", _played)
regret = Measure("regret", _regret, r"\mathrm{Regret}_{k+1}", _rounding, symbolic=False)
average_regret = Measure("regret / T", lambda p, it: _regret(p, it) / it.rounds, r"\mathrm{Regret}_T/T",
                         lambda p, it: p.dim * p.Gmax * p.side, symbolic=False)
to_plus_one = Measure("1 - x", lambda p, it: 1 - it.x[..., 0], r"1 - x_k", lambda p, it: 1.0, symbolic=False)


def adversaries(rng):
    """Losses that answer the player and grow, that reverse direction in blocks, and of every size with many zeros."""
    growing = np.geomspace(0.01, 1.0, 200)[:, None] * np.ones(3)
    blocks = np.sign(np.sin(np.arange(200) / 12))[:, None] * rng.uniform(0.1, 1.0, (200, 3))
    sparse = rng.standard_normal((200, 4)) ** 5 * (rng.uniform(size=(200, 4)) < 0.2)
    return [Case(PunishingStream(growing)), Case(LinearStream(blocks, 0.5)), Case(LinearStream(sparse, 3.0))]


def period_three(rng):
    """From +1, where the stream wants the player to be."""
    return [Case(ReddiStream(C), np.ones(1), steps=900) for C in (4.0, 2.5, 10.0)]


def clear_periods(rng):
    """C so large that 3000 rounds show the order."""
    return [Case(ReddiStream(C), np.ones(1), steps=3000) for C in (4.0, 6.0, 10.0)]


fooled = dict(
    on=period_three, assumes=(LinearLosses, PeriodThree), symbolic=False, vary=dict(share=(0.99, 0.3)),
    recipe=lambda b2_fooled, share: dict(step=inverse_sqrt(share * (1 - b2_fooled) ** 0.5), b1=0.0, b2=b2_fooled, eps=0.0),
)


online_adagrad.proves(
    Guarantee(regret, lambda side, spread: sqrt(2 * side**2) * spread, cite(29, 6, "Duchi, Hazan, Singer 2011, diagonal"),
              assumes=(LinearLosses,), at=played, first=0, on=adversaries, symbolic=False,
              recipe=lambda side: dict(step=side / sqrt(2), eps=0.0),
              using=dict(spread=now(lambda p, it: np.sum(np.sqrt(it.state.s + it.state.g**2), axis=-1))),
              control=Control("a twentieth of the step", recipe=lambda step: dict(step=step / 20))),
)
online_adam.proves(
    Guarantee(average_regret, lambda C: (2 * C - 4) / 3, cite(29, 8, "Reddi, Kale, Kumar 2018, Thm 1", claim="regret"),
              relation=">=", at=played, first=2, stride=3, tightness="tight",
              control=Control("AMSGrad", method=online_amsgrad), **fooled,
              note="for steps h/sqrt k, h < sqrt(1 - b2): a period costs at least C - 2, and the best point earns C - 2"),
    Guarantee(to_plus_one, lambda k, share: share / sqrt(k), cite(29, 8, "Reddi, Kale, Kumar 2018, Thm 1", claim="iterates"),
              control=Control("AMSGrad", method=online_amsgrad), **fooled,
              note="x_k = 1 at every third k; between, one step away from it"),
)
online_amsgrad.proves(
    Guarantee(regret, lambda k: sqrt(k + 1), cite(29, 9, "Reddi, Kale, Kumar 2018, Cor 1", claim="order"), mode="order",
              at=played, control=Control("Adam", method=online_adam), **fooled | dict(on=clear_periods)),
    Guarantee(regret, lambda k, dim, side, Gmax, h, b2: dim * sqrt(k + 1) * Gmax * (side**2 / (2 * h) + h / sqrt(1 - b2)),
              cite(29, 9, "derived for b1 = 0", claim="constant"), at=played, first=0, assumes=(LinearLosses,),
              on=lambda rng: [*adversaries(rng)[:2], *period_three(rng)[:1]], symbolic=False,
              recipe=lambda h, b2: dict(step=inverse_sqrt(h), b1=0.0, b2=b2, eps=0.0), vary=dict(h=(0.5,), b2=(0.9, 1 / 17)),
              control=Control("Adam", method=online_adam)),
)


# --- the streams on which a coordinate moves farthest -----------------------------------------------------------
def wide(rows):
    """One coordinate of a cube so wide that its faces are out of reach; the losses scaled to at most 1."""
    return Case(LinearStream(rows[:, None] / rows.max(), 1e3), steps=len(rows))


def growing(rng):
    """g_s = (b2/b1)^s meets Cauchy-Schwarz at every k."""
    return [wide((0.999 / 0.9) ** np.arange(1000.0))]


def growing_with_a_leap(rng):
    """The same, the last loss (1 + b1)/b1 times as large, as Nadam weighs it."""
    rows = (0.999 / 0.9) ** np.arange(200.0)
    return [wide(np.append(rows[:-1], (1 + 1 / 0.9) * rows[-1]))]


def fading(rng):
    """g_s = b2^s: the largest size is that of all the losses so far at once."""
    return [wide(0.999 ** np.arange(1000.0))]


far = dict(at=pairs, assumes=(LinearLosses,), symbolic=False, tightness="tight",
           recipe=lambda b1, b2: dict(step=0.01, b1=b1, b2=b2), vary=dict(b1=(0.9,), b2=(0.999,)), control=longer)
without_eps = far | dict(recipe=lambda b1, b2: dict(step=0.01, b1=b1, b2=b2, eps=0.0))
exceeded = without_eps | dict(tightness="upper", relation=">=")

online_adam.proves(
    Guarantee(largest_move, adam_move, cite(29, 7, "derived", claim="the worst stream"), on=growing, **without_eps),
    Guarantee(largest_move, lambda step, b1, b2: step * (1 - b1) / sqrt(1 - b2), cite(0, 0, "against Kingma-Ba 2015, Sec 2.1"),
              on=growing, first=500, **exceeded | dict(control=Control("losses that fade", on=fading)),
              note="the paper's bound on moves is that of one lonely gradient; here they reach 1.8 times as much"),
)
online_nadam.proves(
    Guarantee(largest_move, nadam_move, cite(0, 0, "derived, as 29.7"), on=growing_with_a_leap, **without_eps),
)
online_adamax.proves(
    Guarantee(largest_move, adamax_move, cite(0, 0, "derived; in place of Kingma-Ba 2015, Sec 7.1"), on=fading, **far),
    Guarantee(largest_move, lambda step: 1.005 * step, cite(0, 0, "against Kingma-Ba 2015, Sec 7.1"), on=fading, first=100,
              **far | dict(tightness="upper", relation=">=", control=Control("losses that grow", on=growing)),
              note="the paper's bound on moves is step; here they reach (1 - b1)/(1 - b1/b2) = 1.009 times as much"),
)
