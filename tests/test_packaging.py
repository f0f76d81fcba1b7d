"""The wheel: whole, typed, light to import, and not shadowed by a researcher's own analysis.py."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {"optlab": "optlab", "problems": "optlab/problems", "analysis": "optlab/analysis"}  # in the repository, in the wheel


def call(*argv, **options):
    """A command that must succeed; its standard output."""
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """Built from a copy, so that nothing is left in the repository."""
    copy, out = tmp_path_factory.mktemp("source") / "copy", tmp_path_factory.mktemp("wheel")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, copy / file)
    call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, copy)
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def python(wheel, tmp_path_factory):
    """The interpreter of an environment that has the wheel, and sees the present dependencies behind it."""
    home = tmp_path_factory.mktemp("venv")
    call(sys.executable, "-m", "venv", "--without-pip", home)
    interpreter = home / "bin" / "python"
    call(sys.executable, "-m", "pip", "--python", interpreter, "install", "-q", "--no-deps", "--no-index", wheel)
    (packages,) = home.glob("lib/python*/site-packages")
    # a path in a .pth file is searched after the environment's own, and .pth files in it (editable installs) do not act
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return interpreter


@pytest.fixture
def desk(tmp_path):
    """A researcher's folder, with modules of the names that optlab's folders have in the repository."""
    (tmp_path / "analysis.py").write_text("raise RuntimeError('the user\\'s analysis.py was imported')\n")
    (tmp_path / "problems").mkdir()
    (tmp_path / "problems" / "__init__.py").write_text("raise RuntimeError('the user\\'s problems were imported')\n")
    return tmp_path


def test_the_wheel_holds_every_module_and_every_data_file(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = set()
    for folder, inside in FOLDERS.items():
        for pattern in ("**/*.py", "*.pyi", "py.typed", "data/*.json", "templates/*"):
            wanted |= {f"{inside}/{f.relative_to(ROOT / folder).as_posix()}" for f in (ROOT / folder).glob(pattern)}
    assert not sorted(wanted - names), "missing in the wheel"
    assert {"optlab/py.typed", "optlab/__init__.pyi", "optlab/problems/__init__.pyi",
            "optlab/analysis/data/catalogue.json", "optlab/analysis/templates/base.html"} <= names
    strangers = sorted(n for n in names if not n.startswith(("optlab/", "optlab-")))
    assert not strangers, "the wheel installs top-level modules besides optlab"


def test_it_runs_beside_the_users_own_modules(python, desk):
    where = call(python, "-c", "import optlab.problems, optlab.analysis; print(optlab.__file__)", cwd=desk).strip()
    assert Path(where).is_relative_to(python.parent.parent), f"{where} is not the installed package"
    out = desk / "v.json"
    call(python.parent / "optlab", "verify", "gradient_descent", "--json", out, cwd=desk)
    rows = json.loads(out.read_text())
    assert rows
    assert {r["verdict"] for r in rows} == {"holds"}
    assert "works" in call(python.parent / "optlab", "papers", cwd=desk)


def test_the_atlas_finds_its_templates(python, desk):
    call(python.parent / "optlab", "verify", "conjugate_gradient", "--html", desk / "report", cwd=desk)
    assert "conjugate_gradient" in (desk / "report" / "index.html").read_text()


def test_import_loads_nothing_heavy(python, desk):
    """Seconds depend on the machine: they are printed (pytest -s) beside NumPy's, and not asserted."""
    code = "import sys, time; t = time.perf_counter(); import {0}; print(time.perf_counter() - t, *sys.modules)"
    seconds, *modules = call(python, "-c", code.format("optlab"), cwd=desk).split()
    heavy = {"numpy", "scipy", "cvxpy", "PEPit", "numba", "matplotlib", "sympy", "sklearn", "networkx", "rich", "pandas", "cupy"}
    assert not heavy & set(modules)
    numpy_seconds = call(python, "-c", code.format("numpy"), cwd=desk).split()[0]
    print(f"import optlab: {float(seconds):.3f} s, {float(seconds) / float(numpy_seconds):.2f} of import numpy")


TYPED = '''\
import numpy as np
from optlab import Case, Control, Guarantee, Measure, certify, cite, gradient_descent, plan, run, solve, verify, worst_case
from optlab.analysis.verdict import Verdict, Verdicts
from optlab.methods import Method
from optlab.problems import LogisticRegression, Problem, Quadratic, Smooth
from optlab.running import Trace

problem: Problem = Quadratic(np.diag([1.0, 0.1]), [1.0, 1.0])
method: Method = gradient_descent
trace: Trace = run(gradient_descent, problem, steps=10, step=0.5)
verdicts: Verdicts = verify(gradient_descent, problem, step=2.2)
first: Verdict = verdicts[0]
name: str = first.verdict
ratio: float = first.ratio
at: int = first.at
rows: int = len(plan(problem, 1e-3))
done: bool = solve(problem, gradient_descent, tol=1e-6).certified
checked: bool = bool(certify(problem))
value: float = worst_case(gradient_descent, (Smooth(1.0),), 2, step=1.0).value
'''


def test_the_public_surface_is_typed(python, desk):
    (desk / "typed.py").write_text(TYPED)
    (desk / "wrong.py").write_text("from optlab import verify\nx: int = verify(3)\n")
    mypy = [sys.executable, "-m", "mypy", "--python-executable", python, "--config-file", os.devnull,
            "--cache-dir", desk / "cache", "--ignore-missing-imports", "--check-untyped-defs"]
    call(*mypy, desk / "typed.py", cwd=desk / "problems")
    wrong = subprocess.run([*map(str, mypy), desk / "wrong.py"], capture_output=True, text=True, cwd=desk / "problems",
                           check=False)
    assert wrong.returncode == 1, "mypy sees no types: everything would pass"
    assert 'expression has type "Verdicts"' in wrong.stdout
