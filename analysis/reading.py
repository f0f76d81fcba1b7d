"""Reading: one question to the solver, a method's own body driven on symbolic points; WorstCase: its answer."""

from __future__ import annotations

import inspect
import itertools
import linecache
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from optlab.fold import Fold, last
from optlab.guarantee import Control, Guarantee
from optlab.measures import Measure, suboptimality
from optlab.methods import Method, as_method
from optlab.problems.assumptions import Assumption
from optlab.problems.errors import AssumptionError
from optlab.quantities import Quantities, names
from optlab.running import iterate

from .coins import Script, mean, over_the_coins

UNIT: dict[str, float] = {"R": 1.0, "D0": 1.0, "G0": 1.0}
AGREEMENT = 1e-5  # relative accuracy to which two SDP values are told apart (primal-dual gaps stay below 1e-6)
LARGEST = 150  # order of the Gram matrix beyond which the solvers take many minutes


@dataclass(frozen=True)
class WorstCase:
    """``value`` (attained by an instance), ``dual`` (proved by multipliers), ``exact`` (both agree, class interpolable).

    ``status`` is "solved", "unbounded" (the value is infinite), or says why there is no value (``nan``): a number is never
    shown for a program that was not solved. ``bound`` is the theorem's value at the same constants, where a guarantee was
    read; ``certificate`` holds Gram matrix, points, function values and multipliers of the program.
    """

    value: float
    dual: float
    exact: bool
    status: str
    steps: int
    measure: str
    method: str
    bound: float = float("nan")
    params: Mapping[str, Any] = field(default_factory=dict)
    certificate: Any = field(default=None, repr=False)
    reading: Any = field(default=None, repr=False)

    @property
    def ratio(self) -> float:
        """Worst case over bound: 1 for a tight theorem, above 1 for a wrong one."""
        return self.value / self.bound if self.bound else float("nan")

    @property
    def above(self) -> bool:
        """Whether the value exceeds the theorem's bound by more than the accuracy of the solver."""
        known = self.certificate.accuracy if self.status == "solved" else 0.0
        return bool(self.value > self.bound + AGREEMENT * (abs(self.bound) or 1.0) + known)

    def instance(self) -> tuple[Any, Any]:
        """The worst instance ``(problem, x0)``, on which ``run(method, problem, x0, steps)`` meets the value.

        For one convex function, or a sum of two; SymbolicError otherwise.
        """
        from .instance import interpolated
        from .sdp import solve_pep
        from .symbolic import SymbolicError

        if self.reading.method.random or self.reading.free:
            why = "its worst case is over its coins too" if self.reading.method.random else "it was read from a state of its own"
            raise SymbolicError(f"{self.method} has no worst instance that runs: {why}")
        declared = self.reading.declare()  # again: PEPit keeps one program at a time
        return interpolated(declared.problem, declared.x0, solve_pep(declared.pep, unit=declared.problem.unit),
                            f"worst instance of {self.method} at k = {self.steps}")

    def proof(self, *, short: bool = True) -> Any:
        """The multipliers as a table (``Proof``), with as few inequalities as the value needs where ``short``.

        Raises ``ValueError`` where there is no value.
        """
        from .proof import name_points, proof_of

        declared = self.reading.declare()  # again: PEPit keeps one program at a time
        name_points(declared.problem, declared.iterates)
        statement = f"{self.measure} of {self.method} after {self.steps} step{'s' * (self.steps != 1)}"
        return proof_of(statement, declared.pep, short=short, unit=declared.problem.unit)

    def __str__(self) -> str:
        what = f"{self.method}, {self.steps} steps, {self.measure}"
        if math.isnan(self.value):
            return f"{what}: no worst case, the program ended {self.status}"
        if math.isinf(self.value):
            return f"{what}: the worst case over the class is unbounded"
        kind = "exact worst case" if self.exact else "upper bound on the worst case"
        against = f"; the theorem says {self.bound:.6g} (ratio {self.ratio:.4f})" if np.isfinite(self.bound) else ""
        return f"{what}: {kind} {self.value:.8g} (dual {self.dual:.8g}){against}"


class Declared(NamedTuple):
    """A program ready to be solved: what was declared, and the theorem's bound beside it."""

    pep: Any
    problem: Any
    x0: Any
    measure: str
    bound: float
    params: Mapping[str, Any]
    iterates: list[Any]


@dataclass(frozen=True)
class Reading:
    """One question to the solver: a method, a class, a number of steps, a measure, and the theorem whose recipe is taken.

    ``which`` is the recipe's index among those of ``vary``; ``control`` gives the method other parameters (or replaces it),
    while measure and bound keep the theorem's. ``anywhere`` starts the method from a state all of whose points are free, with
    the numbers given in it (its index ``k`` among them); ``hold`` names quantities of the run that are held at 1 where
    otherwise the bound that speaks of them is subtracted.
    """

    method: Method
    stated: Sequence[Assumption]
    steps: int
    guarantee: Guarantee | None = None
    measure: Measure | None = None
    at: Fold | None = None
    start: Mapping[str, float] = field(default_factory=lambda: UNIT)
    params: Mapping[str, Any] = field(default_factory=dict)
    which: int = 0
    control: Control | None = None
    refined: bool | float = False
    anywhere: bool | Mapping[str, Any] | None = None  # None: as the guarantee says
    hold: Sequence[str] | None = None  # None: as the guarantee says

    def solve(self) -> WorstCase:
        from .certificate import Status
        from .sdp import solve_pep

        d = self.declare()
        certificate = solve_pep(d.pep, unit=d.problem.unit)
        value = dual = float("nan")
        if certificate.status is Status.SOLVED:
            value, dual = certificate.value, certificate.dual_value
        elif certificate.status is Status.UNBOUNDED:
            value = dual = float("inf")
        return WorstCase(value, dual, certificate.exact and d.problem.interpolable, certificate.status.value, self.steps,
                         d.measure, self.method.name, d.bound, d.params, certificate, self)

    def declare(self) -> Declared:
        """Drive the body on symbolic points and state conditions and metric."""
        from PEPit import PEP, Point

        from .symbolic import SymbolicError, SymbolicProblem, symbolic_guard

        g, m, steps = self.guarantee, self.method, self.steps
        if self.control is not None and self.control.method is not None:
            m = as_method(self.control.method)
        if m.one_stroke:
            raise SymbolicError(f"{m.name} is a rule of one stroke, not a generator of iterates")
        if m.symbolic is False:
            raise SymbolicError(f"{m.name} branches on values or takes norms, so it cannot be read on symbolic points")
        read = self.measure or (g.measure if g else suboptimality)
        if not read.symbolic:
            raise SymbolicError(f"the measure {read} cannot be read on symbolic points")
        fold = self.at or (g.at if g else last)
        count = max(1, steps + 1 - fold.ahead)
        pep = PEP()
        s = SymbolicProblem(pep, self.stated, (*self.method.needs, *m.needs), self.refined)
        given, chosen = self._parameters(s, m)
        quantities = Quantities(s, None, given)
        with symbolic_guard():
            try:
                x0 = s.start()
                state = self._free_state(m, s, x0, chosen) if self.free else (x0,)

                def play(rng: Script) -> list[Any]:
                    """What the fold makes of the iterates along one path of the coins."""
                    produced = m(s, *state, **chosen, **({"rng": rng} if m.random else {}))
                    points = []
                    for point in itertools.islice(fold(produced, quantities), count):
                        points.append(point)
                        s.calls = 0
                        if Point.counter > LARGEST:
                            raise SymbolicError(f"{steps} steps need a Gram matrix of order above {LARGEST}; take fewer")
                    return points

                paths = over_the_coins(play)
            except SymbolicError as error:
                raise SymbolicError(f"{m.name} cannot be read on symbolic points: {error}") from error
            except Exception as error:
                raise SymbolicError(f"{m.name} cannot be read on symbolic points: {_culprit(m, error)}") from error
            if len(paths[0][1]) < count:
                raise SymbolicError(f"{m.name} ended after {len(paths[0][1]) - 1} steps on symbolic points")
            try:
                read_at = range(max(1, steps)) if fold.minimum else [steps]
                metrics = [mean([(chance, read(s, points[k])) for chance, points in paths]) for k in read_at]
                bounds = [(chance, self._bound(quantities, s, points)) for chance, points in paths]
                bound = bounds[0][1] if all(isinstance(b, float) for _, b in bounds) else mean(bounds)
                conditions = self._conditions(s, x0, quantities, chosen, paths)
            except (TypeError, AttributeError, AssertionError, ZeroDivisionError) as error:
                raise SymbolicError(f"the theorem {g or read} cannot be read on symbolic points: {error}") from error
        difference = not isinstance(bound, float)
        for condition in conditions:
            pep.set_initial_condition(condition)
        for metric in metrics:
            pep.set_performance_metric(metric - bound if difference else metric)
        s.finish()
        what = f"{'E ' * m.random}{read.name}{'' if fold is last else f' [{fold}]'}{' - bound' * difference}{s.scope}"
        return Declared(pep, s, x0, what, 0.0 if difference else bound, chosen, paths[0][1])

    def _free_state(self, m: Method, s: Any, x0: Any, chosen: Mapping[str, Any]) -> tuple[Any, ...]:
        """A state of the method whose points are free; numbers are as given, or as at the start."""
        from PEPit import Point

        from .symbolic import SymbolicError

        if not m.restartable:
            raise SymbolicError(f"{m.name} does not continue from what it yields, so that no state can be given to it")
        numbers = self._numbers or {}
        like: Any = next(iterate(m, s, x0, chosen, Script()))
        if not isinstance(like, tuple):
            return (x0,)

        def free(name: str, value: Any) -> Any:
            if name in m.derived:
                return None
            if isinstance(value, Point):
                return Point()
            if isinstance(value, np.ndarray):
                return np.array([Point() for _ in value], dtype=object)
            return numbers.get(name, value)

        return (x0, *(free(name, value) for name, value in list(zip(like._fields, like, strict=True))[1:]))

    def _parameters(self, s: Any, m: Method) -> tuple[dict[str, Any], dict[str, Any]]:
        """What bounds may name, and what the method is given: the recipe, the caller's parameters, the control's."""
        given: dict[str, Any] = {**self.start, "horizon": self.steps, "origin": self._origin}
        recipe: dict[str, Any] = {}
        if self.guarantee is not None:
            recipe = self.guarantee.recipes(Quantities(s, None, given))[self.which]
        given |= {**recipe, **self.params}
        sabotage: Mapping[str, Any] = {}
        if self.control is not None and self.control.recipe is not None:
            sabotage = Quantities(s, None, given).call(self.control.recipe)
        chosen = {n: _plain(v) for n, v in {**recipe, **self.params, **sabotage}.items() if n in m.parameters}
        missing = [n for n, default in m.parameters.items() if n not in chosen and default is inspect.Parameter.empty]
        if missing:
            raise AssumptionError(f"{m.name} needs {', '.join(missing)}: no guarantee under these assumptions prescribes it")
        return given, chosen

    def _bound(self, quantities: Quantities, s: Any, points: list[Any]) -> Any:
        """The theorem's bound: a number, or an Expression when it speaks of the run itself."""
        g = self.guarantee
        if g is None or (self.measure is not None and self.measure is not g.measure):
            return float("nan")
        run: dict[str, Any] = {}
        for name, q in g.using.items():
            if q.kind == "start" or name in self._held:
                run[name] = 1.0
            elif q.kind == "now":
                run[name] = q.of(s, points[-1])
            else:
                run[name] = sum((q.of(s, p) for p in points[1:-1]), q.of(s, points[0]))
        value = quantities.call(g.bound, k=float(self._origin + self.steps), **run)
        return float(value) if isinstance(value, (int, float, np.number)) else value

    @property
    def _numbers(self) -> Mapping[str, Any] | None:
        """The numbers of the free state that the method starts from; None where it starts from a point."""
        anywhere = self.anywhere
        if anywhere is None:
            anywhere = self.guarantee is not None and self.guarantee.from_any_state
        return ({} if anywhere is True else anywhere) if anywhere is not False else None

    @property
    def _held(self) -> Sequence[str]:
        return self.hold if self.hold is not None else self.guarantee.hold if self.guarantee else ()

    @property
    def free(self) -> bool:
        """Whether the method starts from a free state rather than from a point."""
        return self._numbers is not None

    @property
    def _origin(self) -> int:
        """The index of the state that the method starts from."""
        return int((self._numbers or {}).get("k", 0))

    def _conditions(self, s: Any, x0: Any, quantities: Quantities, params: Mapping[str, Any],
                    paths: Sequence[tuple[float, list[Any]]]) -> list[Any]:
        """One normalization for every start quantity that the bound (or recipe) names; else ||x0 - x*|| <= R."""
        g = self.guarantee
        named = set(names(g.bound)) | set(names(g.recipe)) if g is not None else {"R"}
        speaks_of_run = g is not None and any(q.kind != "start" and n not in self._held for n, q in g.using.items())
        out = []
        if "D0" in named:
            out.append(s.value(x0) - s.f_star <= quantities["D0"])
        if "R" in named or (speaks_of_run and "D0" not in named and self._numbers is None):  # else homogeneous: needs no scale
            out.append(s.sq_radius(x0, params) <= quantities["R"] ** 2)
        if "G0" in named:
            out.append(s.sq(s.grad(x0)) <= quantities["G0"] ** 2)
        for name, q in g.using.items() if g is not None else ():
            if name in self._held:
                out.append(mean([(chance, q.of(s, points[-1])) for chance, points in paths]) == 1.0)
            elif q.kind == "start":
                out.append(q.of(s, paths[0][1][0]) <= 1.0)
        return out


def _plain(value: Any) -> Any:
    """Scalars as plain numbers: PEPit multiplies points by nothing else."""
    return value.item() if isinstance(value, np.generic) else value


def _culprit(m: Method, error: Exception) -> str:
    """The line of the body at which it left what symbolic points can do, and why."""
    code, line = inspect.unwrap(m.body).__code__, ""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code is code:
            line = linecache.getline(code.co_filename, trace.tb_lineno).strip()
        trace = trace.tb_next
    text = str(error).rstrip(".") or "only affine combinations and oracle calls can"
    return f"`{line}`: {text}" if line else text
