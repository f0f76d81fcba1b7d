"""Games and variational inequalities: find x in C with <V(x), p - x> >= 0 on C; the players stacked in one point."""

from __future__ import annotations

from typing import Any

import numpy as np

from .assumptions import (
    BoundedVariance,
    Cocoercive,
    Coherent,
    Compact,
    LipschitzOperator,
    Monotone,
    StronglyMonotone,
    ZeroOfOperator,
)
from .base import Array, Problem, Wrapped, as_matrix, as_positive, as_vector
from .errors import ProblemError
from .pool import entry
from .prox import project_simplex


def cocoercivity(M: Array) -> float:
    """The largest beta with <Mx, x> >= beta ||Mx||^2 for all x (or 0): the smallest eigenvalue of sym(M^-1).

    Never from eigenvalues of M (right for normal M only). For singular M it is taken on the range of M, and is positive
    only where M and M' have the same null space.
    """
    M = as_matrix(M, "M")
    U, s, Vt = np.linalg.svd(M)
    rank = int((s > 1e-12 * max(s[0], 1e-300)).sum())
    if np.abs(M.T @ U[:, rank:]).max(initial=0) + np.abs(M @ U[:, rank:]).max(initial=0) > 1e-10 * s[0]:
        return 0.0
    inverse = U[:, :rank].T @ (Vt[:rank].T / s[:rank])  # U_r' M^+ U_r: y -> x in coordinates of the range
    return max(0.0, float(np.linalg.eigvalsh((inverse + inverse.T) / 2)[0]))


class AffineVI(Problem):
    """V(x) = Mx + q on the whole space, sym(M) positive semidefinite. All constants exact.

    L = ||M||, mu = the smallest eigenvalue of sym(M), beta = ``cocoercivity(M)``. ``gap(x)`` is the restricted gap
    sup <V(p), x - p> over the ball of ``radius`` about x_star (default: the distance of ``x0``).
    """

    def __init__(self, M: Array, q: Array | None = None, *, radius: float | None = None, name: str = ""):
        self.M = as_matrix(M, "M")
        d = self.M.shape[0]
        if self.M.shape != (d, d):
            raise ProblemError(f"M must be square, got shape {tuple(self.M.shape)}")
        self.q = as_vector(np.zeros(d) if q is None else q, "q", d)
        self.point_shape, self.name = (d,), name
        L = float(np.linalg.norm(self.M, 2))
        self._curvature, self._axes = np.linalg.eigh((self.M + self.M.T) / 2)
        mu, tiny = float(self._curvature[0]), 1e-12 * L
        if mu < -tiny:
            raise ProblemError(f"M must have a positive semidefinite symmetric part, got its eigenvalue {mu:.3g}")
        self._curvature = np.where(self._curvature > tiny, self._curvature, 0.0)
        self.x_star = np.linalg.lstsq(self.M, -self.q, rcond=None)[0]
        if np.abs(self.operator(self.x_star)).max() > 1e-10 * (1 + np.abs(self.q).max()):
            raise ProblemError("q must lie in the range of M, otherwise V has no zero")
        self.radius = as_positive(np.linalg.norm(self.x0 - self.x_star) if radius is None else radius, "radius")
        self.declare(LipschitzOperator(L), StronglyMonotone(mu) if mu > tiny else Monotone(), ZeroOfOperator())
        beta = cocoercivity(self.M)
        if beta > tiny / L**2:
            self.declare(Cocoercive(beta))

    def operator(self, x: Array) -> Array:
        return x @ self.M.T + self.q

    def project(self, x: Array) -> Array:
        return x

    def resolvent(self, v: Array, step: float) -> Array:
        return np.linalg.solve(np.eye(self.dim) + step * self.M, (v - step * self.q)[..., None])[..., 0]

    def gap(self, x: Array) -> Array:
        """sup of <V(p), x - p> over the ball: of <d, M'e> - <d, Md>, e = x - x_star, over ||d|| <= radius."""
        c = ((x - self.x_star) @ self.M) @ self._axes
        if not self._curvature.any():
            return self.radius * np.linalg.norm(c, axis=-1)
        low = np.zeros(c.shape[:-1] + (1,))
        high = np.linalg.norm(c, axis=-1, keepdims=True) / (2 * self.radius)
        with np.errstate(divide="ignore", invalid="ignore"):
            for _ in range(40):  # bisection for the multiplier nu of the ball: ||d(nu)|| decreases in nu
                nu = (low + high) / 2
                outside = np.linalg.norm(c / (2 * (self._curvature + nu)), axis=-1, keepdims=True) > self.radius
                low, high = np.where(outside, nu, low), np.where(outside, high, nu)
            d = np.where(c == 0, 0.0, c / (2 * (self._curvature + high)))
        return np.sum(d * c - self._curvature * d * d, axis=-1)

    @property
    def start_quantities(self) -> dict[str, Any]:
        """``spread``: sup ||x0 - p||^2 over the set of the gap; ``V0``: ||V(x0)||."""
        return dict(V0=_initial_force,
                    spread=lambda problem, x0: (problem.norm(x0 - problem.x_star) + problem.radius) ** 2)


def _initial_force(problem: Problem, x0: Array) -> Array:
    return problem.norm(problem.operator(x0))


class BilinearGame(AffineVI):
    """min_x max_y x'Ay + b'x - c'y, the point is (x, y): V skew-symmetric, monotone, L = ||A||."""

    def __init__(self, A: Array, b: Array | None = None, c: Array | None = None, *, radius: float | None = None,
                 name: str = ""):
        A = as_matrix(A, "A")
        m, n = A.shape
        b = as_vector(np.zeros(m) if b is None else b, "b", m)
        c = as_vector(np.zeros(n) if c is None else c, "c", n)
        super().__init__(np.block([[np.zeros((m, m)), A], [-A.T, np.zeros((n, n))]]), np.append(b, c), radius=radius,
                         name=name)


class QuadraticGame(AffineVI):
    """min_x max_y x'Px/2 + x'Ay - y'Qy/2 + b'x - c'y with P, Q positive definite: strongly monotone."""

    def __init__(self, P: Array, A: Array, Q: Array, b: Array | None = None, c: Array | None = None, *,
                 radius: float | None = None, name: str = ""):
        P, A, Q = as_matrix(P, "P"), as_matrix(A, "A"), as_matrix(Q, "Q")
        m, n = A.shape
        for label, S, size in (("P", P, m), ("Q", Q, n)):
            symmetric = S.shape == (size, size) and np.abs(S - S.T).max() <= 1e-12 * np.abs(S).max()
            if not symmetric or np.linalg.eigvalsh(S)[0] <= 0:
                raise ProblemError(f"{label} must be a symmetric positive definite ({size}, {size}) matrix")
        b = as_vector(np.zeros(m) if b is None else b, "b", m)
        c = as_vector(np.zeros(n) if c is None else c, "c", n)
        super().__init__(np.block([[P, A], [-A.T, Q]]), np.append(b, c), radius=radius, name=name)


class MatrixGame(Problem):
    """min over mixed strategies x, max over y, of x'Ay; the point is (x, y) in a product of two simplices.

    ``gap`` is the duality gap max_j (A'x)_j - min_i (Ay)_i, and also the restricted gap over the whole set, since V is
    skew-symmetric; it is the sum of what the two players regret at x (``regrets``).
    """

    def __init__(self, A: Array, *, name: str = ""):
        self.A = as_matrix(A, "A")
        m, n = self.A.shape
        self.point_shape, self.sizes, self.name = (m + n,), (m, n), name
        self.x_star, self.game_value = self._equilibrium()
        self.x_star_error = 1e-9
        self.declare(LipschitzOperator(float(np.linalg.norm(self.A, 2))), Monotone(), Compact(2.0))

    def _equilibrium(self) -> tuple[Array, float]:
        from scipy.optimize import linprog

        m, n = self.sizes
        one = np.ones((1, m))
        solved = linprog(np.append(np.zeros(m), 1.0), A_ub=np.hstack([self.A.T, -np.ones((n, 1))]), b_ub=np.zeros(n),
                         A_eq=np.hstack([one, [[0.0]]]), b_eq=[1.0], bounds=[(0, None)] * m + [(None, None)])
        return np.append(solved.x[:m], -solved.ineqlin.marginals), float(solved.fun)

    def operator(self, x: Array) -> Array:
        m = self.sizes[0]
        return np.concatenate([x[..., m:] @ self.A.T, -(x[..., :m] @ self.A)], axis=-1)

    def project(self, x: Array) -> Array:
        m = self.sizes[0]
        return np.concatenate([project_simplex(x[..., :m]), project_simplex(x[..., m:])], axis=-1)

    def regrets(self, x: Array) -> Array:
        """What each player would gain by a best response, (..., 2)."""
        m = self.sizes[0]
        rows, columns = x[..., m:] @ self.A.T, x[..., :m] @ self.A
        paid = np.sum(x[..., :m] * rows, axis=-1)
        return np.stack([paid - np.min(rows, axis=-1), np.max(columns, axis=-1) - paid], axis=-1)

    def gap(self, x: Array) -> Array:
        return np.sum(self.regrets(x), axis=-1)

    @property
    def x0(self) -> Array:
        """The first pure strategies: far from a mixed equilibrium."""
        m, n = self.sizes
        return np.append(np.eye(m)[0], np.eye(n)[0])

    @property
    def start_quantities(self) -> dict[str, Any]:
        """``spread``: sup ||x0 - p||^2 over both simplices, met at vertices; ``V0``: ||V(x0)||."""

        def spread(problem: Any, x0: Array) -> Array:
            m = problem.sizes[0]
            return problem.sq(x0) + 2 - 2 * np.min(x0[..., :m], axis=-1) - 2 * np.min(x0[..., m:], axis=-1)

        return dict(spread=spread, V0=_initial_force)


class CoherentField(Problem):
    """V(x) = Sx + x + c sin(w x) entrywise, S skew: <V(x), x> >= 0 (Minty) for c w <= 4.6; not monotone for c w > 1.

    L is exact: ||S + D|| is convex in the diagonal D, whose entries fill
    [1 - c w, 1 + c w] independently.
    """

    def __init__(self, S: Array, c: float, w: float, *, name: str = ""):
        self.S, self.c, self.w, self.name = as_matrix(S, "S"), as_positive(c, "c"), as_positive(w, "w"), name
        d = self.S.shape[0]
        if self.S.shape != (d, d) or np.abs(self.S + self.S.T).max() > 1e-12 * (1 + np.abs(self.S).max()):
            raise ProblemError("S must be skew-symmetric")
        if d > 12 or c * w > 4.6:
            raise ProblemError(f"c w must be at most 4.6 and S at most (12, 12), got {c * w:.3g} and {self.S.shape}")
        self.point_shape, self.x_star = (d,), np.zeros(d)
        corners = 1 + c * w * (2.0 * ((np.arange(2**d)[:, None] >> np.arange(d)) & 1) - 1)
        L = np.linalg.norm(self.S + corners[:, :, None] * np.eye(d), 2, axis=(1, 2)).max()
        self.declare(LipschitzOperator(float(L)), Coherent(), ZeroOfOperator())

    def operator(self, x: Array) -> Array:
        return x @ self.S.T + x + self.c * np.sin(self.w * x)

    def project(self, x: Array) -> Array:
        return x

    @property
    def x0(self) -> Array:
        return np.zeros(self.point_shape) + 3.0


class NoisyOperator(Wrapped):
    """``stochastic_operator`` = V + Gaussian noise with E||noise||^2 = sigma^2 exactly."""

    def __init__(self, inner: Problem, sigma: float):
        super().__init__(inner)
        self.declare(BoundedVariance(as_positive(sigma, "sigma", zero=True)))
        self.name = f"{inner} with noise {self.sigma:.3g}"

    def stochastic_operator(self, x: Array, rng: Any) -> Array:
        return self.operator(x) + self.sigma / np.sqrt(self.dim) * rng.normal(self.point_shape)


class PunishingLosses(Problem):
    """One player on [-1, 1]^d against an adversary: standing at x it is shown sign(x) and pays
    <sign(x), x>.

    A player that keeps a constant step is made to oscillate and pays in every round. D is the diameter.
    """

    def __init__(self, d: int):
        self.point_shape, self.name = (d,), f"punishing losses on a cube of dimension {d}"
        self.declare(Compact(2 * float(np.sqrt(d))))

    def operator(self, x: Array) -> Array:
        return np.where(x >= 0, 1.0, -1.0)

    def project(self, x: Array) -> Array:
        return np.clip(x, -1.0, 1.0)

    @property
    def x0(self) -> Array:
        return np.full(self.point_shape, 0.3)


# --- the pool ------------------------------------------------------------------------------------------------------
@entry
def rotation_game() -> Problem:
    return BilinearGame(np.eye(1), [0.5], [-1.0])


@entry
def bilinear_game() -> Problem:
    rng = np.random.default_rng(0)
    U, _, V = np.linalg.svd(rng.standard_normal((4, 4)))
    A = U * np.geomspace(0.02, 1.0, 4) @ V
    return BilinearGame(A, -A @ rng.standard_normal(4), rng.standard_normal(4) @ A)


@entry
def quadratic_game() -> Problem:
    rng = np.random.default_rng(1)
    return QuadraticGame(np.diag([0.2, 1.0, 2.0]), rng.standard_normal((3, 2)), np.diag([0.3, 0.8]),
                         rng.standard_normal(3), rng.standard_normal(2))


@entry
def monotone_affine() -> Problem:
    """Half skew, half singular symmetric: neither cocoercive nor strongly monotone."""
    rng = np.random.default_rng(2)
    B, G = rng.standard_normal((8, 8)), rng.standard_normal((8, 3))
    M = (B - B.T) / 4 + G @ G.T / 20
    return AffineVI(M, M @ rng.standard_normal(8))


@entry
def rock_paper_scissors() -> Problem:
    return MatrixGame(np.array([[0.0, -1.0, 2.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]))


@entry
def random_matrix_game() -> Problem:
    return MatrixGame(np.random.default_rng(3).standard_normal((6, 5)))


@entry
def coherent_field() -> Problem:
    S = np.zeros((4, 4))
    S[0, 1], S[2, 3], S[1, 2] = 2.0, 1.0, -0.5
    return CoherentField(S - S.T, 2.0, 1.5)
