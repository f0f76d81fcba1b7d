"""Online learning against losses fixed in advance: gradient descent, (regularized) leaders, Frank-Wolfe, and their regret."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optlab.problems.assumptions import AlternatingLosses, Compact, LipschitzLosses, StronglyConvexLosses
from optlab.problems.rounds import LinearRounds, QuadraticRounds, SeeSaw

from ..fold import Fold
from ..functions import harmonic, sqrt
from ..guarantee import Case, Control, Guarantee, cite
from ..measures import Measure
from ..methods import as_method, method
from ..steps import at, inverse_sqrt


class Round(NamedTuple):
    """The point played, what it cost, and the number of rounds before."""

    x: Any
    loss: Any
    k: int


@method(needs=("loss_value", "loss_grad", "project"), family="online", restartable=True, derived=("loss",), cost="loss_grad")
def online_gradient_descent(problem, x, loss=None, k=0, *, step):
    """Online gradient descent, x+ = P(x - step_k grad f_k(x)) (Zinkevich 2003). A round is yielded after it."""
    while True:
        yield Round(x, problem.loss_value(x, k), k)
        x, k = problem.project(x - at(step, k) * problem.loss_grad(x, k)), k + 1


@method(needs=("loss_value", "leader"), family="online", cost="leader")
def follow_the_leader(problem, x, *, step=np.inf):
    """Follow the leader, x+ = argmin f_0 + ... + f_k + ||. - x_0||^2 / (2 step): regularized where ``step`` is finite."""
    first, k = x, 0
    while True:
        yield Round(x, problem.loss_value(x, k), k)
        x, k = problem.leader(first, k, step), k + 1


@method(needs=("loss_value", "loss_grad", "lmo"), family="online", cost="loss_grad")
def online_frank_wolfe(problem, x, *, step, share):
    """Online Frank-Wolfe, v = argmin <x - x_0 + step (g_0 + ... + g_k), v>, x+ = (1 - share) x + share v (Hazan 2016)."""
    first, total, k = x, 0.0 * x, 0
    while True:
        yield Round(x, problem.loss_value(x, k), k)
        total = total + problem.loss_grad(x, k)
        v = problem.lmo(x - first + step * total)
        x, k = (1 - share) * x + share * v, k + 1


def stubborn(problem, x, *, step=np.inf):
    """Sabotage of ``follow_the_leader``: it never moves."""
    k = 0
    while True:
        yield Round(x, problem.loss_value(x, k), k)
        k = k + 1


# --- regret ------------------------------------------------------------------------------------------------------
class Account(NamedTuple):
    """Rounds 0 .. k: the last point, and what all cost together."""

    x: Any
    paid: Any
    k: int


def _accounts(iterates, quantities):
    paid = 0.0
    for it in iterates:
        paid = it.loss + paid
        yield Account(it.x, paid, it.k)


all_rounds = Fold("all rounds", _accounts)
total_regret = Measure("regret", lambda problem, it: it.paid - problem.best_in_hindsight(it.k), r"\mathrm{Regret}_{k+1}",
                       lambda problem, it: (it.k + 1) * problem.G * problem.D)


def simplex_heights(k, G, D):
    """G times the heights of the regular simplices of edge D in dimensions 1 .. k + 1, together."""
    d = np.arange(1.0, np.max(k) + 2)
    return (G * D * np.cumsum(np.sqrt((d + 1) / (2 * d))))[np.asarray(k, dtype=int)]


def losses(rng):
    """Slopes that answer the leader, that turn slowly, and bowls."""
    turning = np.stack([np.cos(np.arange(300) / 9), np.sin(np.arange(300) / 7)], axis=-1)
    return [Case(SeeSaw()), Case(LinearRounds(turning, 0.5, name="slopes that turn")),
            Case(QuadraticRounds(rng.uniform(-1, 1, (300, 3)) ** 3, 2.0, name="bowls"))]


def alternating_bowls(rng):
    """Bowls in two opposite corners in turn, and anywhere."""
    corners = np.where(np.arange(300)[:, None] % 2, 1.0, -1.0) * np.ones(2)
    return [Case(QuadraticRounds(corners, 0.3, name="bowls in two corners"), np.ones(2)),
            Case(QuadraticRounds(rng.uniform(-1, 1, (300, 3)), 2.0, name="bowls"))]


def against_the_corner(rng):
    """One slope for ever, from the end that pays it."""
    return [Case(LinearRounds(np.ones((1, 1)), name="one slope"), np.ones(1))]


def budget(step, k, D, G):
    return D**2 / (2 * step) + step * (k + 1) * G**2 / 2


any_losses = dict(at=all_rounds, first=0, assumes=(LipschitzLosses, Compact), on=losses)
best_step = dict(recipe=lambda D, G, horizon: dict(step=D / (G * sqrt(horizon + 1))),
                 valid=lambda step: step > 0, tightness="tight")
too_short = Control("steps four hundred times shorter", recipe=lambda step: dict(step=step / 400))

online_gradient_descent.proves(
    Guarantee(total_regret, lambda k, step, D, G: budget(step, k, D, G), cite(0, 0, "Zinkevich 2003; Orabona 2025, Sec 2.1.2"),
              control=too_short, **any_losses | best_step),
    Guarantee(total_regret, lambda k, D, G: 1.5 * G * D * sqrt(k + 1), cite(0, 0, "Hazan 2016, Thm 3.1"),
              recipe=lambda D, G: dict(step=inverse_sqrt(D / G)), steps=300, **any_losses,
              control=Control("steps a thousand times shorter", recipe=lambda D, G: dict(step=inverse_sqrt(D / (1000 * G))))),
)

follow_the_leader.proves(
    Guarantee(total_regret, lambda k, step, D, G: budget(step, k, D, G), cite(0, 0, "Hazan 2016, Thm 5.2"),
              control=(too_short, Control("no regularization", recipe=lambda: dict(step=np.inf))), **any_losses | best_step),
    Guarantee(total_regret, simplex_heights, cite(0, 0, "worst cases of up to 8 rounds: heights of regular simplices"),
              recipe=lambda: dict(step=np.inf), tightness="tight", steps=300,
              control=Control("never moving", method=as_method(stubborn), on=against_the_corner),
              note="the exact worst case of every number of rounds that was solved; not proved for all", proved=False,
              **any_losses),
    Guarantee(total_regret, lambda k, mu, G: G**2 / (2 * mu) * harmonic(k + 1), cite(0, 0, "McMahan 2017, Cor 1"), at=all_rounds,
              first=0, assumes=(LipschitzLosses, StronglyConvexLosses, Compact), on=alternating_bowls, steps=300,
              recipe=lambda: dict(step=np.inf), symbolic=False,
              control=Control("regularized, in vain", recipe=lambda: dict(step=1e-4))),
    Guarantee(total_regret, lambda k, G, D: k * G * D / 2, cite(0, 0, "Hazan 2016, Sec 5.1"), relation=">=", at=all_rounds,
              assumes=(LipschitzLosses, AlternatingLosses, Compact), on=lambda rng: [Case(SeeSaw())], tightness="tight",
              recipe=lambda: dict(step=np.inf), steps=300, symbolic=False,
              control=Control("regularized", recipe=lambda: dict(step=0.1))),
)

online_frank_wolfe.proves(
    Guarantee(total_regret, lambda k, D, G: 4 / 3**0.75 * G * D * (k + 1) ** 0.75, cite(0, 0, "Weibel et al. 2025, Thm 2.1"),
              recipe=lambda D, G, horizon: dict(step=D / (2 * G) * (3 / (horizon + 1)) ** 0.75,
                                                share=min(1.0, sqrt(3 / (horizon + 1)))),
              control=Control("never moving", recipe=lambda: dict(share=0.0), on=against_the_corner), **any_losses),
)
