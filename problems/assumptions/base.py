"""What an assumption is: a dataclass whose fields are its constants."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar


@dataclass(frozen=True)
class Assumption:
    """Base of all assumptions; the dataclass fields are its constants."""

    implied_by: ClassVar[tuple[type[Assumption], ...]] = ()

    @property
    def constants(self) -> dict[str, float]:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def follows_from(cls, other: Assumption) -> bool:
        """Whether ``other`` promises this assumption (same class, a subclass, or a listed implication)."""
        return isinstance(other, (cls, *cls.implied_by))
