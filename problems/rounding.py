"""Quadratic forms over signs, and their semidefinite relaxations: max x'Bx over x in {-1, 1}^n."""

from __future__ import annotations

from functools import cache

import numpy as np

from .assumptions import CutForm, PSDForm
from .base import Array, Problem, as_matrix
from .errors import ProblemError


class SignProgram(Problem):
    """max x'Bx over signs, through max <B, VV'> over unit vectors v_1 .. v_n (the rows of V, which is the point).

    Solved by Clarabel. ``vectors`` (n, n) has rows of unit length to rounding; ``relaxed`` = <B, VV'> is attained there
    and ``ceiling`` >= the relaxation's value is proved by its dual (within 1e-6 of each other, or a ProblemError).
    """

    def __init__(self, B: Array, *, name: str = ""):
        self.B = as_matrix(B, "B")
        n = self.B.shape[0]
        scale = np.abs(self.B).max()
        if self.B.shape != (n, n) or np.abs(self.B - self.B.T).max() > 1e-12 * scale:
            raise ProblemError(f"B must be a symmetric matrix, got shape {self.B.shape}")
        if np.linalg.eigvalsh(self.B)[0] < -1e-10 * scale:
            raise ProblemError(f"B must be positive semidefinite, got the eigenvalue {np.linalg.eigvalsh(self.B)[0]:.3g}")
        self.point_shape, self.name = (n, n), name or f"signs of {n}"
        self._relax()
        off = self.B - np.diag(np.diag(self.B))
        laplacian = np.abs(self.B.sum(axis=1)).max() <= 1e-12 * scale and off.max() <= 0
        self.declare(CutForm() if laplacian else PSDForm())

    @classmethod
    def max_cut(cls, weights: Array, *, name: str = "") -> SignProgram:
        """The cut of largest weight in a graph with symmetric ``weights`` >= 0 (n, n): B = Laplacian / 4."""
        W = as_matrix(weights, "weights")
        if W.shape[0] != W.shape[1] or (W != W.T).any() or (W < 0).any() or np.diag(W).any():
            raise ProblemError("weights must be a symmetric nonnegative matrix with zero diagonal")
        return cls((np.diag(W.sum(axis=1)) - W) / 4, name=name or f"max cut ({len(W)} nodes)")

    def _relax(self) -> None:
        import cvxpy as cp

        n = len(self.B)
        X = cp.Variable((n, n), PSD=True)
        unit = cp.diag(X) == 1
        cp.Problem(cp.Maximize(cp.trace(self.B @ X)), [unit]).solve(
            solver=cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
        values, axes = np.linalg.eigh((X.value + X.value.T) / 2)
        V = axes * np.sqrt(np.maximum(values, 0.0))
        self.vectors = V / np.linalg.norm(V, axis=1, keepdims=True)
        self.relaxed = float(np.sum(self.B * (self.vectors @ self.vectors.T)))
        y = np.abs(np.asarray(unit.dual_value, dtype=float))
        y = y + max(0.0, -float(np.linalg.eigvalsh(np.diag(y) - self.B)[0]))  # diag(y) - B >= 0 proves sum y
        self.ceiling = float(y.sum())
        if not self.ceiling - self.relaxed <= 1e-6 * abs(self.ceiling):
            raise ProblemError(f"B must let its relaxation be solved, and the dual proves only {self.ceiling:.9g} "
                               f"against {self.relaxed:.9g}")

    def form(self, signs: Array) -> Array:
        """x'Bx, of a cut: the weight it cuts."""
        return np.sum((signs @ self.B) * signs, axis=-1)

    def expected(self) -> float:
        """E x'Bx of hyperplane rounding, exactly: E x_i x_j = 2/pi arcsin <v_i, v_j>."""
        return float(np.sum(self.B * 2 / np.pi * np.arcsin(np.clip(self.vectors @ self.vectors.T, -1, 1))))

    @property
    def x0(self) -> Array:
        return self.vectors


@cache
def cycle_cut(n: int = 5) -> SignProgram:
    """An odd cycle: the pentagon's ratio, 0.8845, is near the worst."""
    W = np.roll(np.eye(n), 1, axis=1)
    return SignProgram.max_cut(W + W.T, name=f"max cut of a cycle of {n}")


@cache
def random_cut() -> SignProgram:
    rng = np.random.default_rng(51)
    W = np.triu(rng.uniform(0, 1, (9, 9)) * (rng.uniform(size=(9, 9)) < 0.6), 1)
    return SignProgram.max_cut(W + W.T, name="max cut of a random graph of 9")


@cache
def sphere_form() -> SignProgram:
    """B = VV' of 30 unit vectors of R^4: inner products are small, where rounding loses nearly all of 1 - 2/pi."""
    V = np.random.default_rng(52).standard_normal((30, 4))
    V = V / np.linalg.norm(V, axis=1, keepdims=True)
    return SignProgram(V @ V.T, name="Gram matrix of 30 unit vectors")
