"""Online convex problems whose losses are fixed in advance: each round's loss is shown after the player has moved."""

from __future__ import annotations

import numpy as np
from array_api_compat import array_namespace

from .assumptions import AlternatingLosses, Compact, LipschitzLosses, StronglyConvexLosses
from .base import Array, Problem, as_matrix, as_positive
from .errors import ProblemError
from .pool import entry
from .quadratic import like, to_numpy


class Rounds(Problem):
    """Losses on the cube [-side/2, side/2]^d; row k of ``rows`` (rounds, d), which repeat, says the k-th.

    Sub-classes give ``loss_value(x, k)``, ``loss_grad(x, k)`` and ``leader(x, k, step)``, the minimizer over the cube of the
    losses of rounds 0 .. k plus ||u - x||^2 / (2 step); with infinite steps of the losses alone (of several the nearest to x).
    """

    def __init__(self, rows: Array, side: float = 2.0, *, name: str = ""):
        self.rows, self.side = as_matrix(rows, "rows"), as_positive(side, "side")
        self.point_shape = (self.rows.shape[1],)
        self.name = name or f"{self.rows.shape[0]} {type(self).__name__} in dimension {self.dim}"
        self.declare(Compact(float(self.side * np.sqrt(self.dim))))

    def row(self, k: int) -> Array:
        return self.rows[k % self.rows.shape[0]]

    def total(self, k: int) -> Array:
        """The sum of rows 0 .. k."""
        periods, rest = divmod(k + 1, self.rows.shape[0])
        xp = array_namespace(self.rows)
        return periods * xp.sum(self.rows, axis=0) + xp.sum(self.rows[:rest], axis=0)

    def loss_value(self, x: Array, k: int) -> Array:
        raise AttributeError("a sub-class of Rounds defines loss_value")

    def loss_grad(self, x: Array, k: int) -> Array:
        raise AttributeError("a sub-class of Rounds defines loss_grad")

    def leader(self, x: Array, k: int, step: float = np.inf) -> Array:
        raise AttributeError("a sub-class of Rounds defines leader")

    def project(self, x: Array) -> Array:
        return array_namespace(x).clip(x, -self.side / 2, self.side / 2)

    def lmo(self, d: Array) -> Array:
        """argmin over the cube of <d, v>."""
        return -self.side / 2 * array_namespace(d).where(d >= 0, 1.0, -1.0)


class LinearRounds(Rounds):
    """Round k costs <row k, x>; G is the largest norm of a row."""

    def __init__(self, rows: Array, side: float = 2.0, *, name: str = ""):
        super().__init__(rows, side, name=name)
        largest = float(np.linalg.norm(to_numpy(self.rows), axis=1).max())
        if largest == 0:
            raise ProblemError("rows must hold a loss that is not zero")
        self.declare(LipschitzLosses(largest))

    def loss_value(self, x: Array, k: int) -> Array:
        return self.inner(self.row(k), x)

    def loss_grad(self, x: Array, k: int) -> Array:
        return self.row(k) + 0 * x

    def leader(self, x: Array, k: int, step: float = np.inf) -> Array:
        total = self.total(k)
        flat = total == 0
        xp = array_namespace(x)
        return self.project(x - xp.where(flat, 0.0, step * xp.where(flat, 1.0, total)))

    def best_in_hindsight(self, k: int) -> float:
        """The least that a fixed point pays for rounds 0 .. k."""
        return -self.side / 2 * float(np.abs(to_numpy(self.total(k))).sum())


class QuadraticRounds(Rounds):
    """Round k costs mu/2 ||x - row k||^2, row k in the cube; G is met in the corner farthest from a row."""

    def __init__(self, rows: Array, mu: float = 1.0, side: float = 2.0, *, name: str = ""):
        super().__init__(rows, side, name=name)
        size = np.abs(to_numpy(self.rows))
        if size.max() > self.side / 2:
            raise ProblemError(f"rows must lie in the cube of side {self.side:g}, got an entry of size {size.max():g}")
        self.declare(StronglyConvexLosses(as_positive(mu, "mu")),
                     LipschitzLosses(float(mu * np.linalg.norm(size + self.side / 2, axis=1).max())))

    def loss_value(self, x: Array, k: int) -> Array:
        return self.mu / 2 * self.sq(x - self.row(k))

    def loss_grad(self, x: Array, k: int) -> Array:
        return self.mu * (x - self.row(k))

    def leader(self, x: Array, k: int, step: float = np.inf) -> Array:
        return self.project((self.mu * self.total(k) + (1 / step) * x) / (self.mu * (k + 1) + 1 / step))

    def best_in_hindsight(self, k: int) -> float:
        """The least that a fixed point pays for rounds 0 .. k."""
        count = self.rows.shape[0]
        rows = to_numpy(self.rows)[np.arange(k + 1) % count]
        return float(self.mu / 2 * np.sum((rows - rows.mean(axis=0)) ** 2))  # the mean lies in the cube


class SeeSaw(LinearRounds):
    """Slopes 1/2, -1, 1, -1, 1, .. (``rounds`` of them) on [-1, 1]: the leader is wrong in every round."""

    def __init__(self, rounds: int = 1000):
        slopes = np.where(np.arange(rounds) % 2 == 0, 1.0, -1.0)
        slopes[0] = 0.5
        super().__init__(slopes[:, None], name=f"see-saw of {rounds} rounds")
        self.declare(AlternatingLosses())

    @property
    def x0(self) -> Array:
        return like(np.zeros(self.point_shape), self.rows)


@entry
def linear_rounds() -> Problem:
    return LinearRounds(np.random.default_rng(21).standard_normal((300, 4)))


@entry
def quadratic_rounds() -> Problem:
    return QuadraticRounds(np.random.default_rng(22).uniform(-1, 1, (300, 4)), 0.5)
