"""Orders of the terms: hard instances, herding, enumerated orders, exact second moments."""

from __future__ import annotations

import itertools
from math import comb

import numpy as np
import pytest

from optlab import run
from optlab.problems import AnyOrder, OneSided
from optlab.problems.errors import ProblemError
from optlab.problems.shuffled import SignedQuadratics
from optlab.rng import Branches, Stream
from optlab.stochastic.shuffling import (
    all_orders,
    fresh,
    fresh_on_grid,
    grab,
    incremental,
    least_drift,
    no_step_does_better,
    random_reshuffling,
    replaced,
    reshuffled_square,
    reshuffling_floor,
    step_grid,
)


@pytest.mark.parametrize("p", [OneSided(6), OneSided(4, symmetric=True), AnyOrder(6), AnyOrder(4, uniform=True)], ids=str)
def test_terms_and_constants(p):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 50, *p.point_shape))
    gx, gy = (np.stack([p.component_grad(z, np.array(i)) for i in range(p.n)]) for z in (x, y))
    np.testing.assert_allclose(gx.mean(axis=0), p.grad(x), atol=1e-12)
    for e in np.eye(p.dim):
        rise = (p.value(x + 1e-6 * e) - p.value(x - 1e-6 * e)) / 2e-6
        np.testing.assert_allclose(p.grad(x) @ e, rise, atol=1e-6)
    assert (np.linalg.norm(gx - gy, axis=-1) <= p.Lmax * np.linalg.norm(x - y, axis=-1) * (1 + 1e-12)).all()
    change = np.linalg.norm(p.grad(x) - p.grad(y), axis=-1)
    assert (change <= p.L * np.linalg.norm(x - y, axis=-1) * (1 + 1e-12)).all()
    assert (p.inner(p.grad(x) - p.grad(y), x - y) >= p.mu * p.sq(x - y) * (1 - 1e-12)).all()
    at_solution = np.stack([p.component_grad(p.x_star, np.array(i)) for i in range(p.n)])
    assert p.sigma_star == pytest.approx(np.sqrt((at_solution**2).sum(axis=1).mean()))


def test_second_moment_by_enumeration():
    n, K, step = 4, 3, 0.3
    p = SignedQuadratics(n, 1.5, 0.7)
    rng = Branches()
    states = list(itertools.islice(random_reshuffling(p, np.ones(1), step=step, rng=rng), K + 1))
    for k in range(1, K + 1):
        expected = reshuffled_square(k, step, p.a, p.nu, n, 1.0)
        assert rng.mean(p.sq(states[k])) == pytest.approx(expected, rel=1e-12)


def test_catalogued_value_of_the_second_moment():
    """n = 8, K = 6: the mean of replicates within five standard errors."""
    n, K, step = 8, 6, 0.05
    p = SignedQuadratics(n, 1.0, 1.0)
    x = run(random_reshuffling, p, np.ones(1), K, seeds=20_000, step=step).x[:, 0] ** 2
    assert abs(x.mean() - reshuffled_square(K, step, 1.0, 1.0, n, 1.0)) <= 5 * x.std() / np.sqrt(len(x))


def test_every_order_is_there_once():
    orders = all_orders(6)
    assert orders.shape == (2, 2 * comb(6, 3), 1, 6)
    assert (np.sort(orders, axis=-1) == np.arange(6)).all()
    kinds = {tuple(row) for row in (orders[0, : comb(6, 3), 0] < 3).astype(int)}
    assert len(kinds) == comb(6, 3)
    np.testing.assert_array_equal(orders[1, comb(6, 3):], orders[0, comb(6, 3):, :, ::-1])


def test_what_an_order_gains_for_u_it_loses_for_v():
    """After many epochs of small steps u + v = step nu, to first order, whatever the order."""
    step, epochs = 1e-4, 30_000
    p = AnyOrder(4, mu=0.1)
    orders = all_orders(4)
    x = np.zeros((orders.shape[1], 1, 3))
    settled = run(incremental, p, x, epochs, every=epochs, step=step, orders=orders, record=[]).x
    np.testing.assert_allclose(settled[..., 0] + settled[..., 1], step, rtol=0.02)


def test_no_order_keeps_all_terms_away_from_the_drift():
    """Random orders that change in every epoch settle there too, on average."""
    p, step = AnyOrder(4, mu=0.2), 1e-3
    x = run(random_reshuffling, p, np.zeros(3), 4000, seeds=50, every=4000, record=[], step=step).x
    assert (x[:, 0] + x[:, 1]).mean() == pytest.approx(step, rel=0.05)


def test_grab_herds():
    """The next order puts the terms whose centred gradient was added first, those subtracted last and reversed."""
    p = OneSided(4, symmetric=True)
    first, second, third = itertools.islice(grab(p, np.array([0.0, 0.0]), step=1e-6), 3)
    assert first.order.tolist() == [0, 1, 2, 3]
    # gradients +, +, -, -: signs +, -, +, - keep the balance, so 0, 2 come first and 3, 1 last
    assert second.order.tolist() == [0, 2, 3, 1]
    assert sorted(third.order.tolist()) == [0, 1, 2, 3]


def test_grab_beats_random_reshuffling():
    p, K = OneSided(64, mu=0.2), 60
    steps = step_grid(p.L, p.mu, p.n, K)["step"]
    x0 = np.broadcast_to(p.x0, (24, 2))
    herded = p.value(run(grab, p, x0, K, step=steps, record=[]).x).min()
    x0 = np.broadcast_to(p.x0, (200, 24, 2))
    shuffled = run(random_reshuffling, p, x0, K, seeds=200, step=steps, order=fresh_on_grid, record=[]).x
    assert herded < 0.3 * p.value(shuffled).mean(axis=0).min()


def test_one_fixed_order_is_the_incremental_method():
    p = OneSided(6)
    a = run(incremental, p, np.ones(2), 5, step=0.1, orders=np.arange(6)[None])
    b = run(random_reshuffling, p, np.ones(2), 5, seeds=1, step=0.1, order=lambda problem, rng: np.arange(6))
    np.testing.assert_array_equal(a.x, b.x[0])


def test_orders():
    p, rng = OneSided(6), Stream(np.arange(100))
    assert (np.sort(fresh(p, rng), axis=-1) == np.arange(6)).all()
    assert fresh_on_grid(p, rng).shape == (100, 1, 6)
    assert (np.sort(replaced(p, rng), axis=-1) != np.arange(6)).any()


@pytest.mark.parametrize(("build", "says"), [
    (lambda: OneSided(5), "n must be even"),
    (lambda: OneSided(4, mu=0.9), "mu must be at most L/2"),
    (lambda: AnyOrder(4, nu=0.0), "nu must be positive"),
])
def test_errors_are_one_sentence(build, says):
    with pytest.raises(ProblemError, match=says):
        build()


@pytest.mark.parametrize("n", [2, 4, 6])
@pytest.mark.parametrize("u", [0.01, 0.1, 0.5, 1.0])
def test_drift_of_an_epoch_against_every_order(n, u):
    """E x_1 from 0, all orders enumerated, is above the lower bound, and near it for short steps."""
    p, x = OneSided(n, L=2.0, mu=0.1, nu=0.7), 0.0
    step = u / 2.0
    orders = np.array(list(itertools.permutations(range(n))))
    x = np.zeros((len(orders), 2))
    for t in range(n):
        x = x - step * p.component_grad(x, orders[:, t])
    drift, bound = x[:, 0].mean() / (step * 0.7), least_drift(np.array([[u]]), n, 1)[0]
    assert bound <= drift * (1 + 1e-12)
    assert u > 0.01 or bound >= 0.9 * drift


def test_drift_of_many_epochs_against_a_simulation():
    """E x_K itself, at three standard errors."""
    p, u = OneSided(4, L=1.0, mu=0.1), 0.05
    trace = run(random_reshuffling, p, np.zeros(2), 60, seeds=4000, record=(), step=u)
    x = trace.x[:, 0] / u
    assert x.mean() + 3 * x.std() / np.sqrt(4000) >= least_drift(np.array([[u]]), 4, 60)[0] >= 0.6 * x.mean()


def test_the_floor_is_above_the_simple_bound_at_every_condition_number():
    """Which is what makes L nu^2/(12 mu^2 n K^2) a theorem: kappa to 10^4, K from 20 kappa on."""
    for n, kappa, often in itertools.product((4, 6, 8, 10, 12), (4, 10, 100, 1000, 10_000), (20, 50, 400)):
        constants = dict(k=often * kappa, L=1.0, mu=1 / kappa, nu=1.0, n=n)
        assert reshuffling_floor(**constants) >= no_step_does_better(**constants)
