"""Online problems: streams of linear losses on a cube, shown one a round after the player has moved."""

from __future__ import annotations

import numpy as np
from array_api_compat import array_namespace

from .assumptions import LinearLosses, PeriodThree
from .base import Array, Problem, Wrapped, as_matrix, as_positive
from .errors import ProblemError
from .quadratic import to_numpy


class LinearStream(Problem):
    """Round k costs <g_k, x> on the cube [-side/2, side/2]^d; g_k is row k of ``rows`` (rounds, d), which repeat.

    ``loss_grad(x, k)`` is g_k, ``hindsight(s)`` the least <s, u> over the cube: the regret of x_0, x_1, .. against the best
    fixed point is sum_k <g_k, x_k> - hindsight(sum_k g_k). ``Gmax`` is the largest |g_k,i|.
    """

    def __init__(self, rows: Array, side: float = 2.0, *, name: str = ""):
        self.rows = as_matrix(rows, "rows")
        largest = float(np.abs(to_numpy(self.rows)).max())
        if largest == 0:
            raise ProblemError("rows must hold a loss that is not zero")
        self.point_shape = (self.rows.shape[1],)
        self.name = name or f"{self.rows.shape[0]} linear losses on a cube of dimension {self.dim}"
        self.declare(LinearLosses(as_positive(side, "side"), largest))

    def loss_grad(self, x: Array, k: int) -> Array:
        return self.rows[k % self.rows.shape[0]] + 0 * x

    def project(self, x: Array) -> Array:
        return array_namespace(x).clip(x, -self.side / 2, self.side / 2)

    def hindsight(self, total: Array) -> Array:
        xp = array_namespace(total)
        return -self.side / 2 * xp.sum(xp.abs(total), axis=-1)


class PunishingStream(LinearStream):
    """An adversary that answers: in round k coordinate i costs |rows[k, i]| a unit, with the sign of x_i."""

    def loss_grad(self, x: Array, k: int) -> Array:
        xp = array_namespace(x)
        size = xp.abs(self.rows[k % self.rows.shape[0]])
        return xp.where(x >= 0, size, -size)


class ReddiStream(LinearStream):
    """Slopes C, -1, -1 in turn on [-1, 1]: the best point is -1, and a short memory forgets why (Reddi et al. 2018).

    The start is +1; ``b2_fooled`` = 1/(1 + C^2) is the memory with which Adam goes back there in every period.
    """

    def __init__(self, C: float, *, name: str = ""):
        if not as_positive(C, "C") > 2:
            raise ProblemError(f"C must be greater than 2, got {C}")
        super().__init__(np.array([[C], [-1.0], [-1.0]]), name=name or f"slopes {C:g}, -1, -1")
        self.declare(PeriodThree(float(C)))
        self.b2_fooled = 1 / (1 + float(C) ** 2)

    @property
    def x0(self) -> Array:
        return np.ones(self.point_shape)


class Unfolding(Wrapped):
    """A stream as a player meets it: the k-th gradient asked for is that of round k. Made anew for every run."""

    def __init__(self, stream: LinearStream):
        super().__init__(stream)
        self.round = 0

    def grad(self, x: Array) -> Array:
        self.round += 1
        return self.inner_problem.loss_grad(x, self.round - 1)
