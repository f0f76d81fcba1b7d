"""The iterate x_t*, t* random: means of a measure over the past, where measures of a mean point would not do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from array_api_compat import array_namespace

from ..fold import Fold
from ..measures import Measure, point


class Past(NamedTuple):
    """The points x_0 .. x_{k-1} (at k = 0: x_0) and the chances with which t* takes their indices."""

    points: tuple[Any, ...]
    chances: tuple[float, ...]


def drawn(weight: Callable[..., float], name: str) -> Fold:
    """x_t*, where t* < k has chances proportional to ``weight(s, ...)``, which may name recipe parameters."""

    def fold(iterates, quantities):
        points, weights = (), ()
        for s, it in enumerate(iterates):
            total = sum(weights)
            yield Past(points, tuple(w / total for w in weights)) if points else Past((point(it),), (1.0,))
            points = (*points, point(it))
            weights = (*weights, float(quantities.call(weight, s=s)))

    return Fold(name, fold)


uniformly_drawn = drawn(lambda s: 1.0, "an iterate drawn uniformly")


def over_the_past(measure: Measure) -> Measure:
    """E over t* of the measure at x_t*."""

    def of(problem, past):
        stacked = array_namespace(past.points[0]).stack(past.points)
        values = measure.of(problem, stacked)
        return sum(c * v for c, v in zip(past.chances, values, strict=True))

    return Measure(measure.name, of, measure.symbol, symbolic=False)
