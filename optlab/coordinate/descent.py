"""Coordinate descent: one coordinate, one block or one pass a step."""

from __future__ import annotations

import numpy as np

from optlab.problems import sums
from optlab.problems.assumptions import Convex, QuadraticForm, Smooth, SmoothPart, StronglyConvex, StronglyConvexPart
from optlab.problems.composite import ElasticNetRegression, Lasso
from optlab.problems.pool import spectrum
from optlab.problems.quadratic import Quadratic

from ..fold import pairs
from ..functions import maximum
from ..guarantee import Case, Control, Guarantee, cite, now, start
from ..measures import Measure, point, sq_distance, suboptimality
from ..methods import method
from ..potentials import potential, weighed


@method(needs=("grad_coordinate", "coordinate_L"), family="coordinate", restartable=True, symbolic=False)
def coordinate_descent(problem, x, *, step, gamma=0.0, stride=1, rng):
    """Random coordinate descent, x_i+ = x_i - step_i grad_i f(x), i with probability ~ L_i^gamma (Nesterov 2012).

    ``step`` is a number or one a coordinate. ``stride`` > 1 yields after that many steps, taken in one pass of
    compiled code (least squares).
    """
    p = problem.coordinate_L**gamma
    while True:
        yield x
        if stride > 1:
            x = problem.coordinate_pass(x, rng.indices(problem.dim, stride, p), step)
        else:
            i = rng.index(problem.dim, p)
            x = x - step * problem.column(problem.grad_coordinate(x, i)) * problem.unit(i)


@method(needs=("grad_coordinate", "prox"), family="coordinate", restartable=True, symbolic=False)
def proximal_coordinate_descent(problem, x, *, step, stride=1, rng):
    """Proximal coordinate descent, x_i+ = prox_{step_i h_i}(x_i - step_i grad_i f(x)), i uniform, h separable
    (Richtarik-Takac 2014). ``step`` and ``stride`` as in ``coordinate_descent`` (compiled for the lasso)."""
    while True:
        yield x
        if stride > 1:
            x = problem.coordinate_pass(x, rng.indices(problem.dim, stride), step)
        else:
            i = rng.index(problem.dim)
            e = problem.unit(i)
            moved = problem.prox(x - step * problem.column(problem.grad_coordinate(x, i)) * e, step)
            x = x + e * (moved - x)


@method(needs=("coordinate_pass",), family="coordinate", restartable=True, symbolic=False)
def cyclic_coordinate_descent(problem, x, *, step):
    """Cyclic (proximal) coordinate descent, compiled: one iterate a pass over all coordinates (Tseng 2001)."""
    while True:
        yield x
        x = problem.coordinate_pass(x, np.arange(problem.dim), step)


@method(needs=("grad",), family="coordinate", restartable=True)
def random_block_descent(problem, x, *, step, blocks, rng):
    """Random block descent, x_b+ = x_b - step grad_b f(x), b uniform among ``blocks`` runs of coordinates."""
    while True:
        yield x
        x = x - step * problem.block(problem.grad(x), rng.index(blocks), blocks)


# --- what the theorems speak of ------------------------------------------------------------------------------
def norm_mu(hessian, lengths, gamma):
    """Strong convexity of a quadratic in the norm sum_i lengths_i^(1 - gamma) x_i^2."""
    scale = np.sqrt(lengths ** (1 - gamma))
    return float(np.linalg.eigvalsh(hessian / scale[:, None] / scale)[0])


def block_L(hessian, blocks):
    """Largest smoothness constant of a block of consecutive coordinates."""
    block_of = np.arange(len(hessian)) * blocks // len(hessian)
    return max(float(np.linalg.eigvalsh(hessian[np.ix_(rows, rows)])[-1])
               for rows in (np.flatnonzero(block_of == b) for b in range(blocks)) if rows.size)


def quadratics(rng):
    """A quadratic with one long coordinate (sampling by L_i^gamma differs from uniform), a ridge, a diagonal one."""
    A = spectrum([0.2, 0.5, 1.0, 1.5, 2.0, 2.5])
    scale = np.array([6.0, 1, 1, 1, 1, 0.5])
    A = (A + A.T) / 2 * scale[:, None] * scale
    ones = np.ones(6)
    return [Case(Quadratic(A, A @ ones, name="one long coordinate"), replicates=2048),
            Case(sums.ridge(rng), replicates=2048),
            Case(Quadratic(np.diag([1.0, 1, 1, 2, 2, 2]), ones, name="diagonal quadratic"), replicates=2048)]


def small_lassos(rng):
    X = rng.standard_normal((sums.N, sums.D)) * np.array([2.0, 1, 1, 1, 0.5])
    y = X @ np.array([2.0, -1.0, 0.0, 0.0, 1.0]) + rng.standard_normal(sums.N)
    return [Case(Lasso(X, y, 0.2, name="small lasso"), replicates=2048),
            Case(ElasticNetRegression(X, y, 0.1, 0.2, name="small elastic net"), replicates=2048)]


decrease = Measure(
    "F(y) - F(x)",
    lambda problem, pair: problem.value(point(pair.y)) - problem.value(point(pair.x)),
    r"F(x_{k+1}) - F(x_k)",
    lambda problem, pair: 2 * abs(problem.value(point(pair.x))) + problem.value_scale,
)
moved = now(lambda problem, pair: problem.coordinate_L @ ((pair.y - pair.x) ** 2).T)
too_short = Control("steps fifty times too short", recipe=lambda step: dict(step=step / 50), steps=80)
too_long = Control("steps two and a half times too long", recipe=lambda step: dict(step=2.5 * step))

coordinate_descent.proves(
    Guarantee(suboptimality, lambda k, gamma_sum, sq_reach: 2 * sq_reach * gamma_sum / k, cite(70, 30, "Sec 6.4"),
              mode="expectation", assumes=(Smooth, StronglyConvex, QuadraticForm), on=quadratics,
              recipe=lambda coordinate_L, hess, x_star, gamma, D0: dict(  # the level set of a quadratic is an ellipsoid
                  gamma=gamma, step=1 / coordinate_L, gamma_sum=float((coordinate_L**gamma).sum()),
                  sq_reach=2 * D0 / norm_mu(hess(x_star), coordinate_L, gamma)),
              vary=dict(gamma=(0.0, 0.5, 1.0)), control=too_long),
    Guarantee(suboptimality, lambda k, gamma_sum, alpha, D0: (1 - alpha / gamma_sum) ** k * D0, cite(70, 31, "Sec 6.4"),
              mode="expectation", assumes=(Smooth, StronglyConvex, QuadraticForm), on=quadratics, steps=5,
              tightness="tight", recipe=lambda coordinate_L, hess, x_star, gamma: dict(
                  gamma=gamma, step=1 / coordinate_L, gamma_sum=float((coordinate_L**gamma).sum()),
                  alpha=norm_mu(hess(x_star), coordinate_L, gamma)),
              vary=dict(gamma=(0.0, 0.5, 1.0)), drift=lambda V, gamma_sum, alpha: (1 - alpha / gamma_sum) * V,
              control=(too_long, too_short)),
)

random_block_descent.proves(
    Guarantee(suboptimality, lambda k, mu, blocks, Lblock, D0: (1 - mu / (blocks * Lblock)) ** k * D0, cite(83, 4),
              mode="expectation", assumes=(Smooth, StronglyConvex, QuadraticForm), on=quadratics, steps=6,
              recipe=lambda hess, x_star, blocks: dict(Lblock=block_L(hess(x_star), blocks), blocks=blocks,
                                                       step=1 / block_L(hess(x_star), blocks)),
              vary=dict(blocks=(2, 5)),
              drift=lambda V, mu, blocks, Lblock: (1 - mu / (blocks * Lblock)) * V,
              control=(too_long, too_short)),
    Guarantee(potential, lambda V0: V0, cite(0, 0, "Taylor-Bach 2019, Thm 16"), using=dict(V0=start(potential)),
              mode="expectation", assumes=(Smooth, Convex), on=quadratics,
              at=weighed(lambda k, step, L, blocks: (k * step * L / blocks + 1, 0, L / 2),
                         "V = (1 + k step L/blocks) (f - f*) + L/2 ||x - x*||^2"), steps=7, symbolic=True,
              recipe=lambda L, share, blocks: dict(step=share / L, blocks=blocks), vary=dict(blocks=(2, 3), share=(1.0, 0.5)),
              valid=lambda step, L: 0 < step <= 1 / L, from_any_state=True, tightness="tight", control=too_long),
    Guarantee(sq_distance, lambda k, step, mu, L, blocks, R:
              (maximum((1 - step * mu) ** 2 + blocks - 1, (step * L - 1) ** 2 + blocks - 1) / blocks) ** k * R**2,
              cite(0, 0, "Taylor-Bach 2019, Thm 17"), mode="expectation", assumes=(Smooth, StronglyConvex), on=quadratics,
              steps=20, symbolic=True, tightness="tight", vary=dict(blocks=(2, 3), share=(1.0, 0.5)),
              recipe=lambda L, share, blocks: dict(step=share / L, blocks=blocks), valid=lambda step, L: 0 < step <= 1 / L,
              drift=lambda V, step, mu, L, blocks: maximum((1 - step * mu) ** 2 + blocks - 1, (step * L - 1) ** 2 + blocks - 1)
              / blocks * V, control=(too_long, too_short)),
)

proximal_coordinate_descent.proves(
    Guarantee(suboptimality, lambda k, mu, dim, Lcoordinate, D0: (1 - mu / (dim * Lcoordinate)) ** k * D0,
              cite(0, 0, "Richtarik-Takac 2014, Thm 8"), mode="expectation",
              assumes=(Convex, SmoothPart, StronglyConvexPart), on=small_lassos, steps=5,
              recipe=lambda coordinate_L: dict(step=1 / coordinate_L.max(), Lcoordinate=float(coordinate_L.max())),
              drift=lambda V, mu, dim, Lcoordinate: (1 - mu / (dim * Lcoordinate)) * V,
              control=(too_long, too_short)),
)

cyclic_coordinate_descent.proves(
    Guarantee(decrease, lambda moved: -moved / 2, cite(0, 0, "Tseng 2001"), at=pairs, assumes=(Convex, SmoothPart),
              using=dict(moved=moved), tightness="tight", steps=30,
              on=lambda rng: small_lassos(rng) + [Case(sums.ridge(rng))],
              recipe=lambda coordinate_L: dict(step=1 / coordinate_L), control=too_long),
)
