"""Scenarios: states as vectors, and draws that declare their outcomes so that chosen ones can be played back.

What does not fit (a continuous draw, a state that changes its shape) raises ``Inexact`` or ``NotEnumerable``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import comb, prod
from typing import Any

import numpy as np

from optlab.rng import NotEnumerable

MOST_OUTCOMES = 20_000  # of one draw, and of all draws of a step taken together


class Inexact(Exception):
    """This way does not give the exact expectation; the message says what failed."""


# --- states: an array, or nested tuples of arrays and carried things (counters, schedules) ---------------------


def leaves(state: Any) -> list[Any]:
    return [leaf for part in state for leaf in leaves(part)] if isinstance(state, tuple) else [state]


def rebuild(template: Any, parts: Iterator[Any]) -> Any:
    """The structure of ``template`` with other leaves."""
    if not isinstance(template, tuple):
        return next(parts)
    children = [rebuild(child, parts) for child in template]
    return type(template)(*children) if hasattr(template, "_fields") else tuple(children)


class Layout:
    """A state as one vector of its float fields; what is not a float array is carried beside it.

    ``scalars``: whether 0-d floats are carried too (schedules such as FISTA's t) or belong to the vector.
    """

    def __init__(self, template: Any, scalars: bool = True):
        self.template = template
        self.shapes: list[tuple[int, ...] | None] = []
        for leaf in leaves(template):
            number = isinstance(leaf, (np.ndarray, np.floating)) and np.asarray(leaf).dtype.kind == "f"
            self.shapes.append(np.shape(leaf) if number and (np.ndim(leaf) or not scalars) else None)
        ends = np.cumsum([0] + [0 if s is None else prod(s) for s in self.shapes])
        self.slices = [slice(int(a), int(b)) for a, b in itertools.pairwise(ends)]
        self.size = int(ends[-1])
        self.carries = any(s is None for s in self.shapes)

    def vector(self, state: Any, lead: tuple[int, ...] = ()) -> tuple[np.ndarray, list[Any]]:
        """The float fields as (*lead, size), and the carried leaves (which may not depend on ``lead``)."""
        found = leaves(state)
        if len(found) != len(self.shapes):
            raise Inexact("the state changes its structure")
        z, carried = np.empty((*lead, self.size)), []
        for leaf, shape, place, old in zip(found, self.shapes, self.slices, leaves(self.template), strict=True):
            if shape is None:
                carried.append(_carried(leaf, old))
            else:
                z[..., place] = np.broadcast_to(leaf, (*lead, *shape)).reshape(*lead, prod(shape))
        return z, carried

    def state(self, z: np.ndarray, carried: Sequence[Any]) -> Any:
        """The state, with the leading axes of ``z`` as replicates."""
        rest = iter(carried)
        parts = [next(rest) if shape is None else z[..., place].reshape((*z.shape[:-1], *shape))
                 for shape, place in zip(self.shapes, self.slices, strict=True)]
        return rebuild(self.template, iter(parts))


def _carried(leaf: Any, old: Any) -> Any:
    extra = np.ndim(leaf) - np.ndim(old)
    if extra <= 0:
        return leaf
    rows = np.asarray(leaf).reshape(-1, *np.shape(old))
    if not (rows == rows[:1]).all():
        raise Inexact("a carried field of the state depends on the outcome or on the state")
    return rows[0]


# --- draws ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """One independent random entry: finitely many ``outcomes`` with ``weights``, or (none) a standard normal."""

    outcomes: np.ndarray
    weights: np.ndarray

    @property
    def count(self) -> int:
        return len(self.outcomes)


@cache
def _subsets(n: int, b: int) -> Entry:
    if comb(n, b) > MOST_OUTCOMES:
        raise NotEnumerable(f"C({n}, {b}) subsets are too many to enumerate")
    return _even(np.array(list(itertools.combinations(range(n), b))))


@cache
def _orders(n: int) -> Entry:
    if n > 7:
        raise NotEnumerable(f"{n}! orders are too many to enumerate")
    return _even(np.array(list(itertools.permutations(range(n)))))


def _even(outcomes: np.ndarray) -> Entry:
    return Entry(outcomes, np.full(len(outcomes), 1 / len(outcomes)))


_NORMAL = Entry(np.zeros(0), np.zeros(0))


class Draws:
    """A body's ``rng`` that declares its independent entries and answers with chosen or sampled outcomes.

    ``table`` (scenarios, entries) chooses them (an outcome's number, a normal's value): every draw is then
    ``(scenarios, 1, ...)``, the second axis being the states'. With a ``sampler`` one outcome is sampled, as a
    plain draw. With neither, every entry takes outcome 0 (a normal: 0) in the one scenario there is. The entries and
    what they took are kept in ``entries`` and ``row``.
    """

    def __init__(self, table: np.ndarray | None = None, sampler: np.random.Generator | None = None):
        self.table, self.sampler, self.agents = table, sampler, 0
        self.lead: tuple[int, ...] = () if sampler is not None else (1 if table is None else len(table), 1)
        self.entries: list[Entry] = []
        self.row: list[float] = []

    def each(self, agents: int) -> Draws:
        if self.agents:
            raise NotEnumerable("agents of agents")
        child = Draws(self.table, self.sampler)
        child.agents, child.entries, child.row = int(agents), self.entries, self.row
        return child

    def _take(self, entry: Entry) -> np.ndarray:
        """What the next entry takes: (scenarios,), or a scalar when sampled."""
        place = len(self.entries)
        self.entries.append(entry)
        if self.sampler is not None:
            taken = self.sampler.standard_normal()
            if entry.count:
                reached = np.searchsorted(np.cumsum(entry.weights), self.sampler.random(), side="right")
                taken = min(int(reached), entry.count - 1)
            self.row.append(float(taken))
            return np.asarray(float(taken))
        if self.table is None:
            return np.zeros(1)
        if place >= self.table.shape[1]:
            raise Inexact("the number of draws depends on the outcome or on the state")
        return self.table[:, place]

    def _finite(self, entries: Sequence[Entry]) -> np.ndarray:
        """One finite draw, or one an agent."""
        drawn = [np.asarray(e.outcomes[self._take(e).astype(int)]) for e in entries]
        axis = len(self.lead[:1])
        together = np.stack(drawn, axis=axis) if self.agents else drawn[0]
        return together.reshape(self.lead + together.shape[axis:])

    def _copies(self, entry: Entry) -> np.ndarray:
        return self._finite([entry] * (self.agents or 1))

    def index(self, n: int, p: Any = None) -> np.ndarray:
        return self._copies(_even(np.arange(n)) if p is None else Entry(np.arange(n), np.asarray(p) / np.sum(p)))

    def coin(self, p: Any) -> np.ndarray:
        if np.ndim(p) > (1 if self.agents else 0):
            raise NotEnumerable("a coin's probability depends on the state")
        sides = np.array([True, False])
        return self._finite([Entry(sides, np.array([q, 1 - q])) for q in np.broadcast_to(p, (self.agents or 1,))])

    def permutation(self, n: int) -> np.ndarray:
        return self._copies(_orders(int(n)))

    def subset(self, n: int, b: int) -> np.ndarray:
        return self._copies(_subsets(int(n), int(b)))

    def normal(self, shape: tuple[int, ...] = ()) -> np.ndarray:
        shape = ((self.agents,) if self.agents else ()) + tuple(shape)
        values = np.stack([self._take(_NORMAL) for _ in range(prod(shape))], axis=-1)
        return values.reshape(self.lead + shape)

    def uniform(self, shape: tuple[int, ...] = ()) -> np.ndarray:
        raise NotEnumerable("a uniform draw cannot be enumerated")


# --- tables of scenarios --------------------------------------------------------------------------------------


def table_of(entries: Sequence[Entry], product: bool) -> np.ndarray:
    """Scenarios (rows) that determine an affine dependence on independent entries.

    ``product``: every joint outcome of the finite entries, each with all normals 0 and then with one normal 1 in turn.
    Else one entry at a time: all at outcome 0; then each entry's other outcomes, each normal at 1.
    """
    if product:
        finite, normal = _kinds(entries)
        counts = [entries[i].count for i in finite]
        rows = np.zeros((prod(counts), 1 + len(normal), len(entries)))
        if finite:
            rows[..., finite] = np.indices(counts).reshape(len(finite), -1).T[:, None]
        rows[:, 1 + np.arange(len(normal)), normal] = 1.0
        return rows.reshape(prod(counts) * (1 + len(normal)), len(entries))
    places = [(i, o) for i, e in enumerate(entries) for o in (range(1, e.count) if e.count else (1,))]
    rows = np.zeros((1 + len(places), len(entries)))
    for r, (i, o) in enumerate(places):
        rows[1 + r, i] = o
    return rows


def _kinds(entries: Sequence[Entry]) -> tuple[list[int], list[int]]:
    """Places of the finite and of the normal entries."""
    return ([i for i, e in enumerate(entries) if e.count], [i for i, e in enumerate(entries) if not e.count])


def joint_weights(entries: Sequence[Entry]) -> np.ndarray:
    """Probabilities of the joint outcomes of the finite entries, in the order of ``table_of``."""
    weights = np.ones(1)
    for e in entries:
        if e.count:
            weights = np.outer(weights, e.weights).ravel()
    return weights


def random_rows(entries: Sequence[Entry], n: int, rng: np.random.Generator) -> np.ndarray:
    """Joint outcomes to try a recovered map on: all outcomes alike, whatever their weights."""
    columns = [rng.integers(e.count, size=n) if e.count else rng.standard_normal(n) for e in entries]
    return np.stack(columns, axis=1).astype(float) if columns else np.zeros((n, 0))


def coefficients(entries: Sequence[Entry], product: bool, rows: np.ndarray) -> np.ndarray:
    """(rows, scenarios): the value at any outcomes as a combination of the values at the scenarios of ``table_of``."""
    finite, normal = _kinds(entries)
    if product:
        counts = [entries[i].count for i in finite]
        joint = np.ravel_multi_index(rows[:, finite].astype(int).T, counts) if finite else np.zeros(len(rows), int)
        out = np.zeros((len(rows), prod(counts), 1 + len(normal)))
        r = np.arange(len(rows))
        out[r, joint, 0] = 1 - rows[:, normal].sum(axis=1)
        out[r, joint, 1:] = rows[:, normal]
        return out.reshape(len(rows), prod(counts) * (1 + len(normal)))
    parts = [(rows[:, [i]] == np.arange(1, e.count)) * 1.0 if e.count else rows[:, [i]] for i, e in enumerate(entries)]
    others = np.concatenate([np.zeros((len(rows), 0)), *parts], axis=1)
    return np.concatenate([1 - others.sum(axis=1, keepdims=True), others], axis=1)


def effects_of(entries: Sequence[Entry], product: bool, T: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, weights and effects from the values T (scenarios, ...) at the scenarios of ``table_of``.

    Effects are uncorrelated parts of mean zero; their weighted squares add up to the covariance.
    """
    if product:
        weights = joint_weights(entries)
        normals = len(T) // len(weights) - 1
        joint = T.reshape(len(weights), 1 + normals, *T.shape[1:])
        mean = np.tensordot(weights, joint[:, 0], axes=1)
        kicks = (joint[:, 1:] - joint[:, :1]).reshape(len(weights) * normals, *T.shape[1:])
        many = slice(None) if len(weights) > 1 else slice(0)
        return (mean, np.concatenate([weights[many], np.repeat(weights, normals)]),
                np.concatenate([(joint[:, 0] - mean)[many], kicks]))
    mean, r = T[0].copy(), 1
    w, parts = [np.zeros(0)], [np.zeros((0, *T.shape[1:]))]
    for e in entries:
        width = e.count - 1 if e.count else 1
        shift = T[r : r + width] - T[0]
        r += width
        if e.count:
            shift = np.concatenate([np.zeros_like(T[:1]), shift])
            average = np.tensordot(e.weights, shift, axes=1)
            mean += average
            shift = shift - average
        w.append(np.asarray(e.weights if e.count else [1.0]))
        parts.append(shift)
    return mean, np.concatenate(w), np.concatenate(parts)
