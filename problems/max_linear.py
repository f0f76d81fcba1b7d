"""Nonsmooth problems on sets: maxima of linear functions, with exact Lipschitz constants, and resisting oracles."""

from __future__ import annotations

from functools import cache

import numpy as np
from array_api_compat import array_namespace

from .assumptions import BoundedMoment, Convex, Lipschitz, LipschitzMirror, StronglyConvexPart
from .base import Array, Problem, as_matrix, as_positive, as_vector
from .composite import EPS, fixed_point
from .errors import ProblemError
from .quadratic import like, to_numpy
from .sets import Ball, Box, L1Ball, OnSet, Set, Simplex, Space


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
        norm = np.linalg.norm(x)
        if np.linalg.norm(x - to_numpy(self.domain.project(x))) > 1e-12 * (1 + norm):
            raise ProblemError(f"the domain must hold the minimizer, of norm {norm:.3g}, got {self.domain}")
        self.x_star_error = float(np.linalg.norm(M, 2)) / self.strong * residual * inverse
        return to_numpy(self.domain.project(x))

    def _by_linear_program(self, M: np.ndarray, c: np.ndarray) -> np.ndarray:
        """min over x of max over u, the inner maximum replaced by its dual: s'b with A's >= E'(Mx + c)."""
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


# --- instances: not in the pool, whose unconstrained subgradient methods would leave their sets ----------------
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
def mean_absolute() -> Problem:
    return MaxLinear(*_affine(10, 4, 23), over=Box(-np.full(10, 0.1), np.full(10, 0.1)), domain=Space(4))


@cache
def absolute_value() -> Problem:
    """|x| on [-1, 1], from 1: steps that are too short are seen."""
    return MaxLinear([[1.0]], [0.0], over=Box([-1.0], [1.0]), domain=Box([-1.0], [1.0]), name="|x| on [-1, 1]")


@cache
def one_good_arm() -> Problem:
    """The linear function x_2 + ... + x_d on the simplex: one vertex is best."""
    return MaxLinear([[0.0, 1, 1, 1, 1, 1]], [0.0], over=Simplex(1), domain=Simplex(6), name="one good arm of 6")


@cache
def hinge_on_ball() -> Problem:
    M, _ = _affine(10, 4, 24)
    return MaxLinear(M, np.ones(10), over=Box(np.zeros(10), np.full(10, 0.1)), domain=Ball(4, 2.0), mu=0.5)


@cache
def max_affine_strongly_convex() -> Problem:
    return MaxLinear(*_affine(6, 4, 25), over=Simplex(6), domain=Ball(4, 3.0), mu=1.0)
