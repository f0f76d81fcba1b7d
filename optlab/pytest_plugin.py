"""pytest plugin: the fixture ``rates`` with ``rates.holds(method, problem, ...)`` and ``rates.violated(...)``.

A sampled verdict may be wrong with probability ``failure`` (default 1e-6, union over its indices included); the sum over
the session, printed in the summary, bounds the chance of a false alarm.
"""

from __future__ import annotations

from typing import Any

import pytest

COUNT = pytest.StashKey[list[float]]()


class Rates:
    """Assertions about convergence rates; each call adds its failure probability to the session's account."""

    def __init__(self, spent: list[float]):
        self._spent = spent

    def holds(self, method: Any, problem: Any, *, failure: float = 1e-6, **options: Any) -> Any:
        """Every applicable guarantee holds (see ``optlab.testing.assert_holds``)."""
        from optlab.testing import assert_holds

        verdicts = assert_holds(method, problem, failure=failure, **options)
        self._spent.append(failure * sum(v.replicates > 1 for v in verdicts))
        return verdicts

    def violated(self, method: Any, problem: Any, *, failure: float = 1e-6, **options: Any) -> Any:
        """Some guarantee is seen violated (see ``optlab.testing.assert_violated``)."""
        from optlab.testing import assert_violated

        verdicts = assert_violated(method, problem, failure=failure, **options)
        self._spent.append(failure * sum(v.replicates > 1 for v in verdicts))
        return verdicts


@pytest.fixture
def rates(request: pytest.FixtureRequest) -> Rates:
    """Rate assertions for a test."""
    return Rates(request.config.stash.setdefault(COUNT, []))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    spent = config.stash.get(COUNT, [])
    if sum(spent):
        terminalreporter.write_line(f"optlab: chance of a false alarm in all sampled rate checks together <= {sum(spent):.1e}")
