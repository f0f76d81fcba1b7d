"""Papers: the rows of the catalogue and the state of their items, derived from the record and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from . import record

STATES = ("verified", "refuted", "order-checked", "quoted")  # an item in any other state keeps its row from working


@cache
def catalogue() -> list[dict[str, Any]]:
    """The 206 rows: id, key, title, authors, family, tier, works_when, items."""
    return json.loads((record.DATA / "catalogue.json").read_text(encoding="utf-8"))


@cache
def claims() -> dict[str, list[str]]:
    """Items that make more than one claim, ``{"165.1": [claims]}``: all of them must be proved."""
    return json.loads((record.DATA / "claims.json").read_text(encoding="utf-8"))


@cache
def quoted() -> dict[str, str]:
    """Items that speak about nothing we run, with the reason."""
    return json.loads((record.DATA / "quoted.json").read_text(encoding="utf-8"))


def entry_state(e: dict[str, Any], current: bool) -> str:
    """verified / order-checked / refuted when it holds with every control seen; else why it does not count."""
    if not current:
        return "stale"
    if e["verdict"] != "holds":
        return e["verdict"]
    if not e["controls"] or not all(c["seen"] for c in e["controls"]):
        return "control not seen"
    if e["tightness"] == "tight" and (e["tightest"] or 0) < 0.99:
        return "not seen tight"
    return "refuted" if e["refutes"] else "order-checked" if e["mode"] in ("order", "scaling") else "verified"


def item_state(row: int, item: int, entries: Sequence[dict[str, Any]], current: dict[int, bool]) -> str:
    """The state of one catalogue item from the entries that cite it."""
    key = f"{row}.{item}"
    if not entries:
        return "quoted" if key in quoted() else "not yet"
    states = [(e["claim"], entry_state(e, current[id(e)])) for e in entries]
    bad = [s for _, s in states if s not in STATES]
    if bad:
        return bad[0]
    wanted = claims().get(key, [""])
    missing = [c for c in wanted if c not in {claim for claim, _ in states}]
    if missing:
        return f"partly ({', '.join(missing)} not yet)" if missing != [""] else "partly (claims not listed)"
    found = {s for _, s in states}
    return next(s for s in ("refuted", "order-checked", "verified") if s in found)


def papers(entries: Sequence[dict[str, Any]] | None = None, replaced: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """All rows with ``items`` (facts and state), ``verified`` (how many items are) and ``works``.

    ``entries`` default to the committed record; ``replaced`` maps a module to other text, to see what would go stale.
    """
    entries = record.read() if entries is None else entries
    current = {id(e): record.is_current(e, replaced) for e in entries}
    rows = []
    for paper in catalogue():
        items = []
        for it in paper["items"]:
            cited = [e for e in entries if (e["row"], e["item"]) == (paper["id"], it["item"])]
            state = item_state(paper["id"], it["item"], cited, current)
            items.append({**it, "state": state, "proved_by": sorted({e["method"] for e in cited})})
        settled = all(it["state"] in STATES for it in items)
        verified = sum(it["state"] == "verified" for it in items)
        rows.append({"id": paper["id"], "key": paper["key"], "title": paper["title"], "authors": paper["authors"],
                     "family": paper["family"], "tier": paper["tier"], "items": items, "verified": verified,
                     "works": settled and verified > 0})
    return rows
