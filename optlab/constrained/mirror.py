"""Mirror descent and dual averaging, in the geometry of the problem's mirror map (the entropy on the simplex)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from optlab.problems import max_linear
from optlab.problems.assumptions import Convex, LipschitzMirror, LowerBounded, RelativelySmooth
from optlab.problems.bregman import convex_quartic, steep_quartic
from optlab.problems.pool import pool

from ..fold import average, best_move
from ..functions import sqrt
from ..guarantee import Case, Control, Guarantee, cite, start
from ..measures import Measure, point, suboptimality
from ..methods import method


class Averaged(NamedTuple):
    """The point, the sum of the subgradients, and the point where the mirror map is least."""

    x: Any
    total: Any
    center: Any


@method(needs=("grad", "mirror"), family="constrained", restartable=True)
def mirror_descent(problem, x, *, step):
    """Mirror descent, x+ = argmin_s <step g, s> + D(s, x), g a subgradient at x (Nemirovski-Yudin 1983).

    For functions smooth relative to the kernel of D it is known as Bregman gradient or NoLips (Bauschke, Bolte, Teboulle 2017).
    """
    while True:
        yield x
        x = problem.mirror(x, problem.column(step) * problem.grad(x))


@method(needs=("grad", "mirror"), family="constrained", restartable=True, symbolic=False)
def dual_averaging(problem, x, total=0.0, center=None, *, step):
    """Dual averaging, x+ = argmin_s <step (g_0 + .. + g_k), s> + D(s, x_0) (Nesterov 2009)."""
    center = x if center is None else center
    total = total + 0 * x
    while True:
        yield Averaged(x, total, center)
        total = total + problem.grad(x)
        x = problem.mirror(center, problem.column(step) * total)


def on_simplices(rng):
    """From the uniform point, where the entropy is least, and from points inside."""
    starts = np.concatenate([np.full((1, 6), 1 / 6), rng.dirichlet(np.full(6, 4.0), size=3)])
    return [Case(p, starts) for p in (max_linear.one_good_arm(), max_linear.max_affine_on_simplex())]


timid = Control("steps a hundred times too short", recipe=lambda step: dict(step=step / 100))

mirror_descent.proves(
    Guarantee(suboptimality, lambda k, R_entropy, G_dual, rho: R_entropy * G_dual * sqrt(2 / (rho * k)),
              cite(70, 18, "Thm 4.2"), assumes=(Convex, LipschitzMirror), at=average, on=on_simplices, control=timid,
              symbolic=False,
              recipe=lambda R_entropy, G_dual, rho, horizon: dict(step=R_entropy / G_dual * sqrt(2 * rho / horizon))),
)
move_on = Measure(
    "D(x+, x)",
    lambda problem, pair: problem.divergence(pair.y, pair.x),
    r"D(x_{k+1}, x_k)",
)
move_back = Measure(
    "D(x, x+)",
    lambda problem, pair: problem.divergence(pair.x, pair.y),
    r"D(x_k, x_{k+1})",
)


def relatively_convex(rng):
    return pool(Convex, RelativelySmooth)


def relatively_smooth(rng):
    """Those that are not convex first."""
    return sorted(pool(RelativelySmooth, LowerBounded), key=lambda p: p.meets(Convex))


bregman = dict(recipe=lambda L_h, share: dict(step=share / L_h), vary=dict(share=(1.0, 0.5)), at_constants=dict(L_h=1.0),
               valid=lambda step, L_h: 0 < step <= 1 / L_h,
               control=Control("steps a thousand times too short", recipe=lambda step: dict(step=step / 1000)))
too_long = Control("a step of 3/L_h", recipe=lambda L_h: dict(step=3 / L_h))

mirror_descent.proves(
    Guarantee(suboptimality, lambda k, step, D: D / (step * k), cite(0, 0, "Dragomir-Taylor-d'Aspremont-Bolte 2021, Thm 1"),
              assumes=(Convex, RelativelySmooth), on=relatively_convex, tightness="tight",
              using=dict(D=start(lambda problem, it: problem.divergence(problem.x_star, point(it)))), **bregman),
    Guarantee(move_back, lambda k, D: 2 * D / (k * (k - 1)), cite(0, 0, "Dragomir-Taylor-d'Aspremont-Bolte 2021, Prop 4"),
              assumes=(Convex, RelativelySmooth), on=relatively_convex, tightness="tight", at=best_move, first=2,
              using=dict(D=start(lambda problem, pair: problem.divergence(problem.x_star, pair.x))),
              **bregman | dict(control=replace(too_long, on=lambda rng: [convex_quartic(), steep_quartic()]))),
    Guarantee(move_on, lambda k, step, L_h, D0: step * D0 / (k * (1 - step * L_h)),
              cite(0, 0, "Bolte-Sabach-Teboulle-Vaisbourd 2018, Prop 4.1"), assumes=(RelativelySmooth, LowerBounded),
              on=relatively_smooth, at=best_move,
              **bregman | dict(vary=dict(share=(0.5, 0.9)), valid=lambda step, L_h: 0 < step < 1 / L_h, control=too_long)),
    Guarantee(move_back, lambda k, step, D0: step * D0 / k, cite(0, 0, "Bolte-Sabach-Teboulle-Vaisbourd 2018, from Lemma 4.1"),
              assumes=(RelativelySmooth, LowerBounded), on=relatively_smooth, at=best_move, **bregman | dict(control=too_long)),
)
dual_averaging.proves(
    Guarantee(suboptimality, lambda k, R_entropy, G_dual, rho: 2 * R_entropy * G_dual * sqrt(2 / (rho * k)),
              cite(70, 19, "Thm 4.3"), assumes=(Convex, LipschitzMirror), at=average, on=on_simplices, control=timid,
              recipe=lambda R_entropy, G_dual, rho, horizon: dict(step=R_entropy / G_dual * sqrt(rho / (2 * horizon)))),
)
