"""Guarantee, Recipe, Control, Cite: a theorem as an object."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from optlab.problems.assumptions import Assumption
from optlab.problems.errors import ProblemError

from .fold import Fold, last
from .measures import Measure
from .quantities import Quantities, names

Mode = Literal["pointwise", "expectation", "high probability", "order", "scaling"]


@dataclass(frozen=True)
class Cite:
    """The catalogue item that a guarantee proves: row, item, where in the paper; ``claim`` for one of several claims.

    Row 0 is literature outside the catalogue (``where`` then says which). ``refutes`` says why the catalogue's statement
    is wrong when the guarantee verifies the correct one in its place.
    """

    row: int
    item: int
    where: str = ""
    claim: str = ""
    refutes: str = ""

    def __str__(self) -> str:
        if self.row == 0:
            return self.where
        return self.key + (f" {self.where}" if self.where else "")

    @property
    def key(self) -> str:
        """``row.item`` with the claim: 165.1(descent lemma)."""
        return f"{self.row}.{self.item}" + (f"({self.claim})" if self.claim else "")


cite = Cite


@dataclass(frozen=True)
class Case:
    """What a guarantee is checked on: problem, start, steps, replicates, and recipe parameters that belong to it.

    ``x0`` is ``(*point_shape)``, or ``(starts, *point_shape)`` to check several starts in one batch.
    """

    problem: Any
    x0: Any = None
    steps: int | None = None
    replicates: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    foreign: bool = False  # a problem of the caller's, not one that the theorem chose

    def __str__(self) -> str:
        return self.label or str(self.problem)


@dataclass(frozen=True)
class Control:
    """A stated sabotage that must come out violated (or refused).

    It changes what the method is given - parameters, problem, start, the method itself - while measure and bound keep
    the theorem's nominal values. ``on`` names cases of its own; ``best``-style counts need ``steps``.
    """

    why: str
    recipe: Callable[..., Mapping[str, Any]] | None = None
    problem: Callable[[Any], Any] | None = None
    start: Callable[[Any], Any] | None = None
    method: Any = None
    steps: int | None = None
    on: Callable[[Any], Any] | None = None
    expect: Literal["violated", "refused"] = "violated"


@dataclass(frozen=True)
class RunQuantity:
    """A quantity of the run that a bound names: at the start, at the current iterate, or summed over s < k."""

    kind: Literal["start", "now", "total"]
    of: Callable[[Any, Any], Any]


def start(of: Callable[[Any, Any], Any]) -> RunQuantity:
    """``of(problem, first iterate)``."""
    return RunQuantity("start", of)


def now(of: Callable[[Any, Any], Any]) -> RunQuantity:
    """``of(problem, iterate)`` at the index the bound is read at (with ``at=pairs``: of the pair)."""
    return RunQuantity("now", of)


def total(of: Callable[[Any, Any], Any]) -> RunQuantity:
    """sum over s < k of ``of(problem, iterate_s)``."""
    return RunQuantity("total", of)


@dataclass(frozen=True)
class Guarantee:
    """measure(fold of the iterates at k)  relation  bound(k, constants), under assumptions, with its recipe and control.

    Argument names of ``bound`` and ``recipe`` are the contract (see ``Quantities``). A recipe that names ``horizon`` is
    run once per horizon and judged at its end. ``valid`` says which overridden parameters are still inside the theorem.
    ``vary`` lists values to try (every combination). ``drift(V, ...)`` is the one-step inequality
    E[measure(next) | state] <= drift(V = measure(state)), checked by enumeration at visited states. ``tightness``:
    "tight" claims that some instance meets the bound (>= 0.99 of it must be seen), "upper" only that it holds.
    """

    measure: Measure
    bound: Callable[..., Any]
    source: Cite
    assumes: tuple[type[Assumption], ...] = ()
    recipe: Callable[..., Mapping[str, Any]] = lambda: {}  # the builtin dict has no signature to read
    control: Control | tuple[Control, ...] = ()
    at: Fold = last
    relation: Literal["<=", ">=", "=="] = "<="
    mode: Mode = "pointwise"
    tightness: Literal["tight", "upper"] = "upper"
    valid: Callable[..., bool] | None = None
    vary: Mapping[str, Iterable[Any]] = field(default_factory=dict)
    using: Mapping[str, RunQuantity] = field(default_factory=dict)
    on: Callable[[Any], Any] | None = None
    drift: Callable[..., Any] | None = None
    first: int = 1
    stride: int = 1
    steps: int | None = None
    horizons: tuple[int, ...] = (10, 100)
    over: str = ""  # "scaling": the quantity that the law is in; `on` gives the grid of cases
    failure: float = 0.0  # "high probability": the probability with which the bound may fail
    symbolic: bool | None = None  # None: as the method and the measure (of a random method: only where said)
    from_any_state: bool | Mapping[str, Any] = False  # the theorem holds from any state (with these numbers), its points free
    hold: tuple[str, ...] = ()  # run quantities that worst_case holds at 1 where it would subtract a bound homogeneous in them
    at_constants: Mapping[str, float] = field(default_factory=dict)  # for worst_case, where 1 (and mu = 0.1) do not fit
    proved: bool = True  # False: a conjecture, seen in every case that was tried; nothing is planned by it
    note: str = ""
    method: str = ""

    @property
    def controls(self) -> tuple[Control, ...]:
        return (self.control,) if isinstance(self.control, Control) else tuple(self.control)

    @property
    def by_horizon(self) -> bool:
        return "horizon" in names(self.recipe)

    def recipes(self, quantities: Quantities, given: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The parameter sets that the theorem prescribes, one for every combination of ``vary`` values; ``given`` fixes some."""
        keys, given = list(self.vary), given or {}
        sets = []
        for values in itertools.product(*((given[k],) if k in given else tuple(self.vary[k]) for k in keys)):
            varied = dict(zip(keys, values, strict=True))
            prescribed = quantities.with_(**varied).call(self.recipe)
            sets.append({**varied, **prescribed})
        return sets

    def inside(self, quantities: Quantities) -> bool:
        """Whether the parameters in ``quantities`` satisfy the theorem (only asked after an override)."""
        return self.valid is not None and bool(quantities.call(self.valid))

    @property
    def formula(self) -> str:
        """The bound as text, e.g. ``L*R**2/(4*k + 2)``."""
        return str(self.expression)

    @property
    def expression(self) -> Any:
        """The bound as a SymPy expression in its argument names (for text, LaTeX and orders)."""
        import sympy

        symbols = {n: sympy.Symbol(n, positive=True) for n in names(self.bound)}
        try:
            return sympy.sympify(self.bound(**symbols))
        except Exception:  # a bound may use what symbols cannot (an optimization, a table): then its names must do
            return sympy.Function(self.bound.__name__ if self.bound.__name__ != "<lambda>" else "bound")(*symbols.values())

    @property
    def title(self) -> str:
        """One line: measure, fold, relation, bound."""
        what = str(self.measure) + ("" if self.at is last else f" [{self.at}]")
        mean = "E " if self.mode == "expectation" else ""
        return f"{mean}{what} {self.relation} {'O(' if self.mode in ('order', 'scaling') else ''}{self.formula}" + (
            ")" if self.mode in ("order", "scaling") else "")

    @property
    def id(self) -> str:
        """``method[row.item]``: unique within a method together with the measure's name."""
        return f"{self.method}[{self.source.key if self.source.row else self.source.where}]"

    def of(self, method: str) -> Guarantee:
        return replace(self, method=method)

    def __str__(self) -> str:
        return self.title


def check(guarantee: Guarantee) -> None:
    """Reject a guarantee that cannot be judged, with one sentence."""
    if guarantee.mode == "high probability" and not 0 < guarantee.failure < 1:
        raise ProblemError(f"{guarantee.source}: a high-probability guarantee states failure in (0, 1)")
    if guarantee.mode == "scaling" and not (guarantee.over and guarantee.on):
        raise ProblemError(f"{guarantee.source}: a scaling law names the quantity it is in (over) and its grid of cases (on)")
    if not guarantee.controls:
        raise ProblemError(f"{guarantee.source}: a guarantee needs a control that must be seen to fail")
