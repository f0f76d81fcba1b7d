"""Exact expectations against all outcomes enumerated by hand, closed forms, and replicates."""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest

from optlab.analysis import expectation
from optlab.analysis.campaign import Job
from optlab.analysis.drift import check_drift
from optlab.analysis.scenarios import Draws, Inexact
from optlab.analysis.verdict import Verdict
from optlab.analysis.verify import verify
from optlab.fold import Fold, average, best, field, last, pairs, weighted
from optlab.guarantee import Case, Control, Guarantee, cite, now, start
from optlab.measures import Law, LawMeasure, Measure, point, sq_distance, suboptimality
from optlab.methods import method
from optlab.problems.errors import AssumptionError
from optlab.problems.glm import LeastSquares, LogisticRegression
from optlab.problems.quadratic import Quadratic
from optlab.quantities import Quantities
from optlab.rng import Branches, Stream
from optlab.running import Reader, drive

RNG = np.random.default_rng(5)
X, Y = RNG.standard_normal((12, 5)), RNG.standard_normal(12)
LS = LeastSquares(X, Y)
STEP = 0.4 / LS.Lmax
NORM = Measure("||x - x*||", lambda problem, it: problem.norm(point(it) - problem.x_star))


class Momentum(NamedTuple):
    x: Any
    m: Any


class Counted(NamedTuple):
    x: Any
    k: int


@method(restartable=True)
def sgd(problem, x, *, step, rng):
    while True:
        yield x
        x = x - step * problem.stochastic_grad(x, rng)


@method()
def not_restartable(problem, x, *, step, rng):
    while True:
        yield x
        x = x - step * problem.stochastic_grad(x, rng)


@method(restartable=True)
def momentum(problem, x, m=None, *, step, rng):
    m = 0 * x if m is None else m
    while True:
        yield Momentum(x, m)
        m = 0.7 * m + problem.minibatch_grad(x, rng.subset(problem.n, 3))
        x = x - step * m


@method(restartable=True)
def lazy(problem, x, *, step, p, rng):
    while True:
        yield x
        x = x - (step / p) * problem.column(1.0 * rng.coin(p)) * problem.stochastic_grad(x, rng)


@method(restartable=True)
def decreasing(problem, x, k=0, *, step, rng):
    while True:
        yield Counted(x, k)
        x = x - (step(k)) * problem.stochastic_grad(x, rng)
        k = k + 1


@method()
def noisy(problem, x, *, step, sigma, rng):
    while True:
        yield x
        x = x - step * problem.grad(x) + sigma * rng.normal(problem.point_shape)


@method(restartable=True)
def restartable_noisy(problem, x, *, step, sigma, rng):
    while True:
        yield x
        x = x - step * problem.grad(x) + sigma * rng.normal(problem.point_shape)


def by_branches(m, problem, params, steps, of, fold=last, given=None):
    """E of(fold) at every k by the independent enumeration of ``Branches``."""
    rng = Branches()
    out = []
    iterates = m(problem if given is None else given, problem.x0, **params, rng=rng)
    for k, it in enumerate(fold(iterates)):
        if k > steps:
            break
        out.append(float(rng.mean(of(problem, it))))
    return np.array(out)


def engine(m, problem, params, steps, *readers, **options):
    found = expectation.exact(m, problem, problem.x0, params, steps, readers, **options)
    assert found is not None
    return found


SCHEDULE = dict(step=lambda k: STEP / (1 + k))


@pytest.mark.parametrize(("m", "params", "steps"), [
    (sgd, dict(step=STEP), 3), (lazy, dict(step=STEP, p=0.3), 2), (momentum, dict(step=STEP), 1),
    (decreasing, SCHEDULE, 3),
], ids=["sgd", "lazy", "momentum", "decreasing"])
def test_moments_equal_all_outcomes_by_hand(m, params, steps):
    linear = weighted(lambda s: s + 1.0)
    for measure in (sq_distance, suboptimality):
        for fold in (last, average, linear):
            k, readings, evidence = engine(m, LS, params, 30, Reader(measure, fold))
            assert "exact moments" in evidence
            assert k[-1] == 30
            values = next(iter(readings.values())).values
            hand = by_branches(m, LS, params, steps, measure, fold)
            assert values[: steps + 1] == pytest.approx(hand, rel=1e-12)


def test_pairs_fields_and_several_readers_in_one_pass():
    moved = Measure("||y - x||^2", lambda problem, pair: problem.sq(point(pair.y) - point(pair.x)))
    speed = Measure("||m||^2", lambda problem, m: problem.sq(m))
    lyapunov = Measure("f + ||m||^2", lambda problem, it: problem.value(it.x) + problem.inner(it.m, it.x + it.m))
    readers = [Reader(moved, pairs), Reader(speed, field("m")), Reader(lyapunov), Reader(sq_distance, best)]
    _, readings, _ = engine(momentum, LS, dict(step=STEP), 40, *readers)
    for r in readers:
        hand = by_branches(momentum, LS, dict(step=STEP), 1, r.measure, r.at)
        assert readings[r.name].values[:2] == pytest.approx(hand, rel=1e-12, abs=1e-15)
    record, S = np.array([5, 40]), 20_000
    trace = drive(momentum, LS, np.broadcast_to(LS.x0, (S, 5)), 40, params=dict(step=STEP), rng=Stream(np.arange(S)),
                  readers=readers, record=record)
    for r in readers:
        sampled = trace.readings[r.name].values
        error = np.abs(sampled.mean(axis=1) - readings[r.name].values[record])
        assert (error <= 5 * sampled.std(axis=1) / np.sqrt(S)).all()


def test_measures_that_change_with_the_counter():
    grown = Measure("k ||x - x*||^2", lambda problem, it: (1 + it.k) * problem.sq(it.x - problem.x_star))
    _, readings, _ = engine(decreasing, LS, SCHEDULE, 12, Reader(grown))
    _, plain, _ = engine(decreasing, LS, SCHEDULE, 12, Reader(sq_distance))
    assert readings[grown.name].values == pytest.approx(plain[sq_distance.name].values * np.arange(1, 14), rel=1e-12)


def test_replicates_agree():
    S, record = 200_000, np.array([3, 8, 15])
    _, readings, _ = engine(sgd, LS, dict(step=STEP), 15, Reader(sq_distance), Reader(suboptimality, average))
    trace = drive(sgd, LS, np.broadcast_to(LS.x0, (S, 5)), 15, params=dict(step=STEP), rng=Stream(np.arange(S)),
                  readers=[Reader(sq_distance), Reader(suboptimality, average)], record=record)
    for name, reading in readings.items():
        sampled = trace.readings[name].values
        error = np.abs(sampled.mean(axis=1) - reading.values[record])
        assert (error <= 5 * sampled.std(axis=1) / np.sqrt(S)).all()


def test_noise_reaches_rounding_under_interpolation():
    problem = LeastSquares(X, X @ np.ones(5))
    _, readings, _ = engine(sgd, problem, dict(step=1 / problem.Lmax), 400, Reader(sq_distance))
    values = readings[sq_distance.name].values
    rate = values[101:201] / values[100:200]
    assert values[400] < 1e-6 * values[0]
    assert rate.std() < 1e-3


def closed_form(problem, step, sigma, steps):
    """Mean and covariance of x+ = x - step (A x - b) + sigma z."""
    I, m, C = np.eye(problem.dim), problem.x0, np.zeros((problem.dim, problem.dim))
    B = I - step * problem.A
    out = [(m, C)]
    for _ in range(steps):
        m, C = m - step * (problem.A @ m - problem.b), B @ C @ B + sigma**2 * I
        out.append((m, C))
    return out


QUADRATIC = Quadratic(np.diag([0.2, 1.0, 3.0]) + 0.1, np.array([1.0, -2.0, 0.5]))


@pytest.mark.parametrize("m", [noisy, restartable_noisy], ids=["effects", "moments"])
def test_noisy_gradient_descent_in_closed_form(m):
    params = dict(step=0.3, sigma=0.2)
    _, readings, evidence = engine(m, QUADRATIC, params, 50, Reader(sq_distance), Reader(sq_distance, average))
    assert ("affine in its 150 draws" in evidence) == (m is noisy)
    truth = [np.sum((mean - QUADRATIC.x_star) ** 2) + np.trace(C) for mean, C in closed_form(QUADRATIC, 0.3, 0.2, 50)]
    assert readings[sq_distance.name].values == pytest.approx(truth, rel=1e-12)


def test_the_two_ways_agree_on_averages():
    params = dict(step=0.3, sigma=0.2)
    one, other = (engine(m, QUADRATIC, params, 40, Reader(suboptimality, average))[1].popitem()[1].values
                  for m in (noisy, restartable_noisy))
    assert one == pytest.approx(other, rel=1e-12)


@pytest.mark.parametrize("m", [noisy, restartable_noisy], ids=["effects", "moments"])
def test_laws(m):
    params = dict(step=0.3, sigma=0.2)
    truth = closed_form(QUADRATIC, 0.3, 0.2, 30)
    laws = expectation.gaussian_law(m, QUADRATIC, QUADRATIC.x0, params, 30)
    for (k, mean, C), (mean_, C_) in zip(laws, truth, strict=True):
        assert mean == pytest.approx(mean_, abs=1e-13)
        assert pytest.approx(C_, abs=1e-13) == C
        assert k <= 30
    target = Law(QUADRATIC.x_star, np.linalg.inv(QUADRATIC.A))
    distance = LawMeasure("W2^2", lambda problem, law: law.sq_wasserstein(target))
    _, readings, _ = engine(m, QUADRATIC, params, 30, Reader(distance))
    from_a_point = np.sum((QUADRATIC.x0 - target.mean) ** 2) + np.trace(target.covariance)
    assert readings["W2^2"].values[0] == pytest.approx(from_a_point)
    with pytest.raises(AssumptionError, match="law"):
        distance(QUADRATIC, QUADRATIC.x0)
    with pytest.raises(Inexact, match="normal"):
        expectation.gaussian_law(sgd, LS, LS.x0, dict(step=STEP), 5)


def test_gaussian_distances():
    rng = np.random.default_rng(0)
    a, b = (Law(rng.standard_normal(3), M @ M.T) for M in rng.standard_normal((2, 3, 3)))
    from scipy.linalg import sqrtm

    root = sqrtm(a.covariance)
    cross = sqrtm(root @ b.covariance @ root).real
    bures = np.sum((a.mean - b.mean) ** 2) + np.trace(a.covariance + b.covariance - 2 * cross)
    assert a.sq_wasserstein(b) == pytest.approx(bures)
    assert a.sq_wasserstein(a) < 1e-28
    inverse, shift = np.linalg.inv(b.covariance), b.mean - a.mean
    logs = np.linalg.slogdet(b.covariance)[1] - np.linalg.slogdet(a.covariance)[1]
    assert a.kl(b) == pytest.approx((np.trace(inverse @ a.covariance) - 3 + shift @ inverse @ shift + logs) / 2)
    assert np.isinf(Law(a.mean, np.zeros((3, 3))).kl(b))


def test_multiplicative_normal_noise():
    @method(restartable=True)
    def shaken(problem, x, *, rng):
        while True:
            yield x
            x = 0.5 * x + 0.8 * x * rng.normal(problem.point_shape)

    problem = Quadratic(np.eye(3), np.zeros(3))
    _, readings, _ = engine(shaken, problem, {}, 20, Reader(sq_distance))
    assert readings[sq_distance.name].values == pytest.approx(3 * (0.25 + 0.64) ** np.arange(21), rel=1e-12)
    with pytest.raises(Inexact):
        expectation.gaussian_law(shaken, problem, problem.x0, {}, 5)


def test_agents_draw_independently():
    @method(restartable=True)
    def parallel(problem, x, *, step, rng):
        while True:
            yield x
            i = rng.each(9).index(problem.n)
            x = x - step * problem.minibatch_grad(x, i)

    _, readings, _ = engine(parallel, LS, dict(step=STEP), 2, Reader(sq_distance))
    g = LS.component_grad(np.broadcast_to(LS.x0, (12, 5)), np.arange(12))
    noise = np.mean(np.sum((g - g.mean(axis=0)) ** 2, axis=1)) / 9  # 12^9 outcomes, whose variances add
    truth = np.sum((LS.x0 - STEP * g.mean(axis=0) - LS.x_star) ** 2) + STEP**2 * noise
    assert readings[sq_distance.name].values[1] == pytest.approx(truth, rel=1e-12)


def test_draws_that_multiply_are_not_added():
    @method(restartable=True)
    def together(problem, x, *, rng):
        while True:
            yield x
            coins = rng.each(16).coin(0.9)  # 2^16 outcomes: one at a time, and then they do not add
            x = problem.column(np.prod(1.0 * coins, axis=-1)) * x

    assert expectation.exact(together, QUADRATIC, np.ones(3), {}, 3, [Reader(sq_distance)]) is None


def test_a_random_start():
    @method(restartable=True)
    def scattered(problem, x, m=None, *, step, rng):
        m = problem.stochastic_grad(x, rng) if m is None else m
        while True:
            yield Momentum(x, m)
            x = x - step * m
            m = problem.stochastic_grad(x, rng)

    _, readings, _ = engine(scattered, LS, dict(step=STEP), 30, Reader(sq_distance))
    hand = by_branches(sgd, LS, dict(step=STEP), 3, sq_distance)
    assert readings[sq_distance.name].values[:4] == pytest.approx(hand, rel=1e-12)


def test_the_method_may_be_given_another_problem():
    other = LeastSquares(X, 2 * Y)
    _, readings, _ = engine(sgd, LS, dict(step=STEP), 20, Reader(sq_distance), given=other)
    hand = by_branches(sgd, LS, dict(step=STEP), 3, sq_distance, given=other)
    assert readings[sq_distance.name].values[:4] == pytest.approx(hand, rel=1e-12)


LOGISTIC = LogisticRegression(X[:6], np.sign(Y[:6]), 0.1)


def test_few_outcomes_are_enumerated_whatever_the_method():
    readers = [Reader(NORM), Reader(suboptimality, average)]
    _, readings, evidence = engine(sgd, LOGISTIC, dict(step=0.5), 3, *readers)
    assert evidence == "all 216 outcomes enumerated"
    for r in readers:
        hand = by_branches(sgd, LOGISTIC, dict(step=0.5), 3, r.measure, r.at)
        assert readings[r.name].values == pytest.approx(hand, rel=1e-12)


def test_one_stroke_rules():
    @method()
    def sparsify(problem, x, *, rng):
        return problem.column(1.0 / 0.4) * (rng.each(3).coin(0.4) * x)

    k, readings, _ = expectation.exact(sparsify, QUADRATIC, np.array([1.0, 2.0, 3.0]), {}, 1, [Reader(sq_distance)])
    truth = sum(
        np.prod(np.where(c, 0.4, 0.6)) * np.sum((np.array(c) * [1, 2, 3] / 0.4 - QUADRATIC.x_star) ** 2)
        for c in product([0, 1], repeat=3))
    assert k.tolist() == [1]
    assert readings[sq_distance.name].values == pytest.approx([truth], rel=1e-12)


@pytest.mark.parametrize(("m", "problem", "reader"), [
    (sgd, LOGISTIC, Reader(sq_distance)),  # not affine
    (sgd, LS, Reader(NORM)),  # not quadratic
    (not_restartable, LS, Reader(sq_distance)),  # multiplies its draws and does not restart
    (sgd, LS, Reader(sq_distance, using=dict(f=now(suboptimality)))),  # a bound that is random
    (sgd, LS, Reader(sq_distance, Fold("squares", lambda its, q: (it**2 for it in its)))),  # not a linear fold
], ids=["logistic", "norm", "products", "random bound", "fold"])
def test_none_where_no_way_is_exact(m, problem, reader):
    assert expectation.exact(m, problem, problem.x0, dict(step=STEP), 50, [reader]) is None


def test_a_kink_far_from_the_start_is_noticed():
    @method(restartable=True)
    def boxed(problem, x, *, rng):
        while True:
            yield x
            x = np.minimum(1.5 * x + 1.0 * rng.coin(0.5)[..., None], 1e3)

    assert expectation.exact(boxed, QUADRATIC, QUADRATIC.x0 + 1, {}, 60, [Reader(sq_distance)]) is None


def test_a_schedule_hidden_from_the_state_is_noticed():
    @method(restartable=True)  # it is not: the counter is lost
    def forgetful(problem, x, *, step, rng):
        k = 0
        while True:
            yield x
            x = x - step / (1 + k) * problem.stochastic_grad(x, rng)
            k += 1

    assert expectation.exact(forgetful, LS, LS.x0, dict(step=STEP), 50, [Reader(sq_distance)]) is None


def test_quantities_of_the_start_and_batches_of_starts():
    reader = Reader(sq_distance, using=dict(f0=start(suboptimality)))
    _, readings, _ = engine(sgd, LS, dict(step=STEP), 10, reader)
    assert readings[reader.name].using["f0"] == pytest.approx(np.full(11, LS.value(LS.x0) - LS.f_star))
    assert expectation.exact(sgd, LS, LS.starts(3), dict(step=STEP), 10, [reader]) is None


def test_draws_sample_what_they_declare():
    draws = Draws(sampler=np.random.default_rng(0))
    heads = np.array([draws.coin(0.2) for _ in range(4000)])
    assert abs(heads.mean() - 0.2) < 0.03
    assert draws.each(3).index(4).shape == (3,)
    assert draws.each(2).normal((3,)).shape == (2, 3)
    assert len(draws.subset(5, 2)) == 2
    batch = Draws(np.array([[0.0, 1.0], [2.0, 0.0]]))
    assert batch.index(3).tolist() == [[0], [2]]
    assert batch.coin(0.5).tolist() == [[False], [True]]


# --- through the campaign ---------------------------------------------------------------------------


def proved(factor=1.0):
    """SGD with a correct neighbourhood bound (for factor 1), on one case."""
    body = method(restartable=True)(sgd.body)
    return body.proves(Guarantee(
        sq_distance,
        lambda k, step, mu, R, sigma_star: factor * ((1 - step * mu) ** k * R**2 + 2 * step * sigma_star**2 / mu),
        cite(1, 1), mode="expectation", recipe=lambda Lmax: dict(step=0.5 / Lmax), on=lambda rng: [Case(LS)],
        drift=lambda V, step, mu, sigma_star: factor * ((1 - step * mu) * V + 2 * step**2 * sigma_star**2),
        control=Control("step 8/Lmax", recipe=lambda Lmax: dict(step=8 / Lmax))))


def test_verify_uses_the_exact_expectation_and_the_drift():
    verdict = verify(proved(), worst_case=False)[0]
    assert verdict.verdict == "holds"
    assert verdict.controls[0].seen
    assert 0.01 < verdict.ratio <= 1
    assert "exact moments (12 outcomes a step)" in verdict.evidence
    assert "drift at" in verdict.evidence
    assert verify(proved(0.05), worst_case=False)[0].verdict == "violated"


def job_of(m, problem, params):
    quantities = Quantities(problem, problem.x0, params)
    return Job(m.guarantees[0], Case(problem), m, params, quantities, problem.x0, 50)


def plain(verdict):
    return Verdict(verdict, "sgd", "", "", "", "expectation", evidence="4096 replicates")


def test_drift_decides_what_replicates_cannot():
    m = proved()
    job = job_of(m, LS, dict(step=STEP))
    settled = expectation.with_drift(plain("inconclusive"), m.guarantees[0], m, job)
    assert settled.verdict == "holds"
    assert "12 outcomes each" in settled.evidence
    assert "all outcomes of 3 steps" in settled.evidence
    broken = job_of(m, LS, dict(step=8 * STEP))
    broken.quantities = job.quantities
    assert expectation.with_drift(plain("holds"), m.guarantees[0], m, broken).verdict == "violated"


def test_drift_with_normal_draws_is_met_with_equality():
    m = restartable_noisy
    g = Guarantee(sq_distance, lambda k: k, cite(1, 1), mode="expectation", control=Control("none"), at=last,
                  drift=lambda V, share, noise: share * V + noise)
    problem = Quadratic(2 * np.eye(4), np.ones(4))
    job = Job(g, Case(problem), m, dict(step=0.1, sigma=0.3),
              Quantities(problem, problem.x0, dict(share=0.64, noise=4 * 0.09)), problem.x0, 30)
    states, _, share, _, kept = check_drift(g, m, job, 0)
    assert kept
    assert states > 20
    assert share == pytest.approx(1, abs=1e-10)
    job.quantities = Quantities(problem, problem.x0, dict(share=0.64, noise=4 * 0.09 * 0.99))
    assert not check_drift(g, m, job, 0)[4]
