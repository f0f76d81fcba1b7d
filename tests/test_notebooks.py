"""Every notebook runs from top to bottom, says what its text says, and is stored with its outputs."""

import re
import warnings
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


def executed(path, folder):
    """The notebook run in ``folder`` by a kernel of its own, with this interpreter."""
    from nbclient import NotebookClient

    nb = nbformat.read(path, as_version=4)
    with warnings.catch_warnings():  # of the kernel's transport; the kernel itself is another process
        warnings.simplefilter("ignore")
        NotebookClient(nb, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    return nb


def outputs(cell):
    return cell.get("outputs", [])


def shown(nb):
    """All text that the outputs of a notebook show, without HTML tags."""
    parts = []
    for cell in nb.cells:
        for out in outputs(cell):
            data = out.get("data", {})
            parts.append(out.get("text") or re.sub("<[^>]+>", " ", data.get("text/html", "")) or data.get("text/plain", ""))
    return "\n".join(parts)


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda p: p.stem)
def pair(request, tmp_path_factory):
    """The stored notebook and the same one run now."""
    return nbformat.read(request.param, as_version=4), executed(request.param, tmp_path_factory.mktemp("run")), request.param


def expected(name):
    """What the outputs must say: words, and digits that follow from theory."""
    return {
        "01_first_rate": ["holds", "violated", "0 violated", "exact worst case 0.0238095", "0.1666667", "0.0454545", "certified",
                          "outside the theorem", "all ok"],
        "02_your_own_method": ["holds", "violated", "exact worst case 0.00628647", "0.12500000", "0.06189418",
                               "above the bound 0.1", "branches on values", "exact moments (40 outcomes a step)", "seen"],
    }[name]


def test_every_notebook_has_expectations():
    assert len(NOTEBOOKS) >= 2
    for path in NOTEBOOKS:
        assert expected(path.stem)


def test_it_runs_and_says_what_theory_says(pair):
    _, now, path = pair
    errors = [out for cell in now.cells for out in outputs(cell) if out.output_type == "error"]
    assert not errors
    text = shown(now)
    for words in expected(path.stem):
        assert words in text, f"{path.name}: {words!r} is not among the outputs"
    assert "NOT SEEN" not in text
    assert not re.search("warning|traceback", text, re.I)


def test_it_is_stored_as_it_runs(pair):
    """Stored outputs show the same verdicts; the file is small, its cells numbered in order."""
    stored, now, path = pair
    assert path.stat().st_size < 400_000
    code = [c for c in stored.cells if c.cell_type == "code"]
    assert [c.execution_count for c in code] == list(range(1, len(code) + 1))
    assert sum("image/png" in out.get("data", {}) for c in code for out in outputs(c)) >= 3

    def verdicts(nb):
        return re.findall("holds|violated|inconclusive|vacuous|refused|certified", shown(nb))

    assert verdicts(stored) == verdicts(now)


def test_nothing_of_the_machine_is_stored():
    for path in NOTEBOOKS:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"/(home|root|tmp|work|Users)/", text), path.name
