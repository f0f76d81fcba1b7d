"""Online learning: losses fixed in advance, their leaders against scipy, and the players against loops written out."""

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize

import optlab
from optlab.gradient.online import all_rounds, stubborn, total_regret
from optlab.problems import LinearRounds, QuadraticRounds, SeeSaw
from optlab.problems.errors import ProblemError
from optlab.quantities import Quantities

RNG = np.random.default_rng(5)
LINEAR = LinearRounds(RNG.standard_normal((7, 3)), 1.5)
BOWLS = QuadraticRounds(RNG.uniform(-1, 1, (7, 3)), 0.7)
PROBLEMS = pytest.mark.parametrize("p", [LINEAR, BOWLS], ids=str)
X0 = np.array([[0.3, -0.2, 0.7], [0.0, 0.5, -0.5]])


@PROBLEMS
@pytest.mark.parametrize("step", [0.05, 3.0, np.inf])
@pytest.mark.parametrize("k", [0, 4, 16])
def test_leaders_are_minimizers(p, step, k):
    """Also beyond the last row: rows repeat."""
    for x, found in zip(X0, p.leader(X0, k, step), strict=True):
        def paid(u, x=x):
            return sum(float(p.loss_value(u, i)) for i in range(k + 1)) + float(p.sq(u - x)) / (2 * step)

        best = minimize(paid, np.zeros(3), bounds=[(-p.side / 2, p.side / 2)] * 3, method="L-BFGS-B", tol=1e-14).fun
        assert paid(found) <= best + 1e-8
        if np.isinf(step):
            assert paid(found) == pytest.approx(p.best_in_hindsight(k), abs=1e-10)


def test_of_several_leaders_the_nearest():
    p = LinearRounds(np.array([[1.0, 0.0], [-1.0, 1.0]]))
    np.testing.assert_array_equal(p.leader(np.array([0.25, 0.5]), 1), [0.25, -1.0])


@PROBLEMS
def test_players_against_loops_written_out(p):
    rounds = 12
    x, first, total = X0, X0, 0 * X0
    players = {"descent": optlab.online_gradient_descent(p, X0, step=0.3), "leader": optlab.follow_the_leader(p, X0, step=0.3),
               "frank": optlab.online_frank_wolfe(p, X0, step=0.3, share=0.2)}
    found = {name: list(itertools.islice(player, rounds)) for name, player in players.items()}
    y = z = X0
    for k in range(rounds):
        for name, point in (("descent", x), ("frank", y), ("leader", z)):
            np.testing.assert_allclose(found[name][k].x, point, rtol=1e-12, atol=1e-13)
            np.testing.assert_allclose(found[name][k].loss, p.loss_value(point, k))
            assert found[name][k].k == k
        x = np.clip(x - 0.3 * p.loss_grad(x, k), -p.side / 2, p.side / 2)
        total = total + p.loss_grad(y, k)
        y = 0.8 * y + 0.2 * np.where(y - first + 0.3 * total >= 0, -1, 1) * p.side / 2
        z = p.leader(first, k, 0.3)


def test_on_linear_losses_regularized_leaders_are_lazy_projected_descent():
    total = np.zeros(3)
    for k, it in enumerate(itertools.islice(optlab.follow_the_leader(LINEAR, X0, step=0.4), 10)):
        np.testing.assert_allclose(it.x, LINEAR.project(X0 - 0.4 * total), rtol=1e-12)
        total = total + LINEAR.row(k)


@PROBLEMS
def test_regret_is_what_was_paid_above_the_best_fixed_point(p):
    fold = all_rounds(optlab.online_gradient_descent(p, X0, step=0.2), Quantities(p, X0))
    played, points = itertools.islice(fold, 9), itertools.islice(optlab.online_gradient_descent(p, X0, step=0.2), 9)
    paid = np.zeros(2)
    for k, (account, it) in enumerate(zip(played, points, strict=True)):
        paid = paid + p.loss_value(it.x, k)
        np.testing.assert_allclose(total_regret(p, account), paid - p.best_in_hindsight(k), rtol=1e-12)


@PROBLEMS
def test_a_leader_regrets_how_much_better_each_round_made_the_next(p):
    """Regret = sum_k F_k(x_k) - min F_k, where F_k is what rounds 0 .. k cost: an identity."""
    fold = all_rounds(optlab.follow_the_leader(p, X0), Quantities(p, X0))
    expected = np.zeros(2)
    for account in itertools.islice(fold, 15):
        k = account.k
        expected = expected + sum(p.loss_value(account.x, i) for i in range(k + 1)) - p.best_in_hindsight(k)
        np.testing.assert_allclose(total_regret(p, account), expected, rtol=1e-10, atol=1e-12)


def test_the_see_saw_costs_the_leader_one_a_round():
    p = SeeSaw(40)
    fold = all_rounds(optlab.follow_the_leader(p, p.x0), Quantities(p, p.x0))
    regrets = [float(total_regret(p, account)) for account in itertools.islice(fold, 40)]
    np.testing.assert_allclose(regrets, np.arange(40) + 0.5)


def test_who_never_moves_pays_the_most():
    p = LinearRounds(np.ones((1, 1)))
    fold = all_rounds(stubborn(p, np.ones(1)), Quantities(p, np.ones(1)))
    assert [float(total_regret(p, a)) for a in itertools.islice(fold, 3)] == [2.0, 4.0, 6.0]


@pytest.mark.parametrize(("build", "why"), [
    (lambda: LinearRounds(np.zeros((3, 2))), "rows must hold a loss that is not zero"),
    (lambda: LinearRounds(np.ones(3)), "rows must be a non-empty matrix"),
    (lambda: QuadraticRounds(np.full((2, 2), 3.0)), "rows must lie in the cube of side 2, got an entry of size 3"),
    (lambda: LinearRounds(np.ones((3, 2)), -1.0), "side must be positive"),
    (lambda: QuadraticRounds(np.ones((2, 2)), 0.0), "mu must be positive"),
])
def test_doors(build, why):
    with pytest.raises(ProblemError, match=why):
        build()
