"""Passes: many steps over the terms or coordinates of a model in one call of compiled code."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from .base import Array


class TermPasses:
    """For models of X, y, l2 whose loss the kernels know (``kernel_loss``): passes over terms drawn beforehand."""

    X: Array
    y: Array
    l2: float
    kernel_loss: int
    cost_of = {
        "sgd_pass": lambda x, order, steps: {"component_grad": order.shape[-1]},
        "saga_pass": lambda x, table, mean, order, step: {"component_grad": order.shape[-1]},
        "coordinate_pass": lambda x, order, step: {"grad_coordinate": order.shape[-1]},
    }

    @cached_property
    def columns(self) -> Array:
        """X stored column by column (NumPy), so that a coordinate step reads one stretch of memory."""
        return np.asfortranarray(self.X) if isinstance(self.X, np.ndarray) else self.X

    def sgd_pass(self, x: Array, order: Array, steps: Any) -> Array:
        """SGD over the terms order[..., t] with steps[t]: the point after them."""
        from optlab.kernels import epochs

        steps = array_namespace(x).asarray(np.asarray(steps, dtype=float))
        return epochs.sgd_pass(self.X, self.y, self.l2, self.kernel_loss, x, order, steps)

    def saga_pass(self, x: Array, table: Array, mean: Array, order: Array, step: float) -> tuple[Array, Array, Array]:
        """SAGA over the terms order[..., t]: the point, the table of gradients and its mean after them."""
        from optlab.kernels import epochs

        return epochs.saga_pass(self.X, self.y, self.l2, self.kernel_loss, x, table, mean, order, float(step))


def least_squares_pass(X: Array, y: Array, l2: float, lam: float, x: Array, order: Array, step: Any) -> Array:
    """Coordinate steps of ||Xx - y||^2/(2n) + l2/2 ||x||^2 + lam ||x||_1; ``step`` a number or one a coordinate."""
    from optlab.kernels import coordinate

    steps = array_namespace(x).asarray(np.zeros(x.shape[-1]) + step)
    return coordinate.coordinate_pass(X, y, l2, lam, x, order, steps)
