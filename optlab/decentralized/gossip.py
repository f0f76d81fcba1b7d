"""Gossip: agreement on the mean by talking to neighbours, plain and accelerated, on fixed and changing graphs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import networkx as nx
import numpy as np

from optlab.problems.agents import Network, Space
from optlab.problems.assumptions import GossipMatrix
from optlab.problems.base import Wrapped
from optlab.problems.graphs import laplacian, laplacian_gossip, star
from optlab.problems.quadratic import Quadratic

from ..guarantee import Case, Control, Guarantee, cite, start
from ..measures import EPS, Measure, point
from ..methods import method


class Round(NamedTuple):
    """Every agent's point and the number of rounds."""

    x: Any
    k: int


class Accelerated(NamedTuple):
    """The two sequences of Nesterov's method, and the number of rounds."""

    y: Any
    z: Any
    k: int


class Survived(NamedTuple):
    """Means of a fragment, of the survivors and of everyone."""

    fragment: Any
    survivors: Any
    everyone: Any


@method(needs=("mix",), family="decentralized", restartable=True)
def gossip(problem, x, k=0):
    """x+ = W_k x: every agent averages with its neighbours."""
    while True:
        yield Round(x, k)
        x, k = problem.mix(x, k), k + 1


@method(needs=("mix",), family="decentralized", restartable=True)
def nesterov_gossip(problem, y, z=None, k=0, *, q):
    """Nesterov's method on <x, Lap x>/2: x = (y + q z)/(1 + q), y+ = W x, z+ = (1 - q) z + q x - (x - W x)/q."""
    z = y if z is None else z
    while True:
        yield Accelerated(y, z, k)
        x = (1 / (1 + q)) * (y + q * z)
        y = problem.mix(x, k)
        z, k = (1 - q) * z + q * x - (1 / q) * (x - y), k + 1


@method(family="decentralized", symbolic=False)
def after_failures(problem, x, *, fragment, survivors, rng):
    """Means over the first ``fragment`` and ``survivors`` agents, and over all, of data that are independent normal."""
    data = x + rng.normal(problem.point_shape)
    return Survived(*(data[..., :m, :].mean(axis=-2, keepdims=True) for m in (fragment, survivors, problem.point_shape[0])))


# --- measures -----------------------------------------------------------------------------------------------------
def _drift(problem, it):
    """Rows sum to one up to rounding, so that the mean drifts a little every round."""
    return (1 + it.k / 16) * problem.norm(problem.x_star + 0 * it.x)


disagreement = Measure("||x - mean x_0||", lambda p, it: p.norm(point(it) - p.x_star), r"\|x_k - \bar x_0\|",
                       _drift, symbolic=False)
shift = Measure("||mean x - mean x_0||", lambda p, it: p.norm(p.mean(point(it)) - p.x_star), r"\|\bar x_k - \bar x_0\|",
                _drift, symbolic=False)


def _potential(problem, it):
    gap = it.y - problem.mix(it.y, it.k)
    return problem.top / 2 * problem.inner(it.y, gap) + problem.bottom / 2 * problem.sq(it.z - problem.x_star)


potential = Measure("phi_k(y_k) + mu/2 ||z_k - mean||^2", _potential, r"\phi_k(y_k) + \tfrac{\mu}{2}\|z_k - \bar x\|^2",
                    lambda p, it: p.top * EPS * (p.sq(it.y) + 64 * p.sq(p.x_star)), symbolic=False)
fragment_error = Measure("||mean_C b - mean b||^2", lambda p, it: p.sq(it.fragment - it.everyone), symbolic=False)
loss_gap = Measure("||mean_C b - mean b||^2 - ||mean_S b - mean b||^2",
                   lambda p, it: p.sq(it.fragment - it.everyone) - p.sq(it.survivors - it.everyone), symbolic=False)


# --- families -----------------------------------------------------------------------------------------------------
def agreement(b, graph, **constants):
    """Agents that each want their own b_i: the mean of f_i = ||x - b_i||^2/2 is least at the mean of b."""
    problem = Network([Quadratic(np.eye(b.shape[1]), row) for row in b], graph)
    problem.__dict__.update(constants)
    return Case(problem, b)


def _components(rng):
    """A scale-free graph after its six largest hubs failed: every component that is left."""
    graph = nx.barabasi_albert_graph(40, 2, seed=3)
    hubs = sorted(graph, key=graph.degree, reverse=True)[:6]
    graph.remove_nodes_from(hubs)
    pieces = [nx.convert_node_labels_to_integers(graph.subgraph(c)) for c in nx.connected_components(graph) if len(c) > 1]
    largest = sorted(pieces, key=len, reverse=True)[:2]
    return [agreement(2 + rng.standard_normal((len(p), 3)), p) for p in [*largest, star(6)]]


class _Orphaned(Wrapped):
    """Control: one neighbour's weight is lost from every row and nothing takes its place."""

    def __init__(self, inner):
        super().__init__(inner)
        W = inner.gossip.matrices[0]
        self.W = np.where(np.isclose(W, W.max()), 0.8 * W, W)

    def mix(self, x, k=0):
        return self.W @ x


def _slowest(W):
    """The start along which a symmetric W contracts least."""
    return np.linalg.eigh(W)[1][:, -2][:, None]


def _laplacians(graphs, b):
    """A case on graphs used in turn, x - Lap_k x / L; ``mu`` and ``L`` are the extreme eigenvalues over the rounds."""
    spectra = [np.linalg.eigvalsh(laplacian(g)) for g in graphs]
    top, bottom = max(s[-1] for s in spectra), min(s[1] for s in spectra)
    return agreement(b, [laplacian_gossip(g, top) for g in graphs], top=float(top), bottom=float(bottom))


def _connected_sequences(rng):
    """A star that stands still, on which the bound is met, stars that rotate, and random graphs."""
    n = 12
    rotating = [nx.relabel_nodes(star(n), dict(zip(range(n), np.roll(range(n), r).tolist(), strict=True))) for r in range(n)]
    random = [nx.compose(nx.path_graph(n), nx.gnp_random_graph(n, 0.3, seed=s)) for s in range(5)]
    still = _laplacians([star(n)], 3 + _slowest(np.eye(n) - laplacian(star(n)) / n))
    return [still, _laplacians(rotating, rng.standard_normal((n, 2))), _laplacians(random, rng.standard_normal((n, 2)))]


def _fading(rng):
    """A connected skeleton with extra links that fail one every four rounds and never come back."""
    cases = []
    for skeleton, seed in ((nx.cycle_graph(20), 1), (nx.random_labeled_tree(20, seed=4), 2), (nx.path_graph(10), 3)):
        n = len(skeleton)
        extra = [e for e in nx.gnm_random_graph(n, 3 * n, seed=seed).edges if not skeleton.has_edge(*e)]
        graphs = [nx.compose(skeleton, nx.Graph(extra[r // 4:])) for r in range(160)]
        graphs += [skeleton] * 240  # long enough that the sequence is never started again
        cases.append(replace(_laplacians(graphs, rng.standard_normal((n, 2))), steps=300))
    return cases


def _rotating_star(rng):
    """Control: links that fail and recover; the bound is that of one star standing still."""
    return [replace(_connected_sequences(rng)[1], steps=400)]


class _Lazy(Wrapped):
    """Control: a third of every step."""

    def mix(self, x, k=0):
        return x + (self.inner_problem.mix(x, k) - x) / 3


def _crowd(rng):
    """Forty agents with data in R^3."""
    space = Space(40, 3)
    space.n, space.d = space.point_shape
    return space


gossip.proves(
    Guarantee(disagreement, lambda k, rho, R: rho**k * R, cite(194, 1, "Metropolis weights", claim="contraction"),
              assumes=(GossipMatrix,), on=_components, symbolic=False,
              control=Control("rows not renormalised after a failure", problem=_Orphaned)),
    Guarantee(shift, lambda: 0.0, cite(194, 1, "Metropolis weights", claim="mean conserved"), relation="==",
              assumes=(GossipMatrix,), on=_components, symbolic=False,
              control=Control("rows not renormalised after a failure", problem=_Orphaned)),
    Guarantee(disagreement, lambda k, top, bottom, R: (1 - bottom / top) ** k * R, cite(17, 2), tightness="tight",
              assumes=(GossipMatrix,), on=_connected_sequences, symbolic=False,
              control=Control("a third of the step", problem=_Lazy)),
)
nesterov_gossip.proves(
    Guarantee(potential, lambda k, q, V: (1 - q) ** k * V, cite(17, 1, "Nesterov potential"), assumes=(GossipMatrix,),
              on=_fading, using=dict(V=start(potential)), symbolic=False,
              recipe=lambda top, bottom: dict(q=(bottom / top) ** 0.5),
              control=Control("links that recover: a rotating star", on=_rotating_star)),
)
after_failures.proves(
    Guarantee(fragment_error, lambda fragment, n, d: d * (1 / fragment - 1 / n), cite(194, 2), mode="expectation",
              relation="==", recipe=lambda: dict(fragment=4, survivors=30), on=_crowd, symbolic=False,
              control=Control("a fragment of another size", recipe=lambda: dict(fragment=8))),
    Guarantee(loss_gap, lambda fragment, survivors, d: d * (1 / fragment - 1 / survivors), cite(194, 3), relation="==",
              mode="expectation", recipe=lambda: dict(fragment=4, survivors=30), on=_crowd,
              symbolic=False, control=Control("no fragmentation", recipe=lambda: dict(fragment=30))),
)
