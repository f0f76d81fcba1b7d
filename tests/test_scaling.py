"""Scaling laws: exponents over a grid of cases, judged jointly."""

import numpy as np
import pytest

from optlab import Case, Control, Guarantee, Measure, best, cite, last, local_sgd, verify
from optlab.methods import Method
from optlab.problems import ProblemError, Quadratic

final = Measure("final value", lambda problem, it: problem.value(it) - problem.f_star, symbolic=False)


def halving(problem, x, *, step):
    while True:
        yield x
        x = x - step * problem.grad(x)


def grid(power):
    """f = n^power ||x||^2 / 2 from 1: after any number of steps of 1/2L the value is proportional to n^power."""
    return lambda rng: [Case(with_size(n, power), np.ones(1), steps=4) for n in (1, 2, 4, 8, 16)]


def with_size(n, power):
    problem = Quadratic([[float(n) ** power]])
    problem.n = n
    return problem


def law(power, claim, **options):
    return Method(halving).proves(Guarantee(
        final, lambda n: n**claim, cite(0, 0, "made up"), mode="scaling", over="n", on=grid(power),
        recipe=lambda L: dict(step=0.5 / L), control=Control("none needed", problem=lambda p: p), **options))


@pytest.mark.parametrize(("power", "claim", "relation", "expected"), [
    (1.0, 1.0, "<=", "holds"),
    (1.0, 1.5, "<=", "holds"),  # an upper bound may be loose
    (1.0, 1.5, "==", "violated"),
    (1.0, 0.5, "<=", "violated"),
    (-1.0, -1.0, "==", "holds"),
    (1.5, 1.0, ">=", "holds"),
    (0.5, 1.0, ">=", "violated"),
])
def test_exponents_are_told(power, claim, relation, expected):
    (verdict,) = verify(law(power, claim, relation=relation), controls=False)
    assert verdict.verdict == expected
    assert f"{power - claim:.3f}" in verdict.note


def doubling(problem, x, *, step):
    while True:
        yield x
        x = 2 * problem.n * x


def test_the_best_iterate_is_the_one_that_the_law_speaks_of():
    """An iterate that grows by 2n a step: the last value is n^9 or so, the best one is the start's, n."""
    for fold, expected in ((best, "holds"), (last, "violated")):
        (verdict,) = verify(Method(doubling).proves(Guarantee(
            final, lambda n: n, cite(0, 0, "made up"), mode="scaling", over="n", on=grid(1.0), at=fold,
            recipe=lambda: dict(step=1.0), control=Control("none needed", problem=lambda p: p))), controls=False)
        assert verdict.verdict == expected


def test_a_law_names_its_quantity_and_grid():
    with pytest.raises(ProblemError, match="names the quantity"):
        Method(halving).proves(Guarantee(final, lambda n: n, cite(0, 0, "x"), mode="scaling", control=Control("c")))


def test_linear_speedup_is_seen_and_its_control_too():
    verdict = next(v for v in verify(local_sgd) if v.mode == "scaling")
    assert verdict.verdict == "holds"
    assert [c.seen for c in verdict.controls] == [True]
    assert list(verdict.curve["k"]) == [2, 4, 6, 8, 16]


def test_a_problem_of_the_callers_is_refused_in_words_where_it_does_not_fit():
    """A scaling law needs its grid, and theorems about inputs of their own shape say so instead of crashing."""
    from optlab import coordinate_median

    (verdict,) = verify(law(1.0, 1.0), with_size(2, 1.0))
    assert verdict.verdict == "refused"
    assert "grid of cases" in verdict.note
    assert {v.verdict for v in verify(coordinate_median, with_size(2, 1.0))} == {"refused"}
