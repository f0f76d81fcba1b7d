"""Many agents: a federation (agents and a server) and a network (agents on a graph) of local problems.

Points are ``(..., agents, dim)``; what the server holds is ``(..., 1, dim)``, and broadcasts against them. ``grad`` is
every agent's own gradient at its own point. The objective is the mean of the agents' objectives.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from .assumptions import (
    CocoerciveAgents,
    ContractiveMessages,
    GossipMatrix,
    PLMean,
    QuadraticAgents,
    SingleAgent,
    SmoothAgents,
    SmoothMean,
    StronglyConvex,
    StronglyConvexMean,
)
from .base import Array, Problem, Wrapped, as_matrix, as_positive
from .errors import ProblemError
from .glm import GLM
from .graphs import as_gossip
from .quadratic import Quadratic, like, to_numpy

BITS = 64  # bits of an uncompressed number


class Space(Problem):
    """R^shape and nothing else: where compressors and aggregators, which need no objective, are judged."""

    def __init__(self, *shape: int, name: str = ""):
        self.point_shape = shape
        self.name = name or f"R^{'x'.join(map(str, shape))}"


class PureNoise(Space):
    """Nothing but noise: every stochastic gradient is normal, of standard deviation ``sigma`` a coordinate."""

    def __init__(self, d: int, sigma: float):
        super().__init__(d)
        self.sigma = as_positive(sigma, "sigma")

    def stochastic_grad(self, x: Array, rng: Any) -> Array:
        return self.sigma * rng.normal(self.point_shape) + 0 * x


class Agents(Problem):
    """Base: ``n`` agents with points in R^d, their server, and what communication costs."""

    sigma: float = 0.0  # noise added to every coordinate of every agent's stochastic oracle
    common_hessian: bool = False

    def _agents(self, n: int, d: int) -> None:
        self.n = n
        self.point_shape = (n, d)
        if n == 1:
            self.declare(SingleAgent())

    # --- communication --------------------------------------------------------------------------------------
    def mean(self, x: Array, when: Array = None, sent: bool = False) -> Array:
        """The server's average ``(..., 1, dim)``.

        ``when`` (a coin a replicate) says in which replicates the round takes place, so that it is counted only
        there; ``sent`` that the messages were already paid for by ``send``.
        """
        return array_namespace(x).mean(x, axis=-2, keepdims=True)

    def send(self, x: Array, compressor: Any, rng: Any = None) -> Array:
        """Every agent's compressed message, as the server reads it."""
        return compressor(x) if rng is None else compressor(x, rng)

    @property
    def cost_of(self) -> dict[str, Any]:
        n, d = self.point_shape

        def mean(x: Array, when: Array = None, sent: bool = False) -> dict[str, Any]:
            fired = 1 if when is None else when * 1
            return dict(rounds=fired) | ({} if sent else dict(messages=fired * n, bits=fired * (n * d * BITS)))

        def send(x: Array, compressor: Any, rng: Any = None) -> dict[str, Any]:
            return dict(messages=n, bits=n * compressor.bits(d))

        return dict(mean=mean, send=send)

    # --- starts: the server's point, or every agent's own ---------------------------------------------------
    def starts(self, n: int, seed: int = 0) -> Array:
        """Starts at growing distance, the same for every agent (what a server broadcasts)."""
        scattered = super().starts(n, seed)
        return scattered[..., :1, :] + 0 * scattered

    start_quantities = {
        "R": lambda problem, x0: problem.norm(problem.mean(x0) - problem.x_star),
        "modes": lambda problem, x0: problem.whole.eigenvalues,
        "offsets": lambda problem, x0: _along_modes(problem.whole.A, problem.mean(x0) - problem.x_star),
    }

    def stochastic_operator(self, x: Array, rng: Any) -> Array:
        """Every agent's operator plus independent normal noise of standard deviation ``sigma`` a coordinate."""
        value = self.operator(x)
        return value if self.sigma == 0 else value + self.sigma * rng.normal(self.point_shape)


class Federation(Agents):
    """minimize mean_i f_i(x), agent i holding ``parts[i]``.

    Quadratics are stacked and answered in one product; generalized linear models of one class, l2 and number of rows
    are pooled for the constants; other parts need ``whole``, the problem of the mean objective. Constants: ``L``,
    ``mu`` of the mean; ``L_i`` (agents, 1), ``Lmax``, ``Lmean``, ``Lrms``; ``zeta_star`` =
    sqrt(mean_i ||grad f_i(x*)||^2). The solution is the server's, ``x_star`` (1, dim).
    """

    def __init__(self, parts: Sequence[Problem], *, whole: Problem | None = None, sigma: float = 0.0, name: str = ""):
        parts = list(parts)
        if not parts or any(len(p.point_shape) != 1 or p.point_shape != parts[0].point_shape for p in parts):
            shapes = ", ".join(sorted({str(tuple(p.point_shape)) for p in parts})) or "none"
            raise ProblemError(f"parts must be problems with points of one length, got point shapes {shapes}")
        self.parts, self.name = parts, name
        self.sigma = as_positive(sigma, "sigma", zero=True)
        self._agents(len(parts), parts[0].point_shape[0])
        quadratic = all(isinstance(p, Quadratic) for p in parts)
        if quadratic:
            xp = array_namespace(parts[0].A)
            self.A, self.b = xp.stack([p.A for p in parts]), xp.stack([p.b for p in parts])
        self.whole = whole if whole is not None else _mean_of(parts)
        self.x_star = self.whole.x_star[None, :]
        self.f_star, self.x_star_error = self.whole.f_star, self.whole.x_star_error
        self.L_i = np.array([p.L for p in parts])[:, None]
        self.Lmean = float(self.L_i.mean())
        self.Lrms = float(np.sqrt((self.L_i**2).mean()))
        self.declare(SmoothMean(self.whole.L), SmoothAgents(float(self.L_i.max())))
        mu = getattr(self.whole, "mu", None)
        if mu is not None:
            strong = self.whole.meets(StronglyConvex)
            self.declare(StronglyConvexMean(mu) if strong else PLMean(mu))
            if strong and all(p.meets(StronglyConvex) for p in parts):
                self.declare(CocoerciveAgents(float(min(p.mu for p in parts)), float(self.L_i.max())))
        if quadratic:
            self.declare(QuadraticAgents())
            hosts = to_numpy(self.A)
            self.common_hessian = bool(np.abs(hosts - hosts[0]).max() <= 1e-15 * np.abs(hosts).max())

    def _at(self, x: Array, i: int) -> Array:
        return x[..., i if x.shape[-2] > 1 else 0, :]

    def value(self, x: Array) -> Array:
        """mean_i f_i(x_i); at a server's point, the objective."""
        if hasattr(self, "A"):
            xp = array_namespace(x)
            return xp.sum(x * ((x[..., None, :] @ self.A)[..., 0, :] / 2 - self.b), axis=(-2, -1)) / self.n
        return sum(p.value(self._at(x, i)) for i, p in enumerate(self.parts)) / self.n

    def grad(self, x: Array) -> Array:
        """(..., agents, dim): agent i's gradient at its own point (or at the server's)."""
        if hasattr(self, "A"):
            return (x[..., None, :] @ self.A)[..., 0, :] - self.b
        return array_namespace(x).stack([p.grad(self._at(x, i)) for i, p in enumerate(self.parts)], axis=-2)

    def operator(self, x: Array) -> Array:
        return self.grad(x)

    def stochastic_grad(self, x: Array, rng: Any) -> Array:
        """Every agent's gradient plus independent normal noise of standard deviation ``sigma`` a coordinate."""
        return self.stochastic_operator(x, rng)

    @cached_property
    def zeta_star(self) -> float:
        return float(np.sqrt(np.mean(np.sum(to_numpy(self.grad(self.x_star)) ** 2, axis=-1))))


class Network(Federation):
    """minimize mean_i f_i(x) over a graph: ``mix(x, k)`` is one gossip round.

    ``graph`` is a networkx graph (Metropolis weights), a symmetric doubly stochastic matrix, or a sequence of either
    (one a round, in turn). Constants besides the federation's: ``rho``, ``lambda2``, ``lambda_n``, ``chi``.
    """

    def __init__(self, parts: Sequence[Problem], graph: Any, **options: Any):
        self.gossip = as_gossip(graph)
        super().__init__(parts, **options)
        if self.gossip.n != self.n:
            raise ProblemError(f"graph must have one node an agent ({self.n}), got {self.gossip.n}")
        self.lambda2, self.lambda_n, self.chi = self.gossip.lambda2, self.gossip.lambda_n, self.gossip.chi
        self.declare(GossipMatrix(self.gossip.rho))

    def mix(self, x: Array, k: int = 0) -> Array:
        """One gossip round, W_k x."""
        return self.gossip(x, k)

    @property
    def cost_of(self) -> dict[str, Any]:
        d, messages = self.point_shape[-1], self.gossip.messages

        def mix(x: Array, k: int = 0) -> dict[str, Any]:
            count = messages[int(k) % len(messages)]
            return dict(rounds=1, messages=count, bits=count * d * BITS)

        return super().cost_of | dict(mix=mix)

    start_quantities = {}

    def starts(self, n: int, seed: int = 0) -> Array:
        """Starts at growing distance, every agent at its own."""
        return Problem.starts(self, n, seed)


class FederatedGame(Agents):
    """Agent i holds the affine operator F_i(x) = A_i x - b_i, A (n, d, d) with positive definite symmetric parts.

    ``mumin`` = min_i of the smallest eigenvalue of sym(A_i); ``ell`` = max_i 1/lambda_min(sym(A_i^-1)), the exact inverse
    of the cocoercivity constant (eigenvalues of A_i would give it for normal matrices only).
    """

    def __init__(self, A: Array, b: Array, *, sigma: float = 0.0, name: str = ""):
        A, b = np.asarray(A, dtype=float), np.asarray(b, dtype=float)
        if A.ndim != 3 or A.shape[1] != A.shape[2] or b.shape != A.shape[:2]:
            raise ProblemError(f"A must be (agents, d, d) and b (agents, d), got {A.shape} and {b.shape}")
        smallest = np.linalg.eigvalsh((A + A.transpose(0, 2, 1)) / 2)[:, 0]
        if smallest.min() <= 0:
            raise ProblemError(f"A must have positive definite symmetric parts, got eigenvalue {smallest.min():.3g}")
        inverse = np.linalg.inv(A)
        coco = np.linalg.eigvalsh((inverse + inverse.transpose(0, 2, 1)) / 2)[:, 0]
        self.A, self.b, self.name = A, b, name
        self.sigma = as_positive(sigma, "sigma", zero=True)
        self._agents(*b.shape)
        self.x_star = np.linalg.solve(A.mean(axis=0), b.mean(axis=0))[None, :]
        self.declare(CocoerciveAgents(float(smallest.min()), float(1 / coco.min())))

    def operator(self, x: Array) -> Array:
        return (self.A @ x[..., None])[..., 0] - self.b


class LinearAgents(Agents):
    """Agent i holds <b_i, x>: gradients of norm at most ``G`` = max ||b_i||, whatever the point."""

    def __init__(self, b: Array, *, name: str = ""):
        self.b = as_matrix(b, "b")
        self.name = name
        self._agents(*self.b.shape)
        self.G = float(np.linalg.norm(to_numpy(self.b), axis=1).max())

    def value(self, x: Array) -> Array:
        return self.inner(x, self.b) / self.n

    def grad(self, x: Array) -> Array:
        return self.b + 0 * x


class Compressed(Wrapped):
    """A federation whose messages all go through one contractive compressor, with the constants of that choice.

    ``alpha`` of ||C(v) - v||^2 <= (1 - alpha) ||v||^2 and eps = 1 - alpha; those of EF21: theta = 1 - sqrt(eps),
    ``beta`` = eps / theta, ``xi`` = sqrt(beta / theta), and ``pl_step`` for its theorem under PL.
    """

    def __init__(self, problem: Agents, compressor: Any):
        super().__init__(problem)
        self.compressor = compressor
        self.alpha = float(compressor.alpha(problem.point_shape[-1]))
        self.eps = 1 - self.alpha
        self.theta = 1 - float(np.sqrt(self.eps))
        self.beta = self.eps / self.theta
        self.xi = float(np.sqrt(self.beta / self.theta))
        self.name = f"{problem} through {compressor}"
        self.declare(ContractiveMessages(self.alpha))
        if hasattr(problem, "mu") and hasattr(problem, "Lmean"):
            self.pl_step = min(1 / (problem.L + problem.Lmean * np.sqrt(2) * self.xi), self.theta / (2 * problem.mu))


class LocalRound(Wrapped):
    """A quadratic federation seen as the affine map of one round: ``local`` gradient steps of size ``step``, then a mean.

    ``x_star`` is the map's fixed point (sum_i P_i)^-1 sum_i P_i c_i, with P_i = I - (I - step A_i)^local and c_i the
    minimizer of part i; ``rate`` is the spectral radius of I - mean P_i; ``drift`` = ||fixed point - minimizer||.
    """

    def __init__(self, federation: Federation, step: float, local: int):
        federation.require(QuadraticAgents, who="LocalRound")
        super().__init__(federation)
        self.step, self.local = as_positive(step, "step"), int(local)
        A, b = to_numpy(federation.A), to_numpy(federation.b)
        powers = [np.linalg.matrix_power(np.eye(A.shape[1]) - step * a, self.local) for a in A]
        P = np.eye(A.shape[1]) - np.array(powers)
        centers = np.linalg.solve(A, b[..., None])
        limit = np.linalg.solve(P.sum(axis=0), (P @ centers).sum(axis=0))[:, 0]
        self.rate = float(np.abs(np.linalg.eigvalsh(np.mean(powers, axis=0))).max())
        self.drift = float(np.linalg.norm(limit - to_numpy(federation.x_star)[0]))
        self.x_star, self.f_star = like(limit[None, :], federation.A), None
        self.name = f"{local} local steps of {step:.3g} on {federation}"


class DGDLimit(Wrapped):
    """A quadratic network seen as the affine map x -> W x - step grad(x), whose fixed point is not the minimizer.

    The map is one gradient step on sum_i f_i(x_i) + <x, (I - W) x> / (2 step). ``x_star`` (agents, dim) is its fixed
    point, ``rate`` the norm of its linear part, ``slowest`` the direction where that is met.
    """

    def __init__(self, network: Network, step: float):
        network.require(QuadraticAgents, GossipMatrix, who="DGDLimit")
        super().__init__(network)
        self.step = as_positive(step, "step")
        n, d = network.point_shape
        T = np.kron(network.gossip.matrices[0], np.eye(d))
        for i, a in enumerate(to_numpy(network.A)):
            T[i * d:(i + 1) * d, i * d:(i + 1) * d] -= step * a
        eigenvalues, vectors = np.linalg.eigh(T)
        worst = int(np.argmax(np.abs(eigenvalues)))
        self.rate = float(abs(eigenvalues[worst]))
        self.slowest = vectors[:, worst].reshape(n, d)
        limit = np.linalg.solve(np.eye(n * d) - T, step * to_numpy(network.b).ravel()).reshape(n, d)
        self.x_star, self.f_star = like(limit, network.A), None
        self.name = f"steps of {step:.3g} on {network}"


def _along_modes(A: Array, e: Array) -> Array:
    """Coordinates of the server's error e (..., 1, d) in the eigenvectors of A."""
    return (to_numpy(e) @ np.linalg.eigh(to_numpy(A))[1])[..., 0, :]


def _mean_of(parts: Sequence[Problem]) -> Problem:
    """The problem of the mean objective, where it can be written down."""
    first = parts[0]
    if all(isinstance(p, Quadratic) for p in parts):
        return Quadratic(sum(p.A for p in parts) / len(parts), sum(p.b for p in parts) / len(parts))
    alike = all(type(p) is type(first) and isinstance(p, GLM) and (p.n, p.l2) == (first.n, first.l2)
                and getattr(p, "delta", None) == getattr(first, "delta", None) for p in parts)
    if not alike:
        raise ProblemError("parts must be quadratics, or generalized linear models of one class, l2 and number of rows; "
                           "for others give whole, the problem of the mean objective")
    xp = array_namespace(first.X)
    more = {"delta": first.delta} if hasattr(first, "delta") else {}
    return type(first)(xp.concat([p.X for p in parts]), xp.concat([p.y for p in parts]), first.l2, **more)


def heterogeneous_quadratics(n: int, d: int, *, mu: float = 0.1, L: float = 1.0, spread: float = 1.0,
                             scales: Any = None, common: bool = False, seed: int = 0) -> list[Quadratic]:
    """``n`` random quadratics with eigenvalues spread over [mu, L] (times ``scales``) and minimizers ``spread`` apart."""
    rng = np.random.default_rng(seed)
    parts = []
    for i in range(n):
        if i == 0 or not common:
            Q, _ = np.linalg.qr(rng.standard_normal((d, d)))
            eigenvalues = np.append(rng.uniform(mu, L, max(0, d - 2)), [mu, L])[-d:]
            A = (Q * eigenvalues) @ Q.T
            A = (A + A.T) / 2 * (1.0 if scales is None else scales[i])
        parts.append(Quadratic(A, A @ (spread * rng.standard_normal(d))))
    return parts


def split(problem_class: type[GLM], dataset: Any, agents: int, l2: float = 1e-2, *, by_label: bool = False) -> list[GLM]:
    """A data set over ``agents`` parts of equal size (rows sorted by target first, if ``by_label``); the rest is left."""
    whole = problem_class.from_data(dataset, l2=l2)
    rows = whole.n // agents
    if rows < 1:
        raise ProblemError(f"agents must be at most the {whole.n} rows of the data, got {agents}")
    order = np.argsort(whole.y, kind="stable") if by_label else np.random.default_rng(0).permutation(whole.n)
    return [problem_class(whole.X[r], whole.y[r], l2) for r in order[:rows * agents].reshape(agents, rows)]
