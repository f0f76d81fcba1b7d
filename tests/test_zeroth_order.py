"""Values instead of gradients: closed-form smoothing, unbiased estimates, counted values, and their methods."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from optlab import run, verify
from optlab.problems import (
    AbsoluteTerms,
    Ball,
    BallSmoothing,
    IndefiniteOnSet,
    L1Ball,
    NoisyValues,
    OddSquares,
    Quadratic,
    Simplex,
)
from optlab.problems.errors import ProblemError
from optlab.rng import Stream
from optlab.stochastic.sgd import sgd
from optlab.stochastic.zeroth_order import (
    absolute_terms,
    ac_sa,
    batched,
    coordinates,
    gaussian,
    halfway,
    kwsa,
    l1_norm,
    mean_forward_difference,
    one_point_estimate,
    rdsa,
    ridge_function,
    schedules,
    two_point,
    zeroth_order_accelerated,
    zeroth_order_frank_wolfe,
    zeroth_order_sgd,
)


def in_ball(d, count, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((count, d))
    return z / np.linalg.norm(z, axis=1, keepdims=True) * rng.uniform(size=(count, 1)) ** (1 / d)


@pytest.mark.parametrize("d", [1, 2, 5])
@pytest.mark.parametrize("g", [0.3, 2.0])
def test_smoothing_in_closed_form(d, g):
    p = absolute_terms(d) if d > 1 else ridge_function(1)
    rng = np.random.default_rng(1)
    x = p.x_star + rng.standard_normal((3, d))
    u = in_ball(d, 200_000)
    sampled = np.array([p.value(y + g * u) for y in x])
    error = 5 * sampled.std(axis=1) / np.sqrt(len(u))
    assert (abs(p.smoothed_value(x, g) - sampled.mean(axis=1)) <= error + 1e-12).all()
    for e in np.eye(d):
        rise = (p.smoothed_value(x + 1e-5 * e, g) - p.smoothed_value(x - 1e-5 * e, g)) / 2e-5
        np.testing.assert_allclose(p.smoothed_grad(x, g) @ e, rise, atol=1e-7)
        bend = (p.smoothed_grad(x + 1e-5 * e, g) - p.smoothed_grad(x - 1e-5 * e, g)) / 2e-5
        np.testing.assert_allclose(p.smoothed_hess(x, g) @ e, bend, atol=1e-3)


def test_two_point_estimates_are_unbiased_for_the_smoothed_function():
    """In the plane the mean over directions is a mean over angles."""
    p, g = absolute_terms(2), 0.7
    x = p.x_star + np.array([0.3, -0.2])
    angles = 2 * np.pi * (np.arange(200_000) + 0.5) / 200_000
    e = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    rise = p.value(x + g * e) - p.value(x - g * e)
    np.testing.assert_allclose(np.mean(2 / (2 * g) * rise[:, None] * e, axis=0), p.smoothed_grad(x, g), atol=1e-8)


def test_estimates_average_to_the_gradient_of_the_smoothed_function():
    p, g, seeds = absolute_terms(3), 0.5, np.arange(100_000)
    x = np.broadcast_to(p.x_star + 0.2, (len(seeds), 3))
    for estimate in (two_point, one_point_estimate):
        G = estimate(p, x, g=g, rng=Stream(seeds)).g
        error = 5 * G.std(axis=0) / np.sqrt(len(seeds))
        assert (abs(G.mean(axis=0) - p.smoothed_grad(x[0], g)) <= error).all()


def test_gaussian_and_coordinate_differences():
    """On a quadratic both are unbiased up to c; the coordinate differences have error c L / 2 in each coordinate."""
    p, d = halfway(4, 0.0), 4
    x = np.broadcast_to(np.array([0.1, 0.2, 0.3, 0.4]), (50_000, d))
    g = gaussian()(p, x, 1e-4, Stream(np.arange(len(x))))
    assert (abs(g.mean(axis=0) - p.grad(x[0])) <= 5 * g.std(axis=0) / np.sqrt(len(x)) + 1e-3).all()
    np.testing.assert_allclose(coordinates(p, x[:1], 0.01, Stream(np.arange(1)))[0], p.grad(x[0]) + 0.005, atol=1e-12)


def test_more_directions_have_less_variance():
    p = halfway(6)
    x = np.broadcast_to(np.full(6, 1 / 6), (2000, 6))
    spread = [gaussian(m)(p, x, 0.01, Stream(np.arange(2000))).var() for m in (1, 10)]
    assert spread[1] < 0.3 * spread[0]


@pytest.mark.parametrize(("parameters", "values"), [(rdsa(5), 2), (kwsa(5), 6),
                                                    (rdsa(5) | schedules(5, 3) | dict(estimate=gaussian(3)), 4)])
def test_values_a_step(parameters, values):
    trace = run(zeroth_order_frank_wolfe, halfway(5), np.full(5, 0.2), 10, seeds=3, **parameters)
    assert trace.calls["sample_value"][-1] == 10 * values
    assert trace.calls["lmo"][-1] == 10


def test_frank_wolfe_stays_in_its_set_and_descends():
    p = NoisyValues(IndefiniteOnSet(np.diag([1.0, -1.0, 0.5]), np.zeros(3), L1Ball(3)), 0.01)
    trace = run(zeroth_order_frank_wolfe, p, np.array([0.9, 0.0, 0.0]), 300, seeds=20, record=["iterates"], **rdsa(3))
    x = np.stack([it.x for it in trace.iterates])
    assert (abs(x).sum(axis=-1) <= 1 + 1e-12).all()
    assert (p.value(x[-1]) < -0.4).mean() > 0.9


def test_any_stochastic_method_runs_on_values():
    """``BallSmoothing`` makes SGD the zeroth-order method, bit for bit."""
    p = absolute_terms(3)
    a = run(zeroth_order_sgd, p, np.ones(3), 20, seeds=4, step=0.01, g=0.1)
    b = run(sgd, BallSmoothing(p, 0.1), np.ones(3), 20, seeds=4, step=0.01)
    np.testing.assert_array_equal(a.x, b.x)
    assert a.calls["sample_value"][-1] == 40


def test_accelerated_with_one_average_is_as_derived():
    """After one step the average is the first point, whatever was assumed before."""
    p = l1_norm(4)
    x0 = np.full(4, 0.5)
    trace = run(zeroth_order_accelerated, p, x0, 1, seeds=2, record=["iterates"], step=0.01, g=0.1, batch=5)
    np.testing.assert_array_equal(trace.iterates[1].average, trace.iterates[1].x)
    expected = x0 - 0.01 * BallSmoothing(p, 0.1).stochastic_grad(np.broadcast_to(x0, (2, 4)), Stream(np.arange(2)), 5)
    np.testing.assert_allclose(trace.x, expected, rtol=1e-14)


def test_the_constants_of_the_accelerated_theorem_give_accuracy_in_the_stated_orders():
    """N = 4 d^(1/4) M R / eps steps and d (M R / eps)^2 / N estimates in each: within 2.5 eps of the minimum."""
    for d in (3, 10, 100, 10_000):
        for eps in (0.3, 0.1, 1e-2, 1e-3):
            N = np.ceil(4 * d**0.25 / eps)
            batch = max(1, np.ceil(d / eps**2 / N))
            g = eps / 2
            assert ac_sa(N, 1.0, 1.0, d, g, g / (4 * d**0.5), batch) <= 2.5 * eps
            assert 2.5 * eps <= 10 * d**0.25 / N * (N / (N - 1))
            assert batch == 1 or 2.5 * eps <= 2.5 * np.sqrt(d / (N * (batch - 1)))


def test_bias_of_forward_differences_by_hand():
    """One dimension, f = x|x|/2 at 0: E (c z|z|/2) z = c E|z|^3 / 2 = c sqrt(2/pi)."""
    found = mean_forward_difference(OddSquares(1), np.zeros(1), c=0.5, nodes=200).g
    assert found[0] == pytest.approx(0.5 * np.sqrt(2 / np.pi), rel=1e-3)


def test_noise_in_values():
    p = NoisyValues(l1_norm(3).inner_problem, 0.5)
    assert pytest.approx(np.sqrt(1.25)) == p.M
    xi = p.sample(Stream(np.arange(20_000)), 1)
    slope = p.sample_value(np.array([[1.0, 0, 0]]), xi) - p.sample_value(np.zeros((1, 3)), xi)
    assert slope.std() == pytest.approx(0.5 / np.sqrt(3), rel=0.03)


def test_indefinite_quadratics():
    rng = np.random.default_rng(0)
    Q = rng.standard_normal((4, 4))
    p = IndefiniteOnSet(Q + Q.T, rng.standard_normal(4), Ball(4))
    x = rng.standard_normal((5, 4))
    for e in np.eye(4):
        rise = (p.value(x + 1e-6 * e) - p.value(x - 1e-6 * e)) / 2e-6
        np.testing.assert_allclose(p.grad(x) @ e, rise, rtol=1e-6, atol=1e-8)
    assert pytest.approx(abs(np.linalg.eigvalsh(Q + Q.T)).max()) == p.L


@pytest.mark.parametrize(("build", "says"), [
    (lambda: BallSmoothing(Quadratic(np.eye(2)), 0.1), "sample_value"),
    (lambda: BallSmoothing(absolute_terms(3), 0.0), "g must be positive"),
    (lambda: NoisyValues(absolute_terms(3), -1.0), "sigma must be nonnegative"),
    (lambda: IndefiniteOnSet([[0.0, 1.0], [0.0, 0.0]], [0.0, 0.0], Simplex(2)), "symmetric"),
    (lambda: OddSquares(0), "d must be"),
    (lambda: AbsoluteTerms(np.eye(2), np.zeros(3)), "y must be a vector of length 2"),
])
def test_errors_are_one_sentence(build, says):
    with pytest.raises((ProblemError, ValueError), match=says):
        build()


def test_a_users_own_problem():
    p = AbsoluteTerms(np.random.default_rng(3).standard_normal((6, 2)), np.ones(6))
    verdicts = verify(zeroth_order_sgd, p, x0=p.x_star + 1.0, replicates=1000)
    assert verdicts
    assert all(v.verdict == "holds" for v in verdicts)


def test_accelerated_constants_follow_from_the_recipe_in_every_dimension():
    """Smoothing (22.2), variance (22.3) and AC-SA's theorem at the prescribed steps: 10 d^(1/4) M R/k, up to d = 10^8."""
    for dim, eps, M, R in itertools.product((2, 3, 10, 256, 10**4, 10**8), (0.5, 0.1, 1e-3), (1.0, 3.0), (1.0, 0.2)):
        k = int(np.ceil(4 * dim**0.25 * M * R / eps))
        made = batched(eps, M, R, dim, k)
        theorem = ac_sa(k, R, M, dim, **made)
        assert theorem <= 10 * dim**0.25 * M * R / k
        assert theorem <= 2.5 * eps
        assert k * made["batch"] <= dim * (M * R / eps) ** 2 + k  # values: two an estimate


@pytest.mark.parametrize("d", [2, 64, 1024])
def test_variance_of_the_estimate_grows_exactly_as_d(d):
    """On a linear piece E||G||^2 = d M^2: the bound d^2/(d - 1) M^2 is met as d grows."""
    p = ridge_function(d)
    g = BallSmoothing(p, 0.1).stochastic_grad(np.tile(5 * np.eye(d)[0], (4000, 1)), Stream(np.arange(4000)))
    assert np.isclose(p.sq(g).mean() / d, 1.0, atol=6 * np.sqrt(2 / 4000))
