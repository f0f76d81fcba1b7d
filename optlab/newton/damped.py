"""Newton's method with explicit damping (RN) and its backtracking form (UN): Hanzely, Abdukhakimov, Takac 2024."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from array_api_compat import array_namespace

from optlab.problems.assumptions import LipschitzHessian, LipschitzThirdDerivative, QuadraticForm, StronglyConvex
from optlab.problems.base import Wrapped
from optlab.problems.glm import LogisticRegression
from optlab.problems.pool import pool

from ..fold import Fold, Pair, field, pairs
from ..functions import exp, log, maximum
from ..guarantee import Case, Control, Guarantee, cite, now, start
from ..measures import EPS, Measure, point, suboptimality
from ..methods import as_method, method


def solve(matrix, vector):
    """matrix^{-1} vector, over replicates."""
    return array_namespace(vector).linalg.solve(matrix, vector[..., None])[..., 0]


@method(needs=("grad", "hess"), family="newton", restartable=True, symbolic=False)
def newton_damped(problem, x, *, q, M):
    """RN: x+ = x - H^{-1} g/(1 + theta), theta = (9 M)^{1/(q-1)} (g'H^{-1}g)^{(q-2)/(2q-2)}; M = 0 is Newton's step."""
    while True:
        yield x
        g = problem.grad(x)
        n = solve(problem.hess(x), g)
        theta = damping(q, M, problem.inner(g, n) ** 0.5)
        x = x - problem.column(1 / (1 + theta)) * n


def damping(q, M, gx):
    """theta of a point where the gradient has local norm gx."""
    return (9 * M) ** (1 / (q - 1)) * gx ** ((q - 2) / (q - 1))


class Universal(NamedTuple):
    x: object
    sigma: object
    trials: object  # points tried so far


@method(needs=("grad", "hess", "value"), family="newton", restartable=True, symbolic=False)
def newton_universal(problem, x, sigma=None, trials=None, *, sigma0, b=2 / 3, c=2.0):
    """UN: theta = c^j sigma ||g||^b for the first j with <grad f(x+), n> >= ||grad f(x+)||^2/(2 alpha theta)."""
    if sigma is None:
        sigma, trials = sigma0 + 0 * problem.norm(x), 0 * problem.norm(x)
    while True:
        yield Universal(x, sigma, trials)
        g, H = problem.grad(x), problem.hess(x)
        n = solve(H, g)
        gx = problem.inner(g, n) ** 0.5
        accepted = sigma < 0  # nobody yet
        while True:
            trials = trials + ~accepted
            theta = sigma * gx**b
            y = x - problem.column(1 / (1 + theta)) * n
            gy = problem.grad(y)
            accepted = 2 * theta * problem.inner(gy, n) >= (1 + theta) * problem.inner(gy, solve(H, gy))
            accepted = accepted | (gx**2 <= 64 * EPS * abs(problem.value(x)))  # solved: the test would compare rounding
            if accepted.all() or not np.isfinite(theta).all():
                break
            sigma = sigma * array_namespace(x).where(accepted, 1.0, c)
        x, sigma = y, sigma / c


SHARES = 2.0 ** (-np.arange(49) / 4)


@method(needs=("grad", "hess", "value"), family="newton", restartable=True, symbolic=False)
def newton_regulated(problem, x, *, shares=SHARES):
    """GRLS: x+ has the least (f(y) - f(x))/||grad f(y)||_x^2 among y = x - alpha H^{-1} g, alpha in shares."""
    while True:
        yield x
        H, f = problem.hess(x), problem.value(x)
        n = solve(H, problem.grad(x))
        ys = x - shares.reshape((-1,) + (1,) * x.ndim) * n
        gs = problem.grad(ys)
        merit = (problem.value(ys) - f) / (problem.inner(gs, solve(H, gs)) + 1e-300)
        x = np.take_along_axis(ys, np.argmin(merit, axis=0)[None, ..., None], axis=0)[0]


# --- what the theorems speak of: a step from x to y, in the local norm at x ------------------------------------
def _direction(problem, x):
    return solve(problem.hess(x), problem.grad(x))


def _local_sq(problem, x, v):
    """(v' H(x)^{-1} v)."""
    return problem.inner(v, solve(problem.hess(x), v))


def _local_distance(problem, x):
    h = x - problem.x_star
    return problem.inner(h, (problem.hess(x) @ h[..., None])[..., 0]) ** 0.5


progress = Measure(
    "f(x) - f(y)",
    lambda problem, pair: problem.value(point(pair.x)) - problem.value(point(pair.y)),
    r"f(x_k) - f(x_{k+1})",
    lambda problem, pair: 2 * abs(problem.value(point(pair.x))) + problem.value_scale,
)
fall = Measure(
    "<grad f(y), n>",
    lambda problem, pair: problem.inner(problem.grad(point(pair.y)), _direction(problem, point(pair.x))),
    r"\langle \nabla f(x_{k+1}), n_k\rangle",
    lambda problem, pair: problem.L * problem.norm(point(pair.y)) * problem.norm(_direction(problem, point(pair.x))),
)
distance = Measure(
    "||y - x*||",
    lambda problem, pair: problem.norm(point(pair.y) - problem.x_star),
    r"\|x_{k+1} - x^\star\|",
    lambda problem, pair: problem.L / problem.mu * (problem.norm(problem.x_star) + problem.norm(point(pair.y))),
)
local_gradient = now(lambda p, pair: _local_sq(p, point(pair.x), p.grad(point(pair.x))) ** 0.5)
next_gradient = Measure(
    "||grad f(y)||_x^2", lambda problem, pair: _local_sq(problem, point(pair.x), problem.grad(point(pair.y))),
    r"\|\nabla f(x_{k+1})\|_{x_k}^{*2}",
    lambda problem, pair: EPS * 64 * (problem.L * (problem.norm(point(pair.y)) + problem.norm(problem.x_star))) ** 2 / problem.mu,
)


class Reach(NamedTuple):
    """An iterate with the run's D (largest local distance to x*) and gamma (least change of local norm) so far."""

    x: object
    D: object
    gamma: object


def _reach(iterates, quantities):
    p, previous, D, gamma = quantities.problem, None, 0.0, 1.0
    for it in iterates:
        x, xp = point(it), np
        if previous is not None:
            g = p.grad(x)
            here = _local_sq(p, x, g)
            gamma = xp.minimum(gamma, xp.where(here > 0, _local_sq(p, previous, g) / here, 1.0))
        D = xp.maximum(D, _local_distance(p, x))
        yield Reach(x, D, gamma)
        previous = x


reach = Fold("last", _reach)


# --- where the constants are known: logistic regressions, M from L2, L3 and mu ------------------------------------
def logistic(m, d, l2, scale, seed):
    """A logistic regression on m Gaussian rows of size ``scale``."""
    rng = np.random.default_rng(seed)
    X = scale * rng.standard_normal((m, d))
    return LogisticRegression(X, np.sign(X @ rng.standard_normal(d) + scale * rng.standard_normal(m)), l2,
                              name=f"logistic regression {m} x {d}, mu = {l2:g}")


def far(rng):
    """Ill conditioned, started far away (where the damping matters), and real data."""
    p = logistic(60, 8, 1e-3, 1.0, 1)
    real = pool(StronglyConvex, LipschitzThirdDerivative, needs=("hess",))
    return [Case(p, 20 * rng.standard_normal((4, 8)), steps=60), *(Case(p, steps=60) for p in real if p.L3 > 0)]


def far_convex(rng):
    """A milder one, whose level set the damped phase crosses in a hundred steps."""
    p = logistic(60, 8, 0.1, 1.0, 1)
    return [Case(p, p.x_star + 20 * rng.standard_normal((4, 8)))]


def near_quadratic(rng):
    """Well conditioned, M small: here the theorems' numbers mean something."""
    return [Case(p, p.x_star + r * rng.standard_normal((4, 2)), steps=300)
            for scale, r in ((1.0, 1.0), (0.4, 0.5), (0.3, 0.3)) for p in [logistic(20, 2, 1.0, scale, 2)]]


def local_constants(q, mu, L, L2, L3):
    """M_q from Euclidean constants: Hessian variation, Hessian-Lipschitz, third-derivative-Lipschitz in local norms."""
    return dict(q=q, M={2: L / mu - 1, 3: L2 / mu**1.5, 4: L3 / mu**2}[q])


class Transformed(Wrapped):
    """x -> f(A x)."""

    def __init__(self, inner, A):
        super().__init__(inner)
        self.A, self.name = A, f"{inner} in other coordinates"
        self.x_star = np.linalg.solve(A, inner.x_star)

    def value(self, x):
        return self.inner_problem.value(x @ self.A.T)

    def grad(self, x):
        return self.inner_problem.grad(x @ self.A.T) @ self.A

    def hess(self, x):
        return self.A.T @ self.inner_problem.hess(x @ self.A.T) @ self.A


def other_coordinates(d):
    """A fixed invertible matrix, of condition number 4."""
    Q, _ = np.linalg.qr(np.random.default_rng(d).standard_normal((d, d)))
    return Q * np.geomspace(0.5, 2.0, d)


def _twin(iterates, quantities):
    """Beside each iterate on f: that of the same method on f(A .), mapped by A."""
    p, twin = quantities.problem, None
    other = Transformed(p, other_coordinates(p.dim))
    for it in iterates:
        x = point(it)
        start_there = solve(other.A, x)
        twin = twin or newton_damped(other, start_there, q=quantities["q"], M=quantities["M"])
        yield Pair(next(twin) @ other.A.T, x)


twin_distance = Measure("||A y - x||", lambda problem, pair: problem.norm(pair.y - pair.x), r"\|A y_k - x_k\|",
                        lambda problem, pair: problem.L / problem.mu * (problem.norm(pair.x) + problem.norm(problem.x_star)))


def newton_euclidean(problem, x, *, q, M):
    """The mutant that damps by the Euclidean norm of the gradient."""
    while True:
        yield x
        g = problem.grad(x)
        x = x - problem.column(1 / (1 + damping(q, M, problem.norm(g)))) * solve(problem.hess(x), g)


def newton_frozen(problem, x, *, q, M):
    """The mutant that keeps the first Hessian (the chord method)."""
    H = problem.hess(x)
    while True:
        yield x
        x = x - solve(H, problem.grad(x))


known = dict(assumes=(StronglyConvex, LipschitzHessian, LipschitzThirdDerivative),
             recipe=lambda q, mu, L, L2, L3: local_constants(q, mu, L, L2, L3), vary=dict(q=(2, 3, 4)))
def after_transient(k, q, M, D, D0):
    """Theorem 4's M D^q k^(1 - q), from the k on where it is below f(x_0) - f*."""
    transient = 4 * (q - 1) * D * (9 * M * D / D0) ** (1 / (q - 1))
    return D0 * (1 + k / transient) ** (1.0 - q)


weak = Control("M a million times too small", recipe=lambda M: dict(M=M / 1e6), on=far)
stall = Control("damped as for an M a million times larger", recipe=lambda M: dict(M=M * 1e6))
newton_step = dict(recipe=lambda: dict(q=3, M=0.0))

newton_damped.proves(
    Guarantee(progress, lambda q, M, gx, fall: fall / (1 + damping(q, M, gx)), cite(67, 1, "Thm 2", claim="progress"),
              at=pairs, relation=">=", using=dict(gx=local_gradient, fall=now(fall)), on=far, control=weak, **known),
    Guarantee(next_gradient, lambda q, M, gx, fall: 2 * damping(q, M, gx) / (1 + damping(q, M, gx)) * fall,
              cite(67, 1, "Thm 2", claim="new gradient"), at=pairs,
              using=dict(gx=local_gradient, fall=now(fall)), on=far, control=weak, **known),
    Guarantee(suboptimality, lambda k, q, M, D, gamma, g0: 9 * M * D * (4 * D * (q - 1) / (gamma * k)) ** (q - 1)
              + g0 * D * exp(-k / 4), cite(67, 2, "Thm 4"), at=reach, on=near_quadratic, control=stall,
              using=dict(D=now(lambda p, it: it.D), gamma=now(lambda p, it: it.gamma),
                         g0=start(lambda p, it: _local_sq(p, it.x, p.grad(it.x)) ** 0.5)),
              note="D, gamma: largest local distance to x*, least ||g(x_s)||^2 in the norm at x_{s-1} over that at x_s",
              **known),
    *(Guarantee(suboptimality, after_transient, cite(67, 3, claim=f"RN q={q}"), mode="order", on=far_convex,
                control=stall, using=dict(D=start(_local_distance)), first=first, steps=steps, **{**known, "vary": dict(q=(q,))})
      for q, first, steps in ((2, 40, 200), (3, 40, 80), (4, 80, 115))),  # before the fast phase ends in round-off
    Guarantee(suboptimality, lambda: 0.0, cite(67, 4), assumes=(QuadraticForm, StronglyConvex), relation="==", steps=5,
              control=Control("damped although the third derivative is zero", recipe=lambda: dict(M=1.0)),
              **newton_step),
    Guarantee(twin_distance, lambda: 0.0, cite(67, 5), assumes=(StronglyConvex, LipschitzHessian), relation="==",
              at=Fold("A y beside x", _twin), on=far_convex, steps=100, recipe=lambda q: dict(q=q, M=1.0),
              vary=dict(q=(2, 3, 4)),
              control=Control("damped by the Euclidean norm", method=as_method(newton_euclidean))),
    Guarantee(distance, lambda mu, L2, r: L2 / (2 * mu) * r**2, cite(0, 0, "Nesterov 2018, Thm 1.2.5 for global mu"),
              assumes=(StronglyConvex, LipschitzHessian), at=pairs, on=near_quadratic, steps=8,
              using=dict(r=now(lambda p, pair: p.norm(point(pair.x) - p.x_star))),
              control=Control("Hessian frozen at the start", method=as_method(newton_frozen)), **newton_step),
)

universal = dict(assumes=(StronglyConvex, LipschitzThirdDerivative), recipe=lambda: dict(sigma0=1e-3))


def a_few_steps(rng):
    """As long as the trial points differ from the solution by more than round-off."""
    return [Case(logistic(60, 8, mu, 1.0, 1), 20 * rng.standard_normal((4, 8)), steps=steps)
            for mu, steps in ((1e-3, 9), (0.1, 3))]


def flat(rng):
    """Nearly separable data, hardly regularized: dozens of steps."""
    p = logistic(40, 20, 1e-9, 1.0, 3)
    return [Case(p, p.x0, steps=20)]


trials = Measure("points tried", lambda problem, n: n, r"N_k")
newton_universal.proves(
    Guarantee(trials, lambda k, mu, L3, sigma0:
              2 * k + maximum(0.0, log((9 * L3 / mu**2) ** (1 / 3) / sigma0) / log(2.0)),
              cite(67, 6, "Lemma 3"), at=field("trials"), on=a_few_steps,
              control=Control("theta raised by 2^(1/8) at a time", recipe=lambda: dict(c=2 ** (1 / 8))), **universal),
    Guarantee(suboptimality, lambda k: k**-3.0, cite(67, 3, claim="UN"), mode="order", on=flat, steps=20,
              control=Control("a huge theta that is never lowered", recipe=lambda: dict(sigma0=1e6, c=1.0)),
              **universal),
)
newton_regulated.proves(
    Guarantee(suboptimality, lambda k: k**-3.0, cite(67, 3, claim="GRLS"), mode="order", on=flat, steps=20,
              assumes=(StronglyConvex, LipschitzThirdDerivative),
              control=Control("only steps below a millionth tried", recipe=lambda: dict(shares=SHARES / 1e6))),
)
