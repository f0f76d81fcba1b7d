"""worst_case: the exact worst case of a method over a whole function class, from the very generator that runs.

The body is driven on PEPit Points; the semidefinite program goes to Clarabel or SCS directly (``sdp.solve_pep``).
*exact* is claimed only where the class has interpolation conditions and primal and dual agree; otherwise the value is an
upper bound. A program that is not solved has no value: ``nan``, with the status beside it. Sources: Drori & Teboulle 2014;
Taylor, Hendrickx, Glineur 2017; Goujaud et al. 2024 (PEPit).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from optlab.fold import Fold
from optlab.guarantee import Control, Guarantee
from optlab.measures import Measure
from optlab.methods import Method, as_method
from optlab.problems.assumptions import Assumption
from optlab.problems.errors import OptlabError, ProblemError
from optlab.quantities import MissingQuantity

from .reading import UNIT, Reading, WorstCase
from .verdict import Verdict, WorstCaseSeen

# the constants a theorem is checked at over its class: everything 1, condition number 10
NORMAL: dict[str, float] = {"mu": 0.1, "L": 1.0, "G": 1.0, "D": 1.0, "beta": 1.0, "rho": 1.0, "sigma": 1.0,
                            "Lmax": 1.0, "mu_terms": 0.1, "Gmax": 1.0, "sigma_star": 1.0, "B": 1.0}


def worst_case(method: Any, assumptions: Sequence[Assumption] | Assumption, steps: int, *, measure: Measure | None = None,
               at: Fold | None = None, R: float = 1.0, D0: float = 1.0, guarantee: Guarantee | None = None,
               refined: bool | float = False, from_any_state: bool | Mapping[str, Any] | None = None,
               hold: Sequence[str] | None = None, **params: Any) -> WorstCase:
    """Worst value of ``measure`` after ``steps`` steps over the class that ``assumptions`` describe.

    ``assumptions`` are instances, e.g. ``(Smooth(L=1.0), Convex())``. Measure, fold and recipe are those of the method's
    first guarantee of those that name most of these assumptions (or of ``guarantee``); a method without one is read with
    f(x) - f* under ||x0 - x*|| <= R and the given ``params``. R is the distance of what the method is governed by: for
    splittings that of the start from x* + step slope, for agents on a ``MixingMatrix`` that of their common start.
    ``refined`` takes stronger, costlier conditions where a class has no interpolation conditions but two sets of necessary ones
    (monotone operators that are also Lipschitz or cocoercive, at all triples of points; smooth Polyak-Lojasiewicz functions, for
    which a number is the parameter of one set of conditions): a sharper upper bound, few steps only.
    ``from_any_state`` starts the method from a state of which all points are free: true, or a mapping with the numbers in that
    state and its index ``k`` (default: as the guarantee says). ``hold`` names quantities of the run that are held at 1, where
    otherwise a bound that speaks of them is subtracted (default again the guarantee's). For random methods the value is that
    of the expectation over the coins, all of whose outcomes are run; of sums ``Terms(n)`` says how many terms (default: 2).
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
    return Reading(m, stated, int(steps), g, measure, at, {**UNIT, "R": R, "D0": D0}, params, refined=refined,
                   anywhere=from_any_state, hold=hold).solve()


def _fitting(m: Method, stated: Sequence[Assumption], measure: Measure | None, at: Fold | None) -> Guarantee | None:
    """The first readable guarantee of those that name most of what is stated, and nothing else."""
    fit = [g for g in m.guarantees if readable(g, m) and all(any(a.follows_from(s) for s in stated) for a in g.assumes)
           and (measure is None or g.measure is measure) and (at is None or g.at is at)]
    return max(fit, key=lambda g: sum(type(s) in g.assumes for s in stated), default=None)


def readable(g: Guarantee, m: Method) -> bool:
    """Whether a guarantee can be read on Points at all."""
    if g.symbolic is False or m.one_stroke or (m.random and not g.symbolic):  # all outcomes of the coins are run: only where said
        return False
    return (g.symbolic or (m.symbolic and g.measure.symbolic)) and g.relation == "<=" and g.mode in (
        "pointwise", "expectation")


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


def steps_of(g: Guarantee, m: Method, full: bool = False) -> tuple[int, ...]:
    """The numbers of steps at which a theorem is read: from any state one step says it all, and every coin doubles the work."""
    if g.from_any_state:
        return (g.first,)
    if m.random:
        return (1, 2)
    return (1, 2, 4, 8) if full else (1, 4)


def check_guarantee(verdict: Verdict, g: Guarantee, m: Method, *, full: bool = False) -> Verdict:
    """Add the worst case over the class at K = 1 and 4; above the bound, where exact, the theorem is *violated*.

    Of several recipes the first and the last are read, and the one nearest to its bound is kept.
    """
    if not readable(g, m):
        return verdict
    kept: list[WorstCase] = []
    notes = [verdict.note] if verdict.note else []
    for steps in steps_of(g, m, full):
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
    if g.from_any_state or m.random:
        steps = steps_of(g, m)
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
