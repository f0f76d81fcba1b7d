"""PEPit's shipped examples of gradient methods for smooth functions, side by side with the methods that run here."""

import pytest
from parity import Example, side_by_side

import optlab
from optlab import suboptimality, worst_case
from optlab.problems.assumptions import Convex, Smooth

HERE = "unconstrained_convex_minimization"

EXAMPLES = [
    Example(f"{HERE}.gradient_descent", dict(L=3, gamma=1 / 3, n=4),
            lambda: worst_case(optlab.gradient_descent, (Smooth(3.0), Convex()), 4, measure=suboptimality), bounded=True),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_same_worst_case(example):
    side_by_side(example)
