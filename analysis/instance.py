"""The worst instance: in few dimensions, and as a problem that methods run on.

The points, gradients and values of a worst case are interpolated: a convex function by the greatest of its affine pieces, a
smooth one by the least L-smooth mu-strongly convex function through them, a set by the hull of the points met. With mu
subtracted, both functions are Moreau envelopes of finitely many affine ones (of curvature c = L - mu, or infinite):

    f(x) = max over the simplex of  sum_i l_i (o_i + <g_i, x>) - ||sum_i l_i g_i||^2 / 2c,

so that value, gradient and prox are all one quadratic program over the simplex, with one variable a point.

Sources: Fazel, Hindi, Boyd 2003 (least trace); Taylor, Hendrickx, Glineur 2017, Thm 4; Drori 2017.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from PEPit import PEP, Expression, Point
from PEPit import functions as F

from optlab.problems.assumptions import Assumption
from optlab.problems.base import Problem

from .certificate import Certificate, Status
from .sdp import SMALL_ORDER, _call, _factor, _program_of, _smat, _solver_name
from .symbolic import SymbolicError

TIE = 1e-5  # pieces within this share of the largest value are active at a point: the instance is known to 1e-6 or so
SMOOTH = (F.SmoothConvexFunction, F.SmoothStronglyConvexFunction)
NONSMOOTH = (F.ConvexFunction, F.ConvexLipschitzFunction)


def reduce_dimension(pep: PEP, certificate: Certificate, *, slack: float = 1e-6, rank_tol: float = 1e-4, rounds: int = 0,
                     solver: str | None = None, tol: float = 1e-9, unit: float = 1.0) -> Certificate:
    """A worst instance of low dimension: the same certificate and proof with new `gram`, values and `points`.

    Heuristic: among the instances whose metric is at least (1 - slack) times the worst case, take the one of
    least trace or, with `rounds`, lower the log of the determinant so many times from the instance at hand
    (Fazel, Hindi, Boyd, 2003); then drop the eigenvalues of its Gram matrix below `rank_tol` times the
    largest. `value` becomes the metric of that instance before the drop; `primal_error` still speaks of the
    first one. Returns the certificate unchanged if a program fails.
    """
    if not certificate.status.has_value:
        raise ValueError(f"reduce_dimension: certificate is {certificate.status.value}, it holds no instance")
    program = replace(_program_of(pep), unit=unit)
    if Point.list_of_leaf_points != list(certificate.leaf_points):
        raise ValueError("reduce_dimension: the certificate is another PEP's, or this one's before it grew")
    floor = certificate.value - slack * abs(certificate.value)
    kept = program.with_row(program.q, -floor, "worst case kept")
    small = max(n for _, n in program.lmis) <= SMALL_ORDER
    size, gram = program.q.size - Expression.counter, certificate.gram
    for _ in range(max(rounds, 1)):
        # the gradient of log det (G + delta I), or of the trace
        weights = np.linalg.inv(gram / np.trace(gram) * len(gram) + 1e-3 * np.eye(len(gram))) if rounds else np.eye(len(gram))
        second = replace(kept, q=program.weighing(weights))
        status, z, _ = _call(second, _solver_name(solver or ("CLARABEL" if small else "SCS")), tol)
        excess = (second.A @ z - second.b)[second.equalities : len(second.rows)]
        if status is not Status.SOLVED or np.max(excess) > slack * program.scale:
            return certificate
        gram = _smat(z[:size], Point.counter)
    points = _factor(gram, rank_tol)
    return replace(certificate, value=-float(program.q @ z), gram=points @ points.T, points=points,
                   function_values=z[size:])


class Piece:
    """The least convex function with these points, gradients (n, d) and values (n,); L-smooth and mu-strongly convex, or not."""

    def __init__(self, points: np.ndarray, gradients: np.ndarray, values: np.ndarray, L: float = math.inf, mu: float = 0.0):
        self.points, self.mu, self.curvature = points, mu, L - mu
        self.slopes = gradients - mu * points
        envelope = 0.0 if math.isinf(L) else np.sum(self.slopes**2, axis=1) / (2 * self.curvature)
        self.offsets = values - mu / 2 * np.sum(points**2, axis=1) - np.sum(self.slopes * points, axis=1) + envelope

    def minimized_at_origin(self) -> Piece:
        """With the piece 0 and no offset above it (which rounding may leave): the origin is a minimizer, of value 0."""
        self.points, self.slopes = np.vstack([self.points, 0 * self.points[:1]]), np.vstack([self.slopes, 0 * self.slopes[:1]])
        self.offsets = np.append(np.minimum(self.offsets, 0.0), 0.0)
        return self

    def value(self, x: np.ndarray) -> np.ndarray:
        weights = self._weights(x, self.curvature)
        slopes = weights @ self.slopes
        return (weights @ self.offsets + np.sum(slopes * x, axis=-1) - np.sum(slopes**2, axis=-1) / (2 * self.curvature)
                + self.mu / 2 * np.sum(x**2, axis=-1))

    def grad(self, x: np.ndarray) -> np.ndarray:
        """The gradient; of several active pieces of a nonsmooth function, the one of the nearest point met."""
        return self._weights(x, self.curvature) @ self.slopes + self.mu * x

    def prox(self, v: np.ndarray, step: float) -> np.ndarray:
        shrink = 1 + step * self.mu
        combined = 1 / (1 / self.curvature + step / shrink)
        return (v - step * (self._weights(v / shrink, combined) @ self.slopes)) / shrink

    def _weights(self, x: np.ndarray, curvature: float) -> np.ndarray:
        """The maximizing weights of the pieces at the points x (..., d), (..., n)."""
        linear = self.offsets + x @ self.slopes.T
        if math.isinf(curvature):
            top = np.max(linear, axis=-1, keepdims=True)
            active = linear >= top - TIE * np.maximum(np.max(np.abs(linear), axis=-1, keepdims=True), 1e-300)
            distance = np.sum((x[..., None, :] - self.points) ** 2, axis=-1)
            return np.eye(len(self.offsets))[np.argmin(np.where(active, distance, math.inf), axis=-1)]
        flat = [simplex_maximizer(row, self.slopes, curvature) for row in np.reshape(linear, (-1, linear.shape[-1]))]
        return np.reshape(flat, linear.shape)


def simplex_maximizer(linear: np.ndarray, vectors: np.ndarray, curvature: float) -> np.ndarray:
    """argmax over the simplex of <linear, l> - ||sum_i l_i vectors_i||^2 / (2 curvature); shapes (n,), (n, d) -> (n,)."""
    import clarabel

    n = len(linear)
    P = sp.csc_matrix(np.triu(vectors @ vectors.T) / curvature)
    A = sp.csc_matrix(np.vstack([np.ones((1, n)), -np.eye(n)]))
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-12
    cones = [clarabel.ZeroConeT(1), clarabel.NonnegativeConeT(n)]
    weights = np.maximum(clarabel.DefaultSolver(P, -linear, A, np.append(1.0, np.zeros(n)), cones, settings).solve().x, 0)
    # The solver may stop at half its accuracy: solve once more, exactly, on the pieces that it found active.
    active = np.flatnonzero(weights > 1e-6)
    while len(active):
        G = vectors[active] @ vectors[active].T / curvature
        system = np.block([[G, np.ones((len(active), 1))], [np.ones((1, len(active))), np.zeros((1, 1))]])
        polished = np.linalg.lstsq(system, np.append(linear[active], 1.0), rcond=None)[0][:-1]
        if np.all(polished >= 0):
            weights = np.zeros(n)
            weights[active] = polished
            break
        active = np.delete(active, np.argmin(polished))
    return weights / weights.sum()


class Hull:
    """The convex hull of the points met (n, d), as the set of a constrained problem; ``normals`` (n, d) point out of it there."""

    def __init__(self, points: np.ndarray, normals: np.ndarray):
        self.points, self.normals = points, normals

    def value(self, x: np.ndarray) -> np.ndarray:
        return np.zeros(x.shape[:-1])

    def prox(self, v: np.ndarray, step: float = 1.0) -> np.ndarray:
        """The projection: over weights l of the points, 2 <P v, l> - ||P' l||^2 is largest."""
        weights = [simplex_maximizer(2 * self.points @ row, self.points, 0.5) for row in np.reshape(v, (-1, v.shape[-1]))]
        return np.reshape(weights @ self.points, v.shape)

    def lmo(self, d: np.ndarray) -> np.ndarray:
        """The least point in direction d; of several, the one that answered the direction nearest to d."""
        costs = d @ self.points.T
        least = np.min(costs, axis=-1, keepdims=True)
        tied = costs <= least + TIE * np.max(np.abs(costs), axis=-1, keepdims=True)
        distance = np.sum((d[..., None, :] + self.normals) ** 2, axis=-1)
        return self.points[np.argmin(np.where(tied, distance, math.inf), axis=-1)]


class Interpolated(Problem):
    """A worst instance as a problem: ``f``, or f + h, with the solution at the origin and value zero there.

    ``x_star`` is the solution up to the accuracy of the semidefinite program (1e-6 or so).
    """

    def __init__(self, f: Piece, h: Piece | Hull | None, stated: Sequence[Assumption], name: str = "the worst instance"):
        self.name, self.point_shape = name, f.points.shape[1:]
        self.x_star, self.f_star = np.zeros(f.points.shape[1]), 0.0
        self.declare(*stated)
        self.f, self.h = f, h
        self.grad = f.grad
        self.prox = f.prox if h is None else h.prox
        if isinstance(h, Hull):
            self.project, self.lmo = h.prox, h.lmo

    def value(self, x: np.ndarray) -> np.ndarray:
        return self.f.value(x) if self.h is None else self.f.value(x) + self.h.value(x)


def interpolated(s: Any, x0: Any, certificate: Certificate, name: str) -> tuple[Interpolated, np.ndarray]:
    """The worst instance and its start, for one convex function or a sum of two; SymbolicError for other classes."""
    f, h = s.__dict__.get("f"), s.__dict__.get("h")
    readable = isinstance(f, SMOOTH + NONSMOOTH) and (h is None or isinstance(h, (F.ConvexFunction, F.ConvexIndicatorFunction)))
    if not readable or (h is None and s.value is not f):
        raise SymbolicError("the worst instance is a runnable problem only where one convex function, or a sum of two, is read")
    if certificate.status is not Status.SOLVED:
        raise SymbolicError(f"there is no worst instance: the program ended {certificate.status.value}")
    low = reduce_dimension(s.pep, certificate, slack=1e-7, rank_tol=1e-6, unit=s.unit)

    def met(function: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points and values relative to the solution's."""
        base = next(value for x, _, value in function.list_of_points if x is s.x_star)
        triplets = [(low.evaluate(x - s.x_star), low.evaluate(g), low.evaluate(v - base)) for x, g, v in function.list_of_points]
        points, gradients, values = (np.array(part) for part in zip(*triplets, strict=True))
        return points, gradients, values

    part = Piece(*met(f), **(dict(L=f.L, mu=getattr(f, "mu", 0.0)) if isinstance(f, SMOOTH) else {}))
    if h is None:
        part = part.minimized_at_origin()
    other = None if h is None else Hull(*met(h)[:2]) if isinstance(h, F.ConvexIndicatorFunction) else Piece(*met(h))
    return Interpolated(part, other, s.assumptions, name), np.asarray(low.evaluate(x0 - s.x_star))
