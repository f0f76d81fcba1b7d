"""Convex functions on small polytopes known by their vertices, with the constants that cutting-plane theorems ask for."""

from __future__ import annotations

import numpy as np

from .assumptions import Convex, InsidePolytope, Lipschitz
from .base import Array, Problem, as_matrix, as_vector
from .errors import ProblemError
from .hard import as_count
from .max_linear import MaxLinear
from .sets import Box, Simplex


def centroid(vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The centre of gravity (n,) of the convex hull of points (m, n), and those points that are vertices of it.

    The points are first made round (their covariance the identity), so that thin polytopes lose no digits.
    """
    from scipy.spatial import ConvexHull, Delaunay

    points = np.asarray(vertices, dtype=float)
    middle = points.mean(axis=0)
    _, s, Vt = np.linalg.svd((points - middle) / np.sqrt(len(points)), full_matrices=False)
    if points.shape[0] <= points.shape[1] or s[-1] <= 1e-14 * s[0]:
        raise ProblemError(f"vertices must span the space, got {points.shape[0]} points of R^{points.shape[1]} in a flat")
    round_points = (points - middle) @ Vt.T / s
    if points.shape[1] == 1:
        ends = [int(np.argmin(round_points)), int(np.argmax(round_points))]
        return points[ends].mean(axis=0), points[ends]
    corners = round_points[Delaunay(round_points).simplices]
    volumes = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1]))
    center = volumes @ corners.mean(axis=1) / volumes.sum()
    return middle + (center * s) @ Vt, points[ConvexHull(round_points).vertices]


def cut(vertices: np.ndarray, normal: np.ndarray, through: np.ndarray) -> np.ndarray:
    """Points whose convex hull is {z in hull(vertices): <normal, z - through> <= 0}."""
    height = (vertices - through) @ normal
    below, above = height <= 0, height > 0
    share = height[below][:, None] / (height[below][:, None] - height[above][None, :])
    crossing = vertices[below][:, None] + share[..., None] * (vertices[above][None, :] - vertices[below][:, None])
    return np.concatenate([vertices[below], crossing.reshape(-1, vertices.shape[1])])


def leverage(normals: np.ndarray, offsets: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Leverage scores (m,) of the constraints of {normals z <= offsets} at x inside: they sum to n.

    sigma_i = F''(x)^-1[a_i, a_i] / s_i^2, s = offsets - normals x, F the logarithmic barrier.
    """
    return np.sum(_scaled(normals, offsets, x)[0] ** 2, axis=1)


def volumetric_barrier(normals: np.ndarray, offsets: np.ndarray, x: np.ndarray) -> float:
    """v(x) = log det F''(x) / 2: minus the logarithm of the volume of the Dikin ellipsoid, in units of the unit ball's."""
    return float(np.sum(np.log(np.diag(_scaled(normals, offsets, x)[2]))))


def volumetric_center(normals: np.ndarray, offsets: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The minimizer of the volumetric barrier, to rounding: damped Newton steps from x inside (bounded polytopes)."""
    for _ in range(200):
        u, rows, _ = _scaled(normals, offsets, x)
        sigma = np.sum(u**2, axis=1)
        square = np.einsum("ia,ib,ic->abc", u, u, rows).reshape(-1, len(x))  # rows' (P o P) rows = square' square
        hessian = 3 * rows.T @ (sigma[:, None] * rows) - 2 * square.T @ square
        step = -np.linalg.solve(hessian, rows.T @ sigma)
        decrement = float(np.sqrt(max(0.0, -step @ (rows.T @ sigma))))
        x = x + step / (1 + 4 * decrement if decrement > 0.1 else 1)
        if decrement < 1e-8:  # the last step squared it
            return x
    raise ProblemError("the polytope must be bounded with interior points, and Newton's steps found no volumetric center")


def _scaled(normals: np.ndarray, offsets: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rows a_i / s_i (m, n), made orthonormal (with the lower Cholesky factor of F'' that does so) and as they are."""
    rows = normals / (offsets - normals @ x)[:, None]
    lower = np.linalg.cholesky(rows.T @ rows)
    return np.linalg.solve(lower, rows.T).T, rows, lower


class MaxAffineOnBox(MaxLinear):
    """The largest of a few affine functions on the cube [-1, 1]^n, its range centred at 0.

    ``top`` = max |f| on the cube, exact (a convex function is largest at a vertex). The cube lies in the ball of radius
    ``outer`` = sqrt n about 0 and holds the one of radius ``within`` = 1; its ``vertices`` are (2^n, n); the cube is
    {normals z <= offsets}.
    """

    def __init__(self, M: Array, c: Array, *, name: str = ""):
        M = as_matrix(M, "M")
        n = M.shape[1]
        if n > 10:
            raise ProblemError(f"M must have at most 10 columns (the cube's vertices are listed), got {n}")
        domain = Box(-np.ones(n), np.ones(n))
        plain = MaxLinear(M, c, over=Simplex(M.shape[0]), domain=domain)
        self.vertices = 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1) - 1
        self.normals, self.offsets = np.vstack([np.eye(n), -np.eye(n)]), np.ones(2 * n)
        largest = float(plain.value(self.vertices).max())
        super().__init__(M, plain.c - (largest + plain.f_star) / 2, over=Simplex(M.shape[0]), domain=domain,
                         name=name or f"max-affine on a cube of dimension {n}")
        self.declare(InsidePolytope((largest - plain.f_star) / 2, float(np.sqrt(n)), 1.0))

    @property
    def x0(self) -> Array:
        """The cube's centre of gravity, and the ball's centre."""
        return np.zeros(self.point_shape)


def max_affine_on_box(n: int, pieces: int, seed: int = 0) -> MaxAffineOnBox:
    """Random pieces; their minimum is mostly inside the cube."""
    rng = np.random.default_rng(seed)
    return MaxAffineOnBox(rng.standard_normal((pieces, n)), 0.3 * rng.standard_normal(pieces))


class FarthestCoordinate(Problem):
    """f(x) = max_i |x_i - a_i| - top on the cube [-1, 1]^n, a inside, its range centred at 0: minimal at a.

    Every subgradient is +-e_i, so that what cuts leave of the cube is a box. The cube, {low <= z <= high} and {normals z <=
    offsets}, lies in the ball of radius outer = sqrt n about 0 and holds that of radius within = 1; top = max |f| on it.
    """

    def __init__(self, a: Array, *, name: str = ""):
        self.x_star = as_vector(a, "a")
        if np.abs(self.x_star).max() > 1:
            raise ProblemError(f"a must lie in the cube [-1, 1]^n, got a coordinate of size {np.abs(self.x_star).max():.3g}")
        self.point_shape = self.x_star.shape
        self.low, self.high = -np.ones(self.point_shape), np.ones(self.point_shape)
        self.normals, self.offsets = np.vstack([np.eye(self.dim), -np.eye(self.dim)]), np.ones(2 * self.dim)
        top = float(1 + np.abs(self.x_star).max()) / 2
        self.name, self.f_star = name or f"farthest of {self.dim} coordinates", -top
        self.declare(Convex(), Lipschitz(1.0), InsidePolytope(top, float(np.sqrt(self.dim)), 1.0))

    @property
    def x0(self) -> Array:
        return np.zeros(self.point_shape)

    def value(self, x: Array) -> Array:
        return np.max(np.abs(x - self.x_star), axis=-1) - self.top

    def grad(self, x: Array) -> Array:
        away = x - self.x_star
        first = np.argmax(np.abs(away), axis=-1)[..., None] == np.arange(self.dim)
        return np.where(first, np.where(away >= 0, 1.0, -1.0), 0.0)

    def project(self, x: Array) -> Array:
        return np.clip(x, self.low, self.high)


def farthest_coordinate(n: int) -> FarthestCoordinate:
    """max_i |x_i - a_i| with a inside the cube: one function in every dimension."""
    return FarthestCoordinate(0.5 * np.sin(1.0 + 2.0 * np.arange(n)), name=f"farthest coordinate of {n}")


class CornerSimplex(Problem):
    """The body {x >= 0, sum x <= 1} of R^n, on which no cut through the centroid leaves more than one along a facet."""

    def __init__(self, n: int):
        self.point_shape, self.name = (as_count(n, "n"),), f"corner simplex of dimension {n}"
        self.center = np.full(n, 1 / (n + 1))

    @property
    def x0(self) -> Array:
        return self.center

    def share_above(self, x: Array) -> Array:
        """Of the volume, what lies in {z: z_1 >= x_1}."""
        return np.clip(1 - x[..., 0], 0, 1) ** self.dim

    def isotropic_norm(self, d: Array) -> Array:
        """||C^(-1/2) d||, C the covariance of the uniform law on the body."""
        n = self.dim
        return np.sqrt((n + 1) * (n + 2) * (np.sum(d**2, axis=-1) + np.sum(d, axis=-1) ** 2))
