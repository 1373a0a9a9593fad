"""`python -m i3_pyserini.model.explain`: the pseudo-query words of a passage."""

import argparse
import dataclasses
import json
from itertools import groupby
from pathlib import Path

from i3_pyserini.errors import I3Error, note, run_command
from i3_pyserini.formats.corpus_options import add_corpus_options, corpus_options
from i3_pyserini.formats.passages import Corpus


def _ranges(positions: list[int]) -> str:
    """[1, 2, 3, 7] as "1-3 7"."""
    runs = [
        [position for _, position in run]
        for _, run in groupby(enumerate(positions), key=lambda pair: pair[1] - pair[0])
    ]
    return " ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m i3_pyserini.model.explain",
        description="Print the words of the query that a model imagines for a passage.",
    )
    parser.add_argument("model", help="model directory or hub name")
    parser.add_argument("--text", help="the passage's text")
    parser.add_argument("--title", help="its title")
    parser.add_argument("--corpus", type=Path, help="file or folder that has the passage")
    parser.add_argument("--id", help="the passage's id in --corpus")
    parser.add_argument("--top", type=int, default=20, metavar="N", help="words (default 20)")
    parser.add_argument(
        "--memory",
        choices=("tokens", "vector"),
        default="tokens",
        help="what the reconstructor sees: all token vectors, as the original's decode_passage "
        "(default), or the passage vector alone, as when a released model encodes",
    )
    parser.add_argument("--stop-words", action="store_true", help="show stop words too")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_corpus_options(parser)
    return parser.parse_args()


def main() -> None:
    """Parses the command line and prints a table or JSON."""
    args = _arguments()
    if (args.text is None) == (args.corpus is None) or (args.corpus is None) != (args.id is None):
        raise I3Error("give the passage either as --text (and --title) or as --corpus and --id")
    if args.corpus is not None and args.title is not None:
        raise I3Error("--title goes with --text; with --corpus the passage has its own")
    if args.top < 1:
        raise I3Error(f"--top is {args.top}, must be at least 1")
    from i3_pyserini.model.export import load_model_directory
    from i3_pyserini.model.pseudo_query import explain

    title, text = args.title, args.text
    if args.corpus is not None:
        corpus = Corpus.from_options(args.corpus, corpus_options(args))
        passage = corpus.find(args.id)
        title, text = passage.title, passage.text
    model, tokenizer = load_model_directory(args.model)
    if model.has_reconstructor and not model.config.speaks:
        note(f"{args.model}: its reconstructor was never trained; these words mean nothing")
    words = explain(
        model,
        tokenizer,
        text,
        title,
        top=args.top,
        keep_stop_words=args.stop_words,
        memory=args.memory,
    )
    if args.json:
        known = {"id": args.id, "title": title, "text": text, "memory": args.memory}
        known["trained"] = model.config.speaks
        found = [dataclasses.asdict(word) for word in words]
        print(json.dumps({**known, "words": found}, ensure_ascii=False))
        return
    print(f"{'rank':>4}  {'word':<24} {'weight':>8}  positions")
    for rank, word in enumerate(words, start=1):
        print(f"{rank:>4}  {word.word:<24} {word.weight:>8.4f}  {_ranges(word.positions)}")


if __name__ == "__main__":
    run_command(main)
