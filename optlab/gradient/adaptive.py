"""Steps a coordinate: Adagrad, Adadelta, RMSprop, Adam and its kin, sign descent, and what is proved of how far they move.

On streams of losses the same bodies play in ``regret.py``. Nadam, RMSprop and Adadelta have no rate; their exact statements
here bound a coordinate's move, which is what all of these rules are made for.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from optlab.problems.assumptions import QuadraticForm, Smooth
from optlab.problems.pool import pool
from optlab.problems.quadratic import Quadratic

from ..fold import pairs
from ..functions import sqrt
from ..guarantee import Case, Control, Guarantee, cite, now
from ..measures import Measure, point
from ..methods import method
from ..steps import at
from .descent import decrease


class Scaled(NamedTuple):
    """The point, its gradient, and the memory of squared gradients before it."""

    x: Any
    g: Any
    s: Any
    k: int


class Matched(NamedTuple):
    """The point, its gradient, and the memories of squared gradients and of squared moves."""

    x: Any
    g: Any
    s: Any
    moves: Any


class Moments(NamedTuple):
    """The point, its gradient, and the memories of gradients (m) and of their sizes (v) before it."""

    x: Any
    g: Any
    m: Any
    v: Any
    k: int


class Highest(NamedTuple):
    """The same with the largest v so far."""

    x: Any
    g: Any
    m: Any
    v: Any
    top: Any
    k: int


def everywhere(x):
    """The projection on the whole space."""
    return x


def over(a, b):
    """a / b, and 0 where a = 0."""
    xp = array_namespace(a)
    return a / xp.where(a == 0, 1.0, b)


def blank(x, *memories):
    """Memories that were not given start at 0."""
    return (0 * x if memory is None else memory for memory in memories)


# --- the rules: a gradient, the state before it, then the memories and the move ------------------------------------
@method(needs=("grad",), family="gradient", symbolic=False, restartable=True)
def sign_descent(problem, x, *, step):
    """x+ = x - step sign(grad f(x)), a coordinate at a time: Adam without memory."""
    while True:
        yield x
        x = x - step * array_namespace(x).sign(problem.grad(x))


@method(needs=("grad",), family="gradient", symbolic=False, restartable=True)
def adagrad(problem, x, g=None, s=None, k=0, *, step, eps=1e-8, project=everywhere):
    """Adagrad: s+ = s + g^2, x+ = x - step g / sqrt(s+ + eps) (Duchi, Hazan, Singer 2011)."""
    (s,) = blank(x, s)
    while True:
        g = problem.grad(x)
        yield Scaled(x, g, s, k)
        s = s + g**2
        x, k = project(x - at(step, k) * over(g, (s + eps) ** 0.5)), k + 1


@method(needs=("grad",), family="gradient", symbolic=False, restartable=True)
def rmsprop(problem, x, g=None, s=None, k=0, *, step, decay=0.9, eps=1e-8, project=everywhere):
    """RMSprop: s+ = decay s + (1 - decay) g^2, x+ = x - step g / sqrt(s+ + eps) (Hinton 2012)."""
    (s,) = blank(x, s)
    while True:
        g = problem.grad(x)
        yield Scaled(x, g, s, k)
        s = decay * s + (1 - decay) * g**2
        x, k = project(x - at(step, k) * over(g, (s + eps) ** 0.5)), k + 1


@method(needs=("grad",), family="gradient", symbolic=False, restartable=True)
def adadelta(problem, x, g=None, s=None, moves=None, *, decay=0.9, eps=1e-6, project=everywhere):
    """Adadelta: RMSprop whose step is the root mean square of its own moves (Zeiler 2012)."""
    s, moves = blank(x, s, moves)
    while True:
        g = problem.grad(x)
        yield Matched(x, g, s, moves)
        s = decay * s + (1 - decay) * g**2
        move = over((moves + eps) ** 0.5 * g, (s + eps) ** 0.5)
        x, moves = project(x - move), decay * moves + (1 - decay) * move**2


@method(needs=("grad",), family="gradient", symbolic=False, restartable=True)
def adam(problem, x, g=None, m=None, v=None, k=0, *, step, b1=0.9, b2=0.999, eps=1e-8, project=everywhere):
    """Adam: m, v averages of g and g^2, x+ = x - step m/(1 - b1^k) / (sqrt(v/(1 - b2^k)) + eps) (Kingma, Ba 2015)."""
    m, v = blank(x, m, v)
    while True:
        g = problem.grad(x)
        yield Moments(x, g, m, v, k)
        h, k = at(step, k), k + 1
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        x = project(x - h * over(m / (1 - b1**k), (v / (1 - b2**k)) ** 0.5 + eps))


@method(needs=("grad",), family="gradient", symbolic=False, restartable=True)
def nadam(problem, x, g=None, m=None, v=None, k=0, *, step, b1=0.9, b2=0.999, eps=1e-8, project=everywhere):
    """Adam that looks ahead: b1 m + (1 - b1) g in place of m (Dozat 2016, as in Ruder 2016)."""
    m, v = blank(x, m, v)
    while True:
        g = problem.grad(x)
        yield Moments(x, g, m, v, k)
        h, k = at(step, k), k + 1
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        x = project(x - h * over((b1 * m + (1 - b1) * g) / (1 - b1**k), (v / (1 - b2**k)) ** 0.5 + eps))


@method(needs=("grad",), family="gradient", symbolic=False, restartable=True)
def adamax(problem, x, g=None, m=None, v=None, k=0, *, step, b1=0.9, b2=0.999, project=everywhere):
    """Adam in the sup norm: v+ = max(b2 v, |g|), x+ = x - step m/(1 - b1^k) / v+ (Kingma, Ba 2015, Sec 7.1)."""
    xp = array_namespace(x)
    m, v = blank(x, m, v)
    while True:
        g = problem.grad(x)
        yield Moments(x, g, m, v, k)
        h, k = at(step, k), k + 1
        m, v = b1 * m + (1 - b1) * g, xp.maximum(b2 * v, xp.abs(g))
        x = project(x - h * over(m / (1 - b1**k), v))


@method(needs=("grad",), family="gradient", symbolic=False, restartable=True)
def amsgrad(problem, x, g=None, m=None, v=None, top=None, k=0, *, step, b1=0.9, b2=0.999, eps=1e-8, project=everywhere):
    """Adam that never forgets a large v: x+ = x - step m / (sqrt(max v) + eps) (Reddi, Kale, Kumar 2018)."""
    m, v, top = blank(x, m, v, top)
    while True:
        g = problem.grad(x)
        yield Highest(x, g, m, v, top, k)
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        top = array_namespace(x).maximum(top, v)
        x, k = project(x - at(step, k) * over(m, top**0.5 + eps)), k + 1


# --- how far a coordinate moves ------------------------------------------------------------------------------------
def _largest(values):
    return array_namespace(values).max(values, axis=-1)


largest_move = Measure("max_i |x+ - x|_i", lambda p, pair: _largest(abs(pair.y.x - pair.x.x)), r"\|x_{k+1} - x_k\|_\infty",
                       lambda p, pair: _largest(abs(pair.x.x)), symbolic=False)
move = Measure("x+ - x", lambda p, pair: pair.y.x - pair.x.x, r"x_{k+1} - x_k", lambda p, pair: abs(pair.x.x), symbolic=False)
move_sizes = Measure("|x+ - x|_i", lambda p, pair: abs(pair.y.x - pair.x.x), r"|x_{k+1} - x_k|_i",
                     lambda p, pair: abs(pair.x.x), symbolic=False)


def adam_move(k, step, b1, b2):
    """Cauchy-Schwarz on m = (1 - b1) sum b1^(k-s) g_s against v = (1 - b2) sum b2^(k-s) g_s^2."""
    return step * sqrt(1 - b2**k) / (1 - b1**k) * (1 - b1) / sqrt((1 - b2) * (1 - b1**2 / b2))


def amsgrad_move(step, b1, b2):
    """The same without the bias corrections."""
    return step * (1 - b1) / sqrt((1 - b2) * (1 - b1**2 / b2))


def nadam_move(k, step, b1, b2):
    """The same for b1 m + (1 - b1) g, in which g_s has the weight (1 - b1) b1^(k-s+1), and g_k (1 - b1) (1 + b1)."""
    q = b1**2 / b2
    return step * sqrt(1 - b2**k) / (1 - b1**k) * (1 - b1) * sqrt(((1 + b1) ** 2 + b1**2 * q / (1 - q)) / (1 - b2))


def adamax_move(k, step, b1, b2):
    """|g_s| <= b2^-(k-s) v, so |m| <= (1 - b1) v sum (b1/b2)^(k-s)."""
    return step * (1 - b1) / (1 - b1**k) * (1 - (b1 / b2) ** k) / (1 - b1 / b2)


def exchanged(problem, x, *, step, b1, b2, eps):
    """Sabotage: gradients are averaged with the weights of their sizes, and sizes with those of the gradients."""
    yield from adam(problem, x, step=step, b1=b2, b2=b1, eps=eps)


anywhere = dict(at=pairs, assumes=(Smooth,), symbolic=False)
longer = Control("steps a tenth longer", recipe=lambda step: dict(step=1.1 * step))
remembering = dict(recipe=lambda b1, b2: dict(step=0.01, b1=b1, b2=b2, eps=0.0), valid=lambda b1, b2: b1**2 < b2 < 1,
                   vary=dict(b1=(0.9, 0.5), b2=(0.999, 0.9)))

adagrad.proves(
    Guarantee(largest_move, lambda step: step, cite(0, 0, "derived: the sum holds the last square"), tightness="tight",
              recipe=lambda: dict(step=0.1, eps=0.0), control=longer, **anywhere),
)
rmsprop.proves(
    Guarantee(largest_move, lambda step, decay: step / sqrt(1 - decay), cite(0, 0, "derived: s+ >= (1 - decay) g^2"),
              tightness="tight", recipe=lambda decay: dict(step=0.01, decay=decay, eps=0.0),
              vary=dict(decay=(0.9, 0.99, 0.5)), control=longer, **anywhere),
)
adadelta.proves(
    Guarantee(move_sizes, lambda before, decay, eps: sqrt((before + eps) / (1 - decay)),
              cite(0, 0, "derived: s+ >= (1 - decay) g^2"), tightness="tight",
              using=dict(before=now(lambda p, pair: pair.x.moves)), recipe=lambda decay: dict(decay=decay, eps=1e-6),
              vary=dict(decay=(0.9, 0.95)), control=Control("decay 0.99", recipe=lambda: dict(decay=0.99)), **anywhere),
    Guarantee(move, lambda: 0.0, cite(0, 0, "derived: without eps it never starts"), relation="==",
              recipe=lambda: dict(decay=0.9, eps=0.0), control=Control("with eps", recipe=lambda: dict(eps=1e-6)), **anywhere),
)
adam.proves(
    Guarantee(largest_move, adam_move, cite(29, 7, "derived", claim="along a descent"),
              control=Control("the two memories exchanged", method=exchanged), **remembering, **anywhere),
    Guarantee(move, lambda step, sign: -step * sign, cite(29, 10, "derived", claim="Adam without memory"), relation="==",
              using=dict(sign=now(lambda p, pair: np.sign(pair.x.g))), recipe=lambda: dict(step=0.01, b1=0.0, b2=0.0, eps=0.0),
              control=Control("a memory of gradients", recipe=lambda: dict(b1=0.5)), **anywhere),
)
nadam.proves(
    Guarantee(largest_move, nadam_move, cite(0, 0, "derived, as 29.7"), control=longer, **remembering, **anywhere),
)
adamax.proves(
    Guarantee(largest_move, adamax_move, cite(0, 0, "derived; in place of Kingma-Ba 2015, Sec 7.1"), tightness="tight",
              recipe=lambda b1, b2: dict(step=0.01, b1=b1, b2=b2), vary=dict(b1=(0.9, 0.5), b2=(0.999, 0.95)),
              valid=lambda b1, b2: b1 < b2 < 1, control=longer, **anywhere,
              note="the paper states step, which online_adamax exceeds"),
)
amsgrad.proves(
    Guarantee(largest_move, amsgrad_move, cite(0, 0, "derived, as 29.7"), control=longer, **remembering, **anywhere),
)


# --- sign descent ----------------------------------------------------------------------------------------------------
def quadratics(rng):
    """A Hessian and a gradient of one sign, which meet the bound; then quadratics of the pool."""
    positive = Quadratic(np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([1.0, 1.0]), name="quadratic with a positive Hessian")
    return [Case(positive, np.array([4.0, 5.0])), *(Case(p) for p in pool(QuadraticForm))]


sign_descent.proves(
    Guarantee(decrease, lambda step, l1, total: -step * l1 + step**2 / 2 * total,
              cite(29, 10, "derived", claim="descent inequality"), assumes=(QuadraticForm,), at=pairs, on=quadratics,
              tightness="tight", symbolic=False, recipe=lambda step: dict(step=step), vary=dict(step=(0.1, 0.01)),
              valid=lambda step: step > 0,
              using=dict(l1=now(lambda p, pair: np.sum(np.abs(p.grad(point(pair.x))), axis=-1)),
                         total=now(lambda p, pair: np.sum(np.abs(p.hess(point(pair.x))), axis=(-2, -1)))),
              control=Control("steps three times longer", recipe=lambda step: dict(step=3 * step))),
)
