"""Side by side with PEPit: one of its shipped examples, and the worst case of the method as it runs here.

Each ``test_parity_*.py`` lists its ``EXAMPLES``; ``test_parity.py`` holds them against what PEPit ships.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
from PEPit import PEP

from optlab.analysis.worst_case import WorstCase


class Example(NamedTuple):
    """PEPit's ``where`` (folder.module), its arguments, and our ``WorstCase`` of the same question.

    ``measured`` translates our value into theirs (a square, a factor); ``bounded`` says whether PEPit's theoretical value is
    also the bound of the guarantee that was read; ``zero`` that the worst case is zero (a potential that never grows), which
    has no relative accuracy: among constants and weights of size one both values are then below 1e-6.
    """

    where: str
    arguments: dict[str, Any]
    ours: Callable[[], WorstCase]
    measured: Callable[[float], float] = lambda value: value
    bounded: bool = False
    zero: bool = False

    def __str__(self) -> str:
        return self.where


def shipped(where: str, **arguments: Any) -> tuple[float, float | None]:
    """PEPit's own value (through cvxpy and Clarabel) and the theoretical one it quotes."""
    module = importlib.import_module(f"PEPit.examples.{where}")
    (example,) = (f for name, f in vars(module).items() if name.startswith("wc_"))

    def with_clarabel(pep: PEP, **options: Any) -> Any:  # not all examples let their solver be chosen
        return solve(pep, **options | dict(wrapper="cvxpy", solver="CLARABEL"))

    solve = PEP.solve
    with warnings.catch_warnings(), patch.object(PEP, "solve", with_clarabel):
        warnings.simplefilter("ignore")  # cvxpy's "may be inaccurate"
        return example(**dict(verbose=-1) | arguments)


def side_by_side(example: Example) -> None:
    theirs, theory = shipped(example.where, **example.arguments)
    w = example.ours()
    assert w.status == "solved", str(w)
    assert example.measured(w.value) == pytest.approx(theirs, rel=1e-4, abs=1e-6 if example.zero else 0), str(w)
    if example.bounded:
        assert theory is not None
        assert example.measured(w.bound) == pytest.approx(theory, rel=1e-6), str(w)
