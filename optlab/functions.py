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
        return numeric(*args)

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


def harmonic(k: Any) -> Any:
    """H_k = 1 + 1/2 + ... + 1/k."""
    if _symbolic(k):
        import sympy

        return sympy.harmonic(k)
    from scipy.special import digamma

    return digamma(np.asarray(k, dtype=float) + 1) + np.euler_gamma
