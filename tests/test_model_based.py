"""Weakly convex models: exact proximal points and envelopes against brute force, parameter-free acceleration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from optlab import run, verify
from optlab.gradient.descent import gradient_descent
from optlab.problems import Ball, Constrained, NesterovChain, OnDomain, PhaseOnInterval, Quadratic, SinePL
from optlab.problems.errors import ProblemError
from optlab.problems.noise import Noisy
from optlab.proximal.point import proximal_point
from optlab.rng import Stream
from optlab.stochastic.folds import Past, drawn, over_the_past, uniformly_drawn
from optlab.stochastic.model_based import (
    envelope,
    equal_phases,
    linear,
    phases,
    prox_linear,
    prox_linear_method,
    prox_point,
    stochastic_model_based,
)
from optlab.stochastic.parameter_free import u_dog, unixgrad


def grid_of(p):
    return np.linspace(-p.radius, p.radius, 400_001)[:, None]


@pytest.mark.parametrize("p", [phases(), phases(4.0), equal_phases()], ids=str)
def test_constants_of_phase_retrieval(p):
    y = grid_of(p)
    f = p.value(y)
    assert p.value(p.x_star) == p.f_star <= f.min() + 1e-12
    step = y[1, 0] - y[0, 0]
    assert (np.diff(f, 2) / step**2 >= -p.rho * (1 + 1e-3)).all()
    assert (np.diff(f, 2) / step**2).min() <= -0.99 * p.rho  # attained around 0
    every = np.stack([p.component_grad(y, np.array(i)) for i in range(p.n)])
    assert np.sqrt((every**2).mean(axis=0)).max() == pytest.approx(p.Lip, rel=1e-3)
    np.testing.assert_allclose(every.mean(axis=0), p.grad(y), atol=1e-12)


@pytest.mark.parametrize("share", [0.6, 1.0, 4.0])
def test_proximal_points_and_envelope_against_a_grid(share):
    p = phases(share)
    y = grid_of(p)[:, 0]
    x = np.random.default_rng(0).uniform(-2, 2, (20, 1))
    objective = p.value(y[:, None]) + p.rb / 2 * (y - x) ** 2
    best = y[np.argmin(objective, axis=1)]
    np.testing.assert_allclose(p.prox(x, 1 / p.rb)[:, 0], best, atol=1e-5)
    far = p.prox(x, 5 / p.rho)  # not unique, perhaps, but as low as any point
    lowest = (p.value(y[:, None]) + p.rho / 10 * (y - x) ** 2).min(axis=1)
    np.testing.assert_allclose(p.value(far) + p.rho / 10 * p.sq(far - x), lowest, atol=1e-6)
    np.testing.assert_allclose(p.envelope(x), objective.min(axis=1), atol=1e-6)
    rise = (p.envelope(x + 1e-6) - p.envelope(x - 1e-6)) / 2e-6
    np.testing.assert_allclose(p.envelope_grad(x)[:, 0], rise, atol=1e-4)
    assert envelope(p, p.x_star) <= 1e-20


def test_models_of_one_term_against_a_grid():
    p, step = phases(), 0.1
    y = grid_of(p)[:, 0]
    rng = np.random.default_rng(1)
    x, i = rng.uniform(-2, 2, (30, 1)), rng.integers(0, p.n, 30)
    c, b = p.curve[i][:, None], p.b[i][:, None]
    inside = c / 2 * x**2 - b
    models = {
        linear: np.sign(inside) * c * x * (y - x),
        prox_linear: abs(inside + c * x * (y - x)),
        prox_point: abs(c / 2 * y**2 - b),
    }
    for model, values in models.items():
        best = y[np.argmin(values + (y - x) ** 2 / (2 * step), axis=1)]
        np.testing.assert_allclose(model(p, x, i, step)[:, 0], best, atol=2e-5, err_msg=model.__name__)


def test_deterministic_models_against_a_grid():
    p, step = phases(), 0.2
    y = grid_of(p)[:, 0]
    x = np.random.default_rng(2).uniform(-2, 2, (10, 1))
    inside = p.curve / 2 * x**2 - p.b
    model = abs(inside[:, None, :] + (p.curve * x)[:, None, :] * (y[None, :, None] - x[:, None])).mean(axis=-1)
    best = y[np.argmin(model + (y - x) ** 2 / (2 * step), axis=1)]
    np.testing.assert_allclose(p.prox_linear(x, step)[:, 0], best, atol=2e-5)


def test_one_sided_accuracy_of_the_models():
    """E f_x(y) - f(y) <= tau/2 (y - x)^2 with tau = rho for the linear and prox-linear models."""
    p = phases()
    x, y = np.meshgrid(np.linspace(-2, 2, 81), np.linspace(-2, 2, 81))
    inside = p.curve / 2 * x[..., None] ** 2 - p.b
    change = p.curve * x[..., None] * (y - x)[..., None]
    f = p.value(y[..., None])
    for model in (abs(inside) + np.sign(inside) * change, abs(inside + change)):
        assert (model.mean(axis=-1) - f <= p.rho / 2 * (y - x) ** 2 + 1e-12).all()


def test_linear_models_are_projected_subgradient_steps():
    p = phases()
    a = run(stochastic_model_based, p, np.array([1.5]), 10, seeds=5, step=0.05, record=["iterates"])
    rng, x = Stream(np.arange(5)), np.full((5, 1), 1.5)
    for it in a.iterates:
        np.testing.assert_array_equal(it.x, x)
        x = p.project(x - 0.05 * p.component_grad(x, rng.index(p.n)))


def test_a_sharp_instance_without_noise_is_solved_at_once():
    """When all measurements agree, prox-linear is Newton's method on a^2 x^2 = b."""
    p = PhaseOnInterval([1.0, 2.0], [1.0, 4.0], 2.0)
    assert p.f_star == pytest.approx(0.0, abs=1e-15)
    for method in (prox_linear_method, proximal_point):
        assert run(method, p, np.array([1.8]), 30, step=0.1).x == pytest.approx(1.0, abs=1e-12)


def test_past_and_its_mean():
    points = [np.array([float(k)]) for k in range(5)]
    pasts = list(uniformly_drawn(points, Anything()))
    assert pasts[0] == Past((points[0],), (1.0,))
    assert pasts[4].chances == (0.25,) * 4
    assert [float(p[0]) for p in pasts[4].points] == [0, 1, 2, 3]
    p = Quadratic(np.eye(1))
    from optlab import suboptimality

    assert over_the_past(suboptimality)(p, pasts[4]) == pytest.approx(np.mean([0, 0.5, 2, 4.5]))
    linearly = drawn(lambda s: s + 1.0, "linearly")
    assert list(linearly(points, Anything()))[3].chances == pytest.approx((1 / 6, 2 / 6, 3 / 6))


class Anything:
    def call(self, function, **given):
        return function(**given)


def test_a_function_on_a_set():
    p = OnDomain(SinePL([1.0, 2.0]), Ball(2, 1.0))
    x = np.array([[0.5, 0.1], [0.0, 0.0]])
    g = p.gradient_mapping(x)
    np.testing.assert_allclose(g[1], 0, atol=1e-15)
    np.testing.assert_allclose(p.project(x - g / p.L), x - g / p.L, atol=1e-15)
    assert p.L == 16.0
    assert p.f_star is None


def test_unixgrad_needs_no_constant_but_the_diameter():
    p = Constrained(Quadratic(np.diag([1.0, 0.1]), np.array([0.3, 0.02])), Ball(2))
    trace = run(unixgrad, p, np.array([1.0, 0.0]), 400)
    assert trace["f(x) - f*"][-1] <= 1e-6
    assert trace.calls["grad"][-1] == 800


def test_unixgrad_breaks_the_bound_without_a_term_in_D():
    """20 sqrt(7) L D^2 / T^2 on a flat quadratic: more than a hundred times exceeded; (5 D + 34 L D^2) / T^2 holds."""
    p = Constrained(Quadratic(1e-6 * np.diag([1.0, 0.1]), 1e-6 * np.array([0.3, 0.02])), Ball(2))
    v = run(unixgrad, p, np.array([-1.0, 0.0]), 400)["f(x) - f*"][-1]
    assert v > 100 * 20 * np.sqrt(7) * p.L * p.D**2 / 400**2
    assert v < (5 * p.D + 34 * p.L * p.D**2) / 400**2


def test_u_dog_forgets_its_first_movement():
    p = Noisy(NesterovChain(201), 0.0)
    ends = [float(run(u_dog, p, np.zeros(201), 400, seeds=1, r_eps=r)["f(x) - f*"][-1, 0]) for r in (1e-4, 1e-2, 1.0)]
    assert max(ends) < 2 * min(ends)
    assert max(ends) < p.L * np.sum(p.x_star**2) / 400**2
    descent = gradient_descent(p, np.zeros(201), step=1 / p.L)
    assert p.value(next(itertools.islice(descent, 800, None))) - p.f_star > 5 * max(ends)  # as many gradients


def test_u_dog_regret_is_below_its_bound_step_by_step():
    """sum of w <g, x - x*> <= r (2 R + 5 r) sqrt(Q + M), for gradients as they were drawn, with noise or without."""
    for p, x0 in ((Noisy(Quadratic(np.diag([1.0, 0.01])), 0.7), np.full((50, 2), 3.0)),
                  (Noisy(NesterovChain(21), 0.1), np.zeros((50, 21)))):
        drawn = []

        class Recorded:
            norm, sq, column = p.norm, p.sq, p.column

            def stochastic_grad(self, x, rng, p=p, drawn=drawn):
                drawn.append(p.stochastic_grad(x, rng))
                return drawn[-1]

        R, regret = p.norm(x0 - p.x_star), 0.0
        for it in itertools.islice(u_dog(Recorded(), x0, r_eps=1e-2, rng=Stream(np.arange(50))), 200):
            if drawn:
                regret = regret + it.last * p.inner(drawn[-1], it.x - p.x_star)
                assert (regret <= it.r * (2 * R + 5 * it.r) * np.sqrt(it.G) * (1 + 1e-12)).all()


def test_u_dog_carries_replicates():
    p = Noisy(Quadratic(np.eye(2), np.ones(2)), 1.0)
    batch = list(itertools.islice(u_dog(p, np.zeros((3, 2)), r_eps=0.1, rng=Stream(np.arange(3))), 6))[-1].average
    for s in range(3):
        alone = list(itertools.islice(u_dog(p, np.zeros((1, 2)), r_eps=0.1, rng=Stream(np.array([s]))), 6))[-1].average
        np.testing.assert_allclose(batch[s], alone[0], rtol=1e-12)


@pytest.mark.parametrize(("build", "says"), [
    (lambda: PhaseOnInterval([1.0], [1.0], 2.0, rb=0.1), "rb must exceed rho"),
    (lambda: PhaseOnInterval([0.0], [1.0], 2.0), "nonzero"),
    (lambda: PhaseOnInterval([1.0], [-1.0], 2.0), "not negative"),
    (lambda: PhaseOnInterval([1.0], [1.0], 0.0), "radius must be positive"),
    (lambda: phases().component_prox(np.ones((1, 1)), np.array([0]), 10.0), "step must be below 1/rho_terms"),
])
def test_errors_are_one_sentence(build, says):
    with pytest.raises(ProblemError, match=says):
        build()


def test_a_users_own_problem():
    p = PhaseOnInterval([1.0, 0.5, 2.0], [1.0, 1.0, 1.0], 2.0)
    assert [v.verdict for v in verify(proximal_point, p)] == ["holds"]
