"""PEPit's shipped examples of potentials, flows and online learning, beside the methods that run here."""

import pytest
from parity import Example, side_by_side

import optlab
from optlab import worst_case
from optlab.gradient.accelerated import fastest
from optlab.problems.assumptions import Compact, Convex, LipschitzLosses, Smooth, StronglyConvex

POTENTIALS, FLOWS, ONLINE = "potential_functions", "continuous_time_models", "online_learning"
SMOOTH = (Smooth(2.0), Convex())
LOSSES = (LipschitzLosses(2.0), Compact(0.5))


def theorem(method, words):
    """The method's guarantee whose citation contains these words."""
    return next(g for g in method.guarantees if words in str(g.source))


def never_grows(method, words, **state):
    """V_{k+1} - V_k after one step from any state."""
    return worst_case(method, SMOOTH, 1, guarantee=theorem(method, words), from_any_state=state)


def instant(method, words, mu=0.0, t=1.0, **options):
    """The derivative of a potential at any instant."""
    return worst_case(method, (StronglyConvex(mu) if mu else Convex(),), 0, guarantee=theorem(method, words),
                      from_any_state=dict(t=t), **options)


def regret(method, words, rounds):
    return worst_case(method, LOSSES, rounds - 1, guarantee=theorem(method, words))


EXAMPLES = [
    Example(f"{POTENTIALS}.gradient_descent_lyapunov_1", dict(L=2, gamma=0.5, n=5),
            lambda: never_grows(optlab.gradient_descent, "Bansal-Gupta", k=5), bounded=True, zero=True),
    Example(f"{POTENTIALS}.gradient_descent_lyapunov_2", dict(L=2, gamma=0.5, n=5),
            lambda: never_grows(optlab.gradient_descent, "Taylor-Bach", k=5), bounded=True, zero=True),
    Example(f"{POTENTIALS}.accelerated_gradient_method", dict(L=2, gamma=0.5, lam=3.0),  # lam here is that of the coming step
            lambda: never_grows(optlab.nesterov, "Bansal-Gupta", lam=fastest(3.0)), bounded=True, zero=True),
    Example(f"{FLOWS}.gradient_flow_convex", dict(t=3.4), lambda: instant(optlab.gradient_flow, "p. 7", t=3.4), bounded=True,
            zero=True),
    Example(f"{FLOWS}.gradient_flow_strongly_convex", dict(mu=0.3), lambda: instant(optlab.gradient_flow, "Prop 11", 0.3),
            bounded=True),
    Example(f"{FLOWS}.accelerated_gradient_flow_convex", dict(t=3.4), lambda: instant(optlab.accelerated_flow, "Sec 2", t=3.4),
            bounded=True, zero=True),
    Example(f"{FLOWS}.accelerated_gradient_flow_strongly_convex", dict(mu=0.3),
            lambda: instant(optlab.accelerated_flow, "App B", 0.3), bounded=True),
    Example(f"{FLOWS}.accelerated_gradient_flow_strongly_convex", dict(mu=0.3, psd=False),
            lambda: instant(optlab.accelerated_flow, "Cor 2.5", 0.3), bounded=True),
    Example(f"{ONLINE}.online_gradient_descent", dict(M=2, D=0.5, n=4),
            lambda: regret(optlab.online_gradient_descent, "Zinkevich", 4), bounded=True),
    Example(f"{ONLINE}.online_follow_regularized_leader", dict(M=2, D=0.5, n=4),
            lambda: regret(optlab.follow_the_leader, "Thm 5.2", 4), bounded=True),
    Example(f"{ONLINE}.online_follow_leader", dict(M=2, D=0.5, n=4), lambda: regret(optlab.follow_the_leader, "simplices", 4)),
    Example(f"{ONLINE}.online_frank_wolfe", dict(M=2, D=0.5, n=4), lambda: regret(optlab.online_frank_wolfe, "Thm 2.1", 4),
            bounded=True),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_same_worst_case(example):
    side_by_side(example)


def test_a_longer_step_lets_the_potential_grow():
    w = worst_case(optlab.gradient_descent, SMOOTH, 1, guarantee=theorem(optlab.gradient_descent, "Bansal-Gupta"),
                   from_any_state=dict(k=5), step=1.1)
    assert w.above


def test_the_leader_pays_the_heights_of_regular_simplices():
    for rounds in (1, 2, 3, 6):
        w = regret(optlab.follow_the_leader, "simplices", rounds)
        assert w.exact
        assert w.ratio == pytest.approx(1, rel=1e-6)
