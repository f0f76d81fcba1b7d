"""Exact moments: one step as a random affine map, moments through many steps, folds, quadratic measures.

Method, problem, measure and fold are black boxes: they are run on chosen states under chosen outcomes; affine and
quadratic dependence is recovered by differences and then tried at random points. What fails raises ``Inexact``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from optlab.measures import EPS

from .scenarios import (
    MOST_OUTCOMES,
    Draws,
    Entry,
    Inexact,
    Layout,
    coefficients,
    effects_of,
    leaves,
    random_rows,
    rebuild,
    table_of,
)

MOST_NUMBERS = 20_000_000  # in one array
MOST_WORK = 6e9  # multiplications: about two seconds
AFFINE = 1e-10  # relative departure from affine (from quadratic, squared scale) that is rounding
CHECKS = 8  # random outcomes and states on which a recovered map is tried


# --- one step as a random affine map ------------------------------------------------------------------------------


@dataclass
class AffineMap:
    """z -> A z + b + sum over independent entries of their effects (G z + g), which have mean zero.

    ``G`` (effects, out, in), ``g`` (effects, out), ``weights`` (effects,): the covariance given z is
    sum_e w_e (G_e z + g_e)(G_e z + g_e)'. ``table`` (scenarios, out, in + 1) holds the map [A, b] at each scenario.
    """

    A: np.ndarray
    b: np.ndarray
    weights: np.ndarray
    G: np.ndarray
    g: np.ndarray
    carried: list[Any]
    entries: list[Entry]
    product: bool
    table: np.ndarray

    @property
    def gaussian(self) -> bool:
        """Whether a Gaussian state stays Gaussian."""
        return not any(e.count for e in self.entries) and not len(self.weights)

    def at(self, row: np.ndarray) -> np.ndarray:
        """[A, b] when the entries take the outcomes ``row``."""
        return np.tensordot(coefficients(self.entries, self.product, row[None])[0], self.table, axes=1)

    def split(self) -> AffineMap:
        """Sums up what does not depend on z, once: ``constant`` and the effects that are left."""
        alive = np.abs(self.G).max(axis=(1, 2), initial=0.0) > 0
        fixed, w = self.g[~alive], self.weights[~alive]
        self.constant = (w[:, None] * fixed).T @ fixed
        self.weights, self.G, self.g = self.weights[alive], np.ascontiguousarray(self.G[alive]), self.g[alive]
        self.operator: np.ndarray | None = None
        return self

    def prepare(self, steps: int) -> None:
        """For many steps with many effects: C -> sum_e w_e G_e C G_e' as one matrix."""
        e, d, _ = self.G.shape
        direct, whole = 4.0 * e * d**3 * steps, 2.0 * e * d**4 + 6.0 * d**4 * steps
        if min(direct, whole) > MOST_WORK:
            raise Inexact(f"{e} outcomes in dimension {d} over {steps} steps are too much work")
        if whole < direct and d**4 <= MOST_NUMBERS:
            flat = self.G.reshape(e, d * d)
            gram = (self.weights[:, None] * flat).T @ flat  # [(i, k), (j, l)] = sum w G_ik G_jl
            self.operator = np.ascontiguousarray(gram.reshape(d, d, d, d).transpose(0, 2, 1, 3).reshape(d * d, d * d))

    def forward(self, m: np.ndarray, C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance after the step."""
        after = self.A @ C @ self.A.T + self.constant
        if len(self.weights):
            d = self.G @ m + self.g
            after += (self.weights[:, None] * d).T @ d
            if self.operator is not None:
                after += (self.operator @ C.ravel()).reshape(C.shape)
            else:
                spread = np.matmul(self.G, C) * self.weights[:, None, None]
                out = after.shape[0]
                after += spread.transpose(1, 0, 2).reshape(out, -1) @ self.G.transpose(1, 0, 2).reshape(out, -1).T
        return self.A @ m + self.b, after


def power(*arrays: np.ndarray) -> float:
    """A power of two about as large as the largest finite entry (1 for zeros): differences on it round least."""
    top = max((float(np.max(np.abs(a[np.isfinite(a)]), initial=0.0)) for a in arrays), default=0.0)
    return 2.0 ** int(np.ceil(np.log2(top))) if top > 0 else 1.0


def tries(entries: Sequence[Entry], product: bool, rng: np.random.Generator,
          *more: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Random outcomes (and ``more``) on which to check that the scenarios determine the rest; their coefficients."""
    rows = np.concatenate([random_rows(entries, 2 * CHECKS, rng), *(row[None] for row in more)])
    return rows, coefficients(entries, product, rows)


def settle(combined: np.ndarray, seen: np.ndarray, shares: np.ndarray, size: float) -> None:
    """Refuse draws whose effects do not add."""
    slack = AFFINE * size * np.abs(shares).sum(axis=1).reshape(-1, *(1,) * (seen.ndim - 1))
    if not (np.abs(combined - seen) <= slack).all():
        raise Inexact("not affine in the normal draws, or the effects of independent draws do not add")


def affine_map(advance: Callable[[Draws, np.ndarray], Any], layout: Layout, centre: np.ndarray) -> AffineMap:
    """Recover the random affine map ``advance(draws, states (B, in))`` by differences, and check it.

    Finite entries are tried jointly when that is little work, else one at a time (their effects must then add).
    """
    rng = np.random.default_rng(0)
    probe = Draws()
    first, _ = layout.vector(advance(probe, centre[None]), (1, 1))
    entries = list(probe.entries)
    n, d = len(centre), layout.size
    s = power(centre, first)
    reach = 16.0 ** np.linspace(-1, 2, CHECKS)[:, None]
    states = centre + s * np.concatenate([np.zeros((1, n)), np.eye(n), reach * rng.standard_normal((CHECKS, n))])
    counts = [e.count for e in entries if e.count]
    normals = len(entries) - len(counts)
    joint = prod(counts) * (1 + normals)
    numbers = len(states) * d
    product = (prod(counts) <= MOST_OUTCOMES and joint * numbers <= MOST_NUMBERS / 10) or len(counts) == 1
    scenarios = joint if product else 1 + normals + sum(counts)
    if scenarios * numbers > MOST_NUMBERS:
        raise Inexact("too many outcomes and fields for one step")
    rows, shares = tries(entries, product, rng)
    table = np.concatenate([table_of(entries, product), rows])
    draws = Draws(table)
    Y, carried = layout.vector(advance(draws, states), (len(table), len(states)))
    if len(draws.entries) != len(entries):
        raise Inexact("the number of draws depends on the state")
    T = np.empty((len(Y), d, n + 1))
    T[..., :n] = ((Y[:, 1 : n + 1] - Y[:, :1]) / s).transpose(0, 2, 1)
    T[..., n] = Y[:, 0]
    far = states[n + 1 :] - centre
    away = np.abs(far @ T[..., :n].transpose(0, 2, 1) + T[:, None, :, n] - Y[:, n + 1 :])
    if not (away <= AFFINE * (s + np.abs(Y[:, n + 1 :]).max(axis=2, initial=0.0))[..., None]).all():
        raise Inexact("one step is not affine in the state")
    scale = np.append(np.full(n, s), 1.0)  # every column as an image of size s
    size = s + np.abs(T * scale).max(initial=0.0)
    settle(np.tensordot(shares, T[: -len(rows)], axes=1) * scale, T[-len(rows) :] * scale, shares, size)
    T = T[: -len(rows)]
    T[..., n] -= T[..., :n] @ centre
    mean, w, E = effects_of(entries, product, T)
    G, g = np.ascontiguousarray(E[..., :n]), E[..., n]
    G[np.abs(G).max(axis=(1, 2), initial=0.0) <= 1e-13 * size / s] = 0.0
    return AffineMap(mean[:, :n], mean[:, n], w, G, g, carried, entries, product, T).split()


# --- folds: which linear combination of the run they read -----------------------------------------------------------


@dataclass
class View:
    """A fold's output as indices into (state, extras): ``layout`` of the output, ``index`` of its vector."""

    layout: Layout
    index: np.ndarray
    carried: list[int]


class Extras:
    """What folds need beside the current state: e+ = keep * e + add * (state[source]), one row of factors a step."""

    def __init__(self, layout: Layout, steps: int):
        self.layout, self.steps = layout, steps
        self.source: list[int] = []
        self.keep: list[np.ndarray] = []
        self.add: list[np.ndarray] = []
        self._before: dict[int, list[int]] = {}

    def append(self, leaf: int, add: np.ndarray, keep: np.ndarray) -> list[int]:
        place = self.layout.slices[leaf]
        made = []
        for i in range(place.start, place.stop):
            made.append(self.layout.size + len(self.source))
            self.source.append(i)
            self.keep.append(keep)
            self.add.append(add)
        return made

    def before(self, leaf: int) -> list[int]:
        if leaf not in self._before:
            self._before[leaf] = self.append(leaf, np.ones(self.steps), np.zeros(self.steps))
        return self._before[leaf]

    def view(self, fold: Any, quantities: Any, carried: Sequence[Sequence[Any]]) -> View:
        """Read the fold off random numbers: each output leaf is a field now, a field one step before, or a running mean
        m+ = m + a_k (field - m), whose a_k come out by division."""
        rng = np.random.default_rng(1)
        layout, n = self.layout, self.steps + 1
        alive = [i for i, shape in enumerate(layout.shapes) if shape is not None]
        fed = {i: rng.standard_normal((n, CHECKS)) for i in alive}
        still = [i for i, shape in enumerate(layout.shapes) if shape is None]

        def synthetic() -> Iterator[Any]:
            for k in range(n):
                here = dict(zip(still, carried[k], strict=True))
                parts = [fed[i][k] if i in fed else here[i] for i in range(len(layout.shapes))]
                yield rebuild(layout.template, iter(parts))

        outputs = list(itertools.islice(fold(synthetic(), quantities), n))
        columns = list(zip(*(leaves(o) for o in outputs), strict=True))
        index: list[int] = []
        parts: list[Any] = []
        origin: list[int] = []
        originals = leaves(layout.template)
        for column in columns:
            leaf, places = self._recognize(column, fed, still, carried)
            parts.append(originals[leaf])
            if places is None:
                origin.append(still.index(leaf))
            else:
                index.extend(places)
        scalars = all(np.ndim(originals[i]) for i in alive)
        return View(Layout(rebuild(outputs[0], iter(parts)), scalars), np.array(index, dtype=int), origin)

    def _recognize(self, column: Sequence[Any], fed: dict[int, np.ndarray], still: list[int],
                   carried: Sequence[Sequence[Any]]) -> tuple[int, list[int] | None]:
        if np.shape(column[0]) != (CHECKS,):
            for j, i in enumerate(still):
                if all(c is carried[k][j] or c == carried[k][j] for k, c in enumerate(column)):
                    return i, None
            raise Inexact("the fold changes a carried field")
        seen = np.stack(column)
        for i, x in fed.items():
            place = self.layout.slices[i]
            if np.array_equal(seen, x):
                return i, list(range(place.start, place.stop))
            if np.array_equal(seen, np.concatenate([x[:1], x[:-1]])):
                return i, self.before(i)
        for i, x in fed.items():
            away, moved = x[:-1] - seen[:-1], np.diff(seen, axis=0)
            square = (away**2).sum(axis=1)
            a = np.where(square > 0, (away * moved).sum(axis=1) / np.where(square > 0, square, 1.0), 0.0)
            error = np.abs(moved - a[:, None] * away)
            if np.array_equal(seen[0], x[0]) and (error <= 1e-13 * (1 + np.abs(away))).all():
                return i, self.append(i, a, 1 - a)
        raise Inexact("the fold is none of: a field, the field before, a running mean of a field")


def propagate(maps: Iterator[AffineMap], m: np.ndarray, C: np.ndarray, extras: Extras,
              views: Sequence[View], kept: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Means (kept, state and extras) and, for every view, covariances (kept, u, u) at the indices ``kept``."""
    source = np.array(extras.source, dtype=int)
    keep = np.stack(extras.keep, axis=1) if extras.keep else np.zeros((extras.steps, 0))
    add = np.stack(extras.add, axis=1) if extras.add else np.zeros((extras.steps, 0))
    e, X, Q = m[source], C[source], C[np.ix_(source, source)]
    means = np.empty((len(kept), len(m) + len(e)))
    covs = [np.empty((len(kept), len(v.index), len(v.index))) for v in views]
    wanted = {int(k): i for i, k in enumerate(kept)}
    for k in range(extras.steps + 1):
        if k in wanted:
            means[wanted[k]] = np.concatenate([m, e])
            joint = np.block([[C, X.T], [X, Q]]) if len(e) else C
            for v, store in zip(views, covs, strict=True):
                store[wanted[k]] = joint[np.ix_(v.index, v.index)] if len(e) else joint[v.index[:, None], v.index]
        if k == extras.steps:
            break
        step = next(maps)
        if len(e):
            p, q = keep[k], add[k]
            mixed = np.outer(p, q) * X[:, source]
            Q = np.outer(p, p) * Q + mixed + mixed.T + np.outer(q, q) * C[np.ix_(source, source)]
            X = (p[:, None] * X + q[:, None] * C[source]) @ step.A.T
            e = p * e + q * m[source]
        m, C = step.forward(m, C)
    return means, covs


# --- quadratic measures ---------------------------------------------------------------------------------------------


def hessian(of: Callable[[np.ndarray], Any], centre: np.ndarray, s: float,
            visited: np.ndarray) -> tuple[np.ndarray, float]:
    """The Hessian of a black box that is quadratic, and the rounding of its entries.

    By differences on the scale ``s``; tried at random points and at ``visited`` ones.
    """
    n = len(centre)
    if n**3 > 2 * MOST_NUMBERS:
        raise Inexact("too many fields for a quadratic form")
    eye = s * np.eye(n)
    left, right = np.triu_indices(n, 1)
    reach = 16.0 ** np.linspace(-2, 1, 2 * CHECKS)[:, None]
    tried = np.concatenate([s * reach * np.random.default_rng(2).standard_normal((2 * CHECKS, n)), visited - centre])
    offsets = np.concatenate([np.zeros((1, n)), eye, -eye, eye[left] + eye[right], tried])
    values = np.asarray(of(centre + offsets), dtype=float)
    if values.shape != (len(offsets),):
        raise Inexact("the measure is not one number a replicate")
    f0, plus, minus = values[0], values[1 : n + 1], values[n + 1 : 2 * n + 1]
    H = np.diag((plus + minus - 2 * f0) / s**2)
    H[left, right] = (values[2 * n + 1 : -len(tried)] - plus[left] - plus[right] + f0) / s**2
    H[right, left] = H[left, right]
    slope = (plus - minus) / (2 * s)
    predicted = f0 + tried @ slope + np.einsum("ri,ij,rj->r", tried, H, tried) / 2
    size = np.abs(values[: 2 * n + 1]).max()
    allowed = size + np.abs(tried) @ np.abs(slope) + np.einsum("ri,ij,rj->r", np.abs(tried), np.abs(H), np.abs(tried))
    if not (np.abs(predicted - values[-len(tried) :]) <= 10 * AFFINE * allowed).all():
        raise Inexact("the measure is not quadratic")
    return H, 4 * EPS * float(size) / s**2
