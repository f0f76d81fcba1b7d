"""Robust aggregation: rules that some Byzantine vectors cannot lead far from the honest mean."""

from __future__ import annotations

from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from optlab.problems.byzantine import ByzantineVectors, Received, attacked, messages

from ..guarantee import Case, Control, Guarantee, cite, now
from ..measures import EPS, Measure
from ..methods import method


class Aggregate(NamedTuple):
    """The aggregate (..., 1, d), and the vectors it was made of."""

    value: Any
    x: Any


class Mixed(NamedTuple):
    """Every node's new vector (..., nodes, 1, d), and the messages it was made of."""

    y: Any
    x: Any


@method(family="robust", symbolic=False)
def smea(problem, x, *, f):
    """Mean of the n - f vectors whose covariance has the smallest top eigenvalue (Allouah et al. 2023)."""
    n = x.shape[-2]
    chosen = x[..., np.array(list(combinations(range(n), n - f))), :]
    away = chosen - chosen.mean(axis=-2, keepdims=True)
    top = np.linalg.eigvalsh(away @ np.swapaxes(away, -1, -2))[..., -1]
    means = chosen.mean(axis=-2)
    return Aggregate(np.take_along_axis(means, np.argmin(top, axis=-1)[..., None, None], axis=-2), x)


@method(family="robust", symbolic=False)
def coordinate_median(problem, x):
    """The median of every coordinate (Yin et al. 2018)."""
    return Aggregate(np.median(x, axis=-2, keepdims=True), x)


@method(family="robust", symbolic=False)
def trimmed_mean(problem, x, *, f):
    """Per coordinate, the mean without the f largest and the f smallest (Yin et al. 2018)."""
    n = x.shape[-2]
    return Aggregate(np.sort(x, axis=-2)[..., f:n - f, :].mean(axis=-2, keepdims=True), x)


@method(family="robust", symbolic=False)
def krum(problem, x, *, f):
    """The vector with the smallest sum of squared distances to its n - f nearest, itself included (Blanchard et al. 2017)."""
    distances = _squared_distances(x)
    score = np.sort(distances, axis=-1)[..., :x.shape[-2] - f].sum(axis=-1)
    return Aggregate(np.take_along_axis(x, np.argmin(score, axis=-1)[..., None, None], axis=-2), x)


@method(family="robust", symbolic=False)
def geometric_median(problem, x, *, rounds=1000):
    """The point with the smallest sum of distances, by Weiszfeld's iteration (Chen, Su, Xu 2017)."""
    v = np.median(x, axis=-2, keepdims=True)
    for _ in range(rounds):
        weight = 1 / np.maximum(np.linalg.norm(x - v, axis=-1, keepdims=True), 1e-12)
        v = (weight * x).sum(axis=-2, keepdims=True) / weight.sum(axis=-2, keepdims=True)
    return Aggregate(v, x)


@method(family="robust", symbolic=False)
def nna(problem, x, *, keep):
    """Nearest-neighbour averaging: every node averages the ``keep`` messages nearest to its own (MoNNA 2023)."""
    distance = ((x - problem.own(x)) ** 2).sum(axis=-1)
    nearest = np.argsort(distance, axis=-1, stable=True)[..., :keep, None]
    return Mixed(np.take_along_axis(x, nearest, axis=-2).mean(axis=-2, keepdims=True), x)


def _squared_distances(x):
    gram = x @ np.swapaxes(x, -1, -2)
    norms = np.diagonal(gram, axis1=-2, axis2=-1)
    return np.maximum(norms[..., :, None] + norms[..., None, :] - 2 * gram, 0)


@method(symbolic=False)
def plain_mean(problem, x, *, f=0):
    """Control: everybody is believed."""
    return Aggregate(x.mean(axis=-2, keepdims=True), x)


def _ratio(name, symbol, operator):
    return Measure(name, lambda p, it: p.worst_ratio(it.value, it.x, operator=operator), symbol, symbolic=False)


operator_ratio = _ratio("max_S ||agg - mean_S||^2 / lambda_max(Cov_S)",
                        r"\max_S \|A - \bar x_S\|^2/\lambda_{\max}(\mathrm{Cov}_S)", True)
trace_ratio = _ratio("max_S ||agg - mean_S||^2 / trace(Cov_S)",
                     r"\max_S \|A - \bar x_S\|^2/\mathrm{tr}(\mathrm{Cov}_S)", False)
mixing_error = Measure(
    "mean ||y_i - xbar||^2",
    lambda p, it: ((it.y - p.own(it.x).mean(axis=-3, keepdims=True)) ** 2).sum(axis=(-3, -2, -1)) / it.y.shape[-3],
    r"\tfrac1h\sum\|y_i - \bar x\|^2", lambda p, it: EPS * p.sq(p.own(it.x)), symbolic=False)


def _diversity(problem, it):
    """mean_i ||x_i - xbar||^2 over the honest nodes."""
    own = problem.own(it.x)
    return ((own - own.mean(axis=-3, keepdims=True)) ** 2).sum(axis=(-3, -2, -1)) / own.shape[-3]


def workers(*sizes):
    """Every attack on honest vectors, for each (n, f, d)."""
    return lambda rng: [Case(p, attacked(p, rng)) for p in (ByzantineVectors(*s) for s in sizes)]


def nodes(*sizes, asynchronous=False):
    """Every attack on the messages of each (n, f, d): all n arrive, or the first n - f."""
    return lambda rng: [Case(p, messages(p, rng)) for n, f, d in sizes
                        for p in [Received(n - f, n - f if asynchronous else n, f, d)]]


few = workers((7, 2, 1), (7, 2, 3), (5, 1, 2))
believed = Control("plain mean", method=plain_mean)
understated = Control("f understated by one", recipe=lambda f: dict(f=f - 1))
takes_f = dict(recipe=lambda f: dict(f=f), on=few, control=(believed, understated))

smea.proves(
    Guarantee(operator_ratio, lambda n, f: 4 * f / (n - 2 * f), cite(136, 1, "sharper than the paper's"), **takes_f),
    Guarantee(operator_ratio, lambda n, f: 4 * f * (n - f) / (n - 2 * f) ** 2, cite(136, 2, "Prop. (f, kappa)-robust"),
              **takes_f),
)
source = "Allouah et al. 2023 (Fixing by mixing), Prop. "
coordinate_median.proves(
    Guarantee(trace_ratio, lambda n, f: 4 * (1 + f / (n - 2 * f)) ** 2, cite(0, 0, source + "4: median"), on=few,
              control=believed),
)
geometric_median.proves(
    Guarantee(trace_ratio, lambda n, f: 4 * (1 + f / (n - 2 * f)) ** 2, cite(0, 0, source + "3: geometric median"), on=few,
              control=Control("plain mean", method=method(symbolic=False)(
                  lambda problem, x, *, rounds=1000: plain_mean(problem, x)))),
)
trimmed_mean.proves(
    Guarantee(trace_ratio, lambda n, f: 6 * f / (n - 2 * f) * (1 + f / (n - 2 * f)), cite(0, 0, source + "2: trimmed mean"),
              **takes_f),
)
krum.proves(
    Guarantee(trace_ratio, lambda n, f: 6 * (1 + f / (n - 2 * f)), cite(0, 0, source + "1: Krum"), on=few,
              recipe=lambda f: dict(f=f), control=believed),
)
everything = Control("all messages kept", recipe=lambda m: dict(keep=m))
nna.proves(
    Guarantee(mixing_error, lambda n, f, V: 8 * f / (n - f) * V, cite(159, 1, "synchronous"), using=dict(V=now(_diversity)),
              recipe=lambda n, f: dict(keep=n - f), on=nodes((10, 2, 3), (21, 2, 2), (5, 1, 1)), control=everything),
    Guarantee(mixing_error, lambda n, f, V: 18 * f * (n - f) / (n - 2 * f) ** 2 * V, cite(159, 2, "asynchronous"),
              using=dict(V=now(_diversity)), recipe=lambda n, f: dict(keep=n - 2 * f), control=everything,
              on=nodes((10, 2, 3), (21, 2, 2), (6, 1, 1), asynchronous=True)),
)
