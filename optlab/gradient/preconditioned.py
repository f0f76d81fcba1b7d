"""Symmetric polynomial preconditioning: large eigenvalues are cut off without being computed (Doikov and Rodomanov 2023)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optlab.problems.assumptions import SmoothInMatrix, StronglyConvexInMatrix
from optlab.problems.glm import LogisticRegression
from optlab.problems.pool import spectrum
from optlab.problems.preconditioning import InItsNorm, KnownMatrix, Preconditioned, elementary_symmetric

from ..guarantee import Case, Control, Guarantee, cite
from ..measures import Measure, suboptimality
from ..methods import method
from .accelerated import nesterov


class Conditioned(NamedTuple):
    """A preconditioner and the matrix that it is for."""

    P: Any
    B: Any


def from_traces(B, degree, sign=-1):
    """P_t = (1/t) sum_i sign^(i-1) P_(t-i) (tr(B^i) I - B^i), P_0 = I."""
    eye = np.eye(len(B))
    powers, P = [eye], [eye]
    for t in range(1, degree + 1):
        powers.append(powers[-1] @ B)
        P.append(sum(sign ** (i - 1) * P[t - i] @ (np.trace(powers[i]) * eye - powers[i]) for i in range(1, t + 1)) / t)
    return P[degree]


@method(needs=("B",), family="gradient", symbolic=False)
def symmetric_preconditioner(problem, x, *, degree):
    """P_t = (1/t) sum_i (-1)^(i-1) P_(t-i) (tr(B^i) I - B^i), P_0 = I: from traces, without eigenvalues."""
    return Conditioned(from_traces(problem.B, degree), problem.B)


@method(needs=("grad", "precondition"), family="gradient", symbolic=False, restartable=True)
def preconditioned_gradient(problem, x, *, step):
    """x+ = x - step P grad f(x)."""
    while True:
        yield x
        x = x - step * problem.precondition(problem.grad(x))


@method(needs=("grad", "precondition"), family="gradient", symbolic=False, restartable=True)
def preconditioned_nesterov(problem, y, x=None, lam=1.0, *, step):
    """Nesterov's accelerated gradient in the norm of P^-1, in which the gradient is P grad f."""
    yield from nesterov(InItsNorm(problem), y, x, lam, step=step)


# --- the preconditioner ------------------------------------------------------------------------------------------
def _extremes(it):
    """Largest and smallest eigenvalue of P B (the two commute)."""
    product = it.P @ it.B
    eigenvalues = np.linalg.eigvalsh((product + product.T) / 2)
    return eigenvalues[-1], eigenvalues[0]


def _condition(problem, it):
    largest, smallest = _extremes(it)
    return largest / smallest


def _condition_rounding(problem, it):
    largest, smallest = _extremes(it)
    return largest / smallest**2 * np.linalg.norm(it.P, 2) * np.linalg.norm(it.B, 2) * problem.dim


condition = Measure("cond(P B)", _condition, r"\mathrm{cond}(P_\tau B)", _condition_rounding, symbolic=False)


def ratio_of_polynomials(degree, eigenvalues):
    """(l_1/l_n) sigma_t(l without l_1) / sigma_t(l without l_n), by the recurrence in which nothing cancels."""
    first, last = eigenvalues[1:], eigenvalues[:-1]
    polynomials = (elementary_symmetric(e, degree)[degree] for e in (first, last))
    return eigenvalues[0] * next(polynomials) / (eigenvalues[-1] * next(polynomials))


def gap_cut(degree, eigenvalues):
    """(n - t) l_(t+1) / l_n: the t largest eigenvalues no longer count."""
    return (len(eigenvalues) - degree) * eigenvalues[degree] / eigenvalues[-1]


def matrices(rng):
    """Two huge eigenvalues, a flat spectrum, a geometric one."""
    spectra = ([1e4, 1e3, *np.linspace(5, 1, 10)], np.ones(6), np.geomspace(50, 1, 5))
    names = ("two huge eigenvalues", "flat spectrum", "geometric spectrum")
    return [Case(KnownMatrix(_symmetric(e, i), name=n)) for i, (e, n) in enumerate(zip(spectra, names, strict=True))]


def _symmetric(eigenvalues, seed=0):
    B = spectrum(list(eigenvalues), seed)
    return (B + B.T) / 2


def unsigned(problem, x, *, degree):
    """Sabotage: the same sum without its signs."""
    return Conditioned(from_traces(problem.B, degree, sign=1), problem.B)


of_degrees = dict(on=matrices, recipe=lambda degree: dict(degree=degree), symbolic=False)
symmetric_preconditioner.proves(
    Guarantee(condition, ratio_of_polynomials, cite(66, 1, "derived"), relation="==", vary=dict(degree=(0, 1, 2, 3)),
              control=Control("signs forgotten", method=unsigned), **of_degrees),
    Guarantee(condition, gap_cut, cite(66, 2, "derived"), tightness="tight", vary=dict(degree=(0, 1, 2, 4)),
              valid=lambda degree, dim: 0 <= degree < dim,
              control=Control("no preconditioner", recipe=lambda: dict(degree=0)), **of_degrees),
)


# --- gradient methods ----------------------------------------------------------------------------------------------
def two_huge(degree):
    """A quadratic of 50 variables whose matrix has two huge eigenvalues, preconditioned by this degree."""
    B = _symmetric([1e4, 1e3, *np.linspace(5, 1, 48)])
    return Preconditioned.of_quadratic(B, 0.5, 1.0, degree=degree)


def convex(rng):
    """Quadratics at two degrees, and logistic regression whose data have two dominant directions."""
    X = rng.standard_normal((60, 6)) * np.array([30.0, 10.0, 1.0, 1.0, 1.0, 1.0])
    y = np.where(X @ rng.standard_normal(6) + 10 * rng.standard_normal(60) > 0, 1.0, -1.0)
    model = LogisticRegression(X, y, 1e-2, name="logistic regression on two dominant directions")
    return [Case(two_huge(2)), Case(two_huge(1)), Case(Preconditioned.of_model(model, degree=2)), Case(two_huge(4)),
            Case(two_huge(0)), *(Case(Preconditioned.of_model(_cancer(), degree=t)) for t in (1, 3))]


def _cancer():
    return LogisticRegression.from_data("breast_cancer", l2=1e-2)


prescribed = dict(assumes=(SmoothInMatrix,), on=convex, symbolic=False, recipe=lambda L_B, beta: dict(step=1 / (beta * L_B)),
                  control=Control("the step of the plain method, beta forgotten",
                                  recipe=lambda L_B, largest: dict(step=1 / (largest * L_B)), steps=3))
preconditioned_gradient.proves(
    Guarantee(suboptimality, lambda k, beta, L_B, RP2: beta * L_B * RP2 / (4 * k + 2),
              cite(66, 3, "derived", claim="in the norm of P^-1"), **prescribed),
    Guarantee(suboptimality, lambda k, beta, alpha, L_B, RB2: beta / alpha * L_B * RB2 / (4 * k + 2),
              cite(66, 3, "derived", claim="in the norm of B"), **prescribed),
    Guarantee(suboptimality, lambda k, alpha, beta, mu_B, L_B, D0: (1 - alpha * mu_B / (beta * L_B)) ** k * D0,
              cite(66, 4, "derived"), **prescribed | dict(assumes=(SmoothInMatrix, StronglyConvexInMatrix))),
)
preconditioned_nesterov.proves(
    Guarantee(suboptimality, lambda k, alpha, beta, L_B, RB2: 2 * beta / alpha * L_B * RB2 / (k + 1) ** 2,
              cite(66, 5, "derived"), first=0, **prescribed),
)
