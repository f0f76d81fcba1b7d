"""Checks of sums of terms and of losses that come one a round."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optlab.problems import assumptions as A
from optlab.problems.base import Problem

from .checks import PAIRS, Check, curvature, points


def sums(problem: Problem, rng: np.random.Generator) -> Iterator[Check]:
    smooth = problem.meets(A.SmoothTerms) or problem.meets(A.SmoothTermsPart)
    if smooth and hasattr(problem, "component_grad") and hasattr(problem, "n"):
        # a term bends most at its own minimizer (robust losses) or where its margin is zero: look at both, and on the way
        worst = int(np.argmax(getattr(problem, "L_i", np.ones(problem.n))))
        term = lambda z: problem.component_grad(z, np.array(worst))
        share = 0.0
        for x in (np.zeros(problem.point_shape), *points(problem, rng, 6)):
            share = max(share, abs(curvature(problem, term, x, rng)))
            for _ in range(60):
                x = x - term(x) / problem.Lmax
            share = max(share, abs(curvature(problem, term, x, rng)))
        yield Check("Lmax", share <= problem.Lmax * (1 + 1e-6), problem.Lmax, share=share / problem.Lmax)
    if hasattr(problem, "component_inverse_grad") and getattr(problem, "mu_terms", 0.0):
        x, i = points(problem, rng, problem.n), np.arange(problem.n)
        error = problem.norm(problem.component_inverse_grad(problem.component_grad(x, i), i) - x)
        away = float(np.max(error / (1 + problem.norm(x))))
        yield Check("component_inverse_grad", away < 1e-8, away, "distance from x of the point where grad f_i is grad f_i(x)")
    if problem.meets(A.NoiseAtSolution) and hasattr(problem, "component_grad"):
        seen = float(np.sqrt(np.mean(problem.sq(problem.table_of(problem.component_grad, problem.x_star)))))
        rounding = 1e-9 * float(problem.norm(problem.x_star))
        yield Check("sigma_star", seen <= problem.sigma_star * (1 + 1e-9) + rounding, problem.sigma_star,
                    share=seen / problem.sigma_star if problem.sigma_star > rounding else 1.0)
    if problem.meets(A.BoundedVariance) and hasattr(problem, "stochastic_grad") and problem.sigma > 0:
        from optlab.rng import Stream

        n = 20_000
        x = np.broadcast_to(np.asarray(problem.x0, dtype=float), (n, *problem.point_shape))
        noise = problem.stochastic_grad(x, Stream(np.arange(n))) - problem.grad(x)
        variance = float(np.mean(problem.sq(noise)))
        error = 6 * float(np.std(problem.sq(noise))) / np.sqrt(n)  # six standard errors: a false alarm in 10^9
        bias = float(np.linalg.norm(noise.mean(axis=0))) / np.sqrt(variance / n)
        yield Check("sigma", variance - error <= problem.sigma**2, problem.sigma, share=float(np.sqrt(variance)) / problem.sigma)
        yield Check("unbiased", bias < 6 + np.sqrt(problem.dim), bias, "norm of the mean noise in standard errors")


def losses(problem: Problem, rng: np.random.Generator) -> Iterator[Check]:
    """Losses of rounds: their gradients against differences, their growth, and what no player in hindsight can beat."""
    if not problem.meets(A.LipschitzLosses):
        return
    x, y = problem.project(points(problem, rng, PAIRS)), problem.lmo(rng.standard_normal((PAIRS, *problem.point_shape)))
    everywhere, v, h = np.concatenate([x, y]), y - x, 1e-6
    unit, paid, bend, steepest, least = problem.G * problem.D, 0.0, 0.0, 0.0, np.inf
    for k in range(300):
        slope = (problem.loss_value(x + h * v, k) - problem.loss_value(x - h * v, k)) / (2 * h)
        bend = max(bend, float(np.max(np.abs(slope - problem.inner(problem.loss_grad(x, k), v)))) / unit)
        steepest = max(steepest, float(np.max(problem.norm(problem.loss_grad(everywhere, k)))))
        paid = paid + problem.loss_value(everywhere, k)
        least = min(least, (float(np.min(paid)) - problem.best_in_hindsight(k)) / (unit * (k + 1)))
    yield Check("loss_grad", bend < 1e-7, bend, "against differences of loss_value, of G D")
    yield Check("G", steepest <= problem.G * (1 + 1e-9), problem.G, share=steepest / problem.G)
    yield Check("best_in_hindsight", least >= -1e-10, least, "what feasible points pay above it a round, of G D")
    excess = max(abs(sum(float(problem.loss_value(problem.leader(problem.x0, n), k)) for k in range(n + 1))
                     - problem.best_in_hindsight(n)) for n in (0, 7, 40)) / unit
    yield Check("leader", excess <= 1e-9, excess, "what it pays above that, of G D")
