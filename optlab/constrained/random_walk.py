"""Cutting planes through a centre of gravity that a random walk estimates: polynomial in the dimension."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optlab.problems.assumptions import Convex, InsidePolytope
from optlab.problems.polytopes import farthest_coordinate

from ..fold import Fold
from ..guarantee import Case, Control, Guarantee, cite
from ..measures import point
from ..methods import method
from .cutting_planes import feasible_suboptimality


class Walkers(NamedTuple):
    """The estimated centre, the walkers (..., walkers, n), and the cuts so far: normals (..., cuts, n) and offsets."""

    x: Any
    walkers: Any
    normals: Any
    offsets: Any


def hit_and_run(walkers, normals, offsets, moves, rng):
    """Every walker moves uniformly on a chord of {z: normals z <= offsets}, in a normal direction of their own covariance."""
    count, n = walkers.shape[-2:]
    for _ in range(moves):
        spread = walkers - walkers.mean(axis=-2, keepdims=True)
        sizes, axes = np.linalg.eigh(np.swapaxes(spread, -1, -2) @ spread)
        d = (rng.normal((count, n)) * np.sqrt(np.maximum(sizes, 0.0))[..., None, :]) @ np.swapaxes(axes, -1, -2)
        slack = offsets[..., None, :] - walkers @ np.swapaxes(normals, -1, -2)
        rate = d @ np.swapaxes(normals, -1, -2)
        reach = np.maximum(slack, 0.0) / np.where(rate == 0, 1.0, rate)
        high = np.where(rate > 0, reach, np.inf).min(axis=-1)
        low = np.where(rate < 0, reach, -np.inf).max(axis=-1)
        moving = np.isfinite(low) & np.isfinite(high)  # walkers that have all met stay where they are
        low, high = np.where(moving, low, 0.0), np.where(moving, high, 0.0)
        walkers = walkers + (low + rng.uniform((count,)) * (high - low))[..., None] * d
    return walkers


@method(needs=("grad", "normals"), family="constrained", symbolic=False)
def random_walk_cutting_plane(problem, x, *, walkers, moves, rng):
    """Cut at the mean of random walkers, restart those cut off from the others, walk on (Bertsimas-Vempala 2004)."""
    normals = problem.normals + 0 * x[..., None, :]
    offsets = problem.offsets + 0 * x[..., :1]
    at = hit_and_run(x[..., None, :] + 0.1 * (2 * rng.uniform((walkers, problem.dim)) - 1), normals, offsets, moves, rng)
    while True:
        yield Walkers(x, at, normals, offsets)
        g = problem.grad(x)
        normals = np.concatenate([normals, g[..., None, :]], axis=-2)
        offsets = np.concatenate([offsets, problem.inner(g, x)[..., None]], axis=-1)
        kept = ((at - x[..., None, :]) @ g[..., None])[..., 0] <= 0
        chosen = np.argmax(np.where(kept[..., None, :], rng.uniform((walkers, walkers)), -1.0), axis=-1)
        chosen = np.where(kept, np.arange(walkers), chosen)
        at = hit_and_run(np.take_along_axis(at, chosen[..., None], axis=-2), normals, offsets, moves, rng)
        x = at.mean(axis=-2)


def _lowest(iterates, quantities):
    """The feasible point of least value among x_0 .. x_{k-1} (at k = 0: x_0)."""
    problem, lowest, least = quantities.problem, None, None
    for it in iterates:
        x = point(it)
        yield x if lowest is None else lowest
        value = feasible_suboptimality(problem, x)
        if lowest is None:
            lowest, least = x, value
        lowest, least = np.where(problem.column(value < least), x, lowest), np.minimum(value, least)


lowest = Fold("best", _lowest)


def dimensions(rng):
    """The distance to a point in the largest coordinate, in growing dimension, four calls a dimension."""
    return [Case(p, p.x0, steps=4 * p.dim, replicates=64) for p in (farthest_coordinate(n) for n in (2, 3, 4, 5, 6, 7))]


def one_function(rng):
    p = farthest_coordinate(3)
    return [Case(p, p.x0, steps=60, replicates=16)]


walk = dict(at=lowest, assumes=(Convex, InsidePolytope))

random_walk_cutting_plane.proves(
    Guarantee(feasible_suboptimality, lambda top: top, cite(70, 34, "Sec 6.7", claim="calls linear in the dimension"),
              mode="scaling", over="dim", on=dimensions, recipe=lambda dim, horizon: dict(walkers=10 * dim, moves=2 * dim),
              control=Control("ten walkers that make one move a call", recipe=lambda dim: dict(walkers=10, moves=1)), **walk),
    Guarantee(feasible_suboptimality, lambda dim, k: (2 / 3) ** (k / dim),
              cite(70, 34, "Sec 6.7", claim="calls logarithmic in 1/eps"), mode="order", on=one_function,
              recipe=lambda dim: dict(walkers=24, moves=dim),
              control=Control("walkers that do not walk", recipe=lambda: dict(moves=0)), **walk),
)
