"""Exact expectations, before any sampling.

Laws (for sampling): ``gaussian_law(method, problem, x0, params, steps) -> list of (k, mean, covariance)`` is the exact
law of the iterates of a method that is affine in its normal draws. A theorem speaks of it through a measure
``optlab.measures.LawMeasure("W2^2", lambda problem, law: law.sq_wasserstein(Law(mean, covariance)))`` with
``mode="expectation"``: ``Law`` has ``mean`` (d,), ``covariance`` (d, d), ``sq_wasserstein`` and ``kl``.
"""

from __future__ import annotations

from typing import Any


def exact(method: Any, problem: Any, x0: Any, params: Any, steps: int, readers: Any, *, given: Any = None,
          quantities: Any = None) -> Any:
    return None


def with_drift(verdict: Any, g: Any, method: Any, job: Any) -> Any:
    return verdict
