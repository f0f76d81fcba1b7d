"""Stochastic model-based minimization of weakly convex functions (Davis and Drusvyatskiy 2019)."""

from __future__ import annotations

from functools import cache

import numpy as np

from optlab.problems import sums
from optlab.problems.assumptions import Compact, LowerBounded, SmoothPart, WeaklyConvex
from optlab.problems.sets import Ball
from optlab.problems.weakly_convex import OnDomain, PhaseOnInterval

from ..fold import best
from ..functions import harmonic, sqrt
from ..guarantee import Case, Control, Guarantee, cite
from ..measures import EPS, Measure, point
from ..methods import method
from ..steps import at, inverse_sqrt
from .folds import drawn, over_the_past, uniformly_drawn
from .sgd import State


# --- models of one term at x, minimized with ||y - x||^2 / (2 step) over the set -----------------------------------
def linear(problem, x, i, step):
    """The term's tangent: a projected subgradient step."""
    return problem.project(x - step * problem.component_grad(x, i))


def prox_linear(problem, x, i, step):
    """h(c_i(x) + c_i'(x) (y - x)): only the inside is linearized."""
    return problem.component_prox_linear(x, i, step)


def prox_point(problem, x, i, step):
    """The term itself."""
    return problem.component_prox(x, i, step)


@method(needs=("component_grad", "project"), family="stochastic", restartable=True, symbolic=False)
def stochastic_model_based(problem, x, k=0, *, step, model=linear, rng):
    """x+ = argmin_y f_x(y; i) + r(y) + ||y - x||^2 / (2 step_k), i uniform, f_x(.; i) a model of f_i at x."""
    while True:
        yield State(x, k)
        x = model(problem, x, rng.index(problem.n), at(step, k))
        k = k + 1


@method(needs=("prox_linear",), family="proximal", restartable=True, symbolic=False)
def prox_linear_method(problem, x, *, step):
    """x+ = argmin_y h(c(x) + c'(x) (y - x)) + r(y) + ||y - x||^2 / (2 step) (Drusvyatskiy-Paquette 2019)."""
    while True:
        yield x
        x = problem.prox_linear(x, step)


envelope = Measure("||grad phi_{1/rb}(x)||^2", lambda problem, it: problem.sq(problem.envelope_grad(point(it))),
                   r"\|\nabla \varphi_{1/\bar\rho}(x_k)\|^2",
                   lambda problem, it: EPS * 64 * (problem.rb * problem.norm(point(it))) ** 2, symbolic=False)
mapping = Measure("||G(x)||", lambda problem, it: problem.norm(problem.gradient_mapping(point(it))), r"\|\mathcal{G}(x_k)\|",
                  symbolic=False)
by_step = drawn(lambda s, step: at(step, s), "an iterate drawn by its step")


# --- instances ---------------------------------------------------------------------------------------------------------
@cache
def phases(share=1.0, n=8):
    """Measurements of one number, a quarter of them wrong; the envelope's rb is 2 share rho."""
    rng = np.random.default_rng(5)
    a = rng.uniform(0.5, 1.5, n)
    b = a**2 * np.where(np.arange(n) % 4, 1.0, rng.uniform(0, 5, n))
    return PhaseOnInterval(a, b, 2.0, rb=share * 4 * float(np.mean(a**2)), name=f"phase retrieval, rb = {2 * share:g} rho")


@cache
def equal_phases(n=4):
    """Equal gains (so rho_terms = rho), two signals: the median does not fit."""
    return PhaseOnInterval(np.ones(n), np.array([0.5, 1.0, 1.0, 1.5]), 2.0, rb=6.0, name="phase retrieval, equal gains")


def retrieval(*shares):
    return lambda rng: [Case(phases(s), replicates=1024) for s in shares]


def smooth_on_ball(*steps):
    p = OnDomain(sums.welsch(np.random.default_rng(2), 1.0), Ball(2, 1.0))
    return lambda rng: [Case(p, np.array([-0.6, -0.8]), steps=t, replicates=64) for t in steps]


def constants_of(model, rho, rho_terms):
    """tau: how far the model may lie above f; eta: its own weak convexity."""
    return {linear: (rho, 0.0), prox_linear: (rho, 0.0), prox_point: (0.0, rho_terms)}[model]


def any_model(model, share, rb, rho, rho_terms, Lip, E0, horizon):
    tau, eta = constants_of(model, rho, rho_terms)
    beta = rb + share * Lip * np.sqrt(2 * rb * horizon / float(np.max(E0)))
    return dict(model=model, beta=beta, step=1 / beta, tau=tau, eta=eta)


timid = Control("steps a thousand times shorter", recipe=lambda step: dict(step=step / 1000))
returned = dict(mode="expectation", assumes=(WeaklyConvex, LowerBounded))
expected_envelope = over_the_past(envelope)

stochastic_model_based.proves(
    Guarantee(expected_envelope, lambda k, c, rho, Lip, E0: 2 * (E0 + rho * Lip**2 * c**2) / (c * sqrt(k)),
              cite(149, 1, "Sec 1"), at=uniformly_drawn, on=retrieval(1.0), vary=dict(share=(1.0, 0.2)),
              recipe=lambda share, rho, Lip, E0, horizon: dict(c=(c := share * sqrt(E0 / rho) / Lip), step=c / sqrt(horizon)),
              control=timid, note="k = T + 1 points", **returned),
    Guarantee(expected_envelope, lambda k, c, rb, rho, Lip, E0: rb / (rb - rho)
              * (E0 + rb * Lip**2 / 2 * c**2 * harmonic(k)) / (c * harmonic(k, 0.5)),
              cite(149, 2, "Thm 3.1"), at=by_step, on=retrieval(1.0, 0.75, 2.0), steps=100,
              recipe=lambda rho, Lip, E0: dict(c=(c := sqrt(E0 / rho) / Lip), step=inverse_sqrt(c)), **returned,
              control=Control("steps a thousand times shorter", recipe=lambda c: dict(step=inverse_sqrt(c / 1000)))),
    Guarantee(expected_envelope, lambda k, rb, beta, tau, eta, Lip, E0: 2 * rb / (rb - tau - eta)
              * (E0 * (beta - eta) / k + 2 * rb * Lip**2 / (beta - rb)),
              cite(149, 3, "Thm 4.3, constants derived"), at=uniformly_drawn, recipe=any_model, control=timid,
              vary=dict(model=(linear, prox_linear, prox_point), share=(1.0,)), note="k = T + 1 points", horizons=(20, 250),
              on=lambda rng: [Case(equal_phases(), replicates=640)], **returned),
    Guarantee(over_the_past(mapping), lambda k: k**-0.25, cite(149, 5, "Cor 3.6"), at=uniformly_drawn, mode="scaling",
              over="horizon", assumes=(SmoothPart, Compact), on=smooth_on_ball(30, 60, 120, 250, 500, 1000),
              recipe=lambda c, horizon: dict(step=c / sqrt(horizon)), vary=dict(c=(1.0,)),
              control=Control("the same step whatever T", recipe=lambda c: dict(step=c))),
)

deterministic = dict(assumes=(WeaklyConvex, LowerBounded), at=best, on=retrieval(1.0), control=timid,
                     recipe=lambda rho: dict(step=1 / (2 * rho)))
prox_linear_method.proves(
    Guarantee(envelope, lambda k, rho, D0: 8 / 3 * (2 + sqrt(3)) ** 2 * rho * D0 / k,
              cite(149, 4, "derived", claim="prox-linear"), **deterministic),
)
