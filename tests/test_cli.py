"""The command line: what it teaches, writes, refuses, and how it ends."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from optlab import gradient_descent
from optlab.analysis.cli import main


def ran(capsys, *argv):
    """(exit code, standard output, standard error) of a command in this process."""
    try:
        code = main([str(a) for a in argv])
    except SystemExit as end:  # argparse
        code = end.code
    seen = capsys.readouterr()
    return code, seen.out, seen.err


def refused(capsys, *argv):
    """The one sentence of a refused command."""
    code, out, err = ran(capsys, *argv)
    assert code == 2
    assert out == ""
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    return lines[0]


@pytest.fixture
def libsvm(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 4))
    y = np.where(X[:, 0] + 0.5 * rng.standard_normal(40) > 0, 1, -1)
    lines = [f"{label:+d} " + " ".join(f"{j + 1}:{v:.6f}" for j, v in enumerate(row)) for label, row in zip(y, X, strict=True)]
    path = tmp_path / "mine.svm"
    path.write_text("\n".join(lines) + "\n")
    return path


# --- help -----------------------------------------------------------------------------------------------------
def test_help_teaches(capsys):
    code, out, _ = ran(capsys, "--help")
    assert code == 0
    for word in ("verify", "worst-case", "plan", "solve", "list", "papers", "bench", "examples:", "exit codes", "--data"):
        assert word in out
    code, out, _ = ran(capsys, "verify", "--help")
    assert code == 0
    for word in ("--json", "--html", "--record", "--full", "--l2", "LIBSVM"):
        assert word in out
    code, out, _ = ran(capsys, "--version")
    assert code == 0
    assert out.startswith("optlab ")


def test_no_command_or_an_unknown_option_exits_2(capsys):
    assert ran(capsys)[0] == 2
    code, _, err = ran(capsys, "verify", "--nonsense")
    assert code == 2
    assert "--nonsense" in err


# --- verify ---------------------------------------------------------------------------------------------------
FIELDS = {"method", "guarantee", "source", "problem", "mode", "verdict", "ratio", "at", "replicates", "seconds"}


def test_verify_writes_json_and_atlas(capsys, tmp_path):
    file, folder = tmp_path / "sub" / "verdicts.json", tmp_path / "report"
    code, out, err = ran(capsys, "verify", "gradient_descent", "--json", file, "--html", folder)
    assert code == 0, err
    rows = json.loads(file.read_text())
    assert len(rows) == len(gradient_descent.guarantees)
    for row in rows:
        assert set(row) >= FIELDS
        assert row["verdict"] == "holds"
        assert row["controls"]
        assert all(c["seen"] for c in row["controls"])
    assert f"{len(rows)} holds" in out
    assert "gradient_descent" in (folder / "index.html").read_text()
    assert [f for f in file.parent.iterdir() if f != file] == [], "temporary files were left"


def test_verify_a_paper_by_its_row_and_by_its_key(capsys, tmp_path):
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    assert ran(capsys, "verify", "29", "--jobs", 1, "--json", a)[0] == 0
    assert ran(capsys, "verify", _key(29), "--jobs", 1, "--json", b)[0] == 0
    read = [[(r["method"], r["guarantee"], r["verdict"]) for r in json.loads(f.read_text())] for f in (a, b)]
    assert read[0] == read[1]
    assert ("gradient_descent", "holds") in {(m, v) for m, _, v in read[0]}


def _key(row):
    from optlab.analysis.papers import catalogue

    return next(p["key"] for p in catalogue() if p["id"] == row)


@pytest.mark.parametrize("kind", ["svm", "svm.gz", "csv", "npz"])
def test_verify_on_the_users_data(capsys, tmp_path, libsvm, kind):
    from optlab.problems import load_data

    data = load_data(libsvm)
    path = tmp_path / f"data.{kind}"
    if kind == "csv":
        path.write_text("a,b,c,d,label\n" + "\n".join(",".join(map(str, [*x, y])) for x, y in zip(data.X, data.y, strict=True)))
    elif kind == "npz":
        np.savez(path, X=data.X, y=data.y)
    else:
        path.write_bytes(gzip.compress(libsvm.read_bytes()) if kind.endswith("gz") else libsvm.read_bytes())
    out = tmp_path / "v.json"
    code, shown, err = ran(capsys, "verify", "gradient_descent", "--data", path, "--loss", "logistic", "--l2", 0.05,
                           "--json", out)
    assert code == 0, err
    rows = json.loads(out.read_text())
    assert {r["verdict"] for r in rows} == {"holds"}
    assert {r["problem"] for r in rows} == {f"LogisticRegression(data.{kind})"}
    assert "LogisticRegression" in shown


@pytest.mark.parametrize(("loss", "option", "problem"), [
    ("squared", ("--l2", 0.1), "LeastSquares"), ("huber", ("--l2", 0.1), "HuberRegression"), ("lasso", (), "Lasso"),
    ("lasso", ("--l1", 0.05), "Lasso")])
def test_every_loss(capsys, tmp_path, libsvm, loss, option, problem):
    out = tmp_path / "v.json"
    code, _, err = ran(capsys, "verify", "gradient_descent", "fista", "--jobs", 1, "--data", libsvm, "--loss", loss, *option,
                       "--json", out)
    assert code == 0, err
    rows = json.loads(out.read_text())
    assert rows
    assert all(problem in r["problem"] and r["verdict"] == "holds" for r in rows)


@pytest.mark.parametrize(("text", "sentence"), [
    ("+1 1:0.5 2:nan\n-1 1:1 2:1\n", "line 1: the value of '2:nan' is not a finite number"),
    ("+1 1:0.5\n-1 1:1\n+1 1=2\n", "line 3: '1=2' is not index:value"),
    ("+1 1:0.5\nspam 1:1\n", "line 2: the label 'spam' is not a number"),
    ("+1 2:0.5 1:3\n-1 1:1\n", "line 1: index 1 follows 2"),
    ("+1 1:0.5\n+1 1:1\n", "y holds 1 distinct label (1), and a two-class problem wants exactly 2"),
    ("", "the file holds no sample"),
    (None, "there is no such file"),
])
def test_data_errors_are_one_sentence_with_file_and_line(capsys, tmp_path, text, sentence):
    path, out, folder = tmp_path / "bad.svm", tmp_path / "v.json", tmp_path / "report"
    if text is not None:
        path.write_text(text)
    said = refused(capsys, "verify", "gradient_descent", "--data", path, "--loss", "logistic", "--json", out, "--html", folder)
    assert said.startswith("optlab verify: ")
    assert "bad.svm" in said
    assert sentence in said
    assert not out.exists()
    assert not folder.exists()


@pytest.mark.parametrize(("argv", "sentence"), [
    (("verify", "gradient_desent"), "no method, family or paper with guarantees is called 'gradient_desent'; did you mean"),
    (("verify", "zzz"), "`optlab list` shows all"),
    (("list", "zzz"), "no method, family or paper with guarantees is called 'zzz'"),
    (("papers", "zzz"), "no paper 'zzz': rows have ids 1 to 206"),
    (("verify", "gradient_descent", "--loss", "logistic"), "describe a problem on --data FILE, which is missing"),
    (("verify", "gradient_descent", "--l2", "0.1"), "describe a problem on --data FILE, which is missing"),
    (("verify", "--record", "--data", "iris"), "--record speaks of the project's own cases"),
    (("verify", "gradient_descent", "--data", "brest_cancer"), "did you mean 'breast_cancer'"),
    (("verify", "gradient_descent", "--data", "iris", "--loss", "logistic"), "3 distinct labels"),
    (("plan", "--data", "diabetes", "--l1", "0.1"), "--l1 belongs to --loss lasso"),
    (("plan", "--data", "diabetes", "--loss", "lasso", "--l2", "0.1"), "--l2 does not belong to --loss lasso"),
    (("plan", "--l2", "-1"), "must be positive and finite, got -1"),
    (("plan", "--eps", "0"), "eps must be a positive number"),
    (("solve", "--tol", "-1"), "tol must be a positive number"),
    (("solve", "--method", "sgd"), "sgd is random"),
    (("solve", "--method", "gradient"), "solve wants one method, 'gradient' names"),
    (("worst-case", "gradient", "--steps", "1"), "worst-case wants one method, 'gradient' names"),
    (("worst-case", "gradient_descent", "--steps", "0"), "--steps must be at least 1, got 0"),
    (("worst-case", "conjugate_gradient", "--steps", "2"), "conjugate_gradient branches on values or takes norms"),
    (("verify", "gradient_descent", "--json", "/dev/null/x/v.json"), "cannot write /dev/null/x/v.json"),
    (("verify", "gradient_descent", "--json", "/"), "cannot write /: it is a folder"),
    (("verify", "gradient_descent", "--html", "/dev/null"), "cannot write /dev/null: it is no folder"),
    (("verify", "gradient_descent", "--html", "/dev/null/x"), "cannot write /dev/null/x"),
])
def test_bad_use_exits_2_with_one_sentence(capsys, argv, sentence):
    assert sentence in refused(capsys, *argv)


def test_a_violation_exits_1(capsys, tmp_path, monkeypatch):
    from dataclasses import replace

    first = gradient_descent.guarantees[0]
    monkeypatch.setattr(gradient_descent, "guarantees", (replace(first, bound=lambda k, L, R: 0.1 * L * R**2 / (4 * k + 2)),))
    out = tmp_path / "v.json"
    code, shown, _ = ran(capsys, "verify", "gradient_descent", "--jobs", 1, "--json", out)
    assert code == 1
    assert [r["verdict"] for r in json.loads(out.read_text())] == ["violated"]
    assert "1 violated" in shown


# --- the other commands -----------------------------------------------------------------------------------------
def test_worst_case_of_gradient_descent(capsys, tmp_path):
    out = tmp_path / "w.json"
    code, shown, _ = ran(capsys, "worst-case", "gradient_descent", "--steps", 10, "--json", out)
    assert code == 0
    row = next(r for r in json.loads(out.read_text()) if r["source"].startswith("29.1"))
    assert row["value"] == pytest.approx(1 / 42, rel=1e-5)  # L R^2 / (4 K + 2)
    assert row["bound"] == pytest.approx(1 / 42, rel=1e-12)
    assert row["exact"]
    assert row["steps"] == 10
    assert "exact" in shown


def test_plan(capsys, tmp_path):
    out = tmp_path / "p.json"
    code, shown, _ = ran(capsys, "plan", "--data", "diabetes", "--loss", "squared", "--l2", 0.01, "--eps", 1e-6, "--json", out)
    assert code == 0
    rows = {r["method"]: r for r in json.loads(out.read_text())}
    assert rows["gradient_descent"]["steps"] > rows["nesterov_strongly_convex"]["steps"] > 1
    assert rows["gradient_descent"]["parameters"]["step"] > 0
    assert "gradient_descent" in shown


def test_solve(capsys, tmp_path, libsvm):
    out = tmp_path / "s.json"
    code, shown, err = ran(capsys, "solve", "--data", libsvm, "--method", "gradient_descent", "--tol", 1e-8, "--json", out)
    assert code == 0, err
    answer = json.loads(out.read_text())
    assert answer["certified"]
    assert answer["gap"] <= 1e-8
    assert len(answer["x"]) == 4
    assert "certified" in shown


def test_list(capsys):
    code, out, _ = ran(capsys, "list", "gradient")
    assert code == 0
    assert "gradient_descent" in out
    assert "guarantees" in out


def test_papers(capsys, tmp_path):
    code, out, _ = ran(capsys, "papers")
    assert code == 0
    assert "of 206 papers work" in out
    assert "of 830 items are settled" in out
    code, out, _ = ran(capsys, "papers", "29", "--json")
    assert code == 0
    assert [r["id"] for r in json.loads(out)] == [29]
    file = tmp_path / "p.json"
    assert ran(capsys, "papers", "--json", file)[0] == 0
    assert len(json.loads(file.read_text())) == 206
    code, out, _ = ran(capsys, "papers", "29")
    assert code == 0
    assert "gradient_descent" in out or "not yet" in out


# --- interrupts -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_writes_the_finished_verdicts(tmp_path, jobs):
    out = tmp_path / "v.json"
    process = subprocess.Popen([sys.executable, "-m", "optlab.analysis.cli", "verify", "gradient", "stochastic", "sampling",
                                "variational", "--full", "--jobs", str(jobs), "--json", str(out)],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
                               env=os.environ | {"PYTHONUNBUFFERED": "1"})
    try:
        time.sleep(7)
        assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the command and its workers
        shown, err = process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    rows = json.loads(out.read_text())
    assert f"interrupted: {len(rows)} finished verdicts kept" in err
    assert all(r["verdict"] == "holds" for r in rows)
    assert "guarantees of" in shown
