"""Vectors and messages of honest and Byzantine workers, and the attacks that craft the latter."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from .agents import Space
from .base import Array
from .errors import ProblemError


class ByzantineVectors(Space):
    """n vectors of R^d on axis -2, the last f of them Byzantine (no rule is told which)."""

    def __init__(self, n: int, f: int, d: int):
        if not 0 <= f < n / 2:
            raise ProblemError(f"f must be at least 0 and below half of the {n} workers, got {f}")
        super().__init__(n, d, name=f"{n} workers, {f} Byzantine, in R^{d}")
        self.n, self.f, self.d, self.delta = n, f, d, f / n
        self.subsets = np.array(list(combinations(range(n), n - f)))

    def honest_mean(self, x: Array) -> Array:
        return x[..., :self.n - self.f, :].mean(axis=-2, keepdims=True)

    def farthest_honest(self, x: Array, v: Array) -> Array:
        """max over honest workers of ||x_i - v||."""
        return np.linalg.norm(x[..., :self.n - self.f, :] - v, axis=-1).max(axis=-1)

    def worst_ratio(self, value: Array, x: Array, *, operator: bool) -> Array:
        """The largest ||value - mean_S||^2 over the spread of S, over all S of n - f workers.

        The spread is the top eigenvalue of the covariance of S (``operator``) or its trace.
        """
        chosen = x[..., self.subsets, :]
        mean = chosen.mean(axis=-2, keepdims=True)
        away = chosen - mean
        if operator:
            spread = np.linalg.eigvalsh(away @ np.swapaxes(away, -1, -2))[..., -1] / chosen.shape[-2]
        else:
            spread = (away**2).sum(axis=(-2, -1)) / chosen.shape[-2]
        return (((value[..., None, :, :] - mean) ** 2).sum(axis=(-2, -1)) / spread).max(axis=-1)

    @property
    def start_quantities(self) -> dict[str, Any]:
        """For centered clipping from the origin: radii that clip no honest vector, at the first and at every pass."""

        def reach(problem: Any, x: Array) -> Array:
            return problem.farthest_honest(x, 0.0)

        def reach_always(problem: Any, x: Array) -> Array:
            center = problem.honest_mean(x)
            spread = problem.farthest_honest(x, center)
            return np.maximum(spread + np.linalg.norm(center, axis=-1)[..., 0],
                              spread * (1 - problem.delta) / (1 - 2 * problem.delta))

        return dict(reach=reach, reach_always=reach_always,
                    e0=lambda problem, x: np.linalg.norm(problem.honest_mean(x), axis=-1)[..., 0])


class Received(Space):
    """What every honest node holds: (nodes, m, d), its own vector first; of the m messages f are Byzantine."""

    def __init__(self, nodes: int, m: int, f: int, d: int):
        super().__init__(nodes, m, d, name=f"{nodes} nodes with {m} messages, {f} of them Byzantine")
        self.n, self.f, self.m = nodes + f, f, m

    def own(self, x: Array) -> Array:
        return x[..., :1, :]


def attacks(honest: Array, f: int, rng: Any) -> dict[str, Array]:
    """Byzantine vectors (f, d) against honest ones (h, d): what each attack sends."""
    mean, std = honest.mean(axis=0), honest.std(axis=0)
    direction = rng.standard_normal(honest.shape[1])
    ball = np.linalg.norm(honest - mean, axis=1).max()
    sent = dict(
        a_little_is_enough=mean - 1.5 * std,
        inner_product=-0.5 * mean,
        bit_flip=-mean,
        mimic=honest[0],
        far=mean + 1e4 * direction,
        on_the_ball=mean + 0.999 * ball * direction / np.linalg.norm(direction),
    )
    return {name: np.tile(v, (f, 1)) for name, v in sent.items()} | dict(
        noise=mean + 3 * ball * rng.standard_normal((f, honest.shape[1])))


def attacked(problem: ByzantineVectors, rng: Any, draws: int = 20) -> Array:
    """A batch (cases, n, d): every attack on ``draws`` sets of honest vectors of growing offset."""
    batch = []
    for i in range(draws):
        honest = rng.standard_normal((problem.n - problem.f, problem.d)) * rng.uniform(0.2, 2, problem.d) + i % 4
        batch += [np.concatenate([honest, sent]) for sent in attacks(honest, problem.f, rng).values()]
    return np.array(batch)


def messages(problem: Received, rng: Any, draws: int = 10) -> Array:
    """A batch (cases, nodes, m, d): the same attacks, and Byzantine nodes that tell every receiver something else.

    Where a node receives fewer than all, the honest messages that reach it are drawn at random.
    """
    nodes, m, d = problem.point_shape
    batch = []
    for _ in range(draws):
        honest = rng.standard_normal((nodes, d))
        told = [np.tile(sent, (nodes, 1, 1)) for sent in attacks(honest, problem.f, rng).values()]
        radius = np.sort(np.linalg.norm(honest[:, None] - honest[None], axis=2), axis=1)[:, m - problem.f - 1]
        push = rng.standard_normal((nodes, problem.f, d))
        told.append(honest[:, None] + 0.999 * radius[:, None, None] * push / np.linalg.norm(push, axis=2, keepdims=True))
        toward = np.ones(d) / np.sqrt(d)
        told.append(np.repeat((honest + 0.999 * radius[:, None] * toward)[:, None], problem.f, axis=1))
        for byzantine in told:
            rows = []
            for i in range(nodes):
                others = rng.permutation(np.delete(np.arange(nodes), i))[:m - problem.f - 1]
                rows.append(np.concatenate([honest[i:i + 1], honest[others], byzantine[i]]))
            batch.append(rows)
    return np.array(batch)
