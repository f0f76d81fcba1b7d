"""Many agents: graphs, federations, networks, what communication costs, and the methods on them."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest

from optlab import TopK, dgd, dsgd, gossip, gradient_descent, gradient_tracking, local_gd, local_sgd, proxskip, run
from optlab import problems as P
from optlab.ledger import Counting
from optlab.problems.agents import DGDLimit, Federation, LocalRound, Network, heterogeneous_quadratics
from optlab.problems.errors import AssumptionError, ProblemError
from optlab.problems.glm import HuberRegression, LeastSquares, LogisticRegression
from optlab.problems.graphs import Gossip, erdos_renyi, laplacian, laplacian_gossip, metropolis, path, ring, star
from optlab.problems.quadratic import Quadratic
from optlab.rng import Stream

rng = np.random.default_rng(0)


def federation(n=4, d=3, **options):
    return Federation(heterogeneous_quadratics(n, d, spread=2.0, seed=1), **options)


def network(graph=None, d=3, **options):
    graph = ring(6) if graph is None else graph
    return Network(heterogeneous_quadratics(len(graph), d, spread=2.0, seed=2), graph, **options)


def logistic():
    return Federation(P.split(LogisticRegression, "breast_cancer", 4, by_label=True))


def take(iterates, k):
    return next(itertools.islice(iterates, k, None))


# --- graphs -------------------------------------------------------------------------------------------------------
def test_spectra_are_the_known_ones():
    n = 10
    cosines = np.cos(2 * np.pi * np.arange(1, n) / n)
    g = Gossip(metropolis(ring(n)))  # weights 1/3: eigenvalues (1 + 2 cos)/3
    assert g.lambda2 == pytest.approx(max((1 + 2 * cosines) / 3))
    assert g.rho == pytest.approx(np.abs((1 + 2 * cosines) / 3).max())
    assert Gossip(metropolis(P.complete(5))).rho == pytest.approx(0, abs=1e-12)
    assert Gossip(laplacian_gossip(star(8), 8)).chi == pytest.approx(8)  # the star's Laplacian: 0, 1, .., 1, n
    assert Gossip(metropolis(path(4))).n == 4


@pytest.mark.parametrize("graph", [ring(7), star(5), path(6), erdos_renyi(12, 0.5, seed=1)])
def test_metropolis_is_doubly_stochastic_on_the_graph(graph):
    W = metropolis(graph)
    assert np.allclose(W, W.T)
    assert np.allclose(W.sum(axis=0), 1)
    assert W.min() >= 0
    assert ((W > 0) <= (nx.to_numpy_array(graph) + np.eye(len(W)) > 0)).all()
    eigenvalues = np.sort(np.abs(np.linalg.eigvals(W)))
    assert Gossip(W).rho == pytest.approx(eigenvalues[-2])


def test_sparse_and_dense_rounds_agree():
    W = metropolis(erdos_renyi(120, 0.1, seed=2))
    x = rng.standard_normal((2, 120, 3))
    assert np.allclose(Gossip(W)(x), W @ x)
    assert not isinstance(Gossip(W).operators[0], np.ndarray)


def test_rounds_take_the_matrices_in_turn():
    g = Gossip([metropolis(ring(5)), metropolis(star(5))])
    x = rng.standard_normal((5, 2))
    assert np.allclose(g(x, 1), metropolis(star(5)) @ x)
    assert np.allclose(g(x, 2), metropolis(ring(5)) @ x)


@pytest.mark.parametrize(("call", "words"), [
    (lambda: metropolis(nx.Graph([(0, 1), (2, 3)])), "graph must be connected, got one of 4 nodes in 2 components"),
    (lambda: metropolis(nx.DiGraph([(0, 1)])), "graph must be an undirected networkx graph"),
    (lambda: Gossip(np.eye(3)), "disconnected"),
    (lambda: Gossip(np.array([[0.5, 0.4], [0.5, 0.6]])), "W must be a symmetric matrix"),
    (lambda: Gossip(np.array([[0.5, 0.4], [0.4, 0.5]])), "rows that sum to 1"),
    (lambda: Gossip(np.array([[0.0, 1.0], [1.0, 0.0]])), "eigenvalues above -1"),
    (lambda: Gossip([metropolis(ring(3)), metropolis(ring(4))]), "matrices of one size"),
    (lambda: ring(1), "at least 2 agents"),
    (lambda: erdos_renyi(5, 1.5), "probability"),
    (lambda: laplacian_gossip(star(5), 1.0), "largest eigenvalue"),
    (lambda: Network(heterogeneous_quadratics(3, 2), ring(4)), "one node an agent"),
    (lambda: Federation([]), "parts must be problems"),
    (lambda: Federation([*heterogeneous_quadratics(1, 2), *heterogeneous_quadratics(1, 3)]), "points of one length"),
    (lambda: Federation([LogisticRegression([[1.0], [2.0]], [1, -1]), LeastSquares([[1.0]], [1.0])]), "give whole"),
    (lambda: P.FederatedGame(np.zeros((2, 3, 3)), np.zeros((2, 3))), "positive definite symmetric parts"),
    (lambda: P.FederatedGame(np.zeros((3, 3)), np.zeros((2, 3))), "A must be"),
    (lambda: P.ByzantineVectors(6, 3, 2), "f must be at least 0 and below half"),
])
def test_mistakes_are_met_with_one_sentence(call, words):
    with pytest.raises(ProblemError, match=words):
        call()


def test_a_quadratic_round_needs_quadratics():
    with pytest.raises(AssumptionError, match="QuadraticAgents"):
        LocalRound(logistic(), 0.1, 2)


# --- federations ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("problem", [federation(), network(), logistic(),
                                     Federation(P.split(HuberRegression, "diabetes", 3)),
                                     Federation(P.split(LeastSquares, "diabetes", 3))])
def test_oracles_solution_and_constants(problem):
    x = 0.3 * rng.standard_normal((2, *problem.point_shape))
    for i, part in enumerate(problem.parts):
        assert np.allclose(problem.grad(x)[..., i, :], part.grad(x[..., i, :]))
    server = x[..., :1, :]
    assert np.allclose(problem.value(server), problem.whole.value(server[..., 0, :]))
    assert np.allclose(problem.mean(problem.grad(server))[..., 0, :], problem.whole.grad(server[..., 0, :]))
    assert np.linalg.norm(problem.mean(problem.grad(problem.x_star))) <= 1e-10 * (1 + problem.L * problem.norm(problem.x_star))
    assert problem.value(problem.x_star) == pytest.approx(problem.f_star)
    hessian = np.mean([p.hess(problem.x_star[0]) for p in problem.parts], axis=0)
    assert np.linalg.eigvalsh(hessian)[-1] <= problem.L * (1 + 1e-9)
    assert problem.Lmax == pytest.approx(max(p.L for p in problem.parts))
    assert problem.zeta_star**2 == pytest.approx(np.mean([np.sum(p.grad(problem.x_star[0]) ** 2) for p in problem.parts]))


def test_gradient_is_the_derivative_of_the_value():
    problem = federation()
    x, v = rng.standard_normal((2, 4, 3))
    t = 1e-6
    slope = (problem.value(x + t * v) - problem.value(x - t * v)) / (2 * t)
    assert slope == pytest.approx(problem.inner(problem.grad(x), v) / problem.n, rel=1e-6)


def test_game_constants_against_samples():
    A = rng.standard_normal((3, 4, 4)) / 3 + np.eye(4) * 1.5
    game = P.FederatedGame(A, rng.standard_normal((3, 4)))
    directions = rng.standard_normal((4000, 4))
    for a in A:
        image = directions @ a.T
        products = (image * directions).sum(axis=1)
        assert (products >= game.mumin * (directions**2).sum(axis=1) * (1 - 1e-12)).all()
        assert (products >= (image**2).sum(axis=1) / game.ell * (1 - 1e-12)).all()
    x = game.x_star + 0 * game.b
    assert np.allclose(game.mean(game.operator(x)), 0)


def test_what_communication_costs():
    problem = network()
    counted = Counting(problem)
    x = np.zeros((2, 6, 3))
    counted.mix(x)
    assert counted.ledger == dict(rounds=1, messages=12, bits=12 * 3 * 64)
    counted = Counting(problem)
    counted.mean(x, when=np.array([True, False]))
    assert counted.ledger["rounds"].tolist() == [1, 0]
    assert counted.ledger["bits"].tolist() == [6 * 3 * 64, 0]
    counted = Counting(problem)
    counted.mean(counted.send(x, TopK(1)), sent=True)
    assert counted.ledger == dict(messages=6, bits=6 * (64 + 2), rounds=1)


def test_communication_of_a_run_is_in_its_trace():
    trace = run(local_gd, federation(), steps=5, step=0.1, local=3)
    assert trace.calls["rounds"][-1] == 1 + 5
    assert trace.calls["grad"][-1] == 15
    skips = run(proxskip, federation(), steps=200, seeds=64, step=0.5, p=0.25)
    assert 0.2 * 200 < skips.calls["rounds"][-1] < 0.3 * 200


# --- methods --------------------------------------------------------------------------------------------------------
METHODS = [
    (local_gd, federation(), dict(step=0.1, local=3)),
    (dgd, network(), dict(step=0.1)),
    (gossip, network(), {}),
    (gradient_tracking, network(), dict(step=0.05)),
]


@pytest.mark.parametrize(("method", "problem", "params"), METHODS, ids=lambda v: getattr(v, "name", ""))
def test_bodies_are_pure_and_carry_replicates(method, problem, params):
    x0 = rng.standard_normal((3, *problem.point_shape))
    kept = x0.copy()
    states = list(itertools.islice(method(problem, x0, **params), 6))
    assert (x0 == kept).all()
    last = states[-1][0] if isinstance(states[-1], tuple) else states[-1]
    for i in range(3):
        alone = take(method(problem, x0[i], **params), 5)
        assert np.allclose(last[i], alone[0] if isinstance(alone, tuple) else alone, rtol=1e-12, atol=1e-12)
    restarted = states[2] if isinstance(states[2], tuple) else (states[2],)
    again = take(method(problem, *restarted, **params), 3)
    assert (np.asarray(again[0] if isinstance(again, tuple) else again) == last).all()


@pytest.mark.parametrize(("method", "problem", "params"), [
    (proxskip, federation(sigma=0.1), dict(step=0.5, p=0.5)),
    (dsgd, network(sigma=0.1), dict(step=0.1, period=2)),
    (local_sgd, federation(sigma=0.1), dict(step=0.1, local=2)),
], ids=lambda v: getattr(v, "name", ""))
def test_random_bodies_batch_as_they_loop(method, problem, params):
    x0 = rng.standard_normal(problem.point_shape)
    batch = take(method(problem, np.broadcast_to(x0, (3, *x0.shape)), **params, rng=Stream(np.arange(3))), 7).x
    for seed in range(3):
        assert np.allclose(batch[seed], take(method(problem, x0, **params, rng=Stream(seed)), 7).x, rtol=1e-12, atol=1e-12)


def test_dgd_is_gradient_descent_on_the_penalized_objective():
    problem = network(path(4), d=2)
    step = 0.4 / problem.Lmax
    n, d = problem.point_shape
    W = problem.gossip.matrices[0]
    blocks = np.zeros((n * d, n * d))
    for i, a in enumerate(problem.A):
        blocks[i * d:(i + 1) * d, i * d:(i + 1) * d] = a
    penalized = Quadratic(blocks + np.kron(np.eye(n) - W, np.eye(d)) / step, problem.b.ravel())
    x0 = rng.standard_normal((n, d))
    ours = take(dgd(problem, x0, step=step), 20).x
    assert np.allclose(ours.ravel(), take(gradient_descent(penalized, x0.ravel(), step=step), 20), atol=1e-12)
    limit = DGDLimit(problem, step)
    assert np.allclose(limit.x_star.ravel(), penalized.x_star, atol=1e-10)
    assert np.linalg.norm(limit.x_star - problem.x_star) > 1e-2  # its fixed point is not the minimizer


def test_gradient_tracking_reaches_the_minimizer():
    problem = network()
    x = take(gradient_tracking(problem, problem.x0, step=0.1), 3000).x
    assert np.linalg.norm(x - problem.x_star) < 1e-10


def test_one_local_step_is_gradient_descent_and_more_drift():
    problem = federation()
    x0 = np.zeros((4, 3))
    centralized = take(gradient_descent(problem.whole, x0[0], step=0.2), 30)
    assert np.allclose(take(local_gd(problem, x0, step=0.2, local=1), 30)[0], centralized, atol=1e-14)
    limit = LocalRound(problem, 0.5 / problem.Lmax, 10)
    far = take(local_gd(problem, x0, step=limit.step, local=10), 2000)
    assert np.allclose(far, limit.x_star, atol=1e-10)
    assert limit.drift == pytest.approx(np.linalg.norm(far - problem.x_star), rel=1e-8)
    assert limit.drift > 1e-2


def test_scaffnew_reaches_the_minimizer_with_few_rounds():
    problem = logistic()
    trace = run(proxskip, problem, steps=6000, seeds=2, step=1 / problem.Lmax, p=0.1)
    assert np.abs(trace.x - problem.x_star).max() < 1e-4
    assert trace.calls["rounds"][-1] < 0.13 * 6000


def test_recipes_complete_a_run():
    assert np.isfinite(run(proxskip, federation(), steps=20).x).all()
    assert np.isfinite(run(dgd, network(), steps=20).x).all()
    assert np.isfinite(run(local_gd, LocalRound(federation(), 0.1, 5), steps=20).x).all()


def test_laplacian_is_degrees_minus_adjacency():
    assert np.allclose(laplacian(star(3)), [[2, -1, -1], [-1, 1, 0], [-1, 0, 1]])
