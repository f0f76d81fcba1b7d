"""verify: confront methods, problems and theorems."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from optlab.guarantee import Case, Guarantee
from optlab.methods import Method, as_method
from optlab.problems.errors import AssumptionError, ProblemError

from .campaign import FULL, QUICK, VACUOUS, Budget, cases_of, judge_cases, refused, see_control
from .judge import worst
from .verdict import Verdict, Verdicts


def verify(method: Any = None, problem: Any = None, *, x0: Any = None, steps: int | None = None,
           replicates: int | None = None, full: bool = False, controls: bool | None = None,
           worst_case: bool | None = None, failure: float = 1e-6, only: str | None = None, progress: bool = False,
           **overrides: Any) -> Verdicts:
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
    only: the guarantees to check, by number ("165.1") or by part of a source or measure ("Drori-Teboulle", "||grad").
    steps: how long to run, in place of 200 and of what a guarantee asks for (orders, scaling laws and cases that are made
        for a length keep theirs).
    """
    if not isinstance(failure, (int, float)) or not 0 < failure < 1:
        raise ProblemError(f"failure must be a probability in (0, 1), got {failure!r}")
    if problem is not None and not hasattr(problem, "require"):
        raise ProblemError(f"problem must be a Problem of optlab.problems (or a subclass), got {problem!r}")
    budget = replace(FULL if full else QUICK, failure=failure)
    if steps is not None:
        budget = replace(budget, steps=_positive(steps, "steps"), asked=True)
    if replicates is not None:
        budget = replace(budget, replicates=_positive(replicates, "replicates"))
    if method is None:
        from .registry import select

        methods = select([])
    else:
        methods = [as_method(method)]
        if not methods[0].guarantees:
            raise ProblemError(f"{methods[0].name} carries no guarantee to verify; attach one with .proves(Guarantee(...))")
    if only is not None:
        methods = _only(methods, only)
    for name in overrides:
        if not any(name in m.parameters for m in methods):
            raise ProblemError(f"{methods[0].name} has no parameter {name!r}; it takes "
                               f"{', '.join(methods[0].parameters) or 'none'}")
    extras = problem is None and not overrides
    return campaign(methods, budget, problem=problem, x0=x0, overrides=overrides,
                    controls=extras if controls is None else controls,
                    worst_case=extras if worst_case is None else worst_case, full=full, progress=progress)


def _only(methods: Sequence[Method], text: str) -> list[Method]:
    """The methods with those of their guarantees that the text names."""
    chosen = [m.with_only(m.theorems(text)) for m in methods if m.theorems(text)]
    if not chosen:
        known = ", ".join(g.id for g in methods[0].guarantees) if len(methods) == 1 else "see `optlab list`"
        raise ProblemError(f"only={text!r} names no guarantee: {known}")
    return chosen


def _positive(value: Any, name: str) -> int:
    if not isinstance(value, (int, np.integer)) or value < 1:
        raise ProblemError(f"{name} must be a positive integer, got {value!r}")
    return int(value)


def campaign(methods: Sequence[Method], budget: Budget, *, workers: int = 1, progress: bool = False,
             on_verdict: Callable[[Verdict], None] | None = None, **options: Any) -> Verdicts:
    """Every guarantee of every method (``options`` as for ``examine``); Ctrl-C keeps what is finished.

    ``workers`` processes share the methods out (optlab's own methods only: a worker finds them by name).
    ``on_verdict`` sees each verdict as it is reached.
    """
    from optlab.progress import bar

    found: dict[str, list[Verdict]] = {}
    interrupted = False
    source = _shared_out if workers > 1 and len(methods) > 1 else _one_by_one
    with bar("verify", sum(len(m.guarantees) for m in methods), progress) as tick:
        try:
            for name, verdicts in source(methods, budget, workers, options):
                tick(name, len(verdicts))
                found[name] = verdicts
                for v in verdicts:
                    if on_verdict is not None and v.verdict != "refused":
                        on_verdict(v)
        except KeyboardInterrupt:
            interrupted = True
    every = [v for m in methods for v in found.get(m.name, [])]
    return Verdicts([v for v in every if v.verdict != "refused"] or every, interrupted)


def _one_by_one(methods: Sequence[Method], budget: Budget, workers: int,
                options: dict[str, Any]) -> Iterator[tuple[str, list[Verdict]]]:
    for m in methods:
        done: list[Verdict] = []
        try:
            for verdict in examine_method(m, m.guarantees, budget, **options):
                done.append(verdict)
        except KeyboardInterrupt:
            yield m.name, done
            raise
        yield m.name, done


def _shared_out(methods: Sequence[Method], budget: Budget, workers: int,
                options: dict[str, Any]) -> Iterator[tuple[str, list[Verdict]]]:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed

    context = multiprocessing.get_context("spawn")
    heavy_first = sorted(methods, key=lambda m: -len(m.guarantees) * (3 if m.random else 1))
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_worker) as pool:
        try:
            futures = {pool.submit(_examine_by_name, m.name, budget, options): m.name for m in heavy_first}
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            for process in pool._processes.values():  # they ignore Ctrl-C, and their half verdicts are worth nothing
                process.terminate()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _worker() -> None:
    """A worker leaves Ctrl-C to its parent and the cores to its siblings."""
    import signal

    from threadpoolctl import threadpool_limits

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(limits=1, user_api="blas")


def _examine_by_name(name: str, budget: Budget, options: dict[str, Any]) -> list[Verdict]:
    from .registry import all_methods

    m = all_methods()[name]
    return [replace(v, trace=None, cases=tuple(replace(c, trace=None) for c in v.cases))
            for v in examine_method(m, m.guarantees, budget, **options)]


def examine(g: Guarantee, m: Method, budget: Budget, **options: Any) -> Verdict:
    """One guarantee (``options`` as for ``examine_method``)."""
    return next(iter(examine_method(m, [g], budget, **options)))


def examine_method(m: Method, guarantees: Sequence[Guarantee], budget: Budget, *, problem: Any = None, x0: Any = None,
                   overrides: dict[str, Any] | None = None, controls: bool = True, worst_case: bool = True,
                   full: bool = False) -> Iterator[Verdict]:
    """Guarantees of one method: worst verdict over the cases, worst case over the class, controls. Equal runs are shared."""
    where: list[list[Case] | Verdict] = []
    for g in guarantees:
        try:
            cases = cases_of(g, m, budget, problem, x0)
            where.append(cases or replace(refused(g, m, _nowhere(g), "no problem of the pool meets its assumptions"),
                                          verdict="vacuous"))
        except AssumptionError as error:
            where.append(refused(g, m, Case(problem), str(error)))
    clock = time.perf_counter()
    wanted = [(g, case) for g, found in zip(guarantees, where, strict=True) if isinstance(found, list) for case in found]
    seen = judge_cases(m, wanted, budget, overrides or {})
    shared = (time.perf_counter() - clock) / max(1, len(wanted))
    for g, found in zip(guarantees, where, strict=True):
        if isinstance(found, Verdict):
            yield found
            continue
        cases = found
        clock = time.perf_counter()
        verdict = _over_cases([seen[id(g), id(case)] for case in cases])
        if worst_case and m.symbolic and not overrides:
            from .worst_case import check_guarantee

            verdict = check_guarantee(verdict, g, m, full=full)
        constants = g.relation != "==" and g.mode not in ("order", "scaling")
        if verdict.verdict == "holds" and constants and verdict.tightest < VACUOUS:
            verdict = replace(verdict, verdict="vacuous",
                              note=f"nothing came nearer than {verdict.tightest:.1e} of the bound")
        if controls:
            verdict = replace(verdict, controls=tuple(see_control(g, m, c, cases, budget) for c in g.controls))
        from .record import sources_of

        yield replace(verdict, seconds=shared * len(cases) + time.perf_counter() - clock,
                      sources=sources_of(m, [c.problem for c in cases]))


def _over_cases(seen: list[Verdict]) -> Verdict:
    """The verdict that decides; where all hold, the one that came nearest to the bound."""
    verdict = worst(seen)
    if verdict.verdict == "holds":
        verdict = max((v for v in seen if v.verdict == "holds" and np.isfinite(v.ratio)), key=lambda v: v.ratio, default=verdict)
    return replace(verdict, cases=tuple(seen) if len(seen) > 1 else ())


def _nowhere(g: Guarantee) -> Any:
    return Case(None, label="no problem meeting " + ", ".join(a.__name__ for a in g.assumes))
