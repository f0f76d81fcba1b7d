"""What a solved semidefinite program hands back: the worst case, its instance and its proof."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from PEPit import Expression, Point


class Status(enum.Enum):
    """How a solve ended. Only SOLVED and INACCURATE carry a number."""

    SOLVED = "solved"  # primal and dual agree and both are feasible, to `AGREEMENT`
    INACCURATE = "inaccurate"  # only to `USABLE`
    UNBOUNDED = "unbounded"  # the worst case is infinite: a condition is missing, or the method diverges
    INFEASIBLE = "infeasible"  # no instance meets the declared conditions
    FAILED = "failed"  # the solver gave nothing that can be checked

    @property
    def has_value(self) -> bool:
        """Whether a certificate with this status holds an instance and a proof."""
        return self in (Status.SOLVED, Status.INACCURATE)


class Multiplier(NamedTuple):
    """One line of the proof: the constraint's name, its multiplier (a matrix for an LMI) and its kind."""

    label: str
    value: float | np.ndarray
    kind: str  # "inequality", "equality" or "lmi"


@dataclass(frozen=True, eq=False)
class Certificate:
    """The worst case of a PEP, its instance (`gram`, `function_values`, `points`), its proof (`multipliers`).

    `value` is the metric that the instance attains (a lower bound), `dual_value` the bound that the
    multipliers prove, `gap` their relative difference. `primal_error` (largest violation of a constraint,
    relative to the data) and `dual_error` (what the imperfections of the proof may add to `dual_value`,
    relative to it) say how far each is from being rigorous, `accuracy` what SOLVED allows both to be off by,
    absolutely; `slack_min_eig` is the smallest eigenvalue of S, rebuilt from the multipliers. `exact` needs
    status SOLVED, all constraints satisfied, classes with known interpolation conditions, and no value shared
    by two of them; it cannot see a relaxation made inside a primitive step (exact line search).
    """

    value: float
    dual_value: float
    gap: float
    status: Status
    exact: bool
    solver: str
    slack_min_eig: float
    primal_error: float
    dual_error: float
    accuracy: float
    constraints_used: int
    constraints_total: int
    seconds_assembly: float
    seconds_solver: float
    gram: np.ndarray = field(repr=False)  # (n, n)
    function_values: np.ndarray = field(repr=False)  # (m,), one per leaf Expression
    points: np.ndarray = field(repr=False)  # (n, rank): row i holds the coordinates of leaf Point i
    multipliers: list[Multiplier] = field(repr=False)
    slack: np.ndarray = field(repr=False)  # (n, n): S, of which slack_min_eig is the smallest eigenvalue
    leaf_points: dict[Point, int] = field(repr=False)
    leaf_expressions: dict[Expression, int] = field(repr=False)

    @property
    def rank(self) -> int:
        """The dimension in which the worst instance lives."""
        return self.points.shape[1]

    def evaluate(self, symbol: Point | Expression) -> np.ndarray | float:
        """The value of a Point (shape (rank,)) or Expression (number) of this PEP on the worst instance.

        Raises `ValueError` when nothing was solved, or when the symbol belongs to another PEP.
        """
        if not self.status.has_value:
            raise ValueError(f"evaluate: this certificate is {self.status.value}, it holds no instance")
        terms = symbol.decomposition_dict.items()
        try:
            if isinstance(symbol, Point):
                return sum((w * self.points[self.leaf_points[p]] for p, w in terms), np.zeros(self.rank))
            return math.fsum(w * self._term(key) for key, w in terms)
        except KeyError:
            raise ValueError("evaluate: this symbol was not part of the PEP when it was solved") from None

    def _term(self, key: Any) -> float:
        if isinstance(key, tuple):
            return float(self.gram[self.leaf_points[key[0]], self.leaf_points[key[1]]])
        return float(self.function_values[self.leaf_expressions[key]]) if isinstance(key, Expression) else 1.0
