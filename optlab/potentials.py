"""Potentials V_k = a_k (f - f*) + b_k ||grad f||^2 + c_k ||x - x*||^2 whose weights change with k, and that must not grow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from .fold import Fold
from .guarantee import now
from .measures import Measure, point, sq_distance, sq_gradient, suboptimality

PARTS = (suboptimality, sq_gradient, sq_distance)


class Step(NamedTuple):
    """Two consecutive iterates, y after x, and the potential's weights (a, b, c) at each."""

    y: Any
    x: Any
    after: tuple[float, float, float]
    before: tuple[float, float, float]


def weighed(weights: Callable[..., tuple[float, float, float]], name: str) -> Fold:
    """Consecutive iterates with ``weights(k, ...)``, which may name constants and recipe parameters, at the index of each;
    ``name`` says the potential."""

    def fold(iterates: Iterable[Any], quantities: Any) -> Iterator[Any]:
        def at(k: int) -> tuple[float, float, float]:
            return quantities.call(weights, k=k)

        previous = None
        for k, it in enumerate(iterates, start=quantities.given.get("origin", 0)):
            yield Step(it, it, at(k), at(k)) if previous is None else Step(it, previous, at(k), at(k - 1))
            previous = it

    return Fold(name, fold)


def _combined(problem: Any, x: Any, weights: tuple[float, float, float], of: Callable[[Measure], Any]) -> Any:
    return sum(w * of(part)(problem, point(x)) for w, part in zip(weights, PARTS, strict=True) if w)


def _measure(name: str, symbol: str, which: Callable[[Step], tuple[Any, Any]]) -> Measure:
    return Measure(name, lambda problem, step: _combined(problem, *which(step), lambda part: part.of), symbol,
                   lambda problem, step: _combined(problem, *which(step), lambda part: part.magnitude))


potential = _measure("V", r"V_k", lambda step: (step.y, step.after))
one_step_before = now(_measure("V one step before", r"V_{k-1}", lambda step: (step.x, step.before)))
never_grows = dict(measure=potential, bound=lambda V_before: V_before, using=dict(V_before=one_step_before), from_any_state=True)
