"""Which PEPit class an optlab set of assumptions is read as: one declaring function a kind of problem, first match first.

A kind receives the ``SymbolicProblem`` s (any attribute is an oracle or a constant, hence ``Any``), declares its class on
``s.pep`` and sets the oracles that it has, ``x_star`` and ``f_star``. Kinds of a special assumption stand before general ones:
the order is that of ``MODULES`` in this package, then of the file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from optlab.problems import assumptions as A
from optlab.problems.errors import OptlabError

Declare = Callable[[Any], None]


class SymbolicError(OptlabError):
    """A method, measure or class that cannot be read on symbolic points; the message says why."""


class Kind(NamedTuple):
    """``reads``: the assumptions that the class carries; any other one makes the value an upper bound."""

    when: Callable[[Any], bool]
    declare: Declare
    reads: tuple[type[A.Assumption], ...]


KINDS: list[Kind] = []


def kind(when: Callable[[Any], bool], *reads: type[A.Assumption]) -> Callable[[Declare], Declare]:
    """Decorator: ``@kind(lambda s: s.has(A.ConvexPair), A.ConvexPair, A.SmoothPart)`` above the declaring function."""

    def register(declare: Declare) -> Declare:
        KINDS.append(Kind(when, declare, reads))
        return declare

    return register


def kind_of(s: Any) -> Kind:
    """The first kind whose condition the problem meets; SymbolicError where there is none."""
    for candidate in KINDS:
        if candidate.when(s):
            return candidate
    raise SymbolicError(f"no function or operator class is known for the assumptions {stated(s)}")


def stated(s: Any) -> str:
    return ", ".join(type(a).__name__ for a in s.assumptions) or "nothing"
