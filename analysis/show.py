"""Tables in the terminal (rich)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .verdict import Verdicts

COLOUR = {"holds": "green", "violated": "bold red", "inconclusive": "yellow", "vacuous": "yellow", "undefined": "red",
          "refused": "magenta"}


def console() -> Console:
    """Standard output; 190 columns where it is not a terminal (files, pipes), so that lines stay whole."""
    c = Console(soft_wrap=False)
    return c if c.is_terminal else Console(width=190)


def applicable(verdicts: Verdicts, problem: Any) -> Verdicts:
    """Drop the refusals of a campaign on one problem; when nothing applies, say so once."""
    from optlab.problems.errors import AssumptionError

    kept = [v for v in verdicts if v.verdict != "refused"]
    if not kept:
        raise AssumptionError(f"no guarantee applies to {problem}; for example: {verdicts[0].note}" if len(verdicts)
                              else f"no guarantee was selected for {problem}")
    return Verdicts(kept, verdicts.interrupted)


def number(x: float, digits: int = 3) -> str:
    return f"{x:.{digits}g}" if np.isfinite(x) else ("inf" if np.isinf(x) else "-")


def verdict_table(verdicts: Verdicts) -> None:
    """One line a guarantee: verdict, tightest ratio and its k, worst case over the class, controls."""
    out = console()
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for name, options in (("verdict", {}), ("method", {"no_wrap": True}), ("theorem", {"overflow": "fold", "min_width": 36}),
                          ("source", {"overflow": "ellipsis", "max_width": 20, "no_wrap": True}),
                          ("problem", {"overflow": "ellipsis", "max_width": 24, "no_wrap": True}),
                          ("ratio", {"justify": "right"}), ("at k", {"justify": "right"}),
                          ("worst case", {"justify": "right"}), ("control", {"justify": "center"})):
        table.add_column(name, **options)
    for v in verdicts:
        ratios = [w.ratio for w in v.worst_case if np.isfinite(w.ratio)]
        worst = f"{max(ratios):.4f}{'' if all(w.exact for w in v.worst_case) else '≤'}" if ratios else ""
        control = Text("seen", "green") if v.controls and all(c.seen for c in v.controls) else (
            Text("NOT SEEN", "bold red") if v.controls else Text(""))
        table.add_row(Text(v.verdict, COLOUR[v.verdict]), v.method, Text(v.guarantee), Text(v.source), Text(v.problem),
                      number(v.ratio), str(v.at) if v.at >= 0 else "", worst, control)
    out.print(table)
    counts = ", ".join(f"{sum(v.verdict == s for v in verdicts)} {s}" for s in COLOUR if any(v.verdict == s for v in verdicts))
    controls = [c for v in verdicts for c in v.controls]
    seen = f"; {sum(c.seen for c in controls)} of {len(controls)} controls seen to fail" if controls else ""
    seconds = sum(v.seconds for v in verdicts)
    out.print(f"{len(verdicts)} guarantees of {len({v.method for v in verdicts})} methods: {counts}{seen}; {seconds:.1f} s")
    for v in verdicts:
        if v.verdict != "holds":
            out.print(Text(f"  {v}", COLOUR[v.verdict]))


def worst_case_table(rows: Sequence[tuple[Any, Any]]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("theorem", "source", "worst case", "dual (proof)", "bound", "ratio", ""):
        table.add_column(name, justify="left" if name in ("theorem", "source", "") else "right")
    for g, w in rows:
        table.add_row(Text(g.title), Text(str(g.source)), f"{w.value:.8g}", f"{w.dual:.8g}", f"{w.bound:.8g}", number(w.ratio, 6),
                      "exact" if w.exact else f"upper bound ({w.status})" if w.status == "solved" else w.status)
    console().print(table)


def more(row: Any) -> str:
    """The mark of a step that was not measured to its end."""
    from .plan import LONG

    return "> " if row.seconds_per_step >= LONG else ""


def plan_table(rows: Sequence[Any]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("method", "theorem", "source", "parameters", "steps", "cost a step", "predicted"):
        table.add_column(name, justify="right" if name in ("steps", "cost a step", "predicted") else "left")
    for r in rows:
        table.add_row(r.method, Text(r.guarantee), Text(r.source), r.parameters, f"{r.steps:,}",
                      f"{more(r)}{r.seconds_per_step * 1e6:.3g} us", f"{more(r)}{r.seconds:.3g} s")
    console().print(table)


def method_table(methods: Sequence[Any]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("family", "method", "needs", "parameters", "theorems", "reads on Points"):
        table.add_column(name)
    for m in methods:
        table.add_row(m.family, m.name, ", ".join(m.needs), ", ".join(m.parameters), str(len(m.guarantees)),
                      "yes" if m.symbolic and not m.random else "no")
    console().print(table)
    console().print(f"{len(methods)} methods, {sum(len(m.guarantees) for m in methods)} guarantees, "
                    f"{sum(len(g.controls) for m in methods for g in m.guarantees)} controls")


def paper_table(rows: Sequence[dict[str, Any]]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("id", "key", "title", "family", "tier", "items", ""):
        table.add_column(name, no_wrap=name != "title", justify="right" if name in ("id", "tier", "items") else "left",
                         overflow="ellipsis")
    for r in rows:
        settled = sum(_settled(it) for it in r["items"])
        state = Text("works", "green") if r["works"] else Text("not yet", "dim" if not settled else "yellow")
        table.add_row(str(r["id"]), r["key"], r["title"][:78], r["family"], str(r["tier"]), f"{settled}/{len(r['items'])}", state)
    out = console()
    out.print(table)
    items = [it for r in rows for it in r["items"]]
    out.print(f"{sum(r['works'] for r in rows)} of {len(rows)} papers work; {sum(map(_settled, items))} of {len(items)} items "
              f"are settled ({sum(it['state'] == 'verified' for it in items)} verified)")


def _settled(item: dict[str, Any]) -> bool:
    from .papers import STATES

    return item["state"] in STATES


def paper_items(row: dict[str, Any]) -> None:
    out = console()
    out.print(Text(f"{row['id']} {row['key']}: {row['title']} ({row['authors']})", "bold"))
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("item", "metric", "bound", "kind", "state", "proved by"):
        table.add_column(name, overflow="fold")
    for it in row["items"]:
        table.add_row(str(it["item"]), Text(it["metric"]), Text(it["bound"]), it["kind"],
                      Text(it["state"], "green" if _settled(it) else "yellow"), ", ".join(it["proved_by"]))
    out.print(table)




