"""verify on random methods whose expectations, quantiles and orders are known."""

import itertools

import numpy as np
import pytest
from scipy import stats
from truths import P, absolute, bare, judged, noise, nothing, theorem

from optlab import Case, Measure, best, verify
from optlab.analysis import campaign as campaigns
from optlab.methods import Method


# --- expectations -----------------------------------------------------------------------------------------
def gaussian(problem, x, *, scale=1.0, rng):
    """E||x_k||^2 = 3 scale^2 for k >= 1, exactly known: affine in its draws."""
    while True:
        yield x
        x = scale * rng.normal((3,))


@pytest.mark.parametrize(("body", "evidence"), [(gaussian, "exact"), (absolute, "4096 replicates")])
@pytest.mark.parametrize(("bound", "verdict"), [(3.75, "holds"), (2.4, "violated")])
def test_expectations_a_fifth_off_are_decided_with_the_default_budget(body, evidence, bound, verdict):
    v = judged(noise(lambda k: bound + 0 * k), body)
    assert v.verdict == verdict
    assert evidence.split()[-1] in v.evidence or evidence in v.evidence
    assert v.replicates == (4096 if body is absolute else 1)
    assert v.controls[0].seen


def test_exact_expectations_are_met_to_rounding():
    assert judged(noise(lambda k: 3.0 + 0 * k, relation="=="), gaussian, controls=False).verdict == "holds"
    assert judged(noise(lambda k: 3.0 * (1 - 1e-6) + 0 * k), gaussian, controls=False).verdict == "violated"


def test_what_replicates_cannot_decide_is_inconclusive():
    v = judged(noise(lambda k: 3.0 + 0 * k), absolute, controls=False)
    assert v.verdict == "inconclusive"
    assert v.ratio == pytest.approx(1.0, abs=0.05)
    assert judged(noise(lambda k: 3.3 + 0 * k), absolute, controls=False, replicates=64).verdict == "inconclusive"


def test_lower_bounds_of_expectations():
    assert judged(noise(lambda k: 2.4 + 0 * k, relation=">="), absolute, controls=False).verdict == "holds"
    assert judged(noise(lambda k: 3.75 + 0 * k, relation=">="), absolute, controls=False).verdict == "violated"


def test_best_of_an_expectation_is_the_least_mean_not_the_mean_of_the_least():
    """min over k of ||z||^2 has mean far below 3; the theorem speaks of min_k E = 3."""
    steps = [Case(P, 10 * P.x0, steps=60)]
    assert judged(noise(lambda k: 2.4 + 0 * k, at=best, first=2, cases=steps), absolute, controls=False).verdict == "violated"
    assert judged(noise(lambda k: 3.75 + 0 * k, at=best, first=2, cases=steps), absolute, controls=False).verdict == "holds"


@pytest.mark.parametrize("poison", [np.nan, np.inf])
@pytest.mark.parametrize("mode", [dict(mode="expectation"), dict(mode="high probability", failure=0.5)])
def test_a_replicate_that_breaks_arithmetic_is_not_passed_over(poison, mode):
    def sick(problem, x, *, scale=1.0, rng):
        while True:
            yield x
            z = np.abs(rng.normal((3,)))
            x = np.where(z[..., :1] > 0.1, poison, z)

    assert judged(noise(lambda k: 1e3 + 0 * k, **mode), sick, controls=False).verdict == "violated"


@pytest.mark.parametrize("mode", [dict(mode="expectation"), dict(mode="high probability", failure=0.5)])
def test_a_nan_bound_of_a_sampled_run_is_undefined(mode):
    assert judged(noise(lambda k: np.nan + 0 * k, **mode), absolute, controls=False).verdict == "undefined"


def test_true_bounds_are_never_violated():
    """300 campaigns of a bound met with equality, each its own noise.

    At the default failure probability of 1e-6 a correct engine shows a violation with probability <= 3e-4 over all of
    them; at 5 % the count is binomial or less: more than 44 of 300 has probability below 1e-9.
    """
    seen = {1e-6: 0, 0.05: 0}
    m = Method(absolute).proves(noise(lambda k: 3.0 + 0 * k, cases=[Case(P, P.x0, steps=3)]))
    original = campaigns.SEED
    try:
        for i in range(300):
            campaigns.SEED = 10**6 * (i + 1)
            for failure in seen:
                (v,) = verify(m, replicates=512, controls=False, failure=failure)
                seen[failure] += v.verdict == "violated"
    finally:
        campaigns.SEED = original
    assert seen[1e-6] == 0
    assert seen[0.05] <= 44
    assert stats.binom.sf(44, 300, 0.05) < 1e-9


def test_high_probability():
    for level, verdict in ((2.5, "holds"), (1.959964, "inconclusive"), (1.5, "violated")):
        size = Measure("|x_1|", lambda problem, x: np.abs(x[..., 0]))
        v = judged(noise(lambda k, level: level + 0 * k, measure=size, mode="high probability", failure=0.05,
                         recipe=lambda: dict(level=level), cases=[Case(P, P.x0, steps=1)]), absolute, controls=False)
        assert v.verdict == verdict, (level, v)


def test_high_probability_lower_bounds():
    size = Measure("|x_1|", lambda problem, x: np.abs(x[..., 0]))
    for level, verdict in ((0.01, "holds"), (0.2, "violated")):  # P(|z| < 0.01) = 0.8 %, P(|z| < 0.2) = 16 %
        v = judged(noise(lambda k, level: level + 0 * k, measure=size, mode="high probability", failure=0.05,
                         relation=">=", recipe=lambda: dict(level=level), cases=[Case(P, P.x0, steps=1)]),
                   absolute, controls=False)
        assert v.verdict == verdict, (level, v)


# --- orders -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("exponent", "verdict"), [(1.0, "holds"), (0.5, "holds"), (1.5, "violated"), (2.0, "violated")])
def test_orders(exponent, verdict):
    def harmonic(problem, x):
        for k in itertools.count(1):
            yield (1 / np.sqrt(k)) * x

    v = bare(theorem(lambda k: 1 / k**exponent, mode="order", recipe=nothing, cases=[Case(P, P.x0, steps=400)]), harmonic)
    assert v.verdict == verdict
    assert "slope" in v.note


def test_orders_of_sampled_runs():
    def fading(problem, x, *, rng):
        for k in itertools.count(1):
            yield x
            x = (1 / np.sqrt(k)) * np.abs(rng.normal((3,)))

    cases = [Case(P, P.x0, steps=300, replicates=400)]
    assert bare(noise(lambda k: 1 / k, mode="order", cases=cases), fading).verdict == "holds"
    assert bare(noise(lambda k: 1 / k**1.5, mode="order", cases=cases), fading).verdict == "violated"
