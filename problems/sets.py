"""Convex sets, smooth problems on them, and nonsmooth ones with exact Lipschitz constants."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
from array_api_compat import array_namespace

from .assumptions import (
    BoundedMoment,
    Compact,
    Convex,
    Lipschitz,
    LipschitzMirror,
    QuadraticForm,
    StronglyConvexPart,
)
from .base import Array, Problem, as_matrix, as_positive, as_vector
from .composite import EPS, Composite, fixed_point
from .errors import ProblemError
from .glm import LogisticRegression
from .pool import entry, spectrum
from .prox import (
    kl_prox_simplex,
    lmo_ball,
    lmo_box,
    lmo_l1_ball,
    lmo_simplex,
    project_ball,
    project_box,
    project_l1_ball,
    project_simplex,
)
from .quadratic import Quadratic, like, to_numpy


class Polyhedron(NamedTuple):
    """{offset + E w : w >= 0 (free if ``free``), A w <= b (= b if ``equality``)}."""

    offset: np.ndarray
    E: np.ndarray
    A: np.ndarray
    b: np.ndarray
    equality: bool = False
    free: bool = False


class Set:
    """A closed convex set of R^d; as a regularizer it is its indicator, whose prox is the projection.

    ``diameter`` and ``reach`` = max ||x||, infinite where unbounded; ``diameter_l1`` in the l1 norm; ``center``, a start.
    """

    d: int
    diameter: float = np.inf
    diameter_l1: float = np.inf
    reach: float = np.inf
    polyhedron: Polyhedron | None = None

    def project(self, v: Array) -> Array:
        return v

    def prox_jacobian(self, v: np.ndarray, step: float = 1.0) -> np.ndarray:
        return np.eye(self.d)

    @property
    def center(self) -> np.ndarray:
        return np.zeros(self.d)

    def value(self, x: Array) -> Array:
        """0 in the set (up to rounding), infinite outside."""
        xp = array_namespace(x)
        off = xp.linalg.vector_norm(x - self.project(x), axis=-1)
        return xp.where(off <= 1e-9 * (1 + xp.linalg.vector_norm(x, axis=-1)), 0.0, np.inf)

    def prox(self, v: Array, step: float) -> Array:
        return self.project(v)

    def image_norm(self, M: np.ndarray) -> float:
        """max ||M'u|| over u in the set."""
        raise ProblemError(f"{self} has no bounded image, and a bounded set is wanted")

    def __str__(self) -> str:
        return f"{type(self).__name__}({self.d})"


class Space(Set):
    """R^d itself."""

    def __init__(self, d: int):
        self.d = d
        self.polyhedron = Polyhedron(np.zeros(d), np.eye(d), np.zeros((0, d)), np.zeros(0), free=True)


class Simplex(Set):
    """{x >= 0, sum x = radius}; ``mirror`` is the entropy's step, 1/radius-strongly convex in the l1 norm."""

    def __init__(self, d: int, radius: float = 1.0):
        self.d, self.radius = d, as_positive(radius, "radius")
        self.diameter = np.sqrt(2) * self.radius if d > 1 else 0.0
        self.diameter_l1 = 2 * self.radius if d > 1 else 0.0
        self.reach = self.radius
        self.polyhedron = Polyhedron(np.zeros(d), np.eye(d), np.ones((1, d)), np.array([self.radius]), equality=True)

    @property
    def center(self) -> np.ndarray:
        return np.full(self.d, self.radius / self.d)

    def project(self, v: Array) -> Array:
        return project_simplex(v, self.radius)

    def lmo(self, g: Array) -> Array:
        return lmo_simplex(g, self.radius)

    def mirror(self, x: Array, g: Array) -> Array:
        """argmin_s <g, s> + sum_i s_i log(s_i / x_i)."""
        return self.radius * kl_prox_simplex(x, g)

    def prox_jacobian(self, v: np.ndarray, step: float = 1.0) -> np.ndarray:
        s = (project_simplex(v, self.radius) > 0) * 1.0
        return np.diag(s) - np.outer(s, s) / s.sum()

    def image_norm(self, M: np.ndarray) -> float:
        return self.radius * float(np.linalg.norm(M, axis=1).max())


class Box(Set):
    """{lo <= x <= hi}, lo and hi vectors (d,), possibly infinite."""

    def __init__(self, lo: Array, hi: Array):
        self.lo, self.hi = np.asarray(lo, dtype=float), np.asarray(hi, dtype=float)
        if self.lo.ndim != 1 or self.lo.shape != self.hi.shape or not (self.lo <= self.hi).all():
            raise ProblemError(f"lo and hi must be vectors of one length with lo <= hi, got {lo!r} and {hi!r}")
        self.d = self.lo.size
        width = self.hi - self.lo
        self.diameter, self.diameter_l1 = float(np.linalg.norm(width)), float(width.sum())
        self.reach = float(np.linalg.norm(np.maximum(np.abs(self.lo), np.abs(self.hi))))
        if np.isfinite(self.diameter):
            self.lmo = self._lmo
            self.polyhedron = Polyhedron(self.lo, np.eye(self.d), np.eye(self.d), width)

    @property
    def center(self) -> np.ndarray:
        return (self.lo + self.hi) / 2 if np.isfinite(self.diameter) else np.clip(np.zeros(self.d), self.lo, self.hi)

    def project(self, v: Array) -> Array:
        return project_box(v, like(self.lo, v), like(self.hi, v))

    def _lmo(self, g: Array) -> Array:
        return lmo_box(g, like(self.lo, g), like(self.hi, g))

    def prox_jacobian(self, v: np.ndarray, step: float = 1.0) -> np.ndarray:
        return np.diag(((v > self.lo) & (v < self.hi)) * 1.0)

    def image_norm(self, M: np.ndarray) -> float:
        """Exact up to 12 rows, by going through the vertices; above, the triangle inequality."""
        if self.d > 12:
            return float(np.maximum(np.abs(self.lo), np.abs(self.hi)) @ np.linalg.norm(M, axis=1))
        vertices = np.array(list(product(*zip(self.lo, self.hi, strict=True))))
        return float(np.linalg.norm(vertices @ M, axis=1).max())


class Ball(Set):
    """{||x|| <= radius}."""

    def __init__(self, d: int, radius: float = 1.0):
        self.d, self.radius = d, as_positive(radius, "radius")
        self.diameter, self.reach = 2 * self.radius, self.radius
        self.diameter_l1 = 2 * self.radius * np.sqrt(d)

    def project(self, v: Array) -> Array:
        return project_ball(v, self.radius)

    def lmo(self, g: Array) -> Array:
        return lmo_ball(g, self.radius)

    def prox_jacobian(self, v: np.ndarray, step: float = 1.0) -> np.ndarray:
        norm = np.linalg.norm(v)
        if norm <= self.radius:
            return np.eye(self.d)
        return self.radius / norm * (np.eye(self.d) - np.outer(v, v) / norm**2)

    def image_norm(self, M: np.ndarray) -> float:
        return self.radius * float(np.linalg.norm(M, 2))


class L1Ball(Set):
    """{||x||_1 <= radius}."""

    def __init__(self, d: int, radius: float = 1.0):
        self.d, self.radius = d, as_positive(radius, "radius")
        self.diameter = self.diameter_l1 = 2 * self.radius
        self.reach = self.radius
        E = np.hstack([np.eye(d), -np.eye(d)])
        self.polyhedron = Polyhedron(np.zeros(d), E, np.ones((1, 2 * d)), np.array([self.radius]))

    def project(self, v: Array) -> Array:
        return project_l1_ball(v, self.radius)

    def lmo(self, g: Array) -> Array:
        return lmo_l1_ball(g, self.radius)

    def prox_jacobian(self, v: np.ndarray, step: float = 1.0) -> np.ndarray:
        if np.abs(v).sum() <= self.radius:
            return np.eye(self.d)
        s = np.sign(project_l1_ball(v, self.radius))
        return np.diag(s * s) - np.outer(s, s) / (s * s).sum()

    def image_norm(self, M: np.ndarray) -> float:
        return self.radius * float(np.linalg.norm(M, axis=1).max())


class OnSet(Problem):
    """Mix-in: a problem on ``domain``, whose projection, linear minimization and mirror step are the problem's."""

    def _place(self, domain: Set) -> None:
        if (domain.d,) != self.point_shape:
            raise ProblemError(f"the set must lie in the problem's space of shape {self.point_shape}, got {domain}")
        self.domain = domain
        for oracle in ("lmo", "mirror"):
            if hasattr(domain, oracle):
                setattr(self, oracle, getattr(domain, oracle))
        if np.isfinite(domain.diameter):
            self.declare(Compact(float(domain.diameter)))
            self.D_l1 = float(domain.diameter_l1)
        if hasattr(domain, "mirror"):
            self.start_quantities = {"R_entropy": entropy_radius}

    def project(self, v: Array) -> Array:
        return self.domain.project(v)

    @property
    def x0(self) -> Array:
        """The centre of the set (of the simplex: the uniform point), or off it when it is the solution."""
        start = self.domain.center
        if self.x_star is not None and np.allclose(to_numpy(self.x_star), start, atol=1e-6 * (1 + np.abs(start).max())):
            start = to_numpy(self.domain.project(start + np.arange(1.0, self.domain.d + 1) / self.domain.d))
        return start if self.x_star is None else like(start, self.x_star)


def entropy_radius(problem: Problem, x: Array) -> Array:
    """sqrt(max_s D(s, x)) of the entropy over the unit simplex, sqrt(log d) from the uniform point."""
    xp = array_namespace(x)
    return xp.sqrt(-xp.log(xp.min(x, axis=-1)))


class Constrained(OnSet, Composite):
    """min f over a set: ``grad`` of f, ``project`` and ``lmo`` of the set; ``prox`` is the projection.

    ``L_l1`` (for quadratics) is the smoothness constant in the l1 norm, max |A_ij|, and ``D_l1`` the diameter in it.
    """

    def __init__(self, smooth: Problem, domain: Set, *, name: str = ""):
        self.point_shape = smooth.point_shape
        self._place(domain)
        super().__init__(smooth, domain, name=name or f"{smooth} on {domain}")
        if smooth.meets(QuadraticForm):
            self.L_l1 = float(np.abs(to_numpy(smooth.hess(self.x_star))).max())

    @property
    def _first(self) -> np.ndarray:
        return self.domain.center

    def fw_gap(self, x: Array) -> Array:
        """max_s <grad f(x), x - s> over the set: never below f(x) - f*, zero at the solution."""
        g = self.grad(x)
        return self.inner(g, x - self.lmo(g))


class MaxLinear(OnSet):
    """f(x) = max_{u in over} u'(Mx + c) + mu/2 ||x||^2 on ``domain``: nonsmooth, with exact constants.

    ``over`` = Simplex(n): the largest of n affine functions; L1Ball(n): ||Mx + c||_inf; Box(-1/n, 1/n): the mean of
    |m_i'x + c_i|; Box(0, 1/n): the mean of their positive parts (hinge loss). ``grad`` is the subgradient at the
    ``u`` that the set's linear minimization oracle returns. ``G`` = max over u of ||M'u||, plus mu times the
    domain's radius. Solved by linear programming (mu = 0, polyhedral domain) or by its dual on ``over`` (mu > 0, with
    the minimizer inside the domain). Over a box the sum has n terms: ``component_grad``, ``stochastic_grad``, and
    ``B`` with mean ||component_grad||^2 <= B^2.
    """

    def __init__(self, M: Array, c: Array, *, over: Set, domain: Set, mu: float = 0.0, name: str = ""):
        self.M = as_matrix(M, "M")
        self.c = as_vector(c, "c", self.M.shape[0])
        self.over, self.strong = over, as_positive(mu, "mu", zero=True)
        self.point_shape = (self.M.shape[1],)
        self.name = name or f"max-linear over {over} on {domain}"
        if (over.d,) != self.c.shape or not np.isfinite(over.reach):
            raise ProblemError(f"over must be a bounded set of R^{self.c.shape[0]}, got {over}")
        self._place(domain)
        if self.strong and not np.isfinite(domain.reach):
            raise ProblemError("a bounded domain is wanted with mu > 0, or the subgradients are unbounded")
        host = to_numpy(self.M)
        inner = over.image_norm(host)
        pull = self.strong * domain.reach if self.strong else 0.0
        self.declare(Convex(), Lipschitz(float(inner + pull)))
        if self.strong:
            self.declare(StronglyConvexPart(self.strong))
        elif isinstance(domain, Simplex) and domain.radius == 1:
            ends = [to_numpy(self._support(sign * self.M.T)).max() for sign in (1, -1)]
            self.declare(LipschitzMirror(1.0, float(max(ends))))
        if isinstance(over, Box):
            self.n = over.d
            weights = self.n * np.maximum(np.abs(over.lo), np.abs(over.hi))
            square = float(np.mean(weights**2 * np.sum(host**2, axis=1)))
            self.declare(BoundedMoment(float(np.sqrt(square + 2 * pull * inner + pull**2))))
            self.component_grad, self.stochastic_grad = self._component_grad, self._stochastic_grad
        self._solve()

    def _choice(self, r: Array) -> Array:
        return self.over.lmo(-r)

    def _support(self, r: Array) -> Array:
        return array_namespace(r).sum(self._choice(r) * r, axis=-1)

    def value(self, x: Array) -> Array:
        return self._support(x @ self.M.T + self.c) + self.strong / 2 * self.sq(x)

    def grad(self, x: Array) -> Array:
        return self._choice(x @ self.M.T + self.c) @ self.M + self.strong * x

    def _component_grad(self, x: Array, i: Array) -> Array:
        """A subgradient of term i (of the mean of n), i an integer array over the replicates."""
        a = self.M[i]
        up = (self.inner(a, x) + self.c[i] >= 0)[..., None]
        slope = array_namespace(x).where(up, like(self.over.hi, x)[i][..., None], like(self.over.lo, x)[i][..., None])
        return self.n * slope * a + self.strong * x

    def _stochastic_grad(self, x: Array, rng: object) -> Array:
        """A subgradient of one term drawn uniformly."""
        return self._component_grad(x, rng.index(self.n))

    def _solve(self) -> None:
        M, c = to_numpy(self.M), to_numpy(self.c)
        x = self._by_duality(M, c) if self.strong else self._by_linear_program(M, c)
        self.x_star = like(x, self.M)
        self.f_star = float(self.value(self.x_star))

    def _by_duality(self, M: np.ndarray, c: np.ndarray) -> np.ndarray:
        """x* = -M'u/mu, where u minimizes ||M'u||^2/(2 mu) - c'u over ``over``."""
        hessian = M @ M.T / self.strong
        step = 1 / float(np.linalg.norm(hessian, 2))
        u, residual, inverse = fixed_point(
            lambda u: hessian @ u - c, lambda u: hessian, lambda v: to_numpy(self.over.project(v)),
            self.over.prox_jacobian, step, self.over.center)
        x = -M.T @ u / self.strong
        if np.linalg.norm(x - to_numpy(self.domain.project(x))) > 1e-12 * (1 + np.linalg.norm(x)):
            raise ProblemError(f"the domain must hold the minimizer, of norm {np.linalg.norm(x):.3g}, got {self.domain}")
        self.x_star_error = float(np.linalg.norm(M, 2)) / self.strong * residual * inverse
        return to_numpy(self.domain.project(x))

    def _by_linear_program(self, M: np.ndarray, c: np.ndarray) -> np.ndarray:
        """min over x = o + E z of max over u: the inner maximum is replaced by its dual, s' b with A's >= E_u'(Mx + c)."""
        from scipy.optimize import linprog

        X, U = self.domain.polyhedron, self.over.polyhedron
        if X is None or U is None:
            raise ProblemError(f"polyhedral sets are wanted with mu = 0, got {self.over} and {self.domain}")
        MX, at = M @ X.E, M @ X.offset + c
        cost = np.concatenate([MX.T @ U.offset, U.b])
        rows = np.hstack([U.E.T @ MX, -U.A.T])
        right = -U.E.T @ at
        own = np.hstack([X.A, np.zeros((len(X.b), len(U.b)))])
        bounds = [(None, None) if X.free else (0, None)] * X.E.shape[1] \
            + [(None, None) if U.equality else (0, None)] * len(U.b)
        if X.equality:
            out = linprog(cost, rows, right, own, X.b, bounds=bounds, method="highs-ds")
        else:
            out = linprog(cost, np.vstack([rows, own]), np.concatenate([right, X.b]), bounds=bounds, method="highs-ds")
        if out.status != 0:
            raise ProblemError(f"the problem must have a minimizer, and the linear program says: {out.message}")
        self.x_star_error = 1e3 * EPS * (1 + float(np.linalg.norm(out.x)))
        return to_numpy(self.domain.project(X.offset + X.E @ out.x[:X.E.shape[1]]))


class Resisting(MaxLinear):
    """gamma max_i x_i + mu/2 ||x||^2 on the ball of given radius: the oracle that names the first largest coordinate.

    From the origin every subgradient method uncovers one coordinate an oracle call and stays at values >= 0 for n
    calls (Nemirovski, Yudin 1983; Bubeck 2015, Thm 3.13). ``helpful`` averages over the largest coordinates instead,
    as an oracle that does not resist.
    """

    def __init__(self, n: int, gamma: float, radius: float, mu: float = 0.0, *, helpful: bool = False):
        self.gamma, self.helpful = as_positive(gamma, "gamma"), helpful
        super().__init__(self.gamma * np.eye(n), np.zeros(n), over=Simplex(n), domain=Ball(n, radius), mu=mu,
                         name=f"resisting oracle ({n})" + (" made helpful" if helpful else ""))

    @classmethod
    def hardest(cls, n: int, G: float, R: float) -> Resisting:
        """The convex G-Lipschitz instance of Bubeck's Thm 3.13: min f = -R G / (2 (1 + sqrt n)) at distance R."""
        root = np.sqrt(n)
        return cls(n, G * root / (1 + root), R, G / (R * (1 + root)))

    @classmethod
    def hardest_strongly_convex(cls, n: int, G: float, mu: float) -> Resisting:
        """The strongly convex one: min f = -G^2 / (8 mu n)."""
        return cls(n, G / 2, G / (2 * mu), mu)

    def made_helpful(self) -> Resisting:
        return Resisting(self.point_shape[0], self.gamma, self.domain.radius, self.strong, helpful=True)

    def grad(self, x: Array) -> Array:
        if not self.helpful:
            return super().grad(x)
        xp = array_namespace(x)
        ties = xp.astype(x >= xp.max(x, axis=-1, keepdims=True), x.dtype)
        return self.gamma * ties / xp.sum(ties, axis=-1, keepdims=True) + self.strong * x

    def _solve(self) -> None:
        n, radius = self.point_shape[0], self.domain.radius
        height = min(self.gamma / (self.strong * n), radius / np.sqrt(n)) if self.strong else radius / np.sqrt(n)
        self.x_star = np.full(n, -height)
        self.f_star = float(-self.gamma * height + self.strong / 2 * n * height**2)

    @property
    def x0(self) -> Array:
        return np.zeros(self.point_shape)


@entry
def simplex_quadratic() -> Problem:
    A = spectrum(list(np.geomspace(0.1, 3.0, 8)), 3)
    return Constrained(Quadratic((A + A.T) / 2, 0.5 * np.random.default_rng(3).standard_normal(8)), Simplex(8))


@entry
def box_quadratic() -> Problem:
    A = spectrum(list(np.geomspace(0.05, 2.0, 6)), 4)
    return Constrained(Quadratic((A + A.T) / 2, np.random.default_rng(4).standard_normal(6)), Box(-np.ones(6), np.ones(6)))


@entry
def l1_ball_logistic() -> Problem:
    return Constrained(LogisticRegression.from_data("breast_cancer", l2=1e-2), L1Ball(30, 2.0))


@entry
def ball_quadratic() -> Problem:
    A = spectrum([0, 0.2, 0.5, 1.0, 2.0], 5)
    A = (A + A.T) / 2
    return Constrained(Quadratic(A, A @ np.array([3.0, -1.0, 2.0, 0.0, 1.0])), Ball(5))


def _affine(n: int, d: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal(n)


@cache
def max_affine_on_simplex() -> Problem:
    return MaxLinear(*_affine(12, 6, 21), over=Simplex(12), domain=Simplex(6))


@cache
def uniform_norm_on_box() -> Problem:
    return MaxLinear(*_affine(10, 5, 22), over=L1Ball(10), domain=Box(-np.ones(5), np.ones(5)))


@cache
def mean_absolute_on_l1_ball() -> Problem:
    return MaxLinear(*_affine(10, 4, 23), over=Box(-np.full(10, 0.1), np.full(10, 0.1)), domain=L1Ball(4, 1.0))


@cache
def hinge_on_ball() -> Problem:
    M, _ = _affine(10, 4, 24)
    return MaxLinear(M, np.ones(10), over=Box(np.zeros(10), np.full(10, 0.1)), domain=Ball(4, 2.0), mu=0.5)


@cache
def max_affine_strongly_convex() -> Problem:
    return MaxLinear(*_affine(6, 4, 25), over=Simplex(6), domain=Ball(4, 3.0), mu=1.0)
