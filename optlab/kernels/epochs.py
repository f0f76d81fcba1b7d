"""Passes of SGD and SAGA over a generalized linear model, all replicates at once, on indices drawn beforehand.

The model is mean_i loss(a_i'x, y_i) + l2/2 ||x||^2, ``loss`` one of SQUARE, LOGISTIC. Shapes: X (n, d), y (n,),
x (..., d), order (..., K) integer, table (..., n, d), mean (..., d). Arguments are never written to.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from .choose import body_for, replicated, rows

Array = Any
SQUARE, LOGISTIC = 0, 1


def slope(loss: int, t: Array, y: Array) -> Array:
    """Derivative of the loss in the margin t."""
    if loss == SQUARE:
        return t - y
    xp = array_namespace(t)
    e = xp.exp(-xp.abs(t))  # y in {-1, 1}: -y / (1 + exp(y t)) without overflow
    return -y * xp.where(y * t >= 0, e, 1.0) / (1 + e)


def sgd_reference(X: Array, y: Array, l2: float, loss: int, x: Array, order: Array, steps: Array) -> Array:
    """x+ = x - steps_t grad f_i(x), i = order[..., t]."""
    xp = array_namespace(X)
    for t in range(order.shape[-1]):
        a = rows(X, order[..., t])
        s = slope(loss, xp.sum(a * x, axis=-1), rows(y, order[..., t]))
        x = x - steps[t] * (s[..., None] * a + l2 * x)
    return x


def saga_reference(X: Array, y: Array, l2: float, loss: int, x: Array, table: Array, mean: Array, order: Array,
                   step: float) -> tuple[Array, Array, Array]:
    """x+ = x - step (grad f_i(x) - table_i + mean), then table_i = grad f_i(x) and mean its mean."""
    xp = array_namespace(X)
    n = X.shape[0]
    for t in range(order.shape[-1]):
        i = order[..., t]
        a = rows(X, i)
        row = (i[..., None] == xp.arange(n))[..., None]
        s = slope(loss, xp.sum(a * x, axis=-1), rows(y, i))
        change = s[..., None] * a + l2 * x - xp.sum(xp.where(row, table, 0.0), axis=-2)
        x = x - step * (change + mean)
        table = table + xp.where(row, change[..., None, :], 0.0)
        mean = mean + change / n
    return x, table, mean


def sgd_pass(X: Array, y: Array, l2: float, loss: int, x: Array, order: Array, steps: Array) -> Array:
    """K = order.shape[-1] steps of SGD with steps (K,): the point after them."""
    body = body_for(x, "sgd")
    if body is None:
        return sgd_reference(X, y, l2, loss, x, order, steps)
    (x, order), restore = replicated(x, order)
    body(X, y, l2, loss, x, order, steps)
    return restore(x)


def saga_pass(X: Array, y: Array, l2: float, loss: int, x: Array, table: Array, mean: Array, order: Array,
              step: float) -> tuple[Array, Array, Array]:
    """K = order.shape[-1] steps of SAGA: the point, the table and its mean after them."""
    body = body_for(x, "saga")
    if body is None:
        return saga_reference(X, y, l2, loss, x, table, mean, order, step)
    (x, order, table, mean), restore = replicated(x, order, table, mean)
    body(X, y, l2, loss, x, table, mean, order, step)
    return restore(x), restore(table), restore(mean)
