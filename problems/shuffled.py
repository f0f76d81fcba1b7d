"""Finite sums that are hard for every order of their terms (Cha, Lee, Yun 2023)."""

from __future__ import annotations

import numpy as np

from .assumptions import Smooth, SmoothTerms, StronglyConvex, StronglyConvexTerms
from .base import Array, Problem, as_positive
from .errors import ProblemError
from .glm import LeastSquares
from .hard import as_count


class _Balanced(Problem):
    """n terms, n even, half of them pulling with +nu and half with -nu; a last block mu y^2/2 punishes short steps."""

    def _balance(self, n: int, L: float, mu: float, nu: float) -> None:
        self.n, self.nu = as_count(n, "n"), as_positive(nu, "nu")
        if n % 2:
            raise ProblemError(f"n must be even, so that the pulls cancel, got {n}")
        self.signs = np.where(np.arange(n) < n // 2, 1.0, -1.0)
        self.Lmax, self.x_star, self.f_star = as_positive(L, "L"), np.zeros(self.point_shape), 0.0
        if as_positive(mu, "mu") > L / 2:
            raise ProblemError(f"mu must be at most L/2 = {L / 2:.4g}, got {mu}")

    @property
    def x0(self) -> Array:
        """(0, .., 0, nu/mu)."""
        return np.append(np.zeros(self.point_shape[0] - 1), self.nu / self.mu)


class OneSided(_Balanced):
    """f_i(x, y) = (L [x < 0] + L/2 [x >= 0]) x^2/2 + nu s_i x + mu y^2/2: random orders drift towards the flat side.

    ``symmetric``: curvature L on both sides, where they do not. ``sigma_star`` = nu.
    """

    point_shape = (2,)

    def __init__(self, n: int, L: float = 1.0, mu: float = 0.1, nu: float = 1.0, *, symmetric: bool = False):
        self._balance(n, L, mu, nu)
        self.flat, self.sigma_star = (1.0 if symmetric else 0.5) * L, self.nu
        self.name = f"{'symmetric' if symmetric else 'one-sided'} instance with {n} terms"
        self.declare(Smooth(L), SmoothTerms(L), StronglyConvex(mu), StronglyConvexTerms(mu))

    def made_symmetric(self) -> OneSided:
        return OneSided(self.n, self.L, self.mu, self.nu, symmetric=True)

    def grad(self, x: Array) -> Array:
        return np.where(x < 0, np.array([self.L, self.mu]), np.array([self.flat, self.mu])) * x

    def value(self, x: Array) -> Array:
        return np.sum(self.grad(x) * x, axis=-1) / 2

    def component_grad(self, x: Array, i: Array) -> Array:
        pull = self.nu * self.signs[i][..., None]
        return self.grad(x) + pull * np.array([1.0, 0.0])


class AnyOrder(_Balanced):
    """Half of the terms: L u^2/2 - nu u + nu v, the others: nu u + L v^2/2 - nu v; all with + mu y^2/2.

    To first order in the step, u and v settle at distances from 0 that sum to step * nu in every order: what an order
    gains for one of them it loses for the other. f = L (u^2 + v^2)/4 + mu y^2/2. ``uniform``: the same curvature in every
    term, where there are orders that do better.
    """

    point_shape = (3,)

    def __init__(self, n: int, L: float = 1.0, mu: float = 0.1, nu: float = 1.0, *, uniform: bool = False):
        self._balance(n, L, mu, nu)
        self.name, self.sigma_star = f"instance for any order with {n} terms", float(np.sqrt(2) * self.nu)
        self.declare(Smooth(L / 2), SmoothTerms(L), StronglyConvex(mu))
        self.uniform = uniform

    def made_uniform(self) -> AnyOrder:
        return AnyOrder(self.n, self.Lmax, self.mu, self.nu, uniform=True)

    def value(self, x: Array) -> Array:
        return np.sum(np.array([self.L, self.L, self.mu]) * x**2, axis=-1) / 2

    def grad(self, x: Array) -> Array:
        return np.array([self.L, self.L, self.mu]) * x

    def component_grad(self, x: Array, i: Array) -> Array:
        s = self.signs[i][..., None]
        first = 0.5 + 0 * s if self.uniform else (1 + s) / 2
        curves = np.concatenate([self.Lmax * first, self.Lmax * (1 - first), self.mu + 0 * s], axis=-1)
        return curves * x + self.nu * s * np.array([-1.0, 1.0, 0.0])


class SignedQuadratics(LeastSquares):
    """f_i = a x^2/2 + nu s_i x (up to a constant), s_i = 1 for the first half of the n terms and -1 for the others."""

    def __init__(self, n: int, a: float, nu: float):
        self.a, self.nu = as_positive(a, "a"), as_positive(nu, "nu")
        signs = np.where(np.arange(n) < n // 2, 1.0, -1.0)
        super().__init__(np.full((n, 1), np.sqrt(a)), -nu * signs / np.sqrt(a), name=f"{n} signed quadratics")
