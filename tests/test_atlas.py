"""The atlas: every page well-formed, self-contained, escaped and complete."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest

import optlab.analysis.atlas as atlas
import optlab.analysis.typeset as typeset
from optlab import gradient_descent, gradient_flow, verify
from optlab.analysis.plots import COLOURS, comparable_worst_case, negated, plot_verdict, svg
from optlab.analysis.verdict import ControlSeen, Verdict, Verdicts, WorstCaseSeen
from optlab.functions import harmonic, sqrt
from optlab.guarantee import Control, Guarantee, cite
from optlab.measures import suboptimality
from optlab.problems.assumptions import Convex, Smooth, SmoothTerms
from optlab.problems.errors import OptlabError

VOID = {"meta", "link", "br", "hr", "input", "img", "wbr", "col"}
EVIL = "<script>alert('x')</script>"


class Page(HTMLParser):
    """Tags (checked to nest), ids, references and text of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.open, self.ids, self.references, self.tags, self.text = [], [], [], set(), ""
        self.feed(text)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            elif name in ("href", "src", "xlink:href"):
                self.references.append(value)
            assert not name.startswith("on"), f"{tag} has a handler {name}"

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "script" not in self.open:
            self.text += data


def made(method="made_up", verdict="holds", **changes):
    """A verdict about a method that no registry knows."""
    k = np.arange(5)
    curve = {"k": k, "measured": 1.0 / (k + 2.0), "bound": np.where(k > 0, 1.0 / np.maximum(k, 1), np.nan)}
    facts = {"ratio": 0.75, "at": 4, "id": f"{method}[0.0]", "curve": curve, "symbol": r"\|x_k\|^2", **changes}
    return Verdict(verdict, method, facts.pop("guarantee", "||x||^2 <= 1/k"), facts.pop("source", "folklore"),
                   facts.pop("problem", "a problem"), "pointwise", **facts)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An atlas with real, failed, refused, vacuous and hostile verdicts."""
    case = made(problem="left")
    verdicts = [
        *verify(gradient_descent, steps=40),
        made(EVIL, guarantee=f"{EVIL} <= 1", problem=EVIL, source=EVIL, note=EVIL, evidence=EVIL,
             controls=(ControlSeen(EVIL, True, "violated", EVIL, 3.0, 2),)),
        made("refuser", "refused", curve={}, ratio=float("nan"), at=-1, note="no grad"),
        made("refuser", "vacuous", ratio=1e-9),
        made("diverger", "violated", curve={"k": np.arange(3), "measured": np.full(3, np.nan), "bound": np.ones(3)}),
        made("Diverger", "undefined", curve={"k": np.zeros(0), "measured": np.zeros(0), "bound": np.zeros(0)}),
        made("several", cases=(case, case), worst_case=(WorstCaseSeen(1, 0.5, 1.0, True), WorstCaseSeen(4, 0.2, 0.25, False)),
             controls=(ControlSeen("half the step", False, "holds"),)),
    ]
    folder = tmp_path_factory.mktemp("atlas") / "deep" / "er"
    index = atlas.write_atlas(Verdicts(verdicts), folder)
    assert index == folder / "index.html"
    return folder


@pytest.fixture(scope="module")
def pages(folder):
    return {path: Page(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))}


def test_a_page_for_every_method_and_nothing_else(folder):
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    methods = {n for n in names if n.startswith("methods/")}
    assert names - methods == {"index.html", "style.css"}
    assert len(methods) == len({n.lower() for n in methods}) == 6  # "diverger" and "Diverger" on any file system


def test_every_reference_is_local_and_resolves(pages):
    seen = 0
    for path, page in pages.items():
        assert len(page.ids) == len(set(page.ids)), path
        for reference in page.references:
            url = urlsplit(reference)
            assert url.scheme in ("", "data"), reference
            assert not url.netloc
            if url.scheme == "data":
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            assert target.is_file(), reference
            if url.fragment:
                assert unquote(url.fragment) in pages[target].ids, reference
            seen += 1
    assert seen > 40


def test_nothing_is_fetched_from_elsewhere(folder):
    css = (folder / "style.css").read_text()
    assert "@import" not in css
    assert "url(" not in css
    for path in folder.rglob("*.html"):
        text = path.read_text()
        assert not re.findall(r"https?://(?!www\.w3\.org/1998/Math/MathML)[^\"'< ]*", text)
        assert not re.findall(r"url\((?!#)", text)


def test_hostile_text_is_inert(pages):
    for path, page in pages.items():
        text = path.read_text()
        assert "<script>alert" not in text
        assert ("script" in page.tags) == (path.name == "index.html")  # the filter, and nothing else
    (hostile,) = [p for path, p in pages.items() if "script" in path.name]
    assert hostile.text.count(EVIL) >= 6  # shown as text: guarantee, problem, source, note, evidence, control


def test_every_verdict_is_shown_with_its_facts(pages):
    text = {path.name: page.text for path, page in pages.items()}
    for g in gradient_descent.guarantees:
        assert g.source.where in text["gradient_descent.html"]
    for control in {c.why for g in gradient_descent.guarantees for c in g.controls}:
        assert control in text["gradient_descent.html"]
    refused = " ".join(text["refuser.html"].split())
    assert "refused" in refused
    assert "no grad" in refused
    assert "vacuous" in refused
    assert "undefined" in text["Diverger-2.html"]
    several = " ".join(text["several.html"].split())
    assert "upper bound" in several
    assert "not seen half the step: holds" in several
    assert "2 cases" in several
    index = text["index.html"]
    assert "Handbook of Convergence Theorems" in index
    for verdict in ("hold", "violated", "undefined", "vacuous", "refused"):
        assert verdict in index


def test_code_is_the_body_without_docstring_and_decorators(pages, folder):
    text = (folder / "methods" / "gradient_descent.html").read_text()
    code = Page(re.search(r"<pre>.*?</pre>", text, re.S)[0]).text
    assert code.strip() == ("def gradient_descent(problem, x, *, step):\n    while True:\n        yield x\n"
                            "        x = x - step * problem.grad(x)")


def test_statements_are_mathml(pages, folder):
    path = folder / "methods" / "gradient_descent.html"
    assert {"math", "mfrac", "msup", "svg"} <= pages[path].tags
    assert path.read_text().count('display="block"') == len(gradient_descent.guarantees)
    assert pages[folder / "index.html"].tags >= {"math", "mfrac"}


def test_an_empty_campaign_says_so(tmp_path):
    index = atlas.write_atlas(Verdicts([], interrupted=True), tmp_path / "empty")
    page = Page(index.read_text())
    assert "No verdicts" in page.text
    assert "interrupted" in page.text
    assert not (tmp_path / "empty" / "methods").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OptlabError, match=r"cannot write the atlas to .*file"):
        atlas.write_atlas(Verdicts([made()]), tmp_path / "file")


def test_the_same_verdicts_give_the_same_files(tmp_path):
    for name in ("a", "b"):
        atlas.write_atlas(Verdicts([made("several")]), tmp_path / name)
    texts = [{p.relative_to(tmp_path / n): p.read_text() for p in (tmp_path / n).rglob("*.*")} for n in ("a", "b")]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(("name", "tex"), [
    ("mu", r"\mu"), ("D0", "D_{0}"), ("sigma0", r"\sigma_{0}"), ("Lmax", r"L_{\max}"), ("sigma_star", r"\sigma_{\star}"),
    ("mu_terms", r"\mu_{\text{terms}}"), ("step", r"\text{step}"), ("eps", r"\epsilon"), ("L", "L"),
])
def test_letters(name, tex):
    assert typeset.symbol(name) == tex


def test_bounds_read_as_a_paper_sets_them():
    def bound(k, mu, step, R):
        return (1 - mu * step) ** k * R**2 / 3.0 + 0.5 * harmonic(k) / sqrt(k)

    g = Guarantee(suboptimality, bound, cite(0, 0), control=Control("none"))
    assert typeset.latex(g.expression) == \
        r"\frac{R^{2}\,\left(1 - \mu\,\text{step}\right)^{k}}{3} + \frac{H_{k}}{2\,\sqrt{k}}"
    assert "x_a_b &lt;" in typeset.mathml("x_a_b <")  # what cannot be parsed stands as it is, inert


@pytest.mark.parametrize("tex", [r"\text{<b>bold</b>}", r"\text{<script>x</script>}", r"\href{javascript:x}{x}",
                                 r"\style{background:url(x)}{x}", r"\class{a}{x}", "a & b", "<b>", r"x_{</mi><b>}"])
def test_only_presentation_reaches_a_page(tex):
    text = str(typeset.mathml(tex))
    assert Page(text).tags <= typeset.ELEMENTS
    assert not re.search(r"<[^>]*(javascript|style=|class=|href)", text)


def test_assumptions_in_words():
    g = Guarantee(suboptimality, lambda k: 1 / k, cite(0, 0), (Convex, Smooth, SmoothTerms), control=Control("none"))
    said = [Page(str(words)).text.replace("\u2062", "") for words, _, _ in typeset.assumptions(g)]
    assert said == ["f convex", "L-smooth", "every term Lmax-smooth"]


def test_worst_cases_are_drawn_only_where_the_bounds_differ_by_units():
    same = made(worst_case=(WorstCaseSeen(1, 1.0, 2.0, True), WorstCaseSeen(4, 0.2, 0.5, True)))
    assert comparable_worst_case(same) == [(1, pytest.approx(0.5)), (4, pytest.approx(0.1))]
    assert f"--worst, {COLOURS['worst']}" in svg(plot_verdict, same)
    for other in ((WorstCaseSeen(1, 1.0, 2.0, True), WorstCaseSeen(4, 0.2, 0.3, True)), (WorstCaseSeen(1, 1.0, 2.0, True),)):
        assert comparable_worst_case(made(worst_case=other)) == []


@pytest.mark.parametrize(("measured", "bound"), [
    ([1e-3, 1e-9, 1e-15], [1.0, 1.0, 1.0]), ([-1.0, 2.0, -3.0], [0.0, 3.0, 0.0]), ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
    ([1.0, np.inf, np.nan], [1.0, np.nan, np.inf]), ([1e-200, 1.0, 1e200], [1.0, 1.0, 1.0]), ([np.nan] * 3, [1.0] * 3),
    ([-1.0, -1e-9, 0.0], [-0.5, -1e-10, 0.0]),
])
@pytest.mark.parametrize("last", [2, 1000])
def test_every_curve_can_be_drawn(measured, bound, last):
    curve = {"k": np.array([0, 1, last]), "measured": np.array(measured), "bound": np.array(bound)}
    text = svg(plot_verdict, made(curve=curve, symbol=r"\tfrac{1}{2L}\unknown{x}", problem="costs $5 and $6"))
    page = Page(text)
    assert page.tags >= {"svg", "text"}  # axes, or a sentence in their place
    assert "nan" not in text.lower()
    assert "style" not in page.tags


if shutil.which("chromium"):

    @pytest.mark.full
    @pytest.mark.parametrize("scheme", [0, 1])
    def test_a_browser_shows_it(folder, tmp_path, scheme):
        from matplotlib.image import imread

        shot = tmp_path / "shot.png"
        page = next((folder / "methods").glob("gradient_descent.html"))
        subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                        "--disable-background-networking", "--disable-component-update", "--disable-sync",
                        f"--user-data-dir={tmp_path / 'profile'}", f"--blink-settings=preferredColorScheme={scheme}",
                        f"--screenshot={shot}", "--window-size=900,1400", page.as_uri()],
                       check=True, capture_output=True, timeout=120)
        pixels = imread(shot)[..., :3]
        ground = np.median(pixels.reshape(-1, 3), axis=0)
        assert (ground < 0.2).all() if scheme == 0 else (ground > 0.9).all()
        assert np.mean(np.abs(pixels - ground).max(axis=-1) > 0.3) > 0.005  # and something is written on it


def test_a_sequence_is_typeset_with_its_index():
    from sympy import Function, Symbol

    k = Symbol("k", positive=True)
    assert typeset.latex(1 / Function("theta")(k - 1) ** 2) == r"\frac{1}{\theta_{k - 1}^{2}}"


def test_what_is_drawn_negated_says_so(tmp_path):
    """Rates of decrease are negative: the plot shows their size, and the legends have the sign."""
    verdicts = verify(gradient_flow, only="Scieur")
    assert negated(verdicts[0])
    assert plot_verdict(verdicts[0]).get_legend_handles_labels()[1][:2] == ["-measured", "-bound"]
    atlas.write_atlas(verdicts, tmp_path)
    assert "−measured" in (tmp_path / "methods" / "gradient_flow.html").read_text()
    assert not negated(verify(gradient_descent, only="29.1", worst_case=False)[0])


def test_numbers_at_the_edge_of_floating_point_are_drawn_without_a_warning():
    """Infinite bounds compare with nothing; a curve down to denormal numbers is logarithmic."""
    k = np.arange(6)
    verdict = made(curve=dict(k=k, measured=np.array([1e10, 1.0, 1e-300, 1e-310, 5e-324, 5e-324]), bound=np.full(6, np.inf)),
                   worst_case=(WorstCaseSeen(1, 1.0, np.inf, True), WorstCaseSeen(4, 1.0, np.inf, True)))
    assert comparable_worst_case(verdict) == []
    assert plot_verdict(verdict).get_yscale() != "linear"
