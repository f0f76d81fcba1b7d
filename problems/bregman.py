"""Problems that are smooth relative to a kernel h: no global Lipschitz constant, but steps of h in closed form.

D_h(x, y) = h(x) - h(y) - <grad h(y), x - y>. Sources: Bauschke, Bolte, Teboulle 2017; Lu, Freund, Nesterov 2018.
"""

from __future__ import annotations

import numpy as np
from array_api_compat import array_namespace

from .assumptions import Convex, LowerBounded, RelativelySmooth, SmoothPart, StronglyConvexKernel
from .base import Array, Problem, Wrapped, as_matrix, as_positive, as_vector
from .errors import ProblemError
from .pool import entry, spectrum
from .quadratic import like, to_numpy


def quartic_root(c: float, eigenvalues: Array, u: Array) -> Array:
    """t = c ||x||^2 for the minimizer x = u / (eigenvalues + t) of c/4 ||x||^4 + x'diag(eigenvalues)x/2 - u'x, (..., 1).

    The root above max(0, -smallest eigenvalue) of t = c sum u^2/(eigenvalues + t)^2: halvings, then Newton's steps.
    """
    xp = array_namespace(u)
    squares = c * u**2
    cube = xp.sum(squares, axis=-1, keepdims=True) ** (1 / 3)
    low = 0 * cube + max(0.0, -float(xp.min(eigenvalues)))
    high = low + cube
    for _ in range(60):
        middle = (low + high) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            above = xp.sum(squares / (eigenvalues + middle) ** 2, axis=-1, keepdims=True) > middle
        low, high = xp.where(above, middle, low), xp.where(above, high, middle)
    return (low + high) / 2


class Quartic(Problem):
    """f(x) = c/4 ||x||^4 + x'Bx/2 - q'x, c > 0, B symmetric; kernel h(x) = ||x||^4/4 + ||x||^2/2.

    Relatively smooth with L_h = max(c, ||B||): at x = 0 and far away both are met. Convex exactly when B is positive
    semidefinite; otherwise x_star is one global minimizer, at which B + c ||x||^2 I is positive semidefinite.
    With c = 1, q = 0 and B = -M this is the rank-one approximation ||xx' - M||^2/4 (without its constant).
    """

    def __init__(self, B: Array, q: Array, c: float = 1.0, *, name: str = ""):
        self.B = as_matrix(B, "B")
        d = self.B.shape[0]
        host = to_numpy(self.B)
        if host.shape != (d, d) or np.abs(host - host.T).max() > 1e-12 * (1 + np.abs(host).max()):
            raise ProblemError("B must be a symmetric matrix")
        self.q, self.c, self.point_shape, self.name = as_vector(q, "q", d), as_positive(c, "c"), (d,), name
        eigenvalues, V = np.linalg.eigh(host)
        self.eigenvalues, self.V = like(eigenvalues, self.B), like(V, self.B)
        u = to_numpy(self.q) @ V
        if np.any(u):
            t = quartic_root(self.c, eigenvalues, u)
            if not t + eigenvalues[0] > 1e-9 * (1 + abs(eigenvalues[0])):
                raise ProblemError("q must not be orthogonal to the lowest eigenvectors of B (the hard case)")
            solution = V @ (u / (eigenvalues + t))
        else:
            solution = V[:, 0] * np.sqrt(max(0.0, -eigenvalues[0]) / self.c)
        self.x_star = like(solution, self.B)
        self.f_star = float(self.value(self.x_star))
        self.declare(RelativelySmooth(max(self.c, float(np.abs(eigenvalues).max()))), LowerBounded())
        if eigenvalues[0] >= 0:
            self.declare(Convex())

    def value(self, x: Array) -> Array:
        return self.c / 4 * self.sq(x) ** 2 + self.inner(x, x @ self.B) / 2 - self.inner(x, self.q)

    def grad(self, x: Array) -> Array:
        return self.c * self.column(self.sq(x)) * x + x @ self.B - self.q

    def hess(self, x: Array) -> Array:
        eye = like(np.eye(self.point_shape[0]), self.B)
        return self.c * (self.sq(x)[..., None, None] * eye + 2 * x[..., None] * x[..., None, :]) + self.B

    def divergence(self, x: Array, y: Array) -> Array:
        """D_h(x, y), written without cancellation."""
        apart = self.inner(x - y, x + y)  # ||x||^2 - ||y||^2
        return apart**2 / 4 + (self.sq(y) + 1) / 2 * self.sq(x - y)

    def mirror(self, x: Array, g: Array) -> Array:
        """argmin_s <g, s> + D_h(s, x): (||s||^2 + 1) s = grad h(x) - g, whose length solves r^3 + r = ||.||."""
        p = (self.column(self.sq(x)) + 1) * x - g
        xp = array_namespace(p)
        r = 2 / np.sqrt(3) * xp.sinh(xp.asinh(1.5 * np.sqrt(3) * self.norm(p)) / 3)
        return p / self.column(r**2 + 1)

    def bregman_prox(self, x: Array, step: float) -> Array:
        """argmin_s f(s) + D_h(s, x) / step, f convex: a quartic again."""
        u = (self.q + (self.column(self.sq(x)) + 1) * x / step) @ self.V
        eigenvalues = self.eigenvalues + 1 / step
        return u / (eigenvalues + quartic_root(self.c + 1 / step, eigenvalues, u)) @ self.V.T

    @property
    def x0(self) -> Array:
        """The origin, or off it where that is stationary."""
        return 0 * self.q + float(not to_numpy(self.q).any())

    @property
    def value_scale(self) -> float:
        size = float(self.sq(self.x_star))
        return self.L_h * (size**2 + size)


class PoissonRegression(Problem):
    """f(x) = KL(b, Ax) = sum_i b_i log(b_i / (Ax)_i) + (Ax)_i - b_i over x > 0; kernel h(x) = -sum log x_j (Burg).

    A >= 0 with a positive column, b > 0: L_h = sum b, approached at the vertex of that column. Its gradient is not Lipschitz
    near the boundary. The minimum must be inside (x_star > 0, else ProblemError). Source: Bauschke, Bolte, Teboulle 2017, Sec 5.
    """

    def __init__(self, A: Array, b: Array, *, name: str = ""):
        self.A = as_matrix(A, "A")
        n, d = self.A.shape
        self.b, self.point_shape, self.name = as_vector(b, "b", n), (d,), name
        host, counts = to_numpy(self.A), to_numpy(self.b)
        if host.min() < 0 or not (host > 0).all(axis=0).any() or counts.min() <= 0:
            raise ProblemError("A must be nonnegative with a positive column, and b positive")
        self.declare(Convex(), LowerBounded(), RelativelySmooth(float(counts.sum())))
        x = np.full(d, counts.sum() / host.sum())
        for _ in range(200):  # Newton's method, damped so that it stays inside
            z = host @ x
            g, H = (1 - counts / z) @ host, host.T @ (host * (counts / z**2)[:, None])
            move = np.linalg.lstsq(H, -g)[0]
            share = np.max(np.abs(move) / x)
            x = x + move / (1 + share)
            if share < 1e-15 or x.min() < 1e-9 * x.max():
                break
        if np.linalg.matrix_rank(host) < d or x.min() < 1e-9 * x.max() or np.max(np.abs(g) * x) > 1e-9 * counts.sum():
            raise ProblemError("A and b must have their minimum inside x > 0 (and A independent columns)")
        self.x_star, self.f_star = like(x, self.A), 0.0
        self.f_star = float(self.value(self.x_star))

    def value(self, x: Array) -> Array:
        xp = array_namespace(x)
        t = (x @ self.A.T - self.b) / self.b
        with np.errstate(invalid="ignore", divide="ignore"):
            terms = xp.sum(self.b * (t - xp.log1p(t)), axis=-1)
        return xp.where(xp.all(x > 0, axis=-1), terms, np.inf)

    def grad(self, x: Array) -> Array:
        return (1 - self.b / (x @ self.A.T)) @ self.A

    def hess(self, x: Array) -> Array:
        return (self.A.T * (self.b / (x @ self.A.T) ** 2)[..., None, :]) @ self.A

    def divergence(self, x: Array, y: Array) -> Array:
        """D_h(x, y) = sum_j x_j/y_j - 1 - log(x_j/y_j)."""
        xp = array_namespace(x, y)
        t = (x - y) / y
        return xp.sum(t - xp.log1p(t), axis=-1)

    def mirror(self, x: Array, g: Array) -> Array:
        """argmin_s <g, s> + D_h(s, x) over s > 0: 1/s = 1/x + g (no minimum where that is not positive: infinite)."""
        xp = array_namespace(x, g)
        shrink = 1 + x * g
        return xp.where(shrink > 0, x / xp.where(shrink > 0, shrink, 1.0), np.inf)

    def into_domain(self, x: Array) -> Array:
        """A point with x > 0 for any given one."""
        return abs(x) + 1e-3

    @property
    def value_scale(self) -> float:
        return float(np.sum(to_numpy(self.b)))

    @property
    def x0(self) -> Array:
        return 0 * self.x_star + float(np.sum(to_numpy(self.b)) / np.sum(to_numpy(self.A)))

    def starts(self, n: int, seed: int = 0) -> Array:
        """``x0`` times lognormal factors that spread."""
        noise = np.random.default_rng(seed).standard_normal((n, *self.point_shape))
        return self.x0 * np.exp(np.linspace(0, 1.5, n)[:, None] * noise)


class Euclidean(Wrapped):
    """A problem on a closed convex set (``project``) with the kernel ||x||^2/2: ``mirror`` is a projected gradient step."""

    def __init__(self, inner: Problem):
        super().__init__(inner)
        self.declare(StronglyConvexKernel(1.0), *([RelativelySmooth(inner.L)] if inner.meets(SmoothPart) else []))
        self.name = f"{inner}, Euclidean kernel"

    def divergence(self, x: Array, y: Array) -> Array:
        return self.sq(x - y) / 2

    def mirror(self, x: Array, g: Array) -> Array:
        return self.inner_problem.project(x - g)


@entry
def convex_quartic() -> Problem:
    B = spectrum([0.0, 0.1, 0.5, 1.0, 2.0], 31)
    return Quartic((B + B.T) / 2 + 1e-12 * np.eye(5), np.random.default_rng(31).standard_normal(5))


@entry
def steep_quartic() -> Problem:
    """Hardly any quadratic part: near the solution 0 f is flat."""
    return Quartic(1e-3 * np.eye(3), np.zeros(3), 2.0)


@entry
def rank_one_approximation() -> Problem:
    """||xx' - M||^2/4 for M of eigenvalues 2, 1, 0.5, -1."""
    M = spectrum([-1.0, 0.5, 1.0, 2.0], 32)
    return Quartic(-(M + M.T) / 2, np.zeros(4))


@entry
def tilted_quartic() -> Problem:
    B = spectrum([-3.0, -1.0, 0.5, 2.0], 33)
    return Quartic((B + B.T) / 2, np.array([0.3, -0.2, 0.1, 0.4]), 0.5)


@entry
def poisson_counts() -> Problem:
    """Counts of a blurred source of six cells in twenty bins."""
    rng = np.random.default_rng(34)
    A = np.exp(-((np.linspace(0, 5, 20)[:, None] - np.arange(6)) ** 2) / 1.5)
    truth = rng.uniform(10, 60, 6)
    return PoissonRegression(A, np.maximum(rng.poisson(A @ truth), 1) * 1.0)
