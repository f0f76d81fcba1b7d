"""Resolvents, comonotone fields, two convex sets: problems against definitions, methods against others."""

import numpy as np
import pytest

import optlab
from optlab.problems import AffineContraction, AffineSum, AffineTriple, AffineVI, ComonotoneField, Nearest, TwoSubspaces
from optlab.problems.errors import AssumptionError, ProblemError
from optlab.problems.feasibility import (
    lines,
    plane_and_space,
    project_on_cap,
    project_on_corner,
    project_on_lens,
    project_on_wedge,
)
from optlab.problems.games import bilinear_game, monotone_affine, quadratic_game
from optlab.problems.inclusions import planes, spiral_out, strong_and_cocoercive, strong_and_rotation, three_operators
from optlab.problems.operators import slow_rotations
from optlab.splitting import factors
from optlab.splitting.fixed_point import fading
from optlab.steps import growing


def points(problem, n=20, seed=0):
    return np.random.default_rng(seed).standard_normal((n, problem.dim))


# --- problems ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("problem", [bilinear_game(), monotone_affine(), quadratic_game(), spiral_out()], ids=str)
@pytest.mark.parametrize("step", [0.2, 1.0, 5.0])
def test_resolvents_solve_their_equation(problem, step):
    v = points(problem)
    x = problem.resolvent(v, step)
    assert x + step * problem.operator(x) == pytest.approx(v, abs=1e-12)
    assert problem.resolvent(v[3], step) == pytest.approx(x[3], abs=1e-14)


def test_constants_of_a_comonotone_field():
    problem = spiral_out()
    x, y = points(problem), points(problem, seed=1)
    d, v = x - y, problem.operator(x) - problem.operator(y)
    assert np.all(problem.inner(d, v) >= -problem.rho * problem.sq(v) - 1e-12)
    assert np.any(problem.inner(d, v) < 0)
    z = -0.3 + 0.9j  # Re(1/z) = -0.3/0.9
    plane = ComonotoneField(planes(z))
    assert plane.rho == pytest.approx(0.3 / 0.9)
    assert pytest.approx(abs(z)) == plane.L
    # averaged beyond 2 rho, expanding below
    for step, below in ((2.5 * plane.rho, True), (1.5 * plane.rho, False)):
        assert np.all((np.linalg.norm(plane.resolvent(x[:, :2], step), axis=1) < np.linalg.norm(x[:, :2], axis=1)) == below)


@pytest.mark.parametrize("problem", [strong_and_rotation(), strong_and_cocoercive(), three_operators()], ids=str)
def test_zeros_of_sums(problem):
    x = problem.x_star
    assert (problem.F + problem.G + problem.Q) @ x + problem.b == pytest.approx(0, abs=1e-12)
    if hasattr(problem, "grad"):
        assert problem.grad(x) == pytest.approx(problem.Q @ x)
    v = points(problem)
    p, q = problem.prox_f(v, 0.6), problem.prox_g(v, 0.6)
    assert p + 0.6 * p @ problem.F.T == pytest.approx(v)
    assert q + 0.6 * (q @ problem.G.T + problem.b) == pytest.approx(v)


@pytest.mark.parametrize("problem", [project_on_wedge(), project_on_corner(), project_on_lens(), project_on_cap()], ids=str)
def test_nearest_points(problem):
    """No sampled point of both sets is nearer to x0, and Dykstra's method goes to x_star."""
    candidates = problem.x_star + 0.1 * np.random.default_rng(2).standard_normal((4000, problem.dim))
    both = (problem.norm(candidates - problem.project_a(candidates)) == 0) & (
        problem.norm(candidates - problem.project_b(candidates)) == 0)
    assert np.count_nonzero(both) > 50
    assert np.all(problem.norm(candidates[both] - problem.x0) >= problem.norm(problem.x_star - problem.x0))
    trace = optlab.run(optlab.dykstra, problem, problem.x0, 2000, record=[optlab.sq_distance])
    assert trace["||x - x*||^2"][-1] < 1e-5


def test_subspaces():
    assert lines(0.3).cosine == pytest.approx(np.cos(0.3))
    problem = plane_and_space()
    gain = np.linalg.norm(problem.project_b(problem.project_a(problem.x_star + np.eye(problem.dim))) - problem.x_star, ord=2)
    assert problem.cosine == pytest.approx(gain)


@pytest.mark.parametrize(("build", "why"), [
    (lambda: ComonotoneField(np.eye(2)), "must not be monotone"),
    (lambda: ComonotoneField(np.zeros((2, 2))), "square and invertible"),
    (lambda: AffineSum(-np.eye(2), np.eye(2), np.zeros(2)), "F must be"),
    (lambda: AffineSum(np.zeros((2, 2)), np.zeros((2, 2)), np.ones(2)), "invertible"),
    (lambda: AffineTriple(np.eye(2), np.eye(2), np.ones(2), planes(1j)), "Q must be symmetric"),
    (lambda: AffineContraction(np.eye(2), np.ones(2)), "norm below 1"),
    (lambda: TwoSubspaces(np.eye(2), np.eye(2)), "meet in 0 only"),
    (lambda: Nearest(lambda x: 0 * x, lambda x: np.minimum(x, 0), np.zeros(2), np.ones(2), -np.ones(2)), "normal_b must be"),
])
def test_doors(build, why):
    with pytest.raises(ProblemError, match=why):
        build()


def test_a_missing_resolvent_is_one_sentence():
    with pytest.raises(AssumptionError, match="resolvent_iteration needs resolvent"):
        optlab.run(optlab.resolvent_iteration, optlab.problems.games.rock_paper_scissors(), steps=2, step=1.0)


# --- methods -------------------------------------------------------------------------------------------------------
def states(method, problem, x, steps, **params):
    return [s for s, _ in zip(method(problem, x, **params), range(steps + 1), strict=False)]


@pytest.mark.parametrize("mu", [0.0, 0.2])
def test_anchored_form_is_the_momentum_form(mu):
    """Park and Ryu's OS-PPM (with mu = 0 Kim's method) as both papers write it."""
    problem, step = AffineVI(mu * np.eye(4) + planes(0.7j, 0.1j)), 0.8
    c = step * mu

    def phi(k):
        return sum((1 + 2 * c) ** (2 * i) for i in range(k + 1))

    x = y = before = np.array([1.0, -2.0, 0.5, 3.0])
    ours = states(optlab.accelerated_resolvent_iteration, problem, x, 8, step=step, curvature=c)
    for k in range(8):
        following = problem.resolvent(y, step)
        assert ours[k + 1].x == pytest.approx(following, abs=1e-13)
        assert ours[k + 1].y == pytest.approx(y, abs=1e-13)
        y, before = (following + (phi(k) - 1) / phi(k + 1) * (following - x) - 2 * c * phi(k) / phi(k + 1) * (y - following)
                     + (1 + 2 * c) * phi(k - 1) / phi(k + 1) * (before - x)), y
        x = following


def test_resolvent_iteration_is_half_relaxed_reflection():
    problem, x = monotone_affine(), np.ones(8)

    class Reflection:
        def T(self, z):
            return 2 * problem.resolvent(z, 0.7) - z

    ours = states(optlab.resolvent_iteration, problem, x, 10, step=0.7)
    theirs = states(optlab.krasnoselskii_mann, Reflection(), x, 10, relaxation=0.5)
    assert np.array(ours) == pytest.approx(np.array(theirs), abs=1e-13)


def test_relaxation_may_be_a_schedule():
    problem = slow_rotations()
    x = np.ones(problem.dim)
    seen = states(optlab.krasnoselskii_mann, problem, x, 5, relaxation=growing())
    for k, following in enumerate(seen[1:]):
        assert following == pytest.approx(seen[k] / (k + 2) + (k + 1) / (k + 2) * problem.T(seen[k]), abs=1e-14)
    g = 1 / 0.9
    assert fading(0.9)(2) == pytest.approx(1 / sum(g ** (2 * i) for i in range(4)))


def test_special_cases():
    """No comonotonicity: FEG; no shrinking: extragradient; on subspaces: Dykstra's corrections change nothing."""
    game, x = quadratic_game(), np.ones(5)
    plain = states(optlab.fast_extragradient, game, x, 6, step=0.2)
    half = x - 0 * x  # k = 0: half = x
    assert plain[1] == pytest.approx(x - 0.2 * game.operator(half))
    outward = spiral_out()
    bad = states(optlab.extragradient, outward, outward.x0 + 1, 400, step=1 / outward.L)
    good = states(optlab.extragradient, outward, outward.x0 + 1, 400, step=1 / outward.L, shrink=0.45)
    assert outward.norm(bad[-1].x - outward.x_star) > 10 * outward.norm(good[-1].x - outward.x_star)
    spaces = plane_and_space()
    a = states(optlab.alternating_projections, spaces, np.ones(6), 12)
    b = states(optlab.dykstra, spaces, np.ones(6), 12)
    assert np.array(a) == pytest.approx(np.array([s.x for s in b]), abs=1e-12)


def test_averaged_projections_are_a_gradient_step():
    """On the mean of half the squared distances, step 1."""
    problem = project_on_lens()
    x = np.array([0.5, 2.0])

    def f(z):
        return (problem.sq(z - problem.project_a(z)) + problem.sq(z - problem.project_b(z))) / 4

    h = 1e-6
    slope = np.array([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(2)])
    assert states(optlab.averaged_projections, problem, x, 1)[1] == pytest.approx(x - slope, abs=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_contraction_factors_are_met_by_complex_numbers(seed):
    rng = np.random.default_rng(seed)
    mu, constant = np.exp(rng.uniform(-1, 1, 2))
    relaxation = rng.uniform(0.3, 1.9)
    for factor, slowest in ((factors.strong_and_lipschitz, factors.slowest_lipschitz),
                            (factors.strong_and_cocoercive, factors.slowest_cocoercive)):
        F, G = slowest(mu, constant, relaxation)
        moved = abs(1 + relaxation * ((2 / (1 + F) - 1) / (1 + G) - 1 / (1 + F))) ** 2
        assert moved == pytest.approx(factor(mu, constant, relaxation), rel=1e-3)
        assert moved <= factor(mu, constant, relaxation) * (1 + 1e-9)
