"""plan: invert theorems. How many steps does theory ask for, what does a step cost, which method is cheapest?"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from optlab.guarantee import Guarantee
from optlab.measures import sq_distance, suboptimality
from optlab.methods import Method
from optlab.problems.assumptions import Smooth
from optlab.problems.errors import AssumptionError, OptlabError, ProblemError
from optlab.quantities import Quantities
from optlab.rng import Stream
from optlab.running import as_start, drive, iterate

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
    theorem: Guarantee | None = field(default=None, repr=False)

    @property
    def seconds(self) -> float:
        """Predicted total: steps times the measured cost of one."""
        return self.steps * self.seconds_per_step

    @property
    def parameters(self) -> str:
        return ", ".join(f"{n} = {v:.4g}" if isinstance(v, (int, float)) else f"{n} = ..." for n, v in self.params.items())

    @property
    def predicted(self) -> str:
        """``seconds`` as text; of a step that was not measured to its end a lower bound."""
        return f"{'> ' if self.seconds_per_step >= LONG else ''}{self.seconds:.3g} s"

    def took(self, problem: Any, eps: float, x0: Any = None, patience: float = 10.0) -> int | None:
        """Steps the run really takes until f - f* <= eps where the theorem speaks (last iterate, average, ...).

        None: not within the theorem's steps or ``patience`` seconds. Of a random method one run is followed, seed 0.
        """
        reached, k = self._followed(problem, eps, x0, patience)
        return k if reached else None

    def _followed(self, problem: Any, eps: float, x0: Any, patience: float) -> tuple[bool, int]:
        """Whether eps was reached, and the steps until then (or until patience ended)."""
        assert self.body is not None
        assert self.theorem is not None
        start = as_start(problem, x0)
        patient, k = _Deadline(problem, patience), 0
        iterates = iterate(self.body, patient, start, self.params, Stream(0) if self.random else None)
        points = self.theorem.at(iterates, Quantities(problem, start, {**self.params, "horizon": self.steps}))
        try:
            with np.errstate(all="ignore"), threadpool_limits(limits=1, user_api="blas"):
                for k, it in enumerate(points):
                    if np.all(suboptimality(problem, it) <= eps):
                        return True, k
                    if k >= self.steps or patient.late:
                        break
        except _Late:
            pass
        return False, k

    def measure(self, problem: Any, eps: float, x0: Any = None, patience: float = 2.0) -> Taken:
        """The run beside its prediction: steps as ``took`` counts them, and the seconds of a run of so many steps."""
        clock = time.perf_counter()
        reached, k = self._followed(problem, eps, x0, patience)
        if not reached or self.body is None:
            return Taken(self, False, k, time.perf_counter() - clock)
        return Taken(self, True, k, _clock(self.body, problem, as_start(problem, x0), self.params, k))

    def as_dict(self) -> dict[str, Any]:
        return {"method": self.method, "guarantee": self.guarantee, "source": self.source, "steps": self.steps,
                "parameters": {n: v for n, v in self.params.items() if isinstance(v, (int, float))},
                "seconds_per_step": self.seconds_per_step, "seconds": self.seconds, "random": self.random}


@dataclass(frozen=True)
class Taken:
    """A predicted run, made: ``steps`` and ``seconds`` until eps, or (not ``reached``) until patience ended."""

    row: PlanRow
    reached: bool
    steps: int
    seconds: float

    @property
    def kept(self) -> bool:
        """False where all the steps that the theorem asks for were taken in vain (random methods: it speaks of the mean)."""
        return self.reached or self.steps < self.row.steps or self.row.random

    @property
    def looseness(self) -> float:
        """Steps that the theorem asks for over steps taken: at least 1 where it holds; NaN where eps was not reached."""
        return self.row.steps / max(1, self.steps) if self.reached else math.nan

    @property
    def cells(self) -> tuple[str, ...]:
        """method, predicted steps, measured steps, their ratio, predicted and measured seconds."""
        r, more = self.row, "" if self.reached else "> "
        ratio = f"{self.looseness:.3g}" if self.reached else "" if self.kept else "NOT KEPT"
        return r.method, f"{r.steps:,}", f"{more}{self.steps:,}", ratio, r.predicted, f"{more}{self.seconds:.3g} s"


COLUMNS = ("method", "steps, theorem", "steps, measured", "theorem / measured", "time, predicted", "time, measured")


class Measured(Sequence[Taken]):
    """Predictions beside runs, in the order of the plan; shows itself as a table, ``plot`` as a picture."""

    def __init__(self, rows: Sequence[Taken], problem: Any, eps: float):
        self.rows, self.problem, self.eps = list(rows), problem, eps

    def __getitem__(self, i: Any) -> Any:
        return self.rows[i]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def reached(self) -> list[Taken]:
        return [t for t in self if t.reached]

    def __repr__(self) -> str:
        table = [COLUMNS, *(t.cells for t in self)]
        widths = [max(len(cells[j]) for cells in table) for j in range(len(COLUMNS))]
        return f"{self.problem}, f(x) - f* <= {self.eps:.3g}\n" + "\n".join(
            "  ".join(f"{c:{'<' if j == 0 else '>'}{w}}" for j, (c, w) in enumerate(zip(cells, widths, strict=True)))
            for cells in table)

    def _repr_html_(self) -> str:
        return _html(f"{self.problem}, f(x) - f* <= {self.eps:.3g}", COLUMNS, [t.cells for t in self], left=1)

    def plot(self, ax: Any = None, **style: Any) -> Any:
        """Steps measured against steps predicted, one mark a method (``style``: of the marks); returns the axes.

        An arrow up says that eps was not reached when patience ended. On the dashed diagonal a theorem is met exactly.
        """
        from .plots import COLOURS

        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(figsize=(6.0, 4.4), layout="constrained")
        if not ax.lines:
            ax.axline((1, 1), (10, 10), color=COLOURS["bound"], linestyle="--", linewidth=1.5, label="the theorem is met exactly")
            ax.set(xscale="log", yscale="log", xlabel="steps that the theorem asks for", ylabel="steps until f(x) - f* <= eps")
            ax.grid(alpha=0.22, linewidth=0.6)
            ax.set_axisbelow(True)
            ax.spines[["top", "right"]].set_visible(False)
        marks = {"color": COLOURS["measured"], "marker": "o", "markersize": 6, "label": str(self.problem), **style}
        ax.plot([t.row.steps for t in self.reached], [max(1, t.steps) for t in self.reached], linestyle="none", **marks)
        late = [t for t in self if not t.reached]
        ax.plot([t.row.steps for t in late], [max(1, t.steps) for t in late], linestyle="none",
                **{**marks, "marker": r"$\uparrow$", "markersize": 9, "markerfacecolor": marks["color"], "label": None})
        return ax


def _html(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> str:
    """A table; the first ``left`` columns are text, the others numbers."""
    from html import escape

    def line(tag: str, cells: Sequence[str]) -> str:
        return "<tr>" + "".join(f'<{tag} style="text-align:{"left" if j < left else "right"}">{escape(c)}</{tag}>'
                                for j, c in enumerate(cells)) + "</tr>"

    return f"<p>{escape(caption)}</p><table>{line('th', head)}{''.join(line('td', cells) for cells in rows)}</table>"


class Plan(Sequence[PlanRow]):
    """The rows, cheapest first; shows itself as a table in notebooks. ``refused`` says why the other methods are not in it."""

    def __init__(self, rows: Sequence[PlanRow], problem: Any, eps: float, *, x0: Any = None,
                 refused: Mapping[str, str] | None = None):
        self.rows, self.problem, self.eps, self.x0, self.refused = list(rows), problem, eps, x0, dict(refused or {})

    def __getitem__(self, i: Any) -> Any:
        return self.rows[i]

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        width = max((len(r.method) for r in self), default=0)
        lines = [f"{r.method:{width}s} {r.steps:>14,} steps {r.predicted:>12s}   {r.guarantee} ({r.source})" for r in self]
        return "\n".join([self._caption, *lines])

    def _repr_html_(self) -> str:
        head = ("method", "theorem", "source", "parameters", "steps", "predicted")
        return _html(self._caption, head, [(r.method, r.guarantee, r.source, r.parameters, f"{r.steps:,}", r.predicted)
                                           for r in self], left=4)

    @property
    def _caption(self) -> str:
        others = f"; {len(self.refused)} other methods: see .refused" if self.refused else ""
        return f"plan for {self.problem}, f(x) - f* <= {self.eps:.3g}{others}"

    def measure(self, within: float = math.inf, patience: float = 2.0) -> Measured:
        """Run the methods with at most ``within`` predicted seconds, each for the theorem's steps or ``patience`` seconds."""
        rows = [r for r in self if r.seconds <= within]
        return Measured([r.measure(self.problem, self.eps, self.x0, patience) for r in rows], self.problem, self.eps)


def plan(problem: Any, eps: float = 1e-6, *, x0: Any = None, methods: Sequence[Method] | None = None,
         random: bool = True) -> Plan:
    """Every applicable guarantee on f(x) - f* (or on ||x - x*||^2 of an L-smooth f) inverted at ``eps``; cheapest first.

    A parameter that the theorem leaves free (``vary``) is chosen to ask for the fewest steps; of a method's theorems the
    one that asks for the fewest is kept. ``random=False`` leaves out methods whose theorems speak of expectations. Costs
    are measured here, on this problem. Bounds that depend on the run cannot be inverted; ``.refused`` says in words what
    keeps each other method out. Raises ProblemError when no theorem applies.
    """
    if not (isinstance(eps, (int, float)) and eps > 0 and math.isfinite(eps)):
        raise ProblemError(f"eps must be a positive number, got {eps!r}")
    if methods is None:
        from .registry import all_methods

        methods = list(all_methods().values())
    start = as_start(problem, x0)
    rows, refused = [], {}
    for m in methods:
        if m.random and not random:
            continue
        found, why = _theorems(m, problem, start, eps)
        if found:
            params, steps, g = min(found, key=lambda r: r[1])
            rows.append(PlanRow(m.name, g.title, str(g.source), params, steps, _cost(m, problem, start, params), m.random, m, g))
        else:
            refused[m.name] = why
    if not rows:
        only = f": {m.name}: {why}" if len(methods) == 1 else ""
        raise ProblemError(f"no theorem bounds f(x) - f* for {problem} (or its bound never reaches {eps:g}){only}")
    return Plan(sorted(rows, key=lambda r: (r.seconds, r.steps)), problem, eps, x0=x0, refused=refused)


class _Unfit(Exception):
    """Why a theorem cannot be inverted here; of several the one with the largest ``stage`` came nearest."""

    def __init__(self, stage: int, why: str):
        super().__init__(why)
        self.stage = stage


def _theorems(m: Method, problem: Any, x0: Any, eps: float) -> tuple[list[tuple[dict[str, Any], int, Guarantee]], str]:
    """What the method's theorems ask for; where none can be asked, why."""
    if m.one_stroke:
        return [], "a rule done in one stroke: it takes no steps"
    try:
        m.require(problem)
    except AssumptionError as error:
        return [], str(error).removeprefix(f"{m.name} ")
    found, unfit = [], []
    for g in m.guarantees:
        try:
            found.append(_invert(g, m, problem, x0, eps))
        except _Unfit as reason:
            unfit.append(reason)
    return found, str(max(unfit, key=lambda u: u.stage)) if unfit else "it carries no theorem"


def _invert(g: Guarantee, m: Method, problem: Any, x0: Any, eps: float) -> tuple[dict[str, Any], int, Guarantee]:
    """Parameters and steps with which the bound reaches eps."""
    low = eps
    if g.measure is sq_distance and problem.meets(Smooth):
        low = 2 * eps / problem.L  # f(x) - f* <= L/2 ||x - x*||^2
    elif g.measure is not suboptimality:
        measures = ", ".join(dict.fromkeys(str(h.measure) for h in m.guarantees))
        raise _Unfit(0, f"no theorem on f(x) - f*: its theorems speak of {measures}")
    if g.relation != "<=":
        raise _Unfit(1, "its theorem on f(x) - f* is no upper bound")
    if not g.proved:
        raise _Unfit(1, "its bound on f(x) - f* is a conjecture")
    missing = next((a.__name__ for a in g.assumes if not problem.meets(a)), None)
    if missing:
        raise _Unfit(2, f"its theorem on f(x) - f* assumes {missing}, which {problem} does not promise")
    if g.mode not in ("pointwise", "expectation"):
        raise _Unfit(3, "its bound holds with high probability only" if g.mode == "high probability" else
                     "its rate is stated up to a constant")
    if g.using:
        raise _Unfit(4, f"its bound speaks of the run itself ({', '.join(g.using)}), not of the start alone")
    best = None
    deadline = time.perf_counter() + PATIENCE
    try:
        for varied in _free(g):
            k = _first_below(partial(_bound_at, g, problem, x0, varied), low, g.first, deadline)
            if k is not None and (best is None or k < best[1]):
                recipe = Quantities(problem, x0, {**varied, "horizon": k}).call(g.recipe)
                best = ({n: v for n, v in {**varied, **recipe}.items() if n in m.parameters}, k, g)
    except (OptlabError, ZeroDivisionError) as error:
        raise _Unfit(5, f"its bound cannot be evaluated: {error}") from None
    if best is None:
        raise _Unfit(6, f"its bound does not come down to f(x) - f* <= {eps:.3g} (looked up to 10^15 steps, for {PATIENCE} s)")
    return best


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
    """A problem whose oracles give up once the run has taken too long."""

    def __init__(self, problem: Any, seconds: float):
        self._problem, self._end = problem, time.perf_counter() + seconds

    @property
    def late(self) -> bool:
        return time.perf_counter() > self._end

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._problem, name)
        if not callable(value):
            return value

        def oracle(*args: Any, **kwargs: Any) -> Any:
            if self.late:
                raise _Late
            return value(*args, **kwargs)

        return oracle


def _clock(m: Method, problem: Any, x0: Any, params: Mapping[str, Any], steps: int, given: Any = None) -> float:
    """Seconds of a run that nothing looks at."""
    with threadpool_limits(limits=1, user_api="blas"):  # threads only cost small matrices, the more the busier the machine is
        clock = time.perf_counter()
        drive(m, problem, x0, steps, params=params, rng=Stream(0) if m.random else None, readers=[], record=np.array([0]),
              given=given)
        return time.perf_counter() - clock


def _cost(m: Method, problem: Any, x0: Any, params: Mapping[str, Any]) -> float:
    """Seconds a step: the least of a few short runs (the first compiles kernels); of a step longer than LONG, LONG."""
    steps, least = 1, math.inf
    for i in range(6):
        try:
            least = min(least, _clock(m, problem, x0, params, steps, _Deadline(problem, LONG) if i == 0 else None) / steps)
        except _Late:
            return LONG
        if i > 0 and least > 0.1:
            break
        steps = max(1, min(20, int(0.05 / least)))
    return least
