"""Plots: measured against bound, one look for notebooks and the atlas."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np

COLOURS = {"measured": "#2563a8", "bound": "#c8501e", "worst": "#6b4fa0"}
INK = "#808080"  # of axes and text in an SVG, where the page's own colour takes its place
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _axes(ax: Any) -> Any:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    _, ax = plt.subplots(figsize=(6.0, 3.8), layout="constrained")
    return ax


def _decade(value: float, _: int = 0) -> str:
    """Tick labels of a logarithmic axis as plain text: 1, 10, 10³."""
    power = int(round(np.log10(value))) if value > 0 else 0
    return f"{value:g}" if value == 0 or 0 <= power <= 2 else "10" + str(power).translate(SUPERSCRIPT)


def _scales(ax: Any, k: np.ndarray, logarithmic: bool) -> None:
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    if logarithmic:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(numticks=7))
        ax.yaxis.set_major_formatter(_decade)
        ax.yaxis.set_minor_locator(NullLocator())
    if len(k) and k[-1] > 300:
        ax.set_xscale("log" if k[0] >= 1 else "symlog", **({} if k[0] >= 1 else {"linthresh": 1}))
        ax.xaxis.set_major_formatter(_decade)
        ax.xaxis.set_minor_locator(NullLocator())
    else:
        ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
        if len(k) == 1:
            ax.set_xlim(k[0] - 1, k[0] + 1)
    ax.set_xlabel("k")
    ax.grid(alpha=0.22, linewidth=0.6)
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def _symbol(tex: str, name: str) -> str:
    """The measure on an axis: its LaTeX where Matplotlib can set it, else its name."""
    from matplotlib.mathtext import MathTextParser

    plain = re.sub(r"\\[td]frac", r"\\frac", tex)
    if plain:
        try:
            MathTextParser("path").parse(f"${plain}$")
            return f"${plain}$"
        except ValueError:
            pass
    return name.replace("$", r"\$")


def _message(ax: Any, text: str) -> Any:
    import textwrap

    ax.text(0.5, 0.5, textwrap.fill(text.replace("$", r"\$"), 60), ha="center", va="center", transform=ax.transAxes)
    ax.set_axis_off()
    return ax


def drawable(verdict: Any) -> bool:
    """Whether a verdict has anything finite to draw."""
    curve = verdict.curve
    return bool(curve) and bool(np.isfinite(np.asarray(curve["measured"], dtype=float)).any())


def _shown(verdict: Any) -> tuple[np.ndarray, ...]:
    """k, measured and bound of a verdict's curve, and which entries of the two are drawn."""
    k, measured, bound = (np.asarray(verdict.curve[n], dtype=float) for n in ("k", "measured", "bound"))
    lone = len(k) == 1
    rows = np.isfinite(measured) & ((k > 0) | (not np.isfinite(bound[0])) | lone)
    return k, measured, bound, rows if rows.any() else np.isfinite(measured), np.isfinite(bound) & ((k > 0) | lone)


def negated(verdict: Any) -> bool:
    """Whether the plot shows -measured and -bound, as it does where neither is ever positive."""
    _, measured, bound, rows, limit = _shown(verdict)
    everything = np.concatenate([measured[rows], bound[limit]])
    return bool(np.all(everything <= 0) and np.any(everything < 0))


def plot_verdict(verdict: Any, ax: Any = None, labels: bool = True) -> Any:
    """Measured and bound against k, the worst case over the class where it is comparable; returns the axes.

    ``labels=False`` leaves title, y label and legend to the page around the plot.
    """
    ax = _axes(ax)
    if not drawable(verdict):
        return _message(ax, verdict.note or f"{verdict.verdict}: nothing finite to draw")
    k, measured, bound, rows, limit = _shown(verdict)
    lone = len(k) == 1
    everything = np.concatenate([measured[rows], bound[limit]])
    sign = -1.0 if negated(verdict) else 1.0
    logarithmic = not lone and _logarithmic(sign * everything)
    minus = "" if sign > 0 else "-"
    few = np.count_nonzero(rows) < 3
    y = _visible(sign * measured, logarithmic)
    ax.plot(k[rows], y[rows], "o" if few else "-", markersize=6, linewidth=1.8, color=COLOURS["measured"],
            label=f"{minus}measured")
    few = np.count_nonzero(limit) < 2
    y = _visible(sign * bound, logarithmic)
    (line,) = ax.plot(k[limit], y[limit], "_" if few else "--", markersize=18, markeredgewidth=2, linewidth=1.5,
                      color=COLOURS["bound"], label=f"{minus}bound")
    if not few:
        line.set_dashes((5, 2.5))
    worst = comparable_worst_case(verdict)
    if worst:
        ax.plot([s for s, _ in worst], [sign * y for _, y in worst], "D", markersize=5.5, markerfacecolor="none",
                markeredgewidth=1.5, color=COLOURS["worst"], label="worst case over the class")
    shown = k[rows | limit]
    _scales(ax, shown, logarithmic)
    if logarithmic:
        _clip(ax, sign * everything)
    _mark(ax, verdict, k, sign * measured, labels)
    if labels:
        title = f"{verdict.method} on {verdict.problem}: {verdict.verdict}"
        ax.set_title(title.replace("$", r"\$"), fontsize=10, loc="left", pad=22)
        name = verdict.guarantee.partition(f" {_relation(verdict.guarantee)} ")[0]
        ax.set_ylabel(_symbol(verdict.symbol, name), fontsize=9)
        ax.legend(frameon=False, fontsize=8, ncols=3, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    return ax


def _relation(guarantee: str) -> str:
    return next((r for r in ("<=", ">=", "==") if f" {r} " in guarantee), "<=")


def comparable_worst_case(verdict: Any) -> list[tuple[int, float]]:
    """Worst cases over the class, at its normal constants, on the scale of this curve: (k, value).

    They are comparable where the theorem's bound there and here differ by one factor at every k: then both classes are
    the same up to units. One k alone cannot tell.
    """
    here = {int(k): b for k, b in zip(verdict.curve.get("k", ()), verdict.curve.get("bound", ()), strict=True)}
    both = [(w, here[w.steps]) for w in verdict.worst_case
            if w.steps in here and w.bound and np.isfinite([w.ratio, w.bound, here[w.steps]]).all()]
    factors = np.array([b / w.bound for w, b in both])
    if len(both) < 2 or not np.allclose(factors, factors[0], rtol=1e-6, atol=0):
        return []
    return [(w.steps, b * w.ratio) for w, b in both]


def _mark(ax: Any, verdict: Any, k: np.ndarray, measured: np.ndarray, label: bool) -> None:
    """Circle the k where the ratio is largest, with its value on the side that has room."""
    at = np.flatnonzero(k == verdict.at)
    if verdict.at < 0 or not np.isfinite(verdict.ratio) or not len(at) or not np.isfinite(measured[at[0]]):
        return
    x, y = k[at[0]], measured[at[0]]
    if ax.get_yscale() == "log" and y <= 0:
        return
    ax.plot([x], [y], "o", markersize=8, markerfacecolor="none", color=COLOURS["measured"])
    if not label:
        return
    ax.autoscale_view()  # limits are found lazily: without them the circle's place on the axes is not known
    across, up = ax.transAxes.inverted().transform(ax.transData.transform((x, y)))
    ax.annotate(f"ratio {verdict.ratio:.3g}", (x, y), textcoords="offset points", fontsize=8,
                xytext=(-8 if across > 0.7 else 8, -14 if up > 0.5 else 8), ha="right" if across > 0.7 else "left")


def _logarithmic(y: np.ndarray) -> bool:
    """A logarithmic axis for values of one sign that span more than a decade and a half (rounding apart)."""
    top = np.max(np.abs(y), initial=0.0)
    positive = y[y > 0]
    return len(positive) > 0 and bool(np.all(y >= -1e-12 * top)) and positive.max() / 30 > positive.min()


def _visible(y: np.ndarray, logarithmic: bool) -> np.ndarray:
    return np.where(y > 0, y, np.nan) if logarithmic else y


def _clip(ax: Any, y: np.ndarray) -> None:
    """Keep diverged values from flattening the picture: at most 16 decades to either side of the median."""
    y = y[np.isfinite(y) & (y > 0)]
    if y.max() / 1e24 > y.min():
        middle = np.median(y)
        ax.set_ylim(max(y.min(), middle * 1e-16) / 3, min(y.max(), middle * 1e16) * 3)


def plot_trace(trace: Any, name: str | None = None, ax: Any = None) -> Any:
    """A measure of a trace against k: the mean over replicates with the band of its 10 % and 90 % quantiles."""
    ax = _axes(ax)
    name = name or next(iter(trace.readings))
    values = trace[name].reshape(len(trace.k), -1)
    mean = values.mean(axis=1)
    logarithmic = _logarithmic(mean[np.isfinite(mean)])
    ax.plot(trace.k, _visible(mean, logarithmic), color=COLOURS["measured"], linewidth=1.8, label=name)
    if values.shape[1] > 1:
        lo, hi = (_visible(q, logarithmic) for q in np.quantile(values, [0.1, 0.9], axis=1))
        ax.fill_between(trace.k, lo, hi, color=COLOURS["measured"], alpha=0.18, linewidth=0)
    _scales(ax, trace.k, logarithmic)
    ax.set_title(f"{trace.method.name} on {trace.problem}", fontsize=10, loc="left")
    ax.set_ylabel(name, fontsize=9)
    return ax


def svg(draw: Any, *args: Any, salt: str = "optlab", title: str = "", **options: Any) -> str:
    """The plot as inline SVG with transparent ground, in the page's ink and its --measured, --bound, --worst colours.

    ``salt`` keeps the ids of several plots on one page apart.
    """
    import html

    import matplotlib as mpl

    inked = ("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor", "grid.color")
    style: dict[Any, Any] = {"svg.fonttype": "none", "font.size": 9, "svg.hashsalt": salt, **dict.fromkeys(inked, INK)}
    with mpl.rc_context(style):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6.4, 3.4))
        ax = figure.add_axes((0.085, 0.135, 0.885, 0.84))  # a layout engine would draw everything twice
        figure.patch.set_visible(False)
        ax.patch.set_visible(False)
        draw(*args, ax, **options)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = out.getvalue()
    text = text[text.index("<svg"):]
    for pattern, instead in (
        (r"(?s)<metadata>.*?</metadata>|<style.*?</style>", ""),  # a style element would leak into the page
        (r' xmlns(:xlink)?="[^"]*"| (width|height)="[\d.]+pt"', ""), ("xlink:href", "href"), (r'<g id="[^"]*"', "<g"),
        (r"font-family: [^;]*; ?", ""), (r' transform="rotate\(-0[^"]*"', ""), (INK, "currentColor"), (r"\s*\n\s*", "\n"),
        (r"<[^>]+>", lambda tag: re.sub(r"(\.\d\d)\d+", r"\1", tag[0])),  # hundredths of a point will do
    ):
        text = re.sub(pattern, instead, text)
    for name, colour in COLOURS.items():
        text = text.replace(colour, f"var(--{name}, {colour})")
    label = html.escape(title or "plot")
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
