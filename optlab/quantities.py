"""Argument names are the contract: a bound, recipe or weight is called with what its arguments name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from optlab.problems.errors import AssumptionError


class MissingQuantity(AssumptionError):
    """A bound or recipe names something that neither problem, recipe, start nor run provides."""


@cache
def names(function: Callable[..., Any]) -> tuple[str, ...]:
    """The argument names of a bound, recipe or weight."""
    return tuple(inspect.signature(function).parameters)


# Quantities of the start, by the letters the field uses; a problem may offer more through `start_quantities`.
START: dict[str, Callable[[Any, Any], Any]] = {
    "R": lambda problem, x0: problem.norm(x0 - problem.x_star),
    "D0": lambda problem, x0: problem.value(x0) - problem.f_star,
    "G0": lambda problem, x0: problem.norm(problem.grad(x0)),
}


class Quantities:
    """Looks names up in: given values (recipe, k, run quantities), the start, the problem's attributes."""

    def __init__(self, problem: Any, x0: Any, given: Mapping[str, Any] | None = None):
        self.problem, self.x0 = problem, x0
        self.given = dict(given or {})

    def with_(self, **more: Any) -> Quantities:
        return Quantities(self.problem, self.x0, {**self.given, **more})

    def __getitem__(self, name: str) -> Any:
        if name in self.given:
            return self.given[name]
        start = getattr(self.problem, "start_quantities", {}).get(name) or START.get(name)
        try:
            if start is not None:
                self.given[name] = start(self.problem, self.x0)
                return self.given[name]
            value = getattr(self.problem, name)
        except (AttributeError, TypeError):
            value = None
        if value is None:
            raise MissingQuantity(f"the theorem needs {name!r}, which {self.problem} does not know")
        return value

    def call(self, function: Callable[..., Any], **extra: Any) -> Any:
        """Call ``function`` with the quantities that its arguments name; ``extra`` first."""
        return function(**{n: extra[n] if n in extra else self[n] for n in names(function)})
