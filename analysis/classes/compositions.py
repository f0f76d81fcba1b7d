"""A function composed with a matrix, f(x) = g(Mx): g and M are known by their classes, and met through x alone."""

from __future__ import annotations

from typing import Any

from PEPit import Expression, Point
from PEPit import operators as O

from optlab.problems import assumptions as A

from .parts import smooth_class
from .registry import kind


@kind(lambda s: s.meets(A.LinearComposition), A.LinearComposition)
def linear_composition(s: Any) -> None:
    """``value`` g(Mx) and ``grad`` M'grad g(Mx), with M general, symmetric or skew (Bousselmi, Hendrickx, Glineur 2024)."""
    g = smooth_class(s, s.L_g, s.mu_g, True)
    if s.has(A.SymmetricComposition):
        M = transpose = s.pep.declare_function(O.SymmetricLinearOperator, mu=s.mu_M, L=s.L_M)
    elif s.has(A.SkewComposition):
        M = transpose = s.pep.declare_function(O.SkewSymmetricLinearOperator, L=s.L_M)
    else:
        M = s.pep.declare_function(O.LinearOperator, L=s.L_M)
        transpose = M.T
    sign = -1 if s.has(A.SkewComposition) else 1
    s.value = lambda x: g(M.gradient(x))
    s.grad = lambda x: sign * transpose.gradient(g.gradient(M.gradient(x)))
    s.x_star = Point()
    s.f_star = s.value(s.x_star)
    # M' maps the slope at Mx* to 0: said of the pair itself, since the condition ||M'u||^2 = 0 would leave no interior
    nothing = Point(is_leaf=False, decomposition_dict={}), Expression(is_leaf=False, decomposition_dict={})
    transpose.add_point((g.gradient(M.gradient(s.x_star)), *nothing))
