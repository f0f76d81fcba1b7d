"""Hyperplane rounding of a semidefinite relaxation."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optlab.problems import rounding
from optlab.problems.assumptions import CutForm, PSDForm

from ..guarantee import Case, Control, Guarantee, cite
from ..measures import Measure
from ..methods import method


class Rounded(NamedTuple):
    """Signs, one for every row of V."""

    signs: Any


@method(family="constrained", symbolic=False)
def hyperplane_rounding(problem, x, *, rng):
    """Signs of <v_i, z>, z standard normal, v_i the rows of the relaxation's solution (Goemans-Williamson 1995)."""
    z = rng.normal(problem.point_shape[-1:])
    return Rounded(np.where((x @ z[..., None])[..., 0] >= 0, 1.0, -1.0))


@method(symbolic=False)
def coin_flips(problem, x, *, rng):
    """Control: every sign by itself, whatever the relaxation says."""
    return Rounded(np.where(rng.normal(problem.point_shape[-1:]) >= 0, 1.0, -1.0))


form = Measure("x'Bx", lambda problem, it: problem.form(it.signs), r"x^\top B x", symbolic=False)


def on(*problems):
    return [Case(p, p.vectors) for p in problems]


blind = Control("coin flips instead of the hyperplane", method=coin_flips)

hyperplane_rounding.proves(
    Guarantee(form, lambda ceiling: 0.87856 * ceiling, cite(70, 33, "Sec 6.6", claim="max cut"), mode="expectation",
              relation=">=", assumes=(CutForm,), control=blind,
              on=lambda rng: on(rounding.cycle_cut(), rounding.random_cut())),
    Guarantee(form, lambda ceiling: 2 / np.pi * ceiling, cite(70, 33, "Sec 6.6", claim="positive semidefinite forms"),
              mode="expectation", relation=">=", assumes=(PSDForm,), control=blind,
              on=lambda rng: on(rounding.sphere_form(), rounding.random_cut())),
)
