"""What disagreement and noise do to the mean of decentralized agents: smoothing, merging, escaping saddles."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optlab.problems.agents import Network, heterogeneous_quadratics
from optlab.problems.assumptions import GossipMatrix
from optlab.problems.graphs import ring
from optlab.problems.shared import Cosines, Cubic, Power, Saddle, SharedLoss

from ..functions import sqrt
from ..guarantee import Case, Control, Guarantee, cite, now
from ..measures import EPS, Measure
from ..methods import as_method, method
from .descent import dgd
from .gossip import Round


class Merged(NamedTuple):
    """The mean of the agents' gradients, each at its own point, and the points."""

    gradient: Any
    x: Any


@method(needs=("grad", "mean"), family="decentralized", symbolic=False)
def merged_gradient(problem, x):
    """mean_j grad L(x_j): the direction in which the mean of decentralized agents moves (Zhu et al. 2023, 2025)."""
    return Merged(problem.mean(problem.grad(x)), x)


@method(needs=("stochastic_grad", "mix"), family="decentralized", restartable=True, symbolic=False)
def fading_dsgd(problem, x, k=0, *, step, rng):
    """x+ = W x - step(k) (grad + noise), steps fading like k^-t, 1/2 < t <= 1 (Swenson, Murray, Poor, Kar 2020)."""
    while True:
        yield Round(x, k)
        x, k = problem.mix(x, k) - step(k) * problem.stochastic_grad(x, rng), k + 1


@method(needs=("stochastic_grad", "mix"), family="decentralized", restartable=True, symbolic=False)
def single_merge(problem, x, *, step, period, rng):
    """``period`` local steps, then one gossip round; judged where a final average would land (Zhu et al. 2025)."""
    while True:
        yield x
        for _ in range(period):
            x = x - step * problem.stochastic_grad(x, rng)
        x = problem.mix(x)


def gradient_at_mean(problem, x):
    """The mutant without disagreement: all agents ask at their mean."""
    return Merged(problem.mean(problem.grad(problem.mean(x))), x)


# --- merging and smoothing ------------------------------------------------------------------------------------------
def _smoothed(problem, it):
    return problem.loss.smoothed_grad(problem.mean(it.x), problem.diversity(it.x))


def _expanded(problem, it):
    """grad L + grad tr(Hess L Cov)/2 at the mean."""
    center = problem.mean(it.x)
    return problem.loss.grad(center) + problem.loss.trace_grad(center, problem.diversity(it.x)) / 2


def _size(problem, it):
    return 100 * (problem.norm(it.gradient) + 1)


smoothing_error = Measure("||mean grad L(w_j) - grad E L(mean w + e)||", lambda p, it: p.norm(it.gradient - _smoothed(p, it)),
                          r"\|\tfrac1m\sum\nabla L(w_j) - \nabla\mathbb{E}L(\bar w+\epsilon)\|", _size, symbolic=False)
expansion_error = Measure("||mean grad L(x_j) - grad L - grad tr(Hess L Cov)/2||",
                          lambda p, it: p.norm(it.gradient - _expanded(p, it)),
                          r"\|\tfrac1n\sum\nabla f(x_i) - \nabla f(\bar x) - \tfrac12\nabla\mathrm{tr}(\nabla^2 f\,C)\|", _size,
                          symbolic=False)
progress = Measure("<mean grad L(x_j), unit grad L(mean x)>",
                   lambda p, it: p.inner(it.gradient, _direction(p, it)), r"\langle\tfrac1n\sum\nabla f(x_i), u\rangle", _size,
                   symbolic=False)
mean_suboptimality = Measure("f(mean x) - f*", lambda p, x: p.whole.value(p.mean(x))[..., 0] - p.f_star,
                             r"f(\bar x_k) - f^\star", symbolic=False)


def _direction(problem, it):
    g = problem.loss.grad(problem.mean(it.x))
    return g / problem.norm(g)[..., None, None]


def _cubed(problem, it):
    """mean ||w_j - mean w||^3."""
    return ((it.x - problem.mean(it.x)) ** 2).sum(axis=-1).__pow__(1.5).mean(axis=-1)


def _gaussian_cubed(problem, it):
    """(tr(Xi)^2 + 2 tr(Xi^2))^(3/4) >= E||e||^3."""
    Xi = problem.diversity(it.x)
    return (np.trace(Xi, axis1=-2, axis2=-1) ** 2 + 2 * np.sum(Xi**2, axis=(-2, -1))) ** 0.75


def _third_moment(problem, it, nodes=20):
    """E||e||^3, e normal of covariance Xi, by Gauss-Hermite quadrature along its axes."""
    t, w = np.polynomial.hermite_e.hermegauss(nodes)
    sizes = np.maximum(np.linalg.eigvalsh(problem.diversity(it.x)), 0.0)
    d = sizes.shape[-1]
    squares = np.stack(np.meshgrid(*d * [t**2], indexing="ij"), axis=-1).reshape(-1, d)
    chance = np.prod(np.meshgrid(*d * [w / w.sum()], indexing="ij"), axis=0).ravel()
    return (sizes @ squares.T) ** 1.5 @ chance


def _visited(problem, step, scale, rng, count=40):
    """Where the agents of a run of decentralized gradient descent are, from a scattered start."""
    run = dgd(problem, 1.0 + scale * rng.standard_normal(problem.point_shape), step=step)
    return np.stack([next(run).x for _ in range(count)])


def cubics(rng):
    T = rng.standard_normal((3, 3, 3))
    T = sum(T.transpose(order) for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))) / 6
    problem = SharedLoss(Cubic(rng.standard_normal(3), 3 * np.eye(3), T), ring(8))
    return [Case(problem, _visited(problem, 0.01, 0.3, rng))]


def cosines(rng):
    problem = SharedLoss(Cosines(rng.standard_normal((4, 3)) / 2, rng.uniform(0, 6, 4)), ring(8))
    return [Case(problem, _visited(problem, 0.05, scale, rng)) for scale in (0.1, 0.5)]


def spreads(rng):
    """One skewed configuration of the agents, ever smaller: the third order shows."""
    problem = SharedLoss(Cosines(rng.standard_normal((4, 3)) / 2, rng.uniform(0, 6, 4)), ring(8))
    shape = rng.exponential(1.0, problem.point_shape)
    return [Case(problem, 1.0 + np.array([0.01, 0.02, 0.04, 0.08, 0.16])[:, None, None] * shape, label="spreads 0.01 to 0.16")]


def positive(power):
    return lambda rng: [Case(SharedLoss(Power(power), ring(8)), rng.uniform(0.2, 2.0, (50, 8, 1)))]


alone = Control("all agents ask at their mean", method=as_method(gradient_at_mean))
merged_gradient.proves(
    Guarantee(smoothing_error, lambda: 0.0, cite(90, 1, "third-order Taylor"), relation="==", on=cubics, control=alone),
    Guarantee(smoothing_error, lambda M4, third, normal: M4 / 6 * (third + normal), cite(90, 2, "Taylor and E||e||^4"),
              on=cosines, using=dict(third=now(_cubed), normal=now(_gaussian_cubed)), control=alone),
    Guarantee(smoothing_error, lambda M4, third, normal: M4 / 6 * (third + normal), cite(90, 3, "Thm 1"), on=spreads,
              using=dict(third=now(_cubed), normal=now(_third_moment)), control=alone,
              note="per unit of the step size, in which both sides are linear; with the constant, M4/6, that Taylor gives"),
    Guarantee(expansion_error, lambda M4, third: M4 / 6 * third, cite(169, 3, "Taylor", claim="expansion"), on=spreads,
              using=dict(third=now(_cubed)), control=alone),
    Guarantee(progress, lambda at_mean: at_mean, cite(169, 3, "constructive discrepancy", claim="sign"), relation=">=",
              on=positive(4.0), using=dict(at_mean=now(lambda p, it: p.norm(p.loss.grad(p.mean(it.x))))),
              control=Control("third derivative against the gradient", on=positive(1.5))),
)


# --- rate of the merged model ---------------------------------------------------------------------------------------
def crowds(rng):
    """4 to 13 agents, steps growing with their square, gossip every five."""
    cases = []
    for n, steps in ((4, 100), (6, 225), (9, 505), (13, 1055)):
        network = Network(heterogeneous_quadratics(n, 2, mu=0.5, spread=0.3, common=False, seed=5), ring(n), sigma=1.0)
        cases.append(Case(network, network.x_star + np.zeros(network.point_shape), steps=steps // 5,
                          params=dict(work=n * steps), label=f"{n} agents, {steps} steps"))
    return cases


single_merge.proves(
    Guarantee(mean_suboptimality, lambda work: 1 / sqrt(work), cite(169, 4, "abstract of v2"), mode="scaling", over="work",
              on=crowds, assumes=(GossipMatrix,), symbolic=False,
              recipe=lambda Lmax, n, work: dict(step=n / work**0.5 / Lmax, period=5),
              control=Control("noise that grows with the crowd",
                              problem=lambda p: Network(p.parts, p.gossip, sigma=p.sigma * p.n**0.5))),
)


# --- escaping saddles -----------------------------------------------------------------------------------------------
escape = Measure("mean y^2", lambda p, it: p.mean(it.x)[..., 0, 1] ** 2, r"\bar y_k^2", symbolic=False)
height = Measure("|mean y|", lambda p, it: abs(p.mean(it.x)[..., 0, 1]), r"|\bar y_k|", symbolic=False)
unrest = Measure("||grad L(mean x)||^2 + ||x - mean x||^2", lambda p, it: p.sq(p.loss.grad(p.mean(it.x)))
                 + p.sq(it.x - p.mean(it.x)), r"\|\nabla f(\bar x_k)\|^2 + \|X_k - J X_k\|^2",
                 lambda p, it: EPS * (1 + p.sq(it.x)), symbolic=False)


def fading(k):
    return 0.2 * (k + 1) ** -0.6


def linearized(k, sigma, n, lam):
    """v_0 = 0, v+ = (1 + step_k lam)^2 v + step_k^2 sigma^2/n."""
    v = [0.0]
    for i in range(int(np.max(k))):
        v.append((1 + fading(i) * lam) ** 2 * v[-1] + fading(i) ** 2 * sigma**2 / n)
    return np.array(v)[np.asarray(k).astype(int)]


def saddle(unbounded, steps, replicates):
    """A ring of eight at the saddle, pulled apart in the stable direction only."""

    def family(rng):
        pull = np.zeros((8, 2))
        pull[:, 0] = np.linspace(-1, 1, 8)
        problem = SharedLoss(Saddle(1.0, unbounded=unbounded), ring(8), sigma=0.1, linear=pull)
        return [Case(problem, np.zeros(problem.point_shape), steps=steps, replicates=replicates)]

    return family


def _silent(problem):
    return SharedLoss(problem.loss, problem.gossip, linear=problem.linear)


faded = dict(assumes=(GossipMatrix,), recipe=lambda: dict(step=fading), symbolic=False)
still = Control("no noise: nobody leaves the saddle", problem=_silent)
fading_dsgd.proves(
    Guarantee(escape, linearized, cite(14, 3, "linearized moments"), mode="expectation", relation="==",
              on=saddle(True, 60, 4096), control=still, **faded),
    Guarantee(height, lambda: 0.5, cite(14, 1, "nonconvergence theorem", claim="leaves the saddle"), mode="high probability",
              failure=0.1, relation=">=", first=2000, on=saddle(False, 2000, 192), control=still, **faded),
    Guarantee(unrest, lambda k: (k + 1) ** -0.25, cite(14, 1, "convergence theorem (no rate is claimed)", claim="critical point"),
              mode="order", on=saddle(False, 2000, 192), first=100,
              control=Control("a constant step", recipe=lambda: dict(step=lambda k: 0.2)), **faded),
)
