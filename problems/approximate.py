"""Proximal steps with an error as large as a relative criterion allows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from array_api_compat import array_namespace

from .assumptions import ApproximateProx
from .base import Array, Problem, Wrapped, as_positive

TINY = float(np.finfo(float).tiny)
HALVINGS = 30


class Displaced(Wrapped):
    """The same problem, whose ``inexact_prox`` is the prox of a displaced point.

    The displacement points away from x_star (towards it where ``inward``), and is as long as the criterion allows, up to
    rounding; ``excess`` > 1 makes it so many times longer: a broken promise. ``of`` names the prox that it replaces.
    """

    def __init__(self, inner: Problem, of: str = "prox", *, inward: bool = False, excess: float = 1.0):
        super().__init__(inner)
        self.of, self.sign, self.excess = of, -1.0 if inward else 1.0, as_positive(excess, "excess")
        self.declare(ApproximateProx())
        what = "" if excess == 1 else f", {excess:g} times too long"
        self.name = f"{inner}, displaced {'in' if inward else 'out'}wards{what}"

    def inexact_prox(self, v: Array, step: float, allowed: Callable[[Array, Array], Array]) -> tuple[Array, Array]:
        """x = prox of v + e and the subgradient s = (v + e - x) / step there, with ||e||^2 = ``allowed(x, s)``."""
        xp = array_namespace(v)
        away = v - self.x_star
        direction = self.sign / self.column(self.norm(away) + TINY) * away

        def at(length: Array) -> tuple[Array, Array]:
            moved = v + self.column(length) * direction
            x = getattr(self.inner_problem, self.of)(moved, step)
            return x, (moved - x) / step

        def fits(length: Array) -> Array:
            return length**2 <= self.excess**2 * allowed(*at(length))

        low = 0 * self.norm(v)
        high = xp.sqrt(allowed(*at(low))) + TINY
        for _ in range(HALVINGS):  # the first length that is too long, within 2^30
            good = fits(high)
            if not bool(xp.any(good)):
                break
            low, high = xp.where(good, high, low), xp.where(good, 2 * high, high)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            good = fits(middle)
            low, high = xp.where(good, middle, low), xp.where(good, high, middle)
        return at(low)
