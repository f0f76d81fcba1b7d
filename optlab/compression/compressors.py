"""Compressors: what a message keeps, with the exact contraction ``alpha`` or relative variance ``omega`` it promises.

Contractive: ||C(v) - v||^2 <= (1 - alpha) ||v||^2. Unbiased: E C(v) = v and E||C(v) - v||^2 <= omega ||v||^2.
They are ingredients, objects to hand to a method; ``rules`` holds them as one-stroke rules, judged by what they promise.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil, log2, sqrt
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace
from scipy.fft import dct

from optlab.problems.errors import ProblemError

BITS = 64


class Sent(NamedTuple):
    """What arrives and what was meant."""

    q: Any
    v: Any


class Law(NamedTuple):
    """Every entry is ``outcome`` with probability ``chance``, otherwise zero; ``v`` was meant."""

    outcome: Any
    chance: Any
    v: Any


def _largest(v: Any, k: int) -> Any:
    """Mask of the k entries of largest magnitude on the last axis (the first of equal ones)."""
    xp = array_namespace(v)
    order = xp.argsort(-xp.abs(v), axis=-1, stable=True)
    return xp.argsort(order, axis=-1, stable=True) < k


def _index_bits(d: int) -> int:
    return max(1, ceil(log2(d))) if d > 1 else 1


@dataclass(frozen=True)
class Identity:
    """No compression."""

    def __call__(self, v: Any) -> Any:
        return v

    def alpha(self, d: int) -> float:
        return 1.0

    def bits(self, d: int) -> int:
        return d * BITS


@dataclass(frozen=True)
class TopK:
    """The k entries of largest magnitude; alpha = k/d."""

    k: int

    def __post_init__(self) -> None:
        _count(self.k, "k")

    def __call__(self, v: Any) -> Any:
        return v * _largest(v, self.k)

    def alpha(self, d: int) -> float:
        return min(1.0, self.k / d)

    def bits(self, d: int) -> int:
        return self.k * (BITS + _index_bits(d))


@dataclass(frozen=True)
class ChunkedDCT:
    """Top-k of the orthonormal cosine transform of every chunk of length ``chunk``; alpha = k/chunk."""

    k: int
    chunk: int

    def __post_init__(self) -> None:
        _count(self.k, "k")
        _count(self.chunk, "chunk")
        if self.k > self.chunk:
            raise ProblemError(f"k must be at most the chunk's length {self.chunk}, got {self.k}")

    def __call__(self, v: Any) -> Any:
        d = v.shape[-1]
        if d % self.chunk:
            raise ProblemError(f"chunk must divide the dimension {d}, got {self.chunk}")
        basis = _cosines(self.chunk)
        parts = v.reshape(*v.shape[:-1], d // self.chunk, self.chunk) @ basis
        return (parts * _largest(parts, self.k) @ basis.T).reshape(v.shape)

    def alpha(self, d: int) -> float:
        return self.k / self.chunk

    def bits(self, d: int) -> int:
        return d // self.chunk * self.k * (BITS + _index_bits(self.chunk))


@cache
def _cosines(n: int) -> np.ndarray:
    return dct(np.eye(n), norm="ortho", axis=-1)


@dataclass(frozen=True)
class ScaledSign:
    """(||v||_1 / d) sign(v); alpha = 1/d (at worst)."""

    def __call__(self, v: Any) -> Any:
        xp = array_namespace(v)
        return xp.mean(xp.abs(v), axis=-1, keepdims=True) * xp.sign(v)

    def alpha(self, d: int) -> float:
        return 1 / d

    def bits(self, d: int) -> int:
        return d + BITS


@dataclass(frozen=True)
class RandK:
    """k entries drawn without replacement, times d/k; unbiased, omega = d/k - 1."""

    k: int

    def __post_init__(self) -> None:
        _count(self.k, "k")

    def __call__(self, v: Any, rng: Any) -> Any:
        d = v.shape[-1]
        drawn = rng.subset(d, self.k)
        kept = (drawn[..., None] == np.arange(d)).any(axis=-2)
        return (d / self.k) * v * kept

    def omega(self, d: int) -> float:
        return d / self.k - 1

    def bits(self, d: int) -> int:
        return self.k * (BITS + _index_bits(d))


@dataclass(frozen=True)
class Ternary:
    """s sign(v) times a coin of probability |v|/s, s = max |v|; unbiased, omega = (sqrt(d) - 1)/2."""

    def law(self, v: Any) -> Law:
        """The outcome of every entry that is not zero, its chance, and the vector."""
        xp = array_namespace(v)
        s = xp.max(xp.abs(v), axis=-1, keepdims=True)
        return Law(s * xp.sign(v), xp.abs(v) / xp.where(s > 0, s, 1.0), v)

    def __call__(self, v: Any, rng: Any) -> Any:
        law = self.law(v)
        return law.outcome * (rng.uniform(v.shape[-1:]) < law.chance)

    def omega(self, d: int) -> float:
        return (sqrt(d) - 1) / 2

    def bits(self, d: int) -> int:
        return 32 + ceil(d * log2(3))


@dataclass(frozen=True)
class Natural:
    """Every entry rounded at random to one of the two powers of two around it; unbiased, omega = 1/8."""

    def __call__(self, v: Any, rng: Any) -> Any:
        xp = array_namespace(v)
        size = xp.abs(v)
        low = xp.exp2(xp.floor(xp.log2(xp.where(size > 0, size, 1.0))))
        up = rng.uniform(v.shape[-1:]) * low < size - low
        return xp.sign(v) * low * (1 + up)

    def omega(self, d: int) -> float:
        return 1 / 8

    def bits(self, d: int) -> int:
        return 12 * d


def _count(k: Any, name: str) -> None:
    if not isinstance(k, (int, np.integer)) or k < 1:
        raise ProblemError(f"{name} must be a positive integer, got {k!r}")
