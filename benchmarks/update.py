"""Cost of an update in proportion to what changed, against encoding the whole corpus again.

    python -m benchmarks.update --corpus CORPUS --model MODEL [--passages 100000] [--record]

A corpus of the first sentences of CORPUS's passages, repeated with a number in each, is encoded;
then it changes: of each share given, four tenths of the passages have a changed text, three tenths
are new and three tenths are removed. Every command runs in a process of its own.
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.command import take
from benchmarks.record import Figure, add_record_option, measured_now, save
from i3_pyserini.errors import run_command
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.vector_files import open_index

SHARES = (0.0, 0.001, 0.01, 0.1)
WORDS = 24  # of a text


def main() -> None:
    """Measures; prints a table."""
    parser = argparse.ArgumentParser(description="Measure updates against whole encodings.")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES)
    parser.add_argument("--dtype", default="fp32")
    parser.add_argument("--work", type=Path, help="folder for indexes; default: a temporary one")
    add_record_option(parser, "update")
    args = parser.parse_args()
    figures: list[Figure] = []
    print("| | seconds | peak memory | largest difference |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory(dir=args.work) as temporary:
        folder = Path(temporary)
        texts = list(islice(_texts(args.corpus), args.passages))
        _write(folder / "old.jsonl", texts)
        options = ("--model", args.model, "--dtype", args.dtype)
        first = _encode(folder / "old.jsonl", folder / "old", *options)
        figures += _say("encode all", *first)
        for share in args.shares:
            _write(folder / "new.jsonl", _changed(texts, share))
            more = ("--update", str(folder / "old"), "--overwrite")
            found = _encode(folder / "new.jsonl", folder / "new", *options, *more)
            figures += _say(f"update, {share:.1%} changed", *found)
        fresh = _encode(folder / "new.jsonl", folder / "fresh", *options)
        worst = _difference(folder / "new", folder / "fresh")
        figures += _say(f"encode all, {args.shares[-1]:.1%} changed", *fresh, worst)
    if args.record:
        setup = {"passages": args.passages, "words of each": WORDS}
        about = f"updates of an index against encoding all passages again, in {args.dtype}"
        data = f"words of {args.corpus.resolve().parent.name}"
        save(args.record, measured_now(about, data, "once", setup, figures))


def _texts(corpus: Path) -> Iterator[tuple[str, str]]:
    number = 0
    while True:
        for passage in Corpus(corpus):
            yield f"p{number}", f"{number} {' '.join(passage.text.split()[:WORDS])}"
            number += 1


def _changed(texts: list[tuple[str, str]], share: float) -> list[tuple[str, str]]:
    chosen = random.Random(7).sample(range(len(texts)), round(share * len(texts)))  # noqa: S311  (no secret)
    edited, removed = set(chosen[: len(chosen) * 4 // 10]), set(chosen[len(chosen) * 7 // 10 :])
    found = [
        (docid, f"{text} and more" if number in edited else text)
        for number, (docid, text) in enumerate(texts)
        if number not in removed
    ]
    new = len(chosen) * 7 // 10 - len(edited)
    return found + [(f"n{number}", f"new {texts[number][1]}") for number in range(new)]


def _write(path: Path, texts: list[tuple[str, str]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for docid, text in texts:
            file.write(json.dumps({"id": docid, "text": text}) + "\n")


def _encode(corpus: Path, index: Path, *options: str) -> tuple[float, float]:
    """Seconds, and peak memory in GB."""
    words = [sys.executable, "-m", "i3_pyserini", "encode", str(corpus), "--output", str(index)]
    one = take([*words, *options])
    return one.wall, one.peak / 1e3


def _difference(one: Path, other: Path) -> float:
    """The largest difference of a number between two indexes of the same ids."""
    if (one / "docid").read_bytes() != (other / "docid").read_bytes():
        raise SystemExit("the updated index has other ids than the encoded one")
    left, right = open_index(one / "index"), open_index(other / "index")
    blocks = range(0, len(left), 4096)
    return max(float(np.abs(left[at : at + 4096] - right[at : at + 4096]).max()) for at in blocks)


def _say(name: str, seconds: float, memory: float, worst: float | None = None) -> list[Figure]:
    shown = "" if worst is None else f"{worst:.1e}"
    print(f"| {name} | {seconds:.1f} | {memory:.2f} GB | {shown} |", flush=True)
    found = [
        Figure(name=name, value=seconds, unit="s", digits=1),
        Figure(name=f"{name}, memory", value=memory, unit="GB", digits=2),
    ]
    other = [] if worst is None else [Figure(name="largest difference", value=worst, digits=9)]
    return found + other


if __name__ == "__main__":
    run_command(main)
