"""PEPit's shipped examples of gradient methods for smooth functions, side by side with the methods that run here."""

import contextlib
import io
import math
import re
from dataclasses import replace
from itertools import islice, pairwise

import numpy as np
import pytest
from parity import Example, shipped, side_by_side

import optlab
from optlab import suboptimality, worst_case
from optlab.analysis.certify import certify
from optlab.analysis.instance import reduce_dimension
from optlab.analysis.sdp import solve_pep
from optlab.fold import Pair, pairs
from optlab.gradient.accelerated import by_half
from optlab.gradient.heavy_ball import towards_one, vanishing
from optlab.gradient.optimized import momenta, robust_rate, robust_weight, slack_after, slack_before, theta
from optlab.guarantee import Guarantee, cite, now, start
from optlab.measures import Measure, point, sq_distance
from optlab.problems import Composed, LargestSquare, ProblemError, Quadratic
from optlab.problems.assumptions import (
    Convex,
    LinearComposition,
    LowerBounded,
    QuadraticForm,
    QuadraticUpperBound,
    SkewComposition,
    Smooth,
    StronglyConvex,
    SymmetricComposition,
)
from optlab.problems.base import Misdeclared
from optlab.problems.pool import pool
from optlab.steps import SILVER, silver, silver_strongly_convex, steadily

HERE = "unconstrained_convex_minimization"
LOW = "low_dimensional_worst_cases_scenarios"
SMOOTH = (Smooth(2.0), Convex())
STRONG = (Smooth(2.0), StronglyConvex(0.2))
ROUGH = (QuadraticUpperBound(2.0), Convex())


def theorem(method, words):
    """The method's guarantee whose source has these words."""
    (found,) = [g for g in method.guarantees if words in str(g.source)]
    return found


# --- questions that are asked of more than a start -------------------------------------------------------------
def two_runs(problem, x, y=None, *, step):
    """Gradient descent from two starts, side by side; over a class the second one is free as well."""
    y = problem.start() if y is None else y
    for a, b in zip(*(optlab.gradient_descent(problem, z, step=step) for z in (x, y)), strict=True):
        yield Pair(a, b)


apart = Measure("||x - y||^2", lambda p, pair: p.sq(pair.y - pair.x))
contraction = Guarantee(apart, lambda k, L, mu, step, apart_0: max(1 - step * mu, step * L - 1) ** (2 * k) * apart_0,
                        cite(0, 0, "derived"), assumes=(StronglyConvex, Smooth), using=dict(apart_0=start(apart)))


def energy(problem, it):
    return problem.value(point(it)) - problem.f_star + problem.mu / 2 * sq_distance(problem, it)


from_energy = replace(theorem(optlab.nesterov_strongly_convex, "Nesterov 2004, Thm 2.2.3"), using=dict(V0=start(energy)),
                      bound=lambda k, mu, L, V0: (1 - math.sqrt(mu / L)) ** k * V0)


def lyapunov(L, mu, rho):
    """l ||x - x*||^2 + slack, after and before a step from any state."""
    l = robust_weight(L, mu, rho)
    after = Measure("V+", lambda p, pair: l * sq_distance(p, pair.y) + slack_after(p, pair))
    return Guarantee(after, lambda rho, v: rho**2 * v, cite(0, 0, "Cyrus-Hu-Van Scoy-Lessard 2018, Thm 1"), at=pairs,
                     assumes=(StronglyConvex, Smooth), from_any_state=True, recipe=lambda: dict(rho=rho),
                     using=dict(v=now(lambda p, pair: l * sq_distance(p, pair.x) + slack_before(p, pair))))


def robust():
    rho = robust_rate(1.0, 0.1, 0.2)
    return worst_case(optlab.triple_momentum, (Smooth(1.0), StronglyConvex(0.1)), 2, guarantee=lyapunov(1.0, 0.1, rho),
                      hold=("v",), **momenta(1.0, 0.1, rho))


def low_dimensional_descent():
    return worst_case(optlab.gradient_descent, (Smooth(1.0), LowerBounded()), 4, step=1.0,
                      guarantee=theorem(optlab.gradient_descent, "by the drop"))


def low_dimensional_ogm():
    return worst_case(optlab.optimized_gradient, (Smooth(3.0), Convex()), 3)


EXAMPLES = [
    Example(f"{HERE}.gradient_descent", dict(L=3, gamma=1 / 3, n=4),
            lambda: worst_case(optlab.gradient_descent, (Smooth(3.0), Convex()), 4, measure=suboptimality), bounded=True),
    Example(f"{HERE}.gradient_descent_quadratics", dict(mu=0.3, L=3, gamma=1 / 3, n=3),
            lambda: worst_case(optlab.gradient_descent, (Smooth(3.0), StronglyConvex(0.3), QuadraticForm()), 3, step=1 / 3,
                               guarantee=theorem(optlab.gradient_descent, "(4.17)")), bounded=True),
    Example(f"{HERE}.gradient_descent_lc", dict(mug=0.3, Lg=3.0, typeM="gen", muM=0.0, LM=1.0, gamma=1 / 3, n=2),
            lambda: worst_case(optlab.gradient_descent, LinearComposition(0.3, 3.0, 1.0), 2, step=1 / 3), bounded=True),
    Example(f"{HERE}.gradient_descent_lc", dict(mug=0.3, Lg=3.0, typeM="sym", muM=0.1, LM=1.0, gamma=1 / 3, n=1),
            lambda: worst_case(optlab.gradient_descent, SymmetricComposition(0.3, 3.0, 1.0, 0.1), 1, step=1 / 3), bounded=True),
    Example(f"{HERE}.gradient_descent_qg_convex", dict(L=2, gamma=0.1, n=4),
            lambda: worst_case(optlab.gradient_descent, ROUGH, 4, step=0.1,
                               guarantee=theorem(optlab.gradient_descent, "Thm 2.2")), bounded=True),
    Example(f"{HERE}.gradient_descent_qg_convex", dict(L=2, gamma=0.4, n=3),
            lambda: worst_case(optlab.gradient_descent, ROUGH, 3, step=0.4,
                               guarantee=theorem(optlab.gradient_descent, "Thm 2.2")), bounded=True),
    Example(f"{HERE}.gradient_descent_qg_convex_decreasing", dict(L=2, n=4),
            lambda: worst_case(optlab.scheduled_descent, ROUGH, 4), bounded=True),
    Example(f"{HERE}.gradient_descent_silver_stepsize_convex", dict(L=2, n=7),
            lambda: worst_case(optlab.scheduled_descent, SMOOTH, 7, guarantee=theorem(optlab.scheduled_descent, "2023b")),
            bounded=True),
    *(Example(f"{HERE}.gradient_descent_silver_stepsize_strongly_convex", dict(L=2, mu=0.2, n=n),
              lambda n=n: worst_case(optlab.scheduled_descent, STRONG, n, measure=sq_distance), bounded=True) for n in (4, 5)),
    Example(f"{HERE}.accelerated_gradient_convex", dict(mu=0, L=2, n=4),
            lambda: worst_case(optlab.nesterov, SMOOTH, 4, guarantee=theorem(optlab.nesterov, "Beck-Teboulle")), bounded=True),
    Example(f"{HERE}.accelerated_gradient_convex_simplified", dict(mu=0, L=2, n=4),
            lambda: worst_case(optlab.nesterov, SMOOTH, 4, guarantee=theorem(optlab.nesterov, "Table 1")), bounded=True),
    Example(f"{HERE}.accelerated_gradient_strongly_convex", dict(mu=0.2, L=2, n=3),
            lambda: worst_case(optlab.nesterov_strongly_convex, STRONG, 3, guarantee=from_energy), bounded=True),
    Example(f"{HERE}.heavy_ball_momentum", dict(mu=0.1, L=1, alpha=0.5, beta=math.sqrt(0.95 * 0.5), n=3),
            lambda: worst_case(optlab.heavy_ball, (Smooth(1.0), StronglyConvex(0.1)), 3,
                               guarantee=theorem(optlab.heavy_ball, "Ghadimi")), bounded=True),
    Example(f"{HERE}.heavy_ball_momentum_qg_convex", dict(L=2, n=4),
            lambda: worst_case(optlab.heavy_ball, ROUGH, 4), bounded=True),
    Example(f"{HERE}.optimized_gradient", dict(L=2, n=4), lambda: worst_case(optlab.optimized_gradient, SMOOTH, 4), bounded=True),
    Example(f"{HERE}.optimized_gradient_for_gradient", dict(L=2, n=4),
            lambda: worst_case(optlab.optimized_gradient_for_gradient, SMOOTH, 4), bounded=True),
    Example(f"{HERE}.robust_momentum", dict(mu=0.1, L=1, lam=0.2), robust, bounded=True),
    Example(f"{HERE}.triple_momentum", dict(mu=0.2, L=2, n=4),
            lambda: worst_case(optlab.triple_momentum, STRONG, 4, measure=suboptimality), bounded=True),
    Example(f"{HERE}.information_theoretic_exact_method", dict(mu=0.2, L=2, n=4),
            lambda: worst_case(optlab.information_theoretic_exact_method, STRONG, 4), bounded=True),
    Example("tutorials.gradient_descent_contraction", dict(mu=0.1, L=1, gamma=1.3, n=2),
            lambda: worst_case(two_runs, (Smooth(1.0), StronglyConvex(0.1)), 2, guarantee=contraction, step=1.3), bounded=True),
    Example(f"{LOW}.gradient_descent", dict(L=1, gamma=1.0, n=3), low_dimensional_descent, bounded=True),
    Example(f"{LOW}.optimized_gradient", dict(L=3, n=3), low_dimensional_ogm, bounded=True),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_same_worst_case(example):
    side_by_side(example)


# --- few dimensions suffice --------------------------------------------------------------------------------------
def dimension(w, rounds):
    """Of the instance that ``reduce_dimension`` finds."""
    declared = w.reading.declare()
    low = reduce_dimension(declared.pep, solve_pep(declared.pep), rounds=rounds)
    assert low.value == pytest.approx(w.value, rel=1e-5)
    return low.points.shape[1]


@pytest.mark.parametrize(("example", "ours", "rounds"), [
    ("optimized_gradient", low_dimensional_ogm, 0), ("gradient_descent", low_dimensional_descent, 1)])
def test_the_worst_instance_has_as_few_dimensions_as_pepits(example, ours, rounds):
    """PEPit takes the least trace for the one and the log of the determinant for the other; so do we."""
    arguments = next(e.arguments for e in EXAMPLES if e.where == f"{LOW}.{example}")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        shipped(f"{LOW}.{example}", **arguments, verbose=1)
    theirs = int(re.findall(r"(\d+) eigenvalue\(s\) > [^ ]+ after \d* ?dimension reduction", said.getvalue())[-1])
    assert dimension(ours(), rounds) == theirs == 1


# --- the same statements on arrays, and between methods ------------------------------------------------------------
@pytest.fixture
def rng():
    return np.random.default_rng(3)


def states(method, problem, x, steps, **params):
    return list(islice(method(problem, x, **params), steps + 1))


@pytest.mark.parametrize("share", [0.7, 1.8])
def test_two_runs_of_gradient_descent_come_together(share, rng):
    for p in pool(StronglyConvex, Smooth):
        step = share / p.L
        x, y = rng.standard_normal((2, 50, p.dim))
        runs = [apart(p, pair) for pair in states(two_runs, p, x, 5, y=y, step=step)]
        for k, distance in enumerate(runs):
            assert (distance <= contraction.bound(k, p.L, p.mu, step, runs[0]) * (1 + 1e-9)).all()


def test_silver_steps(rng):
    h = [silver(1.0)(k) for k in range(7)]
    assert np.allclose(h, [math.sqrt(2), 2, math.sqrt(2), 2 + math.sqrt(2), math.sqrt(2), 2, math.sqrt(2)])
    assert math.isclose(sum(silver(3.0)(k) for k in range(2**6 - 1)), (SILVER**6 - 1) / 3)
    # for n = 1 the best constant step; blocks of powers of two, short ones first; then the same again
    assert silver_strongly_convex(1.0, 0.1, 1)(0) == pytest.approx(2 / 1.1)
    five, four = (silver_strongly_convex(1.0, 0.1, n) for n in (5, 4))
    assert [five(k) for k in range(1, 5)] == [four(k) for k in range(4)]
    assert five(0) == five(5) == silver_strongly_convex(1.0, 0.1, 1)(0)


@pytest.mark.parametrize(("j", "steps"), [(1, 1), (2, 3), (3, 7)])
def test_the_exact_rate_of_silver_steps(j, steps):
    """Nearly twice as good as the theorem: only the Huber loss whose gradient is never lost is as bad."""
    w = worst_case(optlab.scheduled_descent, SMOOTH, steps, measure=suboptimality, step=silver(2.0))
    assert w.exact
    assert w.value == pytest.approx(2 / (4 * SILVER**j - 2), rel=1e-6)


def test_falling_steps_solve_their_recursion():
    u = [1 / (2.0 * steadily(2.0)(k)) for k in range(6)]
    assert u[0] == 2
    assert all(math.isclose(b * b, a * b + 2) for a, b in pairwise(u))
    assert math.isclose(u[-1], 1 + 2 * sum(1 / v for v in u))


def test_simplified_momentum():
    p = pool(Smooth, StronglyConvex)[0]
    x = y = p.x0
    run = states(optlab.nesterov, p, p.x0, 6, step=1 / p.L, grow=by_half)
    for i in range(6):
        previous, x = x, y - p.grad(y) / p.L
        y = x + i / (i + 3) * (x - previous)
        assert np.allclose(run[i + 1].y, x, atol=1e-13)


def test_heavy_ball_with_schedules():
    p = LargestSquare(np.eye(5))
    run = states(optlab.heavy_ball, p, p.x0, 4, step=vanishing(1.0), momentum=towards_one)
    assert [s.k for s in run] == [0, 1, 2, 3, 4]
    again = states(optlab.heavy_ball, p, run[2].x, 2, previous=run[2].previous, k=2, step=vanishing(1.0), momentum=towards_one)
    assert np.array_equal(again[-1].x, run[4].x)
    assert p.value(run[4].x) == 1 / 2  # R^2 = 5: L R^2/(2 (4 + 1))


def test_ogm_is_item_without_strong_convexity(quadratic):
    p = quadratic
    ogm = states(optlab.optimized_gradient, p, p.x0, 8, step=1 / p.L)
    item = states(optlab.information_theoretic_exact_method, p, p.x0, 8, step=1 / p.L, q=0.0)
    for a, b in zip(ogm, item, strict=True):
        assert np.allclose(a.y, b.x, atol=1e-13)


def test_item_tends_to_triple_momentum(quadratic):
    """Far on, the weight of the one grows as the bound of the other falls: by (1 - sqrt q)^2 a step; and it never overflows."""
    q = 0.1
    p = [s.p for s in states(optlab.information_theoretic_exact_method, quadratic, quadratic.x0, 2000, step=1.0, q=q)]
    assert p[40] / p[39] == pytest.approx((1 - math.sqrt(q)) ** 2, rel=1e-3)
    A = 0.0
    for k in range(20):
        assert p[k] == pytest.approx(1 / (1 + A), rel=1e-12)
        A = ((1 + q) * A + 2 * (1 + math.sqrt((1 + A) * (1 + q * A)))) / (1 - q) ** 2
    assert p[-1] < 1e-320  # A is beyond what numbers can be, and the method goes on
    bowl = Quadratic(np.eye(3), np.ones(3))
    assert np.allclose(states(optlab.information_theoretic_exact_method, bowl, bowl.x0, 1, step=1.0, q=1.0)[1].z, 1.0)


def test_the_momenta_of_triple_momentum(quadratic):
    p = quadratic
    rho = robust_rate(p.L, p.mu, 0.0)
    stated = dict(step=(1 + rho) / p.L, momentum=rho**2 / (2 - rho), ahead=rho**2 / ((1 + rho) * (2 - rho)),
                  out=rho**2 / (1 - rho**2))  # Van Scoy, Freeman, Lynch 2018
    assert momenta(p.L, p.mu, rho) == pytest.approx(stated)
    for ahead, other in ((0.0, optlab.heavy_ball), (0.6, optlab.nesterov_strongly_convex)):
        ours = states(optlab.triple_momentum, p, p.x0, 6, step=0.5, momentum=0.6, ahead=ahead, out=0.0)
        theirs = states(other, p, p.x0, 6, step=0.5, momentum=0.6)
        compared = [s.xi + ahead * (s.xi - s.previous) for s in ours] if ahead else [s.x for s in ours]
        assert np.allclose(compared, [s.x for s in theirs], atol=1e-13)


def test_ogm_g_is_ogm_backwards():
    """The coefficients h_{i,j} of the steps are those of OGM read from the end (Kim, Fessler 2021, Sec 6)."""
    n = 5

    def coefficients(method, **params):
        """x_i - x_{i-1} as a combination of the gradients -e_0/L .. : a linear 'gradient' that names its call."""
        class Names:
            calls = 0

            def grad(self, x):
                e = np.eye(n + 1)[self.calls]
                self.calls += 1
                return e

        xs = [getattr(s, "last", s) for s in states(method, Names(), np.zeros(n + 1), n, step=1.0, **params)]
        primary = [getattr(s, "x", s) for s in states(method, Names(), np.zeros(n + 1), n, step=1.0, **params)]
        primary[-1] = xs[-1]
        return -np.diff(primary, axis=0)[:, :n]

    forwards = coefficients(optlab.optimized_gradient)
    backwards = coefficients(optlab.optimized_gradient_for_gradient, horizon=n)
    assert np.allclose(backwards, forwards[::-1, ::-1].T, atol=1e-13)
    assert len(states(optlab.optimized_gradient_for_gradient, Quadratic(np.eye(2)), np.ones(2), 99, step=1.0, horizon=n)) == n + 1


def test_theta_is_a_sequence_of_numbers_arrays_and_symbols():
    import sympy

    assert theta(0) == 1
    assert theta(1) == pytest.approx((1 + math.sqrt(5)) / 2)
    assert np.allclose(theta(np.array([0, 1])), [theta(0), theta(1)])
    assert str(theta(sympy.Symbol("k"))) == "theta(k)"


@pytest.fixture
def quadratic(rng):
    return Quadratic(np.diag([0.1, 0.3, 0.5, 1.0]), rng.standard_normal(4))


# --- the new problems ------------------------------------------------------------------------------------------------
ROUGH_POOL = [p for p in pool(QuadraticUpperBound) if isinstance(p, LargestSquare)]
COMPOSED = pool(LinearComposition)


@pytest.mark.parametrize("p", [*ROUGH_POOL, *COMPOSED], ids=str)
def test_subgradients_and_values(p, rng):
    x, y = 3 * rng.standard_normal((2, 200, p.dim))
    assert (p.value(y) >= p.value(x) + p.inner(p.grad(x), y - x) - 1e-12 * (1 + p.value(x))).all()
    h, v = 1e-6, rng.standard_normal((200, p.dim))
    slope = (p.value(x + h * v) - p.value(x - h * v)) / (2 * h)
    assert np.allclose(p.inner(p.grad(x), v), slope, rtol=1e-5, atol=1e-5)
    assert p.value(p.x_star) == p.f_star == 0
    assert np.isclose(p.value(x)[3], p.value(x[3]), rtol=1e-13)


@pytest.mark.parametrize("p", ROUGH_POOL, ids=str)
def test_the_quadratic_above_is_touched(p):
    assert certify(p)["L"].share == pytest.approx(1, abs=1e-9)
    assert not certify(Misdeclared(p, L=0.9 * p.L))


@pytest.mark.parametrize("p", COMPOSED, ids=str)
def test_the_constants_of_a_composition_are_those_of_its_parts(p):
    """Second differences of f along the right singular vectors: between mu_g and L_g times the squares of singular values."""
    _, values, V = np.linalg.svd(p.M)
    assert np.isclose(p.L_M, values[0], rtol=1e-12)
    at, h = p.x_star, 1e-3 * p.width
    bend = (p.value(at + h * V) + p.value(at - h * V) - 2 * p.value(at)) / h**2
    assert np.allclose(bend, p.L_g * values**2, rtol=1e-6)
    far, h = p.x_star + 1e6 * p.width * V, 1e3 * p.width
    bend = (p.value(far + h * V) + p.value(far - h * V) - 2 * p.value(far)) / h**2
    assert np.allclose(bend[:2], p.mu_g * values[:2] ** 2, rtol=1e-3)
    if p.meets(SymmetricComposition):
        assert np.allclose(p.M, p.M.T)
        assert p.mu_M == pytest.approx(np.linalg.eigvalsh(p.M)[0], rel=1e-9)
    elif p.meets(SkewComposition):
        assert np.allclose(p.M, -p.M.T)


@pytest.mark.parametrize(("build", "sentence"), [
    (lambda: LargestSquare(np.zeros((2, 2))), "A must not be zero"),
    (lambda: LargestSquare(np.eye(2), [1.0]), "centre must be a vector of length 2"),
    (lambda: Composed(np.eye(2), 2.0, 1.0), "mu_g must be at most L_g = 1, got 2"),
    (lambda: Composed(np.zeros((2, 2)), 0.5, 1.0), "M must not be zero"),
    (lambda: Composed(np.eye(2), 0.5, 1.0, width=-1.0), "width must be positive"),
])
def test_bad_arguments_are_met_with_a_sentence(build, sentence):
    with pytest.raises(ProblemError, match=sentence):
        build()
