"""What the checks of ``certify`` share: a check, sample points, and the curvature of a gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from optlab.problems.base import Problem

EPS = float(np.finfo(float).eps)
PAIRS = 64
POWER_STEPS = 40


@dataclass(frozen=True)
class Check:
    """One check: ``ok``, the number it rests on, and for constants the ``share`` of it that sampling attained."""

    name: str
    ok: bool
    value: float
    note: str = ""
    share: float | None = None

    def __str__(self) -> str:
        share = "" if self.share is None else f", attained {self.share:.3f} of it"
        return f"{'ok  ' if self.ok else 'FAIL'} {self.name}: {self.value:.4g}{share}{'; ' + self.note if self.note else ''}"


def points(problem: Problem, rng: np.random.Generator, n: int) -> np.ndarray:
    """Points at several scales around start and solution, the origin among them, feasible where there is a set."""
    x0 = np.asarray(problem.x0, dtype=float)
    centre = x0 if problem.x_star is None else np.broadcast_to(np.asarray(problem.x_star, dtype=float), x0.shape)
    size = max(1.0, float(np.linalg.norm(centre)), float(np.linalg.norm(x0 - centre)))
    scale = size * 10.0 ** rng.uniform(-3, 0.5, size=(n,) + (1,) * x0.ndim)
    base = np.where(rng.random((n,) + (1,) * x0.ndim) < 0.5, centre, x0)
    points = base + scale * rng.standard_normal((n, *x0.shape)) / np.sqrt(max(1, x0.size))
    points[0] = 0.0
    move = getattr(problem, "project", None) or getattr(problem, "into_domain", None)
    return points if move is None else move(points)


def curvature(problem: Problem, field: Callable[[np.ndarray], np.ndarray], x: np.ndarray, rng: np.random.Generator,
               shift: float = 0.0) -> float:
    """Largest |eigenvalue| of the symmetric Jacobian of ``field`` minus ``shift`` at x, by power iteration on differences."""
    v = rng.standard_normal(x.shape)
    h = 1e-5 * max(1.0, float(np.linalg.norm(x)))
    rayleigh = 0.0
    for _ in range(POWER_STEPS):
        v = v / float(np.linalg.norm(v))
        w = (field(x + h * v) - field(x - h * v)) / (2 * h) - shift * v
        rayleigh = float(np.sum(v * w))
        if not np.any(w):
            break
        v = w
    return rayleigh + shift
