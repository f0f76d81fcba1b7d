"""Which body of a kernel an array gets: compiled for NumPy, CUDA for CuPy, the plain reference for any other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from array_api_compat import array_namespace

Array = Any


def body_for(x: Array, name: str) -> Callable[..., None] | None:
    """The body called ``name`` that writes into float64 arrays like ``x``; None: the reference must do."""
    if isinstance(x, np.ndarray) and x.dtype == np.float64:
        from . import compiled

        return getattr(compiled, name)
    if type(x).__module__.partition(".")[0] == "cupy" and x.dtype == np.float64:
        from . import cuda

        return getattr(cuda, name)
    return None


def replicated(x: Array, order: Array, *others: Array) -> tuple[list[Array], Callable[[Array], Array]]:
    """Fresh contiguous copies with the replicate axes flattened to one, and the way back.

    ``x`` (..., d) and the indices ``order`` (..., K) broadcast against each other; the others have the axes of ``x``.
    """
    xp = array_namespace(x)
    batch = np.broadcast_shapes(x.shape[:-1], order.shape[:-1])
    flat = []
    for a, axes in ((x, x.ndim - 1), (xp.asarray(order), order.ndim - 1), *((o, x.ndim - 1) for o in others)):
        own = a.shape[axes:]
        full = xp.asarray(xp.broadcast_to(a, (*batch, *own)), copy=True, order="C")
        flat.append(xp.reshape(full, (-1, *own)))
    return flat, lambda a: xp.reshape(a, (*batch, *a.shape[1:]))


def rows(a: Array, i: Array) -> Array:
    """a[i] for an integer array of any shape, in the words of the array standard."""
    xp = array_namespace(a)
    return xp.reshape(xp.take(a, xp.reshape(i, (-1,)), axis=0), (*i.shape, *a.shape[1:]))
