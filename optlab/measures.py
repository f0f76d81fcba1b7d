"""Measures: what a theorem speaks about, evaluated alike on arrays and on symbolic points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from optlab.problems.errors import AssumptionError

EPS = float(np.finfo(float).eps)
TINY = float(np.finfo(float).tiny)  # below it numbers lose their relative precision


def point(iterate: Any) -> Any:
    """The certified sequence of an iterate: the iterate itself, or its first field."""
    return iterate[0] if isinstance(iterate, tuple) else iterate


@dataclass(frozen=True)
class Measure:
    """``of(problem, iterate)`` gives one number a replicate; ``magnitude`` the size of what was subtracted in it.

    The numerical floor of a comparison is ``64 eps * magnitude``: below it a measured value is rounding. ``symbol``
    is its LaTeX. ``symbolic=False`` marks measures that do not read on Points (norms without square, gaps by a maximum).
    """

    name: str
    of: Callable[[Any, Any], Any]
    symbol: str = ""
    magnitude: Callable[[Any, Any], Any] | None = None
    symbolic: bool = True

    def __call__(self, problem: Any, iterate: Any) -> Any:
        return self.of(problem, iterate)

    def floor(self, problem: Any, iterate: Any) -> Any:
        return 0.0 if self.magnitude is None else 64 * (EPS * self.magnitude(problem, iterate) + TINY)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Law:
    """A Gaussian law: ``mean`` (d,), ``covariance`` (d, d)."""

    mean: np.ndarray
    covariance: np.ndarray

    def sq_wasserstein(self, other: Law) -> float:
        """W_2^2: ||m - m'||^2 + min over orthogonal U of ||S^(1/2) - S'^(1/2) U||^2 (Bures, free of cancellation)."""
        a, b = _root(self.covariance), _root(other.covariance)
        left, _, right = np.linalg.svd(b @ a)
        return float(np.sum((self.mean - other.mean) ** 2) + np.sum((a - b @ left @ right) ** 2))

    def kl(self, other: Law) -> float:
        """KL(self || other) for a nondegenerate ``other``; infinite when self is degenerate (a point)."""
        root = np.linalg.inv(np.linalg.cholesky(other.covariance))
        shares = np.linalg.eigvalsh(root @ self.covariance @ root.T)
        shift = root @ (self.mean - other.mean)
        with np.errstate(divide="ignore"):
            return float(shift @ shift + np.sum(shares - 1 - np.log(np.maximum(shares, 0.0)))) / 2


def _root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


@dataclass(frozen=True)
class LawMeasure(Measure):
    """A measure of the law of the iterate: ``of(problem, Law(mean, covariance))``, for ``mode="expectation"``.

    The law is exact: that of a method affine in its normal draws. It is the certified sequence's, flattened; with
    ``whole`` that of all fields of the state, concatenated.
    """

    symbolic: bool = False
    whole: bool = False

    def __call__(self, problem: Any, iterate: Any) -> Any:
        if not isinstance(iterate, Law):
            raise AssumptionError(f"{self.name} speaks of the law of the iterates, which is known exactly only for "
                                  "methods affine in their normal draws: this run is not one")
        return self.of(problem, iterate)


def _to_solution(problem: Any, x: Any) -> Any:
    return problem.sq(x - problem.x_star)


def _distance_magnitude(problem: Any, iterate: Any) -> Any:
    # an error of 64 eps ||x|| (or of x_star itself) in the point moves ||x - x*||^2 by 2 ||x - x*|| times it, plus its square
    x = point(iterate)
    error = EPS * (problem.norm(x) + problem.norm(problem.x_star)) + problem.x_star_error / 64
    distance = problem.norm(x - problem.x_star)
    return error * (2 * distance + 64 * error) / EPS


def _gradient_magnitude(problem: Any, iterate: Any) -> Any:
    # an error of 64 eps L ||x|| in the gradient moves ||grad f(x)||^2 by 2 ||grad f(x)|| times it, plus its square
    x = point(iterate)
    error = getattr(problem, "L", 1.0) * problem.norm(x)
    return error * (2 * problem.norm(problem.grad(x)) + 64 * EPS * error)


suboptimality = Measure(
    "f(x) - f*",
    lambda problem, it: problem.value(point(it)) - problem.f_star,
    r"f(x_k) - f^\star",
    lambda problem, it: abs(problem.value(point(it))) + abs(problem.f_star) + problem.value_scale,
)
sq_distance = Measure(
    "||x - x*||^2",
    lambda problem, it: _to_solution(problem, point(it)),
    r"\|x_k - x^\star\|^2",
    _distance_magnitude,
)
sq_gradient = Measure(
    "||grad f(x)||^2",
    lambda problem, it: problem.sq(problem.grad(point(it))),
    r"\|\nabla f(x_k)\|^2",
    _gradient_magnitude,
)
sq_operator = Measure(
    "||V(x)||^2",
    lambda problem, it: problem.sq(problem.operator(point(it))),
    r"\|V(x_k)\|^2",
    lambda problem, it: EPS * 64 * (getattr(problem, "L", 1.0) * problem.norm(point(it))) ** 2,
)
sq_residual = Measure(
    "||x - T(x)||^2",
    lambda problem, it: problem.sq(point(it) - problem.T(point(it))),
    r"\|x_k - T x_k\|^2",
    lambda problem, it: EPS * 64 * (2 * problem.norm(point(it))) ** 2,
)


def measure(name: str, symbol: str = "", **options: Any) -> Callable[[Callable[[Any, Any], Any]], Measure]:
    """Decorator: ``@measure("duality gap", r"g(x_k)") def gap(problem, iterate): ...``"""
    return lambda of: Measure(name, of, symbol, **options)
