"""Sampling: targets against finite differences and closed forms, methods against exact laws."""

import numpy as np
import pytest

from optlab import admm_sampler, federated_langevin, langevin, ornstein_uhlenbeck, partial_langevin, run
from optlab.problems import BayesianLogistic, GaussianClients, GaussianConsensus, GaussianTarget, ProblemError
from optlab.rng import Stream
from optlab.sampling.langevin import federated_laws, langevin_wasserstein

COVARIANCE = np.array([[2.0, 0.5], [0.5, 1.0]])
target = GaussianTarget([1.0, -2.0], COVARIANCE)
clients = GaussianClients(np.array([np.eye(2), np.diag([1.0, 3.0])]), [[0.0, 1.0], [2.0, -1.0]], [0.25, 0.75])


def test_gaussian_potential():
    rng = np.random.default_rng(0)
    x, v, h = rng.standard_normal(2), rng.standard_normal(2), 1e-5
    assert (target.value(x + h * v) - target.value(x - h * v)) / (2 * h) == pytest.approx(target.grad(x) @ v, rel=1e-8)
    np.testing.assert_allclose(target.x_star, [1.0, -2.0], atol=1e-14)
    assert [target.mu, target.L] == pytest.approx(1 / np.linalg.eigvalsh(COVARIANCE)[::-1])


def test_posterior():
    p = BayesianLogistic.from_data("breast_cancer", prior=2.0)
    rng = np.random.default_rng(0)
    x, v, h = 0.1 * rng.standard_normal(p.dim), rng.standard_normal(p.dim), 1e-6
    assert (p.value(x + h * v) - p.value(x - h * v)) / (2 * h) == pytest.approx(p.grad(x) @ v, rel=1e-5)
    X, y = p.mean_loss.X, p.mean_loss.y
    assert p.value(x) == pytest.approx(np.sum(np.log1p(np.exp(-y * (X @ x)))) + x @ x)
    assert np.linalg.norm(p.grad(p.x_star)) < 1e-9
    eigenvalues = np.linalg.eigvalsh(p.hess(0 * x))  # all weights are 1/4 at the origin: L is met there
    assert eigenvalues[-1] == pytest.approx(p.L, rel=1e-12)
    assert eigenvalues[0] >= p.mu
    np.testing.assert_allclose(p.laplace @ p.hess(p.x_star), np.eye(p.dim), atol=1e-8)


def test_clients_split_the_target():
    x = np.random.default_rng(0).standard_normal((5, 2))
    np.testing.assert_allclose(clients.average(clients.client_grad(x[:, None, :])), clients.grad(x), atol=1e-14)
    assert clients.client_grad(x[:, None, :]).shape == (5, 2, 2)


def test_langevin_batch_has_the_mean_and_covariance_of_the_exact_law():
    step, n = 0.3, 20_000
    trace = run(langevin, target, np.zeros(2), 60, seeds=n, step=step, record=())
    stationary = np.linalg.inv(target.A - step * target.A @ target.A / 2)
    assert np.abs(trace.x.mean(axis=0) - target.mean).max() < 6 * (2 / n) ** 0.5
    np.testing.assert_allclose(np.cov(trace.x.T), stationary, atol=6 * 4 / n**0.5)
    assert np.abs(stationary - COVARIANCE).max() > 0.15  # the bias of the step is seen at this size


def test_stationary_distance_of_langevin_vanishes_with_the_step():
    far, near = (langevin_wasserstein(np.array([10**5]), h, np.zeros(2), target.eigenvalues)[0] ** 0.5 for h in (0.1, 0.01))
    assert far / near == pytest.approx(10, rel=0.1)


def test_one_federated_client_step_is_langevin():
    laws = federated_laws(5, 0.1, 1, clients.H[:1], clients.a[:1], np.ones(1), np.zeros(2))
    q = 0.9**5
    assert laws[-1].mean == pytest.approx((1 - q) * clients.a[0])
    assert laws[-1].covariance == pytest.approx(np.eye(2) * 0.2 * (1 - q**2) / (1 - 0.81))


@pytest.mark.parametrize(("m", "p", "params"), [
    (langevin, target, dict(step=0.1)), (federated_langevin, clients, dict(step=0.1, local_steps=3)),
    (partial_langevin, clients, dict(step=0.1, sampled=1)), (ornstein_uhlenbeck, target, dict(dt=0.1, spread=1.0))],
    ids=lambda m: getattr(m, "name", ""))
def test_a_batch_is_a_loop_and_the_start_is_left_alone(m, p, params):
    x0 = np.array([3.0, -1.0])
    many = run(m, p, x0, 8, seeds=4, record=(), **params)
    assert x0.tolist() == [3.0, -1.0]
    for seed in range(4):
        np.testing.assert_allclose(run(m, p, x0, 8, seeds=np.array(seed), record=(), **params).x, many.x[seed], rtol=1e-12)


def test_consensus_without_noise_reaches_the_mode_of_the_sum():
    rng = np.random.default_rng(0)
    ring = np.roll(np.eye(4), 1, axis=0) + np.roll(np.eye(4), -1, axis=0)
    B = rng.standard_normal((4, 3, 3))
    p = GaussianConsensus(B @ B.swapaxes(-1, -2) + np.eye(3), rng.standard_normal((4, 3)), ring)

    class Silent:
        def normal(self, shape):
            return np.zeros(shape)

    moves = admm_sampler(p, p.x0, rho=1.0, rng=Silent())
    for _ in range(400):
        state = next(moves)
    np.testing.assert_allclose(state.x, p.x_star, atol=1e-10)
    assert np.abs(state.p.sum(axis=0)).max() < 1e-12


def test_consensus_batch_is_a_loop():
    p = GaussianConsensus(np.ones((3, 1, 1)), np.array([[0.0], [1.0], [5.0]]), np.ones((3, 3)) - np.eye(3))
    many = run(admm_sampler, p, None, 6, seeds=3, record=(), rho=1.0)
    for seed in range(3):
        one = run(admm_sampler, p, None, 6, seeds=np.array(seed), record=(), rho=1.0)
        np.testing.assert_allclose(one.x, many.x[seed], rtol=1e-12)


def test_langevin_restarts():
    whole, rng = list(zip(range(9), langevin(target, np.zeros(2), step=0.1, rng=Stream(0)), strict=False)), Stream(0)
    first = list(zip(range(5), langevin(target, np.zeros(2), step=0.1, rng=rng), strict=False))
    rest = list(zip(range(5), langevin(target, first[-1][1], step=0.1, rng=rng), strict=False))
    np.testing.assert_array_equal(rest[-1][1], whole[-1][1])


@pytest.mark.parametrize(("build", "sentence"), [
    (lambda: GaussianTarget([0.0, 0.0], np.diag([1.0, -1.0])), "covariance must be a symmetric positive definite"),
    (lambda: GaussianTarget([0.0], np.eye(2)), "mean must be a vector of length 2"),
    (lambda: GaussianClients(np.ones((2, 1, 1)), [[0.0], [1.0]], [0.5, 0.6]), "weights must be positive and sum to 1"),
    (lambda: GaussianClients(np.eye(2), [[0.0], [1.0]]), "one positive definite matrix a client"),
    (lambda: GaussianConsensus(np.ones((3, 1, 1)), np.ones((3, 1)), np.diag([1.0, 1.0, 0.0])), "of a connected graph"),
    (lambda: BayesianLogistic(np.eye(2), [1.0, -1.0], prior=0.0), "prior must be positive"),
])
def test_errors(build, sentence):
    with pytest.raises(ProblemError, match=sentence):
        build()
