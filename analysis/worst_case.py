"""worst_case: the exact worst case of a method over a whole function class, from the very generator that runs.

The body is driven on PEPit Points; the semidefinite program goes to Clarabel or SCS directly (``sdp.solve_pep``).
*exact* is claimed only where the class has interpolation conditions and primal and dual agree; otherwise the value is an
upper bound. A program that is not solved has no value: ``nan``, with the status beside it. Sources: Drori & Teboulle 2014;
Taylor, Hendrickx, Glineur 2017; Goujaud et al. 2024 (PEPit).
"""

from __future__ import annotations

import inspect
import itertools
import linecache
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

import numpy as np

from optlab.fold import Fold, last
from optlab.guarantee import Control, Guarantee
from optlab.measures import Measure, suboptimality
from optlab.methods import Method, as_method
from optlab.problems.assumptions import Assumption
from optlab.problems.errors import AssumptionError, OptlabError, ProblemError
from optlab.quantities import MissingQuantity, Quantities, names
from optlab.running import iterate

from .verdict import Verdict, WorstCaseSeen

# the constants a theorem is checked at over its class: everything 1, condition number 10
NORMAL: dict[str, float] = {"mu": 0.1, "L": 1.0, "G": 1.0, "D": 1.0, "beta": 1.0, "rho": 1.0, "sigma": 1.0}
UNIT: dict[str, float] = {"R": 1.0, "D0": 1.0, "G0": 1.0}
AGREEMENT = 1e-5  # relative accuracy to which two SDP values are told apart (primal-dual gaps stay below 1e-6)
LARGEST = 150  # order of the Gram matrix beyond which the solvers take many minutes


@dataclass(frozen=True)
class WorstCase:
    """``value`` (attained by an instance), ``dual`` (proved by multipliers), ``exact`` (both agree, class interpolable).

    ``status`` is "solved", "unbounded" (the value is infinite), or says why there is no value (``nan``): a number is never
    shown for a program that was not solved. ``bound`` is the theorem's value at the same constants, where a guarantee was
    read; ``certificate`` holds Gram matrix, points, function values and multipliers of the program.
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
    reading: Any = field(default=None, repr=False)

    @property
    def ratio(self) -> float:
        """Worst case over bound: 1 for a tight theorem, above 1 for a wrong one."""
        return self.value / self.bound if self.bound else float("nan")

    @property
    def above(self) -> bool:
        """Whether the value exceeds the theorem's bound by more than the accuracy of the solver."""
        return self.value > self.bound * (1 + AGREEMENT) + AGREEMENT * (self.bound == 0)

    def instance(self) -> tuple[Any, Any]:
        """The worst instance ``(problem, x0)``, on which ``run(method, problem, x0, steps)`` meets the value.

        For one smooth (strongly) convex function; SymbolicError otherwise.
        """
        from .instance import interpolated
        from .sdp import solve_pep

        declared = self.reading.declare()  # again: PEPit keeps one program at a time
        return interpolated(declared.problem, declared.x0, solve_pep(declared.pep),
                            f"worst instance of {self.method} at k = {self.steps}")

    def proof(self, *, short: bool = True) -> Any:
        """The multipliers as a table (``Proof``), with as few inequalities as the value needs where ``short``.

        Raises ``ValueError`` where there is no value.
        """
        from .proof import name_points, proof_of

        declared = self.reading.declare()  # again: PEPit keeps one program at a time
        name_points(declared.problem, declared.iterates)
        return proof_of(f"{self.measure} of {self.method} after {self.steps} steps", declared.pep, short=short)

    def __str__(self) -> str:
        what = f"{self.method}, {self.steps} steps, {self.measure}"
        if math.isnan(self.value):
            return f"{what}: no worst case, the program ended {self.status}"
        if math.isinf(self.value):
            return f"{what}: the worst case over the class is unbounded"
        kind = "exact worst case" if self.exact else "upper bound on the worst case"
        against = f"; the theorem says {self.bound:.6g} (ratio {self.ratio:.4f})" if np.isfinite(self.bound) else ""
        return f"{what}: {kind} {self.value:.8g} (dual {self.dual:.8g}){against}"


def worst_case(method: Any, assumptions: Sequence[Assumption] | Assumption, steps: int, *, measure: Measure | None = None,
               at: Fold | None = None, R: float = 1.0, D0: float = 1.0, guarantee: Guarantee | None = None,
               **params: Any) -> WorstCase:
    """Worst value of ``measure`` after ``steps`` steps over the class that ``assumptions`` describe.

    ``assumptions`` are instances, e.g. ``(Smooth(L=1.0), Convex())``. Measure, fold and recipe are those of the method's
    first guarantee under these assumptions (or of ``guarantee``); a method without one is read with f(x) - f* under
    ||x0 - x*|| <= R and the given ``params``. R is the distance of what the method is governed by: for splittings of a
    ``ConvexPair`` that of the start from x* + step slope, for agents on a ``MixingMatrix`` that of their common start.
    Raises ``SymbolicError`` for a method that branches on values or takes norms, AssumptionError where no guarantee fits and
    parameters are missing. A program that the solvers do not finish has value ``nan`` and says so in ``status``.
    """
    m = as_method(method)
    stated = (assumptions,) if isinstance(assumptions, Assumption) else tuple(assumptions)
    if not stated or not all(isinstance(a, Assumption) for a in stated):
        raise ProblemError(f"assumptions must be instances such as (Smooth(L=1.0), Convex()), got {assumptions!r}")
    if not isinstance(steps, (int, np.integer)) or isinstance(steps, bool) or steps < 0:
        raise ProblemError(f"steps must be a nonnegative integer, got {steps!r}")
    unknown = [n for n in params if n not in m.parameters]
    if unknown:
        raise ProblemError(f"{m.name} has no parameter {unknown[0]!r}; it takes {', '.join(m.parameters) or 'none'}")
    g = guarantee or _fitting(m, stated, measure, at)
    return Reading(m, stated, int(steps), g, measure, at, {**UNIT, "R": R, "D0": D0}, params).solve()


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


class Declared(NamedTuple):
    """A program ready to be solved: what was declared, and the theorem's bound beside it."""

    pep: Any
    problem: Any
    x0: Any
    measure: str
    bound: float
    params: Mapping[str, Any]
    iterates: list[Any]


@dataclass(frozen=True)
class Reading:
    """One question to the solver: a method, a class, a number of steps, a measure, and the theorem whose recipe is taken.

    ``which`` is the recipe's index among those of ``vary``; ``control`` gives the method other parameters (or replaces it),
    while measure and bound keep the theorem's.
    """

    method: Method
    stated: Sequence[Assumption]
    steps: int
    guarantee: Guarantee | None = None
    measure: Measure | None = None
    at: Fold | None = None
    start: Mapping[str, float] = field(default_factory=lambda: UNIT)
    params: Mapping[str, Any] = field(default_factory=dict)
    which: int = 0
    control: Control | None = None

    def solve(self) -> WorstCase:
        from .certificate import Status
        from .sdp import solve_pep

        d = self.declare()
        certificate = solve_pep(d.pep)
        value = dual = float("nan")
        if certificate.status is Status.SOLVED:
            value, dual = certificate.value, certificate.dual_value
        elif certificate.status is Status.UNBOUNDED:
            value = dual = float("inf")
        return WorstCase(value, dual, certificate.exact and d.problem.interpolable, certificate.status.value, self.steps,
                         d.measure, self.method.name, d.bound, d.params, certificate, self)

    def declare(self) -> Declared:
        """Drive the body on symbolic points and state conditions and metric."""
        from PEPit import PEP, Point

        from .symbolic import SymbolicError, SymbolicProblem, symbolic_guard

        g, m, steps = self.guarantee, self.method, self.steps
        if self.control is not None and self.control.method is not None:
            m = as_method(self.control.method)
        if m.random:
            raise SymbolicError(f"{m.name} draws at random: its worst case is over the class and the coins; use verify")
        if m.one_stroke:
            raise SymbolicError(f"{m.name} is a rule of one stroke, not a generator of iterates")
        if m.symbolic is False:
            raise SymbolicError(f"{m.name} branches on values or takes norms, so it cannot be read on symbolic points")
        read = self.measure or (g.measure if g else suboptimality)
        if not read.symbolic:
            raise SymbolicError(f"the measure {read} cannot be read on symbolic points")
        fold = self.at or (g.at if g else last)
        pep = PEP()
        s = SymbolicProblem(pep, self.stated, (*self.method.needs, *m.needs))
        given, chosen = self._parameters(s, m)
        quantities = Quantities(s, None, given)
        with symbolic_guard():
            try:
                x0 = s.start()
                produced = fold(iterate(m, s, x0, chosen), quantities)
                points = []
                for state in itertools.islice(produced, steps + 1):
                    points.append(state)
                    s.calls = 0
                    if Point.counter > LARGEST:
                        raise SymbolicError(f"{steps} steps need a Gram matrix of order above {LARGEST}; take fewer")
            except SymbolicError as error:
                raise SymbolicError(f"{m.name} cannot be read on symbolic points: {error}") from error
            except Exception as error:
                raise SymbolicError(f"{m.name} cannot be read on symbolic points: {_culprit(m, error)}") from error
            if len(points) <= steps:
                raise SymbolicError(f"{m.name} ended after {len(points) - 1} steps on symbolic points")
            try:
                metrics = [read(s, p) for p in (points[:max(1, steps)] if fold.minimum else points[-1:])]
                first = None
                if g is not None and any(q.kind == "start" for q in g.using.values()):
                    first = next(iter(fold(iterate(m, s, x0, chosen), quantities)))
                bound = self._bound(quantities, s, points)
                conditions = self._conditions(s, x0, quantities, chosen, first)
            except (TypeError, AttributeError, AssertionError, ZeroDivisionError) as error:
                raise SymbolicError(f"the theorem {g or read} cannot be read on symbolic points: {error}") from error
        difference = not isinstance(bound, float)
        for condition in conditions:
            pep.set_initial_condition(condition)
        for metric in metrics:
            pep.set_performance_metric(metric - bound if difference else metric)
        s.finish()
        what = read.name + ("" if fold is last else f" [{fold}]") + (" - bound" if difference else "")
        return Declared(pep, s, x0, what, 0.0 if difference else bound, chosen, points)

    def _parameters(self, s: Any, m: Method) -> tuple[dict[str, Any], dict[str, Any]]:
        """What bounds may name, and what the method is given: the recipe, the caller's parameters, the control's."""
        given: dict[str, Any] = {**self.start, "horizon": self.steps}
        recipe: dict[str, Any] = {}
        if self.guarantee is not None:
            recipe = self.guarantee.recipes(Quantities(s, None, given))[self.which]
        given |= {**recipe, **self.params}
        sabotage: Mapping[str, Any] = {}
        if self.control is not None and self.control.recipe is not None:
            sabotage = Quantities(s, None, given).call(self.control.recipe)
        chosen = {n: _plain(v) for n, v in {**recipe, **self.params, **sabotage}.items() if n in m.parameters}
        missing = [n for n, default in m.parameters.items() if n not in chosen and default is inspect.Parameter.empty]
        if missing:
            raise AssumptionError(f"{m.name} needs {', '.join(missing)}: no guarantee under these assumptions prescribes it")
        return given, chosen

    def _bound(self, quantities: Quantities, s: Any, points: list[Any]) -> Any:
        """The theorem's bound: a number, or an Expression when it speaks of the run itself."""
        g = self.guarantee
        if g is None or (self.measure is not None and self.measure is not g.measure):
            return float("nan")
        run: dict[str, Any] = {}
        for name, q in g.using.items():
            if q.kind == "start":
                run[name] = 1.0
            elif q.kind == "now":
                run[name] = q.of(s, points[-1])
            else:
                run[name] = sum((q.of(s, p) for p in points[1:-1]), q.of(s, points[0]))
        value = quantities.call(g.bound, k=float(self.steps), **run)
        return float(value) if isinstance(value, (int, float, np.number)) else value

    def _conditions(self, s: Any, x0: Any, quantities: Quantities, params: Mapping[str, Any], first: Any) -> list[Any]:
        """One normalization for every start quantity that the bound (or recipe) names; else ||x0 - x*|| <= R."""
        g = self.guarantee
        named = set(names(g.bound)) | set(names(g.recipe)) if g is not None else {"R"}
        speaks_of_run = g is not None and any(q.kind != "start" for q in g.using.values())
        out = []
        if "D0" in named:
            out.append(s.value(x0) - s.f_star <= quantities["D0"])
        if "R" in named or (speaks_of_run and "D0" not in named):
            out.append(s.sq_radius(x0, params) <= quantities["R"] ** 2)
        if "G0" in named:
            out.append(s.sq(s.grad(x0)) <= quantities["G0"] ** 2)
        if g is not None:
            out += [q.of(s, first) <= 1.0 for q in g.using.values() if q.kind == "start"]
        return out


def _plain(value: Any) -> Any:
    """Scalars as plain numbers: PEPit multiplies points by nothing else."""
    return value.item() if isinstance(value, np.generic) else value


def _culprit(m: Method, error: Exception) -> str:
    """The line of the body at which it left what symbolic points can do, and why."""
    code, line = inspect.unwrap(m.body).__code__, ""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code is code:
            line = linecache.getline(code.co_filename, trace.tb_lineno).strip()
        trace = trace.tb_next
    text = str(error).rstrip(".") or "only affine combinations and oracle calls can"
    return f"`{line}`: {text}" if line else text


def class_of(g: Guarantee) -> tuple[Assumption, ...]:
    """The guarantee's assumptions at normal constants (``at_constants`` overrides)."""
    values = {**NORMAL, **g.at_constants}
    stated = []
    for a in g.assumes:
        try:
            stated.append(a(**{f.name: values[f.name] for f in fields(a) if f.init}))
        except KeyError as error:
            raise MissingQuantity(f"no normal value for the constant {error}") from None
    return tuple(stated)


def _recipes(g: Guarantee) -> tuple[int, ...]:
    """The first and the last of the recipes that ``vary`` lists."""
    count = math.prod(len(tuple(values)) for values in g.vary.values())
    return (0, count - 1) if count > 1 else (0,)


def check_guarantee(verdict: Verdict, g: Guarantee, m: Method, *, full: bool = False) -> Verdict:
    """Add the worst case over the class at K = 1 and 4; above the bound, where exact, the theorem is *violated*.

    Of several recipes the first and the last are read, and the one nearest to its bound is kept.
    """
    if not readable(g, m):
        return verdict
    kept: list[WorstCase] = []
    notes = [verdict.note] if verdict.note else []
    for steps in (1, 4) if not full else (1, 2, 4, 8):
        if steps < g.first:
            continue
        try:
            every = [Reading(m, class_of(g), steps, g, which=i).solve() for i in _recipes(g)]
        except OptlabError as error:
            return replace(verdict, note="; ".join([*notes, f"no worst case: {error}"]))
        for status in dict.fromkeys(w.status for w in every if w.status != "solved"):
            notes.append(f"the worst case over the class at k = {steps} is unbounded" if status == "unbounded" else
                         f"the solver reached no certificate at k = {steps} ({status})")
        kept.append(max(every, key=_nearness))
    seen = tuple(WorstCaseSeen(w.steps, w.value, w.bound, w.exact, w.status) for w in kept)
    broken = [w for w in kept if w.above and math.isfinite(w.value)]
    certain = [w for w in broken if w.exact]
    if certain and verdict.verdict in ("holds", "vacuous", "inconclusive"):
        w = certain[0]
        notes.append(f"the exact worst case at k = {w.steps} is {w.value:.6g}, above the bound {w.bound:.6g}")
        return replace(verdict, verdict="violated", worst_case=seen, note="; ".join(notes))
    if broken:
        notes.append("an upper bound on the worst case exceeds the bound (class not interpolable)")
    return replace(verdict, worst_case=seen, note="; ".join(notes))


def _nearness(w: WorstCase) -> float:
    if math.isnan(w.value):
        return -math.inf
    return w.value / w.bound if w.bound > 0 else w.value


def control_worst_case(g: Guarantee, m: Method, control: Control, steps: Sequence[int] = (1, 2, 4)) -> list[WorstCase]:
    """The sabotaged method's worst cases over the theorem's class, up to the first one that is above the theorem's bound.

    Only for controls that change parameters or method: a changed problem or start is not a changed class. An empty list
    says that this control is not of that kind.
    """
    mutant = control.recipe is not None or control.method is not None
    if not mutant or control.problem is not None or control.start is not None or not readable(g, m):
        return []
    out: list[WorstCase] = []
    for k in steps:
        if k < g.first:
            continue
        out.append(Reading(m, class_of(g), k, g, control=control).solve())
        if out[-1].above:
            break
    return out
