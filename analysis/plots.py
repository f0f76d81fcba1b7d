"""Plots: measured against bound, one look for terminal users, notebooks and the atlas."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

COLOURS = {"measured": "#2563a8", "bound": "#c8501e", "worst": "#6b4fa0"}


def _axes(ax: Any) -> Any:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    _, ax = plt.subplots(figsize=(6.0, 3.8), layout="constrained")
    return ax


def _logarithmic(ax: Any, k: np.ndarray, positive: bool) -> None:
    if positive:
        ax.set_yscale("log")
    if len(k) and k[-1] > 300:
        ax.set_xscale("symlog", linthresh=10)
    ax.set_xlabel("k")
    ax.grid(alpha=0.25, linewidth=0.6)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def plot_verdict(verdict: Any, ax: Any = None) -> Any:
    """Measured and bound against k, the exact worst case where known; returns the axes."""
    ax = _axes(ax)
    curve = verdict.curve
    if not curve:
        ax.text(0.5, 0.5, verdict.note or verdict.verdict, ha="center", va="center", wrap=True, transform=ax.transAxes)
        ax.set_axis_off()
        return ax
    k, measured, bound = curve["k"], curve["measured"], curve["bound"]
    lone = len(k) == 1
    rows = np.isfinite(measured) & ((k > 0) | (not np.isfinite(bound[0])) if not lone else True)
    shown = measured[rows]
    sign = -1.0 if len(shown) and np.all(shown <= 0) and np.any(shown < 0) else 1.0
    positive = bool(np.any(sign * shown > 0)) and not lone
    label = "measured" if sign > 0 else "-measured"
    style = dict(marker="o", markersize=7, linestyle="none") if np.count_nonzero(rows) < 3 else dict(linewidth=1.8)
    ax.plot(k[rows], _visible(sign * shown, positive), color=COLOURS["measured"], label=label, **style)
    limit = np.isfinite(bound) & (k > 0)
    ax.plot(k[limit], _visible(sign * bound[limit], positive), color=COLOURS["bound"], linestyle="--" if not lone else "none",
            marker="_" if lone else None, markersize=16, linewidth=1.4, label="bound" if sign > 0 else "-bound")
    if verdict.at > 0 and np.isfinite(verdict.ratio):
        at = np.flatnonzero(k == verdict.at)
        if len(at) and np.isfinite(measured[at[0]]):
            ax.plot(k[at], _visible(sign * measured[at], positive), "o", markersize=8, markerfacecolor="none",
                    color=COLOURS["measured"])
            ax.annotate(f"ratio {verdict.ratio:.3g}", (k[at[0]], sign * measured[at[0]]), xytext=(8, 8),
                        textcoords="offset points", fontsize=8)
    _logarithmic(ax, k, positive)
    if positive:
        _clip(ax, sign * np.concatenate([shown, bound[limit]]))
    ax.set_title(f"{verdict.method} on {verdict.problem}: {verdict.verdict}", fontsize=10, loc="left")
    ax.set_ylabel(f"${verdict.symbol}$" if verdict.symbol else verdict.guarantee.partition(" <= ")[0], fontsize=9)
    ax.legend(frameon=False, fontsize=8)
    return ax


def _visible(y: np.ndarray, positive: bool) -> np.ndarray:
    return np.where(y > 0, y, np.nan) if positive else y


def _clip(ax: Any, y: np.ndarray) -> None:
    """Keep diverged values from flattening the picture: at most 16 decades above the least."""
    y = y[np.isfinite(y) & (y > 0)]
    if len(y) and y.max() / y.min() > 1e24:
        middle = np.median(y)
        ax.set_ylim(max(y.min(), middle * 1e-16) / 3, min(y.max(), middle * 1e16) * 3)


def plot_trace(trace: Any, name: str | None = None, ax: Any = None) -> Any:
    """A measure of a trace against k: the mean over replicates with the band of its 10 % and 90 % quantiles."""
    ax = _axes(ax)
    name = name or next(iter(trace.readings))
    values = trace[name].reshape(len(trace.k), -1)
    mean = values.mean(axis=1)
    positive = bool(np.any(mean > 0))
    ax.plot(trace.k, _visible(mean, positive), color=COLOURS["measured"], linewidth=1.8, label=name)
    if values.shape[1] > 1:
        lo, hi = np.quantile(values, [0.1, 0.9], axis=1)
        ax.fill_between(trace.k, _visible(lo, positive), _visible(hi, positive), color=COLOURS["measured"], alpha=0.18, linewidth=0)
    _logarithmic(ax, trace.k, positive)
    ax.set_title(f"{trace.method.name} on {trace.problem}", fontsize=10, loc="left")
    ax.set_ylabel(name, fontsize=9)
    return ax


def svg(draw: Any, *args: Any) -> str:
    """The plot as inline SVG text with transparent ground, readable on light and dark pages."""
    import matplotlib as mpl

    with mpl.rc_context({"svg.fonttype": "none", "text.color": "#888", "axes.labelcolor": "#888", "xtick.color": "#888",
                         "ytick.color": "#888", "axes.edgecolor": "#888", "font.size": 9, "svg.hashsalt": "optlab"}):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6.4, 3.6), layout="constrained")
        ax = figure.subplots()
        figure.patch.set_alpha(0)
        ax.patch.set_alpha(0)
        draw(*args, ax)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg"):]
