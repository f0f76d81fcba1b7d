"""solve: the answer with a certificate that anyone can recompute."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from optlab.measures import point
from optlab.methods import Method, as_method
from optlab.problems.assumptions import PL, StronglyConvex
from optlab.problems.errors import AssumptionError, OptlabError, ProblemError
from optlab.running import StopReason, as_start, drive, prescribed


@dataclass(frozen=True)
class Answer:
    """``x`` with ``value`` and a certified bound: f(x) - f* <= ``gap`` (by the stated ``certificate``)."""

    x: Any
    value: float
    gap: float
    tol: float
    certificate: str
    method: str
    params: Mapping[str, Any]
    steps: int
    seconds: float
    stop: StopReason
    history: tuple[tuple[int, float], ...] = field(default=(), repr=False)

    @property
    def certified(self) -> bool:
        return self.gap <= self.tol

    def as_dict(self) -> dict[str, Any]:
        return {"x": np.asarray(self.x).tolist(), "value": self.value, "gap": self.gap, "tol": self.tol,
                "certificate": self.certificate, "certified": self.certified, "method": self.method,
                "steps": self.steps, "seconds": self.seconds, "stop": self.stop.name}

    def __str__(self) -> str:
        verb = "certified" if self.certified else "NOT reached"
        return (f"{self.method}: f(x) = {self.value:.12g} after {self.steps} steps, {self.seconds:.3g} s; "
                f"f(x) - f* <= {self.gap:.3g} by {self.certificate}; tol {self.tol:g} {verb} ({self.stop.value})")

    __repr__ = __str__  # what a notebook shows


def certificate(problem: Any) -> tuple[str, Callable[[Any], float]]:
    """A computable upper bound on f(x) - f*, its name first; AssumptionError when the problem offers none."""
    if hasattr(problem, "duality_gap"):
        return "the duality gap", lambda x: float(problem.duality_gap(x))
    if hasattr(problem, "fw_gap"):
        return "the Frank-Wolfe gap max_s <grad f(x), x - s>", lambda x: float(problem.fw_gap(x))
    if hasattr(problem, "grad") and (problem.meets(StronglyConvex) or problem.meets(PL)):
        return "||grad f(x)||^2 / (2 mu)", lambda x: float(problem.sq(problem.grad(x))) / (2 * problem.mu)
    raise AssumptionError(f"{problem} offers no computable certificate: it is neither strongly convex (or PL) with a gradient, "
                          "nor has it a duality gap or a bounded feasible set")


def solve(problem: Any, method: Any = None, tol: float = 1e-6, *, x0: Any = None, steps: int | None = None,
          **params: Any) -> Answer:
    """Run until a computable certificate says f(x) - f* <= ``tol`` (absolute, in the units of f).

    With no ``method`` named: the deterministic one whose theorem asks for the least work (see ``plan``). ``steps`` caps the
    run (default: ten times what the theorem asks for, or 100 000). The answer says how far it got; it never pretends.
    """
    if not (isinstance(tol, (int, float)) and tol > 0):
        raise ProblemError(f"tol must be a positive number, got {tol!r}")
    name, gap = certificate(problem)
    start = as_start(problem, x0)
    if start.ndim != len(problem.point_shape):
        raise ProblemError(f"solve takes one start, got a batch of shape {start.shape}")
    if steps is not None and (not isinstance(steps, (int, np.integer)) or steps < 1):
        raise ProblemError(f"steps must be a positive integer, got {steps!r}")
    m, full, cap = _choose(problem, method, tol, start, params)
    unknown = [n for n in params if n not in m.parameters]
    if unknown:
        raise ProblemError(f"{m.name} has no parameter {unknown[0]!r}; it takes {', '.join(m.parameters) or 'none'}")
    if m.random:
        raise ProblemError(f"{m.name} is random: its theorems speak of expectations, solve wants a certificate of one run")
    cap = steps or cap
    history: list[tuple[int, float]] = []
    best: list[Any] = []
    due = [0]

    def until(state: Any, k: int) -> bool:
        if k < due[0] and k < cap:
            return False
        due[0] = max(k + 1, int(k * 1.05))  # certificates cost about a step: check on a geometric grid
        g = gap(point(state))
        history.append((k, g))
        if not best or g < best[1]:
            best[:] = [point(state), g, k]
        return g <= tol

    clock = time.perf_counter()
    trace = drive(m, problem, start, cap, params=full, rng=None, readers=[], record=np.array([0]), until=until)
    x, g, k = best
    return Answer(x, float(problem.value(x)), g, tol, name, m.name, full, k, time.perf_counter() - clock, trace.stop,
                  tuple(history))


def _cap(steps: int) -> int:
    """A theorem on f(x) - f* speaks of the error, and certificates exceed it: ten times the steps leave room for that."""
    return min(10 * max(steps, 1), 10**6)


def _choose(problem: Any, method: Any, tol: float, x0: Any, params: Mapping[str, Any]) -> tuple[Method, dict[str, Any], int]:
    from .plan import plan

    if method is not None:
        m = as_method(method)
        m.require(problem)
        try:
            row = plan(problem, tol, x0=x0, methods=[m])[0]
            return m, {**row.params, **params}, _cap(row.steps)
        except OptlabError:
            return m, prescribed(m, problem, x0, params, 100_000), 100_000
    for row in plan(problem, tol, x0=x0, random=False):
        if row.body is not None:
            return row.body, {**row.params, **params}, _cap(row.steps)
    raise ProblemError(f"no deterministic method has a theorem for {problem}; name one with method=")
