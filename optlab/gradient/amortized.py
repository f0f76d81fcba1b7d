"""Amortized optimization: predicting solutions of a family of problems, and refining the predictions (Amos 2023)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optlab.problems.amortized import Amortized, ParametricQuadratic
from optlab.problems.assumptions import Convex, LipschitzThirdDerivative, QuadraticForm, Smooth, StronglyConvex
from optlab.problems.pool import pool

from ..federated.folds import holding
from ..fold import pairs
from ..functions import maximum
from ..guarantee import Case, Control, Guarantee, cite, now
from ..measures import EPS, Measure, point, sq_distance, sq_gradient, suboptimality
from ..methods import method


class Unrolled(NamedTuple):
    """The refined prediction, its Jacobian in the first prediction, and that prediction."""

    y: Any
    jacobian: Any
    start: Any


@method(needs=("grad", "hess"), family="gradient", restartable=True, symbolic=False)
def semi_amortized(problem, y, jacobian=None, start=None, *, step):
    """y+ = y - step grad f(y; x) from a prediction, and J+ = (I - step Hess f(y; x)) J (unrolled gradient descent)."""
    J = np.eye(problem.dim) + 0 * y[..., None] if jacobian is None else jacobian
    start = y if start is None else start
    while True:
        yield Unrolled(y, J, start)
        y, J = y - step * problem.grad(y), J - step * (problem.hess(y) @ J)


@method(needs=("predict", "output_grad", "pull"), family="gradient", restartable=True)
def objective_amortization(problem, W, *, step):
    """W+ = W - step mean over contexts of (d yhat/d W)' grad f(yhat(x); x): training a model on the objective itself."""
    while True:
        yield W
        W = W - step * problem.pull(problem.output_grad(problem.predict(W)))


# --- measures -------------------------------------------------------------------------------------------------------
WIDTH = 0.05  # of the finite differences

distance = Measure("||y - y*||", lambda p, it: p.norm(point(it) - p.x_star), r"\|y^k - y^\star\|",
                   lambda p, it: p.norm(point(it)) + p.norm(p.x_star))
earlier_distance = Measure("||z - z*||", lambda p, pair: distance(p, pair.x), r"\|z_k - z^\star\|",
                           lambda p, pair: distance.magnitude(p, pair.x))


def _differences(problem, it):
    """The columns of J - (central differences of y - step grad f(y) at the first prediction)."""
    y, step, columns = it.state.start, it.params["step"], []
    for e in np.eye(problem.dim):
        columns.append(e - step * (problem.grad(y + WIDTH * e) - problem.grad(y - WIDTH * e)) / (2 * WIDTH))
    return it.state.jacobian - np.stack(columns, axis=-1)


jacobian_error = Measure("||J - finite differences||", lambda p, it: np.linalg.norm(_differences(p, it), axis=-2).max(axis=-1),
                         r"\|\partial y^1/\partial y^0 - \Delta\|",
                         lambda p, it: 1 + it.params["step"] * p.L * (1 + p.norm(it.x) + p.norm(p.x_star)) / WIDTH,
                         symbolic=False)


def _away(problem, W):
    return problem.predict(W) - problem.family.x_star


objective_loss = Measure("mean f(yhat(x); x) - mean f*", lambda p, W: p.value(W) - p.f_star, r"\mathcal{L}_{obj} - \bar f^\star",
                         lambda p, W: abs(p.value(W)) + abs(p.f_star) + p.L * p.sq(W))
sq_weights = Measure("||W - W_regression||^2", lambda p, W: p.sq(W - _regression(p)), r"\|W_k - W_{reg}\|^2",
                     lambda p, W: 1e4 * EPS * p.sq(_regression(p)))


def _regression(problem):
    """The weights of least squares on the solutions of the contexts."""
    return np.linalg.lstsq(problem.family.contexts, problem.family.x_star, rcond=None)[0].T


# --- families -------------------------------------------------------------------------------------------------------
def held_out(rng):
    """Contexts as seen in training, ten times as far out, and predictions that miss along the flattest direction."""
    flat = ParametricQuadratic.random(4, 3, 1, mu=0.1, seed=2)
    near = ParametricQuadratic.random(5, 4, 1000, mu=0.1)
    far = ParametricQuadratic.random(5, 4, 1000, mu=0.02, reach=10.0, seed=1)
    return [Case(near, near.x0, steps=60), Case(far, far.x0, steps=60),
            Case(flat, flat.x_star + np.linalg.eigh(flat.H)[1][:, :1].T, steps=60)]


def curved(rng):
    """Logistic regressions, from points where they bend."""
    return [Case(p, p.starts(4)) for p in pool(LipschitzThirdDerivative, Smooth, needs=("hess",))
            if p.L3 > 0 and p.dim < 40][:2]


def misdeclared(**factors):
    """The same families with constants wrong by these factors."""

    def family(rng):
        cases = held_out(rng)
        for case in cases:
            vars(case.problem).update({n: f * getattr(case.problem, n) for n, f in factors.items()})
        return cases

    return family


def models(rng):
    return [Case(Amortized(ParametricQuadratic.random(3, 3, 200, mu=0.2, seed=s)), steps=100) for s in (0, 1)]


class _LastFeatureLost(Amortized):
    """Control: a restricted model, whose last feature never moves."""

    def pull(self, g):
        return super().pull(g) * (np.arange(self.point_shape[-1]) < self.point_shape[-1] - 1)


def _weighted_error(problem, W):
    """(1/2) mean ||yhat - y*||_H^2."""
    away = _away(problem, W)
    return problem.family.inner(away, away @ problem.family.H).mean(axis=-1) / 2


class _Quartic(ParametricQuadratic):
    """Control: the same solutions, but f grows with the fourth power of the distance as well."""

    def value(self, y):
        return super().value(y) + self.sq(y - self.x_star) ** 2


family = dict(assumes=(StronglyConvex, Smooth), on=held_out, recipe=lambda mu, L: dict(step=2 / (mu + L)))
beyond = Control("step beyond 2/L", recipe=lambda L: dict(step=2.2 / L))
transfer = family | dict(first=0, symbolic=False)
one_step = dict(steps=1, at=holding("step"), recipe=lambda L: dict(step=1 / L), symbolic=False)
away = dict(d=now(sq_distance))
semi_amortized.proves(
    Guarantee(suboptimality, lambda L, d: L / 2 * d, cite(46, 1, "smoothness", claim="upper"), using=away,
              control=Control("four times less smooth than declared", on=misdeclared(L=0.25)), **transfer),
    Guarantee(suboptimality, lambda mu, d: mu / 2 * d, cite(46, 1, "strong convexity", claim="lower"), using=away,
              relation=">=", tightness="tight", **transfer,
              control=Control("four times less strongly convex than declared", on=misdeclared(mu=4.0))),
    Guarantee(suboptimality, lambda mu, g: g / (2 * mu), cite(46, 1, "PL inequality", claim="gradient"), tightness="tight",
              using=dict(g=now(sq_gradient)), **transfer,
              control=Control("four times less strongly convex than declared", on=misdeclared(mu=4.0))),
    Guarantee(distance, lambda k, step, mu, R: (1 - step * mu) ** k * R, cite(46, 2, "gradient descent from a prediction"),
              tightness="tight", valid=lambda step, mu, L: 0 < step <= 2 / (mu + L), control=beyond, vary=dict(share=(1.0, 0.5)),
              **family | dict(recipe=lambda mu, L, share: dict(step=share * 2 / (mu + L)))),
    Guarantee(suboptimality, lambda k, L, R: L * R**2 / (4 * k + 2), cite(46, 3, "Drori-Teboulle 2014"),
              assumes=(Convex, Smooth), on=held_out, recipe=lambda L: dict(step=1 / L), control=beyond),
    Guarantee(earlier_distance, lambda step, mu, L, move: move / (1 - maximum(abs(1 - step * L), abs(1 - step * mu))),
              cite(46, 4, "Banach's fixed points"), at=pairs, tightness="tight", symbolic=False,
              using=dict(move=now(lambda p, pair: p.norm(point(pair.y) - point(pair.x)))), **family,
              control=Control("four times less contractive than declared", on=misdeclared(mu=4.0))),
    Guarantee(jacobian_error, lambda: 0.0, cite(46, 5, "Sec 2.2.2", claim="quadratics"), relation="==",
              assumes=(QuadraticForm, Smooth), **one_step,
              on=lambda rng: [Case(c.problem, c.x0) for c in held_out(rng)],
              control=Control("twice the step", recipe=lambda step: dict(step=2 * step))),
    Guarantee(jacobian_error, lambda step, L3: step * L3 * WIDTH**2 / 6, cite(46, 5, "Sec 2.2.2", claim="any objective"),
              assumes=(LipschitzThirdDerivative, Smooth), on=curved, **one_step,
              control=Control("twice the step", recipe=lambda step: dict(step=2 * step)),
              note="up to the error of central differences"),
)
objective_amortization.proves(
    Guarantee(objective_loss, lambda error: error, cite(46, 6, "completing the square", claim="losses"), relation="==",
              on=models, using=dict(error=now(_weighted_error)), first=0, recipe=lambda L: dict(step=1 / L),
              assumes=(QuadraticForm,), symbolic=False, control=Control("not a quadratic", on=lambda rng: [
                  Amortized(_Quartic(p.H, p.B, p.contexts)) for p in (c.problem.family for c in models(rng))])),
    Guarantee(sq_weights, lambda k, step, mu, R: (1 - step * mu) ** (2 * k) * R**2, symbolic=False, on=models,
              source=cite(46, 6, "completing the square", claim="minimizer"), assumes=(QuadraticForm, StronglyConvex, Smooth),
              recipe=lambda L: dict(step=1 / L),
              control=Control("a restricted model: the last feature is lost", problem=lambda p: _LastFeatureLost(p.family)),
              note="training on the objective converges to the weights of the regression on the solutions"),
)
