"""Langevin sampling of exp(-f), on one machine and over clients, judged by the exact laws on Gaussian targets."""

from __future__ import annotations

import numpy as np

from optlab.problems.assumptions import EqualCurvature, GaussianLaw, OnTheLine, Smooth, StronglyConvex
from optlab.problems.pool import pool
from optlab.problems.targets import GaussianClients

from ..functions import exp, log, sqrt
from ..guarantee import Case, Control, Guarantee, cite
from ..measures import Law, LawMeasure, sq_distance
from ..methods import as_method, method


@method(needs=("grad",), family="sampling", restartable=True)
def langevin(problem, x, *, step, rng):
    """Unadjusted Langevin, x+ = x - step grad f(x) + sqrt(2 step) N(0, I) (ULA)."""
    while True:
        yield x
        x = x - step * problem.grad(x) + (2 * step) ** 0.5 * rng.normal(problem.point_shape)


@method(needs=("client_grad", "average"), family="sampling", restartable=True, symbolic=False)
def federated_langevin(problem, x, *, step, local_steps, rng):
    """FA-LD: each client takes local Langevin steps with noise 2 step/p_c, then their weighted average (Deng 2021)."""
    scale = (2 * step / problem.weights[:, None]) ** 0.5
    while True:
        yield x
        local = x[..., None, :]
        for _ in range(local_steps):
            local = local - step * problem.client_grad(local) + scale * rng.normal((problem.clients, problem.dim))
        x = problem.average(local)


@method(needs=("client_grad",), family="sampling", restartable=True, symbolic=False)
def partial_langevin(problem, x, *, step, sampled, rng):
    """FA-LD with one local step where only ``sampled`` clients of equal weight, drawn anew each time, are averaged."""
    scale = (2 * step * problem.clients) ** 0.5
    while True:
        yield x
        local = x[..., None, :]
        local = local - step * problem.client_grad(local) + scale * rng.normal((problem.clients, problem.dim))
        chosen = rng.subset(problem.clients, sampled)
        x = np.take_along_axis(local, chosen[..., None], axis=-2).mean(axis=-2)


@method(needs=(), family="sampling")
def ornstein_uhlenbeck(problem, x, *, dt, spread, rng):
    """The forward process dX = -X/2 dt + dB at times k dt, from N(x, spread^2 I), by exact transitions."""
    x = x + spread * rng.normal(problem.point_shape)
    while True:
        yield x
        x = np.exp(-dt / 2) * x + (1 - np.exp(-dt)) ** 0.5 * rng.normal(problem.point_shape)


# --- measures of the law -------------------------------------------------------------------------------------------
def _target(problem):
    return Law(problem.mean, problem.covariance)


wasserstein = LawMeasure("W2(law, target)", lambda problem, law: law.sq_wasserstein(_target(problem)) ** 0.5,
                         r"W_2(\mathrm{law}(x_k), \pi)")
sq_wasserstein = LawMeasure("W2^2(law, target)", lambda problem, law: law.sq_wasserstein(_target(problem)),
                            r"W_2^2(\mathrm{law}(x_k), \pi)", lambda problem, law: np.trace(problem.covariance))
kl_to_normal = LawMeasure("KL(law || N(0, I))", lambda problem, law: law.kl(Law(0 * law.mean, np.eye(len(law.mean)))),
                          r"\mathrm{KL}(p_t \,\|\, N(0, I))")


def langevin_wasserstein(k, step, modes, eigenvalues):
    """W2^2 of ULA's law at k to the Gaussian target: along each axis the variance grows to 1/(lam (1 - step lam/2))."""
    q = (1 - step * eigenvalues) ** np.asarray(k)[..., None]
    deviation = np.sqrt((1 - q**2) / (eigenvalues * (1 - step * eigenvalues / 2)))
    return np.sum((q * modes) ** 2 + (deviation - eigenvalues**-0.5) ** 2, axis=-1)


def noiseless_half(problem, x, *, step, rng):
    """The mutant with the noise of an Ito slip: sqrt(step) for sqrt(2 step)."""
    while True:
        yield x
        x = x - step * problem.grad(x) + step**0.5 * rng.normal(problem.point_shape)


def gaussians(rng):
    return [Case(p, steps=100) for p in pool(GaussianLaw)[:2]]


half = Control("noise of variance step instead of 2 step", method=as_method(noiseless_half))
beyond = Control("step beyond 2/L", recipe=lambda L: dict(step=2.2 / L))
short = dict(recipe=lambda mu, L, share: dict(step=share * 2 / (mu + L)), vary=dict(share=(1.0, 0.1)),
             valid=lambda step, mu, L: 0 < step <= 2 / (mu + L))

langevin.proves(
    Guarantee(wasserstein, lambda k, mu, L, step, W0, dim: (1 - mu * step) ** k * W0 + 1.65 * L / mu * sqrt(step * dim),
              cite(152, 2, "Dalalyan-Karagulyan 2019, Thm 1"), assumes=(StronglyConvex, Smooth, GaussianLaw),
              mode="expectation", on=gaussians, control=beyond, **short),
    Guarantee(sq_wasserstein, langevin_wasserstein, cite(0, 0, "exact law of ULA on a Gaussian"), relation="==",
              assumes=(GaussianLaw,), mode="expectation", on=gaussians, control=half, **short),
    Guarantee(sq_distance, lambda k, mu, step, R, dim: (1 - mu * step) ** (2 * k) * R**2
              + 2 * dim / (mu * (2 - mu * step)) * (1 - (1 - mu * step) ** (2 * k)), cite(0, 0, "second moment of ULA"),
              assumes=(StronglyConvex, Smooth), mode="expectation", tightness="tight",
              drift=lambda V, mu, step, dim: (1 - mu * step) ** 2 * V + 2 * step * dim,
              on=lambda rng: [*gaussians(rng), *(Case(p, steps=8, replicates=256) for p in pool(needs=("laplace",)))],
              control=beyond, **short),
)


# --- FA-LD on Gaussian clients -------------------------------------------------------------------------------------
def federated_laws(steps, step, local_steps, H, a, weights, x_start):
    """Means and covariances of the averages at synchronization, from the affine maps of the clients' rounds."""
    eye = np.eye(a.shape[1])
    shrink = [np.linalg.matrix_power(eye - step * h, local_steps) for h in H]
    T = sum(p * s for p, s in zip(weights, shrink, strict=True))
    pull = sum(p * (eye - s) @ c for p, s, c in zip(weights, shrink, a, strict=True))
    noise = sum(p * 2 * step * sum(np.linalg.matrix_power(eye - step * h, 2 * j) for j in range(local_steps))
                for p, h in zip(weights, H, strict=True))
    laws = [Law(x_start, 0 * eye)]
    for _ in range(steps):
        laws.append(Law(T @ laws[-1].mean + pull, T @ laws[-1].covariance @ T.T + noise))
    return laws


def federated_wasserstein(k, step, local_steps, H, a, weights, x_start, mean, covariance):
    laws = federated_laws(int(np.max(k)), step, local_steps, H, a, weights, x_start)
    return np.array([law.sq_wasserstein(Law(mean, covariance)) for law in laws])[k.astype(int)]


def federated_moment(k, step, local_steps, H, a, weights, x_start, mean):
    laws = federated_laws(int(np.max(k)), step, local_steps, H, a, weights, x_start)
    return np.array([np.sum((law.mean - mean) ** 2) + np.trace(law.covariance) for law in laws])[k.astype(int)]


def clients(rng):
    """Four heterogeneous clients of unequal weight."""
    B = rng.standard_normal((4, 3, 3))
    problem = GaussianClients(B @ B.swapaxes(-1, -2) / 3 + 0.5 * np.eye(3), 2 * rng.standard_normal((4, 3)),
                              [0.1, 0.2, 0.3, 0.4], name="four Gaussian clients")
    return [Case(problem, steps=50)]


def equal_noise(problem, x, *, step, local_steps, rng):
    """The mutant whose clients all take the noise of the whole, without the factor 1/p_c."""
    while True:
        yield x
        local = x[..., None, :]
        for _ in range(local_steps):
            noise = rng.normal((problem.clients, problem.dim))
            local = local - step * problem.client_grad(local) + (2 * step) ** 0.5 * noise
        x = problem.average(local)


rounds = dict(assumes=(GaussianLaw,), mode="expectation", relation="==", on=clients,
              recipe=lambda L, K: dict(step=0.1 / L, local_steps=K), vary=dict(K=(1, 5)),
              control=Control("noise without the factor 1/p_c", method=as_method(equal_noise)))
federated_langevin.proves(
    Guarantee(sq_wasserstein, federated_wasserstein, cite(152, 1, "affine-Gaussian recursion", claim="W2"), **rounds),
    Guarantee(sq_distance, federated_moment, cite(152, 1, "affine-Gaussian recursion", claim="moments"), **rounds),
)


def settled(k, step, local_steps, H, a, weights, x_start, mean, covariance):
    """(1 - step m/4)^k W2(law_0, law_inf) + W2(law_inf, target), m the clients' least curvature."""
    limit = federated_laws(2000, step, local_steps, H, a, weights, x_start)[-1]
    start, m = Law(x_start, 0 * covariance), np.linalg.eigvalsh(H).min()
    floor = limit.sq_wasserstein(Law(mean, covariance)) ** 0.5
    return (1 - step * m / 4) ** k * start.sq_wasserstein(limit) ** 0.5 + floor


def grid(**values):
    """The four clients once for every value of one parameter; ``share`` of the step 1/L, ``K`` local steps."""
    (name, several), = values.items()

    def family(rng):
        problem = clients(rng)[0].problem
        params = [dict(share=0.003, K=5) | {name: v} for v in several]
        return [Case(problem, steps=int(40 / (p["share"] * p["K"])), params=p | dict(fineness=1 / p["share"]),
                     label=f"{name} = {p[name]:g}") for p in params]

    return family


shape = dict(assumes=(GaussianLaw,), recipe=lambda L, share, K: dict(step=share / L, local_steps=K))
federated_langevin.proves(
    Guarantee(wasserstein, settled, cite(152, 3, "main theorem", claim="contraction"), mode="expectation",
              on=lambda rng: [c.problem for c in clients(rng)],
              vary=dict(share=(0.1,), K=(1, 5)), steps=400,
              control=Control("a thousandth of the step", recipe=lambda step: dict(step=step / 1000)),
              **shape),
    Guarantee(wasserstein, lambda fineness: fineness**-0.5, cite(152, 3, "main theorem", claim="step"), mode="scaling",
              over="fineness", on=grid(share=(0.1, 0.05, 0.025, 0.0125)),
              control=Control("noise without the factor 1/p_c", method=as_method(equal_noise, restartable=True)), **shape),
    Guarantee(wasserstein, lambda K, L, mu: sqrt(K**2 + L / mu), cite(152, 3, "main theorem", claim="local steps"),
              mode="scaling", over="K", on=grid(K=(10, 16, 25, 40, 64)),
              control=Control("steps that grow with K", recipe=lambda step, K: dict(step=step * K / 10)), **shape),
)


def equal_clients(rng):
    """Four clients of equal weight and curvature on the line, started at the target's mean."""
    problem = GaussianClients(np.full((4, 1, 1), 2.0), rng.standard_normal((4, 1)), name="four clients on the line")
    return [Case(problem, problem.mean, steps=50)]


def participation_variance(k, step, sampled, clients, L, spread):
    """Variance of the average after k rounds from a point; (C/S)/L in the limit of small steps and many rounds."""
    offsets = (step * L) ** 2 * spread * (clients - sampled) / ((clients - 1) * sampled)
    per_round = offsets + 2 * step * clients / sampled
    return per_round * (1 - (1 - step * L) ** (2 * k)) / (1 - (1 - step * L) ** 2)


partial_langevin.proves(
    Guarantee(sq_distance, participation_variance, cite(152, 4, "partial participation"),
              assumes=(GaussianLaw, OnTheLine, EqualCurvature),
              mode="expectation", relation="==", on=equal_clients, recipe=lambda L, S: dict(step=0.2 / L, sampled=S),
              vary=dict(S=(1, 2, 3)),
              control=Control("all clients averaged", recipe=lambda clients: dict(sampled=clients))),
)


def hasty(problem, x, *, dt, spread, rng):
    """The mutant that shrinks by e^-t where the process shrinks by e^(-t/2)."""
    x = x + spread * rng.normal(problem.point_shape)
    while True:
        yield x
        x = np.exp(-dt) * x + (1 - np.exp(-dt)) ** 0.5 * rng.normal(problem.point_shape)


ornstein_uhlenbeck.proves(
    Guarantee(kl_to_normal, lambda k, dt, spread, dim, S0:
              exp(-k * dt) * (dim * (spread**2 - 1 - 2 * log(spread)) + S0) / 2,
              cite(133, 1, "log-Sobolev inequality of the Gaussian"), mode="expectation", tightness="tight", steps=40,
              assumes=(GaussianLaw,), on=lambda rng: [Case(pool(GaussianLaw)[0], np.ones(pool(GaussianLaw)[0].dim))],
              recipe=lambda s: dict(dt=0.2, spread=s), vary=dict(s=(0.2, 1.0, 3.0)),
              control=Control("shrinks twice as fast", method=as_method(hasty))),
)
