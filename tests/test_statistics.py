"""Verdicts from replicates, on synthetic samples and curves whose truth is known.

Rates of wrong verdicts are compared with the exact binomial upper limit of the declared rate at ``TEST_FAILURE``:
a correct implementation fails such a test once in a million seeds, so it passes 100 runs out of 100.
"""

import time

import numpy as np
import pytest
from scipy import stats

from optlab.analysis import statistics as st

TEST_FAILURE = 1e-6

DISTRIBUTIONS = {  # name: (draw, mean, kurtosis within the default bound)
    "chi2_1": (lambda rng, shape: rng.chisquare(1, shape), 1.0, True),
    "exponential": (lambda rng, shape: rng.exponential(1.0, shape), 1.0, True),
    "lognormal": (lambda rng, shape: rng.lognormal(0.0, 0.75, shape), float(np.exp(0.75**2 / 2)), True),
    "bernoulli_1_in_20": (lambda rng, shape: 1.0 * (rng.random(shape) < 0.05), 0.05, True),
    "bernoulli_1_in_200": (lambda rng, shape: 1.0 * (rng.random(shape) < 0.005), 0.005, False),
}


def allowed(experiments: int, rate: float) -> int:
    """Most failures that a procedure with this failure rate shows, but for one run in a million."""
    return int(stats.binom.isf(TEST_FAILURE, experiments, rate))


# --- intervals of a mean -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize("name", [n for n, d in DISTRIBUTIONS.items() if d[2]])
def test_interval_covers(name, nonnegative):
    """2000 experiments of 400 replicates at failure 0.05: misses within the binomial limit at 1e-6."""
    draw, mean, _ = DISTRIBUTIONS[name]
    found = st.mean_interval(draw(np.random.default_rng(1), (400, 2000)), 0.05, nonnegative=nonnegative)
    assert np.count_nonzero((found.lo > mean) | (found.hi < mean)) <= allowed(2000, 0.05)
    assert np.isfinite(found.hi).mean() > 0.9  # a pilot without any event leaves it open


def test_interval_is_not_far_from_the_normal_one():
    """Normal samples, 4096 replicates, failure 1e-6: at most 1.7 times the width that knowing everything gives."""
    lo, hi = st.mean_interval(np.random.default_rng(2).standard_normal((4096, 50)), 1e-6)
    ideal = 2 * stats.norm.isf(0.5e-6) / 64
    assert ideal < np.min(hi - lo)
    assert np.max(hi - lo) < 1.7 * ideal


@pytest.mark.parametrize("nonnegative", [False, True])
def test_interval_moves_with_scale(nonnegative):
    """Deterministic: limits of c x are c times those of x, also where squares over- or underflow."""
    x = np.random.default_rng(3).exponential(1.0, (1000, 4))
    plain = st.mean_interval(x, 1e-3, nonnegative=nonnegative)
    for factor in (1e-200, 1e200):
        scaled = st.mean_interval(factor * x, 1e-3, nonnegative=nonnegative)
        np.testing.assert_allclose(scaled.lo, factor * plain.lo, rtol=1e-9)
        np.testing.assert_allclose(scaled.hi, factor * plain.hi, rtol=1e-9)


def test_interval_mirrors_signs_and_axes():
    """Deterministic: -x has the mirrored interval; axis and trailing shape are respected."""
    x = np.random.default_rng(4).gamma(2.0, size=(3, 600, 2))
    found = st.mean_interval(x, 1e-2, axis=1)
    mirrored = st.mean_interval(-x, 1e-2, axis=1)
    assert found.lo.shape == found.trusted.shape == (3, 2)
    np.testing.assert_allclose(mirrored.hi, -found.lo, rtol=1e-9)


def test_interval_admits_what_it_cannot_know():
    """Too few rows, infinite samples, and one huge value that contradicts the kurtosis bound."""
    assert np.isinf(st.mean_interval(np.arange(64.0), 1e-6).hi)
    assert np.isinf(st.mean_interval(np.ones(3), 1e-6).hi)
    assert np.isinf(st.mean_interval([1.0, np.inf] * 600, 1e-6).hi)
    assert not st.mean_interval(np.r_[np.ones(4095), 1e6], 1e-6).trusted
    rare = st.mean_interval(np.r_[1.0, np.zeros(10**6)], 1e-6, nonnegative=True)
    assert 0 <= rare.lo < 1e-6
    assert not rare.trusted
    constant = st.mean_interval(np.full(4096, 0.1), 1e-6)
    assert constant.lo == constant.hi == 0.1
    assert constant.trusted


def test_interval_is_fast():
    """4000 x 30 samples: well under 100 ms; the best of five, since the machine may be shared."""
    x = np.random.default_rng(5).chisquare(1, (4000, 30))
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        st.mean_interval(x, 1e-6, nonnegative=True)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.1


# --- verdicts on means ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1.0, 1.005])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_true_bound_is_rarely_called_violated(name, factor):
    """1000 experiments of 200 replicates x 2 indices at failure 0.05, bound equal to the mean and 0.5 % above."""
    draw, mean, _ = DISTRIBUTIONS[name]
    rng, wrong = np.random.default_rng(6), 0
    for _ in range(1000):
        wrong += st.judge_mean(draw(rng, (200, 2)), factor * mean, 0.05).verdict == "violated"
    assert wrong <= allowed(1000, 0.05)


@pytest.mark.parametrize("name", [n for n, d in DISTRIBUTIONS.items() if d[2]])
def test_false_bound_is_rarely_said_to_hold(name):
    """500 experiments of 200 replicates at failure 0.05, bound 0.5 % below the mean at one of two indices."""
    draw, mean, _ = DISTRIBUTIONS[name]
    rng, wrong = np.random.default_rng(7), 0
    for _ in range(500):
        wrong += st.judge_mean(draw(rng, (200, 2)), [0.995 * mean, 9 * mean], 0.05).verdict == "holds"
    assert wrong <= allowed(500, 0.05)


@pytest.mark.parametrize("name", ["chi2_1", "exponential"])
def test_bound_20_percent_too_small_is_seen(name):
    """4096 replicates, one index, failure 1e-6: all 200 experiments say violated.

    The lower limit stands 4.0 (chi2_1) and 8 (exponential) standard deviations above the bound, as measured on
    4000 experiments, so all 200 succeed for 99 % of seeds (chi2_1); the seed is fixed.
    """
    draw, mean, _ = DISTRIBUTIONS[name]
    assert st.DEFAULT_REPLICATES == 4096
    assert st.DEFAULT_FAILURE == 1e-6
    rng = np.random.default_rng(8)
    verdicts = {st.judge_mean(draw(rng, st.DEFAULT_REPLICATES), 0.8 * mean).verdict for _ in range(200)}
    assert verdicts == {"violated"}


def test_ample_bound_holds():
    """4096 replicates, 20 indices, failure 1e-6, bound 30 % above the mean: 9 standard errors beyond the limit."""
    found = st.judge_mean(np.random.default_rng(9).exponential(1.0, (4096, 20)), 1.3)
    assert found.verdict == "holds"
    assert found.trusted
    assert 0.7 < found.ratio < 0.85
    assert found.hi[found.index] <= 1.3
    assert "kurtosis <= 30" in found.note


def test_undecidable_is_inconclusive():
    """100 experiments of 30 replicates with the bound at the mean: wrong with probability 1e-6 each."""
    rng = np.random.default_rng(10)
    assert {st.judge_mean(rng.chisquare(1, (30, 5)), 1.0).verdict for _ in range(100)} == {"inconclusive"}


def test_contradicted_tail_never_holds_but_may_be_violated():
    """Log-normal with sigma 2.5 (kurtosis beyond 1e10): no upper limit; a bound far below is still violated."""
    x = np.random.default_rng(11).lognormal(0.0, 2.5, 4096)
    ample, tiny = st.judge_mean(x, 1e6), st.judge_mean(x, 0.1)
    assert ample.verdict == "inconclusive"
    assert not ample.trusted
    assert "contradicted" in ample.note
    assert tiny.verdict == "violated"
    assert "kurtosis <=" not in tiny.note


def test_bad_values():
    """NaN bound undefined; NaN or infinite sample violated, unless its bound is infinite; nothing compared vacuous."""
    x = np.random.default_rng(12).exponential(1.0, (600, 3))
    assert st.judge_mean(x, [9.0, np.nan, 9.0]).verdict == "undefined"
    assert st.judge_mean(x, np.inf).verdict == "vacuous"
    for bad in (np.nan, np.inf):
        y = x.copy()
        y[5, 1] = bad
        assert (st.judge_mean(y, 9.0).verdict, st.judge_mean(y, 9.0).index) == ("violated", 1)
        kept = st.judge_mean(y, [9.0, np.inf, 9.0], 1e-2)
        assert kept.verdict == "holds"
        assert np.isnan(kept.hi[1])
    for arguments in ({"bound": [1.0, 2.0]}, {"bound": 1.0, "failure": 0.0}, {"bound": 1.0, "relation": "<"},
                      {"bound": 1.0, "kurtosis": 0.5}):
        with pytest.raises(ValueError):
            st.judge_mean(x, **arguments)
    with pytest.raises(ValueError, match="negative"):
        st.mean_interval(-x, nonnegative=True)


def test_index_names_the_violation():
    """4096 replicates: the only bound exceeded is found although another index has much larger values."""
    x = np.random.default_rng(13).exponential(1.0, (4096, 4)) * [1.0, 100.0, 1.0, 1.0]
    found = st.judge_mean(x, [2.0, 200.0, 0.5, 2.0])
    assert (found.verdict, found.index) == ("violated", 2)
    assert found.ratio == pytest.approx(2.0, rel=0.1)


def test_start_without_randomness_and_rounding_floor():
    """A bound met with equality by equal replicates holds; rounding is covered by the floor and by nothing else."""
    x = np.full((4096, 1), 0.1)
    assert st.judge_mean(x, 0.1).verdict == "holds"
    assert st.judge_mean(x, 0.1 - 1e-12).verdict == "violated"
    x[7] = np.nextafter(0.1, 0.0)
    assert st.judge_mean(x, 0.1).verdict == "holds"
    assert st.judge_mean(x, 0.1 - 1e-12, floor=2e-12).verdict == "holds"


def test_bound_per_replicate():
    """4096 replicates whose starts differ: mean of samples - bound, at (S,), (S, 1) and (S, K)."""
    rng = np.random.default_rng(14)
    start = rng.uniform(1.0, 2.0, 4096)
    x = start[:, None] * rng.exponential(1.0, (4096, 2))
    for bound in (1.5 * start, 1.5 * start[:, None], 1.5 * start[:, None] * np.ones(2)):
        assert st.judge_mean(x, bound).verdict == "holds"
    found = st.judge_mean(x, 0.7 * start)
    assert found.verdict == "violated"
    assert found.ratio == pytest.approx(1 / 0.7, rel=0.1)


def test_other_relations():
    """4096 replicates, failure 1e-6, effects at least 10 standard errors."""
    x = np.random.default_rng(15).exponential(1.0, (4096, 3))
    assert st.judge_mean(x, 0.7, relation=">=").verdict == "holds"
    assert st.judge_mean(x, 1.4, relation=">=").verdict == "violated"
    assert st.judge_mean(x, 1.0, relation=">=").verdict == "inconclusive"
    assert st.judge_mean(x, 1.0, relation="==").verdict == "holds"
    assert st.judge_mean(x, 1.0, relation="==", margin=0.01).verdict == "inconclusive"
    for wrong in (0.7, 1.4):
        assert st.judge_mean(x, wrong, relation="==").verdict == "violated"
    assert st.judge_mean(x - 1.0, 0.0, relation="==", margin=0.2).verdict == "holds"  # unbiasedness


@pytest.mark.parametrize(("margin", "cv"), [(0.2, 1.0), (0.1, 0.5), (0.15, np.sqrt(2))])
def test_replicates_needed(margin, cv):
    """Gamma samples: the mean half-width over 20 columns meets the margin, with a tenth less it does not."""
    n = st.replicates_needed(margin, cv)
    x = np.random.default_rng(16).gamma(1 / cv**2, cv**2, (n, 20))
    wide, narrow = st.mean_interval(x[: int(0.9 * n)], nonnegative=True), st.mean_interval(x, nonnegative=True)
    assert np.mean(narrow.hi - narrow.mean) < 1.05 * margin < np.mean(wide.hi - wide.mean) * 1.05
    assert np.mean(narrow.mean - narrow.lo) < margin


# --- probabilities, campaigns --------------------------------------------------------------------------------------


def test_clopper_pearson_is_exact():
    """Deterministic: at each limit the binomial tail equals the failure probability."""
    for count, trials in ((0, 50), (3, 100), (99, 100), (100, 100)):
        found = st.judge_quantile(count, trials, 0.5, 1e-4)
        if count:
            assert stats.binom.sf(count - 1, trials, found.lo[0]) == pytest.approx(1e-4, rel=1e-6)
        if count < trials:
            assert stats.binom.cdf(count, trials, found.hi[0]) == pytest.approx(1e-4, rel=1e-6)
    assert st.judge_quantile(0, 50, 0.5).lo == 0
    assert st.judge_quantile(50, 50, 0.5).hi == 1


def test_quantile_verdicts():
    """Deterministic: counts decided by hand; log(1e-6)/log(0.99) = 1374.6 clean runs prove 1 in 100."""
    assert st.judge_quantile(0, 1375, 0.01).verdict == "holds"
    assert st.judge_quantile(0, 1374, 0.01).verdict == "inconclusive"
    assert st.judge_quantile([10, 300], 1000, 0.2).verdict == "violated"
    assert st.judge_quantile([10, 300], 1000, 0.2).index == 1
    assert st.judge_quantile(1, 10, np.nan).verdict == "undefined"
    with pytest.raises(ValueError):
        st.judge_quantile(11, 10, 0.5)


def test_holm():
    """Deterministic: Holm's procedure by hand, and no rejection at equal p-values above level / N."""
    assert st.holm([0.01, 0.04, 0.03, 0.005], 0.05).tolist() == [True, False, False, True]
    assert st.holm([0.01, 0.04, 0.03, 0.005], 0.06).all()
    assert st.holm(np.full(800, 1e-6), 1e-3).all()
    assert not st.holm([0.03, 0.03], 0.05).any()


# --- orders --------------------------------------------------------------------------------------------------------

K = np.arange(1, 10_001)


@pytest.mark.parametrize("power", [-2.0, -1.0, 0.5])
def test_power_law_is_exact(power):
    """Deterministic: slope and both limits to rounding, on log and linear grids, zero and early steps included."""
    for grid in (np.arange(2001), np.unique(np.geomspace(1, 1e6, 60).astype(int))):
        with np.errstate(divide="ignore"):
            found = st.slope(grid, np.where(grid > 0, 3.0 * np.maximum(grid, 1.0) ** power, 1.0))
        assert found.lo - 1e-9 <= power <= found.hi + 1e-9
        assert found.hi - found.lo < 1e-9


CURVES = {  # name: (curve, its order, options)
    "1/k": (1 / K, -1, {}),
    "1/k^2": (5.0 / K**2, -2, {}),
    "offset": (1 / (K + 5.0), -1, {}),
    "faster at first": (1 / K + 30.0 / K**2, -1, {}),
    "oscillating": ((1 + 0.9 * np.sin(K / 3)) / K, -1, {"envelope": True}),
    "log-oscillating": ((1.1 + np.sin(30 * np.log(K))) / K**2, -2, {"envelope": True}),
    "down to the floor": (np.maximum(1 / K**2.0, 1e-6), -2, {"floor": 2e-6}),
}


@pytest.mark.parametrize("name", CURVES)
def test_order_of_known_curves(name):
    """Deterministic: the true order holds, one better by 0.5 is violated, and as a lower bound one worse too."""
    curve, order, options = CURVES[name]
    assert st.judge_order(K, curve, order, **options).verdict == "holds"
    assert st.judge_order(K, curve, order - 0.5, **options).verdict == "violated"
    assert st.judge_order(K, curve, order + 0.5, ">=", **options).verdict == "violated"


def test_logarithm_is_seen_and_divided_out():
    """Deterministic: log k / k is not O(1/k) within the tolerance; divided by log k it is."""
    curve = np.log(K + 1.0) / K
    assert st.judge_order(K, curve, -1.0).verdict == "violated"
    assert st.judge_order(K, curve / np.log(K + 1.0), -1.0).verdict == "holds"


def test_curvature_widens_the_interval():
    """Deterministic: a curve that bends from -1 to 0 is neither; its interval contains the slopes of both halves."""
    found = st.slope(K, 1 / K + 1e-3)
    assert found.hi - found.lo > 0.4
    assert st.judge_order(K, 1 / K + 1e-3, -0.5).verdict == "inconclusive"


def test_noisy_curves():
    """200 curves, log-normal noise of 0.3 a point, 200 points: the 99 % interval misses within the binomial limit."""
    rng, k = np.random.default_rng(17), np.geomspace(1, 1e4, 200)
    found = [st.slope(k, np.exp(0.3 * rng.standard_normal(200)) / k) for _ in range(200)]
    assert sum(not f.lo <= -1 <= f.hi for f in found) <= allowed(200, 0.01)
    assert np.median([f.hi - f.lo for f in found]) < 0.4


def test_noisy_replicates():
    """100 batches of 256 exponential replicates: 99 % intervals within the binomial limit; a wrong claim is seen."""
    rng, k = np.random.default_rng(18), np.geomspace(1, 1e3, 60)
    batches = [rng.exponential(1.0, (256, 60)) / np.sqrt(k) for _ in range(100)]
    found = [st.slope(k, b) for b in batches]
    assert sum(not f.lo <= -0.5 <= f.hi for f in found) <= allowed(100, 0.01)
    assert {st.judge_order(k, b, -1.0).verdict for b in batches} == {"violated"}
    walks = rng.exponential(1.0, (256, 1)) * np.sqrt(1 / k)  # one factor a replicate: no noise in the slope
    assert st.judge_order(k, walks, -0.5).verdict == "holds"


def test_orders_that_cannot_be_judged():
    """Too few points are inconclusive, divergence is violated, a NaN claim undefined, misuse refused."""
    assert st.judge_order(np.arange(6), np.ones(6), -1.0).verdict == "inconclusive"
    assert st.judge_order(K, 0.0 * K, -1.0).verdict == "inconclusive"
    clustered = np.r_[1000 + np.arange(9), 10**6]
    assert st.judge_order(clustered, 1 / clustered, -1.0).verdict == "inconclusive"
    assert st.judge_order(K, np.where(K > 50, np.inf, 1.0), -1.0).verdict == "violated"
    assert st.judge_order(K, 1 / K, np.nan).verdict == "undefined"
    with pytest.raises(ValueError):
        st.slope(K[::-1], 1 / K)
    with pytest.raises(ValueError):
        st.judge_order(K, 1 / K, -1.0, "<")


def test_scaling():
    """1000 grids of 12 cases with normal errors: 99 % intervals within the binomial limit; a pure power is exact."""
    rng, agents, kappa = np.random.default_rng(19), np.repeat([1, 2, 4, 8], 3), np.tile([10, 100, 1000], 4)
    missed = 0
    for _ in range(1000):
        y = 7.0 / agents * np.sqrt(kappa) * np.exp(0.1 * rng.standard_normal(12))
        found = st.scaling(np.column_stack([agents, kappa]), y)
        missed += not (found.lo[0] <= -1 <= found.hi[0])
    assert missed <= allowed(1000, 0.01)
    exact = st.scaling(agents, 7.0 / agents)
    assert exact.exponent == pytest.approx([-1.0])
    assert exact.constant == pytest.approx(7.0)
    with pytest.raises(ValueError):
        st.scaling([1, 2], [1, 2])
