"""Step schedules: a step is a number, or a function of the steps taken so far.

Schedules are cached by their constants, so that two recipes which prescribe the same one share a run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import ceil, sqrt
from typing import Any

import numpy as np

SILVER = 1 + sqrt(2)  # the silver ratio


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
def growing() -> Callable[[int], float]:
    """(k + 1) / (k + 2)."""
    return lambda k: (k + 1) / (k + 2)


@cache
def switching(L: float, mu: float) -> Callable[[int], float]:
    """1/(2L) up to k = 4 ceil(L/mu), then (2k + 1) / ((k + 1)^2 mu) (Gower et al. 2019)."""
    return lambda k: 1 / (2 * L) if k <= 4 * ceil(L / mu) else (2 * k + 1) / ((k + 1) ** 2 * mu)


@cache
def silver(L: float) -> Callable[[int], float]:
    """(1 + rho^(v - 1))/L, rho the silver ratio, 2^v the largest power of two in k + 1 (Altschuler, Parrilo 2023b).

    After 2^j - 1 steps gradient descent is ahead of any constant step; after other numbers it may be far behind.
    """
    return lambda k: (1 + SILVER ** (((k + 1) & -(k + 1)).bit_length() - 2)) / L


def _silver_block(L: float, mu: float, doublings: int) -> tuple[list[float], float]:
    """The schedule of 2^doublings steps (times L), and the factor by which it contracts the squared distance."""
    def psi(t: float) -> float:
        return (1 + L / mu * t) / (1 + t)

    z = mu / L
    steps = [psi(z)]
    for _ in range(doublings):
        growth = 1 - z + sqrt(1 + (1 - z) ** 2)
        y, z = z / growth, z * growth
        steps = [*steps[:-1], psi(y), *steps[:-1], psi(z)]
    return steps, ((1 - z) / (1 + z)) ** 2


@cache
def _silver_blocks(L: float, mu: float, n: int) -> tuple[tuple[float, ...], float]:
    blocks = [_silver_block(L, mu, i) for i in range(n.bit_length()) if n >> i & 1]
    return tuple(h / L for steps, _ in blocks for h in steps), float(np.prod([rate for _, rate in blocks]))


@cache
def silver_strongly_convex(L: float, mu: float, n: int) -> Callable[[int], float]:
    """The silver steps for n steps on L-smooth, mu-strongly convex functions: one block for every power of two in n, short
    blocks first, and then the same again (Altschuler, Parrilo 2023a, Sec 3).
    """
    steps, _ = _silver_blocks(L, mu, n)
    return lambda k: steps[k % n]


def silver_rate(L: float, mu: float, n: int) -> float:
    """The factor by which these n steps contract the squared distance: the product of ((1 - z)/(1 + z))^2 over blocks."""
    return _silver_blocks(L, mu, n)[1]


@cache
def steadily(L: float) -> Callable[[int], float]:
    """1/(L u_{k+1}), u_0 = 1, u+ = u/2 + sqrt((u/2)^2 + 2), about 1/(2 L sqrt k) (Goujaud, Taylor, Dieuleveut 2022, A.3)."""
    return lambda k: 1 / (L * float(steadiness(k + 1)))


def tabulated(name: str, first: float, following: Callable[[float], float]) -> Callable[[Any], Any]:
    """The sequence s_0 = first, s_{k+1} = following(s_k) as a function of k: a number, an array, or a symbol."""
    known = [first]

    def sequence(k: Any) -> Any:
        if type(k).__module__.startswith("sympy"):
            import sympy

            return sympy.Function(name)(k)
        index = np.asarray(k).astype(int)
        while len(known) <= index.max():
            known.append(following(known[-1]))
        return np.asarray(known)[index]

    return sequence


steadiness = tabulated("u", 1.0, lambda u: u / 2 + sqrt((u / 2) ** 2 + 2))
