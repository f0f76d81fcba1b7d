"""What gradient descent is conjectured to do on g(Mx), and the instances that meet it."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq

from optlab.problems.assumptions import LinearComposition, SymmetricComposition
from optlab.problems.growth import Composed
from optlab.problems.pool import pool

from ..guarantee import Case


def worst_singular_value(k, kappa, pace):
    """The square of the singular value (over the largest) along which k steps of length pace/L do worst, kappa = mu_g/L_g.

    h/pace, h the root of (1 - kappa)(1 - kappa h)^n = 1 - n kappa h, n = 2k + 1.
    """
    def root(n):
        return brentq(lambda x: (1 - kappa) * (1 - x) ** n - 1 + n * x, 0.0, 1 / n, xtol=1e-15)

    return np.vectorize(root)(2.0 * k + 1) / kappa / pace


def symmetric_rate(k, mu_g, L_g, L_M, mu_M, step, R):
    """L/2 max{kappa m/(kappa - 1 + (1 - kappa m L step)^(-2k)), (1 - L step)^(2k)} R^2, L = L_g L_M^2, kappa = mu_g/L_g.

    m is the worst singular value's square, not below (mu_M/L_M)^2 and not above 1 (Bousselmi, Hendrickx, Glineur 2023, Conj 4.2).
    """
    kappa, pace = mu_g / L_g, L_g * L_M**2 * step
    m = np.clip(worst_singular_value(k, kappa, pace), (mu_M / L_M) ** 2, 1.0)
    slow = kappa * m / (kappa - 1 + (1 - kappa * m * pace) ** (-2 * k))
    return L_g * L_M**2 / 2 * np.maximum(slow, (1 - pace) ** (2 * k)) * R**2


def composition_rate(k, mu_g, L_g, L_M, step, R):
    """The same for any M: as if mu_M = 0."""
    return symmetric_rate(k, mu_g, L_g, L_M, 0.0, step, R)


def slowest_composition(steps, mu_g, L_g, L_M, least, pace):
    """M = diag(L_M, m), m the worst singular value (but not below ``least``), and a g whose steep part is not reached before
    the end: with a the factor by which its flat part shrinks m x_2, y_k = a y_0 - fall width; the width is the worst one.
    """
    m = np.sqrt(np.clip(worst_singular_value(steps, mu_g / L_g, pace), (least / L_M) ** 2, 1.0)) * L_M
    a = (1 - pace * mu_g / L_g * (m / L_M) ** 2) ** steps
    fall = (1 - a) * (L_g - mu_g) / mu_g
    p = Composed(np.diag([L_M, m]), mu_g, L_g, width=a**2 * m / (1 + fall * (1 + a)), name=f"slowest g(Mx) for {steps} steps")
    return Case(p, np.array([0.0, 1.0]), steps=steps)


def compositions(rng):
    return [slowest_composition(n, 0.1, 1.0, 2.0, 0.0, 1.0) for n in (5, 100)] + [Case(p) for p in pool(LinearComposition)]


def symmetric_compositions(rng):
    return [slowest_composition(n, 0.1, 1.0, 2.0, 1.8, 1.0) for n in (5, 100)] + [Case(p) for p in pool(SymmetricComposition)]


def wide_compositions(rng):
    """Where the steep part of g reaches so far that steps beyond 2/L leave for good: for controls."""
    return [Composed(np.diag([1.0, 0.9]), 0.1, 1.0, np.ones(2), width=1e6)]
