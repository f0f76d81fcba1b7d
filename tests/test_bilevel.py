"""Bilevel problems and methods: closed forms against finite differences, solvers and each other."""

import cvxpy
import numpy as np
import pytest
from scipy.optimize import minimize

from optlab import (
    approximate_implicit_differentiation,
    complex_momentum,
    complex_momentum_radius,
    f2sa,
    gradient_descent,
    linear_hypernetwork,
    penalty_hypergradient,
    run,
    stochastic_f2sa,
    stochastic_f3sa,
)
from optlab.bilevel.hypergradient import schedules
from optlab.bilevel.momentum import largest_root
from optlab.problems import NoisyBilevel, ProblemError, QuadraticBilevel, SingularBilevel
from optlab.problems.bilevel import random_bilevel, targets_from_data
from optlab.problems.games import BilinearGame
from optlab.rng import Stream

problem = random_bilevel(5)
AID = dict(step=1 / problem.L, inner_step=1 / problem.lower_L, inner_steps=5, terms=20)


def slope(f, x, v, h=1e-5):
    return (f(x + h * v) - f(x - h * v)) / (2 * h)


def test_oracles_are_the_derivatives_of_the_level_values():
    rng = np.random.default_rng(0)
    x, u, y, v = rng.standard_normal(4), rng.standard_normal(4), rng.standard_normal(6), rng.standard_normal(6)
    p = problem
    assert slope(lambda s: p.lower_value(x, s), y, v) == pytest.approx(p.lower_grad(x, y) @ v, rel=1e-8)
    assert slope(lambda s: p.lower_value(s, y), x, u) == pytest.approx(p.lower_grad_x(x, y) @ u, rel=1e-8)
    assert slope(lambda s: p.upper_value(x, s), y, v) == pytest.approx(p.upper_grad(x, y)[1] @ v, rel=1e-8)
    assert slope(lambda s: p.upper_value(s, y), x, u) == pytest.approx(p.upper_grad(x, y)[0] @ u, rel=1e-8)
    assert slope(lambda s: p.lower_grad(s, y) @ v, x, u) == pytest.approx(p.lower_cross(x, y, v) @ u, rel=1e-8)
    np.testing.assert_allclose(slope(lambda s: p.lower_grad(x, s), y, v), p.lower_hvp(x, y, v), rtol=1e-8)
    assert slope(p.value, x, u) == pytest.approx(p.grad(x) @ u, rel=1e-8)


@pytest.mark.parametrize("p", [problem, targets_from_data()], ids=str)
def test_solutions_and_constants(p):
    x = p.x0 + 0.3
    assert np.abs(p.lower_grad(x, p.solve_lower(x))).max() < 1e-10
    y = p.solve_penalized(x, 7.0)
    assert np.abs(p.upper_grad(x, y)[1] + 7 * p.lower_grad(x, y)).max() < 1e-10
    assert np.linalg.norm(p.grad(p.x_star)) < 1e-10 * p.L * (1 + np.linalg.norm(p.x_star))
    assert p.value(p.x_star) == p.f_star
    curvature = np.array([p.grad(e) - p.grad(0 * e) for e in np.eye(p.dim)])
    spread = np.linalg.eigvalsh((curvature + curvature.T) / 2)
    assert spread[[0, -1]] == pytest.approx([p.mu, p.L])


def test_a_generic_solver_finds_the_same_solution():
    found = minimize(problem.value, problem.x0, jac=problem.grad, tol=1e-12)
    np.testing.assert_allclose(found.x, problem.x_star, atol=1e-6)


def test_exact_implicit_differentiation_is_gradient_descent():
    exact = run(gradient_descent, problem, steps=30, step=AID["step"])
    implicit = run(approximate_implicit_differentiation, problem, steps=30, **{**AID, "inner_steps": 400, "terms": 400})
    np.testing.assert_allclose(implicit.x, exact.x, atol=1e-10)


@pytest.mark.parametrize(("m", "params"), [
    (approximate_implicit_differentiation, AID), (f2sa, schedules(1 / 3, 0.0)(problem.lower_L)),
    (linear_hypernetwork, dict(step=0.1, spread=1.0)), (penalty_hypergradient, dict(penalty=3.0))], ids=lambda m: str(m)[:40])
def test_a_batch_is_a_loop_and_the_start_is_left_alone(m, params):
    starts = problem.starts(3)
    before = starts.copy()
    many = run(m, problem, starts, 10, record=(), **params)
    assert (starts == before).all()
    for i, x0 in enumerate(starts):
        np.testing.assert_allclose(run(m, problem, x0, 10, record=(), **params).x, many.x[i], rtol=1e-12, atol=1e-13)


def test_f2sa_restarts_from_its_state():
    params = schedules(1 / 3, 0.0)(problem.lower_L)
    half, whole = (run(f2sa, problem, steps=n, **params) for n in (7, 12))
    moves = f2sa(problem, *half.final, **params)
    for _ in range(6):
        state = next(moves)
    np.testing.assert_array_equal(state.x, whole.x)


def test_stochastic_forms_without_noise():
    params = schedules(1 / 3, 0.0)(problem.lower_L)
    plain = run(f2sa, problem, steps=20, **params)
    noiseless = run(stochastic_f2sa, problem, steps=20, **params)
    np.testing.assert_array_equal(plain.x, noiseless.x)
    slow, fast = (run(stochastic_f3sa, problem, steps=20, momentum=m, **params) for m in (0.1, 1.0))
    np.testing.assert_allclose(slow.x, fast.x, atol=1e-13)  # exact gradients: the momentum corrects itself


def test_noise_is_unbiased_with_the_stated_variance_and_frozen_samples_repeat():
    rng = Stream(np.arange(20_000))
    x, y = np.ones(4), np.ones(6)
    noisy = NoisyBilevel(problem, rng, lower=0.7)
    error = noisy.lower_grad(x, y) - problem.lower_grad(x, y)
    assert np.abs(error.mean(axis=0)).max() < 0.02
    assert np.mean(np.sum(error**2, axis=1)) == pytest.approx(0.49, rel=0.03)
    frozen = NoisyBilevel(problem, rng, lower=0.7, frozen=True)
    np.testing.assert_allclose(frozen.lower_grad(x, y) - problem.lower_grad(x, y),
                               frozen.lower_grad(-x, y) - problem.lower_grad(-x, y), atol=1e-14)
    assert (noisy.lower_grad(x, y) != noisy.lower_grad(x, y)).any()


def test_complex_momentum_run_is_a_matrix_power():
    game, params = BilinearGame(np.eye(1)), dict(step=0.05, size=0.9, phase=np.pi / 8)
    basis = np.eye(6)
    moves = complex_momentum(game, basis[:, :2], basis[:, 2:4] + 1j * basis[:, 4:], **params)
    next(moves)
    after = next(moves)
    step = np.concatenate([after.x, after.m.real, after.m.imag], axis=1).T
    x0 = np.array([1.0, -2.0])
    state = np.linalg.matrix_power(step, 40) @ np.append(x0, np.zeros(4))
    np.testing.assert_allclose(run(complex_momentum, game, x0, 40, **params).x, state[:2], atol=1e-12)
    assert complex_momentum_radius(game, game.x0, **params) == pytest.approx(np.abs(np.linalg.eigvals(step)).max())
    assert largest_root(0.05, 0.9, np.pi / 8) == pytest.approx(0.9857, abs=5e-5)
    assert largest_root(0.1, 0.9, np.pi / 8) == pytest.approx(1.053, abs=5e-4)  # the step at which it diverges


singular = SingularBilevel(np.array([[1.0, 2.0, 0.0], [2.0, 4.0, 0.0]]), np.array([[1.0], [-1.0]]), [3.0, 0.0, 1.0], [2.0])


def test_singular_lower_level():
    rng = np.random.default_rng(0)
    z, v = rng.standard_normal(4), rng.standard_normal(4)

    def g(z):
        return np.sum((singular.C @ z[1:] - singular.B @ z[:1]) ** 2) / 2

    assert slope(singular.upper_value, z, v) == pytest.approx(singular.upper_grad(z) @ v, rel=1e-7)
    assert slope(g, z, v) == pytest.approx(singular.lower_grad(z) @ v, rel=1e-7)
    best = singular.solve_lower(z)
    nearest = np.linalg.lstsq(singular.C, singular.B @ z[:1], rcond=None)[0]
    np.testing.assert_allclose(best[1:], nearest, atol=1e-12)
    assert np.abs(singular.lower_grad(best)[1:]).max() < 1e-12
    assert singular.gap(z) == pytest.approx(g(z) - g(best))
    assert singular.gap(z) >= singular.growth / 2 * singular.lower_distance(z) ** 2 * (1 - 1e-12)


def test_singular_optima_agree_with_cvxpy():
    z = cvxpy.Variable(4)
    upper = cvxpy.norm(cvxpy.hstack([1.0, z[1:] - singular.c])) + cvxpy.sum_squares(z[:1] - singular.a) / 2
    constrained = cvxpy.Problem(cvxpy.Minimize(upper), [singular.residual_map @ z == 0])
    assert constrained.solve(solver="CLARABEL") == pytest.approx(singular.f_star, abs=1e-6)
    penalized = cvxpy.Problem(cvxpy.Minimize(upper + 5 * cvxpy.sum_squares(singular.residual_map @ z)))
    assert penalized.solve(solver="CLARABEL") == pytest.approx(singular.least(10.0), abs=1e-6)


@pytest.mark.parametrize(("build", "sentence"), [
    (lambda: SingularBilevel(np.eye(2), np.eye(3), np.ones(2), np.ones(3)), "B must have the 2 rows of C"),
    (lambda: QuadraticBilevel(np.diag([1.0, -1.0]), np.eye(2)), "H must be positive definite"),
    (lambda: QuadraticBilevel(np.eye(3), np.eye(2)), "H must be symmetric of shape"),
    (lambda: QuadraticBilevel(np.eye(2), np.ones((2, 3))), "F must be strongly convex"),
    (lambda: QuadraticBilevel(np.eye(2), np.eye(2), c=np.ones(3)), "c must be a vector of length 2"),
    (lambda: QuadraticBilevel(np.eye(2), np.eye(2), rho=-1.0), "rho must be nonnegative"),
])
def test_errors(build, sentence):
    with pytest.raises(ProblemError, match=sentence):
        build()
