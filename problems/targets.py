"""Laws to sample from, exp(-f)/Z: the problem is the potential f, with its gradient and exact constants."""

from __future__ import annotations

from typing import Any

import numpy as np

from .assumptions import (
    EqualCurvature,
    GaussianLaw,
    LipschitzHessian,
    LowerBounded,
    OnTheLine,
    Smooth,
    StronglyConvex,
)
from .base import Array, Problem, as_matrix, as_positive, as_vector
from .data import Dataset, load_data
from .errors import ProblemError
from .glm import LogisticRegression
from .pool import entry, spectrum
from .quadratic import Quadratic


class GaussianTarget(Quadratic):
    """N(mean, covariance): f(x) = (x - mean)' covariance^{-1} (x - mean)/2 up to a constant."""

    def __init__(self, mean: Array, covariance: Array, *, name: str = ""):
        self.covariance = as_matrix(covariance, "covariance")
        self.mean = as_vector(mean, "mean", self.covariance.shape[0])
        if self.covariance.shape[0] != self.covariance.shape[1] or np.linalg.eigvalsh(self.covariance)[0] <= 0:
            raise ProblemError("covariance must be a symmetric positive definite matrix")
        precision = np.linalg.inv(self.covariance)
        precision = (precision + precision.T) / 2
        super().__init__(precision, precision @ self.mean, name=name)
        self.axes = np.linalg.eigh(precision)[1]  # columns, in the order of ``eigenvalues``
        self.declare(GaussianLaw())

    @property
    def start_quantities(self) -> dict[str, Any]:
        """``W0``: Wasserstein distance of a point to the law; ``modes``: its offset from the mean along ``axes``;
        ``x_start``, ``S0``: the point and its squared norm.
        """
        return dict(W0=lambda p, x: np.sqrt(p.sq(x - p.mean) + np.trace(p.covariance)),
                    modes=lambda p, x: (x - p.mean) @ p.axes, x_start=lambda p, x: x, S0=lambda p, x: p.sq(x))


class BayesianLogistic(Problem):
    """Posterior of logistic regression: f(x) = sum_i log(1 + exp(-y_i a_i'x)) + prior/2 ||x||^2, y_i in {-1, 1}.

    ``x_star`` is the mode; ``mu`` = prior, ``L`` from the top eigenvalue of X'X/4; ``laplace`` the inverse Hessian at
    the mode.
    """

    def __init__(self, X: Array, y: Array, prior: float = 1.0, *, name: str = ""):
        self.prior = as_positive(prior, "prior")
        n = as_matrix(X, "X").shape[0]
        self.mean_loss = m = LogisticRegression(X, y, self.prior / n)
        self.n, self.point_shape, self.name = n, m.point_shape, name
        self.x_star, self.f_star, self.x_star_error = m.x_star, n * m.f_star, m.x_star_error
        self.declare(Smooth(n * m.L), StronglyConvex(self.prior), LipschitzHessian(n * m.L2), LowerBounded())
        self.laplace = np.linalg.inv(self.hess(self.x_star))

    @classmethod
    def from_data(cls, data: str | Dataset, prior: float = 1.0) -> BayesianLogistic:
        """From a file or a bundled name; columns standardized, two labels mapped to -1 and 1."""
        scaled = (data if isinstance(data, Dataset) else load_data(data)).standardized()
        return cls(scaled.X, scaled.signs, prior, name=f"BayesianLogistic({scaled.name})")

    def value(self, x: Array) -> Array:
        return self.n * self.mean_loss.value(x)

    def grad(self, x: Array) -> Array:
        return self.n * self.mean_loss.grad(x)

    def hess(self, x: Array) -> Array:
        return self.n * self.mean_loss.hess(x)


class GaussianClients(GaussianTarget):
    """sum_c p_c f_c with f_c = (x - a_c)'H_c(x - a_c)/2: a Gaussian target split over clients (on axis -2).

    H (clients, d, d), a (clients, d), weights p (clients,), positive with sum 1.
    """

    def __init__(self, H: Array, a: Array, weights: Array | None = None, *, name: str = ""):
        self.H, self.a = np.asarray(H, dtype=float), as_matrix(a, "a")
        clients, d = self.a.shape
        if self.H.shape != (clients, d, d) or np.linalg.eigvalsh(self.H).min() <= 0:
            raise ProblemError(f"H must hold one positive definite matrix a client, shape {(clients, d, d)}, "
                               f"got shape {self.H.shape}")
        self.weights = as_vector(np.full(clients, 1 / clients) if weights is None else weights, "weights", clients)
        if self.weights.min() <= 0 or abs(self.weights.sum() - 1) > 1e-12:
            raise ProblemError("weights must be positive and sum to 1")
        self.clients = clients
        pull = np.einsum("c,cde,ce->d", self.weights, self.H, self.a)
        covariance = np.linalg.inv(np.einsum("c,cde->de", self.weights, self.H))
        super().__init__(covariance @ pull, (covariance + covariance.T) / 2, name=name)
        self.spread = float(np.mean(np.sum((self.a - self.a.mean(axis=0)) ** 2, axis=1)))  # of the clients' minimizers
        same = (self.H[0] == self.H).all() and (self.weights == self.weights[0]).all()
        self.declare(*(OnTheLine(),) * (d == 1), *(EqualCurvature(),) * bool(same))

    def client_grad(self, x: Array) -> Array:
        """grad f_c at x (..., clients, d)."""
        return ((x - self.a)[..., None, :] @ self.H)[..., 0, :]

    def average(self, x: Array) -> Array:
        """sum_c p_c x_c."""
        return np.sum(self.weights[:, None] * x, axis=-2)


class GaussianConsensus(Problem):
    """The target exp(-sum_i f_i), f_i(x) = (x - a_i)'H_i(x - a_i)/2, over the agents of a connected graph.

    H (agents, d, d) positive definite, a (agents, d), adjacency (agents, agents) of zeros and ones, symmetric. Points are
    (agents, d), x_star holds the target's mean at every agent; ``mean``, ``covariance`` are the target's. ``lam`` is the
    target's smallest curvature, ``degree`` the largest number of neighbours.
    """

    def __init__(self, H: Array, a: Array, adjacency: Array, *, name: str = ""):
        self.H, self.a, self.adjacency = np.asarray(H, dtype=float), as_matrix(a, "a"), as_matrix(adjacency, "adjacency")
        n, d = self.a.shape
        if self.H.shape != (n, d, d) or np.linalg.eigvalsh(self.H).min() <= 0:
            raise ProblemError(f"H must hold one positive definite matrix an agent, shape {(n, d, d)}, "
                               f"got shape {self.H.shape}")
        graph = self.adjacency
        simple = graph.shape == (n, n) and (graph == graph.T).all() and np.isin(graph, (0, 1)).all()
        if not simple or graph.diagonal().any() or (np.linalg.matrix_power(np.eye(n) + graph, n) == 0).any():
            raise ProblemError("adjacency must be the symmetric 0-1 matrix of a connected graph, without loops")
        self.agents, self.point_shape, self.name = n, (n, d), name
        self.degrees = graph.sum(axis=1)
        self.degree = float(self.degrees.max())
        precision = self.H.sum(axis=0)
        self.lam = float(np.linalg.eigvalsh(precision)[0])
        self.covariance = np.linalg.inv(precision)
        self.mean = self.covariance @ np.einsum("nde,ne->d", self.H, self.a)
        self.x_star = np.tile(self.mean, (n, 1))
        same = (self.H[0] == self.H).all() and (self.degrees == self.degrees[0]).all()
        self.declare(GaussianLaw(), *(OnTheLine(),) * (d == 1), *(EqualCurvature(),) * bool(same))

    def neighbours(self, x: Array) -> Array:
        """The sum over the neighbours of every agent."""
        return self.adjacency @ x

    def local_solve(self, v: Array, weight: Array) -> Array:
        """(H_i + weight_i I)^{-1} (H_i a_i + v_i) for every agent i."""
        system = self.H + weight[:, None, None] * np.eye(self.a.shape[1])
        right = (self.H @ self.a[..., None])[..., 0] + v
        return (np.linalg.inv(system) @ right[..., None])[..., 0]


@entry
def gaussian() -> Problem:
    covariance = np.linalg.inv(spectrum([1.0, 2.0, 5.0, 10.0], 4))
    return GaussianTarget(np.arange(4.0), (covariance + covariance.T) / 2)


@entry
def gaussian_standard() -> Problem:
    return GaussianTarget(np.full(3, 2.0), np.eye(3))


@entry
def breast_cancer_posterior() -> Problem:
    return BayesianLogistic.from_data("breast_cancer")
