"""ProxSkip (Scaffnew for functions, ProxSkip-GDA-FL for games): local steps with control variates, rare averages."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optlab.problems.agents import FederatedGame, Federation, heterogeneous_quadratics
from optlab.problems.assumptions import CocoerciveAgents

from ..functions import log, minimum, sqrt
from ..guarantee import Case, Control, Guarantee, cite, start
from ..measures import EPS, Measure
from ..methods import method


class Skipping(NamedTuple):
    """Every agent's point and control variate, and the rounds of communication so far."""

    x: Any
    h: Any
    rounds: Any


@method(needs=("stochastic_operator", "mean"), family="federated", restartable=True)
def proxskip(problem, x, h=None, rounds=None, *, step, p, rng):
    """x^ = x - step (F(x) - h); with probability p, x+ = mean(x^ - step/p h), else x+ = x^; h+ = h + p/step (x+ - x^).

    Mishchenko, Malinovsky, Stich, Richtarik 2022; Zhang, Choudhury, Stich, Loizou 2024 for variational inequalities.
    """
    h, rounds = 0 * x if h is None else h, 0.0 * problem.sq(x) if rounds is None else rounds
    while True:
        yield Skipping(x, h, rounds)
        ahead = x - step * (problem.stochastic_operator(x, rng) - h)
        coin = rng.coin(p)
        heads = problem.column(coin)
        x = heads * problem.mean(ahead - (step / p) * h, when=coin) + (1 - heads) * ahead
        h, rounds = h + (p / step) * (x - ahead), rounds + coin


@method(symbolic=False, restartable=True)
def local_descent_ascent(problem, x, h=None, rounds=None, *, step, p, rng):
    """Control: the control variates stay at zero."""
    h, rounds = 0 * x, 0.0 * problem.sq(x) if rounds is None else rounds
    while True:
        yield Skipping(x, h, rounds)
        ahead = x - step * problem.stochastic_operator(x, rng)
        coin = rng.coin(p)
        heads = problem.column(coin)
        x, rounds = heads * problem.mean(ahead, when=coin) + (1 - heads) * ahead, rounds + coin


def chosen(ell, mumin, share=1.0, p=None):
    """Step share/ell and, unless given, the rarest communication that costs no speed."""
    return dict(step=share / ell, p=p or (share * mumin / ell) ** 0.5)


def psi(**choice):
    """The theorem's Lyapunov function for the step and probability of ``chosen``."""

    def of(problem, it):
        c = chosen(problem.ell, problem.mumin, **choice)
        return problem.sq(it.x - problem.x_star) \
            + (c["step"] / c["p"]) ** 2 * problem.sq(it.h - problem.operator(problem.x_star))

    return Measure("sum ||x_i - x*||^2 + (step/p)^2 sum ||h_i - F_i(x*)||^2", of, r"\Psi_k",
                   lambda problem, it: 64 * EPS * (problem.sq(it.x) + problem.n * problem.sq(problem.x_star)), symbolic=False)


communications = Measure("rounds", lambda problem, it: it.rounds + 0.0 * problem.sq(it.x), "C_k", symbolic=False)


def games(sigma=0.0):
    """Heterogeneous strongly monotone affine games (a definite and a skew part for every agent), and quadratics."""

    def family(rng):
        cases = []
        for n, d in ((5, 3), (3, 2)):
            S = rng.standard_normal((n, d, d))
            K = rng.standard_normal((n, d, d))
            A = S @ S.transpose(0, 2, 1) / d + 0.3 * np.eye(d) + (K - K.transpose(0, 2, 1)) / 2
            cases.append(Case(FederatedGame(A, rng.standard_normal((n, d)), sigma=sigma, name=f"game of {n} agents")))
        parts = heterogeneous_quadratics(3, 3, mu=0.05, spread=2.0)
        return [*cases, Case(Federation(parts, sigma=sigma))]

    return family


def _short(rng):
    """A strongly monotone game, run for as long as the theorem says."""
    problem, accuracy = games()(rng)[1].problem, 0.3
    steps = int(np.ceil(problem.ell / problem.mumin * np.log(1 / accuracy)))
    return [Case(problem, steps=steps, params=dict(accuracy=accuracy))]


def _with(choice):
    return lambda ell, mumin: chosen(ell, mumin, **choice)


frozen = Control("control variates frozen at zero", method=local_descent_ascent)
held = dict(mode="expectation", assumes=(CocoerciveAgents,), symbolic=False, control=frozen)
best = psi()
proxskip.proves(
    *(Guarantee(lyapunov, lambda k, step, p, mumin, V: (1 - minimum(step * mumin, p**2)) ** k * V,
                cite(3, 1, "main theorem"), using=dict(V=start(lyapunov)), on=games(),
                recipe=_with(choice), **held)
      for choice in (dict(share=1.0), dict(share=0.5), dict(share=1.0, p=0.9)) for lyapunov in [psi(**choice)]),
    Guarantee(best, lambda k, step, p, mumin, V, sigma, dim: (1 - minimum(step * mumin, p**2)) ** k * V
              + step**2 * sigma**2 * dim / minimum(step * mumin, p**2), cite(3, 2, "stochastic case"),
              using=dict(V=start(best)), on=games(0.1), recipe=lambda ell, mumin: chosen(ell, mumin), **held),
    Guarantee(communications, lambda ell, mumin, accuracy, horizon: sqrt(ell / mumin) * log(1 / accuracy) + 1,
              cite(3, 3, claim="rounds"), on=_short, recipe=lambda ell, mumin, horizon: chosen(ell, mumin),
              **held | dict(control=Control("four times as many", recipe=lambda p: dict(p=min(1.0, 4 * p))))),
    Guarantee(best, lambda accuracy, V, horizon: accuracy * V, cite(3, 3, claim="accuracy"), using=dict(V=start(best)),
              on=_short, recipe=lambda ell, mumin, horizon: chosen(ell, mumin), **held),
)
