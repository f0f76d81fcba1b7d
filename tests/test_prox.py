"""Proximal operators, projections and linear minimization oracles, against what defines them."""

import array_api_strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.optimize import minimize_scalar
from scipy.special import huber

from optlab.problems import prox as P
from optlab.problems.errors import ProblemError

quick = settings(max_examples=60, deadline=None)
entries = st.floats(-1e3, 1e3, allow_subnormal=False).map(lambda a: round(a, 6))
points = arrays(np.float64, array_shapes(min_dims=1, max_dims=3, max_side=5), elements=entries)
positive = st.floats(1e-3, 1e3).map(lambda a: round(a, 6))

rng = np.random.default_rng(0)
A = rng.standard_normal((2, 5))
NORMAL = rng.standard_normal(5)
CENTER = rng.standard_normal(5)
LO, HI = -np.abs(CENTER), np.abs(NORMAL)

# name -> function of a point in R^5 alone
PROXES = {
    "soft_threshold": lambda v: P.soft_threshold(v, 0.7),
    "prox_elastic_net": lambda v: P.prox_elastic_net(v, 0.7, 0.5, 2.0),
    "prox_l2_norm": lambda v: P.prox_l2_norm(v, 1.5),
    "prox_huber": lambda v: P.prox_huber(v, 0.7, 0.4),
    "prox_max": lambda v: P.prox_max(v, 0.7),
}
PROJECTIONS = {
    "simplex": lambda v: P.project_simplex(v, 2.0),
    "box": lambda v: P.project_box(v, LO, HI),
    "ball": lambda v: P.project_ball(v, 1.2, CENTER),
    "ball at 0": lambda v: P.project_ball(v, 1.2),
    "l1 ball": lambda v: P.project_l1_ball(v, 1.3),
    "half-space": lambda v: P.project_halfspace(v, NORMAL, -0.5),
    "affine": lambda v: P.project_affine(v, A, A @ CENTER),
}
LMOS = {
    "simplex": lambda g: P.lmo_simplex(g, 2.0),
    "box": lambda g: P.lmo_box(g, LO, HI),
    "ball": lambda g: P.lmo_ball(g, 1.2, CENTER),
    "ball at 0": lambda g: P.lmo_ball(g, 1.2),
    "l1 ball": lambda g: P.lmo_l1_ball(g, 1.3),
}
MAPS = {
    **PROXES,
    **{f"project {name}": project for name, project in PROJECTIONS.items()},
    **{f"lmo {name}": lmo for name, lmo in LMOS.items()},
}


def feasible(name, count):
    """Random points ``(count, 5)`` of a projection's set, many on its boundary, made without projecting."""
    rng = np.random.default_rng(1)
    z = rng.standard_normal((count, 5))
    weights = rng.dirichlet(np.full(5, 0.3), count)
    share = rng.choice([1.0, 0.5, 0.1], (count, 1))
    sphere = z / np.linalg.norm(z, axis=1, keepdims=True) * share
    null = z - z @ A.T @ np.linalg.pinv(A).T
    excess = z @ NORMAL + 0.5 + 3 * rng.random(count) * (rng.random(count) < 0.5)
    return {
        "simplex": 2.0 * weights,
        "box": np.clip(LO + rng.random((count, 5)) * 1.5 * (HI - LO), LO, HI),
        "ball": CENTER + 1.2 * sphere,
        "ball at 0": 1.2 * sphere,
        "l1 ball": 1.3 * share * np.sign(z) * weights,
        "half-space": z - excess[:, None] * NORMAL / (NORMAL @ NORMAL),
        "affine": CENTER + null,
    }[name]


def samples(count=300):
    """Points of R^5 at many scales, with ties and zeros among them."""
    rng = np.random.default_rng(2)
    v = rng.standard_normal((count, 5)) * rng.choice([0.1, 1, 10, 1e4], (count, 1))
    v[::5] = np.round(v[::5])
    v[0] = 0
    return v


def close(a, b, scale):
    return np.all(np.abs(a - b) <= 1e-12 * (1 + np.abs(scale).max(initial=0)))


# Moreau: prox_{t f}(v) + t prox_{f*/t}(v/t) = v


@quick
@given(points, positive)
def test_moreau_l1_and_the_box(v, t):
    assert close(P.soft_threshold(v, t) + P.project_box(v, -t, t), v, v)


@quick
@given(points, positive)
def test_moreau_l2_norm_and_the_ball(v, t):
    assert close(P.prox_l2_norm(v, t) + P.project_ball(v, t), v, v)


@quick
@given(points, positive)
def test_moreau_maximum_and_the_simplex(v, t):
    assert close(P.prox_max(v, t) + t * P.project_simplex(v / t), v, np.abs(v) + t)


@quick
@given(points, positive, positive)
def test_moreau_huber_and_its_conjugate(v, t, delta):
    # f* = x^2/2 on [-delta, delta], so prox_{f*/t}(v/t) is (v/t) / (1 + 1/t) clipped.
    assert close(
        P.prox_huber(v, t, delta) + t * P.project_box(v / (1 + t), -delta, delta), v, np.abs(v) + t * delta
    )


@quick
@given(points, positive)
def test_moreau_linf_norm_and_the_l1_ball(v, t):
    # prox of t ||.||_inf by its conjugate; checked by its optimality: the residual is a subgradient of it.
    dual = P.project_l1_ball(v, t)
    x = v - dual
    assert close(np.sum(dual * x, axis=-1), t * np.abs(x).max(axis=-1), (np.abs(v).sum() + t) * (1 + t))


@pytest.mark.parametrize(
    ("prox", "f"),
    [
        (lambda v, t: P.soft_threshold(v, t), np.abs),
        (lambda v, t: P.prox_elastic_net(v, t, 0.5, 2.0), lambda x: 0.5 * np.abs(x) + x * x),
        (lambda v, t: P.prox_huber(v, t, 0.4), lambda x: huber(0.4, x)),
        (lambda v, t: P.prox_l2_norm(v, t), np.abs),
        (lambda v, t: P.prox_max(v, t), lambda x: x),
    ],
)
@pytest.mark.parametrize("v", [-3.0, -0.3, 0.0, 0.2, 1.0, 5.0])
def test_prox_on_the_line_against_a_search(prox, f, v):
    t = 0.6
    found = minimize_scalar(lambda x: t * f(x) + (x - v) ** 2 / 2, bounds=(-10, 10), options={"xatol": 1e-10})
    assert abs(prox(np.array([v]), t)[0] - found.x) < 1e-6


@pytest.mark.parametrize("name", [*PROXES, *PROJECTIONS])
def test_firmly_nonexpansive(name):
    f = {**PROXES, **PROJECTIONS}[name]
    u, v = samples(), np.roll(samples(), 1, axis=0)
    step = f(u) - f(v)
    product = np.sum(step * (u - v), axis=-1)
    assert np.all(np.sum(step * step, axis=-1) <= product + 1e-12 * np.sum((u - v) ** 2, axis=-1))


# Projections


@pytest.mark.parametrize("name", PROJECTIONS)
def test_projection_is_feasible_idempotent_and_meets_the_variational_inequality(name):
    project, v, z = PROJECTIONS[name], samples(), feasible(name, 500)
    assert close(project(z), z, z)  # the probes are in the set: points of it stay
    p = project(v)
    assert np.all(np.abs(project(p) - p) <= 1e-11 * (1 + np.abs(v).max(axis=1, keepdims=True)))
    v, p = v[:, None], p[:, None]
    scale = np.linalg.norm(v - p, axis=-1) * (np.linalg.norm(z - p, axis=-1) + np.linalg.norm(v, axis=-1))
    assert np.all(np.sum((v - p) * (z - p), axis=-1) <= 1e-12 * (1 + scale))


@pytest.mark.parametrize("name", ["simplex", "box", "l1 ball", "ball at 0"])
def test_projection_lies_in_the_set(name):
    p = PROJECTIONS[name](samples())
    inside = {
        "simplex": (p >= 0).all() and np.abs(p.sum(axis=1) - 2).max() < 1e-14,
        "box": ((p >= LO) & (p <= HI)).all(),
        "l1 ball": np.abs(p).sum(axis=1).max() < 1.3 + 1e-14,
        "ball at 0": np.linalg.norm(p, axis=1).max() < 1.2 + 1e-14,
    }
    assert inside[name]


def test_simplex_keeps_the_radius_beside_huge_entries():
    p = P.project_simplex(np.array([[1e17, 1e17, 0.0], [1e300, -1e300, 0.0], [1.0, -np.inf, 1.0]]))
    assert np.array_equal(p, [[0.5, 0.5, 0], [1, 0, 0], [0.5, 0, 0.5]])


def test_radius_zero_is_one_point():
    v = samples()
    for project in (P.project_simplex, P.project_ball, P.project_l1_ball):
        assert np.all(project(v, 0.0) == 0)
    assert np.array_equal(P.project_ball(CENTER, 0.0, CENTER), CENTER)


def test_points_of_a_ball_come_back_unrounded():
    v = CENTER + 1e-3 * samples()[:20] / 1e4
    assert np.array_equal(P.project_ball(v, 1.2, CENTER), v)
    assert np.array_equal(P.project_l1_ball(v / 10, 5.0), v / 10)


def test_affine_with_deficient_rank_and_with_a_given_pseudo_inverse():
    v, twice = samples()[:20] / 1e4, np.vstack([A, A[:1]])
    b = A @ CENTER
    p = P.project_affine(v, A, b)
    assert np.allclose(p @ A.T, b, atol=1e-13)
    assert np.allclose(P.project_affine(v, twice, np.append(b, b[0])), p, atol=1e-13)
    assert np.array_equal(P.project_affine(v, A, b, pinv=np.linalg.pinv(A)), p)


# Linear minimization oracles


@pytest.mark.parametrize("name", LMOS)
def test_lmo_is_feasible_and_no_probe_is_better(name):
    g, z = samples(), feasible(name, 500)
    s = LMOS[name](g)
    assert close(PROJECTIONS[name](s), s, s)
    least = np.sum(g * s, axis=-1)
    assert np.all(least[:, None] <= g @ z.T + 1e-12 * (1 + np.abs(g).sum(axis=-1)[:, None]))


@pytest.mark.parametrize("g", [[0.0, 0, 0], [0, -2, 2], [3, 1, 1]])
def test_lmo_returns_an_extreme_point(g):
    g = np.array(g)
    assert sorted(P.lmo_simplex(g, 2.0)) == [0, 0, 2]
    assert sorted(np.abs(P.lmo_l1_ball(g, 2.0))) == [0, 0, 2]
    assert np.linalg.norm(P.lmo_ball(g, 2.0)) == pytest.approx(2, abs=1e-15)
    assert set(P.lmo_box(g, -1.0, 2.0)) <= {-1.0, 2.0}


def test_first_of_equal_vertices():
    g = np.array([1.0, -2, -2, 2])
    assert np.array_equal(P.lmo_simplex(g), [0, 1, 0, 0])
    assert np.array_equal(P.lmo_l1_ball(g), [0, 1, 0, 0])


# Entropic step


def test_kl_step_against_its_optimality_and_extremes():
    rng = np.random.default_rng(3)
    x, g = rng.dirichlet(np.ones(5), 50), 3 * rng.standard_normal((50, 5))
    s = P.kl_prox_simplex(x, g)
    assert np.allclose(s.sum(axis=1), 1, rtol=0, atol=1e-15)
    # Interior minimizer on the simplex: the gradient g + log(s/x) + 1 is constant along each row.
    assert np.ptp(g + np.log(s / x), axis=1).max() < 1e-13
    # Neither the scale of x nor a common part of g matters, however large.
    assert np.allclose(P.kl_prox_simplex(7 * x, 0 * g + 1e9), x, rtol=1e-14, atol=0)
    extreme = P.kl_prox_simplex(np.array([0.5, 0.0, 0.5, 1e-300]), np.array([1e4, -1e9, -1e4, 0.0]))
    assert np.array_equal(extreme, [0, 0, 1, 0])


# All maps: batches, purity, namespaces, parameters


@pytest.mark.parametrize("name", MAPS)
def test_batch_is_the_loop_over_rows(name):
    v = samples(24).reshape(2, 3, 4, 5)
    looped = np.array([MAPS[name](row) for row in v.reshape(-1, 5)]).reshape(v.shape)
    assert np.allclose(MAPS[name](v), looped, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", MAPS)
def test_inputs_are_neither_written_nor_returned_as_views(name):
    v = samples()
    v.flags.writeable = False
    before = v.copy()
    out = MAPS[name](v)
    assert np.array_equal(v, before)
    assert out.shape == v.shape
    assert not np.shares_memory(out, v)


@pytest.mark.parametrize("name", [*PROXES, *PROJECTIONS])
def test_nan_stays_visible(name):
    v = np.array([1.0, np.nan, 2, 3, 4])
    assert np.isnan({**PROXES, **PROJECTIONS}[name](v)).any()


def parameters(xp, dtype):
    """Every function with array parameters, one value per replicate, on two points of R^4."""

    def array(value):
        return xp.asarray(value, dtype=dtype)

    v = array([[0.5, -2.0, 1.0, 0.0], [3.0, 3.0, -1.0, 0.1]])
    w = array([[0.2, 0.3, 0.5, 0.0], [0.1, 0.2, 0.3, 0.4]])
    t, lo, hi, c = (
        array([[0.3], [1.1]]),
        array([[-1.0], [-2.0]]),
        array([[0.4], [1.0]]),
        array([1.0, 0, 0, 1]),
    )
    M, b = array([[1.0, 2, 3, 4], [0, 1, 0, 1]]), array([[1.0, 0.5], [0, 1]])
    return {
        "soft_threshold": [(v, 0.3), (v, t)],
        "prox_elastic_net": [(v, 0.3, 1.0, 2.0), (v, t, t, t)],
        "prox_l2_norm": [(v, 0.3), (v, t)],
        "prox_huber": [(v, 0.3, 1.0), (v, t, t)],
        "prox_max": [(v, 0.3), (v, t)],
        "kl_prox_simplex": [(w, v)],
        "project_simplex": [(v,), (v, t)],
        "project_box": [(v, -1.0, 0.5), (v, lo, hi), (v, -1.0, hi)],
        "project_ball": [(v,), (v, t), (v, t, c)],
        "project_l1_ball": [(v,), (v, t)],
        "project_halfspace": [(v, c, 0.3), (v, c, t), (v, w, t)],
        "project_affine": [(v, M, b), (v, M, b[0, :])],
        "lmo_simplex": [(v,), (v, t)],
        "lmo_l1_ball": [(v,), (v, t)],
        "lmo_ball": [(v,), (v, t), (v, t, c), (v * 0,)],
        "lmo_box": [(v, -1.0, 0.5), (v, lo, hi), (v, -1.0, hi)],
    }


PUBLIC = sorted(name for name in vars(P) if name.startswith(("prox_", "project_", "lmo_", "kl_", "soft_")))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", PUBLIC)
def test_strict_namespace_and_dtype(name, dtype):
    xp = array_api_strict
    strict, plain = (parameters(space, getattr(space, dtype))[name] for space in (xp, np))
    for arguments, reference in zip(strict, plain, strict=True):
        out, expected = getattr(P, name)(*arguments), getattr(P, name)(*reference)
        assert out.dtype == getattr(xp, dtype)
        assert expected.dtype == getattr(np, dtype)
        assert np.allclose(np.asarray(out), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", PUBLIC)
def test_parameters_per_replicate_are_those_of_each_row(name):
    def shared(name, j):  # the matrix of an affine set is one for all replicates
        return name == "project_affine" and j == 1

    for arguments in parameters(np, np.float64)[name]:
        both = getattr(P, name)(*arguments)
        for i in range(2):
            rows = [a[i] if np.ndim(a) == 2 and not shared(name, j) else a for j, a in enumerate(arguments)]
            assert np.allclose(getattr(P, name)(*rows), both[i], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda v: P.soft_threshold(v, -1.0), "t is -1.0"),
        (lambda v: P.soft_threshold(v, float("nan")), "t is nan"),
        (lambda v: P.prox_elastic_net(v, 1.0, 1.0, -2), "l2 is -2"),
        (lambda v: P.prox_l2_norm(v, -1.0), "t is -1.0"),
        (lambda v: P.prox_huber(v, 1.0, -0.5), "delta is -0.5"),
        (lambda v: P.project_simplex(v, -1.0), "radius is -1.0"),
        (lambda v: P.project_ball(v, -1.0), "radius is -1.0"),
        (lambda v: P.project_l1_ball(v, -1.0), "radius is -1.0"),
        (lambda v: P.project_box(v, 1.0, 0.0), "lo <= hi"),
        (lambda v: P.project_halfspace(v, 0 * v, 1.0), "nonzero normal"),
        (lambda v: P.project_affine(v, np.ones((2, 3)), np.ones(2)), r"shape \(2, 3\), and \(m, 5\)"),
        (lambda v: P.lmo_box(v, -np.inf, 0.0), "lo is -inf"),
        (lambda v: P.lmo_box(v, 2.0, 0.0), "lo <= hi"),
        (lambda v: P.lmo_ball(v, -2.0), "radius is -2.0"),
        (lambda v: P.lmo_simplex(v, -2.0), "radius is -2.0"),
        (lambda v: P.lmo_l1_ball(v, -2.0), "radius is -2.0"),
    ],
)
def test_parameters_out_of_range(call, says):
    with pytest.raises(ProblemError, match=says):
        call(np.ones(5))
