"""worst_case: the exact worst case of a method over a whole function class, from the very generator that runs.

The body is driven on PEPit Points; the semidefinite program goes to Clarabel or SCS directly (``sdp.solve_pep``).
*exact* is claimed only where the class has interpolation conditions and primal and dual agree; otherwise the value is an
upper bound. Sources: Drori & Teboulle 2014; Taylor, Hendrickx, Glineur 2017; Goujaud et al. 2024 (PEPit).
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from optlab.fold import Fold, last
from optlab.guarantee import Guarantee
from optlab.measures import Measure, suboptimality
from optlab.methods import Method, as_method
from optlab.problems.assumptions import Assumption
from optlab.problems.errors import AssumptionError, OptlabError, ProblemError
from optlab.quantities import MissingQuantity, Quantities, names
from optlab.running import iterate

from .verdict import Verdict, WorstCaseSeen

# the constants a theorem is checked at over its class: everything 1, condition number 10
NORMAL: dict[str, float] = {"mu": 0.1, "L": 1.0, "G": 1.0, "D": 1.0, "beta": 1.0, "rho": 1.0, "sigma": 1.0}
START_SYMBOLS = ("R", "D0", "G0")
AGREEMENT = 1e-5  # relative accuracy to which two SDP values are told apart (primal-dual gaps stay below 1e-6)


@dataclass(frozen=True)
class WorstCase:
    """``value`` (attained by an instance), ``dual`` (proved by multipliers), ``exact`` (both agree, class interpolable).

    ``bound`` is the theorem's value at the same constants, where a guarantee was read; ``certificate`` holds Gram
    matrix, points, function values and multipliers of the program.
    """

    value: float
    dual: float
    exact: bool
    status: str
    steps: int
    measure: str
    method: str
    bound: float = float("nan")
    params: Mapping[str, Any] = field(default_factory=dict)
    certificate: Any = field(default=None, repr=False)

    @property
    def ratio(self) -> float:
        """Worst case over bound: 1 for a tight theorem, above 1 for a wrong one."""
        return self.value / self.bound if self.bound else float("nan")

    def __str__(self) -> str:
        kind = "exact worst case" if self.exact else "upper bound on the worst case"
        against = f"; the theorem says {self.bound:.6g} (ratio {self.ratio:.4f})" if np.isfinite(self.bound) else ""
        return f"{self.method}, {self.steps} steps, {self.measure}: {kind} {self.value:.8g} (dual {self.dual:.8g}){against}"

    __repr__ = __str__  # what a notebook shows


def worst_case(method: Any, assumptions: Sequence[Assumption] | Assumption, steps: int, *, measure: Measure | None = None,
               at: Fold | None = None, R: float = 1.0, D0: float = 1.0, guarantee: Guarantee | None = None,
               **params: Any) -> WorstCase:
    """Worst value of ``measure`` after ``steps`` steps over the class that ``assumptions`` describe.

    ``assumptions`` are instances, e.g. ``(Smooth(L=1.0), Convex())``. Measure, fold and recipe are those of the method's
    first guarantee under these assumptions (or of ``guarantee``); a method without one is read with f(x) - f* under
    ||x0 - x*|| <= R and the given ``params``. Raises ``SymbolicError`` for a method that branches on values or takes
    norms, AssumptionError where no guarantee fits and parameters are missing.
    """
    m = as_method(method)
    stated = (assumptions,) if isinstance(assumptions, Assumption) else tuple(assumptions)
    if not stated or not all(isinstance(a, Assumption) for a in stated):
        raise ProblemError(f"assumptions must be instances such as (Smooth(L=1.0), Convex()), got {assumptions!r}")
    if not isinstance(steps, (int, np.integer)) or steps < 0:
        raise ProblemError(f"steps must be a nonnegative integer, got {steps!r}")
    g = guarantee or _fitting(m, stated, measure, at)
    return _solve(m, stated, int(steps), g, measure, at, {"R": R, "D0": D0}, params)


def _fitting(m: Method, stated: Sequence[Assumption], measure: Measure | None, at: Fold | None) -> Guarantee | None:
    """The method's first readable guarantee whose assumptions are exactly met, tight ones first."""
    fit = [g for g in m.guarantees if readable(g, m) and all(any(a.follows_from(s) for s in stated) for a in g.assumes)
           and (measure is None or g.measure is measure) and (at is None or g.at is at)]
    return min(fit, key=lambda g: (g.tightness != "tight", -len(g.assumes)), default=None)


def readable(g: Guarantee, m: Method) -> bool:
    """Whether a guarantee can be read on Points at all."""
    if g.symbolic is False or m.random or m.one_stroke:
        return False
    return (g.symbolic or (m.symbolic and g.measure.symbolic)) and g.relation == "<=" and g.mode in (
        "pointwise", "expectation")


def _solve(m: Method, stated: Sequence[Assumption], steps: int, g: Guarantee | None, measure: Measure | None,
           at: Fold | None, start: Mapping[str, float], params: Mapping[str, Any]) -> WorstCase:
    from PEPit import PEP

    from .sdp import Status, solve_pep, symbolic_guard
    from .symbolic import SymbolicError, SymbolicProblem, initial_point

    if m.random:
        raise SymbolicError(f"{m.name} draws at random: its worst case is over the class and the coins; use verify")
    if m.symbolic is False:
        raise SymbolicError(f"{m.name} branches on values or takes norms, so it cannot be read on symbolic points")
    read = measure or (g.measure if g else suboptimality)
    if not read.symbolic:
        raise SymbolicError(f"the measure {read} cannot be read on symbolic points")
    fold = at or (g.at if g else last)
    pep = PEP()
    s = SymbolicProblem(pep, stated, m.needs)
    constants = {**start, "horizon": steps}
    recipe: dict[str, Any] = {}
    if g is not None:
        recipe = {**g.recipes(Quantities(s, None, constants))[0], **params}
    chosen = {n: _plain(v) for n, v in {**recipe, **params}.items() if n in m.parameters}
    missing = [n for n, default in m.parameters.items() if n not in chosen and default is inspect.Parameter.empty]
    if missing:
        raise AssumptionError(f"{m.name} needs {', '.join(missing)}: no guarantee under these assumptions prescribes it")
    quantities = Quantities(s, None, {**constants, **recipe, **params})
    try:
        with symbolic_guard():
            x0 = initial_point(s)
            produced = fold(iterate(m, s, x0, chosen), quantities)
            points = list(itertools.islice(produced, steps + 1))
            first = _first_state(m, s, x0, chosen, g)
            metrics = [read(s, p) for p in (points[:max(1, steps)] if fold.minimum else points[-1:])]
            bound = _bound(g, quantities, steps, s, points, first) if measure is None or g else float("nan")
            conditions = _conditions(s, x0, g, quantities, first)
    except SymbolicError:
        raise
    except (TypeError, AttributeError, AssertionError, ValueError, ZeroDivisionError) as error:
        if isinstance(error, OptlabError):
            raise
        raise SymbolicError(f"{m.name} cannot be read on symbolic points: {error}") from error
    if len(points) <= steps:
        raise SymbolicError(f"{m.name} ended after {len(points) - 1} steps on symbolic points")
    for condition in conditions:
        pep.set_initial_condition(condition)
    difference = not isinstance(bound, float)
    for metric in metrics:
        pep.set_performance_metric(metric - bound if difference else metric)
    finish = s.__dict__.get("finish")
    if finish is not None:
        finish()
    c = solve_pep(pep)
    value = c.value if c.status.has_value or c.status is Status.UNBOUNDED else float("nan")
    if c.status is Status.UNBOUNDED:
        value = float("inf")
    return WorstCase(value, c.dual_value if c.status.has_value else value, c.exact, c.status.value, steps,
                     read.name + ("" if fold is last else f" [{fold}]") + (" - bound" if difference else ""), m.name,
                     0.0 if difference else bound, chosen, c)


def _plain(value: Any) -> Any:
    """Scalars as plain floats: PEPit multiplies points by nothing else."""
    return float(value) if isinstance(value, (int, float, np.number)) and not isinstance(value, bool) else value


def _first_state(m: Method, s: Any, x0: Any, params: Mapping[str, Any], g: Guarantee | None) -> Any:
    """The first yielded state, which start quantities speak of (only read when a bound names one)."""
    if g is None or not any(q.kind == "start" for q in g.using.values()):
        return None
    return next(iterate(m, s, x0, params))


def _bound(g: Guarantee | None, quantities: Quantities, steps: int, s: Any, points: list[Any], first: Any) -> Any:
    """The theorem's bound: a number, or an Expression when it speaks of the run itself."""
    if g is None:
        return float("nan")
    run: dict[str, Any] = {}
    for name, q in g.using.items():
        if q.kind == "start":
            run[name] = 1.0
        elif q.kind == "now":
            run[name] = q.of(s, points[-1])
        else:
            run[name] = sum((q.of(s, p) for p in points[1:-1]), q.of(s, points[0]))
    value = quantities.call(g.bound, k=float(steps), **run)
    return float(value) if isinstance(value, (int, float, np.number)) else value


def _conditions(s: Any, x0: Any, g: Guarantee | None, quantities: Quantities, first: Any) -> list[Any]:
    """One normalization for every start quantity that the bound (or recipe) names; else ||x0 - x*|| <= R."""
    named = set(names(g.bound)) | set(names(g.recipe)) if g is not None else {"R"}
    speaks_of_run = g is not None and any(q.kind != "start" for q in g.using.values())
    out = []
    if "D0" in named:
        out.append(s.value(x0) - s.f_star <= quantities["D0"])
    if "R" in named or (speaks_of_run and "D0" not in named):
        out.append(s.sq(x0 - s.x_star) <= quantities["R"] ** 2)
    if "G0" in named:
        out.append(s.sq(s.grad(x0)) <= 1.0)
    if g is not None:
        out += [q.of(s, first) <= 1.0 for q in g.using.values() if q.kind == "start"]
    return out


def class_of(g: Guarantee) -> tuple[Assumption, ...]:
    """The guarantee's assumptions at normal constants (``at_constants`` overrides)."""
    values = {**NORMAL, **g.at_constants}
    stated = []
    for a in g.assumes:
        try:
            stated.append(a(**{f.name: values[f.name] for f in fields(a)}))
        except KeyError as error:
            raise MissingQuantity(f"no normal value for the constant {error}") from None
    return tuple(stated)


def check_guarantee(verdict: Verdict, g: Guarantee, m: Method, *, full: bool = False) -> Verdict:
    """Add the worst case over the class at K = 1 and 4; above the bound, where exact, the theorem is *violated*."""
    if not readable(g, m):
        return verdict
    seen: list[WorstCaseSeen] = []
    note = verdict.note
    for steps in (1, 4) if not full else (1, 2, 4, 8):
        if steps < g.first:
            continue
        try:
            w = _solve(m, class_of(g), steps, g, None, None, {"R": 1.0, "D0": 1.0, "G0": 1.0}, {})
        except OptlabError as error:
            return replace(verdict, note="; ".join(n for n in (note, f"no worst case: {error}") if n))
        seen.append(WorstCaseSeen(steps, w.value, w.bound, w.exact, w.status))
    broken = [w for w in seen if w.value > w.bound * (1 + AGREEMENT) + AGREEMENT * (w.bound == 0)]
    certain = [w for w in broken if w.exact]
    if certain and verdict.verdict in ("holds", "vacuous", "inconclusive"):
        w = certain[0]
        return replace(verdict, verdict="violated", worst_case=tuple(seen), note="; ".join(n for n in (
            note, f"the exact worst case at k = {w.steps} is {w.value:.6g}, above the bound {w.bound:.6g}") if n))
    if broken:
        note = "; ".join(n for n in (note, "an upper bound on the worst case exceeds the bound (class not interpolable)") if n)
    return replace(verdict, worst_case=tuple(seen), note=note)
