"""Numba bodies: plain functions that write into flat arrays (S, ...), cached on disk."""

from __future__ import annotations

from math import exp

from numba import njit

SUMS = {"reassoc", "contract"}  # sums may be taken in any order (in vectors); NaN and infinity stay what they are

@njit(cache=True, fastmath=SUMS)
def _slope(loss, t, y):
    if loss == 0:
        return t - y
    m = y * t
    if m >= 0:
        e = exp(-m)
        return -y * e / (1 + e)
    return -y / (1 + exp(m))


@njit(cache=True, fastmath=SUMS)
def sgd(X, y, l2, loss, x, order, steps):
    d = X.shape[1]
    for r in range(x.shape[0]):
        for t in range(order.shape[1]):
            i = order[r, t]
            margin = 0.0
            for j in range(d):
                margin += X[i, j] * x[r, j]
            s = _slope(loss, margin, y[i])
            for j in range(d):
                x[r, j] -= steps[t] * (s * X[i, j] + l2 * x[r, j])


@njit(cache=True, fastmath=SUMS)
def saga(X, y, l2, loss, x, table, mean, order, step):
    n, d = X.shape
    for r in range(x.shape[0]):
        for t in range(order.shape[1]):
            i = order[r, t]
            margin = 0.0
            for j in range(d):
                margin += X[i, j] * x[r, j]
            s = _slope(loss, margin, y[i])
            for j in range(d):
                change = s * X[i, j] + l2 * x[r, j] - table[r, i, j]
                x[r, j] -= step * (change + mean[r, j])
                table[r, i, j] += change
                mean[r, j] += change / n


@njit(cache=True, fastmath=SUMS)
def coordinate(X, l2, lam, x, residual, order, steps):
    n = X.shape[0]
    for r in range(x.shape[0]):
        for t in range(order.shape[1]):
            i = order[r, t]
            g = 0.0
            for j in range(n):
                g += X[j, i] * residual[r, j]
            v = x[r, i] - steps[i] * (g / n + l2 * x[r, i])
            new = max(abs(v) - steps[i] * lam, 0.0)
            if v < 0:
                new = -new
            change = new - x[r, i]
            x[r, i] = new
            if change != 0.0:
                for j in range(n):
                    residual[r, j] += change * X[j, i]
