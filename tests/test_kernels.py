"""Kernels: compiled bodies against the plain reference on one random stream, and against the methods' plain bodies."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys

import array_api_strict as strict
import numpy as np
import pytest

from optlab import coordinate_descent, proximal_coordinate_descent, run, saga, sgd
from optlab.kernels import choose, compiled, cuda
from optlab.kernels.coordinate import coordinate_pass, coordinate_reference
from optlab.kernels.epochs import (
    LOGISTIC,
    SQUARE,
    saga_pass,
    saga_reference,
    sgd_pass,
    sgd_reference,
    slope,
)
from optlab.problems import ElasticNetRegression, Lasso, LeastSquares, LogisticRegression

N, D, S, K = 11, 4, 6, 40
rng = np.random.default_rng(0)
X = rng.standard_normal((N, D))
Y = {SQUARE: rng.standard_normal(N), LOGISTIC: np.where(rng.random(N) < 0.5, 1.0, -1.0)}
x0 = rng.standard_normal((S, D))
TERMS, COORDINATES = rng.integers(0, N, (S, K)), rng.integers(0, D, (S, K))
STEPS = 0.1 / np.arange(1, K + 1)
TABLE = rng.standard_normal((S, N, D))
MEAN = TABLE.mean(axis=1)
close = dict(rtol=0, atol=1e-12)


def flat(*arrays):
    return [np.array(a, order="C") for a in arrays]


@pytest.mark.parametrize("loss", [SQUARE, LOGISTIC])
def test_compiled_sgd_and_saga_are_the_reference(loss):
    given = flat(x0, TABLE, MEAN)
    np.testing.assert_allclose(sgd_pass(X, Y[loss], 0.1, loss, x0, TERMS, STEPS),
                               sgd_reference(X, Y[loss], 0.1, loss, x0, TERMS, STEPS), **close)
    found = saga_pass(X, Y[loss], 0.1, loss, x0, TABLE, MEAN, TERMS, 0.05)
    for a, b in zip(found, saga_reference(X, Y[loss], 0.1, loss, x0, TABLE, MEAN, TERMS, 0.05), strict=True):
        np.testing.assert_allclose(a, b, **close)
    for kept, now in zip(given, (x0, TABLE, MEAN), strict=True):
        np.testing.assert_array_equal(kept, now)


@pytest.mark.parametrize("lam", [0.0, 0.3])
@pytest.mark.parametrize("order", [COORDINATES, np.arange(D)], ids=["random", "cyclic"])
def test_compiled_coordinate_pass_is_the_reference(lam, order):
    steps, given = np.linspace(0.1, 0.9, D), x0.copy()
    found = coordinate_pass(X, Y[SQUARE], 0.2, lam, x0, order, steps)
    plain = coordinate_reference(X, Y[SQUARE], 0.2, lam, x0, np.broadcast_to(order, (S, order.shape[-1])), steps)
    np.testing.assert_allclose(found, plain, **close)
    np.testing.assert_array_equal(x0, given)
    one = coordinate_pass(X, Y[SQUARE], 0.2, lam, x0[2], order if order.ndim == 1 else order[2], steps)
    assert one.shape == (D,)
    np.testing.assert_allclose(one, found[2], **close)


def test_slope_does_not_overflow():
    t = np.array([-1e4, -30.0, 0.0, 30.0, 1e4])
    np.testing.assert_allclose(slope(LOGISTIC, t, np.ones(5)), [-1, -1, -0.5, -np.exp(-30), 0], rtol=1e-12)
    np.testing.assert_array_equal([compiled._slope(LOGISTIC, m, 1.0) for m in t], slope(LOGISTIC, t, np.ones(5)))


def test_layouts_and_float32():
    fortran = sgd_pass(np.asfortranarray(X), Y[SQUARE], 0.1, SQUARE, x0, TERMS, STEPS)
    np.testing.assert_allclose(fortran, sgd_reference(X, Y[SQUARE], 0.1, SQUARE, x0, TERMS, STEPS), **close)
    single = x0.astype(np.float32)
    assert choose.body_for(single, "sgd") is None
    assert choose.body_for(x0, "sgd") is compiled.sgd
    order = TERMS.reshape(2, 3, K)
    np.testing.assert_array_equal(sgd_pass(X, Y[SQUARE], 0.1, SQUARE, x0.reshape(2, 3, D), order, STEPS).reshape(S, D),
                                  sgd_pass(X, Y[SQUARE], 0.1, SQUARE, x0, TERMS, STEPS))


def test_references_use_the_array_standard_only():
    def there(*arrays):
        return [strict.asarray(np.array(a)) for a in arrays]

    A, x, i, steps, table, mean = there(X, x0, TERMS, STEPS, TABLE, MEAN)
    for loss in (SQUARE, LOGISTIC):
        (y,) = there(Y[loss])
        found = [sgd_pass(A, y, 0.1, loss, x, i, steps), *saga_pass(A, y, 0.1, loss, x, table, mean, i, 0.05)]
        plain = [sgd_reference(X, Y[loss], 0.1, loss, x0, TERMS, STEPS),
                 *saga_reference(X, Y[loss], 0.1, loss, x0, TABLE, MEAN, TERMS, 0.05)]
        for a, b in zip(found, plain, strict=True):
            assert type(a) is type(x)
            np.testing.assert_allclose(np.asarray(a), b, **close)
    y, i, steps = there(Y[SQUARE], COORDINATES, np.full(D, 0.3))
    np.testing.assert_allclose(np.asarray(coordinate_pass(A, y, 0.2, 0.3, x, i, steps)),
                               coordinate_reference(X, Y[SQUARE], 0.2, 0.3, x0, COORDINATES, np.full(D, 0.3)), **close)


METHODS = {
    "sgd, squares": (sgd, LeastSquares(X, Y[SQUARE], 0.1), {"step": 0.05}),
    "sgd, logistic, schedule": (sgd, LogisticRegression(X, Y[LOGISTIC], 0.1), {"step": lambda k: 1 / (k + 5)}),
    "saga, squares": (saga, LeastSquares(X, Y[SQUARE], 0.1), {"step": 0.05}),
    "saga, logistic": (saga, LogisticRegression(X, Y[LOGISTIC], 0.1), {"step": 0.3}),
    "coordinate descent": (coordinate_descent, LeastSquares(X, Y[SQUARE], 0.1), {"step": 0.4, "gamma": 0.7}),
    "lasso": (proximal_coordinate_descent, Lasso(X, Y[SQUARE], 0.1), {"step": np.linspace(0.2, 0.8, D)}),
    "elastic net": (proximal_coordinate_descent, ElasticNetRegression(X, Y[SQUARE], 0.1, 0.3), {"step": 0.5}),
}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("seeds", [None, 5])
def test_a_stride_yields_every_so_many_steps_of_the_plain_body(name, seeds):
    m, p, params = METHODS[name]
    plain = run(m, p, steps=60, seeds=seeds, record=["iterates"], **params)
    passes = run(m, p, steps=5, seeds=seeds, record=["iterates"], stride=12, **params)
    for a, b in zip(plain.iterates[::12], passes.iterates, strict=True):
        for u, v in zip(a if isinstance(a, tuple) else (a,), b if isinstance(b, tuple) else (b,), strict=True):
            np.testing.assert_allclose(u, v, **close)
    name_of_cost = "grad_coordinate" if "grad_coordinate" in passes.calls else "component_grad"
    assert passes.calls[name_of_cost][-1] >= 60


def test_numba_is_loaded_by_the_first_pass_only():
    code = ("import sys, optlab; from optlab import sgd; from optlab.kernels import epochs; "
            "assert 'numba' not in sys.modules and 'cupy' not in sys.modules")
    subprocess.run([sys.executable, "-c", code], check=True)


# --- CUDA: its text compiled for the device where nvcc is, and run as C, one thread a block, where a C++ compiler is ---
@pytest.mark.skipif(shutil.which("nvcc") is None, reason="no CUDA compiler here: the source is not compiled")
def test_cuda_source_compiles(tmp_path):
    (tmp_path / "kernels.cu").write_text(cuda.SOURCE)
    subprocess.run(["nvcc", "-ptx", "kernels.cu", "-o", "kernels.ptx"], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "kernels.ptx").read_text().count(".visible .entry") == 3


SERIAL = """
#include <cmath>
#include <algorithm>
using namespace std;
struct Place { int x; };
static Place threadIdx = {0}, blockDim = {1};
extern "C" { Place blockIdx = {0}; }
static double shared[1];
#define __device__
#define __global__
#define __syncthreads()
"""


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler here: the CUDA source is not run as C++")
    folder = tmp_path_factory.mktemp("cuda")
    source = cuda.SOURCE.replace("extern __shared__ double shared[];", "")
    (folder / "kernels.cpp").write_text(SERIAL + source)
    subprocess.run([compiler, "-O1", "-ffp-contract=off", "-shared", "-fPIC", "kernels.cpp", "-o", "kernels.so"],
                   cwd=folder, check=True, capture_output=True)
    return ctypes.CDLL(str(folder / "kernels.so"))


def launched(library, name, *arguments):
    """Every block in turn, as CuPy would launch them."""
    block = ctypes.c_int.in_dll(library, "blockIdx")
    as_c = [a.ctypes.data_as(ctypes.c_void_p) if isinstance(a, np.ndarray) else
            ctypes.c_int(int(a)) if isinstance(a, (np.int32, int)) else ctypes.c_double(float(a)) for a in arguments]
    for block.value in range(S):
        getattr(library, name)(*as_c)


def test_cuda_bodies_run_as_c_are_the_reference(serial):
    for loss in (SQUARE, LOGISTIC):
        x, order = flat(x0, TERMS)
        launched(serial, "sgd", X, Y[loss], 0.1, np.int32(loss), x, order, STEPS, N, D, K)
        np.testing.assert_allclose(x, sgd_reference(X, Y[loss], 0.1, loss, x0, TERMS, STEPS), **close)
        x, table, mean = flat(x0, TABLE, MEAN)
        launched(serial, "saga", X, Y[loss], 0.1, np.int32(loss), x, table, mean, order, 0.05, N, D, K)
        for a, b in zip((x, table, mean), saga_reference(X, Y[loss], 0.1, loss, x0, TABLE, MEAN, TERMS, 0.05), strict=True):
            np.testing.assert_allclose(a, b, **close)
    for lam in (0.0, 0.3):
        x, residual, order = flat(x0, x0 @ X.T - Y[SQUARE], COORDINATES)
        steps = np.linspace(0.1, 0.9, D)
        launched(serial, "coordinate", X, 0.2, lam, x, residual, order, steps, N, D, K)
        np.testing.assert_allclose(x, coordinate_reference(X, Y[SQUARE], 0.2, lam, x0, COORDINATES, steps), **close)


@pytest.mark.gpu
@pytest.mark.parametrize("loss", [SQUARE, LOGISTIC])
def test_cuda_bodies_on_a_device(loss):
    cupy = pytest.importorskip("cupy", reason="cupy is not installed: no CUDA device to run on")
    if cupy.cuda.runtime.getDeviceCount() == 0:
        pytest.skip("no CUDA device to run on")
    A, b, x, order, steps = (cupy.asarray(a) for a in (X, Y[loss], x0, TERMS, STEPS))
    np.testing.assert_allclose(sgd_pass(A, b, 0.1, loss, x, order, steps).get(),
                               sgd_reference(X, Y[loss], 0.1, loss, x0, TERMS, STEPS), **close)
    found = saga_pass(A, b, 0.1, loss, x, cupy.asarray(TABLE), cupy.asarray(MEAN), order, 0.05)
    for a, c in zip(found, saga_reference(X, Y[loss], 0.1, loss, x0, TABLE, MEAN, TERMS, 0.05), strict=True):
        np.testing.assert_allclose(a.get(), c, **close)
    p = cupy.asarray(COORDINATES)
    np.testing.assert_allclose(coordinate_pass(A, cupy.asarray(Y[SQUARE]), 0.2, 0.3, x, p, cupy.full(D, 0.3)).get(),
                               coordinate_reference(X, Y[SQUARE], 0.2, 0.3, x0, COORDINATES, np.full(D, 0.3)), **close)
