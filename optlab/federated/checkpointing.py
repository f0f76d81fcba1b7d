"""Reverse mode in little memory: binomial checkpointing (Griewank 1992), for training on small devices."""

from __future__ import annotations

from functools import cache
from math import comb
from typing import Any, NamedTuple

import numpy as np

from optlab.problems.agents import Space
from optlab.problems.chains import ResidualChain

from ..guarantee import Case, Control, Guarantee, cite
from ..measures import EPS, Measure
from ..methods import as_method, method


class Reversed(NamedTuple):
    """The gradient, the forward steps it took, the most often one step was repeated, the most states held, and the start."""

    gradient: Any
    forward: int
    repeats: int
    held: int
    x: Any


@cache
def least_steps(length, snapshots):
    """(forward steps, where to split): cost(l, s) = min_i i + cost(l - i, s - 1) + cost(i, s)."""
    if length == 1 or snapshots == 1:
        return length * (length - 1) // 2, 0
    return min((i + least_steps(length - i, snapshots - 1)[0] + least_steps(i, snapshots)[0], i) for i in range(1, length))


def binomial(length, snapshots):
    return least_steps(length, snapshots)[1]


@method(needs=("advance", "pull_back", "last_step"), family="federated", symbolic=False)
def checkpointed_gradient(problem, x, *, snapshots, split=binomial):
    """Reverse mode with ``snapshots`` states in memory: go to the split, reverse the rest, come back (Griewank 1992)."""
    taken, held = np.zeros(problem.length, dtype=int), [1]

    def go(x, t, end):
        for u in range(t, end):
            x = problem.advance(x, u)
            taken[u] += 1
        return x

    def back(x, t, end, v, s):
        """The pull-back of v from step ``end`` to step t, given x_t (kept all along) and s - 1 free snapshots."""
        held[0] = max(held[0], snapshots - s + 1)
        if s > 1 and end - t > 1:
            middle = t + split(end - t, s)
            return back(x, t, middle, back(go(x, t, middle), middle, end, v, s - 1), s)
        for u in reversed(range(t, end)):
            y = go(x, t, u)
            v = problem.last_step(y) if u == problem.length - 1 else problem.pull_back(y, u, v)
        return v

    gradient = back(x, 0, problem.length, None, snapshots)
    return Reversed(gradient, int(taken.sum()), int(taken.max()), held[0], x)


class Longest(NamedTuple):
    length: int


@method(family="federated", symbolic=False)
def longest_chain(problem, x, *, snapshots, repeats):
    """The longest chain that some order of ``snapshots`` reverses with no step taken forward more than ``repeats`` times."""
    length = 1
    while fewest_repeats(length + 1, snapshots) <= repeats:
        length += 1
    return Longest(length)


@cache
def fewest_repeats(length, snapshots):
    """Least over all splits of the most often that one step is taken forward."""
    if length == 1 or snapshots == 1:
        return length - 1
    return min(max(1 + fewest_repeats(i, snapshots), fewest_repeats(length - i, snapshots - 1)) for i in range(1, length))


@method(symbolic=False)
def halved_chain(problem, x, *, snapshots, repeats):
    """Control: the longest chain when splits are always in the middle."""

    def halved(length, s):
        if length == 1 or s == 1:
            return length - 1
        return max(1 + halved(length // 2, s), halved(length - length // 2, s - 1))

    return Longest(max(n for n in range(1, comb(snapshots + repeats, snapshots) + 1) if halved(n, snapshots) <= repeats))


forward_steps = Measure("forward steps", lambda p, it: np.asarray(it.forward, dtype=float), r"\#\text{steps}")
most_repeats = Measure("most repeats of a step", lambda p, it: np.asarray(it.repeats, dtype=float), r"\#\text{repeats}")
held_states = Measure("states held", lambda p, it: np.asarray(it.held, dtype=float), r"\#\text{states}")
length = Measure("longest chain", lambda p, it: np.asarray(it.length, dtype=float), r"l_{\max}")
error = Measure("||g - grad f(x)||^2", lambda p, it: p.sq(it.gradient - p.grad(it.x)), r"\|g - \nabla f(x)\|^2",
                lambda p, it: 64 * EPS * p.length**2 * p.sq(it.gradient), symbolic=False)


def full_chains(rng):
    """Chains of C(s + r, s) steps."""
    return [Case(ResidualChain(comb(s + r, s)), params=dict(snapshots=s, r=r)) for s, r in ((2, 3), (3, 3), (4, 2))]


def even(length, snapshots):
    """Snapshots at equal distances."""
    return max(1, length // snapshots)


full = dict(on=full_chains, control=Control("snapshots at equal distances", recipe=lambda: dict(split=even)), symbolic=False)
checkpointed_gradient.proves(
    Guarantee(forward_steps, lambda r, snapshots, length: r * length - comb(int(snapshots + r), int(r - 1)),
              cite(64, 3, "Griewank-Walther 2000"), relation="==", **full),
    Guarantee(most_repeats, lambda r: r, cite(0, 0, "Griewank 1992: no step is repeated more often"), relation="==", **full),
    Guarantee(held_states, lambda snapshots: snapshots, cite(0, 0, "Griewank 1992: memory"), tightness="tight",
              on=full_chains, symbolic=False,
              control=Control("twice the snapshots", recipe=lambda snapshots: dict(snapshots=2 * snapshots))),
    Guarantee(error, lambda: 0.0, cite(0, 0, "reverse mode in full memory"), relation="==", on=full_chains, symbolic=False,
              control=Control("another chain", problem=lambda p: ResidualChain(p.length, p.dim, seed=1))),
)
longest_chain.proves(
    Guarantee(length, lambda s, r: comb(int(s + r), int(s)), cite(64, 2, "Griewank 1992"), relation="==", symbolic=False,
              on=lambda rng: Space(1), recipe=lambda s, r: dict(snapshots=s, repeats=r),
              vary=dict(s=(1, 2, 3, 4), r=(1, 2, 3)), control=Control("splits in the middle", method=as_method(halved_chain))),
)
