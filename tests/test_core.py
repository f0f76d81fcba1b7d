"""The core: quantities, folds, randomness, runs, ledgers."""

import importlib
import itertools
import subprocess
import sys

import array_api_strict as strict_arrays
import numpy as np
import pytest

import optlab
from optlab import Stream, average, best, gradient_descent, nesterov, pairs, run, suboptimality, weighted
from optlab.functions import harmonic
from optlab.ledger import Counting
from optlab.measures import point
from optlab.problems import HuberRegression, LeastSquares, LogisticRegression, ProblemError, Quadratic
from optlab.quantities import MissingQuantity, Quantities
from optlab.rng import Branches, NotEnumerable
from optlab.running import StopReason, recorded_indices


@pytest.fixture
def p():
    return Quadratic(np.diag([1.0, 0.1]), [1.0, 1.0])


# --- runs ---------------------------------------------------------------------------------------------------
def test_run_matches_the_closed_form_and_indexes_from_the_start(p):
    trace = run(gradient_descent, p, np.zeros(2), steps=20, step=0.5)
    k = np.arange(21)
    expected = sum(((1 - 0.5 * lam) ** k * x) ** 2 for lam, x in zip([1.0, 0.1], p.x_star, strict=True))
    np.testing.assert_allclose(trace["||x - x*||^2"], expected, rtol=1e-12)
    assert trace.k[0] == 0
    assert trace.k[-1] == 20
    assert trace.stop is StopReason.STEPS
    assert trace.calls["grad"][-1] == 20


def test_run_completes_parameters_from_the_recipe(p):
    assert run(gradient_descent, p, steps=3).params == {"step": 1 / p.L}


def test_run_keeps_iterates_on_request(p):
    trace = run(gradient_descent, p, steps=5, record=["iterates", "f(x) - f*"])
    assert len(trace.iterates) == 6
    assert list(trace.readings) == ["f(x) - f*"]
    np.testing.assert_array_equal(trace.iterates[-1], trace.x)


def test_divergence_is_a_result(p):
    trace = run(gradient_descent, p, steps=20_000, step=3.0)
    assert trace.stop is StopReason.DIVERGED
    assert not np.isfinite(trace["f(x) - f*"][-1])


def test_interrupt_returns_the_trace_so_far(p):
    def impatient(problem, x, *, step):
        for k in itertools.count():
            if k == 7:
                raise KeyboardInterrupt
            yield x
            x = x - step * problem.grad(x)

    trace = run(impatient, p, steps=100, step=0.1)
    assert trace.stop is StopReason.INTERRUPTED
    assert trace.k[-1] == 6


def test_resume_replays_and_checks(p):
    short = run(gradient_descent, p, steps=10)
    longer = short.resume(30)
    np.testing.assert_array_equal(longer["f(x) - f*"][:11], short["f(x) - f*"])
    p.b = p.b + 1.0
    with pytest.raises(ProblemError, match="replay differs"):
        short.resume(40)


def test_traces_show_themselves(p):
    trace = run(gradient_descent, p, steps=4)
    assert "all steps taken" in repr(trace)
    page = trace._repr_html_()
    assert page.count("<tr>") == 1 + len(trace.readings)
    assert "4 grad oracle calls" in page


def test_long_runs_record_on_a_log_grid():
    k = recorded_indices(100_000)
    assert k[0] == 0
    assert k[-1] == 100_000
    assert len(k) < 210
    np.testing.assert_array_equal(recorded_indices(10, every=4), [0, 4, 8, 10])


@pytest.mark.parametrize(("call", "sentence"), [
    (lambda p: run(gradient_descent, p, np.zeros(3)), r"x0 must end in point_shape \(2,\)"),
    (lambda p: run(gradient_descent, p, [np.nan, 0]), "x0 must be finite"),
    (lambda p: run(gradient_descent, p, steps=-1), "steps must be a nonnegative integer"),
    (lambda p: run(gradient_descent, p, stride=2), "has no parameter 'stride'; it takes step"),
    (lambda p: run(gradient_descent, p, seeds=4), "draws nothing at random"),
    (lambda p: run(gradient_descent, p, record=["nonsense"]), "no measure 'nonsense'"),
    (lambda p: run(gradient_descent, p, every=0), "every must be a positive"),
    (lambda p: Quadratic([[1.0, 2.0], [0.0, 1.0]]), "A must be symmetric"),
    (lambda p: Quadratic([[1.0, 0.0], [0.0, -1.0]]), "positive semidefinite"),
    (lambda p: Quadratic([[1.0, 0.0], [0.0, 0.0]], [0.0, 1.0]), "unbounded below"),
    (lambda p: Quadratic([[np.nan]]), "A must be finite"),
    (lambda p: Quadratic(np.eye(2), [1.0]), "b must be a vector of length 2"),
    (lambda p: LogisticRegression(np.eye(2), [0.0, 1.0]), "labels -1 and 1"),
    (lambda p: LogisticRegression(np.eye(2), [-1.0, 1.0], l2=0), "l2 .* must be positive"),
    (lambda p: LeastSquares(np.eye(2), [1.0, 1.0], l2=-1), "l2 must be nonnegative"),
])
def test_bad_input_meets_one_sentence(p, call, sentence):
    with pytest.raises(ProblemError, match=sentence) as caught:
        call(p)
    assert "\n" not in str(caught.value)


def test_ledger_counts_oracle_calls_not_inner_ones(p):
    counted = Counting(p)
    x = np.zeros(2)
    counted.grad(x)
    counted.grad(x)
    counted.value(x)
    assert counted.ledger == {"grad": 2, "value": 1}


# --- names ---------------------------------------------------------------------------------------------------
def test_quantities_come_by_name(p):
    q = Quantities(p, np.zeros(2), {"step": 0.5})
    assert q.call(lambda step, L, mu, R: (step, L, mu, R)) == (0.5, 1.0, pytest.approx(0.1), pytest.approx(np.hypot(1, 10)))
    with pytest.raises(MissingQuantity, match="the theorem needs 'sigma'"):
        q.call(lambda sigma: sigma)


# --- folds ---------------------------------------------------------------------------------------------------
def test_folds_speak_of_the_points_at_which_an_oracle_was_called():
    xs = [np.array([float(i)]) for i in range(5)]
    assert [float(x[0]) for x in average(iter(xs))] == [0.0, 0.0, 0.5, 1.0, 1.5]
    heavy = weighted(lambda s: s + 1.0)
    np.testing.assert_allclose([float(x[0]) for x in heavy(iter(xs))][2:], [(0 + 2) / 3, (0 + 2 + 6) / 6, 20 / 10])
    assert [(float(q.x[0]), float(q.y[0])) for q in pairs(iter(xs))][1:] == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert best.minimum


# --- randomness ------------------------------------------------------------------------------------------------
def test_stream_is_keyed_by_the_seed_alone():
    one, many = Stream(np.array([5])), Stream(np.arange(10))
    for draw in (lambda r: r.normal((3,)), lambda r: r.index(7), lambda r: r.permutation(5), lambda r: r.coin(0.3),
                 lambda r: r.each(4).uniform((2,))):
        np.testing.assert_array_equal(draw(many)[5], draw(one)[0])


def test_stream_has_the_stated_laws():
    """Seeded, 200000 draws; five standard errors on every statistic (15 of them: false alarm below 1e-5)."""
    n = 200_000
    r = Stream(np.arange(n))
    z = r.normal()
    assert abs(z.mean()) < 5 / np.sqrt(n)
    assert abs((z**2).mean() - 1) < 5 * np.sqrt(2 / n)
    assert abs((z**4).mean() - 3) < 5 * np.sqrt(96 / n)
    u, v = r.uniform((2,)).T
    assert abs(np.mean((u - 0.5) * (v - 0.5))) < 5 / 12 / np.sqrt(n)
    w = Stream(0).uniform((n,))  # along one draw of one seed
    assert abs(np.mean((w[1:] - 0.5) * (w[:-1] - 0.5))) < 5 / 12 / np.sqrt(n)
    counts = np.bincount(r.index(6), minlength=6)
    assert np.all(np.abs(counts - n / 6) < 5 * np.sqrt(n * 5 / 36))
    biased = np.bincount(r.index(2, p=np.array([0.9, 0.1])), minlength=2)
    assert abs(biased[1] - 0.1 * n) < 5 * np.sqrt(0.09 * n)
    assert abs(r.coin(0.25).mean() - 0.25) < 5 * np.sqrt(0.1875 / n)
    first = r.permutation(4)[:, 0]
    assert np.all(np.abs(np.bincount(first, minlength=4) - n / 4) < 5 * np.sqrt(n * 3 / 16))


def test_branches_enumerate_what_the_stream_samples():
    p = LeastSquares(np.random.default_rng(0).standard_normal((4, 2)), np.arange(4.0))

    def sgd(problem, x, *, step, rng):
        while True:
            yield x
            x = x - step * problem.stochastic_grad(x, rng)

    tree = Branches()
    x = next(itertools.islice(sgd(p, np.zeros(2), step=0.1, rng=tree), 3, None))
    assert x.shape == (4, 4, 4, 2)
    by_hand = 0.0
    for path in itertools.product(range(4), repeat=3):
        y = np.zeros(2)
        for i in path:
            y = y - 0.1 * p.component_grad(y, np.array(i))
        by_hand += p.value(y) / 64
    assert tree.mean(p.value(x)) == pytest.approx(by_hand, rel=1e-13)


def test_branches_refuse_what_cannot_be_enumerated():
    with pytest.raises(NotEnumerable, match="continuous"):
        Branches().normal((2,))
    with pytest.raises(NotEnumerable, match="leaves"):
        Branches(limit=10).index(11)


# --- the package -------------------------------------------------------------------------------------------------
def test_every_public_name_loads():
    assert len(optlab.__all__) > 60
    for name in optlab.__all__:
        assert getattr(optlab, name) is not None
    problems = importlib.import_module("optlab.problems")
    for name in problems.__all__:
        assert getattr(problems, name) is not None


def test_import_is_light():
    """`import optlab` loads none of the heavy parts (seconds are reported by `optlab bench`, not asserted)."""
    heavy = "numpy scipy cvxpy PEPit numba matplotlib sympy sklearn networkx rich pandas cupy".split()
    code = f"import sys, optlab; print([m for m in {heavy!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert out == "[]"


# --- one body, any arrays ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("problem", [LeastSquares, LogisticRegression, HuberRegression])
@pytest.mark.parametrize("method", [gradient_descent, nesterov])
def test_bodies_read_on_any_array_namespace(problem, method):
    """array-api-strict has nothing of NumPy's own: what runs on it runs on CuPy arrays too."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 4)), np.sign(rng.standard_normal(20))
    strict = problem(strict_arrays.asarray(X), strict_arrays.asarray(y))
    start = strict_arrays.zeros(4, dtype=strict_arrays.float64)
    ours = point(next(itertools.islice(method(strict, start, step=0.1), 5, None)))
    theirs = point(next(itertools.islice(method(problem(X, y), np.zeros(4), step=0.1), 5, None)))
    assert type(ours).__module__.startswith("array_api_strict")
    np.testing.assert_allclose(np.asarray(ours), theirs, rtol=1e-13)
    assert float(suboptimality(strict, ours)) == pytest.approx(float(suboptimality(problem(X, y), theirs)), rel=1e-12)


@pytest.mark.parametrize("order", [0.5, 1, 1.5, 2])
def test_harmonic_sums(order):
    k = np.array([1, 5, 99, 100, 101, 5000])
    direct = [np.sum(np.arange(1.0, n + 1) ** -order) for n in k]
    np.testing.assert_allclose(harmonic(k, order), direct, rtol=1e-13)
