"""EControl (error control for heterogeneous agents) and gradient descent with unbiased compression (TernGrad)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optlab.problems.agents import Federation, heterogeneous_quadratics
from optlab.problems.assumptions import (
    ContractiveMessages,
    PLMean,
    SmoothAgents,
    SmoothMean,
    StronglyConvexMean,
)
from optlab.problems.quadratic import Quadratic

from ..federated.folds import averaged, beside, mean_of, same, sq_mean_gradient
from ..functions import sqrt
from ..guarantee import Case, Control, Guarantee, cite
from ..measures import sq_distance, suboptimality
from ..methods import method
from .compressors import Ternary
from .feedback import clients
from .rules import worst_ternary


class Controlled(NamedTuple):
    """The server's point, every agent's error and every agent's gradient estimate."""

    x: Any
    e: Any
    h: Any


@method(needs=("grad", "send", "mean"), family="compression", restartable=True)
def econtrol(problem, x, e=None, h=None, *, step, eta, compressor):
    """c = C(eta e + g - h), e+ = e + g - h - c, h+ = h + c, x+ = x - step mean h+ (Gao, Islamov, Stich 2024)."""
    x, e, h = problem.mean(x), 0 * x if e is None else e, problem.grad(x) if h is None else h
    while True:
        yield Controlled(x, e, h)
        g = problem.grad(x)
        sent = problem.send(eta * e + g - h, compressor)
        e = e + g - h - sent
        h = h + sent
        x = x - step * problem.mean(h, sent=True)


@method(needs=("grad", "send", "mean"), family="compression")
def quantized_gradient_descent(problem, x, *, step, compressor, rng):
    """x+ = x - step mean Q(grad), Q unbiased, drawn by every agent on its own (TernGrad, QSGD)."""
    own = rng.each(problem.n)
    x, k = problem.mean(x), 0
    while True:
        yield x
        size = step(k) if callable(step) else step
        x, k = x - size * problem.mean(problem.send(problem.grad(x), compressor, own), sent=True), k + 1


@method(symbolic=False)
def error_dropped(problem, x, e=None, h=None, *, step, eta, compressor):
    """Control: the error is forgotten after every round."""
    x, h = problem.mean(x), problem.grad(x)
    while True:
        yield Controlled(x, 0 * h, h)
        h = h + 0.5 * problem.send(problem.grad(x) - h, compressor)
        x = x - step * problem.mean(h, sent=True)


def _virtual(iterates, q):
    """x_0 - step sum mean grad + step mean e: the point of which gradient descent is the exact recursion."""
    problem, path = q.problem, None
    for state in iterates:
        path = state.x if path is None else path
        yield state, path + q["step"] * problem.mean(state.e)
        path = path - q["step"] * problem.mean(problem.grad(state.x))


def largest_eta(eps):
    """min(1, (1 - q)/(3 q)) with q = sqrt(eps)."""
    return min(1.0, (1 - eps**0.5) / (3 * eps**0.5)) if eps > 0 else 1.0


def safe_step(L, Lrms, eps, eta):
    """1/(L + G Lrms) with the gain G = 2 q/(1 - q - 2 eta q)."""
    q = eps**0.5
    return 1 / (L + 2 * q / (1 - q - 2 * eta * q) * Lrms)


beyond = Control("step beyond 2/L", recipe=lambda L: dict(step=2.5 / L))
econtrol.proves(
    Guarantee(averaged, lambda k, D0, step: 2 * D0 / (step * k), cite(6, 1), at=mean_of(sq_mean_gradient), on=clients(),
              assumes=(SmoothMean, SmoothAgents, ContractiveMessages), vary=dict(share=(1.0, 0.1)), symbolic=False,
              recipe=lambda L, Lrms, eps, compressor, share: dict(
                  compressor=compressor, eta=share * largest_eta(eps),
                  step=safe_step(L, Lrms, eps, share * largest_eta(eps))),
              control=(beyond, Control("eta = 2", recipe=lambda: dict(eta=2.0)))),
    Guarantee(suboptimality, lambda k, step, mu, D0: (1 - step * mu) ** k * D0, cite(6, 2), on=clients(), symbolic=False,
              assumes=(PLMean, SmoothAgents, ContractiveMessages),
              recipe=lambda L, Lrms, eps, mu, compressor: dict(
                  compressor=compressor, eta=largest_eta(eps),
                  step=min(1 / (L + 21 * eps**0.5 * Lrms / (1 - eps**0.5)), (1 - eps**0.5) / (9 * mu))),
              control=(beyond, Control("eta = 2", recipe=lambda: dict(eta=2.0)))),
    Guarantee(same, lambda: 0.0, cite(6, 3), at=beside("virtual iterate", _virtual), relation="==", on=clients(),
              assumes=(ContractiveMessages,), symbolic=False,
              recipe=lambda L, eps, compressor: dict(step=0.1 / L, eta=largest_eta(eps), compressor=compressor),
              control=Control("the error is forgotten", method=error_dropped)),
)


def _alike(rng):
    """Agents with one objective: ill-conditioned ones, and the identity from the vector that ternary rounding suffers most."""
    A = heterogeneous_quadratics(1, 8, mu=0.2, spread=1.0)[0]
    sharp = Federation([Quadratic(np.eye(100))])
    return [Case(Federation([A] * 4), np.tile(3 * rng.standard_normal(8), (4, 1)), steps=60),
            Case(sharp, worst_ternary(100)[None, :], steps=20)]


def _apart(rng):
    return Case(Federation(heterogeneous_quadratics(3, 4, mu=0.5, spread=1.0)), steps=3000, replicates=256)


def _ternary_variance(dim, n):
    return ((dim / n) ** 0.5 - 1) / 2


quantized_gradient_descent.proves(
    Guarantee(sq_distance, lambda k, mu, step, R: (1 - step * mu) ** k * R**2, cite(154, 3, "unbiased compression"),
              mode="expectation", assumes=(SmoothMean, StronglyConvexMean), on=_alike, symbolic=False,
              recipe=lambda L, dim, n: dict(step=1 / (L * (1 + _ternary_variance(dim, n) / n)), compressor=Ternary()),
              control=Control("step 1/L, the variance left out", recipe=lambda L: dict(step=1 / L))),
    Guarantee(sq_distance, lambda k: 1 / sqrt(k), cite(154, 4, "Thm 1: Robbins-Monro steps (convergence; no rate is claimed)"),
              mode="order", assumes=(SmoothMean, StronglyConvexMean), on=_apart, symbolic=False,
              recipe=lambda L, mu: dict(step=lambda k: 1 / (mu * (k + 4 * L / mu)), compressor=Ternary()),
              control=Control("a constant step", recipe=lambda L: dict(step=0.2 / L))),
)
