"""Local gradient descent (FedAvg): agents step on their own, the server averages. The exact bias of what it converges to."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from optlab.problems.agents import Federation, LocalRound, heterogeneous_quadratics
from optlab.problems.assumptions import QuadraticAgents

from ..fold import pairs
from ..guarantee import Case, Control, Guarantee, cite
from ..measures import EPS, Measure, point, sq_distance
from ..methods import method


@method(needs=("grad", "mean"), family="federated", restartable=True)
def local_gd(problem, x, *, step, local):
    """``local`` gradient steps on every agent from the server's point, then their mean (McMahan et al. 2017)."""
    x = problem.mean(x)
    while True:
        yield x
        y = x
        for _ in range(local):
            y = y - step * problem.grad(y)
        x = problem.mean(y)


class LocalState(NamedTuple):
    """Every agent's own point."""

    x: object


@method(needs=("stochastic_grad", "mean"), family="federated")
def local_sgd(problem, x, *, step, local, rng):
    """Every agent's stochastic steps; the server's mean replaces all points every ``local`` steps (Stich 2019)."""
    k = 0
    while True:
        yield LocalState(x)
        x, k = x - step * problem.stochastic_grad(x, rng), k + 1
        if k % local == 0:
            x = problem.mean(x) + 0 * x


def _rounds(rng):
    cases = []
    for n, d, local, share, seed in ((4, 3, 5, 1.0, 0), (6, 4, 20, 0.5, 1), (5, 2, 3, 1.9, 2)):
        federation = Federation(heterogeneous_quadratics(n, d, mu=0.05, spread=3.0, seed=seed))
        limit = LocalRound(federation, share / federation.Lmax, local)
        cases.append(Case(limit, limit.x_star + _slowest(limit, n), steps=100))
    return cases


def _slowest(limit, n):
    """The direction in which the round contracts least, for every agent."""
    A = limit.A
    round_map = np.mean([np.linalg.matrix_power(np.eye(len(a)) - limit.step * a, limit.local) for a in A], axis=0)
    eigenvalues, vectors = np.linalg.eigh(round_map)
    return np.repeat(vectors[None, :, np.argmax(abs(eigenvalues))], n, axis=0)


def _at_rest(rng):
    return [Case(c.problem, c.problem.x_star + np.zeros(c.problem.point_shape), steps=50) for c in _rounds(rng)]


def _plain(rng):
    return [Case(c.problem, steps=100) for c in _rounds(rng)]


def _noisy(rng):
    """Agents with one Hessian and minimizers apart, every agent starting from the server's point."""
    return [Case(Federation(heterogeneous_quadratics(4, 3, mu=0.2, common=True, spread=1.0, seed=3), sigma=0.3), steps=48,
                 x0=2 * np.ones((4, 3)))]


def _crowds(rng):
    """The same task shared by 2 to 16 agents, every agent at the solution with noise of its own."""
    cases = []
    for n in (2, 4, 6, 8, 16):
        federation = Federation(heterogeneous_quadratics(n, 2, mu=0.2, common=True, spread=0.0, seed=4), sigma=0.3)
        cases.append(Case(federation, federation.x_star + np.zeros((n, 2)), steps=24))
    return cases


as_prescribed = dict(recipe=lambda step, local: dict(step=step, local=local), assumes=(QuadraticAgents,), symbolic=False)
one_step = Measure(
    "||y - (x - step grad f(x))||^2",
    lambda p, pair: p.sq(point(pair.y) - point(pair.x) + p.step * p.whole.grad(point(pair.x))) * (pair.y is not pair.x),
    r"\|x_{k+1} - (x_k - \gamma\nabla f(x_k))\|^2",
    lambda p, pair: 64 * EPS * (p.sq(point(pair.x)) + p.sq(p.x_star)), symbolic=False)
moved = Measure("||x - x*||", lambda p, it: p.norm(point(it) - p.inner_problem.x_star), r"\|x_k - x^\star\|",
                lambda p, it: p.norm(point(it)) + p.norm(p.x_star), symbolic=False)
sq_server_distance = Measure("||mean x - x*||^2", lambda p, it: p.sq(p.mean(it.x) - p.x_star),
                             r"\|\bar x_k - x^\star\|^2", symbolic=False)


def noise_law(k, step, sigma, n, modes, offsets):
    """sum_j q_j^k e_j^2 + (step^2 sigma^2 / n) (1 - q_j^k)/(1 - q_j), q_j = (1 - step lambda_j)^2, over the eigenvalues."""
    q = (1 - step * modes) ** 2
    k = np.asarray(k)[..., None]
    return np.sum(q**k * offsets**2 + step**2 * sigma**2 / n * (1 - q**k) / (1 - q), axis=-1)


local_gd.proves(
    Guarantee(one_step, lambda: 0.0, cite(64, 1, "one local step is gradient descent"), at=pairs, relation="==", on=_plain,
              assumes=(QuadraticAgents,), recipe=lambda step: dict(step=step, local=1), symbolic=False,
              control=Control("five local steps", recipe=lambda: dict(local=5))),
    Guarantee(sq_distance, lambda k, rate, R: rate ** (2 * k) * R**2, cite(25, 4, claim="contraction"), tightness="tight",
              on=_rounds, control=Control("steps uphill", recipe=lambda step: dict(step=-step)),
              **as_prescribed),
    Guarantee(sq_distance, lambda: 0.0, cite(25, 4, claim="fixed point"), relation="==", on=_at_rest,
              control=Control("one local step", recipe=lambda: dict(local=1)), **as_prescribed),
    Guarantee(moved, lambda k, rate, R, drift: drift + rate**k * R, cite(0, 0, "the drift of FedAvg on quadratics, upper"),
              tightness="tight", on=_plain, control=Control("twice the step and local steps",
              recipe=lambda step, local: dict(step=step, local=20 * local)), **as_prescribed),
    Guarantee(moved, lambda k, rate, R, drift: drift - rate**k * R, cite(0, 0, "the drift of FedAvg on quadratics, lower"),
              relation=">=", on=_plain, control=Control("one local step", recipe=lambda: dict(local=1), steps=1000),
              **as_prescribed),
)
local_sgd.proves(
    Guarantee(sq_server_distance, noise_law, cite(25, 1, "equal Hessians: independent of the local steps"),
              mode="expectation", relation="==", on=_noisy, vary=dict(local=(1, 4, 24)), assumes=(QuadraticAgents,),
              recipe=lambda local, L: dict(step=0.3 / L, local=local), symbolic=False,
              control=Control("twice the noise", problem=lambda p: Federation(p.parts, sigma=2 * p.sigma))),
    Guarantee(sq_server_distance, lambda n: 1 / n, cite(0, 0, "linear speedup in the agents (Stich 2019)"), mode="scaling",
              over="n", on=_crowds, assumes=(QuadraticAgents,), recipe=lambda L: dict(step=0.3 / L, local=4), symbolic=False,
              control=Control("noise that grows with the crowd",
                              problem=lambda p: Federation(p.parts, sigma=p.sigma * np.sqrt(p.n)))),
)
