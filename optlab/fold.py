"""Folds: from the iterates of a method to the points a theorem speaks of. Index k means: after k steps.

A fold is a function ``(iterates, quantities) -> iterator``, written with arithmetic on points only, so it reads on
arrays and on symbolic Points alike. ``average`` and ``weighted`` at index k speak of the k points x_0 .. x_{k-1} at
which an oracle was called (at index 0: x_0).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from .measures import point


@dataclass(frozen=True)
class Fold:
    """A named fold; ``minimum`` marks ``best`` (the running minimum acts on the measured values, after the mean).

    ``ahead`` is how many iterates beyond index k the fold looks at.
    """

    name: str
    of: Callable[[Iterable[Any], Any], Iterator[Any]]
    minimum: bool = False
    ahead: int = 0

    def __call__(self, iterates: Iterable[Any], quantities: Any = None) -> Iterator[Any]:
        return self.of(iterates, quantities)

    def __str__(self) -> str:
        return self.name


class Pair(NamedTuple):
    """Two consecutive iterates, for one-step statements: ``y`` follows ``x``."""

    y: Any
    x: Any


def _last(iterates: Iterable[Any], quantities: Any) -> Iterator[Any]:
    yield from iterates


def _average(iterates: Iterable[Any], quantities: Any) -> Iterator[Any]:
    mean = None
    for k, it in enumerate(iterates):
        yield point(it) if mean is None else mean
        mean = point(it) if mean is None else mean + (1.0 / (k + 1)) * (point(it) - mean)


def _pairs(iterates: Iterable[Any], quantities: Any) -> Iterator[Any]:
    previous = None
    for it in iterates:
        yield Pair(it, it if previous is None else previous)
        previous = it


def _moves(iterates: Iterable[Any], quantities: Any) -> Iterator[Any]:
    for before, after in pairwise(iterates):
        yield Pair(after, before)


def weighted(weight: Callable[..., float], name: str = "weighted average") -> Fold:
    """sum_{s<k} w(s) x_s / sum_{s<k} w(s); ``weight(s, ...)`` may name constants and recipe parameters."""

    def fold(iterates: Iterable[Any], quantities: Any) -> Iterator[Any]:
        mean, total = None, 0.0
        for s, it in enumerate(iterates):
            yield point(it) if mean is None else mean
            w = float(quantities.call(weight, s=s) if quantities is not None else weight(s))
            total += w
            mean = point(it) if mean is None else mean + (w / total) * (point(it) - mean)

    return Fold(name, fold)


def field(name: str) -> Fold:
    """Another field of the yielded state, by name."""
    return Fold(name, lambda iterates, quantities: (getattr(it, name) for it in iterates))


last = Fold("last", _last)
average = Fold("average", _average)
pairs = Fold("pairs", _pairs)
best = Fold("best", _last, minimum=True)
best_move = Fold("best move", _moves, minimum=True, ahead=1)  # at index k the least over the moves x_s to x_{s+1}, s < k
