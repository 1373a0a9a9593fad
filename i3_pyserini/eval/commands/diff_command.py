"""`python -m i3_pyserini.eval diff`."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import new_file, refuse_existing, refuse_inputs
from i3_pyserini.formats.corpus_options import add_corpus_options, corpus_options

if TYPE_CHECKING:
    from i3_pyserini.eval.diff import Diff
    from i3_pyserini.eval.diff_texts import PassageTexts, WordsOf
    from i3_pyserini.formats.runs import Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("qrels", help="TREC qrels file, or a preset's name (through ir_datasets)")
    parser.add_argument("a", type=Path, metavar="A", help="the run to start from")
    parser.add_argument("b", type=Path, metavar="B", help="the run that may be better or worse")
    parser.add_argument("--topics", required=True, help="as for search: a file or a name")
    parser.add_argument(
        "--measure",
        default="nDCG@10",
        metavar="M",
        help="a measure, or a preset, which means its first (default nDCG@10)",
    )
    parser.add_argument(
        "--queries",
        type=int,
        default=10,
        metavar="N",
        help="how many that lost most, and as many that gained most (default 10)",
    )
    parser.add_argument(
        "--depth", type=int, default=10, metavar="N", help="passages of a run's top (default 10)"
    )
    parser.add_argument(
        "--collection", type=Path, metavar="CORPUS", help="show texts of this corpus"
    )
    parser.add_argument("--cache", type=Path, help="folder for the text store of --collection")
    parser.add_argument("--model", help="show pseudo-query words: an I³ model that reconstructs")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: print")
    parser.add_argument("--overwrite", action="store_true")
    form = parser.add_mutually_exclusive_group()
    for style in ("json", "markdown"):
        form.add_argument(f"--{style}", dest="style", action="store_const", const=style)
    add_corpus_options(parser)


def run(args: argparse.Namespace) -> None:
    """Compares, and prints or writes what was found.

    Raises:
        I3Error: arguments do not go together, or a file is not as it should be.
    """
    _check(args)
    from i3_pyserini.eval.diff import Choice, diff
    from i3_pyserini.eval.measures import graded_note
    from i3_pyserini.formats.measures import choose_measures
    from i3_pyserini.formats.qrels import read_qrels
    from i3_pyserini.formats.topics import read_topics

    measures, note = choose_measures([args.measure])
    topics = read_topics(args.topics)
    qrels = read_qrels(args.qrels)
    runs = _runs(args)
    texts = _texts(args)
    choice = Choice(measures[0], args.queries, args.depth)
    found = diff(qrels, runs, choice, topics, texts.show if texts else None)
    told = [note] if note else []
    told += graded_note(measures[:1], max(qrels["relevance"]))
    page = _render(replace(found, notes=[*found.notes, *told]), args.style)
    if args.output is None:
        print(page)
        return
    with new_file(args.output, args.overwrite) as file:
        file.write(f"{page}\n")
    print(f"wrote {args.output}")


def _check(args: argparse.Namespace) -> None:
    """Refuses arguments that do not go together, before anything is read."""
    for name in ("queries", "depth"):
        if getattr(args, name) < 1:
            raise I3Error(f"--{name} is {getattr(args, name)}, must be at least 1")
    if args.a.exists() and args.b.exists() and args.a.samefile(args.b):
        raise I3Error(f"{args.b}: is the same file as {args.a}; name two runs")
    for option in ("model", "cache"):
        if getattr(args, option) and not args.collection:
            raise I3Error(f"--{option} is for the texts of passages: give --collection, too")
    if args.collection and not args.collection.exists():
        raise I3Error(f"{args.collection}: no such collection")
    if args.output:
        inputs = (args.a, args.b, Path(args.qrels), Path(args.topics), args.collection)
        refuse_inputs([args.output], inputs)
        refuse_existing(args.output, args.overwrite)


def _runs(args: argparse.Namespace) -> "tuple[Run, Run]":
    from i3_pyserini.formats.runs import read_runs

    a, b = read_runs([args.a, args.b])
    return a, b


def _texts(args: argparse.Namespace) -> "PassageTexts | None":
    if args.collection is None:
        return None
    from i3_pyserini.eval.diff_texts import PassageTexts
    from i3_pyserini.formats.passages import Corpus

    corpus = Corpus.from_options(args.collection, corpus_options(args))
    return PassageTexts(corpus, args.cache, _words(args.model) if args.model else None)


def _words(model: str) -> "WordsOf":
    from i3_pyserini.model.words import load_words

    found = load_words(model)
    return lambda text, title: [word for word, _ in found.of(text, title)]


def _render(found: "Diff", style: str | None) -> str:
    from i3_pyserini.eval.diff_page import as_json, as_markdown, as_text

    return {"json": as_json, "markdown": as_markdown}.get(style or "", as_text)(found)
