"""Exact searches, inexact gradients, epsilon-subgradients, blocks: the oracles against scipy, the methods against each other."""

import numpy as np
import pytest
from scipy.optimize import minimize

import optlab
from optlab import certify, run, verify
from optlab.gradient.inexact import halved, mean_error
from optlab.gradient.polyak import inverse, twin
from optlab.problems import (
    BlockQuadratic,
    Convex,
    HuberNorm,
    InexactGradient,
    NesterovChain,
    PolyhedralDistance,
    Quadratic,
    SinePL,
    Smooth,
    Zigzag,
    pool,
)
from optlab.problems.base import Misdeclared
from optlab.problems.errors import AssumptionError, ProblemError
from optlab.problems.inexact import across, outward, spread, stretched
from optlab.problems.pool import spectrum
from optlab.proximal.point import guler

SEARCHABLE = pool(Convex, Smooth, needs=("minimize_on",))


def quadratic(d=6, seed=5):
    A = spectrum(list(np.geomspace(0.1, 2.0, d)), seed)
    return Quadratic((A + A.T) / 2, np.ones(d))


# --- exact searches -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("p", SEARCHABLE, ids=str)
def test_the_gradient_at_a_search_is_orthogonal_to_its_span(p):
    x, D = p.starts(4), np.random.default_rng(0).standard_normal((2, 4, *p.point_shape))
    y = p.minimize_on(x, *D, D[0] - 2 * D[1], 0 * D[0])  # dependent directions, and none
    g = p.grad(y)
    for d in D:
        assert np.all(abs(p.inner(g, d)) <= 1e-7 * p.norm(d) * (1 + p.norm(p.grad(x))))
    # the answer lies in the span, and does not depend on the batch
    basis = D[:, 2].T
    coefficients = np.linalg.lstsq(basis, y[2] - x[2])[0]
    np.testing.assert_allclose(basis @ coefficients, y[2] - x[2], atol=1e-9 * (1 + p.norm(x).max()))
    np.testing.assert_allclose(p.minimize_on(x[2], *D[:, 2]), y[2], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("p", [q for q in SEARCHABLE if q.dim <= 10], ids=str)
def test_a_search_is_the_minimum_that_scipy_finds(p):
    rng = np.random.default_rng(1)
    x, d, e = p.x0 + rng.standard_normal(p.point_shape), *rng.standard_normal((2, *p.point_shape))
    found = minimize(lambda t: float(p.value(x + t[0] * d + t[1] * e)), np.zeros(2), method="BFGS", options=dict(gtol=1e-10))
    y = p.value(p.minimize_on(x, d, e))
    assert y <= found.fun + 1e-12 * (1 + abs(found.fun))
    assert y == pytest.approx(found.fun, rel=1e-6, abs=1e-9)


def test_all_gradients_on_a_quadratic_are_conjugate_gradients():
    p = quadratic()
    spanned = run(optlab.span_search, p, steps=5, record=["iterates"])
    conjugate = run(optlab.conjugate_gradient, p, steps=5, record=["iterates"])
    for a, b in zip(spanned.iterates, conjugate.iterates, strict=True):
        np.testing.assert_allclose(a.x, b.x, rtol=1e-8, atol=1e-9)


def test_memory_one_is_steepest_descent():
    p, steps = quadratic(), 6
    t = run(optlab.span_search, p, steps=steps, memory=1)
    x = p.x0
    for _ in range(steps):
        g = p.grad(x)
        x = x - p.sq(g) / (g @ p.A @ g) * g
    np.testing.assert_allclose(t.x, x, rtol=1e-10)
    remembered = run(optlab.span_search, p, steps=3, memory=2, record=["iterates"]).iterates
    assert [len(it.gradients) for it in remembered] == [0, 1, 2, 2]


def test_a_search_on_the_huber_norm_ends_at_the_nearest_point():
    p = HuberNorm(0.1, dim=3)
    x, d = np.array([1.0, 2.0, -1.0]), np.array([1.0, 0.0, 0.0])
    np.testing.assert_allclose(p.minimize_on(x, d), [0.0, 2.0, -1.0], atol=1e-15)


def test_without_a_search_the_method_is_refused_in_one_sentence():
    with pytest.raises(AssumptionError, match=r"span_search needs minimize_on, which .* does not have"):
        run(optlab.span_search, SinePL([1.0]))


# --- gradients with an error -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("adversary", [stretched, spread, outward, across])
def test_errors_have_exactly_the_size_they_promise(adversary):
    p = quadratic()
    x = p.starts(5)
    relative, absolute = InexactGradient(p, adversary, epsilon=0.3), InexactGradient(p, adversary, delta=0.3)
    np.testing.assert_allclose(p.norm(relative.inexact_grad(x) - p.grad(x)), 0.3 * p.norm(p.grad(x)), rtol=1e-12)
    np.testing.assert_allclose(p.norm(absolute.inexact_grad(x) - p.grad(x)), 0.3, rtol=1e-12)
    assert np.all(np.isfinite(relative.inexact_grad(p.x_star)))
    assert np.all(np.isfinite(absolute.inexact_grad(p.x_star)))
    if adversary is across:
        error = relative.inexact_grad(x) - p.grad(x)
        assert np.all(abs(p.inner(error, p.grad(x))) <= 1e-10 * p.sq(p.grad(x)))


def test_without_error_the_inexact_methods_are_the_exact_ones():
    p = quadratic()
    exact = InexactGradient(p, epsilon=0.0)
    np.testing.assert_array_equal(run(optlab.inexact_gradient_descent, exact, steps=9, step=0.3).x,
                                  run(optlab.gradient_descent, p, steps=9, step=0.3).x)
    np.testing.assert_allclose(run(optlab.inexact_line_search, exact, steps=9).x,
                               run(optlab.span_search, p, steps=9, memory=1).x, rtol=1e-9)
    from optlab.gradient.accelerated import by_half

    np.testing.assert_allclose(run(optlab.inexact_accelerated_gradient, exact, steps=9, step=0.4).x,
                               run(optlab.nesterov, p, steps=9, step=0.4, grow=by_half).x, rtol=1e-10)


def test_recipes_complete_the_parameters_of_every_method():
    p = InexactGradient(quadratic(), outward, epsilon=0.1)
    line = PolyhedralDistance([[1.0]], [0.0])
    for m, problem in ((optlab.inexact_gradient_descent, p), (optlab.inexact_line_search, p), (optlab.polyak_gradient, p),
                       (optlab.span_search, p), (optlab.epsilon_subgradient_method, line), (optlab.proximal_point, quadratic()),
                       (optlab.accelerated_proximal_point, quadratic()), (optlab.cyclic_block_descent, blocks())):
        t = run(m, problem, steps=50)
        assert t["f(x) - f*"].min() < t["f(x) - f*"][0], m.name


def test_a_larger_error_than_declared_is_seen():
    p = InexactGradient(quadratic(), outward, epsilon=0.5)
    assert certify(p)
    assert [c.name for c in certify(Misdeclared(p, epsilon=0.1)).failed] == ["epsilon"]
    assert [c.name for c in certify(Misdeclared(SinePL([1.0, 0.5]), eb=7.9, rsi=0.4)).failed] == ["rsi", "eb"]
    line = PolyhedralDistance([[1.0]], [0.0])
    assert [c.name for c in certify(Misdeclared(line, M=0.9)).failed] == ["M"]
    assert [c.name for c in certify(Misdeclared(blocks(), block_L=(0.1, 9.0))).failed] == ["block_L[0]"]


# --- epsilon-subgradients, blocks, curvatures ---------------------------------------------------------------------------
def blocks():
    A = spectrum([0.2, 0.5, 1.0, 1.5, 3.0], 3)
    return BlockQuadratic((A + A.T) / 2, np.ones(5), 2)


def test_epsilon_subgradients_are_the_most_misleading_rows():
    p = PolyhedralDistance([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [0.0, 0.0, 0.5])
    assert certify(p)
    x = np.array([1.0, 0.3])
    np.testing.assert_array_equal(p.epsilon_grad(x, 0.0), p.grad(x))
    np.testing.assert_array_equal(p.epsilon_grad(x, 0.75), [0.0, 1.0])  # 0.7 below f, and leads least towards 0
    np.testing.assert_array_equal(p.epsilon_grad(x, 1.35), [0.0, -1.0])
    batch = np.stack([x, -x])
    np.testing.assert_array_equal(p.epsilon_grad(batch, 0.75), [[0.0, 1.0], [0.0, -1.0]])


def test_the_mean_of_a_schedule_of_errors():
    k = np.array([1, 2, 4])
    np.testing.assert_allclose(mean_error(halved, k), [0.2, 0.15, (0.2 + 0.1 + 0.05 + 0.025) / 4])
    assert mean_error(0.3, k) == 0.3


def test_blocks_add_up_and_a_pass_is_a_block_gauss_seidel_step():
    p = blocks()
    v = np.random.default_rng(0).standard_normal((3, 5))
    np.testing.assert_array_equal(p.block(v, 0, 2) + p.block(v, 1, 2), v)
    for i, L in enumerate(p.block_L):
        rows = np.flatnonzero(p.block(np.ones(5), i, 2))
        assert np.linalg.eigvalsh(p.A[np.ix_(rows, rows)])[-1] == pytest.approx(L)
    x = run(optlab.cyclic_block_descent, p, v[0], steps=1, step=(0.1, 0.2)).x
    np.testing.assert_allclose(x, v[0] - 0.1 * p.block(p.grad(v[0]), 0, 2))


def test_every_step_of_the_zigzag_is_the_same():
    for power, rule in ((0.5, inverse), (1.0, None)):
        p = Zigzag(0.2, 3.0, power)
        iterates = run(optlab.polyak_gradient, p, steps=6, rule=rule or twin(3.0), record=["iterates"]).iterates
        shrunk = (3.0 - 0.2) / (3.0 + 0.2)
        for k, x in enumerate(iterates):
            np.testing.assert_allclose(x, p.x0 * shrunk**k * np.array([1.0, (-1.0) ** k]), rtol=1e-10)
        assert p.effective.curvature == pytest.approx({0.5: 1.6, 1.0: 2 * 0.2 * 3 / 3.2}[power])
    np.testing.assert_allclose(run(optlab.span_search, p, steps=6, memory=1).x, iterates[-1], rtol=1e-9)


def test_polyak_stays_at_the_solution():
    for p in (quadratic(), NesterovChain(5, kappa=10.0)):
        t = run(optlab.polyak_gradient, p, p.x_star, steps=20, rule=inverse)
        np.testing.assert_array_equal(t.x, p.x_star)
        far = run(optlab.polyak_gradient, p, steps=2000, rule=inverse)
        assert far["f(x) - f*"][-1] <= 1e-10 * far["f(x) - f*"][0]
        assert np.all(np.diff(far["||x - x*||^2"]) <= 1e-20)


def test_gulers_bound_for_constant_steps():
    k = np.array([1, 5])
    np.testing.assert_allclose(guler(k, 0.25, 2.0, 3.0), 4 * 3.0 / (2.0 * 0.25 * k**2))
    np.testing.assert_allclose(guler(k, lambda s: 0.25, 2.0, 3.0), 4 * 3.0 / (2.0 * 0.25 * k**2))


@pytest.mark.parametrize(("build", "says"), [
    (lambda: InexactGradient(quadratic()), "one of epsilon and delta is wanted, got epsilon = None and delta = None"),
    (lambda: InexactGradient(quadratic(), epsilon=1.0), "epsilon must be below 1, got 1"),
    (lambda: InexactGradient(quadratic(), delta=-1.0), "delta must be nonnegative and finite, got -1"),
    (lambda: PolyhedralDistance([[1.0, 0.0]], [0.0]), "zero on rows of A that span the space"),
    (lambda: PolyhedralDistance([[1.0]], [-1.0]), "b must be nonnegative"),
    (lambda: BlockQuadratic(np.eye(2), np.ones(2), 3), "blocks must be at most the 2 variables, got 3"),
    (lambda: Zigzag(1.0, 0.5), "mu must be below L = 0.5, got 1"),
])
def test_errors_are_one_sentence(build, says):
    with pytest.raises(ProblemError, match=says) as error:
        build()
    assert "\n" not in str(error.value)


def test_a_users_own_problem():
    p = InexactGradient(quadratic(), across, epsilon=0.2)
    assert {v.verdict for v in verify(optlab.inexact_gradient_descent, p)} == {"holds"}
    assert {v.verdict for v in verify(optlab.cyclic_block_descent, blocks())} == {"holds"}
