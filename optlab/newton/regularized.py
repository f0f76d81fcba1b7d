"""Newton steps with a regularized model: cubic (Nesterov-Polyak 2006) and quadratic (Mishchenko 2023)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from array_api_compat import array_namespace

from optlab.problems.assumptions import Convex, LipschitzHessian, Smooth
from optlab.problems.base import Misdeclared
from optlab.problems.pool import pool

from ..fold import Fold, pairs
from ..guarantee import Case, Control, Guarantee, cite, now
from ..measures import Measure, point, suboptimality
from ..methods import as_method, method
from .damped import logistic, progress, solve


@method(needs=("grad", "hess"), family="newton", restartable=True, symbolic=False)
def cubic_newton(problem, x, *, M):
    """Cubic regularization: x+ = argmin_y <g, y - x> + (y - x)'H(y - x)/2 + M/6 ||y - x||^3 (f convex)."""
    while True:
        yield x
        x = x + cubic_step(problem.grad(x), problem.hess(x), M)


def cubic_step(g, H, M):
    """argmin_s g's + s'Hs/2 + M/6 ||s||^3 for H positive semidefinite: s = -(H + lam I)^{-1} g with lam = M ||s||/2.

    phi(lam) = 1/||s(lam)|| - M/(2 lam) is increasing and concave: Newton from its left climbs to the root.
    """
    xp = array_namespace(g)
    eigenvalues, U = xp.linalg.eigh(H)
    eigenvalues = xp.clip(eigenvalues, 0.0, None)
    c = (g[..., None, :] @ U)[..., 0, :]
    size, top = xp.sum(c * c, axis=-1) ** 0.5, eigenvalues[..., -1]
    lam = M * size / (top + (top**2 + 2 * M * size) ** 0.5) + 1e-100
    for _ in range(100):
        s = c / (eigenvalues + lam[..., None])
        length = xp.sum(s * s, axis=-1) ** 0.5 + 1e-100
        phi = 1 / length - M / (2 * lam)
        slope = xp.sum(s * s / (eigenvalues + lam[..., None]), axis=-1) / length**3 + M / (2 * lam**2)
        higher = xp.where(phi < 0, lam - phi / slope, lam)
        if not bool(xp.any(higher > lam * (1 + 4e-16))):
            break
        lam = higher
    return -(U @ (c / (eigenvalues + lam[..., None]))[..., None])[..., 0]


@method(needs=("grad", "hess"), family="newton", restartable=True, symbolic=False)
def regularized_newton(problem, x, *, H):
    """x+ = x - (hess f(x) + lam I)^{-1} grad f(x) with lam = sqrt(H ||grad f(x)||), H = L2/2 (Mishchenko 2023)."""
    while True:
        yield x
        g = problem.grad(x)
        lam = (H * problem.norm(g)) ** 0.5
        x = x - solve(problem.hess(x) + lam[..., None, None] * array_namespace(g).eye(problem.dim), g)


# --- measures and cases ------------------------------------------------------------------------------------------
next_norm = Measure(
    "||grad f(y)||", lambda problem, pair: problem.norm(problem.grad(point(pair.y))), r"\|\nabla f(x_{k+1})\|",
    lambda problem, pair: problem.L * problem.norm(point(pair.y) - problem.x_star) + problem.gradient_scale,
)
length = now(lambda p, pair: p.norm(point(pair.y) - point(pair.x)))
gradient_norm = now(lambda p, pair: p.norm(p.grad(point(pair.x))))


class Farthest(NamedTuple):
    x: object
    D: object  # largest distance to x* so far


def _farthest(iterates, quantities):
    p, D = quantities.problem, 0.0
    for it in iterates:
        yield Farthest(point(it), D)
        D = np.maximum(D, p.norm(point(it) - p.x_star))


farthest = Fold("last", _farthest)


def one_sided(rng):
    """Few samples, hardly regularized: the solution is far off and the third derivative matters all the way."""
    p = logistic(6, 2, 1e-3, 1.0, 3)
    return [Case(p, p.x_star + np.array([[0.0, 0.0], [4.0, 0.0], [0.0, -6.0], [8.0, 8.0]]), steps=20),
            *(Case(p, steps=20) for p in pool(Convex, LipschitzHessian, needs=("hess",)) if p.L2 > 0)]


def stalled(problem, x, *, M):
    """The mutant that takes one percent of each cubic step."""
    while True:
        yield x
        x = x + 0.01 * cubic_step(problem.grad(x), problem.hess(x), M)


convex = dict(assumes=(Convex, Smooth, LipschitzHessian), on=one_sided)
third = Control("a third derivative 1000 times larger than declared", on=lambda rng: [
    Case(Misdeclared(c.problem, L2=c.problem.L2 / 1000), c.x0, c.steps) for c in one_sided(rng)])
cubic = dict(recipe=lambda L2: dict(M=L2), **convex)
quadratic = dict(recipe=lambda L2: dict(H=L2 / 2), **convex)

cubic_newton.proves(
    Guarantee(suboptimality, lambda k, L2, D: 9 * L2 * D**3 / (k + 4) ** 2,
              cite(0, 0, "Nesterov 2008, rate of cubic Newton"), at=farthest,
              using=dict(D=now(lambda p, it: it.D)),
              note="D: largest distance to x* of x_0 .. x_{k-1}",
              control=Control("one percent of each step", method=as_method(stalled), steps=200), **cubic),
    Guarantee(progress, lambda M, r: M / 12 * r**3, cite(0, 0, "Nesterov-Polyak 2006, Lemma 4"), at=pairs,
              relation=">=", using=dict(r=length), control=third, **cubic),
    Guarantee(next_norm, lambda L2, M, r: (L2 + M) / 2 * r**2, cite(0, 0, "Nesterov-Polyak 2006, Lemma 3"), at=pairs,
              using=dict(r=length), control=third, **cubic),
)
regularized_newton.proves(
    Guarantee(progress, lambda H, g, r: 2 / 3 * (H * g) ** 0.5 * r**2, cite(0, 0, "Mishchenko 2023, one-step decrease"),
              at=pairs,
              relation=">=", using=dict(r=length, g=gradient_norm), control=third, **quadratic),
    Guarantee(next_norm, lambda H, g, r: 2 * (H * g) ** 0.5 * r, cite(0, 0, "Mishchenko 2023, next gradient"), at=pairs,
              using=dict(r=length, g=gradient_norm), control=third, **quadratic),
)
