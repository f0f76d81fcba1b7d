"""Speed against peers: both measured in one process, run by run in turn, and quoted as ratios.

A figure is the median of warm runs; the first call's surplus (compiling, or loading compiled code) is reported apart.
Where a row has a limit, it is what this machine's memory or arithmetic allows, measured in the same call.
"""

from __future__ import annotations

import difflib
import itertools
import subprocess
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from threadpoolctl import threadpool_limits

from optlab.problems.errors import ProblemError
from optlab.progress import bar

RUNS = 5
UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6}


@dataclass(frozen=True)
class Row:
    """Medians ``ours`` and ``peer`` in ``unit``; ``ratio`` peer/ours (above 1: optlab is faster; None without a peer).

    ``limit``: the least possible time over ours (1 is perfect; None where no limit is meaningful). ``compile``: seconds
    that the first call took beyond a warm one.
    """

    name: str
    what: str
    ours: float
    peer: float | None
    unit: str
    ratio: float | None
    limit: float | None = None
    compile: float = 0.0
    note: str = ""


def row(name: str, what: str, ours: Timing, peer: Timing | None, unit: str = "ms", *, per: float = 1.0,
        per_peer: float | None = None, limit: float | None = None, note: str = "") -> Row:
    """A row from two timings, each divided by the number of units of work it did; ``limit`` in seconds a unit."""
    mine = ours.median / per
    other = None if peer is None else peer.median / (per if per_peer is None else per_peer)
    return Row(name, what, mine * UNITS[unit], None if other is None else other * UNITS[unit], unit,
               None if other is None else other / mine, None if limit is None else limit / mine, ours.compile, note)


@dataclass(frozen=True)
class Timing:
    """Median seconds of the warm runs, and the surplus of the first."""

    median: float
    compile: float


def timed(*bodies: Callable[[], Any], runs: int = RUNS) -> list[Timing]:
    """Each body called once to warm up, then all in turn: what else the machine does strikes them alike."""
    seconds = np.zeros((runs + 1, len(bodies)))
    for i, b in itertools.product(range(runs + 1), range(len(bodies))):
        clock = time.perf_counter()
        bodies[b]()
        seconds[i, b] = time.perf_counter() - clock
    medians = np.median(seconds[1:], axis=0)
    return [Timing(float(m), max(0.0, float(first - m))) for m, first in zip(medians, seconds[0], strict=True)]


# --- limits of this machine ---------------------------------------------------------------------------------------
def bandwidth(size: int) -> float:
    """Bytes a second over a working set of ``size`` bytes: the better of an inner product and a sum of vectors."""
    a, b, c = np.ones((3, max(1, size // 24)))
    repeats = max(1, 2**24 // size)
    dot, add = timed(lambda: [a @ b for _ in range(repeats)], lambda: [np.add(a, b, out=c) for _ in range(repeats)], runs=9)
    return max(2 * a.nbytes / dot.median, 3 * a.nbytes / add.median) * repeats


def flops(order: int = 512) -> float:
    """Floating-point operations a second of a dense matrix product."""
    a = np.ones((order, order))
    return 2 * order**3 / timed(lambda: a @ a)[0].median


# --- the entries --------------------------------------------------------------------------------------------------
ENTRIES: dict[str, Callable[[], Iterable[Row]]] = {}
SLOW: set[str] = set()  # only when named


def against(name: str, *, slow: bool = False) -> Callable[[Callable[[], Iterable[Row]]], Callable[[], Iterable[Row]]]:
    """Register an entry."""
    def keep(body: Callable[[], Iterable[Row]]) -> Callable[[], Iterable[Row]]:
        ENTRIES[name] = body
        if slow:
            SLOW.add(name)
        return body

    return keep


def bench(names: list[str]) -> list[dict[str, Any]]:
    """Measure the named entries (default: all but the slow ones), print the table, return its rows."""
    for name in names:
        if name not in ENTRIES:
            close = difflib.get_close_matches(name, ENTRIES, 3)
            raise ProblemError(f"no benchmark is called {name!r}; "
                               + (f"did you mean {', '.join(close)}?" if close else f"there are {', '.join(ENTRIES)}"))
    chosen = list(dict.fromkeys(names)) or [n for n in ENTRIES if n not in SLOW]
    rows: list[Row] = []
    with threadpool_limits(limits=1, user_api="blas"), warnings.catch_warnings(), \
            bar("bench", len(chosen), sys.stderr.isatty()) as tick:
        warnings.simplefilter("ignore")  # a peer stopped early on its ladder of tolerances says so
        for name in chosen:
            rows += ENTRIES[name]()
            tick(name, 1)
    show(rows)
    return [asdict(r) for r in rows]


def show(rows: list[Row]) -> None:
    from rich.table import Table
    from rich.text import Text

    from .show import console, number

    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for name, right in (("bench", False), ("what", False), ("ours", True), ("peer", True), ("ratio", True),
                        ("of limit", True), ("compile", True), ("note", False)):
        table.add_column(name, justify="right" if right else "left", no_wrap=right or name == "bench", overflow="fold")
    for r in rows:
        colour = "" if r.ratio is None else "green" if r.ratio >= 1 else "yellow"
        table.add_row(r.name, Text(r.what), f"{number(r.ours)} {r.unit}", "" if r.peer is None else f"{number(r.peer)} {r.unit}",
                      Text("" if r.ratio is None else f"{number(r.ratio)}x", colour),
                      "" if r.limit is None else f"{100 * r.limit:.0f}%", f"{r.compile:.2f} s" if r.compile > 0.05 else "",
                      Text(r.note))
    out = console()
    out.print(table)
    out.print("ratio = peer / ours, above 1 optlab is faster; medians of warm runs on one BLAS thread, taken in turn")


@against("import")
def importing() -> Iterable[Row]:
    def fresh(code: str) -> Callable[[], Any]:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)

    start, first_use, peer = timed(fresh("import optlab"), fresh("from optlab import gradient_descent, run"),
                                   fresh("import numpy"), runs=7)
    note = "fresh processes: the interpreter's start counts in both"
    yield row("import", "import optlab / import numpy", start, peer, note=note + "; optlab loads on first use")
    yield row("import", "from optlab import gradient_descent, run / import numpy", first_use, peer, note=note)


@against("generator")
def generator() -> Iterable[Row]:
    from optlab import gradient_descent, run
    from optlab.problems import Quadratic

    d, steps = 10, 5000
    G = np.random.default_rng(0).standard_normal((d, d))
    p = Quadratic(G @ G.T / d + np.eye(d), np.ones(d))
    A, b, step, x0 = p.A, p.b, 1 / p.L, p.x0

    def body() -> None:
        deque(itertools.islice(gradient_descent(p, x0, step=step), steps + 1), maxlen=0)

    def inline() -> None:
        x = x0
        for _ in range(steps):
            x = x - step * p.grad(x)

    def bare() -> None:
        x = x0
        for _ in range(steps):
            x = x - step * (x @ A - b)

    ours, oracle, plain, recorded = timed(body, inline, bare, lambda: run(gradient_descent, p, x0, steps, step=step))
    yield row("generator", "gradient descent, d = 10 / the same loop inline", ours, oracle, "us", per=steps, note="a step")
    yield row("generator", "gradient descent, d = 10 / inline on bare arrays", ours, plain, "us", per=steps, note="a step")
    yield row("generator", "run() with its measures / inline on bare arrays", recorded, plain, "us", per=steps,
              note="a step; every call counted, ~200 of them recorded")


def logistic_data(n: int, d: int, l2: float) -> Any:
    from optlab.problems import LogisticRegression

    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    y = np.where(X @ rng.standard_normal(d) / np.sqrt(d) + rng.standard_normal(n) > 0, 1.0, -1.0)
    return LogisticRegression(X, y, l2)


@against("glm-gradient")
def glm_gradient() -> Iterable[Row]:
    p = logistic_data(20_000, 100, 1e-3)
    X, y, n, l2, x = p.X, p.y, p.n, p.l2, p.x_star / 2

    def plain() -> np.ndarray:
        return X.T @ (-y / (1 + np.exp(y * (X @ x)))) / n + l2 * x

    ours, peer = timed(lambda: p.grad(x), plain, runs=25)
    rate = bandwidth(X.nbytes)
    yield row("glm-gradient", "logistic gradient, 20000 x 100 / two passes of numpy", ours, peer, "us", limit=X.nbytes / rate,
              note=f"limit: X read once at {rate / 1e9:.0f} GB/s; differs by {np.abs(p.grad(x) - plain()).max():.0e}")


@against("sgd-seeds")
def sgd_seeds() -> Iterable[Row]:
    from optlab import sgd
    from optlab.rng import Stream

    p = logistic_data(1000, 50, 1e-2)
    step, d = 1 / (4 * p.Lmax), p.dim
    # a step reads its row twice and the point twice, and writes the point once
    limit = 5 * 8 * d / bandwidth(p.X.nbytes)

    def kernel(seeds: np.ndarray, steps: int) -> np.ndarray:
        x0 = np.zeros((len(seeds), d))
        return next(itertools.islice(sgd(p, x0, step=step, stride=steps, rng=Stream(seeds)), 1, None)).x

    def batch(seeds: np.ndarray, steps: int) -> np.ndarray:
        x0 = np.zeros((len(seeds), d))
        return next(itertools.islice(sgd(p, x0, step=step, rng=Stream(seeds)), steps, None)).x

    def loop(seeds: np.ndarray, steps: int) -> list[np.ndarray]:
        return [next(itertools.islice(sgd(p, np.zeros(d), step=step, rng=Stream(s)), steps, None)).x for s in seeds]

    for S, steps, few in ((1, 2000, 1), (64, 500, 4), (1024, 100, 10)):
        seeds = np.arange(S)
        ours, array, one = timed(lambda: kernel(seeds, steps), lambda: batch(seeds, steps), lambda: loop(seeds[:few], steps))
        far = np.abs(kernel(seeds, steps) - batch(seeds, steps)).max()
        unit = f"a seed and step, draws included; differs by {far:.0e}"
        what = f"SGD, {S} seed{'s' if S > 1 else ''}, d = {d}: compiled pass / "
        if S > 1:
            yield row("sgd-seeds", what + "numpy batch", ours, array, "us", per=S * steps, limit=limit, note=unit)
        yield row("sgd-seeds", what + "loop over seeds", ours, one, "us", per=S * steps, per_peer=few * steps, limit=limit,
                  note=unit)


def lasso_data(n: int, d: int, correlation: float = 0.5) -> tuple[np.ndarray, np.ndarray, float]:
    """Rows of an autoregressive process, fifty true coefficients, noise; and a tenth of the largest useful penalty."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    for j in range(1, d):
        X[:, j] = correlation * X[:, j - 1] + np.sqrt(1 - correlation**2) * X[:, j]
    w = np.zeros(d)
    w[rng.choice(d, 50, replace=False)] = rng.standard_normal(50)
    y = X @ w + 0.5 * rng.standard_normal(n)
    return np.asfortranarray(X), y, 0.1 * float(np.abs(X.T @ y).max()) / n


def loosest(attempt: Callable[[Any], np.ndarray], settings: Iterable[Any], error: Callable[[np.ndarray], float],
            target: float) -> tuple[Any, float]:
    """The first setting of a ladder whose answer meets the common criterion, and the error it reached."""
    for setting in settings:
        reached = error(attempt(setting))
        if reached <= target:
            return setting, reached
    raise ProblemError(f"no setting of the ladder reaches {target:g}")


TOLERANCES = [10.0**-e for e in np.arange(2, 13, 0.5)]


@against("lasso")
def lasso() -> Iterable[Row]:
    from sklearn.linear_model import Lasso as Peer

    from optlab import cyclic_coordinate_descent
    from optlab.problems import Lasso
    from optlab.problems.passes import least_squares_pass

    X, y, lam = lasso_data(500, 5000)
    n, d = X.shape
    f = SimpleNamespace(X=X, y=y, n=n)
    # the oracles of problems.Lasso alone: its solution and constants are no part of what is measured
    p = SimpleNamespace(smooth=f, regularizer=SimpleNamespace(lam=lam), dim=d)
    p.value = lambda x: np.sum((x @ X.T - y) ** 2) / (2 * n) + lam * np.abs(x).sum()
    p.coordinate_pass = lambda x, order, step: least_squares_pass(X, y, 0.0, lam, x, order, step)
    scale = p.value(np.zeros(d))

    def gap(x: np.ndarray) -> float:
        return float(Lasso.duality_gap(cast(Any, p), x)) / scale

    def ours(passes: int) -> np.ndarray:
        iterates = cyclic_coordinate_descent(p, np.zeros(d), step=n / (X**2).sum(axis=0))
        return next(itertools.islice(iterates, passes, None))

    def peer(tol: float) -> np.ndarray:
        return Peer(alpha=lam, fit_intercept=False, tol=tol, max_iter=10_000).fit(X, y).coef_

    passes, mine = loosest(ours, range(1, 200), gap, 1e-6)
    tol, reached = loosest(peer, TOLERANCES, gap, 1e-6)
    a, b = timed(lambda: gap(ours(passes)), lambda: peer(tol), runs=9)
    yield row("lasso", "lasso 500 x 5000, cyclic coordinate descent / sklearn", a, b,
              note=f"{passes} passes, gap {mine:.0e}; tol {tol:.0e}, gap {reached:.0e} of f(0); sklearn screens variables")


@against("logistic")
def logistic() -> Iterable[Row]:
    from sklearn.linear_model import LogisticRegression as Peer

    from optlab import nesterov_strongly_convex, newton_damped
    from optlab.analysis.solve import solve

    p = logistic_data(20_000, 100, 1e-3)
    n, d, target = p.n, p.dim, 1e-9
    D0 = float(p.value(np.zeros(d)) - p.f_star)

    def error(x: np.ndarray) -> float:
        return float(p.value(x) - p.f_star) / D0

    def newton(steps: int) -> np.ndarray:
        return next(itertools.islice(newton_damped(p, np.zeros(d), q=3, M=0.0), steps, None))

    def peer(solver: str) -> Callable[[float], np.ndarray]:
        options = dict(C=1 / (n * p.l2), solver=solver, fit_intercept=False, max_iter=1000)
        return lambda tol: Peer(tol=tol, **options).fit(p.X, p.y).coef_[0]

    steps, _ = loosest(newton, range(1, 20), error, target)
    found = {s: loosest(peer(s), TOLERANCES, error, target) for s in ("newton-cholesky", "lbfgs")}
    answer = solve(p, nesterov_strongly_convex, tol=target * D0)
    ours, certified, cholesky, lbfgs = timed(lambda: newton(steps), lambda: solve(p, nesterov_strongly_convex, tol=target * D0),
                                             *(lambda s=s, t=t: peer(s)(t) for s, (t, _) in found.items()))
    limit = steps * n * d**2 / flops()
    name, what = "logistic", "logistic 20000 x 100 to 1e-9: "
    yield row(name, what + "Newton / sklearn newton-cholesky", ours, cholesky, limit=limit,
              note=f"{steps} steps; limit: half of X'X a step; tol {found['newton-cholesky'][0]:.0e}")
    yield row(name, what + "Newton / sklearn lbfgs", ours, lbfgs, limit=limit, note=f"tol {found['lbfgs'][0]:.0e}")
    yield row(name, what + "solve(nesterov), certified / sklearn lbfgs", certified, lbfgs,
              note=f"{answer.steps} steps, planned by the theorem and certified; sklearn certifies nothing")


def worst_case_row(name: str, steps: int, runs: int) -> Iterable[Row]:
    from PEPit import PEP
    from PEPit.functions import SmoothConvexFunction

    from optlab import gradient_descent
    from optlab.analysis.worst_case import worst_case
    from optlab.problems.assumptions import Convex, Smooth

    values: dict[str, float] = {}

    def ours() -> None:
        values["ours"] = worst_case(gradient_descent, (Smooth(1.0), Convex()), steps).value

    def peer() -> None:
        pep = PEP()
        f = pep.declare_function(SmoothConvexFunction, L=1.0)
        x_star = f.stationary_point()
        x = pep.set_initial_point()
        pep.set_initial_condition((x - x_star) ** 2 <= 1)
        for _ in range(steps):
            x = x - f.gradient(x)
        pep.set_performance_metric(f(x) - f(x_star))
        values["peer"] = pep.solve(wrapper="cvxpy", solver=solver, verbose=0)

    solver = "CLARABEL" if steps <= 20 else "SCS"  # PEPit's own choice, and the faster one for large programs
    a, b = timed(ours, peer, runs=runs)
    yield row(name, f"worst case of gradient descent, {steps} steps / PEPit + cvxpy + {solver}", a, b,
              note=f"values {values['ours']:.8g} and {values['peer']:.8g}")


@against("worst-case")
def worst_case_20() -> Iterable[Row]:
    return worst_case_row("worst-case", 20, RUNS)


@against("worst-case-50", slow=True)
def worst_case_50() -> Iterable[Row]:
    return worst_case_row("worst-case-50", 50, RUNS)


@against("worst-case-80", slow=True)
def worst_case_80() -> Iterable[Row]:
    return worst_case_row("worst-case-80", 80, 1)


@against("expectation")
def expectation() -> Iterable[Row]:
    from optlab import sgd
    from optlab.analysis.expectation import exact
    from optlab.measures import sq_distance
    from optlab.problems import sums
    from optlab.rng import Stream
    from optlab.running import Reader, drive, recorded_indices

    p, steps, replicates = sums.ridge(np.random.default_rng(0)), 200, 4096
    params, reader = dict(step=1 / (4 * p.Lmax)), Reader(sq_distance)

    def ours() -> np.ndarray:
        found = exact(sgd, p, p.x0, params, steps, [reader])
        if found is None:
            raise ProblemError("SGD on a small ridge regression has exact moments, but they were not found")
        return found[1][reader.name].values

    def peer() -> np.ndarray:
        x0 = np.broadcast_to(p.x0, (replicates, p.dim))
        return drive(sgd, p, x0, steps, params=params, rng=Stream(np.arange(replicates)), readers=[reader],
                     record=recorded_indices(steps)).readings[reader.name].values

    a, b = timed(ours, peer)
    sampled = peer()
    error = np.abs(sampled.mean(axis=-1) / ours() - 1).max()
    what = f"E||x_k - x*||^2 of SGD, {p.n} terms, d = {p.dim}, k <= {steps}: exact / {replicates} replicates"
    yield row("expectation", what, a, b,
              note=f"the replicates are off by up to {100 * error:.1f}%, ours by round-off")


@against("verify")
def verify() -> Iterable[Row]:
    from .campaign import QUICK
    from .registry import select
    from .verify import campaign

    methods = select(["gradient"])
    theorems = sum(len(m.guarantees) for m in methods)
    controls = sum(len(g.controls) for m in methods for g in m.guarantees)
    (ours,) = timed(lambda: campaign(methods, QUICK, worst_case=False))
    yield row("verify", f"quick campaign over the gradient family, one process, {theorems} theorems", ours, None, "ms",
              per=theorems, note=f"a theorem, {controls} controls included; no peer does this")
