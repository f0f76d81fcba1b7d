"""Cyclic block descent: one block a step, in turn."""

from __future__ import annotations

from optlab.problems.assumptions import BlockSmooth, Convex, Smooth, StronglyConvex
from optlab.problems.pool import pool

from ..constrained.subgradient import State
from ..fold import pairs
from ..guarantee import Control, Guarantee, cite, now
from ..measures import suboptimality
from ..methods import method
from .descent import decrease


@method(needs=("grad",), family="coordinate", restartable=True)
def cyclic_block_descent(problem, x, k=0, *, step):
    """x+ = x - step_i grad_i f(x), i = k mod the number of blocks, ``step`` one number a block (Beck, Tetruashvili 2013)."""
    while True:
        yield State(x, k)
        i = k % len(step)
        x, k = x - step[i] * problem.block(problem.grad(x), i, len(step)), k + 1


def partial(problem, pair):
    """||grad_i f(x)||^2 / (2 L_i) for the block that the step from x takes."""
    L = problem.block_L
    i = pair.x.k % len(L)
    return problem.sq(problem.block(problem.grad(pair.x.x), i, len(L))) / (2 * L[i])


def by_cycles(k, block_L, L, mu, D0):
    """(1 - mu/(2 Lmax (1 + p L^2/Lmin^2)))^cycles D0 for p blocks."""
    p = len(block_L)
    return (1 - mu / (2 * max(block_L) * (1 + p * L**2 / min(block_L) ** 2))) ** (k // p) * D0


full = dict(recipe=lambda block_L: dict(step=tuple(1 / L for L in block_L)), on=lambda rng: pool(Convex, BlockSmooth),
            control=Control("steps two and a half times too long", recipe=lambda step: dict(step=tuple(2.5 * s for s in step))))

cyclic_block_descent.proves(
    Guarantee(decrease, lambda gain: -gain, cite(0, 0, "Beck-Tetruashvili 2013, Lemma 3.1"), at=pairs,
              assumes=(Convex, BlockSmooth), using=dict(gain=now(partial)), tightness="tight", steps=30,
              at_constants=dict(block_L=(1.0, 2.0)), **full),
    Guarantee(suboptimality, by_cycles, cite(0, 0, "Beck-Tetruashvili 2013, Thm 3.9"),
              assumes=(StronglyConvex, Smooth, BlockSmooth), symbolic=False, **full),
)
