"""Campaign: from guarantees and cases to runs, each run once for all the guarantees that share its recipe."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from optlab.fold import average, best, last, pairs
from optlab.guarantee import Case, Control, Guarantee
from optlab.methods import Method, as_method
from optlab.problems.errors import AssumptionError, OptlabError
from optlab.problems.pool import pool
from optlab.quantities import MissingQuantity, Quantities
from optlab.rng import Stream
from optlab.running import Reader, StopReason, Trace, as_start, drive, recorded_indices

from . import expectation
from .judge import Judgement, judge, judge_scaling, worst
from .statistics import DEFAULT_REPLICATES
from .verdict import ControlSeen, Verdict

SEED = 20_260_101  # noise seeds are SEED + 0, 1, 2, ...; problem families draw from their own generator (FAMILY_SEED)
FAMILY_SEED = 7
STARTS = 4  # starts of a deterministic check, one batch
POINTS = 24  # indices judged on a sampled run (the failure probability is split over them)
AVERAGED = ("expectation", "order", "scaling")  # modes that speak of the mean over the method's randomness
VACUOUS = 1e-3  # a bound that nothing comes nearer than this proves nothing


@dataclass(frozen=True)
class Budget:
    """How much a verdict may cost."""

    steps: int = 200
    replicates: int = DEFAULT_REPLICATES
    horizons: int = 2  # how many of a guarantee's horizons
    cases: int = 3  # pool problems a guarantee, at most
    failure: float = 1e-6
    asked: bool = False  # whether ``steps`` is the caller's wish, which goes before a theorem's own


QUICK = Budget()
FULL = Budget(steps=1000, replicates=4 * DEFAULT_REPLICATES, horizons=99, cases=99)


@dataclass
class Job:
    """One run: a guarantee's recipe on a case (or a control's sabotage of it)."""

    guarantee: Guarantee
    case: Case
    method: Method
    params: dict[str, Any]
    quantities: Quantities
    x0: Any
    steps: int
    given: Any = None
    note: str = ""
    refused: str = ""
    judgement: Judgement | None = None
    evidence: str = ""
    replicates: int = 1
    seconds: float = 0.0
    trace: Trace | None = field(default=None, repr=False)

    @property
    def sampled(self) -> bool:
        return self.method.random

    @property
    def key(self) -> tuple[Any, ...]:
        """Jobs with the same key are the same run."""
        params = tuple(sorted((n, id(v) if callable(v) or isinstance(v, np.ndarray) else repr(v))
                              for n, v in self.params.items()))
        fold = self.guarantee.at
        weights = () if fold in (last, average, best, pairs) else (id(fold), *(
            (n, repr(self.quantities.given.get(n))) for n in self.guarantee.vary))  # a fold may name varied values
        return (id(self.case.problem), id(self.given), id(self.x0), self.steps, self.replicates, params, weights,
                self.method.name, self.guarantee.mode in AVERAGED)


def cases_of(g: Guarantee, method: Method, budget: Budget, problem: Any = None, x0: Any = None,
             family: Any = None) -> list[Case]:
    """The cases a guarantee is checked on: the user's problem, its own family, or the pool by its assumptions."""
    if problem is not None:
        problem.require(*g.assumes, who=f"{method.name} ({g.source})")
        method.require(problem)
        if g.mode == "scaling":
            raise AssumptionError(f"{method.name} ({g.source}): a scaling law speaks of a grid of cases, not of one problem")
        return [Case(problem, x0, foreign=True)]
    family = family or g.on
    if family is not None:
        made = family(np.random.default_rng(FAMILY_SEED))
        cases = [c if isinstance(c, Case) else Case(c) for c in (made if isinstance(made, Iterable) else [made])]
        return cases if g.mode == "scaling" else cases[: max(budget.cases, 3)]
    return [Case(p) for p in pool(*g.assumes, needs=method.needs)][: budget.cases]


def jobs_of(g: Guarantee, method: Method, case: Case, budget: Budget, overrides: Mapping[str, Any],
            control: Control | None = None) -> list[Job]:
    """Every run that judging ``g`` on ``case`` takes: one a recipe and, where the recipe names it, a horizon."""
    problem = case.problem
    asked = budget.asked and g.mode not in ("order", "scaling") and budget.steps >= g.first  # orders need the length they ask for
    steps = case.steps or (budget.steps if asked else g.steps) or budget.steps
    horizons = [steps] if case.steps or asked else list(g.horizons[: budget.horizons])
    jobs = []
    for horizon in horizons if g.by_horizon else [None]:
        length = horizon or (control.steps if control and control.steps else steps)
        x0, replicates = _start(g, method, case, budget, control)
        base = Quantities(problem, x0, {**case.params, "horizon": length})
        for recipe in g.recipes(base, overrides):
            nominal = base.with_(**recipe)
            params = {**case.params, **recipe, **overrides}
            note = ""
            if overrides:
                moved = Quantities(problem, x0, {**case.params, **recipe, **overrides, "horizon": length})
                inside = g.inside(moved)
                nominal = moved if inside else nominal
                note = "" if inside else "outside the theorem: judged against its nominal bound"
            if control is not None and control.recipe is not None:
                params |= nominal.call(control.recipe)
            actor = method if control is None or control.method is None else as_method(control.method)
            given = control.problem(problem) if control is not None and control.problem is not None else None
            jobs.append(Job(g, case, actor, {n: v for n, v in params.items() if n in actor.parameters}, nominal, x0,
                            int(length), given, note, replicates=replicates))
    return jobs


def _start(g: Guarantee, method: Method, case: Case, budget: Budget, control: Control | None) -> tuple[Any, int]:
    problem = case.problem
    replicates = case.replicates or budget.replicates if method.random else 1
    if control is not None and control.start is not None:
        x0 = control.start(problem)
    elif case.x0 is not None:
        x0 = case.x0
    elif method.random or not method.batched:
        x0 = _start_of(problem, 1)
    else:
        x0 = _start_of(problem, STARTS)
    return as_start(problem, x0), replicates


_STARTS: dict[tuple[int, int], Any] = {}


def _start_of(problem: Any, n: int) -> Any:
    """The default start, or a batch of n: the same object for every guarantee on a problem, so that their runs are shared."""
    if (id(problem), n) not in _STARTS:
        _STARTS[id(problem), n] = (problem, problem.starts(n) if n > 1 else problem.x0)
    return _STARTS[id(problem), n][1]


def execute(jobs: Sequence[Job], budget: Budget) -> None:
    """Run the jobs, each distinct run once, and judge them."""
    groups: dict[Any, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.key, []).append(job)
    for group in groups.values():
        try:
            _run_group(group, budget)
        except (AttributeError, ValueError) as error:
            # a measure that this run cannot offer (a law where there is none), or a problem of the caller's that lacks
            # what the theorem's own cases have; on its own cases a theorem must be readable
            if not isinstance(error, AssumptionError) and not group[0].case.foreign:
                raise
            if len(group) > 1:  # only the guarantee that asks for it is refused
                for job in group:
                    execute([job], budget)
            else:
                group[0].refused = f"{group[0].method.name} ({group[0].guarantee.source}): {error}"


def _run_group(group: list[Job], budget: Budget) -> None:
    clock = time.perf_counter()
    first = group[0]
    wanted: dict[tuple[Any, ...], Reader] = {}
    for job in group:
        g = job.guarantee
        wanted.setdefault(_reading_of(g), replace_name(Reader(g.measure, g.at, g.using), len(wanted)))
    readings: dict[str, tuple[np.ndarray, Any, str]] = {}  # reader -> indices, reading, evidence
    if first.sampled and first.guarantee.mode in AVERAGED:
        readings = _exactly(first, list(wanted.values()))
    left = [r for r in wanted.values() if r.name not in readings]
    trace, replicates = None, 1
    if left:
        needs_all = any(job.guarantee.at.minimum for job in group)
        record = recorded_indices(first.steps) if needs_all or not first.sampled else _grid(group, first.steps)
        x0, rng, evidence = first.x0, None, ""
        if first.sampled:
            replicates = first.replicates
            x0 = as_start(first.case.problem, x0, (replicates,))
            rng = Stream(SEED + np.arange(replicates))
            evidence = f"{replicates} replicates"
        trace = drive(first.method, first.case.problem, x0, first.steps, params=first.params, rng=rng, readers=left,
                      record=record, given=first.given, quantities=first.quantities)
        if trace.stop is StopReason.INTERRUPTED:  # a run cut short decides nothing: the campaign ends
            raise KeyboardInterrupt
        readings |= {r.name: (trace.k, trace.readings[r.name], evidence) for r in left}
    seconds = (time.perf_counter() - clock) / len(group)
    for job in group:
        reader = wanted[_reading_of(job.guarantee)]
        k, reading, job.evidence = readings[reader.name]
        sampled = first.sampled and reader in left
        job.trace, job.replicates, job.seconds = trace, replicates if sampled else 1, seconds
        short = trace is not None and k[-1] < job.steps
        steps = int(k[-1]) if short and job.guarantee.by_horizon and not job.method.one_stroke else job.steps
        job.judgement = judge(job.guarantee, job.quantities, k, reading, failure=budget.failure, sampled=sampled, steps=steps)


def _reading_of(g: Guarantee) -> tuple[Any, ...]:
    """What a guarantee reads off a run: two guarantees with the same are judged on one reading."""
    return (id(g.measure.of), id(g.at), tuple((n, q.kind, id(q.of)) for n, q in g.using.items()))


def _exactly(job: Job, readers: list[Reader]) -> dict[str, tuple[np.ndarray, Any, str]]:
    """The readers whose expectation can be had exactly: all at once, else one by one."""
    for some in [readers] if len(readers) == 1 else [readers, *([r] for r in readers)]:
        exact = expectation.exact(job.method, job.case.problem, job.x0, job.params, job.steps, some, given=job.given,
                                  quantities=job.quantities)
        if exact is not None:
            k, found, evidence = exact
            rest = [r for r in readers if r not in some]
            mine = {r.name: (k, found[r.name], evidence) for r in some}
            return mine | (_exactly(job, rest) if rest else {})
    return {}


def replace_name(reader: Reader, i: int) -> Reader:
    """Readers of one run have distinct names, whatever their measures are called."""
    return replace(reader, measure=replace(reader.measure, name=f"{reader.measure.name}#{i}"))


def _grid(group: Sequence[Job], steps: int) -> np.ndarray:
    """The recorded indices of a sampled run: log-spaced, on every stride and first index that occurs."""
    grid = np.unique(np.round(np.geomspace(1, max(1, steps), POINTS)).astype(int))
    if any(job.guarantee.mode == "order" for job in group):
        grid = np.unique(np.round(np.geomspace(1, max(1, steps), 8 * POINTS)).astype(int))
    strided = {job.guarantee.first + int(i) * job.guarantee.stride for job in group if job.guarantee.stride > 1
               for i in np.unique(np.linspace(0, (steps - job.guarantee.first) // job.guarantee.stride, POINTS).astype(int))}
    return np.array(sorted({0, steps, *grid.tolist(), *strided}))


def verdict_of(g: Guarantee, method: Method, case: Case, jobs: Sequence[Job]) -> Verdict:
    """The verdict on one case: the worst of its runs."""
    items = [_as_verdict(g, method, case, job) for job in jobs]
    chosen = worst(items)
    best_ratio = max((v for v in items if np.isfinite(v.ratio)), key=lambda v: v.ratio, default=chosen)
    if chosen.verdict == "holds" and best_ratio is not chosen:
        chosen = replace(best_ratio, verdict="holds")
    chosen.seconds = sum(job.seconds for job in jobs)
    return chosen


def _as_verdict(g: Guarantee, method: Method, case: Case, job: Job) -> Verdict:
    j = job.judgement
    assert j is not None
    note = "; ".join(n for n in (job.note, j.note) if n)
    return Verdict(
        j.verdict, method.name, g.title, str(g.source), str(case), g.mode, j.ratio, j.at, job.replicates,
        job.seconds, job.evidence, note, g.id, {"k": j.k, "measured": j.measured, "bound": j.bound},
        tightness=g.tightness, symbol=g.measure.symbol, trace=job.trace,
    )


def judge_cases(method: Method, wanted: Sequence[tuple[Guarantee, Case]], budget: Budget,
                overrides: Mapping[str, Any]) -> dict[tuple[int, int], Verdict]:
    """Guarantees on cases, equal runs shared; a missing assumption or constant is *refused*, in words."""
    out: dict[tuple[int, int], Verdict] = {}
    planned: list[tuple[Guarantee, Case, list[Job]]] = []
    for g, case in wanted:
        try:
            planned.append((g, case, jobs_of(g, method, case, budget, overrides)))
        except (MissingQuantity, AssumptionError) as error:
            out[id(g), id(case)] = refused(g, method, case, str(error))
    execute([job for _, _, jobs in planned for job in jobs], budget)
    for law in {id(g): g for g, _, _ in planned if g.mode == "scaling"}.values():
        across(law, [job for g, _, jobs in planned if g is law for job in jobs])
    for g, case, jobs in planned:
        why = next((job.refused for job in jobs if job.refused), "")
        verdict = refused(g, method, case, why) if why else verdict_of(g, method, case, jobs)
        if g.drift is not None and not overrides and verdict.verdict in ("holds", "inconclusive"):
            verdict = expectation.with_drift(verdict, g, method, jobs[0])
        out[id(g), id(case)] = verdict
    return out


def refused(g: Guarantee, method: Method, case: Case, why: str) -> Verdict:
    return Verdict("refused", method.name, g.title, str(g.source), str(case), g.mode, note=why, id=g.id,
                   tightness=g.tightness, symbol=g.measure.symbol)


def across(g: Guarantee, jobs: Sequence[Job]) -> None:
    """A scaling law is judged on all its cases together: every job gets the joint judgement."""
    ready = [job for job in jobs if job.judgement is not None]
    if ready:
        joint = judge_scaling(g, [float(np.max(job.quantities[g.over])) for job in ready],
                              [job.judgement for job in ready if job.judgement is not None])
        for job in ready:
            job.judgement = joint


def see_control(g: Guarantee, method: Method, control: Control, cases: Sequence[Case], budget: Budget) -> ControlSeen:
    """Run a sabotage until it is caught; a violation counts only when it was seen in finite numbers."""
    tried: list[Verdict] = []
    own = cases_of(g, method, budget, family=control.on) if control.on is not None else list(cases)
    for group in [own] if g.mode == "scaling" else [[case] for case in own]:
        case = group[0]
        try:
            if control.expect == "refused":
                sabotaged = control.problem(case.problem) if control.problem is not None else case.problem
                sabotaged.require(*g.assumes, who=method.name)
                method.require(sabotaged)
            jobs = [job for c in group for job in jobs_of(g, method, c, budget, {}, control)]
            execute(jobs, budget)
            if any(job.refused for job in jobs):
                raise AssumptionError(next(job.refused for job in jobs if job.refused))
        except OptlabError as error:
            return ControlSeen(control.why, control.expect == "refused", "refused", f"{case}: {error}")
        if g.mode == "scaling":
            across(g, jobs)
        caught = [job for job in jobs if job.judgement and job.judgement.verdict == "violated" and job.judgement.finite]
        if caught:
            verdict = _as_verdict(g, method, case, caught[0])
            return ControlSeen(control.why, control.expect == "violated", "violated", str(case), verdict.ratio, verdict.at)
        tried.append(verdict_of(g, method, case, jobs))
    if not tried:
        return ControlSeen(control.why, False, "vacuous", "no case")
    out = worst(tried)
    return ControlSeen(control.why, False, out.verdict, out.problem, out.ratio, out.at)
