"""Weakly convex problems whose proximal points are exact: robust phase retrieval of one number; smooth sums on a set."""

from __future__ import annotations

from typing import Any

import numpy as np

from .assumptions import LipschitzTerms, LowerBounded, Smooth, SmoothPart, WeaklyConvex
from .base import Array, Problem, Wrapped, as_positive, as_vector
from .errors import ProblemError
from .sets import OnSet, Set


class PhaseOnInterval(Problem):
    """f(x) = mean_i |a_i^2 x^2 - b_i| on [-radius, radius], one number x, b >= 0: weakly convex, not smooth.

    rho = 2 mean a_i^2 (of f), ``rho_terms`` = 2 max a_i^2 (of every term), ``Lip``^2 = mean (2 a_i^2 radius)^2.
    All proximal points are exact: between kinks f is quadratic. The Moreau envelope phi_{1/rb}, rb > rho (default twice
    rho_terms), is met through ``envelope`` and ``envelope_grad``; ``E0`` = phi_{1/rb}(x0) - min phi.
    """

    point_shape = (1,)

    def __init__(self, a: Array, b: Array, radius: float, rb: float | None = None, *, name: str = ""):
        self.a = as_vector(a, "a")
        self.n, self.name = self.a.shape[0], name or "robust phase retrieval on an interval"
        self.b, self.radius = as_vector(b, "b", self.n), as_positive(radius, "radius")
        if not (self.a != 0).all() or not (self.b >= 0).all():
            raise ProblemError("a must hold nonzero numbers, and b numbers that are not negative")
        self.curve = 2 * self.a**2
        self.rho_terms, self.Lip = float(self.curve.max()), float(np.sqrt(np.mean((self.curve * self.radius) ** 2)))
        self.declare(WeaklyConvex(float(self.curve.mean())), LowerBounded(), LipschitzTerms(self.rho_terms * self.radius))
        self.rb = as_positive(2 * self.rho_terms if rb is None else rb, "rb")
        if self.rb <= self.rho:
            raise ProblemError(f"rb must exceed rho = {self.rho:.4g}, or the Moreau envelope is not well defined, got {rb}")
        kinks = np.sqrt(self.b / self.a**2)
        kinks = kinks[kinks < self.radius]
        self.kinks = np.unique(np.concatenate([-kinks, kinks, [-self.radius, self.radius]]))
        middle = (self.kinks[1:] + self.kinks[:-1]) / 2
        self.bends = np.mean(np.sign(self.curve / 2 * middle[:, None] ** 2 - self.b) * self.curve, axis=-1)
        candidates = np.append(self.kinks[self.kinks >= 0], 0.0)[:, None]
        self.x_star = candidates[np.argmin(self.value(candidates))]
        self.f_star = float(self.value(self.x_star))
        self.start_quantities = {"E0": lambda problem, x: self.envelope(x) - self.f_star}

    def value(self, x: Array) -> Array:
        return np.mean(abs(self.curve / 2 * x**2 - self.b), axis=-1)

    def grad(self, x: Array) -> Array:
        """The subgradient with sign(0) = 0."""
        return np.mean(np.sign(self.curve / 2 * x**2 - self.b) * self.curve * x, axis=-1, keepdims=True)

    def component_grad(self, x: Array, i: Array) -> Array:
        c, b = self.column(self.curve[i]), self.column(self.b[i])
        return np.sign(c / 2 * x**2 - b) * c * x

    def project(self, x: Array) -> Array:
        return np.clip(x, -self.radius, self.radius)

    def prox(self, v: Array, step: float) -> Array:
        """argmin_y f(y) + (y - v)^2 / (2 step) on the interval; one of them, where step >= 1/rho."""
        curves = 1 + step * self.bends
        inside = np.clip(v / np.where(curves > 0, curves, np.inf), self.kinks[:-1], self.kinks[1:])
        convex = bool((curves > 0).all())
        y = inside if convex else np.concatenate(np.broadcast_arrays(inside, self.kinks[:-1], self.kinks[1:]), axis=-1)
        return _lowest(y, lambda y: self.value(y[..., None]) + (y - v) ** 2 / (2 * step))

    def envelope(self, x: Array) -> Array:
        y = self.prox(x, 1 / self.rb)
        return self.value(y) + self.rb / 2 * self.sq(x - y)

    def envelope_grad(self, x: Array) -> Array:
        return self.rb * (x - self.prox(x, 1 / self.rb))

    def component_prox(self, v: Array, i: Array, step: float) -> Array:
        """The same of one term, step < 1/rho_terms."""
        if step * self.rho_terms >= 1:
            raise ProblemError(f"step must be below 1/rho_terms = {1 / self.rho_terms:.4g}, got {step}")
        c, b, r = self.column(self.curve[i]), self.column(self.b[i]), self.radius
        kink = np.minimum(np.sqrt(2 * b / c), r)
        low, mid, high = np.clip(v / (1 + step * c), -r, -kink), v / (1 - step * c), np.clip(v / (1 + step * c), kink, r)
        y = np.concatenate(np.broadcast_arrays(low, np.clip(mid, -kink, kink), high), axis=-1)
        return _lowest(y, lambda y: abs(c / 2 * y**2 - b) + (y - v) ** 2 / (2 * step))

    def component_prox_linear(self, x: Array, i: Array, step: float) -> Array:
        """argmin_y |c_i(x) + c_i'(x) (y - x)| + (y - x)^2 / (2 step) on the interval, c_i(x) = a_i^2 x^2 - b_i."""
        c, J = self.column(self.curve[i]) / 2 * x**2 - self.column(self.b[i]), self.column(self.curve[i]) * x
        return self.project(x - J * np.clip(c / np.where(J == 0, 1.0, J) ** 2, -step, step))

    def prox_linear(self, x: Array, step: float) -> Array:
        """The same of the mean: argmin_y mean_i |c_i(x) + c_i'(x) (y - x)| + (y - x)^2 / (2 step) on the interval."""
        c, J = self.curve / 2 * x**2 - self.b, self.curve * x
        breaks = np.sort(-c / np.where(J == 0, 1.0, J), axis=-1)
        inside = np.concatenate([breaks[..., :1] - 1, (breaks[..., 1:] + breaks[..., :-1]) / 2, breaks[..., -1:] + 1], axis=-1)
        slope = np.mean(np.sign(c[..., None, :] + J[..., None, :] * inside[..., None]) * J[..., None, :], axis=-1)
        t = np.concatenate([breaks, -step * slope], axis=-1)
        best = _lowest(t, lambda t: np.mean(abs(c[..., None, :] + J[..., None, :] * t[..., None]), axis=-1) + t**2 / (2 * step))
        return self.project(x + best)

    @property
    def x0(self) -> Array:
        return np.array([0.9 * self.radius])


def _lowest(candidates: Array, objective: Any) -> Array:
    """The candidate (.., p) of least objective, (.., 1)."""
    place = np.argmin(objective(candidates), axis=-1)[..., None]
    return np.take_along_axis(candidates, place, axis=-1)


class OnDomain(OnSet, Wrapped):
    """A smooth function on a set, convex or not; its minimum there is not known."""

    def __init__(self, inner: Problem, domain: Set, *, name: str = ""):
        inner.require(Smooth, who="OnDomain")
        Wrapped.__init__(self, inner)
        self.assumptions, self.x_star, self.f_star = (), None, None
        self.declare(SmoothPart(inner.L), LowerBounded())
        self._place(domain)
        self.name = name or f"{inner} on {domain}"

    def gradient_mapping(self, x: Array) -> Array:
        """L (x - P(x - grad f(x) / L))."""
        return self.L * (x - self.project(x - self.grad(x) / self.L))
