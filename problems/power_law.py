"""Quadratics with power-law spectra, on which losses follow scaling laws."""

from __future__ import annotations

import numpy as np

from .assumptions import Assumption, LowerBounded, QuadraticForm, Smooth, StronglyConvex
from .base import Array, Problem, as_positive
from .errors import ProblemError


class PowerLaw(Problem):
    """f(x) = sum_j lam_j (x_j - x*_j)^2/2 with lam_j = j^-a and lam_j x*_j^2 = j^-b, j = 1..d; b > 1."""

    def __init__(self, a: float, b: float, d: int = 20_000):
        self.a, self.b = as_positive(a, "a"), as_positive(b, "b")
        if self.b <= 1:
            raise ProblemError(f"b must be above 1, otherwise the loss has no limit in d, got {b}")
        self.j = np.arange(1.0, d + 1)
        self.eigenvalues = self.j**-self.a
        self.point_shape, self.name = (d,), f"power law a = {a:g}, b = {b:g}, d = {d}"
        self.x_star, self.f_star = self.j ** ((self.a - self.b) / 2), 0.0
        promises: tuple[Assumption, ...] = (Smooth(1.0), StronglyConvex(float(d) ** -self.a), QuadraticForm(), LowerBounded())
        self.declare(*promises)

    def value(self, x: Array) -> Array:
        return self.inner(x - self.x_star, self.eigenvalues * (x - self.x_star)) / 2

    def grad(self, x: Array) -> Array:
        return self.eigenvalues * (x - self.x_star)

    def first(self, x: Array, size: int) -> Array:
        """x with all but its first ``size`` coordinates set to zero."""
        return x * (self.j <= size)

    def floor(self, size: int) -> float:
        """The least loss with ``size`` coordinates: sum_{j > size} j^-b / 2."""
        return float(np.sum(np.sort(self.j[int(size):] ** -self.b)) / 2)
