"""Vaidya's method and sampled centres beyond the rate check: geometry against direct formulas, containment, calls."""

from __future__ import annotations

from itertools import islice, pairwise

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize
from scipy.spatial import ConvexHull, HalfspaceIntersection

from optlab import random_walk_cutting_plane, run, sampled_center_of_gravity, volumetric_cutting_plane
from optlab.constrained.random_walk import box_of, from_center
from optlab.constrained.volumetric import cut_behind
from optlab.problems import CornerSimplex, FarthestCoordinate, ProblemError, polytopes
from optlab.rng import Stream

RNG = np.random.default_rng(73)


def random_polytope(n, m, seed):
    """m random half-spaces around 0, within the cube [-2, 2]^n."""
    rng = np.random.default_rng(seed)
    normals = np.vstack([np.eye(n), -np.eye(n), rng.standard_normal((m, n))])
    return normals, np.concatenate([np.full(2 * n, 2.0), rng.uniform(0.5, 2, m)])


@pytest.mark.parametrize("n", [1, 2, 4, 7])
def test_leverage_scores_against_the_direct_formula(n):
    normals, offsets = random_polytope(n, 5, n)
    x = 0.1 * RNG.standard_normal(n)
    slack = offsets - normals @ x
    hessian = sum(np.outer(a, a) / s**2 for a, s in zip(normals, slack, strict=True))
    direct = [a @ np.linalg.inv(hessian) @ a / s**2 for a, s in zip(normals, slack, strict=True)]
    sigma = polytopes.leverage(normals, offsets, x)
    np.testing.assert_allclose(sigma, direct, rtol=1e-12)
    assert np.isclose(sigma.sum(), n)
    assert np.isclose(polytopes.volumetric_barrier(normals, offsets, x), np.linalg.slogdet(hessian)[1] / 2)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_volumetric_center_minimizes_the_barrier(n):
    normals, offsets = random_polytope(n, 6, 10 + n)

    def v(z):
        return polytopes.volumetric_barrier(normals, offsets, z)

    center = polytopes.volumetric_center(normals, offsets, np.zeros(n))
    assert np.abs(approx_fprime(center, v, 1e-7)).max() < 1e-5
    assert minimize(v, center + 0.05, method="Nelder-Mead", options=dict(xatol=1e-10, fatol=1e-14)).fun >= v(center) - 1e-12
    sigma = polytopes.leverage(normals, offsets, center)  # the gradient: sum of sigma_i a_i / s_i
    assert np.abs((sigma / (offsets - normals @ center)) @ normals).max() < 1e-12
    again = polytopes.volumetric_center(normals, offsets, center + 0.3 * (normals[0] > 0) * (offsets[0] - center[0]) / 2)
    np.testing.assert_allclose(again, center, atol=1e-12)


def test_center_of_a_half_line_is_refused():
    with pytest.raises(ProblemError, match="the polytope must be bounded"):
        polytopes.volumetric_center(np.array([[1.0]]), np.array([1.0]), np.zeros(1))


def test_a_cut_has_the_leverage_asked_for_and_raises_the_barrier_by_it():
    """v+(x) = v(x) + log(1 + s)/2 at the same point: the identity that Theorem 2.7 starts from."""
    p = polytopes.max_affine_on_box(3, 8, 3)
    x = polytopes.volumetric_center(p.normals, p.offsets, p.x0)
    normals, offsets = cut_behind(p, x, p.normals, p.offsets, 0.07)
    before, after = (polytopes.volumetric_barrier(*c, x) for c in ((p.normals, p.offsets), (normals, offsets)))
    assert np.isclose(after - before, np.log1p(0.07) / 2, rtol=1e-12)
    assert np.isclose(polytopes.leverage(normals, offsets, x)[-1], 0.07 / 1.07, rtol=1e-12)


@pytest.mark.parametrize(("n", "steps"), [(1, 250), (2, 500), (4, 300)])
def test_vaidya_keeps_what_is_better_and_few_constraints(n, steps):
    p, small = polytopes.max_affine_on_box(n, 7, n), 0.006
    sample = np.concatenate([p.x_star[None], p.vertices, RNG.uniform(-1, 1, (2000, n))])
    values, lowest, cuts = p.value(sample), np.inf, 0
    for before, after in pairwise(islice(volumetric_cutting_plane(p, p.x0, small=small), steps)):
        sigma = polytopes.leverage(before.normals, before.offsets, before.x)
        cut = sigma.min() >= small
        assert len(after.offsets) - len(before.offsets) == (1 if cut else -1)
        assert not cut or len(before.offsets) <= n / small
        cuts += cut
        if cut and np.abs(before.x).max() <= 1:
            lowest = min(lowest, p.value(before.x))
        better = sample[values < lowest - 1e-12]
        assert (better @ after.normals.T <= after.offsets + 1e-9).all()
    assert (p.x_star @ after.normals.T <= after.offsets + 1e-9).all()
    assert cuts >= (steps - 1 - (2 * n - n)) / 2


@pytest.mark.parametrize("n", [2, 3])
def test_the_volume_is_below_that_of_the_dikin_ellipsoid_of_radius_2m(n):
    """In units of the unit ball: vol P <= (2m)^n exp(-v(x)), and the ellipsoid of radius 1 is inside."""
    p = polytopes.max_affine_on_box(n, 6, 5)
    ball = np.pi if n == 2 else 4 / 3 * np.pi
    for it in islice(volumetric_cutting_plane(p, p.x0, small=0.006), 0, 120, 17):
        corners = HalfspaceIntersection(np.column_stack([it.normals, -it.offsets]), it.x).intersections
        share = ConvexHull(corners).volume / (ball * np.exp(-polytopes.volumetric_barrier(it.normals, it.offsets, it.x)))
        assert 1 <= share <= (2 * len(it.offsets)) ** n


def test_one_call_a_cut_and_the_start_is_not_touched():
    p = polytopes.max_affine_on_box(2, 6, 2)
    x0 = p.x0
    trace = run(volumetric_cutting_plane, p, x0, 400, small=0.006)
    assert trace.calls["grad"][-1] == 400 - (400 + 4 - len(trace.final.offsets)) / 2  # m = 4 + cuts - drops
    np.testing.assert_array_equal(x0, np.zeros(2))
    state = list(islice(volumetric_cutting_plane(p, p.x0, small=0.006), 31))
    resumed = list(islice(volumetric_cutting_plane(p, *state[20], small=0.006), 11))[-1]
    np.testing.assert_array_equal(resumed.x, state[30].x)


# --- centres from samples ----------------------------------------------------------------------------------------------
def test_farthest_coordinate_is_the_maximum_of_affine_functions_on_the_cube():
    p = FarthestCoordinate(np.array([0.3, -0.6, 0.1]))
    q = polytopes.MaxAffineOnBox(np.vstack([np.eye(3), -np.eye(3)]), np.append(-p.x_star, p.x_star))
    x = RNG.uniform(-1, 1, (50, 3))
    np.testing.assert_allclose(p.value(x), q.value(x), atol=1e-12)
    np.testing.assert_allclose(p.grad(x), q.grad(x), atol=1e-12)
    assert np.isclose(p.top, q.top)
    assert np.isclose(p.f_star, q.f_star)
    np.testing.assert_array_equal(p.project(2 * x), q.project(2 * x))
    with pytest.raises(ProblemError, match="a must lie in the cube"):
        FarthestCoordinate(np.array([1.5]))


@pytest.mark.parametrize("n", [1, 3, 8])
def test_corner_simplex_against_sampling(n):
    p = CornerSimplex(n)
    z = RNG.dirichlet(np.ones(n + 1), 200_000)[:, :n]
    np.testing.assert_allclose(z.mean(axis=0), p.center, atol=4e-3)
    assert abs((z[:, 0] >= 1.3 * p.center[0]).mean() - p.share_above(1.3 * p.center)) < 5e-3
    isotropic = p.isotropic_norm(z - p.center)
    assert np.isclose((isotropic**2).mean(), n, rtol=0.02)
    d = RNG.standard_normal(n)
    assert np.isclose(p.isotropic_norm(d), np.sqrt(d @ np.linalg.solve(np.atleast_2d(np.cov(z.T)), d)), rtol=0.02)


def test_walkers_and_samples_leave_boxes_that_hold_the_minimum():
    p = polytopes.farthest_coordinate(3)
    runs = (random_walk_cutting_plane(p, np.zeros((2, 3)), walkers=60, moves=6, rng=Stream([1, 2])),
            sampled_center_of_gravity(p, np.zeros((2, 3)), samples=75, rng=Stream([1, 2])))
    for states in runs:
        volumes = []
        for it in islice(states, 15):
            low, high = box_of(it)
            assert (low <= p.x_star).all()
            assert (p.x_star <= high).all()
            assert (it.x >= low).all()
            assert (it.x <= high).all()
            volumes.append(np.prod(high - low, axis=-1))
        kept = np.array(volumes[1:]) / np.array(volumes[:-1])
        assert (kept < 1).all()
        assert kept.mean() < 0.6


def test_distance_from_the_centre_is_isotropic():
    """A uniform point of the box is at mean squared distance n."""
    p = polytopes.farthest_coordinate(4)
    _, it = islice(sampled_center_of_gravity(p, np.zeros((20_000, 4)), samples=1, rng=Stream(np.arange(20_000))), 2)
    assert np.isclose((from_center(it) ** 2).mean(), 4, rtol=0.03)
