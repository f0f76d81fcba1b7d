"""Exact contraction factors of Douglas-Rachford on a sum F + G of operators (Ryu, Taylor, Bergeling, Giselsson 2020).

Squared, with step 1; F is met first. A step scales the operators: mu and L by it, beta by its inverse.
"""

from __future__ import annotations

from math import sqrt

import numpy as np


def strong_and_cocoercive(mu: float, beta: float, relaxation: float) -> float:
    """F mu-strongly monotone, G beta-cocoercive (Thm 4.1)."""
    t, m, b = relaxation, mu, beta
    if m * b - m + b < 0 and t <= 2 * (b + 1) * (m - b - m * b) / (m + m * b - b - b**2 - 2 * m * b**2):
        return (1 - t * b / (b + 1)) ** 2
    if m * b - m - b > 0 and t <= 2 * (m**2 + b**2 + m * b + m + b - m**2 * b**2) / (
            m**2 + b**2 + m**2 * b + m * b**2 + m + b - 2 * m**2 * b**2):
        return (1 - t * (1 + m * b) / ((m + 1) * (b + 1))) ** 2
    if t >= 2 * (m * b + m + b) / (2 * m * b + m + b):
        return (1 - t) ** 2
    if m * b + m - b < 0 and t <= 2 * (m + 1) * (b - m - m * b) / (b + m * b - m - m**2 - 2 * m**2 * b):
        return (1 - t * m / (m + 1)) ** 2
    return (2 - t) / 4 * ((2 - t) * m * (b + 1) + t * b * (1 - m)) * ((2 - t) * b * (m + 1) + t * m * (1 - b)) / (
        m * b * (2 * m * b * (1 - t) + (2 - t) * (m + b + 1)))


def strong_and_lipschitz(mu: float, L: float, relaxation: float) -> float:
    """F mu-strongly monotone, G monotone and L-Lipschitz (Thm 4.3)."""
    t, m, n = relaxation, mu, L**2 + 1
    left, right = 2 * (t - 1) * m + t - 2, t - 2 * (m + 1)
    c = sqrt((left**2 + L**2 * right**2) / n)
    if t * (t + c) / ((m + 1) ** 2 * c) * (c + m * (left - L**2 * right) / n) >= 0:
        return ((t + c) / (2 * (m + 1))) ** 2
    if L < 1 and m >= n / (L - 1) ** 2 and t <= -2 * (m + 1) * (L + 1) * (m + (m - 1) * L**2 - 2 * m * L - 1) / (
            m + L * (L**2 + L + 1) + 2 * m**2 * (L - 1) + m * L * (1 - (L - 3) * L) + 1):
        return (1 - t * (L + m) / ((L + 1) * (m + 1))) ** 2
    return (2 - t) / (4 * m * n) * (t * (1 - 2 * m + L**2) - 2 * m * (L**2 - 1)) * (
        t * (1 + 2 * m + L**2) - 2 * (m + 1) * n) / (t * (1 + 2 * m - L**2) - 2 * (m + 1) * (1 - L**2))


_TURNS = np.concatenate([-np.geomspace(1e-3, 1e3, 400)[::-1], [0.0], np.geomspace(1e-3, 1e3, 400)])


def slowest(mu: float, second: np.ndarray, relaxation: float) -> tuple[complex, complex]:
    """The complex numbers F with real part mu and G of ``second``, multiplication by which contracts least (step 1)."""
    F, G = mu + 1j * _TURNS[:, None], second[None]
    moved = np.abs(1 + relaxation * ((2 / (1 + F) - 1) / (1 + G) - 1 / (1 + F)))
    i, j = np.unravel_index(np.argmax(moved), moved.shape)
    return complex(F[i, 0]), complex(G[0, j])


def slowest_lipschitz(mu: float, L: float, relaxation: float) -> tuple[complex, complex]:
    return slowest(mu, L * np.exp(1j * np.linspace(-np.pi / 2, np.pi / 2, 801)), relaxation)


def slowest_cocoercive(mu: float, beta: float, relaxation: float) -> tuple[complex, complex]:
    return slowest(mu, 1 / (beta + 1j * _TURNS), relaxation)
