"""Folds for statements that weigh a state with the method's parameters, average a measure, or compare two runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from ..fold import Fold
from ..measures import Measure, point


class Beside(NamedTuple):
    """An iterate's point, what a reference says it is, and the whole state."""

    x: Any
    reference: Any
    state: Any


class Held(NamedTuple):
    """An iterate's point, its state, and nominal parameters, by name."""

    x: Any
    state: Any
    params: dict[str, Any]


class Mean(NamedTuple):
    """mean over s < k of a measure (at k = 0: the start's value), and the current state."""

    value: Any
    state: Any


def beside(name: str, reference: Callable[[Iterator[Any], Any], Iterator[tuple[Any, Any]]]) -> Fold:
    """``reference(iterates, quantities)`` yields (state, what it should be) for every iterate."""
    return Fold(name, lambda iterates, q: (Beside(point(s), r, s) for s, r in reference(iter(iterates), q)))


def holding(*names: str) -> Fold:
    """The iterates beside the theorem's own values of the named parameters."""
    return Fold("last", lambda iterates, q: (Held(point(s), s, {n: q[n] for n in names}) for s in iterates))


def mean_of(measure: Measure) -> Fold:
    """The running mean of a measure: at index k over the k points x_0 .. x_{k-1}."""

    def fold(iterates: Iterable[Any], q: Any) -> Iterator[Mean]:
        mean = None
        for k, state in enumerate(iterates):
            value = measure(q.problem, state)
            yield Mean(value if mean is None else mean, state)
            mean = value if mean is None else mean + (value - mean) / (k + 1)

    return Fold("mean", fold)


averaged = Measure("mean of measured values", lambda problem, it: it.value, symbolic=False)
same = Measure(
    "||x - reference||^2",
    lambda problem, it: problem.sq(it.x - it.reference),
    r"\|x_k - \hat x_k\|^2",
    lambda problem, it: 64 * 2.0**-52 * (problem.sq(it.x) + problem.sq(it.reference) + 1),
    symbolic=False,
)
sq_mean_gradient = Measure(
    "||grad f(mean x)||^2",
    lambda problem, it: problem.sq(problem.mean(problem.grad(problem.mean(point(it))))),
    r"\|\nabla f(\bar x_k)\|^2",
    lambda problem, it: 64 * 2.0**-52 * (problem.L**2 * problem.sq(problem.mean(point(it))) + problem.zeta_star**2),
    symbolic=False,
)
