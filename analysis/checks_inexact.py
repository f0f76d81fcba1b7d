"""Checks of secants towards the solution, of inexact gradients and epsilon-subgradients, and of blocks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optlab.problems import assumptions as A
from optlab.problems.base import Problem

from .checks import PAIRS, POWER_STEPS, Check, points


def towards(problem: Problem, rng: np.random.Generator) -> Iterator[Check]:
    """<g, x - x*> >= rsi ||x - x*||^2 and ||g|| <= eb ||x - x*||, at samples and along the axes through x*."""
    if not (problem.meets(A.RestrictedSecant) and problem.meets(A.ErrorBound)):
        return
    axes = np.eye(problem.dim)[:, None] * np.geomspace(1e-3, 30, 400)[:, None]
    away = np.concatenate([points(problem, rng, PAIRS) - problem.x_star, axes.reshape(-1, problem.dim)])
    away = away[problem.norm(away) > 0]
    g, sq = problem.grad(problem.x_star + away), problem.sq(away)
    least, most = float(np.min(problem.inner(g, away) / sq)), float(np.max(problem.norm(g) / np.sqrt(sq)))
    yield Check("rsi", least >= problem.rsi * (1 - 1e-9), problem.rsi, share=problem.rsi / least)
    yield Check("eb", most <= problem.eb * (1 + 1e-9), problem.eb, share=most / problem.eb)


def errors(problem: Problem, rng: np.random.Generator) -> Iterator[Check]:
    """The size of a gradient's error; epsilon-subgradients at pairs of points; curvature within every block."""
    x = points(problem, rng, PAIRS)[1:]
    for name, assumption in (("epsilon", A.RelativeGradientError), ("delta", A.AbsoluteGradientError)):
        if problem.meets(assumption):
            error, g = problem.norm(problem.inexact_grad(x) - problem.grad(x)), problem.norm(problem.grad(x))
            size, allowed = (float(np.max(error / g)) if name == "epsilon" else float(np.max(error))), getattr(problem, name)
            yield Check(name, size <= allowed * (1 + 1e-6) + 1e-12, allowed, share=size / allowed if allowed else None)
    if problem.meets(A.EpsilonSubgradients):
        worst, longest = -np.inf, 0.0
        for epsilon in (0.0, 0.01, 0.1, 1.0, 10.0):
            g = problem.epsilon_grad(x, epsilon)
            longest = max(longest, float(np.max(problem.norm(g))))
            rest = problem.value(x)[:, None] + problem.inner(g[:, None], x[None] - x[:, None]) - problem.value(x)[None] - epsilon
            worst = max(worst, float(np.max(rest)))
        yield Check("epsilon-subgradients", worst <= 1e-9 * (1 + float(np.max(problem.value(x)))), worst, "largest excess")
        yield Check("M", longest <= problem.M * (1 + 1e-9), problem.M, share=longest / problem.M)
    if problem.meets(A.BlockSmooth):
        for i, constant in enumerate(problem.block_L):
            bend = problem.block(rng.standard_normal(x.shape), i, len(problem.block_L))
            for _ in range(POWER_STEPS):
                v = bend / problem.norm(bend)[:, None]
                bend = problem.block(problem.grad(x + v) - problem.grad(x), i, len(problem.block_L))
            seen = float(np.max(problem.norm(bend)))
            yield Check(f"block_L[{i}]", seen <= constant * (1 + 1e-6), constant, share=seen / constant)
