"""Graphs and gossip matrices: symmetric, doubly stochastic, with their exact spectra."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import networkx as nx
import numpy as np

from .base import as_matrix
from .errors import ProblemError

SPARSE_FROM = 100  # agents: below, a dense product is faster than a sparse one


def ring(n: int) -> nx.Graph:
    return nx.cycle_graph(_agents(n))


def path(n: int) -> nx.Graph:
    return nx.path_graph(_agents(n))


def complete(n: int) -> nx.Graph:
    return nx.complete_graph(_agents(n))


def star(n: int) -> nx.Graph:
    """One hub (node 0) and n - 1 leaves."""
    return nx.star_graph(_agents(n) - 1)


def erdos_renyi(n: int, p: float, seed: int = 0) -> nx.Graph:
    """G(n, p); it may be disconnected, which a gossip matrix then says."""
    if not 0 < p <= 1:
        raise ProblemError(f"p must be a probability in (0, 1], got {p}")
    return nx.gnp_random_graph(_agents(n), p, seed=seed)


def _agents(n: Any) -> int:
    if not isinstance(n, (int, np.integer)) or n < 2:
        raise ProblemError(f"n must be an integer of at least 2 agents, got {n!r}")
    return int(n)


def connected(graph: Any) -> nx.Graph:
    """The graph itself, or one sentence."""
    if not isinstance(graph, nx.Graph) or graph.is_directed():
        raise ProblemError(f"graph must be an undirected networkx graph, got {type(graph).__name__}")
    parts = nx.number_connected_components(graph) if len(graph) else 0
    if parts != 1:
        raise ProblemError(f"graph must be connected, got one of {len(graph)} nodes in {parts} components")
    return graph


def laplacian(graph: nx.Graph) -> np.ndarray:
    """Degrees minus adjacency."""
    return nx.laplacian_matrix(graph, nodelist=sorted(graph)).toarray().astype(float)


def metropolis(graph: nx.Graph) -> np.ndarray:
    """Metropolis weights 1/(1 + max degree of the two ends), the rest on the diagonal."""
    A = nx.to_numpy_array(connected(graph), nodelist=sorted(graph), weight=None)
    degree = A.sum(axis=1)
    W = A / (1 + np.maximum(degree[:, None], degree[None, :]))
    np.fill_diagonal(W, 0.0)
    return W + np.diag(1 - W.sum(axis=1))


def laplacian_gossip(graph: nx.Graph, L: float) -> np.ndarray:
    """I - Laplacian / L, with L at least the Laplacian's largest eigenvalue."""
    lap = laplacian(connected(graph))
    top = float(np.linalg.eigvalsh(lap)[-1])
    if top * (1 - 1e-12) > L:
        raise ProblemError(f"L must be at least the Laplacian's largest eigenvalue {top:.4g}, got {L}")
    return np.eye(len(lap)) - lap / L


class Gossip:
    """A gossip matrix, or a sequence of them used in turn (round k takes ``matrices[k mod period]``).

    ``rho`` is the largest ``max(|lambda_2|, |lambda_n|)`` over the rounds; ``lambda2`` and ``lambda_n`` the extreme
    second and last eigenvalues; ``chi`` = (1 - lambda_n) / (1 - lambda2), the condition number of I - W on the
    disagreement space (the Laplacian's, for Laplacian weights).
    """

    def __init__(self, W: Any):
        rounds = W if isinstance(W, Sequence) else [W]
        self.matrices = [_doubly_stochastic(m) for m in rounds]
        self.n = len(self.matrices[0])
        if any(len(m) != self.n for m in self.matrices):
            raise ProblemError(f"W must hold matrices of one size, got {sorted({len(m) for m in self.matrices})}")
        self.spectra = [np.linalg.eigvalsh(m) for m in self.matrices]
        self.lambda2 = float(max(s[-2] for s in self.spectra))
        self.lambda_n = float(min(s[0] for s in self.spectra))
        if self.lambda2 > 1 - 1e-10:
            raise ProblemError("W must belong to a connected graph, got eigenvalue 1 more than once (disconnected graph)")
        self.rho = max(abs(self.lambda2), abs(self.lambda_n))
        self.chi = (1 - self.lambda_n) / (1 - self.lambda2)

    @cached_property
    def messages(self) -> list[int]:
        """Messages a round: one along each direction of each edge."""
        return [int(np.count_nonzero(m - np.diag(m.diagonal()))) for m in self.matrices]

    @cached_property
    def operators(self) -> list[Any]:
        """The matrices as used: dense for few agents, sparse for many."""
        if self.n < SPARSE_FROM:
            return self.matrices
        from scipy.sparse import csr_array

        return [csr_array(m) for m in self.matrices]

    def __call__(self, x: Any, k: int = 0) -> Any:
        """One round over axis -2."""
        W = self.operators[int(k) % len(self.operators)]
        if isinstance(W, np.ndarray):
            from .quadratic import like

            return like(W, x) @ x
        front = np.moveaxis(x, -2, 0)
        return np.moveaxis((W @ front.reshape(self.n, -1)).reshape(front.shape), 0, -2)


def as_gossip(graph: Any) -> Gossip:
    """A Gossip from a graph (Metropolis weights), a matrix, or a sequence of either."""
    if isinstance(graph, Gossip):
        return graph
    if isinstance(graph, Sequence):
        return Gossip([metropolis(g) if isinstance(g, nx.Graph) else g for g in graph])
    return Gossip(metropolis(graph) if isinstance(graph, nx.Graph) else graph)


def _doubly_stochastic(W: Any) -> np.ndarray:
    W = as_matrix(W, "W")
    if W.shape[0] != W.shape[1] or np.abs(W - W.T).max() > 1e-12:
        raise ProblemError(f"W must be a symmetric matrix, got shape {W.shape}"
                           + (" with W != W'" if W.shape[0] == W.shape[1] else ""))
    if np.abs(W.sum(axis=1) - 1).max() > 1e-12:
        raise ProblemError(f"W must have rows that sum to 1, got sums up to {W.sum(axis=1).max():.6g}")
    if np.linalg.eigvalsh(W)[0] < -1 + 1e-10:
        raise ProblemError("W must have eigenvalues above -1, otherwise gossip does not converge")
    return W
