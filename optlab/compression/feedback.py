"""Error feedback: what a biased compressor leaves out is kept and sent later (EF14, DeMo, DGC, EF21, EF21-W)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optlab.problems.agents import Compressed, Federation, LinearAgents, heterogeneous_quadratics
from optlab.problems.assumptions import ContractiveMessages, PLMean, SingleAgent, SmoothAgents, SmoothMean, StronglyConvexMean
from optlab.problems.quadratic import Quadratic

from ..federated.folds import averaged, beside, mean_of, same, sq_mean_gradient
from ..functions import sqrt
from ..guarantee import Case, Control, Guarantee, cite, start
from ..measures import EPS, Measure, sq_distance, suboptimality
from ..methods import method
from .compressors import ChunkedDCT, Identity, TopK


class Residual(NamedTuple):
    """The server's point and what every agent has not sent yet."""

    x: Any
    e: Any


class Momenta(NamedTuple):
    """The server's point, every agent's momentum and every agent's unsent mass."""

    x: Any
    u: Any
    v: Any


class Shifted(NamedTuple):
    """The server's point and the gradient estimate that server and agents share."""

    x: Any
    g: Any


@method(needs=("grad", "send", "mean"), family="compression", restartable=True)
def error_feedback(problem, x, e=None, *, step, compressor, decay=1.0):
    """c = C(decay e + step grad), e+ = decay e + step grad - c, x+ = x - mean c (Seide et al. 2014; DeMo with decay < 1)."""
    x, e = problem.mean(x), 0 * x if e is None else e
    while True:
        yield Residual(x, e)
        meant = decay * e + step * problem.grad(x)
        sent = problem.send(meant, compressor)
        e = meant - sent
        x = x - problem.mean(sent, sent=True)


@method(needs=("grad", "send", "mean"), family="compression", restartable=True, symbolic=False)
def deep_gradient_compression(problem, x, u=None, v=None, *, step, momentum, compressor, masking=True):
    """DGC: momentum before accumulation; sent coordinates leave V and, with masking, the momentum U (Lin et al. 2018)."""
    x, u, v = problem.mean(x), 0 * x if u is None else u, 0 * x if v is None else v
    while True:
        yield Momenta(x, u, v)
        u = momentum * u + problem.grad(x)
        v = v + u
        sent = problem.send(v, compressor)
        v = v - sent
        u = u * (sent == 0) if masking else u
        x = x - step * problem.mean(sent, sent=True)


@method(needs=("grad", "send", "mean"), family="compression", restartable=True)
def ef21(problem, x, g=None, *, step, compressor, weights=1.0):
    """x+ = x - step mean(w g), g+ = g + C(grad(x+)/w - g); w = 1, or L_i / mean L for EF21-W (Richtarik et al. 2021, 2024)."""
    x = problem.mean(x)
    g = problem.send((1 / weights) * problem.grad(x), compressor) if g is None else g
    while True:
        yield Shifted(x, g)
        x = x - step * problem.mean(weights * g, sent=True)
        g = g + problem.send((1 / weights) * problem.grad(x) - g, compressor)


@method(needs=("grad", "send", "mean"), family="compression", restartable=True)
def compressed_gradient_descent(problem, x, *, step, compressor):
    """x+ = x - step mean C(grad): no memory. With a biased compressor it need not converge."""
    x = problem.mean(x)
    while True:
        yield x
        x = x - step * problem.mean(problem.send(problem.grad(x), compressor), sent=True)


@method(symbolic=False)
def without_state(problem, x, g=None, *, step, compressor, weights=1.0):
    """Control: C(grad) is sent, no estimate is kept."""
    x = problem.mean(x)
    while True:
        g = problem.send(problem.grad(x), compressor)
        yield Shifted(x, g)
        x = x - step * problem.mean(g, sent=True)


# --- measures ---------------------------------------------------------------------------------------------------
lyapunov = Measure(
    "||x - e - x*||^2 + ||e||^2/sqrt(eps)",
    lambda p, it: p.sq(it.x - it.e - p.x_star) + p.sq(it.e) / p.eps**0.5,
    r"\|x_k - e_k - x^\star\|^2 + \|e_k\|^2/\sqrt{\epsilon}",
    lambda p, it: sq_distance.magnitude(p, it.x - it.e) + 64 * EPS * p.sq(it.e), symbolic=False)
tracked = Measure(
    "||grad f - g||^2 + sqrt(eps) ||grad f||^2",
    lambda p, it: p.sq(p.grad(it.x) - it.g) + p.eps**0.5 * p.sq(p.grad(it.x)),
    r"\|\nabla f(x_k) - g_k\|^2 + \sqrt{\epsilon}\,\|\nabla f(x_k)\|^2",
    lambda p, it: 64 * EPS * (p.L**2 * (p.sq(it.x) + p.sq(p.x_star)))
    + p.L * p.norm(it.x) * (p.norm(p.grad(it.x)) + p.norm(p.grad(it.x) - it.g)), symbolic=False)
memory = Measure("||M||", lambda p, it: p.norm(it.e), r"\|M_k\|", lambda p, it: p.norm(it.e), symbolic=False)


def weighted_lag(problem, it):
    """mean_i w_i ||g_i - grad f_i(x)/w_i||^2, w_i = L_i / mean L."""
    w = problem.L_i / problem.Lmean
    return problem.inner(w * (it.g - problem.grad(it.x) / w), it.g - problem.grad(it.x) / w) / problem.n


def plain_lag(problem, it):
    """mean_i ||g_i - grad f_i(x)||^2 / w_i, w_i = L_i / mean L."""
    gap = it.g - problem.grad(it.x)
    return problem.inner(gap * (problem.Lmean / problem.L_i), gap) / problem.n


def energy(of):
    return Measure("f(x) - f* + (step/theta) G", lambda p, it: suboptimality(p, it) + p.pl_step / p.theta * of(p, it),
                   r"f(x_k) - f^\star + \tfrac{\gamma}{\theta} G_k",
                   lambda p, it: suboptimality.magnitude(p, it) + EPS * 64 * p.Lmax * (1 + p.sq(it.x)), symbolic=False)


def tight_rate(L, mu, eps):
    """The exact rate of error feedback and of EF21 with their best step, one agent (Thomsen, Taylor, Dieuleveut 2025)."""
    s, step = sqrt(eps), tight_step(L, mu, eps)
    lam = step / (L + mu) * ((1 - s) * (L - mu) + (1 + s) * sqrt((L - mu) ** 2 + 16 * L * mu * s / (1 + s) ** 2))
    return s + (1 + s) / 4 * (L - mu) * lam


def tight_step(L, mu, eps):
    return 2 / (L + mu) * (1 - sqrt(eps)) / (1 + sqrt(eps))


# --- families -----------------------------------------------------------------------------------------------------
def one_agent(make):
    """One agent: random quadratics, and the diagonal one in the plane on which the rate is met; many starts."""

    def family(rng):
        plane = Federation([Quadratic(np.diag([0.01, 1.0]))])
        angle = np.linspace(0, np.pi, 2000)
        gradients = np.stack([np.cos(angle), np.sin(angle)], axis=-1)[:, None, :]
        cases = [Case(Compressed(plane, make(2)), gradients / plane.parts[0].A.diagonal(), steps=60)]
        for d, mu, seed in ((4, 0.1, 2), (8, 0.01, 3)):
            federation = Federation(heterogeneous_quadratics(1, d, mu=mu, seed=seed))
            start = rng.standard_normal((64, 1, d))
            cases.append(Case(Compressed(federation, make(d)), start, steps=60))
        return cases

    return family


def clients(make=lambda d: TopK(1), scaled=True):
    """Agents of very different smoothness."""

    def family(rng):
        cases = []
        for n, d, seed in ((2, 3, 1), (6, 6, 2), (12, 8, 3)):
            scales = 10 ** rng.uniform(-2, 1, n) if scaled else None
            federation = Federation(heterogeneous_quadratics(n, d, mu=0.1, spread=2.0, scales=scales, seed=seed))
            start = np.repeat(3 * rng.standard_normal((8, 1, d)), n, axis=1)
            cases.append(Case(Compressed(federation, make(d)), start, steps=200))
        return cases

    return family


def memories(rng):
    """Constant gradients: what is not sent piles up as long as it can."""
    return [Case(Compressed(LinearAgents(b[None, :]), ChunkedDCT(4, 16)), steps=100)
            for b in (np.eye(16)[0], rng.standard_normal(64), rng.standard_normal(16))]


# --- what is proved -----------------------------------------------------------------------------------------------
def _heavy_ball(iterates, q):
    """Polyak's iteration on the mean objective, from the same start."""
    problem, first = q.problem, next(iterates)
    x, u = first.x, 0 * first.x
    yield first, x
    for state in iterates:
        u = q["momentum"] * u + problem.whole.grad(x[..., 0, :])[..., None, :]
        x = x - q["step"] * u
        yield state, x


def _gradient_descent(iterates, q):
    first = next(iterates)
    x = first.x
    yield first, x
    for state in iterates:
        x = x - q["step"] * q.problem.whole.grad(x[..., 0, :])[..., None, :]
        yield state, x


def _mass(iterates, q):
    """x_0 - step mean(sum of the momenta that nothing was removed from - what is not sent yet)."""
    problem, u, total, x0 = q.problem, 0.0, 0.0, None
    for state in iterates:
        x0 = state.x if x0 is None else x0
        yield state, x0 - q["step"] * problem.mean(total - state.v)
        u = q["momentum"] * u + problem.grad(state.x)
        total = total + u


claim = dict(symbolic=False)
coarser = Control("a quarter of the entries declared", recipe=lambda compressor: dict(compressor=ChunkedDCT(1, 16)))
tight = dict(recipe=lambda compressor, L, mu, eps: dict(step=tight_step(L, mu, eps), compressor=compressor),
             assumes=(SmoothMean, StronglyConvexMean, ContractiveMessages, SingleAgent), **claim)
far = Control("step beyond 2/L", recipe=lambda L: dict(step=2.2 / L))

error_feedback.proves(
    Guarantee(memory, lambda G, eps, decay: G * sqrt(eps) / (1 - decay * sqrt(eps)), cite(13, 2),
              recipe=lambda compressor, decay: dict(step=1.0, compressor=compressor, decay=decay),
              vary=dict(decay=(1.0, 0.9)), on=memories, assumes=(ContractiveMessages,), control=coarser, **claim),
    Guarantee(averaged, lambda k, D0, step: 8 * D0 / (step * k), cite(13, 3, "virtual iterate"),
              at=mean_of(sq_mean_gradient), assumes=(SmoothMean, ContractiveMessages, SingleAgent),
              recipe=lambda compressor, L, alpha, eps: dict(compressor=compressor,
                                                            step=min(1 / (2 * L), alpha / (4 * L * eps**0.5))),
              on=one_agent(lambda d: ChunkedDCT(1, 2)),
              control=far, **claim),
    Guarantee(lyapunov, lambda k, L, mu, eps, V0: tight_rate(L, mu, eps) ** k * V0, cite(13, 4, "Thomsen et al. 2025, Thm 1"),
              using=dict(V0=start(lyapunov)), tightness="tight", on=one_agent(lambda d: ChunkedDCT(1, 2)), control=far, **tight),
    Guarantee(lyapunov, lambda k, L, mu, eps, V0: tight_rate(L, mu, eps) ** k * V0,
              cite(167, 3, "Thomsen, Taylor, Dieuleveut 2025, Thm 1"), using=dict(V0=start(lyapunov)), tightness="tight",
              on=one_agent(lambda d: TopK(max(1, d // 2))), control=far, **tight),
)
deep_gradient_compression.proves(
    Guarantee(same, lambda: 0.0, cite(167, 1, claim="heavy ball"), at=beside("heavy ball", _heavy_ball), relation="==",
              recipe=lambda L: dict(step=0.1 / L, momentum=0.9, compressor=Identity(), masking=False), on=clients(),
              control=Control("masking left on", recipe=lambda: dict(masking=True)), **claim),
    Guarantee(same, lambda: 0.0, cite(167, 1, claim="plain"), at=beside("gradient descent", _gradient_descent),
              relation="==", recipe=lambda L: dict(step=0.5 / L, momentum=0.9, compressor=Identity(), masking=True),
              on=clients(), control=Control("masking off", recipe=lambda: dict(masking=False)), **claim),
    Guarantee(same, lambda: 0.0, cite(167, 2, "accumulation"), at=beside("mass", _mass), relation="==",
              recipe=lambda L, compressor: dict(step=0.05 / L, momentum=0.5, compressor=compressor, masking=False),
              on=clients(), control=Control("masking left on", recipe=lambda: dict(masking=True)), **claim),
)
naive = Control("C(grad) sent, no estimate kept", method=without_state, steps=2000)
longer = Control("step beyond 2/L", recipe=lambda L: dict(step=2.5 / L))
mean_square = dict(at=mean_of(sq_mean_gradient), assumes=(SmoothMean, SmoothAgents, ContractiveMessages), on=clients(), **claim)
ef21.proves(
    Guarantee(averaged, lambda k, D0, step, theta, G: 2 * D0 / (step * k) + G / (theta * k), cite(168, 1, claim="EF21"),
              recipe=lambda L, Lmean, xi, compressor: dict(step=1 / (L + Lmean * xi), compressor=compressor),
              using=dict(G=start(lambda p, it: plain_lag(p, it.state))), control=(longer, naive), **mean_square),
    Guarantee(averaged, lambda k, D0, step, theta, G: 2 * D0 / (step * k) + G / (theta * k), cite(168, 1, claim="EF21-W"),
              recipe=lambda L, Lmean, xi, compressor, L_i: dict(step=1 / (L + Lmean * xi), compressor=compressor,
                                                                weights=L_i / Lmean),
              using=dict(G=start(lambda p, it: weighted_lag(p, it.state))), control=(longer, naive), **mean_square),
    Guarantee(energy(plain_lag), lambda k, step, mu, V0: (1 - step * mu) ** k * V0, cite(168, 2, "PL theorem", claim="EF21"),
              assumes=(PLMean, SmoothAgents, ContractiveMessages), on=clients(),
              recipe=lambda compressor, pl_step: dict(step=pl_step, compressor=compressor),
              using=dict(V0=start(energy(plain_lag))), control=(longer, naive), **claim),
    Guarantee(energy(weighted_lag), lambda k, step, mu, V0: (1 - step * mu) ** k * V0,
              cite(168, 2, "PL theorem", claim="EF21-W"), assumes=(PLMean, SmoothAgents, ContractiveMessages), on=clients(),
              recipe=lambda compressor, pl_step, L_i, Lmean: dict(step=pl_step, compressor=compressor, weights=L_i / Lmean),
              using=dict(V0=start(energy(weighted_lag))), control=(longer, naive), **claim),
    Guarantee(tracked, lambda k, L, mu, eps, V0: tight_rate(L, mu, eps) ** k * V0,
              cite(168, 3, "Thomsen, Taylor, Dieuleveut 2025, Thm 2"), using=dict(V0=start(tracked)), tightness="tight",
              on=one_agent(lambda d: TopK(max(1, d // 2))), control=far, **tight),
)
