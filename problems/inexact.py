"""Gradients with an error, epsilon-subgradients, blocks; and the quadratic on which steepest descent is slowest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from array_api_compat import array_namespace

from .assumptions import (
    AbsoluteGradientError,
    BlockSmooth,
    Convex,
    EffectiveCurvature,
    EpsilonSubgradients,
    ExactGradient,
    Lipschitz,
    LowerBounded,
    RelativeGradientError,
)
from .base import Array, Problem, Wrapped, as_matrix, as_positive, as_vector
from .errors import ProblemError
from .hard import as_count
from .pool import entry, spectrum
from .quadratic import Quadratic, like, to_numpy

Adversary = Callable[[Problem, Array, Array], Array]  # (problem, x, true gradient) -> direction of the error, of any length


# --- whither the error points -----------------------------------------------------------------------------------
def stretched(problem: Problem, x: Array, g: Array) -> Array:
    """Along the gradient: the step becomes too long."""
    return g


def spread(problem: Problem, x: Array, g: Array) -> Array:
    """Shortens the gradient in the first variable and stretches it in the others: a diagonal quadratic seems worse
    conditioned by (1 + epsilon)/(1 - epsilon)."""
    return g - 2 * problem.block(g, 0, problem.dim)


def outward(problem: Problem, x: Array, g: Array) -> Array:
    """From x to the solution, so that the step leads away from it."""
    return problem.x_star - x


def across(problem: Problem, x: Array, g: Array) -> Array:
    """Orthogonal to the gradient, as near as can be to ``outward``."""
    v = problem.x_star - x
    return v - problem.column(problem.ratio(problem.inner(v, g), problem.sq(g), 0.0)) * g


class InexactGradient(Wrapped):
    """The problem with ``inexact_grad``: its gradient plus an error of exactly epsilon ||grad||, or exactly delta.

    ``adversary(problem, x, g)`` points the error (any length; where it is zero, so is the error). Everything else,
    ``grad`` and ``value`` among it, stays exact.
    """

    def __init__(self, inner: Problem, adversary: Adversary = stretched, *, epsilon: float | None = None,
                 delta: float | None = None):
        super().__init__(inner)
        if (epsilon is None) == (delta is None):
            raise ProblemError(f"one of epsilon and delta is wanted, got epsilon = {epsilon} and delta = {delta}")
        self.adversary = adversary
        if epsilon is None:
            self.declare(AbsoluteGradientError(as_positive(delta or 0.0, "delta", zero=True)))
        elif as_positive(epsilon, "epsilon", zero=True) >= 1:
            raise ProblemError(f"epsilon must be below 1, got {epsilon}")
        else:
            self.declare(RelativeGradientError(float(epsilon)), *([ExactGradient()] if epsilon == 0 else []))
        size = f"{epsilon:g} ||g||" if delta is None else f"{delta:g}"
        self.name = f"{inner}, error {size} {adversary.__name__}"

    def inexact_grad(self, x: Array) -> Array:
        g = self.grad(x)
        v = self.adversary(self.inner_problem, x, g)
        size = self.epsilon * self.norm(g) if self.meets(RelativeGradientError) else self.delta
        return g + self.column(self.ratio(size, self.norm(v), 0.0)) * v


class PolyhedralDistance(Problem):
    """f(x) = max_i (a_i'x - b_i) with ``epsilon_grad``: of all slopes a_i within epsilon of active, the most misleading.

    A row is an epsilon-subgradient exactly where f(x) - (a_i'x - b_i) <= epsilon. Rows come in pairs a, -a and b >= 0 for
    all of them, with b = 0 for a spanning set, so that x* = 0 and f* = 0. G = M = the longest row.
    """

    def __init__(self, A: Array, b: Array, *, name: str = ""):
        half = as_matrix(A, "A")
        offsets = as_vector(b, "b", half.shape[0])
        host_A, host_b = to_numpy(half), to_numpy(offsets)
        if (host_b < 0).any() or np.linalg.matrix_rank(host_A[host_b == 0]) < half.shape[1]:
            raise ProblemError("b must be nonnegative, and zero on rows of A that span the space")
        self.A, self.b = like(np.concatenate([host_A, -host_A]), half), like(np.concatenate([host_b, host_b]), half)
        self.point_shape, self.name = (half.shape[1],), name
        self.x_star, self.f_star = like(np.zeros(half.shape[1]), half), 0.0
        longest = float(np.linalg.norm(host_A, axis=1).max())
        self.declare(Convex(), Lipschitz(longest), EpsilonSubgradients(longest), LowerBounded())

    def value(self, x: Array) -> Array:
        return array_namespace(x).max(x @ self.A.T - self.b, axis=-1)

    def grad(self, x: Array) -> Array:
        """The first of the active rows."""
        return self.A[array_namespace(x).argmax(x @ self.A.T - self.b, axis=-1)]

    def epsilon_grad(self, x: Array, epsilon: float) -> Array:
        """The row, among those whose value is within epsilon of f(x), along which a step leads least towards x_star."""
        xp = array_namespace(x)
        rows = x @ self.A.T
        near = rows - self.b >= self.value(x)[..., None] - epsilon
        return self.A[xp.argmin(xp.where(near, rows, xp.inf), axis=-1)]


class BlockQuadratic(Quadratic):
    """x'Ax/2 - b'x whose variables come in this many consecutive blocks; block_L[i] = lambda_max(A_ii)."""

    def __init__(self, A: Array, b: Array, blocks: int, *, name: str = ""):
        super().__init__(A, b, name=name)
        if not 1 <= as_count(blocks, "blocks") <= self.dim:
            raise ProblemError(f"blocks must be at most the {self.dim} variables, got {blocks}")
        parts = [np.flatnonzero(self.block(np.ones(self.dim), i, blocks)) for i in range(blocks)]
        self.declare(BlockSmooth(tuple(float(np.linalg.eigvalsh(self.A[np.ix_(p, p)])[-1]) for p in parts)))


class Zigzag(Quadratic):
    """(mu u^2 + L v^2)/2 from (mu^-power, L^-power): every step 2/(L + mu) turns v around and shrinks both alike.

    That is the step of exact line search for power 1 (the default), of Polyak's rule for power 1/2. ``effective`` is the
    assumption under which a rule keeps that step: ||grad f||^2 / 2(f - f*) stays the harmonic, or the arithmetic, mean.
    """

    def __init__(self, mu: float, L: float, power: float = 1.0):
        if not as_positive(mu, "mu") < as_positive(L, "L"):
            raise ProblemError(f"mu must be below L = {L}, got {mu}")
        super().__init__(np.diag([mu, L]), name=f"zigzag between {mu:g} and {L:g}" + (f", {power:g}" if power != 1 else ""))
        self.power = as_positive(power, "power", zero=True)

    @property
    def x0(self) -> Array:
        return self.eigenvalues**-self.power

    @property
    def effective(self) -> EffectiveCurvature:
        return EffectiveCurvature(float(self.sq(self.grad(self.x0)) / (2 * self.value(self.x0))))


# --- the pool -------------------------------------------------------------------------------------------------------
@entry
def inexact_quadratic() -> Problem:
    A = spectrum(list(np.geomspace(0.1, 1.0, 5)), 31)
    return InexactGradient(Quadratic((A + A.T) / 2, np.ones(5)), outward, epsilon=0.1)


@entry
def noisy_gradient_quadratic() -> Problem:
    A = spectrum(list(np.geomspace(0.1, 1.0, 5)), 32)
    return InexactGradient(Quadratic((A + A.T) / 2, np.ones(5)), outward, delta=0.05)


@entry
def polyhedral_distance() -> Problem:
    rng = np.random.default_rng(33)
    return PolyhedralDistance(rng.standard_normal((6, 3)), np.array([0, 0, 0, 0.3, 0.5, 1.0]))


@entry
def block_quadratic() -> Problem:
    A = spectrum([0.2, 0.5, 1.0, 1.5, 3.0, 6.0], 34)
    return BlockQuadratic((A + A.T) / 2, np.ones(6), 3)


@entry
def zigzag() -> Problem:
    return Zigzag(0.1, 1.0)
