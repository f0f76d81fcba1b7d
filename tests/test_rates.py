"""The rate check: every guarantee of every method, every negative control, every exact worst case.

Sampled verdicts have failure probability 1e-6 each and fixed seeds; there are fewer than 300 of them, so that the whole
file raises a false alarm with probability below 3e-4 over all choices of seeds (and with these seeds never or always).
"""

import copy

import numpy as np
import pytest

from optlab.analysis.campaign import FULL, QUICK, cases_of, jobs_of
from optlab.analysis.registry import all_methods
from optlab.analysis.verify import examine
from optlab.rng import Stream
from optlab.running import as_start, iterate

PAIRS = [(m, g) for m in all_methods().values() for g in m.guarantees]


def check(m, g, budget, full):
    v = examine(g, m, budget, full=full)
    assert v.verdict == "holds", str(v)
    assert v.controls, f"{g.id} has no control"
    unseen = [c for c in v.controls if not c.seen]
    assert not unseen, f"{g.id}: controls not seen to fail: {unseen}"
    if g.tightness == "tight":
        assert v.tightest >= 0.99, f"{g.id} claims to be tight, but only {v.tightest:.4f} of the bound was seen"
    elif g.relation != "==" and g.mode not in ("order", "scaling"):
        assert v.tightest >= 1e-3, f"{g.id}: nothing comes near the bound ({v.tightest:.1e})"


@pytest.mark.parametrize(("m", "g"), PAIRS, ids=[f"{g.id}-{i}" for i, (_, g) in enumerate(PAIRS)])
def test_guarantee_holds_and_its_controls_fail(m, g):
    check(m, g, QUICK, full=False)


@pytest.mark.full
@pytest.mark.parametrize(("m", "g"), PAIRS, ids=[f"{g.id}-{i}" for i, (_, g) in enumerate(PAIRS)])
def test_guarantee_in_full(m, g):
    check(m, g, FULL, full=True)


def first_run(m):
    """Problem, start, parameters of a method's first runnable case."""
    for g in m.guarantees:
        for case in cases_of(g, m, QUICK):
            jobs = jobs_of(g, m, case, QUICK, {})
            if jobs:
                job = jobs[0]
                return job.given or job.case.problem, job.x0, job.params
    raise AssertionError(f"{m.name} has no case")


def parts(state):
    return [p for p in (state if isinstance(state, tuple) else (state,)) if isinstance(p, np.ndarray) and p.ndim]


GENERATORS = [m for m in all_methods().values() if not m.one_stroke]


@pytest.mark.parametrize("m", GENERATORS, ids=lambda m: m.name)
def test_bodies_are_pure(m):
    """x0 and yielded arrays are never written again, and index 0 is the start."""
    problem, x0, params = first_run(m)
    seeds = np.arange(3)
    x0 = as_start(problem, x0, (3,)) if m.random else x0
    before = np.array(x0, copy=True)
    produced = iterate(m, problem, x0, params, Stream(seeds) if m.random else None)
    seen = []
    for _, state in zip(range(4), produced, strict=False):
        seen.append(([p.copy() for p in parts(state)], parts(state)))
    np.testing.assert_array_equal(x0, before)
    assert len(seen) >= 2, "a generator yields its start and at least one step"
    for copies, originals in seen:
        for kept, original in zip(copies, originals, strict=True):
            np.testing.assert_array_equal(kept, original)


@pytest.mark.parametrize("m", [m for m in GENERATORS if m.restartable], ids=lambda m: m.name)
def test_restartable_methods_restart_from_what_they_yield(m):
    """The declared property: the method continued from a yielded state is the method run through."""
    problem, x0, params = first_run(m)
    through = []
    rng = Stream(np.arange(2)) if m.random else None
    x0 = as_start(problem, x0, (2,)) if m.random else x0
    marks = []
    for _, state in zip(range(6), iterate(m, problem, x0, params, rng), strict=False):
        through.append(state)
        marks.append(copy.deepcopy(rng))
    middle = through[2]
    fields = tuple(middle) if isinstance(middle, tuple) else (middle,)
    extra = {} if rng is None else {"rng": marks[2]}  # the stream as it stood when the middle state was yielded
    for _, state, expected in zip(range(3), m(problem, *fields, **params, **extra), through[2:], strict=False):
        for a, b in zip(parts(state), parts(expected), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("m", [m for m in GENERATORS if m.random], ids=lambda m: m.name)
def test_a_seed_does_not_depend_on_its_batch(m):
    """Replicate s of a batch is the run of seed s alone: same stream, same arithmetic."""
    problem, x0, params = first_run(m)
    batch = [s for _, s in zip(range(3), iterate(m, problem, as_start(problem, x0, (4,)), params, Stream(np.arange(4))),
                               strict=False)]
    alone = [s for _, s in zip(range(3), iterate(m, problem, as_start(problem, x0, (1,)), params, Stream(np.array([2]))),
                               strict=False)]
    for a, b in zip(batch, alone, strict=True):
        for pa, pb in zip(parts(a), parts(b), strict=True):
            if pa.shape[:1] == (4,):
                np.testing.assert_allclose(pa[2], pb[0], rtol=1e-10, atol=1e-12)
