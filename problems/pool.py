"""The pool: named problems with known constants, on which guarantees without a family of their own are checked.

An entry is a function without arguments, built on first use; entries are added by ``@entry`` beside their class.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module

import numpy as np

from .assumptions import Assumption
from .base import Problem

ENTRIES: dict[str, Callable[[], Problem]] = {}
# modules of this package that register entries
MODULES = ("pool", "sums", "composite", "sets", "hard", "nonconvex", "nonsmooth", "operators", "games",
           "inclusions", "feasibility", "bilevel", "targets", "triples", "bregman", "difference", "growth", "inexact",
           "rounds")


def entry(build: Callable[[], Problem]) -> Callable[[], Problem]:
    """Register a builder; the built problem carries the builder's name."""

    @cache
    def built() -> Problem:
        problem = build()
        problem.name = problem.name or build.__name__
        return problem

    ENTRIES[build.__name__] = built
    return built


def pool(*assumes: type[Assumption], needs: tuple[str, ...] = ()) -> list[Problem]:
    """The pool's problems that promise ``assumes`` and have the oracles ``needs``."""
    for module in MODULES:
        import_module(f"{__package__}.{module}")
    problems = (build() for build in ENTRIES.values())
    return [p for p in problems if all(p.meets(a) for a in assumes) and all(hasattr(p, o) for o in needs)]


def spectrum(eigenvalues: list[float], seed: int = 0) -> np.ndarray:
    """A symmetric matrix with the given eigenvalues and random eigenvectors."""
    rng = np.random.default_rng(seed)
    Q, _ = np.linalg.qr(rng.standard_normal((len(eigenvalues), len(eigenvalues))))
    return (Q * np.asarray(eigenvalues)) @ Q.T


@entry
def breast_cancer_logistic() -> Problem:
    from .glm import LogisticRegression

    return LogisticRegression.from_data("breast_cancer", l2=1e-2)


@entry
def quadratic() -> Problem:
    from .quadratic import Quadratic

    A = spectrum(list(np.geomspace(0.05, 2.0, 8)))
    return Quadratic((A + A.T) / 2, np.random.default_rng(1).standard_normal(8))


@entry
def singular_quadratic() -> Problem:
    from .quadratic import Quadratic

    A = spectrum([0, 0, 0.1, 0.3, 1.0, 3.0])
    A = (A + A.T) / 2
    return Quadratic(A, A @ np.random.default_rng(2).standard_normal(6))


@entry
def diabetes_least_squares() -> Problem:
    from .glm import LeastSquares

    return LeastSquares.from_data("diabetes")


@entry
def diabetes_huber() -> Problem:
    from .glm import HuberRegression

    return HuberRegression.from_data("diabetes", l2=1e-2, delta=0.5)
