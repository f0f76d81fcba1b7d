"""PEPit's shipped examples of exact searches, inexact gradients, proximal points and steps of Polyak, side by side."""

from math import sqrt

import pytest
from parity import Example, side_by_side

import optlab
from optlab import best, sq_distance, suboptimality, worst_case
from optlab.gradient.nonconvex import best_since
from optlab.gradient.polyak import inverse, twin
from optlab.problems.assumptions import (
    PL,
    BlockSmooth,
    Convex,
    EffectiveCurvature,
    EpsilonSubgradients,
    ErrorBound,
    ExactGradient,
    Lipschitz,
    LowerBounded,
    Monotone,
    QuadraticUpperBound,
    RelativeGradientError,
    RestrictedSecant,
    Smooth,
    StronglyConvex,
    ZeroOfOperator,
)

HERE = "unconstrained_convex_minimization"
POLYAK, NONCONVEX, LOW = "adaptive_methods", "nonconvex_optimization", "low_dimensional_worst_cases_scenarios"
STRONG = (Smooth(2.0), StronglyConvex(0.2))


def until(n, epsilon):
    """The accuracy of PEPit's example: epsilon for n subgradients, then an exact one."""
    return lambda k: epsilon if k < n else 0.0


def lojasiewicz(refined):
    theorem = named("Zamani 2023")
    return lambda: worst_case(optlab.gradient_descent, (Smooth(1.0), PL(0.2)), 2, guarantee=theorem, refined=refined, step=1.0)


def named(where, method=optlab.gradient_descent):
    """The method's guarantee from a paper."""
    return next(g for g in method.guarantees if where in g.source.where)


EXAMPLES = [
    Example(f"{HERE}.proximal_point", dict(gamma=3, n=4),
            lambda: worst_case(optlab.proximal_point, Convex(), 4, step=3.0), bounded=True),
    Example(f"{HERE}.accelerated_proximal_point", dict(A0=5, gammas=[(i + 1) / 1.1 for i in range(3)], n=3),
            lambda: worst_case(optlab.accelerated_proximal_point, Convex(), 3, step=lambda k: (k + 1) / 1.1, A0=5.0),
            bounded=True),
    Example(f"{HERE}.conjugate_gradient", dict(L=2, n=3),
            lambda: worst_case(optlab.span_search, (Smooth(2.0), Convex()), 3), bounded=True),
    Example(f"{HERE}.conjugate_gradient_qg_convex", dict(L=2, n=3),
            lambda: worst_case(optlab.span_search, (Convex(), QuadraticUpperBound(2.0)), 3), bounded=True),
    Example(f"{HERE}.gradient_exact_line_search", dict(L=2, mu=0.2, n=3),
            lambda: worst_case(optlab.span_search, STRONG, 3, guarantee=named("de Klerk", optlab.span_search)), bounded=True),
    Example(f"{HERE}.cyclic_coordinate_descent", dict(L=[1.0, 2.0, 10.0], n=5),
            lambda: worst_case(optlab.cyclic_block_descent, (Convex(), BlockSmooth((1.0, 2.0, 10.0))), 5,
                               measure=suboptimality, step=(1.0, 0.5, 0.1))),
    Example(f"{HERE}.epsilon_subgradient_method", dict(M=2, n=4, gamma=0.2, eps=0.1, R=1),
            lambda: worst_case(optlab.epsilon_subgradient_method, (Convex(), EpsilonSubgradients(2.0)), 5, at=best,
                               measure=suboptimality, step=0.2, epsilon=until(4, 0.1))),
    Example(f"{HERE}.inexact_gradient_descent", dict(L=2, mu=0.2, epsilon=0.1, n=2),
            lambda: worst_case(optlab.inexact_gradient_descent, (*STRONG, RelativeGradientError(0.1)), 2,
                               measure=suboptimality), bounded=True),
    Example(f"{HERE}.inexact_gradient_exact_line_search", dict(L=2, mu=0.2, epsilon=0.1, n=2),
            lambda: worst_case(optlab.inexact_line_search, (*STRONG, RelativeGradientError(0.1)), 2), bounded=True),
    Example(f"{HERE}.inexact_accelerated_gradient", dict(L=2, epsilon=0.1, n=4),
            lambda: worst_case(optlab.inexact_accelerated_gradient, (Smooth(2.0), Convex(), RelativeGradientError(0.1)), 4,
                               measure=suboptimality, step=0.5)),
    Example(f"{HERE}.inexact_accelerated_gradient", dict(L=2, epsilon=0, n=4),
            lambda: worst_case(optlab.inexact_accelerated_gradient, (Smooth(2.0), Convex(), ExactGradient()), 4), bounded=True),
    Example(f"{HERE}.subgradient_method", dict(M=2, n=4, gamma=1 / (2 * sqrt(5))),
            lambda: worst_case(optlab.projected_subgradient, (Convex(), Lipschitz(2.0)), 5, at=best), bounded=True),
    Example(f"{HERE}.subgradient_method_rsi_eb", dict(mu=0.1, L=1, gamma=0.1, n=3),
            lambda: worst_case(optlab.gradient_descent, (RestrictedSecant(0.1), ErrorBound(1.0)), 3), bounded=True),
    Example(f"{POLYAK}.polyak_steps_in_distance_to_optimum", dict(L=2, mu=0.2, gamma=0.7),
            lambda: worst_case(optlab.polyak_gradient, (*STRONG, EffectiveCurvature(1 / 0.7)), 1, measure=sq_distance,
                               rule=inverse), bounded=True),
    Example(f"{POLYAK}.polyak_steps_in_function_value", dict(L=2, mu=0.2, gamma=0.7),
            lambda: worst_case(optlab.polyak_gradient, (*STRONG, EffectiveCurvature(2 * (2 - 2 * 0.7))), 1,
                               measure=suboptimality, rule=twin(2.0)), bounded=True),
    Example(f"{NONCONVEX}.gradient_descent", dict(L=2, gamma=1 / 2, n=4),
            lambda: worst_case(optlab.gradient_descent, (Smooth(2.0), LowerBounded()), 5, at=best_since), bounded=True),
    Example(f"{NONCONVEX}.gradient_descent_quadratic_lojasiewicz_naive", dict(L=1, mu=0.2, gamma=1, n=2),
            lojasiewicz(False), bounded=True),
    Example(f"{NONCONVEX}.gradient_descent_quadratic_lojasiewicz_intermediate", dict(L=1, mu=0.2, gamma=1, n=2, alpha=0.1),
            lojasiewicz(0.1), bounded=True),
    Example(f"{NONCONVEX}.gradient_descent_quadratic_lojasiewicz_expensive", dict(L=1, mu=0.2, gamma=1, n=2),
            lojasiewicz(True), bounded=True),
    Example(f"{LOW}.inexact_gradient", dict(L=1, mu=0.1, epsilon=0.1, n=2),
            lambda: worst_case(optlab.inexact_gradient_descent, (Smooth(1.0), StronglyConvex(0.1), RelativeGradientError(0.1)), 2,
                               measure=suboptimality), bounded=True),
    Example(f"{LOW}.proximal_point", dict(alpha=2.2, n=4),
            lambda: worst_case(optlab.resolvent_iteration, (Monotone(), ZeroOfOperator()), 4, step=2.2), bounded=True),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_same_worst_case(example):
    side_by_side(example)
