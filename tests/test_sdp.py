"""The SDP writer against theory, against PEPit's path through cvxpy, and on problems that must fail."""

import importlib
import math
import time
from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("PEPit")

from PEPit import PEP, Expression, Point, null_point
from PEPit.functions import (
    BlockSmoothConvexFunctionExpensive,
    ConvexFunction,
    ConvexIndicatorFunction,
    ConvexLipschitzFunction,
    SmoothConvexFunction,
    SmoothStronglyConvexFunction,
    SmoothStronglyConvexQuadraticFunction,
)
from PEPit.operators import LinearOperator, LipschitzOperator, MonotoneOperator, NonexpansiveOperator
from PEPit.primitive_steps import linear_optimization_step, proximal_step

from optlab.analysis import sdp
from optlab.analysis.instance import reduce_dimension
from optlab.analysis.sdp import Status, solve_pep
from optlab.analysis.symbolic import symbolic_guard


def start(*functions, radius: float = 1.0):
    """A PEP over the sum of the functions, with x* and a start at distance `radius`."""
    pep = PEP()
    declared = [pep.declare_function(kind, **constants) for kind, constants in functions]
    total = declared[0]
    for f in declared[1:]:
        total = total + f
    xs = total.stationary_point()
    x = pep.set_initial_point()
    pep.set_initial_condition((x - xs) ** 2 <= radius**2)
    return pep, declared, total, xs, x


def descent(steps: int, step: float = 1.0, function=(SmoothConvexFunction, {"L": 1.0}), radius: float = 1.0):
    pep, (f,), _, xs, x = start(function, radius=radius)
    for _ in range(steps):
        x = x - step * f.gradient(x)
    pep.set_performance_metric(f(x) - f(xs))
    return pep


def assert_sound(certificate, tol: float = 1e-6) -> None:
    assert certificate.status is Status.SOLVED
    assert certificate.gap <= tol
    assert certificate.primal_error <= tol
    assert certificate.dual_error <= tol
    assert certificate.slack_min_eig >= -tol
    assert np.linalg.eigvalsh(certificate.gram)[0] >= -1e-12 * np.trace(certificate.gram)
    assert all(m.value >= 0 for m in certificate.multipliers if m.kind == "inequality")


@pytest.mark.parametrize("steps", [1, 4, 10])
@pytest.mark.parametrize("solver", [None, "SCS"])
def test_gradient_descent_meets_drori_teboulle(steps, solver):
    certificate = solve_pep(descent(steps), solver=solver)
    assert_sound(certificate)
    assert certificate.exact
    assert certificate.value == pytest.approx(1 / (4 * steps + 2), rel=1e-7)
    assert certificate.dual_value == pytest.approx(1 / (4 * steps + 2), rel=1e-7)


@pytest.mark.parametrize("radius", [1e-3, 1e3])
def test_the_scale_of_the_data_costs_no_accuracy(radius):
    certificate = solve_pep(descent(3, radius=radius))
    assert_sound(certificate)
    assert certificate.value == pytest.approx(radius**2 / 14, rel=1e-7)


def test_the_proof_can_be_added_up_by_hand():
    """Sum of multipliers times constraints, rebuilt from PEPit's objects, is t - value plus a PSD form."""
    pep = descent(2)
    certificate = solve_pep(pep)
    weight = {m.label: m.value for m in certificate.multipliers}
    assert weight["Performance metric 1"] == pytest.approx(1.0, abs=1e-7)
    named = [c for c in pep._list_of_prepared_constraints if c.get_name() in weight]
    total = pep.objective - sum(weight[c.get_name()] * c.expression for c in named)
    n = len(Point.list_of_leaf_points)
    form, rest = np.zeros((n, n)), {}
    for key, w in total.decomposition_dict.items():
        if isinstance(key, tuple):
            form[key[0].counter, key[1].counter] += w
        else:
            rest[key] = w
    assert rest.pop(1) == pytest.approx(certificate.dual_value, abs=1e-8)
    assert max(abs(w) for w in rest.values()) < 1e-6
    assert np.linalg.eigvalsh(-(form + form.T) / 2)[0] > -1e-6


def test_fista_and_nesterov_coincide_without_a_nonsmooth_part():
    def accelerated(composite: bool) -> PEP:
        parts = [(SmoothConvexFunction, {"L": 1.0})] + [(ConvexFunction, {})] * composite
        pep, functions, total, xs, x = start(*parts)
        y, t = x, 1.0
        for _ in range(5):
            before, forward = x, y - functions[0].gradient(y)
            x = proximal_step(forward, functions[1], 1.0)[0] if composite else forward
            t, old = (1 + math.sqrt(1 + 4 * t**2)) / 2, t
            y = x + (old - 1) / t * (x - before)
        pep.set_performance_metric(total(x) - total(xs))
        return pep

    smooth, composite = solve_pep(accelerated(False)), solve_pep(accelerated(True))
    assert_sound(smooth)
    assert_sound(composite)
    assert composite.exact
    assert smooth.value <= composite.value * (1 + 1e-6)
    assert composite.value <= 2 / 36  # Beck and Teboulle: 2 L R^2 / (k+1)^2
    assert composite.value == pytest.approx(composite.dual_value, rel=1e-6)


def test_proximal_point_and_proximal_gradient():
    pep, (f,), _, xs, x = start((ConvexFunction, {}))
    for _ in range(3):
        x, _, fx = proximal_step(x, f, 2.0)
    pep.set_performance_metric(fx - f(xs))
    certificate = solve_pep(pep)
    assert_sound(certificate)
    assert certificate.value == pytest.approx(1 / (4 * 2.0 * 3), rel=1e-7)

    pep, (f, h), total, xs, x = start((SmoothConvexFunction, {"L": 1.0}), (ConvexFunction, {}))
    for _ in range(3):
        x, _, hx = proximal_step(x - f.gradient(x), h, 1.0)
    pep.set_performance_metric(f(x) + hx - total(xs))
    certificate = solve_pep(pep)
    assert_sound(certificate)
    assert certificate.value == pytest.approx(1 / (4 * 3), rel=1e-6)


def test_halpern_on_a_nonexpansive_operator():
    pep = PEP()
    operator = pep.declare_function(NonexpansiveOperator)
    xs, _, _ = operator.fixed_point()
    x0 = x = pep.set_initial_point()
    pep.set_initial_condition((x0 - xs) ** 2 <= 1)
    for k in range(5):
        x = 1 / (k + 2) * x0 + (1 - 1 / (k + 2)) * operator.gradient(x)
    pep.set_performance_metric((x - operator.gradient(x)) ** 2)
    certificate = solve_pep(pep)
    assert_sound(certificate)
    assert certificate.value == pytest.approx((2 / 6) ** 2, rel=1e-6)  # Lieder, 2021


def test_extragradient_is_not_declared_exact():
    """Monotone and Lipschitz as two separate conditions on the same values: necessary, not sufficient."""
    pep = PEP()
    monotone = pep.declare_function(MonotoneOperator)
    lipschitz = pep.declare_function(LipschitzOperator, L=1.0)
    xs, x = pep.set_initial_point(), pep.set_initial_point()

    def operator(z, g=None):
        g = Point() if g is None else g
        for declared in (monotone, lipschitz):
            declared.add_point((z, g, Expression()))
        return g

    operator(xs, null_point)
    pep.set_initial_condition((x - xs) ** 2 <= 1)
    for _ in range(3):
        x = x - 0.5 * operator(x - 0.5 * operator(x))
    pep.set_performance_metric(operator(x) ** 2)
    certificate = solve_pep(pep)
    assert_sound(certificate)
    assert not certificate.exact
    assert certificate.value == pytest.approx(pep.solve(verbose=0, solver="CLARABEL"), rel=1e-5)
    assert 0 < certificate.value < 1


def test_frank_wolfe():
    pep = PEP()
    f = pep.declare_function(SmoothConvexFunction, L=1.0)
    indicator = pep.declare_function(ConvexIndicatorFunction, D=1.0)
    xs = (f + indicator).stationary_point()
    x = pep.set_initial_point()
    pep.add_constraint(indicator(x) == 0)
    for k in range(6):
        vertex, _, _ = linear_optimization_step(f.gradient(x), indicator)
        x = (k / (k + 2)) * x + (2 / (k + 2)) * vertex
    pep.set_performance_metric(f(x) - f(xs))
    certificate = solve_pep(pep)
    assert_sound(certificate)
    assert 0.5 / 8 <= certificate.value <= 2 / 8  # Jaggi: 2 L D^2 / (k+2)


def test_lmis_of_linear_operators_and_quadratics():
    quadratic = descent(3, function=(SmoothStronglyConvexQuadraticFunction, {"mu": 0.1, "L": 1.0}))
    certificate = solve_pep(quadratic)
    assert_sound(certificate)
    assert any(m.kind == "lmi" for m in certificate.multipliers)
    t = np.linspace(0.1, 1.0, 200_001)
    assert certificate.value == pytest.approx(np.max(0.5 * t * (1 - t) ** 6), rel=1e-5)

    pep = PEP()
    A = pep.declare_function(LinearOperator, L=2.0)
    x = pep.set_initial_point()
    pep.set_initial_condition(x**2 <= 1)
    pep.set_performance_metric(A.T.gradient(A.gradient(x)) ** 2)
    certificate = solve_pep(pep)
    assert_sound(certificate)
    assert certificate.value == pytest.approx(16.0, rel=1e-6)


def test_a_psd_matrix_written_with_two_different_triangles():
    """[[x^2, t], [x.y, y^2]] >= 0 states t = x.y; [[1, s], [s, x^2]] >= 0 bounds s by |x|."""
    pep = PEP()
    x, y, t, s = pep.set_initial_point(), pep.set_initial_point(), Expression(), Expression()
    pep.add_psd_matrix([[x**2, t], [x * y, y**2]])
    pep.add_psd_matrix([[1.0, s], [s, x**2]], name="root")
    pep.set_initial_condition(x**2 <= 4)
    pep.add_constraint(y**2 <= 9)
    pep.set_performance_metric(t + s)
    certificate = solve_pep(pep)
    assert_sound(certificate)
    assert certificate.value == pytest.approx(2 * 3 + 2, rel=1e-6)
    product = certificate.evaluate(x) @ certificate.evaluate(y)
    assert certificate.evaluate(t) == pytest.approx(product, abs=1e-5)
    root = next(m.value for m in certificate.multipliers if m.label == "root")
    assert root.shape == (2, 2)
    assert np.linalg.eigvalsh(root)[0] >= -1e-9


def test_block_coordinate_step():
    pep = PEP()
    partition = pep.declare_block_partition(d=2)
    f = pep.declare_function(BlockSmoothConvexFunctionExpensive, L=[1.0, 2.0], partition=partition)
    xs = f.stationary_point()
    x = pep.set_initial_point()
    pep.set_initial_condition((x - xs) ** 2 <= 1)
    for i, L in enumerate((1.0, 2.0)):
        x = x - 1 / L * partition.get_block(f.gradient(x), i)
    pep.set_performance_metric(f(x) - f(xs))
    certificate, theirs = solve_pep(pep), pep.solve(verbose=0, solver="CLARABEL")
    assert certificate.status is Status.SOLVED
    assert not certificate.exact
    assert certificate.value == pytest.approx(theirs, rel=1e-5)


def test_several_metrics_are_a_minimum():
    pep, (f,), _, _, x = start((SmoothConvexFunction, {"L": 1.0}))
    for _ in range(3):
        pep.set_performance_metric(f.gradient(x) ** 2)
        x = x - f.gradient(x)
    pep.set_performance_metric(f.gradient(x) ** 2)
    certificate = solve_pep(pep)
    assert_sound(certificate)
    assert certificate.value == pytest.approx(pep.solve(verbose=0, solver="CLARABEL"), rel=1e-5)
    weights = [m.value for m in certificate.multipliers if m.label.startswith("Performance metric")]
    assert sum(weights) == pytest.approx(1.0, abs=1e-7)


SHIPPED = [
    ("unconstrained_convex_minimization.optimized_gradient", "wc_optimized_gradient", {"L": 3, "n": 4}),
    ("unconstrained_convex_minimization.subgradient_method", "wc_subgradient_method",
     {"M": 2, "n": 6, "gamma": 1 / (2 * math.sqrt(7))}),
    ("unconstrained_convex_minimization.conjugate_gradient", "wc_conjugate_gradient", {"L": 1, "n": 2}),
    ("composite_convex_minimization.douglas_rachford_splitting", "wc_douglas_rachford_splitting",
     {"L": 1, "alpha": 1, "theta": 1, "n": 5}),
    ("composite_convex_minimization.frank_wolfe", "wc_frank_wolfe",
     {"L": 1, "D": 1, "R": 1, "center": None, "n": 6}),
    ("monotone_inclusions_variational_inequalities.three_operator_splitting", "wc_three_operator_splitting",
     {"L": 1, "mu": 0.1, "beta": 1, "alpha": 0.9, "theta": 1.3}),
    ("stochastic_and_randomized_convex_minimization.sgd", "wc_sgd",
     {"L": 1, "mu": 0.1, "gamma": 1, "v": 1, "R": 2, "n": 5}),
    ("fixed_point_problems.optimal_contractive_halpern_iteration", "wc_optimal_contractive_halpern_iteration",
     {"n": 6, "gamma": 1.1}),
    ("nonconvex_optimization.no_lips_1", "wc_no_lips_1", {"L": 1, "gamma": 0.5, "n": 3}),
    ("unconstrained_convex_minimization.gradient_descent_quadratics", "wc_gradient_descent_quadratics",
     {"L": 3.0, "mu": 0.3, "gamma": 0.2, "n": 4}),
]


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")
@pytest.mark.parametrize(("module", "name", "arguments"), SHIPPED, ids=[name for _, name, _ in SHIPPED])
def test_shipped_examples_side_by_side(monkeypatch, module, name, arguments):
    """PEPit's own examples: its value through cvxpy and ours on the very same PEP."""
    example: Callable = getattr(importlib.import_module(f"PEPit.examples.{module}"), name)
    theirs_solve, ours = PEP.solve, []

    def both(pep: PEP, *_, **__) -> float:
        ours.append(solve_pep(pep))
        return theirs_solve(pep, wrapper="cvxpy", solver="CLARABEL", verbose=0)

    monkeypatch.setattr(PEP, "solve", both)
    theirs, _ = example(**arguments, verbose=0)
    assert_sound(ours[0])
    assert ours[0].value == pytest.approx(theirs, rel=1e-5)


def test_a_forgotten_initial_condition_is_unbounded():
    pep = PEP()
    f = pep.declare_function(SmoothConvexFunction, L=1.0)
    xs, x = f.stationary_point(), pep.set_initial_point()
    y = x - f.gradient(x)
    pep.set_performance_metric(f(y) - f(xs))
    for solver in (None, "CLARABEL", "SCS"):
        certificate = solve_pep(pep, solver=solver)
        assert certificate.status is Status.UNBOUNDED
        assert certificate.value == math.inf
        assert not certificate.exact
        assert not certificate.multipliers

    # A bounded gradient does not bound the distance to x*: infinite, but no ray certifies it. Never a number.
    pep.add_constraint((x - y) ** 2 <= 1)
    certificate = solve_pep(pep)
    assert not certificate.status.has_value
    assert not math.isfinite(certificate.value)
    with pytest.raises(ValueError, match="holds no instance"):
        certificate.evaluate(x)
    with pytest.raises(ValueError, match="holds no instance"):
        reduce_dimension(pep, certificate)


def test_conditions_that_contradict_each_other_are_infeasible():
    pep = descent(1)
    pep.add_constraint(pep.list_of_points[0] ** 2 <= -1)
    for solver in ("CLARABEL", "SCS"):
        certificate = solve_pep(pep, solver=solver)
        assert certificate.status is Status.INFEASIBLE
        assert math.isnan(certificate.value)


@pytest.mark.parametrize(("weight", "status"), [(1.0, Status.SOLVED), (1.05, Status.UNBOUNDED)])
def test_a_potential_either_decreases_or_grows_without_bound(weight, status):
    """Without any constant the worst case is 0 or infinite: (k+1) L (f(x_{k+1}) - f*) + L/2 |x - x*|^2."""
    pep = PEP()
    f = pep.declare_function(SmoothConvexFunction, L=1.0)
    xs, x = f.stationary_point(), pep.set_initial_point()
    y = x - f.gradient(x)
    before = 3 * (f(x) - f(xs)) + 0.5 * (x - xs) ** 2
    pep.set_performance_metric(4 * weight * (f(y) - f(xs)) + 0.5 * weight * (y - xs) ** 2 - before)
    certificate = solve_pep(pep)
    assert certificate.status is status
    assert certificate.value == math.inf if status is Status.UNBOUNDED else abs(certificate.value) < 1e-7


def test_solving_twice_and_growing_a_pep():
    pep = descent(2)
    first, second = solve_pep(pep), solve_pep(pep)
    assert first.value == pytest.approx(second.value, rel=1e-12)
    assert first.constraints_total == second.constraints_total
    f = pep.list_of_functions[0]
    (xs, _, _), (x, g, _) = f.list_of_points[0], f.list_of_points[-1]
    pep.list_of_performance_metrics.clear()
    pep.set_performance_metric(f(x - g) - f(xs))  # one step more: PEPit would ignore the new oracle call
    assert solve_pep(pep).value == pytest.approx(1 / 14, rel=1e-7)


@pytest.mark.parametrize("solver", ["CLARABEL", "SCS"])
def test_the_chain_of_inequalities_gives_the_same_value(solver):
    certificate = solve_pep(descent(10), solver=solver, chain_first=True)
    assert_sound(certificate)
    assert certificate.exact
    assert certificate.constraints_used < certificate.constraints_total / 2
    assert certificate.value == pytest.approx(1 / 42, rel=1e-6)
    # Where proofs need more than the chain, what is missing comes back.
    pep, (f,), _, xs, x = start((ConvexLipschitzFunction, {"M": 1.0}))
    for _ in range(5):
        pep.set_performance_metric(f(x) - f(xs))
        x = x - 1 / math.sqrt(6) * f.gradient(x)
    pep.set_performance_metric(f(x) - f(xs))
    assert solve_pep(pep, solver=solver, chain_first=True).value == pytest.approx(1 / math.sqrt(6), rel=1e-5)


def test_the_worst_instance_is_readable_and_low_dimensional():
    pep = descent(4)
    certificate = solve_pep(pep)
    f = pep.list_of_functions[0]
    (xs, gs, fs), *path = f.list_of_points
    x0, g0, _ = path[0]
    distance = certificate.evaluate(x0) - certificate.evaluate(xs)
    assert distance @ distance == pytest.approx(certificate.evaluate((x0 - xs) ** 2), rel=1e-6)
    assert np.allclose(certificate.evaluate(x0 - g0), certificate.evaluate(x0) - certificate.evaluate(g0))
    assert np.all(certificate.evaluate(gs) == 0)
    assert certificate.evaluate(path[-1][2] - fs + 1) == pytest.approx(1 + certificate.value, rel=1e-7)

    low = reduce_dimension(pep, certificate)
    assert low.rank == 1  # the Huber function of one variable
    assert low.value == pytest.approx(certificate.value, rel=2e-6)
    assert low.multipliers is certificate.multipliers
    slopes = np.array([low.evaluate(g)[0] for _, g, _ in path])
    assert np.allclose(np.abs(slopes), 1 / 9, atol=1e-3)  # constant slope L R / (2k+1) along the path

    descent(1)
    with pytest.raises(ValueError, match="newer PEP"):
        solve_pep(pep)
    with pytest.raises(ValueError, match="not part of the PEP"):
        certificate.evaluate(Point())
    assert certificate.evaluate(x0 - xs) @ certificate.evaluate(x0 - xs) == pytest.approx(1.0, rel=1e-6)


def test_door():
    with pytest.raises(ValueError, match="no performance metric"):
        solve_pep(PEP())
    with pytest.raises(ValueError, match="MOSEK"):
        solve_pep(descent(1), solver="MOSEK")


@pytest.mark.filterwarnings("ignore:Strict constraints")
def test_the_guard_makes_silent_lies_loud_and_leaves_no_trace():
    _, (f,), _, _, x = start((SmoothStronglyConvexFunction, {"mu": 0.1, "L": 1.0}))
    y = x - f.gradient(x)
    with symbolic_guard():
        for lie in (lambda: 1 if f(x) <= f(y) else 0, lambda: min(f(x), f(y)), lambda: max(f(x), 0.0),
                    lambda: not f(x), lambda: np.float64(1.0) <= f(x) or 2, lambda: f(x) == f(y) and 1):
            with pytest.raises(TypeError, match="branches on values"):
                lie()
        with pytest.raises(RuntimeError), symbolic_guard():
            raise RuntimeError
        with pytest.raises(TypeError, match="branches on values"):  # the inner guard did not undo the outer
            bool(f(x) <= 1)
        z = proximal_step(y - 0.5 * f.gradient(y), f, 1.0)[0]  # honest bodies pass
        condition = f(z) <= 1
    assert bool(condition)
    assert bool(f(x))
    assert "__bool__" not in vars(Expression)
    assert "__bool__" not in vars(type(condition))


def test_speed_against_the_modelling_layer(capsys):
    """Reported, not asserted: seconds of a shared machine prove nothing."""
    clock = time.perf_counter()
    certificate = solve_pep(descent(20))
    ours, clock = time.perf_counter() - clock, time.perf_counter()
    scs = solve_pep(descent(20), solver="SCS")
    fast, pep, clock = time.perf_counter() - clock, descent(20), time.perf_counter()
    theirs = pep.solve(verbose=0, solver="CLARABEL")
    through_cvxpy = time.perf_counter() - clock
    assert certificate.value == pytest.approx(theirs, rel=1e-5)
    assert scs.value == pytest.approx(theirs, rel=1e-5)
    with capsys.disabled():
        print(f"\nN = 20: cvxpy {through_cvxpy:.2f} s, direct {ours:.2f} s "
              f"({through_cvxpy / ours:.0f}x), direct SCS {fast:.2f} s ({through_cvxpy / fast:.0f}x)")


def test_large_orders_go_to_scs():
    pep = descent(45)
    certificate = solve_pep(pep, chain_first=True)
    assert certificate.solver == "SCS"
    assert len(certificate.gram) > sdp.SMALL_ORDER
    assert certificate.value == pytest.approx(1 / 182, rel=1e-5)
