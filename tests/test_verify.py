"""verify on methods and theorems whose truth is known: every verdict can come out, and comes out where it should."""

import itertools

import numpy as np
import pytest
from truths import P, bare, judged, listed, nothing, shrink, theorem

import optlab
from optlab import Case, Control, Measure, average, best, gradient_descent, pairs, verify, weighted
from optlab.analysis.campaign import QUICK
from optlab.analysis.verify import campaign
from optlab.guarantee import now, start, total
from optlab.measures import suboptimality
from optlab.methods import Method
from optlab.problems import AssumptionError, Convex, ProblemError, Quadratic, StronglyConvex
from optlab.problems.base import Problem


# --- pointwise ----------------------------------------------------------------------------------------------
def test_a_true_bound_holds_and_says_where_it_is_met():
    v = judged(theorem(lambda k, R: 0.25**k * R**2))
    assert v.verdict == "holds"
    assert v.ratio == pytest.approx(1.0, rel=1e-9)
    assert v.at >= 1
    assert v.controls[0].seen
    assert v.controls[0].verdict == "violated"
    assert bool(v)


def test_a_bound_a_fifth_too_small_is_violated_at_the_first_step():
    v = judged(theorem(lambda k, R: 0.8 * 0.25**k * R**2))
    assert v.verdict == "violated"
    assert v.ratio == pytest.approx(1.25)
    assert "first at k = 1" in v.note
    assert not v


def test_a_bound_that_fails_late_is_violated_there():
    v = judged(theorem(lambda k, R: R**2 * (0.25**k if k.max() < 1 else np.where(k < 15, 0.25**k, 0.24**k))))
    assert v.verdict == "violated"
    assert "first at k = 15" in v.note


def test_the_worst_case_of_several_decides():
    two = [Case(P, P.x0, steps=5), Case(Quadratic(2 * np.eye(3), name="twice"), np.ones(3), steps=5)]
    v = judged(theorem(lambda k, R: 0.25**k * R**2 / 2, suboptimality, cases=two))
    assert v.verdict == "violated"
    assert v.problem == "twice"
    assert [c.verdict for c in v.cases] == ["holds", "violated"]


def test_nan_in_the_bound_is_undefined():
    assert judged(theorem(lambda k: np.where(k == 3, np.nan, 1e9))).verdict == "undefined"


def test_an_infinite_bound_promises_nothing():
    assert judged(theorem(lambda k: np.inf + 0 * k)).verdict == "vacuous"


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_nan_or_infinity_measured_is_violated_but_shows_no_control(poison):
    true = lambda k, R: R**2
    sick = listed([1.0, poison])
    assert bare(theorem(true, recipe=nothing), sick).verdict == "violated"
    v = judged(theorem(true, control=Control("nothing but NaN", method=Method(sick))))
    assert v.verdict == "holds"
    assert v.controls[0].verdict == "violated"
    assert not v.controls[0].seen, "a control that only breaks arithmetic was counted"


def test_a_control_that_diverges_through_finite_numbers_is_seen():
    v = judged(theorem(lambda k, R: R**2, control=Control("overflow", recipe=lambda: dict(rate=1e100))))
    assert v.controls[0].seen


def test_nothing_compared_is_vacuous():
    assert judged(theorem(lambda k: 1.0, first=50)).verdict == "vacuous"


def test_everything_below_the_floor_is_vacuous():
    """From the solution every squared distance is zero: no ratio can be taken."""
    v = judged(theorem(lambda k, R: R**2, cases=[Case(P, P.x_star)]), controls=False)
    assert v.verdict == "vacuous"
    assert "floor" in v.note


def test_a_bound_that_nothing_comes_near_is_vacuous():
    v = judged(theorem(lambda k, R: 1e4 * R**2))
    assert v.verdict == "vacuous"
    assert v.ratio < 1e-3
    assert "nearer" in v.note


def test_rounding_is_no_violation():
    """(1 - 1e-16) of the true value is the true value; a thousandth of the floor's scale too small is not."""
    assert judged(theorem(lambda k, R: 0.25**k * R**2 * (1 - 1e-15))).verdict == "holds"
    assert judged(theorem(lambda k, R: 0.25**k * R**2 * (1 - 1e-7))).verdict == "violated"


def test_lower_bounds():
    exact = lambda k, R: 0.25**k * R**2
    lower = theorem(exact, relation=">=", control=Control("faster", recipe=lambda: dict(rate=0.25)))
    v = judged(lower)
    assert v.verdict == "holds"
    assert v.controls[0].seen
    v = judged(theorem(lambda k, R: 1.2 * 0.25**k * R**2, relation=">="))
    assert v.verdict == "violated"
    assert v.ratio == pytest.approx(1.2)


def test_identities():
    assert judged(theorem(lambda k, R: 0.25**k * R**2, relation="==")).verdict == "holds"
    for factor in (1 + 1e-6, 1 - 1e-6):
        assert judged(theorem(lambda k, R, factor: factor * 0.25**k * R**2, relation="==",
                              recipe=lambda: dict(rate=0.5, factor=factor))).verdict == "violated"


def test_an_identity_between_zeros_holds():
    assert judged(theorem(lambda k: 0.0, relation="==", cases=[Case(P, P.x_star)]), controls=False).verdict == "holds"


# --- folds, indices -----------------------------------------------------------------------------------------
VALUES = [1.0, 3.0, 2.0, 0.5, 4.0, 0.25]


@pytest.mark.parametrize(("fold", "expected"), [
    (average, [1.0, 1.0, 2.0, 2.0, 1.625, 2.1]),
    (weighted(lambda s: s + 1.0), [1.0, 1.0, 7 / 3, 13 / 6, 1.5, 35 / 15]),
    (best, [1.0, 1.0, 1.0, 1.0, 0.5, 0.5]),
])
def test_folds_are_judged_on_the_points_before_k(fold, expected):
    curve = 3 * np.array(expected) ** 2
    exact = lambda k: np.interp(k, np.arange(6), curve)
    body = listed(VALUES)
    options = dict(at=fold, recipe=nothing, cases=[Case(P, P.x0, steps=5)])
    v = bare(theorem(exact, **options), body)
    assert v.verdict == "holds"
    np.testing.assert_allclose(v.curve["measured"], curve, rtol=1e-12)
    assert bare(theorem(lambda k: 0.99 * exact(k), **options), body).verdict == "violated"


def test_pairs_speak_of_one_step():
    ratio = Measure("||y||^2", lambda problem, pair: problem.sq(pair.y))
    g = theorem(lambda before, rate: rate**2 * before, ratio, at=pairs, using=dict(before=now(lambda p, pair: p.sq(pair.x))))
    v = judged(g)
    assert v.verdict == "holds"
    assert v.controls[0].seen
    assert judged(theorem(lambda before, rate: 0.8 * rate**2 * before, ratio, at=pairs, using=g.using)).verdict == "violated"


def test_a_recipe_by_horizon_is_judged_at_its_end_only():
    """x_k = k / horizon: above the bound 1 - 1/horizon in no step but the last."""
    def climb(problem, x, *, pace):
        for k in itertools.count():
            yield (k * pace) * x

    recipe = dict(recipe=lambda horizon: dict(pace=1 / horizon), cases=[Case(P, P.x0)], horizons=(4, 32))
    grow = Control("twice the pace", recipe=lambda horizon: dict(pace=2 / horizon))
    v = judged(theorem(lambda R: R**2, **recipe, control=grow), climb)
    assert v.verdict == "holds"
    assert v.at in (4, 32)
    assert v.controls[0].seen
    v = judged(theorem(lambda k, horizon, R: np.where(k == horizon, R**2, 0.0), **recipe, control=grow), climb)
    assert v.verdict == "holds", "an index before the horizon was judged"
    v = judged(theorem(lambda k, horizon, R: np.where(k == horizon, 0.9 * R**2, 9.0), **recipe, control=grow), climb)
    assert v.verdict == "violated"


def test_first_and_stride_choose_the_indices():
    """Large at every index but 2, 5, 8, ..."""
    body = listed([*np.where(np.arange(30) % 3 == 2, 0.5, 10.0)])
    small = lambda k: 0.75 + 0 * k
    options = dict(recipe=nothing, cases=[Case(P, P.x0, steps=25)])
    v = bare(theorem(small, first=2, stride=3, **options), body)
    assert v.verdict == "holds"
    assert v.at % 3 == 2
    assert bare(theorem(small, first=1, stride=3, **options), body).verdict == "violated"
    assert bare(theorem(small, first=2, **options), body).verdict == "violated"


def test_quantities_of_the_run_at_the_start_now_and_in_total():
    size = lambda p, x: p.sq(x)
    for bound, using in (
        (lambda k, s0: 0.25**k * s0, dict(s0=start(size))),
        (lambda s: s, dict(s=now(size))),
        (lambda R, spent: R**2 - 0.75 * spent, dict(spent=total(size))),  # sum over s < k
    ):
        cases = [Case(P, np.array([1.0, 0, 0]), steps=10)]  # every number of the run is exact in binary
        v = judged(theorem(bound, relation="==", using=using, cases=cases), controls=False)
        assert v.verdict == "holds", v
        wrong = {n: type(q)(q.kind, lambda p, x, q=q: 1.01 * q.of(p, x)) for n, q in using.items()}
        v = judged(theorem(bound, relation="==", using=wrong, cases=cases), controls=False)
        assert v.verdict == "violated", v


def test_several_starts_are_judged_each_with_its_own_constants():
    starts = np.array([[1.0, 0, 0], [0, 100.0, 0]])
    v = judged(theorem(lambda k, R: 0.25**k * R**2, relation="==", cases=[Case(P, starts, steps=5)]), controls=False)
    assert v.verdict == "holds"
    v = judged(theorem(lambda k: 0.25**k * 100.0**2, relation="==", cases=[Case(P, starts, steps=5)]), controls=False)
    assert v.verdict == "violated"


# --- overrides, refusals ----------------------------------------------------------------------------------
def moving(**options):
    return theorem(lambda k, rate, R: rate ** (2 * k) * R**2, valid=lambda rate: 0 < rate < 1, **options)


def test_an_override_inside_the_theorem_moves_the_bound():
    v = judged(moving(), problem=P, rate=0.9)
    assert v.verdict == "holds"
    assert v.ratio == pytest.approx(1.0, rel=1e-6)
    assert "outside" not in v.note


def test_an_override_outside_is_judged_against_the_nominal_bound_and_says_so():
    v = judged(moving(), problem=P, rate=1.1)
    assert v.verdict == "violated"
    assert "outside the theorem: judged against its nominal bound" in v.note


def test_without_a_stated_range_every_override_is_outside():
    v = judged(theorem(lambda k, rate, R: rate ** (2 * k) * R**2), problem=P, rate=0.4)
    assert v.verdict == "holds"
    assert "outside" in v.note


def test_refusals_name_the_missing_assumption():
    singular = Quadratic(np.diag([1.0, 0.0]), name="singular")
    v = judged(theorem(lambda k, R: R**2, assumes=(Convex, StronglyConvex)), problem=singular)
    assert v.verdict == "refused"
    assert "assumes StronglyConvex, which singular does not promise" in v.note
    v = judged(theorem(lambda k, sigma: sigma), problem=P)
    assert v.verdict == "refused"
    assert "needs 'sigma'" in v.note


def test_a_missing_oracle_is_refused_by_name():
    (v,) = verify(Method(shrink, needs=("lmo",)).proves(theorem(lambda k, R: R**2)), P)
    assert v.verdict == "refused"
    assert "shrink needs lmo" in v.note


def test_where_one_guarantee_applies_the_refusals_of_the_others_are_left_out():
    m = Method(shrink).proves(theorem(lambda k, R: R**2), theorem(lambda k, sigma: sigma))
    assert [v.verdict for v in verify(m, P)] == ["holds"]


# --- controls -----------------------------------------------------------------------------------------------
def slower(problem, x, *, rate):
    while True:
        yield x
        x = (rate + 0.1) * x


class Unpromising(Problem):
    """The same oracles without a promise."""

    def __init__(self, inner):
        self.point_shape, self.x_star, self.f_star = inner.point_shape, inner.x_star, inner.f_star


@pytest.mark.parametrize(("control", "seen", "verdict"), [
    (Control("recipe", recipe=lambda: dict(rate=0.6)), True, "violated"),
    (Control("harmless recipe", recipe=lambda: dict(rate=0.4)), False, "holds"),
    (Control("mutant", method=Method(slower)), True, "violated"),
    (Control("one step is not enough", method=Method(slower), steps=1), True, "violated"),
    (Control("start far away", start=lambda p: 10 * p.x0), False, "holds"),  # the bound moves with R
    (Control("other cases", recipe=lambda: dict(rate=0.6), on=lambda rng: [Case(P, P.x0, steps=2)]), True, "violated"),
    (Control("no promise", problem=Unpromising, expect="refused"), True, "refused"),
    (Control("refusal expected in vain", expect="refused"), False, "holds"),
    (Control("violation expected, refused", recipe=lambda sigma: dict(rate=sigma)), False, "refused"),
])
def test_controls(control, seen, verdict):
    v = judged(theorem(lambda k, R: 0.25**k * R**2, assumes=(Convex,), control=control))
    assert v.verdict == "holds"
    (c,) = v.controls
    assert (c.why, c.seen, c.verdict) == (control.why, seen, verdict)


def test_a_control_may_hand_the_method_another_problem_while_the_measure_keeps_its_own():
    def step(problem, x):
        while True:
            yield x
            x = x - 0.5 * problem.grad(x)

    uphill = Control("a gradient of the wrong sign", problem=lambda p: type("Up", (Quadratic,), {
        "grad": lambda self, x: -x})(np.eye(3)))
    v = judged(theorem(lambda k, R: 0.25**k * R**2, recipe=nothing, control=uphill), step)
    assert v.verdict == "holds"
    assert v.controls[0].seen


def test_a_control_starts_elsewhere_where_the_bound_does_not_know():
    v = judged(theorem(lambda k: 3 * 0.25**k, control=Control("start far away", start=lambda p: 10 * p.x0)))
    assert v.verdict == "holds"
    assert v.controls[0].seen


def test_a_control_run_longer_keeps_its_steps():
    """A bound that fails at k = 30 only: seen by a control of 40 steps, not in the case's 20."""
    late = lambda k, R: np.where(k < 30, R**2, 0.0)
    still = dict(recipe=lambda: dict(rate=1.0))
    v = judged(theorem(late, **still, control=Control("wait", steps=40, on=lambda rng: [Case(P, P.x0)])))
    assert v.verdict == "holds"
    assert v.controls[0].seen


def test_a_guarantee_without_a_control_is_refused_at_the_door():
    with pytest.raises(ProblemError, match="needs a control"):
        Method(shrink).proves(theorem(lambda k: 1.0, control=()))


# --- campaigns ----------------------------------------------------------------------------------------------
def test_an_interrupt_leaves_the_finished_verdicts():
    def impatient(problem, x):
        for k in itertools.count():
            if k == 7:
                raise KeyboardInterrupt
            yield x

    done = Method(shrink).proves(theorem(lambda k, R: R**2))
    cut = Method(impatient).proves(theorem(lambda k, R: R**2, recipe=nothing))
    never = Method(slower).proves(theorem(lambda k, R: R**2))
    heard = []
    verdicts = campaign([done, cut, never], QUICK, on_verdict=heard.append)
    assert verdicts.interrupted
    assert [v.method for v in verdicts] == ["shrink"]
    assert [v.verdict for v in heard] == ["holds"]


def test_one_run_serves_all_guarantees_of_a_recipe():
    """... of one case: measures and folds are read off together."""
    starts = []

    def counted(problem, x, *, rate):
        starts.append(1)
        yield from shrink(problem, x, rate=rate)

    case = Case(P, P.x0, steps=5)
    verdicts = verify(Method(counted).proves(theorem(lambda k, rate, R: R**2, vary=dict(share=(1, 2)), cases=[case],
                                                     recipe=lambda share: dict(rate=0.5))), controls=False)
    assert verdicts[0].verdict == "holds"
    assert len(starts) == 1


def test_the_readme_example():
    p = Quadratic(np.diag([1.0, 0.1]), [1.0, 1.0])
    verdicts = verify(gradient_descent, p)
    assert {v.verdict for v in verdicts} == {"holds"}
    v = verdicts[0]
    assert isinstance(v.guarantee, str)
    assert v.ratio <= 1 + 1e-9
    assert v.at >= 1
    axes = v.plot()
    assert axes is not None
    assert "violated" in [w.verdict for w in verify(gradient_descent, p, step=2.2 / p.L)]
    assert optlab.verify is verify


def test_verdicts_show_themselves():
    p = Quadratic(np.diag([1.0, 0.1]), [1.0, 1.0], name="a < b")
    verdicts = verify(gradient_descent, p, step=2.2 / p.L)
    assert len(verdicts.violated) >= 1
    assert len(verdicts[:2]) == 2
    assert len(str(verdicts).splitlines()) == len(verdicts)
    assert "a &lt; b" in verdicts._repr_html_()


@pytest.mark.parametrize(("call", "sentence"), [
    (lambda: verify(shrink, P), "shrink carries no guarantee to verify"),
    (lambda: verify(gradient_descent, P, rate=2), "gradient_descent has no parameter 'rate'; it takes step"),
    (lambda: verify(gradient_descent, P, steps=0), "steps must be a positive integer, got 0"),
    (lambda: verify(gradient_descent, P, replicates=2.5), "replicates must be a positive integer, got 2.5"),
    (lambda: verify(gradient_descent, P, x0=np.zeros(7)), r"x0 must end in point_shape \(3,\)"),
    (lambda: verify(gradient_descent, P, failure=2.0), "failure must be a probability in"),
    (lambda: verify(7, P), "method must be a generator function"),
    (lambda: verify(gradient_descent, "breast_cancer"), "problem must be a Problem"),
])
def test_bad_use_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_some_guarantees_are_chosen_by_id_source_or_measure():
    ids = [g.id for g in optlab.gradient_descent.guarantees]
    assert len(ids) > 3
    (one,) = verify(optlab.gradient_descent, P, only="29.1")
    assert one.source.startswith("29.1")
    some = verify(optlab.gradient_descent, P, only="||grad")
    assert 0 < len(some) < len(ids)
    assert [g.id for g in optlab.gradient_descent.guarantees] == ids
    with pytest.raises(ProblemError, match=r"only='nothing' names no guarantee: gradient_descent\["):
        verify(optlab.gradient_descent, P, only="nothing")


def test_steps_of_the_caller_go_before_those_of_a_theorem():
    m = Method(shrink).proves(theorem(lambda k: 1e9, steps=7))
    (own,), (asked,) = verify(m, P), verify(m, P, steps=9)
    assert (own.curve["k"][-1], asked.curve["k"][-1]) == (7, 9)


def test_the_prox_of_a_part_is_not_that_of_the_whole():
    """A composite problem's prox is of its second part: methods that step by nothing else refuse it in words."""
    from optlab.problems import Lasso

    lasso = Lasso(np.eye(3), np.ones(3), 0.1)
    refused = verify(optlab.proximal_point, lasso)
    assert {v.verdict for v in refused} == {"refused"}
    assert any("needs the prox of the whole objective; that of lasso is of its second part" in v.note for v in refused)
    with pytest.raises(AssumptionError, match="prox of the whole"):
        optlab.run(optlab.proximal_point, lasso, steps=3)
    assert optlab.run(optlab.proximal_gradient, lasso, steps=3)["f(x) - f*"][-1] >= 0


def test_a_parameter_that_the_theorem_varies_brings_its_own_recipe():
    """The damping of order q takes the constant of q, not that of the first one listed."""
    p = optlab.problems.LogisticRegression.from_data("breast_cancer", l2=0.01)
    values = [optlab.run(optlab.newton_damped, p, steps=8, q=q)["f(x) - f*"] for q in (2, 4)]
    assert not np.array_equal(*values)
    first = next(g for g in optlab.newton_damped.guarantees if "q" in g.vary)
    assert {v.verdict for v in verify(optlab.newton_damped, p, q=4, only=first.id)} == {"holds"}
