"""The atlas: a page for every method - code, theorems, plots, verdicts - and an index, as plain files."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from optlab.guarantee import Cite, Guarantee
from optlab.methods import Method
from optlab.problems.errors import OptlabError

from . import typeset
from .papers import catalogue
from .plots import comparable_worst_case, drawable, negated, plot_verdict, svg
from .record import write_whole
from .verdict import SEVERITY, Verdict, Verdicts

TEMPLATES = Path(__file__).parent / "templates"
MODES = {"pointwise": "at every iterate", "expectation": "in expectation", "high probability": "with high probability",
         "order": "order in k", "scaling": "scaling law"}


@dataclass(frozen=True)
class Paper:
    """What a theorem cites."""

    row: int
    item: int
    key: str
    title: str
    authors: str
    where: str
    claim: str


@dataclass(frozen=True)
class Theorem:
    """One guarantee with its verdict, ready for a page."""

    verdict: Verdict
    anchor: str
    page: str
    heading: str
    paper: Paper
    measure: Markup
    statement: Markup
    assumptions: Sequence[tuple[Markup, str, bool]]
    recipe: Sequence[Markup]
    definitions: Sequence[tuple[Markup, Any]]
    qualifiers: Sequence[str]
    note: str
    refutes: str
    plot: Markup
    compared: bool
    negated: bool

    @property
    def href(self) -> str:
        return f"{self.page}#{self.anchor}"

    @property
    def confirmed(self) -> bool:
        """It holds and every control was seen to fail."""
        controls = self.verdict.controls
        return self.verdict.verdict == "holds" and bool(controls) and all(c.seen for c in controls)

    @property
    def search(self) -> str:
        """What the index's search box looks in."""
        v, p = self.verdict, self.paper
        words = (v.method, v.verdict, v.guarantee, v.problem, v.mode, v.source, p.key, p.title, p.authors)
        return " ".join(words).lower()


@dataclass(frozen=True)
class Page:
    """One method and its theorems."""

    name: str
    href: str
    family: str
    module: str
    line: str
    about: str
    code: Markup
    facts: Sequence[tuple[str, str]]
    theorems: Sequence[Theorem]

    @property
    def seen(self) -> str:
        """Controls seen to fail, of those run."""
        controls = [c for t in self.theorems for c in t.verdict.controls]
        return f"{sum(c.seen for c in controls)} of {len(controls)}" if controls else ""

    @property
    def counts(self) -> list[tuple[str, int]]:
        return counts(t.verdict for t in self.theorems)


def write_atlas(verdicts: Verdicts, folder: Path | str) -> Path:
    """Write ``index.html``, ``style.css`` and ``methods/*.html`` to ``folder``; returns the index's path.

    Every file appears whole or not at all, and the index last.
    """
    from optlab.progress import bar

    folder = Path(folder)
    grouped: dict[str, list[Verdict]] = {}
    for v in verdicts:
        grouped.setdefault(v.method, []).append(v)
    methods = _methods(grouped)
    taken: set[str] = set()
    pages: list[Page] = []
    try:
        write_whole(folder / "style.css", (TEMPLATES / "style.css").read_text(encoding="utf-8"))
        with bar("atlas", len(grouped), show=len(verdicts) > 20 and _terminal()) as tick:
            for name, own in grouped.items():
                tick(name)
                page = _page(name, own, methods.get(name), f"methods/{_slug(name, taken)}.html")
                write_whole(folder / page.href, _render("method.html", page=page, root="../"))
                pages.append(page)
        index = folder / "index.html"
        write_whole(index, _render("index.html", root="", families=_families(pages), papers=_papers(pages),
                                   counts=counts(verdicts), pages=pages, total=len(verdicts),
                                   interrupted=verdicts.interrupted))
    except OSError as error:
        raise OptlabError(f"cannot write the atlas to {folder}: {error.strerror}") from None
    return index


def counts(verdicts: Iterable[Verdict]) -> list[tuple[str, int]]:
    """How many of each verdict, best first."""
    seen = [v.verdict for v in verdicts]
    return [(s, seen.count(s)) for s in reversed(SEVERITY) if s in seen]


def number(x: float) -> str:
    """A ratio or value at a glance: 0.978, 1.000, 2.4e-05."""
    if not np.isfinite(x):
        return "-" if np.isnan(x) else "∞" if x > 0 else "-∞"
    if x == 0:
        return "0"
    if 1e-2 <= abs(x) < 1e4:
        return f"{x:.3f}" if abs(x) < 100 else f"{x:.0f}"
    digits, _, power = f"{x:.2e}".partition("e")
    return f"{digits}e{int(power)}"


def _terminal() -> bool:
    import sys

    return sys.stderr.isatty()


def _methods(names: Iterable[str]) -> dict[str, Method]:
    """The methods by name; the registry is only read when there is something to look up."""
    if not list(names):
        return {}
    from .registry import all_methods

    return all_methods()


def _slug(name: str, taken: set[str]) -> str:
    """A file name for a method: letters, digits, dots and dashes, no two alike (even where case does not count)."""
    base = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "method"
    slug, i = base, 2
    while slug.lower() in taken:
        slug, i = f"{base}-{i}", i + 1
    taken.add(slug.lower())
    return slug


def _page(name: str, verdicts: Sequence[Verdict], method: Method | None, href: str) -> Page:
    named: dict[tuple[str, str], list[Guarantee]] = {}  # one statement may stand with several recipes, in this order
    for g in method.guarantees if method else ():
        named.setdefault((g.id, g.title), []).append(g)
    theorems = tuple(_theorem(i, v, _next(named.get((v.id, v.guarantee), [])), href) for i, v in enumerate(verdicts, 1))
    if method is None:
        return Page(name, href, "", "", "", "", Markup(), (), theorems)
    line, _, about = inspect.cleandoc(method.__doc__ or "").partition("\n\n")  # the first paragraph, however long its lines are
    facts = [("needs", ", ".join(method.needs)), ("parameters", ", ".join(method.parameters)),
             ("random", "yes" if method.random else "")]
    return Page(name, href, method.family, method.body.__module__, line.replace("\n", " "), about.strip(), _code(method),
                [f for f in facts if f[1]], theorems)


def _next(guarantees: list[Guarantee]) -> Guarantee | None:
    """The first that was not taken yet (the last stays for any more)."""
    return None if not guarantees else guarantees.pop(0) if len(guarantees) > 1 else guarantees[0]


def _code(method: Method) -> Markup:
    """The body without decorators and docstring, highlighted."""
    try:
        text = textwrap.dedent(method.source)
        definition: Any = ast.parse(text).body[0]
    except (OSError, SyntaxError):  # no source file: typed at a prompt
        return Markup()
    lines = text.splitlines()
    first = definition.lineno - 1
    if ast.get_docstring(definition) is not None:
        doc = definition.body[0]
        del lines[doc.lineno - 1 : doc.end_lineno]
    return Markup(highlight("\n".join(lines[first:]), PythonLexer(), HtmlFormatter(nowrap=True)))


def _theorem(i: int, v: Verdict, g: Guarantee | None, page: str) -> Theorem:
    paper = _paper(g.source if g else Cite(0, 0, v.source))
    heading = (f"{paper.where or paper.key}" + (f": {paper.claim}" if paper.claim else "")) or v.guarantee
    plot = Markup()
    if drawable(v):
        title = f"{v.guarantee} on {v.problem}: measured and bound against k"
        plot = Markup(svg(plot_verdict, v, salt=f"{page}{i}", title=title, labels=False))
    return Theorem(
        v, f"t{i}", page, heading, paper,
        typeset.mathml(typeset.measure_latex(g)) if g else Markup(),
        typeset.statement(g) if g else typeset.words(v.guarantee, block=True),
        typeset.assumptions(g) if g else (),
        typeset.recipe(g) if g else (), typeset.definitions(g) if g else (),
        typeset.qualifiers(g) if g else (MODES.get(v.mode, v.mode),),
        g.note if g else "", g.source.refutes if g else "", plot,
        bool(plot) and bool(comparable_worst_case(v)), bool(plot) and negated(v))


@cache
def _rows() -> dict[int, dict[str, Any]]:
    return {paper["id"]: paper for paper in catalogue()}


def _paper(source: Cite) -> Paper:
    row = _rows().get(source.row)
    if row is None:
        return Paper(0, 0, "", source.where, "", source.where, source.claim)
    return Paper(source.row, source.item, row["key"], row["title"], row["authors"], source.where, source.claim)


def _families(pages: Sequence[Page]) -> list[tuple[str, list[Page]]]:
    families: dict[str, list[Page]] = {}
    for page in pages:
        families.setdefault(page.family or "other", []).append(page)
    return sorted(families.items())


def _papers(pages: Sequence[Page]) -> list[dict[str, Any]]:
    """The papers cited, with every item of theirs and the theorems that speak about it; then the other literature."""
    cited: dict[int, dict[int, list[Theorem]]] = {}
    other: dict[str, list[Theorem]] = {}
    for t in (t for page in pages for t in page.theorems):
        if t.paper.row:
            cited.setdefault(t.paper.row, {}).setdefault(t.paper.item, []).append(t)
        else:
            other.setdefault(t.paper.title, []).append(t)
    papers = []
    for row, items in sorted(cited.items()):
        numbers = sorted({it["item"] for it in _rows()[row]["items"]} | set(items))
        papers.append({"row": row, "title": _rows()[row]["title"], "authors": _rows()[row]["authors"],
                       "items": [(n, items.get(n, [])) for n in numbers]})
    papers += [{"row": 0, "title": title, "authors": "", "items": [("", ts)]} for title, ts in sorted(other.items())]
    return papers


@cache
def _environment() -> jinja2.Environment:
    env = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True,
                             lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    env.filters["ticks"] = _ticks
    env.filters["number"] = number
    env.globals["modes"] = MODES
    return env


def _ticks(text: str) -> Markup:
    """A docstring's ``names`` as code."""
    return Markup("").join(Markup("<code>{}</code>").format(part) if i % 2 else part
                           for i, part in enumerate(text.split("``")))


def _render(template: str, **context: Any) -> str:
    return _environment().get_template(template).render(**context)
