"""For test suites: ``assert_holds(method, problem, ...)``; the pytest fixture ``rates`` (see pytest_plugin)."""

from __future__ import annotations

from typing import Any


class RateError(AssertionError):
    """A theorem did not hold where it was asserted to; the message lists the verdicts."""


def assert_holds(method: Any, problem: Any, *, at_least: int = 1, **options: Any) -> Any:
    """Assert that every applicable guarantee of ``method`` holds on ``problem``, and at least ``at_least`` of them applied.

    ``options`` go to ``verify`` (``x0``, ``steps``, ``replicates``, ``failure``, recipe overrides). Returns the verdicts.
    *Inconclusive* fails too: an assertion that cannot be decided is not established; raise ``replicates``.
    """
    from optlab import verify

    verdicts = verify(method, problem, **options)
    bad = [v for v in verdicts if v.verdict != "holds"]
    if bad or len(verdicts) < at_least:
        lines = "\n".join(f"  {v}" for v in (bad or verdicts))
        raise RateError(f"{len(bad)} of {len(verdicts)} guarantees do not hold (wanted at least {at_least} to hold):\n{lines}")
    return verdicts


def assert_violated(method: Any, problem: Any, **options: Any) -> Any:
    """Assert that some guarantee of ``method`` is seen *violated* on ``problem``: the negative control of a rate test."""
    from optlab import verify

    verdicts = verify(method, problem, **options)
    if not verdicts.violated:
        raise RateError("no guarantee was violated:\n" + "\n".join(f"  {v}" for v in verdicts))
    return verdicts
