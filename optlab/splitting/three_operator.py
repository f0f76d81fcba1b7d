"""Three-operator splitting (Davis, Yin): a prox of f, a prox of g, and a gradient of q."""

from __future__ import annotations

from optlab.problems.assumptions import MonotoneTriple

from ..guarantee import Control, Guarantee, cite
from ..methods import method
from .proximal_splitting import DR, disagreement, far


@method(needs=("prox_f", "prox_g", "grad"), family="splitting")
def three_operator_splitting(problem, z, *, step, relaxation=1.0):
    """Davis-Yin, z+ = z + relaxation (y - x): x = prox_g(z), y = prox_f(2x - z - step grad q(x)) (Davis, Yin 2017)."""
    while True:
        x = problem.prox_g(z, step)
        y = problem.prox_f(2 * x - z - step * problem.grad(x), step)
        yield DR(x, z, y, step)
        z = z + relaxation * (y - x)


three_operator_splitting.proves(
    # the operator is averaged by 2 / (4 - step Lq), and residuals of averaged operators never grow
    Guarantee(disagreement,
              lambda k, step, relaxation, Lq, Z: Z / (relaxation * (2 - step * Lq / 2 - relaxation) * (k + 1)),
              cite(0, 0, "Davis-Yin 2017, Prop 2.1 and Thm 3.1"), assumes=(MonotoneTriple,), using=far, first=0,
              at_constants=dict(Lq=1.0), recipe=lambda t, share, Lq: dict(step=t / Lq, relaxation=share),
              vary=dict(t=(1.0, 0.1, 1.5), share=(1.0, 0.5)),
              valid=lambda step, Lq, relaxation: 0 < step < 2 / Lq and 0 < relaxation < 2 - step * Lq / 2,
              control=Control("relaxation 2.5", recipe=lambda: dict(relaxation=2.5))),
)
