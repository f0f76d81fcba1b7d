"""Problems for entropic mirror methods: matrix games with mirror steps, noisy and sampled subgradients on the simplex."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from .assumptions import BoundedPayoffs, DualMoment, DualVariance, SmoothOnSimplex
from .base import Array, Problem, Wrapped, as_positive
from .games import MatrixGame
from .max_linear import MaxLinear
from .prox import kl_prox_simplex
from .quadratic import Quadratic
from .sets import Box, Constrained, Simplex


class EntropicGame(MatrixGame):
    """A matrix game whose players' simplices carry the entropy: ``mirror`` steps, ``weigh`` weighs the two of them.

    ``payoff`` = max |A_ij| is the Lipschitz constant of either player's loss, and the smoothness between them, in the
    l1 norm. ``R_rows``, ``R_columns`` = sqrt(log m), sqrt(log n): from the uniform strategies, the default start.
    """

    def __init__(self, A: Array, *, name: str = ""):
        super().__init__(A, name=name)
        m, n = self.sizes
        self.R_rows, self.R_columns = float(np.sqrt(np.log(m))), float(np.sqrt(np.log(n)))
        self.declare(BoundedPayoffs(float(np.abs(self.A).max())))

    def mirror(self, x: Array, g: Array) -> Array:
        """argmin_s <g, s> + KL(s || x) of either player, (..., m + n)."""
        m = self.sizes[0]
        return np.concatenate([kl_prox_simplex(x[..., :m], g[..., :m]), kl_prox_simplex(x[..., m:], g[..., m:])], axis=-1)

    def weigh(self, rows: float, columns: float) -> Array:
        """The vector (rows, .., rows, columns, .., columns), (m + n,)."""
        m, n = self.sizes
        return np.append(np.full(m, float(rows)), np.full(n, float(columns)))

    def stochastic_operator(self, x: Array, rng: Any) -> Array:
        """(A e_j, -A'e_i) with i and j drawn from the players' strategies: one row and one column are read."""
        m = self.sizes[0]
        i, j = _drawn(x[..., :m], rng), _drawn(x[..., m:], rng)
        return np.concatenate([self.A.T[j], -self.A[i]], axis=-1)

    @property
    def cost_of(self) -> dict[str, Any]:
        """Entries of the matrix that are read."""
        m, n = self.sizes
        return dict(operator=lambda *_: dict(operator=1, entries=2 * m * n),
                    stochastic_operator=lambda *_: dict(stochastic_operator=1, entries=m + n))

    @property
    def x0(self) -> Array:
        m, n = self.sizes
        return np.append(np.full(m, 1 / m), np.full(n, 1 / n))


def _drawn(p: Array, rng: Any) -> Array:
    """An index of every row of p (..., d), with these probabilities."""
    return np.minimum((np.cumsum(p, axis=-1) < rng.uniform()[..., None]).sum(axis=-1), p.shape[-1] - 1)


class SignNoise(Wrapped):
    """``stochastic_grad`` = grad + sigma_dual times a vector of random signs, whose largest entry is sigma_dual."""

    def __init__(self, inner: Problem, sigma_dual: float):
        super().__init__(inner)
        self.declare(DualVariance(as_positive(sigma_dual, "sigma_dual")))
        self.name = f"{inner} with signs of {self.sigma_dual:.3g}"

    def stochastic_grad(self, x: Array, rng: Any) -> Array:
        return self.grad(x) + self.sigma_dual * np.where(rng.uniform(self.point_shape) < 0.5, -1.0, 1.0)


def smoothness_on_simplex(A: np.ndarray) -> float:
    """max |A(x - y)|_inf / |x - y|_1 over the simplex, met by two vertices."""
    return float((A.max(axis=1) - A.min(axis=1)).max()) / 2


@cache
def dominated_game() -> EntropicGame:
    """One strategy of either player is better than all others: from uniform play both must find it."""
    A = np.zeros((6, 8))
    A[0, 1:], A[1:, 0] = -1.0, 1.0
    return EntropicGame(A, name="one good strategy each (6, 8)")


@cache
def skewed_pennies() -> EntropicGame:
    """Matching pennies with unequal stakes: the equilibrium is mixed and far from uniform."""
    return EntropicGame(np.array([[1.0, -0.2], [-0.2, 0.04]]) - 0.3, name="skewed pennies")


@cache
def random_entropic_game() -> EntropicGame:
    return EntropicGame(np.random.default_rng(3).uniform(-1, 1, (10, 7)), name="random game (10, 7)")


@cache
def mean_absolute_on_simplex() -> Problem:
    """The mean of |m_i'x + c_i| over ten terms, one of them sampled."""
    rng = np.random.default_rng(31)
    M = rng.standard_normal((10, 5)) + np.linspace(0, 2, 5)
    p = MaxLinear(M, rng.standard_normal(10), over=Box(np.full(10, -0.1), np.full(10, 0.1)), domain=Simplex(5))
    p.declare(DualMoment(float(np.sqrt(np.mean(np.abs(M).max(axis=1) ** 2)))))
    return p


@cache
def one_good_arm_sampled() -> Problem:
    """f(x) = x_2 + ... + x_6 as the mean of two noisy rows: one vertex is best."""
    M = np.array([[-0.5, 1.5, 0.5, 1.5, 0.5, 1.5], [0.5, 0.5, 1.5, 0.5, 1.5, 0.5]])
    p = MaxLinear(M, np.full(2, 0.5), over=Box(np.full(2, -0.5), np.full(2, 0.5)), domain=Simplex(6),
                  name="one good arm of 6, sampled")
    p.declare(DualMoment(float(np.sqrt(np.mean(np.abs(M).max(axis=1) ** 2)))))
    return p


@cache
def near_vertex_quadratic() -> Problem:
    """||x - v||^2/2 on the simplex, v beyond a vertex: from the uniform point there is a long way to go."""
    v = np.zeros(6)
    v[0] = 3.0
    p = Constrained(Quadratic(np.eye(6), v), Simplex(6), name="a vertex of 6, quadratic")
    p.declare(SmoothOnSimplex(smoothness_on_simplex(p.smooth.A)))
    return p


@cache
def random_quadratic_on_simplex() -> Problem:
    rng = np.random.default_rng(32)
    B = rng.standard_normal((5, 5))
    p = Constrained(Quadratic(B @ B.T / 5, rng.standard_normal(5)), Simplex(5), name="random quadratic on Simplex(5)")
    p.declare(SmoothOnSimplex(smoothness_on_simplex(p.smooth.A)))
    return p
