"""The examples of CONTRIBUTING.md are run as they stand; their asserts are the tests."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

TEXT = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, flags=re.M | re.S)


@pytest.fixture(scope="module")
def names():
    """What a reader has after running all the examples in order."""
    seen = {"__name__": "contributing"}
    with plt.rc_context({"backend": "agg"}):
        for number, block in enumerate(BLOCKS):
            exec(compile(block, f"CONTRIBUTING.md, example {number}", "exec"), seen)
    plt.close("all")
    return seen


def test_every_example_runs(names):
    assert len(BLOCKS) == 4
    assert sum(line.startswith("assert ") for block in BLOCKS for line in block.splitlines()) >= 7


def test_the_method_is_fifteen_lines():
    body = BLOCKS[0][BLOCKS[0].index("@method"):]
    assert len([line for line in body.splitlines() if line.strip()]) <= 15


def test_the_method_is_verified_and_its_control_seen(names):
    verdict = names["verdict"]
    assert verdict.verdict == "holds"
    assert [c.verdict for c in verdict.controls] == ["violated"]
    assert {w.steps for w in verdict.worst_case} == {1, 4}
    assert all(w.exact for w in verdict.worst_case)


def test_an_example_stays_out_of_the_registry(names, methods):
    assert "implicit_gradient" not in methods


def test_the_problem_refuses_bad_input_in_one_sentence(names):
    with pytest.raises(ValueError, match="weights must be positive"):
        names["LogCosh"]([1.0, -1.0], [0.0, 0.0])


def test_what_the_text_names_exists():
    """Paths and commands of the text are there."""
    root = Path(__file__).parent.parent
    for path in ("optlab/__init__.pyi", "problems/__init__.pyi", "problems/pool.py", "analysis/data/claims.json",
                 "tests/test_rates.py"):
        assert path in TEXT
        assert (root / path).exists(), path
