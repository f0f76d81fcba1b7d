"""Randomness as methods see it: a small protocol with two readers of one and the same body.

Protocol: ``index(n)``, ``coin(p)``, ``permutation(n)``, ``subset(n, b)``, ``uniform(shape)``, ``normal(shape)``, and
for agents ``each(agents)``. Every draw has the replicates' shape in front.

- ``Stream``: a counter-based stream keyed by the seed. A seed's draws do not depend on which batch it runs in.
- ``Branches``: every outcome at once. Each draw opens a new leading axis, so that after t draws an array
  broadcast against them has one entry per leaf; ``mean`` folds the leaves with their weights.
"""

from __future__ import annotations

from itertools import combinations, permutations
from typing import Any

import numpy as np

Array = Any
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_TURN = np.uint64(0xD1B54A32D192ED03)


def _mix(z: np.ndarray) -> np.ndarray:
    """splitmix64's finalizer (Steele, Lea, Flood 2014), vectorized."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _as_uniform(bits: np.ndarray) -> np.ndarray:
    return ((bits >> np.uint64(11)).astype(float) + 0.5) * 2.0**-53


def _as_index(u: np.ndarray, n: int, p: Array) -> np.ndarray:
    if p is None:
        return np.minimum((u * n).astype(np.int64), n - 1)
    return np.minimum(np.searchsorted(np.cumsum(p), u * np.sum(p), side="right"), n - 1)


class Stream:
    """Counter-based random numbers for a batch of seeds: draw t of seed s is a hash of (s, t), whatever the batch."""

    def __init__(self, seeds: Any = 0):
        with np.errstate(over="ignore"):
            self._key = _mix(np.asarray(seeds, dtype=np.uint64) * _GOLDEN + np.uint64(1))
        self._draws = 0
        self._agents: dict[int, Stream] = {}

    @property
    def shape(self) -> tuple[int, ...]:
        return self._key.shape

    def each(self, agents: int) -> Stream:
        """Independent streams keyed by (seed, agent): draws gain an axis ``(agents,)``; asked again, they go on."""
        if agents not in self._agents:
            child = Stream()
            with np.errstate(over="ignore"):
                child._key = _mix(self._key[..., None] + _mix(np.arange(1, agents + 1, dtype=np.uint64) * _GOLDEN))
            self._agents[agents] = child
        return self._agents[agents]

    def _bits(self, shape: tuple[int, ...]) -> np.ndarray:
        size = int(np.prod(shape))
        with np.errstate(over="ignore"):
            self._draws += 1
            turn = _mix(self._key + np.uint64(self._draws) * _TURN)
            place = np.arange(1, size + 1, dtype=np.uint64) * _GOLDEN
            bits = _mix(turn[..., None] + place)
        return bits.reshape(self._key.shape + shape)

    def uniform(self, shape: tuple[int, ...] = ()) -> np.ndarray:
        """Uniform on (0, 1), never 0 or 1."""
        return _as_uniform(self._bits(shape))

    def normal(self, shape: tuple[int, ...] = ()) -> np.ndarray:
        """Standard normal, by inversion."""
        from scipy.special import ndtri  # half of what `from optlab import run` would cost

        return ndtri(self.uniform(shape))

    def index(self, n: int, p: Array = None) -> np.ndarray:
        """Integer in 0..n-1, uniform or with probabilities ``p`` (n,)."""
        return _as_index(self.uniform(), n, p)

    def indices(self, n: int, count: int, p: Array = None) -> np.ndarray:
        """What ``count`` calls of ``index(n, p)`` return, on a new last axis, drawn at once."""
        with np.errstate(over="ignore"):
            draws = np.arange(self._draws + 1, self._draws + count + 1, dtype=np.uint64)
            bits = _mix(_mix(self._key[..., None] + draws * _TURN) + _GOLDEN)
        self._draws += count
        return _as_index(_as_uniform(bits), n, p)

    def coin(self, p: float) -> np.ndarray:
        """True with probability p."""
        return self.uniform() < p

    def permutation(self, n: int) -> np.ndarray:
        return np.argsort(self.uniform((n,)), axis=-1)

    def subset(self, n: int, b: int) -> np.ndarray:
        """b distinct integers of 0..n-1, uniform without replacement, in ascending order."""
        return np.sort(self.permutation(n)[..., :b], axis=-1)


class NotEnumerable(TypeError):
    """The draw has infinitely (or too) many outcomes to enumerate."""


class Branches:
    """Every outcome of every draw, with its probability. ``limit`` bounds the number of leaves."""

    def __init__(self, ndim: int = 0, limit: int = 200_000):
        self.ndim = ndim  # replicate axes that are already there
        self.limit = limit
        self.weights: list[np.ndarray] = []

    def _open(self, outcomes: np.ndarray, weights: np.ndarray) -> np.ndarray:
        leaves = len(weights) * int(np.prod([len(w) for w in self.weights], initial=1))
        if leaves > self.limit:
            raise NotEnumerable(f"enumeration needs {leaves} leaves, more than {self.limit}")
        trailing = (1,) * (len(self.weights) + self.ndim)
        self.weights.append(np.asarray(weights, dtype=float))
        return outcomes.reshape(outcomes.shape[:1] + trailing + outcomes.shape[1:])

    def index(self, n: int, p: Array = None) -> np.ndarray:
        return self._open(np.arange(n), np.full(n, 1 / n) if p is None else np.asarray(p) / np.sum(p))

    def coin(self, p: float) -> np.ndarray:
        return self._open(np.array([True, False]), np.array([p, 1 - p]))

    def permutation(self, n: int) -> np.ndarray:
        if n > 8:
            raise NotEnumerable(f"{n}! orders are too many to enumerate")
        return self._outcomes(np.array(list(permutations(range(n)))))

    def subset(self, n: int, b: int) -> np.ndarray:
        from math import comb

        if comb(n, b) > self.limit:
            raise NotEnumerable(f"C({n}, {b}) subsets are too many to enumerate")
        return self._outcomes(np.array(list(combinations(range(n), b))))

    def _outcomes(self, rows: np.ndarray) -> np.ndarray:
        return self._open(rows, np.full(len(rows), 1 / len(rows)))

    def uniform(self, shape: tuple[int, ...] = ()) -> np.ndarray:
        raise NotEnumerable("a continuous draw cannot be enumerated")

    normal = uniform

    def each(self, agents: int) -> Branches:
        raise NotEnumerable("draws of every agent are too many to enumerate")

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Expectation of a quantity of shape (leaves.., replicates..): the branch axes are averaged away."""
        values = np.asarray(values, dtype=float)
        axes = len(self.weights)
        values = np.broadcast_to(values, (1,) * (axes + self.ndim - values.ndim) + values.shape)
        for w in reversed(self.weights):  # the first axis is the last draw
            if values.shape[0] == 1:
                values = values[0]
            else:
                values = np.tensordot(w, values, axes=(0, 0))
        return values
