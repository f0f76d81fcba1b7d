"""Newton methods: the cubic subproblem, the constants of logistic regression, restarts, batches."""

import numpy as np
import pytest
from scipy.optimize import minimize

from optlab import cubic_newton, newton_damped, newton_universal, regularized_newton, run
from optlab.measures import point
from optlab.newton.damped import Transformed, damping, logistic
from optlab.newton.regularized import cubic_step
from optlab.problems import LogisticRegression, Quadratic
from optlab.problems.errors import AssumptionError

METHODS = {
    newton_damped: dict(q=3, M=2.0), newton_universal: dict(sigma0=0.1), cubic_newton: dict(M=1.0),
    regularized_newton: dict(H=0.5),
}
problem = logistic(30, 5, 0.05, 1.0, 0)


@pytest.mark.parametrize("seed", range(4))
def test_cubic_step_minimizes_the_model(seed):
    rng = np.random.default_rng(seed)
    B = rng.standard_normal((4, 4 - seed % 2))
    g, H, M = rng.standard_normal(4), B @ B.T, 10.0 ** (seed - 1)
    s = cubic_step(g, H, M)
    residual = g + H @ s + M / 2 * np.linalg.norm(s) * s
    assert np.linalg.norm(residual) < 1e-12 * np.linalg.norm(g)

    def model(v):
        return g @ v + v @ H @ v / 2 + M / 6 * np.linalg.norm(v) ** 3

    assert model(s) <= minimize(model, np.zeros(4)).fun + 1e-9


def test_cubic_step_at_a_stationary_point_is_zero():
    assert np.abs(cubic_step(np.zeros(3), np.eye(3), 1.0)).max() < 1e-200


def test_third_and_fourth_derivatives_of_logistic_stay_below_their_constants():
    rng = np.random.default_rng(0)
    worst3 = worst4 = 0.0
    for _ in range(200):
        u = rng.standard_normal(5)
        u /= np.linalg.norm(u)
        x, h = rng.standard_normal(5), 1e-3
        below, here, above = (u @ problem.hess(x + s * u) @ u for s in (-h, 0.0, h))
        worst3, worst4 = max(worst3, abs(above - below) / (2 * h)), max(worst4, abs(above - 2 * here + below) / h**2)
    assert 0.1 * problem.L2 < worst3 <= problem.L2
    assert 0.1 * problem.L3 < worst4 <= problem.L3


def test_breast_cancer_hessian_constant_is_tight_within_a_half():
    p = LogisticRegression.from_data("breast_cancer", l2=1e-2)
    u = np.ones(p.dim)
    for _ in range(200):  # ascent on mean |a'u|^3, the supremum that L2 bounds
        s = p.X @ u
        u = (np.abs(s) * s) @ p.X
        u /= np.linalg.norm(u)
    attained = np.mean(np.abs(p.X @ u) ** 3) / (6 * np.sqrt(3))
    assert attained <= p.L2 <= 1.5 * attained


@pytest.mark.parametrize("m", METHODS, ids=lambda m: m.name)
def test_reaches_the_solution_leaves_the_start_alone_and_a_batch_is_a_loop(m):
    starts = problem.starts(3)
    before = starts.copy()
    trace = run(m, problem, starts, 60, record=["||x - x*||^2", "iterates"], **METHODS[m])
    assert (trace["||x - x*||^2"][-1] < 1e-20).all()
    assert (starts == before).all()
    assert not np.shares_memory(point(trace.iterates[1]), starts)
    for i, x0 in enumerate(starts):
        alone = run(m, problem, x0, 5, **METHODS[m])
        together = run(m, problem, starts, 5, **METHODS[m])
        np.testing.assert_allclose(alone.x, together.x[i], rtol=1e-9, atol=1e-12)


def test_universal_restarts_from_its_state():
    x0 = problem.starts(2)
    whole = run(newton_universal, problem, x0, 6, sigma0=0.1)
    half = run(newton_universal, problem, x0, 3, sigma0=0.1)
    moves = newton_universal(problem, *half.final, sigma0=0.1)
    for _ in range(4):
        state = next(moves)
    np.testing.assert_array_equal(state.x, whole.final.x)
    np.testing.assert_array_equal(state.trials, whole.final.trials)


def test_damping_formulas():
    assert damping(2, 3.0, 0.7) == pytest.approx(27.0)
    assert damping(3, 4.0, 0.25) == pytest.approx(3.0)
    assert damping(4, 3.0, 1.0) == pytest.approx(3.0)


def test_no_damping_is_one_newton_step_on_a_quadratic():
    p = Quadratic(np.diag([1.0, 3.0]), [1.0, 1.0])
    np.testing.assert_allclose(run(newton_damped, p, np.array([5.0, -7.0]), 1, q=3, M=0.0).x, p.x_star, atol=1e-14)


def test_transformed_problem_has_the_derivatives_of_its_value():
    rng = np.random.default_rng(1)
    p = Transformed(problem, rng.standard_normal((5, 5)) + 3 * np.eye(5))
    x, v, h = rng.standard_normal(5), rng.standard_normal(5), 1e-5
    assert (p.value(x + h * v) - p.value(x - h * v)) / (2 * h) == pytest.approx(p.grad(x) @ v, rel=1e-7)
    np.testing.assert_allclose((p.grad(x + h * v) - p.grad(x - h * v)) / (2 * h), p.hess(x) @ v, rtol=1e-6)
    assert np.abs(p.grad(p.x_star)).max() < 1e-12


def test_prescribed_parameters_and_missing_oracles():
    assert run(cubic_newton, problem, steps=5).params["M"] == problem.L2
    assert run(newton_damped, problem, steps=5).params["q"] == 2
    hessian_free = Quadratic(np.eye(2))
    hessian_free.hess = None
    with pytest.raises(AssumptionError, match="cubic_newton needs hess"):
        run(cubic_newton, hessian_free, M=1.0)
