"""Saddle points by mirror steps in two geometries at once (SP-MD, SP-MP), and their sampled form on matrix games."""

from __future__ import annotations

from optlab.problems import entropic
from optlab.problems.assumptions import BoundedPayoffs

from ..constrained.mirror_prox import Tentative
from ..fold import average
from ..functions import sqrt
from ..guarantee import Case, Control, Guarantee, cite
from ..methods import method
from .single_call import leading_average, restricted_gap


@method(needs=("operator", "mirror", "weigh"), family="variational", restartable=True, symbolic=False)
def saddle_mirror_descent(problem, x, *, step, a, b):
    """SP-MD (Bubeck 2015, Sec 5.2.1): mirror descent on V = (grad_x, -grad_y), mirror map a Phi_X + b Phi_Y."""
    while True:
        yield x
        x = problem.mirror(x, step * problem.weigh(1 / a, 1 / b) * problem.operator(x))


@method(needs=("operator", "mirror", "weigh"), family="variational", symbolic=False)
def saddle_mirror_prox(problem, x, *, step, a, b):
    """SP-MP (Nemirovski 2004; Bubeck 2015, Sec 5.2.3): mirror prox on V, mirror map a Phi_X + b Phi_Y."""
    while True:
        half = problem.mirror(x, step * problem.weigh(1 / a, 1 / b) * problem.operator(x))
        yield Tentative(x, half)
        x = problem.mirror(x, step * problem.weigh(1 / a, 1 / b) * problem.operator(half))


@method(needs=("stochastic_operator", "mirror", "weigh"), family="variational", restartable=True, symbolic=False)
def stochastic_saddle_mirror_descent(problem, x, *, step, a, b, rng):
    """S-SP-MD on a matrix game: V read off one row and one column, drawn from the strategies (Grigoriadis-Khachiyan 1995)."""
    while True:
        yield x
        x = problem.mirror(x, step * problem.weigh(1 / a, 1 / b) * problem.stochastic_operator(x, rng))


def games(rng):
    """From uniform play, where the entropies are least."""
    return [Case(p, p.x0) for p in (entropic.dominated_game(), entropic.skewed_pennies(), entropic.random_entropic_game())]


def lengthening(rng):
    """One game, played for longer and longer."""
    p = entropic.random_entropic_game()
    return [Case(p, p.x0, steps=steps, replicates=128) for steps in (50, 100, 200, 400, 800, 1600)]


timid = Control("steps a hundred times too short", recipe=lambda step: dict(step=step / 100))

saddle_mirror_descent.proves(
    Guarantee(restricted_gap, lambda k, R_rows, R_columns, payoff: (R_rows + R_columns) * payoff * sqrt(2 / k),
              cite(70, 23, "Thm 5.2"), at=average, assumes=(BoundedPayoffs,), on=games, control=timid, horizons=(100, 400),
              recipe=lambda horizon, R_rows, R_columns, payoff: dict(
                  step=sqrt(2 / horizon), a=payoff / R_rows, b=payoff / R_columns)),
)
saddle_mirror_prox.proves(
    Guarantee(restricted_gap, lambda k, R_rows, R_columns, payoff: 4 * payoff * R_rows * R_columns / k,
              cite(70, 24, "Thm 5.3"), at=leading_average, assumes=(BoundedPayoffs,), on=games, control=timid,
              recipe=lambda R_rows, R_columns, payoff: dict(
                  step=1 / (2 * payoff * R_rows * R_columns), a=1 / R_rows**2, b=1 / R_columns**2)),
)
stochastic_saddle_mirror_descent.proves(
    Guarantee(restricted_gap, lambda k: 1 / sqrt(k), cite(70, 32, "Sec 6.5"), mode="scaling", over="horizon", at=average,
              assumes=(BoundedPayoffs,), on=lengthening,
              recipe=lambda horizon, R_rows, R_columns, payoff: dict(
                  step=sqrt(2 / horizon), a=payoff / R_rows, b=payoff / R_columns),
              control=Control("steps that shrink twice as fast", recipe=lambda horizon: dict(step=2 / horizon)),
              note="a step reads m + n entries, so that a gap of eps takes O~((m + n)/eps^2) of them"),
)
