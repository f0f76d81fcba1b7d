"""Gradients that arrive late (Downpour, Hogwild!), and agents on elastic bands (EASGD)."""

from __future__ import annotations

from math import comb
from typing import Any, NamedTuple

import numpy as np

from optlab.problems.agents import Federation, heterogeneous_quadratics
from optlab.problems.assumptions import QuadraticAgents, QuadraticForm, StronglyConvex
from optlab.problems.hard import AlongEigenvector
from optlab.problems.pool import pool
from optlab.problems.quadratic import Quadratic

from ..fold import pairs
from ..functions import sin
from ..guarantee import Case, Control, Guarantee, cite, now, start
from ..measures import Measure, sq_distance
from ..methods import method


class Delayed(NamedTuple):
    """The point, and the ``delay`` points before it, oldest first."""

    x: Any
    past: tuple[Any, ...]


class Radius(NamedTuple):
    """Spectral radius of a linear recursion."""

    radius: float


class Elastic(NamedTuple):
    """Every agent's point, and the center that they are tied to."""

    x: Any
    center: Any


@method(needs=("grad",), family="gradient", restartable=True)
def delayed_gradient_descent(problem, x, past=None, *, step, delay):
    """x+ = x - step grad f(x of ``delay`` steps ago), which before the start was x0."""
    past = (x,) * delay if past is None else past
    while True:
        yield Delayed(x, past)
        oldest, *others = (*past, x)
        x, past = x - step * problem.grad(oldest), tuple(others)


@method(needs=("eigenvalues",), family="gradient", symbolic=False)
def delayed_radius(problem, x, *, step, delay):
    """Largest modulus of the roots of z^(delay + 1) - z^delay + step lambda, over the eigenvalues of a quadratic."""
    tail = np.zeros(max(0, delay - 1))
    head = [1.0, -1.0] if delay else [1.0]
    polynomials = [np.concatenate([head, tail, [step * a - (not delay)]]) for a in problem.eigenvalues]
    return Radius(float(max(np.abs(np.roots(p)).max() for p in polynomials)))


@method(needs=("grad", "mean"), family="gradient", restartable=True)
def easgd(problem, x, center=None, *, step, rho):
    """Elastic averaging: x_i+ = x_i - step (grad f_i + rho (x_i - c)), c+ = c + step rho sum_i (x_i - c) (Zhang et al. 2015)."""
    center = problem.mean(x) if center is None else center
    while True:
        yield Elastic(x, center)
        pull = rho * (x - center)
        x, center = x - step * (problem.grad(x) + pull), center + step * problem.n * problem.mean(pull)


# --- late gradients ----------------------------------------------------------------------------------------------
def edge(delay):
    """Beyond step L = 2 sin(pi / (4 delay + 2)) gradient descent with late gradients is unstable."""
    return 2 * sin(np.pi / (4 * delay + 2))


def delayed_solution(k, step, delay, modes, x_star, start):
    """x* + sum_j C(k - (j - 1) delay, j) (-step lambda)^j (x0 - x*), coordinate by coordinate of a diagonal quadratic."""
    steps = np.asarray(k, dtype=int)
    ways = np.vectorize(lambda n, j: float(comb(n - (j - 1) * delay, j)) if n - (j - 1) * delay >= j else 0.0)
    factor = sum(ways(steps, j) * (-step * modes) ** j for j in range(int(steps.max()) + 1))
    return x_star + factor * (start - x_star)


class Diagonal(Quadratic):
    """A quadratic whose coordinates do not speak to each other."""

    def __init__(self, modes, b):
        super().__init__(np.diag(modes), b, name="diagonal quadratic")
        self.modes = np.asarray(modes)


def diagonal(rng):
    return [Case(Diagonal([0.01, 0.1, 0.5, 1.0], np.array([0.02, 1.0, -1.0, 1.0])), steps=25)]


def along_the_edge(rng):
    """The largest eigenvalue decides: a start along it, and quadratics of the pool."""
    A = np.diag([1.0, 10.0, 100.0])
    return [Case(AlongEigenvector(A, np.ones(3), which=-1, name="quadratic along its largest eigenvalue"), steps=2000),
            *(Case(p, steps=2000) for p in pool(QuadraticForm, StronglyConvex)[:2])]


def spectra(rng):
    return [Case(Quadratic(np.diag([1.0, 7.0, 100.0]))), Case(Quadratic(np.diag([0.3, 2.0])))]


def delayed_by(share, **options):
    """The delays to try, with this share of the largest stable step."""
    return dict(recipe=lambda L, delay: dict(step=share * edge(delay) / L, delay=delay), symbolic=False) | options


delays = dict(delay=(0, 1, 2, 5, 20))
place = Measure("x", lambda p, it: it.x, "x_k", lambda p, it: 20 * (abs(it.x) + abs(p.x_star)), symbolic=False)
radius = Measure("spectral radius", lambda p, it: it.radius, r"\rho", lambda p, it: 1.0, symbolic=False)


def off_the_edge(factor, why):
    return Control(why, recipe=lambda L, delay: dict(step=factor * edge(delay) / L))


too_long = off_the_edge(1.05, "steps 5% above the edge")
some_share = dict(recipe=lambda L, delay, share: dict(step=share * edge(delay) / L, delay=delay), symbolic=False,
                  assumes=(QuadraticForm,), on=spectra)

delayed_radius.proves(
    Guarantee(radius, lambda: 1.0, cite(29, 11, claim="the edge"), relation="==", vary=delays | dict(share=(1.0,)),
              control=too_long, **some_share),
    Guarantee(radius, lambda: 1.0, cite(29, 11, claim="stable below"), vary=delays | dict(share=(0.98, 0.5, 0.02)),
              control=too_long, **some_share),
    Guarantee(radius, lambda: 1.0, cite(29, 11, claim="unstable above"), vary=delays | dict(share=(1.02, 1.5, 4.0)),
              relation=">=", control=off_the_edge(0.95, "steps 5% below the edge"), **some_share),
)
delayed_gradient_descent.proves(
    Guarantee(place, delayed_solution, cite(0, 0, "derived: the solution by powers of the step"), relation="==",
              assumes=(QuadraticForm,), on=diagonal, using=dict(start=start(lambda p, it: it.x)),
              control=Control("one step later", recipe=lambda delay: dict(delay=delay + 1)),
              **delayed_by(0.9, vary=dict(delay=(1, 3, 10)))),
    Guarantee(sq_distance, lambda k: 1 + 0 * k, cite(29, 11, claim="runs stay bounded"), mode="order", assumes=(QuadraticForm,),
              on=along_the_edge, control=too_long, **delayed_by(0.98, vary=dict(delay=(1, 5)))),
)


# --- elastic averaging -------------------------------------------------------------------------------------------
def _sum(problem, v):
    return problem.n * problem.mean(v)[..., 0, :]


def lopsided(problem, x, *, step, rho):
    """Sabotage: the first agent is tied to nothing, and still pulls the center."""
    center = problem.mean(x)
    tied = np.arange(problem.n)[:, None] > 0
    while True:
        yield Elastic(x, center)
        pull = rho * (x - center)
        x, center = x - step * (problem.grad(x) + tied * pull), center + step * problem.n * problem.mean(pull)


def one_voice(problem, x, *, step, rho):
    """Sabotage: the center hears the first agent only."""
    center = problem.mean(x)
    while True:
        yield Elastic(x, center)
        pull = rho * (x - center)
        x, center = x - step * (problem.grad(x) + pull), center + step * pull[..., :1, :]


def _size(problem, it):
    return problem.Lmax * (abs(it.x).max(axis=(-2, -1)) + abs(problem.x_star).max()) * problem.n


drift = Measure(
    "sum_i (x_i+ - x_i) + c+ - c",
    lambda p, pair: _sum(p, pair.y.x - pair.x.x) + (pair.y.center - pair.x.center)[..., 0, :],
    r"\textstyle\sum_i (x_i^{k+1} - x_i^k) + c^{k+1} - c^k",
    lambda p, pair: _size(p, pair.x)[..., None], symbolic=False,
)
total_gradient = Measure("||sum_i grad f_i(x_i)||_inf", lambda p, it: abs(_sum(p, p.grad(it.x))).max(axis=-1),
                         r"\|\sum_i \nabla f_i(x_i^k)\|_\infty", _size, symbolic=False)
imbalance = Measure("||sum_i (x_i - c)||_inf", lambda p, it: abs(_sum(p, it.x - it.center)).max(axis=-1),
                    r"\|\sum_i (x_i^k - c^k)\|_\infty", _size, symbolic=False)


def agents(rng):
    return [Case(Federation(heterogeneous_quadratics(4, 3, mu=0.2, spread=2.0, seed=5))),
            Case(Federation(heterogeneous_quadratics(7, 2, mu=0.5, spread=1.0, seed=6)))]


elastic = dict(assumes=(QuadraticAgents,), on=agents, symbolic=False, vary=dict(rho=(0.1, 1.0)))
in_the_end = dict(relation="==", horizons=(2000,), recipe=lambda Lmax, n, rho, horizon: dict(step=1 / (Lmax + n * rho), rho=rho))

easgd.proves(
    Guarantee(drift, lambda step, g: -step * g, cite(0, 0, "derived: the bands' forces cancel"), at=pairs, relation="==",
              steps=60, recipe=lambda Lmax, n, rho: dict(step=1 / (Lmax + n * rho), rho=rho),
              using=dict(g=now(lambda p, pair: _sum(p, p.grad(pair.x.x)))),
              control=Control("an agent tied to nothing", method=lopsided), **elastic,
              note="so at a fixed point the gradients add up to zero"),
    Guarantee(total_gradient, lambda: 0.0, cite(29, 12, "derived", claim="gradients"),
              control=Control("an agent tied to nothing", method=lopsided), **in_the_end, **elastic),
    Guarantee(imbalance, lambda: 0.0, cite(29, 12, "derived", claim="bands"),
              control=Control("a center that hears one agent", method=one_voice), **in_the_end, **elastic),
)
