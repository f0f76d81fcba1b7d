"""Continuous time: gradient flow and the accelerated flows, integrated by Runge-Kutta, with theorems about every instant."""

from __future__ import annotations

from typing import Any, NamedTuple

from optlab.problems.assumptions import Convex, Smooth, StronglyConvex
from optlab.problems.pool import pool

from ..functions import sqrt
from ..guarantee import Control, Guarantee, cite, now
from ..measures import EPS, Measure, suboptimality
from ..methods import as_method, method
from ..steps import at


class Instant(NamedTuple):
    """The point, its velocity, and the time."""

    x: Any
    v: Any
    t: float


class Accelerating(NamedTuple):
    """The point, its velocity and acceleration, and the time."""

    x: Any
    v: Any
    a: Any
    t: float


def runge_kutta(rates, t, state, dt):
    """One classical step of order four: ``state`` is a tuple, ``rates(t, *state)`` its derivatives."""

    def moved(k, h):
        return tuple(s + h * r for s, r in zip(state, k, strict=True))

    k1 = rates(t, *state)
    k2 = rates(t + dt / 2, *moved(k1, dt / 2))
    k3 = rates(t + dt / 2, *moved(k2, dt / 2))
    k4 = rates(t + dt, *moved(k3, dt))
    return moved([a + 2 * b + 2 * c + d for a, b, c, d in zip(k1, k2, k3, k4, strict=True)], dt / 6)


@method(needs=("grad",), family="gradient", restartable=True, derived=("v",), cost="grad")
def gradient_flow(problem, x, v=None, t=0.0, *, dt):
    """Gradient flow, X' = -grad f(X): an instant every ``dt`` of time."""

    def rates(t, x):
        return (-problem.grad(x),)

    while True:
        yield Instant(x, *rates(t, x), t)
        (x,), t = runge_kutta(rates, t, (x,), dt), t + dt


@method(needs=("grad",), family="gradient", restartable=True, derived=("a",), cost="grad")
def accelerated_flow(problem, x, v=None, a=None, t=1.0, *, dt, friction):
    """Accelerated gradient flow, X'' + friction X' + grad f(X) = 0, at rest at time 1 (Su, Boyd, Candes 2016).

    ``friction`` is a number or a function of the time.
    """

    def rates(t, x, v):
        return v, -at(friction, t) * v - problem.grad(x)

    v = 0.0 * x if v is None else v
    while True:
        yield Accelerating(x, *rates(t, x, v), t)
        (x, v), t = runge_kutta(rates, t, (x, v), dt), t + dt


def sluggish_flow(problem, x, v=None, t=0.0, *, dt):
    """Sabotage of ``gradient_flow``: a quarter of the speed."""
    for it in gradient_flow(problem, x, v, t, dt=dt / 4):
        yield Instant(it.x, 0.25 * it.v, 4 * it.t)


def three_over(t):
    return 3 / t


# --- derivatives along the flow, and how large their terms are ----------------------------------------------------
def _size(problem, it):
    """Of a product of two among x - x*, velocities and gradients, in which points are known to EPS of their norm."""
    lengths = problem.norm(it.x - problem.x_star) + problem.norm(it.v) + problem.norm(problem.grad(it.x))
    error = EPS * (1 + getattr(problem, "L", 1.0)) * (problem.norm(it.x) + problem.norm(problem.x_star)) + problem.x_star_error
    return (1 + it.t) ** 2 * (1 + getattr(problem, "L", 1.0)) * lengths * (lengths + error / EPS)


def _rate(name, of):
    return Measure(name, of, r"\dot{V}", _size)


def _energy(problem, it):
    """f - f* + ||sqrt(mu) (x - x*) + v||^2 / 2."""
    return suboptimality(problem, it) + 0.5 * problem.sq(problem.mu**0.5 * (it.x - problem.x_star) + it.v)


def _faster_energy(problem, it):
    """f - f* + 4/9 mu ||x - x*||^2 + 4/3 sqrt(mu) <x - x*, v> + ||v||^2 / 2, positive on trajectories that start at rest."""
    z, root = it.x - problem.x_star, problem.mu**0.5
    return (suboptimality(problem, it) + 4 / 9 * root**2 * problem.sq(z) + 4 / 3 * root * problem.inner(z, it.v)
            + 0.5 * problem.sq(it.v))


def _falling_energy(problem, it):
    root = problem.mu**0.5
    return problem.inner(problem.grad(it.x), it.v) + problem.inner(root * (it.x - problem.x_star) + it.v, root * it.v + it.a)


def _falling_faster(problem, it):
    z, root = it.x - problem.x_star, problem.mu**0.5
    return (problem.inner(problem.grad(it.x), it.v) + 8 / 9 * root**2 * problem.inner(z, it.v)
            + 4 / 3 * root * (problem.sq(it.v) + problem.inner(z, it.a)) + problem.inner(it.a, it.v))


# of V = t (f - f*) + ||x - x*||^2 / 2, but for the growth of the weight t
falling = _rate("dV/dt - (f(x) - f*)", lambda p, it: it.t * p.inner(p.grad(it.x), it.v) + p.inner(it.x - p.x_star, it.v))
falling_value = _rate("df/dt", lambda p, it: p.inner(p.grad(it.x), it.v))
# of V = t^2 (f - f*) + 2 ||x - x* + t/2 v||^2, but for the growth of the weight t^2
falling_with_momentum = _rate("dV/dt - 2 t (f(x) - f*)", lambda p, it: it.t**2 * p.inner(p.grad(it.x), it.v)
                              + 4 * p.inner(it.x - p.x_star + it.t / 2 * it.v, 1.5 * it.v + it.t / 2 * it.a))
energy, faster_energy = (Measure("V", of, "V", lambda p, it: suboptimality.magnitude(p, it) + _size(p, it))
                         for of in (_energy, _faster_energy))
falling_energy = _rate("dV/dt", _falling_energy)
falling_faster = _rate("dV/dt", _falling_faster)
gap = now(suboptimality)


def moderate(*assumes):
    """The pool's problems that a step of 0.05 resolves."""
    return lambda rng: [p for p in pool(*assumes, Smooth) if p.L < 20]


instant = dict(first=0, from_any_state=True, recipe=lambda: dict(dt=0.05), valid=lambda dt: dt > 0)
sluggish = Control("a quarter of the speed", method=as_method(sluggish_flow, restartable=True, derived=("v",)))

gradient_flow.proves(
    Guarantee(falling, lambda gap: -gap, cite(0, 0, "Su, Boyd, Candes 2016, p. 7"), assumes=(Convex,), using=dict(gap=gap),
              on=moderate(Convex), control=sluggish, **instant),
    Guarantee(falling_value, lambda mu, gap: -2 * mu * gap, cite(0, 0, "Scieur et al. 2017, Prop 11"),
              assumes=(StronglyConvex,), using=dict(gap=gap), on=moderate(StronglyConvex), tightness="tight", control=sluggish,
              hold=("gap",), **instant),
    Guarantee(suboptimality, lambda k, dt, R: R**2 / (2 * dt * k), cite(0, 0, "Su, Boyd, Candes 2016, p. 7, integrated"),
              assumes=(Convex, Smooth), recipe=lambda L: dict(dt=0.1 / L), valid=lambda dt, L: 0 < dt <= 0.1 / L,
              control=Control("a fiftieth of the speed", recipe=lambda dt: dict(dt=dt / 50)), symbolic=False,
              note="of the flow; here of its integration"),
)

frictionless = Control("no friction", recipe=lambda: dict(friction=0.0))
accelerated_flow.proves(
    Guarantee(falling_with_momentum, lambda growth: -growth, cite(0, 0, "Su, Boyd, Candes 2016, Sec 2"), assumes=(Convex,),
              using=dict(growth=now(lambda p, it: 2 * it.t * suboptimality(p, it))), on=moderate(Convex), control=frictionless,
              **instant | dict(recipe=lambda: dict(dt=0.05, friction=three_over))),
    Guarantee(falling_energy, lambda mu, V: -sqrt(mu) * V, cite(0, 0, "Wilson, Recht, Jordan 2021, App B"),
              assumes=(StronglyConvex,), using=dict(V=now(energy)), on=moderate(StronglyConvex), tightness="tight",
              control=frictionless, hold=("V",), **instant | dict(recipe=lambda mu: dict(dt=0.05, friction=2 * sqrt(mu)))),
    Guarantee(falling_faster, lambda mu, V: -4 / 3 * sqrt(mu) * V, cite(0, 0, "Moucer, Taylor, Bach 2022, Cor 2.5"),
              assumes=(StronglyConvex,), using=dict(V=now(faster_energy)), on=moderate(StronglyConvex), tightness="tight",
              control=frictionless, hold=("V",), **instant | dict(recipe=lambda mu: dict(dt=0.05, friction=2 * sqrt(mu)))),
    Guarantee(suboptimality, lambda k, dt, R, D0: (D0 + 2 * R**2) / (1 + dt * k) ** 2,
              cite(0, 0, "Su, Boyd, Candes 2016, Thm 3, from rest at time 1"), assumes=(Convex, Smooth), symbolic=False,
              recipe=lambda L: dict(dt=0.1 / L**0.5, friction=three_over), valid=lambda dt, L: 0 < dt <= 0.1 / L**0.5,
              control=Control("friction 20, which does not fade", recipe=lambda: dict(friction=20.0)),
              note="of the flow; here of its integration"),
)
