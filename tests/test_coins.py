"""Random methods on symbolic points: the tree of coins, tables and choices read in two ways, and free states."""

import itertools

import numpy as np
import pytest

pytest.importorskip("PEPit")

from PEPit import PEP, Point

import optlab
from optlab import Control, Guarantee, cite, start, worst_case
from optlab.analysis.coins import Script, mean, over_the_coins
from optlab.analysis.symbolic import SymbolicError, SymbolicProblem
from optlab.analysis.worst_case import readable, steps_of
from optlab.fold import average, last
from optlab.measures import Measure, sq_distance, suboptimality
from optlab.problems import sums
from optlab.problems.assumptions import (
    PL,
    BoundedMoment,
    Convex,
    ConvexTerms,
    Interpolation,
    LipschitzTerms,
    NoiseAtSolution,
    Smooth,
    SmoothTerms,
    StronglyConvex,
    StronglyConvexTerms,
    Terms,
)
from optlab.problems.composite import ElasticNetRegression
from optlab.problems.errors import ProblemError
from optlab.rng import Branches, NotEnumerable, Stream

SUM = (SmoothTerms(1.0), StronglyConvexTerms(0.1))


# --- the tree ----------------------------------------------------------------------------------------------------
def test_every_path_has_its_chance():
    def play(rng):
        """Two coins, and a third draw only after heads: the number of draws depends on the outcome."""
        i = rng.index(3, np.array([0.5, 0.25, 0.25]))
        return (i, bool(rng.coin(0.2)), tuple(rng.subset(3, 2))) if i == 0 else (i,)

    paths = over_the_coins(play)
    assert len(paths) == 2 * 3 + 2
    assert sum(chance for chance, _ in paths) == pytest.approx(1)
    assert {outcome: chance for chance, outcome in paths}[0, True, (0, 2)] == pytest.approx(0.5 * 0.2 / 3)
    assert mean([(chance, float(outcome[0] == 0)) for chance, outcome in paths]) == pytest.approx(0.5)


def test_the_script_draws_what_branches_draw():
    """Two readers of one protocol: the same outcomes with the same weights."""
    draws = (lambda rng: rng.index(4), lambda rng: rng.coin(0.3), lambda rng: rng.permutation(3), lambda rng: rng.subset(4, 2))
    for draw in draws:
        branches = Branches()
        rows = np.reshape(draw(branches), (len(branches.weights[0]), -1))
        for (chance, outcome), row, weight in zip(over_the_coins(draw), rows, branches.weights[0], strict=True):
            np.testing.assert_array_equal(np.ravel(outcome), row)
            assert chance == pytest.approx(weight)


def test_outcomes_without_chance_are_left_out():
    assert over_the_coins(lambda rng: bool(rng.coin(1.0))) == [(1.0, True)]


@pytest.mark.parametrize("draw", [lambda rng: rng.normal((2,)), lambda rng: rng.uniform(), lambda rng: rng.each(3)])
def test_draws_that_cannot_be_enumerated(draw):
    with pytest.raises(NotEnumerable, match="few outcomes"):
        draw(Script())


def test_too_many_outcomes():
    with pytest.raises(NotEnumerable, match="more than 256 joint outcomes"):
        over_the_coins(lambda rng: rng.permutation(6))


# --- expectations over a class -----------------------------------------------------------------------------------
def test_one_term_is_gradient_descent():
    w = worst_case(optlab.sgd, (Terms(1), *SUM), 3, measure=sq_distance, step=1.3)
    assert w.value == pytest.approx(worst_case(optlab.gradient_descent, (Smooth(1.0), StronglyConvex(0.1)), 3,
                                               measure=sq_distance, step=1.3).value, rel=1e-5)


def test_the_whole_batch_is_gradient_descent_on_the_mean():
    whole = worst_case(optlab.sgd, (Terms(3), *SUM), 2, measure=sq_distance, step=1.3, batch=3)
    one = worst_case(optlab.gradient_descent, (Smooth(1.0), StronglyConvex(0.1)), 2, measure=sq_distance, step=1.3)
    assert whole.value == pytest.approx(one.value, rel=1e-5)


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")
def test_against_a_script_of_its_own():
    """Two steps of SGD on two terms, written by hand."""
    from PEPit.functions import SmoothConvexFunction

    stated = (Terms(2), SmoothTerms(1.0), ConvexTerms(), NoiseAtSolution(0.5))
    w = worst_case(optlab.sgd, stated, 2, measure=suboptimality, at=last, step=0.3)
    pep = PEP()
    terms = [pep.declare_function(SmoothConvexFunction, L=1.0) for _ in range(2)]
    f = (terms[0] + terms[1]) / 2
    star, x0 = f.stationary_point(), pep.set_initial_point()
    pep.add_constraint((terms[0].gradient(star) ** 2 + terms[1].gradient(star) ** 2) / 2 <= 0.25)
    pep.set_initial_condition((x0 - star) ** 2 <= 1)
    total = 0
    for first, second in itertools.product(terms, terms):
        x1 = x0 - 0.3 * first.gradient(x0)
        total = (f(x1 - 0.3 * second.gradient(x1)) - f(star)) / 4 + total
    pep.set_performance_metric(total)
    assert w.value == pytest.approx(pep.solve(verbose=0, solver="CLARABEL"), rel=1e-5)


def test_more_terms_are_not_better():
    """A class of n terms holds that of fewer; here n does not matter at all."""
    values = [worst_case(optlab.sgd, (Terms(n), *SUM, Interpolation()), 1, measure=sq_distance, step=1.0).value
              for n in (1, 2, 4)]
    assert values == pytest.approx([0.81] * 3, rel=1e-6)


def test_terms_that_are_not_smooth():
    w = worst_case(optlab.stochastic_proximal_point, (Terms(2), ConvexTerms(), LipschitzTerms(2.0)), 1, step=0.7,
                   measure=sq_distance)
    assert w.exact
    assert w.status == "solved"


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_an_oracle_of_two_outcomes_meets_the_stochastic_bound(steps):
    """R B / sqrt(k), as for one deterministic subgradient; the moment is bounded at the points met, so nothing is exact."""
    w = worst_case(optlab.stochastic_subgradient, (Convex(), BoundedMoment(2.0)), steps, at=average,
                   step=1 / (2 * np.sqrt(steps)), measure=suboptimality)
    assert w.value == pytest.approx(2 / np.sqrt(steps), rel=1e-5)
    assert not w.exact


def test_a_strongly_convex_mean_lies_between():
    """Strong convexity of the mean asks less than that of every term, and more than nothing."""
    one, two, three = (worst_case(optlab.sgd, (Terms(2), SmoothTerms(1.0), NoiseAtSolution(0.1), *convex), 2, measure=sq_distance,
                                  at=last, step=0.5).value
                       for convex in ([StronglyConvexTerms(0.3)], [ConvexTerms(), StronglyConvex(0.3)], [ConvexTerms()]))
    assert one < two - 1e-3 < three - 2e-3


def test_no_instance_for_coins_and_free_states():
    with pytest.raises(SymbolicError, match="its worst case is over its coins too"):
        worst_case(optlab.random_block_descent, (Smooth(1.0), StronglyConvex(0.1)), 1, step=1.0, blocks=2,
                   measure=sq_distance).instance()
    g = next(g for g in optlab.gradient_descent.guarantees if g.from_any_state)
    with pytest.raises(SymbolicError, match="read from a state of its own"):
        worst_case(optlab.gradient_descent, (Smooth(1.0), Convex()), 1, guarantee=g).instance()


def test_random_theorems_are_read_only_where_said():
    said = [g for g in optlab.sgd.guarantees if readable(g, optlab.sgd)]
    assert said
    assert all(g.symbolic for g in said)
    assert all(steps_of(g, optlab.sgd) == (1, 2) for g in said)
    assert steps_of(optlab.saga.guarantees[1], optlab.saga) == (1,)


@pytest.mark.parametrize(("method", "stated", "options", "why"), [
    (optlab.sgd, (*SUM, PL(0.2)), {}, "no function class of PEPit carries exactly"),
    (optlab.langevin, (Smooth(1.0), StronglyConvex(0.1)), {}, "only draws with few outcomes"),
    (optlab.follow_the_leader, (Smooth(1.0), Convex()), dict(from_any_state=True), "does not continue from what it yields"),
])
def test_refusals(method, stated, options, why):
    with pytest.raises(SymbolicError, match=why):
        worst_case(method, stated, 1, **options, step=1.0)


# --- one body, two readings ----------------------------------------------------------------------------------------
def symbolic(*assumptions):
    return SymbolicProblem(PEP(), assumptions)


def test_tables_choices_and_blocks_on_arrays():
    p = sums.ridge(np.random.default_rng(0), n=4, d=3)
    rng = np.random.default_rng(1)
    table, row, i = rng.standard_normal((5, 4, 3)), rng.standard_normal((5, 3)), np.array([3, 0, 1, 1, 2])
    kept = table.copy()
    changed = p.table_with(table, i, row)
    np.testing.assert_array_equal(table, kept)
    for s in range(5):
        np.testing.assert_array_equal(p.table_row(table, i)[s], table[s, i[s]])
        np.testing.assert_array_equal(changed[s, i[s]], row[s])
        np.testing.assert_array_equal(np.delete(changed[s], i[s], 0), np.delete(table[s], i[s], 0))
    np.testing.assert_allclose(p.table_mean(table), table.mean(axis=1))
    np.testing.assert_array_equal(p.table_row(table, 2), table[:, 2])
    x = rng.standard_normal((5, 3))
    for j in range(4):
        np.testing.assert_allclose(p.table_of(p.component_grad, x)[:, j], p.component_grad(x, np.array(j)), rtol=1e-13)
    coin = i > 1
    np.testing.assert_array_equal(p.select(coin, x, row), np.where(coin[:, None], x, row))
    parts = [p.block(x, np.full(5, b), 2) for b in range(2)]
    np.testing.assert_array_equal(sum(parts), x)
    assert all(0 in part[0] for part in parts)


def test_tables_choices_and_blocks_on_points():
    s = symbolic(Terms(3), *SUM)
    x, y = Point(), Point()
    table = s.table_of(s.component_grad, x)
    assert s.table_row(table, 1) is s.component_grad(x, 1)
    assert list(s.table_with(table, 1, y)) == [table[0], y, table[2]]
    assert s.table_mean(table).decomposition_dict == {g: pytest.approx(1 / 3) for g in table}
    assert s.select(np.False_, x, y) is y
    blocks = [s.block(x + y, b, 2) for b in range(2)]
    assert s.block(y + x, 0, 2) is blocks[0]  # asked twice, the same
    whole = blocks[0] + blocks[1]
    assert {p: w for p, w in whole.decomposition_dict.items() if w} == {x: 1, y: 1}


def test_a_gradient_that_was_asked_is_found_again():
    s = symbolic(Terms(2), *SUM)
    x, g = Point(), Point()
    assert s.component_inverse_grad(s.component_grad(x, 0), 0) is x
    new = s.component_inverse_grad(g, 0)
    assert s.component_grad(new, 0) is g
    assert s.component_inverse_grad(g, 1) is not new
    flat = symbolic(Terms(2), SmoothTerms(1.0), ConvexTerms())
    with pytest.raises(SymbolicError, match="no inverse"):
        flat.component_inverse_grad(Point(), 0)


def test_saga_is_what_it_was():
    """The body that reads on points too, against masks and sums written out."""
    p = sums.ridge(np.random.default_rng(0), n=5, d=3)
    x = np.random.default_rng(1).standard_normal((4, 3))
    states = list(itertools.islice(optlab.saga(p, x, step=0.05, rng=Stream(np.arange(4))), 30))
    rng, table = Stream(np.arange(4)), np.stack([p.component_grad(x, np.full(4, i)) for i in range(5)], axis=1)
    for state in states:
        np.testing.assert_allclose(state.x, x, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(state.mean, table.mean(axis=1), rtol=1e-9, atol=1e-12)
        i = rng.index(5)
        g = p.component_grad(x, i)
        x = x - 0.05 * (g - table[np.arange(4), i] + table.mean(axis=1))
        table[np.arange(4), i] = g


def test_proximal_saga_against_a_loop():
    p = ElasticNetRegression(np.random.default_rng(2).standard_normal((4, 3)), np.ones(4), 0.1, 0.3)
    x = np.random.default_rng(1).standard_normal((2, 3))
    states = list(itertools.islice(optlab.saga(p, x, step=0.05, proximal=True, rng=Stream(np.arange(2))), 20))
    rng, table = Stream(np.arange(2)), np.stack([p.component_grad(x, np.full(2, i)) for i in range(4)], axis=1)
    for state in states:
        np.testing.assert_allclose(state.x, x, rtol=1e-10, atol=1e-12)
        i = rng.index(4)
        g = p.component_grad(x, i)
        moved = x - 0.05 * (g - table[np.arange(2), i] + table.mean(axis=1))
        x = np.sign(moved) * np.maximum(np.abs(moved) - 0.05 * 0.1, 0)
        table[np.arange(2), i] = g
    with pytest.raises(ProblemError, match="take stride=1 with proximal=True"):
        next(optlab.saga(p, x, step=0.05, proximal=True, stride=4, rng=Stream(np.arange(2))))


def test_point_saga_with_one_term_is_the_proximal_point_method():
    """Where the table is right from the start, the term's own gradient, nothing is left of the correction."""
    p = sums.ridge(np.random.default_rng(0), n=1, d=3)
    x = np.ones(3)
    for state in itertools.islice(optlab.point_saga(p, x, step=0.7, rng=Stream(np.zeros(()))), 5):
        np.testing.assert_allclose(state.x, x, rtol=1e-12)
        x = p.component_prox(x, np.array(0), 0.7)


# --- states that are given -----------------------------------------------------------------------------------------
def test_a_free_state_and_what_follows_from_it():
    """Of SAGA's state the mean follows from the table; of Nesterov's both points are free, and lambda is given."""
    energy = Measure("E", lambda p, it: p.sq(it.x - p.x_star) + p.sq(it.table - p.table_of(p.component_grad, p.x_star)))
    g = Guarantee(energy, lambda E0: E0, cite(0, 0, "none"), using=dict(E0=start(energy)), control=Control("none"))
    w = worst_case(optlab.saga, (Terms(2), *SUM), 0, guarantee=g, from_any_state=True, step=0.1)
    assert w.value == pytest.approx(1, rel=1e-6)  # the condition itself, and nothing else, bounds the state
    state = w.reading.declare().iterates[0]
    assert state.mean.decomposition_dict == dict.fromkeys(state.table, 0.5)
    potential = next(g for g in optlab.nesterov.guarantees if g.from_any_state)
    w = worst_case(optlab.nesterov, (Smooth(1.0), Convex()), 1, guarantee=potential, from_any_state=dict(lam=3.0))
    pair = w.reading.declare().iterates[-1]
    assert pair.x.lam == 3.0
    assert pair.x.x is not pair.x.y
    assert w.value == pytest.approx(0, abs=1e-6)


def test_the_index_of_a_free_state():
    """The same potential, read at different indices, has different weights."""
    g = next(g for g in optlab.gradient_descent.guarantees if "Bansal-Gupta" in str(g.source))
    for k in (0, 7):
        w = worst_case(optlab.gradient_descent, (Smooth(2.0), Convex()), 1, guarantee=g, from_any_state=dict(k=k))
        step = w.reading.declare().iterates[-1]
        assert (step.before, step.after) == ((k, 0, 1.0), (k + 1, 0, 1.0))


def test_held_quantities_are_one():
    """df/dt is at most -2 mu (f - f*): as a difference zero, and where f - f* is held at one -2 mu."""
    g = next(g for g in optlab.gradient_flow.guarantees if g.hold)
    stated = (StronglyConvex(0.3),)
    held = worst_case(optlab.gradient_flow, stated, 0, guarantee=g)
    assert (held.value, held.bound) == (pytest.approx(-0.6, rel=1e-6), pytest.approx(-0.6))
    assert not held.above
    subtracted = worst_case(optlab.gradient_flow, stated, 0, guarantee=g, hold=())
    assert (subtracted.value, subtracted.bound) == (pytest.approx(0, abs=1e-6), 0)
