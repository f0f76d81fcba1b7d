"""Decentralized gradient descent, its stochastic form, and gradient tracking."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optlab.problems.agents import DGDLimit, Network, heterogeneous_quadratics, split
from optlab.problems.assumptions import GossipMatrix, QuadraticAgents
from optlab.problems.base import Wrapped
from optlab.problems.glm import LogisticRegression
from optlab.problems.graphs import path, ring, star

from ..federated.folds import beside, same
from ..fold import pairs
from ..guarantee import Case, Control, Guarantee, cite, now
from ..measures import Measure, sq_distance
from ..methods import method
from .gossip import Round


class Noisy(NamedTuple):
    """Every agent's point, the stochastic gradients that led there, and the number of steps."""

    x: Any
    g: Any
    k: int


class Tracking(NamedTuple):
    """Every agent's point, its estimate of the mean gradient, and its own gradient."""

    x: Any
    y: Any
    g: Any


@method(needs=("grad", "mix"), family="decentralized", restartable=True)
def dgd(problem, x, k=0, *, step):
    """Decentralized gradient descent, x+ = W_k x - step grad (Nedic, Ozdaglar 2009)."""
    while True:
        yield Round(x, k)
        x, k = problem.mix(x, k) - step * problem.grad(x), k + 1


@method(needs=("stochastic_grad", "mix"), family="decentralized", restartable=True)
def dsgd(problem, x, g=None, k=0, *, step, period=1, rng):
    """x+ = x - step g, then gossip every ``period`` steps; g every agent's stochastic gradient (Lian et al. 2017)."""
    g = 0 * x if g is None else g
    while True:
        yield Noisy(x, g, k)
        g = problem.stochastic_grad(x, rng)
        k = k + 1
        x = x - step * g if k % period else problem.mix(x, k) - step * g


@method(needs=("grad", "mix"), family="decentralized", restartable=True)
def gradient_tracking(problem, x, y=None, g=None, *, step):
    """x+ = W x - step y, y+ = W y + grad(x+) - grad(x) (Di Lorenzo, Scutari 2016; Nedic, Olshevsky, Shi 2017)."""
    g = problem.grad(x) if g is None else g
    y = g if y is None else y
    while True:
        yield Tracking(x, y, g)
        x, before = problem.mix(x) - step * y, g
        g = problem.grad(x)
        y = problem.mix(y) + g - before


# --- measures -----------------------------------------------------------------------------------------------------
def apart(problem, x):
    """||X - J X||, every agent's distance from the mean."""
    return problem.norm(x - problem.mean(x))


consensus = Measure("||X+ - mean X+||", lambda p, pair: apart(p, pair.y.x), r"\|X_{k+1} - J X_{k+1}\|",
                    lambda p, pair: p.norm(pair.y.x), symbolic=False)
jensen = Measure("mean f(x_i) - f(mean x)", lambda p, it: p.mean(p.whole.value(it.x)[..., None])[..., 0, 0]
                 - p.whole.value(p.mean(it.x))[..., 0], r"\tfrac1n\sum f(x_i) - f(\bar x)",
                 lambda p, it: p.L * (p.sq(it.x) + p.sq(p.x_star)), symbolic=False)
tracking_gap = Measure("||mean y - mean grad||", lambda p, it: p.norm(p.mean(it.y - it.g)), r"\|\bar y_k - \bar g_k\|",
                       lambda p, it: p.norm(it.y) + p.norm(it.g), symbolic=False)


def _curvature_spread(problem, it):
    """(1/2) mean (x_i - mean x)' H (x_i - mean x)."""
    away = it.x - problem.mean(it.x)
    return problem.inner(away, problem.whole.hvp(problem.mean(it.x), away)) / (2 * problem.n)


def _minibatch(iterates, q):
    """Mini-batch gradient descent on the mean objective, with the mean of the agents' noise."""
    problem, before, z = q.problem, None, None
    for state in iterates:
        if before is None:
            z = problem.mean(state.x)
        else:
            noise = problem.mean(state.g - problem.grad(before.x))
            z = z - q["step"] * (problem.whole.grad(z) + noise)
        before = state
        yield state._replace(x=problem.mean(state.x)), z


# --- families -----------------------------------------------------------------------------------------------------
def networks(sigma=0.0, common=False):
    """Quadratics with minimizers apart on four graphs."""

    def family(rng):
        return [Network(heterogeneous_quadratics(n, 3, mu=0.1, spread=2.0, common=common, seed=n), graph(n), sigma=sigma,
                        name=f"{graph.__name__} of {n}") for n, graph in ((8, ring), (6, path), (5, star))]

    return family


def _limits(rng):
    cases = []
    for network in networks()(rng):
        limit = DGDLimit(network, 0.5 / network.Lmax)
        cases.append(Case(limit, limit.x_star + limit.slowest, steps=60))
    return cases


def _batch(cases):
    """Starts far apart, so that disagreement matters from the first step."""
    return lambda rng: [Case(p, 3 * rng.standard_normal(p.point_shape), replicates=64) for p in cases(rng)]


def _logistic(rng):
    return [Network(split(LogisticRegression, "breast_cancer", 5), ring(5), sigma=0.1)]


class _Unbalanced(Wrapped):
    """Control: rows still sum to one, columns do not (agent 0 hears too little of the others)."""

    def __init__(self, inner):
        super().__init__(inner)
        W = np.array(inner.gossip.matrices[0])
        W[0] = (1 - 0.5) * W[0] + 0.5 * np.eye(len(W))[0]
        self.W = W

    def mix(self, x, k=0):
        return self.W @ x


class _Silent(Wrapped):
    """Control: a disconnected graph."""

    def mix(self, x, k=0):
        return x


recursion = dict(at=pairs, assumes=(GossipMatrix,), symbolic=False, recipe=lambda Lmax: dict(step=0.3 / Lmax),
                 control=Control("nobody talks", problem=_Silent))
dgd.proves(
    Guarantee(sq_distance, lambda k, rate, R: rate ** (2 * k) * R**2, tightness="tight", symbolic=False,
              source=cite(0, 0, "Yuan, Ling, Yin 2016: DGD is gradient descent on sum f_i + <x, (I - W) x>/(2 step)"),
              assumes=(QuadraticAgents, GossipMatrix), on=_limits, recipe=lambda step: dict(step=step),
              control=Control("twice the step", recipe=lambda step: dict(step=2 * step))),
    *(Guarantee(consensus, lambda rho, step, e, g: rho * e + step * g, source, on=_batch(networks()), using=dict(
        e=now(lambda p, pair: apart(p, pair.x.x)), g=now(lambda p, pair: apart(p, p.grad(pair.x.x)))), **recursion)
      for source in (cite(14, 2, "deterministic"), cite(90, 4, "the recursion of 14.2"))),
)
dsgd.proves(
    Guarantee(same, lambda: 0.0, cite(169, 1, "linearity"), at=beside("mini-batch descent", _minibatch), relation="==",
              assumes=(QuadraticAgents, GossipMatrix), on=_batch(networks(0.5, common=True)), vary=dict(period=(1, 20)),
              recipe=lambda Lmax, period: dict(step=0.3 / Lmax, period=period), symbolic=False,
              control=Control("unequal Hessians", on=_batch(networks(0.5)))),
    Guarantee(jensen, lambda spread: spread, cite(169, 2, "Jensen gap"), relation="==", symbolic=False,
              assumes=(GossipMatrix,), on=_batch(networks(0.5)), using=dict(spread=now(_curvature_spread)),
              recipe=lambda Lmax: dict(step=0.3 / Lmax), control=Control("not a quadratic", on=_batch(_logistic))),
)
gradient_tracking.proves(
    Guarantee(tracking_gap, lambda: 0.0, cite(0, 0, "the tracking invariant"), relation="==", on=_batch(networks()),
              assumes=(GossipMatrix,), recipe=lambda Lmax: dict(step=0.1 / Lmax), symbolic=False,
              control=Control("columns that do not sum to one", problem=_Unbalanced)),
)
