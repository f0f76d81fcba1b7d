"""The worst instance: in few dimensions, and as a problem that methods run on.

The points, gradients and values of a worst case are interpolated by the least L-smooth mu-strongly convex function through
them. With mu subtracted it is the Moreau envelope of finitely many affine functions:

    f(x) = max over the simplex of  sum_i l_i (f_i + <g_i, x - x_i> + ||g_i||^2 / 2L) - ||sum_i l_i g_i||^2 / 2L.

Sources: Fazel, Hindi, Boyd 2003 (least trace); Taylor, Hendrickx, Glineur 2017, Thm 4; Drori 2017.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from PEPit import PEP, Expression, Point
from PEPit.functions import SmoothConvexFunction, SmoothStronglyConvexFunction

from optlab.problems.assumptions import Convex, Smooth, StronglyConvex
from optlab.problems.base import Problem

from .certificate import Certificate, Status
from .sdp import SMALL_ORDER, _call, _factor, _program_of, _smat, _solver_name
from .symbolic import SymbolicError


def reduce_dimension(pep: PEP, certificate: Certificate, *, slack: float = 1e-6, rank_tol: float = 1e-4,
                     solver: str | None = None, tol: float = 1e-9) -> Certificate:
    """A worst instance of low dimension: the same certificate and proof with new `gram`, values and `points`.

    Heuristic: among the instances whose metric is at least (1 - slack) times the worst case, take the one of
    least trace (Fazel, Hindi, Boyd, 2003), then drop the eigenvalues of its Gram matrix below `rank_tol`
    times the largest. `value` becomes the metric of that instance before the drop; `primal_error` still
    speaks of the first one. Returns the certificate unchanged if the second program fails.
    """
    if not certificate.status.has_value:
        raise ValueError(f"reduce_dimension: certificate is {certificate.status.value}, it holds no instance")
    program = _program_of(pep)
    if Point.list_of_leaf_points != list(certificate.leaf_points):
        raise ValueError("reduce_dimension: the certificate is another PEP's, or this one's before it grew")
    floor = certificate.value - slack * abs(certificate.value)
    second = replace(program.with_row(program.q, -floor, "worst case kept"), q=program.trace())
    small = max(n for _, n in program.lmis) <= SMALL_ORDER
    status, z, _ = _call(second, _solver_name(solver or ("CLARABEL" if small else "SCS")), tol)
    excess = (second.A @ z - second.b)[second.equalities : len(second.rows)]
    if status is not Status.SOLVED or np.max(excess) > slack * program.scale:
        return certificate
    size = z.size - Expression.counter
    points = _factor(_smat(z[:size], Point.counter), rank_tol)
    return replace(certificate, value=-float(program.q @ z), gram=points @ points.T, points=points,
                   function_values=z[size:])


class Interpolated(Problem):
    """The least L-smooth mu-strongly convex function through points (n, d), gradients (n, d) and values (n,).

    The solution is the origin, with value zero: the data are given relative to it. Every evaluation solves a quadratic
    program with one variable a point.
    """

    def __init__(self, points: np.ndarray, gradients: np.ndarray, values: np.ndarray, L: float, mu: float = 0.0,
                 name: str = "the worst instance"):
        self.name, self.point_shape = name, points.shape[1:]
        self.x_star, self.f_star = np.zeros(points.shape[1]), 0.0
        self.declare(Smooth(L), *([StronglyConvex(mu)] if mu else [Convex()]))
        G = gradients - mu * points
        offsets = values - mu / 2 * np.sum(points**2, axis=1) - np.sum(G * points, axis=1) + np.sum(G**2, axis=1) / (2 * (L - mu))
        # Rounding apart no offset is positive: that is what makes the origin, with offset zero, the minimizer.
        self._G = np.vstack([G, 0 * G[:1]])
        self._offsets = np.append(np.minimum(offsets, 0.0), 0.0)
        self._curvature = L - mu

    def _weights(self, x: np.ndarray) -> np.ndarray:
        """The maximizer over the simplex at one point."""
        import clarabel

        n, linear = len(self._offsets), self._offsets + self._G @ x
        P = sp.csc_matrix(np.triu(self._G @ self._G.T) / self._curvature)
        A = sp.csc_matrix(np.vstack([np.ones((1, n)), -np.eye(n)]))
        settings = clarabel.DefaultSettings()
        settings.verbose = False
        settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-12
        cones = [clarabel.ZeroConeT(1), clarabel.NonnegativeConeT(n)]
        weights = np.maximum(clarabel.DefaultSolver(P, -linear, A, np.append(1.0, np.zeros(n)), cones, settings).solve().x, 0)
        return weights / weights.sum()

    def _everywhere(self, x: np.ndarray) -> np.ndarray:
        flat = np.reshape(x, (-1, x.shape[-1]))
        return np.reshape([self._weights(p) for p in flat], (*x.shape[:-1], len(self._offsets)))

    def value(self, x: np.ndarray) -> np.ndarray:
        weights = self._everywhere(x)
        slopes = weights @ self._G
        return (weights @ self._offsets + np.sum(slopes * x, axis=-1) - np.sum(slopes**2, axis=-1) / (2 * self._curvature)
                + getattr(self, "mu", 0.0) / 2 * np.sum(x**2, axis=-1))

    def grad(self, x: np.ndarray) -> np.ndarray:
        return self._everywhere(x) @ self._G + getattr(self, "mu", 0.0) * x


def interpolated(s: Any, x0: Any, certificate: Certificate, name: str) -> tuple[Interpolated, np.ndarray]:
    """The worst instance of one smooth (strongly) convex function, and its start; SymbolicError for other classes."""
    f = s.__dict__.get("f")
    if type(f) not in (SmoothConvexFunction, SmoothStronglyConvexFunction) or s.value is not f:
        raise SymbolicError("the worst instance is a runnable problem only where one smooth (strongly) convex function is read")
    if certificate.status is not Status.SOLVED:
        raise SymbolicError(f"there is no worst instance: the program ended {certificate.status.value}")
    low = reduce_dimension(s.pep, certificate, slack=1e-7, rank_tol=1e-6)
    triplets = [(low.evaluate(x - s.x_star), low.evaluate(g), low.evaluate(v - s.f_star)) for x, g, v in f.list_of_points]
    points, gradients, values = (np.array(part) for part in zip(*triplets, strict=True))
    return Interpolated(points, gradients, values, s.L, getattr(f, "mu", 0.0), name), np.asarray(low.evaluate(x0 - s.x_star))
