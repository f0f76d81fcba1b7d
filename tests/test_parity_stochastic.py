"""PEPit's shipped examples of stochastic and randomized methods, beside the methods that run here: all coins enumerated."""

import pytest
from parity import Example, side_by_side

import optlab
from optlab import worst_case
from optlab.problems.assumptions import (
    Convex,
    Interpolation,
    NoiseAtSolution,
    Smooth,
    SmoothTerms,
    SmoothTermsPart,
    StronglyConvex,
    StronglyConvexTerms,
    StronglyConvexTermsPart,
    Terms,
)

HERE = "stochastic_and_randomized_convex_minimization"
SUM = (SmoothTerms(2.0), StronglyConvexTerms(0.1))


def theorem(method, words):
    """The method's guarantee whose citation contains these words."""
    return next(g for g in method.guarantees if words in str(g.source))


EXAMPLES = [
    Example(f"{HERE}.sgd", dict(L=2, mu=0.1, gamma=0.4, v=1, R=2, n=3),
            lambda: worst_case(optlab.sgd, (Terms(3), *SUM, NoiseAtSolution(1.0)), 1, R=2.0, step=0.4,
                               guarantee=theorem(optlab.sgd, "Minkowski")), bounded=True),
    Example(f"{HERE}.sgd_overparametrized", dict(L=2, mu=0.1, gamma=0.9, n=4),
            lambda: worst_case(optlab.sgd, (Terms(4), *SUM, Interpolation()), 1, step=0.9,
                               guarantee=theorem(optlab.sgd, "no noise at the solution")), bounded=True),
    Example(f"{HERE}.saga", dict(L=2, mu=0.2, n=4),
            lambda: worst_case(optlab.saga, (Terms(4), SmoothTermsPart(2.0), StronglyConvexTermsPart(0.2)), 1), bounded=True),
    Example(f"{HERE}.point_saga", dict(L=2, mu=0.1, n=5), lambda: worst_case(optlab.point_saga, (Terms(5), *SUM), 1),
            bounded=True),
    Example(f"{HERE}.randomized_coordinate_descent_smooth_convex", dict(L=2, gamma=0.4, d=3, t=4),
            lambda: worst_case(optlab.random_block_descent, (Smooth(2.0), Convex()), 1, step=0.4, blocks=3,
                               guarantee=theorem(optlab.random_block_descent, "Thm 16"), from_any_state=dict(k=3)), bounded=True),
    Example(f"{HERE}.randomized_coordinate_descent_smooth_strongly_convex", dict(L=2, mu=0.1, gamma=0.4, d=3),
            lambda: worst_case(optlab.random_block_descent, (Smooth(2.0), StronglyConvex(0.1)), 1, step=0.4, blocks=3,
                               guarantee=theorem(optlab.random_block_descent, "Thm 17")), bounded=True),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_same_worst_case(example):
    side_by_side(example)


def test_two_steps_are_the_tree_of_coins():
    """The expectation over all four outcomes of two draws is one program, not four."""
    w = worst_case(optlab.sgd, (Terms(2), *SUM, Interpolation()), 2, step=0.9,
                   guarantee=theorem(optlab.sgd, "no noise at the solution"))
    assert w.exact
    assert w.value == pytest.approx(0.91**4, rel=1e-6)


def test_a_start_that_the_method_makes_is_not_worse_than_any_state():
    """SAGA's table starts with the gradients at its first point; Theorem 1 allows any table."""
    stated = (Terms(2), SmoothTermsPart(1.0), StronglyConvexTermsPart(0.1))
    free = worst_case(optlab.saga, stated, 1)
    made = worst_case(optlab.saga, stated, 1, from_any_state=False)
    assert made.value < free.value * (1 - 1e-3)
    assert free.value == pytest.approx(free.bound, rel=1e-6)
