"""Compressors as one-stroke rules, with what they promise of one vector."""

from __future__ import annotations

import numpy as np

from optlab.problems.agents import Space

from ..functions import sqrt
from ..guarantee import Case, Control, Guarantee, cite, now
from ..measures import EPS, Measure
from ..methods import method
from .compressors import ChunkedDCT, Law, Natural, RandK, ScaledSign, Sent, Ternary, TopK


@method(family="compression", symbolic=False)
def top_k(problem, x, *, keep):
    """The ``keep`` entries of largest magnitude (Stich, Cordonnier, Jaggi 2018)."""
    return Sent(TopK(keep)(x), x)


@method(family="compression", symbolic=False)
def dct_top_k(problem, x, *, keep, chunk):
    """Top-k of the cosine transform of every chunk (DeMo: Peng, Quesnelle, Kingma 2024)."""
    return Sent(ChunkedDCT(keep, chunk)(x), x)


@method(family="compression", symbolic=False)
def scaled_sign(problem, x):
    """(||v||_1 / d) sign(v) (Karimireddy, Rebjock, Stich, Jaggi 2019)."""
    return Sent(ScaledSign()(x), x)


@method(family="compression", symbolic=False)
def rand_k(problem, x, *, keep, rng):
    """``keep`` entries drawn without replacement, times d/keep."""
    return Sent(RandK(keep)(x, rng), x)


@method(family="compression", symbolic=False)
def ternary(problem, x, *, rng):
    """TernGrad: s sign(v) Bernoulli(|v|/s), s = max |v| (Wen et al. 2017)."""
    return Sent(Ternary()(x, rng), x)


@method(family="compression", symbolic=False)
def ternary_law(problem, x):
    """TernGrad's two outcomes of every entry, with the chance of the one that is not zero."""
    return Ternary().law(x)


@method(family="compression", symbolic=False)
def natural(problem, x, *, rng):
    """Random rounding to powers of two (Horvath et al. 2019)."""
    return Sent(Natural()(x, rng), x)


error = Measure("||C(v) - v||^2", lambda p, it: p.sq(it.q - it.v), r"\|C(v) - v\|^2",
                lambda p, it: EPS * p.sq(it.v), symbolic=False)
kept = Measure("||C(v)||^2", lambda p, it: p.sq(it.q), r"\|C(v)\|^2", lambda p, it: EPS * p.sq(it.v), symbolic=False)
along = Measure("<C(v), w>", lambda p, it: p.inner(it.q, _direction(p)), r"\langle C(v), w\rangle", symbolic=False)
variance = Measure("Var C(v)", lambda p, it: p.inner(it.chance * (it.outcome - it.v) ** 2 + (1 - it.chance) * it.v**2,
                                                     1.0 + 0 * it.v), r"\mathrm{Var}\,C(v)", symbolic=False)
size = dict(s=now(lambda p, it: p.sq(it.v)))


def _direction(problem):
    """A generic direction, in which an unbiased compressor keeps the mean."""
    return 1.5 + np.cos(np.arange(1, problem.dim + 1))


def vectors(d, *worst):
    """Light- and heavy-tailed random vectors, and the ``worst`` ones."""
    return lambda rng: [Case(Space(d), np.concatenate([rng.standard_normal((200, d)), rng.standard_normal((200, d)) ** 5,
                                                       *(np.atleast_2d(w) for w in worst)]))]


def positive(*dims):
    """One vector a case (random rules replicate it), its entries of one sign."""
    return lambda rng: [Case(Space(d), rng.uniform(0.5, 1.5, d)) for d in dims]


def worst_ternary(d):
    """(1, a, .., a) with a = 1/(1 + sqrt d), on which ternary rounding loses most."""
    return np.append(1.0, np.full(d - 1, 1 / (1 + np.sqrt(d))))


@method(symbolic=False)
def nearest_ternary(problem, x, *, rng):
    """Control: every entry rounded to the nearer outcome, without a coin."""
    s = abs(x).max(axis=-1, keepdims=True)
    return Sent(s * np.sign(x) * (abs(x) > s / 2), x)


@method(symbolic=False)
def wide_ternary_law(problem, x):
    """Control: outcomes twice as far, with half the chance."""
    s = 2 * abs(x).max(axis=-1, keepdims=True)
    return Law(s * np.sign(x), abs(x) / s, x)


@method(symbolic=False)
def rand_k_unscaled(problem, x, *, keep, rng):
    """Control: the drawn entries without the factor d/keep."""
    return Sent(rand_k(problem, x, keep=keep, rng=rng).q * (keep / x.shape[-1]), x)


@method(symbolic=False)
def round_down(problem, x, *, rng):
    """Control: every entry to the power of two below it."""
    return Sent(np.sign(x) * np.exp2(np.floor(np.log2(abs(x)))), x)


@method(symbolic=False)
def coarse(problem, x, *, rng):
    """Control: random rounding to powers of four."""
    low = 4.0 ** np.floor(np.log2(abs(x)) / 2)
    return Sent(np.sign(x) * low * (1 + 3 * (rng.uniform(x.shape[-1:]) * 3 * low < abs(x) - low)), x)


half = Control("half as many entries kept", recipe=lambda keep: dict(keep=keep // 2))

top_k.proves(
    Guarantee(error, lambda keep, s, dim: (1 - keep / dim) * s, cite(0, 0, "Stich, Cordonnier, Jaggi 2018, Lemma A.1"),
              recipe=lambda: dict(keep=4), using=size, tightness="tight", control=half, on=vectors(12, np.ones(12))),
)
# the inverse transform of ones is the vector whose coefficients are all equal, which top-k can do least about
dct_top_k.proves(
    Guarantee(error, lambda keep, chunk, s: (1 - keep / chunk) * s, cite(13, 1, "Parseval"),
              recipe=lambda: dict(keep=4, chunk=16), using=size, tightness="tight", control=half,
              on=lambda rng: vectors(64, _flat_spectrum(64, 16))(rng)),
)
scaled_sign.proves(
    Guarantee(error, lambda s, s1, dim: s - s1**2 / dim, cite(0, 0, "Karimireddy et al. 2019, Sec 4"), relation="==",
              using=size | dict(s1=now(lambda p, it: p.inner(abs(it.v), 1.0 + 0 * it.v))), on=vectors(12),
              control=Control("the sign without its scale", method=method(symbolic=False)(
                  lambda problem, x: Sent(np.sign(x), x)))),
)
rand_k.proves(
    Guarantee(along, lambda inner: inner, cite(0, 0, "random sparsification: the mean"), mode="expectation",
              relation="==", using=dict(inner=now(lambda p, it: p.inner(it.v, _direction(p)))),
              recipe=lambda: dict(keep=4), on=positive(8, 16),
              control=Control("without the factor d/k", method=rand_k_unscaled)),
    Guarantee(error, lambda keep, s, dim: (dim / keep - 1) * s, cite(0, 0, "random sparsification: the variance"),
              mode="expectation", relation="==", using=size, recipe=lambda: dict(keep=4), on=positive(8, 16),
              control=half),
)
ternary.proves(
    Guarantee(along, lambda inner: inner, cite(154, 1, "Sec 3", claim="mean"), mode="expectation", relation="==",
              using=dict(inner=now(lambda p, it: p.inner(it.v, _direction(p)))), on=positive(8, 30),
              control=Control("rounded to the nearer outcome", method=nearest_ternary)),
    Guarantee(kept, lambda largest, s1: largest * s1, cite(154, 1, "Sec 3", claim="second moment"), mode="expectation",
              relation="==", on=positive(8, 30),
              using=dict(largest=now(lambda p, it: abs(it.v).max(axis=-1)),
                         s1=now(lambda p, it: p.inner(abs(it.v), 1.0 + 0 * it.v))),
              control=Control("rounded to the nearer outcome", method=nearest_ternary)),
)
ternary_law.proves(
    Guarantee(variance, lambda s, dim: (sqrt(dim) - 1) / 2 * s, cite(154, 2, "largest ||v||_inf ||v||_1 / ||v||^2"),
              using=size, tightness="tight", on=lambda rng: [c for d in (9, 100) for c in vectors(d, worst_ternary(d))(rng)],
              control=Control("outcomes twice as far", method=wide_ternary_law)),
)
natural.proves(
    Guarantee(along, lambda inner: inner, cite(0, 0, "Horvath et al. 2019, Thm 4: the mean"), mode="expectation",
              relation="==", using=dict(inner=now(lambda p, it: p.inner(it.v, _direction(p)))), on=positive(8),
              control=Control("rounded down", method=round_down)),
    Guarantee(error, lambda s: s / 8, cite(0, 0, "Horvath et al. 2019, Thm 4: the variance"), mode="expectation",
              using=size, on=positive(8, 30), control=Control("powers of four", method=coarse)),
)


def _flat_spectrum(d, chunk):
    from scipy.fft import idct

    return np.tile(idct(np.ones(chunk), norm="ortho"), d // chunk)
