"""The helpers for test suites: assert_holds, assert_violated, the fixture ``rates``."""

import numpy as np
import pytest

from optlab import Case, Control, Guarantee, cite, gradient_descent
from optlab.measures import sq_distance
from optlab.methods import Method
from optlab.problems import Quadratic
from optlab.testing import RateError, assert_holds, assert_violated

pytest_plugins = ["pytester"]
P = Quadratic(np.diag([1.0, 0.1]), [1.0, 1.0])
FLAT = Quadratic(np.diag([1.0, 0.1, 0.0]), [1.0, 1.0, 0.0])  # not strongly convex


def test_assert_holds_returns_the_verdicts():
    verdicts = assert_holds(gradient_descent, P)
    assert len(verdicts) == len([v for v in verdicts if v.verdict == "holds"]) > 5


def test_assert_holds_fails_with_the_verdicts_in_its_message():
    with pytest.raises(RateError, match=r"guarantees do not hold") as caught:
        assert_holds(gradient_descent, P, step=2.2 / P.L)
    assert "violated: gradient_descent on" in str(caught.value)
    assert isinstance(caught.value, AssertionError)


def test_assert_holds_wants_enough_guarantees_to_apply():
    few = len(assert_holds(gradient_descent, FLAT))
    with pytest.raises(RateError, match=f"wanted at least {few + 1} to hold"):
        assert_holds(gradient_descent, FLAT, at_least=few + 1)


def test_vacuous_is_not_holding():
    """One step of 1/L solves diag(1, 0): nothing is left to compare."""
    with pytest.raises(RateError, match=r"vacuous: .* all below the floor"):
        assert_holds(gradient_descent, Quadratic(np.diag([1.0, 0.0]), [1.0, 0.0]))


def test_refused_is_not_holding():
    def still(problem, x):
        while True:
            yield x

    m = Method(still).proves(Guarantee(sq_distance, lambda sigma: sigma, cite(0, 0, "none"), control=Control("none")))
    with pytest.raises(RateError, match=r"refused: .* needs 'sigma'"):
        assert_holds(m, P)


def test_inconclusive_is_not_holding():
    def noise(problem, x, *, rng):
        while True:
            yield x
            x = np.abs(rng.normal((2,)))

    p = Quadratic(np.eye(2))
    m = Method(noise).proves(Guarantee(sq_distance, lambda k: 2.0 + 0 * k, cite(0, 0, "met"), mode="expectation",
                                       on=lambda rng: [Case(p)], control=Control("none")))
    with pytest.raises(RateError, match="inconclusive"):
        assert_holds(m, p, steps=3)


def test_assert_violated():
    assert assert_violated(gradient_descent, P, step=2.2 / P.L).violated
    with pytest.raises(RateError, match="no guarantee was violated"):
        assert_violated(gradient_descent, P)


SUITE = """
import numpy as np
from optlab import gradient_descent, sgd
from optlab.problems import LeastSquares, Quadratic

P = Quadratic(np.diag([1.0, 0.1]), [1.0, 1.0])


def test_good(rates):
    assert len(rates.holds(gradient_descent, P)) > 5


def test_control(rates):
    assert rates.violated(gradient_descent, P, step=2.2 / P.L)


def test_bad(rates):
    rates.holds(gradient_descent, P, step=2.2 / P.L)


def test_bad_control(rates):
    rates.violated(gradient_descent, P)
"""

SAMPLED = """
import numpy as np
from optlab import Control, Guarantee, cite
from optlab.measures import sq_distance
from optlab.methods import Method
from optlab.problems import Quadratic


def noise(problem, x, *, rng):
    while True:
        yield x
        x = np.abs(rng.normal((2,)))


def test_sampled(rates):
    g = Guarantee(sq_distance, lambda k: 2.5 + 0 * k, cite(0, 0, "loose"), mode="expectation", control=Control("none"))
    (v,) = rates.holds(Method(noise).proves(g), Quadratic(np.eye(2)), steps=3, failure=1e-5)
    assert v.replicates > 1
"""


def test_the_fixture_in_a_suite_of_its_own(pytester):
    """The plugin is found by its entry point: the suite names nothing but the fixture."""
    pytester.makepyfile(SUITE)
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*RateError: * guarantees do not hold*", "*RateError: no guarantee was violated*"])
    assert "chance of a false alarm" not in result.stdout.str(), "nothing was sampled"


def test_the_summary_bounds_the_chance_of_a_false_alarm(pytester):
    pytester.makepyfile(SAMPLED)
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["optlab: chance of a false alarm in all sampled rate checks together <= 1.0e-05"])


def test_the_fixture_is_listed(pytester):
    result = pytester.runpytest_subprocess("--fixtures", "-q", "-p", "no:cacheprovider")
    result.stdout.fnmatch_lines(["*rates*", "*Rate assertions for a test.*"])
