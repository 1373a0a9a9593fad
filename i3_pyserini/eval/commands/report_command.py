"""`python -m i3_pyserini.eval report`."""

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import refuse_inputs

if TYPE_CHECKING:
    from i3_pyserini.eval.report.page import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("qrels", help="TREC qrels file, or a preset's name (through ir_datasets)")
    parser.add_argument("runs", type=Path, nargs="+", metavar="run")
    parser.add_argument("--output", type=Path, required=True, help="the page, such as report.html")
    parser.add_argument(
        "--measures", nargs="+", default=[], metavar="M", help="presets or measures"
    )
    parser.add_argument(
        "--baseline",
        metavar="RUN",
        help="the run to compare the others with, by path or name (default: the first)",
    )
    parser.add_argument(
        "--relevance",
        type=int,
        metavar="N",
        help="from which level on a passage is relevant in figures of ranks (default: the highest "
        "that a measure names, else 1)",
    )
    parser.add_argument("--title", default="Runs compared")
    parser.add_argument("--index", type=Path, help="the index that was searched")
    parser.add_argument(
        "--costs",
        type=Path,
        metavar="FILE",
        help="TSV: run, queries_per_second, index_bytes; adds figures of cost",
    )
    parser.add_argument(
        "--figures", type=Path, metavar="DIR", help="write figures as SVG, PDF and PNG, too"
    )


def run(args: argparse.Namespace) -> None:
    """Evaluates, compares, draws and writes.

    Raises:
        I3Error: arguments do not go together, or a file is not as it should be.
    """
    _check(args)
    from i3_pyserini.eval.report.figures import save_all
    from i3_pyserini.eval.report.page import drawings, write_page

    report = _report(args)
    figures = drawings(report)
    if args.figures:
        save_all(figures, args.figures)
        print(f"wrote {args.figures}: {len(figures)} figures as SVG, PDF and PNG")
    write_page(report, figures, args.output)
    print(f"wrote {args.output}")


def _check(args: argparse.Namespace) -> None:
    """Refuses what cannot be, before anything is read."""
    for library in ("matplotlib", "jinja2"):
        if find_spec(library) is None:
            raise I3Error(f"reports need {library}: pip install 'i3-pyserini[report]'")
    if args.output.is_dir():
        raise I3Error(f"{args.output}: is a folder; name a file, such as report.html")
    if args.output.suffix != ".html":  # an older page may be replaced, but nothing else
        raise I3Error(f"{args.output}: is no page; give it a name such as report.html")
    if args.figures and args.figures.exists() and not args.figures.is_dir():
        raise I3Error(f"{args.figures}: is a file; name a folder for --figures")
    refuse_inputs([args.output], [Path(args.qrels), *args.runs, args.costs])
    names = [run.name for run in args.runs]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise I3Error(f"two runs are called {twice[0]}; give them different file names")
    for name in (Path(args.qrels).name, *names, args.title):
        if not name.isprintable():
            raise I3Error(f"{name!a}: has a character that no page can show; choose another name")


def _baseline(args: argparse.Namespace) -> int | None:
    """Place of the run that the others are compared with; None for a run alone."""
    if args.baseline is None:
        return 0 if len(args.runs) > 1 else None
    from i3_pyserini.formats.runs import place_of

    place = place_of(Path(args.baseline), args.runs)
    if place is None:
        raise I3Error(f"--baseline {args.baseline} is none of the runs")
    if len(args.runs) == 1:
        raise I3Error(f"--baseline {args.baseline}: name another run to compare it with")
    return place


def _report(args: argparse.Namespace) -> "Report":
    from i3_pyserini.eval.collection import searched_collection
    from i3_pyserini.eval.compare import LEAST_QUERIES, compare
    from i3_pyserini.eval.evaluate import evaluate
    from i3_pyserini.eval.measures import relevance_level
    from i3_pyserini.eval.ranking import judged_ranks
    from i3_pyserini.eval.report.costs import read_costs
    from i3_pyserini.eval.report.page import Report, counted
    from i3_pyserini.eval.task import read_task
    from i3_pyserini.formats.runs import read_run

    place = _baseline(args)
    costs = read_costs(args.costs, [run.name for run in args.runs]) if args.costs else {}
    task = read_task(args.qrels, args.measures, args.index)
    qrels, notes = task.qrels, list(task.notes)
    level = _level(args.relevance, max(qrels["relevance"])) or relevance_level(task.measures)
    evaluations, ranks = [], {}
    for path in args.runs:
        run = read_run(path)
        evaluations.append(evaluate(qrels, run, task.measures))
        ranks[run.name] = judged_ranks(qrels, run)
        notes += [f"{run.name}: {told}" for told in evaluations[-1].warnings]
    if len(evaluations[0].queries) < LEAST_QUERIES and not args.baseline:
        place = None
    others = [one for number, one in enumerate(evaluations) if number != place]
    path = Path(args.qrels)  # the folder is nobody's business who is sent the page
    judged = f"{counted(len(evaluations[0].queries))}, {len(qrels):,} judgements"
    facts = {"qrels": f"{path.name if path.exists() else args.qrels}: {judged}"}
    if args.index:
        facts["collection"] = "{} ({:,} passages)".format(*searched_collection(args.index))
    return Report(
        title=args.title,
        evaluations=evaluations,
        ranks=ranks,
        level=level,
        baseline=place,
        differences=compare(evaluations[place], others) if place is not None else (),
        costs=costs,
        facts=facts,
        notes=notes,
    )


def _level(asked: int | None, highest: int) -> int | None:
    if asked is not None and not 1 <= asked <= highest:
        raise I3Error(f"--relevance {asked}: the qrels have levels from 1 to {highest}")
    return asked
