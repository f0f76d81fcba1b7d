"""Scaling laws that can be derived: loss against steps and against model size on power-law quadratics."""

from __future__ import annotations

from optlab.problems.assumptions import QuadraticForm
from optlab.problems.power_law import PowerLaw

from ..guarantee import Case, Control, Guarantee, cite
from ..measures import suboptimality
from ..methods import method


@method(needs=("grad", "first"), family="federated", restartable=True, symbolic=False)
def sized_descent(problem, x, *, step, size):
    """Gradient descent on a model of ``size`` parameters: the first ``size`` coordinates, the others stay at zero."""
    x = problem.first(x, size)
    while True:
        yield x
        x = x - step * problem.first(problem.grad(x), size)


def spectra(rng):
    return [Case(p, p.x0, steps=2000, params=dict(size=p.dim)) for p in (PowerLaw(2, 2), PowerLaw(1.5, 1.5), PowerLaw(2, 3))]


def sizes(rng):
    problem = PowerLaw(1, 2)
    return [Case(problem, problem.x0, steps=2000, params=dict(size=n), label=f"{n} parameters") for n in (8, 16, 32, 64, 128)]


half = dict(recipe=lambda size: dict(step=0.5, size=size), assumes=(QuadraticForm,), symbolic=False)
sized_descent.proves(
    Guarantee(suboptimality, lambda k, a, b: k ** (-(b - 1) / a), cite(25, 2), mode="order", relation="==", on=spectra,
              control=Control("a model of ten parameters: the floor left out", recipe=lambda: dict(size=10)), **half),
    Guarantee(suboptimality, lambda size, b: size ** (-(b - 1)), cite(25, 3, claim="exponent"), mode="scaling", over="size",
              relation="==", on=sizes,
              control=Control("the square root of the parameters", recipe=lambda size: dict(size=int(size**0.5))), **half),
    Guarantee(suboptimality, lambda floor, size: floor(size), cite(25, 3, claim="floor"), relation=">=", tightness="tight",
              on=sizes, control=Control("twice the parameters", recipe=lambda size: dict(size=2 * size)), **half),
)
