"""Step schedules: a step is a number, or a function of the steps taken so far.

Schedules are cached by their constants, so that two recipes which prescribe the same one share a run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import ceil, sqrt
from typing import Any


def at(step: Any, k: int) -> Any:
    """The step at count k."""
    return step(k) if callable(step) else step


@cache
def inverse_sqrt(h: float) -> Callable[[int], float]:
    """h / sqrt(k + 1)."""
    return lambda k: h / sqrt(k + 1)


@cache
def inverse_square(h: float) -> Callable[[int], float]:
    """h / (k + 1)^2: summable, so that no point is reached beyond a fixed distance."""
    return lambda k: h / (k + 1) ** 2


@cache
def open_loop(h: float = 1.0) -> Callable[[int], float]:
    """2 h / (k + 2)."""
    return lambda k: 2 * h / (k + 2)


@cache
def switching(L: float, mu: float) -> Callable[[int], float]:
    """1/(2L) up to k = 4 ceil(L/mu), then (2k + 1) / ((k + 1)^2 mu) (Gower et al. 2019)."""
    return lambda k: 1 / (2 * L) if k <= 4 * ceil(L / mu) else (2 * k + 1) / ((k + 1) ** 2 * mu)
