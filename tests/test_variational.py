"""Games, variational inequalities and their methods: oracles, constants, solutions, identities between methods."""

from __future__ import annotations

import itertools

import cvxpy as cp
import numpy as np
import pytest

from optlab.problems.assumptions import Cocoercive, LipschitzOperator, Monotone, StronglyMonotone
from optlab.problems.errors import ProblemError
from optlab.problems.games import (
    AffineVI,
    BilinearGame,
    CoherentField,
    MatrixGame,
    NoisyOperator,
    QuadraticGame,
    bilinear_game,
    cocoercivity,
    coherent_field,
    monotone_affine,
    quadratic_game,
    random_matrix_game,
    rock_paper_scissors,
    rotation_game,
)
from optlab.problems.pool import pool
from optlab.rng import Stream
from optlab.variational.anchored import anchored_optimistic, fast_extragradient, safe_anchored_optimistic
from optlab.variational.single_call import (
    extragradient,
    optimistic_gradient,
    past_extragradient,
    reflected_gradient,
    stochastic_past_extragradient,
)

DETERMINISTIC = {
    "extragradient": (extragradient, {}), "past": (past_extragradient, {}), "reflected": (reflected_gradient, {}),
    "optimistic": (optimistic_gradient, {}), "anchored": (anchored_optimistic, {}), "feg": (fast_extragradient, {}),
    "safe": (safe_anchored_optimistic, dict(threshold=1.0, D=2.0)),
}


def first(iterates, n):
    return list(itertools.islice(iterates, n))


@pytest.mark.parametrize("problem", pool(LipschitzOperator), ids=str)
def test_operator_constants_are_right_and_nearly_met(problem):
    rng = np.random.default_rng(0)
    x, d = rng.standard_normal((2, 4000, problem.dim)) * 3
    y = x + d * 10.0 ** rng.uniform(-4, 0, (4000, 1))
    force, move = problem.operator(x) - problem.operator(y), x - y
    slope = problem.norm(force) / problem.norm(move)
    assert slope.max() <= problem.L * (1 + 1e-9)
    assert slope.max() >= 0.4 * problem.L
    if problem.meets(Monotone):
        assert (problem.inner(force, move) >= getattr(problem, "mu", 0.0) * problem.sq(move) - 1e-12).all()
    if problem.meets(Cocoercive):
        assert (problem.inner(force, move) >= problem.beta * problem.sq(force) * (1 - 1e-9)).all()


@pytest.mark.parametrize("problem", pool(LipschitzOperator), ids=str)
def test_solution_is_a_fixed_point_of_the_projected_step(problem):
    step = problem.project(problem.x_star - 0.1 * problem.operator(problem.x_star))
    assert np.abs(step - problem.x_star).max() <= 1e-9


def test_cocoercivity_is_the_worst_direction_and_not_an_eigenvalue():
    rng = np.random.default_rng(1)
    M = rng.standard_normal((4, 4)) / 4 + np.eye(4)
    beta = cocoercivity(M)
    inverse = np.linalg.inv(M)
    _, vectors = np.linalg.eigh((inverse + inverse.T) / 2)
    worst = inverse @ vectors[:, 0]  # the direction whose image is the eigenvector
    assert worst @ M @ worst == pytest.approx(beta * np.sum((M @ worst) ** 2), rel=1e-12)
    assert np.min(np.real(1 / np.linalg.eigvals(M))) > beta * 1.01
    assert cocoercivity(np.diag([1.0, 10.0])) == pytest.approx(0.1)
    assert cocoercivity(np.diag([0.0, 4.0])) == pytest.approx(0.25)
    assert cocoercivity(np.array([[0.0, 1.0], [-1.0, 0.0]])) == pytest.approx(0.0, abs=1e-15)


def test_quadratic_game_is_cocoercive_and_bilinear_is_not():
    assert quadratic_game().meets(StronglyMonotone)
    assert quadratic_game().meets(Cocoercive)
    assert not bilinear_game().meets(Cocoercive)
    assert not monotone_affine().meets(Cocoercive)


@pytest.mark.parametrize("game", [bilinear_game(), monotone_affine(), quadratic_game()], ids=str)
def test_restricted_gap_is_the_supremum_over_the_ball(game):
    x = game.x_star + np.random.default_rng(2).standard_normal((2, game.dim))
    S = (game.M + game.M.T) / 2
    roots, axes = np.linalg.eigh(S)
    half = (axes * np.sqrt(np.maximum(roots, 0))).T
    for point, gap in zip(x, game.gap(x), strict=True):
        d = cp.Variable(game.dim)
        objective = d @ (game.M.T @ (point - game.x_star)) - cp.sum_squares(half @ d)
        best = cp.Problem(cp.Maximize(objective), [cp.norm(d) <= game.radius]).solve(solver="CLARABEL")
        assert gap == pytest.approx(best, rel=1e-6)


def test_matrix_game_equilibrium_and_gap():
    game = random_matrix_game()
    assert game.gap(game.x_star) == pytest.approx(0.0, abs=1e-12)
    m = game.sizes[0]
    assert game.x_star[:m] @ game.A @ game.x_star[m:] == pytest.approx(game.game_value, abs=1e-12)
    x = game.project(np.random.default_rng(3).standard_normal((50, game.dim)))
    vertices = [np.append(np.eye(6)[i], np.eye(5)[j]) for i in range(6) for j in range(5)]
    brute = np.max([game.inner(game.operator(p), x - p) for p in vertices], axis=0)
    np.testing.assert_allclose(game.gap(x), brute, atol=1e-12)
    far = np.max([game.sq(x - p) for p in vertices], axis=0)
    np.testing.assert_allclose(game.start_quantities["spread"](game, x), far, atol=1e-12)


def test_coherent_field_is_coherent_but_not_monotone():
    field = coherent_field()
    x = np.random.default_rng(4).standard_normal((20_000, 4)) * 4
    assert (field.inner(field.operator(x), x) >= 0).all()
    y = x + 1e-4 * np.random.default_rng(5).standard_normal(x.shape)
    assert field.inner(field.operator(x) - field.operator(y), x - y).min() < 0
    corner = np.where(np.arange(4) < 2, 0.0, np.pi / field.w)  # slopes 1 + c w and 1 - c w are met
    jacobian = field.S + np.diag(1 + field.c * field.w * np.cos(field.w * corner))
    assert np.linalg.norm(jacobian, 2) <= field.L * (1 + 1e-12)


def test_noise_has_the_stated_variance():
    noisy = NoisyOperator(quadratic_game(), 0.7)
    x = np.zeros((20_000, 5))
    noise = noisy.stochastic_operator(x, Stream(np.arange(20_000))) - noisy.operator(x)
    assert np.mean(noisy.sq(noise)) == pytest.approx(0.49, rel=0.05)
    assert np.abs(noise.mean(0)).max() < 0.02


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_batch_is_loop_and_the_start_is_untouched(name):
    method, extra = DETERMINISTIC[name]
    game = rock_paper_scissors()
    x0 = game.project(np.random.default_rng(6).standard_normal((3, game.dim)))
    kept = x0.copy()
    together = first(method(game, x0, step=0.1, **extra), 30)
    for i in range(3):
        alone = first(method(game, x0[i], step=0.1, **extra), 30)
        for a, b in zip(together, alone, strict=True):
            a, b = (a[0], b[0]) if isinstance(a, tuple) else (a, b)
            np.testing.assert_allclose(a[i], b, atol=1e-14)
    np.testing.assert_array_equal(x0, kept)


def test_single_call_methods_coincide_without_constraints():
    game, x0 = monotone_affine(), np.ones(8)
    step = 0.3 / game.L
    past = first(past_extragradient(game, x0, step=step), 60)
    optimistic = first(optimistic_gradient(game, x0, step=step), 60)
    for a, b in zip(past, optimistic, strict=True):
        np.testing.assert_allclose(a.x, b.x, atol=1e-12)
        np.testing.assert_allclose(a.half, b.half, atol=1e-12)
    reflected = first(reflected_gradient(game, x0, step=step), 61)  # up to initialisation: the same recursion, half
    for before, now in itertools.pairwise(reflected[1:]):
        np.testing.assert_allclose(now.half, now.x - step * now.past, atol=1e-12)
        np.testing.assert_allclose(now.x, before.x - step * now.past, atol=1e-12)


def test_constrained_single_call_methods_differ():
    game = rock_paper_scissors()
    runs = [first(m(game, game.x0, step=0.2), 20)[-1].x for m in (past_extragradient, optimistic_gradient)]
    assert np.abs(runs[0] - runs[1]).max() > 1e-6


def test_noiseless_stochastic_method_is_past_extragradient():
    game = quadratic_game()
    noiseless = stochastic_past_extragradient(NoisyOperator(game, 0.0), np.ones(5), step=lambda t: 0.1, rng=Stream(3))
    for a, b in zip(first(noiseless, 20), first(past_extragradient(game, np.ones(5), step=0.1), 20), strict=True):
        np.testing.assert_allclose(a.x, b.x, atol=1e-14)


def test_reflected_gradient_needs_the_term_of_its_first_step():
    """From x_0 = x_1 it misses ||x_1 - p||^2 / (2 g t) for p near x_1, and meets it with g^2 ||V(x_1)||^2 more."""
    game, x0 = rotation_game(), np.array([3.0, 1.0])
    step = 0.4 / game.L
    force = game.operator(x0)
    points = x0 - np.linspace(0.01, 3, 300)[:, None] * step * force
    halves = np.cumsum([it.half for it in first(reflected_gradient(game, x0, step=step), 40)], axis=0)
    missed = 0.0
    for t in range(1, 40):
        left = game.inner(game.operator(points), halves[t - 1] / t - points)
        distance = game.sq(x0 - points)
        missed = max(missed, float(np.max(left / (distance / (2 * step * t)))))
        assert (left <= (distance + step**2 * game.sq(force)) / (2 * step * t) * (1 + 1e-12)).all()
    assert missed > 10


@pytest.mark.parametrize(("method", "limit"), [(past_extragradient, 0.5), (optimistic_gradient, 0.5),
                                               (reflected_gradient, 0.4)], ids=["past", "optimistic", "reflected"])
def test_ergodic_bound_over_all_games_and_sets(method, limit):
    """The sum of <V(p), half - p> over three steps, worst over all monotone V, convex sets and p: exact SDP."""
    from PEPit import PEP
    from PEPit.functions import ConvexIndicatorFunction
    from PEPit.operators import LipschitzStronglyMonotoneOperatorCheap
    from PEPit.primitive_steps import proximal_step

    from optlab.analysis.sdp import solve_pep

    pep = PEP()

    class Symbolic:
        V = pep.declare_function(LipschitzStronglyMonotoneOperatorCheap, mu=0, L=1)
        C = pep.declare_function(ConvexIndicatorFunction)
        operator = staticmethod(V.gradient)
        project = staticmethod(lambda v: proximal_step(v, Symbolic.C, 1.0)[0])

    x0, p = pep.set_initial_point(), pep.set_initial_point()
    for feasible in (x0, p):
        pep.add_constraint(Symbolic.C(feasible) == 0)
    states = first(method(Symbolic, x0, step=limit), 3)
    sums = sum((it.half - p for it in states[1:]), states[0].half - p)
    extra = limit**2 * Symbolic.operator(x0) ** 2 if method is reflected_gradient else 0
    pep.set_initial_condition((x0 - p) ** 2 + extra <= 1)
    pep.set_performance_metric(2 * limit * (Symbolic.operator(p) * sums))
    assert solve_pep(pep).dual_value <= 1 + 1e-4


def test_safe_method_is_anchored_until_it_falls_back():
    game = rock_paper_scissors()
    plain = safe_anchored_optimistic(game, game.x0, step=0.1, threshold=np.inf, D=2.0)
    safe = safe_anchored_optimistic(game, game.x0, step=0.1, threshold=0.0, D=2.0)
    a, b = first(plain, 5), first(safe, 5)
    np.testing.assert_array_equal(a[1].half, b[1].half)
    assert np.abs(a[4].half - b[4].half).max() > 1e-6


@pytest.mark.parametrize(("build", "words"), [
    (lambda: AffineVI(np.eye(2, 3)), "M must be square"),
    (lambda: AffineVI(-np.eye(2)), "positive semidefinite"),
    (lambda: AffineVI(np.diag([1.0, 0.0]), [0.0, 1.0]), "q must lie in the range of M"),
    (lambda: BilinearGame(np.eye(2), [1.0]), "b must be a vector of length 2"),
    (lambda: QuadraticGame(np.eye(2), np.eye(2), -np.eye(2)), "Q must be a symmetric positive definite"),
    (lambda: MatrixGame(np.array([[np.nan]])), "A must be finite"),
    (lambda: CoherentField(np.eye(2), 1.0, 1.0), "S must be skew-symmetric"),
    (lambda: CoherentField(np.zeros((2, 2)), 5.0, 1.0), "c w must be at most 4.6"),
    (lambda: NoisyOperator(rotation_game(), -1.0), "sigma must be nonnegative"),
])
def test_errors_are_sentences(build, words):
    with pytest.raises(ProblemError, match=words.replace("(", r"\(")):
        build()
