"""Chains of steps to differentiate backwards."""

from __future__ import annotations

from typing import Any

import numpy as np

from .base import Array, Problem
from .errors import ProblemError


class ResidualChain(Problem):
    """x_{t+1} = x_t + tanh(A_t x_t + b_t)/2 for t < length, and the loss ||x_length||^2/2, as a function of x_0 in R^d."""

    def __init__(self, length: int, d: int = 3, seed: int = 0):
        if not isinstance(length, (int, np.integer)) or length < 1:
            raise ProblemError(f"length must be a positive integer, got {length!r}")
        rng = np.random.default_rng(seed)
        self.length, self.point_shape, self.name = int(length), (d,), f"chain of {length} steps in R^{d}"
        self.A, self.b = rng.standard_normal((length, d, d)) / d, rng.standard_normal((length, d))

    @property
    def x0(self) -> Array:
        return np.ones(self.point_shape)

    def advance(self, x: Array, t: int) -> Array:
        """x_{t+1}."""
        return x + np.tanh(x @ self.A[t].T + self.b[t]) / 2

    def pull_back(self, x: Array, t: int, v: Array) -> Array:
        """(d x_{t+1}/d x_t)' v at x = x_t."""
        slope = 1 - np.tanh(x @ self.A[t].T + self.b[t]) ** 2
        return v + (slope * v) @ self.A[t] / 2

    def value(self, x: Array) -> Array:
        return self.sq(self._states(x)[-1]) / 2

    def grad(self, x: Array) -> Array:
        """By reverse mode with all states in memory."""
        *states, v = self._states(x)
        for t in reversed(range(self.length)):
            v = self.pull_back(states[t], t, v)
        return v

    def last_step(self, x: Array) -> Array:
        """The loss's gradient at the end of the chain, times the last step: the reverse pass from x_{length-1}."""
        return self.pull_back(x, self.length - 1, self.advance(x, self.length - 1))

    def _states(self, x: Array) -> list[Any]:
        states = [x]
        for t in range(self.length):
            states.append(self.advance(states[-1], t))
        return states
