"""Problems met through function values: noisy values, values of terms, and the exact smoothing of absolute values."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace
from scipy.special import beta, betainc

from .assumptions import Lipschitz, LowerBounded, Smooth, SmoothPart
from .base import Array, Problem, Wrapped, as_matrix, as_positive, as_vector
from .composite import Composite
from .errors import ProblemError
from .hard import as_count
from .noise import OF_TERMS
from .nonsmooth import L1Regression
from .quadratic import to_numpy
from .sets import OnSet, Set


def _points(x: Array, xi: Array) -> dict[str, int]:
    """A value costs one a point."""
    return {"sample_value": x.shape[-2]}


class NoisyValues(Wrapped):
    """Values F(x; xi) = f(x) + sigma xi'x / sqrt(d), xi standard normal: E||grad F - grad f||^2 = sigma^2.

    ``sample(rng, count)`` draws xi (.., count, d), ``sample_value(x, xi)`` are values at x (.., count, d). Where f is
    G-Lipschitz, M^2 = G^2 + sigma^2 bounds the second moment of the Lipschitz constant of F.
    """

    cost_of = {"sample_value": _points}

    def __init__(self, inner: Problem, sigma: float):
        super().__init__(inner)
        self.assumptions = tuple(a for a in inner.assumptions if not isinstance(a, OF_TERMS))
        self.sigma = as_positive(sigma, "sigma", zero=True)
        self.of = inner.smooth if isinstance(inner, Composite) else inner  # values are had outside of the set, too
        self.name = f"values of {inner} with noise {self.sigma:.3g}"
        if inner.meets(Lipschitz):
            self.M = float(np.hypot(inner.G, self.sigma))

    def sample(self, rng: Any, count: int) -> Array:
        return rng.normal((count, *self.point_shape))

    def sample_value(self, x: Array, xi: Array) -> Array:
        return self.of.value(x) + self.sigma / np.sqrt(self.dim) * self.inner(xi, x)


class IndefiniteOnSet(OnSet):
    """f(x) = x'Qx/2 - b'x on a compact set, Q symmetric with eigenvalues of both signs; L = ||Q||. No known minimum."""

    def __init__(self, Q: Array, b: Array, domain: Set, *, name: str = ""):
        self.Q = as_matrix(Q, "Q")
        self.b = as_vector(b, "b", self.Q.shape[0])
        self.point_shape, self.name = tuple(self.b.shape), name or f"indefinite quadratic on {domain}"
        if self.Q.shape[0] != self.Q.shape[1] or np.abs(to_numpy(self.Q - self.Q.T)).max() > 0:
            raise ProblemError(f"Q must be a symmetric matrix, got shape {tuple(self.Q.shape)}")
        if not np.isfinite(domain.diameter):
            raise ProblemError(f"domain must be bounded, or there is no minimum, got {domain}")
        self._place(domain)
        self.declare(SmoothPart(float(np.linalg.norm(to_numpy(self.Q), 2))), LowerBounded())

    def value(self, x: Array) -> Array:
        return self.inner(x, x @ self.Q) / 2 - self.inner(x, self.b)

    def grad(self, x: Array) -> Array:
        return x @ self.Q - self.b


class OddSquares(Problem):
    """f(x) = L/2 sum_j x_j |x_j|: exactly L-smooth and odd, which biases forward differences at 0. No minimum."""

    def __init__(self, d: int, L: float = 1.0):
        self.point_shape, self.name = (as_count(d, "d"),), f"odd squares in dimension {d}"
        self.declare(Smooth(as_positive(L, "L")))

    def value(self, x: Array) -> Array:
        xp = array_namespace(x)
        return self.L / 2 * xp.sum(x * xp.abs(x), axis=-1)

    def grad(self, x: Array) -> Array:
        return self.L * array_namespace(x).abs(x)


class AbsoluteTerms(L1Regression):
    """``L1Regression`` met through values of its terms, with its ball smoothing in closed form.

    One sample is a term: F(x; i) = |a_i'x - y_i|, and ``M`` = sqrt(mean ||a_i||^2) bounds the second moment of its
    Lipschitz constant. Smoothing f_g(x) = E f(x + g u), u uniform in the unit ball: a'u has the law of ||a|| t, t with
    density (1 - t^2)^((d-1)/2) / B(1/2, (d+1)/2).
    """

    cost_of = {"sample_value": _points}

    def __init__(self, X: Array, y: Array, *, name: str = ""):
        super().__init__(X, y, name=name)
        self.rows = np.linalg.norm(to_numpy(self.X), axis=1)
        self.M = float(np.sqrt(np.mean(self.rows**2)))

    def sample(self, rng: Any, count: int) -> Array:
        return np.minimum((rng.uniform((count,)) * self.n).astype(int), self.n - 1)

    def sample_value(self, x: Array, xi: Array) -> Array:
        return self.component_value(x, xi)

    def _scaled(self, x: Array, g: float) -> Array:
        """Residuals in units of the reach g ||a_i||, cut at +-1: beyond, the absolute value is linear."""
        return np.clip((x @ self.X.T - self.y) / (g * self.rows), -1, 1)

    def smoothed_value(self, x: Array, g: float) -> Array:
        r, t, d = x @ self.X.T - self.y, self._scaled(x, g), self.dim
        inside = t * _odds(t, d) + 2 * (1 - t**2) ** ((d + 1) / 2) / ((d + 1) * beta(0.5, (d + 1) / 2))
        return np.mean(np.where(abs(t) < 1, g * self.rows * inside, abs(r)), axis=-1)

    def smoothed_grad(self, x: Array, g: float) -> Array:
        return _odds(self._scaled(x, g), self.dim) @ self.X / self.n

    def smoothed_hess(self, x: Array, g: float) -> Array:
        t, d = self._scaled(x, g), self.dim
        density = np.where(abs(t) < 1, (1 - t**2) ** ((d - 1) / 2), 0.0) / beta(0.5, (d + 1) / 2)
        weight = 2 * density / (g * self.rows * self.n)
        return (weight[..., None] * self.X).swapaxes(-1, -2) @ self.X


def _odds(t: Array, d: int) -> Array:
    """P(s < t) - P(s > t) for the first coordinate s of the unit ball."""
    return np.sign(t) * betainc(0.5, (d + 1) / 2, t**2)


class BallSmoothing(Wrapped):
    """A problem met through values only: its ``stochastic_grad`` is the two-point estimate of the gradient of f_g.

    (d / 2g) (F(x + g e; xi) - F(x - g e; xi)) e, e uniform on the sphere: any stochastic method becomes zeroth-order.
    """

    def __init__(self, inner: Problem, g: float):
        super().__init__(inner)
        if not hasattr(inner, "sample_value"):
            raise ProblemError(f"BallSmoothing needs a problem with sample and sample_value, which {inner} does not have")
        self.g = as_positive(g, "g")
        self.name = f"{inner}, smoothed over balls of radius {self.g:.3g}"

    def stochastic_grad(self, x: Array, rng: Any, batch: int = 1) -> Array:
        """Mean of ``batch`` estimates, each with its own direction and its own sample in both values."""
        z = rng.normal((batch, *self.point_shape))
        e = z / self.column(self.norm(z))
        xi, here = self.sample(rng, batch), x[..., None, :]
        rise = self.sample_value(here + self.g * e, xi) - self.sample_value(here - self.g * e, xi)
        return array_namespace(x).mean(self.column(self.dim / (2 * self.g) * rise) * e, axis=-2)
