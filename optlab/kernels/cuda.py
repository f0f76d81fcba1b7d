"""CUDA bodies for CuPy arrays: one block a replicate, its threads along the sum of each step."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

THREADS = 128  # a power of two: the sums are halved

SOURCE = r"""
__device__ double slope(int loss, double t, double y) {
    if (loss == 0) return t - y;
    double m = y * t;
    if (m >= 0) { double e = exp(-m); return -y * e / (1 + e); }
    return -y / (1 + exp(m));
}

__device__ double block_sum(double part, double *shared) {
    shared[threadIdx.x] = part;
    __syncthreads();
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
        __syncthreads();
    }
    double sum = shared[0];
    __syncthreads();
    return sum;
}

extern "C" __global__ void sgd(const double *X, const double *y, double l2, int loss, double *x,
                               const long long *order, const double *steps, int n, int d, int K) {
    extern __shared__ double shared[];
    x += (long long) blockIdx.x * d;
    order += (long long) blockIdx.x * K;
    for (int t = 0; t < K; t++) {
        const double *a = X + order[t] * d;
        double part = 0;
        for (int j = threadIdx.x; j < d; j += blockDim.x) part += a[j] * x[j];
        double s = slope(loss, block_sum(part, shared), y[order[t]]);
        for (int j = threadIdx.x; j < d; j += blockDim.x) x[j] -= steps[t] * (s * a[j] + l2 * x[j]);
        __syncthreads();
    }
}

extern "C" __global__ void saga(const double *X, const double *y, double l2, int loss, double *x, double *table,
                                double *mean, const long long *order, double step, int n, int d, int K) {
    extern __shared__ double shared[];
    x += (long long) blockIdx.x * d;
    mean += (long long) blockIdx.x * d;
    table += (long long) blockIdx.x * n * d;
    order += (long long) blockIdx.x * K;
    for (int t = 0; t < K; t++) {
        const double *a = X + order[t] * d;
        double *row = table + order[t] * d;
        double part = 0;
        for (int j = threadIdx.x; j < d; j += blockDim.x) part += a[j] * x[j];
        double s = slope(loss, block_sum(part, shared), y[order[t]]);
        for (int j = threadIdx.x; j < d; j += blockDim.x) {
            double change = s * a[j] + l2 * x[j] - row[j];
            x[j] -= step * (change + mean[j]);
            row[j] += change;
            mean[j] += change / n;
        }
        __syncthreads();
    }
}

extern "C" __global__ void coordinate(const double *X, double l2, double lam, double *x, double *residual,
                                      const long long *order, const double *steps, int n, int d, int K) {
    extern __shared__ double shared[];
    x += (long long) blockIdx.x * d;
    residual += (long long) blockIdx.x * n;
    order += (long long) blockIdx.x * K;
    for (int t = 0; t < K; t++) {
        int i = (int) order[t];
        double part = 0;
        for (int j = threadIdx.x; j < n; j += blockDim.x) part += X[(long long) j * d + i] * residual[j];
        double old = x[i];
        double v = old - steps[i] * (block_sum(part, shared) / n + l2 * old);
        double size = fmax(fabs(v) - steps[i] * lam, 0.0);
        double change = (v < 0 ? -size : size) - old;
        if (threadIdx.x == 0) x[i] = old + change;
        for (int j = threadIdx.x; j < n; j += blockDim.x) residual[j] += change * X[(long long) j * d + i];
        __syncthreads();
    }
}
"""


@cache
def _kernel(name: str) -> Any:
    import cupy

    return cupy.RawKernel(SOURCE, name)


def _launch(name: str, X: Any, order: Any, *arguments: Any) -> None:
    sizes = (np.int32(size) for size in (*X.shape, order.shape[1]))
    _kernel(name)((len(order),), (THREADS,), (*arguments, *sizes), shared_mem=8 * THREADS)


def _plain(*arrays: Any) -> tuple[Any, ...]:
    import cupy

    return tuple(cupy.ascontiguousarray(a, dtype=float) for a in arrays)


def sgd(X: Any, y: Any, l2: float, loss: int, x: Any, order: Any, steps: Any) -> None:
    X, y, steps = _plain(X, y, steps)
    _launch("sgd", X, order, X, y, np.float64(l2), np.int32(loss), x, order, steps)


def saga(X: Any, y: Any, l2: float, loss: int, x: Any, table: Any, mean: Any, order: Any, step: float) -> None:
    X, y = _plain(X, y)
    _launch("saga", X, order, X, y, np.float64(l2), np.int32(loss), x, table, mean, order, np.float64(step))


def coordinate(X: Any, l2: float, lam: float, x: Any, residual: Any, order: Any, steps: Any) -> None:
    X, steps = _plain(X, steps)
    _launch("coordinate", X, order, X, np.float64(l2), np.float64(lam), x, residual, order, steps)
