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
        """A table; the columns of worst case and control only where they were looked at."""
        head = ["verdict", "method", "problem", "theorem", "source", "measured / bound", "at k"]
        worst, controls = any(v.worst_case for v in self), any(v.controls for v in self)
        head += ["worst case / bound"] * worst + ["control"] * controls
        rows = []
        for v in self:
            ratios = [w.ratio for w in v.worst_case if np.isfinite(w.ratio)]
            cells = [f"{v.ratio:.3g}" if np.isfinite(v.ratio) else "", str(v.at) if v.at >= 0 else ""]
            cells += [f"{max(ratios):.4f}" if ratios else ""] * worst
            cells += [("seen" if all(c.seen for c in v.controls) else "NOT SEEN") if v.controls else ""] * controls
            notes = "; ".join(n for n in (v.evidence, v.note) if n)
            theorem = html.escape(v.guarantee) + (f"<br><small>{html.escape(notes)}</small>" if notes else "")
            words = [f'<b style="color:{_colour(v)}">{v.verdict}</b>', *map(html.escape, (v.method, v.problem)), theorem,
                     html.escape(v.source), *cells]
            rows.append("".join(f'<td style="text-align:left">{w}</td>' for w in words))
        titles = "".join(f'<th style="text-align:left">{h}</th>' for h in head)
        return f"<table><tr>{titles}</tr>{''.join(f'<tr>{r}</tr>' for r in rows)}</table>"


def _colour(verdict: Verdict) -> str:
    return {"holds": "#1a7f37", "violated": "#cf222e"}.get(verdict.verdict, "#9a6700")
