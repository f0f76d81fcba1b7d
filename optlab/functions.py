"""Functions for bounds and recipes that read two ways: on numbers (NumPy) and on SymPy symbols (for typesetting)."""

from __future__ import annotations

from typing import Any

import numpy as np


def _symbolic(*args: Any) -> bool:
    return any(type(a).__module__.startswith("sympy") for a in args)


def _dual(name: str, numeric: Any, doc: str) -> Any:
    def function(*args: Any) -> Any:
        if _symbolic(*args):
            import sympy

            return getattr(sympy, name)(*args)
        value = numeric(*args)
        return float(value) if np.ndim(value) == 0 else value  # plain floats multiply points of every kind

    function.__name__, function.__doc__ = name, doc
    return function


sqrt = _dual("sqrt", np.sqrt, "Square root.")
log = _dual("log", np.log, "Natural logarithm.")
exp = _dual("exp", np.exp, "Exponential.")
ceil = _dual("ceiling", np.ceil, "Smallest integer not below.")
sin = _dual("sin", np.sin, "Sine.")
cos = _dual("cos", np.cos, "Cosine.")
maximum = _dual("Max", np.maximum, "The larger of two.")
minimum = _dual("Min", np.minimum, "The smaller of two.")


def harmonic(k: Any, order: float = 1) -> Any:
    """1 + 1/2^order + ... + 1/k^order."""
    if _symbolic(k):
        import sympy

        return sympy.harmonic(k, sympy.nsimplify(order))
    k = np.asarray(k)
    if order == 1:
        from scipy.special import digamma

        return digamma(k.astype(float) + 1) + np.euler_gamma
    # the first terms one by one, the rest by Euler-Maclaurin (its next term is below 1e-15 from 100 on)
    first, s = 100, float(order)
    sums = np.concatenate([[0.0], np.cumsum(np.arange(1.0, first + 1) ** -s)])
    j = np.maximum(k.astype(float), first)

    def tail(x: Any) -> Any:
        return (x ** (1 - s) / (1 - s) + x**-s / 2 - s / 12 * x ** (-s - 1) + s * (s + 1) * (s + 2) / 720 * x ** (-s - 3))

    return sums[np.minimum(k, first).astype(int)] + tail(j) - tail(float(first))
