"""Nesterov's accelerated gradient: convex, strongly convex, and as momentum with a look-ahead."""

from __future__ import annotations

from typing import Any, NamedTuple

from optlab.problems.assumptions import Convex, Smooth, StronglyConvex
from optlab.problems.hard import HuberNorm
from optlab.problems.pool import pool

from ..fold import pairs
from ..functions import exp, sqrt
from ..guarantee import Case, Control, Guarantee, cite, now
from ..measures import Measure, sq_distance, suboptimality
from ..methods import method
from ..steps import tabulated
from .lower_bounds import lower_bounds, polyak_rate


class Accelerated(NamedTuple):
    """The certified sequence y, the point x at which the next gradient is taken, lambda."""

    y: Any
    x: Any
    lam: float


class Extrapolated(NamedTuple):
    """The certified sequence y and the point x at which the next gradient is taken."""

    y: Any
    x: Any


class LookAhead(NamedTuple):
    """The point, its velocity, and the point ahead at which the next gradient is taken."""

    x: Any
    v: Any
    ahead: Any


def fastest(lam):
    """The largest lam+ with lam+^2 - lam+ <= lam^2."""
    return (1 + sqrt(1 + 4 * lam**2)) / 2


def by_half(lam):
    """lam_k = (k + 1)/2, so that the momentum is (k - 1)/(k + 2)."""
    return lam + 0.5


@method(needs=("grad",), family="gradient", restartable=True)
def nesterov(problem, y, x=None, lam=1.0, *, step, grow=fastest):
    """Nesterov's accelerated gradient: y+ = x - step grad f(x), x+ = y+ + (lam - 1)/lam+ (y+ - y) (Nesterov 1983)."""
    x = y if x is None else x
    while True:
        yield Accelerated(y, x, lam)
        following = grow(lam)
        stepped = x - step * problem.grad(x)
        x = stepped + (lam - 1) / following * (stepped - y)
        y, lam = stepped, following


@method(needs=("grad",), family="gradient", restartable=True)
def nesterov_strongly_convex(problem, y, x=None, *, step, momentum):
    """Constant momentum: y+ = x - step grad f(x), x+ = y+ + momentum (y+ - y) (Nesterov 2004, Sec 2.2)."""
    x = y if x is None else x
    while True:
        yield Extrapolated(y, x)
        stepped = x - step * problem.grad(x)
        x = stepped + momentum * (stepped - y)
        y = stepped


@method(needs=("grad",), family="gradient", restartable=True)
def nesterov_momentum(problem, x, v=None, ahead=None, *, step, momentum):
    """The same as a velocity: v+ = momentum v + step grad f(x - momentum v), x+ = x - v+ (Ruder 2016, Sec 4.2)."""
    v = 0.0 * x if v is None else v
    while True:
        ahead = x - momentum * v
        yield LookAhead(x, v, ahead)
        v = momentum * v + step * problem.grad(ahead)
        x = x - v


look_ahead = Measure(
    "point ahead", lambda problem, pair: pair.y.ahead, r"\phi_k",
    lambda problem, pair: (problem.norm(pair.x.x) + problem.norm(pair.x.v) + problem.norm(pair.y.v))[..., None],
    symbolic=False,
)

# lam_{k+1}^2 (f(y) - f*) + L/2 ||z - x*||^2, as lam^2 - lam of a step is lam^2 of the step before; z = y + lam (x - y)
_potential = Measure(
    "V", lambda problem, it: (it.lam**2 - it.lam) * suboptimality.of(problem, it)
    + problem.L / 2 * problem.sq(it.y + it.lam * (it.x - it.y) - problem.x_star), r"V_k",
    lambda problem, it: it.lam**2 * (suboptimality.magnitude(problem, it) + problem.L * sq_distance.magnitude(problem, it)
                                     + problem.L * sq_distance.magnitude(problem, it.x)))
after = Measure("V", lambda problem, pair: _potential.of(problem, pair.y), r"V_k",
                lambda problem, pair: _potential.magnitude(problem, pair.y))
before = Measure("V one step before", lambda problem, pair: _potential.of(problem, pair.x), r"V_{k-1}",
                 lambda problem, pair: _potential.magnitude(problem, pair.x))
lam = tabulated("lambda", 0.0, fastest)


def smooth_convex(rng):
    """For k steps with lam by halves the Huber loss whose gradient they never lose; then the pool."""
    worst = [HuberNorm(4 / ((k + 2) * (k + 3)), name=f"worst for {k} steps of Nesterov's method") for k in (5, 50)]
    return [*(Case(p, steps=k) for p, k in zip(worst, (5, 50), strict=True)), *(Case(p) for p in pool(Convex, Smooth))]


halves = dict(assumes=(Convex, Smooth), recipe=lambda L: dict(step=1 / L, grow=by_half), on=smooth_convex,
              control=Control("step 2.2/L", recipe=lambda L: dict(step=2.2 / L), on=lambda rng: pool(Convex, Smooth)))
nesterov.proves(
    Guarantee(suboptimality, lambda k, L, R: 2 * L * R**2 / (k + 1) ** 2, cite(70, 17, "Thm 3.19"),
              assumes=(Convex, Smooth), first=0, recipe=lambda L: dict(step=1 / L),
              control=Control("step 2.2/L", recipe=lambda L: dict(step=2.2 / L)),
              note="the theorem's t counts points: t = k + 1"),
    Guarantee(suboptimality, lambda k, step, R: 2 * R**2 / (step * (k + 1) ** 2), cite(29, 4, "Nesterov 1983"),
              assumes=(Convex, Smooth), first=0, recipe=lambda L, share: dict(step=share / L),
              vary=dict(share=(1.0, 0.5)), valid=lambda step, L: 0 < step <= 1 / L,
              control=Control("step 2.2/L", recipe=lambda L: dict(step=2.2 / L))),
    Guarantee(suboptimality, lambda k, L, R: L * R**2 / (2 * lam(k) ** 2), cite(0, 0, "Beck-Teboulle 2009, Thm 4.4"),
              assumes=(Convex, Smooth), recipe=lambda L: dict(step=1 / L),
              control=Control("step 2.2/L", recipe=lambda L: dict(step=2.2 / L)), note="in its proof; lam_1 = 1"),
    Guarantee(suboptimality, lambda k, L, R: 2 * L * R**2 / (k + 1) ** 2, cite(0, 0, "Tseng 2008, lam_k = (k + 1)/2"),
              **halves),
    Guarantee(suboptimality, lambda k, L, R: 2 * L * R**2 / ((k + 2) * (k + 3)),
              cite(0, 0, "Taylor-Hendrickx-Glineur 2017, Table 1"), tightness="tight", **halves,
              note="attained, and the exact worst case of every k that was solved; not proved for all k", proved=False),
    Guarantee(after, lambda V_before: V_before, cite(0, 0, "Nesterov 1983; Bansal-Gupta 2019, Thm 5.3"), at=pairs,
              assumes=(Convex, Smooth), using=dict(V_before=now(before)), recipe=lambda L: dict(step=1 / L),
              from_any_state=dict(lam=fastest(10.0)), control=Control("step 2.2/L", recipe=lambda L: dict(step=2.2 / L)),
              note="V = (lam^2 - lam) (f(y) - f*) + L/2 ||y + lam (x - y) - x*||^2"),
    *lower_bounds(lambda L, share: dict(step=share / L), share=(1.3, 1.0, 0.5, 0.1)),
)

accelerated = dict(
    assumes=(StronglyConvex, Smooth), first=0, recipe=lambda L, mu: dict(step=1 / L, momentum=polyak_rate(L, mu)),
    control=Control("momentum 1, which knows no strong convexity", recipe=lambda: dict(momentum=1.0)),
)
nesterov_strongly_convex.proves(
    Guarantee(suboptimality, lambda k, mu, L, R: (mu + L) / 2 * R**2 * exp(-k / sqrt(L / mu)), cite(70, 16, "Thm 3.18"),
              **accelerated),
    Guarantee(suboptimality, lambda k, mu, L, R, D0: (1 - sqrt(mu / L)) ** k * (D0 + mu / 2 * R**2),
              cite(0, 0, "Nesterov 2004, Thm 2.2.3; in the proof of Bubeck's Thm 3.18"), **accelerated),
    *lower_bounds(lambda L, mu, share: dict(step=share / L, momentum=polyak_rate(L, mu)),
                  share=(1.3, 1.0, 0.5)),
)

nesterov_momentum.proves(
    Guarantee(look_ahead, lambda step, momentum, ahead, g, v: ahead - step * g - momentum * v, cite(29, 5, "Sec 4.2"),
              assumes=(Smooth,), at=pairs, relation="==", steps=50, recipe=lambda L, share: dict(step=share / L),
              vary=dict(share=(1.0, 0.1), momentum=(0.9, 0.5)),
              using=dict(ahead=now(lambda p, pair: pair.x.ahead), g=now(lambda p, pair: p.grad(pair.x.ahead)),
                         v=now(lambda p, pair: pair.y.v)),
              symbolic=False,
              control=Control("half of the momentum", recipe=lambda momentum: dict(momentum=momentum / 2))),
)
