"""Diffusion models on laws whose scores are known: data on a subspace, conditioning on a reward, the reverse sampler."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optlab.problems.agents import Space
from optlab.problems.assumptions import GaussianLaw
from optlab.problems.base import Array, as_matrix, as_vector
from optlab.problems.errors import ProblemError
from optlab.problems.targets import GaussianTarget

from ..guarantee import Case, Control, Guarantee, cite
from ..measures import Law, LawMeasure, Measure
from ..methods import as_method, method


class SubspaceMixture(Space):
    """x = A z, A (d, m) with orthonormal columns, z a mixture of equal weights of N(centers_i, width^2 I)."""

    def __init__(self, A: Array, centers: Array, width: float):
        self.A, self.centers, self.width = as_matrix(A, "A"), as_matrix(centers, "centers"), width
        if np.abs(self.A.T @ self.A - np.eye(self.A.shape[1])).max() > 1e-10:
            raise ProblemError("A must have orthonormal columns")
        super().__init__(self.A.shape[0], name=f"mixture of {len(centers)} on a subspace")

    def _scores(self, x: Array, means: Array, covariance: Array) -> Array:
        """The score at x of the mixture of N(means_i, covariance)."""
        pulls = (means - x[..., None, :]) @ np.linalg.inv(covariance)
        logs = -np.sum((means - x[..., None, :]) * pulls, axis=-1) / 2
        weights = np.exp(logs - logs.max(axis=-1, keepdims=True))
        return np.sum((weights / weights.sum(axis=-1, keepdims=True))[..., None] * pulls, axis=-2)

    def score(self, x: Array, t: float) -> Array:
        """grad log p_t in R^d, from the mixture of the ambient Gaussians at time t of dX = -X/2 dt + dB."""
        covariance = np.exp(-t) * self.width**2 * self.A @ self.A.T + (1 - np.exp(-t)) * np.eye(len(self.A))
        return self._scores(x, np.exp(-t / 2) * self.centers @ self.A.T, covariance)

    def latent_score(self, z: Array, t: float) -> Array:
        """The same for the law of z alone."""
        variance = np.exp(-t) * self.width**2 + 1 - np.exp(-t)
        return self._scores(z, np.exp(-t / 2) * self.centers, variance * np.eye(self.A.shape[1]))


class Score(NamedTuple):
    score: Any
    x: Any
    t: float


@method(needs=("latent_score",), family="sampling", symbolic=False)
def subspace_score(problem, x, *, t):
    """A s_t(A'x) - (I - AA')x/(1 - e^-t), s_t the score of the latent law (Chen, Huang, Zhao, Wang 2023)."""
    z = x @ problem.A
    return Score(problem.latent_score(z, t) @ problem.A.T - (x - z @ problem.A.T) / (1 - np.exp(-t)), x, t)


@method(symbolic=False)
def hasty_score(problem, x, *, t):
    """Control: time scaled as e^-2t where the process has e^-t."""
    return Score(subspace_score(problem, x, t=2 * t).score, x, t)


score_error = Measure("||s - grad log p_t||", lambda p, it: p.norm(it.score - p.score(it.x, it.t)), r"\|s - \nabla\log p_t\|",
                      lambda p, it: 100 * (p.norm(it.score) + p.norm(it.x) / (1 - np.exp(-it.t))), symbolic=False)


def mixtures(rng):
    """Three components in a plane of R^6, seen from on and off the plane."""
    A = np.linalg.qr(rng.standard_normal((6, 2)))[0]
    return [Case(SubspaceMixture(A, 2 * rng.standard_normal((3, 2)), 0.3), rng.standard_normal((50, 6)))]


subspace_score.proves(
    Guarantee(score_error, lambda: 0.0, cite(133, 2, "structured data"), relation="==", on=mixtures,
              recipe=lambda at: dict(t=at), vary=dict(at=(0.05, 0.5, 2.0)),
              control=Control("the wrong time scale", method=as_method(hasty_score))),
)


# --- conditioning on a reward ---------------------------------------------------------------------------------------
class Rewarded(GaussianTarget):
    """N(0, covariance) seen through a reward theta'x + N(0, nu^2)."""

    def __init__(self, covariance: Array, theta: Array, nu: float):
        super().__init__(np.zeros(len(covariance)), covariance, name="Gaussian with a linear reward")
        self.theta, self.nu = as_vector(theta, "theta", len(covariance)), float(nu)
        self.signal = float(self.theta @ self.covariance @ self.theta)

    def reward_grad(self, x: Array, a: float) -> Array:
        """grad log p(y = a | x)."""
        return ((a - x @ self.theta) / self.nu**2)[..., None] * self.theta


@method(needs=("grad", "reward_grad"), family="sampling", restartable=True, symbolic=False)
def guided_langevin(problem, x, *, step, reward, rng):
    """Langevin with the conditional score: x+ = x + step (grad log p(x) + grad log p(reward | x)) + sqrt(2 step) N(0, I)."""
    while True:
        yield x
        drift = problem.reward_grad(x, reward) - problem.grad(x)
        x = x + step * drift + (2 * step) ** 0.5 * rng.normal(problem.point_shape)


def blunt(problem, x, *, step, reward, rng):
    """The mutant that takes the reward for exact: nu half of what it is."""
    while True:
        yield x
        drift = 4 * problem.reward_grad(x, reward) - problem.grad(x)
        x = x + step * drift + (2 * step) ** 0.5 * rng.normal(problem.point_shape)


mean_reward = LawMeasure("E theta'x", lambda p, law: p.theta @ law.mean, r"\mathbb{E}\,\theta^\top x",
                         lambda p, law: 1e3 * (1 + np.linalg.norm(law.mean)))


def rewarded(rng):
    B = rng.standard_normal((3, 3))
    problem = Rewarded(B @ B.T / 3 + 0.5 * np.eye(3), rng.standard_normal(3), 0.7)
    problem.guided_L = problem.L + problem.sq(problem.theta) / problem.nu**2
    return [Case(problem, np.zeros(3), steps=4000)]


guided_langevin.proves(
    Guarantee(mean_reward, lambda target, signal, nu: target * signal / (signal + nu**2),
              cite(133, 3, "linear-Gaussian conditioning"), mode="expectation", relation="==", on=rewarded, first=3900,
              assumes=(GaussianLaw,), recipe=lambda guided_L, target: dict(step=0.4 / guided_L, reward=target),
              vary=dict(target=(1.0, 2.0, 4.0)),
              control=Control("the reward's noise understated", method=as_method(blunt, restartable=True)),
              note="the mean is that of the law sampled, whatever the step"),
)


# --- the reverse process ----------------------------------------------------------------------------------------------
class Reverse(NamedTuple):
    y: Any
    k: int


@method(needs=("noised_score",), family="sampling", restartable=True, symbolic=False)
def reverse_diffusion(problem, y, k=None, *, horizon_time, pieces, shift, rng):
    """From N(0, I), dY = (Y/2 + s_{T - t_k}(Y_k)) dt + dB solved exactly on each of ``pieces`` intervals of T.

    ``shift`` is the error of the score, on every coordinate.
    """
    h = horizon_time / pieces
    y, k = (rng.normal(problem.point_shape) + 0 * y, 0) if k is None else (y, k)
    while True:
        yield Reverse(y, k)
        score = problem.noised_score(y, horizon_time - k * h) + shift
        y = np.exp(h / 2) * y + 2 * (np.exp(h / 2) - 1) * score + (np.exp(h) - 1) ** 0.5 * rng.normal(problem.point_shape)
        k = k + 1


class NoisedGaussian(GaussianTarget):
    """N(mean, covariance) and the scores of its law at every time of dX = -X/2 dt + dB."""

    def noised_score(self, x: Array, t: float) -> Array:
        covariance = np.exp(-t) * self.covariance + (1 - np.exp(-t)) * np.eye(self.dim)
        return (np.exp(-t / 2) * self.mean - x) @ np.linalg.inv(covariance)


kl_of_data = LawMeasure("KL(data || law)", lambda p, law: Law(p.mean, p.covariance).kl(law),
                        r"\mathrm{KL}(p \,\|\, \mathrm{law}(Y_T))")


def samplers(name, values, **fixed):
    """One Gaussian, sampled with a grid of ``name``."""
    problem = NoisedGaussian(np.array([1.0, -0.5]), np.array([[0.5, 0.2], [0.2, 1.5]]), name="Gaussian in the plane")

    def family(rng):
        every = [dict(dict(time=8.0, pieces=128, eps=0.0), **fixed, **{name: v}) for v in values]
        return [Case(problem, np.zeros(2), steps=int(c["pieces"]), params=c | dict(elapsed=float(np.exp(c["time"]))),
                     label=f"{name} = {c[name]:g}") for c in every]

    return family


scaled = dict(mode="scaling", assumes=(GaussianLaw,), recipe=lambda time, pieces, eps: dict(
    horizon_time=time, pieces=pieces, shift=eps / 2**0.5))
reverse_diffusion.proves(
    Guarantee(kl_of_data, lambda pieces, dim, time: dim * time**2 / pieces, cite(133, 4, "Benton et al. 2024", claim="steps"),
              over="pieces", on=samplers("pieces", (8, 16, 32, 64)), **scaled,
              control=Control("a score that is off by one", recipe=lambda: dict(shift=1.0))),
    Guarantee(kl_of_data, lambda elapsed, dim: dim / elapsed, cite(133, 4, "Benton et al. 2024", claim="time"), over="elapsed",
              on=samplers("time", (1.0, 1.5, 2.0, 2.5, 3.0)), **scaled,
              control=Control("a fixed time", recipe=lambda: dict(horizon_time=1.0))),
    Guarantee(kl_of_data, lambda eps: eps**2, cite(133, 4, "Benton et al. 2024", claim="score"), over="eps",
              on=samplers("eps", (0.25, 0.5, 1.0, 2.0)), **scaled,
              control=Control("an error that grows with the square", recipe=lambda eps: dict(shift=eps**2))),
)
