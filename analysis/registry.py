"""Every method of optlab, found by importing its families."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from functools import cache

import optlab
from optlab.methods import METHODS, Method
from optlab.problems.errors import ProblemError


@cache
def _load() -> None:
    for package in pkgutil.iter_modules(optlab.__path__):
        if package.ispkg and package.name not in ("problems", "analysis", "kernels"):
            family = importlib.import_module(f"optlab.{package.name}")
            for module in pkgutil.iter_modules(family.__path__):
                importlib.import_module(f"optlab.{package.name}.{module.name}")


def all_methods() -> dict[str, Method]:
    """Name -> method, by family and name."""
    _load()
    return dict(sorted(METHODS.items(), key=lambda item: (item[1].family, item[0])))


def select(names: list[str]) -> list[Method]:
    """Methods by name, family or paper row (``165`` or a catalogue key); all of them for an empty list."""
    methods = all_methods()
    if not names:
        return list(methods.values())
    found: dict[str, Method] = {}
    for name in names:
        rows = _rows(name)
        hits = [m for m in methods.values()
                if name in (m.name, m.family) or any(g.source.row in rows for g in m.guarantees)]
        if not hits:
            known = [*methods, *{m.family for m in methods.values()}]
            close = difflib.get_close_matches(name, known, 3)
            hint = f"; did you mean {', '.join(close)}?" if close else "; `optlab list` shows all"
            raise ProblemError(f"no method, family or paper with guarantees is called {name!r}{hint}")
        found.update({m.name: m for m in hits})
    return list(found.values())


def _rows(name: str) -> set[int]:
    if name.isdigit():
        return {int(name)}
    from .papers import catalogue

    return {paper["id"] for paper in catalogue() if paper["key"] == name}
