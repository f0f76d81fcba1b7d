"""plan inverts theorems exactly; solve's certificates are true."""

import json
import math

import numpy as np
import pytest

from optlab import gradient_descent, nesterov, plan, run, sgd, solve
from optlab.analysis.solve import certificate
from optlab.methods import Method
from optlab.problems import AssumptionError, Lasso, LeastSquares, LogisticRegression, ProblemError, Quadratic
from optlab.problems.base import Problem
from optlab.running import StopReason

P = Quadratic(np.diag([1.0, 0.1]), [1.0, 1.0])
SINGULAR = Quadratic(np.diag([1.0, 0.0]), [1.0, 0.0])


# --- plan -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("eps", [1e-1, 1e-3, 1e-8])
def test_steps_are_the_first_at_which_the_bound_is_met(eps):
    """Of all theorems of gradient descent, the one that asks for least: one of three linear rates, or the sublinear one."""
    (row,) = plan(P, eps, methods=[gradient_descent])
    R2, D0 = float(P.sq(P.x0 - P.x_star)), float(P.value(P.x0) - P.f_star)
    linear = math.ceil(math.log(2 * eps / (P.L * R2)) / (2 * math.log(1 - P.mu / P.L)))
    pl = math.ceil(math.log(eps / D0) / math.log(1 - P.mu / P.L))
    sublinear = math.ceil((P.L * R2 / eps - 2) / 4)
    longest = math.ceil((P.L / P.mu + 1) / 4 * math.log(P.L * R2 / (2 * eps)))  # with the step 2 / (mu + L)
    assert row.steps == max(1, min(linear, pl, sublinear, longest))


@pytest.mark.parametrize("problem", [P, SINGULAR, LeastSquares.from_data("diabetes", l2=1.0)], ids=str)
def test_the_run_keeps_what_the_theorem_promises(problem):
    eps = 1e-4 * (problem.value(problem.x0) - problem.f_star)
    for row in plan(problem, float(eps), methods=[gradient_descent, nesterov]):
        trace = run(row.body, problem, steps=row.steps, **row.params)
        assert trace["f(x) - f*"][-1] <= eps * (1 + 1e-9)
        took = row.took(problem, float(eps))
        assert took is not None
        assert took <= row.steps
        assert trace["f(x) - f*"][took] <= eps
        assert took == 0 or trace["f(x) - f*"][took - 1] > eps


def test_a_sublinear_bound_is_inverted_exactly():
    def descend(problem, x, *, step):
        yield from gradient_descent(problem, x, step=step)

    (row,) = plan(SINGULAR, 1e-3, methods=[Method(descend).proves(gradient_descent.guarantees[0])])
    assert row.steps == math.ceil((SINGULAR.L * 1.0 / 1e-3 - 2) / 4)
    assert row.params == {"step": 1 / SINGULAR.L}


def test_the_table_is_sorted_by_predicted_time_and_explains_itself():
    table = plan(P, 1e-3)
    assert len(table) >= 3
    assert [r.seconds for r in table] == sorted(r.seconds for r in table)
    assert {"gradient_descent", "nesterov"} <= {r.method for r in table}
    for r in table:
        assert r.steps >= 1
        assert r.seconds == pytest.approx(r.steps * r.seconds_per_step)
        json.dumps(r.as_dict())
    assert "gradient_descent" in str(table)
    assert table._repr_html_().count("<tr>") == len(table) + 1


def test_a_free_step_is_chosen_against_the_noise_floor():
    """SGD with a constant step has a floor: a smaller eps asks for a smaller step and more steps."""
    problem = LogisticRegression.from_data("breast_cancer", l2=0.1)
    (coarse,) = plan(problem, 1e-1, methods=[sgd])
    (fine,) = plan(problem, 1e-3, methods=[sgd])
    assert fine.random
    assert fine.steps > coarse.steps


@pytest.mark.parametrize(("call", "sentence"), [
    (lambda: plan(P, 0.0), "eps must be a positive number, got 0.0"),
    (lambda: plan(P, math.nan), "eps must be a positive number, got nan"),
    (lambda: plan(P, "small"), "eps must be a positive number, got 'small'"),
    (lambda: plan(P, 1e-3, x0=np.zeros(5)), "x0 must end in point_shape"),
    (lambda: plan(P, 1e-3, methods=[]), r"no theorem bounds f\(x\) - f\* for"),
    (lambda: solve(P, tol=0), "tol must be a positive number, got 0"),
    (lambda: solve(P, x0=np.zeros((3, 2))), "solve takes one start, got a batch"),
    (lambda: solve(P, sgd), "sgd needs"),
    (lambda: solve(P, gradient_descent, steps=-1), "steps must be a positive integer, got -1"),
    (lambda: solve(P, gradient_descent, pace=1.0), "gradient_descent has no parameter 'pace'"),
    (lambda: solve(LeastSquares.from_data("diabetes", l2=1.0), sgd), "sgd is random"),
])
def test_bad_use_is_one_sentence(call, sentence):
    with pytest.raises((ProblemError, AssumptionError), match=sentence) as caught:
        call()
    assert "\n" not in str(caught.value)


# --- solve ----------------------------------------------------------------------------------------------------
PROBLEMS = [P, LogisticRegression.from_data("breast_cancer", l2=0.01), LeastSquares.from_data("diabetes", l2=0.1),
            Lasso.from_data("diabetes", 5.0)]


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
@pytest.mark.parametrize("tol", [1e-3, 1e-7])
def test_the_certificate_is_true(problem, tol):
    answer = solve(problem, tol=tol)
    assert answer.certified, str(answer)
    assert answer.stop is StopReason.TOLERANCE
    error = float(problem.value(answer.x)) - problem.f_star
    rounding = 1e-12 * (1 + abs(problem.f_star))
    assert error <= answer.gap + rounding
    assert answer.gap <= tol
    name, gap = certificate(problem)
    assert answer.certificate == name
    assert gap(answer.x) == pytest.approx(answer.gap, rel=1e-9), "the certificate cannot be recomputed"
    assert "certified" in str(answer)
    assert json.loads(json.dumps(answer.as_dict()))["certified"]


def test_a_cap_is_kept_and_owned_up_to():
    answer = solve(PROBLEMS[1], gradient_descent, tol=1e-9, steps=5)
    assert not answer.certified
    assert answer.steps <= 5
    assert answer.stop is StopReason.STEPS
    assert "NOT reached" in str(answer)
    assert answer.gap >= float(PROBLEMS[1].value(answer.x)) - PROBLEMS[1].f_star


def test_a_plain_generator_can_be_solved_with():
    def descend(problem, x, *, step):
        while True:
            yield x
            x = x - step * problem.grad(x)

    answer = solve(P, descend, tol=1e-6, step=0.9)
    assert answer.certified
    assert answer.params == {"step": 0.9}
    assert answer.method == "descend"


def test_a_diverging_method_returns_its_best_point():
    answer = solve(P, gradient_descent, tol=1e-9, step=3.0, steps=2000)
    assert not answer.certified
    assert answer.steps == 0
    assert np.isfinite(answer.value)


def test_a_problem_without_a_certificate_is_refused():
    with pytest.raises(AssumptionError, match="offers no computable certificate"):
        solve(Problem())


def test_the_start_may_be_the_answer():
    answer = solve(P, gradient_descent, tol=1e-6, x0=P.x_star)
    assert answer.certified
    assert answer.steps == 0
