"""Proofs as tables: the multipliers of worst cases, against the ones of the literature and against their own identity."""

import json

import numpy as np
import pytest
from PEPit import PEP
from PEPit.functions import SmoothConvexFunction

import optlab
from optlab import sq_distance, suboptimality, worst_case
from optlab.analysis.cli import main
from optlab.problems.assumptions import Convex, Nonexpansive, Smooth, SmoothPart, StronglyConvex

SMOOTH = (Smooth(1.0), Convex())


def weights(proof):
    return {label: float(multiplier) for multiplier, label in proof.rows()}


@pytest.mark.parametrize("N", [1, 3, 4, 7])
def test_gradient_descent_is_proved_as_by_drori_and_teboulle(N):
    """Multipliers i / (2N + 1 - i) between neighbours, and their differences towards x* (Drori, Teboulle 2014, Thm 3.1)."""
    proof = worst_case(optlab.gradient_descent, SMOOTH, N, measure=suboptimality).proof()
    chain = [i / (2 * N + 1 - i) for i in range(1, N + 1)]
    expected = {f"f: smoothness convexity (x{i}, x{i + 1})": chain[i] for i in range(N)}
    expected |= {f"f: smoothness convexity (x*, x{i})": after - before
                 for i, (before, after) in enumerate(zip([0.0, *chain], [*chain, 1.0], strict=True))}
    expected["Initial condition"] = 1 / (4 * N + 2)
    assert weights(proof) == pytest.approx(expected, abs=1e-4)
    assert proof.value == pytest.approx(1 / (4 * N + 2), rel=1e-6)
    assert proof.error < 1e-6


def test_strongly_convex_distance_is_one_step_repeated():
    """||x1 - x*||^2 <= (1 - mu)^2 ||x0 - x*||^2 by the two inequalities between x0 and x*, alike."""
    proof = worst_case(optlab.gradient_descent, (Smooth(1.0), StronglyConvex(0.1)), 1, measure=sq_distance, step=1.0).proof()
    w = weights(proof)
    assert w.pop("Initial condition") == pytest.approx(0.81, rel=1e-5)
    assert len(w) == 2
    assert list(w.values()) == pytest.approx([1.8, 1.8], rel=1e-4)  # 2 step (1 - step mu)


@pytest.mark.parametrize(("method", "stated", "options"), [
    (optlab.nesterov, SMOOTH, {}), (optlab.proximal_gradient, (SmoothPart(1.0), Convex()), {}),
    (optlab.halpern, (Nonexpansive(),), dict(anchoring=lambda k: 1 / (k + 2), measure=optlab.sq_residual)),
])
def test_short_proofs_prove_the_same_with_fewer_lines(method, stated, options):
    w = worst_case(method, stated, 3, **options)
    long, short = w.proof(short=False), w.proof()
    assert len(short.lines) < len(long.lines) or method is optlab.halpern  # whose multipliers are unique
    for proof in (long, short):
        assert proof.value == pytest.approx(w.value, rel=1e-5)
        assert np.linalg.eigvalsh(proof.slack)[0] > -1e-6
        assert all(m.value > 0 for m in proof.lines if m.kind == "inequality")


def test_a_proof_is_a_table_everywhere(capsys, tmp_path):
    proof = worst_case(optlab.gradient_descent, SMOOTH, 1, measure=suboptimality).proof()
    text, page = str(proof), proof._repr_html_()
    assert "f(x) - f* of gradient_descent after 1 step <= 0.16666667, by 4 inequalities and 2 squares" in text
    assert text.count("\n") == 4
    assert page.count("<tr>") == 5
    assert "f: smoothness convexity (x*, x0)" in page
    target = tmp_path / "w.json"
    assert main(["worst-case", "halpern", "--steps", "2", "--proof", "--json", str(target)]) == 0
    assert "Initial condition" in capsys.readouterr().out
    kept = [row["proof"] for row in json.loads(target.read_text()) if "proof" in row]
    assert kept[0]["lines"][0].keys() == {"inequality", "kind", "multiplier"}


def test_nothing_is_proved_of_an_unbounded_program():
    w = worst_case(optlab.gradient_descent, (Convex(),), 2, step=1.0)
    assert not np.isfinite(w.value)
    with pytest.raises(ValueError, match="there is no proof: the program ended"):
        w.proof()


# --- PEPit's own interface ---------------------------------------------------------------------------------------
def by_hand(steps, **options):
    pep = PEP()
    f = pep.declare_function(SmoothConvexFunction, L=1.0)
    x_star, x = f.stationary_point(), pep.set_initial_point()
    pep.set_initial_condition((x - x_star) ** 2 <= 1)
    for _ in range(steps):
        x = x - f.gradient(x)
    pep.set_performance_metric(f(x) - f(x_star))
    return pep, pep.solve(verbose=0, **options)


@pytest.mark.parametrize("reduction", [None, "trace", "logdet2"])
def test_peps_are_solved_by_the_wrapper_as_by_cvxpy(reduction, capsys):
    import optlab.analysis.pepit  # noqa: F401  (registers the wrapper)

    options = dict(dimension_reduction_heuristic=reduction)
    theirs_pep, theirs = by_hand(4, wrapper="cvxpy", solver="CLARABEL", **options)
    rank = np.linalg.matrix_rank(theirs_pep.G_value, tol=1e-3)
    pep, ours = by_hand(4, wrapper="optlab", **options)
    assert ours == pytest.approx(theirs, rel=1e-6)
    assert ours == pytest.approx(1 / 18, rel=1e-6)
    assert np.linalg.matrix_rank(pep.G_value, tol=1e-3) == rank
    duals = [c.eval_dual() for c in pep._list_of_prepared_constraints]
    assert min(duals) >= 0
    assert np.linalg.eigvalsh(pep.residual)[0] > -1e-7
    assert (pep.wrapper_name, pep.wrapper.solver_name) == ("optlab", "CLARABEL")


@pytest.mark.parametrize("where", ["gradient_exact_line_search", "gradient_descent_quadratics"])
def test_equalities_and_matrices_go_through_the_wrapper(where, capsys):
    """Equality constraints (line search) and LMIs (quadratics), with PEPit's own feasibility report."""
    import importlib

    import optlab.analysis.pepit  # noqa: F401

    module = importlib.import_module(f"PEPit.examples.unconstrained_convex_minimization.{where}")
    arguments = dict(L=1, mu=0.1, n=2) if "search" in where else dict(L=3, mu=0.3, gamma=1 / 3, n=3)
    values = [getattr(module, f"wc_{where}")(**arguments, verbose=1, **solver)[0]
              for solver in (dict(wrapper="optlab"), dict(wrapper="cvxpy", solver="CLARABEL"))]
    assert values[0] == pytest.approx(values[1], rel=1e-6)
    report = capsys.readouterr().out
    assert "proof is perfectly reconstituted" in report
    assert "duality gap seems surprisingly large" not in report


def test_an_unbounded_program_has_no_value_in_peps_words():
    import optlab.analysis.pepit  # noqa: F401

    pep = PEP()
    f = pep.declare_function(SmoothConvexFunction, L=1.0)
    x = pep.set_initial_point()
    pep.set_initial_condition((x - f.stationary_point()) ** 2 >= 1)
    pep.set_performance_metric(f.gradient(x) ** 2)
    assert pep.solve(verbose=0, wrapper="optlab") is None
