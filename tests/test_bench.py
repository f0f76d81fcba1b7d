"""bench: names, rows, ratios, and the tools behind them. No seconds are asserted anywhere."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from optlab.analysis import bench as module
from optlab.analysis.bench import ENTRIES, SLOW, Timing, against, bench, loosest, row, timed
from optlab.analysis.cli import main
from optlab.kernels.coordinate import coordinate_pass, coordinate_reference
from optlab.problems import Lasso, LogisticRegression
from optlab.problems.errors import ProblemError
from optlab.problems.glm import gram_eigenvalues


def test_names():
    assert set(ENTRIES) == {"import", "generator", "glm-gradient", "sgd-seeds", "lasso", "logistic", "worst-case",
                            "worst-case-50", "worst-case-80", "expectation", "verify"}
    assert set(SLOW) == {"worst-case-50", "worst-case-80"}


@pytest.mark.parametrize(("name", "hint"), [("generater", "did you mean generator"), ("xyz", "there are import, generator")])
def test_unknown_names_are_refused_before_anything_runs(name, hint, monkeypatch, capsys):
    monkeypatch.setitem(ENTRIES, "import", lambda: pytest.fail("ran"))
    with pytest.raises(ProblemError, match=f"no benchmark is called '{name}'; {hint}"):
        bench(["import", name])
    assert main(["bench", name]) == 2
    assert hint in capsys.readouterr().err


def test_cheap_entries_give_rows(tmp_path, capsys):
    out = tmp_path / "bench.json"
    assert main(["bench", "generator", "sgd-seeds", "generator", "expectation", "--json", str(out)]) == 0
    rows = json.loads(out.read_text())
    assert [r["name"] for r in rows] == ["generator"] * 3 + ["sgd-seeds"] * 5 + ["expectation"]
    for r in rows:
        assert set(r) == {"name", "what", "ours", "peer", "unit", "ratio", "limit", "compile", "note"}
        assert r["unit"] in module.UNITS
        assert all(math.isfinite(r[key]) and r[key] > 0 for key in ("ours", "peer", "ratio"))
        assert r["ratio"] == pytest.approx(r["peer"] / r["ours"])
        assert math.isfinite(r["compile"])
        assert r["compile"] >= 0
        assert r["limit"] is None or (math.isfinite(r["limit"]) and r["limit"] > 0)
    assert all(r["limit"] is not None for r in rows if r["name"] == "sgd-seeds")
    table = capsys.readouterr().out
    assert all(text in table for text in ("ratio", "of limit", "compile", "expectation", "above 1 optlab is faster"))


def test_default_leaves_the_slow_ones_out(monkeypatch):
    ran = []

    def stub(name):
        return lambda: ran.append(name) or [row(name, "stub", Timing(1.0, 0.0), None)]

    for name in ENTRIES:
        monkeypatch.setitem(ENTRIES, name, stub(name))
    rows = bench([])
    assert ran == [n for n in ENTRIES if n not in SLOW]
    assert all(r["ratio"] is None and r["peer"] is None for r in rows)
    bench(["worst-case-50"])
    assert ran[-1] == "worst-case-50"


def test_registering(monkeypatch):
    monkeypatch.setattr(module, "ENTRIES", {})
    monkeypatch.setattr(module, "SLOW", set())
    against("a")(list)
    against("b", slow=True)(list)
    assert (list(module.ENTRIES), module.SLOW) == (["a", "b"], {"b"})


def test_bodies_are_timed_in_turn_and_warmed_up():
    calls = []
    timings = timed(lambda: calls.append("a"), lambda: calls.append("b"), runs=5)
    assert calls == ["a", "b"] * 6
    assert all(t.median >= 0 and t.compile >= 0 for t in timings)


def test_ratio_is_per_unit_of_work():
    r = row("x", "x", Timing(2.0, 0.5), Timing(3.0, 0.1), "ms", per=1000, per_peer=100, limit=1e-3)
    assert (r.ours, r.peer, r.ratio, r.limit, r.compile) == pytest.approx((2.0, 30.0, 15.0, 0.5, 0.5))


def test_a_ladder_stops_at_the_first_setting_that_is_good():
    seen = []
    setting, error = loosest(lambda tol: seen.append(tol) or np.array([tol]), [1e-1, 1e-3, 1e-5], lambda x: float(x[0]) / 2, 1e-2)
    assert (setting, error, seen) == (1e-3, 5e-4, [1e-1, 1e-3])
    with pytest.raises(ProblemError, match="no setting of the ladder reaches"):
        loosest(np.array, [1.0], float, 1e-2)


def test_limits_are_positive_and_finite():
    for limit in (module.bandwidth(10**5), module.flops(64)):
        assert 0 < limit < math.inf


def test_lasso_data_is_as_said():
    X, y, lam = module.lasso_data(500, 60)
    neighbours = [np.corrcoef(X[:, j], X[:, j + 1])[0, 1] for j in range(59)]
    assert np.mean(neighbours) == pytest.approx(0.5, abs=0.05)
    assert X.flags.f_contiguous
    assert not Lasso(X, y, 10 * lam * (1 + 1e-9)).x_star.any()
    assert Lasso(X, y, 9 * lam).x_star.any()


def test_wide_problems_have_the_constants_of_their_transpose():
    """Eigenvalues come from the smaller Gram matrix; the Hessian's two forms agree."""
    B = np.random.default_rng(0).standard_normal((5, 9))
    np.testing.assert_allclose(gram_eigenvalues(B), np.linalg.eigvalsh(B.T @ B), atol=1e-12)
    np.testing.assert_allclose(gram_eigenvalues(B.T), np.linalg.eigvalsh(B @ B.T), atol=1e-12)
    p = LogisticRegression(B, np.array([1.0, -1, 1, 1, -1]), 0.1)
    x = np.random.default_rng(1).standard_normal((3, 9))
    plain = [(B.T * p.bend(B @ row, p.y)) @ B / 5 + 0.1 * np.eye(9) for row in x]
    np.testing.assert_allclose(p.hess(x), plain, atol=1e-15)


def test_a_sparse_point_has_the_residual_of_a_dense_one():
    rng = np.random.default_rng(0)
    X, y, steps = rng.standard_normal((7, 20)), rng.standard_normal(7), np.full(20, 0.05)
    x = np.zeros((3, 20))
    x[0, 3], x[2, 11] = 1.0, -2.0
    for start in (x, np.zeros(20), rng.standard_normal((3, 20))):
        order = np.broadcast_to(np.arange(20), (*start.shape[:-1], 20))
        np.testing.assert_allclose(coordinate_pass(X, y, 0.1, 0.2, start, order, steps),
                                   coordinate_reference(X, y, 0.1, 0.2, start, order, steps), atol=1e-13)
