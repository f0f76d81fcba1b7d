"""certify: every problem of the pool tells the truth about itself, and a lie is found."""

from importlib import import_module

import numpy as np
import pytest

from optlab.analysis.certify import certify
from optlab.problems import LeastSquares, LogisticRegression, Quadratic
from optlab.problems.base import Misdeclared
from optlab.problems.pool import ENTRIES, MODULES

for _module in MODULES:  # entries register themselves; each problem is built by its own test
    import_module(f"optlab.problems.{_module}")


@pytest.mark.parametrize("name", list(ENTRIES))
def test_every_problem_of_the_pool_is_certified(name):
    found = certify(ENTRIES[name]())
    assert found, repr(found)
    assert all(np.isfinite(s) and s <= 1 + 1e-5 for s in found.shares.values()), repr(found)


P = Quadratic(np.diag([2.0, 1.0, 0.5]), [1.0, 2.0, 3.0], name="P")


def logistic():
    rng = np.random.default_rng(0)
    return LogisticRegression(rng.standard_normal((30, 4)), np.where(rng.random(30) < 0.5, -1.0, 1.0), l2=0.1)


def test_exact_constants_are_met():
    found = certify(P)
    assert found
    assert found["L"].share == pytest.approx(1, abs=1e-6)
    assert found["mu"].share == pytest.approx(1, abs=1e-4)
    assert found.failed == []
    assert "all ok" in repr(found)


@pytest.mark.parametrize(("changes", "check"), [
    (dict(L=1.9), "L"), (dict(L=1.0), "descent lemma"), (dict(mu=0.6), "mu"), (dict(mu=1.0), "strong convexity and smoothness"),
    (dict(f_star=P.f_star + 0.1), "f_star"), (dict(x_star=P.x_star + 1e-4), "x_star")])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_wrong_declaration_fails_its_check(changes, check, seed):
    found = certify(Misdeclared(P, **{k: v for k, v in changes.items() if k in ("L", "mu")}) if {"L", "mu"} & set(changes)
                    else _moved(**changes), seed=seed)
    assert not found
    assert check in [c.name for c in found.failed], repr(found)


def _moved(**solution):
    p = Quadratic(P.A, P.b, name="moved")
    vars(p).update(solution)
    return p


@pytest.mark.parametrize(("changes", "share"), [(dict(L=20.0), ("L", 0.1)), (dict(mu=0.05), ("mu", 0.1))])
def test_a_loose_constant_holds_but_its_share_tells(changes, share):
    found = certify(Misdeclared(P, **changes))
    assert found, "a loose constant is true"
    assert found.shares[share[0]] == pytest.approx(share[1], rel=1e-4)


def test_constants_of_data_are_exact():
    rng = np.random.default_rng(1)
    found = certify(LeastSquares(rng.standard_normal((20, 5)), rng.standard_normal(20)))
    assert found
    assert found.shares["L"] == pytest.approx(1, abs=1e-5)
    found = certify(logistic())
    assert found
    assert found.shares["L"] > 0.9  # met at the origin only


@pytest.mark.parametrize("oracle", ["grad", "hess", "prox"])
def test_a_wrong_oracle_is_found(oracle):
    true = getattr(Quadratic, oracle)
    wrong = {"grad": lambda self, x: true(self, x) + 1e-3, "hess": lambda self, x: 1.3 * true(self, x),
             "prox": lambda self, v, step: 1.2 * v + 0 * true(self, v, step)}[oracle]
    liar = type("Liar", (Quadratic,), {oracle: wrong})(P.A, P.b)
    found = certify(liar)
    assert oracle in [c.name for c in found.failed], repr(found)


def test_an_unknown_check_says_which_there_are():
    with pytest.raises(KeyError, match="there are grad"):
        certify(P)["nonsense"]
