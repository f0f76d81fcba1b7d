"""Counting: a problem seen through a ledger of oracle calls (and rounds, messages, bits, where the problem states them)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

ORACLES = frozenset(
    "value grad hess hvp prox prox_f prox_g prox_conjugate project project_a project_b lmo mirror operator T resolvent "
    "component_grad component_value minibatch_grad stochastic_grad stochastic_operator grad_coordinate component_prox sgd_pass "
    "saga_pass coordinate_pass mix mean send linear adjoint lower_grad upper_grad lower_hvp lower_cross "
    "lower_grad_x solve_lower solve_penalized loss_value loss_grad leader component_inverse_grad metric precondition "
    "minimize_on inexact_grad epsilon_grad sample_value component_prox_linear prox_linear inexact_prox "
    "bregman_prox grad1 grad2 grad1_inverse".split()
)


class Counting:
    """Forwards everything to the problem and adds up what its oracles cost.

    An oracle costs one of its own name, unless ``problem.cost_of[name](*args, **kwargs)`` returns a dict of entries
    (numbers, or arrays over the replicates). Calls a problem makes of its own oracles inside are not counted.
    """

    def __init__(self, problem: Any):
        self.__dict__["problem"] = problem
        self.__dict__["ledger"] = {}

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.problem, name)
        if name in ORACLES and callable(value):
            value = self._counted(name, value)
            self.__dict__[name] = value
        return value

    def _counted(self, name: str, oracle: Callable[..., Any]) -> Callable[..., Any]:
        ledger = self.ledger
        cost_of = getattr(self.problem, "cost_of", {}).get(name)

        @functools.wraps(oracle)
        def call(*args: Any, **kwargs: Any) -> Any:
            if cost_of is None:
                ledger[name] = ledger.get(name, 0) + 1
            else:
                for entry, amount in cost_of(*args, **kwargs).items():
                    ledger[entry] = ledger.get(entry, 0) + amount
            return oracle(*args, **kwargs)

        return call
