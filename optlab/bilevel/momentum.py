"""Complex momentum for simultaneous play of games (Lorraine, Acuna, Vicol, Duvenaud 2022), and its spectral radius."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optlab.problems.assumptions import UnitRotation

from ..guarantee import Control, Guarantee, cite
from ..measures import Measure, sq_distance
from ..methods import method


class Momentum(NamedTuple):
    x: Any
    m: Any


@method(needs=("operator",), family="bilevel", restartable=True, symbolic=False)
def complex_momentum(problem, x, m=0.0, *, step, size, phase=0.0):
    """m+ = beta m - V(x), x+ = x + step Re(m+), beta = size e^{i phase}: x real, m complex."""
    beta = size * np.exp(1j * phase)
    while True:
        yield Momentum(x, m)
        m = beta * m - problem.operator(x)
        x = x + step * m.real


@method(needs=("operator",), family="bilevel", symbolic=False)
def complex_momentum_radius(problem, x, *, step, size, phase=0.0):
    """Spectral radius of one step of ``complex_momentum``, affine in (x, Re m, Im m), on an affine operator."""
    d = problem.dim
    states = np.concatenate([np.zeros((1, 3 * d)), np.eye(3 * d)])
    moves = complex_momentum(problem, states[:, :d], states[:, d : 2 * d] + 1j * states[:, 2 * d :],
                             step=step, size=size, phase=phase)
    next(moves)
    after = next(moves)
    images = np.concatenate([after.x, after.m.real, after.m.imag], axis=1)
    return np.abs(np.linalg.eigvals(images[1:] - images[0])).max()


@method(needs=("operator",), family="bilevel", symbolic=False)
def best_complex_momentum(problem, x, *, step, sizes, phases):
    """The least spectral radius over a grid of momenta."""
    return min(complex_momentum_radius(problem, x, step=step, size=size, phase=phase)
               for size in sizes for phase in phases)


radius = Measure("spectral radius", lambda problem, rho: rho, r"\rho")


def largest_root(step, size, phase):
    """Largest |z| with (z - 1)(z^2 - 2 b z + size^2) + step i z (z - b) = 0, b = Re beta: eigenvalue i of the game."""
    b = size * np.cos(phase)
    cubic = np.polymul([1, -1], [1, -2 * b, size**2]) + step * 1j * np.array([0, 1, -b, 0])
    return np.abs(np.roots(cubic)).max()


stated = dict(step=0.05, size=0.9, phase=np.pi / 8)
game = dict(assumes=(UnitRotation,))
real = Control("no phase", recipe=lambda: dict(phase=0.0))

complex_momentum.proves(
    Guarantee(sq_distance, lambda k: 0.9858 ** (2 * k), cite(164, 3, "complex-momentum chapter", claim="run"),
              mode="order", recipe=lambda: dict(stated), control=real, steps=1000, first=100, **game),
)
complex_momentum_radius.proves(
    Guarantee(radius, lambda: 1.0, cite(164, 2, "Gidel et al. 2019"), relation=">=",
              recipe=lambda step, size: dict(step=step, size=size, phase=0.0),
              vary=dict(step=(0.001, 0.01, 0.1, 0.5, 1.0, 2.0, 5.0),
                        size=(-0.99, -0.9, -0.5, -0.1, 0.0, 0.1, 0.5, 0.9, 0.99)),
              control=Control("complex momentum", recipe=lambda: dict(stated)), note="on a grid of momenta and steps",
              **game),
    Guarantee(radius, largest_root, cite(164, 3, "complex-momentum chapter", claim="identity"), relation="==",
              recipe=lambda step, size, phase: dict(step=step, size=size, phase=phase), control=real,
              vary=dict(step=(0.05, 0.1), size=(0.5, 0.9), phase=(np.pi / 8, np.pi / 2)), **game),
    Guarantee(radius, lambda: 0.98575, cite(164, 3, "complex-momentum chapter", claim="0.9857"),
              recipe=lambda: dict(stated), control=real, **game),
)
best_complex_momentum.proves(
    Guarantee(radius, lambda: 0.96465, cite(164, 3, "complex-momentum chapter", claim="best over a grid"),
              note="34 sizes up to 0.99, 33 phases; finer grids reach 0.959",
              recipe=lambda: dict(step=0.05, sizes=np.linspace(0.0, 0.99, 34), phases=np.linspace(0, np.pi, 33)),
              control=Control("no phase", recipe=lambda: dict(phases=(0.0,))), **game),
)
