"""Methods, problems and theorems whose truth is known, for the tests of verify."""

import itertools

import numpy as np

from optlab import Case, Control, Guarantee, cite, verify
from optlab.measures import sq_distance
from optlab.methods import Method
from optlab.problems import Quadratic

P = Quadratic(np.eye(3), name="half the squared norm")  # x* = 0, f* = 0, the default start is (1, 1, 1): R^2 = 3
SOURCE = cite(0, 0, "a truth of this test")


def shrink(problem, x, *, rate):
    """||x_k||^2 = rate^(2k) ||x_0||^2, exactly when rate is a power of two."""
    while True:
        yield x
        x = rate * x


def listed(values):
    """x_k = values[k] x_0, the last value forever."""
    def body(problem, x):
        for v in itertools.chain(values, itertools.repeat(values[-1])):
            yield v * x

    return body


def nothing():
    return {}


grow = Control("growth", recipe=lambda: dict(rate=1.5))


def theorem(bound, measure=sq_distance, *, cases=None, **options):
    on = dict(on=lambda rng: cases or [Case(P, P.x0, steps=20)])
    return Guarantee(measure, bound, SOURCE, **on | dict(recipe=lambda: dict(rate=0.5), control=grow) | options)


def judged(g, body=shrink, problem=None, **options):
    (verdict,) = verify(Method(body, symbolic=False).proves(g), problem, **options)
    return verdict


def bare(g, body, **options):
    """A judgement of a body without parameters; its control is not under test."""
    return judged(g, body, controls=False, **options)


def absolute(problem, x, *, scale=1.0, rng):
    """Fresh |z| at every step: not affine in its draws, so that expectations are taken from replicates."""
    while True:
        yield x
        x = scale * np.abs(rng.normal((3,)))


def noise(bound, **options):
    return theorem(bound, **dict(recipe=nothing, control=Control("more noise", recipe=lambda: dict(scale=2.0)),
                                 mode="expectation", cases=[Case(P, P.x0, steps=6)]) | options)
