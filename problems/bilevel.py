"""Bilevel problems: minimize F(x) = f(x, y*(x)) where y*(x) minimizes g(x, .). Points are the outer variable x."""

from __future__ import annotations

from typing import Any

import numpy as np

from .assumptions import LowerBounded, LowerGrowth, Smooth, StronglyConvex, StronglyConvexLower, UnitRotation
from .base import Array, Problem, Wrapped, as_matrix, as_positive, as_vector
from .data import load_data
from .errors import ProblemError
from .games import BilinearGame
from .pool import entry, spectrum


class QuadraticBilevel(Problem):
    """Lower level g(x, y) = y'Hy/2 - y'(Cx + e), upper level f(x, y) = ||y - c||^2/2 + rho/2 ||x - a||^2.

    H (p, p) positive definite, C (p, d), e and c (p,), a (d,), rho >= 0. Everything is exact: y*(x) = H^{-1}(Cx + e),
    F (``value``), its gradient (``grad``, the hypergradient), x_star, f_star; ``mu``, ``L`` of F; ``lower_mu``,
    ``lower_L`` of g(x, .); ``cross`` = ||C||. Methods use the level oracles only: ``lower_grad`` (in y),
    ``lower_grad_x``, ``lower_hvp``, ``lower_cross`` (y-vectors to x-vectors), ``upper_grad`` (the pair of both
    gradients), ``solve_lower``.
    """

    def __init__(self, H: Array, C: Array, e: Array | None = None, c: Array | None = None, a: Array | None = None,
                 rho: float = 0.0, *, name: str = ""):
        self.H, self.C = as_matrix(H, "H"), as_matrix(C, "C")
        p, d = self.C.shape
        if self.H.shape != (p, p) or np.abs(self.H - self.H.T).max() > 1e-12 * np.abs(self.H).max():
            raise ProblemError(f"H must be symmetric of shape {(p, p)} (rows of C), got shape {tuple(self.H.shape)}")
        eigenvalues = np.linalg.eigvalsh(self.H)
        if eigenvalues[0] <= 0:
            raise ProblemError(f"H must be positive definite, got smallest eigenvalue {eigenvalues[0]:.3g}")
        self.e = as_vector(np.zeros(p) if e is None else e, "e", p)
        self.c = as_vector(np.zeros(p) if c is None else c, "c", p)
        self.a = as_vector(np.zeros(d) if a is None else a, "a", d)
        self.rho = as_positive(rho, "rho", zero=True)
        self.name, self.point_shape, self.lower_dim = name, (d,), p
        self.response = np.linalg.solve(self.H, self.C)  # dy*/dx
        self.offset = np.linalg.solve(self.H, self.e)
        curvature = self.response.T @ self.response + self.rho * np.eye(d)
        spread = np.linalg.eigvalsh(curvature)
        if spread[0] <= 1e-12 * spread[-1]:
            raise ProblemError("F must be strongly convex: rho = 0 needs a C with independent columns")
        self.x_star = np.linalg.solve(curvature, self.response.T @ (self.c - self.offset) + self.rho * self.a)
        self.f_star = float(self.value(self.x_star))
        self.cross = float(np.linalg.norm(self.C, 2))
        self.declare(Smooth(float(spread[-1])), StronglyConvex(float(spread[0])), LowerBounded(),
                     StronglyConvexLower(float(eigenvalues[0]), float(eigenvalues[-1])))

    # --- what methods may use ---------------------------------------------------------------------------------
    def lower_start(self, x: Array) -> Array:
        """The default y: the origin, one a replicate of x."""
        return 0 * x[..., :1] + np.zeros(self.lower_dim)

    def lower_value(self, x: Array, y: Array) -> Array:
        return self.inner(y, y @ self.H / 2 - x @ self.C.T - self.e)

    def lower_grad(self, x: Array, y: Array) -> Array:
        return y @ self.H - x @ self.C.T - self.e

    def lower_grad_x(self, x: Array, y: Array) -> Array:
        return -(y @ self.C)

    def lower_hvp(self, x: Array, y: Array, v: Array) -> Array:
        return v @ self.H

    def lower_cross(self, x: Array, y: Array, v: Array) -> Array:
        """(d/dx grad_y g)' v, a vector of x's space."""
        return -(v @ self.C)

    def upper_value(self, x: Array, y: Array) -> Array:
        return self.sq(y - self.c) / 2 + self.rho / 2 * self.sq(x - self.a)

    def upper_grad(self, x: Array, y: Array) -> tuple[Array, Array]:
        """(grad_x f, grad_y f)."""
        return self.rho * (x - self.a), y - self.c

    def solve_lower(self, x: Array) -> Array:
        """y*(x)."""
        return x @ self.response.T + self.offset

    def solve_penalized(self, x: Array, penalty: float) -> Array:
        """argmin_y f(x, y) + penalty g(x, y)."""
        system = np.eye(self.lower_dim) + penalty * self.H
        return (self.c + penalty * (x @ self.C.T + self.e)) @ np.linalg.inv(system)

    # --- what measures speak of -------------------------------------------------------------------------------
    def value(self, x: Array) -> Array:
        """F(x) = f(x, y*(x))."""
        return self.upper_value(x, self.solve_lower(x))

    def grad(self, x: Array) -> Array:
        """The hypergradient."""
        return (self.solve_lower(x) - self.c) @ self.response + self.rho * (x - self.a)

    @property
    def value_scale(self) -> float:
        return float(self.L * self.sq(self.x_star) + self.sq(self.offset - self.c) + self.rho * self.sq(self.a))


class SingularBilevel(Problem):
    """Lower level g(x, y) = ||Cy - Bx||^2/2 with singular C'C, upper level f = sqrt(1 + ||y - c||^2) + ||x - a||^2/2.

    C (m, p), B (m, d), c (p,), a (d,). Points are z = (x, y). ``gap`` is p(z) = g - min_y g, ``growth`` the constant of
    p >= growth/2 dist(y, S(x))^2 (smallest nonzero eigenvalue of C'C), ``G`` = 1 the Lipschitz constant of f in y.
    ``f_star`` is the optimal value of the bilevel problem, ``least(penalty)`` the minimum of f + penalty p, and
    ``penalized_L(penalty)`` the smoothness of that function.
    """

    G = 1.0

    def __init__(self, C: Array, B: Array, c: Array, a: Array, *, name: str = ""):
        self.C, self.B = as_matrix(C, "C"), as_matrix(B, "B")
        m, p = self.C.shape
        d = self.B.shape[1]
        if self.B.shape[0] != m:
            raise ProblemError(f"B must have the {m} rows of C, got shape {tuple(self.B.shape)}")
        self.c, self.a = as_vector(c, "c", p), as_vector(a, "a", d)
        self.x_dim, self.point_shape, self.name = d, (d + p,), name
        U, s, Vt = np.linalg.svd(self.C)
        rank = int(np.sum(s > 1e-12 * s[0]))
        self.growth = float(s[rank - 1] ** 2)
        self.response = Vt[:rank].T @ np.diag(1 / s[:rank]) @ U[:, :rank].T @ self.B  # the least-norm y of S(x) is response x
        self.residual_map = np.hstack([-U[:, :rank] @ U[:, :rank].T @ self.B, self.C])  # p(z) = ||residual_map z||^2/2
        null = Vt[rank:].T
        self._feasible = np.block([[np.eye(d), np.zeros((d, p - rank))], [self.response, null]])
        T = self._feasible
        best = _newton(lambda w: self.upper_value(w @ T.T), lambda w: self.upper_grad(w @ T.T) @ T,
                       lambda w: T.T @ self._upper_hess(T @ w) @ T, np.zeros(T.shape[1]))
        self.x_star = T @ best
        self.f_star = float(self.upper_value(self.x_star))
        self._least: dict[float, Array] = {}
        self.declare(LowerGrowth(self.growth))

    def split(self, z: Array) -> tuple[Array, Array]:
        return z[..., : self.x_dim], z[..., self.x_dim :]

    def upper_value(self, z: Array) -> Array:
        x, y = self.split(z)
        return (1 + self.sq(y - self.c)) ** 0.5 + self.sq(x - self.a) / 2

    def upper_grad(self, z: Array) -> Array:
        x, y = self.split(z)
        u = y - self.c
        return np.concatenate([x - self.a, u / self.column((1 + self.sq(u)) ** 0.5)], axis=-1)

    def lower_grad(self, z: Array) -> Array:
        """Gradient of g in z."""
        x, y = self.split(z)
        return (y @ self.C.T - x @ self.B.T) @ np.hstack([-self.B, self.C])

    def solve_lower(self, z: Array) -> Array:
        """(x, y*) with y* the solution of least norm in S(x)."""
        x, _ = self.split(z)
        return np.concatenate([x, x @ self.response.T], axis=-1)

    def gap(self, z: Array) -> Array:
        """p(z) = g(x, y) - min g(x, .)."""
        return self.sq(z @ self.residual_map.T) / 2

    def lower_distance(self, z: Array) -> Array:
        """dist(y, S(x))."""
        return self.norm((z @ self.residual_map.T) @ np.linalg.pinv(self.C).T)

    def penalized_L(self, penalty: float) -> float:
        return 1 + penalty * float(np.linalg.norm(self.residual_map, 2) ** 2)

    def penalized_solution(self, penalty: float) -> Array:
        """argmin f + penalty p."""
        if penalty not in self._least:
            Q = penalty * self.residual_map.T @ self.residual_map
            self._least[penalty] = _newton(lambda z: self.upper_value(z) + z @ Q @ z / 2, lambda z: self.upper_grad(z) + Q @ z,
                                           lambda z: self._upper_hess(z) + Q, self.x_star)
        return self._least[penalty]

    def least(self, penalty: float) -> float:
        z = self.penalized_solution(penalty)
        return float(self.upper_value(z) + penalty * self.gap(z))

    def _upper_hess(self, z: Array) -> Array:
        u = z[self.x_dim :] - self.c
        s = (1 + u @ u) ** 0.5
        d = self.x_dim
        return np.block([[np.eye(d), np.zeros((d, len(u)))],
                         [np.zeros((len(u), d)), np.eye(len(u)) / s - np.outer(u, u) / s**3]])


def _newton(value: Any, grad: Any, hess: Any, x: Array) -> Array:
    """Minimizer of a smooth strictly convex function, to machine precision."""
    for _ in range(200):
        g = grad(x)
        n = np.linalg.solve(hess(x), g)
        t = 1.0
        while g @ n > 1e-18 and value(x - t * n) > value(x) - 0.25 * t * (g @ n) and t > 1e-8:
            t /= 2
        x = x - t * n
        if np.linalg.norm(t * n) <= 1e-15 * (1 + np.linalg.norm(x)):
            break
    return x


class NoisyBilevel(Wrapped):
    """The level gradients with additive Gaussian noise of total variance sigma^2, drawn from ``rng`` at every call.

    ``frozen``: one sample of the noise, the same at every point it is asked at.
    """

    def __init__(self, inner: Problem, rng: Any, upper: float = 0.0, lower: float = 0.0, *, frozen: bool = False):
        super().__init__(inner)
        self.rng, self.upper, self.lower = rng, upper, lower
        self.frozen, self.drawn = frozen, {}

    def noise(self, of: str, sigma: float, size: int) -> Array:
        if not sigma:
            return 0.0
        if not (self.frozen and of in self.drawn):
            self.drawn[of] = sigma / size**0.5 * self.rng.normal((size,))
        return self.drawn[of]

    def lower_grad(self, x: Array, y: Array) -> Array:
        return self.inner_problem.lower_grad(x, y) + self.noise("g_y", self.lower, self.lower_dim)

    def lower_grad_x(self, x: Array, y: Array) -> Array:
        return self.inner_problem.lower_grad_x(x, y) + self.noise("g_x", self.lower, self.dim)

    def upper_grad(self, x: Array, y: Array) -> tuple[Array, Array]:
        f_x, f_y = self.inner_problem.upper_grad(x, y)
        return f_x + self.noise("f_x", self.upper, self.dim), f_y + self.noise("f_y", self.upper, self.lower_dim)


class ScalarGame(BilinearGame):
    """min_x max_y x y, on which simultaneous play with any real momentum diverges."""

    def __init__(self, *, name: str = ""):
        super().__init__(np.eye(1), name=name)
        self.declare(UnitRotation())


def random_bilevel(seed: int, *, d: int = 4, p: int = 6, mu: float = 0.5, L: float = 2.0,
                   rho: float = 0.1) -> QuadraticBilevel:
    """A quadratic bilevel problem whose lower-level Hessian has spectrum mu .. L."""
    rng = np.random.default_rng(seed)
    H = spectrum(list(np.linspace(mu, L, p)), seed)
    return QuadraticBilevel((H + H.T) / 2, rng.standard_normal((p, d)) / p**0.5, rng.standard_normal(p),
                            rng.standard_normal(p), rng.standard_normal(d), rho, name=f"quadratic bilevel {seed}")


def targets_from_data(data: str = "diabetes", l2: float = 0.1, rho: float = 0.01) -> QuadraticBilevel:
    """Data cleaning by ridge: x are the targets of the training half, y the ridge weights they lead to.

    The upper level asks that these weights be near those of the validation half, and that targets stay near the
    recorded ones (weight rho).
    """
    scaled = load_data(data).standardized()
    t = (scaled.y - scaled.y.mean()) / scaled.y.std()
    n, d = scaled.X.shape[0] // 2, scaled.X.shape[1]
    train, check = scaled.X[:n], scaled.X[n:]
    goal = np.linalg.solve(check.T @ check / len(check) + l2 * np.eye(d), check.T @ t[n:] / len(check))
    return QuadraticBilevel(train.T @ train / n + l2 * np.eye(d), train.T / n**0.5, c=goal, a=t[:n] / n**0.5, rho=rho,
                            name=f"target cleaning ({scaled.name})")


@entry
def scalar_game() -> Problem:
    return ScalarGame()


@entry
def singular_bilevel() -> Problem:
    rng = np.random.default_rng(8)
    C = rng.standard_normal((4, 3)) @ rng.standard_normal((3, 6)) / 2
    return SingularBilevel(C, rng.standard_normal((4, 2)), 2 * rng.standard_normal(6), 2 * rng.standard_normal(2))


@entry
def quadratic_bilevel() -> Problem:
    return random_bilevel(0)


@entry
def diabetes_target_cleaning() -> Problem:
    return targets_from_data()
