"""Theorems as typeset mathematics: bounds (SymPy) and measures (LaTeX) to MathML, assumptions and recipes to words."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any
from xml.etree import ElementTree

import numpy as np
import sympy
from latex2mathml.converter import convert
from markupsafe import Markup, escape
from sympy.core.function import AppliedUndef
from sympy.printing.latex import LatexPrinter

from optlab.fold import average, last, pairs
from optlab.guarantee import Guarantee
from optlab.quantities import names

GREEK = {"alpha", "beta", "gamma", "delta", "epsilon", "eta", "theta", "kappa", "lambda", "mu", "nu", "xi", "pi", "rho",
         "sigma", "tau", "phi", "chi", "psi", "omega", "zeta", "Gamma", "Delta", "Theta", "Lambda", "Xi", "Phi", "Psi",
         "Sigma", "Omega"}
ELEMENTS = {"math", "mrow", "mi", "mo", "mn", "mtext", "mspace", "mstyle", "mpadded", "mfrac", "msqrt", "mroot", "msub",
            "msup", "msubsup", "munder", "mover", "munderover", "mtable", "mtr", "mtd"}
ATTRIBUTES = {"display", "displaystyle", "scriptlevel", "fence", "stretchy", "form", "mathvariant", "width", "height",
              "depth", "accent", "accentunder", "lspace", "rspace", "linethickness", "columnalign", "rowspacing",
              "columnspacing", "minsize", "maxsize", "movablelimits", "symmetric", "separator"}
RELATIONS = {"<=": r"\le", ">=": r"\ge", "==": "="}

# What a constant of the start means; constants of the problem are defined by its assumptions.
START = {"R": r"\|x_0 - x^\star\|", "D0": r"f(x_0) - f^\star", "G0": r"\|\nabla f(x_0)\|"}

# Assumptions in the words of a paper; one that is not here is its class name in words, with its constants.
WORDS = {
    "Convex": "f convex", "StronglyConvex": "f ${mu}$-strongly convex", "Smooth": "f ${L}$-smooth",
    "SmoothPart": "f ${L}$-smooth, h convex", "StronglyConvexPart": "f ${mu}$-strongly convex", "PL": "f ${mu}$-PL",
    "WeaklyConvex": "f ${rho}$-weakly convex", "LowerBounded": "f bounded below", "Lipschitz": "f ${G}$-Lipschitz",
    "QuadraticForm": "f quadratic", "LipschitzHessian": "${L2}$-Lipschitz Hessian",
    "LipschitzThirdDerivative": "${L3}$-Lipschitz third derivative",
    "Compact": "feasible set convex, of diameter ${D}$",
    "ConvexTerms": "every term convex", "SmoothTerms": "every term ${Lmax}$-smooth",
    "StronglyConvexTerms": "every term ${mu_terms}$-strongly convex", "LipschitzTerms": "every term ${Gmax}$-Lipschitz",
    "Interpolation": "one minimizer for every term", "BoundedVariance": "noise of variance at most ${sigma}^2$",
    "BoundedMoment": "second moment of the noise at most ${B}^2$", "Monotone": "V monotone",
    "StronglyMonotone": "V ${mu}$-strongly monotone", "LipschitzOperator": "V ${L}$-Lipschitz",
    "Cocoercive": "V ${beta}$-cocoercive", "Nonexpansive": "T nonexpansive",
    "SmoothMean": "mean objective ${L}$-smooth",
    "StronglyConvexMean": "mean objective ${mu}$-strongly convex", "PLMean": "mean objective ${mu}$-PL",
    "SmoothAgents": "every agent ${Lmax}$-smooth", "QuadraticAgents": "every agent quadratic",
}


def symbol(name: str) -> str:
    """LaTeX of a name: ``mu`` -> \\mu, ``D0`` -> D_{0}, ``Lmax`` -> L_{\\max}, ``step`` -> \\text{step}."""
    base, _, tail = name.partition("_")
    if tail == "star":
        return symbol(base) + r"_{\star}"
    if tail:
        return f"{symbol(base)}_{{{symbol(tail)}}}"
    found = re.fullmatch(r"(" + "|".join(sorted(GREEK, key=len, reverse=True)) + r"|[A-Za-z])(max|min|mean|\d+)?",
                         {"eps": "epsilon"}.get(name, name))
    if not found:
        return rf"\text{{{name}}}"
    letter, index = found.groups()
    letter = f"\\{letter}" if letter in GREEK else letter
    if not index:
        return letter
    return f"{letter}_{{{index if index.isdigit() else {'mean': chr(92) + 'text{mean}'}.get(index, chr(92) + index)}}}"


class _Printer(LatexPrinter):
    """SymPy's LaTeX with the field's letters, and sums that start with a positive term."""

    def _print_Symbol(self, expr: Any, style: str = "plain") -> str:
        return symbol(expr.name)

    def _print_Add(self, expr: Any, order: Any = None) -> str:
        terms = self._as_ordered_terms(expr, order=order)
        first = next((i for i, t in enumerate(terms) if not t.could_extract_minus_sign()), 0)
        terms.insert(0, terms.pop(first))
        text = ""
        for i, term in enumerate(terms):
            minus = i > 0 and term.could_extract_minus_sign()
            part = self._print(-term if minus else term)
            part = rf"\left({part}\right)" if minus and (-term).is_Add else part
            text += (" - " if minus else " + " if i else "") + part
        return text

    def _print_Function(self, expr: Any, exp: Any = None) -> str:
        """A sequence at an index: theta(k - 1) as theta_{k-1}; other functions as SymPy prints them."""
        if not isinstance(expr, AppliedUndef) or len(expr.args) != 1:
            return super()._print_Function(expr, exp)
        return f"{symbol(expr.func.__name__)}_{{{self._print(expr.args[0])}}}" + ("" if exp is None else f"^{{{exp}}}")

    def _print_harmonic(self, expr: Any, exp: Any = None) -> str:
        k, *order = expr.args
        text = rf"H_{{{self._print(k)}}}" + (rf"^{{({self._print(order[0])})}}" if order else "")
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"


def _tidy(value: Any) -> Any:
    """Floats that are short fractions as fractions, others to six digits."""
    exact = {}
    for number in value.atoms(sympy.Float):
        near = sympy.Rational(float(number)).limit_denominator(60)
        close = abs(float(near) - float(number)) <= 1e-12 * abs(float(number))
        exact[number] = near if close else sympy.Float(float(number), 6)
    return value.xreplace(exact)


def latex(value: Any, inline: bool = False) -> str:
    """LaTeX of a SymPy expression or a number; ``inline`` keeps fractions at full size within a line."""
    text = _Printer({"mul_symbol": r"\,"}).doprint(_tidy(sympy.sympify(value)))
    return text.replace(r"\frac", r"\dfrac") if inline else text


def mathml(tex: str, block: bool = False) -> Markup:
    """MathML of LaTeX; what cannot be parsed, or is more than presentation, stands as text."""
    try:
        text = convert(tex.replace(r"\star", r"\ast"), display="block" if block else "inline")
        if all(_presentation(element) for element in ElementTree.fromstring(text).iter()):
            return Markup(text)
    except Exception:  # whatever the converter stumbles on, the page must still say it
        pass
    return words(tex, block)


def _presentation(element: ElementTree.Element) -> bool:
    """The converter passes \\text, \\href and \\style through: only known elements and attributes reach a page."""
    return element.tag.rpartition("}")[2] in ELEMENTS and set(element.attrib) <= ATTRIBUTES


def words(name: str, block: bool = False) -> Markup:
    """A plain name as MathML text."""
    return Markup('<math display="{}"><mtext>{}</mtext></math>').format("block" if block else "inline", name)


def measure_latex(g: Guarantee) -> str:
    """The measure where the theorem reads it: averaged, at the best iterate, in expectation."""
    tex = g.measure.symbol or rf"\text{{{_plain(g.measure.name)}}}"
    if g.at is average:
        tex = re.sub(r"x_\{?k\}?(?![\w+])", r"\\bar x_k", tex)
    if g.mode == "expectation":
        tex = rf"\mathbb{{E}}\left[{tex}\right]"
    shifted = re.sub(r"_k(?![a-zA-Z])", "_s", tex).replace("_{k+1}", "_{s+1}")
    return rf"\min_{{s<k}} {shifted}" if g.at.minimum else tex


def _plain(text: str) -> str:
    """Text that may stand inside \\text{...}."""
    return re.sub(r"[\\{}$%&#_^~]", " ", text).replace("<", "⟨").replace(">", "⟩")


def statement(g: Guarantee) -> Markup:
    """measure <= bound, as display MathML."""
    bound = latex(g.expression)
    relation = RELATIONS[g.relation]
    if g.mode == "order":
        relation, bound = "=" if g.relation == "<=" else relation, rf"\mathcal{{O}}\left({bound}\right)"
    return mathml(f"{measure_latex(g)} {relation} {bound}", block=True)


def qualifiers(g: Guarantee) -> list[str]:
    """What the formula does not say: which points, which steps, with what probability."""
    out = []
    if g.at is pairs:
        out.append("for every step")
    elif not g.at.minimum and g.at.name not in (last.name, average.name):
        out.append(f"read at: {g.at}")
    elif g.at is average:
        out.append("at the average of the first k iterates")
    if g.by_horizon:
        out.append("at the end of the horizon the parameters are chosen for")
    elif g.stride > 1:
        out.append(f"at k = {g.first}, {g.first + g.stride}, {g.first + 2 * g.stride}, ...")
    elif g.at is not pairs:
        out.append(f"for every k ≥ {g.first}")
    if not g.proved:
        out.append("a conjecture")
    if g.mode == "high probability":
        out.append(f"with probability at least {1 - g.failure:g}")
    if g.mode == "order":
        out.append("up to a constant")
    return out


def assumptions(g: Guarantee) -> list[tuple[Markup, str, bool]]:
    """The assumption classes in words (a subject said once), their definitions, and whether they are well known."""
    out, subject = [], ""
    for kind in g.assumes:
        text = WORDS.get(kind.__name__)
        if text is None:
            constants = ", ".join(f"{{{c.name}}}" for c in fields(kind))
            text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.__name__).lower()
            text += f" (${constants}$)" if constants else ""
        first, _, rest = text.partition(" ")
        meaning = inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0]
        out.append((_mixed(rest if first == subject else text), meaning, kind.__name__ in WORDS))
        subject = first if first in ("f", "V", "T") else ""
    return out


def _mixed(text: str) -> Markup:
    """Words with $...$ between them; {name} is the symbol of a constant, a lone f, h, V, T is mathematics."""
    out = Markup()
    for i, part in enumerate(text.split("$")):
        if i % 2:
            out += mathml(re.sub(r"\{(\w+)\}", lambda m: symbol(m[1]), part))
        else:
            for piece in re.split(r"\b([fhVT])\b", part):
                out += mathml(piece) if piece in ("f", "h", "V", "T") else escape(piece)
    return out


def recipe(g: Guarantee) -> list[Markup]:
    """The parameters that the theorem prescribes, and the values tried where it leaves them free."""
    symbols = {n: sympy.Symbol(n, positive=True) for n in names(g.recipe)}
    try:
        values = dict(g.recipe(**symbols))
    except Exception:  # a recipe may compute with numbers only: then its parameters are named
        needed = rf"({', '.join(map(symbol, symbols))})" if symbols else ""
        return [Markup("parameters chosen from {}").format(mathml(needed)) if needed else
                Markup("parameters chosen for the case"), *_varied(g)]
    said = [_parameter(n, v) for n, v in values.items() if v is not symbols.get(n)]
    return [*said, *_varied(g)]


def _varied(g: Guarantee) -> Iterator[Markup]:
    for name, values in g.vary.items():
        shown = [_value(v) for v in values]
        yield mathml(rf"{symbol(name)} \in \{{{', '.join(shown)}\}}")


def _parameter(name: str, value: Any) -> Markup:
    if callable(value):
        try:
            return mathml(rf"{symbol(name)}_k = {latex(value(sympy.Symbol('k', positive=True)), inline=True)}")
        except Exception:  # a schedule that reads on numbers only
            return mathml(rf"{symbol(name)} \text{{ a schedule}}")
    return mathml(f"{symbol(name)} = {_value(value)}")


def _value(value: Any) -> str:
    if isinstance(value, (bool, str)) or value is None:
        return rf"\text{{{_plain(str(value))}}}"
    if isinstance(value, sympy.Basic):
        return latex(value, inline=True)
    if isinstance(value, (int, float, np.number)):
        return re.sub(r"e([+-]?)0*(\d+)$", r" \\cdot 10^{\1\2}", f"{float(value):.6g}").replace("^{+", "^{")
    if isinstance(value, np.ndarray):
        return rf"\text{{an array of shape {value.shape}}}"
    name = getattr(value, "__name__", None) or str(value)
    return rf"\text{{{_plain('a schedule' if name == '<lambda>' else name)}}}"


def definitions(g: Guarantee) -> list[tuple[Markup, Any]]:
    """Where ...: the start quantities and run quantities that the bound names."""
    out = []
    when = {"start": "at the start", "now": "at the same iterate", "total": "summed over the steps before"}
    for name in dict.fromkeys((*names(g.bound), *names(g.recipe))):
        if name in g.using:
            of = g.using[name].of
            what = getattr(of, "symbol", "")
            said = mathml(what) if what else Markup("a quantity of the run")
            out.append((mathml(symbol(name)), Markup("{} {}").format(said, when[g.using[name].kind])))
        elif name in START:
            out.append((mathml(symbol(name)), mathml(START[name])))
    return out
