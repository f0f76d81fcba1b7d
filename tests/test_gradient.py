"""Gradient methods and their problems: oracles, exact constants, hard instances met, identities between methods."""

from itertools import combinations, islice

import cvxpy as cp
import numpy as np
import pytest
from scipy.special import eval_chebyu

from optlab import (
    conjugate_gradient,
    gradient_descent,
    heavy_ball,
    nesterov,
    nesterov_momentum,
    nesterov_strongly_convex,
    schedule_free,
    stochastic_schedule_free,
)
from optlab.gradient.heavy_ball import polyak_step
from optlab.gradient.lower_bounds import newton, polyak_rate
from optlab.problems import (
    AlongEigenvector,
    FirstCoordinate,
    Hinge,
    HuberNorm,
    L1Regression,
    LogAbsolute,
    LogRegression,
    NesterovChain,
    PhaseRetrieval,
    ProblemError,
    Quadratic,
    SinePL,
)
from optlab.problems.noise import Sampled
from optlab.problems.nonconvex import sine_pl_constant
from optlab.problems.nonsmooth import largest_combination, slow_valley
from optlab.problems.pool import pool
from optlab.rng import Stream

OWN = {p.name: p for p in pool() if type(p).__module__.split(".")[-1] in ("hard", "nonconvex", "nonsmooth")}
SMOOTH = [name for name, p in OWN.items() if hasattr(p, "L")]


def after(method, problem, x, steps, **params):
    """The iterate after ``steps`` steps."""
    return next(islice(method(problem, x, **params), steps, None))


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture
def quadratic():
    return AlongEigenvector(np.diag([0.1, 0.2, 0.5, 1.0]), np.array([1.0, -1.0, 2.0, 0.5]))


# --- problems -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", OWN)
def test_gradients_are_those_of_the_value(name, rng):
    p = OWN[name]
    x, v = p.x_star + rng.standard_normal((5, p.dim)), rng.standard_normal((5, p.dim))
    h = 1e-6
    slope = (p.value(x + h * v) - p.value(x - h * v)) / (2 * h)
    assert np.allclose(p.inner(p.grad(x), v), slope, rtol=1e-6, atol=1e-6)
    assert np.isclose(p.value(x)[2], p.value(x[2]), rtol=1e-13)


@pytest.mark.parametrize("name", OWN)
def test_the_solution_is_one(name, rng):
    p = OWN[name]
    assert abs(float(p.value(p.x_star)) - p.f_star) <= 1e-13 * max(1.0, abs(p.f_star), p.value_scale)
    near = p.x_star + rng.standard_normal((500, p.dim)) * np.geomspace(1e-4, 3, 500)[:, None]
    assert (p.value(near) >= p.f_star - 1e-12).all()


@pytest.mark.parametrize("name", SMOOTH)
def test_the_smoothness_constant_is_met_and_not_exceeded(name, rng):
    p = OWN[name]
    x = p.x_star + rng.standard_normal((4000, p.dim)) * np.geomspace(1e-6, 3, 4000)[:, None]
    # along the eigenvectors of the Hessian at the solution, where every one of these problems bends most
    axes = np.linalg.eigh(p.hess(p.x_star))[1].T if hasattr(p, "hess") else np.eye(p.dim)
    shift = 1e-4 * axes[np.arange(4000) % p.dim]
    ratio = p.norm(p.grad(x + shift) - p.grad(x)) / p.norm(shift)
    assert 0.999 * p.L <= ratio.max() <= p.L * (1 + 1e-7)


@pytest.mark.parametrize("name", [n for n, p in OWN.items() if hasattr(p, "hvp") and hasattr(p, "hess")])
def test_hessians_are_those_of_the_gradient(name, rng):
    p = OWN[name]
    x, v = p.x_star + rng.standard_normal((3, p.dim)), rng.standard_normal((3, p.dim))
    h = 1e-5
    slope = (p.grad(x + h * v) - p.grad(x - h * v)) / (2 * h)
    assert np.allclose(p.hvp(x, v), slope, rtol=1e-6, atol=1e-7)
    assert np.allclose((p.hess(x) @ v[..., None])[..., 0], p.hvp(x, v), atol=1e-12)


@pytest.mark.parametrize("kappa", [None, 4.0, 100.0])
def test_chain_has_its_closed_form_solution_and_hides_it(kappa):
    p = NesterovChain(30, L=3.0, kappa=kappa)
    assert p.norm(p.grad(p.x_star)) < 1e-14 * 3 * p.norm(p.x_star) * 10
    eig = np.linalg.eigvalsh(p.A)
    assert np.isclose(p.L, 3.0, rtol=1e-13)
    assert np.isclose(p.mu, eig[0], rtol=1e-10)
    if kappa is not None:
        assert p.L / p.mu < kappa
        assert NesterovChain(300, kappa=kappa).L / NesterovChain(300, kappa=kappa).mu > 0.99 * kappa
    for k in (1, 7):
        for m, params in ((gradient_descent, {"step": 0.3}), (nesterov, {"step": 0.3}), (conjugate_gradient, {})):
            it = after(m, p, p.x0, k, **params)
            x = it[0] if isinstance(it, tuple) else it
            assert not x[k:].any()
            assert x[k - 1] != 0


@pytest.mark.parametrize("share", [1.0, 0.4])
@pytest.mark.parametrize("steps", [1, 13])
def test_gradient_descent_meets_its_bound_on_the_huber_norm(steps, share):
    p = HuberNorm.for_gradient_descent(steps, share, L=2.0, R=3.0, dim=2)
    x = after(gradient_descent, p, p.x0, steps, step=share / p.L)
    assert np.isclose(p.value(x), 2.0 * 9 / (4 * steps * share + 2), rtol=1e-12)


def test_huber_norm_prox_solves_its_equation(rng):
    p = HuberNorm(0.7, L=2.0, dim=3)
    v = rng.standard_normal((20, 3)) * np.linspace(0.1, 4, 20)[:, None]
    x = p.prox(v, 0.6)
    assert np.allclose(x + 0.6 * p.grad(x), v, atol=1e-14)


def test_eigenvector_starts_are_the_slowest_and_meet_the_rate(quadratic):
    p = quadratic
    x = after(gradient_descent, p, p.x0, 20, step=1 / p.L)
    assert np.isclose(p.norm(x - p.x_star), (1 - p.mu / p.L) ** 20, rtol=1e-12)


def test_first_coordinate_shows_one_coordinate_a_call():
    p = FirstCoordinate(6, G=2.0, R=3.0)
    assert np.isclose(p.norm(p.x_star), 3.0)
    x = p.x0
    for i in range(5):
        assert np.array_equal(p.grad(x), 2.0 * np.eye(6)[i])
        x = x - 0.1 * p.grad(x)
        assert p.value(x) == 0
    assert not p.grad(p.x_star - 1).any()
    assert p.value(p.x_star - 1) == p.f_star


def test_the_pl_constant_of_the_sine_is_the_lowest_ratio():
    x = np.linspace(1e-3, 30, 2_000_001)
    p = SinePL([1.0])
    ratio = p.grad(x[:, None])[:, 0] ** 2 / (2 * p.value(x[:, None]))
    assert sine_pl_constant() <= ratio.min() <= sine_pl_constant() + 1e-9
    assert sine_pl_constant() > 5 / 32  # the 1/32 that is often quoted is far from it
    weighted = SinePL([3.0, 0.5])
    at = np.array([[0.0, x[ratio.argmin()]]])
    assert np.isclose(weighted.sq(weighted.grad(at)) / (2 * weighted.value(at)), weighted.mu, rtol=1e-9)


def test_log_regression_bends_as_it_declares(rng):
    t = np.linspace(-50, 50, 400_001)
    p = OWN["wide_log_regression"]
    bend = p.bend(t, 0 * t)
    assert bend.max() == 1
    assert np.isclose(bend.min(), -1 / 8, atol=1e-8)
    assert np.isclose(np.abs(np.gradient(bend, t)).max(), p.third, rtol=1e-6)
    assert np.isclose(np.abs(np.gradient(np.gradient(bend, t), t)).max(), p.fourth, rtol=1e-5)
    lowest = np.linalg.lstsq(p.X, p.y + np.sqrt(6))[0]  # all residuals sqrt 6: the deepest bend of every term
    assert np.isclose(np.linalg.eigvalsh(p.hess(lowest))[0], -p.rho, rtol=1e-10)
    assert not hasattr(OWN["log_regression"], "rho")


@pytest.mark.parametrize("name", ["sine_pl", "wide_log_regression", "phase_retrieval", "log_absolute"])
def test_weak_convexity_holds_and_is_exact(name, rng):
    p = OWN[name]
    x, y = (p.x_star + rng.standard_normal((4000, p.dim)) for _ in range(2))

    def lack(rho, x, y):
        g = p.value(x) / 2 + p.value(y) / 2 - p.value((x + y) / 2)
        return g + rho / 8 * p.sq(x - y)  # below 0: f + rho/2 ||.||^2 is not convex between x and y

    assert lack(p.rho, x, y).min() >= -1e-12
    if name == "sine_pl":
        center, direction = np.array([np.pi / 2, 0, 0]), np.eye(3)[0]
    elif name == "wide_log_regression":
        center = np.linalg.lstsq(p.X, p.y + np.sqrt(6))[0]
        direction = np.linalg.eigh(p.hess(center))[1][:, 0]
    elif name == "phase_retrieval":
        center, direction = np.zeros(3), np.linalg.svd(p.A)[2][0]
    else:
        direction = np.linalg.svd(p.X)[2][0]
        center = p.x_star + 1e-4 * direction
    h = 1e-5 if name == "log_absolute" else 1e-3
    assert lack(0.99 * p.rho, center + h * direction, center - h * direction) < 0


@pytest.mark.parametrize("name", ["l1_regression", "hinge", "diabetes_l1"])
def test_linear_programs_agree_with_cvxpy(name):
    p = OWN[name]
    x = cp.Variable(p.dim)
    r = p.X @ x - p.y
    f = cp.norm1(r) / p.n if isinstance(p, L1Regression) else cp.sum(cp.pos(r)) / p.n
    value = cp.Problem(cp.Minimize(f)).solve(solver=cp.CLARABEL)
    assert np.isclose(p.f_star, value, rtol=1e-7)


@pytest.mark.parametrize("name", ["l1_regression", "hinge", "diabetes_l1"])
def test_lipschitz_constant_is_the_steepest_slope(name, rng):
    p = OWN[name]
    v = rng.standard_normal((20_000, p.dim))
    v /= p.norm(v)[:, None]
    far = 1e6 * v
    slopes = p.norm(p.grad(far))
    assert 0.98 * p.G <= slopes.max() <= p.G * (1 + 1e-12)
    assert p.norm(p.grad(p.starts(200))).max() <= p.G * (1 + 1e-12)


def test_sign_patterns_of_the_plane_are_all_seen(rng):
    X = rng.standard_normal((14, 2))
    Y = np.vstack([X, np.zeros((8, 2))])  # 22 rows: no enumeration
    for low in (-1.0, 0.0):
        assert np.isclose(largest_combination(X, low), largest_combination(Y, low), rtol=1e-12)
    Z = rng.standard_normal((30, 4))
    v = rng.standard_normal((4, 1000))
    assert largest_combination(Z, -1.0) >= (np.abs(Z @ v).sum(0) / np.linalg.norm(v, axis=0)).max()  # an upper bound here


@pytest.mark.parametrize("batch", [1, 3])
def test_second_moment_is_bounded_by_its_constant(batch, rng):
    X, y = rng.standard_normal((6, 2)), rng.standard_normal(6)
    batches = np.array(list(combinations(range(6), batch)))
    for p in (L1Regression(X, y, batch), Hinge(X, np.sign(y), batch)):
        for x in 50 * rng.standard_normal((200, 2)):
            moment = np.mean([p.sq(p.minibatch_grad(x, b)) for b in batches])
            assert moment <= p.B**2 * (1 + 1e-12)
            assert np.allclose(np.mean([p.minibatch_grad(x, b) for b in batches], axis=0), p.grad(x))
        drawn = p.stochastic_grad(np.zeros((4000, 2)), Stream(np.arange(4000)))
        assert np.allclose(drawn.mean(0), p.grad(np.zeros(2)), atol=0.1)


# --- methods ------------------------------------------------------------------------------------------------
def test_momentum_with_look_ahead_is_nesterov(quadratic):
    p = quadratic
    a = nesterov_momentum(p, p.x0, step=0.7, momentum=0.8)
    b = nesterov_strongly_convex(p, p.x0, step=0.7, momentum=0.8)
    for _, s, t in zip(range(40), a, b, strict=False):
        assert np.allclose(s.x, t.y, rtol=0, atol=1e-13)
        assert np.allclose(s.ahead, t.x, rtol=0, atol=1e-13)


def test_lambda_sequence_is_that_of_the_theorem(quadratic):
    lam = [it.lam for _, it in zip(range(60), nesterov(quadratic, quadratic.x0, step=1.0), strict=False)]
    assert lam[0] == 1
    assert np.allclose(np.array(lam[1:]) ** 2 - lam[1:], np.array(lam[:-1]) ** 2)
    assert (np.array(lam) >= (np.arange(60) + 2) / 2 - 1e-12).all()


def test_heavy_ball_is_a_chebyshev_recursion(quadratic):
    p, k = quadratic, 17
    rho, step = polyak_rate(p.L, p.mu), polyak_step(p.L, p.mu)
    x = after(heavy_ball, p, p.x_star + 1.0, k, step=step, momentum=rho**2).x
    c = (1 + rho**2 - step * p.eigenvalues) / (2 * rho)
    assert np.allclose(x - p.x_star, rho**k * (eval_chebyu(k, c) - rho * eval_chebyu(k - 1, c)), atol=1e-12)


def test_conjugate_gradient_stops_moving_at_the_solution(quadratic, rng):
    p = quadratic
    starts = np.vstack([rng.standard_normal((3, 4)), p.x_star])
    assert np.allclose(after(conjugate_gradient, p, starts, 60).x, p.x_star, rtol=0, atol=1e-13)


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 1.0])
def test_schedule_free_point_is_the_average_of_the_base_sequence(beta):
    p = OWN["l1_regression"]
    z = []
    for k, it in enumerate(schedule_free(p, p.x0, gamma=0.1, beta=beta)):
        z.append(it.z)
        assert np.allclose(it.x, np.mean(z, axis=0), atol=1e-13)
        if k == 30:
            break


def test_schedule_free_with_beta_zero_averages_gradient_descent():
    p = OWN["NesterovChain(40)"]
    zs = (it.z for it in schedule_free(p, p.x0, gamma=0.5, beta=0.0))
    for _, z, x in zip(range(30), zs, gradient_descent(p, p.x0, step=0.5), strict=False):
        assert np.array_equal(z, x)


@pytest.mark.parametrize("n", [16, 64])
def test_schedule_free_beats_the_last_iterate_of_its_own_base_sequence(n):
    p, x0 = slow_valley(n), np.array([1e-9, 1.0])
    gamma = 1 / np.sqrt(n)
    plain = p.value(after(gradient_descent, p, x0, n - 1, step=gamma))
    free = p.value(after(schedule_free, p, x0, n - 1, gamma=gamma).x)
    assert free < 1 / np.sqrt(n) < plain


def test_stochastic_schedule_free_is_schedule_free_on_sampled_gradients():
    p, seeds = OWN["hinge"], np.arange(5)
    x0 = np.broadcast_to(p.x0, (5, 3))
    a = after(stochastic_schedule_free, p, x0, 20, gamma=0.1, rng=Stream(seeds))
    b = after(schedule_free, Sampled(p, Stream(seeds)), x0, 20, gamma=0.1)
    assert np.array_equal(a.x, b.x)


DETERMINISTIC = [(gradient_descent, {"step": 0.5}), (nesterov, {"step": 0.5}),
                 (nesterov_strongly_convex, {"step": 0.5, "momentum": 0.6}),
                 (nesterov_momentum, {"step": 0.5, "momentum": 0.6}), (heavy_ball, {"step": 0.5, "momentum": 0.6}),
                 (conjugate_gradient, {}), (schedule_free, {"gamma": 0.5, "beta": 0.7})]


@pytest.mark.parametrize(("m", "params"), DETERMINISTIC, ids=lambda a: getattr(a, "name", ""))
def test_batches_restarts_and_purity(m, params, quadratic, rng):
    x0 = rng.standard_normal((3, 4))
    kept = x0.copy()
    batch = after(m, quadratic, x0, 7, **params)
    first = batch[0] if isinstance(batch, tuple) else batch
    assert np.array_equal(x0, kept)
    assert not np.shares_memory(first, x0)
    for i in range(3):
        one = after(m, quadratic, x0[i], 7, **params)
        assert np.allclose(one[0] if isinstance(one, tuple) else one, first[i], atol=1e-13)
    state = after(m, quadratic, x0, 4, **params)
    restarted = m(quadratic, *(state if isinstance(state, tuple) else (state,)), **params)
    last = next(islice(restarted, 3, None))
    assert np.array_equal(last[0] if isinstance(last, tuple) else last, first)


# --- what a caller can get wrong ------------------------------------------------------------------------------
@pytest.mark.parametrize(("build", "sentence"), [
    (lambda: NesterovChain(0), "n must be an integer of at least 1, got 0"),
    (lambda: NesterovChain(5, kappa=1.0), "kappa must be greater than 1"),
    (lambda: NesterovChain(5, L=-1.0), "L must be positive"),
    (lambda: AlongEigenvector(np.eye(3), which=3), "one of the 3 eigenvalues"),
    (lambda: HuberNorm(0.0), "threshold must be positive"),
    (lambda: HuberNorm.for_gradient_descent(0), "steps must be an integer"),
    (lambda: FirstCoordinate(3, R=np.nan), "R must be positive and finite"),
    (lambda: SinePL([1.0, -1.0]), "weights must be positive"),
    (lambda: LogRegression(np.ones((3, 1)), np.array([1.0, 2.0, 3.0])), "y must lie in the range of X"),
    (lambda: LogRegression(np.eye(2), np.ones(2), 0.1), "l2 must be 0"),
    (lambda: PhaseRetrieval(np.eye(2), np.array([1.0, 0.0])), "x_star must not be orthogonal"),
    (lambda: LogAbsolute(np.eye(2), np.ones(3)), "x_star must be a vector of length 2"),
    (lambda: L1Regression(np.eye(2), np.ones(2), batch=3), "batch must be at most the number of rows, 2"),
    (lambda: Hinge(np.eye(2), np.array([0.0, 1.0])), "y must hold labels -1 and 1"),
])
def test_bad_input_is_one_sentence(build, sentence):
    with pytest.raises(ProblemError, match=sentence):
        build()


def test_control_of_the_lower_bound_needs_the_matrix():
    p = Quadratic(np.diag([1.0, 2.0]), np.ones(2))
    it = newton(p, np.zeros((3, 2)))
    next(it)
    assert np.allclose(next(it), p.x_star)
