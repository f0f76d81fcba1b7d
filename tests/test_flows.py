"""Gradient flows: against closed forms and scipy's integrator, and the derivatives that their theorems speak of."""

import itertools

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

import optlab
from optlab.gradient import flows
from optlab.gradient.flows import runge_kutta, three_over
from optlab.problems.pool import spectrum
from optlab.problems.quadratic import Quadratic

A = spectrum([0.3, 1.0, 2.0])
PROBLEM = Quadratic((A + A.T) / 2, np.array([1.0, -1.0, 0.5]), name="three curvatures")
X0 = np.array([[1.0, 2.0, -1.0], [0.0, 0.5, 3.0]])


def states(method, steps, **params):
    return list(itertools.islice(method(PROBLEM, X0, **params), steps + 1))


def test_runge_kutta_is_of_order_four():
    """Halving the step divides the error of x' = cos(t) x by sixteen."""
    errors = []
    for n in (20, 40):
        x = (np.ones(()),)
        for i in range(n):
            x = runge_kutta(lambda t, x: (np.cos(t) * x,), i * 2 / n, x, 2 / n)
        errors.append(abs(float(x[0]) - np.exp(np.sin(2.0))))
    assert errors[0] / errors[1] == pytest.approx(16, rel=0.1)


def test_gradient_flow_on_a_quadratic():
    """X_t - x* = exp(-A t) (x_0 - x*)."""
    for it in states(optlab.gradient_flow, 40, dt=0.05):
        exact = PROBLEM.x_star + (X0 - PROBLEM.x_star) @ expm(-PROBLEM.A * it.t)
        np.testing.assert_allclose(it.x, exact, atol=1e-6)
        np.testing.assert_allclose(it.v, -PROBLEM.grad(it.x))


@pytest.mark.parametrize("friction", [three_over, 1.1])
def test_accelerated_flow_against_scipy(friction):
    its = states(optlab.accelerated_flow, 80, dt=0.05, friction=friction)

    def rates(t, y):
        x, v = y.reshape(2, 3)
        return np.concatenate([v, -(friction(t) if callable(friction) else friction) * v - PROBLEM.grad(x)])

    times = [it.t for it in its]
    for i, x0 in enumerate(X0):
        found = solve_ivp(rates, (1.0, times[-1] + 1e-9), np.concatenate([x0, np.zeros(3)]), t_eval=times, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose([it.x[i] for it in its], found.y[:3].T, atol=1e-6)
        np.testing.assert_allclose([it.v[i] for it in its], found.y[3:].T, atol=1e-6)


def derivative(potential, its, dt):
    """Fourth-order central differences of a potential along the flow."""
    V = np.array([potential(it) for it in its])
    return (V[:-4] - 8 * V[1:-3] + 8 * V[3:-1] - V[4:]) / (12 * dt)


p = PROBLEM
gap, root = lambda it: p.value(it.x) - p.f_star, p.mu**0.5


@pytest.mark.parametrize(("method", "params", "potential", "rate"), [
    (optlab.gradient_flow, {}, lambda it: it.t * gap(it) + p.sq(it.x - p.x_star) / 2, lambda it: flows.falling(p, it) + gap(it)),
    (optlab.gradient_flow, {}, gap, lambda it: flows.falling_value(p, it)),
    (optlab.accelerated_flow, dict(friction=three_over),
     lambda it: it.t**2 * gap(it) + 2 * p.sq(it.x - p.x_star + it.t / 2 * it.v),
     lambda it: flows.falling_with_momentum(p, it) + 2 * it.t * gap(it)),
    (optlab.accelerated_flow, dict(friction=2 * root), lambda it: flows.energy(p, it), lambda it: flows.falling_energy(p, it)),
    (optlab.accelerated_flow, dict(friction=2 * root), lambda it: flows.faster_energy(p, it),
     lambda it: flows.falling_faster(p, it)),
])
def test_the_derivatives_are_those_of_the_potentials(method, params, potential, rate):
    dt = 0.01
    its = states(method, 60, dt=dt, **params)
    np.testing.assert_allclose([rate(it) for it in its[2:-2]], derivative(potential, its, dt), rtol=1e-6, atol=1e-6)


def test_a_flow_restarts_at_its_time():
    its = states(optlab.accelerated_flow, 20, dt=0.05, friction=three_over)
    again = list(itertools.islice(optlab.accelerated_flow(PROBLEM, *its[7], dt=0.05, friction=three_over), 14))
    assert again[-1].t == pytest.approx(its[20].t)
    np.testing.assert_allclose(again[-1].x, its[20].x, rtol=1e-12)
