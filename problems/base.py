"""Problem: oracles, exact constants, assumptions, solution. The ground every method and theorem stands on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from array_api_compat import array_namespace

from .assumptions import Assumption
from .errors import AssumptionError, ProblemError

Array = Any


class Problem:
    """An explicit problem. Points live on the last axes (``point_shape``); everything before them is replicates.

    Sub-classes call ``declare`` with their assumptions (whose constants become attributes: ``L``, ``mu``, ...) and
    set ``x_star`` and ``f_star`` where known. Oracles are methods, vectorized over replicates, pure, and written in
    the arrays' own namespace; a problem has an oracle exactly when it has the method. ``x_star_error`` bounds
    ``||x_star - exact solution||`` (zero for closed forms up to rounding).
    """

    assumptions: tuple[Assumption, ...] = ()
    point_shape: tuple[int, ...] = ()
    x_star: Array = None
    f_star: float | None = None
    x_star_error: float = 0.0
    name: str = ""

    if TYPE_CHECKING:  # constants and oracles are attributes that assumptions and sub-classes bring

        def __getattr__(self, name: str) -> Any: ...

    def declare(self, *assumptions: Assumption) -> None:
        """Add assumptions; their constants become attributes of the problem."""
        for a in assumptions:
            for key, value in a.constants.items():
                setattr(self, key, value)
        self.assumptions = (*self.assumptions, *assumptions)

    def meets(self, assumption: type[Assumption]) -> bool:
        return any(assumption.follows_from(a) for a in self.assumptions)

    def require(self, *assumptions: type[Assumption], who: str = "this") -> None:
        """Raise AssumptionError naming the first assumption that the problem does not promise."""
        for a in assumptions:
            if not self.meets(a):
                have = ", ".join(type(b).__name__ for b in self.assumptions) or "nothing"
                raise AssumptionError(f"{who} assumes {a.__name__}, which {self} does not promise (it promises {have})")

    # --- geometry: the only way a body may take norms and inner products ------------------------------------
    def inner(self, x: Array, y: Array) -> Array:
        """Inner product over the point axes, shape = replicates."""
        product = x * y
        return array_namespace(product).sum(product, axis=tuple(range(-len(self.point_shape), 0)))

    def sq(self, x: Array) -> Array:
        """Squared norm over the point axes."""
        return self.inner(x, x)

    def norm(self, x: Array) -> Array:
        s = self.sq(x)
        return array_namespace(s).sqrt(s)

    def column(self, s: Array) -> Array:
        """A per-replicate scalar ``(...)`` as a factor of points ``(..., 1, ..)``."""
        return s[(..., *(None,) * len(self.point_shape))] if getattr(s, "ndim", 0) else s

    def ratio(self, a: Array, b: Array, otherwise: Array) -> Array:
        """a / b per replicate, and ``otherwise`` where a is zero or b not positive."""
        xp = array_namespace(b)
        known = (b > 0) & (a != 0)
        return xp.where(known, a / xp.where(known, b, 0 * b + 1), otherwise + 0 * b)

    def above_minimum(self, x: Array) -> Array:
        """f(x) - f*, and 0 where that is rounding."""
        f = self.value(x)
        above = f - self.f_star
        return above * (above > 64 * np.finfo(float).eps * (abs(f) + abs(self.f_star) + self.value_scale))

    def unit(self, i: Array) -> Array:
        """The coordinate vectors e_i, (..., dim) for an integer array i (...)."""
        return (i[..., None] == np.arange(self.point_shape[-1])) * 1.0

    # --- tables with one row a term (..., n, dim), choices and blocks: what symbolic points read in their own way ------------
    def table_of(self, oracle: Any, x: Array) -> Array:
        """The oracle of every term at x: ``table_of(problem.component_grad, x)``."""
        return oracle(x[..., None, :], np.arange(self.n))

    def table_row(self, table: Array, i: Array) -> Array:
        """Row i (an integer array over the replicates)."""
        xp = array_namespace(table)
        return xp.sum(xp.where(self._rows(i, xp), table, 0.0), axis=-2)

    def table_with(self, table: Array, i: Array, row: Array) -> Array:
        """The table with this row in place of row i."""
        xp = array_namespace(table)
        return xp.where(self._rows(i, xp), row[..., None, :], table)

    def table_mean(self, table: Array) -> Array:
        return array_namespace(table).mean(table, axis=-2)

    def _rows(self, i: Array, xp: Any) -> Array:
        return xp.asarray((np.asarray(i)[..., None] == np.arange(self.n))[..., None])

    def select(self, coin: Array, a: Array, b: Array) -> Array:
        """a where the replicate's coin is true, else b."""
        return array_namespace(a).where(self.column(coin), a, b)

    def block(self, v: Array, b: Array, blocks: int) -> Array:
        """v with only the coordinates of block b (an integer array over the replicates) of ``blocks`` consecutive ones."""
        return v * (np.asarray(b)[..., None] == np.arange(self.point_shape[-1]) * blocks // self.point_shape[-1])

    # --- starts ---------------------------------------------------------------------------------------------
    @property
    def dim(self) -> int:
        return int(np.prod(self.point_shape))

    @property
    def value_scale(self) -> float:
        """Size of the terms that cancel inside ``value`` near the solution (L ||x*||^2): its rounding is eps times this."""
        if self.x_star is None:
            return 0.0
        return float(getattr(self, "L", 0.0) * self.sq(self.x_star))

    @property
    def gradient_scale(self) -> float:
        """Size of the terms that cancel inside ``grad`` at the solution (L ||x*||): its rounding is eps times this."""
        return 0.0 if self.x_star is None else float(getattr(self, "L", 0.0) * self.norm(self.x_star))

    @property
    def x0(self) -> Array:
        """The default start: the origin, or off the solution when that is the origin."""
        zero = np.zeros(self.point_shape)
        if self.x_star is not None and not np.any(np.asarray(self.x_star)):
            return zero + 1.0
        return zero

    def starts(self, n: int, seed: int = 0) -> Array:
        """``n`` starts ``(n, *point_shape)``: ``x0`` and Gaussian points at growing distance around it (feasible)."""
        x0 = np.asarray(self.x0)
        scale = 1.0 if self.x_star is None else max(1e-3, float(np.linalg.norm(x0 - self.x_star)))
        noise = np.random.default_rng(seed).standard_normal((n, *self.point_shape)) / np.sqrt(max(1, self.dim))
        spread = np.linspace(0, 2, n).reshape((n,) + (1,) * len(self.point_shape)) * scale
        points = x0 + spread * noise
        project = getattr(self, "project", None)
        return points if project is None else project(points)

    def __str__(self) -> str:
        return self.name or type(self).__name__

    def __repr__(self) -> str:
        promises = ", ".join(
            f"{type(a).__name__}({', '.join(f'{k}={_shown(v)}' for k, v in a.constants.items())})" for a in self.assumptions
        )
        return f"<{self}: {promises}>"


def _shown(constant: Any, digits: int = 4) -> str:
    return f"{constant:.{digits}g}" if np.ndim(constant) == 0 else str(constant)


class Wrapped(Problem):
    """A problem seen through another: everything not overridden is the inner problem's."""

    def __init__(self, inner: Problem):
        self.inner_problem = inner
        self.assumptions = inner.assumptions
        self.point_shape = inner.point_shape
        self.x_star, self.f_star, self.x_star_error = inner.x_star, inner.f_star, inner.x_star_error

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "inner_problem":
            raise AttributeError(name)
        return getattr(self.inner_problem, name)

    @property
    def x0(self) -> Array:
        return self.inner_problem.x0


class Misdeclared(Wrapped):
    """The same problem with wrong constants, ``Misdeclared(p, L=p.L / 4)``: for controls, and to test ``certify``."""

    def __init__(self, inner: Problem, **constants: float):
        super().__init__(inner)
        self.__dict__.update(constants)
        self.name = f"{inner} declared with {', '.join(f'{k} = {_shown(v, 3)}' for k, v in constants.items())}"


def as_matrix(value: Any, name: str) -> np.ndarray:
    """A finite float64 matrix (CuPy and other arrays pass through), or one sentence."""
    if hasattr(value, "toarray"):
        value = value.toarray()
    a = value if hasattr(value, "__array_namespace__") or hasattr(value, "get") else np.asarray(value, dtype=float)
    if a.ndim != 2 or 0 in a.shape:
        raise ProblemError(f"{name} must be a non-empty matrix (rows, columns), got shape {tuple(a.shape)}")
    return _finite(a, name)


def as_vector(value: Any, name: str, size: int | None = None) -> np.ndarray:
    """A finite float64 vector of the given size, or one sentence."""
    a = value if hasattr(value, "__array_namespace__") or hasattr(value, "get") else np.asarray(value, dtype=float)
    if a.ndim != 1 or (size is not None and a.shape[0] != size):
        raise ProblemError(f"{name} must be a vector{f' of length {size}' if size is not None else ''}, "
                           f"got shape {tuple(a.shape)}")
    return _finite(a, name)


def _finite(a: Array, name: str) -> Array:
    xp = array_namespace(a)
    if not bool(xp.all(xp.isfinite(a))):
        raise ProblemError(f"{name} must be finite, got NaN or infinity")
    return a


def as_positive(value: float, name: str, *, zero: bool = False) -> float:
    """A positive (or nonnegative) finite float, or one sentence."""
    try:
        v = float(value)
    except (TypeError, ValueError):
        raise ProblemError(f"{name} must be a number, got {value!r}") from None
    if not np.isfinite(v) or v < 0 or (v == 0 and not zero):
        raise ProblemError(f"{name} must be {'nonnegative' if zero else 'positive'} and finite, got {v}")
    return v
