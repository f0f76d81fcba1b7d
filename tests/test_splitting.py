"""Nonexpansive operators, splittings and their methods: nonexpansiveness, solutions, displacement, identities."""

from __future__ import annotations

import itertools

import cvxpy as cp
import numpy as np
import pytest

from optlab.problems.assumptions import AveragedOperator, Nonexpansive
from optlab.problems.errors import ProblemError
from optlab.problems.operators import (
    Consensus,
    DouglasRachford,
    Expanded,
    LinearProgram,
    Projections,
    Relaxed,
    Screw,
    Shift,
    SplitLasso,
    TwoSets,
    consensus_quadratics,
    diabetes_split_lasso,
    disjoint_balls_douglas_rachford,
    random_program,
    screw,
)
from optlab.problems.pool import pool
from optlab.problems.prox import project_ball, project_box
from optlab.splitting.fixed_point import anderson, fixed_point_iteration, halpern, krasnoselskii_mann, vanishing
from optlab.splitting.proximal_splitting import admm, douglas_rachford

METHODS = {
    "picard": (fixed_point_iteration, {}), "mann": (krasnoselskii_mann, dict(relaxation=0.5)),
    "halpern": (halpern, dict(anchoring=vanishing)), "anderson": (anderson, {}),
}


def first(iterates, n):
    return list(itertools.islice(iterates, n))


@pytest.mark.parametrize("operator", [*pool(Nonexpansive), Shift(7, 0.3), Relaxed(screw(), 0.3)], ids=str)
def test_operator_is_nonexpansive_and_attains_its_displacement(operator):
    rng = np.random.default_rng(0)
    x, y = 3 * rng.standard_normal((2, 500, operator.dim))
    image, plain = operator.sq(operator.T(x) - operator.T(y)), operator.sq(x - y)
    assert (image <= plain * (1 + 1e-12)).all()
    if operator.meets(AveragedOperator):
        moved = operator.sq(x - operator.T(x) - y + operator.T(y))
        assert (image <= plain - (1 - operator.theta) / operator.theta * moved + 1e-9).all()
    np.testing.assert_allclose(operator.x_star - operator.T(operator.x_star), operator.v, atol=1e-9)
    # v is the shortest displacement: <x - T(x), v> >= ||v||^2 everywhere
    assert (operator.inner(x - operator.T(x), operator.v) >= operator.sq(operator.v) - 1e-9).all()


def test_projections_through_a_common_point():
    P = Projections([lambda x: project_ball(x, 1.0), lambda x: project_box(x, 0.0, 1.0)], np.array([0.5, 0.5]))
    x = first(fixed_point_iteration(P, np.array([3.0, -1.0])), 40)[-1]
    np.testing.assert_allclose(P.T(x), x, atol=1e-12)
    with pytest.raises(ProblemError, match="x_star must lie in every set"):
        Projections([lambda x: project_ball(x, 1.0)], np.array([2.0, 0.0]))


@pytest.mark.parametrize("feasible", [True, False])
@pytest.mark.parametrize("seed", [1, 3, 5])
def test_linear_program_against_cvxpy(seed, feasible):
    lp = random_program(seed, feasible=feasible)
    assert lp.feasible == feasible
    x, y = cp.Variable(lp.dim), cp.Variable(lp.dim)
    distance = cp.Problem(cp.Minimize(cp.sum_squares(y - x)), [x >= 0, lp.A @ y == lp.b])
    assert distance.solve(solver="CLARABEL") == pytest.approx(lp.sq(lp.v), abs=1e-7)
    value = cp.Problem(cp.Minimize(lp.c @ x), [x >= 0, lp.A @ x == lp.b - lp.A @ lp.v]).solve(solver="CLARABEL")
    assert value == pytest.approx(lp.f_star, rel=1e-6, abs=1e-7)
    DouglasRachford(lp, 0.7)  # raises where x* - T(x*) is not v


def test_douglas_rachford_detects_an_infeasible_program():
    operator = DouglasRachford(random_program(3, feasible=False))
    z = first(fixed_point_iteration(operator, np.zeros(operator.dim)), 3000)[-1]
    np.testing.assert_allclose(z - operator.T(z), operator.v, atol=1e-8)


def test_lasso_solution_against_cvxpy():
    lasso = diabetes_split_lasso()
    x = cp.Variable(lasso.dim)
    cp.Problem(cp.Minimize(cp.sum_squares(lasso.A @ x - lasso.b) / 2 + lasso.l1 * cp.norm1(x))).solve(solver="CLARABEL")
    np.testing.assert_allclose(lasso.x_star, x.value, atol=1e-5)


@pytest.mark.parametrize("splitting", [diabetes_split_lasso(), consensus_quadratics(),
                                       random_program(5, feasible=True)], ids=str)
def test_proxes_meet_the_optimality_conditions(splitting):
    step = 0.6
    x, s = splitting.x_star, splitting.slope
    np.testing.assert_allclose(splitting.prox_f(x + step * s, step), x, atol=1e-10)
    np.testing.assert_allclose(splitting.prox_g(x - step * s, step), x, atol=1e-10)
    rng = np.random.default_rng(1)
    v, w = rng.standard_normal((2, 50, *splitting.point_shape))
    for prox in (splitting.prox_f, splitting.prox_g):  # firmly nonexpansive
        d = prox(v, step) - prox(w, step)
        assert (splitting.sq(d) <= splitting.inner(d, v - w) + 1e-12).all()


def test_prox_of_least_squares_and_consensus_are_minimizers():
    lasso, step, v = diabetes_split_lasso(), 0.6, np.linspace(-1, 1, 10)
    x = lasso.prox_f(v, step)
    np.testing.assert_allclose(lasso.A.T @ (lasso.A @ x - lasso.b) + (x - v) / step, 0, atol=1e-10)
    agents = consensus_quadratics()
    v = np.random.default_rng(2).standard_normal((2, 5, 3))
    x = agents.prox_f(v, step)
    np.testing.assert_allclose(np.einsum("nij,snj->sni", agents.A, x) - agents.b + (x - v) / step, 0, atol=1e-10)


def test_douglas_rachford_is_the_fixed_point_iteration_of_its_operator():
    lasso = diabetes_split_lasso()
    z0 = np.random.default_rng(3).standard_normal((2, 10))
    operator = DouglasRachford(lasso, 0.8)
    for relaxation in (1.0, 1.6):
        runs = zip(first(douglas_rachford(lasso, z0, step=0.8, relaxation=relaxation), 30),
                   first(krasnoselskii_mann(operator, z0, relaxation=relaxation), 30), strict=True)
        for state, z in runs:
            np.testing.assert_allclose(state.z, z, atol=1e-12)


def test_admm_is_douglas_rachford():
    """z + u of ADMM is the governing point of Douglas-Rachford on (g, f) with step 1/rho."""
    lasso, rho = diabetes_split_lasso(), 1.7
    z0 = np.linspace(-1, 1, 10)

    class Swapped:
        prox_f, prox_g = staticmethod(lasso.prox_g), staticmethod(lasso.prox_f)

    states = first(admm(lasso, z0, rho=rho), 40)
    for state, dr in zip(states, first(douglas_rachford(Swapped, z0, step=1 / rho), 40), strict=True):
        np.testing.assert_allclose(state.z + state.u, dr.z, atol=1e-11)
        np.testing.assert_allclose(state.z, dr.x, atol=1e-11)


def test_admm_needs_a_matching_multiplier_for_its_rate():
    """||w_1 - w_0||^2 <= ||w_0 - w*||^2 is missed when u_0 is no subgradient of g at z_0."""
    agents, rho = consensus_quadratics(), 1.0
    z0 = np.random.default_rng(0).standard_normal(agents.point_shape)
    solution = (agents.x_star, -agents.slope / rho)
    for u0, holds in ((0 * z0, False), (None, True)):
        ratios = []
        for shift in 3.0 ** np.arange(-3, 3):
            a, b = first(admm(agents, agents.x_star + shift * z0, u0, rho=rho), 2)
            ratios.append(sum(agents.sq(q - p) for p, q in zip(a, b, strict=True))
                          / sum(agents.sq(p - s) for p, s in zip(a, solution, strict=True)))
        assert (max(ratios) <= 1 + 1e-12) == holds


def test_admm_restarts_from_what_it_yields():
    agents = consensus_quadratics()
    states = first(admm(agents, agents.x0 + 1.0, rho=2.0), 12)
    again = first(admm(agents, *states[5], rho=2.0), 7)
    for a, b in zip(states[5:], again, strict=True):
        np.testing.assert_array_equal(a.z, b.z)
    np.testing.assert_allclose(first(admm(agents, agents.x0, rho=1.0), 400)[-1].z, agents.x_star, atol=1e-9)


def test_halpern_meets_the_lower_bound_exactly_and_anderson_cannot_beat_it():
    for N in (3, 10, 50):
        shift = Shift(N + 1)
        bound = 4 / (N + 1) ** 2
        x = first(halpern(shift, np.zeros(N + 1), anchoring=vanishing), N + 1)[-1]
        assert shift.sq(x - shift.T(x)) == pytest.approx(bound, rel=1e-12)
        y = first(anderson(shift, np.zeros(N + 1)), N + 1)[-1]
        assert shift.sq(y - shift.T(y)) == pytest.approx(4 / (N * (N + 1)), rel=1e-9)


def test_no_point_of_the_span_beats_the_lower_bound():
    N = 8
    shift, rng = Shift(N, drift=0.4), np.random.default_rng(5)
    x, residuals = np.zeros(N + 1), []
    for _ in range(N):  # any span method: random weights on the residuals seen so far
        residuals.append(x - shift.T(x))
        x = -rng.uniform(0.5, 1.5, len(residuals)) @ np.array(residuals)
    R = np.array(residuals) - shift.v
    w = np.linalg.lstsq((R[1:] - R[0]).T, -R[0], rcond=None)[0]  # the best affine combination of the N residuals
    assert np.sum((R[0] + w @ (R[1:] - R[0])) ** 2) == pytest.approx(4 / N**2, rel=1e-9)


def test_anderson_solves_an_affine_problem_in_as_many_steps_as_dimensions():
    spin = Screw([2.0, 1.0, 0.4], center=np.ones(6))
    x = first(anderson(spin, np.zeros((3, 6)) + np.arange(3.0)[:, None]), 9)[-1]
    np.testing.assert_allclose(x, np.ones((3, 6)), atol=1e-10)


@pytest.mark.parametrize("name", METHODS)
def test_batch_is_loop_and_the_start_is_untouched(name):
    method, params = METHODS[name]
    operator = disjoint_balls_douglas_rachford()
    x0 = np.random.default_rng(4).standard_normal((3, 3)) * 2
    kept = x0.copy()
    together = first(method(operator, x0, **params), 12)
    for i in range(3):
        alone = first(method(operator, x0[i], **params), 12)
        np.testing.assert_allclose([a[i] for a in together], alone, atol=1e-8)
    np.testing.assert_array_equal(x0, kept)


@pytest.mark.parametrize(("build", "words"), [
    (lambda: Screw([0.0]), "angles must not be multiples of 2 pi"),
    (lambda: Relaxed(screw(), 1.5), "theta must be below 1"),
    (lambda: TwoSets(lambda x: project_ball(x, 1.0), lambda x: project_ball(x, 1.0, np.array([3.0, 0.0])),
                     np.array([1.0, 0.0]), np.array([2.5, 0.0])), "a and b must be a nearest pair"),
    (lambda: LinearProgram(np.ones((2, 3)), [1.0, 1.0], np.ones(3)), "A must have full row rank"),
    (lambda: LinearProgram(np.array([[1.0, -1.0]]), [0.0], [-1.0, -1.0]), "dual feasible"),
    (lambda: SplitLasso(np.eye(2), [1.0, 1.0], -1.0), "l1 must be positive"),
    (lambda: Consensus(np.zeros((2, 1, 1)), np.zeros((2, 1))), "positive definite"),
    (lambda: DouglasRachford(diabetes_split_lasso(), 0.0), "step must be positive"),
])
def test_errors_are_sentences(build, words):
    with pytest.raises(ProblemError, match=words):
        build()


def test_expanded_operator_is_no_longer_nonexpansive():
    long = Expanded(screw(), 1.05)
    x = long.x_star + np.eye(7)[0]
    assert long.norm(long.T(x) - long.T(long.x_star)) == pytest.approx(1.05)
