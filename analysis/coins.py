"""Random methods on symbolic points: the same body is run once for every outcome of its draws, on one and the same problem.

What the runs ask in common they share (a symbolic oracle that is asked twice at one point gives the same answer), so that the
program is that of the tree of coins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations, permutations
from typing import Any, TypeVar

import numpy as np

from optlab.rng import NotEnumerable

MOST_PATHS = 256
Result = TypeVar("Result")


class Script:
    """One path through the draws, by the protocol of ``optlab.rng``: first the given choices, then always the first outcome.

    ``chance`` is the probability of the path, ``counts`` how many outcomes each of its draws had.
    """

    def __init__(self, choices: Sequence[int] = ()):
        self.choices = list(choices)
        self.counts: list[int] = []
        self.chance = 1.0

    def _draw(self, outcomes: Sequence[Any], p: Any = None) -> Any:
        if len(self.counts) == len(self.choices):
            self.choices.append(0)
        choice = self.choices[len(self.counts)]
        self.counts.append(len(outcomes))
        self.chance *= 1 / len(outcomes) if p is None else float(p[choice] / np.sum(p))
        return outcomes[choice]

    def index(self, n: int, p: Any = None) -> int:
        return self._draw(range(n), p)

    def coin(self, p: float) -> np.bool_:
        return self._draw((np.True_, np.False_), (p, 1 - p))

    def permutation(self, n: int) -> np.ndarray:
        return np.array(self._draw(list(permutations(range(n)))))

    def subset(self, n: int, b: int) -> np.ndarray:
        return np.array(self._draw(list(combinations(range(n), b))))

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise NotEnumerable("only draws with few outcomes can be enumerated: an index, a coin, a permutation, a subset")

    uniform = normal = each = indices = _refuse


def over_the_coins(play: Callable[[Script], Result]) -> list[tuple[float, Result]]:
    """(chance, ``play(script)``) for every path through the draws that ``play`` makes."""
    found: list[tuple[float, Result]] = []
    choices: list[int] = []
    while True:
        script = Script(choices)
        result = play(script)
        if script.chance > 0:
            found.append((script.chance, result))
        if len(found) > MOST_PATHS:
            raise NotEnumerable(f"its draws have more than {MOST_PATHS} joint outcomes; take fewer steps")
        last = next((t for t in reversed(range(len(script.counts))) if script.choices[t] + 1 < script.counts[t]), None)
        if last is None:
            return found
        choices = [*script.choices[:last], script.choices[last] + 1]


def mean(terms: Sequence[tuple[float, Any]]) -> Any:
    """sum of chance * value; a single certain value as it is."""
    if len(terms) == 1:
        return terms[0][1]
    return sum((chance * value for chance, value in terms[1:]), terms[0][0] * terms[0][1])
