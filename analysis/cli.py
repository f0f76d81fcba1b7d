"""The command line: ``optlab verify | worst-case | plan | solve | list | papers | bench``."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from optlab.problems.errors import OptlabError

EXAMPLES = """examples:
  optlab verify                                   every theorem, on its own problems and on bundled real data
  optlab verify gradient_descent stochastic       a method, a family (or a paper: 165, garrigos-gower-handbook)
  optlab verify --data mine.svm --loss logistic --l2 0.01 --html report
  optlab worst-case gradient_descent --steps 10   exact worst case over the whole function class, and the theorem beside it
  optlab plan --data breast_cancer --eps 1e-6     steps that theory asks for, method by method
  optlab solve --data breast_cancer --tol 1e-8    the answer, with a certificate
  optlab papers                                   206 papers and what of them works
exit codes: 0 nothing violated, 1 something is, 2 bad use, 130 interrupted (finished verdicts are written)"""


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="optlab", description="Optimization theory you can run: methods, problems with exact "
                                "constants, theorems as objects, and one command that confronts the three.",
                                epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    from optlab import __version__

    p.add_argument("--version", action="version", version=f"optlab {__version__}")
    sub = p.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return sub.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")

    v = add("verify", "check theorems against runs, controls and exact worst cases")
    v.add_argument("names", nargs="*", metavar="NAME", help="method, family or paper (id or key); default: all")
    data_options(v)
    effort = v.add_mutually_exclusive_group()
    effort.add_argument("--quick", action="store_true", help="the default budget: seconds a method")
    effort.add_argument("--full", action="store_true", help="more steps, horizons, cases and replicates")
    v.add_argument("--jobs", type=int, default=None, metavar="N", help="processes (default: one a core)")
    v.add_argument("--html", metavar="DIR", type=Path, help="write the atlas: a page for every method, and an index")
    v.add_argument("--json", metavar="FILE", type=Path, help="write the verdicts")
    v.add_argument("--record", action="store_true", help="write what was seen to the project's record (see `optlab papers`)")

    w = add("worst-case", "the exact worst case of a method over its function class, by semidefinite programming")
    w.add_argument("method", metavar="METHOD")
    w.add_argument("--steps", type=int, required=True, metavar="K")
    for name in ("L", "mu", "G", "D"):
        w.add_argument(f"--{name}", type=float, help=f"constant {name} of the class (default: 1; mu: 0.1)")
    w.add_argument("--proof", action="store_true", help="show the multipliers: the inequalities that prove the value")
    w.add_argument("--json", metavar="FILE", type=Path)

    pl = add("plan", "steps that every applicable theorem asks for, with predicted cost")
    data_options(pl, required=True)
    pl.add_argument("--eps", type=float, default=1e-6, help="target for f(x) - f* (default 1e-6)")
    pl.add_argument("--json", metavar="FILE", type=Path)

    s = add("solve", "solve a problem and certify the answer")
    data_options(s, required=True)
    s.add_argument("--method", metavar="METHOD", help="default: the one whose theorem asks for the least work")
    s.add_argument("--tol", type=float, default=1e-6, help="certified bound on f(x) - f* (default 1e-6)")
    s.add_argument("--json", metavar="FILE", type=Path)

    ls = add("list", "methods, their families and what is proved of them")
    ls.add_argument("names", nargs="*", metavar="NAME")

    pa = add("papers", "the catalogue of papers and the state of every item, derived from the record")
    pa.add_argument("names", nargs="*", metavar="ID|KEY", help="show these rows item by item")
    pa.add_argument("--json", nargs="?", const="-", metavar="FILE", help="all rows as JSON (default: to the terminal)")

    b = add("bench", "measure against peers, as ratios")
    b.add_argument("names", nargs="*", metavar="NAME")
    b.add_argument("--json", metavar="FILE", type=Path)
    return p


def data_options(p: argparse.ArgumentParser, required: bool = False) -> None:
    p.add_argument("--data", metavar="FILE|NAME", default="breast_cancer" if required else None,
                   help="LIBSVM, CSV or npz file (.gz too), or a bundled set: breast_cancer, diabetes, digits, ...")
    p.add_argument("--loss", choices=("logistic", "squared", "huber", "lasso"), default=None,
                   help="default: logistic for two labels, else squared")
    p.add_argument("--l2", type=float, default=None, help="ridge weight (default 0.01)")
    p.add_argument("--l1", type=float, default=None, help="lasso weight (default: a tenth of the largest useful one)")


def problem_from(args: argparse.Namespace) -> Any:
    """The problem that ``--data``, ``--loss``, ``--l2``, ``--l1`` describe."""
    from optlab import problems
    from optlab.problems.errors import ProblemError

    dataset = problems.load_data(args.data)
    loss = args.loss or ("logistic" if len(set(dataset.y.tolist())) == 2 else "squared")
    if args.l1 is not None and loss != "lasso":
        raise ProblemError(f"--l1 belongs to --loss lasso, got --loss {loss}")
    l2 = 1e-2 if args.l2 is None else args.l2
    if loss == "lasso":
        if args.l2 is not None:
            raise ProblemError("--l2 does not belong to --loss lasso (it has --l1)")
        return problems.Lasso.from_data(dataset, *(() if args.l1 is None else (args.l1,)))
    kind = {"logistic": problems.LogisticRegression, "squared": problems.LeastSquares, "huber": problems.HuberRegression}[loss]
    return kind.from_data(dataset, l2=l2)


def cmd_verify(args: argparse.Namespace) -> int:
    from . import show
    from .campaign import FULL, QUICK
    from .registry import select
    from .verify import campaign

    if args.data is None and any(x is not None for x in (args.loss, args.l2, args.l1)):
        raise OptlabError("--loss, --l2 and --l1 describe a problem on --data FILE, which is missing")
    if args.record and args.data is not None:
        raise OptlabError("--record speaks of the project's own cases: leave --data out")
    if args.json and args.json.is_dir():
        raise OptlabError(f"cannot write {args.json}: it is a folder")
    if args.html and args.html.exists() and not args.html.is_dir():
        raise OptlabError(f"cannot write {args.html}: it is no folder")
    writable(args.json)
    writable(args.html)
    methods = [m for m in select(args.names) if m.guarantees]
    problem = problem_from(args) if args.data is not None else None
    verdicts = campaign(methods, FULL if args.full else QUICK, problem=problem, controls=problem is None,
                        worst_case=True, full=args.full, progress=sys.stderr.isatty(), workers=args.jobs or os.cpu_count() or 1)
    if problem is not None:
        verdicts = show.applicable(verdicts, problem)
    if str(args.json) != "-":
        show.verdict_table(verdicts)
    if args.json:
        write_json(args.json, [v.as_dict() for v in verdicts])
    if args.html:
        from .atlas import write_atlas

        index = write_atlas(verdicts, args.html)
        print(f"atlas: {index}")
    if args.record and not verdicts.interrupted:
        from . import record

        sources = {g.id + g.title: g.source for m in methods for g in m.guarantees}
        record.write([record.entry(v, sources[v.id + v.guarantee]) for v in verdicts])
        print(f"record: {record.RECORD}")
    if verdicts.interrupted:
        print(f"interrupted: {len(verdicts)} finished verdicts kept", file=sys.stderr)
        return 130
    return 1 if len(verdicts.violated) else 0


def write_json(path: Path | str, value: Any) -> None:
    """JSON to a file, whole or not at all; '-' is the terminal."""
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
        return
    from .record import write_whole

    try:
        write_whole(Path(path), text)
    except OSError as error:
        raise OptlabError(f"cannot write {path}: {error.strerror}") from None


def one_method(command: str, name: str) -> Any:
    """The method of this name (not a family or paper of several)."""
    from optlab.problems.errors import ProblemError

    from .registry import select

    methods = select([name])
    if len(methods) > 1:
        raise ProblemError(f"{command} wants one method, {name!r} names {len(methods)}")
    return methods[0]


def writable(path: Path | None) -> None:
    """Refuse, before any work, a file or folder that could not be written at its end."""
    if path is None or str(path) == "-":
        return
    place = next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
    if not os.access(place, os.W_OK) or (place != path.absolute() and not place.is_dir()):
        raise OptlabError(f"cannot write {path}: {place} is not {'writable' if place.is_dir() else 'a writable folder'}")


def finite(x: float) -> float | None:
    """A number that JSON knows, or null."""
    return float(x) if math.isfinite(x) else None


def cmd_worst_case(args: argparse.Namespace) -> int:
    from optlab.problems.assumptions import Convex, Smooth
    from optlab.problems.errors import ProblemError

    from .worst_case import class_of, readable, worst_case

    method = one_method("worst-case", args.method)
    if args.steps < 1:
        raise ProblemError(f"--steps must be at least 1, got {args.steps}")
    given = {n: getattr(args, n) for n in ("L", "mu", "G", "D") if getattr(args, n) is not None}
    rows = []
    for g in method.guarantees:
        if not readable(g, method):
            continue
        from dataclasses import replace

        at = replace(g, at_constants={**g.at_constants, **given})
        w = worst_case(method, class_of(at), args.steps, guarantee=at)
        rows.append((g, w))
    if not rows:
        # let the engine say why: it knows whether the body or the measure is in the way, whatever the class
        worst_case(method, (Smooth(L=1.0), Convex()), args.steps)
        raise ProblemError(f"none of {method.name}'s guarantees can be read on symbolic points")
    from .show import worst_case_table

    proofs = [w.proof() if args.proof and math.isfinite(w.value) else None for _, w in rows]
    if str(args.json) != "-":
        worst_case_table(rows)
        for proof in filter(None, proofs):
            print(f"\n{proof}")
    if args.json:
        write_json(args.json, [{"method": w.method, "guarantee": g.title, "source": str(g.source), "steps": w.steps,
                                "status": w.status, "value": finite(w.value), "dual": finite(w.dual), "exact": w.exact,
                                "bound": finite(w.bound), **({"proof": p.as_dict()} if p else {})}
                               for (g, w), p in zip(rows, proofs, strict=True)])
    return 1 if any(w.exact and w.value > w.bound * (1 + 1e-5) + 1e-6 for _, w in rows) else 0


def cmd_plan(args: argparse.Namespace) -> int:
    from .plan import plan
    from .show import plan_table

    table = plan(problem_from(args), args.eps)
    if str(args.json) != "-":
        plan_table(table)
    if args.json:
        write_json(args.json, [row.as_dict() for row in table])
    return 0


def cmd_solve(args: argparse.Namespace) -> int:
    from .solve import solve

    method = one_method("solve", args.method) if args.method else None
    answer = solve(problem_from(args), method, tol=args.tol)
    print(answer)
    if args.json:
        write_json(args.json, answer.as_dict())
    return 0 if answer.certified else 1


def cmd_list(args: argparse.Namespace) -> int:
    from .registry import select
    from .show import method_table

    method_table(select(args.names))
    return 0


def cmd_papers(args: argparse.Namespace) -> int:
    from .papers import papers
    from .show import paper_items, paper_table

    rows = papers()
    if args.names:
        chosen = [r for r in rows if str(r["id"]) in args.names or r["key"] in args.names]
        unknown = set(args.names) - {str(r["id"]) for r in chosen} - {r["key"] for r in chosen}
        if unknown:
            raise OptlabError(f"no paper {sorted(unknown)[0]!r}: rows have ids 1 to {len(rows)} and keys such as "
                              f"{rows[0]['key']}")
        rows = chosen
    if args.json:
        write_json(args.json, rows)
    elif args.names:
        for row in rows:
            paper_items(row)
    else:
        paper_table(rows)
    return 0


def cmd_bench(args: argparse.Namespace) -> int:
    from .bench import bench

    rows = bench(args.names)
    if args.json:
        write_json(args.json, rows)
    return 0


COMMANDS = {"verify": cmd_verify, "worst-case": cmd_worst_case, "plan": cmd_plan, "solve": cmd_solve, "list": cmd_list,
            "papers": cmd_papers, "bench": cmd_bench}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; bad use is one sentence on stderr and exit code 2."""
    args = parser().parse_args(argv)
    from threadpoolctl import threadpool_limits

    try:
        with threadpool_limits(limits=1, user_api="blas"):  # small matrices: threads only cost
            return COMMANDS[args.command](args)
    except OptlabError as error:
        print(f"optlab {args.command}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        print(f"optlab {args.command}: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
