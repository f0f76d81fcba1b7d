"""What a caller can get wrong, as exceptions whose message is one clear sentence."""

from __future__ import annotations

import os


class OptlabError(ValueError):
    """Base of every error optlab raises on purpose: catch it to catch them all, and nothing else."""


class ProblemError(OptlabError):
    """Raised when an argument or a piece of a problem is unusable: a negative step or radius, a wrong shape,
    NaN in a matrix, a matrix that is not PSD where it must be, a disconnected graph, a missing oracle."""


class AssumptionError(OptlabError):
    """Raised when a guarantee is asked about a case that does not meet its assumptions (the message names the
    missing one), or when a constant the theorem needs is unknown."""


class DataError(OptlabError):
    """Raised when data cannot be read or used: renders as ``FILE, line N: message``.

    ``path`` is the file or the name of the data set; ``line`` counts from 1, None where the fault is in
    no single line.
    """

    def __init__(self, path: str | os.PathLike[str], message: str, line: int | None = None):
        # The three arguments stay in `args`, so that the error survives the pickling of process pools.
        super().__init__(path, message, line)
        self.path = path
        self.message = message
        self.line = line

    def __str__(self) -> str:
        line = "" if self.line is None else f", line {self.line}"
        return f"{os.fspath(self.path)}{line}: {self.message}"
