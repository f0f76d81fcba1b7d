"""What the rate check does not see of Bubeck's monograph: geometry, constants, oracles and relaxations, against others."""

from __future__ import annotations

from itertools import islice, pairwise, product

import numpy as np
import pytest
from scipy.optimize import approx_fprime, linprog, minimize, minimize_scalar

from optlab import (
    center_of_gravity,
    ellipsoid_method,
    extragradient,
    geometric_descent,
    hyperplane_rounding,
    mirror_descent,
    path_following,
    random_walk_cutting_plane,
    run,
    saddle_mirror_descent,
    saddle_mirror_prox,
    stochastic_saddle_mirror_descent,
)
from optlab.constrained.random_walk import hit_and_run
from optlab.gradient.geometric import around_both, line_minimum
from optlab.problems import (
    BarrierProgram,
    EntropicGame,
    LogisticRegression,
    MaxAffineOnBox,
    ProblemError,
    Quadratic,
    SignProgram,
    barrier,
    entropic,
    polytopes,
    rounding,
)
from optlab.rng import Stream

RNG = np.random.default_rng(70)


# --- cutting planes --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_centroid_of_a_simplex_is_the_mean_of_its_vertices(n):
    vertices = RNG.standard_normal((n + 1, n)) * np.geomspace(1, 1e-6, n)
    inside = RNG.dirichlet(np.ones(n + 1), size=5) @ vertices
    center, hull = polytopes.centroid(np.concatenate([inside, vertices]))
    np.testing.assert_allclose(center, vertices.mean(axis=0), rtol=1e-9, atol=1e-12)
    assert len(hull) == n + 1


def test_centroid_and_cut_against_sampling():
    cube = np.array(list(product([-1.0, 1.0], repeat=3)))
    normal, through = np.array([1.0, 2.0, -0.5]), np.array([0.1, 0.0, 0.2])
    center, hull = polytopes.centroid(polytopes.cut(cube, normal, through))
    sample = RNG.uniform(-1, 1, (400_000, 3))
    kept = sample[(sample - through) @ normal <= 0]
    np.testing.assert_allclose(center, kept.mean(axis=0), atol=5e-3)
    assert ((hull - through) @ normal <= 1e-12).all()


def test_centroid_refuses_a_flat_polytope():
    with pytest.raises(ProblemError, match="vertices must span the space"):
        polytopes.centroid(np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]))


def test_a_cut_through_the_centroid_leaves_at_most_a_share_of_the_volume():
    """Gruenbaum: at most 1 - 1/e of it."""
    from scipy.spatial import ConvexHull

    p = polytopes.max_affine_on_box(3, 8, 3)
    volumes = [ConvexHull(s.vertices).volume for s in islice(center_of_gravity(p, p.x0), 8)]
    shares = np.array(volumes[1:]) / np.array(volumes[:-1])
    assert (shares <= 1 - np.exp(-1)).all()
    assert (shares >= np.exp(-1)).all()


def test_constants_of_the_cube_problem():
    p = polytopes.max_affine_on_box(3, 8, 3)
    sample = p.value(RNG.uniform(-1, 1, (20_000, 3)))
    assert np.isclose(p.value(p.vertices).max(), p.top)
    assert np.isclose(-p.f_star, p.top)
    assert p.f_star <= sample.min()
    assert sample.max() <= p.top
    with pytest.raises(ProblemError, match="M must have at most 10 columns"):
        MaxAffineOnBox(np.ones((2, 11)), np.zeros(2))


def test_ellipsoid_holds_the_half_it_was_cut_to_and_the_solution():
    p = polytopes.max_affine_on_box(5, 12, 4)
    n, states = 5, list(islice(ellipsoid_method(p, p.x0, outer=p.outer), 60))
    for a, b in pairwise(states):
        shrunk = 0.5 * (np.linalg.slogdet(b.shape)[1] - np.linalg.slogdet(a.shape)[1])
        assert shrunk <= -1 / (2 * n)
        assert (p.x_star - b.x) @ np.linalg.solve(b.shape, p.x_star - b.x) <= 1 + 1e-9
    ball = RNG.standard_normal((4000, n))
    ball *= (RNG.uniform(size=(4000, 1)) ** (1 / n)) / np.linalg.norm(ball, axis=1, keepdims=True)
    a, b = states[7], states[8]
    z = a.x + ball @ np.linalg.cholesky(a.shape).T
    w = a.x - p.project(a.x) if (a.x != p.project(a.x)).any() else p.grad(a.x)
    kept = z[(z - a.x) @ w <= 0] - b.x
    assert (np.einsum("ij,ij->i", kept @ np.linalg.inv(b.shape), kept) <= 1 + 1e-9).all()


def test_ellipsoid_runs_a_batch_like_a_loop():
    p = polytopes.max_affine_on_box(3, 8, 3)
    starts = 0.2 * RNG.standard_normal((3, 3))
    batch = list(islice(ellipsoid_method(p, starts, outer=2.0), 20))[-1]
    for i, x in enumerate(starts):
        alone = list(islice(ellipsoid_method(p, x, outer=2.0), 20))[-1]
        np.testing.assert_allclose(batch.x[i], alone.x, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(batch.shape[i], alone.shape, rtol=1e-9, atol=1e-12)


def test_hit_and_run_is_uniform_and_its_region_holds_the_solution():
    cube = polytopes.max_affine_on_box(3, 8, 3)
    normals, offsets = np.vstack([cube.normals, [1.0, 2.0, -0.5]]), np.append(cube.offsets, 0.0)
    walkers = np.zeros((2000, 3)) + RNG.uniform(-0.1, 0.1, (2000, 3)) - np.array([0.3, 0.3, 0.0])
    walkers = hit_and_run(walkers, normals, offsets, 30, Stream(1))
    assert (walkers @ normals.T <= offsets + 1e-12).all()
    center, _ = polytopes.centroid(polytopes.cut(cube.vertices, normals[-1], np.zeros(3)))
    np.testing.assert_allclose(walkers.mean(axis=0), center, atol=6 * 0.6 / np.sqrt(2000))
    last = list(islice(random_walk_cutting_plane(cube, cube.x0[None], walkers=30, moves=6, rng=Stream([4])), 25))[-1]
    assert (last.normals[0] @ cube.x_star <= last.offsets[0] + 1e-9).all()


def test_walkers_that_have_met_stay_where_they_are():
    p = polytopes.farthest_coordinate(2)
    met = np.full((5, 2), 0.3)
    np.testing.assert_array_equal(hit_and_run(met, p.normals, p.offsets, 3, Stream(0)), met)


# --- geometric descent -------------------------------------------------------------------------------------------------
def test_smallest_ball_around_two():
    """The rim of what two discs share is inside, and no smaller disc holds it."""
    p = Quadratic(np.eye(2))
    angles = np.linspace(0, 2 * np.pi, 20_000)
    around = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    for sq_a, sq_b in ((1.0, 1.2), (1.0, 0.2), (4.0, 0.3), (1.0, 6.0)):
        a, b = np.zeros(2), np.array([1.1, 0.4])
        center, sq_radius = around_both(p, a, np.array(sq_a), b, np.array(sq_b))
        rims = [c + np.sqrt(s) * around for c, s in ((a, sq_a), (b, sq_b))]
        shared = np.concatenate([rims[0][p.sq(rims[0] - b) <= sq_b], rims[1][p.sq(rims[1] - a) <= sq_a]])
        assert p.sq(shared - center).max() <= sq_radius * (1 + 1e-12)
        least = minimize(lambda c, shared=shared: p.sq(shared - c).max(), center, method="Nelder-Mead").fun
        assert least >= 0.999 * sq_radius


def test_line_search_against_scipy():
    p = LogisticRegression.from_data("breast_cancer", l2=1e-2)
    a, b = RNG.standard_normal((2, 4, *p.point_shape))
    x = line_minimum(p, a, b, p.mu, p.L)
    for i in range(4):
        best = minimize_scalar(lambda t, i=i: float(p.value(a[i] + t * (b[i] - a[i]))), tol=1e-12).fun
        assert p.value(x[i]) <= best + 1e-12 * abs(best)


def test_geometric_descent_at_the_solution_stays_there():
    p = Quadratic(np.diag([1.0, 2.0]))
    trace = run(geometric_descent, p, np.zeros(2), 5)
    np.testing.assert_array_equal(trace.x, np.zeros(2))


# --- games -------------------------------------------------------------------------------------------------------------
GAMES = [entropic.dominated_game, entropic.skewed_pennies, entropic.random_entropic_game]


@pytest.mark.parametrize("game", GAMES)
def test_game_value_and_mirror_step(game):
    p = game()
    m, n = p.sizes
    dual = linprog(np.append(np.zeros(n), -1.0), A_ub=np.hstack([-p.A, np.ones((m, 1))]), b_ub=np.zeros(m),
                   A_eq=np.append(np.ones(n), 0.0)[None], b_eq=[1.0], bounds=[(0, None)] * n + [(None, None)])
    assert np.isclose(p.game_value, -dual.fun)
    x, g = np.append(RNG.dirichlet(np.ones(m)), RNG.dirichlet(np.ones(n))), RNG.standard_normal(m + n)
    s = p.mirror(x, g)
    stationary = g + np.log(s / x)  # constant over either player's strategies
    assert np.ptp(stationary[:m]) < 1e-10
    assert np.ptp(stationary[m:]) < 1e-10


def test_saddle_mirror_descent_is_mirror_descent_of_each_player():
    p = entropic.random_entropic_game()
    z = list(islice(saddle_mirror_descent(p, p.x0, step=0.3, a=2.0, b=0.5), 4))

    class Rows:
        def mirror(self, x, g):
            return p.mirror(np.append(x, p.x0[10:]), np.append(g, np.zeros(7)))[:10]

        column = staticmethod(lambda s: s)

    for before, after in pairwise(z):
        rows = Rows()
        rows.grad = lambda x, before=before: p.A @ before[10:]
        np.testing.assert_allclose(list(islice(mirror_descent(rows, before[:10], step=0.15), 2))[1], after[:10], rtol=1e-12)


def test_saddle_mirror_prox_is_extragradient_in_another_geometry():
    """With Euclidean mirror steps it is extragradient, point by point."""
    p = entropic.random_entropic_game()

    class Euclidean(EntropicGame):
        def mirror(self, x, g):
            return self.project(x - g)

    q = Euclidean(p.A)
    ours = list(islice(saddle_mirror_prox(q, q.x0, step=0.2, a=1.0, b=1.0), 6))
    theirs = list(islice(extragradient(q, q.x0, step=0.2), 6))
    for s, t in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(s.half, t.half, atol=1e-14)


def test_sampled_operator_is_unbiased_and_reads_one_row_and_one_column():
    p = entropic.random_entropic_game()
    x = np.append(RNG.dirichlet(np.ones(10)), RNG.dirichlet(np.ones(7)))
    draws = p.stochastic_operator(np.broadcast_to(x, (200_000, 17)), Stream(np.arange(200_000)))
    np.testing.assert_allclose(draws.mean(axis=0), p.operator(x), atol=0.01)
    trace = run(stochastic_saddle_mirror_descent, p, steps=50, record=())
    assert trace.calls["entries"][-1] == 50 * (10 + 7)


def test_dual_norm_constants_are_met():
    """B_dual and sigma_dual are second moments, attained by enumeration; L_l1 by the worst pair of vertices."""
    p = entropic.mean_absolute_on_simplex()
    x = p.x0
    terms = np.array([p.component_grad(x, np.array(i)) for i in range(10)])
    assert np.isclose(np.mean(np.abs(terms).max(axis=1) ** 2), p.B_dual**2)
    np.testing.assert_allclose(terms.mean(axis=0), p.grad(x), atol=1e-12)
    noisy = entropic.SignNoise(entropic.near_vertex_quadratic(), 0.5)
    off = noisy.stochastic_grad(np.zeros((4096, 6)), Stream(np.arange(4096))) - noisy.grad(np.zeros(6))
    assert np.allclose(np.abs(off).max(axis=1), 0.5)
    assert np.abs(off.mean(axis=0)).max() < 0.05
    for q in (entropic.near_vertex_quadratic(), entropic.random_quadratic_on_simplex()):
        shares = [np.abs(q.grad(x) - q.grad(y)).max() / 2 for x in np.eye(q.dim) for y in np.eye(q.dim)]
        assert np.isclose(max(shares), q.L_l1)
        x, y = RNG.dirichlet(np.full(q.dim, 0.3), size=(2, 2000))
        assert (np.abs(q.grad(x) - q.grad(y)).max(axis=1) <= q.L_l1 * np.abs(x - y).sum(axis=1) * (1 + 1e-12)).all()


# --- path following ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("p", [barrier.corner_program(), barrier.random_program()], ids=str)
def test_barrier_oracles_and_start(p):
    x = p.x0 + 0.01 * RNG.standard_normal(p.dim)
    np.testing.assert_allclose(p.barrier_grad(x), approx_fprime(x, p.barrier, 1e-7), rtol=1e-3, atol=1e-3)
    columns = [approx_fprime(x, lambda z, i=i: p.barrier_grad(z)[i], 1e-7) for i in range(p.dim)]
    np.testing.assert_allclose(p.barrier_hess(x), columns, rtol=1e-3, atol=1e-3)
    assert np.abs(p.barrier_grad(p.x0)).max() < 1e-10
    assert np.isclose(p.decrement(p.x0, p.weight0), 0.25)
    g, H = p.barrier_grad(x), p.barrier_hess(x)  # nu: the barrier's parameter, g' H^-1 g <= nu
    assert g @ np.linalg.solve(H, g) <= p.nu
    assert (p.A @ p.x_star <= p.b + 1e-9).all()


def test_path_following_stays_inside_and_reaches_the_solution():
    p = barrier.random_program()
    states = list(islice(path_following(p, p.x0, growth=1 + 1 / (13 * np.sqrt(p.nu))), 1500))
    assert all(np.isfinite(p.value(s.x)) for s in states)
    assert p.value(states[-1].x) - p.f_star < 1e-6


def test_a_barrier_program_must_be_bounded_and_have_interior():
    with pytest.raises(ProblemError, match="linear program with a solution"):
        BarrierProgram([[1.0, 0.0], [0.0, 1.0]], [1.0, 1.0], [1.0, 1.0])
    with pytest.raises(ProblemError, match="interior points"):
        BarrierProgram([[1.0], [-1.0]], [0.0, 0.0], [1.0])


# --- rounding ----------------------------------------------------------------------------------------------------------
FORMS = [rounding.cycle_cut, rounding.random_cut, rounding.sphere_form]


@pytest.mark.parametrize("form", FORMS)
def test_relaxation_is_solved_and_rounding_has_its_exact_expectation(form):
    p = form()
    assert p.relaxed <= p.ceiling <= p.relaxed * (1 + 1e-6)
    np.testing.assert_allclose((p.vectors**2).sum(axis=1), 1)
    signs = hyperplane_rounding(p, np.broadcast_to(p.vectors, (20_000, *p.point_shape)), rng=Stream(np.arange(20_000))).signs
    values = p.form(signs)
    assert abs(values.mean() - p.expected()) <= 5 * values.std() / np.sqrt(20_000) + 1e-7 * p.ceiling  # and the solver's accuracy
    assert values.max() <= p.ceiling


def test_known_cuts():
    cycle = rounding.cycle_cut()
    assert np.isclose(cycle.relaxed, 5 * (1 + np.cos(np.pi / 5)) / 2)
    assert np.isclose(cycle.expected(), 4.0)
    p = rounding.random_cut()
    every = np.array(list(product([-1.0, 1.0], repeat=9)))
    assert 0.87856 * p.ceiling <= p.expected() <= p.form(every).max() <= p.ceiling


def test_sign_programs_refuse_what_the_theorems_do_not_cover():
    with pytest.raises(ProblemError, match="positive semidefinite"):
        SignProgram(np.array([[0.0, 1.0], [1.0, 0.0]]))
    with pytest.raises(ProblemError, match="weights must be a symmetric nonnegative"):
        SignProgram.max_cut(np.array([[0.0, -1.0], [-1.0, 0.0]]))
