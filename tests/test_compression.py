"""Compressors and methods that send through them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.fft import dct, idct

from optlab import (
    ChunkedDCT,
    Identity,
    Natural,
    RandK,
    ScaledSign,
    Ternary,
    TopK,
    compressed_gradient_descent,
    deep_gradient_compression,
    econtrol,
    ef21,
    error_feedback,
    gradient_descent,
    quantized_gradient_descent,
    run,
)
from optlab.compression.feedback import tight_rate, tight_step
from optlab.problems import Compressed, Federation, LogisticRegression, ProblemError, heterogeneous_quadratics, split
from optlab.problems.quadratic import Quadratic
from optlab.rng import Branches, Stream

rng = np.random.default_rng(0)
federation = Federation(heterogeneous_quadratics(4, 6, spread=2.0, seed=1))


def take(iterates, k):
    return next(itertools.islice(iterates, k, None))


# --- compressors ----------------------------------------------------------------------------------------------------
def test_top_k_keeps_exactly_k_even_among_equals():
    v = np.array([[3.0, -3.0, 3.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    assert TopK(2)(v).tolist() == [[3.0, -3.0, 0.0, 0.0], [0.0] * 4]
    many = rng.standard_normal((5, 3, 10))
    kept = TopK(4)(many)
    assert (np.count_nonzero(kept, axis=-1) == 4).all()
    order = np.sort(np.abs(many), axis=-1)
    assert np.allclose(np.sort(np.abs(kept), axis=-1)[..., -4:], order[..., -4:])


def test_chunked_dct_is_scipys_transform():
    v = rng.standard_normal((2, 32))
    coefficients = dct(v.reshape(2, 2, 16), norm="ortho", axis=-1)
    expected = idct(TopK(3)(coefficients), norm="ortho", axis=-1).reshape(2, 32)
    assert np.allclose(ChunkedDCT(3, 16)(v), expected)
    with pytest.raises(ProblemError, match="chunk must divide the dimension 30"):
        ChunkedDCT(3, 16)(np.ones(30))


@pytest.mark.parametrize("compressor", [TopK(2), ScaledSign(), ChunkedDCT(2, 4), Identity()], ids=str)
def test_contractive_ones_contract(compressor):
    v = rng.standard_normal((2000, 8)) ** 3
    error = ((compressor(v) - v) ** 2).sum(axis=-1) / (v**2).sum(axis=-1)
    assert error.max() <= 1 - compressor.alpha(8) + 1e-12


def test_rand_k_mean_and_variance_over_all_subsets():
    v = rng.standard_normal(6)
    branches = Branches()
    q = RandK(2)(v, branches)
    assert np.allclose([branches.mean(q[..., i]) for i in range(6)], v)
    assert branches.mean(((q - v) ** 2).sum(axis=-1)) == pytest.approx(RandK(2).omega(6) * (v**2).sum())


@pytest.mark.parametrize("compressor", [RandK(3), Ternary(), Natural()], ids=str)
def test_unbiased_ones_are_unbiased_and_keep_their_variance(compressor):
    v = np.array([1.0, -2.5, 0.3, 0.7, -1.1])
    q = compressor(np.broadcast_to(v, (200_000, 5)), Stream(np.arange(200_000)))
    deviation = q.std(axis=0) / np.sqrt(len(q))
    assert (np.abs(q.mean(axis=0) - v) <= 5 * deviation + 1e-12).all()
    assert ((q - v) ** 2).sum(axis=-1).mean() <= 1.02 * compressor.omega(5) * (v**2).sum()


def test_natural_compression_lands_on_powers_of_two():
    q = Natural()(np.array([0.3, -5.0, 4.0, 0.0]), Stream(1))
    assert q[2] == 4.0
    assert q[3] == 0.0
    assert set(np.log2(np.abs(q[:2]))) <= {-2.0, -1.0, 2.0, 3.0}


@pytest.mark.parametrize("call", [lambda: TopK(0), lambda: RandK(1.5), lambda: ChunkedDCT(5, 4)])
def test_bad_counts_are_refused_in_words(call):
    with pytest.raises(ProblemError, match="must be"):
        call()


def test_bits_are_what_is_sent():
    assert TopK(3).bits(1024) == 3 * (64 + 10)
    assert ScaledSign().bits(100) == 164
    assert Identity().bits(7) == 448


# --- methods --------------------------------------------------------------------------------------------------------
METHODS = [
    (error_feedback, dict(step=0.1, compressor=TopK(2))),
    (deep_gradient_compression, dict(step=0.02, momentum=0.5, compressor=TopK(2))),
    (ef21, dict(step=0.1, compressor=TopK(2))),
    (econtrol, dict(step=0.05, eta=0.3, compressor=TopK(3))),
    (compressed_gradient_descent, dict(step=0.1, compressor=TopK(2))),
]


def first(state):
    return state[0] if isinstance(state, tuple) else state


@pytest.mark.parametrize(("method", "params"), METHODS, ids=lambda v: getattr(v, "name", ""))
def test_bodies_are_pure_restart_and_carry_replicates(method, params):
    x0 = rng.standard_normal((3, *federation.point_shape))
    kept = x0.copy()
    states = list(itertools.islice(method(federation, x0, **params), 8))
    assert (x0 == kept).all()
    for i in range(3):
        assert np.allclose(first(states[-1])[i], first(take(method(federation, x0[i], **params), 7)), atol=1e-12)
    middle = states[3] if isinstance(states[3], tuple) else (states[3],)
    assert (first(take(method(federation, *middle, **params), 4)) == first(states[-1])).all()


@pytest.mark.parametrize(("method", "params"), [(error_feedback, {}), (ef21, {}), (econtrol, dict(eta=1.0)),
                                                (compressed_gradient_descent, {})], ids=lambda v: getattr(v, "name", ""))
def test_without_compression_they_are_gradient_descent(method, params):
    x0 = np.zeros(federation.point_shape)
    ours = first(take(method(federation, x0, step=0.3, compressor=Identity(), **params), 25))
    assert np.allclose(ours, take(gradient_descent(federation.whole, x0[0], step=0.3), 25), atol=1e-13)


def test_ef21_reaches_the_minimizer_where_compressed_descent_stalls():
    problem = Compressed(Federation(split(LogisticRegression, "breast_cancer", 5, l2=0.1, by_label=True)), TopK(10))
    tracked = run(ef21, problem, steps=4000).x
    naive = run(compressed_gradient_descent, problem, steps=4000, step=1 / (problem.L + problem.Lmean * problem.xi),
                compressor=TopK(10)).x
    assert np.linalg.norm(tracked - problem.x_star) < 1e-9
    assert np.linalg.norm(naive - problem.x_star) > 1e-2


def test_the_larger_step_of_ef21_pays_when_scales_differ():
    scales = np.append(np.full(9, 0.01), 20.0)
    problem = Compressed(Federation(heterogeneous_quadratics(10, 5, mu=0.5, scales=scales, seed=4)), TopK(1))
    w = problem.L_i / problem.Lmean
    slow = run(ef21, problem, steps=400, step=1 / (problem.L + problem.Lrms * problem.xi), compressor=TopK(1), weights=w)
    fast = run(ef21, problem, steps=400, step=1 / (problem.L + problem.Lmean * problem.xi), compressor=TopK(1), weights=w)
    assert fast["f(x) - f*"][-1] < 0.1 * slow["f(x) - f*"][-1]


def test_compressed_gradient_descent_grows_on_the_three_clients_example():
    a = np.array([(-3.0, 2.0, 2.0), (2.0, -3.0, 2.0), (2.0, 2.0, -3.0)])
    problem = Federation([Quadratic(2 * np.outer(v, v) + np.eye(3) / 2) for v in a])
    step, x0 = 0.05, np.ones((3, 3))
    growth = take(compressed_gradient_descent(problem, x0, step=step, compressor=TopK(1)), 10) / (1 + 11 * step / 6) ** 10
    assert np.allclose(growth, 1.0)
    q = np.sqrt(2 / 3)
    eta = (1 - q) / (3 * q)
    controlled = take(econtrol(problem, x0, step=0.004, eta=eta, compressor=TopK(1)), 20_000).x
    assert np.linalg.norm(controlled) < 1e-6


def test_quantized_descent_draws_for_every_agent():
    problem = Federation(heterogeneous_quadratics(1, 4, spread=1.0) * 8)
    x = take(quantized_gradient_descent(problem, problem.x0, step=0.1, compressor=Ternary(), rng=Stream(np.arange(3))), 2)
    alone = take(quantized_gradient_descent(problem, problem.x0, step=0.1, compressor=Ternary(), rng=Stream(1)), 2)
    assert np.allclose(x[1], alone)
    assert np.unique(np.round(x[1] * 1e9)).size > 1


def test_bits_of_a_run_are_counted():
    trace = run(ef21, Compressed(federation, TopK(2)), steps=10)
    once = 4 * 2 * (64 + 3)
    start = 4 * 6 * 64  # the first average of what agents hold is not compressed
    assert trace.calls["bits"].tolist()[0] == start + once
    assert trace.calls["bits"].tolist()[-1] == start + 11 * once


# --- the same bodies on symbolic points: the exact worst case over the class ---------------------------------------
class OnPoints:
    """One agent whose function is any mu-strongly convex L-smooth one and whose compressor is any contraction."""

    def __init__(self, mu, L, eps):
        from PEPit import PEP
        from PEPit.functions import SmoothStronglyConvexFunction

        self.pep, self.eps = PEP(), eps
        self.f = self.pep.declare_function(SmoothStronglyConvexFunction, mu=mu, L=L)
        self.grad = self.f.gradient
        self.x_star = self.f.stationary_point()

    def mean(self, x, sent=False):
        return x

    def send(self, v, compressor):
        from PEPit import Point

        c = Point()
        self.pep.add_constraint((v - c) ** 2 <= self.eps * v**2)
        return c

    def value_of(self, before, after):
        from optlab.analysis.sdp import solve_pep

        self.pep.set_initial_condition(before <= 1)
        self.pep.set_performance_metric(after)
        return solve_pep(self.pep).value


@pytest.mark.parametrize("eps", [0.1, 0.5])
def test_error_feedback_on_points_meets_its_rate(eps):
    problem = OnPoints(0.1, 1.0, eps)
    from PEPit import Point

    energy = lambda s: (s.x - s.e - problem.x_star) ** 2 + s.e**2 / np.sqrt(eps)
    a, b = itertools.islice(error_feedback(problem, Point(), Point(), step=tight_step(1.0, 0.1, eps), compressor=None), 2)
    assert problem.value_of(energy(a), energy(b)) == pytest.approx(tight_rate(1.0, 0.1, eps), rel=1e-5)


def test_ef21_on_points_meets_its_rate():
    eps = 0.5
    problem = OnPoints(0.1, 1.0, eps)
    from PEPit import Point

    energy = lambda s: (problem.grad(s.x) - s.g) ** 2 + np.sqrt(eps) * problem.grad(s.x) ** 2
    a, b = itertools.islice(ef21(problem, Point(), Point(), step=tight_step(1.0, 0.1, eps), compressor=None), 2)
    assert problem.value_of(energy(a), energy(b)) == pytest.approx(tight_rate(1.0, 0.1, eps), rel=1e-5)
