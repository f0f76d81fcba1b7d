"""Cutting planes through a centre of gravity that a random walk estimates: polynomial in the dimension."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optlab.problems.assumptions import Convex, InsidePolytope
from optlab.problems.polytopes import CornerSimplex, FarthestCoordinate, farthest_coordinate

from ..fold import Fold, best
from ..functions import exp, log
from ..guarantee import Case, Control, Guarantee, cite, now, total
from ..measures import Measure, point
from ..methods import as_method, method
from .cutting_planes import Reversed, feasible_suboptimality


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


class Box(NamedTuple):
    """The estimated centre of {z: low <= z <= high}."""

    x: Any
    low: Any
    high: Any


@method(needs=("grad", "low", "high"), family="constrained", restartable=True, symbolic=False)
def sampled_center_of_gravity(problem, x, low=None, high=None, *, samples, rng):
    """Cut at the mean of points drawn uniformly from what is left, a box as long as all cuts are along the axes: the method
    with perfect random walks (Bertsimas-Vempala 2004; Bubeck 2015)."""
    low = problem.low + 0 * x if low is None else low
    high = problem.high + 0 * x if high is None else high
    while True:
        yield Box(x, low, high)
        g = problem.grad(x)
        low, high = np.where(g < 0, x, low), np.where(g > 0, x, high)
        x = low + (high - low) * rng.uniform((samples, problem.dim)).mean(axis=-2)


class Cut(NamedTuple):
    """Of the volume, what a plane through x cuts off, and x."""

    share: Any
    x: Any


@method(needs=("share_above",), family="constrained", symbolic=False)
def cut_near_the_center(problem, x):
    """What a plane through x, along the facet, cuts off a simplex (Bertsimas-Vempala 2004)."""
    return Cut(problem.share_above(x), x)


def cut_further_out(problem, x):
    """Sabotage: the plane goes through a point at another half of a standard deviation."""
    n = problem.dim
    return Cut(problem.share_above(x + 0.5 / ((n + 1) * (n + 2)) ** 0.5), x)


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


def walked(rng):
    """Where walks are affordable: six calls a dimension."""
    return [Case(p, p.x0, steps=6 * p.dim, replicates=4) for p in map(farthest_coordinate, (2, 4, 7))]


def walked_often(rng):
    """The first calls, many times over."""
    return [Case(p, p.x0, steps=4, replicates=512) for p in map(farthest_coordinate, (2, 4))]


def one_function(rng):
    p = farthest_coordinate(3)
    return [Case(p, p.x0, steps=60, replicates=16)]


def many_dimensions(rng):
    """Where hit-and-run walks are no longer affordable: 8, 16 and 32 dimensions, six calls in each."""
    problems = {n: FarthestCoordinate(rng.uniform(-0.9, 0.9, n)) for n in (8, 16, 32)}
    return [Case(p, p.x0, steps=6 * n, replicates=2) for n, p in problems.items()]


def one_center(rng):
    p = FarthestCoordinate(rng.uniform(-0.9, 0.9, 8))
    return [Case(p, p.x0, steps=2, replicates=2048)]


def sampled(dim):
    """25 n samples: ||z|| is about 1/5."""
    return dict(samples=25 * dim)


def walking(dim):
    return dict(walkers=25 * dim, moves=2 * dim)


def box_of(it):
    """low and high of the region, whose constraints are along the axes."""
    if isinstance(it, Box):
        return it.low, it.high
    ends = it.normals * it.offsets[..., None]
    return (np.where(it.normals < 0, ends, -np.inf).max(axis=-2), np.where(it.normals > 0, ends, np.inf).min(axis=-2))


def from_center(it):
    """||z||: how far x is from the centroid of its box, whose covariance is widths^2/12."""
    low, high = box_of(it)
    return np.sqrt(12 * np.sum(((it.x - (low + high) / 2) / (high - low)) ** 2, axis=-1))


def around_centers(rng):
    """The centroid, and points within a standard deviation of it, in dimensions up to 256."""
    return [Case(p, np.concatenate([p.center[None], p.center + rng.standard_normal((50, n)) / ((n + 1) * n) ** 0.5 / 3]))
            for n, p in ((n, CornerSimplex(n)) for n in (8, 32, 256))]


error = Measure("||z||^2", lambda problem, it: from_center(it) ** 2, r"\\|z_k\\|^2", symbolic=False)
share = Measure("vol{z_1 >= x_1} / vol", lambda problem, it: it.share, r"\mathrm{vol}(K\cap\{z: z_1\ge x_1\})/\mathrm{vol}(K)",
                symbolic=False)


def shrunk(top, dim, left):
    """2 top exp(left / n), left = sum of log min(1, 1 - 1/e + ||z_s||), z_s the error of the centre x_s in isotropic position."""
    return 2 * top * exp(left / dim)


pathwise = dict(at=best, assumes=(Convex, InsidePolytope),
                using=dict(left=total(lambda problem, it: log(np.minimum(1.0, 1 - exp(-1) + from_center(it))))))

random_walk_cutting_plane.proves(
    Guarantee(feasible_suboptimality, shrunk, cite(70, 34, "Sec 6.7, Lemma 6.14", claim="calls linear in the dimension"),
              on=walked, recipe=walking, **pathwise,
              control=Control("the wrong half is kept", problem=Reversed)),
    Guarantee(error, lambda: exp(-2), cite(70, 34, "Sec 6.7", claim="walks find centres"), mode="expectation", on=walked_often,
              recipe=walking, control=Control("ten walkers that make one move a call", recipe=lambda: dict(walkers=10, moves=1)),
              note="E||z||^2 < 1/e^2 is what a cut needs to leave less than the whole in the mean"),
    Guarantee(feasible_suboptimality, lambda dim, k: (2 / 3) ** (k / dim),
              cite(70, 34, "Sec 6.7", claim="calls logarithmic in 1/eps"), mode="order", on=one_function,
              recipe=lambda dim: dict(walkers=24, moves=dim), at=lowest, assumes=(Convex, InsidePolytope),
              control=Control("walkers that do not walk", recipe=lambda: dict(moves=0))),
)
sampled_center_of_gravity.proves(
    Guarantee(feasible_suboptimality, shrunk, cite(70, 34, "Sec 6.7, Lemma 6.14", claim="in dimensions above 7"),
              on=many_dimensions, recipe=sampled, **pathwise,
              control=Control("the wrong half is kept", problem=Reversed, steps=48),
              note="what a sample costs in steps of a random walk is not in it: the text leaves that informal"),
    Guarantee(error, lambda dim, samples: dim / samples, cite(70, 34, "Sec 6.7", claim="samples linear in the dimension"),
              mode="expectation", relation="==", on=one_center, recipe=sampled,
              control=Control("half as many samples", recipe=lambda samples: dict(samples=samples // 2))),
)
cut_near_the_center.proves(
    Guarantee(share, lambda away: exp(-1) - away, cite(70, 34, "Lemma 6.14", claim="cuts near the centre"), relation=">=",
              tightness="tight", on=around_centers,
              using=dict(away=now(lambda problem, it: problem.isotropic_norm(it.x - problem.center))),
              control=Control("a plane half a standard deviation further out", method=as_method(cut_further_out))),
)
