"""`python -m i3_pyserini.eval QRELS RUN…`: measures, through ir-measures."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from i3_pyserini.errors import I3Error, note, run_command
from i3_pyserini.subcommand import run_subcommand

if TYPE_CHECKING:
    import polars as pl
    from ir_measures.measures import Measure

    from i3_pyserini.eval.evaluate import Evaluation
    from i3_pyserini.eval.groups import Groups
    from i3_pyserini.eval.present import Section

COMMANDS = {
    "diff": "the queries that differ most between two runs, and the passages that moved",
    "report": "a page with tables and figures, to send or to print",
}
GROUPINGS = ("length", "relevants", "bm25")
STYLES = ("json", "csv", "markdown", "latex")


def main() -> None:
    """Parses the command line, evaluates, and prints."""
    words = sys.argv[1:]
    if words and words[0] in COMMANDS:
        run_subcommand("i3_pyserini.eval", words[0], COMMANDS[words[0]], words[1:])
        return
    args = _parser().parse_args(words)
    _check(args)
    from i3_pyserini.eval.collection import searched_collection
    from i3_pyserini.eval.evaluate import evaluate
    from i3_pyserini.eval.task import read_task
    from i3_pyserini.formats.runs import read_runs

    task = read_task(args.qrels, args.measures, args.index, args.duplicates)
    groups, of_groups = _groups(args, task.qrels, task.measures)
    notes = [*task.notes, *of_groups]
    evaluations = [evaluate(task.qrels, run, task.measures) for run in read_runs(args.runs)]
    for evaluation in evaluations:
        for warning in evaluation.warnings:
            note(f"{evaluation.run}: {warning}")
    for one in notes:
        note(one)
    collection = None
    if args.index:
        collection = "{} ({} passages)".format(*searched_collection(args.index))
    if args.per_query and args.style != "json":
        _print_per_query(evaluations, args.style, collection)
        return
    _print(_sections(args, evaluations, groups), args, collection, notes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m i3_pyserini.eval",
        description="Evaluate run files (TREC or MS MARCO format; plain, gzip or zstd).",
        epilog="Presets: msmarco-passage-dev, trec-dl-2019 to trec-dl-2022, beir, miracl. Anything "
        "else is an expression of ir-measures, such as nDCG@10 or 'R(rel=2)@1000'.\n\n"
        "Other commands, python -m i3_pyserini.eval COMMAND --help:\n"
        + "\n".join(f"  {name:<8}{what}" for name, what in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "qrels", help="TREC qrels file, or the name of a data set or preset (through ir_datasets)"
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="run")
    parser.add_argument(
        "--measures",
        nargs="+",
        default=[],
        metavar="M",
        help="presets or measures, behind the files (default: nDCG@10 RR@10 R@100 R@1000)",
    )
    parser.add_argument(
        "--index", type=Path, help="the index that was searched: the table says of what collection"
    )
    parser.add_argument(
        "--baseline", type=Path, metavar="RUN", help="the run to compare the others with"
    )
    parser.add_argument(
        "--group-by",
        metavar="WAY",
        help=f"also by groups of queries: {', '.join(GROUPINGS)}, or a file (query id, group)",
    )
    parser.add_argument("--topics", help="for --group-by length")
    parser.add_argument("--bm25", type=Path, metavar="RUN", help="for --group-by bm25")
    parser.add_argument(
        "--duplicates",
        choices=("refuse", "max"),
        default="refuse",
        help="of a passage that is judged twice for a query with different levels: refuse the "
        "qrels (default), or take the highest",
    )
    parser.add_argument("--per-query", action="store_true", help="one line a query and measure")
    form = parser.add_mutually_exclusive_group()
    for style in STYLES:
        form.add_argument(f"--{style}", dest="style", action="store_const", const=style)
    return parser


def _check(args: argparse.Namespace) -> None:
    """Refuses arguments that do not go together, before anything is read."""
    if args.group_by and args.group_by not in GROUPINGS and not Path(args.group_by).is_file():
        raise I3Error(f"--group-by {args.group_by}: neither {', '.join(GROUPINGS)} nor a file")
    for grouping, option in (("length", "topics"), ("bm25", "bm25")):
        if args.group_by == grouping and not getattr(args, option):
            raise I3Error(f"--group-by {grouping} needs --{option}")
        if args.group_by != grouping and getattr(args, option):
            raise I3Error(f"--{option} is for --group-by {grouping}")
    if args.per_query and (args.baseline or args.group_by) and args.style != "json":
        raise I3Error("--per-query prints values only; with --baseline or --group-by take --json")
    if args.per_query and args.style in ("markdown", "latex"):
        raise I3Error(f"--per-query is for programs: take --csv or --json, not --{args.style}")
    if args.baseline:
        _place_baseline(args)


def _place_baseline(args: argparse.Namespace) -> None:
    """Puts the baseline among the runs, and its place there into the arguments."""
    from i3_pyserini.formats.runs import place_of

    place = place_of(args.baseline, args.runs)
    if place is None:
        if not args.baseline.exists():
            raise I3Error(f"--baseline {args.baseline}: neither a file nor one of the runs")
        place = 0
        args.runs.insert(0, args.baseline)
    if len(args.runs) == 1:
        raise I3Error(f"{args.baseline}: name another run to compare the baseline with")
    args.baseline = place


def _sections(
    args: argparse.Namespace, evaluations: "list[Evaluation]", groups: "Groups"
) -> "list[Section]":
    """All queries, then the groups that were asked for."""
    from i3_pyserini.eval.compare import LEAST_QUERIES, compare
    from i3_pyserini.eval.groups import restrict
    from i3_pyserini.eval.present import Section

    place = args.baseline
    sections = []
    for name, queries in [("", None), *groups.items()]:
        runs = [restrict(one, queries) if queries else one for one in evaluations]
        differences = []
        if place is not None and (not queries or len(queries) >= LEAST_QUERIES):
            differences = compare(runs[place], [*runs[:place], *runs[place + 1 :]])
        sections.append(Section(name, runs, differences))
    return sections


def _groups(
    args: argparse.Namespace, qrels: "pl.DataFrame", measures: "list[Measure]"
) -> "tuple[Groups, list[str]]":
    if not args.group_by:
        return {}, []
    from i3_pyserini.eval import groups
    from i3_pyserini.eval.measures import relevance_level
    from i3_pyserini.formats.runs import read_run
    from i3_pyserini.formats.topics import read_topics

    level = relevance_level(measures)
    if args.group_by == "length":
        return groups.by_length(qrels, read_topics(args.topics)), []
    if args.group_by == "relevants":
        return groups.by_relevants(qrels, level), []
    if args.group_by == "bm25":
        return groups.by_first_hit(qrels, read_run(args.bm25), level), []
    return groups.read_groups(Path(args.group_by), qrels)


def _print(
    sections: "list[Section]", args: argparse.Namespace, collection: str | None, notes: list[str]
) -> None:
    from i3_pyserini.eval.present import as_json, render

    if args.style == "json":
        print(as_json(sections, collection, notes, args.per_query))
    else:
        print(render(sections, args.style or "text", collection))


def _print_per_query(
    evaluations: "list[Evaluation]", style: str | None, collection: str | None
) -> None:
    from i3_pyserini.eval.tables import Table

    if collection:
        note(f"collection: {collection}")
    rows = [
        [evaluation.run, row.query_id, row.measure, repr(row.value)]
        for evaluation in evaluations
        for row in evaluation.per_query.itertuples()
    ]
    table = Table(["run", "query_id", "measure", "value"], rows)
    print(table.csv() if style == "csv" else "\n".join(map("\t".join, [table.header, *rows])))


if __name__ == "__main__":
    run_command(main)
