"""Centered clipping around the previous aggregate, and worker momentum (Karimireddy, He, Jaggi 2021)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optlab.problems.agents import PureNoise

from ..fold import pairs
from ..guarantee import Case, Control, Guarantee, cite
from ..measures import EPS, Measure
from ..methods import method
from .aggregators import workers


class Clipped(NamedTuple):
    """The aggregate (..., 1, d), the vectors, and the radius of clipping."""

    v: Any
    x: Any
    radius: Any


class Momentum(NamedTuple):
    """A worker's momentum, and the fixed point at which it takes gradients."""

    m: Any
    x: Any


@method(family="robust", symbolic=False)
def centered_clipping(problem, x, v=None, *, radius):
    """v+ = v + mean_i (x_i - v) min(1, radius/||x_i - v||), from the previous aggregate (the origin by default)."""
    v = 0 * x[..., :1, :] if v is None else v
    while True:
        yield Clipped(v, x, radius)
        v = clipped_mean(problem, x, v, radius)


@method(needs=("stochastic_grad",), family="robust", restartable=True)
def worker_momentum(problem, m, x=None, *, beta, rng):
    """m+ = beta m + (1 - beta) g at a fixed point x, from m = 0 (called with x alone)."""
    m, x = (0 * m, m) if x is None else (m, x)
    while True:
        yield Momentum(m, x)
        m = beta * m + (1 - beta) * problem.stochastic_grad(x, rng)


def clipped_mean(problem, x, v, radius):
    away = x - v
    share = np.minimum(1, problem.column(np.asarray(radius)) / np.maximum(_norms(away), 1e-300))
    return v + (share * away).mean(axis=-2, keepdims=True)


def _norms(x):
    return np.sqrt((x**2).sum(axis=-1, keepdims=True))


def _length(x):
    return _norms(x)[..., 0, 0]


def _largest(p, x):
    return _norms(x)[..., :p.n - p.f, 0].max(axis=-1)


error = Measure("||v - honest mean||", lambda p, it: _length(it.v - p.honest_mean(it.x)), r"\|v_l - \bar x_G\|",
                lambda p, it: _largest(p, it.x), symbolic=False)
move = Measure("||v+ - v||", lambda p, pair: _length(pair.y.v - pair.x.v), r"\|v_{l+1} - v_l\|",
               lambda p, pair: _length(pair.x.v) + EPS * _largest(p, pair.x.x), symbolic=False)


def _influence(problem, it):
    """How far the Byzantine vectors move the next aggregate, against standing where it is."""
    silent = np.concatenate([it.x[..., :problem.n - problem.f, :], np.repeat(it.v, problem.f, axis=-2)], axis=-2)
    return _length(clipped_mean(problem, it.x, it.v, it.radius) - clipped_mean(problem, silent, it.v, it.radius))


influence = Measure("influence of the Byzantine vectors", _influence, r"\|v_{l+1} - v_{l+1}^G\|",
                    lambda p, it: _length(it.v) + np.asarray(it.radius), symbolic=False)
sq_momentum = Measure("||m||^2", lambda p, it: p.sq(it.m), r"\|m_k\|^2", symbolic=False)

some = workers((25, 5, 10), (9, 4, 2), (6, 1, 1))
unclipped = Control("no clipping: the plain mean", recipe=lambda: dict(radius=np.inf))
centered_clipping.proves(
    Guarantee(error, lambda delta, radius, e0: delta * (e0 + radius), cite(59, 1), on=some, steps=1, tightness="tight",
              recipe=lambda reach, share: dict(radius=share * reach), vary=dict(share=(1.0, 3.0)),
              control=unclipped),
    Guarantee(error, lambda k, delta, radius, e0: delta**k * e0 + delta * radius / (1 - delta), cite(59, 2), on=some,
              tightness="tight", steps=20, recipe=lambda reach_always: dict(radius=reach_always), control=unclipped),
    Guarantee(move, lambda radius: radius, cite(59, 3, claim="move"), on=some, at=pairs, steps=20, tightness="tight",
              recipe=lambda reach, share: dict(radius=share * reach), vary=dict(share=(0.1, 1.0)), control=unclipped),
    Guarantee(influence, lambda delta, radius: delta * radius, cite(59, 3, claim="influence"), on=some, steps=20, first=0,
              tightness="tight", recipe=lambda reach, share: dict(radius=share * reach), vary=dict(share=(0.1, 1.0)),
              control=unclipped),
)
worker_momentum.proves(
    Guarantee(sq_momentum, lambda k, beta, sigma, dim: sigma**2 * dim * (1 - beta) / (1 + beta) * (1 - beta ** (2 * k)),
              cite(59, 4, "stationary as k grows"), mode="expectation", relation="==", vary=dict(beta=(0.5, 0.9, 0.99)),
              recipe=lambda beta: dict(beta=beta), on=lambda rng: Case(PureNoise(4, 0.7)),
              control=Control("a larger beta", recipe=lambda beta: dict(beta=(1 + beta) / 2))),
)
