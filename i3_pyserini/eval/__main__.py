"""`python -m i3_pyserini.eval QRELS RUN…`: measures, through ir-measures."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from i3_pyserini.errors import I3Error, run_command

if TYPE_CHECKING:
    from i3_pyserini.eval.evaluate import Evaluation


def main() -> None:
    """Parses the command line, evaluates, and prints."""
    parser = argparse.ArgumentParser(
        prog="python -m i3_pyserini.eval",
        description="Evaluate run files (TREC or MS MARCO format, plain or gzipped).",
        epilog="Presets: msmarco-passage-dev, trec-dl-2019, trec-dl-2020. Anything else is an "
        "expression of ir-measures, such as nDCG@10 or 'R(rel=2)@1000'.",
    )
    parser.add_argument("qrels", help="TREC qrels file, or a preset's name (through ir_datasets)")
    parser.add_argument("runs", type=Path, nargs="+", metavar="run")
    parser.add_argument(
        "--measures", nargs="+", default=[], metavar="M", help="presets or measures"
    )
    parser.add_argument(
        "--index", type=Path, help="the index that was searched: the table says of what collection"
    )
    parser.add_argument("--per-query", action="store_true", help="one line a query and measure")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true")
    form.add_argument("--csv", action="store_true")
    args = parser.parse_args()
    from i3_pyserini.eval.evaluate import evaluate
    from i3_pyserini.eval.measures import PRESETS, choose_measures
    from i3_pyserini.eval.runs import read_qrels, read_run

    names = args.measures or ([args.qrels] if args.qrels in PRESETS else [])
    measures, note = choose_measures(names)
    qrels = read_qrels(args.qrels)
    searched = _searched(args.index) if args.index else None
    evaluations = [evaluate(qrels, read_run(path), measures) for path in args.runs]
    for evaluation in evaluations:
        for warning in evaluation.warnings:
            print(f"note: {evaluation.run}: {warning}", file=sys.stderr)
    if note:
        print(f"note: {note}", file=sys.stderr)
    if args.json:
        print(_json(evaluations, args.per_query, searched))
    elif args.per_query:
        _print_per_query(evaluations, "," if args.csv else "\t")
    elif args.csv:
        _print_rows(evaluations, ",", searched)
    else:
        if searched:
            print(f"collection: {searched}")
        _print_table(evaluations)


def _print_table(evaluations: "list[Evaluation]") -> None:
    names = list(evaluations[0].means)
    widths = [max(8, len(name)) for name in names]
    first = max(len(evaluation.run) for evaluation in evaluations)
    print(" " * first, *(f"{name:>{width}}" for name, width in zip(names, widths, strict=True)))
    for evaluation in evaluations:
        values = zip(evaluation.means.values(), widths, strict=True)
        print(f"{evaluation.run:<{first}}", *(f"{value:>{width}.4f}" for value, width in values))


def _print_rows(evaluations: "list[Evaluation]", separator: str, searched: str | None) -> None:
    print(separator.join(["run", *(["collection"] if searched else []), *evaluations[0].means]))
    for evaluation in evaluations:
        first = [evaluation.run, *([searched] if searched else [])]
        print(separator.join([*first, *map(repr, evaluation.means.values())]))


def _print_per_query(evaluations: "list[Evaluation]", separator: str) -> None:
    print(separator.join(["run", "query_id", "measure", "value"]))
    for evaluation in evaluations:
        for row in evaluation.per_query.itertuples():
            print(separator.join([evaluation.run, row.query_id, row.measure, repr(row.value)]))


def _searched(index: Path) -> str:
    from i3_pyserini.encode.output import read_manifest

    manifest = read_manifest(index)
    corpus, count = manifest.get("corpus"), manifest.get("passages")
    if not isinstance(corpus, dict) or not isinstance(count, int):
        raise I3Error(
            f"{index}: no index that i3_pyserini.encode made; its collection is not known"
        )
    return f"{corpus.get('name') or corpus.get('path')} ({count} passages)"


def _json(evaluations: "list[Evaluation]", per_query: bool, searched: str | None) -> str:
    return json.dumps(
        [
            {
                "run": evaluation.run,
                **({"collection": searched} if searched else {}),
                "measures": evaluation.means,
                "warnings": evaluation.warnings,
                **({"per_query": evaluation.per_query.to_dict("records")} if per_query else {}),
            }
            for evaluation in evaluations
        ],
        indent=2,
    )


if __name__ == "__main__":
    run_command(main)
