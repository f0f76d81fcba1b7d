"""Composite problems: solutions, oracles, certificates; proximal methods: identities, restarts, purity."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize

from optlab import fista, gradient_descent, proximal_gradient, run, verify
from optlab.measures import point
from optlab.problems import (
    L1,
    AssumptionError,
    Ball,
    Box,
    Composite,
    Convex,
    ElasticNet,
    ElasticNetRegression,
    GroupL2,
    HuberRegression,
    L1Ball,
    Lasso,
    LeastSquares,
    ProblemError,
    Quadratic,
    Simplex,
    Smooth,
    SmoothPart,
    StronglyConvex,
    StronglyConvexPart,
    load_data,
    pool,
)

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((15, 6)), RNG.standard_normal(15)
REGULARIZERS = [L1(0.3), ElasticNet(0.3, 0.5), GroupL2(0.4, 3), GroupL2(5.0, 2),
                Box(-np.ones(6) / 3, np.ones(6) / 2), Simplex(6), Simplex(6, 2.5), Ball(6, 0.7),
                L1Ball(6, 0.8), L1Ball(6, 80.0)]


def composites():
    return pool(Convex, SmoothPart, needs=("prox",))


@pytest.mark.parametrize("problem", composites(), ids=str)
def test_solutions_are_fixed_points_to_machine_precision(problem):
    for t in (0.3 / problem.L, 1 / problem.L):
        x = problem.x_star
        residual = np.linalg.norm(x - problem.prox(x - t * problem.grad(x), t))
        assert residual <= 1e-14 * max(1.0, np.linalg.norm(x))
    assert problem.x_star_error <= 1e-11
    far = run(fista, problem, steps=3000)
    assert far["f(x) - f*"][-1] >= -1e-14
    assert far["f(x) - f*"][-1] <= 1e-9


@pytest.mark.parametrize("problem", composites(), ids=str)
def test_smooth_part_has_the_declared_gradient_and_constant(problem):
    x = problem.starts(3)[2]
    numeric = approx_fprime(x, problem.smooth.value, 1e-7)
    np.testing.assert_allclose(problem.grad(x), numeric, atol=1e-5 * problem.L)
    H = problem.hess(x)
    assert np.linalg.eigvalsh(H)[-1] <= problem.L * (1 + 1e-12)


@pytest.mark.parametrize("h", REGULARIZERS, ids=str)
def test_prox_minimizes_and_its_jacobian_is_its_derivative(h):
    v, step = 1.5 * RNG.standard_normal(6), 0.7
    p = h.prox(v, step)
    objective = step * h.value(p) + np.sum((p - v) ** 2) / 2
    for _ in range(50):
        q = h.prox(p + 0.1 * RNG.standard_normal(6), 1e-9)  # any point of the domain
        assert objective <= step * h.value(q) + np.sum((q - v) ** 2) / 2 + 1e-12
    columns = [(h.prox(v + 1e-6 * e, step) - h.prox(v - 1e-6 * e, step)) / 2e-6 for e in np.eye(6)]
    np.testing.assert_allclose(h.prox_jacobian(v, step), np.stack(columns, axis=1), atol=1e-8)


@pytest.mark.parametrize("h", REGULARIZERS, ids=str)
@pytest.mark.parametrize("smooth", [LeastSquares(X, Y), HuberRegression(X, Y, l2=0.1, delta=0.5)], ids=str)
def test_solver_on_every_regularizer(h, smooth):
    problem = Composite(smooth, h)
    t = 1 / problem.L
    x = problem.x_star
    assert np.linalg.norm(x - problem.prox(x - t * problem.grad(x), t)) <= 1e-14
    assert np.isfinite(problem.f_star)
    points = h.prox(x + 0.1 * RNG.standard_normal((100, 6)), 1e-9)
    assert (problem.value(points) >= problem.f_star - 1e-14).all()


def test_lasso_and_elastic_net_are_those_of_scikit_learn():
    from sklearn.linear_model import ElasticNet as SkElasticNet
    from sklearn.linear_model import Lasso as SkLasso

    lasso = SkLasso(alpha=0.1, fit_intercept=False, tol=1e-14, max_iter=100_000).fit(X, Y)
    np.testing.assert_allclose(Lasso(X, Y, 0.1).x_star, lasso.coef_, atol=1e-9)
    net = SkElasticNet(alpha=0.4, l1_ratio=0.25, fit_intercept=False, tol=1e-14, max_iter=100_000).fit(X, Y)
    np.testing.assert_allclose(ElasticNetRegression(X, Y, 0.1, 0.3).x_star, net.coef_, atol=1e-9)
    np.testing.assert_allclose(Composite(LeastSquares(X, Y), ElasticNet(0.1, 0.3)).x_star, net.coef_, atol=1e-9)


def test_from_data_standardizes():
    problem, data = Lasso.from_data("diabetes", 0.1), load_data("diabetes").standardized()
    np.testing.assert_allclose(problem.X, data.X)
    assert abs(problem.y.mean()) < 1e-12
    assert abs(problem.y.std() - 1) < 1e-12
    assert str(ElasticNetRegression.from_data("diabetes", 0.1, 0.2)) == "ElasticNetRegression(diabetes)"


@pytest.mark.parametrize("problem", [Lasso(X, Y, 0.1), Lasso(X, Y, 100.0), ElasticNetRegression(X, Y, 0.1, 0.3)])
def test_duality_gap_certifies(problem):
    x = RNG.standard_normal((200, 6)) * np.geomspace(1e-3, 10, 200)[:, None]
    assert (problem.duality_gap(x) >= problem.value(x) - problem.f_star - 1e-13).all()
    assert abs(problem.duality_gap(problem.x_star)) <= 1e-14
    near = problem.x_star + 1e-6 * RNG.standard_normal((20, 6))
    assert (problem.duality_gap(near) <= 1e-2).all()


def test_dual_value_is_the_best_multiple_of_the_residual():
    problem = Lasso(X, Y, 0.1)
    x = RNG.standard_normal(6)
    u = (X @ x - Y) / 15
    limit = 0.1 / np.abs(X.T @ u).max()
    dual = minimize(lambda s: 7.5 * s[0] ** 2 * u @ u + s[0] * u @ Y, [0.0], bounds=[(-limit, limit)], tol=1e-14)
    assert problem.value(x) - problem.duality_gap(x) == pytest.approx(-dual.fun, rel=1e-7)


def test_composite_promises_nothing_about_gradients_of_the_sum():
    problem = ElasticNetRegression(X, Y, 0.1, 0.3)
    assert all(problem.meets(a) for a in (SmoothPart, StronglyConvexPart, Convex))
    assert not any(problem.meets(a) for a in (Smooth, StronglyConvex))
    assert [v.verdict for v in verify(gradient_descent, problem)] == ["refused"] * len(gradient_descent.guarantees)


def test_a_whole_prox_is_not_the_prox_of_a_part():
    problem = Quadratic(np.eye(2), np.ones(2))
    with pytest.raises(ProblemError, match="proximal_gradient needs step"):
        run(proximal_gradient, problem)


def test_passed_on_oracles_and_noise_at_the_solution():
    problem = Lasso(X, Y, 0.1)
    i = np.arange(15)
    terms = problem.component_grad(problem.x_star[None], i)
    assert problem.sigma_star**2 == pytest.approx(np.mean(np.sum((terms - terms.mean(0)) ** 2, axis=1)))
    np.testing.assert_allclose(terms.mean(0), problem.grad(problem.x_star), atol=1e-14)
    with pytest.raises(AttributeError, match="no attribute 'project'"):
        problem.project(problem.x_star)


def test_without_regularization_fista_starts_as_proximal_gradient_and_both_as_gradient_descent():
    smooth = LeastSquares(X, Y)
    free = Composite(smooth, Box(np.full(6, -np.inf), np.full(6, np.inf)))
    x0 = RNG.standard_normal(6)
    plain = list(islice(gradient_descent(smooth, x0, step=0.3), 8))
    proximal = list(islice(proximal_gradient(free, x0, step=0.3), 8))
    np.testing.assert_array_equal(plain, proximal)
    first = list(islice(fista(free, x0, step=0.3), 2))
    np.testing.assert_array_equal(first[1].x, proximal[1])


@pytest.mark.parametrize("method", [proximal_gradient, fista], ids=lambda m: m.name)
def test_batch_restart_and_purity(method):
    problem = Lasso(X, Y, 0.1)
    x0 = RNG.standard_normal((5, 6))
    kept = x0.copy()
    batch = list(islice(method(problem, x0, step=0.2), 6))
    np.testing.assert_array_equal(x0, kept)
    for row in range(5):
        for one, many in zip(method(problem, x0[row], step=0.2), batch, strict=False):
            np.testing.assert_allclose(point(one), point(many)[row], atol=1e-14)
    state = batch[3] if isinstance(batch[3], tuple) else (batch[3],)
    again = list(islice(method(problem, *state, step=0.2), 3))
    np.testing.assert_array_equal(point(again[2]), point(batch[5]))


def test_runs_with_the_prescribed_step():
    trace = run(proximal_gradient, Lasso(X, Y, 0.1), steps=50)
    assert trace.params["step"] == pytest.approx(1 / Lasso(X, Y, 0.1).L)
    assert trace["f(x) - f*"][-1] < trace["f(x) - f*"][0]
    assert trace.calls["prox"][-1] == 50


@pytest.mark.parametrize(("build", "sentence"), [
    (lambda: L1(-1), "lam must be positive"),
    (lambda: ElasticNet(1.0, 0), "l2 must be positive"),
    (lambda: GroupL2(1.0, 0), "size must be a positive number of coordinates, got 0"),
    (lambda: Composite(LeastSquares(X, Y), GroupL2(1.0, 4)), "size must divide the dimension 6, got 4"),
    (lambda: Lasso(X, Y[:3], 0.1), "y must be a vector of length 15"),
])
def test_errors_are_sentences(build, sentence):
    with pytest.raises(ProblemError, match=sentence):
        build()


def test_composite_of_a_nonsmooth_function_is_refused():
    with pytest.raises(AssumptionError, match="Composite assumes Smooth"):
        Composite(Lasso(X, Y, 0.1), L1(1.0))
