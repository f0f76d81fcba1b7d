"""The record: what `verify --record` saw, hashed with the text of everything that decided it.

An entry lists the modules it depends on (the method's with all it imports, its problems', the engine's) and a hash of
their text. When any of them changes the entry is stale and counts as nothing.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from optlab.methods import Method

from .verdict import Verdict

DATA = Path(__file__).parent / "data"
RECORD = DATA / "record.json"
ENGINE = tuple(f"optlab.analysis.{m}" for m in
               ("campaign", "expectation", "judge", "statistics", "verify", "worst_case", "sdp"))
SHOWN_ONLY = {"optlab.progress", *(f"optlab.analysis.{m}" for m in ("papers", "record", "registry", "verdict"))}  # decide nothing


@cache
def _file(module: str) -> Path | None:
    spec = importlib.util.find_spec(module)
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


@cache
def _imports(module: str) -> tuple[str, ...]:
    """The optlab modules that a module's text imports."""
    path = _file(module)
    if path is None:
        return ()
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package) if node.level else node.module
            found.add(base or "")
            found |= {f"{base}.{alias.name}" for alias in node.names}
    known = {m for m in found if m.split(".")[0] == "optlab"}
    return tuple(sorted(m for m in known if _is_module(m)))


@cache
def _is_module(name: str) -> bool:
    try:
        return _file(name) is not None
    except (ImportError, AttributeError, ValueError):
        return False


def closure(modules: Iterable[str]) -> set[str]:
    """The modules and every optlab module that their text imports, directly or not."""
    seen: set[str] = set()
    queue = [m for m in modules if m.split(".")[0] == "optlab"]
    while queue:
        m = queue.pop()
        if m not in seen and m not in SHOWN_ONLY:
            seen.add(m)
            queue += _imports(m)
    return seen


def sources_of(method: Method, problems: Sequence[Any]) -> tuple[str, ...]:
    """Names of the modules whose text decides a verdict on ``method`` over ``problems``."""
    modules = {method.body.__module__, *ENGINE}
    for problem in problems:
        while problem is not None:
            modules |= {c.__module__ for c in type(problem).__mro__}
            problem = getattr(problem, "__dict__", {}).get("inner_problem")
    return tuple(sorted(closure(modules)))


def text_hash(modules: Iterable[str], replaced: dict[str, str] | None = None) -> str:
    """A hash of the modules' text; ``replaced`` stands in for files (to ask what a change would do)."""
    digest = hashlib.sha256()
    for m in sorted(modules):
        path = _file(m) if _is_module(m) else None
        text = (replaced or {}).get(m) or (path.read_text(encoding="utf-8") if path else "missing")
        digest.update(f"{m}\n{text}\n".encode())
    return digest.hexdigest()[:24]


def entry(verdict: Verdict, source: Any) -> dict[str, Any]:
    """What the record keeps of a verdict."""
    facts = verdict.as_dict()
    kept = {n: facts[n] for n in ("method", "id", "guarantee", "mode", "verdict", "ratio", "at", "evidence", "tightness",
                                  "tightest", "controls", "worst_case", "note")}
    return {**kept, "row": source.row, "item": source.item, "claim": source.claim, "where": source.where,
            "refutes": source.refutes, "sources": list(verdict.sources), "hash": text_hash(verdict.sources)}


def write(entries: Sequence[dict[str, Any]], path: Path = RECORD) -> None:
    """Replace the entries of the methods at hand, keep the others; the file appears whole or not at all."""
    methods = {e["method"] for e in entries}
    merged = [e for e in read(path) if e["method"] not in methods] + list(entries)
    merged.sort(key=lambda e: (e["row"], e["item"], e["claim"], e["method"], e["guarantee"]))
    body = "[\n" + ",\n".join(json.dumps(e, ensure_ascii=False) for e in merged) + "\n]\n"
    write_whole(path, body)


def write_whole(path: Path, text: str) -> None:
    """Write through a temporary file, so that an interrupt leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(handle, "w", encoding="utf-8") as f:
        f.write(text)
    try:
        os.replace(name, path)
    except OSError:
        os.unlink(name)
        raise
    os.chmod(path, 0o644)


def read(path: Path = RECORD) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def is_current(e: dict[str, Any], replaced: dict[str, str] | None = None) -> bool:
    """Whether the text that decided an entry is still the text at hand."""
    return e["hash"] == text_hash(e["sources"], replaced)
