"""Distributed sampling by noisy consensus ADMM (Tzikas, Romao, Pilanci, Abate, Kochenderfer 2024)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import solve_discrete_lyapunov

from optlab.problems.assumptions import EqualCurvature, GaussianLaw, OnTheLine
from optlab.problems.targets import GaussianConsensus

from ..guarantee import Case, Control, Guarantee, cite
from ..measures import LawMeasure
from ..methods import as_method, method


class Consensus(NamedTuple):
    x: Any  # (..., agents, d)
    p: Any


@method(needs=("local_solve", "neighbours"), family="sampling", restartable=True, symbolic=False)
def admm_sampler(problem, x, p=None, *, rho, rng):
    """D-ADMMS: x_i+ = argmin f_i + <p_i, .> + rho sum_j ||. - (x_i + x_j)/2 + w_i/(sqrt(2) rho)||^2 over the neighbours j,

    p_i+ = p_i + rho sum_j (x_i+ - x_j+), one normal w_i an agent and step.
    """
    p = 0 * x if p is None else p
    N = problem.degrees[:, None]
    while True:
        yield Consensus(x, p)
        w = rng.normal(problem.point_shape)
        x = problem.local_solve(rho * (N * x + problem.neighbours(x)) - p - 2**0.5 * N * w, 2 * rho * problem.degrees)
        p = p + rho * (N * x - problem.neighbours(x))


mean_error = LawMeasure("||E x - x*||", lambda problem, law: np.linalg.norm(law.mean - problem.x_star.ravel()),
                        r"\|\mathbb{E} x_k - x^\star\|", lambda problem, law: 100 * np.linalg.norm(problem.x_star))
spread = LawMeasure("tr Cov(x)", lambda problem, law: np.trace(law.covariance), r"\mathrm{tr}\,\mathrm{Cov}(x_k)")
average_variance = LawMeasure("Var of the average", lambda problem, law: np.sum(law.covariance) / problem.agents**2,
                              r"\mathrm{Var}(\bar x_k)")


# --- on the line: the affine map of (x, p), written as matrices -----------------------------------------------------
def affine_step(H, adjacency, rho):
    """(F, G) of s+ = F s + const + G w for s = (x, p)."""
    N = np.diag(adjacency.sum(axis=1))
    inverse = np.linalg.inv(np.diag(H[:, 0, 0]) + 2 * rho * N)
    to_x = np.hstack([rho * inverse @ (N + adjacency), -inverse])
    noise = -(2**0.5) * inverse @ N
    laplacian = N - adjacency
    eye = np.eye(len(N))
    F = np.vstack([to_x, np.hstack([0 * eye, eye]) + rho * laplacian @ to_x])
    return F, np.vstack([noise, rho * laplacian @ noise])


def running_spread(k, rho, H, adjacency):
    F, G = affine_step(H, adjacency, rho)
    n, C, traces = len(adjacency), np.zeros_like(F), []
    for _ in range(int(np.max(k)) + 1):
        traces.append(np.trace(C[:n, :n]))
        C = F @ C @ F.T + G @ G.T
    return np.array(traces)[k.astype(int)]


def stationary_spread(rho, H, adjacency):
    """From the discrete Lyapunov equation on {sum p = 0}."""
    n = len(adjacency)
    F, G = affine_step(H, adjacency, rho)
    balanced = np.linalg.svd(np.ones((1, n)))[2][1:].T
    basis = np.block([[np.eye(n), np.zeros((n, n - 1))], [np.zeros((n, n)), balanced]])
    C = solve_discrete_lyapunov(basis.T @ F @ basis, basis.T @ G @ G.T @ basis)
    return np.trace(C[:n, :n])


def average_limit(rho, lam, degree, agents):
    h = 1 / (2 * rho * degree * agents)
    return degree / (2 * rho) / (lam * (1 + h * lam / 2))


def ring(n):
    return np.roll(np.eye(n), 1, axis=0) + np.roll(np.eye(n), -1, axis=0)


def unequal(rng):
    """Different curvatures on a ring of five."""
    H, a = rng.uniform(2.0, 4.0, (5, 1, 1)), rng.standard_normal((5, 1))
    return [Case(GaussianConsensus(H, a, ring(5), name="ring of five"))]


def equal(rng):
    """Equal curvatures on regular graphs."""
    a = rng.standard_normal((5, 1))
    return [Case(GaussianConsensus(np.full((5, 1, 1), 3.0), a, graph, name=name))
            for graph, name in ((ring(5), "ring of five"), (np.ones((5, 5)) - np.eye(5), "complete graph of five"))]


def loud(problem, x, p=None, *, rho, rng):
    """The mutant with twice the noise."""
    p, N = 0 * x if p is None else p, problem.degrees[:, None]
    while True:
        yield Consensus(x, p)
        w = 2 * rng.normal(problem.point_shape)
        x = problem.local_solve(rho * (N * x + problem.neighbours(x)) - p - 2**0.5 * N * w, 2 * rho * problem.degrees)
        p = p + rho * (N * x - problem.neighbours(x))


def unbalanced(problem, x, p=None, *, rho, rng):
    """The mutant whose dual variables do not start with sum zero."""
    yield from admm_sampler(problem, x, 0 * x + 1.0 if p is None else p, rho=rho, rng=rng)


exact = dict(mode="expectation", relation="==", recipe=lambda r: dict(rho=r),
             vary=dict(r=(0.5, 1.0, 2.0)))
noisy = Control("noise twice as large", method=as_method(loud, restartable=True))
admm_sampler.proves(
    Guarantee(average_variance, average_limit, cite(5, 1, "linear-Gaussian analysis"), on=equal, first=250, steps=260,
              assumes=(GaussianLaw, OnTheLine, EqualCurvature), control=noisy, **exact),
    Guarantee(mean_error, lambda: 0.0, cite(5, 2, "affine recursion", claim="mean"), on=unequal, first=250, steps=260,
              assumes=(GaussianLaw,), control=Control("dual variables with a nonzero sum",
                                                      method=as_method(unbalanced, restartable=True)), **exact),
    Guarantee(spread, running_spread, cite(5, 2, "affine recursion", claim="covariance"), on=unequal, steps=100,
              assumes=(GaussianLaw, OnTheLine), control=noisy, **exact),
    Guarantee(spread, stationary_spread, cite(5, 2, "affine recursion", claim="Lyapunov"), on=unequal, first=250, steps=260,
              assumes=(GaussianLaw, OnTheLine), control=noisy, **exact),
)
