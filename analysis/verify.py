"""verify: confront methods, problems and theorems."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from optlab.guarantee import Guarantee
from optlab.methods import Method, as_method
from optlab.problems.errors import AssumptionError, ProblemError

from .campaign import FULL, QUICK, VACUOUS, Budget, cases_of, judge_case, refused, see_control
from .judge import worst
from .verdict import Verdict, Verdicts


def verify(method: Any = None, problem: Any = None, *, x0: Any = None, steps: int | None = None,
           replicates: int | None = None, full: bool = False, controls: bool | None = None,
           worst_case: bool | None = None, failure: float = 1e-6, progress: bool = False, **overrides: Any) -> Verdicts:
    """Check theorems against runs: a sequence of ``Verdict``.

    Parameters
    ----------
    method: a method, a generator function with guarantees, or None for every method of optlab.
    problem: check on this problem only; guarantees whose assumptions it does not meet are left out (when it meets none,
        each comes back *refused*, naming the missing one). None: each guarantee's own family or the pool.
    overrides: parameters of the method in place of the recipe's. Inside the theorem's range the bound moves along;
        outside it the run is judged against the nominal bound, so ``verify(gradient_descent, p, step=2.2 / p.L)`` is
        *violated*.
    full: more steps, horizons, cases and replicates. ``controls``, ``worst_case``: run the negative controls and the
        exact worst cases too (default: when no problem is given). ``failure``: error rate of a statistical verdict.
    """
    budget = replace(FULL if full else QUICK, failure=failure)
    if steps is not None:
        budget = replace(budget, steps=_positive(steps, "steps"))
    if replicates is not None:
        budget = replace(budget, replicates=_positive(replicates, "replicates"))
    if method is None:
        from .registry import select

        methods = select([])
    else:
        methods = [as_method(method)]
        if not methods[0].guarantees:
            raise ProblemError(f"{methods[0].name} carries no guarantee to verify; attach one with .proves(Guarantee(...))")
    for name in overrides:
        if not any(name in m.parameters for m in methods):
            raise ProblemError(f"{methods[0].name} has no parameter {name!r}; it takes "
                               f"{', '.join(methods[0].parameters) or 'none'}")
    extras = problem is None and not overrides
    return campaign(methods, budget, problem=problem, x0=x0, overrides=overrides,
                    controls=extras if controls is None else controls,
                    worst_case=extras if worst_case is None else worst_case, full=full, progress=progress)


def _positive(value: Any, name: str) -> int:
    if not isinstance(value, (int, np.integer)) or value < 1:
        raise ProblemError(f"{name} must be a positive integer, got {value!r}")
    return int(value)


def campaign(methods: Sequence[Method], budget: Budget, *, problem: Any = None, x0: Any = None,
             overrides: dict[str, Any] | None = None, controls: bool = True, worst_case: bool = True, full: bool = False,
             progress: bool = False, on_verdict: Callable[[Verdict], None] | None = None) -> Verdicts:
    """Every guarantee of every method; Ctrl-C keeps what is finished. ``on_verdict`` sees each verdict as it is reached."""
    todo = [(m, g) for m in methods for g in m.guarantees]
    done: list[Verdict] = []
    left_out: list[Verdict] = []
    from .progress import bar

    with bar("verify", len(todo), progress) as tick:
        try:
            for m, g in todo:
                tick(f"{m.name} {g.source.row}.{g.source.item}")
                verdict = examine(g, m, budget, problem=problem, x0=x0, overrides=overrides or {}, controls=controls,
                                  worst_case=worst_case, full=full)
                (left_out if verdict.verdict == "refused" else done).append(verdict)
                if on_verdict is not None and verdict.verdict != "refused":
                    on_verdict(verdict)
        except KeyboardInterrupt:
            return Verdicts(done, interrupted=True)
    return Verdicts(done or left_out)


def examine(g: Guarantee, m: Method, budget: Budget, *, problem: Any = None, x0: Any = None,
            overrides: dict[str, Any] | None = None, controls: bool = True, worst_case: bool = True,
            full: bool = False) -> Verdict:
    """One guarantee: the worst verdict over its cases, its controls, its worst case over the class."""
    clock = time.perf_counter()
    try:
        cases = cases_of(g, m, budget, problem, x0)
    except AssumptionError as error:
        from optlab.guarantee import Case

        return refused(g, m, Case(problem), str(error))
    if not cases:
        return replace(refused(g, m, _nowhere(g), "no problem of the pool meets its assumptions"), verdict="vacuous")
    seen = [judge_case(g, m, case, budget, overrides or {}) for case in cases]
    verdict = replace(worst(seen), cases=tuple(seen) if len(seen) > 1 else ())
    tightest = max((v for v in seen if np.isfinite(v.ratio)), key=lambda v: v.ratio, default=verdict)
    if verdict.verdict == "holds":
        verdict = replace(tightest, verdict="holds", cases=verdict.cases)
        if g.relation != "==" and tightest.ratio < VACUOUS and g.mode != "order":
            verdict = replace(verdict, verdict="vacuous", note=f"nothing came nearer than {tightest.ratio:.1e} of the bound")
    if worst_case and m.symbolic and not overrides:
        from .worst_case import check_guarantee

        verdict = check_guarantee(verdict, g, m, full=full)
    if controls:
        verdict = replace(verdict, controls=tuple(see_control(g, m, c, cases, budget) for c in g.controls))
    from .record import sources_of

    return replace(verdict, seconds=time.perf_counter() - clock, sources=sources_of(m, [c.problem for c in cases]))


def _nowhere(g: Guarantee) -> Any:
    from optlab.guarantee import Case

    return Case(None, label="no problem meeting " + ", ".join(a.__name__ for a in g.assumes))
