"""A pass of (proximal) coordinate descent over least squares, all replicates at once, its residual kept throughout.

The objective is ||Xx - y||^2/(2n) + l2/2 ||x||^2 + lam ||x||_1. Shapes: X (n, d), y (n,), x (..., d), order (..., K)
integer (cyclic or random), steps (d,). Arguments are never written to.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace

from .choose import body_for, replicated, rows

Array = Any


def coordinate_reference(X: Array, y: Array, l2: float, lam: float, x: Array, order: Array, steps: Array) -> Array:
    """x_i+ = soft(x_i - steps_i g_i, steps_i lam), g = X'(Xx - y)/n + l2 x, i = order[..., t]."""
    xp = array_namespace(X)
    n, d = X.shape
    residual = x @ X.T - y
    for t in range(order.shape[-1]):
        i = order[..., t]
        column, step = rows(X.T, i), rows(steps, i)
        old = xp.sum(xp.where(i[..., None] == xp.arange(d), x, 0.0), axis=-1)
        v = old - step * (xp.sum(column * residual, axis=-1) / n + l2 * old)
        new = xp.sign(v) * xp.clip(xp.abs(v) - step * lam, 0.0, None)
        x = xp.where(i[..., None] == xp.arange(d), new[..., None], x)
        residual = residual + (new - old)[..., None] * column
    return x


def coordinate_pass(X: Array, y: Array, l2: float, lam: float, x: Array, order: Array, steps: Array) -> Array:
    """K = order.shape[-1] coordinate steps: the point after them."""
    body = body_for(x, "coordinate")
    if body is None:
        return coordinate_reference(X, y, l2, lam, x, order, steps)
    residual = _product(X, x) - y
    (x, order, residual), restore = replicated(x, order, residual)
    body(X, l2, lam, x, residual, order, steps)
    return restore(x)


def _product(X: Array, x: Array) -> Array:
    """x X', reading only the columns that a sparse x uses."""
    if isinstance(x, np.ndarray) and isinstance(X, np.ndarray):
        used = np.flatnonzero(x.any(axis=tuple(range(x.ndim - 1))))
        if 2 * len(used) < x.shape[-1]:
            return x[..., used] @ X.T[used]
    return x @ X.T
