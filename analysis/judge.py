"""Judge: one guarantee against one reading."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from optlab.guarantee import Guarantee
from optlab.quantities import Quantities
from optlab.running import Reading

from . import statistics

RTOL = 1e-10  # rounding of the bound itself: powers and products of constants known to about 1e-15, k up to 1e5


@dataclass(frozen=True)
class Judgement:
    """Verdict of one guarantee on one run; ``finite`` says that a violation was seen in finite numbers, not only NaN."""

    verdict: str
    ratio: float
    at: int
    measured: np.ndarray
    bound: np.ndarray
    k: np.ndarray
    note: str = ""
    finite: bool = False
    compared: int = 0


def bound_values(g: Guarantee, quantities: Quantities, k: np.ndarray, reading: Reading) -> np.ndarray:
    """The bound at every recorded k, (K, *replicates)."""
    extra = max(0, reading.values.ndim - 1)
    shaped = k.reshape(k.shape + (1,) * extra)
    with np.errstate(all="ignore"):
        raw = quantities.call(g.bound, k=np.maximum(shaped, g.first).astype(float), **reading.using)
        return np.broadcast_to(np.asarray(raw, dtype=float), np.broadcast_shapes(np.shape(raw), shaped.shape)).copy()


def running_minimum(values: np.ndarray) -> np.ndarray:
    """At index k the minimum over s < k (index 0: the start's value)."""
    lowest = np.minimum.accumulate(values, axis=0)
    return np.concatenate([lowest[:1], lowest[:-1]])


def chosen(g: Guarantee, k: np.ndarray, steps: int | None) -> np.ndarray:
    """Which recorded indices the theorem speaks about."""
    if g.by_horizon:
        return k == steps
    return (k >= g.first) & ((k - g.first) % g.stride == 0)


def judge_values(g: Guarantee, k: np.ndarray, reading: Reading, bound: np.ndarray,
                 steps: int | None = None) -> Judgement:
    """Pointwise (and exact expectations): measured <= bound (1 + RTOL) + floor at every k the theorem speaks about."""
    values = running_minimum(reading.values) if g.at.minimum else reading.values
    values, bound = np.broadcast_arrays(values, bound)
    floors = np.broadcast_to(reading.floors, values.shape)
    rows = chosen(g, k, steps)
    v, b, f, ks = values[rows], bound[rows], floors[rows], k[rows]
    axes = tuple(range(1, values.ndim))

    def result(verdict: str, ratio: float = float("nan"), at: int = -1, note: str = "", finite: bool = False,
               replicate: tuple[int, ...] = ()) -> Judgement:
        here: Any = (slice(None), *(replicate or (0,) * len(axes)))  # the curve of the replicate that decided
        limit = np.where(k >= g.first, bound[here], np.nan)
        return Judgement(verdict, ratio, at, values[here], limit, k, note, finite, int(v.size))

    if v.size == 0:
        return result("vacuous", note="nothing was compared")
    if np.isnan(b).any():
        return result("undefined", at=int(ks[np.argwhere(np.isnan(b))[0][0]]), note="the bound is NaN")
    with np.errstate(all="ignore"):
        slack = RTOL * np.abs(b) + np.where(np.isfinite(f), f, 0.0)
        if g.relation == "<=":
            wrong = ~(v <= b + slack)
        elif g.relation == ">=":
            wrong = ~(v >= b - slack)
        else:
            wrong = ~(np.abs(v - b) <= slack)
        wrong &= ~(np.isposinf(b) & (g.relation == "<="))
        ratio = _ratio(g, v, b, f)
    if wrong.any():
        finite = wrong & np.isfinite(v)
        worst = np.where(finite if finite.any() else wrong, np.where(np.isnan(ratio), 0.0, ratio), -np.inf)
        place = np.unravel_index(int(np.argmax(worst)), worst.shape)
        first = int(ks[np.argwhere(wrong)[0][0]])
        return result("violated", float(ratio[place]), int(ks[place[0]]), f"first at k = {first}", bool(finite.any()),
                      tuple(int(i) for i in place[1:]))
    seen = np.where(np.isnan(ratio), -np.inf, ratio)
    place = np.unravel_index(int(np.argmax(seen)), seen.shape)
    if not np.isfinite(seen[place]):  # everything below the floor (an identity between zeros is one)
        return result("holds" if g.relation == "==" else "vacuous", note="" if g.relation == "==" else "all below the floor")
    return result("holds", float(ratio[place]), int(ks[place[0]]), replicate=tuple(int(i) for i in place[1:]))


def _ratio(g: Guarantee, v: np.ndarray, b: np.ndarray, f: np.ndarray) -> np.ndarray:
    """Share of the bound that is used: 1 where it is met. NaN where both sides are below the floor."""
    above = (np.abs(v) > f) & (np.abs(b) > f)
    if g.relation == ">=":
        top, bottom = b, v
    else:
        top, bottom = v, b
    ratio = np.where(bottom > 0, top / bottom, np.where(top < 0, bottom / top, np.inf))
    if g.relation == "==":
        ratio = np.where(v == b, 1.0, ratio)
    crossed = ~(v <= b + f) if g.relation == "<=" else ~(v >= b - f) if g.relation == ">=" else np.zeros_like(above)
    return np.where(above | (crossed & np.isfinite(v)), ratio, np.nan)


def judge_replicates(g: Guarantee, k: np.ndarray, reading: Reading, bound: np.ndarray, failure: float,
                     steps: int | None = None) -> Judgement:
    """Expectation from replicates (K, S): means with a declared failure probability; probabilities and orders alike."""
    values = reading.values.reshape(len(k), -1)
    rows = chosen(g, k, steps)
    ks = k[rows]
    b = bound.reshape(len(k), -1)
    b = b[:, 0] if b.shape[1] == 1 or (b == b[:, :1]).all() else b
    floors = np.max(reading.floors.reshape(len(k), -1), axis=1)
    mean = values.mean(axis=1)
    curve_b = b if b.ndim == 1 else b.mean(axis=1)
    if not rows.any():
        return Judgement("vacuous", float("nan"), -1, mean, curve_b, k, "nothing was compared")
    if g.mode == "high probability":
        return _judge_quantile(g, k, rows, values, b[:, None] if b.ndim == 1 else b, reading.floors.reshape(len(k), -1), failure)
    if g.at.minimum:
        return _judge_best(k, rows, values, curve_b, floors, failure)
    sample, target = values[rows].T, (b[rows] if b.ndim == 1 else b[rows].T)
    with np.errstate(all="ignore"):  # a diverging control overflows in the estimator too: that is its verdict
        m = statistics.judge_mean(sample, target, failure, g.relation, floor=floors[rows])
    finite = m.verdict == "violated" and bool(np.isfinite(m.mean[m.index])) if m.index >= 0 else False
    at = int(ks[m.index]) if m.index >= 0 else -1
    return Judgement(m.verdict, m.ratio, at, mean, curve_b, k, m.note, finite, int(rows.sum()))


def _judge_quantile(g: Guarantee, k: np.ndarray, rows: np.ndarray, values: np.ndarray, bound: np.ndarray,
                    floors: np.ndarray, failure: float) -> Judgement:
    """High probability: how many replicates (K, S) break the bound. NaN breaks it, but shows no control."""
    upper = g.relation == "<="
    floors = np.where(np.isfinite(floors), floors, 0.0)
    wrong = ~(values <= bound + floors if upper else values >= bound - floors)
    worst_value = np.where(np.isnan(values), np.inf if upper else -np.inf, values)
    quantile = np.quantile(worst_value, 1 - g.failure if upper else g.failure, axis=1, method="nearest")
    curve_b = bound.mean(axis=1)
    if np.isnan(bound[rows]).any():
        return Judgement("undefined", float("nan"), -1, quantile, curve_b, k, "the bound is NaN")
    q = statistics.judge_quantile(wrong[rows].sum(axis=1), values.shape[1], g.failure, failure)
    seen = statistics.judge_quantile((wrong & np.isfinite(values))[rows].sum(axis=1), values.shape[1], g.failure, failure)
    with np.errstate(all="ignore"):
        ratio = (quantile / curve_b if upper else curve_b / quantile)[rows]
    place = int(np.argmax(np.where(np.isnan(ratio), -np.inf, ratio)))
    return Judgement(q.verdict, float(ratio[place]), int(k[rows][place]), quantile, curve_b, k, q.note,
                     seen.verdict == "violated", int(rows.sum()))


def _judge_best(k: np.ndarray, rows: np.ndarray, values: np.ndarray, bound: np.ndarray, floors: np.ndarray,
                failure: float) -> Judgement:
    """min over s < k of E[measure_s] <= bound_k. Intervals for every s at once (failure / K each): the least upper limit
    proves *holds*, and only when every lower limit lies above the bound is it *violated*."""
    diverged = ~np.isfinite(values).all(axis=1)
    usable = np.where(diverged[:, None], 0.0, values)
    with np.errstate(all="ignore"):
        found = statistics.mean_interval(usable.T, failure / len(k), nonnegative=bool((usable >= 0).all()))
    low = running_minimum(np.where(diverged, np.inf, found.lo))
    high = running_minimum(np.where(diverged | ~found.trusted, np.inf, found.hi))
    mean = running_minimum(np.where(diverged, np.inf, values.mean(axis=1)))
    if np.isnan(bound[rows]).any():
        return Judgement("undefined", float("nan"), -1, mean, bound, k, "the bound is NaN")
    wrong = rows & (low > bound + floors)
    right = high <= bound + floors
    with np.errstate(all="ignore"):
        ratio = np.where(rows, mean / bound, -np.inf)
    at = int(np.argmax(np.where(wrong, ratio, -np.inf) if wrong.any() else ratio))
    verdict = "violated" if wrong.any() else "holds" if right[rows].all() else "inconclusive"
    return Judgement(verdict, float(ratio[at]), int(k[at]), mean, bound, k, "nonnegative samples, kurtosis <= 30 assumed",
                     verdict == "violated" and bool(np.isfinite(mean[at])), int(rows.sum()))


def judge_order(g: Guarantee, k: np.ndarray, reading: Reading, bound: np.ndarray) -> Judgement:
    """Hidden constants: the slope of measured / bound must not be above zero (below it, for lower bounds)."""
    values = reading.values.reshape(len(k), -1)
    b = bound.reshape(len(k), -1)
    rows = k >= max(1, g.first)
    mean, claim = values.mean(axis=1), b.mean(axis=1)
    if g.at.minimum:
        mean = running_minimum(mean)
    if np.isnan(claim[rows]).any():
        return Judgement("undefined", float("nan"), -1, mean, claim, k, "the bound is NaN")
    with np.errstate(all="ignore"):
        normalized = (mean / claim)[rows]
    o = statistics.judge_order(k[rows], normalized, 0.0, g.relation, envelope=g.relation == "<=")
    finite = o.verdict == "violated" and bool(np.isfinite(normalized).any())
    scale = np.nanmax(normalized[np.isfinite(normalized)], initial=0.0)
    return Judgement(o.verdict, float(np.exp(o.slope.value)) if np.isfinite(o.slope.value) else float("nan"),
                     int(k[-1]), mean, claim * scale, k, o.note, finite, int(rows.sum()))


def judge_scaling(g: Guarantee, sizes: list[float], runs: list[Judgement], tolerance: float = 0.1) -> Judgement:
    """A law over a grid of cases: the exponent of measured / bound (at the end of each run) in ``g.over`` must not be
    above zero (">=": below it; "==": be zero). The tolerance is what a finite grid leaves of lower-order terms, as for orders."""
    order = np.argsort(sizes)
    x = np.asarray(sizes, dtype=float)[order]
    measured = np.array([runs[i].measured[-1] for i in order])
    claim = np.array([runs[i].bound[-1] for i in order])
    with np.errstate(all="ignore"):
        y = measured / claim

    def result(verdict: str, ratio: float, note: str) -> Judgement:
        scale = float(np.nanmax(np.where(np.isfinite(y), y, 0.0)))
        return Judgement(verdict, ratio, int(x[-1]), measured, claim * scale, x, note,
                         verdict == "violated" and bool(np.isfinite(y).all()), len(x))

    if np.isnan(claim).any():
        return result("undefined", float("nan"), "the bound is NaN")
    if not (np.isfinite(y).all() and (y > 0).all()):
        return result("violated", float("inf"), "a measured value is NaN, infinite or zero")
    law = statistics.scaling(x, y)
    value, lo, hi = float(law.exponent[0]), float(law.lo[0]), float(law.hi[0])
    least, most = (-math.inf if g.relation == "<=" else -tolerance), (math.inf if g.relation == ">=" else tolerance)
    wrong = lo > most or hi < least
    right = lo >= least and hi <= most
    note = f"exponent of measured / bound in {g.over}: {value:.3f} in [{lo:.3f}, {hi:.3f}] over {len(x)} cases"
    return result("violated" if wrong else "holds" if right else "inconclusive", float(np.exp(value)), note)


def judge(g: Guarantee, quantities: Quantities, k: np.ndarray, reading: Reading, *, failure: float, sampled: bool,
          steps: int | None = None) -> Judgement:
    """The rule for this guarantee's mode; ``sampled`` when the reading holds replicates of a random run."""
    bound = bound_values(g, quantities, k, reading)
    if g.mode == "scaling":  # one run of many: judged when all are there
        flat = reading.values.reshape(len(k), -1).mean(axis=1)
        flat = running_minimum(flat) if g.at.minimum else flat
        return Judgement("inconclusive", float("nan"), int(k[-1]), flat, bound.reshape(len(k), -1).mean(axis=1), k)
    if g.mode == "order":
        return judge_order(g, k, reading, bound)
    if sampled and g.mode in ("expectation", "high probability"):
        return judge_replicates(g, k, reading, bound, failure, steps)
    return judge_values(g, k, reading, bound, steps)


def worst(verdicts: list[Any]) -> Any:
    """The one that decides: by severity, then by ratio."""
    from .verdict import SEVERITY

    return min(verdicts, key=lambda v: (SEVERITY.index(v.verdict), -(v.ratio if np.isfinite(v.ratio) else -1)))
