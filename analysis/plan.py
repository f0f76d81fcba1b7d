"""plan: invert theorems. How many steps does theory ask for, what does a step cost, which method is cheapest?"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from optlab.guarantee import Guarantee
from optlab.measures import sq_distance, suboptimality
from optlab.methods import Method
from optlab.problems.assumptions import Smooth
from optlab.problems.errors import OptlabError, ProblemError
from optlab.quantities import Quantities
from optlab.rng import Stream
from optlab.running import as_start, drive

MOST = 10**15  # beyond this many steps a theorem promises nothing anyone will wait for
PATIENCE = 0.5  # seconds to invert one theorem: bounds that sum over k cannot be followed to 10^15

LONG = 2.0  # seconds: a step that takes longer (inner loops as long as the theorem asks) is not measured to its end


@dataclass(frozen=True)
class PlanRow:
    """One theorem inverted: ``steps`` after which its bound on f(x) - f* is at most eps, and what they cost here."""

    method: str
    guarantee: str
    source: str
    params: Mapping[str, Any]
    steps: int
    seconds_per_step: float
    random: bool = False
    body: Method | None = field(default=None, repr=False)

    @property
    def seconds(self) -> float:
        """Predicted total: steps times the measured cost of one."""
        return self.steps * self.seconds_per_step

    @property
    def parameters(self) -> str:
        return ", ".join(f"{n} = {v:.4g}" if isinstance(v, (int, float)) else f"{n} = ..." for n, v in self.params.items())

    def took(self, problem: Any, eps: float, x0: Any = None, patience: float = 10.0) -> int | None:
        """Steps the run really takes until f(x) - f* <= eps (None: not within the theorem's steps or ``patience`` seconds)."""
        assert self.body is not None
        reached: list[int] = []

        late = time.perf_counter() + patience

        def until(state: Any, k: int) -> bool:
            done = bool(np.asarray(suboptimality(problem, state)) <= eps)
            if done:
                reached.append(k)
            return done or time.perf_counter() > late

        drive(self.body, problem, as_start(problem, x0), self.steps, params=self.params,
              rng=Stream(0) if self.random else None, readers=[], record=np.array([0]), until=until)
        return reached[0] if reached else None

    def as_dict(self) -> dict[str, Any]:
        return {"method": self.method, "guarantee": self.guarantee, "source": self.source, "steps": self.steps,
                "parameters": {n: v for n, v in self.params.items() if isinstance(v, (int, float))},
                "seconds_per_step": self.seconds_per_step, "seconds": self.seconds, "random": self.random}


class Plan(Sequence[PlanRow]):
    """The rows, cheapest first; shows itself as a table in notebooks."""

    def __init__(self, rows: Sequence[PlanRow], problem: Any, eps: float):
        self.rows, self.problem, self.eps = list(rows), problem, eps

    def __getitem__(self, i: Any) -> Any:
        return self.rows[i]

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        lines = [f"{r.method:28s} {r.steps:>14,} steps {r.seconds:>10.3g} s   {r.guarantee} ({r.source})" for r in self.rows]
        return f"plan for {self.problem}, f(x) - f* <= {self.eps:g}\n" + "\n".join(lines)

    def _repr_html_(self) -> str:
        from html import escape

        body = "".join(f"<tr><td>{escape(r.method)}</td><td>{escape(r.guarantee)}</td><td>{escape(r.source)}</td>"
                       f"<td>{escape(r.parameters)}</td><td>{r.steps:,}</td><td>{r.seconds:.3g} s</td></tr>" for r in self)
        head = "<tr><th>method</th><th>theorem</th><th>source</th><th>parameters</th><th>steps</th><th>predicted</th></tr>"
        return f"<table>{head}{body}</table>"


def plan(problem: Any, eps: float = 1e-6, *, x0: Any = None, methods: Sequence[Method] | None = None,
         random: bool = True) -> Plan:
    """Every applicable guarantee on f(x) - f* (or on ||x - x*||^2 of an L-smooth f) inverted at ``eps``; cheapest first.

    A parameter that the theorem leaves free (``vary``) is chosen to ask for the fewest steps; of a method's theorems the
    one that asks for the fewest is kept. ``random=False`` leaves out methods whose theorems speak of expectations. Costs
    are measured here, on this problem. Bounds that depend on the run cannot be inverted and are left out. Raises
    ProblemError when no theorem applies.
    """
    if not (isinstance(eps, (int, float)) and eps > 0 and math.isfinite(eps)):
        raise ProblemError(f"eps must be a positive number, got {eps!r}")
    if methods is None:
        from .registry import all_methods

        methods = list(all_methods().values())
    start = as_start(problem, x0)
    rows = []
    for m in methods:
        if m.random and not random:
            continue
        found = [r for g in m.guarantees for r in [_invert(g, m, problem, start, eps)] if r is not None]
        if found:
            params, steps, g = min(found, key=lambda r: r[1])
            rows.append(PlanRow(m.name, g.title, str(g.source), params, steps, _cost(m, problem, start, params), m.random, m))
    if not rows:
        raise ProblemError(f"no theorem bounds f(x) - f* for {problem} (or its bound never reaches {eps:g})")
    return Plan(sorted(rows, key=lambda r: (r.seconds, r.steps)), problem, eps)


def _invert(g: Guarantee, m: Method, problem: Any, x0: Any, eps: float) -> tuple[dict[str, Any], int, Guarantee] | None:
    if g.relation != "<=" or g.using or g.mode not in ("pointwise", "expectation") or m.one_stroke:
        return None
    if g.measure is sq_distance and problem.meets(Smooth):
        eps = 2 * eps / problem.L  # f(x) - f* <= L/2 ||x - x*||^2
    elif g.measure is not suboptimality:
        return None
    try:
        problem.require(*g.assumes)
        m.require(problem)
        best = None
        deadline = time.perf_counter() + PATIENCE
        for varied in _free(g):
            k = _first_below(partial(_bound_at, g, problem, x0, varied), eps, g.first, deadline)
            if k is not None and (best is None or k < best[1]):
                recipe = Quantities(problem, x0, {**varied, "horizon": k}).call(g.recipe)
                best = ({n: v for n, v in {**varied, **recipe}.items() if n in m.parameters}, k, g)
        return best
    except (OptlabError, ZeroDivisionError):
        return None


def _free(g: Guarantee) -> list[dict[str, Any]]:
    """Values of the free parameter to try: the stated ones, and (one number) a fine grid below the largest."""
    choices: list[dict[str, Any]] = [{}]
    for name, values in g.vary.items():
        stated = list(values)
        numbers = all(isinstance(v, (int, float)) for v in stated) and any(isinstance(v, float) for v in stated)
        if len(g.vary) == 1 and numbers and max(stated) > 0 and len(stated) > 1:
            stated = [max(stated) * 10 ** (-j / 4) for j in range(33)]
        choices = [{**c, name: v} for c in choices for v in stated]
    return choices


def _bound_at(g: Guarantee, problem: Any, x0: Any, varied: Mapping[str, Any], k: int) -> float:
    quantities = Quantities(problem, x0, {**varied, "horizon": k})
    recipe = quantities.call(g.recipe)
    with np.errstate(all="ignore"):
        return float(np.max(quantities.with_(**recipe).call(g.bound, k=float(k))))


def _first_below(bound: Callable[[int], float], eps: float, first: int, deadline: float) -> int | None:
    """Smallest k >= first with bound(k) <= eps, for bounds that decrease from some k on."""
    high = max(1, first)
    while not bound(high) <= eps:
        high *= 2
        if high > MOST or time.perf_counter() > deadline:
            return None
    low = max(high // 2, first - 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if bound(middle) <= eps else (middle, high)
    return high


class _Late(Exception):
    """A step took longer than it may."""


class _Deadline:
    """A problem whose oracles give up once a step has taken too long."""

    def __init__(self, problem: Any, seconds: float):
        self._problem, self._end = problem, time.perf_counter() + seconds

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._problem, name)
        if not callable(value):
            return value

        def oracle(*args: Any, **kwargs: Any) -> Any:
            if time.perf_counter() > self._end:
                raise _Late
            return value(*args, **kwargs)

        return oracle


def _cost(m: Method, problem: Any, x0: Any, params: Mapping[str, Any]) -> float:
    """Seconds a step: the least of a few short runs (the first compiles kernels); of a step longer than LONG, LONG."""
    steps, least = 1, math.inf
    for i in range(6):
        rng = Stream(0) if m.random else None
        clock = time.perf_counter()
        try:
            drive(m, problem, x0, steps, params=params, rng=rng, readers=[], record=np.array([0]),
                  given=_Deadline(problem, LONG) if i == 0 else None)
        except _Late:
            return LONG
        least = min(least, (time.perf_counter() - clock) / steps)
        if i > 0 and least > 0.1:
            break
        steps = max(1, min(20, int(0.05 / least)))
    return least
