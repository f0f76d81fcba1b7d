"""Shared by all tests: one BLAS thread, and the ``--full`` switch for the heavier checks."""

import pytest
from threadpoolctl import threadpool_limits


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="run the heavier checks too")


def pytest_configure(config):
    threadpool_limits(limits=1, user_api="blas")


def pytest_collection_modifyitems(config, items):
    """Without --full the heavier checks are not selected (reported as deselected, never as passed)."""
    if config.getoption("--full"):
        return
    heavy = [item for item in items if item.get_closest_marker("full")]
    if heavy:
        config.hook.pytest_deselected(items=heavy)
        items[:] = [item for item in items if item not in heavy]


@pytest.fixture(scope="session")
def methods():
    from optlab.analysis.registry import all_methods

    return all_methods()
