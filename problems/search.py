"""Exact minimization over x + span of directions, for convex functions with a Hessian."""

from __future__ import annotations

from array_api_compat import array_namespace

from .base import Array

ROUNDS = 60  # of Newton's method, each with at most as many halvings of its step


def orthonormal(directions: tuple[Array, ...]) -> Array:
    """Orthonormal columns (..., dim, m) spanning the directions (..., dim); zero columns where these are dependent."""
    xp = array_namespace(*directions)
    D = xp.stack(xp.broadcast_arrays(*directions), axis=-1)
    size = xp.sqrt(xp.sum(D * D, axis=-2, keepdims=True))
    U, s, _ = xp.linalg.svd(D / xp.where(size > 0, size, 1.0), full_matrices=False)
    return U * xp.astype(s > 1e-10, U.dtype)[..., None, :]


def onto_span(x: Array, directions: tuple[Array, ...]) -> Array:
    """The projection of x (..., dim) on the span of the directions."""
    Q = orthonormal(directions)
    return (Q @ (array_namespace(x).matrix_transpose(Q) @ x[..., None]))[..., 0]


class Searchable:
    """For convex problems with ``value``, ``grad`` and ``hess``: adds the exact search ``minimize_on``."""

    def minimize_on(self, x: Array, *directions: Array) -> Array:
        """argmin over x + span(directions), by Newton's method with halved steps (of a quadratic: one step)."""
        xp = array_namespace(x)
        Q = orthonormal(directions)
        across = xp.matrix_transpose(Q)
        for _ in range(ROUNDS):
            g = self.grad(x)
            move = -(Q @ (xp.linalg.pinv(across @ self.hess(x) @ Q) @ (across @ g[..., None])))[..., 0]
            slope, before = self.inner(g, move), self.value(x)
            rounding = 1e-15 * (abs(before) + self.value_scale)
            t = 0 * slope + 1
            for _ in range(ROUNDS):
                high = self.value(x + self.column(t) * move) > before + t * slope / 4 + rounding
                if not bool(xp.any(high)):
                    break
                t = xp.where(high, t / 2, t)
            x = x + self.column(t) * move
            if bool(xp.all(-slope <= rounding)):
                break
        return x
