"""Problems whose gradients are noisy: Gaussian noise of known variance, and one that answers ``grad`` at random."""

from __future__ import annotations

from math import sqrt
from typing import Any

from .assumptions import BoundedVariance, ConvexTerms, Interpolation, LipschitzTerms, SmoothTerms
from .base import Array, Problem, Wrapped, as_positive
from .errors import ProblemError

OF_TERMS = (ConvexTerms, SmoothTerms, LipschitzTerms, Interpolation)


class Noisy(Wrapped):
    """``stochastic_grad`` = gradient + Gaussian noise with E||noise||^2 = sigma^2 exactly (a batch: sigma^2 / batch).

    What the inner problem promises of its terms is not promised here: the noise is another one.
    """

    def __init__(self, inner: Problem, sigma: float):
        super().__init__(inner)
        self.assumptions = tuple(a for a in inner.assumptions if not isinstance(a, (*OF_TERMS, BoundedVariance)))
        self.declare(BoundedVariance(as_positive(sigma, "sigma", zero=True)))
        self.name = f"{inner} with noise {self.sigma:.3g}"

    def stochastic_grad(self, x: Array, rng: Any, batch: int = 1) -> Array:
        return self.grad(x) + self.sigma / sqrt(batch * self.dim) * rng.normal(self.point_shape)


class Sampled(Wrapped):
    """The same problem whose ``grad`` is ``stochastic_grad``, drawn from ``rng``: gradient descent becomes SGD."""

    def __init__(self, inner: Problem, rng: Any, batch: int = 1):
        super().__init__(inner)
        if not hasattr(inner, "stochastic_grad"):
            raise ProblemError(f"Sampled needs a problem with stochastic_grad, which {inner} does not have")
        self.rng, self.batch = rng, batch
        self.name = f"{inner}, sampled"

    def grad(self, x: Array) -> Array:
        return self.inner_problem.stochastic_grad(x, self.rng, self.batch)
