"""Coordinate descent: its pieces, its peers, restarts and purity."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.linear_model import Lasso as SklearnLasso

from optlab import (
    coordinate_descent,
    cyclic_coordinate_descent,
    proximal_coordinate_descent,
    random_block_descent,
    run,
)
from optlab.coordinate.descent import block_L, norm_mu, quadratics, small_lassos
from optlab.gradient.descent import gradient_descent
from optlab.problems import Lasso, Quadratic, sums
from optlab.problems.assumptions import StronglyConvexPart
from optlab.rng import Branches, Stream


def taken(generator, steps):
    return list(itertools.islice(generator, steps + 1))


def cases():
    rng = np.random.default_rng(1)
    return [c.problem for c in quadratics(rng)]


@pytest.mark.parametrize("p", cases(), ids=str)
def test_coordinate_oracles(p):
    x = np.random.default_rng(0).standard_normal((3, p.dim))
    for i in range(p.dim):
        np.testing.assert_allclose(p.grad_coordinate(x, np.full(3, i)), p.grad(x)[:, i], atol=1e-13)
    np.testing.assert_allclose(p.coordinate_L, np.diagonal(p.hess(p.x_star)), rtol=1e-14)


@pytest.mark.parametrize("p", cases(), ids=str)
def test_constants_in_the_weighted_norm_and_of_blocks(p):
    H, L = p.hess(p.x_star), p.coordinate_L
    assert norm_mu(H, L, 1.0) == pytest.approx(p.mu)
    v = np.random.default_rng(0).standard_normal((2000, p.dim))
    for gamma in (0.0, 0.5):
        quotient = ((v @ H) * v).sum(1) / ((L ** (1 - gamma)) * v**2).sum(1)
        assert norm_mu(H, L, gamma) <= quotient.min() * (1 + 1e-12)
    assert block_L(H, 1) == pytest.approx(p.L)
    assert block_L(H, p.dim) == pytest.approx(L.max())


def test_one_block_is_gradient_descent():
    p = cases()[0]
    blocks = taken(random_block_descent(p, p.x0, step=1 / p.L, blocks=1, rng=Stream(0)), 20)
    np.testing.assert_array_equal(blocks, taken(gradient_descent(p, p.x0, step=1 / p.L), 20))


def test_an_exact_step_zeroes_its_coordinate_and_moves_no_other():
    p, rng = cases()[0], Stream(np.arange(50))
    x0 = np.ones((50, p.dim))
    x = taken(coordinate_descent(p, x0, step=1 / p.coordinate_L, rng=rng), 1)[-1]
    i = Stream(np.arange(50)).index(p.dim, p.coordinate_L**0.0)
    np.testing.assert_allclose(p.grad_coordinate(x, i), 0, atol=1e-13)
    assert ((x != x0).sum(axis=1) <= 1).all()


def test_sampling_probabilities_follow_gamma():
    p, branches = cases()[0], Branches()
    x = taken(coordinate_descent(p, p.x0 + 1.0, step=1 / p.coordinate_L, gamma=1.0, rng=branches), 1)[-1]
    mean = np.array([branches.mean(x[..., j]) for j in range(p.dim)])
    np.testing.assert_allclose(mean, p.x0 + 1.0 - p.grad(p.x0 + 1.0) / p.coordinate_L.sum(), atol=1e-13)


@pytest.mark.parametrize("p", [c.problem for c in small_lassos(np.random.default_rng(1))], ids=str)
def test_proximal_step_minimizes_along_its_coordinate(p):
    x0 = np.ones((40, p.dim))
    x = taken(proximal_coordinate_descent(p, x0, step=1 / p.coordinate_L, rng=Stream(np.arange(40))), 1)[-1]
    i = Stream(np.arange(40)).index(p.dim)
    for t in np.linspace(-0.5, 0.5, 41):
        assert (p.value(x) <= p.value(x + t * p.unit(i)) + 1e-13).all()


def test_cyclic_passes_solve_the_lasso_like_scikit_learn():
    rng = np.random.default_rng(4)
    X, y = rng.standard_normal((60, 20)), rng.standard_normal(60)
    p = Lasso(X, y, 0.1)
    assert not p.meets(StronglyConvexPart) or p.mu > 0
    t = run(cyclic_coordinate_descent, p, steps=300)
    reference = SklearnLasso(alpha=0.1, fit_intercept=False, tol=1e-14, max_iter=100_000).fit(X, y)
    np.testing.assert_allclose(t.x, reference.coef_, atol=1e-8)
    np.testing.assert_allclose(t.x, p.x_star, atol=1e-12)
    assert t.calls["grad_coordinate"][-1] == 300 * 20


METHODS = {"coordinate_descent": (coordinate_descent, {"step": 0.2, "gamma": 0.5}),
           "with a stride": (coordinate_descent, {"step": 0.2, "stride": 3}),
           "random_block_descent": (random_block_descent, {"step": 0.2, "blocks": 2}),
           "proximal_coordinate_descent": (proximal_coordinate_descent, {"step": 0.2})}


@pytest.mark.parametrize("name", METHODS)
def test_restart_purity_and_batches(name):
    m, params = METHODS[name]
    p = sums.ridge(np.random.default_rng(0))
    p = Lasso(p.X, p.y, 0.1) if "prox" in name else p
    x0 = np.random.default_rng(0).standard_normal((3, p.dim))
    before = x0.copy()
    states = taken(m(p, x0, rng=Stream(np.arange(3)), **params), 8)
    np.testing.assert_array_equal(x0, before)
    assert not any(np.shares_memory(a, b) for a, b in itertools.combinations(states, 2))
    for seed in range(3):
        np.testing.assert_allclose(taken(m(p, x0[seed], rng=Stream(seed), **params), 8)[-1], states[-1][seed], atol=1e-13)
    rng = Stream(np.arange(3))
    middle = taken(m(p, x0, rng=rng, **params), 4)[-1]
    np.testing.assert_allclose(taken(m(p, middle, rng=rng, **params), 4)[-1], states[-1], atol=1e-13)


def test_diagonal_quadratics_are_solved_coordinate_by_coordinate():
    p = Quadratic(np.diag([1.0, 5.0, 9.0]), np.ones(3))
    x = taken(coordinate_descent(p, p.x0, step=1 / p.coordinate_L, rng=Stream(0)), 60)[-1]
    np.testing.assert_allclose(x, p.x_star, atol=1e-15)
