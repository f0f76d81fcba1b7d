"""The function and operator classes that PEPit's words can say, by the assumptions of optlab's problems."""

# The order of the kinds: special before general.
# isort: off
from . import (
    noisy,
    rounds,
    compositions,
    terms,
    inexact,
    triples,
    inexact_prox,
    bregman,
    difference,
    agents,
    pairs,
    projections,
    operators,
    functions,
    composites,
)

# isort: on
from .registry import KINDS, Kind, SymbolicError, kind, kind_of, stated

__all__ = ["KINDS", "Kind", "SymbolicError", "agents", "bregman", "composites", "compositions", "difference", "functions",
           "inexact", "inexact_prox", "kind", "kind_of", "noisy", "operators", "pairs", "projections", "rounds", "stated",
           "terms", "triples"]
