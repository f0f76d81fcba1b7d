"""Worst instances as problems: the method that runs on one meets the value that the program found."""

import numpy as np
import pytest

pytest.importorskip("PEPit")

import optlab
from optlab import average, best, suboptimality, worst_case
from optlab.analysis.instance import Hull, Piece
from optlab.analysis.symbolic import SymbolicError
from optlab.measures import point
from optlab.problems.assumptions import (
    Compact,
    Convex,
    Lipschitz,
    Nonexpansive,
    Smooth,
    SmoothPart,
    StronglyConvex,
    StronglyConvexPart,
)

SMOOTH = (Smooth(L=1.0), Convex())
COMPOSITE = (SmoothPart(L=1.0), Convex())
LIPSCHITZ = (Convex(), Lipschitz(G=1.0))


def reached(w, method, steps, **params):
    """Values of the iterates of the method on its own worst instance."""
    problem, x0 = w.instance()
    trace = optlab.run(method, problem, x0, steps, record=[suboptimality, "iterates"], **{**w.params, **params})
    return problem, x0, trace


@pytest.mark.parametrize(("method", "stated", "steps"), [
    (optlab.gradient_descent, SMOOTH, 4),
    (optlab.nesterov, SMOOTH, 3),
    (optlab.gradient_descent, (Smooth(1.0), StronglyConvex(0.1)), 3),
    (optlab.nesterov_strongly_convex, (Smooth(2.0), StronglyConvex(0.1)), 3),
])
def test_the_worst_smooth_function_meets_the_value(method, stated, steps):
    w = worst_case(method, stated, steps, measure=suboptimality)
    worst_case(optlab.gradient_descent, SMOOTH, 1)  # another program in between
    problem, x0, trace = reached(w, method, steps)
    assert trace["f(x) - f*"][-1] == pytest.approx(w.value, rel=1e-5)
    assert np.linalg.norm(x0) == pytest.approx(1.0, rel=1e-5)
    assert np.all(problem.grad(problem.x_star) == pytest.approx(0, abs=5e-6))
    # it is in its class, on a batch of points
    x, y = np.random.default_rng(0).standard_normal((2, 20, *problem.point_shape))
    gx, gy, L, mu = problem.grad(x), problem.grad(y), problem.L, getattr(problem, "mu", 0.0)
    below = (problem.value(y) + problem.inner(gy, x - y) + mu / 2 * problem.sq(x - y)
             + problem.sq(gx - gy - mu * (x - y)) / (2 * (L - mu)))
    assert np.all(problem.value(x) >= below - 1e-6)
    h, known = 1e-5, 1e-11  # pieces that coincide do so to the accuracy of the instance's values
    slope = (problem.value(x + h * y) - problem.value(x - h * y)) / (2 * h)
    # curvature may jump from mu to L within h; values known to 1e-11 tell slopes to sqrt(2 L 1e-11)
    allowed = L * h * problem.sq(y) + np.sqrt(2 * L * known) * problem.norm(y) + known / h
    assert np.all(np.abs(slope - problem.inner(gx, y)) <= allowed)


@pytest.mark.parametrize(("method", "stated", "steps", "options"), [
    (optlab.proximal_gradient, COMPOSITE, 3, {}),
    (optlab.proximal_gradient, (*COMPOSITE, StronglyConvexPart(0.1)), 3, dict(step=1.0)),
    (optlab.fista, COMPOSITE, 4, {}),
    (optlab.frank_wolfe, (*COMPOSITE, Compact(D=1.0)), 4, {}),
    (optlab.proximal_point, (Convex(),), 3, dict(step=1.0)),
])
def test_worst_sums_and_sets_meet_the_value(method, stated, steps, options):
    w = worst_case(method, stated, steps, measure=suboptimality, **options)
    problem, _, trace = reached(w, method, steps)
    assert trace["f(x) - f*"][-1] == pytest.approx(w.value, rel=1e-4)
    x = np.random.default_rng(0).standard_normal((50, *problem.point_shape))
    if problem.h is not None and hasattr(problem, "lmo"):
        x = problem.project(x)
    assert np.min(problem.value(x)) >= -1e-5  # the origin is the solution, with value 0


@pytest.mark.parametrize("fold", [average, best])
def test_the_worst_lipschitz_function_meets_the_value(fold):
    """Subgradients at kinks are those that the program chose."""
    w = worst_case(optlab.projected_subgradient, LIPSCHITZ, 4, at=fold, step=0.5)
    problem, _, trace = reached(w, optlab.projected_subgradient, 4)
    met = np.array([point(state) for state in trace.iterates[:4]])
    value = np.min(problem.value(met)) if fold is best else problem.value(np.mean(met, axis=0))
    assert value == pytest.approx(w.value, rel=1e-4)
    elsewhere = np.random.default_rng(0).standard_normal((50, *problem.point_shape))
    assert np.max(problem.norm(problem.grad(elsewhere))) < 1 + 1e-5


def test_oracles_of_pieces_and_hulls_against_their_definitions():
    rng = np.random.default_rng(1)
    points, slopes, values = rng.standard_normal((4, 3)), rng.standard_normal((4, 3)), rng.standard_normal(4)
    x, step = rng.standard_normal((5, 3)), 0.7
    for constants in ({}, dict(L=2.0), dict(L=2.0, mu=0.3)):
        part = Piece(points, slopes, values, **constants)
        p = part.prox(x, step)
        residual = (x - p) / step  # a subgradient at p: f(y) >= f(p) + <residual, y - p> for all y
        y = rng.standard_normal((200, 1, 3))
        gap = part.value(y) - part.value(p) - np.sum(residual * (y - p), axis=-1)
        assert gap.min() > -1e-7
    maximum = Piece(points, slopes, values).value(x)
    assert maximum == pytest.approx(np.max(values + np.sum(slopes * (x[:, None] - points), axis=-1), axis=-1))
    hull = Hull(points, slopes)
    inside = hull.prox(x)
    assert np.all(np.sum((x - inside)[:, None] * (points - inside[:, None]), axis=-1) < 1e-7)
    assert hull.lmo(x) == pytest.approx(points[np.argmin(x @ points.T, axis=-1)])


def test_other_classes_have_no_runnable_instance():
    w = worst_case(optlab.halpern, (Nonexpansive(),), 2, measure=optlab.sq_residual, anchoring=lambda k: 1 / (k + 2))
    with pytest.raises(SymbolicError, match="one convex function, or a sum of two"):
        w.instance()
