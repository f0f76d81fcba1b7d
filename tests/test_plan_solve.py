"""plan inverts theorems exactly; solve's certificates are true."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from optlab import (
    Control,
    Guarantee,
    cite,
    conjugate_gradient,
    cubic_newton,
    fista,
    gradient_descent,
    nesterov,
    plan,
    projected_subgradient,
    proximal_point,
    run,
    sgd,
    solve,
    suboptimality,
)
from optlab.analysis.registry import all_methods
from optlab.analysis.solve import certificate
from optlab.methods import Method
from optlab.problems import AssumptionError, Lasso, LeastSquares, LogisticRegression, ProblemError, Quadratic, Resisting
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


def test_every_method_is_ranked_or_refused_in_words():
    table = plan(P, 1e-3)
    assert {r.method for r in table}.isdisjoint(table.refused)
    assert {r.method for r in table} | set(table.refused) == set(all_methods())
    said = table.refused
    assert said["frank_wolfe"] == f"needs lmo, which {P} does not have"
    assert said["cubic_newton"] == "its bound speaks of the run itself (D), not of the start alone"
    assert said["adagrad"].startswith("no theorem on f(x) - f*: its theorems speak of")
    assert said["top_k"] == "a rule done in one stroke: it takes no steps"
    logistic = LogisticRegression.from_data("breast_cancer", l2=0.1)
    methods = [gradient_descent, conjugate_gradient]
    refused = plan(logistic, 1e-3, methods=methods).refused
    assert refused == {"conjugate_gradient":
                       f"its theorem on f(x) - f* assumes QuadraticForm, which {logistic} does not promise"}
    lasso = Lasso.from_data("diabetes")
    assert plan(lasso, 1e-3, methods=[fista, proximal_point]).refused == {
        "proximal_point": f"needs the prox of the whole objective; that of {lasso} is of its second part"}
    with pytest.raises(ProblemError, match="cubic_newton: its bound speaks of the run itself"):
        plan(P, 1e-3, methods=[cubic_newton])


def floor(problem, x, *, step):
    """A method whose bound has a noise floor of 0.01."""
    yield from gradient_descent(problem, x, step=step)


floor = Method(floor).proves(
    Guarantee(suboptimality, lambda k, R: R**2 / k + 0.01, cite(0, 0, "nobody"), recipe=lambda L: dict(step=1 / L),
              control=Control("too long a step", recipe=lambda L: dict(step=3 / L))))


def test_a_bound_with_a_floor_is_refused_below_it():
    assert plan(P, 0.1, methods=[floor])[0].steps == math.ceil(P.sq(P.x0 - P.x_star) / 0.09)
    with pytest.raises(ProblemError, match=r"floor: its bound does not come down to f\(x\) - f\* <= 0.005"):
        plan(P, 0.005, methods=[floor])


def test_steps_are_counted_where_the_theorem_speaks():
    """The theorem of the subgradient method is about the average, which gets there at another k than the iterates."""
    problem, eps = Resisting(20, 1.0, 2.0), 0.3
    (row,) = plan(problem, eps, x0=np.zeros(20), methods=[projected_subgradient])
    trace = run(projected_subgradient, problem, np.zeros(20), row.steps, record=["iterates"], **row.params)
    points = np.array([it.x for it in trace.iterates])
    averages = np.cumsum(points, axis=0)[:-1] / np.arange(1, len(points))[:, None]
    first = 1 + int(np.argmax(problem.value(averages) - problem.f_star <= eps))
    assert row.took(problem, eps, np.zeros(20)) == first <= row.steps
    assert np.argmax(problem.value(points) - problem.f_star <= eps) != first


def test_predictions_stand_beside_runs():
    eps = 1e-4
    table = plan(P, eps, methods=[gradient_descent, nesterov, conjugate_gradient])
    measured = table.measure()
    assert [t.row for t in measured] == list(table)
    for t in measured:
        assert t.reached
        assert t.steps == t.row.took(P, eps)
        assert t.looseness == t.row.steps / t.steps >= 1
        assert 0 < t.seconds < 1
        assert f"{t.row.steps:,}" in str(measured)
        assert f">{t.steps:,}<" in measured._repr_html_()
    assert [t.row for t in table.measure(within=table[1].seconds)] == table[:2]
    assert measured._repr_html_().count("<tr>") == len(measured) + 1


def test_a_run_that_is_not_there_in_time_says_so():
    """Ten thousand short steps, and one that is too long already: neither outlasts the caller's patience."""
    def idle(problem, x, *, calls):
        while True:
            for _ in range(calls):
                problem.grad(x)
            yield x

    for calls in (10, 10**5):
        body = Method(idle).proves(Guarantee(
            suboptimality, lambda k: 1e3 / k**3, cite(0, 0, "nobody"), vary=dict(calls=(calls,)),
            control=Control("none", recipe=lambda: dict(calls=0))))
        (row,) = plan(P, 1e-9, methods=[body])
        late = row.measure(P, 1e-9, patience=0.05)
        assert not late.reached
        assert late.steps < row.steps == 10**4
        assert math.isnan(late.looseness)
        assert late.cells[2].startswith("> ")
        assert late.cells[3] == ""
        assert late.kept, "its steps were not all taken"


def test_a_promise_that_is_not_kept_is_named():
    """All the steps that the theorem asks for, a thousand times too short."""
    (row,) = plan(P, 1e-4, methods=[gradient_descent])
    broken = replace(row, params={"step": 1e-3 / P.L}).measure(P, 1e-4)
    assert (broken.reached, broken.kept, broken.steps) == (False, False, row.steps)
    assert "NOT KEPT" in broken.cells
    assert row.measure(P, 1e-4).kept


def test_the_picture_has_a_mark_a_method_and_the_diagonal():
    measured = plan(P, 1e-4, methods=[gradient_descent, nesterov]).measure()
    ax = measured.plot()
    diagonal, marks, arrows = ax.lines
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert diagonal.get_xy1()[0] == diagonal.get_xy1()[1] > 0
    assert diagonal.get_xy2()[0] == diagonal.get_xy2()[1] > 0
    assert list(marks.get_xdata()) == [t.row.steps for t in measured]
    assert list(marks.get_ydata()) == [t.steps for t in measured]
    assert len(arrows.get_xdata()) == 0
    assert measured.plot(ax, marker="s") is ax
    assert len(ax.lines) == 5, "the diagonal is drawn once"


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


def test_nothing_is_planned_by_a_conjecture():
    """Nesterov's steps are counted by a theorem, although a smaller bound is conjectured; alone, the conjecture is refused."""
    conjectured = nesterov.with_only(nesterov.theorems("Table 1"))
    assert not conjectured.guarantees[0].proved
    with pytest.raises(ProblemError, match="a conjecture"):
        plan(Quadratic(np.diag([1.0, 0.1])), 1e-3, methods=[conjectured])
    (row,) = plan(Quadratic(np.diag([1.0, 0.1])), 1e-3, methods=[nesterov])
    assert "Table 1" not in row.source
