"""Adaptive rules against plain loops, streams and regret, late and elastic gradients, polynomial preconditioners."""

from __future__ import annotations

import itertools

import array_api_strict
import numpy as np
import pytest

import optlab
from optlab import run
from optlab.gradient.adaptive import over
from optlab.gradient.asynchronous import edge
from optlab.gradient.preconditioned import two_huge
from optlab.gradient.regret import played, regret
from optlab.problems import sums
from optlab.problems.agents import Federation, heterogeneous_quadratics
from optlab.problems.errors import ProblemError
from optlab.problems.glm import LogisticRegression
from optlab.problems.online import LinearStream, PunishingStream, ReddiStream, Unfolding
from optlab.problems.preconditioning import KnownMatrix, Preconditioned, elementary_symmetric
from optlab.problems.quadratic import Quadratic
from optlab.quantities import Quantities
from optlab.rng import Stream

A = np.array([[3.0, 1.0, 0.0], [1.0, 2.0, -0.5], [0.0, -0.5, 1.0]])
PROBLEM = Quadratic(A, np.array([1.0, -2.0, 0.5]))
START = np.array([2.0, 1.0, -3.0])
STEPS = 40


def taken(generator, steps=STEPS):
    return [s[0] if isinstance(s, tuple) else s for s in itertools.islice(generator, steps + 1)]


# --- the rules, written out coordinate by coordinate ---------------------------------------------------------------
def plain_sign_descent(g, t, memory):
    return 0.01 * np.sign(g)


def plain_adagrad(g, t, memory):
    memory["s"] = memory.get("s", 0.0) + g * g
    return 0.5 * g / np.sqrt(memory["s"] + 1e-8)


def plain_rmsprop(g, t, memory):
    memory["s"] = 0.9 * memory.get("s", 0.0) + 0.1 * g * g
    return 0.01 * g / np.sqrt(memory["s"] + 1e-8)


def plain_adadelta(g, t, memory):
    memory["s"] = 0.9 * memory.get("s", 0.0) + 0.1 * g * g
    d = np.sqrt(memory.get("d", 0.0) + 1e-6) / np.sqrt(memory["s"] + 1e-6) * g
    memory["d"] = 0.9 * memory.get("d", 0.0) + 0.1 * d * d
    return d


def averages(g, t, memory):
    memory["m"] = 0.9 * memory.get("m", 0.0) + 0.1 * g
    memory["v"] = 0.99 * memory.get("v", 0.0) + 0.01 * g * g
    return memory["m"], memory["v"], 1 - 0.9**t, 1 - 0.99**t


def plain_adam(g, t, memory):
    m, v, cm, cv = averages(g, t, memory)
    return 0.1 * (m / cm) / (np.sqrt(v / cv) + 1e-8)


def plain_nadam(g, t, memory):
    m, v, cm, cv = averages(g, t, memory)
    return 0.1 / (np.sqrt(v / cv) + 1e-8) * (0.9 * m / cm + 0.1 * g / cm)


def plain_adamax(g, t, memory):
    m, _, cm, _ = averages(g, t, memory)
    memory["u"] = max(0.99 * memory.get("u", 0.0), abs(g))
    return 0.1 / cm * m / memory["u"]


def plain_amsgrad(g, t, memory):
    m, v, _, _ = averages(g, t, memory)
    memory["top"] = max(memory.get("top", 0.0), v)
    return 0.1 * m / (np.sqrt(memory["top"]) + 1e-8)


RULES = {
    "sign_descent": (plain_sign_descent, dict(step=0.01)),
    "adagrad": (plain_adagrad, dict(step=0.5)),
    "rmsprop": (plain_rmsprop, dict(step=0.01)),
    "adadelta": (plain_adadelta, {}),
    "adam": (plain_adam, dict(step=0.1, b2=0.99)),
    "nadam": (plain_nadam, dict(step=0.1, b2=0.99)),
    "adamax": (plain_adamax, dict(step=0.1, b2=0.99)),
    "amsgrad": (plain_amsgrad, dict(step=0.1, b2=0.99)),
}


@pytest.mark.parametrize("name", RULES)
def test_rules_against_plain_loops(name):
    plain, params = RULES[name]
    x, memories = START.tolist(), [{} for _ in START]
    for t, point in enumerate(taken(getattr(optlab, name)(PROBLEM, START, **params)), start=1):
        np.testing.assert_allclose(point, x, rtol=1e-12, atol=1e-13)
        g = PROBLEM.grad(np.array(x))
        x = [xi - plain(float(gi), t, memory) for xi, gi, memory in zip(x, g, memories, strict=True)]


@pytest.mark.parametrize("name", [*RULES, "delayed_gradient_descent"])
def test_a_batch_is_a_loop(name):
    rule = getattr(optlab, name)
    params = RULES[name][1] if name in RULES else dict(step=0.1, delay=2)
    starts = np.random.default_rng(0).standard_normal((2, 3, 3))
    together = taken(rule(PROBLEM, starts, **params))
    for i in np.ndindex(2, 3):
        np.testing.assert_allclose([x[i] for x in together], taken(rule(PROBLEM, starts[i], **params)), rtol=1e-12, atol=1e-14)


def test_adam_without_memory_is_sign_descent():
    still = taken(optlab.adam(PROBLEM, START, step=0.01, b1=0.0, b2=0.0, eps=0.0))
    np.testing.assert_allclose(still, taken(optlab.sign_descent(PROBLEM, START, step=0.01)), rtol=1e-13)


def test_nadam_without_memory_of_gradients_is_adam():
    params = dict(step=0.01, b1=0.0, b2=0.9)
    np.testing.assert_array_equal(taken(optlab.nadam(PROBLEM, START, **params)), taken(optlab.adam(PROBLEM, START, **params)))


@pytest.mark.parametrize("name", ["sign_descent", "adagrad", "rmsprop", "adam", "nadam", "adamax", "amsgrad"])
def test_without_eps_the_scale_of_the_function_does_not_matter(name):
    rule, params = getattr(optlab, name), dict(step=0.05)
    params |= dict(eps=0.0) if "eps" in rule.parameters else {}
    larger = Quadratic(16 * PROBLEM.A, 16 * PROBLEM.b)
    np.testing.assert_allclose(taken(rule(larger, START, **params)), taken(rule(PROBLEM, START, **params)), rtol=1e-11)


def test_zero_gradients_without_eps_do_not_move():
    flat = Quadratic(np.diag([1.0, 2.0]), np.zeros(2))
    for name in ("adagrad", "rmsprop", "adam", "nadam", "adamax", "amsgrad"):
        rule = getattr(optlab, name)
        eps = dict(eps=0.0) if "eps" in rule.parameters else {}
        last = taken(rule(flat, np.array([1.0, 0.0]), step=0.1, **eps))[-1]
        assert last[1] == 0.0
        assert 0 < abs(last[0]) < 1
    np.testing.assert_array_equal(over(np.array([0.0, 6.0]), np.array([0.0, 3.0])), [0.0, 2.0])


@pytest.mark.parametrize("name", RULES)
def test_rules_keep_to_the_arrays_own_namespace(name):
    class Square:
        def grad(self, x):
            return 2.0 * x

    rule, params = getattr(optlab, name), RULES[name][1]
    strict = taken(rule(Square(), array_api_strict.asarray([1.0, -2.0, 0.0]), **params), 3)[-1]
    assert type(strict).__module__.startswith("array_api_strict")
    np.testing.assert_allclose(np.asarray(strict), taken(rule(Square(), np.array([1.0, -2.0, 0.0]), **params), 3)[-1])


def test_steps_may_follow_a_schedule():
    halves = taken(optlab.adagrad(PROBLEM, START, step=lambda k: 0.5 if k else 0.25), 2)
    whole = taken(optlab.adagrad(PROBLEM, START, step=0.5), 1)
    np.testing.assert_allclose(halves[1] - START, (whole[1] - START) / 2, rtol=1e-12)


# --- online --------------------------------------------------------------------------------------------------------
def test_hindsight_is_the_best_vertex():
    stream = LinearStream(np.random.default_rng(0).standard_normal((5, 3)), 1.5)
    total = stream.rows.sum(axis=0)
    corners = np.array(list(itertools.product((-0.75, 0.75), repeat=3)))
    assert stream.hindsight(total) == pytest.approx((corners @ total).min())
    np.testing.assert_array_equal(stream.project(np.array([-2.0, 0.1, 3.0])), [-0.75, 0.1, 0.75])
    assert stream.Gmax == np.abs(stream.rows).max()


def test_a_stream_begins_anew_in_every_run():
    stream = LinearStream(np.random.default_rng(1).standard_normal((7, 2)))
    first, second = (run(optlab.online_adam, stream, steps=20, record=["iterates"], step=0.1).iterates for _ in range(2))
    for k, (a, b) in enumerate(zip(first, second, strict=True)):
        np.testing.assert_array_equal(a.x, b.x)
        np.testing.assert_array_equal(a.g, stream.rows[k % 7])
    view = Unfolding(stream)
    np.testing.assert_array_equal([view.grad(np.zeros(2)) for _ in range(8)], stream.rows[[*range(7), 0]])


def test_rounds_are_counted():
    trace = run(optlab.online_adagrad, LinearStream(np.ones((3, 2))), steps=10, step=0.1)
    assert trace.calls["loss_grad"][-1] == 11  # a round is yielded after its feedback


def test_regret_is_what_was_paid_beyond_the_best_point():
    stream = PunishingStream(np.random.default_rng(2).uniform(0.1, 1.0, (30, 2)))
    states = list(itertools.islice(optlab.online_adagrad(stream, np.zeros(2), step=1.0, eps=0.0), 30))
    folded = list(played(iter(states), Quantities(stream, np.zeros(2))))
    paid = sum(float(s.g @ s.x) for s in states)
    losses = sum(s.g for s in states)
    assert regret(stream, folded[-1]) == pytest.approx(paid + np.abs(losses).sum())
    assert folded[-1].rounds == 30
    assert all((s.g * s.x >= 0).all() for s in states)  # the adversary never pays


def test_online_players_stay_on_the_cube_and_keep_their_signature():
    stream = LinearStream(np.ones((1, 2)), 0.5)
    for name in ("adagrad", "adam", "adamax", "amsgrad", "nadam"):
        player, rule = getattr(optlab, f"online_{name}"), getattr(optlab, name)
        assert set(player.parameters) == set(rule.parameters) - {"project"}
        assert all((abs(x) <= 0.25).all() for x in taken(player(stream, np.zeros(2), step=0.2)))


def test_reddi_stream_fools_adam_and_not_amsgrad():
    stream = ReddiStream(4.0)
    h = optlab.steps.inverse_sqrt(0.5)
    ends = {}
    for player in (optlab.online_adam, optlab.online_amsgrad):
        ends[player.name] = taken(player(stream, stream.x0, step=h, b1=0.0, b2=stream.b2_fooled, eps=0.0), 3000)[-1]
    assert ends["online_adam"] == 1.0
    assert ends["online_amsgrad"] < -0.9


@pytest.mark.parametrize(("make", "words"), [
    (lambda: ReddiStream(2.0), "C must be greater than 2"),
    (lambda: LinearStream(np.zeros((2, 2))), "rows must hold a loss that is not zero"),
    (lambda: LinearStream(np.ones((2, 2)), -1.0), "side must be positive"),
    (lambda: KnownMatrix(np.array([[1.0, 2.0], [0.0, 1.0]])), "B must be symmetric"),
    (lambda: KnownMatrix(np.diag([1.0, 0.0])), "B must be positive definite"),
    (lambda: Preconditioned(PROBLEM, np.eye(2), 1.0), "B must be square of order 3"),
    (lambda: Preconditioned(PROBLEM, np.eye(3), 1.0, degree=3), "degree must be an integer from 0 to 2"),
    (lambda: Preconditioned.of_model(LogisticRegression(np.eye(2), np.array([1.0, -1.0]), 0.0), degree=1), "l2"),
])
def test_bad_arguments_are_named(make, words):
    with pytest.raises(ProblemError, match=words):
        make()


# --- minibatches, late gradients, elastic averaging ---------------------------------------------------------------
def test_minibatches_are_means_over_subsets():
    problem = sums.ridge(np.random.default_rng(3), n=6, d=3)
    x = np.ones((50, 3))
    drawn = optlab.minibatch_gradient(problem, x, batch=2, rng=Stream(np.arange(50))).g
    every = {i: problem.component_grad(np.ones(3), np.array(i)) for i in range(6)}
    means = np.array([(every[i] + every[j]) / 2 for i, j in itertools.combinations(range(6), 2)])
    nearest = np.abs(drawn[:, None] - means).max(axis=-1).min(axis=1)
    assert nearest.max() <= 1e-12
    assert len(np.unique(np.round(drawn[:, 0], 9))) > 8


def test_no_delay_is_gradient_descent():
    late = taken(optlab.delayed_gradient_descent(PROBLEM, START, step=0.2, delay=0))
    np.testing.assert_array_equal(late, taken(optlab.gradient_descent(PROBLEM, START, step=0.2)))


def test_late_gradients_are_late():
    x = [START] * 4
    for _ in range(STEPS):
        x.append(x[-1] - 0.05 * PROBLEM.grad(x[-4]))
    np.testing.assert_allclose(taken(optlab.delayed_gradient_descent(PROBLEM, START, step=0.05, delay=3)), x[3:], rtol=1e-12)


@pytest.mark.parametrize("delay", [1, 4])
def test_delayed_radius_is_that_of_the_companion_matrix(delay):
    step = 0.7 * edge(delay) / PROBLEM.L
    n = PROBLEM.dim
    blocks = np.zeros((n * (delay + 1),) * 2)
    blocks[:n, :n], blocks[:n, -n:] = np.eye(n), -step * A
    blocks[n:, :-n] = np.eye(n * delay)
    found = optlab.delayed_radius(PROBLEM, START, step=step, delay=delay).radius
    assert found == pytest.approx(np.abs(np.linalg.eigvals(blocks)).max(), abs=1e-10)


def test_easgd_ends_where_the_linear_system_says():
    federation = Federation(heterogeneous_quadratics(3, 2, mu=0.5, seed=1))
    rho, n, d = 0.5, 3, 2
    M = np.zeros((d * (n + 1),) * 2)
    rhs = np.zeros(d * (n + 1))
    for i, part in enumerate(federation.parts):
        here = slice(i * d, (i + 1) * d)
        M[here, here] = part.A + rho * np.eye(d)
        M[here, -d:] = -rho * np.eye(d)
        M[-d:, here] = np.eye(d)
        rhs[here] = part.b
    M[-d:, -d:] = -n * np.eye(d)
    expected = np.linalg.solve(M, rhs)
    state = run(optlab.easgd, federation, steps=3000, step=0.2, rho=rho, record=()).final
    np.testing.assert_allclose(state.x.ravel(), expected[:-d], atol=1e-12)
    np.testing.assert_allclose(state.center.ravel(), expected[-d:], atol=1e-12)


def test_agents_without_bands_descend_alone():
    federation = Federation(heterogeneous_quadratics(3, 2, seed=2))
    x0 = np.random.default_rng(0).standard_normal((3, 2))
    together = taken(optlab.easgd(federation, x0, step=0.3, rho=0.0))
    for i, part in enumerate(federation.parts):
        alone = taken(optlab.gradient_descent(part, x0[i], step=0.3))
        np.testing.assert_allclose([x[i] for x in together], alone, rtol=1e-11, atol=1e-13)


# --- preconditioning ----------------------------------------------------------------------------------------------
def test_elementary_symmetric_polynomials():
    values = [0.5, 2.0, 3.0, 7.0]
    for degree in range(5):
        direct = sum(np.prod(c) for c in itertools.combinations(values, degree))
        assert elementary_symmetric(values, 4)[degree] == pytest.approx(direct)


@pytest.mark.parametrize("degree", [0, 1, 2])
def test_three_ways_to_the_preconditioner(degree):
    p = Preconditioned(PROBLEM, A, 1.0, degree=degree)
    P = optlab.symmetric_preconditioner(KnownMatrix(A), START, degree=degree).P
    eigenvalues, U = np.linalg.eigh(A)
    direct = [elementary_symmetric(np.delete(eigenvalues, i), degree)[degree] for i in range(3)]
    np.testing.assert_allclose(P, (U * direct) @ U.T, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(p.precondition(np.eye(3)), P, rtol=1e-11, atol=1e-12)
    inside = np.linalg.eigvalsh(np.linalg.inv(np.linalg.cholesky(np.linalg.inv(A))) @ P
                                @ np.linalg.inv(np.linalg.cholesky(np.linalg.inv(A))).T)
    assert (p.alpha, p.beta) == pytest.approx((inside[0], inside[-1]), rel=1e-10)
    e = START - PROBLEM.x_star
    assert p.start_quantities["RP2"](p, START) == pytest.approx(e @ np.linalg.solve(P, e))
    assert p.start_quantities["RB2"](p, START) == pytest.approx(e @ A @ e)


def test_the_highest_degree_inverts():
    P = optlab.symmetric_preconditioner(KnownMatrix(A), START, degree=2).P
    np.testing.assert_allclose(P, np.linalg.det(A) * np.linalg.inv(A), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("problem", [two_huge(1), Preconditioned.of_model(sums.logistic(np.random.default_rng(0)), degree=1)])
def test_hessians_lie_within_the_matrix(problem):
    root = np.linalg.inv(np.linalg.cholesky(problem.B))
    rng = np.random.default_rng(1)
    for x in rng.standard_normal((10, problem.dim)) * np.geomspace(0.01, 100, 10)[:, None]:
        shares = np.linalg.eigvalsh(root @ problem.hess(x) @ root.T)
        assert problem.mu_B * (1 - 1e-9) <= shares[0]
        assert shares[-1] <= problem.L_B * (1 + 1e-9)


def test_degree_zero_is_the_plain_method():
    p = Preconditioned(PROBLEM, A, 1.0, degree=0)
    of = {optlab.preconditioned_gradient: optlab.gradient_descent, optlab.preconditioned_nesterov: optlab.nesterov}
    for ours, plain in of.items():
        np.testing.assert_array_equal(taken(ours(p, START, step=0.2)), taken(plain(PROBLEM, START, step=0.2)))


@pytest.mark.parametrize("name", ["gradient", "nesterov"])
def test_preconditioning_is_a_change_of_variables(name):
    """x = S u with S S' = P: the plain method in u."""
    p = Preconditioned(PROBLEM, A, 1.0, degree=1)
    S = np.linalg.cholesky(p.precondition(np.eye(3)))
    changed = S.T @ A @ S
    inner = Quadratic((changed + changed.T) / 2, S.T @ PROBLEM.b)
    plain = dict(gradient=optlab.gradient_descent, nesterov=optlab.nesterov)[name]
    ours = taken(getattr(optlab, f"preconditioned_{name}")(p, START, step=1 / p.beta))
    np.testing.assert_allclose(ours, [S @ u for u in taken(plain(inner, np.linalg.solve(S, START), step=1 / p.beta))],
                               rtol=1e-10, atol=1e-11)


def test_contraction_improves_with_the_degree_as_the_formula_says():
    """f with Hessian B: along the eigenvector of the smallest eigenvalue every step contracts by 1 - alpha/beta."""
    B = np.diag([1e4, 1e3, *np.linspace(5, 1, 8)])
    rates = []
    for degree in range(5):
        p = Preconditioned(Quadratic(B), B, 1.0, 1.0, degree=degree)
        x = taken(optlab.preconditioned_gradient(p, np.eye(10)[-1], step=1 / p.beta), 3)
        rates.append(x[3][-1] / x[2][-1])
        assert rates[-1] == pytest.approx(1 - p.alpha / p.beta, rel=1e-10)
    assert (np.diff(rates) < 0).all()


def test_a_flat_spectrum_needs_no_preconditioner():
    for degree in range(4):
        p = Preconditioned(Quadratic(2 * np.eye(4)), 2 * np.eye(4), 1.0, 1.0, degree=degree)
        assert p.alpha == pytest.approx(p.beta)
