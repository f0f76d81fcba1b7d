"""The function and operator classes that PEPit's words can say, by the assumptions of optlab's problems."""

# The order of the kinds: special before general.
# isort: off
from . import agents, pairs, operators, functions, composites

# isort: on
from .registry import KINDS, Kind, SymbolicError, kind, kind_of, stated

__all__ = ["KINDS", "Kind", "SymbolicError", "agents", "composites", "functions", "kind", "kind_of", "operators",
           "pairs", "stated"]
