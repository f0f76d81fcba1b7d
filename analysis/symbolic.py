"""A problem whose points are PEPit Points: the same oracles, answered by function and operator classes.

``SymbolicProblem(pep, assumptions, needs)`` declares the class that the assumptions describe. A method's body runs on it
unchanged; what cannot be read on Points (norms, comparisons, values of coordinates) raises ``SymbolicError`` in words.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from PEPit import PEP, Constraint, Expression, Point

from optlab.ledger import ORACLES
from optlab.problems import assumptions as A

from .classes import SymbolicError, kind_of, stated

MOST_CALLS = 1000  # oracle calls between two iterates; a body that asks more does not end


def _refuse(what: str) -> Callable[..., Any]:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise SymbolicError(f"it takes {what}, where only affine combinations, inner products and oracle calls can be read")

    return refuse


class SymbolicProblem:
    """The symbolic reading of a problem class.

    ``interpolable`` is False where the conditions written here are necessary but not sufficient (PEPit's own classes are
    left to the certificate) and where an assumption is not read: the class is then larger, the value an upper bound.
    """

    point_shape = ()
    start_quantities: dict[str, Any] = {}
    interpolable = True
    scope = ""  # which part of the class is read, where it is not the whole one

    def __init__(self, pep: PEP, assumptions: Sequence[A.Assumption], needs: Sequence[str] = (), refined: bool | float = False):
        self.pep, self.assumptions, self.refined = pep, tuple(assumptions), refined
        for a in self.assumptions:
            for name, value in a.constants.items():
                setattr(self, name, value)
        self.needs = tuple(needs)
        self.calls = 0
        self._partitions: dict[int, Any] = {}
        kind = kind_of(self)
        kind.declare(self)
        if not all(isinstance(a, kind.reads) for a in self.assumptions):
            self.interpolable = False
        for name in (ORACLES - {"value", "stochastic_grad"}) & set(vars(self)):  # a draw is new every time
            setattr(self, name, self._oracle(name))

    def _oracle(self, name: str) -> Callable[..., Any]:
        """A function: asked twice at one point it answers the same; and counted, so that no body asks for ever."""
        answer, known = getattr(self, name), {}

        def oracle(x: Any, *args: Any, **options: Any) -> Any:
            self.calls += 1
            if self.calls > MOST_CALLS:
                raise SymbolicError(f"it asks {name} more than {MOST_CALLS} times without yielding an iterate")
            points = x if isinstance(x, np.ndarray) else [x]
            at = (*(frozenset(p.decomposition_dict.items()) for p in points), *args, *options.items())
            if at not in known:
                known[at] = answer(x, *args, **options)
            return known[at]

        return oracle

    @property
    def unit(self) -> float:
        """The size of gradients beside points: L where the class has one."""
        return float(vars(self).get("L", 1.0))

    def has(self, assumption: type[A.Assumption]) -> bool:
        """Whether the assumption is stated, as itself (not merely implied)."""
        return any(type(a) is assumption for a in self.assumptions)

    def meets(self, assumption: type[A.Assumption]) -> bool:
        return any(assumption.follows_from(a) for a in self.assumptions)

    def start(self) -> Any:
        """A free start."""
        return self.pep.set_initial_point()

    def sq_radius(self, x0: Any, params: Mapping[str, Any]) -> Any:
        """R^2, the squared distance of the start from the solution."""
        return self.sq(x0 - self.x_star)

    def finish(self) -> None:
        """Conditions on all points met, stated once the method has run."""

    # geometry: inner products are Expressions; norms are not expressions at all
    def inner(self, x: Any, y: Any) -> Any:
        return np.sum(x * y) if isinstance(x, np.ndarray) or isinstance(y, np.ndarray) else x * y

    def sq(self, x: Any) -> Any:
        return self.inner(x, x)

    def above_minimum(self, x: Any) -> Any:
        return self.value(x) - self.f_star

    norm = staticmethod(_refuse("a norm (not its square)"))

    @staticmethod
    def column(s: Any) -> Any:
        return s

    # tables with one row a term are object arrays (n,); a choice takes its branch
    def table_of(self, oracle: Callable[..., Any], x: Any) -> Any:
        return np.array([oracle(x, i) for i in range(self.n)], dtype=object)

    @staticmethod
    def table_row(table: Any, i: int) -> Any:
        return table[i]

    @staticmethod
    def table_with(table: Any, i: int, row: Any) -> Any:
        return np.array([*table[:i], row, *table[i + 1:]], dtype=object)

    @staticmethod
    def table_mean(table: Any) -> Any:
        return 1 / len(table) * sum(table[1:], table[0])

    @staticmethod
    def select(coin: Any, a: Any, b: Any) -> Any:
        return a if coin else b

    def partition(self, blocks: int) -> Any:
        """PEPit's partition of the space into that many blocks."""
        if blocks not in self._partitions:
            self._partitions[blocks] = self.pep.declare_block_partition(d=blocks), {}
        return self._partitions[blocks][0]

    def block(self, v: Any, b: int, blocks: int) -> Any:
        """Block b of the point, blocks being orthogonal: one partition for every number of blocks."""
        partition, known = self.partition(blocks), self._partitions[blocks][1]
        return partition.get_block(known.setdefault(frozenset(v.decomposition_dict.items()), v), b)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise SymbolicError(f"{name!r} is not known on symbolic points under the assumptions {stated(self)}")


@contextlib.contextmanager
def symbolic_guard() -> Iterator[None]:
    """While the body runs, what PEPit would answer silently and wrongly raises ``TypeError``.

    PEPit's comparisons build Constraint objects, which Python takes for true: `if f(x) <= f(y)` always takes the first
    branch and `min(f(x), f(y))` answers at random. Points compare by identity, and a copied Point is unknown to the
    program. The guard acts on the whole process (as PEPit's own registers do) and is undone on leaving, exceptions
    included; guards may be nested.
    """

    def truth(symbol: object) -> bool:
        raise TypeError("this branches on values, and symbolic values have no truth value")

    def equal(symbol: object, other: object) -> bool:
        raise TypeError("this branches on values: symbolic points cannot be compared")

    def copied(symbol: object, memo: object = None) -> object:
        raise TypeError("symbolic points cannot be copied")

    def strict(symbol: object, other: object) -> bool:
        return truth(symbol)

    changes: dict[type, dict[str, Any]] = {Constraint: dict(__bool__=truth),
                                           Expression: dict(__bool__=truth, __lt__=strict, __gt__=strict),
                                           Point: dict(__bool__=truth, __eq__=equal, __ne__=equal)}
    for cls in (Expression, Point):
        changes[cls] |= dict(__copy__=copied, __deepcopy__=copied)
    before = [(cls, name, vars(cls).get(name)) for cls, names in changes.items() for name in names]
    for cls, names in changes.items():
        for name, replacement in names.items():
            setattr(cls, name, replacement)
    try:
        yield
    finally:
        for cls, name, previous in before:
            if previous is None:
                delattr(cls, name)
            else:
                setattr(cls, name, previous)
