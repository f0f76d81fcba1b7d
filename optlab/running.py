"""run: drive a generator over a problem, read measures off its iterates, stop it with a structured reason."""

from __future__ import annotations

import hashlib
import inspect
import itertools
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import numpy as np

from optlab.problems.errors import ProblemError

from . import measures
from .fold import Fold, last
from .guarantee import RunQuantity
from .ledger import Counting
from .measures import Measure, point
from .methods import Method, Stopped, as_method
from .quantities import Quantities
from .rng import Stream


class StopReason(Enum):
    """Why a run ended."""

    STEPS = "all steps taken"
    FINISHED = "the method returned"
    DIVERGED = "every replicate became infinite or NaN"
    TOLERANCE = "the certificate met the tolerance"
    INTERRUPTED = "interrupted by the user"


@dataclass(frozen=True)
class Reader:
    """A measure read off a fold of the iterates, with the run quantities that its bound names."""

    measure: Measure
    at: Fold = last
    using: Mapping[str, RunQuantity] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.measure.name if self.at is last else f"{self.measure.name} [{self.at}]"


@dataclass
class Reading:
    """What a reader saw: values, floors and run quantities, each (recorded, *replicates)."""

    values: np.ndarray
    floors: np.ndarray
    using: dict[str, np.ndarray]


@dataclass(frozen=True)
class Trace:
    """A finished run: measures against k, oracle calls, seconds; the last iterate, and all recorded ones if asked.

    ``trace["f(x) - f*"]`` is an array (recorded, *replicates) beside ``trace.k``; index 0 is the start.
    """

    method: Method
    problem: Any
    params: Mapping[str, Any]
    k: np.ndarray
    readings: Mapping[str, Reading]
    calls: Mapping[str, np.ndarray]
    seconds: np.ndarray
    stop: StopReason
    final: Any
    fingerprint: str
    seeds: Any = None
    iterates: tuple[Any, ...] = ()
    outcome: str = ""
    start: Any = None

    def __getitem__(self, name: str) -> np.ndarray:
        try:
            return self.readings[name].values
        except KeyError:
            raise KeyError(f"no measure {name!r} in this trace; it holds {', '.join(map(repr, self.readings))}") from None

    @property
    def x(self) -> Any:
        """The last point of the certified sequence."""
        return point(self.final)

    def resume(self, steps: int) -> Trace:
        """The same run taken further: a deterministic replay, checked against this trace's fingerprint."""
        if steps < self.k[-1]:
            raise ProblemError(f"steps must be at least the {self.k[-1]} already taken, got {steps}")
        longer = run(self.method, self.problem, self.start, steps, seeds=self.seeds, **self.params)
        replay = run(self.method, self.problem, self.start, int(self.k[-1]), seeds=self.seeds, record=(), **self.params)
        if replay.fingerprint != self.fingerprint:
            raise ProblemError("the replay differs from this trace: problem, method or start changed since it was made")
        return longer

    def plot(self, name: str | None = None, ax: Any = None) -> Any:
        import optlab  # the umbrella knows the analysis; this module does not

        return optlab.plot_trace(self, name, ax)

    def _repr_html_(self) -> str:
        """A table for notebooks: every measure at the start, half-way (on the record) and at the end, over replicates."""
        from html import escape

        at = sorted({0, len(self.k) // 2, len(self.k) - 1})
        head = "".join(f"<th>k = {self.k[i]}</th>" for i in at)
        rows = "".join(f"<tr><td>{escape(n)}</td>" + "".join(f"<td>{np.mean(r.values[i]):.4g}</td>" for i in at) + "</tr>"
                       for n, r in self.readings.items())
        calls = ", ".join(f"{v[-1]:g} {escape(n)}" for n, v in self.calls.items())
        return (f"<p><b>{escape(self.method.name)}</b> on {escape(str(self.problem))}: {self.stop.value}; "
                f"{calls or 'no'} oracle calls</p><table><tr><th></th>{head}</tr>{rows}</table>")

    def __repr__(self) -> str:
        ends = ", ".join(f"{n} = {np.mean(r.values[-1]):.3g}" for n, r in self.readings.items())
        return f"<trace of {self.method.name} on {self.problem}: k = {self.k[-1]}, {self.stop.value}; {ends}>"


def recorded_indices(steps: int, every: int | None = None, limit: int = 1000) -> np.ndarray:
    """All indices of a short run; else ~200 log-spaced ones; or every ``every``-th. Always 0 and ``steps``."""
    if every is not None:
        if every < 1:
            raise ProblemError(f"every must be a positive number of steps, got {every}")
        return np.unique(np.append(np.arange(0, steps + 1, every), steps))
    if steps <= limit:
        return np.arange(steps + 1)
    grid = np.unique(np.round(np.geomspace(1, steps, 200)).astype(int))
    return np.concatenate([[0], grid])


def iterate(method: Method, problem: Any, x0: Any, params: Mapping[str, Any], rng: Any = None) -> Generator[Any, None, Any]:
    """The iterates of a method (of a one-stroke rule: its record). The generator's return value ends it."""
    extra = {"rng": rng} if method.random else {}
    produced = method(problem, x0, **params, **extra)
    if method.one_stroke:
        yield produced
        return None
    return (yield from produced)


def drive(method: Method, problem: Any, x0: Any, steps: int, *, params: Mapping[str, Any], rng: Any,
          readers: Sequence[Reader], record: np.ndarray, given: Any = None, quantities: Quantities | None = None,
          keep: bool = False, tick: Any = None, until: Any = None) -> Trace:
    """The one loop behind run, verify and solve.

    ``problem`` is what measures speak of; ``given`` (default: the same) is what the method is handed. Totals are summed
    at every step; measures are read at the recorded indices only. ``until(iterate, k)`` true stops the run.
    """
    counting = Counting(problem if given is None else given)
    outcome: list[Stopped] = []

    def source() -> Iterator[Any]:
        result = yield from iterate(method, counting, x0, params, rng)
        if isinstance(result, Stopped):
            outcome.append(result)

    folds = list(dict.fromkeys(r.at for r in readers)) or [last]
    copies = itertools.tee(source(), len(folds) + 1)
    lanes = [fold(copy, quantities) for fold, copy in zip(folds, copies[1:], strict=True)]
    wanted = set(record.tolist())
    sums: list[dict[str, Any]] = [{} for _ in readers]
    starts: list[dict[str, Any]] = [{} for _ in readers]
    rows: list[list[tuple[Any, Any, dict[str, Any]]]] = [[] for _ in readers]
    ks: list[int] = []
    calls: list[dict[str, Any]] = []
    seconds: list[float] = []
    kept: list[Any] = []
    final: Any = None
    stop = StopReason.FINISHED
    offset = 1 if method.one_stroke else 0
    spent = 0.0
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        try:
            lap = time.perf_counter()
            for k, (state, *folded) in enumerate(zip(copies[0], *lanes, strict=False)):
                spent += time.perf_counter() - lap
                final = state
                at = dict(zip(folds, folded, strict=True))
                recorded = k + offset in wanted or method.one_stroke
                if recorded:
                    ks.append(k + offset)
                    calls.append(dict(counting.ledger))
                    seconds.append(spent)
                    if keep:
                        kept.append(state)
                for i, r in enumerate(readers):
                    here = at[r.at]
                    for name, q in r.using.items():
                        if q.kind == "start" and k == 0:
                            starts[i][name] = np.asarray(q.of(problem, here), dtype=float)
                    if recorded:
                        now = {n: np.asarray(q.of(problem, here), dtype=float) for n, q in r.using.items() if q.kind == "now"}
                        zero = {n: 0.0 for n, q in r.using.items() if q.kind == "total"}
                        value = np.asarray(r.measure(problem, here), dtype=float)
                        floor = np.asarray(r.measure.floor(problem, here), dtype=float)
                        floor = floor + np.zeros(value.shape)  # one a replicate, like the value
                        for q in r.using.values():  # the bound is measured too: its rounding counts
                            if q.kind == "now" and isinstance(q.of, Measure):
                                floor = floor + np.asarray(q.of.floor(problem, here), dtype=float)
                        rows[i].append((value, floor, {**starts[i], **zero, **sums[i], **now}))
                    for name, q in r.using.items():
                        if q.kind == "total":
                            sums[i][name] = sums[i].get(name, 0.0) + np.asarray(q.of(problem, here), dtype=float)
                if tick is not None:
                    tick(k)
                if until is not None and until(state, k):
                    stop = StopReason.TOLERANCE
                    break
                if k >= steps:
                    stop = StopReason.STEPS
                    break
                if recorded and not _any_finite(point(state)):
                    stop = StopReason.DIVERGED
                    break
                lap = time.perf_counter()
        except KeyboardInterrupt:
            stop = StopReason.INTERRUPTED
            if not ks:
                raise
    readings = {r.name: _stack(row) for r, row in zip(readers, rows, strict=True)}
    entries = sorted({n for c in calls for n in c})
    return Trace(
        method, problem, params, np.array(ks), readings,
        {n: np.array([np.mean(c.get(n, 0)) for c in calls]) for n in entries}, np.array(seconds), stop, final,
        fingerprint(final), iterates=tuple(kept), outcome=outcome[0].reason if outcome else "", start=x0,
    )


def _any_finite(x: Any) -> bool:
    if isinstance(x, (float, int, np.ndarray)) or hasattr(x, "dtype"):
        a = x.get() if hasattr(x, "get") else np.asarray(x)
        if a.dtype.kind in "fc":
            return bool(np.isfinite(a).any())
    return True


def _stack(rows: list[tuple[Any, Any, dict[str, Any]]]) -> Reading:
    values, floors = [row[0] for row in rows], [row[1] for row in rows]
    using = {n: np.stack(np.broadcast_arrays(*(row[2][n] for row in rows))) for n in (rows[0][2] if rows else {})}
    return Reading(np.stack(np.broadcast_arrays(*values)), np.stack(np.broadcast_arrays(*floors)), using)


def fingerprint(iterate: Any) -> str:
    """A hash of an iterate's arrays."""
    digest = hashlib.sha256()
    for part in iterate if isinstance(iterate, tuple) else (iterate,):
        a = part.get() if hasattr(part, "get") else part
        digest.update(np.ascontiguousarray(a).tobytes() if isinstance(a, (np.ndarray, float, int, np.generic)) else
                      repr(a).encode())
    return digest.hexdigest()[:16]


def default_measures(problem: Any) -> list[Measure]:
    """The measures that this problem supports without being told."""
    found = []
    if problem.f_star is not None and hasattr(problem, "value"):
        found.append(measures.suboptimality)
    if problem.x_star is not None:
        found.append(measures.sq_distance)
    for oracle, m in (("grad", measures.sq_gradient), ("operator", measures.sq_operator), ("T", measures.sq_residual)):
        if hasattr(problem, oracle):
            found.append(m)
    return found


def prescribed(method: Method, problem: Any, x0: Any, given: Mapping[str, Any], steps: int) -> dict[str, Any]:
    """The caller's parameters, completed by the recipe of the first guarantee that speaks about this problem."""
    missing = [n for n, default in method.parameters.items() if default is inspect.Parameter.empty and n not in given]
    if not missing:
        return dict(given)
    for g in method.guarantees:
        if all(problem.meets(a) for a in g.assumes):
            try:
                recipe = g.recipes(Quantities(problem, x0, {**given, "horizon": steps}), given)[0]
            except ValueError:
                continue
            if set(missing) <= set(recipe):
                return {**{n: v for n, v in recipe.items() if n in method.parameters}, **given}
    raise ProblemError(f"{method.name} needs {', '.join(missing)}: none of its guarantees prescribes "
                       f"{'it' if len(missing) == 1 else 'them'} for {problem}")


def as_start(problem: Any, x0: Any, batch: tuple[int, ...] = ()) -> Any:
    """``x0`` checked against ``problem.point_shape`` and broadcast to the replicates."""
    x = problem.x0 if x0 is None else x0
    if isinstance(x, (list, float, int)):
        x = np.asarray(x, dtype=float)
    shape = tuple(getattr(x, "shape", ()))
    n = len(problem.point_shape)
    if shape[len(shape) - n:] != tuple(problem.point_shape):
        raise ProblemError(f"x0 must end in point_shape {tuple(problem.point_shape)} of {problem}, got shape {shape}")
    if not _all_finite(x):
        raise ProblemError("x0 must be finite, got NaN or infinity")
    if batch and len(shape) == n:
        x = np.broadcast_to(x, batch + shape) if isinstance(x, np.ndarray) else x + np.zeros(batch + (1,) * n)
    return x


def _all_finite(x: Any) -> bool:
    a = x.get() if hasattr(x, "get") else np.asarray(x)
    return bool(np.isfinite(a).all())


def run(method: Any, problem: Any, x0: Any = None, steps: int = 100, *, seeds: Any = None,
        record: Iterable[Measure | str] | None = None, every: int | None = None, progress: bool = False,
        **params: Any) -> Trace:
    """Run a method and record its measures.

    ``x0`` (*point_shape) or a batch (n, *point_shape); ``seeds`` an integer (that many replicates) or an array of seeds
    (random methods only; one array batch, no Python loop); ``record`` measures to read, default all the problem
    supports, and ``"iterates"`` to keep them; ``every`` the recording stride (default: all of a short run, log-spaced
    on a long one). Parameters not given come from the method's first applicable guarantee. Ctrl-C returns the trace
    so far. Raises ProblemError or AssumptionError for bad arguments.
    """
    m = as_method(method)
    if not isinstance(steps, (int, np.integer)) or steps < 0:
        raise ProblemError(f"steps must be a nonnegative integer, got {steps!r}")
    unknown = [n for n in params if n not in m.parameters]
    if unknown:
        raise ProblemError(f"{m.name} has no parameter {unknown[0]!r}; it takes {', '.join(m.parameters) or 'none'}")
    m.require(problem)
    if seeds is not None and not m.random:
        raise ProblemError(f"{m.name} draws nothing at random: seeds means nothing to it")
    seed_array = np.arange(seeds) if isinstance(seeds, (int, np.integer)) else np.asarray(0 if seeds is None else seeds)
    x = as_start(problem, x0, seed_array.shape)
    supported = [] if m.one_stroke else default_measures(problem)  # a record is not a point: its measures are named
    chosen = [*(supported if record is None else record)]
    by_name = {q.name: q for q in supported}
    readers = []
    for item in chosen:
        if item == "iterates":
            continue
        if isinstance(item, str):
            if item not in by_name:
                raise ProblemError(f"no measure {item!r} for {problem}; it supports {', '.join(map(repr, by_name))}")
            item = by_name[item]
        readers.append(Reader(item))
    full = prescribed(m, problem, x, params, steps)
    bar = None
    if progress:
        from .progress import ticker

        bar = ticker(f"{m.name} on {problem}", steps)
    trace = drive(m, problem, x, int(steps), params=full, rng=Stream(seed_array) if m.random else None, readers=readers,
                  record=recorded_indices(int(steps), every), keep="iterates" in [c for c in chosen if isinstance(c, str)],
                  tick=bar)
    return replace(trace, seeds=seeds)
