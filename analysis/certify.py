"""certify: does a problem tell the truth about itself? Oracles, constants, solution - checked, and how near each constant is.

An L that is ten times too big makes every bound hold and proves nothing, so every constant comes with the share of it that
the search attains: 1 means that points were found where the constant is met.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from optlab.problems import assumptions as A
from optlab.problems.base import Problem

from .checks import EPS, PAIRS, POWER_STEPS, Check, curvature, points
from .checks_inexact import errors, towards
from .checks_sums import losses, sums


@dataclass(frozen=True)
class Certification:
    """All checks of a problem; true when all are ok."""

    problem: Problem
    checks: tuple[Check, ...]

    def __bool__(self) -> bool:
        return all(c.ok for c in self.checks)

    @property
    def failed(self) -> list[Check]:
        return [c for c in self.checks if not c.ok]

    @property
    def shares(self) -> dict[str, float]:
        """How near the sampled supremum comes to each constant (1 = met)."""
        return {c.name: c.share for c in self.checks if c.share is not None}

    def __getitem__(self, name: str) -> Check:
        for c in self.checks:
            if c.name == name:
                return c
        raise KeyError(f"no check {name!r} for {self.problem}; there are {', '.join(c.name for c in self.checks)}")

    def __repr__(self) -> str:
        return f"certify({self.problem}): {'all ok' if self else f'{len(self.failed)} FAILED'}\n" + "\n".join(
            f"  {c}" for c in self.checks)


def certify(problem: Problem, *, seed: int = 0) -> Certification:
    """Check a problem's oracles against each other, its assumptions on sampled pairs, its constants and its solution.

    Gradients and Hessians by the slope of their Taylor remainders (best window of a log-log curve), convexity and
    smoothness by the interpolation inequalities of the class, prox and projection by their optimality, constants by the
    largest ratio that sampling and power iteration find. ``seed`` fixes the samples; everything else is deterministic.
    """
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        checks = [c for family in CHECKS for c in family(problem, rng)]
    return Certification(problem, tuple(checks))


# --- samples -----------------------------------------------------------------------------------------------
def _feasible(problem: Problem) -> bool:
    return not hasattr(problem, "project")


def _smooth_value(problem: Problem) -> Callable[[np.ndarray], np.ndarray] | None:
    """The function whose gradient ``grad`` is: the objective, or of a composite its smooth part (when it can be asked)."""
    own = getattr(problem, "smooth_value", None)
    composite = hasattr(problem, "prox") and not problem.meets(A.Smooth)
    return own or (None if composite else getattr(problem, "value", None))


def _slope(t: np.ndarray, remainder: np.ndarray, window: int = 4) -> float:
    """Slope of log remainder against log t on the straightest window (rounding rules the small end, curvature the large)."""
    rows = remainder > 0
    u, v = np.log(t[rows]), np.log(remainder[rows])
    best = (np.inf, np.nan)
    for i in range(len(u) - window + 1):
        coefficients, residual, *_ = np.polyfit(u[i:i + window], v[i:i + window], 1, full=True)
        best = min(best, (float(residual[0]) if len(residual) else 0.0, float(coefficients[0])))
    return best[1]


# --- oracles -----------------------------------------------------------------------------------------------
def _gradient(problem: Problem, rng: np.random.Generator) -> Iterator[Check]:
    smooth = problem.meets(A.Smooth) or problem.meets(A.SmoothPart)
    value = _smooth_value(problem)
    if not (hasattr(problem, "grad") and value and smooth) or len(problem.point_shape) != 1:
        return
    slopes = []
    for x in points(problem, rng, 6)[1:]:
        v = rng.standard_normal(x.shape)
        v /= np.linalg.norm(v)
        t = np.geomspace(1e-6, 1e-1, 24) * max(1.0, float(np.linalg.norm(x)))
        first = value(x + t[:, None] * v) - value(x)
        remainder = np.abs(first - t * float(problem.inner(problem.grad(x), v)))
        floor = 16 * EPS * (abs(float(value(x))) + problem.value_scale)
        exact = remainder <= floor  # linear along v: no remainder to fit
        slopes.append(2.0 if exact.mean() > 0.8 else _slope(t[~exact], remainder[~exact]))
    yield Check("grad", bool(np.nanmedian(slopes) > 1.9), float(np.nanmedian(slopes)), "slope of the Taylor remainder, wanted 2")


def _hessian(problem: Problem, rng: np.random.Generator) -> Iterator[Check]:
    if not (hasattr(problem, "hess") and hasattr(problem, "grad")):
        return
    worst = 0.0
    for x in points(problem, rng, 4)[1:]:
        v = rng.standard_normal(x.shape)
        h = 1e-6 * max(1.0, float(np.linalg.norm(x))) / float(np.linalg.norm(v))
        numeric = (problem.grad(x + h * v) - problem.grad(x - h * v)) / (2 * h)
        stated = problem.hess(x) @ v
        scale = float(np.linalg.norm(stated)) + 1e-3 * float(getattr(problem, "L", 1.0)) * float(np.linalg.norm(v))
        worst = max(worst, float(np.linalg.norm(numeric - stated)) / scale)
        if hasattr(problem, "hvp"):
            worst = max(worst, float(np.linalg.norm(problem.hvp(x, v) - stated)) / scale)
    kinks = problem.meets(A.LipschitzHessian)
    yield Check("hess", worst < (1e-4 if kinks else 0.2), worst, "relative difference to differences of the gradient")


def _components(problem: Problem, rng: np.random.Generator) -> Iterator[Check]:
    if not (hasattr(problem, "component_grad") and hasattr(problem, "n") and hasattr(problem, "grad")):
        return
    x = points(problem, rng, 3)[2]
    grads = problem.component_grad(np.broadcast_to(x, (problem.n, *x.shape)), np.arange(problem.n))
    error = float(np.linalg.norm(grads.mean(axis=0) - problem.grad(x))) / max(1e-300, float(np.linalg.norm(grads, axis=-1).max()))
    yield Check("component_grad", error < 1e-10, error, "mean of the terms' gradients against grad")


def _prox(problem: Problem, rng: np.random.Generator) -> Iterator[Check]:
    for name in ("prox", "project"):
        oracle = getattr(problem, name, None)
        if oracle is None or len(problem.point_shape) != 1:
            continue
        x, y = points(problem, rng, PAIRS), points(problem, rng, PAIRS)
        x, y = x + rng.standard_normal(x.shape), y + rng.standard_normal(y.shape)
        p, q = (oracle(x, 0.7), oracle(y, 0.7)) if name == "prox" else (oracle(x), oracle(y))
        if name == "prox" and not problem.meets(A.Convex) and not problem.meets(A.Compact):
            continue
        gap = problem.sq(p - q) - problem.inner(p - q, x - y)  # firm nonexpansiveness of a convex prox
        worst = float(np.max(gap / (problem.sq(x - y) + 1e-300)))
        yield Check(name, worst <= 1e-10, worst, "firm nonexpansiveness: largest excess")
        if name == "project":
            drift = float(np.max(problem.norm(oracle(p) - p)))
            yield Check("project twice", drift <= 1e-10 * (1 + float(np.max(problem.norm(p)))), drift, "idempotence")
    if hasattr(problem, "prox_conjugate"):
        v = points(problem, rng, PAIRS)
        step = 0.7
        error = problem.norm(problem.prox(v, step) + step * problem.prox_conjugate(v / step, 1 / step) - v)
        yield Check("Moreau identity", float(np.max(error)) <= 1e-10 * (1 + float(np.max(problem.norm(v)))), float(np.max(error)))


# --- classes: interpolation inequalities on pairs, and the share of each constant that is attained ----------
def _descend(problem: Problem, x: np.ndarray) -> float:
    """The PL quotient ||grad||^2 / (2 (f - f*)) minimized locally from x."""
    from scipy.optimize import minimize

    def quotient(z: np.ndarray) -> float:
        gap = float(problem.value(z)) - float(problem.f_star or 0.0)
        return float(problem.sq(problem.grad(z))) / (2 * gap) if gap > 1e-8 * (1 + abs(problem.f_star or 0.0)) else np.inf

    return min(quotient(x), float(minimize(quotient, x, method="Nelder-Mead", options=dict(maxiter=600)).fun))


def _growth(problem: Problem, x: np.ndarray) -> float:
    """Largest 2 (f - f*)/||x - x*||^2 found around x: on a sphere about x* a convex f does not fall towards its gradient."""
    radius, most = float(problem.norm(x - problem.x_star)), 0.0
    for _ in range(POWER_STEPS):
        most = max(most, 2 * float(problem.value(x) - problem.f_star) / radius**2)
        g = problem.grad(x)
        if not np.any(g):
            break
        x = problem.x_star + radius / float(problem.norm(g)) * g
    return most


def _functions(problem: Problem, rng: np.random.Generator) -> Iterator[Check]:
    if not hasattr(problem, "grad") or len(problem.point_shape) != 1:
        return
    whole = problem.meets(A.Smooth)
    value = _smooth_value(problem)
    x, y = points(problem, rng, PAIRS), points(problem, rng, PAIRS)
    g, h = problem.grad(x), problem.grad(y)
    inside = _feasible(problem)
    if value is not None:
        rest = value(y) - value(x) - problem.inner(g, y - x)
        rounding = 64 * EPS * (np.abs(value(x)) + np.abs(value(y)) + problem.norm(g) * problem.norm(y - x) + problem.value_scale)
        distance = problem.sq(y - x)
        if problem.meets(A.Convex):
            mu = problem.mu if problem.meets(A.StronglyConvex) or problem.meets(A.StronglyConvexPart) else 0.0
            lower = mu / 2 * distance
            name = "strong convexity" if mu else "convexity"
            if whole and mu < problem.L:  # the interpolation inequality of the smooth strongly convex class
                lower = lower + problem.sq(h - g - mu * (y - x)) / (2 * (problem.L - mu))
                name += " and smoothness"
            excess = float(np.max((lower - rest - rounding) / (1 + np.abs(rest))))
            yield Check(name, excess <= 0, excess, "interpolation inequality on sampled pairs: largest excess")
        elif problem.meets(A.WeaklyConvex):
            excess = float(np.max(-problem.rho / 2 * distance - rest - rounding))
            yield Check("weak convexity", excess <= 0, excess, "on sampled pairs: largest excess")
        if hasattr(problem, "L") and (problem.meets(A.Smooth) or problem.meets(A.SmoothPart)):
            excess = float(np.max((np.abs(rest) - problem.L / 2 * distance - rounding) / (1 + np.abs(rest))))
            yield Check("descent lemma", excess <= 0, excess, "|f(y) - f(x) - <grad f(x), y - x>| - L/2 ||y - x||^2")
    if hasattr(problem, "L") and (problem.meets(A.Smooth) or problem.meets(A.SmoothPart)):
        far = 30 * x[1:4] / (problem.norm(x[1:4])[:, None] + 1e-300) * (1 + float(np.linalg.norm(problem.x0)))
        centres = [problem.x0, *x[:6], *(far if inside else ())] + ([problem.x_star] if problem.x_star is not None else [])
        most = max(curvature(problem, problem.grad, np.asarray(c, dtype=float), rng) for c in centres)
        pairs = float(np.max(problem.norm(g - h) / (problem.norm(x - y) + 1e-300)))
        seen = max(abs(most), pairs) / problem.L
        yield Check("L", seen <= 1 + 1e-6, problem.L, share=seen)
        if problem.meets(A.StronglyConvex) or problem.meets(A.StronglyConvexPart):
            least = min(curvature(problem, problem.grad, np.asarray(c, dtype=float), rng, problem.L) for c in centres)
            ratio = problem.mu / least if least > 0 else np.inf
            yield Check("mu", ratio <= 1 + 1e-5, problem.mu, share=ratio)
    if problem.meets(A.PL) and not problem.meets(A.StronglyConvex) and problem.f_star is not None:
        d, lines = problem.dim, np.linspace(-5, 5, 201)  # random points, and the coordinate axes
        fine = np.concatenate([points(problem, rng, 40 * PAIRS), (lines[:, None, None] * np.eye(d)).reshape(-1, d)])
        gap = problem.value(fine) - problem.f_star
        rows = gap > 1e-8 * (1 + abs(problem.f_star))
        quotient = problem.sq(problem.grad(fine))[rows] / (2 * gap[rows])
        least = min(_descend(problem, fine[rows][j]) for j in np.argsort(quotient)[:3])
        yield Check("PL mu", problem.mu <= least * (1 + 1e-6), problem.mu, share=problem.mu / least)
    if problem.meets(A.QuadraticUpperBound) and not whole:
        seen = max(_growth(problem, p) for p in x[1:8]) / problem.L
        yield Check("L", seen <= 1 + 1e-9, problem.L, share=seen)
    if problem.meets(A.Lipschitz) and hasattr(problem, "G"):
        cloud = points(problem, rng, 20 * PAIRS)
        seen = float(np.max(problem.norm(problem.grad(cloud if inside else problem.project(cloud))))) / problem.G
        yield Check("G", seen <= 1 + 1e-9, problem.G, share=seen)
    if problem.meets(A.LipschitzHessian) and hasattr(problem, "hess") and problem.L2 > 0:
        difference = np.linalg.norm(problem.hess(x) - problem.hess(y), ord=2, axis=(-2, -1))
        seen = float(np.max(difference / (problem.norm(x - y) + 1e-300))) / problem.L2
        yield Check("L2", seen <= 1 + 1e-6, problem.L2, share=seen)


def _relative(problem: Problem, rng: np.random.Generator) -> Iterator[Check]:
    """|f(y) - f(x) - <grad f(x), y - x>| <= L_h D(y, x), on sampled pairs and along the largest curvature."""
    if not (problem.meets(A.RelativelySmooth) and hasattr(problem, "hess")):
        return
    x = np.concatenate([points(problem, rng, 4 * PAIRS), np.atleast_2d(problem.x_star)])
    vectors = np.linalg.eigh(problem.hess(x))[1]
    steps = 1e-3 * (1e-3 + problem.norm(x))[:, None]
    near = [x + steps * vectors[..., 0], x + steps * vectors[..., -1]]
    seen = 0.0
    for y in (x[rng.permutation(len(x))], *(p if not hasattr(problem, "into_domain") else problem.into_domain(p) for p in near)):
        rest = np.abs(problem.value(y) - problem.value(x) - problem.inner(problem.grad(x), y - x))
        rounding = 64 * EPS * (np.abs(problem.value(y)) + np.abs(problem.value(x)) + problem.value_scale)
        seen = max(seen, float(np.max((rest - rounding) / (problem.divergence(y, x) + 1e-300))))
    yield Check("L_h", seen <= problem.L_h * (1 + 1e-6), problem.L_h, share=seen / problem.L_h)


def _operators(problem: Problem, rng: np.random.Generator) -> Iterator[Check]:
    if hasattr(problem, "operator"):
        x, y = points(problem, rng, PAIRS), points(problem, rng, PAIRS)
        x, y = x[1:], y[1:]  # the first of each is the origin
        d, v = x - y, problem.operator(x) - problem.operator(y)
        size = problem.sq(d) + 1e-300
        tiny = 1e-12 * (1 + float(getattr(problem, "L", 1.0)))
        if problem.meets(A.Monotone):
            least = float(np.min(problem.inner(v, d) / size))
            mu = problem.mu if problem.meets(A.StronglyMonotone) else 0.0
            yield Check("monotone", least >= mu - tiny, least, "least <V(x) - V(y), x - y> / ||x - y||^2")
        if problem.meets(A.LipschitzOperator):
            seen = max(_gain(problem.operator, p) for p in (np.zeros_like(x[0]), *x[:8]))
            yield Check("L", seen <= problem.L * (1 + 1e-6), problem.L, share=seen / problem.L)
        if problem.meets(A.Cocoercive):
            ratio = float(np.max(problem.beta * problem.sq(v) / (problem.inner(v, d) + 1e-300)))
            yield Check("beta", ratio <= 1 + 1e-8, problem.beta, share=ratio)
    if hasattr(problem, "T") and problem.meets(A.Nonexpansive):
        x, y = points(problem, rng, PAIRS), points(problem, rng, PAIRS)
        most = float(np.max(problem.norm(problem.T(x) - problem.T(y)) / (problem.norm(x - y) + 1e-300)))
        yield Check("nonexpansive", most <= 1 + 1e-9, most, "largest ||Tx - Ty|| / ||x - y||")


def _jacobian(operator: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    """The Jacobian by differences in every direction: row i is the derivative along e_i."""
    h = 1e-5 * max(1.0, float(np.linalg.norm(x)))
    shape, d = x.shape, x.size
    directions = np.eye(d).reshape(d, *shape)
    return (operator(x + h * directions) - operator(x - h * directions)).reshape(d, d) / (2 * h)


def _gain(operator: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> float:
    """Largest ||J v|| / ||v|| found at x."""
    return float(np.linalg.norm(_jacobian(operator, x), ord=2))


def _least(M: np.ndarray) -> float:
    """The least <Mx, x> / ||x||^2."""
    return float(np.linalg.eigvalsh((M + M.T) / 2)[0])


def _constant(name: str, stated: float, least: float) -> Check:
    """A lower constant: no sampled one is below it."""
    return Check(name, stated <= least * (1 + 1e-6) + 1e-9, stated, share=stated / least if least > 0 else None)


def _resolvents(problem: Problem, rng: np.random.Generator) -> Iterator[Check]:
    """Resolvents, pairs of operators (two convex sets among them), maps that contract."""
    if hasattr(problem, "operator") and hasattr(problem, "resolvent"):
        v = points(problem, rng, PAIRS)
        p = problem.resolvent(v, 0.7)
        off = float(np.max(problem.norm(p + 0.7 * problem.operator(p) - v) / (1 + problem.norm(v))))
        yield Check("resolvent", off <= 1e-9, off, "J(v) + step V(J(v)) - v")
    if problem.meets(A.NegativelyComonotone):
        rho = -min(_least(np.linalg.inv(_jacobian(problem.operator, p))) for p in points(problem, rng, 8))
        yield Check("rho", rho <= problem.rho * (1 + 1e-6), problem.rho, share=rho / problem.rho)
    if problem.meets(A.Contractive):
        seen = max(_gain(problem.T, p) for p in points(problem, rng, 8))
        yield Check("rate", seen <= problem.rate * (1 + 1e-6), problem.rate, share=seen / problem.rate)
    triple = problem.meets(A.MonotoneTriple)
    if not triple and not problem.meets(A.MonotonePair):
        return
    for name in ("prox_f", "prox_g"):
        x, y = points(problem, rng, PAIRS), points(problem, rng, PAIRS)
        p = getattr(problem, name)(x, 1.0) - getattr(problem, name)(y, 1.0)
        excess = float(np.max((problem.sq(p) - problem.inner(p, x - y)) / (1 + problem.sq(x - y))))
        yield Check(name, excess <= 1e-9, excess, "firm nonexpansiveness: largest excess")
    first, second = (problem.prox_g, problem.prox_f) if triple else (problem.prox_f, problem.prox_g)
    rest = problem.slope + (problem.grad(problem.x_star) if triple else 0.0)
    off = float(np.max(np.abs([first(problem.x_star + problem.slope, 1.0) - problem.x_star,
                               second(problem.x_star - rest, 1.0) - problem.x_star])))
    yield Check("slope", off <= 1e-8 * (1 + float(np.abs(problem.x_star).max())), off, "x_star moved by resolvents of its slopes")

    def inverse(prox: Callable[..., np.ndarray]) -> np.ndarray:  # of the operator's derivative, plus one
        return np.linalg.inv(_jacobian(lambda x: prox(x, 1.0), problem.x_star))

    if problem.meets(A.StronglyMonotoneF):
        yield _constant("mu", problem.mu, _least(inverse(problem.prox_f)) - 1)
    if problem.meets(A.LipschitzG) or problem.meets(A.CocoerciveG):
        G = inverse(problem.prox_g) - np.eye(problem.dim)
        if problem.meets(A.LipschitzG):
            seen = float(np.linalg.norm(G, ord=2))
            yield Check("L of G", seen <= problem.L * (1 + 1e-6), problem.L, share=seen / problem.L)
        if problem.meets(A.CocoerciveG):
            yield _constant("beta", problem.beta, _least(np.linalg.inv(G)))
    if problem.meets(A.Subspaces):
        seen = _gain(lambda x: problem.project_b(problem.project_a(x)), problem.x_star)
        yield Check("cosine", seen <= problem.cosine * (1 + 1e-6), problem.cosine, share=seen / problem.cosine)


def _sets(problem: Problem, rng: np.random.Generator) -> Iterator[Check]:
    if problem.meets(A.Compact) and hasattr(problem, "lmo"):
        v = rng.standard_normal((PAIRS, *problem.point_shape))
        far = problem.norm(problem.lmo(v) - problem.lmo(-v))
        share = float(np.max(far)) / problem.D
        yield Check("D", share <= 1 + 1e-9, problem.D, share=share)
        if hasattr(problem, "project"):
            s = problem.lmo(v)
            z = problem.project(points(problem, rng, PAIRS))
            excess = float(np.max(problem.inner(v, s) - problem.inner(v, z)))
            yield Check("lmo", excess <= 1e-9 * (1 + float(np.max(problem.norm(z)))), excess,
                        "<v, lmo(v)> - <v, z> over feasible z")


# --- solution ----------------------------------------------------------------------------------------------
def _solution(problem: Problem, rng: np.random.Generator) -> Iterator[Check]:
    x = problem.x_star
    if x is None:
        return
    size = 1 + float(np.linalg.norm(x))
    allowed = 1e-9 * size * max(1.0, float(getattr(problem, "L", 1.0)))
    if hasattr(problem, "operator"):
        v = problem.operator(x)
        residual = x - problem.project(x - v) if hasattr(problem, "project") else v
    elif hasattr(problem, "T"):
        residual = x - problem.T(x) - getattr(problem, "v", 0.0)  # v: the infimal displacement, zero with a fixed point
    elif hasattr(problem, "grad") and problem.meets(A.Smooth) and not hasattr(problem, "project"):
        residual = problem.grad(x)
    elif hasattr(problem, "grad") and hasattr(problem, "prox") and hasattr(problem, "L"):
        residual = problem.L * (x - problem.prox(x - problem.grad(x) / problem.L, 1 / problem.L))
    elif hasattr(problem, "grad") and hasattr(problem, "project") and hasattr(problem, "L"):
        residual = problem.L * (x - problem.project(x - problem.grad(x) / problem.L))
    else:
        residual = None
    if residual is not None and np.shape(residual)[-1:] == np.shape(x)[-1:]:
        r = float(np.linalg.norm(np.sum(np.atleast_2d(residual), axis=0) if np.ndim(residual) > np.ndim(x) else residual))
        yield Check("x_star", r <= allowed, r, f"residual at the solution, allowed {allowed:.1e}")
    if problem.f_star is not None and hasattr(problem, "value"):
        z = points(problem, rng, PAIRS)
        below = float(problem.f_star) - float(np.min(problem.value(z)))
        tiny = 1e-9 * (1 + abs(float(problem.f_star)) + problem.value_scale)
        yield Check("f_star", below <= tiny, below, "f* minus the least sampled value")


CHECKS: tuple[Callable[[Problem, np.random.Generator], Iterator[Check]], ...] = (
    _gradient, _hessian, _components, _prox, _functions, _relative, sums, losses, _operators, _resolvents, _sets, towards,
    errors, _solution)
