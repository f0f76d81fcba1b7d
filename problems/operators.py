"""Nonexpansive operators with known fixed point or infimal displacement vector; the splittings f + g behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .assumptions import (
    AttainedDisplacement,
    AveragedOperator,
    Contractive,
    ConvexFeasibility,
    ConvexPair,
    FixedPoint,
    Nonexpansive,
    QuadraticPart,
    SmoothPart,
    StronglyConvexPart,
)
from .base import Array, Problem, Wrapped, as_matrix, as_positive, as_vector
from .data import load_data
from .errors import ProblemError
from .pool import entry
from .prox import project_affine, project_ball, project_halfspace, soft_threshold


class FixedPointProblem(Problem):
    """Find x = T(x), T nonexpansive. Where there is no such x, ``v`` is the infimal displacement vector of T, the
    shortest x - T(x), attained at ``x_star``; where there is one, v = 0 and ``x_star`` is a fixed point."""

    v: Array

    def settle(self, x_star: Array, v: Array, nonexpansive: Nonexpansive | None = None) -> None:
        self.point_shape, self.x_star, self.v = x_star.shape, x_star, v
        self.declare(nonexpansive or Nonexpansive(), AttainedDisplacement() if np.any(v) else FixedPoint())


class Screw(FixedPointProblem):
    """Rotation by ``angles`` in planes about ``center``, and a translation by -drift along one more axis.

    v = (0, ..., 0, drift): the axis of the translation is orthogonal to the range of I - rotation.
    """

    def __init__(self, angles: Sequence[float], drift: float = 0.0, center: Array | None = None, *, name: str = ""):
        angles = as_vector(angles, "angles")
        if (np.abs(np.sin(angles / 2)) < 1e-12).any():
            raise ProblemError("angles must not be multiples of 2 pi, where a rotation is the identity")
        planes, axes = len(angles), int(drift != 0)
        M = np.eye(2 * planes + axes)
        for i, a in enumerate(angles):
            M[2 * i:2 * i + 2, 2 * i:2 * i + 2] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
        self.M, self.name = M, name
        self.settle(as_vector(np.zeros(len(M)) if center is None else center, "center", len(M)),
                    np.append(np.zeros(2 * planes), [drift] * axes))

    def T(self, x: Array) -> Array:
        return self.x_star + (x - self.x_star) @ self.M.T - self.v


class Shift(FixedPointProblem):
    """The hard instance of span methods: T(x)_1 = c - x_d, T(x)_i = x_{i-1}; from x0 = 0 a call opens a coordinate.

    After k calls every point of x0 + span of the residuals lies in the first k - 1 coordinates (for an average of the
    k residuals; after k + 1 in the first k), where the sum of the d entries of x - T(x) forces ||x - T(x)||^2 >= c^2/k.
    With d = k and ||x0 - x_star|| = 1 that is 4/k^2. ``drift`` adds an axis along which T translates by -drift.
    """

    def __init__(self, d: int, drift: float = 0.0):
        self.c, self.d = 2 / np.sqrt(d), d
        self.name = f"shift operator of dimension {d}"
        self.settle(np.append(np.full(d, self.c / 2), [0.0] * (drift != 0)),
                    np.append(np.zeros(d), [drift] * (drift != 0)))

    def T(self, x: Array) -> Array:
        y = np.roll(x[..., :self.d], 1, axis=-1) * np.where(np.arange(self.d) == 0, -1.0, 1.0)
        y = y + self.c * (np.arange(self.d) == 0)
        return np.concatenate([y, x[..., self.d:] - self.v[self.d:]], axis=-1)


class Relaxed(FixedPointProblem):
    """(1 - theta) I + theta T: averaged, with displacement theta v."""

    def __init__(self, operator: FixedPointProblem, theta: float):
        theta = as_positive(theta, "theta")
        if theta >= 1:
            raise ProblemError(f"theta must be below 1, got {theta}")
        self.operator_T, self.name = operator, f"{operator}, relaxed by {theta:.3g}"
        self.settle(operator.x_star, theta * operator.v, AveragedOperator(theta))

    def T(self, x: Array) -> Array:
        return (1 - self.theta) * x + self.theta * self.operator_T.T(x)

    @property
    def x0(self) -> Array:
        return self.operator_T.x0


class AffineContraction(FixedPointProblem):
    """T(x) = Mx + b with ||M|| = rate < 1."""

    def __init__(self, M: Array, b: Array, *, name: str = ""):
        self.M = as_matrix(M, "M")
        self.b, self.name = as_vector(b, "b", len(self.M)), name
        rate = float(np.linalg.norm(self.M, 2))
        if rate >= 1:
            raise ProblemError(f"M must have a norm below 1, got {rate:.6g}")
        self.settle(np.linalg.solve(np.eye(len(self.M)) - self.M, self.b), 0 * self.b, Contractive(rate))

    def T(self, x: Array) -> Array:
        return x @ self.M.T + self.b


class Expanded(Wrapped):
    """The operator made ``factor`` times longer about x_star (no longer nonexpansive for factor > 1)."""

    def __init__(self, inner: Problem, factor: float):
        super().__init__(inner)
        self.factor, self.name = factor, f"{inner}, Lipschitz constant {factor:.3g}"

    def T(self, x: Array) -> Array:
        return self.inner_problem.T(self.x_star + self.factor * (x - self.x_star))


class Projections(FixedPointProblem):
    """x -> P_m( ... P_1(x)) for projections onto convex sets through a common point ``x_star``."""

    def __init__(self, projections: Sequence[Callable[[Array], Array]], x_star: Array, *, name: str = ""):
        self.projections, self.name = tuple(projections), name
        self.settle(as_vector(x_star, "x_star"), np.zeros(len(x_star)))
        if not np.allclose(self.T(self.x_star), self.x_star, rtol=0, atol=1e-12 * (1 + np.abs(self.x_star).max())):
            raise ProblemError("x_star must lie in every set, and a projection moves it")

    def T(self, x: Array) -> Array:
        for project in self.projections:
            x = project(x)
        return x


# --- splittings: min f + g, both met through a prox -----------------------------------------------------------------
class Splitting(Problem):
    """min f(x) + g(x) by ``prox_f(v, step)`` and ``prox_g(v, step)``.

    ``slope`` is a subgradient of f at ``x_star`` with -slope a subgradient of g (-slope is also the multiplier
    of ADMM's constraint x = z). Where the domains of f and g do not meet, ``v`` is the shortest vector between them and
    ``x_star`` its end in the domain of f.
    """

    slope: Array
    v: Array | float = 0.0

    @property
    def slope_norm(self) -> float:
        return float(np.sqrt(self.sq(self.slope)))


class DouglasRachford(FixedPointProblem):
    """T(z) = z + prox_g(2x - z) - x, x = prox_f(z): firmly nonexpansive, with fixed point x_star + step slope."""

    def __init__(self, splitting: Splitting, step: float = 1.0):
        self.splitting, self.step = splitting, as_positive(step, "step")
        self.name = f"Douglas-Rachford on {splitting}"
        self.settle(splitting.x_star + step * splitting.slope, splitting.v + 0 * splitting.x_star,
                    AveragedOperator(0.5))
        self.x_star_error = float(self.norm(self.x_star - self.T(self.x_star) - self.v))
        if self.x_star_error > 1e-9 * (1 + self.norm(self.x_star)):
            raise ProblemError(f"the solution of {splitting} misses optimality by {self.x_star_error:.1e}")

    def T(self, z: Array) -> Array:
        x = self.splitting.prox_f(z, self.step)
        return z + self.splitting.prox_g(2 * x - z, self.step) - x


class TwoSets(Splitting):
    """Find a point in two convex sets, given by their projections and a nearest pair (a, b); v = a - b."""

    def __init__(self, project_a: Callable[[Array], Array], project_b: Callable[[Array], Array], a: Array, b: Array,
                 *, name: str = ""):
        self.project_a, self.project_b = project_a, project_b
        a, b = as_vector(a, "a"), as_vector(b, "b", len(a))
        slack = 1e-12 * (1 + np.abs(a).max() + np.abs(b).max())
        if np.abs(project_a(b) - a).max() > slack or np.abs(project_b(a) - b).max() > slack:
            raise ProblemError("a and b must be a nearest pair: each the projection of the other")
        self.point_shape, self.x_star, self.v, self.slope, self.name = a.shape, a, a - b, 0 * a, name
        if not np.any(self.v):
            self.declare(ConvexPair(), ConvexFeasibility())

    def prox_f(self, x: Array, step: float) -> Array:
        return self.project_a(x)

    def prox_g(self, x: Array, step: float) -> Array:
        return self.project_b(x)


class LinearProgram(Splitting):
    """min c'x subject to Ax = b, x >= 0, split as f = [Ax = b], g = c'x + [x >= 0].

    When no x is feasible, v is the shortest vector between {Ax = b} and the orthant, and the solution is that of the
    nearest feasible program (b moved by -A v); the dual must be feasible. A needs full row rank.
    """

    def __init__(self, A: Array, b: Array, c: Array, *, name: str = ""):
        from scipy.optimize import linprog, nnls

        self.A = as_matrix(A, "A")
        m, n = self.A.shape
        self.b, self.c, self.name = as_vector(b, "b", m), as_vector(c, "c", n), name
        rank = np.linalg.matrix_rank(self.A)
        if rank < m:
            raise ProblemError(f"A must have full row rank, got shape {self.A.shape} and rank {rank}")
        self.pinv = np.linalg.pinv(self.A)
        nearest, distance = nnls(self.pinv @ self.A, self.pinv @ self.b)
        self.v = project_affine(nearest, self.A, self.b, pinv=self.pinv) - nearest
        self.v = self.v * (distance > 1e-10 * (1 + np.linalg.norm(self.b)))
        solved = linprog(self.c, A_eq=self.A, b_eq=self.b - self.A @ self.v, bounds=(0, None), method="highs-ds")
        if solved.status != 0:
            raise ProblemError("the linear program must be dual feasible, otherwise c'x is unbounded below")
        self.point_shape, self.x_star = (n,), solved.x + self.v
        self.slope = -self.A.T @ solved.eqlin.marginals
        self.f_star = float(self.c @ solved.x)
        if not np.any(self.v):
            self.declare(ConvexPair())

    @property
    def feasible(self) -> bool:
        return not np.any(self.v)

    def prox_f(self, x: Array, step: float) -> Array:
        return project_affine(x, self.A, self.b, pinv=self.pinv)

    def prox_g(self, x: Array, step: float) -> Array:
        return np.maximum(x - step * self.c, 0.0)


class SplitLasso(Splitting):
    """min ||Ax - b||^2/2 + l1 ||x||_1, split into its two terms. L, mu: the least-squares term's."""

    def __init__(self, A: Array, b: Array, l1: float, *, name: str = ""):
        from sklearn.linear_model import Lasso

        self.A = as_matrix(A, "A")
        m, n = self.A.shape
        self.b, self.l1, self.name = as_vector(b, "b", m), as_positive(l1, "l1"), name
        self.point_shape = (n,)
        self.eigenvalues, self.U = np.linalg.eigh(self.A.T @ self.A)
        self.Ub = self.A.T @ self.b
        rough = Lasso(self.l1 / m, fit_intercept=False, tol=1e-10, max_iter=100_000).fit(self.A, self.b).coef_
        on = rough != 0
        self.x_star = np.zeros(n)  # polished on its support
        self.x_star[on] = np.linalg.solve(self.A[:, on].T @ self.A[:, on], self.Ub[on] - self.l1 * np.sign(rough[on]))
        self.slope = self.A.T @ (self.A @ self.x_star - self.b)
        if not (np.sign(self.x_star) == np.sign(rough)).all() or np.abs(self.slope).max() > self.l1 * (1 + 1e-9):
            raise ProblemError("l1 must be away from values where the lasso's support changes")
        self.f_star = float(self.value(self.x_star))
        self.declare(SmoothPart(float(self.eigenvalues[-1])), QuadraticPart(), ConvexPair())
        if self.eigenvalues[0] > 1e-12 * self.eigenvalues[-1]:
            self.declare(StronglyConvexPart(float(self.eigenvalues[0])))

    def value(self, x: Array) -> Array:
        r = x @ self.A.T - self.b
        return np.sum(r * r, axis=-1) / 2 + self.l1 * np.sum(np.abs(x), axis=-1)

    def prox_f(self, v: Array, step: float) -> Array:
        return ((v + step * self.Ub) @ self.U / (1 + step * self.eigenvalues)) @ self.U.T

    def prox_g(self, v: Array, step: float) -> Array:
        return soft_threshold(v, step * self.l1)


class Consensus(Splitting):
    """min sum_i x_i'A_i x_i/2 - b_i'x_i subject to x_1 = ... = x_n (g); points are (agents, dim)."""

    def __init__(self, A: Array, b: Array, *, name: str = ""):
        A, b = np.asarray(A, dtype=float), np.asarray(b, dtype=float)
        if A.ndim != 3 or A.shape[1] != A.shape[2] or b.shape != A.shape[:2]:
            raise ProblemError(f"A must be (agents, dim, dim) and b (agents, dim), got {A.shape} and {b.shape}")
        self.A, self.b, self.name, self.point_shape = A, b, name, b.shape
        eig = np.linalg.eigvalsh(A)
        if eig.min() <= 0:
            raise ProblemError(f"every A_i must be positive definite, got smallest eigenvalue {eig.min():.3g}")
        solution = np.linalg.solve(A.sum(0), b.sum(0))
        self.x_star = np.broadcast_to(solution, b.shape) + 0.0
        self.slope = A @ solution - b
        self.declare(SmoothPart(float(eig.max())), StronglyConvexPart(float(eig.min())), QuadraticPart(), ConvexPair())

    def prox_f(self, v: Array, step: float) -> Array:
        return np.linalg.solve(np.eye(self.A.shape[1]) + step * self.A, (v + step * self.b)[..., None])[..., 0]

    def prox_g(self, v: Array, step: float) -> Array:
        return np.mean(v, axis=-2, keepdims=True) + 0 * v


# --- the pool ------------------------------------------------------------------------------------------------------
@entry
def screw() -> Problem:
    return Screw([np.pi, 2.0, 0.1], drift=0.3, center=np.arange(1.0, 8.0) / 4)


@entry
def slow_rotations() -> Problem:
    return Screw(np.pi * 0.5 ** np.arange(12), center=np.full(24, 0.5))


@entry
def disjoint_balls_douglas_rachford() -> Problem:
    away = np.array([3.0, 4.0, 0.0]) / 5
    balls = TwoSets(lambda x: project_ball(x, 1.0), lambda x: project_ball(x, 0.5, 2 * away), away, 1.5 * away,
                    name="two disjoint balls")
    return DouglasRachford(balls)


@entry
def ball_and_halfspace_douglas_rachford() -> Problem:
    ball = TwoSets(lambda x: project_ball(x, 1.0), lambda x: project_halfspace(x, np.array([-1.0, 0.0, 0.0]), -1.0),
                   np.array([1.0, 0.0, 0.0]), np.array([1.0, 0.0, 0.0]), name="a ball and a halfspace that touch")
    return DouglasRachford(ball)


def random_program(seed: int, rows: int = 4, columns: int = 9, *, feasible: bool) -> LinearProgram:
    """A random standard-form program, dual feasible; the infeasible one asks a nonnegative row for a negative sum."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((rows, columns))
    A[0] = np.abs(A[0]) * (np.arange(columns) < 4)
    b = A @ np.maximum(rng.standard_normal(columns), 0.0)
    if not feasible:
        b[0] = -1.0
    c = A.T @ rng.standard_normal(rows) + rng.uniform(0.1, 1.0, columns)
    return LinearProgram(A, b, c, name=f"{'feasible' if feasible else 'infeasible'} linear program")


@entry
def infeasible_program_douglas_rachford() -> Problem:
    return DouglasRachford(random_program(3, feasible=False))


@entry
def feasible_program_douglas_rachford() -> Problem:
    return DouglasRachford(random_program(5, feasible=True))


@entry
def diabetes_split_lasso() -> Problem:
    data = load_data("diabetes")
    A = (data.X - data.X.mean(0)) / data.X.std(0) / np.sqrt(len(data.y))
    b = (data.y - data.y.mean()) / data.y.std() / np.sqrt(len(data.y))
    return SplitLasso(A, b, 0.05)


@entry
def consensus_quadratics() -> Problem:
    rng = np.random.default_rng(4)
    G = rng.standard_normal((5, 6, 3))
    return Consensus(np.swapaxes(G, 1, 2) @ G / 6 + 0.1 * np.eye(3), rng.standard_normal((5, 3)))


@entry
def lasso_douglas_rachford() -> Problem:
    return DouglasRachford(diabetes_split_lasso(), 1.0)
