"""Amortized models, checkpointed chains, shared losses and diffusion scores: oracles, identities, errors."""

from __future__ import annotations

import numpy as np
import pytest

from optlab import checkpointed_gradient, merged_gradient, objective_amortization, run, semi_amortized, sized_descent
from optlab.decentralized.noise import _cubed, _gaussian_cubed, _third_moment, expansion_error, smoothing_error
from optlab.problems.agents import Space
from optlab.problems.amortized import Amortized, ParametricQuadratic
from optlab.problems.chains import ResidualChain
from optlab.problems.errors import ProblemError
from optlab.problems.graphs import ring
from optlab.problems.power_law import PowerLaw
from optlab.problems.shared import Cosines, Cubic, Power, Saddle, SharedLoss
from optlab.sampling.diffusion import SubspaceMixture

RNG = np.random.default_rng(0)
T = RNG.standard_normal((3, 3, 3))
T = sum(T.transpose(o) for o in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)))
LOSSES = [Cosines(RNG.standard_normal((4, 3)), RNG.standard_normal(4)), Cubic(np.ones(3), 2 * np.eye(3), T), Saddle(0.7),
          Saddle(0.7, unbounded=True), Power(4.0), Power(1.5), ResidualChain(5), PowerLaw(1.0, 2.0, d=6),
          Amortized(ParametricQuadratic.random(3, 2, 20, mu=0.3))]


def differences(function, x, h=1e-6):
    g = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        e = np.zeros_like(x)
        e[i] = h
        g[i] = (function(x + e) - function(x - e)) / (2 * h)
    return g


@pytest.mark.parametrize("problem", LOSSES, ids=lambda p: type(p).__name__)
def test_gradients_against_finite_differences(problem):
    x = np.random.default_rng(1).standard_normal(problem.point_shape) + 0.1
    np.testing.assert_allclose(problem.grad(x), differences(problem.value, x), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("loss", LOSSES[:2], ids=lambda p: type(p).__name__)
def test_smoothed_gradient_against_gauss_hermite(loss):
    root = 0.3 * RNG.standard_normal((3, 3))
    nodes, weights = np.polynomial.hermite_e.hermegauss(12)
    grid = np.stack(np.meshgrid(nodes, nodes, nodes), axis=-1).reshape(-1, 3)
    mass = np.prod(np.stack(np.meshgrid(weights, weights, weights), axis=-1).reshape(-1, 3), axis=1)
    w = np.ones((1, 3))
    expected = (mass / mass.sum()) @ loss.grad(w + grid @ root.T)
    np.testing.assert_allclose(loss.smoothed_grad(w, root @ root.T)[0], expected, rtol=1e-6, atol=1e-8)


def test_trained_model_solves_every_context():
    problem = Amortized(ParametricQuadratic.random(3, 3, 50, mu=0.5))
    W = run(objective_amortization, problem, steps=400).x
    np.testing.assert_allclose(problem.predict(W), problem.family.x_star, atol=1e-6)
    np.testing.assert_allclose(problem.family.grad(problem.family.x_star), 0, atol=1e-12)


def test_every_context_is_refined_by_itself():
    family = ParametricQuadratic.random(4, 3, 5, mu=0.2)
    together = run(semi_amortized, family, family.x0, steps=7).x
    for i, row in enumerate(family.contexts):
        alone = ParametricQuadratic(family.H, family.B, row[None])
        np.testing.assert_allclose(run(semi_amortized, alone, family.x0[i:i + 1], steps=7).x[0], together[i], rtol=1e-12)


@pytest.mark.parametrize("snapshots", [1, 2, 3])
def test_checkpointed_gradient_is_the_gradient(snapshots):
    problem = ResidualChain(13)
    x = np.random.default_rng(2).standard_normal((4, 3))
    before = x.copy()
    record = checkpointed_gradient(problem, x, snapshots=snapshots)
    np.testing.assert_allclose(record.gradient, problem.grad(x), rtol=1e-12)
    assert record.held <= snapshots
    assert (x == before).all()


def test_forward_steps_of_the_literature():
    steps = [checkpointed_gradient(ResidualChain(n), np.ones(3), snapshots=s).forward
             for s, n in ((2, 3), (2, 6), (2, 10), (3, 4), (3, 10), (3, 20), (4, 5), (4, 15), (4, 35))]
    assert steps == [2, 8, 20, 3, 15, 45, 4, 24, 84]


def test_identical_agents_merge_to_the_gradient():
    problem = SharedLoss(Cosines(np.ones((1, 2)), np.zeros(1)), ring(4))
    x = np.ones((4, 2))
    np.testing.assert_allclose(merged_gradient(problem, x).gradient[0], problem.loss.grad(x[0]), rtol=1e-14)
    np.testing.assert_allclose(problem.diversity(x), 0, atol=1e-30)


def test_third_moment_and_taylor_of_the_merged_gradient_for_a_hundred_losses():
    """E||e||^3 by quadrature against draws; the two third-order bounds on fresh losses and configurations."""
    rng = np.random.default_rng(8)
    for _ in range(100):
        problem = SharedLoss(Cosines(rng.standard_normal((4, 3)) / 2, rng.uniform(0, 6, 4)), ring(8))
        it = merged_gradient(problem, rng.standard_normal(3) + rng.uniform(0.01, 1) * rng.exponential(1.0, (8, 3)))
        third, normal = _cubed(problem, it), _third_moment(problem, it)
        assert normal <= _gaussian_cubed(problem, it) * (1 + 1e-9)
        assert smoothing_error(problem, it) <= problem.M4 / 6 * (third + normal)
        assert expansion_error(problem, it) <= problem.M4 / 6 * third
    draws = rng.standard_normal((400_000, 3)) @ np.linalg.cholesky(problem.diversity(it.x)).T
    assert np.isclose(np.mean(np.sum(draws**2, axis=1) ** 1.5), normal, rtol=0.02)


def test_a_small_model_stops_at_its_floor():
    problem = PowerLaw(1.0, 2.0, d=50)
    trace = run(sized_descent, problem, steps=2000, step=1.0, size=5)
    assert trace["f(x) - f*"][-1] == pytest.approx(problem.floor(5), rel=1e-10)


def test_subspace_score_is_the_gradient_of_the_log_density():
    A = np.linalg.qr(np.random.default_rng(3).standard_normal((4, 2)))[0]
    problem, t = SubspaceMixture(A, np.array([[1.0, 0.0], [-1.0, 2.0]]), 0.4), 0.7
    covariance = np.exp(-t) * 0.16 * A @ A.T + (1 - np.exp(-t)) * np.eye(4)
    means = np.exp(-t / 2) * problem.centers @ A.T

    def log_density(x):
        return np.log(sum(np.exp(-(x - m) @ np.linalg.solve(covariance, x - m) / 2) for m in means))

    x = np.array([0.3, -0.2, 0.5, 0.1])
    np.testing.assert_allclose(problem.score(x, t), differences(log_density, x), rtol=1e-6)


@pytest.mark.parametrize(("make", "sentence"), [
    (lambda: ParametricQuadratic(-np.eye(2), np.ones((2, 1)), np.ones((3, 1))), "H must be positive definite"),
    (lambda: ParametricQuadratic(np.eye(2), np.ones((2, 1)), np.ones((3, 2))), "contexts must have the 1 columns"),
    (lambda: Amortized(ParametricQuadratic(np.eye(2), np.ones((2, 2)), np.ones((3, 2)))), "contexts must span"),
    (lambda: PowerLaw(1.0, 1.0), "b must be above 1"),
    (lambda: ResidualChain(0), "length must be a positive integer"),
    (lambda: SubspaceMixture(np.ones((3, 1)), np.ones((1, 1)), 1.0), "orthonormal"),
])
def test_bad_input_is_one_sentence(make, sentence):
    with pytest.raises(ProblemError, match=sentence):
        make()


def test_space_is_where_rules_are_judged():
    assert issubclass(SubspaceMixture, Space)
