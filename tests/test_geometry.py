"""Problems in the geometry of a kernel, three operators, differences of convex functions, and proxes with an error."""

import numpy as np
import pytest
from scipy.optimize import minimize

import optlab
from optlab.problems import (
    Composite,
    Displaced,
    HuberNorm,
    LogCoshDifference,
    PoissonRegression,
    Portfolio,
    Quadratic,
    Quartic,
    Simplex,
)
from optlab.problems.bregman import (
    Euclidean,
    convex_quartic,
    poisson_counts,
    rank_one_approximation,
    steep_quartic,
    tilted_quartic,
)
from optlab.problems.composite import diabetes_elastic_net, sparse_lasso
from optlab.problems.difference import log_cosh_difference
from optlab.problems.errors import ProblemError
from optlab.problems.operators import diabetes_split_lasso
from optlab.problems.prox import project_simplex
from optlab.problems.sets import simplex_quadratic
from optlab.problems.triples import portfolio
from optlab.proximal.composite import by_halves, counted, fast

QUARTICS = (convex_quartic, steep_quartic, rank_one_approximation, tilted_quartic)


def kernel(problem):
    """h and its gradient."""
    if isinstance(problem, Quartic):
        return (lambda x: problem.sq(x) ** 2 / 4 + problem.sq(x) / 2), (lambda x: problem.column(problem.sq(x) + 1) * x)
    return (lambda x: -np.sum(np.log(x), axis=-1)), (lambda x: -1 / x)


@pytest.mark.parametrize("entry", [*QUARTICS, poisson_counts], ids=lambda e: e.__wrapped__.__name__)
def test_mirror_steps_and_divergences(entry):
    p, rng = entry(), np.random.default_rng(0)
    h, slope = kernel(p)
    x, y = rng.uniform(0.2, 2.0, (2, 7, *p.point_shape))
    np.testing.assert_allclose(p.divergence(x, y), h(x) - h(y) - p.inner(slope(y), x - y), rtol=1e-9, atol=1e-12)
    g = 0.1 * rng.standard_normal(x.shape)
    s = p.mirror(x, g)
    np.testing.assert_allclose(slope(s), slope(x) - g, rtol=1e-12, atol=1e-12)
    near = x * (1 + 1e-9 * rng.standard_normal(x.shape))  # second order, where a difference of values would be rounding
    assert np.all(p.divergence(near, x) > 0)


@pytest.mark.parametrize("entry", QUARTICS, ids=lambda e: e.__wrapped__.__name__)
def test_quartics_know_their_global_minimum(entry):
    p = entry()
    assert p.norm(p.grad(p.x_star)) < 1e-12
    starts = np.random.default_rng(1).standard_normal((12, *p.point_shape)) * 2
    found = min(minimize(p.value, x, jac=p.grad, tol=1e-12).fun for x in starts)
    assert found == pytest.approx(p.f_star, abs=1e-9)
    assert np.all(np.linalg.eigvalsh(p.hess(p.x_star)) > -1e-12)


def test_bregman_prox_is_a_minimizer():
    p, x = convex_quartic(), np.random.default_rng(2).standard_normal((3, 5))
    for step in (0.1, 1.0, 30.0):
        s = p.bregman_prox(x, step)
        residual = step * p.grad(s) + kernel(p)[1](s) - kernel(p)[1](x)
        np.testing.assert_allclose(residual, 0, atol=1e-12 * (1 + step))
        np.testing.assert_allclose(s[1], p.bregman_prox(x[1], step), rtol=1e-12)


def test_the_relative_smoothness_of_counts_is_approached_at_a_vertex():
    """f'' / h'' along x_j, at the vertex of a positive column."""
    p = poisson_counts()
    column = int(np.argmax((p.A > 0).all(axis=0)))
    shares = []
    for small in (1e-2, 1e-4, 1e-8):
        x = np.full(p.dim, small)
        x[column] = 1.0 / small
        e = np.eye(p.dim)[column]
        shares.append(float(e @ p.hess(x) @ e * x[column] ** 2) / p.L_h)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0, rel=1e-6)
    assert np.isinf(p.value(-p.x_star))
    assert np.isinf(p.mirror(p.x_star, -2 / p.x_star)).all()  # no minimum: the slope of h does not reach so far


def test_the_entropy_on_the_simplex():
    simplex, rng = Simplex(4, 2.0), np.random.default_rng(3)
    x, y = 2 * rng.dirichlet(np.ones(4), (2, 500))
    divergence = simplex.divergence(x, y)
    np.testing.assert_allclose(divergence, np.sum(x * np.log(x / y), axis=-1), rtol=1e-12)
    assert np.all(divergence >= simplex.mu_h / 2 * np.sum((x - y) ** 2, axis=-1))
    middle, end = np.array([1.0, 1.0, 0.0, 0.0]), np.array([1.001, 0.999, 0.0, 0.0])
    with np.errstate(invalid="ignore", divide="ignore"):
        met = simplex.divergence(end, middle) / np.sum((end - middle) ** 2)
    assert 2 * met == pytest.approx(simplex.mu_h, rel=1e-5)
    assert simplex_quadratic().mu_h == 2.0


def test_mirror_descent_with_the_euclidean_kernel_is_projected_gradient_descent():
    p = simplex_quadratic()
    a = optlab.run(optlab.mirror_descent, Euclidean(p), steps=20, step=1 / p.L).x
    b = optlab.run(optlab.projected_gradient, p, steps=20, step=1 / p.L).x
    np.testing.assert_array_equal(a, b)


def test_best_moves_look_one_iterate_ahead():
    """At index k the least over the k moves x_s to x_{s+1}, s < k."""
    from optlab.fold import best_move

    moves = list(best_move(iter([5.0, 4.0, 2.0, 1.0])))
    assert [(m.y, m.x) for m in moves] == [(4.0, 5.0), (2.0, 4.0), (1.0, 2.0)]
    p = convex_quartic()
    g = next(g for g in optlab.mirror_descent.guarantees if "Prop 4.1" in str(g.source))
    x, seen = p.x0, []
    for _ in range(6):
        following = p.mirror(x, 0.5 / p.L_h * p.grad(x))
        seen.append(p.divergence(following, x))
        x = following
    v = next(v for v in optlab.verify(optlab.mirror_descent, p, x0=p.x0, worst_case=False) if v.id == g.id)
    np.testing.assert_allclose(v.curve["measured"][1:7], np.minimum.accumulate(seen), rtol=1e-12)


def test_the_counter_of_fista():
    np.testing.assert_allclose(counted(np.arange(6), by_halves), np.arange(2, 8) / 2)
    t = counted(np.arange(6.0), fast)
    np.testing.assert_allclose(t[1:] ** 2 - t[1:], t[:-1] ** 2)
    assert counted(0, fast) == 1.0


@pytest.mark.parametrize("inward", [False, True])
@pytest.mark.parametrize(("inner", "of"), [(sparse_lasso, "prox"), (diabetes_elastic_net, "prox"),
                                           (diabetes_split_lasso, "prox_f")])
def test_displaced_proxes_use_what_they_are_allowed(inner, of, inward):
    p = Displaced(inner(), of, inward=inward)
    v, step = np.random.default_rng(4).standard_normal((3, *p.point_shape)), 0.7

    def allowed(x, s):
        return 0.25 * p.sq(x - v) + 1e-3

    x, s = p.inexact_prox(v, step, allowed)
    error = p.sq(x - v + step * s)
    assert np.all(error <= allowed(x, s) * (1 + 1e-9))
    np.testing.assert_allclose(error, allowed(x, s), rtol=1e-6)
    np.testing.assert_allclose(getattr(inner(), of)(x + step * s, step), x, rtol=1e-12, atol=1e-12)  # s is a subgradient at x
    one, _ = p.inexact_prox(v[1], step, lambda x, s: 0.25 * p.sq(x - v[1]) + 1e-3)
    np.testing.assert_allclose(one, x[1], rtol=1e-9)


def test_displaced_without_allowance_is_exact():
    p = HuberNorm(0.1, R=3.0)
    x, _ = Displaced(p).inexact_prox(p.x0, 2.0, lambda x, s: 0 * p.sq(x))
    np.testing.assert_allclose(x, p.prox(p.x0, 2.0), rtol=1e-12)


def test_inexact_methods_without_error_are_the_exact_ones():
    p = Displaced(sparse_lasso())
    a = optlab.run(optlab.accelerated_inexact_forward_backward, p, steps=30, step=1 / p.L, error=0.0)
    A = 0.0
    for _ in range(30):
        A = A + (1 + np.sqrt(1 + 4 * A * p.L)) / (2 * p.L)
    assert pytest.approx(A, rel=1e-12) == a.final.A
    assert p.value(a.x) - p.f_star <= p.sq(p.x0 - p.x_star) / (2 * A)
    q = Displaced(diabetes_split_lasso(), "prox_f")
    z0 = q.x0
    b = optlab.run(optlab.partially_inexact_douglas_rachford, q, z0, steps=20, step=1.0, error=0.0)
    c = optlab.run(optlab.douglas_rachford, diabetes_split_lasso(), z0, steps=20, step=1.0)
    np.testing.assert_allclose(b.final.z, c.final.z, rtol=1e-10, atol=1e-12)


def test_portfolio_is_optimal():
    p = portfolio()
    assert p.x_star.min() >= 0
    assert p.x_star.sum() == pytest.approx(1.0, abs=1e-12)
    assert p.m @ p.x_star == pytest.approx(p.target, abs=1e-12)
    np.testing.assert_allclose(project_simplex(p.x_star - p.slope - p.grad(p.x_star)), p.x_star, atol=1e-12)
    np.testing.assert_allclose(p.prox_g(p.x_star + 0.3 * p.slope, 0.3), p.x_star, atol=1e-12)
    trace = optlab.run(optlab.three_operator_splitting, p, steps=1500, step=0.1 / p.Lq)
    np.testing.assert_allclose(trace.final.y, p.x_star, atol=1e-10)


def test_three_operators_reduce_to_two():
    """Without q it is Douglas-Rachford with the proxes in the other order; without f and g it is gradient descent."""
    p = portfolio()

    class NoGradient(Portfolio):
        def __init__(self):
            self.__dict__.update(p.__dict__)

        def grad(self, x):
            return 0 * x

        def swapped(self):
            self.prox_f, self.prox_g = p.prox_g, p.prox_f
            return self

    z0 = np.linspace(-1, 1, p.dim)
    a = optlab.run(optlab.three_operator_splitting, NoGradient(), z0, 10, step=0.5, relaxation=1.3)
    b = optlab.run(optlab.douglas_rachford, NoGradient().swapped(), z0, 10, step=0.5, relaxation=1.3)
    np.testing.assert_array_equal(a.final.z, b.final.z)


def test_differences_of_convex_functions():
    p, rng = log_cosh_difference(), np.random.default_rng(5)
    g = rng.standard_normal((4, p.dim))
    np.testing.assert_allclose(p.grad1(p.grad1_inverse(g)), g, rtol=1e-12)
    starts = rng.standard_normal((30, p.dim)) * 4
    assert min(minimize(p.value, x, jac=p.grad, tol=1e-12).fun for x in starts) == pytest.approx(p.f_star, abs=1e-9)
    d = rng.standard_normal((40, p.dim))
    x = 5 * rng.standard_normal((40, p.dim))
    for oracle, low, high in ((p.grad1, p.mu_1, p.L_1), (p.grad2, p.mu_2, p.L_2)):
        bend = p.inner(oracle(x + 1e-5 * d) - oracle(x - 1e-5 * d), d) / (2e-5 * p.sq(d))
        assert np.all(bend >= low * (1 - 1e-6))
        assert np.all(bend <= high * (1 + 1e-6))
    direction = p.Q[int(np.argmax(p.b))]
    assert direction @ p.grad2(1e-6 * direction) / 1e-6 == pytest.approx(p.L_2, rel=1e-6)
    x = optlab.run(optlab.dca, p, steps=400).x
    assert p.norm(p.grad(x)) < 1e-10


@pytest.mark.parametrize(("build", "why"), [
    (lambda: Quartic(np.array([[1.0, 2.0], [0.0, 1.0]]), np.zeros(2)), "B must be a symmetric matrix"),
    (lambda: Quartic(np.diag([-1.0, 1.0]), np.array([0.0, 1.0]), 0.1), "hard case"),
    (lambda: PoissonRegression(np.array([[1.0, -1.0]]), np.array([1.0])), "nonnegative"),
    (lambda: PoissonRegression(np.array([[1.0, 1.0], [1.0, 0.0]]), np.array([1.0, 5.0])), "minimum inside"),
    (lambda: Portfolio(np.eye(2), np.array([1.0, 2.0]), 3.0), "target must be below"),
    (lambda: Portfolio(-np.eye(2), np.array([1.0, 2.0]), 1.0), "positive definite"),
    (lambda: LogCoshDifference([1.0], [1.0], 2.0), "above c"),
    (lambda: LogCoshDifference([1.0, 2.0], [1.0, 1.0], 0.5, Q=np.ones((2, 2))), "orthogonal"),
    (lambda: Displaced(sparse_lasso(), excess=-1.0), "excess must be positive"),
])
def test_bad_input_is_met_with_a_sentence(build, why):
    with pytest.raises(ProblemError, match=why):
        build()


def test_quadratic_parts_are_declared():
    from optlab.problems.assumptions import QuadraticPart

    assert sparse_lasso().meets(QuadraticPart)
    assert isinstance(simplex_quadratic(), Composite)
    assert simplex_quadratic().meets(QuadraticPart)
    assert not any(isinstance(a, QuadraticPart) for a in Quadratic(np.eye(2), np.zeros(2)).assumptions)
