"""Sets, problems on sets and their constants; projected, conditional-gradient, subgradient and mirror methods."""

from __future__ import annotations

from itertools import islice, product

import numpy as np
import pytest

from optlab import (
    dual_averaging,
    frank_wolfe,
    mirror_descent,
    projected_gradient,
    projected_subgradient,
    proximal_gradient,
    run,
    stochastic_subgradient,
)
from optlab.measures import point
from optlab.problems import (
    Ball,
    Box,
    Compact,
    Constrained,
    Convex,
    L1Ball,
    MaxLinear,
    ProblemError,
    Quadratic,
    Resisting,
    Simplex,
    SmoothPart,
    Space,
    max_linear,
    pool,
    sets,
)
from optlab.rng import Stream
from optlab.steps import open_loop

RNG = np.random.default_rng(1)
SETS = [Simplex(5), Simplex(5, 3.0), Box(-np.arange(1.0, 6.0), np.arange(5.0)), Ball(5, 2.0), L1Ball(5, 1.5)]
NONSMOOTH = [max_linear.absolute_value, max_linear.uniform_norm_on_box, max_linear.mean_absolute,
             max_linear.mean_absolute_on_l1_ball, max_linear.max_affine_on_simplex, max_linear.one_good_arm,
             max_linear.hinge_on_ball, max_linear.max_affine_strongly_convex]


@pytest.mark.parametrize("domain", SETS, ids=str)
def test_geometry_of_sets(domain):
    g = RNG.standard_normal((2000, 5))
    extreme = domain.lmo(g)
    assert (domain.value(extreme) == 0).all()
    assert domain.value(domain.center) == 0
    assert np.isinf(domain.value(domain.center + 100.0))
    pairs = np.linalg.norm(extreme[:, None] - domain.lmo(-g), axis=-1).max()
    assert 0.95 * domain.diameter <= pairs <= domain.diameter * (1 + 1e-12)
    assert 0.95 * domain.reach <= np.linalg.norm(extreme, axis=1).max() <= domain.reach * (1 + 1e-12)
    inside = domain.project(3 * RNG.standard_normal((2000, 5)))
    spread = np.abs(inside[:, None] - inside[:200]).sum(-1).max()
    assert spread <= domain.diameter_l1 * (1 + 1e-12)
    assert ((inside * g).sum(-1) >= (extreme * g).sum(-1) - 1e-12).all()
    M = RNG.standard_normal((5, 3))
    images = np.linalg.norm(domain.lmo(RNG.standard_normal((20000, 5))) @ M, axis=1)
    assert 0.97 * domain.image_norm(M) <= images.max() <= domain.image_norm(M) * (1 + 1e-12)


def test_image_of_a_large_box_is_bounded_by_the_triangle_inequality():
    M = RNG.standard_normal((13, 4))
    box = Box(np.zeros(13), np.ones(13))
    exact = max(np.linalg.norm(np.array(v) @ M) for v in product((0.0, 1.0), repeat=13))
    assert box.image_norm(M) == pytest.approx(np.linalg.norm(M, axis=1).sum())
    assert exact <= box.image_norm(M)


@pytest.mark.parametrize("problem", pool(Convex, SmoothPart, needs=("lmo",)), ids=str)
def test_solutions_on_sets_are_certified_by_the_gap(problem):
    x = problem.x_star
    assert problem.domain.value(x) == 0
    assert -1e-14 <= problem.fw_gap(x) <= 1e-13
    points = problem.project(RNG.standard_normal((100, problem.dim)))
    assert (problem.fw_gap(points) >= problem.value(points) - problem.f_star - 1e-13).all()
    assert problem.domain.value(problem.x0) == 0
    assert np.linalg.norm(problem.x0 - x) > 1e-3


def test_solution_agrees_with_cvxpy():
    import cvxpy

    A, b = RNG.standard_normal((6, 6)), RNG.standard_normal(6)
    A = A @ A.T
    x = cvxpy.Variable(6)
    objective = cvxpy.Minimize(cvxpy.quad_form(x, cvxpy.psd_wrap(A)) / 2 - b @ x)
    for domain, feasible in [(Simplex(6), [x >= 0, cvxpy.sum(x) == 1]), (Ball(6, 0.1), [cvxpy.norm(x) <= 0.1]),
                             (L1Ball(6, 0.3), [cvxpy.norm1(x) <= 0.3])]:
        value = cvxpy.Problem(objective, feasible).solve("CLARABEL")
        problem = Constrained(Quadratic(A, b), domain)
        assert problem.f_star == pytest.approx(value, abs=1e-7)
        np.testing.assert_allclose(problem.x_star, x.value, atol=1e-4)


def test_constants_of_the_l1_norm():
    A = np.array([[2.0, 1.0], [1.0, 3.0]])
    problem = Constrained(Quadratic(A), Simplex(2))
    assert problem.L_l1 == 3.0
    assert problem.D_l1 == 2.0


# --- nonsmooth ------------------------------------------------------------------------------------------------
def _cvxpy_value(problem):
    import cvxpy

    x, u = cvxpy.Variable(problem.dim), problem.over
    r = problem.M @ x + problem.c
    if isinstance(u, Box):
        term = cvxpy.sum(cvxpy.maximum(cvxpy.multiply(u.lo, r), cvxpy.multiply(u.hi, r)))
    else:
        term = u.radius * (cvxpy.max(r) if isinstance(u, Simplex) else cvxpy.norm_inf(r))
    X = problem.domain
    feasible = {Simplex: lambda: [x >= 0, cvxpy.sum(x) == X.radius], Box: lambda: [x >= X.lo, x <= X.hi], Space: list,
                Ball: lambda: [cvxpy.norm(x) <= X.radius], L1Ball: lambda: [cvxpy.norm1(x) <= X.radius]}[type(X)]()
    return cvxpy.Problem(cvxpy.Minimize(term + problem.strong / 2 * cvxpy.sum_squares(x)), feasible).solve("CLARABEL")


@pytest.mark.parametrize("build", NONSMOOTH, ids=lambda b: b.__name__)
def test_nonsmooth_problems_are_solved_and_their_constants_hold(build):
    problem = build()
    assert problem.f_star == pytest.approx(_cvxpy_value(problem), abs=2e-7)
    assert problem.domain.value(problem.x_star) == 0
    x = problem.project(2 * RNG.standard_normal((4000, problem.dim)))
    y = problem.project(2 * RNG.standard_normal((4000, problem.dim)))
    f, g = problem.value(x), problem.grad(x)
    assert (f >= problem.f_star - 1e-13).all()
    below = f + problem.inner(g, y - x) + problem.strong / 2 * problem.sq(y - x)
    assert (problem.value(y) >= below - 1e-12).all()
    assert np.linalg.norm(g, axis=1).max() <= problem.G * (1 + 1e-12)
    assert np.linalg.norm(g, axis=1).max() >= 0.6 * problem.G
    if hasattr(problem, "G_dual"):
        assert 0.9 * problem.G_dual <= np.abs(g).max() <= problem.G_dual * (1 + 1e-12)
    if hasattr(problem, "B"):
        terms = np.stack([problem.component_grad(x, np.full(4000, i)) for i in range(problem.n)])
        np.testing.assert_allclose(terms.mean(0), g, atol=1e-13)
        second = np.mean(np.sum(terms**2, axis=-1), axis=0).max()
        assert 0.5 * problem.B**2 <= second <= problem.B**2 * (1 + 1e-12)
        draws = problem.stochastic_grad(x[:1] + np.zeros((3000, 1)), Stream(np.arange(3000)))
        np.testing.assert_allclose(draws.mean(0), g[0], atol=6 * problem.B / np.sqrt(3000))


@pytest.mark.parametrize("method", [projected_subgradient, dual_averaging], ids=lambda m: m.name)
def test_no_method_beats_the_resisting_oracle(method):
    problem = Resisting.hardest(20, 1.0, 1.0)
    problem.mirror = lambda x, g: problem.project(x - g)  # the Euclidean mirror map on a ball around its start
    for step in (0.01, 0.1, 1.0, 10.0):
        values = [problem.value(it.x) for it in islice(method(problem, problem.x0, step=step), 20)]
        assert min(values) - problem.f_star >= 1 / (2 * (1 + np.sqrt(20))) - 1e-15


def test_resisting_oracle_has_its_constants():
    problem = Resisting.hardest(9, 2.0, 3.0)
    np.testing.assert_allclose(problem.G, 2.0)
    assert np.linalg.norm(problem.x_star) == pytest.approx(3.0)
    assert problem.f_star == pytest.approx(-0.75)  # -G R / (2 (1 + sqrt n))
    assert problem.value(problem.x_star) == pytest.approx(problem.f_star)
    strong = Resisting.hardest_strongly_convex(9, 2.0, 0.5)
    np.testing.assert_allclose(strong.G, 2.0)
    assert strong.f_star == pytest.approx(-1 / 9)  # -G^2 / (8 mu n)
    plain = Resisting(4, 1.0, 2.0)
    assert plain.value(plain.x_star) == pytest.approx(plain.f_star) == pytest.approx(-1.0)


@pytest.mark.parametrize("steps", [1, 7, 40])
def test_the_ramp_meets_the_bound_of_proximal_gradient(steps):
    problem = sets.ramp(steps, L=3.0, R=2.0)
    x = next(islice(proximal_gradient(problem, np.array([2.0, 0.0]), step=1 / 3.0), steps, None))
    assert problem.value(x) - problem.f_star == pytest.approx(3.0 * 4.0 / (4 * steps))


# --- methods --------------------------------------------------------------------------------------------------
def test_projected_is_proximal_gradient_with_an_indicator():
    problem = sets.box_quadratic()
    x0 = problem.starts(4)
    pairs = zip(projected_gradient(problem, x0, step=0.4), proximal_gradient(problem, x0, step=0.4), strict=True)
    for one, other in islice(pairs, 10):
        np.testing.assert_array_equal(one, other)


def test_mirror_descent_is_multiplicative_weights():
    problem = max_linear.max_affine_on_simplex()
    x = w = problem.x0
    for it in islice(mirror_descent(problem, x, step=0.3), 20):
        np.testing.assert_allclose(it, w, rtol=1e-12)
        w = w * np.exp(-0.3 * problem.grad(w))
        w = w / w.sum()


def test_dual_averaging_is_mirror_descent_while_the_entropy_keeps_inside():
    problem = max_linear.max_affine_on_simplex()
    x0 = RNG.dirichlet(np.ones(6), size=3)
    pairs = zip(dual_averaging(problem, x0, step=0.2), mirror_descent(problem, x0, step=0.2), strict=True)
    for one, other in islice(pairs, 20):
        np.testing.assert_allclose(one.x, other, rtol=1e-10)


def test_without_noise_the_stochastic_method_is_the_deterministic_one():
    problem = max_linear.absolute_value()
    first = islice(stochastic_subgradient(problem, np.ones(1), step=0.3, rng=Stream(0)), 10)
    for one, other in zip(first, projected_subgradient(problem, np.ones(1), step=0.3), strict=False):
        np.testing.assert_array_equal(one.x, other.x)


CASES = [(projected_gradient, sets.simplex_quadratic, 0.3), (frank_wolfe, sets.simplex_quadratic, open_loop()),
         (projected_subgradient, max_linear.max_affine_on_simplex, open_loop()),
         (mirror_descent, max_linear.max_affine_on_simplex, 0.3),
         (dual_averaging, max_linear.max_affine_on_simplex, 0.3)]


@pytest.mark.parametrize(("method", "build", "step"), CASES, ids=lambda c: getattr(c, "name", ""))
def test_batch_restart_purity_and_feasibility(method, build, step):
    problem = build()
    x0 = 0.9 * problem.starts(4) + 0.1 * problem.domain.center
    kept = x0.copy()
    batch = list(islice(method(problem, x0, step=step), 7))
    np.testing.assert_array_equal(x0, kept)
    for row in range(4):
        for one, many in zip(method(problem, x0[row], step=step), batch, strict=False):
            np.testing.assert_allclose(point(one), point(many)[row], atol=1e-14)
    state = batch[3] if isinstance(batch[3], tuple) else (batch[3],)
    again = list(islice(method(problem, *state, step=step), 4))
    np.testing.assert_array_equal(point(again[3]), point(batch[6]))
    assert all((problem.domain.value(point(s)) == 0).all() for s in batch)


def test_runs_with_prescribed_parameters_and_counts_oracles():
    trace = run(frank_wolfe, sets.simplex_quadratic(), steps=50)
    assert trace.calls["lmo"][-1] == 50
    assert trace["f(x) - f*"][-1] < 0.01
    arms = max_linear.one_good_arm()
    for method, problem in [(projected_subgradient, max_linear.max_affine_on_simplex()), (mirror_descent, arms),
                            (dual_averaging, arms), (projected_gradient, sets.ball_quadratic())]:
        trace = run(method, problem, steps=50)
        assert np.isfinite(trace["f(x) - f*"]).all()
    trace = run(stochastic_subgradient, max_linear.hinge_on_ball(), steps=50, seeds=8)
    assert trace["f(x) - f*"].shape == (51, 8)


def test_unbounded_sets_promise_no_diameter_and_no_linear_minimization():
    problem = sets.ramp(3)
    assert not problem.meets(Compact)
    assert not hasattr(problem, "lmo")
    assert not max_linear.mean_absolute().meets(Compact)


def largest(over, domain, **options):
    return MaxLinear(np.eye(2), np.zeros(2), over=over, domain=domain, **options)


@pytest.mark.parametrize(("build", "sentence"), [
    (lambda: Simplex(3, 0.0), "radius must be positive"),
    (lambda: Box([0.0, 2.0], [1.0, 1.0]), "lo and hi must be vectors of one length with lo <= hi"),
    (lambda: Constrained(Quadratic(np.eye(3)), Simplex(2)), "the set must lie in the problem's space of shape"),
    (lambda: largest(Simplex(3), Simplex(2)), "over must be a bounded set of R\\^2"),
    (lambda: largest(Space(2), Simplex(2)), "over must be a bounded set of R\\^2"),
    (lambda: largest(Simplex(2), Space(2), mu=1.0), "a bounded domain is wanted"),
    (lambda: largest(Simplex(2), Ball(2)), "polyhedral sets are wanted"),
    (lambda: largest(Simplex(2), Space(2)), "must have a minimizer"),
    (lambda: largest(Simplex(2), Ball(2, 0.1), mu=1.0), "must hold the minimizer"),
    (lambda: Space(2).image_norm(np.eye(2)), "a bounded set is wanted"),
])
def test_errors_are_sentences(build, sentence):
    with pytest.raises(ProblemError, match=sentence):
        build()
