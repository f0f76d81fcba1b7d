"""Verdicts about means, probabilities and slopes, from replicates, with a declared failure probability.

A verdict is one of ``holds``, ``violated``, ``inconclusive``, ``vacuous`` (nothing was compared) and
``undefined`` (NaN in the bound). ``failure`` bounds the probability that a verdict ``holds`` or ``violated`` is
wrong; it is spent once, on one batch, and nothing here retries. Replicates are independent rows in no
meaningful order. Two assumptions are made, and both are named in the results:

* **Nonnegative samples** (squared distances, gaps): lower limits of their mean need nothing else. So the verdict
  ``violated`` of an upper bound rests on no tail assumption at all.
* **Kurtosis** E(X-m)^4 <= kurtosis * Var(X)^2, default 30 (normal 3, exponential 9, chi-square_1 15, log-normal with
  sigma 0.75 about 27). Every other limit of a mean needs it, because no finite sample excludes a rare huge
  value. A larger sample kurtosis contradicts it: the limit is then not ``trusted`` and supports no verdict. A
  smaller one proves nothing, so it remains an assumption (a rare event not seen at all looks like zero variance:
  indicators belong in ``judge_quantile``, which assumes no tail).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, exp, inf, isfinite, log, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special, stats

__all__ = ["DEFAULT_FAILURE", "DEFAULT_KURTOSIS", "DEFAULT_REPLICATES", "MeanInterval", "MeanJudgement",
           "OrderJudgement", "Scaling", "Slope", "holm", "judge_mean", "judge_order", "judge_quantile", "mean_interval",
           "replicates_needed", "scaling", "slope"]

DEFAULT_FAILURE = 1e-6
DEFAULT_KURTOSIS = 30.0
DEFAULT_REPLICATES = 4096  # a bound 20 % too small is seen at 1e-6 up to a coefficient of variation of sqrt(2)

_BETS = 8  # bets prepared in advance, a factor 2 apart: they serve coefficients of variation from 1/16 to 8
_PILOT = 16  # one row in 16 (64 at least, or a quarter) only sets the scale of Catoni's estimator
_BLOCKS = 8  # blocks, equal in log k, that a slope is fitted to

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class MeanInterval:
    """Limits of the mean, one a column; unpacks as ``lo, hi``. ``trusted``: the kurtosis bound is not contradicted."""

    lo: Array
    hi: Array
    mean: Array
    trusted: Flags

    def __iter__(self) -> Iterator[Array]:
        return iter((self.lo, self.hi))


@dataclass(frozen=True)
class MeanJudgement:
    """Verdict on a mean or probability. ``index``: the k that decides; ``ratio``: mean / bound there, for ``<=`` the
    largest (among the violated k, if any). ``lo, hi`` (K,) are infinite where the tail assumption is contradicted."""

    verdict: str
    ratio: float
    index: int
    mean: Array
    lo: Array
    hi: Array
    trusted: bool
    failure: float
    replicates: int
    note: str


@dataclass(frozen=True)
class Slope:
    """Log-log slope, its interval, and the window (first and last k) it was fitted on; NaN: nothing to fit."""

    value: float
    lo: float
    hi: float
    window: tuple[float, float]


@dataclass(frozen=True)
class OrderJudgement:
    """Verdict on an order of convergence, with the measured slope."""

    verdict: str
    slope: Slope
    claim: float
    tolerance: float
    note: str


@dataclass(frozen=True)
class Scaling:
    """Exponents (P,) of ``y = constant * prod x_p^exponent_p`` with their intervals; ``residual`` is the root mean
    square of the misfit in log y."""

    exponent: Array
    lo: Array
    hi: Array
    constant: float
    residual: float


def _variance_inflation(n: int, failure: float, kurtosis: float) -> float:
    """Factor c with P(Var(X) > c * s^2) <= failure, s^2 the unbiased sample variance of n rows.

    s^2 averages Y = (X - X')^2 / 2 over all pairs, so its exponential moments are at most those of n // 2
    independent pairs (Hoeffding 1963, section 5). Y >= 0 has mean v and second moment at most q v^2,
    q = (kurtosis + 3) / 2; among such variables exp(-a Y) has its largest mean when Y takes only the values 0
    and q v (interpolation of the exponential there), which leaves the Chernoff bound of a binomial with p = 1/q.
    """
    p, budget = 2 / (kurtosis + 3), -log(failure) / (n // 2)
    if budget >= -np.log1p(-p):
        return inf
    return float(1 / optimize.brentq(lambda r: special.rel_entr(p * r, p)
                                     + special.rel_entr(1 - p * r, 1 - p) - budget, 0.0, 1.0))


def _catoni_root(x: Array, scale: Array, target: Array) -> Array:
    """Root m of sum_i influence(scale * (x_i - m)) = target, all columns at once: Newton inside a bracket.

    influence(u) = sign(u) log(1 + |u| + u^2/2), whose exponential is at most 1 + u + u^2/2.
    """
    n = len(x)
    reach = (np.sqrt(2 * np.exp(np.minimum(np.abs(target) / n, 700.0)) - 1) - 1) / scale
    left, right = x.min(0) - reach, x.max(0) + reach
    m = np.clip(x.mean(0) - target / (n * scale), left, right)
    for _ in range(100):
        u = scale * (x - m)
        size = np.abs(u)
        growth = 1 + size + size**2 / 2
        excess = np.copysign(np.log(growth), u).sum(0) - target
        left, right = np.where(excess > 0, m, left), np.where(excess > 0, right, m)
        step = m + excess / (scale * ((1 + size) / growth).sum(0))
        step = np.where((step >= left) & (step <= right), step, (left + right) / 2)
        done = np.abs(step - m) <= 1e-13 * np.abs(m) + 1e-9 / (n * scale)
        m = step
        if done.all():
            break
    return m


def _catoni_limits(x: Array, fail_lo: float, fail_hi: float, kurtosis: float, need_lo: bool) -> tuple[Array, Array]:
    """Limits of Catoni (2012) in the form of Wang and Ramdas (2023): the m with
    |sum influence(a (x - m))| <= n a^2 v / 2 + log(1/failure).

    a must not depend on the rows it is applied to, so the first rows only set it; v is bounded from all rows, at
    half of the failure probability.
    """
    variance, count = x.var(0, ddof=1), max(len(x) // _PILOT, min(64, len(x) // 4), 2)
    pilot, rest = x[:count].var(0, ddof=1), x[count:]
    lo, hi = np.full(x.shape[1], -inf), np.full(x.shape[1], inf)
    solvable = pilot > 1e-30  # in units of the largest sample: what is smaller is rounding
    for limit, failure, sign in ((lo, fail_lo, 1.0), (hi, fail_hi, -1.0)):
        inflation = _variance_inflation(len(x), failure / 2, kurtosis)
        if not isfinite(inflation) or not solvable.any() or (sign > 0 and not need_lo):
            continue
        evidence = -log(0.49 * failure)
        scale = np.sqrt(2 * evidence / (len(rest) * inflation * pilot[solvable]))
        target = len(rest) * scale**2 * inflation * variance[solvable] / 2 + evidence
        limit[solvable] = _catoni_root(rest[:, solvable], scale, sign * target)
    return lo, hi


def _betting_limit(x: Array, failure: float) -> Array:
    """Lower limit of the mean of nonnegative rows, without any tail assumption.

    While the mean is at most m, the capital prod_i (1 + c (x_i / m - 1)) has expectation at most 1 for each c in
    [0, 1], so it reaches 1/failure with at most that probability (Markov; Waudby-Smith and Ramdas 2024). The bets
    c are fixed in advance and share the failure probability; hence one may be chosen after looking.
    """
    n, evidence = len(x), log(_BETS / failure)
    bets = np.minimum(sqrt(2 * evidence / n) * 2.0 ** np.arange(-3, _BETS - 3), 0.9)
    mean = x.mean(0)
    ratio = x / np.where(mean > 0, mean, 1.0)
    # The best bet for a known variance is sqrt(2 evidence / n) / (coefficient of variation).
    ideal = np.log2(1 / np.maximum(ratio.std(0), 1e-9))
    c = bets[np.clip(np.rint(ideal).astype(int) + 3, 0, _BETS - 1)]
    gain, t = c * ratio, np.ones(x.shape[1])  # t = mean / m
    # The log capital is concave and increasing in t, and negative at t = 1: Newton climbs without overshooting.
    for _ in range(100):
        wealth = 1 - c + gain * t
        slope_ = np.where(mean > 0, (gain / wealth).sum(0), inf)
        step = (evidence - np.log(wealth).sum(0)) / slope_
        t = np.minimum(t + step, 1e300)  # one huge value among zeros: the limit is zero
        if (step <= 1e-13 * t).all():
            break
    return mean / t


def _limits(x: Array, fail_lo: float, fail_hi: float, kurtosis: float, nonnegative: bool) -> MeanInterval:
    """One-sided limits of the means of the columns of finite x (n, K), each with its failure probability."""
    n, columns = x.shape
    if n < 4:
        unknown = np.full(columns, inf)
        return MeanInterval(-unknown, unknown, x.mean(0), np.ones(columns, bool))
    unit = np.where((x != 0).any(0), np.abs(x).max(0), 1.0)
    z = x / unit  # in these units nothing over- or underflows when squared
    constant = _constant(z)
    centred = (z - z.mean(0)) ** 2
    spread = np.where(constant, 1.0, centred.mean(0))
    trusted = constant | ((centred**2).mean(0) <= kurtosis * spread**2)
    lo, hi = _catoni_limits(z, fail_lo, fail_hi, kurtosis, need_lo=not nonnegative)
    if nonnegative:
        lo = _betting_limit(z, 0.99 * fail_lo)
    # Under the kurtosis bound equal samples mean a variance of zero, but for 1 % of the failure probability.
    if isfinite(_variance_inflation(n, 0.01 * min(fail_lo, fail_hi), kurtosis)):
        lo, hi = np.where(constant, z.min(0), lo), np.where(constant, z.max(0), hi)
    return MeanInterval(lo * unit, hi * unit, np.where(constant, x[0], z.mean(0) * unit), trusted)


def _constant(x: Array) -> Flags:
    """Columns whose entries differ by rounding only: 64 units in the last place."""
    return np.asarray(np.ptp(x, axis=0) <= 64 * np.finfo(float).eps * np.abs(x).max(0))


def _check(failure: float, kurtosis: float = DEFAULT_KURTOSIS) -> None:
    if not 0 < failure < 1:
        raise ValueError(f"failure must lie strictly between 0 and 1, got {failure}")
    if not kurtosis >= 1:
        raise ValueError(f"kurtosis must be at least 1 (it is for every distribution), got {kurtosis}")


def mean_interval(samples: ArrayLike, failure: float = DEFAULT_FAILURE, axis: int = 0,
                  kurtosis: float = DEFAULT_KURTOSIS, nonnegative: bool = False) -> MeanInterval:
    """Two-sided confidence intervals for the means along ``axis``, each wrong with probability <= ``failure``.

    ``samples`` (S, ...) gives limits (...). Catoni's M-estimator under the stated kurtosis bound; with
    ``nonnegative`` the lower limit is a betting limit and needs no tail assumption. Infinite where S cannot
    support the failure probability (below about 500 rows at 1e-6 and kurtosis 30) or a sample is not finite.
    """
    _check(failure, kurtosis)
    x = np.moveaxis(np.asarray(samples, dtype=float), axis, 0)
    if x.ndim == 0 or len(x) == 0:
        raise ValueError("samples must have at least one replicate")
    flat = x.reshape(len(x), -1)
    if nonnegative and (flat < 0).any():
        raise ValueError("samples contain negative values although nonnegative=True was declared")
    finite = np.isfinite(flat).all(0)
    found = _limits(np.where(finite, flat, 0.0), failure / 2, failure / 2, kurtosis, nonnegative)
    shape = x.shape[1:]
    return MeanInterval(np.where(finite, found.lo, -inf).reshape(shape), np.where(finite, found.hi, inf).reshape(shape),
                        np.where(finite, found.mean, np.nan).reshape(shape), (found.trusted & finite).reshape(shape))


def judge_mean(samples: ArrayLike, bound: ArrayLike, failure: float = DEFAULT_FAILURE, relation: str = "<=", *,
               kurtosis: float = DEFAULT_KURTOSIS, nonnegative: bool = True, floor: ArrayLike = 0.0,
               margin: ArrayLike | None = None) -> MeanJudgement:
    """Does the mean of ``samples`` (S, K) or (S,) stand in ``relation`` to ``bound`` at every k?

    ``bound``: scalar, (K,), or one a replicate ((S, K), (S, 1), (S,)), where the mean of samples - bound is judged.
    ``<=``: *holds* when the upper limit is at most the bound at every k, *violated* when the lower limit exceeds it
    at some k, else *inconclusive* (also forever where the bound is met with equality by a random quantity).
    The failure probability is split over the k for *violated* (union bound); *holds* needs no split, since a wrong
    *holds* must be wrong at one given k, where the bound is exceeded (Berger 1982, intersection-union test).
    ``>=`` mirrors this. ``==``: *violated* when an interval excludes the bound; no sample proves equality, so *holds*
    means equivalence: all intervals within ``margin`` (default a fifth of |bound|) of it (Schuirmann 1987).

    ``nonnegative`` declares the samples' support; negative samples, or a bound a replicate, fall back to the
    kurtosis assumption for both limits. ``floor`` is the rounding error of the measurement, in its own units.
    A NaN or infinite sample under a finite bound is *violated*; a NaN bound makes the verdict *undefined*; an
    infinite bound is not compared.
    """
    _check(failure, kurtosis)
    if relation not in ("<=", ">=", "=="):
        raise ValueError(f"relation must be '<=', '>=' or '==', got {relation!r}")
    x = np.asarray(samples, dtype=float)
    x = x[:, None] if x.ndim == 1 else x
    if x.ndim != 2 or x.size == 0:
        raise ValueError(f"samples must have shape (S,) or (S, K) and not be empty, got {np.shape(samples)}")
    b = np.asarray(bound, dtype=float)
    if b.ndim == 1 and len(b) == len(x) != x.shape[1]:
        b = b[:, None]
    try:
        b = np.broadcast_to(b, x.shape)
    except ValueError:
        raise ValueError(f"bound of shape {np.shape(bound)} does not fit samples of shape {x.shape}") from None
    slack = np.broadcast_to(np.asarray(floor, dtype=float), x.shape[1:])
    compared, unknown = np.isfinite(b).all(0), np.isnan(b).any(0)
    diverged, blank = compared & ~np.isfinite(x).all(0), np.full(x.shape[1], np.nan)
    for name, where, note, ratio in (("undefined", unknown, "the bound is NaN", np.nan),
                                     ("violated", diverged, "a measured value is NaN or infinite", inf),
                                     ("vacuous", ~compared, "no finite bound was compared", np.nan)):
        if where.all() if name == "vacuous" else where.any():
            return MeanJudgement(name, ratio, int(np.argmax(where)), blank, blank, blank, True, failure, len(x), note)

    x, b, slack = x[:, compared], b[:, compared], slack[compared]
    paired = bool((b != b[0]).any())
    bounded_below = nonnegative and not paired and bool((x >= 0).all())
    level, width = (b.mean(0) if paired else b[0].copy()), x.shape[1]
    union, single = failure / width, failure
    fail_lo, fail_hi = {"<=": (union, single), ">=": (single, union), "==": (union / 2, union / 2)}[relation]
    found = _limits(x - b if paired else x, fail_lo, fail_hi, kurtosis, bounded_below)
    shift = level if paired else 0.0
    mean = found.mean + shift
    lo = np.where(found.trusted | bounded_below, found.lo + shift, -inf)
    hi = np.where(found.trusted, found.hi + shift, inf)

    upper, lower = relation != ">=", relation != "<="
    wrong = upper & (lo > level + slack) | lower & (hi < level - slack)
    if relation == "==":
        slack = slack + (np.abs(level) / 5 if margin is None else np.broadcast_to(margin, compared.shape)[compared])
    right = ((not upper) | (hi <= level + slack)) & ((not lower) | (lo >= level - slack))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(mean == level, 1.0, mean / level)
    weight = {"<=": ratios, ">=": -ratios, "==": np.abs(ratios - 1)}[relation]
    name = "violated" if wrong.any() else "holds" if right.all() else "inconclusive"
    pick = int(np.argmax(np.where(wrong, weight, -inf) if wrong.any() else weight))
    note = "nonnegative samples" if bounded_below else "samples of any sign"
    if not (name == "violated" and relation == "<=" and bounded_below) or _constant(x)[pick]:
        note += f", kurtosis <= {kurtosis:g} assumed"
    if not found.trusted.all():
        note += f"; contradicted by the samples at {int((~found.trusted).sum())} of {width} places"
    full = np.full((3, len(compared)), np.nan)
    full[:, compared] = mean, lo, hi
    return MeanJudgement(name, float(ratios[pick]), int(np.flatnonzero(compared)[pick]), full[0], full[1], full[2],
                         bool(found.trusted.all()), failure, len(x), note)


def replicates_needed(relative_margin: float, coefficient_of_variation: float, failure: float = DEFAULT_FAILURE,
                      kurtosis: float = DEFAULT_KURTOSIS) -> int:
    """Replicates for which both half-widths of ``mean_interval`` are below ``relative_margin`` times the mean.

    To 0.5 %, for samples whose spread is as stated; the upper half-width sqrt(2 c v log(4/failure) / n), c the
    variance inflation, is the wider one. To decide a bound at a given distance, ask for a margin of about 3/4 of it:
    the estimate itself scatters too. Divide ``failure`` by K / 2 where ``judge_mean`` will split it over K indices.
    """
    _check(failure, kurtosis)
    if not relative_margin > 0 or not coefficient_of_variation >= 0:
        raise ValueError("relative_margin must be positive and coefficient_of_variation nonnegative, got "
                         f"{relative_margin} and {coefficient_of_variation}")
    need = 2 * log(4 / failure) * (coefficient_of_variation / relative_margin) ** 2 / (1 - 1 / _PILOT)
    n = max(4, ceil(need))
    while not need * _variance_inflation(n, failure / 4, kurtosis) <= n:  # NaN (0 times infinity) is not enough
        n += ceil(n / 200)
    return n


def judge_quantile(exceedances: ArrayLike, trials: int, probability: ArrayLike,
                   failure: float = DEFAULT_FAILURE) -> MeanJudgement:
    """Is an event seen ``exceedances`` times (scalar or (K,)) in ``trials`` runs at most as likely as ``probability``?

    One-sided exact binomial limits (Clopper and Pearson 1934); no assumption but independent runs. *violated* when
    the lower limit exceeds the probability at some k (failure split over the k), *holds* when the upper limit is
    at most it at every k. Without any exceedance that takes log(1/failure) / -log(1 - probability) trials.
    """
    _check(failure)
    count, claim = np.broadcast_arrays(np.atleast_1d(np.asarray(exceedances, dtype=float)), np.asarray(probability))
    if trials < 1 or not ((count >= 0) & (count <= trials) & (count == np.rint(count))).all():
        raise ValueError(f"exceedances must be whole numbers from 0 to trials = {trials}")
    if ((claim < 0) | (claim > 1)).any():
        raise ValueError(f"probability must lie in [0, 1], got {claim}")
    lo = np.where(count > 0, stats.beta.ppf(failure / count.size, np.maximum(count, 1), trials - count + 1), 0.0)
    hi = np.where(count < trials, stats.beta.isf(failure, count + 1, np.maximum(trials - count, 1)), 1.0)
    name = ("undefined" if np.isnan(claim).any() else "violated" if (lo > claim).any()
            else "holds" if (hi <= claim).all() else "inconclusive")
    pick = int(np.argmax(lo - claim if name == "violated" else hi - claim))  # argmax stops at the first NaN
    note = f"{int(count[pick])} exceedances in {trials} runs against a probability of {claim[pick]:g}"
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = float(count[pick] / trials / claim[pick])
    return MeanJudgement(name, ratio, pick, count / trials, lo, hi, True, failure, trials, note)


def _line(x: Array, y: Array) -> tuple[float, float]:
    """Least-squares slope and its standard error."""
    dx, dy = x - x.mean(), y - y.mean()
    value = float(dx @ dy / (dx @ dx))
    rest = dy - value * dx
    return value, sqrt(float(rest @ rest) / max(len(x) - 2, 1) / float(dx @ dx))


def _blocks(u: Array, v: Array, envelope: bool) -> tuple[Array, Array]:
    """One point (log k, log y) a block of equal length in log k: its mean, or its highest point over the fit."""
    edges = np.linspace(u[0], u[-1], _BLOCKS + 1)[1:-1]
    where = np.searchsorted(edges, u, side="right")
    groups = [np.flatnonzero(where == g) for g in range(_BLOCKS)]
    groups = [g for g in groups if len(g)]
    points = np.array([[u[g].mean(), v[g].mean()] for g in groups])
    if envelope:
        for _ in range(4):  # the peaks depend on the fit they stand over; a few rounds settle them
            over = v - _line(points[:, 0], points[:, 1])[0] * u
            peaks = [g[np.argmax(over[g])] for g in groups]
            points = np.column_stack([u[peaks], v[peaks]])
    return points[:, 0], points[:, 1]


def slope(k: ArrayLike, y: ArrayLike, confidence: float = 0.99, window: tuple[float, float] | None = None, *,
          floor: float = 0.0, envelope: bool = False) -> Slope:
    """Log-log slope of ``y`` (K,), or of the mean over replicates of ``y`` (S, K), against ``k`` (K,).

    The window defaults to the later half, in log k, of what lies before the curve first meets ``floor``. It is cut
    into blocks of equal length in log k (points crowd at the end of a linear record), and a line is fitted through
    the blocks' means, or their highest points with ``envelope`` (oscillating curves under upper bounds; each block
    should see a peak). The interval is the t interval of that line, widened to contain the slopes of both halves
    (so that curvature shows), and with replicates the jackknife interval over up to 32 batches (Tukey 1958;
    assumes finite variance of the replicates, and is asymptotic: hence ``confidence``, not ``failure``).
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie strictly between 0 and 1, got {confidence}")
    steps, rows = np.asarray(k, dtype=float), np.atleast_2d(np.asarray(y, dtype=float))
    if steps.ndim != 1 or rows.ndim != 2 or rows.shape[1] != len(steps) or (np.diff(steps) <= 0).any():
        raise ValueError("k must be increasing with shape (K,), and y have shape (K,) or (S, K)")
    mean = rows.mean(0)
    usable = (mean > max(floor, 0.0)) & np.isfinite(mean)
    late = (steps > 0) & np.logical_and.accumulate(usable | (steps <= 0))
    if window is None and late.any():
        first, last = steps[late][[0, -1]]
        window = (sqrt(first * last), last)
    inside = late & (steps >= window[0]) & (steps <= window[1]) if window else late
    u, picked = np.log(steps[inside]), rows[:, inside]
    bu, bv = _blocks(u, np.log(mean[inside]), envelope) if len(u) >= _BLOCKS else (u[:0], u[:0])
    if len(bu) < _BLOCKS // 2:
        return Slope(np.nan, -inf, inf, window or (np.nan, np.nan))
    value, error = _line(bu, bv)
    reach = float(stats.t.ppf((1 + confidence) / 2, len(bu) - 2)) * error
    half = len(bu) // 2
    spread = [value - reach, value + reach, _line(bu[:half], bv[:half])[0], _line(bu[-half:], bv[-half:])[0]]
    if len(rows) > 1:
        groups = np.array_split(np.arange(len(rows)), min(len(rows), 32))
        total, count = picked.sum(0), len(groups)
        # A difference can round below zero where one batch carries the whole mean; tiny keeps its log finite.
        left_out = [np.maximum(total - picked[g].sum(0), 1e-300) / (len(rows) - len(g)) for g in groups]
        values = np.array([_line(*_blocks(u, np.log(curve), envelope))[0] for curve in left_out])
        error = sqrt((count - 1) * float(values.var()))
        reach = float(stats.t.ppf((1 + confidence) / 2, count - 1)) * error
        spread += [value - reach, value + reach]
    return Slope(value, min(spread), max(spread), (float(np.exp(u[0])), float(np.exp(u[-1]))))


def judge_order(k: ArrayLike, y: ArrayLike, claim: float, relation: str = "<=", tolerance: float = 0.1, *,
                confidence: float = 0.99, window: tuple[float, float] | None = None, floor: float = 0.0,
                envelope: bool = False) -> OrderJudgement:
    """Is the order of ``y`` in k as claimed: slope <= ``claim`` (upper bounds; -1 for O(1/k)), or equal to it?

    ``<=`` is one-sided: *holds* when slope.hi <= claim + tolerance, *violated* when slope.lo > claim + tolerance.
    ``>=`` and ``==`` are two-sided, since on its hard instance a lower bound is to be met: *holds* when the interval
    lies within the tolerance of the claim, *violated* when it lies outside. The tolerance stands for what a finite
    range leaves over, not for noise: 1/(k + c) has slope -1 to within 0.1 once k >= 9 c. A logarithm is not covered
    (it moves the slope by 1/log k, 0.14 at k = 1000): divide y by it when the theorem has it, otherwise it is to
    be seen. NaN or infinite values are *violated*; too few points above the floor are *inconclusive*.
    """
    if relation not in ("<=", ">=", "=="):
        raise ValueError(f"relation must be '<=', '>=' or '==', got {relation!r}")
    unknown = Slope(np.nan, -inf, inf, (np.nan, np.nan))
    if np.isnan(claim):
        return OrderJudgement("undefined", unknown, claim, tolerance, "the claim is NaN")
    if not np.isfinite(np.asarray(y, dtype=float)).all():
        return OrderJudgement("violated", unknown, claim, tolerance, "a measured value is NaN or infinite")
    found = slope(k, y, confidence, window, floor=floor, envelope=envelope)
    top, bottom = claim + tolerance, -inf if relation == "<=" else claim - tolerance
    name = ("holds" if found.hi <= top and found.lo >= bottom
            else "violated" if found.lo > top or found.hi < bottom else "inconclusive")
    note = ("too few points above the floor" if np.isnan(found.value) else
            f"slope {found.value:.3f} in [{found.lo:.3f}, {found.hi:.3f}] on k in [{found.window[0]:.4g}, "
            f"{found.window[1]:.4g}], claimed {relation} {claim:g}")
    return OrderJudgement(name, found, claim, tolerance, note)


def scaling(x: ArrayLike, y: ArrayLike, confidence: float = 0.99) -> Scaling:
    """Exponents of ``y`` (C,) in the parameters ``x`` (C,) or (C, P) over a grid of C cases, all positive.

    Least squares in logarithms with a t interval each: exact for independent normal errors of log y, and the
    misfit of a law that is not a power widens it.
    """
    cases, values = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    cases = cases[:, None] if cases.ndim == 1 else cases
    if cases.ndim != 2 or values.shape != cases.shape[:1] or not (cases > 0).all() or not (values > 0).all():
        raise ValueError("x (C,) or (C, P) and y (C,) must be positive and have one row a case")
    design = np.column_stack([np.ones(len(cases)), np.log(cases)])
    freedom = len(cases) - design.shape[1]
    if freedom < 1 or np.linalg.matrix_rank(design) < design.shape[1]:
        raise ValueError(f"{len(cases)} cases do not determine {cases.shape[1]} exponents and their spread")
    target = np.log(values)
    solution = np.linalg.lstsq(design, target, rcond=None)[0]
    rest = target - design @ solution
    error = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * float(rest @ rest) / freedom)[1:]
    reach = stats.t.ppf((1 + confidence) / 2, freedom) * error
    return Scaling(solution[1:], solution[1:] - reach, solution[1:] + reach, exp(float(solution[0])),
                   float(np.sqrt(np.mean(rest**2))))


def holm(pvalues: ArrayLike, level: float) -> Flags:
    """Which of N hypotheses Holm's step-down test (1979) rejects; any wrongly with probability at most ``level``.

    ``pvalues`` (N,): p-values, or for verdicts *violated* the failure probabilities they were declared at, and 1
    for all others. No independence is assumed.
    """
    p = np.asarray(pvalues, dtype=float).ravel()
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("pvalues must lie in [0, 1]")
    order, rejected = np.argsort(p), np.zeros(len(p), dtype=bool)
    rejected[order] = np.logical_and.accumulate(p[order] * np.arange(len(p), 0, -1) <= level)
    return rejected
