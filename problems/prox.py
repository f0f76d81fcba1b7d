"""Proximal operators, projections and linear minimization oracles, as pure functions of arrays.

Points lie on the last axis, ``(..., d)``; everything before it is replicates. Each function uses only the
namespace of the array it is given (``array_api_compat``), writes into nothing it was given and returns an
array of the same shape and floating dtype. Parameters (``t``, ``radius``, ``delta``, ``b`` ...) are plain
floats, or arrays of the same namespace that broadcast against ``(..., 1)``: one value per replicate. A plain
float outside its range raises ``ProblemError``; arrays of parameters are taken as they are, because looking
at them would stall a GPU.

The prox of ``f`` with step ``t`` is ``argmin_x t f(x) + ||x - v||^2 / 2``; the linear minimization oracle
(LMO) of a set ``C`` is ``argmin_{s in C} <g, s>``.

Sources: Parikh and Boyd, "Proximal algorithms", 2014; Beck, "First-order methods in optimization", 2017,
chapter 6; Jaggi, "Revisiting Frank-Wolfe", 2013, for the oracles; others beside their function.
"""

from __future__ import annotations

import math
from typing import Any

from array_api_compat import array_namespace, device

from .errors import ProblemError

Array = Any  # an array of any array-API namespace
Scalar = Any  # a float, or an array that broadcasts against (..., 1)


def _require_nonnegative(**parameters: Scalar) -> None:
    for name, value in parameters.items():
        if isinstance(value, (int, float)) and not value >= 0:
            raise ProblemError(f"{name} is {value}, and a number >= 0 is wanted.")


def _require_ordered(lo: Scalar, hi: Scalar) -> None:
    if isinstance(lo, (int, float)) and isinstance(hi, (int, float)) and not lo <= hi:
        raise ProblemError(f"lo is {lo} and hi is {hi}, and lo <= hi is wanted.")


def _norm(v: Array) -> Array:
    """Euclidean norm over the last axis, kept: ``(..., d) -> (..., 1)``."""
    return array_namespace(v).linalg.vector_norm(v, axis=-1, keepdims=True)


def _one_hot(index: Array, like: Array) -> Array:
    """Boolean ``(..., d)`` that is true at ``index`` ``(..., 1)`` of each row."""
    return array_namespace(like).arange(like.shape[-1], dtype=index.dtype, device=device(like)) == index


# Proximal operators


def soft_threshold(v: Array, t: Scalar) -> Array:
    """Prox of ``t ||x||_1``: every entry moves by ``t`` towards 0 and stops there.

    ``t`` >= 0 may also be ``(..., d)``: a weight per coordinate. Source: Daubechies, Defrise, De Mol, 2004.
    """
    _require_nonnegative(t=t)
    xp = array_namespace(v)
    return xp.maximum(v - t, 0.0) + xp.minimum(v + t, 0.0)


def prox_elastic_net(v: Array, t: Scalar, l1: Scalar, l2: Scalar) -> Array:
    """Prox of ``t (l1 ||x||_1 + l2/2 ||x||^2)``: soft-threshold, then shrink.

    Source: Zou and Hastie, 2005.
    """
    _require_nonnegative(t=t, l1=l1, l2=l2)
    return soft_threshold(v, t * l1) / (1.0 + t * l2)


def prox_l2_norm(v: Array, t: Scalar) -> Array:
    """Prox of ``t ||x||_2``, the norm not squared (group soft-threshold; the group is the last axis).

    ``(1 - t / ||v||)_+ v``, and 0 at ``v = 0``. Source: Yuan and Lin, 2006.
    """
    _require_nonnegative(t=t)
    xp = array_namespace(v)
    norm = _norm(v)
    # `norm <= t` rather than its opposite: a NaN then goes through the arithmetic instead of turning into 0.
    inside = norm <= t
    return v * xp.where(inside, 0.0, 1.0 - t / xp.where(inside, 1.0, norm))


def prox_huber(v: Array, t: Scalar, delta: Scalar) -> Array:
    """Prox of ``t sum_i h(x_i)``; ``h(x) = x^2/2`` where ``|x| <= delta``, else ``delta (|x| - delta/2)``.

    Equals ``v - t h'(x)``, where ``h'`` at the solution is ``v / (1 + t)`` clipped to ``[-delta, delta]``.
    Source: Huber, 1964, for the function.
    """
    _require_nonnegative(t=t, delta=delta)
    return v - t * project_box(v / (1.0 + t), -delta, delta)


def prox_max(v: Array, t: Scalar) -> Array:
    """Prox of ``t max_i x_i``, by Moreau: ``v`` minus its projection onto the simplex of radius ``t``.

    (The conjugate of the maximum is the indicator of the unit simplex.)
    """
    return v - project_simplex(v, t)


def kl_prox_simplex(x: Array, g: Array) -> Array:
    """Entropic mirror step: ``argmin_s <g, s> + KL(s || x)`` over the unit simplex, ``x exp(-g)`` normalized.

    ``x``: ``(..., d)``, >= 0, a positive entry in each row (a zero stays zero); ``g``: ``(..., d)``, the step
    already in it. Computed through logarithms, so that it neither overflows nor divides by zero. Source: Beck
    and Teboulle, "Mirror descent and nonlinear projected subgradient methods", 2003.
    """
    xp = array_namespace(x, g)
    support = x > 0
    # Shifted by its least entry first, so that a large common part of g does not swallow the digits of log x.
    g = xp.where(support, g, math.inf)
    log_weight = xp.log(xp.where(support, x, 1.0)) - (g - xp.min(g, axis=-1, keepdims=True))
    weight = xp.exp(log_weight - xp.max(log_weight, axis=-1, keepdims=True))
    return weight / xp.sum(weight, axis=-1, keepdims=True)


# Projections


def project_simplex(v: Array, radius: Scalar = 1.0) -> Array:
    """Projection onto ``{x >= 0, sum x = radius}``, by sorting: O(d log d) a row.

    The answer is ``(v - theta)_+``, ``theta = max_k (v_(1) + ... + v_(k) - radius) / k`` over the decreasing
    order. Source: Held, Wolfe, Crowder, 1974; Condat, "Fast projection onto the simplex and the l1 ball",
    2016.
    """
    _require_nonnegative(radius=radius)
    xp = array_namespace(v)
    # The projection does not see a shift; with the largest entry at 0, no digit of the radius is lost.
    v = v - xp.max(v, axis=-1, keepdims=True)
    count = xp.arange(1, v.shape[-1] + 1, dtype=v.dtype, device=device(v))
    excess = xp.cumulative_sum(xp.sort(v, axis=-1, descending=True), axis=-1) - radius
    return xp.maximum(v - xp.max(excess / count, axis=-1, keepdims=True), 0.0)


def project_box(v: Array, lo: Scalar, hi: Scalar) -> Array:
    """Projection onto ``{lo <= x <= hi}``; bounds broadcast against ``(..., d)`` and may be infinite."""
    _require_ordered(lo, hi)
    xp = array_namespace(v)
    return xp.minimum(xp.maximum(v, lo), hi)


def project_ball(v: Array, radius: Scalar = 1.0, center: Array | None = None) -> Array:
    """Projection onto ``{||x - center||_2 <= radius}``; ``center``: ``(..., d)``, None is 0."""
    _require_nonnegative(radius=radius)
    xp = array_namespace(v)
    offset = v if center is None else v - center
    norm = _norm(offset)
    outside = norm > radius
    scale = xp.where(outside, radius / xp.where(outside, norm, 1.0), 1.0)
    # A point inside comes back as it is: center + (v - center) would round it.
    return offset * scale if center is None else xp.where(outside, center + offset * scale, v)


def project_l1_ball(v: Array, radius: Scalar = 1.0) -> Array:
    """Projection onto ``{||x||_1 <= radius}``: outside, that of ``|v|`` onto the simplex, signed.

    Source: Duchi, Shalev-Shwartz, Singer, Chandra, "Efficient projections onto the l1-ball", 2008.
    """
    _require_nonnegative(radius=radius)
    xp = array_namespace(v)
    size = xp.abs(v)
    inside = xp.sum(size, axis=-1, keepdims=True) <= radius
    return xp.where(inside, v, xp.sign(v) * project_simplex(size, radius))


def project_halfspace(v: Array, a: Array, b: Scalar) -> Array:
    """Projection onto ``{<a, x> <= b}``; ``a``: ``(..., d)``; ``ProblemError`` if it is zero."""
    xp = array_namespace(v, a)
    squared = xp.sum(a * a, axis=-1, keepdims=True)
    if not bool(xp.all(squared > 0)):
        raise ProblemError("a is zero (or NaN), and a half-space {<a, x> <= b} wants a nonzero normal a.")
    return v - xp.maximum(xp.sum(a * v, axis=-1, keepdims=True) - b, 0.0) / squared * a


def project_affine(v: Array, A: Array, b: Array, *, pinv: Array | None = None) -> Array:
    """Projection onto ``{A x = b}``: ``v - A^+ (A v - b)``.

    ``A``: ``(m, d)``, of any rank; ``b``: ``(..., m)`` in the range of ``A`` (otherwise the result is the
    projection onto the least-squares solutions); ``pinv``: ``A^+``, ``(d, m)``, to be given when the same
    ``A`` comes back many times, since each call otherwise costs an SVD.
    """
    xp = array_namespace(v, A)
    if len(A.shape) != 2 or A.shape[1] != v.shape[-1]:
        raise ProblemError(f"A has shape {tuple(A.shape)}, and (m, {v.shape[-1]}) is wanted to act on v.")
    pinv = xp.linalg.pinv(A) if pinv is None else pinv
    return v - (v @ A.T - b) @ pinv.T


# Linear minimization oracles: all return an extreme point of the set, the first one where several are as good


def lmo_simplex(g: Array, radius: Scalar = 1.0) -> Array:
    """Vertex ``radius e_i`` of the simplex that minimizes ``<g, s>``: ``i``: first smallest in ``g``."""
    _require_nonnegative(radius=radius)
    xp = array_namespace(g)
    return xp.astype(_one_hot(xp.argmin(g, axis=-1, keepdims=True), g), g.dtype) * radius


def lmo_l1_ball(g: Array, radius: Scalar = 1.0) -> Array:
    """Vertex ``-radius sign(g_i) e_i`` of the l1 ball: ``i`` is the first largest in ``|g|``.

    At ``g = 0`` all points are as good, and ``radius e_0`` is returned.
    """
    _require_nonnegative(radius=radius)
    xp = array_namespace(g)
    vertex = _one_hot(xp.argmax(xp.abs(g), axis=-1, keepdims=True), g)
    sign = xp.where(g > 0, -xp.ones_like(g), 1.0)
    return xp.where(vertex, sign * radius, 0.0)


def lmo_ball(g: Array, radius: Scalar = 1.0, center: Array | None = None) -> Array:
    """Point ``center - radius g / ||g||`` of the ball that minimizes ``<g, s>``; None is a center at 0.

    At ``g = 0`` all points are as good, and ``center + radius e_0`` is returned.
    """
    _require_nonnegative(radius=radius)
    xp = array_namespace(g)
    norm = _norm(g)
    flat = norm == 0
    first = xp.astype(_one_hot(xp.zeros_like(norm, dtype=xp.int64), g), g.dtype)
    step = radius * xp.where(flat, first, -g / xp.where(flat, 1.0, norm))
    return step if center is None else center + step


def lmo_box(g: Array, lo: Scalar, hi: Scalar) -> Array:
    """Vertex of ``{lo <= s <= hi}`` that minimizes ``<g, s>``: ``lo`` where ``g > 0``, else ``hi``.

    Bounds broadcast against ``(..., d)`` and must be finite, or the minimum need not exist.
    """
    _require_ordered(lo, hi)
    for name, bound in (("lo", lo), ("hi", hi)):
        if isinstance(bound, (int, float)) and not math.isfinite(bound):
            raise ProblemError(f"{name} is {bound}, and a finite bound is wanted for a minimum to exist.")
    xp = array_namespace(g)
    zero = xp.zeros_like(g)
    return xp.where(g > 0, zero + lo, zero + hi)
