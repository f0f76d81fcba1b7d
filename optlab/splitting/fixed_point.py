"""Fixed-point iterations of a nonexpansive operator, with a fixed point or without (v: infimal displacement vector)."""

from __future__ import annotations

from functools import cache

import numpy as np

from optlab.problems.assumptions import AttainedDisplacement, AveragedOperator, Contractive, FixedPoint, Nonexpansive
from optlab.problems.operators import (
    AffineContraction,
    Expanded,
    Relaxed,
    Screw,
    Shift,
    ball_and_halfspace_douglas_rachford,
    disjoint_balls_douglas_rachford,
    infeasible_program_douglas_rachford,
    lasso_douglas_rachford,
    screw,
    slow_rotations,
)

from ..fold import Fold, best
from ..functions import harmonic, maximum, sqrt
from ..guarantee import Case, Control, Guarantee, cite
from ..measures import EPS, Measure, point, sq_distance
from ..methods import method
from ..steps import at, growing


def _magnitude(problem, y, size):
    # an error of 64 eps size in y moves ||y - v||^2 by 2 ||y - v|| times it, plus its square
    error = EPS * (size + problem.norm(problem.v)) + problem.x_star_error / 64
    return error * (2 * problem.norm(y - problem.v) + 64 * error) / EPS


def _residual(problem, it):
    return point(it) - problem.T(point(it))


sq_to_displacement = Measure(
    "||y - v||^2",
    lambda problem, it: problem.sq(point(it) - problem.v),
    r"\|y_k - v\|^2",
    lambda problem, it: _magnitude(problem, point(it), problem.norm(point(it)) + problem.norm(problem.x_star)),
)
sq_residual_error = Measure(
    "||x - T(x) - v||^2",
    lambda problem, it: problem.sq(_residual(problem, it) - problem.v),
    r"\|x_k - T x_k - v\|^2",
    lambda problem, it: _magnitude(problem, _residual(problem, it), 2 * problem.norm(point(it))),
)


def normalized(scale):
    """The fold ``scale (x_0 - x_k) / k``: an estimate of v (at k = 0: zero)."""

    def fold(iterates, quantities):
        x0 = None
        for k, it in enumerate(iterates):
            x0 = point(it) if x0 is None else x0
            yield (scale / max(k, 1)) * (x0 - point(it))

    return Fold(f"{scale if scale > 1 else ''}(x_0 - x_k)/k", fold)


drifted, drifted_twice = normalized(1.0), normalized(2.0)


@method(needs=("T",), family="splitting", restartable=True)
def fixed_point_iteration(problem, x):
    """Picard iteration, x+ = T(x)."""
    while True:
        yield x
        x = problem.T(x)


@method(needs=("T",), family="splitting")
def krasnoselskii_mann(problem, x, *, relaxation):
    """Krasnoselskii-Mann, x+ = (1 - theta) x + theta T(x), theta = relaxation(k)."""
    k = 0
    while True:
        yield x
        x = x + at(relaxation, k) * (problem.T(x) - x)
        k += 1


@method(needs=("T",), family="splitting")
def halpern(problem, x, *, anchoring):
    """Halpern, x+ = w_k x0 + (1 - w_k) T(x) with w_k = anchoring(k)."""
    x0, k = x, 0
    while True:
        yield x
        w = anchoring(k)
        x = w * x0 + (1 - w) * problem.T(x)
        k += 1


@method(needs=("T",), family="splitting", symbolic=False)
def anderson(problem, x):
    """Anderson acceleration with full memory (GMRES on affine T): x+ = sum w_j T(x_j), affine w of least residual."""
    images, residuals = [], []
    while True:
        yield x
        images.append(problem.T(x))
        residuals.append(x - images[-1])
        last = residuals[-1]
        if len(residuals) > 1:
            moves = np.stack([r - last for r in residuals[:-1]], axis=-1)
            w = np.linalg.pinv(moves) @ last[..., None]
            x = images[-1] - (np.stack([y - images[-1] for y in images[:-1]], axis=-1) @ w)[..., 0]
        else:
            x = images[-1]


def vanishing(k):
    """Halpern's weights 1/(k + 2)."""
    return 1 / (k + 2)


@cache
def fading(rate):
    """Park and Ryu's weights 1 / (1 + g^2 + ... + g^(2k + 2)), g = 1/rate."""
    return lambda k: (rate**-2 - 1) / (rate ** (-2 * k - 4) - 1)


def _operators(rng):
    """Half a turn and slower, drifting; real splittings without a fixed point."""
    return [Case(Screw([np.pi], 0.5), np.array([1.0, 2.0, 0.0])), Case(screw()),
            Case(disjoint_balls_douglas_rachford(), np.array([[0.5, 2.0, 1.0], [-3.0, 0.5, 0.1]])),
            Case(infeasible_program_douglas_rachford()), Case(slow_rotations()),
            Case(ball_and_halfspace_douglas_rachford(), np.array([1.5, 3.0, 1.0]))]


def _consistent(rng):
    return [Case(Shift(40)), Case(slow_rotations()), Case(lasso_douglas_rachford()),
            Case(ball_and_halfspace_douglas_rachford(), np.array([1.5, 3.0, 1.0]))]


def _averaged(rng):
    return [Relaxed(screw(), 0.5), disjoint_balls_douglas_rachford(), infeasible_program_douglas_rachford(),
            Relaxed(screw(), 0.9), lasso_douglas_rachford()]


def _slow(rng):
    """Rotations by angles pi/2^i: averaged, the i-th fades like exp(-angle^2 k), so residuals^2 fall like 1/k."""
    angles = np.pi * 0.5 ** np.arange(12)
    return [Case(Screw(angles, drift), np.ones(24 + (drift != 0)), steps=4000) for drift in (0.5, 0.0)]


def relaxed(k, relaxation, R):
    """Lieder's bound w^k (1 - w) / (theta (1 - theta)) R^2, w = max((2 theta - 1)^2, k / (k + 1))."""
    w = maximum((2 * relaxation - 1) ** 2, k / (k + 1))
    return w**k * (1 - w) / (relaxation * (1 - relaxation)) * R**2


def contracted(k, rate, R):
    """Park and Ryu's bound (1 + rate)^2 / (1 + g + ... + g^k)^2 R^2, g = 1/rate."""
    return ((1 + rate) * (1 / rate - 1) / ((1 / rate) ** (k + 1) - 1)) ** 2 * R**2


def _turns(*steps):
    """Angles at which relaxed rotation is slowest after N steps at theta = 1/2: cos^2(angle/2) = N/(N + 1); half a turn."""
    angles = [2 * np.arccos(np.sqrt(N / (N + 1))) for N in steps or (8, 50)]
    return [Case(Screw([a]), np.array([1.0, 0.0])) for a in (*angles, np.pi)]


def _contractions(rng):
    """Shifts made shorter, of one dimension more than steps: the worst case."""
    cases = []
    for N, rate in ((2, 0.5), (6, 0.9), (30, 0.99)):
        M = rate * np.roll(np.eye(N + 1), 1, axis=0)
        M[0] *= -1
        cases.append(Case(AffineContraction(M, np.eye(N + 1)[0], name=f"shift shortened by {rate}"), np.zeros(N + 1), steps=N))
    return cases


def _hard(extra, most=300):
    """Shift operators whose dimension is the number of calls, with and without a drift."""
    return lambda rng: [Case(Shift(N + extra, drift), np.zeros(N + extra + (drift != 0)), steps=N)
                        for N, drift in ((10, 0.5), (100, 0.0), (40, 2.0), (300, 0.1)) if most >= N]


any_operator = dict(assumes=(Nonexpansive, AttainedDisplacement), on=_operators)
stretched = Control("T expanded by 1.05", problem=lambda p: Expanded(p, 1.05))
frozen = Control("anchoring frozen at 1/2", recipe=lambda: dict(anchoring=lambda k: 0.5))
leak = Control("an oracle that leaks the solution: T shrunk by half towards x_star", problem=lambda p: Expanded(p, 0.5))

fixed_point_iteration.proves(
    Guarantee(sq_to_displacement, lambda k, R: 4 * R**2 / k**2, cite(34, 1), at=drifted, tightness="tight",
              control=stretched, **any_operator),
    Guarantee(sq_residual_error, lambda k, theta, R: theta / (1 - theta) * R**2 / k, cite(34, 2, claim="T averaged"),
              at=best, assumes=(AveragedOperator, AttainedDisplacement), on=_averaged, at_constants=dict(theta=0.5),
              control=Control("T itself, not averaged", problem=lambda p: getattr(p, "operator_T", p))),
    Guarantee(sq_distance, lambda k, rate, R: rate ** (2 * k) * R**2, cite(0, 0, "Banach 1922"), first=0, tightness="tight",
              assumes=(Contractive, FixedPoint), on=_contractions, at_constants=dict(rate=0.9), control=stretched),
    Guarantee(sq_to_displacement, lambda horizon, R: 4 * R**2 / horizon**2, cite(34, 7, claim="normalized iterate"),
              at=drifted, relation=">=", assumes=(Nonexpansive, AttainedDisplacement), recipe=lambda horizon: {},
              on=_hard(0), tightness="tight", control=leak,
              note="Exact and met: from k calls no affine combination of residuals does better on this operator."),
)
krasnoselskii_mann.proves(
    Guarantee(sq_residual_error, lambda k, relaxation, R: R**2 / (relaxation * (1 - relaxation) * k),
              cite(34, 2, claim="T relaxed"), at=best, recipe=lambda theta: dict(relaxation=theta),
              vary=dict(theta=(0.5, 0.3, 0.8)), valid=lambda relaxation: 0 < relaxation < 1,
              control=Control("no relaxation at all", recipe=lambda: dict(relaxation=1.0)),
              note="The averaged operator, of which the other claim speaks, has theta times this residual.",
              **any_operator),
    Guarantee(sq_residual_error, lambda k: 1 / k, cite(34, 3), mode="order",
              assumes=(Nonexpansive, AttainedDisplacement),
              recipe=lambda theta: dict(relaxation=theta), vary=dict(theta=(0.5, 0.3)), on=_slow,
              control=Control("no relaxation at all", recipe=lambda: dict(relaxation=1.0))),
    Guarantee(sq_residual_error, relaxed,
              cite(34, 3, "Lieder 2018, Thm 4.9", claim="constant for v = 0"), assumes=(Nonexpansive, FixedPoint),
              recipe=lambda theta: dict(relaxation=theta), vary=dict(theta=(0.5, 0.6, 0.95)),
              valid=lambda relaxation: 0.5 <= relaxation < 1, on=lambda rng: [Case(slow_rotations()), *_turns()],
              tightness="tight", control=Control("no relaxation at all", recipe=lambda: dict(relaxation=1.0))),
    Guarantee(sq_residual_error, lambda k, R: R**2 / (harmonic(k + 2) - harmonic(k + 2, 2)),
              cite(0, 0, "Krasnoselskii-Mann with theta_i = (i + 1)/(i + 2): the sum of theta_i (1 - theta_i)"), first=0,
              assumes=(Nonexpansive, FixedPoint), recipe=lambda: dict(relaxation=growing()), on=lambda rng: _turns(1, 2),
              control=Control("no relaxation at all", recipe=lambda: dict(relaxation=1.0)),
              note="sum theta_i (1 - theta_i) ||x_i - T x_i||^2 <= R^2 and the residuals do not grow: only 1/log k for this "
                   "schedule, whose worst case is studied in Lieder 2018."),
)
anchored = dict(recipe=lambda: dict(anchoring=vanishing), control=frozen)
halpern.proves(
    Guarantee(sq_to_displacement, lambda k, R: 16 * R**2 / k**2, cite(34, 4), at=drifted_twice,
              **anchored, **any_operator),
    Guarantee(sq_residual_error, lambda k, R: ((sqrt(harmonic(k) + 12) + 1) / (k + 1)) ** 2 * R**2,
              cite(34, 5, "Thm 8"), **anchored, **any_operator),
    Guarantee(sq_residual_error, lambda k, R: 4 * R**2 / (k + 1) ** 2, cite(34, 6, "Lieder 2021"),
              assumes=(Nonexpansive, FixedPoint), on=_consistent, tightness="tight", **anchored),
    Guarantee(sq_residual_error, contracted, cite(0, 0, "Park-Ryu 2022, Cor 3.3"), assumes=(Contractive, FixedPoint),
              on=_contractions, tightness="tight", at_constants=dict(rate=0.9),
              recipe=lambda rate: dict(anchoring=fading(rate)), control=frozen),
    Guarantee(sq_residual_error, lambda horizon, R: 4 * R**2 / (horizon + 1) ** 2, cite(34, 7, claim="residual"),
              relation=">=", assumes=(Nonexpansive, AttainedDisplacement),
              recipe=lambda horizon: dict(anchoring=vanishing), on=_hard(1), tightness="tight", control=leak,
              note="Exact: with v = 0 Halpern meets it."),
)
anderson.proves(
    Guarantee(sq_residual_error, lambda horizon, R: 4 * R**2 / (horizon + 1) ** 2,
              cite(34, 7, claim="best in the span"), relation=">=", assumes=(Nonexpansive, AttainedDisplacement),
              recipe=lambda horizon: {}, on=_hard(1, most=100), control=leak,
              note="Its iterates minimize the residual over the span, so no span method does better."),
)
