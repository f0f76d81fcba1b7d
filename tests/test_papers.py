"""The papers and the record: what counts as proved, and what makes a proof count no more."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import optlab
from optlab.analysis import papers as book
from optlab.analysis import record
from optlab.analysis.campaign import QUICK
from optlab.analysis.papers import STATES, catalogue, claims, papers, quoted
from optlab.analysis.registry import all_methods
from optlab.analysis.verify import examine

ITEMS = {(p["id"], it["item"]) for p in catalogue() for it in p["items"]}
CITED = [(m.name, g.source) for m in all_methods().values() for g in m.guarantees if g.source.row > 0]


# --- catalogue, citations, claims -------------------------------------------------------------------------------
def test_the_catalogue():
    assert [p["id"] for p in catalogue()] == list(range(1, 207))
    assert len({p["key"] for p in catalogue()}) == 206
    assert len(ITEMS) == sum(len(p["items"]) for p in catalogue()) == 830
    for p in catalogue():
        assert {"id", "key", "title", "authors", "family", "tier", "works_when", "items"} <= set(p)
        assert all({"item", "metric", "bound", "kind"} <= set(it) for it in p["items"])


def test_every_citation_is_in_the_catalogue():
    missing = sorted({f"{name}: {c.row}.{c.item}" for name, c in CITED if (c.row, c.item) not in ITEMS})
    assert not missing, f"guarantees cite items that the catalogue does not have: {missing}"


def test_citations_outside_the_catalogue_say_where():
    silent = [f"{m.name}: {g.title}" for m in all_methods().values() for g in m.guarantees
              if g.source.row == 0 and not g.source.where]
    assert not silent


def test_every_cited_claim_is_declared_and_every_declared_one_is_cited_where_its_item_is():
    made = {}
    for _, c in CITED:
        made.setdefault(f"{c.row}.{c.item}", set()).add(c.claim)
    undeclared = {k: sorted(v - set(claims().get(k, [""]))) for k, v in made.items() if v - set(claims().get(k, [""]))}
    assert not undeclared, f"claims that data/claims.json does not list: {undeclared}"
    unproved = {k: sorted(set(v) - made.get(k, set())) for k, v in claims().items() if set(v) - made.get(k, set())}
    states = {f"{r['id']}.{i['item']}": i["state"] for r in papers() for i in r["items"]}
    for key, missing in unproved.items():  # listed so that the item does not count before they are proved
        assert missing != claims()[key], f"{key}: none of its claims is cited"
        assert states[key] not in STATES, f"{key} counts although {missing} is not proved"
    for key, listed in claims().items():
        assert len(set(listed)) == len(listed), key
        assert tuple(map(int, key.split("."))) in ITEMS, key


def test_quoted_items_exist_have_a_reason_and_are_not_proved():
    for key, reason in quoted().items():
        assert tuple(map(int, key.split("."))) in ITEMS, key
        assert len(reason) > 20, f"{key}: a reason, not {reason!r}"
    assert not set(quoted()) & {f"{c.row}.{c.item}" for _, c in CITED}


# --- states --------------------------------------------------------------------------------------------------
MODULE = "optlab.gradient.descent"


def entry(row=29, item=1, **changes):
    """A record entry that counts."""
    fresh = dict(row=row, item=item, claim="", method="gradient_descent", guarantee="g", verdict="holds", mode="pointwise",
                 tightness="upper", tightest=0.5, controls=[dict(why="w", seen=True, verdict="violated", case="c")],
                 refutes="", sources=[MODULE], hash=record.text_hash([MODULE]))
    return fresh | changes


def state_of(*entries, row=29, item=1):
    (paper,) = (p for p in papers(list(entries)) if p["id"] == row)
    return next(it["state"] for it in paper["items"] if it["item"] == item)


UNSEEN = dict(why="w", seen=False, verdict="holds", case="c")


@pytest.mark.parametrize(("changes", "state"), [
    ({}, "verified"),
    (dict(mode="order"), "order-checked"),
    (dict(refutes="the factor 2 is missing"), "refuted"),
    (dict(tightness="tight", tightest=0.995), "verified"),
    (dict(tightness="tight", tightest=0.9), "not seen tight"),
    (dict(tightness="tight", tightest=None), "not seen tight"),
    (dict(controls=[]), "control not seen"),
    (dict(controls=[UNSEEN]), "control not seen"),
    (dict(controls=[entry()["controls"][0], UNSEEN]), "control not seen"),
    (dict(hash="0" * 24), "stale"),
    (dict(claim="a claim nobody declared"), "partly (claims not listed)"),
    *((dict(verdict=v), v) for v in ("violated", "inconclusive", "vacuous", "undefined", "refused")),
])
def test_states_come_from_the_record_only(changes, state):
    assert state_of(entry(**changes)) == state
    assert (state in STATES) == (state in ("verified", "order-checked", "refuted"))


def test_without_an_entry_nothing_is_proved():
    assert state_of() == ("quoted" if "29.1" in quoted() else "not yet")
    assert not any(p["works"] or p["verified"] for p in papers([]))


def test_one_bad_entry_spoils_its_item():
    assert state_of(entry(), entry(guarantee="h", verdict="inconclusive")) == "inconclusive"
    assert state_of(entry(), entry(guarantee="h", hash="x")) == "stale"


def test_an_item_with_several_claims_needs_them_all(monkeypatch):
    monkeypatch.setattr(book, "claims", lambda: {"29.1": ["upper", "lower"]})
    assert state_of(entry(claim="upper")) == "partly (lower not yet)"
    assert state_of(entry(claim="upper"), entry(claim="lower")) == "verified"
    assert state_of(entry(claim="upper"), entry(claim="lower", verdict="violated")) == "violated"


def test_a_row_works_when_every_item_is_settled_and_one_is_verified(monkeypatch):
    monkeypatch.setattr(book, "claims", dict)
    monkeypatch.setattr(book, "quoted", dict)
    row = next(p for p in catalogue() if len(p["items"]) == 2)
    first, second = (it["item"] for it in row["items"])

    def works(*entries):
        return next(p["works"] for p in papers(list(entries)) if p["id"] == row["id"])

    assert not works()
    assert not works(entry(row["id"], first))
    assert works(entry(row["id"], first), entry(row["id"], second))
    assert works(entry(row["id"], first), entry(row["id"], second, mode="order"))
    assert not works(entry(row["id"], first, mode="order"), entry(row["id"], second, mode="order")), "nothing was verified"
    assert not works(entry(row["id"], first), entry(row["id"], second, controls=[UNSEEN]))
    monkeypatch.setattr(book, "quoted", lambda: {f"{row['id']}.{second}": "not about what we run"})
    assert works(entry(row["id"], first))


# --- the record ------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def seen():
    """A real entry: gradient descent's bound of row 29, as `verify --record` would write it."""
    m = all_methods()["gradient_descent"]
    g = next(g for g in m.guarantees if (g.source.row, g.source.item) == (29, 1))
    return record.entry(examine(g, m, QUICK, worst_case=False), g.source)


def test_an_entry_depends_on_everything_that_decided_it(seen):
    assert seen["verdict"] == "holds"
    assert record.is_current(seen)
    assert {MODULE, "optlab.guarantee", "optlab.running", "optlab.fold", "optlab.measures", "optlab.problems.hard",
            "optlab.problems.base", "optlab.problems.glm", "optlab.analysis.judge", "optlab.analysis.campaign",
            "optlab.analysis.statistics", "optlab.analysis.expectation", "optlab.analysis.sdp"} <= set(seen["sources"])
    assert not {"optlab.analysis.papers", "optlab.analysis.cli", "optlab.analysis.atlas"} & set(seen["sources"])
    assert state_of(seen) == "verified"


@pytest.mark.parametrize("module", [MODULE, "optlab.problems.glm", "optlab.analysis.judge", "optlab.guarantee"])
def test_a_changed_text_makes_the_entry_stale_and_its_row_not_working(seen, module):
    """The tamper test, on paper: one comment more in the method, a problem or the engine."""
    changed = {module: Path(record._file(module)).read_text() + "# x"}
    assert not record.is_current(seen, changed)
    fine = next(p for p in papers([seen]) if p["id"] == 29)
    stale = next(p for p in papers([seen], replaced=changed) if p["id"] == 29)
    assert next(it["state"] for it in fine["items"] if it["item"] == 1) == "verified"
    assert next(it["state"] for it in stale["items"] if it["item"] == 1) == "stale"
    assert stale["verified"] == fine["verified"] - 1
    assert not stale["works"]


def test_a_real_change_of_a_file_makes_the_command_say_stale(seen, tmp_path):
    """A copy of the installed package, its record, and one changed method file."""
    source = Path(optlab.__file__).parent
    home = tmp_path / "site" / "optlab"
    shutil.copytree(source, home, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("problems", "analysis"):
        module = __import__(f"optlab.{part}", fromlist=["x"])
        shutil.copytree(Path(module.__file__).parent, home / part, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("__pycache__"))
    (home / "analysis" / "data" / "record.json").write_text(json.dumps([seen]))

    def state():
        """(state of 29.1, whether the row works) as the command of the copy sees them."""
        code = ("import sys, runpy; sys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in repr(f)]; "
                "sys.path.insert(0, sys.argv.pop(1)); sys.argv[0] = 'optlab'; import optlab; "
                "assert 'site' in optlab.__file__, optlab.__file__; runpy.run_module('optlab.analysis.cli', run_name='__main__')")
        out = subprocess.run([sys.executable, "-c", code, str(home.parent), "papers", "29", "--json"], capture_output=True,
                             text=True, cwd=tmp_path, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}, check=False)
        assert out.returncode == 0, out.stderr
        (row,) = json.loads(out.stdout)
        return next(it["state"] for it in row["items"] if it["item"] == 1), row["works"]

    assert state()[0] == "verified"
    body = home / "gradient" / "descent.py"
    body.write_text(body.read_text().replace("x = x - step * problem.grad(x)", "x = x - 1.01 * step * problem.grad(x)"))
    assert state() == ("stale", False)


def test_the_record_is_replaced_method_by_method_and_whole(tmp_path):
    path = tmp_path / "record.json"
    record.write([entry(method="a"), entry(method="b", guarantee="old")], path)
    record.write([entry(method="b", guarantee="new")], path)
    assert sorted((e["method"], e["guarantee"]) for e in record.read(path)) == [("a", "g"), ("b", "new")]
    with pytest.raises(TypeError):
        record.write([entry(method="b", guarantee=object())], path)
    assert len(record.read(path)) == 2
    assert list(tmp_path.iterdir()) == [path]


def test_the_committed_record_is_current():
    """Run `optlab verify --record` when this fails: a text that decided an entry has changed since it was written."""
    entries = record.read()
    stale = sorted({e["method"] for e in entries if not record.is_current(e)})
    assert entries, "there is no record yet: run `optlab verify --record`"
    assert not stale, f"run `optlab verify --record`: entries are stale for {', '.join(stale)}"
    recorded = {(e["method"], e["guarantee"]) for e in entries}
    now = {(m.name, g.title) for m in all_methods().values() for g in m.guarantees}
    assert recorded == now, f"run `optlab verify --record`: {sorted(recorded ^ now)[:3]} differ between code and record"


def test_working_rows_have_all_items_settled():
    for p in papers():
        assert p["works"] == (all(it["state"] in STATES for it in p["items"]) and p["verified"] > 0)
        assert p["verified"] == sum(it["state"] == "verified" for it in p["items"])
        for it in p["items"]:
            assert it["state"] != "verified" or it["proved_by"]
