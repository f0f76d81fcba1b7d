"""Hard instances: ordinary problems on which a theorem's bound is met, or under which no first-order method can go."""

from __future__ import annotations

import numpy as np
from array_api_compat import array_namespace

from .assumptions import Chain, Convex, GeometricChain, Lipschitz, LowerBounded, QuadraticUpperBound, Smooth
from .base import Array, Problem, as_positive
from .errors import ProblemError
from .pool import entry, spectrum
from .quadratic import Quadratic
from .search import onto_span


def as_count(value: int, name: str, least: int = 1) -> int:
    """An integer of at least ``least``, or one sentence."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ProblemError(f"{name} must be an integer of at least {least}, got {value!r}")
    return int(value)


class NesterovChain(Quadratic):
    """Nesterov's tridiagonal chain: from x0 = 0 a first-order method learns one coordinate a step.

    f(x) = a (x'Tx/2 - x_1) + b/2 ||x||^2 with T = tridiag(-1, 2, -1), ``n`` long. Without ``kappa``, b = 0: convex,
    x*_i = 1 - i/(n+1). With it, b/a = 4/(kappa - 1) and T's last entry is 2 - q, which makes x*_i = q^i (i = 1..n) the
    solution although the chain is finite. f is scaled to smoothness ``L``; ``mu`` and ``L`` are the exact extreme
    eigenvalues (L/mu tends to ``kappa`` from below as n grows).

    Sources: Nesterov 2004, Sec 2.1.2 and 2.1.4; Bubeck 2015, Thm 3.14 and 3.15.
    """

    def __init__(self, n: int, L: float = 1.0, kappa: float | None = None, *, name: str = ""):
        n, L = as_count(n, "n"), as_positive(L, "L")
        T = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
        i = np.arange(1, n + 1)
        if kappa is None:
            ratio, solution = 0.0, 1 - i / (n + 1)
        else:
            if not as_positive(kappa, "kappa") > 1:
                raise ProblemError(f"kappa must be greater than 1, got {kappa}")
            ratio = 4 / (kappa - 1)
            q = (np.sqrt(kappa) - 1) / (np.sqrt(kappa) + 1)  # the root below 1 of q + 1/q = 2 + b/a
            T[-1, -1] -= q
            solution = q**i
        H = T + ratio * np.eye(n)
        a = L / float(np.linalg.eigvalsh(H)[-1])
        first = np.zeros(n)
        first[0] = a
        title = f"NesterovChain({n}{'' if kappa is None else f', kappa={kappa:g}'})"
        super().__init__(a * H, first, name=name or title)
        self.x_star = solution
        self.f_star = float(-a * solution[0] / 2)
        self.declare(Chain(n) if kappa is None else GeometricChain(n), QuadraticUpperBound(self.L))

    @property
    def x0(self) -> Array:
        return np.zeros(self.point_shape)


class AlongEigenvector(Quadratic):
    """A quadratic whose default start is off the solution by ``R`` along one eigenvector.

    ``which=0`` (smallest eigenvalue) is the slowest direction of gradient descent with step <= 1/L:
    ||x_k - x*|| = (1 - step mu)^k R. ``which=-1`` (largest) meets the heavy ball's bound.
    """

    def __init__(self, A: Array, b: Array | None = None, *, which: int = 0, R: float = 1.0, name: str = ""):
        super().__init__(A, b, name=name)
        vectors = np.linalg.eigh(self.A)[1]
        n = len(vectors)
        if isinstance(which, bool) or not isinstance(which, (int, np.integer)) or not -n <= which < n:
            raise ProblemError(f"which must number one of the {n} eigenvalues in growing order, got {which!r}")
        self.direction, self.R0 = vectors[:, which], as_positive(R, "R")

    @property
    def x0(self) -> Array:
        return self.x_star + self.R0 * self.direction


class HuberNorm(Problem):
    """f(x) = L/2 ||x||^2 within ``threshold`` of 0, L threshold (||x|| - threshold/2) beyond; its start is ``R`` away.

    With threshold = R/(2N step L + 1), N steps of gradient descent end at exactly f = L R^2/(4N step L + 2), and no
    L-smooth convex function is worse (Drori and Teboulle 2014, Sec 3). With threshold = R/T, the average of T points of
    schedule-free ends at exactly L R^2/(2T).
    """

    def __init__(self, threshold: float, L: float = 1.0, R: float = 1.0, dim: int = 1, *, name: str = ""):
        self.threshold, self.R0 = as_positive(threshold, "threshold"), as_positive(R, "R")
        self.point_shape = (as_count(dim, "dim"),)
        self.x_star, self.f_star = np.zeros(self.point_shape), 0.0
        self.name = name or f"HuberNorm({self.threshold:.3g})"
        self.declare(Convex(), Smooth(as_positive(L, "L")), Lipschitz(L * self.threshold), LowerBounded())

    @classmethod
    def for_gradient_descent(cls, steps: int, share: float = 1.0, L: float = 1.0, R: float = 1.0,
                             dim: int = 1) -> HuberNorm:
        """The worst L-smooth convex function for ``steps`` steps of gradient descent, step = share/L, share <= 1."""
        return cls(R / (2 * as_count(steps, "steps") * as_positive(share, "share") + 1), L, R, dim,
                   name=f"worst for {steps} steps of {share:g}/L")

    def value(self, x: Array) -> Array:
        r = self.norm(x)
        inside = array_namespace(r).minimum(r, 0 * r + self.threshold)
        return self.L * inside * (r - inside / 2)

    def grad(self, x: Array) -> Array:
        r = self.norm(x)
        return self.L * x * self.column(self.threshold / array_namespace(r).maximum(r, 0 * r + self.threshold))

    def prox(self, v: Array, step: float) -> Array:
        """argmin_x f(x) + ||x - v||^2 / (2 step): the gradient at v of the Huber norm whose threshold is larger."""
        r = self.norm(v)
        reach = array_namespace(r).maximum(r, 0 * r + self.threshold * (1 + step * self.L))
        return v - step * self.L * self.threshold * v / self.column(reach)

    def minimize_on(self, x: Array, *directions: Array) -> Array:
        """The point of x + span(directions) nearest to 0."""
        return x - onto_span(x, directions)

    @property
    def x0(self) -> Array:
        return self.R0 * np.eye(*self.point_shape)[0]


class FirstCoordinate(Problem):
    """f(x) = G max(max_i x_i, -R/sqrt(n)); its subgradient shows the first largest coordinate: a resisting oracle.

    From x0 = 0 each call shows one new coordinate, and until all ``n`` were shown f stays at 0, that is G R/sqrt(n)
    above f* = f(-R/sqrt(n) (1, .., 1)). Source: Nesterov 2004, Sec 3.2.1; Bubeck 2015, Thm 3.13.
    """

    def __init__(self, n: int, G: float = 1.0, R: float = 1.0, *, name: str = ""):
        n = as_count(n, "n")
        self.floor = as_positive(R, "R") / np.sqrt(n)
        self.point_shape = (n,)
        self.x_star, self.f_star = np.full(n, -self.floor), -as_positive(G, "G") * self.floor
        self.name = name or f"FirstCoordinate({n})"
        self.declare(Convex(), Lipschitz(float(G)), LowerBounded())

    def value(self, x: Array) -> Array:
        xp = array_namespace(x)
        top = xp.max(x, axis=-1)
        return self.G * xp.maximum(top, 0 * top - self.floor)

    def grad(self, x: Array) -> Array:
        xp = array_namespace(x)
        top = xp.max(x, axis=-1, keepdims=True)
        return self.G * self.unit(xp.argmax(x, axis=-1)) * (top > -self.floor)

    @property
    def x0(self) -> Array:
        return np.zeros(self.point_shape)


@entry
def nesterov_chain() -> Problem:
    return NesterovChain(40)


@entry
def strongly_convex_chain() -> Problem:
    return NesterovChain(60, kappa=100.0)


@entry
def huber_norm() -> Problem:
    return HuberNorm.for_gradient_descent(50, dim=3)


@entry
def slow_quadratic() -> Problem:
    A = spectrum([0.1, 0.2, 0.5, 1.0])
    return AlongEigenvector((A + A.T) / 2, np.ones(4))


@entry
def first_coordinate() -> Problem:
    return FirstCoordinate(12)
