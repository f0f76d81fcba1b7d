"""The direct assembly inside PEPit's own interface: import this module, then ``pep.solve(wrapper="optlab")``.

Values, multipliers (``constraint.eval_dual()``), Gram matrix and dimension reduction are PEPit's as with any wrapper; only the
semidefinite program is written by ``sdp._assemble`` instead of cvxpy. ``solve_pep`` spares PEPit's feasibility report as well.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from PEPit import Constraint, Expression, Point, PSDMatrix
from PEPit.wrapper import Wrapper
from PEPit.wrappers import WRAPPERS

from .sdp import _assemble, _call, _Program, _smat, _solve


class OptlabWrapper(Wrapper):
    """PEPit's wrapper around Clarabel and SCS. ``pep.solve(wrapper="optlab", solver="CLARABEL" | "SCS" | None, tol=1e-9)``."""

    prob: _Program

    def __init__(self, verbose: int = 1):
        super().__init__(verbose=verbose)
        self._constraints: list[Constraint] = []
        self._matrices: list[PSDMatrix] = []
        self._reducing = False

    def check_license(self) -> bool:
        return True

    def set_main_variables(self) -> None:
        """The variables are columns of one matrix: nothing to create."""

    def send_constraint_to_solver(self, constraint: Constraint) -> None:
        self._constraints.append(constraint)
        self._list_of_constraints_sent_to_solver.append(constraint)

    def send_lmi_constraint_to_solver(self, psd_matrix: PSDMatrix) -> None:
        self._matrices.append(psd_matrix)
        self._list_of_constraints_sent_to_solver.append(psd_matrix)

    def generate_problem(self, objective: Expression) -> _Program:
        self.objective = objective
        self.prob = _assemble(self._constraints, self._matrices, objective)
        return self.prob

    def solve(self, solver: str | None = None, tol: float = 1e-9) -> tuple[str, str, float | None]:
        """Status, name of the solver, and value (None where the program has none)."""
        if self._reducing:  # another objective, and the proof is kept: nothing to judge
            status, z, _ = _call(self.prob, self.solver_name, tol)
        else:
            fields, z, self._y = _solve(self.prob, solver, tol)
            status, self.solver_name, self._slack = fields["status"], fields["solver"], fields["slack"]
        if not status.has_value:
            return status.value, self.solver_name, None
        size = Point.counter * (Point.counter + 1) // 2
        self.optimal_G, self.optimal_F = _smat(z[:size], Point.counter), z[size:]
        if not self._reducing:
            self.optimal_F[self.objective.counter] = fields["value"]
        return status.value, self.solver_name, self.optimal_F[self.objective.counter]

    def _recover_dual_values(self) -> tuple[list[Any], np.ndarray]:
        """Multipliers in the order in which constraints were sent, the residual (dual of the Gram matrix) first."""
        program, y, residual = self.prob, self._y, self._slack
        scalars = {identity: value for (_, _, identity), value in zip(program.rows, y.tolist(), strict=False)}
        blocks = iter([_smat(y[rows], order) for _, order, rows in program.blocks()[:-1]])
        duals = [scalars.get(id(c), 0.0) if isinstance(c, Constraint) else next(blocks) if c.shape[0] else np.zeros((0, 0))
                 for c in self._list_of_constraints_sent_to_solver]
        return [residual, *duals], residual

    def prepare_heuristic(self, wc_value: float, tol_dimension_reduction: float) -> None:
        self.prob = self.prob.with_row(self.prob.q, tol_dimension_reduction - wc_value, "worst case kept")

    def heuristic(self, weight: np.ndarray) -> _Program:
        """Minimize tr(G weight) instead: the dimension of the instance, not its value."""
        self._reducing = True
        self.prob = replace(self.prob, q=self.prob.weighing(weight))
        return self.prob


WRAPPERS["optlab"] = OptlabWrapper
