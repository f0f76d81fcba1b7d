"""Exact expectations, before any sampling.

Three ways, all with method, problem, fold and measure as black boxes:

- **moments**: one step of a ``restartable`` method is, for every outcome of its draws, affine in the state: mean and
  covariance are carried through the run, and measures quadratic in the fold's output have exact expectations.
- **effects**: the whole run is affine in its draws (noisy gradient descent, Langevin): each draw is tried by itself.
- **outcomes**: few enough to run all of them; any method, any measure.

``with_drift`` adds, to a verdict whose guarantee states a one-step inequality, that inequality at visited states.

Laws (for sampling): ``gaussian_law(method, problem, x0, params, steps) -> list of (k, mean, covariance)`` is the exact
law of the iterates of a method that is affine in its normal draws. A theorem speaks of it through a measure
``optlab.measures.LawMeasure("W2^2", lambda problem, law: law.sq_wasserstein(Law(mean, covariance)))`` with
``mode="expectation"``: ``Law`` has ``mean`` (d,), ``covariance`` (d, d), ``sq_wasserstein`` and ``kl``.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from optlab.measures import EPS, Law, LawMeasure
from optlab.methods import Method
from optlab.running import Reader, Reading, iterate, recorded_indices

from .moments import (
    AFFINE,
    MOST_NUMBERS,
    MOST_WORK,
    AffineMap,
    Extras,
    affine_map,
    hessian,
    power,
    propagate,
    settle,
    tries,
)
from .scenarios import MOST_OUTCOMES, Draws, Entry, Inexact, Layout, effects_of, joint_weights, leaves, table_of

MOST_STEPS = 20_000
VISITED = 8  # states of the sampled path on which a recovered step is tried
Readings = tuple[np.ndarray, dict[str, Reading], str]
log = logging.getLogger(__name__)


@dataclass
class Run:
    """What is run, with one sampled path of it: states, and the outcomes that its draws took."""

    method: Method
    given: Any
    x0: np.ndarray
    params: Mapping[str, Any]
    steps: int
    states: list[Any]
    entries: list[Entry]
    row: np.ndarray
    cuts: list[int]  # entries used when each state was yielded

    @classmethod
    def sample(cls, method: Method, given: Any, x0: np.ndarray, params: Mapping[str, Any], steps: int) -> Run:
        draws = Draws(sampler=np.random.default_rng(3))
        states, cuts = [], []
        for state in itertools.islice(iterate(method, given, x0, params, draws), steps + 1):
            states.append(state)
            cuts.append(len(draws.entries))
        if len(states) <= steps and not method.one_stroke:
            raise Inexact("the method ends by itself")
        return cls(method, given, x0, params, steps, states, draws.entries, np.array(draws.row), cuts)

    def play(self, draws: Draws) -> Iterator[Any]:
        return itertools.islice(iterate(self.method, self.given, self.x0, self.params, draws), len(self.states))

    @property
    def indices(self) -> np.ndarray:
        return np.array([1]) if self.method.one_stroke else np.arange(len(self.states))


def exact(method: Method, problem: Any, x0: Any, params: Mapping[str, Any], steps: int, readers: Sequence[Reader], *,
          given: Any = None, quantities: Any = None) -> Readings | None:
    """Exact expectations of what ``readers`` read: (k, readings by the readers' names, evidence), or None.

    ``given`` (default: ``problem``) is what the method is handed; measures speak of ``problem``. ``x0`` is one point.
    Readings hold E[measure] (K,) and floors (K,). Bounds that name quantities of the run beyond its start are left to
    replicates, since a bound of an expectation is not the expectation of a bound.
    """
    if any(q.kind != "start" for r in readers for q in r.using.values()):
        return None
    return _try(method, problem if given is None else given, x0, params, steps,
                lambda way, run: way(run, problem, readers, quantities))


def gaussian_law(method: Method, problem: Any, x0: Any, params: Mapping[str, Any], steps: int, *,
                 given: Any = None) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """(k, mean, covariance) of the certified sequence, flattened, at every recorded k.

    Raises Inexact when the method is not affine in normal draws.
    """
    seen: list[Law] = []

    def keep(problem: Any, law: Law) -> float:
        seen.append(law)
        return 0.0

    read = Reader(LawMeasure("law", keep))
    found = exact(method, problem, x0, params, steps, [read], given=given)
    if found is None:
        raise Inexact(f"the law of {method.name} on {problem} is not known exactly: it is not affine in normal draws")
    k = found[0]
    return [(int(i), law.mean, law.covariance) for i, law in zip(k, seen[-len(k) :], strict=True)]


def _try(method: Method, given: Any, x0: Any, params: Mapping[str, Any], steps: int,
         use: Callable[[Callable[..., Any], Run], Any]) -> Any:
    """The first way that works."""
    if not isinstance(x0, np.ndarray) or x0.shape != tuple(given.point_shape) or steps > MOST_STEPS:
        return None
    with np.errstate(all="ignore"):
        try:
            run = Run.sample(method, given, x0, params, steps)
        except Exception as why:  # a foreign body on unusual draws may fail in any way; then there are replicates
            log.debug("no exact expectation for %s: %s", method.name, why)
            return None
        lone = any(np.ndim(leaf) == 0 for leaf in leaves(run.states[0]))  # a schedule, or a random number
        ways = [(way, scalars) for way in (by_moments, by_effects) for scalars in ((True, False) if lone else (True,))]
        for way, scalars in [*ways, (by_outcomes, True)]:
            try:
                return use(lambda *a, way=way, scalars=scalars: way(*a, scalars=scalars), run)
            except Exception as why:
                log.debug("%s does not fit %s: %s", way.__name__, method.name, why)
    return None


# --- moments ------------------------------------------------------------------------------------------------------


def restarted(run: Run, layout: Layout, carried: Sequence[Any]) -> Callable[[Draws, np.ndarray], Any]:
    """One step from the states z (B, size), under chosen draws."""

    def advance(draws: Draws, z: np.ndarray) -> Any:
        state = layout.state(z, carried)
        body = run.method(run.given, *(state if isinstance(state, tuple) else (state,)), **run.params, rng=draws)
        again, _ = layout.vector(next(body), (len(z),))
        if draws.entries or not np.array_equal(again, z):
            raise Inexact("the method does not restart from what it yields")
        return next(body)

    return advance


def by_moments(run: Run, problem: Any, readers: Sequence[Reader], quantities: Any, *, scalars: bool) -> Readings:
    """Mean and covariance of the state through the steps of a restartable method."""
    if not run.method.restartable or run.method.one_stroke:
        raise Inexact("the method does not restart from what it yields")
    layout = Layout(run.states[0], scalars)
    path, carried = (list(side) for side in zip(*(layout.vector(state) for state in run.states), strict=True))
    begin = affine_map(lambda draws, z: next(run.play(draws)), layout, np.zeros(0))
    m, C = begin.forward(np.zeros(0), np.zeros((0, 0)))
    first = affine_map(restarted(run, layout, carried[0]), layout, path[0])
    if layout.carries and run.steps * (len(first.table) + 16) * (layout.size + 9) * layout.size * 40 > MOST_WORK:
        raise Inexact("too much work: the step changes with k")
    first.prepare(1 if layout.carries else run.steps)
    picks = set(np.unique(np.geomspace(1, max(1, run.steps), VISITED).astype(int) - 1).tolist())
    gaussian = [begin.gaussian]

    def maps() -> Iterator[AffineMap]:
        for k in range(run.steps):
            step = first
            if layout.carries and k:
                step = affine_map(restarted(run, layout, carried[k]), layout, path[k])
            if layout.carries and not _same(step.carried, carried[k + 1]):
                raise Inexact("a carried field of the state depends on the outcome")
            if k in picks:
                _visit(step, path[k], path[k + 1], run.row[run.cuts[k] : run.cuts[k + 1]])
            gaussian[0] &= step.gaussian
            yield step

    extras = Extras(layout, run.steps)
    folds = {id(r.at): r.at for r in readers}
    views = {i: extras.view(fold, quantities, carried) for i, fold in folds.items()}
    numbers = (run.steps + 1) * sum(len(v.index) ** 2 for v in views.values())
    kept = run.indices if numbers <= MOST_NUMBERS else recorded_indices(run.steps, limit=100)
    if len(kept) <= run.steps and any(r.at.minimum for r in readers):
        raise Inexact("too much work: a minimum over k needs every k")
    means, covs = propagate(maps(), m, C, extras, list(views.values()), kept)
    readings: dict[str, Reading] = {}
    for (i, view), cov in zip(views.items(), covs, strict=True):
        outputs = list(folds[i](iter(run.states), quantities))
        story = Story(view.layout, means[:, view.index], cov, [[carried[k][j] for j in view.carried] for k in kept],
                      _vectors(view.layout, outputs), gaussian[0])
        readings |= {r.name: story.read(r, problem) for r in readers if id(r.at) == i}
    return kept, readings, f"exact moments ({_kind(first)})"


def _visit(step: AffineMap, z: np.ndarray, after: np.ndarray, row: np.ndarray) -> None:
    """A step of the sampled path must be the recovered map's, under the outcomes it took."""
    if len(row) != len(step.entries):
        raise Inexact("the number of draws changes")
    T = step.at(row)
    away = np.abs(T[:, :-1] @ z + T[:, -1] - after)
    size = np.abs(T[:, :-1]) @ np.abs(z) + np.abs(T[:, -1]) + np.abs(after).max(initial=0.0)
    if np.isfinite(size).all() and not (away <= 10 * AFFINE * size.max(initial=0.0)).all():
        raise Inexact("a step taken in the run is not the one recovered")


def _same(a: Sequence[Any], b: Sequence[Any]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def _kind(step: AffineMap) -> str:
    counts = [e.count for e in step.entries if e.count]
    normals = len(step.entries) - len(counts)
    words = [f"{prod(counts)} outcomes a step"] if counts else []
    return " and ".join([*words, *([f"{normals} normal draws"] if normals else [])]) or "nothing was drawn"


def _vectors(layout: Layout, outputs: Sequence[Any]) -> np.ndarray:
    """What a fold gave on the sampled path: the first two outputs, and finite ones of moderate size."""
    picks = np.unique(np.append(np.geomspace(1, len(outputs), 2 * VISITED).astype(int) - 1, min(1, len(outputs) - 1)))
    z = np.stack([layout.vector(outputs[i])[0] for i in picks])
    size = np.abs(z).max(axis=1, initial=0.0)
    return z[(size <= 1e8 * (1 + size[0])) | (np.arange(len(z)) < 2)]


@dataclass
class Story:
    """A fold's output through the run: mean (K, u), covariance (K, u, u), carried fields, and visited points."""

    layout: Layout
    mean: np.ndarray
    covariance: np.ndarray
    carried: list[list[Any]]
    visited: np.ndarray
    gaussian: bool

    def read(self, reader: Reader, problem: Any) -> Reading:
        """E[measure], exact for measures quadratic in the output, and for measures of a Gaussian law."""
        if isinstance(reader.measure, LawMeasure):
            return self._read_law(reader.measure, problem)
        measure, n = reader.measure, len(self.mean)
        using = {}
        for name, q in reader.using.items():
            if self.covariance[0].any():
                raise Inexact("the start is random")
            using[name] = np.full(n, float(q.of(problem, self.layout.state(self.mean[0], self.carried[0]))))

        def of(points: np.ndarray, carried: Sequence[Any]) -> np.ndarray:
            return np.asarray(measure(problem, self.layout.state(points, carried)), dtype=float)

        def form(carried: Sequence[Any]) -> tuple[np.ndarray, float]:
            return hessian(lambda points: of(points, carried), self.visited[0], power(*self.visited[:2]), self.visited)

        def floor(points: np.ndarray, carried: Sequence[Any]) -> Any:
            return measure.floor(problem, self.layout.state(points, carried))

        at_first = [float(of(self.visited[-1], c)) for c in self.carried] if self.carried[0] else [0.0]
        if len(set(at_first)) == 1:  # what is carried does not matter to the measure
            H, noise = form(self.carried[0])
            centre, floors = of(self.mean, self.carried[0]), floor(self.mean, self.carried[0])
            forms: Iterator[tuple[np.ndarray, float]] = itertools.repeat((H, noise), n)
        else:
            if n * len(self.mean[0]) ** 2 * len(self.mean[0]) > MOST_NUMBERS:
                raise Inexact("too much work: the measure changes with k")
            pairs = list(zip(self.mean, self.carried, strict=True))
            centre = np.array([of(m, c) for m, c in pairs])
            floors = np.array([floor(m, c) for m, c in pairs])
            forms = (form(c) for c in self.carried)
        spread, slack = np.empty(n), np.empty(n)
        for k, (H, noise) in enumerate(forms):
            size = np.abs(self.covariance[k])
            spread[k] = np.sum(H * self.covariance[k]) / 2
            slack[k] = 32 * EPS * np.sum(np.abs(H) * size) + noise * np.sum(size)
        return Reading(np.broadcast_to(centre, (n,)) + spread, np.broadcast_to(floors, (n,)) + slack, using)

    def _read_law(self, measure: LawMeasure, problem: Any) -> Reading:
        if not self.gaussian:
            raise Inexact("the law is not Gaussian")
        if self.layout.shapes[0] is None:
            raise Inexact("the certified sequence is not an array")
        part = slice(None) if measure.whole else self.layout.slices[0]
        laws = [Law(m[part], C[part, part]) for m, C in zip(self.mean, self.covariance, strict=True)]
        values = np.array([float(measure(problem, law)) for law in laws])
        return Reading(values, np.array([float(measure.floor(problem, law)) for law in laws]), {})


# --- effects and outcomes: the whole run, every scenario at once ----------------------------------------------------


def _outputs(run: Run, draws: Draws, readers: Sequence[Reader], quantities: Any) -> Iterator[tuple[Any, list[Any]]]:
    """(state, what each distinct fold gives) along the run under ``draws``."""
    folds = list({id(r.at): r.at for r in readers}.values())
    copies = itertools.tee(run.play(draws), len(folds) + 1)
    yield from zip(copies[0], zip(*(f(c, quantities) for f, c in zip(folds, copies[1:], strict=True)), strict=True),
                   strict=True)


def by_effects(run: Run, problem: Any, readers: Sequence[Reader], quantities: Any, *, scalars: bool) -> Readings:
    """The run is affine in its draws: each by itself gives its effect; random joint outcomes check that they add."""
    scenarios = 1 + sum(e.count - 1 if e.count else 1 for e in run.entries)
    if (scenarios + 17) * max(len(run.entries), 20 * run.x0.size) > MOST_NUMBERS:
        raise Inexact("too many draws in the run")
    rows, shares = tries(run.entries, False, np.random.default_rng(4), run.row)
    table = np.concatenate([table_of(run.entries, False), rows])
    draws = Draws(table)
    stories: dict[int, Story] = {}
    keys = list({id(r.at): None for r in readers})
    lanes: list[list[Any]] = [[] for _ in keys]
    plain = list(_outputs(run, Draws(sampler=np.random.default_rng(3)), readers, quantities))
    layouts = [Layout(out, scalars) for out in plain[0][1]]
    for k, (_, outputs) in enumerate(_outputs(run, draws, readers, quantities)):
        for layout, out, sampled, lane in zip(layouts, outputs, plain[k][1], lanes, strict=True):
            Y, carried = layout.vector(out, (len(table), 1))
            Y, (seen, _) = Y[:, 0], layout.vector(sampled)
            size = np.abs(Y).max(initial=0.0)
            if not np.abs(Y[-1] - seen).max(initial=0.0) <= AFFINE * size:
                raise Inexact("a batch of scenarios is not a loop over them")
            settle(shares @ Y[:scenarios], Y[scenarios:], shares, size)
            mean, w, E = effects_of(run.entries, False, Y[:scenarios])
            lane.append((mean, (w[:, None] * E).T @ E, carried))
    if len(draws.entries) != len(run.entries):
        raise Inexact("the number of draws depends on the state")
    gaussian = not any(e.count for e in run.entries)
    for key, lane, layout, i in zip(keys, lanes, layouts, itertools.count(), strict=False):
        means, covs, carries = (list(side) for side in zip(*lane, strict=True))
        visited = _vectors(layout, [outputs[i] for _, outputs in plain])
        stories[key] = Story(layout, np.stack(means), np.stack(covs), carries, visited, gaussian)
    readings = {r.name: stories[id(r.at)].read(r, problem) for r in readers}
    return run.indices, readings, f"exact moments (the run is affine in its {len(run.entries)} draws)"


def by_outcomes(run: Run, problem: Any, readers: Sequence[Reader], quantities: Any, *, scalars: bool) -> Readings:
    """Every outcome of every draw of the run."""
    counts = [e.count for e in run.entries]
    if not all(counts) or prod(counts) > MOST_OUTCOMES or prod(counts) * 20 * run.x0.size > MOST_NUMBERS:
        raise Inexact("too many outcomes of the run")
    if any(isinstance(r.measure, LawMeasure) for r in readers):
        raise Inexact("the law is not Gaussian")
    draws = Draws(table_of(run.entries, True))
    weights = joint_weights(run.entries)
    path = int(np.ravel_multi_index(run.row.astype(int), counts)) if counts else 0
    rows: dict[str, list[tuple[float, float]]] = {r.name: [] for r in readers}
    using: dict[str, dict[str, float]] = {r.name: {} for r in readers}
    keys = list({id(r.at): None for r in readers})

    def mean(values: Any) -> float:
        values = np.asarray(values, dtype=float)
        return float(weights @ np.broadcast_to(values, (len(weights), 1))[:, 0])

    for k, (state, outputs) in enumerate(_outputs(run, draws, readers, quantities)):
        for leaf, plain in zip(leaves(state), leaves(run.states[k]), strict=True):
            mine = np.broadcast_to(leaf, (len(weights), 1, *np.shape(plain)))[path, 0]
            if not np.allclose(mine, plain, rtol=AFFINE, atol=AFFINE, equal_nan=True):
                raise Inexact("a batch of scenarios is not a loop over them")
        for r in readers:
            here = outputs[keys.index(id(r.at))]
            if k == 0:
                start = {name: np.asarray(q.of(problem, here), dtype=float) for name, q in r.using.items()}
                if any((v != v.flat[0]).any() for v in start.values()):
                    raise Inexact("the start is random")
                using[r.name] = {name: float(v.flat[0]) for name, v in start.items()}
            rows[r.name].append((mean(r.measure(problem, here)), mean(r.measure.floor(problem, here))))
    if len(draws.entries) != len(run.entries):
        raise Inexact("the number of draws depends on the outcome")
    readings = {}
    for name, row in rows.items():
        values, floors = np.array(row).T
        readings[name] = Reading(values, floors, {n: np.full(len(row), v) for n, v in using[name].items()})
    words = f"all {len(weights)} outcomes enumerated" if run.entries else "nothing was drawn"
    return run.indices, readings, words


def with_drift(verdict: Any, g: Any, method: Method, job: Any) -> Any:
    """See ``drift.with_drift``."""
    from .drift import with_drift as checked

    return checked(verdict, g, method, job)
