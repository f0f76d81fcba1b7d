"""Worst cases by semidefinite programming: a declared PEPit problem, solved without a modelling layer.

PEPit supplies the words (Points, Expressions, classes and their interpolation conditions); this module writes
the semidefinite program straight into sparse form for Clarabel (small) or SCS (large). Its variables are the
Gram matrix G of the n leaf Points and the vector F of the m leaf Expressions:

    maximize t  subject to  t <= metric_k(G, F),  inequalities <= 0,  equalities = 0,  LMIs >= 0,  G >= 0.

A dual solution is a proof: t - value = sum_i y_i constraint_i - <S, G> - sum_j <Y_j, LMI_j> with S, Y_j >= 0.
Both values of a `Certificate` are recomputed here from the solver's vectors, not read in its report.

Sources: Taylor, Hendrickx, Glineur, Math. Program. 161 (2017); Goujaud et al., Math. Program. Comput. 16
(2024).
"""

from __future__ import annotations

import itertools
import math
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from PEPit import PEP, BlockPartition, Constraint, Expression, Function, Point, PSDMatrix

from .certificate import Certificate, Multiplier, Status

__all__ = ["Certificate", "Multiplier", "Status", "solve_pep"]

TINY_ORDER, SMALL_ORDER = 16, 40  # Clarabel factors a dense block of n(n+1)/2 rows: SCS is tried first, briefly, then at length
BRIEFLY, AT_LENGTH = 2_000, 20_000  # iterations of SCS
AGREEMENT = 1e-6  # relative agreement of primal and dual (and of the proof with itself) that earns SOLVED
USABLE = 1e-3  # up to this a number is still returned, as INACCURATE; beyond it the status is FAILED

# The classes whose conditions in PEPit are necessary and sufficient for interpolation; for any other class
# the value is an upper bound that no member of the class need attain.
INTERPOLATION_CLASSES = frozenset({
    "ConvexFunction", "StronglyConvexFunction", "SmoothFunction", "SmoothConvexFunction",
    "SmoothStronglyConvexFunction", "SmoothStronglyConvexQuadraticFunction", "ConvexLipschitzFunction",
    "ConvexIndicatorFunction", "ConvexSupportFunction", "ConvexQGFunction", "MonotoneOperator",
    "StronglyMonotoneOperator", "CocoerciveOperator", "LipschitzOperator", "NonexpansiveOperator",
    "LinearOperator", "SymmetricLinearOperator", "SkewSymmetricLinearOperator",
    # x + rho V and V form a monotone pair, which extends to a maximal one (Bauschke, Moursi, Wang 2021)
    "NegativelyComonotoneOperator",
    # every point and gradient by itself, towards the solution (Guille-Escuret, Goujaud, Ibrahim, Mitliagkas 2022, Thm 1)
    "RsiEbFunction",
})


# From PEPit's objects to one sparse program ------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Program:
    """Minimize q'z, A z + s = b, s in {0} x R+ x PSD x ... x PSD, with z = (svec G, F).

    svec stacks the upper triangle by columns and scales off-diagonal entries by sqrt(2).
    """

    A: sp.csr_matrix
    b: np.ndarray
    q: np.ndarray
    rows: list[tuple[str, str, int]]  # (label, kind, id of the Constraint) of the scalar rows:
    equalities: int  # first the equalities,
    metrics: int  # then the rows t <= metric, then the other inequalities
    lmis: list[tuple[str, int]]  # (label, order); the Gram matrix comes last
    unit: float = 1.0  # of gradients and function values, as the solver sees them

    @property
    def scale(self) -> float:
        """The size of the data: instances scale with it."""
        return float(np.max(np.abs(self.b), initial=0.0)) or 1.0

    @property
    def natural(self) -> float:
        """The size a worst case would have but for cancellation: what a zero is measured against."""
        metrics = self.A[self.equalities : self.equalities + self.metrics]
        return self.scale * float(np.max(np.abs(metrics.data)))

    def restricted(self, keep: np.ndarray) -> _Program:
        """The program with the scalar rows of the mask `keep` (shape (len(rows),)) only."""
        index = np.concatenate([np.flatnonzero(keep), np.arange(len(self.rows), self.b.size)])
        rows = [row for row, kept in zip(self.rows, keep, strict=True) if kept]
        equalities = int(np.count_nonzero(keep[: self.equalities]))
        return replace(self, A=self.A[index], b=self.b[index], rows=rows, equalities=equalities)

    def with_row(self, row: np.ndarray, bound: float, label: str) -> _Program:
        """The program with one more inequality row'z <= bound, last among the scalar rows."""
        count = len(self.rows)
        A = sp.vstack([self.A[:count], sp.csr_matrix(row), self.A[count:]], format="csr")
        rows = [*self.rows, (label, "inequality", 0)]
        return replace(self, A=A, b=np.insert(self.b, count, bound), rows=rows)

    def blocks(self) -> list[tuple[str, int, slice]]:
        """Label, order and rows of every PSD block, the Gram matrix last."""
        stops = np.cumsum([len(self.rows), *(order * (order + 1) // 2 for _, order in self.lmis)])
        return [(*lmi, slice(i, j)) for lmi, i, j in zip(self.lmis, stops[:-1], stops[1:], strict=True)]

    def weighing(self, weights: np.ndarray) -> np.ndarray:
        """The coefficients of trace(G weights) on z."""
        row, column = _triangle(self.lmis[-1][1])
        scaled = np.where(row == column, 1.0, math.sqrt(2)) * weights[row, column]
        return np.pad(scaled, (0, self.q.size - scaled.size))

    def trace(self) -> np.ndarray:
        return self.weighing(np.eye(self.lmis[-1][1]))


def _triangle(order: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of every svec entry: the upper triangle by columns."""
    column, row = np.tril_indices(order)
    return row, column


def _smat(v: np.ndarray, order: int) -> np.ndarray:
    """The symmetric matrix of an svec vector."""
    row, column = _triangle(order)
    out = np.zeros((order, order))
    out[row, column] = out[column, row] = np.where(row == column, v, v / math.sqrt(2))
    return out


def _rows(expressions: Sequence[Expression], order: int, width: int) -> tuple[sp.csr_matrix, np.ndarray]:
    """Coefficients on z (shape (len, width)) and constants (shape (len,)) of Expressions."""
    terms = [item for e in expressions for item in e.decomposition_dict.items()]
    where = np.repeat(np.arange(len(expressions)), [len(e.decomposition_dict) for e in expressions])
    # (i, j) is an entry of G; (-1, k) a function value; (-2, 0) the constant.
    kinds = [(k[0].counter, k[1].counter) if type(k) is tuple
             else (-1, k.counter) if isinstance(k, Expression) else (-2, 0) for k, _ in terms]
    a, c = np.array(kinds, dtype=np.intp).reshape(-1, 2).T
    weight = np.array([w for _, w in terms], dtype=float)
    low, high = np.minimum(a, c), np.maximum(a, c)
    column = np.where(a >= 0, high * (high + 1) // 2 + low, order * (order + 1) // 2 + c)
    scaled = np.where((a >= 0) & (a != c), weight / math.sqrt(2), weight)
    linear = a != -2
    matrix = sp.csr_matrix((scaled[linear], (where[linear], column[linear])), shape=(len(expressions), width))
    matrix.eliminate_zeros()
    return matrix, np.bincount(where[~linear], weight[~linear], minlength=len(expressions)).astype(float)


def _fingerprint(matrix: sp.csr_matrix, constant: np.ndarray, i: int) -> bytes:
    """A row up to scaling, so that an equality stated twice is recognized."""
    part = slice(matrix.indptr[i], matrix.indptr[i + 1])
    data = np.append(matrix.data[part], constant[i])
    return matrix.indices[part].tobytes() + np.round(data / data[0] + 0.0, 9).tobytes()


def _assemble(constraints: Sequence[Constraint], matrices: Sequence[PSDMatrix], objective: Expression) -> _Program:
    """The program: maximize the leaf ``objective``, which the metrics (first among the constraints) bound."""
    order, gram = Point.counter, Point.counter * (Point.counter + 1) // 2
    width = gram + Expression.counter
    equal = [c for c in constraints if c.equality_or_inequality == "equality"]
    below = [c for c in constraints if c.equality_or_inequality == "inequality"]
    psd = [m for m in matrices if m.shape[0]]
    lmis = [(m.get_name() or f"LMI {m.counter}", m.shape[0]) for m in psd]

    E, e0 = _rows([c.expression for c in equal], order, width)
    B, b0 = _rows([c.expression for c in below], order, width)
    known = {_fingerprint(E, e0, i) for i in np.flatnonzero(np.diff(E.indptr)).tolist()}
    parts, constants, lmi_parts, lmi_constants = [E], [e0], [], []
    rows = [(c.get_name(), "equality", id(c)) for c in equal]
    for (name, _), matrix in zip(lmis, psd, strict=True):
        # The triangles may be written differently: their mean enters the cone, their difference is an
        # equality (most often one that the class states anyway).
        row, column = _triangle(matrix.shape[0])
        upper, u0 = _rows([matrix[i, j] for i, j in zip(row, column, strict=True)], order, width)
        lower, l0 = _rows([matrix[j, i] for i, j in zip(row, column, strict=True)], order, width)
        half = np.where(row == column, 0.5, math.sqrt(0.5))
        lmi_parts.append(-sp.diags(half) @ (upper + lower))
        lmi_constants.append(half * (u0 + l0))
        odd, o0 = sp.csr_matrix(upper - lower), u0 - l0
        odd.data[np.abs(odd.data) < 1e-13] = 0
        odd.eliminate_zeros()
        for i in np.flatnonzero(np.diff(odd.indptr)).tolist():
            if (mark := _fingerprint(odd, o0, i)) not in known:
                known.add(mark)
                parts.append(odd[[i]])
                constants.append(o0[[i]])
                rows.append((f"{name} symmetric ({row[i]}, {column[i]})", "equality", 0))
    equalities = len(rows)
    rows += [(c.get_name(), "inequality", id(c)) for c in below]
    q = np.zeros(width)
    q[gram + objective.counter] = -1.0
    program = _Program(
        A=sp.vstack([*parts, B, *lmi_parts, -sp.eye(gram, width)], format="csr"),
        b=np.concatenate([*(-c for c in constants), -b0, *lmi_constants, np.zeros(gram)]),
        q=q, rows=rows, equalities=equalities, metrics=sum(objective in c.expression.decomposition_dict for c in below),
        lmis=[*lmis, ("Gram", order)],
    )
    # 0 <= 0 and 0 = 0 (a difference of equal points) carry nothing and leave the solver without an interior.
    b = program.b[: len(rows)]
    equal_row = np.arange(len(rows)) < equalities
    kept = (np.diff(program.A.indptr)[: len(rows)] > 0) | (b < 0) | ((b > 0) & equal_row)
    return program.restricted(kept)


def _program_of(pep: PEP) -> _Program:
    """The program of a PEP, whose class constraints are written if they are not yet."""
    _prepare(pep)
    return _assemble([c for c in pep._list_of_prepared_constraints if c.activated],
                     [m for m in pep._list_of_prepared_psd if m.activated], pep.objective)


_prepared: weakref.WeakKeyDictionary[PEP, tuple[int, ...]] = weakref.WeakKeyDictionary()


def _prepare(pep: PEP) -> None:
    """Let PEPit write its class constraints, once, and again only if the PEP has grown since.

    PEPit itself ignores whatever is declared after the first solve; and running its preparation twice would
    repeat the LMIs and the partition constraints, whose lists it never empties.
    """

    def size() -> tuple[int, ...]:
        lists = [pep.list_of_constraints, pep.list_of_psd, pep.list_of_performance_metrics]
        for f in Function.list_of_functions:
            lists += [f.list_of_points, f.list_of_constraints, f.list_of_psd]
        return tuple(len(x) for x in (*lists, *(p.blocks_dict for p in BlockPartition.list_of_partitions)))

    owned = (*pep.list_of_points, *(p for f in pep.list_of_functions for p, _, _ in f.list_of_points))
    registered = {id(p) for p in Point.list_of_leaf_points}
    if any(id(leaf) not in registered for p in owned for leaf in p.decomposition_dict):
        raise ValueError("solve_pep: a newer PEP() has reset PEPit's registers, declare this problem again")
    if not pep.list_of_performance_metrics:
        raise ValueError("solve_pep: the PEP has no performance metric, call set_performance_metric first")
    if pep.objective is None or _prepared.get(pep, size()) != size():
        for function in Function.list_of_functions:
            function.list_of_class_psd = []
        for partition in BlockPartition.list_of_partitions:
            partition.list_of_constraints = []
        pep._prepare_constraints(verbose=0)
    _prepared[pep] = size()


# Solving and judging ----------------------------------------------------------------------------------

_Fields = dict[str, Any]  # of a Certificate


def _in_units(program: _Program) -> tuple[np.ndarray, np.ndarray]:
    """Factors of rows and columns under which gradients and function values are measured in ``unit``, rows as high as before.

    The gradients of an L-smooth function are L times as long as its points: measured in L, all numbers are alike.
    """
    rows, columns = np.ones_like(program.b), np.ones(program.q.size)
    if program.unit == 1:
        return rows, columns
    *lmis, (_, order, _) = program.blocks()
    i, j = _triangle(order)
    slopes = [p for f in Function.list_of_functions for _, g, _ in f.list_of_points for p in g.decomposition_dict]
    points = np.ones(order)
    points[[p.counter for p in slopes]] = program.unit
    columns = np.append(points[i] * points[j], np.full(program.q.size - i.size, program.unit))
    before, after = (abs(A).max(axis=1).toarray().ravel() for A in (program.A, program.A @ sp.diags(columns)))
    rows = np.divide(before, after, out=rows, where=after > 0)
    for _, _, block in lmis:  # one factor for a matrix
        rows[block] = np.max(rows[block])
    return rows, columns


def _call(program: _Program, solver: str, tol: float, iterations: int = AT_LENGTH) -> tuple[Status, np.ndarray, np.ndarray]:
    """Status, z and y of one solver call on data scaled to max|b| = 1.

    SOLVED only means that vectors came back. The Gram part of z is taken from the cone, hence PSD.
    """
    used = np.flatnonzero(np.bincount(program.A.indices, minlength=program.q.size) + (program.q != 0))
    factors, columns = _in_units(program)
    A, b, q = sp.diags(factors) @ program.A @ sp.diags(columns), factors * program.b, columns * program.q
    scale, cost = (float(np.max(np.abs(v), initial=0.0)) or 1.0 for v in (b, q))
    A, b, q = A[:, used].tocsc(), b / scale, q[used] / cost
    zero, positive = program.equalities, len(program.rows) - program.equalities
    orders = [n for _, n in program.lmis]
    if solver == "CLARABEL":
        import clarabel

        settings = clarabel.DefaultSettings()
        settings.verbose, settings.max_iter = False, 400
        settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = tol
        cones = [clarabel.ZeroConeT(zero)] * (zero > 0) + [clarabel.NonnegativeConeT(positive)]
        cones += [clarabel.PSDTriangleConeT(n) for n in orders]
        out = clarabel.DefaultSolver(sp.csc_matrix((q.size, q.size)), q, A, b, cones, settings).solve()
        infeasible, unbounded = (f"{side}Infeasible" in str(out.status) for side in ("Primal", "Dual"))
        x, y, s = np.array(out.x), np.array(out.z), np.array(out.s)
    else:
        import scs

        # SCS stacks the lower triangle by columns: entry (r, c) of it is entry (c, r) of ours.
        theirs = [np.arange(len(program.rows))]
        for _, n, rows in program.blocks():
            c, r = np.triu_indices(n)
            theirs.append(rows.start + r * (r + 1) // 2 + c)
        index = np.concatenate(theirs)
        data, cone = {"A": A[index], "b": b[index], "c": q}, {"z": zero, "l": positive, "s": orders}
        out = scs.SCS(data, cone, eps_abs=tol, eps_rel=tol, max_iters=iterations, verbose=False).solve()
        # Its "inaccurate" verdicts (-6, -7) are what a slow solve ends with: they prove nothing.
        infeasible, unbounded = (out["info"]["status_val"] == code for code in (-2, -1))
        x, y, s = out["x"], np.empty_like(b), np.empty_like(b)
        y[index], s[index] = out["y"], out["s"]
    status = Status.INFEASIBLE if infeasible else Status.UNBOUNDED if unbounded else Status.SOLVED
    z = np.zeros(program.q.size)
    if status is Status.SOLVED and np.all(np.isfinite(x)) and np.all(np.isfinite(y)):
        z[used] = scale * columns[used] * x
        gram = program.blocks()[-1][2]
        z[: gram.stop - gram.start] = scale * s[gram] / factors[gram]
        y = cost * factors * y
    elif status is Status.SOLVED:
        status = Status.FAILED
    return status, z, y


def _judge(program: _Program, status: Status, z: np.ndarray, y: np.ndarray) -> tuple[_Fields, np.ndarray]:
    """Both values and their errors, recomputed (fields of a Certificate), and the projected multipliers."""
    if status is not Status.SOLVED:
        fields = dict.fromkeys(("gap", "slack_min_eig", "primal_error", "dual_error", "accuracy"), math.nan)
        order = program.lmis[-1][1]
        value = math.inf if status is Status.UNBOUNDED else math.nan
        return {**fields, "status": status, "value": value, "dual_value": value, "slack": np.full((order, order), math.nan)}, y
    y, (*lmis, (_, order, gram)) = y.copy(), program.blocks()
    slack = program.b - program.A @ z
    equal, below = slice(program.equalities), slice(program.equalities, len(program.rows))
    conditions = slice(program.equalities + program.metrics, len(program.rows))

    # Primal: the value is what the metrics are worth on the instance, whatever the solver says t is.
    value = float(np.min(slack[below][: program.metrics]) - program.q @ z)
    scalars = _in_units(program)[0][: len(program.rows)] * slack[: len(program.rows)]
    violations = [np.max(np.abs(scalars[equal]), initial=0.0), np.max(-scalars[conditions], initial=0.0),
                  *(-np.linalg.eigvalsh(_smat(slack[rows], n))[0] for _, n, rows in lmis)]
    primal_error = float(max(violations)) / program.scale

    # Dual: project the multipliers on their cones; S is then whatever the identity leaves over.
    y[below] = np.maximum(y[below], 0.0)
    for _, n, rows in lmis:
        eigenvalues, basis = np.linalg.eigh(_smat(y[rows], n))
        i, j = _triangle(n)
        projected = (basis * np.maximum(eigenvalues, 0)) @ basis.T
        y[rows] = projected[i, j] * np.where(i == j, 1.0, math.sqrt(2))
    y[gram] = 0.0
    left = program.q + program.A.T @ y
    size = gram.stop - gram.start
    S = _smat(left[:size], order)
    slack_min_eig = float(np.linalg.eigvalsh(S)[0])
    dual_value = float(program.b @ y)
    missing = max(0.0, -slack_min_eig) * float(program.trace() @ z)
    missing += float(np.abs(left[size:]) @ np.abs(z[size:]))

    largest, distance = max(abs(value), abs(dual_value)), abs(value - dual_value)
    # A worst case of exactly zero has no relative accuracy, hence the floors.
    magnitude = max(largest, 1e-2 * program.natural)
    level = max(primal_error, max(distance, missing) / magnitude)
    status = Status.SOLVED if level <= AGREEMENT else Status.INACCURATE if level <= USABLE else Status.FAILED
    if status is Status.FAILED:
        value = dual_value = math.nan
    floored = max(largest, 1e-8 * program.natural)
    return {"status": status, "value": value, "dual_value": dual_value, "gap": distance / floored,
            "slack_min_eig": slack_min_eig, "primal_error": primal_error, "dual_error": missing / floored, "slack": S,
            "accuracy": AGREEMENT * magnitude}, y


def _solve(program: _Program, solver: str | None, tol: float) -> tuple[_Fields, np.ndarray, np.ndarray]:
    """Solve and judge: fields, z, y. With no solver named, a doubtful answer of one is put to the other."""
    order = max(n for _, n in program.lmis)
    attempts = [("CLARABEL", 0), ("SCS", AT_LENGTH)]
    if solver is not None:
        attempts = [(_solver_name(solver), AT_LENGTH)]
    elif order > 2 * SMALL_ORDER:
        attempts = attempts[1:]  # Clarabel would take minutes
    elif order > SMALL_ORDER:
        attempts = attempts[::-1]
    elif order > TINY_ORDER:
        attempts = [("SCS", BRIEFLY), *attempts]
    ranking = [Status.SOLVED, Status.UNBOUNDED, Status.INFEASIBLE, Status.INACCURATE, Status.FAILED]
    answers = []
    readings = [program] if program.unit == 1 else [program, replace(program, unit=1.0)]
    for reading, (name, iterations) in itertools.product(readings, attempts):
        status, z, y = _call(reading, name, tol, iterations)
        fields, y = _judge(reading, status, z, y)
        answers.append((fields | {"solver": name}, z, y))
        if fields["status"] in ranking[:3]:
            break
    errors = ("gap", "primal_error", "dual_error")
    return min(answers, key=lambda a: (ranking.index(a[0]["status"]), sum(a[0][name] for name in errors)))


def _solver_name(solver: str) -> str:
    if solver.upper() not in ("CLARABEL", "SCS"):
        raise ValueError(f"solver is {solver!r}, want 'CLARABEL', 'SCS' or None")
    return solver.upper()


def solve_pep(
    pep: PEP, *, solver: str | None = None, tol: float = 1e-9, chain_first: bool = False, unit: float = 1.0
) -> Certificate:
    """The worst case of a declared PEP (PEPit's `pep.solve()`, without cvxpy), its instance and its proof.

    `solver` is "CLARABEL" or "SCS" (default: by the order of the Gram matrix, the other one on failure).
    `tol` is what the solver is asked for, on data scaled to max|b| = 1. With `chain_first` the class
    inequalities between points that do not follow each other, and are not optimal, are left out at first and
    only those that the worst instance violates come back; the value is that of all of them. `unit` is the
    size of gradients and function values (L for an L-smooth function), in which the solver is given them.

    Calling twice gives the same answer. An unbounded or infeasible problem is a status, never a number
    (`value` is inf or nan). Raises `ValueError` for a PEP without metric or one that a newer `PEP()` has
    invalidated.
    """
    start = time.perf_counter()
    program = replace(_program_of(pep), unit=unit)
    homogeneous = not program.b.any()
    if homogeneous:
        # Without any constant (a potential that must decrease, a forgotten initial condition) every instance
        # may be scaled up: the worst case is zero or infinite, and instances of bounded size tell which.
        program = program.with_row(program.trace(), 1.0, "normalization: trace(G) <= 1")
    assembled = time.perf_counter()

    distant = _distant_constraints() if chain_first else set()
    keep = np.array([identity not in distant for _, _, identity in program.rows])
    while True:
        part = program.restricted(keep)
        fields, z, y = _solve(part, solver, tol)
        # The instance of a subset is a worst case of the whole if it violates nothing that was left out.
        excess = (program.A @ z - program.b)[: keep.size]
        allowed = AGREEMENT * abs(fields["value"]) if fields["status"].has_value else -math.inf
        violated = ~keep & (excess > allowed)
        if not violated.any():
            break
        keep |= violated
    if homogeneous and fields["value"] > AGREEMENT * program.natural:
        fields |= {"status": Status.UNBOUNDED, "value": math.inf, "dual_value": math.inf, "gap": math.nan}

    size = Point.counter * (Point.counter + 1) // 2
    gram = _smat(z[:size], Point.counter)
    return Certificate(
        **fields, exact=fields["status"] is Status.SOLVED and _interpolable(),
        constraints_used=len(part.rows), constraints_total=keep.size,
        seconds_assembly=assembled - start, seconds_solver=time.perf_counter() - assembled,
        gram=gram, function_values=z[size:], points=_factor(gram, 1e-8),
        multipliers=_multipliers(part, y) if fields["status"].has_value else [],
        leaf_points={p: i for i, p in enumerate(Point.list_of_leaf_points)},
        leaf_expressions={e: i for i, e in enumerate(Expression.list_of_leaf_expressions)},
    )


def _interpolable() -> bool:
    """Whether the classes have interpolation conditions and are not used two at a time on one value."""
    leaves = [f for f in Function.list_of_functions if f.get_is_leaf() and type(f) is not Function]
    values = [{(id(x), id(g)) for x, g, _ in f.list_of_points} for f in leaves]
    shared = sum(map(len, values)) > len(set().union(*values))
    return not shared and {type(f).__name__ for f in leaves} <= INTERPOLATION_CLASSES


def _distant_constraints(*, forward: bool = False) -> set[int]:
    """Identities of the class inequalities between two points that are neither neighbours nor optimal; with
    ``forward`` also of those of a point with the one before it."""
    optimal = {id(triplet[0]) for f in Function.list_of_functions for triplet in f.list_of_stationary_points}
    distant = set()
    for function in Function.list_of_functions:
        points = [id(triplet[0]) for triplet in function.list_of_points]
        for frame in function.tables_of_constraints.values():
            table = frame.to_numpy()
            if table.shape == (len(points), len(points)):  # else: on one point, or against the optimum
                distant |= {id(c) for (i, j), c in np.ndenumerate(table)
                            if isinstance(c, Constraint) and c.equality_or_inequality == "inequality"
                            and (j - i != 1 if forward else abs(i - j) > 1) and not {points[i], points[j]} & optimal}
    return distant


def _multipliers(program: _Program, y: np.ndarray) -> list[Multiplier]:
    """The lines of the proof whose multiplier is above 1e-8."""
    scalars = zip(program.rows, y[: len(program.rows)].tolist(), strict=True)
    lines = [Multiplier(label, value, kind) for (label, kind, _), value in scalars if abs(value) > 1e-8]
    lmis = [(label, _smat(y[rows], order)) for label, order, rows in program.blocks()[:-1]]
    return lines + [Multiplier(label, Y, "lmi") for label, Y in lmis if np.max(np.abs(Y)) > 1e-8]


def _factor(gram: np.ndarray, relative: float) -> np.ndarray:
    """Coordinates X (n, rank) with X X' = gram up to eigenvalues below `relative` times the largest."""
    eigenvalues, basis = np.linalg.eigh(gram)
    kept = eigenvalues > max(relative * np.max(eigenvalues, initial=0.0), 0.0)
    return (basis[:, kept] * np.sqrt(eigenvalues[kept]))[:, ::-1]
