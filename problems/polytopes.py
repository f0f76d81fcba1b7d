"""Convex functions on small polytopes known by their vertices, with the constants that cutting-plane theorems ask for."""

from __future__ import annotations

import numpy as np

from .assumptions import InsidePolytope
from .base import Array, as_matrix
from .errors import ProblemError
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


def farthest_coordinate(n: int) -> MaxAffineOnBox:
    """max_i |x_i - a_i| with a inside the cube: one function in every dimension."""
    a = 0.5 * np.sin(1.0 + 2.0 * np.arange(n))
    return MaxAffineOnBox(np.vstack([np.eye(n), -np.eye(n)]), np.append(-a, a), name=f"farthest coordinate of {n}")
