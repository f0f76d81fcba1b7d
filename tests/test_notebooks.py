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
        "03_which_method": ["its bound speaks of the run itself (D), not of the start alone", "assumes QuadraticForm",
                            "tumours, logistic upper bound kept: True", "diabetes, ridge   upper bound kept: True",
                            "digits, lasso     upper bound kept: True", "asked        157", "Newton, undamped",
                            "not there after 100 steps", "not there within", "its theorem: violated", "certified"],
        "04_gradient_descent": ["holds, largest ratio 1.000 at k = 100", "holds, largest ratio 1.000 at k = 200",
                                "step beyond 2/L: violated", "exact worst case 0.0238095", "worst function: 0.0238095",
                                "x 0.8100", "x 0.6694", "diverges", "silver 0.1306019 = 0.1306019",
                                "silver 0.0469182 = 0.0469182", "theory: -1.27 and -1", "at most 1.000 of the bound",
                                "two and a half times the step: violated",
                                ">= 2*C/3 - 4/3; with AMSGrad: violated", "with Adam: violated"],
        "05_acceleration": ["inside the corridor at every k: True", "Newton's step, which leaves the span: violated",
                            "lower bound               0.668 a step", "0.500000", "V never rises: True", "all ok", "refused",
                            "-1.8024 2.1159 0.6465", "0.1250000            0.1250000", "0.0062865            0.0062865",
                            "step 1/L: holds, step 2.5/L: violated"],
        "06_stochastic": ["exact moments (20 outcomes a step)", "step 8/Lmax: violated", "exponent from 100 to 500: -1.0",
                          "all 792 outcomes enumerated; with replacement: violated", "2.78e-02", "1.32e-02", "6.41e-03",
                          "exact moments (24 outcomes a step); terms drawn with replacement: violated", "SAGA's theorem: holds",
                          "steps a hundred times shorter: violated", "exceedances in 512 runs", "r never grows: violated"],
        "07_newton": ["L2 / (2 mu) = 525", "11.7", "-333.333", "666.667", "violated: newton_damped on three patients", "holds",
                      "seen"],
        "08_nonsmooth": ["1.0000    1.0000   1.1250", "0.7071    0.7071", "0.3536    0.3536",
                         "resisting oracle: [1. 1. 1. 1. 1. 1. 1.]", "theorem 6.398", "theorem 0.408", "holds",
                         "the lower bound with the helpful oracle, 30 dimensions: violated",
                         "seen, violated: the wrong half is kept", "seen, violated: ellipsoids too small"],
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
