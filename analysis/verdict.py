"""Verdicts: what came out when a theorem met a run."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# the verdict of several cases is the first of these that occurs: a case on which nothing was compared takes nothing away
SEVERITY = ("violated", "undefined", "refused", "inconclusive", "holds", "vacuous")


@dataclass(frozen=True)
class ControlSeen:
    """A control's outcome: ``seen`` when the sabotage was caught as the control expects."""

    why: str
    seen: bool
    verdict: str
    case: str = ""
    ratio: float = float("nan")
    at: int = -1


@dataclass(frozen=True)
class WorstCaseSeen:
    """The exact (or upper-bound) worst case over the function class at ``steps``, against the theorem's bound there."""

    steps: int
    value: float
    bound: float
    exact: bool
    note: str = ""

    @property
    def ratio(self) -> float:
        return self.value / self.bound if self.bound else float("nan")


@dataclass
class Verdict:
    """One guarantee on one problem: ``verdict`` is holds / violated / inconclusive / vacuous / undefined / refused.

    ``ratio`` is the largest measured / bound (1 = met) and ``at`` its k; ``evidence`` says how expectations were taken
    (exact moments, enumeration, drift, replicates); ``curve`` holds k, measured and bound for plotting.
    """

    verdict: str
    method: str
    guarantee: str
    source: str
    problem: str
    mode: str
    ratio: float = float("nan")
    at: int = -1
    replicates: int = 1
    seconds: float = 0.0
    evidence: str = ""
    note: str = ""
    id: str = ""
    curve: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    controls: tuple[ControlSeen, ...] = ()
    worst_case: tuple[WorstCaseSeen, ...] = ()
    tightness: str = "upper"
    cases: tuple[Verdict, ...] = field(default=(), repr=False)
    symbol: str = ""
    latex: str = ""
    trace: Any = field(default=None, repr=False)
    sources: tuple[str, ...] = field(default=(), repr=False)  # modules whose text decides this verdict

    def __bool__(self) -> bool:
        return self.verdict == "holds"

    @property
    def tightest(self) -> float:
        """The largest share of the bound seen anywhere: on arrays or in the worst case over the class."""
        ratios = [self.ratio, *(w.ratio for w in self.worst_case)]
        finite = [r for r in ratios if np.isfinite(r)]
        return max(finite) if finite else float("nan")

    def plot(self, ax: Any = None) -> Any:
        """Measured against bound, on matplotlib axes."""
        from .plots import plot_verdict

        return plot_verdict(self, ax)

    def as_dict(self) -> dict[str, Any]:
        """What ``--json`` writes."""

        def number(x: float) -> float | None:
            return float(x) if np.isfinite(x) else None

        return {
            "method": self.method, "guarantee": self.guarantee, "id": self.id, "source": self.source,
            "problem": self.problem, "mode": self.mode, "verdict": self.verdict, "ratio": number(self.ratio),
            "at": int(self.at), "replicates": int(self.replicates), "seconds": round(self.seconds, 4),
            "evidence": self.evidence, "note": self.note, "tightness": self.tightness, "tightest": number(self.tightest),
            "controls": [{"why": c.why, "seen": c.seen, "verdict": c.verdict, "case": c.case} for c in self.controls],
            "worst_case": [{"steps": w.steps, "value": number(w.value), "bound": number(w.bound), "exact": w.exact}
                           for w in self.worst_case],
            "cases": [{"problem": c.problem, "verdict": c.verdict, "ratio": number(c.ratio), "at": int(c.at)}
                      for c in self.cases],
        }

    def __str__(self) -> str:
        where = f" at k = {self.at}" if self.at >= 0 else ""
        tail = f"; {self.note}" if self.note else ""
        return (f"{self.verdict}: {self.method} on {self.problem}: {self.guarantee} ({self.source}), "
                f"tightest ratio {self.ratio:.3g}{where}{tail}")

    def _repr_html_(self) -> str:
        return f'<p><b style="color:{_colour(self)}">{self.verdict}</b> {html.escape(str(self).partition(": ")[2])}</p>'


class Verdicts(Sequence[Verdict]):
    """A sequence of verdicts that shows itself as a table."""

    def __init__(self, items: Sequence[Verdict], interrupted: bool = False):
        self._items = list(items)
        self.interrupted = interrupted

    def __getitem__(self, i: Any) -> Any:
        return Verdicts(self._items[i]) if isinstance(i, slice) else self._items[i]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self._items)

    @property
    def violated(self) -> Verdicts:
        return Verdicts([v for v in self if v.verdict == "violated"])

    @property
    def unseen(self) -> list[tuple[Verdict, ControlSeen]]:
        """Controls that were run and not caught."""
        return [(v, c) for v in self for c in v.controls if not c.seen]

    def __str__(self) -> str:
        return "\n".join(map(str, self))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """A table. What all rows share (method, problem) stands above it; empty columns are left out."""

        def ratio(x: float, form: str) -> str:
            return "" if np.isnan(x) else format(x, form)

        columns: dict[str, list[str]] = {
            "verdict": [f'<b style="color:{_colour(v)}">{v.verdict}</b>' for v in self],
            "method": [html.escape(v.method) for v in self],
            "problem": [html.escape(v.problem) for v in self],
            "theorem": [html.escape(v.guarantee) for v in self],
            "source": [html.escape(v.source) for v in self],
            "measured / bound": [ratio(v.ratio, ".3g") for v in self],
            "at k": [str(v.at) if v.at >= 0 else "" for v in self],
            "worst case / bound": [ratio(max((w.ratio for w in v.worst_case), default=np.nan), ".4f") for v in self],
            "control": [("seen" if all(c.seen for c in v.controls) else "NOT SEEN") if v.controls else "" for v in self],
            "note": [html.escape("; ".join(n for n in (v.evidence, v.note) if n)) for v in self],
        }
        shared = {n: columns.pop(n)[0] for n in ("method", "problem") if len(self) > 1 and len(set(columns[n])) == 1}
        columns = {n: cells for n, cells in columns.items() if any(cells)}
        head = "".join(f'<th style="text-align:left">{n}</th>' for n in columns)
        rows = ("".join(f'<td style="text-align:left">{c}</td>' for c in row) for row in zip(*columns.values(), strict=True))
        above = f"<p>{' on '.join(shared.values())}</p>" if shared else ""
        return f"{above}<table><tr>{head}</tr>{''.join(f'<tr>{r}</tr>' for r in rows)}</table>"


def _colour(verdict: Verdict) -> str:
    return {"holds": "#1a7f37", "violated": "#cf222e"}.get(verdict.verdict, "#9a6700")
