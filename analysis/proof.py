"""The dual solution as a table: the worst case is at most ``value`` because these inequalities, so weighted, say so.

    metric - value = sum_i multiplier_i (inequality_i) - <slack, Gram matrix>,    multiplier_i >= 0, slack >= 0.

Source: Taylor, Hendrickx, Glineur, Math. Program. 161 (2017), section 3; de Klerk, Glineur, Taylor, Optim. Lett. 11 (2017).
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from PEPit import PEP, Function, Point

from optlab.measures import point

from .certificate import Multiplier, Status
from .sdp import AGREEMENT, _distant_constraints, _multipliers, _Program, _program_of, _solve

TOLERANCE = 1e-9  # asked of the solver
NEGLIGIBLE = 1e-6  # multipliers below this share of the largest one are left out of the table


@dataclass(frozen=True)
class Proof:
    """``lines`` are the inequalities with their multipliers (matrices for LMIs), the heaviest conditions first; ``slack`` (n, n)
    is the matrix of the squares that are left over; ``error`` what rounding may add to ``value``."""

    statement: str
    value: float
    error: float
    lines: Sequence[Multiplier]
    slack: np.ndarray = field(repr=False)

    @property
    def squares(self) -> int:
        """How many squares of points are left over: the rank of ``slack``."""
        eigenvalues = np.linalg.eigvalsh(self.slack)
        return int(np.sum(eigenvalues > NEGLIGIBLE * max(eigenvalues[-1], 0.0)))

    @property
    def heading(self) -> str:
        return (f"{self.statement} <= {self.value:.8g}, by {_count(len(self.lines), 'inequality', 'inequalities')} and "
                f"{_count(self.squares, 'square', 'squares')} (rounding may add {self.error:.0e})")

    def rows(self) -> list[tuple[str, str]]:
        """(multiplier, inequality) as texts."""
        return [(f"{line.value:.6g}" if isinstance(line.value, float) else f"matrix of order {len(line.value)}", readable(line))
                for line in self.lines]

    def as_dict(self) -> dict[str, Any]:
        lines = [{"inequality": readable(m), "kind": m.kind, "multiplier": np.asarray(m.value).tolist()} for m in self.lines]
        return {"statement": self.statement, "value": self.value, "error": self.error, "squares": self.squares, "lines": lines}

    def __str__(self) -> str:
        rows = self.rows()
        width = max((len(multiplier) for multiplier, _ in rows), default=0)
        return "\n".join([self.heading, *(f"{multiplier:>{width}}  {label}" for multiplier, label in rows)])

    def _repr_html_(self) -> str:
        cells = "".join(f"<tr><td style='text-align:right'>{m}</td><td style='text-align:left'>{html.escape(label)}</td></tr>"
                        for m, label in self.rows())
        return (f"<p>{html.escape(self.heading)}</p><table><thead><tr><th>multiplier</th>"
                f"<th style='text-align:left'>inequality</th></tr></thead><tbody>{cells}</tbody></table>")


def _count(n: int, one: str, more: str) -> str:
    return f"{n} {one if n == 1 else more}"


def readable(line: Multiplier) -> str:
    """"f: smoothness convexity (x*, x1)" for PEPit's "IC_f_smoothness_convexity(x*, x1)"."""
    found = re.fullmatch(r"IC_([a-zA-Z]+(?:_\d+)?)_(.+?)(\(.*\))?", line.label)
    label = f"{found[1]}: {found[2].replace('_', ' ')} {found[3] or ''}".rstrip() if found else line.label
    return label if line.kind == "inequality" else f"{label} [{line.kind}]"


def proof_of(statement: str, pep: PEP, *, short: bool = True, unit: float = 1.0) -> Proof:
    """The multipliers of a solved program as a table; ValueError for one that has no value.

    ``short`` drops inequalities as long as the rest still proves the same value: those between distant points, then those of
    a point with the one before it, then the lightest. Multipliers are seldom unique, and a chain of few lines can be followed.
    """
    program = replace(_program_of(pep), unit=unit)
    fields, _, y = _solve(program, None, TOLERANCE)
    if not fields["status"].has_value:
        raise ValueError(f"there is no proof: the program ended {fields['status'].value}")
    if short:
        fields, program, y = _shortened(program, fields, y)
    lines = [m for m in _multipliers(program, y) if not m.label.startswith("Performance metric")]
    heaviest = max((float(np.max(np.abs(m.value))) for m in lines), default=0.0)
    kept = tuple(m for m in lines if np.max(np.abs(m.value)) > NEGLIGIBLE * heaviest)
    known = max(abs(fields["value"]), abs(fields["dual_value"]), 1e-8 * program.natural)  # what errors are relative to
    return Proof(statement, fields["dual_value"], fields["dual_error"] * known, kept, fields["slack"])


def _shortened(program: _Program, fields: dict[str, Any], y: np.ndarray) -> tuple[dict[str, Any], _Program, np.ndarray]:
    """The program without the inequalities that its value does not need, and its solution."""
    allowed = fields["value"] + AGREEMENT * abs(fields["value"])
    first, distant, unusual = program.equalities + program.metrics, _distant_constraints(), _distant_constraints(forward=True)

    def importance(i: int) -> tuple[int, float]:
        identity = program.rows[i][2]
        return -(identity in distant) - (identity in unusual), y[i]

    inequalities = sorted(range(first, len(program.rows)), key=importance)
    for dropped in [program.rows[i] for i in inequalities]:
        without = program.restricted(np.array([row is not dropped for row in program.rows]))
        attempt, _, multipliers = _solve(without, None, TOLERANCE)
        if attempt["status"] is Status.SOLVED and attempt["dual_value"] <= allowed:
            fields, program, y = attempt, without, multipliers
    return fields, program, y


def name_points(s: Any, iterates: Sequence[Any]) -> None:
    """Names as a reader gives them, so that labels say (x1, x*): iterates x0, x1, ..., the solution x*, other queries y0, ..."""
    for name, symbol in list(vars(s).items()):
        if isinstance(symbol, Function) and symbol.get_is_leaf() and symbol.get_name() is None:
            symbol.set_name(name)
    known = {_key(s.x_star): "x*"}
    for k, state in enumerate(iterates):
        known.setdefault(_key(point(state)), f"x{k}")
    others = 0
    for function in Function.list_of_functions:
        for x, _, _ in function.list_of_points:
            if _key(x) not in known:
                known[_key(x)] = f"y{others}"
                others += 1
            x.set_name(known[_key(x)])


def _key(x: Any) -> Any:
    return frozenset(x.decomposition_dict.items()) if isinstance(x, Point) else id(x)
