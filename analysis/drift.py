"""Drift: E[measure(next) | state] <= drift(measure(state)) at visited states, the draws of one step enumerated."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from optlab.guarantee import Guarantee
from optlab.measures import LawMeasure
from optlab.methods import Method
from optlab.rng import Stream
from optlab.running import Reader, as_start, iterate

from .judge import RTOL, judge
from .moments import AFFINE, MOST_NUMBERS
from .scenarios import MOST_OUTCOMES, Draws, Inexact, joint_weights, random_rows, table_of
from .verdict import Verdict

PATHS = 4
TIMES = 8


def visited(method: Method, given: Any, x0: Any, params: Any, steps: int, seed: int) -> Iterator[tuple[int, Any]]:
    """(k, states of a few paths): the start and log-spaced times."""
    rng = Stream(seed + np.arange(PATHS))
    wanted = {0, *np.geomspace(1, max(1, steps - 1), TIMES - 1).astype(int).tolist()}
    run = iterate(method, given, as_start(given, x0, (PATHS,)), params, rng)
    for k, state in enumerate(itertools.islice(run, max(wanted) + 1)):
        if k in wanted:
            yield k, state


def expected_next(method: Method, given: Any, params: Any, state: Any, value: Any) -> tuple[np.ndarray, int]:
    """E[value(next state)] for a batch of states, and how many outcomes that took.

    Finite draws are enumerated; in normal ones ``value`` must be quadratic, which is tried along random lines.
    """
    fields = state if isinstance(state, tuple) else (state,)

    def after(draws: Draws) -> Any:
        body = method(given, *fields, **params, rng=draws)
        next(body)
        if draws.entries:
            raise Inexact("the method does not restart from what it yields")
        return next(body)

    probe = Draws()
    after(probe)
    entries = probe.entries
    normal = [i for i, e in enumerate(entries) if not e.count]
    joint = prod(e.count for e in entries if e.count)
    size = joint * (1 + len(normal)) * sum(np.size(f) for f in fields)
    if joint > MOST_OUTCOMES or size > MOST_NUMBERS:
        raise Inexact(f"{joint} outcomes of one step are too many")
    table = table_of(entries, True)
    mirrored = table.copy()
    mirrored[:, normal] *= -1
    lines = random_rows(entries, 4, np.random.default_rng(5))
    lines = np.repeat(lines[:, None], 4, axis=1)
    lines[..., normal] *= np.arange(4.0)[:, None]
    rows = np.concatenate([table, mirrored, lines.reshape(16, len(entries))])
    values = np.asarray(value(after(Draws(rows))), dtype=float)
    values = np.broadcast_to(values, (len(rows), values.shape[-1]))
    along = values[-16:].reshape(4, 4, -1)
    bend = np.abs(np.tensordot([-1.0, 3.0, -3.0, 1.0], along, axes=([0], [1])))
    if not (bend <= 100 * AFFINE * np.abs(along).max(axis=1)).all():
        raise Inexact("the measure is not quadratic in the normal draws of a step")
    even = (values[: len(table)] + values[len(table) : -16]) / 2
    even = even.reshape(joint, 1 + len(normal), -1)
    return np.tensordot(joint_weights(entries), even[:, 0] + (even[:, 1:] - even[:, :1]).sum(axis=1), axes=1), joint


def check_drift(g: Guarantee, method: Method, job: Any, seed: int) -> tuple[int, int, float, int, bool]:
    """(states, outcomes, largest E[V+] / drift(V), its k, whether it is kept) over the visited states."""
    problem, measure = job.case.problem, g.measure
    given = problem if job.given is None else job.given
    starts: dict[str, Any] = {}
    count, most, top, at, kept = 0, 0, -np.inf, -1, True
    for k, state in visited(method, given, job.x0, job.params, job.steps, seed):
        V = np.asarray(measure(problem, state), dtype=float)
        starts = starts or {n: q.of(problem, state) for n, q in g.using.items() if q.kind == "start"}
        now = {n: q.of(problem, state) for n, q in g.using.items() if q.kind == "now"}
        bound = np.asarray(job.quantities.call(g.drift, V=V, k=k, **starts, **now), dtype=float)
        E, outcomes = expected_next(method, given, job.params, state, lambda s: measure(problem, s))
        floor = np.asarray(measure.floor(problem, state), dtype=float)
        sign = -1.0 if g.relation == ">=" else 1.0
        alive = np.isfinite(V)
        excess = sign * (E - bound) if g.relation != "==" else np.abs(E - bound)
        kept &= bool((excess <= RTOL * np.abs(bound) + floor)[alive].all())
        share = np.where(alive & (np.abs(bound) > floor), (E / bound if sign > 0 else bound / E), -np.inf)
        if share.max() > top:
            top, at = float(share.max()), k
        count += 1 if k == 0 else int(alive.sum())
        most = max(most, outcomes)
    return count, most, top, at, kept


def early(g: Guarantee, method: Method, job: Any) -> Any:
    """Judge the first steps with all outcomes of the run enumerated: (steps, judgement), or None."""
    from .expectation import Run, by_outcomes

    problem = job.case.problem
    given = problem if job.given is None else job.given
    one = Run.sample(method, given, job.x0, job.params, 1)
    counts = prod(e.count for e in one.entries)
    steps = int(np.log(MOST_OUTCOMES) / np.log(counts)) if counts > 1 else 0
    if g.by_horizon or not 0 < steps <= job.steps:
        return None
    read = Reader(g.measure, g.at, g.using)
    k, readings, _ = by_outcomes(Run.sample(method, given, job.x0, job.params, steps), problem, [read],
                                 job.quantities, scalars=True)
    return steps, judge(g, job.quantities, k, readings[read.name], failure=1e-6, sampled=False, steps=steps)


def with_drift(verdict: Verdict, g: Guarantee, method: Method, job: Any, seed: int = 11) -> Verdict:
    """The verdict after checking the one-step inequality of ``g`` at visited states, and its first steps exactly.

    A broken inequality is *violated*. One that is kept turns *inconclusive* (replicates cannot tell a bound that is met
    from one that is passed) into *holds*: kept at every state, it gives the bound by induction.
    """
    if not method.restartable or isinstance(g.measure, LawMeasure) or g.drift is None:
        return verdict
    with np.errstate(all="ignore"):
        first = None
        if "replicates" in verdict.evidence:
            try:
                first = early(g, method, job)
            except Exception:  # a foreign body on unusual draws may fail in any way; the drift still speaks
                first = None
        try:
            states, outcomes, share, at, kept = check_drift(g, method, job, seed)
        except Exception as why:
            return replace(verdict, evidence=f"{verdict.evidence}; no drift ({why})")
    evidence = verdict.evidence
    if first is not None:
        evidence += f"; all outcomes of {first[0]} steps"
        if first[1].verdict == "violated":
            return replace(verdict, verdict="violated", ratio=first[1].ratio, at=first[1].at, evidence=evidence)
    each = f"{outcomes} outcomes each" if outcomes > 1 else "each step exact"
    evidence += f"; drift at {states} visited states, {each}, up to {share:.3g} of it"
    if not kept:
        return replace(verdict, verdict="violated", ratio=share, at=at, evidence=evidence, note=_join(
            verdict.note, "E[measure(next) | state] passes the drift"))
    if verdict.verdict == "inconclusive":
        return replace(verdict, verdict="holds", evidence=evidence, note=_join(
            verdict.note, "replicates inconclusive; the drift, kept at all visited states, implies the bound"))
    return replace(verdict, evidence=evidence)


def _join(*notes: str) -> str:
    return "; ".join(n for n in notes if n)
