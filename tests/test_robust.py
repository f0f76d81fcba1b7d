"""Robust aggregators and their attacks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize

from optlab import (
    centered_clipping,
    coordinate_median,
    geometric_median,
    krum,
    nna,
    smea,
    trimmed_mean,
    worker_momentum,
)
from optlab.problems import ByzantineVectors, PureNoise, Received, attacked, attacks, messages
from optlab.rng import Stream

rng = np.random.default_rng(0)
problem = ByzantineVectors(7, 2, 3)
x = attacked(problem, rng, draws=4)
RULES = [(smea, dict(f=2)), (coordinate_median, {}), (trimmed_mean, dict(f=2)), (krum, dict(f=2)), (geometric_median, {})]


@pytest.mark.parametrize(("rule", "params"), RULES, ids=lambda v: getattr(v, "name", ""))
def test_rules_are_pure_batched_and_equivariant(rule, params):
    kept = x.copy()
    value = rule(problem, x, **params).value
    assert (x == kept).all()
    assert value.shape == (len(x), 1, 3)
    for i in (0, 5):
        assert np.allclose(rule(problem, x[i], **params).value, value[i])
    near = np.abs(x).max(axis=(1, 2)) < 100  # far attacks leave too few digits for an exact comparison
    moved = rule(problem, 2 * x[near] + 1.0, **params).value
    assert np.allclose(moved, 2 * value[near] + 1.0, atol=1e-6)
    shuffled = rule(problem, x[near][:, rng.permutation(7)], **params).value
    assert np.allclose(shuffled, value[near], atol=1e-6)


@pytest.mark.parametrize(("rule", "params"), RULES[:1] + RULES[2:4], ids=lambda v: getattr(v, "name", ""))
def test_unanimous_vectors_are_returned(rule, params):
    same = np.broadcast_to(rng.standard_normal(3), (7, 3))
    assert np.allclose(rule(problem, same, **params).value, same[:1])


def test_krum_and_smea_by_the_plain_definition():
    v = x[3]
    distances = ((v[:, None] - v[None]) ** 2).sum(axis=-1)
    scores = [np.sort(row)[:5].sum() for row in distances]
    assert np.allclose(krum(problem, v, f=2).value[0], v[int(np.argmin(scores))])
    best = min(itertools.combinations(range(7), 5),
               key=lambda s: np.linalg.eigvalsh(np.cov(v[list(s)].T, bias=True))[-1])
    assert np.allclose(smea(problem, v, f=2).value[0], v[list(best)].mean(axis=0))


def test_geometric_median_minimizes_the_sum_of_distances():
    v = rng.standard_normal((7, 3))
    found = minimize(lambda y: np.linalg.norm(v - y, axis=1).sum(), v.mean(axis=0), method="BFGS", options=dict(gtol=1e-10))
    assert np.allclose(geometric_median(problem, v).value[0], found.x, atol=1e-6)


def test_nearest_neighbours_without_byzantine_nodes_is_the_mean():
    held = Received(4, 4, 0, 2)
    own = rng.standard_normal((4, 2))
    told = np.stack([np.concatenate([own[i:i + 1], np.delete(own, i, axis=0)]) for i in range(4)])
    assert np.allclose(nna(held, told, keep=4).y[:, 0], own.mean(axis=0))


def test_clipping_with_an_infinite_radius_is_the_mean_and_never_moves_farther_than_its_radius():
    near = x[0]
    states = list(itertools.islice(centered_clipping(problem, near, radius=np.inf), 2))
    assert np.allclose(states[1].v, near.mean(axis=0))
    for a, b in itertools.pairwise(itertools.islice(centered_clipping(problem, x, radius=0.3), 6)):
        assert np.linalg.norm(b.v - a.v, axis=-1).max() <= 0.3 * (1 + 1e-12)


def test_momentum_shrinks_the_noise():
    noise = PureNoise(10, 1.0)
    x0 = np.zeros((2000, 10))
    m = next(itertools.islice(worker_momentum(noise, x0, beta=0.9, rng=Stream(np.arange(2000))), 200, None)).m
    assert (m**2).sum(axis=-1).mean() == pytest.approx(10 * 0.1 / 1.9, rel=0.05)


def test_attacks_are_what_they_say():
    honest = rng.standard_normal((5, 3))
    sent = attacks(honest, 2, rng)
    assert {v.shape for v in sent.values()} == {(2, 3)}
    assert np.allclose(sent["bit_flip"], -honest.mean(axis=0))
    assert np.allclose(sent["mimic"], honest[0])
    assert np.linalg.norm(sent["far"]) > 1e3
    held = Received(8, 10, 2, 3)
    told = messages(held, rng, draws=1)
    assert told.shape[1:] == (8, 10, 3)
    assert np.allclose(np.sort(told[0, 0, :8], axis=0), np.sort(told[0, 3, :8], axis=0))  # honest nodes tell all the same
