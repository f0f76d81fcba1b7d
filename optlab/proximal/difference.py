"""The difference-of-convex algorithm."""

from __future__ import annotations

from optlab.problems.assumptions import DifferenceOfConvex, LowerBounded
from optlab.problems.pool import pool

from ..fold import best
from ..guarantee import Control, Guarantee, cite
from ..measures import sq_gradient
from ..methods import method


@method(needs=("grad2", "grad1_inverse"), family="proximal", restartable=True)
def dca(problem, x, *, extrapolation=0.0):
    """x+ = argmin_y f1(y) - <grad f2(x), y>, the convex-concave procedure (Tao, Souad 1986); extrapolated beyond y if asked."""
    while True:
        yield x
        y = problem.grad1_inverse(problem.grad2(x))
        x = (1 + extrapolation) * y - extrapolation * x


def dca_rate(k, mu_1, L_1, mu_2, L_2):
    """The least squared gradient of k points over f(x_0) - f*; its two cases are told by which function is smoother."""
    if L_1 >= L_2:
        a, b = L_1 * L_2 - mu_1 * L_2, L_1 + L_2 + mu_1 * (L_1 / L_2 - 3)
    else:
        a, b = L_1 * L_2 - mu_2 * L_1, L_1 + L_2 + mu_2 * (L_2 / L_1 - 3)
    return 2 * a / (b * (k - 1) + a / (L_1 - mu_2))


dca.proves(
    Guarantee(sq_gradient, lambda k, mu_1, L_1, mu_2, L_2, D0: dca_rate(k, mu_1, L_1, mu_2, L_2) * D0,
              cite(0, 0, "Abbaszadehpeivasti-de Klerk-Zamani 2024, Thm 3"), assumes=(DifferenceOfConvex, LowerBounded), at=best,
              on=lambda rng: pool(DifferenceOfConvex), at_constants=dict(mu_1=0.2, L_1=1.0, mu_2=0.1, L_2=2.0),
              control=Control("extrapolation by 3", recipe=lambda: dict(extrapolation=3.0)),
              note="k points x_0, .., x_{k-1}"),
)
