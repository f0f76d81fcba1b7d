"""Method: a generator that yields its iterates, with what it needs and what is proved of it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from optlab.problems.assumptions import SmoothPart
from optlab.problems.errors import AssumptionError

from .guarantee import Guarantee, check

METHODS: dict[str, Method] = {}


class Stopped(NamedTuple):
    """A method's own typed outcome (``return Stopped("infeasible")``): part of the algorithm, not a tolerance."""

    reason: str


class Method:
    """A generator function ``body(problem, x, *, ...)`` and its guarantees; calling it starts the generator.

    ``needs`` are the oracles it calls; ``symbolic`` whether the body reads on Points (arithmetic and oracles only);
    ``batched`` whether it carries replicates; ``restartable`` whether it continues from exactly what it yields; ``derived``
    the fields of its state that follow from the others (left out, the body computes them);
    ``one_stroke`` whether it is a plain function returning one record.
    """

    def __init__(self, body: Callable[..., Any], *, needs: tuple[str, ...] = (), family: str = "", symbolic: bool = True,
                 batched: bool = True, restartable: bool = False, derived: tuple[str, ...] = (), cost: str = ""):
        functools.update_wrapper(self, body)
        self.body, self.needs, self.family = body, needs, family
        self.name = body.__name__
        self.symbolic, self.batched, self.restartable, self.derived = symbolic, batched, restartable, derived
        self.one_stroke = not inspect.isgeneratorfunction(body)
        self.guarantees: tuple[Guarantee, ...] = ()
        parameters = inspect.signature(body).parameters
        self.parameters = {n: p.default for n, p in parameters.items() if p.kind is p.KEYWORD_ONLY and n != "rng"}
        self.random = "rng" in parameters
        self.cost = cost or (needs[0] if needs else "")

    def __call__(self, problem: Any, *args: Any, **params: Any) -> Iterator[Any]:
        return self.body(problem, *args, **params)

    def proves(self, *guarantees: Guarantee) -> Method:
        """Attach guarantees (for lists that would hide the body)."""
        for g in guarantees:
            check(g)
            self.guarantees = (*self.guarantees, g.of(self.name))
        if self.body.__module__.startswith("optlab."):  # mutants for controls carry no theorem and stay out
            METHODS[self.name] = self
        return self

    def theorems(self, text: str) -> tuple[Guarantee, ...]:
        """The guarantees of this number ("29.1") or, where there is none, with this text in their id, source or measure."""
        numbered = tuple(g for g in self.guarantees if g.id == f"{self.name}[{text}]")
        named = (g for g in self.guarantees if any(text in part for part in (g.id, str(g.source), str(g.measure))))
        return numbered or tuple(named)

    def with_only(self, guarantees: tuple[Guarantee, ...]) -> Method:
        """The same method with these guarantees; this one keeps all of its own."""
        other = object.__new__(Method)
        other.__dict__.update(self.__dict__, guarantees=guarantees)
        return other

    def require(self, problem: Any) -> None:
        """One sentence when the problem lacks an oracle that the body calls."""
        for oracle in self.needs:
            if getattr(problem, oracle, None) is None:
                raise AssumptionError(f"{self.name} needs {oracle}, which {problem} does not have")
        if "prox" in self.needs and not any("grad" in need for need in self.needs) and problem.meets(SmoothPart):
            raise AssumptionError(f"{self.name} needs the prox of the whole objective; that of {problem} is of its second part")

    @property
    def source(self) -> str:
        """The body's text (with decorators and docstring removed it is the algorithm)."""
        return inspect.getsource(self.body)

    def __repr__(self) -> str:
        return f"<method {self.name}: {len(self.guarantees)} guarantees>"

    def __reduce__(self) -> Any:
        return (_by_name, (self.__module__, self.name))


def _by_name(module: str, name: str) -> Any:
    import importlib

    return getattr(importlib.import_module(module), name)


def method(**options: Any) -> Callable[[Callable[..., Any]], Method]:
    """Decorator: ``@method(needs=("grad",), family="gradient")``. optlab's own enter the registry with their guarantees."""
    return lambda body: Method(body, **options)


def guarantees(*items: Guarantee, **options: Any) -> Callable[[Any], Method]:
    """Decorator: guarantees stand above the body they speak about."""
    return lambda body: as_method(body, **options).proves(*items)


def as_method(body: Any, **options: Any) -> Method:
    """A Method from a Method or a plain generator function."""
    if isinstance(body, Method):
        return body
    if not callable(body):
        raise AssumptionError(f"method must be a generator function of (problem, x, *, ...), got {body!r}")
    return Method(body, **options)
